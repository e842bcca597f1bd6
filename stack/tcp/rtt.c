/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round-trip time and RTO (RFC 6298). The variance term is never taken smaller than Linux's minimum
 * RTO, so that a peer delaying its ACKs does not draw retransmissions: RTO = SRTT + max(4 * RTTVAR,
 * 200 ms).
 */
#include "rtt.h"

void rtt_init(struct rtt *r)
{
	*r = (struct rtt){.rto_ns = RTT_RTO_INIT_NS};
}

/* The smallest sample of the last one to one and a half windows. */
static void min_update(struct rtt *r, uint64_t rtt_ns, uint64_t now_ns)
{
	uint64_t age_ns = now_ns - r->min_start_ns;

	if (r->min_ns == 0 || rtt_ns <= r->min_ns || age_ns > 2 * RTT_MIN_WINDOW_NS) {
		r->min_ns = rtt_ns;
		r->min_start_ns = now_ns;
		r->min_next_ns = 0;
		return;
	}
	if (age_ns > RTT_MIN_WINDOW_NS / 2 && (r->min_next_ns == 0 || rtt_ns < r->min_next_ns))
		r->min_next_ns = rtt_ns;
	if (age_ns > RTT_MIN_WINDOW_NS) {
		r->min_ns = r->min_next_ns;
		r->min_start_ns = now_ns;
		r->min_next_ns = 0;
	}
}

void rtt_sample(struct rtt *r, uint64_t rtt_ns, uint32_t flight_samples, uint64_t now_ns)
{
	uint64_t var_ns;

	if (rtt_ns == 0)
		rtt_ns = 1;
	r->latest_ns = rtt_ns;
	min_update(r, rtt_ns, now_ns);
	if (r->srtt_ns == 0) {
		r->srtt_ns = rtt_ns; /* 2.2 */
		r->rttvar_ns = rtt_ns / 2;
	} else {
		/* 2.3: beta = 1/4, alpha = 1/8, each over the samples of a round trip */
		int64_t n = flight_samples ? flight_samples : 1;
		int64_t err = (int64_t)(rtt_ns - r->srtt_ns);
		int64_t dev = err < 0 ? -err : err;

		r->rttvar_ns += (dev - (int64_t)r->rttvar_ns) / (4 * n);
		r->srtt_ns += err / (8 * n);
	}
	var_ns = 4 * r->rttvar_ns;
	if (var_ns < RTT_RTO_MIN_NS)
		var_ns = RTT_RTO_MIN_NS;
	r->rto_ns = r->srtt_ns + var_ns;
	if (r->rto_ns > RTT_RTO_MAX_NS)
		r->rto_ns = RTT_RTO_MAX_NS;
	r->backoff = 0;
}

uint64_t rtt_rto_ns(const struct rtt *r)
{
	unsigned shift = r->backoff < 16 ? r->backoff : 16;
	uint64_t rto_ns = r->rto_ns << shift;

	return rto_ns < RTT_RTO_MAX_NS ? rto_ns : RTT_RTO_MAX_NS;
}

void rtt_backoff(struct rtt *r)
{
	if (r->backoff < UINT8_MAX)
		r->backoff++;
}

void rtt_syn_lost(struct rtt *r)
{
	r->backoff = 0;
	if (r->srtt_ns == 0)
		r->rto_ns = 3000000000ull;
}
