/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BBR, version 3 (draft-ietf-ccwg-bbr): the state of one connection, its model of the path
 * (bbr_model.c) and what follows from it (cc_bbr.c). Windows are bytes, rates bytes per second,
 * gains 1/256.
 */
#ifndef STACK_TCP_CC_BBR_H
#define STACK_TCP_CC_BBR_H

#include "cc.h"

#define BBR_INF UINT32_MAX
#define BBR_BW_INF UINT64_MAX
#define BBR_UNIT 256u
#define BBR_LOSS_THRESH_PERCENT 2u
#define BBR_MIN_PIPE_SEGMENTS 4u

enum bbr_state {
	BBR_STARTUP,
	BBR_DRAIN,
	BBR_DOWN, /* ProbeBW, its four phases */
	BBR_CRUISE,
	BBR_REFILL,
	BBR_UP,
	BBR_PROBE_RTT,
};

enum bbr_acks {
	BBR_ACKS_INIT,
	BBR_ACKS_REFILLING,
	BBR_ACKS_STARTING,
	BBR_ACKS_FEEDBACK,
	BBR_ACKS_STOPPING
};

static inline bool bbr_in_probe_bw(const struct cc_bbr *b)
{
	return b->state >= BBR_DOWN && b->state <= BBR_UP;
}

void cc_bbr_init(struct cc *cc);
void cc_bbr_ack(struct cc *cc, const struct cc_ack *ack, uint64_t now_ns);
void cc_bbr_lost(struct cc *cc, const struct sent_loss *l, uint64_t now_ns);
void cc_bbr_signal(struct cc *cc, enum cc_signal sig, uint32_t flight_bytes, uint64_t now_ns);
void cc_bbr_post_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_ns);
void cc_bbr_after_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint64_t now_ns);
void cc_bbr_restart(struct cc *cc, uint64_t now_ns);
void cc_bbr_undo(struct cc *cc);
uint32_t cc_bbr_info(const struct cc *cc, uint32_t info[5]);

/* ---- bbr_model.c ---------------------------------------------------------------------------- */

/* bytes * gain / 256, no more than CC_CWND_MAX. */
uint32_t bbr_gain(uint64_t bytes, uint32_t gain);
/* Bandwidth and rounds, the short-term bounds, what ACKs bring in bunches. */
void bbr_model_update(struct cc *cc, const struct cc_ack *a, uint64_t now_ns);
/* The end of an ACK's steps: what is latest of the next round, and bw from the bounds. */
void bbr_model_advance(struct cc *cc, const struct cc_ack *a);
/* 5.3.1.2: has the bandwidth stopped growing? */
void bbr_full_bw_check(struct cc_bbr *b, const struct cc_ack *a);
void bbr_full_bw_reset(struct cc_bbr *b);
void bbr_round_start(struct cc_bbr *b, uint64_t delivered);
void bbr_lower_bounds_reset(struct cc_bbr *b);
void bbr_signals_reset(struct cc_bbr *b);
uint64_t bbr_max_bw(const struct cc_bbr *b);
void bbr_max_bw_advance(struct cc_bbr *b);
/* gain times what the path holds at that rate; of the initial window while nothing is known */
uint32_t bbr_bdp(const struct cc *cc, uint64_t bw, uint32_t gain);
/* min_rtt and the delay that ProbeRTT goes by. True when ProbeRTT is due. */
bool bbr_min_rtt_update(struct cc_bbr *b, const struct cc_ack *a, uint64_t now_ns);
uint32_t bbr_extra_acked(const struct cc_bbr *b);
static inline bool bbr_inflight_too_high(uint32_t lost, uint32_t tx_in_flight)
{
	return (uint64_t)lost * 100 > (uint64_t)tx_in_flight * BBR_LOSS_THRESH_PERCENT;
}

#endif
