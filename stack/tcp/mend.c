/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP's part of stack_mend(): takes what each connection holds, resets those that were being
 * changed, and links all others again: hash, timers, ACKs that are owed, accept queues, output that
 * waits. Listeners, requests and TIME-WAITs hold nothing that could be half done but whether they
 * are alive, and all of them go on.
 *
 * A connection that a request was becoming when the process died ends without a word: the request
 * is still there, and makes it anew with the peer's next segment.
 */
#include <errno.h>

#include "../mend.h"
#include "tcp.h"

#define RANGE_MARK offsetof(struct reass_range, mark)
#define SENT_MARK offsetof(struct sent_rec, mark)
#define TX_STAMP_MARK offsetof(struct tx_stamp, mark)
#define RX_STAMPS_MARK offsetof(struct rx_stamps, mark)
#define SAVED_SYN_MARK offsetof(struct saved_syn, mark)

/* ---- what is held --------------------------------------------------------------------------- */

/* Full blocks but for the last one, as many bytes as it says. */
static bool sndbuf_take(struct mend *m, const struct sndbuf *b)
{
	struct blk *last, *rsv, *p;
	uint64_t sum = 0;

	if (!mend_take_blks(m, b->head, b->len / BLK_DATA_BYTES + 2, &last) || last != b->tail ||
	    !mend_take_blks(m, b->rsv, UINT16_MAX, &rsv))
		return false;
	for (p = b->head; p; p = p->next) {
		if (p->start != 0 || p->end == 0 || (p->next && p->end != BLK_DATA_BYTES))
			return false;
		sum += p->end;
	}
	for (p = b->rsv; p; p = p->next)
		if (p->start != 0 || p->end != 0)
			return false;
	return b->head ? b->head_off < b->head->end && sum - b->head_off == b->len
		       : b->len == 0 && b->head_off == 0;
}

/* Packets linked by qnext, from head to tail. */
static bool packets_take(struct mend *m, uint32_t head, uint32_t tail, uint32_t *frames,
			 uint32_t *bytes)
{
	const struct frame_pool *fp = &m->st->frames;
	uint32_t last = FRAME_NONE;

	for (; head != FRAME_NONE; head = fp->meta[head].qnext) {
		if (!mend_take_packet(m, head, frames, bytes))
			return false;
		last = head;
	}
	return last == tail;
}

static bool rcvbuf_take(struct mend *m, const struct rcvbuf *b)
{
	uint32_t frames = 0, bytes = 0;
	struct blk *last, *p;

	if (!mend_take_blks(m, b->bhead, b->len + 1, &last) || last != b->btail)
		return false;
	for (p = b->bhead; p; p = p->next)
		bytes += p->end - p->start;
	return packets_take(m, b->head, b->tail, &frames, &bytes) && frames == b->frames &&
	       bytes == b->len;
}

static struct reass_range *range_of(const struct list *n)
{
	return list_entry((struct list *)(uintptr_t)n, struct reass_range, node);
}

static bool recent_ok(const struct mend *m, const struct reass *r)
{
	const struct list *prev = &r->recent, *pos;
	uint32_t n = 0;

	for (pos = prev->next; pos != &r->recent; prev = pos, pos = pos->next, n++) {
		const struct reass_range *g = list_entry(pos, const struct reass_range, recent);

		if (n == r->n || !mend_taken(m, &m->st->tcp->ranges, RANGE_MARK, g) ||
		    pos->prev != prev)
			return false;
	}
	return n == r->n && r->recent.prev == prev;
}

/* Ranges in order that do not touch, each with as many bytes as it spans, all beyond nxt. */
static bool reass_take(struct mend *m, const struct reass *r, struct seq nxt)
{
	const struct list *prev = &r->ranges, *pos;
	uint32_t frames = 0, sum = 0, n = 0;

	for (pos = prev->next; pos != &r->ranges; prev = pos, pos = pos->next, n++) {
		struct reass_range *g = range_of(pos);
		uint32_t bytes = 0;

		if (n == r->n || !mend_take(m, &m->st->tcp->ranges, RANGE_MARK, g) ||
		    pos->prev != prev || !seq_gt(g->start, nxt) || !seq_gt(g->end, g->start))
			return false;
		nxt = g->end;
		if (!packets_take(m, g->head, g->tail, &frames, &bytes) ||
		    bytes != (uint32_t)seq_diff(g->end, g->start))
			return false;
		sum += bytes;
	}
	return r->ranges.prev == prev && n == r->n && frames == r->frames && sum == r->bytes &&
	       recent_ok(m, r);
}

