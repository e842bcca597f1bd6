/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time stamps of a connection. Decides which byte's time is told, and queues what is told of bytes
 * sent (errq.c); when and how it is shown is the embedder's. The times are those at which the stack
 * takes a packet in and hands one out.
 *
 * Documentation/networking/timestamping.rst of Linux, 1.3 and 1.4.
 */
#include "stamp.h"

#include <errno.h>
#include <linux/net_tstamp.h>

#include "tcp.h"

/* What Linux puts into one buffer, in whole segments: of the writes that end in it the last one is
 * told of. */
#define CHUNK_BYTES 65215u

/* The values of SCM_TSTAMP_*. */
enum { TOLD_SENT, TOLD_QUEUED, TOLD_ACKED };

/* ---- in ------------------------------------------------------------------------------------- */

bool stamp_wanted(const struct sock_opts *o)
{
	return (o->stamp & STAMP_ON) || (o->stamping & SOF_TIMESTAMPING_RX_SOFTWARE);
}

void stamp_came(struct stack *st, struct tcp_conn *c, struct seq seq, uint32_t len)
{
	struct rx_stamps *r = c->stamps.rx;
	struct seq end = seq_add(seq, len);
	uint32_t i;

	if (!r) {
		r = c->stamps.rx = pool_get(&st->tcp->rx_stamps);
		if (!r)
			return;
		r->n = 0;
	}
	for (i = r->n; i > 0 && seq_gt(r->at[i - 1].end, end); i--)
		r->at[i] = r->at[i - 1];
	if (i > 0 && seq_eq(r->at[i - 1].end, end)) { /* it has come before */
		for (; i < r->n; i++)
			r->at[i] = r->at[i + 1];
		return;
	}
	r->at[i].end = end;
	r->at[i].ns = st->now_ns;
	if (r->n < STAMP_RX_MAX) {
		r->n++;
		return;
	}
	/* the newest two are one */
	if (r->at[STAMP_RX_MAX - 1].ns > r->at[STAMP_RX_MAX].ns)
		r->at[STAMP_RX_MAX].ns = r->at[STAMP_RX_MAX - 1].ns;
	r->at[STAMP_RX_MAX - 1] = r->at[STAMP_RX_MAX];
}

void stamp_read(struct tcp_conn *c, struct seq upto, bool peek)
{
	struct rx_stamps *r = c->stamps.rx;
	uint32_t i = 0, gone;

	while (i < r->n && seq_lt(r->at[i].end, upto))
		i++;
	if (i < r->n)
		c->stamps.read_ns = r->at[i].ns;
	if (peek)
		return;
	gone = i < r->n && seq_eq(r->at[i].end, upto) ? i + 1 : i;
	for (i = gone; i < r->n; i++)
		r->at[i - gone] = r->at[i];
	r->n -= gone;
}

bool stack_recv_notes(const struct sock *sk, struct recv_notes *n)
{
	const struct tcp_conn *c = tcp_conn_of(sk);

	if (likely(sk->type != STK_TCP || !(c->o.inq || c->o.stamp || c->o.stamping)))
		return false;
	*n = (struct recv_notes){
		.stamp = c->o.stamp,
		.stamping = c->o.stamping,
		.ns = c->stamps.read_ns,
		.inq = c->o.inq,
		.unread = c->rcv.len + (c->fin_rcvd ? 1 : 0),
	};
	return true;
}

/* ---- out ------------------------------------------------------------------------------------ */

/* What of SO_TIMESTAMPING, or of a message's own flags, is done for what is sent. */
static uint8_t tx_what(uint32_t flags)
{
	return (flags & SOF_TIMESTAMPING_TX_SOFTWARE ? STAMP_SENT : 0) |
	       (flags & SOF_TIMESTAMPING_TX_SCHED ? STAMP_QUEUED : 0) |
	       (flags & SOF_TIMESTAMPING_TX_ACK ? STAMP_ACKED : 0);
}

/* t is not on its way yet, and the byte key would lie in the same buffer. */
static bool same_chunk(struct tcp_conn *c, const struct tx_stamp *t, struct seq key)
{
	uint32_t ahead, bytes = CHUNK_BYTES / c->mss * c->mss;

	if (!t || t->eor || seq_lt(t->key, c->sent.nxt)) {
		c->stamps.chunk = t && t->eor ? seq_add(t->key, 1) : c->sent.nxt;
		t = NULL;
	}
	if (seq_lt(c->stamps.chunk, c->sent.nxt)) /* the rest of it has room again */
		c->stamps.chunk = c->sent.nxt;
	ahead = (uint32_t)seq_diff(key, c->stamps.chunk);
	if (ahead < bytes)
		return t != NULL;
	c->stamps.chunk = seq_add(c->stamps.chunk, ahead / bytes * bytes);
	return false;
}

void stamp_written(struct stack *st, struct tcp_conn *c, unsigned flags)
{
	uint8_t what = flags & SEND_STAMP_OWN ? (flags >> SEND_STAMP_SHIFT) & STAMP_ALL
					      : tx_what(c->o.stamping);
	struct seq key = seq_sub(sndbuf_end(&c->snd), 1);
	struct tx_stamp *t;

	if (!what)
		return;
	t = list_empty(&c->stamps.tx) ? NULL : list_entry(c->stamps.tx.prev, struct tx_stamp, node);
	if (!same_chunk(c, t, key)) {
		t = pool_get(&st->tcp->tx_stamps);
		if (!t)
			return;
		t->what = 0;
		t->tx_ns = 0;
		list_init(&t->node);
		list_push_back(&c->stamps.tx, &t->node);
	}
	t->key = key;
	t->what |= what;
	t->eor = flags & SEND_EOR;
}

