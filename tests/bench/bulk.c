/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bulk both ways over one connection. The server sends or swallows, as the first byte of a
 * connection asks; the client counts for a time and prints Mbit/s.
 *
 *   bulk serve PORT
 *   bulk down|up HOST PORT SECONDS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES (256 * 1024)
/* An 'up' is over only when the server has had all of it and said so. */
#define STALL_LIMIT_S 20

static char chunk[CHUNK_BYTES];

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "bulk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, host, &sa.sin_addr) != 1) {
		fprintf(stderr, "bulk: %s is not an IPv4 address\n", host);
		exit(2);
	}
	return sa;
}

static void serve_one(int fd)
{
	uint64_t total = 0;
	ssize_t n;
	char what;

	if (read(fd, &what, 1) != 1)
		return;
	if (what == 'd') {
		while (write(fd, chunk, sizeof(chunk)) > 0)
			;
		return;
	}
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		total += (uint64_t)n;
	if (n == 0 && write(fd, &total, sizeof(total)) != sizeof(total))
		fprintf(stderr, "bulk: could not acknowledge\n");
}

static _Noreturn void serve(const char *port)
{
	struct sockaddr_in sa = address("0.0.0.0", port);
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;

	signal(SIGPIPE, SIG_IGN);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(l, 16) != 0)
		fail("listen");
	for (;;) {
		fd = accept(l, NULL, NULL);
		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			fail("accept");
		}
		serve_one(fd);
		close(fd);
	}
}

static uint64_t run_down(int fd, double until)
{
	uint64_t total = 0;
	ssize_t n;

	do {
		n = read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			fail("read");
		total += (uint64_t)n;
	} while (now_s() < until);
	return total;
}

static uint64_t run_up(int fd, double until)
{
	uint64_t total = 0, seen = 0;
	ssize_t n;

	do {
		n = write(fd, chunk, sizeof(chunk));
		if (n <= 0)
			fail("write");
		total += (uint64_t)n;
	} while (now_s() < until);
	shutdown(fd, SHUT_WR);
	if (recv(fd, &seen, sizeof(seen), MSG_WAITALL) != sizeof(seen))
		fail("acknowledgement");
	if (seen != total) {
		fprintf(stderr, "bulk: sent %llu bytes, %llu arrived\n", (unsigned long long)total,
			(unsigned long long)seen);
		exit(1);
	}
	return total;
}

int main(int argc, char **argv)
{
	struct timeval limit = {STALL_LIMIT_S, 0};
	struct sockaddr_in sa;
	double start, secs;
	uint64_t total;
	int fd;

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	if (argc != 5 || (strcmp(argv[1], "down") != 0 && strcmp(argv[1], "up") != 0)) {
		fprintf(stderr, "usage: bulk serve PORT | bulk down|up HOST PORT SECONDS\n");
		return 2;
	}
	sa = address(argv[2], argv[3]);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || write(fd, argv[1], 1) != 1)
		fail("connect");
	start = now_s();
	secs = atof(argv[4]);
	total = argv[1][0] == 'd' ? run_down(fd, start + secs) : run_up(fd, start + secs);
	printf("%.1f\n", (double)total * 8 / 1e6 / (now_s() - start));
	return 0;
}
