/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poll over accelerated sockets and kernel descriptors together. The kernel answers for its own in
 * one ppoll; ours are answered from memory. Before sleeping the thread puts a watch on each of
 * ours. Must give what the kernel's poll gives, bit for bit, and must not be O(n) more often than
 * it is: once per look.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "shim/fd/fdtab.h"
#include "shim/fd/poll_set.h"
#include "shim/proc/sys.h"
#include "shim/proc/thread.h"
#include "shim/run/run.h"

#define POLL_WANTED \
	(POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND | POLLRDHUP)

#define POLL_BLIND_NS 1000000ull /* without a watch: look again after this */

static struct ofd *ours(int fd)
{
	struct ofd *o = fdtab_get(fd);

	if (!o || thread_is_internal())
		return NULL;
	if (o->kind == OFD_EPOLL)
		return epoll_has_ours(o) ? o : NULL;
	return atomic_load_explicit(&o->sk, memory_order_acquire) ? o : NULL;
}

bool poll_concerns_us(const struct pollfd *fds, nfds_t n)
{
	if (!fdtab)
		return false;
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].fd >= 0 && ours(fds[i].fd))
			return true;
	return false;
}

/* ---- memory for one call -------------------------------------------------------------------- */

static size_t state_bytes(nfds_t n)
{
	return n * (sizeof(struct pollfd) + sizeof(struct ofd *) + sizeof(struct waiter_watch *));
}

