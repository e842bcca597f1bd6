/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyed hash, what is made with it, and the random numbers. */
#include "harness.h"
#include "stack/tcp/fastopen.h"

static struct env e;

START_TEST(siphash_matches_its_paper)
{
	/* Appendix A of the SipHash paper: key 00..0f, input 00..0e; and the empty input. */
	uint64_t key[2] = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
	uint8_t in[15];
	unsigned i;

	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	ck_assert_uint_eq(stack_siphash(key, in, 15), 0xa129ca6149be45e5ull);
	ck_assert_uint_eq(stack_siphash(key, in, 0), 0x726fdb47dd0e0e31ull);
	ck_assert_uint_eq(stack_siphash(key, in, 8), 0x93f5f5799a932462ull);
}
END_TEST

START_TEST(fastopen_cookies_are_the_kernels)
{
	/* tcp_fastopen_key 00112233-44556677-8899aabb-ccddeeff; what Linux 6.18 gave out */
	static const uint64_t key[2] = {0x4455667700112233ull, 0xccddeeff8899aabbull};
	static const struct {
		const char *remote, *local, *cookie;
	} k[] = {
		{"\x7f\0\0\1", "\x7f\0\0\1", "\xc1\x1a\x1e\x6f\x1c\xc4\x58\xdd"},
		{"\xc0\0\2\2", "\xc0\0\2\1", "\xeb\xfa\x09\xe3\xbf\xdc\xca\xee"},
	};
	static const uint8_t c6[] = {0x12, 0x42, 0x70, 0x77, 0xfb, 0x53, 0x1a, 0xea};
	uint8_t a6[16] = {0x20, 0x01, 0x0d, 0xb8}, b6[16] = {0x20, 0x01, 0x0d, 0xb8};
	struct ip_addr remote, local;
	struct tcp_fo fo;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t r, l;

		memcpy(&r, k[i].remote, 4);
		memcpy(&l, k[i].local, 4);
		remote = ip_addr_v4(r);
		local = ip_addr_v4(l);
		fastopen_cookie_make(key, &remote, &local, &fo);
		ck_assert(fo.has == TCP_FO_COOKIE && fo.len == 8);
		ck_assert_mem_eq(fo.b, k[i].cookie, 8);
	}
	a6[15] = 2;
	b6[15] = 1;
	remote = ip_addr_v6(a6, 0);
	local = ip_addr_v6(b6, 0);
	fastopen_cookie_make(key, &remote, &local, &fo);
	ck_assert_mem_eq(fo.b, c6, 8);
}
END_TEST

START_TEST(same_secret_same_numbers_another_secret_others)
{
	uint8_t secret[32] = {1};
	uint32_t a[100], i, same = 0;
	static struct stack st;
	uint64_t h;

	stack_rand_init(&st, secret);
	h = stack_hash(&st, "x", 1);
	for (i = 0; i < 100; i++)
		a[i] = stack_random(&st);
	stack_rand_init(&st, secret);
	ck_assert_uint_eq(stack_hash(&st, "x", 1), h);
	for (i = 0; i < 100; i++)
		ck_assert_uint_eq(stack_random(&st), a[i]);
	secret[31] = 1;
	stack_rand_init(&st, secret);
	ck_assert_uint_ne(stack_hash(&st, "x", 1), h);
	for (i = 0; i < 100; i++)
		same += stack_random(&st) == a[i];
	ck_assert_uint_le(same, 1);
}
END_TEST

START_TEST(bits_are_even)
{
	unsigned bit[32] = {0}, i, b;

	env_init(&e, NULL);
	for (i = 0; i < 20000; i++) {
		uint32_t v = stack_random(e.st);

		for (b = 0; b < 32; b++)
			bit[b] += v >> b & 1;
	}
	/* 10000 each, standard deviation 71: ten of them never by chance */
	for (b = 0; b < 32; b++)
		ck_assert(bit[b] > 9290 && bit[b] < 10710);
	env_fini(&e);
}
END_TEST

START_TEST(what_was_given_out_is_not_kept)
{
	uint32_t v;
	size_t i;

	env_init(&e, NULL);
	v = stack_random(e.st);
	for (i = 0; i + 4 <= sizeof(*e.st); i += 4)
		ck_assert(memcmp((uint8_t *)e.st + i, &v, 4) != 0);
	env_fini(&e);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rand");
	TCase *tc = tcase_create("rand");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, siphash_matches_its_paper);
	tcase_add_test(tc, fastopen_cookies_are_the_kernels);
	tcase_add_test(tc, same_secret_same_numbers_another_secret_others);
	tcase_add_test(tc, bits_are_even);
	tcase_add_test(tc, what_was_given_out_is_not_kept);
	return run_suite(s);
}
