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
	TIMER_TCP_KEEPALIVE, /* keepalive; FIN-WAIT-2 and TIME-WAIT end */
	TIMER_TCP_REQ,       /* a half-open connection: SYN-ACK again, then drop */
	TIMER_TCP_TW,        /* TIME-WAIT, held in its small form */
	TIMER_TCP_PACE,      /* pacing lets the next data go */
	TIMER_TCP_LEFT,      /* who waits at a listener that is the kernel's waits no longer */
	TIMER_DST,           /* a destination waits for its neighbour */
	TIMER_KINDS
};

/* ---- the destination cache (ip/dst.c) ------------------------------------------------------- */

struct dst {
	struct list hash; /* bucket chain */
	struct list lru;
	struct list waiters; /* sock.txw: to be resumed when the state changes */
	struct list reqs;    /* tcp_req.dstw: SYN-ACKs to be sent when it is resolved */
	struct list ask;     /* on the stack's request list */
	struct list neigh;   /* of those with the same device and next hop, once routed */
	struct ip_addr addr;
	struct dst_info info;
	uint32_t refs; /* connections that hold it */
	uint32_t pmtu; /* learnt by ICMP (RFC 1191); 0: none */
	uint64_t pmtu_until_ns;
	uint64_t asked_ns;  /* when it was last asked for, or failed; 0: never */
	bool routed;        /* info has been given: device and next hop are known */
	bool stale;         /* routes changed since: asked again before it is used */
	bool silent;        /* failed as the neighbour doesn't answer, not by a route */
	bool proven;        /* a connection has held it: not made for a stranger's SYN only */
	bool fresh;         /* on the cache's list of those that are not, without references */
	bool live;          /* not free: what dst_reset_all() goes by */
	struct timer timer; /* TIMER_DST: how long its waiters wait */
};

/* The entry for addr, made (and asked for) when missing, one reference taken; NULL: no memory. */
struct dst *dst_get(struct stack *st, const struct ip_addr *addr);
/* Likewise for a peer that may be forged: NULL, too, when too many such were asked for of late;
 * then answer by dst_back(). Whose peer turns out to be there calls dst_prove(). */
struct dst *dst_get_unproven(struct stack *st, const struct ip_addr *addr);
void dst_prove(struct dst *d);
/*
 * The way for one answer to a packet that came from addr, by dev, from that MAC: the known one, or
 * in *tmp the one it came by; NULL: the kernel said that there is no way to addr. For
 * immediate use with ip_begin(), without a reference; asks the kernel nothing.
 */
struct dst *dst_back(struct stack *st, const struct ip_addr *addr, uint8_t dev,
		     const uint8_t mac[6], struct dst *tmp);
void dst_put(struct stack *st, struct dst *d);
/* The entry for addr, without a reference; NULL when there is none. */
struct dst *dst_find(struct stack *st, const struct ip_addr *addr);
/*
 * 0 when packets can be sent to d now, asking again in passing what is stale. -EINPROGRESS: not yet
 * resolved; sk, unless NULL, now waits for it (off any other waiting list). -ENETUNREACH,
 * -EHOSTUNREACH: no way there.
 */
int dst_ready(struct stack *st, struct dst *d, struct sock *sk);
/* After -EINPROGRESS: a half-open connection waits (off any other such list) until tcp_dst_ready()
 * is given it. It holds a reference; one that ends takes itself off. */
void dst_wait_req(struct stack *st, struct dst *d, struct list *req);
int dst_init(struct stack *st);       /* 0 or -ENOMEM */
void dst_reset_all(struct stack *st); /* stack_reset_all(): keeps what is known, holds nothing */
const struct pool *dst_pool(const struct stack *st);
void dst_timer(struct stack *st, struct timer *t);
/* The MTU to use: the path's, the route's or the device's, the smallest known, and no more than
 * IP_MTU_MAX. */
uint32_t dst_mtu(const struct stack *st, const struct dst *d);
/* Without what was learnt of the path. */
uint32_t dst_link_mtu(const struct stack *st, const struct dst *d);
/* RFC 1191, RFC 8201: a smaller MTU was reported. Floors at min_pmtu, of IPv6 at 1280. True
 * when it changed anything. */
