/* SPDX-License-Identifier: BSD-2-Clause */
/* The cases of sockdiff.c. Each says what it saw; nothing that depends on timing or on numbers that
 * the kernel draws may be said. */
#ifndef SOCKDIFF_CASES_H
#define SOCKDIFF_CASES_H

/* Until nothing more goes into a non-blocking socket, however its buffers grow. */
static void fill(int s)
{
	for (int i = 0; i < 10; i++) {
		while (send(s, big, sizeof(big), MSG_NOSIGNAL) > 0)
			i = 0;
		usleep(2000);
	}
}

/* ---- streams: out and in -------------------------------------------------------------------- */

static void echo_small(void)
{
	int s, p;
	char b[64] = "";

	pair(&s, &p);
	res("send", send(s, "hello", 5, 0));
	res("precv", recv(p, b, sizeof(b), 0));
	res("psend", send(p, b, 5, 0));
	res("recv", recv(s, b, sizeof(b), 0));
	say("%.5s", b);
	pair_close(s, p);
}

static void bulk_out(void)
{
	int s, p;
	pair(&s, &p);
	struct later l = {p, 5, DRAIN, sizeof(big)};
	pthread_t t = later(&l);

	res("send", send(s, big, sizeof(big), 0));
	pthread_join(t, NULL);
	pair_close(s, p);
}

static void bulk_in(void)
{
	int s, p;
	pair(&s, &p);
	struct later l = {p, 0, WRITE1, sizeof(big)};
	char *got = calloc(1, sizeof(big));
	pthread_t t = later(&l);

	res("waitall", recv(s, got, sizeof(big), MSG_WAITALL));
	say("same=%d", !memcmp(got, big, sizeof(big)));
	pthread_join(t, NULL);
	free(got);
	pair_close(s, p);
}

static void writev_order(void)
{
	int s, p;
	char b[32] = "";
	struct iovec v[4] = {{"ab", 2}, {NULL, 0}, {"cde", 3}, {"f", 1}};

	pair(&s, &p);
	res("writev", writev(s, v, 4));
	res("recv", recv(p, b, 6, MSG_WAITALL));
	say("%s", b);
	pair_close(s, p);
}

static void readv_scatter(void)
{
	int s, p;
	char a[4] = "", b[4] = "", c[9] = "";
	struct iovec v[3] = {{a, 3}, {b, 3}, {c, 8}};

	pair(&s, &p);
	send(p, "0123456789", 10, 0);
	nap();
	res("readv", readv(s, v, 3));
	say("%s|%s|%s", a, b, c);
	pair_close(s, p);
}

static void iov_limits(void)
{
	static struct iovec v[1025];
	volatile size_t zero = 0;
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 1025};
	int s, p;

	pair(&s, &p);
	res("writev1025", writev(s, v, 1025));
	res("readv1025", readv(s, v, 1025));
	res("readv-1", readv(s, v, (int)zero - 1));
	res("sendmsg1025", sendmsg(s, &m, 0));
	res("recvmsg1025", recvmsg(s, &m, MSG_DONTWAIT));
	v[0].iov_len = SIZE_MAX - zero;
	res("writev-len", writev(s, v, 1));
	v[0].iov_len = 0;
	pair_close(s, p);
}

static void zero_lengths(void)
{
	int s, p;
	char b[4];

	pair(&s, &p);
	res("send0", send(s, b, 0, 0));
	res("write0", write(s, b, 0));
	res("read0", read(s, b, 0));
	res("recv0", recv(s, b, 0, MSG_DONTWAIT));
	send(p, "x", 1, 0);
	nap();
	res("recv0data", recv(s, b, 0, MSG_DONTWAIT));
	res("recv", recv(s, b, 4, MSG_DONTWAIT));
	close(p);
	nap();
	res("recv0eof", recv(s, b, 0, MSG_DONTWAIT));
	close(s);
}

static void nonblocking_empty(void)
{
	int s, p;
	char b[4];

	pair(&s, &p);
	res("dontwait", recv(s, b, 4, MSG_DONTWAIT));
	nonblock(s);
	res("read", read(s, b, 4));
	say("fl=%d", !!(fcntl(s, F_GETFL) & O_NONBLOCK));
	pair_close(s, p);
}

static void nonblocking_fill(void)
{
	int s, p;
	size_t n = 0;
	ssize_t r;

	pair(&s, &p);
	nonblock(s);
	while ((r = send(s, big, 65536, 0)) > 0)
		n += (size_t)r;
	ok("full", r);
	say("some=%d", n > 8192);
	say("all=%d", read_all(p, n) == (long)n);
	nap();
	ok("again", send(s, big, 1000, 0));
	pair_close(s, p);
}

static void peek(void)
{
	int s, p;
	char b[16] = "", c[16] = "";

	pair(&s, &p);
	send(p, "abcdef", 6, 0);
	nap();
	res("peek", recv(s, b, 4, MSG_PEEK));
	res("peek", recv(s, b, 16, MSG_PEEK));
	res("recv", recv(s, c, 16, 0));
	say("%s %s", b, c);
	res("peek", recv(s, b, 4, MSG_PEEK | MSG_DONTWAIT));
	pair_close(s, p);
}

