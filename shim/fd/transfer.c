/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file into a connection: sendfile().
 *
 * File pages that are in the page cache are read straight into send memory, under the stack's lock
 * (RWF_NOWAIT: the kernel copies or says EAGAIN, it never waits for the disk there). Pages that are
 * not, and whatever is not a plain file, go through a pipe (stage.h), which is filled without the
 * lock, so that a cold disk stops nobody else. That is what the kernel's sendfile() does with all
 * of them: what the pipe says of a file is what the kernel says.
 *
 * It must never lose a byte: the file position moves by what was queued. As in the kernel, the file
 * is looked at first: its end, or an error of it, goes before what is wrong with the socket.
 */
#include "sock_int.h"

#include <netinet/tcp.h>
#include <sys/stat.h>

#include "stage.h"

#define CHUNK_BYTES (128u << 10) /* read under one hold of the lock: some 10 us of copying */
#define CHUNK_IOV 32

struct file_src {
	int fd;
	off_t pos;    /* of the next byte to send */
	size_t left;  /* still to send, at most */
	bool cold;    /* the next page is not in memory: by the stage */
	bool strange; /* not a plain file that can say so: always by the stage */
	bool patient; /* its bytes may be on a disk */
	bool have_stage;
	bool ends;        /* the file has said its last word: its end, or an error */
	off_t staged_pos; /* behind what is in the stage */
	struct stage stage;
};

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
	if (r > 0) {
		src->pos += r;
		return r;
	}
	if (r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL) /* EINVAL: O_DIRECT, most likely */
		src->strange = true;
	else if (r == -EAGAIN)
		src->cold = true;
	else
		return r;
	return -EAGAIN;
}

/* Fills the stage; sr->lock is given up meanwhile. Bytes, 0: end of file, or -Exxx. */
static ssize_t file_fill(struct call *c, struct file_src *src)
{
	ssize_t r = 0;
	int ret;

	call_pause(c, RUN_KICK);
	if (!src->have_stage) {
		r = stage_get(&src->stage);
		src->have_stage = r == 0;
	}
	src->staged_pos = src->pos;
	if (r == 0)
		r = stage_fill(&src->stage, c->sr, src->fd, &src->staged_pos, src->left,
			       src->patient);
	ret = call_resume(c);
	if (r > 0 && src->patient)
		stack_count(c->sr->st, STAT_file_waits, 1);
	src->cold = false;
	return ret < 0 ? ret : r;
}

/* From the stage into send memory; sr->lock held. Bytes queued, -EAGAIN: no send memory, ... */
static ssize_t file_send_staged(struct call *c, struct file_src *src)
{
	struct iovec iov[CHUNK_IOV];
	struct sock *sk = call_sk(c);
	int n = stack_send_reserve(c->sr->st, sk, iov, CHUNK_IOV, src->stage.held);
	ssize_t r;

	if (n < 0)
		return n;
	r = stage_read(&src->stage, iov, n);
	stack_send_commit(c->sr->st, sk, r > 0 ? (size_t)r : 0,
			  r > 0 && (size_t)r < src->left ? SEND_MORE : 0, now_ns());
	if (r > 0)
		src->pos = src->stage.held ? src->pos + r : src->staged_pos;
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

/* One step; sr->lock held. Bytes queued; 0: end of file; -EAGAIN: no send memory. */
static ssize_t file_step(struct call *c, struct file_src *src)
{
	ssize_t r;

	for (;;) {
		if (src->have_stage && src->stage.held)
			return call_sk(c)->type == STK_TCP ? file_send_staged(c, src) : -EPIPE;
		if (!src->cold && !src->strange && stack_may_send(call_sk(c))) {
			r = file_send_cached(c, src);
			if (r != -EAGAIN || (!src->cold && !src->strange))
				return r;
		}
		r = file_fill(c, src);
		src->ends = r <= 0;
		if (r <= 0)
			return r;
	}
}

static ssize_t file_send(int fd, struct ofd *o, struct file_src *src)
{
	size_t done = 0;
	struct call c;
	ssize_t r;

	sock_catch_up(o, 0);
	r = call_begin(&c, fd, o, ofd_nonblock(o, 0), o->sndtimeo_ns);
	if (r < 0)
		return r;
	while (src->left) {
		r = file_step(&c, src);
		if (r > 0) {
			done += (size_t)r;
			src->left -= (size_t)r;
			continue;
		}
		if (r == 0 && done)
			send_push(&c);
		if (r != -EAGAIN || src->ends || (done && c.nonblock))
			break;
		r = call_again(&c, RDY_OUT);
		if (r < 0)
			break;
	}
	call_end(&c, c.nonblock ? RUN_LATER : RUN_KICK);
	if (src->have_stage)
		stage_put(&src->stage);
	return done ? (ssize_t)done : r;
}

/* What kind of file it is, and, for one that is not plain, what reading at a position says of it:
 * 0, -EBADF, -ESPIPE. */
static int file_look(struct file_src *src, const off_t *offset)
{
	struct iovec none = {NULL, 0};
	struct stat st;
	int r = sys_fstat(src->fd, &st);
	ssize_t n;

	if (r < 0)
		return r;
	src->strange = !S_ISREG(st.st_mode);
	src->patient = !S_ISCHR(st.st_mode);
	if (!offset || !src->strange)
		return 0;
	n = sys_preadv(src->fd, &none, 0, 0);
	return n < 0 && n != -EISDIR ? (int)n : 0;
}

/* The checks of sendfile(2) that come before any byte. */
static int file_check(struct file_src *src, const off_t *offset)
{
	int r = file_look(src, offset);

	if (r < 0)
		return r;
	src->pos = offset ? *offset : sys_lseek(src->fd, 0, SEEK_CUR);
	if (!offset && src->pos < 0)
		return src->pos == -ESPIPE ? -EINVAL : (int)src->pos;
	return src->pos < 0 ? -EINVAL : 0;
}

ssize_t sock_sendfile(int fd, struct ofd *o, int in_fd, off_t *offset, size_t count)
{
	struct file_src src = {.fd = in_fd};
	ssize_t r;

	/* A datagram per page, or nothing: the kernel's socket can do that. */
	if (o->socktype != SOCK_STREAM || (ssize_t)count <= 0)
		return sys_sendfile(fd, in_fd, offset, count);
	r = file_check(&src, offset);
	if (r < 0)
		return r;
	if (src.pos > INT64_MAX - (ssize_t)count || o->append)
		return -EINVAL;
	src.left = count < SOCK_MOVE_MAX ? count : SOCK_MOVE_MAX;
	r = file_send(fd, o, &src);
	if (r > 0 && offset)
		*offset = src.pos;
	else if (r > 0)
		sys_lseek(in_fd, src.pos, SEEK_SET);
	if (r == -EPIPE)
		sock_sigpipe();
	return r;
}
