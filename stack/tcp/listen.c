/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listeners: half-open connections as small request objects, and the accept queue. A connection is
 * made only when its last ACK has come and the accept queue has room; until then the peer holds the
 * state, by its retransmissions. Must never let SYNs alone use up the memory for connections: their
 * number is bounded, and a newer one may push out an old one that was not answered.
 *
 * RFC 9293 3.10.7.2 (LISTEN), 3.10.7.4 (SYN-RECEIVED); RFC 4987 (SYN cache); queues, backlog and
 * TCP_DEFER_ACCEPT as Linux.
 */
#include <errno.h>

#include "tcp.h"

#define SYNACK_RTO_NS RTT_RTO_INIT_NS
#define SYNACK_RETRY_NS 10000000ull /* no frame, or no room in the txq */
#define DEFER_TRIES_MAX 255u
#define SYN_HAND_STEPS 16u

/* ---- listeners ------------------------------------------------------------------------------ */

static struct list *bucket(struct stack *st, uint16_t port)
{
	return &st->tcp->listen_hash[(port ^ port >> 8) % TCP_LISTEN_BUCKETS];
}

/* The most fitting; among SO_REUSEPORT ones that fit alike by the flow's hash. */
struct tcp_listener *tcp_listener_find(struct stack *st, const struct endpoint *local,
				       const struct endpoint *remote)
{
	struct list *n, *b = bucket(st, local->port);
	struct tcp_listener *best = NULL;
	uint32_t fit = 0, same = 0, hash = 0;

	list_for_each(n, b) {
		struct tcp_listener *l = list_entry(n, struct tcp_listener, node);
		uint32_t f;

		if (l->sk.local.port != local->port)
			continue;
		f = sock_bind_fit(&l->sk.local.addr, l->o.v6only, &local->addr);
		if (f == 0 || f < fit)
			continue;
		if (f > fit) {
			fit = f;
			same = 1;
			best = l;
			continue;
		}
		/* each of n gets an nth of the flows, always the same ones */
		if (same++ == 1)
			hash = tcp_tuple_hash(st, local, remote);
		hash = hash * 1664525u + 1013904223u;
		if ((uint64_t)hash * same >> 32 == 0)
			best = l;
	}
	return best;
}

int stack_listen(struct stack *st, const struct endpoint *local, const struct sock_opts *o,
		 uint32_t backlog, struct sock **out)
{
	struct tcp_listener *l;
	struct list *n;

	list_for_each(n, bucket(st, local->port)) {
		l = list_entry(n, struct tcp_listener, node);
		if (l->sk.local.port == local->port && !(o->reuseport && l->o.reuseport) &&
		    sock_bind_overlap(&l->sk.local.addr, l->o.v6only, &local->addr, o->v6only))
			return -EADDRINUSE;
	}
	l = pool_get_zeroed(&st->tcp->listeners);
	if (!l)
		return -ENOMEM;
	sock_init(st, &l->sk, STK_LISTENER);
	l->sk.local = *local;
	l->o = *o;
	list_init(&l->reqs);
	list_init(&l->acceptq);
	list_push_back(bucket(st, local->port), &l->node);
	stack_listen_backlog(st, &l->sk, backlog);
	*out = &l->sk;
	return 0;
}

void stack_listen_backlog(struct stack *st, struct sock *sk, uint32_t backlog)
{
	struct tcp_listener *l = tcp_listener_of(sk);

	l->backlog = backlog < st->cfg.somaxconn ? backlog : st->cfg.somaxconn;
}

int stack_accept(struct stack *st, struct sock *sk, struct sock **out, uint64_t now_ns)
{
	struct tcp_listener *l = tcp_listener_of(sk);
	struct tcp_conn *c;

	st->now_ns = now_ns;
	if (l->shut)
		return -EINVAL;
	if (list_empty(&l->acceptq))
		return -EAGAIN;
	c = list_first(&l->acceptq, struct tcp_conn, accept_node);
	tcp_listener_forget(st, c);
	*out = &c->sk;
	return 0;
}

void tcp_listener_forget(struct stack *st, struct tcp_conn *c)
{
	struct tcp_listener *l = c->listener;

	list_del(&c->accept_node);
	c->listener = NULL;
	if (--l->naccept == 0 && !l->shut)
		sock_ready(st, &l->sk, 0, RDY_IN, 0);
}

