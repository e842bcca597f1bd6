/* SPDX-License-Identifier: BSD-2-Clause */
/* The sent-map, by example and against a naive model that keeps a state for each single byte. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "recovery_env.h"
#include "stack/tcp/sent.h"

#define MS 1000000ull

static struct recovery_env env;
static struct sent_map map;

static void setup(void)
{
	recovery_env_init(&env, 1000);
	sent_init(&map, &env.pool, seq_of(1000));
}

static void teardown(void)
{
	sent_reset(&map);
	recovery_env_fini(&env);
}

static struct sent_ack ack_to(uint32_t ack, uint64_t now_ns)
{
	struct sent_ack a;

	sent_ack_init(&a);
	sent_ack_to(&map, seq_of(ack), now_ns, &a);
	sent_check(&map);
	return a;
}

static struct sent_ack sack(uint32_t ack, uint32_t s, uint32_t e, uint64_t now_ns)
{
	struct sack_block b = {seq_of(s), seq_of(e)};
	struct sent_ack a;

	sent_ack_init(&a);
	sent_sack(&map, &b, 1, seq_of(ack), now_ns, &a);
	sent_check(&map);
	return a;
}

START_TEST(cumulative_ack_frees_and_trims)
{
	struct sent_ack a;

	sent_push(&map, 1000, 0, 1 * MS);
	sent_push(&map, 1000, 0, 2 * MS);
	ck_assert_uint_eq(map.in_flight_bytes, 2000);
	a = ack_to(2500, 10 * MS);
	ck_assert_uint_eq(a.acked_bytes, 1500);
	ck_assert_uint_eq(a.delivered_bytes, 1500);
	ck_assert(a.rtt_valid && a.rtt_tx_ns == 2 * MS);
	ck_assert_uint_eq(map.in_flight_bytes, 500);
	a = ack_to(3000, 11 * MS);
	ck_assert_uint_eq(a.acked_bytes, 500);
	ck_assert(sent_empty(&map));
}
END_TEST

START_TEST(syn_and_fin_count_a_number_but_no_data)
{
	struct sent_ack a;

	sent_push(&map, 1, SENT_SYN, 0);
	a = ack_to(1001, 1);
	ck_assert(a.syn && !a.fin && a.acked_bytes == 0);
	sent_push(&map, 11, SENT_FIN, 2);
	a = ack_to(1011, 3);
	ck_assert(!a.fin && a.acked_bytes == 10);
	a = ack_to(1012, 4);
	ck_assert(a.fin && a.acked_bytes == 0);
}
END_TEST

START_TEST(sack_splits_a_super_segment)
{
	struct sent_ack a;

	sent_push(&map, 64000, 0, 1 * MS);
	a = sack(1000, 11000, 21000, 5 * MS);
	ck_assert_uint_eq(a.sacked_bytes, 10000);
	ck_assert_uint_eq(map.nrecs, 3);
	ck_assert_uint_eq(map.in_flight_bytes, 54000);
	ck_assert_uint_eq(map.fack.v, 21000);
	a = sack(1000, 21000, 31000, 6 * MS);
	ck_assert_uint_eq(a.sacked_bytes, 10000);
	ck_assert_uint_eq(map.nrecs, 3); /* what is sacked side by side is one record */
	a = sack(1000, 11000, 31000, 6 * MS);
	ck_assert_uint_eq(a.sacked_bytes, 0);
	ck_assert_uint_eq(a.delivered_bytes, 0);
}
END_TEST

START_TEST(blocks_outside_the_window_are_ignored)
{
	static const uint32_t bad[][2] = {
		{5000, 6001},
		{1000, 1500},
		{6000, 7000},
		{3000, 2000},
		{3000, 3000},
		{500, 1500},
		{0x80000000, 0x80001000},
		{900, 7000},
	};
	unsigned i;

	sent_push(&map, 5000, 0, 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sent_ack a = sack(1000, bad[i][0], bad[i][1], 2);

		ck_assert_uint_eq(a.sacked_bytes, 0);
		ck_assert_uint_eq(map.nrecs, 1);
	}
}
END_TEST

