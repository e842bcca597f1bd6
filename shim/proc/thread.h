/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each thread keeps: how deep it is inside the shim, the signal put off meanwhile, whether it
 * is a vfork child borrowing its parent's memory, and the waiter it sleeps with.
 *
 * A call of the application's is inside from its first step to its last (edge.h), asleep or not: a
 * handler never runs on top of our frames, so it may jump out of itself, and it meets the call as
 * over. A thread that is cancelled asleep leaves by thread_block(), which undoes what its call has
 * begun.
 */
#ifndef SHIM_PROC_THREAD_H
#define SHIM_PROC_THREAD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct waiter;

/* What is to be undone if the thread is cancelled where it sleeps: innermost first. */
struct thread_undo {
	void (*undo)(void *arg);
	void *arg;
	struct thread_undo *outer;
};

struct thread {
	uint32_t depth;         /* critical sections entered; > 0: application handlers wait */
	uint32_t put_off;       /* a signal was put off, and the others are blocked (signal.h) */
	_Atomic uint32_t nsigs; /* application handlers that have run in this thread, ever */
	uint8_t in_vfork;       /* in a vfork child: every call goes straight to the kernel */
	uint8_t internal;       /* the shim's own thread or a library call of ours: likewise */
	uint8_t forking;        /* inside our fork(): it does what the atfork handlers would */
	uint8_t sig_restarts;   /* the last handler that ran, or was put off, had SA_RESTART */
	uint8_t cancellable;    /* the present call is a cancellation point */
	uint8_t put_off_masked; /* put_off came in a wait with a mask of its own: wait_mask */
	struct waiter *waiter;  /* made on first use; its wake descriptor is hidden */
	uint64_t put_off_mask;  /* the signal mask to put back with it */
	uint64_t wait_mask;     /* of ppoll() and the like, in force while they sleep */
	uint64_t wait_outer;    /* the mask around it */
	bool waits_masked;      /* these two count */
	struct thread_undo *undo;
	siginfo_t put_off_info;
};

extern __thread struct thread thread_self __attribute__((tls_model("initial-exec")));

/* This process is under a seccomp(2) filter that forbids what a stack needs (shim/fd/confine.h);
 * forked children inherit it, as they do the filter. */
extern _Atomic bool process_confined;

/* Calls by this thread are the shim's own business, or may touch nothing of ours. */
static inline bool thread_is_internal(void)
{
	return thread_self.in_vfork | thread_self.internal;
}

/* The calling thread may make no system call for the stack's sake but futex(2). The shim's own
 * threads are older than the filter. */
static inline bool thread_is_confined(void)
{
	return __builtin_expect(process_confined, 0) && !thread_self.internal;
}

/* Re-delivers what was put off; called when depth has come back to 0 and put_off is not 0. */
void thread_deliver_put_off(void);

/* A handler has run since nsigs was nsigs0, or is to run as soon as the call is over: who waits
 * ends the wait. */
static inline bool thread_interrupted(uint32_t nsigs0)
{
	return thread_self.nsigs != nsigs0 || thread_self.put_off;
}

/* The last of these handlers had SA_RESTART: a call that signal(7) lists as restartable begins
 * anew (-ERESTART inside) instead of returning EINTR. */
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

/* u is the caller's, on its stack, until thread_undo_pop(), which ends the last one begun. */
static inline void thread_undo_push(struct thread_undo *u, void (*undo)(void *arg), void *arg)
{
	*u = (struct thread_undo){undo, arg, thread_self.undo};
	thread_self.undo = u;
}

static inline void thread_undo_pop(void)
{
	thread_self.undo = thread_self.undo->outer;
}

/*
 * fn(arg), a system call that may sleep: where a request for cancellation is acted upon, if the
 * present call is a cancellation point. No lock held. What fn returns.
 */
long thread_block(long (*fn)(void *arg), void *arg);
/*
 * Likewise for a call that is the kernel's alone: handlers run in the middle of it and it is
 * restarted by the kernel. Nothing is begun that would have to be undone.
 */
long thread_pass(long (*fn)(void *arg), void *arg);

/* The wait that begins has this mask in force (NULL: the thread's own) / is over. */
void thread_wait_begin(const sigset_t *mask);
static inline void thread_wait_end(void)
{
	thread_self.waits_masked = false;
}

#endif
