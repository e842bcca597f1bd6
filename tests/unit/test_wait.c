/* SPDX-License-Identifier: BSD-2-Clause */
/* No wake-up is lost, no deadline is early, and signals end a sleep. */
#include "run_env.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/proc/knobs.h"
#include "shim/proc/thread.h"
#include "stack/internal.h"

#define ROUNDS 100000
#define STUCK_NS 5000000000ull /* a lost wake-up shows as a round that takes this long */

static struct stackrec *sr;

static void setup(void)
{
	sr = env_stack();
}

static void setup_three(void)
{
	env_nstacks = 3;
	sr = env_stack();
}

/* ---- two threads play ball ------------------------------------------------------------------ */

struct side {
	_Atomic uint32_t got;
	struct waiter *_Atomic waiter;
};
static struct side side[2];
static _Atomic int lost;
enum { ON_POLL, ON_GATE, ON_GATE_WITH_SET, WAYS };
static int way;

/* Waits until the other side has served, then serves. */
static void *player(void *arg)
{
	int me = arg != NULL;
	struct side *mine = &side[me], *other = &side[!me];
	int set = way == ON_GATE_WITH_SET ? epoll_create1(EPOLL_CLOEXEC) : -1;

	mine->waiter = waiter_self();
	while (!other->waiter)
		usleep(10);
	for (uint32_t i = 1; i <= ROUNDS && !lost; i++) {
		if (me == 0) {
			other->got = i;
			waiter_wake(other->waiter);
		}
		while (mine->got < i && !lost) {
			uint64_t t0 = now_ns();

			if (way == ON_POLL)
				wait_sleep(NULL, NULL, 0, t0 + STUCK_NS, NULL, thread_self.nsigs);
			else
				wait_sleep_epoll(sr, set, t0 + STUCK_NS, NULL, thread_self.nsigs);
			if (now_ns() - t0 >= STUCK_NS)
				lost = 1;
		}
		if (me == 1) {
			other->got = i;
			waiter_wake(other->waiter);
		}
	}
	if (set >= 0)
		close(set);
	return NULL;
}

START_TEST(no_wake_up_is_lost_between_threads)
{
	pthread_t t;

	way = _i;
	side[0].got = side[1].got = 0;
	side[0].waiter = side[1].waiter = NULL;
	ck_assert_int_eq(pthread_create(&t, NULL, player, (void *)1), 0);
	player(NULL);
	pthread_join(t, NULL);
	ck_assert_int_eq(lost, 0);
	ck_assert_uint_eq(side[0].got, ROUNDS);
	ck_assert_uint_eq(side[1].got, ROUNDS);
}
END_TEST

/* ---- the application's set on the gate ------------------------------------------------------ */

/* Ready at once: true when the sleep on set ends well before the deadline. */
static bool gate_sees(int set)
{
	uint64_t t0 = now_ns();

	wait_sleep_epoll(sr, set, t0 + STUCK_NS / 50, NULL, thread_self.nsigs);
	return now_ns() - t0 < STUCK_NS / 100;
}

static int set_with(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int set = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_ge(set, 0);
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev), 0);
	return set;
}

/* A number that becomes another set's, and a set that lives on under another number. */
START_TEST(the_gate_follows_the_set_that_is_slept_on)
{
	int on = eventfd(1, EFD_CLOEXEC), off = eventfd(0, EFD_CLOEXEC);
	int ready = set_with(on), idle = set_with(off), keeps;

	ck_assert(gate_sees(ready));
	ck_assert(!gate_sees(idle));
	ck_assert(gate_sees(ready));
	keeps = dup(ready); /* keeps the registration alive, though its number is gone */
	ck_assert_int_eq(dup2(idle, ready), ready);
	ck_assert(!gate_sees(idle) || !gate_sees(idle));
	ck_assert_int_eq(dup2(keeps, idle), idle);
	ck_assert(gate_sees(idle));
	close(keeps);
	close(ready);
	close(idle);
	close(on);
	close(off);
}
END_TEST

/* ---- two wakers, one sleeper on both of their lists ----------------------------------------- */

static struct waiter *_Atomic napper[3];

static void *nap(void *arg)
{
	struct waiter *_Atomic *slot = arg;
	struct waiter *w = waiter_self();
	uint64_t t0 = now_ns();

	*slot = w;
	wait_sleep(NULL, NULL, 0, t0 + STUCK_NS, NULL, thread_self.nsigs);
	if (now_ns() - t0 >= STUCK_NS)
		lost = 1;
	return NULL;
}

static void *wake_again(void *arg)
{
	(void)arg;
	waiter_wake_later(napper[2]);
	waiter_wake_later(napper[1]);
	waiter_wake_flush();
	return NULL;
}

