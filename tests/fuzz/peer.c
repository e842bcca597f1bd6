/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets towards the stack: from pure noise, over packets that would be right but for a detail, to
 * right ones, which carry connections into the states where the details matter. Payload always is a
 * function of the sequence number, so that the application can tell what it reads; lies are told in
 * headers.
 */
#include <string.h>

#include "fuzz.h"

#define ETH 14u
#define IP ETH
#define OPT_MAX 40u

static const uint8_t dev_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};

struct pkt {
	uint8_t b[FZ_PKT_BYTES];
	uint32_t len;
	unsigned dev;
	/* As built, whatever a mutation makes of it: */
	bool v6;
	uint8_t proto;
	uint32_t l4; /* offset of the transport header */
};

/* What a segment is to say. */
struct seg {
	struct flow *w;
	uint32_t seq, ack, len;
	uint16_t wnd, urg;
	uint8_t flags;
	uint8_t opt[OPT_MAX];
	uint32_t nopt;
};

/* ---- building ------------------------------------------------------------------------------- */

static void ip_csum(struct pkt *p)
{
	put16(p->b + IP + 10, 0);
	put16(p->b + IP + 10, ~fz_sum(p->b + IP, 20, 0));
}

static uint8_t *l4_of(struct pkt *p)
{
	return p->b + p->l4;
}

/* Link and IP headers for l4_len bytes at p->l4; the sums are for seal(). */
static void head(struct fz *f, struct pkt *p, unsigned host, uint8_t proto, uint32_t l4_len)
{
	uint8_t *b = p->b;
	bool loop = host % FZ_V6 == FZ_LOOP;
	const struct ip_addr *src = &f->peer[host], *dst = fz_me(f, host);

	p->v6 = host >= FZ_V6;
	p->proto = proto;
	p->l4 = IP + (p->v6 ? 40 : 20);
	memset(b, 0, p->l4);
	if (!loop) {
		memcpy(b, dev_mac, 6);
		memcpy(b + 6, peer_mac, 6);
	}
	if (p->v6) {
		put16(b + 12, 0x86dd);
		b[IP] = 0x60;
		put16(b + IP + 4, l4_len);
		b[IP + 6] = proto;
		b[IP + 7] = 64;
		memcpy(b + IP + 8, src->b, 16);
		memcpy(b + IP + 24, dst->b, 16);
	} else {
		put16(b + 12, 0x0800);
		b[IP] = 0x45;
		put16(b + IP + 2, 20 + l4_len);
		put16(b + IP + 6, 0x4000);
		b[IP + 8] = 64;
		b[IP + 9] = proto;
		memcpy(b + IP + 12, src->b + 12, 4);
		memcpy(b + IP + 16, dst->b + 12, 4);
	}
	p->len = p->l4 + l4_len;
	p->dev = loop ? STACK_DEV_LOOP : FZ_DEV;
}

/* Bytes of the transport's, as the IP header says; 0: the packet does not hold so many. */
static uint32_t l4_bytes(const struct pkt *p)
{
	uint32_t end = p->v6 ? IP + 40u + get16(p->b + IP + 4) : IP + get16(p->b + IP + 2);

	return p->len < p->l4 + 8 || end < p->l4 + 8 || end > p->len ? 0 : end - p->l4;
}

static uint32_t pseudo(const struct pkt *p, uint32_t l4_len)
{
	return p->v6 ? fz_sum(p->b + IP + 8, 32, p->proto + l4_len)
		     : fz_sum(p->b + IP + 12, 8, p->proto + l4_len);
}

/* Payload by its sequence number, then every checksum as it should be. */
static void seal(struct pkt *p)
{
	uint8_t *h = l4_of(p);
	uint32_t l4_len, hlen, at;

	if (!p->v6 && p->len >= p->l4 + 8)
		ip_csum(p);
	l4_len = l4_bytes(p);
	if (l4_len == 0)
		return;
	switch (p->proto) {
	case IPPROTO_TCP_:
		if (l4_len < 20)
			return;
		hlen = (h[12] >> 4) * 4u;
		if (hlen >= 20 && hlen <= l4_len) {
			at = get32(h + 4) + !!(h[13] & TH_SYN);
			memcpy(h + hlen, fz_pattern(at), l4_len - hlen);
		}
		put16(h + 16, 0);
		put16(h + 16, ~fz_sum(h, l4_len, pseudo(p, l4_len)));
		break;
	case IPPROTO_UDP_:
		put16(h + 6, 0);
		at = fz_sum(h, l4_len, pseudo(p, l4_len)) ^ 0xffff;
		put16(h + 6, at ? at : 0xffff);
		break;
	case IPPROTO_ICMP_:
	case IPPROTO_ICMP6_:
		put16(h + 2, 0);
		put16(h + 2, ~fz_sum(h, l4_len, p->v6 ? pseudo(p, l4_len) : 0));
		break;
	}
}

