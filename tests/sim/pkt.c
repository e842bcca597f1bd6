/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets as bytes. Its checksums are its own, not the stack's, so that the two check each other.
 * RFC 1071, 791, 792, 8200, 4443, 9293; super-segments are cut as Linux does (the rules of
 * net/ipv4/tcp_offload.c).
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "stack/ip/wire.h"

#define L3 ETH_HLEN_BYTES

struct pkt *pkt_new(uint32_t len)
{
	struct pkt *p = malloc(sizeof(*p) + len);

	if (!p)
		abort();
	p->len = len;
	p->partial = false;
	p->gso = 0;
	return p;
}

struct pkt *pkt_copy(const struct pkt *p)
{
	struct pkt *c = pkt_new(p->len);

	memcpy(c, p, sizeof(*p) + p->len);
	return c;
}

void pkt_free(struct pkt *p)
{
	free(p);
}

static uint32_t sum16(const uint8_t *p, size_t len, uint64_t sum)
{
	size_t i;

	for (i = 0; i + 4 <= len; i += 4) {
		uint32_t v;

		memcpy(&v, p + i, 4);
		sum += v;
	}
	if (i + 2 <= len) {
		uint16_t v;

		memcpy(&v, p + i, 2);
		sum += v;
		i += 2;
	}
	if (i < len)
		sum += p[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

static void put16(uint8_t *p, uint16_t v) /* memory order */
{
	memcpy(p, &v, 2);
}

static void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get_be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get_be32(const uint8_t *p)
{
	return get_be16(p) << 16 | get_be16(p + 2);
}

static void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v & 0xffff);
}

/* Length of the IP header: IPv4 without options or IPv6 without extensions, with room for what it
 * claims; 0: something else. */
static uint32_t ip_len(const struct pkt *p)
{
	const uint8_t *ip = p->b + L3;

	if (p->len >= L3 + 20 && get_be16(p->b + 12) == ETHERTYPE_IP4 && ip[0] == 0x45 &&
	    get_be16(ip + 2) >= 20 && L3 + get_be16(ip + 2) <= p->len)
		return 20;
	if (p->len >= L3 + 40 && get_be16(p->b + 12) == ETHERTYPE_IP6 && ip[0] >> 4 == 6 &&
	    L3 + 40 + get_be16(ip + 4) <= p->len)
		return 40;
	return 0;
}

/* Of a packet for which ip_len() holds, as the next ones. */
static uint32_t l4_len(const struct pkt *p)
{
	return p->b[L3] == 0x45 ? get_be16(p->b + L3 + 2) - 20 : get_be16(p->b + L3 + 4);
}

static uint8_t proto_of(const struct pkt *p)
{
	return p->b[L3 + (p->b[L3] == 0x45 ? 9 : 6)];
}

static uint32_t pseudo_sum(const struct pkt *p)
{
	uint8_t tail[4] = {0, proto_of(p), 0, 0};

	put_be16(tail + 2, l4_len(p));
	if (p->b[L3] == 0x45)
		return sum16(tail, 4, sum16(p->b + L3 + 12, 8, 0));
	return sum16(tail, 4, sum16(p->b + L3 + 8, 32, 0));
}

/* Offset of the checksum from the L4 header; 0: a protocol that has none there. */
static uint32_t csum_at(const struct pkt *p)
{
	switch (proto_of(p)) {
	case IPPROTO_TCP_:
		return 16;
	case IPPROTO_UDP_:
		return 6;
	case IPPROTO_ICMP6_:
		return 2;
	default:
		return 0;
	}
}

struct pkt *pkt_from_ent(struct stack *st, const struct tx_ent *e)
{
	struct pkt *p = pkt_new(e->len + (e->flags & TXF_GSO ? e->blk_len : 0));
	const struct blk *b = e->blk;
	uint32_t at = e->len, off = e->blk_off;

	memcpy(p->b, frame_data(stack_frames(st), e->frame), e->len);
	while (at < p->len) {
		uint32_t n = b->end - off;

		if (n > p->len - at)
			n = p->len - at;
		memcpy(p->b + at, b->data + off, n);
		at += n;
		b = b->next;
		off = b ? b->start : 0;
	}
	p->partial = e->flags & TXF_CSUM;
	p->gso = e->flags & TXF_GSO ? e->gso_bytes : 0;
	return p;
}

