/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BBR's states and what they mean for cwnd and the pace (draft-ietf-ccwg-bbr, BBRv3): STARTUP,
 * DRAIN, PROBE_BW (DOWN, CRUISE, REFILL, UP) and PROBE_RTT; the upper bound inflight_hi that
 * probing finds.
 * What it knows of the path is bbr_model.c's. It must never read a clock or draw randomness: the
 * spread of the probing times comes from the connection's own history.
 *
 * A mark (RFC 3168) counts as a round whose losses pass the threshold: the draft has no rule for
 * it.
 */
#include "cc_bbr.h"

#include <string.h>

#define SEC_NS 1000000000ull
#define PROBE_RTT_NS 200000000ull
#define PROBE_WAIT_NS (2 * SEC_NS) /* and up to one more */
#define RENO_ROUNDS_MAX 63u
#define FULL_LOSS_EVENTS 6u
#define UP_FLAT_ROUNDS 2u
#define PACING_MARGIN_PERCENT 1u
#define HEADROOM_PERCENT 15u
#define INITIAL_RTT_NS 1000000ull
#define RATE_MAX (1ull << 40)
#define GAIN(x) ((uint32_t)((x)*BBR_UNIT))

static const struct {
	uint16_t pacing, cwnd;
} gains[] = {
	[BBR_STARTUP] = {GAIN(2.77), GAIN(2)},  [BBR_DRAIN] = {GAIN(0.5), GAIN(2)},
	[BBR_DOWN] = {GAIN(0.9), GAIN(2)},      [BBR_CRUISE] = {GAIN(1), GAIN(2)},
	[BBR_REFILL] = {GAIN(1), GAIN(2)},      [BBR_UP] = {GAIN(1.25), GAIN(2.25)},
	[BBR_PROBE_RTT] = {GAIN(1), GAIN(0.5)},
};

static uint32_t min_pipe(const struct cc *cc)
{
	return BBR_MIN_PIPE_SEGMENTS * cc->mss;
}

static uint32_t at_least(uint32_t v, uint32_t floor)
{
	return v > floor ? v : floor;
}

static uint32_t quantum(const struct cc *cc)
{
	uint64_t q = cc->pacing_rate / 1000;

	if (q > 65536)
		q = 65536;
	return at_least((uint32_t)q, 2 * cc->mss);
}

/* Room for what is being put together and cut up again along the way. */
static uint32_t with_budget(const struct cc *cc, uint32_t inflight)
{
	inflight = at_least(at_least(inflight, 3 * quantum(cc)), min_pipe(cc));
	return cc->bbr.state == BBR_UP ? inflight + 2 * cc->mss : inflight;
}

static uint32_t inflight_at(const struct cc *cc, uint32_t gain)
{
	return with_budget(cc, bbr_bdp(cc, bbr_max_bw(&cc->bbr), gain));
}

static uint32_t inflight_with_headroom(const struct cc *cc)
{
	uint32_t hi = cc->bbr.inflight_hi, room;

	if (hi == BBR_INF)
		return BBR_INF;
	room = at_least((uint32_t)((uint64_t)hi * HEADROOM_PERCENT / 100), cc->mss);
	return at_least(hi > room ? hi - room : 0, min_pipe(cc));
}

static uint32_t target_inflight(const struct cc *cc)
{
	uint32_t bdp = bbr_bdp(cc, cc->bbr.bw, BBR_UNIT);

	return bdp < cc->cwnd ? bdp : cc->cwnd;
}

/* ---- control parameters --------------------------------------------------------------------- */

static void pacing_set(struct cc *cc, uint32_t gain)
{
	struct cc_bbr *b = &cc->bbr;
	uint64_t bw = b->bw < RATE_MAX ? b->bw : RATE_MAX, rate;

	rate = bw * gain / BBR_UNIT * (100 - PACING_MARGIN_PERCENT) / 100;
	if (rate > 0 && (b->full_bw_reached || rate > cc->pacing_rate))
		cc->pacing_rate = rate;
}