void tcp_listener_drop(struct stack *st, struct tcp_listener *l)
{
	while (!list_empty(&l->reqs))
		tcp_req_free(st, list_first(&l->reqs, struct tcp_req, node));
	while (!list_empty(&l->acceptq)) {
		struct tcp_conn *c = list_first(&l->acceptq, struct tcp_conn, accept_node);

		tcp_listener_forget(st, c);
		tcp_conn_orphan(st, c);
		if (c->state == TCPS_CLOSED)
			tcp_conn_free(st, c);
		else
			tcp_conn_abort(st, c, 0);
	}
}

void tcp_listener_shut(struct stack *st, struct tcp_listener *l)
{
	if (l->shut)
		return;
	l->shut = true;
	list_del(&l->node);
	tcp_listener_drop(st, l);
	sock_ready(st, &l->sk, RDY_IN | RDY_OUT | RDY_HUP | RDY_RDHUP, 0,
		   RDY_IN | RDY_HUP | RDY_RDHUP);
}

void tcp_listener_close(struct stack *st, struct tcp_listener *l)
{
	tcp_listener_shut(st, l);
	sock_fini(st, &l->sk);
	pool_put(&st->tcp->listeners, l);
}

void tcp_listener_reset(struct stack *st, struct tcp_listener *l)
{
	list_init(&l->node);
	list_init(&l->reqs);
	list_init(&l->acceptq);
	l->nreqs = l->naccept = 0;
	if (!l->shut)
		list_push_back(bucket(st, l->sk.local.port), &l->node);
	sock_revive(st, &l->sk, l->shut ? RDY_IN | RDY_OUT | RDY_HUP | RDY_RDHUP : 0);
}

static bool acceptq_full(struct stack *st, const struct tcp_listener *l)
{
	if (l->naccept <= l->backlog)
		return false;
	COUNT(st, tcp_listen_overflow);
	return true;
}

/* ---- requests ------------------------------------------------------------------------------- */

void tcp_req_free(struct stack *st, struct tcp_req *r)
{
	wheel_cancel(&st->wheel, &r->m.timer);
	tcp_mini_unhash(&r->m);
	list_del(&r->node);
	list_del(&r->dstw);
	r->l->nreqs--;
	if (r->m.dst)
		dst_put(st, r->m.dst);
	pool_put(&st->tcp->reqs, r);
}

/*
 * Who makes room for a new one. A clock's hand goes round the requests by steps of random length:
 * of n that n SYNs ago were new about 1/e are left, whatever the rate of a flood, so that a client
 * whose answer comes soon, or who tries again, gets through; and nobody can aim. One that has let a
 * timeout pass is taken on the way; one whose ACK has come is spared until then. NULL: nobody.
 */
static struct tcp_req *req_victim(struct stack *st, struct tcp_listener *l)
{
	uint32_t steps = 1 + stack_random(st) % SYN_HAND_STEPS;
	struct tcp_req *found = NULL;

	while (steps-- > 0) {
		struct tcp_req *r = list_first(&l->reqs, struct tcp_req, node);

		list_del(&r->node);
		list_push_back(&l->reqs, &r->node);
		if (r->acked && r->tries == 0)
			continue;
		found = r;
		if (r->tries > 0)
			break;
	}
	return found;
}

static struct tcp_req *req_new(struct stack *st, struct tcp_listener *l, const struct tcp_seg *s)
{
	uint32_t max = st->cfg.tcp_max_syn_backlog;
	struct tcp_req *r;

	if (max < l->backlog)
		max = l->backlog;
	if (l->nreqs > 0 && l->nreqs >= max) {
		r = req_victim(st, l);
		if (!r)
			return NULL;
		COUNT(st, tcp_syncache_evicted);
		tcp_req_free(st, r);
	}
	r = pool_get_zeroed(&st->tcp->reqs);
	if (!r)
		return NULL;
	r->m.dst = dst_get(st, &s->remote.addr);
	if (!r->m.dst) {
		pool_put(&st->tcp->reqs, r);
		return NULL;
	}
	r->m.kind = TCP_MINI_REQ;
	r->m.local = s->local;
	r->m.remote = s->remote;
	timer_init(&r->m.timer, TIMER_TCP_REQ);
	list_init(&r->dstw);
	r->l = l;
	list_push_back(&l->reqs, &r->node);
	l->nreqs++;
	tcp_mini_hash(st, &r->m);
	return r;
}

