/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams out. Decides whether one goes now, waits for its neighbour, or is refused; never
 * fragments. A socket waits for one destination at a time: datagrams to others that are resolved
 * meanwhile go when it is resumed, or with the next send.
 */
#include "udp.h"

#include <errno.h>

/* Where a datagram goes, and how. */
struct udp_way {
	struct dst *d;
	struct ip_addr src;
	uint16_t dport;
	uint8_t tos;
	int16_t ttl; /* -1: the route's or the configuration's */
	bool frag;
};

/* Bytes of the caller's, taken from the front. */
struct iov_pos {
	const struct iovec *iov;
	size_t off; /* in *iov */
};

/* Takes n bytes, summing them when sum is wanted. The pieces hold as many. */
static uint32_t gather(uint8_t *to, struct iov_pos *p, size_t n, bool want_sum)
{
	uint32_t sum = 0;
	size_t at = 0;

	while (at < n) {
		size_t part = p->iov->iov_len - p->off;
		const uint8_t *from = (const uint8_t *)p->iov->iov_base + p->off;

		if (part > n - at)
			part = n - at;
		if (part == 0) {
			p->iov++;
			p->off = 0;
			continue;
		}
		if (want_sum)
			sum = csum_combine(sum, csum_copy(0, to + at, from, part), at);
		else
			memcpy(to + at, from, part);
		at += part;
		p->off += part;
	}
	return sum;
}

/* What the IP header says. */
static struct ip_tx udp_ip(const struct stack *st, const struct udp_sock *us,
			   const struct udp_way *w)
{
	struct endpoint from = {.addr = w->src, .port = us->sk.local.port};
	struct endpoint to = {.addr = w->d->addr, .port = w->dport};

	return (struct ip_tx){
		.src = &w->src,
		.proto = IPPROTO_UDP_,
		.tos = w->tos,
		.ttl = w->ttl,
		.flow = ip6_flowlabel(st, &us->o, IPPROTO_UDP_, &from, &to),
	};
}

static struct udp_hdr udp_header(const struct udp_sock *us, uint16_t dport, uint32_t len)
{
	return (struct udp_hdr){
		.sport = be16(us->sk.local.port),
		.dport = be16(dport),
		.len = be16((uint16_t)(UDP_HLEN_BYTES + len)),
	};
}

/* One datagram of the next len bytes. 0, or as ip_begin(). */
static int udp_emit(struct stack *st, struct udp_sock *us, const struct udp_way *w,
		    struct iov_pos *p, uint32_t len)
{
	struct udp_hdr h = udp_header(us, w->dport, len);
	struct ip_tx t = udp_ip(st, us, w);
	struct ip_out o;
	uint32_t sum;
	int err;

	err = ip_begin(st, &us->sk, w->d, &t, UDP_HLEN_BYTES + len, 0, &o);
	if (err != 0)
		return err;
	if (w->frag)
		ip_allow_frag(&o);
	memcpy(o.l4, &h, sizeof(h));
	sum = gather(o.l4 + UDP_HLEN_BYTES, p, len, ip_wants_sum(st, w->d));
	sum = csum_combine(sum, csum_add(0, &h, sizeof(h)), 0);
	ip_commit(st, &o, __builtin_offsetof(struct udp_hdr, csum), sum);
	COUNT(st, udp_tx_datagrams);
	return 0;
}

/* ---- trains (UDP_SEGMENT) ------------------------------------------------------------------- */

static void blks_put(struct stack *st, struct blk *b)
{
	while (b != NULL) {
		struct blk *next = b->next;

		blk_put(st, b);
		b = next;
	}
}

/* The next len bytes in blocks; NULL: no memory, and nothing is taken. */
static struct blk *udp_blks(struct stack *st, struct iov_pos *p, uint32_t len)
{
	struct blk *head = NULL, **tail = &head, *b;
	uint32_t left;