START_TEST(dsack_is_recognised)
{
	struct sack_block below[1] = {{seq_of(1000), seq_of(1500)}};
	struct sack_block inside[2] = {{seq_of(4000), seq_of(4500)}, {seq_of(4000), seq_of(5000)}};
	struct sack_block plain[2] = {{seq_of(4000), seq_of(5000)}, {seq_of(3000), seq_of(3500)}};
	struct sent_ack a;

	sent_push(&map, 5000, 0, 1);
	sent_ack_init(&a);
	sent_sack(&map, below, 1, seq_of(2000), 2, &a);
	ck_assert(a.dsack && a.dsack_block.start.v == 1000);
	sent_ack_init(&a);
	sent_sack(&map, inside, 2, seq_of(2000), 2, &a);
	ck_assert(a.dsack && a.sacked_bytes == 1000);
	sent_ack_init(&a);
	sent_sack(&map, plain, 2, seq_of(2000), 2, &a);
	ck_assert(!a.dsack);
}
END_TEST

START_TEST(karn_takes_no_sample_from_what_was_sent_twice)
{
	struct sent_ack a;

	sent_push(&map, 1000, 0, 1 * MS);
	sent_all_lost(&map);
	ck_assert_uint_eq(map.in_flight_bytes, 0);
	sent_retransmitted(&map, sent_next_lost(&map), 1000, 300 * MS);
	ck_assert_uint_eq(map.rexmit_bytes, 1000);
	a = ack_to(2000, 310 * MS);
	ck_assert(!a.rtt_valid && a.any_rexmit && a.rexmit_tx_ns == 300 * MS);
	ck_assert_uint_eq(a.acked_rexmit_bytes, 1000);
}
END_TEST

START_TEST(lost_pieces_come_lowest_first_and_no_larger_than_asked)
{
	struct sent_rec *r;
	int i;

	for (i = 0; i < 5; i++)
		sent_push(&map, 1000, 0, i);
	sack(1000, 3000, 4000, 10);
	sent_mark_lost(&map, sent_tail(&map));
	sent_mark_lost(&map, sent_head(&map));
	sent_check(&map);
	r = sent_next_lost(&map);
	ck_assert_uint_eq(r->start.v, 1000);
	sent_retransmitted(&map, r, 400, 20);
	sent_check(&map);
	r = sent_next_lost(&map);
	ck_assert_uint_eq(r->start.v, 1400);
	sent_retransmitted(&map, r, 600, 21);
	ck_assert_uint_eq(sent_next_lost(&map)->start.v, 5000);
	ck_assert_uint_eq(map.rexmit_bytes, 1000);
	sent_check(&map);
}
END_TEST

START_TEST(timeout_keeps_what_is_sacked_and_reneging_gives_it_up)
{
	struct sent_ack a;

	sent_push(&map, 5000, 0, 1);
	sack(1000, 3000, 4000, 2);
	sent_all_lost(&map);
	sent_check(&map);
	ck_assert_uint_eq(map.lost_bytes, 4000);
	ck_assert_uint_eq(map.sacked_bytes, 1000);
	a = ack_to(3500, 3);
	ck_assert(a.reneged);
	sent_forget_sacks(&map);
	sent_check(&map);
	ck_assert_uint_eq(map.sacked_bytes, 0);
	ck_assert_uint_eq(map.lost_bytes, 2500);
}
END_TEST

START_TEST(reordering_is_seen_only_on_what_was_sent_once)
{
	struct sent_ack a;
	int i;

	for (i = 0; i < 4; i++)
		sent_push(&map, 1000, 0, i);
	a = sack(1000, 3000, 4000, 10);
	ck_assert(!a.reordered);
	a = sack(1000, 2000, 4000, 11);
	ck_assert(a.reordered);
	sent_mark_lost(&map, sent_head(&map));
	sent_retransmitted(&map, sent_next_lost(&map), 1000, 12);
	a = ack_to(4000, 20);
	ck_assert(!a.reordered);
}
END_TEST

/* ---- the model --------------------------------------------------------------------------------
 */

#define MODEL_BYTES 4096u
enum { M_SACKED = 1, M_LOST = 2 };

