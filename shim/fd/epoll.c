/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation: epoll sets.
 *
 * A set has two halves. What is not accelerated is registered with the kernel's epoll, which is the
 * set's own descriptor: the kernel does it all, events and data included. Accelerated sockets are
 * items in the arena, each a watch on its socket's description; the stack's news (ofd_notify) put
 * an item on the set's ready list and wake one of its sleepers. epoll_wait takes from both.
 *
 * Items follow the kernel's rules, with the list in place of its: an edge queues the item; taking
 * it looks at the level then; what is not ready any more leaves the list; level-triggered items go
 * back to its end, edge-triggered ones leave it, one-shot ones are switched off until
 * EPOLL_CTL_MOD. The cost is per ready event. Items are keyed by description and number, as the
 * kernel's by file and number, and are found through the description, where there are as many as
 * sets that hold it.
 *
 * A tracked socket that the kernel still serves is registered with the kernel and remembered here
 * (ITEM_KERNEL). When it becomes accelerated (listen, connect), epoll_migrate() takes it out of the
 * kernel's half. Threads may be asleep in the kernel alone then: they are poked through an eventfd,
 * always readable and level-triggered, that is a member of the kernel's half until the last of them
 * has come out.
 *
 * A set inside a set is registered with the kernel, too, which finds loops and sees the kernel's
 * half of it; our half is an item (ITEM_NESTED) whose level is the inner set's.
 *
 * Fairness. While the stack's half keeps a thread busy, the kernel's is looked at every
 * KERNEL_CHECK_NS and may then take half of the events asked for; else each gets what the other
 * leaves. Within a half the order is round-robin.
 *
 * Locks: that of what is watched (ofd_guard()) guards watches and thus which items there are; the
 * set's guards ready list, sleepers and what items ask for. Outer before inner set.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "shim/fd/epoll_set.h"
#include "shim/fd/fdtab.h"
#include "shim/proc/knobs.h"
#include "shim/proc/sys.h"
#include "shim/run/run.h"

