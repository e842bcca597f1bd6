/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whom a segment is for: the hashes of four-tuples and tcp_rx(), the entry from IP. Connections
 * have a table of their own, so that the common search touches nothing else; half-open and
 * TIME-WAIT ones share a second. The hash is keyed: a peer cannot choose its chain.
 *
 * RFC 9293 3.10.7.1 (no connection: RST) and the order: connection, small forms, listener.
 */
#include <errno.h>

#include "tcp.h"

#define CSUM_OFFSET 16u

uint32_t tcp_tuple_hash(const struct stack *st, const struct endpoint *local,
			const struct endpoint *remote)
{
	if (likely(ip_addr_is_v4(&local->addr) && ip_addr_is_v4(&remote->addr))) {
		uint32_t key[3] = {local->addr.w[3], remote->addr.w[3],
				   (uint32_t)local->port << 16 | remote->port};

		return (uint32_t)stack_hash(st, key, sizeof(key));
	} else {
		struct {
			struct ip_addr a, b;
			uint32_t ports;
			uint32_t pad;
		} key = {local->addr, remote->addr, (uint32_t)local->port << 16 | remote->port, 0};

		return (uint32_t)stack_hash(st, &key, sizeof(key));
	}
}

static bool tuple_eq(const struct endpoint *l, const struct endpoint *r,
		     const struct endpoint *local, const struct endpoint *remote)
{
	return l->port == local->port && r->port == remote->port &&
	       ip_addr_eq(&r->addr, &remote->addr) && ip_addr_eq(&l->addr, &local->addr);
}

void tcp_conn_hash(struct stack *st, struct tcp_conn *c)
{
	struct tcp_conn **head;

	c->hash = tcp_tuple_hash(st, &c->sk.local, &c->sk.remote);
	head = &st->tcp->conn_hash[c->hash & st->tcp->conn_mask];
	c->hash_next = *head;
	c->hash_prev = head;
	if (c->hash_next)
		c->hash_next->hash_prev = &c->hash_next;
	*head = c;
}

void tcp_conn_unhash(struct stack *st, struct tcp_conn *c)
{
	if (st->tcp->last == c)
		st->tcp->last = NULL;
	if (!c->hash_prev)
		return;
	*c->hash_prev = c->hash_next;
	if (c->hash_next)
		c->hash_next->hash_prev = c->hash_prev;
	c->hash_next = NULL;
	c->hash_prev = NULL;
}

struct tcp_conn *tcp_conn_find(struct stack *st, const struct endpoint *local,
			       const struct endpoint *remote)
{
	struct tcp_state_tables *t = st->tcp;
	struct tcp_conn *c = t->last;

	if (c && tuple_eq(&c->sk.local, &c->sk.remote, local, remote))
		return c;
	for (c = t->conn_hash[tcp_tuple_hash(st, local, remote) & t->conn_mask]; c;
	     c = c->hash_next) {
		if (tuple_eq(&c->sk.local, &c->sk.remote, local, remote)) {
			t->last = c;
			return c;
		}
	}
	return NULL;
}

struct tcp_mini *tcp_mini_find(struct stack *st, const struct endpoint *local,
			       const struct endpoint *remote)
{
	struct tcp_state_tables *t = st->tcp;
	struct tcp_mini *m = t->mini_hash[tcp_tuple_hash(st, local, remote) & t->mini_mask];

	while (m && !tuple_eq(&m->local, &m->remote, local, remote))
		m = m->hash_next;
	return m;
}

void tcp_mini_hash(struct stack *st, struct tcp_mini *m)
{
	uint32_t h = tcp_tuple_hash(st, &m->local, &m->remote);
	struct tcp_mini **head = &st->tcp->mini_hash[h & st->tcp->mini_mask];

	m->hash_next = *head;
	m->hash_prev = head;
	if (m->hash_next)
		m->hash_next->hash_prev = &m->hash_next;
	*head = m;
}

void tcp_mini_unhash(struct tcp_mini *m)
{
	*m->hash_prev = m->hash_next;
	if (m->hash_next)
		m->hash_next->hash_prev = m->hash_prev;
}

