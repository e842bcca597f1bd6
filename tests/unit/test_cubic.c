/* SPDX-License-Identifier: BSD-2-Clause */
/* CUBIC against RFC 9438: its window as a function of time, and the average window under a given
 * loss rate, both with the RFC's formulas in floats. */
#include <check.h>
#include <math.h>
#include <stdio.h>
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

START_TEST(cubic_takes_back_a_needless_reduction)
{
	struct cc_cubic before;
	uint64_t t = SEC;
	int i;

	cc_init(&cc, CC_CUBIC, MSS);
	cc.cwnd = 1000 * MSS;
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, cc.cwnd, t);
	cc_post_recovery(&cc, cc.ssthresh, t);
	for (i = 0; i < 5; i++)
		t = round_trip(t, 100 * MS);
	before = cc.cubic;
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, cc.cwnd, t);
	ck_assert_uint_ne(cc.cubic.w_max, before.w_max);
	cc_undo(&cc);
	ck_assert_uint_eq(cc.cubic.w_max, before.w_max);
	ck_assert_uint_eq(cc.cubic.k_ms, before.k_ms);
	ck_assert_uint_eq(cc.cubic.epoch_ns, before.epoch_ns);
	ck_assert_uint_eq(cc.cubic.w_est_fp, before.w_est_fp);
	ck_assert_uint_eq(cc.cubic.cwnd_prior, before.cwnd_prior);
}
END_TEST

/* A loss at the present window. The RFC's model has no fast convergence. */
static void lose(uint64_t now_ns)
{
	cc.cubic.w_max = 0;
	cc_cong_signal(&cc, CC_SIGNAL_NDUPACK, cc.cwnd, now_ns);
	cc_post_recovery(&cc, cc.ssthresh, now_ns);
}

/*
 * RFC 9438 5.1: the average window under one loss in every 1/p segments. It is what is sent in a
 * round trip: segments sent, over time in round trips. Begins where the model has its peak: around
 * it the curve is flat, and another beginning would take hundreds of cycles to come to it.
 */
static double average_window(double p, double rtt_s, double peak)
{
	uint64_t rtt_ns = (uint64_t)(rtt_s * 1e9);
	double t = 1e9, per_loss = 1 / p, sent = 0;
	const int cycles = 10;
	int losses;

	cc_init(&cc, CC_CUBIC, MSS);
	cc.cwnd = cc.ssthresh = (uint32_t)(peak * MSS);
	lose((uint64_t)t);
	for (losses = 0; losses < cycles; losses++) {
		for (; sent < per_loss; sent++) {
			t += (double)rtt_ns * MSS / cc.cwnd;
			ack(MSS, true, rtt_ns, (uint64_t)t);
		}
		sent -= per_loss;
		lose((uint64_t)t);
	}
	return cycles * per_loss / ((t - 1e9) / (double)rtt_ns);
}

START_TEST(cubic_has_the_average_window_of_the_rfc)
{
	/* The region in which the cubic function is the larger one (5.1, eq. 5), and Reno's. */
	static const struct {
		double p, rtt_s;
	} run[] = {{1e-3, 0.1},  {1e-4, 0.1},  {1e-5, 0.1}, {1e-6, 0.1},
		   {1e-4, 0.01}, {1e-5, 0.01}, {1e-6, 0.01}};
	double p = run[_i].p, rtt_s = run[_i].rtt_s;
	double cubic = pow(0.4 * 3.7 / (4 * 0.3), 0.25) * pow(rtt_s / p, 0.75);
	double reno = sqrt(1.5 / p); /* with alpha = 9/17 and beta = 0.7 the same (4.3) */
	double want = cubic > reno ? cubic : reno, got;

	got = average_window(p, rtt_s, cubic > reno ? cubic * 4 / 3.7 : reno * 2 / 1.7);

	ck_assert_msg(fabs(got - want) <= 0.05 * want, "p %g, %g s: %.1f segments, the RFC's %.1f",
		      p, rtt_s, got, want);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cubic");
	TCase *t = tcase_create("cubic");
	SRunner *sr;
	int failed;

	tcase_add_test(t, cube_root_matches_libm);
	tcase_add_loop_test(t, cubic_follows_the_formula_concave_and_convex, 0, 4);
	tcase_add_test(t, cubic_is_never_slower_than_reno_would_be);
	tcase_add_test(t, cubic_gives_room_when_losses_come_early);
	tcase_add_test(t, cubic_does_not_count_idle_time);
	tcase_add_test(t, cubic_takes_back_a_needless_reduction);
	tcase_add_loop_test(t, cubic_has_the_average_window_of_the_rfc, 0, 7);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
