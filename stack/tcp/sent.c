/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sent-map. See sent.h for what it is; here is how it stays right without memory: the first
 * record of a connection is its own (sent_map.own), so an empty map can always take a push; a push
 * onto a map that has records extends the last one; a SACK that would need a split is ignored for
 * the part (the bytes are then sent again, or acknowledged later); a retransmission that would need
 * a split joins the record before it, or counts whole.
 *
 * RFC 2018, 2883, 6675, 8985, 6298 3.
 */
#include "sent.h"

#include "../assert.h"
#include "sent_index.h"

static uint32_t rec_len(const struct sent_rec *r)
{
	return r->end.v - r->start.v;
}

static struct sent_rec *rec_of(struct list *l)
{
	return list_entry(l, struct sent_rec, node);
}

static void account_add(struct sent_map *m, const struct sent_rec *r)
{
	uint32_t len = rec_len(r);

	if (r->flags & SENT_SACKED) {
		m->sacked_bytes += len;
	} else if (r->flags & SENT_LOST) {
		m->lost_bytes += len;
	} else {
		m->in_flight_bytes += len;
		if (r->flags & SENT_REXMIT)
			m->rexmit_bytes += len;
	}
}

static void account_sub(struct sent_map *m, const struct sent_rec *r)
{
	uint32_t len = rec_len(r);

	if (r->flags & SENT_SACKED) {
		m->sacked_bytes -= len;
	} else if (r->flags & SENT_LOST) {
		m->lost_bytes -= len;
	} else {
		m->in_flight_bytes -= len;
		if (r->flags & SENT_REXMIT)
			m->rexmit_bytes -= len;
	}
}

static struct sent_rec *rec_get(struct sent_map *m)
{
	struct sent_rec *r;

	if (!m->own_used) {
		m->own_used = true;
		r = &m->own;
	} else {
		r = pool_get(m->pool);
		if (!r)
			return NULL;
	}
	m->nrecs++;
	return r;
}

/* Off all lists and freed; its bytes must have been taken off the sums. */
static void rec_free(struct sent_map *m, struct sent_rec *r)
{
	if (m->hint == r)
		m->hint = NULL;
	sent_index_remove(m, r);
	list_del(&r->node);
	list_del(&r->state);
	m->nrecs--;
	if (r == &m->own)
		m->own_used = false;
	else
		pool_put(m->pool, r);
}

static void rec_snapshot(const struct sent_map *m, struct sent_rec *r, uint64_t now_ns)
{
	r->tx_ns = now_ns;
	r->delivered = m->delivered;
	r->delivered_ns = m->delivered_ns;
	r->first_tx_ns = m->first_tx_ns;
	r->tx_in_flight = m->in_flight_bytes + rec_len(r);
	r->tx_lost = m->lost_total;
	if (m->app_limited || (r->flags & SENT_SYN))
		r->flags |= SENT_APP_LIMITED;
}

/* r is lost: the flight it was of has lost that much. */
static void note_lost(struct sent_map *m, const struct sent_rec *r)
{
	struct sent_loss *l = &m->loss;
	uint32_t lost;

	m->lost_total += rec_len(r);
	lost = m->lost_total - r->tx_lost;
	if (l->bytes == 0 ||
	    (uint64_t)lost * l->tx_in_flight >= (uint64_t)l->lost * r->tx_in_flight)
		*l = (struct sent_loss){.bytes = rec_len(r),
					.tx_in_flight = r->tx_in_flight,
					.lost = lost,
					.app_limited = r->flags & SENT_APP_LIMITED};
}

struct sent_loss sent_loss_take(struct sent_map *m)
{
	struct sent_loss l = m->loss;

	m->loss.bytes = 0;
	return l;
}

/* Onto the list of lost records, in sequence order. */
static void lost_insert(struct sent_map *m, struct sent_rec *r)
{
	struct sent_rec *prev = sent_index_prev(m, r, SENT_LOST);
	struct list *p = prev ? &prev->state : &m->lost;

	list_insert_between(&r->state, p, p->next);
}

/* r's condition becomes cond: SENT_SACKED, SENT_LOST or 0 (in flight). On no state list then. */
static void cond_set(struct sent_map *m, struct sent_rec *r, uint16_t cond)
{
	account_sub(m, r);
	list_del(&r->state);
	r->flags = (r->flags & ~(SENT_SACKED | SENT_LOST)) | cond;
	account_add(m, r);
	sent_index_changed(m, r);
}

