/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. Files and pipes on one side, a connection on the other: sendfile, splice. */
#ifndef SOCKDIFF_FILE_H
#define SOCKDIFF_FILE_H

#include <linux/fuse.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

/* A file on a disk (where there is one), open with flags; n bytes of big. */
static int disk_file(size_t n, int flags)
{
	char path[] = "/var/tmp/sockdiffXXXXXX", again_path[40];
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, big, n) != (ssize_t)n) {
		perror(path);
		exit(1);
	}
	snprintf(again_path, sizeof(again_path), "/proc/self/fd/%d", fd);
	unlink(path);
	if (flags) {
		int other = open(again_path, flags);

		close(fd);
		fd = other;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void sendfile_positions(void)
{
	int s, p, f = disk_file(10000, 0), d;
	off_t off = 9990;

	pair(&s, &p);
	d = dup(f);
	lseek(f, 5000, SEEK_SET);
	res("offset", sendfile(s, f, &off, 1000));
	say("off=%ld pos=%ld", (long)off, (long)lseek(f, 0, SEEK_CUR));
	say_got(p, 10, 9990);
	res("eof", sendfile(s, f, &off, 1000));
	say("off=%ld", (long)off);
	off = 1 << 20;
	res("beyond", sendfile(s, f, &off, 1000));
	say("off=%ld", (long)off);
	res("pos", sendfile(s, f, NULL, 100));
	say("pos=%ld dup=%ld", (long)lseek(f, 0, SEEK_CUR), (long)lseek(d, 0, SEEK_CUR));
	say_got(p, 100, 5000);
	off = 0;
	res("zero", sendfile(s, f, &off, 0));
	say("off=%ld", (long)off);
	lseek(f, 1 << 20, SEEK_SET);
	res("posbeyond", sendfile(s, f, NULL, 10));
	say("pos=%ld", (long)lseek(f, 0, SEEK_CUR));
	close(d);
	close(f);
	pair_close(s, p);
}

static void sendfile_limits(void)
{
	int s, p, f = temp_file(100);
	off_t off = 0;

	pair(&s, &p);
	res("ssizemax", sendfile(s, f, &off, SSIZE_MAX));
	say("off=%ld", (long)off);
	off = 90;
	res("ssizemax", sendfile(s, f, &off, SSIZE_MAX));
	say("off=%ld", (long)off);
	off = 0;
	res("negcount", sendfile(s, f, &off, (size_t)SSIZE_MAX + 1));
	off = INT64_MAX;
	res("far", sendfile(s, f, &off, 1));
	off = INT64_MAX;
	res("far0", sendfile(s, f, &off, 0));
	off = INT64_MAX - 10;
	res("wraps", sendfile(s, f, &off, 100));
	off = INT64_MAX - 10;
	res("fits", sendfile(s, f, &off, 10));
	off = INT64_MIN;
	res("negative", sendfile(s, f, &off, 1));
	off = -1;
	res("negative0", sendfile(s, f, &off, 0));
	res("nowhere", sendfile(s, f, (off_t *)8, 1));
	close(f);
	pair_close(s, p);
}

/* What can be read, mapped or sought is not always what can be sent. */
static void sendfile_sources(void)
{
	int s, p, zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_RDONLY),
		  path = open("/dev/zero", O_PATH), rd = open("/dev/urandom", O_RDONLY),
		  proc = open("/proc/sys/kernel/ostype", O_RDONLY), ev = eventfd(1, 0),
		  st = open("/proc/self/status", O_RDONLY), ep = epoll_create1(0), un[2];
	off_t off = 0;

	pair(&s, &p);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, un))
		return;
	res("zero", sendfile(s, zero, NULL, 10));
	res("zerooff", sendfile(s, zero, &off, 10));
	say("off=%ld", (long)off);
	res("bigzero", sendfile(s, zero, NULL, 100000));
	res("null", sendfile(s, null, NULL, 10));
	res("path", sendfile(s, path, NULL, 10));
	res("random", sendfile(s, rd, NULL, 10));
	res("proc", sendfile(s, proc, NULL, 100));
	res("proc", sendfile(s, proc, NULL, 100));
	ok("status", sendfile(s, st, NULL, 100));
	res("event", sendfile(s, ev, NULL, 8));
	res("epoll", sendfile(s, ep, NULL, 8));
	res("unix", sendfile(s, un[0], NULL, 8));
	res("unixoff", sendfile(s, un[0], &off, 8));
	res("badfile0", sendfile(s, -1, NULL, 0));
	res("unix0", sendfile(s, un[0], NULL, 0));
	res("epoll0", sendfile(s, ep, NULL, 0));
	close(zero), close(null), close(path), close(rd), close(proc), close(ev), close(ep);
	close(un[0]), close(un[1]), close(st);
	pair_close(s, p);
}

