/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What calls.def makes of each row: the prototype of call_NAME, our implementation, and the member
 * NAME of struct libc_calls, the next in line.
 *
 * call_NAME is hidden, and EXPORT() gives it the public name besides. So a name of ours that calls
 * another of ours is never caught by a second preload, and prototypes in libc's headers (variadic,
 * unions, attributes, fortified inlines) need not be met: the compiler checks each definition
 * against the table, and machine conventions do the rest.
 */
#ifndef SHIM_CALL_CALLS_H
#define SHIM_CALL_CALLS_H

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct termios;
struct winsize;

#define LEFT(name, reason)

#define CALL(ret, name, params, args, early) ret call_##name params;
#include "calls.def"
#undef CALL

struct libc_calls {
#define CALL(ret, name, params, args, early) ret(*name) params;
#include "calls.def"
#undef CALL
};

#undef LEFT

/* Makes call_name public under its name. */
#define EXPORT(name) EXPORT_AS(name, name)
/* Makes call_of public under another name of the same type, too. */
#define EXPORT_AS(name, of)                                           \
	extern __typeof__(call_##name) exported_##name __asm__(#name) \
		__attribute__((alias("call_" #of), visibility("default")))

#endif
