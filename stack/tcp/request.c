/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Half-open connections of a listener, as small request objects, and SYN cookies where there are
 * too many of them. A connection is made only when its last ACK has come and the accept queue has
 * room; until then the peer holds the state, by its retransmissions. Must never let SYNs alone use
 * up the memory for connections: the number of requests is bounded, as Linux counts it.
 *
 * A queue that is full answers with cookies (tcp_syncookies 1, the default; 2: always): no state,
 * so that nothing can be used up. With 0 it is the backlog and three quarters of
 * tcp_max_syn_backlog that bound the queue; where Linux then drops the SYN, here a newer one pushes
 * out one that was not answered, at random, which lets an honest client through where Linux does
 * not.
 *
 * Where answers go while nobody is proven to be there: ip/dst.c's head.
 *
 * RFC 9293 3.10.7.2 (LISTEN), 3.10.7.4 (SYN-RECEIVED); RFC 4987 (SYN cache, cookies);
 * TCP_DEFER_ACCEPT as Linux.
 */
#include <errno.h>

#include "syncookie.h"
#include "tcp.h"

#define SEC_NS 1000000000ull
#define SYNACK_RTO_NS RTT_RTO_INIT_NS
#define SYNACK_RETRY_NS 10000000ull /* no frame, or no room in the txq */
#define DEFER_TRIES_MAX 255u
#define SYN_HAND_STEPS 16u

