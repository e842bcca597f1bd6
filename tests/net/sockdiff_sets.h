/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for many things at once: masks that hold for the wait alone, sets within sets, a socket
 * in many sets and under many numbers, sets that are shared over fork, sockets beside whatever else
 * can be waited for; and threads that do what they like.
 */
#ifndef SOCKDIFF_SETS_H
#define SOCKDIFF_SETS_H

#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/* ---- masks ---------------------------------------------------------------------------------- */

enum masked_call { M_PPOLL, M_PSELECT, M_EPOLL_PWAIT, M_EPOLL_PWAIT2, M_CALLS };

static sigset_t mask_inside;

static void on_masked(int sig)
{
	(void)sig;
	sigs++;
	sigprocmask(SIG_BLOCK, NULL, &mask_inside);
}

/* ms < 0: for ever. */
static long masked_wait(enum masked_call call, int s, int ep, short events, int ms,
			const sigset_t *mask)
{
	struct pollfd f = {s, events, 0};
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000}, *tsp = ms < 0 ? NULL : &ts;
	struct epoll_event ev;
	fd_set r, w;

	switch (call) {
	case M_PPOLL:
		return ppoll(&f, 1, tsp, mask);
	case M_PSELECT:
		FD_ZERO(&r);
		FD_ZERO(&w);
		FD_SET(s, events & POLLOUT ? &w : &r);
		return pselect(s + 1, &r, &w, NULL, tsp, mask);
	case M_EPOLL_PWAIT:
		return epoll_pwait(ep, &ev, 1, ms, mask);
	default:
		return epoll_pwait2(ep, &ev, 1, tsp, mask);
	}
}

static void masked_say(int sig)
{
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	say("sigs=%d blocked=%d inside=%d usr2=%d", (int)sigs, sigismember(&now, sig),
	    sigismember(&mask_inside, sig), sigismember(&mask_inside, SIGUSR2));
	sigs = 0;
}

static void masked(void)
{
	enum masked_call call = case_arg % M_CALLS;
	struct sigaction sa = {.sa_handler = on_masked,
			       .sa_flags = case_arg >= M_CALLS ? SA_RESTART : 0};
	struct epoll_event ev = {.events = EPOLLIN};
	int s, p, ep = epoll_create1(0);
	sigset_t block, inside, was;
	double t0;

	pair(&s, &p);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigaddset(&block, SIGALRM);
	sigemptyset(&inside);
	sigaddset(&inside, SIGUSR2);
	sigprocmask(SIG_BLOCK, &block, &was);
	sigs = 0;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	/* Pending, and let in by the wait alone. */
	raise(SIGUSR1);
	res("pending", masked_wait(call, s, ep, POLLIN, -1, &inside));
	masked_say(SIGUSR1);
	raise(SIGUSR1);
	res("no_time", masked_wait(call, s, ep, POLLIN, 0, &inside));
	masked_say(SIGUSR1);
	/* Kept out: nothing but the time ends it. */
	raise(SIGUSR1);
	t0 = now_s();
	res("kept_out", masked_wait(call, s, ep, POLLIN, 20, &block));
	say("waited=%d", now_s() - t0 > 0.019);
	masked_say(SIGUSR1);
	/* What is ready goes first. */
	send(p, "x", 1, 0);
	nap();
	res("ready", masked_wait(call, s, ep, POLLIN, -1, &inside));
	masked_say(SIGUSR1);
	recv(s, sink, 10, 0);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	masked_say(SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	/* While it sleeps. */
	alarm_in_ms(20);
	res("asleep", masked_wait(call, s, ep, POLLIN, 2000, &inside));
	masked_say(SIGALRM);
	sigprocmask(SIG_SETMASK, &was, NULL);
	close(ep);
	pair_close(s, p);
}

/* ---- whatever else can be waited for -------------------------------------------------------- */

#define KINDS 7

static const char *const kind_name[KINDS] = {"event", "pipe",  "timer", "signal",
					     "unix",  "stack", "idle"};

struct kinds {
	int in[KINDS];  /* what is waited for */
	int out[KINDS]; /* what makes it ready */
};

static void kinds_open(struct kinds *k)
{
	int two[2];
	sigset_t usr2;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	k->in[0] = k->out[0] = eventfd(0, EFD_NONBLOCK);
	if (pipe(two))
		exit(1);
	k->in[1] = two[0];
	k->out[1] = two[1];
	k->in[2] = k->out[2] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	k->in[3] = k->out[3] = signalfd(-1, &usr2, SFD_NONBLOCK);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, two))
		exit(1);
	k->in[4] = two[0];
	k->out[4] = two[1];
	pair(&k->in[5], &k->out[5]);
	pair(&k->in[6], &k->out[6]);
}

