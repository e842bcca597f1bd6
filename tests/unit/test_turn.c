/* SPDX-License-Identifier: BSD-2-Clause */
/* The stack's life and turn: creation, the counters' table, events, what waits and who looks in. */
#include "harness.h"

#include <errno.h>

static struct env e;

static ssize_t send_to(struct sock *sk, const struct iovec *v, const struct endpoint *to)
{
	return stack_udp_send(e.st, sk, v, 1, &(struct udp_out){.to = to}, e.now);
}
static struct sock_opts o;

static struct sock *udp_open(uint16_t port)
{
	struct endpoint l = ep(e.me, port);
	struct sock *sk;

	ck_assert_int_eq(stack_udp_open(e.st, &l, &o, &sk), 0);
	return sk;
}

static void setup(void)
{
	env_init(&e, NULL);
	sock_opts_default(&o);
}

static void teardown(void)
{
	env_fini(&e);
}

START_TEST(creation_fails_cleanly_when_the_arena_is_small)
{
	static const uint8_t secret[32];
	struct stack_cfg cfg;
	struct stack *st;
	struct env small;
	size_t kb;

	stack_cfg_default(&cfg);
	for (kb = 64; kb < 8192; kb *= 2) {
		env_arena(&small, kb << 10);
		ck_assert_int_eq(stack_create(small.arena, &cfg, secret, 0, &st), -ENOMEM);
		env_arena_fini(&small);
	}
}
END_TEST

START_TEST(every_counter_has_a_name_of_its_own_and_a_sentence)
{
	unsigned i, j;

	for (i = 0; i < STAT_COUNT; i++) {
		const struct stat_info *s = &stat_info[i];

		must(s->text[0] >= 'A' && s->text[0] <= 'Z');
		must(s->text[strlen(s->text) - 1] == '.');
		must((s->kind == STAT_KIND_DROP) == (strncmp(s->name, "drop_", 5) == 0));
		for (j = 0; j < i; j++)
			must(strcmp(s->name, stat_info[j].name) != 0);
	}
}
END_TEST

