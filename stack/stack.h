/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack: TCP, UDP and IP without a system call, a clock, errno, a global or malloc. Packets,
 * time and random bits come in as arguments; packets (txq), events and requests go out. This is the
 * only header that anything outside stack/ includes.
 *
 * Unless said otherwise every function needs the stack's lock (the embedder's: the stack has none),
 * takes now_ns (CLOCK_MONOTONIC, never going back), returns 0 or a count on success and -Exxx on
 * failure, and never blocks. Pointers it gives out lie in the arena and are valid in every process
 * of the family.
 */
#ifndef STACK_STACK_H
#define STACK_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "addr.h"
#include "list.h"
#include "mem/arena.h"
#include "mem/blk.h"
#include "mem/frame.h"
#include "mem/pool.h"
#include "txq.h"

struct stack;
struct tcp_info; /* linux/tcp.h */

/* ---- counters ------------------------------------------------------------------------------- */

enum stat_id {
#define STAT(name, kind, text) STAT_##name,
#include "stats.def"
#undef STAT
	STAT_COUNT
};

enum stat_kind { STAT_KIND_COUNT, STAT_KIND_DROP, STAT_KIND_FAIL };

struct stat_info {
	const char *name;
	enum stat_kind kind;
	const char *text;
};

extern const struct stat_info stat_info[STAT_COUNT];

/* ---- configuration -------------------------------------------------------------------------- */

enum cc_algo { CC_RENO, CC_CUBIC, CC_BBR, CC_ALGOS };

/* Of TCP Fast Open, as tcp_fastopen_key and TCP_FASTOPEN_KEY have them: cookies are made with the
 * first, and taken with the second, too. */
#define FASTOPEN_KEYS 2u
struct fastopen_keys {
	uint8_t n;                    /* 0: none given */
	uint64_t k[FASTOPEN_KEYS][2]; /* 16 bytes each, as two little-endian words */
};

/* Defaults come from the namespace's sysctls; each field is named for its sysctl where it has
 * one. */
struct stack_cfg {
	uint32_t tcp_rmem[3]; /* min, default, max receive buffer, bytes */
	uint32_t tcp_wmem[3];
	uint32_t rmem_max, wmem_max;         /* bound of SO_RCVBUF / SO_SNDBUF, before doubling */
	uint32_t rmem_default, wmem_default; /* UDP */
	uint32_t somaxconn;
	uint32_t tcp_max_syn_backlog;
	uint32_t tcp_fin_timeout_s;
	uint32_t tcp_keepalive_time_s, tcp_keepalive_intvl_s, tcp_keepalive_probes;
	uint32_t tcp_syn_retries, tcp_synack_retries, tcp_retries2, tcp_orphan_retries;
	uint32_t tcp_syn_linear_timeouts;
	uint32_t tcp_max_tw_buckets;
	uint32_t tcp_max_orphans;
	uint32_t tcp_challenge_ack_limit; /* per second */
	uint32_t tcp_adv_win_scale;       /* as the sysctl; may be negative, stored as int */
	uint32_t tcp_notsent_lowat;
	uint8_t tcp_sack, tcp_timestamps, tcp_window_scaling;
	uint8_t tcp_slow_start_after_idle, tcp_moderate_rcvbuf, tcp_abort_on_overflow;
	uint8_t tcp_tw_reuse;
	uint8_t tcp_dsack, tcp_frto; /* bool each */
	uint8_t tcp_early_retrans;   /* 3 and 4: tail loss probes; 0: none */
	uint8_t tcp_recovery;        /* 1: RACK; 2: reordering window fixed; 4: no DupThresh */
	uint8_t tcp_ecn;             /* 0: never; 1, 3, 4: ask and accept; 2, 5: accept */
	uint8_t tcp_ecn_fallback;    /* a SYN that asks for ECN is not sent twice */
	uint8_t tcp_stdurg;          /* the urgent pointer is as RFC 9293 says, not as BSD */
	uint32_t tcp_reordering, tcp_max_reordering; /* segments */
	uint32_t tcp_retries1;
	uint8_t tcp_mtu_probing; /* 1: after timeouts; 2: always */
	uint8_t ip_no_pmtu_disc; /* not 0: IP_PMTUDISC_DONT is the default */
	uint32_t tcp_base_mss, tcp_min_snd_mss, tcp_mtu_probe_floor; /* bytes */
	uint32_t tcp_probe_interval_s, tcp_probe_threshold;          /* threshold: bytes */
	uint32_t mtu_expires_s, mtu6_expires_s;                      /* of what ICMP has told */
	uint32_t min_pmtu;                                           /* IPv4 */
	uint32_t tcp_tw_reuse_delay_ms;
	uint8_t tcp_syncookies; /* 0: never, 1: when the queue is full, 2: always */
	uint8_t tcp_rfc1337;
	uint32_t tcp_fastopen; /* bits, as the sysctl's */
	uint32_t tcp_fastopen_blackhole_timeout_s;
	struct fastopen_keys tcp_fastopen_key;
	uint8_t ip_default_ttl;
	uint8_t ip6_hop_limit;       /* net.ipv6.conf.all.hop_limit */
	uint8_t ip6_auto_flowlabels; /* net.ipv6.auto_flowlabels: 0 to 3 */
	enum cc_algo cc;
	uint32_t frames;    /* the stack's frames: its part of the UMEM */
	uint8_t *frame_mem; /* where they lie, page aligned, in the arena; NULL: taken from it */
	uint32_t max_conns; /* limits of the pools */
	uint32_t max_blks;
};

