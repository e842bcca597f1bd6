/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets with accelerated and kernel members. Where the kernel can say what is right it is asked: the
 * same steps run on a kernel epoll with a socket pair, and on ours with a socket whose level
 * follows that pair.
 */
#include "run_env.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STUCK_MS 5000

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

static uint32_t items_out(void)
{
	uint32_t n = family->shared.epitems.out;

	for (uint32_t i = 0; i < family->nstacks; i++)
		n += family->stacks[i].epitems.out;
	return n;
}

static int set_new(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(epoll_created(fd), fd);
	ck_assert_ptr_nonnull(fdtab_get(fd));
	return fd;
}

static int ctl(int epfd, int op, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u64 = 0x100000000ull + (unsigned)fd};

	return epoll_ctl_op(epfd, fdtab_get(epfd), op, fd, &ev);
}

static int wait_ms(int epfd, struct epoll_event *ev, int max, int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000l};

	return epoll_wait_op(epfd, fdtab_get(epfd), ev, max, &ts, NULL);
}

/* ---- ours and the kernel's side by side ----------------------------------------------------- */

struct pair {
	int ours, ours_set;   /* the socket whose level we decide, and its set */
	int here, there, set; /* the kernel's pair and its set */
};

static uint32_t kernel_level(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	ck_assert_int_ge(poll(&p, 1, 0), 0);
	return (uint32_t)p.revents;
}

static void pair_init(struct pair *p, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u64 = 7};
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	p->here = sv[0];
	p->there = sv[1];
	p->set = epoll_create1(0);
	p->ours_set = set_new();
	p->ours = env_sock();
	env_ready(p->ours, kernel_level(p->here), 0);
	ck_assert_int_eq(epoll_ctl(p->set, EPOLL_CTL_ADD, p->here, &ev), 0);
	ck_assert_int_eq(
		epoll_ctl_op(p->ours_set, fdtab_get(p->ours_set), EPOLL_CTL_ADD, p->ours, &ev), 0);
}

static void pair_mod(struct pair *p, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u64 = 7};

	ck_assert_int_eq(epoll_ctl(p->set, EPOLL_CTL_MOD, p->here, &ev), 0);
	ck_assert_int_eq(
		epoll_ctl_op(p->ours_set, fdtab_get(p->ours_set), EPOLL_CTL_MOD, p->ours, &ev), 0);
}

/* The peer does something; ours gets the same level and the edge that comes with it. */
static void pair_write(struct pair *p)
{
	ck_assert_int_eq(write(p->there, "x", 1), 1);
	env_ready(p->ours, kernel_level(p->here), RDY_IN);
}

static void pair_read(struct pair *p)
{
	char c;

	ck_assert_int_eq(read(p->here, &c, 1), 1);
	env_ready(p->ours, kernel_level(p->here), 0);
}

/* Both report the same, events and data. Returns the events, 0 for none. */
static uint32_t pair_same(struct pair *p)
{
	struct epoll_event k[2] = {{0}}, o[2] = {{0}};
	int nk = epoll_wait(p->set, k, 2, 0), no = wait_ms(p->ours_set, o, 2, 0);

	ck_assert_int_eq(no, nk);
	if (!nk)
		return 0;
	ck_assert_int_eq(nk, 1);
	ck_assert_uint_eq(o[0].events, k[0].events);
	ck_assert_uint_eq(o[0].data.u64, k[0].data.u64);
	return k[0].events;
}

START_TEST(level_triggered_reports_while_it_lasts)
{
	struct pair p;

	pair_init(&p, EPOLLIN);
	ck_assert_uint_eq(pair_same(&p), 0);
	pair_write(&p);
	pair_write(&p);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(pair_same(&p), EPOLLIN);
	pair_read(&p);
	ck_assert_uint_eq(pair_same(&p), EPOLLIN);
	pair_read(&p);
	ck_assert_uint_eq(pair_same(&p), 0);
}
END_TEST

