/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds packets: takes an entry of the transmit queue and a frame, writes the link and IP headers,
 * and finishes the checksum. Never fragments (DF is always set: RFC 1191) and never decides what is
 * sent. One packet is under construction at a time: its entry is the one at the queue's tail, which
 * only ip_commit() moves.
 *
 * RFC 8200 3; RFC 791 3.1, RFC 6864 4.1 (the identification of an atomic datagram means nothing; it
 * counts up, as the device may cut a super-segment into packets that are told apart by it).
 */
#include <errno.h>

#include "../internal.h"

#define IP_TOT_LEN_MAX 65535u

bool ip_wants_sum(const struct stack *st, const struct dst *d)
{
	return !st->dev[d->info.dev].tx_csum;
}

uint32_t ip_gso_max(const struct stack *st, const struct dst *d)
{
	return d->routed ? st->dev[d->info.dev].gso_max_bytes : 0;
}

static uint8_t *eth_write(struct stack *st, const struct dst *d, uint16_t type, uint8_t *b)
{
	struct eth_hdr eth;

	memcpy(eth.dst, d->info.mac, sizeof(eth.dst));
	memcpy(eth.src, st->dev[d->info.dev].mac, sizeof(eth.src));
	eth.type = be16(type);
	memcpy(b, &eth, sizeof(eth));
	return b + sizeof(eth);
}

static uint8_t *ip4_write(struct stack *st, const struct dst *d, const struct ip_tx *t,
			  uint32_t l4_len, uint8_t *b)
{
	struct ip4_hdr h = {
		.ver_ihl = 0x45,
		.tos = t->tos,
		.tot_len = be16((uint16_t)(sizeof(h) + l4_len)),
		.id = be16(st->ip_id++),
		.frag_off = be16(IP4_DF),
		.ttl = t->ttl > 0 ? (uint8_t)t->ttl : st->cfg.ip_default_ttl,
		.proto = t->proto,
		.src = ip_addr_to_v4(t->src),
		.dst = ip_addr_to_v4(&d->addr),
	};

	h.csum = (uint16_t)~csum_fold(csum_add(0, &h, sizeof(h)));
	memcpy(b, &h, sizeof(h));
	return b + sizeof(h);
}

static uint8_t *ip6_write(struct stack *st, const struct dst *d, const struct ip_tx *t,
			  uint32_t l4_len, uint8_t *b)
{
	uint8_t hops = d->info.hop_limit ? d->info.hop_limit : st->cfg.ip6_hop_limit;
	struct ip6_hdr h = {
		.ver_tc_flow = be32(6u << 28 | (uint32_t)t->tos << 20 | (t->flow & IP6_FLOWLABEL)),
		.payload_len = be16((uint16_t)l4_len),
		.next = t->proto,
		.hop_limit = t->ttl >= 0 ? (uint8_t)t->ttl : hops,
	};

	memcpy(h.src, t->src->b, sizeof(h.src));
	memcpy(h.dst, d->addr.b, sizeof(h.dst));
	memcpy(b, &h, sizeof(h));
	return b + sizeof(h);
}

/* An entry and a frame, or -EAGAIN with sk waiting for them. */
static int tx_room_take(struct stack *st, struct sock *sk, uint32_t *frame)
{
	if (txq_used(&st->txq) == TXQ_ENTRIES) {
		COUNT(st, tx_queue_full);
	} else {
		*frame = frame_get(&st->frames);
		if (likely(*frame != FRAME_NONE))
			return 0;
		COUNT(st, tx_no_frame);
	}
	if (sk != NULL)
		sock_tx_wait(st, sk);
	return -EAGAIN;
}

/* Linux sends nothing from an IPv4 address that is gone; of IPv6 it does not ask. */
static bool src_is_ours(struct stack *st, const struct dst *d, const struct ip_addr *src)
{
	if (likely(ip_addr_eq(src, &st->local_seen)) || d->info.dev == STACK_DEV_LOOP)
		return true;
	if (!stack_local_has(st, src))
		return false;
	st->local_seen = *src;
	return true;
}