static uint32_t pow2_at_least(uint32_t n, uint32_t max)
{
	uint32_t p = 256;

	while (p < n && p < max)
		p *= 2;
	return p;
}

/* All but the chains of connections. */
static void lists_empty(struct tcp_state_tables *t)
{
	for (unsigned i = 0; i < TCP_LISTEN_BUCKETS; i++)
		list_init(&t->listen_hash[i]);
	list_init(&t->ack_batch);
	list_init(&t->ack_turn);
	list_init(&t->ack_due);
	list_init(&t->synacks);
	list_init(&t->blk_wait);
	list_init(&t->reass_conns);
	list_init(&t->tw);
	list_init(&t->gone_conns);
	list_init(&t->gone_tws);
	list_init(&t->gone_reqs);
	list_init(&t->gone_ports);
	t->last = NULL;
	t->norphans = 0;
}

int tcp_tables_init(struct stack *st)
{
	struct tcp_state_tables *t = arena_carve(st->arena, sizeof(*t), 64);
	uint32_t max = st->cfg.max_conns, buckets = pow2_at_least(max, 1u << 20);

	if (!t)
		return -ENOMEM;
	st->tcp = t;
	pool_init(&t->conns, st->arena, "tcp-conn", sizeof(struct tcp_conn), max);
	pool_init(&t->reqs, st->arena, "tcp-req", sizeof(struct tcp_req), max);
	pool_init(&t->tws, st->arena, "tcp-timewait", sizeof(struct tcp_tw),
		  st->cfg.tcp_max_tw_buckets);
	pool_init(&t->ranges, st->arena, "tcp-reass", sizeof(struct reass_range),
		  max < UINT32_MAX / 16 ? max * 16 : UINT32_MAX);
	pool_init(&t->listeners, st->arena, "tcp-listen", sizeof(struct tcp_listener), max);
	pool_init(&t->sents, st->arena, "tcp-sent", sizeof(struct sent_rec),
		  max < UINT32_MAX / 64 ? max * 64 : UINT32_MAX);
	pool_init(&t->tx_stamps, st->arena, "tcp-stamp", sizeof(struct tx_stamp), max);
	pool_init(&t->rx_stamps, st->arena, "tcp-rx-stamps", sizeof(struct rx_stamps), max);
	pool_init(&t->saved_syns, st->arena, "tcp-syn", sizeof(struct saved_syn), max);
	t->conn_hash = arena_carve(st->arena, buckets * sizeof(*t->conn_hash), 64);
	t->mini_hash = arena_carve(st->arena, buckets * sizeof(*t->mini_hash), 64);
	if (!t->conn_hash || !t->mini_hash)
		return -ENOMEM;
	t->conn_mask = t->mini_mask = buckets - 1;
	lists_empty(t); /* the chains are: to look at them is what would cost memory */
	return fastopen_init(st);
}

void tcp_tables_empty(struct tcp_state_tables *t)
{
	/* chains that nothing has touched cost no memory, and are left that way */
	for (uint32_t i = 0; i <= t->conn_mask; i++)
		if (t->conn_hash[i])
			t->conn_hash[i] = NULL;
	for (uint32_t i = 0; i <= t->mini_mask; i++)
		if (t->mini_hash[i])
			t->mini_hash[i] = NULL;
	lists_empty(t);
}

const struct pool *tcp_pool(const struct stack *st, unsigned idx)
{
	const struct tcp_state_tables *t = st->tcp;
	const struct pool *all[] = {&t->conns,     &t->reqs,      &t->tws,
				    &t->ranges,    &t->listeners, &t->sents,
				    &t->tx_stamps, &t->rx_stamps, &t->saved_syns};

	return idx < ARRAY_SIZE(all) ? all[idx] : NULL;
}

/* Reads the header. STAT_rx_packets: good; or the drop. */
static enum stat_id seg_parse(struct stack *st, struct rx_pkt *p, struct tcp_seg *s)
{
	uint8_t buf[60];
	const struct tcp_hdr *h = rx_peek(st, p, TCP_HLEN_BYTES, buf);

