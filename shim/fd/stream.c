/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes in and out of TCP connections, with the flags and the blocking of Linux's tcp_sendmsg() and
 * tcp_recvmsg(); the many-message calls for both kinds of socket.
 *
 * A blocking write returns when all is queued; what has been moved before a signal, a timeout or an
 * error counts, and the error is told next time. Nothing here may take an error or a byte from the
 * stack that it does not hand to the caller.
 */
#include "sock_int.h"

#include <limits.h>
#include <linux/net_tstamp.h>

#include "cmsg.h"
#include "shim/proc/user.h"

#define IOVS_MAX 1024 /* of one message: the kernel's UIO_MAXIOV */
#define IOV_SLICE 16  /* pieces handed over at once after a partial write */
#define SEND_STEP_BYTES \
	(256u << 10) /* touched (user.h) and handed over at once: a gigabyte offered to a
			full buffer again and again must not be looked through each time */
#define RECV_TOUCH_BYTES 2048u
#define CONTROL_MAX (128u << 10) /* of control messages: net.core.optmem_max as it comes */
#define PEEK_STEP_NS \
	1000000 /* MSG_PEEK | MSG_WAITALL looks this often: more bytes behind those
				  that are there already make no event of their own to wait for */

ssize_t sock_iov_total(const struct iovec *iov, size_t n)
{
	bool possible = true;
	size_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = iov[i].iov_len;

		if ((ssize_t)len < 0)
			return -EINVAL;
		if (n == 1 && len > SOCK_MOVE_MAX) /* Linux looks at as much as it moves */
			len = SOCK_MOVE_MAX;
		possible &= user_possible(iov[i].iov_base, len);
		sum = len < SOCK_MOVE_MAX - sum ? sum + len : SOCK_MOVE_MAX;
	}
	return possible ? (ssize_t)sum : -EFAULT;
}

/* The pieces of src from byte skip on: at most IOV_SLICE of them, and max bytes. Returns how many;
 * *bytes: how many bytes that is. */
static int iov_slice(struct iovec dst[IOV_SLICE], const struct iovec *src, size_t n, size_t skip,
		     size_t max, size_t *bytes)
{
	size_t i = 0, sum = 0;
	int k = 0;

	for (; i < n && skip >= src[i].iov_len; i++)
		skip -= src[i].iov_len;
	for (; i < n && k < IOV_SLICE && sum < max; i++, skip = 0) {
		size_t len = src[i].iov_len - skip;

		if (!len)
			continue;
		dst[k].iov_base = (char *)src[i].iov_base + skip;
		dst[k].iov_len = len < max - sum ? len : max - sum;
		sum += dst[k++].iov_len;
	}
	*bytes = sum;
	return k;
}

/* ---- the application's memory --------------------------------------------------------------- */

/*
 * What a call moves. Its memory is touched (user.h) before the lock is taken, since a page may be
 * on a disk, or in the hands of a userfaultfd: under the lock, bytes are moved only to and from
 * what has been touched, [.., reach).
 */
struct span {
	const struct iovec *iov;
	size_t n;
	size_t total; /* bytes in all */
	size_t done;  /* moved so far */
	size_t reach; /* touched so far, and good */
	bool bad;     /* the next step of them is not: none of it is moved, as the kernel moves
			 a piece wholly or not at all */
};

/* What is handed to the stack at once, of what is left of a span. */
struct part {
	const struct iovec *iov;
	int n;
	size_t bytes;
	struct iovec piece[IOV_SLICE];
};

/* The bytes of s in [done, end), or the first of them. */
static void part_of(struct part *p, const struct span *s, size_t end)
{
	if (likely(s->done == 0 && end >= s->total)) {
		p->iov = s->iov;
		p->n = (int)s->n;
		p->bytes = s->total;
	} else {
		p->iov = p->piece;
		p->n = iov_slice(p->piece, s->iov, s->n, s->done, end - s->done, &p->bytes);
	}
}

/* Touches up to end. No lock held. */
static void span_touch(struct span *s, size_t end,
		       size_t (*touch)(const struct iovec *iov, size_t n, size_t max))
{
	struct part p;

	if (end > s->total)
		end = s->total;
	while (s->reach < end && !s->bad) {
		struct span rest = {s->iov, s->n, s->total, s->reach, 0, false};

		part_of(&p, &rest, end);
		if (!p.bytes)
			break;
		if (unlikely(touch(p.iov, (size_t)p.n, p.bytes) < p.bytes))
			s->bad = true;
		else
			s->reach += p.bytes;
	}
}

