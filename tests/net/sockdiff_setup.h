/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. Names, bind, listen, accept and connect, and options. */
#ifndef SOCKDIFF_SETUP_H
#define SOCKDIFF_SETUP_H

/* ---- names ---------------------------------------------------------------------------------- */

static void say_name(const char *what, int r, const struct sockaddr_in *in, socklen_t len)
{
	int err = errno;

	if (r < 0) {
		say("%s=%s", what, strerrorname_np(err));
		return;
	}
	say("%s=%s:%s len=%d", what,
	    in->sin_addr.s_addr == here.s_addr    ? "here"
	    : in->sin_addr.s_addr == there.s_addr ? "there"
	    : in->sin_addr.s_addr == 0            ? "any"
						  : "other",
	    in->sin_port ? "port" : "0", (int)len);
}

static void names(void)
{
	struct sockaddr_in a = {0}, b = {0};
	socklen_t la = sizeof(a), lb = sizeof(b);
	int s, p;

	pair(&s, &p);
	say_name("sock", getsockname(s, (struct sockaddr *)&a, &la), &a, la);
	say_name("peer", getpeername(s, (struct sockaddr *)&b, &lb), &b, lb);
	say("match=%d", port_of(p) == ntohs(b.sin_port));
	la = 4;
	memset(&a, 0xee, sizeof(a));
	ok("short", getsockname(s, (struct sockaddr *)&a, &la));
	say("len=%d cut=%d", (int)la, a.sin_addr.s_addr == 0xeeeeeeee);
	la = 0;
	ok("zero", getpeername(s, (struct sockaddr *)&a, &la));
	say("len=%d", (int)la);
	la = (socklen_t)-1;
	res("neg", getsockname(s, (struct sockaddr *)&a, &la));
	close(p);
	nap();
	lb = sizeof(b);
	say_name("halfclosed", getpeername(s, (struct sockaddr *)&b, &lb), &b, lb);
	close(s);
}

static void names_after_reset(void)
{
	struct sockaddr_in a = {0};
	socklen_t la = sizeof(a);
	int s, p;

	pair(&s, &p);
	reset_peer(p);
	nap();
	say_name("sock", getsockname(s, (struct sockaddr *)&a, &la), &a, la);
	say_name("peer", getpeername(s, (struct sockaddr *)&a, &la), &a, la);
	res("shut", shutdown(s, SHUT_RDWR));
	close(s);
}

static void names_fresh(void)
{
	struct sockaddr_in a = {0};
	socklen_t la = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	say_name("sock", getsockname(s, (struct sockaddr *)&a, &la), &a, la);
	say_name("peer", getpeername(s, (struct sockaddr *)&a, &la), &a, la);
	a = addr_of(here, 0);
	ok("bind", bind(s, (struct sockaddr *)&a, sizeof(a)));
	say_name("bound", getsockname(s, (struct sockaddr *)&a, &la), &a, la);
	ok("listen", listen(s, 1));
	say_name("listening", getsockname(s, (struct sockaddr *)&a, &la), &a, la);
	say_name("peer", getpeername(s, (struct sockaddr *)&a, &la), &a, la);
	close(s);
}

/* ---- bind, listen, accept ------------------------------------------------------------------- */

static void bind_errors(void)
{
	struct sockaddr_in in = addr_of(here, 0);
	int s = socket(AF_INET, SOCK_STREAM, 0), t = socket(AF_INET, SOCK_STREAM, 0);

	res("short", bind(s, (struct sockaddr *)&in, 4));
	in.sin_family = AF_INET6;
	res("family", bind(s, (struct sockaddr *)&in, sizeof(in)));
	in = addr_of((struct in_addr){htonl(0xc6336401)}, 0);
	res("foreign", bind(s, (struct sockaddr *)&in, sizeof(in)));
	in = addr_of(here, 0);
	ok("bind", bind(s, (struct sockaddr *)&in, sizeof(in)));
	res("twice", bind(s, (struct sockaddr *)&in, sizeof(in)));
	in.sin_port = htons((uint16_t)port_of(s));
	res("inuse", bind(t, (struct sockaddr *)&in, sizeof(in)));
	close(s);
	ok("free", bind(t, (struct sockaddr *)&in, sizeof(in)));
	close(t);
}

