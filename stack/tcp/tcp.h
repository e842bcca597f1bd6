/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of TCP share: the connection, its small forms, the listener, and each file's
 * functions. Nothing outside tcp/ includes it; what TCP offers to the rest stands in internal.h.
 *
 * Theory of operation
 *
 * A connection is one struct tcp_conn, made complete: by stack_connect(), or when the last ACK of a
 * handshake finds a place in the listener's accept queue. Before that it is a struct tcp_req of
 * some hundred bytes, after its end a struct tcp_tw: neither peers that only send SYNs nor closed
 * connections cost a full one.
 *
 * A segment takes one way: tcp_rx() finds whom it is for, input.c takes it through the steps of
 * RFC 9293 3.10.7, and ends by asking output.c to send what has become possible, and ack.c's policy
 * (in output.c) whether an ACK is due. Facts go to timer.c, which alone arms timers. What is lost
 * and how much may be sent is the business of recovery.h and cc.h.
 *
 * An ACK that is not urgent waits to the end of the batch (so that one ACK answers a batch) or to
 * the next stack_run() (so that the application's response carries it); see tcp_run().
 *
 * An idle connection holds no frame and no block. All memory comes from pools with limits.
 */
#ifndef STACK_TCP_TCP_H
#define STACK_TCP_TCP_H

#include "../internal.h"
#include "cc.h"
#include "chrono.h"
#include "cwv.h"
#include "fastopen.h"
#include "mtup.h"
#include "options.h"
#include "pace.h"
#include "rate.h"
#include "rcvbuf.h"
#include "reass.h"
#include "recovery.h"
#include "rtt.h"
#include "sent.h"
#include "sndbuf.h"
#include "stamp.h"
#include "urgent.h"

#define TCP_HLEN_BYTES 20u
#define TCP_MSS_MIN 88u                /* as Linux: below, overhead is an attack */
#define TCP_MSS_FALLBACK 536u          /* RFC 9293 3.7.1: a SYN without the option */
#define TCP_MSS_FALLBACK6 1220u        /* likewise, over IPv6 */
#define TCP_DELACK_NS 40000000ull      /* RFC 9293 3.8.6.3 allows 500 ms; Linux uses 40 */
#define TCP_QUICKACKS 16u              /* ACKs sent without delay while the peer is in slow start */
#define TCP_TIMEWAIT_NS 60000000000ull /* 2 MSL as Linux has it, however large the sysctls */
#define TCP_PAWS_24DAYS_NS (24ull * 86400 * 1000000000) /* RFC 7323 5.5 */
#define TCP_PAWS_WINDOW 1           /* how far back, ms, a timestamp is still let pass in order */
#define TCP_OOW_ACK_NS 500000000ull /* at most one ACK in that time for segments out of window */
#define TCP_LISTEN_BUCKETS 256u

/* The values of TCP_INFO's tcpi_state. */
enum tcp_state {
	TCPS_ESTABLISHED = 1,
	TCPS_SYN_SENT,
	TCPS_SYN_RCVD,
	TCPS_FIN_WAIT1,
	TCPS_FIN_WAIT2,
	TCPS_TIME_WAIT,
	TCPS_CLOSED,
	TCPS_CLOSE_WAIT,
	TCPS_LAST_ACK,
	TCPS_LISTEN,
	TCPS_CLOSING,
	TCPS_COUNT
};

#define TCPS_BIT(s) (1u << (s))

/* Who an ACK that is owed waits for. */
enum tcp_ack_wait {
	ACK_NONE,
	ACK_DELAYED, /* the delayed-ACK timer */
	ACK_TURN,    /* the next turn: the application may answer first */
	ACK_BATCH,   /* the end of the batch being taken in */
	ACK_TX,      /* room to send it */
};

struct tcp_listener;

/* From the link's header (TCP_SAVE_SYN 2) or the network's on, as they came. */
#define SAVED_SYN_MAX 382u
struct saved_syn {
	uint16_t bytes;
	uint8_t data[SAVED_SYN_MAX];
	uint32_t mark; /* mend.h's */
};

struct tcp_conn {
	struct sock sk;

	struct tcp_conn *hash_next, **hash_prev; /* chain of the four-tuple hash */
	uint32_t hash;

	/* What every segment reads or writes. */
	uint8_t state;     /* enum tcp_state; only tcp_state_set() writes it */
	uint8_t ack_wait;  /* enum tcp_ack_wait */
	uint8_t quickacks; /* ACKs still to be sent without delay */
	uint8_t snd_wscale, rcv_wscale;
	bool ts_ok, sack_ok, wscale_ok;
	bool pingpong;         /* the application answers: ACKs can ride on its data */
	bool shut_rd, shut_wr; /* sk_shutdown, as Linux has it */
	bool fin_queued;       /* our FIN follows the last byte of snd */
	bool fin_seen;         /* the peer has sent its FIN, at fin_seq */
	bool fin_rcvd;         /* and everything before it has come */
	bool out_limited;      /* cwnd, and nothing else, stopped the last output */
	bool out_blocked;      /* output waits for the device or the destination */
	uint32_t zc_next;      /* number of the next message sent with MSG_ZEROCOPY, */
	uint32_t zc_told;      /* of the first that the error queue has not been told of */
	bool nospace;          /* the application was turned away: room is news to it */
	bool orphan_counted;
	bool syn_resent;    /* our SYN (or SYN-ACK) timed out */
	uint16_t mss;       /* payload bytes of a full segment, options taken off */
	uint16_t rcv_mss;   /* estimate of the peer's segment size */
	uint16_t mss_clamp; /* the peer's MSS option */
	uint16_t mss_adv;   /* ours */

	struct seq rcv_nxt;
	struct seq rcv_adv;   /* right edge of the window as advertised; never moves back */
	struct seq rcv_acked; /* rcv_nxt in the last segment we sent */
	struct seq fin_seq;
	struct seq snd_wl1, snd_wl2;
	uint32_t snd_wnd;     /* bytes, scaled */
	uint32_t snd_wnd_max; /* the largest ever offered */
	struct seq snd_sml;   /* end of the last small segment sent (Minshall) */
	uint32_t ts_recent;
	uint32_t ts_off;       /* added to the clock, so that it tells nothing (RFC 7323 7.1) */
	uint64_t ts_recent_ns; /* when ts_recent was taken */
	uint64_t last_rx_ns;   /* last segment from the peer: for keepalive */
	uint64_t last_data_rx_ns;
	uint64_t last_data_tx_ns;
	struct dst *dst;

	struct rcvbuf rcv;
	struct sndbuf snd;
	struct sent_map sent; /* its una and nxt are snd_una and snd_nxt */
	struct rtt rtt;
	struct recovery rec;
	struct cc cc;
	struct cwv cwv;
	struct pace pace;
	struct rate rate;
	struct chrono chrono;
	struct reass reass;
	struct list reass_node; /* while it holds something: on reass_conns */
	uint64_t reass_ns;      /* since when no hole was filled */
	struct urgent urgent;
	struct stamps stamps;
	struct saved_syn *saved_syn; /* until it is read; or NULL */
	struct mtup mtup;
	uint32_t path_mtu; /* that the MSS was made for */

	struct list blkw;                   /* on the tables' blk_wait: it wants a block */
	struct list ack_node;               /* on the tables' ack_batch or ack_turn */
	struct timer rtx;                   /* TIMER_TCP_RETRANSMIT */
	struct timer delack;                /* TIMER_TCP_DELACK */
	struct timer keep;                  /* TIMER_TCP_KEEPALIVE */
	struct timer pacer;                 /* TIMER_TCP_PACE */
	uint64_t rtx_due_ns, delack_due_ns; /* the true times; the wheel may hold earlier ones */
	uint8_t rtx_what;                   /* enum tcp_rtx, timer.c */
	uint8_t probes_out;                 /* zero-window or keepalive probes unanswered */
	uint8_t probe_backoff;
	uint8_t soft_err_valid;
	uint16_t soft_err; /* reported if the connection then times out (RFC 5927) */
	uint64_t stall_ns; /* since when the peer has not answered; 0: it does */

	struct tcp_listener *listener; /* until accepted */
	struct list accept_node;

	/* Receive buffer tuning. */
	uint32_t rcv_limit, snd_limit; /* as SO_RCVBUF and SO_SNDBUF give them, bytes */
	bool rcv_locked, snd_locked;   /* set by the application: no tuning */
	struct seq copied;             /* up to where the application has read */
	struct seq drs_seq;            /* copied at the start of the present round trip */
	uint32_t drs_space;            /* most read in one round trip */
	uint64_t drs_ns;
	uint64_t rcv_rtt_ns; /* round trip as the receiver sees it; 0: unknown */
	struct seq rcv_rtt_seq;
	uint64_t rcv_rtt_start_ns;

	uint8_t ecn;           /* TCP_ECN_* */
	struct seq ecn_point;  /* snd_nxt at the last reduction, with TCP_ECN_HELD */
	uint32_t delivered_ce; /* segments whose ACK told of a mark */

	struct sack_block dsack; /* to be reported next; empty: none */
	uint64_t oow_ack_ns;     /* last ACK for a segment out of window */
	struct sock_opts o;
	uint32_t flow; /* IPv6: flow label */

	uint8_t fo_flags;                 /* FO_*: Fast Open (fastopen.h), as all of these */
	uint8_t fo_fail;                  /* enum fastopen_fail */
	uint16_t fo_room;                 /* bytes that our SYN may carry */
	struct tcp_fo fo;                 /* what the next SYN or SYN-ACK says */
	struct tcp_listener *fo_listener; /* it is counted there; NULL: nowhere */
	struct list fo_node;
	struct seq iss, irs;

	/* For TCP_INFO. */
	uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	uint32_t segs_in, segs_out, data_segs_in, data_segs_out;
	uint32_t total_retrans, retransmits, rcv_ooopack;
	uint64_t last_ack_rx_ns;
	uint32_t rtos, rto_recoveries; /* timeouts; rows of them */
	uint64_t rto_since_ns, rto_ns; /* the present row began (0: there is none); others took */
};

/* Requests and TIME-WAIT share one hash; this is what it sees. */
struct tcp_mini {
	struct tcp_mini *hash_next, **hash_prev;
	uint8_t kind; /* TCP_MINI_* */
	struct endpoint local, remote;
	struct timer timer;
	struct dst *dst; /* NULL: a request whose destination was not asked for */
};

enum { TCP_MINI_REQ, TCP_MINI_TW };

/* A half-open connection of a listener. */
struct tcp_req {
	struct tcp_mini m;
	uint8_t back_mac[6], back_dev; /* where its SYN came from, while m.dst is NULL */
	struct tcp_listener *l;
	struct list node; /* listener's reqs, from the hand of req_victim() on */
	struct list dstw; /* on its destination's reqs, or the tables' synacks */
	struct seq iss, irs;
	uint32_t ts_recent, ts_off;
	uint64_t synack_ns; /* first SYN-ACK; 0: none got out yet */
	uint64_t resent_ns; /* second one: no RTT sample but by timestamp; 0: there was none */
	uint64_t oow_ack_ns;
	uint32_t rcv_wnd; /* as offered, bytes */
	uint16_t mss_clamp, mss_adv;
	uint16_t wnd; /* the SYN's */
	uint8_t snd_wscale, rcv_wscale;
	uint8_t tries; /* SYN-ACK timeouts */
	bool ts_ok, sack_ok, wscale_ok;
	bool ecn_ok;
	bool acked;                  /* the last ACK came (and found no room, or waits for data) */
	bool no_rtt;                 /* a cookie's: nobody knows when its SYN-ACK went out */
	bool fast;                   /* Fast Open: the SYN-ACK is the connection's to send */
	struct tcp_fo fo;            /* for the first SYN-ACK */
	struct saved_syn *saved_syn; /* or NULL */
	uint8_t claimed;             /* sock.claimed of the connection that it is to be */
	bool live;                   /* whole, and not free: what stack_mend() goes by */
	bool gone;                   /* ended, and for stack_gone() to tell */
};

/* RFC 9293 3.6.1; RFC 6191. */
struct tcp_tw {
	struct tcp_mini m;
	struct list node; /* oldest first */
	struct seq snd_nxt, rcv_nxt;
	uint32_t rcv_wnd; /* as the field says, unscaled by rcv_wscale */
	uint32_t ts_recent, ts_off;
	uint64_t ts_recent_ns;
	uint64_t oow_ack_ns;
	uint8_t rcv_wscale, tos, ttl, tclass;
	int8_t autoflowlabel;
	int16_t hops;
	bool ts_ok;
	uint8_t claimed; /* sock.claimed of the connection it was */
	bool live;       /* whole, and not free: what tcp_reset_all() goes by */
	bool gone;       /* it has ended: on gone_tws */
};

struct tcp_listener {
	struct sock sk;
	struct list node;    /* hash bucket */
	struct list reqs;    /* tcp_req.node */
	struct list acceptq; /* tcp_conn.accept_node */
	uint32_t nreqs, naccept;
	uint32_t backlog;
	bool shut;
	bool left; /* to the kernel: stack_listen_leave() */
	struct timer left_timer;
	uint64_t cookie_ns;   /* the last SYN cookie; 0: none */
	struct list fo_conns; /* tcp_conn.fo_node: by Fast Open, handshake not complete */
	uint32_t fo_pending;  /* how many */
	uint32_t fo_rsts; /* and how many count on that a RST has ended, the last at fo_rst_ns */
	uint64_t fo_rst_ns;
	struct sock_opts o;
};

struct tcp_state_tables {
	struct pool conns, reqs, tws, ranges, listeners, sents, tx_stamps, rx_stamps, saved_syns;
	struct tcp_conn **conn_hash;
	struct tcp_mini **mini_hash;
	uint32_t conn_mask, mini_mask;
	struct list listen_hash[TCP_LISTEN_BUCKETS];
	struct tcp_conn *last;   /* whom the last segment was for */
	struct list ack_batch;   /* tcp_conn.ack_node: ACK at the end of this stack_run() */
	struct list ack_turn;    /* ACK at the next one, unless an answer takes it along */
	struct list ack_due;     /* those that were on ack_turn at the last stack_run() */
	struct list blk_wait;    /* tcp_conn.blkw: not writable until a block is free */
	uint64_t blk_wake_ns;    /* the next of them are not told before */
	struct list reass_conns; /* tcp_conn.reass_node: the longest without progress first */
	struct list synacks;     /* tcp_req.dstw: their destination has been resolved */
	struct list tw;          /* tcp_tw.node */
	struct list gone_conns;  /* tcp_conn.accept_node: ended, for stack_gone() to tell */
	struct list gone_tws;    /* tcp_tw.node: likewise */
	struct list gone_reqs;   /* tcp_req.node: likewise */
	struct list gone_ports;  /* tcp_conn.accept_node: closed, and held a port; not freed yet */
	struct fastopen_tables *fastopen; /* fastopen.c's */
	uint32_t norphans;
	uint64_t challenge_ns; /* start of the present second of tcp_challenge_ack_limit */
	uint32_t challenges;   /* left in it */
};

/* A segment, its header in host order. */
struct tcp_seg {
	struct rx_pkt *p; /* header still in place until seg_payload() */
	struct seq seq, ack;
	uint32_t len; /* payload bytes */
	uint32_t hlen;
	uint32_t wnd;  /* as in the header, not scaled */
	uint16_t urg;  /* likewise */
	uint8_t flags; /* TH_* */
	bool pulled;   /* header is off the chain */
	struct tcp_opts opt;
	struct endpoint local, remote;
};

static inline struct tcp_conn *tcp_conn_of(const struct sock *sk)
{
	return container_of((struct sock *)(uintptr_t)sk, struct tcp_conn, sk);
}

static inline struct tcp_listener *tcp_listener_of(const struct sock *sk)
{
	return container_of((struct sock *)(uintptr_t)sk, struct tcp_listener, sk);
}

/* The row of timeouts, if there was one, is over; the time that it took when its loss is mended. */
static inline void tcp_rtos_end(const struct stack *st, struct tcp_conn *c)
{
	c->retransmits = 0;
	if (likely(!c->rto_since_ns) || c->rec.state == RECOVERY_LOSS)
		return;
	c->rto_ns += st->now_ns - c->rto_since_ns;
	c->rto_since_ns = 0;
}

static inline uint16_t tcp_mss_fallback(const struct ip_addr *to)
{
	return ip_addr_is_v4(to) ? TCP_MSS_FALLBACK : TCP_MSS_FALLBACK6;
}

static inline bool tcp_state_in(const struct tcp_conn *c, uint32_t bits)
{
	return (TCPS_BIT(c->state) & bits) != 0;
}

/* The states in which the peer knows our ISS and we know its own. */
#define TCPS_SYNCED                                                                         \
	(TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_FIN_WAIT1) | TCPS_BIT(TCPS_FIN_WAIT2) | \
	 TCPS_BIT(TCPS_CLOSE_WAIT) | TCPS_BIT(TCPS_LAST_ACK) | TCPS_BIT(TCPS_CLOSING))
