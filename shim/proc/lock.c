/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks that outlive their holders. Decides nothing about what they guard: a caller that is told
 * that the last holder died inside must mend it. Must never be held across a wait for anything but
 * processor time.
 *
 * Nobody waits for long without a look. Of several who wait, one is woken when the lock is free. If
 * that one is killed before it has it, the kernel wakes the next (futex(2), robust list), but not
 * when somebody else has taken the lock meanwhile: who has not waited himself does not know of the
 * others, and leaves them asleep.
 */
#include <errno.h>
#include <time.h>

#include "shim/proc/lock.h"
#include "shim/proc/thread.h"
#include "stack/assert.h"

/* How long a lost wake-up may last. Longer than a lock is held, unless its holder is preempted. */
#define LOOK_NS 10000000

#ifdef __SANITIZE_THREAD__ /* its runtime knows nothing of the other */
#define LOOK_CLOCK CLOCK_REALTIME
#define mutex_lock_until(m, ts) pthread_mutex_timedlock(m, ts)
#else
#define LOOK_CLOCK CLOCK_MONOTONIC
#define mutex_lock_until(m, ts) pthread_mutex_clocklock(m, LOOK_CLOCK, ts)
#endif

void lock_init(struct shim_lock *l)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	ASSERT(pthread_mutex_init(&l->mutex, &a) == 0);
	pthread_mutexattr_destroy(&a);
}

/* Somebody has it: waits until it is taken. 0 or EOWNERDEAD. */
static __attribute__((noinline)) int wait_for(pthread_mutex_t *m)
{
	struct timespec ts;
	int err;

	do {
		clock_gettime(LOOK_CLOCK, &ts);
		ts.tv_nsec += LOOK_NS;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_nsec -= 1000000000;
			ts.tv_sec++;
		}
		err = mutex_lock_until(m, &ts);
	} while (err == ETIMEDOUT);
	return err;
}

static bool taken(struct shim_lock *l, int err)
{
	if (likely(err == 0))
		return false;
	ASSERT(err == EOWNERDEAD);
	pthread_mutex_consistent(&l->mutex);
	return true;
}

bool lock_acquire(struct shim_lock *l)
{
	int err;

	thread_enter();
	err = pthread_mutex_trylock(&l->mutex);
	if (unlikely(err == EBUSY))
		err = wait_for(&l->mutex);
	return taken(l, err);
}

bool lock_acquire_patiently(struct shim_lock *l)
{
	thread_enter();
	return taken(l, pthread_mutex_lock(&l->mutex));
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
