/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judges each packet that the stack sends: lengths, checksums, options, payload, and that its
 * numbers follow from what it sent before. Learns from it what a peer would know. Reads headers by
 * hand: it must not share a mistake with the stack.
 */
#include <string.h>

#include "fuzz.h"

#define ETH 14u

uint32_t fz_sum(const uint8_t *p, uint32_t len, uint32_t start)
{
	uint64_t sum = start;
	uint32_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += get16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

const uint8_t *fz_pattern(uint32_t at)
{
	static uint8_t b[FZ_PATTERN_BYTES + 256];

	if (b[1] == 0)
		for (uint32_t i = 0; i < sizeof(b); i++)
			b[i] = (uint8_t)i;
	return b + (at & 255);
}

/* Options of a segment the stack built: only known kinds, whole, each once, in their place. */
static void check_options(struct fz *f, struct flow *w, const uint8_t *p, uint32_t len, bool syn,
			  bool acked)
{
	uint64_t seen = 0;

	if (syn) {
		w->wscale = 0;
		w->ts = false;
		/* a cookie only knows what the peer's ACK repeats of it, in its timestamps */
		w->cookie = acked && stack_stats(f->st)[STAT_tcp_syncookies_sent];
		w->scale_sure = acked && !w->cookie;
	}
	while (len > 0) {
		uint32_t n, kind = p[0];

		if (kind == 1) {
			p++;
			len--;
			continue;
		}
		fz_must(f, kind != 0);
		fz_must(f, len >= 2);
		n = p[1];
		fz_must(f, n >= 2 && n <= len);
		if (kind == 254) { /* Fast Open's old form: 4 bytes of header, and a cookie */
			fz_must(f, syn && n >= 4 && get16(p + 2) == 0xf989);
			kind = 34;
			fz_must(f, n == 4 || (n >= 8 && n <= 20 && n % 2 == 0));
		} else if (kind == 34) {
			fz_must(f, syn && (n == 2 || (n >= 6 && n <= 18 && n % 2 == 0)));
		}
		fz_must(f, kind < 64 && !(seen & 1ull << kind));
		seen |= 1ull << kind;
		switch (kind) {
		case 2:
			fz_must(f, syn && n == 4 && get16(p + 2) >= 88);
			break;
		case 3:
			fz_must(f, syn && n == 3 && p[2] <= 14);
			w->wscale = p[2];
			break;
		case 4:
			fz_must(f, syn && n == 2);
			break;
		case 5:
			fz_must(f, !syn && n >= 10 && n <= 34 && (n - 2) % 8 == 0);
			for (uint32_t i = 2; i < n; i += 8)
				fz_must(f, (int32_t)(get32(p + i + 4) - get32(p + i)) > 0);
			break;
		case 34:
			if (acked && n == 10) {
				memcpy(f->cookie[w->host], p + 2, 8);
				f->cookie_known[w->host] = true;
			}
			break;
		case 8:
			fz_must(f, n == 10);
			w->ts = true;
			w->tsval = get32(p + 2);
			break;
		default:
			fz_fail(f, "sent an option of kind %u", kind);
		}
		p += n;
		len -= n;
	}
}

/* What the stack sends as data is the pattern that the application wrote, from the ISS on. */
static void check_payload(struct fz *f, const struct flow *w, uint32_t seq, const uint8_t *p,
			  const struct tx_ent *e, uint32_t len)
{
	uint32_t at = seq - w->iss - 1, off = e->blk_off, left;
	const struct blk *k;

	if (!(e->flags & TXF_GSO)) {
		fz_must(f, memcmp(p, fz_pattern(at), len) == 0);
		return;
	}
	fz_must(f, e->gso_bytes > 0 && e->blk_len == len);
	for (k = e->blk, left = len; left > 0; k = k->next, off = k ? k->start : 0) {
		uint32_t n;

		fz_must(f,
			k != NULL && off >= k->start && off <= k->end && k->end <= BLK_DATA_BYTES);
		n = k->end - off < left ? k->end - off : left;
		fz_must(f, memcmp(k->data + off, fz_pattern(at), n) == 0);
		at += n;
		left -= n;
	}
}

static void check_numbers(struct fz *f, struct flow *w, const uint8_t *h, uint32_t len)
{
	uint8_t flags = h[13];
	uint32_t seq = get32(h + 4), ack = get32(h + 8), edge;
	uint32_t end = seq + len + !!(flags & TH_SYN) + !!(flags & TH_FIN);

	if (flags & TH_RST)
		return;
	fz_must(f, flags & (TH_SYN | TH_ACK));
	fz_must(f, (flags & ~(TH_SYN | TH_ACK | TH_FIN | TH_PSH | TH_ECE | TH_CWR | TH_URG)) == 0);
	fz_must(f, (flags & (TH_SYN | TH_FIN)) != (TH_SYN | TH_FIN));
	if (flags & TH_SYN && (!w->iss_known || w->iss != seq)) {
		w->iss_known = true;
		w->iss = seq;
		w->nxt = seq + 1;
		w->syn_only = !(flags & TH_ACK);
		/* by Fast Open it acknowledges the SYN's data, too */
		if (!w->syn_only && ack - 1 - w->my_iss > FZ_SYN_BYTES)
			w->my_iss = ack - 1;
	}
	/* A SYN sent again cannot say a scaled window; and a new connection may have an old one's
	 * ISS, when time has stood still in between. */
	if (flags & TH_SYN)
		w->ack_known = w->edge_known = false;
	/* Of several cookies, which lie close together, the peer may have brought back another than
	 * the last: what such a connection sends cannot be told from a mistake. */
	if (w->cookie && !(flags & TH_SYN))
		w->iss_known = false;
	if (!w->iss_known && (f->forgot || w->cookie))
		return;
	if (!w->iss_known)
		fz_fail(f, "flags %#x from port %u to %u of host %u without a SYN before", flags,
			w->lport, w->rport, w->host);
	/* nothing before the ISS, nothing beyond a hole */
	fz_must(f, (int32_t)(seq - w->iss) >= 0);
	if ((int32_t)(seq - w->nxt) > 0)
		fz_fail(f,
			"sent %u (flags %#x, from port %u to %u of host %u) from %u while only up "
			"to %u had been sent",
			len, flags, w->lport, w->rport, w->host, seq - w->iss, w->nxt - w->iss);
	if ((int32_t)(end - w->nxt) > 0)
		w->nxt = end;
	if (!(flags & TH_ACK))
		return;
	if (w->ack_known && (int32_t)(ack - w->ack) < 0)
		fz_fail(f, "acknowledges %u less than before", w->ack - ack);
	edge = ack + ((uint32_t)get16(h + 14) << (flags & TH_SYN ? 0 : w->wscale));
	/* RFC 9293 3.8.6: the right edge does not move back, but for what the scale cannot say. */
	if (w->edge_known && w->scale_sure && (int32_t)(edge - w->edge) + (1 << w->wscale) <= 0)
		fz_fail(f, "window shrunk by %d: flags %#x acknowledges %u more, window %u << %u",
			(int32_t)(w->edge - edge), flags, ack - w->ack, get16(h + 14), w->wscale);
	w->ack = ack;
	w->ack_known = true;
	if (!w->edge_known || (int32_t)(edge - w->edge) > 0)
		w->edge = edge;
	w->edge_known = true;
}

static struct ip_addr addr_at(const uint8_t *ip, bool v6, bool dst)
{
	uint32_t v;

	if (v6)
		return ip_addr_v6(ip + (dst ? 24 : 8), 0);
	memcpy(&v, ip + (dst ? 16 : 12), 4);
	return ip_addr_v4(v);
}

static unsigned host_index(struct fz *f, const struct ip_addr *a)
{
	for (unsigned i = 0; i < ARRAY_SIZE(f->peer); i++)
		if (ip_addr_eq(a, &f->peer[i]))
			return i;
	return ARRAY_SIZE(f->peer);
}

static void emitted_tcp(struct fz *f, const uint8_t *ip, const uint8_t *h, uint32_t l4_len,
			const struct tx_ent *e)
{
	uint32_t hlen = (h[12] >> 4) * 4u, in_frame = e->len - (uint32_t)(h - ip) - ETH;
	struct ip_addr from = addr_at(ip, e->family == 6, false);
	struct ip_addr to = addr_at(ip, e->family == 6, true);
	unsigned host = host_index(f, &to);
	uint32_t len = l4_len - hlen;
	struct flow *w;

	fz_must(f, hlen >= 20 && hlen <= in_frame && (h[12] & 15) == 0);
	fz_must(f, (get16(h + 18) != 0) == !!(h[13] & TH_URG) &&
			   !((h[13] & TH_URG) && (h[13] & (TH_SYN | TH_RST))));
	if (host == ARRAY_SIZE(f->peer) || !ip_addr_eq(&from, fz_me(f, host)))
		return; /* to, or from, somebody we do not play */
	if (h[13] & TH_RST) {
		fz_must(f, len == 0);
		fz_flow(f, host, get16(h), get16(h + 2))->dead = true;
		return;
	}
	w = fz_flow(f, host, get16(h), get16(h + 2));
	w->dead = false;
	check_options(f, w, h + 20, hlen - 20, h[13] & TH_SYN, h[13] & TH_ACK);
	check_numbers(f, w, h, len);
	if (len > 0 && w->iss_known)
		check_payload(f, w, get32(h + 4) + !!(h[13] & TH_SYN), h + hlen, e, len);
}

/* Returns the sum of the pseudo-header. */
static uint32_t emitted_ip4(struct fz *f, const struct tx_ent *e, const uint8_t *ip,
			    uint32_t l4_len)
{
	fz_must(f,
		ip[0] == 0x45 && get16(ip + 2) == 20 + l4_len &&
			(get16(ip + 6) == 0x4000 || (get16(ip + 6) == 0 && ip[9] == IPPROTO_UDP_)));
	fz_must(f, ip[8] > 0 && ip[9] == e->proto && fz_sum(ip, 20, 0) == 0xffff);
	return fz_sum(ip + 12, 8, ip[9] + l4_len);
}

static uint32_t emitted_ip6(struct fz *f, const struct tx_ent *e, const uint8_t *ip,
			    uint32_t l4_len)
{
	fz_must(f, ip[0] >> 4 == 6 && get16(ip + 4) == l4_len && ip[6] == e->proto);
	return fz_sum(ip + 8, 32, ip[6] + l4_len);
}

void fz_emitted(struct fz *f, const struct tx_ent *e)
{
	struct frame_pool *fp = stack_frames(f->st);
	const struct frame *m = frame_meta(fp, e->frame);
	uint32_t hl = e->family == 6 ? 40 : 20;
	const uint8_t *b = frame_data(fp, e->frame), *ip = b + ETH, *h = ip + hl;
	uint32_t l4_len = e->len - ETH - hl + e->blk_len, field, pseudo;

	f->emitted++;
	fz_must(f,
		e->len == m->len && m->off >= FRAME_TX_HEADROOM && m->off + m->len <= FRAME_BYTES);
	fz_must(f, m->next == FRAME_NONE);
	fz_must(f, e->len >= ETH + hl + 8 && get16(b + 12) == (e->family == 6 ? 0x86dd : 0x0800));
	fz_must(f, (e->flags & TXF_GSO) || e->dev == STACK_DEV_LOOP || hl + l4_len <= f->mtu);
	fz_must(f, !(e->flags & TXF_GSO) == (e->blk_len == 0));
	fz_must(f,
		e->csum_start == ETH + hl && e->csum_offset == (e->proto == IPPROTO_TCP_ ? 16 : 6));
	pseudo = e->family == 6 ? emitted_ip6(f, e, ip, l4_len) : emitted_ip4(f, e, ip, l4_len);
	field = get16(h + e->csum_offset);
	if (e->flags & TXF_CSUM)
		fz_must(f, field == pseudo);
	else
		fz_must(f, fz_sum(h, l4_len, pseudo) == 0xffff);
	f->last_out_len = e->len < sizeof(f->last_out) ? e->len : sizeof(f->last_out);
	memcpy(f->last_out, b, f->last_out_len);
	if (e->proto == IPPROTO_TCP_) {
		fz_must(f, l4_len >= 20);
		emitted_tcp(f, ip, h, l4_len, e);
	} else {
		fz_must(f, e->proto == IPPROTO_UDP_ && get16(h + 4) == l4_len);
		fz_must(f, (e->flags & TXF_CSUM) || field != 0);
	}
}