/* O_APPEND on what is written to: no splicing. */
static void sendfile_append_out(void)
{
	int s, p, pp[2], f = temp_file(100);

	pair(&s, &p);
	if (pipe(pp) || write(pp[1], "abc", 3) != 3)
		return;
	fcntl(s, F_SETFL, O_APPEND);
	say("fl=%d", !!(fcntl(s, F_GETFL) & O_APPEND));
	res("sendfile", sendfile(s, f, NULL, 10));
	res("splice", splice(pp[0], NULL, s, NULL, 3, 0));
	res("write", write(s, "x", 1));
	res("in", splice(s, NULL, pp[1], NULL, 3, SPLICE_F_NONBLOCK * (send(p, "y", 1, 0) == 1)));
	fcntl(s, F_SETFL, 0);
	res("again", sendfile(s, f, NULL, 10));
	close(pp[0]), close(pp[1]), close(f);
	pair_close(s, p);
}

static void sendfile_direct(void)
{
	int s, p, f = disk_file(70000, O_RDONLY | O_DIRECT);
	off_t off = 0;

	if (f < 0)
		return; /* a filesystem without */
	pair(&s, &p);
	res("aligned", sendfile(s, f, &off, 8192));
	say("off=%ld", (long)off);
	say_got(p, 8192, 0);
	off = 512 * 9;
	res("sector", sendfile(s, f, &off, 4096));
	off = 0;
	res("length", sendfile(s, f, &off, 1000));
	off = 100;
	res("odd", sendfile(s, f, &off, 4096));
	say("off=%ld", (long)off);
	off = 65536;
	res("tail", sendfile(s, f, &off, 8192));
	say("off=%ld", (long)off);
	off = 0;
	res("all", sendfile(s, f, &off, 1 << 20));
	close(f);
	pair_close(s, p);
}

/* A file that is cut, and one that grows, while a blocking call has sent a part of it. */
static void sendfile_file_changes(void)
{
	int s, p, f = disk_file(sizeof(big), 0);
	off_t off = 0;
	ssize_t r;

	pair(&s, &p);
	nonblock(s);
	while ((r = sendfile(s, f, &off, 100000)) > 0 && off < (off_t)sizeof(big))
		;
	if (ftruncate(f, off + 10))
		say("?");
	say("got=%d", read_all(p, (size_t)off) == off);
	fcntl(s, F_SETFL, 0);
	res("rest", sendfile(s, f, &off, sizeof(big)));
	res("end", sendfile(s, f, &off, 100));
	if (ftruncate(f, 0))
		say("?");
	res("cut", sendfile(s, f, &off, 100));
	off = 0;
	res("empty", sendfile(s, f, &off, 100));
	if (ftruncate(f, 3 << 20))
		say("?");
	struct later l = {p, 0, DRAIN, 3 << 20};
	pthread_t t = later(&l);

	res("hole", sendfile(s, f, &off, 3 << 20));
	pthread_join(t, NULL);
	close(f);
	pair_close(s, p);
}

