/* SPDX-License-Identifier: BSD-2-Clause */
/* How long things last: who is given up when, what TIME-WAIT lets through, who waits for what. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "wire.h"

#define A TH_ACK
#define S TH_SYN
#define F TH_FIN
#define R TH_RST

static void set_int(struct wire *w, int level, int name, int v)
{
	ck_assert_int_eq(stack_setopt(w->e.st, w->sk, level, name, &v, sizeof(v), w->e.now), 0);
}

/* tcp_probe_timer(): answers to zero-window probes do not put TCP_USER_TIMEOUT off. */
START_TEST(user_timeout_counts_while_the_window_is_shut)
{
	struct seg shut = {.flags = A, .seq = 1, .ack = 1, .wnd = 0};
	struct wire w;
	unsigned i;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	in_seg(&w, &shut);
	put(&w, 10);
	for (i = 0; i < 40 && !w.sk->err; i++) {
		pass(&w, 200 * MS);
		while (txq_used(stack_txq(w.e.st))) {
			out(&w);
			in_seg(&w, &shut);
		}
	}
	ck_assert_int_eq(w.sk->err, ETIMEDOUT);
	ck_assert_uint_ge(i, 25); /* five seconds, and what the first probe waited for */
	ck_assert_uint_le(i, 32);
	wire_fini(&w);
}
END_TEST

START_TEST(user_timeout_is_kept_to_the_millisecond)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, IPPROTO_TCP, TCP_USER_TIMEOUT, 4100);
	put(&w, 10);
	pass(&w, 200 * MS); /* it counts from the first retransmission on, as Linux has it */
	pass(&w, 4050 * MS);
	ck_assert_int_eq(w.sk->err, 0);
	pass(&w, 100 * MS); /* not at the next doubling of the RTO */
	ck_assert_int_eq(w.sk->err, ETIMEDOUT);
	wire_fini(&w);
}
END_TEST

START_TEST(shut_window_that_is_answered_lasts_without_user_timeout)
{
	struct seg shut = {.flags = A, .seq = 1, .ack = 1, .wnd = 0};
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in_seg(&w, &shut);
	put(&w, 10);
	for (unsigned i = 0; i < 3600; i++) {
		pass(&w, SEC);
		while (txq_used(stack_txq(w.e.st))) {
			out(&w);
			in_seg(&w, &shut);
		}
	}
	ck_assert_int_eq(w.sk->err, 0);
	wire_fini(&w);
}
END_TEST

/* tcp_syn_linear_timeouts: four at one pace, then doubled. */
START_TEST(first_syns_go_again_at_one_pace)
{
	static const unsigned at_s[] = {1, 2, 3, 4, 5, 7, 11};
	struct wire w;
	uint64_t start;

	wire_init(&w, NULL);
	start = w.e.now;
	connect_syn(&w, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(at_s); i++) {
		pass(&w, start + at_s[i] * SEC - 20 * MS - w.e.now);
		out_none(&w);
		pass(&w, 40 * MS);
		out_is(&w, S, 0, 0, 0);
	}
	wire_fini(&w);
}
END_TEST

static void into_time_wait(struct wire *w)
{
	establish(w, NULL);
	stack_close(w->e.st, w->sk, w->e.now);
	w->sk = NULL;
	out_is(w, F | A, 1, 1, 0);
	in(w, F | A, 1, 2, 0);
	out_is(w, A, 2, 2, 0);
	ck_assert_ptr_nonnull(tcp_mini_find(w->e.st, &w->me, &w->peer));
}

START_TEST(rst_ends_time_wait_unless_rfc1337)
{
	struct stack_cfg cfg;
	struct wire w;

	env_cfg(&cfg);
	cfg.tcp_rfc1337 = (uint8_t)_i;
	wire_init(&w, &cfg);
	into_time_wait(&w);
	in(&w, R, 2, 0, 0);
	ck_assert_int_eq(tcp_mini_find(w.e.st, &w.me, &w.peer) != NULL, _i);
	wire_fini(&w);
}
END_TEST

/* Who never answered gets tcp_synack_retries and no more, whatever TCP_DEFER_ACCEPT says. */
START_TEST(defer_accept_gives_the_silent_no_more_time)
{
	struct sock_opts o;
	struct wire w;
	unsigned n = 0;

	wire_init(&w, NULL);
	sock_opts_default(&o);
	o.defer_accept_s = 1000;
	listen_on(&w, &o, 8);
	in(&w, S, 0, 0, 0);
	pass(&w, 70 * SEC);
	for (; txq_used(stack_txq(w.e.st)); n++)
		out_is(&w, S | A, 0, 1, 0);
	ck_assert_uint_eq(n, 1 + 5);
	ck_assert_uint_eq(tcp_listener_of(w.l)->nreqs, 0);
	wire_fini(&w);
}
END_TEST

