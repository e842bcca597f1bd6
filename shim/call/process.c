/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes begin (fork and what libc builds on it by inner names, written out here) and end.
 * vfork is in shim/call/vfork.c; how a fork is followed, in shim/call/start.c.
 */
#include "edge.h"

#include <fcntl.h>
#include <paths.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utmp.h>

#include "shim/fd/sock.h"
#include "shim/proc/family.h"
#include "shim/proc/memlock.h"
#include "shim/call/start.h"

/* All but the arena, whose address range must not be filled (shim/proc/memlock.c). */
int call_mlockall(int flags)
{
	int ret;

	if (!family || !(flags & MCL_CURRENT) || thread_is_internal() ||
	    flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		return libc.mlockall(flags);
	if (flags & MCL_FUTURE) {
		ret = libc.mlockall(flags & ~MCL_CURRENT);
		if (ret)
			return ret;
	}
	return EDGE(memlock_current(FAMILY_BASE, flags & MCL_ONFAULT));
}
EXPORT(mlockall);

pid_t call_fork(void)
{
	uint8_t outer = thread_self.forking;
	pid_t pid;

	thread_self.forking = 1;
	pid = libc.fork();
	thread_self.forking = outer;
	if (pid != 0) {
		int saved = errno;

		fork_parent(pid);
		errno = saved;
	}
	return pid;
}
EXPORT(fork);
EXPORT_AS(__fork, fork);

/* Runs no atfork handlers. */
pid_t call__Fork(void)
{
	int saved;
	pid_t pid;

	fork_begin();
	pid = libc._Fork();
	saved = errno;
	if (pid == 0)
		fork_child();
	else
		fork_parent(pid);
	errno = saved;
	return pid;
}
EXPORT(_Fork);

/* daemon(3): /dev/null must be the real one, character device 1:3, as libc insists. */
static int daemon_null(void)
{
	struct stat st;
	int fd = open(_PATH_DEVNULL, O_RDWR);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
		call_close(fd);
		errno = ENODEV;
		return -1;
	}
	for (int i = 0; i < 3; i++)
		call_dup2(fd, i);
	if (fd > 2)
		call_close(fd);
	return 0;
}

int call_daemon(int nochdir, int noclose)
{
	pid_t pid = call_fork();

	if (pid < 0)
		return -1;
	if (pid > 0)
		call__exit(0);
	if (setsid() < 0)
		return -1;
	if (!nochdir && chdir("/") < 0)
		return -1;
	return noclose ? 0 : daemon_null();
}
EXPORT(daemon);

pid_t call_forkpty(int *master, char *name, const struct termios *termp, const struct winsize *winp)
{
	int m, s;
	pid_t pid;

	if (openpty(&m, &s, name, termp, winp) < 0)
		return -1;
	pid = call_fork();
	if (pid == 0) {
		call_close(m);
		if (login_tty(s) < 0)
			libc._exit(1);
		return 0;
	}
	call_close(s);
	if (pid < 0)
		call_close(m);
	else
		*master = m;
	return pid;
}
EXPORT(forkpty);

/* A vfork child's end is not its parent's. */
void call__exit(int status)
{
	if (!thread_is_internal())
		fd_exit();
	libc._exit(status);
}
EXPORT(_exit);
EXPORT_AS(_Exit, _exit);
