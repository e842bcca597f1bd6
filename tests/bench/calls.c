/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a call costs that libshim only passes on: the least time of many short batches, in ns per
 * call, as "name ns" lines. Run without and with the library in turn; the difference is its price.
 *
 *   calls
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 400
#define CALLS 500

static int null_fd, zero_fd, pair[2];
static char byte;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void do_read(void)
{
	if (read(zero_fd, &byte, 1) != 1)
		_exit(1);
}

static void do_write(void)
{
	if (write(null_fd, &byte, 1) != 1)
		_exit(1);
}

static void do_fcntl(void)
{
	if (fcntl(null_fd, F_GETFL) < 0)
		_exit(1);
}

static void do_sockopt(void)
{
	int v;
	socklen_t len = sizeof(v);

	if (getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &v, &len) != 0)
		_exit(1);
}

static void do_recv(void)
{
	if (recv(pair[0], &byte, 1, MSG_DONTWAIT) >= 0)
		_exit(1);
}

static const struct {
	const char *name;
	void (*call)(void);
} calls[] = {
	{"read", do_read},          {"write", do_write}, {"fcntl", do_fcntl},
	{"getsockopt", do_sockopt}, {"recv", do_recv},
};

int main(void)
{
	null_fd = open("/dev/null", O_WRONLY);
	zero_fd = open("/dev/zero", O_RDONLY);
	if (null_fd < 0 || zero_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return 1;
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		uint64_t best = UINT64_MAX;

		for (int b = 0; b < BATCHES; b++) {
			uint64_t t0 = now_ns(), t;

			for (int i = 0; i < CALLS; i++)
				calls[c].call();
			t = now_ns() - t0;
			best = t < best ? t : best;
		}
		printf("%s %.1f\n", calls[c].name, (double)best / CALLS);
	}
	return 0;
}
