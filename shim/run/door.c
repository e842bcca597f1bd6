/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's door of sockets that have two: a listener also takes what comes to its shadow
 * (loopback, other interfaces), a UDP socket what the kernel had to put together. One epoll
 * descriptor per process watches the shadows, edge-triggered, so that a door that the application
 * does not serve costs nothing. What was seen is kept in ofd.door_ready, which is a level: whoever
 * finds the shadow empty (accept or recv: -EAGAIN) clears it before it looks for the last time,
 * whoever takes something looks whether there is more, and an edge may be late: what it says is
 * looked at again with the lock held. A poll() that tells of nothing makes who calls accept() or
 * recv() then wait for ever.
 *
 * Each process has its own, because an edge is told once per epoll and a forked child shares its
 * parent's: the child finds it closed and makes another from its table when it first waits. So does
 * who has a socket that another process has brought to the stack (family.doors).
 *
 * All state here is guarded by a mutex of the process, inside every other lock.
 */
#include <errno.h>
#include <pthread.h>

#include "shim/fd/fdtab.h"
#include "shim/proc/sys.h"
#include "shim/run/run.h"

#define DOOR_BATCH 32

static pthread_mutex_t door_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int door = -1;
static _Atomic bool door_wanted;    /* the parent had doors: ours is to be built */
static _Atomic uint32_t doors_seen; /* family.doors when it was */

static int door_open(void)
{
	int fd;

	if (door >= 0)
		return 0;
	fd = sys_epoll_create1(EPOLL_CLOEXEC);
	if (fd >= 0)
		fd = fd_hide_private(fd);
	if (fd < 0)
		return fd;
	door = fd;
	return 0;
}

/* op: EPOLL_CTL_ADD or _MOD. Room to send is asked about only while there is none: every packet
 * that leaves would be told. */
static int door_ctl(int op, int fd, const struct ofd *o)
{
	bool full = atomic_load_explicit(&o->door_ready, memory_order_relaxed) & DOOR_FULL;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLPRI | EPOLLET | (full ? EPOLLOUT : 0),
				 .data.u64 = (uint64_t)fd << 32 | o->idx};

	return sys_epoll_ctl(fd_hidden_at(door), op, fd, &ev);
}

static int door_watch(int fd, const struct ofd *o)
{
	int ret = door_ctl(EPOLL_CTL_ADD, fd, o);

	return ret == -EEXIST ? 0 : ret;
}

static void door_enter(void)
{
	thread_enter();
	pthread_mutex_lock(&door_lock);
}

static void door_leave(void)
{
	pthread_mutex_unlock(&door_lock);
	thread_leave();
}

/* There is room again. */
static void door_drained(int fd, struct ofd *o)
{
	atomic_fetch_and(&o->door_ready, (uint8_t)~DOOR_FULL);
	door_ctl(EPOLL_CTL_MOD, fd, o);
	ofd_notify(o, RDY_OUT);
}

/* There are, or may be, two-door sockets in this process's table that are not watched yet. */
static bool door_stale(void)
{
	return door_wanted || (family && atomic_load(&family->doors) != doors_seen);
}

/* Watches every two-door socket in this process's table. */
static void door_build(void)
{
	door_wanted = false;
	doors_seen = atomic_load(&family->doors);
	for (int fd = 0, end = fdtab_end(); fd < end; fd++) {
		struct ofd *o = fdtab_get(fd);

		if (o && o->two_doors && o->kind == OFD_SOCK && door_open() == 0)
			door_watch(fd, o);
	}
}

void door_full(int fd, struct ofd *o)
{
	struct stackrec *sr = ofd_guard_enter(o);

	door_fd(); /* built, if it is to be */
	atomic_fetch_or(&o->door_ready, DOOR_FULL);
	/* Room that has come meanwhile is an edge. */
	if (door < 0 || door_ctl(EPOLL_CTL_MOD, fd, o) < 0)
		atomic_fetch_and(&o->door_ready, (uint8_t)~DOOR_FULL);
	run_leave(sr, RUN_LATER);
}

int door_add(int fd, struct ofd *o)
{
	int ret;

	door_enter();
	ret = door_open();
	if (door_stale())
		door_build();
	ret = ret < 0 ? ret : door_watch(fd, o);
	door_leave();
	return ret;
}

void door_del(int fd)
{
	struct epoll_event ev;

	if (door >= 0)
		sys_epoll_ctl(fd_hidden_at(door), EPOLL_CTL_DEL, fd, &ev);
}

int door_fd(void)
{
	if (unlikely(door_stale()) && !thread_is_confined()) {
		door_enter();
		if (door_stale())
			door_build();
		door_leave();
	}
	return door < 0 ? -1 : fd_hidden_at(door);
}

/* Somebody may have taken it between the edge and our lock. */
static bool door_still(int fd, const struct ofd *o)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec none = {0, 0};

	return fdtab_get(fd) != o || sys_ppoll(&p, 1, &none, NULL) != 0;
}

/* The shadow of o, as it was watched under fd, has news. ofd_guard()'s lock. */
static void door_news(int fd, struct ofd *o, uint32_t events, uint64_t now)
{
	uint32_t seen = events & (RDY_IN | RDY_PRI | RDY_ERR);

	/* A registration outlives the description when another process holds the shadow. */
	if (o->kind != OFD_SOCK || !o->two_doors)
		return;
	if (seen & RDY_IN && !door_still(fd, o))
		seen &= ~(uint32_t)RDY_IN;
	if (seen & RDY_IN && !(o->door_ready & RDY_IN))
		o->udp.door_ns = now;
	atomic_fetch_or(&o->door_ready, (uint8_t)(seen | (seen & RDY_ERR ? DOOR_ERR : 0)));
	ofd_notify(o, seen);
	if (events & EPOLLOUT && o->door_ready & DOOR_FULL)
		door_drained(fd, o);
}

void door_poll(void)
{
	struct epoll_event ev[DOOR_BATCH];
	struct stackrec *sr = NULL;
	int fd = door_fd(), n;
	uint64_t now;

	if (fd < 0)
		return;
	n = sys_epoll_pwait(fd, ev, DOOR_BATCH, 0, NULL);
	if (n <= 0)
		return;
	now = now_ns();
	for (int i = 0; i < n; i++) {
		struct ofd *o = &family->ofds[(uint32_t)ev[i].data.u64 % FAMILY_OFDS];

		if (!sr || sr != ofd_guard(o)) {
			if (sr)
				run_leave(sr, RUN_LATER);
			sr = ofd_guard_enter(o);
		}
		door_news((int)(ev[i].data.u64 >> 32), o, ev[i].events, now);
	}
	run_leave(sr, RUN_LATER);
}

void door_fork_child(void)
{
	pthread_mutex_init(&door_lock, NULL); /* another thread of the parent may have had it */
	door_wanted = door >= 0 || door_wanted;
	door = -1;
}

void door_settle(void)
{
	bool any = false;

	door_enter();
	for (int fd = 0, end = fdtab_end(); fd < end && !any; fd++) {
		const struct ofd *o = fdtab_get(fd);

		any = o && o->two_doors;
	}
	if (any && door_wanted)
		door_build();
	door_wanted = false;
	if (!any && door >= 0) {
		fd_unhide_close(door);
		door = -1;
	}
	door_leave();
}

void door_attach(void)
{
	door_wanted = true;
}