static int send_synack(struct stack *st, struct tcp_req *r)
{
	struct tcp_raw raw = {
		.local = &r->m.local,
		.remote = &r->m.remote,
		.dst = r->m.dst,
		.seq = r->iss,
		.ack = seq_add(r->irs, 1),
		.flags = (uint8_t)(TH_SYN | TH_ACK | (r->ecn_ok ? TH_ECE : 0)),
		.mark = &r->l->o,
	};

	r->mss_adv = tcp_mss_adv(st, r->m.dst, &r->l->o, &r->m.remote.addr);
	raw.wnd = (uint16_t)(r->rcv_wnd < 65535 ? r->rcv_wnd : 65535);
	raw.opt.mss = r->mss_adv;
	raw.opt.has_wscale = r->wscale_ok;
	raw.opt.wscale = r->rcv_wscale;
	raw.opt.sack_ok = r->sack_ok;
	raw.opt.has_ts = r->ts_ok;
	raw.opt.tsval = tcp_ts_now(st, r->ts_off);
	raw.opt.tsecr = r->ts_recent;
	return tcp_send_raw(st, &raw);
}

/* Sends the SYN-ACK and arms the timer for the next. */
static void synack(struct stack *st, struct tcp_req *r)
{
	uint64_t after = SYNACK_RTO_NS << (r->tries < 16 ? r->tries : 16);
	int err = send_synack(st, r);

	if (err == 0) {
		if (!r->synack_ns)
			r->synack_ns = st->now_ns;
		else if (!r->resent_ns)
			r->resent_ns = st->now_ns;
	} else if (err == -EINPROGRESS) {
		dst_wait_req(st, r->m.dst, &r->dstw);
	} else if (!r->synack_ns && err == -EAGAIN) {
		after = SYNACK_RETRY_NS << (r->tries < 6 ? r->tries : 6);
	}
	if (after > RTT_RTO_MAX_NS)
		after = RTT_RTO_MAX_NS;
	wheel_arm(&st->wheel, &r->m.timer, st->now_ns + after);
}

void tcp_dst_ready(struct stack *st, struct list *reqs)
{
	if (list_empty(reqs))
		return;
	list_splice_back(&st->tcp->synacks, reqs);
	stack_tx_wanted(st);
}

void tcp_synacks_run(struct stack *st)
{
	struct list *last = st->tcp->synacks.prev, *n = NULL;

	while (n != last) {
		n = st->tcp->synacks.next;
		list_del(n);
		synack(st, list_entry(n, struct tcp_req, dstw));
	}
}

/* TCP_DEFER_ACCEPT in SYN-ACK timeouts, as Linux counts it: so many tries make up the seconds. */
static uint32_t defer_tries(const struct tcp_listener *l)
{
	uint32_t n = 0;
	uint64_t sum = 0, to = SYNACK_RTO_NS / 1000000000;

	while (sum < l->o.defer_accept_s && n < DEFER_TRIES_MAX) {
		sum += to;
		if (to < RTT_RTO_MAX_NS / 1000000000)
			to *= 2;
		n++;
	}
	return n;
}

void tcp_req_timer(struct stack *st, struct tcp_req *r)
{
	uint32_t max = st->cfg.tcp_synack_retries, defer = defer_tries(r->l);

	if (defer > max)
		max = defer;
	if (r->tries >= max) {
		tcp_req_free(st, r);
		return;
	}
	r->tries++;
	if (r->acked && defer && r->tries < defer) {
		/* the peer has answered and owes us only its data: do not bother it */
		wheel_arm(&st->wheel, &r->m.timer,
			  st->now_ns + (SYNACK_RTO_NS << (r->tries < 16 ? r->tries : 16)));
		return;
	}
	synack(st, r);
}