static void peek_waitall(void)
{
	int s, p;
	char b[16] = "";
	pair(&s, &p);
	struct later l = {p, 30, WRITE1, 5};
	pthread_t t;

	send(p, "abc", 3, 0);
	nap();
	t = later(&l);
	res("peek", recv(s, b, 8, MSG_PEEK | MSG_WAITALL));
	pthread_join(t, NULL);
	res("recv", recv(s, b, 16, 0));
	pair_close(s, p);
}

static void trunc_drops(void)
{
	int s, p;
	char b[16] = "";

	pair(&s, &p);
	send(p, "abcdef", 6, 0);
	nap();
	res("trunc", recv(s, NULL, 4, MSG_TRUNC));
	res("recv", recv(s, b, 16, 0));
	say("%s", b);
	pair_close(s, p);
}

static void waitall_eof(void)
{
	int s, p;
	char b[16];

	pair(&s, &p);
	send(p, "abc", 3, 0);
	shutdown(p, SHUT_WR);
	res("recv", recv(s, b, 10, MSG_WAITALL));
	res("eof", recv(s, b, 10, MSG_WAITALL));
	pair_close(s, p);
}

static void waitall_timeout(void)
{
	struct timeval tv = {0, 50000};
	int s, p;
	char b[16];

	pair(&s, &p);
	ok("set", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	send(p, "abc", 3, 0);
	res("recv", recv(s, b, 10, MSG_WAITALL));
	res("none", recv(s, b, 10, MSG_WAITALL));
	pair_close(s, p);
}

static void waitall_nonblock(void)
{
	int s, p;
	char b[16];

	pair(&s, &p);
	send(p, "abc", 3, 0);
	nap();
	res("recv", recv(s, b, 10, MSG_WAITALL | MSG_DONTWAIT));
	pair_close(s, p);
}

static void rcvlowat(void)
{
	int s, p;
	char b[16];
	pair(&s, &p);
	struct later l = {p, 30, WRITE1, 7};
	struct pollfd f = {s, POLLIN, 0};
	pthread_t t;

	set_int(p, IPPROTO_TCP, TCP_NODELAY, 1); /* else it may wait for a delayed ACK */
	ok("set", set_int(s, SOL_SOCKET, SO_RCVLOWAT, 6));
	say("get=%d", opt_int(s, SOL_SOCKET, SO_RCVLOWAT));
	send(p, "abc", 3, 0);
	nap();
	res("poll", poll(&f, 1, 0));
	t = later(&l);
	res("recv", recv(s, b, 16, 0));
	pthread_join(t, NULL);
	send(p, "abc", 3, 0);
	nap();
	res("dontwait", recv(s, b, 16, MSG_DONTWAIT));
	pair_close(s, p);
}

static void rcvtimeo(void)
{
	struct timeval tv = {0, 100000}, got = {9, 9};
	socklen_t len = sizeof(got);
	double t0;
	int s, p;
	char b[4];

	pair(&s, &p);
	ok("set", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	ok("get", getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &got, &len));
	say("%ld.%06ld len=%d", got.tv_sec, got.tv_usec, (int)len);
	t0 = now_s();
	res("recv", recv(s, b, 4, 0));
	t0 = now_s() - t0;
	say("took=%d", t0 > 0.09 && t0 < 0.3);
	tv.tv_usec = 1000000;
	res("bad", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	res("short", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, 4));
	tv = (struct timeval){-1, 0};
	res("neg", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	res("recv", recv(s, b, 4, 0));
	pair_close(s, p);
}

static void sndtimeo_partial(void)
{
	struct timeval tv = {0, 80000};
	char *huge = calloc(1, 64 << 20);
	int s, p;
	ssize_t n;

	pair(&s, &p);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	n = send(s, huge, 64 << 20, 0);
	say("partial=%d", n > 0 && n < 64 << 20);
	n = send(s, huge, 64 << 20, 0);
	say("again=%d", n < 64 << 20);
	free(huge);
	reset_peer(p);
	close(s);
}

static void eintr_recv(void)
{
	int s, p;
	char b[4];

	pair(&s, &p);
	catch_sig(SIGALRM, 0);
	alarm_in_ms(40);
	res("recv", recv(s, b, 4, 0));
	say("sigs=%d", (int)sigs);
	pair_close(s, p);
}

static void restart_recv(void)
{
	int s, p;
	char b[4];
	pair(&s, &p);
	struct later l = {p, 80, WRITE1, 3};
	pthread_t t;

	catch_sig(SIGALRM, SA_RESTART);
	t = later(&l);
	alarm_in_ms(30);
	res("recv", recv(s, b, 4, 0));
	say("sigs=%d", (int)sigs);
	pthread_join(t, NULL);
	pair_close(s, p);
}

static void restart_not_with_timeout(void)
{
	struct timeval tv = {2, 0};
	int s, p;
	char b[4];

	pair(&s, &p);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	catch_sig(SIGALRM, SA_RESTART);
	alarm_in_ms(30);
	res("recv", recv(s, b, 4, 0));
	pair_close(s, p);
}

static void recvmsg_fields(void)
{
	struct sockaddr_in from = {0};
	char b[8], ctl[64];
	struct iovec v = {b, 8};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl),
			   .msg_flags = -1};
	socklen_t len = sizeof(from);
	int s, p;

	pair(&s, &p);
	send(p, "abcd", 4, 0);
	nap();
	res("recvmsg", recvmsg(s, &m, 0));
	say("name=%d ctl=%d flags=%x", (int)m.msg_namelen, (int)m.msg_controllen,
	    (unsigned)m.msg_flags);
	send(p, "abcd", 4, 0);
	nap();
	m.msg_flags = -1;
	m.msg_controllen = sizeof(ctl);
	res("cloexec", recvmsg(s, &m, MSG_CMSG_CLOEXEC));
	say("flags=%x", (unsigned)m.msg_flags);
	send(p, "abcd", 4, 0);
	nap();
	res("recvfrom", recvfrom(s, b, 8, 0, (struct sockaddr *)&from, &len));
	say("len=%d fam=%d", (int)len, from.sin_family);
	res("errqueue", recvmsg(s, &m, MSG_ERRQUEUE));
	pair_close(s, p);
}

