/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wire scripts: what a script says, once parsed, and what the parts of the runner give each other.
 * The language is told in README.md beside this file.
 *
 * Sequence numbers are relative here: ours count from our ISS, the peer's from its own. Times are
 * nanoseconds since the case began.
 */
#ifndef TESTS_SCRIPT_SCRIPT_H
#define TESTS_SCRIPT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SC_PEERS 10u
#define SC_SLOTS 16u
#define SC_OPTS 10u
#define SC_PKT_MAX 2048u
#define SC_PEER_PORT 10000u /* peer n: 10000 + n */
#define SC_PORT 80u         /* ours, where nothing else is said */
#define SC_MTU 1500u
#define SC_MS 1000000ll
#define SC_SEC 1000000000ll

enum { BE_STACK = 1, BE_KERNEL = 2 };
enum { FAM_V4 = 1, FAM_V6 = 2 };

/* ---- segments ------------------------------------------------------------------------------- */

enum opt_kind { OPT_MSS, OPT_SACKOK, OPT_TS, OPT_WSCALE, OPT_SACK, OPT_TFO, OPT_RAW };

struct opt {
	uint8_t kind;
	uint8_t n;       /* SACK: numbers (two a block); TFO, raw: bytes */
	bool any[2];     /* TS: val, ecr; others: [0]. "?" was written */
	bool last;       /* TS ecr, TFO: what was sent last */
	uint32_t num[8]; /* MSS, wscale; TS: val, ecr; SACK: edges */
	uint8_t raw[40];
};

enum opts_mode { OPTS_ANY, OPTS_EXACT, OPTS_MORE };

/* Extension headers of IPv6; EXT_OPTIONS are those of an IPv4 header. */
enum ext {
	EXT_NONE,
	EXT_HOP,
	EXT_DST,
	EXT_DST_DROP, /* with an option that says: discard who does not know me */
	EXT_ROUTING,
	EXT_ROUTING_LEFT,
	EXT_FRAGMENT, /* an atomic one */
	EXT_OPTIONS,
};
/* The flow label as that of the segment before, another one, any but 0, or 0. */
enum flow_want { FLOW_ANY, FLOW_SAME, FLOW_OTHER, FLOW_SOME, FLOW_ZERO };

/* One segment, datagram or ICMP error: to be sent, wanted, or seen. */
struct seg {
	uint8_t proto; /* IPPROTO_TCP, _UDP, _ICMP */
	uint8_t peer;  /* 1 .. SC_PEERS - 1 */
	uint8_t flags;
	bool has_seq, has_ack, has_win, has_urg, has_ttl, has_tos, has_ecn, has_df, has_port;
	bool is_new;   /* a SYN with an ISS of its own */
	bool any_data; /* payload not compared */
	bool bad_csum; /* in: checksum wrong */
	bool no_psh;   /* out: PSH must not be set */
	uint8_t next;  /* in: enum ext, between IP's header and the rest */
	uint8_t flow;  /* out: enum flow_want */
	uint8_t hlen;  /* in: header length as claimed, bytes; 0: the true one */
	uint32_t seq, len, ack;
	uint32_t win_lo, win_hi;
	uint32_t urg, ttl_lo, ttl_hi, tos, ecn, df, port, label;
	uint8_t opts_mode, nopt;
	struct opt opt[SC_OPTS];
	/* ICMP */
	uint8_t icmp;
	uint32_t mtu;
	uint8_t ext;    /* ICMP: extensions follow what is quoted: 1 good ones, 2 broken ones */
	bool quote_seq; /* quotes seq instead of what was sent last */
	/* seen only */
	int64_t at;
	uint32_t data_off; /* of the payload in raw */
	uint32_t raw_len;
	uint8_t raw[SC_PKT_MAX];
};

/* ---- calls ---------------------------------------------------------------------------------- */

enum call_op {
	CALL_SOCKET,
	CALL_BIND,
	CALL_LISTEN,
	CALL_ACCEPT,
	CALL_CONNECT,
	CALL_READ,
	CALL_RECV,
	CALL_WRITE,
	CALL_SEND,
	CALL_SENDTO,
	CALL_SHUTDOWN,
	CALL_CLOSE,
	CALL_SETSOCKOPT,
	CALL_GETSOCKOPT,
	CALL_IOCTL,
	CALL_POLL,
	CALL_EPOLL,
	CALL_INFO,
	CALL_STATE,
	CALL_ERRQUEUE,
};

