/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and writing TCP options. Decides nothing about the connection; must never read past the
 * length it was given, whatever the lengths inside the options claim.
 *
 * RFC 9293 3.1 and 3.7.1 (MSS), RFC 7323 2.2 and 3.2 (window scale, timestamps), RFC 2018 2 and 3,
 * RFC 7413 4.1.1 (Fast Open).
 */
#include "options.h"

#include <string.h>

#include "../ip/wire.h"

enum {
	OPT_EOL = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
	OPT_FO = 34,
	OPT_EXP = 254, /* RFC 6994: followed by a magic number */
};

#define EXP_FO_MAGIC 0xf989u
#define FO_HLEN 2u
#define EXP_FO_HLEN 4u

/* NOP NOP TS 10: how nearly every segment of nearly every host begins. */
#define TS_ALIGNED 0x0101080au

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return be32(v);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = be32(v);
	memcpy(p, &v, 4);
}

static void parse_sack(struct tcp_opts *o, const uint8_t *p, uint32_t len)
{
	uint32_t n = len / 8;

	if (len % 8 || n == 0 || n > TCP_SACK_BLOCKS)
		return;
	for (uint32_t i = 0; i < n; i++) {
		o->sack[i].start = seq_of(get32(p + 8 * i));
		o->sack[i].end = seq_of(get32(p + 8 * i + 4));
	}
	o->nsack = (uint8_t)n;
}

/* As Linux: a cookie of a length that cannot be is no option at all. */
static void parse_fo(struct tcp_fo *fo, const uint8_t *p, uint32_t len, bool exp)
{
	if (len != 0 && (len < TCP_FO_COOKIE_MIN || len > TCP_FO_COOKIE_MAX || len % 2))
		return;
	fo->has = len ? TCP_FO_COOKIE : TCP_FO_REQUEST;
	fo->exp = exp;
	fo->len = (uint8_t)len;
	memcpy(fo->b, p, len);
}

static void parse_one(struct tcp_opts *o, const uint8_t *p, uint32_t len, bool syn)
{
	switch (p[0]) {
	case OPT_MSS:
		if (syn && len == 4)
			o->mss = (uint16_t)(p[2] << 8 | p[3]);
		break;
	case OPT_WSCALE:
		if (syn && len == 3) {
			o->has_wscale = true;
			/* RFC 7323 2.3: more than 14 counts as 14 */
			o->wscale = p[2] > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : p[2];
		}
		break;
	case OPT_SACK_OK:
		if (syn && len == 2)
			o->sack_ok = true;
		break;
	case OPT_SACK:
		parse_sack(o, p + 2, len - 2);
		break;
	case OPT_TS:
		if (len == 10) {
			o->has_ts = true;
			o->tsval = get32(p + 2);
			o->tsecr = get32(p + 6);
		}
		break;
	case OPT_FO:
		if (syn)
			parse_fo(&o->fo, p + FO_HLEN, len - FO_HLEN, false);
		break;
	case OPT_EXP:
		if (syn && len >= EXP_FO_HLEN && (p[2] << 8 | p[3]) == EXP_FO_MAGIC)
			parse_fo(&o->fo, p + EXP_FO_HLEN, len - EXP_FO_HLEN, true);
		break;
	}
}

void tcp_opts_parse(struct tcp_opts *o, const uint8_t *p, uint32_t len, bool syn)
{
	o->mss = 0;
	o->wscale = 0;
	o->has_wscale = o->has_ts = o->sack_ok = false;
	o->nsack = 0;
	o->fo.has = TCP_FO_NONE;
	if (len == TCP_OPTS_TS_BYTES && get32(p) == TS_ALIGNED) {
		o->has_ts = true;
		o->tsval = get32(p + 4);
		o->tsecr = get32(p + 8);
		return;
	}
	while (len > 0) {
		uint32_t n;

		if (p[0] == OPT_EOL)
			return;
		if (p[0] == OPT_NOP) {
			p++;
			len--;
			continue;
		}
		if (len < 2)
			return;
		n = p[1];
		if (n < 2 || n > len)
			return;
		parse_one(o, p, n, syn);
		p += n;
		len -= n;
	}
}

/* Of the option alone; what it takes is a multiple of 4. */
static uint32_t fo_len(const struct tcp_fo *fo)
{
	uint32_t n = fo->exp ? EXP_FO_HLEN : FO_HLEN;

	return n + (fo->has == TCP_FO_COOKIE ? fo->len : 0);
}

uint32_t tcp_opts_len(struct tcp_opts *o, bool syn)
{
	uint32_t n = 0;

	if (syn) {
		n += o->mss ? 4 : 0;
		n += o->has_wscale ? 4 : 0;
		/* SACK-permitted takes the place of the two NOPs before timestamps */
		n += o->sack_ok && !o->has_ts ? 4 : 0;
	}
	n += o->has_ts ? TCP_OPTS_TS_BYTES : 0;
	if (syn && o->fo.has) {
		uint32_t need = (fo_len(&o->fo) + 3) & ~3u;

		if (n + need > TCP_OPTS_MAX_BYTES)
			o->fo.has = TCP_FO_NONE;
		else
			n += need;
	}
	if (o->nsack) {
		uint32_t fit = (TCP_OPTS_MAX_BYTES - n - 4) / 8;

		if (o->nsack > fit)
			o->nsack = (uint8_t)fit;
		n += o->nsack ? 4u + 8u * o->nsack : 0;
	}
	return n;
}

static uint8_t *write_fo(const struct tcp_fo *fo, uint8_t *p)
{
	uint32_t len = fo_len(fo);

	*p++ = fo->exp ? OPT_EXP : OPT_FO;
	*p++ = (uint8_t)len;
	if (fo->exp) {
		*p++ = EXP_FO_MAGIC >> 8;
		*p++ = EXP_FO_MAGIC & 0xff;
	}
	if (fo->has == TCP_FO_COOKIE) {
		memcpy(p, fo->b, fo->len);
		p += fo->len;
	}
	for (; len % 4; len++)
		*p++ = OPT_NOP;
	return p;
}

uint32_t tcp_opts_write(const struct tcp_opts *o, uint8_t *p, bool syn)
{
	uint8_t *start = p;

	if (syn && o->mss) {
		put32(p, OPT_MSS << 24 | 4 << 16 | o->mss);
		p += 4;
	}
	if (o->has_ts) {
		put32(p, syn && o->sack_ok ? OPT_SACK_OK << 24 | 2 << 16 | 0x080a : TS_ALIGNED);
		put32(p + 4, o->tsval);
		put32(p + 8, o->tsecr);
		p += 12;
	} else if (syn && o->sack_ok) {
		put32(p, OPT_NOP << 24 | OPT_NOP << 16 | OPT_SACK_OK << 8 | 2);
		p += 4;
	}
	if (syn && o->has_wscale) {
		put32(p, (uint32_t)OPT_NOP << 24 | OPT_WSCALE << 16 | 3 << 8 | o->wscale);
		p += 4;
	}
	if (syn && o->fo.has)
		p = write_fo(&o->fo, p);
	if (o->nsack) {
		put32(p, OPT_NOP << 24 | OPT_NOP << 16 | OPT_SACK << 8 | (2u + 8u * o->nsack));
		p += 4;
		for (unsigned i = 0; i < o->nsack; i++, p += 8) {
			put32(p, o->sack[i].start.v);
			put32(p + 4, o->sack[i].end.v);
		}
	}
	return (uint32_t)(p - start);
}
