/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides how a line is made and where it goes. Must never allocate, lock, use stdio, call a name
 * that libshim intercepts, or change errno (raw system calls have none).
 *
 * Standard error is the program's, not ours: a daemon may have closed it and met the same number
 * again as a client's socket. A line goes there only while descriptor 2 is what it was at start-up,
 * or is something that is not a socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "shim/proc/log.h"
#include "shim/proc/sys.h"

#define LOG_LINE_BYTES 512
#define LOG_PATH_BYTES 256

enum log_level log_level = LOG_LEVEL_WARN;
_Atomic bool log_silent;

static char log_path[LOG_PATH_BYTES];
static struct {
	bool known;
	dev_t dev;
	ino_t ino;
} log_stderr;

/* The second that is being counted, the lines in it, and the lines lost since the last one told. */
static _Atomic uint64_t log_second;
static _Atomic uint32_t log_lines;
static _Atomic uint32_t log_lost;

/* ---- formatting ----------------------------------------------------------------------------- */

struct out {
	char *buf;
	size_t size, len;
};

static void out_char(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len++] = c;
}

static void out_str(struct out *o, const char *s, size_t max)
{
	if (!s)
		s = "(null)";
	while (max-- && *s)
		out_char(o, *s++);
}

static void out_num(struct out *o, uint64_t v, unsigned base, bool neg, int width, char pad)
{
	char tmp[24];
	int n = 0;

	do {
		tmp[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (neg && pad == ' ')
		tmp[n++] = '-';
	else if (neg)
		out_char(o, '-');
	for (width -= neg && pad != ' '; width > n; width--)
		out_char(o, pad);
	while (n)
		out_char(o, tmp[--n]);
}

struct conv {
	char pad;
	int width, prec;
	int longs; /* 0: int, 1 and more: 64 bits */
};

static const char *conv_parse(struct conv *c, const char *p, va_list *ap)
{
	*c = (struct conv){.pad = ' ', .prec = -1};
	if (*p == '0') {
		c->pad = '0';
		p++;
	}
	for (; *p >= '0' && *p <= '9'; p++)
		c->width = c->width * 10 + (*p - '0');
	if (*p == '.') {
		p++;
		if (*p == '*') {
			c->prec = va_arg(*ap, int);
			p++;
		} else {
			for (c->prec = 0; *p >= '0' && *p <= '9'; p++)
				c->prec = c->prec * 10 + (*p - '0');
		}
	}
	for (; *p == 'l' || *p == 'z' || *p == 'j'; p++)
		c->longs++;
	return p;
}

static void out_conv(struct out *o, const struct conv *c, char kind, va_list *ap)
{
	int64_t v;

	switch (kind) {
	case 'd':
	case 'i':
		v = c->longs ? va_arg(*ap, int64_t) : va_arg(*ap, int);
		out_num(o, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0, c->width, c->pad);
		break;
	case 'u':
	case 'x':
		out_num(o, c->longs ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned),
			kind == 'u' ? 10 : 16, false, c->width, c->pad);
		break;
	case 'p':
		out_str(o, "0x", 2);
		out_num(o, (uintptr_t)va_arg(*ap, void *), 16, false, 0, ' ');
		break;
	case 's':
		out_str(o, va_arg(*ap, const char *), c->prec < 0 ? SIZE_MAX : (size_t)c->prec);
		break;
	case 'c':
		out_char(o, (char)va_arg(*ap, int));
		break;
	default: /* not ours to guess what the argument is: show the text as it stands */
		out_char(o, '%');
		out_char(o, kind);
	}
}

size_t log_vformat(char *buf, size_t size, const char *fmt, va_list ap_in)
{
	struct out o = {buf, size, 0};
	struct conv c;
	va_list ap;

	if (!size)
		return 0;
	va_copy(ap, ap_in);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			out_char(&o, *fmt);
			continue;
		}
		if (*++fmt == '%') {
			out_char(&o, '%');
			continue;
		}
		fmt = conv_parse(&c, fmt, &ap);
		if (!*fmt)
			break;
		out_conv(&o, &c, *fmt, &ap);
	}
	va_end(ap);
	buf[o.len] = 0;
	return o.len;
}

