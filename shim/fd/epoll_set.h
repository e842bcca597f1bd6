/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What epoll.c (which descriptors are in a set) and epoll_wait.c (what they report) share.
 */
#ifndef SHIM_FD_EPOLL_SET_H
#define SHIM_FD_EPOLL_SET_H

#include <sys/eventfd.h>

#include "epoll.h"

#define EFD_FLAGS (EFD_CLOEXEC | EFD_NONBLOCK)

struct epoll_set {
	void *link; /* the pool's, while it is free */
	struct shim_lock lock;
	bool made;                  /* once: these two stay when it becomes another set */
	struct ofd *ofd;            /* its description */
	struct list ready;          /* struct epitem.rdy */
	struct list sleepers;       /* struct waiter.on_set, longest asleep first */
	struct list items;          /* struct epitem.in_set: all of them */
	_Atomic uint32_t nours;     /* items that the kernel's half does not report */
	_Atomic uint32_t ksleepers; /* threads asleep in the kernel's half alone */
	_Atomic bool kernel_used;   /* the kernel's half has, or had, a member */
	_Atomic bool nests;         /* it holds, or held, other sets */
	_Atomic bool poked;         /* the kernel's half holds, or held, the eventfd */
	_Atomic bool poking;        /* it holds it */
	uint64_t poke_ns;           /* since when, at least */
	_Atomic uint8_t stack1;     /* the stack of the thread that last waited for it, plus 1 */
	_Atomic bool kernel_turn;   /* with one event asked for: whose turn it is */
	_Atomic uint64_t kcheck_ns; /* when the kernel's half was last looked at */
};

enum item_state {
	ITEM_OURS,   /* an accelerated socket */
	ITEM_KERNEL, /* a tracked socket that the kernel serves: registered there */
	ITEM_NESTED, /* an epoll set: registered there, too */
};

struct epitem {
	struct watch watch; /* events: RDY_* asked for; 0 when a one-shot has fired */
	struct epoll_set *set;
	struct ofd *o;         /* whose readiness it reports; its guard is the item's */
	struct stackrec *home; /* whose pool it is from */
	struct list rdy;       /* on set->ready */
	struct list in_set;    /* on set->items */
	uint64_t data;
	uint32_t events; /* as epoll_ctl() gave them */
	int fd, epfd;    /* as epoll_ctl() named them */
	uint8_t state;   /* enum item_state */
};

extern char epoll_poke_mark;
/* The set that the thread is about to take events from, with several stacks; else NULL. */
extern __thread struct epoll_set *epoll_taking __attribute__((tls_model("initial-exec")));

/* Takes set->lock, mending what a dead holder left. */
void epoll_lock(struct epoll_set *set);
/* Wakes the thread that has slept longest, which leaves the list. set->lock held. */
bool epoll_wake_one(struct epoll_set *set);
/* Makes the threads that sleep in the kernel's half alone come out of it. set->lock not held. */
void epoll_poke(struct epoll_set *set, int epfd);
/* One has come out, or its poke has been seen: if it was the last, the poking ends. */
void epoll_poke_end(struct epoll_set *set, int epfd);

#endif
