/* SPDX-License-Identifier: BSD-2-Clause */
/* Loss recovery, driven as a connection would: segments of 1000 bytes, a path of 100 ms. */
#include <check.h>
#include <stdlib.h>

#include "recovery_env.h"
#include "stack/tcp/recovery.h"

#define MS 1000000ull
#define MSS 1000u
#define ISN 0xffffff00u /* wraps within every test */
#define RTT_NS (100 * MS)

static struct recovery_env env;
static struct sent_map map;
static struct rtt rtt;
static struct recovery rec;
static struct recovery_out out;

static void start(bool sack)
{
	recovery_env_init(&env, 20000);
	sent_init(&map, &env.pool, seq_of(ISN));
	rtt_init(&rtt);
	rtt_sample(&rtt, RTT_NS, 1, 1);
	recovery_init(&rec, sack);
}

static void setup_sack(void)
{
	start(true);
}

static void setup_plain(void)
{
	start(false);
}

static void teardown(void)
{
	sent_check(&map);
	sent_reset(&map);
	recovery_env_fini(&env);
}

/* Sends n segments, one per millisecond from now_ns on. */
static void send(unsigned n, uint64_t now_ns)
{
	unsigned i;

	for (i = 0; i < n; i++)
		recovery_sent(&rec, &map, MSS, 0, now_ns + i * MS);
}

/* An ACK of all below segment una, with segments [s, e) sacked (none when s == e). */
static void ack(unsigned una, unsigned s, unsigned e, uint64_t now_ns)
{
	struct sack_block b = {seq_of(ISN + s * MSS), seq_of(ISN + e * MSS)};
	struct seq to = seq_of(ISN + una * MSS);
	struct recovery_in in = {.ack = to,
				 .sack = &b,
				 .nsack = s != e,
				 .mss = MSS,
				 .dupack = seq_eq(to, map.una) && !sent_empty(&map)};

	recovery_ack(&rec, &map, &rtt, &in, now_ns, &out);
	sent_check(&map);
}

static void retransmit(uint64_t now_ns)
{
	struct sent_rec *r = sent_next_lost(&map);

	ck_assert_ptr_nonnull(r);
	recovery_retransmitted(&rec, &map, r, MSS, now_ns);
}

static unsigned lost_segment(void)
{
	ck_assert_ptr_nonnull(sent_next_lost(&map));
	return (sent_next_lost(&map)->start.v - ISN) / MSS;
}

START_TEST(third_segment_sacked_above_a_hole_starts_recovery)
{
	send(10, 10 * MS);
	ack(0, 1, 2, 111 * MS);
	ck_assert(!out.enter && map.lost_bytes == 0);
	ack(0, 1, 3, 112 * MS);
	ck_assert(!out.enter);
	ck_assert_uint_eq(recovery_room(&rec, &map, 10 * MSS, MSS), 2 * MSS); /* RFC 3042 */
	ack(0, 1, 4, 113 * MS);
	ck_assert(out.enter && rec.state == RECOVERY_FAST);
	ck_assert_uint_eq(out.newly_lost_bytes, MSS);
	ck_assert_uint_eq(lost_segment(), 0);
	retransmit(114 * MS);
	ack(5, 6, 7, 214 * MS);
	ck_assert(!out.leave && rec.state == RECOVERY_FAST);
	ack(10, 0, 0, 220 * MS);
	ck_assert(out.leave && !out.left_loss && rec.state == RECOVERY_OPEN);
	ck_assert(!out.cc_ack);
}
END_TEST

START_TEST(reordering_widens_the_window_and_the_timer_ends_it)
{
	uint64_t at;

	send(10, 10 * MS);
	ack(0, 1, 2, 111 * MS);
	ack(2, 0, 0, 111 * MS + 1); /* it had only come late */
	ck_assert(rec.reord_seen && !out.enter);
	ack(2, 3, 6, 116 * MS);
	ck_assert(!out.enter);
	ck_assert_int_eq(recovery_timer(&rec, &map, &rtt, MSS, true, &at), RECOVERY_TIMER_REO);
	/* segment 2 was sent at 12 ms; the newest sacked took 101 ms; a quarter of 100 ms more */
	ck_assert_uint_eq(at, (12 + 101 + 25) * MS);
	recovery_reo_timeout(&rec, &map, &rtt, MSS, at, &out);
	ck_assert(out.enter);
	ck_assert_uint_eq(lost_segment(), 2);
}
END_TEST