START_TEST(edge_triggered_reports_each_edge_once)
{
	struct pair p;

	pair_init(&p, EPOLLIN | EPOLLET);
	pair_write(&p);
	ck_assert_uint_eq(pair_same(&p), EPOLLIN);
	ck_assert_uint_eq(pair_same(&p), 0);
	pair_write(&p); /* more, with some unread: an edge all the same */
	ck_assert_uint_eq(pair_same(&p), EPOLLIN);
	ck_assert_uint_eq(pair_same(&p), 0);
	pair_write(&p);
	pair_read(&p);
	pair_read(&p);
	pair_read(&p); /* gone before it was looked at */
	ck_assert_uint_eq(pair_same(&p), 0);
}
END_TEST

START_TEST(adding_or_changing_counts_as_an_edge)
{
	struct pair p;

	pair_init(&p, EPOLLOUT | EPOLLET); /* writable from the start */
	ck_assert_uint_eq(pair_same(&p), EPOLLOUT);
	ck_assert_uint_eq(pair_same(&p), 0);
	pair_mod(&p, EPOLLOUT | EPOLLIN | EPOLLET);
	ck_assert_uint_eq(pair_same(&p), EPOLLOUT);
	pair_write(&p);
	ck_assert_uint_eq(pair_same(&p), EPOLLIN | EPOLLOUT);
}
END_TEST

START_TEST(one_shot_fires_once_until_changed)
{
	struct pair p;

	pair_init(&p, EPOLLIN | EPOLLONESHOT);
	pair_write(&p);
	ck_assert_uint_eq(pair_same(&p), EPOLLIN);
	pair_write(&p);
	ck_assert_uint_eq(pair_same(&p), 0);
	pair_mod(&p, EPOLLIN | EPOLLONESHOT);
	ck_assert_uint_eq(pair_same(&p), EPOLLIN);
	ck_assert_uint_eq(pair_same(&p), 0);
}
END_TEST

START_TEST(the_peers_end_shows_as_in_the_kernel)
{
	struct pair p;

	pair_init(&p, EPOLLIN | EPOLLRDHUP);
	shutdown(p.there, SHUT_WR);
	env_ready(p.ours, kernel_level(p.here), RDY_IN | RDY_RDHUP);
	ck_assert_uint_eq(pair_same(&p), EPOLLIN | EPOLLRDHUP);
	close(p.there);
	env_ready(p.ours, kernel_level(p.here), RDY_HUP | RDY_IN);
	ck_assert_uint_eq(pair_same(&p), EPOLLIN | EPOLLRDHUP | EPOLLHUP);
	pair_mod(&p, 0); /* HUP can't be switched off */
	ck_assert_uint_eq(pair_same(&p), EPOLLHUP);
}
END_TEST

START_TEST(the_norm_bits_show_when_asked_for)
{
	struct epoll_event ev;
	int set = set_new(), fd = env_sock();

	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, fd, EPOLLRDNORM | EPOLLWRNORM), 0);
	env_ready(fd, RDY_IN | RDY_OUT, RDY_IN);
	ck_assert_int_eq(wait_ms(set, &ev, 1, 0), 1);
	ck_assert_uint_eq(ev.events, EPOLLRDNORM | EPOLLWRNORM);
}
END_TEST

/* ---- errors --------------------------------------------------------------------------------- */

START_TEST(control_fails_as_the_kernels_does)
{
	int set = set_new(), fd = env_sock(), other = env_sock();
	struct epoll_event ev;

	ck_assert_int_eq(ctl(set, EPOLL_CTL_MOD, fd, EPOLLIN), -ENOENT);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_DEL, fd, 0), -ENOENT);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN), -EEXIST);
	ck_assert_int_eq(ctl(set, 77, fd, EPOLLIN), -EINVAL);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE), -EINVAL);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, other, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT),
			 -EINVAL);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, other, EPOLLIN | EPOLLEXCLUSIVE), 0);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_MOD, other, EPOLLIN), -EINVAL);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, set, EPOLLIN), -EINVAL);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, 987, EPOLLIN), -EBADF);
	ck_assert_int_eq(epoll_ctl_op(set, fdtab_get(set), EPOLL_CTL_ADD, fd, NULL), -EFAULT);
	ck_assert_int_eq(wait_ms(set, &ev, 0, 0), -EINVAL);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_DEL, fd, 0), 0);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_DEL, other, 0), 0);
	ck_assert_uint_eq(items_out(), 0);
}
END_TEST

