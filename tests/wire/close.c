/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends of every kind, TIME-WAIT, what outlives them; and every segment in every state. */
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include "wire.h"

#define A TH_ACK
#define S TH_SYN
#define F TH_FIN
#define R TH_RST

static uint32_t ready(struct wire *w)
{
	return w->sk->ready;
}

static const char *state(struct wire *w)
{
	return stack_state_name(w->sk);
}

START_TEST(rst_must_match_exactly)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	ck_assert_int_eq(in(&w, R, 100, 0, 0), STAT_drop_tcp_rst);
	out_is(&w, A, 1, 1, 0); /* challenge */
	ck_assert_int_eq(in(&w, R, 101, 0, 0), STAT_drop_tcp_rst);
	out_none(&w); /* rate limited */
	ck_assert_int_eq(in(&w, R, 70000, 0, 0), STAT_drop_tcp_rst);
	out_none(&w);
	ck_assert_str_eq(state(&w), "ESTAB");
	ck_assert_int_eq(in(&w, R, 1, 0, 0), STAT_rx_packets);
	ck_assert(ready(&w) & RDY_ERR && ready(&w) & RDY_HUP && ready(&w) & RDY_IN);
	ck_assert_int_eq(put(&w, 1), -ECONNRESET);
	ck_assert_int_eq(put(&w, 1), -EPIPE);
	ck_assert_int_eq(get(&w, 1), 0);
	wire_fini(&w);
}
END_TEST

START_TEST(active_close_goes_through_time_wait)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, F | A, 1, 1, 0);
	in(&w, A, 1, 2, 0);
	out_none(&w);
	in(&w, F | A, 1, 2, 0);
	out_is(&w, A, 2, 2, 0);
	in(&w, F | A, 1, 2, 0); /* again: our ACK was lost */
	out_is(&w, A, 2, 2, 0);
	ck_assert_uint_eq(w.e.st->tcp->tws.out, 1);
	ck_assert_uint_eq(w.e.st->tcp->conns.out, 0);
	pass(&w, 59 * SEC);
	ck_assert_uint_eq(w.e.st->tcp->tws.out, 1);
	pass(&w, 2 * SEC);
	ck_assert_uint_eq(w.e.st->tcp->tws.out, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(time_wait_yields_to_a_newer_syn)
{
	struct wire w;
	uint32_t old;

	wire_init(&w, NULL);
	establish(&w, NULL);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, F | A, 1, 1, 0);
	in(&w, F | A, 1, 2, 0);
	out_is(&w, A, 2, 2, 0);
	in(&w, S, 0, 0, 0); /* an old SYN: only an ACK */
	run(&w);
	ck_assert_uint_eq(w.e.st->tcp->tws.out, 1);
	while (txq_used(stack_txq(w.e.st)))
		out_is(&w, A, 2, 2, 0);
	old = w.iss;
	in(&w, S, 1000, 0, 0);
	out_is(&w, S | A, 0, 1001, 0);
	ck_assert_uint_gt(w.iss - old, 2);
	ck_assert_uint_lt(w.iss - old, 1u << 20);
	wire_fini(&w);
}
END_TEST

START_TEST(passive_close_half_open)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, F | A, 1, 1, 10);
	ck_assert_str_eq(state(&w), "CLOSE-WAIT");
	ck_assert((ready(&w) & (RDY_IN | RDY_RDHUP | RDY_HUP)) == (RDY_IN | RDY_RDHUP));
	run(&w);
	out_is(&w, A, 1, 12, 0);
	ck_assert_int_eq(get(&w, 100), 10);
	ck_assert_int_eq(get(&w, 100), 0);
	put(&w, 20); /* the other direction still works */
	out_is(&w, A, 1, 12, 20);
	in(&w, A, 12, 21, 0);
	ck_assert_int_eq(stack_shutdown(w.e.st, w.sk, SHUT_WR, w.e.now), 0);
	out_is(&w, F | A, 21, 12, 0);
	ck_assert_str_eq(state(&w), "LAST-ACK");
	ck_assert_int_eq(put(&w, 1), -EPIPE);
	in(&w, A, 12, 22, 0);
	ck_assert_str_eq(state(&w), "UNCONN");
	ck_assert(ready(&w) & RDY_HUP);
	wire_fini(&w);
}
END_TEST

