/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files by sendfile() and splice(), compared byte by byte with what they hold.
 *
 *   files make sparse|random MB FILE      a file to be sent
 *   files serve ADDR PORT FILE            sends pieces of it, a thread per connection
 *   files fetch ADDR PORT COPY            asks for them and compares: TAP
 *
 * What is asked for: an offset, a length, a way, and whether the file is to be out of memory first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum way { BLOCKING, NONBLOCK, POSITION, PIPE, WAYS };
static const char *const way_name[WAYS] = {"blocking", "nonblocking", "by file position",
					   "by pipe"};

struct ask {
	uint64_t off, len;
	uint32_t way, cold;
};

static const char *file;
static unsigned cases, failed;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in addr_of(char **arg)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arg[1]))};

	if (!inet_aton(arg[0], &a.sin_addr)) {
		fprintf(stderr, "%s: no address\n", arg[0]);
		exit(1);
	}
	return a;
}

/* ---- make ----------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static int make(const char *kind, size_t bytes)
{
	static uint64_t block[1 << 13];
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint64_t x = 88172645463325252u;
	bool sparse = !strcmp(kind, "sparse");

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		die(file);
	for (size_t at = 0; at + sizeof(block) <= bytes; at += sizeof(block)) {
		if (sparse && at % (sizeof(block) * 64))
			continue;
		for (size_t i = 0; i < sizeof(block) / 8; i++)
			block[i] = next_random(&x);
		if (pwrite(fd, block, sizeof(block), (off_t)at) != sizeof(block))
			die(file);
	}
	fsync(fd);
	close(fd);
	return 0;
}

/* ---- serve ---------------------------------------------------------------------------------- */

/* One step of sending; as sendfile(). */
static ssize_t send_some(int s, int f, const struct ask *a, off_t *off, size_t left, int pp[2])
{
	ssize_t n, all = 0, r;

	if (a->way == POSITION) {
		n = sendfile(s, f, NULL, left);
		*off += n > 0 ? n : 0;
		return n;
	}
	if (a->way != PIPE)
		return sendfile(s, f, off, left);
	n = splice(f, off, pp[1], NULL, left, SPLICE_F_MORE);
	while (all < n && (r = splice(pp[0], NULL, s, NULL, (size_t)(n - all), SPLICE_F_MORE)) > 0)
		all += r;
	return all;
}

static void send_piece(int s, int f, const struct ask *a)
{
	off_t off = (off_t)a->off, end = (off_t)(a->off + a->len);
	struct pollfd p = {.fd = s, .events = POLLOUT};
	int pp[2];
	ssize_t n;

	if (pipe(pp))
		die("pipe");
	lseek(f, off, SEEK_SET);
	if (a->cold)
		posix_fadvise(f, 0, 0, POSIX_FADV_DONTNEED);
	fcntl(s, F_SETFL, a->way == NONBLOCK ? O_NONBLOCK : 0);
	while (off < end) {
		n = send_some(s, f, a, &off, (size_t)(end - off), pp);
		if (n < 0 && errno == EAGAIN)
			poll(&p, 1, -1);
		else if (n <= 0)
			break;
	}
	fcntl(s, F_SETFL, 0);
	close(pp[0]);
	close(pp[1]);
}

static void *serve_one(void *arg)
{
	int s = (int)(intptr_t)arg, f = open(file, O_RDONLY);
	struct ask a;

	while (recv(s, &a, sizeof(a), MSG_WAITALL) == sizeof(a))
		send_piece(s, f, &a);
	close(f);
	close(s);
	return NULL;
}

static int serve(struct sockaddr_in a)
{
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1, s;
	pthread_t t;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 10))
		die("listen");
	puts("ready");
	fflush(stdout);
	while ((s = accept(l, NULL, NULL)) >= 0) {
		pthread_create(&t, NULL, serve_one, (void *)(intptr_t)s);
		pthread_detach(t);
	}
	return 1;
}

/* ---- fetch ---------------------------------------------------------------------------------- */

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Bytes that came and were right. */
static uint64_t fetch_compare(int s, const char *map, const struct ask *a)
{
	static char buf[1 << 18];
	uint64_t got = 0;
	ssize_t n;

	if (send(s, a, sizeof(*a), 0) != sizeof(*a))
		die("ask");
	while (got < a->len) {
		n = recv(s, buf, a->len - got < sizeof(buf) ? a->len - got : sizeof(buf), 0);
		if (n <= 0 || memcmp(buf, map + a->off + got, (size_t)n))
			break;
		got += (uint64_t)n;
	}
	return got;
}

static void verdict(bool good, const char *fmt, const char *way, bool cold)
{
	printf("%sok %u - ", good ? "" : "not ", ++cases);
	printf(fmt, way, cold ? "cold" : "warm");
	putchar('\n');
	failed += !good;
}

/* Every class of alignment of both ends. */
static bool fetch_pieces(int s, const char *map, uint64_t bytes, enum way way, bool cold)
{
	static const uint64_t edge[] = {0,    1,    511,   512,   513,   4095,  4096,
					4097, 8191, 65535, 65536, 65537, 131072};
	const unsigned n = sizeof(edge) / sizeof(*edge);

	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 1; k < n; k++) {
			struct ask a = {edge[i], edge[k] + (i * 7 + k) % 3, way, cold};

			if (i % 3 == 2)
				a.off = bytes - a.off - a.len;
			if (fetch_compare(s, map, &a) != a.len) {
				printf("# %lu bytes from %lu on\n", a.len, a.off);
				return false;
			}
		}
	}
	return true;
}

static int fetch(struct sockaddr_in addr)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), f = open(file, O_RDONLY);
	struct stat st;
	const char *map;

	if (f < 0 || fstat(f, &st) < 0)
		die(file);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, f, 0);
	if (map == MAP_FAILED || connect(s, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	for (int i = 0; i < WAYS * 2; i++) {
		enum way way = (enum way)(i / 2);
		struct ask a = {0, (uint64_t)st.st_size, way, i % 2};
		double t0 = now_s();
		uint64_t got = fetch_compare(s, map, &a);

		printf("# %.0f MB/s\n", (double)got / (now_s() - t0) / 1e6);
		verdict(got == a.len, "the whole file, %s, %s", way_name[way], a.cold);
		if (got != a.len)
			return 1;
		verdict(fetch_pieces(s, map, (uint64_t)st.st_size, way, a.cold),
			"pieces of every alignment, %s, %s", way_name[way], a.cold);
		if (failed)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5) {
		file = argv[4];
		if (!strcmp(argv[1], "make"))
			return make(argv[2], (size_t)atol(argv[3]) << 20);
		if (!strcmp(argv[1], "serve"))
			return serve(addr_of(argv + 2));
		if (!strcmp(argv[1], "fetch"))
			return fetch(addr_of(argv + 2));
	}
	fprintf(stderr, "usage: see the head of files.c\n");
	return 2;
}
