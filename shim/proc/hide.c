/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where our own descriptors live: high, so that the application's numbers stay what they would be
 * without us (they are handed out lowest first), and out of its reach. Never moves one while nobody
 * asks for its number.
 *
 * A holder keeps the number that it was given for ever, often in the arena, where other processes
 * of the family read it. When the application takes that very number (dup2), ours moves, and a
 * small table of this process says where to: the old number stays its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "shim/proc/family.h"
#include "shim/proc/sys.h"

/* Above what select(2) users and most programs reach, below 1024, which every limit allows. */
#define HIDE_BASE 900
#define HIDE_BELOW_LIMIT 64
#define HIDE_MOVED_MAX 64 /* a program that takes more of them gets -EMFILE from dup2 */

#define WORDS (FAMILY_FDS / 64)

static _Atomic uint64_t hidden[WORDS];
static _Atomic uint64_t private_fds[WORDS];
static _Atomic int hidden_end; /* no hidden one from here on */

static struct {
	int name, at;
} moved[HIDE_MOVED_MAX];
_Atomic uint32_t fd_hidden_moved;

static bool bit_test(const _Atomic uint64_t *map, int fd)
{
	return atomic_load_explicit(&map[fd / 64], memory_order_relaxed) >> (fd % 64) & 1;
}

static void bit_set(_Atomic uint64_t *map, int fd)
{
	atomic_fetch_or(&map[fd / 64], 1ull << (fd % 64));
}

static void bit_clear(_Atomic uint64_t *map, int fd)
{
	atomic_fetch_and(&map[fd / 64], ~(1ull << (fd % 64)));
}

bool fd_is_hidden(int fd)
{
	return fd >= 0 && fd < atomic_load_explicit(&hidden_end, memory_order_relaxed) &&
	       bit_test(hidden, fd);
}

static bool is_moved_name(int fd)
{
	for (uint32_t i = 0; i < fd_hidden_moved; i++)
		if (moved[i].name == fd)
			return true;
	return false;
}

static int hide_base(void)
{
	struct rlimit rl = {HIDE_BASE + HIDE_BELOW_LIMIT, 0};

	sys_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl);
	if (rl.rlim_cur >= HIDE_BASE + HIDE_BELOW_LIMIT)
		return HIDE_BASE;
	return rl.rlim_cur > HIDE_BELOW_LIMIT ? (int)rl.rlim_cur - HIDE_BELOW_LIMIT : 3;
}

/* A duplicate of fd at a number that no holder uses as a name. */
static int dup_high(int fd)
{
	int base = hide_base(), n;

	for (;;) {
		n = sys_fcntl(fd, F_DUPFD_CLOEXEC, (unsigned long)base);
		if (n < 0)
			return n == -EINVAL ? -EMFILE : n;
		if (n >= FAMILY_FDS) {
			sys_close(n);
			return -EMFILE;
		}
		if (!is_moved_name(n))
			return n;
		sys_close(n);
		base = n + 1;
	}
}

static void hidden_mark(int fd, bool private)
{
	int end = hidden_end;

	if (private)
		bit_set(private_fds, fd);
	bit_set(hidden, fd);
	while (end <= fd && !atomic_compare_exchange_weak(&hidden_end, &end, fd + 1))
		;
}

static void hidden_unmark(int fd)
{
	bit_clear(hidden, fd);
	bit_clear(private_fds, fd);
}

int fd_lift(int fd)
{
	int n = dup_high(fd);

	sys_close(fd);
	return n;
}

static int hide(int fd, bool private)
{
	int n = dup_high(fd);

	if (n >= 0)
		hidden_mark(n, private);
	sys_close(fd);
	return n;
}

int fd_hide(int fd)
{
	return hide(fd, false);
}

int fd_hide_private(int fd)
{
	return hide(fd, true);
}

int fd_hidden_at_slow(int fd)
{
	for (uint32_t i = 0; i < fd_hidden_moved; i++)
		if (moved[i].name == fd)
			return moved[i].at;
	return fd;
}

void fd_unhide_close(int fd)
{
	int at = fd_hidden_at(fd);

	/* The name of one that had moved is never given out again, so its entry may stay. */
	for (uint32_t i = 0; i < fd_hidden_moved; i++)
		if (moved[i].name == fd)
			moved[i].at = -1;
	hidden_unmark(at);
	sys_close(at);
}

int fd_hidden_yield(int fd)
{
	uint32_t i, n = fd_hidden_moved;
	bool private;
	int to;

	if (!fd_is_hidden(fd))
		return 0;
	for (i = 0; i < n && moved[i].at != fd; i++)
		;
	if (i == HIDE_MOVED_MAX)
		return -EMFILE;
	private = bit_test(private_fds, fd);
	to = dup_high(fd);
	if (to < 0)
		return to;
	if (to == fd) /* cannot be: fd is open */
		return -EBUSY;
	hidden_mark(to, private);
	if (i == n) {
		moved[i].name = fd;
		moved[i].at = to;
		atomic_store(&fd_hidden_moved, n + 1);
	} else {
		moved[i].at = to;
	}
	hidden_unmark(fd);
	sys_close(fd);
	family_fd_moved();
	return 0;
}

void fd_hidden_adopt(int fd)
{
	if ((unsigned)fd >= FAMILY_FDS)
		return;
	sys_fcntl(fd, F_SETFD, FD_CLOEXEC);
	hidden_mark(fd, false);
}

void fd_hidden_fork_child(void)
{
	int end = hidden_end;

	for (int w = 0; w * 64 < end; w++)
		while (private_fds[w]) {
			int fd = w * 64 + __builtin_ctzll(private_fds[w]);

			hidden_unmark(fd);
			sys_close(fd);
		}
}
