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

/* As ack(); the ACK echoes what was sent at sent_ns (RFC 7323). */
static void ack_echo(unsigned una, unsigned s, unsigned e, uint64_t sent_ns, uint64_t now_ns)
{
	struct sack_block b = {seq_of(ISN + s * MSS), seq_of(ISN + e * MSS)};
	struct recovery_in in = {.ack = seq_of(ISN + una * MSS),
				 .sack = &b,
				 .nsack = s != e,
				 .mss = MSS,
				 .ts_valid = true,
				 .ts_sent_ms = sent_ns / MS,
				 .ts_rtt_ns = now_ns - sent_ns};

	recovery_ack(&rec, &map, &rtt, &in, now_ns, &out);
	sent_check(&map);
}

/* An ACK of all below una that reports segments [s, e) as duplicates. */
static void ack_dsack(unsigned una, unsigned s, unsigned e, uint64_t now_ns)
{
	struct sack_block b = {seq_of(ISN + s * MSS), seq_of(ISN + e * MSS)};
	struct recovery_in in = {
		.ack = seq_of(ISN + una * MSS), .sack = &b, .nsack = 1, .mss = MSS};

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

/* ---- undo: RFC 5682, 3522, 3708 ------------------------------------------------------------- */

/* Ten segments, a timeout, the head sent again. */
static void time_out(void)
{
	send(10, 10 * MS);
	ck_assert(recovery_timeout(&rec, &map, 500 * MS));
	retransmit(500 * MS);
}

START_TEST(frto_new_data_goes_before_repairs_and_an_original_s_ack_undoes)
{
	time_out();
	ack(1, 0, 0, 510 * MS); /* 2b: the head; by which of the two, nobody knows */
	ck_assert(!out.undo && recovery_wants_new(&rec));
	ck_assert_uint_eq(recovery_room(&rec, &map, 10 * MSS, MSS), 2 * MSS);
	send(2, 510 * MS);
	ck_assert_uint_eq(recovery_room(&rec, &map, 10 * MSS, MSS), 0);
	ack(3, 0, 0, 520 * MS); /* 3b: never sent again, and here it is */
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_FRTO);
	ck_assert(out.undone_loss && !out.leave && rec.state == RECOVERY_OPEN);
	ck_assert_uint_eq(map.lost_bytes, 0);
	ck_assert_uint_eq(map.in_flight_bytes, 9 * MSS);
	ack(12, 0, 0, 530 * MS);
	ck_assert(!out.undo && !out.enter && sent_empty(&map));
}
END_TEST

START_TEST(frto_undo_takes_back_what_rack_thought_it_had_learnt)
{
	time_out();
	ack(1, 0, 0, 650 * MS); /* long enough after to seem the retransmission's */
	send(2, 650 * MS);
	ack(2, 0, 0, 660 * MS);
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_FRTO);
	ck_assert(!out.enter && map.lost_bytes == 0);
}
END_TEST

START_TEST(frto_a_sack_of_an_original_undoes_too)
{
	time_out();
	ack(1, 0, 0, 510 * MS);
	send(2, 510 * MS);
	ack(1, 4, 6, 520 * MS);
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_FRTO);
}
END_TEST

START_TEST(frto_only_the_new_data_arrives_so_the_loss_was_real)
{
	time_out();
	ack(1, 0, 0, 600 * MS);
	send(2, 600 * MS);
	ack(1, 10, 11, 700 * MS); /* 3a */
	ck_assert(!out.undo && !recovery_wants_new(&rec) && rec.state == RECOVERY_LOSS);
	ck_assert_uint_eq(lost_segment(), 1);
	ack(1, 4, 6, 710 * MS); /* too late to be a proof */
	ck_assert(!out.undo);
}
END_TEST

START_TEST(frto_ends_where_there_is_nothing_new_to_send)
{
	time_out();
	ack(1, 0, 0, 510 * MS);
	ck_assert(recovery_wants_new(&rec));
	ck_assert(recovery_no_new(&rec));
	ck_assert(!recovery_wants_new(&rec));
	ack(3, 0, 0, 520 * MS);
	ck_assert(!out.undo && rec.state == RECOVERY_LOSS);
}
END_TEST

START_TEST(frto_an_ack_for_everything_proves_nothing)
{
	time_out();
	ack(10, 0, 0, 600 * MS); /* 2a */
	ck_assert(!out.undo && out.leave && out.left_loss);
}
END_TEST

