/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timers of a connection. Others state facts; only this file arms. Each exists for one reason:
 *
 *   rtx, as RTO      nothing came back for what we sent: send it again (RFC 6298 5)
 *   rtx, as REO      what was sent before something delivered may only be late: wait, then call it
 *                    lost (RFC 8985 6.3)
 *   rtx, as TLP      the tail of a burst has no segments behind it that would betray its loss:
 * probe (RFC 8985 7) rtx, as PERSIST  nothing is in flight and something waits: for the peer's
 * window, whose opening ACK may have been lost (RFC 9293 3.8.6.1), for a cork, or for the device
 *   delack           the application did not answer in time for its data to carry the ACK
 *                    (RFC 9293 3.8.6.3)
 *   pacer            data may go that pacing held back
 *   keep             a silent peer may be gone (RFC 9293 3.8.4); and an orphan in FIN-WAIT-2 must
 *                    not wait for a FIN for ever
 *
 * The rtx and delack timers move with every segment. To keep that cheap the connection holds the
 * true time, and the wheel is only touched when that lies before what is armed; a timer that goes
 * off too early arms itself again.
 */
#include <errno.h>

#include "tcp.h"

enum tcp_rtx { RTX_NONE, RTX_RTO, RTX_REO, RTX_TLP, RTX_PERSIST };

#define SEC_NS 1000000000ull
#define ORPHAN_RETRIES 8u /* tcp_orphan_retries 0 means this, as in Linux */

void tcp_timers_init(struct tcp_conn *c)
{
	timer_init(&c->rtx, TIMER_TCP_RETRANSMIT);
	timer_init(&c->delack, TIMER_TCP_DELACK);
	timer_init(&c->keep, TIMER_TCP_KEEPALIVE);
	timer_init(&c->pacer, TIMER_TCP_PACE);
	c->rtx_due_ns = c->delack_due_ns = WHEEL_NEVER;
	c->rtx_what = RTX_NONE;
}

void tcp_timers_stop(struct stack *st, struct tcp_conn *c)
{
	wheel_cancel(&st->wheel, &c->rtx);
	wheel_cancel(&st->wheel, &c->delack);
	wheel_cancel(&st->wheel, &c->keep);
	wheel_cancel(&st->wheel, &c->pacer);
	c->rtx_due_ns = c->delack_due_ns = WHEEL_NEVER;
	c->rtx_what = RTX_NONE;
}

/* Something to send, and nothing in flight whose ACK would set it going. */
static bool wants_persist(const struct tcp_conn *c)
{
	if (!sent_empty(&c->sent) || c->pace.waits)
		return false;
	if (tcp_state_in(c, TCPS_CONNECTING))
		return true; /* the SYN could not even be sent */
	return seq_lt(c->sent.nxt, sndbuf_end(&c->snd)) ||
	       (c->fin_queued && seq_eq(c->sent.nxt, sndbuf_end(&c->snd)));
}

static uint64_t persist_ns(const struct tcp_conn *c)
{
	uint64_t ns = rtt_rto_ns(&c->rtt);

	for (unsigned i = 0; i < c->probe_backoff && ns < RTT_RTO_MAX_NS; i++)
		ns *= 2;
	return ns < RTT_RTO_MAX_NS ? ns : RTT_RTO_MAX_NS;
}

static void rtx_arm(struct stack *st, struct tcp_conn *c, uint64_t at_ns)
{
	c->rtx_due_ns = at_ns;
	if (timer_armed(&c->rtx) && c->rtx.due_tick * WHEEL_TICK_NS <= at_ns)
		return;
	/* the reordering window is a fraction of the round trip */
	if (c->rtx_what == RTX_REO)
		wheel_arm_fine(&st->wheel, &c->rtx, at_ns);
	else
		wheel_arm(&st->wheel, &c->rtx, at_ns);
}

