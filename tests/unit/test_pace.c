/* SPDX-License-Identifier: BSD-2-Clause */
/* Pacing, delivery rate samples and the validation of cwnd, each module on its own. */
#include <check.h>
#include <stdlib.h>

#include "recovery_env.h"
#include "stack/tcp/cwv.h"
#include "stack/tcp/pace.h"
#include "stack/tcp/rate.h"

#define MSS 1460u
#define US 1000ull
#define MS 1000000ull
#define SEC 1000000000ull

/* ---- pacing --------------------------------------------------------------------------------- */

static struct pace p;

static void begin(uint64_t rate)
{
	pace_init(&p);
	p.on = true;
	p.rate = rate;
}

START_TEST(without_a_rate_everything_goes)
{
	begin(PACE_UNLIMITED);
	for (int i = 0; i < 100; i++) {
		ck_assert(pace_may_send(&p, SEC));
		pace_sent(&p, 65536, 1000, SEC);
	}
	begin(1000);
	p.on = false;
	pace_sent(&p, 65536, 1000, SEC);
	ck_assert(pace_may_send(&p, SEC));
}
END_TEST

START_TEST(the_first_ten_segments_are_not_paced)
{
	begin(1000);
	for (uint32_t i = 1; i < 10; i++) {
		pace_sent(&p, MSS, i, SEC);
		ck_assert(pace_may_send(&p, SEC));
	}
	pace_sent(&p, MSS, 10, SEC);
	ck_assert(!pace_may_send(&p, SEC));
}
END_TEST

/* Sends for a second of virtual time, woken late by late_ns: what went. */
static uint64_t second_of(uint64_t rate, uint32_t piece, uint64_t late_ns)
{
	uint64_t now = SEC, sent = 0;

	begin(rate);
	p.next_ns = now;
	while (now < 2 * SEC) {
		while (pace_may_send(&p, now)) {
			sent += piece;
			pace_sent(&p, piece, 1000, now);
		}
		p.waits = true;
		now = p.next_ns + late_ns;
	}
	return sent;
}

START_TEST(the_rate_is_kept_though_the_turns_come_late)
{
	static const uint64_t rate[] = {100000, 1250000, 125000000, 1250000000, 12500000000ull};
	static const uint64_t late[] = {0, 15 * US, 300 * US, 900 * US};

	for (unsigned i = 0; i < 5; i++) {
		uint32_t piece = pace_piece(&(struct pace){.rate = rate[i]}, MSS, 65535, 0);

		for (unsigned k = 0; k < 4; k++) {
			uint64_t got = second_of(rate[i], piece, late[k]);

			ck_assert_msg(got >= rate[i] - rate[i] / 100 - piece &&
					      got <= rate[i] + rate[i] / 100 + 2 * piece,
				      "rate %llu late %llu: %llu", (unsigned long long)rate[i],
				      (unsigned long long)late[k], (unsigned long long)got);
		}
	}
}
END_TEST

START_TEST(on_a_long_path_later_turns_are_made_up_for)
{
	uint32_t n = 0;

	begin(1000 * MSS); /* a segment in a millisecond */
	pace_path(&p, 40 * 1000 * US);
	pace_sent(&p, MSS, 1000, SEC);
	p.waits = true;
	while (pace_may_send(&p, 5 * SEC)) {
		pace_sent(&p, MSS, 1000, 5 * SEC);
		n++;
	}
	ck_assert_uint_ge(n, 5);
	ck_assert_uint_le(n, 6);
	pace_path(&p, 200 * 1000 * US);
	ck_assert_uint_eq(p.late_ns, PACE_LATE_MAX_NS);
	pace_path(&p, 0);
	ck_assert_uint_eq(p.late_ns, PACE_LATE_MIN_NS);
}
END_TEST