/* The same for a call that has the lock and gives it up meanwhile. 0, or -EBADF. */
static int span_touch_paused(struct span *s, struct call *c, size_t end,
			     size_t (*touch)(const struct iovec *iov, size_t n, size_t max))
{
	call_pause(c, RUN_LATER);
	span_touch(s, end, touch);
	return call_resume(c);
}

/* ---- out ------------------------------------------------------------------------------------ */

static size_t send_step_end(const struct span *s)
{
	return s->total - s->done < SEND_STEP_BYTES ? s->total : s->done + SEND_STEP_BYTES;
}

/* One try of a send; sr->lock held. What is wrong with the message is told after what is wrong with
 * the socket. */
static ssize_t stream_send_try(struct call *c, struct span *s, unsigned sflags, int wrong)
{
	const struct iovec none = {NULL, 0};
	struct sock *sk;
	struct part p;
	ssize_t r;

	if (unlikely(s->reach == s->done && s->done < s->total && !s->bad && !wrong)) {
		r = span_touch_paused(s, c, send_step_end(s), user_iov_readable);
		if (r < 0)
			return r;
	}
	sk = call_sk(c);
	if (sk->type != STK_TCP)
		return -EPIPE;
	if (unlikely(wrong || (s->bad && s->reach == s->done))) {
		r = stack_send(c->sr->st, sk, &none, 1, 0, now_ns());
		if (r < 0 || wrong)
			return r < 0 ? r : wrong;
		return sk->ready & RDY_OUT ? -EFAULT : -EAGAIN;
	}
	part_of(&p, s, s->reach);
	if (s->done + p.bytes < s->total)
		sflags = (sflags | SEND_MORE) & ~(unsigned)SEND_STAMP;
	return stack_send(c->sr->st, sk, p.iov, p.n, sflags, now_ns());
}

/* The first send on a deferred connection. As the kernel: who blocks is held until the handshake is
 * through. Bytes that went with the SYN, -EINPROGRESS, or an error. */
static ssize_t stream_send_first(struct call *c, struct span *s)
{
	ssize_t sent = stream_send_try(c, s, 0, 0);
	int r;

	if (c->nonblock || (sent < 0 && sent != -EINPROGRESS))
		return sent;
	r = sock_fastopen_wait(c);
	if (r == -EAGAIN)
		return sent;
	return r < 0 ? r : sent > 0 ? sent : 0;
}

/* An entry of the error queue says that it has been sent. */
static bool stamps_wait(const struct call *c)
{
	return call_sk(c) && unlikely(call_sk(c)->err_bytes);
}

/* Of the bytes in s. What its control messages ask for: stamps is SEND_STAMP_OWN and what goes with
 * it, or 0; wrong is 0, or what is wrong with them. */
static ssize_t stream_send(int fd, struct ofd *o, struct span *s, int flags, unsigned stamps,
			   int wrong)
{
	unsigned sflags = (flags & MSG_MORE ? SEND_MORE : 0) | (flags & MSG_OOB ? SEND_OOB : 0) |
			  (flags & MSG_EOR ? SEND_EOR : 0) | SEND_STAMP | stamps;
	struct call c;
	ssize_t r;

	sock_catch_up(o, flags);
	if (likely(!wrong))
		span_touch(s, send_step_end(s), user_iov_readable);
	r = call_begin(&c, fd, o, ofd_nonblock(o, flags), o->sndtimeo_ns);
	if (r < 0)
		return r;
	if (c.nonblock)
		sflags |= SEND_STAMP_CUT;
	for (;;) {
		if (unlikely(!wrong && stack_deferred(call_sk(&c))))
			r = stream_send_first(&c, s);
		else
			r = stream_send_try(&c, s, sflags, wrong);
		if (likely(r >= 0)) {
			s->done += (size_t)r;
			if (s->done >= s->total || call_sk(&c)->err)
				break;
		} else if (r != -EAGAIN || (s->done && c.nonblock)) {
			break;
		} else {
			r = call_again(&c, RDY_OUT);
			if (r < 0)
				break;
		}
	}
	if (unlikely(flags & MSG_ZEROCOPY) && call_sk(&c))
		stack_zerocopy(c.sr->st, call_sk(&c), s->done);
	/* Who is told when it was sent is told the truth, if it goes now. */
	call_end(&c, c.nonblock && !stamps_wait(&c) ? RUN_LATER : RUN_KICK);
	if (s->done)
		return (ssize_t)s->done;
	if (r == -EPIPE && !(flags & MSG_NOSIGNAL))
		sock_sigpipe();
	return r;
}

