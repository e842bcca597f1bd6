/* SPDX-License-Identifier: BSD-2-Clause */
/* The Internet checksum against the 16-bit loop of RFC 1071, every alignment and length. */
#include "harness.h"

static uint8_t src[70000], out[70000];

static void fill(uint64_t *seed, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		src[i] = (uint8_t)rnd_below(seed, 256);
}

/* Equal as ones' complement numbers, where 0 and 0xffff are the same. */
static void same(uint32_t sum, uint16_t naive)
{
	uint16_t f = be16(csum_fold(sum));

	if (f != naive && (f % 0xffff != 0 || naive % 0xffff != 0))
		ck_abort_msg("%04x, not %04x", f, naive);
}

START_TEST(example_of_rfc_1071)
{
	static const uint8_t b[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	ck_assert_uint_eq(be16(csum_fold(csum_add(0, b, sizeof(b)))), 0xddf2);
}
END_TEST

START_TEST(every_alignment_and_length)
{
	uint64_t seed = 1;
	size_t off, len;

	fill(&seed, 512);
	for (off = 0; off < 40; off++) {
		for (len = 0; len < 300; len++) {
			uint16_t n = naive_sum(src + off, len, 0);

			same(csum_add(0, src + off, len), n);
			memset(out, 0xee, 512);
			same(csum_copy(0, out + 40 - off, src + off, len), n);
			must(memcmp(out + 40 - off, src + off, len) == 0);
			must(out[40 - off + len] == 0xee);
			must(out[39 - off] == 0xee);
		}
	}
}
END_TEST

START_TEST(ones_everywhere_carry_back)
{
	memset(src, 0xff, sizeof(src));
	ck_assert_uint_eq(csum_fold(csum_add(0xffffffff, src, 65535 + 1)), 0xffff);
	same(csum_copy(0xffffffff, out, src, 65535), naive_sum(src, 65535, 0xffff));
}
END_TEST

START_TEST(random_lengths_and_starting_sums)
{
	uint64_t seed = 2;
	unsigned i;

	fill(&seed, sizeof(src));
	for (i = 0; i < 2000; i++) {
		size_t len = rnd_below(&seed, 1ull << rnd_below(&seed, 17)), off;
		uint32_t start = (uint32_t)rnd_below(&seed, 0x10000);

		off = rnd_below(&seed, sizeof(src) - len);
		same(csum_add(be16((uint16_t)start), src + off, len),
		     naive_sum(src + off, len, start));
	}
}
END_TEST

START_TEST(pieces_of_any_length_combine)
{
	uint64_t seed = 3;
	unsigned i;

	fill(&seed, 4000);
	for (i = 0; i < 2000; i++) {
		size_t len = rnd_below(&seed, 4000), at = 0;
		uint32_t sum = 0;

		while (at < len) {
			size_t n = 1 + rnd_below(&seed, len - at);

			sum = csum_combine(sum, csum_add(0, src + at, n), at);
			at += n;
		}
		same(sum, naive_sum(src, len, 0));
	}
}
END_TEST

START_TEST(pseudo_header)
{
	/* 10.0.0.1 -> 10.0.0.2, TCP, 20 bytes: a00 + 1 + a00 + 2 + 6 + 14 */
	struct ip_addr a = addr(10, 0, 0, 1), b = addr(10, 0, 0, 2), c, d;
	uint8_t p[40];

	ck_assert_uint_eq(be16(csum_fold(csum_pseudo(&a, &b, 6, 20))), 0x141d);
	memset(&c, 0x20, sizeof(c));
	memset(&d, 0xfe, sizeof(d));
	memset(p, 0, sizeof(p));
	memcpy(p, &c, 16);
	memcpy(p + 16, &d, 16);
	p[33] = 1; /* 65537 */
	p[35] = 1;
	p[39] = 17;
	same(csum_pseudo(&c, &d, 17, 65537), naive_sum(p, 40, 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("csum");
	TCase *tc = tcase_create("csum");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, example_of_rfc_1071);
	tcase_add_test(tc, every_alignment_and_length);
	tcase_add_test(tc, ones_everywhere_carry_back);
	tcase_add_test(tc, random_lengths_and_starting_sums);
	tcase_add_test(tc, pieces_of_any_length_combine);
	tcase_add_test(tc, pseudo_header);
	return run_suite(s);
}