START_TEST(frto_is_not_for_a_timeout_within_recovery)
{
	send(10, 10 * MS);
	ack(0, 1, 5, 115 * MS);
	ck_assert(out.enter);
	retransmit(115 * MS);
	recovery_timeout(&rec, &map, 700 * MS);
	retransmit(700 * MS);
	ack(5, 0, 0, 710 * MS);
	ck_assert(!recovery_wants_new(&rec));
}
END_TEST

START_TEST(frto_goes_on_when_the_head_times_out_again)
{
	time_out();
	recovery_timeout(&rec, &map, 1500 * MS);
	retransmit(1500 * MS);
	ack(1, 0, 0, 1510 * MS);
	send(1, 1510 * MS);
	ack(2, 0, 0, 1520 * MS);
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_FRTO);
}
END_TEST

START_TEST(frto_can_be_switched_off)
{
	struct recovery_cfg cfg = rec.cfg;

	cfg.frto = false;
	recovery_configure(&rec, &cfg);
	time_out();
	ack(1, 0, 0, 510 * MS);
	ck_assert(!recovery_wants_new(&rec));
	ack(3, 0, 0, 520 * MS);
	ck_assert(!out.undo);
}
END_TEST

START_TEST(eifel_an_echo_from_before_the_retransmission_undoes_the_timeout)
{
	time_out();
	ack_echo(1, 0, 0, 10 * MS, 510 * MS);
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_EIFEL);
	ck_assert(out.undone_loss && rec.state == RECOVERY_OPEN && map.lost_bytes == 0);
	ck_assert_uint_eq(rec.rto_row, 0);
}
END_TEST

START_TEST(eifel_an_echo_of_the_retransmission_is_no_proof)
{
	time_out();
	ack_echo(1, 0, 0, 500 * MS, 600 * MS);
	ck_assert(!out.undo && rec.state == RECOVERY_LOSS);
}
END_TEST

START_TEST(eifel_undoes_a_fast_retransmit_and_takes_it_for_reordering)
{
	send(10, 10 * MS);
	ack(0, 1, 4, 113 * MS);
	ck_assert(out.enter);
	retransmit(114 * MS);
	ack_echo(4, 0, 0, 10 * MS, 120 * MS);
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_EIFEL);
	ck_assert(!out.undone_loss && !out.leave && rec.reord_seen);
	ck_assert(rec.state == RECOVERY_OPEN && !out.enter);
	ack(4, 5, 8, 125 * MS); /* as before; but now there is a window for it */
	ck_assert(!out.enter && rec.reo_ns > 0);
}
END_TEST

START_TEST(eifel_what_was_not_sent_again_proves_nothing)
{
	send(10, 10 * MS);
	ack(0, 1, 4, 113 * MS);
	retransmit(114 * MS);
	ack_echo(4, 0, 0, 114 * MS, 214 * MS);
	ck_assert(!out.undo && rec.state == RECOVERY_FAST);
	ack_echo(6, 0, 0, 15 * MS, 215 * MS);
	ck_assert(!out.undo);
}
END_TEST

/* A hole behind the first recovery's point is filled when a second one has sent something else. */
START_TEST(eifel_an_echo_of_the_last_recoverys_retransmission_is_no_proof)
{
	send(10, 10 * MS);
	ack(0, 1, 10, 117 * MS);
	send(8, 117 * MS);
	retransmit(125 * MS);
	ack(0, 11, 14, 220 * MS);
	ck_assert_uint_eq(lost_segment(), 10);
	retransmit(221 * MS);
	ack_echo(10, 11, 14, 125 * MS, 226 * MS);
	ck_assert(out.leave && out.enter && !out.undo && lost_segment() == 14);
	retransmit(228 * MS);
	ack_echo(14, 15, 18, 221 * MS, 321 * MS);
	ck_assert(!out.undo && rec.state == RECOVERY_FAST);
}
END_TEST

START_TEST(dsack_for_all_that_was_sent_again_undoes)
{
	send(10, 10 * MS);
	ack(0, 2, 6, 115 * MS);
	ck_assert_uint_eq(map.lost_bytes, 2 * MSS);
	retransmit(115 * MS);
	retransmit(115 * MS);
	ack(6, 0, 0, 120 * MS); /* by the originals, or not */
	ack_dsack(6, 0, 1, 216 * MS);
	ck_assert(!out.undo);
	ack_dsack(6, 1, 2, 217 * MS);
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_DSACK);
	ck_assert(!out.undone_loss && rec.state == RECOVERY_OPEN);
	ack_dsack(6, 1, 2, 218 * MS);
	ck_assert(!out.undo); /* once */
}
END_TEST

