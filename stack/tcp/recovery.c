/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loss recovery. See recovery.h for how it is called. With SACK all decisions are RACK's, with
 * RFC 6675's DupThresh closing its reordering window; without SACK they are NewReno's.
 *
 * RFC 8985, 6675, 6582, 3042, 9937, 6298, 2018 8.
 */
#include "recovery.h"

#include "../assert.h"
#include "undo.h"

#define REO_WND_PERSIST 16u /* RFC 8985 6.2 step 4: recoveries without a D-SACK */
#define TLP_ACK_DELAY_NS \
	200000000ull                 /* a lone segment's ACK may be delayed (8985 7.2 WCDelAckT) \
				       */
#define RENEGE_MIN_NS 10000000ull    /* as Linux: the SACKs may only have overtaken the ACK */
#define TS_GRANULARITY_NS 2000000ull /* an echoed timestamp is no finer than its clock */

void recovery_init(struct recovery *r, bool sack)
{
	static const struct recovery_cfg defaults = {
		.tlp = true, .frto = true, .reordering = RECOVERY_DUPTHRESH, .reordering_max = 300};

	*r = (struct recovery){.sack = sack, .reo_wnd_mult = 1};
	recovery_configure(r, &defaults);
}

void recovery_configure(struct recovery *r, const struct recovery_cfg *cfg)
{
	r->cfg = *cfg;
	r->reordering = cfg->reordering;
}

uint32_t recovery_pipe(const struct recovery *r, const struct sent_map *m)
{
	return m->in_flight_bytes > r->reno_sacked_bytes ? m->in_flight_bytes - r->reno_sacked_bytes
							 : 0;
}

/* ---- RACK ----------------------------------------------------------------------------------- */

static bool rack_after(const struct recovery *r, uint64_t tx_ns, struct seq end)
{
	return r->rack_tx_ns > tx_ns || (r->rack_tx_ns == tx_ns && seq_gt(r->rack_end, end));
}

/* RFC 8985 6.2 step 1: the most recently sent segment that is known to have arrived. */
static void rack_update(struct recovery *r, uint64_t tx_ns, struct seq end, uint64_t now_ns)
{
	if (r->rack_valid && (rack_after(r, tx_ns, end) || tx_ns > now_ns))
		return;
	r->rack_valid = true;
	r->rack_tx_ns = tx_ns;
	r->rack_end = end;
	r->rack_rtt_ns = now_ns - tx_ns;
}

/* Something passed so many segments and was not lost. */
static void reordering_grow(struct recovery *r, uint32_t segs)
{
	r->reord_seen = true;
	r->reord_times++;
	if (segs > r->cfg.reordering_max)
		segs = r->cfg.reordering_max;
	if (segs > r->reordering)
		r->reordering = segs;
}

static void rack_learn(struct recovery *r, const struct rtt *rtt, const struct recovery_in *in,
		       const struct sent_ack *a, bool undone, uint64_t now_ns)
{
	if (a->rtt_valid)
		rack_update(r, a->rtt_tx_ns, a->rtt_end, now_ns);
	if (a->rexmit_valid) {
		/* It may be the original that was delivered: not if it took less than the path
		 * ever does, nor if the timestamp echoed is older than the retransmission. */
		uint64_t took_ns = now_ns - a->rexmit_tx_ns;
		bool original = undone || took_ns < rtt->min_ns ||
				(in->ts_valid && in->ts_rtt_ns > took_ns + TS_GRANULARITY_NS);

		if (!original)
			rack_update(r, a->rexmit_tx_ns, a->rexmit_end, now_ns);
	}
	if (a->reordered)
		reordering_grow(r, (a->fack.v - a->reord_start.v + in->mss - 1) / in->mss);
}

