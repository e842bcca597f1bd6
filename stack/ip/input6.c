/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides whether an IPv6 packet is this host's, and takes it down to the transport, past the
 * extension headers that ask for nothing. What asks for something (source routing, options that
 * must be understood, reassembly) ends in a counter that says so. Never answers: no ICMPv6 errors;
 * the kernel does that.
 *
 * RFC 8200 3 (the header), 4 (extension headers: order, options' action bits, bounds as Linux has
 * them); RFC 5095 (no source routing); RFC 6946 (atomic fragments); RFC 4291 2.5, 2.7 (addresses);
 * RFC 4007 6 (zones).
 */
#include "../internal.h"

#define EXT_HDRS_MAX 8u    /* of one packet; those of RFC 8200 4.1 are seven */
#define EXT_OPTS_MAX 8u    /* of one header: Linux's max_hbh_opts_number, max_dst_opts_number */
#define OPTS_PADDING_MAX 7 /* bytes in a row: what aligns to 8 needs no more */

enum { OPT_PAD1, OPT_PADN };
#define OPT_ACTION 0xc0u /* what one who does not know the option does; 0: skip it */

/* ---- addresses ------------------------------------------------------------------------------ */

/*
 * The link-local addresses of a packet over the loopback device are those of the interface whose
 * address it is to: it is taken as having come in there.
 */
static void loop_scope(const struct stack *st, struct rx_pkt *p)
{
	for (uint32_t i = 0; i < st->nlocal; i++) {
		const struct ip_addr *a = &st->local[i];

		if (a->scope == 0)
			continue;
		if (ip_addr_is_linklocal(&p->dst))
			p->dst.scope = a->scope;
		if (ip_addr_is_linklocal(&p->src))
			p->src.scope = a->scope;
		if (stack_local_has(st, &p->dst) && stack_local_has(st, &p->src))
			return;
	}
}

/*
 * ::1 is local on the loopback device and nowhere else (RFC 4291 2.5.3); mapped addresses are on no
 * wire; a group, and the unspecified address, send nothing that we take. From a wire, a source that
 * is an address of ours is a forgery or a loop.
 */
static bool ip6_addresses_ok(const struct stack *st, struct rx_pkt *p, const struct ip6_hdr *h)
{
	bool loop = p->dev == STACK_DEV_LOOP;
	uint32_t ifindex = st->dev[p->dev].ifindex;

	p->src = ip_addr_v6(h->src, ifindex);
	p->dst = ip_addr_v6(h->dst, ifindex);
	if (loop && (ip_addr_is_linklocal(&p->src) || ip_addr_is_linklocal(&p->dst)))
		loop_scope(st, p);
	if (ip_addr_is_v4(&p->src) || ip_addr_is_v4(&p->dst) || ip_addr_is_any6(&p->src) ||
	    ip_addr_is_multicast6(&p->src))
		return false;
	if (ip_addr_is_loopback6(&p->src) || ip_addr_is_loopback6(&p->dst))
		return loop && (ip_addr_is_loopback6(&p->dst) || stack_local_has(st, &p->dst));
	return stack_local_has(st, &p->dst) && (loop || !stack_local_has(st, &p->src));
}

/* ---- extension headers ---------------------------------------------------------------------- */

/* len bytes of padding at off, all 0 and no more than make sense with the before that preceded. */
static bool padding_ok(struct stack *st, const struct rx_pkt *p, uint32_t off, uint32_t len,
		       uint32_t before)
{
	uint8_t pad[OPTS_PADDING_MAX];

	if (before + len > OPTS_PADDING_MAX)
		return false;
	if (len <= 2)
		return true;
	rx_copy(st, p, off + 2, pad, len - 2);
	for (uint32_t i = 0; i < len - 2; i++)
		if (pad[i] != 0)
			return false;
	return true;
}

/* The options of the header at the front, which is hlen bytes long (RFC 8200 4.2). */
static enum stat_id options_check(struct stack *st, const struct rx_pkt *p, uint32_t hlen)
{
	uint32_t off = 2, nopts = 0, padding = 0, len;
	uint8_t tl[2];