struct call {
	uint8_t op;
	int8_t slot;   /* the socket, -1: none */
	int8_t to;     /* slot the result goes to, -1: none */
	uint8_t peer;  /* connect, sendto */
	bool udp;      /* socket */
	uint32_t port; /* bind: 0 = any */
	int64_t n;     /* bytes, backlog, how, value */
	int64_t n2;    /* linger seconds */
	int nargs;
	int flags, level, name;
	int info;     /* index of info_field[] */
	char str[64]; /* TCP_CONGESTION, what errqueue() says */
	uint8_t *buf; /* n bytes, the runner's */
};

enum want_op { WANT_OK, WANT_EQ, WANT_GE, WANT_LE, WANT_RANGE, WANT_ERR, WANT_STR };

struct want {
	uint8_t op;
	int64_t lo, hi; /* WANT_ERR: lo is the errno */
	char str[64];
};

/* ---- lines and cases ------------------------------------------------------------------------ */

enum ev_kind { EV_IN, EV_OUT, EV_CALL, EV_QUIET };

struct where {
	const char *file;
	int line;
};

struct event {
	uint8_t kind;
	uint8_t backends, families; /* bits */
	bool absolute, any_time;
	bool blocks;    /* a call that returns after block_ns */
	int64_t lo, hi; /* when, relative to the event before or to the start */
	int64_t block_ns;
	struct seg *seg;
	struct call call;
	struct want want;
	struct where at;
	char *text;
};

struct setting {
	char name[40], value[80];
	uint8_t backends;
	struct where at;
};

struct cover {
	char state[16], event[24];
};

struct sc_case {
	char name[160];
	char rfc[64];
	struct where at;
	uint8_t backends, families;
	char only_why[160];    /* why backends is not both */
	char differs_why[240]; /* the kernel is expected to fail it */
	char slots[SC_SLOTS][16];
	unsigned nslots;
	uint32_t peer_iss;
	struct event *ev;
	unsigned nev;
	struct setting set[24];
	unsigned nset;
	struct cover cover[8];
	unsigned ncover;
	struct sc_case *next;
};

/* ---- parse.c, parse_seg.c, parse_call.c ----------------------------------------------------- */

/* One line being read; errors name its file and line and end the process with status 2. */
struct lex {
	const char *p;
	struct where at;
	uint8_t family; /* what MSS stands for, when evaluated; FAM_* */
};

