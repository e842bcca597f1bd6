/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. What beside its bytes a datagram carries, trains, and errors. */
#ifndef SOCKDIFF_UDP_H
#define SOCKDIFF_UDP_H

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#define UDP_SEGMENT_ 103
#define UDP_GRO_ 104

/* s: bound, p: its peer, each connected to the other. */
static void udp_linked(int *s, int *p, struct sockaddr_in *sa, struct sockaddr_in *pa)
{
	udp_pair(s, p, sa, pa);
	connect(*s, (struct sockaddr *)pa, sizeof(*pa));
	connect(*p, (struct sockaddr *)sa, sizeof(*sa));
}

/* What a message carries, in its order; times and numbers of interfaces only by their presence. */
static void say_ctl(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n = c->cmsg_len - sizeof(*c);
		struct sockaddr_in in;
		unsigned v = 0;

		memcpy(&v, CMSG_DATA(c), n < sizeof(v) ? n : sizeof(v));
		say("%d/%d:%zu", c->cmsg_level, c->cmsg_type, n);
		if (c->cmsg_level == SOL_SOCKET || c->cmsg_type == IP_PKTINFO)
			continue;
		if (c->cmsg_type == IP_RECVORIGDSTADDR && n == sizeof(in)) {
			memcpy(&in, CMSG_DATA(c), sizeof(in));
			say("dst=%d", in.sin_addr.s_addr == here.s_addr);
		} else {
			say("=%x", v);
		}
	}
	say("ctl=%zu fl=%x", (size_t)m->msg_controllen, (unsigned)m->msg_flags);
}

static ssize_t recv_ctl(int s, void *b, size_t n, size_t room, int flags)
{
	return recv_told(s, b, n, room, flags, say_ctl);
}

