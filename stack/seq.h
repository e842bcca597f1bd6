/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP sequence numbers (RFC 9293 3.4). A one-field struct, so that comparing them raw does not
 * compile. All comparisons are modulo 2^32 and hold for distances below 2^31.
 */
#ifndef STACK_SEQ_H
#define STACK_SEQ_H

#include <stdbool.h>
#include <stdint.h>

struct seq {
	uint32_t v;
};

static inline struct seq seq_of(uint32_t v)
{
	return (struct seq){v};
}

static inline struct seq seq_add(struct seq a, uint32_t n)
{
	return (struct seq){a.v + n};
}

static inline struct seq seq_sub(struct seq a, uint32_t n)
{
	return (struct seq){a.v - n};
}

/* a - b; negative when a lies before b. */
static inline int32_t seq_diff(struct seq a, struct seq b)
{
	return (int32_t)(a.v - b.v);
}

static inline bool seq_eq(struct seq a, struct seq b)
{
	return a.v == b.v;
}

static inline bool seq_lt(struct seq a, struct seq b)
{
	return seq_diff(a, b) < 0;
}

static inline bool seq_leq(struct seq a, struct seq b)
{
	return seq_diff(a, b) <= 0;
}

static inline bool seq_gt(struct seq a, struct seq b)
{
	return seq_diff(a, b) > 0;
}

static inline bool seq_geq(struct seq a, struct seq b)
{
	return seq_diff(a, b) >= 0;
}

static inline struct seq seq_max(struct seq a, struct seq b)
{
	return seq_gt(a, b) ? a : b;
}

static inline struct seq seq_min(struct seq a, struct seq b)
{
	return seq_lt(a, b) ? a : b;
}

/* start <= s < start + len */
static inline bool seq_within(struct seq s, struct seq start, uint32_t len)
{
	return s.v - start.v < len;
}

#endif