void tcp_timer_rtx(struct stack *st, struct tcp_conn *c)
{
	bool may_probe = tcp_state_in(c, TCPS_SYNCED) && c->snd_wnd > 0;
	uint64_t at = WHEEL_NEVER;
	uint8_t what = RTX_NONE;

	switch (recovery_timer(&c->rec, &c->sent, &c->rtt, c->mss, may_probe, &at)) {
	case RECOVERY_TIMER_RTO:
		what = RTX_RTO;
		break;
	case RECOVERY_TIMER_REO:
		what = RTX_REO;
		break;
	case RECOVERY_TIMER_TLP:
		what = RTX_TLP;
		break;
	case RECOVERY_TIMER_NONE:
		if (!wants_persist(c))
			break;
		what = RTX_PERSIST;
		at = st->now_ns + persist_ns(c);
		/* if it runs already, what happens meanwhile must not push it away */
		if (c->rtx_what == RTX_PERSIST && c->rtx_due_ns <= at)
			return;
		break;
	}
	/* the last one comes when TCP_USER_TIMEOUT is over, not up to a backoff later */
	if (c->o.user_timeout_ms && c->stall_ns && (what == RTX_RTO || what == RTX_PERSIST)) {
		uint64_t end = c->stall_ns + c->o.user_timeout_ms * 1000000ull;

		if (at > end)
			at = end > st->now_ns ? end : st->now_ns;
	}
	c->rtx_what = what;
	if (what == RTX_NONE)
		c->rtx_due_ns = WHEEL_NEVER; /* left in the wheel: likely to be wanted again soon */
	else
		rtx_arm(st, c, at);
}

void tcp_timer_delack(struct stack *st, struct tcp_conn *c, bool on)
{
	c->delack_due_ns = on ? st->now_ns + TCP_DELACK_NS : WHEEL_NEVER;
	if (on && !timer_armed(&c->delack))
		wheel_arm(&st->wheel, &c->delack, c->delack_due_ns);
}

static uint64_t keep_idle_ns(const struct stack *st, const struct tcp_conn *c)
{
	return (c->o.keepidle_s ? c->o.keepidle_s : st->cfg.tcp_keepalive_time_s) * SEC_NS;
}

static uint64_t keep_intvl_ns(const struct stack *st, const struct tcp_conn *c)
{
	return (c->o.keepintvl_s ? c->o.keepintvl_s : st->cfg.tcp_keepalive_intvl_s) * SEC_NS;
}

void tcp_timer_keep(struct stack *st, struct tcp_conn *c)
{
	if (c->sk.orphan && c->state == TCPS_FIN_WAIT2) {
		uint32_t s = st->cfg.tcp_fin_timeout_s;

		if (c->o.linger2_s > 0)
			s = (uint32_t)c->o.linger2_s;
		wheel_arm(&st->wheel, &c->keep, st->now_ns + s * SEC_NS);
	} else if (c->o.keepalive && tcp_state_in(c, TCPS_SYNCED)) {
		uint64_t at = c->last_rx_ns + keep_idle_ns(st, c);

		wheel_arm(&st->wheel, &c->keep, at > st->now_ns ? at : st->now_ns);
	} else {
		wheel_cancel(&st->wheel, &c->keep);
	}
}

/* ---- what happens when they go off ---------------------------------------------------------- */

/* The peer is taken for gone. */
static void give_up(struct stack *st, struct tcp_conn *c)
{
	COUNT(st, tcp_timed_out);
	if (tcp_state_in(c, TCPS_CONNECTING))
		COUNT(st, tcp_conn_failed);
	tcp_conn_done(st, c, c->soft_err_valid ? c->soft_err : ETIMEDOUT);
}

uint64_t tcp_tries_ns(uint32_t tries, uint64_t rto_ns)
{
	uint64_t sum = rto_ns;

	for (; tries && rto_ns < RTT_RTO_MAX_NS / 2; tries--) {
		rto_ns *= 2;
		sum += rto_ns;
	}
	return sum + tries * RTT_RTO_MAX_NS;
}

/* tcp_orphan_retries(): backed: the time between tries can't grow any more. */
static uint32_t orphan_retries(const struct stack *st, const struct tcp_conn *c, bool backed)
{
	uint32_t n = c->soft_err_valid && backed ? 0 : st->cfg.tcp_orphan_retries;

	return n == 0 && !backed ? ORPHAN_RETRIES : n;
}

/* The sysctls name numbers of tries. What counts once a peer has been heard is the time that as
 * many would take at the least, from the first retransmission on (retransmits_timed_out()); of a
 * SYN both, from the first SYN on. */
static bool peer_is_gone(const struct stack *st, const struct tcp_conn *c)
{
	uint64_t silent = st->now_ns - c->stall_ns, user = c->o.user_timeout_ms * 1000000ull;
	uint32_t max = c->o.syn_retries;

	switch (c->state) {
	case TCPS_SYN_SENT:
		if (!max)
			max = st->cfg.tcp_syn_retries;
		return c->retransmits >= max + st->cfg.tcp_syn_linear_timeouts ||
		       (c->retransmits && silent >= (user ? user : tcp_tries_ns(max, SEC_NS)));
	case TCPS_SYN_RCVD:
		if (!max)
			max = st->cfg.tcp_synack_retries;
		return c->rtt.backoff >= max || (c->retransmits && user && silent >= user);
	default:
		max = st->cfg.tcp_retries2;
		if (c->sk.orphan)
			max = orphan_retries(st, c, rtt_rto_ns(&c->rtt) >= RTT_RTO_MAX_NS);
		return silent >= (user ? user : tcp_tries_ns(max, TCP_RETRIES_RTO_NS));
	}
}