struct send_pass {
	const struct msghdr *msg;
	int fd, flags;
};

static long send_pass(void *arg)
{
	const struct send_pass *p = arg;

	return sys_sendmsg(p->fd, p->msg, p->flags);
}

/* The control messages: 0; *stamps: what they ask for; *wrong: what the connection says to them, if
 * it can send. */
static int stream_control(const struct msghdr *msg, unsigned *stamps, int *wrong)
{
	uint32_t own = 0, what;

	if (msg->msg_controllen > CONTROL_MAX)
		return -ENOBUFS;
	if (!user_can_read(msg->msg_control, msg->msg_controllen))
		return -EFAULT;
	*wrong = cmsg_parse_stream(msg, &own);
	if (*wrong || !(own & CMSG_STAMPS_OWN))
		return 0;
	what = (own & SOF_TIMESTAMPING_TX_SOFTWARE ? STAMP_SENT : 0) |
	       (own & SOF_TIMESTAMPING_TX_SCHED ? STAMP_QUEUED : 0) |
	       (own & SOF_TIMESTAMPING_TX_ACK ? STAMP_ACKED : 0);
	*stamps = SEND_STAMP_OWN | what << SEND_STAMP_SHIFT;
	return 0;
}

ssize_t sock_sendmsg(int fd, struct ofd *o, const struct msghdr *msg, int flags)
{
	struct span s = {.iov = msg->msg_iov, .n = msg->msg_iovlen};
	unsigned stamps = 0;
	int r, wrong = 0;
	ssize_t total;

	if (msg->msg_iovlen > SOCK_MMSG_MAX)
		return -EMSGSIZE;
	total = sock_iov_total(msg->msg_iov, msg->msg_iovlen);
	if (total < 0)
		return total;
	if (o->socktype == SOCK_DGRAM)
		return udp_sendmsg(fd, o, msg, flags);
	s.total = (size_t)total;
	if (unlikely(msg->msg_controllen)) {
		r = stream_control(msg, &stamps, &wrong);
		if (r < 0)
			return r;
	}
	if (unlikely(flags & MSG_FASTOPEN)) {
		r = sock_fastopen_connect(fd, o, msg->msg_name, msg->msg_namelen,
					  ofd_nonblock(o, flags));

		if (r == -ENOPROTOOPT) {
			struct send_pass pass = {msg, fd, flags};

			return thread_pass(send_pass, &pass);
		}
		if (r < 0)
			return r;
	}
	return stream_send(fd, o, &s, flags, stamps, wrong);
}

/* ---- in ------------------------------------------------------------------------------------- */

/* Peeking until len bytes are there: the ones that are there keep the socket ready all along. */
static int peek_wait(struct call *c)
{
	uint64_t end = c->deadline_ns, step = now_ns() + PEEK_STEP_NS;
	int r;

	if (c->nonblock)
		return -EAGAIN;
	c->deadline_ns = step < end ? step : end;
	r = call_again(c, RDY_RDHUP);
	c->deadline_ns = end;
	if (r == -EAGAIN && now_ns() < end)
		r = 0;
	return r;
}

/* Enough of what was asked for: a read may return. got: in this call. */
static bool recv_enough(const struct ofd *o, struct sock *sk, size_t got, size_t len, int flags)
{
	size_t target = o->rcvlowat > 1 ? o->rcvlowat : 1;

	if (flags & MSG_WAITALL)
		target = len;
	return got >= (target < len ? target : len) || (got && sk->err);
}