static void kinds_close(struct kinds *k)
{
	sigset_t usr2;

	for (int i = 0; i < KINDS; i++) {
		close(k->in[i]);
		if (k->in[i] != k->out[i])
			close(k->out[i]);
	}
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	signal(SIGUSR2, SIG_IGN); /* one may be pending */
	sigprocmask(SIG_UNBLOCK, &usr2, NULL);
	signal(SIGUSR2, SIG_DFL);
}

static void kind_feed(struct kinds *k, int i)
{
	struct itimerspec its = {.it_value = {0, 1000}};
	uint64_t one = 1;

	if (i == 2)
		timerfd_settime(k->out[i], 0, &its, NULL);
	else if (i == 3)
		kill(getpid(), SIGUSR2);
	else if (write(k->out[i], &one, sizeof(one)) < 0)
		say("write?");
}

static void kind_drain(struct kinds *k, int i)
{
	char buf[200];

	if (read(k->in[i], buf, sizeof(buf)) < 0)
		say("read?");
}

struct feed_later {
	struct kinds *k;
	int i;
};

static void *feed_run(void *arg)
{
	struct feed_later *f = arg;

	usleep(8000);
	kind_feed(f->k, f->i);
	return NULL;
}

enum { BY_POLL, BY_SELECT, BY_EPOLL, BY_EPOLL_ET, BYS };

static const char *const by_name[BYS] = {"poll", "select", "epoll", "epoll_et"};

/* Which of them are ready, by name. */
static void kinds_wait(struct kinds *k, int ep, int by, int ms)
{
	struct pollfd f[KINDS];
	struct epoll_event ev[KINDS];
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	fd_set r;
	int n = 0;

	FD_ZERO(&r);
	for (int i = 0; i < KINDS; i++) {
		f[i] = (struct pollfd){k->in[i], POLLIN, 0};
		FD_SET(k->in[i], &r);
	}
	if (by == BY_POLL)
		n = poll(f, KINDS, ms);
	else if (by == BY_SELECT)
		n = select(1000, &r, NULL, NULL, &tv);
	else
		n = epoll_wait(ep, ev, KINDS, ms);
	say("%d", n);
	for (int i = 0; i < KINDS && n > 0; i++) {
		bool is = by == BY_POLL ? f[i].revents != 0 : FD_ISSET(k->in[i], &r);

		for (int j = 0; by >= BY_EPOLL && j < n; j++)
			is = j == 0 ? ev[j].data.u32 == (unsigned)i
				    : is || ev[j].data.u32 == (unsigned)i;
		if (is)
			say("%s", kind_name[i]);
	}
}

