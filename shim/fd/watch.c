/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is told when a description's readiness changes: epoll items and sleeping threads. Decides who
 * of several exclusive epoll items is woken (EPOLLEXCLUSIVE: one), and in which order: the one
 * woken goes to the end, so that workers take turns. Nobody is woken here while the stack's lock is
 * held: waiters are marked, and poked by run_leave().
 */
#include "shim/fd/epoll.h"
#include "shim/run/run.h"

#define MEND_MAX \
	(1u << 21) /* more than any list has: a list cut by a death can't hold us for ever */

void ofd_notify(struct ofd *o, uint32_t edges)
{
	struct list *pos, *tmp, *woken = NULL;
	bool shared = unlikely(ofd_guard(o) == &family->shared);

	if (shared)
		shared_enter();
	list_for_each_safe(pos, tmp, &o->watches) {
		struct watch *w = list_entry(pos, struct watch, node);

		if (!(w->events & edges))
			continue;
		if (w->kind == WATCH_WAITER)
			waiter_wake_later(container_of(w, struct waiter_watch, watch)->waiter);
		else if (epoll_item_notify(w, edges, woken != NULL))
			woken = pos;
	}
	if (woken) {
		list_del(woken);
		list_push_back(&o->watches, woken);
	}
	if (shared)
		shared_leave();
}

struct waiter_watch *watch_add(struct stackrec *sr, struct waiter *w, struct ofd *o,
			       uint32_t events)
{
	struct waiter_watch *ww = pool_get(&sr->watches);

	if (!ww)
		return NULL;
	ww->watch.kind = WATCH_WAITER;
	ww->watch.events = events | RDY_ERR | RDY_HUP;
	ww->waiter = w;
	ww->o = o;
	ww->home = sr;
	list_push_back(&w->watches, &ww->own);
	list_push_back(&o->watches, &ww->watch.node);
	return ww;
}

void watch_del(struct waiter_watch *ww)
{
	list_del(&ww->watch.node);
	list_del(&ww->own);
	pool_put(&ww->home->watches, ww);
}

void list_mend(struct list *head)
{
	struct list *pos = head;

	for (uint32_t i = 0; i < MEND_MAX && pos->next != head; i++) {
		pos->next->prev = pos;
		pos = pos->next;
	}
	pos->next = head;
	head->prev = pos;
}
