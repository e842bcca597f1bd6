/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process under a seccomp(2) filter that forbids what a stack needs. Theory of operation: the
 * head of confine.c.
 */
#ifndef SHIM_FD_CONFINE_H
#define SHIM_FD_CONFINE_H

#include <linux/filter.h>
#include <stdbool.h>

/*
 * Before the calling thread installs prog, for all threads of the process or not: while everything
 * is permitted still. True: the process is confined from here on, and confine_failed() is to be
 * called if the kernel does not take the filter.
 */
bool confine_begin(const struct sock_fprog *prog, bool all_threads);
void confine_failed(void);

/* Can this process take a connection of the stack's out of a listener's queue? The filter may
 * forbid to make a descriptor for it. */
bool confine_may_accept(void);

#endif
