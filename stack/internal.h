/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the stack know of each other: the stack itself, a received packet between IP
 * and the transports, the way out, and the destination cache. Nothing outside stack/ includes it.
 */
#ifndef STACK_INTERNAL_H
#define STACK_INTERNAL_H

#include "assert.h"
#include "ip/csum.h"
#include "ip/wire.h"
#include "seq.h"
#include "stack.h"
#include "time/wheel.h"

/* ---- timers: the kinds, across all owners --------------------------------------------------- */

enum timer_kind {
	TIMER_TCP_RETRANSMIT, /* RTO, SYN and SYN-ACK retransmission, persist: see tcp/timer.c */
	TIMER_TCP_DELACK,
	TIMER_TCP_KEEPALIVE,  /* keepalive; FIN-WAIT-2 and TIME-WAIT end */
	TIMER_TCP_REQ,        /* a half-open connection: SYN-ACK again, then drop */
	TIMER_TCP_TW,         /* TIME-WAIT, held in its small form */
	TIMER_TCP_PROBE,      /* reserved for loss probes and pacing */
	TIMER_DST,            /* a destination waits for its neighbour */
	TIMER_KINDS
};

/* ---- the destination cache (ip/dst.c) -------------------------------------------------------- */

struct dst {
	struct list hash;      /* bucket chain */
	struct list lru;
	struct list waiters;   /* sock.txw: to be resumed when the state changes */
	struct list ask;       /* on the stack's request list */
	struct ip_addr addr;
	struct dst_info info;
	uint32_t refs;         /* connections that hold it */
	uint32_t pmtu;         /* learnt by ICMP (RFC 1191); 0: none */
	uint64_t pmtu_until_ns;
	bool stale;            /* routes changed since: ask again when used, use meanwhile */
	struct timer timer;
};

/* The entry for addr, made (and asked for) when missing, one reference taken; NULL: no memory. */
struct dst *dst_get(struct stack *st, const struct ip_addr *addr);
void dst_put(struct stack *st, struct dst *d);
/* The MTU to use: the path's, the route's or the device's, the smallest known. */
uint32_t dst_mtu(const struct stack *st, const struct dst *d);
/* RFC 1191: a smaller MTU was reported. Floors at 552 (min_pmtu). True when it changed anything. */
bool dst_pmtu_learn(struct stack *st, struct dst *d, uint32_t mtu, uint64_t now_ns);

/* ---- a received packet, between IP and a transport -------------------------------------------- */

struct rx_pkt {
	uint32_t frame;       /* head of the chain; data begins at the L4 header (meta->off moved) */
	uint32_t len;         /* L4 header and payload, over all fragments */
	struct ip_addr src, dst;
	uint8_t dev, proto, tos, ttl;
	bool csum_partial;    /* checksum field was accepted as a pseudo-header sum */
};

/* Drops the first n bytes of the chain (freeing frames that become empty). n <= p->len. */
void rx_pull(struct stack *st, struct rx_pkt *p, uint32_t n);
/* Cuts the chain to len bytes. */
void rx_trim(struct stack *st, struct rx_pkt *p, uint32_t len);
/* The first n bytes in one piece (n <= 128, at most the chain's length): a pointer into the first
 * frame, or into buf when they are spread. NULL when the packet is shorter. */
const void *rx_peek(struct stack *st, const struct rx_pkt *p, uint32_t n, void *buf);
/* True when the L4 checksum is right, or acceptable as the pseudo-header sum on this device. */
bool rx_csum_ok(struct stack *st, struct rx_pkt *p, uint32_t csum_offset);

/* ---- the way out (ip/output.c) ----------------------------------------------------------------- */

struct ip_out {
	struct tx_ent *ent;
	uint8_t *l4;          /* where the transport header goes: l4_len contiguous bytes */
	uint32_t l4_len;
};

/*
 * Begins a packet towards d: takes a txq entry and a frame, writes link and IP headers, and hands
 * out room for l4_len bytes (transport header and payload in the frame). bulk: payload bytes beyond
 * the frame (a super-segment; 0: none).
 * 0: the caller fills o->l4 and calls ip_commit() (or ip_cancel()).
 * -EAGAIN: no room; sk is put on st->tx_wait (sk NULL: the caller gives up).
 * -EINPROGRESS: the destination is not resolved; sk is put on its waiters.
 * -ENETUNREACH, -EHOSTUNREACH: not to be reached.
 * -EMSGSIZE: larger than the MTU (not for super-segments).
 */
int ip_begin(struct stack *st, struct sock *sk, struct dst *d, const struct ip_addr *src,
	     uint8_t proto, uint8_t tos, uint8_t ttl, uint32_t l4_len, uint32_t bulk,
	     struct ip_out *o);
