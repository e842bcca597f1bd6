/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Congestion control: the table of algorithms and what all of them share. It never decides what is
 * lost. RFC 6928 (initial window), 5681 3.1.
 */
#include "cc.h"

#include <string.h>

#include "../assert.h"
#include "cc_bbr.h"
#include "cc_cubic.h"
#include "cc_reno.h"

#define CC_IW_BYTES 14600u /* RFC 6928 2: the bound for segments larger than Ethernet's */

struct cc_ops {
	const char *name;
	bool paces; /* sets cwnd and the pace from a model, on every ACK */
	void (*init)(struct cc *cc);
	void (*ack_received)(struct cc *cc, const struct cc_ack *ack, uint64_t now_ns);
	void (*cong_signal)(struct cc *cc, enum cc_signal sig, uint32_t flight_bytes,
			    uint64_t now_ns);
	void (*post_recovery)(struct cc *cc, uint32_t flight_bytes, uint64_t now_ns);
	void (*after_idle)(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint64_t now_ns);
	void (*undo)(struct cc *cc); /* what it keeps besides cwnd and ssthresh; NULL: nothing */
	/* NULL: does not ask */
	void (*lost)(struct cc *cc, const struct sent_loss *l, uint64_t now_ns);
	void (*restart)(struct cc *cc, uint64_t now_ns);
	uint32_t (*info)(const struct cc *cc, uint32_t info[5]);
};

static const struct cc_ops cc_ops[CC_ALGOS] = {
	[CC_RENO] = {.name = "reno",
		     .init = cc_reno_init,
		     .ack_received = cc_reno_ack,
		     .cong_signal = cc_reno_signal,
		     .post_recovery = cc_reno_post_recovery,
		     .after_idle = cc_reno_after_idle},
	[CC_CUBIC] = {.name = "cubic",
		      .init = cc_cubic_init,
		      .ack_received = cc_cubic_ack,
		      .cong_signal = cc_cubic_signal,
		      .post_recovery = cc_cubic_post_recovery,
		      .after_idle = cc_cubic_after_idle,
		      .undo = cc_cubic_undo},
	[CC_BBR] = {.name = "bbr",
		    .paces = true,
		    .init = cc_bbr_init,
		    .ack_received = cc_bbr_ack,
		    .cong_signal = cc_bbr_signal,
		    .post_recovery = cc_bbr_post_recovery,
		    .after_idle = cc_bbr_after_idle,
		    .undo = cc_bbr_undo,
		    .lost = cc_bbr_lost,
		    .restart = cc_bbr_restart,
		    .info = cc_bbr_info},
};

/* RFC 6928: min(10 * MSS, max(2 * MSS, 14600)). */
uint32_t cc_initial_window(uint32_t mss)
{
	uint32_t most = 2 * mss > CC_IW_BYTES ? 2 * mss : CC_IW_BYTES;
	uint32_t iw = CC_IW_SEGMENTS * mss;

	return iw < most ? iw : most;
}

void cc_init(struct cc *cc, enum cc_algo algo, uint32_t mss)
{
	ASSERT(mss > 0);
	memset(cc, 0, sizeof(*cc));
	cc->mss = mss;
	cc->cwnd = cc_initial_window(mss);
	cc->ssthresh = CC_SSTHRESH_INF;
	cc_set_algo(cc, algo);
}

void cc_set_algo(struct cc *cc, enum cc_algo algo)
{
	ASSERT((unsigned)algo < CC_ALGOS);
	cc->algo = algo;
	cc->abc_acked = 0;
	cc->pacing_rate = 0;
	cc_ops[algo].init(cc);
}

void cc_mss_set(struct cc *cc, uint32_t mss, bool before_data)
{
	ASSERT(mss > 0);
	/* A first window cut to one segment by cc_syn_lost() stays one segment. */
	if (before_data && cc->cwnd > cc->mss)
		cc->cwnd = cc_initial_window(mss);
	else if (before_data || cc->cwnd < mss)
		cc->cwnd = mss;
	if (cc->ssthresh < CC_MIN_SEGMENTS * mss)
		cc->ssthresh = CC_MIN_SEGMENTS * mss;
	cc->mss = mss;
}

