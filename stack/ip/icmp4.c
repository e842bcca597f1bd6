/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which flow an ICMP error is about, from the packet it quotes. Never believes it: the
 * transport checks the quoted numbers (RFC 5927 4) before it acts. Echo and everything else that is
 * not an error about a packet of ours is the kernel's.
 *
 * RFC 792 (types 3, 11, 12; type 4, source quench, is ignored as RFC 6633 2 demands), RFC 1122
 * 3.2.2, RFC 1191 3 to 5 (path MTU).
 */
#include <errno.h>

#include "../internal.h"

enum { ICMP4_UNREACH = 3, ICMP4_TIME_EXCEEDED = 11, ICMP4_PARAM = 12 };
#define ICMP4_UNREACH_NEEDFRAG 4u

/* What Linux makes of an "unreachable": the errno, and whether a connected UDP socket is told of it
 * unasked (RFC 1122 4.1.3.3: the others may pass). */
static const struct {
	uint8_t err;
	bool hard;
} unreach[] = {
	{ENETUNREACH, false},  {EHOSTUNREACH, false}, {ENOPROTOOPT, true},  {ECONNREFUSED, true},
	{EMSGSIZE, true},      {EOPNOTSUPP, false},   {ENETUNREACH, true},  {EHOSTDOWN, true},
	{ENONET, true},        {ENETUNREACH, true},   {EHOSTUNREACH, true}, {ENETUNREACH, false},
	{EHOSTUNREACH, false}, {EHOSTUNREACH, true},  {EHOSTUNREACH, true}, {EHOSTUNREACH, true},
};

static void err_convert(struct icmp_err *e)
{
	if (e->type == ICMP4_UNREACH && e->code < ARRAY_SIZE(unreach)) {
		e->err = unreach[e->code].err;
		e->hard = unreach[e->code].hard;
	} else if (e->type == ICMP4_PARAM) {
		e->err = EPROTO;
		e->hard = true;
	} else if (e->type == ICMP4_TIME_EXCEEDED) {
		e->err = EHOSTUNREACH;
	}
}

/* RFC 1191 7.1: where an old router tells no MTU, the next lower of those in common use. */
static uint32_t mtu_plateau(uint32_t tot_len)
{
	static const uint16_t plateau[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(plateau); i++)
		if (plateau[i] < tot_len)
			return plateau[i];
	return 68;
}

/* 0: implausible, as a limit that the quoted packet had respected, or one that no link may have. */
static uint32_t needfrag_mtu(const struct icmp_hdr *icmp, const struct ip4_hdr *quoted)
{
	uint32_t tot_len = be16(quoted->tot_len), mtu = be32(icmp->rest) & 0xffff;

	if (mtu == 0)
		return mtu_plateau(tot_len);
	return mtu < 68 || mtu >= tot_len ? 0 : mtu;
}

static bool type_is_error(uint8_t type)
{
	return type == ICMP4_UNREACH || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAM;
}

/* The quoted header must be one that we write: no options, no fragment, from an address of ours. */
static bool quoted_is_ours(const struct stack *st, const struct ip4_hdr *h, bool loop)
{
	struct ip_addr src = ip_addr_v4(h->src);

	if (h->ver_ihl != 0x45 || h->frag_off & be16(IP4_MF | IP4_OFFSET))
		return false;
	return stack_local_has(st, &src) || (loop && be32(h->src) >> 24 == 127);
}

static enum stat_id icmp4_error(struct stack *st, const struct rx_pkt *p, const uint8_t *b)
{
	struct ip_addr local, remote;
	uint8_t l4[ICMP_QUOTED_L4_BYTES];
	struct icmp_hdr icmp;
	struct ip4_hdr quoted;
	struct icmp_err e;

	memcpy(&icmp, b, sizeof(icmp));
	memcpy(&quoted, b + sizeof(icmp), sizeof(quoted));
	memcpy(l4, b + sizeof(icmp) + sizeof(quoted), sizeof(l4));
	if (!quoted_is_ours(st, &quoted, p->dev == STACK_DEV_LOOP))
		return STAT_drop_icmp;
	e = (struct icmp_err){
		.type = icmp.type,
		.code = icmp.code,
		.info = icmp.type == ICMP4_PARAM ? be32(icmp.rest) >> 24 : 0,
		.p = p,
		.quoted_off = sizeof(icmp) + sizeof(quoted),
	};
	err_convert(&e);
	if (icmp.type == ICMP4_UNREACH && icmp.code == ICMP4_UNREACH_NEEDFRAG) {
		e.mtu = needfrag_mtu(&icmp, &quoted);
		if (e.mtu == 0)
			return STAT_drop_icmp;
	}
	local = ip_addr_v4(quoted.src);
	remote = ip_addr_v4(quoted.dst);
	return icmp_deliver(st, &local, &remote, quoted.proto, l4, &e);
}

enum stat_id icmp4_rx(struct stack *st, struct rx_pkt *p)
{
	uint8_t buf[sizeof(struct icmp_hdr) + sizeof(struct ip4_hdr) + ICMP_QUOTED_L4_BYTES];
	enum stat_id r = STAT_drop_icmp;
	const uint8_t *b = rx_peek(st, p, sizeof(buf), buf);

	/* The type comes first: a flood of echo requests is not worth a checksum. */
	if (b != NULL && type_is_error(b[0]) && csum_fold(rx_sum(st, p)) == 0xffff)
		r = icmp4_error(st, p, b);
	rx_free(st, p);
	return r;
}