/*
 * The peer has taken its window back over data that is on the way: what is sent again are probes,
 * and do not count as timeouts. A peer that answers them is not gone. They come more and more
 * seldom (RFC 9293 3.8.6.1), until its window opens: process_ack(). An orphan does not wait for
 * that.
 */
static bool window_is_back(const struct tcp_conn *c)
{
	return c->snd_wnd == 0 && !c->sk.orphan && tcp_state_in(c, TCPS_SYNCED);
}

static bool prober_is_gone(const struct stack *st, const struct tcp_conn *c)
{
	uint64_t limit = 2 * RTT_RTO_MAX_NS, user = c->o.user_timeout_ms * 1000000ull;

	/* as Linux: answers do not count against TCP_USER_TIMEOUT, only progress does */
	if (user)
		return st->now_ns - c->stall_ns >= user;
	return st->now_ns - c->last_rx_ns > limit;
}

/* TCP_THIN_LINEAR_TIMEOUTS: with so little in flight only a timeout repairs, so the first few come
 * at one pace; not in the first slow start, as Linux has it. */
#define THIN_SEGS 4u
#define THIN_TIMEOUTS 6u
static bool timeouts_linear(const struct tcp_conn *c)
{
	return c->o.thin_linear && c->state == TCPS_ESTABLISHED &&
	       c->retransmits <= THIN_TIMEOUTS && sent_out_bytes(&c->sent) < THIN_SEGS * c->mss &&
	       c->cc.ssthresh < CC_SSTHRESH_INF;
}

static void on_rto(struct stack *st, struct tcp_conn *c)
{
	uint32_t flight = sent_out_bytes(&c->sent);
	struct sent_rec *head = sent_head(&c->sent);
	bool fresh, gone = false, first = !c->stall_ns;

	if (first)
		c->stall_ns = head && c->state == TCPS_SYN_SENT ? head->tx_ns : st->now_ns;
	if (!first || tcp_state_in(c, TCPS_CONNECTING))
		gone = window_is_back(c) ? prober_is_gone(st, c) : peer_is_gone(st, c);
	fastopen_timeout(st, c, gone);
	if (gone) {
		give_up(st, c);
		return;
	}
	COUNT(st, tcp_timeouts);
	/* it is we who did not send */
	if (c->out_blocked || (c->pace.waits && c->sent.in_flight_bytes == 0)) {
		recovery_rto_restart(&c->rec, st->now_ns);
		tcp_timer_rtx(st, c);
		return;
	}
	if (!window_is_back(c)) { /* else probes, as Linux counts */
		if (c->retransmits == 0) {
			c->rto_recoveries++;
			c->rto_since_ns = st->now_ns;
		}
		if (c->retransmits < UINT32_MAX)
			c->retransmits++;
		c->rtos++;
	}
	if (head && (head->flags & SENT_SACKED))
		COUNT(st, tcp_sack_reneged);
	/* what the loss of a SYN means, tcp_established() knows (RFC 5681 3.1) */
	fresh = recovery_timeout(&c->rec, &c->sent, st->now_ns);
	if (!tcp_state_in(c, TCPS_CONNECTING)) {
		cc_cong_signal(&c->cc, fresh ? CC_SIGNAL_RTO : CC_SIGNAL_RTO_AGAIN, flight,
			       st->now_ns);
		if (fresh)
			tcp_ecn_reduced(c);
	}
	mtup_timeout(st, c);
	/* the first SYNs again go at one pace (tcp_syn_linear_timeouts) */
	if (!timeouts_linear(c) &&
	    !(c->state == TCPS_SYN_SENT && c->retransmits <= st->cfg.tcp_syn_linear_timeouts))
		rtt_backoff(&c->rtt);
	/* as Linux: routers that choose among paths by the flow label may now choose another */
	c->flow = ip6_flowlabel_other(st, c->flow);
	tcp_output(st, c, 0);
}

static void on_reo(struct stack *st, struct tcp_conn *c)
{
	struct recovery_out out;

	recovery_reo_timeout(&c->rec, &c->sent, &c->rtt, c->mss, st->now_ns, &out);
	tcp_recovery_apply(st, c, &out);
	tcp_output(st, c, 0);
}

