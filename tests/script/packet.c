/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets from and to their form in scripts. Building and reading is done here by hand, without the
 * stack's own code: what is wrong there must not be wrong here as well.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

#include "script.h"
#include "stack/ip/wire.h"

uint8_t sc_pattern(uint32_t off)
{
	return (uint8_t)(off * 31 + (off >> 8) * 7);
}

void sc_addr(uint8_t family, bool peer, uint8_t out[16])
{
	static const uint8_t v6[16] = {0x20, 1, 0x0d, 0xb8};

	if (family == FAM_V6) {
		memcpy(out, v6, 16);
		out[15] = peer ? 2 : 1;
	} else {
		memcpy(out, (uint8_t[]){192, 0, 2, peer ? 2 : 1}, 4);
	}
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static uint32_t sum16(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo(uint8_t family, const uint8_t *src, const uint8_t *dst, uint8_t proto,
		       uint32_t len)
{
	uint32_t n = family == FAM_V6 ? 16 : 4;

	return sum16(sum16(proto + len, src, n), dst, n);
}

/* ---- building ------------------------------------------------------------------------------- */

static uint32_t opt_ts_ecr(const struct opt *o, const struct flow *f)
{
	if (o->last)
		return f->ts_last;
	if (o->num[1] == 0)
		return 0;
	return o->num[1] + (f->ts_known ? f->ts_base : 0);
}

static uint32_t build_opt(const struct opt *o, const struct flow *f, uint8_t *b)
{
	switch (o->kind) {
	case OPT_MSS:
		memcpy(b, (uint8_t[]){2, 4}, 2);
		put16(b + 2, o->num[0]);
		return 4;
	case OPT_WSCALE:
		memcpy(b, (uint8_t[]){3, 3, (uint8_t)o->num[0]}, 3);
		return 3;
	case OPT_SACKOK:
		memcpy(b, (uint8_t[]){4, 2}, 2);
		return 2;
	case OPT_TS:
		memcpy(b, (uint8_t[]){8, 10}, 2);
		put32(b + 2, o->num[0]);
		put32(b + 6, opt_ts_ecr(o, f));
		return 10;
	case OPT_SACK:
		memcpy(b, (uint8_t[]){5, (uint8_t)(2 + 4 * o->n)}, 2);
		for (unsigned i = 0; i < o->n; i++)
			put32(b + 2 + 4 * i, o->num[i] + f->iss);
		return 2u + 4u * o->n;
	case OPT_TFO: {
		unsigned n = o->last ? f->tfo_len : o->n;

		memcpy(b, (uint8_t[]){34, (uint8_t)(2 + n)}, 2);
		memcpy(b + 2, o->last ? f->tfo : o->raw, n);
		return 2 + n;
	}
	default:
		memcpy(b, o->raw, o->n);
		return o->n;
	}
}

static uint32_t build_tcp(const struct seg *s, const struct flow *f, uint8_t *b)
{
	uint32_t n = 20;

	memset(b, 0, 20);
	put16(b, SC_PEER_PORT + s->peer);
	put16(b + 2, f->port);
	put32(b + 4, s->seq + f->peer_iss);
	if (s->has_ack)
		put32(b + 8, s->ack + (f->known ? f->iss : SC_ISS_UNKNOWN));
	b[13] = s->flags;
	put16(b + 14, s->win_lo);
	put16(b + 18, s->urg);
	for (unsigned i = 0; i < s->nopt; i++) {
		uint8_t one[64];
		uint32_t len = build_opt(&s->opt[i], f, one);

		if (n + len > 60)
			break;
		memcpy(b + n, one, len);
		n += len;
	}
	while (n & 3)
		b[n++] = 1;
	b[12] = (uint8_t)((s->hlen ? s->hlen : n) / 4 << 4);
	for (uint32_t i = 0; i < s->len; i++)
		b[n + i] = (uint8_t)(sc_pattern(s->seq + !!(s->flags & TH_SYN) + i) ^
				     (s->any_data ? 0xff : 0));
	return n + s->len;
}

static uint32_t build_udp(const struct seg *s, const struct flow *f, uint8_t *b)
{
	put16(b, SC_PEER_PORT + s->peer);
	put16(b + 2, f->port);
	put16(b + 4, 8 + s->len);
	put16(b + 6, 0);
	for (uint32_t i = 0; i < s->len; i++)
		b[8 + i] = sc_pattern(i);
	return 8 + s->len;
}

/* RFC 4884: what is quoted is padded to 128 bytes; then a header and an object of 8. Its bytes. */
static uint32_t build_icmp_ext(const struct seg *s, uint8_t family, uint32_t quoted, uint8_t *b)
{
	if (quoted < 128)
		memset(b + 8 + quoted, 0, 128 - quoted);
	b[family == FAM_V6 ? 4 : 5] = family == FAM_V6 ? 128 / 8 : 128 / 4;
	memset(b + 8 + 128, 0, 12);
	b[8 + 128] = 2 << 4;
	put16(b + 8 + 128 + 4, s->ext == 1 ? 8 : 2);
	return 128 + 12;
}

static uint32_t build_icmp(const struct seg *s, const struct flow *f, uint8_t family, uint8_t *b)
{
	const struct icmp_kind *k = &icmp_kinds[s->icmp];
	uint32_t n = f->sent_len, ip = family == FAM_V6 ? 40 : 20;

	if (n > (family == FAM_V6 ? 1232u : 548u))
		n = family == FAM_V6 ? 1232 : 548;
	b[0] = (uint8_t)(family == FAM_V6 ? k->type6 : k->type4);
	b[1] = (uint8_t)(family == FAM_V6 ? k->code6 : k->code4);
	put32(b + 2, 0);
	put16(b + 6, 0);
	if (s->mtu && family == FAM_V6)
		put32(b + 4, s->mtu);
	else
		put16(b + 6, s->mtu);
	memcpy(b + 8, f->sent, n);
	if (s->quote_seq)
		put32(b + 8 + ip + 4, s->seq + f->iss);
	if (s->ext)
		n = build_icmp_ext(s, family, n, b);
	return 8 + n;
}

static uint32_t build_ip(const struct seg *s, uint8_t family, uint8_t proto, uint32_t len,
			 uint8_t *b)
{
	uint8_t tos = (uint8_t)((s->has_tos ? s->tos : 0) | (s->has_ecn ? s->ecn : 0));
	uint8_t ttl = (uint8_t)(s->has_ttl ? s->ttl_lo : 64);

	if (family == FAM_V6) {
		put32(b, 6u << 28 | (uint32_t)tos << 20);
		put16(b + 4, len);
		b[6] = proto;
		b[7] = ttl;
		sc_addr(family, true, b + 8);
		sc_addr(family, false, b + 24);
		return 40;
	}
	memset(b, 0, 20);
	b[0] = 0x45;
	b[1] = tos;
	put16(b + 2, 20 + len);
	put16(b + 6, s->has_df && !s->df ? 0 : 0x4000);
	b[8] = ttl;
	b[9] = proto;
	sc_addr(family, true, b + 12);
	sc_addr(family, false, b + 16);
	put16(b + 10, ~sum16(0, b, 20));
	return 20;
}

/* Puts the header of s->next behind the n bytes of an IP header, whose sums and lengths follow. */
static uint32_t build_ext(const struct seg *s, uint8_t family, uint8_t *b, uint32_t ip,
			  uint32_t len)
{
	static const struct {
		uint8_t proto, body[7];
	} ext[] = {
		[EXT_HOP] = {0, {0, 1, 4, 0, 0, 0, 0}},
		[EXT_DST] = {60, {0, 1, 4, 0, 0, 0, 0}},
		[EXT_DST_DROP] = {60, {0, 0x5e, 4, 0, 0, 0, 0}},
		[EXT_ROUTING] = {43, {0, 0, 0, 0, 0, 0, 0}},
		[EXT_ROUTING_LEFT] = {43, {0, 0, 1, 0, 0, 0, 0}},
		[EXT_FRAGMENT] = {44, {0, 0, 0, 0, 0, 0, 1}},
	};
	bool v6 = family == FAM_V6;
	uint32_t n = v6 ? 8 : 4;

	if (!s->next || v6 == (s->next == EXT_OPTIONS))
		return 0;
	memmove(b + ip + n, b + ip, len);
	if (v6) {
		b[ip] = b[6];
		memcpy(b + ip + 1, ext[s->next].body, 7);
		b[6] = ext[s->next].proto;
		put16(b + 4, len + n);
		return n;
	}
	memset(b + ip, 1, n); /* four times nothing */
	b[0] = 0x46;
	put16(b + 2, ip + n + len);
	put16(b + 10, 0);
	put16(b + 10, ~sum16(0, b, ip + n));
	return n;
}

uint32_t packet_build(const struct seg *s, const struct flow *f, uint8_t family, uint8_t *b)
{
	uint32_t ip = family == FAM_V6 ? 40 : 20, len, start = 0;
	uint8_t *l4 = b + ip, src[16], dst[16];
	uint8_t proto = s->proto;
	unsigned at = 16; /* of the checksum */
	uint16_t sum;

	if (s->proto == IPPROTO_TCP) {
		len = build_tcp(s, f, l4);
	} else if (s->proto == IPPROTO_UDP) {
		len = build_udp(s, f, l4);
		at = 6;
	} else {
		len = build_icmp(s, f, family, l4);
		at = 2;
		proto = family == FAM_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	}
	build_ip(s, family, proto, len, b);
	sc_addr(family, true, src);
	sc_addr(family, false, dst);
	if (proto != IPPROTO_ICMP)
		start = pseudo(family, src, dst, proto, len);
	sum = (uint16_t)~sum16(start, l4, len);
	if (s->bad_csum)
		sum ^= 0x5555;
	put16(l4 + at, sum == 0 && proto == IPPROTO_UDP ? 0xffff : sum);
	return ip + len + build_ext(s, family, b, ip, len);
}

/* ---- reading -------------------------------------------------------------------------------- */

static int bad(const char **why, const char *what)
{
	*why = what;
	return -1;
}

static bool read_opt(struct seg *s, const uint8_t *p, uint32_t len)
{
	struct opt *o = &s->opt[s->nopt];

	if (s->nopt == SC_OPTS)
		return false;
	memset(o, 0, sizeof(*o));
	s->nopt++;
	if (p[0] == 2 && len == 4) {
		o->kind = OPT_MSS;
		o->num[0] = get16(p + 2);
	} else if (p[0] == 3 && len == 3) {
		o->kind = OPT_WSCALE;
		o->num[0] = p[2];
	} else if (p[0] == 4 && len == 2) {
		o->kind = OPT_SACKOK;
	} else if (p[0] == 8 && len == 10) {
		o->kind = OPT_TS;
		o->num[0] = get32(p + 2);
		o->num[1] = get32(p + 6);
	} else if (p[0] == 5 && len >= 10 && len <= 34 && len % 8 == 2) {
		o->kind = OPT_SACK;
		o->n = (uint8_t)((len - 2) / 4);
		for (unsigned i = 0; i < o->n; i++)
			o->num[i] = get32(p + 2 + 4 * i);
	} else if (p[0] == 34 && len <= 18) {
		o->kind = OPT_TFO;
		o->n = (uint8_t)(len - 2);
		memcpy(o->raw, p + 2, o->n);
	} else {
		o->kind = OPT_RAW;
		o->n = (uint8_t)len;
		memcpy(o->raw, p, len);
	}
	return true;
}

static bool read_opts(struct seg *s, const uint8_t *p, uint32_t len)
{
	s->opts_mode = OPTS_EXACT;
	while (len > 0 && p[0] != 0) {
		uint32_t n = p[0] == 1 ? 1 : len > 1 ? p[1] : 0;

		if (n == 0 || n > len || (p[0] != 1 && n < 2))
			return false;
		if (p[0] != 1 && !read_opt(s, p, n))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static int read_tcp(struct seg *s, const uint8_t *p, uint32_t len, const char **why)
{
	uint32_t hlen;

	if (len < 20)
		return bad(why, "a TCP header cut short");
	hlen = (uint32_t)(p[12] >> 4) * 4;
	if (hlen < 20 || hlen > len)
		return bad(why, "a wrong TCP header length");
	s->seq = get32(p + 4);
	s->flags = p[13];
	s->has_seq = true;
	s->has_ack = (s->flags & TH_ACK) != 0;
	s->ack = get32(p + 8);
	s->has_win = true;
	s->win_lo = s->win_hi = get16(p + 14);
	s->urg = get16(p + 18);
	s->has_urg = (s->flags & TH_URG) != 0;
	s->len = len - hlen;
	s->data_off += hlen;
	if (!s->has_ack && s->ack != 0)
		return bad(why, "an ACK number without the flag");
	if (p[12] & 0x0f)
		return bad(why, "reserved bits set");
	if (!read_opts(s, p + 20, hlen - 20))
		return bad(why, "malformed options");
	return 0;
}

static int read_ip(const uint8_t *b, uint32_t len, uint8_t family, struct seg *s, uint32_t *l4,
		   const char **why)
{
	uint8_t want[16];
	bool v6 = (b[0] >> 4) == 6;
	unsigned alen = v6 ? 16 : 4, src = v6 ? 8 : 12;

	if (len < 20 || (v6 && len < 40))
		return bad(why, "an IP header cut short");
	if (v6 != (family == FAM_V6))
		return 1;
	s->proto = v6 ? b[6] : b[9];
	if (s->proto != IPPROTO_TCP && s->proto != IPPROTO_UDP)
		return 1;
	*l4 = v6 ? 40 : 20;
	if (v6 ? get16(b + 4) + 40 != len : get16(b + 2) != len || b[0] != 0x45)
		return bad(why, "a wrong IP length");
	if (!v6 && sum16(0, b, 20) != 0xffff)
		return bad(why, "a wrong IP header checksum");
	sc_addr(family, false, want);
	if (memcmp(b + src, want, alen))
		return bad(why, "a source address that is not ours");
	sc_addr(family, true, want);
	if (memcmp(b + src + alen, want, alen))
		return bad(why, "a destination that is not the peer");
	s->has_ttl = s->has_tos = s->has_ecn = s->has_df = true;
	s->ttl_lo = s->ttl_hi = v6 ? b[7] : b[8];
	s->tos = v6 ? get32(b) >> 20 & 0xff : b[1];
	s->ecn = s->tos & 3;
	s->tos &= ~3u;
	s->label = v6 ? get32(b) & 0xfffff : 0;
	s->df = v6 ? 1 : (b[6] & 0x40) != 0;
	if (!v6 && (get16(b + 6) & 0xbfff))
		return bad(why, "a fragment");
	return 0;
}

int packet_parse(const uint8_t *b, uint32_t len, uint8_t family, struct seg *s, const char **why)
{
	uint32_t l4, n;
	const uint8_t *p;
	int r;

	memset(s, 0, offsetof(struct seg, raw));
	r = read_ip(b, len, family, s, &l4, why);
	if (r)
		return r;
	if (len > SC_PKT_MAX)
		return bad(why, "a packet larger than the MTU");
	memcpy(s->raw, b, len);
	s->raw_len = len;
	p = b + l4;
	n = len - l4;
	if (n < 8)
		return bad(why, "a header cut short");
	if (sum16(pseudo(family, b + (family == FAM_V6 ? 8 : 12), b + (family == FAM_V6 ? 24 : 16),
			 s->proto, n),
		  p, n) != 0xffff)
		return bad(why, "a wrong checksum");
	s->has_port = true;
	s->port = get16(p);
	r = (int)get16(p + 2) - (int)SC_PEER_PORT;
	if (r < 1 || r >= (int)SC_PEERS)
		return bad(why, "a port that no peer has");
	s->peer = (uint8_t)r;
	s->data_off = l4;
	if (s->proto == IPPROTO_TCP)
		return read_tcp(s, p, n, why);
	s->data_off += 8;
	s->len = n - 8;
	return get16(p + 4) == n ? 0 : bad(why, "a wrong UDP length");
}

void packet_relative(struct seg *s, const struct flow *f)
{
	if (s->proto != IPPROTO_TCP)
		return;
	/* RFC 9293 3.10.7.1: an answer that has no number to go by says 0 */
	if ((s->flags & (TH_RST | TH_ACK)) != (TH_RST | TH_ACK) || s->seq != 0)
		s->seq -= f->known ? f->iss : SC_ISS_UNKNOWN;
	if (s->has_ack)
		s->ack -= f->peer_iss;
	for (unsigned i = 0; i < s->nopt; i++) {
		struct opt *o = &s->opt[i];

		if (o->kind == OPT_TS)
			o->num[0] -= f->ts_base;
		for (unsigned k = 0; o->kind == OPT_SACK && k < o->n; k++)
			o->num[k] -= f->peer_iss;
	}
}

/* ---- printing ------------------------------------------------------------------------------- */

struct text {
	char *p;
	size_t left;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p, t->left, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->left)
		n = t->left ? (int)t->left - 1 : 0;
	t->p += n;
	t->left -= (size_t)n;
}

static void print_opt(struct text *t, const struct opt *o)
{
	switch (o->kind) {
	case OPT_MSS:
		add(t, "mss %u", o->num[0]);
		break;
	case OPT_WSCALE:
		add(t, "wscale %u", o->num[0]);
		break;
	case OPT_SACKOK:
		add(t, "sackOK");
		break;
	case OPT_TS:
		add(t, "TS val %u ecr %u", o->num[0], o->num[1]);
		break;
	case OPT_SACK:
		add(t, "sack");
		for (unsigned i = 0; i + 1 < o->n; i += 2)
			add(t, " %u:%u", o->num[i], o->num[i + 1]);
		break;
	default:
		add(t, o->kind == OPT_TFO ? "tfo " : "raw ");
		for (unsigned i = 0; i < o->n; i++)
			add(t, "%02x", o->raw[i]);
		break;
	}
}

static void print_tcp(struct text *t, const struct seg *s)
{
	static const char letters[] = "FSRP.UEW";

	for (const char *q = "SFRPUEW."; *q; q++)
		if (s->flags & 1u << (strchr(letters, *q) - letters))
			add(t, "%c", *q);
	add(t, "%s %u:%u(%u)", s->flags ? "" : "-", s->seq, s->seq + s->len, s->len);
	if (s->has_ack)
		add(t, " ack %u", s->ack);
	if (s->has_win)
		add(t, " win %u", s->win_lo);
	if (s->has_urg)
		add(t, " urg %u", s->urg);
	if (s->nopt) {
		add(t, " <");
		for (unsigned i = 0; i < s->nopt; i++) {
			if (i)
				add(t, ",");
			print_opt(t, &s->opt[i]);
		}
		add(t, ">");
	}
}

void packet_print(const struct seg *s, char *out, size_t size)
{
	static const char *const ecn[] = {"", " ect1", " ect0", " ce"};
	struct text t = {out, size};

	if (s->peer != 1)
		add(&t, "%u", s->peer);
	add(&t, " ");
	if (s->proto == IPPROTO_UDP) {
		add(&t, "udp %u", s->len);
	} else if (s->proto == IPPROTO_TCP) {
		print_tcp(&t, s);
	} else {
		add(&t, "icmp %s", icmp_kinds[s->icmp].name);
		if (s->mtu)
			add(&t, " mtu %u", s->mtu);
	}
	if (s->has_ecn && s->ecn)
		add(&t, "%s", ecn[s->ecn & 3]);
	if (s->has_tos && s->tos)
		add(&t, " tos 0x%02x", s->tos);
	if (s->has_ttl && s->ttl_lo != 64)
		add(&t, " ttl %u", s->ttl_lo);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static bool opt_same(const struct opt *w, const struct opt *g, uint32_t tol_ms)
{
	if (w->kind != g->kind)
		return false;
	switch (w->kind) {
	case OPT_MSS:
	case OPT_WSCALE:
		return w->any[0] || w->num[0] == g->num[0];
	case OPT_SACKOK:
		return true;
	case OPT_TS:
		if (!w->any[0] && g->num[0] - w->num[0] + 8 > tol_ms + 8 &&
		    w->num[0] - g->num[0] > (tol_ms > 8 ? 8 : tol_ms))
			return false;
		return w->any[1] || w->num[1] == g->num[1];
	case OPT_SACK:
		return w->n == g->n && !memcmp(w->num, g->num, 4u * w->n);
	case OPT_TFO:
		if (w->any[0])
			return g->n >= 4;
		return w->n == g->n && !memcmp(w->raw, g->raw, w->n);
	default:
		return w->n == g->n && !memcmp(w->raw, g->raw, w->n);
	}
}

static const char *match_opts(const struct seg *w, const struct seg *g, uint32_t tol_ms)
{
	if (w->opts_mode == OPTS_ANY)
		return NULL;
	for (unsigned i = 0; i < w->nopt; i++) {
		bool found = false;

		for (unsigned k = 0; k < g->nopt && !found; k++)
			found = opt_same(&w->opt[i], &g->opt[k], tol_ms);
		if (!found)
			return "options";
	}
	return w->opts_mode == OPTS_EXACT && w->nopt != g->nopt ? "options" : NULL;
}

static const char *match_data(const struct seg *w, const struct seg *g)
{
	uint32_t first = g->proto == IPPROTO_TCP ? g->seq + !!(g->flags & TH_SYN) : 0;

	for (uint32_t i = 0; i < g->len && !w->any_data; i++)
		if (g->raw[g->data_off + i] != sc_pattern(first + i))
			return "payload";
	return NULL;
}

const char *packet_match(const struct seg *w, const struct seg *g, uint32_t tol_ms)
{
	uint8_t not_asked = (w->flags & TH_PSH) || w->no_psh ? 0 : TH_PSH;

	if (w->proto != g->proto)
		return "protocol";
	if (w->peer != g->peer)
		return "peer";
	if ((w->flags ^ g->flags) & ~not_asked & 0xff)
		return "flags";
	if (w->len != g->len)
		return "length";
	if (w->proto == IPPROTO_TCP && w->seq != g->seq)
		return "sequence number";
	if (w->has_ack && w->ack != g->ack)
		return "ack";
	if (w->has_win && (g->win_lo < w->win_lo || g->win_lo > w->win_hi))
		return "window";
	if (w->has_urg && w->urg != g->urg)
		return "urgent pointer";
	if (w->has_ttl && (g->ttl_lo < w->ttl_lo || g->ttl_lo > w->ttl_hi))
		return "ttl";
	if (w->has_tos && w->tos != g->tos)
		return "tos";
	if (w->has_ecn && w->ecn != g->ecn)
		return "ECN bits";
	if (w->has_df && w->df != g->df)
		return "DF";
	if (w->has_port && w->port != g->port)
		return "port";
	if (match_opts(w, g, tol_ms))
		return "options";
	return match_data(w, g);
}
