/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where packets go: what the kernel says about a destination's route (its policy rules included)
 * and about the next hop's link address. The kernel resolves (RFC 826 and RFC 4861 are its
 * business): a missing neighbour is asked of it, and its news are passed on to the stack.
 * Neighbours we send to are touched now and then, as the kernel doesn't see our traffic and would
 * let them go stale.
 */
#include "shim/dev/internal.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "stack/ip/wire.h"

/* Below the kernel's base_reachable_time (30 s, from half of it on at random). */
#define REFRESH_NS 10000000000ull
#define REFRESH_HOPS 256u
#define ANSWERS_MAX 256

struct neigh_req {
	struct nlmsghdr h;
	struct ndmsg m;
	uint8_t attr[RTA_SPACE(16)];
};

struct route_req {
	struct nlmsghdr h;
	struct rtmsg m;
	uint8_t attr[RTA_SPACE(16) + RTA_SPACE(4)];
};

int net_by_ifindex(const struct dev_state *ds, uint32_t ifindex)
{
	unsigned i;

	for (i = 0; i < ds->nnets; i++) {
		if (ds->net[i].used && ds->net[i].ifindex == ifindex)
			return (int)i;
	}
	return -1;
}

/* ---- routes --------------------------------------------------------------------------------- */

static void route_reply(struct dev_state *ds, const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	struct route_info *ri = arg;
	unsigned bytes = m->rtm_family == AF_INET ? 4 : 16;
	const struct rtattr *metrics;
	const struct rtvia *via;
	const void *p;

	if (h->nlmsg_type != RTM_NEWROUTE || len < 0)
		return;
	ri->type = m->rtm_type;
	p = nl_attr_find(RTM_RTA(m), len, RTA_OIF, 4);
	if (p)
		memcpy(&ri->oif, p, 4);
	p = nl_attr_find(RTM_RTA(m), len, RTA_PREFSRC, bytes);
	if (p)
		ri->src = addr_from(p, bytes, ri->oif);
	p = nl_attr_find(RTM_RTA(m), len, RTA_GATEWAY, bytes);
	if (p)
		ri->next_hop = addr_from(p, bytes, ri->oif);
	/* A gateway of the other family (RFC 8950). */
	via = nl_attr_find(RTM_RTA(m), len, RTA_VIA, sizeof(*via) + 4);
	p = nl_attr_find(RTM_RTA(m), len, RTA_VIA, sizeof(*via) + 16);
	if (via && via->rtvia_family == AF_INET)
		ri->next_hop = addr_from(via->rtvia_addr, 4, ri->oif);
	else if (p && via->rtvia_family == AF_INET6)
		ri->next_hop = addr_from(via->rtvia_addr, 16, ri->oif);
	else if (via)
		ri->oif = 0;
	metrics = nl_attr_find(RTM_RTA(m), len, RTA_METRICS, 4);
	if (metrics) {
		const struct rtattr *holder =
			(const struct rtattr *)((const char *)metrics - RTA_LENGTH(0));

		p = nl_attr_find(metrics, (int)RTA_PAYLOAD(holder), RTAX_MTU, 4);
		if (p)
			memcpy(&ri->mtu, p, 4);
		p = nl_attr_find(metrics, (int)RTA_PAYLOAD(holder), RTAX_HOPLIMIT, 4);
		if (p)
			memcpy(&ri->hop_limit, p, 4);
	}
}

int route_get(struct dev_state *ds, const struct ip_addr *dst, struct route_info *ri)
{
	struct route_req req = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(req.m)), .nlmsg_type = RTM_GETROUTE},
		.m = {.rtm_family = addr_family(dst)},
	};
	uint32_t oif = (uint32_t)dst->scope;
	const void *p;
	size_t n;
	int err;

	*ri = (struct route_info){.next_hop = *dst};
	p = addr_bytes(dst, &n);
	req.m.rtm_dst_len = (uint8_t)(n * 8);
	nl_attr_put(&req.h, sizeof(req), RTA_DST, p, n);
	if (oif)
		nl_attr_put(&req.h, sizeof(req), RTA_OIF, &oif, 4);
	err = nl_talk(ds, &req.h, route_reply, ri);
	if (ri->src.scope && oif) /* of a local destination the kernel names lo */
		ri->src.scope = oif;
	return err;
}

