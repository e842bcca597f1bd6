/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The honest application at the other end of a silly peer's connection (silly.c). It may fail in
 * many ways, but never read a byte that was not sent there, see an end that was not said, or be
 * reset without a RST.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "sim.h"

static void fool_fail(struct fool *f, const char *what, long v)
{
	world_fail(f->w, "fool %u of node %u, follies %x: %s (%ld); read %llu, sent %llu",
		   (unsigned)(f - f->w->fool), f->n->idx, f->follies, what, v,
		   (unsigned long long)f->rx_off, (unsigned long long)f->tx_off);
}

static void fool_end(struct fool *f, bool abort)
{
	struct sock *sk = f->sk;

	f->sk = NULL;
	f->closed = true;
	world_log(f->w, "fool %u ends (%s): sent %llu, read %llu", (unsigned)(f - f->w->fool),
		  stack_state_name(sk), (unsigned long long)f->tx_off,
		  (unsigned long long)f->rx_off);
	if (abort)
		stack_abort(f->n->st, sk, node_now(f->n));
	else
		stack_close(f->n->st, sk, node_now(f->n));
	f->n->dirty = true;
}

static void fool_adopt(struct fool *f, struct sock *sk)
{
	int one = 1;

	f->sk = sk;
	/* Urgent bytes stay where they are in the stream. */
	stack_setopt(f->n->st, sk, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one), node_now(f->n));
	stack_sock_user(f->n->st, sk, &f->handle);
}

void fool_connect(struct fool *f)
{
	struct endpoint local = {.addr = node_addr(f->n->idx, f->v6), .port = f->nport};
	struct endpoint remote = {.addr = node_addr(SIM_SILLY, f->v6), .port = f->sport};
	struct sock_opts o;
	struct sock *sk;

	sock_opts_default(&o);
	o.oobinline = 1; /* whatever a peer calls urgent stays where it is */
	o.cc = (int8_t)rng_below(&f->rng, CC_ALGOS);
	if (stack_connect(f->n->st, &local, &remote, &o, &sk, node_now(f->n)) == 0)
		fool_adopt(f, sk);
	f->n->dirty = true;
}

void fool_accepted(struct world *w, struct node *n, struct sock *sk)
{
	struct fool *f = NULL;

	for (unsigned i = 0; i < w->nfools; i++)
		if (w->fool[i].n == n && w->fool[i].sport == sk->remote.port)
			f = &w->fool[i];
	if (!f || f->active || f->sk || f->closed || w->healed) {
		if (!f || f->active)
			world_fail(w, "node %u accepted what the silly peer did not open", n->idx);
		stack_abort(n->st, sk, node_now(n));
		return;
	}
	fool_adopt(f, sk);
	fool_run(f);
}

static bool fool_error(struct fool *f, int err)
{
	if (err == ECONNRESET && !f->rst_sent && !f->w->disaster)
		fool_fail(f, "reset, but not by the peer", err);
	else if (err != ECONNRESET && err != ETIMEDOUT && err != EHOSTUNREACH &&
		 err != ECONNREFUSED && err != EPIPE)
		fool_fail(f, "failed", err);
	fool_end(f, false);
	return false;
}

/* True: there may be more. */
static bool fool_read(struct fool *f)
{
	static uint8_t buf[PATTERN_MAX];
	struct iovec iov = {buf, rng_range(&f->rng, 1, rng_one_in(&f->rng, 2) ? 100 : 20000)};
	uint32_t inq = stack_inq(f->sk);
	ssize_t n;

	if (inq > stack_cfg(f->n->st)->tcp_rmem[2])
		fool_fail(f, "holds more than any buffer", inq);
	if (f->eof)
		return false;
	n = stack_recv(f->n->st, f->sk, &iov, 1, 0, node_now(f->n));
	if (n == -EAGAIN)
		return false;
	if (n < 0)
		return fool_error(f, (int)-n);
	if (n == 0) {
		f->eof = true;
		if (!f->w->disaster && (!f->fin_sent || f->rx_off != f->fin_off))
			fool_fail(f, "an end that nobody said", (long)f->fin_off);
		return false;
	}
	if (memcmp(buf, &f->w->pattern[(f->key_down + f->rx_off) % PATTERN_MOD], (size_t)n) != 0)
		fool_fail(f, "read wrong bytes", n);
	f->rx_off += (uint64_t)n;
	if (f->rx_off > f->nxt - f->iss - 1)
		fool_fail(f, "read more than was sent", n);
	world_mix(f->w, f->rx_off);
	f->n->dirty = true;
	return true;
}

static bool fool_write(struct fool *f)
{
	uint64_t left = f->up_total - f->tx_off;
	size_t want = rng_range(&f->rng, 1, rng_one_in(&f->rng, 2) ? 100 : 20000);
	struct iovec iov = {&f->w->pattern[(f->key_up + f->tx_off) % PATTERN_MOD],
			    want < left ? want : left};
	ssize_t n;

	if (!left)
		return false;
	n = stack_send(f->n->st, f->sk, &iov, 1, 0, node_now(f->n));
	if (n == -EAGAIN)
		return false;
	if (n < 0)
		return fool_error(f, (int)-n);
	f->tx_off += (uint64_t)n;
	f->n->dirty = true;
	return true;
}

void fool_run(struct fool *f)
{
	if (!f->sk || f->w->failed)
		return;
	if (f->w->healed) {
		fool_end(f, rng_one_in(&f->rng, 2));
		return;
	}
	if (stack_connecting(f->sk) && !(f->sk->ready & (RDY_ERR | RDY_HUP)))
		return;
	if (f->sk->err && stack_inq(f->sk) == 0) {
		fool_error(f, f->sk->err);
		return;
	}
	while (f->sk && !f->w->failed && fool_read(f))
		;
	while (f->sk && !f->w->failed && fool_write(f))
		;
	if (!f->sk || f->w->failed)
		return;
	if (f->eof && (f->tx_off == f->up_total || rng_one_in(&f->rng, 4)))
		fool_end(f, false);
	else if (f->tx_off == f->up_total && rng_one_in(&f->rng, 4))
		stack_shutdown(f->n->st, f->sk, SHUT_WR, node_now(f->n));
	else if (rng_one_in(&f->rng, 1000))
		fool_end(f, rng_one_in(&f->rng, 2));
	f->n->dirty = true;
}