static void wait_mixed(void)
{
	int by = (int)case_arg, ep = epoll_create1(0);
	struct kinds k;

	kinds_open(&k);
	for (int i = 0; i < KINDS; i++) {
		struct epoll_event ev = {.events = EPOLLIN | (by == BY_EPOLL_ET ? EPOLLET : 0),
					 .data.u32 = (unsigned)i};

		epoll_ctl(ep, EPOLL_CTL_ADD, k.in[i], &ev);
	}
	kinds_wait(&k, ep, by, 0);
	for (int i = 0; i < KINDS - 1; i++) {
		struct feed_later f = {&k, i};
		pthread_t t;

		pthread_create(&t, NULL, feed_run, &f);
		kinds_wait(&k, ep, by, 2000);
		pthread_join(t, NULL);
		kinds_wait(&k, ep, by, 0);
		kind_drain(&k, i);
		kinds_wait(&k, ep, by, 0);
	}
	for (int i = 0; i < KINDS - 1; i++)
		kind_feed(&k, i);
	nap();
	kinds_wait(&k, ep, by, 0);
	nap();
	kinds_wait(&k, ep, by, 0);
	close(ep);
	kinds_close(&k);
}

/* ---- sets within sets ----------------------------------------------------------------------- */

static void nested_look(const char *what, int ep)
{
	struct pollfd f = {ep, POLLIN | POLLOUT, 0};
	struct timeval tv = {0, 0};
	fd_set r;

	FD_ZERO(&r);
	FD_SET(ep, &r);
	look(what, ep);
	say("poll=%d:%x", poll(&f, 1, 0), (unsigned)f.revents);
	say("select=%d", select(ep + 1, &r, NULL, NULL, &tv));
}

static void epoll_nested(void)
{
	static const uint32_t how[] = {0, EPOLLET, EPOLLONESHOT};
	uint32_t flags = how[case_arg % 3], inner_flags = how[case_arg / 3];
	struct epoll_event ev = {.events = EPOLLIN | inner_flags};
	int s, p, inner = epoll_create1(0), mid = epoll_create1(0), outer = epoll_create1(0);

	pair(&s, &p);
	epoll_ctl(inner, EPOLL_CTL_ADD, s, &ev);
	ev.events = EPOLLIN | flags;
	ok("mid", epoll_ctl(mid, EPOLL_CTL_ADD, inner, &ev));
	ok("outer", epoll_ctl(outer, EPOLL_CTL_ADD, mid, &ev));
	res("loop", epoll_ctl(inner, EPOLL_CTL_ADD, outer, &ev));
	res("self", epoll_ctl(inner, EPOLL_CTL_ADD, inner, &ev));
	nested_look("idle", outer);
	send(p, "abc", 3, 0);
	nested_look("data", outer);
	send(p, "abc", 3, 0);
	nested_look("more", outer);
	look("mid", mid);
	look("inner", inner);
	nested_look("taken", outer);
	recv(s, sink, 100, 0);
	nested_look("read", outer);
	send(p, "abc", 3, 0);
	close(inner);
	nested_look("closed", outer);
	close(mid);
	close(outer);
	pair_close(s, p);
}

static void *nested_feed(void *arg)
{
	usleep(8000);
	send(*(int *)arg, "x", 1, 0);
	return NULL;
}

/* A sleeper on the outside is woken by what comes inside. */
static void epoll_nested_wakes(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int s, p, inner = epoll_create1(0), outer = epoll_create1(0);
	struct pollfd f = {outer, POLLIN, 0};
	struct timeval tv = {2, 0};
	pthread_t t;
	fd_set r;

	pair(&s, &p);
	epoll_ctl(outer, EPOLL_CTL_ADD, inner, &ev); /* before there is anything inside */
	epoll_ctl(inner, EPOLL_CTL_ADD, s, &ev);
	for (int i = 0; i < 3; i++) {
		pthread_create(&t, NULL, nested_feed, &p);
		FD_ZERO(&r);
		FD_SET(outer, &r);
		if (i == 0)
			res("epoll", epoll_wait(outer, &ev, 1, 2000));
		else if (i == 1)
			res("poll", poll(&f, 1, 2000));
		else
			res("select", select(outer + 1, &r, NULL, NULL, &tv));
		pthread_join(t, NULL);
		recv(s, sink, 10, 0);
	}
	res("none", epoll_wait(outer, &ev, 1, 0));
	close(inner);
	close(outer);
	pair_close(s, p);
}

