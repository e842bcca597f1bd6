/* SPDX-License-Identifier: BSD-2-Clause */
/* Congestion control: the windows of Reno and CUBIC; CUBIC's against RFC 9438's formula in floats.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "recovery_env.h"
#include "stack/tcp/cc.h"
#include "stack/tcp/cc_cubic.h"

#define MSS 1460u
#define MS 1000000ull
#define SEC 1000000000ull

static struct cc cc;

static void ack(uint32_t bytes, bool limited, uint64_t rtt_ns, uint64_t now_ns)
{
	struct cc_ack a = {.acked_bytes = bytes,
			   .flight_bytes = cc.cwnd,
			   .cwnd_limited = limited,
			   .srtt_ns = rtt_ns};

	cc_ack_received(&cc, &a, now_ns);
}

/* One window's worth of ACKs, spread over a round trip. Returns the time afterwards. */
static uint64_t round_trip(uint64_t now_ns, uint64_t rtt_ns)
{
	uint32_t n = cc.cwnd / MSS, i;

	for (i = 0; i < n; i++)
		ack(MSS, true, rtt_ns, now_ns + rtt_ns * (i + 1) / n);
	return now_ns + rtt_ns;
}

START_TEST(initial_window_is_ten_segments)
{
	cc_init(&cc, _i, MSS);
	ck_assert_uint_eq(cc.cwnd, 10 * MSS);
	cc_mss_set(&cc, 536, true);
	ck_assert_uint_eq(cc.cwnd, 5360);
	cc_mss_set(&cc, 8960, true);
	ck_assert_uint_eq(cc.cwnd, 2 * 8960);
	cc_syn_lost(&cc);
	cc_mss_set(&cc, MSS, true);
	ck_assert_uint_eq(cc.cwnd, MSS);
}
END_TEST

START_TEST(slow_start_doubles_each_round_trip)
{
	cc_init(&cc, _i, MSS);
	round_trip(SEC, 100 * MS);
	ck_assert_uint_eq(cc.cwnd, 20 * MSS);
}
END_TEST

START_TEST(a_window_not_in_use_does_not_grow)
{
	int i;

	cc_init(&cc, _i, MSS);
	for (i = 0; i < 100; i++)
		ack(MSS, false, 100 * MS, SEC + i * MS);
	ck_assert_uint_eq(cc.cwnd, 10 * MSS);
}
END_TEST

START_TEST(slow_start_ends_at_ssthresh)
{
	cc_init(&cc, _i, MSS);
	cc.ssthresh = 15 * MSS;
	round_trip(SEC, 100 * MS);
	ck_assert_uint_ge(cc.cwnd, 15 * MSS);
	ck_assert_uint_le(cc.cwnd, 16 * MSS);
}
END_TEST

START_TEST(reno_grows_one_segment_per_round_trip)
{
	uint64_t t = SEC;
	int i;

	cc_init(&cc, CC_RENO, MSS);
	cc.ssthresh = cc.cwnd;
	for (i = 0; i < 10; i++)
		t = round_trip(t, 100 * MS);
	ck_assert_uint_ge(cc.cwnd, 19 * MSS);
	ck_assert_uint_le(cc.cwnd, 20 * MSS);
}
END_TEST

START_TEST(loss_halves_reno_and_takes_three_tenths_from_cubic)
{
	cc_init(&cc, _i, MSS);
	cc.cwnd = 100 * MSS;
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, 100 * MSS, SEC);
	ck_assert_uint_eq(cc.ssthresh, _i == CC_RENO ? 50 * MSS : 70 * MSS);
	ck_assert_uint_eq(cc.cwnd, cc.ssthresh);
	ck_assert_uint_eq(cc.prior_cwnd, 100 * MSS);
	cc_post_recovery(&cc, cc.ssthresh, SEC);
	ck_assert_uint_eq(cc.cwnd, cc.ssthresh);
	cc_post_recovery(&cc, 3 * MSS, SEC); /* little in flight: no burst */
	ck_assert_uint_eq(cc.cwnd, 4 * MSS);
}
END_TEST

