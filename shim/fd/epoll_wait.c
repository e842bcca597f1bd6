/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an epoll set reports, and how a thread waits for it. Theory of operation: epoll.c.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "shim/dev/dev.h"
#include "shim/fd/epoll_set.h"
#include "shim/fd/fdtab.h"
#include "shim/proc/sys.h"
#include "shim/proc/thread.h"
#include "shim/run/run.h"

__thread struct epoll_set *epoll_taking __attribute__((tls_model("initial-exec")));

/* ---- our half ------------------------------------------------------------------------------- */

bool epoll_wake_one(struct epoll_set *set)
{
	struct waiter *w;

	if (list_empty(&set->sleepers))
		return false;
	w = list_first(&set->sleepers, struct waiter, on_set);
	list_del(&w->on_set);
	waiter_wake_later(w);
	return true;
}

/* Off the list of the set it slept on. takes: it looks for events next, and wakes another for what
 * it leaves; else, if it was woken for some, the next one is. */
static void waiter_leave(struct waiter *w, bool takes)
{
	struct epoll_set *set = w->set;
	bool woken;

	if (!set)
		return;
	epoll_lock(set);
	woken = list_empty(&w->on_set);
	list_del(&w->on_set);
	w->set = NULL;
	if (woken && !takes && !list_empty(&set->ready))
		epoll_wake_one(set);
	lock_release(&set->lock);
	waiter_wake_flush();
}

void epoll_waiter_leave(struct waiter *w)
{
	waiter_leave(w, false);
}

/* True when it starts to sleep on the set; false: there may be something ready. */
static bool waiter_join(struct waiter *w, struct epoll_set *set)
{
	bool ready;

	epoll_waiter_leave(
		w); /* a signal handler waits inside another wait, which ends with -EINTR */
	epoll_lock(set);
	ready = !list_empty(&set->ready);
	if (!ready) {
		w->set = set;
		list_push_back(&set->sleepers, &w->on_set);
	}
	lock_release(&set->lock);
	return !ready;
}

/* Reports one item off the ready list if it still is ready, and decides where it goes. */
static bool item_take(struct epitem *it, struct epoll_event *ev)
{
	uint32_t level = watch_level(it->o) & it->watch.events;

	list_del(&it->rdy);
	if (!level)
		return false;
	ev->events = rdy_expand(level) & (it->events | EPOLLERR | EPOLLHUP);
	ev->data.u64 = it->data;
	if (it->events & EPOLLONESHOT)
		it->watch.events = 0;
	else if (!(it->events & EPOLLET))
		list_push_back(&it->set->ready, &it->rdy);
	return true;
}

/* max 0: the kernel's half has taken all the room; then another thread is to take what is here. */
static int harvest(struct epoll_set *set, struct epoll_event *ev, int max)
{
	struct list *pos, *last;
	int n = 0;

	if (list_empty(&set->ready))
		return 0;
	epoll_lock(set);
	/* What goes back to the end must not be met again. */
	last = set->ready.prev;
	while (n < max && !list_empty(&set->ready)) {
		pos = set->ready.next;
		n += item_take(list_entry(pos, struct epitem, rdy), &ev[n]);
		if (pos == last)
			break;
	}
	if (!list_empty(&set->ready))
		epoll_wake_one(set);
	lock_release(&set->lock);
	waiter_wake_flush();
	return n;
}

uint32_t epoll_level(const struct ofd *o)
{
	struct epoll_set *set = o->ep;
	uint32_t level = 0;

	if (!set || list_empty(&set->ready))
		return 0;
	epoll_lock(set);
	while (!level && !list_empty(&set->ready)) {
		struct epitem *it = list_first(&set->ready, struct epitem, rdy);

		if (watch_level(it->o) & it->watch.events)
			level = RDY_IN;
		else
			list_del(&it->rdy);
	}
	lock_release(&set->lock);
	return level;
}

/* ---- the kernel's half ---------------------------------------------------------------------- */

/* Without the events of the eventfd that pokes sleepers. */
static int poke_filter(struct epoll_set *set, struct epoll_event *ev, int n)
{
	int kept = 0;

	if (!set->poked)
		return n;
	for (int i = 0; i < n; i++)
		if (ev[i].data.u64 != (uintptr_t)&epoll_poke_mark)
			ev[kept++] = ev[i];
	return kept;
}

static int kernel_poll(struct epoll_set *set, int epfd, struct epoll_event *ev, int max)
{
	int n;

	if (!set->kernel_used || max <= 0)
		return 0;
	n = sys_epoll_pwait(epfd, ev, max, 0, NULL);
	if (n > 0) {
		n = poke_filter(set, ev, n);
		epoll_poke_end(set, epfd);
	}
	return n;
}