#define EPSETS_MAX (1u << 16)
#define EPITEMS_MAX (1u << 22)
#define WATCHES_MAX (1u << 20)
#define POKE_MAX_NS 1000000000ull /* who is alive has come out of the kernel by then */
#define EXCLUSIVE_OK \
	(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

/* Its address, which no program has for data of its own, marks the eventfd's events. */
char epoll_poke_mark;
static _Atomic int poke_fd = -1;

bool epoll_pools_init(struct family *f)
{
	pool_init(&f->epsets, &f->arena, "epoll_set", sizeof(struct epoll_set), EPSETS_MAX);
	for (uint32_t i = 0; i <= FAMILY_STACKS; i++) {
		struct stackrec *sr = i < FAMILY_STACKS ? &f->stacks[i] : &f->shared;

		pool_init(&sr->epitems, &f->arena, "epoll_item", sizeof(struct epitem),
			  EPITEMS_MAX);
		pool_init(&sr->watches, &f->arena, "watch", sizeof(struct waiter_watch),
			  WATCHES_MAX);
	}
	return true;
}

void epoll_lock(struct epoll_set *set)
{
	if (unlikely(lock_acquire(&set->lock))) {
		list_mend(&set->ready);
		list_mend(&set->sleepers);
		list_mend(&set->items);
	}
}

int epoll_created(int fd)
{
	struct epoll_set *set = NULL;
	struct ofd *o;

	if (fd < 0 ||
	    (knobs.iface.count == 1 && !strcmp(knobs.iface.item[0], "none") && !knobs.loopback))
		return fd;
	o = ofd_new(OFD_EPOLL);
	if (!o)
		return fd;
	family_enter();
	set = pool_get(&family->epsets);
	family_leave();
	if (set) {
		/* Who still looks at what it was before may hold its lock. */
		if (!set->made)
			lock_init(&set->lock);
		set->made = true;
		epoll_lock(set);
		memset(&set->ofd, 0, sizeof(*set) - offsetof(struct epoll_set, ofd));
		set->ofd = o;
		list_init(&set->ready);
		list_init(&set->sleepers);
		list_init(&set->items);
		lock_release(&set->lock);
		o->ep = set;
	}
	if (!set || fdtab_set(fd, o) < 0)
		ofd_unref(o);
	return fd;
}

/* ---- items ---------------------------------------------------------------------------------- */

/* o's guard held. */
static struct epitem *item_find(const struct epoll_set *set, struct ofd *o, int fd)
{
	struct list *pos;

	list_for_each(pos, &o->watches) {
		struct watch *w = list_entry(pos, struct watch, node);
		struct epitem *it = container_of(w, struct epitem, watch);

		if (w->kind == WATCH_EPOLL && it->set == set && it->fd == fd)
			return it;
	}
	return NULL;
}

bool epoll_has_ours(const struct ofd *o)
{
	struct epoll_set *set = o->ep;

	return set && atomic_load_explicit(&set->nours, memory_order_relaxed) != 0;
}

static bool item_is_ours(const struct epitem *it)
{
	return it->state != ITEM_KERNEL;
}

/* Puts an item that is ready on the list and wakes a sleeper. set->lock held. True: woke one. */
static bool item_raise(struct epitem *it)
{
	struct epoll_set *set = it->set;
	bool was = !list_empty(&it->rdy);

	if (!was)
		list_push_back(&set->ready, &it->rdy);
	return epoll_wake_one(set);
}

/* After an item was added or changed: its level counts as an edge. Its guard held. */
static void item_check(struct epitem *it)
{
	struct epoll_set *set = it->set;
	bool up = item_is_ours(it) && (watch_level(it->o) & it->watch.events);

	if (!up)
		return;
	epoll_lock(set);
	item_raise(it);
	lock_release(&set->lock);
	ofd_notify(set->ofd, RDY_IN);
}

void epoll_prefer(struct ofd *o, uint32_t stack)
{
	struct list *pos;

	list_for_each(pos, &o->watches) {
		struct watch *w = list_entry(pos, struct watch, node);
		struct epitem *it = container_of(w, struct epitem, watch);

		if (w->kind != WATCH_EPOLL || !(it->events & EPOLLEXCLUSIVE) ||
		    it->set->stack1 != stack + 1)
			continue;
		list_del(pos);
		list_push_front(&o->watches, pos);
		return;
	}
}

bool epoll_item_notify(struct watch *w, uint32_t edges, bool quiet)
{
	struct epitem *it = container_of(w, struct epitem, watch);
	struct epoll_set *set = it->set;
	bool exclusive = it->events & EPOLLEXCLUSIVE, woke = false;

	if (!item_is_ours(it))
		return false;
	epoll_lock(set);
	if (it->watch.events & edges) {
		if (exclusive && quiet) {
			if (list_empty(&it->rdy))
				list_push_back(&set->ready, &it->rdy);
		} else {
			woke = item_raise(it) || set == epoll_taking;
		}
	}
	lock_release(&set->lock);
	if (!list_empty(&set->ofd->watches))
		ofd_notify(set->ofd, RDY_IN);
	return exclusive && woke;
}

/* Its guard held. */
static void item_free(struct epitem *it)
{
	struct epoll_set *set = it->set;

	epoll_lock(set);
	list_del(&it->rdy);
	list_del(&it->in_set);
	if (item_is_ours(it))
		set->nours--;
	lock_release(&set->lock);
	list_del(&it->watch.node);
	if (it->home == &family->shared)
		shared_enter();
	pool_put(&it->home->epitems, it);
	if (it->home == &family->shared)
		shared_leave();
}

static void item_set(struct epitem *it, const struct epoll_event *ev)
{
	it->events = ev->events;
	it->data = ev->data.u64;
	it->watch.events = rdy_wanted(ev->events);
}

static struct epitem *item_new(struct stackrec *sr, struct epoll_set *set, struct ofd *o, int fd,
			       enum item_state state, const struct epoll_event *ev)
{
	struct epitem *it = pool_get(&sr->epitems);

	if (!it)
		return NULL;
	it->watch.kind = WATCH_EPOLL;
	it->home = sr;
	it->set = set;
	it->o = o;
	it->fd = fd;
	it->state = state;
	list_init(&it->rdy);
	epoll_lock(set);
	item_set(it, ev);
	list_push_back(&set->items, &it->in_set);
	if (state != ITEM_KERNEL)
		set->nours++;
	if (state == ITEM_NESTED)
		set->nests = true;
	lock_release(&set->lock);
	list_push_back(&o->watches, &it->watch.node);
	return it;
}

/* ---- the kernel's half ---------------------------------------------------------------------- */

static int kernel_ctl(struct epoll_set *set, int epfd, int op, int fd, struct epoll_event *ev)
{
	int ret = sys_epoll_ctl(epfd, op, fd, ev);

	if (ret == 0 && op == EPOLL_CTL_ADD)
		set->kernel_used = true;
	return ret;
}

/* The eventfd that pokes, made once per process, as it is at this moment; -1: none can be had. */
static int poke_get(void)
{
	int fd = poke_fd, none = -1;

	if (fd < 0) {
		fd = sys_eventfd2(1, EFD_FLAGS);
		if (fd >= 0)
			fd = fd_hide(fd);
		if (fd < 0)
			return -1;
		if (!atomic_compare_exchange_strong(&poke_fd, &none, fd)) {
			fd_unhide_close(fd);
			fd = none;
		}
	}
	return fd_hidden_at(fd);
}

void epoll_poke(struct epoll_set *set, int epfd)
{
	/* Not one-shot: a thread that looks at both halves may be the one that takes the event. */
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uintptr_t)&epoll_poke_mark};
	int fd;

	if (!atomic_load(&set->ksleepers))
		return;
	fd = poke_get();
	if (fd < 0)
		return;
	epoll_lock(set);
	set->poked = true;
	set->poke_ns = now_ns();
	atomic_store(&set->poking, true);
	sys_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev); /* -EEXIST: it is being poked */
	lock_release(&set->lock);
	epoll_poke_end(set, epfd); /* they may be out by now */
}

