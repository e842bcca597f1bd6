/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What limits is judged per window, not per ACK: the answer of a window holds until what it had out
 * is acknowledged, or until more was out.
 */
#include "cwv.h"

void cwv_output(struct cwv *v, struct seq una, struct seq nxt, uint32_t out, bool limited,
		uint64_t rto_ns, uint64_t now_ns)
{
	if (seq_geq(una, v->round) || limited || (!v->limited && out > v->max_out)) {
		v->limited = limited;
		v->max_out = out;
		v->round = nxt;
	}
	if (limited || v->stamp_ns == 0) {
		v->stamp_ns = now_ns;
		v->used = 0;
		return;
	}
	if (out > v->used)
		v->used = out;
	if (now_ns - v->stamp_ns >= rto_ns)
		v->idle_due = true;
}

uint32_t cwv_unused(struct cwv *v, uint64_t now_ns)
{
	uint32_t used = v->used;

	if (!v->idle_due)
		return 0;
	v->idle_due = false;
	v->used = 0;
	v->stamp_ns = now_ns;
	return used ? used : 1;
}