/* One wait in the kernel. epoll_pwait2 only where milliseconds don't do: filters may forbid it. */
static int kernel_wait_once(int epfd, struct epoll_event *ev, int max, const struct timespec *ts,
			    const sigset_t *mask)
{
	uint64_t ms;
	int n;

	if (!ts)
		return sys_epoll_pwait(epfd, ev, max, -1, mask);
	if (ts->tv_nsec % 1000000) {
		n = sys_epoll_pwait2(epfd, ev, max, ts, mask);
		if (n != -ENOSYS && n != -EPERM)
			return n;
	}
	ms = (uint64_t)ts->tv_sec * 1000 + (uint64_t)(ts->tv_nsec + 999999) / 1000000;
	return sys_epoll_pwait(epfd, ev, max, ms > INT_MAX ? INT_MAX : (int)ms, mask);
}

struct kernel_pass {
	struct epoll_event *ev;
	const struct timespec *ts;
	const sigset_t *mask;
	int epfd, max;
};

static long kernel_pass(void *arg)
{
	const struct kernel_pass *p = arg;

	return kernel_wait_once(p->epfd, p->ev, p->max, p->ts, p->mask);
}

/* Counts a sleeper out, unless it was given up for dead (epoll_poke_end). */
static void ksleeper_out(struct epoll_set *set)
{
	uint32_t n = atomic_load(&set->ksleepers);

	while (n && !atomic_compare_exchange_weak(&set->ksleepers, &n, n - 1))
		;
}

/*
 * A set that has nothing of ours: straight to the kernel. *again: it has become one of ours while
 * we slept, and nothing was reported. A handler that jumps, or a request for cancellation, leaves a
 * sleeper counted, as one that is killed does (epoll_poke_end).
 */
static int kernel_wait(struct epoll_set *set, int epfd, struct epoll_event *ev, int max,
		       const struct timespec *ts, const sigset_t *mask, bool *again)
{
	struct kernel_pass pass = {ev, ts, mask, epfd, max};
	int n = 0, kept;

	*again = true;
	atomic_fetch_add(&set->ksleepers, 1);
	if (!atomic_load(&set->nours)) {
		n = (int)thread_pass(kernel_pass, &pass);
		*again = false;
	}
	ksleeper_out(set);
	epoll_poke_end(set, epfd);
	if (n <= 0 || !set->poked)
		return n;
	kept = poke_filter(set, ev, n);
	*again = kept == 0;
	return kept;
}

/* ---- both ----------------------------------------------------------------------------------- */

struct epwait {
	struct epoll_set *set;
	struct stackrec *sr;
	struct ofd *o;
	int epfd;
	struct epoll_event *ev;
	int max;
	uint64_t deadline;
	const sigset_t *mask;
	uint32_t nsigs0;
	bool held;
};

/* How many of max events the kernel's half may take before ours is asked: all but what we have, of
 * which half of the room is ours in any case. */
static int kernel_share(struct epoll_set *set, int max)
{
	const struct list *pos;
	int n = 0;

	if (list_empty(&set->ready))
		return max;
	if (max > 1) {
		epoll_lock(set);
		for (pos = set->ready.next; pos != &set->ready && n < max / 2; pos = pos->next)
			n++;
		lock_release(&set->lock);
		return max - n;
	}
	set->kernel_turn = !set->kernel_turn;
	return set->kernel_turn;
}

/* The same set inside may report from both of its halves: it is one event. */
static int nested_merge(const struct epwait *e, int k, int n)
{
	int kept = k;

	for (int i = k; i < n; i++) {
		int j = 0;

		while (j < k && e->ev[j].data.u64 != e->ev[i].data.u64)
			j++;
		if (j < k)
			e->ev[j].events |= e->ev[i].events;
		else
			e->ev[kept++] = e->ev[i];
	}
	return kept;
}

/* Takes what is there. kernel: look at the kernel's half and doors, too. */
static int collect(struct epwait *e, bool kernel)
{
	struct epoll_set *set = e->set;
	int k = 0, n;

	if (kernel) {
		set->kcheck_ns = now_ns();
		door_poll();
		k = kernel_poll(set, e->epfd, e->ev, kernel_share(set, e->max));
		if (k < 0)
			return k;
	}
	n = k + harvest(set, e->ev + k, e->max - k);
	return k && n > k && set->nests ? nested_merge(e, k, n) : n;
}

static bool set_is_ready(void *arg)
{
	const struct epoll_set *set = arg;

	return !list_empty(&set->ready);
}