/* ---- one socket, many sets; one set, many numbers ------------------------------------------- */

#define SETS 5

static void epoll_many_sets(void)
{
	int s, p, ep[SETS];

	pair(&s, &p);
	for (int i = 0; i < SETS; i++) {
		case_arg = (unsigned)i % 4;
		ep[i] = watch(s);
		look("new", ep[i]);
	}
	send(p, "abc", 3, 0);
	for (int i = 0; i < SETS; i++)
		look("data", ep[i]);
	shutdown(p, SHUT_WR);
	for (int i = 0; i < SETS; i++)
		look("fin", ep[i]);
	for (int i = 0; i < SETS; i++)
		close(ep[i]);
	pair_close(s, p);
}

static int ep_add(int ep, int fd, uint32_t data)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = data};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

/* How many events there are and whose they are, in the order of their data. */
static void ep_who(const char *what, int ep)
{
	struct epoll_event ev[8];
	int n;

	nap();
	n = epoll_wait(ep, ev, 8, 0);
	res(what, n);
	for (uint32_t d = 0; d < 8; d++)
		for (int i = 0; i < n; i++)
			if (ev[i].data.u32 == d)
				say("%u", d);
}

/* A registration is of a file and a number: it ends with the last number of the file. */
static void epoll_dups(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int s, p, d, n, ep = epoll_create1(0);

	pair(&s, &p);
	d = dup(s);
	ok("s", ep_add(ep, s, 1));
	ok("d", ep_add(ep, d, 2));
	res("again", ep_add(ep, s, 3));
	send(p, "abc", 3, 0);
	ep_who("both", ep);
	close(s);
	ep_who("closed", ep);
	res("del", epoll_ctl(ep, EPOLL_CTL_DEL, s, &ev));
	res("mod", epoll_ctl(ep, EPOLL_CTL_MOD, s, &ev));
	n = dup2(d, s);
	say("back=%d", n == s);
	res("add", ep_add(ep, s, 4));
	ok("del", epoll_ctl(ep, EPOLL_CTL_DEL, s, &ev));
	ep_who("deleted", ep);
	close(s);
	close(d);
	ep_who("gone", ep);
	close(ep);
	close(p);
}

static void epoll_number_reused(void)
{
	int s, p, s2, p2, ep = epoll_create1(0), keep;

	pair(&s, &p);
	pair(&s2, &p2);
	ep_add(ep, s, 1);
	keep = dup(s);
	dup2(s2, s);
	res("add", ep_add(ep, s, 2));
	send(p, "x", 1, 0);
	ep_who("old", ep);
	send(p2, "x", 1, 0);
	ep_who("both", ep);
	close(keep);
	ep_who("new", ep);
	close(s2);
	ep_who("still", ep);
	close(s);
	ep_who("gone", ep);
	close(ep);
	close(p);
	close(p2);
}

/* Set and sockets are known on both sides of a fork. */
static void epoll_over_fork(void)
{
	int s, p, s2, p2, ep = epoll_create1(0), st, back[2];
	struct epoll_event ev;
	char b[16] = "";
	pid_t pid;

	pair(&s, &p);
	pair(&s2, &p2);
	ep_add(ep, s, 1);
	if (pipe(back))
		return;
	pid = fork();
	if (pid == 0) {
		int n = epoll_wait(ep, &ev, 1, 3000);

		if (n == 1 && ev.data.u32 == 1 && recv(s, b, 10, 0) == 3)
			n = ep_add(ep, s2, 2) ? 9 : epoll_wait(ep, &ev, 1, 3000);
		_exit(n == 1 ? (int)ev.data.u32 : 7);
	}
	usleep(20000);
	send(p, "abc", 3, 0);
	usleep(20000);
	send(p2, "abc", 3, 0);
	waitpid(pid, &st, 0);
	say("child=%d", WEXITSTATUS(st));
	ep_who("parent", ep); /* what the child added is the set's */
	close(s2);
	ep_who("closed", ep);
	close(back[0]);
	close(back[1]);
	close(ep);
	pair_close(s, p);
	close(p2);
}