/* Before the first sample: the initial window in a round trip. */
static void pacing_init(struct cc *cc, uint64_t srtt_ns)
{
	uint64_t rtt = srtt_ns ? srtt_ns : INITIAL_RTT_NS;

	cc->bbr.has_rtt = srtt_ns != 0;
	cc->pacing_rate =
		cc_initial_window(cc->mss) * SEC_NS / rtt * gains[BBR_STARTUP].pacing / BBR_UNIT;
}

static void cwnd_save(struct cc *cc)
{
	struct cc_bbr *b = &cc->bbr;

	if (!b->in_recovery && b->state != BBR_PROBE_RTT)
		b->saved_cwnd = cc->cwnd;
	else
		b->saved_cwnd = at_least(cc->cwnd, b->saved_cwnd);
}

static void cwnd_restore(struct cc *cc)
{
	cc->cwnd = at_least(cc->cwnd, cc->bbr.saved_cwnd);
}

static void cwnd_set(struct cc *cc, const struct cc_ack *a)
{
	struct cc_bbr *b = &cc->bbr;
	uint32_t max, cap = BBR_INF, acked = a->delivered_bytes;

	max = with_budget(cc, bbr_bdp(cc, b->bw, gains[b->state].cwnd) + bbr_extra_acked(b));
	if (b->full_bw_reached)
		cc->cwnd = cc->cwnd + acked < max ? cc->cwnd + acked : max;
	else if (cc->cwnd < max || a->delivered < cc_initial_window(cc->mss))
		cc->cwnd += acked;
	cc->cwnd = at_least(cc->cwnd, min_pipe(cc));
	if (b->state == BBR_PROBE_RTT)
		cap = at_least(bbr_bdp(cc, b->bw, gains[BBR_PROBE_RTT].cwnd), min_pipe(cc));
	if (cc->cwnd > cap)
		cc->cwnd = cap;
	cap = BBR_INF;
	if (b->state == BBR_CRUISE || b->state == BBR_PROBE_RTT)
		cap = inflight_with_headroom(cc);
	else if (bbr_in_probe_bw(b))
		cap = b->inflight_hi;
	if (b->inflight_lo < cap)
		cap = b->inflight_lo;
	cap = at_least(cap, min_pipe(cc));
	if (cc->cwnd > cap)
		cc->cwnd = cap;
}

/* ---- ProbeBW -------------------------------------------------------------------------------- */

static uint32_t spread(struct cc_bbr *b, uint32_t below)
{
	b->spread = b->spread * 1664525u + 1013904223u + (uint32_t)b->bw;
	return (uint32_t)((uint64_t)b->spread * below >> 32);
}

static void down_start(struct cc *cc, const struct cc_ack *a, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;

	bbr_signals_reset(b);
	b->probe_up_cnt = BBR_INF;
	b->rounds_since_probe = (uint8_t)spread(b, 2);
	b->probe_wait_ns = PROBE_WAIT_NS + spread(b, (uint32_t)SEC_NS);
	b->cycle_ns = now_ns;
	b->acks = BBR_ACKS_STOPPING;
	bbr_round_start(b, a->delivered);
	b->state = BBR_DOWN;
}

static void refill_start(struct cc_bbr *b, const struct cc_ack *a)
{
	bbr_lower_bounds_reset(b);
	b->probe_up_rounds = 0;
	b->probe_up_acks = 0;
	b->acks = BBR_ACKS_REFILLING;
	bbr_round_start(b, a->delivered);
	b->state = BBR_REFILL;
}

/* inflight_hi grows by 1, 2, 4, ... segments a round. */
static void slope_raise(struct cc *cc)
{
	struct cc_bbr *b = &cc->bbr;
	uint32_t growth = 1u << b->probe_up_rounds;

	if (b->probe_up_rounds < 30)
		b->probe_up_rounds++;
	b->probe_up_cnt = at_least(cc->cwnd / growth, cc->mss);
}

static void up_start(struct cc *cc, const struct cc_ack *a, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;

	b->acks = BBR_ACKS_STARTING;
	bbr_round_start(b, a->delivered);
	bbr_full_bw_reset(b);
	b->full_bw = a->rate->bw;
	b->cycle_ns = now_ns;
	b->state = BBR_UP;
	slope_raise(cc);
}

