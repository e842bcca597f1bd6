/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket API, case by case, one line of result each, in a form that does not depend on time or
 * port numbers: run natively and preloaded, the output must be the same.
 *
 *   sockdiff [ADDR]                      both ends in this process, at ADDR (127.0.0.1)
 *   sockdiff ADDR PEERADDR PATH          the other end at PEERADDR, in another network namespace,
 *                                        where `sockdiff --agent PATH` makes sockets on request
 *   sockdiff --only NAME ...             as above, cases whose name begins with NAME
 *   sockdiff --again FILE ...            as above, the cases that lines of FILE begin with, as
 *                                        `FAMILY WAY NAME:` in what it prints
 *
 * HERE and THERE may be followed by the IPv6 addresses, HERE,HERE6: cases that are for all families
 * then run over AF_INET, over AF_INET6, and over AF_INET6 with v4-mapped addresses.
 *
 * The agent passes its sockets over a unix socket (SCM_RIGHTS), so that a case is written once.
 * "acc" cases: the socket under test was accepted; "con": it connected.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLOSE_RANGE_CLOEXEC_ 4 /* linux/close_range.h */
#define NAP_US 15000           /* for the peer's packets to arrive and be worked on */

static struct in_addr here, there;
static struct in6_addr here6, there6;
static bool have6;
static enum { V4, V6, MAPPED } over; /* what the present case runs over */
static int agent = -1;
static char line[4096];
static size_t line_len;
static char big[1 << 20];  /* what is sent; never written to */
static char sink[1 << 20]; /* where bytes end that nobody looks at */

/* ---- reporting ------------------------------------------------------------------------------ */

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list ap;

	if (line_len && line_len < sizeof(line) - 1)
		line[line_len++] = ' ';
	va_start(ap, fmt);
	line_len += (size_t)vsnprintf(line + line_len, sizeof(line) - line_len, fmt, ap);
	va_end(ap);
	if (line_len >= sizeof(line))
		line_len = sizeof(line) - 1;
}

/* A result: the number, or the name of the error. */
static long res(const char *what, long r)
{
	int err = errno;

	if (r < 0)
		say("%s=%s", what, strerrorname_np(err) ? strerrorname_np(err) : "?");
	else
		say("%s=%ld", what, r);
	errno = err;
	return r;
}

/* Only whether it worked. */
static long ok(const char *what, long r)
{
	int err = errno;

	if (r < 0)
		say("%s=%s", what, strerrorname_np(err) ? strerrorname_np(err) : "?");
	else
		say("%s=ok", what);
	errno = err;
	return r;
}

static void nap(void)
{
	usleep(NAP_US);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- sockets -------------------------------------------------------------------------------- */

static int recv_fd(int sock)
{
	char c, ctl[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};
	struct cmsghdr *cm;
	int fd = -1;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1 || !(cm = CMSG_FIRSTHDR(&m)))
		return -1;
	memcpy(&fd, CMSG_DATA(cm), sizeof(fd));
	return fd;
}

#define AGENT_V6 0x40 /* in what the agent is asked for: the type, with this */

/* A socket of the peer's side. */
static int peer_socket_of(int family, int type)
{
	char c = (char)(type | (family == AF_INET6 ? AGENT_V6 : 0));
	int fd;

	if (agent < 0)
		return socket(family, type, 0);
	if (write(agent, &c, 1) != 1)
		return -1;
	fd = recv_fd(agent);
	if (read(agent, &c, 1) != 1) /* the agent has closed it: we hold it alone */
		return -1;
	return fd;
}

static int peer_socket(int type)
{
	return peer_socket_of(over == V4 ? AF_INET : AF_INET6, type);
}

/* One of ours. */
static int own_socket(int type)
{
	return socket(over == V4 ? AF_INET : AF_INET6, type, 0);
}

union any_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* The address of this side or the peer's, as the present case has it. Its length. */
static socklen_t end_of(union any_addr *a, bool peer, int port)
{
	memset(a, 0, sizeof(*a));
	if (over == V4) {
		a->in.sin_family = AF_INET;
		a->in.sin_addr = peer ? there : here;
		a->in.sin_port = htons((uint16_t)port);
		return sizeof(a->in);
	}
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons((uint16_t)port);
	if (over == V6) {
		a->in6.sin6_addr = peer ? there6 : here6;
	} else {
		a->in6.sin6_addr.s6_addr[10] = a->in6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(&a->in6.sin6_addr.s6_addr[12], peer ? &there : &here, 4);
	}
	return sizeof(a->in6);
}

static struct sockaddr_in addr_of(struct in_addr a, int port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_addr = a, .sin_port = htons((uint16_t)port)};

	return in;
}

