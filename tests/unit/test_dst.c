/* SPDX-License-Identifier: BSD-2-Clause */
/* The destination cache: asking, waiting, giving up, changing. A UDP socket stands for who
 * waits. */
#include "harness.h"

#include <errno.h>

static struct env e;
static struct sock *sk;
static struct ip_addr far, gw;
static uint8_t out[8192];

static void setup(void)
{
	struct sock_opts o;
	struct endpoint local;

	env_init(&e, NULL);
	far = addr(8, 8, 8, 8);
	gw = addr(10, 0, 0, 254);
	local = ep(e.me, 5000);
	sock_opts_default(&o);
	ck_assert_int_eq(stack_udp_open(e.st, &local, &o, &sk), 0);
}

static void teardown(void)
{
	stack_close(e.st, sk, e.now);
	env_fini(&e);
}

static ssize_t send_to(struct ip_addr a, const char *text)
{
	struct iovec v = {(void *)(uintptr_t)text, strlen(text)};
	struct endpoint to = ep(a, 53);

	return stack_udp_send(e.st, sk, &v, 1, &(struct udp_out){.to = &to}, e.now);
}

static void info(enum dst_state state, int err, uint32_t mtu)
{
	struct dst_info i = {
		.state = state, .err = err, .dev = ENV_DEV, .next_hop = gw, .mtu = mtu};

	memcpy(i.mac, env_peer_mac, 6);
	stack_dst_set(e.st, &far, &i, e.now);
}

static unsigned requests(void)
{
	struct ip_addr a;
	unsigned n = 0;

	while (stack_dst_request(e.st, &a)) {
		ck_assert(ip_addr_eq(&a, &far));
		n++;
	}
	return n;
}

static void run_to(uint64_t ns)
{
	e.now += ns;
	stack_run(e.st, e.now);
}

START_TEST(unknown_is_asked_once_and_the_packet_waits)
{
	ck_assert_int_eq(send_to(far, "one"), 3);
	ck_assert_int_eq(send_to(far, "two"), 3);
	ck_assert_uint_eq(requests(), 1);
	ck_assert_ptr_null(stack_tx_peek(e.st));
	info(DST_WAIT, 0, 0);
	stack_run(e.st, e.now);
	ck_assert_ptr_null(stack_tx_peek(e.st));
	info(DST_OK, 0, 0);
	ck_assert_uint_le(stack_next_ns(e.st), e.now);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 42 + 3);
	ck_assert(memcmp(out + 42, "one", 3) == 0);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 42 + 3);
	ck_assert(memcmp(out + 42, "two", 3) == 0);
	ck_assert_uint_eq(stack_next_ns(e.st), WHEEL_NEVER);
}
END_TEST

START_TEST(neighbour_that_comes_up_wakes_all_behind_it)
{
	ck_assert_int_eq(send_to(far, "one"), 3);
	info(DST_WAIT, 0, 0);
	stack_neigh_set(e.st, ENV_DEV + 1, &gw, env_peer_mac, e.now);
	stack_run(e.st, e.now);
	ck_assert_ptr_null(stack_tx_peek(e.st));
	stack_neigh_set(e.st, ENV_DEV, &gw, env_mac, e.now);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 45);
	ck_assert(memcmp(out, env_mac, 6) == 0);
	requests();
}
END_TEST

START_TEST(no_answer_for_three_seconds_is_unreachable_then_asked_again)
{
	struct endpoint local = ep(e.me, 5000), remote = ep(far, 53);
	uint32_t edges;

	stack_udp_connect(e.st, sk, &local, &remote);
	stack_sock_user(e.st, sk, &e);
	stack_event(e.st, &edges);
	ck_assert_int_eq(send_to(far, "one"), 3);
	ck_assert_uint_eq(requests(), 1);
	ck_assert_uint_le(stack_next_ns(e.st), e.now + 3 * SEC);
	run_to(2999 * MS);
	ck_assert_int_eq(sk->err, 0);
	run_to(2 * MS);
	ck_assert_int_eq(sk->err, EHOSTUNREACH);
	ck_assert_ptr_eq(stack_event(e.st, &edges), sk);
	ck_assert_uint_ne(edges & RDY_ERR, 0);
	ck_assert_uint_eq(e.st->stats[STAT_udp_tx_dropped], 1);
	ck_assert_int_eq(send_to(far, "two"), -EHOSTUNREACH); /* the pending error */
	ck_assert_int_eq(send_to(far, "two"), -EHOSTUNREACH); /* still fresh */
	ck_assert_uint_eq(requests(), 0);
	e.now += SEC;
	ck_assert_int_eq(send_to(far, "two"), 3);
	ck_assert_uint_eq(requests(), 1);
	info(DST_OK, 0, 0);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 45);
}
END_TEST

START_TEST(unreachable_says_why)
{
	info(DST_UNREACHABLE, ENETUNREACH, 0);
	ck_assert_int_eq(send_to(far, "x"), -ENETUNREACH);
	ck_assert_uint_eq(e.st->stats[STAT_dst_unreachable], 1);
	ck_assert_uint_eq(requests(), 0);
}
END_TEST

