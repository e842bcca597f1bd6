/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. Lengths, flags, arrays and control buffers at their limits. */
#ifndef SOCKDIFF_BYTES_H
#define SOCKDIFF_BYTES_H

#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* The bytes that have come, up to n, against big from off on. */
static void say_got(int p, size_t n, size_t off)
{
	char *got = calloc(1, n + 1);
	size_t have = 0;
	ssize_t r;

	for (int i = 0; i < 50 && have < n; i++) {
		r = recv(p, got + have, n - have, MSG_DONTWAIT);
		if (r > 0)
			have += (size_t)r, i = 0;
		else if (r == 0)
			break;
		else
			usleep(2000);
	}
	say("got=%zu same=%d", have, !memcmp(got, big + off, have));
	free(got);
}

/* Numbers that the compiler must not know. */
static volatile size_t huge = SIZE_MAX, half = SSIZE_MAX, tera = (size_t)1 << 40;

static void rw_flags_each(void)
{
	static const int flags[] = {0,          RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT,
				    RWF_APPEND, 0x20,      0x30,      0x40,     0x80,
				    0x100,      0x200,     0x10000,   -1};
	struct iovec v = {big, 1}, in = {sink, 1};
	int s, p;

	pair(&s, &p);
	nonblock(s);
	for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		say("%x", (unsigned)flags[i]);
		res("out", pwritev2(s, &v, 1, -1, flags[i]));
		send(p, "x", 1, 0);
		nap();
		res("in", preadv2(s, &in, 1, -1, flags[i]));
	}
	pair_close(s, p);
}

static void rw_offsets(void)
{
	struct iovec v = {sink, 1};
	int s, p;

	pair(&s, &p);
	nonblock(s);
	res("preadv2", preadv2(s, &v, 1, 0, 0));
	res("pwritev2", pwritev2(s, &v, 1, 0, 0));
	res("flags", preadv2(s, &v, 1, 0, -1));
	res("-2", preadv2(s, &v, 1, -2, 0));
	res("preadv", preadv(s, &v, 1, 5));
	res("pwritev", pwritev(s, &v, 1, 5));
	res("pread", pread(s, sink, 1, 0));
	res("pwrite", pwrite(s, sink, 1, 0));
	res("preadneg", pread(s, sink, 1, -1));
	res("preadvneg", preadv(s, &v, 1, -1));
	res("lseek", lseek(s, 0, SEEK_CUR));
	res("count", preadv2(s, &v, (int)huge, -1, 0));
	res("count", pwritev2(s, &v, 1025, -1, 0));
	res("none", pwritev2(s, &v, 0, -1, 0));
	res("none", preadv2(s, &v, 0, -1, RWF_NOWAIT));
	res("badflags0", preadv2(s, &v, 0, -1, 0x10000));
	res("waits", preadv2(s, &v, 1, -1, RWF_NOWAIT));
	pair_close(s, p);
}

/* RWF_NOWAIT on a socket that otherwise waits. */
static void rw_nowait(void)
{
	struct iovec v = {sink, 10}, out = {big, sizeof(big)};
	int s, p;

	pair(&s, &p);
	res("empty", preadv2(s, &v, 1, -1, RWF_NOWAIT));
	nonblock(s);
	fill(s);
	fcntl(s, F_SETFL, 0);
	res("full", pwritev2(s, &out, 1, -1, RWF_NOWAIT));
	reset_peer(p);
	close(s);
}

static void lengths_huge(void)
{
	static struct iovec v[4];
	int s, p;

	pair(&s, &p);
	nonblock(s);
	res("recv", recv(s, sink, huge, 0));
	res("read", read(s, sink, huge));
	res("recvmax", recv(s, sink, half, 0));
	res("readmax", read(s, sink, half));
	send(p, "0123456789", 10, 0);
	nap();
	res("data", recv(s, sink, huge, MSG_PEEK));
	res("data", recv(s, sink, tera, 0));
	send(p, "0123456789", 10, 0);
	nap();
	res("data", read(s, sink, tera));
	v[0] = (struct iovec){sink, tera};
	v[1] = (struct iovec){sink, tera};
	res("readv", readv(s, v, 2));
	v[1].iov_len = (size_t)SSIZE_MAX + 1;
	res("readvneg", readv(s, v, 2));
	v[1].iov_len = SSIZE_MAX;
	res("readvsum", readv(s, v, 2));
	res("write", write(s, sink, huge));
	ok("send", send(s, sink, huge - 1, 0));
	pair_close(s, p);
}

