/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A descriptor as such: who it is at every stage of a connection's life, its owner and SIGIO,
 * streams over it, and what /proc says.
 */
#ifndef SOCKDIFF_ASYNC_H
#define SOCKDIFF_ASYNC_H

#include <sys/syscall.h>

/* ---- SIGIO ---------------------------------------------------------------------------------- */

static volatile int io_sigs, io_in, io_out, io_other;
static volatile int io_fd, io_code_kernel;

static void on_io(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	io_sigs++;
	io_fd = info->si_fd;
	io_code_kernel = info->si_code == SI_KERNEL;
	io_in += info->si_code == POLL_IN;
	io_out += info->si_code == POLL_OUT;
	io_other += info->si_code != POLL_IN && info->si_code != POLL_OUT;
}

static void io_catch(int sig)
{
	struct sigaction sa = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigaction(sig, &sa, NULL);
	io_sigs = io_in = io_out = io_other = 0;
}

/* Whether there was any: how many there are is a matter of how packets fell. */
static void io_say(const char *what)
{
	nap();
	say("%s=%d", what, io_sigs > 0);
	io_sigs = 0;
}

static void io_async(int fd)
{
	ok("own", fcntl(fd, F_SETOWN, getpid()));
	ok("async", fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
	say("is=%d", !!(fcntl(fd, F_GETFL) & O_ASYNC));
}

static void sigio_data(void)
{
	int s, p;

	io_catch(SIGIO);
	pair(&s, &p);
	io_async(s);
	io_say("idle");
	send(p, "abc", 3, 0);
	io_say("data");
	recv(s, sink, 10, 0);
	io_say("read");
	send(s, "abc", 3, 0);
	io_say("sent");
	recv(p, sink, 10, 0);
	io_say("acked");
	shutdown(p, SHUT_WR);
	io_say("fin");
	ok("off", fcntl(s, F_SETFL, fcntl(s, F_GETFL) & ~O_ASYNC));
	close(p);
	io_say("none");
	close(s);
}

static void sigio_reset(void)
{
	int s, p;

	io_catch(SIGIO);
	pair(&s, &p);
	io_async(s);
	reset_peer(p);
	io_say("reset");
	close(s);
}

static void sigio_accept(void)
{
	int l = listener(false, 5), c = peer_socket(SOCK_STREAM), a;

	io_catch(SIGIO);
	io_async(l);
	ok("connect", connect_end(c, false, port_of(l)));
	io_say("came");
	a = accept(l, NULL, NULL);
	say("inherits=%d own=%d", !!(fcntl(a, F_GETFL) & O_ASYNC), fcntl(a, F_GETOWN) != 0);
	send(c, "abc", 3, 0);
	io_say("data");
	close(a);
	close(c);
	close(l);
}

static void sigio_connect(void)
{
	int l = listener(true, 5), s = own_socket(SOCK_STREAM);

	io_catch(SIGIO);
	nonblock(s);
	io_async(s);
	io_sigs = 0;
	ok("connect", connect_end(s, true, port_of(l)));
	io_say("made");
	close(s);
	close(l);
}

static void sigio_udp(void)
{
	int s = own_socket(SOCK_DGRAM), p = peer_socket(SOCK_DGRAM);
	union any_addr a;
	socklen_t len = end_of(&a, false, 0);

	io_catch(SIGIO);
	bind(s, &a.sa, len);
	io_async(s);
	connect_end(p, false, port_of(s));
	send(p, "abc", 3, 0);
	io_say("came");
	res("recv", recv(s, sink, 10, MSG_DONTWAIT));
	close(s);
	close(p);
}

static void sigio_setsig(void)
{
	int s, p, sig = SIGRTMIN + 3;

	io_catch(sig);
	pair(&s, &p);
	res("sig", fcntl(s, F_GETSIG));
	ok("set", fcntl(s, F_SETSIG, sig));
	say("is=%d", fcntl(s, F_GETSIG) == sig);
	res("bad", fcntl(s, F_SETSIG, 1000));
	io_async(s);
	io_fd = -1;
	send(p, "abc", 3, 0);
	nap();
	say("fd=%d in=%d other=%d", io_fd == s, io_in > 0, io_other);
	io_say("any");
	pair_close(s, p);
}

/* Who waits for it, in place of a handler, is told the same. */
static void sigio_waited(void)
{
	struct timespec soon = {1, 0};
	int s, p, sig = SIGRTMIN + 4;
	sigset_t set, was;
	siginfo_t info = {0};

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, &was);
	pair(&s, &p);
	ok("set", fcntl(s, F_SETSIG, sig));
	io_async(s);
	while (sigtimedwait(&set, NULL, &(struct timespec){0, 0}) == sig)
		;
	send(p, "abc", 3, 0);
	say("timed=%d", sigtimedwait(&set, &info, &soon) == sig);
	say("in=%d band=%d fd=%d", info.si_code == POLL_IN, !!(info.si_band & POLLIN),
	    info.si_fd == s);
	memset(&info, 0, sizeof(info));
	recv(s, sink, 3, 0);
	while (sigtimedwait(&set, NULL, &(struct timespec){0, 0}) == sig)
		;
	send(p, "abc", 3, 0);
	say("info=%d", sigwaitinfo(&set, &info) == sig);
	say("in=%d", info.si_code == POLL_IN);
	res("null", sigtimedwait(&set, NULL, &(struct timespec){0, -1}));
	pair_close(s, p);
	while (sigtimedwait(&set, NULL, &(struct timespec){0, 0}) == sig)
		;
	sigprocmask(SIG_SETMASK, &was, NULL);
}