/* The kernel's own defaults on a machine with 1 GiB or more; what unit tests and the simulator
 * use. */
void stack_cfg_default(struct stack_cfg *cfg);

/*
 * Makes a stack in the arena. secret: 32 random bytes, for ISNs (RFC 6528), hashes and ports.
 * Returns 0 or -ENOMEM.
 */
int stack_create(struct arena *a, const struct stack_cfg *cfg, const uint8_t secret[32],
		 uint64_t now_ns, struct stack **out);

const struct stack_cfg *stack_cfg(const struct stack *st);
struct frame_pool *stack_frames(struct stack *st);
struct txq *stack_txq(struct stack *st);
uint64_t *stack_stats(struct stack *st); /* STAT_COUNT of them */
static inline void stack_count(struct stack *st, enum stat_id id, uint64_t n)
{
	stack_stats(st)[id] += n;
}

/* ---- devices, addresses, destinations: as told by the embedder ------------------------------ */

#define STACK_DEVS 16
#define STACK_DEV_LOOP 0 /* the loopback inside the stack */

struct stack_dev {
	bool up;
	bool rx_partial_ok; /* a checksum field holding only the pseudo-header sum is good */
	bool tx_csum;       /* the device completes checksums (TXF_CSUM) */
	bool shared;        /* with the kernel: what is nobody's here may be its (stack_stray()) */
	uint32_t ifindex;
	uint32_t mtu;           /* of the IP packet */
	uint32_t gso_max_bytes; /* TCP payload of the largest super-segment; 0: none */
	bool gso_udp;           /* takes trains of datagrams, too */
	uint8_t mac[6];
};

/* Sets or changes a device (index below STACK_DEVS). Connections over it follow. */
void stack_dev_set(struct stack *st, unsigned idx, const struct stack_dev *dev);

#define STACK_LOCAL_ADDRS 256
/* Addresses that are this host's. A packet to any other is dropped. add: 0, -ENOSPC. */
int stack_local_add(struct stack *st, const struct ip_addr *a);
void stack_local_del(struct stack *st, const struct ip_addr *a);
bool stack_local_has(const struct stack *st, const struct ip_addr *a);

enum dst_state {
	DST_ASK,  /* unknown: the embedder is to ask the kernel */
	DST_WAIT, /* route known, neighbour being resolved: packets wait */
	DST_OK,
	DST_UNREACHABLE, /* no route, or the neighbour failed: err says which */
};

struct dst_info {
	enum dst_state state;
	int err;        /* DST_UNREACHABLE: ENETUNREACH or EHOSTUNREACH */
	uint8_t dev;    /* device index; STACK_DEV_LOOP for a local destination */
	uint8_t mac[6]; /* of the next hop; DST_OK */
	struct ip_addr next_hop;
	uint32_t mtu;      /* of the route; 0: the device's */
	uint8_t hop_limit; /* IPv6: of the route or the device; 0: the configuration's */
};

/* The next destination the stack wants to know about. False when there is none. */
bool stack_dst_request(struct stack *st, struct ip_addr *dst);
/* The answer, or news. Wakes output that waited; with DST_UNREACHABLE, fails what should fail. */
void stack_dst_set(struct stack *st, const struct ip_addr *dst, const struct dst_info *info,
		   uint64_t now_ns);
/* The neighbour's MAC (NULL: it failed) for all destinations through that next hop. */
void stack_neigh_set(struct stack *st, uint8_t dev, const struct ip_addr *next_hop,
		     const uint8_t *mac, uint64_t now_ns);
