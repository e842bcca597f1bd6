/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A UDP socket whose datagrams to a group leave slowly: udp_full ADDRESS. When the kernel's buffer
 * is full, it is not writable, however it is asked; it becomes so again; and SO_SNDTIMEO counts.
 * TAP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define BYTES 1000
#define MANY 1000

static int checks, failed;

static void check(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++checks, what);
	failed += !good;
}

static struct sockaddr_in group = {.sin_family = AF_INET};
static const char data[BYTES];

static long send_one(int s, int flags)
{
	long n = sendto(s, data, BYTES, flags, (struct sockaddr *)&group, sizeof(group));

	return n < 0 ? -errno : n;
}

/* Until it is refused. */
static long fill(int s)
{
	long r = BYTES;

	for (int i = 0; i < MANY && r == BYTES; i++)
		r = send_one(s, MSG_DONTWAIT);
	return r;
}

static bool writable(int s, int ms)
{
	struct pollfd p = {.fd = s, .events = POLLOUT};

	return poll(&p, 1, ms) == 1 && p.revents & POLLOUT;
}

static bool select_writable(int s)
{
	struct timeval none = {0, 0};
	fd_set w;

	FD_ZERO(&w);
	FD_SET(s, &w);
	return select(s + 1, NULL, &w, NULL, &none) == 1;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int opened(const char *from)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(5353)};
	struct in_addr dev;
	int s = socket(AF_INET, SOCK_DGRAM, 0), small = 8000;

	inet_aton(from, &a.sin_addr);
	inet_aton("239.1.1.1", &group.sin_addr);
	group.sin_port = htons(5353);
	dev = a.sin_addr;
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) ||
	    setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &dev, sizeof(dev)) ||
	    setsockopt(s, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small))) {
		perror("udp_full");
		exit(1);
	}
	return s;
}

static void levels(int s)
{
	int level = epoll_create1(0), edge = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLOUT}, et = {.events = EPOLLOUT | EPOLLET};

	epoll_ctl(level, EPOLL_CTL_ADD, s, &ev);
	epoll_ctl(edge, EPOLL_CTL_ADD, s, &et);
	check(epoll_wait(edge, &et, 1, 0) == 1, "it is writable to begin with");
	check(fill(s) == -EAGAIN, "it fills up");
	check(!writable(s, 0), "then it is not writable, to poll()");
	check(!select_writable(s), "nor to select()");
	check(epoll_wait(level, &ev, 1, 0) == 0, "nor to epoll");
	check(epoll_wait(edge, &et, 1, 3000) == 1, "room is an edge");
	check(writable(s, 0), "and it is writable again");
	check(epoll_wait(level, &ev, 1, 0) == 1, "by level, too");
}

static void timeouts(int s)
{
	struct timeval t = {0, 30000};
	double at;
	long r;

	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	fill(s);
	at = seconds();
	r = send_one(s, 0);
	at = seconds() - at;
	check(r == -EAGAIN && at > 0.025 && at < 0.3, "SO_SNDTIMEO ends a send");
	t.tv_usec = 0;
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	fill(s);
	at = seconds();
	r = send_one(s, 0);
	check(r == BYTES && seconds() - at > 0.05, "without it a send waits for room");
}

static volatile double handled_at;

static void on_alarm(int sig)
{
	(void)sig;
	handled_at = seconds();
}

static void signals(int s)
{
	struct itimerval soon = {.it_value = {0, 10000}};
	struct sigaction sa = {.sa_handler = on_alarm};
	long r;

	sigaction(SIGALRM, &sa, NULL);
	fill(s);
	setitimer(ITIMER_REAL, &soon, NULL);
	r = send_one(s, 0);
	check(r == -EINTR, "a handler ends a send that waits");
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	fill(s);
	setitimer(ITIMER_REAL, &soon, NULL);
	r = send_one(s, 0);
	check(r == BYTES && handled_at < seconds() - 0.01,
	      "one with SA_RESTART runs meanwhile, and the send goes on");
}

int main(int argc, char **argv)
{
	int s = opened(argc > 1 ? argv[1] : "127.0.0.1");

	levels(s);
	timeouts(s);
	signals(s);
	printf("1..%d\n", checks);
	return failed != 0;
}