/* One message of n bytes at level/type, with a length of its own if len is not 0. */
static ssize_t send_ctl(int s, const void *b, size_t n, int level, int type, const void *data,
			size_t bytes, size_t len)
{
	_Alignas(struct cmsghdr) char ctl[128] = "";
	struct iovec v = {(void *)b, n};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = CMSG_SPACE(bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = len ? len : CMSG_LEN(bytes);
	memcpy(CMSG_DATA(c), data, bytes);
	return sendmsg(s, &m, 0);
}

static void cm_all(int s)
{
	ok("pktinfo", set_int(s, IPPROTO_IP, IP_PKTINFO, 1));
	ok("ttl", set_int(s, IPPROTO_IP, IP_RECVTTL, 1));
	ok("tos", set_int(s, IPPROTO_IP, IP_RECVTOS, 1));
	ok("orig", set_int(s, IPPROTO_IP, IP_RECVORIGDSTADDR, 1));
	ok("ovfl", set_int(s, SOL_SOCKET, SO_RXQ_OVFL, 1));
	ok("gro", set_int(s, IPPROTO_UDP, UDP_GRO_, 1));
}

static void cm_order(void)
{
	struct sockaddr_in sa, pa;
	char b[16];
	int s, p;

	udp_linked(&s, &p, &sa, &pa);
	cm_all(s);
	ok("ns", set_int(s, SOL_SOCKET, SO_TIMESTAMPNS, 1));
	send(p, "abc", 3, 0);
	recv_ctl(s, b, sizeof(b), 512, 0);
	ok("us", set_int(s, SOL_SOCKET, SO_TIMESTAMP, 1));
	send(p, "abc", 3, 0);
	recv_ctl(s, b, sizeof(b), 512, 0);
	ok("off", set_int(s, SOL_SOCKET, SO_TIMESTAMP, 0));
	ok("ing", set_int(s, SOL_SOCKET, SO_TIMESTAMPING,
			  SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE));
	nap(); /* the kernel switches its stamps on when it has time */
	set_int(p, IPPROTO_IP, IP_TOS, 0x2e);
	set_int(p, IPPROTO_IP, IP_TTL, 9);
	send(p, "abc", 3, 0);
	recv_ctl(s, b, 2, 512, 0);
	send(p, "abc", 3, 0);
	recv_ctl(s, b, 16, 512, MSG_PEEK);
	recv_ctl(s, b, 16, 0, MSG_PEEK);
	recv_ctl(s, b, 16, 512, 0);
	pair_close(s, p);
}

/* Every room there can be for three messages. */
static void cm_cut(void)
{
	struct sockaddr_in sa, pa;
	char b[16];
	int s, p;

	udp_linked(&s, &p, &sa, &pa);
	ok("pktinfo", set_int(s, IPPROTO_IP, IP_PKTINFO, 1));
	ok("ttl", set_int(s, IPPROTO_IP, IP_RECVTTL, 1));
	ok("tos", set_int(s, IPPROTO_IP, IP_RECVTOS, 1));
	send(p, "abc", 3, 0);
	for (size_t room = 0; room < 90; room += room % 8 == 4 ? 3 : 1)
		recv_ctl(s, b, sizeof(b), room, MSG_PEEK);
	pair_close(s, p);
}

static void cm_hostile(void)
{
	struct sockaddr_in sa, pa;
	uint16_t gso = 100;
	int v = 64, s, p;
	char b[64];

	udp_linked(&s, &p, &sa, &pa);
	res("tos", send_ctl(s, "a", 1, IPPROTO_IP, IP_TOS, &v, 4, 0));
	res("tos1", send_ctl(s, "a", 1, IPPROTO_IP, IP_TOS, &v, 1, 0));
	res("tos2", send_ctl(s, "a", 1, IPPROTO_IP, IP_TOS, &v, 2, 0));
	v = 256;
	res("tosbig", send_ctl(s, "a", 1, IPPROTO_IP, IP_TOS, &v, 4, 0));
	res("ttlbig", send_ctl(s, "a", 1, IPPROTO_IP, IP_TTL, &v, 4, 0));
	v = 0;
	res("ttl0", send_ctl(s, "a", 1, IPPROTO_IP, IP_TTL, &v, 4, 0));
	res("short", send_ctl(s, "a", 1, IPPROTO_IP, IP_TTL, &v, 4, 4));
	res("long", send_ctl(s, "a", 1, IPPROTO_IP, IP_TTL, &v, 4, 1000));
	res("huge", send_ctl(s, "a", 1, IPPROTO_IP, IP_TTL, &v, 4, (size_t)-8));
	res("iptype", send_ctl(s, "a", 1, IPPROTO_IP, 99, &v, 4, 0));
	res("level", send_ctl(s, "a", 1, 77, 1, &v, 4, 0));
	res("sock", send_ctl(s, "a", 1, SOL_SOCKET, 99, &v, 4, 0));
	res("rights", send_ctl(s, "a", 1, SOL_SOCKET, SCM_RIGHTS, &v, 4, 0));
	res("udptype", send_ctl(s, "a", 1, IPPROTO_UDP, 99, &gso, 2, 0));
	res("gsolen", send_ctl(s, "a", 1, IPPROTO_UDP, UDP_SEGMENT_, &v, 4, 0));
	res("gso", send_ctl(s, "a", 1, IPPROTO_UDP, UDP_SEGMENT_, &gso, 2, 0));
	nap();
	for (int i = 0; i < 10; i++)
		res("p", recv(p, b, sizeof(b), MSG_DONTWAIT));
	pair_close(s, p);
}

/* ECN and the source, datagram by datagram. */
static void cm_per_packet(void)
{
	struct sockaddr_in sa, pa;
	struct in_pktinfo pi = {.ipi_spec_dst = here};
	int s, p, v;
	char b[16];

	udp_linked(&s, &p, &sa, &pa);
	set_int(p, IPPROTO_IP, IP_RECVTOS, 1);
	set_int(p, IPPROTO_IP, IP_RECVTTL, 1);
	for (v = 0; v < 4; v++) {
		res("send", send_ctl(s, "abc", 3, IPPROTO_IP, IP_TOS, &v, 4, 0));
		recv_ctl(p, b, sizeof(b), 512, 0);
	}
	v = 5;
	res("ttl", send_ctl(s, "abc", 3, IPPROTO_IP, IP_TTL, &v, 4, 0));
	recv_ctl(p, b, sizeof(b), 512, 0);
	res("from", send_ctl(s, "abc", 3, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi), 0));
	recv_ctl(p, b, sizeof(b), 512, 0);
	pi.ipi_spec_dst.s_addr = htonl(0x01020304);
	res("notours", send_ctl(s, "abc", 3, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi), 0));
	pi.ipi_ifindex = 12345;
	res("noif", send_ctl(s, "abc", 3, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi), 0));
	pair_close(s, p);
}

