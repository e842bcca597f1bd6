/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listeners: who listens where, and the accept queue. Decides which listener a segment is for and
 * when one is full; what becomes of a SYN is request.c's business.
 *
 * RFC 9293 3.10.1 (passive OPEN); queues and backlog as Linux.
 */
#include <errno.h>

#include "tcp.h"

/* ---- listeners ------------------------------------------------------------------------------ */

/* As of a socket that never was anything, which it is again: no end of a stream to be read. */
#define RDY_SHUT (RDY_OUT | RDY_HUP)
/* Nobody can know whether those who shared a listener that is the kernel's now still accept here:
 * who does so is done long before. */
#define LEFT_NS 30000000000ull

static struct list *bucket(struct stack *st, uint16_t port)
{
	return &st->tcp->listen_hash[(port ^ port >> 8) % TCP_LISTEN_BUCKETS];
}

/* The most fitting; among SO_REUSEPORT ones that fit alike by the flow's hash. */
struct tcp_listener *tcp_listener_find(struct stack *st, unsigned dev, const struct endpoint *local,
				       const struct endpoint *remote)
{
	struct list *n, *b = bucket(st, local->port);
	struct tcp_listener *best = NULL;
	uint32_t fit = 0, same = 0, hash = 0;

	list_for_each(n, b) {
		struct tcp_listener *l = list_entry(n, struct tcp_listener, node);
		uint32_t f;

		if (l->sk.local.port != local->port || (l->left && st->dev[dev].shared))
			continue;
		f = sock_bind_fit(&l->sk.local.addr, l->o.v6only, &local->addr);
		if (f == 0 || f < fit)
			continue;
		if (f > fit) {
			fit = f;
			same = 1;
			best = l;
			continue;
		}
		/* each of n gets an nth of the flows, always the same ones */
		if (same++ == 1)
			hash = tcp_tuple_hash(st, local, remote);
		hash = hash * 1664525u + 1013904223u;
		if ((uint64_t)hash * same >> 32 == 0)
			best = l;
	}
	return best;
}

int stack_listen(struct stack *st, const struct endpoint *local, const struct sock_opts *o,
		 uint32_t backlog, struct sock **out)
{
	struct tcp_listener *l;
	struct list *n;

	list_for_each(n, bucket(st, local->port)) {
		l = list_entry(n, struct tcp_listener, node);
		if (l->sk.local.port == local->port && !(o->reuseport && l->o.reuseport) &&
		    sock_bind_overlap(&l->sk.local.addr, l->o.v6only, &local->addr, o->v6only))
			return -EADDRINUSE;
	}
	l = pool_get_zeroed(&st->tcp->listeners);
	if (!l)
		return -ENOMEM;
	sock_init(st, &l->sk, STK_LISTENER);
	timer_init(&l->left_timer, TIMER_TCP_LEFT);
	l->sk.local = *local;
	l->o = *o;
	l->o.quickack = 1; /* listen(2) forgets it */
	list_init(&l->reqs);
	list_init(&l->acceptq);
	list_push_back(bucket(st, local->port), &l->node);
	stack_listen_backlog(st, &l->sk, backlog);
	fastopen_listener_init(st, l);
	*out = &l->sk;
	return 0;
}

void stack_listen_backlog(struct stack *st, struct sock *sk, uint32_t backlog)
{
	struct tcp_listener *l = tcp_listener_of(sk);

	l->backlog = backlog < st->cfg.somaxconn ? backlog : st->cfg.somaxconn;
}

void stack_listen_leave(struct stack *st, struct sock *sk, uint64_t now_ns)
{
	struct tcp_listener *l = tcp_listener_of(sk);

	if (l->left || l->shut)
		return;
	l->left = true;
	wheel_arm(&st->wheel, &l->left_timer, now_ns + LEFT_NS);
}

