/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP_INFO, with true numbers. Only reads the connection, which another process may be changing
 * meanwhile: must follow no pointer out of it.
 */
#include "info_all.h"
#include "tcp.h"

#ifndef TCPI_OPT_TFO_CHILD /* Linux 6.16 */
#define TCPI_OPT_TFO_CHILD 128
#endif

_Static_assert(sizeof(struct tcp_info_all) == 280, "as Linux 6.18 has it");

#define US(ns) ((uint32_t)((ns) / 1000))
#define MS(ns) ((uint32_t)((ns) / 1000000))

static uint32_t segs(const struct tcp_conn *c, uint64_t bytes)
{
	return c->mss ? (uint32_t)((bytes + c->mss - 1) / c->mss) : 0;
}

static void listener_info(const struct stack *st, const struct tcp_listener *l, struct tcp_info *ti)
{
	ti->tcpi_reordering = st->cfg.tcp_reordering;
	ti->tcpi_snd_cwnd = CC_IW_SEGMENTS;
	ti->tcpi_pacing_rate = PACE_UNLIMITED;
	ti->tcpi_max_pacing_rate = l->o.max_pacing_rate;
	ti->tcpi_state = TCPS_LISTEN;
	ti->tcpi_unacked = l->naccept;
	ti->tcpi_sacked = l->backlog;
}

static void info_options(const struct tcp_conn *c, struct tcp_info *ti)
{
	if (c->ts_ok)
		ti->tcpi_options |= TCPI_OPT_TIMESTAMPS;
	if (c->sack_ok)
		ti->tcpi_options |= TCPI_OPT_SACK;
	if (c->ecn & TCP_ECN_OK)
		ti->tcpi_options |= TCPI_OPT_ECN;
	if (c->ecn & TCP_ECN_SEEN)
		ti->tcpi_options |= TCPI_OPT_ECN_SEEN;
	if (c->fo_flags & FO_DATA_COUNTED)
		ti->tcpi_options |= TCPI_OPT_SYN_DATA;
	if (c->fo_flags & FO_PASSIVE)
		ti->tcpi_options |= TCPI_OPT_TFO_CHILD;
	ti->tcpi_fastopen_client_fail = c->fo_fail & 3u;
	if (c->wscale_ok) {
		ti->tcpi_options |= TCPI_OPT_WSCALE;
		ti->tcpi_snd_wscale = c->snd_wscale & 15u;
		ti->tcpi_rcv_wscale = c->rcv_wscale & 15u;
	}
}

static void info_sending(const struct tcp_conn *c, struct tcp_info *ti)
{
	/* Linux's names for the states of recovery: open, disorder, CWR, recovery, loss */
	ti->tcpi_ca_state = c->rec.state == RECOVERY_LOSS   ? 4
			    : c->rec.state == RECOVERY_FAST ? 3
			    : c->sent.sacked_bytes > 0      ? 1
							    : 0;
	ti->tcpi_retransmits = c->retransmits < 255 ? (uint8_t)c->retransmits : 255;
	ti->tcpi_backoff = sent_empty(&c->sent) ? c->probe_backoff : c->rtt.backoff;
	ti->tcpi_rto = US(rtt_rto_ns(&c->rtt));
	ti->tcpi_snd_mss = c->mss;
	ti->tcpi_unacked = segs(c, sent_out_bytes(&c->sent));
	ti->tcpi_sacked = segs(c, c->sent.sacked_bytes);
	/* as Linux: lost until it is acknowledged, sent again or not; a probe never was */
	ti->tcpi_lost = segs(c, c->sent.lost_bytes +
					(c->rec.state == RECOVERY_OPEN ? 0 : c->sent.rexmit_bytes));
	ti->tcpi_retrans = c->rec.state == RECOVERY_OPEN ? 0 : segs(c, c->sent.rexmit_bytes);
	ti->tcpi_rtt = US(c->rtt.srtt_ns);
	ti->tcpi_rttvar = US(c->rtt.rttvar_ns);
	ti->tcpi_min_rtt = c->rtt.min_ns ? US(c->rtt.min_ns) : UINT32_MAX;
	ti->tcpi_snd_ssthresh =
		c->cc.ssthresh >= CC_SSTHRESH_INF ? 0x7fffffff : segs(c, c->cc.ssthresh);
	/* as Linux, whose PRR works on cwnd itself (RFC 9937) */
	ti->tcpi_snd_cwnd = segs(c, c->rec.state == RECOVERY_FAST
					    ? recovery_pipe(&c->rec, &c->sent) + c->rec.prr_sndcnt
					    : c->cc.cwnd);
	ti->tcpi_reordering = c->rec.reordering;
	ti->tcpi_reord_seen = c->rec.reord_times;
	ti->tcpi_delivered_ce = c->delivered_ce;
	ti->tcpi_dsack_dups = c->rec.dsacks;
	ti->tcpi_total_retrans = c->total_retrans;
	ti->tcpi_bytes_acked = c->bytes_acked;
	ti->tcpi_bytes_sent = c->bytes_sent;
	ti->tcpi_bytes_retrans = c->bytes_retrans;
	ti->tcpi_delivered = c->sent.delivered_segs;
	ti->tcpi_notsent_bytes = tcp_outq_notsent(&c->sk);
	ti->tcpi_pacing_rate = c->pace.rate;
	ti->tcpi_max_pacing_rate = c->o.max_pacing_rate;
	ti->tcpi_delivery_rate = rate_last(&c->rate);
	/* a bit, and 1 before the first sample, as Linux has it */
	ti->tcpi_delivery_rate_app_limited = !c->rate.interval_ns || c->rate.app_limited;
}