static void sigio_before(void)
{
	struct f_owner_ex own = {F_OWNER_TID, (int)syscall(SYS_gettid)};
	int s = own_socket(SOCK_STREAM), l = listener(true, 5), a;

	io_catch(SIGIO);
	ok("own", fcntl(s, F_SETOWN_EX, &own));
	ok("async", fcntl(s, F_SETFL, O_ASYNC));
	ok("connect", connect_end(s, true, port_of(l)));
	a = accept(l, NULL, NULL);
	nap();
	io_sigs = 0;
	send(a, "abc", 3, 0);
	io_say("data");
	own = (struct f_owner_ex){0, 0};
	ok("get", fcntl(s, F_GETOWN_EX, &own));
	say("type=%d tid=%d", own.type, own.pid == (int)syscall(SYS_gettid));
	close(s);
	close(a);
	close(l);
}

static void sigio_ioctl(void)
{
	int s, p, on = 1, pid = getpid(), got = 0;

	io_catch(SIGIO);
	pair(&s, &p);
	ok("own", ioctl(s, FIOSETOWN, &pid));
	ok("get", ioctl(s, FIOGETOWN, &got));
	say("same=%d fcntl=%d", got == pid, fcntl(s, F_GETOWN) == pid);
	got = 0;
	ok("pgrp", ioctl(s, SIOCGPGRP, &got));
	say("same=%d", got == pid);
	ok("on", ioctl(s, FIOASYNC, &on));
	say("is=%d", !!(fcntl(s, F_GETFL) & O_ASYNC));
	send(p, "abc", 3, 0);
	io_say("data");
	on = 0;
	ok("off", ioctl(s, FIOASYNC, &on));
	say("is=%d", !!(fcntl(s, F_GETFL) & O_ASYNC));
	send(p, "abc", 3, 0);
	io_say("data");
	pair_close(s, p);
}

static void owner_kinds(void)
{
	struct f_owner_ex own = {F_OWNER_PGRP, getpgrp()};
	int s, p, d;

	pair(&s, &p);
	res("none", fcntl(s, F_GETOWN));
	own.type = F_OWNER_PGRP;
	ok("pgrp", fcntl(s, F_SETOWN_EX, &own));
	say("neg=%d", fcntl(s, F_GETOWN) == -getpgrp());
	own.type = 77;
	res("badtype", fcntl(s, F_SETOWN_EX, &own));
	res("badpid", fcntl(s, F_SETOWN, 0x3fffffff));
	ok("own", fcntl(s, F_SETOWN, getpid()));
	d = dup(s);
	say("shared=%d", fcntl(d, F_GETOWN) == getpid());
	ok("clear", fcntl(d, F_SETOWN, 0));
	res("none", fcntl(s, F_GETOWN));
	close(d);
	pair_close(s, p);
}

