/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. Pointers that point nowhere: EFAULT, or as much as there was memory for. */
#ifndef SOCKDIFF_FAULT_H
#define SOCKDIFF_FAULT_H

#define PAGE 4096

/* Pages that may be used, and behind them one that may not. Returns the first byte of that one. */
static char *cliff(int pages)
{
	char *p = mmap(NULL, (size_t)(pages + 1) * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + pages * PAGE, PAGE, PROT_NONE)) {
		perror("cliff");
		exit(1);
	}
	memset(p, 'c', (size_t)pages * PAGE);
	return p + pages * PAGE;
}

/* A page that may be read and not written. */
static char *stone(void)
{
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("stone");
		exit(1);
	}
	return p;
}

static void fault_send(void)
{
	char *edge = cliff(1);
	struct iovec iov[3] = {{big, 10}, {edge, 10}, {big, 10}};
	int s, p;

	pair(&s, &p);
	res("null", send(s, NULL, 10, 0));
	res("null0", send(s, NULL, 0, 0));
	res("none", send(s, edge, 100, 0));
	res("kernel", send(s, (char *)-4096, 100, 0));
	res("write", write(s, edge, 1));
	res("second", writev(s, iov, 3));
	res("first", writev(s, iov + 1, 2));
	res("alive", send(s, "x", 1, 0));
	say("got=%ld", read_all(p, 1));
	pair_close(s, p);
}

static void fault_recv(void)
{
	char *volatile nowhere = NULL;
	char *edge = cliff(1), *hard = stone();
	struct iovec iov[2] = {{sink, 4}, {edge, 10}};
	int s, p;

	pair(&s, &p);
	nonblock(s);
	res("empty", recv(s, edge, 10, 0));
	send(p, "0123456789", 10, 0);
	nap();
	res("none", recv(s, edge, 10, 0));
	res("stone", recv(s, hard, 10, 0));
	res("null", recv(s, nowhere, 10, 0));
	res("peek", recv(s, edge, 10, MSG_PEEK));
	res("trunc", recv(s, NULL, 2, MSG_TRUNC));
	res("second", readv(s, iov, 2));
	res("rest", recv(s, sink, sizeof(sink), 0));
	say("is=%.4s", sink);
	pair_close(s, p);
}

static void fault_when_broken(void)
{
	char *edge = cliff(1);
	int s, p;

	pair(&s, &p);
	nonblock(s);
	fill(s);
	res("full", send(s, edge, 10, MSG_NOSIGNAL));
	reset_peer(p);
	nap();
	res("reset", send(s, edge, 10, MSG_NOSIGNAL));
	res("broken", send(s, edge, 10, MSG_NOSIGNAL));
	res("read", recv(s, edge, 10, 0));
	close(s);
}

static void fault_messages(void)
{
	char *edge = cliff(1);
	struct msghdr m = {.msg_iov = (struct iovec *)edge, .msg_iovlen = 1};
	struct mmsghdr *v = (struct mmsghdr *)(void *)(edge - sizeof(*v));
	struct iovec iov = {big, 3};
	int s, p;

	pair(&s, &p);
	res("sendmsg", sendmsg(s, (struct msghdr *)(void *)edge, 0));
	res("iov", sendmsg(s, &m, 0));
	res("writev", writev(s, (struct iovec *)(void *)edge, 1));
	send(p, "abc", 3, 0);
	nap();
	res("recvmsg", recvmsg(s, (struct msghdr *)(void *)edge, 0));
	res("iov", recvmsg(s, &m, 0));
	res("readv", readv(s, (struct iovec *)(void *)edge, 1));
	memset(v, 0, sizeof(*v));
	v->msg_hdr.msg_iov = &iov;
	v->msg_hdr.msg_iovlen = 1;
	res("sendmmsg", sendmmsg(s, v, 2, 0));
	say("got=%ld", read_all(p, 3));
	iov.iov_base = sink;
	res("recvmmsg", recvmmsg(s, v, 1, 0, (struct timespec *)(void *)edge));
	res("recvmmsg", recvmmsg(s, v, 1, 0, NULL));
	pair_close(s, p);
}

static void fault_names(void)
{
	char *edge = cliff(1), *hard = stone();
	socklen_t len = sizeof(struct sockaddr_in);
	struct sockaddr *none = (struct sockaddr *)(void *)edge;
	int s, p;

	pair(&s, &p);
	res("addr", getsockname(s, none, &len));
	res("stone", getpeername(s, (struct sockaddr *)(void *)hard, &len));
	res("len", getsockname(s, (struct sockaddr *)(void *)sink, (socklen_t *)(void *)edge));
	res("peerlen", getpeername(s, (struct sockaddr *)(void *)sink, NULL));
	res("connect", connect(s, none, sizeof(struct sockaddr_in)));
	pair_close(s, p);
}