/* Of the time with something to send: all of it, and what of it others held up. */
static void info_times(const struct tcp_conn *c, uint64_t now_ns, struct tcp_info *ti)
{
	uint64_t rwnd = chrono_ns(&c->chrono, CHRONO_RWND, now_ns) / 1000;
	uint64_t sndbuf = chrono_ns(&c->chrono, CHRONO_SNDBUF, now_ns) / 1000;

	ti->tcpi_busy_time = chrono_ns(&c->chrono, CHRONO_BUSY, now_ns) / 1000 + rwnd + sndbuf;
	ti->tcpi_rwnd_limited = rwnd;
	ti->tcpi_sndbuf_limited = sndbuf;
}

/* The most read in a round trip, but as of Linux the sender's first window counts as read. */
static uint32_t rcv_space(const struct stack *st, const struct tcp_conn *c)
{
	uint32_t first = CC_IW_SEGMENTS * (c->mss_adv - (c->ts_ok ? TCP_OPTS_TS_BYTES : 0));
	uint32_t wnd = tcp_rcvwin_from_space(st, c->rcv_limit);

	if (!c->mss_adv)
		return 0;
	if (first > wnd)
		first = wnd;
	return c->drs_space > first ? c->drs_space : first;
}

uint32_t tcp_info_all(const struct stack *st, const struct sock *sk, struct tcp_info_all *all,
		      uint64_t now_ns)
{
	const struct tcp_conn *c = tcp_conn_of(sk);
	int32_t wnd;

	memset(all, 0, sizeof(*all));
	tcp_info_fill(st, sk, &all->ti, now_ns);
	if (sk->type != STK_TCP)
		return sizeof(*all);
	wnd = seq_diff(c->rcv_adv, c->rcv_acked); /* as last told, whatever has come since */
	all->rcv_wnd = wnd > 0 ? (uint32_t)wnd : 0;
	all->rehash = c->rtos; /* another flow label, and way, for each */
	all->total_rto = (uint16_t)c->rtos;
	all->total_rto_recoveries = (uint16_t)c->rto_recoveries;
	all->total_rto_time_ms = MS(c->rto_ns + (c->rto_since_ns ? now_ns - c->rto_since_ns : 0));
	return sizeof(*all);
}

void tcp_info_fill(const struct stack *st, const struct sock *sk, struct tcp_info *ti,
		   uint64_t now_ns)
{
	const struct tcp_conn *c = tcp_conn_of(sk);

	memset(ti, 0, sizeof(*ti));
	if (sk->type == STK_LISTENER) {
		listener_info(st, tcp_listener_of(sk), ti);
		return;
	}
	ti->tcpi_state = c->state;
	info_options(c, ti);
	info_sending(c, ti);
	info_times(c, now_ns, ti);
	ti->tcpi_probes = c->probes_out;
	ti->tcpi_ato = c->bytes_received > c->fin_rcvd ? US(TCP_DELACK_NS) : 0;
	ti->tcpi_rcv_mss = c->rcv_mss;
	ti->tcpi_advmss = c->mss_adv - (c->ts_ok && c->mss_adv ? TCP_OPTS_TS_BYTES : 0);
	ti->tcpi_pmtu = c->path_mtu;
	ti->tcpi_last_data_sent = c->last_data_tx_ns ? MS(now_ns - c->last_data_tx_ns) : 0;
	ti->tcpi_last_data_recv = c->last_data_rx_ns ? MS(now_ns - c->last_data_rx_ns) : 0;
	ti->tcpi_last_ack_recv = c->last_ack_rx_ns ? MS(now_ns - c->last_ack_rx_ns) : 0;
	ti->tcpi_rcv_rtt = US(c->rcv_rtt_ns);
	ti->tcpi_rcv_space = rcv_space(st, c);
	ti->tcpi_rcv_ssthresh = tcp_rcvwin_from_space(st, c->rcv_limit);
	ti->tcpi_bytes_received = c->bytes_received;
	ti->tcpi_segs_out = c->segs_out;
	ti->tcpi_segs_in = c->segs_in;
	ti->tcpi_data_segs_in = c->data_segs_in;
	ti->tcpi_data_segs_out = c->data_segs_out;
	ti->tcpi_rcv_ooopack = c->rcv_ooopack;
	ti->tcpi_snd_wnd = c->snd_wnd;
}
