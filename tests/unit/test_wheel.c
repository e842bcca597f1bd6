/* SPDX-License-Identifier: BSD-2-Clause */
/* The timing wheel, by example and against a table of deadlines. */
#include "harness.h"

#define DAY (86400 * SEC)

static struct wheel w;

static void (*const arm[])(struct wheel *, struct timer *, uint64_t) = {wheel_arm, wheel_arm_fine};

START_TEST(fires_never_early_and_at_most_a_tick_late)
{
	const uint64_t tick_ns = _i ? WHEEL_TICK_NS : WHEEL_COARSE_NS;
	uint64_t seed = 11, i;
	struct timer t;

	for (i = 0; i < 2000; i++) {
		uint64_t now = rnd_below(&seed, 1000 * DAY);
		uint64_t at = now + rnd_below(&seed, 1ull << rnd_below(&seed, 50));

		wheel_init(&w, now);
		timer_init(&t, 3);
		arm[_i](&w, &t, at);
		must(timer_armed(&t));
		if (at > now)
			must(wheel_next_due(&w, at - 1) == NULL);
		must(wheel_next_due(&w, at + tick_ns) == &t);
		must(!timer_armed(&t));
		must(wheel_next_due(&w, at + tick_ns) == NULL);
		must(w.armed == 0);
	}
}
END_TEST

START_TEST(cancelled_does_not_fire)
{
	struct timer a, b;

	wheel_init(&w, 0);
	timer_init(&a, 0);
	timer_init(&b, 0);
	wheel_cancel(&w, &a);
	wheel_arm(&w, &a, 5 * MS);
	wheel_arm(&w, &b, 5 * MS);
	wheel_cancel(&w, &a);
	ck_assert_ptr_eq(wheel_next_due(&w, SEC), &b);
	ck_assert_ptr_null(wheel_next_due(&w, SEC));
	ck_assert_uint_eq(wheel_next_ns(&w), WHEEL_NEVER);
	ck_assert_uint_eq(w.next_ns, WHEEL_NEVER);
}
END_TEST

START_TEST(cancelled_while_due_does_not_fire)
{
	struct timer a, b;

	wheel_init(&w, 0);
	timer_init(&a, 0);
	timer_init(&b, 0);
	wheel_arm(&w, &a, 5 * MS);
	wheel_arm(&w, &b, 5 * MS);
	ck_assert_ptr_eq(wheel_next_due(&w, SEC), &a);
	wheel_cancel(&w, &b);
	ck_assert_ptr_null(wheel_next_due(&w, SEC));
	ck_assert_uint_eq(w.armed, 0);
}
END_TEST

START_TEST(rearming_for_the_past_in_a_handler_ends)
{
	struct timer t;
	unsigned n = 0;

	wheel_init(&w, 0);
	timer_init(&t, 0);
	wheel_arm(&w, &t, MS);
	while (wheel_next_due(&w, 10 * DAY) != NULL) {
		ck_assert_uint_lt(n++, 2);
		wheel_arm(&w, &t, 2 * MS);
	}
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(wheel_next_ns(&w), 10 * DAY + MS);
	ck_assert_ptr_eq(wheel_next_due(&w, 10 * DAY + MS), &t);
}
END_TEST

START_TEST(deadline_beyond_the_top_level_is_kept)
{
	struct timer far, near;
	uint64_t ticks = 1ull << 30, at = (3 * ticks + 5) * WHEEL_TICK_NS, next, steps = 0;

	wheel_init(&w, 0);
	timer_init(&far, 0);
	timer_init(&near, 0);
	wheel_arm_fine(&w, &far, at);
	wheel_arm_fine(&w, &near, ticks * WHEEL_TICK_NS);
	ck_assert_ptr_eq(wheel_next_due(&w, at - 1), &near);
	ck_assert_ptr_null(wheel_next_due(&w, at - 1));
	/* By the hints alone it is reached in a handful of steps. */
	wheel_init(&w, 0);
	timer_init(&far, 0);
	wheel_arm_fine(&w, &far, at);
	while ((next = wheel_next_ns(&w)) <= at) {
		ck_assert_uint_lt(steps++, 20);
		if (wheel_next_due(&w, next) != NULL)
			break;
	}
	ck_assert_uint_eq(next, at);
}
END_TEST