static bool stamps_take(struct mend *m, struct stamps *s)
{
	const struct tcp_state_tables *t = m->st->tcp;
	const struct list *prev = &s->tx, *pos;

	for (pos = prev->next; pos != &s->tx; prev = pos, pos = pos->next) {
		struct tx_stamp *x =
			list_entry((struct list *)(uintptr_t)pos, struct tx_stamp, node);

		if (!mend_take(m, &t->tx_stamps, TX_STAMP_MARK, x) || pos->prev != prev)
			return false;
	}
	return s->tx.prev == prev &&
	       (!s->rx ||
		(mend_take(m, &t->rx_stamps, RX_STAMPS_MARK, s->rx) && s->rx->n <= STAMP_RX_MAX));
}

/* What was sent, and is not acknowledged, is in the send buffer. */
static bool numbers_ok(const struct tcp_conn *c)
{
	int32_t una = seq_diff(c->sent.una, c->snd.una), nxt = seq_diff(c->sent.nxt, c->snd.una);

	if (c->state >= TCPS_COUNT || tcp_state_in(c, TCPS_BIT(TCPS_LISTEN) | TCPS_BIT(0)))
		return false;
	if (c->state == TCPS_CLOSED)
		return true;
	/* the SYN lies before its first byte, the FIN behind its last */
	return una >= -1 && una <= 1 && nxt >= una && nxt <= (int32_t)c->snd.len + 1 &&
	       c->ack_wait <= ACK_TX && c->cc.algo < CC_ALGOS;
}

static bool conn_take(struct mend *m, struct tcp_conn *c)
{
	return c->sk.type == STK_TCP && numbers_ok(c) && sndbuf_take(m, &c->snd) &&
	       rcvbuf_take(m, &c->rcv) && reass_take(m, &c->reass, c->rcv_nxt) &&
	       c->sent.pool == &m->st->tcp->sents && sent_mend_take(m, &c->sent) &&
	       stamps_take(m, &c->stamps) && mend_take_errs(m, &c->sk) &&
	       (!c->saved_syn ||
		mend_take(m, &m->st->tcp->saved_syns, SAVED_SYN_MARK, c->saved_syn));
}

void tcp_mend_named(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_conn *c;

	while ((c = pool_walk_next(&st->tcp->conns, &w)) != NULL)
		if (c->sk.life != SOCK_FREE)
			c->sk.spoilt = mend_is_named(st, c);
}

void tcp_mend_clear(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_conn *c;

	while ((c = pool_walk_next(&st->tcp->conns, &w)) != NULL)
		if (c->sk.life != SOCK_FREE)
			c->sk.spoilt = 0;
}

static bool req_goes_on(const struct stack *st, const struct tcp_req *r)
{
	return r->live && mend_is_sock(st, &r->l->sk, STK_LISTENER) && !r->l->shut;
}

bool tcp_mend_take(struct mend *m)
{
	struct tcp_state_tables *t = m->st->tcp;
	struct pool_walk w = {0}, wr = {0};
	struct tcp_conn *c;
	struct tcp_req *r;

	mend_none(&t->ranges, RANGE_MARK);
	mend_none(&t->sents, SENT_MARK);
	mend_none(&t->tx_stamps, TX_STAMP_MARK);
	mend_none(&t->rx_stamps, RX_STAMPS_MARK);
	mend_none(&t->saved_syns, SAVED_SYN_MARK);
	while ((c = pool_walk_next(&t->conns, &w)) != NULL) {
		if (!mend_goes_on(&c->sk) || conn_take(m, c))
			continue;
		c->sk.spoilt = 1;
		return false;
	}
	while ((r = pool_walk_next(&t->reqs, &wr)) != NULL)
		if (req_goes_on(m->st, r) && r->saved_syn &&
		    !mend_take(m, &t->saved_syns, SAVED_SYN_MARK, r->saved_syn))
			return false;
	return true;
}

