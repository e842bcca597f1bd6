/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TIME-WAIT in its small form: answers what is left of an ended connection for 2 MSL, so that the
 * peer gets its last ACK, and old segments do not wander into a new connection. Their number is
 * bounded; beyond it there is no more of them, as in Linux.
 *
 * RFC 9293 3.6.1 and 3.10.7.4 (TIME-WAIT), RFC 1122 4.2.2.13 and RFC 6191 (reuse by a new SYN).
 */
#include "tcp.h"

#define MS_NS 1000000ull
/* The new ISS lies so far beyond the old snd_nxt that no old segment fits (Linux's margin). */
#define ISS_MARGIN (65535u + 2u)

void tcp_tw_free(struct stack *st, struct tcp_tw *tw)
{
	tw->gone = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	wheel_cancel(&st->wheel, &tw->m.timer);
	tcp_mini_unhash(&tw->m);
	list_del(&tw->node);
	dst_put(st, tw->m.dst);
	tw->m.dst = NULL;
	if (tw->claimed) {
		list_push_back(&st->tcp->gone_tws, &tw->node);
	} else {
		tw->live = false;
		pool_put(&st->tcp->tws, tw);
	}
}

bool tcp_tw_start(struct stack *st, struct tcp_conn *c)
{
	struct tcp_tw *tw = pool_get_zeroed(&st->tcp->tws);

	tcp_state_set(st, c, TCPS_TIME_WAIT);
	if (!tw) {
		COUNT(st, tcp_tw_overflow);
		return tcp_conn_done(st, c, 0);
	}
	tw->m.kind = TCP_MINI_TW;
	tw->m.local = c->sk.local;
	tw->m.remote = c->sk.remote;
	tw->m.dst = c->dst;
	c->dst = NULL;
	tw->claimed = c->sk.claimed;
	tw->snd_nxt = c->sent.nxt;
	tw->rcv_nxt = c->rcv_nxt;
	tw->rcv_wnd = (uint32_t)seq_diff(c->rcv_adv, c->rcv_nxt);
	if ((int32_t)tw->rcv_wnd < 0)
		tw->rcv_wnd = 0;
	tw->rcv_wscale = c->rcv_wscale;
	tw->ts_ok = c->ts_ok;
	tw->ts_off = c->ts_off;
	tw->ts_recent = c->ts_recent;
	tw->ts_recent_ns = c->ts_recent_ns;
	tw->tos = c->o.tos;
	tw->ttl = c->o.ttl;
	tw->tclass = c->o.tclass;
	tw->hops = c->o.hops;
	tw->autoflowlabel = c->o.autoflowlabel;
	timer_init(&tw->m.timer, TIMER_TCP_TW);
	__atomic_store_n(&tw->live, true, __ATOMIC_RELEASE);
	c->sk.claimed = 0;
	tcp_conn_unhash(st, c);
	tcp_mini_hash(st, &tw->m);
	list_push_back(&st->tcp->tw, &tw->node);
	wheel_arm(&st->wheel, &tw->m.timer, st->now_ns + TCP_TIMEWAIT_NS);
	return tcp_conn_done(st, c, 0);
}

void tcp_tw_timer(struct stack *st, struct tcp_tw *tw)
{
	tcp_tw_free(st, tw);
}

static void tw_ack(struct stack *st, struct tcp_tw *tw, bool limited)
{
	struct sock_opts mark = {.tos = tw->tos,
				 .ttl = tw->ttl,
				 .tclass = tw->tclass,
				 .hops = tw->hops,
				 .autoflowlabel = tw->autoflowlabel};
	struct tcp_raw r = {
		.local = &tw->m.local,
		.remote = &tw->m.remote,
		.dst = tw->m.dst,
		.seq = tw->snd_nxt,
		.ack = tw->rcv_nxt,
		.flags = TH_ACK,
		.wnd = (uint16_t)(tw->rcv_wnd >> tw->rcv_wscale),
		.mark = &mark,
		.opt = {.has_ts = tw->ts_ok,
			.tsval = tcp_ts_now(st, tw->ts_off),
			.tsecr = tw->ts_recent},
	};

	if (limited && tw->oow_ack_ns && st->now_ns - tw->oow_ack_ns < TCP_OOW_ACK_NS)
		return;
	tw->oow_ack_ns = st->now_ns;
	tcp_send_raw(st, &r);
}

