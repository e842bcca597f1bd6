/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random numbers and the keyed hash, from the secret the stack was created with. What peers see of
 * them (ports, ISNs, challenge ACK jitter) must tell nothing of what comes next, or came before.
 *
 * Random: ChaCha20 (RFC 8439 2.3) with fast key erasure: each block yields the next key and 32
 * bytes to give out, so that a memory image taken later does not reveal what was given out. Hash:
 * SipHash-2-4, whose key is never used for anything else. Both keys are blocks of ChaCha20 under
 * the secret, told apart by the nonce.
 */
#include "internal.h"

#define CHACHA_ROUNDS 20
enum { NONCE_RANDOM = 1, NONCE_HASH = 2 };

static inline uint32_t rotl32(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static inline uint64_t rotl64(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static inline void quarter(uint32_t x[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[a] += x[b];
	x[d] = rotl32(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotl32(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotl32(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotl32(x[b] ^ x[c], 7);
}

static void chacha_block(const uint32_t key[8], uint32_t nonce, uint32_t out[16])
{
	uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	unsigned i;

	memcpy(&in[4], key, 32);
	in[13] = nonce;
	memcpy(out, in, sizeof(in));
	for (i = 0; i < CHACHA_ROUNDS; i += 2) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (i = 0; i < 16; i++)
		out[i] += in[i];
}

void stack_rand_init(struct stack *st, const uint8_t secret[32])
{
	uint32_t key[8], block[16];

	memcpy(key, secret, sizeof(key));
	chacha_block(key, NONCE_RANDOM, block);
	memcpy(st->rng_key, block, sizeof(st->rng_key));
	st->rng_left = 0;
	chacha_block(key, NONCE_HASH, block);
	memcpy(st->hash_key, block, sizeof(st->hash_key));
}

uint32_t stack_random(struct stack *st)
{
	uint32_t block[16], v;

	if (st->rng_left == 0) {
		chacha_block(st->rng_key, 0, block);
		memcpy(st->rng_key, block, sizeof(st->rng_key));
		memcpy(st->rng_buf, &block[8], sizeof(st->rng_buf));
		st->rng_left = ARRAY_SIZE(st->rng_buf);
	}
	v = st->rng_buf[--st->rng_left];
	st->rng_buf[st->rng_left] = 0;
	return v;
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl64(v[1], 13) ^ v[0];
	v[0] = rotl64(v[0], 32);
	v[2] += v[3];
	v[3] = rotl64(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl64(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl64(v[1], 17) ^ v[2];
	v[2] = rotl64(v[2], 32);
}

uint64_t stack_siphash(const uint64_t key[2], const void *p, size_t len)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
			 key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull};
	const uint8_t *b = p;
	uint64_t m, last = (uint64_t)len << 56;
	unsigned i;

	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&m, b, 8);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	for (i = 0; i < len; i++)
		last |= (uint64_t)b[i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t stack_hash(const struct stack *st, const void *p, size_t len)
{
	return stack_siphash(st->hash_key, p, len);
}