/* The first waker has marked 0 and 1 and not poked them; 1 wakes by itself, sleeps again, and is
 * marked by a second waker: 0 must not be forgotten. */
START_TEST(a_sleeper_between_two_wakers_loses_nobody)
{
	pthread_t t[3], other;

	lost = 0;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_create(&t[i], NULL, nap, (void *)&napper[i]), 0);
		while (!napper[i] || atomic_load(&napper[i]->state) != WAITER_SLEEPING)
			usleep(1000);
	}
	waiter_wake_later(napper[0]);
	waiter_wake_later(napper[1]);
	atomic_store(&napper[1]->state, WAITER_SLEEPING);
	ck_assert_int_eq(pthread_create(&other, NULL, wake_again, NULL), 0);
	pthread_join(other, NULL);
	waiter_wake_flush();
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(lost, 0);
}
END_TEST

/* A waker for which no descriptor is left to send from. */
START_TEST(a_waker_without_descriptors_wakes)
{
	struct rlimit was, none;
	pthread_t t, other;

	lost = 0;
	napper[0] = NULL;
	ck_assert_int_eq(pthread_create(&t, NULL, nap, (void *)&napper[0]), 0);
	while (!napper[0] || atomic_load(&napper[0]->state) != WAITER_SLEEPING)
		usleep(1000);
	napper[1] = napper[2] = napper[0];
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){3, was.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(pthread_create(&other, NULL, wake_again, NULL), 0);
	pthread_join(other, NULL);
	pthread_join(t, NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0); /* sanitizers want one at the end */
	ck_assert_int_eq(lost, 0);
}
END_TEST

/* ---- a timer that no sleeper knows of ------------------------------------------------------- */

static bool within(uint64_t ns, bool (*yes)(void))
{
	uint64_t end = now_ns() + ns;

	while (!yes() && now_ns() < end)
		usleep(1000);
	return yes();
}

static uint64_t turns;

static bool is_parked(void)
{
	return atomic_load(&sr->helper_word) == HELPER_PARKED;
}

static bool has_turned(void)
{
	return atomic_load(&sr->turns) > turns;
}

/* Armed by a thread that then neither waits nor turns. */
START_TEST(a_timer_armed_while_the_helper_is_parked_is_run)
{
	run_turn(sr);
	for (int i = 0; i < 3; i++) {
		ck_assert(within(STUCK_NS, is_parked));
		turns = atomic_load(&sr->turns);
		run_enter(sr);
		atomic_store(&sr->st->next_ns, now_ns() + 20000000);
		run_leave(sr, RUN_LATER);
		ck_assert(within(STUCK_NS / 10, has_turned));
	}
}
END_TEST

/* ---- a waker in another process ------------------------------------------------------------- */

START_TEST(a_sleeper_is_woken_from_another_process)
{
	int fd, status;
	struct ofd *o;
	pid_t pid;

	fd = env_sock();
	o = fdtab_get(fd);
	family_fork_prepare();
	pid = fork();
	if (pid == 0) {
		family_fork_child();
		/* Ready without a word to the watchers would be found by nobody before the
		 * deadline. */
		usleep(100000);
		env_ready(fd, RDY_IN, RDY_IN);
		_exit(0);
	}
	family_fork_parent(pid);
	ck_assert_int_eq(wait_ofd(o, RDY_IN, now_ns() + STUCK_NS), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(sr->watches.out, 0);
}
END_TEST

START_TEST(a_deadline_is_never_early)
{
	int fd = env_sock();

	for (uint64_t us = 1; us < 20000; us = us * 3 + 1) {
		uint64_t t0 = now_ns();

		ck_assert_int_eq(wait_ofd(fdtab_get(fd), RDY_IN, t0 + us * 1000), -EAGAIN);
		ck_assert_uint_ge(now_ns() - t0, us * 1000);
	}
	ck_assert_uint_eq(sr->watches.out, 0);
	ck_assert_uint_eq(sr->sleepers, 0);
}
END_TEST

START_TEST(errors_count_without_being_asked_for)
{
	int fd = env_sock();

	env_ready(fd, RDY_ERR | RDY_HUP, 0);
	ck_assert_int_eq(wait_ofd(fdtab_get(fd), RDY_OUT, now_ns() + STUCK_NS), 0);
}
END_TEST

/* ---- signals -------------------------------------------------------------------------------- */

/* What the trampoline does, and the application's handler after it. */
static void on_signal(int sig)
{
	thread_self.nsigs++;
	waiter_wake(thread_self.waiter);
}

static void *shooter(void *arg)
{
	pthread_t victim = *(pthread_t *)arg;

	usleep(50000);
	pthread_kill(victim, SIGUSR1);
	return NULL;
}

START_TEST(a_handler_ends_the_sleep)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	pthread_t self = pthread_self(), t;
	int fd = env_sock();

	sigaction(SIGUSR1, &sa, NULL);
	ck_assert_int_eq(pthread_create(&t, NULL, shooter, &self), 0);
	ck_assert_int_eq(wait_ofd(fdtab_get(fd), RDY_IN, now_ns() + STUCK_NS), -EINTR);
	pthread_join(t, NULL);
}
END_TEST

