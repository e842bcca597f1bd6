/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The conversation with the kernel about the neighbourhood, over one hidden rtnetlink socket that
 * serves questions and news alike: links, addresses, routes, rules, neighbours. What the kernel
 * says is taken over here and handed to the stack; what was missed (the socket's buffer overflowed)
 * is read again. Taking in news never asks a question, so that a question may take in news while it
 * waits for its answer. All under the stack's lock.
 */
#include "shim/dev/internal.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define NL_GROUPS                                                                                 \
	(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE | \
	 RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE | RTMGRP_IPV6_IFINFO |                            \
	 1u << (RTNLGRP_IPV6_RULE - 1))
#define NL_RCVBUF_BYTES (1 << 20)
/* A dump arrives in pieces of up to 32 KB; this many hold the addresses of any host we serve. */
#define NL_TALK_READS 4096
#define NL_NEWS_READS 64
#define NL_WAIT_S 1
/* What the kernel changes without telling is believed for so long. */
#define INET6_NS 1000000000ull

/* ---- messages ------------------------------------------------------------------------------- */

void nl_attr_put(struct nlmsghdr *h, size_t room, unsigned type, const void *val, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)h + NLMSG_ALIGN(h->nlmsg_len));

	ASSERT(NLMSG_ALIGN(h->nlmsg_len) + RTA_SPACE(len) <= room);
	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), val, len);
	h->nlmsg_len = (uint32_t)(NLMSG_ALIGN(h->nlmsg_len) + RTA_SPACE(len));
}

const void *nl_attr_find(const struct rtattr *a, int len, unsigned type, size_t min_len)
{
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return RTA_PAYLOAD(a) >= min_len ? RTA_DATA(a) : NULL;
	}
	return NULL;
}

static uint32_t attr_u32(const struct rtattr *a, int len, unsigned type, uint32_t otherwise)
{
	const void *p = nl_attr_find(a, len, type, 4);
	uint32_t v = otherwise;

	if (p)
		memcpy(&v, p, 4);
	return v;
}

/* Copies a string attribute, always terminated. */
static void attr_str(const struct rtattr *a, int len, unsigned type, char *to, size_t size)
{
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		size_t n = RTA_PAYLOAD(a);

		if ((a->rta_type & NLA_TYPE_MASK) != type)
			continue;
		n = n < size - 1 ? n : size - 1;
		memcpy(to, RTA_DATA(a), n);
		to[n] = '\0';
	}
}

/* ---- links ---------------------------------------------------------------------------------- */

/* The settings of IPv6 on an interface, deep in IFLA_AF_SPEC: a row of them. */
static void link_inet6(const struct rtattr *spec, struct link_info *li)
{
	const struct rtattr *a = RTA_DATA(spec), *in6 = NULL;
	int len = (int)RTA_PAYLOAD(spec);
	const int32_t *conf;

	for (; RTA_OK(a, len) && !in6; a = RTA_NEXT(a, len)) {
		if ((a->rta_type & NLA_TYPE_MASK) == AF_INET6)
			in6 = a;
	}
	conf = in6 ? nl_attr_find(RTA_DATA(in6), (int)RTA_PAYLOAD(in6), IFLA_INET6_CONF,
				  (DEVCONF_MTU6 + 1) * sizeof(*conf))
		   : NULL;
	if (!conf)
		return;
	li->mtu6 = conf[DEVCONF_MTU6] > 0 ? (uint32_t)conf[DEVCONF_MTU6] : 0;
	li->hop_limit = conf[DEVCONF_HOPLIMIT] > 0 ? (uint8_t)conf[DEVCONF_HOPLIMIT] : 0;
}