START_TEST(simultaneous_close)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, F | A, 1, 1, 0);
	in(&w, F | A, 1, 1, 0);
	out_is(&w, A, 2, 2, 0);
	in(&w, A, 2, 2, 0);
	ck_assert_uint_eq(w.e.st->tcp->tws.out, 1);
	wire_fini(&w);
}
END_TEST

START_TEST(close_with_unread_data_resets)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, A, 1, 1, 10);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, R | A, 1, 11, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(linger_zero_resets)
{
	struct wire w;
	struct linger l = {1, 0};

	wire_init(&w, NULL);
	establish(&w, NULL);
	ck_assert_int_eq(stack_setopt(w.e.st, w.sk, SOL_SOCKET, SO_LINGER, &l, sizeof(l), w.e.now),
			 0);
	put(&w, 10);
	out_is(&w, A, 1, 1, 10);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, R | A, 11, 1, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(orphan_is_reset_by_data_and_by_time)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, F | A, 1, 1, 0);
	in(&w, A, 1, 2, 0);
	ck_assert_int_eq(in(&w, A, 1, 2, 10), STAT_drop_tcp_no_data);
	out_is(&w, R | A, 2, 1, 0);
	ck_assert_uint_eq(w.e.st->tcp->conns.out, 0);
	wire_fini(&w);
	wire_init(&w, NULL);
	establish(&w, NULL);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, F | A, 1, 1, 0);
	in(&w, A, 1, 2, 0);
	pass(&w, 61 * SEC); /* tcp_fin_timeout */
	ck_assert_uint_eq(w.e.st->tcp->conns.out, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(a_syn_ack_waits_for_its_neighbour_and_for_nothing_else)
{
	struct ip_addr asked;
	struct wire w;

	wire_init(&w, NULL);
	w.peer.addr = addr(10, 0, 0, 77);
	listen_on(&w, NULL, 8);
	ck_assert_int_eq(in(&w, TH_SYN, 0, 0, 0), STAT_rx_packets);
	run(&w);
	out_none(&w);
	ck_assert(stack_dst_request(w.e.st, &asked));
	ck_assert(ip_addr_eq(&asked, &w.peer.addr));
	ck_assert(stack_dst_waiting(w.e.st));
	w.e.now += 12345;
	env_dst_ok(&w.e, w.peer.addr);
	ck_assert(!stack_dst_waiting(w.e.st));
	ck_assert(stack_next_ns(w.e.st) <= w.e.now);
	run(&w);
	out_is(&w, TH_SYN | TH_ACK, 0, 1, 0);
	run(&w);
	out_none(&w);
	/* one whose neighbour never answers, and one that ends while it waits */
	w.peer.addr = addr(10, 0, 0, 78);
	ck_assert_int_eq(in(&w, TH_SYN, 0, 0, 0), STAT_rx_packets);
	pass(&w, 4 * SEC);
	for (int i = 0; i < 2; i++) /* the first one's, which nobody has answered */
		out_is(&w, TH_SYN | TH_ACK, 0, 1, 0);
	out_none(&w);
	w.peer.addr = addr(10, 0, 0, 79);
	ck_assert_int_eq(in(&w, TH_SYN, 0, 0, 0), STAT_rx_packets);
	stack_close(w.e.st, w.l, w.e.now);
	w.l = NULL;
	env_dst_ok(&w.e, w.peer.addr);
	run(&w);
	out_none(&w);
	wire_fini(&w);
}
END_TEST

START_TEST(listener_close_resets_what_it_holds)
{
	struct wire w;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	in(&w, A, 1, 1, 0);
	stack_close(w.e.st, w.l, w.e.now);
	w.l = NULL;
	out_is(&w, R | A, 1, 1, 0);
	wire_fini(&w);
}
END_TEST

/* After a death inside, too, the service goes on. */
START_TEST(listener_outlives_a_reset_of_everything)
{
	struct wire w;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	in(&w, A, 1, 1, 0);
	stack_reset_tell(w.e.st, NULL, w.e.now);
	stack_reset_all(w.e.st, w.e.now);
	out_is(&w, R | A, 1, 1, 0);
	ck_assert_uint_eq(w.e.st->tcp->conns.out, 0);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), -EAGAIN);
	env_dst_ok(&w.e, w.e.peer); /* the way is asked for anew */
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	in(&w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	wire_fini(&w);
}
END_TEST

