/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams over sockets: what the other calls and start-up have to tell stdio.c. */
#ifndef SHIM_CALL_STDIO_H
#define SHIM_CALL_STDIO_H

#include <stdbool.h>
#include <stdio.h>

/* True when f reads and writes by functions of its own (ours, or the program's). */
bool stdio_is_stream(const FILE *f);
/* fd stands for something new: if it is a socket, and one of the standard three, so is its stream.
 * Not in a vfork child. */
void stdio_take(int fd);
/* The process ends: what streams hold back is written while its sockets are still there. */
void stdio_exit(void);
/* In a forked child: another thread of the parent may have been opening or closing one. */
void stdio_fork_child(void);

#endif
