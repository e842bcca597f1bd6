/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rate is the smaller of two: that at which the flight was sent, and that at which it was
 * acknowledged. ACKs that come in a bunch make the second too large, a pause before sending the
 * first.
 */
#include "rate.h"

#define SEC_NS 1000000000ull
/* What is acknowledged in the turn that sent it took no time by the stack's clock, which stands
 * still meanwhile: it is fast, and not unknown. Linux's clock is no finer. */
#define INTERVAL_MIN_NS 1000u

/* bytes below 2^31: the product stays in 64 bits. */
static uint64_t per_second(uint32_t bytes, uint64_t ns)
{
	return ns ? bytes * SEC_NS / ns : 0;
}

void rate_take(struct rate *r, const struct sent_map *m, const struct sent_ack *a,
	       uint64_t min_rtt_ns, struct rate_sample *rs)
{
	uint64_t send_ns, ack_ns;

	*rs = (struct rate_sample){.bw = 0};
	if (a->delivered_bytes == 0 || a->prior_delivered_ns == 0)
		return;
	rs->valid = true;
	rs->prior_delivered = a->prior_delivered;
	rs->app_limited = a->prior_app_limited;
	rs->delivered = (uint32_t)(m->delivered - a->prior_delivered);
	rs->tx_in_flight = a->prior_tx_in_flight;
	rs->lost = m->lost_total - a->prior_lost;
	send_ns = m->first_tx_ns - a->prior_first_tx_ns;
	ack_ns = m->delivered_ns - a->prior_delivered_ns;
	rs->interval_ns = send_ns > ack_ns ? send_ns : ack_ns;
	if (rs->interval_ns < INTERVAL_MIN_NS)
		rs->interval_ns = INTERVAL_MIN_NS;
	if (rs->interval_ns < min_rtt_ns)
		return;
	rs->bw = per_second(rs->delivered, rs->interval_ns);
	/* as Linux: a sample that the application held back counts only if it is the larger one */
	if (!rs->app_limited || rs->bw >= rate_last(r)) {
		r->interval_ns = rs->interval_ns;
		r->delivered = rs->delivered;
		r->app_limited = rs->app_limited;
	}
}

uint64_t rate_last(const struct rate *r)
{
	return per_second(r->delivered, r->interval_ns);
}