static void bind_connected(void)
{
	struct sockaddr_in in = addr_of(here, 0);
	int s, p;

	pair(&s, &p);
	res("bind", bind(s, (struct sockaddr *)&in, sizeof(in)));
	res("listen", listen(s, 5));
	pair_close(s, p);
}

static void listen_inuse(void)
{
	int l = listener(false, 5), s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in in = addr_of(here, port_of(l));

	set_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
	res("bind", bind(s, (struct sockaddr *)&in, sizeof(in)));
	close(l);
	ok("bind", bind(s, (struct sockaddr *)&in, sizeof(in)));
	ok("listen", listen(s, 5));
	close(s);
}

static void listen_unbound(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), p = peer_socket(SOCK_STREAM), c;

	ok("listen", listen(s, 5));
	say("port=%d", port_of(s) != 0);
	ok("connect", connect_to(p, here, port_of(s)));
	ok("accept", c = accept(s, NULL, NULL));
	close(c);
	close(p);
	close(s);
}

static void listen_again(void)
{
	int l = listener(false, 1), p = peer_socket(SOCK_STREAM), c;

	ok("listen", listen(l, 50));
	ok("connect", connect_to(p, here, port_of(l)));
	ok("accept", c = accept(l, NULL, NULL));
	pair_close(c, p);
	close(l);
}

static void listener_misuse(void)
{
	struct sockaddr_in in = addr_of(there, 9);
	int l = listener(false, 5);
	char b[4];

	res("recv", recv(l, b, 4, 0));
	res("send", send(l, "x", 1, MSG_NOSIGNAL));
	res("connect", connect(l, (struct sockaddr *)&in, sizeof(in)));
	res("acceptconn", opt_int(l, SOL_SOCKET, SO_ACCEPTCONN));
	int n = -1;
	res("fionread", ioctl(l, FIONREAD, &n));
	res("outq", ioctl(l, SIOCOUTQ, &n));
	res("shutwr", shutdown(l, SHUT_WR));
	close(l);
}

static void accept_nonlistening(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0);

	res("tcp", accept(s, NULL, NULL));
	res("udp", accept(u, NULL, NULL));
	res("badf", accept(-1, NULL, NULL));
	close(s);
	close(u);
}

static void accept_connected(void)
{
	int s, p;

	pair(&s, &p);
	res("accept", accept(s, NULL, NULL));
	pair_close(s, p);
}

static void accept_empty(void)
{
	struct timeval tv = {0, 60000};
	int l = listener(false, 5);

	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	res("timeo", accept(l, NULL, NULL));
	nonblock(l);
	res("nonblock", accept(l, NULL, NULL));
	res("flags", accept4(l, NULL, NULL, 0x10000000));
	close(l);
}

