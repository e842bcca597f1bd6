/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Congestion window validation (RFC 7661, 2861), as Linux does it: is it cwnd that limits what is
 * sent? Only then may it grow; and one that was not used for an RTO falls towards what was. It
 * must never change cwnd itself.
 */
#ifndef STACK_TCP_CWV_H
#define STACK_TCP_CWV_H

#include <stdbool.h>
#include <stdint.h>

#include "../seq.h"

struct cwv {
	uint64_t stamp_ns; /* when cwnd was last used in full, or brought down; 0: never */
	uint32_t max_out;  /* most bytes out in the present window */
	uint32_t used;     /* likewise since stamp_ns: what it falls towards */
	struct seq round;  /* the present window is over when this is acknowledged */
	bool limited;      /* in it cwnd, and nothing else, stopped output */
	bool idle_due;     /* cwv_output() saw an RTO pass without full use */
};

/*
 * Output has ended. una, nxt: the connection's, out: bytes between them. limited: cwnd stopped it,
 * or as much is in flight as it allows. rto_ns: for the rule of RFC 2861.
 */
void cwv_output(struct cwv *v, struct seq una, struct seq nxt, uint32_t out, bool limited,
		uint64_t rto_ns, uint64_t now_ns);

/* May cwnd grow? slow_start: then it may when half of it was used, so that it can double. */
static inline bool cwv_limited(const struct cwv *v, uint32_t cwnd, bool slow_start)
{
	return v->limited || (slow_start && cwnd / 2 < v->max_out);
}

/* Once an RTO has passed in which less than cwnd was used: the bytes used, else 0. Asked once. */
uint32_t cwv_unused(struct cwv *v, uint64_t now_ns);

#endif