START_TEST(dsack_after_the_recovery_undoes_it_but_not_a_round_trip_later)
{
	send(4, 10 * MS);
	ack(0, 1, 4, 113 * MS);
	retransmit(114 * MS);
	ack(4, 0, 0, 120 * MS);
	ck_assert(out.leave);
	send(2, 121 * MS);
	ack_dsack(4, 0, 1, 216 * MS);
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_DSACK);
	ack(6, 0, 0, 222 * MS);
	send(4, 300 * MS);
	rec.reord_seen = false;
	ack(6, 7, 10, 404 * MS);
	ck_assert(out.enter);
	retransmit(404 * MS);
	ack(10, 0, 0, 410 * MS);
	send(2, 411 * MS);
	ack(12, 0, 0, 512 * MS);
	ack_dsack(12, 6, 7, 520 * MS);
	ck_assert(!out.undo);
}
END_TEST

START_TEST(dsack_of_a_timeout_s_retransmissions_undoes_it)
{
	struct recovery_cfg cfg = rec.cfg;

	cfg.frto = false;
	recovery_configure(&rec, &cfg);
	time_out();
	ack(4, 0, 0, 505 * MS);
	ack_dsack(4, 0, 1, 600 * MS);
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_DSACK);
	ck_assert(out.undone_loss);
	ck_assert_uint_eq(map.in_flight_bytes, 6 * MSS);
}
END_TEST

START_TEST(another_reduction_ends_the_chance_of_an_undo)
{
	time_out();
	recovery_undo_forget(&rec);
	ack_echo(1, 0, 0, 10 * MS, 510 * MS);
	ck_assert(!out.undo && rec.state == RECOVERY_LOSS);
}
END_TEST

START_TEST(reneged_sacks_are_forgotten_soon_after_the_ack_that_betrays_them)
{
	uint64_t at;

	send(5, 10 * MS);
	ack(0, 1, 3, 112 * MS);
	ack(1, 0, 0, 113 * MS);
	ck_assert(out.ack.reneged);
	ck_assert_int_eq(recovery_timer(&rec, &map, &rtt, MSS, true, &at), RECOVERY_TIMER_RTO);
	ck_assert_uint_eq(at, 113 * MS + rtt.srtt_ns / 2);
	ack(3, 0, 0, 120 * MS); /* it had only been a late ACK */
	recovery_timer(&rec, &map, &rtt, MSS, false, &at);
	ck_assert_uint_gt(at, 200 * MS);
}
END_TEST

START_TEST(probe_takes_the_place_of_an_earlier_timeout)
{
	uint64_t at;

	rtt_init(&rtt);
	for (int i = 0; i < 40; i++)
		rtt_sample(&rtt, 900 * MS, 1, 1); /* RTO 1.1 s, twice the SRTT 1.8 s */
	send(3, 10 * MS);
	ck_assert_int_eq(recovery_timer(&rec, &map, &rtt, MSS, true, &at), RECOVERY_TIMER_TLP);
	ck_assert_uint_eq(at, 10 * MS + rtt_rto_ns(&rtt));
}
END_TEST

START_TEST(no_second_probe_without_a_round_trip_measured_in_between)
{
	uint64_t at;

	send(2, 10 * MS);
	recovery_retransmitted(&rec, &map, recovery_probe(&rec, &map, MSS), MSS, 320 * MS);
	recovery_probe_sent(&rec, &map, true, true);
	ack(2, 0, 0, 420 * MS);
	send(1, 421 * MS);
	rec.tlp_out = false;
	ck_assert_int_eq(recovery_timer(&rec, &map, &rtt, MSS, true, &at), RECOVERY_TIMER_RTO);
	ack(3, 0, 0, 521 * MS);
	send(1, 522 * MS);
	ck_assert_int_eq(recovery_timer(&rec, &map, &rtt, MSS, true, &at), RECOVERY_TIMER_TLP);
}
END_TEST

START_TEST(reordering_is_measured_in_segments_up_to_the_bound)
{
	struct recovery_cfg cfg = rec.cfg;

	cfg.reordering_max = 6;
	recovery_configure(&rec, &cfg);
	send(20, 10 * MS);
	rec.reord_seen = true;
	ack(0, 1, 6, 112 * MS);
	ack(6, 0, 0, 113 * MS);
	ck_assert_uint_eq(rec.reordering, 6);
	ack(6, 7, 17, 122 * MS);
	ack(17, 0, 0, 123 * MS);
	ck_assert_uint_eq(rec.reordering, 6);
	ck_assert_uint_eq(rec.reord_times, 2);
}
END_TEST

