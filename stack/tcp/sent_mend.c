/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sent-map's part of stack_mend(): what sent_check() asserts, told of a map of which nothing is
 * known, and the index made anew. Decides whether the records of a connection can be believed.
 */
#include "../mend.h"
#include "sent.h"
#include "sent_index.h"

#define MARK offsetof(struct sent_rec, mark)

struct sums {
	uint32_t flight, lost, sacked, rexmit, on_flight, on_lost;
};

static struct sent_rec *of_node(const struct list *n)
{
	return list_entry((struct list *)(uintptr_t)n, struct sent_rec, node);
}

static bool rec_take(struct mend *md, struct sent_map *m, struct sent_rec *r)
{
	return r == &m->own ? m->own_used : mend_take(md, m->pool, MARK, r);
}

/* One record, which begins at *at. */
static bool rec_ok(const struct sent_map *m, const struct sent_rec *r, struct seq *at,
		   struct sums *s)
{
	uint32_t len = r->end.v - r->start.v;

	if (!seq_eq(r->start, *at) || !seq_lt(r->start, r->end))
		return false;
	*at = r->end;
	if (r->flags & SENT_SACKED) {
		s->sacked += len;
		return !(r->flags & SENT_LOST) && list_empty(&r->state) && seq_leq(r->end, m->fack);
	}
	if (r->flags & SENT_LOST) {
		s->lost += len;
		s->on_lost++;
		return true;
	}
	s->flight += len;
	s->on_flight++;
	if (r->flags & SENT_REXMIT)
		s->rexmit += len;
	return true;
}

/* A list of n of the records, all with that condition. */
static bool state_ok(const struct mend *md, const struct sent_map *m, const struct list *head,
		     uint32_t n, uint16_t flags)
{
	const struct list *prev = head, *pos;

	for (pos = head->next; pos != head; prev = pos, pos = pos->next, n--) {
		const struct sent_rec *r = list_entry(pos, const struct sent_rec, state);

		if (n == 0 || (r != &m->own && !mend_taken(md, m->pool, MARK, r)) ||
		    pos->prev != prev || (r->flags & (SENT_SACKED | SENT_LOST)) != flags)
			return false;
	}
	return n == 0 && head->prev == prev;
}

bool sent_mend_take(struct mend *md, struct sent_map *m)
{
	const struct list *prev = &m->recs, *pos;
	struct sums s = {0};
	struct seq at = m->una;
	uint32_t n = 0;
	bool own = false;

	for (pos = prev->next; pos != &m->recs; prev = pos, pos = pos->next, n++) {
		struct sent_rec *r = of_node(pos);

		if (n == m->nrecs || (r == &m->own && own) || !rec_take(md, m, r) ||
		    pos->prev != prev || !rec_ok(m, r, &at, &s))
			return false;
		own |= r == &m->own;
	}
	return m->recs.prev == prev && seq_eq(at, m->nxt) && n == m->nrecs && own == m->own_used &&
	       s.flight == m->in_flight_bytes && s.lost == m->lost_bytes &&
	       s.sacked == m->sacked_bytes && s.rexmit == m->rexmit_bytes &&
	       state_ok(md, m, &m->flight, s.on_flight, 0) &&
	       state_ok(md, m, &m->lost, s.on_lost, SENT_LOST);
}

void sent_mend(struct sent_map *m)
{
	struct sent_rec *prev = NULL;
	struct list *pos;

	m->hint = NULL;
	m->index.root = NULL;
	list_for_each(pos, &m->recs) {
		struct sent_rec *r = of_node(pos);

		sent_index_insert(m, prev, r);
		prev = r;
	}
}
