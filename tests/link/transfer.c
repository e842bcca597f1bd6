/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many connections at once, so many bytes each way on each, every byte checked at both ends.
 *
 *   transfer serve PORT
 *   transfer client HOST PORT CONNECTIONS BYTES [SECONDS]
 *
 * The client says on each connection which one it is and how much is to come; both sides then send
 * the bytes that follow from that number, while they compare those that come, and end with FIN.
 * The client prints how many were whole and how many not, and why; it fails unless all were whole
 * within SECONDS (300). An ordinary epoll program: it knows of no stack but the socket API's.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES 16384u
#define EVENTS 256
#define ERRORS_SHOWN 10

struct hello {
	uint64_t id, bytes;
};

struct conn {
	int fd;
	bool client, connecting, ended; /* ended: their FIN has come */
	struct hello hello;
	uint32_t hello_bytes;    /* of it, sent or come */
	uint64_t sent, received; /* of the payload */
	uint32_t want;           /* EPOLL* asked for */
};

static struct {
	int ep, listener;
	uint64_t open, whole, broken, bytes;
} all = {.listener = -1};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "transfer: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The byte at offset off of what side says on connection id: eight at a time, from a mixing
 * function, so that neither a shifted nor a doubled stretch looks right. */
static void pattern(uint64_t id, bool client, uint64_t off, uint8_t *out, uint32_t n)
{
	while (n) {
		uint64_t z = id * 2 + client + (off / 8 + 1) * 0x9e3779b97f4a7c15ull;
		uint8_t word[8];
		uint32_t at = off % 8, k = 8 - at < n ? 8 - at : n;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull;
		z ^= z >> 31;
		memcpy(word, &z, sizeof(word));
		memcpy(out, word + at, k);
		out += k;
		off += k;
		n -= k;
	}
}

static void conn_end(struct conn *c, const char *why)
{
	if (!why) {
		all.whole++;
	} else if (all.broken++ < ERRORS_SHOWN) {
		fprintf(stderr, "connection %llu: %s after %llu sent, %llu received: %s\n",
			(unsigned long long)c->hello.id, why, (unsigned long long)c->sent,
			(unsigned long long)c->received, strerror(errno));
	}
	all.bytes += c->sent + c->received;
	close(c->fd);
	free(c);
	all.open--;
}

static void conn_want(struct conn *c, uint32_t want)
{
	struct epoll_event ev = {.events = want, .data.ptr = c};

	if (want == c->want)
		return;
	if (epoll_ctl(all.ep, c->want ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &ev))
		fail("epoll_ctl");
	c->want = want;
}

/* ---- one connection ------------------------------------------------------------------------- */

/* NULL: goes on; else why it is broken. */
static const char *conn_send(struct conn *c)
{
	uint8_t buf[CHUNK_BYTES];

	if (c->client && c->hello_bytes < sizeof(c->hello)) {
		if (send(c->fd, &c->hello, sizeof(c->hello), MSG_NOSIGNAL) != sizeof(c->hello))
			return "the greeting could not be sent";
		c->hello_bytes = sizeof(c->hello);
	}
	while (c->hello_bytes == sizeof(c->hello) && c->sent < c->hello.bytes) {
		uint64_t left = c->hello.bytes - c->sent;
		uint32_t n = left < sizeof(buf) ? (uint32_t)left : (uint32_t)sizeof(buf);
		ssize_t r;

		pattern(c->hello.id, c->client, c->sent, buf, n);
		r = send(c->fd, buf, n, MSG_NOSIGNAL);
		if (r < 0)
			return errno == EAGAIN ? NULL : "send";
		c->sent += (uint64_t)r;
		if (c->sent == c->hello.bytes && shutdown(c->fd, SHUT_WR))
			return "shutdown";
	}
	return NULL;
}

static const char *conn_recv(struct conn *c)
{
	uint8_t buf[CHUNK_BYTES], is[CHUNK_BYTES];
	ssize_t r;

	while (!c->client && c->hello_bytes < sizeof(c->hello)) {
		r = recv(c->fd, (char *)&c->hello + c->hello_bytes,
			 sizeof(c->hello) - c->hello_bytes, 0);
		if (r <= 0)
			return r < 0 && errno == EAGAIN ? NULL : "no greeting";
		c->hello_bytes += (uint32_t)r;
	}
	while (!c->ended && (r = recv(c->fd, buf, sizeof(buf), 0)) != 0) {
		if (r < 0)
			return errno == EAGAIN ? NULL : "recv";
		if (c->received + (uint64_t)r > c->hello.bytes)
			return "more than was said";
		pattern(c->hello.id, !c->client, c->received, is, (uint32_t)r);
		if (memcmp(buf, is, (size_t)r))
			return "other bytes than were sent";
		c->received += (uint64_t)r;
	}
	c->ended = true;
	return c->received == c->hello.bytes ? NULL : "ended early";
}