int dev_route_mtu(struct stackrec *sr, const struct ip_addr *dst, int *dev, struct ip_addr *src,
		  uint32_t *mtu)
{
	struct dev_state *ds = sr->dev;
	struct route_info ri;
	int err;

	*dev = -1;
	if (!ds || !dev_ready(ds) || dev_fd(ds, DEV_FD_NETLINK) < 0)
		return -ENODEV;
	err = route_get(ds, dst, &ri);
	if (err)
		return err;
	*src = ri.src;
	*mtu = ri.mtu;
	if (ri.type == RTN_LOCAL) {
		*dev = ds->loop ? STACK_DEV_LOOP : -1;
	} else if (ri.type == RTN_UNICAST) {
		int net = net_by_ifindex(ds, ri.oif);

		*dev = net < 0 ? -1 : net + 1;
	}
	return 0;
}

int dev_route(struct stackrec *sr, const struct ip_addr *dst, int *dev, struct ip_addr *src)
{
	uint32_t mtu;

	return dev_route_mtu(sr, dst, dev, src, &mtu);
}

/* ---- next hops ------------------------------------------------------------------------------ */

static struct hop *hop_find(struct dev_state *ds, unsigned net, const struct ip_addr *a, bool make)
{
	uint32_t h = (a->w[0] ^ a->w[1] * 31u ^ a->w[2] * 131u ^ a->w[3] ^ net * 0x9e3779b9u) *
		     0x85ebca6bu;
	struct hop *set = &ds->hop[(h >> 16) % (DEV_HOPS / DEV_HOP_WAYS) * DEV_HOP_WAYS];
	struct hop *oldest = set;
	unsigned i;

	for (i = 0; i < DEV_HOP_WAYS; i++) {
		if (set[i].net == net + 1 && ip_addr_eq(&set[i].addr, a))
			return &set[i];
		if (set[i].net == 0 || set[i].asked_ns < oldest->asked_ns)
			oldest = &set[i];
	}
	if (!make)
		return NULL;
	*oldest = (struct hop){.addr = *a, .net = (uint8_t)(net + 1)};
	return oldest;
}

/* For a process that has given up its privileges: an empty datagram to the discard port (RFC 863)
 * makes the kernel resolve as well. */
static int hop_poke(struct dev_state *ds, const struct hop *hop)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
				    .sin6_port = be16(9),
				    .sin6_scope_id = ds->net[hop->net - 1].ifindex};
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_port = be16(9), .sin_addr.s_addr = hop->addr.w[3]};
	int err;

	memcpy(&sin6.sin6_addr, hop->addr.b, 16);
	if (ip_addr_is_v4(&hop->addr))
		err = (int)sys_sendto(dev_fd(ds, DEV_FD_POKE), "", 0, MSG_DONTWAIT | MSG_DONTROUTE,
				      (struct sockaddr *)&sin, sizeof(sin));
	else
		err = (int)sys_sendto(dev_fd(ds, DEV_FD_POKE6), "", 0, MSG_DONTWAIT | MSG_DONTROUTE,
				      (struct sockaddr *)&sin6, sizeof(sin6));
	return err < 0 && err != -EAGAIN && err != -ECONNREFUSED ? err : 0;
}

/* Makes the kernel resolve, or confirm, a next hop. */
static int hop_ask(struct dev_state *ds, struct hop *hop, uint64_t when_ns)
{
	const struct netdev *nd = &ds->net[hop->net - 1];
	struct neigh_req req = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(req.m)),
		      .nlmsg_type = RTM_NEWNEIGH,
		      .nlmsg_flags = NLM_F_CREATE | NLM_F_ACK},
		.m = {.ndm_family = addr_family(&hop->addr),
		      .ndm_ifindex = (int)nd->ifindex,
		      .ndm_state = NUD_NONE,
		      .ndm_flags = NTF_USE},
	};
	const void *p;
	size_t n;
	int err;

	hop->asked_ns = when_ns;
	p = addr_bytes(&hop->addr, &n);
	nl_attr_put(&req.h, sizeof(req), NDA_DST, p, n);
	err = nl_talk(ds, &req.h, NULL, NULL);
	return err == -EPERM ? hop_poke(ds, hop) : err;
}

struct neigh_info {
	uint16_t state;
	bool has_mac;
	uint8_t mac[6];
};

static bool neigh_parse(const struct nlmsghdr *h, struct neigh_info *ni, uint32_t *ifindex,
			struct ip_addr *a)
{
	const struct ndmsg *m = NLMSG_DATA(h);
	int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	unsigned bytes = m->ndm_family == AF_INET ? 4 : 16;
	const struct rtattr *attr;
	const void *p;

