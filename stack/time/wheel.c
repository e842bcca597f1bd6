/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which timer is due next. Never fires one early; never steps tick by tick: the bitmaps
 * say where the next occupied slot is, so that an idle hour costs what an idle millisecond does.
 *
 * Ticks are numbers in base 64, one digit per level. A timer lies on the level of the highest digit
 * in which its deadline differs from the wheel's tick, in the slot of its deadline's digit there.
 * So all timers of a level come before all of the next, within a level the slots come in order and
 * lie ahead of tick, and the slot that holds a timer follows from tick and deadline alone. What
 * that rests on, and wheel_move() upholds: when tick enters a slot of a higher level, what it holds
 * is spread over the levels below. A deadline that differs from tick above the top level (4.6
 * hours) waits on the far list until tick carries into that digit.
 */
#include "wheel.h"

#include <stdatomic.h>

#define LEVEL_BITS 6
#define TOP_BITS (LEVEL_BITS * WHEEL_LEVELS)

_Static_assert(1 << LEVEL_BITS == WHEEL_SLOTS, "a level is one digit");

static unsigned digit_of(uint64_t tick, unsigned level)
{
	return (unsigned)(tick >> (level * LEVEL_BITS)) & (WHEEL_SLOTS - 1);
}

/* The level for a deadline not before tick; WHEEL_LEVELS: the far list. */
static unsigned level_of(uint64_t tick, uint64_t due)
{
	uint64_t diff = tick ^ due;

	if (diff >> TOP_BITS)
		return WHEEL_LEVELS;
	return diff == 0 ? 0 : (63 - (unsigned)__builtin_clzll(diff)) / LEVEL_BITS;
}

static void hint_store(struct wheel *w, uint64_t ns)
{
	atomic_store_explicit(&w->next_ns, ns, memory_order_relaxed);
}

void wheel_init(struct wheel *w, uint64_t now_ns)
{
	unsigned l, s;

	w->tick = now_ns / WHEEL_TICK_NS;
	w->until = w->tick;
	w->armed = 0;
	for (l = 0; l < WHEEL_LEVELS; l++) {
		w->occupied[l] = 0;
		for (s = 0; s < WHEEL_SLOTS; s++)
			list_init(&w->slot[l][s]);
	}
	list_init(&w->far);
	list_init(&w->due);
	list_init(&w->spread);
	hint_store(w, WHEEL_NEVER);
}

void timer_init(struct timer *t, uint8_t kind)
{
	list_init(&t->node);
	t->due_tick = WHEEL_NEVER;
	t->kind = kind;
}

/* Puts an armed timer, on no list, where its deadline belongs. */
static void wheel_place(struct wheel *w, struct timer *t)
{
	unsigned level = level_of(w->tick, t->due_tick), s;

	if (level == WHEEL_LEVELS) {
		list_push_back(&w->far, &t->node);
		return;
	}
	s = digit_of(t->due_tick, level);
	list_push_back(&w->slot[level][s], &t->node);
	w->occupied[level] |= 1ull << s;
}

/* In units of unit_ns, rounded up; three centuries from now is never, without overflowing. */
static uint64_t units_up(uint64_t at_ns, uint64_t unit_ns)
{
	if (at_ns > INT64_MAX)
		at_ns = INT64_MAX;
	return at_ns / unit_ns + (at_ns % unit_ns != 0);
}

static void arm_at(struct wheel *w, struct timer *t, uint64_t due)
{
	wheel_cancel(w, t);
	if (due < w->until)
		due = w->until;
	t->due_tick = due;
	w->armed++;
	wheel_place(w, t);
	if (due * WHEEL_TICK_NS < atomic_load_explicit(&w->next_ns, memory_order_relaxed))
		hint_store(w, due * WHEEL_TICK_NS);
}

void wheel_arm(struct wheel *w, struct timer *t, uint64_t at_ns)
{
	uint64_t soonest_ns = w->until * WHEEL_TICK_NS;

	if (at_ns < soonest_ns)
		at_ns = soonest_ns;
	arm_at(w, t, units_up(at_ns, WHEEL_COARSE_NS) * (WHEEL_COARSE_NS / WHEEL_TICK_NS));
}

void wheel_arm_fine(struct wheel *w, struct timer *t, uint64_t at_ns)
{
	arm_at(w, t, units_up(at_ns, WHEEL_TICK_NS));
}

