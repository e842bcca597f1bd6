/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the library starts and ends in a process, and what happens when the process forks.
 */
#ifndef SHIM_CALL_START_H
#define SHIM_CALL_START_H

#include <stdbool.h>
#include <sys/types.h>

extern bool start_done __attribute__((visibility("hidden")));
void start_now(void);

/*
 * Makes sure that the knobs are read, before anything is decided by them. The constructor does
 * that; other libraries' constructors may make sockets earlier. Idempotent, cheap.
 */
static inline void start_ensure(void)
{
	if (__builtin_expect(!start_done, 0))
		start_now();
}

/*
 * A fork by whatever way: fork_begin() before, then fork_parent() (child: its pid; -1: there is
 * none; 0: there may be one) or fork_child(). For ways that run no pthread_atfork handlers; where
 * they are run, ours do this, but for fork_parent() when thread_self.forking is set.
 */
void fork_begin(void);
void fork_parent(pid_t child);
void fork_child(void);

/* seccomp(2) by its number (filter.c). */
long syscall_seccomp(long nr, long op, long flags, long prog);

#endif
