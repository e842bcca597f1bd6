/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP sockets: their life, who is found for a datagram, options, errors told by ICMP. RFC 768, RFC
 * 1122 4.1. Never answers a datagram without a socket: its port is the kernel's to refuse.
 */
#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

void udp_tables_empty(struct udp_state_tables *u)
{
	for (unsigned i = 0; i < UDP_BUCKETS; i++)
		list_init(&u->bucket[i]);
	u->nconnected = u->frames_held = 0;
}

int udp_tables_init(struct stack *st)
{
	struct udp_state_tables *u = arena_carve(st->arena, sizeof(*u), 64);

	if (u == NULL)
		return -ENOMEM;
	pool_init(&u->socks, st->arena, "udp_sock", sizeof(struct udp_sock), UDP_SOCKS_MAX);
	pool_init(&u->dgrams, st->arena, "udp_dgram", sizeof(struct udp_dgram), UDP_DGRAMS_MAX);
	udp_tables_empty(u);
	st->udp = u;
	return 0;
}

const struct pool *udp_pool(const struct stack *st, unsigned idx)
{
	return idx == 0 ? &st->udp->socks : idx == 1 ? &st->udp->dgrams : NULL;
}

/* ---- the hash ------------------------------------------------------------------------------- */

struct udp_key {
	struct ip_addr local, remote;
	uint16_t lport, rport;
};

/* remote NULL: from anyone. */
static struct list *udp_bucket(struct stack *st, const struct endpoint *local,
			       const struct endpoint *remote)
{
	struct udp_key k;

	memset(&k, 0, sizeof(k));
	k.lport = local->port;
	k.local = local->addr;
	if (remote != NULL) {
		k.remote = remote->addr;
		k.rport = remote->port;
	}
	return &st->udp->bucket[stack_hash(st, &k, sizeof(k)) % UDP_BUCKETS];
}

static bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && ip_addr_eq(&a->addr, &b->addr);
}

/* Bound to local, and not kept from what comes from there by being for IPv6 alone. */
static bool udp_match(const struct udp_sock *us, const struct endpoint *local,
		      const struct endpoint *remote, const struct endpoint *from)
{
	if (!endpoint_eq(&us->sk.local, local) || us->connected != (remote != NULL))
		return false;
	if (us->o.v6only && ip_addr_is_v4(&from->addr))
		return false;
	return remote == NULL || endpoint_eq(&us->sk.remote, remote);
}

/*
 * Of those bound alike the newest takes it, as in Linux with SO_REUSEADDR; with SO_REUSEPORT the
 * flow's hash chooses, so that a flow stays with its socket.
 */
static struct udp_sock *udp_bucket_find(struct stack *st, const struct endpoint *local,
					const struct endpoint *remote, const struct endpoint *from)
{
	struct list *head = udp_bucket(st, local, remote), *n;
	struct udp_sock *first = NULL;
	uint32_t group = 0, pick;
	struct udp_key k;

	list_for_each(n, head) {
		struct udp_sock *us = list_entry(n, struct udp_sock, hash);

		if (!udp_match(us, local, remote, from))
			continue;
		if (first == NULL)
			first = us;
		if (us->o.reuseport)
			group++;
	}
	if (first == NULL || !first->o.reuseport || group < 2)
		return first;
	memset(&k, 0, sizeof(k));
	k.remote = from->addr;
	k.rport = from->port;
	k.lport = local->port;
	pick = (uint32_t)(stack_hash(st, &k, sizeof(k)) % group);
	list_for_each(n, head) {
		struct udp_sock *us = list_entry(n, struct udp_sock, hash);

		if (udp_match(us, local, remote, from) && us->o.reuseport && pick-- == 0)
			return us;
	}
	return first;
}

/* Where a datagram to local looks, in this order; returns how many places these are. */
static unsigned udp_places(const struct endpoint *local, struct endpoint place[3])
{
	unsigned n = 0;

	place[n++] = *local;
	if (ip_addr_is_v4(&local->addr))
		place[n++] = (struct endpoint){.addr = ip_addr_v4(0), .port = local->port};
	place[n++] = (struct endpoint){.port = local->port};
	return n;
}

struct udp_sock *udp_find(struct stack *st, const struct endpoint *local,
			  const struct endpoint *remote)
{
	struct endpoint place[3];
	unsigned n = udp_places(local, place), i;
	struct udp_sock *us = NULL;

	for (i = 0; us == NULL && i < n && st->udp->nconnected > 0; i++)
		us = udp_bucket_find(st, &place[i], remote, remote);
	for (i = 0; us == NULL && i < n; i++)
		us = udp_bucket_find(st, &place[i], NULL, remote);
	return us;
}

void udp_hash(struct stack *st, struct udp_sock *us)
{
	list_push_front(udp_bucket(st, &us->sk.local, us->connected ? &us->sk.remote : NULL),
			&us->hash);
	st->udp->nconnected += us->connected;
}

