/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Open file descriptions: made, counted, ended.
 *
 * A description is counted twice: in ofd.refs over all processes, and per process in its row
 * procs[].ofd_refs, so that the references of a process that was killed can be found and dropped.
 * refs goes up before the row does and down after it: a process that dies between the two leaves a
 * description that lives too long, never one that ends under somebody's feet. Holds of sleeping
 * operations have a row of their own (procs[].ofd_holds), which fork does not copy.
 *
 * The count falls to zero only under the stack's lock. A thread that has found the description in
 * its table under that lock (fdtab_lock) therefore may take a hold, and whoever drops the last
 * reference sees it or has already taken the descriptor out of the table.
 */
#include "ofd.h"

#include "epoll.h"
#include "pass.h"
#include "shim/proc/log.h"
#include "sock_int.h"

static void family_lock(void)
{
	if (lock_acquire(&family->lock))
		ofd_free_rebuild();
}

void ofd_free_rebuild(void)
{
	uint32_t used = atomic_load_explicit(&family->ofds_used, memory_order_relaxed);

	family->ofd_free = 0;
	for (uint32_t i = used; i-- > 0;) {
		struct ofd *o = &family->ofds[i];

		if (o->kind != OFD_FREE || atomic_load(&o->refs))
			continue;
		o->next_free = family->ofd_free;
		family->ofd_free = i + 1;
	}
}

static void row_add(uint16_t *row, uint32_t idx, int n)
{
	if (row)
		__atomic_fetch_add(&row[idx], n, __ATOMIC_RELAXED);
}

struct ofd *ofd_new(enum ofd_kind kind)
{
	struct ofd *o = NULL;
	uint32_t used;

	if (family_join() < 0)
		return NULL;
	family_lock();
	if (family->ofd_free) {
		o = &family->ofds[family->ofd_free - 1];
		family->ofd_free = o->next_free;
	} else {
		used = atomic_load_explicit(&family->ofds_used, memory_order_relaxed);
		if (used < FAMILY_OFDS) {
			o = &family->ofds[used];
			atomic_store_explicit(&family->ofds_used, used + 1, memory_order_release);
		}
	}
	if (o) {
		uint32_t idx = o - family->ofds;

		memset(o, 0, sizeof(*o));
		o->idx = idx;
		o->async_fd = -1;
		list_init(&o->watches);
		list_init(&o->peers);
		o->kind = kind;
		atomic_store_explicit(&o->refs, 1, memory_order_relaxed);
		row_add(family_self->ofd_refs, idx, 1);
	}
	lock_release(&family->lock);
	return o;
}

static void ofd_free(struct ofd *o)
{
	family_lock();
	if (unlikely(o->names))
		pass_forget(o);
	o->kind = OFD_FREE;
	o->next_free = family->ofd_free;
	family->ofd_free = o->idx + 1;
	lock_release(&family->lock);
}

/* The last reference is gone and nobody can find it any more: what it stood for ends. */
static void ofd_end(struct ofd *o)
{
	struct stackrec *sr = o->sr;

	if (o->kind == OFD_EPOLL)
		epoll_set_free(o);
	else if (sr || !list_empty(&o->watches)) {
		/* Sets remember a socket that the kernel serves, too. */
		sock_enter(o);
		epoll_forget(o);
		if (sr)
			sock_release(o);
		sock_leave(o, RUN_LATER);
	}
	ofd_free(o);
}

struct stackrec *ofd_guard_enter(const struct ofd *o)
{
	for (;;) {
		struct stackrec *sr = ofd_guard(o);

		run_enter(sr);
		if (likely(ofd_guard(o) == sr))
			return sr;
		run_leave(sr, RUN_LATER);
	}
}

/*
 * Takes n off the sum, and off the process's row just before: who is killed in between leaks the
 * description, and these few instructions are all that there may be in between.
 * True when they were the last: the caller ends it.
 */