/* ---- who is it, at every stage -------------------------------------------------------------- */

static void who(const char *stage, int fd)
{
	union any_addr a;
	struct stat st;
	socklen_t len = sizeof(a);
	char path[64], link[64] = "";
	int v, r;

	say("%s:", stage);
	memset(&a, 0, sizeof(a));
	r = getsockname(fd, &a.sa, &len);
	res("name", r);
	if (r == 0)
		say("len=%d fam=%d port=%d any=%d", (int)len, a.sa.sa_family, a.in.sin_port != 0,
		    over == V4 && a.in.sin_addr.s_addr == 0);
	len = sizeof(a);
	memset(&a, 0, sizeof(a));
	r = getpeername(fd, &a.sa, &len);
	res("peer", r);
	if (r == 0)
		say("len=%d fam=%d port=%d", (int)len, a.sa.sa_family, a.in.sin_port != 0);
	say("type=%d dom=%d proto=%d acc=%d err=%d", opt_int(fd, SOL_SOCKET, SO_TYPE),
	    opt_int(fd, SOL_SOCKET, SO_DOMAIN), opt_int(fd, SOL_SOCKET, SO_PROTOCOL),
	    opt_int(fd, SOL_SOCKET, SO_ACCEPTCONN), opt_int(fd, SOL_SOCKET, SO_ERROR));
	v = -7;
	res("inq", ioctl(fd, FIONREAD, &v));
	say("%d", v);
	if (strcmp(stage, "refused")) { /* then Linux tells sequence numbers */
		v = -7;
		res("outq", ioctl(fd, SIOCOUTQ, &v));
		say("%d", v);
		v = -7;
		res("nsd", ioctl(fd, SIOCOUTQNSD, &v));
		say("%d", v);
	}
	v = -7;
	res("mark", ioctl(fd, SIOCATMARK, &v));
	say("%d", v);
	res("stat", fstat(fd, &st));
	say("sock=%d", S_ISSOCK(st.st_mode));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = (int)readlink(path, link, sizeof(link) - 1);
	say("link=%d", r > 0 && !strncmp(link, "socket:[", 8));
}

static void who_server(void)
{
	int l = own_socket(SOCK_STREAM), c;
	union any_addr a;
	socklen_t len = end_of(&a, false, 0);

	who("unbound", l);
	bind(l, &a.sa, len);
	who("bound", l);
	listen(l, 5);
	who("listening", l);
	c = peer_socket(SOCK_STREAM);
	ok("connect", connect_end(c, false, port_of(l)));
	nap();
	who("one", l);
	close(c);
	shutdown(l, SHUT_RD);
	who("shut", l);
	close(l);
}

static void who_client(void)
{
	int s, p;

	pair(&s, &p);
	who("made", s);
	send(p, "abc", 3, 0);
	nap();
	who("data", s);
	recv(s, sink, 10, 0);
	shutdown(s, SHUT_WR);
	nap();
	who("half", s);
	shutdown(p, SHUT_WR);
	nap();
	who("both", s);
	pair_close(s, p);
	pair(&s, &p);
	shutdown(p, SHUT_WR);
	nap();
	who("fin", s);
	close(p);
	shutdown(s, SHUT_WR);
	nap();
	who("last", s);
	close(s);
}

static void who_reset(void)
{
	int s, p;

	pair(&s, &p);
	send(p, "abc", 3, 0);
	nap();
	reset_peer(p);
	nap();
	who("reset", s);
	who("after", s);
	close(s);
}

static void who_refused(void)
{
	int l = listener(true, 5), port = port_of(l), s = own_socket(SOCK_STREAM);

	close(l);
	res("connect", connect_end(s, true, port));
	who("refused", s);
	close(s);
}