static void sendto_connected(void)
{
	struct sockaddr_in in = addr_of(there, 1);
	int s, p;

	pair(&s, &p);
	res("sendto", sendto(s, "x", 1, 0, (struct sockaddr *)&in, sizeof(in)));
	pair_close(s, p);
}

static void mmsg_stream(void)
{
	struct iovec v[3] = {{"ab", 2}, {"cd", 2}, {"ef", 2}}, w[3];
	struct mmsghdr m[3] = {{{.msg_iov = &v[0], .msg_iovlen = 1}, 0},
			       {{.msg_iov = &v[1], .msg_iovlen = 1}, 0},
			       {{.msg_iov = &v[2], .msg_iovlen = 1}, 0}};
	char b[3][2];
	int s, p;

	pair(&s, &p);
	res("sendmmsg", sendmmsg(s, m, 3, 0));
	res("precv", recv(p, sink, 6, MSG_WAITALL));
	send(p, "uvwxyz", 6, 0);
	nap();
	for (int i = 0; i < 3; i++) {
		w[i] = (struct iovec){b[i], 2};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &w[i], .msg_iovlen = 1};
	}
	res("recvmmsg", recvmmsg(s, m, 3, 0, NULL));
	say("%.6s", &b[0][0]);
	send(p, "u", 1, 0);
	res("one", recvmmsg(s, m, 3, MSG_WAITFORONE, NULL));
	pair_close(s, p);
}

static void more_then_push(void)
{
	int s, p;
	char b[16] = "";

	pair(&s, &p);
	res("more", send(s, "abc", 3, MSG_MORE));
	nap();
	res("early", recv(p, b, 16, MSG_DONTWAIT));
	res("rest", send(s, "def", 3, 0));
	nap();
	res("recv", recv(p, b, 16, MSG_DONTWAIT));
	pair_close(s, p);
}

static void cork(void)
{
	int s, p;
	char b[16];

	pair(&s, &p);
	ok("set", set_int(s, IPPROTO_TCP, TCP_CORK, 1));
	send(s, "abc", 3, 0);
	send(s, "def", 3, 0);
	nap();
	res("corked", recv(p, b, 16, MSG_DONTWAIT));
	ok("clear", set_int(s, IPPROTO_TCP, TCP_CORK, 0));
	nap();
	res("recv", recv(p, b, 16, MSG_DONTWAIT));
	pair_close(s, p);
}

/* ---- the end of a connection ---------------------------------------------------------------- */

static void peer_closes(void)
{
	int s, p;
	char b[8];

	pair(&s, &p);
	send(p, "bye", 3, 0);
	close(p);
	nap();
	res("recv", recv(s, b, 8, 0));
	res("eof", recv(s, b, 8, 0));
	res("eof", recv(s, b, 8, 0));
	res("send", send(s, "x", 1, 0));
	nap();
	nap();
	res("send2", send(s, "x", 1, 0));
	res("recv2", recv(s, b, 8, 0));
	close(s);
}

static void peer_resets(void)
{
	int s, p;
	char b[8];

	pair(&s, &p);
	reset_peer(p);
	nap();
	res("recv", recv(s, b, 8, 0));
	res("again", recv(s, b, 8, 0));
	res("send", send(s, "x", 1, MSG_NOSIGNAL));
	close(s);
}

static void reset_then_send(void)
{
	int s, p;

	pair(&s, &p);
	reset_peer(p);
	nap();
	res("send", send(s, "x", 1, 0));
	res("send", send(s, "x", 1, 0));
	close(s);
}

static void reset_so_error(void)
{
	int s, p;
	char b[8];

	pair(&s, &p);
	reset_peer(p);
	nap();
	say("err=%d", opt_int(s, SOL_SOCKET, SO_ERROR));
	say("err=%d", opt_int(s, SOL_SOCKET, SO_ERROR));
	res("recv", recv(s, b, 8, 0));
	close(s);
}

