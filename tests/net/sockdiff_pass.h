/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. Messages over UNIX sockets, and descriptors in them: what is wrong with them
 * is told by the kernel, whatever else the process has. */
#ifndef SOCKDIFF_PASS_H
#define SOCKDIFF_PASS_H

#define RIGHTS_MAX 4

/* A message of one byte with descriptors. */
struct rights_msg {
	struct msghdr m;
	struct iovec iov;
	char byte;
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(RIGHTS_MAX * sizeof(int))];
	} c;
};

static void rights_make(struct rights_msg *r, const int *fds, size_t n)
{
	memset(r, 0, sizeof(*r));
	r->iov = (struct iovec){&r->byte, 1};
	r->m = (struct msghdr){.msg_iov = &r->iov,
			       .msg_iovlen = 1,
			       .msg_control = &r->c,
			       .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	r->c.h = (struct cmsghdr){CMSG_LEN(n * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(&r->c.h), fds, n * sizeof(int));
}

/* What came: how many descriptors, which are closed. */
static void rights_say(int u)
{
	static const int none[RIGHTS_MAX] = {-1, -1, -1, -1};
	struct rights_msg r;
	int n = 0, fd;

	rights_make(&r, none, RIGHTS_MAX);
	if (res("got", recvmsg(u, &r.m, MSG_DONTWAIT)) < 0)
		return;
	if (r.m.msg_controllen >= CMSG_LEN(sizeof(int)))
		n = (int)((r.c.h.cmsg_len - CMSG_LEN(0)) / sizeof(int));
	say("fds=%d", n);
	for (int i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(&r.c.h) + (size_t)i * sizeof(int), sizeof(fd));
		close(fd);
	}
}

static void pass_faults(void)
{
	char *volatile nowhere = NULL;
	char *edge = cliff(1);
	struct rights_msg r;
	int s, p, u[2];

	pair(&s, &p);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, u);
	res("null", sendmsg(u[0], (struct msghdr *)nowhere, 0));
	res("none", sendmsg(u[0], (struct msghdr *)edge, 0));
	res("half", sendmsg(u[0], (struct msghdr *)(edge - 8), 0));
	res("closed", sendmsg(-1, (struct msghdr *)edge, 0));
	rights_make(&r, &s, 1);
	r.m.msg_control = edge;
	res("control", sendmsg(u[0], &r.m, 0));
	rights_make(&r, &s, 1);
	r.m.msg_control = memcpy(edge - 8, &r.c, 8);
	res("cut", sendmsg(u[0], &r.m, 0));
	res("many", sendmmsg(u[0], (struct mmsghdr *)edge, 1, 0));
	res("manynull", sendmmsg(u[0], (struct mmsghdr *)nowhere, 1, 0));
	res("manyhalf", sendmmsg(u[0], (struct mmsghdr *)(edge - 8), 1, 0));
	res("recv", recvmsg(u[1], (struct msghdr *)edge, MSG_DONTWAIT));
	rights_say(u[1]);
	pair_close(s, p);
	pair_close(u[0], u[1]);
}

/* Lengths that can't be, and descriptors that are none. */
static void pass_lengths(void)
{
	int s, p, u[2], two[2];
	char *edge = cliff(1);
	struct rights_msg r;

	pair(&s, &p);
	two[0] = s;
	two[1] = -1;
	socketpair(AF_UNIX, SOCK_DGRAM, 0, u);
	rights_make(&r, &s, 1);
	r.c.h.cmsg_len = 1 << 30;
	res("huge", sendmsg(u[0], &r.m, 0));
	r.m.msg_control = memcpy(edge - sizeof(r.c), &r.c, sizeof(r.c));
	memset(edge - sizeof(r.c) + CMSG_LEN(0), 0, sizeof(r.c) - CMSG_LEN(0));
	res("beyond", sendmsg(u[0], &r.m, 0));
	r.m.msg_control = &r.c;
	r.c.h.cmsg_len = (size_t)-1;
	res("all", sendmsg(u[0], &r.m, 0));
	r.c.h.cmsg_len = 3;
	res("short", sendmsg(u[0], &r.m, 0));
	r.c.h.cmsg_len = CMSG_LEN(0);
	res("empty", sendmsg(u[0], &r.m, 0));
	rights_say(u[1]);
	r.c.h.cmsg_len = CMSG_LEN(3);
	res("odd", sendmsg(u[0], &r.m, 0));
	rights_say(u[1]);
	rights_make(&r, two, 2);
	res("bad", sendmsg(u[0], &r.m, 0));
	rights_say(u[1]);
	two[1] = s;
	rights_make(&r, two, 2);
	res("twice", sendmsg(u[0], &r.m, 0));
	rights_say(u[1]);
	r.m.msg_controllen = (size_t)-1;
	res("control", sendmsg(u[0], &r.m, 0));
	rights_say(u[1]);
	pair_close(s, p);
	pair_close(u[0], u[1]);
}

