/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every call that blocks, met by everything that may end it: signals with and without SA_RESTART,
 * a jump out of a handler, cancellation, shutdown, close, dup2, a stop and a continue. Said of
 * each: how it ended, or that it went on; and that the socket is as good as before.
 */
#ifndef SOCKDIFF_WAIT_H
#define SOCKDIFF_WAIT_H

#include <setjmp.h>
#include <sys/prctl.h>

#define BLOCK_MS 12 /* until the thread is asleep, and until an end has come through */
#define GIVE_UP_MS 60

enum wait_call {
	W_RECV,
	W_READ,
	W_RECV_TIMEO,
	W_RECV_ALL,
	W_RECVMMSG,
	W_SEND,
	W_SEND_TIMEO,
	W_SENDFILE,
	W_SPLICE,
	W_ACCEPT,
	W_ACCEPT_TIMEO,
	W_CONNECT,
	W_POLL,
	W_POLL_MIXED,
	W_PPOLL,
	W_SELECT,
	W_PSELECT,
	W_EPOLL,
	W_EPOLL_PWAIT,
	W_EPOLL_PWAIT2,
	W_EPOLL_NESTED,
	W_UDP,
	W_CALLS
};
static const char *const wait_call_name[] = {
	"recv",        "read",         "recv_timeo",   "recv_all", "recvmmsg",     "send",
	"send_timeo",  "sendfile",     "splice",       "accept",   "accept_timeo", "connect",
	"poll",        "poll_mixed",   "ppoll",        "select",   "pselect",      "epoll",
	"epoll_pwait", "epoll_pwait2", "epoll_nested", "udp"};

enum wait_end {
	E_DATA,
	E_SIGNAL,
	E_RESTART,
	E_JUMP,
	E_CANCEL,
	E_SHUT_RD,
	E_SHUT_WR,
	E_SHUT_BOTH,
	E_CLOSE,
	E_DUP2,
	E_DUP2_SIGNAL,
	E_STOP,
	W_ENDS
};
static const char *const wait_end_name[] = {"data",   "signal",  "restart",     "jump",
					    "cancel", "shut_rd", "shut_wr",     "shut_both",
					    "close",  "dup2",    "dup2_signal", "stop"};

struct waiting {
	enum wait_call call;
	int fd, peer; /* the one it waits on, and what makes it ready */
	int ep, inner, pipe[2], file;
	int port;
	volatile int done;
	volatile int jumped, unwound, reported;
	long ret;
	int err;
	unsigned events;
};

static __thread sigjmp_buf *wait_jump;
static volatile int wait_handled;

static void wait_on_sig(int sig)
{
	(void)sig;
	wait_handled++;
	if (wait_jump)
		siglongjmp(*wait_jump, 1);
}

static long wait_call_poll(struct waiting *w)
{
	struct pollfd f[2] = {{w->fd, POLLIN, 0}, {w->pipe[0], POLLIN, 0}};
	struct timespec ts = {5, 0};
	sigset_t none;
	long r;

	sigemptyset(&none);
	r = w->call == W_PPOLL ? ppoll(f, 1, &ts, &none)
			       : poll(f, w->call == W_POLL_MIXED ? 2 : 1, 5000);
	w->events = (unsigned)f[0].revents;
	return r;
}

static long wait_call_select(struct waiting *w)
{
	struct timeval tv = {5, 0};
	struct timespec ts = {5, 0};
	fd_set r;

	FD_ZERO(&r);
	FD_SET(w->fd, &r);
	return w->call == W_SELECT ? select(w->fd + 1, &r, NULL, NULL, &tv)
				   : pselect(w->fd + 1, &r, NULL, NULL, &ts, NULL);
}

static long wait_call_epoll(struct waiting *w)
{
	struct epoll_event ev = {0, {0}};
	struct timespec ts = {5, 1000};
	sigset_t none;
	long r;

	sigemptyset(&none);
	if (w->call == W_EPOLL_PWAIT)
		r = epoll_pwait(w->ep, &ev, 1, 5000, &none);
	else if (w->call == W_EPOLL_PWAIT2)
		r = epoll_pwait2(w->ep, &ev, 1, &ts, &none);
	else
		r = epoll_wait(w->ep, &ev, 1, 5000);
	w->events = ev.events;
	return r;
}