/* Output waits for a destination to be resolved: the kernel's news are urgent. */
bool stack_dst_waiting(const struct stack *st);
/* A route, rule or address changed: every destination is asked again when next used. */
void stack_dst_flush(struct stack *st);

/* ---- packets and time ----------------------------------------------------------------------- */

/*
 * Takes in one packet: an Ethernet frame in a chain of frames from stack_frames(). The stack owns
 * the chain from here on. Returns the counter the packet ended in (STAT_rx_packets when used).
 */
enum stat_id stack_rx(struct stack *st, unsigned dev, uint32_t frame, uint64_t now_ns);

/*
 * Runs due timers, then output that was waiting for room in the txq, a frame or a destination.
 * To be called after a batch of stack_rx(), and when stack_next_ns() has come.
 */
void stack_run(struct stack *st, uint64_t now_ns);

/*
 * A packet that came over a shared device for a port that nobody has here: a SYN, or a datagram.
 * The kernel may know whose it is, or how to refuse it, so the stack says nothing. The caller owns
 * the chain: the frame as it came, its checksum complete. To be asked for until there is none,
 * after a batch of stack_rx(); more than STACK_STRAYS are dropped, and the peer sends again.
 */
#define STACK_STRAYS 64u
struct stray {
	uint32_t frame;
	uint8_t dev, proto;
	struct endpoint local, remote;
};
bool stack_stray(struct stack *st, struct stray *out);

/* When stack_run() wants to be called next; UINT64_MAX: nothing pending. Needs no lock (a hint). */
uint64_t stack_next_ns(const struct stack *st);

/* The oldest entry of the txq, or NULL; txq_pop drops it from the queue: its frame is then the
 * embedder's, to be frame_put() when the device is done with it. Blocks that entries refer to stay
 * intact until the entry is popped. */
struct tx_ent *stack_tx_peek(struct stack *st);
void stack_tx_pop(struct stack *st);

/* ---- sockets -------------------------------------------------------------------------------- */

enum sock_type { STK_TCP, STK_LISTENER, STK_UDP };

/* Readiness: the values of EPOLLIN, EPOLLPRI, ... so that nothing needs translating. */
enum {
	RDY_IN = 0x001,
	RDY_PRI = 0x002,
	RDY_OUT = 0x004,
	RDY_ERR = 0x008,
	RDY_HUP = 0x010,
	RDY_RDHUP = 0x2000,
	RDY_URG = 0x10000, /* an edge only: urgent data is announced, whose owner gets SIGURG */
};

struct sock {
	uint8_t type;           /* enum sock_type */
	uint8_t orphan;         /* the embedder has closed it; the stack alone keeps it */
	_Atomic uint32_t ready; /* RDY_*: the level, always current; may be read without the lock */
	uint32_t raised;        /* RDY_* edges since stack_event() last gave them out */
	int err;                /* pending SO_ERROR, positive */
	struct list ev;         /* on the stack's event list */
	struct list all;        /* on the stack's list of all sockets */
	struct list txw;        /* waiting to send: on the stack's tx_wait or a dst's waiters */
	struct endpoint local, remote;
	void *user;         /* the embedder's, in the arena; NULL until accepted */
	uint8_t claimed;    /* CLAIM_*: what the embedder does for it, and wants to know its end */
	uint32_t life;      /* SOCK_*: what stack_reset_all() goes by. Beyond the first 16 bytes */
	uint8_t spoilt;     /* stack_mend()'s: it does not go on */
	uint32_t err_bytes; /* what the error queue holds, */
	struct list errs;   /* sock_err.node, oldest first */
};

/* Odd values, which no leftover of another object has by chance. */
enum { SOCK_FREE = 0, SOCK_LIVE = 0x50c4a11e, SOCK_GONE = 0x50c46077 };

enum {
	CLAIM_FLOW = 1, /* its four-tuple is steered */
	CLAIM_PORT = 2, /* its local port is held */
	CLAIM_LEFT = 4, /* it is the kernel that listens there now: a new SYN is a stray */
};

/*
 * The next connection with sock.claimed that has ended entirely (its TIME-WAIT included), so that
 * its steering can be removed; one whose descriptor is still open gives up its port before; one may
 * have been half-open. *claims of it end. Each is given once. False when there is none.
 */
bool stack_gone(struct stack *st, struct endpoint *local, struct endpoint *remote, uint8_t *claims);

