/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands behind the intercepted calls in their unit tests: descriptors that look accelerated,
 * and operations that write down what they were asked and answer what the test told them to.
 */
#ifndef TESTS_UNIT_TEST_CALLS_H
#define TESTS_UNIT_TEST_CALLS_H

#include <stdint.h>
#include <sys/socket.h>

#include "shim/fd/ofd.h"

/* The last operation. */
struct seen {
	const char *op; /* its function's name; NULL: none since seen_reset() */
	int calls;      /* since seen_reset() */
	int fd;
	int flags;
	size_t bytes; /* of the first buffer */
	size_t iovs;
	void *buf;
	struct sockaddr_storage name;
	socklen_t namelen;
	long args[4];
	int64_t timeout_ns; /* -1: none given */
	const sigset_t *mask;
};

extern struct seen seen;
extern long standin_ret; /* what the next operations return: a value or -Exxx */
extern int standin_prepares, standin_parents, standin_children, standin_wakes;
extern pid_t standin_forked; /* what family_fork_parent was told */

void seen_reset(void);
/* A real descriptor (of /dev/null) that the table names: an accelerated socket, an epoll set. */
int standin_sock(void);
int standin_epoll(void);
/* From now on the table exists, though it names nothing. */
void standin_tracking(void);
/* The table is gone. Descriptors made above are closed. */
void standin_reset(void);

#endif
