/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that forks for every connection, as postgres and sshd do, and kills some of its children
 * at random instants; and who asks it. For tests/net/storm.sh.
 *
 *	storm server PORT SEED SECONDS		SECONDS: that long it kills
 *	storm client ADDRESS PORT RATE SECONDS	prints whole, cut, spoilt, hung, wrong
 *
 * The server says first what is to become of the child. cut: those of children that are killed.
 * spoilt: those of the others, which have no reason to end early.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BYTES 20000
#define ASKERS 32
#define WAIT_MS 8000
#define HUNG_MAX 8 /* it stands still: no need to wait for the rest */
#define KILL_PER_CENT 30
#define KILL_WITHIN_US 3000

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- server --------------------------------------------------------------------------------- */

static int echo(int c)
{
	char buf[4096];
	ssize_t n, at, put;

	while ((n = read(c, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += put) {
			put = write(c, buf + at, (size_t)(n - at));
			if (put <= 0)
				return 1;
		}
	return n != 0;
}

/* A child of its own kills, so that the server goes on accepting. */
static void kill_soon(pid_t victim, useconds_t after)
{
	if (fork() == 0) {
		usleep(after);
		kill(victim, SIGKILL);
		_exit(0);
	}
}

static int server(int port, unsigned seed, double kills_until)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int l = socket(AF_INET, SOCK_STREAM, 0), on = 1, c;
	bool doomed;
	pid_t pid;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) || listen(l, 1024))
		return 1;
	for (kills_until += seconds();;) {
		c = accept(l, NULL, NULL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (c < 0)
			continue;
		doomed = seconds() < kills_until && rand_r(&seed) % 100 < KILL_PER_CENT;
		if (write(c, doomed ? "d" : "s", 1) != 1)
			doomed = false;
		pid = fork();
		if (pid == 0) {
			close(l);
			_exit(echo(c));
		}
		close(c);
		if (doomed)
			kill_soon(pid, (useconds_t)(rand_r(&seed) % KILL_WITHIN_US));
	}
}

/* ---- client --------------------------------------------------------------------------------- */

static struct sockaddr_in to;
static double interval, ends;
static _Atomic unsigned whole, cut, spoilt, hung, wrong;

static bool timed_out(void)
{
	return errno == EAGAIN || errno == EINPROGRESS || errno == ETIMEDOUT;
}

static void ask(void)
{
	char out[BYTES], in[1 + BYTES];
	int s = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval t = {WAIT_MS / 1000, 0};
	ssize_t n = 0;
	size_t got = 0;

	for (size_t i = 0; i < BYTES; i++)
		out[i] = (char)(i * 7);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	n = connect(s, (struct sockaddr *)&to, sizeof(to));
	if (n == 0)
		n = send(s, out, BYTES, MSG_NOSIGNAL);
	if (n == BYTES || (n < 0 && !timed_out())) { /* what was said before a reset can be read */
		shutdown(s, SHUT_WR);
		while (got < sizeof(in) && (n = recv(s, in + got, sizeof(in) - got, 0)) > 0)
			got += (size_t)n;
	}
	if (n < 0 && timed_out())
		hung++;
	else if (got == sizeof(in))
		whole++;
	else if (got && in[0] == 'd')
		cut++;
	else
		spoilt++;
	wrong += got && memcmp(in + 1, out, got - 1) != 0;
	close(s);
}

static void *asker(void *arg)
{
	double next = seconds() + interval * (double)(size_t)arg / ASKERS;

	/* Whoever is late makes up for it, but not beyond the end. */
	for (; next < ends && seconds() < ends && hung < HUNG_MAX; next += interval) {
		double wait = next - seconds();

		if (wait > 0)
			usleep((useconds_t)(wait * 1e6));
		ask();
	}
	return NULL;
}

static int client(const char *ip, int port, double rate, double secs)
{
	pthread_t t[ASKERS];

	to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	inet_pton(AF_INET, ip, &to.sin_addr);
	interval = ASKERS / rate;
	ends = seconds() + secs;
	for (size_t i = 0; i < ASKERS; i++)
		pthread_create(&t[i], NULL, asker, (void *)i);
	for (size_t i = 0; i < ASKERS; i++)
		pthread_join(t[i], NULL);
	printf("whole=%u cut=%u spoilt=%u hung=%u wrong=%u\n", whole, cut, spoilt, hung, wrong);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "server"))
		return server(atoi(argv[2]), (unsigned)atol(argv[3]), atof(argv[4]));
	if (argc == 6 && !strcmp(argv[1], "client"))
		return client(argv[2], atoi(argv[3]), atof(argv[4]), atof(argv[5]));
	return 2;
}
