/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The silly peer: a host without a stack that speaks TCP badly on purpose. Each of its connections
 * (struct fool) draws some of the follies below and commits them at random, in between just enough
 * of what a peer ought to do that the connection lives on.
 *
 * Whatever it does, it knows what it has done, so it can tell what the other side may make of it:
 * bytes in the stream are right wherever they could be new, and wrong only where the stack has
 * said that it has them already; the end of the stream is where a good FIN was; a reset follows
 * only from a RST. What comes back is judged here too: each byte is the one that belongs there,
 * also when it is sent again, and none lies beyond the largest window ever offered.
 */
#include <string.h>

#include "sim.h"
#include "stack/ip/wire.h"

enum folly {
	FOLLY_RENEGE,     /* SACKs, and knows nothing of it later */
	FOLLY_SACK_LIE,   /* SACKs what was never sent, or backwards */
	FOLLY_SHRINK,     /* takes back window */
	FOLLY_ZERO,       /* a shut window, for long */
	FOLLY_ACK_UNSENT, /* beyond all that was sent */
	FOLLY_OPTIMIST,   /* ACKs what may be under way */
	FOLLY_DIVIDE,     /* an ACK per few bytes */
	FOLLY_SPLIT,      /* segments of a few bytes */
	FOLLY_OVERLAP,    /* the same bytes again, cut differently */
	FOLLY_LIE,        /* other bytes where the stack has some already */
	FOLLY_FIN_BARE,   /* FIN without ACK, FIN upon old data */
	FOLLY_AFTER_FIN,  /* data beyond the FIN */
	FOLLY_WILD_TS,    /* timestamps from anywhere, or none */
	FOLLY_ECN,        /* ECE, CWR and CE without a meaning */
	FOLLY_OLD,        /* from far behind or ahead of the window */
	FOLLY_URGENT,     /* urgent pointers */
	FOLLY_RST_WILD,   /* RST and SYN in the window, not at its edge */
	FOLLY_OPTIONS,    /* noise for options */
	FOLLY_DEAF,       /* speaks no option at all */
	FOLLY_HALF_OPEN,  /* falls silent for good */
	FOLLY_ABORT,      /* RST */
	FOLLIES
};

#define SILLY_WSCALE 3u
#define SILLY_MSS 1400u
#define OPT_MAX 40u

struct say {
	uint32_t seq, ack, len, wnd; /* wnd: bytes */
	uint8_t flags, tos;
	uint16_t urg;
	uint8_t opt[OPT_MAX];
	uint32_t nopt;
	bool wrong; /* its bytes up to fool.una are others than they should be */
};