/* More messages than one call sends: the others are not looked at. */
static void pass_many(void)
{
	static struct mmsghdr v[1500];
	struct rights_msg r;
	int s, p, u[2], got = 0;

	pair(&s, &p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, u);
	rights_make(&r, &s, 1);
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		v[i].msg_hdr = i ? (struct msghdr){.msg_iov = &r.iov, .msg_iovlen = 1} : r.m;
	nonblock(u[0]);
	got = sendmmsg(u[0], v, 1500, 0);
	say("some=%d len=%u,%u", got > 0 && got <= 1024, v[0].msg_len, v[1499].msg_len);
	v[0].msg_hdr.msg_control = NULL;
	v[0].msg_hdr.msg_controllen = 0;
	v[1200].msg_hdr = r.m;
	got = sendmmsg(u[0], v, 1500, 0);
	say("none=%d len=%u", got <= 1024, v[1200].msg_len);
	rights_say(u[1]);
	pair_close(s, p);
	pair_close(u[0], u[1]);
}

/* A connection that was sent, and closed by who had it, goes on with who receives it. */
static void pass_goes_on(void)
{
	int s, p, u[2], fd;
	struct rights_msg r;

	pair(&s, &p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, u);
	rights_make(&r, &s, 1);
	res("send", sendmsg(u[0], &r.m, 0));
	close(s);
	send(p, "abc", 3, 0);
	fd = recv_fd(u[1]);
	say("cloexec=%d", fcntl(fd, F_GETFD));
	say("read=%ld", read_all(fd, 3));
	res("write", write(fd, "x", 1));
	say("peer=%ld", read_all(p, 1));
	close(fd);
	nap();
	res("end", recv(p, sink, 1, MSG_DONTWAIT));
	close(p);
	pair_close(u[0], u[1]);
}

/* Pages of address space. */
static long pages_mapped(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long n = 0;

	if (!f || fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/* A program by way of vfork(): its status. */
static int vforked_true(void)
{
	int st = -1;
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &st, 0);
	return st;
}

/* What vfork children become leaves nothing with their parent: neither memory, nor numbers that it
 * could not close. */
static void vfork_leaves_nothing(void)
{
	int s, p, st = 0, n = 0, bad = 0, fds[200];
	long pages;

	pair(&s, &p);
	pages = pages_mapped();
	for (int i = 0; i < 30 && !st; i++)
		st = vforked_true();
	say("status=%x grown=%d", (unsigned)st, pages_mapped() > pages + 30);
	while (n < 200 && (fds[n] = fcntl(s, F_DUPFD, 900)) >= 0)
		n++;
	for (int i = 0; i < n; i++)
		bad += close(fds[i]) < 0;
	say("many=%d bad=%d", n > 20, bad);
	pair_close(s, p);
}

/* How many descriptors a program has that is begun without our environment. */
static int plain_fds(void)
{
	static char *const no_env[] = {NULL};
	char text[4096];
	ssize_t got;
	int out[2], n = 0;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execle("/bin/ls", "ls", "/proc/self/fd", (char *)NULL, no_env);
		_exit(127);
	}
	close(out[1]);
	while ((got = read(out[0], text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < got; i++)
			n += text[i] == '\n';
	close(out[0]);
	waitpid(pid, NULL, 0);
	return n;
}

static void *system_run(void *arg)
{
	*(int *)arg = system("sleep 0.3");
	return NULL;
}

/* What one thread begins is not for the children of another. */
static void system_beside(void)
{
	int s, p, before, status = -1;
	pthread_t t;

	pair(&s, &p);
	before = plain_fds();
	pthread_create(&t, NULL, system_run, &status);
	usleep(100000);
	say("more=%d", plain_fds() - before);
	pthread_join(t, NULL);
	say("status=%x", (unsigned)status);
	pair_close(s, p);
}

static void system_status(void)
{
	struct sigaction was;
	int s, p;

	pair(&s, &p);
	catch_sig(SIGCHLD, SA_RESTART);
	signal(SIGINT, on_sig);
	say("shell=%d", system(NULL) != 0);
	say("status=%x", (unsigned)system("exit 3"));
	say("killed=%x", (unsigned)system("kill -9 $$"));
	say("sigs=%d", sigs);
	say("int=%x", (unsigned)system("kill -2 $PPID; kill -2 $$"));
	sigaction(SIGINT, NULL, &was);
	say("sigs=%d handler=%d", sigs, was.sa_handler == on_sig);
	signal(SIGINT, SIG_DFL);
	signal(SIGCHLD, SIG_IGN);
	res("nobody", system("exit 4"));
	signal(SIGCHLD, SIG_DFL);
	pair_close(s, p);
}

/* clang-format off */
ADD_CASES(pass_cases,
	ONCE(pass_faults),
	ONCE(pass_lengths),
	ONCE(pass_many),
	BOTH(pass_goes_on),
	ONCE(vfork_leaves_nothing),
	ONCE(system_beside),
	ONCE(system_status))
/* clang-format on */

#endif
