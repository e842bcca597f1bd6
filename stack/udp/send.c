/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams out. Decides whether one goes now, waits for its neighbour, or is refused; never
 * fragments. A socket waits for one destination at a time: datagrams to others that are resolved
 * meanwhile go when it is resumed, or with the next send.
 */
#include "udp.h"

#include <errno.h>

/* Copies n bytes from offset off of the pieces, summing them when sum is wanted. */
static uint32_t gather(uint8_t *to, const struct iovec *iov, int iovcnt, bool want_sum)
{
	uint32_t sum = 0;
	size_t at = 0;
	int i;

	for (i = 0; i < iovcnt; i++) {
		size_t n = iov[i].iov_len;

		if (n == 0)
			continue;
		if (want_sum)
			sum = csum_combine(sum, csum_copy(0, to + at, iov[i].iov_base, n), at);
		else
			memcpy(to + at, iov[i].iov_base, n);
		at += n;
	}
	return sum;
}

/* 0, or as ip_begin(). */
static int udp_emit(struct stack *st, struct udp_sock *us, struct dst *d, const struct ip_addr *src,
		    uint16_t dport, const struct iovec *iov, int iovcnt, uint32_t len)
{
	struct udp_hdr h = {
		.sport = be16(us->sk.local.port),
		.dport = be16(dport),
		.len = be16((uint16_t)(UDP_HLEN_BYTES + len)),
	};
	struct endpoint from = {.addr = *src, .port = us->sk.local.port};
	struct endpoint to = {.addr = d->addr, .port = dport};
	struct ip_tx t = ip_tx_of(&us->o, IPPROTO_UDP_, src,
				  ip6_flowlabel(st, &us->o, IPPROTO_UDP_, &from, &to));
	struct ip_out o;
	uint32_t sum;
	int err;

	err = ip_begin(st, &us->sk, d, &t, UDP_HLEN_BYTES + len, 0, &o);
	if (err != 0)
		return err;
	memcpy(o.l4, &h, sizeof(h));
	sum = gather(o.l4 + UDP_HLEN_BYTES, iov, iovcnt, ip_wants_sum(st, d));
	sum = csum_combine(sum, csum_add(0, &h, sizeof(h)), 0);
	ip_commit(st, &o, __builtin_offsetof(struct udp_hdr, csum), sum);
	COUNT(st, udp_tx_datagrams);
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
static int udp_wait_add(struct stack *st, struct udp_sock *us, struct dst *d,
			const struct ip_addr *src, uint16_t dport, const struct iovec *iov,
			int iovcnt, uint32_t len)
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
	gather(g->blk->data, iov, iovcnt, false);
	g->blk->end = len;
	g->frame = FRAME_NONE;
	g->len = len;
	g->local = *src;
	g->remote = (struct endpoint){.addr = d->addr, .port = dport};
	g->dst = dst_get(st, &d->addr);
	ASSERT(g->dst == d);
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
		int err = udp_emit(st, us, g->dst, &g->local, g->remote.port, &iov, 1, g->len);

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
static bool udp_beyond_mtu6(const struct udp_sock *us, const struct endpoint *to, size_t len)
{
	return us->o.mtu6 != 0 && !ip_addr_is_v4(&to->addr) &&
	       sizeof(struct ip6_hdr) + UDP_HLEN_BYTES + len > us->o.mtu6;
}

ssize_t stack_udp_send(struct stack *st, struct sock *sk, const struct iovec *iov, int iovcnt,
		       const struct endpoint *to, const struct ip_addr *from, uint64_t now_ns)
{
	struct udp_sock *us = udp_sock_of(sk);
	const struct ip_addr *src = &sk->local.addr;
	size_t len = 0;
	struct dst *d;
	int err, i;

	st->now_ns = now_ns;
	for (i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > UDP_PAYLOAD_MAX - len)
			return -EMSGSIZE;
		len += iov[i].iov_len;
	}
	if (to == NULL && !us->connected)
		return -EDESTADDRREQ;
	if (to == NULL)
		to = &sk->remote;
	if (to->port == 0)
		return -EINVAL;
	if (us->shut_wr)
		return -EPIPE;
	err = sock_error_take(st, sk);
	if (err != 0)
		return err;
	if (from != NULL)
		src = from;
	if (ip_addr_is_any(src))
		return -EADDRNOTAVAIL;
	if (ip_addr_is_v4(src) != ip_addr_is_v4(&to->addr))
		return -ENETUNREACH;
	d = udp_dst(st, us, &to->addr);
	if (d == NULL)
		return -ENOBUFS;
	if (ip_hlen(&to->addr) + UDP_HLEN_BYTES + len > dst_mtu(st, d) ||
	    udp_beyond_mtu6(us, to, len))
		return -EOPNOTSUPP;
	err = udp_emit(st, us, d, src, to->port, iov, iovcnt, (uint32_t)len);
	if (err == -EINPROGRESS)
		err = udp_wait_add(st, us, d, src, to->port, iov, iovcnt, (uint32_t)len);
	if (err == -EAGAIN)
		sock_ready(st, sk, 0, RDY_OUT, 0);
	return err != 0 ? err : (ssize_t)len;
}
