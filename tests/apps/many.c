/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Very many connections, open and idle, and then each used once.
 *
 *   many serve PORT WORKERS
 *   many client HOST PORT WORKERS CONNECTIONS
 *
 * The server is a family of processes, one for each port from PORT on, which echo: neither a client
 * address's ports nor a process's descriptors need suffice for all. So are the clients, one to a
 * port. They open all connections, say "open N" and wait until their standard input ends; then each
 * connection sends a message of its own, takes it back and is closed, and they say "used N". Fails
 * with the first error, or when nothing has come for 20 s. An ordinary epoll program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS 256
/* At once, of each process: what a link and a listener take without losing any. */
#define CONNECTING_MAX 200u
#define USING_MAX 200u
#define SILENCE_MS 20000
#define MESSAGE_BYTES 24u

static int ep;

static void die(const char *what)
{
	fprintf(stderr, "many: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int fd, uint32_t events, uint64_t data, bool first)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	if (epoll_ctl(ep, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev))
		die("epoll_ctl");
}

static void epoll_make(void)
{
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		die("epoll_create1");
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

/* ---- the server ----------------------------------------------------------------------------- */

static void echo(int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	if (n > 0 && send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	if (n < 0 && errno == EAGAIN)
		return;
	close(fd);
}

static int listener_make(int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int one = 1, fd = tcp_socket();

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 4096))
		die("listen");
	return fd;
}

_Noreturn static void worker(int listener)
{
	struct epoll_event ev[EVENTS];

	epoll_make();
	watch(listener, EPOLLIN, (uint64_t)listener, true);
	for (;;) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = (int)ev[i].data.u64, c;

			if (fd != listener) {
				echo(fd);
				continue;
			}
			while ((c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
				watch(c, EPOLLIN, (uint64_t)c, true);
			if (errno != EAGAIN)
				die("accept");
		}
	}
}

/* Ends when the first of its workers does. */
static int serve(int port, int workers)
{
	int *listeners = calloc((size_t)workers, sizeof(*listeners));

	if (!listeners)
		die("calloc");
	for (int i = workers - 1; i >= 0; i--) /* the first port answers when all do */
		listeners[i] = listener_make(port + i);
	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			worker(listeners[i]);
		}
	}
	wait(NULL);
	return 1;
}

/* ---- the client ----------------------------------------------------------------------------- */

static int *fds;

static int events_wait(struct epoll_event *ev)
{
	int n = epoll_wait(ep, ev, EVENTS, SILENCE_MS);

	if (n == 0)
		errno = ETIMEDOUT;
	if (n <= 0)
		die("epoll_wait");
	return n;
}

static void open_all(struct sockaddr_in to, uint32_t conns)
{
	struct epoll_event ev[EVENTS];
	uint32_t begun = 0, done = 0;

	while (done < conns) {
		for (; begun < conns && begun - done < CONNECTING_MAX; begun++) {
			fds[begun] = tcp_socket();
			if (connect(fds[begun], (struct sockaddr *)&to, sizeof(to)) &&
			    errno != EINPROGRESS)
				die("connect");
			watch(fds[begun], EPOLLOUT, begun, true);
		}
		for (int i = 0, n = events_wait(ev); i < n; i++, done++) {
			int err = 0;
			socklen_t len = sizeof(err);

			getsockopt(fds[ev[i].data.u64], SOL_SOCKET, SO_ERROR, &err, &len);
			errno = err;
			if (err)
				die("connect");
			watch(fds[ev[i].data.u64], EPOLLIN, ev[i].data.u64, false);
		}
	}
}

static void message(char *out, uint64_t id)
{
	snprintf(out, MESSAGE_BYTES, "connection %012llu", (unsigned long long)id);
}

static void use_all(uint32_t conns)
{
	struct epoll_event ev[EVENTS];
	uint32_t begun = 0, done = 0;
	char is[MESSAGE_BYTES], want[MESSAGE_BYTES];

	while (done < conns) {
		for (; begun < conns && begun - done < USING_MAX; begun++) {
			message(want, begun);
			if (send(fds[begun], want, sizeof(want), MSG_NOSIGNAL) != sizeof(want))
				die("send");
		}
		for (int i = 0, n = events_wait(ev); i < n; i++, done++) {
			ssize_t r = recv(fds[ev[i].data.u64], is, sizeof(is), 0);

			message(want, ev[i].data.u64);
			if (r != (ssize_t)sizeof(is) || memcmp(is, want, sizeof(is)) != 0)
				die("an echo is not what was sent");
			close(fds[ev[i].data.u64]);
		}
	}
}

/* One of the clients: says a byte on out when all are open, and goes on when go ends. */
static int opener(const struct sockaddr_in *to, uint32_t conns, int out, int go)
{
	char c = 0;

	epoll_make();
	fds = calloc(conns, sizeof(*fds));
	if (!fds)
		die("calloc");
	open_all(*to, conns);
	if (write(out, &c, 1) != 1 || read(go, &c, 1) != 0)
		die("pipe");
	use_all(conns);
	return 0;
}

static int client(const char *host, int port, int workers, uint32_t conns)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int out[2], go[2], bad = 0, status;
	char c;

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || pipe(out) || pipe(go))
		die(host);
	for (int i = 0; i < workers; i++) {
		uint32_t n = conns / (uint32_t)workers + ((uint32_t)i < conns % (uint32_t)workers);
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			close(go[1]);
			to.sin_port = htons((uint16_t)(port + i));
			exit(opener(&to, n, out[1], go[0]));
		}
	}
	close(out[1]);
	for (int i = 0; i < workers; i++)
		bad |= read(out[0], &c, 1) != 1;
	if (!bad) {
		printf("open %u\n", conns);
		fflush(stdout);
		while (read(0, &c, 1) > 0)
			;
	}
	close(go[1]);
	while (wait(&status) > 0)
		bad |= status != 0;
	if (!bad)
		printf("used %u\n", conns);
	return bad;
}

int main(int argc, char **argv)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	if (argc == 4 && !strcmp(argv[1], "serve") && atoi(argv[3]) > 0)
		return serve(atoi(argv[2]), atoi(argv[3]));
	if (argc == 6 && !strcmp(argv[1], "client") && atoi(argv[4]) > 0)
		return client(argv[2], atoi(argv[3]), atoi(argv[4]),
			      (uint32_t)strtoul(argv[5], NULL, 0));
	fprintf(stderr,
		"usage: many serve PORT WORKERS | many client HOST PORT WORKERS CONNECTIONS\n");
	return 2;
}