#define TCPS_CONNECTING (TCPS_BIT(TCPS_SYN_SENT) | TCPS_BIT(TCPS_SYN_RCVD))

/* The application's view: not open yet. A connection by Fast Open is, whatever its handshake. */
static inline bool tcp_half_open(const struct tcp_conn *c)
{
	return tcp_state_in(c, TCPS_CONNECTING) && !(c->fo_flags & FO_PASSIVE);
}

/* ---- stream.c -------------------------------------------------------------------------------- */

/* The error queue is told of the messages with MSG_ZEROCOPY that it has not been told of. */
void tcp_zerocopy_tell(struct stack *st, struct tcp_conn *c);
/* Blocks are free again, and connections wait for one: they are writable, and told so. */
void tcp_blks_freed(struct stack *st);

/* ---- conn.c: life, states, demux ------------------------------------------------------------ */

/* The only way to change c->state; asserts RFC 9293 figure 5. Frees nothing. */
void tcp_state_set(struct stack *st, struct tcp_conn *c, enum tcp_state to);
/* A connection in CLOSED, in no hash; NULL at the limit. Sends and receives from iss and irs +
 * 1. */
struct tcp_conn *tcp_conn_new(struct stack *st, const struct endpoint *local,
			      const struct endpoint *remote, const struct sock_opts *o,
			      struct dst *dst, struct seq iss);
