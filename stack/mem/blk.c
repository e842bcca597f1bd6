/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides when a freed block may be used again. A super-segment in the transmit queue refers to
 * blocks of the connection's send buffer; an ACK may free them (it answered an earlier transmission
 * of the same bytes) while the entry still waits. Such blocks go to a limbo list until the last
 * super-segment has been taken off the queue, with next, start, end and data as they were: the
 * entry's payload runs on through them.
 */
#include "../internal.h"

struct blk *blk_get(struct stack *st)
{
	struct blk *b = pool_get(&st->blks);

	if (b == NULL)
		return NULL;
	b->next = NULL;
	b->limbo = NULL;
	b->start = b->end = 0;
	return b;
}

void blk_put(struct stack *st, struct blk *b)
{
	if (st->txq_bulk == 0) {
		pool_put(&st->blks, b);
		if (unlikely(st->blk_wanted))
			stack_tx_wanted(st);
		return;
	}
	b->limbo = st->blk_limbo;
	st->blk_limbo = b;
}

void blk_limbo_flush(struct stack *st)
{
	struct blk *b = st->blk_limbo;

	ASSERT(st->txq_bulk == 0);
	st->blk_limbo = NULL;
	while (b != NULL) {
		struct blk *next = b->limbo;

		pool_put(&st->blks, b);
		b = next;
	}
	if (unlikely(st->blk_wanted))
		stack_tx_wanted(st);
}
