/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stdio over sockets. libc's streams read and write by names inside libc that nothing can stand in
 * front of, so a stream over a socket that may be accelerated is one with functions of its own
 * (fopencookie(3)): the interposed ones. It serves whatever its number stands for, for ever.
 *
 * stdin, stdout and stderr become such streams when a socket comes to lie below them, by dup2() or
 * over exec; what was printed and not yet flushed comes along, as it would natively.
 *
 * At the end of a process libc flushes its streams after our destructor: hence stdio_exit().
 */
#include "shim/call/stdio.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"

#include <fcntl.h>
#include <unistd.h>

/* libio's marks of a stream: how it is buffered, and that it reads and writes a descriptor by
 * itself. */
#define IO_UNBUFFERED 0x2
#define IO_LINE_BUF 0x200
#define IO_IS_FILEBUF 0x2000

/* ---- a stream over fd ----------------------------------------------------------------------- */

struct stream {
	int fd;
	FILE *f;
	struct stream *next;
};

static struct stream *streams; /* all that are open */
static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t stream_read(void *cookie, char *buf, size_t n)
{
	const struct stream *s = cookie;

	return call_read(s->fd, buf, n);
}

/* All of it, as libc's own; less is an error. */
static ssize_t write_all(int fd, const char *buf, size_t n)
{
	size_t done = 0;
	ssize_t r;

	while (done < n && (r = call_write(fd, buf + done, n - done)) >= 0)
		done += (size_t)r;
	return (ssize_t)done;
}

static ssize_t stream_write(void *cookie, const char *buf, size_t n)
{
	const struct stream *s = cookie;

	return write_all(s->fd, buf, n);
}

static int stream_seek(void *cookie, off64_t *offset, int whence)
{
	const struct stream *s = cookie;

	*offset = lseek(s->fd, *offset, whence);
	return *offset < 0 ? -1 : 0;
}

static int stream_close(void *cookie)
{
	struct stream *s = cookie, **at = &streams;
	int fd = s->fd;

	pthread_mutex_lock(&streams_lock);
	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	pthread_mutex_unlock(&streams_lock);
	free(s);
	return call_close(fd);
}

static FILE *stream_open(int fd, const char *mode)
{
	static const cookie_io_functions_t io = {stream_read, stream_write, stream_seek,
						 stream_close};
	struct stream *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->fd = fd;
	s->f = fopencookie(s, mode, io);
	if (!s->f) {
		free(s);
		return NULL;
	}
	s->f->_fileno = fd;
	pthread_mutex_lock(&streams_lock);
	s->next = streams;
	streams = s;
	pthread_mutex_unlock(&streams_lock);
	return s->f;
}

bool stdio_is_stream(const FILE *f)
{
	return !(f->_flags & IO_IS_FILEBUF);
}

FILE *call_fdopen(int fd, const char *mode)
{
	int fl;

	if (likely(!edge_socket(fd)) || (*mode != 'r' && *mode != 'w' && *mode != 'a'))
		return libc.fdopen(fd, mode);
	fl = *mode == 'a' ? call_fcntl(fd, F_GETFL, 0) : -1;
	if (fl >= 0 && !(fl & O_APPEND) &&
	    call_fcntl(fd, F_SETFL, (unsigned long)fl | O_APPEND) < 0)
		return NULL;
	return stream_open(fd, mode);
}
EXPORT(fdopen);

/* ---- the three that are there from the beginning -------------------------------------------- */

static void std_take(FILE **std, int fd, const char *mode)
{
	FILE *old = *std, *f;

	if (!old || stdio_is_stream(old) || fileno_unlocked(old) != fd)
		return;
	f = stream_open(fd, mode);
	if (!f)
		return;
	if (old->_flags & IO_UNBUFFERED)
		setvbuf(f, NULL, _IONBF, 0);
	else if (old->_flags & IO_LINE_BUF)
		setvbuf(f, NULL, _IOLBF, 0);
	if (old->_IO_write_ptr > old->_IO_write_base) {
		fwrite(old->_IO_write_base, 1, (size_t)(old->_IO_write_ptr - old->_IO_write_base),
		       f);
		old->_IO_write_ptr = old->_IO_write_base;
	}
	*std = f;
}

void stdio_take(int fd)
{
	int saved = errno;

	if (likely((unsigned)fd > STDERR_FILENO) || !edge_socket(fd))
		return;
	if (fd == STDIN_FILENO)
		std_take(&stdin, fd, "r");
	else if (fd == STDOUT_FILENO)
		std_take(&stdout, fd, "w");
	else
		std_take(&stderr, fd, "w");
	errno = saved;
}

/* As libc at the end: without the streams' locks, which who waits in one has. */
void stdio_exit(void)
{
	pthread_mutex_lock(&streams_lock);
	for (struct stream *s = streams; s; s = s->next)
		if (s->f->_IO_write_ptr > s->f->_IO_write_base)
			fflush_unlocked(s->f);
	pthread_mutex_unlock(&streams_lock);
}

void stdio_fork_child(void)
{
	pthread_mutex_init(&streams_lock, NULL);
}

/* ---- printing to a descriptor --------------------------------------------------------------- */

static int stdio_vprint(int fd, const char *format, va_list ap)
{
	char *text;
	int n = vasprintf(&text, format, ap);

	if (n >= 0 && write_all(fd, text, (size_t)n) < n)
		n = -1;
	else if (n < 0)
		return n;
	free(text);
	return n;
}

int call_vdprintf(int fd, const char *format, va_list ap)
{
	if (likely(!edge_socket(fd)))
		return libc.vdprintf(fd, format, ap);
	return stdio_vprint(fd, format, ap);
}
EXPORT(vdprintf);

int call___vdprintf_chk(int fd, int flag, const char *format, va_list ap)
{
	if (likely(!edge_socket(fd)))
		return libc.__vdprintf_chk(fd, flag, format, ap);
	return stdio_vprint(fd, format, ap);
}
EXPORT(__vdprintf_chk);

int call_dprintf(int fd, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = call_vdprintf(fd, format, ap);
	va_end(ap);
	return n;
}
EXPORT(dprintf);

int call___dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = call___vdprintf_chk(fd, flag, format, ap);
	va_end(ap);
	return n;
}
EXPORT(__dprintf_chk);