/* All of c but its sock, from zero: CLOSED, holding nothing but dst. */
void tcp_conn_init(struct stack *st, struct tcp_conn *c, const struct sock_opts *o, struct dst *dst,
		   struct seq iss);
/*
 * The end: to CLOSED with the pending error err (0: none); everything held but unread data is let
 * go. An orphan is freed: c may not be used afterwards when this returns true.
 */
bool tcp_conn_done(struct stack *st, struct tcp_conn *c, int err);
/* Likewise, telling the peer by RST where one is due. */
bool tcp_conn_abort(struct stack *st, struct tcp_conn *c, int err);
/* Frees c, which is CLOSED. */
void tcp_conn_free(struct stack *st, struct tcp_conn *c);
/* Counts c as an orphan: a closed descriptor's connection. */
void tcp_conn_orphan(struct stack *st, struct tcp_conn *c);
/* Recomputes sk.ready; raise: RDY_* bits that are news even if already set. */
void tcp_ready(struct stack *st, struct tcp_conn *c, uint32_t raise);
/* IP_MTU_DISCOVER or IPV6_MTU_DISCOVER, in the values of either; and the MTU it allows. */
static inline uint8_t tcp_pmtudisc(const struct stack *st, const struct sock_opts *o,
				   const struct ip_addr *to)
{
	if (!ip_addr_is_v4(to))
		return o->pmtudisc6;
	return o->pmtudisc != PMTUDISC_UNSET ? o->pmtudisc : st->cfg.ip_no_pmtu_disc ? 0 : 1;
}
uint32_t tcp_path_mtu(const struct stack *st, const struct dst *d, const struct sock_opts *o);
/* The MSS from the path's MTU, the peer's option and TCP_MAXSEG. */
void tcp_mss_sync(struct stack *st, struct tcp_conn *c);
/* Output failed for now (errno): reported if the connection then times out, and by SO_ERROR. */
void tcp_soft_error(struct tcp_conn *c, int err);
uint16_t tcp_mss_adv(struct stack *st, const struct dst *d, const struct sock_opts *o,
		     const struct ip_addr *to);
