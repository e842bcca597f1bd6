/* SPDX-License-Identifier: BSD-2-Clause */
/* shimrun --check. */
#ifndef SHIM_TOOL_CHECK_H
#define SHIM_TOOL_CHECK_H

#include <stdbool.h>

enum { CHECK_EXIT_ALL_FINE = 0, CHECK_EXIT_KERNEL_ONLY = 1 };

/*
 * Prints what this machine can do, as text or JSON. iface: look at these interfaces only (separated
 * by commas; NULL: all). Sizes come from the environment's SHIM_* as the library would read them.
 * Returns the exit status: CHECK_EXIT_*.
 */
int check_machine(const char *iface, bool json);

#endif
