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
#include <linux/errqueue.h>

#include "shim/proc/user.h"

#define MSGS_MAX 1024 /* of one sendmmsg() or recvmmsg(): the kernel's UIO_MAXIOV */
#define IOV_SLICE 16  /* pieces handed over at once after a partial write */
#define SEND_STEP_BYTES \
	(256u << 10) /* touched (user.h) and handed over at once: a gigabyte offered to a
			full buffer again and again must not be looked through each time */
#define PEEK_STEP_NS \
	1000000 /* MSG_PEEK | MSG_WAITALL looks this often: more bytes behind those
				  that are there already make no event of their own to wait for */

/* Bytes in all, at most what one call may move; -EINVAL for a length that cannot be. */
static ssize_t iov_total(const struct iovec *iov, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
		sum += iov[i].iov_len;
		if (sum > INT_MAX)
			sum = INT_MAX & ~4095u;
	}
	return (ssize_t)sum;
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

/* ---- out ------------------------------------------------------------------------------------ */

/* What is handed to the stack at once, of what is left of a message. */
struct part {
	const struct iovec *iov;
	int n;
	size_t bytes;
	struct iovec piece[IOV_SLICE];
};

/*
 * The message from byte done on, at most max bytes of it. whole: they are all that the stack could
 * take. -EFAULT: not all of that memory can be read or written (reach, user.h): then none is moved,
 * as the kernel moves a piece wholly or not at all.
 */
static int part_next(struct part *p, const struct iovec *iov, size_t n, size_t done, size_t max,
		     bool whole, size_t (*reach)(const struct iovec *iov, size_t n, size_t max))
{
	if (likely(whole)) {
		p->iov = iov;
		p->n = (int)n;
		p->bytes = max;
	} else {
		p->iov = p->piece;
		p->n = iov_slice(p->piece, iov, n, done, max, &p->bytes);
	}
	return likely(reach(p->iov, (size_t)p->n, p->bytes) == p->bytes) ? 0 : -EFAULT;
}

/* One try of a send; sr->lock held. A bad pointer is told after what is wrong with the socket. */
static ssize_t stream_send_try(struct call *c, const struct iovec *iov, size_t n, size_t done,
			       size_t total, unsigned sflags)
{
	const struct iovec none = {NULL, 0};
	struct sock *sk = call_sk(c);
	size_t step = total - done < SEND_STEP_BYTES ? total - done : SEND_STEP_BYTES;
	struct part p;
	ssize_t r;

	if (sk->type != STK_TCP)
		return -EPIPE;
	if (unlikely(part_next(&p, iov, n, done, step, step == total, user_iov_readable) < 0)) {
		r = stack_send(c->sr->st, sk, &none, 1, 0, now_ns());
		return r < 0 ? r : sk->ready & RDY_OUT ? -EFAULT : -EAGAIN;
	}
	if (done + p.bytes < total)
		sflags |= SEND_MORE;
	return stack_send(c->sr->st, sk, p.iov, p.n, sflags, now_ns());
}

/* The first send on a deferred connection. As the kernel: who blocks is held until the handshake is
 * through. Bytes that went with the SYN, -EINPROGRESS, or an error. */
static ssize_t stream_send_first(struct call *c, const struct iovec *iov, size_t n, size_t total)
{
	ssize_t sent = stream_send_try(c, iov, n, 0, total, 0);
	int r;

	if (c->nonblock || (sent < 0 && sent != -EINPROGRESS))
		return sent;
	r = sock_fastopen_wait(c);
	if (r == -EAGAIN)
		return sent;
	return r < 0 ? r : sent > 0 ? sent : 0;
}