/* True when a segment's sum is right, or only the pseudo-header's, though nobody made it so. */
static bool sum_holds(const struct pkt *p)
{
	const uint8_t *h = p->b + p->l4;
	uint32_t len = l4_bytes(p), sum;

	if (len < 20)
		return false;
	sum = pseudo(p, len);
	return fz_sum(h, len, sum) == 0xffff || get16(h + 16) == sum;
}

static void build(struct fz *f, struct pkt *p, const struct seg *s)
{
	uint32_t hlen = 20 + s->nopt;
	uint8_t *h;

	head(f, p, s->w->host, IPPROTO_TCP_, hlen + s->len);
	h = l4_of(p);
	memset(h, 0, 20);
	put16(h, s->w->rport);
	put16(h + 2, s->w->lport);
	put32(h + 4, s->seq);
	put32(h + 8, s->flags & TH_ACK ? s->ack : 0);
	h[12] = (uint8_t)(hlen / 4 << 4);
	h[13] = s->flags;
	put16(h + 14, s->wnd);
	put16(h + 18, s->urg);
	memcpy(h + 20, s->opt, s->nopt);
}

static void opt_add(struct seg *s, const uint8_t *o, uint32_t n)
{
	if (s->nopt + n > OPT_MAX)
		return;
	memcpy(s->opt + s->nopt, o, n);
	s->nopt += n;
}

static void opt_ts(struct seg *s, uint32_t val, uint32_t ecr)
{
	uint8_t o[12] = {1, 1, 8, 10};

	put32(o + 4, val);
	put32(o + 8, ecr);
	opt_add(s, o, 12);
}

static void opt_sack(struct seg *s, const uint32_t (*blk)[2], unsigned n)
{
	uint8_t o[36] = {1, 1, 5, (uint8_t)(2 + 8 * n)};

	for (unsigned i = 0; i < n; i++) {
		put32(o + 4 + 8 * i, blk[i][0]);
		put32(o + 8 + 8 * i, blk[i][1]);
	}
	opt_add(s, o, 4 + 8 * n);
}

static void opts_syn(struct fz *f, struct seg *s)
{
	struct src *r = &f->src;

	if (!src_one_in(r, 6)) {
		uint8_t o[4] = {2, 4};

		put16(o + 2, src_one_in(r, 4) ? src_interesting(r) : 1460);
		opt_add(s, o, 4);
	}
	if (!src_one_in(r, 4))
		opt_ts(s, s->w->my_ts, s->w->tsval);
	if (!src_one_in(r, 4))
		opt_add(s, (uint8_t[]){1, 1, 4, 2}, 4);
	if (!src_one_in(r, 4))
		opt_add(s, (uint8_t[]){1, 3, 3, (uint8_t)src_pick(r, src_one_in(r, 8) ? 256 : 15)},
			4);
	if (stack_cfg(f->st)->tcp_fastopen && src_one_in(r, 2)) {
		uint8_t o[12] = {1, 1, 34, 10};

		if (f->cookie_known[s->w->host] && !src_one_in(r, 8))
			memcpy(o + 4, f->cookie[s->w->host], 8);
		if (src_one_in(r, 4))
			o[3] = 2;
		opt_add(s, o, o[3] + 2u);
	}
}

/* Options of any kind with any lengths. */
static void opts_soup(struct fz *f, struct seg *s)
{
	uint32_t n = 4 * src_pick(&f->src, OPT_MAX / 4 + 1);

	s->nopt = n;
	fz_fill(f, s->opt, n);
	for (uint32_t i = 0; i < n && !src_one_in(&f->src, 4);) {
		static const uint8_t kind[] = {0, 1, 2, 3, 4, 5, 8, 19, 30, 34, 253, 254};

		s->opt[i++] = kind[src_pick(&f->src, sizeof(kind))];
		if (i < n)
			s->opt[i++] = (uint8_t)src_pick(&f->src, 13);
		i += src_pick(&f->src, 9);
	}
}

