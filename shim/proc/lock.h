/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one kind of lock in the arena: process-shared and robust (pthread_mutexattr_setrobust(3)).
 * While a thread holds one, signal handlers of the application are put off (thread.h), so that a
 * handler that uses sockets can never meet a lock that its own thread holds.
 *
 * Order, outermost first: family.lock, the stacks' stackrec.lock, that of family.shared (which its
 * holder may take again), a queue's (struct xqueue), epoll_set.lock. Never two of one kind, but for
 * the stacks' in the order of their indexes (run_enter_all()), and sets inside sets.
 */
#ifndef SHIM_PROC_LOCK_H
#define SHIM_PROC_LOCK_H

#include <pthread.h>
#include <stdbool.h>

struct shim_lock {
	pthread_mutex_t mutex;
};

void lock_init(struct shim_lock *l);

/*
 * Takes it. True: the last holder died inside; what the lock guards is suspect and the caller must
 * bring it to a sane state (the lock itself is consistent again).
 */
bool lock_acquire(struct shim_lock *l);
/* The same for one that is held for as long as a process lives, and only ever taken in this way. */
bool lock_acquire_patiently(struct shim_lock *l);

/* 1: taken; 0: busy; 2: taken, the last holder died inside. */
int lock_try(struct shim_lock *l);

void lock_release(struct shim_lock *l);

#endif