/* RFC 8985 6.2 step 4: the reordering window adapts to what D-SACKs tell. */
static void rack_dsack(struct recovery *r, const struct sent_map *m, const struct sent_ack *a)
{
	if (r->dsack_round_valid && seq_geq(m->una, r->dsack_round))
		r->dsack_round_valid = false;
	if (!a->dsack)
		return;
	r->dsacks++;
	r->dsacked_bytes += a->dsack_block.end.v - a->dsack_block.start.v;
	if (r->dsack_round_valid || (r->tlp_out && r->tlp_rexmit))
		return;
	r->dsack_round_valid = true;
	r->dsack_round = m->nxt;
	if (r->reo_wnd_mult < UINT8_MAX && !r->cfg.reo_fixed)
		r->reo_wnd_mult++;
	r->reo_wnd_persist = REO_WND_PERSIST;
}

static uint64_t rack_reo_wnd_ns(const struct recovery *r, const struct sent_map *m,
				const struct rtt *rtt, uint32_t mss)
{
	uint64_t wnd_ns;

	if (!r->reord_seen) {
		/* RFC 6675: DupThresh segments' worth above a hole is a loss. */
		if (r->state != RECOVERY_OPEN)
			return 0;
		if (!r->cfg.no_dupthresh && (r->dupacks >= r->reordering ||
					     m->sacked_bytes > (uint64_t)(r->reordering - 1) * mss))
			return 0;
	}
	wnd_ns = r->reo_wnd_mult * rtt->min_ns / 4;
	return wnd_ns < rtt->srtt_ns ? wnd_ns : rtt->srtt_ns;
}

/*
 * RFC 8985 6.2 step 5: marks what is lost by now; reo_ns says when to look again. The list is in
 * order of transmission, so it ends at the first one that may only be late: the timer is set for
 * that one, and each look but the last settles a record. (The RFC, which has to walk all of them,
 * waits for the last.)
 */
static uint32_t rack_detect(struct recovery *r, struct sent_map *m, const struct rtt *rtt,
			    uint32_t mss, uint64_t now_ns)
{
	uint64_t wait_ns;
	struct list *p, *tmp;
	uint32_t lost = 0;

	r->reo_ns = 0;
	if (!r->rack_valid)
		return 0;
	wait_ns = r->rack_rtt_ns + rack_reo_wnd_ns(r, m, rtt, mss);
	list_for_each_safe(p, tmp, &m->flight) {
		struct sent_rec *rec = list_entry(p, struct sent_rec, state);

		m->index.steps++;
		if (!rack_after(r, rec->tx_ns, rec->end))
			break;
		if (rec->tx_ns + wait_ns > now_ns) {
			r->reo_ns = rec->tx_ns + wait_ns;
			break;
		}
		lost += sent_mark_lost(m, rec);
	}
	r->lost_total_bytes += lost;
	return lost;
}

/* ---- NewReno -------------------------------------------------------------------------------- */

/* The first MSS outstanding is lost, unless it waits to be sent again already. */
static uint32_t reno_head_lost(struct recovery *r, struct sent_map *m, uint32_t mss)
{
	struct sent_rec *head = sent_head(m);
	uint32_t len;

	if (!head || (head->flags & (SENT_LOST | SENT_SACKED)))
		return 0;
	if (head->end.v - head->start.v > mss)
		sent_split(m, head, seq_add(head->start, mss)); /* else all of it */
	len = sent_mark_lost(m, head);
	r->lost_total_bytes += len;
	return len;
}

static uint32_t reno_detect(struct recovery *r, struct sent_map *m, const struct recovery_in *in,
			    bool progress, uint32_t acked)
{

	if (progress) {
		/* What duplicate ACKs had announced is part of what is acknowledged now. */
		uint32_t used = acked > in->mss ? acked - in->mss : 0;

		r->reno_sacked_bytes -= used < r->reno_sacked_bytes ? used : r->reno_sacked_bytes;
		if (r->state == RECOVERY_FAST && seq_lt(m->una, r->point))
			return reno_head_lost(r, m, in->mss); /* RFC 6582 3.2 step 3: partial */
		r->dupacks = 0;
		if (r->state == RECOVERY_OPEN)
			r->reno_sacked_bytes = 0;
		return 0;
	}
	if (!in->dupack || r->state == RECOVERY_LOSS)
		return 0;
	if (r->dupacks < UINT32_MAX)
		r->dupacks++;
	if (r->reno_sacked_bytes + in->mss <= m->in_flight_bytes)
		r->reno_sacked_bytes += in->mss;
	/* RFC 6582 3.2 step 2: not again for what was outstanding in the last recovery. */
	if (r->state == RECOVERY_OPEN && r->dupacks >= r->reordering && !r->point_valid)
		return reno_head_lost(r, m, in->mss);
	return 0;
}

