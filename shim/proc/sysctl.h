/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The administrator's tuning: what the network namespace's sysctls say, as a stack's configuration.
 */
#ifndef SHIM_PROC_SYSCTL_H
#define SHIM_PROC_SYSCTL_H

#include "stack/stack.h"

/* Defaults, then the sysctls of the namespace (a missing one leaves the default), then knobs. */
void sysctl_stack_cfg(struct stack_cfg *cfg);

#endif