static void fault_accept(void)
{
	char *edge = cliff(1);
	socklen_t len = sizeof(struct sockaddr_in);
	int l = listener(false, 5), c = peer_socket(SOCK_STREAM);

	connect_to(c, here, port_of(l));
	nap();
	res("addr", accept(l, (struct sockaddr *)(void *)edge, &len));
	nap();
	res("ended", recv(c, sink, 1, MSG_DONTWAIT));
	nonblock(l);
	res("empty", accept(l, (struct sockaddr *)(void *)edge, &len));
	close(c);
	close(l);
}

static void fault_options(void)
{
	char *edge = cliff(1);
	socklen_t len = sizeof(int);
	int s, p;

	pair(&s, &p);
	memset(edge - 4, 0, 4);
	res("set", setsockopt(s, IPPROTO_TCP, TCP_NODELAY, edge, 4));
	res("setnull", setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, NULL, 4));
	res("setcut", setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, edge - 2, 4));
	res("setlong", setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, edge - 4, 100));
	res("get", getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, edge, &len));
	len = 100;
	res("getlong", getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, edge - 4, &len));
	say("len=%d", (int)len);
	res("getlen", getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, sink, (socklen_t *)(void *)edge));
	res("fionread", ioctl(s, FIONREAD, edge));
	res("fionbio", ioctl(s, FIONBIO, NULL));
	pair_close(s, p);
}

