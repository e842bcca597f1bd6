/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams in: from IP into a socket's queue, and out of it. Decides whether a datagram stays in
 * its frames or is copied (see udp.h), and drops what is beyond the receive buffer. Zero as the
 * checksum means none (RFC 768); over IPv6 it is wrong (RFC 8200 8.1).
 */
#include "udp.h"

#include <errno.h>

/* ---- the copied ones: one stream of bytes, cut up by the queue's lengths -------------------- */

static bool copied_append(struct stack *st, struct udp_sock *us, const struct rx_pkt *p)
{
	uint32_t room = us->copied_last ? BLK_DATA_BYTES - us->copied_last->end : 0, off = 0;
	struct blk *more = NULL, **tail = &more, *b;

	/* All blocks first, so that it is copied whole or not at all. */
	for (; room < p->len; room += BLK_DATA_BYTES) {
		b = blk_get(st);
		if (b == NULL) {
			while ((b = more) != NULL) {
				more = b->next;
				blk_put(st, b);
			}
			return false;
		}
		*tail = b;
		tail = &b->next;
	}
	if (us->copied_last != NULL)
		us->copied_last->next = more;
	else
		us->copied = us->copied_last = more;
	while (off < p->len) {
		uint32_t n;

		b = us->copied_last;
		n = BLK_DATA_BYTES - b->end;
		if (n > p->len - off)
			n = p->len - off;
		rx_copy(st, p, off, b->data + b->end, n);
		b->end += n;
		off += n;
		if (b->next != NULL)
			us->copied_last = b->next;
	}
	return true;
}

static void copied_peek(const struct udp_sock *us, uint32_t off, void *buf, uint32_t n)
{
	const struct blk *b = us->copied;
	uint8_t *to = buf;

	while (n > 0) {
		uint32_t have = b->end - b->start, part;

		if (off < have) {
			part = have - off < n ? have - off : n;
			memcpy(to, b->data + b->start + off, part);
			to += part;
			n -= part;
			off = 0;
		} else {
			off -= have;
		}
		b = b->next;
	}
}

static void copied_drop(struct stack *st, struct udp_sock *us, uint32_t n)
{
	while (us->copied != NULL) {
		struct blk *b = us->copied;
		uint32_t part = b->end - b->start < n ? b->end - b->start : n;

		b->start += part;
		n -= part;
		/* The last one may be filled up further, unless it is empty. */
		if (b->start < b->end)
			break;
		us->copied = b->next;
		if (us->copied == NULL)
			us->copied_last = NULL;
		blk_put(st, b);
	}
	ASSERT(n == 0);
}

/* ---- in ------------------------------------------------------------------------------------- */

static uint32_t chain_frames(struct stack *st, uint32_t idx)
{
	uint32_t n = 0;

	for (; idx != FRAME_NONE; idx = frame_meta(&st->frames, idx)->next)
		n++;
	return n;
}

/* Puts the payload in p into the queue, taking over its frames. */
static enum stat_id udp_queue(struct stack *st, struct udp_sock *us, struct rx_pkt *p,
			      uint16_t sport)
{
	struct udp_state_tables *u = st->udp;
	uint32_t nframes = chain_frames(st, p->frame);
	struct udp_dgram *g;

	/* As Linux: what begins within the buffer is taken whole. */
	if (us->rcvq_cost > us->rcvbuf) {
		us->drops++;
		return STAT_drop_udp_rcvbuf;
	}
	g = pool_get(&u->dgrams);
	if (g == NULL)
		return STAT_drop_udp_memory;
	*g = (struct udp_dgram){
		.frame = p->frame,
		.nframes = nframes,
		.len = p->len,
		.remote = {.addr = p->src, .port = sport},
		.local = p->dst,
		.dev = p->dev,
		.tos = p->tos,
		.ttl = p->ttl,
		.drops = us->drops,
		.rx_ns = st->now_ns,
	};
	if (us->frames_held + nframes > UDP_FRAMES_MAX ||
	    u->frames_held + nframes > st->frames.count / 8) {
		if (!copied_append(st, us, p)) {
			pool_put(&u->dgrams, g);
			return STAT_drop_udp_memory;
		}
		rx_free(st, p);
		g->frame = FRAME_NONE;
		g->nframes = 0;
		COUNT(st, udp_rx_copied);
	}
	us->frames_held += g->nframes;
	u->frames_held += g->nframes;
	us->rcvq_cost += g->len + UDP_DGRAM_COST;
	list_push_back(&us->rcvq, &g->node);
	COUNT(st, udp_rx_datagrams);
	sock_ready(st, &us->sk, RDY_IN, 0, RDY_IN);
	return STAT_rx_packets;
}

enum stat_id udp_rx(struct stack *st, struct rx_pkt *p)
{
	AT(st, NULL);
	struct udp_hdr buf;
	const struct udp_hdr *h = rx_peek(st, p, sizeof(*h), &buf);
	enum stat_id r = STAT_drop_udp_short;
	struct endpoint local, remote;
	struct udp_sock *us;
	uint32_t len;

	if (h == NULL)
		goto drop;
	local = (struct endpoint){.addr = p->dst, .port = be16(h->dport)};
	remote = (struct endpoint){.addr = p->src, .port = be16(h->sport)};
	len = be16(h->len);
	if (len < UDP_HLEN_BYTES || len > p->len)
		goto drop;
	rx_trim(st, p, len);
	r = STAT_drop_udp_csum;
	if (h->csum == 0 ? !ip_addr_is_v4(&p->src)
			 : !rx_csum_ok(st, p, __builtin_offsetof(struct udp_hdr, csum)))
		goto drop;
	r = STAT_drop_udp_no_socket;
	us = udp_find(st, &local, &remote);
	if (us == NULL) {
		if (rx_stray(st, p, __builtin_offsetof(struct udp_hdr, csum), &local, &remote))
			return STAT_drop_stray;
		goto drop;
	}
	at_note(st, us);
	rx_pull(st, p, UDP_HLEN_BYTES);
	r = udp_queue(st, us, p, remote.port);
	if (r == STAT_rx_packets)
		return r;
drop:
	rx_free(st, p);
	return r;
}