static void sendfile_sinks(void)
{
	int s, p, f = temp_file(100), l = listener(false, 5), u = own_socket(SOCK_STREAM);
	off_t off = 0;

	pair(&s, &p);
	catch_sig(SIGPIPE, 0);
	res("listener", sendfile(l, f, &off, 10));
	say("sigs=%d", (int)sigs);
	sigs = 0;
	res("fresh", sendfile(u, f, &off, 10));
	say("sigs=%d off=%ld", (int)sigs, (long)off);
	reset_peer(p);
	nap();
	sigs = 0;
	res("reset", sendfile(s, f, &off, 10));
	res("reset0", sendfile(s, f, &off, 0));
	res("after", sendfile(s, f, &off, 10));
	res("aftereof", (off = 200, sendfile(s, f, &off, 10)));
	res("afterbad", sendfile(s, l, &off, 10));
	say("sigs=%d", (int)sigs);
	close(f), close(l), close(u), close(s);
}

/* A signal and a timeout end a call that waits for room; what it has sent counts. */
static void sendfile_interrupted(void)
{
	int s, p, f = temp_file(sizeof(big));
	struct timeval tv = {0, 40000};
	off_t off = 0, was;
	double t0 = now_s();
	ssize_t r;

	pair(&s, &p);
	catch_sig(SIGALRM, 0);
	do { /* buffers grow */
		was = off = 0;
		alarm_in_ms(60);
		r = sendfile(s, f, &off, sizeof(big));
	} while (r == (ssize_t)sizeof(big));
	say("ended=%d moved=%d early=%d", sigs > 0, off == was + (r > 0 ? r : 0),
	    now_s() - t0 < 0.03);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	for (int i = 0; i < 3; i++) {
		was = off = 0;
		r = sendfile(s, f, &off, sizeof(big));
	}
	say("short=%d moved=%d", r < (ssize_t)sizeof(big), off == was + (r > 0 ? r : 0));
	close(f);
	pair_close(s, p);
}

/* The other way round: a connection, or anything that can't be sought, into a pipe or a file. */
static void sendfile_from_socket(void)
{
	int s, p, pp[2], f = temp_file(10);
	off_t off = 0;
	char b[20] = "";

	pair(&s, &p);
	if (pipe(pp))
		return;
	send(p, "0123456789", 10, 0);
	nap();
	res("file", sendfile(f, s, NULL, 4));
	res("pipe", sendfile(pp[1], s, NULL, 4));
	res("offset", sendfile(pp[1], s, &off, 4));
	nonblock(pp[0]);
	res("read", read(pp[0], b, sizeof(b)));
	say("%s", b);
	res("rest", recv(s, b, sizeof(b), MSG_DONTWAIT));
	nonblock(s);
	res("empty", sendfile(pp[1], s, NULL, 4));
	close(p);
	nap();
	res("end", sendfile(pp[1], s, NULL, 4));
	close(pp[0]), close(pp[1]), close(f), close(s);
}

static void sendfile_datagram(void)
{
	struct sockaddr_in sa, pa;
	int s, p, f = temp_file(10000);
	off_t off = 100;

	udp_pair(&s, &p, &sa, &pa);
	res("none", sendfile(s, f, &off, 10));
	connect(s, (struct sockaddr *)&pa, sizeof(pa));
	res("small", sendfile(s, f, &off, 10));
	nap();
	res("recv", recv(p, sink, sizeof(sink), MSG_DONTWAIT));
	res("large", sendfile(s, f, NULL, 9000));
	nap();
	res("recv", recv(p, sink, sizeof(sink), MSG_DONTWAIT));
	close(f);
	pair_close(s, p);
}

/* ---- pipes ---------------------------------------------------------------------------------- */

