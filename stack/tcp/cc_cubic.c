/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CUBIC's windows (RFC 9438): W(t) = C (t - K)^3 + W_max, concave up to the window of the last loss
 * and convex beyond; never slower than Reno would be; fast convergence. beta = 0.7, C = 0.4.
 * Fixed point: bytes, milliseconds, and 1/1024 byte where a remainder must not be lost.
 */
#include "cc_cubic.h"

#include "cc_reno.h"

#define NS_PER_MS 1000000ull
/* (t - K)^3 and the products below stay under 2^63: times are cut here (about 17 minutes). */
#define T_MAX_MS (1u << 20)
#define FP_SHIFT 10

/* alpha = 3 (1 - beta) / (1 + beta) = 9 / 17 (4.3) */
#define ALPHA_NUM 9u
#define ALPHA_DEN 17u

static uint32_t beta(uint32_t bytes)
{
	return (uint64_t)bytes * 7 / 10;
}

static uint64_t cube_root(uint64_t v)
{
	uint64_t r = 0;
	int bit;

	for (bit = 21; bit >= 0; bit--) {
		uint64_t t = r | 1ull << bit;

		/* t < 2^22 from the first step on; t^3 may pass 2^64 only when it is too large */
		if (t <= 2642245 && t * t * t <= v)
			r = t;
	}
	return r;
}

uint32_t cc_cubic_k_ms(uint32_t diff_bytes, uint32_t mss)
{
	/* K = cbrt(diff / C) s, diff in segments: (1000 K)^3 = diff_bytes / mss * 2.5 * 10^9 */
	return cube_root((uint64_t)diff_bytes * 2500000000ull / mss);
}

/* |C d^3| in bytes for d in ms. */
static uint64_t cubic_bytes(uint64_t d_ms, uint32_t mss)
{
	if (d_ms > T_MAX_MS)
		d_ms = T_MAX_MS;
	if (d_ms < 4096) /* the product is small enough to divide last */
		return d_ms * d_ms * d_ms * 4 / 10 * mss / 1000000000;
	return d_ms * d_ms * d_ms / 1000000 * 4 / 10 * mss / 1000;
}

/* W_cubic at t_ms into the epoch, in bytes, 0..CC_CWND_MAX. */
static uint32_t cubic_window(const struct cc *cc, uint64_t t_ms)
{
	const struct cc_cubic *cu = &cc->cubic;
	uint64_t off, w;

	if (t_ms < cu->k_ms) {
		off = cubic_bytes(cu->k_ms - t_ms, cc->mss);
		return off < cu->w_max ? cu->w_max - off : 0;
	}
	w = cu->w_max + cubic_bytes(t_ms - cu->k_ms, cc->mss);
	return w < CC_CWND_MAX ? w : CC_CWND_MAX;
}

void cc_cubic_init(struct cc *cc)
{
	hystart_init(&cc->hystart);
	cc->cubic = (struct cc_cubic){.epoch_ns = 0};
}

/* A congestion avoidance stage begins (4.2): from here cwnd climbs to w_max in K. */
static void epoch_start(struct cc *cc, uint64_t now_ns)
{
	struct cc_cubic *cu = &cc->cubic;

	cu->epoch_ns = now_ns ? now_ns : 1;
	cu->idle_ns = 0;
	cu->grow_fp = 0;
	cu->w_est_fp = (uint64_t)cc->cwnd << FP_SHIFT;
	if (cu->w_max > cc->cwnd) {
		cu->k_ms = cc_cubic_k_ms(cu->w_max - cc->cwnd, cc->mss);
	} else {
		cu->w_max = cc->cwnd;
		cu->k_ms = 0;
	}
}

/* 4.3: what Reno, with CUBIC's beta, would have by now. */
static uint32_t est_update(struct cc *cc, uint32_t acked)
{
	struct cc_cubic *cu = &cc->cubic;
	uint64_t inc = ((uint64_t)acked * cc->mss << FP_SHIFT) / cc->cwnd;

	if (cu->w_est_fp >> FP_SHIFT < cu->cwnd_prior)
		inc = inc * ALPHA_NUM / ALPHA_DEN;
	cu->w_est_fp += inc;
	if (cu->w_est_fp > (uint64_t)CC_CWND_MAX << FP_SHIFT)
		cu->w_est_fp = (uint64_t)CC_CWND_MAX << FP_SHIFT;
	return cu->w_est_fp >> FP_SHIFT;
}

