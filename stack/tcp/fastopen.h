/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP Fast Open (RFC 7413): the cookies of both sides, and what a connection remembers of its SYN.
 */
#ifndef STACK_TCP_FASTOPEN_H
#define STACK_TCP_FASTOPEN_H

#include "../internal.h"
#include "options.h"

#define FASTOPEN_COOKIE_BYTES 8u /* of those we make */

/* Bits of tcp_fastopen. */
enum {
	FASTOPEN_CLIENT = 0x1,
	FASTOPEN_SERVER = 0x2,
	FASTOPEN_CLIENT_NO_COOKIE = 0x4,
	FASTOPEN_SERVER_NO_COOKIE = 0x200,
	FASTOPEN_ALL_LISTENERS = 0x400,
};

/* tcp_conn.fo_flags */
enum {
	FO_CLIENT = 0x01,       /* connect() asked for it */
	FO_DEFERRED = 0x02,     /* the SYN waits for the first bytes */
	FO_ASKED = 0x04,        /* our SYN had the option */
	FO_SYN_DATA = 0x08,     /* our SYN had data */
	FO_DATA_COUNTED = 0x10, /* a SYN's data counted: ours, or the peer's */
	FO_PASSIVE = 0x20,      /* made by a SYN: open for data though in SYN-RECEIVED */
};

/* How an active Fast Open went: tcpi_fastopen_client_fail. */
enum fastopen_fail {
	FASTOPEN_OK,
	FASTOPEN_COOKIE_UNAVAILABLE,
	FASTOPEN_DATA_NOT_ACKED,
	FASTOPEN_SYN_RETRANSMITTED,
};

struct tcp_conn;
struct tcp_listener;
struct tcp_seg;

int fastopen_init(struct stack *st); /* 0 or -ENOMEM */
/* stack_reset_all(): the cache begins anew. */
void fastopen_forget_all(struct stack *st);

/* ---- the server ----------------------------------------------------------------------------- */

void fastopen_cookie_make(const uint64_t key[2], const struct ip_addr *remote,
			  const struct ip_addr *local, struct tcp_fo *out);

/* What the SYN s is entitled to. */
enum fastopen_grant {
	FASTOPEN_NONE,          /* an ordinary handshake */
	FASTOPEN_DATA,          /* its data counts now */
	FASTOPEN_DATA_UNPROVEN, /* likewise; nothing says that the peer is who it claims to be */
};
/* *give: the cookie for the SYN-ACK (has TCP_FO_NONE: none). */
enum fastopen_grant fastopen_syn(struct stack *st, struct tcp_listener *l, const struct tcp_seg *s,
				 struct tcp_fo *give);
/* c was made from such a SYN: counted against the listener's queue until fastopen_settled(). */
void fastopen_child(struct tcp_listener *l, struct tcp_conn *c);
/* c's handshake has ended, one way or the other (rst: by the peer's RST); harmless otherwise. */
void fastopen_settled(struct stack *st, struct tcp_conn *c, bool rst);
/* l begins, with its backlog; l ends: no connection refers to it any more. */
void fastopen_listener_init(const struct stack *st, struct tcp_listener *l);
void fastopen_listener_end(struct tcp_listener *l);

/* ---- the client ----------------------------------------------------------------------------- */

/* c is about to connect. True: its SYN waits for the first bytes (FO_DEFERRED). */
bool fastopen_connect(struct stack *st, struct tcp_conn *c);
/* These come: how many may go with the SYN (0: it only asks for a cookie). */
uint32_t fastopen_begin(struct stack *st, struct tcp_conn *c);
/* How many of those in c->snd the first SYN takes along; and that it has been sent. */
uint32_t fastopen_syn_bytes(struct stack *st, struct tcp_conn *c);
void fastopen_syn_sent(struct tcp_conn *c, uint32_t bytes);
/* The SYN-ACK has been taken in: what it said is remembered, and data that it did not acknowledge
 * is to be sent again. */
void fastopen_synack(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s);
/* c's retransmission timer goes off, not yet counted; gone: for the last time. */
void fastopen_timeout(struct stack *st, struct tcp_conn *c, bool gone);

#endif