size_t log_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = log_vformat(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

/* ---- where it goes -------------------------------------------------------------------------- */

static bool fd_stat(int fd, struct stat *st)
{
	return sys_call(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH) == 0;
}

static bool stderr_is_ours(void)
{
	struct stat st;

	if (!fd_stat(2, &st))
		return false;
	if (!S_ISSOCK(st.st_mode))
		return true;
	return log_stderr.known && log_stderr.dev == st.st_dev && log_stderr.ino == st.st_ino;
}

/* Beyond RLIMIT_FSIZE a write would end the process (SIGXFSZ). */
static bool has_room(int fd, size_t len)
{
	struct rlimit rl;
	struct stat st;

	if (sys_call(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &rl) || rl.rlim_cur == RLIM_INFINITY)
		return true;
	return !fd_stat(fd, &st) || !S_ISREG(st.st_mode) ||
	       (uint64_t)st.st_size + len <= rl.rlim_cur;
}

/* A line is written whole or given up: standard error may be a full pipe of a stuck reader. */
static void log_write(const char *line, size_t len)
{
	long fd = 2;

	if (log_path[0])
		fd = sys_call(SYS_openat, AT_FDCWD, log_path,
			      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
	else if (!stderr_is_ours())
		return;
	if (fd < 0)
		return;
	while (has_room((int)fd, len) && sys_call(SYS_write, fd, line, len) == -EINTR)
		;
	if (log_path[0])
		sys_call(SYS_close, fd);
}

/* True when this line may go out; *lost gets the number of lines lost before it. */
static bool log_admit(uint32_t *lost)
{
	struct timespec ts = {0, 0};
	uint64_t now;

	sys_call(SYS_clock_gettime, CLOCK_MONOTONIC_COARSE, &ts);
	now = (uint64_t)ts.tv_sec + 1; /* 0 is "never" */
	if (__atomic_exchange_n(&log_second, now, __ATOMIC_RELAXED) != now)
		__atomic_store_n(&log_lines, 0, __ATOMIC_RELAXED);
	if (__atomic_fetch_add(&log_lines, 1, __ATOMIC_RELAXED) >= LOG_LINES_PER_S) {
		__atomic_fetch_add(&log_lost, 1, __ATOMIC_RELAXED);
		return false;
	}
	*lost = __atomic_exchange_n(&log_lost, 0, __ATOMIC_RELAXED);
	return true;
}

void log_printf(enum log_level level, const char *fmt, ...)
{
	char line[LOG_LINE_BYTES];
	uint32_t lost;
	va_list ap;
	size_t n;

	if (!log_on(level) || log_silent || !log_admit(&lost))
		return;
	n = log_format(line, sizeof(line) - 1, "libshim[%d]: ", (int)sys_call(SYS_getpid));
	if (lost)
		n += log_format(line + n, sizeof(line) - 1 - n, "(%u lines lost) ", lost);
	va_start(ap, fmt);
	n += log_vformat(line + n, sizeof(line) - 1 - n, fmt, ap);
	va_end(ap);
	line[n++] = '\n';
	log_write(line, n);
}

/* ---- set-up --------------------------------------------------------------------------------- */

static const char *const level_names[] = {"off", "error", "warn", "info", "debug"};

int log_parse(const char *spec, const char **path)
{
	size_t n = strcspn(spec, ":");

	*path = spec[n] ? spec + n + 1 : NULL;
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (strlen(level_names[i]) == n && memcmp(level_names[i], spec, n) == 0)
			return (int)i;
	return -1;
}

int log_setup(const char *spec)
{
	const char *path;
	struct stat st;
	int level = log_parse(spec, &path);

	if (level < 0 || (path && (!*path || strlen(path) >= sizeof(log_path))))
		return -EINVAL;
	log_level = (enum log_level)level;
	log_path[0] = 0;
	if (path)
		memcpy(log_path, path, strlen(path) + 1);
	if (fd_stat(2, &st)) {
		log_stderr.known = true;
		log_stderr.dev = st.st_dev;
		log_stderr.ino = st.st_ino;
	}
	return 0;
}
