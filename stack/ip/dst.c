/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The destination cache: what the kernel has told of the way to each remote address, and who waits
 * to be told. Decides when to ask and when to give up; never resolves anything itself.
 *
 * An entry begins in DST_ASK, on the list that stack_dst_request() takes from. The answer brings it
 * to DST_WAIT (the route is known, the neighbour is not), DST_OK or DST_UNREACHABLE. An answer that
 * never comes fails the waiters after DST_WAIT_NS, as the kernel's own resolution does after three
 * probes; whoever uses the entry DST_REASK_NS later asks again. After a change of routes whoever
 * uses an entry next waits for it to be asked again: not one packet more goes the old way, as it
 * may be somebody else's by now.
 * Entries that no connection holds are kept, the least recently held first to go, at most DST_MAX.
 *
 * Strangers. A SYN may come from anywhere, and a flood of forged ones from everywhere: each would
 * cost a question to the kernel, an entry here, and (for addresses on the link) an entry of the
 * kernel's own neighbour table. So what a SYN asks for is rationed: DST_UNPROVEN_PER_S new entries
 * a second, of which DST_FRESH_MAX are kept and go before any that a connection has held. Within
 * that the kernel's own word is followed, as with asymmetric routes and policy rules it must be.
 * Beyond it, and for what has no state to wait with (RST, SYN cookies), the answer goes back the
 * way the question came: same device, to the MAC it came from. The neighbour that forwarded the
 * packet is on the link and can forward the answer; where routes are asymmetric and somebody checks
 * sources (rp_filter, RFC 3704) such an answer may be lost, but only in a flood, and the peer asks
 * again. An entry that is known is used in any case, and a connection, once its handshake is
 * complete, always goes where the kernel says.
 */
#include <errno.h>

#include "../internal.h"

#define DST_MAX 65536u
#define DST_BUCKETS 16384u
#define DST_NEIGH_BUCKETS 1024u
#define DST_WAIT_NS 3000000000ull  /* the kernel's mcast_solicit * retrans_time: 3 x 1 s */
#define DST_REASK_NS 1000000000ull /* bounds what one busy connection asks of the kernel */
#define DST_UNPROVEN_PER_S 1000u   /* some ten times what a netlink query costs of a second */
#define DST_FRESH_MAX 4096u
#define SEC_NS 1000000000ull
#define MTU_MIN 68u       /* RFC 791 3.2 */
#define MTU_UNKNOWN 1500u /* before the route is known: Ethernet's */

struct dst_cache {
	struct pool pool;
	struct list ask;   /* dst.ask: to be given to the embedder */
	struct list lru;   /* dst.lru of entries without references, oldest first */
	struct list fresh; /* likewise, of those that no connection ever held */
	uint32_t nfresh;
	uint32_t unproven_left; /* of DST_UNPROVEN_PER_S, in the second that began at */
	uint64_t unproven_ns;
	uint32_t nwaiting; /* entries whose timer is armed: somebody waits for them */
	struct list bucket[DST_BUCKETS];
	struct list neigh[DST_NEIGH_BUCKETS];
};

static void cache_empty(struct dst_cache *c)
{
	unsigned i;

	c->nwaiting = 0;
	list_init(&c->ask);
	list_init(&c->lru);
	list_init(&c->fresh);
	c->nfresh = 0;
	c->unproven_left = DST_UNPROVEN_PER_S;
	c->unproven_ns = 0;
	for (i = 0; i < DST_BUCKETS; i++)
		list_init(&c->bucket[i]);
	for (i = 0; i < DST_NEIGH_BUCKETS; i++)
		list_init(&c->neigh[i]);
}

int dst_init(struct stack *st)
{
	struct dst_cache *c = arena_carve(st->arena, sizeof(*c), 64);

	if (c == NULL)
		return -ENOMEM;
	pool_init(&c->pool, st->arena, "dst", sizeof(struct dst), DST_MAX);
	cache_empty(c);
	st->dst = c;
	return 0;
}

