/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP's part of stack_reset_all(): peers are told, the embedder's connections become closed ones
 * with an error, listeners go on empty, everything else is free. Looks at each object's life and
 * plain values only.
 *
 * RFC 9293 3.10.4 (ABORT): RST at snd_nxt.
 */
#include <errno.h>

#include "tcp.h"

void tcp_disown_all(struct stack *st)
{
	struct tcp_state_tables *t = st->tcp;
	struct pool_walk wc = {0}, wl = {0};
	struct tcp_listener *l;
	struct tcp_conn *c;

	while ((c = pool_walk_next(&t->conns, &wc)) != NULL)
		if (c->sk.life == SOCK_LIVE)
			c->sk.user = NULL;
	while ((l = pool_walk_next(&t->listeners, &wl)) != NULL)
		if (l->sk.life == SOCK_LIVE)
			l->sk.user = NULL;
}

void tcp_tell_peer(struct stack *st, const struct tcp_conn *c)
{
	struct tcp_raw r = {
		.local = &c->sk.local,
		.remote = &c->sk.remote,
		.seq = c->sent.nxt,
		.ack = c->rcv_nxt,
		.flags = TH_RST | TH_ACK,
	};

	if (!tcp_state_in(c, TCPS_SYNCED | TCPS_BIT(TCPS_SYN_RCVD)))
		return;
	r.dst = dst_get(st, &c->sk.remote.addr);
	if (!r.dst)
		return;
	if (tcp_send_raw(st, &r) == 0)
		COUNT(st, tcp_rst_sent);
	dst_put(st, r.dst);
}

void tcp_reset_tell(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_conn *c;

	while ((c = pool_walk_next(&st->tcp->conns, &w)) != NULL)
		if (c->sk.life == SOCK_LIVE)
			tcp_tell_peer(st, c);
}

void tcp_conn_close(struct stack *st, struct tcp_conn *c)
{
	struct sock_opts o = c->o;
	struct seq iss = c->iss;
	struct sock sk = c->sk;
	bool lost = c->state != TCPS_CLOSED || c->rcv.len > 0;

	memset(c, 0, sizeof(*c));
	c->sk = sk;
	if (o.cc >= CC_ALGOS)
		o.cc = -1;
	tcp_conn_init(st, c, &o, NULL, iss);
	c->shut_rd = c->shut_wr = true;
	if (lost)
		c->sk.err = ECONNRESET;
	sock_revive(st, &c->sk, RDY_IN | RDY_OUT | RDY_HUP | RDY_RDHUP | (c->sk.err ? RDY_ERR : 0));
}

static bool conn_is_out(const void *obj)
{
	return ((const struct sock *)obj)->life != SOCK_FREE;
}

static bool tw_is_live(const void *obj)
{
	return ((const struct tcp_tw *)obj)->live;
}

static void conns_reset(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_conn *c;

	while ((c = pool_walk_next(&st->tcp->conns, &w)) != NULL) {
		if (c->sk.life == SOCK_LIVE && c->sk.user != NULL && !c->sk.orphan) {
			tcp_conn_close(st, c);
		} else if (c->sk.life != SOCK_FREE && c->sk.claimed) {
			c->sk.life = SOCK_GONE;
			list_push_back(&st->tcp->gone_conns, &c->accept_node);
		} else {
			c->sk.life = SOCK_FREE;
		}
	}
	pool_rebuild(&st->tcp->conns, conn_is_out);
}

static void timewaits_reset(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_tw *tw;

	while ((tw = pool_walk_next(&st->tcp->tws, &w)) != NULL) {
		tw->live = tw->live && tw->claimed;
		tw->gone = tw->live;
		if (tw->live)
			list_push_back(&st->tcp->gone_tws, &tw->node);
	}
	pool_rebuild(&st->tcp->tws, tw_is_live);
}

static bool req_is_gone(const void *obj)
{
	return ((const struct tcp_req *)obj)->gone;
}

static void reqs_reset(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_req *r;

	while ((r = pool_walk_next(&st->tcp->reqs, &w)) != NULL) {
		r->gone = r->gone || (r->live && r->claimed);
		r->live = false;
		if (r->gone)
			list_push_back(&st->tcp->gone_reqs, &r->node);
	}
	pool_rebuild(&st->tcp->reqs, req_is_gone);
}

static void listeners_reset(struct stack *st)
{
	struct pool_walk w = {0};
	struct tcp_listener *l;

	while ((l = pool_walk_next(&st->tcp->listeners, &w)) != NULL) {
		if (l->sk.life == SOCK_LIVE && l->sk.user != NULL && !l->sk.orphan)
			tcp_listener_reset(st, l);
		else
			l->sk.life = SOCK_FREE;
	}
	pool_rebuild(&st->tcp->listeners, sock_is_live);
}

void tcp_reset_all(struct stack *st)
{
	struct tcp_state_tables *t = st->tcp;

	tcp_tables_empty(t);
	st->blk_wanted = false;
	pool_rebuild(&t->ranges, NULL);
	pool_rebuild(&t->sents, NULL);
	pool_rebuild(&t->tx_stamps, NULL);
	pool_rebuild(&t->rx_stamps, NULL);
	pool_rebuild(&t->saved_syns, NULL);
	fastopen_forget_all(st);
	listeners_reset(st);
	conns_reset(st);
	timewaits_reset(st);
	reqs_reset(st);
}
