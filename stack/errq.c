/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The error queue of a socket: what recvmsg() with MSG_ERRQUEUE gives out (ICMP errors, time stamps
 * of what was sent, ...), oldest first. Decides what it may hold and what reading it does to the
 * pending error, as sock_queue_err_skb() and sock_dequeue_err_skb() of Linux; what the entries mean
 * is the business of who makes them.
 */

#include "tcp/tcp.h"

static bool is_icmp(const struct sock_err *e)
{
	return e->origin == SOCK_ERR_ICMP || e->origin == SOCK_ERR_ICMP6;
}

static uint32_t cost(const struct sock_err *e)
{
	return SOCK_ERR_COST + e->bytes;
}

static void err_free(struct stack *st, struct sock_err *e)
{
	list_del(&e->node);
	while (e->payload != NULL) {
		struct blk *next = e->payload->next;

		blk_put(st, e->payload);
		e->payload = next;
	}
	pool_put(&st->errs, e);
}

struct sock_err *sock_err_push(struct stack *st, struct sock *sk, const struct sock_err *e,
			       uint32_t bytes, uint32_t room)
{
	struct sock_err *n;

	if (sk->orphan || (uint64_t)sk->err_bytes + SOCK_ERR_COST + bytes >= room)
		return NULL;
	n = pool_get(&st->errs);
	if (n == NULL)
		return NULL;
	*n = *e;
	n->payload = NULL;
	n->bytes = 0;
	list_init(&n->node);
	list_push_back(&sk->errs, &n->node);
	sk->err_bytes += cost(n);
	sock_ready(st, sk, RDY_ERR, 0, RDY_ERR);
	return n;
}

bool sock_err_append(struct stack *st, struct sock *sk, struct sock_err *e, const void *data,
		     uint32_t n)
{
	const uint8_t *src = data;
	struct blk *b = e->payload;

	while (b != NULL && b->next != NULL)
		b = b->next;
	while (n > 0) {
		uint32_t part;

		if (b == NULL || b->end == BLK_DATA_BYTES) {
			struct blk *more = blk_get(st);

			if (more == NULL)
				return false;
			if (b != NULL)
				b->next = more;
			else
				e->payload = more;
			b = more;
		}
		part = BLK_DATA_BYTES - b->end < n ? BLK_DATA_BYTES - b->end : n;
		memcpy(b->data + b->end, src, part);
		b->end += part;
		src += part;
		n -= part;
		e->bytes += part;
		sk->err_bytes += part;
	}
	return true;
}

struct sock_err *sock_err_last(const struct sock *sk)
{
	return list_empty(&sk->errs) ? NULL : list_entry(sk->errs.prev, struct sock_err, node);
}

void sock_errs_purge(struct stack *st, struct sock *sk)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &sk->errs) {
		struct sock_err *e = list_entry(pos, struct sock_err, node);

		if (e->origin == SOCK_ERR_STAMP || e->origin == SOCK_ERR_ZEROCOPY)
			continue;
		sk->err_bytes -= cost(e);
		err_free(st, e);
	}
}

void sock_errs_free(struct stack *st, struct sock *sk)
{
	while (!list_empty(&sk->errs))
		err_free(st, list_first(&sk->errs, struct sock_err, node));
	sk->err_bytes = 0;
}

const struct sock_err *stack_err_peek(const struct sock *sk)
{
	return list_empty(&sk->errs) ? NULL : list_first(&sk->errs, struct sock_err, node);
}

static uint32_t payload_copy(const struct sock_err *e, const struct iovec *iov, int iovcnt)
{
	const struct blk *b = e->payload;
	uint32_t done = 0, at = 0;
	size_t off = 0;

	while (b != NULL && iovcnt > 0) {
		size_t room = iov->iov_len - off, n = b->end - at;

		if (n > room)
			n = room;
		if (n > 0)
			memcpy((uint8_t *)iov->iov_base + off, b->data + at, n);
		done += (uint32_t)n;
		at += (uint32_t)n;
		off += n;
		if (at == b->end) {
			b = b->next;
			at = 0;
		}
		if (off == iov->iov_len) {
			iov++;
			iovcnt--;
			off = 0;
		}
	}
	return done;
}

uint32_t stack_err_data(const struct sock *sk, void *buf, uint32_t max)
{
	struct iovec v = {buf, max};

	return payload_copy(stack_err_peek(sk), &v, 1);
}

uint32_t stack_err_take(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
			struct sock_err *out)
{
	AT(st, sk);
	struct sock_err *e = list_first(&sk->errs, struct sock_err, node);
	const struct sock_err *next;
	uint32_t n = payload_copy(e, iov, iovcnt);

	*out = *e;
	out->payload = NULL;
	sk->err_bytes -= cost(e);
	err_free(st, e);
	if (sk->type == STK_TCP)
		tcp_zerocopy_tell(st, tcp_conn_of(sk));
	next = stack_err_peek(sk);
	/* The pending error was its doing, or is now the next one's. */
	if (next != NULL && is_icmp(next))
		sk->err = (int)next->err;
	else if (is_icmp(out))
		sk->err = 0;
	if (next != NULL)
		sock_ready(st, sk, RDY_ERR, 0, RDY_ERR);
	else if (sk->err == 0)
		sock_ready(st, sk, 0, RDY_ERR, 0);
	return n;
}
