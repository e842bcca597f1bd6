/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stages (stage.h). It decides how file data that is not in memory is waited for: by an operation
 * of an io_uring that moves it from the file into the pipe, while this thread runs turns and sleeps
 * on the stack's devices and the ring together. Where the kernel gives no ring (an old one,
 * kernel.io_uring_disabled, SHIM_URING=off) a plain splice() waits, and the helper thread has the
 * stack.
 *
 * Some stages are kept for reuse by whichever thread is next. A forked child has none of them:
 * their descriptors are private, and the pool knows whose process it was.
 *
 * Must never hold a stack's lock while it fills, or leave a descriptor at a number that the
 * application could meet.
 */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>

#include "shim/proc/family.h"
#include "shim/proc/knobs.h"
#include "shim/proc/sys.h"
#include "shim/proc/thread.h"
#include "shim/run/run.h"

#define STAGES_KEPT 8 /* kept for reuse: as many threads wait for files at once, most often */
#define RING_ENTRIES 2
#define RING_STEP_NS 1000000 /* how often the stack is looked after, if a signal keeps us awake */

enum { SLOT_FREE, SLOT_BUSY, SLOT_FULL };
static struct {
	_Atomic int state;
	struct stage s;
} slots[STAGES_KEPT];
static _Atomic pid_t slots_pid; /* whose they are */

/* ---- the ring ------------------------------------------------------------------------------- */

#ifdef HAVE_LIBURING
static _Atomic bool ring_refused; /* the kernel gives none: it is not asked again */

static void ring_open(struct stage *s)
{
	int fd;

	s->ring_fd = -1;
	if (knobs.uring == KNOB_uring_off || ring_refused)
		return;
	if (io_uring_queue_init(RING_ENTRIES, &s->ring, 0) < 0) {
		ring_refused = true;
		return;
	}
	fd = fd_hide_private(s->ring.ring_fd);
	if (fd < 0) { /* and the number it had is closed */
		s->ring.ring_fd = s->ring.enter_ring_fd = -1;
		io_uring_queue_exit(&s->ring);
		return;
	}
	s->ring_fd = fd;
}

static void ring_close(struct stage *s)
{
	if (s->ring_fd < 0)
		return;
	s->ring.ring_fd = s->ring.enter_ring_fd = -1; /* its mappings go, */
	io_uring_queue_exit(&s->ring);
	fd_unhide_close(s->ring_fd); /* and its descriptor by the number that it has now */
	s->ring_fd = -1;
}

/* The answer, when it has come. */
static bool ring_answer(struct stage *s, ssize_t *res)
{
	struct io_uring_cqe *cqe;

	if (io_uring_peek_cqe(&s->ring, &cqe) != 0 || !cqe)
		return false;
	*res = cqe->res;
	io_uring_cqe_seen(&s->ring, cqe);
	return true;
}

/* Until the answer is there, the stack goes on in this thread. */
static ssize_t ring_wait(struct stage *s, struct stackrec *sr)
{
	struct pollfd p = {.fd = fd_hidden_at(s->ring_fd), .events = POLLIN};
	struct timespec step = {0, RING_STEP_NS};
	ssize_t res = 0;

	while (!ring_answer(s, &res)) {
		run_turn(sr);
		if (ring_answer(s, &res))
			break;
		/* A handler that waits for this call to end must not have it go round and round. */
		if (wait_sleep(sr, &p, 1, UINT64_MAX, NULL, thread_self.nsigs) < 0)
			sys_ppoll(&p, 1, &step, NULL);
	}
	return res;
}

/* -ENOSYS: the ring would not take it. */
static ssize_t ring_splice(struct stage *s, struct stackrec *sr, int in_fd, off_t pos, size_t n)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	if (!sqe)
		return -ENOSYS;
	io_uring_prep_splice(sqe, in_fd, pos, fd_hidden_at(s->wr), -1, (unsigned)n, 0);
	s->ring.ring_fd = s->ring.enter_ring_fd = fd_hidden_at(s->ring_fd);
	if (io_uring_submit(&s->ring) != 1) {
		ring_close(s);
		return -ENOSYS;
	}
	return ring_wait(s, sr);
}
#else
static void ring_open(struct stage *s)
{
	(void)s;
}
static void ring_close(struct stage *s)
{
	(void)s;
}
#endif

/* ---- stages --------------------------------------------------------------------------------- */

static void stage_close(struct stage *s)
{
	ring_close(s);
	fd_unhide_close(s->rd);
	fd_unhide_close(s->wr);
}

static int stage_open(struct stage *s)
{
	int fd[2], r = sys_pipe2(fd, O_CLOEXEC);

	if (r < 0)
		return r;
	s->held = 0;
	s->rd = fd_hide_private(fd[0]);
	s->wr = fd_hide_private(fd[1]);
	if (s->rd >= 0 && s->wr >= 0) {
		ring_open(s);
		return 0;
	}
	r = s->rd < 0 ? s->rd : s->wr;
	if (s->rd >= 0)
		fd_unhide_close(s->rd);
	if (s->wr >= 0)
		fd_unhide_close(s->wr);
	return r;
}

/* After a fork the parent's are closed here, and their numbers may be anything. */
static void slots_own(void)
{
	pid_t pid = sys_getpid(), had = atomic_load(&slots_pid);

	if (likely(had == pid) || !atomic_compare_exchange_strong(&slots_pid, &had, pid))
		return;
	for (int i = 0; i < STAGES_KEPT; i++)
		atomic_store(&slots[i].state, SLOT_FREE);
}

int stage_get(struct stage *s)
{
	int full;

	slots_own();
	for (int i = 0; i < STAGES_KEPT; i++) {
		full = SLOT_FULL;
		if (!atomic_compare_exchange_strong(&slots[i].state, &full, SLOT_BUSY))
			continue;
		*s = slots[i].s;
		atomic_store(&slots[i].state, SLOT_FREE);
		return 0;
	}
	return stage_open(s);
}

void stage_put(struct stage *s)
{
	char drop[4096];
	struct iovec iov = {drop, sizeof(drop)};
	int none;

	while (s->held && stage_read(s, &iov, 1) > 0)
		;
	for (int i = 0; i < STAGES_KEPT && !s->held; i++) {
		none = SLOT_FREE;
		if (!atomic_compare_exchange_strong(&slots[i].state, &none, SLOT_BUSY))
			continue;
		slots[i].s = *s;
		atomic_store(&slots[i].state, SLOT_FULL);
		return;
	}
	stage_close(s);
}

ssize_t stage_fill(struct stage *s, struct stackrec *sr, int in_fd, off_t *pos, size_t n,
		   bool patient)
{
	ssize_t r = -ENOSYS;

	ASSERT(!s->held);
	if (n > INT_MAX)
		n = INT_MAX;
#ifdef HAVE_LIBURING
	if (patient && s->ring_fd >= 0) {
		r = ring_splice(s, sr, in_fd, *pos, n);
		if (r > 0)
			*pos += r;
	}
#else
	(void)sr;
	(void)patient;
#endif
	if (r == -ENOSYS || r == -EINTR || r == -EAGAIN || r == -ECANCELED) {
		do
			r = sys_splice(in_fd, pos, fd_hidden_at(s->wr), NULL, n, 0);
		while (r == -EINTR);
	}
	if (r > 0)
		s->held = (size_t)r;
	return r;
}

ssize_t stage_read(struct stage *s, const struct iovec *iov, int n)
{
	ssize_t r = sys_readv(fd_hidden_at(s->rd), iov, n);

	if (r > 0)
		s->held -= (size_t)r;
	return r;
}
