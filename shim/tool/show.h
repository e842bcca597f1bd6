/* SPDX-License-Identifier: BSD-2-Clause */
/* How shimstat shows a family: as text or as JSON. */
#ifndef SHIM_TOOL_SHOW_H
#define SHIM_TOOL_SHOW_H

#include "shim/tool/look.h"

enum show_part {
	SHOW_FAMILY = 1 << 0,
	SHOW_STACKS = 1 << 1,
	SHOW_DEVICES = 1 << 2,
	SHOW_LISTENERS = 1 << 3,
	SHOW_CONNS = 1 << 4,
	SHOW_INFO = 1 << 5,
	SHOW_POOLS = 1 << 6,
	SHOW_COUNTERS = 1 << 7,
	SHOW_VERDICTS = 1 << 8,
	SHOW_ALL = (1 << 9) - 1,
	/* Without an option: this, and of the counters drops and failures only. */
	SHOW_DEFAULT = SHOW_FAMILY | SHOW_DEVICES | SHOW_LISTENERS | SHOW_CONNS,
};

/* What counters were at the last look, and when. */
struct show_last {
	ino_t ino;
	uint64_t at_ns;
	uint64_t stats[FAMILY_STACKS][STAT_COUNT];
};

/* last: of this family, to show change per second; NULL: show totals. parts 0: the default. */
void show_text(const struct found *f, const struct family *fam, unsigned parts,
	       const struct show_last *last, uint64_t now_ns);
void show_json(const struct found *f, const struct family *fam, uint64_t now_ns);

/* The limit on the sockets that one walk shows: a list that changes may be met going round. */
#define SHOW_SOCKS_MAX 4000000u

/* The stack of a record when its memory holds, else NULL. */
const struct stack *show_stack(const struct family *fam, unsigned i);
/* The n-th pool of the i-th stack, st, and of its record; those that belong to no stack come behind
 * the first one's. NULL: there are no more. */
const struct pool *show_pool(const struct family *fam, unsigned i, const struct stack *st,
			     unsigned n);

#endif