/* Addresses that no process can have are refused before anything else is looked at. */
static void addresses_kernel(void)
{
	char *kernel = (char *)-8192L, *last = (char *)0x7ffffffff000;
	struct iovec v[2] = {{big, 4}, {kernel, 10}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
	int s, p;

	pair(&s, &p);
	nonblock(s);
	res("recv", recv(s, kernel, 10, 0));
	res("recv0", recv(s, kernel, 0, 0));
	res("read", read(s, kernel, 10));
	res("read0", read(s, kernel, 0));
	res("last", recv(s, last, 10, 0));
	res("lastbut1", recv(s, last - 1, 10, 0));
	res("readv", readv(s, v, 2));
	res("writev", writev(s, v, 2));
	res("sendmsg", sendmsg(s, &m, 0));
	res("recvmsg", recvmsg(s, &m, 0));
	v[1].iov_len = 0;
	res("zero", writev(s, v, 2));
	say_got(p, 4, 0);
	send(p, "abc", 3, 0);
	nap();
	v[0].iov_base = sink;
	v[1].iov_len = 1;
	res("data", readv(s, v, 2));
	res("rest", recv(s, sink, 10, 0));
	fcntl(s, F_SETFL, 0);
	res("blocks", recv(s, kernel, 10, 0));
	pair_close(s, p);
}

/* Holes in an array are passed over; the number of pieces is no limit to one call. */
static void iov_holes(void)
{
	static struct iovec v[1024];
	static char in[4096];
	int s, p;

	pair(&s, &p);
	for (int i = 0; i < 1024; i++)
		v[i] = (struct iovec){i % 3 ? NULL : big + i / 3, i % 3 ? 0 : 1};
	res("writev", writev(s, v, 1024));
	say_got(p, 342, 0);
	send(p, big, 342, 0);
	nap();
	for (int i = 0; i < 1024; i++)
		v[i] = (struct iovec){i % 3 ? NULL : in + i / 3, i % 3 ? 0 : 1};
	res("readv", readv(s, v, 1024));
	say("same=%d", !memcmp(in, big, 342));
	for (int i = 0; i < 1024; i++)
		v[i] = (struct iovec){big + i * 1000, 1000};
	struct later l = {p, 0, DRAIN, 1024000};
	pthread_t t = later(&l);

	res("large", writev(s, v, 1024));
	pthread_join(t, NULL);
	for (int i = 0; i < 1024; i++)
		v[i].iov_len = 0;
	res("zeros", writev(s, v, 1024));
	res("zeros", readv(s, v, 1024));
	v[1023].iov_len = 1;
	res("last", writev(s, v, 1024));
	say_got(p, 1, 1023000);
	pair_close(s, p);
}

/* A bad piece behind good ones: what went before it counts. */
static void iov_bad_piece(void)
{
	char *edge = cliff(2);
	struct iovec v[3];
	int s, p;

	pair(&s, &p);
	v[0] = (struct iovec){big, 100};
	v[1] = (struct iovec){edge - 10, 20};
	v[2] = (struct iovec){big, 100};
	res("out", writev(s, v, 3));
	nonblock(p);
	res("came", recv(p, sink, sizeof(sink), 0));
	send(p, big, 300, 0);
	nap();
	v[0].iov_base = sink;
	res("in", readv(s, v, 3));
	nonblock(s);
	res("rest", recv(s, sink, sizeof(sink), 0));
	v[0].iov_base = NULL;
	res("null", writev(s, v, 1));
	pair_close(s, p);
}

static struct cmsghdr *cmsg_at(char *buf, size_t len, int level, int type)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)buf;

	c->cmsg_len = len;
	c->cmsg_level = level;
	c->cmsg_type = type;
	return c;
}

