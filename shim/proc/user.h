/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pointers that the application gave us. The kernel answers a bad one with EFAULT; we have only the
 * processor's word for it, and a fault under a stack's lock could not be undone. So the pages of a
 * buffer are touched, one byte each, before a byte of it is moved: a touch that faults comes back
 * as an answer (user_fault() in the handler of SIGSEGV and SIGBUS), and not as a signal. A touch
 * may take as long as the disk that the page is on: it is done before a stack's lock is taken.
 *
 * Two or three instructions per page, no system call. Memory that another thread unmaps between
 * the touch and the copy is not caught: that program is lost on any stack.
 */
#ifndef SHIM_PROC_USER_H
#define SHIM_PROC_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* How many of the n bytes from p on may be read, or written: n, or those before the first page
 * that faults. What is written keeps its value. Any thread, any lock; async-signal-safe. */
size_t user_readable(const void *p, size_t n);
size_t user_writable(void *p, size_t n);

/* The same over the first max bytes of n pieces (the array itself must be readable). */
size_t user_iov_readable(const struct iovec *iov, size_t n, size_t max);
size_t user_iov_writable(const struct iovec *iov, size_t n, size_t max);

/* Whether the n bytes from p on can be the application's at all: the kernel refuses what lies in
 * its own half of the address space before it looks at anything else. Nothing is touched. */
bool user_possible(const void *p, size_t n);

/* True when all n bytes may be; NULL never. */
static inline bool user_can_read(const void *p, size_t n)
{
	return user_readable(p, n) == n;
}
static inline bool user_can_write(void *p, size_t n)
{
	return user_writable(p, n) == n;
}

/* For the signal handler (context: its third argument): true when the fault was one of our touches,
 * which now goes on with "no". */
bool user_fault(void *context);

#endif
