/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the connection and congestion control: what an ACK and an end of output mean for cc.h,
 * for pacing, for the validation of cwnd, and for what TCP_INFO says of it. Decides nothing of its
 * own: cc.h, pace.h and cwv.h do.
 */
#include "tcp.h"

void tcp_pace_rate(struct stack *st, struct tcp_conn *c)
{
	uint64_t rate = cc_pacing_rate(&c->cc);

	if (!cc_paces(&c->cc))
		rate = pace_from_window(c->cc.cwnd, c->cc.ssthresh, sent_out_bytes(&c->sent),
					c->rtt.srtt_ns);
	c->pace.on = cc_paces(&c->cc) || c->o.max_pacing_rate != PACE_UNLIMITED;
	pace_path(&c->pace, c->rtt.min_ns);
	if (rate < c->o.max_pacing_rate)
		pace_rate(&c->pace, rate, false, st->now_ns);
	else
		pace_rate(&c->pace, c->o.max_pacing_rate, true, st->now_ns);
}

void tcp_control_init(struct stack *st, struct tcp_conn *c)
{
	pace_init(&c->pace);
	tcp_pace_rate(st, c);
}

void tcp_control_ack(struct stack *st, struct tcp_conn *c, const struct recovery_out *out)
{
	struct sent_loss lost = sent_loss_take(&c->sent);
	struct rate_sample rs;
	struct cc_ack a = {
		.acked_bytes = out->cc_ack ? out->ack.acked_bytes : 0,
		.flight_bytes = out->prior_pipe_bytes,
		.in_loss = c->rec.state == RECOVERY_LOSS,
		.paced = pace_active(&c->pace),
		.srtt_ns = c->rtt.srtt_ns,
		.rtt_ns = out->rtt_taken ? c->rtt.latest_ns : 0,
		.una = c->sent.una,
		.nxt = c->sent.nxt,
		.in_recovery = c->rec.state != RECOVERY_OPEN,
		/* a SYN is no data: the first window is the initial one */
		.delivered_bytes =
			out->ack.delivered_bytes - (out->ack.syn && out->ack.delivered_bytes),
		.lost_bytes = out->newly_lost_bytes,
		.in_flight_bytes = recovery_pipe(&c->rec, &c->sent),
		.delivered = c->sent.delivered,
		.rate = &rs,
	};

	rate_take(&c->rate, &c->sent, &out->ack, c->rtt.min_ns, &rs);
	a.cwnd_limited = cwv_limited(&c->cwv, c->cc.cwnd, cc_in_slow_start(&c->cc));
	if (lost.bytes)
		cc_lost(&c->cc, &lost, st->now_ns);
	cc_ack_received(&c->cc, &a, st->now_ns);
	tcp_pace_rate(st, c);
}

/* What the connection waits for now. */
static enum chrono_what waits_for(const struct tcp_conn *c, uint32_t unsent)
{
	int32_t wnd = seq_diff(seq_add(c->sent.una, c->snd_wnd), c->sent.nxt);

	if (unsent == 0 && sent_empty(&c->sent))
		return CHRONO_IDLE;
	if (c->out_limited || c->out_blocked)
		return CHRONO_BUSY;
	if (unsent > 0 && wnd < (int32_t)(unsent < c->mss ? unsent : c->mss))
		return CHRONO_RWND;
	if (unsent == 0 && c->nospace)
		return CHRONO_SNDBUF;
	return CHRONO_BUSY;
}

void tcp_control_output(struct stack *st, struct tcp_conn *c, bool sent)
{
	int32_t n = seq_diff(sndbuf_end(&c->snd), c->sent.nxt);
	uint32_t unsent = n > 0 ? (uint32_t)n : 0, unused;
	uint32_t pipe = recovery_pipe(&c->rec, &c->sent);
	bool full = c->out_limited || pipe >= c->cc.cwnd;

	c->pace.waits = c->pace.holds;
	chrono_set(&c->chrono, waits_for(c, unsent), st->now_ns);
	if (tcp_state_in(c, TCPS_SYNCED) && unsent < c->mss && !full && !c->out_blocked &&
	    !c->pace.holds && list_empty(&c->sent.lost))
		sent_app_limited(&c->sent);
	if (!sent && !full)
		return;
	cwv_output(&c->cwv, c->sent.una, c->sent.nxt, sent_out_bytes(&c->sent), full, c->rtt.rto_ns,
		   st->now_ns);
	unused = cwv_unused(&c->cwv, st->now_ns);
	if (unused && st->cfg.tcp_slow_start_after_idle && c->rec.state == RECOVERY_OPEN &&
	    !c->nospace)
		cc_unused(&c->cc, unused);
}