int ip_begin(struct stack *st, struct sock *sk, struct dst *d, const struct ip_tx *t,
	     uint32_t l4_len, uint32_t bulk, struct ip_out *o)
{
	bool v4 = ip_addr_is_v4(&d->addr);
	uint32_t hdrs = ip_hlen(&d->addr), frame;
	struct tx_ent *e;
	struct frame *m;
	uint8_t *b;
	int err = dst_ready(st, d, sk);

	if (unlikely(err != 0))
		return err;
	if (unlikely(ip_addr_is_v4(t->src) != v4))
		return -ENETUNREACH;
	if (v4 && unlikely(!src_is_ours(st, d, t->src)))
		return -EINVAL;
	ASSERT(bulk == 0 || bulk <= st->dev[d->info.dev].gso_max_bytes);
	if (hdrs + l4_len > (bulk          ? IP_MTU_MAX
			     : t->link_mtu ? dst_link_mtu(st, d)
					   : dst_mtu(st, d)) ||
	    hdrs + l4_len + bulk > IP_TOT_LEN_MAX)
		return -EMSGSIZE;
	err = tx_room_take(st, sk, &frame);
	if (unlikely(err != 0))
		return err;

	m = frame_meta(&st->frames, frame);
	m->off = FRAME_TX_HEADROOM;
	m->len = (uint16_t)(ETH_HLEN_BYTES + hdrs + l4_len);
	b = frame_data(&st->frames, frame);
	b = eth_write(st, d, v4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6, b);
	b = v4 ? ip4_write(st, d, t, l4_len + bulk, b) : ip6_write(st, d, t, l4_len + bulk, b);

	e = &st->txq.ent[st->txq.tail % TXQ_ENTRIES];
	*e = (struct tx_ent){
		.frame = frame,
		.len = m->len,
		.dev = d->info.dev,
		.flags = bulk                           ? TXF_CSUM | TXF_GSO
			 : st->dev[d->info.dev].tx_csum ? TXF_CSUM
							: 0,
		.csum_start = (uint16_t)(ETH_HLEN_BYTES + hdrs),
		.family = v4 ? 4 : 6,
		.proto = t->proto,
		.blk_len = bulk,
	};
	*o = (struct ip_out){.ent = e, .l4 = b, .l4_len = l4_len};
	return 0;
}

/* The pseudo-header's sum, from the header that lies before l4. */
static uint32_t pseudo_sum(const struct ip_out *o)
{
	const struct tx_ent *e = o->ent;
	struct ip_addr src, dst;

	if (e->family == 4) {
		const struct ip4_hdr *h = (const struct ip4_hdr *)(o->l4 - sizeof(*h));

		src = ip_addr_v4(h->src);
		dst = ip_addr_v4(h->dst);
	} else {
		const struct ip6_hdr *h = (const struct ip6_hdr *)(o->l4 - sizeof(*h));

		src = ip_addr_v6(h->src, 0);
		dst = ip_addr_v6(h->dst, 0);
	}
	return csum_pseudo(&src, &dst, e->proto, o->l4_len + e->blk_len);
}

void ip_commit(struct stack *st, struct ip_out *o, uint32_t csum_offset, uint32_t sum)
{
	struct tx_ent *e = o->ent;
	uint32_t pseudo = pseudo_sum(o);
	uint16_t field;

	ASSERT(e == &st->txq.ent[st->txq.tail % TXQ_ENTRIES]);
	ASSERT(csum_offset + sizeof(field) <= o->l4_len);
	ASSERT(!(e->flags & TXF_GSO) || (e->blk != NULL && e->gso_bytes > 0));
	if (e->flags & TXF_CSUM) {
		field = csum_fold(pseudo);
	} else {
		field = (uint16_t)~csum_fold(csum_combine(pseudo, sum, 0));
		/* RFC 768, RFC 8200 8.1: 0 would say that there is no checksum. */
		if (field == 0 && e->proto == IPPROTO_UDP_)
			field = 0xffff;
	}
	memcpy(o->l4 + csum_offset, &field, sizeof(field));
	e->csum_offset = (uint16_t)csum_offset;
	/* whole before it is queued, for stack_mend() */
	__atomic_store_n(&st->txq.tail, st->txq.tail + 1, __ATOMIC_RELEASE);
	COUNT(st, tx_packets);
	COUNT_N(st, tx_bytes, e->len + e->blk_len);
	if (e->flags & TXF_GSO) {
		st->txq_bulk++;
		COUNT(st, tx_super);
	}
}

void ip_cancel(struct stack *st, struct ip_out *o)
{
	frame_put(&st->frames, o->ent->frame);
	o->ent = NULL;
}

void ip_allow_frag(struct ip_out *o)
{
	struct ip4_hdr *h = (struct ip4_hdr *)(o->l4 - sizeof(*h));

	if (o->ent->family != 4)
		return;
	h->frag_off = 0;
	h->csum = 0;
	h->csum = (uint16_t)~csum_fold(csum_add(0, h, sizeof(*h)));
}