const struct pool *dst_pool(const struct stack *st)
{
	return &st->dst->pool;
}

static struct list *dst_bucket(struct stack *st, const struct ip_addr *a)
{
	return &st->dst->bucket[stack_hash(st, a, sizeof(*a)) % DST_BUCKETS];
}

static struct list *neigh_bucket(struct stack *st, uint8_t dev, const struct ip_addr *next_hop)
{
	return &st->dst->neigh[(stack_hash(st, next_hop, sizeof(*next_hop)) + dev) %
			       DST_NEIGH_BUCKETS];
}

struct dst *dst_find(struct stack *st, const struct ip_addr *addr)
{
	struct list *head = dst_bucket(st, addr), *n;

	list_for_each(n, head) {
		struct dst *d = list_entry(n, struct dst, hash);

		if (ip_addr_eq(&d->addr, addr))
			return d;
	}
	return NULL;
}

static void wait_over(struct stack *st, struct dst *d)
{
	if (!timer_armed(&d->timer))
		return;
	wheel_cancel(&st->wheel, &d->timer);
	st->dst->nwaiting--;
}

static void wait_begin(struct stack *st, struct dst *d)
{
	if (timer_armed(&d->timer))
		return;
	wheel_arm(&st->wheel, &d->timer, st->now_ns + DST_WAIT_NS);
	st->dst->nwaiting++;
}

bool stack_dst_waiting(const struct stack *st)
{
	return st->dst->nwaiting > 0;
}

/* Without references from here on. */
static void lru_add(struct stack *st, struct dst *d)
{
	struct dst_cache *c = st->dst;

	if (d->proven) {
		list_push_back(&c->lru, &d->lru);
		return;
	}
	d->fresh = true;
	c->nfresh++;
	list_push_back(&c->fresh, &d->lru);
}

static void lru_del(struct stack *st, struct dst *d)
{
	list_del(&d->lru);
	if (d->fresh)
		st->dst->nfresh--;
	d->fresh = false;
}

static void dst_free(struct stack *st, struct dst *d)
{
	ASSERT(d->refs == 0 && list_empty(&d->waiters) && list_empty(&d->reqs));
	wait_over(st, d);
	list_del(&d->hash);
	lru_del(st, d);
	list_del(&d->ask);
	list_del(&d->neigh);
	d->live = false;
	pool_put(&st->dst->pool, d);
}

/* Unreferenced, on no list but the hash and the lru. */
static void dst_link(struct stack *st, struct dst *d)
{
	list_init(&d->waiters);
	list_init(&d->reqs);
	list_init(&d->ask);
	list_init(&d->neigh);
	timer_init(&d->timer, TIMER_DST);
	list_init(&d->lru);
	d->fresh = false;
	list_push_back(dst_bucket(st, &d->addr), &d->hash);
	lru_add(st, d);
}

static struct dst *dst_make(struct stack *st, const struct ip_addr *addr)
{
	struct dst_cache *c = st->dst;
	struct dst *d;

	while (c->nfresh >= DST_FRESH_MAX)
		dst_free(st, list_first(&c->fresh, struct dst, lru));
	d = pool_get_zeroed(&c->pool);

	if (d == NULL) {
		struct list *from = list_empty(&c->fresh) ? &c->lru : &c->fresh;

		if (list_empty(from))
			return NULL;
		dst_free(st, list_first(from, struct dst, lru));
		d = pool_get_zeroed(&c->pool);
		ASSERT(d != NULL);
	}
	d->addr = *addr;
	d->info.state = DST_ASK;
	d->live = true;
	dst_link(st, d);
	return d;
}

static bool dst_is_live(const void *obj)
{
	return ((const struct dst *)obj)->live;
}

/* What is known may be half written: good enough to send resets to, and asked for again with
 * that. */