struct model {
	uint8_t byte[MODEL_BYTES]; /* by sequence number modulo its size */
	uint32_t una, nxt;
	uint64_t delivered;
	bool exact; /* the pool never runs dry */
};

static uint32_t model_count(const struct model *md, uint8_t what)
{
	uint32_t s, n = 0;

	for (s = md->una; s != md->nxt; s++)
		n += md->byte[s % MODEL_BYTES] == what;
	return n;
}

static void model_compare(const struct model *md)
{
	struct list *p;

	sent_check(&map);
	ck_assert_uint_eq(map.una.v, md->una);
	ck_assert_uint_eq(map.nxt.v, md->nxt);
	list_for_each(p, &map.recs) {
		const struct sent_rec *r = list_entry(p, struct sent_rec, node);
		uint32_t s;

		for (s = r->start.v; s != r->end.v; s++) {
			uint8_t b = md->byte[s % MODEL_BYTES];

			/* Plain comparisons: Check notes each assertion it passes, and there are
			 * millions. */
			if (md->exact && (!(r->flags & SENT_SACKED) != !(b & M_SACKED) ||
					  !(r->flags & SENT_LOST) != !(b & M_LOST)))
				ck_abort_msg("byte %u: flags %x, model %x", s, r->flags, b);
			if ((r->flags & SENT_SACKED) && !(b & M_SACKED))
				ck_abort_msg("byte %u sacked without the peer's word", s);
		}
	}
	if (!md->exact)
		return;
	ck_assert_uint_eq(map.sacked_bytes, model_count(md, M_SACKED));
	ck_assert_uint_eq(map.lost_bytes, model_count(md, M_LOST));
	ck_assert_uint_eq(map.in_flight_bytes, model_count(md, 0));
	ck_assert_uint_eq(map.delivered, md->delivered);
}

static void step_ack(struct model *md, uint64_t *seed, uint64_t now_ns)
{
	struct sack_block b[4];
	struct sent_ack a;
	uint32_t out = md->nxt - md->una, ack = md->una, moved = 0, i, n, s;

	if (rnd(seed, 2) && out)
		ack += rnd(seed, out + 1);
	n = rnd(seed, 5);
	sent_ack_init(&a);
	for (i = 0; i < n; i++) {
		b[i].start = seq_of(md->una - 100 + rnd(seed, out + 200));
		b[i].end = seq_add(b[i].start, rnd(seed, 400));
	}
	sent_sack(&map, b, n, seq_of(ack), now_ns, &a);
	for (i = 0; i < n; i++) {
		if (!seq_gt(b[i].start, seq_of(ack)) || !seq_gt(b[i].end, b[i].start) ||
		    !seq_leq(b[i].end, seq_of(md->nxt)))
			continue;
		for (s = b[i].start.v; s != b[i].end.v; s++) {
			md->delivered += !(md->byte[s % MODEL_BYTES] & M_SACKED);
			md->byte[s % MODEL_BYTES] = M_SACKED;
		}
	}
	sent_ack_to(&map, seq_of(ack), now_ns, &a);
	for (; md->una != ack; md->una++, moved++)
		md->delivered += !(md->byte[md->una % MODEL_BYTES] & M_SACKED);
	ck_assert_uint_eq(a.acked_bytes, moved);
}

static void step_lose_one(struct model *md, uint64_t *seed)
{
	uint32_t i, k = 0;
	struct sent_rec *r;
	struct list *p;
	struct seq start, end;

	list_for_each(p, &map.flight)
		k++;
	if (!k)
		return;
	p = map.flight.next;
	for (i = rnd(seed, k); i; i--)
		p = p->next;
	r = list_entry(p, struct sent_rec, state);
	start = r->start;
	end = r->end;
	sent_mark_lost(&map, r);
	for (; !seq_eq(start, end); start = seq_add(start, 1))
		md->byte[start.v % MODEL_BYTES] = M_LOST;
}

