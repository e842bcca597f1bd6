/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. What a connection tells beside its bytes: time stamps of what came and of
 * what was sent, TCP_INQ, the error queue. */
#ifndef SOCKDIFF_STAMP_H
#define SOCKDIFF_STAMP_H

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <poll.h>
#include <sys/epoll.h>

#define SO_TIMESTAMP_NEW_ 63
#define SO_TIMESTAMPNS_NEW_ 64
#define SO_TIMESTAMPING_NEW_ 65
#define TCP_INQ_ 36
#define SOF_SW SOF_TIMESTAMPING_SOFTWARE
#define SOF_ID SOF_TIMESTAMPING_OPT_ID
#define SOF_TSONLY SOF_TIMESTAMPING_OPT_TSONLY

/* Control messages in their order; times by whether they are near the present. */
static void st_ctl(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n = c->cmsg_len - sizeof(*c);
		struct sock_extended_err e;
		struct timespec now;
		int64_t s = 0;
		int v = 0;

		say("%d/%d:%zu", c->cmsg_level, c->cmsg_type, n);
		if (c->cmsg_level == SOL_SOCKET && n >= sizeof(s)) {
			clock_gettime(CLOCK_REALTIME, &now);
			memcpy(&s, CMSG_DATA(c), sizeof(s));
			say("%s", now.tv_sec - s < 5 && s - now.tv_sec < 5 ? "now" : "odd");
		} else if (c->cmsg_level == IPPROTO_TCP && n == sizeof(v)) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			say("=%d", v);
		} else if (n >= sizeof(e)) {
			memcpy(&e, CMSG_DATA(c), sizeof(e));
			say("err=%u origin=%u info=%u data=%u", e.ee_errno, e.ee_origin, e.ee_info,
			    e.ee_data);
			say("from=%d", ((struct sockaddr *)(CMSG_DATA(c) + sizeof(e)))->sa_family);
		}
	}
	say("ctl=%zu fl=%x name=%u", (size_t)m->msg_controllen, (unsigned)m->msg_flags,
	    m->msg_namelen);
}

static ssize_t st_recv(int s, size_t n, size_t room, int flags)
{
	static char b[4096];

	return recv_told(s, b, n, room, flags, st_ctl);
}

static void st_poll(int s)
{
	struct pollfd p = {.fd = s, .events = POLLIN | POLLOUT};

	poll(&p, 1, 0);
	say("poll=%x", (unsigned)p.revents);
}

/* Sends, and waits until it is told of. */
static void st_send(int s, size_t n, int flags)
{
	res("send", send(s, big, n, flags));
	nap();
	st_poll(s);
}

/* Each form of SO_TIMESTAMP; the kernel switches its stamps on when it has time. */
static void stamp_rx(void)
{
	static const int names[] = {SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMP_NEW_,
				    SO_TIMESTAMPNS_NEW_};
	int s, p;

	pair(&s, &p);
	for (unsigned i = 0; i < 4; i++) {
		ok("on", set_int(s, SOL_SOCKET, names[i], 1));
		nap();
		send(p, "abcdef", 6, 0);
		nap();
		st_recv(s, 2, 512, MSG_PEEK);
		st_recv(s, 2, 512, 0);
		st_recv(s, 2, 0, 0);
		st_recv(s, 20, 512, 0);
	}
	ok("off", set_int(s, SOL_SOCKET, SO_TIMESTAMP, 0));
	send(p, "abc", 3, 0);
	st_recv(s, 20, 512, 0);
	close(p);
	st_recv(s, 20, 512, 0);
	close(s);
}

/* Nobody wants a name: how long it would be is not written. */
static void stamp_nameless(void)
{
	char ctl[512];
	struct msghdr m = {.msg_namelen = 77, .msg_control = ctl, .msg_controllen = sizeof(ctl)};
	int s, p;

	pair(&s, &p);
	send(p, "abc", 3, 0);
	nap();
	res("data", recvmsg(s, &m, MSG_DONTWAIT | MSG_PEEK));
	say("name=%u", m.msg_namelen);
	ok("ing", set_int(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE | SOF_SW));
	send(s, "abc", 3, 0);
	nap();
	m.msg_namelen = 77;
	m.msg_controllen = sizeof(ctl);
	res("error", recvmsg(s, &m, MSG_ERRQUEUE));
	say("name=%u", m.msg_namelen);
	pair_close(s, p);
}

