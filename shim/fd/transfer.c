/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes between a descriptor and a connection: sendfile() and splice().
 *
 * File pages that are in the page cache are read straight into send memory, under the stack's lock
 * (RWF_NOWAIT: the kernel copies or says EAGAIN, it never waits for the disk there). Pages that are
 * not are read into a bounce buffer without the lock, so that a cold disk stops nobody else.
 *
 * It must never lose a byte: the file position moves by what was queued, a pipe's bytes are taken
 * only into space that is reserved, a socket's bytes are consumed only when the pipe has them.
 */
#include "sock_int.h"

#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CHUNK_BYTES (128u << 10) /* read under one hold of the lock: some 10 us of copying */
#define CHUNK_IOV 32
#define BOUNCE_BYTES (64u << 10)
#define BOUNCES 8             /* kept for reuse; more at once are mapped for the call only */
#define COUNT_MAX 0x7ffff000u /* of one call, as the kernel's MAX_RW_COUNT */

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

/* ---- file to socket ------------------------------------------------------------------------- */

struct file_src {
	int fd;
	off_t pos;
	size_t left; /* still to send, at most */
	bool cold;   /* the next page is not in memory, or this file cannot say */
};

/* What a read that failed means for sendfile(). */
static ssize_t file_error(ssize_t r)
{
	return r == -EISDIR || r == -ENXIO ? -EINVAL : r;
}

/*
 * Reads from the page cache into send memory; sr->lock held. Bytes queued; 0: end of file;
 * -EAGAIN: no send memory, or (with src->cold set) the page is not there.
 */
static ssize_t file_send_cached(struct call *c, struct file_src *src)
{
	size_t want = src->left < CHUNK_BYTES ? src->left : CHUNK_BYTES;
	struct iovec iov[CHUNK_IOV];
	struct sock *sk = call_sk(c);
	int n = stack_send_reserve(c->sr->st, sk, iov, CHUNK_IOV, want);
	ssize_t r;

	if (n < 0)
		return n;
	r = sys_preadv2(src->fd, iov, n, src->pos, RWF_NOWAIT);
	stack_send_commit(c->sr->st, sk, r > 0 ? (size_t)r : 0,
			  r > 0 && (size_t)r < src->left ? SEND_MORE : 0, now_ns());
	if (r == -EAGAIN || r == -EOPNOTSUPP || r == -ENOSYS) {
		src->cold = true;
		return -EAGAIN;
	}
	return r;
}

/* Reads without the lock, then queues; may queue less than it read, which is read again later. */
static ssize_t file_send_cold(struct call *c, struct file_src *src)
{
	char *buf = bounce_get();
	struct iovec iov = {buf, src->left < BOUNCE_BYTES ? src->left : BOUNCE_BYTES};
	ssize_t r;

	if (!buf)
		return -ENOMEM;
	call_hold(c);
	run_leave(c->sr, RUN_KICK);
	r = sys_preadv(src->fd, &iov, 1, src->pos);
	run_enter(c->sr);
	src->cold = false;
	if (r > 0) {
		iov.iov_len = (size_t)r;
		r = call_sk(c) ? stack_send(c->sr->st, call_sk(c), &iov, 1,
					    (size_t)r < src->left ? SEND_MORE : 0, now_ns())
			       : -EBADF;
	}
	bounce_put(buf);
	return r;
}

/*
 * The last bytes of a file that was shorter than asked for went in with "more follows". Nothing
 * does: what TCP_NODELAY pushes out when it is set lets them go.
 */
static void send_push(struct call *c)
{
	int one = 1, nodelay = 0;
	uint32_t len = sizeof(nodelay);
	struct sock *sk = call_sk(c);

	if (stack_getopt(c->sr->st, sk, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len, now_ns()) < 0)
		return;
	stack_setopt(c->sr->st, sk, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one), now_ns());
	if (!nodelay)
		stack_setopt(c->sr->st, sk, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof(nodelay),
			     now_ns());
}

static ssize_t file_send(int fd, struct ofd *o, struct file_src *src)
{
	size_t done = 0;
	struct call c;
	ssize_t r;

	r = call_begin(&c, fd, o, ofd_nonblock(o, 0), o->sndtimeo_ns);
	if (r < 0)
		return r;
	while (src->left) {
		if (call_sk(&c)->type != STK_TCP) {
			r = -EPIPE;
			break;
		}
		r = src->cold ? file_send_cold(&c, src) : file_send_cached(&c, src);
		if (r > 0) {
			done += (size_t)r;
			src->pos += r;
			src->left -= (size_t)r;
			continue;
		}
		if (r == 0 && done)
			send_push(&c);
		if (r != -EAGAIN)
			break;
		if (src->cold)
			continue;
		if (done && c.nonblock)
			break;
		r = call_again(&c, RDY_OUT);
		if (r < 0)
			break;
	}
	call_end(&c, c.nonblock ? RUN_LATER : RUN_KICK);
	return done ? (ssize_t)done : r;
}

/* What reading from in_fd at a position says when nothing is read: 0, -EBADF, -ESPIPE. */
static int file_probe(int in_fd)
{
	struct iovec none = {NULL, 0};
	ssize_t r = sys_preadv(in_fd, &none, 0, 0);

	return r < 0 && r != -EISDIR ? (int)r : 0;
}