START_TEST(a_loop_of_sets_is_refused)
{
	int a = set_new(), b = set_new();

	ck_assert_int_eq(ctl(a, EPOLL_CTL_ADD, b, EPOLLIN), 0);
	ck_assert_int_eq(ctl(b, EPOLL_CTL_ADD, a, EPOLLIN), -ELOOP);
	env_close(a);
	env_close(b);
	ck_assert_uint_eq(items_out(), 0);
}
END_TEST

/* ---- life ----------------------------------------------------------------------------------- */

START_TEST(a_closed_socket_leaves_every_set)
{
	int a = set_new(), b = set_new(), fd = env_sock();
	struct epoll_event ev;

	ck_assert_int_eq(ctl(a, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	ck_assert_int_eq(ctl(b, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	env_ready(fd, RDY_IN, RDY_IN);
	env_close(fd);
	ck_assert_int_eq(wait_ms(a, &ev, 1, 0), 0);
	ck_assert_uint_eq(items_out(), 0);
	env_close(a);
	env_close(b);
	ck_assert_uint_eq(family->epsets.out, 0);
}
END_TEST

START_TEST(a_closed_set_frees_its_items)
{
	int set = set_new();
	struct ofd *o;

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, env_sock(), EPOLLIN), 0);
	ck_assert_uint_eq(items_out(), 100);
	o = fdtab_get(set);
	env_close(set);
	ck_assert(!ofd_hold_live(o));
	ck_assert_uint_eq(items_out(), 0);
	ck_assert_uint_eq(family->epsets.out, 0);
}
END_TEST

START_TEST(a_socket_moves_over_when_it_is_accelerated)
{
	int set = set_new(), peer, fd = env_shadow(&peer), n;
	struct epoll_event ev[4];

	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	ck_assert_int_eq(write(peer, "x", 1), 1);
	ck_assert_int_eq(wait_ms(set, ev, 4, 0), 1); /* by the kernel */
	env_accelerate(fd, 0);
	ck_assert_int_eq(wait_ms(set, ev, 4, 0), 0); /* and no more by it */
	env_ready(fd, RDY_IN, RDY_IN);
	n = wait_ms(set, ev, 4, 0);
	ck_assert_int_eq(n, 1);
	ck_assert_uint_eq(ev[0].data.u64, 0x100000000ull + (unsigned)fd);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN), -EEXIST);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_DEL, fd, 0), 0);
	ck_assert_int_eq(wait_ms(set, ev, 4, 0), 0);
}
END_TEST

static int woken_set, woken_fd;
static void *waits_in_kernel(void *arg)
{
	struct epoll_event ev = {0};
	int n = wait_ms(woken_set, &ev, 1, STUCK_MS);

	return (void *)(uintptr_t)(n == 1 && ev.data.u64 == 0x100000000ull + (unsigned)woken_fd);
}

/* Several: while some are still asleep, those that are out must not take their wake-up. */
START_TEST(threads_asleep_in_the_kernel_notice_acceleration)
{
	enum { THREADS = 6 };
	pthread_t t[THREADS];
	int peer;
	void *ret;

	woken_set = set_new();
	woken_fd = env_shadow(&peer);
	ck_assert_int_eq(ctl(woken_set, EPOLL_CTL_ADD, woken_fd, EPOLLIN), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, waits_in_kernel, NULL), 0);
	usleep(50000);
	env_accelerate(woken_fd, 0);
	usleep(50000);
	env_ready(woken_fd, RDY_IN, RDY_IN);
	for (int i = 0; i < THREADS; i++) { /* level-triggered: one wakes the other */
		pthread_join(t[i], &ret);
		ck_assert_ptr_nonnull(ret);
	}
}
END_TEST

