/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors as such: closing, duplicating, flags, and the end of the process. A number is taken
 * out of the table before the kernel closes it, because another thread may get it the moment it is
 * free; and it is entered after the kernel has made it.
 *
 * It must never let the application close or overwrite a descriptor of ours (fd_is_hidden), nor
 * tear down a socket while another descriptor of it lives anywhere in the family.
 */
#include "sock_int.h"

#include <linux/close_range.h>

#include "shim/proc/log.h"

#define LINGER_STEP_NS \
	5000000ull /* how often a lingering close looks; no event tells "all acked" */
/* A process that ends waits so long for its peers' FINs: once it is gone, the kernel, which knows
 * nothing of the connection, answers them with RST. Most come within a round trip of our own. */
#define FIN_WAIT_NS 100000000ull
#define REFS_HERE_MAX \
	60000u /* descriptors of one description in one process: its row counts
				     to 65535 */

/* ---- closing -------------------------------------------------------------------------------- */

/* The kernel's door is watched under this number: let go, and watched under another one if there
 * is. */
static void door_leave(int fd, struct ofd *o)
{
	struct stackrec *sr = o->sr;
	int other = -1, end = fdtab_end();

	if (!sr)
		return;
	if (ofd_refs_here(o) > 1)
		for (int i = 0; i < end && other < 0; i++)
			if (i != fd && fdtab_get(i) == o)
				other = i;
	run_enter(sr);
	door_del(fd);
	if (other >= 0)
		door_add(other, o);
	run_leave(sr, RUN_LATER);
}

/* What door_leave() took away, when the number is to stay after all. */
static void door_return(int fd, struct ofd *o)
{
	struct stackrec *sr = o->sr;

	if (!o->two_doors || !sr)
		return;
	run_enter(sr);
	door_add(fd, o);
	run_leave(sr, RUN_LATER);
}

/*
 * SO_LINGER: the last close waits until the peer has everything, or the time is up (RFC 9293
 * 3.10.4, Linux's inet_release()). Non-blocking sockets, too.
 */
static void sock_linger(struct ofd *o)
{
	struct stackrec *sr = o->sr;
	struct sock *sk;
	uint64_t now = now_ns(), end;
	int linger_s = -1;

	run_enter(sr);
	sk = o->sk;
	if (sk && sk->type == STK_TCP && !stack_unread(sk) && stack_connected(sk))
		linger_s = opts_linger(o);
	if (linger_s > 0)
		stack_shutdown(sr->st, sk, SHUT_WR, now);
	run_leave(sr, RUN_KICK);
	if (linger_s <= 0)
		return;
	for (end = now + (uint64_t)linger_s * 1000000000u; now < end; now = now_ns()) {
		uint64_t step = now + LINGER_STEP_NS < end ? now + LINGER_STEP_NS : end;

		run_enter(sr);
		sk = o->sk;
		linger_s = sk && stack_connected(sk) && stack_unacked(sk);
		run_leave(sr, RUN_KICK);
		if (!linger_s || wait_ofd(o, RDY_HUP, step) != -EAGAIN)
			break;
	}
}

/* o, out of the table, is about to lose a reference. */
static void close_linger(struct ofd *o)
{
	sock_catch_up(o, 0);
	if (o->kind == OFD_SOCK && o->sk && o->socktype == SOCK_STREAM &&
	    atomic_load_explicit(&o->refs, memory_order_relaxed) == 1)
		sock_linger(o);
}

/* Of what the kernel still has under fd. */
static void fd_unref(int fd, struct ofd *o)
{
	struct port_leave k;

	port_leave_begin(fd, o, &k);
	port_leave_end(&k, ofd_unref(o));
}

/* o's reference that fd stood for ends; fd is out of the table already and still open. */
static void fd_release(int fd, struct ofd *o)
{
	if (o->two_doors)
		door_leave(fd, o);
	close_linger(o);
	fd_unref(fd, o);
}

void fd_forget(int fd)
{
	struct ofd *o = fdtab_clear(fd);

	if (o)
		fd_release(fd, o);
}

