/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which flow an ICMPv6 error is about, from the packet it quotes. Never believes it: the
 * transport checks the quoted numbers (RFC 5927 4) before it acts. Echo, neighbour discovery and
 * everything else that is not an error about a packet of ours is the kernel's.
 *
 * RFC 4443 2.4 and 3 (the errors), RFC 8201 4 (path MTU, and what of it must not be believed).
 */
#include <errno.h>

#include "../internal.h"

enum { ICMP6_UNREACH = 1, ICMP6_TOO_BIG, ICMP6_TIME_EXCEEDED, ICMP6_PARAM };

/* As Linux has them: 0 no route, 1 prohibited, 2 beyond the source's scope, 3 address, 4 port, 5
 * ingress or egress policy, 6 reject route. */
static const struct {
	uint8_t err;
	bool hard;
} unreach[] = {
	{ENETUNREACH, false}, {EACCES, true}, {EHOSTUNREACH, false}, {EHOSTUNREACH, false},
	{ECONNREFUSED, true}, {EACCES, true}, {EACCES, true},
};

static void err_convert(struct icmp_err *e)
{
	switch (e->type) {
	case ICMP6_UNREACH:
		e->err = e->code < ARRAY_SIZE(unreach) ? unreach[e->code].err : EPROTO;
		e->hard = e->code >= ARRAY_SIZE(unreach) || unreach[e->code].hard;
		break;
	case ICMP6_TOO_BIG:
		e->err = EMSGSIZE;
		e->hard = true;
		break;
	case ICMP6_TIME_EXCEEDED:
		e->err = EHOSTUNREACH;
		break;
	default:
		e->err = EPROTO;
		e->hard = true;
		break;
	}
}

/* 0: implausible, as a limit that the quoted packet had respected. RFC 8201 4: below 1280 it must
 * be discarded. */
static uint32_t too_big_mtu(const struct icmp_hdr *icmp, const struct ip6_hdr *quoted)
{
	uint32_t tot_len = sizeof(*quoted) + be16(quoted->payload_len), mtu = be32(icmp->rest);

	return mtu < IP6_MTU_MIN || mtu >= tot_len ? 0 : mtu;
}

/* b: the ICMPv6 header, the quoted header (one that we write has no extensions) and the start of
 * what follows it. */
static enum stat_id icmp6_error(struct stack *st, const struct rx_pkt *p, const uint8_t *b)
{
	uint32_t ifindex = (uint32_t)(p->dst.scope ? p->dst.scope : st->dev[p->dev].ifindex);
	struct ip_addr local, remote;
	struct icmp_hdr icmp;
	struct ip6_hdr quoted;
	struct icmp_err e;

	memcpy(&icmp, b, sizeof(icmp));
	memcpy(&quoted, b + sizeof(icmp), sizeof(quoted));
	local = ip_addr_v6(quoted.src, ifindex);
	remote = ip_addr_v6(quoted.dst, ifindex);
	if (be32(quoted.ver_tc_flow) >> 28 != 6 || ip_addr_is_v4(&local) || ip_addr_is_v4(&remote))
		return STAT_drop_icmp;
	if (!stack_local_has(st, &local) &&
	    !(p->dev == STACK_DEV_LOOP && ip_addr_is_loopback6(&local)))
		return STAT_drop_icmp;
	e = (struct icmp_err){
		.v6 = true,
		.type = icmp.type,
		.code = icmp.code,
		.info = be32(icmp.rest),
		.p = p,
		.quoted_off = sizeof(icmp) + sizeof(quoted),
	};
	err_convert(&e);
	if (icmp.type == ICMP6_TOO_BIG) {
		e.mtu = too_big_mtu(&icmp, &quoted);
		if (e.mtu == 0)
			return STAT_drop_icmp;
	}
	return icmp_deliver(st, &local, &remote, quoted.next, b + sizeof(icmp) + sizeof(quoted),
			    &e);
}

enum stat_id icmp6_rx(struct stack *st, struct rx_pkt *p)
{
	uint8_t buf[sizeof(struct icmp_hdr) + sizeof(struct ip6_hdr) + ICMP_QUOTED_L4_BYTES];
	enum stat_id r = STAT_drop_icmp;
	const uint8_t *b = rx_peek(st, p, sizeof(buf), buf);

	/* The type comes first: a flood of echo requests is not worth a checksum. */
	if (b != NULL && b[0] >= ICMP6_UNREACH && b[0] <= ICMP6_PARAM &&
	    rx_csum_ok(st, p, __builtin_offsetof(struct icmp_hdr, csum)))
		r = icmp6_error(st, p, b);
	rx_free(st, p);
	return r;
}
