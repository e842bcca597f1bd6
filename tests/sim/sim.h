/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated network: stacks joined by links in virtual time.
 *
 * Theory of operation
 *
 * A world is drawn from one seed: how many nodes, what each stack is told, what each link does to
 * packets, and which flows run between them. Time stands still while something happens and then
 * jumps to the next event: a packet's arrival, an application's pause that ends, a node's
 * stack_next_ns(). Nothing reads a clock, an address or memory that it has not written, so a seed
 * always gives the same bytes; the trace hash proves it.
 *
 * First safety: while links lose, reorder, double, corrupt and go dark, every byte an application
 * reads must be the right one, and nothing may assert. Then liveness: the links are healed, the
 * applications stop pausing, and every connection must end, every timer stop and every pool of
 * every stack come back to zero, each within a bound.
 *
 * Files: event.c the queue of what is to come; pkt.c packets as bytes (checksums, cutting up
 * super-segments); link.c faults; node.c one stack and what an embedder does for it; app.c the
 * applications, dgram.c those that send datagrams; silly.c a peer that breaks every rule, fool.c
 * who has to do with it; world.c draws, runs and judges; main.c the command.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "stack/stack.h"

#define US 1000ull
#define MS 1000000ull
#define SEC 1000000000ull
#define MINUTE (60 * SEC)
#define HOUR (3600 * SEC)

#define SIM_NODES 4u
#define SIM_SILLY SIM_NODES /* the silly peer's place among the hosts */
#define SIM_HOSTS (SIM_NODES + 1u)
#define SIM_FOOLS 12u     /* connections of the silly peer, at most */
#define SIM_PORT 80u      /* every node listens here */
#define SIM_SHUT_PORT 81u /* and nowhere else */
#define SIM_NEVER UINT64_MAX
#define SIM_PORTS 10000u /* that a node's clients may use, at most */

struct world;

/* ---- random numbers: splitmix64, one stream per purpose ------------------------------------- */

struct rng {
	uint64_t s;
};

static inline uint64_t rng_u64(struct rng *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Below n (at least 1). */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_u64(r) % n;
}