uint32_t pkt_payload(const struct pkt *p)
{
	uint32_t hlen, ip = ip_len(p);

	if (!ip || proto_of(p) != IPPROTO_TCP_ || l4_len(p) < 20)
		return 0;
	hlen = (p->b[L3 + ip + 12] >> 4) * 4u;
	return hlen <= l4_len(p) ? l4_len(p) - hlen : 0;
}

struct pkt *pkt_cut(const struct pkt *p, uint32_t seg, uint32_t size)
{
	uint32_t payload = pkt_payload(p), hdrs = p->len - payload, off = seg * size;
	uint32_t n = payload - off < size ? payload - off : size;
	bool first = off == 0, last = off + n == payload;
	struct pkt *c = pkt_new(hdrs + n);
	uint32_t hlen = ip_len(p);
	uint8_t *ip = c->b + L3, *tcp = ip + hlen;

	memcpy(c->b, p->b, hdrs);
	memcpy(c->b + hdrs, p->b + hdrs + off, n);
	if (hlen == 40) {
		put_be16(ip + 4, hdrs - L3 - hlen + n);
	} else {
		put_be16(ip + 2, hdrs - L3 + n);
		put_be16(ip + 4, get_be16(ip + 4) + seg);
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~sum16(ip, 20, 0));
	}
	/* A SYN takes a number of its own, before its data (RFC 7413). */
	put_be32(tcp + 4, get_be32(tcp + 4) + off + (!first && tcp[13] & TH_SYN));
	if (!last)
		tcp[13] &= (uint8_t) ~(TH_FIN | TH_PSH);
	if (!first)
		tcp[13] &= (uint8_t) ~(TH_CWR | TH_SYN);
	put16(tcp + 16, (uint16_t)pseudo_sum(c));
	c->partial = true;
	return c;
}

void pkt_csum_finish(struct pkt *p)
{
	uint8_t *l4 = p->b + L3 + ip_len(p);
	uint32_t at = csum_at(p);

	if (!p->partial || !at)
		return;
	/* The field's sum of the pseudo-header takes part, and makes it complete. */
	put16(l4 + at, (uint16_t)~sum16(l4, l4_len(p), 0));
	p->partial = false;
}

struct pkt *pkt_tcp(const struct pkt_tcp *t)
{
	bool v6 = !ip_addr_is_v4(&t->to);
	uint32_t hlen = v6 ? 40 : 20, l4 = 20 + t->nopt + t->len;
	struct pkt *p = pkt_new(L3 + hlen + l4);
	uint8_t *ip = p->b + L3, *h = ip + hlen;

	memset(p->b, 0, L3 + hlen + 20);
	memcpy(p->b, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)t->to_idx}, 6);
	memcpy(p->b + 6, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)t->from_idx}, 6);
	put_be16(p->b + 12, v6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4);
	if (v6) {
		ip[0] = (uint8_t)(0x60 | t->tos >> 4);
		ip[1] = (uint8_t)(t->tos << 4);
		put_be16(ip + 4, l4);
		ip[6] = IPPROTO_TCP_;
		ip[7] = 64;
		memcpy(ip + 8, t->from.b, 16);
		memcpy(ip + 24, t->to.b, 16);
	} else {
		ip[0] = 0x45;
		ip[1] = t->tos;
		put_be16(ip + 2, 20 + l4);
		ip[6] = 0x40;
		ip[8] = 64;
		ip[9] = IPPROTO_TCP_;
		memcpy(ip + 12, t->from.b + 12, 4);
		memcpy(ip + 16, t->to.b + 12, 4);
		put16(ip + 10, (uint16_t)~sum16(ip, 20, 0));
	}
	put_be16(h, t->sport);
	put_be16(h + 2, t->dport);
	put_be32(h + 4, t->seq);
	put_be32(h + 8, t->ack);
	h[12] = (uint8_t)((20 + t->nopt) / 4 << 4);
	h[13] = t->flags;
	put_be16(h + 14, t->wnd);
	put_be16(h + 18, t->urg);
	memcpy(h + 20, t->opt, t->nopt);
	memcpy(h + 20 + t->nopt, t->data, t->len);
	put16(h + 16, (uint16_t)pseudo_sum(p));
	p->partial = true;
	return p;
}