struct seq tcp_isn(struct stack *st, const struct endpoint *local, const struct endpoint *remote);
uint32_t tcp_ts_off(struct stack *st, const struct endpoint *local, const struct endpoint *remote);
/* Handshake done: sizes of buffers, edges, timers. */
void tcp_established(struct stack *st, struct tcp_conn *c);
/* The send buffer follows the congestion window, up to tcp_wmem[2], unless set by SO_SNDBUF. */
void tcp_sndbuf_tune(struct stack *st, struct tcp_conn *c);

/* Recovery as the sysctls have it; without SACK until the peer permits it. */
static inline void tcp_recovery_init(const struct stack *st, struct tcp_conn *c)
{
	struct recovery_cfg cfg = {
		.tlp = st->cfg.tcp_early_retrans == 3 || st->cfg.tcp_early_retrans == 4,
		.frto = st->cfg.tcp_frto != 0,
		.reo_fixed = (st->cfg.tcp_recovery & 2) != 0,
		.no_dupthresh = (st->cfg.tcp_recovery & 4) != 0,
		.reordering = st->cfg.tcp_reordering,
		.reordering_max = st->cfg.tcp_max_reordering,
	};

	recovery_init(&c->rec, false);
	recovery_configure(&c->rec, &cfg);
}

static inline uint32_t tcp_ts_now(const struct stack *st, uint32_t off)
{
	return (uint32_t)(st->now_ns / 1000000) + off;
}