static bool probe_due(const struct cc *cc, uint64_t now_ns)
{
	const struct cc_bbr *b = &cc->bbr;
	uint32_t rounds = target_inflight(cc) / cc->mss; /* Reno's time between two losses */

	if (rounds > RENO_ROUNDS_MAX)
		rounds = RENO_ROUNDS_MAX;
	return now_ns > b->cycle_ns + b->probe_wait_ns || b->rounds_since_probe >= rounds;
}

static void inflight_hi_found(struct cc *cc, uint32_t inflight, bool app_limited,
			      const struct cc_ack *a, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;

	b->probe_samples = false;
	if (!app_limited)
		b->inflight_hi =
			at_least(inflight, (uint32_t)((uint64_t)target_inflight(cc) * 7 / 10));
	if (b->state == BBR_UP)
		down_start(cc, a, now_ns);
}

static void inflight_hi_probe(struct cc *cc, const struct cc_ack *a)
{
	struct cc_bbr *b = &cc->bbr;
	uint32_t steps;

	if (!a->cwnd_limited || cc->cwnd < b->inflight_hi)
		return;
	b->probe_up_acks += a->delivered_bytes;
	if (b->probe_up_acks >= b->probe_up_cnt) {
		steps = b->probe_up_acks / b->probe_up_cnt;
		b->probe_up_acks -= steps * b->probe_up_cnt;
		if (b->inflight_hi < CC_CWND_MAX)
			b->inflight_hi += steps * cc->mss;
	}
	if (b->round_start)
		slope_raise(cc);
}

static void upper_bounds_adapt(struct cc *cc, const struct cc_ack *a, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;
	const struct rate_sample *rs = a->rate;

	if (b->acks == BBR_ACKS_STARTING && b->round_start)
		b->acks = BBR_ACKS_FEEDBACK;
	if (b->acks == BBR_ACKS_STOPPING && b->round_start) {
		b->probe_samples = false;
		b->acks = BBR_ACKS_INIT;
		if (bbr_in_probe_bw(b) && !rs->app_limited)
			bbr_max_bw_advance(b);
	}
	if (!rs->valid)
		return;
	if (bbr_inflight_too_high(rs->lost, rs->tx_in_flight)) {
		if (b->probe_samples)
			inflight_hi_found(cc, rs->tx_in_flight, rs->app_limited, a, now_ns);
		return;
	}
	if (b->inflight_hi == BBR_INF)
		return;
	if (rs->tx_in_flight > b->inflight_hi)
		b->inflight_hi = rs->tx_in_flight;
	if (b->state == BBR_UP)
		inflight_hi_probe(cc, a);
}

static bool time_to_go_down(struct cc *cc, const struct cc_ack *a)
{
	struct cc_bbr *b = &cc->bbr;

	if (a->cwnd_limited && cc->cwnd >= b->inflight_hi) {
		bbr_full_bw_reset(b); /* it is inflight_hi that holds the bandwidth back */
		b->full_bw = a->rate->bw;
		return false;
	}
	/* The draft waits for the third round without growth. With round trips that the probe
	 * itself stretches that is more than a BDP of queue: two will do where that much is in
	 * flight. */
	return b->full_bw_now || (b->full_bw_count >= UP_FLAT_ROUNDS &&
				  a->in_flight_bytes > inflight_at(cc, gains[BBR_UP].pacing));
}

static void phase_update(struct cc *cc, const struct cc_ack *a, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;

	if (!b->full_bw_reached)
		return;
	upper_bounds_adapt(cc, a, now_ns);
	switch (b->state) {
	case BBR_DOWN:
		if (probe_due(cc, now_ns))
			refill_start(b, a);
		else if (a->in_flight_bytes <= inflight_with_headroom(cc) &&
			 a->in_flight_bytes <= inflight_at(cc, BBR_UNIT))
			b->state = BBR_CRUISE;
		break;
	case BBR_CRUISE:
		if (probe_due(cc, now_ns))
			refill_start(b, a);
		break;
	case BBR_REFILL:
		if (b->round_start) {
			b->probe_samples = true;
			up_start(cc, a, now_ns);
		}
		break;
	case BBR_UP:
		if (time_to_go_down(cc, a))
			down_start(cc, a, now_ns);
		break;
	}
}