static void accept_flags(void)
{
	int l = listener(false, 5), p = peer_socket(SOCK_STREAM), q = peer_socket(SOCK_STREAM);
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	int a, b;

	nonblock(l);
	connect_to(p, here, port_of(l));
	connect_to(q, here, port_of(l));
	nap();
	ok("plain", a = accept(l, (struct sockaddr *)&in, &len));
	say_name("addr", a, &in, len);
	say("match=%d", ntohs(in.sin_port) == port_of(p));
	say("fl=%d fd=%d", !!(fcntl(a, F_GETFL) & O_NONBLOCK), fcntl(a, F_GETFD));
	len = 8;
	ok("accept4", b = accept4(l, (struct sockaddr *)&in, &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
	say("fl=%d fd=%d len=%d", !!(fcntl(b, F_GETFL) & O_NONBLOCK), fcntl(b, F_GETFD), (int)len);
	close(a);
	close(b);
	close(p);
	close(q);
	close(l);
}

static void accept_inherits(void)
{
	struct timeval tv = {3, 0}, got = {0, 0};
	socklen_t len = sizeof(got);
	int l = listener(false, 5), p = peer_socket(SOCK_STREAM), a;

	set_int(l, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(l, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(l, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set_int(l, SOL_SOCKET, SO_RCVBUF, 50000);
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	connect_to(p, here, port_of(l));
	a = accept(l, NULL, NULL);
	say("ka=%d nd=%d idle=%d rcvbuf=%d reuse=%d", opt_int(a, SOL_SOCKET, SO_KEEPALIVE),
	    opt_int(a, IPPROTO_TCP, TCP_NODELAY), opt_int(a, IPPROTO_TCP, TCP_KEEPIDLE),
	    opt_int(a, SOL_SOCKET, SO_RCVBUF), opt_int(a, SOL_SOCKET, SO_REUSEADDR));
	getsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &got, &len);
	say("timeo=%ld", got.tv_sec);
	pair_close(a, p);
	close(l);
}

static void accept_dead(void)
{
	int l = listener(false, 5), p = peer_socket(SOCK_STREAM), a;
	char b[4];

	connect_to(p, here, port_of(l));
	nap();
	reset_peer(p);
	nap();
	ok("accept", a = accept(l, NULL, NULL));
	res("recv", recv(a, b, 4, 0));
	close(a);
	close(l);
}

static void accept_eintr(void)
{
	int l = listener(false, 5);

	catch_sig(SIGALRM, 0);
	alarm_in_ms(30);
	res("accept", accept(l, NULL, NULL));
	close(l);
}

static void listener_closes_queue(void)
{
	int l = listener(false, 5), p = peer_socket(SOCK_STREAM);
	char b[4];

	connect_to(p, here, port_of(l));
	nap();
	close(l);
	nap();
	res("precv", recv(p, b, 4, 0));
	close(p);
}

static void listener_closes_accepted_lives(void)
{
	int l = listener(false, 5), p = peer_socket(SOCK_STREAM), a;
	char b[4] = "";

	connect_to(p, here, port_of(l));
	a = accept(l, NULL, NULL);
	close(l);
	res("psend", send(p, "hi", 2, 0));
	res("recv", recv(a, b, 4, 0));
	res("send", send(a, b, 2, 0));
	res("precv", recv(p, b, 4, 0));
	pair_close(a, p);
}

static void listener_shut(void)
{
	int l = listener(false, 5), p = peer_socket(SOCK_STREAM), q = peer_socket(SOCK_STREAM), a;
	int port = port_of(l);

	ok("shut", shutdown(l, SHUT_RDWR));
	res("accept", accept(l, NULL, NULL));
	res("pconnect", connect_to(p, here, port));
	ok("listen", listen(l, 5));
	ok("pconnect", connect_to(q, here, port_of(l)));
	ok("accept", a = accept(l, NULL, NULL));
	say("sameport=%d", port == port_of(l));
	close(a);
	close(q);
	close(p);
	close(l);
}

static void reuseport_two(void)
{
	int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM, 0), got = 0;
	struct sockaddr_in in = addr_of(here, 0);
	int p[6];

	set_int(a, SOL_SOCKET, SO_REUSEPORT, 1);
	bind(a, (struct sockaddr *)&in, sizeof(in));
	in.sin_port = htons((uint16_t)port_of(a));
	res("without", bind(b, (struct sockaddr *)&in, sizeof(in)));
	set_int(b, SOL_SOCKET, SO_REUSEPORT, 1);
	ok("with", bind(b, (struct sockaddr *)&in, sizeof(in)));
	ok("listen", listen(a, 5));
	ok("listen", listen(b, 5));
	nonblock(a);
	nonblock(b);
	for (int i = 0; i < 6; i++) {
		int fd;

		p[i] = peer_socket(SOCK_STREAM);
		connect_to(p[i], here, ntohs(in.sin_port));
		nap();
		while ((fd = accept(a, NULL, NULL)) >= 0 || (fd = accept(b, NULL, NULL)) >= 0) {
			got++;
			close(fd);
		}
		close(p[i]);
	}
	say("got=%d", got);
	close(a);
	p[0] = peer_socket(SOCK_STREAM);
	ok("other", connect_to(p[0], here, ntohs(in.sin_port)));
	nap();
	ok("accept", got = accept(b, NULL, NULL));
	close(got);
	close(p[0]);
	close(b);
}

/* With one descriptor left accept() works, and with none it says EMFILE and loses nothing: a server
 * that keeps one in reserve gives it up to accept and close. */
static void accept_last_descriptor(void)
{
	int l = listener(false, 5), c[2] = {peer_socket(SOCK_STREAM), peer_socket(SOCK_STREAM)};
	struct rlimit old, few = {.rlim_cur = 64};
	int dups[64], n = 0, a;

	getrlimit(RLIMIT_NOFILE, &old);
	few.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	connect_to(c[0], here, port_of(l));
	connect_to(c[1], here, port_of(l));
	nap();
	nonblock(l);
	while (n < 64 && (dups[n] = dup(0)) >= 0)
		n++;
	res("none", accept(l, NULL, NULL));
	close(dups[--n]);
	ok("one", a = accept(l, NULL, NULL));
	res("none", accept(l, NULL, NULL));
	close(a);
	ok("one", a = accept(l, NULL, NULL));
	close(a);
	res("empty", accept(l, NULL, NULL));
	while (n > 0)
		close(dups[--n]);
	setrlimit(RLIMIT_NOFILE, &old);
	close(c[0]);
	close(c[1]);
	close(l);
}

/* Clients of the kernel's, then of the stack's: who accepts one for each POLLIN never waits. */
static void listener_poll_both_doors(void)
{
	int l = listener(false, 5), c[2], a;
	struct pollfd f = {.fd = l, .events = POLLIN};

	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 2; j++) {
			c[j] = socket(AF_INET, SOCK_STREAM, 0);
			if (i < 2) /* the kernel keeps it */
				set_int(c[j], SOL_SOCKET, SO_ZEROCOPY, 1);
			connect_to(c[j], here, port_of(l));
		}
		nap();
		for (int j = 0; j < 2; j++) {
			res("poll", poll(&f, 1, 0));
			ok("accept", a = accept(l, NULL, NULL));
			close(a);
		}
		res("empty", poll(&f, 1, 0));
		close(c[0]);
		close(c[1]);
	}
	close(l);
}

static void backlog_bounds(void)
{
	int l = listener(false, 0), p = peer_socket(SOCK_STREAM), a;

	ok("connect", connect_to(p, here, port_of(l)));
	ok("accept", a = accept(l, NULL, NULL));
	pair_close(a, p);
	ok("neg", listen(l, -1));
	close(l);
}

/* ---- connect -------------------------------------------------------------------------------- */

static int refused_port(void)
{
	int l = listener(true, 1), port = port_of(l);

	close(l);
	return port;
}

static void connect_refused(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), l = listener(true, 1);

	res("connect", connect_to(s, there, refused_port()));
	say("err=%d", opt_int(s, SOL_SOCKET, SO_ERROR));
	ok("retry", connect_to(s, there, port_of(l)));
	close(s);
	close(l);
}

