/* SPDX-License-Identifier: BSD-2-Clause */
/* Congestion control: what Reno and CUBIC share, and Reno's windows. CUBIC's: test_cubic.c. */
#include <check.h>
#include <stdlib.h>

#include "stack/tcp/cc_bbr.h"

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

/* The ACK of a SYN: the first sample of the round trip is not one that is too old. */
START_TEST(bbr_begins_in_startup_whatever_the_clock_says)
{
	const struct rate_sample none = {.bw = 0};
	struct cc_ack a = {.srtt_ns = 40 * MS, .rtt_ns = 40 * MS, .rate = &none};

	cc_init(&cc, CC_BBR, MSS);
	cc_ack_received(&cc, &a, 1000000 * MS);
	ck_assert_int_eq(cc.bbr.state, BBR_STARTUP);
	ck_assert_uint_eq(cc.bbr.min_rtt_ns, 40 * MS);
	ck_assert_uint_ge(cc.cwnd, cc_initial_window(MSS));
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

	tcase_add_loop_test(t, initial_window_is_ten_segments, 0, CC_CUBIC + 1);
	tcase_add_loop_test(t, slow_start_doubles_each_round_trip, 0, CC_CUBIC + 1);
	tcase_add_loop_test(t, a_window_not_in_use_does_not_grow, 0, CC_CUBIC + 1);
	tcase_add_loop_test(t, slow_start_ends_at_ssthresh, 0, CC_CUBIC + 1);
	tcase_add_test(t, reno_grows_one_segment_per_round_trip);
	tcase_add_loop_test(t, loss_halves_reno_and_takes_three_tenths_from_cubic, 0, CC_CUBIC + 1);
	tcase_add_loop_test(t, timeout_falls_to_one_segment_and_ssthresh_only_once, 0,
			    CC_CUBIC + 1);
	tcase_add_loop_test(t, ssthresh_never_falls_below_two_segments, 0, CC_CUBIC + 1);
	tcase_add_loop_test(t, idle_halves_per_rto_down_to_the_initial_window, 0, CC_CUBIC + 1);
	tcase_add_loop_test(t, a_needless_reduction_is_undone_once, 0, CC_CUBIC + 1);
	tcase_add_test(t, bbr_begins_in_startup_whatever_the_clock_says);
	tcase_add_test(t, names_are_found_both_ways);
	tcase_set_timeout(t, 30);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
