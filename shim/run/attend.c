/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who attends which stack. A thread that waits has a stack of its own: the one that the fewest
 * others have, the first of these. It runs and sleeps on that one, on those that nobody has for
 * his own, and on those of the sockets that it blocks on by name. So as many waiting threads as
 * there are stacks, of whichever processes, have one each; more share; fewer take the rest
 * along. When a thread or its process ends, the next wait of each of the others sees it, and of
 * those who share a stack one moves to the one that nobody has any more.
 *
 * A stack whose attendants are all busy elsewhere is the helper's, as with one stack.
 */
#include "shim/proc/thread.h"
#include "shim/run/run.h"

/* One that the fewest have, taken. Those who choose at the same moment don't choose alike: a count
 * that has grown since it was looked at is looked at again. */
static uint32_t choose(void)
{
	uint32_t best, n, fewest;

	do {
		best = 0;
		fewest = atomic_load(&family->stacks[0].attendants);
		for (uint32_t i = 1; i < family->nstacks; i++) {
			n = atomic_load(&family->stacks[i].attendants);
			if (n < fewest) {
				best = i;
				fewest = n;
			}
		}
	} while (!atomic_compare_exchange_strong(&family->stacks[best].attendants, &fewest,
						 fewest + 1));
	return best;
}

/* If the thread shares its stack, and there is one that nobody has, it changes. */
static void move(struct waiter *w, uint64_t gen)
{
	uint32_t was = w->own1 - 1u, i, none = 0;

	w->move_gen = gen;
	if (atomic_load(&family->stacks[was].attendants) < 2)
		return;
	for (i = 0; i < family->nstacks && atomic_load(&family->stacks[i].attendants); i++)
		;
	if (i == family->nstacks ||
	    !atomic_compare_exchange_strong(&family->stacks[i].attendants, &none, 1))
		return;
	/* Who is killed before the last of these leaves a count too many, never one too few. */
	w->own1 = (uint8_t)(i + 1);
	atomic_fetch_sub(&family->stacks[was].attendants, 1);
	atomic_fetch_add(&family->attend_gen, 1);
}

/* The thread's own stack, chosen at its first wait. */
struct stackrec *attend_own(void)
{
	struct waiter *w;
	uint64_t gen;

	if (likely(family->nstacks == 1))
		return &family->stacks[0];
	w = waiter_self();
	if (!w)
		return &family->stacks[0];
	gen = atomic_load(&family->attend_gen);
	if (likely(w->own1)) {
		if (unlikely(w->move_gen != gen))
			move(w, gen);
		return &family->stacks[w->own1 - 1];
	}
	w->move_gen = gen;
	w->own1 = (uint8_t)(choose() + 1);
	atomic_fetch_add(&family->attending, 1);
	atomic_fetch_add(&family->attend_gen, 1);
	return &family->stacks[w->own1 - 1];
}

void attend_end(struct waiter *w)
{
	if (!w->own1)
		return;
	atomic_fetch_sub(&family->stacks[w->own1 - 1].attendants, 1);
	w->own1 = 0;
	atomic_fetch_sub(&family->attending, 1);
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