static void stamp_rx_timestamping(void)
{
	int s, p;

	pair(&s, &p);
	ok("ing", set_int(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_SW));
	nap();
	send(p, "abc", 3, 0);
	st_recv(s, 20, 512, 0);
	ok("new",
	   set_int(s, SOL_SOCKET, SO_TIMESTAMPING_NEW_, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_SW));
	ok("ns", set_int(s, SOL_SOCKET, SO_TIMESTAMPNS_NEW_, 1));
	send(p, "abc", 3, 0);
	st_recv(s, 20, 512, 0);
	ok("no software", set_int(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE));
	send(p, "abc", 3, 0);
	st_recv(s, 20, 512, 0);
	pair_close(s, p);
}

/* What is said is when the byte came, and not when it was read. */
static void stamp_rx_of_arrival(void)
{
	struct iovec v = {sink, 1};
	_Alignas(struct cmsghdr) char ctl[64];
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	struct timespec at, now;
	int s, p;

	pair(&s, &p);
	ok("on", set_int(s, SOL_SOCKET, SO_TIMESTAMPNS, 1));
	nap();
	for (int i = 0; i < 2; i++) {
		send(p, "a", 1, 0);
		usleep(100000);
		m.msg_control = ctl;
		m.msg_controllen = sizeof(ctl);
		res("r", recvmsg(s, &m, 0));
		memcpy(&at, CMSG_DATA((struct cmsghdr *)ctl), sizeof(at));
		clock_gettime(CLOCK_REALTIME, &now);
		say("ago=%d",
		    (now.tv_sec - at.tv_sec) * 1000 + (now.tv_nsec - at.tv_nsec) / 1000000 >= 50);
	}
	pair_close(s, p);
}

static void stamp_inq(void)
{
	int s, p;

	pair(&s, &p);
	ok("inq", set_int(s, IPPROTO_TCP, TCP_INQ_, 1));
	send(p, "0123456789", 10, 0);
	nap();
	st_recv(s, 4, 512, 0);
	st_recv(s, 2, 512, MSG_PEEK);
	st_recv(s, 4, 0, 0);
	st_recv(s, 2, 512, 0);
	st_recv(s, 2, 512, MSG_DONTWAIT);
	send(p, "0123456789", 10, 0);
	shutdown(p, SHUT_WR);
	nap();
	st_recv(s, 4, 512, 0);
	st_recv(s, 6, 512, 0);
	st_recv(s, 6, 512, 0);
	ok("bad", set_int(s, IPPROTO_TCP, TCP_INQ_, 2));
	pair_close(s, p);
}

/* A byte's way out, of the socket's will and of a message's. */
static void stamp_tx(void)
{
	int s, p;

	pair(&s, &p);
	ok("ing", set_int(s, SOL_SOCKET, SO_TIMESTAMPING,
			  SOF_TIMESTAMPING_TX_SOFTWARE | SOF_SW | SOF_ID | SOF_TSONLY));
	st_send(s, 10, 0);
	st_recv(s, 100, 512, MSG_ERRQUEUE);
	st_recv(s, 100, 512, MSG_ERRQUEUE);
	st_poll(s);
	ok("all", set_int(s, SOL_SOCKET, SO_TIMESTAMPING,
			  SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED |
				  SOF_TIMESTAMPING_TX_ACK | SOF_SW | SOF_ID | SOF_TSONLY));
	st_send(s, 30, 0);
	for (int i = 0; i < 4; i++)
		st_recv(s, 100, i == 2 ? 40 : 512, MSG_ERRQUEUE);
	st_poll(s);
	ok("silent", set_int(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE));
	st_send(s, 30, 0);
	st_recv(s, 0, 512, MSG_ERRQUEUE);
	st_recv(s, 0, 512, MSG_ERRQUEUE);
	ok("none", set_int(s, SOL_SOCKET, SO_TIMESTAMPING, 0));
	st_send(s, 30, 0);
	st_recv(s, 0, 512, MSG_ERRQUEUE);
	pair_close(s, p);
}

