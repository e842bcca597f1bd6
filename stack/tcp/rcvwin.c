/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receive window: how much the peer may send. It follows the free space of the receive buffer,
 * which grows with what the application reads in a round trip (dynamic right-sizing), up to
 * tcp_rmem[2]. The right edge must never move back (RFC 9293 3.8.6), and moves on only by amounts
 * worth telling (3.8.6.2.2, receiver SWS avoidance). RFC 7323 2 (scaling).
 */
#include "tcp.h"

#define RCVWIN_FIELD_MAX 65535u

uint32_t tcp_rcvwin_from_space(const struct stack *st, uint32_t space)
{
	int32_t scale = (int32_t)st->cfg.tcp_adv_win_scale;

	if (scale > 31 || scale < -31)
		scale = 1;
	if (scale <= 0)
		return space >> -scale;
	return space - (space >> scale);
}

static uint32_t space_for(const struct stack *st, uint64_t win)
{
	uint64_t space = win * 2;

	/* the inverse of the above for its usual values; for others it only errs on the large side
	 */
	if ((int32_t)st->cfg.tcp_adv_win_scale > 1)
		space = win + win / 2;
	return space < st->cfg.tcp_rmem[2] ? (uint32_t)space : st->cfg.tcp_rmem[2];
}

uint8_t tcp_rcvwin_scale(const struct stack *st, const struct sock_opts *o)
{
	uint32_t space = o->rcvbuf ? o->rcvbuf : st->cfg.tcp_rmem[2];
	uint8_t scale = 0;

	if (!o->rcvbuf && space < st->cfg.rmem_max)
		space = st->cfg.rmem_max;
	while (space > RCVWIN_FIELD_MAX && scale < TCP_WSCALE_MAX) {
		space >>= 1;
		scale++;
	}
	return scale;
}

void tcp_rcvwin_init(struct stack *st, struct tcp_conn *c)
{
	c->rcv_locked = c->o.rcvbuf != 0;
	c->rcv_limit = c->o.rcvbuf ? c->o.rcvbuf : st->cfg.tcp_rmem[1];
	c->rcv_mss = TCP_MSS_FALLBACK;
	c->drs_space = CC_IW_SEGMENTS * TCP_MSS_FALLBACK; /* a sender's first window */
	c->drs_ns = c->rcv_rtt_start_ns = st->now_ns;
}

static uint32_t free_space(const struct stack *st, const struct tcp_conn *c)
{
	uint32_t space = tcp_rcvwin_from_space(st, c->rcv_limit);

	return space > c->rcv.len ? space - c->rcv.len : 0;
}

/* The most that the header's field can tell. */
static uint32_t field_max(const struct tcp_conn *c)
{
	return RCVWIN_FIELD_MAX << c->rcv_wscale;
}

uint32_t tcp_rcvwin_bytes(const struct stack *st, const struct tcp_conn *c)
{
	uint32_t space = tcp_rcvwin_from_space(st, c->rcv_limit), n = free_space(st, c);
	uint32_t mss = c->rcv_mss < space / 2 ? c->rcv_mss : space / 2;

	/* no silly offers: less than a segment or a sixteenth is none */
	if (n < mss || n < space / 16)
		return 0;
	if (unlikely(c->o.window_clamp) && n > c->o.window_clamp)
		n = c->o.window_clamp;
	return n < field_max(c) ? n : field_max(c);
}

uint16_t tcp_rcvwin_field(struct stack *st, struct tcp_conn *c, bool syn)
{
	uint32_t scale = syn ? 0 : c->rcv_wscale, unit = 1u << scale;
	uint32_t cur = (uint32_t)seq_diff(c->rcv_adv, c->rcv_nxt), n;

	if ((int32_t)cur < 0)
		cur = 0;
	n = tcp_rcvwin_bytes(st, c) & ~(unit - 1);
	if (n < cur) /* round up: the edge stays, or moves on by less than one unit */
		n = (cur + unit - 1) & ~(unit - 1);
	if (n > RCVWIN_FIELD_MAX << scale)
		n = RCVWIN_FIELD_MAX << scale;
	if (n > cur)
		c->rcv_adv = seq_add(c->rcv_nxt, n);
	return (uint16_t)(n >> scale);
}

