/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. MSG_ZEROCOPY: which messages are told to be done, and how. */
#ifndef SOCKDIFF_ZEROCOPY_H
#define SOCKDIFF_ZEROCOPY_H

#include <linux/errqueue.h>

/* One entry of the error queue, all of it. */
static void zc_say(int s)
{
	_Alignas(16) char ctl[256] = {0};
	union any_addr name;
	struct iovec v = {sink, 10};
	struct msghdr m = {.msg_name = &name,
			   .msg_namelen = sizeof(name),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};
	struct sock_extended_err ee;
	struct cmsghdr *c;

	if (res("queue", recvmsg(s, &m, MSG_ERRQUEUE)) < 0)
		return;
	say("flags=%x name=%u ctl=%zu", (unsigned)m.msg_flags, m.msg_namelen, m.msg_controllen);
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		memcpy(&ee, CMSG_DATA(c), sizeof(ee));
		say("level=%d type=%d len=%zu errno=%u origin=%u type=%u code=%u %u-%u",
		    c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len, ee.ee_errno, ee.ee_origin,
		    ee.ee_type, ee.ee_code, ee.ee_info, ee.ee_data);
	}
}

static void zc_poll(int s)
{
	struct pollfd f = {s, POLLIN | POLLOUT, 0};

	res("poll", poll(&f, 1, 0));
	say("%x", (unsigned)f.revents);
}

static void zerocopy_completions(void)
{
	int s, p;

	pair(&s, &p);
	say("off=%d", opt_int(s, SOL_SOCKET, SO_ZEROCOPY));
	res("off", send(s, big, 100, MSG_ZEROCOPY));
	nap();
	zc_say(s);
	res("two", set_int(s, SOL_SOCKET, SO_ZEROCOPY, 2));
	res("on", set_int(s, SOL_SOCKET, SO_ZEROCOPY, 1));
	say("on=%d", opt_int(s, SOL_SOCKET, SO_ZEROCOPY));
	res("without", send(s, big, 100, 0));
	res("empty", send(s, big, 0, MSG_ZEROCOPY));
	nap();
	zc_say(s);
	res("one", send(s, big, 20000, MSG_ZEROCOPY));
	read_all(p, 20200);
	nap();
	zc_poll(s);
	say("error=%d", opt_int(s, SOL_SOCKET, SO_ERROR));
	zc_say(s);
	zc_say(s);
	zc_poll(s);
	for (int i = 0; i < 3; i++) {
		res("many", send(s, big, 5000, MSG_ZEROCOPY));
		read_all(p, 5000);
	}
	nap();
	zc_say(s);
	zc_say(s);
	res("next", send(s, big, 1, MSG_ZEROCOPY | MSG_MORE));
	res("rest", send(s, big, 1, 0));
	nap();
	zc_say(s);
	set_int(s, SOL_SOCKET, SO_ZEROCOPY, 0);
	res("ignored", send(s, big, 1, MSG_ZEROCOPY));
	nap();
	zc_say(s);
	pair_close(s, p);
}

/* What failed has no number; what came in part has one. */
static void zerocopy_failures(void)
{
	char *edge = cliff(1);
	int s, p;

	pair(&s, &p);
	set_int(s, SOL_SOCKET, SO_ZEROCOPY, 1);
	res("bad", send(s, edge, 100, MSG_ZEROCOPY));
	res("good", send(s, big, 100, MSG_ZEROCOPY));
	nap();
	zc_say(s);
	nonblock(s);
	fill(s);
	res("full", send(s, big, 100, MSG_ZEROCOPY));
	reset_peer(p);
	nap();
	res("reset", send(s, big, 100, MSG_ZEROCOPY));
	res("broken", send(s, big, 100, MSG_ZEROCOPY | MSG_NOSIGNAL));
	zc_say(s);
	close(s);
}

/* An edge for each. */
static void zerocopy_epoll(void)
{
	struct epoll_event ev = {.events = EPOLLET};
	int s, p, ep = epoll_create1(0);

	pair(&s, &p);
	set_int(s, SOL_SOCKET, SO_ZEROCOPY, 1);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	res("none", epoll_wait(ep, &ev, 1, 0));
	for (int i = 0; i < 2; i++) {
		send(s, big, 5000, MSG_ZEROCOPY);
		read_all(p, 5000);
		nap();
		res("event", epoll_wait(ep, &ev, 1, 0));
		say("%x", ev.events);
		res("again", epoll_wait(ep, &ev, 1, 0));
	}
	zc_say(s);
	send(s, "x", 1, 0);
	res("recv", recv(s, sink, 1, MSG_DONTWAIT));
	close(ep);
	pair_close(s, p);
}

/* A listener's is its connections'. */
static void zerocopy_inherited(void)
{
	int l = listener(false, 5), c = peer_socket(SOCK_STREAM), s;

	res("set", set_int(l, SOL_SOCKET, SO_ZEROCOPY, 1));
	connect_end(c, false, port_of(l));
	s = accept(l, NULL, NULL);
	say("on=%d", opt_int(s, SOL_SOCKET, SO_ZEROCOPY));
	res("send", send(s, big, 9000, MSG_ZEROCOPY));
	read_all(c, 9000);
	nap();
	zc_say(s);
	close(l);
	pair_close(s, c);
}

static void zerocopy_datagrams(void)
{
	struct sockaddr_in sa, pa;
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	res("off", sendto(s, big, 100, MSG_ZEROCOPY, (struct sockaddr *)&pa, sizeof(pa)));
	res("on", set_int(s, SOL_SOCKET, SO_ZEROCOPY, 1));
	say("on=%d", opt_int(s, SOL_SOCKET, SO_ZEROCOPY));
	for (int i = 0; i < 2; i++)
		res("send", sendto(s, big, 1000, MSG_ZEROCOPY, (struct sockaddr *)&pa, sizeof(pa)));
	nap();
	for (int i = 0; i < 3; i++)
		res("recv", recv(p, sink, sizeof(sink), MSG_DONTWAIT));
	nap();
	zc_poll(s);
	zc_say(s);
	zc_say(s);
	zc_poll(s);
	pair_close(s, p);
}

/* clang-format off */
ADD_CASES(zerocopy_cases,
	BOTH(zerocopy_completions),
	BOTH(zerocopy_failures),
	BOTH(zerocopy_epoll),
	EACH(zerocopy_inherited),
	ONCE(zerocopy_datagrams))
/* clang-format on */

#endif