/* As the kernel tells it: the seconds that so many SYN-ACK timeouts take. */
START_TEST(defer_accept_is_told_rounded_up)
{
	static const int set[] = {0, 1, 2, 3, 4, 10, 1000}, told[] = {0, 1, 3, 3, 7, 15, 1087};
	uint32_t len = sizeof(int);
	struct wire w;
	int v;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	w.sk = w.l;
	set_int(&w, IPPROTO_TCP, TCP_DEFER_ACCEPT, set[_i]);
	w.sk = NULL;
	ck_assert_int_eq(
		stack_getopt(w.e.st, w.l, IPPROTO_TCP, TCP_DEFER_ACCEPT, &v, &len, w.e.now), 0);
	ck_assert_int_eq(v, told[_i]);
	wire_fini(&w);
}
END_TEST

/* No block is left though the send buffer has room: not writable until one is free again. */
START_TEST(writable_means_that_there_is_memory)
{
	struct stack_cfg cfg;
	uint32_t edges, sum = 0;
	struct wire w;
	ssize_t n;

	env_cfg(&cfg);
	cfg.max_blks = 8;
	wire_init(&w, &cfg);
	establish(&w, NULL);
	set_int(&w, SOL_SOCKET, SO_SNDBUF, 200000);
	while (stack_event(w.e.st, &edges))
		;
	while ((n = put(&w, 100000)) > 0)
		sum += (uint32_t)n;
	ck_assert_int_eq(n, -EAGAIN);
	ck_assert_uint_lt(sum, 200000);
	ck_assert_uint_eq(w.sk->ready & RDY_OUT, 0);
	run(&w); /* and time alone does not change it */
	ck_assert_uint_eq(w.sk->ready & RDY_OUT, 0);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	in(&w, A, 1, 1 + 5000, 0);
	run(&w);
	ck_assert_uint_ne(w.sk->ready & RDY_OUT, 0);
	ck_assert_ptr_eq(stack_event(w.e.st, &edges), w.sk);
	ck_assert_uint_ne(edges & RDY_OUT, 0);
	ck_assert_int_gt(put(&w, 100), 0);
	wire_fini(&w);
}
END_TEST

/* Many wait for memory: not all are told of the little that comes back, but each in its turn. */
#define WAITERS 40u
START_TEST(room_is_told_to_those_who_can_use_it)
{
	struct sock *sk[WAITERS];
	struct stack_cfg cfg;
	uint32_t edges, told = 0, first;
	struct wire w;

	env_cfg(&cfg);
	cfg.max_blks = 8;
	wire_init(&w, &cfg);
	for (uint32_t i = 0; i < WAITERS; i++) {
		w.peer.port = (uint16_t)(PEER_PORT + i);
		connect_syn(&w, NULL);
		in(&w, S | A, 0, 1, 0);
		out_is(&w, A, 1, 1, 0);
		sk[i] = w.sk;
	}
	set_int(&w, SOL_SOCKET, SO_SNDBUF, 200000);
	while (put(&w, 100000) > 0) /* the last one takes all */
		;
	for (uint32_t i = 0; i < WAITERS; i++) {
		w.sk = sk[i];
		ck_assert_int_eq(put(&w, 100), -EAGAIN);
	}
	while (stack_event(w.e.st, &edges))
		;
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	stack_abort(w.e.st, sk[WAITERS - 1], w.e.now); /* and gives it back */
	run(&w);
	while (stack_event(w.e.st, &edges))
		told++;
	first = told;
	ck_assert_uint_ge(first, 1);
	ck_assert_uint_le(first, 9);
	/* They do not want it any more. */
	pass(&w, 20 * MS);
	while (stack_event(w.e.st, &edges))
		told++;
	ck_assert_uint_eq(told, WAITERS - 1);
	for (uint32_t i = 0; i < WAITERS - 1; i++)
		stack_abort(w.e.st, sk[i], w.e.now);
	w.sk = NULL;
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire_life");
	TCase *tc = tcase_create("life");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, user_timeout_counts_while_the_window_is_shut);
	tcase_add_test(tc, user_timeout_is_kept_to_the_millisecond);
	tcase_add_test(tc, shut_window_that_is_answered_lasts_without_user_timeout);
	tcase_add_test(tc, first_syns_go_again_at_one_pace);
	tcase_add_loop_test(tc, rst_ends_time_wait_unless_rfc1337, 0, 2);
	tcase_add_test(tc, defer_accept_gives_the_silent_no_more_time);
	tcase_add_loop_test(tc, defer_accept_is_told_rounded_up, 0, 7);
	tcase_add_test(tc, writable_means_that_there_is_memory);
	tcase_add_test(tc, room_is_told_to_those_who_can_use_it);
	return run_suite(s);
}
