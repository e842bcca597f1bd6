/* SPDX-License-Identifier: BSD-2-Clause */
/* HyStart++: rounds, thresholds, Conservative Slow Start and its two ends (RFC 9406 4.2). */
#include <check.h>
#include <stdlib.h>

#include "stack/tcp/cc.h"
#include "stack/tcp/hystart.h"

#define MSS 1460u
#define MS 1000000ull

static struct hystart hs;
static struct seq una, nxt;

static void begin(void)
{
	hystart_init(&hs);
	una = (struct seq){0xfffff000u}; /* so that it wraps */
	nxt = una;
}

/* One round of n ACKs, each with that sample; what is acknowledged is sent again at once. True when
 * one of them ended slow start. */
static bool round_of(unsigned n, uint64_t rtt_ns)
{
	bool done = false;

	for (unsigned i = 0; i < n; i++) {
		una = seq_add(una, MSS);
		nxt = seq_add(una, n * MSS);
		done |= hystart_ack(&hs, una, nxt, rtt_ns);
	}
	return done;
}

START_TEST(steady_round_trips_keep_slow_start)
{
	begin();
	for (int i = 0; i < 100; i++)
		ck_assert(!round_of(20, 50 * MS));
	ck_assert(!hs.css);
}
END_TEST

/* 1/8 of the last round's, at least 4 ms, at most 16. */
START_TEST(css_begins_at_the_threshold_and_not_below)
{
	static const struct {
		uint64_t base_us, thresh_us;
	} v[] = {{8000, 4000}, {40000, 5000}, {100000, 12500}, {400000, 16000}};

	for (int below = 0; below < 2; below++) {
		begin();
		round_of(20, v[_i].base_us * 1000);
		round_of(20, v[_i].base_us * 1000);
		round_of(20, v[_i].base_us * 1000);
		round_of(20, (v[_i].base_us + v[_i].thresh_us - (below ? 1 : 0)) * 1000);
		ck_assert_int_eq(hs.css, !below);
	}
}
END_TEST

START_TEST(seven_samples_are_too_few)
{
	begin();
	for (int i = 0; i < 20; i++)
		ck_assert(!round_of(7, (50 + i * 20) * MS));
	ck_assert(!hs.css);
}
END_TEST

START_TEST(five_rounds_of_css_end_slow_start)
{
	int rounds = 0;

	begin();
	round_of(20, 50 * MS);
	round_of(20, 50 * MS);
	round_of(20, 70 * MS);
	ck_assert(hs.css);
	while (!round_of(20, 70 * MS))
		ck_assert_int_lt(rounds++, 10);
	ck_assert_uint_eq(hs.css_rounds, HYSTART_CSS_ROUNDS);
	ck_assert_int_ge(rounds, (int)HYSTART_CSS_ROUNDS - 1);
	ck_assert_int_le(rounds, (int)HYSTART_CSS_ROUNDS);
}
END_TEST

START_TEST(jitter_leads_back_to_slow_start)
{
	begin();
	round_of(20, 50 * MS);
	round_of(20, 50 * MS);
	round_of(20, 70 * MS);
	ck_assert(hs.css);
	for (int i = 0; i < 20; i++)
		ck_assert(!round_of(20, 69 * MS));
	ck_assert(!hs.css);
}
END_TEST

static struct cc cc;

static void ack(uint32_t bytes, uint64_t rtt_ns, bool paced)
{
	struct cc_ack a = {.acked_bytes = bytes,
			   .flight_bytes = cc.cwnd,
			   .cwnd_limited = true,
			   .paced = paced,
			   .srtt_ns = rtt_ns,
			   .rtt_ns = rtt_ns,
			   .una = una,
			   .nxt = nxt};

	cc_ack_received(&cc, &a, 1);
}

/* A round trip of a whole window. */
static void window(uint64_t rtt_ns)
{
	for (uint32_t n = cc.cwnd / MSS; n > 0; n--) {
		una = seq_add(una, MSS);
		nxt = seq_add(una, cc.cwnd);
		ack(MSS, rtt_ns, false);
	}
}

START_TEST(windows_grow_by_a_quarter_in_css_and_slow_start_ends)
{
	uint32_t before;
	int i;

	una = nxt = (struct seq){1};
	cc_init(&cc, _i, MSS);
	for (i = 0; i < 3; i++)
		window(50 * MS);
	ck_assert_uint_eq(cc.cwnd, 80 * MSS);
	window(80 * MS);
	ck_assert(cc.hystart.css);
	before = cc.cwnd;
	window(80 * MS);
	ck_assert_uint_le(cc.cwnd, before + before / 4);
	ck_assert_uint_ge(cc.cwnd, before + before / 5);
	for (i = 0; i < 6; i++)
		window(80 * MS);
	ck_assert_uint_lt(cc.ssthresh, CC_SSTHRESH_INF);
	before = cc.cwnd;
	window(80 * MS);
	ck_assert_uint_le(cc.cwnd, before + 2 * MSS + before / 20);
}
END_TEST

START_TEST(later_slow_starts_do_without)
{
	una = nxt = (struct seq){1};
	cc_init(&cc, _i, MSS);
	cc.ssthresh = 5000 * MSS;
	window(50 * MS);
	window(50 * MS);
	window(50 * MS);
	window(90 * MS);
	window(150 * MS);
	ck_assert_uint_eq(cc.cwnd, 320 * MSS);
}
END_TEST

START_TEST(an_ack_counts_for_three_super_segments_unless_paced)
{
	una = nxt = (struct seq){1};
	cc_init(&cc, _i, MSS);
	ack(44 * MSS, 50 * MS, false); /* what a device has coalesced */
	ck_assert_uint_eq(cc.cwnd, (10 + 44) * MSS);
	ack(500 * MSS, 50 * MS, false);
	ck_assert_uint_eq(cc.cwnd, (54 + 128) * MSS);
	ack(500 * MSS, 50 * MS, true);
	ck_assert_uint_eq(cc.cwnd, (182 + 500) * MSS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hystart");
	TCase *t = tcase_create("hystart");
	SRunner *sr;
	int failed;

	tcase_add_test(t, steady_round_trips_keep_slow_start);
	tcase_add_loop_test(t, css_begins_at_the_threshold_and_not_below, 0, 4);
	tcase_add_test(t, seven_samples_are_too_few);
	tcase_add_test(t, five_rounds_of_css_end_slow_start);
	tcase_add_test(t, jitter_leads_back_to_slow_start);
	tcase_add_loop_test(t, windows_grow_by_a_quarter_in_css_and_slow_start_ends, 0,
			    CC_CUBIC + 1);
	tcase_add_loop_test(t, later_slow_starts_do_without, 0, CC_CUBIC + 1);
	tcase_add_loop_test(t, an_ack_counts_for_three_super_segments_unless_paced, 0,
			    CC_CUBIC + 1);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
