/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A segment's way through a connection, in the order of RFC 9293 3.10.7: sequence number, RST, SYN,
 * ACK, data, FIN; then output. Bytes from the wire never assert: what does not fit ends in a named
 * drop. Must never touch c after a step that says it freed it.
 *
 * RFC 9293 3.10.7; 5961 (blind attacks), 7323 (timestamps, PAWS), 2018 and 2883 (SACK), 5681 4.2
 * (ACKs), 6691.
 */
#include <errno.h>

#include "tcp.h"

/* What a step did with the segment. */
enum step {
	STEP_ON,    /* the next step */
	STEP_DONE,  /* it ends here; s->verdict says how; c lives */
	STEP_FREED, /* likewise, and c is gone */
};

struct in {
	struct stack *st;
	struct tcp_conn *c;
	struct tcp_seg *s;
	enum stat_id verdict;
	bool data_taken;
	bool ack_now;   /* an answer is due at once */
	bool ack_old;   /* the ACK field was overtaken by a later one: only data counts */
	uint32_t raise; /* RDY_* that are news */
};

static enum step drop(struct in *in, enum stat_id why)
{
	in->verdict = why;
	return STEP_DONE;
}

/* ---- first: timestamps and sequence number -------------------------------------------------- */

static bool paws_old(const struct stack *st, const struct tcp_conn *c, const struct tcp_seg *s)
{
	if ((int32_t)(s->opt.tsval - c->ts_recent) >= -TCP_PAWS_WINDOW + 1)
		return false;
	/* RFC 7323 5.5: after 24 days of silence ts_recent says nothing any more */
	return st->now_ns - c->ts_recent_ns < TCP_PAWS_24DAYS_NS;
}

/* RFC 7323 4.3: taken from the segment that the last ACK sent was about. */
static void ts_recent_take(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s)
{
	if (s->opt.has_ts && c->ts_ok && seq_leq(s->seq, c->rcv_acked)) {
		c->ts_recent = s->opt.tsval;
		c->ts_recent_ns = st->now_ns;
	}
}

static uint32_t rcv_wnd(const struct tcp_conn *c)
{
	int32_t n = seq_diff(c->rcv_adv, c->rcv_nxt);

	return n > 0 ? (uint32_t)n : 0;
}

static enum step check_seq(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;
	struct tcp_seg *s = in->s;
	struct seq end = seq_add(s->seq, s->len + !!(s->flags & TH_SYN) + !!(s->flags & TH_FIN));

	if (c->ts_ok && s->opt.has_ts && paws_old(st, c, s) && !(s->flags & TH_RST)) {
		tcp_challenge_ack(st, c);
		return drop(in, STAT_drop_tcp_paws);
	}
	/* RFC 9293 3.4: some of it in the window, or touching its left edge */
	if (seq_geq(end, c->rcv_nxt) && seq_leq(s->seq, seq_add(c->rcv_nxt, rcv_wnd(c))))
		return STEP_ON;
	if (s->flags & TH_RST) {
		if (c->fin_rcvd && seq_eq(end, seq_sub(c->rcv_nxt, 1)))
			return STEP_ON; /* at the peer's FIN: check_rst() knows */
		return drop(in, STAT_drop_tcp_rst);
	}
	if (s->flags & TH_SYN) {
		tcp_challenge_ack(st, c);
		return drop(in, STAT_drop_tcp_syn);
	}
	if (s->len > 0 && seq_lt(s->seq, c->rcv_nxt)) {
		/* sent again though we have it: our ACK was lost. D-SACK (RFC 2883 4). */
		if (c->sack_ok)
			c->dsack = (struct sack_block){s->seq, seq_min(end, c->rcv_nxt)};
		c->quickacks = TCP_QUICKACKS;
		tcp_send_ack(st, c);
		return drop(in, STAT_drop_tcp_dup);
	}
	/* A window probe or keepalive lies one before the window: always answered. */
	if (s->len == 0 && seq_eq(seq_add(s->seq, 1), c->rcv_nxt) && !(s->flags & TH_FIN)) {
		tcp_send_ack(st, c);
		return STEP_ON; /* its ACK and window count */
	}
	if (s->len > 0 && rcv_wnd(c) == 0) {
		tcp_send_ack(st, c); /* a window probe with data, BSD's way */
		return drop(in, STAT_drop_tcp_window);
	}
	if (s->flags & TH_FIN)
		tcp_send_ack(st, c); /* a FIN sent again */
	else if (!(s->len == 0 && c->oow_ack_ns && st->now_ns - c->oow_ack_ns < TCP_OOW_ACK_NS)) {
		c->oow_ack_ns = st->now_ns;
		tcp_send_ack(st, c);
	}
	return drop(in, STAT_drop_tcp_window);
}

