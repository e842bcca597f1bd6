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

struct cc {
	uint8_t algo;        /* enum cc_algo */
	uint32_t cwnd;       /* bytes, at least one mss */
	uint32_t ssthresh;   /* bytes; CC_SSTHRESH_INF until the first loss */
	uint32_t mss;        /* payload bytes of a full segment, options taken off */
	uint32_t abc_acked;  /* RFC 3465 2.1: bytes acked in congestion avoidance, not yet used */
	uint32_t prior_cwnd; /* before the last reduction: for an undo; 0: nothing to undo */
	uint32_t prior_ssthresh;
	struct hystart hystart;
	union {
		struct cc_cubic cubic;
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

/* RFC 6928: min(10 * MSS, max(2 * MSS, 14600)). */
uint32_t cc_initial_window(uint32_t mss);

/* "reno", "cubic". */
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
