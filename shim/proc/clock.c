/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one clock: CLOCK_MONOTONIC, which timers, deadlines and the stack share. Read through the
 * vDSO, so that it costs no system call.
 */
#include <time.h>

#include "shim/proc/family.h"

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}