/* ---- many sleepers -------------------------------------------------------------------------- */

#define SLEEPERS 4

struct sleeper {
	int ep, woken;
};

static void *sleeper_run(void *arg)
{
	struct sleeper *sl = arg;
	struct epoll_event ev;

	sl->woken = epoll_wait(sl->ep, &ev, 1, 250);
	return NULL;
}

/* How many of them one event wakes. */
static void sleepers(bool one_set, uint32_t flags, bool at_least)
{
	struct epoll_event ev = {.events = EPOLLIN | flags};
	struct sleeper sl[SLEEPERS];
	pthread_t t[SLEEPERS];
	int s, p, ep = epoll_create1(0), n = 0;

	pair(&s, &p);
	for (int i = 0; i < SLEEPERS; i++) {
		sl[i].ep = one_set ? ep : epoll_create1(0);
		if (!one_set || i == 0)
			epoll_ctl(sl[i].ep, EPOLL_CTL_ADD, s, &ev);
		pthread_create(&t[i], NULL, sleeper_run, &sl[i]);
	}
	usleep(40000);
	send(p, "x", 1, 0);
	for (int i = 0; i < SLEEPERS; i++) {
		pthread_join(t[i], NULL);
		n += sl[i].woken;
		if (!one_set)
			close(sl[i].ep);
	}
	say("woken=%d", at_least ? n >= 1 : n);
	close(ep);
	pair_close(s, p);
}

static void epoll_sleepers_edge(void)
{
	sleepers(true, EPOLLET, false);
}

static void epoll_sleepers_oneshot(void)
{
	sleepers(true, EPOLLONESHOT, false);
}

static void epoll_sleepers_sets(void)
{
	sleepers(false, 0, false);
}

static void epoll_sleepers_exclusive(void)
{
	sleepers(false, EPOLLEXCLUSIVE, true);
}