static int port_of(int fd)
{
	union any_addr a = {0};
	socklen_t len = sizeof(a);

	getsockname(fd, &a.sa, &len);
	return ntohs(a.in.sin_port); /* it lies at the same place in both */
}

static int listener(bool peer, int backlog)
{
	int fd = peer ? peer_socket(SOCK_STREAM) : own_socket(SOCK_STREAM);
	union any_addr a;
	socklen_t len = end_of(&a, peer, 0);

	if (fd < 0 || bind(fd, &a.sa, len) || listen(fd, backlog)) {
		perror("listener");
		exit(1);
	}
	return fd;
}

static void nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int connect_to(int fd, struct in_addr a, int port)
{
	struct sockaddr_in in = addr_of(a, port);

	return connect(fd, (struct sockaddr *)&in, sizeof(in));
}

static int connect_end(int fd, bool peer, int port)
{
	union any_addr a;
	socklen_t len = end_of(&a, peer, port);

	return connect(fd, &a.sa, len);
}

static bool accepting; /* which way round pairs are made */

/* s: the socket under test; p: the peer's. */
static void pair(int *s, int *p)
{
	int l = listener(!accepting, 5), c;

	c = accepting ? peer_socket(SOCK_STREAM) : own_socket(SOCK_STREAM);
	if (connect_end(c, !accepting, port_of(l)) < 0) {
		perror("pair: connect");
		exit(1);
	}
	*p = accepting ? c : -1;
	*s = accepting ? -1 : c;
	c = accept(l, NULL, NULL);
	if (c < 0) {
		perror("pair: accept");
		exit(1);
	}
	*(accepting ? s : p) = c;
	close(l);
}

static void pair_close(int s, int p)
{
	close(s);
	close(p);
}

static void reset_peer(int p)
{
	struct linger lg = {1, 0};

	setsockopt(p, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	close(p);
}

static int opt_int(int fd, int level, int name)
{
	int v = -12345;
	socklen_t len = sizeof(v);

	if (getsockopt(fd, level, name, &v, &len) < 0)
		return -errno;
	return v;
}

static int set_int(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v));
}

static long read_all(int fd, size_t want)
{
	size_t got = 0;
	ssize_t n;

	while (got < want &&
	       (n = recv(fd, sink, want - got < sizeof(sink) ? want - got : sizeof(sink), 0)) > 0)
		got += (size_t)n;
	return (long)got;
}

static volatile sig_atomic_t sigs;
static void on_sig(int sig)
{
	sigs++;
}

static void catch_sig(int sig, int flags)
{
	struct sigaction sa = {.sa_handler = on_sig, .sa_flags = flags};

	sigs = 0;
	sigaction(sig, &sa, NULL);
}

static void alarm_in_ms(int ms)
{
	struct itimerspec its = {.it_value = {ms / 1000, ms % 1000 * 1000000}};
	static timer_t t;
	static bool made;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};

	if (!made)
		timer_create(CLOCK_MONOTONIC, &ev, &t);
	made = true;
	timer_settime(t, 0, &its, NULL);
}

/* Does something to a descriptor a little later, from another thread. */
struct later {
	int fd, ms;
	enum { WRITE1, CLOSE, DRAIN, SHUT } what;
	size_t n;
};

static void *later_run(void *arg)
{
	struct later *l = arg;

	usleep((useconds_t)l->ms * 1000);
	if (l->what == WRITE1)
		send(l->fd, big, l->n, MSG_NOSIGNAL);
	else if (l->what == CLOSE)
		close(l->fd);
	else if (l->what == DRAIN)
		read_all(l->fd, l->n);
	else
		shutdown(l->fd, SHUT_WR);
	return NULL;
}