static void who_udp(void)
{
	int s = own_socket(SOCK_DGRAM), p = peer_socket(SOCK_DGRAM);
	union any_addr a;
	socklen_t len = end_of(&a, true, 0);

	who("unbound", s);
	bind(p, &a.sa, len);
	len = end_of(&a, false, 0);
	bind(s, &a.sa, len);
	who("bound", s);
	connect_end(s, true, port_of(p));
	who("connected", s);
	shutdown(s, SHUT_RDWR);
	who("shut", s);
	close(s);
	close(p);
}

/* ---- stdio, and other ways to a descriptor -------------------------------------------------- */

static void stdio_on_socket(void)
{
	int s, p;
	char text[64] = "";
	FILE *f;

	pair(&s, &p);
	f = fdopen(s, "r+");
	setvbuf(f, NULL, _IOLBF, 0);
	send(p, "one\ntwo\nthree", 13, 0);
	nap();
	say("%s", fgets(text, sizeof(text), f) ? "line" : "none");
	text[strcspn(text, "\n")] = 0;
	say("%s", text);
	if (fgets(text, sizeof(text), f))
		text[3] = 0;
	say("%s", text);
	res("put", fprintf(f, "hello %d\n", 42));
	res("flush", fflush(f));
	nap();
	res("precv", recv(p, text, sizeof(text), MSG_DONTWAIT));
	shutdown(p, SHUT_WR);
	nap();
	say("%d%d%d%d%d", fgetc(f), fgetc(f), fgetc(f), fgetc(f), fgetc(f));
	say("eof=%d", fgetc(f) == EOF && feof(f));
	res("fclose", fclose(f));
	res("after", fcntl(s, F_GETFD));
	nap();
	res("peof", recv(p, text, sizeof(text), MSG_DONTWAIT));
	close(p);
}

/* dprintf() and the like have no name of a call between them and the kernel's. */
static void stdio_dprintf(void)
{
	int s, p;

	pair(&s, &p);
	res("put", dprintf(s, "hello %d", 42));
	nap();
	res("precv", recv(p, sink, 100, MSG_DONTWAIT));
	pair_close(s, p);
}

/* As inetd's children have it; what exit() flushes arrives, too. */
static void stdio_standard(void)
{
	char text[64] = "";
	int s, p, st;
	pid_t pid;

	pair(&s, &p);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(p);
		printf("early ");
		dup2(s, 0);
		dup2(s, 1);
		if (!fgets(text, sizeof(text), stdin))
			_exit(9);
		printf("got %s", text);
		puts("end");
		exit(3);
	}
	close(s);
	send(p, "line\n", 5, 0);
	waitpid(pid, &st, 0);
	nap();
	res("precv", recv(p, text, sizeof(text) - 1, MSG_DONTWAIT));
	text[strcspn(text, "\n")] = '/';
	text[strcspn(text, "\n")] = 0;
	say("'%s' exit=%d", text, WEXITSTATUS(st));
	close(p);
}

/* The buffering that stdout was given before goes on: a line is out when it is printed. */
static void stdio_buffering(void)
{
	static const int modes[] = {_IONBF, _IOLBF, _IOFBF};
	struct pollfd f = {.events = POLLIN};
	char byte;
	int s, p, st;
	pid_t pid;

	for (int i = 0; i < 3; i++) {
		pair(&s, &p);
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			close(p);
			setvbuf(stdout, NULL, modes[i], i ? 4096 : 0);
			dup2(s, 1);
			printf("line\nmore");
			if (read(s, &byte, 1) != 1)
				_exit(9);
			_exit(0);
		}
		close(s);
		f.fd = p;
		poll(&f, 1, modes[i] == _IOFBF ? 100 : 2000);
		res("precv", recv(p, sink, 100, MSG_DONTWAIT));
		send(p, "x", 1, 0);
		waitpid(pid, &st, 0);
		say("exit=%d", WEXITSTATUS(st));
		close(p);
	}
}