/* Which of the three flags makes which side wait: the pipe's, the socket's, the call's. */
static void splice_who_waits(void)
{
	int s, p, pp[2];
	struct later l;
	pthread_t t;

	pair(&s, &p);
	if (pipe(pp))
		return;
	nonblock(pp[0]);
	fcntl(pp[1], F_SETFL, O_NONBLOCK);
	/* an empty socket and a pipe that does not wait */
	l = (struct later){p, 30, WRITE1, 3};
	t = later(&l);
	res("pipe", splice(s, NULL, pp[1], NULL, 10, 0));
	pthread_join(t, NULL);
	l = (struct later){p, 30, WRITE1, 3};
	t = later(&l);
	res("call", splice(s, NULL, pp[1], NULL, 10, SPLICE_F_NONBLOCK));
	pthread_join(t, NULL);
	nonblock(s);
	res("sock", splice(s, NULL, pp[1], NULL, 10, 0));
	res("sock", splice(s, NULL, pp[1], NULL, 10, 0));
	/* a full pipe */
	while (write(pp[1], big, 4096) > 0)
		;
	send(p, "abc", 3, 0);
	nap();
	res("fullpipe", splice(s, NULL, pp[1], NULL, 10, 0));
	fcntl(pp[1], F_SETFL, 0);
	res("fullcall", splice(s, NULL, pp[1], NULL, 10, SPLICE_F_NONBLOCK));
	fcntl(s, F_SETFL, 0);
	l = (struct later){pp[0], 30, CLOSE, 0};
	t = later(&l);
	catch_sig(SIGPIPE, 0);
	res("fullwaits", splice(s, NULL, pp[1], NULL, 10, 0));
	say("sigs=%d", (int)sigs);
	pthread_join(t, NULL);
	res("stays", recv(s, sink, 10, MSG_DONTWAIT));
	close(pp[1]);
	pair_close(s, p);
}

static void *write_pipe(void *arg)
{
	usleep(30000);
	if (write(*(int *)arg, "late", 4) != 4)
		perror("write_pipe");
	return NULL;
}

static void splice_empty_pipe(void)
{
	int s, p, pp[2];
	pthread_t t;

	pair(&s, &p);
	if (pipe(pp))
		return;
	nonblock(s);
	pthread_create(&t, NULL, write_pipe, &pp[1]);
	res("sock", splice(pp[0], NULL, s, NULL, 10, 0));
	pthread_join(t, NULL);
	fcntl(s, F_SETFL, 0);
	nonblock(pp[0]);
	pthread_create(&t, NULL, write_pipe, &pp[1]);
	res("pipe", splice(pp[0], NULL, s, NULL, 10, 0));
	pthread_join(t, NULL);
	pthread_create(&t, NULL, write_pipe, &pp[1]);
	res("call", splice(pp[0], NULL, s, NULL, 10, SPLICE_F_NONBLOCK));
	pthread_join(t, NULL);
	res("more", splice(pp[0], NULL, s, NULL, 10, SPLICE_F_MOVE | SPLICE_F_MORE));
	close(pp[1]);
	res("end", splice(pp[0], NULL, s, NULL, 10, SPLICE_F_NONBLOCK));
	close(pp[0]);
	pair_close(s, p);
}

static void splice_offsets(void)
{
	int s, p, pp[2];
	loff_t off = 0, *bad = (loff_t *)8;

	pair(&s, &p);
	if (pipe(pp) || write(pp[1], "abc", 3) != 3)
		return;
	send(p, "x", 1, 0);
	nap();
	res("in", splice(s, &off, pp[1], NULL, 1, 0));
	res("inpipe", splice(s, NULL, pp[1], &off, 1, 0));
	res("both", splice(s, &off, pp[1], &off, 1, 0));
	res("out", splice(pp[0], NULL, s, &off, 1, 0));
	res("outpipe", splice(pp[0], &off, s, NULL, 1, 0));
	res("badin", splice(s, bad, pp[1], NULL, 1, 0));
	res("badout", splice(pp[0], NULL, s, bad, 1, 0));
	res("badpipe", splice(pp[0], bad, s, NULL, 1, 0));
	res("zerooff", splice(s, &off, pp[1], NULL, 0, 0));
	res("flags", splice(pp[0], NULL, s, NULL, 1, 0x10));
	res("gift", splice(pp[0], NULL, s, NULL, 1, SPLICE_F_GIFT));
	res("zeroflags", splice(pp[0], NULL, s, NULL, 0, 0x10));
	res("self", splice(s, NULL, s, NULL, 1, 0));
	res("badfd", splice(s, NULL, -1, NULL, 1, 0));
	res("badfd", splice(-1, NULL, s, NULL, 1, 0));
	res("badfd0", splice(-1, NULL, s, NULL, 0, 0));
	res("huge", splice(pp[0], NULL, s, NULL, SIZE_MAX, 0));
	res("hugein", splice(s, NULL, pp[1], NULL, SIZE_MAX, 0));
	close(pp[0]), close(pp[1]);
	pair_close(s, p);
}

