/* SPDX-License-Identifier: BSD-2-Clause */
/* Arena, pools, frames, blocks. */
#include "harness.h"

#include <pthread.h>

static struct env e;

START_TEST(arena_pieces_are_aligned_zero_and_apart)
{
	uint8_t *a, *b;

	env_arena(&e, 1 << 20);
	a = arena_carve(e.arena, 100, 64);
	b = arena_carve(e.arena, 4096, 4096);
	ck_assert_uint_eq((uintptr_t)a % 64, 0);
	ck_assert_uint_eq((uintptr_t)b % 4096, 0);
	ck_assert(b >= a + 100);
	ck_assert(a >= (uint8_t *)e.base + sizeof(struct arena));
	ck_assert_uint_eq(a[0] | a[99] | b[0] | b[4095], 0);
	env_arena_fini(&e);
}
END_TEST

START_TEST(arena_refuses_what_does_not_fit_and_still_gives_what_does)
{
	uint64_t used;

	env_arena(&e, 65536);
	ck_assert_ptr_null(arena_carve(e.arena, 65536, 16));
	ck_assert_ptr_null(arena_carve(e.arena, SIZE_MAX - 8, 16));
	used = e.arena->used_bytes;
	ck_assert_ptr_nonnull(arena_carve(e.arena, 65536 - used, 1));
	ck_assert_uint_eq(e.arena->used_bytes, 65536);
	ck_assert_ptr_null(arena_carve(e.arena, 1, 1));
	env_arena_fini(&e);
}
END_TEST

static void *carve_many(void *arg)
{
	struct arena *a = arg;
	unsigned i;

	for (i = 0; i < 10000; i++) {
		uint32_t *p = arena_carve(a, 4, 4);

		if (p == NULL || __atomic_exchange_n(p, 1, __ATOMIC_RELAXED) != 0)
			return (void *)1;
	}
	return NULL;
}

START_TEST(arena_never_gives_a_piece_twice_to_two_threads)
{
	pthread_t t[2];
	void *r[2];
	unsigned i;

	env_arena(&e, 1 << 20);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, carve_many, e.arena), 0);
	for (i = 0; i < 2; i++) {
		pthread_join(t[i], &r[i]);
		ck_assert_ptr_null(r[i]);
	}
	env_arena_fini(&e);
}
END_TEST

START_TEST(pool_is_lifo_counts_and_has_a_limit)
{
	struct pool p;
	void *a, *b;

	env_arena(&e, 1 << 20);
	pool_init(&p, e.arena, "a name that is too long", 100, 2);
	ck_assert_str_eq(p.name, "a name that is ");
	ck_assert_uint_eq(p.obj_bytes, 128);
	a = pool_get(&p);
	b = pool_get(&p);
	ck_assert_uint_eq((uintptr_t)a % 64, 0);
	ck_assert_ptr_null(pool_get(&p));
	ck_assert_uint_eq(p.failed, 1);
	pool_put(&p, a);
	pool_put(&p, b);
	ck_assert_ptr_eq(pool_get(&p), b);
	ck_assert_ptr_eq(pool_get(&p), a);
	ck_assert_uint_eq(p.out_max, 2);
	memset(a, 0xff, 100);
	pool_put(&p, a);
	pool_put(&p, b);
	ck_assert_uint_eq(p.out, 0);
	pool_get(&p);
	a = pool_get_zeroed(&p);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_uint_eq(((uint8_t *)a)[i], 0);
	env_arena_fini(&e);
}
END_TEST

/* Random gets and puts against a table of what is out: no object is ever out twice. */
START_TEST(pool_objects_never_overlap)
{
	enum { N = 3000, SIZE = 80 };
	static uint8_t *out[N];
	uint64_t seed = 7;
	struct pool p;
	uint32_t n = 0, i, step;

	env_arena(&e, 16 << 20);
	pool_init(&p, e.arena, "objs", SIZE, N);
	for (step = 0; step < 100000; step++) {
		if (n < N && rnd_below(&seed, 100) < 55) {
			uint8_t *o = pool_get(&p);

			memset(o, 0, SIZE);
			memcpy(o, &o, sizeof(o));
			memcpy(o + SIZE - sizeof(o), &o, sizeof(o));
			out[n++] = o;
		} else if (n > 0) {
			uint8_t *o;

			i = (uint32_t)rnd_below(&seed, n);
			o = out[i];
			must(memcmp(o, &o, sizeof(o)) == 0);
			must(memcmp(o + SIZE - sizeof(o), &o, sizeof(o)) == 0);
			out[i] = out[--n];
			pool_put(&p, o);
		}
		must(p.out == n);
	}
	while (n > 0)
		pool_put(&p, out[--n]);
	must(p.out == 0);
	env_arena_fini(&e);
}
END_TEST