static long wait_call_make(struct waiting *w)
{
	static char buf[8 << 20];
	struct iovec iov = {buf, 10};
	struct mmsghdr mm = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
	off_t off = 0;

	switch (w->call) {
	case W_RECV:
	case W_RECV_TIMEO:
	case W_UDP:
		return recv(w->fd, buf, 10, 0);
	case W_READ:
		return read(w->fd, buf, 10);
	case W_RECV_ALL:
		return recv(w->fd, buf, 10, MSG_WAITALL);
	case W_RECVMMSG:
		return recvmmsg(w->fd, &mm, 1, 0, NULL);
	case W_SEND:
	case W_SEND_TIMEO:
		return send(w->fd, buf, sizeof(buf), MSG_NOSIGNAL) < 0 ? -1 : 0;
	case W_SENDFILE:
		return sendfile(w->fd, w->file, &off, 8 << 20) < 0 ? -1 : 0;
	case W_SPLICE:
		return splice(w->fd, NULL, w->pipe[1], NULL, 100, 0);
	case W_ACCEPT:
	case W_ACCEPT_TIMEO: {
		int a = accept(w->fd, NULL, NULL);

		if (a >= 0)
			close(a);
		return a < 0 ? -1 : 0;
	}
	case W_CONNECT:
		return connect_end(w->fd, true, w->port);
	case W_POLL:
	case W_POLL_MIXED:
	case W_PPOLL:
		return wait_call_poll(w);
	case W_SELECT:
	case W_PSELECT:
		return wait_call_select(w);
	default:
		return wait_call_epoll(w);
	}
}

static void wait_unwound(void *arg)
{
	((struct waiting *)arg)->unwound++;
}

static void *wait_thread(void *arg)
{
	struct waiting *w = arg;
	sigjmp_buf jump;

	pthread_cleanup_push(wait_unwound, w);
	if (sigsetjmp(jump, 1)) {
		w->jumped = 1;
	} else {
		wait_jump = w->jumped < 0 ? &jump : NULL;
		w->ret = wait_call_make(w);
		w->err = errno;
	}
	wait_jump = NULL;
	w->done = 1;
	pthread_cleanup_pop(0);
	return NULL;
}

/* ---- before and after ----------------------------------------------------------------------- */

static bool wait_sends(const struct waiting *w)
{
	return w->call == W_SEND || w->call == W_SEND_TIMEO || w->call == W_SENDFILE;
}

static bool wait_accepts(const struct waiting *w)
{
	return w->call == W_ACCEPT || w->call == W_ACCEPT_TIMEO;
}

static void wait_set_up(struct waiting *w)
{
	struct timeval tv = {5, 0};
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP};

	if (wait_accepts(w)) {
		w->fd = listener(false, 5);
		w->port = port_of(w->fd);
		w->peer = peer_socket(SOCK_STREAM);
	} else if (w->call == W_CONNECT) {
		int c, l = listener(true, 0);

		/* A queue that is full makes further ones wait. */
		w->peer = l;
		w->port = port_of(l);
		for (int i = 0; i < 3; i++) {
			c = peer_socket(SOCK_STREAM);
			nonblock(c);
			connect_end(c, true, w->port);
		}
		nap();
		w->fd = own_socket(SOCK_STREAM);
	} else if (w->call == W_UDP) {
		w->fd = own_socket(SOCK_DGRAM);
		w->peer = peer_socket(SOCK_DGRAM);
		union any_addr a;
		socklen_t len = end_of(&a, false, 0);

		bind(w->fd, &a.sa, len);
		w->port = port_of(w->fd);
		connect_end(w->peer, false, w->port);
	} else {
		pair(&w->fd, &w->peer);
	}
	if (w->call == W_RECV_TIMEO || w->call == W_ACCEPT_TIMEO)
		setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (w->call == W_SEND_TIMEO)
		setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (w->call == W_RECV_ALL) {
		send(w->peer, "abc", 3, 0);
		nap();
	}
	if (pipe(w->pipe))
		exit(1);
	if (w->call == W_SENDFILE) {
		w->file = memfd_create("wait", 0);
		if (ftruncate(w->file, 8 << 20))
			exit(1);
	}
	w->ep = epoll_create1(0);
	w->inner = epoll_create1(0);
	epoll_ctl(w->call == W_EPOLL_NESTED ? w->inner : w->ep, EPOLL_CTL_ADD, w->fd, &ev);
	if (w->call == W_EPOLL_NESTED)
		epoll_ctl(w->ep, EPOLL_CTL_ADD, w->inner, &ev);
}

