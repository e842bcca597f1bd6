/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What IPv6 sockets have of their own, whatever the protocol: the options of IPPROTO_IPV6 that the
 * stack keeps, and who is found for, or in the way of, whom where one socket can serve both
 * families. Ranges and errors are the kernel's. RFC 3493 5 and 3.7; ipv6(7).
 */
#include "internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifndef IPV6_AUTOFLOWLABEL
#define IPV6_AUTOFLOWLABEL 70
#endif

#define TCLASS_ECN 0x03u

/* ---- addresses bound to --------------------------------------------------------------------- */

unsigned sock_bind_fit(const struct ip_addr *a, bool v6only, const struct ip_addr *dst)
{
	bool v4 = ip_addr_is_v4(dst);

	if (ip_addr_eq(a, dst))
		return 3;
	if (ip_addr_is_any6(a))
		return !v4 ? 2 : v6only ? 0 : 1;
	return v4 && ip_addr_is_any(a) ? 2 : 0;
}

/* One takes what is sent to the address of the other. */
bool sock_bind_overlap(const struct ip_addr *a, bool a_v6only, const struct ip_addr *b,
		       bool b_v6only)
{
	return sock_bind_fit(a, a_v6only, b) != 0 || sock_bind_fit(b, b_v6only, a) != 0;
}

/* ---- options -------------------------------------------------------------------------------- */

static int set_tclass(const struct sock *sk, struct sock_opts *o, int v)
{
	if (v < -1 || v > 0xff)
		return -EINVAL;
	if (v == -1)
		v = 0;
	/* the ECN bits are TCP's own */
	o->tclass = (uint8_t)v;
	if (sk->type != STK_UDP)
		o->tclass &= (uint8_t)~TCLASS_ECN;
	return 0;
}

int sock6_setopt(struct sock *sk, struct sock_opts *o, int name, const void *val, uint32_t len)
{
	int v = 0, err = sock_opt_int(val, len, &v);

	if (!o->v6)
		return -ENOPROTOOPT;
	switch (name) {
	case IPV6_V6ONLY: /* too late once bound */
		return -EINVAL;
	case IPV6_TCLASS:
		return err ? err : set_tclass(sk, o, v);
	case IPV6_UNICAST_HOPS:
		if (err || v < -1 || v > 255)
			return -EINVAL;
		o->hops = (int16_t)v;
		return 0;
	case IPV6_MTU_DISCOVER:
		if (err || v < IPV6_PMTUDISC_DONT || v > IPV6_PMTUDISC_OMIT)
			return -EINVAL;
		o->pmtudisc6 = (uint8_t)v;
		return 0;
	case IPV6_MTU:
		if (err || (v != 0 && v < (int)IP6_MTU_MIN))
			return -EINVAL;
		o->mtu6 = (uint32_t)v;
		return 0;
	case IPV6_AUTOFLOWLABEL: /* what is too short for a number counts as 0 */
		o->autoflowlabel = v != 0;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int hops_now(const struct stack *st, const struct sock_opts *o, const struct dst *d)
{
	if (o->hops >= 0)
		return o->hops;
	if (d != NULL && d->info.hop_limit != 0)
		return d->info.hop_limit;
	return st->cfg.ip6_hop_limit;
}

int sock6_getopt(struct stack *st, const struct sock_opts *o, const struct dst *d, int name,
		 void *val, uint32_t *len)
{
	if (!o->v6)
		return -ENOPROTOOPT;
	switch (name) {
	case IPV6_V6ONLY:
		return sock_opt_put(val, len, o->v6only);
	case IPV6_TCLASS:
		return sock_opt_put(val, len, o->tclass);
	case IPV6_UNICAST_HOPS:
		return sock_opt_put(val, len, hops_now(st, o, d));
	case IPV6_MTU_DISCOVER:
		return sock_opt_put(val, len, o->pmtudisc6);
	case IPV6_MTU:
		return d != NULL ? sock_opt_put(val, len, (int)dst_mtu(st, d)) : -ENOTCONN;
	case IPV6_AUTOFLOWLABEL:
		return sock_opt_put(val, len, ip6_autoflowlabel(st, o));
	default:
		return -ENOPROTOOPT;
	}
}
