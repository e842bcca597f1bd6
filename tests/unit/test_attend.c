/* SPDX-License-Identifier: BSD-2-Clause */
/* Who attends which stack. */
#include "run_env.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACKS 3u

static void setup(void)
{
	env_nstacks = STACKS;
	env_stack();
}

static uint32_t bit(const struct stackrec *sr)
{
	return 1u << sr->idx;
}

static void *takes_one(void *arg)
{
	pthread_barrier_t *all = arg;
	struct stackrec *own = attend_own();
	uint32_t mask;

	pthread_barrier_wait(all); /* each has its own */
	mask = attend_mask(own);
	pthread_barrier_wait(all); /* and has looked, before one ends */
	return (void *)(uintptr_t)(bit(own) | mask << 16);
}

START_TEST(threads_that_wait_have_a_stack_each)
{
	pthread_t t[STACKS - 1];
	pthread_barrier_t all;
	uint32_t own = bit(attend_own()), seen = own;

	pthread_barrier_init(&all, NULL, STACKS);
	for (unsigned i = 0; i < STACKS - 1; i++)
		pthread_create(&t[i], NULL, takes_one, &all);
	pthread_barrier_wait(&all);
	ck_assert_uint_eq(attend_mask(attend_own()), own);
	pthread_barrier_wait(&all);
	for (unsigned i = 0; i < STACKS - 1; i++) {
		void *ret;
		uint32_t v;

		pthread_join(t[i], &ret);
		v = (uint32_t)(uintptr_t)ret;
		ck_assert_uint_eq(seen & v & 0xffff, 0);
		ck_assert_uint_eq(v >> 16, v & 0xffff); /* nobody else's */
		seen |= v & 0xffff;
	}
	ck_assert_uint_eq(seen, (1u << STACKS) - 1);
	/* They are gone: theirs are nobody's, hence ours, too. */
	ck_assert_uint_eq(attend_mask(attend_own()), (1u << STACKS) - 1);
}
END_TEST

START_TEST(one_that_waits_attends_all)
{
	ck_assert_uint_eq(attend_mask(attend_own()), (1u << STACKS) - 1);
}
END_TEST

/* All of them choose at the same moment. */
static void *chooses(void *arg)
{
	pthread_barrier_t *all = arg;

	pthread_barrier_wait(all);
	attend_own();
	pthread_barrier_wait(all); /* all have one */
	pthread_barrier_wait(all); /* and it has been looked at */
	return NULL;
}

START_TEST(more_threads_than_stacks_share)
{
	pthread_t t[2 * STACKS];
	pthread_barrier_t all;

	pthread_barrier_init(&all, NULL, 2 * STACKS + 1);
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 2 * STACKS; i++)
			pthread_create(&t[i], NULL, chooses, &all);
		pthread_barrier_wait(&all);
		pthread_barrier_wait(&all);
		for (unsigned i = 0; i < STACKS; i++)
			ck_assert_uint_eq(family->stacks[i].attendants, 2);
		pthread_barrier_wait(&all);
		for (unsigned i = 0; i < 2 * STACKS; i++)
			pthread_join(t[i], NULL);
	}
}
END_TEST

static void *leaves_when_told(void *arg)
{
	pthread_barrier_t *all = arg;

	attend_own();
	pthread_barrier_wait(all);
	pthread_barrier_wait(all);
	return NULL;
}

START_TEST(one_of_those_who_share_moves_to_what_is_left)
{
	pthread_barrier_t first, rest;
	pthread_t one, t[STACKS - 1];
	uint32_t left = family->stacks[0].idx;

	/* The first stack's goes; of the second's two, this is one. */
	pthread_barrier_init(&first, NULL, 2);
	pthread_barrier_init(&rest, NULL, STACKS);
	pthread_create(&one, NULL, leaves_when_told, &first);
	pthread_barrier_wait(&first);
	for (unsigned i = 0; i < STACKS - 1; i++)
		pthread_create(&t[i], NULL, leaves_when_told, &rest);
	pthread_barrier_wait(&rest);
	atomic_fetch_add(&family->stacks[0].attendants, 1); /* not that one */
	ck_assert_uint_eq(attend_own()->idx, 1);
	atomic_fetch_sub(&family->stacks[0].attendants, 1);
	attend_mask(attend_own());
	ck_assert_uint_eq(attend_own()->idx, 1);
	pthread_barrier_wait(&first);
	pthread_join(one, NULL);
	attend_mask(&family->stacks[1]); /* by a wait that has begun before */
	ck_assert_uint_eq(attend_own()->idx, left);
	ck_assert_uint_eq(attend_mask(attend_own()), 1u << left);
	for (unsigned i = 0; i < STACKS; i++)
		ck_assert_uint_eq(family->stacks[i].attendants, 1);
	pthread_barrier_wait(&rest);
	for (unsigned i = 0; i < STACKS - 1; i++)
		pthread_join(t[i], NULL);
}
END_TEST

START_TEST(a_socket_that_is_blocked_on_brings_its_stack)
{
	struct stackrec *own = attend_own(), *other = &family->stacks[(own->idx + 1) % STACKS];
	pthread_t t[STACKS - 1];
	pthread_barrier_t all;

	pthread_barrier_init(&all, NULL, STACKS);
	for (unsigned i = 0; i < STACKS - 1; i++)
		pthread_create(&t[i], NULL, takes_one, &all);
	pthread_barrier_wait(&all);
	ck_assert_uint_eq(attend_mask(own), bit(own));
	ck_assert_uint_eq(attend_mask(other), bit(own) | bit(other));
	ck_assert_uint_eq(attend_mask(own), bit(own) | bit(other)); /* it stays */
	pthread_barrier_wait(&all);
	for (unsigned i = 0; i < STACKS - 1; i++)
		pthread_join(t[i], NULL);
}
END_TEST

START_TEST(the_stack_of_a_killed_process_is_taken_over)
{
	int ready[2], status;
	uint32_t own;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(ready), 0);
	own = bit(attend_own());
	family_fork_prepare();
	pid = fork();
	if (pid == 0) {
		family_fork_child();
		run_fork_child();
		if (attend_own())
			c = 1;
		c = (char)write(ready[1], &c, 1);
		pause();
		_exit(0);
	}
	family_fork_parent(pid);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	ck_assert_uint_ne(attend_mask(attend_own()), (1u << STACKS) - 1);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	for (int i = 0; i < 10; i++)
		family_reap();
	ck_assert_uint_eq(attend_mask(attend_own()), (1u << STACKS) - 1);
	ck_assert_uint_eq(bit(attend_own()), own);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attend");
	TCase *t = tcase_create("attend");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, threads_that_wait_have_a_stack_each);
	tcase_add_test(t, one_that_waits_attends_all);
	tcase_add_test(t, more_threads_than_stacks_share);
	tcase_add_test(t, one_of_those_who_share_moves_to_what_is_left);
	tcase_add_test(t, a_socket_that_is_blocked_on_brings_its_stack);
	tcase_add_test(t, the_stack_of_a_killed_process_is_taken_over);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