enum stat_id tcp_listen_rx(struct stack *st, struct tcp_listener *l, struct tcp_seg *s,
			   const struct seq *min_iss)
{
	struct tcp_req *r;
	uint32_t space;

	if (s->flags & TH_RST)
		return STAT_drop_tcp_rst;
	if (s->flags & TH_ACK) {
		tcp_answer_rst(st, s);
		return STAT_drop_tcp_ack;
	}
	if (!(s->flags & TH_SYN) || (s->flags & TH_FIN))
		return STAT_drop_tcp_flags;
	if (acceptq_full(st, l))
		return STAT_drop_tcp_accept_full;
	r = req_new(st, l, s);
	if (!r)
		return STAT_drop_tcp_syn_full;
	r->irs = s->seq;
	r->iss = min_iss ? *min_iss : tcp_isn(st, &s->local, &s->remote);
	r->ts_off = tcp_ts_off(st, &s->local, &s->remote);
	r->mss_clamp = s->opt.mss ? s->opt.mss : tcp_mss_fallback(&s->remote.addr);
	r->wnd = (uint16_t)s->wnd;
	r->ts_ok = st->cfg.tcp_timestamps && s->opt.has_ts;
	r->ts_recent = s->opt.tsval;
	r->sack_ok = st->cfg.tcp_sack && s->opt.sack_ok;
	r->ecn_ok = tcp_ecn_syn_ok(st, s);
	r->wscale_ok = st->cfg.tcp_window_scaling && s->opt.has_wscale;
	r->snd_wscale = s->opt.wscale;
	r->rcv_wscale = r->wscale_ok ? tcp_rcvwin_scale(st, &l->o) : 0;
	space = tcp_rcvwin_from_space(st, l->o.rcvbuf ? l->o.rcvbuf : st->cfg.tcp_rmem[1]);
	r->rcv_wnd = space < 65535 ? space : 65535;
	synack(st, r);
	return STAT_rx_packets;
}

/* ---- the last ACK --------------------------------------------------------------------------- */

static void req_ack(struct stack *st, struct tcp_req *r)
{
	struct tcp_raw raw = {
		.local = &r->m.local,
		.remote = &r->m.remote,
		.dst = r->m.dst,
		.seq = seq_add(r->iss, 1),
		.ack = seq_add(r->irs, 1),
		.flags = TH_ACK,
		.wnd = (uint16_t)(r->rcv_wnd >> r->rcv_wscale),
		.mark = &r->l->o,
		.opt = {.has_ts = r->ts_ok,
			.tsval = tcp_ts_now(st, r->ts_off),
			.tsecr = r->ts_recent},
	};

	/* before our SYN-ACK is out the peer knows of no sequence that this could belong to */
	if (!r->synack_ns)
		return;
	if (r->oow_ack_ns && st->now_ns - r->oow_ack_ns < TCP_OOW_ACK_NS)
		return;
	if (tcp_send_raw(st, &raw) == 0)
		r->oow_ack_ns = st->now_ns;
}

/* A connection out of a request, in SYN-RECEIVED; NULL: no memory. The request is gone then. */
static struct tcp_conn *req_to_conn(struct stack *st, struct tcp_req *r)
{
	struct tcp_conn *c =
		tcp_conn_new(st, &r->m.local, &r->m.remote, &r->l->o, r->m.dst, r->iss);
	struct tcp_listener *l = r->l;

