/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mlockall(2) around the arena. The arena is a huge mapping that is filled lazily: locked whole, it
 * would be filled whole, which no machine has the memory for. So it is never locked (its frames are
 * pinned by the kernel anyway), and all else is as the program asked for. Must never unlock what
 * the program has locked, nor answer otherwise than mlockall() would without us.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/proc/memlock.h"
#include "shim/proc/sys.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

#define LINE_BYTES \
	8192 /* /proc/self/maps: a path of PATH_MAX, escaped, fits with what is before it */

struct maps {
	int fd;
	size_t have;
	char buf[LINE_BYTES + 1];
};

/* The next line, without its newline; NULL: there is none. Valid until the next call. */
static char *maps_line(struct maps *m, size_t *used)
{
	memmove(m->buf, m->buf + *used, m->have - *used);
	m->have -= *used;
	*used = 0;
	for (;;) {
		char *nl = memchr(m->buf, '\n', m->have);
		ssize_t n;

		if (nl) {
			*nl = '\0';
			*used = (size_t)(nl - m->buf) + 1;
			return m->buf;
		}
		if (m->have == LINE_BYTES)
			return NULL;
		n = sys_read(m->fd, m->buf + m->have, LINE_BYTES - m->have);
		if (n <= 0)
			return NULL;
		m->have += (size_t)n;
	}
}

static uint64_t hex_take(const char **p)
{
	uint64_t v = 0;

	for (;; (*p)++) {
		if (**p >= '0' && **p <= '9')
			v = v << 4 | (uint64_t)(**p - '0');
		else if (**p >= 'a' && **p <= 'f')
			v = v << 4 | (uint64_t)(**p - 'a' + 10);
		else
			return v;
	}
}

/* Locks one mapping as mlockall() would, which goes on after what can't be filled. */
static int mapping_lock(const char *line, uint64_t skip, bool onfault)
{
	const char *p = line;
	uint64_t start = hex_take(&p), end;
	int ret;

	p += *p == '-';
	end = hex_take(&p);
	if (start == skip || strstr(line, " [v")) /* the kernel's own pages: vdso and the like */
		return 0;
	ret = (int)sys_call(SYS_mlock2, start, end - start, onfault ? MLOCK_ONFAULT : 0);
	if (ret ==
	    -ENOMEM) /* it can't be filled (inaccessible, or past a file's end), or the limit */
		ret = (int)sys_call(SYS_mlock2, start, end - start, MLOCK_ONFAULT);
	return ret == -EPERM || ret == -ENOMEM ? ret : 0;
}

int memlock_current(const void *skip, bool onfault)
{
	struct maps m = {.have = 0};
	size_t used = 0;
	char *line;
	int ret = 0;

	m.fd = sys_openat(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (m.fd < 0)
		return -EAGAIN; /* some of it could not be locked */
	while (ret == 0 && (line = maps_line(&m, &used)) != NULL)
		ret = mapping_lock(line, (uintptr_t)skip, onfault);
	sys_close(m.fd);
	return ret;
}
