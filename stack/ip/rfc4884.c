/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the extensions of an ICMP error begin (RFC 4884 4 and 7), as Linux tells those who set
 * IP_RECVERR_RFC4884: ip_icmp_error_rfc4884(). Whatever the message says, it is only told, never
 * acted on; a length that cannot be is not told.
 */
#include "../internal.h"

enum { ICMP4_UNREACH = 3, ICMP4_TIME_EXCEEDED = 11, ICMP4_PARAM = 12 };
enum { ICMP6_UNREACH = 1, ICMP6_TIME_EXCEEDED = 3 };

#define EXT_VERSION 2u
#define EXT_HEAD_BYTES 4u
#define OBJ_HEAD_BYTES 4u
#define QUOTED_MIN_BYTES 128u /* RFC 4884 3: padded to as much, at least */

/* Bytes of the packet that the message quotes, as its header says; 0: it does not. */
static uint32_t quoted_bytes(const struct icmp_err *e, const struct icmp_hdr *h)
{
	const uint8_t *rest = (const uint8_t *)&h->rest;

	if (e->v6)
		return e->type == ICMP6_UNREACH || e->type == ICMP6_TIME_EXCEEDED ? rest[0] * 8u
										  : 0;
	return e->type == ICMP4_UNREACH || e->type == ICMP4_TIME_EXCEEDED || e->type == ICMP4_PARAM
		       ? rest[1] * 4u
		       : 0;
}

/* The sum over n bytes of p from off on. */
static bool sum_is_good(struct stack *st, const struct rx_pkt *p, uint32_t off, uint32_t n)
{
	uint32_t sum = 0;
	uint8_t buf[256];

	while (n > 0) {
		uint32_t part = n < sizeof(buf) ? n : sizeof(buf);

		rx_copy(st, p, off, buf, part);
		sum = csum_add(sum, buf, part);
		off += part;
		n -= part;
	}
	return csum_fold(sum) == 0xffff;
}

/* The extensions, from off on, hang together. */
static bool ext_is_valid(struct stack *st, const struct rx_pkt *p, uint32_t off)
{
	uint8_t h[EXT_HEAD_BYTES];

	rx_copy(st, p, off, h, sizeof(h));
	if (h[0] >> 4 != EXT_VERSION)
		return true; /* not known: nothing is said of it */
	if ((h[2] || h[3]) && !sum_is_good(st, p, off, p->len - off))
		return false;
	for (off += EXT_HEAD_BYTES; off < p->len;) {
		uint32_t len;

		if (p->len - off < OBJ_HEAD_BYTES)
			return false;
		rx_copy(st, p, off, h, OBJ_HEAD_BYTES);
		len = (uint32_t)h[0] << 8 | h[1];
		if (len < OBJ_HEAD_BYTES || len > p->len - off)
			return false;
		off += len;
	}
	return true;
}

uint32_t icmp_rfc4884(struct stack *st, const struct icmp_err *e)
{
	uint32_t ip_bytes = e->quoted_off - (uint32_t)sizeof(struct icmp_hdr), off;
	struct icmp_hdr h;

	rx_copy(st, e->p, 0, &h, sizeof(h));
	off = quoted_bytes(e, &h);
	if (off < QUOTED_MIN_BYTES || off < ip_bytes)
		return 0;
	off -= ip_bytes;
	if (off + EXT_HEAD_BYTES > e->p->len - e->quoted_off)
		return 0;
	return off | (ext_is_valid(st, e->p, e->quoted_off + off) ? 0 : ICMP_RFC4884_INVALID);
}