/* ---- going in ------------------------------------------------------------------------------- */

static void check_verdict(struct fz *f, enum stat_id r, const uint64_t *before)
{
	const uint64_t *now = stack_stats(f->st);
	uint64_t extra = 0;

	fz_must(f, r < STAT_COUNT);
	fz_must(f, r == STAT_rx_packets || r == STAT_icmp_errors ||
			   stat_info[r].kind == STAT_KIND_DROP);
	fz_must(f, now[STAT_rx_packets] == before[STAT_rx_packets] + 1);
	for (unsigned i = 0; i < STAT_COUNT; i++) {
		uint64_t d = now[i] - before[i], want = i == (unsigned)r;

		if (stat_info[i].kind != STAT_KIND_DROP || d == want)
			continue;
		/* What came earlier, out of order, may turn out to find no room. */
		if (i == STAT_drop_tcp_rcvbuf && d > want)
			extra += d - want;
		else
			fz_fail(f, "%s counted %d times for a packet that ended in %s",
				stat_info[i].name, (int)d, stat_info[r].name);
	}
	fz_must(f, extra <= 1);
}

void fz_inject(struct fz *f, const uint8_t *b, uint32_t len, unsigned dev)
{
	struct frame_pool *fp = stack_frames(f->st);
	uint32_t head_idx = FRAME_NONE, *link = &head_idx, at = 0;
	bool odd = src_one_in(&f->src, 4);
	uint64_t before[STAT_COUNT];
	struct stray stray;
	enum stat_id r;

	do {
		uint32_t idx = frame_get(fp), n = len - at;
		struct frame *m;

		if (idx == FRAME_NONE) {
			if (head_idx != FRAME_NONE)
				frame_put_chain(fp, head_idx);
			return;
		}
		m = frame_meta(fp, idx);
		m->off = (uint16_t)(256 + (odd ? src_pick(&f->src, 3) : 0));
		if (n > 3072)
			n = 3072;
		if (odd && n > 0)
			n = src_one_in(&f->src, 8) ? 0 : 1 + src_pick(&f->src, n < 200 ? n : 200);
		/* What comes after the last byte belongs to somebody else. */
		m->len = (uint16_t)n;
		memcpy(frame_data(fp, idx), b + at, n);
		at += n;
		*link = idx;
		link = &m->next;
	} while (at < len);
	memcpy(before, stack_stats(f->st), sizeof(before));
	f->packets++;
	r = stack_rx(f->st, dev, head_idx, f->now);
	check_verdict(f, r, before);
	while (stack_stray(f->st, &stray))
		frame_put_chain(stack_frames(f->st), stray.frame);
}

/* ---- mutations ------------------------------------------------------------------------------ */

static void mutate_field(struct fz *f, struct pkt *p)
{
	/* offset and width of what a header holds, TCP's last */
	static const uint8_t field[][2] = {
		{0, 1},  {6, 1},  {12, 2}, {14, 1}, {15, 1}, {16, 2}, {18, 2}, {20, 2}, {22, 1},
		{23, 1}, {26, 4}, {30, 4}, {34, 2}, {36, 2}, {38, 4}, {42, 4}, {46, 1}, {47, 1},
		{48, 2}, {52, 2}, {54, 4}, {56, 4}, {58, 4}, {62, 4}, {66, 4}, {70, 4},
	};
	/* and IPv6's, with the start of an extension header */
	static const uint8_t field6[][2] = {{14, 1}, {15, 1}, {16, 2}, {18, 2}, {20, 1},
					    {21, 1}, {22, 4}, {34, 4}, {38, 4}, {50, 4},
					    {54, 1}, {55, 1}, {56, 2}, {57, 1}};
	unsigned i = src_pick(&f->src, ARRAY_SIZE(field)), n = field[i][1];
	uint32_t at = field[i][0], v = src_interesting(&f->src);

	if (p->v6 && at >= 34) {
		at += p->l4 - 34;
	} else if (p->v6 && at >= IP) {
		i = src_pick(&f->src, ARRAY_SIZE(field6));
		at = field6[i][0];
		n = field6[i][1];
	}
	if (at + n > p->len)
		return;
	if (n == 4 && !src_one_in(&f->src, 3))
		v += get32(p->b + at);
	else if (n == 2 && src_one_in(&f->src, 2))
		v += get16(p->b + at);
	if (n == 4)
		put32(p->b + at, v);
	else if (n == 2)
		put16(p->b + at, v);
	else
		p->b[at] = (uint8_t)v;
}

