/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptor table: one pointer per descriptor number, in private memory that the kernel fills
 * page by page as it is touched. A process with a few thousand descriptors uses a few pages of it,
 * whatever RLIMIT_NOFILE says.
 *
 * It must never: take a lock in a lookup, allocate with malloc, or change a reference count.
 */
#include "fdtab.h"

#include <errno.h>
#include <sys/mman.h>

#include "shim/proc/sys.h"
#include "shim/run/run.h"

struct ofd *_Atomic *fdtab;

static _Atomic int fdtab_top; /* highest descriptor ever entered, plus one */

#define FDTAB_BYTES (FDTAB_FDS * sizeof(struct ofd *))

static int fdtab_make(void)
{
	struct ofd *_Atomic *expected = NULL;
	void *mem = sys_mmap(NULL, FDTAB_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sys_is_err(mem))
		return -ENOMEM;
	if (!__atomic_compare_exchange_n(&fdtab, &expected, mem, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		sys_munmap(mem, FDTAB_BYTES);
	if (family_self)
		family_self->fdtab = (uintptr_t)fdtab; /* where shimstat finds it */
	return 0;
}

int fdtab_lock_at(int fd, struct ofd *o, struct stackrec *sr)
{
	run_enter(sr);
	if (likely(fdtab_get(fd) == o && (o->sr == sr || o->parts) &&
		   atomic_load_explicit(&o->sk, memory_order_relaxed)))
		return 0;
	run_leave(sr, RUN_LATER);
	return -EBADF;
}

int fdtab_lock(int fd, struct ofd *o)
{
	struct stackrec *sr = o->sr;

	return unlikely(!sr) ? -EBADF : fdtab_lock_at(fd, o, sr);
}

int fdtab_set(int fd, struct ofd *o)
{
	int top;

	if ((unsigned)fd >= FDTAB_FDS)
		return -EMFILE;
	if (unlikely(!fdtab) && fdtab_make() < 0)
		return -EMFILE;
	atomic_store_explicit(&fdtab[fd], o, memory_order_release);
	top = atomic_load_explicit(&fdtab_top, memory_order_relaxed);
	while (fd >= top && !atomic_compare_exchange_weak(&fdtab_top, &top, fd + 1))
		;
	return 0;
}

struct ofd *fdtab_clear(int fd)
{
	if (!fdtab_get(fd))
		return NULL;
	return atomic_exchange_explicit(&fdtab[fd], NULL, memory_order_acq_rel);
}

int fdtab_end(void)
{
	return atomic_load_explicit(&fdtab_top, memory_order_relaxed);
}
