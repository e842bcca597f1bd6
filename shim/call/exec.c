/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * execve and its relatives: what is to be said to the next image is made ready before, and taken
 * back when the call returns after all. They may run in a vfork child and in signal handlers: no
 * lock of libc's, no malloc.
 */
#include "edge.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "shim/fd/exec.h"
#include "shim/call/start.h"

static enum exec_way exec_way(void)
{
	return thread_self.in_vfork ? EXEC_VFORK : EXEC_SELF;
}

/* The call with what goes around it; look: which image it will be. */
#define EXEC(look, call)                                           \
	({                                                         \
		struct exec x;                                     \
		bool ours = exec_concerns_us();                    \
		int r;                                             \
		if (ours)                                          \
			exec_begin(&x, exec_way(), look, NULL, 0); \
		r = (call);                                        \
		if (ours) {                                        \
			int saved = errno;                         \
			exec_end(&x, false);                       \
			errno = saved;                             \
		}                                                  \
		r;                                                 \
	})

int call_execve(const char *path, char *const argv[], char *const envp[])
{
	return EXEC(image_look(AT_FDCWD, path, 0, envp), libc.execve(path, argv, envp));
}
EXPORT(execve);

int call_execv(const char *path, char *const argv[])
{
	return call_execve(path, argv, environ);
}
EXPORT(execv);

int call_execvpe(const char *file, char *const argv[], char *const envp[])
{
	return EXEC(image_look_along_path(file, true, envp), libc.execvpe(file, argv, envp));
}
EXPORT(execvpe);

int call_execvp(const char *file, char *const argv[])
{
	return call_execvpe(file, argv, environ);
}
EXPORT(execvp);

int call_fexecve(int fd, char *const argv[], char *const envp[])
{
	return EXEC(image_look(fd, "", AT_EMPTY_PATH, envp), libc.fexecve(fd, argv, envp));
}
EXPORT(fexecve);

int call_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	return EXEC(image_look(dir, path, flags, envp),
		    libc.execveat(dir, path, argv, envp, flags));
}
EXPORT(execveat);

/* How many arguments there are from first on, the NULL at their end included. */
static size_t args_count(const char *first, va_list ap)
{
	size_t n = 1;

	for (const char *arg = first; arg; arg = va_arg(ap, const char *))
		n++;
	return n;
}

/* The arguments of this function from first on, as an array on its own stack. */
#define ARGV(first)                          \
	va_list ap;                          \
	size_t argc;                         \
	va_start(ap, first);                 \
	argc = args_count(first, ap);        \
	va_end(ap);                          \
	char *argv[argc];                    \
	va_start(ap, first);                 \
	argv[0] = (char *)(first);           \
	for (size_t at = 1; at < argc; at++) \
	argv[at] = va_arg(ap, char *)

int call_execl(const char *path, const char *first, ...)
{
	ARGV(first);
	va_end(ap);
	return call_execve(path, argv, environ);
}
EXPORT(execl);

int call_execlp(const char *file, const char *first, ...)
{
	ARGV(first);
	va_end(ap);
	return call_execvpe(file, argv, environ);
}
EXPORT(execlp);

int call_execle(const char *path, const char *first, ...)
{
	char *const *envp;

	ARGV(first);
	envp = va_arg(ap, char *const *);
	va_end(ap);
	return call_execve(path, argv, envp);
}
EXPORT(execle);