/* ---- reset.c: after a death, a connection of which little is believed ------------------------ */

/* A RST, as far as the txq and the destination allow; a peer that is missed learns it from the
 * answer to its next segment, which then belongs to no connection. */
void tcp_tell_peer(struct stack *st, const struct tcp_conn *c);
/* c, which its embedder has, becomes what tcp_conn_done() leaves behind. */
void tcp_conn_close(struct stack *st, struct tcp_conn *c);

/* ---- demux.c: the hashes of connections, and of requests and TIME-WAITs --------------------- */

/* Empty hashes and lists. */
void tcp_tables_empty(struct tcp_state_tables *t);
/* Into the hash; out of it (harmless when it is in none). */
void tcp_conn_hash(struct stack *st, struct tcp_conn *c);
void tcp_conn_unhash(struct stack *st, struct tcp_conn *c);
struct tcp_conn *tcp_conn_find(struct stack *st, const struct endpoint *local,
			       const struct endpoint *remote);
uint32_t tcp_tuple_hash(const struct stack *st, const struct endpoint *local,
			const struct endpoint *remote);
struct tcp_mini *tcp_mini_find(struct stack *st, const struct endpoint *local,
			       const struct endpoint *remote);
void tcp_mini_hash(struct stack *st, struct tcp_mini *m);
void tcp_mini_unhash(struct tcp_mini *m);

/* ---- ecn.c ---------------------------------------------------------------------------------- */