static void on_tlp(struct stack *st, struct tcp_conn *c)
{
	struct seq nxt = c->sent.nxt;
	bool sent = false, rexmit = false;

	COUNT(st, tcp_probes);
	tcp_output(st, c, OUT_PROBE);
	if (seq_eq(nxt, c->sent.nxt)) {
		struct sent_rec *r = recovery_probe(&c->rec, &c->sent, c->mss);

		rexmit = true;
		sent = r && tcp_send_again(st, c, r, (uint32_t)seq_diff(r->end, r->start)) == 0;
	} else {
		sent = true;
	}
	recovery_probe_sent(&c->rec, &c->sent, sent, rexmit);
	tcp_timer_rtx(st, c);
}

static void on_persist(struct stack *st, struct tcp_conn *c)
{
	struct seq nxt = c->sent.nxt;
	uint32_t max = st->cfg.tcp_retries2;
	bool orphan = c->sk.orphan && c->snd_wnd == 0, backed = persist_ns(c) >= RTT_RTO_MAX_NS;

	if (orphan)
		max = orphan_retries(st, c, backed);
	if (!c->stall_ns)
		c->stall_ns = st->now_ns;
	/* an orphan's peer may answer as it likes: it gets until the probes come no more seldom */
	if (c->probes_out >= max || (orphan && backed && c->probe_backoff >= max) ||
	    /* as Linux: also when the peer answers every probe */
	    (c->o.user_timeout_ms &&
	     st->now_ns - c->stall_ns >= c->o.user_timeout_ms * 1000000ull)) {
		give_up(st, c);
		return;
	}
	if (tcp_state_in(c, TCPS_CONNECTING)) {
		c->probes_out++;
		c->probe_backoff++;
	}
	/* What the window still takes goes, however small: it ends the stalemate of two SWS rules.
	 */
	tcp_output(st, c, OUT_FORCE);
	if (!seq_eq(nxt, c->sent.nxt) || tcp_state_in(c, TCPS_CONNECTING))
		return;
	if (wants_persist(c)) {
		c->probes_out++;
		if (c->probe_backoff < st->cfg.tcp_retries2 && c->probe_backoff < UINT8_MAX)
			c->probe_backoff++;
		COUNT(st, tcp_zero_probes);
		/* an old sequence number: the peer has to answer with an ACK that says its window
		 */
		if (unlikely(c->urgent.sending)) /* as Linux: in the window, so that it is heard */
			tcp_send_empty(st, c, c->sent.una, TH_ACK);
		tcp_send_empty(st, c, seq_sub(c->sent.una, 1), TH_ACK);
		c->rtx_what = RTX_NONE; /* tcp_output() armed it, by the backoff of before */
		tcp_timer_rtx(st, c);
	}
}

static void on_keep(struct stack *st, struct tcp_conn *c)
{
	uint64_t idle_ns = keep_idle_ns(st, c), since;
	uint32_t max = c->o.keepcnt ? c->o.keepcnt : st->cfg.tcp_keepalive_probes;

	if (c->sk.orphan && c->state == TCPS_FIN_WAIT2) {
		tcp_conn_done(st, c, 0);
		return;
	}
	if (!c->o.keepalive || !tcp_state_in(c, TCPS_SYNCED))
		return;
	since = st->now_ns - c->last_rx_ns;
	if (since < idle_ns || !sent_empty(&c->sent) || wants_persist(c)) {
		/* alive, or other timers see to it */
		if (since < idle_ns)
			c->probes_out = 0;
		wheel_arm(&st->wheel, &c->keep,
			  since < idle_ns ? c->last_rx_ns + idle_ns : st->now_ns + idle_ns);
		return;
	}
	if (c->o.user_timeout_ms ? c->probes_out && since >= c->o.user_timeout_ms * 1000000ull
				 : c->probes_out >= max) {
		tcp_send_rst(st, c);
		give_up(st, c);
		return;
	}
	c->probes_out++;
	COUNT(st, tcp_zero_probes);
	tcp_send_empty(st, c, seq_sub(c->sent.una, 1), TH_ACK);
	wheel_arm(&st->wheel, &c->keep, st->now_ns + keep_intvl_ns(st, c));
}

static void on_rtx(struct stack *st, struct tcp_conn *c)
{
	uint8_t what = c->rtx_what;

	if (c->rtx_due_ns == WHEEL_NEVER)
		return;
	if (c->rtx_due_ns > st->now_ns) {
		wheel_arm(&st->wheel, &c->rtx, c->rtx_due_ns);
		return;
	}
	c->rtx_due_ns = WHEEL_NEVER;
	c->rtx_what = RTX_NONE;
	switch (what) {
	case RTX_RTO:
		on_rto(st, c);
		break;
	case RTX_REO:
		on_reo(st, c);
		break;
	case RTX_TLP:
		on_tlp(st, c);
		break;
	case RTX_PERSIST:
		on_persist(st, c);
		break;
	}
}

