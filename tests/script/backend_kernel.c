/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays a case on Linux: in a network namespace of its own, whose only way out is a TUN device that
 * this process reads and writes. Real time, so times have a tolerance. Sockets don't block; a call
 * that is to block runs in a thread, and the case goes on when that thread really sleeps.
 */
#include <errno.h>
#include <time.h> /* before: */
#include <linux/errqueue.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "script.h"
#include "stack/tcp/info_all.h"

#define STRAY_NS (10 * SC_MS) /* how long the end waits for packets that nobody wants */
#define BLOCKED_POLL_NS (2 * SC_MS)

struct blocked {
	struct run *r;
	struct call *c;
	pthread_t thread;
	volatile int tid;
	volatile bool done;
	bool told;
	int64_t ret, at;
};

struct lk {
	int tun;
	int64_t start;
	int fd[SC_SLOTS], ep[SC_SLOTS];
	struct blocked b[4];
	unsigned nb;
};

static struct lk *lk_of(struct run *r)
{
	return r->priv;
}

static int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SC_SEC + t.tv_nsec;
}

static int64_t lk_now(struct run *r)
{
	return clock_ns() - lk_of(r)->start;
}

/* ---- the namespace -------------------------------------------------------------------------- */

static int file_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

static int sysctl_set(const char *name, const char *value)
{
	static const char *const dirs[] = {"ipv4", "core", "ipv6"};
	char path[160];
	int r = -ENOENT;

	for (unsigned i = 0; i < 3 && r == -ENOENT; i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/%s/%s", dirs[i], name);
		r = file_write(path, value);
	}
	return r;
}

/* Of another namespace's the kernel's own defaults depend on the machine's memory. */
static const char *const defaults[][2] = {
	{"tcp_rmem", "4096 131072 6291456"},
	{"tcp_wmem", "4096 16384 4194304"},
	{"tcp_no_metrics_save", "1"},
	{"tcp_fastopen", "1"},
};

