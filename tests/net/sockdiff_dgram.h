/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. Datagrams. */
#ifndef SOCKDIFF_DGRAM_H
#define SOCKDIFF_DGRAM_H

/* ---- datagrams ------------------------------------------------------------------------------ */

/* s: bound socket under test; p: a bound one of the peer's. */
static void udp_pair(int *s, int *p, struct sockaddr_in *sa, struct sockaddr_in *pa)
{
	struct sockaddr_in in = addr_of(here, 0);

	*s = socket(AF_INET, SOCK_DGRAM, 0);
	*p = peer_socket(SOCK_DGRAM);
	bind(*s, (struct sockaddr *)&in, sizeof(in));
	in = addr_of(there, 0);
	bind(*p, (struct sockaddr *)&in, sizeof(in));
	*sa = addr_of(here, port_of(*s));
	*pa = addr_of(there, port_of(*p));
}

static void udp_echo(void)
{
	struct sockaddr_in sa, pa, from;
	socklen_t len = sizeof(from);
	int s, p;
	char b[64] = "";

	udp_pair(&s, &p, &sa, &pa);
	res("psendto", sendto(p, "hello", 5, 0, (struct sockaddr *)&sa, sizeof(sa)));
	res("recvfrom", recvfrom(s, b, 64, 0, (struct sockaddr *)&from, &len));
	say("%s len=%d from=%d", b, (int)len, from.sin_port == pa.sin_port);
	res("sendto", sendto(s, b, 5, 0, (struct sockaddr *)&from, len));
	res("precv", recv(p, b, 64, 0));
	pair_close(s, p);
}

static void udp_any(void)
{
	struct sockaddr_in in = addr_of((struct in_addr){0}, 0), pa, from;
	socklen_t len = sizeof(from);
	int s = socket(AF_INET, SOCK_DGRAM, 0), p = peer_socket(SOCK_DGRAM);
	char b[64] = "";

	bind(s, (struct sockaddr *)&in, sizeof(in));
	pa = addr_of(there, 0);
	bind(p, (struct sockaddr *)&pa, sizeof(pa));
	pa.sin_port = htons((uint16_t)port_of(p));
	in = addr_of(here, port_of(s));
	res("sendto", sendto(s, "abc", 3, 0, (struct sockaddr *)&pa, sizeof(pa)));
	res("precv", recvfrom(p, b, 64, 0, (struct sockaddr *)&from, &len));
	say("addr=%d port=%d", from.sin_addr.s_addr == here.s_addr, from.sin_port == in.sin_port);
	res("psendto", sendto(p, b, 3, 0, (struct sockaddr *)&in, sizeof(in)));
	res("recv", recv(s, b, 64, 0));
	pair_close(s, p);
}

static void udp_truncation(void)
{
	struct sockaddr_in sa, pa;
	char b[4];
	struct iovec v = {b, 4};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	int s, p, n = -1;

	udp_pair(&s, &p, &sa, &pa);
	for (int i = 0; i < 4; i++)
		sendto(p, "abcdefgh", 8, 0, (struct sockaddr *)&sa, sizeof(sa));
	nap();
	ok("inq", ioctl(s, FIONREAD, &n));
	say("%d", n);
	res("recv", recv(s, b, 4, 0));
	res("trunc", recv(s, b, 4, MSG_TRUNC));
	res("peek", recv(s, b, 4, MSG_PEEK));
	res("recvmsg", recvmsg(s, &m, 0));
	say("flags=%x", (unsigned)m.msg_flags);
	res("zero", recv(s, b, 0, 0));
	res("none", recv(s, b, 4, MSG_DONTWAIT));
	pair_close(s, p);
}

static void udp_zero_datagram(void)
{
	struct sockaddr_in sa, pa;
	int s, p;
	char b[4];

	udp_pair(&s, &p, &sa, &pa);
	res("psend", sendto(p, "", 0, 0, (struct sockaddr *)&sa, sizeof(sa)));
	res("recv", recv(s, b, 4, 0));
	res("send", sendto(s, "", 0, 0, (struct sockaddr *)&pa, sizeof(pa)));
	res("precv", recv(p, b, 4, 0));
	pair_close(s, p);
}

