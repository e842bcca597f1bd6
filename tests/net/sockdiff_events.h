/* SPDX-License-Identifier: BSD-2-Clause */
/* What epoll tells, level- and edge-triggered and one-shot, as a connection lives and ends. */
#ifndef SOCKDIFF_EVENTS_H
#define SOCKDIFF_EVENTS_H

#include <sys/epoll.h>

#define ALL_IN (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI)

/* The events there are now, three times over; what comes again is level. */
static void look(const char *what, int ep)
{
	struct epoll_event ev = {0};

	nap();
	say("%s=", what);
	for (int i = 0; i < 3; i++) {
		int n = epoll_wait(ep, &ev, 1, 0);

		say("%x", n == 1 ? ev.events : 0);
	}
}

static int watch(int s)
{
	static const uint32_t how[] = {0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT};
	struct epoll_event ev = {.events = ALL_IN | how[case_arg]};
	int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	return ep;
}

static void epoll_half_close(void)
{
	int s, p, ep;

	pair(&s, &p);
	ep = watch(s);
	look("open", ep);
	send(p, "abc", 3, 0);
	look("data", ep);
	recv(s, sink, 1, 0);
	look("part", ep);
	shutdown(p, SHUT_WR);
	look("fin", ep);
	recv(s, sink, 10, 0);
	look("read", ep);
	recv(s, sink, 10, 0);
	look("eof", ep);
	shutdown(s, SHUT_WR);
	look("both", ep);
	close(ep);
	pair_close(s, p);
}

static void epoll_reset(void)
{
	int s, p, ep;

	pair(&s, &p);
	ep = watch(s);
	look("open", ep);
	send(p, "abc", 3, 0);
	nap();
	reset_peer(p);
	look("reset", ep);
	res("recv", recv(s, sink, 10, MSG_DONTWAIT));
	look("read", ep);
	res("recv", recv(s, sink, 10, MSG_DONTWAIT));
	look("again", ep);
	close(ep);
	close(s);
}

static void epoll_full(void)
{
	int s, p, ep;

	pair(&s, &p);
	set_int(s, SOL_SOCKET, SO_SNDBUF, 60000); /* neither grows while one looks */
	set_int(p, SOL_SOCKET, SO_RCVBUF, 60000);
	nonblock(s);
	for (int i = 0; i < 3; i++, nap())
		fill(s); /* a peer that is late makes room again */
	ep = watch(s);
	look("full", ep);
	nonblock(p);
	for (int i = 0; i < 10; i++) {
		while (recv(p, sink, sizeof(sink), 0) > 0)
			i = 0;
		usleep(2000);
	}
	look("drained", ep);
	close(ep);
	pair_close(s, p);
}

static void epoll_peer_closes_unread(void)
{
	int s, p, ep;

	pair(&s, &p);
	ep = watch(s);
	send(s, "abc", 3, 0);
	nap();
	close(p);
	look("closed", ep);
	say("err=%d", opt_int(s, SOL_SOCKET, SO_ERROR));
	look("after", ep);
	close(ep);
	close(s);
}

static void epoll_shut(void)
{
	int s, p, ep;

	pair(&s, &p);
	ep = watch(s);
	shutdown(s, SHUT_RD);
	look("rd", ep);
	shutdown(s, SHUT_WR);
	look("wr", ep);
	close(p);
	look("closed", ep);
	close(ep);
	close(s);
}

static void epoll_fresh(void)
{
	int s = own_socket(SOCK_STREAM), ep = watch(s);
	union any_addr a;
	socklen_t len = end_of(&a, false, 0);

	look("fresh", ep);
	bind(s, &a.sa, len);
	look("bound", ep);
	close(ep);
	close(s);
}

static void epoll_refused(void)
{
	int l = listener(true, 5), port = port_of(l), s = own_socket(SOCK_STREAM), ep;

	close(l);
	nonblock(s);
	ep = watch(s);
	ok("connect", connect_end(s, true, port));
	look("refused", ep);
	say("err=%d", opt_int(s, SOL_SOCKET, SO_ERROR));
	look("after", ep);
	close(ep);
	close(s);
}

static void epoll_connects(void)
{
	int l = listener(true, 5), s = own_socket(SOCK_STREAM), ep;

	nonblock(s);
	ep = watch(s);
	ok("connect", connect_end(s, true, port_of(l)));
	look("made", ep);
	close(ep);
	close(s);
	close(l);
}

static void epoll_listener(void)
{
	int l = listener(false, 5), ep = watch(l), c = peer_socket(SOCK_STREAM), a;

	look("idle", ep);
	ok("connect", connect_end(c, false, port_of(l)));
	look("one", ep);
	a = accept(l, NULL, NULL);
	look("taken", ep);
	shutdown(l, SHUT_RD);
	look("shut", ep);
	close(a);
	close(c);
	close(ep);
	close(l);
}

__attribute__((constructor)) static void events_add(void)
{
	static const char *const how[] = {"level", "edge", "oneshot", "edge_oneshot"};
	static const struct testcase base[] = {
		BOTH(epoll_half_close), BOTH(epoll_reset),    BOTH(epoll_full),
		BOTH(epoll_shut),       EACH(epoll_fresh),    BOTH(epoll_peer_closes_unread),
		EACH(epoll_refused),    EACH(epoll_connects), EACH(epoll_listener),
	};
	static char name[sizeof(base) / sizeof(*base)][4][60];

	for (unsigned i = 0; i < sizeof(base) / sizeof(*base); i++) {
		for (unsigned j = 0; j < 4; j++) {
			struct testcase c = base[i];

			snprintf(name[i][j], sizeof(name[i][j]), "%s_%s", c.name, how[j]);
			c.name = name[i][j];
			c.arg = j;
			add_case(c);
		}
	}
}

#endif