/* ---- who goes on ---------------------------------------------------------------------------- */

#define IS_TAKEN(type)                                                           \
	static bool type##_is_taken(const void *obj)                             \
	{                                                                        \
		return ((const struct type *)obj)->mark == (uint32_t)MEND_TAKEN; \
	}
IS_TAKEN(reass_range)
IS_TAKEN(sent_rec)
IS_TAKEN(tx_stamp)
IS_TAKEN(rx_stamps)
IS_TAKEN(saved_syn)

static bool conn_is_out(const void *obj)
{
	return ((const struct sock *)obj)->life != SOCK_FREE;
}

static bool req_is_out(const void *obj)
{
	const struct tcp_req *r = obj;

	return r->live || r->gone;
}

static bool tw_is_live(const void *obj)
{
	return ((const struct tcp_tw *)obj)->live;
}

static void listeners_mend(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_listener *l;

	while ((l = pool_walk_next(&st->tcp->listeners, &w)) != NULL) {
		if (mend_is_sock(st, &l->sk, STK_LISTENER))
			tcp_listener_reset(st, l);
		else
			l->sk.life = SOCK_FREE;
	}
	pool_rebuild(&st->tcp->listeners, sock_is_live);
}

static void reqs_mend(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_req *r;

	while ((r = pool_walk_next(&st->tcp->reqs, &w)) != NULL) {
		bool was = r->live;

		r->live = req_goes_on(st, r);
		r->gone = r->gone || (was && !r->live && r->claimed);
		if (r->live)
			tcp_req_mend(st, r);
		else if (r->gone)
			list_push_back(&st->tcp->gone_reqs, &r->node);
	}
	pool_rebuild(&st->tcp->reqs, req_is_out);
}

static void timewaits_mend(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_tw *tw;

	while ((tw = pool_walk_next(&st->tcp->tws, &w)) != NULL) {
		if (!tw->live)
			continue;
		if (!tw->gone) {
			tw->m.dst = dst_get(st, &tw->m.remote.addr);
			tw->gone = tw->m.dst == NULL;
		}
		if (!tw->gone) {
			tcp_mini_hash(st, &tw->m);
			list_push_back(&st->tcp->tw, &tw->node);
			tcp_mini_timer_mend(st, &tw->m);
		} else if (tw->claimed) {
			list_push_back(&st->tcp->gone_tws, &tw->node);
		} else {
			tw->live = false;
		}
	}
	pool_rebuild(&st->tcp->tws, tw_is_live);
}

static void reass_mend(struct stack *st, struct tcp_conn *c)
{
	struct treap_node *prev = NULL;
	struct list *pos;

	c->reass.index.root = NULL;
	list_for_each(pos, &c->reass.ranges) {
		struct treap_node *n = &range_of(pos)->index;

		treap_insert(&c->reass.index, prev, n, NULL);
		prev = n;
	}
	if (!reass_empty(&c->reass))
		list_push_back(&st->tcp->reass_conns, &c->reass_node);
}

/* The ACK that it owes, and output that waits. */
static void output_mend(struct stack *st, struct tcp_conn *c)
{
	struct tcp_state_tables *t = st->tcp;

	if (c->ack_wait == ACK_TURN || c->ack_wait == ACK_BATCH)
		list_push_back(c->ack_wait == ACK_TURN ? &t->ack_turn : &t->ack_batch,
			       &c->ack_node);
	if (c->out_blocked || c->ack_wait == ACK_TX)
		sock_tx_wait(st, &c->sk);
}

