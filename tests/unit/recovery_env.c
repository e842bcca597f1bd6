/* SPDX-License-Identifier: BSD-2-Clause */
#include "recovery_env.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stack/assert.h"
#include "stack/tcp/sent.h"

#define ENV_BYTES (32u << 20)

void stack_panic(const char *file, int line, const char *what)
{
	_ck_assert_failed(file, line, "ASSERT", "%s", what);
	abort();
}

void recovery_env_init(struct recovery_env *e, uint32_t limit)
{
	e->base = aligned_alloc(1u << 21, ENV_BYTES);
	ck_assert_ptr_nonnull(e->base);
	memset(e->base, 0, ENV_BYTES);
	e->arena = arena_init(e->base, ENV_BYTES);
	pool_init(&e->pool, e->arena, "sent", sizeof(struct sent_rec), limit);
}

void recovery_env_fini(struct recovery_env *e)
{
	ck_assert_uint_eq(e->pool.out, 0);
	free(e->base);
}

uint64_t rnd(uint64_t *s, uint64_t n)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % n;
}
