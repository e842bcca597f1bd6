/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Urgent data with the semantics of Linux: the pointer names the urgent byte itself (as BSD read
 * RFC 793) unless tcp_stdurg is set; that byte is taken out of the stream unless SO_OOBINLINE; a
 * read stops at it. Decides where the mark is. Must never hold back a byte of the stream: with
 * pointers that lie ahead of everything, or behind, the stream is read as without them.
 *
 * RFC 9293 3.8.5; RFC 6093 (what everybody does).
 */
#include <errno.h>

#include "tcp.h"

/* ---- out ------------------------------------------------------------------------------------ */

void urgent_mark(struct tcp_conn *c)
{
	c->urgent.up = sndbuf_end(&c->snd);
	c->urgent.sending = true;
}

void urgent_acked(struct urgent *u, struct seq una)
{
	if (unlikely(u->sending) && seq_geq(una, u->up))
		u->sending = false;
}

uint16_t urgent_field(const struct tcp_conn *c, struct seq seq, uint8_t *flags)
{
	const struct urgent *u = &c->urgent;
	int32_t ahead = seq_diff(u->up, seq);

	if (likely(!u->sending) || ahead <= 0 || (*flags & (TH_SYN | TH_RST)))
		return 0;
	if (ahead > UINT16_MAX) {
		/* out of the field's reach: only worth saying when nothing nearer follows */
		if (seq_leq(seq_add(seq, UINT16_MAX), c->sent.nxt))
			return 0;
		ahead = UINT16_MAX;
	}
	*flags |= TH_URG;
	return (uint16_t)ahead;
}

/* ---- in ------------------------------------------------------------------------------------- */

/* The number of the byte that s says is urgent. */
static struct seq pointed_at(const struct stack *st, const struct tcp_seg *s)
{
	return seq_add(s->seq, s->urg - (s->urg && !st->cfg.tcp_stdurg));
}

void urgent_pointer(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s)
{
	struct urgent *u = &c->urgent;
	struct seq at;

	if (likely(!(s->flags & TH_URG)))
		return;
	/* RFC 9293 3.10.7.4: after the peer's FIN it should not occur, and is ignored */
	if (!tcp_state_in(c, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_FIN_WAIT1) |
				     TCPS_BIT(TCPS_FIN_WAIT2)))
		return;
	at = pointed_at(st, s);
	if (seq_lt(at, c->rcv_nxt) || (u->state != URGENT_NONE && seq_leq(at, u->at)))
		return; /* already seen, or no news */
	sock_ready(st, &c->sk, 0, 0, RDY_URG);
	/* The reader stands at the last urgent byte: without the mark it would read it as data */
	if (urgent_at_mark(c) && !c->o.oobinline && c->rcv.len > 0) {
		rcvbuf_drop(st, &c->rcv, 1);
		c->copied = seq_add(c->copied, 1);
	}
	u->at = at;
	u->state = URGENT_AHEAD;
	COUNT(st, tcp_urgent);
}

bool urgent_data(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s)
{
	struct urgent *u = &c->urgent;
	uint32_t off = (uint32_t)seq_diff(u->at, s->seq);

	if (likely(u->state != URGENT_AHEAD) || off >= s->len)
		return false;
	rx_copy(st, s->p, off, &u->byte, 1);
	u->state = URGENT_HERE;
	return true;
}

uint32_t urgent_readable(const struct tcp_conn *c, uint32_t *skip)
{
	const struct urgent *u = &c->urgent;
	uint32_t off;

	*skip = 0;
	if (likely(u->state == URGENT_NONE))
		return c->rcv.len;
	off = (uint32_t)seq_diff(u->at, c->copied);
	if (off > 0 && off < c->rcv.len)
		return off;
	if (off == 0 && c->rcv.len > 0)
		*skip = !c->o.oobinline;
	return c->rcv.len - *skip;
}

void urgent_read(struct tcp_conn *c)
{
	if (unlikely(c->urgent.state != URGENT_NONE) && seq_gt(c->copied, c->urgent.at))
		c->urgent.state = URGENT_NONE;
}

bool urgent_at_mark(const struct tcp_conn *c)
{
	return c->urgent.state != URGENT_NONE && seq_eq(c->urgent.at, c->copied);
}

int urgent_take(struct tcp_conn *c, uint8_t *byte, bool peek)
{
	struct urgent *u = &c->urgent;

	if (c->o.oobinline || u->state == URGENT_NONE || u->state == URGENT_TAKEN)
		return -EINVAL;
	if (c->state == TCPS_CLOSED && !c->fin_rcvd)
		return -ENOTCONN;
	if (u->state == URGENT_HERE) {
		*byte = u->byte;
		if (!peek)
			u->state = URGENT_TAKEN;
		return 1;
	}
	return c->state == TCPS_CLOSED || c->shut_rd ? 0 : -EAGAIN;
}
