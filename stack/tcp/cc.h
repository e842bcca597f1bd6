/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Congestion control: decides how much may be in flight (cwnd). It hears of events, in FreeBSD's
 * words, and must never see the connection, decide what is lost, or arm a timer. Algorithms are
 * rows of a const table, found by enum cc_algo: no function pointer lies in the arena.
 *
 * RFC 5681, 3465 (ABC), 6928 (initial window), 7661 (growth only when cwnd was used), 9438 (CUBIC),
 * 9406 (HyStart++). All windows are bytes.
 */
#ifndef STACK_TCP_CC_H
#define STACK_TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

#include "../seq.h"
#include "../stack.h" /* enum cc_algo */
#include "hystart.h"
#include "rate.h"

#define CC_IW_SEGMENTS 10u /* RFC 6928 */
#define CC_MIN_SEGMENTS 2u /* ssthresh never falls below (RFC 5681 eq. 4) */
#define CC_SSTHRESH_INF 0x7fffffffu
#define CC_CWND_MAX (1u << 30) /* the largest window TCP can use (RFC 7323 2.3) */

enum cc_signal {
	CC_SIGNAL_ECN,       /* the peer echoed a mark (RFC 3168): at most once per round trip */
	CC_SIGNAL_NDUPACK,   /* a loss was found without a timeout; fast recovery begins */
	CC_SIGNAL_RTO,       /* the retransmission timer fired */
	CC_SIGNAL_RTO_AGAIN, /* once more for the same loss: ssthresh stays (RFC 5681 3.1) */
};

/* RFC 9438 4 */
struct cc_cubic {
	uint64_t epoch_ns;   /* start of the present congestion avoidance stage; 0: none */
	uint64_t idle_ns;    /* since when cwnd is not in use; 0: it is (5.8) */
	uint64_t w_est_fp;   /* the Reno-friendly estimate, in 1/1024 byte (4.3) */
	uint32_t w_max;      /* bytes; 0: none (after a timeout) */
	uint32_t cwnd_prior; /* cwnd before the last reduction, bytes */
	uint32_t k_ms;       /* from epoch_ns until w_max is reached again */
	uint32_t grow_fp;    /* growth not yet a whole byte, in 1/1024 byte */
	/* 4.9: as they were before the last reduction, should it prove needless */
	struct {
		uint64_t epoch_ns, w_est_fp;
		uint32_t w_max, cwnd_prior, k_ms;
	} undo;
};

/* BBR: cc_bbr.h says what it means. */
struct cc_bbr {
	uint64_t max_bw[2]; /* of the last probing cycle, and of this one */
	uint64_t bw, bw_lo, bw_latest, full_bw, undo_bw_lo;
	uint64_t delivered, next_round_delivered, loss_round_delivered;
	uint64_t min_rtt_ns, min_rtt_stamp_ns;
	uint64_t probe_rtt_min_ns, probe_rtt_min_stamp_ns, probe_rtt_done_ns;
	uint64_t cycle_ns, probe_wait_ns, extra_acked_start_ns;
	uint32_t inflight_hi, inflight_lo, inflight_latest;
	uint32_t undo_inflight_hi, undo_inflight_lo, saved_cwnd;
	uint32_t probe_up_cnt, probe_up_acks;
	uint32_t extra_acked[2], extra_acked_bytes;
	uint32_t lost_in_round, delivered_in_round, spread;
	uint8_t state; /* enum bbr_state */
	uint8_t acks;  /* enum bbr_acks: what the ACKs now coming answer */
	uint8_t full_bw_count, probe_up_rounds, rounds_since_probe, extra_acked_rounds, loss_events;
	bool full_bw_now, full_bw_reached, round_start, loss_round_start, loss_in_round;
	bool probe_samples, idle_restart, probe_rtt_round_done, has_rtt;
	bool was_loss, in_recovery, recovery_round;
};

struct cc {
	uint8_t algo;        /* enum cc_algo */
	uint32_t cwnd;       /* bytes, at least one mss */
	uint32_t ssthresh;   /* bytes; CC_SSTHRESH_INF until the first loss */
	uint32_t mss;        /* payload bytes of a full segment, options taken off */
	uint32_t abc_acked;  /* RFC 3465 2.1: bytes acked in congestion avoidance, not yet used */
	uint32_t prior_cwnd; /* before the last reduction: for an undo; 0: nothing to undo */
	uint32_t prior_ssthresh;
	uint64_t pacing_rate; /* bytes per second, of one that paces; 0: not known yet */
	union {
		struct {
			struct hystart hystart;
			struct cc_cubic cubic;
		};
		struct cc_bbr bbr;
	};
};