/* One try of a receive; sr->lock held. s->done: bytes that are in the caller's hands already. */
static ssize_t stream_recv_try(struct call *c, struct span *s, unsigned rflags)
{
	struct sock *sk = call_sk(c);
	size_t there, left = s->total - s->done;
	struct part p;
	int r;

	if (sk->type != STK_TCP)
		return -ENOTCONN;
	if (unlikely(left == 0) && !(sk->ready & (RDY_IN | RDY_HUP)) && !sk->err)
		return -EAGAIN; /* waits for a byte that it does not take, as Linux */
	there = stack_unread(sk);
	if (there > left)
		there = left;
	if (!there || rflags & RECV_TRUNC) {
		part_of(&p, s, s->total); /* nothing is written */
		return stack_recv(c->sr->st, sk, p.iov, p.n, rflags, now_ns());
	}
	if (unlikely(s->reach < s->done + there) && !s->bad) {
		r = span_touch_paused(s, c, s->done + there, user_iov_writable);
		if (r < 0)
			return r;
		sk = call_sk(c); /* where all may be different now, but that bytes are there */
		if (sk->type != STK_TCP)
			return -ENOTCONN;
	}
	if (unlikely(s->bad && s->reach < s->done + there))
		return -EFAULT;
	part_of(&p, s, s->done + there);
	return stack_recv(c->sr->st, sk, p.iov, p.n, rflags, now_ns());
}

/* What a receive will probably fill is touched before the lock is taken: what is there, or as much
 * as a small message. */
static void stream_recv_touch(struct span *s, const struct ofd *o)
{
	const struct sock *sk = atomic_load_explicit(&o->sk, memory_order_relaxed);
	size_t there = sk && sk->type == STK_TCP ? stack_unread(sk) : 0;

	span_touch(s, there > RECV_TOUCH_BYTES ? there : RECV_TOUCH_BYTES, user_iov_writable);
	s->bad = false; /* it may be beyond what comes */
}

/* *notes: what is to be told beside the bytes; *noted: whether there is anything. */
static ssize_t stream_recv(int fd, struct ofd *o, struct span *s, int flags,
			   struct recv_notes *notes, bool *noted)
{
	unsigned rflags = (flags & MSG_PEEK ? RECV_PEEK : 0) | (flags & MSG_TRUNC ? RECV_TRUNC : 0);
	struct span all = *s;
	size_t done = 0;
	struct call c;
	ssize_t r;

	/* Who is shut down reads the end, but after what has come. */
	sock_catch_up(o, ofd_ready(o) & RDY_RDHUP ? 0 : flags);
	if (likely(!(rflags & RECV_TRUNC)))
		stream_recv_touch(&all, o);
	r = call_begin(&c, fd, o, ofd_nonblock(o, flags), o->rcvtimeo_ns);
	if (r < 0)
		return r;
	for (;;) {
		all.done = flags & MSG_PEEK ? 0 : done;
		r = stream_recv_try(&c, &all, rflags);
		if (likely(r > 0)) {
			done = flags & MSG_PEEK ? (size_t)r : done + (size_t)r;
			rflags |= flags & MSG_PEEK ? 0 : RECV_ON;
			if (recv_enough(o, call_sk(&c), done, all.total, flags))
				break;
			if (flags & MSG_PEEK && done < stack_unread(call_sk(&c)))
				break; /* at the urgent mark */
			if (flags & MSG_PEEK) {
				r = call_sk(&c)->ready & RDY_RDHUP ? -EAGAIN : peek_wait(&c);
				if (r < 0)
					break;
			}
			continue;
		}
		if (r != -EAGAIN || (done && c.nonblock))
			break;
		r = call_again(&c, RDY_IN | RDY_RDHUP);
		if (r < 0)
			break;
	}
	*noted = call_sk(&c) && stack_recv_notes(call_sk(&c), notes);
	call_end(&c, RUN_LATER);
	return done ? (ssize_t)done : r;
}

/* The urgent byte: never waits. */
static ssize_t stream_recv_oob(int fd, struct ofd *o, const struct iovec *iov, size_t iovcnt,
			       int flags, struct recv_notes *notes, bool *noted)
{
	unsigned rflags = RECV_OOB | (flags & MSG_PEEK ? RECV_PEEK : 0);
	struct call c;
	ssize_t r;

	sock_settle(o->sr);
	if (user_iov_writable(iov, iovcnt, 1) < (iovcnt && iov[0].iov_len))
		return -EFAULT;
	r = call_begin(&c, fd, o, true, 0);
	if (r < 0)
		return r;
	r = call_sk(&c)->type != STK_TCP
		    ? -ENOTCONN
		    : stack_recv(c.sr->st, call_sk(&c), iov, (int)iovcnt, rflags, now_ns());
	*noted = call_sk(&c) && stack_recv_notes(call_sk(&c), notes);
	call_end(&c, RUN_LATER);
	return r;
}