/* The SYN that made a connection by Fast Open comes again: the SYN-ACK was lost, or is late. */
static bool syn_again(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;
	struct tcp_seg *s = in->s;
	struct sent_rec *head = sent_head(&c->sent);
	bool resent = c->syn_resent;

	if (!(c->fo_flags & FO_PASSIVE) || (s->flags & (TH_SYN | TH_ACK | TH_RST)) != TH_SYN ||
	    !seq_eq(s->seq, c->irs) || (c->ts_ok && s->opt.has_ts && paws_old(st, c, s)))
		return false;
	in->verdict = STAT_rx_packets;
	if (c->oow_ack_ns && st->now_ns - c->oow_ack_ns < TCP_OOW_ACK_NS)
		return true;
	c->oow_ack_ns = st->now_ns;
	if (head && (head->flags & SENT_SYN))
		tcp_send_again(st, c, head, 1);
	c->syn_resent = resent; /* no timeout of ours said so */
	return true;
}

/* ---- second: RST; fourth: SYN --------------------------------------------------------------- */

static enum step check_rst(struct in *in)
{
	struct tcp_conn *c = in->c;
	struct seq seq = in->s->seq;
	bool exact = seq_eq(seq, c->rcv_nxt);
	int err = ECONNRESET;

	if (!(in->s->flags & TH_RST))
		return STEP_ON;
	/* RFC 5961 3.2; and, as Linux, the right edge of what we have SACKed: the peer's snd_nxt */
	if (!exact && !reass_empty(&c->reass)) {
		struct reass_range *g = list_entry(c->reass.ranges.prev, struct reass_range, node);

		exact = seq_eq(seq, g->end);
	}
	/* Some reset with the sequence number of their FIN, that we have already counted */
	if (!exact && c->fin_rcvd && seq_eq(seq_add(seq, 1), c->rcv_nxt))
		exact = true;
	if (!exact) {
		tcp_challenge_ack(in->st, c);
		return drop(in, STAT_drop_tcp_rst);
	}
	COUNT(in->st, tcp_conn_reset);
	if (c->state == TCPS_CLOSE_WAIT)
		err = EPIPE;
	if (c->state == TCPS_SYN_RCVD && !(c->fo_flags & FO_PASSIVE))
		err = ECONNREFUSED;
	fastopen_settled(in->st, c, true);
	in->verdict = STAT_rx_packets;
	return tcp_conn_done(in->st, c, err) ? STEP_FREED : STEP_DONE;
}

static enum step check_syn(struct in *in)
{
	struct tcp_conn *c = in->c;

	if (!(in->s->flags & TH_SYN))
		return STEP_ON;
	/* Simultaneous open: the peer's SYN-ACK, for the SYN we know already (RFC 9293 3.10.7.4) */
	if (c->state == TCPS_SYN_RCVD && (in->s->flags & TH_ACK) && seq_eq(in->s->seq, c->irs)) {
		in->s->flags &= (uint8_t) ~(TH_SYN | TH_ECE | TH_CWR);
		in->s->seq = seq_add(in->s->seq, 1);
		in->s->wnd >>= c->snd_wscale; /* a SYN's window is never scaled (RFC 7323 2.2) */
		return STEP_ON;
	}
	tcp_challenge_ack(in->st, c);
	return drop(in, STAT_drop_tcp_syn);
}

/* ---- fifth: ACK ----------------------------------------------------------------------------- */

/* Nothing had been lost (RFC 4015). */
static void recovery_undone(struct stack *st, struct tcp_conn *c, const struct recovery_out *out)
{
	static const enum stat_id why[] = {
		[RECOVERY_UNDO_FRTO] = STAT_tcp_undo_frto,
		[RECOVERY_UNDO_EIFEL] = STAT_tcp_undo_eifel,
		[RECOVERY_UNDO_DSACK] = STAT_tcp_undo_dsack,
	};

	st->stats[why[out->undo]]++;
	if (out->undone_loss)
		COUNT(st, tcp_spurious_rtos);
	else
		COUNT(st, tcp_spurious_recoveries);
	if (out->ack.syn)
		c->syn_resent = false; /* it had only been late: RFC 5681 3.1 asks for no less */
	cc_undo(&c->cc);
}

