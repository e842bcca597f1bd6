/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who attends which stack. A thread that waits has a stack of its own: the one that the fewest
 * others have, the first of these. It runs and sleeps on that one, on those that nobody has for
 * his own, and on those of the sockets that it blocks on by name. So as many waiting threads as
 * there are stacks, of whichever processes, have one each; more share; fewer take the rest
 * along. When a thread or its process ends, the next wait of each of the others sees it.
 *
 * A stack whose attendants are all busy elsewhere is the helper's, as with one stack.
 */
#include "shim/proc/thread.h"
#include "shim/run/run.h"

/* The thread's own stack, chosen at its first wait. */
struct stackrec *attend_own(void)
{
	struct waiter *w;
	uint32_t best = 0;

	if (likely(family->nstacks == 1))
		return &family->stacks[0];
	w = waiter_self();
	if (!w)
		return &family->stacks[0];
	if (w->own1)
		return &family->stacks[w->own1 - 1];
	for (uint32_t i = 1; i < family->nstacks; i++)
		if (atomic_load(&family->stacks[i].attendants) <
		    atomic_load(&family->stacks[best].attendants))
			best = i;
	atomic_fetch_add(&family->stacks[best].attendants, 1);
	w->own1 = (uint8_t)(best + 1);
	atomic_fetch_add(&family->attend_gen, 1);
	return &family->stacks[best];
}

void attend_end(struct waiter *w)
{
	if (!w->own1)
		return;
	atomic_fetch_sub(&family->stacks[w->own1 - 1].attendants, 1);
	w->own1 = 0;
	atomic_fetch_add(&family->attend_gen, 1);
}

uint32_t attend_mask(const struct stackrec *sr)
{
	struct waiter *w = thread_self.waiter;
	uint64_t gen;

	if (likely(family->nstacks == 1))
		return 1;
	if (!w || !w->own1)
		return 1u << sr->idx;
	gen = atomic_load(&family->attend_gen);
	if (w->attend_gen != gen || !w->attends) {
		w->attend_gen = gen;
		w->attends = 1u << (w->own1 - 1);
		for (uint32_t i = 0; i < family->nstacks; i++)
			if (!atomic_load(&family->stacks[i].attendants))
				w->attends |= 1u << i;
	}
	/* It stays: a thread that blocks on this and that in turn keeps its gate. */
	w->attends |= 1u << sr->idx;
	return w->attends;
}

int attend_turn(struct stackrec *sr)
{
	uint32_t mask = attend_mask(sr);
	int n = 0;

	for (uint32_t i = 0; mask; i++, mask >>= 1)
		if (mask & 1)
			n += run_turn(&family->stacks[i]);
	return n;
}