/* ---- the other states ----------------------------------------------------------------------- */

/* The end of STARTUP by loss: too much of it, in a round of recovery. */
static void startup_loss_check(struct cc *cc, const struct cc_ack *a)
{
	struct cc_bbr *b = &cc->bbr;

	if (b->full_bw_reached || !b->loss_round_start || !b->recovery_round ||
	    b->loss_events < FULL_LOSS_EVENTS || !a->rate->valid ||
	    !bbr_inflight_too_high(a->rate->lost, a->rate->tx_in_flight))
		return;
	b->full_bw_reached = true;
	b->inflight_hi = at_least(bbr_bdp(cc, bbr_max_bw(b), BBR_UNIT), b->inflight_latest);
}

static void startup_and_drain_check(struct cc *cc, const struct cc_ack *a, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;

	if (b->state == BBR_STARTUP && b->full_bw_reached)
		b->state = BBR_DRAIN;
	if (b->state == BBR_DRAIN && a->in_flight_bytes <= inflight_at(cc, BBR_UNIT))
		down_start(cc, a, now_ns);
}

static void probe_rtt_done(struct cc *cc, uint64_t delivered, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;
	const struct cc_ack a = {.delivered = delivered};

	if (b->probe_rtt_done_ns == 0 || now_ns <= b->probe_rtt_done_ns)
		return;
	b->probe_rtt_min_stamp_ns = now_ns;
	cwnd_restore(cc);
	bbr_lower_bounds_reset(b);
	if (b->full_bw_reached) {
		down_start(cc, &a, now_ns);
		b->state = BBR_CRUISE;
	} else {
		b->state = BBR_STARTUP;
	}
}

static void probe_rtt_check(struct cc *cc, const struct cc_ack *a, bool due, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;
	uint32_t low = at_least(bbr_bdp(cc, b->bw, gains[BBR_PROBE_RTT].cwnd), min_pipe(cc));

	if (b->state != BBR_PROBE_RTT && due && !b->idle_restart) {
		cwnd_save(cc);
		b->state = BBR_PROBE_RTT;
		b->probe_rtt_done_ns = 0;
		b->acks = BBR_ACKS_STOPPING;
		bbr_round_start(b, a->delivered);
	}
	if (a->delivered_bytes)
		b->idle_restart = false;
	if (b->state != BBR_PROBE_RTT)
		return;
	if (b->probe_rtt_done_ns == 0 && a->in_flight_bytes <= low) {
		b->probe_rtt_done_ns = now_ns + PROBE_RTT_NS;
		b->probe_rtt_round_done = false;
		bbr_round_start(b, a->delivered);
	} else if (b->probe_rtt_done_ns) {
		b->probe_rtt_round_done |= b->round_start;
		if (b->probe_rtt_round_done)
			probe_rtt_done(cc, a->delivered, now_ns);
	}
}

/* ---- what cc.h asks for --------------------------------------------------------------------- */

void cc_bbr_init(struct cc *cc)
{
	struct cc_bbr *b = &cc->bbr;

	memset(b, 0, sizeof(*b));
	b->min_rtt_ns = b->probe_rtt_min_ns = UINT64_MAX;
	b->inflight_hi = BBR_INF;
	b->probe_up_cnt = BBR_INF;
	bbr_lower_bounds_reset(b);
	b->state = BBR_STARTUP;
	cc->ssthresh = CC_SSTHRESH_INF;
	pacing_init(cc, 0);
}

