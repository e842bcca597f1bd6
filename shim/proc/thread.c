/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread's own record. Static TLS: it is there before the first call and in signal handlers.
 *
 * Cancellation. libc acts upon a request at once where the thread says that it may be cancelled
 * asynchronously, which libc's own calls say around the system call that blocks, and so do we. The
 * request then unwinds from there, by way of thread_unwind().
 */
#include "shim/proc/thread.h"

#include <pthread.h>
#include <string.h>

#include "shim/proc/sys.h"

__thread struct thread thread_self;
_Atomic bool process_confined;

static void thread_unwind(void *arg)
{
	struct thread_undo *u;

	(void)arg;
	thread_self.cancellable = 0;
	thread_self.waits_masked = false;
	thread_self.depth = 1; /* for those that pass, too */
	while ((u = thread_self.undo) != NULL) {
		thread_self.undo = u->outer;
		u->undo(u->arg);
	}
	thread_leave();
}

long thread_block(long (*fn)(void *arg), void *arg)
{
	int type;
	long ret;

	if (!thread_self.cancellable)
		return fn(arg);
	pthread_cleanup_push(thread_unwind, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	ret = fn(arg);
	pthread_setcanceltype(type, NULL);
	pthread_cleanup_pop(0);
	return ret;
}

void thread_wait_begin(const sigset_t *mask)
{
	if (!mask)
		return;
	memcpy(&thread_self.wait_mask, mask, sizeof(thread_self.wait_mask));
	sys_rt_sigprocmask(SIG_BLOCK, NULL, &thread_self.wait_outer);
	thread_self.waits_masked = true;
}

long thread_pass(long (*fn)(void *arg), void *arg)
{
	uint32_t depth = thread_self.depth;
	uint8_t cancellable = thread_self.cancellable;
	long ret;

	if (!depth)
		return thread_block(fn, arg);
	thread_self.depth = 1;
	thread_leave();
	ret = thread_block(fn, arg);
	thread_self.depth = depth;
	thread_self.cancellable = cancellable; /* a handler's call may have ended it */
	return ret;
}
