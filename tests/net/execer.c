/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that goes on as another image: by every way that there is to exec, with its listener,
 * a connection and an epoll set of both. For tests/net/exec.sh.
 *
 *	execer server PORT alone|children WAY ...
 *	execer next LISTENER CONNECTION EPOLL	(what the ways begin)
 *	execer client ADDRESS PORT KIND		(KIND: served, plain, closed)
 *
 * alone: the process itself becomes the next image; else a child does, way after way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 5000

extern char **environ;
static const char *self;
static char lbuf[16], cbuf[16], ebuf[16];
static char *next_argv[] = {"execer", "next", lbuf, cbuf, ebuf, NULL};

static void die(const char *what)
{
	fprintf(stderr, "execer[%d]: %s: %s\n", getpid(), what, strerror(errno));
	exit(1);
}

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write");
}

/* One line, without its end; "" at the end of the connection; NULL: nothing came. */
static const char *hear(int fd)
{
	static char line[64];
	size_t n = 0;

	while (n < sizeof(line) - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (poll(&p, 1, WAIT_MS) != 1)
			return NULL;
		got = read(fd, line + n, 1);
		if (got <= 0)
			break;
		if (line[n++] == '\n') {
			n--;
			break;
		}
	}
	line[n] = 0;
	return line;
}

static int heard(int fd, const char *want)
{
	const char *got = hear(fd);

	if (got && !strcmp(got, want))
		return 1;
	fprintf(stderr, "execer[%d]: heard \"%s\", not \"%s\"\n", getpid(), got ? got : "(nothing)",
		want);
	return 0;
}

/* ---- the next image ------------------------------------------------------------------------- */

/* One more connection. */
static int serve_one(int l)
{
	int n = accept(l, NULL, NULL);

	if (n < 0)
		die("accept");
	if (!heard(n, "three"))
		return 1;
	say(n, "three again\n");
	return 0;
}

static int next(int l, int c, int ep)
{
	struct epoll_event ev;

	say(c, "next\n");
	if (epoll_wait(ep, &ev, 1, WAIT_MS) != 1 || ev.data.fd != 1)
		die("the set does not tell of the connection");
	if (!heard(c, "two"))
		return 1;
	say(c, "two again\n");
	if (epoll_wait(ep, &ev, 1, WAIT_MS) != 1 || ev.data.fd != 2)
		die("the set does not tell of the listener");
	return serve_one(l);
}

static void must_be_plain(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char row[512];

	if (!f)
		die("maps");
	while (fgets(row, sizeof(row), f))
		if (strstr(row, "libshim"))
			die("the library is here");
	fclose(f);
}

/* Without the shim: the connection is at an end, the listener serves. */
static int next_plain(int l, int c)
{
	char byte;

	must_be_plain();
	if (read(c, &byte, 1) > 0)
		die("the connection should be none");
	return serve_one(l);
}

/* ---- ways ----------------------------------------------------------------------------------- */

static void spawned(int err, pid_t pid)
{
	if (err)
		errno = err, die("spawn");
	waitpid(pid, NULL, 0);
	_exit(0);
}

static void spawn(const char *way, int c)
{
	posix_spawn_file_actions_t fa;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	if (!strcmp(way, "spawn-dup")) {
		posix_spawn_file_actions_adddup2(&fa, c, 0);
		posix_spawn_file_actions_addclose(&fa, c);
		memcpy(cbuf, "0", 2);
	}
	for (int fd = 3; !strcmp(way, "spawn-close") && fd < 1000; fd++)
		if (fd != c && fd != atoi(lbuf) && fd != atoi(ebuf))
			posix_spawn_file_actions_addclose(&fa, fd);
	if (!strcmp(way, "posix_spawnp"))
		spawned(posix_spawnp(&pid, self, NULL, NULL, next_argv, environ), pid);
	spawned(posix_spawn(&pid, self, &fa, NULL, next_argv, environ), pid);
}