bool dst_pmtu_learn(struct stack *st, struct dst *d, uint32_t mtu, uint64_t now_ns);

#define PMTUDISC_UNSET 255u /* sock_opts.pmtudisc: as ip_no_pmtu_disc has it */

/* The largest IP packet that fits a frame. A larger MTU helps super-segments only. */
#define IP_MTU_MAX (FRAME_BYTES - FRAME_TX_HEADROOM - ETH_HLEN_BYTES)

/* ---- a received packet, between IP and a transport ------------------------------------------ */

struct rx_pkt {
	uint32_t frame; /* head of the chain; data begins at the L4 header (meta->off moved) */
	uint32_t len;   /* L4 header and payload, over all fragments */
	struct ip_addr src, dst;
	uint8_t dev, proto, tos, ttl;
	uint8_t mac[6];    /* of the sender on this link */
	bool csum_partial; /* checksum field was accepted as a pseudo-header sum */
	uint16_t head_off; /* where the packet began in its first frame, */
	uint32_t head;     /* which was that one */
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
/* Copies n bytes from offset off of the packet; off + n <= p->len. */
void rx_copy(struct stack *st, const struct rx_pkt *p, uint32_t off, void *buf, uint32_t n);
/* Partial sum over the whole packet. */
uint32_t rx_sum(struct stack *st, const struct rx_pkt *p);
/* A packet whose L4 header is not pulled yet, and which is nobody's here: where the kernel may want
 * it, it is kept for stack_stray(). False: it is not from such a device, and p as it was.
 * csum_offset as above. */
bool rx_stray(struct stack *st, struct rx_pkt *p, uint32_t csum_offset,
	      const struct endpoint *local, const struct endpoint *remote);
/* Gives the packet's frames back. */
void rx_free(struct stack *st, struct rx_pkt *p);

/* A link-layer frame (ip/input.c), a packet without its link header (input4.c, input6.c), and ICMP
 * (icmp4.c, icmp6.c): as tcp_rx() below. */
enum stat_id ip_rx(struct stack *st, unsigned dev, uint32_t frame);
enum stat_id ip4_rx(struct stack *st, struct rx_pkt *p);
enum stat_id ip6_rx(struct stack *st, struct rx_pkt *p);
enum stat_id icmp4_rx(struct stack *st, struct rx_pkt *p);
enum stat_id icmp6_rx(struct stack *st, struct rx_pkt *p);
/* p, whose IP header is off, to its transport. */
enum stat_id ip_deliver(struct stack *st, struct rx_pkt *p);

/* An ICMP or ICMPv6 error about a packet of ours, in the terms of both. */
struct icmp_err {
	bool v6;
	uint8_t type, code;
	bool hard;     /* the kernel reports it to a connected UDP socket without being asked */
	uint16_t err;  /* errno, positive, as the kernel has it for type and code */
	uint32_t mtu;  /* of "fragmentation needed" and "packet too big", plausible; else 0 */
	uint32_t info; /* what else its header says, as recvmsg() tells it */
	const struct rx_pkt *p; /* the packet, from the ICMP header on; */
	uint32_t quoted_off;    /* where in it the quoted transport header begins */
};
/* struct sock_ee_data_rfc4884 of an error whose packet is there: in the low 16 bits where, from the
 * quoted transport header on, the extensions begin (0: there are none), and a flag (rfc4884.c). */
#define ICMP_RFC4884_INVALID (1u << 16)
uint32_t icmp_rfc4884(struct stack *st, const struct icmp_err *e);
#define ICMP_QUOTED_L4_BYTES 8u /* as much of the transport header as RFC 792 promises */
/* To the transport: l4 is what is quoted of its header, ICMP_QUOTED_L4_BYTES. */
enum stat_id icmp_deliver(struct stack *st, const struct ip_addr *local,
			  const struct ip_addr *remote, uint8_t proto, const uint8_t *l4,
			  const struct icmp_err *e);

/* ---- the way out (ip/output.c) -------------------------------------------------------------- */

/* What a packet's IP header says beside its destination. */
struct ip_tx {
	const struct ip_addr *src;
	bool link_mtu;      /* bound by the link's MTU alone, whatever the path has */
	uint8_t proto, tos; /* tos: of IPv6 the traffic class */
	int16_t ttl;        /* or hop limit; -1: the route's or the configuration's */
	uint32_t flow;      /* IPv6: flow label; 0: none */
};

/* With tos and ttl as the options have them for a packet from src. */
static inline struct ip_tx ip_tx_of(const struct sock_opts *o, uint8_t proto,
				    const struct ip_addr *src, uint32_t flow)
{
	bool v4 = ip_addr_is_v4(src);

	return (struct ip_tx){
		.src = src,
		.proto = proto,
		.tos = v4 ? o->tos : o->tclass,
		.ttl = (int16_t)(!v4           ? o->hops
				 : o->ttl != 0 ? o->ttl
					       : -1),
		.flow = flow,
	};
}

/* Whether a socket with these options (NULL: none) has flow labels made for it. */
bool ip6_autoflowlabel(const struct stack *st, const struct sock_opts *o);
/* The flow's label, or 0 for none (and for IPv4). */
uint32_t ip6_flowlabel(const struct stack *st, const struct sock_opts *o, uint8_t proto,
		       const struct endpoint *local, const struct endpoint *remote);
/* Another one, as when the present path seems to lose what is sent (0 stays 0). */
uint32_t ip6_flowlabel_other(struct stack *st, uint32_t label);

struct ip_out {
	struct tx_ent *ent;
	uint8_t *l4; /* where the transport header goes: l4_len contiguous bytes */
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
int ip_begin(struct stack *st, struct sock *sk, struct dst *d, const struct ip_tx *t,
	     uint32_t l4_len, uint32_t bulk, struct ip_out *o);
/*
 * Queues it. csum_offset: of the checksum field in the L4 header. sum: partial sum over the L4
 * bytes in the frame with that field 0; used only when the device does not complete checksums
 * (then: over everything; ip_wants_sum() says so beforehand).
 */
void ip_commit(struct stack *st, struct ip_out *o, uint32_t csum_offset, uint32_t sum);
void ip_cancel(struct stack *st, struct ip_out *o);
/* Between the two: the packet may be fragmented by others. IPv6 has no such bit. */
void ip_allow_frag(struct ip_out *o);
/* True when the checksum over the payload must be summed while copying. */
bool ip_wants_sum(const struct stack *st, const struct dst *d);
/* Length of the IP header of packets to or from a. */
static inline uint32_t ip_hlen(const struct ip_addr *a)
{
	return ip_addr_is_v4(a) ? (uint32_t)sizeof(struct ip4_hdr)
				: (uint32_t)sizeof(struct ip6_hdr);
}
/* TCP payload of the largest super-segment towards d; 0: none. */
uint32_t ip_gso_max(const struct stack *st, const struct dst *d);

/* ---- the stack ------------------------------------------------------------------------------ */

#define STACK_AT_MAX 16u

struct tcp_state_tables; /* tcp/tcp.h: pools and hashes of TCP */
struct udp_state_tables; /* udp/udp.h */
struct dst_cache;        /* ip/dst.c */

struct stack {
	struct arena *arena;
	struct stack_cfg cfg;
	uint64_t hash_key[2]; /* stack_hash()'s, from the secret */
	uint32_t rng_key[8];  /* stack_random()'s: replaced by each refill */
	uint32_t rng_buf[8];
	uint32_t rng_left;        /* words of rng_buf not given out */
	uint64_t now_ns;          /* of the entry being run: every public call sets it first */
	_Atomic uint64_t next_ns; /* when output wants stack_run(); timers have wheel.next_ns */
	struct wheel wheel;
	struct frame_pool frames;
	struct pool blks;          /* struct blk */
	struct pool errs;          /* struct sock_err */
	bool blk_wanted;           /* a connection waits for one */
	struct blk *blk_limbo;     /* freed while a queued super-segment may refer to them */
	uint32_t txq_bulk;         /* super-segments in the txq */
	struct list tx_wait;       /* sock.txw: output waiting for a txq entry or a frame */
	struct list tx_run;        /* those of them that the present stack_run() has to resume */
	struct list events;        /* sock.ev */
	struct list socks;         /* sock.all */
	uint32_t nstrays;          /* how many wait in stray[], */
	uint32_t stray_at;         /* the first of them */
	uint32_t nopen, ndraining; /* sockets with, and without, an embedder */
	struct stack_dev dev[STACK_DEVS];
	struct ip_addr local[STACK_LOCAL_ADDRS]; /* sorted */
	uint32_t nlocal;
	struct ip_addr local_seen; /* the last one that output found there; any: look */
	uint16_t ip_id;
	struct dst_cache *dst;
	struct tcp_state_tables *tcp;
	struct udp_state_tables *udp;
	uint64_t stats[STAT_COUNT];
	uint32_t nat;                 /* how many are noted in at[]: at_note() */
	const void *at[STACK_AT_MAX]; /* what is being changed */
	struct stray stray[STACK_STRAYS];
	struct txq txq;
};

#define COUNT(st, name) ((st)->stats[STAT_##name]++)
#define COUNT_N(st, name, n) ((st)->stats[STAT_##name] += (n))

/* ---- who is being changed (mend.c) ---------------------------------------------------------- */

/*
 * Before anything that a socket holds is changed (what no list or hash tells again: its numbers,
 * its queues, its options), the socket is noted, until the end of the caller's scope. If the
 * process is killed meanwhile, stack_mend() ends those that are noted and believes all others.
 * Lists of sockets, hashes, timers, events and free lists need no note: they are made anew.
 */
static inline void at_note(struct stack *st, const void *obj)
{
	ASSERT(st->nat < STACK_AT_MAX);
	st->at[st->nat] = obj;
	__atomic_store_n(&st->nat, st->nat + 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

struct at_scope {
	struct stack *st;
	uint32_t nat;
};

static inline struct at_scope at_begin(struct stack *st, const void *obj)
{
	struct at_scope s = {st, st->nat};

	at_note(st, obj);
	return s;
}

static inline void at_end(const struct at_scope *s)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&s->st->nat, s->nat, __ATOMIC_RELEASE);
}

/* At the head of a block (no goto may lead past it): obj (NULL: none yet), and all that is noted
 * within the block, is noted to the block's end. */
#define AT(st, obj) \
	__attribute__((cleanup(at_end), unused)) const struct at_scope at_scope = at_begin(st, obj)

/* 32 bits not to be guessed by a peer (seeded from the secret). */
uint32_t stack_random(struct stack *st);
/* Keyed hash (SipHash-2-4, key from the secret) of len bytes; for hash tables and ISNs. */
uint64_t stack_hash(const struct stack *st, const void *p, size_t len);
/* SipHash-2-4 itself, key as two little-endian words. */
uint64_t stack_siphash(const uint64_t key[2], const void *p, size_t len);

void stack_rand_init(struct stack *st, const uint8_t secret[32]);

struct blk *blk_get(struct stack *st);         /* NULL at the limit */
void blk_put(struct stack *st, struct blk *b); /* one block; waits in limbo if it must */
/* One has come back: within the limit, and there. */
static inline bool blk_any(const struct stack *st)
{
	return st->blks.out < st->blks.limit && st->blks.free != NULL;
}
void blk_limbo_flush(struct stack *st); /* the last super-segment has left the txq */

/* Sets or clears readiness bits. Bits in raise are edges: the event is queued even if set before.
 * Without user (not yet accepted) edges only gather, until stack_sock_user(). */
void sock_ready(struct stack *st, struct sock *sk, uint32_t set, uint32_t clear, uint32_t raise);
/* Zero filled by the caller. Counts as open from here on. */
void sock_init(struct stack *st, struct sock *sk, enum sock_type type);
/* The embedder has let go: no more events; counts as draining until sock_fini(). */
void sock_orphan(struct stack *st, struct sock *sk);
/* As sock_init() for one that the embedder holds, in stack_reset_all(): its lists are made anew,
 * and ready is what it is and what is told. */
void sock_revive(struct stack *st, struct sock *sk, uint32_t ready);
static inline bool sock_is_live(const void *sk) /* where a struct sock begins its object */
{
	return ((const struct sock *)sk)->life == SOCK_LIVE;
}
void sock_fini(struct stack *st, struct sock *sk); /* off every list; memory is the caller's */
/* Keeps st->next_ns true after a change to what waits for room, or to the room. */
void stack_tx_wanted(struct stack *st);
/* Puts sk on tx_wait (off any other waiting list): resumed by stack_run() when there is room. */
void sock_tx_wait(struct stack *st, struct sock *sk);

/* Socket options and errors as all protocols have them (sock.c). */
/* SO_RCVBUF and SO_SNDBUF as set, to bytes: doubled, bounded. */
uint32_t sock_rcvbuf(const struct stack *st, int val);
uint32_t sock_sndbuf(const struct stack *st, int val);
/*
 * The error queue (errq.c). A copy of *e, without data, at its end, and RDY_ERR is news. bytes: of
 * data that will be appended. room: what the queue may hold, as the receive buffer; an entry costs
 * SOCK_ERR_COST and its data. NULL: no room, no memory, or nobody to read it.
 */
#define SOCK_ERR_COST 768u /* as the sk_buff of Linux that holds one */
struct sock_err *sock_err_push(struct stack *st, struct sock *sk, const struct sock_err *e,
			       uint32_t bytes, uint32_t room);
#define SOCK_ERR_ALWAYS UINT32_MAX /* as room: of what must not be lost */
/* n bytes more of its data. False: memory ran out on the way. */
bool sock_err_append(struct stack *st, struct sock *sk, struct sock_err *e, const void *data,
		     uint32_t n);
struct sock_err *sock_err_last(const struct sock *sk); /* the newest entry, or NULL */
/* Frees all entries but those of time stamps and MSG_ZEROCOPY. */
void sock_errs_purge(struct stack *st, struct sock *sk);
void sock_errs_free(struct stack *st, struct sock *sk);
/* -err, clearing it and RDY_ERR (unless the error queue holds it up); 0: none. */
int sock_error_take(struct stack *st, struct sock *sk);
/* Switches that are only kept (sock_kept.c), as setsockopt(2): 0, -EINVAL, -ENOPROTOOPT. */
int sock_kept_set(struct sock_opts *o, int level, int name, const void *val, uint32_t len);
int sock_kept_get(const struct sock_opts *o, int level, int name, void *val, uint32_t *len);
int sock_opt_int(const void *val, uint32_t len, int *out); /* 0, -EINVAL */
int sock_opt_put(void *val, uint32_t *len, int v);         /* 0; cut to *len, as the kernel */
/* IPPROTO_IPV6, for every protocol (sock6.c): o are sk's options, d its way (NULL: none). */
int sock6_setopt(struct sock *sk, struct sock_opts *o, int name, const void *val, uint32_t len);
int sock6_getopt(struct stack *st, const struct sock_opts *o, const struct dst *d, int name,
		 void *val, uint32_t *len);
/* Whether a and b, bound to the same port, would both be found for some packet (bind(2)'s rules;
 * not yet looking at SO_REUSEADDR and SO_REUSEPORT). */
bool sock_bind_overlap(const struct ip_addr *a, bool a_v6only, const struct ip_addr *b,
		       bool b_v6only);
/* How well a socket bound to a fits a packet to dst: 0 not at all, 1 as ::, 2 as 0.0.0.0 (or :: for
 * an IPv6 packet), 3 exactly. */
unsigned sock_bind_fit(const struct ip_addr *a, bool v6only, const struct ip_addr *dst);

/* ---- what a transport offers to the rest ---------------------------------------------------- */

/* tcp/: each takes over p's frames; gives the counter the packet ended in (STAT_rx_packets: used),
 * which stack_rx() counts: nobody else does. */
int tcp_tables_init(struct stack *st);
enum stat_id tcp_rx(struct stack *st, struct rx_pkt *p);
void tcp_timer(struct stack *st, struct timer *t);
/* Room, a frame or the destination has come: continue output. The sock is off its waiting list. */
void tcp_tx_resume(struct stack *st, struct sock *sk);
/* The destination of sk became unreachable (err positive), by the kernel's word. */
void tcp_dst_failed(struct stack *st, struct sock *sk, int err);
/* What SO_ERROR says of a TCP connection that goes on: 0, or what would end it (errno). Taken. */
int tcp_soft_error_take(struct sock *sk);
/* The destination of these tcp_req.dstw is resolved: their SYN-ACKs go with the next
 * stack_run(). */
void tcp_dst_ready(struct stack *st, struct list *reqs);
/* An ICMP error quoting a segment of ours (RFC 5927: seq must be in the window). l4: at least 8
 * bytes of the quoted TCP header. A transport that accepts an MTU calls dst_pmtu_learn(). Returns
 * the counter it ended in. */
enum stat_id tcp_icmp(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
		      const uint8_t *l4, const struct icmp_err *e);

/* The TCP side of the entries in stack.h of the same suffix (sock.c has the switch): for STK_TCP
 * and STK_LISTENER. Options of SOL_SOCKET come here too, but for those that sock.c answers for
 * all. */
int tcp_setopt(struct stack *st, struct sock *sk, int level, int name, const void *val,
	       uint32_t len, uint64_t now_ns);
int tcp_getopt(struct stack *st, struct sock *sk, int level, int name, void *val, uint32_t *len,
	       uint64_t now_ns);
int tcp_shutdown(struct stack *st, struct sock *sk, int how, uint64_t now_ns);
/* sock_orphan() has been called for it. */
void tcp_close(struct stack *st, struct sock *sk, uint64_t now_ns);
/* Likewise; it is freed at once. */
void tcp_abort(struct stack *st, struct sock *sk, uint64_t now_ns);
/* stack_reset_all() for all of TCP. Wheel, txq, frames, blocks and destinations are as new. */
void tcp_disown_all(struct stack *st);
/* Likewise for stack_mend(), in this order (mend.c): whom st->at names is spoilt; everything that
 * the others hold is taken (false: one more was found spoilt, or m->torn); all is linked again. */
struct mend;
void tcp_mend_named(struct stack *st);
void tcp_mend_clear(struct stack *st);
bool tcp_mend_take(struct mend *m);
void tcp_mend_all(struct stack *st, struct stack_mended *res);
void udp_mend_named(struct stack *st);
bool udp_mend_take(struct mend *m);
void udp_mend_all(struct stack *st);
void tcp_reset_tell(struct stack *st);
void tcp_reset_all(struct stack *st);
bool tcp_connecting(const struct sock *sk);
bool tcp_connected(const struct sock *sk);
bool tcp_deferred(const struct sock *sk);
uint32_t tcp_unacked(const struct sock *sk);
uint32_t tcp_inq(const struct sock *sk);
uint32_t tcp_unread(const struct sock *sk);
bool tcp_at_mark(const struct sock *sk);
uint32_t tcp_outq(const struct sock *sk);
uint32_t tcp_outq_notsent(const struct sock *sk);
const char *tcp_state_name(const struct sock *sk);
/* ti is zero filled. */
void tcp_info_fill(const struct stack *st, const struct sock *sk, struct tcp_info *ti,
		   uint64_t now_ns);
/* The idx-th pool of TCP; NULL past the last. */
const struct pool *tcp_pool(const struct stack *st, unsigned idx);
/* The end of stack_run(): ACKs that were put off until the batch is through, and those that waited
 * since the last one for the application to answer first. */
void tcp_run(struct stack *st);
/* When stack_run() wants to be called again: at once when ACKs wait for the application's turn,
 * whether it has answered or not; WHEEL_NEVER: not for TCP's sake. */
uint64_t tcp_wants_run(const struct stack *st);

/* udp/: likewise. */
int udp_tables_init(struct stack *st);
enum stat_id udp_rx(struct stack *st, struct rx_pkt *p);
void udp_tx_resume(struct stack *st, struct sock *sk);
void udp_dst_failed(struct stack *st, struct sock *sk, int err);
enum stat_id udp_icmp(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
		      const struct icmp_err *e);

int udp_setopt(struct stack *st, struct sock *sk, int level, int name, const void *val,
	       uint32_t len);
int udp_getopt(struct stack *st, struct sock *sk, int level, int name, void *val, uint32_t *len);
int udp_shutdown(struct stack *st, struct sock *sk, int how);
void udp_close(struct stack *st, struct sock *sk);
void udp_disown_all(struct stack *st);
void udp_reset_all(struct stack *st);
bool udp_connected(const struct sock *sk);
uint32_t udp_inq(const struct sock *sk); /* of the next datagram */
uint32_t udp_outq(const struct sock *sk);
const struct pool *udp_pool(const struct stack *st, unsigned idx);

#endif
