/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors as such: closing, duplicating, flags. The numbers of our own descriptors look closed
 * to the application here, and may be taken by dup2.
 */
#include "edge.h"

#include <fcntl.h>

#include "shim/fd/exec.h"
#include "shim/call/stdio.h"
#include "shim/fd/pass.h"
#include "shim/fd/sock.h"

/* A vfork child's own descriptors: noted for its exec, and ours stay open for it. */
static int vfork_close(int fd)
{
	if (fd_is_hidden(fd))
		return EDGE(-EBADF);
	exec_vfork_close(fd);
	return libc.close(fd);
}

static int vfork_dup(int old, int new_fd)
{
	if (thread_self.in_vfork)
		exec_vfork_dup(old, new_fd);
	return new_fd;
}

int call_close(int fd)
{
	if (likely(!edge_concerns(fd)))
		return unlikely(thread_self.in_vfork) ? vfork_close(fd) : libc.close(fd);
	return EDGE(fd_close(fd));
}
EXPORT(close);
EXPORT_AS(__close, close);

int call_close_range(unsigned first, unsigned last, int flags)
{
	if (unlikely(thread_self.in_vfork) && fdtab)
		return EDGE(fd_close_range_visible(first, last, flags));
	if (likely(!edge_tracking()))
		return libc.close_range(first, last, flags);
	return EDGE(fd_close_range(first, last, flags));
}
EXPORT(close_range);

void call_closefrom(int first)
{
	if (unlikely(thread_self.in_vfork) && fdtab)
		(void)EDGE(fd_close_range_visible(first < 0 ? 0 : (unsigned)first, ~0u, 0));
	else if (likely(!edge_tracking()))
		libc.closefrom(first);
	else
		(void)EDGE(fd_close_range(first < 0 ? 0 : (unsigned)first, ~0u, 0));
}
EXPORT(closefrom);

int call_dup(int fd)
{
	struct ofd *o = fdtab_tracked(fd);

	if (likely(!o))
		return vfork_dup(fd, libc.dup(fd));
	return EDGE(fd_dup(fd, o));
}
EXPORT(dup);

static int dup_done(int fd)
{
	if (fd >= 0)
		stdio_take(fd);
	return fd;
}

int call_dup2(int old, int new_fd)
{
	if (likely(!edge_concerns(old) && !edge_concerns(new_fd)))
		return vfork_dup(old, libc.dup2(old, new_fd));
	return dup_done(EDGE(fd_dup3(old, new_fd, 0, true)));
}
EXPORT(dup2);
EXPORT_AS(__dup2, dup2);

int call_dup3(int old, int new_fd, int flags)
{
	if (likely(!edge_concerns(old) && !edge_concerns(new_fd)))
		return vfork_dup(old, libc.dup3(old, new_fd, flags));
	return dup_done(EDGE(fd_dup3(old, new_fd, flags, false)));
}
EXPORT(dup3);

static int vfork_fcntl(int fd, int cmd, int ret)
{
	if (unlikely(thread_self.in_vfork) && (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC))
		exec_vfork_dup(fd, ret);
	return ret;
}

int call_fcntl(int fd, int cmd, unsigned long arg)
{
	struct ofd *o = fdtab_tracked(fd);

	/* A group that owns it is a negative number, which only libc tells from an error. */
	if (likely(!o) || cmd == F_GETOWN)
		return vfork_fcntl(fd, cmd, libc.fcntl(fd, cmd, arg));
	return EDGE(fd_fcntl(fd, o, cmd, arg));
}
EXPORT(fcntl);
EXPORT_AS(__fcntl, fcntl);

/* libc's own fcntl64 knows which commands lock with 64-bit offsets on 32-bit machines. */
int call_fcntl64(int fd, int cmd, unsigned long arg)
{
	struct ofd *o = fdtab_tracked(fd);

	if (likely(!o) || cmd == F_GETOWN)
		return vfork_fcntl(fd, cmd, libc.fcntl64(fd, cmd, arg));
	return EDGE(fd_fcntl(fd, o, cmd, arg));
}
EXPORT(fcntl64);

int call_pidfd_getfd(int pidfd, int target_fd, unsigned flags)
{
	int fd = libc.pidfd_getfd(pidfd, target_fd, flags), saved = errno;

	if (fd >= 0 && family && !thread_is_internal()) {
		pass_fetched(fd, pidfd, target_fd);
		errno = saved;
	}
	return fd;
}
EXPORT(pidfd_getfd);

int call_ioctl(int fd, unsigned long req, void *arg)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.ioctl(fd, req, arg);
	return EDGE(sock_ioctl(fd, o, req, arg));
}
EXPORT(ioctl);

/*
 * libc closes the descriptor by an inner name, so the number has to be forgotten here, and before:
 * another thread may get it the moment it is closed. A stream of ours closes it by call_close().
 */
int call_fclose(FILE *f)
{
	if (unlikely(fdtab != NULL) && f && !stdio_is_stream(f)) {
		int fd = fileno_unlocked(f);

		if (fd >= 0 && fdtab_tracked(fd)) {
			thread_enter();
			fd_forget(fd);
			thread_leave();
		}
	}
	return libc.fclose(f);
}
EXPORT(fclose);