/* ---- states --------------------------------------------------------------------------------- */

static void fast_enter(struct recovery *r, const struct sent_map *m, struct recovery_out *out)
{
	r->state = RECOVERY_FAST;
	r->point = m->nxt;
	r->point_valid = true;
	r->recoveries++;
	r->dsacked_bytes = 0;
	r->undo_loss = false;
	undo_begin(r, m, false);
	r->prr_delivered = r->prr_out = r->prr_sndcnt = 0;
	r->prr_start_bytes = out->prior_pipe_bytes ? out->prior_pipe_bytes : 1;
	out->enter = true;
}

/* Whatever the state was. */
static void state_open(struct recovery *r, const struct sent_map *m)
{
	r->state = RECOVERY_OPEN;
	r->dupacks = 0;
	r->reno_sacked_bytes = 0;
	if (r->reo_wnd_persist > 0 && --r->reo_wnd_persist == 0)
		r->reo_wnd_mult = 1;
	undo_end(r, m);
}

static void recovery_leave(struct recovery *r, const struct sent_map *m, struct recovery_out *out)
{
	out->leave = true;
	out->left_loss = r->state == RECOVERY_LOSS;
	state_open(r, m);
}

/*
 * RFC 4015: nothing was lost. What waits to be sent again is in flight after all; what was taken
 * for a loss was reordering, or a delay. RFC 6582's point stays: without SACK, the duplicate ACKs
 * that the needless retransmissions draw look like those of a loss.
 */
static void recovery_undo(struct recovery *r, struct sent_map *m, struct recovery_out *out)
{
	out->undone_loss = r->undo_loss;
	r->undo_valid = false;
	if (!r->undo_loss)
		reordering_grow(r, r->sack ? r->reordering : r->dupacks + 1);
	if (r->state == RECOVERY_OPEN)
		return;
	/* what seemed to be the delivery of a retransmission was the original's: by it, all that is
	 * in flight again would be lost at once */
	if (r->undo_rexmit && r->rack_tx_ns >= r->undo_tx_ns)
		r->rack_valid = false;
	sent_unmark_lost(m);
	state_open(r, m);
}

/* RFC 8985 7.4.2: what became of the probe. */
static void tlp_judge(struct recovery *r, const struct sent_map *m, const struct recovery_in *in,
		      struct recovery_out *out)
{
	const struct sent_ack *a = &out->ack;

	if (!r->tlp_out || !seq_geq(m->una, r->tlp_end))
		return;
	if (!r->tlp_rexmit) {
		r->tlp_out = false;
	} else if (a->dsack && seq_leq(a->dsack_block.end, r->tlp_end)) {
		r->tlp_out = false;
		out->spurious_tlp = true;
	} else if (seq_gt(m->una, r->tlp_end)) {
		r->tlp_out = false;
		out->tlp_repaired = true;
	} else if (in->dupack && in->nsack == 0) {
		r->tlp_out = false;
		out->spurious_tlp = true;
	}
}

static void rtt_learn(struct rtt *rtt, const struct recovery_in *in, struct recovery_out *out,
		      uint64_t now_ns)
{
	const struct sent_ack *a = &out->ack;
	uint32_t samples = out->prior_flight_bytes / (2 * in->mss);

	/* Karn: nothing is measured on an ACK that a retransmission may have drawn, but for the
	 * timestamp it echoes, and that only when una moves (RFC 7323 4.1). */
	if (a->rtt_valid && !a->any_rexmit) {
		rtt_sample(rtt, now_ns - a->rtt_tx_ns, samples, now_ns);
		out->rtt_taken = true;
	} else if (in->ts_valid && out->progress) {
		rtt_sample(rtt, in->ts_rtt_ns, samples, now_ns);
		out->rtt_taken = true;
	} else if (out->progress) {
		rtt_progress(rtt);
	}
}

