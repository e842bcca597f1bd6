/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start, end and fork.
 *
 * Start, in this order: libc's symbols (everything else calls through them), the knobs (they set up
 * the log), then the hooks that end the process or follow a fork. Nothing here opens a descriptor,
 * makes a thread or allocates, unless the image before has left sockets (shim/fd/exec.c): a program
 * that is not a server must not notice us. The rest is made when the first socket needs it.
 *
 * Fork. Our fork() calls libc's, which runs the pthread_atfork handlers. Ours were registered
 * first, before any of the program's: so prepare comes last and child first, and the program's own
 * handlers, which may use sockets, run outside. The handlers do the work in every case, so that
 * forks by names inside libc are followed too; only the parent's half waits for our fork() to know
 * the child's pid (thread_self.forking). _Fork() and system calls run no handlers: they call these
 * functions themselves.
 */
#include "shim/call/start.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "shim/fd/exec.h"
#include "shim/fd/fdtab.h"
#include "shim/fd/sock.h"
#include "shim/proc/family.h"
#include "shim/proc/knobs.h"
#include "shim/call/libc.h"
#include "shim/call/signal.h"
#include "shim/call/stdio.h"
#include "shim/proc/thread.h"

bool start_done;

void start_now(void)
{
	if (start_done)
		return;
	start_done = true;
	libc_resolve();
	knobs_load(&knobs, environ);
	image_init();
	exec_attach();
	if (fdtab)
		signal_guard();
}

void fork_begin(void)
{
	if (!thread_self.in_vfork)
		family_fork_prepare();
}

void fork_parent(pid_t child)
{
	if (!thread_self.in_vfork)
		family_fork_parent(child);
}

/* A child of a vfork child has memory of its own, and is a process like any other: but its table
 * is a copy of what was never its parent's, so it stays out. */
void fork_child(void)
{
	if (thread_self.in_vfork)
		return;
	signal_fork_child();
	stdio_fork_child();
	family_fork_child();
}

/* The pid of a child that libc made by an inner name is not told: 0. */
static void start_atfork_parent(void)
{
	if (!thread_self.forking)
		fork_parent(0);
}

static void start_exit(void)
{
	if (!thread_self.in_vfork)
		fd_exit();
}

/* Before those of other libraries where the loader's order leaves it open. */
static void __attribute__((constructor(101))) start_constructor(void)
{
	start_now();
	pthread_atfork(fork_begin, start_atfork_parent, fork_child);
	at_quick_exit(start_exit);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		stdio_take(fd);
}

/* After the program's atexit handlers and destructors, which may still use sockets. */
static void __attribute__((destructor(101))) start_destructor(void)
{
	stdio_exit();
	start_exit();
}
