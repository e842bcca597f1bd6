/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks that outlive their holders. Decides nothing about what they guard: a caller that is told
 * that the last holder died inside must mend it. Must never be held across a wait for anything but
 * processor time.
 */
#include <errno.h>

#include "shim/proc/lock.h"
#include "shim/proc/thread.h"
#include "stack/assert.h"

void lock_init(struct shim_lock *l)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	ASSERT(pthread_mutex_init(&l->mutex, &a) == 0);
	pthread_mutexattr_destroy(&a);
}

bool lock_acquire(struct shim_lock *l)
{
	int err;

	thread_enter();
	err = pthread_mutex_lock(&l->mutex);
	if (likely(err == 0))
		return false;
	ASSERT(err == EOWNERDEAD);
	pthread_mutex_consistent(&l->mutex);
	return true;
}

int lock_try(struct shim_lock *l)
{
	int err;

	thread_enter();
	err = pthread_mutex_trylock(&l->mutex);
	if (likely(err == 0))
		return 1;
	if (err == EOWNERDEAD) {
		pthread_mutex_consistent(&l->mutex);
		return 2;
	}
	thread_leave();
	return 0;
}

void lock_release(struct shim_lock *l)
{
	pthread_mutex_unlock(&l->mutex);
	thread_leave();
}