static bool has(const struct fool *f, enum folly x)
{
	return f->follies >> x & 1;
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static int32_t before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static void opt_add(struct say *s, const void *o, uint32_t n)
{
	if (s->nopt + n > OPT_MAX)
		return;
	memcpy(s->opt + s->nopt, o, n);
	s->nopt += n;
}

static void opt_ts(struct fool *f, struct say *s)
{
	uint8_t o[12] = {1, 1, 8, 10};
	uint32_t val = (uint32_t)(f->w->now_ns / MS) + f->ts_off;

	if (has(f, FOLLY_WILD_TS) && rng_one_in(&f->rng, 8))
		val += (uint32_t)rng_u64(&f->rng);
	put_be32(o + 4, val);
	put_be32(o + 8, has(f, FOLLY_WILD_TS) && rng_one_in(&f->rng, 8) ? (uint32_t)rng_u64(&f->rng)
									: f->ts_ecr);
	if (!has(f, FOLLY_WILD_TS) || !rng_one_in(&f->rng, 16))
		opt_add(s, o, 12);
}

static void opts_syn(struct fool *f, struct say *s)
{
	uint8_t mss[4] = {2, 4, SILLY_MSS >> 8, SILLY_MSS & 0xff};

	if (has(f, FOLLY_DEAF))
		return;
	if (rng_one_in(&f->rng, 8))
		mss[2] = 0, mss[3] = (uint8_t)rng_u64(&f->rng);
	opt_add(s, mss, 4);
	opt_add(s, (uint8_t[]){1, 3, 3, SILLY_WSCALE}, 4);
	if (f->sack)
		opt_add(s, (uint8_t[]){1, 1, 4, 2}, 4);
	if (f->ts)
		opt_ts(f, s);
}

static void opt_sack(struct say *s, uint32_t from, uint32_t to)
{
	uint8_t o[12] = {1, 1, 5, 10};

	put_be32(o + 4, from);
	put_be32(o + 8, to);
	opt_add(s, o, 12);
}

static void payload(const struct fool *f, const struct say *s, uint8_t *b)
{
	const struct world *w = f->w;

	for (uint32_t i = 0; i < s->len; i++) {
		uint32_t off = s->seq + i - f->iss - 1;

		b[i] = w->pattern[(f->key_down + off) % PATTERN_MOD];
		/* Only where the stack has said that it has the byte, or that it can't be one. */
		if (s->wrong && (before(s->seq + i, f->una) || (!before(s->seq + i, f->sack_from) &&
								before(s->seq + i, f->sack_to))))
			b[i] ^= 0x55;
	}
}

static void say(struct fool *f, const struct say *s)
{
	bool scaled = f->scale && !(s->flags & TH_SYN);
	uint32_t wnd = scaled ? s->wnd >> SILLY_WSCALE : s->wnd, edge, most;
	uint8_t b[SILLY_MSS];
	struct pkt_tcp t = {.from = node_addr(SIM_SILLY, f->v6),
			    .to = node_addr(f->n->idx, f->v6),
			    .from_idx = SIM_SILLY,
			    .to_idx = f->n->idx,
			    .sport = f->sport,
			    .dport = f->nport,
			    .seq = s->seq,
			    .ack = s->flags & TH_ACK ? s->ack : 0,
			    .flags = s->flags,
			    .tos = s->tos,
			    .urg = s->urg,
			    .opt = s->opt,
			    .nopt = s->nopt,
			    .data = b,
			    .len = s->len};

	t.wnd = (uint16_t)(wnd > 65535 ? 65535 : wnd);
	edge = s->ack + ((uint32_t)t.wnd << (scaled ? SILLY_WSCALE : 0));
	/* An ACK of what was not sent is not taken, nor is its window; but by the time it arrives
	 * what it is for may have been sent, as far as the windows before it let it. */
	most = f->edge_known && before(f->hi + 3000, f->edge) ? f->edge : f->hi + 3000;
	if (s->flags & TH_ACK && !before(most, s->ack) &&
	    (!f->edge_known || before(f->edge, edge))) {
		f->edge = edge;
		f->edge_known = true;
	}
	payload(f, s, b);
	if (s->flags & TH_RST)
		f->rst_sent = true;
	link_send(&f->w->link[SIM_SILLY][f->n->idx], pkt_tcp(&t));
}

/* An ACK as it should be. */
static struct say base(struct fool *f)
{
	struct say s = {.seq = f->nxt, .ack = f->cum, .flags = TH_ACK, .wnd = f->wnd};

	if (f->ts)
		opt_ts(f, &s);
	if (has(f, FOLLY_ECN)) {
		s.flags |= (uint8_t)(rng_u64(&f->rng) & (TH_ECE | TH_CWR));
		s.tos = (uint8_t)(rng_u64(&f->rng) & 3);
	}
	return s;
}

/* Bytes from seq on that the window and the stream have room for. */
static uint32_t room(struct fool *f, uint32_t seq, uint32_t most)
{
	uint32_t end = f->iss + 1 + f->down_total, n;

	if (f->fin_sent && before(f->fin_seq, end))
		end = f->fin_seq;
	if (before(f->peer_edge, end))
		end = f->peer_edge;
	n = before(seq, end) ? end - seq : 0;
	n = n < most ? n : most;
	return n ? (uint32_t)rng_range(&f->rng, 1, n) : 0;
}

static void say_data(struct fool *f, uint32_t seq, uint32_t len, bool wrong)
{
	struct say s = base(f);

	s.seq = seq;
	s.len = len < SILLY_MSS - 100 ? len : SILLY_MSS - 100;
	s.wrong = wrong;
	s.flags |= rng_one_in(&f->rng, 2) ? TH_PSH : 0;
	if (has(f, FOLLY_URGENT) && rng_one_in(&f->rng, 4)) {
		s.flags |= TH_URG;
		s.urg = (uint16_t)rng_log(&f->rng, 1, 65535);
	}
	if (before(f->nxt, seq + s.len))
		f->nxt = seq + s.len;
	say(f, &s);
}

static void say_ack(struct fool *f, uint32_t ack, uint32_t wnd)
{
	struct say s = base(f);

	s.ack = ack;
	s.wnd = wnd;
	say(f, &s);
}

static void say_hello(struct fool *f)
{
	struct say s = {.seq = f->iss, .flags = TH_SYN, .wnd = 60000};

	if (f->irs_known) {
		s.flags |= TH_ACK;
		s.ack = f->irs + 1;
		f->cum = f->irs + 1;
	}
	if (has(f, FOLLY_ECN))
		s.flags |= (uint8_t)(rng_u64(&f->rng) & (TH_ECE | TH_CWR));
	opts_syn(f, &s);
	say(f, &s);
}

static void say_fin(struct fool *f)
{
	struct say s = base(f);

	if (!f->fin_sent) {
		f->fin_sent = true;
		f->fin_seq = f->nxt;
		f->fin_off = f->nxt - f->iss - 1;
	}
	s.seq = f->fin_seq;
	s.flags |= TH_FIN;
	f->nxt = f->fin_seq + 1;
	say(f, &s);
}

/* ---- follies -------------------------------------------------------------------------------- */

static void folly_ack(struct fool *f, enum folly x)
{
	struct rng *r = &f->rng;
	struct say s = base(f);
	uint32_t from, i;

	switch (x) {
	case FOLLY_RENEGE:
	case FOLLY_SACK_LIE:
		from = f->cum + (uint32_t)rng_range(r, 1, 20000);
		if (x == FOLLY_SACK_LIE)
			from += (uint32_t)rng_u64(r) >> rng_below(r, 32);
		opt_sack(&s, from,
			 from + (uint32_t)rng_range(r, 1, 20000) - (rng_one_in(r, 8) ? 30000 : 0));
		say(f, &s);
		return;
	case FOLLY_SHRINK:
		say_ack(f, f->cum, (uint32_t)rng_below(r, f->wnd + 1));
		return;
	case FOLLY_ZERO:
		f->wnd = rng_one_in(r, 3) ? 60000 : 0;
		say_ack(f, f->cum, f->wnd);
		return;
	case FOLLY_ACK_UNSENT:
		say_ack(f, f->hi + 1 + ((uint32_t)rng_u64(r) >> rng_range(r, 1, 31)), f->wnd);
		return;
	case FOLLY_OPTIMIST:
		say_ack(f, f->hi + (uint32_t)rng_below(r, 3000), f->wnd);
		return;
	default: /* FOLLY_DIVIDE */
		for (i = (uint32_t)rng_range(r, 1, 40); i; i--)
			if (!before(f->cum - i * 7, f->irs + 1))
				say_ack(f, f->cum - i * 7, f->wnd);
	}
}

static void folly_data(struct fool *f, enum folly x)
{
	struct rng *r = &f->rng;
	uint32_t at, i;

	switch (x) {
	case FOLLY_SPLIT:
		for (i = (uint32_t)rng_range(r, 1, 40); i; i--)
			say_data(f, f->nxt, room(f, f->nxt, 10), false);
		return;
	case FOLLY_OVERLAP:
		at = f->una + (uint32_t)rng_below(r, f->nxt - f->una + 1);
		if (rng_one_in(r, 2) && !before(at - 500, f->iss + 1))
			at -= 500;
		say_data(f, at, room(f, at, 1200), false);
		return;
	case FOLLY_LIE:
		at = rng_one_in(r, 2) && before(f->sack_from, f->sack_to) ? f->sack_from : f->una;
		at -= (uint32_t)rng_below(r, 600);
		if (before(at, f->iss + 1))
			at = f->iss + 1;
		say_data(f, at, room(f, at, 1200), true);
		return;
	default: /* FOLLY_AFTER_FIN, once the stack has the FIN */
		if (f->fin_sent && before(f->fin_seq, f->una)) {
			struct say s = base(f);

			s.seq = f->fin_seq + (uint32_t)rng_below(r, 2);
			s.len = (uint32_t)rng_range(r, 1, 1000);
			s.flags |= rng_one_in(r, 2) ? TH_FIN : 0;
			say(f, &s);
		}
	}
}

static void folly_flags(struct fool *f, enum folly x)
{
	struct rng *r = &f->rng;
	struct say s = base(f);

	switch (x) {
	case FOLLY_FIN_BARE:
		s.flags |= TH_FIN;
		if (rng_one_in(r, 2)) {
			s.flags &= (uint8_t)~TH_ACK;
		} else { /* upon what the stack has: before all that is new */
			if (!before(f->iss + 3, f->una))
				return;
			s.seq = f->una - 2;
			if (before(f->fin_seq, f->una) && f->fin_sent)
				s.seq--;
		}
		break;
	case FOLLY_OLD:
		s.seq = f->una + (rng_one_in(r, 2)
					  ? 1u << 24
					  : 0x80000000u + (uint32_t)rng_below(r, 1u << 30));
		s.len = (uint32_t)rng_range(r, 1, 1000);
		break;
	case FOLLY_RST_WILD:
		/* upon TIME-WAIT such a SYN would open anew, rightly (RFC 6191) */
		s.flags = f->fin_sent || rng_one_in(r, 2) ? TH_RST : TH_SYN;
		s.seq = f->nxt + 1 + (uint32_t)rng_below(r, 1000);
		break;
	case FOLLY_OPTIONS:
		s.nopt = (uint32_t)(4 * rng_below(r, OPT_MAX / 4 + 1));
		for (uint32_t i = 0; i < s.nopt; i++)
			s.opt[i] = (uint8_t)rng_u64(r);
		break;
	default: /* FOLLY_ABORT */
		s.flags = TH_RST | TH_ACK;
		s.seq = f->una;
		f->silent = rng_one_in(r, 2);
	}
	say(f, &s);
}

static void folly_do(struct fool *f, enum folly x)
{
	switch (x) {
	case FOLLY_RENEGE ... FOLLY_DIVIDE:
		folly_ack(f, x);
		break;
	case FOLLY_SPLIT ... FOLLY_LIE:
	case FOLLY_AFTER_FIN:
		folly_data(f, x);
		break;
	case FOLLY_FIN_BARE:
	case FOLLY_OLD:
	case FOLLY_RST_WILD:
	case FOLLY_OPTIONS:
		folly_flags(f, x);
		break;
	case FOLLY_ABORT:
		if (rng_one_in(&f->rng, 50))
			folly_flags(f, x);
		break;
	case FOLLY_HALF_OPEN:
		f->silent |= rng_one_in(&f->rng, 100);
		break;
	default: /* in all that it says */
		break;
	}
}

/* ---- what it does on its own ---------------------------------------------------------------- */

void silly_tick(struct fool *f)
{
	struct rng *r = &f->rng;
	struct ev e = {.kind = EV_SILLY, .p = f};

	if (f->w->healed || f->silent)
		return;
	e.at_ns = f->w->now_ns + rng_log(r, MS, 2 * SEC);
	ev_push(&f->w->q, &e);
	if (!f->irs_known) {
		if (!f->active)
			say_hello(f);
		return;
	}
	if (!f->open) {
		if (f->active)
			say_hello(f);
		return;
	}
	for (unsigned i = 0; i < FOLLIES && !f->silent; i++)
		if (has(f, i) && rng_one_in(r, 4))
			folly_do(f, i);
	if (f->silent)
		return;
	if (before(f->una, f->nxt) && rng_one_in(r, 2))
		say_data(f, f->una, room(f, f->una, 1200), false);
	say_data(f, f->nxt, f->fin_sent ? 0 : room(f, f->nxt, 1200), false);
	if (f->fin_sent ? !before(f->fin_seq, f->una)
			: f->nxt == f->iss + 1 + f->down_total || rng_one_in(r, 300))
		say_fin(f);
}

/* ---- what it hears -------------------------------------------------------------------------- */

static void hear_options(struct fool *f, const uint8_t *o, uint32_t n, bool syn)
{
	uint32_t i = 0;

	while (i < n && o[i] != 0) {
		uint32_t len = o[i] == 1 ? 1 : i + 1 < n ? o[i + 1] : 0;

		if (len == 0 || i + len > n)
			break;
		if (o[i] == 3 && syn) {
			f->peer_scale = o[i + 2];
			f->scale = !has(f, FOLLY_DEAF);
		} else if (o[i] == 8) {
			f->ts_ecr = get_be32(o + i + 2);
		} else if (o[i] == 5 && len >= 10 && before(f->una, get_be32(o + i + 2))) {
			f->sack_from = get_be32(o + i + 2);
			f->sack_to = get_be32(o + i + 6);
		}
		i += len;
	}
}

/* Payload [seq, seq + n): in order, or one range ahead, or forgotten. */
static void hear_data(struct fool *f, uint32_t seq, const uint8_t *b, uint32_t n)
{
	uint64_t off = seq - f->irs - 1;

	if (off + n > f->tx_off) {
		world_fail(f->w, "silly: node %u sent %u bytes at %llu, beyond its stream of %llu",
			   f->n->idx, n, (unsigned long long)off, (unsigned long long)f->tx_off);
		return;
	}
	if (memcmp(b, &f->w->pattern[(f->key_up + off) % PATTERN_MOD], n) != 0)
		world_fail(f->w, "silly: node %u sent wrong bytes at %llu", f->n->idx,
			   (unsigned long long)off);
	if (before(f->edge, seq + n))
		world_fail(f->w,
			   "silly: node %u sent %u bytes beyond all windows, follies %x, wnd %u",
			   f->n->idx, seq + n - f->edge, f->follies, f->wnd);
	if (before(f->hi, seq + n))
		f->hi = seq + n;
	if (!before(f->cum, seq) && before(f->cum, seq + n))
		f->cum = seq + n;
}

static void hear_syn(struct fool *f, const uint8_t *t, uint32_t hlen)
{
	if (f->irs_known)
		return;
	f->irs_known = true;
	f->irs = get_be32(t + 4);
	f->cum = f->hi = f->irs + 1;
	hear_options(f, t + 20, hlen - 20, true);
	if (!f->active && !(t[13] & TH_ACK)) /* not what was asked */
		return;
	if (f->active && rng_one_in(&f->rng, 16)) {
		say_ack(f, f->irs + (uint32_t)rng_u64(&f->rng), 1000); /* not yet open */
		return;
	}
	if (f->active)
		say_hello(f);
}

static struct fool *fool_of(struct world *w, unsigned node, uint16_t sport)
{
	for (unsigned i = 0; i < w->nfools; i++)
		if (w->fool[i].n->idx == node && w->fool[i].sport == sport)
			return &w->fool[i];
	return NULL;
}

static void hear_ack(struct fool *f, uint32_t ack, uint32_t wnd, bool syn)
{
	if (!f->open && ack == f->iss + 1) {
		f->open = true;
		f->una = f->nxt = f->sack_from = f->sack_to = ack;
	}
	if (!f->open)
		return;
	if (before(f->nxt, ack)) {
		world_fail(f->w,
			   "silly: node %u ACKs %u beyond what was sent (%u, FIN %d), follies %x",
			   f->n->idx, ack - f->nxt, f->nxt - f->iss, f->fin_sent, f->follies);
		return;
	}
	if (before(f->una, ack))
		f->una = ack;
	if (!syn)
		wnd <<= f->scale ? f->peer_scale : 0;
	f->peer_edge = ack + wnd;
}

void silly_rx(struct world *w, const struct pkt *p)
{
	bool v6 = p->b[ETH_HLEN_BYTES] >> 4 == 6;
	const uint8_t *t = p->b + ETH_HLEN_BYTES + (v6 ? 40 : 20);
	uint32_t seq, hlen, n = pkt_payload(p);
	struct fool *f;

	if (p->b[ETH_HLEN_BYTES + (v6 ? 6 : 9)] != IPPROTO_TCP_ || p->gso ||
	    !pkt_sums_right(p, true))
		return;
	world_mix(w, pkt_hash(w->now_ns, p->b, p->len));
	if (w->cfg.pcap)
		pcap_pkt(w->cfg.pcap, p, w->now_ns);
	w->heard++;
	f = fool_of(w, p->b[11], (uint16_t)(t[2] << 8 | t[3]));
	if (!f || f->silent || (w->healed && !f->answers))
		return;
	seq = get_be32(t + 4);
	hlen = (t[12] >> 4) * 4u;
	if (t[13] & TH_RST) {
		f->silent = f->open || rng_one_in(&f->rng, 2);
		return;
	}
	if (w->healed) {
		struct say s = {.seq = get_be32(t + 8), .flags = TH_RST};

		s.ack = seq + n + !!(t[13] & (TH_SYN | TH_FIN));
		if (!(t[13] & TH_ACK))
			s.seq = 0, s.flags |= TH_ACK;
		say(f, &s);
		return;
	}
	/* One of its wild SYNs has opened a connection anew where the last one was in TIME-WAIT. */
	if ((t[13] & (TH_SYN | TH_ACK)) == (TH_SYN | TH_ACK) && f->open &&
	    before(f->nxt, get_be32(t + 8))) {
		f->silent = true;
		return;
	}
	if (t[13] & TH_SYN)
		hear_syn(f, t, hlen);
	if (!f->irs_known)
		return;
	if (t[13] & TH_ACK)
		hear_ack(f, get_be32(t + 8), (uint32_t)t[14] << 8 | t[15], t[13] & TH_SYN);
	hear_options(f, t + 20, hlen - 20, false);
	if (n)
		hear_data(f, seq, t + hlen, n);
	if ((t[13] & TH_FIN) && f->cum == seq + n)
		f->cum = f->hi = seq + n + 1;
	if (f->open && (n || (t[13] & (TH_FIN | TH_SYN))) && !rng_one_in(&f->rng, 8))
		say_ack(f, f->cum, f->wnd);
}

void silly_draw(struct world *w, struct fool *f, unsigned i)
{
	struct ev e = {.kind = EV_SILLY, .p = f};
	struct rng *r;

	*f = (struct fool){.handle = {HANDLE_FOOL}, .w = w};
	f->rng.s = rng_u64(&w->rng);
	r = &f->rng;
	f->n = &w->node[rng_below(r, w->nnodes)];
	f->v6 = w->family == SIM_FAMILY_6 || (w->family == SIM_FAMILY_MIXED && rng_one_in(r, 2));
	f->active = rng_one_in(r, 2);
	f->sport = (uint16_t)(7000 + i);
	f->nport = f->active ? (uint16_t)(9000 + i) : SIM_PORT;
	f->iss = (uint32_t)rng_u64(r);
	f->nxt = f->iss + 1;
	f->ts_off = (uint32_t)rng_u64(r);
	f->key_up = (uint32_t)rng_below(r, PATTERN_MOD);
	f->key_down = (uint32_t)rng_below(r, PATTERN_MOD);
	f->down_total = (uint32_t)rng_log(r, 1, 60000);
	f->up_total = (uint32_t)rng_log(r, 1, 200000);
	f->wnd = (uint32_t)rng_log(r, 500, 400000);
	f->answers = rng_one_in(r, 2);
	/* A few of them; some all. */
	f->follies = (uint32_t)(rng_u64(r) & rng_u64(r));
	if (rng_one_in(r, 4))
		f->follies = 1u << rng_below(r, FOLLIES);
	f->sack = !has(f, FOLLY_DEAF) && !rng_one_in(r, 4);
	f->ts = !has(f, FOLLY_DEAF) && rng_one_in(r, 2);
	e.at_ns = rng_below(r, w->cfg.span_ns * 9 / 10);
	f->start_ns = e.at_ns;
	ev_push(&w->q, &e);
}
