/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports of the stack's connections as bind(2) sees them, in the same process and in another program
 * that knows nothing of libshim: in use until the connection, its TIME-WAIT included, is over.
 * Preloaded with SHIM_LOOPBACK=1; prints TAP. ports try ADDR PORT REUSE: one bind(), from outside.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 300

static int checks, failed;

static void check(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++checks, what);
	failed += !good;
}

static struct sockaddr_in at(const char *addr, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	inet_aton(addr, &a.sin_addr);
	return a;
}

static bool can_bind(const char *addr, int port, bool reuse)
{
	struct sockaddr_in a = at(addr, port);
	int s = socket(AF_INET, SOCK_STREAM, 0), on = reuse, r;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	r = bind(s, (struct sockaddr *)&a, sizeof(a));
	close(s);
	return r == 0;
}

/* By a program without libshim. */
static bool other_can_bind(const char *addr, int port, bool reuse)
{
	char text[16];
	char *env[] = {NULL};
	char *argv[] = {"ports", "try", (char *)(uintptr_t)addr, text, reuse ? "1" : "0", NULL};
	int status = 0;
	pid_t pid;

	fflush(stdout);
	snprintf(text, sizeof(text), "%d", port);
	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, env)) {
		perror("posix_spawn");
		exit(1);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WEXITSTATUS(status) > 1)
		check(false, "the other program ran");
	return WEXITSTATUS(status) == 0;
}

static int port_of(int s)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	return getsockname(s, (struct sockaddr *)&a, &len) ? -1 : ntohs(a.sin_port);
}

static int listener(const char *addr, bool reuse)
{
	struct sockaddr_in a = at(addr, 0);
	int s = socket(AF_INET, SOCK_STREAM, 0), on = reuse;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, MANY)) {
		perror("listener");
		exit(1);
	}
	return s;
}

static int dial(const char *addr, int port)
{
	struct sockaddr_in a = at(addr, port);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(s, (struct sockaddr *)&a, sizeof(a))) {
		perror("dial");
		exit(1);
	}
	return s;
}

static void reset(int s)
{
	struct linger now = {1, 0};

	setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(s);
	usleep(100000);
}

static void accepted_ones(bool reuse)
{
	int l = listener("0.0.0.0", reuse), port = port_of(l);
	int p = dial("127.0.0.1", port), c = accept(l, NULL, NULL);

	close(l);
	check(!other_can_bind("127.0.0.1", port, false), "a connection holds its listener's port");
	check(!other_can_bind("0.0.0.0", port, false), "also against the any address");
	check(other_can_bind("127.0.0.2", port, false), "but for its own address only");
	check(other_can_bind("127.0.0.1", port, true) == reuse, "as SO_REUSEADDR has it");
	check(!can_bind("127.0.0.1", port, false), "in the same process, too");
	close(p); /* TIME-WAIT is the client's */
	usleep(50000);
	close(c);
	usleep(100000);
	check(other_can_bind("127.0.0.1", port, false), "and gives it up when it has ended");
}

static void time_wait(void)
{
	int l = listener("127.0.0.1", false), port = port_of(l);
	int p = dial("127.0.0.1", port), c = accept(l, NULL, NULL);

	close(c);
	usleep(50000);
	close(p);
	usleep(50000);
	close(l); /* after the connection: only its TIME-WAIT is left */
	check(!other_can_bind("127.0.0.1", port, false), "TIME-WAIT holds a listener's port");
}

static void reset_ones(void)
{
	int l = listener("127.0.0.1", false), port = port_of(l);
	int p = dial("127.0.0.1", port), c = accept(l, NULL, NULL);

	close(l);
	reset(p);
	check(can_bind("127.0.0.1", port, false), "a connection that was reset does not");
	check(other_can_bind("127.0.0.1", port, false), "though its descriptor is open");
	close(c);
}

static void outgoing_ones(void)
{
	static int s[MANY], port[MANY];
	int l = listener("127.0.0.1", false), held = 0, reset_free;

	for (int i = 0; i < MANY; i++) {
		s[i] = dial("127.0.0.1", port_of(l));
		port[i] = port_of(s[i]);
		close(s[i]); /* before its peer */
		close(accept(l, NULL, NULL));
	}
	usleep(100000);
	for (int i = 0; i < MANY; i++)
		held += !can_bind("127.0.0.1", port[i], false);
	check(held == MANY, "connect()'s own ports are held through TIME-WAIT");
	check(!other_can_bind("127.0.0.1", port[7], false), "against other programs, too");
	s[0] = dial("127.0.0.1", port_of(l));
	port[0] = port_of(s[0]);
	reset(s[0]);
	reset_free = other_can_bind("127.0.0.1", port[0], false);
	check(reset_free, "and one that was reset is free at once, among all these");
	close(l);
}

/* The process that closes the listener ends; another one of its family has the connection. */
static void in_a_family(void)
{
	int l = listener("127.0.0.1", false), port = port_of(l), go[2], status;
	int p = dial("127.0.0.1", port), c = accept(l, NULL, NULL);
	pid_t pid;

	if (pipe(go))
		exit(1);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		char b;

		close(go[1]);
		close(c);
		read(go[0], &b, 1); /* the parent has closed its own */
		close(l);
		_exit(0);
	}
	close(go[0]);
	close(l);
	close(go[1]);
	waitpid(pid, &status, 0);
	check(!other_can_bind("127.0.0.1", port, false),
	      "a port that a process held which is gone is held on");
	reset(p);
	close(c);
	check(can_bind("127.0.0.1", port, false), "and given up by who is left");
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "try"))
		return can_bind(argv[2], atoi(argv[3]), atoi(argv[4])) ? 0 : 1;
	accepted_ones(false);
	accepted_ones(true);
	time_wait();
	reset_ones();
	outgoing_ones();
	in_a_family();
	printf("1..%d\n", checks);
	return failed != 0;
}