/* The claims on that TCP connection, which may be changed, and may be in TIME-WAIT; NULL: there is
 * none. */
uint8_t *stack_claims(struct stack *st, const struct endpoint *local,
		      const struct endpoint *remote);
/* Calls each() for all TCP connections of a local port that are not closed, those in TIME-WAIT
 * included, and the half-open ones of listeners that are left to the kernel; *claims may be
 * changed. */
void stack_port_each(struct stack *st, uint16_t port,
		     void (*each)(void *arg, const struct endpoint *local,
				  const struct endpoint *remote, uint8_t *claims),
		     void *arg);

/*
 * The next socket with edges since it was last given out; *edges gets them (each arrival of data
 * raises RDY_IN again, as the kernel wakes again). NULL when there is none. Sockets without user
 * are not given out: connections not yet accepted raise their listener instead.
 */
struct sock *stack_event(struct stack *st, uint32_t *edges);
/* Gives sk its user, as after stack_accept(); edges raised until now are given out with the next
 * stack_event(). user NULL: the socket is not given out any more. */
void stack_sock_user(struct stack *st, struct sock *sk, void *user);

/* Options as set before the socket was accelerated, and what an accepted connection inherits. */
struct sock_opts {
	uint32_t rcvbuf, sndbuf; /* as getsockopt would give; 0: automatic */
	uint8_t reuseaddr, reuseport, keepalive, nodelay, cork;
	uint8_t quickack; /* TCP_QUICKACK as set last: 1 unless switched off */
	int16_t linger_s; /* -1: off */
	uint32_t keepidle_s, keepintvl_s, keepcnt; /* 0: the configuration's */
	uint32_t user_timeout_ms;
	uint32_t notsent_lowat;
	uint32_t rcvlowat;
	uint16_t maxseg;     /* 0: none set */
	int16_t linger2_s;   /* TCP_LINGER2; 0: tcp_fin_timeout, negative: not at all */
	uint8_t syn_retries; /* TCP_SYNCNT; 0: the configuration's */
	uint32_t defer_accept_s;
	uint8_t tos, ttl;         /* of IPv4 packets; ttl 0: the configuration's */
	int8_t cc;                /* enum cc_algo, -1: the configuration's */
	uint64_t max_pacing_rate; /* SO_MAX_PACING_RATE, bytes per second; UINT64_MAX: none */
	uint8_t v6;               /* an AF_INET6 socket; by mapped addresses it speaks IPv4, too */
	uint8_t v6only;
	uint8_t tclass;       /* of IPv6 packets */
	int16_t hops;         /* IPV6_UNICAST_HOPS; -1: the route's or the configuration's */
	int8_t autoflowlabel; /* IPV6_AUTOFLOWLABEL; -1: the configuration's */
	uint8_t pmtudisc6;    /* IPV6_MTU_DISCOVER: IPV6_PMTUDISC_* */
	uint32_t mtu6;        /* IPV6_MTU as set: no packet is larger; 0: none set */
	uint8_t pmtudisc;     /* IP_MTU_DISCOVER: IP_PMTUDISC_*, of TCP over IPv4; 255: default */
	uint8_t minttl, minhops; /* IP_MINTTL, IPV6_MINHOPCOUNT: packets with less are dropped */
	uint8_t thin_linear;     /* TCP_THIN_LINEAR_TIMEOUTS */
	uint32_t window_clamp;   /* TCP_WINDOW_CLAMP, bytes; 0: none set */
	uint8_t oobinline;       /* SO_OOBINLINE: the urgent byte stays in the stream */
	uint8_t fastopen;        /* enum fastopen_call */
	uint8_t port_bound;      /* connect(): bind() named the local port */
	uint8_t fastopen_no_cookie;
	uint32_t fastopen_qlen; /* of a listener: pending connections at once; 0: no Fast Open */
	struct fastopen_keys fastopen_key;
	uint32_t kept;     /* switches that are only kept: a bit for each enum sock_kept */
	uint32_t stamping; /* SO_TIMESTAMPING: SOF_TIMESTAMPING_* */
	uint8_t stamp;     /* SO_TIMESTAMP and SO_TIMESTAMPNS: STAMP_* */
	uint8_t inq;       /* TCP_INQ */
	uint8_t save_syn;  /* TCP_SAVE_SYN: SAVE_SYN_* */
};

/* Of a connection's SYN: nothing, headers from the network's on, and the link's, too. */
enum { SAVE_SYN_OFF, SAVE_SYN_NET, SAVE_SYN_LINK };