ssize_t sock_recvmsg(int fd, struct ofd *o, struct msghdr *msg, int flags)
{
	struct span s = {.iov = msg->msg_iov, .n = msg->msg_iovlen};
	struct recv_notes notes;
	bool noted = false;
	ssize_t r;

	if (msg->msg_iovlen > SOCK_MMSG_MAX)
		return -EMSGSIZE;
	r = sock_iov_total(msg->msg_iov, msg->msg_iovlen);
	if (r < 0)
		return r;
	s.total = (size_t)r;
	if (o->socktype == SOCK_DGRAM)
		return udp_recvmsg(fd, o, msg, flags);
	if (flags & MSG_ERRQUEUE)
		return stream_recv_error(fd, o, msg, flags);
	if (unlikely(flags & MSG_OOB))
		r = stream_recv_oob(fd, o, msg->msg_iov, msg->msg_iovlen, flags, &notes, &noted);
	else
		r = stream_recv(fd, o, &s, flags, &notes, &noted);
	if (r < 0)
		return r;
	if (msg->msg_name)
		msg->msg_namelen = 0;
	msg->msg_flags = (flags & MSG_CMSG_CLOEXEC) | (flags & MSG_OOB && r > 0 ? MSG_OOB : 0);
	if (unlikely(noted))
		stream_tell(msg, &notes);
	else
		msg->msg_controllen = 0;
	return r;
}

/* ---- many at once --------------------------------------------------------------------------- */

int sock_msg_check(const struct msghdr *msg, bool out)
{
	size_t name;

	/* One to be sent may lie where nothing can be written. */
	if (!(out ? user_can_read(msg, sizeof(*msg))
		  : user_can_write((void *)(uintptr_t)msg, sizeof(*msg))))
		return -EFAULT;
	name = msg->msg_name ? msg->msg_namelen : 0;
	if ((int)name < 0)
		return -EINVAL;
	if (name > sizeof(struct sockaddr_storage))
		name = sizeof(struct sockaddr_storage);
	if (out && !user_can_read(msg->msg_name, name))
		return -EFAULT;
	if (msg->msg_iovlen > SOCK_MMSG_MAX)
		return -EMSGSIZE;
	if (!user_can_read(msg->msg_iov, msg->msg_iovlen * sizeof(*msg->msg_iov)))
		return -EFAULT;
	return 0;
}

/* One of the array, which is looked at as it is reached. */
static int mmsg_check(struct mmsghdr *m, bool out)
{
	return user_can_write(&m->msg_len, sizeof(m->msg_len)) ? sock_msg_check(&m->msg_hdr, out)
							       : -EFAULT;
}

int sock_sendmmsg(int fd, struct ofd *o, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned i;
	ssize_t r = 0;

	if (n > SOCK_MMSG_MAX)
		n = SOCK_MMSG_MAX;
	for (i = 0; i < n; i++) {
		r = mmsg_check(&v[i], true);
		if (r == 0)
			r = sock_sendmsg(fd, o, &v[i].msg_hdr, flags);
		if (r < 0)
			break;
		v[i].msg_len = (unsigned)r;
	}
	return i ? (int)i : (int)r;
}

int sock_recvmmsg(int fd, struct ofd *o, struct mmsghdr *v, unsigned n, int flags,
		  struct timespec *timeout)
{
	uint64_t end = UINT64_MAX, now;
	unsigned i;
	ssize_t r = 0;

	if (timeout) {
		if (!user_can_write(timeout, sizeof(*timeout)))
			return -EFAULT;
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000)
			return -EINVAL;
		end = now_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
		      (uint64_t)timeout->tv_nsec;
	}
	if (n > SOCK_MMSG_MAX)
		n = SOCK_MMSG_MAX;
	for (i = 0; i < n; i++) {
		r = mmsg_check(&v[i], false);
		if (r == 0)
			r = sock_recvmsg(fd, o, &v[i].msg_hdr, flags & ~MSG_WAITFORONE);
		if (r < 0)
			break;
		v[i].msg_len = (unsigned)r;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (!timeout)
			continue;
		/* The kernel, too, looks at the time only after each message. */
		now = now_ns();
		if (now >= end) {
			timeout->tv_sec = timeout->tv_nsec = 0;
			i++;
			break;
		}
		timeout->tv_sec = (time_t)((end - now) / 1000000000u);
		timeout->tv_nsec = (long)((end - now) % 1000000000u);
	}
	return i ? (int)i : (int)r;
}