START_TEST(the_far_future_is_never)
{
	struct timer t;

	wheel_init(&w, 5 * SEC);
	timer_init(&t, 0);
	wheel_arm(&w, &t, UINT64_MAX);
	ck_assert_ptr_null(wheel_next_due(&w, 36500 * DAY));
	wheel_cancel(&w, &t);
	ck_assert_uint_eq(w.armed, 0);
}
END_TEST

/*
 * Arms, re-arms and cancels at random, moves time by random amounts (mostly small, sometimes days),
 * re-arms from the handler, and compares with a table of deadlines: what fires, and in what order.
 */
static void model(uint64_t seed, unsigned fine)
{
	const uint64_t unit = fine ? WHEEL_TICK_NS : WHEEL_COARSE_NS;
	enum { N = 200 };
	static struct timer t[N];
	static uint64_t due[N];
	uint64_t now = rnd_below(&seed, 100 * DAY), step;
	unsigned i;

	wheel_init(&w, now);
	for (i = 0; i < N; i++) {
		timer_init(&t[i], 0);
		due[i] = WHEEL_NEVER;
	}
	for (step = 0; step < 3000; step++) {
		uint64_t hint, first = WHEEL_NEVER, last = 0;
		struct timer *d;

		for (i = (unsigned)rnd_below(&seed, 8); i > 0; i--) {
			unsigned k = (unsigned)rnd_below(&seed, N);

			if (rnd_below(&seed, 4) == 0) {
				wheel_cancel(&w, &t[k]);
				due[k] = WHEEL_NEVER;
			} else {
				due[k] = now + 1 + rnd_below(&seed, 1ull << rnd_below(&seed, 52));
				arm[fine](&w, &t[k], due[k]);
			}
		}
		for (i = 0; i < N; i++)
			first = due[i] < first ? due[i] : first;
		hint = wheel_next_ns(&w);
		must(first == WHEEL_NEVER ? hint == WHEEL_NEVER : hint <= first + unit);
		must(first == WHEEL_NEVER || w.next_ns <= first + unit);
		now += rnd_below(&seed, 1ull << rnd_below(&seed, 51));
		while ((d = wheel_next_due(&w, now)) != NULL) {
			i = (unsigned)(d - t);
			must(due[i] <= now);
			must((due[i] + unit - 1) / unit >= last);
			last = (due[i] + unit - 1) / unit;
			due[i] = WHEEL_NEVER;
			if (rnd_below(&seed, 3) == 0) {
				due[i] = now + 2 * MS + rnd_below(&seed, SEC);
				arm[fine](&w, d, due[i]);
			}
			if (rnd_below(&seed, 5) == 0) {
				unsigned k = (unsigned)rnd_below(&seed, N);

				wheel_cancel(&w, &t[k]);
				due[k] = WHEEL_NEVER;
			}
		}
		for (i = 0; i < N; i++) {
			must(timer_armed(&t[i]) == (due[i] != WHEEL_NEVER));
			must(due[i] == WHEEL_NEVER || due[i] + unit > now);
		}
	}
	for (i = 0; i < N; i++)
		wheel_cancel(&w, &t[i]);
	must(w.armed == 0);
	for (i = 0; i < WHEEL_LEVELS; i++)
		must(w.occupied[i] == 0);
}

START_TEST(agrees_with_a_table_of_deadlines)
{
	model(0x77686565 + (uint64_t)_i / 2, (unsigned)_i % 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wheel");
	TCase *tc = tcase_create("wheel");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, fires_never_early_and_at_most_a_tick_late);
	tcase_add_test(tc, cancelled_does_not_fire);
	tcase_add_test(tc, cancelled_while_due_does_not_fire);
	tcase_add_test(tc, rearming_for_the_past_in_a_handler_ends);
	tcase_add_test(tc, deadline_beyond_the_top_level_is_kept);
	tcase_add_test(tc, the_far_future_is_never);
	tcase_add_loop_test(tc, agrees_with_a_table_of_deadlines, 0, 20);
	return run_suite(s);
}
