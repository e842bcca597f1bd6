/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reassembly (RFC 9293 3.10.7.4, RFC 815 in spirit): ranges of packets that touch, in a list by
 * sequence number, with an index for where a peer makes many holes: nearly everything arrives at
 * the tail, at the first hole, or where something has just arrived. A packet is cut where it
 * overlaps what is held: what came first stays. Must never drop what it once took in before it is
 * delivered (it was SACKed) but as the last resort, nor grow beyond its bounds. As frames get few
 * small packets share one; and when nobody may keep more, who has waited longest for a hole to be
 * filled gives up what it holds (RFC 2018 8).
 */
#include "reass.h"

#include "tcp.h"

void reass_init(struct reass *r)
{
	list_init(&r->ranges);
	list_init(&r->recent);
	r->index = (struct treap){NULL, r->index.steps};
	r->n = r->frames = r->bytes = 0;
}

static uint32_t chain_bytes(struct stack *st, uint32_t f)
{
	uint32_t n = 0;

	for (; f != FRAME_NONE; f = frame_meta(&st->frames, f)->next)
		n += frame_meta(&st->frames, f)->len;
	return n;
}

static struct pool *range_pool(struct stack *st)
{
	return &st->tcp->ranges;
}

static void range_free(struct stack *st, struct reass *r, struct reass_range *g)
{
	list_del(&g->node);
	list_del(&g->recent);
	treap_remove(&r->index, &g->index, NULL);
	r->n--;
	pool_put(range_pool(st), g);
}

void reass_free(struct stack *st, struct reass *r)
{
	while (!list_empty(&r->ranges)) {
		struct reass_range *g = list_first(&r->ranges, struct reass_range, node);

		while (g->head != FRAME_NONE) {
			uint32_t next = frame_meta(&st->frames, g->head)->qnext;

			frame_put_chain(&st->frames, g->head);
			g->head = next;
		}
		range_free(st, r, g);
	}
	reass_init(r);
}

static struct reass_range *range_of(const struct list *n)
{
	return list_entry(n, struct reass_range, node);
}

/* g, which starts at or before seq, is the last such. */
static bool range_is_last_before(const struct reass *r, const struct reass_range *g, struct seq seq)
{
	return g->node.next == &r->ranges || seq_gt(range_of(g->node.next)->start, seq);
}

static struct reass_range *range_search(struct reass *r, struct seq seq)
{
	struct reass_range *found = NULL;
	struct treap_node *n = r->index.root;

	for (; n; r->index.steps++) {
		struct reass_range *g = container_of(n, struct reass_range, index);

		if (seq_gt(g->start, seq)) {
			n = n->left;
			continue;
		}
		found = g;
		n = n->right;
	}
	return found;
}

/* The last range that starts at or before seq; NULL: none does. Nearly always one of three. */
static struct reass_range *range_before(struct reass *r, struct seq seq)
{
	struct reass_range *g;

	if (list_empty(&r->ranges) || seq_gt(range_of(r->ranges.next)->start, seq))
		return NULL;
	g = range_of(r->ranges.prev);
	if (seq_leq(g->start, seq))
		return g;
	g = range_of(r->ranges.next);
	if (range_is_last_before(r, g, seq))
		return g;
	g = list_first(&r->recent, struct reass_range, recent);
	if (seq_leq(g->start, seq) && range_is_last_before(r, g, seq))
		return g;
	return range_search(r, seq);
}

/* g has changed. */
static void range_touch(struct reass *r, struct reass_range *g)
{
	list_del(&g->recent);
	list_push_front(&r->recent, &g->recent);
}

static struct reass_range *range_after(struct reass *r, struct reass_range *g)
{
	struct list *n = g ? g->node.next : r->ranges.next;

	return n == &r->ranges ? NULL : list_entry(n, struct reass_range, node);
}

/* b follows a without a hole: one range. */
static void ranges_join(struct stack *st, struct reass *r, struct reass_range *a,
			struct reass_range *b)
{
	frame_meta(&st->frames, a->tail)->qnext = b->head;
	a->tail = b->tail;
	a->end = b->end;
	range_free(st, r, b);
}

/* Adds a cut packet [seq, end), which overlaps nothing, behind or before a neighbour or as a range
 * of its own between prev and next. */
static bool range_add(struct stack *st, struct reass *r, struct reass_range *prev,
		      struct reass_range *next, uint32_t frame, struct seq seq, struct seq end)
{
	struct frame *m = frame_meta(&st->frames, frame);
	struct reass_range *g;

