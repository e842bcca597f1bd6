/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The application's side of the byte stream: SEND and RECEIVE of RFC 9293 3.10.4 and 3.10.5, with
 * the results and errors of Linux's tcp_sendmsg() and tcp_recvmsg(). Must never take bytes it then
 * does not send, nor acknowledge a read before the bytes are in the caller's hands.
 */
#include <errno.h>

#include "tcp.h"

#define ZEROCOPY_COPIED 1 /* SO_EE_CODE_ZEROCOPY_COPIED */

/* 0: may send; or the errno. A pending error is reported once. */
static int send_check(struct tcp_conn *c)
{
	if (c->sk.err || c->shut_wr) {
		int err = c->sk.err ? c->sk.err : EPIPE;

		c->sk.err = 0;
		return -err;
	}
	if (tcp_half_open(c))
		return -EAGAIN;
	if (!tcp_state_in(c, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_CLOSE_WAIT) |
				     TCPS_BIT(TCPS_SYN_RCVD)))
		return -EPIPE;
	return 0;
}

static uint32_t send_space(const struct tcp_conn *c)
{
	return c->snd.len < c->snd_limit ? c->snd_limit - c->snd.len : 0;
}

bool stack_may_send(const struct sock *sk)
{
	const struct tcp_conn *c = tcp_conn_of(sk);

	return sk->type == STK_TCP && !sk->err && !c->shut_wr && !tcp_half_open(c) &&
	       tcp_state_in(c, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_CLOSE_WAIT) |
				       TCPS_BIT(TCPS_SYN_RCVD)) &&
	       send_space(c);
}

/* The send buffer has room and memory has none: a socket that went on saying it is writable would
 * have its program spin. */
static void blk_wait(struct stack *st, struct tcp_conn *c)
{
	list_del(&c->blkw);
	list_push_back(&st->tcp->blk_wait, &c->blkw);
	st->blk_wanted = true;
}

/* Blocks are few: as many are told as could use them, whoever has waited longest first. The next
 * are told after those have had their time, if there is still something left: who has lost interest
 * holds nobody up for long. */
#define BLK_WAKE_MAX 16u
#define BLK_WAKE_NS 1000000ull
void tcp_blks_freed(struct stack *st)
{
	struct list *l = &st->tcp->blk_wait;
	uint32_t n = st->blks.limit - st->blks.out;

	if (n > BLK_WAKE_MAX)
		n = BLK_WAKE_MAX;
	for (; n > 0 && !list_empty(l); n--) {
		struct tcp_conn *c = list_first(l, struct tcp_conn, blkw);

		list_del(&c->blkw);
		tcp_ready(st, c, 0);
	}
	st->tcp->blk_wake_ns = st->now_ns + BLK_WAKE_NS;
	st->blk_wanted = !list_empty(l);
}

/* New bytes are in: let them out, and tell how the buffer stands now. */
static void sent_more(struct stack *st, struct tcp_conn *c, unsigned flags)
{
	if (!c->out_blocked)
		tcp_output(st, c, flags & SEND_MORE ? OUT_MORE : 0);
	tcp_ready(st, c, 0);
}

/* The first send on a deferred connection: its SYN, with what may go with it. */
static ssize_t send_deferred(struct stack *st, struct tcp_conn *c, const struct iovec *iov,
			     int iovcnt)
{
	uint32_t room = fastopen_begin(st, c), done = 0;

	if (room > c->snd_limit)
		room = c->snd_limit;
	if (room && iovcnt > 0)
		done = sndbuf_append(st, &c->snd, iov, iovcnt, 0, room);
	tcp_output(st, c, 0);
	if (c->soft_err_valid && sent_empty(&c->sent)) {
		int err = c->soft_err;

		COUNT(st, tcp_conn_failed);
		tcp_conn_done(st, c, 0);
		return -err;
	}
	tcp_ready(st, c, 0);
	return done ? (ssize_t)done : -EINPROGRESS;
}