/* In use; in nanoseconds; and under their 64-bit names (SO_TIMESTAMPING, too). */
enum { STAMP_ON = 1, STAMP_NS = 2, STAMP_NEW = 4 };

enum sock_kept {
	KEPT_RECVERR, /* IP_RECVERR ... */
	KEPT_RECVERR6,
	KEPT_RFC4884,
	KEPT_RFC4884_6,
	KEPT_BROADCAST,
	KEPT_DONTROUTE,
	KEPT_RXQ_OVFL,
	KEPT_NO_CHECK,
	KEPT_SELECT_ERR_QUEUE,
	KEPT_ZEROCOPY, /* its messages are counted: stack_zerocopy() */
	KEPT_PKTINFO,
	KEPT_RECVTTL,
	KEPT_RECVTOS,
	KEPT_RECVOPTS,
	KEPT_RETOPTS,
	KEPT_ORIGDST,
	KEPT_FREEBIND,
	KEPT_NO_PORT,
	KEPT_PKTINFO6,
	KEPT_HOPLIMIT,
	KEPT_TCLASS,
	KEPT_ORIGDST6,
	KEPT_RTHDR,
	KEPT_HOPOPTS,
	KEPT_DSTOPTS,
	KEPT_PATHMTU,
	KEPT_FLOWINFO,
	KEPT_COUNT
};
static inline bool sock_kept_on(const struct sock_opts *o, enum sock_kept k)
{
	return o->kept & 1u << k;
}
/* The i-th option that is kept so; false past the last. And its value, as it was set before. */
bool sock_kept(unsigned i, int *level, int *name);
void sock_kept_put(struct sock_opts *o, unsigned i, bool on);

/* Whether a connection wants to send data in its SYN (RFC 7413), where tcp_fastopen permits. */
enum fastopen_call {
	FASTOPEN_CALL_NONE,
	FASTOPEN_CALL_CONNECT, /* TCP_FASTOPEN_CONNECT: the SYN waits for data that may go along */
	FASTOPEN_CALL_SEND,    /* MSG_FASTOPEN: data comes right after stack_connect() */
};

void sock_opts_default(struct sock_opts *o);

/*
 * A listener at local. 0.0.0.0 (mapped): any local IPv4 address; ::: any at all, or with v6only any
 * IPv6 address. The exact address is preferred to any, and for an IPv4 peer 0.0.0.0 to ::.
 * -EADDRINUSE (it would overlap with another, by the rules of bind(2)), -ENOMEM. backlog as
 * listen(2).
 */
int stack_listen(struct stack *st, const struct endpoint *local, const struct sock_opts *o,
		 uint32_t backlog, struct sock **out);
/* listen() again on a listener changes its backlog. */
void stack_listen_backlog(struct stack *st, struct sock *l, uint32_t backlog);
/* The kernel listens in place of l, for good: on devices shared with it SYNs are strays from now
 * on. Handshakes that have begun go on, and who has come is accepted here: within half a minute,
 * after which those who still wait are reset, as by stack_close(). */
void stack_listen_leave(struct stack *st, struct sock *l, uint64_t now_ns);
/* Who has come to l and is not accepted, half open or not, is reset, as by stack_close(). */
void stack_listen_drop(struct stack *st, struct sock *l, uint64_t now_ns);
/* When the latest handshake that is under way was begun; 0: none is. */
uint64_t stack_listen_begun_ns(const struct stack *st, const struct sock *l);
/* The oldest established connection; -EAGAIN, or a pending error. The caller then calls
 * stack_sock_user(). */
int stack_accept(struct stack *st, struct sock *l, struct sock **out, uint64_t now_ns);

/*
 * Starts a connection; local is complete (address and port). Completion raises RDY_OUT, failure
 * RDY_ERR|RDY_HUP with err set. -EADDRNOTAVAIL (four-tuple in use), -ENOMEM. With o->fastopen the
 * connection may be a deferred one: it begins with the first stack_send().
 */
int stack_connect(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
		  const struct sock_opts *o, struct sock **out, uint64_t now_ns);

/* True while a connect is under way (SYN-SENT or SYN-RECEIVED). */
bool stack_connecting(const struct sock *sk);
bool stack_connected(const struct sock *sk); /* established or later, not yet fully closed */
bool stack_deferred(const struct sock *sk);  /* connecting, and waits for the first stack_send() */

