/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schedule: each piece moves the time of the next on by the time it takes at the rate. Who runs
 * the stack wakes late, by a tick of the wheel or by much more: what was held back and is late goes
 * at once, up to late_ns of it, so that the rate is kept on average. After a pause of the
 * application at most half a piece is made up for, as in Linux. A rate that rises counts at once.
 */
#include "pace.h"

#define SEC_NS 1000000000ull
#define LATE_SHIFT 10 /* a piece holds 1/1024 s of data: tcp_pacing_shift */
#define RTT_SHIFT 9   /* tcp_tso_rtt_log: gso_max is halved for each 512 us of min_rtt */
#define RATE_KNOWN_MAX (1ull << 40) /* bytes per second, so that products stay in 64 bits */

void pace_init(struct pace *p)
{
	*p = (struct pace){.rate = PACE_UNLIMITED, .late_ns = PACE_LATE_MIN_NS};
}

void pace_path(struct pace *p, uint64_t min_rtt_ns)
{
	uint64_t late_ns = min_rtt_ns / PACE_LATE_DIV;

	if (late_ns < PACE_LATE_MIN_NS)
		late_ns = PACE_LATE_MIN_NS;
	p->late_ns = late_ns < PACE_LATE_MAX_NS ? late_ns : PACE_LATE_MAX_NS;
}

#define RATIO_SHIFT 20

void pace_rate(struct pace *p, uint64_t rate, bool told, uint64_t now_ns)
{
	uint64_t left = p->next_ns > now_ns ? p->next_ns - now_ns : 0, was = p->rate;

	if (rate != PACE_UNLIMITED && rate > RATE_KNOWN_MAX)
		rate = RATE_KNOWN_MAX;
	p->rate = rate;
	p->told = told;
	if (left < PACE_RECKON_NS || rate <= was || was == 0)
		return;
	if (left < SEC_NS << 10) /* the product stays below 2^61; longer ones are just cut */
		left = left * ((was << RATIO_SHIFT) / rate) >> RATIO_SHIFT;
	else
		left = left / (rate / was);
	p->next_ns = now_ns + left;
}

void pace_sent(struct pace *p, uint32_t bytes, uint32_t data_segs, uint64_t now_ns)
{
	uint64_t len_ns, late_ns, credit_ns;

	if (!pace_active(p) || data_segs < PACE_BURST_SEGS) {
		p->next_ns = now_ns;
		return;
	}
	len_ns = bytes * SEC_NS / p->rate;
	if (len_ns > PACE_WAIT_MAX_NS && !p->told)
		len_ns = PACE_WAIT_MAX_NS;
	late_ns = now_ns > p->next_ns ? now_ns - p->next_ns : 0;
	credit_ns = p->waits ? p->late_ns : len_ns / 2;
	if (late_ns > credit_ns)
		late_ns = credit_ns;
	p->next_ns = now_ns - late_ns + len_ns;
}

uint32_t pace_piece(const struct pace *p, uint32_t mss, uint32_t gso_max, uint64_t min_rtt_ns)
{
	uint64_t bytes = p->rate >> LATE_SHIFT, r = min_rtt_ns / 1000 >> RTT_SHIFT;

	if (min_rtt_ns && r < 32)
		bytes += gso_max >> r;
	if (bytes > gso_max)
		bytes = gso_max;
	if (bytes < PACE_MIN_SEGS * mss)
		bytes = PACE_MIN_SEGS * mss;
	return (uint32_t)(bytes - bytes % mss);
}

uint64_t pace_from_window(uint32_t cwnd, uint32_t ssthresh, uint32_t flight, uint64_t srtt_ns)
{
	uint64_t w = cwnd > flight ? cwnd : flight, rate;

	if (srtt_ns == 0)
		return PACE_UNLIMITED;
	w = cwnd < ssthresh / 2 ? w * 2 : w + w / 5;
	rate = w * SEC_NS / srtt_ns; /* w < 2^32: below 2^62 */
	return rate < RATE_KNOWN_MAX ? rate : RATE_KNOWN_MAX;
}