/* Control data that a stream has no use for, and what is wrong in itself. */
static void control_out(void)
{
	_Alignas(16) char ctl[256] = {0};
	struct iovec v = {big, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl};
	int s, p;

	pair(&s, &p);
	m.msg_controllen = 8;
	res("short", sendmsg(s, &m, 0));
	m.msg_controllen = CMSG_SPACE(4);
	cmsg_at(ctl, CMSG_LEN(4), SOL_SOCKET, SCM_RIGHTS);
	res("rights", sendmsg(s, &m, 0));
	cmsg_at(ctl, CMSG_LEN(4), SOL_SOCKET, SCM_CREDENTIALS);
	res("creds", sendmsg(s, &m, 0));
	cmsg_at(ctl, CMSG_LEN(4), SOL_SOCKET, 999);
	res("unknown", sendmsg(s, &m, 0));
	cmsg_at(ctl, CMSG_LEN(4), IPPROTO_IP, 999);
	res("ip", sendmsg(s, &m, 0));
	cmsg_at(ctl, CMSG_LEN(4), IPPROTO_TCP, 999);
	res("tcp", sendmsg(s, &m, 0));
	cmsg_at(ctl, 4, SOL_SOCKET, SCM_RIGHTS);
	res("len", sendmsg(s, &m, 0));
	cmsg_at(ctl, 200, IPPROTO_IP, 1);
	res("long", sendmsg(s, &m, 0));
	cmsg_at(ctl, CMSG_LEN(4), SOL_SOCKET, SO_TIMESTAMPING);
	res("stamping", sendmsg(s, &m, 0));
	cmsg_at(ctl, CMSG_LEN(8), SOL_SOCKET, SO_TIMESTAMPING);
	m.msg_controllen = CMSG_SPACE(8);
	res("stamping8", sendmsg(s, &m, 0));
	cmsg_at(ctl, CMSG_LEN(8), SOL_SOCKET, 61 /* SCM_TXTIME */);
	res("txtime", sendmsg(s, &m, 0));
	m.msg_controllen = 1 << 30;
	res("huge", sendmsg(s, &m, 0));
	m.msg_controllen = huge;
	res("max", sendmsg(s, &m, 0));
	m.msg_control = NULL;
	m.msg_controllen = 64;
	res("null", sendmsg(s, &m, 0));
	m.msg_control = cliff(1);
	res("fault", sendmsg(s, &m, 0));
	shutdown(s, SHUT_WR);
	res("shut", sendmsg(s, &m, MSG_NOSIGNAL));
	cmsg_at(ctl, CMSG_LEN(4), SOL_SOCKET, 999);
	m.msg_control = ctl;
	m.msg_controllen = CMSG_SPACE(4);
	res("order", sendmsg(s, &m, MSG_NOSIGNAL));
	pair_close(s, p);
}

static void control_in(void)
{
	_Alignas(16) char ctl[256] = {0};
	struct iovec v = {sink, 1};
	union any_addr a;
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	struct mmsghdr mm[2] = {0};
	int s, p;

	pair(&s, &p);
	send(p, "0123456789", 10, 0);
	nap();
	m.msg_control = ctl;
	m.msg_controllen = sizeof(ctl);
	m.msg_flags = -1;
	res("plain", recvmsg(s, &m, 0));
	say("ctl=%zu flags=%x", m.msg_controllen, (unsigned)m.msg_flags);
	m.msg_control = cliff(1);
	m.msg_controllen = 100;
	res("bad", recvmsg(s, &m, MSG_CMSG_CLOEXEC));
	say("ctl=%zu flags=%x", m.msg_controllen, (unsigned)m.msg_flags);
	m.msg_controllen = huge;
	res("max", recvmsg(s, &m, 0));
	m.msg_control = NULL;
	m.msg_controllen = 0;
	m.msg_name = cliff(1);
	m.msg_namelen = 100;
	res("name", recvmsg(s, &m, 0));
	say("len=%u", m.msg_namelen);
	m.msg_name = &a;
	m.msg_namelen = (socklen_t)-1;
	res("neg", recvmsg(s, &m, 0));
	m.msg_name = NULL;
	m.msg_namelen = (socklen_t)-1;
	res("nullneg", recvmsg(s, &m, 0));
	say("len=%u", m.msg_namelen);
	m.msg_namelen = 0;
	v.iov_len = 100;
	res("trunc", recvmsg(s, &m, MSG_TRUNC));
	say("flags=%x", (unsigned)m.msg_flags);
	send(p, "01234", 5, 0);
	nap();
	v.iov_len = 2;
	res("peektrunc", recvmsg(s, &m, MSG_TRUNC | MSG_PEEK));
	say("flags=%x", (unsigned)m.msg_flags);
	mm[0].msg_hdr = mm[1].msg_hdr = m;
	mm[1].msg_hdr.msg_iov = (struct iovec *)(void *)cliff(1);
	res("mmsg", recvmmsg(s, mm, 2, MSG_DONTWAIT, NULL));
	say("len=%u", mm[0].msg_len);
	res("rest", recv(s, sink, 10, MSG_DONTWAIT));
	pair_close(s, p);
}

