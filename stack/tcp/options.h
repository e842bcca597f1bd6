/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP options: MSS (RFC 9293 3.7.1), window scale and timestamps (RFC 7323), SACK (RFC 2018), Fast
 * Open (RFC 7413).
 */
#ifndef STACK_TCP_OPTIONS_H
#define STACK_TCP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "sent.h" /* struct sack_block */

#define TCP_OPTS_MAX_BYTES 40u
#define TCP_OPTS_TS_BYTES 12u /* timestamps with their two NOPs */
#define TCP_WSCALE_MAX 14u    /* RFC 7323 2.3 */
#define TCP_SACK_BLOCKS 4u    /* what 40 bytes can hold */

#define TCP_FO_COOKIE_MIN 4u /* RFC 7413 4.1.1; and of even length */
#define TCP_FO_COOKIE_MAX 16u

/* A Fast Open option. */
struct tcp_fo {
	uint8_t has; /* enum tcp_fo_has */
	bool exp; /* in the experimental form that came before RFC 7413 (kind 254, magic 0xf989) */
	uint8_t len; /* TCP_FO_COOKIE */
	uint8_t b[TCP_FO_COOKIE_MAX];
};

enum tcp_fo_has {
	TCP_FO_NONE,    /* there is no option, or one that says nothing */
	TCP_FO_REQUEST, /* without a cookie: one is asked for */
	TCP_FO_COOKIE,
};

/* What a segment's options said, or what a segment to be sent is to say. */
struct tcp_opts {
	uint16_t mss;   /* 0: none */
	uint8_t wscale; /* valid with has_wscale; at most TCP_WSCALE_MAX */
	bool has_wscale, has_ts, sack_ok;
	uint8_t nsack;
	uint32_t tsval, tsecr;
	struct sack_block sack[TCP_SACK_BLOCKS];
	struct tcp_fo fo; /* of a SYN */
};

/*
 * Reads len (0 to 40) bytes of options. Whatever is malformed ends the reading; what came before it
 * counts. MSS, window scale, SACK-permitted and Fast Open count only when syn. Never fails: bytes
 * from the wire.
 */
void tcp_opts_parse(struct tcp_opts *o, const uint8_t *p, uint32_t len, bool syn);

/* Bytes that tcp_opts_write() will use for o; a multiple of 4. SACK blocks that do not fit in 40
 * bytes are taken off o->nsack, and Fast Open is off when there is no room for it. */
uint32_t tcp_opts_len(struct tcp_opts *o, bool syn);

/* Writes o, after tcp_opts_len(), to p (2-byte aligned); returns the bytes written. */
uint32_t tcp_opts_write(const struct tcp_opts *o, uint8_t *p, bool syn);

#endif
