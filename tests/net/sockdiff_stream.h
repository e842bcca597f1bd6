/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. Streams: out and in, and the end of a connection. */
#ifndef SOCKDIFF_STREAM_H
#define SOCKDIFF_STREAM_H

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

/* The end that has come stays what a reader is told, and leaves the error to a writer. */
static void reset_after_end(void)
{
	struct pollfd f = {.events = POLLIN | POLLRDHUP};
	socklen_t len = sizeof(int);
	char b[4];
	int s, p, err = 0;

	for (int i = 0; i < 2; i++) {
		pair(&s, &p);
		f.fd = s;
		close(p);
		nap();
		res("send", send(s, "x", 1, MSG_NOSIGNAL)); /* answered with a reset */
		nap();
		res("poll", poll(&f, 1, 0));
		say("%x", (unsigned)f.revents);
		res("recv", recv(s, b, 4, 0));
		res("peek", recv(s, b, 4, MSG_PEEK));
		if (i)
			getsockopt(s, SOL_SOCKET, SO_ERROR, &err, &len);
		say("so_error=%d", err);
		res("send", send(s, "x", 1, MSG_NOSIGNAL));
		res("recv", recv(s, b, 4, 0));
		close(s);
	}
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

/* Closed by name, by what takes its number, by a range. */
static long close_by(unsigned way, int s, int other)
{
	if (way == 1)
		return dup2(other, s) == s ? close(s) : -1;
	return way == 2 ? close_range((unsigned)s, (unsigned)s, 0) : close(s);
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
	ok("close", close_by(case_arg, s, STDERR_FILENO));
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
	/* more than the peer takes, whatever its buffer and the congestion window are */
	set_int(p, SOL_SOCKET, SO_RCVBUF, 20000);
	set_int(s, SOL_SOCKET, SO_SNDBUF, 200000);
	nonblock(s);
	fill(s);
	t0 = now_s();
	ok("close", close(s));
	t0 = now_s() - t0;
	say("waited=%d", t0 > 0.9 && t0 < 1.6);
	reset_peer(p);
}

#endif