START_TEST(timeout_falls_to_one_segment_and_ssthresh_only_once)
{
	uint32_t ssthresh;

	cc_init(&cc, _i, MSS);
	cc.cwnd = 100 * MSS;
	cc_cong_signal(&cc, CC_SIGNAL_RTO, 100 * MSS, SEC);
	ssthresh = cc.ssthresh;
	ck_assert_uint_eq(cc.cwnd, MSS);
	ck_assert_uint_eq(ssthresh, _i == CC_RENO ? 50 * MSS : 70 * MSS);
	cc_cong_signal(&cc, CC_SIGNAL_RTO_AGAIN, MSS, 2 * SEC);
	ck_assert_uint_eq(cc.cwnd, MSS);
	ck_assert_uint_eq(cc.ssthresh, ssthresh);
}
END_TEST

START_TEST(ssthresh_never_falls_below_two_segments)
{
	cc_init(&cc, _i, MSS);
	cc_cong_signal(&cc, CC_SIGNAL_ECN, 1, SEC);
	ck_assert_uint_eq(cc.ssthresh, 2 * MSS);
	ck_assert_uint_eq(cc.cwnd, 2 * MSS);
}
END_TEST

START_TEST(idle_halves_per_rto_down_to_the_initial_window)
{
	cc_init(&cc, _i, MSS);
	cc.cwnd = 100 * MSS;
	cc_after_idle(&cc, 100 * MS, 200 * MS, SEC);
	ck_assert_uint_eq(cc.cwnd, 100 * MSS);
	cc_after_idle(&cc, 450 * MS, 200 * MS, SEC);
	ck_assert_uint_eq(cc.cwnd, 25 * MSS);
	cc_after_idle(&cc, 3600 * SEC, 200 * MS, SEC);
	ck_assert_uint_eq(cc.cwnd, 10 * MSS);
}
END_TEST

START_TEST(cube_root_matches_libm)
{
	uint64_t seed = 1;
	int i;

	for (i = 0; i < 100000; i++) {
		uint32_t diff = rnd(&seed, 1u << (1 + rnd(&seed, 30)));
		double k = cbrt((double)diff / MSS / 0.4) * 1000;

		ck_assert(fabs(cc_cubic_k_ms(diff, MSS) - k) <= 1.0);
	}
}
END_TEST

/* From a loss at w_max segments on, for a given time; the formula of RFC 9438 4.2 beside it. */
static void cubic_follow(double w_max, uint64_t rtt_ns, double seconds)
{
	uint64_t t0, t = SEC;
	double k, start;

	cc_init(&cc, CC_CUBIC, MSS);
	cc.cwnd = w_max * MSS;
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, cc.cwnd, t);
	cc_post_recovery(&cc, cc.ssthresh, t);
	start = (double)cc.cwnd / MSS;
	k = cbrt((w_max - start) / 0.4);
	t0 = t;
	while (t < t0 + seconds * SEC) {
		double x, want;

		t = round_trip(t, rtt_ns);
		x = (double)(t - t0) / SEC;
		want = 0.4 * pow(x - k, 3) + w_max;
		ck_assert_msg(fabs((double)cc.cwnd / MSS - want) <= 0.05 * want,
			      "at %.2f s: %.1f segments, formula %.1f", x, (double)cc.cwnd / MSS,
			      want);
	}
}

START_TEST(cubic_follows_the_formula_concave_and_convex)
{
	static const struct {
		double w_max, seconds;
		uint64_t rtt_ns;
	} run[] = {
		{1000, 20, 100 * MS},
		{5000, 25, 50 * MS},
		{400, 15, 200 * MS},
		{20000, 30, 100 * MS},
	};

	cubic_follow(run[_i].w_max, run[_i].rtt_ns, run[_i].seconds);
}
END_TEST

START_TEST(cubic_is_never_slower_than_reno_would_be)
{
	/* A small window on a short path: the Reno-friendly region. With alpha = 9/17 segments a
	 * round trip up to the window of the loss, then one. */
	uint64_t t = SEC;
	double want, got;
	int i;

	cc_init(&cc, CC_CUBIC, MSS);
	cc.cwnd = 40 * MSS;
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, cc.cwnd, t);
	cc_post_recovery(&cc, cc.ssthresh, t);
	want = 28;
	for (i = 0; i < 100; i++) {
		t = round_trip(t, 5 * MS);
		want += want < 40 ? 9.0 / 17 : 1;
	}
	got = (double)cc.cwnd / MSS;
	ck_assert_msg(fabs(got - want) <= 0.05 * want, "%.1f segments, Reno %.1f", got, want);
}
END_TEST