enum {
	TCP_ECN_OK = 0x01,    /* both sides agreed */
	TCP_ECN_ASKED = 0x02, /* a SYN of ours asked for it */
	TCP_ECN_ASK = 0x04,   /* the next one does */
	TCP_ECN_SEEN = 0x08,  /* the peer has sent something ECN-capable */
	TCP_ECN_ECHO = 0x10,  /* a mark came: ECE, until the peer says CWR */
	TCP_ECN_CWR = 0x20,   /* the next new data says CWR */
	TCP_ECN_HELD = 0x40,  /* reduced in this window of data: not again until ecn_point */
};

/* An active connection begins: whether it asks. */
void tcp_ecn_connect(const struct stack *st, struct tcp_conn *c);
/* Its SYN timed out. */
void tcp_ecn_syn_lost(const struct stack *st, struct tcp_conn *c);
/* May the SYN s, for a listener, have it? */
bool tcp_ecn_syn_ok(const struct stack *st, const struct tcp_seg *s);
/* The peer's SYN-ACK, or its SYN in a simultaneous open. */
void tcp_ecn_take_syn(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s);
/* What a segment about to be sent with these flags says: TH_ECE, TH_CWR. fresh: data sent for the
 * first time. */
uint8_t tcp_ecn_flags(const struct tcp_conn *c, uint8_t flags, bool fresh);
/* An acceptable segment with new data came. True: it wants its ACK at once. */
bool tcp_ecn_data(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s);
/* Does this ACK tell of a mark? */
static inline bool tcp_ecn_echoed(const struct tcp_conn *c, const struct tcp_seg *s)
{
	return (c->ecn & TCP_ECN_OK) && (s->flags & (TH_ECE | TH_SYN)) == TH_ECE;
}
/* The window was reduced, for whatever reason: the peer is told, and marks of this window of data
 * are answered by that. */
void tcp_ecn_reduced(struct tcp_conn *c);
/* una is ack now, or soon. */
static inline void tcp_ecn_ack(struct tcp_conn *c, struct seq ack)
{
	if ((c->ecn & TCP_ECN_HELD) && seq_gt(ack, c->ecn_point))
		c->ecn &= (uint8_t)~TCP_ECN_HELD;
}
/* Such an ACK was taken in; flight_bytes: in flight before it. */
void tcp_ecn_react(struct stack *st, struct tcp_conn *c, uint32_t flight_bytes);

/* ---- timewait.c ----------------------------------------------------------------------------- */

/* c's TIME-WAIT begins: takes its place with a small object; c goes to CLOSED. True: c is freed. */
bool tcp_tw_start(struct stack *st, struct tcp_conn *c);
/* A segment for it. *syn: whether there is a listener; then: it is a SYN that may open a new
 * connection, tw is gone; go on with that listener (*iss: the first ISS that can't be mistaken). */
enum stat_id tcp_tw_rx(struct stack *st, struct tcp_tw *tw, struct tcp_seg *s, bool *syn,
		       struct seq *iss);
void tcp_tw_timer(struct stack *st, struct tcp_tw *tw);
void tcp_tw_free(struct stack *st, struct tcp_tw *tw);
/* An outgoing connection wants the four-tuple: may it have it? Its port was bound to, or else as
 * tcp_tw_reuse says. Frees tw if so. */
bool tcp_tw_reuse(struct stack *st, struct tcp_tw *tw, bool bound, struct seq *iss);

/* ---- listen.c ------------------------------------------------------------------------------- */

/* Who takes a SYN that came by device dev: one that is left to the kernel only where the kernel
 * can't be given it. */
struct tcp_listener *tcp_listener_find(struct stack *st, unsigned dev, const struct endpoint *local,
				       const struct endpoint *remote);
/* True (and counted) when l takes no connection more, as Linux counts: backlog + 1. */
bool tcp_acceptq_full(struct stack *st, const struct tcp_listener *l);
/* stack_reset_all(): l holds nothing any more and listens on. */
void tcp_listener_reset(struct stack *st, struct tcp_listener *l);
/* stack_mend(): c, on no list, waits in l's accept queue. */
void tcp_listener_queue(struct stack *st, struct tcp_listener *l, struct tcp_conn *c);
void tcp_listener_close(struct stack *st, struct tcp_listener *l);
/* Resets what was not given out; it goes on listening. */
void tcp_listener_drop(struct stack *st, struct tcp_listener *l);
/* Stops listening: out of the hash, what was not given out is reset; the socket stays. */
void tcp_listener_shut(struct stack *st, struct tcp_listener *l);
/* A connection that waits in the accept queue goes away. */
void tcp_listener_forget(struct stack *st, struct tcp_conn *c);

/* ---- request.c ------------------------------------------------------------------------------ */

