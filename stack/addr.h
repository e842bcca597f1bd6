/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses and endpoints as the stack holds them: always 16 bytes, IPv4 in its v4-mapped form
 * (RFC 4291 2.5.5.2), so that one key, one hash and one comparison serve both families.
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

static inline bool ip_addr_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
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

/* The IPv4 address in network byte order; only for an address for which ip_addr_is_v4() holds. */
static inline uint32_t ip_addr_to_v4(const struct ip_addr *a)
{
	return a->w[3];
}

#endif
