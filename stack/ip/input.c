/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides whose a received packet is: Ethernet, then IP, down to the transport. What is not for
 * this host, or belongs to the kernel (fragments, options, other protocols), ends in a counter that
 * says why. Never answers: no ICMP errors, no ARP; the kernel does that.
 *
 * RFC 791 3.1 (the header), RFC 1122 3.2.1 (what a host must check), RFC 6890 (impossible sources).
 * The family is chosen here and nowhere deeper: beyond ip_rx() addresses are v4-mapped.
 */
#include "../internal.h"

/* Sources that no packet from a wire can have: 0/8, 127/8, multicast, reserved and broadcast. */
static bool ip4_src_martian(uint32_t be, bool loop)
{
	uint32_t net = be32(be) >> 24;

	if (net == 127)
		return !loop;
	return net == 0 || net >= 224;
}

/*
 * Loopback addresses are local on the loopback device and nowhere else (RFC 1122 3.2.1.3 (g)). From
 * a wire, a source that is an address of ours is a forgery or a loop, as Linux has it.
 */
static bool ip4_addresses_ok(const struct stack *st, unsigned dev, const struct ip4_hdr *h,
			     struct rx_pkt *p)
{
	bool loop = dev == STACK_DEV_LOOP;

	if (ip4_src_martian(h->src, loop))
		return false;
	p->src = ip_addr_v4(h->src);
	p->dst = ip_addr_v4(h->dst);
	if (loop && be32(h->dst) >> 24 == 127)
		return true;
	return stack_local_has(st, &p->dst) && (loop || !stack_local_has(st, &p->src));
}

/* The header checks in the order of RFC 1122 3.2.1; STAT_rx_packets when the packet is to go on. */
static enum stat_id ip4_check(struct stack *st, struct rx_pkt *p)
{
	struct ip4_hdr buf;
	const struct ip4_hdr *h = rx_peek(st, p, sizeof(*h), &buf);
	uint32_t tot_len, ihl;

	if (h == NULL)
		return STAT_drop_short;
	if (h->ver_ihl >> 4 != 4)
		return STAT_drop_ip_version;
	ihl = (h->ver_ihl & 15u) * 4;
	tot_len = be16(h->tot_len);
	if (ihl < sizeof(*h) || tot_len < ihl || tot_len > p->len)
		return STAT_drop_ip_header;
	if (ihl > sizeof(*h))
		return STAT_drop_ip_options;
	if (csum_fold(csum_add(0, h, sizeof(*h))) != 0xffff)
		return STAT_drop_ip_csum;
	if (h->frag_off & be16(IP4_MF | IP4_OFFSET))
		return STAT_drop_ip_fragment;
	if (!ip4_addresses_ok(st, p->dev, h, p))
		return STAT_drop_ip_address;
	p->proto = h->proto;
	p->tos = h->tos;
	p->ttl = h->ttl;
	/* What lies beyond is Ethernet's padding. */
	rx_trim(st, p, tot_len);
	rx_pull(st, p, sizeof(*h));
	return STAT_rx_packets;
}

static enum stat_id ip4_rx(struct stack *st, struct rx_pkt *p)
{
	enum stat_id r = ip4_check(st, p);

	if (r == STAT_rx_packets) {
		switch (p->proto) {
		case IPPROTO_TCP_:
			return tcp_rx(st, p);
		case IPPROTO_UDP_:
			return udp_rx(st, p);
		case IPPROTO_ICMP_:
			return icmp4_rx(st, p);
		default:
			r = STAT_drop_ip_proto;
		}
	}
	rx_free(st, p);
	return r;
}

enum stat_id ip_rx(struct stack *st, unsigned dev, uint32_t frame)
{
	struct rx_pkt p = {.frame = frame, .dev = (uint8_t)dev};
	enum stat_id r = STAT_drop_ethertype;
	struct eth_hdr buf;
	const struct eth_hdr *eth;
	uint32_t idx;

	for (idx = frame; idx != FRAME_NONE; idx = frame_meta(&st->frames, idx)->next)
		p.len += frame_meta(&st->frames, idx)->len;
	st->stats[STAT_rx_packets]++;
	st->stats[STAT_rx_bytes] += p.len;

	eth = rx_peek(st, &p, sizeof(*eth), &buf);
	if (eth == NULL) {
		r = STAT_drop_short;
	} else if (memcmp(eth->dst, st->dev[dev].mac, sizeof(eth->dst)) != 0) {
		/* Another host's, or to a group: never to be answered (RFC 1122 3.3.6). */
		r = STAT_drop_eth_address;
	} else if (eth->type == be16(ETHERTYPE_IP4)) {
		rx_pull(st, &p, ETH_HLEN_BYTES);
		return ip4_rx(st, &p);
	}
	rx_free(st, &p);
	return r;
}