	for (left = len; left > 0; left -= b->end) {
		b = blk_get(st);
		if (b == NULL) {
			blks_put(st, head);
			return NULL;
		}
		b->end = left < BLK_DATA_BYTES ? left : BLK_DATA_BYTES;
		*tail = b;
		tail = &b->next;
	}
	for (b = head; b != NULL; b = b->next)
		gather(b->data, p, b->end, false);
	return head;
}

/* The whole train in one, for the device to cut. -ENOBUFS: it can't be had; or as ip_begin(). */
static int udp_emit_super(struct stack *st, struct udp_sock *us, const struct udp_way *w,
			  struct iov_pos *p, uint32_t len, uint16_t gso)
{
	struct udp_hdr h = udp_header(us, w->dport, len);
	struct ip_tx t = udp_ip(st, us, w);
	struct ip_out o;
	struct blk *b;
	int err;

	err = ip_begin(st, &us->sk, w->d, &t, UDP_HLEN_BYTES, len, &o);
	if (err != 0)
		return err;
	b = udp_blks(st, p, len);
	if (b == NULL) {
		ip_cancel(st, &o);
		return -ENOBUFS;
	}
	if (w->frag)
		ip_allow_frag(&o);
	memcpy(o.l4, &h, sizeof(h));
	o.ent->blk = b;
	o.ent->gso_bytes = gso;
	ip_commit(st, &o, __builtin_offsetof(struct udp_hdr, csum), 0);
	/* They are the queue's alone from here on: freed when it is through with them. */
	blks_put(st, b);
	COUNT(st, udp_tx_datagrams);
	COUNT(st, udp_tx_trains);
	return 0;
}

/* One that is no longer than a packet a veth neighbour could take for one: it is cut here. */
static bool udp_super_fits(const struct stack *st, const struct dst *d, uint32_t len, uint16_t gso)
{
	const struct stack_dev *dev = &st->dev[d->info.dev];

	return d->routed && dev->gso_udp && len >= UDP_SUPER_SEGS * gso && len > dev->mtu &&
	       len <= ip_gso_max(st, d);
}

/* All of it, in one datagram or in several: all of them go, or none. As udp_emit(). */
static int udp_emit_all(struct stack *st, struct udp_sock *us, const struct udp_way *w,
			struct iov_pos *p, uint32_t len, uint16_t gso)
{
	uint32_t segs, part;
	int err;

	if (gso == 0 || len <= gso)
		return udp_emit(st, us, w, p, len);
	err = dst_ready(st, w->d, &us->sk);
	if (err != 0)
		return err;
	if (udp_super_fits(st, w->d, len, gso)) {
		err = udp_emit_super(st, us, w, p, len, gso);
		if (err != -ENOBUFS)
			return err;
	}
	segs = (len + gso - 1) / gso;
	if (TXQ_ENTRIES - txq_used(&st->txq) < segs || st->frames.nfree < segs) {
		COUNT(st, tx_queue_full);
		sock_tx_wait(st, &us->sk);
		return -EAGAIN;
	}
	for (; len > 0; len -= part) {
		part = len < gso ? len : gso;
		err = udp_emit(st, us, w, p, part);
		ASSERT(err == 0);
	}
	return 0;
}

/* ---- waiting for the neighbour -------------------------------------------------------------- */

void udp_wait_drop(struct stack *st, struct udp_sock *us, struct udp_dgram *g)
{
	list_del(&g->node);
	us->nwait--;
	us->wait_bytes -= g->len;
	dst_put(st, g->dst);
	blk_put(st, g->blk);
	pool_put(&st->udp->dgrams, g);
}

/* Keeps a copy; the oldest goes when there are too many, as in the kernel's neighbour queue. */
static int udp_wait_add(struct stack *st, struct udp_sock *us, const struct udp_way *w,
			struct iov_pos *p, uint32_t len)
{
	struct udp_dgram *g;