static void reset_wakes(void)
{
	int s, p;
	char b[8];
	pair(&s, &p);
	struct linger lg = {1, 0};
	struct later l = {p, 30, CLOSE, 0};
	pthread_t t = later(&l);

	setsockopt(p, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	res("recv", recv(s, b, 8, 0));
	pthread_join(t, NULL);
	close(s);
}

static void sigpipe(void)
{
	int s, p;

	pair(&s, &p);
	reset_peer(p);
	nap();
	send(s, "x", 1, MSG_NOSIGNAL);
	catch_sig(SIGPIPE, 0);
	res("nosignal", send(s, "x", 1, MSG_NOSIGNAL));
	say("sigs=%d", (int)sigs);
	res("send", send(s, "x", 1, 0));
	say("sigs=%d", (int)sigs);
	res("write", write(s, "x", 1));
	say("sigs=%d", (int)sigs);
	close(s);
}

static void shutdown_wr(void)
{
	int s, p;
	char b[8];

	pair(&s, &p);
	send(s, "abc", 3, 0);
	ok("shut", shutdown(s, SHUT_WR));
	res("precv", recv(p, b, 8, MSG_WAITALL));
	res("send", send(s, "x", 1, 0));
	res("psend", send(p, "late", 4, 0));
	res("recv", recv(s, b, 8, 0));
	ok("again", shutdown(s, SHUT_WR));
	close(p);
	nap();
	res("eof", recv(s, b, 8, 0));
	close(s);
}

static void shutdown_rd(void)
{
	int s, p;
	char b[8];

	pair(&s, &p);
	ok("shut", shutdown(s, SHUT_RD));
	res("recv", recv(s, b, 8, 0));
	res("psend", send(p, "abc", 3, MSG_NOSIGNAL));
	nap();
	res("recv", recv(s, b, 8, 0));
	res("send", send(s, "x", 1, 0));
	pair_close(s, p);
}

static void shutdown_rdwr(void)
{
	int s, p;
	char b[8];

	pair(&s, &p);
	ok("shut", shutdown(s, SHUT_RDWR));
	res("recv", recv(s, b, 8, 0));
	res("send", send(s, "x", 1, 0));
	res("precv", recv(p, b, 8, 0));
	close(p);
	nap();
	res("again", shutdown(s, SHUT_RDWR));
	close(s);
}

static void shutdown_bad_how(void)
{
	int s, p;

	pair(&s, &p);
	res("3", shutdown(s, 3));
	res("-1", shutdown(s, -1));
	pair_close(s, p);
}

static void shutdown_wakes_reader(void)
{
	int s, p;
	char b[8];
	pair(&s, &p);
	struct later l = {p, 30, SHUT, 0};
	pthread_t t = later(&l);

	res("recv", recv(s, b, 8, 0));
	pthread_join(t, NULL);
	pair_close(s, p);
}

static void close_with_unread_resets(void)
{
	int s, p;
	char b[8];

	pair(&s, &p);
	send(p, "abc", 3, 0);
	nap();
	close(s);
	nap();
	res("precv", recv(p, b, 8, 0));
	close(p);
}

static void close_delivers(void)
{
	int s, p;

	pair(&s, &p);
	res("send", send(s, big, 100000, 0));
	close(s);
	say("got=%ld", read_all(p, sizeof(big)));
	close(p);
}

static void linger_zero_resets(void)
{
	struct linger lg = {1, 0}, got = {0, 0};
	socklen_t len = sizeof(got);
	int s, p;
	char b[8];

	pair(&s, &p);
	ok("set", setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)));
	getsockopt(s, SOL_SOCKET, SO_LINGER, &got, &len);
	say("%d,%d", got.l_onoff, got.l_linger);
	close(s);
	nap();
	res("precv", recv(p, b, 8, 0));
	close(p);
}

static void linger_waits(void)
{
	struct linger lg = {1, 5};
	int s, p;
	pair(&s, &p);
	struct later l = {p, 60, DRAIN, 4 << 20};
	pthread_t t;
	double t0;

	setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	nonblock(s);
	fill(s);
	t = later(&l);
	t0 = now_s();
	ok("close", close(s));
	t0 = now_s() - t0;
	say("waited=%d", t0 > 0.03 && t0 < 3);
	pthread_join(t, NULL);
	close(p);
}

static void linger_gives_up(void)
{
	struct linger lg = {1, 1};
	int s, p;
	double t0;

	pair(&s, &p);
	setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	nonblock(s);
	fill(s);
	t0 = now_s();
	ok("close", close(s));
	t0 = now_s() - t0;
	say("waited=%d", t0 > 0.9 && t0 < 1.6);
	reset_peer(p);
}

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
	ok("cc", setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	connect_to(s, there, port_of(l));
	a = accept(l, NULL, NULL);
	char cc[16] = "";
	socklen_t len = sizeof(cc);
	getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, cc, &len);
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

/* ---- ioctl and fcntl ------------------------------------------------------------------------ */

static void ioctl_queues(void)
{
	int s, p, n = -1;
	char b[4];

	pair(&s, &p);
	ok("inq", ioctl(s, FIONREAD, &n));
	say("%d", n);
	send(p, "abcdef", 6, 0);
	nap();
	ok("inq", ioctl(s, FIONREAD, &n));
	say("%d", n);
	recv(s, b, 4, 0);
	ok("inq", ioctl(s, SIOCINQ, &n));
	say("%d", n);
	send(s, "abc", 3, 0);
	nap();
	nap();
	nap();
	nap();
	ok("outq", ioctl(s, SIOCOUTQ, &n));
	say("%d", n);
	ok("outqnsd", ioctl(s, SIOCOUTQNSD, &n));
	say("%d", n);
	ok("mark", ioctl(s, SIOCATMARK, &n));
	res("bogus", ioctl(s, 0x5499, &n));
	pair_close(s, p);
}