/* A segment for a listener that belongs to no connection. min_iss: NULL, or from tcp_tw_rx().
 * *child: the connection that it made, which takes the segment next; NULL: it ended here. */
enum stat_id tcp_listen_rx(struct stack *st, struct tcp_listener *l, struct tcp_seg *s,
			   const struct seq *min_iss, struct tcp_conn **child);
/* A segment for a half-open connection. *child: the connection it completed, which takes the
 * segment next; NULL: the segment ended here. */
enum stat_id tcp_req_rx(struct stack *st, struct tcp_req *r, struct tcp_seg *s,
			struct tcp_conn **child);
void tcp_req_timer(struct stack *st, struct tcp_req *r);
/* TCP_DEFER_ACCEPT in SYN-ACK timeouts, as Linux counts it: so many make up the seconds. *told_s
 * (may be NULL): what they add up to, which getsockopt() tells. */
uint32_t tcp_defer_tries(uint32_t defer_s, uint32_t *told_s);
/* Sends the SYN-ACKs that waited for their destination. */
void tcp_synacks_run(struct stack *st);
void tcp_req_free(struct stack *st, struct tcp_req *r);
/* stack_mend(): r, which is whole, goes on; its listener does. */
void tcp_req_mend(struct stack *st, struct tcp_req *r);

/* ---- input.c -------------------------------------------------------------------------------- */

/* Takes the header off the chain, once. */
void tcp_seg_pull(struct stack *st, struct tcp_seg *s);
/* A segment for c. Frees c in some cases. */
enum stat_id tcp_input(struct stack *st, struct tcp_conn *c, struct tcp_seg *s);
/* The data of a SYN that Fast Open lets count. */
void tcp_input_syn_data(struct stack *st, struct tcp_conn *c, struct tcp_seg *s);
/* Takes what recovery reports to congestion control. */
void tcp_recovery_apply(struct stack *st, struct tcp_conn *c, const struct recovery_out *out);

/* ---- output.c ------------------------------------------------------------------------------- */

enum {
	OUT_MORE = 1,  /* the application says more comes: hold a partial segment */
	OUT_FORCE = 2, /* a probe timer: whatever is there, as far as the window goes */
	OUT_PROBE = 4, /* a loss probe: one segment of new data beyond cwnd */
};

/* Sends what window, cwnd and Nagle allow: lost bytes first, then new ones, then FIN. Arms
 * timers. */
void tcp_output(struct stack *st, struct tcp_conn *c, unsigned how);
/* A segment without payload, now. flags: TH_*. seq: where. 0 or as ip_begin(). */
int tcp_send_empty(struct stack *st, struct tcp_conn *c, struct seq seq, uint8_t flags);
/* An ACK at once (in place of one that waits). */
void tcp_send_ack(struct stack *st, struct tcp_conn *c);
/* One segment or super-segment of what was sent before: len numbers from rec's start. */
int tcp_send_again(struct stack *st, struct tcp_conn *c, struct sent_rec *rec, uint32_t len);
/* RST for a connection of ours, if its state calls for one. */
void tcp_send_rst(struct stack *st, struct tcp_conn *c);
/* RST (or nothing: RFC 9293 3.10.7.1) in answer to a segment that belongs to nothing. */
void tcp_answer_rst(struct stack *st, const struct tcp_seg *s);
/* A segment of something that is not a connection. */
struct tcp_raw {
	const struct endpoint *local, *remote;
	struct dst *dst;
	struct seq seq, ack;
	uint16_t wnd;
	uint8_t flags;
	const struct sock_opts *mark; /* whose tos, ttl, ... it has; NULL: nobody's */
	struct tcp_opts opt;
};
int tcp_send_raw(struct stack *st, struct tcp_raw *r);

/* The ACK policy: data (or something else to be acknowledged) has come in. */
void tcp_ack_owe(struct stack *st, struct tcp_conn *c, enum tcp_ack_wait wait);
/* A segment that carries an ACK went out. */
void tcp_ack_sent(struct stack *st, struct tcp_conn *c);
/* An ACK for a segment that is not acceptable, rate limited (RFC 5961 7, and against ACK loops). */
void tcp_challenge_ack(struct stack *st, struct tcp_conn *c);
bool tcp_challenge_allowed(struct stack *st);

/* ---- savesyn.c ------------------------------------------------------------------------------ */

/* A copy of the SYN's headers, if l's TCP_SAVE_SYN asks for it and there is memory; else NULL. */
struct saved_syn *saved_syn_take(struct stack *st, const struct tcp_listener *l,
				 const struct tcp_seg *s);
void saved_syn_free(struct stack *st, struct saved_syn **y);
/* TCP_SAVED_SYN as getsockopt(2), once: *len 0 when there is none (any more). -EINVAL: *len was too
 * small, and says now how much there is. */
