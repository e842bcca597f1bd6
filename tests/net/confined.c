/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that install a seccomp(2) filter for themselves when they have sockets of the stack,
 * and what they find they can do then. For tests/net/confined.sh:
 *
 *	confined server PORT WAY	WAY: one of ways[]
 *	confined client ADDRESS PORT	what the server says must come, in this order
 *	confined calls			the system calls that the filter "listed" allows, one a line
 *
 * "listed" is what the manual asks of a filter; "least" is what the program itself needs, natively.
 * Whatever else is called ends the process (SECCOMP_RET_KILL_PROCESS).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 8000
#define BULK 3000000u

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

struct call {
	int nr;
	const char *name;
};
#define CALL(name)                \
	{                         \
		SYS_##name, #name \
	}

/* What a program like this one does natively, and what libc does for it. */
static const struct call least[] = {CALL(read),  CALL(write),       CALL(close),
				    CALL(futex), CALL(exit_group),  CALL(rt_sigreturn),
#ifdef SYS_poll
				    CALL(poll),  CALL(epoll_wait),
#endif
				    CALL(ppoll), CALL(epoll_pwait), CALL(clock_gettime),
				    CALL(brk),   {-1, NULL}};

/* The manual's list, as far as it is not above. */
static const struct call listed[] = {CALL(sendto),     CALL(recvfrom),     CALL(sendmsg),
				     CALL(recvmsg),    CALL(sendmmsg),     CALL(epoll_create1),
				     CALL(epoll_ctl),  CALL(epoll_pwait2), CALL(eventfd2),
				     CALL(socket),     CALL(bind),         CALL(getsockname),
				     CALL(getsockopt), CALL(setsockopt),   CALL(fcntl),
				     CALL(dup3),       CALL(accept4),      CALL(mmap),
				     CALL(munmap),     CALL(openat),       CALL(clock_nanosleep),
				     CALL(getpid),     CALL(gettid),       CALL(tgkill),
				     CALL(bpf),        CALL(prlimit64),    CALL(rt_sigprocmask),
				     {-1, NULL}};

/* And what the program itself calls when it serves a listener. */
static const struct call accepting[] = {
#ifdef SYS_accept
	CALL(accept),
#endif
	CALL(accept4),
	{-1, NULL}};

static void die(const char *what)
{
	fprintf(stderr, "confined[%d]: %s: %s\n", getpid(), what, strerror(errno));
	exit(1);
}

/* ---- the filter ----------------------------------------------------------------------------- */

static struct sock_filter code[256];
static unsigned short ncode;

static void emit(uint16_t op, uint32_t k, uint8_t jt, uint8_t jf)
{
	code[ncode++] = (struct sock_filter){op, jt, jf, k};
}

static void allow(const struct call *c)
{
	for (; c->nr >= 0; c++) {
		emit(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)c->nr, 0, 1);
		emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	}
}