void tcp_recovery_apply(struct stack *st, struct tcp_conn *c, const struct recovery_out *out)
{
	if (out->undo)
		recovery_undone(st, c, out);
	if (out->spurious_tlp)
		COUNT(st, tcp_probes_needless);
	if (out->tlp_repaired)
		COUNT(st, tcp_probes_repaired);
	if (out->enter)
		COUNT(st, tcp_fast_recoveries);
	if (out->enter)
		mtup_lost(st, c);
	if (out->enter || out->tlp_repaired) {
		cc_cong_signal(&c->cc, CC_SIGNAL_NDUPACK, out->prior_flight_bytes, st->now_ns);
		tcp_ecn_reduced(c);
	}
	if (out->leave && !out->left_loss)
		cc_post_recovery(&c->cc, c->sent.in_flight_bytes, st->now_ns);
	if (out->tlp_repaired && !out->enter)
		cc_post_recovery(&c->cc, c->sent.in_flight_bytes, st->now_ns);
	tcp_control_ack(st, c, out);
	recovery_prr(&c->rec, &c->sent, out, c->cc.ssthresh, c->mss);
}

/* The window of the segment, if it is newer than the one we have. True when it changed. */
static bool window_update(struct tcp_conn *c, const struct tcp_seg *s)
{
	uint32_t wnd = s->wnd << (s->flags & TH_SYN ? 0 : c->snd_wscale);

	if (!(seq_gt(s->ack, c->sent.una) || seq_lt(c->snd_wl1, s->seq) ||
	      (seq_eq(c->snd_wl1, s->seq) &&
	       (seq_lt(c->snd_wl2, s->ack) || wnd > c->snd_wnd || wnd == 0))))
		return false;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	if (wnd == c->snd_wnd)
		return false;
	c->snd_wnd = wnd;
	if (wnd > c->snd_wnd_max)
		c->snd_wnd_max = wnd;
	return true;
}

/* Something of ours has arrived. */
static void ack_progress(struct in *in, struct seq una_before)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;
	struct seq upto = seq_min(c->sent.una, sndbuf_end(&c->snd));

	if (c->state != TCPS_SYN_RCVD) /* a SYN-ACK's does not count, as Linux has it */
		c->bytes_acked += (uint32_t)seq_diff(c->sent.una, una_before);
	tcp_rtos_end(st, c);
	if (unlikely(!list_empty(&c->stamps.tx)))
		stamp_acked(st, c, in->s->p->ttl);
	if (unlikely(c->zc_told != c->zc_next))
		tcp_zerocopy_tell(st, c);
	if (seq_gt(upto, c->snd.una))
		sndbuf_ack(st, &c->snd, upto);
	if (seq_lt(c->snd_sml, c->sent.una))
		c->snd_sml = c->sent.una;
	urgent_acked(&c->urgent, c->sent.una);
	mtup_acked(st, c);
	c->stall_ns = 0;
	c->soft_err_valid = false;
	tcp_sndbuf_tune(st, c);
}

/* The acknowledgment itself, una <= ack <= nxt. */
static void process_ack(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;
	struct tcp_seg *s = in->s;
	struct seq una = c->sent.una;
	struct recovery_in ri;
	struct recovery_out out;
	bool wnd_changed, ece, shut = c->snd_wnd == 0;
	uint32_t flight;

	c->last_ack_rx_ns = st->now_ns;
	if (in->ack_old) {
		/* neither its window nor its SACK blocks are news, and it is no duplicate ACK */
		c->probes_out = 0;
		return;
	}
	wnd_changed = window_update(c, s);
	if (c->snd_wnd > 0)
		c->probe_backoff = 0;
	c->probes_out = 0;
	if (sent_empty(&c->sent)) {
		if (wnd_changed && c->snd_wnd > 0)
			c->stall_ns = 0;
		if (!c->sack_ok || s->opt.nsack == 0)
			return; /* a D-SACK tells something even now */
	} else if (unlikely(shut && c->snd_wnd > 0)) {
		/* it does not say whether what it was shut over has come: the timer will soon */
		c->rtt.backoff = 0;
		recovery_rto_restart(&c->rec, st->now_ns);
	}
	ri.ack = s->ack;
	ri.sack = c->sack_ok && s->opt.nsack ? s->opt.sack : NULL;
	ri.nsack = ri.sack ? s->opt.nsack : 0;
	ri.dupack = s->len == 0 && !(s->flags & (TH_SYN | TH_FIN)) && !wnd_changed &&
		    seq_eq(s->ack, una);
	ri.ts_valid = c->ts_ok && s->opt.has_ts && s->opt.tsecr && seq_gt(s->ack, una);
	ri.ts_rtt_ns = ri.ts_sent_ms = 0;
	if (ri.ts_valid) {
		int32_t ms = (int32_t)(tcp_ts_now(st, c->ts_off) - s->opt.tsecr);

		ri.ts_valid = ms >= 0 && (uint64_t)ms <= st->now_ns / 1000000;
		ri.ts_sent_ms = st->now_ns / 1000000 - (uint32_t)ms;
		/* within a tick of the clock it took up to one; 0 would be the path's minimum */
		ri.ts_rtt_ns = (uint64_t)(uint32_t)(ms > 0 ? ms : 1) * 1000000;
	}
	ri.mss = c->mss;
	ece = tcp_ecn_echoed(c, s);
	tcp_ecn_ack(c, s->ack);
	flight = sent_out_bytes(&c->sent);
	if (seq_eq(s->ack, una) && !ri.dupack && !ri.nsack) {
		if (ece)
			tcp_ecn_react(st, c, flight);
		return; /* data only: it says nothing else new of ours */
	}
	recovery_ack(&c->rec, &c->sent, &c->rtt, &ri, st->now_ns, &out);
	if (out.ack.dsack)
		COUNT(st, tcp_dsacks_received);
	if (ece) {
		c->delivered_ce += (out.ack.delivered_bytes + c->mss - 1) / c->mss;
		/* RFC 3168 6.1.2: no growth by an ACK that tells of congestion */
		out.cc_ack = out.cc_ack && cc_grows_by_marked_acks(&c->cc);
	}
	tcp_recovery_apply(st, c, &out);
	if (ece)
		tcp_ecn_react(st, c, flight);
	if (out.progress)
		ack_progress(in, una);
}

