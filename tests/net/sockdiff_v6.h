/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. AF_INET6: names of every form, IPv4 in disguise, V6ONLY, scopes, options. */
#ifndef SOCKDIFF_V6_H
#define SOCKDIFF_V6_H

#include <ifaddrs.h>
#include <net/if.h>

#define SA(p) ((struct sockaddr *)(p))

static struct sockaddr_in6 mapped_of(struct in_addr a, int port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(in6.sin6_addr.s6_addr + 12, &a, 4);
	return in6;
}

static struct sockaddr_in6 addr6(struct in6_addr a, int port)
{
	return (struct sockaddr_in6){
		.sin6_family = AF_INET6, .sin6_addr = a, .sin6_port = htons((uint16_t)port)};
}

/* Each end has an IPv6 address that follows from its IPv4 address: scripts/lib/net.sh. */
static struct in6_addr v6_of(struct in_addr a)
{
	const uint8_t *b = (const uint8_t *)&a;
	struct in6_addr in6 = IN6ADDR_LOOPBACK_INIT;
	char text[INET6_ADDRSTRLEN];

	if (b[0] == 127)
		return in6;
	snprintf(text, sizeof(text), "fd77:%u::%u", b[2], b[3]);
	inet_pton(AF_INET6, text, &in6);
	return in6;
}

static int socket6(bool peer, int type)
{
	int s = peer ? peer_socket_of(AF_INET6, type) : socket(AF_INET6, type, 0);

	set_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
	return s;
}

/* Bound to that address, or to any. */
static int bound6(bool peer, int type, const struct in6_addr *a)
{
	struct sockaddr_in6 in6 = addr6(a ? *a : in6addr_any, 0);
	int s = socket6(peer, type);

	ok("bind", bind(s, SA(&in6), sizeof(in6)));
	return s;
}

/* Which address that is, and nothing that differs between runs. */
static void say_addr(const char *what, const struct sockaddr_in6 *in6, socklen_t len)
{
	struct sockaddr_in6 mh = mapped_of(here, 0), mt = mapped_of(there, 0);
	struct in6_addr h = v6_of(here), t = v6_of(there);
	const struct in6_addr *a = &in6->sin6_addr;
	const char *is = IN6_IS_ADDR_UNSPECIFIED(a)                    ? "any"
			 : !memcmp(a, &h, 16)                          ? "here"
			 : !memcmp(a, &t, 16)                          ? "there"
			 : !memcmp(a, &mh.sin6_addr, 16)               ? "mapped-here"
			 : !memcmp(a, &mt.sin6_addr, 16)               ? "mapped-there"
			 : IN6_IS_ADDR_LINKLOCAL(a)                    ? "link"
			 : IN6_IS_ADDR_V4MAPPED(a) && !a->s6_addr32[3] ? "mapped-any"
								       : "other";

	say("%s=%s,family=%d,len=%d,flow=%x,scope=%d", what, is, in6->sin6_family, (int)len,
	    in6->sin6_flowinfo, in6->sin6_scope_id != 0);
}

static void say_names(int s)
{
	struct sockaddr_in6 in6;
	socklen_t len = sizeof(in6);

	memset(&in6, 0x55, sizeof(in6));
	if (res("sockname", getsockname(s, SA(&in6), &len)) == 0)
		say_addr("local", &in6, len);
	memset(&in6, 0x55, sizeof(in6));
	len = sizeof(in6);
	if (res("peername", getpeername(s, SA(&in6), &len)) == 0)
		say_addr("remote", &in6, len);
}

/* A few bytes each way. */
static void exchange(int s, int p)
{
	char b[32] = "";

	res("psend", send(p, "question", 8, 0));
	res("recv", recv(s, b, sizeof(b), 0));
	res("send", send(s, "answer", 6, 0));
	res("precv", recv(p, b, sizeof(b), 0));
}

static int accept6(int l)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	int s;

	memset(&from, 0x55, sizeof(from));
	s = accept(l, SA(&from), &len);
	ok("accept", s);
	if (s >= 0)
		say_addr("from", &from, len);
	return s;
}