START_TEST(a_rate_that_rises_counts_at_once)
{
	begin(1000);
	p.told = true;
	p.next_ns = SEC;
	pace_sent(&p, 10000, 1000, SEC);
	ck_assert_uint_eq(p.next_ns, 11 * SEC); /* the application's, however slow */
	pace_rate(&p, 500, true, 2 * SEC);
	ck_assert_uint_eq(p.next_ns, 11 * SEC); /* a lower one is the next piece's */
	pace_rate(&p, 1000, true, 3 * SEC);
	ck_assert_uint_eq(p.next_ns, 7 * SEC);
	pace_rate(&p, 8000, true, 3 * SEC);
	ck_assert_uint_eq(p.next_ns, 3 * SEC + SEC / 2);
	pace_rate(&p, PACE_UNLIMITED, true, 3 * SEC);
	ck_assert(pace_may_send(&p, 3 * SEC));
}
END_TEST

START_TEST(an_estimate_gone_wrong_holds_for_a_second_at_most)
{
	begin(10);
	p.next_ns = SEC;
	pace_sent(&p, 10000, 1000, SEC);
	ck_assert_uint_eq(p.next_ns, 2 * SEC);
	begin(1);
	p.told = true;
	p.next_ns = SEC;
	pace_sent(&p, UINT32_MAX, 1000, SEC); /* centuries, and no overflow */
	pace_rate(&p, 2, true, SEC);
	ck_assert_uint_eq(p.next_ns, SEC + (uint64_t)UINT32_MAX * SEC / 2);
	pace_rate(&p, UINT64_MAX - 1, true, SEC);
	ck_assert_uint_le(p.next_ns, SEC + SEC / 100);
}
END_TEST

START_TEST(a_long_sleep_is_not_made_up_for)
{
	uint32_t n = 0;

	begin(1000 * MSS); /* a segment in a millisecond */
	pace_sent(&p, MSS, 1000, SEC);
	p.waits = true;
	while (pace_may_send(&p, 5 * SEC)) {
		pace_sent(&p, MSS, 1000, 5 * SEC);
		n++;
	}
	ck_assert_uint_le(n, 2);
	/* and an application's pause gives half a piece */
	begin(1000 * MSS);
	pace_sent(&p, MSS, 1000, SEC);
	pace_sent(&p, MSS, 1000, 5 * SEC);
	ck_assert_uint_eq(p.next_ns, 5 * SEC + 500 * US);
}
END_TEST

START_TEST(pieces_hold_a_millisecond_and_at_least_two_segments)
{
	begin(1000);
	ck_assert_uint_eq(pace_piece(&p, MSS, 65535, 100 * MS), 2 * MSS);
	begin(12500000); /* 100 Mbit/s */
	ck_assert_uint_eq(pace_piece(&p, MSS, 65535, 100 * MS), 12500000 / 1024 / MSS * MSS);
	begin(1250000000);
	ck_assert_uint_eq(pace_piece(&p, MSS, 65535, 100 * MS), 65535 / MSS * MSS);
	begin(1000); /* a short path takes larger ones */
	ck_assert_uint_eq(pace_piece(&p, MSS, 65535, 100 * US), 65535 / MSS * MSS);
}
END_TEST

START_TEST(the_rate_of_a_window_is_a_bit_more_than_it)
{
	ck_assert_uint_eq(pace_from_window(100000, 1u << 30, 0, 100 * MS), 2000000);
	ck_assert_uint_eq(pace_from_window(100000, 100000, 0, 100 * MS), 1200000);
	ck_assert_uint_eq(pace_from_window(100000, 100000, 200000, 100 * MS), 2400000);
	ck_assert_uint_eq(pace_from_window(100000, 100000, 0, 0), PACE_UNLIMITED);
	ck_assert_uint_le(pace_from_window(1u << 30, 1u << 30, 0, 1), 1ull << 40);
}
END_TEST

/* ---- rate samples --------------------------------------------------------------------------- */

static struct recovery_env env;
static struct sent_map m;
static struct rate r;
static struct rate_sample rs;

static void rate_begin(void)
{
	recovery_env_init(&env, 1000);
	sent_init(&m, &env.pool, seq_of(1000));
	m.seg_bytes = MSS;
	r = (struct rate){.interval_ns = 0};
}

static void acked(uint32_t segs, uint64_t now_ns)
{
	struct sent_ack a;

	sent_ack_init(&a);
	sent_ack_to(&m, seq_add(m.una, segs * MSS), now_ns, &a);
	rate_take(&r, &m, &a, 0, &rs);
}