static void udp_sizes(void)
{
	struct sockaddr_in sa, pa;
	static const size_t sizes[] = {1, 1472, 1473, 9000, 40000, 65507};
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	for (unsigned i = 0; i < 6; i++) {
		res("send", sendto(s, big, sizes[i], 0, (struct sockaddr *)&pa, sizeof(pa)));
		res("precv", recv(p, sink, sizeof(sink), 0));
		res("psend", sendto(p, big, sizes[i], 0, (struct sockaddr *)&sa, sizeof(sa)));
		res("recv", recv(s, sink, sizeof(sink), 0));
	}
	res("toobig", sendto(s, big, 65508, 0, (struct sockaddr *)&pa, sizeof(pa)));
	pair_close(s, p);
}

static void udp_connected(void)
{
	struct sockaddr_in sa, pa, in;
	socklen_t len = sizeof(in);
	int s, p, q = peer_socket(SOCK_DGRAM);
	char b[8];

	udp_pair(&s, &p, &sa, &pa);
	say_name("before", getpeername(s, (struct sockaddr *)&in, &len), &in, len);
	res("nodest", send(s, "x", 1, 0));
	ok("connect", connect(s, (struct sockaddr *)&pa, sizeof(pa)));
	say_name("peer", getpeername(s, (struct sockaddr *)&in, &len), &in, len);
	say_name("sock", getsockname(s, (struct sockaddr *)&in, &len), &in, len);
	res("send", send(s, "abc", 3, 0));
	res("precv", recv(p, b, 8, 0));
	sendto(q, "stray", 5, 0, (struct sockaddr *)&sa, sizeof(sa));
	nap();
	res("stray", recv(s, b, 8, MSG_DONTWAIT));
	res("psend", sendto(p, "ok", 2, 0, (struct sockaddr *)&sa, sizeof(sa)));
	res("recv", recv(s, b, 8, 0));
	ok("unspec",
	   connect(s, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
	res("nodest", send(s, "x", 1, 0));
	close(q);
	pair_close(s, p);
}

static void udp_refused(void)
{
	struct sockaddr_in sa, pa;
	int s, p;
	char b[4];

	udp_pair(&s, &p, &sa, &pa);
	close(p);
	connect(s, (struct sockaddr *)&pa, sizeof(pa));
	res("send", send(s, "x", 1, 0));
	nap();
	res("recv", recv(s, b, 4, MSG_DONTWAIT));
	res("then", recv(s, b, 4, MSG_DONTWAIT));
	close(s);
}

static void udp_errors(void)
{
	struct sockaddr_in sa, pa, in;
	struct timeval tv = {0, 40000};
	int s, p;
	char b[4];

	udp_pair(&s, &p, &sa, &pa);
	res("short", sendto(s, "x", 1, 0, (struct sockaddr *)&pa, 4));
	in = pa;
	in.sin_family = AF_INET6;
	res("family", sendto(s, "x", 1, 0, (struct sockaddr *)&in, sizeof(in)));
	in = pa;
	in.sin_port = 0;
	res("port0", sendto(s, "x", 1, 0, (struct sockaddr *)&in, sizeof(in)));
	in = addr_of((struct in_addr){htonl(0xffffffff)}, 9);
	res("bcast", sendto(s, "x", 1, 0, (struct sockaddr *)&in, sizeof(in)));
	res("oob", sendto(s, "x", 1, MSG_OOB, (struct sockaddr *)&pa, sizeof(pa)));
	res("roob", recv(s, b, 4, MSG_OOB | MSG_DONTWAIT));
	res("empty", recv(s, b, 4, MSG_DONTWAIT));
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	res("timeo", recv(s, b, 4, 0));
	res("listen", listen(s, 1));
	res("shut", shutdown(s, SHUT_RDWR));
	pair_close(s, p);
}

static void udp_shutdown(void)
{
	struct sockaddr_in sa, pa;
	int s, p;
	char b[4];

	udp_pair(&s, &p, &sa, &pa);
	connect(s, (struct sockaddr *)&pa, sizeof(pa));
	ok("shutwr", shutdown(s, SHUT_WR));
	res("send", send(s, "x", 1, MSG_NOSIGNAL));
	ok("shutrd", shutdown(s, SHUT_RD));
	res("recv", recv(s, b, 4, 0));
	pair_close(s, p);
}

static void udp_more(void)
{
	struct sockaddr_in sa, pa;
	int s, p;
	char b[8] = "";

	udp_pair(&s, &p, &sa, &pa);
	connect(s, (struct sockaddr *)&pa, sizeof(pa));
	res("more", send(s, "ab", 2, MSG_MORE));
	res("rest", send(s, "cd", 2, 0));
	res("precv", recv(p, b, 8, 0));
	say("%s", b);
	res("plain", send(s, "ef", 2, 0));
	res("precv", recv(p, b, 8, 0));
	ok("cork", set_int(s, IPPROTO_UDP, 1 /* UDP_CORK */, 1));
	res("send", send(s, "gh", 2, 0));
	res("send", send(s, "ij", 2, 0));
	ok("uncork", set_int(s, IPPROTO_UDP, 1, 0));
	res("precv", recv(p, b, 8, 0));
	pair_close(s, p);
}

static void udp_pktinfo(void)
{
	struct sockaddr_in sa, pa, from;
	char b[8], ctl[128];
	struct iovec v = {b, 8};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	ok("set", set_int(s, IPPROTO_IP, IP_PKTINFO, 1));
	ok("ttl", set_int(s, IPPROTO_IP, IP_RECVTTL, 1));
	say("get=%d", opt_int(s, IPPROTO_IP, IP_PKTINFO));
	sendto(p, "abc", 3, 0, (struct sockaddr *)&sa, sizeof(sa));
	res("recvmsg", recvmsg(s, &m, 0));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct in_pktinfo pi;
		int n;

		memcpy(&pi, CMSG_DATA(c), sizeof(pi));
		memcpy(&n, CMSG_DATA(c), sizeof(n));
		if (c->cmsg_type == IP_PKTINFO)
			say("pktinfo dst=%d spec=%d if=%d", pi.ipi_addr.s_addr == here.s_addr,
			    pi.ipi_spec_dst.s_addr == here.s_addr, pi.ipi_ifindex > 0);
		else
			say("type%d=%d len=%d", c->cmsg_type, n, (int)c->cmsg_len);
	}
	say("ctl=%d flags=%x", (int)m.msg_controllen, (unsigned)m.msg_flags);
	m.msg_controllen = sizeof(struct cmsghdr) + 4;
	sendto(p, "abc", 3, 0, (struct sockaddr *)&sa, sizeof(sa));
	res("short", recvmsg(s, &m, 0));
	say("ctl=%d flags=%x", (int)m.msg_controllen, (unsigned)m.msg_flags);
	pair_close(s, p);
}

static void udp_mmsg(void)
{
	struct sockaddr_in sa, pa, from[4];
	struct timespec ts = {0, 30000000};
	struct iovec v[4];
	struct mmsghdr m[4];
	char b[4][8];
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	memset(m, 0, sizeof(m));
	for (int i = 0; i < 4; i++) {
		v[i] = (struct iovec){b[i], (size_t)i + 1};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i],
					       .msg_iovlen = 1,
					       .msg_name = &pa,
					       .msg_namelen = sizeof(pa)};
	}
	res("sendmmsg", sendmmsg(s, m, 4, 0));
	say("%u %u", m[0].msg_len, m[3].msg_len);
	for (int i = 0; i < 4; i++)
		res("precv", recv(p, b[0], 8, 0));
	for (int i = 0; i < 3; i++)
		sendto(p, b[0], (size_t)i + 2, 0, (struct sockaddr *)&sa, sizeof(sa));
	nap();
	for (int i = 0; i < 4; i++) {
		v[i].iov_len = 8;
		m[i].msg_hdr.msg_name = &from[i];
	}
	res("recvmmsg", recvmmsg(s, m, 4, MSG_DONTWAIT, NULL));
	say("%u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	sendto(p, b[0], 5, 0, (struct sockaddr *)&sa, sizeof(sa));
	res("waitforone", recvmmsg(s, m, 4, MSG_WAITFORONE, NULL));
	ts.tv_nsec = 1000000000;
	res("badts", recvmmsg(s, m, 4, 0, &ts));
	pair_close(s, p);
}