	if (len < 0 || (m->ndm_family != AF_INET && m->ndm_family != AF_INET6))
		return false;
	attr = (const struct rtattr *)((const char *)m + NLMSG_ALIGN(sizeof(*m)));
	p = nl_attr_find(attr, len, NDA_DST, bytes);
	if (!p)
		return false;
	*a = addr_from(p, bytes, (uint32_t)m->ndm_ifindex);
	*ifindex = (uint32_t)m->ndm_ifindex;
	ni->state = h->nlmsg_type == RTM_DELNEIGH ? NUD_NONE : m->ndm_state;
	p = nl_attr_find(attr, len, NDA_LLADDR, 6);
	ni->has_mac = p && (ni->state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE |
					 NUD_PERMANENT | NUD_NOARP));
	if (ni->has_mac)
		memcpy(ni->mac, p, 6);
	return true;
}

static void neigh_reply(struct dev_state *ds, const struct nlmsghdr *h, void *arg)
{
	struct ip_addr a;
	uint32_t ifindex;

	if (h->nlmsg_type == RTM_NEWNEIGH)
		neigh_parse(h, arg, &ifindex, &a);
}

/* What the kernel has about a next hop; all zero when it has nothing. */
static void neigh_get(struct dev_state *ds, unsigned net, const struct ip_addr *a,
		      struct neigh_info *ni)
{
	struct neigh_req req = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(req.m)), .nlmsg_type = RTM_GETNEIGH},
		.m = {.ndm_family = addr_family(a), .ndm_ifindex = (int)ds->net[net].ifindex},
	};
	const void *p;
	size_t n;

	memset(ni, 0, sizeof(*ni));
	p = addr_bytes(a, &n);
	nl_attr_put(&req.h, sizeof(req), NDA_DST, p, n);
	nl_talk(ds, &req.h, neigh_reply, ni);
}

void neigh_notice(struct dev_state *ds, const struct nlmsghdr *h, uint64_t when_ns)
{
	struct neigh_info ni;
	struct ip_addr a;
	struct hop *hop;
	uint32_t ifindex;
	int net;

	if (!neigh_parse(h, &ni, &ifindex, &a))
		return;
	net = net_by_ifindex(ds, ifindex);
	if (net < 0)
		return;
	/* One that had to give way to others is told to the stack all the same. */
	hop = hop_find(ds, (unsigned)net, &a, false);
	if (ni.has_mac) {
		if (hop && hop->known && !memcmp(hop->mac, ni.mac, 6))
			return;
		if (hop) {
			hop->known = true;
			memcpy(hop->mac, ni.mac, 6);
		}
		stack_neigh_set(ds->sr->st, (uint8_t)(net + 1), &a, ni.mac, when_ns);
	} else if (ni.state & NUD_FAILED) {
		if (hop)
			hop->known = false;
		stack_neigh_set(ds->sr->st, (uint8_t)(net + 1), &a, NULL, when_ns);
	}
}

/* ---- answering the stack -------------------------------------------------------------------- */

static void hop_answer(struct dev_state *ds, unsigned net, const struct ip_addr *next_hop,
		       struct dst_info *di, uint64_t when_ns)
{
	struct neigh_info ni;
	struct hop *hop;
	int err;

	di->state = DST_OK;
	if (ds->net[net].noarp)
		return;
	neigh_get(ds, net, next_hop, &ni);
	hop = hop_find(ds, net, next_hop, true);
	hop->known = ni.has_mac;
	memcpy(hop->mac, ni.mac, 6);
	memcpy(di->mac, ni.mac, 6);
	if (ni.state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP)) {
		hop->asked_ns = when_ns;
		return;
	}
	if (!ni.has_mac)
		di->state = DST_WAIT;
	err = hop_ask(ds, hop, when_ns);
	if (err) {
		di->state = DST_UNREACHABLE;
		di->err = EHOSTUNREACH;
		return;
	}
	/* It may have been resolved while we asked: that news found the stack not yet waiting. */
	if (!ni.has_mac && hop->known) {
		di->state = DST_OK;
		memcpy(di->mac, hop->mac, 6);
	}
}

/* What IPv6 on the device adds to what the route says. */
static void inet6_limits(struct dev_state *ds, unsigned net, const struct route_info *ri,
			 struct dst_info *di, uint64_t when_ns)
{
	struct netdev *nd = &ds->net[net];