static void resize(struct fz *f, struct pkt *p, uint32_t len, bool tell)
{
	if (len > FZ_PKT_BYTES)
		len = FZ_PKT_BYTES;
	if (len > p->len)
		memset(p->b + p->len, 0x5a, len - p->len);
	p->len = len;
	if (!tell || len < p->l4)
		return;
	if (p->v6)
		put16(p->b + IP + 4, len - IP - 40);
	else
		put16(p->b + IP + 2, len - IP);
	if (p->proto == IPPROTO_UDP_ && len >= p->l4 + 8)
		put16(l4_of(p) + 4, len - p->l4);
}

/* Puts an extension header of that type, n bytes, before what follows the IPv6 header. */
static void ext_insert(struct pkt *p, uint8_t type, const uint8_t *h, uint32_t n)
{
	uint8_t *b = p->b;

	if (!p->v6 || p->len < p->l4 || p->len + n > FZ_PKT_BYTES)
		return;
	memmove(b + 54 + n, b + 54, p->len - 54);
	memcpy(b + 54, h, n);
	b[54] = b[IP + 6];
	b[IP + 6] = type;
	put16(b + IP + 4, get16(b + IP + 4) + n);
	p->len += n;
	p->l4 += n;
}

/* What may stand before any transport header: padding, options to be skipped, a routing header at
 * its end, an atomic fragment. */
static void ext_good(struct fz *f, struct pkt *p)
{
	static const uint8_t pad[8] = {0, 0, 1, 4}, skip[8] = {0, 0, 0x1e, 2, 5, 5, 1, 0},
			     done[8] = {0, 0, 2, 0}, atomic[8] = {0, 0, 0, 0, 9, 9, 9, 9};

	switch (src_pick(&f->src, 4)) {
	case 0:
		ext_insert(p, IP6_EXT_DSTOPTS, src_one_in(&f->src, 2) ? pad : skip, 8);
		break;
	case 1:
		ext_insert(p, IP6_EXT_ROUTING, done, 8);
		break;
	case 2:
		ext_insert(p, IP6_EXT_FRAGMENT, atomic, 8);
		break;
	}
	if (src_one_in(&f->src, 4))
		ext_insert(p, IP6_EXT_HOPOPTS, src_one_in(&f->src, 2) ? pad : skip, 8);
}

/* What may not, or anything. */
static void ext_bad(struct fz *f, struct pkt *p)
{
	static const uint8_t type[] = {IP6_EXT_HOPOPTS, IP6_EXT_ROUTING, IP6_EXT_FRAGMENT,
				       IP6_EXT_NONE, IP6_EXT_DSTOPTS};
	struct src *r = &f->src;
	uint32_t n = 8 * (1 + src_pick(r, 4));
	uint8_t h[32];

	fz_fill(f, h, n);
	if (src_one_in(r, 2)) /* long as it says, with one option of any type */
		memcpy(h, (uint8_t[]){0, (uint8_t)(n / 8 - 1), h[2], (uint8_t)(n - 4)}, 4);
	for (uint32_t k = 1 + (src_one_in(r, 4) ? src_pick(r, 10) : 0); k > 0; k--)
		ext_insert(p, type[src_pick(r, sizeof(type))], h, n);
}

