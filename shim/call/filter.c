/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prctl(PR_SET_SECCOMP) and seccomp(2), which has no function in libc: looked at before the kernel
 * gets them (shim/fd/confine.h). All else of prctl passes.
 */
#include "edge.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "shim/call/start.h"
#include "shim/fd/confine.h"

/* make the call with what goes before and after it. */
#define CONFINE(prog, all, call)                                       \
	({                                                             \
		bool confined = false;                                 \
		long r;                                                \
		if (!thread_is_internal()) {                           \
			int saved = errno;                             \
			thread_enter();                                \
			confined = confine_begin(PTR_PROG(prog), all); \
			thread_leave();                                \
			errno = saved;                                 \
		}                                                      \
		r = (call);                                            \
		if (r < 0 && confined)                                 \
			confine_failed();                              \
		r;                                                     \
	})
#define PTR_PROG(x) ((const struct sock_fprog *)(x))

int call_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	if (option == PR_SET_SECCOMP && a == SECCOMP_MODE_FILTER)
		return (int)CONFINE(b, false, libc.prctl(option, a, b, c, d));
	return libc.prctl(option, a, b, c, d);
}
EXPORT(prctl);

long syscall_seccomp(long nr, long op, long flags, long prog)
{
	if (op == SECCOMP_SET_MODE_FILTER)
		return CONFINE(prog, flags & SECCOMP_FILTER_FLAG_TSYNC,
			       libc.syscall(nr, op, flags, prog, 0, 0, 0));
	return libc.syscall(nr, op, flags, prog, 0, 0, 0);
}