/* lo..hi, both included. */
static inline uint64_t rng_range(struct rng *r, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

/* lo..hi with all magnitudes alike: many small numbers, some large ones. */
uint64_t rng_log(struct rng *r, uint64_t lo, uint64_t hi);

/* True ppm times in a million. */
static inline bool rng_chance(struct rng *r, uint32_t ppm)
{
	return ppm > 0 && rng_below(r, 1000000) < ppm;
}

/* True one time in n. */
static inline bool rng_one_in(struct rng *r, unsigned n)
{
	return rng_below(r, n) == 0;
}

/* ---- event.c -------------------------------------------------------------------------------- */

enum ev_kind {
	EV_PKT,
	EV_APP,
	EV_DST,
	EV_DARK,
	EV_STALL,
	EV_FLUSH,
	EV_ACCEPT,
	EV_DEATH,
	EV_RESET,
	EV_MEND,
	EV_SILLY,
	EV_MTU,
	EV_DGRAM
};

struct ev {
	uint64_t at_ns;
	uint64_t order; /* ties go by it: first come, first served */
	enum ev_kind kind;
	uint32_t node; /* all but EV_DARK, EV_MTU and EV_SILLY */
	uint32_t arg;  /* EV_PKT: device; EV_DST: destination's index */
	void *p;       /* a packet, side, link (EV_DARK, EV_MTU), fool or dgrams */
};

struct ev_queue {
	struct ev *heap;
	size_t n, room;
	uint64_t order;
	size_t pkts; /* EV_PKT among them */
};

void ev_push(struct ev_queue *q, const struct ev *e);
/* The earliest, or NULL. */
const struct ev *ev_peek(const struct ev_queue *q);
struct ev ev_pop(struct ev_queue *q);
void ev_free(struct ev_queue *q);

/* ---- pkt.c ---------------------------------------------------------------------------------- */

struct pkt {
	uint32_t len; /* from the Ethernet header on */
	bool partial; /* checksum field holds the pseudo-header's sum only */
	uint16_t gso; /* bytes per segment of a super-segment not cut up; 0: none */
	uint8_t b[];
};

struct pkt *pkt_new(uint32_t len);
struct pkt *pkt_copy(const struct pkt *p);
void pkt_free(struct pkt *p);
/* What a transmit queue's entry says, in one piece. */
struct pkt *pkt_from_ent(struct stack *st, const struct tx_ent *e);
/* TCP payload bytes; 0 where there is none, or no TCP over IPv4. */
uint32_t pkt_payload(const struct pkt *p);
/* The seg-th piece of size bytes, as a kernel cuts TCP: sequence number, flags, IP id, lengths. Its
 * checksum is only the pseudo-header's sum. */
struct pkt *pkt_cut(const struct pkt *p, uint32_t seg, uint32_t size);
/* Completes a partial checksum. */
void pkt_csum_finish(struct pkt *p);
/* A TCP segment from anyone to a node; its checksum is left to pkt_csum_finish(). */
struct pkt_tcp {
	struct ip_addr from, to; /* of one family */
	unsigned from_idx, to_idx;
	uint16_t sport, dport, wnd, urg;
	uint32_t seq, ack;
	uint8_t flags, tos;
	const uint8_t *opt, *data;
	uint32_t nopt, len; /* nopt: a multiple of 4 */
};
struct pkt *pkt_tcp(const struct pkt_tcp *t);
/* True when the checksums over IP header and TCP or UDP are right (or, with partial_ok, the latter
 * is the pseudo-header's sum), so that a receiver must take it. */
bool pkt_sums_right(const struct pkt *p, bool partial_ok);
/* ICMP "fragmentation needed" (RFC 1191) from a router about p. */
struct pkt *pkt_icmp_frag(const struct pkt *p, uint32_t mtu);
uint64_t pkt_hash(uint64_t h, const void *p, size_t len);
/* Appends to a pcap file. */
void pcap_head(FILE *f);
void pcap_pkt(FILE *f, const struct pkt *p, uint64_t now_ns);

/* ---- link.c --------------------------------------------------------------------------------- */

struct link_cfg {
	uint64_t delay_ns, jitter_ns;
	uint64_t rate_bps;    /* 0: no limit */
	uint32_t queue_bytes; /* what waits for the rate, beyond which packets are dropped */
	uint32_t mtu;         /* of the path: larger IP packets draw ICMP */
	bool whole;           /* super-segments are delivered uncut */
	/* Faults, parts per million per packet. */
	uint32_t loss, dup, corrupt, reorder, split;
	uint32_t mark;       /* of the ECN-capable ones */
	uint64_t reorder_ns; /* a reordered packet is late by up to this much */
	uint32_t burst_loss; /* during bursts: how often on average, how long at most; 0: none */
	uint64_t burst_every_ns, burst_ns;
	uint32_t bad_enter, bad_leave;   /* the same by packets (Gilbert-Elliott); 0: not */
	uint64_t dark_every_ns, dark_ns; /* partitions: how often on average, how long at most; 0 */
	uint64_t mtu_every_ns;           /* the path's MTU changes so often on average; 0: never */
	uint32_t mtu_min;
};

struct link {
	struct world *w;
	struct link_cfg cfg;
	struct rng rng;
	uint8_t from, to;   /* nodes */
	uint8_t dev;        /* the receiving stack's device */
	bool rx_partial_ok; /* the receiver takes partial checksums */
	uint64_t busy_ns;   /* until then the wire is taken */
	uint64_t last_ns;   /* arrival of the last packet that kept its place */
	uint64_t dark_until_ns;
	uint32_t mtu;                          /* at present */
	bool bad;                              /* Gilbert-Elliott's state */
	bool hole;                             /* what is too big vanishes without a word */
	uint64_t burst_begin_ns, burst_end_ns; /* the present burst, or the next */
	uint64_t sent, marked, lost;
	uint64_t duplicated, corrupted, reordered, queue_full, dark_lost, too_big, swallowed;
};

/* Takes p and sends it on its way (or not). */
void link_send(struct link *l, struct pkt *p);
/* A partition begins (its event is due): darkens the link and draws the next. */
void link_dark(struct link *l);
/* Its MTU changes (the event is due), perhaps without a word from the router; draws the next. */
void link_mtu(struct link *l);
/* No faults from here on; delay, rate and MTU stay. */
void link_heal(struct link *l);

/* ---- node.c --------------------------------------------------------------------------------- */

/* What sock.user points to. */
enum handle_kind { HANDLE_LISTENER, HANDLE_SIDE, HANDLE_FOOL, HANDLE_DGRAM };
struct handle {
	enum handle_kind kind;
};

struct node {
	struct handle handle; /* the listener's */
	struct world *w;
	uint8_t idx;
	void *base; /* of the arena */
	struct stack *st;
	struct sock *listener;
	struct ip_addr addr[2];  /* 10.0.0.n, fd00::10.0.0.n */
	uint64_t clock_off_ns;   /* its clock is the world's plus this */
	uint64_t late_ns;        /* it wakes later than it should by up to this much */
	uint64_t wake_ns;        /* next stack_run() */
	uint64_t stall_until_ns; /* its program is busy and leaves the stack alone */
	uint32_t stall_every_s;  /* 0: never */
	uint16_t port;           /* last local port given to a client */
	uint16_t port_lo, nports;
	bool dirty;          /* something happened since its last turn */
	bool dead;           /* switched off for good */
	uint32_t spins;      /* turns since time last moved */
	uint32_t frame_step; /* received packets are cut into frames of this many bytes */
	uint64_t rx_dropped; /* no frame was free */
	bool tx_csum;        /* its device completes checksums */
	bool rx_partial_ok;
	uint32_t gso_max;
	uint32_t mtu;
	struct rng rng;
};

void node_init(struct node *n, struct world *w, uint8_t idx);
void node_fini(struct node *n);
/* Opens its listener. */
/* A node's address, whose address it is, and the one by which peer knows n. */
struct ip_addr node_addr(unsigned idx, bool v6);
uint32_t node_of(const struct ip_addr *a);
struct ip_addr node_addr_to(const struct node *n, const struct node *peer);
void node_listen(struct node *n);
/* Its clock. */
uint64_t node_now(const struct node *n);
/* A packet arrives. */
void node_rx(struct node *n, uint32_t dev, struct pkt *p);
/* Runs the stack, its output and its events until nothing is left to do at this instant. */
void node_turn(struct node *n);
/* Answers a request for a destination. */
void node_dst(struct node *n, uint32_t arg); /* of EV_DST */

/* ---- app.c ---------------------------------------------------------------------------------- */

enum flow_kind {
	FLOW_UP, /* the client sends, the server reads */
	FLOW_DOWN,
	FLOW_BOTH,
	FLOW_RR,      /* requests and responses, with pauses for thought */
	FLOW_SHORT,   /* one request, one response, close */
	FLOW_SLOW,    /* a reader that stops for long: zero windows */
	FLOW_HALF,    /* the client closes its half, then the server answers */
	FLOW_ABORT,   /* one side resets, or closes with unread data */
	FLOW_IDLE,    /* hours of silence between a few bytes, kept alive */
	FLOW_REFUSED, /* nobody listens */
	FLOW_CROSS,   /* both sides connect: a simultaneous open (RFC 9293 figure 8) */
	FLOW_KINDS
};

enum close_rule {
	CLOSE_HALF,      /* shutdown(SHUT_WR) when all is sent, close() after the peer's FIN */
	CLOSE_DONE,      /* close() as soon as all is sent and read */
	CLOSE_AFTER_EOF, /* close() when the peer has closed and all is sent */
};

enum abort_rule { ABORT_NOT, ABORT_RST, ABORT_LINGER0, ABORT_UNREAD };

struct flow;

struct side {
	struct handle handle;
	struct flow *f;
	struct node *n;
	struct sock *sk; /* NULL: not yet, or no more */
	bool server;
	bool opened; /* it had a connection */
	bool shut, eof, closed;
	enum close_rule close_rule;
	enum abort_rule abort_rule;
	uint64_t abort_at; /* bytes sent plus read after which to abort */
	uint32_t key;      /* of the bytes it sends */
	uint64_t tx_total, tx_off, rx_off;
	uint32_t tx_chunk, rx_chunk;         /* at most, per call */
	uint32_t tx_pause_ppm, rx_pause_ppm; /* after a call, pause */
	uint64_t tx_pause_ns, rx_pause_ns;   /* up to */
	uint64_t tx_hold_ns, rx_hold_ns;     /* paused until */
	uint64_t answered;                   /* FLOW_RR: responses taken so far */
	int err;                             /* the connection failed with it */
	struct rng rng;
};

struct flow {
	struct world *w;
	uint32_t id;
	enum flow_kind kind;
	struct side cli, srv;
	struct sock_opts o;
	uint16_t port;    /* the client's, of the present attempt */
	uint64_t port_ns; /* when it began */
	uint32_t attempts;
	uint32_t req, resp; /* FLOW_RR: bytes each */
	bool urgent;        /* bytes are now and then urgent, in line */
	uint64_t start_ns;
	uint64_t done_ns;
	bool disturbed; /* a node died or was reset under it: it may fail */
	bool done;
};

void flow_start(struct flow *f);
/* The stack has news for it, a pause is over, or the world is healed. */
void side_run(struct side *s);
/* The listener of n has connections. now: take them at once, else perhaps later. */
void node_accept(struct node *n, bool now);
/* Its node is switched off. */
void side_died(struct side *s);
const char *flow_kind_name(enum flow_kind k);

/* ---- dgram.c ------------------------------------------------------------------------------- */

#define SIM_DGRAMS 4u    /* flows of datagrams, at most */
#define DGRAM_SEQS 8192u /* numbered in turn */

struct dgrams;

struct dgram_end {
	struct handle handle;
	struct dgrams *d;
	struct node *n;
	struct sock *sk;
	bool server, connected;
	bool heard; /* something, since the world is healed */
	uint32_t sent;
	uint8_t got_of[DGRAM_SEQS]; /* how often the peer has read each of those sent here */
};

struct dgrams {
	struct world *w;
	unsigned id;
	struct rng rng;
	struct dgram_end cli, srv;
	uint32_t key;
	uint64_t pause_ns; /* between two of the client's, at most */
	uint32_t total;    /* of the client's, until the world is healed */
	bool train;        /* several at once, by segmentation and coalescing */
	bool done;
};

void dgram_draw(struct world *w, struct dgrams *d, unsigned id);
void dgram_run(struct dgram_end *e);
void dgram_tick(struct dgrams *d);

/* ---- silly.c, fool.c ------------------------------------------------------------------------ */

/* A connection between the silly peer and an application that means well. */
struct fool {
	struct handle handle;
	struct world *w;
	struct node *n;
	struct rng rng;
	uint64_t start_ns;
	bool v6, active; /* active: the node connects */
	uint16_t sport, nport;
	uint32_t key_up, key_down; /* of the node's bytes, and of the silly peer's */
	uint32_t up_total, down_total;
	/* The application's. */
	struct sock *sk;
	bool closed, eof;
	uint64_t rx_off, tx_off;
	/* The silly peer's: what it is like, and what it knows. */
	uint32_t follies;
	bool sack, ts, scale, answers; /* answers: with RST, once the world is healed */
	bool irs_known, open, silent, edge_known, fin_sent, rst_sent;
	uint8_t peer_scale;
	uint32_t iss, irs, ts_off, ts_ecr, wnd;
	uint32_t una, nxt;           /* acknowledged by the node; the end of what was sent */
	uint32_t sack_from, sack_to; /* the node's latest SACK block */
	uint32_t cum, hi;            /* of the node's: in order so far; the highest seen */
	uint32_t edge, peer_edge;    /* the largest window ever offered; the node's present one */
	uint32_t fin_seq;
	uint64_t fin_off;
};

void silly_draw(struct world *w, struct fool *f, unsigned i);
void silly_tick(struct fool *f);
void silly_rx(struct world *w, const struct pkt *p);
void fool_connect(struct fool *f);
/* The listener of n gave out a connection from the silly peer. */
void fool_accepted(struct world *w, struct node *n, struct sock *sk);
void fool_run(struct fool *f);

/* ---- world.c -------------------------------------------------------------------------------- */

#define PATTERN_MOD 65521u /* prime: no power of two is a multiple of the period */
#define PATTERN_MAX 65536u /* most bytes compared or sent at once */

struct world_cfg {
	uint64_t seed;
	uint64_t span_ns; /* virtual time with faults */
	bool verbose;
	bool plain;       /* two nodes by the book, one flow, nothing drawn but the order: */
	uint32_t reorder; /* parts per million of its packets are late */
	int8_t cc;
	FILE *pcap;
	FILE *log;
};

enum { SIM_FAMILY_4, SIM_FAMILY_6, SIM_FAMILY_MIXED };

struct world {
	struct world_cfg cfg;
	struct rng rng;
	uint64_t now_ns;
	uint64_t hash;
	struct ev_queue q;
	unsigned nnodes;
	struct node node[SIM_NODES];
	struct link link[SIM_HOSTS][SIM_HOSTS];
	struct fool fool[SIM_FOOLS];
	unsigned nfools;
	struct dgrams dgrams[SIM_DGRAMS];
	unsigned ndgrams, ndgrams_done;
	struct flow *flow;
	unsigned nflows, ndone;
	/* whose connection from (node, port) to a node is or was last */
	struct flow *by_port[SIM_NODES][SIM_NODES][SIM_PORTS];
	uint8_t family;        /* of all, or SIM_FAMILY_MIXED */
	uint8_t v6[SIM_NODES]; /* bit per node: the two speak IPv6 */
	bool disaster;         /* a node will die or be reset */
	bool healed;
	bool failed;
	char why[256]; /* what was violated first */
	uint8_t pattern[PATTERN_MOD + PATTERN_MAX];
	uint64_t pkts, bytes_read, ghosts, retries, aborted, stalls;
	uint64_t heard; /* by the silly peer */
	uint64_t dgrams_sent, dgrams_read;
};

/* Runs one world; true when nothing was violated. */
bool world_run(struct world *w, const struct world_cfg *cfg);
void world_fini(struct world *w);
/* A violation: noted (the first counts), and the world stops. */
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_log(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_mix(struct world *w, uint64_t v);
void world_timer(struct world *w, struct side *s, uint64_t at_ns);

#endif
