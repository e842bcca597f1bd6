/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a seccomp(2) filter would say to the system calls that the shim makes for a stack. Pure: the
 * program is run here, on made-up arguments, before it is given to the kernel.
 */
#ifndef SHIM_PROC_FILTER_H
#define SHIM_PROC_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

/* The filter's answer to one call, SECCOMP_RET_*; SECCOMP_RET_KILL_PROCESS for a program that the
 * kernel would not take. */
uint32_t filter_run(const struct sock_filter *code, unsigned n, const struct seccomp_data *data);

/* Does the filter let a call with these first two arguments happen? */
bool filter_permits(const struct sock_filter *code, unsigned n, int nr, uint64_t arg0,
		    uint64_t arg1);

/* The number of the first call that a stack needs and the filter forbids, or -1: there is none. */
int filter_forbids(const struct sock_filter *code, unsigned n);

#endif