static void filter(const struct call *more, const struct call *most)
{
	struct sock_fprog prog = {.filter = code};

	ncode = 0;
	emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	emit(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	emit(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	allow(least);
	if (more)
		allow(more);
	if (most)
		allow(most);
	emit(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	prog.len = ncode;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("no_new_privs");
	if (more == listed ? (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog)
			   : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		die("seccomp");
}

/* ---- what a confined process does: it ends by _exit(), for stdio would ask for fstat() ------ */

static void must(int ok, int line)
{
	if (!ok)
		_exit(line > 255 ? line % 200 + 1 : line);
}
#define MUST(x) must(!!(x), __LINE__)

static char line[64];

/* A line; "" at the end; "?" for an error, or a time-out. */
static const char *hear(int c)
{
	ssize_t r = 0;
	size_t n = 0;

	while (n < sizeof(line) - 1 && (r = read(c, line + n, 1)) == 1 && line[n] != '\n')
		n++;
	line[n] = 0;
	return r < 0 ? "?" : line;
}

static void say(int c, const char *text)
{
	MUST(write(c, text, strlen(text)) == (ssize_t)strlen(text));
}

static char bulk[BULK];

static void bulk_both(int c)
{
	size_t n = 0;
	ssize_t r;

	while (n < BULK) {
		r = read(c, bulk + n, BULK - n);
		MUST(r > 0);
		n += (size_t)r;
	}
	for (n = 0; n < BULK; n += (size_t)r) {
		r = write(c, bulk + n, BULK - n);
		MUST(r > 0);
	}
}

/* Blocking, by poll() with and without a time, beside a descriptor of the kernel's, by epoll. */
static void serve(int c, int ep, int pipe_fd)
{
	struct pollfd p[2] = {{.fd = c, .events = POLLIN}, {.fd = pipe_fd, .events = POLLIN}};
	struct epoll_event ev;

	say(c, "ready\n");
	MUST(!strcmp(hear(c), "blocking"));
	say(c, "blocking\n");
	MUST(poll(p, 1, -1) == 1 && !strcmp(hear(c), "poll"));
	MUST(poll(p, 1, 50) == 0);
	say(c, "poll\n");
	MUST(poll(p, 2, WAIT_MS) == 1 && p[0].revents && !strcmp(hear(c), "both"));
	say(c, "both\n");
	if (ep >= 0) {
		MUST(epoll_wait(ep, &ev, 1, WAIT_MS) == 1 && ev.data.fd == c);
		MUST(!strcmp(hear(c), "epoll"));
		MUST(epoll_wait(ep, &ev, 1, 50) == 0);
	} else {
		MUST(!strcmp(hear(c), "epoll"));
	}
	say(c, "epoll\n");
	bulk_both(c);
	say(c, "end\n");
}

static int set_of(int c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = c};
	int ep = epoll_create1(0);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev))
		die("epoll");
	return ep;
}

/* ---- the server ----------------------------------------------------------------------------- */

static int pipe_fds[2];

static void *threads_work(void *arg)
{
	int c = *(int *)arg;

	serve(c, set_of(c), pipe_fds[0]);
	return NULL;
}

/* A child for each connection, which the parent closes: the sandbox of sshd, vsftpd and others. */
static void way_child(int l)
{
	int c = accept(l, NULL, NULL), status, ep;
	pid_t pid = fork();

	if (pid == 0) {
		close(l);
		ep = set_of(c);
		filter(NULL, NULL);
		serve(c, ep, pipe_fds[0]);
		close(c);
		_exit(0);
	}
	close(c);
	waitpid(pid, &status, 0);
	if (status)
		fprintf(stderr, "confined: the child ended with %#x\n", status), exit(1);
}

/* Nobody else in the family: its own helper does it. */
static void way_alone(int l)
{
	int c = accept(l, NULL, NULL), ep = set_of(c);

	close(l);
	filter(NULL, NULL);
	serve(c, ep, pipe_fds[0]);
	_exit(0);
}

/* A filter that allows what the manual lists: nothing changes, the listener stays the stack's. */
static void way_listed(int l)
{
	int c, status;
	pid_t pid = fork();

	if (pid == 0) {
		filter(listed, accepting);
		c = accept(l, NULL, NULL);
		serve(c, set_of(c), pipe_fds[0]);
		close(c);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status)
		fprintf(stderr, "confined: the worker ended with %#x\n", status), exit(1);
}

/* The same in a program of several threads, one of which sleeps when the other is confined. */
static void way_threads(int l)
{
	int c = accept(l, NULL, NULL);
	pthread_t t;
	void *ret;

	if (pthread_create(&t, NULL, threads_work, &c))
		die("thread");
	usleep(200000);
	filter(NULL, NULL);
	MUST(pthread_join(t, &ret) == 0);
	_exit(0);
}

/* One that has a listener: it is the kernel's then, and serves. */
static void way_listener(int l)
{
	int c = accept(l, NULL, NULL), d, ep = set_of(c);

	filter(accepting, (const struct call[]){CALL(epoll_pwait), CALL(fcntl), {-1, NULL}});
	serve(c, ep, pipe_fds[0]);
	close(c);
	d = accept(l, NULL, NULL);
	MUST(d >= 0);
	serve(d, -1, pipe_fds[0]);
	_exit(0);
}

/* One who waits has to be accepted with calls that are allowed, or not at all. */
static void way_queue(int l)
{
	struct pollfd p = {.fd = l, .events = POLLIN};
	int c = accept(l, NULL, NULL), d;

	MUST(poll(&p, 1, WAIT_MS) == 1);
	filter(accepting, NULL);
	say(c, "x\n");
	d = accept(l, NULL, NULL);
	MUST(d >= 0);
	say(d, "y\n");
	_exit(0);
}

static const struct {
	const char *name;
	void (*go)(int l);
} ways[] = {{"child", way_child},     {"alone", way_alone},       {"listed", way_listed},
	    {"threads", way_threads}, {"listener", way_listener}, {"queue", way_queue}};

static int server(int port, const char *way)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) || listen(l, 16) || pipe(pipe_fds))
		die("listen");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(ways[i].name, way)) {
			ways[i].go(l);
			return 0;
		}
	return 2;
}

/* ---- the client ----------------------------------------------------------------------------- */

static void heard(int s, const char *want)
{
	const char *got = hear(s);

	if (strcmp(got, want)) {
		fprintf(stderr, "confined: heard \"%s\", not \"%s\"\n", got, want);
		exit(1);
	}
}

static void exchange(int s, const char *word)
{
	char text[32];

	usleep(60000); /* until it sleeps */
	snprintf(text, sizeof(text), "%s\n", word);
	say(s, text);
	heard(s, word);
}

static void *send_bulk(void *arg)
{
	int s = *(int *)arg;
	static char out[BULK];
	ssize_t r;

	for (size_t i = 0; i < BULK; i++)
		out[i] = (char)(i * 31 >> 7);
	for (size_t n = 0; n < BULK; n += (size_t)r) {
		r = write(s, out + n, BULK - n);
		if (r <= 0)
			die("write");
	}
	return NULL;
}

static int client(const char *ip, int port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct timeval tv = {WAIT_MS / 1000, 0};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t t;
	ssize_t r;

	inet_pton(AF_INET, ip, &sin.sin_addr);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(s, (struct sockaddr *)&sin, sizeof(sin)))
		die("connect");
	heard(s, "ready");
	exchange(s, "blocking");
	exchange(s, "poll");
	exchange(s, "both");
	exchange(s, "epoll");
	pthread_create(&t, NULL, send_bulk, &s);
	for (size_t n = 0; n < BULK; n += (size_t)r) {
		r = read(s, bulk + n, BULK - n);
		if (r <= 0)
			die("bulk");
	}
	pthread_join(t, NULL);
	for (size_t i = 0; i < BULK; i++)
		if (bulk[i] != (char)(i * 31 >> 7)) {
			fprintf(stderr, "confined: byte %zu differs\n", i);
			return 1;
		}
	heard(s, "end");
	heard(s, "");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "calls")) {
		for (const struct call *c = listed; c->name; c++)
			puts(c->name);
		for (const struct call *c = least; c->name; c++)
			puts(c->name);
		return 0;
	}
	if (argc != 4)
		return 2;
	if (!strcmp(argv[1], "client"))
		return client(argv[2], atoi(argv[3]));
	return server(atoi(argv[2]), argv[3]);
}
