/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round-trip time and the retransmission timeout (RFC 6298; RFC 7323 4 for samples from
 * timestamps), with Linux's bounds. It decides how long to wait, never when a timer is armed.
 */
#ifndef STACK_TCP_RTT_H
#define STACK_TCP_RTT_H

#include <stdbool.h>
#include <stdint.h>

#define RTT_RTO_MIN_NS 200000000ull       /* Linux; the peer delays its ACKs by less than that */
#define RTT_RTO_MAX_NS 120000000000ull    /* Linux TCP_RTO_MAX */
#define RTT_RTO_INIT_NS 1000000000ull     /* RFC 6298 2.1 */
#define RTT_MIN_WINDOW_NS 300000000000ull /* min_rtt forgets after this long (tcp_min_rtt_wlen) */

struct rtt {
	uint64_t srtt_ns; /* 0: no sample yet */
	uint64_t rttvar_ns;
	uint64_t rto_ns;       /* without backoff, within the bounds */
	uint64_t latest_ns;    /* last sample */
	uint64_t min_ns;       /* smallest of the present window; 0: no sample yet */
	uint64_t min_next_ns;  /* smallest of the second half of the window; 0: none */
	uint64_t min_start_ns; /* when min_ns was established */
	uint8_t backoff;       /* timeouts in a row */
};

void rtt_init(struct rtt *r);

/*
 * One sample. rtt_ns 0 counts as 1. flight_samples: how many samples a round trip brings (RFC 7323
 * appendix G damps the gain when there are many); 0 or 1: one per round trip.
 * Ends the backoff.
 */
void rtt_sample(struct rtt *r, uint64_t rtt_ns, uint32_t flight_samples, uint64_t now_ns);

/* The timeout to use now, backed off: RTT_RTO_MIN_NS..RTT_RTO_MAX_NS. */
uint64_t rtt_rto_ns(const struct rtt *r);

/* The timer went off: the next timeout is twice as long (RFC 6298 5.5). */
void rtt_backoff(struct rtt *r);

/* New data was acknowledged (Karn: only when it could not have been a retransmission; Linux and
 * RFC 6298 5.7 both allow it on any forward progress): the backoff ends without a sample. */
static inline void rtt_progress(struct rtt *r)
{
	r->backoff = 0;
}

/* RFC 6298 5.7: the SYN or SYN-ACK timed out; without a sample the RTO for data begins at 3 s. */
void rtt_syn_lost(struct rtt *r);

#endif