ssize_t stack_send(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
		   unsigned flags, uint64_t now_ns)
{
	AT(st, sk);
	struct tcp_conn *c = tcp_conn_of(sk);
	size_t want = 0;
	uint32_t space, done;
	int r;

	st->now_ns = now_ns;
	if (sk->type != STK_TCP)
		return -ENOTCONN;
	if (unlikely(c->fo_flags & FO_DEFERRED))
		return send_deferred(st, c, iov, iovcnt);
	r = send_check(c);
	if (r) {
		tcp_ready(st, c, 0);
		return r;
	}
	for (int i = 0; i < iovcnt; i++)
		want += iov[i].iov_len;
	if (want == 0)
		return 0;
	space = send_space(c);
	done = space ? sndbuf_append(st, &c->snd, iov, iovcnt, 0, space) : 0;
	if (done < want)
		c->nospace = true;
	if (done == 0) {
		if (space)
			blk_wait(st, c);
		tcp_ready(st, c, 0);
		return -EAGAIN;
	}
	if (unlikely(c->o.stamping || flags & SEND_STAMP_OWN) &&
	    flags & (done < want ? SEND_STAMP_CUT : SEND_STAMP))
		stamp_written(st, c, flags);
	/* what did not fit follows soon: as Linux, which pushes full segments only, until then */
	if (unlikely(flags & SEND_OOB))
		urgent_mark(c);
	sent_more(st, c, done < want ? flags | SEND_MORE : flags);
	return done;
}

/* As __msg_zerocopy_callback() of Linux, for messages that were copied. Whoever waits for it has
 * memory that is not his: no bound holds it back, and when there is no entry to be had, the next
 * one tells of these as well. */
void tcp_zerocopy_tell(struct stack *st, struct tcp_conn *c)
{
	struct sock_err *last, e = {.origin = SOCK_ERR_ZEROCOPY, .code = ZEROCOPY_COPIED};

	if (c->zc_told == c->zc_next)
		return;
	e.info = c->zc_told;
	e.data = c->zc_next - 1;
	last = sock_err_last(&c->sk);
	/* the numbers of a row do not meet their beginning again */
	if (last && last->origin == SOCK_ERR_ZEROCOPY && last->data + 1 == e.info &&
	    e.data - last->info > e.data - e.info) {
		last->data = e.data;
		tcp_ready(st, c, RDY_ERR);
	} else if (!sock_err_push(st, &c->sk, &e, 0, SOCK_ERR_ALWAYS)) {
		return;
	}
	c->zc_told = c->zc_next;
}

void stack_zerocopy(struct stack *st, struct sock *sk, size_t n)
{
	AT(st, sk);
	struct tcp_conn *c = tcp_conn_of(sk);

	if (n == 0 || sk->type != STK_TCP || !sock_kept_on(&c->o, KEPT_ZEROCOPY))
		return;
	c->zc_next++;
	tcp_zerocopy_tell(st, c);
}

int stack_send_reserve(struct stack *st, struct sock *sk, struct iovec *iov, int max_iov,
		       size_t max_bytes)
{
	AT(st, sk);
	struct tcp_conn *c = tcp_conn_of(sk);
	uint32_t space;
	int r;

	if (sk->type != STK_TCP)
		return -ENOTCONN;
	if (unlikely(c->fo_flags & FO_DEFERRED))
		send_deferred(st, c, NULL, 0); /* what is put there by others follows later */
	r = send_check(c);
	if (r) {
		tcp_ready(st, c, 0);
		return r;
	}
	space = send_space(c);
	if (max_bytes < space)
		space = (uint32_t)max_bytes;
	r = space ? sndbuf_reserve(st, &c->snd, iov, max_iov, space) : 0;
	if (r > 0)
		return r;
	c->nospace = true;
	if (space)
		blk_wait(st, c);
	tcp_ready(st, c, 0);
	return -EAGAIN;
}