static void recv_sizes(int s, int n)
{
	for (int i = 0; i < n; i++)
		res("r", recv(s, sink, sizeof(sink), MSG_DONTWAIT));
}

static void train_out(void)
{
	struct sockaddr_in sa, pa;
	uint16_t seg = 700;
	int s, p;

	udp_linked(&s, &p, &sa, &pa);
	res("cmsg", send_ctl(s, big, 5000, IPPROTO_UDP, UDP_SEGMENT_, &seg, 2, 0));
	nap();
	recv_sizes(p, 9);
	ok("set", set_int(s, IPPROTO_UDP, UDP_SEGMENT_, 1000));
	say("get=%d", opt_int(s, IPPROTO_UDP, UDP_SEGMENT_));
	res("send", send(s, big, 2500, 0));
	res("one", send(s, big, 1000, 0));
	res("empty", send(s, big, 0, 0));
	nap();
	recv_sizes(p, 6);
	ok("off", set_int(s, IPPROTO_UDP, UDP_SEGMENT_, 0));
	res("send", send(s, big, 1400, 0));
	nap();
	recv_sizes(p, 2);
	res("neg", set_int(s, IPPROTO_UDP, UDP_SEGMENT_, -1));
	res("big", set_int(s, IPPROTO_UDP, UDP_SEGMENT_, 65536));
	pair_close(s, p);
}

static void train_limits(void)
{
	struct sockaddr_in sa, pa;
	uint16_t seg = 1;
	int s, p;

	udp_linked(&s, &p, &sa, &pa);
	res("64", send_ctl(s, big, 64, IPPROTO_UDP, UDP_SEGMENT_, &seg, 2, 0));
	nap();
	recv_sizes(p, 2);
	res("1000", send_ctl(s, big, 1000, IPPROTO_UDP, UDP_SEGMENT_, &seg, 2, 0));
	seg = 60000;
	if (agent >= 0)
		res("mtu", send_ctl(s, big, 60001, IPPROTO_UDP, UDP_SEGMENT_, &seg, 2, 0));
	seg = 1000;
	res("toolong", send_ctl(s, big, 65508, IPPROTO_UDP, UDP_SEGMENT_, &seg, 2, 0));
	pair_close(s, p);
}

/* How datagrams are put together is up to who does it; the bytes and sizes are not. */
static void train_in(void)
{
	struct sockaddr_in sa, pa;
	_Alignas(struct cmsghdr) char ctl[64];
	struct iovec v = {sink, sizeof(sink)};
	long sum = 0, odd = 0;
	int s, p;

	udp_linked(&s, &p, &sa, &pa);
	ok("gro", set_int(s, IPPROTO_UDP, UDP_GRO_, 1));
	say("get=%d", opt_int(s, IPPROTO_UDP, UDP_GRO_));
	for (int i = 0; i < 20; i++)
		send(p, big, i == 19 ? 300 : 1000, 0);
	nap();
	for (int i = 0; i < 20; i++) {
		struct msghdr m = {.msg_iov = &v,
				   .msg_iovlen = 1,
				   .msg_control = ctl,
				   .msg_controllen = sizeof(ctl)};
		struct cmsghdr *c;
		ssize_t n = recvmsg(s, &m, MSG_DONTWAIT);
		int seg = 0;

		if (n < 0)
			break;
		sum += n;
		c = CMSG_FIRSTHDR(&m);
		if (c)
			memcpy(&seg, CMSG_DATA(c), sizeof(seg));
		odd += n > 1000 ? seg != 1000 : c != NULL;
	}
	say("sum=%ld odd=%ld", sum, odd);
	pair_close(s, p);
}

static void say_error_queue(int s)
{
	_Alignas(struct cmsghdr) char ctl[256];
	struct sockaddr_in to = {0};
	char b[64];
	struct iovec v = {b, sizeof(b)};
	struct msghdr m = {.msg_name = &to,
			   .msg_namelen = sizeof(to),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};

	if (res("errq", recvmsg(s, &m, MSG_ERRQUEUE)) < 0)
		return;
	say("fl=%x to=%d", (unsigned)m.msg_flags, to.sin_addr.s_addr == there.s_addr);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct sock_extended_err e;

		memcpy(&e, CMSG_DATA(c), sizeof(e));
		say("%d/%d:%zu", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len);
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR)
			say("%s org=%d %d/%d info=%u", strerrorname_np((int)e.ee_errno),
			    e.ee_origin, e.ee_type, e.ee_code, e.ee_info);
	}
}

