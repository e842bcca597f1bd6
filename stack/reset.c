/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack made anew around its sockets, after a process died while it was changing it. Decides in
 * which order the parts are rebuilt; each part rebuilds its own. Must never follow a pointer that
 * the dead may have left half written: what is walked are the slabs of pools, whose chain is whole
 * at every instruction (pool_grow()), and what is believed of an object is one word, its life, and
 * values any of which is harmless. So it ends, whatever was being done.
 *
 * Not rebuilt: devices and local addresses (the embedder tells them again), counters, keys.
 */
#include "internal.h"

void stack_disown_all(struct stack *st)
{
	tcp_disown_all(st);
	udp_disown_all(st);
}

void stack_reset_tell(struct stack *st, const uint64_t *lent, uint64_t now_ns)
{
	st->now_ns = now_ns;
	st->nat = 0;
	/* What everything else leans on comes first: time, memory, the way out. */
	wheel_init(&st->wheel, now_ns);
	st->txq.head = st->txq.tail = 0;
	st->txq_bulk = 0;
	st->blk_limbo = NULL;
	st->nstrays = 0;
	frame_hold_none(&st->frames);
	frame_pool_rebuild(&st->frames, lent);
	pool_rebuild(&st->blks, NULL);
	pool_rebuild(&st->errs, NULL);
	list_init(&st->tx_wait);
	list_init(&st->tx_run);
	dst_reset_all(st);
	tcp_reset_tell(st);
}

void stack_reset_all(struct stack *st, uint64_t now_ns)
{
	st->now_ns = now_ns;
	list_init(&st->events);
	list_init(&st->socks);
	st->nopen = st->ndraining = 0;
	tcp_reset_all(st);
	udp_reset_all(st);
	stack_tx_wanted(st);
}
