/* SPDX-License-Identifier: BSD-2-Clause */
/* epoll: a set that is tracked may hold sockets of ours; every other one is the kernel's alone. */
#include "edge.h"

#include <limits.h>

#include "shim/fd/epoll.h"
#include "shim/proc/user.h"
#include "shim/call/signal.h"
#include "shim/call/start.h"

static int created(int fd)
{
	if (fd < 0 || thread_is_internal())
		return fd;
	start_ensure();
	fd = EDGE(epoll_created(fd));
	if (fdtab_get(fd))
		signal_guard();
	return fd;
}

int call_epoll_create1(int flags)
{
	return created(libc.epoll_create1(flags));
}
EXPORT(epoll_create1);

int call_epoll_create(int size)
{
	return created(libc.epoll_create(size));
}
EXPORT(epoll_create);

int call_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct ofd *o = edge_epoll(epfd);

	if (likely(!o) || (op != EPOLL_CTL_DEL && !user_can_read(ev, sizeof(*ev))))
		return libc.epoll_ctl(epfd, op, fd, ev);
	return EDGE(epoll_ctl_op(epfd, o, op, fd, ev));
}
EXPORT(epoll_ctl);

#define EVENTS_LOOKED_AT 4096u /* more are not told at once by any stack */

/* How many events there is memory for: the kernel, too, tells those that it can, and a caller may
 * have said more than he has. 0: none. */
static int events_room(struct epoll_event *ev, int max)
{
	size_t want = (unsigned)max < EVENTS_LOOKED_AT ? (unsigned)max : EVENTS_LOOKED_AT;
	size_t room = user_writable(ev, want * sizeof(*ev)) / sizeof(*ev);

	if (max > (int)(INT_MAX / sizeof(*ev))) /* is refused */
		return max;
	return room < want ? (int)room : max;
}

/* Negative: for ever. */
static int epoll_wait_ms(int epfd, struct ofd *o, struct epoll_event *ev, int max, int ms,
			 const sigset_t *mask)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000l};

	if (max > 0 && (max = events_room(ev, max)) == 0)
		return EDGE(-EFAULT);
	return EDGE_WAIT(epoll_wait_op(epfd, o, ev, max, ms < 0 ? NULL : &ts, mask), -1);
}

int call_epoll_wait(int epfd, struct epoll_event *ev, int max, int timeout_ms)
{
	struct ofd *o = edge_epoll(epfd);

	if (unlikely(!o))
		return libc.epoll_wait(epfd, ev, max, timeout_ms);
	return epoll_wait_ms(epfd, o, ev, max, timeout_ms, NULL);
}
EXPORT(epoll_wait);

int call_epoll_pwait(int epfd, struct epoll_event *ev, int max, int timeout_ms,
		     const sigset_t *mask)
{
	struct ofd *o = edge_epoll(epfd);

	if (unlikely(!o))
		return libc.epoll_pwait(epfd, ev, max, timeout_ms, mask);
	return epoll_wait_ms(epfd, o, ev, max, timeout_ms, mask);
}
EXPORT(epoll_pwait);

int call_epoll_pwait2(int epfd, struct epoll_event *ev, int max, const struct timespec *timeout,
		      const sigset_t *mask)
{
	struct ofd *o = edge_epoll(epfd);

	if (unlikely(!o))
		return libc.epoll_pwait2(epfd, ev, max, timeout, mask);
	if ((timeout && !user_can_read(timeout, sizeof(*timeout))) ||
	    (max > 0 && (max = events_room(ev, max)) == 0))
		return EDGE(-EFAULT);
	if (timeout && (timeout->tv_sec < 0 || (unsigned long)timeout->tv_nsec >= 1000000000ul))
		return EDGE(-EINVAL);
	return EDGE_WAIT(epoll_wait_op(epfd, o, ev, max, timeout, mask), -1);
}
EXPORT(epoll_pwait2);