static void udp_unhash(struct stack *st, struct udp_sock *us)
{
	if (list_empty(&us->hash))
		return;
	list_del(&us->hash);
	st->udp->nconnected -= us->connected;
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool udp_clash(struct stack *st, const struct endpoint *at, const struct endpoint *local,
		      const struct sock_opts *o)
{
	struct list *head = udp_bucket(st, at, NULL), *n;

	list_for_each(n, head) {
		struct udp_sock *us = list_entry(n, struct udp_sock, hash);

		if (!us->connected && endpoint_eq(&us->sk.local, at) &&
		    sock_bind_overlap(&us->sk.local.addr, us->o.v6only, &local->addr, o->v6only) &&
		    !(us->o.reuseport && o->reuseport) && !(us->o.reuseaddr && o->reuseaddr))
			return true;
	}
	return false;
}

/* The kernel's shadow has judged overlapping addresses; here only the same one twice can clash, and
 * one that stands for any with another that does. */
static bool udp_in_use(struct stack *st, const struct endpoint *local, const struct sock_opts *o)
{
	const struct endpoint any4 = {.addr = ip_addr_v4(0), .port = local->port};
	const struct endpoint any6 = {.port = local->port};

	if (!ip_addr_is_any(&local->addr))
		return udp_clash(st, local, local, o);
	return udp_clash(st, &any4, local, o) || udp_clash(st, &any6, local, o);
}

int stack_udp_open(struct stack *st, const struct endpoint *local, const struct sock_opts *o,
		   struct sock **out)
{
	struct udp_sock *us;

	if (udp_in_use(st, local, o))
		return -EADDRINUSE;
	us = pool_get_zeroed(&st->udp->socks);
	if (us == NULL)
		return -ENOMEM;
	sock_init(st, &us->sk, STK_UDP);
	us->sk.local = *local;
	us->o = *o;
	us->rcvbuf = o->rcvbuf ? o->rcvbuf : st->cfg.rmem_default;
	us->sndbuf = o->sndbuf ? o->sndbuf : st->cfg.wmem_default;
	list_init(&us->hash);
	list_init(&us->rcvq);
	list_init(&us->waitq);
	udp_hash(st, us);
	sock_ready(st, &us->sk, RDY_OUT, 0, 0);
	*out = &us->sk;
	return 0;
}

int stack_udp_connect(struct stack *st, struct sock *sk, const struct endpoint *local,
		      const struct endpoint *remote)
{
	AT(st, sk);
	struct udp_sock *us = udp_sock_of(sk);

	udp_unhash(st, us);
	sk->local = *local;
	us->connected = remote != NULL;
	if (remote != NULL)
		sk->remote = *remote;
	else
		memset(&sk->remote, 0, sizeof(sk->remote));
	udp_hash(st, us);
	return 0;
}

void udp_sock_finish(struct stack *st, struct udp_sock *us)
{
	if (!us->sk.orphan || !list_empty(&us->waitq))
		return;
	if (us->dst != NULL)
		dst_put(st, us->dst);
	sock_fini(st, &us->sk);
	pool_put(&st->udp->socks, us);
}

void udp_close(struct stack *st, struct sock *sk)
{
	struct udp_sock *us = udp_sock_of(sk);

	udp_unhash(st, us);
	while (!list_empty(&us->rcvq))
		udp_rcvq_drop(st, us);
	udp_sock_finish(st, us);
}

void udp_disown_all(struct stack *st)
{
	struct pool_walk w = {0};
	struct udp_sock *us;

	while ((us = pool_walk_next(&st->udp->socks, &w)) != NULL)
		if (us->sk.life == SOCK_LIVE)
			us->sk.user = NULL;
}

void udp_sock_reset(struct stack *st, struct udp_sock *us)
{
	uint32_t ready;

	if (us->sk.life != SOCK_LIVE || us->sk.user == NULL || us->sk.orphan) {
		us->sk.life = SOCK_FREE;
		return;
	}
	us->rcvq_cost = us->frames_held = us->nwait = us->wait_bytes = 0;
	us->copied = us->copied_last = NULL;
	us->dst = NULL;
	list_init(&us->hash);
	list_init(&us->rcvq);
	list_init(&us->waitq);
	udp_hash(st, us);
	ready = RDY_OUT | (us->shut_rd ? RDY_IN | RDY_RDHUP : 0) |
		(us->shut_rd && us->shut_wr ? RDY_HUP : 0) | (us->sk.err ? RDY_ERR : 0);
	sock_revive(st, &us->sk, ready);
}

/* Datagrams may be lost: those that waited are, and nobody is told. */
void udp_reset_all(struct stack *st)
{
	struct udp_state_tables *u = st->udp;
	struct pool_walk w = {0};
	struct udp_sock *us;

	udp_tables_empty(u);
	pool_rebuild(&u->dgrams, NULL);
	while ((us = pool_walk_next(&u->socks, &w)) != NULL)
		udp_sock_reset(st, us);
	pool_rebuild(&u->socks, sock_is_live);
}

int udp_shutdown(struct stack *st, struct sock *sk, int how)
{
	struct udp_sock *us = udp_sock_of(sk);
	uint32_t set = 0;

	if (how == SHUT_RD || how == SHUT_RDWR) {
		us->shut_rd = true;
		set |= RDY_IN | RDY_RDHUP;
	}
	if (how == SHUT_WR || how == SHUT_RDWR)
		us->shut_wr = true;
	if (us->shut_rd && us->shut_wr)
		set |= RDY_HUP;
	sock_ready(st, sk, set, 0, set);
	/* As Linux: it takes effect, and the unconnected are told that they are. */
	return us->connected ? 0 : -ENOTCONN;
}

bool udp_connected(const struct sock *sk)
{
	return udp_sock_of(sk)->connected;
}

uint32_t udp_inq(const struct sock *sk)
{
	const struct udp_sock *us = udp_sock_of(sk);

	if (list_empty(&us->rcvq))
		return 0;
	return list_first(&us->rcvq, const struct udp_dgram, node)->len;
}

uint32_t udp_outq(const struct sock *sk)
{
	return udp_sock_of(sk)->wait_bytes;
}

/* ---- options -------------------------------------------------------------------------------- */

static int udp_setopt_ip(struct udp_sock *us, int name, int v)
{
	switch (name) {
	case IP_TOS:
		us->o.tos = (uint8_t)v;
		return 0;
	case IP_TTL:
		if (v != -1 && (v < 1 || v > 255))
			return -EINVAL;
		us->o.ttl = v == -1 ? 0 : (uint8_t)v;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int udp_setopt(struct stack *st, struct sock *sk, int level, int name, const void *val,
	       uint32_t len)
{
	struct udp_sock *us = udp_sock_of(sk);
	int v = 0, err;

	if (level == IPPROTO_IPV6)
		return sock6_setopt(sk, &us->o, name, val, len);
	if (level == IPPROTO_IP && (name == IP_TOS || name == IP_TTL)) {
		/* ip(7): a byte will do */
		if (len == 0 && name == IP_TOS)
			v = 0;
		else if (len >= 1 && len < sizeof(v))
			v = *(const uint8_t *)val;
		else if ((err = sock_opt_int(val, len, &v)) != 0)
			return err;
		return udp_setopt_ip(us, name, v);
	}
	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (name) {
	case SO_RCVBUF:
	case SO_SNDBUF:
	case SO_RCVBUFFORCE:
	case SO_SNDBUFFORCE:
	case SO_REUSEADDR:
	case SO_REUSEPORT:
		break;
	default:
		return -ENOPROTOOPT;
	}
	err = sock_opt_int(val, len, &v);
	if (err != 0)
		return err;
	switch (name) {
	case SO_RCVBUF:
		us->rcvbuf = sock_rcvbuf(st, v);
		break;
	case SO_SNDBUF:
		us->sndbuf = sock_sndbuf(st, v);
		break;
	case SO_RCVBUFFORCE: /* what getsockopt is to give: only the embedder knows who may */
		us->rcvbuf = (uint32_t)v;
		break;
	case SO_SNDBUFFORCE:
		us->sndbuf = (uint32_t)v;
		break;
	case SO_REUSEADDR:
		us->o.reuseaddr = v != 0;
		break;
	case SO_REUSEPORT:
		us->o.reuseport = v != 0;
		break;
	}
	return 0;
}

int udp_getopt(struct stack *st, struct sock *sk, int level, int name, void *val, uint32_t *len)
{
	struct udp_sock *us = udp_sock_of(sk);

	if (level == IPPROTO_IPV6)
		return sock6_getopt(st, &us->o, us->connected ? us->dst : NULL, name, val, len);
	if (level == IPPROTO_IP && name == IP_TOS)
		return sock_opt_put(val, len, us->o.tos);
	if (level == IPPROTO_IP && name == IP_TTL)
		return sock_opt_put(val, len, us->o.ttl ? us->o.ttl : st->cfg.ip_default_ttl);
	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (name) {
	case SO_RCVBUF:
		return sock_opt_put(val, len, (int)us->rcvbuf);
	case SO_SNDBUF:
		return sock_opt_put(val, len, (int)us->sndbuf);
	case SO_REUSEADDR:
		return sock_opt_put(val, len, us->o.reuseaddr);
	case SO_REUSEPORT:
		return sock_opt_put(val, len, us->o.reuseport);
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- errors told by ICMP -------------------------------------------------------------------- */

/* RFC 1122 4.1.3.3, as Linux has it without IP_RECVERR: what may pass is not reported. */
enum stat_id udp_icmp(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
		      const struct icmp_err *e)
{
	struct udp_sock *us = udp_find(st, local, remote);
	struct dst *d;

	if (us == NULL)
		return STAT_drop_icmp;
	if (e->mtu != 0) {
		d = dst_find(st, &remote->addr);
		if (d == NULL || !dst_pmtu_learn(st, d, e->mtu, st->now_ns))
			return STAT_drop_icmp;
	}
	if (e->hard && us->connected) {
		us->sk.err = e->err;
		sock_ready(st, &us->sk, RDY_ERR, 0, RDY_ERR);
	}
	return STAT_icmp_errors;
}