static void connect_nonblock(void)
{
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), l = listener(true, 5);
	struct pollfd f = {s, POLLOUT, 0};

	res("connect", connect_to(s, there, port_of(l)));
	res("poll", poll(&f, 1, 1000));
	say("revents=%x err=%d", (unsigned)f.revents, opt_int(s, SOL_SOCKET, SO_ERROR));
	res("second", connect_to(s, there, port_of(l)));
	res("third", connect_to(s, there, port_of(l)));
	close(s);
	close(l);
}

static void connect_nonblock_refused(void)
{
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), port = refused_port();
	struct pollfd f = {s, POLLOUT, 0};
	char b[4];

	res("connect", connect_to(s, there, port));
	res("poll", poll(&f, 1, 1000));
	say("revents=%x err=%d", (unsigned)f.revents, opt_int(s, SOL_SOCKET, SO_ERROR));
	say("err=%d", opt_int(s, SOL_SOCKET, SO_ERROR));
	res("recv", recv(s, b, 4, 0));
	res("send", send(s, b, 4, MSG_NOSIGNAL));
	close(s);
}

static void connect_refused_then_connect(void)
{
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), port = refused_port();

	res("connect", connect_to(s, there, port));
	nap();
	nap();
	res("second", connect_to(s, there, port));
	close(s);
}