/* What lets the call go on in the end. */
static void wait_feed(struct waiting *w)
{
	if (wait_accepts(w))
		connect_end(w->peer, false, w->port);
	else if (w->call == W_CONNECT)
		close(w->peer);
	else if (wait_sends(w))
		read_all(w->peer, 8 << 20);
	else
		send(w->peer, "abcdefghij", 10, MSG_NOSIGNAL);
}

static bool wait_done(struct waiting *w, int ms)
{
	for (int i = 0; i < ms && !w->done; i++)
		usleep(1000);
	return w->done;
}

static void wait_say(struct waiting *w)
{
	if (w->jumped > 0)
		say("jumped");
	else if (w->ret < 0)
		say("%s", strerrorname_np(w->err));
	else
		say("%ld", w->ret);
	if (w->ret > 0 && w->events)
		say("events=%x", w->events);
}

/* The socket and whatever guards it are as usable as before. */
static void wait_check(struct waiting *w, enum wait_end end)
{
	char b[64];

	if (end == E_CLOSE || end == E_DUP2 || end == E_DUP2_SIGNAL || w->call == W_CONNECT ||
	    wait_sends(w))
		return;
	if (wait_accepts(w)) {
		int c = peer_socket(SOCK_STREAM), a;

		res("connect", connect_end(c, false, w->port));
		nap();
		nonblock(w->fd);
		a = accept(w->fd, NULL, NULL);
		ok("accept", a);
		close(a);
		close(c);
		return;
	}
	nap();
	recv(w->fd, b, sizeof(b), MSG_DONTWAIT);
	send(w->peer, "12345", 5, MSG_NOSIGNAL);
	nap();
	res("then", recv(w->fd, b, sizeof(b), MSG_DONTWAIT));
}

static void wait_tear_down(struct waiting *w)
{
	close(w->fd);
	close(w->peer);
	close(w->pipe[0]);
	close(w->pipe[1]);
	close(w->ep);
	close(w->inner);
	if (w->file > 0)
		close(w->file);
}

static void wait_end_it(struct waiting *w, enum wait_end end, pthread_t t)
{
	int null;

	switch (end) {
	case E_DATA:
		wait_feed(w);
		break;
	case E_SIGNAL:
	case E_RESTART:
	case E_JUMP:
		pthread_kill(t, SIGUSR1);
		break;
	case E_CANCEL:
		pthread_cancel(t);
		break;
	case E_SHUT_RD:
	case E_SHUT_WR:
	case E_SHUT_BOTH:
		res("shutdown", shutdown(w->fd, end == E_SHUT_RD   ? SHUT_RD
						: end == E_SHUT_WR ? SHUT_WR
								   : SHUT_RDWR));
		break;
	case E_CLOSE:
		close(w->fd);
		break;
	default:
		null = open("/dev/null", O_RDWR);
		dup2(null, w->fd);
		close(null);
		if (end == E_DUP2_SIGNAL)
			pthread_kill(t, SIGUSR1);
	}
}

