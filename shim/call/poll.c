/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poll and select. Sets without any descriptor of ours go to libc; those with one are served by
 * poll_op and select_op, which wait for kernel descriptors as well. Here only timeouts change form.
 */
#include "edge.h"

#include <limits.h>

#include "shim/fd/epoll.h"
#include "shim/proc/user.h"

/* Milliseconds as poll and epoll_wait take them; negative means for ever: NULL. */
static const struct timespec *timeout_ms(struct timespec *ts, int ms)
{
	if (ms < 0)
		return NULL;
	ts->tv_sec = ms / 1000;
	ts->tv_nsec = ms % 1000 * 1000000l;
	return ts;
}

/* What is not, the kernel is to say why. */
static bool timespec_valid(const struct timespec *ts)
{
	if (ts && !user_can_read(ts, sizeof(*ts)))
		return false;
	return !ts || (ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < 1000000000);
}

static bool poll_is_ours(struct pollfd *fds, nfds_t n)
{
	if (!edge_tracking() || n > INT_MAX || !user_can_write(fds, n * sizeof(*fds)))
		return false;
	return poll_concerns_us(fds, n);
}

int call_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec ts;

	if (likely(!poll_is_ours(fds, n)))
		return libc.poll(fds, n, timeout);
	return EDGE_WAIT(poll_op(fds, n, timeout_ms(&ts, timeout), NULL), -1);
}
EXPORT(poll);
EXPORT_AS(__poll, poll);

int call___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	edge_check(n, size / sizeof(*fds));
	return call_poll(fds, n, timeout);
}
EXPORT(__poll_chk);

int call_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	if (likely(!poll_is_ours(fds, n)) || !timespec_valid(timeout))
		return libc.ppoll(fds, n, timeout, mask);
	return EDGE_WAIT(poll_op(fds, n, timeout, mask), -1);
}
EXPORT(ppoll);

int call___ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		     const sigset_t *mask, size_t size)
{
	edge_check(n, size / sizeof(*fds));
	return call_ppoll(fds, n, timeout, mask);
}
EXPORT(__ppoll_chk);

static bool set_fits(fd_set *s, int n)
{
	return !s || user_can_write(s, (size_t)(n + 63) / 64 * 8);
}

/* n becomes the number of those that are looked at. */
static bool select_is_ours(int *n, fd_set *r, fd_set *w, fd_set *x)
{
	int end;

	if (!edge_tracking() || *n <= 0)
		return false;
	end = select_end(*n);
	if (!set_fits(r, end) || !set_fits(w, end) || !set_fits(x, end) ||
	    !select_concerns_us(end, r, w, x))
		return false;
	*n = end;
	return true;
}

int call_select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *timeout)
{
	struct timespec ts = {0, 0};
	int ret;

	if (likely(!select_is_ours(&n, r, w, x)) ||
	    (timeout && !user_can_read(timeout, sizeof(*timeout))))
		return libc.select(n, r, w, x, timeout);
	if (!timeout)
		return EDGE_WAIT(select_op(n, r, w, x, NULL, false, NULL), -1);
	if (timeout->tv_sec < 0 || timeout->tv_usec < 0)
		return EDGE(-EINVAL);
	/* More than a second of microseconds is allowed here, unlike in pselect. */
	if (__builtin_add_overflow(timeout->tv_sec, timeout->tv_usec / 1000000, &ts.tv_sec))
		ts.tv_sec = __LONG_MAX__;
	ts.tv_nsec = timeout->tv_usec % 1000000 * 1000;
	ret = EDGE_WAIT(select_op(n, r, w, x, &ts, true, NULL), -1);
	if (user_can_write(timeout,
			   sizeof(*timeout))) { /* else it is told to nobody, as natively */
		timeout->tv_sec = ts.tv_sec;
		timeout->tv_usec = ts.tv_nsec / 1000;
	}
	return ret;
}
EXPORT(select);
EXPORT_AS(__select, select);

int call_pselect(int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *timeout,
		 const sigset_t *mask)
{
	struct timespec ts;

	if (likely(!select_is_ours(&n, r, w, x)) || !timespec_valid(timeout))
		return libc.pselect(n, r, w, x, timeout, mask);
	if (timeout)
		ts = *timeout;
	return EDGE_WAIT(select_op(n, r, w, x, timeout ? &ts : NULL, false, mask), -1);
}
EXPORT(pselect);