static void connect_twice(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), l = listener(true, 5);

	ok("connect", connect_to(s, there, port_of(l)));
	res("again", connect_to(s, there, port_of(l)));
	close(s);
	close(l);
}

static void connect_errors(void)
{
	struct sockaddr_in in = addr_of(there, 9);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	res("short", connect(s, (struct sockaddr *)&in, 8));
	res("tiny", connect(s, (struct sockaddr *)&in, 1));
	in.sin_family = AF_INET6;
	res("family", connect(s, (struct sockaddr *)&in, sizeof(in)));
	res("badf", connect(-1, (struct sockaddr *)&in, sizeof(in)));
	in = addr_of((struct in_addr){htonl(0xe0000001)}, 9);
	res("multicast", connect(s, (struct sockaddr *)&in, sizeof(in)));
	close(s);
}

static void connect_bound(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), l = listener(true, 5), a, port;
	struct sockaddr_in in = addr_of(here, 0), from;
	socklen_t len = sizeof(from);

	ok("bind", bind(s, (struct sockaddr *)&in, sizeof(in)));
	port = port_of(s);
	ok("connect", connect_to(s, there, port_of(l)));
	a = accept(l, (struct sockaddr *)&from, &len);
	say("same=%d addr=%d", port == port_of(s) && port == ntohs(from.sin_port),
	    from.sin_addr.s_addr == here.s_addr);
	pair_close(s, a);
	close(l);
}

static void connect_no_port(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), l = listener(true, 5), a;
	struct sockaddr_in in = addr_of(here, 0);

	ok("opt", set_int(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	ok("bind", bind(s, (struct sockaddr *)&in, sizeof(in)));
	say("port=%d", port_of(s) != 0);
	ok("connect", connect_to(s, there, port_of(l)));
	say("port=%d", port_of(s) != 0);
	a = accept(l, NULL, NULL);
	pair_close(s, a);
	close(l);
}

static void connect_dissolved(void)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};
	int s = socket(AF_INET, SOCK_STREAM, 0), l = listener(true, 5), a;
	char b[4];

	ok("connect", connect_to(s, there, port_of(l)));
	a = accept(l, NULL, NULL);
	ok("unspec", connect(s, &sa, sizeof(sa)));
	nap();
	res("precv", recv(a, b, 4, 0));
	ok("connect", connect_to(s, there, port_of(l)));
	close(a);
	a = accept(l, NULL, NULL);
	res("psend", send(a, "y", 1, 0));
	res("recv", recv(s, b, 4, 0));
	pair_close(s, a);
	close(l);
}

static void unconnected(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), n = 7;
	char b[4];

	res("recv", recv(s, b, 4, 0));
	res("send", send(s, b, 4, MSG_NOSIGNAL));
	res("shut", shutdown(s, SHUT_RDWR));
	res("fionread", ioctl(s, FIONREAD, &n));
	say("n=%d err=%d", n, opt_int(s, SOL_SOCKET, SO_ERROR));
	close(s);
}

/* ---- options -------------------------------------------------------------------------------- */

