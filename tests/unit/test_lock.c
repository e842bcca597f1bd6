/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks outlive their holders, exclude each other across processes, and put signals off. */
#include <check.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/proc/lock.h"
#include "shim/proc/thread.h"

#define ROUNDS 50000

void thread_deliver_put_off(void);
static int delivered;
void thread_deliver_put_off(void)
{
	thread_self.put_off = 0;
	delivered++;
}

struct shared {
	struct shim_lock lock;
	long count;
	int ready;
};
static struct shared *sh;

static void setup(void)
{
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(sh, MAP_FAILED);
	lock_init(&sh->lock);
}

static void teardown(void)
{
	munmap(sh, sizeof(*sh));
}

START_TEST(excludes_across_processes)
{
	pid_t pid = fork();

	for (int i = 0; i < ROUNDS; i++) {
		lock_acquire(&sh->lock);
		sh->count++;
		lock_release(&sh->lock);
	}
	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(sh->count, 2 * ROUNDS);
}
END_TEST

static void die_holding(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		lock_acquire(&sh->lock);
		__atomic_store_n(&sh->ready, 1, __ATOMIC_SEQ_CST);
		for (;;)
			pause();
	}
	while (!__atomic_load_n(&sh->ready, __ATOMIC_SEQ_CST))
		usleep(100);
	ck_assert_int_eq(lock_try(&sh->lock), 0);
	ck_assert_int_eq(thread_self.depth, 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(a_killed_holder_is_told_once)
{
	die_holding();
	ck_assert(lock_acquire(&sh->lock));
	lock_release(&sh->lock);
	ck_assert(!lock_acquire(&sh->lock));
	lock_release(&sh->lock);
}
END_TEST

START_TEST(a_killed_holder_is_told_to_trylock)
{
	die_holding();
	ck_assert_int_eq(lock_try(&sh->lock), 2);
	lock_release(&sh->lock);
	ck_assert_int_eq(lock_try(&sh->lock), 1);
	lock_release(&sh->lock);
}
END_TEST

/*
 * Of two who wait, the first is woken and killed before it has the lock, which a third has taken
 * meanwhile: no word is left of the second. (What the kernel can't repair, futex_exit_release().)
 */
START_TEST(a_wake_up_that_a_killed_waiter_took_along_is_made_good)
{
	uint32_t *word = (uint32_t *)&sh->lock.mutex.__data.__lock;
	int status, ms = 0;
	pid_t pid;

	lock_acquire(&sh->lock);
	pid = fork();
	if (pid == 0) {
		lock_acquire(&sh->lock);
		lock_release(&sh->lock);
		_exit(0);
	}
	while (!(__atomic_load_n(word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
		usleep(100);
	usleep(2000); /* asleep, most likely */
	__atomic_fetch_and(word, ~FUTEX_WAITERS, __ATOMIC_SEQ_CST);
	lock_release(&sh->lock);
	while (waitpid(pid, &status, WNOHANG) == 0 && ms++ < 3000)
		usleep(1000);
	if (ms >= 3000)
		kill(pid, SIGKILL);
	ck_assert_int_lt(ms, 3000);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(signals_wait_until_the_last_lock_is_free)
{
	struct shim_lock inner;

	lock_init(&inner);
	lock_acquire(&sh->lock);
	lock_acquire(&inner);
	ck_assert_int_eq(thread_self.depth, 2);
	thread_self.put_off = 1; /* as the trampoline leaves it */
	lock_release(&inner);
	ck_assert_int_eq(delivered, 0);
	lock_release(&sh->lock);
	ck_assert_int_eq(delivered, 1);
	ck_assert_int_eq(thread_self.depth, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lock");
	TCase *t = tcase_create("lock");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, excludes_across_processes);
	tcase_add_test(t, a_killed_holder_is_told_once);
	tcase_add_test(t, a_killed_holder_is_told_to_trylock);
	tcase_add_test(t, a_wake_up_that_a_killed_waiter_took_along_is_made_good);
	tcase_add_test(t, signals_wait_until_the_last_lock_is_free);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
