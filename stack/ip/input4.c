/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides whether an IPv4 packet is this host's and what of it is the transport's. What belongs to
 * the kernel (fragments, options, other protocols) ends in a counter that says so. Never answers:
 * no ICMP errors; the kernel does that.
 *
 * RFC 791 3.1 (the header), RFC 1122 3.2.1 (what a host must check), RFC 6890 (impossible sources).
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

enum stat_id ip4_rx(struct stack *st, struct rx_pkt *p)
{
	enum stat_id r = ip4_check(st, p);

	if (likely(r == STAT_rx_packets && p->proto != IPPROTO_ICMP_))
		return ip_deliver(st, p);
	if (r == STAT_rx_packets)
		return icmp4_rx(st, p);
	rx_free(st, p);
	return r;
}