START_TEST(failed_neighbour_is_resolved_anew_by_the_next_packet)
{
	info(DST_OK, 0, 0);
	ck_assert_int_eq(send_to(far, "x"), 1);
	ck_assert_uint_gt(env_tx(&e, NULL, 0, NULL), 0);
	stack_neigh_set(e.st, ENV_DEV, &gw, NULL, e.now);
	ck_assert_uint_eq(requests(), 0);
	ck_assert_int_eq(send_to(far, "y"), 1);
	ck_assert_ptr_null(stack_tx_peek(e.st));
	ck_assert_uint_eq(requests(), 1);
	stack_neigh_set(e.st, ENV_DEV, &gw, env_peer_mac, e.now);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 43);
}
END_TEST

START_TEST(after_a_flush_the_held_wait_to_be_asked_again)
{
	struct dst *d;

	info(DST_OK, 0, 0);
	d = dst_get(e.st, &far);
	ck_assert_int_eq(send_to(far, "x"), 1);
	stack_dst_flush(e.st);
	ck_assert_ptr_eq(dst_find(e.st, &far), d);
	ck_assert_ptr_null(dst_find(e.st, &e.peer));
	ck_assert_uint_eq(requests(), 0);
	/* Nothing goes the old way. */
	while (env_tx(&e, out, sizeof(out), NULL) != 0)
		;
	ck_assert_int_eq(send_to(far, "x"), 1);
	ck_assert_int_eq(send_to(far, "x"), 1);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 0);
	ck_assert_uint_eq(requests(), 1);
	ck_assert(d->stale);
	info(DST_OK, 0, 0);
	ck_assert(!d->stale);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 43);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 43);
	stack_dst_flush(e.st);
	info(DST_UNREACHABLE, ENETUNREACH, 0);
	ck_assert_int_eq(send_to(far, "x"), -ENETUNREACH);
	dst_put(e.st, d);
}
END_TEST

START_TEST(mtu_is_the_smallest_known_and_what_was_learnt_expires)
{
	struct dst *d = dst_get(e.st, &far);

	ck_assert_uint_eq(dst_mtu(e.st, d), 1500);
	info(DST_OK, 0, 1400);
	ck_assert_uint_eq(dst_mtu(e.st, d), 1400);
	ck_assert(!dst_pmtu_learn(e.st, d, 1400, e.now));
	ck_assert(dst_pmtu_learn(e.st, d, 1000, e.now));
	ck_assert(!dst_pmtu_learn(e.st, d, 1200, e.now));
	ck_assert_uint_eq(dst_mtu(e.st, d), 1000);
	ck_assert(dst_pmtu_learn(e.st, d, 68, e.now));
	ck_assert_uint_eq(dst_mtu(e.st, d), 552);
	run_to(599 * SEC);
	ck_assert_uint_eq(dst_mtu(e.st, d), 552);
	run_to(2 * SEC);
	ck_assert_uint_eq(dst_mtu(e.st, d), 1400);
	ck_assert(dst_pmtu_learn(e.st, d, 1000, e.now));
	gw = addr(10, 0, 0, 253);
	info(DST_OK, 0, 9000);
	ck_assert_uint_eq(dst_mtu(e.st, d), 1500);
	requests();
	dst_put(e.st, d);
}
END_TEST

START_TEST(the_cache_is_bounded_and_drops_the_coldest)
{
	struct ip_addr a;
	struct dst *d;
	uint32_t i;

	for (i = 0; i < 70000; i++) {
		a = ip_addr_v4(be32(0x14000000 + i));
		d = dst_get(e.st, &a);
		must(d != NULL);
		dst_put(e.st, d);
	}
	ck_assert_uint_eq(dst_pool(e.st)->out, 65536);
	ck_assert_ptr_nonnull(dst_find(e.st, &a));
	a = ip_addr_v4(be32(0x14000000));
	ck_assert_ptr_null(dst_find(e.st, &a));
}
END_TEST

START_TEST(socket_closed_while_its_datagram_waits_still_sends_it)
{
	struct endpoint local = ep(e.me, 6000);
	struct sock_opts o;
	struct sock *other = sk;

	sock_opts_default(&o);
	ck_assert_int_eq(stack_udp_open(e.st, &local, &o, &sk), 0);
	ck_assert_int_eq(send_to(far, "bye"), 3);
	stack_close(e.st, sk, e.now);
	sk = other;
	ck_assert_uint_eq(stack_draining_count(e.st), 1);
	requests();
	info(DST_OK, 0, 0);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 45);
	ck_assert_uint_eq(stack_draining_count(e.st), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dst");
	TCase *tc = tcase_create("dst");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, unknown_is_asked_once_and_the_packet_waits);
	tcase_add_test(tc, neighbour_that_comes_up_wakes_all_behind_it);
	tcase_add_test(tc, no_answer_for_three_seconds_is_unreachable_then_asked_again);
	tcase_add_test(tc, unreachable_says_why);
	tcase_add_test(tc, failed_neighbour_is_resolved_anew_by_the_next_packet);
	tcase_add_test(tc, after_a_flush_the_held_wait_to_be_asked_again);
	tcase_add_test(tc, mtu_is_the_smallest_known_and_what_was_learnt_expires);
	tcase_add_test(tc, the_cache_is_bounded_and_drops_the_coldest);
	tcase_add_test(tc, socket_closed_while_its_datagram_waits_still_sends_it);
	return run_suite(s);
}