void dst_reset_all(struct stack *st)
{
	struct pool_walk w = {0};
	struct dst *d;

	cache_empty(st->dst);
	while ((d = pool_walk_next(&st->dst->pool, &w)) != NULL) {
		if (!d->live)
			continue;
		d->live = d->info.state == DST_OK && d->routed && d->info.dev < STACK_DEVS;
		d->stale = true;
		d->refs = 0;
		d->asked_ns = 0;
		if (!d->live)
			continue;
		dst_link(st, d);
		list_push_back(neigh_bucket(st, d->info.dev, &d->info.next_hop), &d->neigh);
	}
	pool_rebuild(&st->dst->pool, dst_is_live);
}

/* Puts d on the request list, unless it is there or was asked for a moment ago. */
static void dst_ask(struct stack *st, struct dst *d)
{
	if (!list_empty(&d->ask) || (d->asked_ns != 0 && st->now_ns < d->asked_ns + DST_REASK_NS))
		return;
	d->asked_ns = st->now_ns;
	list_push_back(&st->dst->ask, &d->ask);
	COUNT(st, dst_requests);
}

struct dst *dst_get(struct stack *st, const struct ip_addr *addr)
{
	struct dst *d = dst_find(st, addr);

	if (d == NULL) {
		d = dst_make(st, addr);
		if (d == NULL)
			return NULL;
		dst_ask(st, d);
	}
	d->proven = true;
	if (d->refs++ == 0)
		lru_del(st, d);
	return d;
}

static bool unproven_allowed(struct stack *st)
{
	struct dst_cache *c = st->dst;

	if (st->now_ns - c->unproven_ns >= SEC_NS) {
		c->unproven_ns = st->now_ns;
		c->unproven_left = DST_UNPROVEN_PER_S;
	}
	if (c->unproven_left == 0)
		return false;
	c->unproven_left--;
	return true;
}

struct dst *dst_get_unproven(struct stack *st, const struct ip_addr *addr)
{
	struct dst *d = dst_find(st, addr);

	if (d == NULL) {
		if (!unproven_allowed(st))
			return NULL;
		d = dst_make(st, addr);
		if (d == NULL)
			return NULL;
		dst_ask(st, d);
	}
	if (d->refs++ == 0)
		lru_del(st, d);
	return d;
}

void dst_prove(struct dst *d)
{
	d->proven = true;
}

struct dst *dst_back(struct stack *st, const struct ip_addr *addr, uint8_t dev,
		     const uint8_t mac[6], struct dst *tmp)
{
	struct dst *d = dst_find(st, addr);

	if (d != NULL && d->info.state == DST_OK)
		return d;
	if (d != NULL && d->info.state == DST_UNREACHABLE && !d->stale) {
		dst_ask(st, d); /* nobody else may, and it may be there again */
		return NULL;
	}
	if (mac[0] & 1)
		return NULL; /* no station sends from a group's address: all would get the answer */
	memset(tmp, 0, sizeof(*tmp));
	tmp->addr = *addr;
	tmp->info.state = DST_OK;
	tmp->info.dev = dev;
	memcpy(tmp->info.mac, mac, sizeof(tmp->info.mac));
	tmp->routed = true;
	COUNT(st, dst_reflected);
	return tmp;
}

void dst_put(struct stack *st, struct dst *d)
{
	ASSERT(d->refs > 0);
	if (--d->refs > 0)
		return;
	lru_add(st, d);
}

/* A waiter holds a reference. */
static void dst_wait(struct stack *st, struct dst *d, struct sock *sk)
{
	if (sk == NULL)
		return;
	list_del(&sk->txw);
	list_push_back(&d->waiters, &sk->txw);
	wait_begin(st, d);
}

void dst_wait_req(struct stack *st, struct dst *d, struct list *req)
{
	list_del(req);
	list_push_back(&d->reqs, req);
	wait_begin(st, d);
}