static void udp_sndbuf_opts(void)
{
	struct sockaddr_in sa, pa;
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	ok("rcvbuf", set_int(s, SOL_SOCKET, SO_RCVBUF, 30000));
	say("%d", opt_int(s, SOL_SOCKET, SO_RCVBUF));
	ok("sndbuf", set_int(s, SOL_SOCKET, SO_SNDBUF, 30000));
	say("%d", opt_int(s, SOL_SOCKET, SO_SNDBUF));
	say("type=%d proto=%d", opt_int(s, SOL_SOCKET, SO_TYPE),
	    opt_int(s, SOL_SOCKET, SO_PROTOCOL));
	res("nodelay", set_int(s, IPPROTO_TCP, TCP_NODELAY, 1));
	ok("tos", set_int(s, IPPROTO_IP, IP_TOS, 0x20));
	say("%d ttl=%d", opt_int(s, IPPROTO_IP, IP_TOS), opt_int(s, IPPROTO_IP, IP_TTL));
	ok("bcast", set_int(s, SOL_SOCKET, SO_BROADCAST, 1));
	say("%d", opt_int(s, SOL_SOCKET, SO_BROADCAST));
	pair_close(s, p);
}

static void udp_poll(void)
{
	struct sockaddr_in sa, pa;
	struct pollfd f = {.events = POLLIN | POLLOUT};
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	f.fd = s;
	res("idle", poll(&f, 1, 0));
	say("%x", (unsigned)f.revents);
	sendto(p, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa));
	nap();
	res("data", poll(&f, 1, 0));
	say("%x", (unsigned)f.revents);
	pair_close(s, p);
}