static void conn_mend(struct stack *st, struct tcp_conn *c)
{
	struct tcp_listener *l = c->listener, *fo = c->fo_listener;

	mend_sock(st, &c->sk);
	list_init(&c->ack_node);
	list_init(&c->blkw);
	list_init(&c->reass_node);
	list_init(&c->accept_node);
	list_init(&c->fo_node);
	c->hash_next = NULL;
	c->hash_prev = NULL;
	c->fo_listener = NULL;
	c->snd.cur[0].blk = c->snd.cur[1].blk = NULL;
	st->tcp->norphans += c->orphan_counted;
	sent_mend(&c->sent);
	reass_mend(st, c);
	if (c->state != TCPS_CLOSED) {
		tcp_conn_hash(st, c);
		tcp_timers_mend(st, c);
		output_mend(st, c);
	} else {
		tcp_timers_init(c);
	}
	if (fo && mend_is_sock(st, &fo->sk, STK_LISTENER))
		fastopen_child(fo, c);
	if (l && mend_is_sock(st, &l->sk, STK_LISTENER) && !l->shut)
		tcp_listener_queue(st, l, c);
	else
		c->listener = NULL;
	if (c->state == TCPS_CLOSED && c->sk.claimed & CLAIM_PORT && !c->sk.orphan && !c->listener)
		list_push_back(&st->tcp->gone_ports, &c->accept_node);
	tcp_ready(st, c, 0);
	mend_news(st, &c->sk);
}

/* It was being changed, or is not whole, or has no destination any more. */
static void conn_end(struct stack *st, struct tcp_conn *c)
{
	const struct tcp_mini *mini = tcp_mini_find(st, &c->sk.local, &c->sk.remote);
	bool held = c->sk.user != NULL && !c->sk.orphan;

	if (held || !mini)
		tcp_tell_peer(st, c);
	if (held) {
		tcp_conn_close(st, c);
		c->sk.spoilt = 0;
	} else if (c->sk.claimed) {
		c->sk.life = SOCK_GONE;
		list_push_back(&st->tcp->gone_conns, &c->accept_node);
	} else {
		c->sk.life = SOCK_FREE;
	}
}

static void conns_mend(struct stack *st, struct stack_mended *res)
{
	struct pool_walk w = {0};
	struct tcp_conn *c;

	while ((c = pool_walk_next(&st->tcp->conns, &w)) != NULL) {
		bool open = c->state != TCPS_CLOSED;

		if (c->sk.life == SOCK_GONE) {
			list_push_back(&st->tcp->gone_conns, &c->accept_node);
			continue;
		}
		if (c->sk.life != SOCK_LIVE) {
			c->sk.life = SOCK_FREE;
			continue;
		}
		if (!c->sk.spoilt && open) {
			c->dst = dst_get(st, &c->sk.remote.addr);
			c->sk.spoilt = c->dst == NULL;
		}
		if (c->sk.spoilt) {
			conn_end(st, c);
			res->reset += open;
		} else {
			conn_mend(st, c);
			res->kept += open;
		}
	}
	pool_rebuild(&st->tcp->conns, conn_is_out);
}

/* Nobody will ever close these: the dead had taken them from the queue, or was about to close them,
 * or their listener ends. */
static void strangers_close(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_conn *c;

	while ((c = pool_walk_next(&st->tcp->conns, &w)) != NULL)
		if (c->sk.life == SOCK_LIVE && !c->sk.user && !c->sk.orphan && !c->listener)
			stack_close(st, &c->sk, st->now_ns);
}

void tcp_mend_all(struct stack *st, struct stack_mended *res)
{
	struct tcp_state_tables *t = st->tcp;

	tcp_tables_empty(t);
	pool_rebuild(&t->ranges, reass_range_is_taken);
	pool_rebuild(&t->sents, sent_rec_is_taken);
	pool_rebuild(&t->tx_stamps, tx_stamp_is_taken);
	pool_rebuild(&t->rx_stamps, rx_stamps_is_taken);
	pool_rebuild(&t->saved_syns, saved_syn_is_taken);
	fastopen_forget_all(st);
	listeners_mend(st);
	reqs_mend(st);
	timewaits_mend(st);
	conns_mend(st, res);
	strangers_close(st);
}
