/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server whose workers are killed at random instants, and its clients. Knows nothing of the shim.
 *
 *   killer server PORT SEED KILLS WORKERS   echoes; kills one of its workers every few
 *                                           milliseconds, KILLS times, starts another in its
 *                                           place, and serves on
 *   killer client ADDRESS PORT SEED MS      for so long; then says how connections ended
 *
 * A client's connection may end at any time, by FIN or RST; what it echoes until then must be
 * right, and nothing may stand still for HANG_S.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 8
#define CLIENTS 8
#define ECHO_MAX 20000
#define KILL_EVERY_US 40000 /* at most */
#define HANG_S 6            /* a dead process's connections are to end within 2 */

static uint32_t next_random(uint32_t *r)
{
	*r = *r * 1664525u + 1013904223u;
	return *r >> 8;
}

static struct sockaddr_in address(const char *ip, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

/* ---- the server ----------------------------------------------------------------------------- */

static void echo(int ep, int fd)
{
	static char buf[1 << 16];
	ssize_t n = read(fd, buf, sizeof(buf)), done = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	while (done < n) {
		ssize_t k = write(fd, buf + done, (size_t)(n - done));

		if (k < 0 && errno == EAGAIN) {
			usleep(100);
			continue;
		}
		if (k < 0)
			break;
		done += k;
	}
	if (n <= 0 || done < n) {
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
		close(fd);
	}
}

static void worker(int l)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = l}, evs[16];
	int ep = epoll_create1(0), n;

	epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev);
	for (;;) {
		n = epoll_wait(ep, evs, 16, -1);
		for (int i = 0; i < n; i++) {
			int fd = evs[i].data.fd;

			if (fd != l) {
				echo(ep, fd);
				continue;
			}
			fd = accept4(l, NULL, NULL, SOCK_NONBLOCK);
			if (fd < 0)
				continue;
			ev.data.fd = fd;
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		}
	}
}

static pid_t start(int l)
{
	pid_t pid = fork();

	if (pid == 0)
		worker(l);
	return pid;
}

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static int server(char **arg)
{
	struct sockaddr_in a = address("0.0.0.0", arg[0]);
	uint32_t r = (uint32_t)strtoul(arg[1], NULL, 0);
	int kills = atoi(arg[2]), n = atoi(arg[3]), one = 1;
	pid_t pid[WORKERS_MAX];
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	signal(SIGTERM, on_term);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 128))
		return 1;
	for (int i = 0; i < n; i++)
		pid[i] = start(l);
	sleep(1);
	for (int k = 0; k < kills && !stop; k++) {
		int i = (int)(next_random(&r) % (unsigned)n);

		usleep(next_random(&r) % KILL_EVERY_US);
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
		pid[i] = start(l);
	}
	printf("killed\n");
	fflush(stdout);
	while (!stop)
		pause();
	for (int i = 0; i < n; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	return 0;
}

/* ---- the clients ---------------------------------------------------------------------------- */

static struct sockaddr_in to;
static uint64_t until_ms;
static _Atomic unsigned whole, cut, hung, wrong;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* For whoever looks for the reason. */
static void say_stuck(int fd, int err)
{
	struct sockaddr_in me = {0};
	struct tcp_info ti = {0};
	socklen_t len = sizeof(me), tilen = sizeof(ti);

	getsockname(fd, (struct sockaddr *)&me, &len);
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &tilen);
	printf("port %u: %s: state %u unacked %u retransmits %u last data in %u ms ago\n",
	       ntohs(me.sin_port), strerror(err), ti.tcpi_state, ti.tcpi_unacked,
	       ti.tcpi_retransmits, ti.tcpi_last_data_recv);
}

/* 0: whole; else errno, 0 bytes counting as ECONNRESET. */
static int once(uint32_t *r)
{
	char out[ECHO_MAX], in[ECHO_MAX];
	struct timeval tv = {.tv_sec = HANG_S};
	int fd = socket(AF_INET, SOCK_STREAM, 0), err = 0, rounds = (int)(next_random(r) % 20);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err = errno;
	while (!err && rounds-- > 0) {
		size_t n = 1 + next_random(r) % ECHO_MAX, got = 0;

		for (size_t i = 0; i < n; i++)
			out[i] = (char)next_random(r);
		if (send(fd, out, n, MSG_NOSIGNAL) < 0)
			err = errno;
		while (!err && got < n) {
			ssize_t k = recv(fd, in + got, n - got, 0);

			if (k > 0)
				got += (size_t)k;
			else
				err = k < 0 ? errno : ECONNRESET;
		}
		if (memcmp(out, in, got) != 0)
			err = EILSEQ;
	}
	if (err && err != ECONNRESET && err != EPIPE && err != ECONNREFUSED)
		say_stuck(fd, err);
	close(fd);
	return err;
}

static void *client_main(void *arg)
{
	uint32_t r = (uint32_t)(uintptr_t)arg;

	while (now_ms() < until_ms) {
		switch (once(&r)) {
		case 0:
			whole++;
			break;
		case ECONNRESET:
		case EPIPE:
		case ECONNREFUSED:
			cut++;
			break;
		case EILSEQ:
			wrong++;
			break;
		default:
			hung++;
		}
	}
	return NULL;
}

static int client(char **arg)
{
	uintptr_t seed = strtoul(arg[2], NULL, 0);
	pthread_t t[CLIENTS];

	to = address(arg[0], arg[1]);
	until_ms = now_ms() + strtoul(arg[3], NULL, 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		pthread_create(&t[i], NULL, client_main, (void *)(seed + i));
	for (unsigned i = 0; i < CLIENTS; i++)
		pthread_join(t[i], NULL);
	printf("whole=%u cut=%u hung=%u wrong=%u\n", whole, cut, hung, wrong);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "server"))
		return server(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "client"))
		return client(argv + 2);
	return 2;
}
