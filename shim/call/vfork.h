/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vfork(): the child runs on our stack and in our memory until it execs or exits, so that none of
 * its calls may change anything of ours. It is told by thread_self.in_vfork, which is the parent's
 * own (the parent sleeps meanwhile).
 */
#ifndef SHIM_CALL_VFORK_H
#define SHIM_CALL_VFORK_H

#include <sys/types.h>

/* In front of the system call: marks the thread. Returns the mark that was there before. */
long vfork_enter(void);
/* Back in the parent: puts the mark back and gives vfork's value for the kernel's. */
pid_t vfork_parent(long ret, long mark);

#endif