/* A peer of either family connects to a listener at ::. */
static void v6_listener_serves_both(void)
{
	int l = bound6(false, SOCK_STREAM, NULL), port, c, s;
	struct sockaddr_in6 to;
	struct sockaddr_in to4;

	res("listen", listen(l, 5));
	port = port_of(l);
	say_names(l);
	to = addr6(v6_of(here), port);
	c = socket6(true, SOCK_STREAM);
	res("connect6", connect(c, SA(&to), sizeof(to)));
	s = accept6(l);
	say_names(s);
	exchange(s, c);
	say("domain=%d type=%d proto=%d", opt_int(s, SOL_SOCKET, SO_DOMAIN),
	    opt_int(s, SOL_SOCKET, SO_TYPE), opt_int(s, SOL_SOCKET, SO_PROTOCOL));
	pair_close(s, c);
	to4 = addr_of(here, port);
	c = peer_socket(SOCK_STREAM);
	res("connect4", connect(c, SA(&to4), sizeof(to4)));
	s = accept6(l);
	say_names(s);
	exchange(s, c);
	say("domain=%d v6only=%d", opt_int(s, SOL_SOCKET, SO_DOMAIN),
	    opt_int(s, IPPROTO_IPV6, IPV6_V6ONLY));
	pair_close(s, c);
	close(l);
}

