/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BBR's model of the path (draft-ietf-ccwg-bbr, BBRv3): the largest bandwidth of the last two
 * probing cycles, the shortest round trip of ten seconds, how ACKs bunch, and the short-term lower
 * bounds that losses give. It must never set cwnd or the pace.
 *
 * Differences from the draft: a round gives lower bounds when its losses pass BBR_LOSS_THRESH,
 * not when there is any. Otherwise every round of a path with random losses, however few, takes its
 * loss rate and the pacing margin off bw_lo once more, for all the rounds between two probes. For
 * the same reason the round that answers the end of a probe gives none: its losses have bounded
 * inflight_hi.
 */
#include "cc_bbr.h"

#define SEC_NS 1000000000ull
#define FULL_BW_ROUNDS 3u
#define BETA_NUM 7u /* 0.7 */
#define BETA_DEN 10u
#define MIN_RTT_FILTER_NS (10 * SEC_NS)
#define PROBE_RTT_INTERVAL_NS (5 * SEC_NS)
#define EXTRA_ACKED_ROUNDS 5u /* of each of the two slots */

uint32_t bbr_gain(uint64_t bytes, uint32_t gain)
{
	uint64_t v = bytes < CC_CWND_MAX ? bytes * gain / BBR_UNIT : CC_CWND_MAX;

	return v < CC_CWND_MAX ? (uint32_t)v : CC_CWND_MAX;
}

/* What goes at bw in ns; bounded, so that nothing overflows. */
static uint64_t bytes_in(uint64_t bw, uint64_t ns)
{
	uint64_t us = ns / 1000;

	if (us && bw > UINT64_MAX / us)
		return CC_CWND_MAX;
	return bw * us / 1000000;
}

uint64_t bbr_max_bw(const struct cc_bbr *b)
{
	return b->max_bw[0] > b->max_bw[1] ? b->max_bw[0] : b->max_bw[1];
}

void bbr_max_bw_advance(struct cc_bbr *b)
{
	if (b->max_bw[1] == 0)
		return; /* the cycle brought no sample */
	b->max_bw[0] = b->max_bw[1];
	b->max_bw[1] = 0;
}

uint32_t bbr_bdp(const struct cc *cc, uint64_t bw, uint32_t gain)
{
	if (cc->bbr.min_rtt_ns == UINT64_MAX || bw == 0)
		return bbr_gain(cc_initial_window(cc->mss), gain);
	return bbr_gain(bytes_in(bw, cc->bbr.min_rtt_ns), gain);
}

void bbr_round_start(struct cc_bbr *b, uint64_t delivered)
{
	b->next_round_delivered = delivered;
}

void bbr_lower_bounds_reset(struct cc_bbr *b)
{
	b->bw_lo = BBR_BW_INF;
	b->inflight_lo = BBR_INF;
}

void bbr_signals_reset(struct cc_bbr *b)
{
	b->loss_in_round = false;
	b->lost_in_round = b->delivered_in_round = 0;
	b->bw_latest = 0;
	b->inflight_latest = 0;
}

void bbr_full_bw_reset(struct cc_bbr *b)
{
	b->full_bw = 0;
	b->full_bw_count = 0;
	b->full_bw_now = false;
}

void bbr_full_bw_check(struct cc_bbr *b, const struct cc_ack *a)
{
	if (b->full_bw_now || !b->round_start || a->rate->app_limited || b->state == BBR_PROBE_RTT)
		return;
	if (a->rate->bw >= b->full_bw + b->full_bw / 4) {
		bbr_full_bw_reset(b);
		b->full_bw = a->rate->bw;
		return;
	}
	if (++b->full_bw_count < FULL_BW_ROUNDS)
		return;
	b->full_bw_now = true;
	b->full_bw_reached = true;
}

/* Rounds, counted by deliveries: of the path, and of losses. */
static void rounds_update(struct cc_bbr *b, const struct cc_ack *a)
{
	const struct rate_sample *rs = a->rate;

	b->round_start = b->loss_round_start = false;
	if (!rs->valid)
		return;
	if (rs->bw > b->bw_latest)
		b->bw_latest = rs->bw;
	if (rs->delivered > b->inflight_latest)
		b->inflight_latest = rs->delivered;
	if (rs->prior_delivered >= b->loss_round_delivered) {
		b->loss_round_delivered = a->delivered;
		b->loss_round_start = true;
	}
	if (rs->prior_delivered >= b->next_round_delivered) {
		bbr_round_start(b, a->delivered);
		b->round_start = true;
		if (b->rounds_since_probe < UINT8_MAX)
			b->rounds_since_probe++;
	}
}