START_TEST(a_shared_set_reports_to_parent_and_child)
{
	int set = set_new(), fd = env_sock(), status;
	struct epoll_event ev;
	pid_t pid;

	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	family_fork_prepare();
	pid = fork();
	if (pid == 0) {
		family_fork_child();
		_exit(wait_ms(set, &ev, 1, STUCK_MS) == 1 ? 0 : 1);
	}
	family_fork_parent(pid);
	usleep(50000);
	env_ready(fd, RDY_IN, RDY_IN);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(wait_ms(set, &ev, 1, 0), 1);
}
END_TEST

/* ---- both halves ------------------------------------------------------------------------------
 */

START_TEST(neither_half_starves_the_other)
{
	int set = set_new(), p[2], ours = 0, kernels = 0;
	struct epoll_event ev[4];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, p[0], EPOLLIN), 0);
	for (int i = 0; i < 16; i++) {
		int fd = env_sock();

		env_ready(fd, RDY_IN, 0);
		ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	}
	for (int round = 0; round < 200; round++) {
		int max = 1 + round % 4, n = wait_ms(set, ev, max, 0);

		ck_assert_int_eq(n, max);
		for (int i = 0; i < n; i++) {
			bool k = ev[i].data.u64 == 0x100000000ull + (unsigned)p[0];

			kernels += k;
			ours += !k;
		}
		usleep(200);
	}
	ck_assert_int_gt(kernels, 20);
	ck_assert_int_gt(ours, 200);
}
END_TEST

START_TEST(few_slots_go_round)
{
	int set = set_new(), fds[8], seen[8] = {0};
	struct epoll_event ev[3];

	for (int i = 0; i < 8; i++) {
		fds[i] = env_sock();
		env_ready(fds[i], RDY_IN, 0);
		ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, fds[i], EPOLLIN), 0);
	}
	for (int round = 0; round < 8; round++) {
		ck_assert_int_eq(wait_ms(set, ev, 3, 0), 3);
		for (int i = 0; i < 3; i++)
			for (int j = 0; j < 8; j++)
				seen[j] += ev[i].data.u64 == 0x100000000ull + (unsigned)fds[j];
	}
	for (int j = 0; j < 8; j++)
		ck_assert_int_eq(seen[j], 3);
}
END_TEST