static void conn_event(struct conn *c, uint32_t events)
{
	const char *why = NULL;

	if (c->connecting) {
		int err = 0;
		socklen_t len = sizeof(err);

		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		errno = err;
		if (err) {
			conn_end(c, "connect");
			return;
		}
		c->connecting = false;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		why = conn_recv(c);
	if (!why)
		why = conn_send(c);
	if (why) {
		conn_end(c, why);
		return;
	}
	if (c->ended && c->hello_bytes == sizeof(c->hello) && c->sent == c->hello.bytes) {
		conn_end(c, NULL);
		return;
	}
	conn_want(c,
		  (c->ended ? 0u : EPOLLIN) |
			  (c->hello_bytes == sizeof(c->hello) && c->sent < c->hello.bytes ? EPOLLOUT
											  : 0u));
}

static struct conn *conn_new(int fd, bool client)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		fail("calloc");
	c->fd = fd;
	c->client = client;
	all.open++;
	return c;
}

/* ---- both programs -------------------------------------------------------------------------- */

static struct addrinfo *resolve(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | (host ? 0 : AI_PASSIVE)};
	struct addrinfo *ai = NULL;
	int r = getaddrinfo(host, port, &hints, &ai);

	if (r) {
		fprintf(stderr, "transfer: %s port %s: %s\n", host ? host : "any", port,
			gai_strerror(r));
		exit(2);
	}
	return ai;
}

static void accept_all(void)
{
	int fd;

	while ((fd = accept4(all.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_want(conn_new(fd, false), EPOLLIN);
}

/* Until there are no connections (client), or the time is up. */
static void run(double seconds)
{
	struct epoll_event ev[EVENTS];
	double end = now_s() + seconds;

	while ((all.open || all.listener >= 0) && now_s() < end) {
		int n = epoll_wait(all.ep, ev, EVENTS, 500);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr)
				conn_event(ev[i].data.ptr, ev[i].events);
			else
				accept_all();
		}
	}
}

static int serve(const char *port)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int one = 1;

	all.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (all.listener < 0 ||
	    setsockopt(all.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(all.listener, (struct sockaddr *)&in, sizeof(in)) || listen(all.listener, 4096))
		fail("listen");
	if (epoll_ctl(all.ep, EPOLL_CTL_ADD, all.listener, &ev))
		fail("epoll_ctl");
	puts("ready");
	fflush(stdout);
	run(1e9);
	return 0;
}

static int client(char **arg, double seconds)
{
	struct addrinfo *ai = resolve(arg[0], arg[1]);
	uint64_t conns = strtoull(arg[2], NULL, 0), bytes = strtoull(arg[3], NULL, 0);
	double begin = now_s();

	for (uint64_t id = 0; id < conns; id++) {
		int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		struct conn *c;

		if (fd < 0)
			fail("socket");
		c = conn_new(fd, true);
		c->hello = (struct hello){id, bytes};
		c->connecting = true;
		if (connect(fd, ai->ai_addr, ai->ai_addrlen) && errno != EINPROGRESS)
			conn_end(c, "connect");
		else
			conn_want(c, EPOLLOUT);
	}
	freeaddrinfo(ai);
	run(seconds);
	printf("%llu whole, %llu broken, %llu unfinished in %.1f s, %.0f Mbit/s\n",
	       (unsigned long long)all.whole, (unsigned long long)all.broken,
	       (unsigned long long)all.open, now_s() - begin,
	       (double)all.whole * (double)bytes * 16 / (now_s() - begin) / 1e6);
	return all.whole == conns ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	all.ep = epoll_create1(EPOLL_CLOEXEC);
	if (all.ep < 0)
		fail("epoll_create1");
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "client"))
		return client(argv + 2, argc == 7 ? atof(argv[6]) : 300);
	fprintf(stderr, "usage: transfer serve PORT | transfer client HOST PORT CONNECTIONS BYTES "
			"[SECONDS]\n");
	return 2;
}