/* With the packet: as long as it was, and cut to the room. */
static void stamp_tx_data(void)
{
	static const int rooms[] = {1000, 1000, 20, 1000};
	int s, p;

	pair(&s, &p);
	ok("ing", set_int(s, SOL_SOCKET, SO_TIMESTAMPING,
			  SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED |
				  SOF_TIMESTAMPING_TX_ACK | SOF_SW | SOF_ID));
	st_send(s, 50, 0);
	for (int i = 0; i < 4; i++)
		st_recv(s, (size_t)rooms[i], 512, MSG_ERRQUEUE);
	ok("ing", set_int(s, SOL_SOCKET, SO_TIMESTAMPING,
			  SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_CMSG | SOF_SW));
	st_send(s, 50, 0);
	st_recv(s, 1000, 512, MSG_ERRQUEUE);
	pair_close(s, p);
}

static ssize_t st_send_ctl(int s, int level, int type, uint32_t v, size_t len)
{
	_Alignas(struct cmsghdr) char ctl[64] = "";
	struct iovec io = {big, 10};
	struct msghdr m = {.msg_iov = &io,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = CMSG_SPACE(8)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = len;
	memcpy(CMSG_DATA(c), &v, sizeof(v));
	return sendmsg(s, &m, 0);
}

static void stamp_tx_by_message(void)
{
	int s, p;

	pair(&s, &p);
	ok("ing", set_int(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_SW | SOF_ID | SOF_TSONLY));
	res("ack",
	    st_send_ctl(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_ACK, CMSG_LEN(4)));
	nap();
	st_recv(s, 100, 512, MSG_ERRQUEUE);
	st_recv(s, 100, 512, MSG_ERRQUEUE);
	res("bad flag", st_send_ctl(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_SW, CMSG_LEN(4)));
	res("bad len", st_send_ctl(s, SOL_SOCKET, SO_TIMESTAMPING, 0, CMSG_LEN(2)));
	res("bad type", st_send_ctl(s, SOL_SOCKET, 9999, 0, CMSG_LEN(4)));
	res("other level", st_send_ctl(s, IPPROTO_IP, IP_TTL, 3, CMSG_LEN(4)));
	res("tcp level", st_send_ctl(s, IPPROTO_TCP, 1, 3, CMSG_LEN(4)));
	res("short", st_send_ctl(s, SOL_SOCKET, SO_TIMESTAMPING, 0, 3));
	res("long", st_send_ctl(s, SOL_SOCKET, SO_TIMESTAMPING, 0, 300));
	close(p);
	nap();
	send(s, big, 1, MSG_NOSIGNAL);
	nap();
	res("when broken", st_send_ctl(s, SOL_SOCKET, 9999, 0, CMSG_LEN(4)));
	close(s);
}

#define SOF_STATS SOF_TIMESTAMPING_OPT_STATS

/* The attributes in their order, with their sizes, and what is the same whoever tells it. */
static void st_stats(const uint8_t *p, size_t n)
{
	for (size_t at = 0; at + 4 <= n;) {
		uint64_t v = 0;
		uint16_t len, type;

		memcpy(&len, p + at, 2);
		memcpy(&type, p + at + 2, 2);
		if (len < 4 || at + len > n || len > 12) {
			say("broken");
			return;
		}
		memcpy(&v, p + at + 4, len - 4u);
		say("%u/%u", type, len - 4);
		/* segments, retransmissions, reordering, queues, bytes, rehashes */
		if (strchr("\4\5\11\13\15\16\22\23\24\25\27\30\33", type))
			say("=%llu", (unsigned long long)v);
		at += (len + 3u) & ~3u;
	}
}

static void st_recv_stats(int s)
{
	static char ctl[1024], b[600];
	struct iovec v = {b, sizeof(b)};
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl)};
	long n = res("recvmsg", recvmsg(s, &m, MSG_ERRQUEUE));

	if (n < 0)
		return;
	say("fl=%x", (unsigned)m.msg_flags);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		size_t len = c->cmsg_len - sizeof(*c);

		say("%d/%d:%zu", c->cmsg_level, c->cmsg_type, len);
		if (c->cmsg_type != SCM_TIMESTAMPING_OPT_STATS)
			continue;
		say("same=%d", len == (size_t)n && !memcmp(CMSG_DATA(c), b, len));
		st_stats(CMSG_DATA(c), len);
	}
}

static void stamp_stats(void)
{
	int s, p;

	pair(&s, &p);
	ok("set", set_int(s, SOL_SOCKET, SO_TIMESTAMPING,
			  SOF_SW | SOF_ID | SOF_TSONLY | SOF_STATS | SOF_TIMESTAMPING_TX_SCHED |
				  SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK));
	res("send", send(s, big, 500, 0));
	nap();
	for (int i = 0; i < 4; i++)
		st_recv_stats(s);
	ok("not told", set_int(s, SOL_SOCKET, SO_TIMESTAMPING,
			       SOF_TSONLY | SOF_STATS | SOF_TIMESTAMPING_TX_ACK));
	res("send", send(s, big, 100, 0));
	nap();
	st_recv_stats(s);
	pair_close(s, p);
}

