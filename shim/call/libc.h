/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions we stand in front of, as the next object in line (libc, or another preload) has
 * them. libc.NAME is always callable: before the symbols are resolved it holds a function that
 * makes the raw system call, because glibc's dlsym may call malloc, and a malloc may make calls
 * that we intercept. Everything in the shim that needs the kernel calls through here or sys.h,
 * never an interposed name.
 */
#ifndef SHIM_CALL_LIBC_H
#define SHIM_CALL_LIBC_H

#include "shim/call/calls.h" /* struct libc_calls and prototypes, generated from calls.def */

extern struct libc_calls libc;

/* Resolves every name. Called from the constructor, and by whoever is earlier. Idempotent. */
void libc_resolve(void);

#endif
