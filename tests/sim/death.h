/* SPDX-License-Identifier: BSD-2-Clause */
/* A step of tests/sim/death.c: one thing that is done to a stack, perhaps by who dies of it. */
#ifndef TESTS_SIM_DEATH_H
#define TESTS_SIM_DEATH_H

#include "stack/internal.h"

#define DEV 1u
#define PKTS_OUT 64u

enum kind {
	OP_RX,
	OP_RUN,
	OP_TX,
	OP_EVENTS,
	OP_DST,
	OP_ACCEPT,
	OP_CONNECT,
	OP_SEND,
	OP_RECV,
	OP_SHUTDOWN,
	OP_CLOSE,
	OP_SETOPT,
	OP_UDP_SEND,
	OP_UDP_RECV,
	OP_KINDS
};

/* A step and what came of it; in shared memory. */
struct op {
	enum kind kind;
	volatile bool done;
	struct stack *st;
	uint64_t now;
	const uint8_t *peer_mac;
	struct sock *sk;
	struct endpoint local, remote;
	ssize_t ret;
	struct sock *out;
	uint32_t len;
	uint8_t buf[1 << 17];
	uint32_t n; /* packets, or events */
	struct {
		uint32_t off, len;
	} pkt[PKTS_OUT];
	uint32_t pkt_bytes;
	uint8_t pkts[1 << 22];
	struct {
		void *user;
		uint32_t edges;
	} ev[64];
};

/* Does o, and says so at the very end. */
void op_do(struct op *o);

#endif