	nl_inet6(ds, nd, when_ns);
	if (nd->mtu6 && (!di->mtu || di->mtu > nd->mtu6))
		di->mtu = nd->mtu6;
	di->hop_limit =
		ri->hop_limit && ri->hop_limit < 256 ? (uint8_t)ri->hop_limit : nd->hop_limit;
}

/* RFC 1112 6.4, RFC 2464 7 */
static void group_mac(const struct route_info *ri, const struct ip_addr *dst, uint8_t *mac)
{
	const uint8_t v4[6] = {0x01, 0x00, 0x5e, dst->b[13] & 0x7f, dst->b[14], dst->b[15]};
	const uint8_t v6[6] = {0x33, 0x33, dst->b[12], dst->b[13], dst->b[14], dst->b[15]};

	if (ri->type == RTN_BROADCAST)
		memset(mac, 0xff, 6);
	else
		memcpy(mac, ip_addr_is_v4(dst) ? v4 : v6, 6);
}

/* What a route that leads nowhere says. Of IPv4 the kernel answers a question with it, of IPv6 with
 * the route. */
static int route_refusal(unsigned type)
{
	switch (type) {
	case RTN_UNREACHABLE:
		return EHOSTUNREACH;
	case RTN_PROHIBIT:
		return EACCES;
	case RTN_BLACKHOLE:
		return EINVAL;
	case RTN_THROW:
		return ENETUNREACH;
	default:
		return 0;
	}
}

static void dst_answer(struct dev_state *ds, const struct ip_addr *dst, struct dst_info *di,
		       uint64_t when_ns)
{
	struct route_info ri;
	int err = -ENETUNREACH, net;

	*di = (struct dst_info){.state = DST_UNREACHABLE, .err = EHOSTUNREACH, .next_hop = *dst};
	if (dev_fd(ds, DEV_FD_NETLINK) >= 0)
		err = route_get(ds, dst, &ri);
	if (!err)
		err = -route_refusal(ri.type);
	if (err) {
		di->err = err == -EHOSTUNREACH || err == -EACCES || err == -EINVAL ? -err
										   : ENETUNREACH;
		return;
	}
	if (ri.type == RTN_LOCAL) {
		if (!ds->loop)
			return;
		di->state = DST_OK;
		di->dev = STACK_DEV_LOOP;
		if (!stack_local_has(ds->sr->st, dst)) /* the rest of 127/8, a whole prefix */
			stack_local_add(ds->sr->st, dst);
		return;
	}
	net = net_by_ifindex(ds, ri.oif);
	if (net < 0)
		return;
	di->dev = (uint8_t)(net + 1);
	di->mtu = ri.mtu;
	di->next_hop = ri.next_hop;
	if (!ip_addr_is_v4(dst))
		inet6_limits(ds, (unsigned)net, &ri, di, when_ns);
	if (ri.type == RTN_BROADCAST || ri.type == RTN_MULTICAST) {
		group_mac(&ri, dst, di->mac);
		di->state = DST_OK;
	} else if (ri.type == RTN_UNICAST) {
		hop_answer(ds, (unsigned)net, &ri.next_hop, di, when_ns);
	}
}

void neigh_answer(struct dev_state *ds, uint64_t when_ns)
{
	struct stack *st = ds->sr->st;
	struct ip_addr dst;
	struct dst_info di;
	int i;

	for (i = 0; i < ANSWERS_MAX && stack_dst_request(st, &dst); i++) {
		dst_answer(ds, &dst, &di, when_ns);
		stack_dst_set(st, &dst, &di, when_ns);
	}
}

void neigh_refresh(struct dev_state *ds, uint64_t when_ns)
{
	uint32_t i, asked = 0;

	if (when_ns - ds->refresh_ns < REFRESH_NS)
		return;
	ds->refresh_ns = when_ns;
	for (i = 0; i < DEV_HOPS && asked < REFRESH_HOPS; i++) {
		struct hop *hop = &ds->hop[i];

		if (!hop->net || !hop->known || when_ns - hop->asked_ns < REFRESH_NS ||
		    !ds->net[hop->net - 1].mac_used[mac_slot(hop->mac)])
			continue;
		hop_ask(ds, hop, when_ns);
		asked++;
	}
	for (i = 0; i < ds->nnets; i++)
		memset(ds->net[i].mac_used, 0, sizeof(ds->net[i].mac_used));
}