START_TEST(every_state_survives_every_segment)
{
	static const uint8_t flags[] = {
		0, S, A, F, R, S | A, F | A, R | A, S | F, S | R, A | TH_URG, S | F | R | A, F | R};
	static const uint32_t seqs[] = {0, 1, 2, 100, 65000, 70000, 0x80000000u, 0xfffffff0u};
	static const uint32_t acks[] = {0, 1, 2, 3, 100, 0x80000000u, 0xfffffff0u};
	static const uint32_t lens[] = {0, 1, 100};
	unsigned n = ARRAY_SIZE(flags) * ARRAY_SIZE(seqs) * ARRAY_SIZE(acks) * ARRAY_SIZE(lens);

	for (unsigned k = 0; k < n; k++) {
		unsigned i = k;
		struct wire w;
		uint8_t f = flags[i % ARRAY_SIZE(flags)];
		uint32_t seq = seqs[(i /= ARRAY_SIZE(flags)) % ARRAY_SIZE(seqs)];
		uint32_t ack = acks[(i /= ARRAY_SIZE(seqs)) % ARRAY_SIZE(acks)];
		uint32_t len = lens[(i /= ARRAY_SIZE(acks)) % ARRAY_SIZE(lens)];

		wire_init(&w, NULL);
		if (_i == 0) {
			connect_syn(&w, NULL);
		} else {
			establish(&w, NULL);
			if (_i == 2 || _i == 3 || _i == 6)
				stack_shutdown(w.e.st, w.sk, SHUT_WR, w.e.now);
			if (_i == 3 || _i == 6)
				in(&w, A, 1, 2, 0);
			if (_i == 4 || _i == 5)
				in(&w, F | A, 1, 1, 0);
			if (_i == 5)
				stack_shutdown(w.e.st, w.sk, SHUT_WR, w.e.now);
			if (_i == 6)
				in(&w, F | A, 1, 2, 0);
		}
		in(&w, f, seq, ack, len);
		in(&w, f, seq, ack, len);
		wire_fini(&w);
	}
}
END_TEST

static Suite *make(void)
{
	Suite *s = suite_create("wire_close");
	TCase *tc = tcase_create("close");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, rst_must_match_exactly);
	tcase_add_test(tc, active_close_goes_through_time_wait);
	tcase_add_test(tc, time_wait_yields_to_a_newer_syn);
	tcase_add_test(tc, passive_close_half_open);
	tcase_add_test(tc, simultaneous_close);
	tcase_add_test(tc, close_with_unread_data_resets);
	tcase_add_test(tc, linger_zero_resets);
	tcase_add_test(tc, orphan_is_reset_by_data_and_by_time);
	tcase_add_test(tc, listener_close_resets_what_it_holds);
	tcase_add_test(tc, listener_outlives_a_reset_of_everything);
	tcase_add_test(tc, a_syn_ack_waits_for_its_neighbour_and_for_nothing_else);
	tcase_add_loop_test(tc, every_state_survives_every_segment, 0, 7);
	return s;
}

int main(void)
{
	return run_both_families(make);
}