/* RFC 5961 5.2 and 9293: an ACK too old or for something never sent. */
static enum step check_ack(struct in *in)
{
	struct tcp_conn *c = in->c;
	struct seq ack = in->s->ack;

	if (!(in->s->flags & TH_ACK))
		return drop(in, STAT_drop_tcp_flags);
	if (c->state == TCPS_SYN_RCVD && !(seq_gt(ack, c->sent.una) && seq_leq(ack, c->sent.nxt))) {
		tcp_answer_rst(in->st, in->s);
		return drop(in, STAT_drop_tcp_ack);
	}
	if (seq_gt(ack, c->sent.nxt)) {
		tcp_challenge_ack(in->st, c);
		return drop(in, STAT_drop_tcp_ack);
	}
	if (seq_lt(ack, c->sent.una)) {
		uint32_t old = c->snd_wnd_max > 65535 ? c->snd_wnd_max : 65535;

		/* nor for bytes that never were sent: more than a window is easily guessed */
		if (c->bytes_acked < old)
			old = (uint32_t)c->bytes_acked;
		if (seq_lt(ack, seq_sub(c->sent.una, old))) {
			tcp_challenge_ack(in->st, c);
			return drop(in, STAT_drop_tcp_ack);
		}
		in->s->ack = c->sent.una;
		in->ack_old = true;
	}
	return STEP_ON;
}

static void syn_rcvd_done(struct in *in)
{
	struct tcp_conn *c = in->c;

	tcp_state_set(in->st, c, TCPS_ESTABLISHED);
	if (c->fo_flags & FO_PASSIVE) {
		fastopen_settled(in->st, c, false);
		dst_prove(c->dst);
	}
	c->snd_wl1 = in->s->seq;
	tcp_established(in->st, c);
	if (c->fin_queued)
		tcp_state_set(in->st, c, TCPS_FIN_WAIT1);
	in->raise |= RDY_OUT;
}

/* What our FIN's acknowledgment means in each state. */
static enum step fin_acked(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;

	switch (c->state) {
	case TCPS_FIN_WAIT1:
		tcp_state_set(st, c, TCPS_FIN_WAIT2);
		if (!c->sk.orphan)
			return STEP_ON;
		if (c->o.linger2_s < 0) {
			in->verdict = STAT_rx_packets;
			return tcp_conn_abort(st, c, 0) ? STEP_FREED : STEP_DONE;
		}
		tcp_timer_keep(st, c);
		return STEP_ON;
	case TCPS_CLOSING:
		in->verdict = STAT_rx_packets;
		return tcp_tw_start(st, c) ? STEP_FREED : STEP_DONE;
	case TCPS_LAST_ACK:
		in->verdict = STAT_rx_packets;
		return tcp_conn_done(st, c, 0) ? STEP_FREED : STEP_DONE;
	}
	return STEP_ON;
}

static bool fin_is_acked(const struct tcp_conn *c)
{
	return c->fin_queued && seq_gt(c->sent.una, sndbuf_end(&c->snd));
}