START_TEST(newreno_learns_from_a_needless_fast_retransmit)
{
	unsigned i;

	send(20, 10 * MS);
	for (i = 0; i < 5; i++)
		ack(0, 0, 0, (111 + i) * MS);
	ck_assert(rec.state == RECOVERY_FAST);
	retransmit(116 * MS);
	ack_echo(6, 0, 0, 10 * MS, 120 * MS);
	ck_assert_int_eq(out.undo, RECOVERY_UNDO_EIFEL);
	ck_assert_uint_eq(rec.reordering, 6);
	ck_assert_uint_eq(map.lost_bytes, 0);
	ack(6, 0, 0, 121 * MS); /* the duplicate ACK that the retransmission draws */
	ck_assert(!out.enter);
}
END_TEST

START_TEST(newreno_frto_needs_two_acks_that_advance)
{
	time_out();
	ack(1, 0, 0, 510 * MS);
	send(2, 510 * MS);
	ack(1, 0, 0, 520 * MS); /* 3a: a duplicate */
	ck_assert(!out.undo && !recovery_wants_new(&rec));
	ck_assert_uint_eq(lost_segment(), 1);
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
		uint64_t before = map.index.steps;

		recovery_ack(&rec, &map, &rtt, &in, 10 * MS + RTT_NS + i * 1000, &out);
		if (map.index.steps - before > 200)
			ck_abort_msg("ACK %u: %u steps", i, (unsigned)(map.index.steps - before));
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
	tcase_add_test(sack, frto_new_data_goes_before_repairs_and_an_original_s_ack_undoes);
	tcase_add_test(sack, frto_undo_takes_back_what_rack_thought_it_had_learnt);
	tcase_add_test(sack, frto_a_sack_of_an_original_undoes_too);
	tcase_add_test(sack, frto_only_the_new_data_arrives_so_the_loss_was_real);
	tcase_add_test(sack, frto_ends_where_there_is_nothing_new_to_send);
	tcase_add_test(sack, frto_an_ack_for_everything_proves_nothing);
	tcase_add_test(sack, frto_is_not_for_a_timeout_within_recovery);
	tcase_add_test(sack, frto_goes_on_when_the_head_times_out_again);
	tcase_add_test(sack, frto_can_be_switched_off);
	tcase_add_test(sack, eifel_an_echo_from_before_the_retransmission_undoes_the_timeout);
	tcase_add_test(sack, eifel_an_echo_of_the_retransmission_is_no_proof);
	tcase_add_test(sack, eifel_undoes_a_fast_retransmit_and_takes_it_for_reordering);
	tcase_add_test(sack, eifel_what_was_not_sent_again_proves_nothing);
	tcase_add_test(sack, eifel_an_echo_of_the_last_recoverys_retransmission_is_no_proof);
	tcase_add_test(sack, dsack_for_all_that_was_sent_again_undoes);
	tcase_add_test(sack, dsack_after_the_recovery_undoes_it_but_not_a_round_trip_later);
	tcase_add_test(sack, dsack_of_a_timeout_s_retransmissions_undoes_it);
	tcase_add_test(sack, another_reduction_ends_the_chance_of_an_undo);
	tcase_add_test(sack, reneged_sacks_are_forgotten_soon_after_the_ack_that_betrays_them);
	tcase_add_test(sack, probe_takes_the_place_of_an_earlier_timeout);
	tcase_add_test(sack, no_second_probe_without_a_round_trip_measured_in_between);
	tcase_add_test(sack, reordering_is_measured_in_segments_up_to_the_bound);
	suite_add_tcase(s, sack);
	tcase_add_checked_fixture(plain, setup_plain, teardown);
	tcase_add_test(plain, newreno_repairs_one_segment_per_partial_ack);
	tcase_add_test(plain, newreno_does_not_fall_for_the_echo_of_its_own_repairs);
	tcase_add_test(plain, an_ack_out_of_the_window_changes_nothing);
	tcase_add_test(plain, frto_new_data_goes_before_repairs_and_an_original_s_ack_undoes);
	tcase_add_test(plain, eifel_an_echo_from_before_the_retransmission_undoes_the_timeout);
	tcase_add_test(plain, frto_an_ack_for_everything_proves_nothing);
	tcase_add_test(plain, newreno_learns_from_a_needless_fast_retransmit);
	tcase_add_test(plain, newreno_frto_needs_two_acks_that_advance);
	suite_add_tcase(s, plain);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
