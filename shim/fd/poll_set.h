/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What poll and select share: one wait over an array of descriptors, ours and the kernel's.
 */
#ifndef SHIM_FD_POLL_SET_H
#define SHIM_FD_POLL_SET_H

#include "epoll.h"

#define POLL_SMALL_BYTES 4096 /* an array up to about 150 needs no memory of its own */

struct waiter_watch;

struct poll_state {
	struct pollfd *fds; /* the caller's: events in, revents out */
	nfds_t n;
	struct ofd **o;           /* of each: ours, or NULL for the kernel's */
	struct waiter_watch **ww; /* watches while asleep */
	struct pollfd *kfds;      /* what the kernel is asked; fd -1: nothing */
	struct stackrec *sr;
	bool doors;  /* one of them has two */
	bool kernel; /* there is something to ask the kernel about */
	bool blind;  /* not all of ours could be watched */
	bool watching;
	bool interrupted;
	bool looked; /* not the first look any more */
	size_t mapped;
	/* What of n ready entries really counts (select); may take entries out of kfds. */
	int (*filter)(struct poll_state *ps, int n);
	void *arg;
	_Alignas(16) uint8_t small[POLL_SMALL_BYTES];
};

/* As poll(2), until deadline_ns (0: only look). The count, or -Exxx. */
int poll_run(struct poll_state *ps, struct pollfd *fds, nfds_t n, uint64_t deadline_ns,
	     const sigset_t *mask);
/* now + timeout; 0 for a zero timeout, UINT64_MAX for none. */
uint64_t poll_deadline(const struct timespec *timeout);

#endif
