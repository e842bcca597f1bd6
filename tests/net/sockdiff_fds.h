/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. ioctl and fcntl, duplicates, files and pipes, poll and select. */
#ifndef SOCKDIFF_FDS_H
#define SOCKDIFF_FDS_H

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
	/* As fill(): what is acknowledged meanwhile makes room again. */
	for (int i = 0; i < 10; i++) {
		while ((r = sendfile(s, f, &off, sizeof(big))) > 0 && all < 64 << 20) {
			all += r;
			i = 0;
			if (off == sizeof(big))
				off = 0;
		}
		usleep(2000);
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

#endif