	if (us->nwait == UDP_WAIT_MAX) {
		udp_wait_drop(st, us, list_first(&us->waitq, struct udp_dgram, node));
		COUNT(st, udp_tx_dropped);
	}
	g = pool_get_zeroed(&st->udp->dgrams);
	if (g == NULL)
		return -ENOBUFS;
	g->blk = blk_get(st);
	if (g->blk == NULL) {
		pool_put(&st->udp->dgrams, g);
		return -ENOBUFS;
	}
	gather(g->blk->data, p, len, false);
	g->blk->end = len;
	g->frame = FRAME_NONE;
	g->len = len;
	g->tos = w->tos;
	g->ttl = w->ttl;
	g->frag = w->frag;
	g->local = w->src;
	g->remote = (struct endpoint){.addr = w->d->addr, .port = w->dport};
	g->dst = dst_get(st, &w->d->addr);
	ASSERT(g->dst == w->d);
	list_push_back(&us->waitq, &g->node);
	us->nwait++;
	us->wait_bytes += len;
	return 0;
}

/* Sends what can go; false: no room, and the socket waits for it. */
static bool udp_wait_flush(struct stack *st, struct udp_sock *us)
{
	struct list *n, *tmp;

	list_for_each_safe(n, tmp, &us->waitq) {
		struct udp_dgram *g = list_entry(n, struct udp_dgram, node);
		struct iovec iov = {.iov_base = g->blk->data, .iov_len = g->len};
		struct udp_way w = {g->dst, g->local, g->remote.port, g->tos, g->ttl, g->frag};
		struct iov_pos p = {&iov, 0};
		int err = udp_emit(st, us, &w, &p, g->len);

		if (err == -EAGAIN)
			return false;
		if (err == -EINPROGRESS)
			continue;
		if (err != 0)
			COUNT(st, udp_tx_dropped);
		udp_wait_drop(st, us, g);
	}
	return true;
}

void udp_tx_resume(struct stack *st, struct sock *sk)
{
	AT(st, sk);
	struct udp_sock *us = udp_sock_of(sk);

	if (!udp_wait_flush(st, us))
		return;
	sock_ready(st, sk, RDY_OUT, 0, RDY_OUT);
	udp_sock_finish(st, us);
}

/* The kernel tells nobody of datagrams that die in its neighbour queue but by an error on the
 * socket, EHOSTUNREACH. */
void udp_dst_failed(struct stack *st, struct sock *sk, int err)
{
	AT(st, sk);
	struct udp_sock *us = udp_sock_of(sk);
	struct list *n, *tmp;

	list_for_each_safe(n, tmp, &us->waitq) {
		struct udp_dgram *g = list_entry(n, struct udp_dgram, node);

		if (g->dst->info.state == DST_UNREACHABLE) {
			udp_wait_drop(st, us, g);
			COUNT(st, udp_tx_dropped);
		}
	}
	if (us->connected && !sk->orphan) {
		sk->err = err;
		sock_ready(st, sk, RDY_ERR, 0, RDY_ERR);
	}
	/* Those to other destinations register anew. */
	udp_tx_resume(st, sk);
}

/* ---- send ----------------------------------------------------------------------------------- */

/* The cached destination, if it is the same; a reference stays with the socket. */
static struct dst *udp_dst(struct stack *st, struct udp_sock *us, const struct ip_addr *to)
{
	struct dst *d;

	if (us->dst != NULL && !us->dst->stale && ip_addr_eq(&us->dst->addr, to))
		return us->dst;
	d = dst_get(st, to);
	if (d != NULL) {
		if (us->dst != NULL)
			dst_put(st, us->dst);
		us->dst = d;
	}
	return d;
}

/* IPV6_MTU: what is larger goes in fragments, which are not ours to make. */
static bool udp_beyond_mtu6(const struct udp_sock *us, const struct ip_addr *to, size_t len)
{
	return us->o.mtu6 != 0 && !ip_addr_is_v4(to) &&
	       sizeof(struct ip6_hdr) + UDP_HLEN_BYTES + len > us->o.mtu6;
}

