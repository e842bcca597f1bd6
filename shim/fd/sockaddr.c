/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses between the application's sockaddr and the stack's endpoint, for sockets of both
 * families, and which of them concern a socket. An AF_INET6 socket speaks IPv4 by way of v4-mapped
 * addresses (RFC 4291 2.5.5.2) unless it is V6ONLY; an endpoint is mapped either way, so only the
 * form that the application sees differs.
 *
 * It never decides about an address that the kernel has something to say about: what is odd (too
 * short, of another family, of another link) is the shadow's to refuse.
 */
#include "sock_int.h"

/* What an AF_INET6 address has to have: one without sin6_scope_id passes (RFC 2133). */
#define SIN6_BYTES_MIN 24u

static int get_v4(const struct sockaddr *addr, socklen_t len, struct endpoint *ep)
{
	struct sockaddr_in in;

	if (len < sizeof(in))
		return -EINVAL;
	memcpy(&in, addr, sizeof(in));
	if (in.sin_family != AF_INET)
		return -EAFNOSUPPORT;
	ep->addr = ip_addr_v4(in.sin_addr.s_addr);
	ep->port = ntohs(in.sin_port);
	return 0;
}

static int get_v6(const struct sockaddr *addr, socklen_t len, struct endpoint *ep)
{
	struct sockaddr_in6 in6 = {0};

	if (len < SIN6_BYTES_MIN)
		return -EINVAL;
	memcpy(&in6, addr, len < sizeof(in6) ? len : sizeof(in6));
	if (in6.sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	ep->addr = ip_addr_v6(&in6.sin6_addr, in6.sin6_scope_id);
	ep->port = ntohs(in6.sin6_port);
	return 0;
}

int sockaddr_get(const struct ofd *o, const struct sockaddr *addr, socklen_t len,
		 struct endpoint *ep)
{
	sa_family_t af;

	if (!addr || len < sizeof(af))
		return -EINVAL;
	memcpy(&af, addr, sizeof(af));
	/* A datagram's destination may be of the other family. */
	if (o->family == AF_INET || (o->socktype == SOCK_DGRAM && af == AF_INET))
		return get_v4(addr, len, ep);
	return get_v6(addr, len, ep);
}

socklen_t sockaddr_make(const struct ofd *o, const struct endpoint *ep, union sockaddr_inet *sa)
{
	memset(sa, 0, sizeof(*sa));
	if (o->family == AF_INET) {
		sa->in.sin_family = AF_INET;
		sa->in.sin_port = htons(ep->port);
		sa->in.sin_addr.s_addr = ip_addr_to_v4(&ep->addr);
		return sizeof(sa->in);
	}
	sa->in6.sin6_family = AF_INET6;
	sa->in6.sin6_port = htons(ep->port);
	memcpy(&sa->in6.sin6_addr, ep->addr.b, sizeof(sa->in6.sin6_addr));
	sa->in6.sin6_scope_id = (uint32_t)ep->addr.scope;
	return sizeof(sa->in6);
}

int sockaddr_put(const struct ofd *o, const struct endpoint *ep, struct sockaddr *addr,
		 socklen_t *len)
{
	union sockaddr_inet sa;
	socklen_t n;

	if (!addr)
		return 0;
	if ((int)*len < 0)
		return -EINVAL;
	n = sockaddr_make(o, ep, &sa);
	memcpy(addr, &sa, *len < n ? *len : n);
	*len = n;
	return 0;
}

int shadow_name(int fd, struct endpoint *local)
{
	union sockaddr_inet sa;
	socklen_t len = sizeof(sa);
	int r = sys_getsockname(fd, &sa.sa, &len);

	if (r < 0)
		return r;
	return sa.sa.sa_family == AF_INET6 ? get_v6(&sa.sa, len, local)
					   : get_v4(&sa.sa, len, local);
}

bool sockaddr_reaches(const struct ofd *o, struct ip_addr *dst)
{
	const struct ip_addr *bound = &o->bound.addr;
	bool v4 = ip_addr_is_v4(dst);

	if (ip_addr_is_any(dst))
		*dst = v4 || ip_addr_is_v4(bound) ? ip_addr_v4(htonl(INADDR_LOOPBACK))
						  : (struct ip_addr){.b[15] = 1};
	v4 = ip_addr_is_v4(dst);
	if (ip_is_multicast(dst) || ip_is_broadcast(dst) || (v4 && o->v6only))
		return false;
	if (!ip_addr_is_any6(bound) && ip_addr_is_v4(bound) != v4)
		return false;
	/* A socket bound to a link-local address is bound to its link. */
	if (ip_addr_is_linklocal(dst) && !dst->scope)
		dst->scope = bound->scope;
	if (bound->scope)
		return dst->scope == bound->scope;
	return !ip_addr_is_linklocal(dst) || dst->scope;
}

bool addr_takes(const struct ip_addr *local, bool v6only, const struct ip_addr *a)
{
	if (ip_addr_is_any6(local))
		return !v6only || !ip_addr_is_v4(a);
	return ip_addr_eq(local, a) || (ip_addr_is_any(local) && ip_addr_is_v4(a));
}

/* What :: stands for besides IPv6; false: it is not ::, or IPv6 only. */
static bool also_v4(const struct ofd *o, struct endpoint *v4)
{
	if (!ip_addr_is_any6(&o->bound.addr) || o->v6only)
		return false;
	*v4 = (struct endpoint){.addr = ip_addr_v4(0), .port = o->bound.port};
	return true;
}

int ofd_claim(struct stackrec *sr, struct ofd *o)
{
	uint8_t proto = o->socktype == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
	struct endpoint v4;
	int r = claim_add(sr, proto, &o->bound);

	if (r == 0 && also_v4(o, &v4)) {
		r = claim_add(sr, proto, &v4);
		if (r < 0)
			claim_del(sr, proto, &o->bound);
	}
	o->claimed = r == 0;
	return r;
}

void ofd_unclaim(struct stackrec *sr, struct ofd *o)
{
	uint8_t proto = o->socktype == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
	struct endpoint v4;

	claim_del(sr, proto, &o->bound);
	if (also_v4(o, &v4))
		claim_del(sr, proto, &v4);
	o->claimed = 0;
}
