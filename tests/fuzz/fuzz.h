/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stack under fire: hostile packets, an application that does anything the calls allow, time
 * that jumps, memory that runs out. Every choice comes from a source of choices (struct src): a
 * seeded generator (packets.c) or bytes (input.c, for libFuzzer), so that both walk the same world.
 *
 * world.c: the stack, the application's calls, time. peer.c: packets towards the stack. emitted.c:
 * what the stack sends, checked and learnt from. audit.c: what must hold inside.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/internal.h"

#define MS 1000000ull
#define SEC 1000000000ull

#define FZ_DEV 1u
#define FZ_HANDLES 40u
#define FZ_FLOWS 512u
#define FZ_HELD 512u
#define FZ_FRAMES_MAX 512u /* of the stack under test */
#define FZ_PKT_BYTES 9216u
#define FZ_REPLAYS 16u
/* Hosts 0 to 2 are peers, 3 is 127.0.0.1; from here on the same again over IPv6, the last ::1. */
#define FZ_V6 4u
#define FZ_LOOP 3u

/* ---- choices -------------------------------------------------------------------------------- */

struct src {
	uint64_t rng; /* state of the generator; used when bytes is NULL */
	const uint8_t *bytes, *end;
};

uint64_t src_u64(struct src *s);
/* Below n (n > 0). A source of bytes that is used up says 0. */
uint32_t src_pick(struct src *s, uint32_t n);
static inline bool src_one_in(struct src *s, uint32_t n)
{
	return src_pick(s, n) == n - 1;
}
static inline bool src_done(const struct src *s)
{
	return s->bytes != NULL && s->bytes == s->end;
}
/* A value at which something tends to happen: around zero, powers of two, the maximum. */
uint32_t src_interesting(struct src *s);

/* ---- the peer's view of a four-tuple, learnt from what the stack sends ---------------------- */

#define FZ_SYN_BYTES 100u /* of data in a SYN, at most */

struct flow {
	bool used, iss_known, ack_known, edge_known;
	uint16_t lport, rport;
	uint8_t host;      /* which peer */
	uint32_t iss, nxt; /* the stack's ISS, and the end of all it has sent */
	uint32_t ack;      /* what it has acknowledged: its rcv_nxt */
	uint32_t edge;     /* ack plus window */
	uint8_t wscale;    /* its own */
	bool scale_sure;   /* it is in force; unknown after a SYN that the peer answers */
	bool cookie;       /* its last SYN-ACK may have been a SYN cookie */
	bool ts;           /* it sends timestamps */
	bool dead;         /* a RST was the last that came: not worth much more */
	bool syn_only;     /* it has sent a SYN and we have not answered */
	uint32_t tsval;    /* its last */
	uint32_t my_iss, my_ts;
};

struct handle {
	struct sock *sk;
	bool have_next;
	uint8_t next;  /* the byte that the stream goes on with */
	uint32_t sent; /* bytes given to the stack: the pattern's position */
};

/* What most packets are: of everything, or ICMP errors, or UDP datagrams. */
enum fz_focus { FZ_ALL, FZ_ICMP, FZ_UDP };

struct fz {
	struct src src;
	enum fz_focus focus; /* set once, by who zeroes it */
	void *base;
	struct stack *st;
	uint64_t now, start;
	struct ip_addr me[2], peer[2 * FZ_V6]; /* me: 10.0.0.1, fd00::1 */
	bool rx_partial_ok, tx_csum;
	uint32_t mtu;
	struct handle h[FZ_HANDLES];
	struct flow flow[FZ_FLOWS];
	bool cookie_known[2 * FZ_V6]; /* the stack has given that host a Fast Open cookie, */
	uint8_t cookie[2 * FZ_V6][8]; /* this */
	uint32_t last_flow;
	bool forgot;            /* a flow was forgotten in this round: the table was full */
	uint32_t held[FZ_HELD]; /* frames that a device or another owner keeps */
	uint32_t nheld;
	struct {
		uint32_t len, l4;
		bool v6;
		uint8_t proto;
		uint8_t b[2048];
	} replay[FZ_REPLAYS];
	uint32_t nreplay;
	uint8_t last_out[128]; /* the start of a packet the stack sent: for ICMP to quote */
	uint32_t last_out_len;
	uint64_t packets; /* put in, over all rounds */
	uint64_t emitted;
	uint64_t stats[STAT_COUNT]; /* summed over rounds */
	uint64_t states[16];        /* sockets seen by audits, by enum tcp_state */
	uint64_t seed, round;       /* for messages */
};

/* Says what broke, at which packet of which seed, and ends the process by abort(). */
void fz_fail(struct fz *f, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
#define fz_must(f, cond)                                                    \
	do {                                                                \
		if (!(cond))                                                \
			fz_fail(f, "%s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)

/* ---- world.c -------------------------------------------------------------------------------- */

/* A round: a fresh stack, configured by choices of the source. f is zeroed by the caller once; src
 * is set before each round. */
void fz_begin(struct fz *f);
/* One step: a packet, a call, or time. */
void fz_step(struct fz *f);
/* Closes everything, lets time pass until nothing is left, and checks that all memory is back. */
void fz_end(struct fz *f);
/* Takes what the stack sends; hold: keep the frames for a while as a slow device does. */
void fz_drain(struct fz *f, bool hold);
/* n bytes of any content. */
void fz_fill(struct fz *f, uint8_t *b, uint32_t n);
struct ip_addr fz_host(struct fz *f, unsigned i);
/* One of the first n hosts, of either family. */
unsigned fz_any_host(struct fz *f, unsigned n);
/* The address that a host knows the stack by. */
const struct ip_addr *fz_me(const struct fz *f, unsigned host);

/* ---- peer.c --------------------------------------------------------------------------------- */
void fz_packet(struct fz *f);
/* Puts len bytes in, cut into frames anyhow; counts and checks the verdict. */
void fz_inject(struct fz *f, const uint8_t *b, uint32_t len, unsigned dev);
/* The flow of that four-tuple, made when missing. */
struct flow *fz_flow(struct fz *f, unsigned host, uint16_t lport, uint16_t rport);
/* The ones' complement sum, naive on purpose, folded; over a right packet 0xffff. */
uint32_t fz_sum(const uint8_t *p, uint32_t len, uint32_t start);
/* n bytes of the pattern: byte k is (uint8_t)k. */
const uint8_t *fz_pattern(uint32_t at);
#define FZ_PATTERN_BYTES (1u << 17)

/* ---- emitted.c ------------------------------------------------------------------------------ */
void fz_emitted(struct fz *f, const struct tx_ent *e);

/* ---- audit.c -------------------------------------------------------------------------------- */
/* Every frame has one owner, every list and sum holds, readiness says what is. */
void fz_audit(struct fz *f);

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

#endif
