/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An assertion of ours does not hold: says where, and ends the process by SIGABRT, so that a core
 * dump shows it. The lock the thread holds tells the rest of the family that it died inside.
 */
#include <signal.h>
#include <string.h>

#include "shim/proc/log.h"
#include "shim/proc/sys.h"
#include "stack/assert.h"

void stack_panic(const char *file, int line, const char *what)
{
	struct sigaction dfl;
	uint64_t abrt = 1ull << (SIGABRT - 1);

	log_error("%s:%d: %s does not hold", file, line, what);
	/* Whatever the program does about SIGABRT, it is not to run on inside us. */
	memset(&dfl, 0, sizeof(dfl));
	sys_call(SYS_rt_sigaction, SIGABRT, &dfl, NULL, SYS_SIGSET_BYTES);
	sys_rt_sigprocmask(SIG_UNBLOCK, &abrt, NULL);
	sys_tgkill(sys_getpid(), sys_gettid(), SIGABRT);
	sys_exit_group(127);
}
