/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a fork does to the family: the child's references are counted before it runs, so that no
 * close in either process can drop the last one early; the child then finds its own slot and makes
 * its row say what its table says.
 *
 * No lock is held across the fork: handlers of pthread_atfork(3) run in between and may call
 * anything. Another thread of the parent may therefore open or close in between, and the child's
 * copy of the table be one step ahead of the row that was counted for it: it compares the two and
 * mends the row. Threads do not survive; what they held in shared memory is still the parent's.
 */
#include <sys/mman.h>

#include "shim/fd/fdtab.h"
#include "shim/fd/pass.h"
#include "shim/proc/family.h"
#include "shim/proc/log.h"
#include "shim/proc/sys.h"
#include "shim/run/run.h"

/* The thread that forks is the one that the child is a copy of. */
static __thread struct proc *fork_slot __attribute__((tls_model("initial-exec")));

void family_fork_prepare(void)
{
	struct proc *p;
	uint32_t end;

	fork_slot = NULL;
	if (!family || !family_self || thread_self.in_vfork)
		return;
	p = family_slot_take(PROC_FORKING);
	if (!p) {
		log_warn(
			"more than %u processes share the stack: a new one has kernel sockets only",
			FAMILY_PROCS);
		return;
	}
	p->fdtab = family_self->fdtab; /* copied to the same address */
	end = family->ofds_used;
	for (uint32_t i = 0; i < end; i++) {
		uint16_t n = __atomic_load_n(&family_self->ofd_refs[i], __ATOMIC_RELAXED);

		/* Unless another thread has closed the last one since we looked. */
		if (n && ofd_refs_add(&family->ofds[i], n))
			p->ofd_refs[i] = n;
	}
	fork_slot = p;
}

void family_fork_parent(pid_t child)
{
	struct proc *p = fork_slot;
	pid_t none = 0;

	fork_slot = NULL;
	if (!p || child >= 0) {
		/* Unless it has said so itself, by a number that may be of its own namespace. */
		if (p && child > 0)
			atomic_compare_exchange_strong(&p->pid, &none, child);
		return;
	}
	p->reaper = (uint32_t)(family_self - family->procs);
	p->state = PROC_LEAVING;
	family_slot_drop(p);
}

/* The parent's other thread has closed what it opened while the child was made: it is the
 * kernel's. */
static void table_forget(const struct ofd *o)
{
	for (int fd = 0, n = fdtab_end(); fd < n; fd++)
		if (fdtab_get(fd) == o)
			fdtab_clear(fd);
}

/* Makes the row agree with the table: seen[i] is how often the table names description i. */
static void row_mend(struct proc *p, const uint16_t *seen, uint32_t end)
{
	for (uint32_t i = 0; i < end; i++) {
		uint16_t had = p->ofd_refs[i];

		if (likely(had == seen[i]))
			continue;
		if (seen[i] < had) {
			ofd_unref_dead(&family->ofds[i], had - seen[i], p->ofd_refs);
			continue;
		}
		if (ofd_refs_add(&family->ofds[i], seen[i] - had))
			p->ofd_refs[i] = seen[i];
		else
			table_forget(&family->ofds[i]);
	}
}

static void row_check(struct proc *p)
{
	uint32_t end = family->ofds_used;
	uint16_t *seen;
	struct ofd *o;

	if (!end)
		return;
	seen = sys_mmap(NULL, end * sizeof(*seen), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_is_err(seen))
		return; /* what prepare counted is right unless another thread was at it */
	for (int fd = 0, n = fdtab_end(); fd < n; fd++) {
		o = fdtab_get(fd);
		if (o && o->idx < end)
			seen[o->idx]++;
	}
	row_mend(p, seen, end);
	sys_munmap(seen, end * sizeof(*seen));
}

void family_row_check(void)
{
	row_check(family_self);
}

void family_fork_child(void)
{
	struct proc *p = fork_slot;

	fork_slot = NULL;
	if (thread_self.in_vfork)
		return;
	family_join_fork_child();
	if (!family)
		return;
	fd_hidden_fork_child();
	run_fork_child();
	pass_fork_child();
	if (!p) { /* counted nowhere, it must touch nothing: every descriptor is the kernel's */
		fdtab = NULL;
		family_disown();
		return;
	}
	family_slot_own(p);
	row_check(p);
}