static void opt_basics(void)
{
	int s, p;

	pair(&s, &p);
	say("type=%d dom=%d proto=%d acc=%d err=%d", opt_int(s, SOL_SOCKET, SO_TYPE),
	    opt_int(s, SOL_SOCKET, SO_DOMAIN), opt_int(s, SOL_SOCKET, SO_PROTOCOL),
	    opt_int(s, SOL_SOCKET, SO_ACCEPTCONN), opt_int(s, SOL_SOCKET, SO_ERROR));
	say("lowat=%d/%d", opt_int(s, SOL_SOCKET, SO_RCVLOWAT),
	    opt_int(s, SOL_SOCKET, SO_SNDLOWAT));
	say("nd=%d cork=%d ka=%d", opt_int(s, IPPROTO_TCP, TCP_NODELAY),
	    opt_int(s, IPPROTO_TCP, TCP_CORK), opt_int(s, SOL_SOCKET, SO_KEEPALIVE));
	say("tos=%d ttl=%d", opt_int(s, IPPROTO_IP, IP_TOS), opt_int(s, IPPROTO_IP, IP_TTL));
	say("bcast=%d prio=%d oob=%d", opt_int(s, SOL_SOCKET, SO_BROADCAST),
	    opt_int(s, SOL_SOCKET, SO_PRIORITY), opt_int(s, SOL_SOCKET, SO_DONTROUTE));
	pair_close(s, p);
}

static void opt_roundtrip(void)
{
	static const struct {
		const char *name;
		int level, opt, val;
	} t[] = {
		{"nodelay", IPPROTO_TCP, TCP_NODELAY, 1},
		{"nodelay", IPPROTO_TCP, TCP_NODELAY, 0},
		{"nodelay", IPPROTO_TCP, TCP_NODELAY, 7},
		{"cork", IPPROTO_TCP, TCP_CORK, 1},
		{"ka", SOL_SOCKET, SO_KEEPALIVE, 1},
		{"idle", IPPROTO_TCP, TCP_KEEPIDLE, 33},
		{"idle", IPPROTO_TCP, TCP_KEEPIDLE, 0},
		{"idle", IPPROTO_TCP, TCP_KEEPIDLE, 40000},
		{"intvl", IPPROTO_TCP, TCP_KEEPINTVL, 9},
		{"cnt", IPPROTO_TCP, TCP_KEEPCNT, 4},
		{"cnt", IPPROTO_TCP, TCP_KEEPCNT, 200},
		{"ut", IPPROTO_TCP, TCP_USER_TIMEOUT, 5000},
		{"ut", IPPROTO_TCP, TCP_USER_TIMEOUT, -1},
		{"sndbuf", SOL_SOCKET, SO_SNDBUF, 30000},
		{"rcvbuf", SOL_SOCKET, SO_RCVBUF, 40000},
		{"rcvbuf", SOL_SOCKET, SO_RCVBUF, 1},
		{"lowat", SOL_SOCKET, SO_RCVLOWAT, 0},
		{"tos", IPPROTO_IP, IP_TOS, 0x10},
		{"ttl", IPPROTO_IP, IP_TTL, 9},
		{"ttl", IPPROTO_IP, IP_TTL, 300},
		{"ttl", IPPROTO_IP, IP_TTL, -1},
		{"reuse", SOL_SOCKET, SO_REUSEADDR, 1},
		{"prio", SOL_SOCKET, SO_PRIORITY, 3},
		{"bcast", SOL_SOCKET, SO_BROADCAST, 1},
		{"type", SOL_SOCKET, SO_TYPE, 1},
		{"error", SOL_SOCKET, SO_ERROR, 1},
		{"nslowat", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384},
		{"linger2", IPPROTO_TCP, TCP_LINGER2, 10},
		{"syncnt", IPPROTO_TCP, TCP_SYNCNT, 3},
		{"bogus", IPPROTO_TCP, 250, 1},
		{"bogus", SOL_SOCKET, 250, 1},
		{"level", 77, 1, 1},
	};
	int s, p;

	pair(&s, &p);
	for (unsigned i = 0; i < sizeof(t) / sizeof(*t); i++) {
		ok(t[i].name, set_int(s, t[i].level, t[i].opt, t[i].val));
		say("%d", opt_int(s, t[i].level, t[i].opt));
	}
	pair_close(s, p);
}

