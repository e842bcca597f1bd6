/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packetization-layer path MTU discovery, by the sysctls of Linux: tcp_mtu_probing 1 begins when
 * timeouts say that the path swallows what is large, 2 at once. Decides which size to try and what
 * the outcome means. A lost probe is taken for congestion, too: it may have been.
 *
 * RFC 4821 5 to 7, RFC 8899 4.3; RFC 2923 2.1 (black holes).
 */
#include "tcp.h"

#define PROBE_CWND_SEGS 11u /* as Linux: a loss must be found by duplicate ACKs */

static uint32_t headers(const struct tcp_conn *c)
{
	return ip_hlen(&c->sk.remote.addr) + TCP_HLEN_BYTES + (c->ts_ok ? TCP_OPTS_TS_BYTES : 0);
}

void mtup_init(struct stack *st, struct tcp_conn *c)
{
	struct mtup *m = &c->mtup;

	m->on = st->cfg.tcp_mtu_probing > 1;
	m->high = c->mss_clamp + ip_hlen(&c->sk.remote.addr) + TCP_HLEN_BYTES;
	m->low = st->cfg.tcp_base_mss + headers(c);
	m->stamp_ns = st->now_ns;
}

uint32_t mtup_bound(struct mtup *m, uint32_t mtu)
{
	if (likely(!m->on))
		return mtu;
	if (m->high > mtu)
		m->high = mtu;
	return m->low < mtu ? m->low : mtu;
}

/* The time that so many timeouts take, from the first one on. */
static bool timed_out(const struct stack *st, const struct tcp_conn *c, uint32_t tries)
{
	if (!c->mtup.rtx_ns)
		return false;
	return st->now_ns - c->mtup.rtx_ns >= tcp_tries_ns(tries, TCP_RETRIES_RTO_NS);
}

void mtup_timeout(struct stack *st, struct tcp_conn *c)
{
	const struct stack_cfg *cfg = &st->cfg;
	struct mtup *m = &c->mtup;
	uint32_t mss;

	m->probe = 0; /* what became of it nobody knows */
	if (!tcp_state_in(c, TCPS_SYNCED))
		return;
	if (!timed_out(st, c, cfg->tcp_retries1) || !cfg->tcp_mtu_probing) {
		if (!m->rtx_ns)
			m->rtx_ns = st->now_ns;
		return;
	}
	if (!m->on) {
		m->on = true;
		m->stamp_ns = st->now_ns;
		COUNT(st, tcp_black_holes);
	} else {
		mss = (m->low - headers(c)) / 2;
		if (mss > cfg->tcp_base_mss)
			mss = cfg->tcp_base_mss;
		if (mss < cfg->tcp_mtu_probe_floor)
			mss = cfg->tcp_mtu_probe_floor;
		if (mss < cfg->tcp_min_snd_mss)
			mss = cfg->tcp_min_snd_mss;
		m->low = mss + headers(c);
	}
	tcp_mss_sync(st, c);
}

/* The search is over. After tcp_probe_interval the path may have become better. */
static void search_again(struct stack *st, struct tcp_conn *c)
{
	struct mtup *m = &c->mtup;

	if (st->now_ns - m->stamp_ns < st->cfg.tcp_probe_interval_s * 1000000000ull)
		return;
	m->high = c->mss_clamp + ip_hlen(&c->sk.remote.addr) + TCP_HLEN_BYTES;
	m->stamp_ns = st->now_ns;
	tcp_mss_sync(st, c);
}

uint32_t mtup_probe_bytes(struct stack *st, struct tcp_conn *c, uint32_t unsent, uint32_t wnd,
			  uint32_t room)
{
	struct mtup *m = &c->mtup;
	uint32_t size, need, pipe;

	if (likely(!m->on) || m->probe || c->rec.state != RECOVERY_OPEN || !reass_empty(&c->reass))
		return 0;
	if (m->high < m->low || m->high - m->low < st->cfg.tcp_probe_threshold) {
		search_again(st, c);
		return 0;
	}
	size = (m->low + m->high) / 2 - headers(c);
	need = size + (c->rec.reordering + 1) * c->mss;
	pipe = recovery_pipe(&c->rec, &c->sent);
	if (size <= c->mss || c->cc.cwnd < PROBE_CWND_SEGS * c->mss || unsent < need || wnd < need)
		return 0;
	if (c->snd_wnd < need || pipe + 2u * c->mss > c->cc.cwnd || room < size)
		return 0;
	return size;
}

void mtup_probe_sent(struct tcp_conn *c, uint32_t bytes)
{
	struct mtup *m = &c->mtup;

	m->probe = bytes + headers(c);
	m->start = c->sent.nxt;
	m->end = seq_add(c->sent.nxt, bytes);
}

void mtup_acked(struct stack *st, struct tcp_conn *c)
{
	struct mtup *m = &c->mtup;

	m->rtx_ns = 0;
	if (likely(!m->probe) || seq_lt(c->sent.una, m->end))
		return;
	COUNT(st, tcp_mtu_probes_good);
	m->low = m->probe;
	m->probe = 0;
	tcp_mss_sync(st, c);
}

void mtup_lost(struct stack *st, struct tcp_conn *c)
{
	struct mtup *m = &c->mtup;

	if (likely(!m->probe) || !seq_eq(c->sent.una, m->start))
		return;
	COUNT(st, tcp_mtu_probes_lost);
	m->high = m->probe - 1;
	m->probe = 0;
}