/* Spins as long as it pays. True: something came, or the kernel's half is to be looked at. */
static bool spin(struct epwait *e, uint64_t now)
{
	uint64_t left = wait_spin_ns(e->sr), end, until;

	if (left > e->deadline - now)
		left = e->deadline - now;
	end = now + left;
	for (; now < end; now = until) {
		until = end - now > KERNEL_CHECK_NS ? now + KERNEL_CHECK_NS : end;
		if (wait_spin(e->sr, until, until == end, e->nsigs0, set_is_ready, e->set))
			return !thread_interrupted(e->nsigs0);
		if (until < end && (e->set->kernel_used || door_fd() >= 0))
			return true;
	}
	return false;
}

/* Sleeps. 1: the kernel's half or a door may have something; 0, -EINTR. */
static int doze(struct epwait *e)
{
	int kernel = e->set->kernel_used ? e->epfd : -1;
	struct waiter *w = waiter_self();
	int ret = 0;

	if (!e->held) { /* another thread may close the set meanwhile, or has */
		e->held = ofd_hold_live(e->o);
		if (!e->held || fdtab_get(e->epfd) != e->o || e->o->ep != e->set)
			return -EBADF;
	}
	if (!w || waiter_join(w, e->set))
		ret = wait_sleep_epoll(e->sr, kernel, e->deadline, e->mask, e->nsigs0);
	if (w)
		waiter_leave(w, true);
	return ret;
}

static void epwait_end(void *arg)
{
	struct epwait *e = arg;

	epoll_taking = NULL;
	if (thread_self.waiter)
		epoll_waiter_leave(thread_self.waiter);
	if (e->held)
		ofd_drop(e->o);
}

/* Something has come while we looked: no sleep, and no reason to ask the kernel either. */
static bool turn_is_due(const struct epwait *e)
{
	return !thread_interrupted(e->nsigs0) && attend_due(e->sr, now_ns());
}

static int wait_both(struct epwait *e)
{
	bool kernel = false;
	uint64_t now;
	int n, ret = 0;

	for (;;) {
		attend_turn(e->sr);
		now = now_ns();
		kernel |= now - e->set->kcheck_ns >= KERNEL_CHECK_NS;
		n = collect(e, kernel);
		if (!n && !kernel && now >= e->deadline)
			n = collect(e, true);
		if (n || ret < 0)
			return n ? n : ret;
		if (now >= e->deadline)
			return 0;
		kernel = spin(e, now);
		if (kernel || turn_is_due(e))
			continue;
		ret = doze(e);
		if (ret == -EBADF)
			return ret;
		kernel = ret != 0;
	}
}

int epoll_wait_op(int epfd, struct ofd *o, struct epoll_event *ev, int max,
		  const struct timespec *timeout, const sigset_t *sigmask)
{
	struct epwait e = {.set = o->ep,
			   .o = o,
			   .epfd = epfd,
			   .ev = ev,
			   .max = max,
			   .mask = sigmask,
			   .deadline = UINT64_MAX,
			   .nsigs0 = thread_self.nsigs};
	struct thread_undo undo;
	struct timespec left;
	bool again;
	int ret;

	if (max <= 0 || max > (int)(INT_MAX / sizeof(*ev)))
		return -EINVAL;
	if (timeout && (timeout->tv_sec < 0 || (unsigned long)timeout->tv_nsec >= 1000000000ul))
		return -EINVAL;
	if (!e.set) {
		struct kernel_pass pass = {ev, timeout, sigmask, epfd, max};

		return (int)thread_pass(kernel_pass, &pass);
	}
	if (timeout && (timeout->tv_sec || timeout->tv_nsec)) {
		e.deadline = now_ns();
		if ((uint64_t)timeout->tv_sec > (UINT64_MAX - e.deadline) / 1000000000ull - 1)
			e.deadline = UINT64_MAX;
		else
			e.deadline += (uint64_t)timeout->tv_sec * 1000000000ull +
				      (uint64_t)timeout->tv_nsec;
	} else if (timeout) {
		e.deadline = 0;
	}
	while (!atomic_load_explicit(&e.set->nours, memory_order_relaxed)) {
		ret = kernel_wait(e.set, epfd, ev, max, timeout, sigmask, &again);
		if (!again)
			return ret;
		if (timeout && e.deadline) {
			uint64_t now = now_ns(), ns = e.deadline > now ? e.deadline - now : 0;

			left = (struct timespec){(time_t)(ns / 1000000000ull),
						 (long)(ns % 1000000000ull)};
			timeout = &left;
		}
	}
	e.sr = attend_own();
	if (unlikely(family->nstacks > 1)) {
		e.set->stack1 = (uint8_t)(e.sr->idx + 1);
		epoll_taking = e.set;
	}
	thread_undo_push(&undo, epwait_end, &e);
	ret = wait_both(&e);
	thread_undo_pop();
	epwait_end(&e);
	return ret == -ERESTART ? -EINTR : ret;
}