static bool link_parse(const struct nlmsghdr *h, struct link_info *li)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);
	const struct rtattr *a, *info;
	int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m)), left;
	const void *mac;

	memset(li, 0, sizeof(*li));
	if (len < 0)
		return false;
	a = IFLA_RTA(m);
	li->ifindex = (uint32_t)m->ifi_index;
	li->flags = m->ifi_flags;
	li->mtu = attr_u32(a, len, IFLA_MTU, 1500);
	li->lower = attr_u32(a, len, IFLA_LINK, 0);
	li->gso_max = attr_u32(a, len, IFLA_GSO_MAX_SIZE, 0);
	attr_str(a, len, IFLA_IFNAME, li->name, sizeof(li->name));
	mac = m->ifi_type == ARPHRD_ETHER ? nl_attr_find(a, len, IFLA_ADDRESS, 6) : NULL;
	if (mac)
		memcpy(li->mac, mac, 6);
	else
		li->flags |= IFF_NOARP;
	/* A veth's IFLA_LINK is its peer, maybe in another namespace: not below it. */
	for (left = len; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if ((a->rta_type & NLA_TYPE_MASK) == IFLA_LINK_NETNSID)
			li->lower = 0;
		info = RTA_DATA(a);
		if ((a->rta_type & NLA_TYPE_MASK) == IFLA_XDP)
			li->xdp_prog = attr_u32(info, (int)RTA_PAYLOAD(a), IFLA_XDP_PROG_ID, 0);
		if ((a->rta_type & NLA_TYPE_MASK) == IFLA_AF_SPEC)
			link_inet6(a, li);
		if ((a->rta_type & NLA_TYPE_MASK) != IFLA_LINKINFO)
			continue;
		attr_str(info, (int)RTA_PAYLOAD(a), IFLA_INFO_KIND, li->kind, sizeof(li->kind));
	}
	if (!strcmp(li->kind, "veth"))
		li->lower = 0;
	return true;
}

static void upper_set(struct dev_state *ds, uint32_t ifindex, uint32_t lower)
{
	uint32_t i;

	for (i = 0; i < ds->nuppers && ds->upper[i].ifindex != ifindex; i++)
		;
	if (i < ds->nuppers && !lower)
		ds->upper[i] = ds->upper[--ds->nuppers];
	else if (i < ds->nuppers)
		ds->upper[i].lower = lower;
	else if (lower && i < DEV_LINKS)
		ds->upper[ds->nuppers++] = (struct upper){ifindex, lower};
}

static void link_notice(struct dev_state *ds, const struct nlmsghdr *h)
{
	struct link_info li;
	struct netdev *nd;
	int net;

	if (!link_parse(h, &li))
		return;
	/* What a router has said of the link comes in messages of IPv6's own, */
	if (((struct ifinfomsg *)NLMSG_DATA(h))->ifi_family == AF_INET6) {
		net = net_by_ifindex(ds, li.ifindex);
		if (net >= 0)
			ds->net[net].inet6_ns = 0;
		ds->routes_changed = true;
	}
	/* and a bridge's word on its ports in those of bridges. */
	if (((struct ifinfomsg *)NLMSG_DATA(h))->ifi_family != AF_UNSPEC)
		return;
	upper_set(ds, li.ifindex, h->nlmsg_type == RTM_NEWLINK ? li.lower : 0);
	net = net_by_ifindex(ds, li.ifindex);
	if (net < 0)
		return;
	nd = &ds->net[net];
	nd->up = h->nlmsg_type == RTM_NEWLINK && (li.flags & IFF_UP) && (li.flags & IFF_RUNNING);
	nd->noarp = li.flags & IFF_NOARP;
	nd->mtu = li.mtu;
	nd->inet6_ns = 0;
	memcpy(nd->mac, li.mac, 6);
	gso_check(ds, (unsigned)net);
	net_tell(ds, (unsigned)net);
	ds->routes_changed = true;
}

/* ---- addresses ------------------------------------------------------------------------------ */

bool addr_is_on(const struct dev_state *ds, unsigned net, const struct ip_addr *a)
{
	uint32_t i, j;

	if (!addr_in_zone(ds, net, a) || ip_addr_is_loopback(a))
		return false;
	for (i = 0; i < ds->naddrs; i++) {
		bool above = false;

		if (!ip_addr_eq(&ds->addr[i].addr, a))
			continue;
		for (j = 0; j < ds->nuppers; j++)
			above |= ds->upper[j].ifindex == ds->addr[i].ifindex &&
				 ds->upper[j].lower == ds->net[net].ifindex;
		if (!above)
			return true;
	}
	return false;
}

static bool addr_known(const struct dev_state *ds, const struct ip_addr *a)
{
	uint32_t i;

	for (i = 0; i < ds->naddrs; i++) {
		if (ip_addr_eq(&ds->addr[i].addr, a))
			return true;
	}
	return false;
}

static bool addr_for_stack(const struct dev_state *ds, const struct ip_addr *a)
{
	return ds->loop || !ip_addr_is_loopback(a);
}

static void addr_add(struct dev_state *ds, const struct local_addr *la)
{
	uint32_t i;

	for (i = 0; i < ds->naddrs; i++) {
		if (ip_addr_eq(&ds->addr[i].addr, &la->addr) && ds->addr[i].ifindex == la->ifindex)
			return;
	}
	if (ds->naddrs == DEV_ADDRS) {
		log_warn("more than %u addresses: those beyond stay with the kernel", DEV_ADDRS);
		return;
	}
	ds->addr[ds->naddrs++] = *la;
	if (addr_for_stack(ds, &la->addr) && stack_local_add(ds->sr->st, &la->addr))
		log_warn("the stack's table of addresses is full");
	if (ds->nused)
		steer_addr_added(ds, &la->addr);
}

