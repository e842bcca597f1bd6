/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack mended around its sockets, after a process died while it was changing it.
 *
 * Theory of operation. What a socket holds is changed only while the socket is noted (AT()); what
 * is not noted is whole, at whatever instruction the process was killed. So what is noted ends, as
 * in reset.c, and everything else is believed: each socket's numbers and options, the chains of
 * blocks and frames that hang on it, its records of what is in flight. What several sockets share,
 * any of them may have been changing: lists, hashes, the wheel, events, destinations, free lists.
 * Of that nothing is believed and all is made anew, from the slabs of the pools (reset.c's head
 * says why these are whole) and from what the sockets say of themselves.
 *
 * First everything that is held is taken, with every pointer, length and sum checked, and nothing
 * is changed that stack_reset_tell() would need. A socket that is not whole by itself is counted
 * among the noted, and it begins again; what has two owners, or a frame that a device has, too,
 * says that the notes can't be believed, and all is reset. Only then what was not taken goes to the
 * free lists, and the sockets are linked again.
 *
 * Linking changes nothing of what a socket holds, and the notes stay until all is done: if the one
 * who is at it is killed as well, the next begins from the beginning.
 */
#include <stdatomic.h>

#include "mend.h"

#define MEND_TRIES 8u /* so many unsound sockets, and none is believed */

/* ---- who has what --------------------------------------------------------------------------- */

static uint32_t *mark_of(const void *obj, size_t off)
{
	return (uint32_t *)((uintptr_t)obj + off);
}

void mend_none(const struct pool *p, size_t off)
{
	struct pool_walk w = {0};
	void *obj;

	while ((obj = pool_walk_next(p, &w)) != NULL)
		*mark_of(obj, off) = MEND_FREE;
}

/* In what has been carved, and aligned as the objects of p are at the least. */
static bool arena_has(const struct arena *a, const void *p, size_t bytes)
{
	uint64_t used = atomic_load_explicit(&a->used_bytes, memory_order_relaxed);
	uintptr_t at = (uintptr_t)p - (uintptr_t)a;

	return (uintptr_t)p % 16 == 0 && (uintptr_t)p >= (uintptr_t)a + sizeof(*a) &&
	       used >= bytes && at <= used - bytes;
}

bool mend_taken(const struct mend *m, const struct pool *p, size_t off, const void *obj)
{
	return arena_has(m->st->arena, obj, p->obj_bytes) && *mark_of(obj, off) == MEND_TAKEN;
}

bool mend_take(struct mend *m, const struct pool *p, size_t off, void *obj)
{
	if (!arena_has(m->st->arena, obj, p->obj_bytes))
		return false;
	if (*mark_of(obj, off) == MEND_TAKEN)
		m->torn = true;
	if (*mark_of(obj, off) != MEND_FREE)
		return false;
	*mark_of(obj, off) = MEND_TAKEN;
	return true;
}

#define BLK_MARK offsetof(struct blk, limbo)
#define ERR_MARK offsetof(struct sock_err, mark)

bool mend_blk_is_taken(const void *blk)
{
	return *mark_of(blk, BLK_MARK) == MEND_TAKEN;
}

static bool err_is_taken(const void *err)
{
	return *mark_of(err, ERR_MARK) == MEND_TAKEN;
}

bool mend_take_blks(struct mend *m, struct blk *b, uint32_t max, struct blk **last)
{
	*last = NULL;
	for (; b != NULL; b = b->next) {
		if (max-- == 0 || !mend_take(m, &m->st->blks, BLK_MARK, b) || b->start > b->end ||
		    b->end > BLK_DATA_BYTES)
			return false;
		*last = b;
	}
	return true;
}

bool mend_take_frame(struct mend *m, uint32_t idx)
{
	struct frame_pool *fp = &m->st->frames;

	if (idx >= fp->count)
		return false;
	if (fp->held[idx / 64] & 1ull << idx % 64 ||
	    (m->lent != NULL && m->lent[idx / 64] & 1ull << idx % 64))
		m->torn = true;
	return !m->torn && frame_hold(fp, idx) &&
	       (uint32_t)fp->meta[idx].off + fp->meta[idx].len <= FRAME_BYTES;
}

bool mend_take_packet(struct mend *m, uint32_t idx, uint32_t *frames, uint32_t *bytes)
{
	const struct frame_pool *fp = &m->st->frames;

	for (; idx != FRAME_NONE; idx = fp->meta[idx].next) {
		if (!mend_take_frame(m, idx))
			return false;
		(*frames)++;
		*bytes += fp->meta[idx].len;
	}
	return true;
}

bool mend_take_errs(struct mend *m, struct sock *sk)
{
	const struct list *prev = &sk->errs, *pos;
	uint32_t sum = 0;

	for (pos = prev->next; pos != &sk->errs; prev = pos, pos = pos->next) {
		struct sock_err *e =
			list_entry((struct list *)(uintptr_t)pos, struct sock_err, node);
		struct blk *last, *b;
		uint32_t bytes = 0;

		if (!mend_take(m, &m->st->errs, ERR_MARK, e) || pos->prev != prev ||
		    !mend_take_blks(m, e->payload, UINT16_MAX, &last))
			return false;
		for (b = e->payload; b != NULL; b = b->next)
			bytes += b->end;
		if (bytes != e->bytes)
			return false;
		sum += SOCK_ERR_COST + bytes;
	}
	return sk->errs.prev == prev && sum == sk->err_bytes;
}