/* Neighbours in the same condition, both sacked or both lost, become one: b goes into a. */
static bool rec_merge(struct sent_map *m, struct sent_rec *a, struct sent_rec *b)
{
	uint16_t cond = SENT_SACKED | SENT_LOST;

	if (!(a->flags & cond) || (a->flags & cond) != (b->flags & cond))
		return false;
	if ((a->flags | b->flags) & SENT_SYN)
		return false;
	/* which of them was sent only once tells whether a timeout was needed (RFC 5682) */
	if ((a->flags & SENT_LOST) && ((a->flags ^ b->flags) & SENT_REXMIT))
		return false;
	ASSERT(seq_eq(a->end, b->start));
	account_sub(m, a);
	account_sub(m, b);
	a->end = b->end;
	a->flags |= b->flags | SENT_BLUR;
	if (b->ntx > a->ntx)
		a->ntx = b->ntx;
	if (b->tx_ns > a->tx_ns)
		a->tx_ns = b->tx_ns;
	account_add(m, a);
	if (m->hint == b)
		m->hint = a;
	rec_free(m, b);
	return true;
}

/* Merges r with its neighbours where that is possible; returns the record that holds it now. */
static struct sent_rec *rec_merge_around(struct sent_map *m, struct sent_rec *r)
{
	struct sent_rec *prev = rec_of(r->node.prev);

	if (r->node.prev != &m->recs && rec_merge(m, prev, r))
		r = prev;
	if (r->node.next != &m->recs)
		rec_merge(m, r, rec_of(r->node.next));
	return r;
}

void sent_init(struct sent_map *m, struct pool *pool, struct seq nxt)
{
	*m = (struct sent_map){.pool = pool, .una = nxt, .nxt = nxt, .fack = nxt};
	list_init(&m->recs);
	list_init(&m->flight);
	list_init(&m->lost);
}

void sent_reset(struct sent_map *m)
{
	struct list *p, *tmp;

	list_for_each_safe(p, tmp, &m->recs)
		rec_free(m, rec_of(p));
	m->in_flight_bytes = m->sacked_bytes = m->lost_bytes = m->rexmit_bytes = 0;
	m->una = m->fack = m->nxt;
	ASSERT(m->nrecs == 0 && !m->own_used);
}

/* The end of the highest sacked record, found again after one was turned back. */
static void fack_recompute(struct sent_map *m)
{
	struct sent_rec *r = sent_index_last(m, SENT_SACKED);

	m->fack = r ? r->end : m->una;
}

void sent_push(struct sent_map *m, uint32_t len, unsigned flags, uint64_t now_ns)
{
	struct sent_rec *r;

	ASSERT(len > 0 && len < 1u << 31);
	if (m->in_flight_bytes == 0) {
		m->first_tx_ns = now_ns;
		m->delivered_ns = now_ns;
	}
	r = rec_get(m);
	if (r) {
		r->start = m->nxt;
		r->end = seq_add(m->nxt, len);
		r->flags = flags & (SENT_SYN | SENT_FIN | SENT_APP_LIMITED);
		r->ntx = 1;
		sent_index_insert(m, sent_tail(m), r);
		list_push_back(&m->recs, &r->node);
		list_init(&r->state);
	} else {
		/* The last record takes the new bytes, and all of it counts as in flight. */
		bool sacked;

		r = sent_tail(m);
		ASSERT(r);
		sacked = r->flags & SENT_SACKED;
		cond_set(m, r, 0);
		account_sub(m, r);
		r->flags |= SENT_BLUR | (flags & (SENT_FIN | SENT_APP_LIMITED));
		r->end = seq_add(r->end, len);
		if (sacked)
			fack_recompute(m);
	}
	m->nxt = r->end;
	rec_snapshot(m, r, now_ns);
	list_push_back(&m->flight, &r->state);
	account_add(m, r);
}

bool sent_split(struct sent_map *m, struct sent_rec *r, struct seq at)
{
	struct sent_rec *n;

	ASSERT(seq_gt(at, r->start) && seq_lt(at, r->end));
	n = rec_get(m);
	if (!n)
		return false;
	*n = *r;
	n->start = at;
	n->flags &= ~SENT_SYN;
	r->end = at;
	r->flags &= ~SENT_FIN;
	sent_index_insert(m, r, n);
	list_insert_between(&n->node, &r->node, r->node.next);
	if (r->flags & SENT_SACKED)
		list_init(&n->state);
	else
		list_insert_between(&n->state, &r->state, r->state.next);
	return true;
}

/* The record that holds s (una <= s < nxt): most often where the last search ended, or next. */
static struct sent_rec *rec_find(struct sent_map *m, struct seq s)
{
	struct sent_rec *r = m->hint;