	m->aux = seq.v;
	m->qnext = FRAME_NONE;
	if (prev && seq_eq(prev->end, seq)) {
		frame_meta(&st->frames, prev->tail)->qnext = frame;
		prev->tail = frame;
		prev->end = end;
		g = prev;
	} else if (next && seq_eq(next->start, end)) {
		m->qnext = next->head;
		next->head = frame;
		next->start = seq;
		g = next;
	} else {
		if (r->n >= REASS_RANGES_MAX)
			return false;
		g = pool_get(range_pool(st));
		if (!g)
			return false;
		g->start = seq;
		g->end = end;
		g->head = g->tail = frame;
		list_insert_between(&g->node, prev ? &prev->node : &r->ranges,
				    next ? &next->node : &r->ranges);
		list_init(&g->recent);
		treap_insert(&r->index, prev ? &prev->index : NULL, &g->index, NULL);
		r->n++;
	}
	range_touch(r, g);
	if (g == prev && next && seq_eq(g->end, next->start))
		ranges_join(st, r, g, next);
	return true;
}

static void dup_note(struct sack_block *dup, struct seq start, struct seq end)
{
	if (seq_eq(dup->start, dup->end))
		*dup = (struct sack_block){start, end};
}

/* By copying, which happens only when a peer cuts its segments anew. */
uint32_t reass_split(struct stack *st, const struct rx_pkt *p, uint32_t n)
{
	uint32_t first = FRAME_NONE, last = FRAME_NONE;

	for (uint32_t f = p->frame; n > 0; f = frame_meta(&st->frames, f)->next) {
		uint32_t part = frame_meta(&st->frames, f)->len, copy = frame_get(&st->frames);

		if (copy == FRAME_NONE) {
			if (first != FRAME_NONE)
				frame_put_chain(&st->frames, first);
			return FRAME_NONE;
		}
		if (part > n)
			part = n;
		memcpy(frame_buf(&st->frames, copy), frame_data(&st->frames, f), part);
		frame_meta(&st->frames, copy)->len = (uint16_t)part;
		if (first == FRAME_NONE)
			first = copy;
		else
			frame_meta(&st->frames, last)->next = copy;
		last = copy;
		n -= part;
	}
	return first;
}

static bool reass_has_room(struct stack *st, const struct reass *r, uint32_t frames, uint32_t len)
{
	uint32_t held = r->frames + frames;

	/* No more than what is left for all others: half of the pool for one, a third each for two,
	 * and always a share for who comes next (dynamic thresholds, Choudhury and Hahne). */
	if (held > REASS_FRAMES_MAX || held > st->frames.nfree || frames_scarce(&st->frames))
		return false;
	return held <= RCVBUF_FRAMES_MAX ||
	       r->bytes + len >= held * (FRAME_BYTES / REASS_DENSE_DIV);
}

/* The packet b, which follows a, into a's frame, if both are small. */
static bool frames_join(struct stack *st, uint32_t a, uint32_t b)
{
	struct frame *to = frame_meta(&st->frames, a), *m = frame_meta(&st->frames, b);

	if (to->next != FRAME_NONE || m->next != FRAME_NONE ||
	    (uint32_t)to->len + m->len > FRAME_BYTES)
		return false;
	if ((uint32_t)to->off + to->len + m->len > FRAME_BYTES) {
		memmove(frame_buf(&st->frames, a), frame_data(&st->frames, a), to->len);
		to->off = 0;
	}
	memcpy(frame_data(&st->frames, a) + to->len, frame_data(&st->frames, b), m->len);
	to->len += m->len;
	to->qnext = m->qnext;
	frame_put(&st->frames, b);
	return true;
}

/* A piece that touches a neighbour takes no frame more, when they are getting few. */
static bool piece_join(struct stack *st, struct reass *r, struct reass_range *prev,
		       struct reass_range *next, uint32_t frame, struct seq seq, uint32_t len)
{
	struct frame *m = frame_meta(&st->frames, frame);
	struct seq end = seq_add(seq, len);
	uint32_t head = next ? next->head : FRAME_NONE;

	if (likely(st->frames.nfree >= st->frames.count / FRAMES_JOIN_DIV))
		return false;
	m->qnext = FRAME_NONE;
	if (prev && seq_eq(prev->end, seq) && frames_join(st, prev->tail, frame)) {
		prev->end = end;
		range_touch(r, prev);
		if (next && seq_eq(end, next->start))
			ranges_join(st, r, prev, next);
	} else if (next && seq_eq(end, next->start) && frames_join(st, frame, head)) {
		m->aux = seq.v;
		next->head = frame;
		if (next->tail == head)
			next->tail = frame;
		next->start = seq;
		range_touch(r, next);
		if (prev && seq_eq(prev->end, seq))
			ranges_join(st, r, prev, next);
	} else {
		return false;
	}
	r->bytes += len;
	return true;
}

