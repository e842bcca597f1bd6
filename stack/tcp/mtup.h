/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Path MTU discovery without ICMP: segments larger than the MSS are tried now and then, and a path
 * that swallows large ones (a black hole) is found out by its timeouts. Sizes are of IP packets.
 */
#ifndef STACK_TCP_MTUP_H
#define STACK_TCP_MTUP_H

#include "../internal.h"

struct tcp_conn;

struct mtup {
	bool on;            /* low, and not the path's MTU, says what is sent */
	uint32_t low, high; /* known to get through; the largest that may */
	uint32_t probe;     /* on its way; 0: none */
	struct seq start, end;
	uint64_t stamp_ns; /* when the search began */
	uint64_t rtx_ns;   /* first timeout since something was acknowledged */
};

/* The handshake is done. */
void mtup_init(struct stack *st, struct tcp_conn *c);
/* A smaller or larger MTU of the path than before; the MSS is to be taken from what is returned. */
uint32_t mtup_bound(struct mtup *m, uint32_t mtu);
/* A timeout, c->retransmits of them before: with tcp_retries1 of them the MSS goes down. */
void mtup_timeout(struct stack *st, struct tcp_conn *c);
/* Payload of a probe to be sent now in place of a full segment; 0: none. unsent, wnd, room: bytes
 * that wait, that the peer takes, that congestion lets go. */
uint32_t mtup_probe_bytes(struct stack *st, struct tcp_conn *c, uint32_t unsent, uint32_t wnd,
			  uint32_t room);
void mtup_probe_sent(struct tcp_conn *c, uint32_t bytes);
/* Something was acknowledged; something is lost. */
void mtup_acked(struct stack *st, struct tcp_conn *c);
void mtup_lost(struct stack *st, struct tcp_conn *c);

#endif
