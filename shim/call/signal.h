/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The application's signal handlers run behind a trampoline. It does three things:
 *
 *  - It puts the handler off while its thread is inside the shim (thread_self.depth > 0), where
 *    locks may be held that a socket call in the handler would need.
 *  - It counts (thread_self.nsigs), so that a call that waits returns EINTR.
 *  - It wakes the thread's waiter, so that a handler that runs between "has one run?" and falling
 *    asleep is not missed.
 *
 * Otherwise it must not be noticed: the mask, stack, flags, siginfo and context are those the
 * kernel made for the application's own action, and sigaction reports what the application set.
 * SIG_IGN is never replaced, SIG_DFL only where signal_guard() says. Theory of operation: the head
 * of signal.c.
 */
#ifndef SHIM_CALL_SIGNAL_H
#define SHIM_CALL_SIGNAL_H

#include <signal.h>
#include <stdbool.h>

/* sigaction(2) as the application sees it. 0 or -Exxx. Async-signal-safe. */
int signal_action(int sig, const struct sigaction *act, struct sigaction *old);

/* signal(3) with the given flags and mask (only sig, or empty). The old handler in *old. */
int signal_install(int sig, sighandler_t handler, int flags, bool mask_self, sighandler_t *old);

/* What siginterrupt(3) has asked for: later signal() calls for sig go without SA_RESTART. */
void signal_interrupts_set(int sig, bool interrupts);
bool signal_interrupts(int sig);

/* From here on a fault while the application's memory is touched (user.h) is ours to answer, even
 * where the application has no handler for SIGSEGV and SIGBUS. Idempotent; any thread. */
void signal_guard(void);

/* A signal of F_SETSIG's that owner.c has sent, in another thread or process: the kernel lets
 * nobody but itself say POLL_IN, which it is here made to say. Async-signal-safe. */
void signal_io_code(siginfo_t *info);

/* In the child of fork: a lock that another thread held stays with that thread. */
void signal_fork_child(void);

#endif