static void mutate(struct fz *f, struct pkt *p)
{
	struct src *r = &f->src;
	uint32_t hdr = p->len < 94 ? p->len : 94;
	unsigned n = 1 + src_pick(r, 3);
	bool fix = !src_one_in(r, 5);

	while (n-- > 0) {
		switch (src_pick(r, 10)) {
		case 0:
		case 1:
			if (hdr > 0)
				p->b[src_pick(r, hdr)] ^= (uint8_t)(1u << src_pick(r, 8));
			break;
		case 2:
			if (hdr > 0)
				p->b[src_pick(r, hdr)] = (uint8_t)src_u64(r);
			break;
		case 3:
			resize(f, p, src_pick(r, p->len + 1), src_one_in(r, 2));
			hdr = p->len < hdr ? p->len : hdr;
			break;
		case 4:
			resize(f, p, p->len + 1 + src_pick(r, src_one_in(r, 16) ? 6000 : 64),
			       src_one_in(r, 2));
			break;
		case 5: /* IP options, with room made for them */
			if (p->v6) {
				ext_bad(f, p);
			} else if (p->len >= p->l4 && p->len + 4 <= FZ_PKT_BYTES) {
				memmove(p->b + p->l4 + 4, p->b + p->l4, p->len - p->l4);
				p->len += 4;
				p->b[IP] = 0x46;
			}
			break;
		case 6: /* a fragment */
			if (p->v6)
				ext_insert(
					p, IP6_EXT_FRAGMENT,
					(uint8_t[]){0, 0, 0, (uint8_t)src_pick(r, 32), 0, 0, 0, 1},
					8);
			else if (p->len >= p->l4)
				put16(p->b + IP + 6, src_pick(r, 4) << 13 | src_pick(r, 3));
			break;
		default:
			mutate_field(f, p);
		}
	}
	/* Some changes leave the sum as it was; then the payload must be what it should be, too. */
	if (fix || sum_holds(p)) {
		seal(p);
		if (src_one_in(r, 12) && p->len > p->l4 + 18) /* a broken sum, all else right */
			l4_of(p)[p->proto == IPPROTO_UDP_ ? 6 : 16] ^= 0x11;
	}
}

static void send(struct fz *f, struct pkt *p, bool mutated)
{
	struct src *r = &f->src;
	unsigned i = f->nreplay % FZ_REPLAYS;

	if (p->v6 && src_one_in(r, 8))
		ext_good(f, p);
	seal(p);
	if (mutated)
		mutate(f, p);
	else if (f->rx_partial_ok && p->len > p->l4 + 18 && p->proto == IPPROTO_TCP_ &&
		 src_one_in(r, 3)) /* only the pseudo-header's sum, as from a veth */
		put16(l4_of(p) + 16, pseudo(p, p->len - p->l4));
	if (p->len <= sizeof(f->replay[0].b) && p->dev == FZ_DEV) {
		memcpy(f->replay[i].b, p->b, p->len);
		f->replay[i].len = p->len;
		f->replay[i].l4 = p->l4;
		f->replay[i].v6 = p->v6;
		f->replay[i].proto = p->proto;
		f->nreplay++;
	}
	fz_inject(f, p->b, p->len, src_one_in(r, 256) ? p->dev ^ 1u : p->dev);
}

/* ---- TCP ------------------------------------------------------------------------------------ */

struct flow *fz_flow(struct fz *f, unsigned host, uint16_t lport, uint16_t rport)
{
	uint32_t i, at = (lport * 31u + rport * 7u + host) % FZ_FLOWS;
	struct flow *w;

	for (i = 0; i < FZ_FLOWS; i++) {
		w = &f->flow[(at + i) % FZ_FLOWS];
		if (w->used && w->lport == lport && w->rport == rport && w->host == host)
			goto out;
		if (!w->used)
			break;
	}
	/* full: another is forgotten, and learnt anew with its next SYN */
	if (i == FZ_FLOWS)
		w = &f->flow[at];
	f->forgot |= i == FZ_FLOWS;
	*w = (struct flow){.used = true, .host = (uint8_t)host, .lport = lport, .rport = rport};
	w->my_iss = (uint32_t)src_u64(&f->src);
	w->my_ts = (uint32_t)src_u64(&f->src);
out:
	f->last_flow = (uint32_t)(w - f->flow);
	return w;
}

static void seg_base(struct fz *f, struct seg *s, struct flow *w)
{
	memset(s, 0, sizeof(*s));
	s->w = w;
	s->seq = w->ack_known ? w->ack : w->my_iss + 1;
	s->ack = w->nxt;
	s->wnd = src_one_in(&f->src, 8) ? (uint16_t)src_interesting(&f->src) : 30000;
	s->flags = TH_ACK;
}

