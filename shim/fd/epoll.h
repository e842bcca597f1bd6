/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll sets that hold accelerated sockets and kernel descriptors together, and poll and select
 * over such mixtures. Theory of operation: the head of epoll.c. Results as the system calls',
 * -Exxx inside.
 */
#ifndef SHIM_FD_EPOLL_H
#define SHIM_FD_EPOLL_H

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#include "ofd.h"

/* An epoll descriptor was made: starts tracking it unless nothing can be accelerated. Returns fd. */
int epoll_created(int fd);
/* o: the set's description. */
int epoll_ctl_op(int epfd, struct ofd *o, int op, int fd, struct epoll_event *ev);
/* timeout NULL: for ever. sigmask NULL: unchanged. */
int epoll_wait_op(int epfd, struct ofd *o, struct epoll_event *ev, int max,
		  const struct timespec *timeout, const sigset_t *sigmask);
/* The set's description lost its last descriptor. */
void epoll_set_free(struct ofd *o);
/* The last descriptor of a socket is gone: it leaves every set, as in the kernel. sr->lock held. */
void epoll_forget(struct ofd *sock);

/* True when at least one of the descriptors is an accelerated socket, or an epoll set that could
 * hold one: then poll_op must serve the call, else libc may. */
bool poll_concerns_us(const struct pollfd *fds, nfds_t n);
int poll_op(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *sigmask);
bool select_concerns_us(int n, const fd_set *r, const fd_set *w, const fd_set *x);
/* timeout: in, and (update) the time left, out, as Linux's select does. */
int select_op(int n, fd_set *r, fd_set *w, fd_set *x, struct timespec *timeout, bool update,
	      const sigset_t *sigmask);

#endif