/* Cancelled, it says nothing more than that. */
static void wait_join(struct waiting *w, pthread_t t, enum wait_end end)
{
	struct timespec until;
	void *result = NULL;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 3;
	if (pthread_timedjoin_np(t, &result, &until)) {
		say("stuck");
		pthread_detach(t);
	} else if (result == PTHREAD_CANCELED) {
		say("cancelled unwound=%d", w->unwound);
	} else if (end == E_CANCEL) {
		say("not cancelled");
	}
}

static void wait_thread_case(struct waiting *w, enum wait_end end)
{
	struct sigaction sa = {.sa_handler = wait_on_sig,
			       .sa_flags = end == E_RESTART ? SA_RESTART : 0};
	pthread_t t;

	sigaction(SIGUSR1, &sa, NULL);
	wait_handled = 0;
	w->jumped = end == E_JUMP ? -1 : 0;
	pthread_create(&t, NULL, wait_thread, w);
	say(wait_done(w, BLOCK_MS) ? "early" : "asleep");
	wait_end_it(w, end, t);
	if (end == E_CANCEL) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += GIVE_UP_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		for (int i = 0; i < GIVE_UP_MS && !w->unwound; i++)
			usleep(1000);
		say(w->unwound ? "at once" : "goes on");
		if (!w->unwound)
			wait_feed(w);
		wait_join(w, t, end);
		return;
	}
	if (wait_done(w, GIVE_UP_MS)) {
		wait_say(w);
	} else {
		say("goes on");
		wait_feed(w);
		if (wait_done(w, 3000))
			wait_say(w);
	}
	say("handled=%d", wait_handled);
	wait_join(w, t, end);
}

/* A process that is stopped and goes on. */
static void wait_stop_case(struct waiting *w)
{
	struct pollfd f;
	int out[2], st;
	pid_t pid;
	char text[64] = "";

	if (pipe(out))
		return;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		line_len = 0;
		w->ret = wait_call_make(w);
		w->err = errno;
		line[0] = 0;
		wait_say(w);
		_exit(write(out[1], line, line_len) < 0);
	}
	f = (struct pollfd){out[0], POLLIN, 0};
	usleep(BLOCK_MS * 2000);
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	usleep(2000);
	kill(pid, SIGCONT);
	if (!poll(&f, 1, GIVE_UP_MS)) {
		say("goes on");
		wait_feed(w);
		poll(&f, 1, 3000);
	}
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	/* Who is killed inside the stack takes its connections along. */
	if (read(out[0], text, sizeof(text) - 1) > 0)
		say("%s", text);
	else
		kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	close(out[0]);
	close(out[1]);
}

static void wait_case(void)
{
	struct waiting w = {.call = case_arg / W_ENDS, .fd = -1, .peer = -1};
	enum wait_end end = case_arg % W_ENDS;

	wait_set_up(&w);
	if (end == E_STOP)
		wait_stop_case(&w);
	else
		wait_thread_case(&w, end);
	wait_check(&w, end);
	wait_tear_down(&w);
}

/* All of them for some; for the others, what each call has to do for itself. */
static bool wait_wanted(enum wait_call call, enum wait_end end)
{
	if (call == W_RECV || call == W_ACCEPT || call == W_EPOLL || call == W_POLL_MIXED)
		return true;
	return end == E_RESTART || end == E_JUMP || end == E_CANCEL || end == E_STOP ||
	       (call == W_CONNECT && end == E_SHUT_WR) || (call == W_SELECT && end == E_CLOSE) ||
	       (call == W_UDP && end == E_SHUT_BOTH);
}

__attribute__((constructor)) static void wait_add(void)
{
	static char name[W_CALLS * W_ENDS][40];

	for (unsigned i = 0; i < W_CALLS * W_ENDS; i++) {
		if (!wait_wanted(i / W_ENDS, i % W_ENDS))
			continue;
		snprintf(name[i], sizeof(name[i]), "wait_%s_%s", wait_call_name[i / W_ENDS],
			 wait_end_name[i % W_ENDS]);
		add_case((struct testcase){name[i], wait_case, ONE_WAY, i});
	}
}

#endif