	if (r && seq_geq(s, r->end) && r->node.next != &m->recs)
		r = rec_of(r->node.next);
	if (!r || seq_lt(s, r->start) || seq_geq(s, r->end))
		r = sent_index_find(m, s);
	m->hint = r;
	return r;
}

static bool tx_after(uint64_t t1, struct seq e1, uint64_t t2, struct seq e2)
{
	return t1 > t2 || (t1 == t2 && seq_gt(e1, e2));
}

/* The numbers of r up to end arrived, as said for the first time now. */
static void note_delivered(struct sent_map *m, const struct sent_rec *r, struct seq end,
			   uint64_t now_ns, struct sent_ack *a)
{
	uint32_t len = end.v - r->start.v;

	m->delivered += len;
	m->delivered_segs += m->seg_bytes ? (len + m->seg_bytes - 1) / m->seg_bytes : 1;
	m->delivered_ns = now_ns;
	a->delivered_bytes += len;
	if (r->flags & SENT_REXMIT) {
		a->any_rexmit = true;
		if (!a->rexmit_valid || tx_after(r->tx_ns, end, a->rexmit_tx_ns, a->rexmit_end)) {
			a->rexmit_valid = true;
			a->rexmit_tx_ns = r->tx_ns;
			a->rexmit_end = end;
		}
	} else {
		if (!(r->flags & SENT_BLUR) &&
		    (!a->rtt_valid || tx_after(r->tx_ns, end, a->rtt_tx_ns, a->rtt_end))) {
			a->rtt_valid = true;
			a->rtt_tx_ns = r->tx_ns;
			a->rtt_end = end;
		}
		if (!a->once_valid || seq_lt(end, a->once_end))
			a->once_end = end;
		a->once_valid = true;
		if (seq_lt(end, a->fack) && (!a->reordered || seq_lt(r->start, a->reord_start))) {
			a->reordered = true;
			a->reord_start = r->start;
		}
	}
	if (r->delivered >= a->prior_delivered || a->prior_delivered_ns == 0) {
		a->prior_delivered = r->delivered;
		a->prior_delivered_ns = r->delivered_ns;
		a->prior_first_tx_ns = r->first_tx_ns;
		a->prior_app_limited = r->flags & SENT_APP_LIMITED;
		a->prior_tx_in_flight = r->tx_in_flight;
		a->prior_lost = r->tx_lost;
		m->first_tx_ns = r->tx_ns;
	}
	if (m->app_limited && m->delivered > m->app_limited)
		m->app_limited = 0;
}

/* RFC 2883 4: the first block lies below SEG.ACK, or within the second. */
static void dsack_note(const struct sack_block *blk, unsigned n, struct seq ack, struct sent_ack *a)
{
	if (!seq_lt(blk[0].start, blk[0].end))
		return;
	if (seq_leq(blk[0].end, ack) ||
	    (n > 1 && seq_geq(blk[0].start, blk[1].start) && seq_leq(blk[0].end, blk[1].end))) {
		a->dsack = true;
		a->dsack_block = blk[0];
	}
}

static void block_apply(struct sent_map *m, struct sack_block b, uint64_t now_ns,
			struct sent_ack *a)
{
	struct sent_rec *r = rec_find(m, b.start);

	for (;;) {
		struct list *next = r->node.next;

		if (!(r->flags & SENT_SACKED)) {
			if (seq_lt(r->start, b.start)) {
				if (sent_split(m, r, b.start))
					next = r->node.next;
				goto next;
			}
			if (seq_gt(r->end, b.end) && !sent_split(m, r, b.end))
				return;
			note_delivered(m, r, r->end, now_ns, a);
			a->sacked_bytes += rec_len(r);
			cond_set(m, r, SENT_SACKED);
			m->fack = seq_max(m->fack, r->end);
			r = rec_merge_around(m, r);
			m->hint = r;
			next = r->node.next;
		}
	next:
		if (next == &m->recs || seq_geq(rec_of(next)->start, b.end))
			return;
		r = rec_of(next);
	}
}

void sent_sack(struct sent_map *m, const struct sack_block *blk, unsigned n, struct seq ack,
	       uint64_t now_ns, struct sent_ack *a)
{
	unsigned i;

	if (!a->fack_valid) {
		a->fack_valid = true;
		a->fack = m->fack;
	}
	if (n == 0)
		return;
	dsack_note(blk, n, ack, a);
	for (i = 0; i < n; i++) {
		if (!seq_gt(blk[i].start, ack) || !seq_lt(blk[i].start, blk[i].end) ||
		    !seq_lt(blk[i].start, m->nxt) || !seq_leq(blk[i].end, m->nxt))
			continue;
		block_apply(m, blk[i], now_ns, a);
	}
}