static enum step do_ack(struct in *in)
{
	struct tcp_conn *c = in->c;
	enum step r = check_ack(in);

	if (r != STEP_ON)
		return r;
	process_ack(in);
	if (c->state == TCPS_SYN_RCVD)
		syn_rcvd_done(in);
	if (unlikely(fin_is_acked(c)))
		return fin_acked(in);
	return STEP_ON;
}

/* ---- seventh: data -------------------------------------------------------------------------- */

static void measure_rcv_mss(struct tcp_conn *c, uint32_t len)
{
	uint32_t most = c->mss_adv - (c->ts_ok ? TCP_OPTS_TS_BYTES : 0);

	if (len > most)
		len = most; /* a packet of several segments, not yet cut up */
	if (len >= c->rcv_mss || (len >= TCP_MSS_MIN && len > c->rcv_mss))
		c->rcv_mss = (uint16_t)len;
}

/* When the ACK for data that came in order is due. */
static void ack_policy(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;
	uint32_t unacked = (uint32_t)seq_diff(c->rcv_nxt, c->rcv_acked);

	if (in->ack_now)
		tcp_send_ack(st, c);
	else if (unacked > c->rcv_mss)
		tcp_ack_owe(st, c, ACK_BATCH); /* every second full segment */
	else if (c->quickacks && !c->pingpong)
		tcp_ack_owe(st, c, ACK_TURN);
	else
		tcp_ack_owe(st, c, ACK_DELAYED);
}

static void data_event(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;
	uint64_t gap = st->now_ns - c->last_data_rx_ns;

	/* after a pause the peer is in slow start again and wants its ACKs quickly */
	if (c->last_data_rx_ns && gap > c->rtt.rto_ns && !c->pingpong)
		c->quickacks = TCP_QUICKACKS;
	c->last_data_rx_ns = st->now_ns;
	measure_rcv_mss(c, in->s->len);
	tcp_rcvwin_rtt(st, c, in->s);
}

/* One packet, in order, header off, cut to what is new. False: no room. */
static bool deliver(struct in *in, uint32_t frame, uint32_t len)
{
	struct tcp_conn *c = in->c;

	if (!rcvbuf_push(in->st, &c->rcv, frame, len))
		return false;
	c->rcv_nxt = seq_add(c->rcv_nxt, len);
	c->bytes_received += len;
	in->raise |= RDY_IN;
	in->data_taken = true;
	return true;
}

static void deliver_reassembled(struct in *in)
{
	struct tcp_conn *c = in->c;
	bool ends = c->fin_seen || (in->s->flags & TH_FIN);
	struct seq end = c->fin_seen ? c->fin_seq : seq_add(in->s->seq, in->s->len);
	struct rx_pkt p;

	while ((p.frame = reass_pop(in->st, &c->reass, c->rcv_nxt, &p.len)) != FRAME_NONE) {
		/* Nothing lies behind a FIN, whatever came before it did. */
		if (ends && seq_eq(c->rcv_nxt, end)) {
			frame_put_chain(&in->st->frames, p.frame);
			return;
		}
		if (ends && seq_lt(c->rcv_nxt, end) && seq_gt(seq_add(c->rcv_nxt, p.len), end))
			rx_trim(in->st, &p, (uint32_t)seq_diff(end, c->rcv_nxt));
		if (!deliver(in, p.frame, p.len)) {
			/* we SACKed it and cannot hold it: the peer will see (RFC 2018 8) */
			frame_put_chain(&in->st->frames, p.frame);
			COUNT(in->st, drop_tcp_rcvbuf);
			reass_free(in->st, &c->reass);
			return;
		}
	}
}

/* Data beyond rcv_nxt: a hole, told at once (RFC 5681 4.2). */
static enum step data_ahead(struct in *in)
{
	struct tcp_conn *c = in->c;
	struct tcp_seg *s = in->s;
	struct sack_block dup;
	enum stat_id r;

	in->ack_now = true;
	c->rcv_ooopack++;
	c->quickacks = TCP_QUICKACKS;
	if (unlikely(frames_scarce(&in->st->frames)))
		tcp_reass_prune(in->st);
	r = reass_insert(in->st, &c->reass, s->p, s->seq, &dup);
	if (list_empty(&c->reass_node))
		tcp_reass_progress(in->st, c);
	if (c->sack_ok && !seq_eq(dup.start, dup.end))
		c->dsack = dup;
	if (r != STAT_rx_packets)
		in->verdict = r;
	return STEP_ON;
}