static void splice_broken(void)
{
	int s, p, pp[2], l = listener(false, 5), u = own_socket(SOCK_STREAM);

	pair(&s, &p);
	if (pipe(pp) || write(pp[1], "abcdef", 6) != 6)
		return;
	catch_sig(SIGPIPE, 0);
	res("listener", splice(pp[0], NULL, l, NULL, 1, 0));
	res("fromlistener", splice(l, NULL, pp[1], NULL, 1, 0));
	res("fresh", splice(pp[0], NULL, u, NULL, 1, 0));
	res("fromfresh", splice(u, NULL, pp[1], NULL, 1, 0));
	say("sigs=%d", (int)sigs);
	sigs = 0;
	reset_peer(p);
	nap();
	res("out", splice(pp[0], NULL, s, NULL, 1, 0));
	res("out", splice(pp[0], NULL, s, NULL, 1, 0));
	res("in", splice(s, NULL, pp[1], NULL, 1, 0));
	say("sigs=%d", (int)sigs);
	pair_close(s, -1);
	pair(&s, &p);
	reset_peer(p);
	nap();
	res("in", splice(s, NULL, pp[1], NULL, 1, 0));
	res("in", splice(s, NULL, pp[1], NULL, 1, 0));
	close(pp[0]);
	res("nobody", splice(s, NULL, pp[1], NULL, 1, 0));
	say("sigs=%d", (int)sigs);
	close(pp[1]), close(l), close(u), close(s);
}

/* What HAProxy and others do: in by one pipe, doubled, and out again; every byte as it was. */
static void splice_tee_vmsplice(void)
{
	int s, p, s2, p2, a[2], b[2];
	struct iovec v = {big, 3000};
	size_t moved = 0;
	ssize_t r;

	pair(&s, &p);
	pair(&s2, &p2);
	if (pipe(a) || pipe(b))
		return;
	send(p, big, 20000, 0);
	nap();
	while (moved < 20000 && (r = splice(s, NULL, a[1], NULL, 20000 - moved, 0)) > 0) {
		r = tee(a[0], b[1], (size_t)r, 0);
		if (r <= 0)
			break;
		for (ssize_t n, left = r; left > 0; left -= n)
			if ((n = splice(b[0], NULL, s2, NULL, (size_t)left, SPLICE_F_MORE)) <= 0)
				break;
		for (ssize_t n, left = r; left > 0; left -= n)
			if ((n = read(a[0], sink, (size_t)left)) <= 0)
				break;
		moved += (size_t)r;
	}
	say("moved=%zu", moved);
	send(s2, big + 20000, 1, 0);
	say_got(p2, 20001, 0);
	res("vmsplice", vmsplice(a[1], &v, 1, 0));
	res("out", splice(a[0], NULL, s2, NULL, 3000, SPLICE_F_MOVE));
	say_got(p2, 3000, 0);
	res("tee", tee(s, b[1], 10, 0));
	res("vmsplice", vmsplice(s, &v, 1, 0));
	close(a[0]), close(a[1]), close(b[0]), close(b[1]);
	pair_close(s, p);
	pair_close(s2, p2);
}

static void splice_large_pipe(void)
{
	int s, p, pp[2];
	ssize_t r, all = 0;

	pair(&s, &p);
	if (pipe(pp))
		return;
	fcntl(pp[1], F_SETPIPE_SZ, 1 << 20);
	res("fill", write(pp[1], big, 1 << 20));
	struct later l = {p, 0, DRAIN, 1 << 20};
	pthread_t t = later(&l);

	res("splice", splice(pp[0], NULL, s, NULL, 1 << 20, 0));
	pthread_join(t, NULL);
	l = (struct later){p, 0, WRITE1, 1 << 20};
	t = later(&l);
	while (all < 1 << 20 && (r = splice(s, NULL, pp[1], NULL, 1 << 20, 0)) > 0) {
		for (ssize_t n, left = r; left > 0; left -= n, all += n)
			if ((n = read(pp[0], sink + all, (size_t)left)) <= 0)
				break;
	}
	pthread_join(t, NULL);
	say("all=%zd same=%d", all, !memcmp(sink, big, sizeof(big)));
	close(pp[0]), close(pp[1]);
	pair_close(s, p);
}