static void errq_refused(void)
{
	struct sockaddr_in sa, pa;
	struct pollfd f = {.events = POLLIN};
	char b[8];
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	close(p);
	ok("recverr", set_int(s, IPPROTO_IP, IP_RECVERR, 1));
	f.fd = s;
	res("sendto", sendto(s, "xyz", 3, 0, (struct sockaddr *)&pa, sizeof(pa)));
	res("poll", poll(&f, 1, 1000));
	say("%x", (unsigned)f.revents);
	res("recv", recv(s, b, 8, MSG_DONTWAIT));
	res("recv", recv(s, b, 8, MSG_DONTWAIT));
	res("poll", poll(&f, 1, 0));
	say_error_queue(s);
	say_error_queue(s);
	res("poll", poll(&f, 1, 0));
	res("sendto", sendto(s, "xyz", 3, 0, (struct sockaddr *)&pa, sizeof(pa)));
	nap();
	say("so_error=%d", opt_int(s, SOL_SOCKET, SO_ERROR) == ECONNREFUSED);
	say("so_error=%d", opt_int(s, SOL_SOCKET, SO_ERROR));
	res("sendto", sendto(s, "xyz", 3, 0, (struct sockaddr *)&pa, sizeof(pa)));
	nap();
	res("then", sendto(s, "xyz", 3, 0, (struct sockaddr *)&pa, sizeof(pa)));
	close(s);
}

/* The error queue holds something: a reader that waits waits for data all the same. */
static void errq_reader_waits(void)
{
	struct timeval tv = {0, 50000};
	struct sockaddr_in sa, pa;
	double from;
	char b[8];
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	close(p);
	set_int(s, IPPROTO_IP, IP_RECVERR, 1);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	sendto(s, "xyz", 3, 0, (struct sockaddr *)&pa, sizeof(pa));
	res("recv", recv(s, b, 8, 0));
	from = now_s();
	res("again", recv(s, b, 8, 0));
	say("waited=%d", now_s() - from > 0.04);
	say_error_queue(s);
	close(s);
}

static void errors_connected_and_not(void)
{
	struct sockaddr_in sa, pa;
	char b[8];
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	close(p);
	res("sendto", sendto(s, "x", 1, 0, (struct sockaddr *)&pa, sizeof(pa)));
	nap();
	res("unconnected", recv(s, b, 8, MSG_DONTWAIT));
	ok("connect", connect(s, (struct sockaddr *)&pa, sizeof(pa)));
	res("send", send(s, "x", 1, 0));
	nap();
	res("send", send(s, "x", 1, 0));
	nap();
	say("so_error=%d", opt_int(s, SOL_SOCKET, SO_ERROR) == ECONNREFUSED);
	res("recv", recv(s, b, 8, MSG_DONTWAIT));
	close(s);
}

static void mtu_discover(void)
{
	struct sockaddr_in sa, pa;
	int s, p;

	udp_linked(&s, &p, &sa, &pa);
	say("at first %d mtu=%d", opt_int(s, IPPROTO_IP, IP_MTU_DISCOVER),
	    opt_int(s, IPPROTO_IP, IP_MTU) > 1000);
	for (int v = 0; v <= 6; v++) {
		res("set", set_int(s, IPPROTO_IP, IP_MTU_DISCOVER, v));
		res("send", send(s, big, 100, 0));
		if (agent >= 0)
			res("big", send(s, big, 3000, 0));
		nap();
		recv_sizes(p, 2);
	}
	set_int(s, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	set_int(s, IPPROTO_IP, IP_RECVERR, 1);
	if (agent >= 0) {
		res("local", send(s, big, 3000, 0));
		say_error_queue(s);
	}
	pair_close(s, p);
}

/* Stamps of what was sent come back through the error queue, numbered. */
static void stamps_of_sent(void)
{
	struct sockaddr_in sa, pa;
	_Alignas(struct cmsghdr) char ctl[256];
	int s, p,
		on = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
		     SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;

	udp_linked(&s, &p, &sa, &pa);
	ok("on", set_int(s, SOL_SOCKET, SO_TIMESTAMPING, on));
	for (int i = 0; i < 3; i++) {
		res("send", send(s, "abc", 3, 0));
		nap();
	}
	for (int i = 0; i < 4; i++) {
		struct msghdr m = {.msg_control = ctl, .msg_controllen = sizeof(ctl)};

		if (res("errq", recvmsg(s, &m, MSG_ERRQUEUE)) < 0)
			break;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			struct sock_extended_err e;

			memcpy(&e, CMSG_DATA(c), sizeof(e));
			if (c->cmsg_level == IPPROTO_IP)
				say("org=%d info=%u id=%u", e.ee_origin, e.ee_info, e.ee_data);
			else
				say("%d/%d:%zu", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len);
		}
	}
	recv_sizes(p, 3);
	pair_close(s, p);
}