static void new_syn(struct fz *f, struct pkt *p)
{
	struct src *r = &f->src;
	uint16_t lport = (uint16_t)(80 + src_pick(r, 4));
	unsigned host = fz_any_host(f, src_one_in(r, 16) ? 4 : 2);
	struct flow *w = fz_flow(f, host, lport, (uint16_t)(1000 + src_pick(r, 10)));
	struct seg s;

	seg_base(f, &s, w);
	if (!w->ack_known || src_one_in(r, 2))
		w->my_iss = src_one_in(r, 4) ? src_interesting(r) : (uint32_t)src_u64(r);
	s.seq = w->my_iss;
	s.flags = TH_SYN;
	s.len = src_one_in(r, 10) || (stack_cfg(f->st)->tcp_fastopen & 2)
			? src_pick(r, FZ_SYN_BYTES)
			: 0;
	opts_syn(f, &s);
	build(f, p, &s);
}

static struct flow *any_flow(struct fz *f)
{
	struct flow *w = &f->flow[f->last_flow];
	unsigned i;

	if (w->used && w->iss_known && !w->dead && !src_one_in(&f->src, 3))
		return w;
	i = src_pick(&f->src, FZ_FLOWS);
	for (unsigned n = 0; n < FZ_FLOWS; n++) {
		w = &f->flow[(i + n) % FZ_FLOWS];
		if (w->used && w->iss_known && (!w->dead || src_one_in(&f->src, 64))) {
			f->last_flow = (uint32_t)(w - f->flow);
			return w;
		}
	}
	return NULL;
}

/* The answer to a SYN of the stack's. */
static void answer_syn(struct fz *f, struct seg *s)
{
	struct src *r = &f->src;

	s->seq = s->w->my_iss;
	s->flags = TH_SYN | TH_ACK;
	switch (src_pick(r, 16)) {
	case 0:
		s->flags = TH_RST | TH_ACK;
		break;
	case 1: /* simultaneous open */
	case 2:
		s->flags = TH_SYN;
		break;
	case 3:
		s->ack += src_interesting(r);
		break;
	case 4:
		s->flags = (uint8_t)src_u64(r);
		break;
	case 5:
		s->len = src_pick(r, 600);
		break;
	case 6:
		s->flags |= TH_FIN;
		break;
	}
	opts_syn(f, s);
	if (s->flags & TH_SYN)
		s->w->syn_only = src_one_in(r, 4);
}

static void sack_true(struct fz *f, struct seg *s)
{
	uint32_t blk[4][2], at, out, n = 1 + src_pick(&f->src, 3);

	/* the first part of what is out has not come, later parts have */
	s->ack = s->w->nxt - (out = src_pick(&f->src, 20000) + 2);
	if ((int32_t)(s->ack - s->w->iss) < 1)
		s->ack = s->w->iss + 1, out = s->w->nxt - s->ack;
	at = s->ack;
	for (unsigned i = 0; i < n; i++) {
		at += 1 + src_pick(&f->src, out / 4 + 1);
		blk[i][0] = at;
		at += 1 + src_pick(&f->src, out / 4 + 1);
		blk[i][1] = at;
	}
	opt_sack(s, (const uint32_t(*)[2])blk, n);
}

static void sack_lie(struct fz *f, struct seg *s)
{
	uint32_t blk[4][2], n = 1 + src_pick(&f->src, 4);
	uint32_t base = src_one_in(&f->src, 2) ? s->w->nxt : s->w->iss;

	for (unsigned i = 0; i < n; i++) {
		blk[i][0] = base + src_interesting(&f->src);
		blk[i][1] = src_one_in(&f->src, 2) ? blk[i][0] + src_interesting(&f->src)
						   : base - src_pick(&f->src, 5000);
	}
	opt_sack(s, (const uint32_t(*)[2])blk, n);
}

/* What a good peer might send, in good times and bad. */
static void flow_good(struct fz *f, struct seg *s, uint32_t kind, uint32_t small)
{
	struct src *r = &f->src;
	struct flow *w = s->w;

	switch (kind) {
	case 0 ... 5:
		break;  /* an ACK of everything */
	case 6 ... 8: { /* of a part */
		uint32_t part = src_pick(r, 4000);

		s->ack = (int32_t)(w->nxt - part - w->iss) > 0 ? w->nxt - part : w->iss + 1;
		break;
	}
	case 9 ... 14:
		s->len = small;
		s->flags |= src_one_in(r, 2) ? TH_PSH : 0;
		break;
	case 15 ... 18: /* out of order */
		s->seq += 1 + src_pick(r, src_one_in(r, 4) ? 60000 : 6000);
		s->len = small;
		break;
	case 19 ... 20: /* over what it has */
		s->seq -= src_pick(r, 3000);
		s->len = small + src_pick(r, 1500);
		break;
	case 21:
		s->flags |= TH_FIN;
		s->len = src_one_in(r, 2) ? small : 0;
		break;
	case 22: /* a FIN ahead, or again */
		s->flags |= TH_FIN;
		s->seq += src_pick(r, 8) - 4;
		s->len = src_pick(r, 6);
		break;
	}
}

