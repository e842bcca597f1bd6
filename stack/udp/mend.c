/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP's part of stack_mend(): sockets that nobody was changing keep what waits in them, read and
 * unsent; the others go on empty, as after stack_reset_all(). No socket ends by it that somebody
 * has, as none has a peer that could tell.
 */
#include "../mend.h"
#include "udp.h"

#define MARK offsetof(struct udp_dgram, mark)

static struct udp_dgram *dgram_of(const struct list *n)
{
	return list_entry((struct list *)(uintptr_t)n, struct udp_dgram, node);
}

/* What has been received: the copied ones lie one behind the other in the blocks. */
static bool rcvq_take(struct mend *m, const struct udp_sock *us)
{
	uint32_t frames = 0, cost = 0, copied = 0;
	const struct list *prev = &us->rcvq, *pos;
	struct blk *last, *b;

	for (pos = prev->next; pos != &us->rcvq; prev = pos, pos = pos->next) {
		struct udp_dgram *g = dgram_of(pos);
		uint32_t n = 0, bytes = 0;

		if (!mend_take(m, &m->st->udp->dgrams, MARK, g) || pos->prev != prev ||
		    !mend_take_packet(m, g->frame, &n, &bytes) || n != g->nframes ||
		    g->len > UDP_PAYLOAD_MAX || (n > 0 && bytes != g->len) || g->dev >= STACK_DEVS)
			return false;
		frames += n;
		cost += g->len + UDP_DGRAM_COST;
		if (g->frame == FRAME_NONE)
			copied += g->len;
	}
	if (!mend_take_blks(m, us->copied, copied / BLK_DATA_BYTES + 2, &last) ||
	    last != us->copied_last)
		return false;
	for (b = us->copied; b != NULL; b = b->next)
		copied -= b->end - b->start;
	return us->rcvq.prev == prev && frames == us->frames_held && cost == us->rcvq_cost &&
	       copied == 0;
}

/* What waits to be sent, each in a block. */
static bool waitq_take(struct mend *m, const struct udp_sock *us)
{
	const struct list *prev = &us->waitq, *pos;
	uint32_t n = 0, bytes = 0;

	for (pos = prev->next; pos != &us->waitq; prev = pos, pos = pos->next, n++) {
		struct udp_dgram *g = dgram_of(pos);
		struct blk *last;

		if (n == us->nwait || !mend_take(m, &m->st->udp->dgrams, MARK, g) ||
		    pos->prev != prev || g->blk == NULL || !mend_take_blks(m, g->blk, 1, &last) ||
		    g->blk->end != g->len)
			return false;
		bytes += g->len;
	}
	return us->waitq.prev == prev && n == us->nwait && bytes == us->wait_bytes;
}

static bool goes_on(const struct udp_sock *us)
{
	return mend_goes_on(&us->sk) && (us->sk.orphan || us->sk.user != NULL);
}

void udp_mend_named(struct stack *st)
{
	struct pool_walk w = {0};
	struct udp_sock *us;

	while ((us = pool_walk_next(&st->udp->socks, &w)) != NULL)
		if (us->sk.life == SOCK_LIVE)
			us->sk.spoilt = mend_is_named(st, us);
}

bool udp_mend_take(struct mend *m)
{
	struct pool_walk w = {0};
	struct udp_sock *us;

	mend_none(&m->st->udp->dgrams, MARK);
	while ((us = pool_walk_next(&m->st->udp->socks, &w)) != NULL) {
		if (!goes_on(us) || (rcvq_take(m, us) && waitq_take(m, us)))
			continue;
		us->sk.spoilt = 1;
		return false;
	}
	return true;
}

static bool dgram_is_taken(const void *obj)
{
	return ((const struct udp_dgram *)obj)->mark == (uint32_t)MEND_TAKEN;
}

static void unsent_drop(struct stack *st, struct udp_sock *us, struct udp_dgram *g)
{
	AT(st, us);

	list_del(&g->node);
	us->nwait--;
	us->wait_bytes -= g->len;
	blk_put(st, g->blk);
	pool_put(&st->udp->dgrams, g);
	COUNT(st, udp_tx_dropped);
}

/* us, which is whole, goes on; output that waited for anything is looked at again. */
static void sock_mend(struct stack *st, struct udp_sock *us)
{
	struct list *pos, *tmp;

	mend_sock(st, &us->sk);
	us->dst = NULL;
	st->udp->frames_held += us->frames_held;
	list_init(&us->hash);
	if (!us->sk.orphan)
		udp_hash(st, us);
	list_for_each_safe(pos, tmp, &us->waitq) {
		struct udp_dgram *g = dgram_of(pos);

		g->dst = dst_get(st, &g->remote.addr);
		if (g->dst == NULL)
			unsent_drop(st, us, g);
	}
	if (us->nwait > 0 || us->sk.orphan)
		sock_tx_wait(st, &us->sk);
	sock_ready(st, &us->sk, RDY_OUT, 0, 0);
	mend_news(st, &us->sk);
}

void udp_mend_all(struct stack *st)
{
	struct pool_walk w = {0};
	struct udp_sock *us;

	udp_tables_empty(st->udp);
	pool_rebuild(&st->udp->dgrams, dgram_is_taken);
	while ((us = pool_walk_next(&st->udp->socks, &w)) != NULL) {
		if (goes_on(us))
			sock_mend(st, us);
		else
			udp_sock_reset(st, us);
		us->sk.spoilt = 0;
	}
	pool_rebuild(&st->udp->socks, sock_is_live);
}