	if (!c)
		return NULL;
	r->m.dst = NULL; /* its reference is c's now */
	c->irs = r->irs;
	c->rcv_nxt = c->rcv_acked = c->copied = c->drs_seq = c->rcv_rtt_seq = seq_add(r->irs, 1);
	c->rcv_adv = seq_add(c->rcv_nxt, r->rcv_wnd);
	c->mss_clamp = r->mss_clamp;
	c->mss_adv = r->mss_adv;
	c->snd_wscale = r->snd_wscale;
	c->rcv_wscale = r->rcv_wscale;
	c->wscale_ok = r->wscale_ok;
	c->ts_ok = r->ts_ok;
	c->sack_ok = r->sack_ok;
	c->rec.sack = r->sack_ok;
	if (r->ecn_ok) {
		c->ecn = TCP_ECN_OK;
		COUNT(st, tcp_ecn_conns);
	}
	c->ts_off = r->ts_off;
	c->ts_recent = r->ts_recent;
	c->ts_recent_ns = r->synack_ns;
	c->snd_wnd = c->snd_wnd_max = r->wnd;
	c->snd_wl1 = r->irs;
	tcp_mss_sync(st, c);
	/* The SYN went out when the SYN-ACK did; a second one makes its time worthless (Karn). */
	recovery_sent(&c->rec, &c->sent, 1, SENT_SYN, r->synack_ns ? r->synack_ns : st->now_ns);
	if (r->resent_ns) {
		recovery_syn_resent(&c->rec, &c->sent, r->resent_ns, st->now_ns);
		c->syn_resent = r->tries > 0;
	}
	tcp_req_free(st, r);
	tcp_conn_hash(st, c);
	tcp_state_set(st, c, TCPS_SYN_RCVD);
	c->listener = l;
	list_push_back(&l->acceptq, &c->accept_node);
	l->naccept++;
	COUNT(st, tcp_conn_passive);
	sock_ready(st, &l->sk, RDY_IN, 0, RDY_IN);
	return c;
}

static enum stat_id last_ack(struct stack *st, struct tcp_req *r, struct tcp_seg *s,
			     struct tcp_conn **child)
{
	struct tcp_listener *l = r->l;

	if (!seq_eq(s->ack, seq_add(r->iss, 1))) {
		tcp_answer_rst(st, s);
		return STAT_drop_tcp_ack;
	}
	if (r->ts_ok && s->opt.has_ts && (int32_t)(s->opt.tsval - r->ts_recent) > 0 &&
	    seq_leq(s->seq, seq_add(r->irs, 1)))
		r->ts_recent = s->opt.tsval;
	if (l->o.defer_accept_s && s->len == 0 && !(s->flags & TH_FIN) &&
	    r->tries < defer_tries(l)) {
		r->acked = true;
		return STAT_drop_tcp_defer;
	}
	if (acceptq_full(st, l)) {
		if (st->cfg.tcp_abort_on_overflow) {
			tcp_answer_rst(st, s);
			tcp_req_free(st, r);
		} else {
			r->acked = true;
		}
		return STAT_drop_tcp_accept_full;
	}
	*child = req_to_conn(st, r);
	return *child ? STAT_rx_packets : STAT_drop_tcp_no_conn;
}

enum stat_id tcp_req_rx(struct stack *st, struct tcp_req *r, struct tcp_seg *s,
			struct tcp_conn **child)
{
	struct seq nxt = seq_add(r->irs, 1);
	struct seq end = seq_add(s->seq, s->len + !!(s->flags & TH_SYN) + !!(s->flags & TH_FIN));
	bool paws = r->ts_ok && s->opt.has_ts && (int32_t)(s->opt.tsval - r->ts_recent) < 0;

	*child = NULL;
	/* the peer's SYN again: our SYN-ACK was lost, or is late */
	if ((s->flags & (TH_SYN | TH_ACK | TH_RST)) == TH_SYN && seq_eq(s->seq, r->irs) && !paws) {
		if (!r->oow_ack_ns || st->now_ns - r->oow_ack_ns >= TCP_OOW_ACK_NS) {
			r->oow_ack_ns = st->now_ns;
			if (send_synack(st, r) == 0) {
				if (!r->synack_ns)
					r->synack_ns = st->now_ns;
				else if (!r->resent_ns)
					r->resent_ns = st->now_ns;
			}
		}
		return STAT_rx_packets;
	}
	if (paws || seq_lt(end, nxt) || seq_gt(s->seq, seq_add(nxt, r->rcv_wnd))) {
		if (!(s->flags & TH_RST))
			req_ack(st, r);
		return paws ? STAT_drop_tcp_paws : STAT_drop_tcp_window;
	}
	if (s->flags & TH_RST) {
		if (!seq_eq(s->seq, nxt)) {
			req_ack(st, r);
			return STAT_drop_tcp_rst;
		}
		tcp_req_free(st, r);
		return STAT_rx_packets;
	}
	if (s->flags & TH_SYN) {
		req_ack(st, r);
		return STAT_drop_tcp_syn;
	}
	if (!(s->flags & TH_ACK))
		return STAT_drop_tcp_req;
	return last_ack(st, r, s, child);
}