/* The checks of sendfile(2) that come before any byte. probe: not left to the reading itself. */
static int file_check(int in_fd, const off_t *offset, size_t count, bool probe, off_t *pos)
{
	if (offset) {
		int r = probe ? file_probe(in_fd) : 0;

		if (r < 0)
			return r;
		*pos = *offset;
	} else {
		*pos = sys_lseek(in_fd, 0, SEEK_CUR);
		if (*pos < 0)
			return *pos == -ESPIPE ? -EINVAL : (int)*pos;
	}
	return *pos < 0 || (ssize_t)count < 0 ? -EINVAL : 0;
}

ssize_t sock_sendfile(int fd, struct ofd *o, int in_fd, off_t *offset, size_t count)
{
	struct file_src src = {.fd = in_fd};
	bool probe = !count || !ofd_nonblock(o, 0) || o->socktype != SOCK_STREAM;
	ssize_t r;

	/* Where it neither waits nor ends early, a file that is none shows in the read. */
	r = file_check(in_fd, offset, count, probe, &src.pos);
	if (r < 0)
		return r;
	if (o->socktype != SOCK_STREAM) /* a datagram per page: the kernel's socket can do that */
		return sys_sendfile(fd, in_fd, offset, count);
	src.left = count < COUNT_MAX ? count : COUNT_MAX;
	r = file_send(fd, o, &src);
	if (r < 0 && offset && !probe) { /* the file's error goes before the socket's */
		int err = file_probe(in_fd);

		if (err < 0)
			return err;
	}
	if (r > 0) {
		if (offset)
			*offset = src.pos;
		else
			sys_lseek(in_fd, src.pos, SEEK_SET);
	}
	if (r == -EPIPE)
		sock_sigpipe();
	return file_error(r);
}

/* ---- socket to pipe ------------------------------------------------------------------------- */

static bool fd_nonblock(int fd)
{
	int fl = sys_fcntl(fd, F_GETFL, 0);

	return fl >= 0 && (fl & O_NONBLOCK);
}

/* Is there room in (POLLOUT), or bytes in (POLLIN), a pipe? 0, -EAGAIN. */
static int pipe_look(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	struct timespec none = {0, 0};
	int r = sys_ppoll(&p, 1, &none, NULL);

	return r < 0 ? r : r == 0 ? -EAGAIN : 0;
}

/* Waits for it, the stack being run meanwhile. 0, -EINTR, -ERESTART. No lock held. */
static int pipe_wait(struct stackrec *sr, int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint32_t nsigs0 = thread_self.nsigs;
	int r;

	while ((r = pipe_look(fd, events)) == -EAGAIN) {
		run_turn(sr);
		r = wait_sleep(sr, &p, 1, UINT64_MAX, NULL, nsigs0);
		if (r == -EINTR)
			return thread_restarts() ? -ERESTART : -EINTR;
	}
	return r;
}

/* Writes what fits now. */
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

static ssize_t splice_from_sock(int fd, struct ofd *o, int pipe_fd, size_t len, unsigned flags)
{
	bool nonblock = (flags & SPLICE_F_NONBLOCK) || fd_nonblock(pipe_fd);
	char *buf = bounce_get();
	struct iovec taken = {NULL, 0};
	struct thread_undo undo;
	struct call c;
	ssize_t n, r;

	if (!buf)
		return -ENOMEM;
	thread_undo_push(&undo, bounce_undo, buf);
	r = nonblock ? pipe_look(pipe_fd, POLLOUT) : pipe_wait(o->sr, pipe_fd, POLLOUT);
	if (r == 0)
		r = call_begin(&c, fd, o, ofd_nonblock(o, 0), o->rcvtimeo_ns);
	if (r < 0)
		goto out;
	n = splice_peek(&c, buf, len < BOUNCE_BYTES ? len : BOUNCE_BYTES);
	r = n;
	while (n > 0) {
		/* A pipe that never waits may be written under the lock: nobody reads in
		 * between. */
		r = pipe_write(pipe_fd, buf, (size_t)n);
		if (r > 0) {
			taken.iov_len = (size_t)r;
			stack_recv(c.sr->st, call_sk(&c), &taken, 1, RECV_TRUNC, now_ns());
		}
		if (r != -EAGAIN || nonblock)
			break;
		call_hold(&c);
		run_leave(c.sr, RUN_KICK);
		r = pipe_wait(c.sr, pipe_fd, POLLOUT);
		run_enter(c.sr);
		n = r < 0 || !call_sk(&c)
			    ? 0
			    : splice_peek(&c, buf, len < BOUNCE_BYTES ? len : BOUNCE_BYTES);
	}
	call_end(&c, RUN_LATER);
	if (r == -EPIPE)
		sock_sigpipe();
out:
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
			call_hold(&c);
			run_leave(c.sr, RUN_KICK);
			r = pipe_wait(c.sr, pipe_fd, POLLIN);
			run_enter(c.sr);
			r = call_sk(&c) ? r : -EBADF;
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
	if (!len || off_in || off_out || (flags & ~0xfu) ||
	    !is_pipe_end(other, in ? O_WRONLY : O_RDONLY) ||
	    (in ? in : out)->socktype != SOCK_STREAM)
		return sys_splice(fd_in, off_in, fd_out, off_out, len, flags);
	if (len > COUNT_MAX)
		len = COUNT_MAX;
	return in ? splice_from_sock(fd_in, in, fd_out, len, flags)
		  : splice_to_sock(fd_in, fd_out, out, len, flags);
}
