/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * select as poll: the sets become an array and the array becomes the sets, by the kernel's own
 * mapping of poll's bits to the three sets (fs/select.c names them POLLIN_SET, POLLOUT_SET and
 * POLLEX_SET). Counts bits, not descriptors, and fails with EBADF where poll says POLLNVAL at once:
 * what is closed during the wait is ready.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/fd/fdtab.h"
#include "shim/fd/poll_set.h"
#include "shim/proc/sys.h"

#define IN_SET (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL)
#define OUT_SET (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL)
#define EX_SET (POLLPRI | POLLNVAL)
#define BITS (8 * (int)sizeof(unsigned long))
#define SELECT_SMALL 256 /* descriptors without memory of their own */

/* Sets may be larger than FD_SETSIZE: glibc's macros stop there, the kernel does not. */
static bool set_has(const fd_set *s, int fd)
{
	return s && (((const unsigned long *)s)[fd / BITS] >> (fd % BITS) & 1);
}

static void set_clear(fd_set *s, int n)
{
	if (s)
		memset(s, 0, (size_t)(n + BITS - 1) / BITS * sizeof(unsigned long));
}

static int set_put(fd_set *s, int fd, bool want, short revents, short bits)
{
	if (!want || !(revents & bits))
		return 0;
	((unsigned long *)s)[fd / BITS] |= 1ul << (fd % BITS);
	return 1;
}

/* FDSize of /proc/self/status: as many as the process's table has room for. */
static int table_end(void)
{
	static const char name[] = "FDSize:";
	char buf[1024], *p;
	int fd, n = 0;
	ssize_t len;

	fd = sys_openat(AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return FDTAB_FDS;
	len = sys_read(fd, buf, sizeof(buf) - 1);
	sys_close(fd);
	buf[len > 0 ? len : 0] = 0;
	p = strstr(buf, name);
	if (!p)
		return FDTAB_FDS;
	for (p += strlen(name); *p == ' ' || *p == '\t'; p++)
		;
	while (*p >= '0' && *p <= '9' && n < FDTAB_FDS)
		n = n * 10 + (*p++ - '0');
	return n;
}

int select_end(int n)
{
	int end;

	if (n <= FD_SETSIZE)
		return n;
	end = table_end();
	return n < end ? n : end;
}

bool select_concerns_us(int n, const fd_set *r, const fd_set *w, const fd_set *x)
{
	struct pollfd p;

	if (!fdtab)
		return false;
	for (int fd = 0; fd < n; fd++) {
		p.fd = fd;
		if ((set_has(r, fd) || set_has(w, fd) || set_has(x, fd)) && poll_concerns_us(&p, 1))
			return true;
	}
	return false;
}

struct sel {
	fd_set *r, *w, *x;
	uint8_t *wants; /* of each entry: WANT_* */
	void *mem;      /* for large sets, or NULL */
	size_t mapped;
	bool bad; /* one was not open to begin with */
};
enum { WANT_R = 1, WANT_W = 2, WANT_X = 4 };

static short wanted_bits(uint8_t wants)
{
	return (wants & WANT_R ? IN_SET : 0) | (wants & WANT_W ? OUT_SET : 0) |
	       (wants & WANT_X ? EX_SET : 0);
}

/*
 * poll reports errors and hang-ups that select does not count for the sets asked for. Such an entry
 * is not ready, and the kernel is asked about it no more: it would end every sleep at once, and it
 * has nothing else to say.
 */
static int count_ready(struct poll_state *ps, int n)
{
	struct sel *s = ps->arg;

	for (nfds_t i = 0; i < ps->n; i++) {
		short re = ps->fds[i].revents;

		s->bad |= !ps->looked && (re & POLLNVAL);
		if (!re || (re & (wanted_bits(s->wants[i]) | POLLNVAL)))
			continue;
		ps->kfds[i].fd = -1;
		ps->o[i] = NULL;
		ps->fds[i].revents = 0;
		n--;
	}
	return n;
}

/* The array for the sets. How many entries. */
static nfds_t sets_to_array(const struct sel *s, int n, struct pollfd *fds)
{
	nfds_t k = 0;

	for (int fd = 0; fd < n; fd++) {
		uint8_t wants = (set_has(s->r, fd) ? WANT_R : 0) |
				(set_has(s->w, fd) ? WANT_W : 0) | (set_has(s->x, fd) ? WANT_X : 0);

		if (!wants)
			continue;
		s->wants[k] = wants;
		fds[k++] = (struct pollfd){
			.fd = fd, .events = wanted_bits(wants) & ~(POLLERR | POLLHUP | POLLNVAL)};
	}
	return k;
}

/* The bits set; -EBADF: a descriptor that is not open. The sets are untouched then. */
static int array_to_sets(const struct sel *s, int n, const struct pollfd *fds, nfds_t k)
{
	int bits = 0;

	if (s->bad)
		return -EBADF;
	set_clear(s->r, n);
	set_clear(s->w, n);
	set_clear(s->x, n);
	for (nfds_t i = 0; i < k; i++) {
		short re = fds[i].revents;

		bits += set_put(s->r, fds[i].fd, s->wants[i] & WANT_R, re, IN_SET);
		bits += set_put(s->w, fds[i].fd, s->wants[i] & WANT_W, re, OUT_SET);
		bits += set_put(s->x, fds[i].fd, s->wants[i] & WANT_X, re, EX_SET);
	}
	return bits;
}

static void sel_free(void *arg)
{
	const struct sel *s = arg;

	if (s->mapped)
		sys_munmap(s->mem, s->mapped);
}

static void time_left(struct timespec *timeout, uint64_t deadline)
{
	uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;

	timeout->tv_sec = (time_t)(left / 1000000000ull);
	timeout->tv_nsec = (long)(left % 1000000000ull);
}

int select_op(int n, fd_set *r, fd_set *w, fd_set *x, struct timespec *timeout, bool update,
	      const sigset_t *sigmask)
{
	struct pollfd small[SELECT_SMALL], *fds = small;
	uint8_t small_wants[SELECT_SMALL];
	struct sel s = {r, w, x, small_wants, NULL, 0, false};
	struct thread_undo undo;
	struct poll_state ps = {.filter = count_ready, .arg = &s};
	uint64_t deadline;
	nfds_t k;
	int ret;

	if (n < 0 ||
	    (timeout && (timeout->tv_sec < 0 || (unsigned long)timeout->tv_nsec >= 1000000000ul)))
		return -EINVAL;
	if (n > FDTAB_FDS)
		n = FDTAB_FDS;
	deadline = poll_deadline(timeout);
	if (n > SELECT_SMALL) {
		s.mapped = (size_t)n * (sizeof(*fds) + 1);
		s.mem = fds = sys_mmap(NULL, s.mapped, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (sys_is_err(fds))
			return -ENOMEM;
		s.wants = (uint8_t *)(fds + n);
	}
	k = sets_to_array(&s, n, fds);
	thread_undo_push(&undo, sel_free, &s);
	ret = poll_run(&ps, fds, k, deadline, sigmask);
	thread_undo_pop();
	if (ret >= 0)
		ret = array_to_sets(&s, n, fds, k);
	if (timeout && update && deadline != UINT64_MAX)
		time_left(timeout, deadline);
	sel_free(&s);
	return ret;
}