static void lower_bounds_adapt(struct cc *cc)
{
	struct cc_bbr *b = &cc->bbr;
	uint64_t bw;
	uint32_t in;

	if (b->state == BBR_STARTUP || b->state == BBR_REFILL || b->state == BBR_UP)
		return; /* probing for more: its losses bound inflight_hi */
	if (b->acks == BBR_ACKS_STOPPING)
		return; /* likewise, of the flight that a probe has sent */
	if (b->bw_lo == BBR_BW_INF)
		b->bw_lo = bbr_max_bw(b);
	if (b->inflight_lo == BBR_INF)
		b->inflight_lo = cc->cwnd;
	bw = b->bw_lo / BETA_DEN * BETA_NUM;
	in = b->inflight_lo / BETA_DEN * BETA_NUM;
	b->bw_lo = b->bw_latest > bw ? b->bw_latest : bw;
	b->inflight_lo = b->inflight_latest > in ? b->inflight_latest : in;
}

static void congestion_update(struct cc *cc, const struct cc_ack *a)
{
	struct cc_bbr *b = &cc->bbr;
	const struct rate_sample *rs = a->rate;

	if (rs->bw && (!rs->app_limited || rs->bw >= bbr_max_bw(b)) && rs->bw > b->max_bw[1])
		b->max_bw[1] = rs->bw;
	b->lost_in_round += a->lost_bytes;
	b->delivered_in_round += a->delivered_bytes;
	if (a->lost_bytes && b->loss_events < UINT8_MAX)
		b->loss_events++;
	if (!b->loss_round_start)
		return;
	if (b->loss_in_round || /* a mark */
	    bbr_inflight_too_high(b->lost_in_round, b->lost_in_round + b->delivered_in_round))
		lower_bounds_adapt(cc);
	b->loss_in_round = false;
	b->lost_in_round = b->delivered_in_round = 0;
}

uint32_t bbr_extra_acked(const struct cc_bbr *b)
{
	return b->extra_acked[0] > b->extra_acked[1] ? b->extra_acked[0] : b->extra_acked[1];
}

/* By how much what is acknowledged runs ahead of bw: what must be in flight on top, so that the
 * path does not run dry between two bunches. */
static void aggregation_update(struct cc *cc, const struct cc_ack *a, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;
	uint64_t expected;
	uint32_t extra;

	if (b->round_start &&
	    ++b->extra_acked_rounds >= (b->full_bw_reached ? EXTRA_ACKED_ROUNDS : 1)) {
		b->extra_acked_rounds = 0;
		b->extra_acked[0] = b->extra_acked[1];
		b->extra_acked[1] = 0;
	}
	expected = bytes_in(b->bw, now_ns - b->extra_acked_start_ns);
	if (b->extra_acked_bytes <= expected) {
		b->extra_acked_bytes = 0;
		b->extra_acked_start_ns = now_ns;
		expected = 0;
	}
	b->extra_acked_bytes += a->delivered_bytes;
	extra = b->extra_acked_bytes - (uint32_t)expected;
	if (extra > cc->cwnd)
		extra = cc->cwnd;
	if (extra > b->extra_acked[1])
		b->extra_acked[1] = extra;
}

bool bbr_min_rtt_update(struct cc_bbr *b, const struct cc_ack *a, uint64_t now_ns)
{
	bool expired = b->probe_rtt_min_stamp_ns && /* the first sample is no old one */
		       now_ns > b->probe_rtt_min_stamp_ns + PROBE_RTT_INTERVAL_NS;

	if (a->rtt_ns && (a->rtt_ns < b->probe_rtt_min_ns || expired)) {
		b->probe_rtt_min_ns = a->rtt_ns;
		b->probe_rtt_min_stamp_ns = now_ns;
	}
	if (b->probe_rtt_min_ns < b->min_rtt_ns ||
	    now_ns > b->min_rtt_stamp_ns + MIN_RTT_FILTER_NS) {
		b->min_rtt_ns = b->probe_rtt_min_ns;
		b->min_rtt_stamp_ns = b->probe_rtt_min_stamp_ns;
	}
	return expired;
}

void bbr_model_update(struct cc *cc, const struct cc_ack *a, uint64_t now_ns)
{
	rounds_update(&cc->bbr, a);
	congestion_update(cc, a);
	aggregation_update(cc, a, now_ns);
}

void bbr_model_advance(struct cc *cc, const struct cc_ack *a)
{
	struct cc_bbr *b = &cc->bbr;
	uint64_t max_bw = bbr_max_bw(b);

	if (b->loss_round_start) {
		b->bw_latest = a->rate->bw;
		b->inflight_latest = a->rate->delivered;
		b->loss_events = 0;
	}
	b->bw = max_bw < b->bw_lo ? max_bw : b->bw_lo;
}