/* RFC 7323 timestamps give it directly; else the time in which one window's worth comes in. */
void tcp_rcvwin_rtt(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s)
{
	uint64_t rtt;

	if (c->ts_ok && s->opt.tsecr && s->len >= c->rcv_mss) {
		int32_t ms = (int32_t)(tcp_ts_now(st, c->ts_off) - s->opt.tsecr);

		if (ms < 0)
			return;
		rtt = ms ? (uint64_t)ms * 1000000 : 500000;
	} else if (!c->ts_ok && seq_geq(c->rcv_nxt, c->rcv_rtt_seq)) {
		rtt = st->now_ns - c->rcv_rtt_start_ns;
		c->rcv_rtt_start_ns = st->now_ns;
		c->rcv_rtt_seq = seq_max(c->rcv_adv, seq_add(c->rcv_nxt, 1));
	} else {
		return;
	}
	/* the smallest counts: larger ones hold the sender's pauses */
	if (c->rcv_rtt_ns == 0 || rtt < c->rcv_rtt_ns)
		c->rcv_rtt_ns = rtt;
	else
		c->rcv_rtt_ns += (rtt - c->rcv_rtt_ns) / 8;
}

/* Once in a round trip: twice what was read in it should fit, so that the window never limits. */
static void tune(struct stack *st, struct tcp_conn *c)
{
	uint64_t rtt = c->rcv_rtt_ns ? c->rcv_rtt_ns : c->rtt.srtt_ns;
	uint32_t got;

	if (rtt == 0 || st->now_ns - c->drs_ns < rtt)
		return;
	got = (uint32_t)seq_diff(c->copied, c->drs_seq);
	if (got > c->drs_space) {
		uint64_t win = 2ull * got + 16ull * c->mss_adv;
		uint32_t space;

		/* the sender's window may double again before our offer arrives */
		win += win * (got - c->drs_space) / c->drs_space;
		/* what waits behind a hole fills the window but is no sign of a slow reader */
		win += reass_span(&c->reass, c->rcv_nxt);
		space = space_for(st, win);
		if (!c->rcv_locked && st->cfg.tcp_moderate_rcvbuf && space > c->rcv_limit)
			c->rcv_limit = space;
		c->drs_space = got;
	}
	c->drs_seq = c->copied;
	c->drs_ns = st->now_ns;
}

void tcp_rcvwin_read(struct stack *st, struct tcp_conn *c, uint32_t n)
{
	uint32_t cur, now, most;

	c->copied = seq_add(c->copied, n);
	if (!tcp_state_in(c, TCPS_SYNCED))
		return;
	tune(st, c);
	if (c->fin_rcvd)
		return;
	cur = (uint32_t)seq_diff(c->rcv_adv, c->rcv_nxt);
	if ((int32_t)cur < 0)
		cur = 0;
	/* An ACK is owed for more than a segment and the reader is done: the peer may be waiting.
	 */
	if (c->ack_wait == ACK_DELAYED && seq_diff(c->rcv_nxt, c->rcv_acked) > c->rcv_mss) {
		tcp_ack_owe(st, c, ACK_TURN);
		return;
	}
	/* The window is worth telling when it is at least twice what the peer knows of. */
	most = tcp_rcvwin_from_space(st, c->rcv_limit);
	if (cur > (most < field_max(c) ? most : field_max(c)) / 2)
		return;
	now = tcp_rcvwin_bytes(st, c);
	if (now > 0 && now >= 2 * cur)
		tcp_send_ack(st, c);
}