/* Of the send buffer, into an entry's data. */
static bool append_sent(struct stack *st, struct tcp_conn *c, struct sock_err *e, struct seq seq,
			uint32_t len)
{
	uint8_t buf[512];

	while (len > 0) {
		uint32_t n = len < sizeof(buf) ? len : sizeof(buf);

		sndbuf_copy(sndbuf_find(&c->snd, seq), buf, n);
		if (!sock_err_append(st, &c->sk, e, buf, n))
			return false;
		seq = seq_add(seq, n);
		len -= n;
	}
	return true;
}

/* Tells of t's byte. Unless SOF_TIMESTAMPING_OPT_TSONLY, with the segment: the frame of ent, if
 * any, and len bytes of the send buffer from seq on. With it, with what at says, if anything. */
static void tell(struct stack *st, struct tcp_conn *c, const struct tx_stamp *t, uint32_t info,
		 const struct tx_ent *ent, struct seq seq, uint32_t len,
		 const struct opt_stats_at *at)
{
	bool data = !(c->o.stamping & SOF_TIMESTAMPING_OPT_TSONLY);
	bool stats = !data && c->o.stamping & SOF_TIMESTAMPING_OPT_STATS;
	uint8_t buf[OPT_STATS_MAX];
	struct sock_err n = {
		.err = ENOMSG,
		.origin = SOCK_ERR_STAMP,
		.info = info,
		.data = c->o.stamping & SOF_TIMESTAMPING_OPT_ID
				? (uint32_t)seq_diff(t->key, c->stamps.key0)
				: 0,
		/* as of Linux: on an AF_INET6 socket unasked */
		.has_offender =
			data && ent && (c->o.v6 || c->o.stamping & SOF_TIMESTAMPING_OPT_CMSG),
		.offender = c->sk.local.addr,
		.ns = st->now_ns,
		.stats = stats,
	};
	uint32_t bytes = data    ? len + (ent ? ent->len : 0)
			 : stats ? tcp_opt_stats(st, c, at, buf)
				 : 0;
	struct sock_err *e = sock_err_push(st, &c->sk, &n, bytes, c->rcv_limit);

	if (e && stats)
		sock_err_append(st, &c->sk, e, buf, bytes);
	if (!e || !data)
		return;
	if (ent && !sock_err_append(st, &c->sk, e, frame_data(&st->frames, ent->frame), ent->len))
		return;
	append_sent(st, c, e, seq, len);
}

/* The first mark at seq or later, or the list's head. What is new lies at the end of the list, what
 * is sent again most often at the beginning. */
static struct list *stamp_from(struct tcp_conn *c, struct seq seq, struct seq end)
{
	struct list *head = &c->stamps.tx, *pos = head->next;

	if (seq_geq(end, c->sent.nxt)) {
		for (pos = head; pos->prev != head; pos = pos->prev)
			if (seq_lt(list_entry(pos->prev, struct tx_stamp, node)->key, seq))
				break;
		return pos;
	}
	while (pos != head && seq_lt(list_entry(pos, struct tx_stamp, node)->key, seq))
		pos = pos->next;
	return pos;
}

void stamp_sent(struct stack *st, struct tcp_conn *c, struct seq seq, uint32_t len,
		const struct tx_ent *ent)
{
	uint32_t beside = ent->flags & TXF_GSO ? len : 0; /* not in the frame */
	struct seq end = seq_add(seq, len);
	struct opt_stats_at at = {
		.tx_ns = st->now_ns, .len = len, .again = seq_lt(seq, c->sent.nxt)};

	for (struct list *pos = stamp_from(c, seq, end); pos != &c->stamps.tx; pos = pos->next) {
		struct tx_stamp *t = list_entry(pos, struct tx_stamp, node);

		if (seq_geq(t->key, end))
			break;
		if (t->what & STAMP_QUEUED)
			tell(st, c, t, TOLD_QUEUED, ent, seq, beside, &at);
		if (t->what & STAMP_SENT)
			tell(st, c, t, TOLD_SENT, ent, seq, beside, &at);
		t->tx_ns = st->now_ns;
	}
}

void stamp_acked(struct stack *st, struct tcp_conn *c, uint8_t ttl)
{
	struct opt_stats_at at = {.acked = true, .ttl = ttl};
	struct seq from = c->snd.una;

	while (!list_empty(&c->stamps.tx)) {
		struct tx_stamp *t = list_first(&c->stamps.tx, struct tx_stamp, node);

		if (seq_geq(t->key, c->sent.una))
			return;
		at.tx_ns = t->tx_ns;
		if (t->what & STAMP_ACKED)
			tell(st, c, t, TOLD_ACKED, NULL, from, (uint32_t)seq_diff(t->key, from) + 1,
			     &at);
		from = seq_add(t->key, 1);
		list_del(&t->node);
		pool_put(&st->tcp->tx_stamps, t);
	}
}

void stamps_end_tx(struct stack *st, struct tcp_conn *c)
{
	while (!list_empty(&c->stamps.tx)) {
		struct tx_stamp *t = list_first(&c->stamps.tx, struct tx_stamp, node);

		list_del(&t->node);
		pool_put(&st->tcp->tx_stamps, t);
	}
}

void stamps_end_rx(struct stack *st, struct tcp_conn *c)
{
	if (c->stamps.rx)
		pool_put(&st->tcp->rx_stamps, c->stamps.rx);
	c->stamps.rx = NULL;
}