/* One piece of a packet into the gap between prev and next. */
static bool piece_add(struct stack *st, struct reass *r, struct reass_range *prev,
		      struct reass_range *next, uint32_t frame, struct seq seq, uint32_t len)
{
	uint32_t n = rcvbuf_chain_frames(st, frame);

	if (piece_join(st, r, prev, next, frame, seq, len))
		return true;
	if (!reass_has_room(st, r, n, len) ||
	    !range_add(st, r, prev, next, frame, seq, seq_add(seq, len)))
		return false;
	r->frames += n;
	r->bytes += len;
	return true;
}

enum stat_id reass_insert(struct stack *st, struct reass *r, struct rx_pkt *p, struct seq seq,
			  struct sack_block *dup)
{
	bool used = false;

	*dup = (struct sack_block){seq, seq};
	while (p->len > 0) {
		struct reass_range *prev = range_before(r, seq);
		struct reass_range *next = range_after(r, prev);
		struct seq end = seq_add(seq, p->len);
		uint32_t n;

		if (prev && seq_gt(prev->end, seq)) {
			n = (uint32_t)seq_diff(seq_min(prev->end, end), seq);
			dup_note(dup, seq, seq_add(seq, n));
			range_touch(r, prev);
			if (n == p->len)
				break;
			rx_pull(st, p, n);
			seq = seq_add(seq, n);
			continue;
		}
		if (!next || seq_leq(end, next->start)) {
			if (!piece_add(st, r, prev, next, p->frame, seq, p->len))
				break;
			p->frame = FRAME_NONE;
			return STAT_rx_packets;
		}
		n = (uint32_t)seq_diff(next->start, seq);
		if (seq_leq(end, next->end)) { /* only its tail is there already */
			dup_note(dup, next->start, end);
			rx_trim(st, p, n);
			continue;
		}
		uint32_t head = reass_split(st, p, n);

		if (head == FRAME_NONE)
			break;
		if (!piece_add(st, r, prev, next, head, seq, n)) {
			frame_put_chain(&st->frames, head);
			break;
		}
		used = true;
		rx_pull(st, p, n);
		seq = seq_add(seq, n);
	}
	if (p->frame != FRAME_NONE)
		frame_put_chain(&st->frames, p->frame);
	p->frame = FRAME_NONE;
	if (used)
		return STAT_rx_packets;
	return seq_eq(dup->start, dup->end) ? STAT_drop_tcp_reass_full : STAT_drop_tcp_dup;
}

void tcp_reass_progress(struct stack *st, struct tcp_conn *c)
{
	if (!list_empty(&c->reass_node))
		list_del(&c->reass_node);
	if (reass_empty(&c->reass))
		return;
	c->reass_ns = st->now_ns;
	list_push_back(&st->tcp->reass_conns, &c->reass_node);
}

void tcp_reass_prune(struct stack *st)
{
	struct list *l = &st->tcp->reass_conns;

	while (!list_empty(l)) {
		struct tcp_conn *c = list_first(l, struct tcp_conn, reass_node);

		if (st->now_ns - c->reass_ns < REASS_STALE_NS)
			return;
		list_del(&c->reass_node);
		if (reass_empty(&c->reass))
			continue;
		COUNT(st, tcp_reass_pruned);
		AT(st, c);
		reass_free(st, &c->reass);
		return;
	}
}

uint32_t reass_pop(struct stack *st, struct reass *r, struct seq nxt, uint32_t *len)
{
	while (!list_empty(&r->ranges)) {
		struct reass_range *g = list_first(&r->ranges, struct reass_range, node);
		struct rx_pkt p = {.frame = g->head};
		struct seq start;

		if (seq_gt(g->start, nxt))
			return FRAME_NONE;
		p.len = chain_bytes(st, p.frame);
		start = seq_of(frame_meta(&st->frames, p.frame)->aux);
		g->head = frame_meta(&st->frames, p.frame)->qnext;
		g->start = seq_add(start, p.len);
		r->frames -= rcvbuf_chain_frames(st, p.frame);
		r->bytes -= p.len;
		if (g->head == FRAME_NONE)
			range_free(st, r, g);
		if (seq_leq(seq_add(start, p.len), nxt)) {
			frame_put_chain(&st->frames, p.frame);
			continue;
		}
		if (seq_lt(start, nxt))
			rx_pull(st, &p, (uint32_t)seq_diff(nxt, start));
		*len = p.len;
		return p.frame;
	}
	return FRAME_NONE;
}

unsigned reass_sack(const struct reass *r, struct sack_block *out, unsigned max)
{
	const struct list *l;
	unsigned n = 0;

	for (l = r->recent.next; l != &r->recent && n < max; l = l->next) {
		const struct reass_range *g = list_entry(l, struct reass_range, recent);

		out[n++] = (struct sack_block){g->start, g->end};
	}
	return n;
}