int dst_ready(struct stack *st, struct dst *d, struct sock *sk)
{
	if (unlikely(d->stale)) {
		dst_ask(st, d);
		/* What can't wait goes the old way, rather than nowhere. */
		if (sk != NULL || d->info.state != DST_OK) {
			dst_wait(st, d, sk);
			return -EINPROGRESS;
		}
	}
	switch (d->info.state) {
	case DST_OK:
		if (likely(st->dev[d->info.dev].up))
			return 0;
		COUNT(st, dst_unreachable);
		return -ENETUNREACH;
	case DST_UNREACHABLE:
		/* not for ever */
		if (d->asked_ns != 0 && st->now_ns < d->asked_ns + DST_REASK_NS) {
			COUNT(st, dst_unreachable);
			return -d->info.err;
		}
		d->info.state = DST_ASK;
		break;
	case DST_ASK:
	case DST_WAIT:
		break;
	}
	dst_ask(st, d);
	dst_wait(st, d, sk);
	return -EINPROGRESS;
}

uint32_t dst_link_mtu(const struct stack *st, const struct dst *d)
{
	uint32_t mtu = d->routed ? st->dev[d->info.dev].mtu : MTU_UNKNOWN;

	if (d->info.mtu != 0 && d->info.mtu < mtu)
		mtu = d->info.mtu;
	if (mtu > IP_MTU_MAX)
		mtu = IP_MTU_MAX;
	return mtu < MTU_MIN ? MTU_MIN : mtu;
}

uint32_t dst_mtu(const struct stack *st, const struct dst *d)
{
	uint32_t mtu = dst_link_mtu(st, d);

	if (d->pmtu != 0 && d->pmtu < mtu && st->now_ns < d->pmtu_until_ns)
		mtu = d->pmtu;
	return mtu < MTU_MIN ? MTU_MIN : mtu;
}

bool dst_pmtu_learn(struct stack *st, struct dst *d, uint32_t mtu, uint64_t now_ns)
{
	bool v4 = ip_addr_is_v4(&d->addr);
	/* below min_pmtu a lie costs more than it gains */
	uint32_t min = v4 ? st->cfg.min_pmtu : IP6_MTU_MIN;

	if (mtu < min)
		mtu = min;
	if (mtu >= dst_mtu(st, d))
		return false;
	d->pmtu = mtu;
	/* RFC 1191 6.3: then the path may have become better */
	d->pmtu_until_ns =
		now_ns + (v4 ? st->cfg.mtu_expires_s : st->cfg.mtu6_expires_s) * 1000000000ull;
	return true;
}

static void waiter_failed(struct stack *st, struct sock *sk, int err)
{
	switch ((enum sock_type)sk->type) {
	case STK_TCP:
		tcp_dst_failed(st, sk, err);
		break;
	case STK_UDP:
		udp_dst_failed(st, sk, err);
		break;
	case STK_LISTENER:
		break;
	}
}

/* Fails those that wait now; silent: as the neighbour does not answer, not by a route. One that
 * waits again while being told waits for the next answer. */
static void dst_fail(struct stack *st, struct dst *d, int err, bool silent)
{
	struct list *last = d->waiters.prev, *n;

	d->info.state = DST_UNREACHABLE;
	d->silent = silent;
	d->info.err = err;
	d->asked_ns = st->now_ns;
	wait_over(st, d);
	list_del(&d->ask);
	while (!list_empty(
		&d->reqs)) /* they have timers of their own, for what is lost on the way */
		list_del(d->reqs.next);
	/* A waiter that closes must not take it away. */
	if (d->refs++ == 0)
		lru_del(st, d);
	while (!list_empty(&d->waiters)) {
		n = d->waiters.next;
		list_del(n);
		COUNT(st, dst_unreachable);
		waiter_failed(st, list_entry(n, struct sock, txw), err);
		if (n == last)
			break;
	}
	dst_put(st, d);
}

