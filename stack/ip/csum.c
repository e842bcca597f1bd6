/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071). Decides only how to add fast.
 *
 * The ones' complement sum may be taken in words of any width, as long as carries come back in (RFC
 * 1071 2(A)): here 32-bit words are added into 64-bit lanes, which never overflow for any length a
 * packet can have, and the lanes are folded once at the end. Bytes are taken in memory order, so
 * that the result is right on either endianness. The compiler makes vector instructions of it, two
 * lanes wide at the least, and memory is read at any alignment.
 */
#include "csum.h"

#include "wire.h"

typedef uint64_t lanes __attribute__((vector_size(32)));
typedef uint64_t lanes_any __attribute__((vector_size(32), aligned(1), may_alias));

#define LANES_BYTES sizeof(lanes)
#define LANES_LOW ((lanes){0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff})

static uint32_t fold64(uint64_t s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffffffff) + (s >> 32);
	return (uint32_t)s;
}

/* The sum over fewer than 8 bytes, as the first bytes of a word whose others are 0. */
static uint64_t load_tail(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	switch (len) {
	case 7:
		memcpy(&v, p, 7);
		break;
	case 6:
		memcpy(&v, p, 6);
		break;
	case 5:
		memcpy(&v, p, 5);
		break;
	case 4:
		memcpy(&v, p, 4);
		break;
	case 3:
		memcpy(&v, p, 3);
		break;
	case 2:
		memcpy(&v, p, 2);
		break;
	case 1:
		memcpy(&v, p, 1);
		break;
	default:
		break;
	}
	return v;
}

static inline uint64_t halves(uint64_t v)
{
	return (v & 0xffffffff) + (v >> 32);
}

uint32_t csum_add(uint32_t sum, const void *p, size_t len)
{
	const uint8_t *s = p;
	uint64_t acc = sum, v;

	if (len >= 2 * LANES_BYTES) {
		lanes a = {0}, b = {0};

		do {
			lanes x = *(const lanes_any *)s;
			lanes y = *(const lanes_any *)(s + LANES_BYTES);

			a += (x & LANES_LOW) + (x >> 32);
			b += (y & LANES_LOW) + (y >> 32);
			s += 2 * LANES_BYTES;
			len -= 2 * LANES_BYTES;
		} while (len >= 2 * LANES_BYTES);
		a += b;
		acc += halves(a[0]) + halves(a[1]) + halves(a[2]) + halves(a[3]);
	}
	for (; len >= 8; len -= 8, s += 8) {
		memcpy(&v, s, 8);
		acc += halves(v);
	}
	return fold64(acc + halves(load_tail(s, len)));
}

uint32_t csum_copy(uint32_t sum, void *dst, const void *src, size_t len)
{
	const uint8_t *s = src;
	uint8_t *d = dst;
	uint64_t acc = sum, v;

	if (len >= 2 * LANES_BYTES) {
		lanes a = {0}, b = {0};

		do {
			lanes x = *(const lanes_any *)s;
			lanes y = *(const lanes_any *)(s + LANES_BYTES);

			*(lanes_any *)d = x;
			*(lanes_any *)(d + LANES_BYTES) = y;
			a += (x & LANES_LOW) + (x >> 32);
			b += (y & LANES_LOW) + (y >> 32);
			s += 2 * LANES_BYTES;
			d += 2 * LANES_BYTES;
			len -= 2 * LANES_BYTES;
		} while (len >= 2 * LANES_BYTES);
		a += b;
		acc += halves(a[0]) + halves(a[1]) + halves(a[2]) + halves(a[3]);
	}
	for (; len >= 8; len -= 8, s += 8, d += 8) {
		memcpy(&v, s, 8);
		memcpy(d, &v, 8);
		acc += halves(v);
	}
	/* What is stored is what was summed, even if the source changes meanwhile. */
	v = load_tail(s, len);
	memcpy(d, &v, len);
	return fold64(acc + halves(v));
}

uint32_t csum_pseudo(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto,
		     uint32_t len)
{
	uint64_t acc;
	unsigned i;

	if (ip_addr_is_v4(src)) {
		acc = (uint64_t)src->w[3] + dst->w[3] + be16((uint16_t)len) + be16(proto);
	} else {
		acc = (uint64_t)be32(len) + be32(proto);
		for (i = 0; i < 4; i++)
			acc += (uint64_t)src->w[i] + dst->w[i];
	}
	return fold64(acc);
}
