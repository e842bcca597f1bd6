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

/* An epoll descriptor was made: starts tracking it unless nothing can be accelerated. Returns
 * fd. */
int epoll_created(int fd);
/* o: the set's description. */
int epoll_ctl_op(int epfd, struct ofd *o, int op, int fd, struct epoll_event *ev);
/* timeout NULL: for ever. sigmask NULL: unchanged. */
int epoll_wait_op(int epfd, struct ofd *o, struct epoll_event *ev, int max,
		  const struct timespec *timeout, const sigset_t *sigmask);
/* The set's description lost its last descriptor. */
void epoll_set_free(struct ofd *o);
/* The last descriptor of a socket is gone: it leaves every set, as in the kernel. sr->lock held, if
 * there is one. */
void epoll_forget(struct ofd *sock);

/*
 * sock, a socket until now served by its shadow, has become an accelerated one (o->sk is set): sets
 * that hold it take its readiness from the stack from now on. fd: a descriptor of it. sr->lock
 * held.
 */
void epoll_migrate(struct ofd *sock, int fd);
/* Tells an item of edges. quiet: another exclusive item has been woken, so an exclusive one is not.
 * True when it is exclusive and a sleeper was woken. sr->lock held; for ofd_notify(). */
bool epoll_item_notify(struct watch *w, uint32_t edges, bool quiet);
/* A listener has something on a stack: of its exclusive items, that of a thread whose own stack
 * this is shall be the first to be told. Guard held. */
void epoll_prefer(struct ofd *o, uint32_t stack);
/* The level of an epoll set as a description: RDY_IN when it has something to report (its kernel's
 * part not counted). No lock, or that of a set that holds this one. */
uint32_t epoll_level(const struct ofd *o);
/* True when some of its members are not the kernel's to tell. No lock: a hint. */
bool epoll_has_ours(const struct ofd *o);
/* A waiter that will not come back (its process is gone) leaves the set it slept on. No lock
 * held. */
struct waiter;
void epoll_waiter_leave(struct waiter *w);
/* For family.c, when the family is made: pools of sets and items. False: no memory. */
bool epoll_pools_init(struct family *f);

/* RDY_* as the bits of poll(2) and epoll(7) that go with them, and the RDY_* that bits ask for. */
static inline uint32_t rdy_expand(uint32_t rdy)
{
	return rdy | (rdy & RDY_IN ? EPOLLRDNORM : 0) | (rdy & RDY_OUT ? EPOLLWRNORM : 0);
}
static inline uint32_t rdy_wanted(uint32_t events)
{
	return (events & (RDY_IN | RDY_PRI | RDY_OUT | RDY_RDHUP)) |
	       (events & EPOLLRDNORM ? RDY_IN : 0) | (events & EPOLLWRNORM ? RDY_OUT : 0) |
	       RDY_ERR | RDY_HUP;
}
/* The level now of whatever o is. */
static inline uint32_t watch_level(const struct ofd *o)
{
	return o->kind == OFD_EPOLL ? epoll_level(o) : ofd_ready(o);
}

/* True when at least one of the descriptors is an accelerated socket, or an epoll set that could
 * hold one: then poll_op must serve the call, else libc may. */
bool poll_concerns_us(const struct pollfd *fds, nfds_t n);
int poll_op(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *sigmask);
/* How many of n descriptors select() looks at: none beyond the process's table, as in the kernel.
 * getdtablesize() may say a million where the sets have room for a thousand. */
int select_end(int n);
bool select_concerns_us(int n, const fd_set *r, const fd_set *w, const fd_set *x);
/* timeout: in, and (update) the time left, out, as Linux's select does. */
int select_op(int n, fd_set *r, fd_set *w, fd_set *x, struct timespec *timeout, bool update,
	      const sigset_t *sigmask);

#endif