START_TEST(pool_ends_with_the_arena)
{
	struct pool p;
	unsigned n = 0;

	env_arena(&e, 256 << 10);
	pool_init(&p, e.arena, "blk", 4096, 1000);
	while (pool_get(&p) != NULL)
		n++;
	ck_assert_uint_ge(n, 16);
	ck_assert_uint_le(n, 63);
	ck_assert_uint_eq(p.failed, 1);
	env_arena_fini(&e);
}
END_TEST

START_TEST(frames_come_back_by_chain)
{
	struct frame_pool fp;
	uint32_t a, b, c;

	env_arena(&e, 1 << 20);
	ck_assert_int_eq(frame_pool_init(&fp, e.arena, 1000, NULL), -12);
	env_arena_fini(&e);
	env_arena(&e, 1 << 20);
	ck_assert_int_eq(frame_pool_init(&fp, e.arena, 3, NULL), 0);
	ck_assert_uint_eq((uintptr_t)fp.base % 4096, 0);
	a = frame_get(&fp);
	b = frame_get(&fp);
	c = frame_get(&fp);
	ck_assert_uint_eq(frame_get(&fp), FRAME_NONE);
	ck_assert_uint_eq(fp.failed, 1);
	ck_assert_uint_eq(fp.nfree_min, 0);
	frame_meta(&fp, a)->next = c;
	frame_put_chain(&fp, a);
	ck_assert_uint_eq(fp.nfree, 2);
	frame_put(&fp, b);
	ck_assert_uint_eq(frame_get(&fp), b);
	ck_assert_uint_eq(frame_meta(&fp, b)->next, FRAME_NONE);
	ck_assert_uint_eq(frame_meta(&fp, b)->off, 0);
	frame_put(&fp, b);
	frame_put_chain(&fp, FRAME_NONE);
	ck_assert_uint_eq(fp.nfree, 3);
	env_arena_fini(&e);
}
END_TEST

START_TEST(frame_freed_twice_is_caught)
{
	struct frame_pool fp;
	uint32_t a;

	env_arena(&e, 1 << 20);
	ck_assert_int_eq(frame_pool_init(&fp, e.arena, 3, NULL), 0);
	a = frame_get(&fp);
	frame_put(&fp, a);
	frame_put(&fp, a); /* SIGABRT */
}
END_TEST

/* A super-segment on the queue, built by hand: ip_begin() with bulk. */
static void queue_bulk(struct blk *b, uint32_t len)
{
	struct dst *d = dst_get(e.st, &e.peer);
	struct ip_tx t = {.src = &e.me, .proto = 6, .ttl = -1};
	struct ip_out o;

	ck_assert_int_eq(ip_begin(e.st, NULL, d, &t, 20, len, &o), 0);
	memset(o.l4, 0, 20);
	o.ent->blk = b;
	o.ent->gso_bytes = 1448;
	ip_commit(e.st, &o, 16, 0);
	dst_put(e.st, d);
}

START_TEST(block_freed_under_a_super_segment_waits_for_the_last)
{
	static uint8_t out[16384];
	struct blk *a, *b;

	env_init(&e, NULL);
	env_dev(&e, ENV_DEV, true, false, 65000);
	a = blk_get(e.st);
	b = blk_get(e.st);
	a->next = b;
	a->end = b->end = BLK_DATA_BYTES;
	memset(a->data, 'a', BLK_DATA_BYTES);
	memset(b->data, 'b', BLK_DATA_BYTES);
	queue_bulk(a, 2 * BLK_DATA_BYTES);
	queue_bulk(a, BLK_DATA_BYTES);
	blk_put(e.st, a);
	blk_put(e.st, b);
	ck_assert_uint_eq(e.st->blks.out, 2);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 54 + 2 * BLK_DATA_BYTES);
	ck_assert_uint_eq(out[54], 'a');
	ck_assert_uint_eq(out[54 + 2 * BLK_DATA_BYTES - 1], 'b');
	ck_assert_uint_eq(e.st->blks.out, 2);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 54 + BLK_DATA_BYTES);
	ck_assert_uint_eq(e.st->blks.out, 0);
	ck_assert_ptr_null(e.st->blk_limbo);
	a = blk_get(e.st);
	blk_put(e.st, a);
	ck_assert_uint_eq(e.st->blks.out, 0);
	env_fini(&e);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mem");
	TCase *tc = tcase_create("mem");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, arena_pieces_are_aligned_zero_and_apart);
	tcase_add_test(tc, arena_refuses_what_does_not_fit_and_still_gives_what_does);
	tcase_add_test(tc, arena_never_gives_a_piece_twice_to_two_threads);
	tcase_add_test(tc, pool_is_lifo_counts_and_has_a_limit);
	tcase_add_test(tc, pool_objects_never_overlap);
	tcase_add_test(tc, pool_ends_with_the_arena);
	tcase_add_test(tc, frames_come_back_by_chain);
	tcase_add_test_raise_signal(tc, frame_freed_twice_is_caught, 6);
	tcase_add_test(tc, block_freed_under_a_super_segment_waits_for_the_last);
	return run_suite(s);
}