static void flow_hostile(struct fz *f, struct seg *s, uint32_t kind, uint32_t small)
{
	struct src *r = &f->src;
	struct flow *w = s->w;

	switch (kind) {
	case 23:
		if (src_one_in(r, 3))
			s->flags = TH_RST | (src_one_in(r, 2) ? TH_ACK : 0);
		break;
	case 24:
		s->flags = TH_RST;
		s->seq += 1 + src_pick(r, 70000);
		break;
	case 25:
		s->flags = TH_SYN | (src_one_in(r, 2) ? TH_ACK : 0);
		s->seq = src_one_in(r, 2) ? w->my_iss : s->seq + src_interesting(r);
		break;
	case 26 ... 29:
		sack_true(f, s);
		break;
	case 30:
		sack_lie(f, s);
		break;
	case 31:
		s->ack += 1 + src_pick(r, 100000);
		break;
	case 32:
		s->ack = w->iss - src_interesting(r);
		break;
	case 33:
		s->wnd = src_one_in(r, 2) ? 0 : (uint16_t)src_pick(r, 300);
		break;
	case 34: /* keepalives and window probes */
		s->seq -= 1;
		s->len = src_pick(r, 2);
		break;
	case 35: /* about the right edge */
		s->seq = w->edge + src_pick(r, 5) - 2 - src_pick(r, 2) * 1000;
		s->len = src_pick(r, 2) * small;
		break;
	case 36:
		s->flags = (uint8_t)src_u64(r);
		s->len = src_pick(r, 3);
		break;
	case 37:
		s->seq += src_interesting(r);
		s->ack += src_interesting(r);
		s->len = src_pick(r, 2) * small;
		break;
	case 38:
		s->urg = (uint16_t)src_interesting(r);
		s->flags |= TH_URG;
		s->len = small;
		break;
	case 39:
		opts_soup(f, s);
		s->len = src_pick(r, 2) * small;
		break;
	}
}

/* What a segment of an open connection does to it. */
static void flow_kind(struct fz *f, struct seg *s)
{
	struct src *r = &f->src;
	uint32_t small = src_one_in(r, 4) ? 1 + src_pick(r, 20) : 1 + src_pick(r, 1448);
	uint32_t kind = src_pick(r, 40);

	if (kind < 23)
		flow_good(f, s, kind, small);
	else
		flow_hostile(f, s, kind, small);
}