/*
 * Queues it. csum_offset: of the checksum field in the L4 header. sum: partial sum over the L4
 * bytes in the frame with that field 0; used only when the device does not complete checksums
 * (then: over everything; ip_wants_sum() says so beforehand).
 */
void ip_commit(struct stack *st, struct ip_out *o, uint32_t csum_offset, uint32_t sum);
void ip_cancel(struct stack *st, struct ip_out *o);
/* True when the checksum over the payload must be summed while copying. */
bool ip_wants_sum(const struct stack *st, const struct dst *d);
/* TCP payload of the largest super-segment towards d; 0: none. */
uint32_t ip_gso_max(const struct stack *st, const struct dst *d);

/* ---- the stack ----------------------------------------------------------------------------------- */

struct tcp_state_tables; /* tcp/tcp.h: pools and hashes of TCP */
struct udp_state_tables; /* udp/udp.h */
struct dst_cache;        /* ip/dst.c */

struct stack {
	struct arena *arena;
	struct stack_cfg cfg;
	uint8_t secret[32];
	uint64_t now_ns;             /* of the entry being run: every public call sets it first */
	_Atomic uint64_t next_ns;    /* hint for stack_next_ns() */
	struct wheel wheel;
	struct frame_pool frames;
	struct pool blks;            /* struct blk */
	struct blk *blk_limbo;       /* freed while a queued super-segment may refer to them */
	uint32_t txq_bulk;           /* super-segments in the txq */
	struct list tx_wait;         /* sock.txw: output waiting for a txq entry or a frame */
	struct list events;          /* sock.ev */
	struct list socks;           /* sock.all */
	uint32_t nopen, ndraining;
	struct stack_dev dev[STACK_DEVS];
	struct ip_addr local[STACK_LOCAL_ADDRS];
	uint32_t nlocal;
	uint64_t rng[4];             /* for stack_random */
	uint16_t ip_id;
	struct dst_cache *dst;
	struct tcp_state_tables *tcp;
	struct udp_state_tables *udp;
	uint64_t stats[STAT_COUNT];
	struct txq txq;
};

#define COUNT(st, name) ((st)->stats[STAT_##name]++)
#define COUNT_N(st, name, n) ((st)->stats[STAT_##name] += (n))

/* 32 bits not to be guessed by a peer (seeded from the secret). */
uint32_t stack_random(struct stack *st);
/* Keyed hash (SipHash-2-4, key from the secret) of len bytes; for hash tables and ISNs. */
uint64_t stack_hash(const struct stack *st, const void *p, size_t len);

struct blk *blk_get(struct stack *st);                /* NULL at the limit */
void blk_put(struct stack *st, struct blk *b);        /* one block; waits in limbo if it must */

/* Sets or clears readiness bits. Bits in raise are edges: the event is queued even if set before. */
void sock_ready(struct stack *st, struct sock *sk, uint32_t set, uint32_t clear, uint32_t raise);
void sock_init(struct stack *st, struct sock *sk, enum sock_type type);
void sock_fini(struct stack *st, struct sock *sk);    /* off every list; memory is the caller's */

/* ---- what a transport offers to the rest ------------------------------------------------------------ */

/* tcp/: each takes over p's frames; gives the counter the packet ended in (STAT_rx_packets: used). */
int tcp_tables_init(struct stack *st);
enum stat_id tcp_rx(struct stack *st, struct rx_pkt *p);
void tcp_timer(struct stack *st, struct timer *t);
/* At the end of stack_run(), after the timers: sends ACKs that waited for the end of the batch or of
 * the turn. True: some wait for the application to answer first; stack_run() wants to be called
 * again at once (stack_next_ns() says now), when the application has had its turn. */
bool tcp_run(struct stack *st);
/* Room, a frame or the destination has come: continue output. The sock is off its waiting list. */
void tcp_tx_resume(struct stack *st, struct sock *sk);
/* The destination of sk became unreachable (err positive), by the kernel's word. */
void tcp_dst_failed(struct stack *st, struct sock *sk, int err);
/* An ICMP error quoting a segment of ours (RFC 5927: seq must be in the window). mtu: of type 3/4.
 * l4: at least 8 bytes of the quoted TCP header. Returns the counter it ended in. */
enum stat_id tcp_icmp(struct stack *st, const struct endpoint *local,
		      const struct endpoint *remote, const uint8_t *l4, uint8_t type, uint8_t code,
		      uint32_t mtu);

/* udp/: likewise. */
int udp_tables_init(struct stack *st);
enum stat_id udp_rx(struct stack *st, struct rx_pkt *p);
void udp_tx_resume(struct stack *st, struct sock *sk);
void udp_dst_failed(struct stack *st, struct sock *sk, int err);
enum stat_id udp_icmp(struct stack *st, const struct endpoint *local,
		      const struct endpoint *remote, uint8_t type, uint8_t code, uint32_t mtu);

#endif