static void v6_listener_v6only(void)
{
	int l = socket6(false, SOCK_STREAM), c, s, port;
	struct sockaddr_in6 in6 = addr6(in6addr_any, 0);
	struct sockaddr_in to4;

	res("v6only", set_int(l, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	bind(l, SA(&in6), sizeof(in6));
	res("late", set_int(l, IPPROTO_IPV6, IPV6_V6ONLY, 0));
	listen(l, 5);
	res("later", set_int(l, IPPROTO_IPV6, IPV6_V6ONLY, 0));
	port = port_of(l);
	to4 = addr_of(here, port);
	c = peer_socket(SOCK_STREAM);
	res("connect4", connect(c, SA(&to4), sizeof(to4)));
	close(c);
	in6 = addr6(v6_of(here), port);
	c = socket6(true, SOCK_STREAM);
	res("connect6", connect(c, SA(&in6), sizeof(in6)));
	s = accept6(l);
	say("v6only=%d", opt_int(s, IPPROTO_IPV6, IPV6_V6ONLY));
	res("on accepted", set_int(s, IPPROTO_IPV6, IPV6_V6ONLY, 0));
	exchange(s, c);
	pair_close(s, c);
	close(l);
}

static void v6_ports_by_family(void)
{
	int a = socket6(false, SOCK_STREAM), b = socket(AF_INET, SOCK_STREAM, 0), c;
	struct sockaddr_in6 in6 = addr6(in6addr_any, 0);
	struct sockaddr_in in;

	set_int(a, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	bind(a, SA(&in6), sizeof(in6));
	res("listen6", listen(a, 5));
	in = addr_of((struct in_addr){0}, port_of(a));
	res("bind4 beside v6only", bind(b, SA(&in), sizeof(in)));
	res("listen4", listen(b, 5));
	c = peer_socket(SOCK_STREAM);
	in = addr_of(here, port_of(a));
	res("connect4", connect(c, SA(&in), sizeof(in)));
	ok("accept4", accept4(b, NULL, NULL, SOCK_NONBLOCK));
	close(c);
	close(a);
	close(b);
	a = bound6(false, SOCK_STREAM, NULL);
	listen(a, 5);
	b = socket(AF_INET, SOCK_STREAM, 0);
	in = addr_of((struct in_addr){0}, port_of(a));
	res("bind4 beside both", bind(b, SA(&in), sizeof(in)));
	close(a);
	close(b);
}

static void v6_connects(void)
{
	struct in6_addr t = v6_of(there);
	int l = bound6(true, SOCK_STREAM, &t), c = socket6(false, SOCK_STREAM), p;
	struct sockaddr_in6 to = addr6(t, 0);

	listen(l, 5);
	to.sin6_port = htons((uint16_t)port_of(l));
	res("connect", connect(c, SA(&to), sizeof(to)));
	p = accept(l, NULL, NULL);
	say_names(c);
	exchange(c, p);
	res("again", connect(c, SA(&to), sizeof(to)));
	res("bind", bind(c, SA(&to), sizeof(to)));
	pair_close(c, p);
	c = socket6(false, SOCK_STREAM);
	res("short", connect(c, SA(&to), 24)); /* without sin6_scope_id */
	p = accept(l, NULL, NULL);
	exchange(c, p);
	pair_close(c, p);
	close(l);
	c = socket6(false, SOCK_STREAM);
	res("refused", connect(c, SA(&to), sizeof(to)));
	close(c);
}

static void v6_connects_mapped(void)
{
	struct sockaddr_in6 to = mapped_of(there, 0), any = addr6(in6addr_any, 0);
	int l = listener(true, 5), c = socket6(false, SOCK_STREAM), p;

	to.sin6_port = htons((uint16_t)port_of(l));
	res("connect", connect(c, SA(&to), sizeof(to)));
	p = accept(l, NULL, NULL);
	say_names(c);
	exchange(c, p);
	pair_close(c, p);
	c = socket6(false, SOCK_STREAM);
	set_int(c, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	res("v6only", connect(c, SA(&to), sizeof(to)));
	close(c);
	c = socket6(false, SOCK_STREAM);
	bind(c, SA(&any), sizeof(any));
	res("bound", connect(c, SA(&to), sizeof(to)));
	p = accept(l, NULL, NULL);
	say_names(c);
	pair_close(c, p);
	c = socket6(false, SOCK_STREAM);
	any.sin6_addr = v6_of(here);
	bind(c, SA(&any), sizeof(any));
	res("bound to v6", connect(c, SA(&to), sizeof(to)));
	close(c);
	close(l);
}

static void v6_address_errors(void)
{
	struct sockaddr_in6 in6 = addr6(v6_of(there), 9);
	struct sockaddr_in in = addr_of(there, 9);
	int s = socket6(false, SOCK_STREAM);

	res("connect AF_INET", connect(s, SA(&in), sizeof(in)));
	res("connect short", connect(s, SA(&in6), 23));
	inet_pton(AF_INET6, "fe80::1234", &in6.sin6_addr);
	res("no scope", connect(s, SA(&in6), sizeof(in6)));
	inet_pton(AF_INET6, "ff02::1", &in6.sin6_addr);
	res("group", connect(s, SA(&in6), sizeof(in6)));
	inet_pton(AF_INET6, "2001:db8:ffff::1", &in6.sin6_addr);
	res("nowhere", connect(s, SA(&in6), sizeof(in6)));
	res("bind elsewhere", bind(s, SA(&in6), sizeof(in6)));
	res("bind AF_INET", bind(s, SA(&in), sizeof(in)));
	res("bind short", bind(s, SA(&in6), 23));
	in6 = mapped_of(there, 0);
	in6.sin6_addr.s6_addr[15] ^= 0x77;
	res("bind mapped elsewhere", bind(s, SA(&in6), sizeof(in6)));
	set_int(s, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	in6 = mapped_of(here, 0);
	res("bind mapped v6only", bind(s, SA(&in6), sizeof(in6)));
	close(s);
	s = socket(AF_INET, SOCK_STREAM, 0);
	in6 = addr6(v6_of(there), 9);
	res("v4 to v6", connect(s, SA(&in6), sizeof(in6)));
	res("v4 v6only", set_int(s, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	res("v4 tclass", opt_int(s, IPPROTO_IPV6, IPV6_TCLASS));
	close(s);
}

static void v6_mapped_listener(void)
{
	struct sockaddr_in6 in6 = mapped_of((struct in_addr){0}, 0);
	int l = socket6(false, SOCK_STREAM), c = peer_socket(SOCK_STREAM), s;
	struct sockaddr_in to;

	res("bind", bind(l, SA(&in6), sizeof(in6)));
	listen(l, 5);
	say_names(l);
	to = addr_of(here, port_of(l));
	res("connect4", connect(c, SA(&to), sizeof(to)));
	s = accept6(l);
	exchange(s, c);
	pair_close(s, c);
	in6 = addr6(v6_of(here), port_of(l));
	c = socket6(true, SOCK_STREAM);
	res("connect6", connect(c, SA(&in6), sizeof(in6)));
	close(c);
	close(l);
}

static void v6_dissolved(void)
{
	struct in6_addr t = v6_of(there);
	int l = bound6(true, SOCK_STREAM, &t), c = socket6(false, SOCK_STREAM), p;
	struct sockaddr_in6 to = addr6(t, port_of(l));
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	char b[8];

	listen(l, 5);
	res("connect", connect(c, SA(&to), sizeof(to)));
	p = accept(l, NULL, NULL);
	res("unspec", connect(c, &none, sizeof(none)));
	res("precv", recv(p, b, sizeof(b), 0));
	close(p);
	res("peername", getpeername(c, &none, &(socklen_t){sizeof(none)}));
	res("reconnect", connect(c, SA(&to), sizeof(to)));
	p = accept(l, NULL, NULL);
	exchange(c, p);
	pair_close(c, p);
	close(l);
}

static void v6_names_cut(void)
{
	struct in6_addr h = v6_of(here);
	int l = bound6(false, SOCK_STREAM, &h), c = socket6(true, SOCK_STREAM), s;
	struct sockaddr_in6 in6 = addr6(h, port_of(l)), got;
	socklen_t len = 8;

	listen(l, 5);
	connect(c, SA(&in6), sizeof(in6));
	memset(&got, 0x55, sizeof(got));
	s = accept(l, SA(&got), &len);
	say("len=%d cut=%x", (int)len, got.sin6_addr.s6_addr[0]);
	len = 20;
	res("peername", getpeername(s, SA(&got), &len));
	say("len=%d", (int)len);
	len = (socklen_t)-1;
	res("negative", getsockname(s, SA(&got), &len));
	pair_close(s, c);
	close(l);
}

static void v6_options(void)
{
	static const struct {
		const char *what;
		int name, bad;
	} opts[] = {{"tclass", IPV6_TCLASS, 256},
		    {"hops", IPV6_UNICAST_HOPS, 256},
		    {"pmtu", IPV6_MTU_DISCOVER, 9},
		    {"recverr", IPV6_RECVERR, -1},
		    {"recvpktinfo", IPV6_RECVPKTINFO, -1}};
	struct in6_addr h = v6_of(here);
	int l = bound6(false, SOCK_STREAM, &h), c = socket6(true, SOCK_STREAM), s;
	struct sockaddr_in6 to = addr6(h, port_of(l));

	res("listener tclass", set_int(l, IPPROTO_IPV6, IPV6_TCLASS, 0x28));
	res("listener hops", set_int(l, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 33));
	listen(l, 5);
	connect(c, SA(&to), sizeof(to));
	s = accept6(l);
	for (unsigned i = 0; i < sizeof(opts) / sizeof(*opts); i++) {
		say("%s was %d", opts[i].what, opt_int(s, IPPROTO_IPV6, opts[i].name));
		if (opts[i].bad > 0)
			res("bad", set_int(s, IPPROTO_IPV6, opts[i].name, opts[i].bad));
		res("set", set_int(s, IPPROTO_IPV6, opts[i].name, 1));
		say("is %d", opt_int(s, IPPROTO_IPV6, opts[i].name));
	}
	res("tos", set_int(s, IPPROTO_IP, IP_TOS, 0x10));
	say("tos %d", opt_int(s, IPPROTO_IP, IP_TOS));
	exchange(s, c);
	pair_close(s, c);
	close(l);
}

static void v6_bulk(void)
{
	struct in6_addr h = v6_of(here);
	int l = bound6(false, SOCK_STREAM, &h), c = socket6(true, SOCK_STREAM), s;
	struct sockaddr_in6 to = addr6(h, port_of(l));
	struct later drain = {.what = DRAIN, .n = 700000};
	pthread_t t;

	listen(l, 5);
	connect(c, SA(&to), sizeof(to));
	s = accept6(l);
	drain.fd = c;
	t = later(&drain);
	res("send", send(s, big, 700000, 0));
	pthread_join(t, NULL);
	say("good=%d", !memcmp(sink, big, 100000));
	drain.fd = s;
	t = later(&drain);
	res("psend", send(c, big, 700000, 0));
	pthread_join(t, NULL);
	say("good=%d", !memcmp(sink, big, 100000));
	pair_close(s, c);
	close(l);
}

static void v6_scope(void)
{
	int l = bound6(false, SOCK_STREAM, NULL), c = -1, s;
	struct sockaddr_in6 to = {.sin6_family = AF_INET6}, *in6;
	struct ifaddrs *all = NULL, *a, *b;
	unsigned idx = 0;

	listen(l, 5);
	getifaddrs(&all);
	for (a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET ||
		    ((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr.s_addr != here.s_addr)
			continue;
		for (b = all; b; b = b->ifa_next) {
			in6 = (void *)b->ifa_addr;
			if (!in6 || in6->sin6_family != AF_INET6 ||
			    strcmp(a->ifa_name, b->ifa_name) ||
			    !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
				continue;
			to = *in6;
			idx = if_nametoindex(a->ifa_name);
		}
	}
	freeifaddrs(all);
	if (idx) {
		to.sin6_port = htons((uint16_t)port_of(l));
		to.sin6_scope_id = idx; /* of the same number at the other end */
		c = socket6(true, SOCK_STREAM);
		res("connect", connect(c, SA(&to), sizeof(to)));
		s = accept6(l);
		say_names(s);
		exchange(s, c);
		pair_close(s, c);
		s = socket6(false, SOCK_STREAM);
		to.sin6_port = 0;
		res("bind", bind(s, SA(&to), sizeof(to)));
		listen(s, 1);
		say_names(s);
		to.sin6_port = htons((uint16_t)port_of(s));
		c = socket6(true, SOCK_STREAM);
		res("connect", connect(c, SA(&to), sizeof(to)));
		close(c);
		c = accept6(s);
		pair_close(s, c);
	}
	close(l);
}

/* ---- datagrams ------------------------------------------------------------------------------ */

static void say_datagram(int s)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	char b[64];

	memset(&from, 0x55, sizeof(from));
	if (res("recvfrom", recvfrom(s, b, sizeof(b), 0, SA(&from), &len)) >= 0)
		say_addr("from", &from, len);
}

static void v6_udp_serves_both(void)
{
	struct in6_addr t = v6_of(there);
	int s = bound6(false, SOCK_DGRAM, NULL), p6 = bound6(true, SOCK_DGRAM, &t);
	int p4 = peer_socket(SOCK_DGRAM), port = port_of(s);
	struct sockaddr_in6 to6 = addr6(v6_of(here), port);
	struct sockaddr_in to4 = addr_of(here, port), at = addr_of(there, 0);
	char b[64];

	bind(p4, SA(&at), sizeof(at));
	say_names(s);
	res("psend6", sendto(p6, "six", 3, 0, SA(&to6), sizeof(to6)));
	say_datagram(s);
	res("psend4", sendto(p4, "four", 4, 0, SA(&to4), sizeof(to4)));
	say_datagram(s);
	to6 = addr6(t, port_of(p6));
	res("send6", sendto(s, "abc", 3, 0, SA(&to6), sizeof(to6)));
	res("precv6", recv(p6, b, sizeof(b), 0));
	to6 = mapped_of(there, port_of(p4));
	res("send mapped", sendto(s, "abcd", 4, 0, SA(&to6), sizeof(to6)));
	res("precv4", recv(p4, b, sizeof(b), 0));
	to4 = addr_of(there, port_of(p4));
	res("send AF_INET", sendto(s, "abcde", 5, 0, SA(&to4), sizeof(to4)));
	res("precv4", recv(p4, b, sizeof(b), 0));
	close(p4);
	pair_close(s, p6);
}

static void v6_udp_connected(void)
{
	struct in6_addr t = v6_of(there);
	int s = socket6(false, SOCK_DGRAM), p = bound6(true, SOCK_DGRAM, &t);
	struct sockaddr_in6 to = addr6(t, port_of(p)), from;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(from);
	char b[64];

	res("connect", connect(s, SA(&to), sizeof(to)));
	say_names(s);
	res("send", send(s, "abc", 3, 0));
	res("precv", recvfrom(p, b, sizeof(b), 0, SA(&from), &len));
	res("psend", sendto(p, "abcd", 4, 0, SA(&from), len));
	say_datagram(s);
	res("unspec", connect(s, &none, sizeof(none)));
	res("send", send(s, "abc", 3, 0));
	close(p);
	to = addr6(t, port_of(p));
	pair_close(s, p);
	s = socket6(false, SOCK_DGRAM);
	to = mapped_of(there, 9);
	res("connect mapped", connect(s, SA(&to), sizeof(to)));
	say_names(s);
	close(s);
}

static void v6_udp_errors(void)
{
	struct sockaddr_in6 to = mapped_of(there, 9);
	int s = socket6(false, SOCK_DGRAM);

	set_int(s, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	bind(s, SA(&(struct sockaddr_in6){.sin6_family = AF_INET6}), sizeof(to));
	res("v6only mapped", sendto(s, "a", 1, 0, SA(&to), sizeof(to)));
	res("v6only connect", connect(s, SA(&to), sizeof(to)));
	inet_pton(AF_INET6, "fe80::1234", &to.sin6_addr);
	res("no scope", sendto(s, "a", 1, 0, SA(&to), sizeof(to)));
	inet_pton(AF_INET6, "2001:db8:ffff::1", &to.sin6_addr);
	res("nowhere", sendto(s, "a", 1, 0, SA(&to), sizeof(to)));
	to = addr6(v6_of(there), 0);
	res("no port", sendto(s, "a", 1, 0, SA(&to), sizeof(to)));
	to.sin6_port = htons(9);
	res("short", sendto(s, "a", 1, 0, SA(&to), 20));
	close(s);
}

static void v6_udp_told(void)
{
	int s = bound6(false, SOCK_DGRAM, NULL), p6 = socket6(true, SOCK_DGRAM);
	int p4 = peer_socket(SOCK_DGRAM);
	struct sockaddr_in6 to6 = addr6(v6_of(here), port_of(s)), where = {0};
	struct sockaddr_in to4 = addr_of(here, port_of(s));
	char ctl[512], b[64];

	res("pktinfo", set_int(s, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	res("tclass", set_int(s, IPPROTO_IPV6, IPV6_RECVTCLASS, 1));
	res("hops", set_int(s, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	set_int(p6, IPPROTO_IPV6, IPV6_TCLASS, 0x2e);
	set_int(p6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 17);
	sendto(p6, "six", 3, 0, SA(&to6), sizeof(to6));
	sendto(p4, "four", 4, 0, SA(&to4), sizeof(to4));
	for (int i = 0; i < 2; i++) {
		struct iovec iov = {b, sizeof(b)};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = ctl,
				   .msg_controllen = sizeof(ctl)};
		struct cmsghdr *cm;
		struct in6_pktinfo pi;
		int v;

		res("recvmsg", recvmsg(s, &m, 0));
		for (cm = CMSG_FIRSTHDR(&m); cm; cm = CMSG_NXTHDR(&m, cm)) {
			say("%d/%d/%d", cm->cmsg_level, cm->cmsg_type, (int)cm->cmsg_len);
			if (cm->cmsg_type == IPV6_PKTINFO) {
				memcpy(&pi, CMSG_DATA(cm), sizeof(pi));
				where.sin6_addr = pi.ipi6_addr;
				say_addr("to", &where, 0);
				say("if=%d", pi.ipi6_ifindex != 0);
			} else {
				memcpy(&v, CMSG_DATA(cm), sizeof(v));
				say("%d", v);
			}
		}
	}
	close(p4);
	pair_close(s, p6);
}

#endif