START_TEST(dsack_makes_the_window_wider)
{
	struct sack_block b = {seq_of(ISN), seq_of(ISN + MSS)};
	struct recovery_in in = {.ack = seq_of(ISN + 2 * MSS), .sack = &b, .nsack = 1, .mss = MSS};

	send(10, 10 * MS);
	recovery_ack(&rec, &map, &rtt, &in, 111 * MS, &out);
	ck_assert_uint_eq(rec.reo_wnd_mult, 2);
	recovery_ack(&rec, &map, &rtt, &in, 112 * MS, &out);
	ck_assert_uint_eq(rec.reo_wnd_mult, 2); /* once per round trip */
}
END_TEST

START_TEST(lost_retransmission_is_found_without_a_timeout)
{
	send(10, 10 * MS);
	ack(0, 1, 5, 115 * MS);
	ck_assert(out.enter);
	retransmit(115 * MS);
	ck_assert_ptr_null(sent_next_lost(&map));
	recovery_sent(&rec, &map, MSS, 0, 117 * MS); /* segment 10, after the retransmission */
	ack(0, 1, 10, 150 * MS);
	ck_assert_uint_eq(map.lost_bytes, 0);
	ack(0, 1, 11, 218 * MS); /* it arrived, the retransmission did not */
	ck_assert_uint_eq(lost_segment(), 0);
}
END_TEST

START_TEST(an_ack_too_early_for_the_retransmission_is_the_original_s)
{
	send(4, 10 * MS);
	ack(0, 1, 4, 112 * MS);
	retransmit(113 * MS);
	send(1, 114 * MS);
	ack(4, 0, 0, 120 * MS); /* 7 ms after: the path takes 100 */
	ck_assert_uint_ne(rec.rack_tx_ns, 113 * MS);
	ck_assert(!out.rtt_taken);
}
END_TEST

START_TEST(prr_sends_what_ssthresh_allows)
{
	uint32_t sent = 0, ssthresh = 10 * MSS;
	unsigned i;

	send(20, 10 * MS);
	for (i = 2; i <= 20; i++) { /* segment 0 is lost, one ACK for each that arrives */
		ack(0, 1, i, (110 + i) * MS);
		recovery_prr(&rec, &map, &out, ssthresh, MSS);
		if (rec.state != RECOVERY_FAST)
			continue;
		while (recovery_room(&rec, &map, 1 << 30, MSS) >= MSS) {
			if (sent_next_lost(&map))
				retransmit((110 + i) * MS);
			else
				recovery_sent(&rec, &map, MSS, 0, (110 + i) * MS);
			sent += MSS;
		}
		ck_assert_uint_ge(sent, MSS); /* the first goes at once */
	}
	/* Half of what arrived went out again, and the pipe ends at ssthresh. */
	ck_assert_uint_ge(sent, 9 * MSS);
	ck_assert_uint_le(sent, 11 * MSS);
	ck_assert_uint_ge(map.in_flight_bytes, 9 * MSS);
	ck_assert_uint_le(map.in_flight_bytes, 11 * MSS);
}
END_TEST

START_TEST(timeout_loses_all_but_what_is_sacked)
{
	uint64_t at;

	send(10, 10 * MS);
	ack(0, 4, 5, 120 * MS);
	ck_assert(recovery_timeout(&rec, &map, 500 * MS));
	ck_assert_uint_eq(map.lost_bytes, 9 * MSS);
	ck_assert_uint_eq(map.sacked_bytes, MSS);
	ck_assert_uint_eq(recovery_room(&rec, &map, MSS, MSS), MSS);
	rtt_backoff(&rtt);
	retransmit(500 * MS);
	ck_assert_int_eq(recovery_timer(&rec, &map, &rtt, MSS, true, &at), RECOVERY_TIMER_RTO);
	ck_assert_uint_eq(at, 500 * MS + rtt_rto_ns(&rtt));
	ck_assert(!recovery_timeout(&rec, &map, at)); /* the same loss */
	retransmit(at);
	ack(1, 4, 5, at + RTT_NS);
	ck_assert(out.cc_ack && rec.state == RECOVERY_LOSS);
	ck_assert(recovery_timeout(&rec, &map, at + 900 * MS)); /* another */
	ack(10, 0, 0, at + 1000 * MS);
	ck_assert(out.leave && out.left_loss && out.cc_ack && rec.state == RECOVERY_OPEN);
}
END_TEST