static void ioctl_fin(void)
{
	int s, p, n = -1;

	pair(&s, &p);
	send(p, "abc", 3, 0);
	shutdown(p, SHUT_WR);
	nap();
	ok("inq", ioctl(s, FIONREAD, &n));
	say("%d", n);
	read_all(s, 10);
	ok("inq", ioctl(s, FIONREAD, &n));
	say("%d", n);
	pair_close(s, p);
}

static void fionbio(void)
{
	int s, p, on = 1;
	char b[4];

	pair(&s, &p);
	ok("on", ioctl(s, FIONBIO, &on));
	say("fl=%d", !!(fcntl(s, F_GETFL) & O_NONBLOCK));
	res("recv", recv(s, b, 4, 0));
	on = 0;
	ok("off", ioctl(s, FIONBIO, &on));
	say("fl=%x", (unsigned)fcntl(s, F_GETFL));
	pair_close(s, p);
}

static void fcntl_flags(void)
{
	int s, p;

	pair(&s, &p);
	say("fl=%x fd=%x", (unsigned)fcntl(s, F_GETFL), (unsigned)fcntl(s, F_GETFD));
	ok("setfl", fcntl(s, F_SETFL, O_NONBLOCK | O_APPEND));
	say("fl=%x", (unsigned)fcntl(s, F_GETFL));
	ok("setfd", fcntl(s, F_SETFD, FD_CLOEXEC));
	say("fd=%x", (unsigned)fcntl(s, F_GETFD));
	res("bad", fcntl(s, 9999, 0));
	res("lk", fcntl(s, F_GETPIPE_SZ));
	pair_close(s, p);
}

static void stat_says_socket(void)
{
	struct stat st;
	int s, p;

	pair(&s, &p);
	ok("fstat", fstat(s, &st));
	say("sock=%d", S_ISSOCK(st.st_mode));
	res("lseek", lseek(s, 0, SEEK_CUR));
	res("pread", pread(s, &st, 1, 0));
	res("isatty", isatty(s));
	pair_close(s, p);
}

/* ---- duplicates ----------------------------------------------------------------------------- */

static void dup_lives(void)
{
	int s, p, d;
	char b[4];

	pair(&s, &p);
	d = dup(s);
	close(s);
	res("psend", send(p, "abc", 3, 0));
	res("recv", recv(d, b, 4, 0));
	res("send", send(d, "x", 1, 0));
	close(d);
	res("precv", recv(p, b, 4, 0));
	res("eof", recv(p, b, 4, 0));
	close(p);
}

static void dup_shares_flags(void)
{
	int s, p, d;

	pair(&s, &p);
	d = fcntl(s, F_DUPFD, 100);
	say("at=%d", d >= 100);
	nonblock(d);
	say("fl=%d", !!(fcntl(s, F_GETFL) & O_NONBLOCK));
	close(s);
	s = fcntl(d, F_DUPFD_CLOEXEC, 0);
	say("cloexec=%d", fcntl(s, F_GETFD));
	close(d);
	pair_close(s, p);
}

static void dup2_over(void)
{
	int s, p, s2, p2;
	char b[4];

	pair(&s, &p);
	pair(&s2, &p2);
	say("dup2=%d", dup2(s, s2) == s2);
	nap();
	res("p2eof", recv(p2, b, 4, 0));
	send(p, "abc", 3, 0);
	res("recv", recv(s2, b, 4, 0));
	say("self=%d", dup2(s, s) == s);
	res("dup3self", dup3(s, s, 0));
	res("badold", dup2(-1, s2));
	res("badnew", dup2(s, -1));
	res("badflags", dup3(s, s2, 0x1234));
	res("still", send(s2, "x", 1, 0));
	close(s);
	close(p2);
	res("still", send(s2, "x", 1, 0));
	pair_close(s2, p);
}

static void dup2_file_over(void)
{
	int s, p, f = open("/dev/null", O_RDWR), fd;
	char b[4];

	pair(&s, &p);
	fd = s;
	ok("dup2", dup2(f, s) - s);
	res("write", write(fd, "abc", 3));
	nap();
	res("precv", recv(p, b, 4, 0));
	close(fd);
	close(f);
	close(p);
}

static void close_errors(void)
{
	int s, p;
	char b[4];

	pair(&s, &p);
	ok("close", close(s));
	res("close", close(s));
	res("recv", recv(s, b, 4, 0));
	res("send", send(s, b, 4, 0));
	res("dup", dup(s));
	res("fcntl", fcntl(s, F_GETFL));
	res("setsockopt", set_int(s, SOL_SOCKET, SO_KEEPALIVE, 1));
	close(p);
}

static void close_range_some(void)
{
	int s, p, d, e;

	pair(&s, &p);
	d = fcntl(s, F_DUPFD, 200);
	e = fcntl(s, F_DUPFD, 210);
	ok("range", close_range((unsigned)d, (unsigned)d + 5, 0));
	res("d", fcntl(d, F_GETFD));
	res("e", fcntl(e, F_GETFD));
	res("send", send(e, "x", 1, 0));
	res("bad", close_range(10, 5, 0));
	res("badflags", close_range(300, 400, 0x80));
	ok("cloexec", close_range((unsigned)e, (unsigned)e, CLOSE_RANGE_CLOEXEC_));
	res("e", fcntl(e, F_GETFD));
	close(e);
	pair_close(s, p);
}