static void addr_drop(struct dev_state *ds, uint32_t i)
{
	struct local_addr was = ds->addr[i];

	ds->addr[i] = ds->addr[--ds->naddrs];
	if (addr_known(ds, &was.addr))
		return;
	if (addr_for_stack(ds, &was.addr))
		stack_local_del(ds->sr->st, &was.addr);
	if (ds->nused)
		steer_addr_gone(ds, &was.addr);
}

/* usable: it is this host's by now. One whose uniqueness is not known yet, or refuted (RFC 4862
 * 5.4), is not; what becomes of it is news. An optimistic one is (RFC 4429). */
static bool addr_parse(const struct nlmsghdr *h, struct local_addr *la, bool *usable)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	unsigned bytes = m->ifa_family == AF_INET ? 4 : 16;
	uint32_t flags;
	const void *p;

	if (len < 0 || (m->ifa_family != AF_INET && m->ifa_family != AF_INET6))
		return false;
	p = nl_attr_find(IFA_RTA(m), len, IFA_LOCAL, bytes);
	if (!p)
		p = nl_attr_find(IFA_RTA(m), len, IFA_ADDRESS, bytes);
	if (!p)
		return false;
	flags = attr_u32(IFA_RTA(m), len, IFA_FLAGS, m->ifa_flags);
	*usable = m->ifa_family == AF_INET || !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) ||
		  (flags & IFA_F_OPTIMISTIC);
	la->addr = addr_from(p, bytes, m->ifa_index);
	la->ifindex = m->ifa_index;
	return true;
}

static void addr_notice(struct dev_state *ds, const struct nlmsghdr *h)
{
	struct local_addr la;
	bool usable;
	uint32_t i;

	if (!addr_parse(h, &la, &usable))
		return;
	ds->routes_changed = true;
	if (h->nlmsg_type == RTM_NEWADDR && usable) {
		addr_add(ds, &la);
		return;
	}
	for (i = 0; i < ds->naddrs; i++) {
		if (ip_addr_eq(&ds->addr[i].addr, &la.addr) && ds->addr[i].ifindex == la.ifindex) {
			addr_drop(ds, i);
			return;
		}
	}
}

/* ---- reading -------------------------------------------------------------------------------- */

static void notice(struct dev_state *ds, const struct nlmsghdr *h, uint64_t when_ns)
{
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		link_notice(ds, h);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		addr_notice(ds, h);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
		ds->routes_changed = true;
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neigh_notice(ds, h, when_ns);
		break;
	}
}

/* One datagram of the kernel's into ds->nlbuf: its length; -EAGAIN: there is none. */
static ssize_t nl_read(struct dev_state *ds)
{
	int fd = dev_fd(ds, DEV_FD_NETLINK);
	struct sockaddr_nl from;
	socklen_t flen = sizeof(from);
	ssize_t n;

	do {
		n = sys_recvfrom(fd, ds->nlbuf, sizeof(ds->nlbuf), MSG_DONTWAIT | MSG_TRUNC,
				 (struct sockaddr *)&from, &flen);
	} while (n == -EINTR || (n >= 0 && from.nl_pid != 0));
	if (n == -ENOBUFS || n > (ssize_t)sizeof(ds->nlbuf))
		ds->nl_resync = true;
	return n > (ssize_t)sizeof(ds->nlbuf) ? -ENOBUFS : n;
}

/* Takes in one datagram. True when it held the end of the answer to seq, with its error in *err. */
static bool nl_take(struct dev_state *ds, ssize_t bytes, uint32_t seq, nl_reply_fn *fn, void *arg,
		    int *err)
{
	const struct nlmsghdr *h = (void *)ds->nlbuf;
	int len = (int)bytes;
	bool done = false;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (!seq || h->nlmsg_seq != seq || h->nlmsg_pid != ds->nl_portid) {
			notice(ds, h, now_ns());
		} else if (h->nlmsg_type == NLMSG_DONE) {
			done = true;
		} else if (h->nlmsg_type == NLMSG_ERROR) {
			*err = ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			done = true;
		} else {
			if (fn)
				fn(ds, h, arg);
			done |= !(h->nlmsg_flags & NLM_F_MULTI);
		}
	}
	return done;
}