int fd_close(int fd)
{
	if (fd_is_hidden(fd))
		return -EBADF;
	fd_forget(fd);
	return sys_close(fd);
}

int fd_close_range_visible(unsigned first, unsigned last, int flags)
{
	unsigned end = last < FDTAB_FDS ? last : FDTAB_FDS - 1;
	unsigned from = first;
	int r = 0;

	for (unsigned fd = first; fd <= end && fd < FDTAB_FDS; fd++) {
		if (!fd_is_hidden((int)fd))
			continue;
		if (fd > from)
			r = sys_close_range(from, fd - 1, flags);
		if (r < 0)
			return r;
		from = fd + 1;
	}
	return from <= last ? sys_close_range(from, last, flags) : r;
}

int fd_close_range(unsigned first, unsigned last, int flags)
{
	unsigned end = (unsigned)fdtab_end();

	/* Ours are close-on-exec as it is; and the kernel says what is wrong with the arguments. */
	if (first > last || (flags & CLOSE_RANGE_CLOEXEC) ||
	    (flags & ~(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)))
		return sys_close_range(first, last, flags);
	for (unsigned fd = first; fd <= last && fd < end; fd++)
		fd_forget((int)fd);
	return fd_close_range_visible(first, last, flags);
}

/* ---- duplicating ---------------------------------------------------------------------------- */

/* The kernel has made fd a duplicate of one that names o. */
static int dup_enter(int fd, struct ofd *o)
{
	if (fd < 0)
		return fd;
	if (ofd_refs_here(o) >= REFS_HERE_MAX) {
		sys_close(fd);
		return -EMFILE;
	}
	fd_forget(fd);
	ofd_ref(o);
	if (fdtab_set(fd, o) == 0)
		return fd;
	ofd_unref(o);
	sys_close(fd);
	return -EMFILE;
}

int fd_dup(int fd, struct ofd *o)
{
	return dup_enter(sys_dup(fd), o);
}

int fd_dup3(int old, int new_fd, int flags, bool is_dup2)
{
	struct ofd *o = fdtab_get(old), *had;
	struct port_leave k;
	int r;

	if (fd_is_hidden(old))
		return -EBADF;
	if (old == new_fd) {
		if (!is_dup2)
			return -EINVAL;
		r = sys_fcntl(old, F_GETFD, 0);
		return r < 0 ? r : new_fd;
	}
	/* What the kernel would refuse must leave the old owner of new_fd alone. */
	if ((flags & ~O_CLOEXEC) || new_fd < 0 || sys_fcntl(old, F_GETFD, 0) < 0)
		return sys_dup3(old, new_fd, flags);
	if (fd_is_hidden(new_fd)) {
		r = fd_hidden_yield(new_fd);
		if (r < 0)
			return r;
	}
	/* The number is o's only once the kernel says so: until then it is nobody's. */
	had = fdtab_clear(new_fd);
	if (had && had->two_doors)
		door_leave(new_fd, had);
	if (had)
		port_leave_begin(new_fd, had, &k);
	r = sys_dup3(old, new_fd, flags);
	if (r < 0) {
		if (had) {
			fdtab_set(new_fd, had);
			door_return(new_fd, had);
			port_leave_end(&k, false);
		}
		return r;
	}
	if (o)
		r = dup_enter(r, o);
	if (had) {
		close_linger(had);
		port_leave_end(&k, ofd_unref(had));
	}
	return r;
}

/* ---- flags ---------------------------------------------------------------------------------- */

static int fl_get(int fd, const struct ofd *o)
{
	int fl = sys_fcntl(fd, F_GETFL, 0);

	if (fl < 0 || !o->sk)
		return fl;
	return (fl & ~O_NONBLOCK) |
	       (atomic_load_explicit(&o->nonblock, memory_order_relaxed) ? O_NONBLOCK : 0);
}