static const char *settings_apply(struct run *r)
{
	static char why[200];
	int x;

	for (unsigned i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		sysctl_set(defaults[i][0], defaults[i][1]);
	/* a namespace may have the machine's own or reno: never one that paces unasked */
	if (sysctl_set("tcp_congestion_control", "cubic"))
		sysctl_set("tcp_congestion_control", "reno");
	for (unsigned i = 0; i < r->c->nset; i++) {
		const struct setting *s = &r->c->set[i];

		if (!(s->backends & BE_KERNEL))
			continue;
		x = sysctl_set(s->name, s->value);
		if (x == 0)
			continue;
		snprintf(why, sizeof(why), "%s:%d: set %s: %s", s->at.file, s->at.line, s->name,
			 strerror(-x));
		return why;
	}
	return NULL;
}

/* Over netlink, so that an IPv6 address can be had at once, without looking for duplicates. */
static int address_add(uint8_t family)
{
	struct {
		struct nlmsghdr h;
		struct ifaddrmsg a;
		struct rtattr ra;
		uint8_t addr[16];
	} m = {.h = {.nlmsg_type = RTM_NEWADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} answer;
	unsigned len = family == FAM_V6 ? 16 : 4;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), r = 0;

	if (fd < 0)
		return -errno;
	m.a.ifa_family = family == FAM_V6 ? AF_INET6 : AF_INET;
	m.a.ifa_prefixlen = family == FAM_V6 ? 64 : 24;
	m.a.ifa_flags = IFA_F_NODAD | IFA_F_PERMANENT;
	m.a.ifa_index = if_nametoindex("tun0");
	m.ra.rta_type = IFA_LOCAL;
	m.ra.rta_len = (unsigned short)RTA_LENGTH(len);
	sc_addr(family, false, m.addr);
	m.h.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(m.a)) + RTA_LENGTH(len));
	if (send(fd, &m, m.h.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		r = -errno;
	else if (answer.h.nlmsg_type == NLMSG_ERROR)
		r = answer.e.error;
	close(fd);
	return r;
}

static int link_up(void)
{
	struct ifreq ifr = {.ifr_name = "tun0"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	ifr.ifr_mtu = SC_MTU;
	r = ioctl(fd, SIOCSIFMTU, &ifr);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	r = r ? r : ioctl(fd, SIOCSIFFLAGS, &ifr);
	r = r ? -errno : 0;
	close(fd);
	return r;
}

/* A namespace is ready some time after it has its address: when it answers for a closed port. */
static bool ready_wait(struct run *r)
{
	struct seg s = {.proto = IPPROTO_TCP, .peer = 9, .flags = 0x10, .has_ack = true};
	static struct flow f = {.port = 9};
	struct lk *k = lk_of(r);
	uint8_t b[SC_PKT_MAX], in[2048];
	uint32_t len = packet_build(&s, &f, r->family, b);
	bool ready = false;

	for (int i = 0; i < 1000 && !ready; i++) {
		struct pollfd p = {.fd = k->tun, .events = POLLIN};
		ssize_t n;

		if (write(k->tun, b, len) != (ssize_t)len)
			return false;
		poll(&p, 1, 2);
		while ((n = read(k->tun, in, sizeof(in))) > 0) {
			const char *why;

			/* nothing but the answer is TCP here */
			ready |= packet_parse(in, (uint32_t)n, r->family, &s, &why) == 0;
		}
	}
	return ready;
}

static const char *lk_open(struct run *r, bool *skip)
{
	static char why[160];
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "tun0"};
	struct lk *k = calloc(1, sizeof(*k));
	const char *wrong;
	int x;

	if (!k)
		return "no memory";
	*skip = true;
	for (unsigned i = 0; i < SC_SLOTS; i++)
		k->fd[i] = k->ep[i] = -1;
	r->priv = k;
	if (unshare(CLONE_NEWNET))
		return "a network namespace needs root";
	k->tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (k->tun < 0 || ioctl(k->tun, TUNSETIFF, &ifr))
		return "no TUN device here";
	*skip = false;
	file_write("/proc/sys/net/ipv6/conf/tun0/disable_ipv6", "0");
	file_write("/proc/sys/net/ipv6/conf/tun0/router_solicitations", "0");
	file_write("/proc/sys/net/ipv6/conf/tun0/accept_dad", "0");
	wrong = settings_apply(r);
	if (wrong)
		return wrong;
	x = link_up();
	x = x ? x : address_add(r->family);
	if (x) {
		snprintf(why, sizeof(why), "setting up tun0: %s", strerror(-x));
		return why;
	}
	if (!ready_wait(r))
		return "the namespace does not answer";
	k->start = clock_ns();
	return NULL;
}

/* ---- packets and time ----------------------------------------------------------------------- */

static void lk_inject(struct run *r, const uint8_t *ip, uint32_t len)
{
	if (write(lk_of(r)->tun, ip, len) == (ssize_t)len)
		return;
	fprintf(r->out, "a packet could not be put in: %s\n", strerror(errno));
	r->failed = true;
}

static void drain(struct run *r)
{
	uint8_t b[65536];
	ssize_t n;

	while ((n = read(lk_of(r)->tun, b, sizeof(b))) > 0)
		run_captured(r, b, (uint32_t)n, lk_now(r));
}

static bool blocked_look(struct run *r)
{
	struct lk *k = lk_of(r);
	bool any = false;

	for (unsigned i = 0; i < k->nb; i++) {
		struct blocked *b = &k->b[i];

		if (b->told)
			continue;
		if (!__atomic_load_n(&b->done, __ATOMIC_ACQUIRE)) {
			any = true;
			continue;
		}
		b->told = true;
		pthread_join(b->thread, NULL);
		run_returned(r, b->c, b->ret, b->at);
	}
	return any;
}

static void lk_advance(struct run *r, int64_t until, bool to_packet)
{
	struct lk *k = lk_of(r);

	for (;;) {
		struct pollfd p = {.fd = k->tun, .events = POLLIN};
		struct timespec t = {0};
		int64_t left;
		bool waiting;

		drain(r);
		waiting = blocked_look(r);
		left = until - lk_now(r);
		if (left <= 0 || (to_packet && r->qhead != r->qtail) || r->failed)
			return;
		if (waiting && left > BLOCKED_POLL_NS)
			left = BLOCKED_POLL_NS;
		t.tv_sec = left / SC_SEC;
		t.tv_nsec = left % SC_SEC;
		ppoll(&p, 1, &t, NULL);
	}
}

/* ---- calls ---------------------------------------------------------------------------------- */

static socklen_t sockaddr_of(uint8_t family, bool peer, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *sin = (struct sockaddr_in *)ss;
	uint8_t a[16];

	memset(ss, 0, sizeof(*ss));
	sc_addr(family, peer, a);
	if (family == FAM_V6) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		memcpy(&six->sin6_addr, a, 16);
		return sizeof(*six);
	}
	sin->sin_family = AF_INET;
	sin->sin_port = htons(port);
	memcpy(&sin->sin_addr, a, 4);
	return sizeof(*sin);
}