enum {
	SEND_MORE = 1,
	SEND_OOB = 2,
	SEND_EOR = 4,        /* MSG_EOR: the next write is told of by itself */
	SEND_STAMP = 8,      /* what SO_TIMESTAMPING asks for is told of the last byte, if */
	SEND_STAMP_CUT = 16, /* all of it could be queued; or (this one) if not all */
	SEND_STAMP_OWN = 32, /* not as the socket has it: STAMP_SENT, ... << SEND_STAMP_SHIFT */
	SEND_STAMP_SHIFT = 8,
};
/* What is told of a byte written, by entries of the error queue: that it was sent, queued for that,
 * acknowledged. */
enum { STAMP_SENT = 1, STAMP_QUEUED = 2, STAMP_ACKED = 4, STAMP_ALL = 7 };
/* Bytes queued (at least 1 unless the sum is 0), -EAGAIN, -EPIPE, -ENOTCONN or a pending error. On
 * a deferred connection: the bytes that go with the SYN, -EINPROGRESS when none may (the handshake
 * has begun). */
ssize_t stack_send(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
		   unsigned flags, uint64_t now_ns);
/* True when a send would take bytes now: nothing is in its way, and there is room. */
bool stack_may_send(const struct sock *sk);
/*
 * For filling send memory directly (sendfile): up to max_iov pieces of free send-buffer space, at
 * most max_bytes in all. Returns how many pieces; -EAGAIN, -EPIPE, ... as stack_send. Nothing else
 * may be done on the socket before stack_send_commit(), which sends the first n bytes of them
 * (0: none; the space stays free).
 */
int stack_send_reserve(struct stack *st, struct sock *sk, struct iovec *iov, int max_iov,
		       size_t max_bytes);
void stack_send_commit(struct stack *st, struct sock *sk, size_t n, unsigned flags,
		       uint64_t now_ns);

enum { RECV_PEEK = 1, RECV_TRUNC = 2, RECV_OOB = 4, RECV_ON = 8, RECV_GRO = 0x100 /* UDP */ };
/* Bytes taken (0: end of stream, or 0 asked), -EAGAIN, -ENOTCONN or a pending error (cleared). With
 * RECV_TRUNC the bytes are dropped and iov's bases are not used. Stops at the urgent mark; with
 * RECV_ON (the call has bytes already) 0 at it. RECV_OOB: the urgent byte (iov may have no room for
 * it: then 0), -EINVAL without one, -EAGAIN before it has come. */
ssize_t stack_recv(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
		   unsigned flags, uint64_t now_ns);

/* What recvmsg() tells beside the bytes. */
struct recv_notes {
	uint8_t stamp; /* the options, as sock_opts has them */
	uint32_t stamping;
	uint64_t ns;     /* when the last byte came that was read; 0: not known */
	bool inq;        /* TCP_INQ: */
	uint32_t unread; /* bytes, and the end of the stream, still to be read */
};
/* Of the last stack_recv() on sk (and those before it in the same call: RECV_ON). False: nothing is
 * asked for. */
bool stack_recv_notes(const struct sock *sk, struct recv_notes *n);

/* how: SHUT_RD, SHUT_WR, SHUT_RDWR. -ENOTCONN. On a listener: as Linux, stops listening. */
int stack_shutdown(struct stack *st, struct sock *sk, int how, uint64_t now_ns);

/*
 * The last descriptor is gone. The socket is the stack's from here on: queued bytes are delivered,
 * then FIN; with unread data or linger 0 a RST. A listener resets what it has not given out.
 */
void stack_close(struct stack *st, struct sock *sk, uint64_t now_ns);
/* At once, by RST where there is a peer to tell. */
void stack_abort(struct stack *st, struct sock *sk, uint64_t now_ns);
/*
 * After a lock holder died inside, when stack_mend() can't be had. Nothing is trusted but the slabs
 * of the pools, each object's word on whether it is alive, and plain values in it: lists, hashes,
 * wheel, queues and free lists are made anew. Listeners and UDP sockets go on, empty. Connections
 * that a peer knows of are told by RST, as far as there is room; those of the embedder fail with
 * ECONNRESET (RDY_ERR|RDY_HUP|RDY_IN) and are to be closed by it as ever; what no embedder holds
 * (no user) is freed. lent: bit per frame that is in the hands of a device (NULL: none); all others
 * are the stack's again.
 *
 * First stack_reset_tell(), after which the embedder sends what is in the txq, then
 * stack_reset_all(): if the one who does this dies, too, the next still knows whom to tell. In
 * between nothing else.
 *
 * What of the users is true only the embedder knows: it first calls stack_disown_all(), and then
 * stack_sock_keep() for each socket that it still refers to (false: that socket is no more).
 */
