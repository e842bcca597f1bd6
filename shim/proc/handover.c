/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing and finding the handover (handover.h says what it is). It must cost next to nothing where
 * there is none: every program of a preloaded shell comes by here. So it is a memfd: of all that a
 * program has open nearly nothing else knows seals, and one call per descriptor tells. Its content
 * is believed because only who can already write to our memory, or exec us, can have made it; what
 * an exec by other ways leaves behind is recognised by the slot that it names (family_attach()).
 */
#include "shim/proc/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "shim/proc/family.h"
#include "shim/proc/sys.h"

#define HANDOVER_NAME "libshim-exec"
#define HANDOVER_MAGIC "libshim-exec-1"
#define DENTS_BYTES 2048
#define BLIND_FDS 1100 /* without /proc: where fd_hide() puts ours, and a little more */

struct dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

static uint64_t handover_bytes(uint32_t nfds)
{
	return sizeof(struct handover) + (uint64_t)nfds * sizeof(struct handover_fd);
}

struct handover *handover_new(uint32_t nfds)
{
	struct handover *h = sys_mmap(NULL, handover_bytes(nfds), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sys_is_err(h))
		return NULL;
	memcpy(h->magic, HANDOVER_MAGIC, sizeof(HANDOVER_MAGIC));
	return h;
}

void handover_free(struct handover *h, uint32_t nfds)
{
	if (h)
		sys_munmap(h, handover_bytes(nfds));
}

int handover_write(const struct handover *h, bool hidden)
{
	uint64_t bytes = handover_bytes(h->nfds), done = 0;
	struct rlimit rl;
	int fd;

	/* A write beyond it would be a SIGXFSZ. */
	if (sys_call(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &rl) == 0 && rl.rlim_cur < bytes)
		return -EFBIG;
	fd = sys_memfd_create(HANDOVER_NAME, MFD_CLOEXEC);
	while (fd >= 0 && done < bytes) {
		ssize_t n = sys_write(fd, (const char *)h + done, bytes - done);

		if (n <= 0) {
			sys_close(fd);
			return n < 0 ? (int)n : -ENOSPC;
		}
		done += (uint64_t)n;
	}
	return fd < 0 ? fd : hidden ? fd_hide(fd) : fd_lift(fd);
}

/* The handover if fd is one, else NULL. */
static struct handover *handover_get(int fd, uint32_t *nfds)
{
	char magic[16];
	struct handover *h;
	struct stat st;
	uint64_t bytes;

	if (sys_fcntl(fd, F_GET_SEALS, 0) < 0 ||
	    sys_pread64(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
	    memcmp(magic, HANDOVER_MAGIC, sizeof(HANDOVER_MAGIC)) != 0 || sys_fstat(fd, &st) < 0)
		return NULL;
	bytes = (uint64_t)st.st_size;
	if (bytes < sizeof(*h) || bytes > handover_bytes(FAMILY_FDS))
		return NULL;
	*nfds = (uint32_t)((bytes - sizeof(*h)) / sizeof(struct handover_fd));
	h = handover_new(*nfds);
	if (!h)
		return NULL;
	for (uint64_t done = 0; done < bytes;) {
		ssize_t n = sys_pread64(fd, (char *)h + done, bytes - done, (off_t)done);

		if (n <= 0) {
			handover_free(h, *nfds);
			return NULL;
		}
		done += (uint64_t)n;
	}
	if (h->nfds > *nfds || h->ndevs > HANDOVER_DEVS) {
		handover_free(h, *nfds);
		return NULL;
	}
	return h;
}

static int fd_number(const char *name)
{
	int n = 0;

	for (; *name >= '0' && *name <= '9' && n < FAMILY_FDS; name++)
		n = n * 10 + (*name - '0');
	return *name ? -1 : n;
}

/* Takes the last one that there is: an older one was left to somebody who has not read it. */
static void handover_try(int fd, struct handover **found, uint32_t *nfds)
{
	uint32_t n;
	struct handover *h = fd > 2 ? handover_get(fd, &n) : NULL;

	if (!h)
		return;
	handover_free(*found, *nfds);
	*found = h;
	*nfds = n;
	sys_close(fd);
}

struct handover *handover_read(uint32_t *nfds)
{
	char buf[DENTS_BYTES] __attribute__((aligned(8)));
	struct handover *found = NULL;
	long n;
	int dir;

	*nfds = 0;
	dir = sys_openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir < 0) {
		for (int fd = 3; fd < BLIND_FDS; fd++)
			handover_try(fd, &found, nfds);
		return found;
	}
	while ((n = sys_call(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(buf + at);
			int fd = d->name[0] == '.' ? -1 : fd_number(d->name);

			if (fd != dir)
				handover_try(fd, &found, nfds);
			at += d->len;
		}
	}
	sys_close(dir);
	return found;
}