static int nl_talk_once(struct dev_state *ds, struct nlmsghdr *h, nl_reply_fn *fn, void *arg)
{
	int fd = dev_fd(ds, DEV_FD_NETLINK), i, err = 0;
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	uint32_t seq;
	ssize_t n;

	if (++ds->nl_seq == 0)
		ds->nl_seq = 1;
	seq = h->nlmsg_seq = ds->nl_seq;
	h->nlmsg_flags |= NLM_F_REQUEST;
	n = sys_sendto(fd, h, h->nlmsg_len, 0, (struct sockaddr *)&to, sizeof(to));
	if (n < 0)
		return (int)n;
	for (i = 0; i < NL_TALK_READS; i++) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		struct timespec wait = {.tv_sec = NL_WAIT_S};

		n = nl_read(ds);
		if (n == -EAGAIN) {
			if (sys_ppoll(&pfd, 1, &wait, NULL) == 0)
				return -ETIMEDOUT;
			continue;
		}
		if (n < 0)
			return (int)n;
		if (nl_take(ds, n, seq, fn, arg, &err))
			return err;
	}
	return -ETIMEDOUT;
}

/* An answer that was lost to an overflow is asked for again, once. What of the first comes later is
 * taken for news, and no harm done. */
int nl_talk(struct dev_state *ds, struct nlmsghdr *h, nl_reply_fn *fn, void *arg)
{
	int err = nl_talk_once(ds, h, fn, arg);

	return err == -ENOBUFS ? nl_talk_once(ds, h, fn, arg) : err;
}

static int nl_dump(struct dev_state *ds, unsigned type, int af, nl_reply_fn *fn, void *arg)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} req = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(req.g)),
		      .nlmsg_type = (uint16_t)type,
		      .nlmsg_flags = NLM_F_DUMP},
		.g = {.rtgen_family = (uint8_t)af},
	};

	return nl_talk(ds, &req.h, fn, arg);
}

static void link_reply(struct dev_state *ds, const struct nlmsghdr *h, void *arg)
{
	if (h->nlmsg_type == RTM_NEWLINK)
		link_notice(ds, h);
}

struct addr_list {
	struct local_addr addr[DEV_ADDRS];
	uint32_t n;
};

static void addr_reply(struct dev_state *ds, const struct nlmsghdr *h, void *arg)
{
	struct addr_list *l = arg;
	bool usable;

	if (h->nlmsg_type == RTM_NEWADDR && l->n < DEV_ADDRS &&
	    addr_parse(h, &l->addr[l->n], &usable) && usable)
		l->n++;
}

int nl_sync(struct dev_state *ds)
{
	struct addr_list l = {.n = 0};
	uint32_t i, j;
	int err;

	ds->nl_resync = false;
	ds->nuppers = 0;
	err = nl_dump(ds, RTM_GETLINK, AF_UNSPEC, link_reply, NULL);
	if (!err)
		err = nl_dump(ds, RTM_GETADDR, AF_UNSPEC, addr_reply, &l);
	if (err) {
		ds->nl_resync = true;
		return err;
	}
	for (i = ds->naddrs; i-- > 0;) {
		for (j = 0; j < l.n; j++) {
			if (ip_addr_eq(&l.addr[j].addr, &ds->addr[i].addr) &&
			    l.addr[j].ifindex == ds->addr[i].ifindex)
				break;
		}
		if (j == l.n)
			addr_drop(ds, i);
	}
	for (j = 0; j < l.n; j++)
		addr_add(ds, &l.addr[j]);
	ds->routes_changed = true;
	return 0;
}

void nl_news(struct dev_state *ds, uint64_t when_ns)
{
	int i, err;
	ssize_t n;

	for (i = 0; i < NL_NEWS_READS; i++) {
		n = nl_read(ds);
		if (n >= 0)
			nl_take(ds, n, 0, NULL, NULL, &err);
		else if (n != -ENOBUFS)
			break;
	}
	if (unlikely(ds->nl_resync))
		nl_sync(ds);
}

int nl_open(struct dev_state *ds)
{
	static const int rcvbuf = NL_RCVBUF_BYTES;
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK, .nl_groups = NL_GROUPS};
	socklen_t len = sizeof(sa);
	int fd, err;

	fd = sys_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0)
		return fd;
	if (sys_setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)))
		sys_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	err = sys_bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	if (!err)
		err = sys_getsockname(fd, (struct sockaddr *)&sa, &len);
	if (err) {
		sys_close(fd);
		return err;
	}
	ds->nl_portid = sa.nl_pid;
	return dev_fd_set(ds, DEV_FD_NETLINK, fd);
}

/* ---- choosing interfaces -------------------------------------------------------------------- */