START_TEST(timeout_on_a_sacked_head_means_the_peer_reneged)
{
	send(5, 10 * MS);
	ack(0, 1, 3, 111 * MS);
	ack(1, 0, 0, 112 * MS); /* una stops below what was sacked */
	ck_assert(out.ack.reneged);
	recovery_timeout(&rec, &map, 500 * MS);
	ck_assert_uint_eq(map.sacked_bytes, 0);
	ck_assert_uint_eq(lost_segment(), 1);
}
END_TEST

START_TEST(tail_loss_draws_a_probe_then_the_timeout)
{
	struct sent_rec *r;
	uint64_t at;

	send(3, 10 * MS);
	ck_assert_int_eq(recovery_timer(&rec, &map, &rtt, MSS, false, &at), RECOVERY_TIMER_RTO);
	ck_assert_int_eq(recovery_timer(&rec, &map, &rtt, MSS, true, &at), RECOVERY_TIMER_TLP);
	ck_assert_uint_eq(at, 12 * MS + 2 * RTT_NS);
	r = recovery_probe(&rec, &map, MSS);
	ck_assert_uint_eq(r->start.v, ISN + 2 * MSS);
	recovery_retransmitted(&rec, &map, r, MSS, at);
	recovery_probe_sent(&rec, &map, true, true);
	ck_assert_int_eq(recovery_timer(&rec, &map, &rtt, MSS, true, &at), RECOVERY_TIMER_RTO);
	ck_assert_uint_eq(at, 212 * MS + rtt_rto_ns(&rtt));
	ack(0, 2, 3, 312 * MS); /* the probe arrived: the two before it are lost */
	ck_assert(out.enter);
	ck_assert_uint_eq(map.lost_bytes, 2 * MSS);
	retransmit(312 * MS);
	retransmit(312 * MS);
	ack(3, 0, 0, 420 * MS);
	ck_assert(out.leave);
}
END_TEST

START_TEST(probe_that_repairs_the_loss_is_congestion)
{
	send(2, 10 * MS);
	ack(1, 0, 0, 110 * MS);
	recovery_retransmitted(&rec, &map, recovery_probe(&rec, &map, MSS), MSS, 320 * MS);
	recovery_probe_sent(&rec, &map, true, true);
	ack(2, 0, 0, 420 * MS);
	ck_assert(!out.tlp_repaired); /* a D-SACK may yet follow */
	send(1, 421 * MS);
	ack(3, 0, 0, 521 * MS);
	ck_assert(out.tlp_repaired && !out.enter && !rec.tlp_out);
}
END_TEST

START_TEST(probe_takes_the_last_segment_of_a_super_segment)
{
	struct sent_rec *r;

	recovery_sent(&rec, &map, 40 * MSS, 0, 10 * MS);
	r = recovery_probe(&rec, &map, MSS);
	ck_assert_uint_eq(r->start.v, ISN + 39 * MSS);
	ck_assert_uint_eq(r->end.v, ISN + 40 * MSS);
}
END_TEST

START_TEST(hole_in_a_super_segment_is_cut_out)
{
	recovery_sent(&rec, &map, 40 * MSS, 0, 10 * MS);
	ack(3, 4, 8, 111 * MS);
	ck_assert(out.enter);
	ck_assert_uint_eq(lost_segment(), 3);
	ck_assert_uint_eq(map.lost_bytes, MSS);
	ck_assert_uint_eq(map.in_flight_bytes, 32 * MSS);
}
END_TEST

/* Every second one of 20,000 segments is lost, and a reordering window is being waited for. */
START_TEST(an_ack_in_a_large_window_looks_at_few_records)
{
	unsigned i, n = 20000;

	for (i = 0; i < n; i++)
		recovery_sent(&rec, &map, MSS, 0, 10 * MS + i * 1000);
	rec.reord_seen = true;
	for (i = 1; i < n; i += 2) {
		struct sack_block b = {seq_of(ISN + i * MSS), seq_of(ISN + (i + 1) * MSS)};
		struct recovery_in in = {.ack = map.una, .sack = &b, .nsack = 1, .mss = MSS};
		uint64_t before = map.steps;

		recovery_ack(&rec, &map, &rtt, &in, 10 * MS + RTT_NS + i * 1000, &out);
		if (map.steps - before > 200)
			ck_abort_msg("ACK %u: %u steps", i, (unsigned)(map.steps - before));
	}
	ck_assert_uint_eq(map.lost_bytes, 0);
	recovery_reo_timeout(&rec, &map, &rtt, MSS, 10 * MS + 2 * RTT_NS, &out);
	ck_assert_uint_eq(map.lost_bytes, n / 2 * MSS);
}
END_TEST