static void copy_file_range_refused(void)
{
	int s, p, f = temp_file(100);
	loff_t off = 0;

	pair(&s, &p);
	res("in", copy_file_range(s, NULL, f, NULL, 10, 0));
	res("out", copy_file_range(f, NULL, s, NULL, 10, 0));
	res("off", copy_file_range(f, &off, s, &off, 10, 0));
	res("zero", copy_file_range(f, NULL, s, NULL, 0, 0));
	res("flags", copy_file_range(f, NULL, s, NULL, 10, 1));
	close(f);
	pair_close(s, p);
}

/* ---- a file whose bytes take their time ----------------------------------------------------- */

/* A file system of one file, served by a thread of ours, and never attached anywhere. */
static struct slow_file {
	int dev, s, fd;
	atomic_bool free, asked, filled;
	ssize_t ret;
} slowf;

#define SLOW_FILE_BYTES 10000

static void fuse_say(uint64_t unique, int err, const void *data, size_t n)
{
	struct fuse_out_header h = {
		.len = (uint32_t)(sizeof(h) + n), .error = -err, .unique = unique};
	struct iovec v[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)data, n}};

	if (writev(slowf.dev, v, 2) < 0)
		perror("fuse");
}

static struct fuse_attr fuse_attr_of(uint64_t ino)
{
	return (struct fuse_attr){.ino = ino,
				  .mode = ino == 1 ? S_IFDIR | 0755 : S_IFREG | 0644,
				  .size = ino == 1 ? 0 : SLOW_FILE_BYTES,
				  .nlink = 1};
}

/* Answers a read once the others are through, or after two seconds. */
static void fuse_read_reply(uint64_t unique, const struct fuse_read_in *in)
{
	size_t n = in->offset < SLOW_FILE_BYTES ? SLOW_FILE_BYTES - in->offset : 0;

	slowf.asked = true;
	for (int i = 0; i < 2000 && !slowf.free; i++)
		usleep(1000);
	slowf.filled = true;
	fuse_say(unique, 0, big + in->offset, n < in->size ? n : in->size);
}

static void *fuse_serve(void *arg)
{
	static _Alignas(8) char buf[1 << 18];
	const struct fuse_in_header *h = (const void *)buf;
	const void *in = buf + sizeof(*h);

	(void)arg;
	while (read(slowf.dev, buf, sizeof(buf)) > 0) {
		struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
					     .minor = FUSE_KERNEL_MINOR_VERSION,
					     .max_write = 4096};
		struct fuse_entry_out entry = {.nodeid = 2, .attr = fuse_attr_of(2)};
		struct fuse_attr_out attr = {.attr = fuse_attr_of(h->nodeid)};
		struct fuse_open_out o = {0};

		if (h->opcode == FUSE_INIT)
			fuse_say(h->unique, 0, &init, sizeof(init));
		else if (h->opcode == FUSE_LOOKUP)
			fuse_say(h->unique, 0, &entry, sizeof(entry));
		else if (h->opcode == FUSE_GETATTR)
			fuse_say(h->unique, 0, &attr, sizeof(attr));
		else if (h->opcode == FUSE_OPEN)
			fuse_say(h->unique, 0, &o, sizeof(o));
		else if (h->opcode == FUSE_READ)
			fuse_read_reply(h->unique, in);
		else if (h->opcode == FUSE_RELEASE)
			fuse_say(h->unique, 0, NULL, 0);
		else if (h->opcode != FUSE_FORGET && h->opcode != FUSE_BATCH_FORGET)
			fuse_say(h->unique, ENOSYS, NULL, 0);
	}
	return NULL;
}