static void low_fd_reused(void)
{
	int s, p, fd;

	pair(&s, &p);
	fd = dup(s);
	close(s);
	say("same=%d", open("/dev/null", O_RDONLY) == s);
	close(s);
	close(fd);
	close(p);
}

static void close_while_reading(void)
{
	int s, p;
	char b[4];
	pair(&s, &p);
	struct later l = {s, 30, CLOSE, 0}, w = {p, 80, WRITE1, 2};
	pthread_t t = later(&l), u = later(&w);

	res("recv", recv(s, b, 4, 0));
	pthread_join(t, NULL);
	pthread_join(u, NULL);
	res("after", recv(s, b, 4, 0));
	close(p);
}

static void fork_shares(void)
{
	int s, p, st;
	char b[8] = "";
	pid_t pid;

	pair(&s, &p);
	pid = fork();
	if (pid == 0) {
		close(p);
		_exit(send(s, "child", 5, 0) == 5 ? 0 : 1);
	}
	waitpid(pid, &st, 0);
	say("child=%d", WEXITSTATUS(st));
	res("precv", recv(p, b, 8, 0));
	res("send", send(s, "parent", 6, 0));
	res("precv", recv(p, b, 8, 0));
	pid = fork();
	if (pid == 0) {
		usleep(50000);
		_exit(0);
	}
	close(s);
	res("notyet", recv(p, b, 8, MSG_DONTWAIT));
	waitpid(pid, &st, 0);
	nap();
	res("eof", recv(p, b, 8, MSG_DONTWAIT));
	close(p);
}

static void fork_listener(void)
{
	int l = listener(false, 5), p = peer_socket(SOCK_STREAM), port = port_of(l), st;
	char b[8] = "";
	pid_t pid = fork();

	if (pid == 0) {
		int a = accept(l, NULL, NULL);

		send(a, "kid", 3, 0);
		close(a);
		_exit(0);
	}
	close(l);
	ok("connect", connect_to(p, here, port));
	res("precv", recv(p, b, 8, 0));
	waitpid(pid, &st, 0);
	nap();
	res("eof", recv(p, b, 8, 0));
	close(p);
}

/* ---- files and pipes ------------------------------------------------------------------------ */