/* una moves over the first len numbers of r: its data bytes, SYN and FIN go into a. */
static void note_acked(struct sent_map *m, const struct sent_rec *r, uint32_t len, uint64_t now_ns,
		       struct sent_ack *a)
{
	uint32_t data = len;

	if (!(r->flags & SENT_SACKED)) {
		note_delivered(m, r, seq_add(r->start, len), now_ns, a);
		a->una_rexmit = a->una_rexmit || (r->flags & SENT_REXMIT);
	}
	if (r->flags & SENT_SYN) {
		a->syn = true;
		data--;
	}
	if ((r->flags & SENT_FIN) && len == rec_len(r)) {
		a->fin = true;
		data--;
	}
	a->acked_bytes += data;
	if (r->flags & SENT_REXMIT)
		a->acked_rexmit_bytes += data;
}

void sent_ack_to(struct sent_map *m, struct seq ack, uint64_t now_ns, struct sent_ack *a)
{
	struct sent_rec *r;

	ASSERT(seq_geq(ack, m->una) && seq_leq(ack, m->nxt));
	if (!a->fack_valid) {
		a->fack_valid = true;
		a->fack = m->fack;
	}
	while ((r = sent_head(m)) && seq_leq(r->end, ack)) {
		note_acked(m, r, rec_len(r), now_ns, a);
		account_sub(m, r);
		rec_free(m, r);
	}
	if (r && seq_lt(r->start, ack)) {
		note_acked(m, r, ack.v - r->start.v, now_ns, a);
		account_sub(m, r);
		r->start = ack;
		r->flags &= ~SENT_SYN;
		account_add(m, r);
	}
	m->una = ack;
	m->fack = seq_max(m->fack, ack);
	/* RFC 2018 8: the peer may drop what it sacked. It is believed when the RTO fires. */
	if (r && (r->flags & SENT_SACKED))
		a->reneged = true;
}

uint32_t sent_mark_lost(struct sent_map *m, struct sent_rec *r)
{
	uint32_t len = rec_len(r);

	ASSERT(!(r->flags & (SENT_SACKED | SENT_LOST)));
	note_lost(m, r);
	cond_set(m, r, SENT_LOST);
	lost_insert(m, r);
	rec_merge_around(m, r);
	return len;
}

/* Moves the first len numbers of r to the record before it, when that is in flight. */
static bool rec_lend(struct sent_map *m, struct sent_rec *r, uint32_t len)
{
	struct sent_rec *prev = rec_of(r->node.prev);

	if (r->node.prev == &m->recs || (prev->flags & (SENT_SACKED | SENT_LOST | SENT_SYN)))
		return false;
	account_sub(m, prev);
	account_sub(m, r);
	prev->end = r->start = seq_add(r->start, len);
	prev->flags |= SENT_BLUR;
	account_add(m, prev);
	account_add(m, r);
	return true;
}

void sent_retransmitted(struct sent_map *m, struct sent_rec *r, uint32_t len, uint64_t now_ns)
{
	ASSERT(len > 0 && len <= rec_len(r) && !(r->flags & SENT_SACKED));
	if (len < rec_len(r) && !sent_split(m, r, seq_add(r->start, len)) && rec_lend(m, r, len))
		r = rec_of(r->node.prev);
	if (m->in_flight_bytes == 0) {
		m->first_tx_ns = now_ns;
		m->delivered_ns = now_ns;
	}
	cond_set(m, r, 0);
	account_sub(m, r);
	r->flags &= ~SENT_APP_LIMITED;
	r->flags |= SENT_REXMIT;
	if (r->ntx < UINT16_MAX)
		r->ntx++;
	rec_snapshot(m, r, now_ns);
	list_push_back(&m->flight, &r->state);
	account_add(m, r);
}

void sent_all_lost(struct sent_map *m)
{
	struct list *p, *next;

	list_init(&m->flight);
	list_init(&m->lost);
	for (p = m->recs.next; p != &m->recs; p = p->next) {
		struct sent_rec *r = rec_of(p);

		list_init(&r->state);
		if (r->flags & SENT_SACKED)
			continue;
		if (!(r->flags & SENT_LOST))
			note_lost(m, r);
		cond_set(m, r, SENT_LOST);
		list_push_back(&m->lost, &r->state);
	}
	for (p = m->recs.next; p != &m->recs && (next = p->next) != &m->recs;) {
		if (!rec_merge(m, rec_of(p), rec_of(next)))
			p = next;
	}
}