struct cc_ack {
	uint32_t acked_bytes;  /* that una moved over */
	uint32_t flight_bytes; /* in flight before this ACK came */
	bool cwnd_limited;     /* cwnd, and nothing else, had stopped output since the last ACK */
	bool in_loss;          /* repairing after an RTO: at most one MSS per ACK (RFC 3465 2.3) */
	bool paced;            /* what is sent now is paced: no bound per ACK in slow start */
	uint64_t srtt_ns;      /* 0: unknown */
	uint64_t rtt_ns;       /* the sample this ACK brought; 0: none */
	struct seq una, nxt;   /* after the ACK */
	bool in_recovery;      /* repairing, by whatever means */
	uint32_t delivered_bytes, lost_bytes; /* newly acked or sacked; newly marked lost */
	uint32_t in_flight_bytes;             /* now */
	uint64_t delivered;                   /* ever, as rate_sample.prior_delivered */
	const struct rate_sample *rate;       /* never NULL; .valid where this ACK brought one */
};

/* mss: at least 1. cwnd becomes the initial window. */
void cc_init(struct cc *cc, enum cc_algo algo, uint32_t mss);

/* Changes the algorithm of a live connection; cwnd and ssthresh stay. */
void cc_set_algo(struct cc *cc, enum cc_algo algo);

/* The MSS became known, or changed (path MTU). before_data: nothing sent yet, so that the initial
 * window follows; else cwnd stays, but for the floor of one MSS. */
void cc_mss_set(struct cc *cc, uint32_t mss, bool before_data);

/* The handshake lost a SYN or SYN-ACK: the initial window is one segment (RFC 5681 3.1). */
void cc_syn_lost(struct cc *cc);

void cc_ack_received(struct cc *cc, const struct cc_ack *ack, uint64_t now_ns);

/* flight_bytes: FlightSize when the loss was found, before anything was marked. */
void cc_cong_signal(struct cc *cc, enum cc_signal sig, uint32_t flight_bytes, uint64_t now_ns);

/*
 * The last signal proved to be a mistake: nothing had been lost (RFC 4015 3.2, 9438 4.9). cwnd and
 * ssthresh are again what they were before it, unless they are larger by now. Once for each signal:
 * a second call changes nothing.
 */
void cc_undo(struct cc *cc);

/* Recovery is over. flight_bytes: in flight now; cwnd becomes ssthresh, without a burst (RFC 6582
 * 3.2 step 3). To be called for FAST only; LOSS ends in ordinary growth. */
void cc_post_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_ns);

/* Nothing was sent for idle_ns, at least rto_ns: cwnd falls back by half per RTO, to no less than
 * the initial window (RFC 5681 4.1, 2861; tcp_slow_start_after_idle). */
void cc_after_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint64_t now_ns);

/* l, of sent_loss_take(): a loss was found. Before cc_ack_received(). */
void cc_lost(struct cc *cc, const struct sent_loss *l, uint64_t now_ns);

/* Output begins with nothing in flight. */
void cc_restart(struct cc *cc, uint64_t now_ns);

/* TCP_CC_INFO's words; returns their bytes, 0 where the algorithm has none. */
uint32_t cc_info(const struct cc *cc, uint32_t info[5]);

/* Less than cwnd was used for an RTO, at most used_bytes: cwnd falls towards that, half of the way
 * (RFC 2861; for tcp_slow_start_after_idle). */
void cc_unused(struct cc *cc, uint32_t used_bytes);

/* Does it set the pace itself (and cwnd, also during recovery)? Then cc_pacing_rate() is its rate,
 * bytes per second. */
bool cc_paces(const struct cc *cc);
uint64_t cc_pacing_rate(const struct cc *cc);

/* RFC 6928: min(10 * MSS, max(2 * MSS, 14600)). */
uint32_t cc_initial_window(uint32_t mss);

/* "reno", "cubic", "bbr". */
const char *cc_name(enum cc_algo algo);
/* The algorithm of that name (len bytes, not terminated), or -1. */
int cc_by_name(const char *name, uint32_t len);

/* May an ACK that echoes a mark make the window larger (RFC 3168 6.1.2: not where ACKs do it)? */
static inline bool cc_grows_by_marked_acks(const struct cc *cc)
{
	return cc->algo != CC_RENO && cc->algo != CC_CUBIC;
}

static inline bool cc_in_slow_start(const struct cc *cc)
{
	return cc->cwnd < cc->ssthresh;
}

#endif
