/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate: the one descriptor that a thread sleeps on. An epoll set of its own holds the devices,
 * the kernel's doors, the thread's wake-up and the application's epoll set, so that a sleep costs
 * one registration in place of one for each, and so that a packet wakes one sleeper of the family
 * and not all: the devices are in it with EPOLLEXCLUSIVE. Who is woken runs a turn, whose news wake
 * those that they are for. Only a thread that is inside epoll_wait() on its gate counts as a
 * sleeper to the kernel, hence not poll().
 *
 * Must never miss what it should hold: the devices are entered anew when their generation changes,
 * the doors when their number does, the application's set when another is there: a number may have
 * become another set's meanwhile, so it is asked for before every sleep. (Entering what is there
 * already takes a lock of the whole machine's, as all nesting does.) What a closed and yet living
 * set of an earlier sleep still reports is recognised by its tag, and the gate made anew.
 *
 * A thread that is woken and killed, or that leaves by a signal, before its turn leaves packets
 * behind for the next packet's wake-up, or the helper's.
 */
#include <errno.h>
#include <limits.h>

#include "shim/dev/dev.h"
#include "shim/proc/sys.h"
#include "shim/run/run.h"

#ifndef EPOLLEXCLUSIVE
#define EPOLLEXCLUSIVE (1u << 28)
#endif

#define GATE_DEV_FDS 64
#define GATE_EVENTS 8

/* In the low bits of an event's data; above them, for GATE_APP, the number of the entering. */
enum { GATE_WAKE, GATE_DEV, GATE_DOOR, GATE_APP, GATE_TAG_BITS = 8 };

static int gate_add(struct gate *g, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};
	int ret = sys_epoll_ctl(fd_hidden_at(g->fd), EPOLL_CTL_ADD, fd, &ev);

	return ret == -EEXIST ? 0 : ret;
}

void gate_close(struct gate *g)
{
	if (g->fd >= 0)
		fd_unhide_close(g->fd);
	*g = (struct gate){.fd = -1, .door = -1, .app = -1};
}

/* Changes when what dev_fds() gives of any of them does. */
static uint64_t gate_generation(uint32_t stacks)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; stacks; i++, stacks >>= 1)
		if (stacks & 1)
			sum += dev_generation(&family->stacks[i]);
	return sum;
}

static int gate_add_devices(struct gate *g, const struct stackrec *sr)
{
	int dev[GATE_DEV_FDS], n = dev_fds(sr, dev, GATE_DEV_FDS), ret = 0;

	for (int i = 0; i < n && ret == 0; i++)
		ret = gate_add(g, fd_hidden_at(dev[i]), EPOLLIN | EPOLLEXCLUSIVE, GATE_DEV);
	return ret;
}

static int gate_make(struct gate *g, const struct waiter *w, uint32_t stacks, int door)
{
	int ret;

	gate_close(g);
	ret = sys_epoll_create1(EPOLL_CLOEXEC);
	if (ret >= 0)
		ret = fd_hide_private(ret);
	if (ret < 0)
		return ret;
	g->fd = ret;
	g->gen = gate_generation(stacks);
	g->stacks = stacks;
	ret = gate_add(g, fd_hidden_at(w->wakefd), EPOLLIN, GATE_WAKE);
	for (uint32_t i = 0; stacks >> i && ret == 0; i++)
		if (stacks >> i & 1)
			ret = gate_add_devices(g, &family->stacks[i]);
	if (ret == 0 && door >= 0)
		ret = gate_add(g, door, EPOLLIN, GATE_DOOR);
	g->door = door;
	if (ret < 0)
		gate_close(g);
	return ret;
}

/* The application's set that is slept on this time; -1: none. */
static int gate_app(struct gate *g, int app)
{
	struct epoll_event ev = {.events = EPOLLIN,
				 .data.u64 = GATE_APP | g->entered << GATE_TAG_BITS};
	int fd = fd_hidden_at(g->fd), ret = -ENOENT;

	if (g->app >= 0 && g->app != app)
		sys_epoll_ctl(fd, EPOLL_CTL_DEL, g->app, &ev);
	else if (app >= 0 && g->app == app)
		ret = sys_epoll_ctl(fd, EPOLL_CTL_MOD, app, &ev);
	g->app = app;
	if (app < 0 || ret != -ENOENT)
		return app < 0 ? 0 : ret;
	g->entered++;
	ev.data.u64 = GATE_APP | g->entered << GATE_TAG_BITS;
	ret = sys_epoll_ctl(fd, EPOLL_CTL_ADD, app, &ev);
	return ret == -EEXIST ? 0 : ret;
}

int gate_prepare(struct waiter *w, uint32_t stacks, int app)
{
	struct gate *g = &w->gate;
	int door = door_fd(), ret;

	if (g->fd < 0 || g->gen != gate_generation(stacks) || g->stacks != stacks ||
	    g->door != door) {
		ret = gate_make(g, w, stacks, door);
		if (ret < 0)
			return ret;
	}
	ret = gate_app(g, app);
	if (ret < 0)
		gate_close(g);
	return ret;
}

/* Kernels before 5.11, and filters, know no nanoseconds: then the next millisecond. */
static int gate_wait(int fd, struct epoll_event *ev, const struct timespec *ts,
		     const sigset_t *sigmask)
{
	uint64_t ms;
	int n;

	if (!ts)
		return sys_epoll_pwait(fd, ev, GATE_EVENTS, -1, sigmask);
	if (!ts->tv_sec && !ts->tv_nsec)
		return sys_epoll_pwait(fd, ev, GATE_EVENTS, 0, sigmask);
	n = sys_epoll_pwait2(fd, ev, GATE_EVENTS, ts, sigmask);
	if (n != -ENOSYS && n != -EPERM)
		return n;
	ms = (uint64_t)ts->tv_sec * 1000 + (uint64_t)(ts->tv_nsec + 999999) / 1000000;
	return sys_epoll_pwait(fd, ev, GATE_EVENTS, ms > INT_MAX ? INT_MAX : (int)ms, sigmask);
}

int gate_sleep(struct waiter *w, const struct timespec *ts, const sigset_t *sigmask)
{
	struct epoll_event ev[GATE_EVENTS];
	struct gate *g = &w->gate;
	int n = gate_wait(fd_hidden_at(g->fd), ev, ts, sigmask), woken = 0;

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		uint64_t tag = ev[i].data.u64;

		switch (tag & ((1u << GATE_TAG_BITS) - 1)) {
		case GATE_WAKE:
			woken |= GATE_WOKEN;
			break;
		case GATE_DEV:
			woken |= GATE_DEVICE;
			break;
		case GATE_DOOR:
			woken |= GATE_KERNEL;
			break;
		case GATE_APP:
			woken |= GATE_KERNEL;
			if (g->app < 0 || tag >> GATE_TAG_BITS != g->entered)
				g->gen = 0; /* an earlier one that can't be taken out */
			break;
		}
	}
	return woken;
}
