/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding the next in line for every row of calls.def. libc.NAME starts out as early_NAME, which
 * makes the system call by hand: dlsym may allocate, an allocator's first call may read and close
 * files, and those calls come here. Rows whose work no single system call does (LATE) look the
 * symbols up first; none of them is called by an allocator.
 */
#include "shim/call/libc.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "shim/proc/sys.h"

/* The convention of libc: the value, or -1 with errno. */
static long early_return(long ret)
{
	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}

static int raw_dup2(int old, int new_fd)
{
	if (old == new_fd)
		return sys_fcntl(old, F_GETFD, 0) < 0 ? -EBADF : new_fd;
	return sys_dup3(old, new_fd, 0);
}

static int raw_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		     const sigset_t *mask)
{
	struct timespec ts; /* the kernel writes to it, the application's must stay */

	if (timeout)
		ts = *timeout;
	return sys_ppoll(fds, n, timeout ? &ts : NULL, mask);
}

static int raw_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec ts = {timeout_ms / 1000, timeout_ms % 1000 * 1000000l};

	return raw_ppoll(fds, n, timeout_ms < 0 ? NULL : &ts, NULL);
}

#define LEFT(name, reason)

/* A name that is nowhere even after looking stays with early_NAME: -ENOSYS, not for ever. */
#define LATE(name, ...) \
	(libc_resolve(), libc.name == early_##name ? -ENOSYS : late_value(libc.name(__VA_ARGS__)))
/* Its errors are libc's already: -1 is passed on with errno as it is. */
static long late_errno(long ret)
{
	return ret == -1 ? -(long)errno : ret;
}
#define late_value(call) late_errno((long)(call))

#define CALL(ret, name, params, args, early) static ret early_##name params;
#include "shim/call/calls.def"
#undef CALL

struct libc_calls libc = {
#define CALL(ret, name, params, args, early) .name = early_##name,
#include "shim/call/calls.def"
#undef CALL
};

#define CALL(ret, name, params, args, early)             \
	static ret early_##name params                   \
	{                                                \
		return (ret)early_return((long)(early)); \
	}
#include "shim/call/calls.def"
#undef CALL

#undef LEFT
#define LEFT(name, reason)

void libc_resolve(void)
{
	static bool begun; /* set first: what dlsym calls must not come back to it */

	if (begun)
		return;
	begun = true;
#define CALL(ret, name, params, args, early)             \
	{                                                \
		void *next = dlsym(RTLD_NEXT, #name);    \
		if (next)                                \
			libc.name = (ret(*) params)next; \
	}
#include "shim/call/calls.def"
#undef CALL
}