START_TEST(a_set_inside_a_set_shows_both_halves)
{
	int outer = set_new(), inner = set_new(), fd = env_sock(), p[2];
	struct epoll_event ev[4];
	struct pollfd pfd = {.fd = inner, .events = POLLIN};
	struct timespec zero = {0, 0};

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(ctl(inner, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	ck_assert_int_eq(ctl(inner, EPOLL_CTL_ADD, p[0], EPOLLIN), 0);
	ck_assert_int_eq(ctl(outer, EPOLL_CTL_ADD, inner, EPOLLIN), 0);
	ck_assert_int_eq(wait_ms(outer, ev, 4, 0), 0);
	ck_assert_int_eq(poll_op(&pfd, 1, &zero, NULL), 0);
	env_ready(fd, RDY_IN, RDY_IN);
	ck_assert_int_eq(wait_ms(outer, ev, 4, 0), 1);
	ck_assert_uint_eq(ev[0].data.u64, 0x100000000ull + (unsigned)inner);
	ck_assert_int_eq(poll_op(&pfd, 1, &zero, NULL), 1);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	ck_assert_int_eq(wait_ms(outer, ev, 4, 0), 1); /* once, though both halves have it */
	env_ready(fd, 0, 0);
	ck_assert_int_eq(wait_ms(outer, ev, 4, 0), 1); /* by the kernel's half */
	ck_assert_int_eq(wait_ms(inner, ev, 4, 0), 1);
	ck_assert_uint_eq(ev[0].data.u64, 0x100000000ull + (unsigned)p[0]);
}
END_TEST

START_TEST(a_timeout_is_never_early)
{
	int set = set_new(), fd = env_sock();
	struct epoll_event ev;

	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	for (int ms = 1; ms < 40; ms *= 2) {
		uint64_t t0 = now_ns();

		ck_assert_int_eq(wait_ms(set, &ev, 1, ms), 0);
		ck_assert_uint_ge(now_ns() - t0, (uint64_t)ms * 1000000);
	}
}
END_TEST

/* ---- waking --------------------------------------------------------------------------------- */

static _Atomic int woken;
static void *takes_one(void *arg)
{
	struct epoll_event ev;

	if (wait_ms(woken_set, &ev, 1, 300) == 1)
		woken++;
	return NULL;
}

START_TEST(an_edge_wakes_one_of_many)
{
	pthread_t t[4];

	woken_set = set_new();
	woken_fd = env_sock();
	ck_assert_int_eq(ctl(woken_set, EPOLL_CTL_ADD, woken_fd, EPOLLIN | EPOLLET), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, takes_one, NULL), 0);
	usleep(100000);
	env_ready(woken_fd, RDY_IN, RDY_IN);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(woken, 1);
}
END_TEST

/* ---- poll and select ------------------------------------------------------------------------ */

START_TEST(poll_mixes_ours_and_the_kernels)
{
	int fd = env_sock(), p[2];
	struct timespec zero = {0, 0};
	struct pollfd f[4];

	ck_assert_int_eq(pipe(p), 0);
	f[0] = (struct pollfd){.fd = fd, .events = POLLIN | POLLRDNORM, .revents = 0x55};
	f[1] = (struct pollfd){.fd = p[0], .events = POLLIN};
	f[2] = (struct pollfd){.fd = -5, .events = POLLIN, .revents = 0x55};
	f[3] = (struct pollfd){.fd = 987, .events = POLLIN};
	ck_assert(poll_concerns_us(f, 4));
	ck_assert(!poll_concerns_us(f + 1, 3));
	ck_assert_int_eq(poll_op(f, 4, &zero, NULL), 1);
	ck_assert_int_eq(f[0].revents, 0);
	ck_assert_int_eq(f[2].revents, 0);
	ck_assert_int_eq(f[3].revents, POLLNVAL);
	f[3].fd = -1;
	env_ready(fd, RDY_IN | RDY_OUT, RDY_IN);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	ck_assert_int_eq(poll_op(f, 4, NULL, NULL), 2);
	ck_assert_int_eq(f[0].revents, POLLIN | POLLRDNORM);
	ck_assert_int_eq(f[1].revents, POLLIN);
	ck_assert_uint_eq(sr->watches.out, 0);
}
END_TEST

static void *raises(void *arg)
{
	usleep(50000);
	env_ready(*(int *)arg, RDY_IN, RDY_IN);
	return NULL;
}

START_TEST(poll_sleeps_until_ours_is_ready)
{
	int fd = env_sock(), p[2];
	struct timespec ts = {STUCK_MS / 1000, 0};
	struct pollfd f[2];
	pthread_t t;

	ck_assert_int_eq(pipe(p), 0);
	f[0] = (struct pollfd){.fd = p[0], .events = POLLIN};
	f[1] = (struct pollfd){.fd = fd, .events = POLLIN};
	ck_assert_int_eq(pthread_create(&t, NULL, raises, &fd), 0);
	ck_assert_int_eq(poll_op(f, 2, &ts, NULL), 1);
	ck_assert_int_eq(f[1].revents, POLLIN);
	pthread_join(t, NULL);
	ck_assert_uint_eq(sr->watches.out, 0);
}
END_TEST

static void *polls(void *arg)
{
	struct pollfd f = {.fd = *(int *)arg, .events = POLLIN};
	struct timespec ts = {0, 300000000};

	return (void *)(long)poll_op(&f, 1, &ts, NULL);
}

/* Its description may not become another socket's meanwhile, with a watch left on it. */
START_TEST(a_socket_closed_under_poll_harms_no_other)
{
	int fd = env_sock(), old = fd, set = set_new(), next;
	struct epoll_event ev;
	pthread_t t;
	void *n;

	ck_assert_int_eq(pthread_create(&t, NULL, polls, &old), 0);
	usleep(100000);
	env_close(fd);
	next = env_sock();
	ck_assert_int_eq(ctl(set, EPOLL_CTL_ADD, next, EPOLLIN), 0);
	pthread_join(t, &n);
	ck_assert_int_eq((long)n, 0);
	env_ready(next, RDY_IN, RDY_IN);
	ck_assert_int_eq(wait_ms(set, &ev, 1, 100), 1);
	ck_assert_uint_eq(sr->watches.out, 0);
}
END_TEST

START_TEST(select_counts_bits_and_gives_the_time_left)
{
	int fd = env_sock(), p[2], n;
	struct timespec ts = {2, 0};
	fd_set r, w, x;

	ck_assert_int_eq(pipe(p), 0);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	FD_SET(p[0], &r);
	n = (fd > p[0] ? fd : p[0]) + 1;
	env_ready(fd, RDY_IN | RDY_OUT, 0);
	ck_assert(select_concerns_us(n, &r, &w, &x));
	ck_assert_int_eq(select_op(n, &r, &w, &x, &ts, true, NULL), 2);
	ck_assert(FD_ISSET(fd, &r) && FD_ISSET(fd, &w) && !FD_ISSET(p[0], &r));
	ck_assert_int_ge(ts.tv_sec, 1);
	ck_assert_int_lt(ts.tv_sec, 2);
	FD_SET(700, &r); /* not open */
	ck_assert_int_eq(select_op(701, &r, &w, &x, &ts, true, NULL), -EBADF);
}
END_TEST

/* An error that select has no set for must neither count nor make it spin. */
START_TEST(select_is_not_woken_by_what_it_does_not_report)
{
	int fd = env_sock();
	struct timespec ts = {0, 50000000};
	fd_set x;

	FD_ZERO(&x);
	FD_SET(fd, &x);
	env_ready(fd, RDY_ERR | RDY_HUP | RDY_IN, 0);
	ck_assert_int_eq(select_op(fd + 1, NULL, NULL, &x, &ts, true, NULL), 0);
	ck_assert_int_eq(ts.tv_nsec, 0);
}
END_TEST

/* The same with one stack, and with sockets that lie on several. */
static TCase *cases(const char *name, SFun prepare)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, prepare, NULL);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, level_triggered_reports_while_it_lasts);
	tcase_add_test(t, edge_triggered_reports_each_edge_once);
	tcase_add_test(t, adding_or_changing_counts_as_an_edge);
	tcase_add_test(t, one_shot_fires_once_until_changed);
	tcase_add_test(t, the_peers_end_shows_as_in_the_kernel);
	tcase_add_test(t, the_norm_bits_show_when_asked_for);
	tcase_add_test(t, control_fails_as_the_kernels_does);
	tcase_add_test(t, a_loop_of_sets_is_refused);
	tcase_add_test(t, a_closed_socket_leaves_every_set);
	tcase_add_test(t, a_closed_set_frees_its_items);
	tcase_add_test(t, a_socket_moves_over_when_it_is_accelerated);
	tcase_add_test(t, threads_asleep_in_the_kernel_notice_acceleration);
	tcase_add_test(t, a_shared_set_reports_to_parent_and_child);
	tcase_add_test(t, neither_half_starves_the_other);
	tcase_add_test(t, few_slots_go_round);
	tcase_add_test(t, a_set_inside_a_set_shows_both_halves);
	tcase_add_test(t, a_timeout_is_never_early);
	tcase_add_test(t, an_edge_wakes_one_of_many);
	tcase_add_test(t, poll_mixes_ours_and_the_kernels);
	tcase_add_test(t, poll_sleeps_until_ours_is_ready);
	tcase_add_test(t, a_socket_closed_under_poll_harms_no_other);
	tcase_add_test(t, select_counts_bits_and_gives_the_time_left);
	tcase_add_test(t, select_is_not_woken_by_what_it_does_not_report);
	return t;
}

int main(void)
{
	Suite *s = suite_create("epoll");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, cases("epoll", setup));
	suite_add_tcase(s, cases("epoll, three stacks", setup_three));
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