void tcp_req_free(struct stack *st, struct tcp_req *r)
{
	r->gone = r->claimed != 0;
	__atomic_store_n(&r->live, false, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	wheel_cancel(&st->wheel, &r->m.timer);
	tcp_mini_unhash(&r->m);
	list_del(&r->node);
	list_del(&r->dstw);
	r->l->nreqs--;
	if (r->m.dst)
		dst_put(st, r->m.dst);
	saved_syn_free(st, &r->saved_syn);
	if (r->gone)
		list_push_back(&st->tcp->gone_reqs, &r->node);
	else
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

/* As Linux counts: a queue of backlog + 1, also when that is 0. */
static bool reqs_full(const struct stack *st, const struct tcp_listener *l)
{
	uint32_t max = st->cfg.tcp_max_syn_backlog;

	if (l->nreqs > l->backlog)
		return true;
	return !st->cfg.tcp_syncookies && l->nreqs > 0 && l->nreqs >= max - (max >> 2);
}

static struct tcp_req *req_new(struct stack *st, struct tcp_listener *l, const struct tcp_seg *s)
{
	struct tcp_req *r;

	if (reqs_full(st, l)) {
		r = req_victim(st, l);
		if (!r)
			return NULL;
		COUNT(st, tcp_syncache_evicted);
		tcp_req_free(st, r);
	}
	r = pool_get_zeroed(&st->tcp->reqs);
	if (!r)
		return NULL;
	r->m.dst = dst_get_unproven(st, &s->remote.addr);
	r->back_dev = s->p->dev;
	memcpy(r->back_mac, s->p->mac, sizeof(r->back_mac));
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

/* What both kinds of handshake take from the SYN. */
static void req_take_syn(struct stack *st, struct tcp_req *r, const struct tcp_seg *s)
{
	const struct sock_opts *o = &r->l->o;
	uint32_t space = tcp_rcvwin_from_space(st, o->rcvbuf ? o->rcvbuf : st->cfg.tcp_rmem[1]);
	uint32_t clamp = o->window_clamp;

	r->irs = s->seq;
	r->ts_off = tcp_ts_off(st, &s->local, &s->remote);
	r->mss_clamp = s->opt.mss ? s->opt.mss : tcp_mss_fallback(&s->remote.addr);
	r->wnd = (uint16_t)s->wnd;
	r->ts_ok = st->cfg.tcp_timestamps && s->opt.has_ts;
	r->ts_recent = s->opt.tsval;
	r->sack_ok = st->cfg.tcp_sack && s->opt.sack_ok;
	r->ecn_ok = tcp_ecn_syn_ok(st, s);
	r->wscale_ok = st->cfg.tcp_window_scaling && s->opt.has_wscale;
	r->snd_wscale = s->opt.wscale;
	r->rcv_wscale = r->wscale_ok ? tcp_rcvwin_scale(st, o) : 0;
	r->rcv_wnd = space < 65535 ? space : 65535;
	if (clamp && r->rcv_wnd > clamp)
		r->rcv_wnd = clamp;
}

/* The way to the peer: what the kernel said, or else the way it came. NULL: none. */
static struct dst *req_way(struct stack *st, const struct tcp_req *r, struct dst *tmp)
{
	if (r->m.dst)
		return r->m.dst;
	return dst_back(st, &r->m.remote.addr, r->back_dev, r->back_mac, tmp);
}

static int send_synack(struct stack *st, struct tcp_req *r, uint32_t tsval)
{
	struct dst tmp;
	struct tcp_raw raw = {
		.local = &r->m.local,
		.remote = &r->m.remote,
		.dst = req_way(st, r, &tmp),
		.seq = r->iss,
		.ack = seq_add(r->irs, 1),
		.flags = (uint8_t)(TH_SYN | TH_ACK | (r->ecn_ok ? TH_ECE : 0)),
		.mark = &r->l->o,
	};

	if (!raw.dst)
		return -ENETUNREACH;
	r->mss_adv = tcp_mss_adv(st, raw.dst, &r->l->o, &r->m.remote.addr);
	raw.wnd = (uint16_t)(r->rcv_wnd < 65535 ? r->rcv_wnd : 65535);
	raw.opt.mss = r->mss_adv;
	raw.opt.has_wscale = r->wscale_ok;
	raw.opt.wscale = r->rcv_wscale;
	raw.opt.sack_ok = r->sack_ok;
	raw.opt.has_ts = r->ts_ok;
	raw.opt.tsval = tsval;
	raw.opt.tsecr = r->ts_recent;
	raw.opt.fo = r->fo;
	return tcp_send_raw(st, &raw);
}

static uint64_t synack_rto_ns(const struct tcp_req *r)
{
	uint64_t ns = SYNACK_RTO_NS << (r->tries < 16 ? r->tries : 16);

	return ns < RTT_RTO_MAX_NS ? ns : RTT_RTO_MAX_NS;
}

/* Sends the SYN-ACK and arms the timer for the next. */
static void synack(struct stack *st, struct tcp_req *r)
{
	uint64_t after = synack_rto_ns(r);
	int err = send_synack(st, r, tcp_ts_now(st, r->ts_off));

	if (err == 0) {
		r->fo.has = TCP_FO_NONE; /* said once, as Linux */
		if (!r->synack_ns)
			r->synack_ns = st->now_ns;
		else if (!r->resent_ns)
			r->resent_ns = st->now_ns;
	} else if (err == -EINPROGRESS) {
		dst_wait_req(st, r->m.dst, &r->dstw);
	} else if (!r->synack_ns && err == -EAGAIN) {
		after = SYNACK_RETRY_NS << (r->tries < 6 ? r->tries : 6);
	}
	wheel_arm(&st->wheel, &r->m.timer, st->now_ns + after);
}

void tcp_dst_ready(struct stack *st, struct list *reqs)
{
	if (list_empty(reqs))
		return;
	list_splice_back(&st->tcp->synacks, reqs);
	stack_tx_wanted(st);
}

void tcp_req_mend(struct stack *st, struct tcp_req *r)
{
	bool known = r->m.dst != NULL;

	r->m.dst = NULL;
	if (known)
		r->m.dst = dst_find(st, &r->m.remote.addr)
				   ? dst_get(st, &r->m.remote.addr)
				   : dst_get_unproven(st, &r->m.remote.addr);
	list_init(&r->dstw);
	list_push_back(&r->l->reqs, &r->node);
	r->l->nreqs++;
	tcp_mini_hash(st, &r->m);
	tcp_mini_timer_mend(st, &r->m);
	if (!r->synack_ns) /* it waited for its destination, or was about to go */
		list_push_back(&st->tcp->synacks, &r->dstw);
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

uint32_t tcp_defer_tries(uint32_t defer_s, uint32_t *told_s)
{
	uint32_t n = 0;
	uint64_t sum = 0, to = SYNACK_RTO_NS / SEC_NS;

	while (sum < defer_s && n < DEFER_TRIES_MAX) {
		sum += to;
		to = to * 2 < RTT_RTO_MAX_NS / SEC_NS ? to * 2 : RTT_RTO_MAX_NS / SEC_NS;
		n++;
	}
	if (told_s)
		*told_s = (uint32_t)sum;
	return n;
}

void tcp_req_timer(struct stack *st, struct tcp_req *r)
{
	uint32_t defer = tcp_defer_tries(r->l->o.defer_accept_s, NULL);
	uint32_t max = r->l->o.syn_retries ? r->l->o.syn_retries : st->cfg.tcp_synack_retries;

	/* who has answered, and owes us only its data, gets as long as TCP_DEFER_ACCEPT says */
	if (r->tries >= max && (!r->acked || r->tries >= defer)) {
		tcp_req_free(st, r);
		return;
	}
	r->tries++;
	if (r->acked && defer && r->tries < defer) {
		/* and is not bothered until the end of it */
		wheel_arm(&st->wheel, &r->m.timer, st->now_ns + synack_rto_ns(r));
		return;
	}
	synack(st, r);
}

/* ---- the connection ------------------------------------------------------------------------- */

/* A connection out of what a request (one of ours, or a cookie's) says, in SYN-RECEIVED and in the
 * accept queue, with r's reference to its destination. NULL: no memory. */
static struct tcp_conn *req_to_conn(struct stack *st, struct tcp_req *r)
{
	struct tcp_conn *c =
		tcp_conn_new(st, &r->m.local, &r->m.remote, &r->l->o, r->m.dst, r->iss);
	struct tcp_listener *l = r->l;

	if (!c)
		return NULL;
	if (!r->fast) /* else the last ACK does */
		dst_prove(r->m.dst);
	r->m.dst = NULL;         /* its reference is c's now */
	c->o.defer_accept_s = 0; /* the listener's alone */
	c->saved_syn = r->saved_syn;
	r->saved_syn = NULL;
	c->sk.claimed = r->claimed;
	r->claimed = 0;
	c->irs = r->irs;
	c->segs_in = !r->fast; /* the SYN */
	c->rcv_nxt = c->rcv_acked = c->copied = c->drs_seq = c->rcv_rtt_seq = seq_add(r->irs, 1);
	c->rcv_adv = seq_add(c->rcv_nxt, r->rcv_wnd);
	c->mss_clamp = r->mss_clamp;
	c->mss_adv = r->mss_adv;
	c->snd_wscale = r->wscale_ok ? r->snd_wscale : 0; /* only when both sides offer it */
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
	c->ts_recent_ns = r->synack_ns ? r->synack_ns : st->now_ns;
	c->snd_wnd = c->snd_wnd_max = r->wnd;
	c->snd_wl1 = r->irs;
	tcp_mss_sync(st, c);
	/* The SYN went out when the SYN-ACK did; a second one makes its time worthless (Karn). */
	if (!r->fast)
		recovery_sent(&c->rec, &c->sent, 1, SENT_SYN,
			      r->synack_ns ? r->synack_ns : st->now_ns);
	if (r->resent_ns || r->no_rtt) {
		recovery_syn_resent(&c->rec, &c->sent, r->no_rtt ? st->now_ns : r->resent_ns,
				    st->now_ns);
		c->syn_resent = r->tries > 0;
	}
	tcp_conn_hash(st, c);
	tcp_state_set(st, c, TCPS_SYN_RCVD);
	COUNT(st, tcp_conn_passive);
	tcp_listener_queue(st, l, c);
	return c;
}

/* ---- the SYN -------------------------------------------------------------------------------- */

/* A SYN-ACK that is all there is to remember the SYN. */
static enum stat_id cookie_syn(struct stack *st, struct tcp_listener *l, const struct tcp_seg *s)
{
	struct syncookie_opts o = {0};
	struct tcp_req r;
	uint32_t tsval;

	memset(&r, 0, sizeof(r));
	r.l = l;
	r.m.local = s->local;
	r.m.remote = s->remote;
	r.back_dev = s->p->dev;
	memcpy(r.back_mac, s->p->mac, sizeof(r.back_mac));
	req_take_syn(st, &r, s);
	/* without timestamps there is no room to tell of these */
	r.sack_ok = r.sack_ok && r.ts_ok;
	r.wscale_ok = r.wscale_ok && r.ts_ok;
	o.wscale = r.wscale_ok ? r.snd_wscale : SYNCOOKIE_NO_WSCALE;
	o.sack_ok = r.sack_ok;
	r.ecn_ok = r.ecn_ok && r.ts_ok;
	o.ecn_ok = r.ecn_ok;
	r.iss = syncookie_make(st, &s->local, &s->remote, s->seq, &r.mss_clamp);
	tsval = tcp_ts_now(st, 0);
	tsval = syncookie_ts_make(tsval, &o) + r.ts_off;
	l->cookie_ns = st->now_ns;
	if (send_synack(st, &r, tsval) == 0)
		COUNT(st, tcp_syncookies_sent);
	return STAT_rx_packets;
}

/* A segment with ACK that belongs to nothing: does it bring a cookie back? */
static enum stat_id cookie_ack(struct stack *st, struct tcp_listener *l, struct tcp_seg *s,
			       struct tcp_conn **child)
{
	struct seq iss = seq_sub(s->ack, 1), irs = seq_sub(s->seq, 1);
	struct syncookie_opts o;
	struct tcp_req r;
	uint16_t mss = 0;

	/* none has been sent for so long that none can be good */
	if (!st->cfg.tcp_syncookies || (s->flags & TH_SYN) || l->cookie_ns == 0 ||
	    st->now_ns - l->cookie_ns > SYNCOOKIE_VALID_NS)
		goto reset;
	mss = syncookie_check(st, &s->local, &s->remote, irs, iss);
	if (mss == 0) {
		COUNT(st, tcp_syncookies_failed);
		goto reset;
	}
	if (tcp_acceptq_full(st, l))
		return STAT_drop_tcp_accept_full;
	memset(&r, 0, sizeof(r));
	r.l = l;
	r.m.local = s->local;
	r.m.remote = s->remote;
	req_take_syn(st, &r, s);
	r.irs = irs;
	r.iss = iss;
	r.mss_clamp = mss;
	syncookie_ts_read(s->opt.tsecr - r.ts_off, &o);
	r.wscale_ok = r.ts_ok && st->cfg.tcp_window_scaling && o.wscale != SYNCOOKIE_NO_WSCALE;
	r.snd_wscale = o.wscale > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : o.wscale;
	r.rcv_wscale = r.wscale_ok ? tcp_rcvwin_scale(st, &l->o) : 0;
	r.sack_ok = r.ts_ok && st->cfg.tcp_sack && o.sack_ok;
	r.ecn_ok = r.ts_ok && st->cfg.tcp_ecn && o.ecn_ok;
	r.no_rtt = true;
	r.m.dst = dst_get(st, &s->remote.addr);
	if (!r.m.dst)
		return STAT_drop_tcp_no_conn;
	r.mss_adv = tcp_mss_adv(st, r.m.dst, &l->o, &s->remote.addr);
	*child = req_to_conn(st, &r);
	if (!*child) {
		dst_put(st, r.m.dst);
		return STAT_drop_tcp_no_conn;
	}
	COUNT(st, tcp_syncookies_recv);
	return STAT_rx_packets;
reset:
	tcp_answer_rst(st, s);
	return STAT_drop_tcp_ack;
}

/* A connection at once, with the SYN's data (RFC 7413 4.1.2). False: it cannot be made, and the
 * handshake is an ordinary one. */
static bool fast_syn(struct stack *st, struct tcp_listener *l, struct tcp_seg *s, struct seq iss,
		     enum fastopen_grant grant, const struct tcp_fo *give)
{
	struct tcp_conn *c;
	struct tcp_req r;

	memset(&r, 0, sizeof(r));
	r.l = l;
	r.fast = true;
	r.m.local = s->local;
	r.m.remote = s->remote;
	req_take_syn(st, &r, s);
	r.iss = iss;
	r.m.dst = grant == FASTOPEN_DATA ? dst_get(st, &s->remote.addr)
					 : dst_get_unproven(st, &s->remote.addr);
	if (!r.m.dst)
		return false;
	r.mss_adv = tcp_mss_adv(st, r.m.dst, &l->o, &s->remote.addr);
	r.saved_syn = saved_syn_take(st, l, s);
	c = req_to_conn(st, &r);
	if (!c) {
		saved_syn_free(st, &r.saved_syn);
		dst_put(st, r.m.dst);
		return false;
	}
	c->fo = *give;
	fastopen_child(l, c);
	COUNT(st, tcp_fastopen_passive);
	tcp_input_syn_data(st, c, s);
	tcp_sndbuf_tune(st, c);
	tcp_output(st, c, 0);
	tcp_ready(st, c, RDY_IN | RDY_OUT);
	return true;
}

enum stat_id tcp_listen_rx(struct stack *st, struct tcp_listener *l, struct tcp_seg *s,
			   const struct seq *min_iss, struct tcp_conn **child)
{
	enum fastopen_grant grant;
	struct tcp_fo give;
	struct tcp_req *r;
	struct seq iss;

	*child = NULL;
	if (s->flags & TH_RST)
		return STAT_drop_tcp_rst;
	if (s->flags & TH_ACK)
		return cookie_ack(st, l, s, child);
	if (!(s->flags & TH_SYN) || (s->flags & TH_FIN))
		return STAT_drop_tcp_flags;
	if (tcp_acceptq_full(st, l))
		return STAT_drop_tcp_accept_full;
	/* a TIME-WAIT that gave way has an ISS to be kept, and is one less: it may have a place */
	if (!min_iss &&
	    (st->cfg.tcp_syncookies == 2 || (st->cfg.tcp_syncookies && reqs_full(st, l))))
		return cookie_syn(st, l, s);
	iss = min_iss ? *min_iss : tcp_isn(st, &s->local, &s->remote);
	grant = fastopen_syn(st, l, s, &give);
	if (grant != FASTOPEN_NONE && fast_syn(st, l, s, iss, grant, &give))
		return STAT_rx_packets;
	r = req_new(st, l, s);
	if (!r)
		return STAT_drop_tcp_syn_full;
	req_take_syn(st, r, s);
	r->saved_syn = saved_syn_take(st, l, s);
	r->iss = iss;
	r->fo = give;
	__atomic_store_n(&r->live, true, __ATOMIC_RELEASE);
	synack(st, r);
	return STAT_rx_packets;
}

/* ---- the last ACK --------------------------------------------------------------------------- */

static void req_ack(struct stack *st, struct tcp_req *r)
{
	struct dst tmp;
	struct tcp_raw raw = {
		.local = &r->m.local,
		.remote = &r->m.remote,
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
	raw.dst = req_way(st, r, &tmp);
	if (raw.dst && tcp_send_raw(st, &raw) == 0)
		r->oow_ack_ns = st->now_ns;
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
	    r->tries < tcp_defer_tries(l->o.defer_accept_s, NULL)) {
		r->acked = true;
		return STAT_drop_tcp_defer;
	}
	if (tcp_acceptq_full(st, l)) {
		if (st->cfg.tcp_abort_on_overflow) {
			tcp_answer_rst(st, s);
			tcp_req_free(st, r);
		} else {
			r->acked = true;
		}
		return STAT_drop_tcp_accept_full;
	}
	if (!r->m.dst)
		r->m.dst = dst_get(st, &r->m.remote.addr);
	*child = r->m.dst ? req_to_conn(st, r) : NULL;
	if (!*child)
		return STAT_drop_tcp_no_conn;
	tcp_req_free(st, r);
	return STAT_rx_packets;
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
			if (send_synack(st, r, tcp_ts_now(st, r->ts_off)) == 0) {
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