/* Which flags go together. */
static void stamp_flags(void)
{
	static const uint32_t flags[] = {
		SOF_ID,
		1u << 16,
		1u << 16 | SOF_ID,
		SOF_TIMESTAMPING_OPT_STATS,
		1u << 19,
		SOF_TIMESTAMPING_OPT_STATS | SOF_TSONLY,
		1u << 18,
		1u << 17,
		0xffffffff,
		0,
	};
	struct {
		uint32_t flags, phc;
	} v = {0};
	socklen_t len;
	int s, p, l;

	pair(&s, &p);
	l = listener(false, 5);
	for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		ok("set", set_int(s, SOL_SOCKET, SO_TIMESTAMPING, (int)flags[i]));
		len = sizeof(v);
		ok("get", getsockopt(s, SOL_SOCKET, SO_TIMESTAMPING, &v, &len));
		say("%x/%u", v.flags, len);
		ok("listener", set_int(l, SOL_SOCKET, SO_TIMESTAMPING, (int)flags[i]));
	}
	ok("new", set_int(s, SOL_SOCKET, SO_TIMESTAMPING_NEW_, SOF_SW));
	say("old=%d new=%d", opt_int(s, SOL_SOCKET, SO_TIMESTAMPING),
	    opt_int(s, SOL_SOCKET, SO_TIMESTAMPING_NEW_));
	ok("us", set_int(s, SOL_SOCKET, SO_TIMESTAMP_NEW_, 1));
	say("%d %d %d %d", opt_int(s, SOL_SOCKET, SO_TIMESTAMP),
	    opt_int(s, SOL_SOCKET, SO_TIMESTAMPNS), opt_int(s, SOL_SOCKET, SO_TIMESTAMP_NEW_),
	    opt_int(s, SOL_SOCKET, SO_TIMESTAMPNS_NEW_));
	ok("ns", set_int(s, SOL_SOCKET, SO_TIMESTAMPNS, 1));
	say("%d %d %d %d", opt_int(s, SOL_SOCKET, SO_TIMESTAMP),
	    opt_int(s, SOL_SOCKET, SO_TIMESTAMPNS), opt_int(s, SOL_SOCKET, SO_TIMESTAMP_NEW_),
	    opt_int(s, SOL_SOCKET, SO_TIMESTAMPNS_NEW_));
	pair_close(s, p);
	close(l);
}

/* An entry is an edge of its own; a reader is not woken by it, nor is a poll for nothing. */
static void stamp_edges(void)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	struct later wr;
	int s, p, ep = epoll_create1(0);
	pthread_t t;

	pair(&s, &p);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	ok("ing", set_int(s, SOL_SOCKET, SO_TIMESTAMPING,
			  SOF_TIMESTAMPING_TX_SOFTWARE | SOF_SW | SOF_ID | SOF_TSONLY));
	send(s, big, 10, 0);
	nap();
	res("wait", epoll_wait(ep, &ev, 1, 1000));
	say("%x", ev.events);
	res("wait", epoll_wait(ep, &ev, 1, 0));
	send(s, big, 10, 0);
	nap();
	res("wait", epoll_wait(ep, &ev, 1, 1000));
	say("%x err=%d", ev.events, opt_int(s, SOL_SOCKET, SO_ERROR));
	wr = (struct later){p, 50, WRITE1, 3};
	t = later(&wr);
	res("read", recv(s, sink, 10, 0));
	pthread_join(t, NULL);
	while (st_recv(s, 100, 512, MSG_ERRQUEUE) >= 0)
		;
	st_poll(s);
	close(ep);
	pair_close(s, p);
}

ADD_CASES(stamp_cases, BOTH(stamp_rx), BOTH(stamp_nameless), BOTH(stamp_rx_timestamping),
	  BOTH(stamp_rx_of_arrival), BOTH(stamp_inq), BOTH(stamp_tx), BOTH(stamp_tx_data),
	  BOTH(stamp_tx_by_message), BOTH(stamp_stats), BOTH(stamp_flags), BOTH(stamp_edges))

#endif