/* Takes off what was received before. False: nothing is left. */
static bool data_cut_old(struct in *in)
{
	struct tcp_conn *c = in->c;
	struct tcp_seg *s = in->s;
	uint32_t n = (uint32_t)seq_diff(c->rcv_nxt, s->seq);

	if (c->sack_ok)
		c->dsack = (struct sack_block){s->seq, seq_add(s->seq, n < s->len ? n : s->len)};
	in->ack_now = true;
	if (n >= s->len) {
		in->verdict = STAT_drop_tcp_dup;
		if (n > s->len) /* as old as its data: not the next number */
			s->flags &= (uint8_t)~TH_FIN;
		s->seq = c->rcv_nxt;
		s->len = 0;
		return false;
	}
	rx_pull(in->st, s->p, n);
	s->seq = c->rcv_nxt;
	s->len -= n;
	return true;
}

/*
 * In order, but running over what was received ahead of its time: those bytes came first and stay;
 * what lies before and between them is delivered. What nothing is in the way of is left in s, and
 * may be nothing. False: no room.
 */
static bool data_weave(struct in *in)
{
	struct tcp_conn *c = in->c;
	struct tcp_seg *s = in->s;

	while (!reass_empty(&c->reass) && seq_lt(reass_first(&c->reass), seq_add(s->seq, s->len))) {
		uint32_t n = (uint32_t)seq_diff(reass_first(&c->reass), s->seq), known;
		uint32_t head = reass_split(in->st, s->p, n);

		if (head == FRAME_NONE) { /* what is cut off comes again */
			s->len = n;
			s->flags &= (uint8_t)~TH_FIN;
			rx_trim(in->st, s->p, n);
			return true;
		}
		if (!deliver(in, head, n)) {
			frame_put_chain(&in->st->frames, head);
			return false;
		}
		deliver_reassembled(in);
		known = (uint32_t)seq_diff(c->rcv_nxt, s->seq);
		if (known > s->len)
			known = s->len;
		s->seq = seq_add(s->seq, known);
		s->len -= known;
		if (s->len > 0)
			rx_pull(in->st, s->p, known);
	}
	return true;
}

static enum step data_in_order(struct in *in)
{
	struct tcp_conn *c = in->c;
	struct tcp_seg *s = in->s;

	if (unlikely(!reass_empty(&c->reass)))
		in->ack_now = true; /* a hole is filled */
	/* The window was offered, but who fills it with tiny segments gets no more than this. */
	if (c->rcv.len > c->rcv_limit || !data_weave(in) ||
	    (s->len > 0 && !deliver(in, s->p->frame, s->len))) {
		in->ack_now = true;
		s->flags &= (uint8_t)~TH_FIN;
		return drop(in, STAT_drop_tcp_rcvbuf);
	}
	if (s->len > 0)
		s->p->frame = FRAME_NONE;
	deliver_reassembled(in);
	if (unlikely(!list_empty(&c->reass_node)))
		tcp_reass_progress(in->st, c);
	return STEP_ON;
}

static enum step do_data(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;
	struct tcp_seg *s = in->s;
	struct seq edge = seq_add(c->rcv_nxt, rcv_wnd(c));

	if (s->len == 0)
		return STEP_ON;
	/* RFC 2525 2.17, RFC 9293 3.6.1: nobody will ever read it */
	if (c->shut_rd && tcp_state_in(c, TCPS_BIT(TCPS_FIN_WAIT1) | TCPS_BIT(TCPS_FIN_WAIT2)) &&
	    seq_gt(seq_add(s->seq, s->len), c->rcv_nxt)) {
		in->verdict = STAT_drop_tcp_no_data;
		return tcp_conn_abort(st, c, ECONNRESET) ? STEP_FREED : STEP_DONE;
	}
	if (!tcp_state_in(c, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_FIN_WAIT1) |
				     TCPS_BIT(TCPS_FIN_WAIT2))) {
		/* all before the peer's FIN is here: it has not seen our ACK */
		in->ack_now = seq_lt(s->seq, c->rcv_nxt);
		return drop(in, STAT_drop_tcp_no_data);
	}
	c->data_segs_in++;
	if (seq_gt(seq_add(s->seq, s->len), c->rcv_nxt) && tcp_ecn_data(st, c, s))
		in->ack_now = true;
	data_event(in);
	tcp_seg_pull(st, s);
	if (seq_gt(seq_add(s->seq, s->len), edge)) {
		/* beyond the window: cut; a FIN behind it has not arrived either */
		s->len = (uint32_t)seq_diff(edge, s->seq);
		s->flags &= (uint8_t)~TH_FIN;
		in->ack_now = true;
		if ((int32_t)s->len <= 0)
			return drop(in, STAT_drop_tcp_window);
		rx_trim(st, s->p, s->len);
	}
	if (unlikely(stamp_wanted(&c->o)) && seq_gt(seq_add(s->seq, s->len), c->rcv_nxt))
		stamp_came(st, c, s->seq, s->len);
	if (urgent_data(st, c, s))
		in->raise |= RDY_PRI | RDY_IN;
	if (seq_gt(s->seq, c->rcv_nxt))
		return data_ahead(in);
	if (seq_lt(s->seq, c->rcv_nxt) && !data_cut_old(in))
		return STEP_ON;
	return data_in_order(in);
}

