/* SPDX-License-Identifier: BSD-2-Clause */
/* Urgent data: the mark, the byte out of band, who is told. */
#ifndef SOCKDIFF_URGENT_H
#define SOCKDIFF_URGENT_H

static volatile sig_atomic_t urgents;

static void on_urgent(int sig)
{
	(void)sig;
	urgents++;
}

static int revents(int s, short want)
{
	struct pollfd p = {s, want, 0};

	poll(&p, 1, 1000);
	return p.revents;
}

static int at_mark(int s)
{
	int n = -1;

	ioctl(s, SIOCATMARK, &n);
	return n;
}

static void urgent_byte(void)
{
	char b[32];
	int s, p, n;

	pair(&s, &p);
	res("none", recv(s, b, 1, MSG_OOB));
	res("send", send(p, "abcX", 4, MSG_OOB));
	say("pri=%x", revents(s, POLLPRI));
	say("all=%x mark=%d", revents(s, POLLIN | POLLPRI | POLLOUT), at_mark(s));
	ioctl(s, FIONREAD, &n);
	say("inq=%d", n);
	res("peek", recv(s, b, 1, MSG_OOB | MSG_PEEK));
	res("oob", recv(s, b, 1, MSG_OOB));
	say("byte=%c", b[0]);
	res("again", recv(s, b, 1, MSG_OOB));
	send(p, "def", 3, 0);
	nap();
	res("waitall", recv(s, b, 6, MSG_WAITALL));
	say("mark=%d", at_mark(s));
	res("peek", recv(s, b, 32, MSG_PEEK));
	res("rest", recv(s, b, 32, 0));
	say("%.3s mark=%d", b, at_mark(s));
	close(s);
	close(p);
}

static void urgent_inline(void)
{
	char b[32];
	int s, p, on = 1;

	pair(&s, &p);
	ok("set", setsockopt(s, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
	send(p, "abcX", 4, MSG_OOB);
	say("pri=%x", revents(s, POLLPRI));
	res("oob", recv(s, b, 1, MSG_OOB));
	res("recv", recv(s, b, 32, 0));
	say("mark=%d", at_mark(s));
	res("recv", recv(s, b, 32, 0));
	say("%c mark=%d", b[0], at_mark(s));
	close(s);
	close(p);
}

static void urgent_second(void)
{
	char b[32];
	int s, p;

	pair(&s, &p);
	send(p, "abcX", 4, MSG_OOB);
	nap();
	send(p, "defY", 4, MSG_OOB);
	nap();
	res("oob", recv(s, b, 1, MSG_OOB));
	say("%c", b[0]);
	res("recv", recv(s, b, 32, 0));
	say("%.7s mark=%d", b, at_mark(s));
	close(s);
	close(p);
}

static void urgent_sent(void)
{
	char b[32];
	int s, p;

	pair(&s, &p);
	res("send", send(s, "abcX", 4, MSG_OOB));
	res("send", send(s, "def", 3, 0));
	nap();
	res("poob", recv(p, b, 1, MSG_OOB));
	say("%c", b[0]);
	res("precv", recv(p, b, 32, 0));
	res("precv", recv(p, b, 32, 0));
	say("%.3s", b);
	close(s);
	close(p);
}

static void urgent_signal(void)
{
	struct sigaction sa = {.sa_handler = on_urgent}, old;
	int s, p;

	pair(&s, &p);
	sigaction(SIGURG, &sa, &old);
	urgents = 0;
	send(p, "a", 1, MSG_OOB);
	say("pri=%x urgents=%d", revents(s, POLLPRI), (int)urgents);
	ok("own", fcntl(s, F_SETOWN, getpid()));
	say("owner=%d", fcntl(s, F_GETOWN) == getpid());
	send(p, "b", 1, MSG_OOB);
	for (int i = 0; i < 100 && !urgents; i++)
		revents(s, POLLHUP), nap();
	say("urgents=%d", (int)urgents);
	sigaction(SIGURG, &old, NULL);
	close(s);
	close(p);
}

static void urgent_waits(void)
{
	struct epoll_event ev = {.events = EPOLLPRI};
	struct timeval tv = {2, 0};
	fd_set ex;
	int s, p, ep = epoll_create1(0);

	pair(&s, &p);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	say("none=%d", epoll_wait(ep, &ev, 1, 0));
	send(p, "a", 1, MSG_OOB);
	say("epoll=%d", epoll_wait(ep, &ev, 1, 2000));
	say("events=%x", ev.events);
	FD_ZERO(&ex);
	FD_SET(s, &ex);
	say("select=%d", select(s + 1, NULL, NULL, &ex, &tv));
	say("in=%x", revents(s, POLLIN | POLLPRI));
	close(ep);
	close(s);
	close(p);
}

/* clang-format off */
#define URGENT_CASES \
	BOTH(urgent_byte), \
	BOTH(urgent_inline), \
	BOTH(urgent_second), \
	BOTH(urgent_sent), \
	BOTH(urgent_signal), \
	BOTH(urgent_waits)
/* clang-format on */

#endif
