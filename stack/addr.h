/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses and endpoints as the stack holds them: always 16 bytes, IPv4 in its v4-mapped form
 * (RFC 4291 2.5.5.2), and the zone they belong to (RFC 4007 6), so that one key, one hash and one
 * comparison serve both families and fe80::1 is not the same on two links.
 */
#ifndef STACK_ADDR_H
#define STACK_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct ip_addr {
	union {
		uint8_t b[16];
		uint32_t w[4]; /* network byte order */
		uint64_t d[2]; /* network byte order; for comparing and hashing */
	};
	/* The interface's index for a link-local IPv6 address, 0 for every other. As wide as it is
	 * so that nothing is between or behind the fields: tables hash and compare the whole
	 * struct. */
	uint64_t scope;
};

/* One end of a flow. The port is in host byte order. */
struct endpoint {
	struct ip_addr addr;
	uint16_t port;
};

/* A v4-mapped address from an IPv4 address in network byte order. */
static inline struct ip_addr ip_addr_v4(uint32_t be)
{
	struct ip_addr a = {.w = {0, 0, 0, 0}};

	a.b[10] = a.b[11] = 0xff;
	a.w[3] = be;
	return a;
}

/* fe80::/10 (RFC 4291 2.5.6): the addresses that mean something on one link only. */
static inline bool ip_addr_is_linklocal(const struct ip_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* From 16 bytes as they lie in a header or a sockaddr_in6; ifindex is kept for a link-local address
 * and only then. Mapped addresses come out as ip_addr_v4() makes them. */
static inline struct ip_addr ip_addr_v6(const void *b, uint32_t ifindex)
{
	struct ip_addr a = {.scope = 0};

	memcpy(a.b, b, sizeof(a.b));
	if (ip_addr_is_linklocal(&a))
		a.scope = ifindex;
	return a;
}

static inline bool ip_addr_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1] && a->scope == b->scope;
}

/* True for ::ffff:a.b.c.d. */
static inline bool ip_addr_is_v4(const struct ip_addr *a)
{
	return a->d[0] == 0 && a->w[2] == __builtin_bswap32(0x0000ffff);
}

/* True for 0.0.0.0 and ::. */
static inline bool ip_addr_is_any(const struct ip_addr *a)
{
	return a->d[0] == 0 && a->w[3] == 0 && (a->w[2] == 0 || ip_addr_is_v4(a));
}

/* True for :: but not for 0.0.0.0. */
static inline bool ip_addr_is_any6(const struct ip_addr *a)
{
	return a->d[0] == 0 && a->d[1] == 0;
}

/* ff00::/8 */
static inline bool ip_addr_is_multicast6(const struct ip_addr *a)
{
	return a->b[0] == 0xff;
}

/* ::1 */
static inline bool ip_addr_is_loopback6(const struct ip_addr *a)
{
	return a->d[0] == 0 && a->w[2] == 0 && a->w[3] == __builtin_bswap32(1);
}

/* 127.0.0.0/8 or ::1 */
static inline bool ip_addr_is_loopback(const struct ip_addr *a)
{
	return ip_addr_is_v4(a) ? a->b[12] == 127 : ip_addr_is_loopback6(a);
}

/* The IPv4 address in network byte order; only for an address for which ip_addr_is_v4() holds. */
static inline uint32_t ip_addr_to_v4(const struct ip_addr *a)
{
	return a->w[3];
}

#endif
