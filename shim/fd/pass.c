/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation: descriptors in flight.
 *
 * What the kernel carries from process to process is the shadow, so a socket that is sent has to
 * have one of its own, and the family keeps which SO_COOKIE stands for which description (struct
 * ofd_name), from the first time that it is sent until the description ends. A member that receives
 * a socket looks it up. A message on its way holds a reference, as in the kernel; whoever receives
 * it takes that over. A socket of which nothing is decided yet is sent in the same way: whoever
 * listens first, sender or receiver, brings it to the stack for both.
 *
 * A message may never arrive: its receiver closes the socket, or dies. So the sender puts what it
 * sends into an epoll set of its own, which the kernel takes it out of when the last reference
 * anywhere is gone, and nothing else does; pass_reap() reads that in the set's fdinfo. Where it
 * can't be read, for the sender is gone or another user's, FLIGHT_MAX_NS decide.
 *
 * Who receives is known by SO_PEERCRED: the process that connected, listened or made the pair. If
 * that is alive and no member of the family, a listener or UDP socket is left to the kernel
 * (exec_to_kernel()), which serves whoever holds it, and so is, for ever, what nothing is decided
 * of; the rest is refused: the receiver would have a socket that is not connected.
 */
#include "pass.h"

#include "epoll.h"
#include "exec.h"
#include "shim/proc/log.h"
#include "sock_int.h"

#define FLIGHT_MAX_NS 60000000000ull
/* Handshakes that were begun so long ago end on no path, or not at all. */
#define HANDSHAKE_NS 250000000ull
#define HANDSHAKE_STEP_NS 1000000ull /* how often it is looked whether they have; no event tells */
#define FDINFO_BYTES 4096

static _Atomic int watch_fd = -1;

/* ---- names ---------------------------------------------------------------------------------- */

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

static struct ofd_name **bucket_of(uint64_t cookie)
{
	return &family->name_of[cookie % FAMILY_NAME_BUCKETS];
}

/* family.lock held, here and below. */
static struct ofd_name *name_find(uint64_t cookie)
{
	struct ofd_name *n = cookie ? *bucket_of(cookie) : NULL;

	while (n && n->cookie != cookie)
		n = n->next;
	return n;
}

static struct ofd_name *name_add(struct ofd *o, uint64_t cookie)
{
	struct ofd_name *n = name_find(cookie);

	if (n || !cookie)
		return n && n->o == o ? n : NULL;
	n = pool_get(&family->names);
	if (!n)
		return NULL;
	*n = (struct ofd_name){.cookie = cookie, .o = o, .also = o->names, .watch = -1};
	n->next = *bucket_of(cookie);
	*bucket_of(cookie) = n;
	o->names = n;
	return n;
}

void pass_forget(struct ofd *o)
{
	while (o->names) {
		struct ofd_name *n = o->names, **at = bucket_of(n->cookie);

		while (*at && *at != n)
			at = &(*at)->next;
		if (*at)
			*at = n->next;
		o->names = n->also;
		pool_put(&family->names, n);
	}
}

/* ---- in flight ------------------------------------------------------------------------------ */

/* The set that watches what this process has sent; -1: none can be had. */
static int watch_get(void)
{
	int fd = watch_fd, none = -1;

	if (fd < 0) {
		fd = sys_epoll_create1(EPOLL_CLOEXEC);
		if (fd >= 0)
			fd = fd_hide_private(fd);
		if (fd < 0)
			return -1;
		if (!atomic_compare_exchange_strong(&watch_fd, &none, fd)) {
			fd_unhide_close(fd);
			fd = none;
		}
	}
	return fd_hidden_at(fd);
}

void pass_fork_child(void)
{
	watch_fd = -1; /* its own, and closed: private */
}