static ssize_t stream_send(int fd, struct ofd *o, const struct iovec *iov, size_t iovcnt, int flags)
{
	unsigned sflags = (flags & MSG_MORE ? SEND_MORE : 0) | (flags & MSG_OOB ? SEND_OOB : 0);
	ssize_t total = iov_total(iov, iovcnt), done = 0, r;
	struct call c;

	if (total < 0)
		return total;
	sock_catch_up(o, flags);
	r = call_begin(&c, fd, o, ofd_nonblock(o, flags), o->sndtimeo_ns);
	if (r < 0)
		return r;
	for (;;) {
		if (unlikely(stack_deferred(call_sk(&c))))
			r = stream_send_first(&c, iov, iovcnt, (size_t)total);
		else
			r = stream_send_try(&c, iov, iovcnt, (size_t)done, (size_t)total, sflags);
		if (likely(r >= 0)) {
			done += r;
			if (done >= total || call_sk(&c)->err)
				break;
		} else if (r != -EAGAIN || (done && c.nonblock)) {
			break;
		} else {
			r = call_again(&c, RDY_OUT);
			if (r < 0)
				break;
		}
	}
	call_end(&c, c.nonblock ? RUN_LATER : RUN_KICK);
	if (done)
		return done;
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

ssize_t sock_sendmsg(int fd, struct ofd *o, const struct msghdr *msg, int flags)
{
	if (msg->msg_iovlen > MSGS_MAX)
		return -EMSGSIZE;
	if (o->socktype == SOCK_DGRAM)
		return udp_sendmsg(fd, o, msg, flags);
	if (unlikely(flags & MSG_FASTOPEN)) {
		int r = sock_fastopen_connect(fd, o, msg->msg_name, msg->msg_namelen,
					      ofd_nonblock(o, flags));

		if (r == -ENOPROTOOPT) {
			struct send_pass pass = {msg, fd, flags};

			return thread_pass(send_pass, &pass);
		}
		if (r < 0)
			return r;
	}
	return stream_send(fd, o, msg->msg_iov, msg->msg_iovlen, flags);
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

/* MSG_TRUNC writes nothing. */
static size_t reach_all(const struct iovec *iov, size_t n, size_t max)
{
	(void)iov;
	(void)n;
	return max;
}

/* One try of a receive; sr->lock held. done: bytes that are in the caller's hands already. */
static ssize_t stream_recv_try(struct call *c, const struct iovec *iov, size_t n, size_t done,
			       size_t len, unsigned rflags)
{
	struct sock *sk = call_sk(c);
	struct part p;
	size_t there;

	if (sk->type != STK_TCP)
		return -ENOTCONN;
	if (unlikely(len == 0) && !(sk->ready & (RDY_IN | RDY_HUP)) && !sk->err)
		return -EAGAIN; /* waits for a byte that it does not take, as Linux */
	there = stack_unread(sk);
	if (there > len - done)
		there = len - done;
	if (!there)
		return stack_recv(c->sr->st, sk, iov, (int)n, rflags, now_ns());
	if (part_next(&p, iov, n, done, there, done == 0,
		      rflags & RECV_TRUNC ? reach_all : user_iov_writable) < 0)
		return -EFAULT;
	return stack_recv(c->sr->st, sk, p.iov, p.n, rflags, now_ns());
}

static ssize_t stream_recv(int fd, struct ofd *o, const struct iovec *iov, size_t iovcnt, int flags)
{
	unsigned rflags = (flags & MSG_PEEK ? RECV_PEEK : 0) | (flags & MSG_TRUNC ? RECV_TRUNC : 0);
	ssize_t len = iov_total(iov, iovcnt), done = 0, r;
	struct call c;

	if (len < 0)
		return len;
	sock_catch_up(o, flags);
	r = call_begin(&c, fd, o, ofd_nonblock(o, flags), o->rcvtimeo_ns);
	if (r < 0)
		return r;
	for (;;) {
		r = stream_recv_try(&c, iov, iovcnt, flags & MSG_PEEK ? 0 : (size_t)done,
				    (size_t)len, rflags);
		if (likely(r > 0)) {
			done = flags & MSG_PEEK ? r : done + r;
			rflags |= flags & MSG_PEEK ? 0 : RECV_ON;
			if (recv_enough(o, call_sk(&c), (size_t)done, (size_t)len, flags))
				break;
			if (flags & MSG_PEEK && (size_t)done < stack_unread(call_sk(&c)))
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
	call_end(&c, RUN_LATER);
	return done ? done : r;
}

/* The urgent byte: never waits. */
static ssize_t stream_recv_oob(int fd, struct ofd *o, const struct iovec *iov, size_t iovcnt,
			       int flags)
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
	call_end(&c, RUN_LATER);
	return r;
}

ssize_t sock_recvmsg(int fd, struct ofd *o, struct msghdr *msg, int flags)
{
	ssize_t r;

	if (msg->msg_iovlen > MSGS_MAX)
		return -EMSGSIZE;
	if (o->socktype == SOCK_DGRAM)
		return udp_recvmsg(fd, o, msg, flags);
	if (flags & MSG_ERRQUEUE)
		return stream_recv_error(fd, o, msg, flags);
	if (unlikely(flags & MSG_OOB))
		r = stream_recv_oob(fd, o, msg->msg_iov, msg->msg_iovlen, flags);
	else
		r = stream_recv(fd, o, msg->msg_iov, msg->msg_iovlen, flags);
	if (r < 0)
		return r;
	msg->msg_namelen = 0;
	msg->msg_controllen = 0;
	msg->msg_flags = (flags & MSG_CMSG_CLOEXEC) | (flags & MSG_OOB && r > 0 ? MSG_OOB : 0);
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
	if (msg->msg_iovlen > MSGS_MAX)
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

	if (n > MSGS_MAX)
		n = MSGS_MAX;
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
	if (n > MSGS_MAX)
		n = MSGS_MAX;
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