static void udp_bind_errors(void)
{
	struct sockaddr_in sa, pa;
	int s, p, t = socket(AF_INET, SOCK_DGRAM, 0);

	udp_pair(&s, &p, &sa, &pa);
	res("inuse", bind(t, (struct sockaddr *)&sa, sizeof(sa)));
	res("twice", bind(s, (struct sockaddr *)&sa, sizeof(sa)));
	close(s);
	ok("free", bind(t, (struct sockaddr *)&sa, sizeof(sa)));
	close(t);
	close(p);
}

/* Fragments reach the socket through the kernel's door, whole ones through the stack's. */
static void udp_both_doors(void)
{
	struct sockaddr_in sa, pa;
	long sum = 0;
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	for (int i = 0; i < 6; i++)
		sendto(p, big, i & 1 ? 5000 : 100, 0, (struct sockaddr *)&sa, sizeof(sa));
	nap();
	for (int i = 0; i < 6; i++) {
		ssize_t n = recv(s, sink, sizeof(sink), 0);

		sum += n == 5000 || n == 100 ? n : -1;
	}
	say("sum=%ld", sum);
	pair_close(s, p);
}

/* Of the kernel's door, too, poll() tells what is there now, not what was: who reads one datagram
 * for each POLLIN never waits. */
static void udp_poll_both_doors(void)
{
	struct sockaddr_in sa, pa;
	struct pollfd f = {.events = POLLIN};
	int s, p, q = peer_socket(SOCK_DGRAM); /* not bound: the kernel's; fragments are, too */

	udp_pair(&s, &p, &sa, &pa);
	f.fd = s;
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j <= i; j++)
			sendto(q, big, 5000, 0, (struct sockaddr *)&sa, sizeof(sa));
		nap();
		for (int j = 0; j <= i; j++) {
			res("poll", poll(&f, 1, 0));
			res("recv", recv(s, sink, sizeof(sink), MSG_DONTWAIT));
		}
		res("empty", poll(&f, 1, 0));
	}
	close(q);
	pair_close(s, p);
}

#endif