bool pkt_sums_right(const struct pkt *p, bool partial_ok)
{
	uint32_t hlen = ip_len(p);
	const uint8_t *l4 = p->b + L3 + hlen;
	uint16_t field, pseudo;

	if (!hlen || (hlen == 20 && sum16(p->b + L3, 20, 0) != 0xffff))
		return false;
	if (hlen == 20 && proto_of(p) == IPPROTO_ICMP_)
		return sum16(l4, l4_len(p), 0) == 0xffff;
	if (!csum_at(p) || l4_len(p) < csum_at(p) + 2)
		return true; /* nothing that would tell */
	memcpy(&field, l4 + csum_at(p), 2);
	if (hlen == 20 && proto_of(p) == IPPROTO_UDP_ && !field)
		return true; /* likewise: there is none */
	pseudo = (uint16_t)pseudo_sum(p);
	if (partial_ok && field == pseudo)
		return true;
	return sum16(l4, l4_len(p), pseudo_sum(p)) == 0xffff;
}

static struct pkt *too_big6(const struct pkt *p, uint32_t mtu)
{
	struct pkt *c = pkt_new(L3 + 40 + 8 + 60);
	uint8_t *ip = c->b + L3, *icmp = ip + 40;

	memcpy(c->b, p->b + 6, 6);
	memcpy(c->b + 6, p->b, 6);
	put_be16(c->b + 12, ETHERTYPE_IP6);
	memset(ip, 0, 48);
	ip[0] = 0x60;
	put_be16(ip + 4, 68);
	ip[6] = IPPROTO_ICMP6_;
	ip[7] = 64;
	ip[8] = 0xfd; /* the router */
	ip[23] = 254;
	memcpy(ip + 24, p->b + L3 + 8, 16);
	icmp[0] = 2;
	put_be32(icmp + 4, mtu);
	memcpy(icmp + 8, p->b + L3, 60);
	put16(icmp + 2, (uint16_t)~sum16(icmp, 68, pseudo_sum(c)));
	return c;
}

static struct pkt *frag_needed4(const struct pkt *p, uint32_t mtu)
{
	struct pkt *c = pkt_new(L3 + 20 + 8 + 28);
	uint8_t *ip = c->b + L3, *icmp = ip + 20;

	memcpy(c->b, p->b + 6, 6);
	memcpy(c->b + 6, p->b, 6);
	put_be16(c->b + 12, ETHERTYPE_IP4);
	memset(ip, 0, 28);
	ip[0] = 0x45;
	put_be16(ip + 2, 56);
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP_;
	put_be32(ip + 12, 10u << 24 | 254); /* the router */
	memcpy(ip + 16, p->b + L3 + 12, 4);
	put16(ip + 10, (uint16_t)~sum16(ip, 20, 0));
	icmp[0] = 3;
	icmp[1] = 4;
	put_be16(icmp + 6, mtu);
	memcpy(icmp + 8, p->b + L3, 28);
	put16(icmp + 2, (uint16_t)~sum16(icmp, 36, 0));
	return c;
}

struct pkt *pkt_icmp_frag(const struct pkt *p, uint32_t mtu)
{
	if (ip_len(p) == 40)
		return too_big6(p, mtu);
	return frag_needed4(p, mtu);
}

uint64_t pkt_hash(uint64_t h, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t v;

	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&v, b, 8);
		h = (h ^ v) * 0x9fb21c651e98df25ull;
		h ^= h >> 29;
	}
	v = len;
	memcpy(&v, b, len);
	h = (h ^ v) * 0x9fb21c651e98df25ull;
	return h ^ h >> 32;
}

void pcap_head(FILE *f)
{
	/* nanosecond resolution, Ethernet */
	uint32_t h[6] = {0xa1b23c4d, 4u << 16 | 2, 0, 0, 262144, 1};

	fwrite(h, sizeof(h), 1, f);
}

void pcap_pkt(FILE *f, const struct pkt *p, uint64_t now_ns)
{
	uint32_t h[4] = {(uint32_t)(now_ns / SEC), (uint32_t)(now_ns % SEC), p->len, p->len};

	fwrite(h, sizeof(h), 1, f);
	fwrite(p->b, p->len, 1, f);
}