/* The file, opened; -1: this is no root, or a kernel without. */
static int slow_file_open(pthread_t *t)
{
	char num[20];
	int fs = (int)syscall(SYS_fsopen, "fuse", 1 /* FSOPEN_CLOEXEC */), mnt, fd;

	memset(&slowf, 0, sizeof(slowf));
	slowf.dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(num, sizeof(num), "%d", slowf.dev);
	if (fs < 0 || slowf.dev < 0 ||
	    syscall(SYS_fsconfig, fs, 1 /* FSCONFIG_SET_STRING */, "fd", num, 0) ||
	    syscall(SYS_fsconfig, fs, 1, "rootmode", "40000", 0) ||
	    syscall(SYS_fsconfig, fs, 1, "user_id", "0", 0) ||
	    syscall(SYS_fsconfig, fs, 1, "group_id", "0", 0) ||
	    syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) ||
	    (mnt = (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0)) < 0)
		return -1;
	pthread_create(t, NULL, fuse_serve, NULL);
	fd = openat(mnt, "file", O_RDONLY | O_CLOEXEC);
	close(dup(fd)); /* learns that there is no FLUSH, which would keep a killed process */
	close(mnt);
	close(fs);
	return fd;
}

static void *slow_send(void *arg)
{
	off_t off = 0;

	(void)arg;
	if (case_arg == 1)
		nonblock(slowf.s);
	if (case_arg < 2) {
		slowf.ret = sendfile(slowf.s, slowf.fd, &off, 4000);
	} else { /* an array that lies in the file, mapped */
		char *p = mmap(NULL, SLOW_FILE_BYTES, PROT_READ, MAP_PRIVATE, slowf.fd, 0);

		slowf.ret = send(slowf.s, p, 4000, 0);
		munmap(p, SLOW_FILE_BYTES);
	}
	return NULL;
}

/* While one thread waits for a file, others send and receive, and what was sent before arrives. */
static void slow_file(void)
{
	int s2, p, p2, trips = 0;
	long bulk;
	pthread_t fuse, move;
	char b[8];

	slowf.fd = -1;
	pair(&slowf.s, &p);
	pair(&s2, &p2);
	int s = slowf.s, fd = slow_file_open(&fuse);

	slowf.s = s;
	slowf.fd = fd;
	if (fd < 0) {
		say("not here");
		return;
	}
	bulk = send(s2, big, 200000, MSG_DONTWAIT);
	pthread_create(&move, NULL, slow_send, NULL);
	while (!slowf.asked)
		usleep(1000);
	say("bulk=%d meanwhile=%d", read_all(p2, (size_t)bulk) == bulk, !slowf.filled);
	for (trips = 0; trips < 5; trips++)
		if (send(s2, "ping", 4, 0) != 4 || recv(p2, b, 4, MSG_WAITALL) != 4 ||
		    send(p2, "pong", 4, 0) != 4 || recv(s2, b, 4, MSG_WAITALL) != 4)
			break;
	say("trips=%d meanwhile=%d", trips, !slowf.filled);
	slowf.free = true;
	pthread_join(move, NULL);
	say("moved=%zd", slowf.ret);
	say_got(p, 4000, 0);
	close(slowf.fd);
	close(slowf.dev);
	pthread_cancel(fuse);
	pthread_join(fuse, NULL);
	pair_close(slowf.s, p);
	pair_close(s2, p2);
}

/* clang-format off */
ADD_CASES(file_cases,
	BOTH(sendfile_positions),
	BOTH(sendfile_limits),
	BOTH(sendfile_sources),
	BOTH(sendfile_append_out),
	BOTH(sendfile_direct),
	BOTH(sendfile_file_changes),
	BOTH(sendfile_sinks),
	BOTH(sendfile_interrupted),
	BOTH(sendfile_from_socket),
	ONCE(sendfile_datagram),
	BOTH(splice_who_waits),
	BOTH(splice_empty_pipe),
	BOTH(splice_offsets),
	BOTH(splice_broken),
	BOTH(splice_tee_vmsplice),
	BOTH(splice_large_pipe),
	BOTH(copy_file_range_refused),
	{ "slow_file_sendfile", slow_file, BOTH_WAYS, 0 },
	{ "slow_file_nonblock", slow_file, BOTH_WAYS, 1 },
	{ "slow_file_mapped", slow_file, BOTH_WAYS, 2 })
/* clang-format on */

#endif
