/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071), on its own and folded into a copy. Sums are partial: 32 bits,
 * not yet folded or inverted, over bytes in memory order, so that they may be added in any order.
 */
#ifndef STACK_IP_CSUM_H
#define STACK_IP_CSUM_H

#include <stddef.h>
#include <stdint.h>

#include "../addr.h"

/* Sum over len bytes added to sum; p may have any alignment, len any parity. */
uint32_t csum_add(uint32_t sum, const void *p, size_t len);

/* Copies len bytes and returns sum plus the sum over them. Regions must not overlap. */
uint32_t csum_copy(uint32_t sum, void *dst, const void *src, size_t len);

/* Adds the sum of a piece that starts at the odd or even offset off in the whole. */
static inline uint32_t csum_combine(uint32_t sum, uint32_t part, size_t off)
{
	uint64_t s;

	if (off & 1)
		part = (part & 0x00ff00ff) << 8 | (part & 0xff00ff00) >> 8;
	s = (uint64_t)sum + part;
	return (uint32_t)(s & 0xffffffff) + (uint32_t)(s >> 32);
}

/* Folds to 16 bits, not inverted; ready to store (memory order). */
static inline uint16_t csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The pseudo-header's sum (RFC 9293 3.1, RFC 8200 8.1); len: of the TCP or UDP packet, in bytes. */
uint32_t csum_pseudo(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto,
		     uint32_t len);

#endif