static void vforked(const char *way, int c)
{
	pid_t pid;

	const int many = strcmp(way, "vfork-many") ? 0 : 100;

	if (strcmp(way, "vfork"))
		memcpy(cbuf, "0", 2);
	for (int i = 0; i < many; i++)
		if (dup2(c, 200 + i) < 0)
			die("dup2");
	pid = vfork();
	if (pid == 0) {
		for (int i = 0; i < many; i++)
			close(200 + i);
		if (many)
			dup2(c, 0);
		if (!strcmp(way, "vfork-dup")) {
			dup2(c, 0);
			close(c);
			close_range((unsigned)atoi(ebuf) + 1, ~0u, 0);
		}
		execv(self, next_argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	_exit(0);
}

static void by_shell(const char *way)
{
	char command[512];

	snprintf(command, sizeof(command), "%s next %s %s %s", self, lbuf, cbuf, ebuf);
	if (!strcmp(way, "popen"))
		pclose(popen(command, "r"));
	else if (system(command))
		_exit(1);
	_exit(0);
}

static void become(const char *way, int c)
{
	static char *no_env[] = {"SHIM_LOG=info", NULL};
	char *const *plain_argv = next_argv;

	if (!strcmp(way, "execv"))
		execv(self, next_argv);
	else if (!strcmp(way, "execve"))
		execve(self, next_argv, environ);
	else if (!strcmp(way, "execvp"))
		execvp(self, next_argv);
	else if (!strcmp(way, "execvpe"))
		execvpe(self, next_argv, environ);
	else if (!strcmp(way, "execl"))
		execl(self, "execer", "next", lbuf, cbuf, ebuf, (char *)NULL);
	else if (!strcmp(way, "execlp"))
		execlp(self, "execer", "next", lbuf, cbuf, ebuf, (char *)NULL);
	else if (!strcmp(way, "text"))
		execlp(getenv("EXECER_TEXT"), "text", self, lbuf, cbuf, ebuf, (char *)NULL);
	else if (!strcmp(way, "execle"))
		execle(self, "execer", "next", lbuf, cbuf, ebuf, (char *)NULL, environ);
	else if (!strcmp(way, "fexecve"))
		fexecve(open(self, O_RDONLY | O_CLOEXEC), next_argv, environ);
	else if (!strcmp(way, "execveat"))
		execveat(AT_FDCWD, self, next_argv, environ, 0);
	else if (!strcmp(way, "syscall"))
		syscall(SYS_execve, self, next_argv, environ);
	else if (!strcmp(way, "shell"))
		execl("/bin/sh", "sh", "-c", "exec \"$0\" next \"$@\"", self, lbuf, cbuf, ebuf,
		      (char *)NULL);
	else if (!strcmp(way, "failing"))
		execl("/nonexistent", "execer", (char *)NULL), execv(self, next_argv);
	else if (!strcmp(way, "closed"))
		fcntl(c, F_SETFD, FD_CLOEXEC), execl("/bin/true", "true", (char *)NULL);
	else if (!strcmp(way, "static") || !strcmp(way, "setuid")) /* environ has the preload */
		next_argv[1] = "plain", execve(getenv(way), plain_argv, environ);
	else if (!strcmp(way, "plain"))
		next_argv[1] = "plain", execve(self, plain_argv, no_env);
	else if (!strncmp(way, "vfork", 5))
		vforked(way, c);
	else if (!strcmp(way, "system") || !strcmp(way, "popen"))
		by_shell(way);
	else
		spawn(way, c);
	die(way);
}

/* ---- server and client ---------------------------------------------------------------------- */

static int listener(int port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) || listen(l, 64))
		die("listen");
	return l;
}

static void serve(int l, const char *way, int alone)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int c = accept(l, NULL, NULL), ep = epoll_create1(0), status;
	pid_t pid;

	if (c < 0 || ep < 0)
		die("accept");
	ev.data.fd = 1;
	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	ev.data.fd = 2;
	epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev);
	if (!heard(c, "one"))
		exit(1);
	snprintf(lbuf, sizeof(lbuf), "%d", l);
	snprintf(cbuf, sizeof(cbuf), "%d", c);
	snprintf(ebuf, sizeof(ebuf), "%d", ep);
	pid = alone ? 0 : fork();
	if (pid == 0)
		become(way, c);
	close(c);
	close(ep);
	waitpid(pid, &status, 0);
	printf("%s: %d\n", way, status);
	fflush(stdout);
}

static int dial(const char *ip, int port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, ip, &sin.sin_addr);
	if (connect(s, (struct sockaddr *)&sin, sizeof(sin)))
		die("connect");
	return s;
}

static int client(const char *ip, int port, const char *kind)
{
	int a = dial(ip, port), b;

	say(a, "one\n");
	if (!strcmp(kind, "served")) {
		if (!heard(a, "next"))
			return 1;
		say(a, "two\n");
		if (!heard(a, "two again"))
			return 1;
	} else if (!heard(a, "")) {
		return 1;
	}
	if (!strcmp(kind, "closed"))
		return 0;
	b = dial(ip, port);
	say(b, "three\n");
	return !heard(b, "three again") || !heard(b, "") || !heard(a, "");
}

int main(int argc, char **argv)
{
	static char path[256];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int l;

	if (n < 0 || argc < 4)
		die("usage");
	self = path;
	if (!strcmp(argv[1], "next"))
		return next(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	if (!strcmp(argv[1], "plain"))
		return next_plain(atoi(argv[2]), atoi(argv[3]));
	if (!strcmp(argv[1], "client"))
		return client(argv[2], atoi(argv[3]), argv[4]);
	l = listener(atoi(argv[2]));
	for (int i = 4; i < argc; i++)
		serve(l, argv[i], !strcmp(argv[3], "alone"));
	return 0;
}