void recovery_ack(struct recovery *r, struct sent_map *m, struct rtt *rtt,
		  const struct recovery_in *in, uint64_t now_ns, struct recovery_out *out)
{
	struct seq una = m->una;
	bool was_fast = r->state == RECOVERY_FAST;

	*out = (struct recovery_out){.prior_pipe_bytes = recovery_pipe(r, m),
				     .prior_flight_bytes = sent_out_bytes(m)};
	if (seq_lt(in->ack, m->una) || seq_gt(in->ack, m->nxt))
		return;
	sent_sack(m, in->sack, r->sack && in->sack ? in->nsack : 0, in->ack, now_ns, &out->ack);
	sent_ack_to(m, in->ack, now_ns, &out->ack);
	out->progress = !seq_eq(una, m->una);
	rtt_learn(rtt, in, out, now_ns);
	if (out->rtt_taken)
		r->tlp_no_rtt = false;
	if (!out->ack.reneged)
		r->renege_ns = 0;
	else if (!r->renege_ns)
		r->renege_ns = now_ns + (rtt->srtt_ns / 2 > RENEGE_MIN_NS ? rtt->srtt_ns / 2
									  : RENEGE_MIN_NS);
	if (out->progress) {
		r->rto_row = 0;
		r->rto_base_ns = now_ns;
		r->tlp_base_ns = now_ns;
		if (r->point_valid && r->state == RECOVERY_OPEN && seq_gt(m->una, r->point))
			r->point_valid = false;
	}
	out->undo = (uint8_t)undo_judge(r, m, in, out);
	if (out->undo) {
		recovery_undo(r, m, out);
	} else if (r->state != RECOVERY_OPEN && seq_geq(m->una, r->point)) {
		recovery_leave(r, m, out);
		if (seq_gt(m->una, r->point))
			r->point_valid = false;
	}
	if (r->sack) {
		if (out->progress && r->state == RECOVERY_OPEN)
			r->dupacks = 0;
		if (out->ack.sacked_bytes > 0)
			r->dupacks++;
		rack_learn(r, rtt, in, &out->ack, out->undo, now_ns);
		rack_dsack(r, m, &out->ack);
		out->newly_lost_bytes = rack_detect(r, m, rtt, in->mss, now_ns);
		tlp_judge(r, m, in, out);
		if (out->tlp_repaired)
			recovery_undo_forget(r); /* a reduction of its own */
	} else {
		out->newly_lost_bytes = reno_detect(r, m, in, out->progress, out->ack.acked_bytes);
	}
	if (r->state == RECOVERY_OPEN && m->lost_bytes > 0)
		fast_enter(r, m, out);
	out->cc_ack = out->progress && !was_fast && r->state != RECOVERY_FAST;
}

void recovery_sent(struct recovery *r, struct sent_map *m, uint32_t len, unsigned flags,
		   uint64_t now_ns)
{
	if (sent_empty(m))
		r->rto_base_ns = now_ns; /* RFC 6298 5.1: it was not running */
	r->tlp_base_ns = now_ns;
	sent_push(m, len, flags, now_ns);
	if (recovery_wants_new(r))
		r->frto_sent += len;
	if (r->state == RECOVERY_FAST) {
		r->prr_out += len;
		r->prr_sndcnt -= len < r->prr_sndcnt ? len : r->prr_sndcnt;
	}
}

void recovery_retransmitted(struct recovery *r, struct sent_map *m, struct sent_rec *rec,
			    uint32_t len, uint64_t now_ns)
{
	if (rec == sent_head(m))
		r->rto_base_ns = now_ns;
	r->tlp_base_ns = now_ns;
	sent_retransmitted(m, rec, len, now_ns);
	undo_rexmit(r, m, len, now_ns);
	if (r->state == RECOVERY_FAST) {
		r->prr_out += len;
		r->prr_sndcnt -= len < r->prr_sndcnt ? len : r->prr_sndcnt;
	}
}