static int fl_set(int fd, struct ofd *o, unsigned long arg)
{
	int r;

	if (!o->sk)
		return sys_fcntl(fd, F_SETFL, arg);
	/* More than O_NONBLOCK must not go to everybody's placeholder. */
	if (o->borrowed && (arg & (O_ASYNC | O_APPEND | O_DIRECT | O_NOATIME))) {
		r = sock_own_shadow(fd, o);
		if (r < 0)
			return r;
	}
	if (!o->borrowed) {
		r = sys_fcntl(fd, F_SETFL, o->two_doors ? arg | O_NONBLOCK : arg);
		if (r < 0)
			return r;
		owner_import(fd, o);
	}
	atomic_store_explicit(&o->nonblock, !!(arg & O_NONBLOCK), memory_order_relaxed);
	o->append = !!(arg & O_APPEND);
	return 0;
}

int fd_fcntl(int fd, struct ofd *o, int cmd, unsigned long arg)
{
	int r;

	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_enter(sys_fcntl(fd, cmd, arg), o);
	case F_GETFL:
		return o->kind == OFD_SOCK ? fl_get(fd, o) : sys_fcntl(fd, cmd, arg);
	case F_SETFL:
		return o->kind == OFD_SOCK ? fl_set(fd, o, arg) : sys_fcntl(fd, cmd, arg);
	case F_SETOWN:
	case F_SETSIG:
	case F_SETOWN_EX:
		r = sock_own_shadow(fd, o);
		if (r == 0)
			r = sys_fcntl(fd, cmd, arg);
		if (r == 0)
			owner_import(fd, o);
		return r;
	default:
		return sys_fcntl(fd, cmd, arg);
	}
}

/* ---- the end of the process ----------------------------------------------------------------- */

/* Does any process of the family still hold a socket of this stack? */
static bool stack_in_use(const struct stackrec *sr)
{
	uint32_t end = family->ofds_used;

	for (uint32_t i = 0; i < end; i++) {
		struct ofd *o = &family->ofds[i];

		if (o->kind == OFD_SOCK && o->sr == sr && atomic_load(&o->refs))
			return true;
	}
	return false;
}

/* Something that the application has written, or its end, is still to be acknowledged; or, if
 * asked for, a peer's end is still to come (FIN-WAIT-2). */
static bool stack_undelivered(struct stackrec *sr, bool fins)
{
	const struct sock *sk = NULL;
	bool found = false;

	run_enter(sr);
	if (sr->st && stack_draining_count(sr->st)) {
		while (!found && (sk = stack_sock_next(sr->st, sk)) != NULL)
			found = sk->type == STK_TCP && sk->orphan &&
				(stack_unacked(sk) || (fins && stack_connected(sk)));
	}
	run_leave(sr, RUN_KICK);
	return found;
}

static void stack_drain(struct stackrec *sr, uint64_t end)
{
	uint64_t now = now_ns();
	uint64_t fins_end = now + FIN_WAIT_NS;

	for (; now < end && stack_undelivered(sr, now < fins_end); now = now_ns()) {
		uint64_t step = now + LINGER_STEP_NS < end ? now + LINGER_STEP_NS : end;

		if (run_turn(sr) == 0)
			wait_sleep(sr, NULL, 0, step, NULL, thread_self.nsigs);
	}
}

void fd_exit(void)
{
	uint64_t end = now_ns() + (uint64_t)knobs.linger_ms * 1000000u;
	int top = fdtab_end();

	if (!family || !family_self || thread_is_internal())
		return;
	for (int fd = 0; fd < top; fd++) {
		struct ofd *o = fdtab_clear(fd);

		if (o)
			fd_unref(fd, o);
	}
	for (uint32_t i = 0; i < family->nstacks; i++) {
		struct stackrec *sr = &family->stacks[i];

		/* As long as somebody else holds a socket, somebody else runs the stack; but what
		 * our closing has queued goes out now, for the helper may have been ours. */
		if (sr->st && !stack_in_use(sr)) {
			stack_drain(sr, end);
		} else if (sr->st) {
			run_enter(sr);
			run_leave(sr, RUN_KICK);
		}
	}
	run_exit();
}
