/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What SOF_TIMESTAMPING_OPT_STATS tells beside a time stamp: the connection's numbers at that time,
 * as netlink attributes (struct nlattr), in the order and the sizes of Linux 6.18's
 * tcp_get_timestamping_opt_stats(). Reads the connection only.
 */
#include "info_all.h"
#include "tcp.h"

/* TCP_NLA_* of linux/tcp.h, which ends before the last of them on Debian 12. */
enum {
	OPT_BUSY = 1,
	OPT_RWND_LIMITED,
	OPT_SNDBUF_LIMITED,
	OPT_DATA_SEGS_OUT,
	OPT_TOTAL_RETRANS,
	OPT_PACING_RATE,
	OPT_DELIVERY_RATE,
	OPT_SND_CWND,
	OPT_REORDERING,
	OPT_MIN_RTT,
	OPT_RECUR_RETRANS,
	OPT_APP_LIMITED,
	OPT_SNDQ_SIZE,
	OPT_CA_STATE,
	OPT_SND_SSTHRESH,
	OPT_DELIVERED,
	OPT_DELIVERED_CE,
	OPT_BYTES_SENT,
	OPT_BYTES_RETRANS,
	OPT_DSACK_DUPS,
	OPT_REORD_SEEN,
	OPT_SRTT,
	OPT_TIMEOUT_REHASH,
	OPT_BYTES_NOTSENT,
	OPT_EDT,
	OPT_TTL,
	OPT_REHASH,
};

#define NLA_HEAD_BYTES 4u

struct attrs {
	uint8_t *buf;
	uint32_t n;
};

/* The low bytes of v, little endian as all that we run on. */
static void put(struct attrs *a, uint16_t type, uint16_t bytes, uint64_t v)
{
	uint16_t len = (uint16_t)(NLA_HEAD_BYTES + bytes);
	uint8_t *p = a->buf + a->n;

	a->n += (len + 3u) & ~3u;
	ASSERT(a->n <= OPT_STATS_MAX);
	memset(p, 0, (len + 3u) & ~3u);
	memcpy(p, &len, sizeof(len));
	memcpy(p + 2, &type, sizeof(type));
	memcpy(p + NLA_HEAD_BYTES, &v, bytes);
}

static void put_sending(struct attrs *a, const struct tcp_info *ti, const struct opt_stats_at *at)
{
	uint32_t segs = at->len ? (at->len + ti->tcpi_snd_mss - 1) / ti->tcpi_snd_mss : 0;

	put(a, OPT_BUSY, 8, ti->tcpi_busy_time);
	put(a, OPT_RWND_LIMITED, 8, ti->tcpi_rwnd_limited);
	put(a, OPT_SNDBUF_LIMITED, 8, ti->tcpi_sndbuf_limited);
	put(a, OPT_DATA_SEGS_OUT, 8, ti->tcpi_data_segs_out + segs);
	put(a, OPT_TOTAL_RETRANS, 8, ti->tcpi_total_retrans + (at->again ? segs : 0));
	put(a, OPT_PACING_RATE, 8, ti->tcpi_pacing_rate);
	put(a, OPT_DELIVERY_RATE, 8, ti->tcpi_delivery_rate);
	put(a, OPT_SND_CWND, 4, ti->tcpi_snd_cwnd);
	put(a, OPT_REORDERING, 4, ti->tcpi_reordering);
	put(a, OPT_MIN_RTT, 4, ti->tcpi_min_rtt);
	put(a, OPT_RECUR_RETRANS, 1, ti->tcpi_retransmits);
	put(a, OPT_APP_LIMITED, 1, ti->tcpi_delivery_rate_app_limited);
	put(a, OPT_SND_SSTHRESH, 4, ti->tcpi_snd_ssthresh);
	put(a, OPT_DELIVERED, 4, ti->tcpi_delivered);
	put(a, OPT_DELIVERED_CE, 4, ti->tcpi_delivered_ce);
}

uint32_t tcp_opt_stats(const struct stack *st, struct tcp_conn *c, const struct opt_stats_at *at,
		       uint8_t *buf)
{
	struct attrs a = {.buf = buf};
	struct tcp_info ti;

	tcp_info_fill(st, &c->sk, &ti, st->now_ns);
	put_sending(&a, &ti, at);
	put(&a, OPT_SNDQ_SIZE, 4, (uint32_t)seq_diff(sndbuf_end(&c->snd), c->sent.una));
	put(&a, OPT_CA_STATE, 1, ti.tcpi_ca_state);
	put(&a, OPT_BYTES_SENT, 8, ti.tcpi_bytes_sent + at->len);
	put(&a, OPT_BYTES_RETRANS, 8, ti.tcpi_bytes_retrans + (at->again ? at->len : 0));
	put(&a, OPT_DSACK_DUPS, 4, ti.tcpi_dsack_dups);
	put(&a, OPT_REORD_SEEN, 4, ti.tcpi_reord_seen);
	put(&a, OPT_SRTT, 4, ti.tcpi_rtt);
	put(&a, OPT_TIMEOUT_REHASH, 2, c->rtos);
	put(&a, OPT_BYTES_NOTSENT, 4, ti.tcpi_notsent_bytes);
	put(&a, OPT_EDT, 8, at->tx_ns);
	if (at->acked)
		put(&a, OPT_TTL, 1, at->ttl);
	put(&a, OPT_REHASH, 4, c->rtos);
	return a.n;
}
