/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors for a connection. Anybody can send them: they count only when they quote a sequence
 * number that is in flight, end a connection only while it is being opened, and otherwise only
 * explain a timeout that comes later. "Fragmentation needed" lowers the MSS.
 *
 * RFC 5927 4-6; RFC 1191; RFC 1122 4.2.3.9.
 */
#include <errno.h>

#include "tcp.h"

#define ICMP_UNREACH 3u
#define ICMP_TIME_EXCEEDED 11u
#define ICMP_PARAM_PROBLEM 12u
#define UNREACH_FRAG_NEEDED 4u

/* 0: says nothing to us. */
static int icmp_errno(uint8_t type, uint8_t code)
{
	/* as Linux's icmp_err_convert */
	static const uint8_t unreach[] = {
		ENETUNREACH,  EHOSTUNREACH, ENOPROTOOPT,  ECONNREFUSED, EMSGSIZE,     EOPNOTSUPP,
		ENETUNREACH,  EHOSTDOWN,    ENONET,       ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
		EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH,
	};

	if (type == ICMP_UNREACH && code < ARRAY_SIZE(unreach))
		return unreach[code];
	if (type == ICMP_PARAM_PROBLEM)
		return EPROTO;
	if (type == ICMP_TIME_EXCEEDED)
		return EHOSTUNREACH;
	return 0;
}

static void frag_needed(struct stack *st, struct tcp_conn *c, uint32_t mtu)
{
	uint16_t mss = c->mss;

	if (mtu == 0)
		return;
	dst_pmtu_learn(st, c->dst, mtu, st->now_ns); /* unless another connection was told first */
	tcp_mss_sync(st, c);
	if (c->mss >= mss || !tcp_state_in(c, TCPS_SYNCED))
		return;
	/* what was sent larger is gone, though not by congestion: cwnd stays as it is */
	sent_all_lost(&c->sent);
	tcp_output(st, c, 0);
}

enum stat_id tcp_icmp(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
		      const uint8_t *l4, uint8_t type, uint8_t code, uint32_t mtu)
{
	struct tcp_conn *c = tcp_conn_find(st, local, remote);
	int err = icmp_errno(type, code);
	struct seq seq;
	uint32_t be;

	if (!c)
		return STAT_drop_icmp;
	memcpy(&be, l4 + 4, sizeof(be));
	seq = seq_of(be32(be));
	if (seq_lt(seq, c->sent.una) || seq_geq(seq, c->sent.nxt) || err == 0)
		return STAT_drop_icmp;
	if (type == ICMP_UNREACH && code == UNREACH_FRAG_NEEDED) {
		frag_needed(st, c, mtu);
		return STAT_icmp_errors;
	}
	if (c->state == TCPS_SYN_SENT) {
		COUNT(st, tcp_conn_failed);
		tcp_conn_done(st, c, err);
		return STAT_icmp_errors;
	}
	c->soft_err = (uint16_t)err;
	c->soft_err_valid = true;
	return STAT_icmp_errors;
}
