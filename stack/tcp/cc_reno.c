/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NewReno's windows: slow start and congestion avoidance counted in bytes, a half on loss. What is
 * retransmitted is recovery.c's. RFC 5681 3.1, 4.1; RFC 3465; RFC 6582 3.2; RFC 7661 (no growth
 * while the window is not in use); RFC 9406 (the end of the first slow start).
 */
#include "cc_reno.h"

/*
 * RFC 3465's L, in segments per ACK, after a timeout. Otherwise it is HYSTART_L without pacing,
 * none with it. One ACK answers a whole burst where the receiver coalesces segments; with RFC
 * 3465's L = 2 such a path would hardly grow.
 */
#define ABC_LIMIT_LOSS 1u

void cc_reno_init(struct cc *cc)
{
	hystart_init(&cc->hystart);
}

/* What this ACK may add in slow start. */
static uint32_t slow_start_inc(struct cc *cc, const struct cc_ack *ack)
{
	uint32_t inc = ack->acked_bytes, limit = HYSTART_L * cc->mss;

	if (ack->in_loss)
		limit = ABC_LIMIT_LOSS * cc->mss;
	if (inc > limit && (ack->in_loss || !ack->paced))
		inc = limit;
	if (cc->ssthresh != CC_SSTHRESH_INF || ack->in_loss)
		return inc; /* HyStart++ is for the first slow start only (RFC 9406 4.3) */
	if (hystart_ack(&cc->hystart, ack->una, ack->nxt, ack->rtt_ns))
		cc->ssthresh =
			cc->cwnd > CC_MIN_SEGMENTS * cc->mss ? cc->cwnd : CC_MIN_SEGMENTS * cc->mss;
	return cc->hystart.css ? inc / HYSTART_CSS_GROWTH_DIVISOR : inc;
}

uint32_t cc_reno_slow_start(struct cc *cc, const struct cc_ack *ack)
{
	uint32_t room, inc;

	if (!cc_in_slow_start(cc))
		return ack->acked_bytes;
	inc = slow_start_inc(cc, ack);
	if (!cc_in_slow_start(cc))
		return ack->acked_bytes;
	room = cc->ssthresh - cc->cwnd;
	if (inc <= room) {
		cc->cwnd += inc;
		return 0;
	}
	cc->cwnd = cc->ssthresh;
	return inc - room;
}

void cc_reno_ack(struct cc *cc, const struct cc_ack *ack, uint64_t now_ns)
{
	uint32_t left;

	(void)now_ns;
	if (!ack->cwnd_limited)
		return;
	left = cc_reno_slow_start(cc, ack);
	if (left == 0)
		return;
	cc->abc_acked += left;
	if (cc->abc_acked >= cc->cwnd) {
		cc->abc_acked -= cc->cwnd;
		if (cc->abc_acked > cc->cwnd)
			cc->abc_acked = cc->cwnd;
		cc->cwnd += cc->mss;
	}
}

void cc_reno_signal(struct cc *cc, enum cc_signal sig, uint32_t flight_bytes, uint64_t now_ns)
{
	uint32_t floor = CC_MIN_SEGMENTS * cc->mss;

	(void)now_ns;
	cc->abc_acked = 0;
	if (sig != CC_SIGNAL_RTO_AGAIN) {
		/* RFC 5681 eq. 4; what is in flight may be more than cwnd, or much less. */
		uint32_t base = flight_bytes < cc->cwnd ? flight_bytes : cc->cwnd;

		cc->ssthresh = base / 2 > floor ? base / 2 : floor;
	}
	if (sig == CC_SIGNAL_RTO || sig == CC_SIGNAL_RTO_AGAIN)
		cc->cwnd = cc->mss; /* the loss window */
	else if (cc->cwnd > cc->ssthresh)
		cc->cwnd = cc->ssthresh; /* meanwhile PRR paces output */
}

void cc_reno_post_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_ns)
{
	uint32_t most = (flight_bytes > cc->mss ? flight_bytes : cc->mss) + cc->mss;

	(void)now_ns;
	cc->cwnd = cc->ssthresh < most ? cc->ssthresh : most;
}

void cc_reno_after_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint64_t now_ns)
{
	uint32_t restart = cc_initial_window(cc->mss);

	(void)now_ns;
	if (cc->cwnd <= restart)
		return;
	/* RFC 2861: remember three quarters of what was, half the window for every RTO. */
	if (cc->ssthresh < cc->cwnd - cc->cwnd / 4)
		cc->ssthresh = cc->cwnd - cc->cwnd / 4;
	for (; idle_ns >= rto_ns && cc->cwnd > restart; idle_ns -= rto_ns)
		cc->cwnd /= 2;
	if (cc->cwnd < restart)
		cc->cwnd = restart;
}