static void opt_early(void)
{
	int l = listener(true, 5), s = socket(AF_INET, SOCK_STREAM, 0), a;

	set_int(s, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(s, SOL_SOCKET, SO_SNDBUF, 30000);
	set_int(s, SOL_SOCKET, SO_RCVBUF, 20000);
	set_int(s, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(s, IPPROTO_TCP, TCP_KEEPIDLE, 21);
	set_int(s, IPPROTO_IP, IP_TOS, 0x08);
	set_int(s, SOL_SOCKET, SO_MAX_PACING_RATE, 100000000);
	ok("cc", setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	connect_to(s, there, port_of(l));
	a = accept(l, NULL, NULL);
	char cc[16] = "";
	socklen_t len = sizeof(cc);
	getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, cc, &len);
	say("pace=%d", opt_int(s, SOL_SOCKET, SO_MAX_PACING_RATE));
	say("nd=%d snd=%d rcv=%d ka=%d idle=%d tos=%d cc=%s/%d",
	    opt_int(s, IPPROTO_TCP, TCP_NODELAY), opt_int(s, SOL_SOCKET, SO_SNDBUF),
	    opt_int(s, SOL_SOCKET, SO_RCVBUF), opt_int(s, SOL_SOCKET, SO_KEEPALIVE),
	    opt_int(s, IPPROTO_TCP, TCP_KEEPIDLE), opt_int(s, IPPROTO_IP, IP_TOS), cc, (int)len);
	pair_close(s, a);
	close(l);
}

static void opt_congestion(void)
{
	char cc[32] = "";
	socklen_t len = sizeof(cc);
	int s, p;

	pair(&s, &p);
	ok("reno", setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 5));
	ok("get", getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, cc, &len));
	say("%s/%d", cc, (int)len);
	res("bogus", setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6));
	len = 3;
	ok("short", getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, cc, &len));
	say("len=%d", (int)len);
	pair_close(s, p);
}

static void opt_lengths(void)
{
	int v = 1, s, p;
	char c = 9;
	socklen_t len;

	pair(&s, &p);
	res("short", setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, 2));
	res("null", setsockopt(s, IPPROTO_TCP, TCP_NODELAY, NULL, 4));
	res("neg", setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, (socklen_t)-1));
	len = 1;
	res("get1", getsockopt(s, SOL_SOCKET, SO_TYPE, &c, &len));
	say("c=%d len=%d", c, (int)len);
	len = (socklen_t)-1;
	res("getneg", getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, &len));
	len = 0;
	res("get0", getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, &len));
	say("len=%d", (int)len);
	len = sizeof(v);
	res("linger", getsockopt(s, SOL_SOCKET, SO_LINGER, &v, &len));
	say("len=%d", (int)len);
	pair_close(s, p);
}

static void opt_tcp_info(void)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);
	int s, p, l = listener(false, 5);

	pair(&s, &p);
	memset(&ti, 0, sizeof(ti));
	ok("info", getsockopt(s, IPPROTO_TCP, TCP_INFO, &ti, &len));
	say("state=%d mss=%d", ti.tcpi_state, ti.tcpi_snd_mss > 500);
	shutdown(p, SHUT_WR);
	nap();
	len = 1;
	ok("one", getsockopt(s, IPPROTO_TCP, TCP_INFO, &ti, &len));
	say("state=%d len=%d", ti.tcpi_state, (int)len);
	pair_close(s, p);
	len = sizeof(ti);
	ok("listener", getsockopt(l, IPPROTO_TCP, TCP_INFO, &ti, &len));
	say("state=%d", ti.tcpi_state);
	close(l);
}

static void opt_cookie(void)
{
	uint64_t a = 0, b = 0, c = 0;
	socklen_t len = sizeof(a);
	int s, p, s2, p2;

	pair(&s, &p);
	pair(&s2, &p2);
	ok("cookie", getsockopt(s, SOL_SOCKET, SO_COOKIE, &a, &len));
	getsockopt(s, SOL_SOCKET, SO_COOKIE, &b, &len);
	getsockopt(s2, SOL_SOCKET, SO_COOKIE, &c, &len);
	say("same=%d differ=%d", a == b, a != c);
	pair_close(s, p);
	pair_close(s2, p2);
}

static void opt_zerocopy_late(void)
{
	int s, p;

	pair(&s, &p);
	res("zerocopy-flag", send(s, "abc", 3, MSG_ZEROCOPY));
	pair_close(s, p);
}

#endif