static void step(struct model *md, uint64_t *seed, uint64_t now_ns)
{
	uint32_t len, s;
	struct sent_rec *r;

	switch (rnd(seed, 12)) {
	case 0 ... 3:
		len = 1 + rnd(seed, rnd(seed, 4) ? 100 : 600);
		if (md->nxt - md->una + len > MODEL_BYTES)
			break;
		sent_push(&map, len, 0, now_ns);
		for (; len; len--, md->nxt++)
			md->byte[md->nxt % MODEL_BYTES] = 0;
		break;
	case 4 ... 7:
		step_ack(md, seed, now_ns);
		break;
	case 8:
		step_lose_one(md, seed);
		break;
	case 9 ... 10:
		r = sent_next_lost(&map);
		if (!r)
			break;
		len = r->end.v - r->start.v;
		if (rnd(seed, 2))
			len = 1 + rnd(seed, len);
		for (s = r->start.v; s != r->start.v + len; s++)
			md->byte[s % MODEL_BYTES] = 0;
		sent_retransmitted(&map, r, len, now_ns);
		break;
	case 11:
		if (rnd(seed, 8))
			break;
		if (rnd(seed, 3) == 0) {
			sent_unmark_lost(&map);
			for (s = md->una; s != md->nxt; s++)
				md->byte[s % MODEL_BYTES] &= (uint8_t)~M_LOST;
		} else if (rnd(seed, 2)) {
			sent_all_lost(&map);
			for (s = md->una; s != md->nxt; s++)
				if (!(md->byte[s % MODEL_BYTES] & M_SACKED))
					md->byte[s % MODEL_BYTES] = M_LOST;
		} else {
			sent_forget_sacks(&map);
			for (s = md->una; s != md->nxt; s++)
				if (md->byte[s % MODEL_BYTES] & M_SACKED)
					md->byte[s % MODEL_BYTES] = M_LOST;
		}
		break;
	}
}

static void model_run(uint64_t first_seed, uint32_t limit, bool exact, uint32_t isn)
{
	static struct model md;
	uint64_t seed = first_seed;
	int i;

	recovery_env_init(&env, limit);
	memset(&md, 0, sizeof(md));
	md.una = md.nxt = isn;
	md.exact = exact;
	sent_init(&map, &env.pool, seq_of(isn));
	for (i = 0; i < 3000; i++) {
		step(&md, &seed, i + 1);
		model_compare(&md);
	}
	teardown();
}

/* ---- scale -----------------------------------------------------------------------------------
 */

#define BIG 86000u /* a window of 125 MB in segments of an Ethernet's MTU */
#define SEG 1000u
#define LOG_STEPS 80u /* twice over what a search in so many records takes in the mean */

static void big_setup(void)
{
	recovery_env_init(&env, BIG + 1);
	sent_init(&map, &env.pool, seq_of(0xfff00000u));
	for (uint32_t i = 0; i < BIG; i++)
		sent_push(&map, SEG, 0, i);
	ck_assert_uint_lt(map.index.steps, 8 * BIG); /* O(1) amortised, each */
	map.index.steps = 0;
}

/* Sacks segment i. */
static struct sack_block big_block(uint32_t i)
{
	struct seq s = seq_of(0xfff00000u + i * SEG);

	return (struct sack_block){s, seq_add(s, SEG)};
}

START_TEST(sacks_all_over_a_large_window_cost_a_logarithm_each)
{
	uint64_t seed = 7;

	for (uint32_t n = 0; n < 10000; n++) {
		struct sack_block b[4];
		struct sent_ack a;
		uint64_t before = map.index.steps;

		for (int k = 0; k < 4; k++)
			b[k] = big_block(1 + 2 * (uint32_t)rnd(&seed, BIG / 2 - 1));
		sent_ack_init(&a);
		sent_sack(&map, b, 4, map.una, BIG + n, &a);
		if (map.index.steps - before > 4 * 2 * LOG_STEPS)
			ck_abort_msg("%u steps", (unsigned)(map.index.steps - before));
	}
	ck_assert_uint_gt(map.sacked_bytes, BIG / 4 * SEG);
	sent_check(&map);
}
END_TEST