void cc_syn_lost(struct cc *cc)
{
	cc->cwnd = cc->mss;
}

void cc_ack_received(struct cc *cc, const struct cc_ack *ack, uint64_t now_ns)
{
	if (ack->acked_bytes == 0 && !cc_paces(cc))
		return;
	cc_ops[cc->algo].ack_received(cc, ack, now_ns);
	if (cc->cwnd > CC_CWND_MAX)
		cc->cwnd = CC_CWND_MAX;
}

void cc_cong_signal(struct cc *cc, enum cc_signal sig, uint32_t flight_bytes, uint64_t now_ns)
{
	if (sig != CC_SIGNAL_RTO_AGAIN) {
		cc->prior_cwnd = cc->cwnd;
		cc->prior_ssthresh = cc->ssthresh;
	}
	cc_ops[cc->algo].cong_signal(cc, sig, flight_bytes, now_ns);
	ASSERT(cc->cwnd >= cc->mss && cc->ssthresh >= CC_MIN_SEGMENTS * cc->mss);
}

void cc_undo(struct cc *cc)
{
	if (cc->prior_cwnd == 0)
		return;
	if (cc->cwnd < cc->prior_cwnd)
		cc->cwnd = cc->prior_cwnd;
	if (cc->ssthresh < cc->prior_ssthresh)
		cc->ssthresh = cc->prior_ssthresh;
	if (cc_ops[cc->algo].undo)
		cc_ops[cc->algo].undo(cc);
	cc->prior_cwnd = 0;
}

void cc_post_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_ns)
{
	cc_ops[cc->algo].post_recovery(cc, flight_bytes, now_ns);
	ASSERT(cc->cwnd >= cc->mss);
}

void cc_after_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint64_t now_ns)
{
	if (rto_ns == 0 || idle_ns < rto_ns)
		return;
	cc_ops[cc->algo].after_idle(cc, idle_ns, rto_ns, now_ns);
}

void cc_lost(struct cc *cc, const struct sent_loss *l, uint64_t now_ns)
{
	if (cc_ops[cc->algo].lost)
		cc_ops[cc->algo].lost(cc, l, now_ns);
}

void cc_restart(struct cc *cc, uint64_t now_ns)
{
	if (cc_ops[cc->algo].restart)
		cc_ops[cc->algo].restart(cc, now_ns);
}

uint32_t cc_info(const struct cc *cc, uint32_t info[5])
{
	return cc_ops[cc->algo].info ? cc_ops[cc->algo].info(cc, info) : 0;
}

void cc_unused(struct cc *cc, uint32_t used_bytes)
{
	uint32_t iw = cc_initial_window(cc->mss);

	if (cc_paces(cc))
		return;
	if (used_bytes < iw)
		used_bytes = iw;
	if (used_bytes >= cc->cwnd)
		return;
	if (cc->ssthresh < cc->cwnd - cc->cwnd / 4)
		cc->ssthresh = cc->cwnd - cc->cwnd / 4;
	cc->cwnd = cc->cwnd - (cc->cwnd - used_bytes) / 2;
}

bool cc_paces(const struct cc *cc)
{
	return cc_ops[cc->algo].paces;
}

uint64_t cc_pacing_rate(const struct cc *cc)
{
	return cc->pacing_rate;
}

const char *cc_name(enum cc_algo algo)
{
	return (unsigned)algo < CC_ALGOS ? cc_ops[algo].name : "";
}

int cc_by_name(const char *name, uint32_t len)
{
	int i;

	for (i = 0; i < CC_ALGOS; i++) {
		const char *n = cc_ops[i].name;
		uint32_t k = 0;

		while (k < len && name[k] && n[k] == name[k])
			k++;
		if (!n[k] && (k == len || !name[k]))
			return i;
	}
	return -1;
}