void cc_bbr_ack(struct cc *cc, const struct cc_ack *a, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;
	bool due;

	if (!b->has_rtt && a->srtt_ns)
		pacing_init(cc, a->srtt_ns);
	if (b->was_loss && !a->in_loss)
		cwnd_restore(cc);
	b->was_loss = a->in_loss;
	b->delivered = a->delivered;
	b->in_recovery = a->in_recovery;
	bbr_model_update(cc, a, now_ns);
	bbr_full_bw_check(b, a);
	startup_loss_check(cc, a);
	if (b->loss_round_start)
		b->recovery_round = a->in_recovery;
	startup_and_drain_check(cc, a, now_ns);
	phase_update(cc, a, now_ns);
	due = bbr_min_rtt_update(b, a, now_ns);
	probe_rtt_check(cc, a, due, now_ns);
	bbr_model_advance(cc, a);
	pacing_set(cc, gains[b->state].pacing);
	cwnd_set(cc, a);
}

void cc_bbr_lost(struct cc *cc, const struct sent_loss *l, uint64_t now_ns)
{
	const struct rate_sample none = {.bw = 0};
	const struct cc_ack a = {.delivered = cc->bbr.delivered, .rate = &none};
	int64_t before, lost, prefix;

	if (!cc->bbr.probe_samples || !bbr_inflight_too_high(l->lost, l->tx_in_flight))
		return;
	/* how far into that record the losses passed the threshold */
	before = (int64_t)l->tx_in_flight - l->bytes;
	lost = (int64_t)l->lost - l->bytes;
	prefix = (before * BBR_LOSS_THRESH_PERCENT - lost * 100) / (100 - BBR_LOSS_THRESH_PERCENT);
	if (before < 0)
		before = 0;
	if (prefix > 0)
		before += prefix;
	inflight_hi_found(cc, (uint32_t)before, l->app_limited, &a, now_ns);
}

void cc_bbr_signal(struct cc *cc, enum cc_signal sig, uint32_t flight_bytes, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;

	(void)flight_bytes, (void)now_ns;
	if (sig != CC_SIGNAL_RTO_AGAIN) {
		cwnd_save(cc);
		b->undo_bw_lo = b->bw_lo;
		b->undo_inflight_lo = b->inflight_lo;
		b->undo_inflight_hi = b->inflight_hi;
	}
	if (sig == CC_SIGNAL_ECN) {
		b->loss_in_round = true;
	} else if (sig != CC_SIGNAL_NDUPACK) {
		cc->cwnd = cc->mss; /* nothing is in flight any more */
		b->was_loss = true;
	}
}

void cc_bbr_undo(struct cc *cc)
{
	struct cc_bbr *b = &cc->bbr;

	b->loss_in_round = false;
	b->lost_in_round = 0;
	if (b->state == BBR_STARTUP)
		bbr_full_bw_reset(b);
	if (b->bw_lo < b->undo_bw_lo)
		b->bw_lo = b->undo_bw_lo;
	b->inflight_lo = at_least(b->inflight_lo, b->undo_inflight_lo);
	b->inflight_hi = at_least(b->inflight_hi, b->undo_inflight_hi);
}

void cc_bbr_post_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_ns)
{
	(void)cc, (void)flight_bytes, (void)now_ns; /* the model goes on */
}

void cc_bbr_after_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint64_t now_ns)
{
	(void)cc, (void)idle_ns, (void)rto_ns, (void)now_ns; /* the pace prevents a burst */
}

void cc_bbr_restart(struct cc *cc, uint64_t now_ns)
{
	struct cc_bbr *b = &cc->bbr;

	b->idle_restart = true;
	b->extra_acked_start_ns = now_ns;
	b->extra_acked_bytes = 0;
	if (bbr_in_probe_bw(b))
		pacing_set(cc, BBR_UNIT);
	else if (b->state == BBR_PROBE_RTT)
		probe_rtt_done(cc, b->delivered, now_ns);
}

uint32_t cc_bbr_info(const struct cc *cc, uint32_t info[5])
{
	const struct cc_bbr *b = &cc->bbr;
	uint64_t us = b->min_rtt_ns / 1000;

	info[0] = (uint32_t)b->bw;
	info[1] = (uint32_t)(b->bw >> 32);
	info[2] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
	info[3] = gains[b->state].pacing;
	info[4] = gains[b->state].cwnd;
	return 5 * sizeof(info[0]);
}