static int64_t result(int64_t r)
{
	return r < 0 ? -errno : r;
}

static int64_t sock_new(struct lk *k, const struct call *c, int fd)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET,
	};

	if (fd < 0)
		return -errno;
	if (c->to < 0)
		return close(fd);
	k->fd[c->to] = fd;
	if (k->ep[c->to] >= 0)
		close(k->ep[c->to]);
	k->ep[c->to] = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(k->ep[c->to], EPOLL_CTL_ADD, fd, &ev);
	return 0;
}

static int64_t lk_setsockopt(int fd, const struct call *c)
{
	struct linger l = {.l_onoff = (int)c->n, .l_linger = (int)c->n2};
	int v = (int)c->n;

	if (c->str[0])
		return result(setsockopt(fd, c->level, c->name, c->str, (socklen_t)strlen(c->str)));
	if (c->level == SOL_SOCKET && c->name == SO_LINGER)
		return result(setsockopt(fd, c->level, c->name, &l, sizeof(l)));
	return result(setsockopt(fd, c->level, c->name, &v, sizeof(v)));
}

static int64_t lk_getsockopt(int fd, struct call *c)
{
	socklen_t len = sizeof(int);
	int v = 0;

	if (c->level == IPPROTO_TCP && c->name == TCP_CONGESTION) {
		len = 16;
		memset(c->str, 0, sizeof(c->str));
		return result(getsockopt(fd, c->level, c->name, c->str, &len));
	}
	if (getsockopt(fd, c->level, c->name, &v, &len))
		return -errno;
	return v;
}

static int64_t lk_ask(struct lk *k, const struct call *c)
{
	struct pollfd p = {.fd = k->fd[c->slot], .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP};
	struct epoll_event ev;
	struct tcp_info_all ti;
	socklen_t len = sizeof(ti);
	int v = 0;

	switch (c->op) {
	case CALL_IOCTL:
		return ioctl(p.fd, (unsigned long)c->name, &v) ? -errno : v;
	case CALL_POLL:
		return poll(&p, 1, 0) < 0 ? -errno : p.revents;
	case CALL_EPOLL:
		return epoll_wait(k->ep[c->slot], &ev, 1, 0) > 0 ? (int64_t)ev.events : 0;
	default:
		memset(&ti, 0, sizeof(ti));
		if (getsockopt(p.fd, IPPROTO_TCP, TCP_INFO, &ti, &len))
			return -errno;
		return c->op == CALL_STATE ? ti.ti.tcpi_state : info_get(&ti, c->info);
	}
}

static int64_t lk_errqueue(int fd, struct call *c)
{
	union {
		struct cmsghdr h;
		char b[512];
	} ctl;
	char data[2048];
	struct iovec v = {data, sizeof(data)};
	struct msghdr m = {
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl),
	};
	ssize_t n = recvmsg(fd, &m, MSG_ERRQUEUE);
	struct sock_extended_err e;

	if (n < 0)
		return -errno;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (!(h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_RECVERR) &&
		    !(h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(h), sizeof(e));
		err_text(c->str, sizeof(c->str), &e, (uint32_t)n);
		return n;
	}
	return -ENODATA;
}

static int64_t lk_move(struct run *r, int fd, struct call *c)
{
	struct sockaddr_storage ss;
	socklen_t len = 0;

	if (c->op == CALL_READ)
		return result(read(fd, c->buf, (size_t)c->n));
	if (c->op == CALL_RECV)
		return result(recv(fd, c->buf, (size_t)c->n, c->flags));
	if (c->op == CALL_SENDTO)
		len = sockaddr_of(r->family, true, (uint16_t)(SC_PEER_PORT + c->peer), &ss);
	return result(sendto(fd, c->buf, (size_t)c->n, c->flags | MSG_NOSIGNAL,
			     len ? (struct sockaddr *)&ss : NULL, len));
}