static void epoll_exclusive_rules(void)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int s, p, ep = epoll_create1(0), inner = epoll_create1(0);

	pair(&s, &p);
	ok("add", epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	res("mod", epoll_ctl(ep, EPOLL_CTL_MOD, s, &ev));
	ev.events = EPOLLIN;
	res("mod", epoll_ctl(ep, EPOLL_CTL_MOD, s, &ev));
	epoll_ctl(ep, EPOLL_CTL_DEL, s, &ev);
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
	res("oneshot", epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP;
	res("rdhup", epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE;
	res("inner", epoll_ctl(ep, EPOLL_CTL_ADD, inner, &ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLET | EPOLLWAKEUP;
	ok("et", epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	res("op", epoll_ctl(ep, 9, s, &ev));
	close(inner);
	close(ep);
	pair_close(s, p);
}

/* epoll_pwait2() keeps to the nanosecond what epoll_wait() keeps to the millisecond. */
static void epoll_pwait2_times(void)
{
	struct timespec ts = {0, 300000};
	struct epoll_event ev;
	int s, p, ep = epoll_create1(0), early = 0;
	double t0;

	pair(&s, &p);
	ep_add(ep, s, 1);
	for (int i = 0; i < 10; i++) {
		t0 = now_s();
		res("n", epoll_pwait2(ep, &ev, 1, &ts, NULL));
		early += now_s() - t0 < 0.0003;
	}
	say("early=%d", early);
	ts.tv_nsec = 1000000000;
	res("bad", epoll_pwait2(ep, &ev, 1, &ts, NULL));
	ts = (struct timespec){-1, 0};
	res("neg", epoll_pwait2(ep, &ev, 1, &ts, NULL));
	close(ep);
	pair_close(s, p);
}

/* ---- handlers ------------------------------------------------------------------------------- */

static int handler_s, handler_p, handler_ep;
static volatile int handler_sum;

/* Whatever a handler may do with sockets, and some that it may only do natively. */
static void on_sig_sockets(int sig)
{
	struct pollfd f = {handler_s, POLLIN, 0};
	struct epoll_event ev;
	char b[10];

	(void)sig;
	sigs++;
	handler_sum += (int)send(handler_p, "abc", 3, 0);
	handler_sum += poll(&f, 1, 1000);
	handler_sum += epoll_wait(handler_ep, &ev, 1, 1000);
	handler_sum += (int)recv(handler_s, b, sizeof(b), 0);
}

static void handler_uses_sockets(void)
{
	struct sigaction sa = {.sa_handler = on_sig_sockets, .sa_flags = SA_RESTART};
	int s, p;
	char b[10];
	pthread_t t;

	pair(&handler_s, &handler_p);
	handler_ep = epoll_create1(0);
	ep_add(handler_ep, handler_s, 1);
	pair(&s, &p);
	struct later l = {p, 40, WRITE1, 5};

	sigs = 0;
	handler_sum = 0;
	sigaction(SIGALRM, &sa, NULL);
	t = later(&l);
	alarm_in_ms(15);
	res("recv", recv(s, b, sizeof(b), 0));
	pthread_join(t, NULL);
	say("sigs=%d sum=%d", (int)sigs, handler_sum);
	close(handler_ep);
	pair_close(handler_s, handler_p);
	pair_close(s, p);
}

static sigjmp_buf busy_jump;

static void on_busy_jump(int sig)
{
	(void)sig;
	siglongjmp(busy_jump, 1);
}

/* Jumps out of whatever is under way, again and again: nothing stays locked. */
static void jumps_while_busy(void)
{
	struct sigaction sa = {.sa_handler = on_busy_jump};
	volatile int jumps = 0;
	int s, p;

	pair(&s, &p);
	nonblock(s);
	set_int(p, IPPROTO_TCP, TCP_NODELAY, 1);
	sigaction(SIGALRM, &sa, NULL);
	if (sigsetjmp(busy_jump, 1))
		jumps++;
	if (jumps < 30) {
		struct pollfd f = {s, POLLIN, 0};

		alarm_in_ms(1);
		for (;;) {
			send(p, "x", 1, MSG_DONTWAIT);
			poll(&f, 1, 1);
			recv(s, sink, 10, 0);
		}
	}
	alarm_in_ms(0);
	say("jumps=%d", jumps);
	while (recv(s, sink, sizeof(sink), 0) > 0)
		;
	nap();
	recv(s, sink, sizeof(sink), 0);
	send(p, "abc", 3, 0);
	nap();
	res("recv", recv(s, sink, 10, 0));
	pair_close(s, p);
}

/* ---- threads -------------------------------------------------------------------------------- */

#define ECHOERS 4
#define ROUNDS 60

struct echoer {
	int s, p, bad;
};

static void *echoer_run(void *arg)
{
	struct echoer *e = arg;
	char out[100], in[100];

	for (int i = 0; i < ROUNDS; i++) {
		memset(out, 'a' + i % 26, sizeof(out));
		e->bad += send(e->p, out, sizeof(out), 0) != sizeof(out);
		e->bad += recv(e->s, in, sizeof(in), MSG_WAITALL) != sizeof(in);
		e->bad += memcmp(in, out, sizeof(in)) != 0;
	}
	return NULL;
}

/* Forks in the middle of what other threads do: they go on, and the children can use sockets. */
static void fork_among_threads(void)
{
	struct echoer e[ECHOERS];
	pthread_t t[ECHOERS];
	int s, p, st, ok = 0, bad = 0;

	pair(&s, &p);
	for (int i = 0; i < ECHOERS; i++) {
		e[i].bad = 0;
		pair(&e[i].s, &e[i].p);
	}
	for (int i = 0; i < ECHOERS; i++)
		pthread_create(&t[i], NULL, echoer_run, &e[i]);
	for (int i = 0; i < 5; i++) {
		char b[4];
		pid_t pid = fork();

		if (pid == 0)
			_exit(send(s, "kid", 3, 0) == 3 && recv(p, b, 3, MSG_WAITALL) == 3 ? 0 : 1);
		waitpid(pid, &st, 0);
		ok += WIFEXITED(st) && WEXITSTATUS(st) == 0;
	}
	for (int i = 0; i < ECHOERS; i++) {
		pthread_join(t[i], NULL);
		bad += e[i].bad;
		pair_close(e[i].s, e[i].p);
	}
	say("kids=%d bad=%d", ok, bad);
	pair_close(s, p);
}

static volatile int racing;

static void *racer_run(void *arg)
{
	int fd = *(int *)arg;
	struct pollfd f = {fd, POLLIN, 0};
	char b[10];

	while (racing) {
		recv(fd, b, sizeof(b), MSG_DONTWAIT);
		poll(&f, 1, 0);
		send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		opt_int(fd, SOL_SOCKET, SO_ERROR);
	}
	return NULL;
}

/* Closed, duplicated and replaced while other threads use it: nobody is hurt. */
static void close_while_used(void)
{
	pthread_t t[3];
	int s, p, fd;

	pair(&s, &p);
	fd = s;
	for (int round = 0; round < 10; round++) {
		racing = 1;
		for (int i = 0; i < 3; i++)
			pthread_create(&t[i], NULL, racer_run, &fd);
		usleep(2000);
		close(s);
		close(p);
		usleep(1000);
		pair(&s, &p);
		if (s != fd)
			dup2(s, fd);
		usleep(1000);
		racing = 0;
		for (int i = 0; i < 3; i++)
			pthread_join(t[i], NULL);
		if (s != fd)
			close(s);
		s = fd;
	}
	pair_close(s, p);
	pair(&s, &p);
	send(p, "abc", 3, 0);
	res("recv", recv(s, sink, 10, 0));
	pair_close(s, p);
}

/* clang-format off */
ADD_CASES(set_cases,
	ONCE(fork_among_threads),
	ONCE(close_while_used),
	BOTH(epoll_nested_wakes),
	ONCE(epoll_many_sets),
	ONCE(epoll_dups),
	ONCE(epoll_number_reused),
	ONCE(epoll_over_fork),
	ONCE(epoll_sleepers_edge),
	ONCE(epoll_sleepers_oneshot),
	ONCE(epoll_sleepers_sets),
	ONCE(epoll_sleepers_exclusive),
	ONCE(epoll_exclusive_rules),
	ONCE(epoll_pwait2_times),
	ONCE(handler_uses_sockets),
	ONCE(jumps_while_busy))
/* clang-format on */

__attribute__((constructor)) static void sets_add(void)
{
	static const char *const call[] = {"ppoll", "pselect", "epoll_pwait", "epoll_pwait2"};
	static const char *const how[] = {"level", "edge", "oneshot"};
	static char name[40][40];
	unsigned n = 0;

	for (unsigned i = 0; i < 2 * M_CALLS; i++, n++) {
		snprintf(name[n], sizeof(name[n]), "masked_%s%s", call[i % M_CALLS],
			 i < M_CALLS ? "" : "_restart");
		add_case((struct testcase){name[n], masked, ONE_WAY, i});
	}
	for (unsigned i = 0; i < BYS; i++, n++) {
		snprintf(name[n], sizeof(name[n]), "wait_mixed_%s", by_name[i]);
		add_case((struct testcase){name[n], wait_mixed, ONE_WAY, i});
	}
	for (unsigned i = 0; i < 9; i++, n++) {
		snprintf(name[n], sizeof(name[n]), "epoll_nested_%s_%s", how[i % 3], how[i / 3]);
		add_case((struct testcase){name[n], epoll_nested, ONE_WAY, i});
	}
}

#endif