/* Options that take a socket back to the kernel in the middle of its life. */
static void leaves_the_stack(void)
{
	struct sockaddr_in sa, pa;
	char b[16];
	int s, p;

	udp_linked(&s, &p, &sa, &pa);
	send(p, "before", 6, 0);
	nap();
	ok("peekoff", set_int(s, SOL_SOCKET, SO_PEEK_OFF, 0));
	send(p, "after", 5, 0);
	nap();
	res("r", recv(s, b, 16, MSG_DONTWAIT));
	res("peek", recv(s, b, 2, MSG_DONTWAIT | MSG_PEEK));
	res("peek", recv(s, b, 16, MSG_DONTWAIT | MSG_PEEK));
	res("r", recv(s, b, 16, MSG_DONTWAIT));
	res("send", send(s, "back", 4, 0));
	res("p", recv(p, b, 16, 0));
	pair_close(s, p);
}

/* A flow keeps to its socket, and each datagram comes to one of them. */
static void reuseport_group(void)
{
	struct sockaddr_in in = addr_of(here, 0), pa = addr_of(there, 0);
	int g[3], p[8], got = 0, split = 0;
	char b[8];

	for (int i = 0; i < 3; i++) {
		g[i] = socket(AF_INET, SOCK_DGRAM, 0);
		set_int(g[i], SOL_SOCKET, SO_REUSEPORT, 1);
		res("bind", bind(g[i], (struct sockaddr *)&in, sizeof(in)));
		in.sin_port = htons((uint16_t)port_of(g[i]));
	}
	for (int i = 0; i < 8; i++) {
		p[i] = peer_socket(SOCK_DGRAM);
		bind(p[i], (struct sockaddr *)&pa, sizeof(pa));
		for (int k = 0; k < 3; k++)
			sendto(p[i], "x", 1, 0, (struct sockaddr *)&in, sizeof(in));
		nap();
		for (int k = 0; k < 3; k++) {
			int n = 0;

			while (recv(g[k], b, 8, MSG_DONTWAIT) > 0)
				n++;
			got += n;
			split += n != 0 && n != 3;
		}
	}
	say("got=%d split=%d", got, split);
	for (int i = 0; i < 8; i++)
		close(p[i]);
	for (int i = 0; i < 3; i++)
		close(g[i]);
}

static void broadcast_needs_leave(void)
{
	struct sockaddr_in sa, pa, to;
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	to = addr_of((struct in_addr){here.s_addr | htonl(0xff)}, 9);
	if (agent >= 0) {
		res("bcast", sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
		ok("allow", set_int(s, SOL_SOCKET, SO_BROADCAST, 1));
		res("bcast", sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	}
	pair_close(s, p);
}

#define UDP_CASES                                                                                \
	ONCE(cm_order), ONCE(cm_cut), ONCE(cm_hostile), ONCE(cm_per_packet), ONCE(train_out),    \
		ONCE(train_limits), ONCE(train_in), ONCE(errq_refused), ONCE(errq_reader_waits), \
		ONCE(errors_connected_and_not), ONCE(mtu_discover), ONCE(stamps_of_sent),        \
		ONCE(leaves_the_stack), ONCE(reuseport_group), ONCE(broadcast_needs_leave)

#endif