void epoll_poke_end(struct epoll_set *set, int epfd)
{
	struct epoll_event ev;

	if (likely(!atomic_load(&set->poking)))
		return;
	epoll_lock(set);
	/* A sleeper that was killed never counts itself out. */
	if (now_ns() - set->poke_ns > POKE_MAX_NS)
		atomic_store(&set->ksleepers, 0);
	if (atomic_load(&set->poking) && !atomic_load(&set->ksleepers)) {
		atomic_store(&set->poking, false);
		sys_epoll_ctl(epfd, EPOLL_CTL_DEL, poke_get(), &ev);
	}
	lock_release(&set->lock);
}

/* A descriptor of this process for the set: hint, or whatever the table has. -1: none. */
static int set_fd(const struct epoll_set *set, int hint)
{
	struct ofd *o = fdtab_get(hint);

	if (o && o == set->ofd)
		return hint;
	for (int fd = 0, end = fdtab_end(); fd < end; fd++)
		if (fdtab_get(fd) == set->ofd)
			return fd;
	return -1;
}

void epoll_migrate(struct ofd *sock, int fd)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &sock->watches) {
		struct watch *w = list_entry(pos, struct watch, node);
		struct epitem *it = container_of(w, struct epitem, watch);
		struct epoll_event ev;
		int epfd;

		if (w->kind != WATCH_EPOLL || it->state != ITEM_KERNEL)
			continue;
		epfd = set_fd(it->set, it->epfd);
		if (epfd >= 0)
			sys_epoll_ctl(epfd, EPOLL_CTL_DEL, it->fd, &ev);
		epoll_lock(it->set);
		it->state = ITEM_OURS;
		it->set->nours++;
		lock_release(&it->set->lock);
		item_check(it);
		if (epfd >= 0)
			epoll_poke(it->set, epfd);
	}
}

/* ---- epoll_ctl ------------------------------------------------------------------------------ */

static int ctl_add(struct stackrec *sr, struct epoll_set *set, int epfd, struct ofd *t, int fd,
		   struct epoll_event *ev)
{
	enum item_state state = atomic_load(&t->sk)             ? ITEM_OURS
				: t->kind == OFD_EPOLL && t->ep ? ITEM_NESTED
								: ITEM_KERNEL;
	struct epitem *it;
	int ret;

	if (item_find(set, t, fd))
		return -EEXIST;
	if (state == ITEM_OURS && (ev->events & EPOLLEXCLUSIVE) && (ev->events & ~EXCLUSIVE_OK))
		return -EINVAL;
	if (state != ITEM_OURS) {
		ret = kernel_ctl(set, epfd, EPOLL_CTL_ADD, fd, ev);
		if (ret < 0)
			return ret;
	}
	it = item_new(sr, set, t, fd, state, ev);
	if (!it) {
		if (state != ITEM_OURS)
			sys_epoll_ctl(epfd, EPOLL_CTL_DEL, fd, ev);
		return -ENOMEM;
	}
	it->epfd = epfd;
	item_check(it);
	if (state != ITEM_KERNEL)
		epoll_poke(set, epfd);
	return 0;
}