START_TEST(edges_gather_until_there_is_a_user)
{
	struct sock *sk = udp_open(1);
	uint32_t edges;

	sock_ready(e.st, sk, RDY_IN, 0, RDY_IN);
	ck_assert_ptr_null(stack_event(e.st, &edges));
	stack_sock_user(e.st, sk, &e);
	ck_assert_ptr_eq(stack_event(e.st, &edges), sk);
	ck_assert_uint_eq(edges, RDY_IN | RDY_OUT);
	ck_assert_ptr_null(stack_event(e.st, &edges));
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(an_event_is_queued_once_and_news_raise_it_again)
{
	struct sock *a = udp_open(1), *c = udp_open(2);
	uint32_t edges;

	stack_sock_user(e.st, a, &e);
	stack_sock_user(e.st, c, &e);
	while (stack_event(e.st, &edges) != NULL)
		;
	sock_ready(e.st, c, RDY_IN, 0, 0);
	sock_ready(e.st, a, RDY_IN, 0, 0);
	sock_ready(e.st, c, RDY_PRI, 0, 0);
	ck_assert_ptr_eq(stack_event(e.st, &edges), c);
	ck_assert_uint_eq(edges, RDY_IN | RDY_PRI);
	ck_assert_ptr_eq(stack_event(e.st, &edges), a);
	ck_assert_ptr_null(stack_event(e.st, &edges));
	sock_ready(e.st, a, RDY_IN, 0, 0); /* the level is up already: no news */
	ck_assert_ptr_null(stack_event(e.st, &edges));
	sock_ready(e.st, a, RDY_IN, 0, RDY_IN);
	ck_assert_ptr_eq(stack_event(e.st, &edges), a);
	sock_ready(e.st, a, 0, RDY_IN, 0);
	ck_assert_uint_eq(a->ready, RDY_OUT);
	ck_assert_ptr_null(stack_event(e.st, &edges));
	sock_ready(e.st, a, RDY_IN, 0, 0);
	stack_close(e.st, a, e.now);
	ck_assert_ptr_null(stack_event(e.st, &edges));
	stack_close(e.st, c, e.now);
}
END_TEST

START_TEST(sockets_and_pools_can_be_walked)
{
	struct sock *sk[10];
	const struct sock *at = NULL;
	unsigned i, n = 0, pools = 0;

	for (i = 0; i < 10; i++)
		sk[i] = udp_open((uint16_t)(i + 1));
	while ((at = stack_sock_next(e.st, at)) != NULL)
		ck_assert_ptr_eq(at, sk[n++]);
	ck_assert_uint_eq(n, 10);
	ck_assert_uint_eq(stack_open_count(e.st), 10);
	/* torn reads: the walk ends, the process does not */
	at = sk[3];
	sk[3]->all.next = (struct list *)0x10;
	ck_assert_ptr_null(stack_sock_next(e.st, at));
	sk[3]->all.next = (struct list *)((uintptr_t)&sk[4]->all + 1);
	ck_assert_ptr_null(stack_sock_next(e.st, at));
	sk[3]->all.next = (struct list *)((uint8_t *)e.base + e.bytes);
	ck_assert_ptr_null(stack_sock_next(e.st, at));
	sk[3]->all.next = &sk[4]->all;
	for (i = 0; i < 10; i++)
		stack_close(e.st, sk[i], e.now);
	/* each has a name of its own; what was opened above is back in its */
	for (; stack_pool(e.st, pools) != NULL; pools++) {
		for (i = 0; i < pools; i++)
			ck_assert_str_ne(stack_pool(e.st, i)->name, stack_pool(e.st, pools)->name);
		if (strcmp(stack_pool(e.st, pools)->name, "udp_sock") == 0)
			ck_assert_uint_eq(stack_pool(e.st, pools)->out, 0);
	}
	ck_assert_uint_gt(pools, 5);
}
END_TEST

/* Three that wait while room comes for one at a time: each is resumed once before any is again. */
START_TEST(waiting_output_is_resumed_in_turn)
{
	struct endpoint to = ep(e.peer, 9);
	unsigned sent[3] = {0}, i, round;
	struct sock *sk[3];
	struct iovec v = {"x", 1};

	for (i = 0; i < 3; i++)
		sk[i] = udp_open((uint16_t)(i + 1));
	while (send_to(sk[0], &v, &to) == 1)
		;
	for (i = 1; i < 3; i++)
		ck_assert_int_eq(send_to(sk[i], &v, &to), -EAGAIN);
	for (round = 0; round < 6; round++) {
		env_tx(&e, NULL, 0, NULL);
		stack_run(e.st, e.now);
		for (i = 0; i < 3; i++) {
			if (!(sk[(round + i) % 3]->ready & RDY_OUT))
				continue;
			if (send_to(sk[(round + i) % 3], &v, &to) == 1)
				sent[(round + i) % 3]++;
		}
	}
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(sent[i], 2);
	for (i = 0; i < 3; i++)
		stack_close(e.st, sk[i], e.now);
}
END_TEST

START_TEST(output_without_a_frame_looks_again_in_a_millisecond)
{
	struct endpoint to = ep(e.peer, 9);
	struct frame_pool *fp = stack_frames(e.st);
	struct sock *sk = udp_open(1);
	struct iovec v = {"x", 1};
	static uint32_t held[2048];
	unsigned n = 0;

	while (fp->nfree > 0)
		held[n++] = frame_get(fp);
	ck_assert_int_eq(send_to(sk, &v, &to), -EAGAIN);
	ck_assert_uint_eq(e.st->stats[STAT_tx_no_frame], 1);
	ck_assert_uint_eq(stack_next_ns(e.st), e.now + WHEEL_COARSE_NS);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(sk->ready & RDY_OUT, 0);
	while (n > 0)
		frame_put(fp, held[--n]);
	e.now += WHEEL_COARSE_NS;
	stack_run(e.st, e.now);
	ck_assert_uint_eq(sk->ready & RDY_OUT, RDY_OUT);
	ck_assert_uint_eq(stack_next_ns(e.st), WHEEL_NEVER);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(reset_all_empties_udp_sockets_which_go_on)
{
	struct sock *sk = udp_open(1);
	struct iovec v = {"x", 1};
	struct endpoint to = ep(addr(9, 9, 9, 9), 9);
	struct ip_addr a;
	uint32_t edges;

	stack_sock_user(e.st, sk, &e);
	stack_event(e.st, &edges);
	ck_assert_int_eq(send_to(sk, &v, &to), 1);
	stack_reset_tell(e.st, NULL, e.now);
	stack_reset_all(e.st, e.now);
	ck_assert_int_eq(sk->err, 0);
	ck_assert_ptr_eq(stack_event(e.st, &edges), sk);
	ck_assert_uint_eq(edges, RDY_OUT);
	ck_assert_int_eq(send_to(sk, &v, &to), 1);
	stack_close(e.st, sk, e.now);
	stack_reset_tell(e.st, NULL, e.now);
	stack_reset_all(e.st, e.now);
	while (stack_dst_request(e.st, &a))
		;
}
END_TEST

int main(void)
{
	Suite *s = suite_create("turn");
	TCase *tc = tcase_create("turn");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, creation_fails_cleanly_when_the_arena_is_small);
	tcase_add_test(tc, every_counter_has_a_name_of_its_own_and_a_sentence);
	tcase_add_test(tc, edges_gather_until_there_is_a_user);
	tcase_add_test(tc, an_event_is_queued_once_and_news_raise_it_again);
	tcase_add_test(tc, sockets_and_pools_can_be_walked);
	tcase_add_test(tc, waiting_output_is_resumed_in_turn);
	tcase_add_test(tc, output_without_a_frame_looks_again_in_a_millisecond);
	tcase_add_test(tc, reset_all_empties_udp_sockets_which_go_on);
	return run_suite(s);
}