static int64_t call_do(struct run *r, struct call *c)
{
	struct lk *k = lk_of(r);
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = c->slot >= 0 ? k->fd[c->slot] : -1;

	switch (c->op) {
	case CALL_SOCKET:
		return sock_new(
			k, c,
			socket(r->family == FAM_V6 ? AF_INET6 : AF_INET,
			       (c->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
			       0));
	case CALL_BIND:
		len = sockaddr_of(r->family, false, (uint16_t)c->port, &ss);
		return result(bind(fd, (struct sockaddr *)&ss, len));
	case CALL_LISTEN:
		return result(listen(fd, (int)c->n));
	case CALL_ACCEPT:
		return sock_new(k, c, accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	case CALL_CONNECT:
		len = sockaddr_of(r->family, true, (uint16_t)(SC_PEER_PORT + c->peer), &ss);
		return result(connect(fd, (struct sockaddr *)&ss, len));
	case CALL_READ:
	case CALL_RECV:
	case CALL_WRITE:
	case CALL_SEND:
	case CALL_SENDTO:
		return lk_move(r, fd, c);
	case CALL_SHUTDOWN:
		return result(shutdown(fd, (int)c->n));
	case CALL_CLOSE:
		k->fd[c->slot] = -1;
		return result(close(fd));
	case CALL_SETSOCKOPT:
		return lk_setsockopt(fd, c);
	case CALL_GETSOCKOPT:
		return lk_getsockopt(fd, c);
	case CALL_ERRQUEUE:
		return lk_errqueue(fd, c);
	default:
		return lk_ask(k, c);
	}
}

static int64_t lk_call(struct run *r, struct call *c)
{
	int64_t ret = call_do(r, c);

	drain(r);
	return ret;
}

/* ---- calls that block ----------------------------------------------------------------------- */

static void *blocked_main(void *arg)
{
	struct blocked *b = arg;

	b->tid = (int)syscall(SYS_gettid);
	b->ret = call_do(b->r, b->c);
	b->at = lk_now(b->r);
	__atomic_store_n(&b->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static char thread_state(int tid)
{
	char path[64], buf[200], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	p = strrchr(buf, ')');
	return p && p[1] ? p[2] : 0;
}

static void lk_call_blocking(struct run *r, struct call *c)
{
	struct lk *k = lk_of(r);
	struct blocked *b = &k->b[k->nb];
	int fd = c->slot >= 0 ? k->fd[c->slot] : -1;

	if (k->nb == 4 || fd < 0) {
		run_returned(r, c, -EBADF, lk_now(r));
		return;
	}
	k->nb++;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	b->r = r;
	b->c = c;
	pthread_create(&b->thread, NULL, blocked_main, b);
	/* on, when it sleeps in its call or has come back from it */
	while (!__atomic_load_n(&b->done, __ATOMIC_ACQUIRE) &&
	       !(b->tid && thread_state(b->tid) == 'S'))
		usleep(200);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	drain(r);
}

static const char *lk_close(struct run *r)
{
	char text[400];
	struct seg *s;
	static char why[500];

	lk_advance(r, lk_now(r) + STRAY_NS, true);
	if (r->qhead == r->qtail)
		return NULL;
	s = r->q[r->qhead++ % SC_QUEUE];
	packet_relative(s, &r->flow[s->peer]);
	packet_print(s, text, sizeof(text));
	snprintf(why, sizeof(why), "sent and not asked for: at %.6f >%s", (double)s->at / 1e9,
		 text);
	return why;
}

const struct backend backend_kernel = {
	.name = "kernel",
	.bit = BE_KERNEL,
	.tol_early = 10 * SC_MS,
	.tol_late = 30 * SC_MS,
	.tol_percent = 14, /* its timer wheel is an eighth coarse */
	.open = lk_open,
	.now = lk_now,
	.inject = lk_inject,
	.advance = lk_advance,
	.call = lk_call,
	.call_blocking = lk_call_blocking,
	.close = lk_close,
};