static struct seq next_iss(const struct tcp_tw *tw)
{
	return seq_add(tw->snd_nxt, ISS_MARGIN);
}

enum stat_id tcp_tw_rx(struct stack *st, struct tcp_tw *tw, struct tcp_seg *s, bool *syn,
		       struct seq *iss)
{
	bool paws = tw->ts_ok && s->opt.has_ts && (int32_t)(s->opt.tsval - tw->ts_recent) < 0;
	struct seq end = seq_add(s->seq, s->len + !!(s->flags & TH_SYN) + !!(s->flags & TH_FIN));
	bool may_open = *syn;

	*syn = false;
	if (s->flags & TH_RST) {
		if (!seq_eq(s->seq, tw->rcv_nxt) || paws)
			return STAT_drop_tcp_rst;
		/* RFC 9293 ends it; RFC 1337 3 (a) advises not to */
		if (st->cfg.tcp_rfc1337)
			return STAT_drop_tcp_time_wait;
		tcp_tw_free(st, tw);
		return STAT_rx_packets;
	}
	/* RFC 6191, RFC 1122 4.2.2.13: a new connection, unmistakably newer than the old one */
	if (may_open && (s->flags & (TH_SYN | TH_ACK)) == TH_SYN && !paws &&
	    (seq_gt(s->seq, tw->rcv_nxt) ||
	     (tw->ts_ok && s->opt.has_ts && (int32_t)(s->opt.tsval - tw->ts_recent) > 0))) {
		*syn = true;
		*iss = next_iss(tw);
		COUNT(st, tcp_tw_reused);
		tcp_tw_free(st, tw);
		return STAT_rx_packets;
	}
	if (!paws && seq_eq(s->seq, tw->rcv_nxt) && seq_eq(end, s->seq)) {
		if (s->opt.has_ts && tw->ts_ok) {
			tw->ts_recent = s->opt.tsval;
			tw->ts_recent_ns = st->now_ns;
		}
		return STAT_drop_tcp_time_wait; /* a bare ACK: nothing to say */
	}
	/* our last ACK was lost: the FIN comes again */
	if ((s->flags & TH_FIN) && seq_eq(end, tw->rcv_nxt) && !paws)
		wheel_arm(&st->wheel, &tw->m.timer, st->now_ns + TCP_TIMEWAIT_NS);
	tw_ack(st, tw, !(s->flags & TH_FIN));
	return paws ? STAT_drop_tcp_paws : STAT_drop_tcp_time_wait;
}

bool tcp_tw_reuse(struct stack *st, struct tcp_tw *tw, bool bound, struct seq *iss)
{
	uint8_t mode = st->cfg.tcp_tw_reuse;
	bool loop = stack_local_has(st, &tw->m.remote.addr);

	if (!tw->ts_ok)
		return false; /* timestamps tell old from new once they have moved on */
	/* 2 is loopback only; who names the port gets it, as from Linux */
	if (!bound && (mode == 0 || (mode == 2 && !loop) ||
		       st->now_ns - tw->ts_recent_ns <= st->cfg.tcp_tw_reuse_delay_ms * MS_NS))
		return false;
	*iss = next_iss(tw);
	COUNT(st, tcp_tw_reused);
	/* the flow goes on: it is the new connection's to claim */
	tw->claimed &= (uint8_t) ~(CLAIM_FLOW | CLAIM_LEFT);
	tcp_tw_free(st, tw);
	return true;
}