void stack_send_commit(struct stack *st, struct sock *sk, size_t n, unsigned flags, uint64_t now_ns)
{
	AT(st, sk);
	struct tcp_conn *c = tcp_conn_of(sk);

	st->now_ns = now_ns;
	if (c->state == TCPS_CLOSED) /* reset meanwhile, and the reserved space with it */
		return;
	sndbuf_commit(st, &c->snd, (uint32_t)n);
	if (unlikely(c->o.stamping) && n > 0)
		stamp_written(st, c, 0);
	if (n > 0)
		sent_more(st, c, flags);
}

/* Nothing to read: why. */
static ssize_t recv_nothing(struct stack *st, struct tcp_conn *c)
{
	if (c->fin_rcvd) /* the end comes before an error, which stays (SOCK_DONE in Linux) */
		return 0;
	if (c->sk.err) {
		int err = c->sk.err;

		c->sk.err = 0;
		tcp_ready(st, c, 0);
		return -err;
	}
	if (c->shut_rd || c->state == TCPS_CLOSED)
		return 0;
	return -EAGAIN;
}

static size_t iov_bytes(const struct iovec *iov, int iovcnt)
{
	size_t n = 0;

	for (int i = 0; i < iovcnt; i++)
		n += iov[i].iov_len;
	return n;
}

static ssize_t recv_urgent(struct stack *st, struct tcp_conn *c, const struct iovec *iov,
			   int iovcnt, unsigned flags)
{
	uint8_t byte;
	int r = urgent_take(c, &byte, flags & RECV_PEEK);

	tcp_ready(st, c, 0);
	if (r <= 0)
		return r;
	while (iovcnt > 0 && iov->iov_len == 0) {
		iov++;
		iovcnt--;
	}
	if (iovcnt > 0 && !(flags & RECV_TRUNC))
		memcpy(iov->iov_base, &byte, 1);
	return iovcnt > 0;
}

/* n bytes have left the receive queue, or now do (drop). */
static void recv_took(struct stack *st, struct tcp_conn *c, uint32_t n, bool drop)
{
	if (unlikely(c->stamps.rx))
		stamp_read(c, seq_add(c->copied, n), false);
	if (drop)
		rcvbuf_drop(st, &c->rcv, n);
	tcp_rcvwin_read(st, c, n);
	urgent_read(c);
	tcp_ready(st, c, 0);
}

ssize_t stack_recv(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
		   unsigned flags, uint64_t now_ns)
{
	AT(st, sk);
	struct tcp_conn *c = tcp_conn_of(sk);
	struct rcvbuf_want w = {.peek = flags & RECV_PEEK, .drop = flags & RECV_TRUNC};
	size_t n;

	st->now_ns = now_ns;
	if (sk->type != STK_TCP)
		return -ENOTCONN;
	if (!(flags & RECV_ON))
		c->stamps.read_ns = 0;
	if (unlikely(flags & RECV_OOB))
		return recv_urgent(st, c, iov, iovcnt, flags);
	if (unlikely((flags & RECV_ON) && urgent_at_mark(c)))
		return 0;
	w.max = urgent_readable(c, &w.skip);
	if (unlikely(w.skip && iov_bytes(iov, iovcnt) == 0))
		return 0; /* the mark stays where it is */
	if (unlikely(w.skip && !w.peek)) {
		recv_took(st, c, 1, true);
		w.skip = 0;
	}
	if (w.max == 0)
		return iov_bytes(iov, iovcnt) ? recv_nothing(st, c) : 0;
	n = rcvbuf_read(st, &c->rcv, iov, iovcnt, &w);
	if (unlikely(c->stamps.rx) && w.peek && n > 0)
		stamp_read(c, seq_add(c->copied, w.skip + (uint32_t)n), true);
	if (w.peek || n == 0)
		return (ssize_t)n;
	recv_took(st, c, (uint32_t)n, false);
	return (ssize_t)n;
}