void cc_cubic_ack(struct cc *cc, const struct cc_ack *ack, uint64_t now_ns)
{
	struct cc_cubic *cu = &cc->cubic;
	uint32_t left, est, target;
	uint64_t t_ms, grow_fp;

	if (!ack->cwnd_limited) {
		if (cu->idle_ns == 0)
			cu->idle_ns = now_ns;
		return;
	}
	if (cu->idle_ns) {
		/* 5.8: time in which cwnd was not in use is no time. */
		if (cu->epoch_ns)
			cu->epoch_ns += now_ns - cu->idle_ns;
		cu->idle_ns = 0;
	}
	left = cc_reno_slow_start(cc, ack);
	if (left == 0)
		return;
	if (cu->epoch_ns == 0)
		epoch_start(cc, now_ns);
	t_ms = (now_ns - cu->epoch_ns) / NS_PER_MS;
	est = est_update(cc, left);
	if (cubic_window(cc, t_ms) < est) {
		if (cc->cwnd < est)
			cc->cwnd = est;
		return;
	}
	/* 4.4, 4.5: towards where the curve is one round trip from now, at most half as much again
	 */
	target = cubic_window(cc, t_ms + ack->srtt_ns / NS_PER_MS);
	if (target > cc->cwnd + cc->cwnd / 2)
		target = cc->cwnd + cc->cwnd / 2;
	if (target <= cc->cwnd)
		return;
	if (left > cc->cwnd)
		left = cc->cwnd;
	grow_fp = cu->grow_fp + ((uint64_t)(target - cc->cwnd) * left << FP_SHIFT) / cc->cwnd;
	cc->cwnd += grow_fp >> FP_SHIFT;
	cu->grow_fp = grow_fp & ((1u << FP_SHIFT) - 1);
}

static void undo_save(struct cc_cubic *cu)
{
	cu->undo.epoch_ns = cu->epoch_ns;
	cu->undo.w_est_fp = cu->w_est_fp;
	cu->undo.w_max = cu->w_max;
	cu->undo.cwnd_prior = cu->cwnd_prior;
	cu->undo.k_ms = cu->k_ms;
}

void cc_cubic_undo(struct cc *cc)
{
	struct cc_cubic *cu = &cc->cubic;

	cu->epoch_ns = cu->undo.epoch_ns;
	cu->w_est_fp = cu->undo.w_est_fp;
	cu->w_max = cu->undo.w_max;
	cu->cwnd_prior = cu->undo.cwnd_prior;
	cu->k_ms = cu->undo.k_ms;
}

void cc_cubic_signal(struct cc *cc, enum cc_signal sig, uint32_t flight_bytes, uint64_t now_ns)
{
	struct cc_cubic *cu = &cc->cubic;
	uint32_t floor = CC_MIN_SEGMENTS * cc->mss;

	(void)now_ns;
	if (sig != CC_SIGNAL_RTO_AGAIN)
		undo_save(cu);
	cu->epoch_ns = 0;
	cu->idle_ns = 0;
	if (sig != CC_SIGNAL_RTO_AGAIN) {
		uint32_t base = flight_bytes < cc->cwnd ? flight_bytes : cc->cwnd;

		/* 4.7: a loss below the last one: someone new wants room, give some up. */
		if (cc->cwnd < cu->w_max)
			cu->w_max = (uint64_t)cc->cwnd * 17 / 20; /* (1 + beta) / 2 */
		else
			cu->w_max = cc->cwnd;
		cu->cwnd_prior = cc->cwnd;
		cc->ssthresh = beta(base) > floor ? beta(base) : floor;
	}
	if (sig == CC_SIGNAL_RTO || sig == CC_SIGNAL_RTO_AGAIN) {
		cu->w_max = 0; /* 4.8: the next stage begins where slow start ends */
		cc->cwnd = cc->mss;
	} else if (cc->cwnd > cc->ssthresh) {
		cc->cwnd = cc->ssthresh;
	}
}

void cc_cubic_post_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_ns)
{
	cc_reno_post_recovery(cc, flight_bytes, now_ns);
}

void cc_cubic_after_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint64_t now_ns)
{
	struct cc_cubic *cu = &cc->cubic;

	cc_reno_after_idle(cc, idle_ns, rto_ns, now_ns);
	cu->epoch_ns = 0;
	cu->idle_ns = 0;
}