/* ---- eighth: FIN ---------------------------------------------------------------------------- */

static enum step do_fin(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;

	if ((in->s->flags & TH_FIN) && c->fin_rcvd)
		in->ack_now = true; /* sent again: our ACK was lost (RFC 9293 3.10.7.4) */
	else if (in->s->flags & TH_FIN) {
		c->fin_seq = seq_add(in->s->seq, in->s->len);
		c->fin_seen = true;
	}
	if (!c->fin_seen || c->fin_rcvd || !seq_eq(c->fin_seq, c->rcv_nxt)) {
		/* RFC 5681 4.2: out of order, so the peer is told at once where the hole begins */
		if (in->s->flags & TH_FIN)
			in->ack_now = true;
		return STEP_ON;
	}
	if (tcp_state_in(c, TCPS_BIT(TCPS_CLOSE_WAIT) | TCPS_BIT(TCPS_LAST_ACK) |
				    TCPS_BIT(TCPS_CLOSING)))
		return STEP_ON;
	c->rcv_nxt = seq_add(c->rcv_nxt, 1);
	c->bytes_received++; /* as Linux counts */
	if (seq_lt(c->rcv_adv, c->rcv_nxt))
		c->rcv_adv = c->rcv_nxt;
	c->fin_rcvd = true;
	c->shut_rd = true;
	in->raise |= RDY_IN | RDY_RDHUP | RDY_HUP;
	reass_free(st, &c->reass);
	switch (c->state) {
	case TCPS_ESTABLISHED:
		tcp_state_set(st, c, TCPS_CLOSE_WAIT);
		c->pingpong = true; /* as Linux: our FIN may follow at once and carry the ACK */
		tcp_ack_owe(st, c, in->ack_now ? ACK_BATCH : ACK_TURN);
		return STEP_ON;
	case TCPS_FIN_WAIT1:
		tcp_send_ack(st, c);
		tcp_state_set(st, c, TCPS_CLOSING);
		return STEP_ON;
	case TCPS_FIN_WAIT2:
		tcp_send_ack(st, c);
		in->verdict = STAT_rx_packets;
		return tcp_tw_start(st, c) ? STEP_FREED : STEP_DONE;
	}
	return STEP_ON;
}

/* ---- SYN-SENT (RFC 9293 3.10.7.3) ----------------------------------------------------------- */

/* What the peer's SYN said. */
static void take_syn(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;
	const struct tcp_opts *o = &in->s->opt;

	c->irs = in->s->seq;
	c->rcv_nxt = c->rcv_acked = c->copied = c->drs_seq = c->rcv_rtt_seq = seq_add(c->irs, 1);
	c->rcv_adv = seq_add(c->rcv_nxt, c->rcv_adv.v); /* what our SYN offered */
	c->mss_clamp = o->mss ? o->mss : tcp_mss_fallback(&c->sk.remote.addr);
	c->wscale_ok = c->wscale_ok && o->has_wscale;
	c->snd_wscale = c->wscale_ok ? o->wscale : 0;
	if (!c->wscale_ok)
		c->rcv_wscale = 0;
	c->ts_ok = c->ts_ok && o->has_ts;
	c->sack_ok = c->sack_ok && o->sack_ok;
	tcp_ecn_take_syn(st, c, in->s);
	c->rec.sack = c->sack_ok;
	if (c->ts_ok) {
		c->ts_recent = o->tsval;
		c->ts_recent_ns = st->now_ns;
	}
	c->snd_wnd = c->snd_wnd_max = in->s->wnd;
	c->snd_wl1 = in->s->seq;
	tcp_mss_sync(st, c);
	if (c->rcv_mss > c->mss)
		c->rcv_mss = c->mss;
}

static enum step syn_sent(struct in *in)
{
	struct stack *st = in->st;
	struct tcp_conn *c = in->c;
	struct tcp_seg *s = in->s;

