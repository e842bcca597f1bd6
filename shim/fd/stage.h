/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stage: a pipe of ours in which bytes of a file wait on their way to a connection, as they do
 * inside the kernel's sendfile(). Filling it may wait for a disk; reading from it never waits.
 */
#ifndef SHIM_FD_STAGE_H
#define SHIM_FD_STAGE_H

#include "config.h"

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stackrec;

struct stage {
	int rd, wr;  /* hidden */
	size_t held; /* bytes in it */
#ifdef HAVE_LIBURING
	struct io_uring ring;
	int ring_fd; /* hidden; -1: there is none */
#endif
};

/* One that is empty, the caller's until stage_put(); -EMFILE and others. No lock held. */
int stage_get(struct stage *s);
/* What is left in it is dropped. No lock held. */
void stage_put(struct stage *s);

/*
 * Up to n bytes of in_fd from *pos on, which moves as the kernel's sendfile() moves it. Bytes; 0:
 * the file ends there; -Exxx as splice(2). s is empty. patient: it may take long; then the calling
 * thread looks after sr meanwhile, by way of an io_uring, or, where there is none, leaves that to
 * the helper. No lock held. Signals do not end it, as they don't end a read from a disk.
 */
ssize_t stage_fill(struct stage *s, struct stackrec *sr, int in_fd, off_t *pos, size_t n,
		   bool patient);
/* Takes bytes out, as many as there are and fit. Any lock may be held. */
ssize_t stage_read(struct stage *s, const struct iovec *iov, int n);

#endif