void sent_forget_sacks(struct sent_map *m)
{
	struct list *p;

	list_init(&m->lost);
	for (p = m->recs.next; p != &m->recs; p = p->next) {
		struct sent_rec *r = rec_of(p);

		if (!(r->flags & (SENT_SACKED | SENT_LOST)))
			continue;
		list_init(&r->state);
		cond_set(m, r, SENT_LOST);
		list_push_back(&m->lost, &r->state);
	}
	m->fack = m->una;
}

static uint64_t tx_of(const struct list *l)
{
	return list_entry(l, struct sent_rec, state)->tx_ns;
}

/* a and b, each in order of transmission, become one such list in a. */
static void tx_merge(struct list *a, struct list *b)
{
	struct list *p = a->next;

	while (!list_empty(b)) {
		struct list *n = b->next;

		while (p != a && tx_of(p) <= tx_of(n))
			p = p->next;
		list_del(n);
		list_insert_between(n, p->prev, p);
	}
}

/* Puts l into the order of transmission: runs that are in order are merged, two by two. */
static void tx_sort(struct list *l)
{
	struct list run[32], *p;
	unsigned i, n = 0;

	for (i = 0; i < 32; i++)
		list_init(&run[i]);
	while (!list_empty(l)) {
		struct list r;

		list_init(&r);
		do {
			p = l->next;
			list_del(p);
			list_push_back(&r, p);
		} while (!list_empty(l) && tx_of(l->next) >= tx_of(p));
		for (i = 0; i < n && i < 31 && !list_empty(&run[i]); i++) {
			tx_merge(&run[i], &r);
			list_splice_back(&r, &run[i]);
		}
		list_splice_back(&run[i], &r);
		if (i >= n)
			n = i + 1;
	}
	for (i = 0; i < n; i++)
		tx_merge(l, &run[i]);
}

void sent_unmark_lost(struct sent_map *m)
{
	struct list back, *p;

	tx_sort(&m->lost);
	list_init(&back);
	list_splice_back(&back, &m->lost);
	list_for_each(p, &back) {
		struct sent_rec *r = list_entry(p, struct sent_rec, state);

		account_sub(m, r);
		r->flags &= ~SENT_LOST;
		account_add(m, r);
		sent_index_changed(m, r);
	}
	tx_merge(&m->flight, &back);
}

void sent_check(const struct sent_map *m)
{
	uint32_t flight = 0, lost = 0, sacked = 0, rexmit = 0, n = 0, on_flight = 0, on_lost = 0;
	struct seq at = m->una;
	const struct list *p;
	uint64_t tx_ns = 0;

	for (p = m->recs.next; p != &m->recs; p = p->next) {
		const struct sent_rec *r = list_entry(p, struct sent_rec, node);

		ASSERT(seq_eq(r->start, at) && seq_lt(r->start, r->end));
		ASSERT((r->flags & (SENT_SACKED | SENT_LOST)) != (SENT_SACKED | SENT_LOST));
		ASSERT(!(r->flags & SENT_FIN) || p->next == &m->recs);
		ASSERT(!(r->flags & SENT_SACKED) || list_empty(&r->state));
		ASSERT(!(r->flags & SENT_SACKED) || seq_leq(r->end, m->fack));
		at = r->end;
		n++;
		if (r->flags & SENT_SACKED)
			sacked += rec_len(r);
		else if (r->flags & SENT_LOST)
			lost += rec_len(r), on_lost++;
		else
			flight += rec_len(r), on_flight++;
		if (!(r->flags & (SENT_SACKED | SENT_LOST)) && (r->flags & SENT_REXMIT))
			rexmit += rec_len(r);
	}
	ASSERT(seq_eq(at, m->nxt) && n == m->nrecs);
	sent_index_check(m, n);
	ASSERT(flight == m->in_flight_bytes && lost == m->lost_bytes);
	ASSERT(sacked == m->sacked_bytes && rexmit == m->rexmit_bytes);
	for (p = m->flight.next; p != &m->flight; p = p->next, on_flight--) {
		const struct sent_rec *r = list_entry(p, struct sent_rec, state);

		ASSERT(!(r->flags & (SENT_SACKED | SENT_LOST)) && r->tx_ns >= tx_ns);
		tx_ns = r->tx_ns;
	}
	ASSERT(on_flight == 0);
	at = m->una;
	for (p = m->lost.next; p != &m->lost; p = p->next, on_lost--) {
		const struct sent_rec *r = list_entry(p, struct sent_rec, state);

		ASSERT((r->flags & SENT_LOST) && seq_geq(r->start, at));
		at = r->end;
	}
	ASSERT(on_lost == 0);
}