/* The gap between the look and the sleep: the handler has run, the sleep has not begun. */
START_TEST(a_handler_just_before_the_sleep_ends_it)
{
	uint32_t nsigs0 = thread_self.nsigs;
	uint64_t t0 = now_ns();

	waiter_self();
	on_signal(SIGUSR1);
	ck_assert_int_eq(wait_sleep(NULL, NULL, 0, t0 + STUCK_NS, NULL, nsigs0), -EINTR);
	ck_assert_uint_lt(now_ns() - t0, STUCK_NS);
}
END_TEST

START_TEST(the_mask_is_in_force_during_the_sleep_only)
{
	struct sigaction sa = {.sa_handler = on_signal};
	sigset_t block, none;
	uint64_t t0;

	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR1);
	t0 = now_ns();
	ck_assert_int_eq(wait_sleep(NULL, NULL, 0, t0 + 20000000, NULL, thread_self.nsigs), 0);
	ck_assert_uint_ge(now_ns() - t0, 20000000);
	ck_assert_int_eq(wait_sleep(NULL, NULL, 0, t0 + STUCK_NS, &none, thread_self.nsigs),
			 -EINTR);
}
END_TEST

/* ---- the application's own descriptors ---------------------------------------------------------
 */

START_TEST(kernel_descriptors_end_the_sleep_and_say_so)
{
	struct pollfd many[500];
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	for (int i = 0; i < 500; i++)
		many[i] = (struct pollfd){.fd = i == 400 ? p[0] : -1, .events = POLLIN};
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	ck_assert_int_eq(wait_sleep(sr, many, 500, now_ns() + STUCK_NS, NULL, thread_self.nsigs),
			 0);
	ck_assert_int_eq(many[400].revents, POLLIN);
	ck_assert_int_eq(many[0].revents, 0);
}
END_TEST

static void *blocked(void *arg)
{
	int fd = *(int *)arg;

	return (void *)(intptr_t)wait_ofd(fdtab_get(fd), RDY_IN, now_ns() + STUCK_NS);
}

/* A server with a processor of its own is who gains most. */
START_TEST(a_pinned_thread_spins)
{
	cpu_set_t was, one;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	knobs.spin_us = 50;
	ck_assert_int_eq(sched_getaffinity(0, sizeof(was), &was), 0);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &was))
			CPU_SET(i, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert_uint_eq(wait_spin_ns(sr), 50000);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(was), &was), 0);
}
END_TEST

START_TEST(a_thread_that_ends_gives_its_waiter_back)
{
	int fd = env_sock();
	pthread_t t[4];
	uint32_t out;
	void *ret;

	waiter_self();
	out = family->waiters.out;
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, blocked, &fd), 0);
	usleep(50000);
	env_ready(fd, RDY_IN, RDY_IN);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		ck_assert_ptr_null(ret);
	}
	ck_assert_uint_eq(sr->watches.out, 0);
	ck_assert_uint_eq(family->waiters.out, out);
}
END_TEST

/* The same with one stack, and with sockets that lie on several. */
static TCase *cases(const char *name, SFun prepare)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, prepare, NULL);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, no_wake_up_is_lost_between_threads, 0, WAYS);
	tcase_add_test(t, the_gate_follows_the_set_that_is_slept_on);
	tcase_add_test(t, a_sleeper_between_two_wakers_loses_nobody);
	tcase_add_test(t, a_waker_without_descriptors_wakes);
	tcase_add_test(t, a_timer_armed_while_the_helper_is_parked_is_run);
	tcase_add_test(t, a_sleeper_is_woken_from_another_process);
	tcase_add_test(t, a_deadline_is_never_early);
	tcase_add_test(t, errors_count_without_being_asked_for);
	tcase_add_test(t, a_handler_ends_the_sleep);
	tcase_add_test(t, a_handler_just_before_the_sleep_ends_it);
	tcase_add_test(t, the_mask_is_in_force_during_the_sleep_only);
	tcase_add_test(t, kernel_descriptors_end_the_sleep_and_say_so);
	tcase_add_test(t, a_pinned_thread_spins);
	tcase_add_test(t, a_thread_that_ends_gives_its_waiter_back);
	return t;
}

int main(void)
{
	Suite *s = suite_create("wait");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, cases("wait", setup));
	suite_add_tcase(s, cases("wait, three stacks", setup_three));
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