static int state_init(struct poll_state *ps, struct pollfd *fds, nfds_t n)
{
	uint8_t *mem = ps->small;

	ps->fds = fds;
	ps->n = n;
	ps->mapped = 0;
	ps->watching = ps->blind = ps->kernel = false;
	ps->looked = ps->interrupted = false;
	if (state_bytes(n) > sizeof(ps->small)) {
		ps->mapped = state_bytes(n);
		mem = sys_mmap(NULL, ps->mapped, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (sys_is_err(mem))
			return -ENOMEM;
	}
	ps->o = (struct ofd **)mem;
	ps->ww = (struct waiter_watch **)(ps->o + n);
	ps->kfds = (struct pollfd *)(ps->ww + n);
	ps->doors = false;
	for (nfds_t i = 0; i < n; i++) {
		ps->o[i] = fds[i].fd < 0 ? NULL : ours(fds[i].fd);
		ps->ww[i] = NULL;
		ps->doors |= ps->o[i] && ps->o[i]->two_doors;
		/* The kernel's half of an epoll set is the kernel's to tell. */
		ps->kfds[i] = fds[i];
		ps->kfds[i].revents = 0;
		if (ps->o[i] && ps->o[i]->kind != OFD_EPOLL)
			ps->kfds[i].fd = -1;
		ps->kernel |= ps->kfds[i].fd >= 0;
	}
	return 0;
}

/* Holds the lock that guards o, in place of held (NULL: none). */
static struct stackrec *guard_switch(struct stackrec *held, const struct ofd *o)
{
	if (held && held == ofd_guard(o))
		return held;
	if (held)
		run_leave(held, RUN_KICK);
	return ofd_guard_enter(o);
}

/* What is watched is held, too: closed by another thread, it may not become another's meanwhile. */
static void state_watch(struct poll_state *ps)
{
	struct waiter *w = waiter_self();
	struct stackrec *guard = NULL;

	if (ps->watching || !w)
		return;
	ps->watching = true;
	for (nfds_t i = 0; i < ps->n; i++) {
		if (!ps->o[i])
			continue;
		if (fdtab_get(ps->fds[i].fd) != ps->o[i]) { /* closed meanwhile: the kernel's say */
			ps->o[i] = NULL;
			ps->kfds[i].fd = ps->fds[i].fd;
			ps->kernel = true;
			continue;
		}
		guard = guard_switch(guard, ps->o[i]);
		ps->ww[i] = watch_add(guard, w, ps->o[i], rdy_wanted((uint16_t)ps->fds[i].events));
		if (ps->ww[i])
			ofd_hold(ps->o[i]);
		else
			ps->blind = true;
	}
	if (guard)
		run_leave(guard, RUN_KICK);
}

static void state_fini(void *arg)
{
	struct poll_state *ps = arg;

	if (ps->watching) {
		struct stackrec *home = NULL;

		for (nfds_t i = 0; i < ps->n; i++) {
			if (!ps->ww[i])
				continue;
			ps->o[i] = ps->ww[i]->o; /* select may have let go of it */
			home = guard_switch(home, ps->o[i]);
			watch_del(ps->ww[i]);
		}
		if (home)
			run_leave(home, RUN_LATER);
		for (nfds_t i = 0; i < ps->n; i++)
			if (ps->ww[i])
				ofd_drop(ps->o[i]);
	}
	if (ps->mapped)
		sys_munmap(ps->o, ps->mapped);
}

/* ---- looking -------------------------------------------------------------------------------- */

/* Another thread has closed it, or put something else in its place: that counts as soon as
 * something has ended the sleep, as in the kernel. What is watched stays so until the end. */
static bool look_is_late(const struct poll_state *ps, nfds_t i)
{
	if (likely(fdtab_get(ps->fds[i].fd) == ps->o[i]))
		return false;
	return !ps->ww[i] || ps->interrupted ||
	       (watch_level(ps->o[i]) & rdy_wanted((uint16_t)ps->fds[i].events));
}

static void look_anew(struct poll_state *ps, nfds_t i)
{
	struct ofd *o = ours(ps->fds[i].fd);

	ps->o[i] = o;
	ps->fds[i].revents = 0;
	ps->kfds[i].fd = o && o->kind != OFD_EPOLL ? -1 : ps->fds[i].fd;
	ps->kernel |= ps->kfds[i].fd >= 0;
	ps->blind |= o != NULL;
}

/* Fills in revents of ours. How many are ready. */
static int look_ours(struct poll_state *ps)
{
	int ready = 0;

	for (nfds_t i = 0; i < ps->n; i++) {
		uint32_t want, level;

		if (ps->o[i] && unlikely(look_is_late(ps, i)))
			look_anew(ps, i);
		if (!ps->o[i])
			continue;
		want = ((uint16_t)ps->fds[i].events & POLL_WANTED) | POLLERR | POLLHUP;
		level = rdy_expand(watch_level(ps->o[i])) & want;
		ps->fds[i].revents = (short)level;
		ready += level != 0;
	}
	return ready;
}

/* Takes over what the kernel said in kfds. How many entries that were not ready are now. */
static int take_kernel(struct poll_state *ps)
{
	int ready = 0;

	for (nfds_t i = 0; i < ps->n; i++) {
		if (ps->o[i] && ps->o[i]->kind != OFD_EPOLL)
			continue;
		if (!ps->o[i])
			ps->fds[i].revents = 0;
		ready += !ps->fds[i].revents && ps->kfds[i].revents;
		ps->fds[i].revents |= ps->kfds[i].revents;
	}
	return ready;
}

static int look(struct poll_state *ps)
{
	struct timespec zero = {0, 0};
	int n = look_ours(ps), ret = 0;

	if (ps->kernel)
		ret = sys_ppoll(ps->kfds, ps->n, &zero, NULL);
	if (ret < 0 && ret != -EINTR)
		return ret;
	return n + take_kernel(ps);
}

static bool ours_ready(void *arg)
{
	struct poll_state *ps = arg;

	for (nfds_t i = 0; i < ps->n; i++)
		if (ps->o[i] && (watch_level(ps->o[i]) & rdy_wanted((uint16_t)ps->fds[i].events)))
			return true;
	return false;
}

/* ---- waiting -------------------------------------------------------------------------------- */

uint64_t poll_deadline(const struct timespec *timeout)
{
	uint64_t now;

	if (!timeout)
		return UINT64_MAX;
	if (!timeout->tv_sec && !timeout->tv_nsec)
		return 0;
	now = now_ns();
	if ((uint64_t)timeout->tv_sec > (UINT64_MAX - now) / 1000000000ull - 1)
		return UINT64_MAX;
	return now + (uint64_t)timeout->tv_sec * 1000000000ull + (uint64_t)timeout->tv_nsec;
}

static int state_sleep(struct poll_state *ps, uint64_t deadline, const sigset_t *mask,
		       uint32_t nsigs0)
{
	uint64_t blind = now_ns() + POLL_BLIND_NS;
	int ret;

	if (ps->blind && deadline > blind)
		deadline = blind;
	if (ps->kernel)
		return wait_sleep(ps->sr, ps->kfds, (unsigned)ps->n, deadline, mask, nsigs0);
	ret = wait_sleep_epoll(ps->sr, -1, deadline, mask, nsigs0);
	return ret < 0 ? ret : 0;
}

/* A wait of no time at all: a signal that is pending and that mask lets in ends it even so. */
static int mask_look(const sigset_t *mask)
{
	struct timespec none = {0, 0};
	int ret;

	if (!mask)
		return 0;
	thread_wait_begin(mask);
	ret = sys_ppoll(NULL, 0, &none, mask);
	thread_wait_end();
	return ret;
}

static int wait_loop(struct poll_state *ps, uint64_t deadline, const sigset_t *mask)
{
	uint32_t nsigs0 = thread_self.nsigs;
	int n, ret = 0;

	for (;;) {
		uint64_t now, spin;

		attend_turn(ps->sr);
		if (ps->doors)
			door_poll();
		n = look(ps);
		if (n && ps->filter)
			n = ps->filter(ps, n);
		ps->looked = true;
		if (n || ret == -EINTR)
			return n ? n : ret;
		if (ret < 0 && ret != -ERESTART)
			return ret;
		now = now_ns();
		if (now >= deadline)
			return deadline ? 0 : mask_look(mask);
		spin = wait_spin_ns(ps->sr);
		if (spin > KERNEL_CHECK_NS)
			spin = KERNEL_CHECK_NS;
		if (spin > deadline - now)
			spin = deadline - now;
		if (spin && wait_spin(ps->sr, now + spin, true, nsigs0, ours_ready, ps) &&
		    !thread_interrupted(nsigs0))
			continue;
		state_watch(ps);
		if (!ours_ready(ps))
			ret = state_sleep(ps, deadline, mask, nsigs0);
		ps->interrupted = ret == -EINTR;
	}
}

static bool too_many(nfds_t n)
{
	struct rlimit rl;

	return n > 1024 && sys_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl) == 0 &&
	       n > rl.rlim_cur;
}

