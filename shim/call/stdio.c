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

static bool stream_made;

/* ---- a stream over fd ----------------------------------------------------------------------- */

static int cookie_fd(void *cookie)
{
	return (int)(intptr_t)cookie;
}

static ssize_t stream_read(void *cookie, char *buf, size_t n)
{
	return call_read(cookie_fd(cookie), buf, n);
}

/* All of it, as libc's own; less is an error. */
static ssize_t stream_write(void *cookie, const char *buf, size_t n)
{
	size_t done = 0;
	ssize_t r;

	while (done < n && (r = call_write(cookie_fd(cookie), buf + done, n - done)) >= 0)
		done += (size_t)r;
	return (ssize_t)done;
}

static int stream_seek(void *cookie, off64_t *offset, int whence)
{
	*offset = lseek(cookie_fd(cookie), *offset, whence);
	return *offset < 0 ? -1 : 0;
}

static int stream_close(void *cookie)
{
	return call_close(cookie_fd(cookie));
}

static FILE *stream_open(int fd, const char *mode)
{
	static const cookie_io_functions_t io = {stream_read, stream_write, stream_seek,
						 stream_close};
	FILE *f = fopencookie((void *)(intptr_t)fd, mode, io);

	if (f)
		f->_fileno = fd;
	stream_made |= f != NULL;
	return f;
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

void stdio_exit(void)
{
	if (stream_made)
		fflush(NULL);
}

/* ---- printing to a descriptor --------------------------------------------------------------- */

static int stdio_vprint(int fd, const char *format, va_list ap)
{
	char *text;
	int n = vasprintf(&text, format, ap);

	if (n >= 0 && stream_write((void *)(intptr_t)fd, text, (size_t)n) < n)
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
