/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The edge between the application's convention (-1 and errno) and ours (-Exxx). The only place
 * that sets errno; on success the caller's is put back, for a call that succeeds leaves it alone.
 */
#ifndef SHIM_CALL_EDGE_H
#define SHIM_CALL_EDGE_H

#include <errno.h>
#include <pthread.h>

#include "shim/call/calls.h"
#include "shim/fd/fdtab.h"
#include "shim/call/libc.h"

static inline long edge_return(long ret, int saved_errno)
{
	if (unlikely(ret < 0)) {
		errno = (int)-ret;
		return -1;
	}
	errno = saved_errno;
	return ret;
}

/* The value for the application of an operation that gives a value or -Exxx. */
#define EDGE(operation)                               \
	({                                            \
		int edge_errno = errno;               \
		edge_return((operation), edge_errno); \
	})

/* True when something is tracked in this process and the call is the application's. */
static inline bool edge_tracking(void)
{
	return unlikely(fdtab != NULL) && !thread_is_internal();
}

/* True when fd is tracked, or is one of our own, which the application must not meet. */
static inline bool edge_concerns(int fd)
{
	return edge_tracking() && (fdtab_get(fd) || fd_is_hidden(fd));
}

/* The description if fd is a tracked socket, accelerated or not, and the call the application's. */
static inline struct ofd *edge_socket(int fd)
{
	struct ofd *o = fdtab_tracked(fd);

	return unlikely(o != NULL) && o->kind == OFD_SOCK ? o : NULL;
}

/* The description if fd is a tracked epoll set and the call the application's. */
static inline struct ofd *edge_epoll(int fd)
{
	struct ofd *o = fdtab_tracked(fd);

	return o && o->kind == OFD_EPOLL ? o : NULL;
}

/*
 * What may block is a cancellation point. libc's functions are that by themselves; an accelerated
 * one acts upon a request when it is called, not yet while it sleeps.
 */
static inline void edge_testcancel(void)
{
	pthread_testcancel();
}

/* What a fortified twin does when the buffer is smaller than asked: a message, and the end. */
extern void __chk_fail(void) __attribute__((noreturn));

static inline void edge_check(size_t need, size_t size)
{
	if (unlikely(need > size))
		__chk_fail();
}

#endif
