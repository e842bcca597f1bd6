/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Explicit congestion notification, RFC 3168 in its classic meaning: whether a connection has it,
 * what its segments say, and when an echoed mark counts. How much the window falls is congestion
 * control's; which packets carry ECT(0) is output's: data sent for the first time, and nothing else
 * (6.1.4, 6.1.5, 6.1.6: no pure ACK, nothing sent again, no window probe).
 *
 * As receiver a mark is echoed on every ACK until the peer says CWR (6.1.3). A peer that counts
 * marks (DCTCP, RFC 8257) hears more of them than there were, and slows down more than it had to:
 * safe, and all that can be promised without AccECN, which is not offered. As sender we answer as
 * to a loss, once in a window of data, whatever the marks mean to the switch that set them.
 */
#include "tcp.h"

#define ECN_MASK 3u
#define ECN_CE 3u

void tcp_ecn_connect(const struct stack *st, struct tcp_conn *c)
{
	uint8_t v = st->cfg.tcp_ecn;

	/* 3 and 4 ask for AccECN or classic; who offers only that gets it */
	if (v == 1 || v == 3 || v == 4)
		c->ecn = TCP_ECN_ASK | TCP_ECN_ASKED;
}

void tcp_ecn_syn_lost(const struct stack *st, struct tcp_conn *c)
{
	/* 6.1.1.1: there are paths that drop such SYNs. What answers the first may still agree. */
	if (st->cfg.tcp_ecn_fallback)
		c->ecn &= (uint8_t)~TCP_ECN_ASK;
}

bool tcp_ecn_syn_ok(const struct stack *st, const struct tcp_seg *s)
{
	uint8_t both = TH_ECE | TH_CWR;

	/* as Linux: a SYN that is itself ECN-capable comes from where the field is rewritten */
	return st->cfg.tcp_ecn && (s->flags & both) == both && (s->p->tos & ECN_MASK) == 0;
}

void tcp_ecn_take_syn(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s)
{
	uint8_t both = TH_ECE | TH_CWR, want = s->flags & TH_ACK ? TH_ECE : both;

	/* both in a SYN-ACK is our own SYN, reflected (6.1.1) */
	if ((c->ecn & TCP_ECN_ASKED) && (s->flags & both) == want) {
		c->ecn |= TCP_ECN_OK;
		COUNT(st, tcp_ecn_conns);
	}
}

uint8_t tcp_ecn_flags(const struct tcp_conn *c, uint8_t flags, bool fresh)
{
	uint8_t r = 0;

	if ((flags & (TH_SYN | TH_ACK)) == TH_SYN)
		return c->ecn & TCP_ECN_ASK ? TH_ECE | TH_CWR : 0;
	if (!(c->ecn & TCP_ECN_OK) || (flags & TH_RST))
		return 0;
	if (flags & TH_SYN)
		return TH_ECE;
	if (c->ecn & TCP_ECN_ECHO)
		r |= TH_ECE;
	if (fresh && (c->ecn & TCP_ECN_CWR))
		r |= TH_CWR;
	return r;
}

bool tcp_ecn_data(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s)
{
	uint8_t ecn = s->p->tos & ECN_MASK;
	bool now = false;

	if (!(c->ecn & TCP_ECN_OK))
		return false;
	if (s->flags & TH_CWR) {
		c->ecn &= (uint8_t)~TCP_ECN_ECHO;
		now = true; /* the next ACK tells whether all is well again */
	}
	if (ecn)
		c->ecn |= TCP_ECN_SEEN;
	if (ecn == ECN_CE) {
		COUNT(st, tcp_ecn_marks);
		now = now || !(c->ecn & TCP_ECN_ECHO);
		c->ecn |= TCP_ECN_ECHO;
		c->quickacks = TCP_QUICKACKS; /* the peer's window may be down to one segment */
	}
	return now;
}

void tcp_ecn_reduced(struct tcp_conn *c)
{
	if (!(c->ecn & TCP_ECN_OK))
		return;
	c->ecn |= TCP_ECN_CWR | TCP_ECN_HELD;
	c->ecn_point = c->sent.nxt;
}

void tcp_ecn_react(struct stack *st, struct tcp_conn *c, uint32_t flight_bytes)
{
	/* While repairs go on the window has been reduced for what is outstanding. */
	if ((c->ecn & TCP_ECN_HELD) || c->rec.state != RECOVERY_OPEN)
		return;
	COUNT(st, tcp_ecn_reductions);
	cc_cong_signal(&c->cc, CC_SIGNAL_ECN, flight_bytes, st->now_ns);
	recovery_undo_forget(&c->rec);
	tcp_ecn_reduced(c);
}