/* Output goes on from stack_run(), in turn with all that waits for room. */
static void dst_wake(struct stack *st, struct dst *d)
{
	wait_over(st, d);
	tcp_dst_ready(st, &d->reqs);
	while (!list_empty(&d->waiters))
		sock_tx_wait(st, list_first(&d->waiters, struct sock, txw));
}

void dst_timer(struct stack *st, struct timer *t)
{
	struct dst *d = container_of(t, struct dst, timer);

	st->dst->nwaiting--;
	dst_fail(st, d, EHOSTUNREACH, true);
}

bool stack_dst_request(struct stack *st, struct ip_addr *dst)
{
	struct dst *d;

	if (list_empty(&st->dst->ask))
		return false;
	d = list_first(&st->dst->ask, struct dst, ask);
	list_del(&d->ask);
	*dst = d->addr;
	return true;
}

/* Another way: what was learnt of the old one's path MTU no longer holds. */
static void dst_route(struct stack *st, struct dst *d, const struct dst_info *info)
{
	if (d->routed && d->info.dev == info->dev && ip_addr_eq(&d->info.next_hop, &info->next_hop))
		return;
	d->pmtu = 0;
	d->routed = true;
	list_del(&d->neigh);
	list_push_back(neigh_bucket(st, info->dev, &info->next_hop), &d->neigh);
}

void stack_dst_set(struct stack *st, const struct ip_addr *dst, const struct dst_info *info,
		   uint64_t now_ns)
{
	struct dst *d = dst_find(st, dst);

	ASSERT(info->dev < STACK_DEVS);
	st->now_ns = now_ns;
	if (d == NULL)
		d = dst_make(st, dst);
	if (d == NULL)
		return;
	d->stale = false;
	d->asked_ns = 0;
	list_del(&d->ask);
	switch (info->state) {
	case DST_ASK:
		d->info.state = DST_ASK;
		if (!list_empty(&d->waiters))
			dst_ask(st, d);
		break;
	case DST_WAIT:
	case DST_OK:
		dst_route(st, d, info);
		d->info = *info;
		if (info->state == DST_OK)
			dst_wake(st, d);
		break;
	case DST_UNREACHABLE:
		dst_fail(st, d, info->err, false);
		break;
	}
}

void stack_neigh_set(struct stack *st, uint8_t dev, const struct ip_addr *next_hop,
		     const uint8_t *mac, uint64_t now_ns)
{
	struct list *head = neigh_bucket(st, dev, next_hop), *n, *tmp;

	st->now_ns = now_ns;
	list_for_each_safe(n, tmp, head) {
		struct dst *d = list_entry(n, struct dst, neigh);

		if (d->info.dev != dev || !ip_addr_eq(&d->info.next_hop, next_hop))
			continue;
		if (mac != NULL) {
			memcpy(d->info.mac, mac, sizeof(d->info.mac));
			if (d->info.state == DST_UNREACHABLE && d->info.err != EHOSTUNREACH)
				continue;
			d->info.state = DST_OK;
			dst_wake(st, d);
		} else if (d->info.state == DST_WAIT) {
			dst_fail(st, d, EHOSTUNREACH, true);
		} else if (d->info.state == DST_OK) {
			/* Whoever sends next has the kernel try again. */
			d->info.state = DST_ASK;
			d->asked_ns = 0;
		}
	}
}

void stack_dst_flush(struct stack *st)
{
	struct list *n, *tmp;
	unsigned i;

	for (i = 0; i < DST_BUCKETS; i++) {
		list_for_each_safe(n, tmp, &st->dst->bucket[i]) {
			struct dst *d = list_entry(n, struct dst, hash);

			if (d->refs == 0) {
				dst_free(st, d);
				continue;
			}
			d->stale = true;
			/* What failed for want of a route may work now. */
			d->asked_ns = 0;
		}
	}
}