START_TEST(newreno_repairs_one_segment_per_partial_ack)
{
	unsigned i;

	send(10, 10 * MS); /* 0 and 4 are lost */
	ack(0, 0, 0, 111 * MS);
	ack(0, 0, 0, 112 * MS);
	ck_assert_uint_eq(recovery_room(&rec, &map, 10 * MSS, MSS), 2 * MSS);
	ck_assert(!out.enter);
	ack(0, 0, 0, 113 * MS);
	ck_assert(out.enter);
	ck_assert_uint_eq(lost_segment(), 0);
	retransmit(113 * MS);
	for (i = 0; i < 5; i++)
		ack(0, 0, 0, (114 + i) * MS);
	ck_assert_uint_eq(recovery_pipe(&rec, &map), 2 * MSS); /* one unknown, one sent again */
	ack(4, 0, 0, 214 * MS);
	ck_assert(!out.leave && lost_segment() == 4);
	retransmit(214 * MS);
	ack(10, 0, 0, 314 * MS);
	ck_assert(out.leave && rec.state == RECOVERY_OPEN);
	ck_assert_uint_eq(rec.reno_sacked_bytes, 0);
}
END_TEST

START_TEST(newreno_does_not_fall_for_the_echo_of_its_own_repairs)
{
	send(6, 10 * MS);
	ck_assert(recovery_timeout(&rec, &map, 600 * MS));
	while (sent_next_lost(&map))
		retransmit(600 * MS);
	ack(6, 0, 0, 700 * MS);
	ck_assert(out.leave);
	send(6, 701 * MS);
	ack(6, 0, 0, 702 * MS); /* duplicates drawn by needless retransmissions */
	ack(6, 0, 0, 703 * MS);
	ack(6, 0, 0, 704 * MS);
	ck_assert(!out.enter);
	ack(7, 0, 0, 801 * MS); /* beyond the recovery point: now they count */
	ack(7, 0, 0, 802 * MS);
	ack(7, 0, 0, 803 * MS);
	ack(7, 0, 0, 804 * MS);
	ck_assert(out.enter);
}
END_TEST

START_TEST(an_ack_out_of_the_window_changes_nothing)
{
	send(3, 10 * MS);
	ack(2, 0, 0, 110 * MS);
	ack(1, 0, 0, 111 * MS);
	ck_assert(!out.progress);
	ack(9, 0, 0, 112 * MS);
	ck_assert(!out.progress);
	ck_assert_uint_eq(map.in_flight_bytes, MSS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("recovery");
	TCase *sack = tcase_create("sack"), *plain = tcase_create("newreno");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(sack, setup_sack, teardown);
	tcase_add_test(sack, third_segment_sacked_above_a_hole_starts_recovery);
	tcase_add_test(sack, reordering_widens_the_window_and_the_timer_ends_it);
	tcase_add_test(sack, dsack_makes_the_window_wider);
	tcase_add_test(sack, lost_retransmission_is_found_without_a_timeout);
	tcase_add_test(sack, an_ack_too_early_for_the_retransmission_is_the_original_s);
	tcase_add_test(sack, prr_sends_what_ssthresh_allows);
	tcase_add_test(sack, timeout_loses_all_but_what_is_sacked);
	tcase_add_test(sack, timeout_on_a_sacked_head_means_the_peer_reneged);
	tcase_add_test(sack, tail_loss_draws_a_probe_then_the_timeout);
	tcase_add_test(sack, probe_that_repairs_the_loss_is_congestion);
	tcase_add_test(sack, probe_takes_the_last_segment_of_a_super_segment);
	tcase_add_test(sack, hole_in_a_super_segment_is_cut_out);
	tcase_add_test(sack, an_ack_in_a_large_window_looks_at_few_records);
	suite_add_tcase(s, sack);
	tcase_add_checked_fixture(plain, setup_plain, teardown);
	tcase_add_test(plain, newreno_repairs_one_segment_per_partial_ack);
	tcase_add_test(plain, newreno_does_not_fall_for_the_echo_of_its_own_repairs);
	tcase_add_test(plain, an_ack_out_of_the_window_changes_nothing);
	suite_add_tcase(s, plain);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