START_TEST(a_steady_flow_is_measured_at_its_rate)
{
	uint64_t t = SEC;

	rate_begin();
	/* a segment a millisecond, acknowledged 20 ms later */
	for (int i = 0; i < 200; i++, t += MS) {
		sent_push(&m, MSS, 0, t);
		if (i >= 20) {
			acked(1, t);
			ck_assert(rs.valid && !rs.app_limited);
		}
	}
	ck_assert_uint_eq(rs.bw, 1000 * MSS);
	ck_assert_uint_eq(rate_last(&r), 1000 * MSS);
	ck_assert_uint_eq(rs.tx_in_flight, 21 * MSS);
	ck_assert_uint_eq(m.delivered_segs, 180);
	sent_reset(&m);
	recovery_env_fini(&env);
}
END_TEST

START_TEST(acks_in_a_bunch_do_not_raise_it)
{
	uint64_t t = SEC;

	rate_begin();
	for (int i = 0; i < 40; i++, t += MS)
		sent_push(&m, MSS, 0, t);
	acked(1, t); /* the flight's first, then all the rest at once */
	acked(39, t + 1);
	ck_assert_uint_le(rs.bw, 1100 * MSS);
	sent_reset(&m);
	recovery_env_fini(&env);
}
END_TEST

START_TEST(what_the_application_held_back_is_marked_and_does_not_lower_it)
{
	uint64_t t = SEC;

	rate_begin();
	for (int i = 0; i < 100; i++, t += MS) {
		sent_push(&m, MSS, 0, t);
		if (i >= 20)
			acked(1, t);
	}
	while (!sent_empty(&m))
		acked(1, t += MS);
	for (int i = 0; i < 50; i++, t += 50 * MS) {
		sent_app_limited(&m);
		sent_push(&m, MSS, 0, t);
		acked(1, t + 20 * MS);
		ck_assert(rs.app_limited);
	}
	ck_assert_uint_ge(rate_last(&r), 900 * MSS);
	ck_assert(!r.app_limited);
	sent_reset(&m);
	recovery_env_fini(&env);
}
END_TEST

START_TEST(an_interval_below_the_shortest_round_trip_is_none)
{
	struct sent_ack a;

	rate_begin();
	sent_push(&m, MSS, 0, SEC);
	sent_ack_init(&a);
	sent_ack_to(&m, m.nxt, SEC + MS, &a);
	rate_take(&r, &m, &a, 20 * MS, &rs);
	ck_assert(rs.valid);
	ck_assert_uint_eq(rs.bw, 0);
	ck_assert_uint_eq(rate_last(&r), 0);
	sent_reset(&m);
	recovery_env_fini(&env);
}
END_TEST

/* Both ends on one stack: within a turn the clock stands still. */
START_TEST(no_time_at_all_is_a_rate_beyond_what_can_be_measured)
{
	struct sent_ack a;

	rate_begin();
	sent_push(&m, 10 * MSS, 0, SEC);
	acked(10, SEC);
	ck_assert(rs.valid);
	ck_assert_uint_eq(rs.bw, 10 * MSS * 1000000ull);
	/* a path that never takes so little has compressed it */
	sent_push(&m, MSS, 0, SEC + MS);
	sent_ack_init(&a);
	sent_ack_to(&m, m.nxt, SEC + MS, &a);
	rate_take(&r, &m, &a, 20 * MS, &rs);
	ck_assert_uint_eq(rs.bw, 0);
	sent_reset(&m);
	recovery_env_fini(&env);
}
END_TEST

