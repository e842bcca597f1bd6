/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two stacks joined by a wire in memory, in virtual time: enough to see TCP work end to end.
 * Packets take delay_ns, at a rate if one is given, with a queue before it; some are lost.
 */
#ifndef TESTS_UNIT_TCP_PAIR_H
#define TESTS_UNIT_TCP_PAIR_H

#include "stack/internal.h"

struct flying {
	struct flying *next;
	uint64_t at_ns;
	unsigned to;
	uint32_t len;
	uint8_t data[];
};

struct pair {
	struct stack *st[2];
	void *mem[2];
	size_t mem_bytes;
	struct ip_addr addr[2];
	uint64_t now;
	uint64_t delay_ns;
	uint64_t loss_ppm; /* of a million packets */
	uint64_t rate_bps; /* of either direction; 0: no limit */
	uint64_t queue_ns; /* what waits for the rate, beyond which packets are dropped */
	uint64_t busy_ns[2];
	uint64_t seed;
	uint32_t npackets, nlost;
	struct flying *first[2], **last[2]; /* by the stack they go to */
};

void pair_init(struct pair *p, const struct stack_cfg *cfg, uint32_t gso_max_bytes, bool tx_csum);
/* Asserts that every pool and frame is back where it came from. */
void pair_fini(struct pair *p);
/* Delivers and runs timers until nothing is pending or the time until_ns has come. */
void pair_run(struct pair *p, uint64_t until_ns);
/* One step: what is due now, without letting time pass. True when something happened. */
bool pair_step(struct pair *p);
/* The next time anything happens; UINT64_MAX: never. */
uint64_t pair_next(struct pair *p);
/* A connection from stack 0 to a listener on port of stack 1; *l is closed again when NULL. */
void pair_connect(struct pair *p, uint16_t port, const struct sock_opts *o, struct sock **client,
		  struct sock **server, struct sock **l);

#endif