/* One more message that o, whose descriptor here is fd, is in. */
static int flight_add(int fd, struct ofd *o)
{
	struct epoll_event ev = {.events = EPOLLET, .data.u64 = cookie_of(fd)};
	int watch = watch_get();
	struct ofd_name *n;

	if (watch >= 0)
		sys_epoll_ctl(watch, EPOLL_CTL_ADD, fd, &ev); /* -EEXIST: sent before */
	family_enter();
	n = name_add(o, ev.data.u64);
	if (n && ofd_refs_add(o, 1)) {
		n->flight++;
		n->sender = sys_getpid();
		n->watch = watch;
		n->sent_ns = now_ns();
		atomic_fetch_add(&family->flights, 1);
	} else {
		n = NULL;
	}
	family_leave();
	return n ? 0 : -ENOMEM;
}

/* One less, and its reference is the caller's. NULL: nothing of cookie's is in flight. */
static struct ofd *flight_take(uint64_t cookie)
{
	struct ofd_name *n;
	struct ofd *o = NULL;

	family_enter();
	n = name_find(cookie);
	if (n && n->flight) {
		n->flight--;
		atomic_fetch_sub(&family->flights, 1);
		o = n->o;
	}
	family_leave();
	return o;
}

/* Is cookie still in the set that its sender watches? True if nobody can tell yet. */
static bool flight_lives(const struct ofd_name *n, uint64_t now)
{
	char path[64], buf[FDINFO_BYTES], want[32];
	size_t have = 0;
	bool found = false;
	ssize_t got;
	int fd;

	log_format(path, sizeof(path), "/proc/%d/fdinfo/%d", n->sender, n->watch);
	fd = n->watch < 0 ? -1 : sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return now - n->sent_ns < FLIGHT_MAX_NS;
	log_format(want, sizeof(want), " %lx  pos:", (unsigned long)n->cookie);
	while (!found && (got = sys_read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		have += (size_t)got;
		buf[have] = 0;
		found = strstr(buf, want) != NULL;
		if (have > sizeof(want)) { /* the next piece may hold the rest of it */
			memmove(buf, buf + have - sizeof(want), sizeof(want));
			have = sizeof(want);
		}
	}
	sys_close(fd);
	return found;
}

/* The next name with something in flight from bucket *i on, that is not alive: a copy. */
static bool flight_dead(uint32_t *i, struct ofd_name *out)
{
	for (; *i < FAMILY_NAME_BUCKETS; ++*i) {
		bool dead = false;

		if (!family->name_of[*i])
			continue;
		family_enter();
		for (struct ofd_name *n = family->name_of[*i]; n && !dead; n = n->next) {
			*out = *n;
			dead = n->flight && !flight_lives(n, now_ns());
		}
		family_leave();
		if (dead)
			return true;
	}
	return false;
}

void pass_reap(void)
{
	struct ofd_name n;
	uint32_t i = 0;

	if (!family || !atomic_load(&family->flights))
		return;
	while (flight_dead(&i, &n)) {
		struct ofd *o = flight_take(n.cookie);

		if (o)
			ofd_unref_dead(o, 1, NULL);
	}
}

/* ---- sending -------------------------------------------------------------------------------- */

/* Each descriptor of msg's SCM_RIGHTS in turn, by its number; -1: no more. */
struct rights {
	const struct msghdr *msg;
	struct cmsghdr *cmsg;
	size_t at;
};

/* How many descriptors c has, if it is SCM_RIGHTS: none beyond the end of what msg has. */
static size_t rights_count(const struct msghdr *msg, const struct cmsghdr *c)
{
	size_t left = (size_t)((char *)msg->msg_control + msg->msg_controllen - (char *)c);

	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len < CMSG_LEN(0) || c->cmsg_len > left)
		return 0;
	return (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

static int rights_next(struct rights *r)
{
	if (!r->cmsg && !r->at)
		r->cmsg = CMSG_FIRSTHDR(r->msg);
	for (; r->cmsg; r->cmsg = CMSG_NXTHDR((struct msghdr *)r->msg, r->cmsg), r->at = 0) {
		int fd;

		if (r->at >= rights_count(r->msg, r->cmsg))
			continue;
		memcpy(&fd, CMSG_DATA(r->cmsg) + r->at++ * sizeof(int), sizeof(fd));
		return fd;
	}
	r->at = 1;
	return -1;
}

static bool pid_is_member(pid_t pid)
{
	for (uint32_t i = 0; i < family->procs_used; i++)
		if (family->procs[i].state == PROC_LIVE && family->procs[i].pid == pid)
			return true;
	return false;
}

/* Is it the family that reads what is sent over fd? */
static bool peer_is_family(int fd, const struct msghdr *msg)
{
	struct ucred who = {0};
	socklen_t len = sizeof(who);

	if (msg->msg_name || sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 ||
	    who.pid <= 0)
		return false;
	return pid_is_member(who.pid) || sys_kill(who.pid, 0) == -ESRCH;
}

/* What fd sends has a shadow of its own, which no other description has. */
static int shadow_named(int fd, struct ofd *o)
{
	const struct ofd_name *n;
	bool own;

	if (!o->lent)
		return 0;
	family_enter();
	n = name_find(cookie_of(fd));
	own = n && n->o == o;
	family_leave();
	return own ? 0 : sock_new_shadow(fd, o);
}

static int send_one(int fd, struct ofd *o, bool to_family)
{
	int r;

	if (o->kind == OFD_SOCK && !atomic_load(&o->sk)) {
		if (o->kernel_only || o->verdict != VERDICT_undecided)
			return 0; /* the kernel's anyway */
		if (to_family)
			return flight_add(fd, o);
		o->kernel_only = 1;
		return 0;
	}
	if (o->kind == OFD_EPOLL && !epoll_has_ours(o))
		return 0;
	if (o->kind == OFD_EPOLL || (!to_family && o->socktype == SOCK_STREAM &&
				     atomic_load(&o->sk)->type != STK_LISTENER)) {
		log_warn("fd %d is not passed on: %s", fd,
			 o->kind == OFD_EPOLL ? "an epoll set of accelerated sockets"
					      : "an accelerated connection, and the receiver is no "
						"member of the family");
		return -EPERM;
	}
	if (!to_family) {
		exec_to_kernel(fd, o);
		return 0;
	}
	r = shadow_named(fd, o);
	return r < 0 ? r : flight_add(fd, o);
}

/* When the latest handshake was begun that is under way at o; 0: none is. */
static uint64_t listener_begun_ns(const struct ofd *o)
{
	uint64_t last = 0;

	sock_enter(o);
	for (uint32_t i = 0; atomic_load(&o->sk) && i < family->nstacks; i++) {
		const struct sock *l = ofd_part(o, i);
		uint64_t ns = l ? stack_listen_begun_ns(family->stacks[i].st, l) : 0;

		last = ns > last ? ns : last;
	}
	sock_leave(o, RUN_LATER);
	return last;
}

/*
 * Who sends a listener to a stranger is about to close it (haproxy's old process, when the new one
 * has begun), and may do so before the peers' last ACKs have come: then nobody would be there to
 * accept the connections. So they are waited for; no new ones are begun.
 */
static void handshakes_wait(int fd, struct ofd *o, uint64_t end)
{
	struct call c;
	uint64_t begun, now;
	int r = call_begin(&c, fd, o, false, 0);

	if (r < 0)
		return;
	do {
		run_leave(c.sr, RUN_LATER);
		begun = listener_begun_ns(o);
		run_enter(c.sr);
		now = now_ns();
		if (!begun || begun + HANDSHAKE_NS <= now || now >= end)
			break;
		c.deadline_ns = now + HANDSHAKE_STEP_NS;
		r = call_again(&c, RDY_HUP);
	} while (r == -EAGAIN);
	call_end(&c, RUN_KICK);
}

static void strangers_wait(const struct msghdr *msg)
{
	struct rights r = {.msg = msg};
	uint64_t end = now_ns() + HANDSHAKE_NS;
	int fd;

	while ((fd = rights_next(&r)) >= 0) {
		struct ofd *o = fdtab_get(fd);
		const struct sock *sk = o ? atomic_load(&o->sk) : NULL;

		if (sk && sk->type == STK_LISTENER && o->kernel_only)
			handshakes_wait(fd, o, end);
	}
}

/* Undoes what send_one() did for all up to fd end; -1: for all. */
static void send_undo(const struct msghdr *msg, int end)
{
	struct rights r = {.msg = msg};
	int fd;

	while ((fd = rights_next(&r)) >= 0 && fd != end) {
		struct ofd *o = fdtab_get(fd) ? flight_take(cookie_of(fd)) : NULL;

		if (o)
			ofd_unref_dead(o, 1, NULL);
	}
}

int pass_send(int fd, const struct msghdr *msg)
{
	struct rights r = {.msg = msg};
	int passed, asked = 0, ret;
	bool to_family = false;

	while ((passed = rights_next(&r)) >= 0) {
		struct ofd *o = fdtab_get(passed);

		if (fd_is_hidden(passed)) {
			send_undo(msg, passed);
			return -EBADF;
		}
		if (!o)
			continue;
		if (!asked++)
			to_family = peer_is_family(fd, msg);
		ret = send_one(passed, o, to_family);
		if (ret < 0) {
			send_undo(msg, passed);
			return ret;
		}
	}
	if (asked && !to_family && !thread_is_confined())
		strangers_wait(msg);
	return 0;
}

void pass_sent(const struct msghdr *msg, bool ok)
{
	if (!ok)
		send_undo(msg, -1);
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* o's reference, counted in no row yet, is fd's from now on. */
static void enter(int fd, struct ofd *o)
{
	ofd_adopt(o);
	if (fdtab_set(fd, o) < 0)
		ofd_unref(o);
	else if (o->two_doors && o->sr) {
		run_enter(o->sr);
		door_add(fd, o);
		run_leave(o->sr, RUN_LATER);
	}
	if (o->sr)
		helper_ensure(o->sr);
}

static struct ofd *named(uint64_t cookie)
{
	struct ofd_name *n;
	struct ofd *o = NULL;

	family_enter();
	n = name_find(cookie);
	if (n && ofd_refs_add(n->o, 1))
		o = n->o;
	family_leave();
	return o;
}

void pass_received(const struct msghdr *msg, bool peek)
{
	struct rights r = {.msg = msg};
	int fd;

	while ((fd = rights_next(&r)) >= 0) {
		uint64_t cookie = cookie_of(fd);
		struct ofd *o = cookie && !peek ? flight_take(cookie) : NULL;

		fd_forget(fd);
		if (!o && cookie)
			o = named(cookie);
		if (o)
			enter(fd, o);
	}
}

/* The process that a pidfd is of, or 0. */
static pid_t pidfd_pid(int pidfd)
{
	char path[48], buf[512];
	const char *p;
	ssize_t n;
	pid_t pid = 0;
	int fd;

	log_format(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	n = sys_read(fd, buf, sizeof(buf) - 1);
	sys_close(fd);
	buf[n > 0 ? n : 0] = 0;
	p = strstr(buf, "\nPid:\t");
	for (p = p ? p + 6 : ""; *p >= '0' && *p <= '9'; p++)
		pid = pid * 10 + (*p - '0');
	return pid;
}

void pass_fetched(int fd, int pidfd, int target_fd)
{
	pid_t pid = pidfd_pid(pidfd);
	struct ofd *o = NULL;
	const struct proc *p = NULL;
	struct iovec here = {&o, sizeof(o)}, there = {NULL, sizeof(o)};

	fd_forget(fd);
	for (uint32_t i = 0; pid && i < family->procs_used && !p; i++)
		if (family->procs[i].state == PROC_LIVE && family->procs[i].pid == pid)
			p = &family->procs[i];
	if (!p || !p->fdtab || (unsigned)target_fd >= FDTAB_FDS)
		return;
	there.iov_base = (void *)(uintptr_t)(p->fdtab + (uint64_t)target_fd * sizeof(o));
	if (sys_call(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0) != sizeof(o) || !o ||
	    o < family->ofds || o >= family->ofds + family->ofds_used || !ofd_refs_add(o, 1))
		return;
	enter(fd, o);
}
