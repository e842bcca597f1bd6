/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors for a connection. Anybody can send them: they count only when they quote a sequence
 * number that is in flight, end a connection only while it is being opened, and otherwise only
 * explain a timeout that comes later. "Fragmentation needed" and "packet too big" lower the MSS.
 *
 * RFC 5927 4-6; RFC 1191; RFC 8201; RFC 1122 4.2.3.9.
 */
#include <netinet/in.h>

#include "tcp.h"

static void frag_needed(struct stack *st, struct tcp_conn *c, uint32_t mtu)
{
	uint16_t mss = c->mss;

	uint8_t disc = tcp_pmtudisc(st, &c->o, &c->dst->addr);

	if ((disc == IP_PMTUDISC_DONT && ip_addr_is_v4(&c->dst->addr)) ||
	    disc >= IP_PMTUDISC_INTERFACE)
		return; /* whoever cannot take it whole fragments it, or nobody is believed */
	dst_pmtu_learn(st, c->dst, mtu, st->now_ns); /* unless another connection was told first */
	tcp_mss_sync(st, c);
	if (c->mss >= mss || !tcp_state_in(c, TCPS_SYNCED))
		return;
	/* what was sent larger is gone, though not by congestion: cwnd stays as it is */
	sent_all_lost(&c->sent);
	tcp_output(st, c, 0);
}

/* For IP_RECVERR: what the error says, and as much of the segment as it quotes. */
static void queue_error(struct stack *st, struct tcp_conn *c, const struct icmp_err *e)
{
	struct sock_err n = {
		.err = e->err,
		.origin = e->v6 ? SOCK_ERR_ICMP6 : SOCK_ERR_ICMP,
		.type = e->type,
		.code = e->code,
		.named = true,
		.has_offender = true,
		.info = e->info,
		.to = c->sk.remote,
		.offender = e->p->src,
		.ns = stamp_wanted(&c->o) ? st->now_ns : 0,
	};
	bool v4 = ip_addr_is_v4(&c->sk.remote.addr);
	uint32_t left = e->p->len - e->quoted_off, off = e->quoted_off;
	struct sock_err *q = sock_err_push(st, &c->sk, &n, left, c->rcv_limit);
	uint8_t buf[256];

	if (q && sock_kept_on(&c->o, v4 ? KEPT_RFC4884 : KEPT_RFC4884_6))
		q->data = icmp_rfc4884(st, e);
	while (q && left > 0) {
		uint32_t part = left < sizeof(buf) ? left : sizeof(buf);

		rx_copy(st, e->p, off, buf, part);
		if (!sock_err_append(st, &c->sk, q, buf, part))
			return;
		off += part;
		left -= part;
	}
}

static bool wants_errors(const struct tcp_conn *c)
{
	return sock_kept_on(&c->o,
			    ip_addr_is_v4(&c->sk.remote.addr) ? KEPT_RECVERR : KEPT_RECVERR6);
}

enum stat_id tcp_icmp(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
		      const uint8_t *l4, const struct icmp_err *e)
{
	struct tcp_conn *c = tcp_conn_find(st, local, remote);
	AT(st, c);
	struct seq seq;
	uint32_t be;

	if (!c)
		return STAT_drop_icmp;
	memcpy(&be, l4 + 4, sizeof(be));
	seq = seq_of(be32(be));
	if (seq_lt(seq, c->sent.una) || seq_geq(seq, c->sent.nxt) || e->err == 0)
		return STAT_drop_icmp;
	if (e->mtu != 0) {
		frag_needed(st, c, e->mtu);
		return STAT_icmp_errors;
	}
	if (c->state == TCPS_SYN_SENT) {
		/* over IPv4 unasked, as of Linux */
		if (wants_errors(c) || !e->v6)
			queue_error(st, c, e);
		COUNT(st, tcp_conn_failed);
		tcp_conn_done(st, c, e->err);
		return STAT_icmp_errors;
	}
	if (wants_errors(c)) { /* told at once, though the connection goes on */
		c->sk.err = e->err;
		tcp_ready(st, c, RDY_ERR);
		return STAT_icmp_errors;
	}
	c->soft_err = e->err;
	c->soft_err_valid = true;
	return STAT_icmp_errors;
}
