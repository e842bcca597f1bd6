/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each thread keeps: how deep it is inside the shim, the signal put off meanwhile, whether it
 * is a vfork child borrowing its parent's memory, and the waiter it sleeps with.
 */
#ifndef SHIM_PROC_THREAD_H
#define SHIM_PROC_THREAD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct waiter;

struct thread {
	uint32_t depth;         /* critical sections entered; > 0: application handlers wait */
	uint32_t put_off;       /* a signal was put off, and the others are blocked (signal.h) */
	_Atomic uint32_t nsigs; /* application handlers that have run in this thread, ever */
	uint8_t in_vfork;       /* in a vfork child: every call goes straight to the kernel */
	uint8_t internal;       /* the shim's own thread or a library call of ours: likewise */
	uint8_t forking;        /* inside our fork(): it does what the atfork handlers would */
	uint8_t sig_restarts;   /* the last handler that ran had SA_RESTART */
	struct waiter *waiter;  /* made on first use; its wake descriptor is hidden */
	uint64_t put_off_mask;  /* the signal mask to put back with it */
	siginfo_t put_off_info;
};

extern __thread struct thread thread_self __attribute__((tls_model("initial-exec")));

/* Calls by this thread are the shim's own business, or may touch nothing of ours. */
static inline bool thread_is_internal(void)
{
	return thread_self.in_vfork | thread_self.internal;
}

/* Re-delivers what was put off; called when depth has come back to 0 and put_off is not 0. */
void thread_deliver_put_off(void);

/* The last handler that ran in this thread had SA_RESTART: a call that signal(7) lists as
 * restartable goes on instead of returning EINTR. */
static inline bool thread_restarts(void)
{
	return thread_self.sig_restarts;
}

static inline void thread_enter(void)
{
	thread_self.depth++;
	__asm__ volatile("" ::: "memory");
}

static inline void thread_leave(void)
{
	__asm__ volatile("" ::: "memory");
	if (--thread_self.depth == 0 && __builtin_expect(thread_self.put_off != 0, 0))
		thread_deliver_put_off();
}

#endif