static bool refs_sub(struct ofd *o, uint32_t n, uint16_t *row)
{
	uint32_t refs = atomic_load_explicit(&o->refs, memory_order_relaxed);
	struct stackrec *sr;
	bool last;

	if (refs > n) {
		row_add(row, o->idx, -(int)n);
		row = NULL;
	}
	while (refs > n) {
		if (atomic_compare_exchange_weak(&o->refs, &refs, refs - n))
			return false;
	}
	/* Perhaps the last: decided under the lock, see above. */
	sr = o->sr;
	if (!sr) {
		row_add(row, o->idx, -(int)n);
		return atomic_fetch_sub(&o->refs, n) == n;
	}
	run_enter(sr);
	o->ender = (uint16_t)(family_self - family->procs + 1);
	row_add(row, o->idx, -(int)n);
	last = atomic_fetch_sub(&o->refs, n) == n;
	run_leave(sr, RUN_LATER);
	return last;
}

void ofd_ref(struct ofd *o)
{
	atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
	row_add(family_self->ofd_refs, o->idx, 1);
}

void ofd_adopt(struct ofd *o)
{
	row_add(family_self->ofd_refs, o->idx, 1);
}

bool ofd_unref(struct ofd *o)
{
	bool last = refs_sub(o, 1, family_self->ofd_refs);

	if (last)
		ofd_end(o);
	return last;
}

void ofd_unref_dead(struct ofd *o, uint32_t n, uint16_t *row)
{
	if (n && refs_sub(o, n, row))
		ofd_end(o);
}

void ofd_end_for(const struct proc *p)
{
	uint16_t slot = (uint16_t)(p - family->procs + 1);
	uint32_t end = atomic_load_explicit(&family->ofds_used, memory_order_acquire);

	for (uint32_t i = 0; i < end; i++) {
		struct ofd *o = &family->ofds[i];

		if (o->kind == OFD_FREE || o->ender != slot || atomic_load(&o->refs))
			continue;
		o->ender = (uint16_t)(family_self - family->procs + 1);
		ofd_end(o);
	}
}

uint32_t ofd_refs_here(const struct ofd *o)
{
	const uint16_t *row = family_self->ofd_refs;

	return row ? __atomic_load_n(&row[o->idx], __ATOMIC_RELAXED) : 0;
}

/* This process's row of holds; made on first use and kept with the slot. NULL: no memory. */
static uint16_t *holds_row(void)
{
	uint16_t *row = __atomic_load_n(&family_self->ofd_holds, __ATOMIC_ACQUIRE),
		 *expected = NULL;

	if (row)
		return row;
	row = arena_carve(&family->arena, FAMILY_OFDS * sizeof(*row), 4096);
	if (row && !__atomic_compare_exchange_n(&family_self->ofd_holds, &expected, row, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		row = expected;
	return row;
}

void ofd_hold(struct ofd *o)
{
	atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
	row_add(holds_row(), o->idx, 1);
}

bool ofd_refs_add(struct ofd *o, uint32_t n)
{
	uint32_t refs = atomic_load_explicit(&o->refs, memory_order_relaxed);

	do {
		if (!refs)
			return false;
	} while (!atomic_compare_exchange_weak(&o->refs, &refs, refs + n));
	return true;
}

bool ofd_hold_live(struct ofd *o)
{
	if (!ofd_refs_add(o, 1))
		return false;
	row_add(holds_row(), o->idx, 1);
	return true;
}

void ofd_drop(struct ofd *o)
{
	if (refs_sub(o, 1, holds_row()))
		ofd_end(o);
}

uint32_t ofd_ready(const struct ofd *o)
{
	const struct sock *sk = atomic_load_explicit(&o->sk, memory_order_acquire);
	uint32_t ready = 0, door;

	if (likely(sk))
		ready = atomic_load_explicit(&sk->ready, memory_order_acquire);
	if (unlikely(o->parts) && sk && sk->type == STK_LISTENER)
		for (uint32_t i = 1; i < family->nstacks; i++)
			if ((sk = ofd_part(o, i)))
				ready |= atomic_load_explicit(&sk->ready, memory_order_acquire);
	if (unlikely(o->two_doors) && !o->stopped) { /* the kernel's end of it is ours, too */
		door = atomic_load_explicit(&o->door_ready, memory_order_acquire);
		if (unlikely(door & DOOR_FULL))
			ready &= ~(uint32_t)RDY_OUT;
		ready |= door & ~DOOR_FULL; /* DOOR_ERR is what readers wait for */
	}
	return ready;
}

void ofd_set_verdict(struct ofd *o, int fd, enum verdict v)
{
	if (o->verdict == v)
		return;
	o->verdict = v;
	log_info("fd %d: %s: %s", fd, verdict_info[v].name, verdict_info[v].text);
}
