/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One flow, as fast as it goes, for so long. The receiver measures, from the first byte on.
 *
 *   bulk sink PORT SECONDS                       takes one connection; prints Mbit/s
 *   bulk source HOST PORT SECONDS [CONTROL]      sends; CONTROL: TCP_CONGESTION
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES 262144
#define START_S 10.0 /* most that the sink waits for its connection */

static char buf[CHUNK_BYTES];

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int fail(const char *what)
{
	fprintf(stderr, "bulk: %s: %s\n", what, strerror(errno));
	return 1;
}

static int sink(const char *port, double seconds)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;
	struct pollfd p = {.fd = l, .events = POLLIN};
	double begin = 0, end = now_s() + START_S;
	unsigned long long bytes = 0;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 1))
		return fail("listen");
	if (poll(&p, 1, (int)(START_S * 1000)) != 1 || (fd = accept(l, NULL, NULL)) < 0)
		return fail("accept");
	p.fd = fd;
	while (now_s() < end) {
		ssize_t n;

		if (poll(&p, 1, 50) != 1)
			continue;
		n = recv(fd, buf, sizeof(buf), MSG_TRUNC);
		if (n <= 0)
			break;
		if (bytes == 0) {
			begin = now_s();
			end = begin + seconds;
		}
		bytes += (unsigned long long)n;
	}
	printf("%.1f\n", bytes ? (double)bytes * 8e-6 / seconds : 0.0);
	return 0;
}

static int source(const char *host, const char *port, double seconds, const char *control)
{
	struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *ai;
	double end;
	int fd;

	if (getaddrinfo(host, port, &hint, &ai) != 0)
		return fail(host);
	fd = socket(ai->ai_family, ai->ai_socktype, 0);
	if (control && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, control, strlen(control)))
		return fail(control);
	if (connect(fd, ai->ai_addr, ai->ai_addrlen))
		return fail("connect");
	freeaddrinfo(ai);
	end = now_s() + seconds + 0.5;
	while (now_s() < end) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};

		if (poll(&p, 1, 50) == 1 && send(fd, buf, sizeof(buf), MSG_DONTWAIT) < 0 &&
		    errno != EAGAIN)
			break; /* the sink has what it wants */
	}
	if (getenv("BULK_INFO")) {
		struct tcp_info ti;
		socklen_t len = sizeof(ti);

		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) == 0)
			fprintf(stderr, "cwnd %u ssthresh %u rtt %u us retrans %u lost %u\n",
				ti.tcpi_snd_cwnd, ti.tcpi_snd_ssthresh, ti.tcpi_rtt,
				ti.tcpi_total_retrans, ti.tcpi_lost);
	}
	/* what is queued is of no use to anybody */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && strcmp(argv[1], "sink") == 0)
		return sink(argv[2], atof(argv[3]));
	if (argc >= 5 && argc <= 6 && strcmp(argv[1], "source") == 0)
		return source(argv[2], argv[3], atof(argv[4]), argv[5]);
	fprintf(stderr, "usage: see the head of tests/link/bulk.c\n");
	return 2;
}