	if (!h)
		return STAT_drop_tcp_header;
	s->hlen = (uint32_t)(h->off >> 4) * 4;
	if (s->hlen < TCP_HLEN_BYTES || s->hlen > p->len)
		return STAT_drop_tcp_header;
	if (!rx_csum_ok(st, p, CSUM_OFFSET))
		return STAT_drop_tcp_csum;
	if (s->hlen > TCP_HLEN_BYTES)
		h = rx_peek(st, p, s->hlen, buf);
	if (!h)
		return STAT_drop_tcp_header;
	s->p = p;
	s->seq = seq_of(be32(h->seq));
	s->ack = seq_of(be32(h->ack));
	s->flags = h->flags;
	s->wnd = be16(h->win);
	s->urg = be16(h->urg);
	s->len = p->len - s->hlen;
	s->pulled = false;
	s->local.addr = p->dst;
	s->local.port = be16(h->dport);
	s->remote.addr = p->src;
	s->remote.port = be16(h->sport);
	tcp_opts_parse(&s->opt, (const uint8_t *)(h + 1), s->hlen - TCP_HLEN_BYTES,
		       s->flags & TH_SYN);
	return STAT_rx_packets;
}

void tcp_seg_pull(struct stack *st, struct tcp_seg *s)
{
	if (s->pulled)
		return;
	rx_pull(st, s->p, s->hlen);
	s->pulled = true;
}

/* Does the kernel listen where that connection was accepted? */
static bool tw_left(const struct stack *st, const struct tcp_tw *tw, const struct tcp_seg *s)
{
	return tw->claimed & CLAIM_LEFT && st->dev[s->p->dev].shared;
}

/* A segment for none of the connections. */
static enum stat_id rx_other(struct stack *st, struct tcp_seg *s)
{
	struct tcp_mini *m = tcp_mini_find(st, &s->local, &s->remote);
	struct seq iss, *min_iss = NULL;
	struct tcp_listener *l;

	if (m && m->kind == TCP_MINI_REQ) {
		struct tcp_conn *c = NULL;
		enum stat_id r = tcp_req_rx(st, (struct tcp_req *)m, s, &c);

		return c ? tcp_input(st, c, s) : r;
	}
	if (m) {
		bool syn = tcp_listener_find(st, s->p->dev, &s->local, &s->remote) ||
			   tw_left(st, (struct tcp_tw *)m, s);
		enum stat_id r = tcp_tw_rx(st, (struct tcp_tw *)m, s, &syn, &iss);

		if (!syn)
			return r;
		min_iss = &iss;
	}
	l = tcp_listener_find(st, s->p->dev, &s->local, &s->remote);
	if (l && tcp_ttl_refused(&l->o, s->p))
		return STAT_drop_tcp_ttl;
	if (l) {
		struct tcp_conn *c;
		enum stat_id r = tcp_listen_rx(st, l, s, min_iss, &c);

		return c ? tcp_input(st, c, s) : r;
	}
	if (s->flags & TH_RST)
		return STAT_drop_tcp_rst;
	/* There was a listener a moment ago, else it would not have come: another may be there now,
	 * which is no business of ours to speak for. */
	if ((s->flags & (TH_SYN | TH_ACK)) == TH_SYN &&
	    rx_stray(st, s->p, CSUM_OFFSET, &s->local, &s->remote))
		return STAT_drop_stray;
	tcp_answer_rst(st, s);
	return STAT_drop_tcp_no_listener;
}

enum stat_id tcp_rx(struct stack *st, struct rx_pkt *p)
{
	struct tcp_seg s;
	enum stat_id r = seg_parse(st, p, &s);

	if (likely(r == STAT_rx_packets)) {
		struct tcp_conn *c = tcp_conn_find(st, &s.local, &s.remote);
		AT(st, c);

		if (unlikely(c && tcp_ttl_refused(&c->o, p)))
			r = STAT_drop_tcp_ttl;
		else
			r = c ? tcp_input(st, c, &s) : rx_other(st, &s);
	}
	if (p->frame != FRAME_NONE)
		frame_put_chain(&st->frames, p->frame);
	p->frame = FRAME_NONE;
	return r;
}
