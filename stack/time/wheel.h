/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hierarchical timing wheel with a resolution of WHEEL_TICK_NS; O(1) to arm, re-arm and cancel.
 * A timer never fires early, and at most one tick late if armed by wheel_arm_fine(),
 * WHEEL_COARSE_NS if by wheel_arm() (plus the caller's own delay in asking): timers that need no
 * better come due together, and wake a process once.
 * The wheel holds no function pointers: a due timer is handed to the caller, who knows its kind.
 */
#ifndef STACK_TIME_WHEEL_H
#define STACK_TIME_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../list.h"

#define WHEEL_COARSE_NS 1000000ull           /* RTO, delayed ACK, keepalive: no finer */
#define WHEEL_TICK_NS (WHEEL_COARSE_NS / 64) /* 15.6 us: pacing, RACK's reordering window */
#define WHEEL_LEVELS 5
#define WHEEL_SLOTS 64
#define WHEEL_NEVER UINT64_MAX

struct timer {
	struct list node;
	uint64_t due_tick; /* WHEEL_NEVER when not armed */
	uint8_t kind;      /* the owner's: what to do */
};

/*
 * tick is the next tick to be handed out. A timer lies on the level of the highest base-64 digit in
 * which its deadline differs from tick; beyond the top level it lies in far.
 */
struct wheel {
	uint64_t tick;  /* everything before it has been moved to due */
	uint64_t until; /* before it, time has been handed out or is being */
	_Atomic uint64_t
		next_ns; /* no later than the earliest timer: stack_next_ns()'s, lock-free */
	uint32_t armed;  /* timers in the wheel, due included */
	uint64_t occupied[WHEEL_LEVELS]; /* bit per slot */
	struct list slot[WHEEL_LEVELS][WHEEL_SLOTS];
	struct list far;    /* beyond the top level: looked at when that has gone round */
	struct list due;    /* reached, and not yet given out */
	struct list spread; /* being moved to lower levels */
};

void wheel_init(struct wheel *w, uint64_t now_ns);
void timer_init(struct timer *t, uint8_t kind);
static inline bool timer_armed(const struct timer *t)
{
	return t->due_tick != WHEEL_NEVER;
}
/*
 * Arms or re-arms for the absolute time at_ns. A time already past is due with the next tick that
 * has not been handed out, so that a handler that arms for the past cannot keep its caller looping.
 */
void wheel_arm(struct wheel *w, struct timer *t, uint64_t at_ns);
void wheel_arm_fine(struct wheel *w, struct timer *t, uint64_t at_ns);
/* Harmless on a timer that is not armed. */
void wheel_cancel(struct wheel *w, struct timer *t);
/* The next timer due at now_ns, disarmed, or NULL. In the order of deadlines. Call until NULL. */
struct timer *wheel_next_due(struct wheel *w, uint64_t now_ns);
/* A time in ns no later than the earliest timer's (it may be earlier), or WHEEL_NEVER.
 * O(levels). */
uint64_t wheel_next_ns(const struct wheel *w);

#endif