uint32_t recovery_room(const struct recovery *r, const struct sent_map *m, uint32_t cwnd,
		       uint32_t mss)
{
	uint32_t pipe = recovery_pipe(r, m), room;

	if (r->state == RECOVERY_FAST)
		return r->prr_sndcnt;
	room = cwnd > pipe ? cwnd - pipe : 0;
	if (recovery_wants_new(r)) {
		uint32_t left = r->frto_sent < 2 * mss ? 2 * mss - r->frto_sent : 0;

		return room < left ? room : left;
	}
	/* Limited transmit needs no rule of its own: what is sacked, or announced by a duplicate
	 * ACK, is out of the pipe. */
	return room;
}

bool recovery_no_new(struct recovery *r)
{
	if (r->frto_sent > 0)
		return false;
	r->frto = FRTO_OFF; /* RFC 5682 2.1 step 2b: without new data it can tell nothing */
	return true;
}

void recovery_prr(struct recovery *r, const struct sent_map *m, const struct recovery_out *out,
		  uint32_t ssthresh, uint32_t mss)
{
	uint32_t delivered = out->ack.delivered_bytes;
	uint32_t pipe = recovery_pipe(r, m);
	uint64_t sndcnt;

	if (r->state != RECOVERY_FAST)
		return;
	if (!r->sack && !out->progress)
		delivered = mss; /* a duplicate ACK: something arrived */
	r->prr_delivered += delivered;
	if (pipe > ssthresh) {
		/* Proportional rate reduction. */
		sndcnt = ((uint64_t)r->prr_delivered * ssthresh + r->prr_start_bytes - 1) /
			 r->prr_start_bytes;
		sndcnt = sndcnt > r->prr_out ? sndcnt - r->prr_out : 0;
	} else {
		/* Back up to ssthresh: as in slow start while repairs arrive and nothing more is
		 * lost, else what has left the network is replaced. */
		uint64_t limit = r->prr_delivered > r->prr_out ? r->prr_delivered - r->prr_out : 0;

		if (limit < delivered)
			limit = delivered;
		if (out->progress && out->newly_lost_bytes == 0)
			limit += mss; /* SafeACK */
		sndcnt = ssthresh - pipe;
		if (sndcnt > limit)
			sndcnt = limit;
	}
	/* The first retransmission always goes; and no piece below an MSS is left waiting for an
	 * ACK that may never come (what goes too early is in prr_out, and goes off later). */
	if (sndcnt < mss && (sndcnt > 0 || r->prr_out == 0))
		sndcnt = mss;
	r->prr_sndcnt = sndcnt;
}

/* ---- timers --------------------------------------------------------------------------------- */

enum recovery_timer recovery_timer(const struct recovery *r, const struct sent_map *m,
				   const struct rtt *rtt, uint32_t mss, bool may_probe,
				   uint64_t *at_ns)
{
	uint64_t rto_at_ns, tlp_at_ns;

	if (sent_empty(m))
		return RECOVERY_TIMER_NONE;
	rto_at_ns = r->rto_base_ns + rtt_rto_ns(rtt);
	if (r->renege_ns && r->renege_ns < rto_at_ns)
		rto_at_ns = r->renege_ns;
	*at_ns = rto_at_ns;
	if (r->reo_ns) {
		if (r->reo_ns >= rto_at_ns)
			return RECOVERY_TIMER_RTO;
		*at_ns = r->reo_ns;
		return RECOVERY_TIMER_REO;
	}
	/* RFC 8985 7.2: only with SACK, nothing sacked, no recovery going on. */
	if (!may_probe || !r->cfg.tlp || !r->sack || r->state != RECOVERY_OPEN || r->tlp_out ||
	    r->tlp_no_rtt || !rtt->srtt_ns || m->sacked_bytes > 0 || m->lost_bytes > 0 ||
	    r->rto_row > 0)
		return RECOVERY_TIMER_RTO;
	tlp_at_ns = r->tlp_base_ns + 2 * rtt->srtt_ns;
	if (sent_out_bytes(m) <= mss)
		tlp_at_ns += TLP_ACK_DELAY_NS;
	/* where the RTO would come first, the probe takes its place, and the RTO runs anew */
	*at_ns = tlp_at_ns < rto_at_ns ? tlp_at_ns : rto_at_ns;
	return RECOVERY_TIMER_TLP;
}