/* ---- sockets -------------------------------------------------------------------------------- */

bool mend_is_named(const struct stack *st, const void *obj)
{
	for (uint32_t i = 0; i < st->nat && i < STACK_AT_MAX; i++)
		if (st->at[i] == obj)
			return true;
	return false;
}

bool mend_is_sock(const struct stack *st, const struct sock *sk, enum sock_type type)
{
	return arena_has(st->arena, sk, sizeof(*sk)) && sk->life == SOCK_LIVE && sk->type == type &&
	       !sk->orphan && sk->user != NULL;
}

void mend_sock(struct stack *st, struct sock *sk)
{
	list_init(&sk->ev);
	list_init(&sk->txw);
	list_push_back(&st->socks, &sk->all);
	if (sk->orphan)
		st->ndraining++;
	else
		st->nopen++;
}

void mend_news(struct stack *st, struct sock *sk)
{
	sk->raised |= atomic_load_explicit(&sk->ready, memory_order_relaxed);
	if (!sk->orphan && sk->user != NULL && sk->raised != 0 && list_empty(&sk->ev))
		list_push_back(&st->events, &sk->ev);
}

/* ---- the way out ---------------------------------------------------------------------------- */

/* A packet that is whole in its frame, which no device has got yet and nobody else has. */
static bool ent_take(struct mend *m, const struct tx_ent *e)
{
	struct frame_pool *fp = &m->st->frames;

	if (e->flags & TXF_GSO || e->dev >= STACK_DEVS || e->frame >= fp->count ||
	    (m->lent != NULL && m->lent[e->frame / 64] & 1ull << e->frame % 64) ||
	    (uint32_t)fp->meta[e->frame].off + e->len > FRAME_BYTES || !frame_hold(fp, e->frame))
		return false;
	fp->meta[e->frame].next = fp->meta[e->frame].qnext = FRAME_NONE;
	return true;
}

/* What was queued is kept, in its order, but for super-segments, whose blocks may be gone. To be
 * called when all others have taken what they hold. */
static void txq_take(struct mend *m)
{
	struct txq *q = &m->st->txq;
	uint32_t head = q->head, end = q->tail, at = head, i;

	if (txq_used(q) > TXQ_ENTRIES)
		end = head;
	/* Empty meanwhile, for who comes after a death in here. */
	__atomic_store_n(&q->head, end, __ATOMIC_SEQ_CST);
	for (i = head; i != end; i++) {
		if (!ent_take(m, &q->ent[i % TXQ_ENTRIES]))
			continue;
		if (i != at)
			q->ent[at % TXQ_ENTRIES] = q->ent[i % TXQ_ENTRIES];
		at++;
	}
	__atomic_store_n(&q->tail, at, __ATOMIC_SEQ_CST);
	__atomic_store_n(&q->head, head, __ATOMIC_SEQ_CST);
}

/* ---- the stack ------------------------------------------------------------------------------ */

/* Everything has its owner. False: it does not fit together. */
static bool mend_take_all(struct mend *m)
{
	struct stack *st = m->st;
	unsigned i;

	tcp_mend_named(st);
	udp_mend_named(st);
	for (i = 0; i < MEND_TRIES && !m->torn; i++) {
		mend_none(&st->blks, BLK_MARK);
		mend_none(&st->errs, ERR_MARK);
		frame_hold_none(&st->frames);
		if (tcp_mend_take(m) && udp_mend_take(m)) {
			if (!m->torn)
				txq_take(m);
			return !m->torn;
		}
	}
	return false;
}

/* What everything else leans on: time, memory, the way out. */
static void mend_grounds(struct stack *st, const uint64_t *lent)
{
	wheel_init(&st->wheel, st->now_ns);
	st->txq_bulk = 0;
	st->blk_limbo = NULL;
	st->blk_wanted = false;
	st->nstrays = 0;
	frame_pool_rebuild(&st->frames, lent);
	pool_rebuild(&st->blks, mend_blk_is_taken);
	pool_rebuild(&st->errs, err_is_taken);
	list_init(&st->tx_wait);
	list_init(&st->tx_run);
	list_init(&st->events);
	list_init(&st->socks);
	st->nopen = st->ndraining = 0;
	dst_reset_all(st);
}

bool stack_mend(struct stack *st, const uint64_t *lent, uint64_t now_ns, struct stack_mended *res)
{
	struct mend m = {.st = st, .lent = lent};

	*res = (struct stack_mended){0, 0};
	st->now_ns = now_ns;
	if (!mend_take_all(&m)) {
		tcp_mend_clear(st);
		return false;
	}
	mend_grounds(st, lent);
	tcp_mend_all(st, res);
	udp_mend_all(st);
	COUNT_N(st, mend_reset, res->reset);
	COUNT_N(st, mend_kept, res->kept);
	stack_tx_wanted(st);
	__atomic_store_n(&st->nat, 0, __ATOMIC_RELEASE);
	return true;
}