/* ---- out ------------------------------------------------------------------------------------ */

void udp_rcvq_drop(struct stack *st, struct udp_sock *us)
{
	struct udp_dgram *g = list_first(&us->rcvq, struct udp_dgram, node);

	list_del(&g->node);
	if (g->frame != FRAME_NONE)
		frame_put_chain(&st->frames, g->frame);
	else
		copied_drop(st, us, g->len);
	us->frames_held -= g->nframes;
	st->udp->frames_held -= g->nframes;
	us->rcvq_cost -= g->len + UDP_DGRAM_COST;
	pool_put(&st->udp->dgrams, g);
	if (list_empty(&us->rcvq) && !us->shut_rd)
		sock_ready(st, &us->sk, 0, RDY_IN, 0);
}

/* Copies g into the iov from its byte skip on; copied_off: where it lies in the copied ones. */
static uint32_t dgram_copy(struct stack *st, const struct udp_sock *us, const struct udp_dgram *g,
			   const struct iovec *iov, int iovcnt, size_t skip, uint32_t copied_off)
{
	struct rx_pkt p = {.frame = g->frame, .len = g->len};
	uint32_t off = 0;
	int i;

	for (i = 0; i < iovcnt && off < g->len; i++) {
		uint8_t *to = iov[i].iov_base;
		size_t room = iov[i].iov_len;
		uint32_t n = g->len - off;

		if (skip >= room) {
			skip -= room;
			continue;
		}
		to += skip;
		room -= skip;
		skip = 0;
		if (room < n)
			n = (uint32_t)room;
		if (g->frame != FRAME_NONE)
			rx_copy(st, &p, off, to, n);
		else
			copied_peek(us, copied_off + off, to, n);
		off += n;
	}
	return off;
}

/* Does b, the next in the queue, go on where the train that a began ends? */
static bool dgram_joins(const struct udp_dgram *a, const struct udp_dgram *b)
{
	return b->len > 0 && b->len <= a->len && a->remote.port == b->remote.port &&
	       ip_addr_eq(&a->remote.addr, &b->remote.addr) && ip_addr_eq(&a->local, &b->local) &&
	       a->dev == b->dev && a->tos == b->tos && a->ttl == b->ttl;
}

static size_t iov_bytes(const struct iovec *iov, int iovcnt)
{
	size_t sum = 0;
	int i;

	for (i = 0; i < iovcnt && sum < UDP_GRO_MAX; i++)
		sum += iov[i].iov_len;
	return sum < UDP_GRO_MAX ? sum : UDP_GRO_MAX;
}

/* Appends to the first n bytes, of first, what may follow it. How many datagrams they are then. */
static uint32_t dgram_train(struct stack *st, const struct udp_sock *us,
			    const struct udp_dgram *first, const struct iovec *iov, int iovcnt,
			    uint32_t *n)
{
	size_t room = iov_bytes(iov, iovcnt);
	uint32_t copied_off = first->frame == FRAME_NONE ? first->len : 0, count = 1;
	const struct list *pos = first->node.next;
	uint32_t last = first->len;

	while (pos != &us->rcvq && count < UDP_GSO_SEGS_MAX && last == first->len && last > 0) {
		const struct udp_dgram *g = list_entry(pos, const struct udp_dgram, node);

		if (!dgram_joins(first, g) || *n + g->len > room)
			break;
		*n += dgram_copy(st, us, g, iov, iovcnt, *n, copied_off);
		if (g->frame == FRAME_NONE)
			copied_off += g->len;
		last = g->len;
		count++;
		pos = pos->next;
	}
	return count;
}

ssize_t stack_udp_recv(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
		       unsigned flags, struct udp_meta *meta, uint64_t now_ns)
{
	AT(st, sk);
	struct udp_sock *us = udp_sock_of(sk);
	const struct udp_dgram *g;
	uint32_t n = 0, count = 1;
	int err;

	st->now_ns = now_ns;
	err = sock_error_take(st, sk);
	if (err != 0)
		return err;
	if (list_empty(&us->rcvq))
		return us->shut_rd ? 0 : -EAGAIN;
	g = list_first(&us->rcvq, const struct udp_dgram, node);
	n = dgram_copy(st, us, g, iov, iovcnt, 0, 0);
	if (flags & RECV_GRO && n == g->len)
		count = dgram_train(st, us, g, iov, iovcnt, &n);
	if (meta != NULL) {
		*meta = (struct udp_meta){
			.from = g->remote,
			.to = g->local,
			.ifindex = st->dev[g->dev].ifindex,
			.tos = g->tos,
			.ttl = (uint8_t)g->ttl,
			.full_len = count > 1 ? n : g->len,
			.gso_bytes = count > 1 ? g->len : 0,
			.drops = g->drops,
			.rx_ns = g->rx_ns,
		};
	}
	if (count > 1)
		COUNT_N(st, udp_rx_coalesced, count);
	if (!(flags & RECV_PEEK)) {
		while (count-- > 0)
			udp_rcvq_drop(st, us);
	}
	return n;
}

uint64_t stack_udp_next_ns(const struct sock *sk)
{
	const struct udp_sock *us = udp_sock_of(sk);

	if (list_empty(&us->rcvq))
		return UINT64_MAX;
	return list_first(&us->rcvq, const struct udp_dgram, node)->rx_ns;
}