/* Where its sockets are it helps along. Nothing is held: a description may be another's by now. */
static void attend_socks(const struct poll_state *ps)
{
	if (likely(family->nstacks == 1))
		return;
	for (nfds_t i = 0; i < ps->n; i++) {
		struct stackrec *sr = ps->o[i] ? ofd_guard(ps->o[i]) : &family->shared;

		if (sr != &family->shared)
			attend_mask(sr);
	}
}

int poll_run(struct poll_state *ps, struct pollfd *fds, nfds_t n, uint64_t deadline,
	     const sigset_t *mask)
{
	struct thread_undo undo;
	int ret = state_init(ps, fds, n);

	if (ret < 0)
		return ret;
	ps->sr = attend_own();
	attend_socks(ps);
	thread_undo_push(&undo, state_fini, ps);
	ret = wait_loop(ps, deadline, mask);
	thread_undo_pop();
	state_fini(ps);
	return ret;
}

int poll_op(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *sigmask)
{
	struct poll_state ps = {.filter = NULL};

	if (timeout && (timeout->tv_sec < 0 || (unsigned long)timeout->tv_nsec >= 1000000000ul))
		return -EINVAL;
	if (too_many(n))
		return -EINVAL;
	return poll_run(&ps, fds, n, poll_deadline(timeout), sigmask);
}