void tcp_timer_pace(struct stack *st, struct tcp_conn *c)
{
	if (c->pace.waits && (!timer_armed(&c->pacer) ||
			      c->pacer.due_tick * WHEEL_TICK_NS >= c->pace.next_ns + WHEEL_TICK_NS))
		wheel_arm_fine(&st->wheel, &c->pacer, c->pace.next_ns);
}

static void on_pace(struct stack *st, struct tcp_conn *c)
{
	if (!c->out_blocked) /* a loss probe may have gone past what waits: it need not say so */
		tcp_output(st, c, 0);
}

static void on_delack(struct stack *st, struct tcp_conn *c)
{
	if (c->delack_due_ns == WHEEL_NEVER || c->ack_wait == ACK_NONE)
		return;
	if (c->delack_due_ns > st->now_ns) {
		wheel_arm(&st->wheel, &c->delack, c->delack_due_ns);
		return;
	}
	COUNT(st, tcp_delayed_acks);
	c->pingpong = false; /* the application takes its time: no answer to ride on */
	tcp_send_ack(st, c);
}

static void conn_timer(struct stack *st, struct tcp_conn *c, uint8_t kind)
{
	AT(st, c);

	switch (kind) {
	case TIMER_TCP_RETRANSMIT:
		on_rtx(st, c);
		break;
	case TIMER_TCP_DELACK:
		on_delack(st, c);
		break;
	case TIMER_TCP_KEEPALIVE:
		on_keep(st, c);
		break;
	case TIMER_TCP_PACE:
		on_pace(st, c);
		break;
	}
}

void tcp_timer(struct stack *st, struct timer *t)
{
	switch (t->kind) {
	case TIMER_TCP_RETRANSMIT:
		conn_timer(st, container_of(t, struct tcp_conn, rtx), t->kind);
		break;
	case TIMER_TCP_DELACK:
		conn_timer(st, container_of(t, struct tcp_conn, delack), t->kind);
		break;
	case TIMER_TCP_KEEPALIVE:
		conn_timer(st, container_of(t, struct tcp_conn, keep), t->kind);
		break;
	case TIMER_TCP_PACE:
		conn_timer(st, container_of(t, struct tcp_conn, pacer), t->kind);
		break;
	case TIMER_TCP_REQ:
		tcp_req_timer(st, container_of(t, struct tcp_req, m.timer));
		break;
	case TIMER_TCP_TW:
		tcp_tw_timer(st, container_of(t, struct tcp_tw, m.timer));
		break;
	case TIMER_TCP_LEFT:
		tcp_listener_drop(st, container_of(t, struct tcp_listener, left_timer));
		break;
	}
}

/* An armed timer's time, or (it went off, or never was) at. */
static void timer_mend(struct stack *st, struct timer *t, uint8_t kind, uint64_t at_ns)
{
	uint64_t due_ns = timer_armed(t) ? t->due_tick * WHEEL_TICK_NS : at_ns;

	timer_init(t, kind);
	if (due_ns != WHEEL_NEVER)
		wheel_arm(&st->wheel, t, due_ns);
}

void tcp_timers_mend(struct stack *st, struct tcp_conn *c)
{
	bool kept = timer_armed(&c->keep);

	timer_init(&c->rtx, TIMER_TCP_RETRANSMIT);
	timer_init(&c->delack, TIMER_TCP_DELACK);
	timer_mend(st, &c->keep, TIMER_TCP_KEEPALIVE, WHEEL_NEVER);
	timer_init(&c->pacer, TIMER_TCP_PACE);
	if (c->rtx_due_ns != WHEEL_NEVER)
		wheel_arm(&st->wheel, &c->rtx, c->rtx_due_ns);
	if (c->ack_wait == ACK_DELAYED) {
		if (c->delack_due_ns == WHEEL_NEVER)
			c->delack_due_ns = st->now_ns;
		wheel_arm(&st->wheel, &c->delack, c->delack_due_ns);
	}
	if (!kept)
		tcp_timer_keep(st, c);
	tcp_timer_pace(st, c);
}

void tcp_mini_timer_mend(struct stack *st, struct tcp_mini *m)
{
	bool req = m->kind == TCP_MINI_REQ;

	timer_mend(st, &m->timer, req ? TIMER_TCP_REQ : TIMER_TCP_TW,
		   st->now_ns + (req ? 0 : TCP_TIMEWAIT_NS));
}