void lex_fail(const struct lex *x, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
void lex_space(struct lex *x);
bool lex_end(struct lex *x);
bool lex_char(struct lex *x, char c);
bool lex_word(struct lex *x, const char *w); /* takes w if it stands there as a whole word */
void lex_need(struct lex *x, char c);
/* A name ([A-Za-z_][A-Za-z0-9_-]*) into buf; false: none there. */
bool lex_name(struct lex *x, char *buf, size_t size);
/* A number, 0x too, MSS and MTU with + - * and a number. */
int64_t lex_num(struct lex *x);
bool lex_at_num(struct lex *x);
/* Hex digits, until something else comes. */
unsigned lex_hex(struct lex *x, uint8_t *out, unsigned max);

/* Reads a file's cases; those of dir/given/NAME come in with "given". */
struct sc_case *script_parse(const char *path, const char *given_dir);
void parse_seg(struct lex *x, struct seg *s, bool in);
void parse_call(struct lex *x, struct sc_case *c, struct event *e);
/* A line is read anew for each family: MSS differs. */
void event_bind_family(struct sc_case *c, struct event *e, uint8_t family);

/* ---- names.c: tables ------------------------------------------------------------------------ */

const char *errno_name(int err);
int errno_of(const char *name); /* -1: none */
struct name_value {
	const char *name;
	int level, value;
};
extern const struct name_value sockopt_names[], msg_names[], ready_names[], ioctl_names[],
	state_names[];
const struct name_value *name_find(const struct name_value *t, const char *name);
const char *name_of(const struct name_value *t, int value);
/* An entry of the error queue, with len bytes of data, as scripts have it. */
struct sock_extended_err;
void err_text(char *buf, size_t size, const struct sock_extended_err *e, uint32_t len);
struct info_field {
	const char *name;
	size_t off, bytes;
};
extern const struct info_field info_fields[];
int info_find(const char *name);
struct tcp_info_all; /* stack/tcp/info_all.h */
int64_t info_get(const struct tcp_info_all *ti, int field);
/* ICMP errors: index or -1; type and code for the family. */
struct icmp_kind {
	const char *name;
	int16_t type4, code4, type6, code6; /* -1: none */
};
extern const struct icmp_kind icmp_kinds[];
int icmp_find(const char *name);

/* ---- packet.c ------------------------------------------------------------------------------- */

/* What is known of one flow: numbers to add to relative ones. */
struct flow {
	uint32_t iss, peer_iss;
	bool known; /* iss has been seen */
	uint16_t port;
	bool port_known;
	uint32_t ts_base;
	bool ts_known;
	uint32_t ts_last; /* as sent last, absolute */
	bool urgent;      /* bytes out of band have come: contents of reads are not compared */
	uint8_t tfo[16];
	unsigned tfo_len;
	uint32_t label;           /* IPv6's flow label, as sent last */
	uint8_t sent[SC_PKT_MAX]; /* the last packet sent, for ICMP to quote */
	uint32_t sent_len;
};

#define SC_ISS_UNKNOWN 0u /* relative to what, as long as iss has not been seen */
#define SC_TS_FIRST 1000u /* what the first timestamp sent reads as */

uint8_t sc_pattern(uint32_t off);
void sc_addr(uint8_t family, bool peer, uint8_t out[16]); /* 4 or 16 bytes, network order */
/* An IP packet for s from the peer; bytes written to b (SC_PKT_MAX). */
uint32_t packet_build(const struct seg *s, const struct flow *f, uint8_t family, uint8_t *b);
/* Reads a packet that was sent. 0: a TCP or UDP packet of ours; 1: to be passed over (not TCP or
 * UDP); -1: malformed, *why says how. Numbers stay absolute. */
int packet_parse(const uint8_t *b, uint32_t len, uint8_t family, struct seg *s, const char **why);
/* Makes numbers relative. */
void packet_relative(struct seg *s, const struct flow *f);
/* Prints s as a script would have it. */
void packet_print(const struct seg *s, char *out, size_t size);
/* Compares; NULL when as wanted, else what is not. tol_ms: of timestamps. */
const char *packet_match(const struct seg *want, const struct seg *got, uint32_t tol_ms);

/* ---- backends ------------------------------------------------------------------------------- */

struct run;

struct backend {
	const char *name;
	uint8_t bit;
	int64_t tol_early, tol_late; /* what a time may be off */
	unsigned tol_percent;        /* of the time waited, later */
	/* Makes what the case runs in; NULL or why not. *skip: something is missing here. */
	const char *(*open)(struct run *r, bool *skip);
	int64_t (*now)(struct run *r);
	void (*inject)(struct run *r, const uint8_t *ip, uint32_t len);
	/* Lets time pass to until, or to the first packet when to_packet; reports packets by
	 * run_captured() and ends of blocked calls by run_returned(). */
	void (*advance)(struct run *r, int64_t until, bool to_packet);
	/* Result or -errno. A call that blocks reports by run_returned(). */
	int64_t (*call)(struct run *r, struct call *c);
	void (*call_blocking)(struct run *r, struct call *c);
	/* After the last line: NULL, or what was left behind. */
	const char *(*close)(struct run *r);
};

extern const struct backend backend_stack, backend_kernel;

/* ---- run.c ---------------------------------------------------------------------------------- */

struct slot {
	bool used, udp;
	uint32_t rd, wr; /* bytes of the stream so far */
	uint8_t peer;    /* whose flow it is */
};

#define SC_QUEUE 512u

struct run {
	const struct sc_case *c;
	const struct backend *be;
	uint8_t family;
	void *priv; /* the backend's */
	struct flow flow[SC_PEERS];
	uint8_t last_peer; /* of the segment put in last */
	uint16_t port;     /* bound last */
	struct slot slot[SC_SLOTS];
	struct seg *q[SC_QUEUE]; /* seen and not yet wanted */
	unsigned qhead, qtail;
	int64_t prev; /* when the event before was */
	struct {
		bool on, done;
		struct event *e;
		int64_t due, at, ret, start;
	} blocked[4];
	FILE *out; /* why it failed, and the trace */
	FILE *trace;
	bool failed;
};

/* Runs one case; true when it passed. What was wrong goes to out. */
enum run_result { RUN_PASS, RUN_FAIL, RUN_SKIP };
enum run_result run_case(struct sc_case *c, const struct backend *be, uint8_t family, FILE *out,
			 bool verbose);
void run_captured(struct run *r, const uint8_t *ip, uint32_t len, int64_t at);
void run_returned(struct run *r, const struct call *c, int64_t ret, int64_t at);

/* ---- matrix.c ------------------------------------------------------------------------------- */

/* State x event of RFC 9293 3.10.7 and the cases that cover each, as Markdown. */
void matrix_print(const struct sc_case *cases, FILE *out);
bool matrix_known(const struct cover *c);

#endif