void stack_listen_drop(struct stack *st, struct sock *sk, uint64_t now_ns)
{
	st->now_ns = now_ns;
	tcp_listener_drop(st, tcp_listener_of(sk));
}

uint64_t stack_listen_begun_ns(const struct stack *st, const struct sock *sk)
{
	const struct list *n, *reqs = &tcp_listener_of(sk)->reqs;
	uint64_t last = 0;

	list_for_each(n, reqs) {
		const struct tcp_req *r = list_entry(n, struct tcp_req, node);
		uint64_t begun = r->synack_ns ? r->synack_ns : st->now_ns;

		if (begun > last)
			last = begun;
	}
	return last;
}

int stack_accept(struct stack *st, struct sock *sk, struct sock **out, uint64_t now_ns)
{
	struct tcp_listener *l = tcp_listener_of(sk);
	struct tcp_conn *c;

	st->now_ns = now_ns;
	if (l->shut)
		return -EINVAL;
	if (list_empty(&l->acceptq))
		return -EAGAIN;
	c = list_first(&l->acceptq, struct tcp_conn, accept_node);
	tcp_listener_forget(st, c);
	c->o.fastopen_qlen = 0; /* the listener's alone */
	*out = &c->sk;
	return 0;
}

void tcp_listener_forget(struct stack *st, struct tcp_conn *c)
{
	struct tcp_listener *l = c->listener;

	list_del(&c->accept_node);
	c->listener = NULL;
	if (--l->naccept == 0 && !l->shut)
		sock_ready(st, &l->sk, 0, RDY_IN, 0);
}

void tcp_listener_drop(struct stack *st, struct tcp_listener *l)
{
	while (!list_empty(&l->reqs))
		tcp_req_free(st, list_first(&l->reqs, struct tcp_req, node));
	while (!list_empty(&l->acceptq)) {
		struct tcp_conn *c = list_first(&l->acceptq, struct tcp_conn, accept_node);
		AT(st, c);

		tcp_listener_forget(st, c);
		tcp_conn_orphan(st, c);
		if (c->state == TCPS_CLOSED)
			tcp_conn_free(st, c);
		else
			tcp_conn_abort(st, c, 0);
	}
}

void tcp_listener_shut(struct stack *st, struct tcp_listener *l)
{
	if (l->shut)
		return;
	l->shut = true;
	wheel_cancel(&st->wheel, &l->left_timer);
	list_del(&l->node);
	tcp_listener_drop(st, l);
	fastopen_listener_end(l);
	sock_ready(st, &l->sk, RDY_SHUT, RDY_IN, RDY_SHUT);
}

void tcp_listener_close(struct stack *st, struct tcp_listener *l)
{
	tcp_listener_shut(st, l);
	sock_fini(st, &l->sk);
	pool_put(&st->tcp->listeners, l);
}

void tcp_listener_reset(struct stack *st, struct tcp_listener *l)
{
	list_init(&l->node);
	list_init(&l->reqs);
	list_init(&l->acceptq);
	l->nreqs = l->naccept = 0;
	timer_init(&l->left_timer, TIMER_TCP_LEFT);
	if (l->left && !l->shut)
		wheel_arm(&st->wheel, &l->left_timer, st->now_ns + LEFT_NS);
	fastopen_listener_init(st, l);
	if (!l->shut)
		list_push_back(bucket(st, l->sk.local.port), &l->node);
	sock_revive(st, &l->sk, l->shut ? RDY_SHUT : 0);
}

void tcp_listener_queue(struct stack *st, struct tcp_listener *l, struct tcp_conn *c)
{
	c->listener = l;
	list_push_back(&l->acceptq, &c->accept_node);
	l->naccept++;
	sock_ready(st, &l->sk, RDY_IN, 0, RDY_IN);
}

bool tcp_acceptq_full(struct stack *st, const struct tcp_listener *l)
{
	if (l->naccept <= l->backlog)
		return false;
	COUNT(st, tcp_listen_overflow);
	return true;
}