int saved_syn_get(struct stack *st, struct sock *sk, void *val, uint32_t *len);

/* ---- reass.c: whose data waits behind a hole ------------------------------------------------ */

/* c has taken in data in order, or the first behind a hole. */
void tcp_reass_progress(struct stack *st, struct tcp_conn *c);
/* Frames are scarce: the connection that has waited longest gives up what it holds out of order, if
 * that is for REASS_STALE_NS. */
void tcp_reass_prune(struct stack *st);

/* ---- rcvwin.c: the receive window ----------------------------------------------------------- */

void tcp_rcvwin_init(struct stack *st, struct tcp_conn *c);
/* The window to put in a header; moves rcv_adv. syn: of a segment with SYN, never scaled
 * (RFC 7323 2.2). */
uint16_t tcp_rcvwin_field(struct stack *st, struct tcp_conn *c, bool syn);
/* The window a reader has made: what tcp_rcvwin_field() would offer, bytes. */
uint32_t tcp_rcvwin_bytes(const struct stack *st, const struct tcp_conn *c);
/* The application has read n bytes: tuning, and an update to the peer if it is worth one. */
void tcp_rcvwin_read(struct stack *st, struct tcp_conn *c, uint32_t n);
/* Bytes of window for a buffer of that size, and the scale to offer for it. */
uint32_t tcp_rcvwin_from_space(const struct stack *st, uint32_t space);
uint8_t tcp_rcvwin_scale(const struct stack *st, const struct sock_opts *o);
/* In-order data has come: the receiver's view of the round trip. */
void tcp_rcvwin_rtt(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s);

/* ---- control.c: what cc.h, pace.h and cwv.h are told ---------------------------------------- */

void tcp_control_init(struct stack *st, struct tcp_conn *c);
/* An ACK has been through recovery. */
void tcp_control_ack(struct stack *st, struct tcp_conn *c, const struct recovery_out *out);
/* tcp_output() ends; sent: it sent something. Before the timers are armed. */
void tcp_control_output(struct stack *st, struct tcp_conn *c, bool sent);
/* cwnd, the algorithm or SO_MAX_PACING_RATE changed: the rate follows. */
void tcp_pace_rate(struct stack *st, struct tcp_conn *c);

/* ---- sockopt_limits.c ----------------------------------------------------------------------- */

/* As tcp_setopt() and tcp_getopt(), for those that these do not know; o: sk's options. */
int tcp_limits_set(struct stack *st, struct sock *sk, struct sock_opts *o, int level, int name,
		   const void *val, uint32_t len);
int tcp_limits_get(struct stack *st, const struct sock *sk, const struct sock_opts *o, int level,
		   int name, void *val, uint32_t *len);
/* Likewise (sockopt_stamp.c). */
int tcp_stamp_set(struct sock *sk, struct sock_opts *o, int level, int name, const void *val,
		  uint32_t len);
int tcp_stamp_get(const struct sock_opts *o, int level, int name, void *val, uint32_t *len);
/* What TCP_INFO gives: struct tcp_info with what Linux 6.18 has behind it. Its size. */
struct tcp_info_all;
uint32_t tcp_info_all(const struct stack *st, const struct sock *sk, struct tcp_info_all *all,
		      uint64_t now_ns);
/* RFC 5082: the packet has come too far for a socket with these options. */
bool tcp_ttl_refused(const struct sock_opts *o, const struct rx_pkt *p);

/* ---- timer.c -------------------------------------------------------------------------------- */

/* What the sysctls that count tries take for the first timeout of a connection (TCP_RTO_MIN). */
#define TCP_RETRIES_RTO_NS 200000000ull
/* From the first timeout to the end of the last of so many more, each twice the one before it. */
uint64_t tcp_tries_ns(uint32_t tries, uint64_t rto_ns);
void tcp_timers_init(struct tcp_conn *c);
void tcp_timers_stop(struct stack *st, struct tcp_conn *c);
/* stack_mend(): what was armed, or should be, in a wheel that is empty. */
void tcp_timers_mend(struct stack *st, struct tcp_conn *c);
void tcp_mini_timer_mend(struct stack *st, struct tcp_mini *m);
/* After anything that may change what is outstanding, lost or blocked. */
void tcp_timer_rtx(struct stack *st, struct tcp_conn *c);
void tcp_timer_delack(struct stack *st, struct tcp_conn *c, bool on);
/* After output: wakes it when pacing lets the next data go. */
void tcp_timer_pace(struct stack *st, struct tcp_conn *c);
/* Established, SO_KEEPALIVE or its times changed, orphaned in FIN-WAIT-2. */
void tcp_timer_keep(struct stack *st, struct tcp_conn *c);

#endif
