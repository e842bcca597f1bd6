/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what a SYN cookie looks like, and whether a number is one; never whether one is sent, or
 * believed: that is request.c's.
 *
 *   ISS = F(flow) + IRS + slice << 24 + (G(flow, slice) + index of the MSS) mod 2^24
 *
 * F makes ISNs of different flows unrelated, IRS lets them grow with the peer's own, and the 8 bits
 * of the slice, once F and IRS are taken off, say when the cookie was made; G cannot be computed
 * without the stack's secret. A blind forger who may try any number of ACKs hits with one in
 * 2^32 / (slices * indices). Times are compared modulo 256 slices: a cookie that is replayed after
 * more than four hours has a G of its own all the same, as the whole slice number is hashed.
 *
 * RFC 4987 3.6; RFC 7323 (the clock of timestamps is ours to choose).
 */
#include "syncookie.h"

#define VALUE_MASK 0xffffffu

/* What paths have: the least that is met, IP's own, IPv6's, tunnels' and VPNs', Ethernet's over
 * both IPs, jumbo frames'. */
static const uint16_t mss_table[] = {216, 536, 1220, 1360, 1400, 1440, 1460, 8900};

enum { TS_WSCALE_MASK = 15, TS_SACK = 16, TS_ECN = 32, TS_BITS = 6 };

static uint32_t flow_hash(const struct stack *st, const struct endpoint *local,
			  const struct endpoint *remote, uint32_t slice, uint32_t what)
{
	struct {
		struct ip_addr a, b;
		uint32_t ports, slice, what, pad;
	} key;

	memset(&key, 0, sizeof(key));
	key.a = local->addr;
	key.b = remote->addr;
	key.ports = (uint32_t)local->port << 16 | remote->port;
	key.slice = slice;
	key.what = what;
	return (uint32_t)stack_hash(st, &key, sizeof(key));
}

enum { HASH_FLOW = 0x5c00, HASH_SLICE = 0x5c01 };

static uint32_t slice_now(const struct stack *st)
{
	return (uint32_t)(st->now_ns / SYNCOOKIE_SLICE_NS);
}

struct seq syncookie_make(const struct stack *st, const struct endpoint *local,
			  const struct endpoint *remote, struct seq irs, uint16_t *mss)
{
	uint32_t slice = slice_now(st), i = ARRAY_SIZE(mss_table) - 1, v;

	while (i > 0 && mss_table[i] > *mss)
		i--;
	*mss = mss_table[i];
	v = (flow_hash(st, local, remote, slice, HASH_SLICE) + i) & VALUE_MASK;
	return seq_of(flow_hash(st, local, remote, 0, HASH_FLOW) + irs.v + (slice << 24) + v);
}

uint16_t syncookie_check(const struct stack *st, const struct endpoint *local,
			 const struct endpoint *remote, struct seq irs, struct seq iss)
{
	uint32_t v = iss.v - irs.v - flow_hash(st, local, remote, 0, HASH_FLOW);
	uint32_t slice = slice_now(st), age = (slice - (v >> 24)) & 255u, i;

	if (age >= SYNCOOKIE_AGE_SLICES || age > slice)
		return 0;
	i = (v - flow_hash(st, local, remote, slice - age, HASH_SLICE)) & VALUE_MASK;
	return i < ARRAY_SIZE(mss_table) ? mss_table[i] : 0;
}

uint32_t syncookie_ts_make(uint32_t ts, const struct syncookie_opts *o)
{
	uint32_t bits = (o->wscale & TS_WSCALE_MASK) | (o->sack_ok ? TS_SACK : 0) |
			(o->ecn_ok ? TS_ECN : 0);
	uint32_t v = (ts & ~((1u << TS_BITS) - 1)) | bits;

	return (int32_t)(v - ts) > 0 ? v - (1u << TS_BITS) : v;
}

void syncookie_ts_read(uint32_t ts, struct syncookie_opts *o)
{
	o->wscale = ts & TS_WSCALE_MASK;
	o->sack_ok = ts & TS_SACK;
	o->ecn_ok = ts & TS_ECN;
}