struct link_want {
	const char *name;
	uint32_t ifindex;
	struct link_info *li;
	bool found;
};

static void link_want_reply(struct dev_state *ds, const struct nlmsghdr *h, void *arg)
{
	struct link_want *w = arg;
	struct link_info li;

	if (h->nlmsg_type != RTM_NEWLINK || !link_parse(h, &li))
		return;
	if (w->name ? strcmp(w->name, li.name) != 0 : w->ifindex != li.ifindex)
		return;
	*w->li = li;
	w->found = true;
}

int nl_link(struct dev_state *ds, const char *name, uint32_t ifindex, struct link_info *li)
{
	struct link_want w = {.name = name, .ifindex = ifindex, .li = li};
	int err = nl_dump(ds, RTM_GETLINK, AF_UNSPEC, link_want_reply, &w);

	return err ? err : w.found ? 0 : -ENODEV;
}

void nl_inet6(struct dev_state *ds, struct netdev *nd, uint64_t when_ns)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg m;
	} req = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(req.m)), .nlmsg_type = RTM_GETLINK},
		.m = {.ifi_index = (int)nd->ifindex},
	};
	struct link_info li = {0};
	struct link_want w = {.ifindex = nd->ifindex, .li = &li};

	if (nd->inet6_ns && when_ns - nd->inet6_ns < INET6_NS)
		return;
	nd->inet6_ns = when_ns;
	if (nl_talk(ds, &req.h, link_want_reply, &w) || !w.found)
		return;
	nd->inet6_changed |=
		nd->mtu6 != 0 && (nd->mtu6 != li.mtu6 || nd->hop_limit != li.hop_limit);
	nd->mtu6 = li.mtu6;
	nd->hop_limit = li.hop_limit;
}

void nl_inet6_look(struct dev_state *ds, struct netdev *nd, uint64_t when_ns)
{
	if (!nd->mtu6) /* nobody has asked for it yet */
		return;
	nl_inet6(ds, nd, when_ns);
	ds->routes_changed |= nd->inet6_changed;
	nd->inet6_changed = false;
}

struct default_route {
	uint32_t oif, metric;
};

static void default_reply(struct dev_state *ds, const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	struct default_route *d = arg;
	const struct rtnexthop *nh;
	uint32_t oif, metric;

	if (h->nlmsg_type != RTM_NEWROUTE || len < 0 || m->rtm_dst_len != 0 ||
	    m->rtm_type != RTN_UNICAST)
		return;
	oif = attr_u32(RTM_RTA(m), len, RTA_OIF, 0);
	metric = attr_u32(RTM_RTA(m), len, RTA_PRIORITY, 0);
	nh = nl_attr_find(RTM_RTA(m), len, RTA_MULTIPATH, sizeof(*nh));
	if (!oif && nh)
		oif = (uint32_t)nh->rtnh_ifindex;
	if (oif && (!d->oif || metric < d->metric))
		*d = (struct default_route){oif, metric};
}

struct iface_list {
	char (*name)[IFNAMSIZ];
	int n, max;
};

static void iface_reply(struct dev_state *ds, const struct nlmsghdr *h, void *arg)
{
	struct iface_list *l = arg;
	struct link_info li;
	uint32_t i;

	if (h->nlmsg_type != RTM_NEWLINK || !link_parse(h, &li))
		return;
	if (!(li.flags & IFF_UP) || (li.flags & IFF_LOOPBACK) || l->n == l->max)
		return;
	/* An address that any interface makes up for itself doesn't count. */
	for (i = 0; i < ds->naddrs &&
		    (ds->addr[i].ifindex != li.ifindex || ip_addr_is_linklocal(&ds->addr[i].addr));
	     i++)
		;
	if (i < ds->naddrs)
		memcpy(l->name[l->n++], li.name, IFNAMSIZ);
}

int nl_auto_ifaces(struct dev_state *ds, char (*name)[IFNAMSIZ], int max)
{
	struct iface_list l = {.name = name, .max = max};
	struct default_route d = {0};
	struct link_info li;

	nl_dump(ds, RTM_GETROUTE, AF_INET, default_reply, &d);
	if (!d.oif)
		nl_dump(ds, RTM_GETROUTE, AF_INET6, default_reply, &d);
	if (d.oif && !nl_link(ds, NULL, d.oif, &li) && !(li.flags & IFF_LOOPBACK)) {
		memcpy(name[0], li.name, IFNAMSIZ);
		return 1;
	}
	nl_dump(ds, RTM_GETLINK, AF_UNSPEC, iface_reply, &l);
	return l.n;
}
