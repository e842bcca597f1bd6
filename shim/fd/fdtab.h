/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptor table: which description each of this process's descriptors names, or NULL for
 * what is none of our business. Ordinary private memory, reserved once and filled lazily (its size
 * does not depend on RLIMIT_NOFILE), so that fork copies it exactly as the kernel copies its own.
 * Lookups take no lock. Descriptors from FDTAB_FDS on are never tracked.
 */
#ifndef SHIM_FD_FDTAB_H
#define SHIM_FD_FDTAB_H

#include <stdatomic.h>

#include "ofd.h"
#include "shim/proc/thread.h"
#include "stack/assert.h"

#define FDTAB_FDS FAMILY_FDS

extern struct ofd *_Atomic *fdtab; /* NULL until something is tracked */

/* The description, or NULL: pass the call through. */
static inline struct ofd *fdtab_get(int fd)
{
	struct ofd *_Atomic *tab = fdtab;

	if (likely(!tab) || unlikely((unsigned)fd >= FDTAB_FDS))
		return NULL;
	return atomic_load_explicit(&tab[fd], memory_order_acquire);
}

/* The description if it is an accelerated socket, else NULL. */
static inline struct ofd *fdtab_stack(int fd)
{
	struct ofd *o = fdtab_get(fd);

	if (likely(!o) || !atomic_load_explicit(&o->sk, memory_order_acquire))
		return NULL;
	return thread_is_internal() ? NULL : o;
}

/* The description if fd is tracked at all and the call is the application's, else NULL. */
static inline struct ofd *fdtab_tracked(int fd)
{
	struct ofd *o = fdtab_get(fd);

	return likely(!o) ? NULL : thread_is_internal() ? NULL : o;
}

/*
 * Takes o's stack lock and makes sure that fd still names o and is accelerated. 0, or -EBADF
 * (closed meanwhile: nothing is locked). Undo with run_leave() (shim/run/run.h).
 */
int fdtab_lock(int fd, struct ofd *o);
/* The same with the lock of stack sr, for a listener that is on several. */
int fdtab_lock_at(int fd, struct ofd *o, struct stackrec *sr);

/* Enters a new descriptor. The table takes over one reference of this process. -EMFILE beyond. */
int fdtab_set(int fd, struct ofd *o);
/* Forgets fd: its description, whose reference passes to the caller; NULL when there was none. */
struct ofd *fdtab_clear(int fd);
/* The highest descriptor that may be tracked, plus one (a hint for loops over all). */
int fdtab_end(void);

#endif