static int ctl_mod(struct epoll_set *set, int epfd, struct ofd *t, int fd, struct epoll_event *ev)
{
	struct epitem *it = item_find(set, t, fd);
	int ret;

	if (it ? it->state != ITEM_OURS : !atomic_load(&t->sk)) {
		ret = sys_epoll_ctl(epfd, EPOLL_CTL_MOD, fd, ev);
		if (ret < 0)
			return ret;
	}
	if (!it)
		return atomic_load(&t->sk) ? -ENOENT : 0;
	if ((ev->events | it->events) & EPOLLEXCLUSIVE)
		return -EINVAL;
	epoll_lock(set);
	item_set(it, ev);
	lock_release(&set->lock);
	item_check(it);
	return 0;
}

static int ctl_del(struct epoll_set *set, int epfd, struct ofd *t, int fd)
{
	struct epitem *it = item_find(set, t, fd);
	struct epoll_event ev;
	int ret = 0;

	if (it ? it->state != ITEM_OURS : !atomic_load(&t->sk))
		ret = sys_epoll_ctl(epfd, EPOLL_CTL_DEL, fd, &ev);
	if (!it)
		return atomic_load(&t->sk) ? -ENOENT : ret;
	item_free(it);
	return ret;
}

int epoll_ctl_op(int epfd, struct ofd *o, int op, int fd, struct epoll_event *ev)
{
	struct epoll_set *set = o->ep;
	struct ofd *t = fdtab_get(fd);
	struct stackrec *sr;
	struct epoll_event e;
	int ret;

	if (!set || !t || t == o)
		return set ? kernel_ctl(set, epfd, op, fd, ev) : sys_epoll_ctl(epfd, op, fd, ev);
	if (op != EPOLL_CTL_DEL) {
		if (!ev)
			return -EFAULT;
		e = *ev;
		if (op == EPOLL_CTL_MOD && (e.events & EPOLLEXCLUSIVE))
			return -EINVAL;
	}
	sr = ofd_guard_enter(t);
	if (fdtab_get(fd) != t || fdtab_get(epfd) != o || o->ep != set)
		ret = -EBADF;
	else if (op == EPOLL_CTL_ADD)
		ret = ctl_add(sr, set, epfd, t, fd, &e);
	else if (op == EPOLL_CTL_MOD)
		ret = ctl_mod(set, epfd, t, fd, &e);
	else if (op == EPOLL_CTL_DEL)
		ret = ctl_del(set, epfd, t, fd);
	else
		ret = -EINVAL;
	run_leave(sr, RUN_LATER);
	return ret;
}

/* ---- ends ----------------------------------------------------------------------------------- */

void epoll_forget(struct ofd *sock)
{
	bool shared = ofd_guard(sock) == &family->shared;
	struct list *pos, *tmp;

	if (shared)
		shared_enter();
	list_for_each_safe(pos, tmp, &sock->watches) {
		struct watch *w = list_entry(pos, struct watch, node);

		if (w->kind == WATCH_EPOLL)
			item_free(container_of(w, struct epitem, watch));
		else
			waiter_wake_later(container_of(w, struct waiter_watch, watch)->waiter);
	}
	if (shared)
		shared_leave();
}

/* The first item of a set that gets no more of them, unless it goes by itself meanwhile: what it
 * is on may be closed by another thread. False: there is none. */
static bool item_free_first(struct epoll_set *set)
{
	struct epitem *it = NULL;
	struct stackrec *sr;
	struct ofd *o;
	bool still;

	epoll_lock(set);
	if (!list_empty(&set->items))
		it = list_first(&set->items, struct epitem, in_set);
	o = it ? it->o : NULL;
	lock_release(&set->lock);
	if (!it)
		return false;
	sr = ofd_guard_enter(o);
	epoll_lock(set);
	still = !list_empty(&set->items) && list_first(&set->items, struct epitem, in_set) == it &&
		it->o == o;
	lock_release(&set->lock);
	if (still)
		item_free(it);
	run_leave(sr, RUN_LATER);
	return true;
}

void epoll_set_free(struct ofd *o)
{
	struct epoll_set *set = o->ep;

	if (!set)
		return;
	run_enter(family_shared());
	epoll_forget(o);
	run_leave(family_shared(), RUN_LATER);
	while (item_free_first(set))
		;
	o->ep = NULL;
	family_enter();
	pool_put(&family->epsets, set);
	family_leave();
}