	if ((s->flags & TH_ACK) && (seq_leq(s->ack, c->iss) || seq_gt(s->ack, c->sent.nxt))) {
		tcp_answer_rst(st, s);
		return drop(in, STAT_drop_tcp_ack);
	}
	if (s->flags & TH_RST) {
		if (!(s->flags & TH_ACK))
			return drop(in, STAT_drop_tcp_rst);
		COUNT(st, tcp_conn_failed);
		in->verdict = STAT_rx_packets;
		return tcp_conn_done(st, c, ECONNREFUSED) ? STEP_FREED : STEP_DONE;
	}
	if (!(s->flags & TH_SYN))
		return drop(in, STAT_drop_tcp_flags);
	if (c->fo_flags & FO_DEFERRED) {
		/* nobody can know of it yet: as if there were no connection */
		tcp_answer_rst(st, s);
		return drop(in, STAT_drop_tcp_syn);
	}
	take_syn(in);
	s->seq = seq_add(s->seq, 1);
	s->flags &= (uint8_t) ~(TH_SYN | TH_ECE | TH_CWR); /* a SYN-ACK's ECE is no echo */
	if (!(s->flags & TH_ACK)) {
		/* simultaneous open: our SYN again, with an ACK for theirs */
		tcp_state_set(st, c, TCPS_SYN_RCVD);
		tcp_send_empty(st, c, c->iss, TH_SYN | TH_ACK);
		return drop(in, STAT_rx_packets);
	}
	tcp_state_set(st, c, TCPS_ESTABLISHED);
	s->wnd >>= c->snd_wscale; /* a SYN's window is never scaled: undo what comes */
	process_ack(in);
	c->snd_wnd = c->snd_wnd_max;
	fastopen_synack(st, c, s);
	tcp_established(st, c);
	if (c->fin_queued)
		tcp_state_set(st, c, TCPS_FIN_WAIT1);
	in->raise |= RDY_OUT;
	if (s->len == 0 && !(s->flags & TH_FIN)) {
		if (c->snd.len == 0)
			tcp_send_ack(st, c);
		else
			tcp_ack_owe(st, c, ACK_BATCH); /* the SYN's data, again, takes it along */
		return drop(in, STAT_rx_packets);
	}
	in->ack_now = true;
	return STEP_ON;
}

void tcp_input_syn_data(struct stack *st, struct tcp_conn *c, struct tcp_seg *s)
{
	struct in in = {.st = st, .c = c, .s = s, .verdict = STAT_rx_packets};

	c->segs_in++;
	c->fo_flags |= FO_DATA_COUNTED;
	if (s->len == 0)
		return;
	tcp_seg_pull(st, s);
	measure_rcv_mss(c, s->len);
	c->last_data_rx_ns = st->now_ns;
	if (stamp_wanted(&c->o))
		stamp_came(st, c, s->seq, s->len);
	if (!deliver(&in, s->p->frame, s->len))
		return; /* not acknowledged: it comes again */
	s->p->frame = FRAME_NONE;
	c->data_segs_in++;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
}

/* ---- the way -------------------------------------------------------------------------------- */

static enum step steps(struct in *in)
{
	struct tcp_conn *c = in->c;
	enum step r;

	if (c->state == TCPS_SYN_SENT) {
		r = syn_sent(in);
		if (r != STEP_ON)
			return r;
	} else {
		if (c->state == TCPS_SYN_RCVD && syn_again(in))
			return STEP_DONE;
		r = check_seq(in);
		if (r == STEP_ON)
			r = check_rst(in);
		if (r == STEP_ON)
			r = check_syn(in);
		if (r == STEP_ON)
			r = do_ack(in);
		if (r != STEP_ON)
			return r;
		ts_recent_take(in->st, c, in->s);
	}
	urgent_pointer(in->st, c, in->s);
	r = do_data(in);
	return r == STEP_ON ? do_fin(in) : r;
}

enum stat_id tcp_input(struct stack *st, struct tcp_conn *c, struct tcp_seg *s)
{
	struct in in = {.st = st, .c = c, .s = s, .verdict = STAT_rx_packets};

	c->segs_in++;
	c->last_rx_ns = st->now_ns;
	if (steps(&in) == STEP_FREED)
		return in.verdict;
	if (c->state == TCPS_CLOSED)
		return in.verdict;
	if (!c->out_blocked)
		tcp_output(st, c, 0);
	if (in.ack_now || in.data_taken)
		ack_policy(&in);
	tcp_ready(st, c, in.raise);
	return in.verdict;
}