START_TEST(cubic_gives_room_when_losses_come_early)
{
	cc_init(&cc, CC_CUBIC, MSS);
	cc.cwnd = 100 * MSS;
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, cc.cwnd, SEC);
	ck_assert_uint_eq(cc.cubic.w_max, 100 * MSS);
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, cc.cwnd, 2 * SEC); /* at 70, before 100 again */
	ck_assert_uint_eq(cc.cubic.w_max, 70 * MSS * 17 / 20);
}
END_TEST

START_TEST(cubic_does_not_count_idle_time)
{
	uint64_t t = SEC;
	uint32_t before;
	int i;

	cc_init(&cc, CC_CUBIC, MSS);
	cc.cwnd = 1000 * MSS;
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, cc.cwnd, t);
	cc_post_recovery(&cc, cc.ssthresh, t);
	for (i = 0; i < 5; i++)
		t = round_trip(t, 100 * MS);
	before = cc.cwnd;
	for (i = 0; i < 100; i++)
		ack(MSS, false, 100 * MS, t += SEC);
	ck_assert_uint_eq(cc.cwnd, before);
	round_trip(t, 100 * MS);
	ck_assert_uint_le(cc.cwnd, before + before / 10);
}
END_TEST

START_TEST(a_needless_reduction_is_undone_once)
{
	uint32_t before;

	cc_init(&cc, _i, MSS);
	round_trip(SEC, 100 * MS);
	before = cc.cwnd;
	cc_cong_signal(&cc, CC_SIGNAL_RTO, cc.cwnd, 2 * SEC);
	cc_cong_signal(&cc, CC_SIGNAL_RTO_AGAIN, cc.cwnd, 3 * SEC);
	ck_assert_uint_eq(cc.cwnd, MSS);
	cc_undo(&cc);
	ck_assert_uint_eq(cc.cwnd, before);
	ck_assert_uint_eq(cc.ssthresh, CC_SSTHRESH_INF);
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, cc.cwnd, 4 * SEC);
	cc_undo(&cc);
	ck_assert_uint_eq(cc.cwnd, before);
	cc.cwnd = MSS; /* nothing is left to undo */
	cc_undo(&cc);
	ck_assert_uint_eq(cc.cwnd, MSS);
}
END_TEST

START_TEST(names_are_found_both_ways)
{
	ck_assert_int_eq(cc_by_name("reno", 4), CC_RENO);
	ck_assert_int_eq(cc_by_name("cubic\0xx", 8), CC_CUBIC);
	ck_assert_int_eq(cc_by_name("cubi", 4), -1);
	ck_assert_int_eq(cc_by_name("cubics", 6), -1);
	ck_assert_int_eq(cc_by_name("", 0), -1);
	ck_assert_str_eq(cc_name(CC_CUBIC), "cubic");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cc");
	TCase *t = tcase_create("cc");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, initial_window_is_ten_segments, 0, CC_ALGOS);
	tcase_add_loop_test(t, slow_start_doubles_each_round_trip, 0, CC_ALGOS);
	tcase_add_loop_test(t, a_window_not_in_use_does_not_grow, 0, CC_ALGOS);
	tcase_add_loop_test(t, slow_start_ends_at_ssthresh, 0, CC_ALGOS);
	tcase_add_test(t, reno_grows_one_segment_per_round_trip);
	tcase_add_loop_test(t, loss_halves_reno_and_takes_three_tenths_from_cubic, 0, CC_ALGOS);
	tcase_add_loop_test(t, timeout_falls_to_one_segment_and_ssthresh_only_once, 0, CC_ALGOS);
	tcase_add_loop_test(t, ssthresh_never_falls_below_two_segments, 0, CC_ALGOS);
	tcase_add_loop_test(t, idle_halves_per_rto_down_to_the_initial_window, 0, CC_ALGOS);
	tcase_add_loop_test(t, a_needless_reduction_is_undone_once, 0, CC_ALGOS);
	tcase_add_test(t, cube_root_matches_libm);
	tcase_add_loop_test(t, cubic_follows_the_formula_concave_and_convex, 0, 4);
	tcase_add_test(t, cubic_is_never_slower_than_reno_would_be);
	tcase_add_test(t, cubic_gives_room_when_losses_come_early);
	tcase_add_test(t, cubic_does_not_count_idle_time);
	tcase_add_test(t, names_are_found_both_ways);
	tcase_set_timeout(t, 30);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
