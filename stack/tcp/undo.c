/* SPDX-License-Identifier: BSD-2-Clause */
/* See undo.h. */
#include "undo.h"

#define NS_PER_MS 1000000ull

void undo_begin(struct recovery *r, const struct sent_map *m, bool more)
{
	r->undo_valid = true;
	r->undo_rexmit = false;
	r->undo_una = m->una;
	if (!more)
		r->undo_out = 0;
}

void undo_rexmit(struct recovery *r, const struct sent_map *m, uint32_t len, uint64_t now_ns)
{
	/* What the recovery before this one has sent again of data behind its point is acknowledged
	 * in this one: while any of it is in flight, the first of that counts. */
	if (m->rexmit_bytes <= len && !(r->undo_valid && r->undo_rexmit))
		r->undo_tx_ns = now_ns;
	if (!r->undo_valid)
		return;
	r->undo_rexmit = true;
	r->undo_out += len;
}

void undo_end(struct recovery *r, const struct sent_map *m)
{
	r->undo_end = m->nxt;
	r->frto = FRTO_OFF;
}

void undo_frto_begin(struct recovery *r, uint8_t state)
{
	/* Once more for the same head is as good as once: nothing else has been sent again. */
	if (r->cfg.frto &&
	    (state == RECOVERY_OPEN || (state == RECOVERY_LOSS && r->frto == FRTO_HEAD)))
		r->frto = FRTO_HEAD;
	else
		r->frto = FRTO_OFF;
}

/* RFC 3708: every byte sent again has been reported as a duplicate. One report covers one block, so
 * that a lost ACK leaves a recovery as it is: rather that than to undo one that was due. */
static bool dsack_proves(struct recovery *r, const struct sent_map *m, const struct sent_ack *a)
{
	uint32_t len;

	if (!a->dsack || seq_lt(a->dsack_block.start, r->undo_una) ||
	    seq_gt(a->dsack_block.end, m->nxt))
		return false;
	len = a->dsack_block.end.v - a->dsack_block.start.v;
	r->undo_out -= len < r->undo_out ? len : r->undo_out;
	return r->undo_rexmit && r->undo_out == 0;
}

/* RFC 3522 3.2 step 5: what was sent again is acknowledged, and not because of that. */
static bool eifel_proves(const struct recovery *r, const struct recovery_in *in,
			 const struct sent_ack *a)
{
	return r->undo_rexmit && in->ts_valid && a->una_rexmit &&
	       in->ts_sent_ms < r->undo_tx_ns / NS_PER_MS;
}

/* RFC 5682 2.1 and 3.1. */
static bool frto_proves(struct recovery *r, const struct sent_map *m, const struct recovery_in *in,
			const struct recovery_out *out)
{
	const struct sent_ack *a = &out->ack;

	if (r->frto == FRTO_HEAD) {
		/* 2a: all is acknowledged, or 2b: the head is; not yet: wait for that */
		if (out->progress) {
			r->frto = seq_lt(m->una, r->point) ? FRTO_NEW : FRTO_OFF;
			r->frto_sent = 0;
		} else if (!r->sack && in->dupack) {
			r->frto = FRTO_OFF; /* 2.1 step 2a */
		}
		return false;
	}
	/* 3b: what was on its way before the timeout, and not sent since, arrives */
	if (a->once_valid && seq_leq(a->once_end, r->point))
		return true;
	if (out->progress || a->sacked_bytes > 0 || in->dupack)
		r->frto = FRTO_OFF; /* 3a: what came was the new data */
	return false;
}

enum recovery_undo undo_judge(struct recovery *r, const struct sent_map *m,
			      const struct recovery_in *in, const struct recovery_out *out)
{
	if (!r->undo_valid)
		return RECOVERY_UNDO_NONE;
	if (dsack_proves(r, m, &out->ack))
		return RECOVERY_UNDO_DSACK;
	if (r->state == RECOVERY_OPEN) {
		if (seq_gt(m->una, r->undo_end))
			r->undo_valid = false;
		return RECOVERY_UNDO_NONE;
	}
	if (eifel_proves(r, in, &out->ack))
		return RECOVERY_UNDO_EIFEL;
	if (r->state == RECOVERY_LOSS && r->frto && frto_proves(r, m, in, out))
		return RECOVERY_UNDO_FRTO;
	return RECOVERY_UNDO_NONE;
}