START_TEST(losses_are_told_with_their_flight)
{
	struct sent_loss l;
	uint64_t t = SEC;

	rate_begin();
	for (int i = 0; i < 10; i++)
		sent_push(&m, MSS, 0, t += MS);
	ck_assert_uint_eq(sent_loss_take(&m).bytes, 0);
	sent_mark_lost(&m, sent_head(&m));
	l = sent_loss_take(&m);
	ck_assert_uint_eq(l.bytes, MSS);
	ck_assert_uint_eq(l.lost, MSS);
	ck_assert_uint_eq(l.tx_in_flight, MSS); /* it was the first */
	ck_assert_uint_eq(sent_loss_take(&m).bytes, 0);
	sent_mark_lost(&m, sent_tail(&m));
	l = sent_loss_take(&m);
	ck_assert_uint_eq(l.lost, 2 * MSS);
	ck_assert_uint_eq(l.tx_in_flight, 10 * MSS);
	sent_reset(&m);
	recovery_env_fini(&env);
}
END_TEST

/* ---- cwnd validation ------------------------------------------------------------------------ */

START_TEST(the_answer_holds_for_a_window)
{
	struct cwv v = {.limited = false};
	struct seq una = seq_of(1);

	cwv_output(&v, una, seq_add(una, 10 * MSS), 10 * MSS, true, SEC, SEC);
	ck_assert(cwv_limited(&v, 10 * MSS, false));
	/* an ACK later less is out, and it still was cwnd that limited this window */
	cwv_output(&v, seq_add(una, MSS), seq_add(una, 10 * MSS), 9 * MSS, false, SEC, SEC);
	ck_assert(cwv_limited(&v, 10 * MSS, false));
	/* the window is over, and the next one is not limited */
	una = seq_add(una, 10 * MSS);
	cwv_output(&v, una, seq_add(una, 4 * MSS), 4 * MSS, false, SEC, SEC);
	ck_assert(!cwv_limited(&v, 10 * MSS, false));
	ck_assert(!cwv_limited(&v, 10 * MSS, true)); /* slow start: less than half */
	cwv_output(&v, una, seq_add(una, 6 * MSS), 6 * MSS, false, SEC, SEC);
	ck_assert(cwv_limited(&v, 10 * MSS, true));
}
END_TEST

START_TEST(a_window_not_used_for_an_rto_is_told_once)
{
	struct cwv v = {.limited = false};
	struct seq una = seq_of(1);
	uint64_t t = SEC;

	cwv_output(&v, una, seq_add(una, 10 * MSS), 10 * MSS, true, 200 * MS, t);
	for (int i = 0; i < 10; i++) {
		t += 50 * MS;
		una = seq_add(una, 10 * MSS);
		cwv_output(&v, una, seq_add(una, 3 * MSS), 3 * MSS, false, 200 * MS, t);
		if (i < 3)
			ck_assert_uint_eq(cwv_unused(&v, t), 0);
		if (i == 3)
			ck_assert_uint_eq(cwv_unused(&v, t), 3 * MSS);
		if (i > 3 && i < 7)
			ck_assert_uint_eq(cwv_unused(&v, t), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pace");
	TCase *t = tcase_create("pace");
	SRunner *sr;
	int failed;

	tcase_add_test(t, without_a_rate_everything_goes);
	tcase_add_test(t, the_first_ten_segments_are_not_paced);
	tcase_add_test(t, the_rate_is_kept_though_the_turns_come_late);
	tcase_add_test(t, on_a_long_path_later_turns_are_made_up_for);
	tcase_add_test(t, a_rate_that_rises_counts_at_once);
	tcase_add_test(t, an_estimate_gone_wrong_holds_for_a_second_at_most);
	tcase_add_test(t, a_long_sleep_is_not_made_up_for);
	tcase_add_test(t, pieces_hold_a_millisecond_and_at_least_two_segments);
	tcase_add_test(t, the_rate_of_a_window_is_a_bit_more_than_it);
	tcase_add_test(t, a_steady_flow_is_measured_at_its_rate);
	tcase_add_test(t, acks_in_a_bunch_do_not_raise_it);
	tcase_add_test(t, what_the_application_held_back_is_marked_and_does_not_lower_it);
	tcase_add_test(t, an_interval_below_the_shortest_round_trip_is_none);
	tcase_add_test(t, no_time_at_all_is_a_rate_beyond_what_can_be_measured);
	tcase_add_test(t, losses_are_told_with_their_flight);
	tcase_add_test(t, the_answer_holds_for_a_window);
	tcase_add_test(t, a_window_not_used_for_an_rto_is_told_once);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