/* 0: w is where it goes. */
static int udp_way_make(struct stack *st, struct udp_sock *us, const struct udp_out *out,
			struct udp_way *w)
{
	const struct endpoint *to = out->to != NULL ? out->to : &us->sk.remote;
	struct ip_tx opts;

	w->src = out->from != NULL ? *out->from : us->sk.local.addr;
	if (ip_addr_is_any(&w->src))
		return -EADDRNOTAVAIL;
	if (ip_addr_is_v4(&w->src) != ip_addr_is_v4(&to->addr))
		return -ENETUNREACH;
	w->d = udp_dst(st, us, &to->addr);
	if (w->d == NULL)
		return -ENOBUFS;
	if (out->ifindex != 0 && (!w->d->routed || st->dev[w->d->info.dev].ifindex != out->ifindex))
		return -EOPNOTSUPP;
	w->dport = to->port;
	opts = ip_tx_of(&us->o, IPPROTO_UDP_, &w->src, 0);
	w->tos = out->flags & UDP_OUT_TOS ? out->tos : opts.tos;
	w->ttl = out->flags & UDP_OUT_TTL ? out->ttl : opts.ttl;
	w->frag = out->flags & UDP_OUT_FRAG;
	return 0;
}

/* Does it fit the path, in packets of gso bytes if that is not 0? */
static bool udp_fits(const struct stack *st, const struct udp_sock *us, const struct udp_out *out,
		     const struct dst *d, size_t len)
{
	size_t one = out->gso_bytes != 0 && len > out->gso_bytes ? out->gso_bytes : len;
	uint32_t mtu = dst_mtu(st, d);

	if (out->mtu != 0 && out->mtu < mtu)
		mtu = out->mtu;
	return ip_hlen(&d->addr) + UDP_HLEN_BYTES + one <= mtu &&
	       !udp_beyond_mtu6(us, &d->addr, one) &&
	       (out->gso_bytes == 0 || len <= (size_t)UDP_GSO_SEGS_MAX * out->gso_bytes);
}

static int udp_wait_all(struct stack *st, struct udp_sock *us, const struct udp_way *w,
			struct iov_pos *p, uint32_t len, uint16_t gso)
{
	uint32_t part;
	int err;

	do {
		part = gso != 0 && len > gso ? gso : len;
		err = udp_wait_add(st, us, w, p, part);
		len -= part;
	} while (err == 0 && len > 0);
	return err;
}

ssize_t stack_udp_send(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
		       const struct udp_out *out, uint64_t now_ns)
{
	AT(st, sk);
	struct udp_sock *us = udp_sock_of(sk);
	struct iov_pos p = {iov, 0};
	struct udp_way w;
	size_t len = 0;
	int err, i;

	st->now_ns = now_ns;
	for (i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > UDP_PAYLOAD_MAX - len)
			return -EMSGSIZE;
		len += iov[i].iov_len;
	}
	if (out->to == NULL && !us->connected)
		return -EDESTADDRREQ;
	if ((out->to != NULL ? out->to : &sk->remote)->port == 0)
		return -EINVAL;
	if (us->shut_wr)
		return -EPIPE;
	err = sock_error_take(st, sk);
	if (err == 0)
		err = udp_way_make(st, us, out, &w);
	if (err != 0)
		return err;
	if (!udp_fits(st, us, out, w.d, len))
		return -EOPNOTSUPP;
	if (out->flags & UDP_OUT_NOWAIT) {
		err = dst_ready(st, w.d, NULL);
		if (err != 0 || w.d->stale)
			return err != 0 ? err : -EINPROGRESS;
	}
	err = udp_emit_all(st, us, &w, &p, (uint32_t)len, out->gso_bytes);
	if (err == -EINPROGRESS)
		err = udp_wait_all(st, us, &w, &p, (uint32_t)len, out->gso_bytes);
	if (err == -EAGAIN)
		sock_ready(st, sk, 0, RDY_OUT, 0);
	return err != 0 ? err : (ssize_t)len;
}