static bool flow_packet(struct fz *f, struct pkt *p)
{
	struct flow *w = any_flow(f);
	struct src *r = &f->src;
	struct seg s;

	if (w == NULL)
		return false;
	seg_base(f, &s, w);
	if (w->syn_only) {
		answer_syn(f, &s);
	} else {
		if (w->ts && !src_one_in(r, 32)) {
			if (!src_one_in(r, 4))
				w->my_ts += src_pick(r, 50);
			opt_ts(&s, src_one_in(r, 40) ? w->my_ts - src_interesting(r) : w->my_ts,
			       src_one_in(r, 24) ? src_interesting(r) : w->tsval);
		}
		flow_kind(f, &s);
	}
	build(f, p, &s);
	return true;
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void udp_packet(struct fz *f, struct pkt *p)
{
	struct src *r = &f->src;
	uint32_t n = src_one_in(r, 4) ? src_pick(r, 1400) : src_pick(r, 64);
	uint8_t *h;

	head(f, p, fz_any_host(f, 3), IPPROTO_UDP_, 8 + n);
	h = l4_of(p);
	put16(h, 5000 + src_pick(r, 3));
	put16(h + 2, 53 + src_pick(r, 5));
	put16(h + 4, 8 + n);
	memset(h + 8, 'u', n);
}

/* An ICMP error about something the stack sent, or has not sent. */
static void icmp_packet(struct fz *f, struct pkt *p)
{
	static const uint16_t mtu[] = {0,   1,    67,   68,   296,  551,  552,
				       576, 1006, 1280, 1499, 1500, 65535};
	static const uint8_t type[2][4] = {{3, 3, 11, 12}, {1, 2, 3, 4}};
	struct src *r = &f->src;
	bool v6 = f->last_out_len > 12 && f->last_out[12] == 0x86;
	uint32_t quoted = v6 ? 48 : 28, k;
	uint8_t *h;

	head(f, p, src_pick(r, 3) + (v6 ? FZ_V6 : 0), v6 ? IPPROTO_ICMP6_ : IPPROTO_ICMP_,
	     8 + quoted + src_pick(r, 3) * 20);
	h = l4_of(p);
	memset(h, 0, p->len - p->l4);
	h[0] = src_one_in(r, 8) ? (uint8_t)src_u64(r) : type[v6][src_pick(r, 4)];
	h[1] = src_one_in(r, 8) ? (uint8_t)src_u64(r) : (uint8_t)src_pick(r, 6);
	put16(h + 6, mtu[src_pick(r, ARRAY_SIZE(mtu))]);
	if (f->last_out_len >= ETH + quoted)
		memcpy(h + 8, f->last_out + ETH, quoted);
	k = quoted + 4; /* the sequence number */
	if (src_one_in(r, 4))
		put32(h + k, get32(h + k) + src_interesting(r));
	if (src_one_in(r, 2))
		put16(h + (v6 ? 12 : 10), src_one_in(r, 2) ? 1500 : src_interesting(r));
	if (f->focus != FZ_ICMP)
		return;
	/* anything in the quotation, too: another header, other ports, options, extensions */
	for (k = src_pick(r, 4); k > 0; k--)
		h[src_pick(r, p->len - p->l4)] = (uint8_t)src_u64(r);
	if (src_one_in(r, 4))
		put32(h + 4, src_interesting(r));
}

static void noise(struct fz *f, struct pkt *p)
{
	struct src *r = &f->src;
	uint32_t n = src_pick(r, src_one_in(r, 16) ? 4000 : 200);

	switch (src_pick(r, 4)) {
	case 0:
		p->len = n;
		p->dev = FZ_DEV;
		p->v6 = false;
		p->proto = IPPROTO_TCP_;
		p->l4 = IP + 20;
		fz_fill(f, p->b, n);
		break;
	case 1: /* noise in IP's place */
		head(f, p, fz_any_host(f, 1), IPPROTO_TCP_, n);
		fz_fill(f, p->b + IP, p->len - IP);
		break;
	default: /* noise above IP */
		head(f, p, fz_any_host(f, 1), (uint8_t[]){6, 17, 1, 58, (uint8_t)n}[src_pick(r, 5)],
		     n);
		fz_fill(f, l4_of(p), n);
	}
}

void fz_packet(struct fz *f)
{
	static struct pkt pkt;
	struct src *r = &f->src;
	struct pkt *p = &pkt;
	bool mutated = src_one_in(r, 5);
	unsigned kind = src_pick(r, 32);

	if (f->focus != FZ_ALL && kind >= 12)
		kind = f->focus == FZ_UDP ? 4 : 6;
	switch (kind) {
	case 0:
		noise(f, p);
		if (src_one_in(r, 2)) {
			fz_inject(f, p->b, p->len, p->dev);
			return;
		}
		break;
	case 1 ... 3:
		new_syn(f, p);
		break;
	case 4 ... 5:
		udp_packet(f, p);
		break;
	case 6 ... 7:
		icmp_packet(f, p);
		break;
	case 8: { /* something that was here before */
		unsigned i = src_pick(r, FZ_REPLAYS);

		p->len = f->replay[i].len;
		p->l4 = f->replay[i].l4;
		p->v6 = f->replay[i].v6;
		p->proto = f->replay[i].proto;
		p->dev = FZ_DEV;
		memcpy(p->b, f->replay[i].b, p->len);
		if (mutated)
			mutate(f, p);
		fz_inject(f, p->b, p->len, FZ_DEV);
		return;
	}
	default:
		if (!flow_packet(f, p))
			new_syn(f, p);
	}
	send(f, p, mutated);
}