bool recovery_timeout(struct recovery *r, struct sent_map *m, uint64_t now_ns)
{
	bool fresh = r->state != RECOVERY_LOSS || r->rto_row == 0;
	struct sent_rec *head = sent_head(m);
	uint8_t before = r->state;

	if (fresh)
		undo_begin(r, m, before != RECOVERY_OPEN);
	undo_frto_begin(r, before);
	r->undo_loss = true;
	/* RFC 2018 8: had the peer kept what it sacked, una would have moved over it. */
	if (head && (head->flags & SENT_SACKED)) {
		sent_forget_sacks(m);
		r->undo_valid = false;
		r->frto = FRTO_OFF;
	}
	/* as Linux: so many duplicates, and a timeout all the same: no reordering, but losses */
	if (before == RECOVERY_OPEN && r->dupacks >= r->reordering)
		r->reordering = r->cfg.reordering;
	r->lost_total_bytes += m->in_flight_bytes;
	sent_all_lost(m);
	if (r->state != RECOVERY_LOSS)
		r->timeouts++;
	r->state = RECOVERY_LOSS;
	r->point = m->nxt;
	r->point_valid = true;
	r->dupacks = 0;
	r->reno_sacked_bytes = 0;
	r->tlp_out = false;
	r->reo_ns = r->renege_ns = 0;
	r->rto_base_ns = now_ns;
	if (r->rto_row < UINT8_MAX)
		r->rto_row++;
	return fresh && before != RECOVERY_FAST;
}

void recovery_reo_timeout(struct recovery *r, struct sent_map *m, const struct rtt *rtt,
			  uint32_t mss, uint64_t now_ns, struct recovery_out *out)
{
	*out = (struct recovery_out){.prior_pipe_bytes = recovery_pipe(r, m),
				     .prior_flight_bytes = sent_out_bytes(m)};
	out->newly_lost_bytes = rack_detect(r, m, rtt, mss, now_ns);
	if (r->state == RECOVERY_OPEN && m->lost_bytes > 0)
		fast_enter(r, m, out);
}

struct sent_rec *recovery_probe(struct recovery *r, struct sent_map *m, uint32_t mss)
{
	struct sent_rec *tail = sent_tail(m);
	uint32_t len, probe;

	(void)r;
	if (!tail || (tail->flags & (SENT_SACKED | SENT_LOST | SENT_SYN)))
		return NULL;
	len = tail->end.v - tail->start.v;
	probe = mss + (tail->flags & SENT_FIN ? 1 : 0);
	if (len <= probe)
		return tail;
	if (!sent_split(m, tail, seq_sub(tail->end, probe)))
		return NULL;
	return sent_tail(m);
}

void recovery_probe_sent(struct recovery *r, const struct sent_map *m, bool sent, bool rexmit)
{
	/* Either way no second probe: the RTO is next. It runs anew only if something went. */
	r->tlp_no_rtt = true;
	r->tlp_out = true;
	r->tlp_rexmit = sent && rexmit;
	r->tlp_end = m->nxt;
	if (sent && r->tlp_base_ns > r->rto_base_ns)
		r->rto_base_ns = r->tlp_base_ns;
}

void recovery_syn_resent(struct recovery *r, struct sent_map *m, uint64_t again_ns, uint64_t now_ns)
{
	recovery_timeout(r, m, now_ns);
	r->rto_row = 0;
	recovery_retransmitted(r, m, sent_next_lost(m), 1, now_ns);
	r->undo_tx_ns = again_ns;
}

void recovery_syn_data_lost(struct recovery *r, struct sent_map *m)
{
	while (!list_empty(&m->flight))
		r->lost_total_bytes +=
			sent_mark_lost(m, list_first(&m->flight, struct sent_rec, state));
	sent_loss_take(m);
}
