/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads at once on few sockets and sets: they wait in every way there is while another one
 * wakes them, closes what they wait for and puts something else in its place. Built with
 * -fsanitize=thread it says of each access whether it is guarded; without, that nobody is lost.
 */
#include "run_env.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "shim/proc/thread.h"

#define SOCKS 4
#define SETS 2
#define EACH 2 /* threads of each kind */
#define RUN_NS 400000000ull
#define STEP_NS 2000000ull

#ifdef __SANITIZE_THREAD__
/* Who has looked a description up may still look at it when it is another (ofd.h): it then looks
 * into the table again. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:ofd_new\nrace:ofd_free\n";
}
#endif

static int socks[SOCKS], sets[SETS];
static _Atomic bool over;
static pthread_barrier_t begun;
static _Atomic unsigned long rounds, events;

static void setup(void)
{
	env_stack();
}

/* A thread's first wait takes a number for a moment: all have theirs before one is to come back. */
static void begin(void)
{
	thread_enter();
	ck_assert_ptr_nonnull(waiter_self());
	thread_leave();
	pthread_barrier_wait(&begun);
}

static void set_fill(int epfd)
{
	for (int i = 0; i < SOCKS; i++) {
		struct epoll_event ev = {.events = EPOLLIN | (i % 2 ? EPOLLET : 0),
					 .data.u32 = (unsigned)i};

		epoll_ctl_op(epfd, fdtab_get(epfd), EPOLL_CTL_ADD, socks[i], &ev);
	}
}

static int set_new(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(epoll_created(fd), fd);
	return fd;
}

static void *poller(void *arg)
{
	struct timespec ts = {0, STEP_NS};

	(void)arg;
	begin();
	while (!over) {
		struct pollfd f[SOCKS + SETS];
		int r;

		for (int i = 0; i < SOCKS; i++)
			f[i] = (struct pollfd){socks[i], POLLIN, 0};
		for (int i = 0; i < SETS; i++)
			f[SOCKS + i] = (struct pollfd){sets[i], POLLIN, 0};
		thread_enter();
		r = poll_concerns_us(f, SOCKS + SETS) ? poll_op(f, SOCKS + SETS, &ts, NULL) : 0;
		thread_leave();
		ck_assert_int_ge(r, 0);
		events += (unsigned)r;
		rounds++;
	}
	return NULL;
}

static void *set_waiter(void *arg)
{
	int i = *(int *)arg;

	begin();
	while (!over) {
		struct timespec ts = {0, STEP_NS};
		struct epoll_event ev[SOCKS];
		struct ofd *o = fdtab_get(sets[i]);
		int r = 0;

		thread_enter();
		if (o)
			r = epoll_wait_op(sets[i], o, ev, SOCKS, &ts, NULL);
		thread_leave();
		ck_assert(r >= 0 || r == -EBADF || r == -EINVAL || r == -EINTR);
		events += r > 0 ? (unsigned)r : 0;
		rounds++;
	}
	return NULL;
}

/* As a call that blocks: the description is held meanwhile. */
static void *blocked(void *arg)
{
	int i = *(int *)arg;

	begin();
	while (!over) {
		struct ofd *o = fdtab_get(socks[i]);

		thread_enter();
		if (o && ofd_hold_live(o)) {
			if (fdtab_get(socks[i]) == o && atomic_load(&o->sk))
				events += wait_ofd(o, RDY_IN, now_ns() + STEP_NS) == 0;
			ofd_drop(o);
		}
		thread_leave();
		rounds++;
	}
	return NULL;
}

static void *changer(void *arg)
{
	int i = *(int *)arg;

	begin();
	while (!over) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = 7};
		struct ofd *o = fdtab_get(sets[i]);
		int fd = socks[rounds % SOCKS];

		thread_enter();
		if (o) {
			epoll_ctl_op(sets[i], o, EPOLL_CTL_MOD, fd, &ev);
			epoll_ctl_op(sets[i], o, EPOLL_CTL_DEL, fd, NULL);
			epoll_ctl_op(sets[i], o, EPOLL_CTL_ADD, fd, &ev);
		}
		thread_leave();
		rounds++;
		usleep(100);
	}
	return NULL;
}

START_TEST(threads_wait_while_another_wakes_and_closes)
{
	static void *(*const kinds[])(void *) = {poller, set_waiter, blocked, changer};
	static int index[EACH] = {0, 1};
	pthread_t t[4 * EACH];
	uint64_t end;
	unsigned n = 0;

	for (int i = 0; i < SOCKS; i++)
		socks[i] = env_sock();
	for (int i = 0; i < SETS; i++) {
		sets[i] = set_new();
		set_fill(sets[i]);
	}
	pthread_barrier_init(&begun, NULL, 4 * EACH + 1);
	for (int i = 0; i < 4 * EACH; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, kinds[i / EACH], &index[i % EACH]), 0);
	pthread_barrier_wait(&begun);
	for (end = now_ns() + RUN_NS; now_ns() < end; n++) {
		int fd = socks[n % SOCKS];

		env_ready(fd, RDY_IN, RDY_IN);
		usleep(200);
		env_ready(fd, 0, 0);
		if (n % 8 == 7) { /* the number comes back as something else */
			env_close(fd);
			ck_assert_int_eq(env_sock(), fd);
		}
		if (n % 32 == 31) {
			env_close(sets[n % SETS]);
			ck_assert_int_eq(set_new(), sets[n % SETS]);
			set_fill(sets[n % SETS]);
		}
	}
	over = true;
	for (int i = 0; i < 4 * EACH; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_gt(events, 0);
	ck_assert_uint_gt(rounds, 100);
	for (int i = 0; i < SETS; i++)
		env_close(sets[i]);
	for (int i = 0; i < SOCKS; i++)
		env_close(socks[i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("threads");
	TCase *t = tcase_create("threads");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 40);
	tcase_add_test(t, threads_wait_while_another_wakes_and_closes);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