static pthread_t later(struct later *l)
{
	pthread_t t;
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	pthread_create(&t, NULL, later_run, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return t;
}

/* ---- cases ---------------------------------------------------------------------------------- */

enum {
	ONE_WAY = 0,
	BOTH_WAYS = 1, /* with the socket under test accepted, and connected */
	FAMILIES = 2,  /* over each family */
};

struct testcase {
	const char *name;
	void (*fn)(void);
	unsigned flags;
	unsigned arg; /* for the case: case_arg */
};

#define CASES_MAX 2000

static struct testcase all_cases[CASES_MAX];
static unsigned ncases, case_arg;

static void add_case(struct testcase c)
{
	if (ncases == CASES_MAX)
		abort();
	all_cases[ncases++] = c;
}

/* At the end of a file of cases: adds them to those that are run. */
#define ADD_CASES(group, ...)                                                 \
	static const struct testcase group[] = {__VA_ARGS__};                 \
	__attribute__((constructor)) static void group##_add(void)            \
	{                                                                     \
		for (unsigned i = 0; i < sizeof(group) / sizeof(*group); i++) \
			add_case(group[i]);                                   \
	}

/* clang-format off */
#define BOTH(f) { #f, f, BOTH_WAYS | FAMILIES, 0 }
#define ONCE(f) { #f, f, ONE_WAY, 0 }
#define EACH(f) { #f, f, FAMILIES, 0 }
/* clang-format on */

#include "sockdiff_cases.h"

/* ---- the agent and main --------------------------------------------------------------------- */

static int agent_main(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c;
	char type;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	unlink(path);
	if (bind(l, (struct sockaddr *)&un, sizeof(un)) || listen(l, 5))
		return 1;
	alarm(1000);
	while ((c = accept(l, NULL, NULL)) >= 0) {
		while (read(c, &type, 1) == 1) {
			char ctl[CMSG_SPACE(sizeof(int))] = {0}, b = 0;
			struct iovec iov = {&b, 1};
			struct msghdr m = {.msg_iov = &iov,
					   .msg_iovlen = 1,
					   .msg_control = ctl,
					   .msg_controllen = sizeof(ctl)};
			struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
			int fd = socket(type & AGENT_V6 ? AF_INET6 : AF_INET, type & ~AGENT_V6, 0);

			cm->cmsg_len = CMSG_LEN(sizeof(int));
			cm->cmsg_level = SOL_SOCKET;
			cm->cmsg_type = SCM_RIGHTS;
			memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
			sendmsg(c, &m, 0);
			close(fd);
			if (write(c, &b, 1) != 1)
				break;
		}
		close(c);
	}
	return 0;
}

static char *again; /* the labels of what is to be run, or NULL for all */

/* The text of a file, with a newline before it. */
static char *read_text(const char *path)
{
	size_t max = 1 << 20, n;
	char *text = calloc(1, max);
	FILE *f = fopen(path, "r");

	if (!f || !text) {
		perror(path);
		exit(1);
	}
	text[0] = '\n';
	n = fread(text + 1, 1, max - 2, f);
	text[1 + n] = 0;
	fclose(f);
	return text;
}

static bool run_wanted(const char *label)
{
	char text[200];

	snprintf(text, sizeof(text), "\n%s:", label);
	return !again || strstr(again, text);
}

static void run_case(const char *way, const struct testcase *c)
{
	static const char *const family[] = {"", "v6 ", "mapped "};
	char label[100];

	snprintf(label, sizeof(label), "%s%s%s", family[over], way, c->name);
	if (!run_wanted(label))
		return;
	line_len = 0;
	line[0] = 0;
	signal(SIGPIPE, SIG_IGN);
	alarm_in_ms(0);
	case_arg = c->arg;
	c->fn();
	printf("%s: %s\n", label, line);
	fflush(stdout);
}

static void run_ways(const struct testcase *c)
{
	if (!(c->flags & BOTH_WAYS)) {
		run_case("", c);
		return;
	}
	accepting = true;
	run_case("acc ", c);
	accepting = false;
	run_case("con ", c);
}

/* ADDR or ADDR,ADDR6 */
static void addrs_get(const char *arg, struct in_addr *a, struct in6_addr *a6)
{
	char buf[100], *comma;

	snprintf(buf, sizeof(buf), "%s", arg);
	comma = strchr(buf, ',');
	if (comma)
		*comma = 0;
	have6 = comma && inet_pton(AF_INET6, comma + 1, a6) == 1;
	if (!inet_aton(buf, a)) {
		fprintf(stderr, "%s: not an address\n", arg);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const char *only = "";

	if (argc == 3 && !strcmp(argv[1], "--agent"))
		return agent_main(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "--first"))
		return fault_first_main();
	if (argc >= 3 && !strcmp(argv[1], "--only")) {
		only = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc >= 3 && !strcmp(argv[1], "--again")) {
		again = read_text(argv[2]);
		argc -= 2;
		argv += 2;
	}
	addrs_get(argc > 1 ? argv[1] : "127.0.0.1,::1", &here, &here6);
	there = here;
	there6 = here6;
	if (argc == 4) {
		addrs_get(argv[2], &there, &there6);
		agent = socket(AF_UNIX, SOCK_STREAM, 0);
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", argv[3]);
		if (connect(agent, (struct sockaddr *)&un, sizeof(un))) {
			perror(argv[3]);
			return 1;
		}
	}
	for (unsigned i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	for (over = V4; over <= (have6 ? MAPPED : V4); over++) {
		for (unsigned i = 0; i < ncases; i++) {
			const struct testcase *c = &all_cases[i];

			if (!strncmp(c->name, only, strlen(only)) &&
			    (over == V4 || c->flags & FAMILIES))
				run_ways(c);
		}
	}
	return 0;
}