/* Flags that a stream does not know are passed over; those of others are refused. */
static void flags_each(void)
{
	int s, p;

	pair(&s, &p);
	for (int bit = 0; bit < 32; bit++) {
		unsigned f = 1u << bit;

		/* those that have cases of their own */
		if (f == MSG_OOB || f == MSG_FASTOPEN || f == MSG_MORE)
			continue;
		say("%x", f);
		res("out", send(s, big, 1, (int)f | MSG_DONTWAIT));
		send(p, big, 2, 0);
		nap();
		res("in", recv(s, sink, 1, (int)f | MSG_DONTWAIT));
		while (recv(s, sink, 10, MSG_DONTWAIT) > 0)
			;
	}
	pair_close(s, p);
}

/* ---- pages that take their time ------------------------------------------------------------- */

static struct slow_page {
	int uffd, s;
	char *page;
	int what; /* 0: send from it, 1: receive into it, 2: the array of pieces lies in it */
	atomic_bool free; /* the others are through: it may be filled */
	atomic_bool asked, filled;
	ssize_t ret;
} slow;

/* Fills the page once it has been asked for and the others are through, or after two seconds. */
static void *slow_fill(void *arg)
{
	static _Alignas(4096) char bytes[4096];
	struct iovec v = {big, 7};
	struct uffd_msg m;
	struct uffdio_copy c = {.dst = (uintptr_t)slow.page, .src = (uintptr_t)bytes, .len = 4096};

	(void)arg;
	memcpy(bytes, &v, sizeof(v));
	if (read(slow.uffd, &m, sizeof(m)) != sizeof(m))
		return NULL;
	slow.asked = true;
	for (int i = 0; i < 2000 && !slow.free; i++)
		usleep(1000);
	slow.filled = true;
	ioctl(slow.uffd, UFFDIO_COPY, &c);
	return NULL;
}

static void *slow_move(void *arg)
{
	(void)arg;
	if (slow.what == 0)
		slow.ret = send(slow.s, slow.page, 100, 0);
	else if (slow.what == 1)
		slow.ret = recv(slow.s, slow.page, 100, 0);
	else
		slow.ret = writev(slow.s, (struct iovec *)(void *)slow.page, 1);
	return NULL;
}

/* While one thread waits for a page of its memory, others send and receive. */
static void slow_memory(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	int s2, p, p2, trips = 0;
	pthread_t fill, move;
	char b[8];

	slow = (struct slow_page){.uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC),
				  .what = (int)case_arg};
	slow.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)slow.page;
	reg.range.len = 4096;
	if (slow.uffd < 0 || ioctl(slow.uffd, UFFDIO_API, &api) ||
	    ioctl(slow.uffd, UFFDIO_REGISTER, &reg)) {
		say("not here");
		return;
	}
	pair(&slow.s, &p);
	pair(&s2, &p2);
	if (slow.what == 1)
		send(p, big, 100, 0);
	nap();
	pthread_create(&fill, NULL, slow_fill, NULL);
	pthread_create(&move, NULL, slow_move, NULL);
	while (!slow.asked)
		usleep(1000);
	for (; trips < 5; trips++)
		if (send(s2, "ping", 4, 0) != 4 || recv(p2, b, 4, MSG_WAITALL) != 4 ||
		    send(p2, "pong", 4, 0) != 4 || recv(s2, b, 4, MSG_WAITALL) != 4)
			break;
	say("trips=%d meanwhile=%d", trips, !slow.filled);
	slow.free = true;
	pthread_join(move, NULL);
	pthread_join(fill, NULL);
	say("moved=%zd", slow.ret);
	close(slow.uffd);
	munmap(slow.page, 4096);
	pair_close(slow.s, p);
	pair_close(s2, p2);
}

/* clang-format off */
ADD_CASES(bytes_cases,
	BOTH(rw_flags_each),
	BOTH(rw_offsets),
	BOTH(rw_nowait),
	BOTH(lengths_huge),
	BOTH(addresses_kernel),
	BOTH(iov_holes),
	BOTH(iov_bad_piece),
	BOTH(control_out),
	BOTH(control_in),
	BOTH(flags_each),
	{ "slow_memory_send", slow_memory, BOTH_WAYS, 0 },
	{ "slow_memory_recv", slow_memory, BOTH_WAYS, 1 },
	{ "slow_memory_array", slow_memory, BOTH_WAYS, 2 })
/* clang-format on */

#endif