void stack_disown_all(struct stack *st);
bool stack_sock_keep(struct sock *sk, void *user);
void stack_reset_tell(struct stack *st, const uint64_t *lent, uint64_t now_ns);
void stack_reset_all(struct stack *st, uint64_t now_ns);
/*
 * In place of these two, and after the same two calls for the users: what the dead was changing is
 * reset as above, everybody else goes on with every byte. Lists, hashes, the wheel, queues and free
 * lists are made anew around them; all of them have news (RDY_*), in case it was lost. A connection
 * without a user that the application should have, or had, is closed, as by stack_close(). Of what
 * was in the txq super-segments are lost, as on the wire.
 * False: what is there does not fit together; nothing is changed that stack_reset_tell() needs, and
 * that is to be called. If the one who is in here dies, it can be called again.
 */
struct stack_mended {
	uint32_t reset, kept; /* TCP connections, none that was closed among them */
};
bool stack_mend(struct stack *st, const uint64_t *lent, uint64_t now_ns, struct stack_mended *res);

/* Unsent plus unacknowledged bytes, FIN included: close waits for 0 under SO_LINGER. */
uint32_t stack_unacked(const struct sock *sk);
/* Open sockets, and connections that still have something to deliver (orphans not in TIME-WAIT). */
uint32_t stack_open_count(const struct stack *st);
uint32_t stack_draining_count(const struct stack *st);
/* Is there a connection in TIME-WAIT, or one that stack_gone() is to tell of? Packets may still
 * come for it. Needs no lock (a hint). */
bool stack_remains(const struct stack *st);

/*
 * Levels and names as setsockopt(2), SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP. -ENOPROTOOPT: not one of
 * the stack's, the embedder hands it to the shadow; -EINVAL and others as the kernel.
 */
int stack_setopt(struct stack *st, struct sock *sk, int level, int name, const void *val,
		 uint32_t len, uint64_t now_ns);
int stack_getopt(struct stack *st, struct sock *sk, int level, int name, void *val, uint32_t *len,
		 uint64_t now_ns);
/* SIOCINQ: bytes readable now (of a TCP socket: up to the urgent mark). */
uint32_t stack_inq(const struct sock *sk);
uint32_t stack_unread(const struct sock *sk);       /* TCP: all that a read may find */
bool stack_at_mark(const struct sock *sk);          /* SIOCATMARK */
uint32_t stack_outq(const struct sock *sk);         /* SIOCOUTQ: not acknowledged */
uint32_t stack_outq_notsent(const struct sock *sk); /* SIOCOUTQNSD */

/* ---- the error queue (MSG_ERRQUEUE of recvmsg(2)) ------------------------------------------- */

/* Who says so: the values of SO_EE_ORIGIN_*. */
enum sock_err_origin {
	SOCK_ERR_LOCAL = 1,
	SOCK_ERR_ICMP,
	SOCK_ERR_ICMP6,
	SOCK_ERR_STAMP, /* of what was sent; info: SCM_TSTAMP_* */
	SOCK_ERR_ZEROCOPY,
};

/* An entry: struct sock_extended_err, and what comes with it. RDY_ERR is up while there is one. */
struct sock_err {
	struct list node;        /* the stack's */
	uint32_t err;            /* ee_errno */
	uint8_t origin;          /* enum sock_err_origin */
	uint8_t type, code;      /* ICMP's; of others as ee_type and ee_code */
	bool named;              /* to is told as msg_name, */
	bool has_offender;       /* offender as SO_EE_OFFENDER() */
	bool stats;              /* its data is SCM_TIMESTAMPING_OPT_STATS, too */
	uint32_t info, data;     /* ee_info; ee_data, or ee_rfc4884 of an ICMP error */
	struct endpoint to;      /* whom the packet in question was for */
	struct ip_addr offender; /* who says so */
	uint64_t ns;             /* when; 0: no time is told */
	uint32_t bytes;          /* of the packet, given as data */
	struct blk *payload;     /* the stack's */
	uint32_t mark;           /* the stack's (mend.h) */
};

/* The oldest entry, or NULL. */
const struct sock_err *stack_err_peek(const struct sock *sk);
/* Up to max bytes of the oldest one's data (there is one) into buf; returns how many. */
uint32_t stack_err_data(const struct sock *sk, void *buf, uint32_t max);
/* Takes the oldest one (there is one) off into *out. Its data goes to iov; returns the bytes
 * copied. */
