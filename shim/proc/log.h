/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line at a time to standard error or a file. May be called from anywhere: constructors before
 * libc is ready, signal handlers, intercepted calls under any lock. Never allocates, never touches
 * errno, never blocks on anything but the write itself, never repeats without a bound.
 */
#ifndef SHIM_PROC_LOG_H
#define SHIM_PROC_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_OFF, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines a process may write per second; what is beyond is counted and the count is told later. */
#define LOG_LINES_PER_S 50

/* The level now; read it through log_on(). */
extern enum log_level log_level __attribute__((visibility("hidden")));
/* Nothing is written any more: a filter (seccomp) may forbid it. */
extern _Atomic bool log_silent;

static inline int log_on(enum log_level level)
{
	return level <= log_level;
}

/*
 * Takes SHIM_LOG: "level" or "level:path" (off, error, warn, info, debug). The path is opened anew,
 * append only, for each line, so that no descriptor is kept that the program could close or meet.
 * Returns 0, or -EINVAL: the spec is not one, and nothing has changed.
 */
int log_setup(const char *spec);

/* The level that spec begins with, or -1; *path gets what follows the colon, or NULL. */
int log_parse(const char *spec, const char **path);

/*
 * Writes "libshim[pid]: " and the text, cut to one line of 512 bytes. Conversions: %% %c %s %d %i
 * %u %x %p, with l, ll, z and j, and %.*s. Anything else is a mistake of ours.
 */
void log_printf(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same conversions into buf, always terminated. Returns the length, less than size. */
size_t log_vformat(char *buf, size_t size, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
size_t log_format(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_at(level, ...)                              \
	do {                                            \
		if (__builtin_expect(log_on(level), 0)) \
			log_printf(level, __VA_ARGS__); \
	} while (0)

#endif