void wheel_cancel(struct wheel *w, struct timer *t)
{
	if (!timer_armed(t))
		return;
	list_del(&t->node);
	/* One before tick is on the due list, which has no bit. */
	if (t->due_tick >= w->tick) {
		unsigned level = level_of(w->tick, t->due_tick);

		if (level < WHEEL_LEVELS) {
			unsigned s = digit_of(t->due_tick, level);

			if (list_empty(&w->slot[level][s]))
				w->occupied[level] &= ~(1ull << s);
		}
	}
	t->due_tick = WHEEL_NEVER;
	w->armed--;
}

/* Places what a list holds anew. The list in between is the wheel's own and not a local one: were
 * its process killed here, the others must not be left with pointers into its call stack. */
static void wheel_spread(struct wheel *w, struct list *from)
{
	if (list_empty(from))
		return;
	w->spread = *from;
	w->spread.next->prev = w->spread.prev->next = &w->spread;
	list_init(from);
	while (!list_empty(&w->spread)) {
		struct timer *t = list_first(&w->spread, struct timer, node);

		list_del(&t->node);
		wheel_place(w, t);
	}
}

/* Moves tick forward to a tick before which nothing is left, opening the slots that it enters. */
static void wheel_move(struct wheel *w, uint64_t to)
{
	bool wrapped = (w->tick ^ to) >> TOP_BITS;
	unsigned l;

	w->tick = to;
	if (wrapped)
		wheel_spread(w, &w->far);
	for (l = WHEEL_LEVELS - 1; l >= 1; l--) {
		unsigned s = digit_of(to, l);

		if (w->occupied[l] & 1ull << s) {
			w->occupied[l] &= ~(1ull << s);
			wheel_spread(w, &w->slot[l][s]);
		}
	}
}

/* The first tick at which a slot is to be handed out or opened; WHEEL_NEVER: the wheel is empty. */
static uint64_t wheel_event(const struct wheel *w)
{
	unsigned l;

	for (l = 0; l < WHEEL_LEVELS; l++) {
		if (w->occupied[l]) {
			unsigned shift = l * LEVEL_BITS;
			uint64_t above = w->tick >> (shift + LEVEL_BITS) << LEVEL_BITS;

			return (above | (unsigned)__builtin_ctzll(w->occupied[l])) << shift;
		}
	}
	if (!list_empty(&w->far))
		return ((w->tick >> TOP_BITS) + 1) << TOP_BITS;
	return WHEEL_NEVER;
}

/* Moves the timers of the current tick to the due list, and tick past it. */
static void wheel_reap(struct wheel *w)
{
	struct list *slot = &w->slot[0][digit_of(w->tick, 0)];

	w->occupied[0] &= ~(1ull << digit_of(w->tick, 0));
	while (!list_empty(slot)) {
		struct list *n = slot->next;

		list_del(n);
		list_push_back(&w->due, n);
	}
	wheel_move(w, w->tick + 1);
}

struct timer *wheel_next_due(struct wheel *w, uint64_t now_ns)
{
	uint64_t now_tick = now_ns / WHEEL_TICK_NS;

	if (now_tick >= w->until)
		w->until = now_tick + 1;
	while (list_empty(&w->due) && w->tick <= now_tick) {
		uint64_t event = wheel_event(w);

		if (event > now_tick) {
			wheel_move(w, now_tick + 1);
			break;
		}
		if (event > w->tick)
			wheel_move(w, event);
		if (w->occupied[0] & 1ull << digit_of(w->tick, 0))
			wheel_reap(w);
	}
	if (!list_empty(&w->due)) {
		struct timer *t = list_first(&w->due, struct timer, node);

		list_del(&t->node);
		t->due_tick = WHEEL_NEVER;
		w->armed--;
		return t;
	}
	hint_store(w, wheel_next_ns(w));
	return NULL;
}

uint64_t wheel_next_ns(const struct wheel *w)
{
	uint64_t event;

	if (!list_empty(&w->due))
		return (w->tick - 1) * WHEEL_TICK_NS;
	event = wheel_event(w);
	return event >= WHEEL_NEVER / WHEEL_TICK_NS ? WHEEL_NEVER : event * WHEEL_TICK_NS;
}