static void fault_waits(void)
{
	char *edge = cliff(1);
	struct pollfd *fds = (struct pollfd *)(void *)(edge - sizeof(*fds));
	struct epoll_event ev = {.events = EPOLLOUT};
	int s, p, ep = epoll_create1(0);

	pair(&s, &p);
	fds->fd = s;
	fds->events = POLLOUT;
	res("poll", poll(fds, 2, 0));
	res("poll", poll(fds, 1, 0));
	res("select", select(s + 1, NULL, (fd_set *)(void *)edge, NULL, NULL));
	res("ctl", epoll_ctl(ep, EPOLL_CTL_ADD, s, (struct epoll_event *)(void *)edge));
	res("ctl", epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	res("wait", epoll_wait(ep, (struct epoll_event *)(void *)edge, 1, 0));
	res("wait", epoll_wait(ep, &ev, 1, 0));
	close(ep);
	pair_close(s, p);
}

/* Told are those that there is memory for, whatever the caller says he has. */
static void fault_events(void)
{
	struct epoll_event *two = (struct epoll_event *)(void *)cliff(1) - 2, ev;
	int s[3], p[3], ep = epoll_create1(0);

	for (int i = 0; i < 3; i++) {
		pair(&s[i], &p[i]);
		ev = (struct epoll_event){.events = EPOLLOUT, .data.u32 = (uint32_t)i};
		epoll_ctl(ep, EPOLL_CTL_ADD, s[i], &ev);
	}
	res("wait", epoll_wait(ep, two, 10, 0));
	say("%u,%u", two[0].data.u32, two[1].data.u32);
	res("again", epoll_wait(ep, two, 10, 0));
	say("%u,%u", two[0].data.u32, two[1].data.u32);
	res("none", epoll_wait(ep, two + 2, 10, 0));
	res("many", epoll_wait(ep, two, 0x7fffffff, 0));
	close(ep);
	for (int i = 0; i < 3; i++)
		pair_close(s[i], p[i]);
}

static void fault_sendfile(void)
{
	char *edge = cliff(1);
	int s, p, f = memfd_create("fault", MFD_CLOEXEC);

	pair(&s, &p);
	res("file", write(f, "0123456789", 10));
	res("offset", sendfile(s, f, (off_t *)(void *)edge, 10));
	res("all", sendfile(s, f, NULL, 10));
	pair_close(s, p);
	close(f);
}

/* What is only sent may lie in memory that can't be written; where it is to go is read. */
static void fault_const(void)
{
	char *edge = cliff(1);
	struct msghdr *m = (struct msghdr *)(void *)(edge - 2 * sizeof(*m));
	struct iovec *v = (struct iovec *)(void *)(edge - sizeof(*m));
	int s, p;

	*v = (struct iovec){big, 4};
	*m = (struct msghdr){.msg_iov = v, .msg_iovlen = 1};
	mprotect(edge - PAGE, PAGE, PROT_READ);
	pair(&s, &p);
	res("sendmsg", sendmsg(s, m, 0));
	say("got=%ld", read_all(p, 4));
	res("writev", writev(s, v, 1));
	mprotect(edge - PAGE, PAGE, PROT_READ | PROT_WRITE);
	m->msg_name = edge;
	m->msg_namelen = sizeof(struct sockaddr_in);
	res("name", sendmsg(s, m, 0));
	m->msg_name = big;
	m->msg_namelen = (socklen_t)-1;
	res("negative", sendmsg(s, m, 0));
	pair_close(s, p);
}

/* Only the memory that a datagram fills counts, whatever room there is said to be. */
static void fault_datagram(void)
{
	char *edge = cliff(2);
	struct sockaddr_in sa, pa;
	struct iovec v = {edge - 10, 1 << 16};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	int s, p;

	udp_pair(&s, &p, &sa, &pa);
	nonblock(s);
	res("empty", recv(s, edge, 10, 0));
	for (int i = 0; i < 4; i++)
		sendto(p, "0123456789abcdef", i == 1 ? 16 : 8, 0, (struct sockaddr *)&sa,
		       sizeof(sa));
	nap();
	res("fits", recv(s, edge - 10, 1 << 16, 0));
	res("not", recv(s, edge - 10, 1 << 16, 0));
	res("msg", recvmsg(s, &m, 0));
	m.msg_name = edge - sizeof(sa);
	m.msg_namelen = sizeof(struct sockaddr_storage);
	res("named", recvmsg(s, &m, 0));
	say("namelen=%d", (int)m.msg_namelen);
	v = (struct iovec){big, 4};
	m = (struct msghdr){
		.msg_name = edge, .msg_namelen = sizeof(pa), .msg_iov = &v, .msg_iovlen = 1};
	res("noname", sendmsg(s, &m, 0));
	pair_close(s, p);
}

/* A room and a number of descriptors beyond all reason: there is less to say. */
static void fault_large(void)
{
	char *edge = cliff(1);
	socklen_t len = 1 << 30;
	struct timeval tv = {0, 0};
	fd_set *set = (fd_set *)(void *)(edge - sizeof(*set));
	struct sockaddr_in sa, pa;
	int s, p;

	pair(&s, &p);
	res("get", getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, edge - PAGE, &len));
	say("len=%d", (int)len);
	FD_ZERO(set);
	FD_SET(s, set);
	res("select", select(1 << 20, NULL, set, NULL, &tv));
	say("set=%d", FD_ISSET(s, set));
	res("sendto", sendto(s, big, 1, 0, (struct sockaddr *)sink, 200));
	pair_close(s, p);
	udp_pair(&s, &p, &sa, &pa);
	memcpy(sink, &pa, sizeof(pa));
	res("udp sendto", sendto(s, big, 1, 0, (struct sockaddr *)sink, 200));
	res("udp connect", connect(s, (struct sockaddr *)sink, (socklen_t)-1));
	pair_close(s, p);
	s = socket(AF_INET, SOCK_STREAM, 0);
	res("connect", connect(s, (struct sockaddr *)sink, 200));
	res("bind", bind(s, (struct sockaddr *)sink, (socklen_t)-1));
	close(s);
}

/* SIGSEGV is the program's own, and what it sees of it is not changed. */
static void fault_signal_mine(void)
{
	struct sigaction sa;
	char *edge = cliff(1);
	int s, p, status;
	pid_t pid;

	pair(&s, &p);
	sigaction(SIGSEGV, NULL, &sa);
	say("default=%d flags=%d", sa.sa_handler == SIG_DFL, sa.sa_flags);
	res("send", send(s, edge, 1, 0));
	catch_sig(SIGSEGV, 0);
	res("send", send(s, edge, 1, 0));
	raise(SIGSEGV);
	say("sigs=%d", (int)sigs);
	signal(SIGSEGV, SIG_DFL);
	res("send", send(s, edge, 1, 0));
	pid = fork();
	if (pid == 0) {
		*edge = 1;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say("read=%s", WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : "lived");
	pid = fork();
	if (pid == 0) {
		raise(SIGBUS);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say("raise=%s", WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : "lived");
	pair_close(s, p);
}

/* What `sockdiff --first` does, before the process has any socket. */
static int fault_first_main(void)
{
	struct epoll_event *nowhere = (struct epoll_event *)cliff(1);
	int u[2];

	if (pipe(u) || epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, u[0], nowhere) == 0)
		return 1;
	return errno == EFAULT ? 0 : 2;
}

static void fault_first(void)
{
	int st = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "sockdiff", "--first", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &st, 0);
	say("status=%x", (unsigned)st);
}

#endif