uint32_t stack_err_take(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
			struct sock_err *out);

/*
 * A message of n bytes sent with MSG_ZEROCOPY is in. It has been copied, so that its memory is the
 * application's again, and the error queue says so at once (SO_EE_CODE_ZEROCOPY_COPIED): numbers of
 * such messages from info to data, one entry for those in a row. Nothing on a socket without
 * SO_ZEROCOPY, of an empty message, or of a datagram socket.
 */
void stack_zerocopy(struct stack *st, struct sock *sk, size_t n);

/* ---- UDP ------------------------------------------------------------------------------------ */

/* Takes over local for UDP. -EADDRINUSE, -ENOMEM. */
int stack_udp_open(struct stack *st, const struct endpoint *local, const struct sock_opts *o,
		   struct sock **out);
/* Only datagrams from remote from here on; NULL: from anyone again. */
int stack_udp_connect(struct stack *st, struct sock *sk, const struct endpoint *local,
		      const struct endpoint *remote);
/* How a datagram is to leave. What is 0 is as the socket has it. */
struct udp_out {
	const struct endpoint *to;  /* NULL: the connected peer (-EDESTADDRREQ) */
	const struct ip_addr *from; /* source; must be given when the socket is bound to any */
	uint32_t ifindex;           /* leaves by this device or not at all; 0: by any */
	uint32_t mtu;               /* of the path, where the embedder knows of a smaller one */
	uint16_t gso_bytes;         /* cut into datagrams of so many bytes, the last shorter */
	uint8_t tos, ttl;           /* with UDP_OUT_TOS and UDP_OUT_TTL in flags */
	uint8_t flags;              /* UDP_OUT_* */
};

enum {
	UDP_OUT_TOS = 1,
	UDP_OUT_TTL = 2,
	UDP_OUT_FRAG = 4, /* may be fragmented on its way: without DF */
	/* -EINPROGRESS where it would wait for its neighbour; nothing is kept */
	UDP_OUT_NOWAIT = 8,
};

/*
 * One datagram, or with gso_bytes a train of them, whole or not at all. Bytes taken, -EAGAIN,
 * -ENETUNREACH, ... or a pending error. A datagram waits (bounded) for its neighbour as in the
 * kernel. -EMSGSIZE: more than any datagram holds. -EOPNOTSUPP: not the stack's, as it would need
 * fragments, more than UDP_GSO_SEGS_MAX of them, or another device; the embedder sends it through
 * the shadow.
 */
#define UDP_GSO_SEGS_MAX 64u
ssize_t stack_udp_send(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
		       const struct udp_out *out, uint64_t now_ns);

struct udp_meta {
	struct endpoint from; /* sender */
	struct ip_addr to;    /* the local address it was sent to */
	uint32_t ifindex;
	uint8_t tos, ttl;
	uint32_t full_len; /* of the datagram, which may be more than was copied */
	uint32_t
		gso_bytes; /* RECV_GRO: size of all datagrams but the last; 0: it is a single one */
	uint32_t drops;    /* datagrams that the full receive buffer had cost when it came */
	uint64_t rx_ns;    /* when it came */
};
/*
 * One datagram, cut to the iov. With RECV_GRO those that follow it are appended while they are of
 * its flow and size (the last may be shorter), of equal TOS and TTL, and fit the iov whole. -EAGAIN
 * or a pending error.
 */
ssize_t stack_udp_recv(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
		       unsigned flags, struct udp_meta *meta, uint64_t now_ns);

/* When the next datagram in the queue came; UINT64_MAX: there is none. */
uint64_t stack_udp_next_ns(const struct sock *sk);

/* ---- looking in: for shimstat; without the lock, from another process, on a read-only map ---- */

/* Fills ti as TCP_INFO does, with true numbers; reads only sk. */
void stack_tcp_info(const struct stack *st, const struct sock *sk, struct tcp_info *ti,
		    uint64_t now_ns);
const char *
stack_state_name(const struct sock *sk); /* as ss(8): "ESTAB", "LISTEN", "UNCONN", ... */
/* The first socket after prev (NULL: the first); NULL at the end. Pointers are checked against the
 * arena's bounds, so that a torn read ends the walk and never the process. */
const struct sock *stack_sock_next(const struct stack *st, const struct sock *prev);
/* The idx-th pool (NULL past the last). */
const struct pool *stack_pool(const struct stack *st, unsigned idx);

#endif
