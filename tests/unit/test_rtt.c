/* SPDX-License-Identifier: BSD-2-Clause */
#include <check.h>
#include <stdlib.h>

#include "recovery_env.h"
#include "stack/tcp/rtt.h"

#define MS 1000000ull
#define SEC 1000000000ull

static struct rtt r;

static void setup(void)
{
	rtt_init(&r);
}

START_TEST(begins_at_one_second)
{
	ck_assert_uint_eq(rtt_rto_ns(&r), 1 * SEC);
}
END_TEST

START_TEST(first_sample_sets_srtt_and_half_of_it_as_variance)
{
	rtt_sample(&r, 300 * MS, 1, 1 * SEC);
	ck_assert_uint_eq(r.srtt_ns, 300 * MS);
	ck_assert_uint_eq(r.rttvar_ns, 150 * MS);
	ck_assert_uint_eq(rtt_rto_ns(&r), 900 * MS);
}
END_TEST

START_TEST(later_samples_follow_rfc_6298)
{
	rtt_sample(&r, 400 * MS, 1, 1 * SEC);
	rtt_sample(&r, 480 * MS, 1, 2 * SEC);
	/* rttvar = 3/4 * 200 + 1/4 * 80 = 170; srtt = 7/8 * 400 + 1/8 * 480 = 410 */
	ck_assert_uint_eq(r.rttvar_ns, 170 * MS);
	ck_assert_uint_eq(r.srtt_ns, 410 * MS);
	ck_assert_uint_eq(rtt_rto_ns(&r), 1090 * MS);
}
END_TEST

START_TEST(many_samples_in_a_round_trip_weigh_as_one)
{
	struct rtt one;
	int i;

	rtt_init(&one);
	rtt_sample(&one, 400 * MS, 1, SEC);
	rtt_sample(&r, 400 * MS, 1, SEC);
	rtt_sample(&one, 480 * MS, 1, 2 * SEC);
	for (i = 0; i < 10; i++)
		rtt_sample(&r, 480 * MS, 10, 2 * SEC);
	ck_assert_uint_ge(r.srtt_ns + 1 * MS, one.srtt_ns);
	ck_assert_uint_le(r.srtt_ns, one.srtt_ns + 1 * MS);
}
END_TEST

START_TEST(rto_stays_within_200_ms_and_120_s)
{
	int i;

	for (i = 0; i < 100; i++)
		rtt_sample(&r, 20000, 1, SEC + i);
	ck_assert_uint_ge(rtt_rto_ns(&r), 200 * MS);
	ck_assert_uint_le(rtt_rto_ns(&r), 201 * MS);
	for (i = 0; i < 100; i++)
		rtt_backoff(&r);
	ck_assert_uint_eq(rtt_rto_ns(&r), 120 * SEC);
	rtt_sample(&r, 500 * SEC, 1, SEC);
	ck_assert_uint_eq(rtt_rto_ns(&r), 120 * SEC);
}
END_TEST

START_TEST(rto_backs_off_twice_and_recovers)
{
	rtt_sample(&r, 300 * MS, 1, SEC);
	rtt_backoff(&r);
	ck_assert_uint_eq(rtt_rto_ns(&r), 1800 * MS);
	rtt_backoff(&r);
	ck_assert_uint_eq(rtt_rto_ns(&r), 3600 * MS);
	rtt_progress(&r);
	ck_assert_uint_eq(rtt_rto_ns(&r), 900 * MS);
}
END_TEST

START_TEST(a_lost_syn_makes_it_three_seconds)
{
	rtt_backoff(&r);
	rtt_syn_lost(&r);
	ck_assert_uint_eq(rtt_rto_ns(&r), 3 * SEC);
	rtt_sample(&r, 300 * MS, 1, SEC);
	rtt_syn_lost(&r);
	ck_assert_uint_eq(rtt_rto_ns(&r), 900 * MS);
}
END_TEST

START_TEST(min_rtt_forgets_after_its_window)
{
	uint64_t t = SEC;

	rtt_sample(&r, 10 * MS, 1, t);
	for (t += SEC; t < 300 * SEC; t += SEC)
		rtt_sample(&r, 50 * MS, 1, t);
	ck_assert_uint_eq(r.min_ns, 10 * MS);
	for (; t < 305 * SEC; t += SEC)
		rtt_sample(&r, 50 * MS, 1, t);
	ck_assert_uint_eq(r.min_ns, 50 * MS);
	rtt_sample(&r, 5 * MS, 1, t);
	ck_assert_uint_eq(r.min_ns, 5 * MS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rtt");
	TCase *t = tcase_create("rtt");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, begins_at_one_second);
	tcase_add_test(t, first_sample_sets_srtt_and_half_of_it_as_variance);
	tcase_add_test(t, later_samples_follow_rfc_6298);
	tcase_add_test(t, many_samples_in_a_round_trip_weigh_as_one);
	tcase_add_test(t, rto_stays_within_200_ms_and_120_s);
	tcase_add_test(t, rto_backs_off_twice_and_recovers);
	tcase_add_test(t, a_lost_syn_makes_it_three_seconds);
	tcase_add_test(t, min_rtt_forgets_after_its_window);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
