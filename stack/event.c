/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets as the embedder sees them: readiness, the list of those with news, life and death, and
 * the walk over all of them. Decides when the embedder is told; knows nothing of protocols.
 *
 * ready is the level, always current. raised gathers edges: a bit that came up, or came anew (more
 * data), since the embedder last took the socket's event. A socket lies on the event list once,
 * however much is raised.
 */
#include <stdatomic.h>

#include "internal.h"

void sock_ready(struct stack *st, struct sock *sk, uint32_t set, uint32_t clear, uint32_t raise)
{
	uint32_t old = atomic_load_explicit(&sk->ready, memory_order_relaxed);
	uint32_t now = (old & ~clear) | set;

	if (now != old)
		atomic_store_explicit(&sk->ready, now, memory_order_release);
	raise |= now & ~old;
	if (raise == 0 || sk->orphan)
		return;
	sk->raised |= raise;
	if (sk->user != NULL && list_empty(&sk->ev))
		list_push_back(&st->events, &sk->ev);
}

void stack_sock_user(struct stack *st, struct sock *sk, void *user)
{
	sk->user = user;
	if (user == NULL)
		list_del(&sk->ev);
	else if (sk->raised != 0 && list_empty(&sk->ev))
		list_push_back(&st->events, &sk->ev);
}

bool stack_sock_keep(struct sock *sk, void *user)
{
	if (sk->life != SOCK_LIVE || sk->orphan)
		return false;
	sk->user = user;
	return true;
}

void sock_revive(struct stack *st, struct sock *sk, uint32_t ready)
{
	list_init(&sk->ev);
	list_init(&sk->txw);
	list_init(&sk->errs);
	sk->err_bytes = 0;
	list_push_back(&st->socks, &sk->all);
	st->nopen++;
	atomic_store_explicit(&sk->ready, ready, memory_order_release);
	sk->raised = ready;
	list_push_back(&st->events, &sk->ev);
}

struct sock *stack_event(struct stack *st, uint32_t *edges)
{
	while (!list_empty(&st->events)) {
		struct sock *sk = list_first(&st->events, struct sock, ev);

		list_del(&sk->ev);
		if (sk->user == NULL || sk->raised == 0)
			continue;
		*edges = sk->raised;
		sk->raised = 0;
		return sk;
	}
	return NULL;
}

void sock_init(struct stack *st, struct sock *sk, enum sock_type type)
{
	sk->type = (uint8_t)type;
	sk->life = SOCK_LIVE;
	list_init(&sk->ev);
	list_init(&sk->txw);
	list_init(&sk->errs);
	list_push_back(&st->socks, &sk->all);
	st->nopen++;
}

void sock_orphan(struct stack *st, struct sock *sk)
{
	ASSERT(!sk->orphan);
	sk->orphan = 1;
	sk->user = NULL;
	sk->raised = 0;
	list_del(&sk->ev);
	sock_errs_free(st, sk);
	ASSERT(st->nopen > 0);
	st->nopen--;
	st->ndraining++;
}

void sock_fini(struct stack *st, struct sock *sk)
{
	uint32_t *n = sk->orphan ? &st->ndraining : &st->nopen;

	sk->life = SOCK_FREE;
	sock_errs_free(st, sk);
	list_del(&sk->ev);
	list_del(&sk->txw);
	list_del(&sk->all);
	ASSERT(*n > 0);
	(*n)--;
}

void sock_tx_wait(struct stack *st, struct sock *sk)
{
	list_del(&sk->txw);
	list_push_back(&st->tx_wait, &sk->txw);
	stack_tx_wanted(st);
}

uint32_t stack_open_count(const struct stack *st)
{
	return st->nopen;
}

uint32_t stack_draining_count(const struct stack *st)
{
	return st->ndraining;
}

/* ---- looking in, without the lock ----------------------------------------------------------- */

/* True when size bytes at p lie in what has been carved, aligned as every object is. */
static bool arena_holds(const struct arena *a, const void *p, size_t size)
{
	uintptr_t base = (uintptr_t)a, at = (uintptr_t)p;
	uint64_t used = atomic_load_explicit(&a->used_bytes, memory_order_relaxed);

	return at % _Alignof(struct sock) == 0 && at >= base + sizeof(*a) && used >= size &&
	       at - base <= used - size;
}

const struct sock *stack_sock_next(const struct stack *st, const struct sock *prev)
{
	const struct list *from = prev ? &prev->all : &st->socks, *n;

	n = __atomic_load_n(&from->next, __ATOMIC_RELAXED);
	/* A node that points at itself has been taken off the list meanwhile. */
	if (n == &st->socks || n == from || !arena_holds(st->arena, n, sizeof(*n)))
		return NULL;
	n = (const struct list *)container_of(n, const struct sock, all);
	return arena_holds(st->arena, n, sizeof(struct sock)) ? (const struct sock *)n : NULL;
}

const struct pool *stack_pool(const struct stack *st, unsigned idx)
{
	const struct pool *own[] = {&st->blks, &st->errs, dst_pool(st)};
	unsigned i;

	if (idx < ARRAY_SIZE(own))
		return own[idx];
	idx -= ARRAY_SIZE(own);
	for (i = 0; i <= idx; i++)
		if (udp_pool(st, i) == NULL)
			return tcp_pool(st, idx - i);
	return udp_pool(st, idx);
}