START_TEST(losses_all_over_a_large_window_cost_a_logarithm_each)
{
	struct sent_rec **rec = calloc(BIG, sizeof(*rec));
	uint64_t seed = 8, before;
	struct list *p;
	uint32_t n = 0, i;

	list_for_each(p, &map.recs)
		rec[n++] = list_entry(p, struct sent_rec, node);
	for (i = 0; i < BIG / 2; i++) { /* every second one, in a random order */
		uint32_t k = i + (uint32_t)rnd(&seed, BIG / 2 - i);
		struct sent_rec *r = rec[2 * k];

		rec[2 * k] = rec[2 * i];
		rec[2 * i] = r;
		before = map.index.steps;
		sent_mark_lost(&map, r);
		if (map.index.steps - before > 3 * LOG_STEPS)
			ck_abort_msg("%u steps", (unsigned)(map.index.steps - before));
	}
	free(rec);
	sent_check(&map);
	map.index.steps = 0;
	sent_unmark_lost(&map);
	ck_assert_uint_lt(map.index.steps, BIG * LOG_STEPS);
	sent_check(&map);
	map.index.steps = 0;
	for (i = 1; i <= BIG; i++) {
		struct sent_ack a;

		sent_ack_init(&a);
		sent_ack_to(&map, seq_add(map.una, SEG), BIG, &a);
	}
	ck_assert(sent_empty(&map));
	ck_assert_uint_lt(map.index.steps, 8 * BIG);
}
END_TEST

START_TEST(undone_losses_are_in_flight_again_each_in_its_time)
{
	int i;

	for (i = 0; i < 6; i++)
		sent_push(&map, 1000, 0, i);
	sent_mark_lost(&map, sent_head(&map));
	sent_mark_lost(&map, sent_tail(&map));
	sent_retransmitted(&map, sent_next_lost(&map), 1000, 10); /* the first, once more */
	sent_push(&map, 1000, 0, 11);
	sent_mark_lost(&map, sent_head(&map));
	sent_unmark_lost(&map);
	sent_check(&map); /* the order among others */
	ck_assert_uint_eq(map.lost_bytes, 0);
	ck_assert_uint_eq(map.in_flight_bytes, 7000);
	ck_assert_uint_eq(map.rexmit_bytes, 1000);
	ck_assert_uint_eq(list_first(&map.flight, struct sent_rec, state)->start.v, 2000);
}
END_TEST

START_TEST(random_operations_agree_with_a_per_byte_model)
{
	model_run(_i + 1, 100000, true, _i % 2 ? 0xfffff000u : 77);
}
END_TEST

START_TEST(without_memory_nothing_is_lost_or_invented)
{
	model_run(_i + 1, _i % 6, false, 0xffffff00u);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sent");
	TCase *ex = tcase_create("examples"), *md = tcase_create("model");
	TCase *big = tcase_create("scale");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(ex, setup, teardown);
	tcase_add_test(ex, cumulative_ack_frees_and_trims);
	tcase_add_test(ex, syn_and_fin_count_a_number_but_no_data);
	tcase_add_test(ex, sack_splits_a_super_segment);
	tcase_add_test(ex, blocks_outside_the_window_are_ignored);
	tcase_add_test(ex, dsack_is_recognised);
	tcase_add_test(ex, karn_takes_no_sample_from_what_was_sent_twice);
	tcase_add_test(ex, lost_pieces_come_lowest_first_and_no_larger_than_asked);
	tcase_add_test(ex, timeout_keeps_what_is_sacked_and_reneging_gives_it_up);
	tcase_add_test(ex, reordering_is_seen_only_on_what_was_sent_once);
	tcase_add_test(ex, undone_losses_are_in_flight_again_each_in_its_time);
	suite_add_tcase(s, ex);
	tcase_add_checked_fixture(big, big_setup, teardown);
	tcase_add_test(big, sacks_all_over_a_large_window_cost_a_logarithm_each);
	tcase_add_test(big, losses_all_over_a_large_window_cost_a_logarithm_each);
	tcase_set_timeout(big, 30);
	suite_add_tcase(s, big);
	tcase_set_timeout(md, 30);
	tcase_add_loop_test(md, random_operations_agree_with_a_per_byte_model, 0, 20);
	tcase_add_loop_test(md, without_memory_nothing_is_lost_or_invented, 0, 24);
	suite_add_tcase(s, md);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
