/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a process in which an ASSERT failed. What the lock guards may be half changed, so
 * nothing of ours runs any more: no flush, no close. The lock is robust; whoever of the family
 * takes it next finds its holder dead, and resets that one stack's connections.
 */
#include <stdlib.h>

#include "shim/proc/log.h"
#include "stack/assert.h"

void stack_panic(const char *file, int line, const char *what)
{
	log_error("%s:%d: ASSERT(%s) failed; this is a mistake in libshim, please report it", file,
		  line, what);
	abort();
}