static int temp_file(size_t n)
{
	int fd = memfd_create("sockdiff", 0);

	if (write(fd, big, n) != (ssize_t)n)
		exit(1);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void sendfile_basics(void)
{
	int s, p, f = temp_file(200000);
	off_t off = 1000;
	char *got = calloc(1, 200000);
	pair(&s, &p);
	struct later l = {p, 0, DRAIN, 199000};
	pthread_t t = later(&l);

	res("offset", sendfile(s, f, &off, 500000));
	pthread_join(t, NULL);
	say("off=%ld pos=%ld", (long)off, (long)lseek(f, 0, SEEK_CUR));
	res("eof", sendfile(s, f, &off, 10));
	res("pos", sendfile(s, f, NULL, 5000));
	say("pos=%ld", (long)lseek(f, 0, SEEK_CUR));
	res("precv", recv(p, got, 5000, MSG_WAITALL));
	say("same=%d", !memcmp(got, big, 5000));
	res("zero", sendfile(s, f, NULL, 0));
	free(got);
	close(f);
	pair_close(s, p);
}

static void sendfile_short_file_arrives(void)
{
	int s, p, f = temp_file(100);

	pair(&s, &p);
	res("sendfile", sendfile(s, f, NULL, 4096));
	nap();
	res("precv", recv(p, sink, 4096, MSG_DONTWAIT));
	close(f);
	pair_close(s, p);
}

static void sendfile_nonblock(void)
{
	int s, p, f = temp_file(sizeof(big));
	off_t off = 0, all = 0;
	ssize_t r;

	pair(&s, &p);
	nonblock(s);
	while ((r = sendfile(s, f, &off, sizeof(big))) > 0 && all < 64 << 20) {
		all += r;
		if (off == sizeof(big))
			off = 0;
	}
	ok("full", r);
	say("some=%d", all > 65536);
	say("got=%d", read_all(p, (size_t)all) == all);
	close(f);
	pair_close(s, p);
}

static void sendfile_errors(void)
{
	int s, p, f = temp_file(100), pp[2], d = open("/tmp", O_RDONLY),
		  w = open("/dev/null", O_WRONLY);
	off_t off = 0, neg = -1;

	pair(&s, &p);
	if (pipe(pp))
		return;
	res("badin", sendfile(s, -1, NULL, 1));
	res("pipe", sendfile(s, pp[0], NULL, 1));
	res("pipeoff", sendfile(s, pp[0], &off, 1));
	res("sock", sendfile(s, p, NULL, 1));
	res("self", sendfile(s, s, NULL, 1));
	res("sockoff", sendfile(s, s, &off, 1));
	res("dir", sendfile(s, d, NULL, 1));
	res("diroff", sendfile(s, d, &off, 1));
	res("wronly", sendfile(s, w, NULL, 1));
	res("neg", sendfile(s, f, &neg, 1));
	res("negcount", sendfile(s, f, NULL, (size_t)-1));
	shutdown(s, SHUT_WR);
	catch_sig(SIGPIPE, 0);
	res("shut", sendfile(s, f, NULL, 10));
	say("sigs=%d pos=%ld", (int)sigs, (long)lseek(f, 0, SEEK_CUR));
	close(pp[0]);
	close(pp[1]);
	close(d);
	close(w);
	close(f);
	pair_close(s, p);
}

static void splice_in(void)
{
	int s, p, pp[2];
	char b[64] = "";

	pair(&s, &p);
	if (pipe(pp))
		return;
	nonblock(s);
	res("empty", splice(s, NULL, pp[1], NULL, 100, SPLICE_F_NONBLOCK));
	send(p, "spliced", 7, 0);
	nap();
	res("part", splice(s, NULL, pp[1], NULL, 3, 0));
	res("rest", splice(s, NULL, pp[1], NULL, 100, SPLICE_F_NONBLOCK));
	res("read", read(pp[0], b, 64));
	say("%s", b);
	shutdown(p, SHUT_WR);
	nap();
	res("eof", splice(s, NULL, pp[1], NULL, 100, 0));
	close(pp[0]);
	close(pp[1]);
	pair_close(s, p);
}

static void splice_out(void)
{
	int s, p, pp[2];
	char b[64] = "";

	pair(&s, &p);
	if (pipe(pp))
		return;
	res("empty", splice(pp[0], NULL, s, NULL, 100, SPLICE_F_NONBLOCK));
	if (write(pp[1], "spliced", 7) != 7)
		return;
	res("splice", splice(pp[0], NULL, s, NULL, 100, 0));
	res("precv", recv(p, b, 64, 0));
	say("%s", b);
	close(pp[1]);
	res("eof", splice(pp[0], NULL, s, NULL, 100, 0));
	close(pp[0]);
	pair_close(s, p);
}

static void splice_full_pipe_loses_nothing(void)
{
	int s, p, pp[2];
	static char got[5000];
	long in = 0, out = 0;
	ssize_t r;
	pair(&s, &p);
	struct later l = {p, 0, WRITE1, 300000};
	pthread_t t = later(&l);

	if (pipe(pp))
		return;
	for (double t0 = now_s(); now_s() - t0 < 5 && out < 300000;) {
		if (in < 300000 &&
		    (r = splice(s, NULL, pp[1], NULL, 200000, SPLICE_F_NONBLOCK)) > 0)
			in += r;
		if (in > out &&
		    (r = read(pp[0], got, (size_t)(in - out) < 5000 ? (size_t)(in - out) : 5000)) >
			    0)
			for (ssize_t k = 0; k < r; k++, out++)
				if (got[k] != (char)(out * 7 + out / 251)) {
					say("differs at %ld", out);
					goto out;
				}
	}
	say("in=%ld out=%ld", in, out);
out:
	if (out < 300000)
		reset_peer(s);
	pthread_join(t, NULL);
	close(pp[0]);
	close(pp[1]);
	pair_close(s, p);
}

static void splice_errors(void)
{
	int s, p, pp[2], f = temp_file(10);
	loff_t off = 0;

	pair(&s, &p);
	if (pipe(pp))
		return;
	res("nopipe", splice(s, NULL, f, NULL, 10, 0));
	res("socks", splice(s, NULL, p, NULL, 10, 0));
	res("off", splice(s, &off, pp[1], NULL, 10, 0));
	res("pipeoff", splice(pp[0], &off, s, NULL, 10, 0));
	res("wrongend", splice(s, NULL, pp[0], NULL, 10, 0));
	res("flags", splice(s, NULL, pp[1], NULL, 10, 0x100));
	res("zero", splice(s, NULL, pp[1], NULL, 0, 0));
	close(pp[0]);
	close(pp[1]);
	close(f);
	pair_close(s, p);
}

/* ---- poll and select over them -------------------------------------------------------------- */

static void poll_states(void)
{
	int s, p;
	struct pollfd f;

	pair(&s, &p);
	f = (struct pollfd){s, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0};
	res("open", poll(&f, 1, 0));
	say("%x", (unsigned)f.revents);
	send(p, "x", 1, 0);
	nap();
	res("data", poll(&f, 1, 0));
	say("%x", (unsigned)f.revents);
	shutdown(p, SHUT_WR);
	nap();
	res("fin", poll(&f, 1, 0));
	say("%x", (unsigned)f.revents);
	shutdown(s, SHUT_WR);
	nap();
	res("both", poll(&f, 1, 0));
	say("%x", (unsigned)f.revents);
	pair_close(s, p);
	pair(&s, &p);
	f.fd = s;
	reset_peer(p);
	nap();
	res("reset", poll(&f, 1, 0));
	say("%x", (unsigned)f.revents);
	close(s);
}

static void poll_waits(void)
{
	int s, p;
	pair(&s, &p);
	struct pollfd f = {s, POLLIN, 0};
	struct later l = {p, 30, WRITE1, 3};
	double t0 = now_s();
	pthread_t t;

	res("timeout", poll(&f, 1, 50));
	say("took=%d", now_s() - t0 > 0.045 && now_s() - t0 < 0.25);
	t = later(&l);
	res("poll", poll(&f, 1, 2000));
	pthread_join(t, NULL);
	pair_close(s, p);
}

static void select_waits(void)
{
	int s, p;
	pair(&s, &p);
	struct later l = {p, 30, WRITE1, 3};
	struct timeval tv = {2, 0};
	fd_set r, w;
	pthread_t t = later(&l);

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(s, &r);
	res("select", select(s + 1, &r, NULL, NULL, &tv));
	say("set=%d left=%d", FD_ISSET(s, &r), tv.tv_sec == 1);
	FD_SET(s, &w);
	res("both", select(s + 1, &r, &w, NULL, NULL));
	pthread_join(t, NULL);
	pair_close(s, p);
}

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

/* ---- the list ------------------------------------------------------------------------------- */

#define BOTH(f)             \
	{                   \
#f, f, true \
	}
#define ONCE(f)              \
	{                    \
#f, f, false \
	}

static const struct {
	const char *name;
	void (*fn)(void);
	bool both_ways;
} cases[] = {
	BOTH(echo_small),
	BOTH(bulk_out),
	BOTH(bulk_in),
	BOTH(writev_order),
	BOTH(readv_scatter),
	BOTH(iov_limits),
	BOTH(zero_lengths),
	BOTH(nonblocking_empty),
	BOTH(nonblocking_fill),
	BOTH(peek),
	BOTH(peek_waitall),
	BOTH(trunc_drops),
	BOTH(waitall_eof),
	BOTH(waitall_timeout),
	BOTH(waitall_nonblock),
	BOTH(rcvlowat),
	BOTH(rcvtimeo),
	BOTH(sndtimeo_partial),
	BOTH(eintr_recv),
	BOTH(restart_recv),
	BOTH(restart_not_with_timeout),
	BOTH(recvmsg_fields),
	BOTH(sendto_connected),
	BOTH(mmsg_stream),
	BOTH(more_then_push),
	BOTH(cork),
	BOTH(peer_closes),
	BOTH(peer_resets),
	BOTH(reset_then_send),
	BOTH(reset_so_error),
	BOTH(reset_wakes),
	BOTH(sigpipe),
	BOTH(shutdown_wr),
	BOTH(shutdown_rd),
	BOTH(shutdown_rdwr),
	BOTH(shutdown_bad_how),
	BOTH(shutdown_wakes_reader),
	BOTH(close_with_unread_resets),
	BOTH(close_delivers),
	BOTH(linger_zero_resets),
	BOTH(linger_waits),
	BOTH(linger_gives_up),
	BOTH(names),
	BOTH(names_after_reset),
	ONCE(names_fresh),
	ONCE(bind_errors),
	BOTH(bind_connected),
	ONCE(listen_inuse),
	ONCE(listen_unbound),
	ONCE(listen_again),
	ONCE(listener_misuse),
	ONCE(accept_nonlistening),
	BOTH(accept_connected),
	ONCE(accept_empty),
	ONCE(accept_flags),
	ONCE(accept_inherits),
	ONCE(accept_dead),
	ONCE(accept_eintr),
	ONCE(listener_closes_queue),
	ONCE(listener_closes_accepted_lives),
	ONCE(listener_shut),
	ONCE(reuseport_two),
	ONCE(backlog_bounds),
	ONCE(connect_refused),
	ONCE(connect_nonblock),
	ONCE(connect_nonblock_refused),
	ONCE(connect_refused_then_connect),
	ONCE(connect_twice),
	ONCE(connect_errors),
	ONCE(connect_bound),
	ONCE(connect_no_port),
	ONCE(connect_dissolved),
	ONCE(unconnected),
	BOTH(opt_basics),
	BOTH(opt_roundtrip),
	ONCE(opt_early),
	BOTH(opt_congestion),
	BOTH(opt_lengths),
	BOTH(opt_tcp_info),
	BOTH(opt_cookie),
	BOTH(opt_zerocopy_late),
	BOTH(ioctl_queues),
	BOTH(ioctl_fin),
	BOTH(fionbio),
	BOTH(fcntl_flags),
	BOTH(stat_says_socket),
	BOTH(dup_lives),
	BOTH(dup_shares_flags),
	BOTH(dup2_over),
	BOTH(dup2_file_over),
	BOTH(close_errors),
	BOTH(close_range_some),
	BOTH(low_fd_reused),
	BOTH(close_while_reading),
	BOTH(fork_shares),
	ONCE(fork_listener),
	BOTH(sendfile_basics),
	BOTH(sendfile_short_file_arrives),
	BOTH(sendfile_nonblock),
	BOTH(sendfile_errors),
	BOTH(splice_in),
	BOTH(splice_out),
	BOTH(splice_full_pipe_loses_nothing),
	BOTH(splice_errors),
	BOTH(poll_states),
	BOTH(poll_waits),
	BOTH(select_waits),
	ONCE(udp_echo),
	ONCE(udp_any),
	ONCE(udp_truncation),
	ONCE(udp_zero_datagram),
	ONCE(udp_sizes),
	ONCE(udp_connected),
	ONCE(udp_refused),
	ONCE(udp_errors),
	ONCE(udp_shutdown),
	ONCE(udp_more),
	ONCE(udp_pktinfo),
	ONCE(udp_mmsg),
	ONCE(udp_sndbuf_opts),
	ONCE(udp_poll),
	ONCE(udp_bind_errors),
	ONCE(udp_both_doors),
};

#endif