/* A stream that a socket has come to lie below closes it as close() does. */
static void stdio_closes(void)
{
	int l = listener(false, 5), port = port_of(l), c = peer_socket(SOCK_STREAM), a, b;
	FILE *f = fopen("/dev/null", "r");
	union any_addr addr;
	socklen_t len = end_of(&addr, false, port);

	connect_end(c, false, port);
	a = accept(l, NULL, NULL);
	dup2(l, fileno(f));
	close(l);
	res("fclose", fclose(f));
	b = own_socket(SOCK_STREAM);
	ok("held", bind(b, &addr.sa, len));
	send(c, "abc", 3, 0);
	say("read=%ld", read_all(a, 3));
	close(a);
	close(b);
	close(c);
}

static void *stdio_wait(void *arg)
{
	return (void *)(intptr_t)fgetc(arg);
}

/* exit() flushes what is to be sent while another thread waits for a line that never comes. */
static void stdio_exit_beside_reader(void)
{
	int s, p, st, u[2];
	pthread_t t;
	pid_t pid;
	FILE *f;

	pair(&s, &p);
	if (pipe(u))
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm_in_ms(1000);
		signal(SIGALRM, SIG_DFL);
		pthread_create(&t, NULL, stdio_wait, fdopen(u[0], "r"));
		f = fdopen(s, "w");
		fprintf(f, "bye");
		usleep(50000);
		exit(3);
	}
	waitpid(pid, &st, 0);
	say("status=%x", (unsigned)st);
	res("precv", recv(p, sink, 100, 0));
	pair_close(u[0], u[1]);
	pair_close(s, p);
}

static void dup_flags_shared(void)
{
	int s, p, d, e, on = 1;

	pair(&s, &p);
	d = fcntl(s, F_DUPFD_CLOEXEC, 50);
	e = dup3(s, 60, O_CLOEXEC);
	say("cloexec=%d,%d,%d", fcntl(s, F_GETFD), fcntl(d, F_GETFD), fcntl(e, F_GETFD));
	ioctl(d, FIONBIO, &on);
	say("nb=%d,%d", !!(fcntl(s, F_GETFL) & O_NONBLOCK), !!(fcntl(e, F_GETFL) & O_NONBLOCK));
	ok("fioclex", ioctl(s, FIOCLEX));
	say("cloexec=%d", fcntl(s, F_GETFD));
	ok("fionclex", ioctl(d, FIONCLEX));
	say("cloexec=%d,%d,%d", fcntl(s, F_GETFD), fcntl(d, F_GETFD), fcntl(e, F_GETFD));
	set_int(e, IPPROTO_TCP, TCP_NODELAY, 1);
	say("nodelay=%d", opt_int(s, IPPROTO_TCP, TCP_NODELAY));
	res("dupmax", fcntl(s, F_DUPFD, -1));
	shutdown(d, SHUT_WR);
	res("send", send(s, "x", 1, MSG_NOSIGNAL));
	closefrom(50);
	res("d", fcntl(d, F_GETFD));
	res("e", fcntl(e, F_GETFD));
	res("s", fcntl(s, F_GETFL) >= 0);
	pair_close(s, p);
}

/* clang-format off */
ADD_CASES(async_cases,
	BOTH(sigio_data),
	BOTH(sigio_reset),
	ONCE(sigio_accept),
	ONCE(sigio_connect),
	ONCE(sigio_udp),
	BOTH(sigio_setsig),
	BOTH(sigio_waited),
	ONCE(sigio_before),
	BOTH(sigio_ioctl),
	BOTH(owner_kinds),
	EACH(who_server),
	BOTH(who_client),
	BOTH(who_reset),
	EACH(who_refused),
	EACH(who_udp),
	BOTH(stdio_on_socket),
	BOTH(stdio_dprintf),
	BOTH(stdio_standard),
	BOTH(stdio_buffering),
	EACH(stdio_closes),
	BOTH(stdio_exit_beside_reader),
	BOTH(dup_flags_shared))
/* clang-format on */

#endif