	for (; off < hlen; off += len) {
		rx_copy(st, p, off, tl, off + 1 < hlen ? 2 : 1);
		if (tl[0] == OPT_PAD1) {
			len = 1;
		} else {
			if (off + 1 == hlen)
				return STAT_drop_ip6_ext;
			len = 2u + tl[1];
		}
		if (len > hlen - off)
			return STAT_drop_ip6_ext;
		if (tl[0] == OPT_PAD1 || tl[0] == OPT_PADN) {
			if (!padding_ok(st, p, off, len, padding))
				return STAT_drop_ip6_ext;
			padding += len;
			continue;
		}
		padding = 0;
		if (++nopts > EXT_OPTS_MAX)
			return STAT_drop_ip6_ext;
		if (tl[0] & OPT_ACTION)
			return STAT_drop_ip6_option;
	}
	return STAT_rx_packets;
}

/* The header of type p->proto at the front; takes it off. STAT_rx_packets: go on. */
static enum stat_id ext_take(struct stack *st, struct rx_pkt *p)
{
	enum stat_id r = STAT_rx_packets;
	uint8_t h[sizeof(struct ip6_frag_hdr)];
	struct ip6_frag_hdr frag;
	uint32_t hlen = sizeof(h);

	if (p->len < sizeof(h))
		return STAT_drop_ip6_ext;
	rx_copy(st, p, 0, h, sizeof(h));
	if (p->proto != IP6_EXT_FRAGMENT)
		hlen = (h[1] + 1u) * 8;
	if (hlen > p->len)
		return STAT_drop_ip6_ext;
	switch (p->proto) {
	case IP6_EXT_HOPOPTS:
	case IP6_EXT_DSTOPTS:
		r = options_check(st, p, hlen);
		break;
	case IP6_EXT_ROUTING: /* type, segments left: 0 is its end, whatever the type */
		if (h[3] != 0)
			r = STAT_drop_ip6_routing;
		break;
	case IP6_EXT_FRAGMENT:
		memcpy(&frag, h, sizeof(frag));
		if (frag.off & be16(IP6_FRAG_OFFSET | IP6_FRAG_MORE))
			r = STAT_drop_ip_fragment;
		break;
	}
	if (r != STAT_rx_packets)
		return r;
	p->proto = h[0];
	rx_pull(st, p, hlen);
	return r;
}

static bool is_ext(uint8_t next)
{
	return next == IP6_EXT_HOPOPTS || next == IP6_EXT_ROUTING || next == IP6_EXT_FRAGMENT ||
	       next == IP6_EXT_DSTOPTS;
}

/* Down to what is no extension header, which p->proto then names. */
static enum stat_id ext_walk(struct stack *st, struct rx_pkt *p)
{
	unsigned n;

	for (n = 0; is_ext(p->proto); n++) {
		enum stat_id r;

		/* hop-by-hop options come first or are a protocol unknown there (RFC 8200 4.3) */
		if (n == EXT_HDRS_MAX || (n > 0 && p->proto == IP6_EXT_HOPOPTS))
			return STAT_drop_ip6_ext;
		r = ext_take(st, p);
		if (r != STAT_rx_packets)
			return r;
	}
	return p->proto == IP6_EXT_NONE ? STAT_drop_ip6_no_next : STAT_rx_packets;
}

/* ---- the packet ----------------------------------------------------------------------------- */

static enum stat_id ip6_check(struct stack *st, struct rx_pkt *p)
{
	struct ip6_hdr buf;
	const struct ip6_hdr *h = rx_peek(st, p, sizeof(*h), &buf);
	uint32_t ver_tc_flow, len;

	if (h == NULL)
		return STAT_drop_short;
	ver_tc_flow = be32(h->ver_tc_flow);
	if (ver_tc_flow >> 28 != 6)
		return STAT_drop_ip_version;
	len = be16(h->payload_len);
	if (len > p->len - sizeof(*h))
		return STAT_drop_ip_header;
	if (!ip6_addresses_ok(st, p, h))
		return STAT_drop_ip_address;
	p->proto = h->next;
	p->tos = (uint8_t)(ver_tc_flow >> 20);
	p->ttl = h->hop_limit; /* 0 is as good as any for who is there (RFC 8200 3) */
	/* What lies beyond is Ethernet's padding. */
	rx_trim(st, p, (uint32_t)sizeof(*h) + len);
	rx_pull(st, p, sizeof(*h));
	return likely(p->proto == IPPROTO_TCP_) ? STAT_rx_packets : ext_walk(st, p);
}

enum stat_id ip6_rx(struct stack *st, struct rx_pkt *p)
{
	enum stat_id r = ip6_check(st, p);

	if (likely(r == STAT_rx_packets && p->proto != IPPROTO_ICMP6_))
		return ip_deliver(st, p);
	if (r == STAT_rx_packets)
		return icmp6_rx(st, p);
	rx_free(st, p);
	return r;
}
