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

/* The value for the application of an operation that gives a value or -Exxx. Handlers of signals
 * run when it is over. */
#define EDGE(operation)                            \
	({                                         \
		int edge_errno = errno;            \
		long edge_ret;                     \
		thread_enter();                    \
		edge_ret = (operation);            \
		thread_leave();                    \
		edge_return(edge_ret, edge_errno); \
	})

/*
 * The same for one that may block, and is a cancellation point or is not. When a handler with
 * SA_RESTART ends it before anything was done (-ERESTART), the whole call is made again: with a
 * descriptor that may be another by now, as in the kernel.
 */
#define EDGE_WAIT(operation, again) EDGE_BLOCK(1, operation, again)
#define EDGE_BLOCK(cancel, operation, again)                                                   \
	({                                                                                     \
		int edge_errno = errno;                                                        \
		long edge_ret;                                                                 \
		if (cancel)                                                                    \
			pthread_testcancel();                                                  \
		thread_enter();                                                                \
		thread_self.cancellable = (cancel);                                            \
		edge_ret = (operation);                                                        \
		thread_self.cancellable = 0;                                                   \
		thread_leave();                                                                \
		unlikely(edge_ret == -ERESTART) ? (again) : edge_return(edge_ret, edge_errno); \
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

/* What a fortified twin does when the buffer is smaller than asked: a message, and the end. */
extern void __chk_fail(void) __attribute__((noreturn));

static inline void edge_check(size_t need, size_t size)
{
	if (unlikely(need > size))
		__chk_fail();
}

#endif
