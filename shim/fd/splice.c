/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes between a pipe and a connection: splice(), and sendfile() from a connection into a pipe.
 *
 * It must never lose a byte: a pipe's bytes are taken only into space that is reserved, a socket's
 * bytes are consumed only when the pipe has them.
 */
#include "sock_int.h"

#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CHUNK_BYTES (128u << 10) /* read under one hold of the lock: some 10 us of copying */
#define CHUNK_IOV 32
#define BOUNCE_BYTES (64u << 10)
#define BOUNCES 8 /* kept for reuse; more at once are mapped for the call only */

/* ---- bounce buffers ------------------------------------------------------------------------- */

static void *_Atomic bounces[BOUNCES];

static char *bounce_get(void)
{
	void *p;

	for (int i = 0; i < BOUNCES; i++) {
		p = atomic_exchange_explicit(&bounces[i], NULL, memory_order_acq_rel);
		if (p)
			return p;
	}
	p = sys_mmap(NULL, BOUNCE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	return sys_is_err(p) ? NULL : p;
}

static void bounce_put(char *p)
{
	void *none;

	for (int i = 0; i < BOUNCES; i++) {
		none = NULL;
		if (atomic_compare_exchange_strong(&bounces[i], &none, p))
			return;
	}
	sys_munmap(p, BOUNCE_BYTES);
}

/* ---- socket to pipe ------------------------------------------------------------------------- */

static bool fd_nonblock(int fd)
{
	int fl = sys_fcntl(fd, F_GETFL, 0);

	return fl >= 0 && (fl & O_NONBLOCK);
}

/* Is there room in (POLLOUT), or bytes in (POLLIN), a pipe? 0, -EAGAIN; -EPIPE: no reader. */
static int pipe_look(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	struct timespec none = {0, 0};
	int r = sys_ppoll(&p, 1, &none, NULL);

	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	return events == POLLOUT && p.revents & POLLERR ? -EPIPE : 0;
}

/* Waits for it, the stack being run meanwhile. 0, -EINTR, -ERESTART. No lock held. */
static int pipe_wait(struct stackrec *sr, int fd, short events)
{
	int r;

	while ((r = pipe_look(fd, events)) == -EAGAIN) {
		r = sock_wait_fd(sr, fd, events, UINT64_MAX);
		if (r < 0)
			return r;
	}
	return r;
}

/* Writes what fits now; the kernel sends the SIGPIPE of an -EPIPE. */
static ssize_t pipe_write(int fd, char *buf, size_t n)
{
	struct iovec iov = {buf, n};
	ssize_t r = sys_pwritev2(fd, &iov, 1, -1, RWF_NOWAIT);

	if (r != -EOPNOTSUPP)
		return r;
	/* A kernel whose pipes cannot say: what POLLOUT promises does not block. */
	r = pipe_look(fd, POLLOUT);
	return r < 0 ? r : sys_write(fd, buf, n < 4096 ? n : 4096);
}

/* The first bytes of the receive queue, left there. Blocks as the socket says. */
static ssize_t splice_peek(struct call *c, char *buf, size_t n)
{
	struct iovec iov = {buf, n};
	ssize_t r;

	do
		r = call_sk(c)->type == STK_TCP
			    ? stack_recv(c->sr->st, call_sk(c), &iov, 1, RECV_PEEK, now_ns())
			    : -ENOTCONN;
	while (r == -EAGAIN && (r = call_again(c, RDY_IN | RDY_RDHUP)) == 0);
	return r;
}

static void bounce_undo(void *arg)
{
	bounce_put(arg);
}

/* The pipe is full: waits for room. The bytes to go on with, or why not; *gone: its readers are. */
static ssize_t splice_wait(struct call *c, int pipe_fd, char *buf, size_t len, bool *gone)
{
	int r;

	call_pause(c, RUN_KICK);
	r = pipe_wait(c->sr, pipe_fd, POLLOUT);
	*gone = r == -EPIPE;
	if (call_resume(c) < 0)
		r = -EBADF;
	return r < 0 ? r : splice_peek(c, buf, len);
}

/* Moves bytes by way of buf, len of them at most; as splice(2). */
static ssize_t splice_move(struct call *c, int pipe_fd, char *buf, size_t len, bool nonblock,
			   bool *gone)
{
	ssize_t n = splice_peek(c, buf, len), r = n;
	struct iovec taken = {NULL, 0};

	while (n > 0) {
		/* A pipe that never waits may be written under the lock: nobody reads in
		 * between. */
		r = pipe_write(pipe_fd, buf, (size_t)n);
		if (r > 0) {
			taken.iov_len = (size_t)r;
			stack_recv(c->sr->st, call_sk(c), &taken, 1, RECV_TRUNC, now_ns());
		}
		if (r != -EAGAIN || nonblock)
			break;
		r = n = splice_wait(c, pipe_fd, buf, len, gone);
	}
	return r;
}

static ssize_t splice_from_sock(int fd, struct ofd *o, int pipe_fd, size_t len, unsigned flags)
{
	bool nonblock = (flags & SPLICE_F_NONBLOCK) || fd_nonblock(pipe_fd), gone;
	char *buf = bounce_get();
	struct thread_undo undo;
	struct call c;
	ssize_t r;

	if (!buf)
		return -ENOMEM;
	thread_undo_push(&undo, bounce_undo, buf);
	sock_catch_up(o, 0);
	r = nonblock ? pipe_look(pipe_fd, POLLOUT) : pipe_wait(o->sr, pipe_fd, POLLOUT);
	gone = r == -EPIPE;
	if (r == 0)
		r = call_begin(&c, fd, o, ofd_nonblock(o, 0), o->rcvtimeo_ns);
	if (r == 0) {
		r = splice_move(&c, pipe_fd, buf, len < BOUNCE_BYTES ? len : BOUNCE_BYTES, nonblock,
				&gone);
		call_end(&c, RUN_LATER);
	}
	if (gone)
		sock_sigpipe();
	thread_undo_pop();
	bounce_put(buf);
	return r;
}

/* ---- pipe to socket ------------------------------------------------------------------------- */

/* Reads what is there now. */
static ssize_t pipe_read(int fd, const struct iovec *iov, int n)
{
	struct iovec part = iov[0];
	ssize_t r = sys_preadv2(fd, iov, n, -1, RWF_NOWAIT);
	int ready = 0;

	if (r != -EOPNOTSUPP)
		return r;
	r = pipe_look(fd, POLLIN);
	if (r < 0)
		return r;
	r = sys_ioctl(fd, FIONREAD, &ready);
	if (r == 0 && ready && (size_t)ready < part.iov_len)
		part.iov_len = (size_t)ready;
	return r < 0 ? r : sys_readv(fd, &part, 1);
}

/* One round; sr->lock held. Bytes moved; 0: no writer is left; -EAGAIN with *dry: the pipe is
 * empty, else there is no send memory. */
static ssize_t splice_round(struct call *c, int pipe_fd, size_t len, unsigned flags, bool *dry)
{
	struct sock *sk = call_sk(c);
	struct iovec iov[CHUNK_IOV];
	ssize_t r;
	int n;

	*dry = false;
	if (sk->type != STK_TCP)
		return -EPIPE;
	n = stack_send_reserve(c->sr->st, sk, iov, CHUNK_IOV,
			       len < CHUNK_BYTES ? len : CHUNK_BYTES);
	if (n < 0)
		return n;
	r = pipe_read(pipe_fd, iov, n);
	*dry = r == -EAGAIN;
	stack_send_commit(c->sr->st, sk, r > 0 ? (size_t)r : 0,
			  flags & SPLICE_F_MORE ? SEND_MORE : 0, now_ns());
	return r;
}

static ssize_t splice_to_sock(int pipe_fd, int fd, struct ofd *o, size_t len, unsigned flags)
{
	bool pipe_nonblock = (flags & SPLICE_F_NONBLOCK) || fd_nonblock(pipe_fd), dry;
	struct call c;
	size_t done = 0;
	ssize_t r;

	if (o->append)
		return -EINVAL;
	sock_catch_up(o, 0);
	r = call_begin(&c, fd, o, ofd_nonblock(o, 0), o->sndtimeo_ns);
	if (r < 0)
		return r;
	while (done < len) {
		r = splice_round(&c, pipe_fd, len - done, flags, &dry);
		if (r > 0) {
			done += (size_t)r;
			continue;
		}
		if (r != -EAGAIN || (dry && (done || pipe_nonblock)) || (done && c.nonblock))
			break;
		if (!dry) {
			r = call_again(&c, RDY_OUT);
		} else {
			call_pause(&c, RUN_KICK);
			r = pipe_wait(c.sr, pipe_fd, POLLIN);
			if (call_resume(&c) < 0)
				r = -EBADF;
		}
		if (r < 0)
			break;
	}
	call_end(&c, c.nonblock ? RUN_LATER : RUN_KICK);
	if (done)
		return (ssize_t)done;
	if (r == -EPIPE)
		sock_sigpipe();
	return r;
}

/* Is fd a pipe's end that can do this (O_RDONLY, O_WRONLY)? */
static bool is_pipe_end(int fd, int mode)
{
	int fl = sys_fcntl(fd, F_GETFL, 0);

	return fl >= 0 && ((fl & O_ACCMODE) == mode || (fl & O_ACCMODE) == O_RDWR) &&
	       sys_fcntl(fd, F_GETPIPE_SZ, 0) >= 0;
}

ssize_t sock_splice(int fd_in, loff_t *off_in, int fd_out, loff_t *off_out, size_t len,
		    unsigned flags)
{
	struct ofd *in = fdtab_stack(fd_in), *out = fdtab_stack(fd_out);
	int other = in ? fd_out : fd_in;

	/* The kernel refuses everything but a stream and a pipe without touching either. */
	if (in && out)
		return -EINVAL;
	if ((ssize_t)len <= 0 || off_in || off_out || (flags & ~0xfu) ||
	    !is_pipe_end(other, in ? O_WRONLY : O_RDONLY) ||
	    (in ? in : out)->socktype != SOCK_STREAM)
		return sys_splice(fd_in, off_in, fd_out, off_out, len, flags);
	if (len > SOCK_MOVE_MAX)
		len = SOCK_MOVE_MAX;
	return in ? splice_from_sock(fd_in, in, fd_out, len, flags)
		  : splice_to_sock(fd_in, fd_out, out, len, flags);
}

ssize_t sock_sendfile_to_pipe(int fd, struct ofd *o, int out_fd, size_t count)
{
	return splice_from_sock(fd, o, out_fd, count < SOCK_MOVE_MAX ? count : SOCK_MOVE_MAX, 0);
}

bool sock_is_pipe_in(int fd)
{
	return is_pipe_end(fd, O_WRONLY);
}
