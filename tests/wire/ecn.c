/* SPDX-License-Identifier: BSD-2-Clause */
/* ECN, RFC 3168: who agrees to it, which packets carry it, echoes, and what they do. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include "wire.h"

#define A TH_ACK
#define S TH_SYN
#define E TH_ECE
#define C TH_CWR
#define ECT1 1u
#define ECT0 2u
#define CE 3u

static struct stack_cfg with_ecn(uint8_t v)
{
	struct stack_cfg cfg;

	env_cfg(&cfg);
	cfg.tcp_ecn = v;
	return cfg;
}

static enum stat_id in_tos(struct wire *w, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len,
			   uint8_t tos)
{
	struct seg s = {
		.flags = flags, .seq = seq, .ack = ack, .len = len, .wnd = 65535, .tos = tos};

	return in_seg(w, &s);
}

/* An accepted connection that has ECN. */
static void establish_ecn(struct wire *w)
{
	struct stack_cfg cfg = with_ecn(2);

	wire_init(w, &cfg);
	listen_on(w, NULL, 8);
	in(w, S | E | C, 0, 0, 0);
	out_is(w, S | A | E, 0, 1, 0);
	in(w, A, 1, 1, 0);
	run(w);
	ck_assert_int_eq(stack_accept(w->e.st, w->l, &w->sk, w->e.now), 0);
	stack_sock_user(w->e.st, w->sk, &w->user);
}

static struct tcp_info info(struct wire *w)
{
	struct tcp_info ti;
	uint32_t len = sizeof(ti);

	ck_assert_int_eq(stack_getopt(w->e.st, w->sk, IPPROTO_TCP, TCP_INFO, &ti, &len, w->e.now),
			 0);
	return ti;
}

/* tcp_ecn, the SYN's flags and field, and whether the SYN-ACK agrees (6.1.1). */
START_TEST(a_listener_agrees_when_asked_and_allowed)
{
	static const struct {
		uint8_t ecn, flags, tos;
		bool agrees;
	} row[] = {
		{0, S | E | C, 0, false},  {1, S | E | C, 0, true},
		{2, S | E | C, 0, true},   {5, S | E | C, 0, true},
		{2, S, 0, false},          {2, S | E, 0, false},
		{2, S | C, 0, false},      {2, S | E | C, ECT0, false},
		{2, S | E | C, CE, false},
	};
	struct stack_cfg cfg = with_ecn(row[_i].ecn);
	struct wire w;
	struct seg s;

	wire_init(&w, &cfg);
	listen_on(&w, NULL, 8);
	in_tos(&w, row[_i].flags, 0, 0, 0, row[_i].tos);
	s = out(&w);
	ck_assert_uint_eq(s.flags, S | A | (row[_i].agrees ? E : 0));
	ck_assert_uint_eq(s.tos & 3, 0); /* neither a SYN nor a SYN-ACK is ECN-capable */
	pass(&w, 1100 * MS);
	s = out(&w); /* sent again, it says the same */
	ck_assert_uint_eq(s.flags, S | A | (row[_i].agrees ? E : 0));
	in(&w, A, 1, 1, 0);
	run(&w);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	ck_assert_int_eq(!!(info(&w).tcpi_options & TCPI_OPT_ECN), row[_i].agrees);
	put(&w, 10);
	ck_assert_uint_eq(out(&w).tos & 3, row[_i].agrees ? ECT0 : 0);
	wire_fini(&w);
}
END_TEST

/* tcp_ecn, what our SYN says, the SYN-ACK's flags, and whether data is ECN-capable then. */
START_TEST(an_active_side_asks_and_takes_only_a_proper_answer)
{
	static const struct {
		uint8_t ecn, syn, synack;
		bool has;
	} row[] = {
		{0, S, S | A | E, false},         {2, S, S | A | E, false},
		{1, S | E | C, S | A | E, true},  {1, S | E | C, S | A, false},
		{1, S | E | C, S | A | C, false}, {1, S | E | C, S | A | E | C, false},
		{4, S | E | C, S | A | E, true},
	};
	struct stack_cfg cfg = with_ecn(row[_i].ecn);
	struct sock_opts o;
	struct wire w;
	struct seg s;

	wire_init(&w, &cfg);
	sock_opts_default(&o);
	ck_assert_int_eq(stack_connect(w.e.st, &w.me, &w.peer, &o, &w.sk, w.e.now), 0);
	stack_sock_user(w.e.st, w.sk, &w.user);
	s = out(&w);
	ck_assert_uint_eq(s.flags, row[_i].syn);
	ck_assert_uint_eq(s.tos & 3, 0);
	in(&w, row[_i].synack, 0, 1, 0);
	s = out(&w);
	ck_assert_uint_eq(s.flags, A);
	ck_assert_uint_eq(s.tos & 3, 0); /* 6.1.4: no pure ACK */
	put(&w, 10);
	ck_assert_uint_eq(out(&w).tos & 3, row[_i].has ? ECT0 : 0);
	ck_assert_int_eq(!!(info(&w).tcpi_options & TCPI_OPT_ECN), row[_i].has);
	wire_fini(&w);
}
END_TEST

/* 6.1.1.1: there are paths that drop a SYN that asks. */
START_TEST(a_syn_that_timed_out_asks_no_more_unless_told_to)
{
	struct stack_cfg cfg = with_ecn(1);
	struct sock_opts o;
	struct wire w;

	cfg.tcp_ecn_fallback = (uint8_t)_i;
	wire_init(&w, &cfg);
	sock_opts_default(&o);
	ck_assert_int_eq(stack_connect(w.e.st, &w.me, &w.peer, &o, &w.sk, w.e.now), 0);
	out_is(&w, S | E | C, 0, 0, 0);
	pass(&w, 1100 * MS);
	out_is(&w, _i ? S : S | E | C, 0, 0, 0);
	in(&w, S | A | E, 0, 1, 0); /* the answer to the first one, late */
	out_is(&w, A, 1, 1, 0);
	put(&w, 10);
	ck_assert_uint_eq(out(&w).tos & 3, ECT0);
	wire_fini(&w);
}
END_TEST

/* 6.1.5: not what is sent again; 6.1.4: no ACK. */
START_TEST(only_new_data_is_ecn_capable)
{
	struct wire w;
	struct seg s;

	establish_ecn(&w);
	put(&w, 500);
	s = out(&w);
	ck_assert_uint_eq(s.tos & 3, ECT0);
	pass(&w, 1100 * MS);
	s = out(&w);
	ck_assert_uint_eq(s.seq, 1);
	ck_assert_uint_eq(s.len, 500);
	ck_assert_uint_eq(s.tos & 3, 0);
	in(&w, A, 1, 501, 100);
	run(&w);
	ck_assert_uint_eq(out(&w).tos & 3, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(a_program_cannot_set_the_field_by_ip_tos)
{
	int v = 0x10 | CE;
	struct wire w;

	establish_ecn(&w);
	ck_assert_int_eq(stack_setopt(w.e.st, w.sk, IPPROTO_IP, IP_TOS, &v, sizeof(v), w.e.now), 0);
	put(&w, 10);
	ck_assert_uint_eq(out(&w).tos, 0x10 | ECT0);
	in(&w, A, 1, 11, 100);
	run(&w);
	ck_assert_uint_eq(out(&w).tos, 0x10);
	wire_fini(&w);
}
END_TEST

/* 6.1.3: every ACK says ECE until the peer says CWR. */
START_TEST(a_mark_is_echoed_until_the_peer_has_heard)
{
	struct wire w;

	establish_ecn(&w);
	in_tos(&w, A, 1, 1, 100, ECT0);
	run(&w);
	out_is(&w, A, 1, 101, 0);
	in_tos(&w, A, 101, 1, 100, CE);
	out_is(&w, A | E, 1, 201, 0); /* at once */
	in_tos(&w, A, 201, 1, 100, ECT0);
	run(&w);
	out_is(&w, A | E, 1, 301, 0);
	put(&w, 10); /* data says it too */
	ck_assert_uint_eq(out(&w).flags & (E | C), E);
	in_tos(&w, A | C, 301, 11, 100, ECT1);
	out_is(&w, A, 11, 401, 0);
	in_tos(&w, A | C, 401, 11, 100, CE); /* both: the mark is news (6.1.3) */
	out_is(&w, A | E, 11, 501, 0);
	ck_assert(info(&w).tcpi_options & TCPI_OPT_ECN_SEEN);
	ck_assert_uint_eq(stack_stats(w.e.st)[STAT_tcp_ecn_marks], 2);
	wire_fini(&w);
}
END_TEST

/* 6.1.5: what is outside the window says nothing, nor does a pure ACK (6.1.4). */
START_TEST(marks_on_what_is_not_new_data_are_ignored)
{
	struct wire w;

	establish_ecn(&w);
	in_tos(&w, A, 1, 1, 100, ECT0);
	run(&w);
	out_is(&w, A, 1, 101, 0);
	in_tos(&w, A, 1, 1, 100, CE); /* a duplicate */
	out_is(&w, A, 1, 101, 0);
	in_tos(&w, A, 101 + 4000000, 1, 100, CE);
	out_is(&w, A, 1, 101, 0);
	in_tos(&w, A, 101, 1, 0, CE);
	in_tos(&w, A, 101, 1, 100, ECT0);
	run(&w);
	out_is(&w, A, 1, 201, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(without_ecn_marks_and_echoes_mean_nothing)
{
	struct wire w;
	uint32_t cwnd;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in_tos(&w, A, 1, 1, 100, CE);
	run(&w);
	out_is(&w, A, 1, 101, 0);
	put(&w, 5000);
	cwnd = tcp_conn_of(w.sk)->cc.cwnd;
	while (txq_used(stack_txq(w.e.st)))
		ck_assert_uint_eq(out(&w).tos & 3, 0);
	in(&w, A | E, 101, 537, 0);
	ck_assert_uint_ge(tcp_conn_of(w.sk)->cc.cwnd, cwnd);
	put(&w, 536);
	while (txq_used(stack_txq(w.e.st)))
		ck_assert(!(out(&w).flags & (E | C)));
	wire_fini(&w);
}
END_TEST

/* 6.1.2: once in a window of data, and CWR on the first new data after it. */
START_TEST(an_echo_reduces_once_per_window_and_is_answered_by_cwr_once)
{
	uint32_t before, nxt = 0, mss = 536, cwr = 0;
	struct wire w;
	struct tcp_conn *c;

	establish_ecn(&w);
	c = tcp_conn_of(w.sk);
	put(&w, 100000);
	while (txq_used(stack_txq(w.e.st)))
		nxt = out(&w).seq + mss;
	before = c->cc.cwnd;
	ck_assert_uint_eq(nxt, 1 + before); /* a full window */
	for (uint32_t ack = 1 + mss; ack < nxt; ack += mss)
		in(&w, A | E, 1, ack, 0);
	ck_assert_uint_lt(c->cc.cwnd, before);
	ck_assert_uint_ge(c->cc.cwnd, before / 2);
	ck_assert_uint_eq(stack_stats(w.e.st)[STAT_tcp_ecn_reductions], 1);
	ck_assert_uint_eq(c->total_retrans, 0);
	before = c->cc.cwnd;
	while (txq_used(stack_txq(w.e.st))) {
		struct seg s = out(&w);

		ck_assert_uint_eq(s.tos & 3, ECT0);
		if (s.flags & C)
			ck_assert_uint_eq(s.seq, nxt); /* the first */
		cwr += !!(s.flags & C);
	}
	ck_assert_uint_eq(cwr, 1);
	in(&w, A | E, 1, nxt, 0); /* still of that window */
	ck_assert_uint_eq(stack_stats(w.e.st)[STAT_tcp_ecn_reductions], 1);
	in(&w, A | E, 1, nxt + mss, 0); /* of the next one */
	ck_assert_uint_eq(stack_stats(w.e.st)[STAT_tcp_ecn_reductions], 2);
	ck_assert_uint_lt(c->cc.cwnd, before);
	ck_assert_uint_gt(info(&w).tcpi_delivered_ce, 0);
	wire_fini(&w);
}
END_TEST

/* The window fell because of a loss: the peer hears CWR, and its echoes count no more. */
START_TEST(a_loss_in_the_same_window_is_one_reduction)
{
	struct wire w;
	bool cwr = false;

	establish_ecn(&w);
	put(&w, 100000);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	for (int i = 0; i < 3; i++)
		in(&w, A, 1, 1, 0); /* without SACK: duplicates */
	ck_assert_int_eq(tcp_conn_of(w.sk)->rec.state, RECOVERY_FAST);
	for (int i = 0; i < 6; i++)
		in(&w, A | E, 1, 1, 0);
	ck_assert_uint_eq(stack_stats(w.e.st)[STAT_tcp_ecn_reductions], 0);
	while (txq_used(stack_txq(w.e.st))) {
		struct seg s = out(&w);

		ck_assert(!(s.seq == 1 && (s.flags & C))); /* 6.1.5: never on what is sent again */
		cwr = cwr || (s.flags & C);
	}
	ck_assert(cwr);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ecn");
	TCase *t = tcase_create("ecn");

	tcase_add_loop_test(t, a_listener_agrees_when_asked_and_allowed, 0, 9);
	tcase_add_loop_test(t, an_active_side_asks_and_takes_only_a_proper_answer, 0, 7);
	tcase_add_loop_test(t, a_syn_that_timed_out_asks_no_more_unless_told_to, 0, 2);
	tcase_add_test(t, only_new_data_is_ecn_capable);
	tcase_add_test(t, a_program_cannot_set_the_field_by_ip_tos);
	tcase_add_test(t, a_mark_is_echoed_until_the_peer_has_heard);
	tcase_add_test(t, marks_on_what_is_not_new_data_are_ignored);
	tcase_add_test(t, without_ecn_marks_and_echoes_mean_nothing);
	tcase_add_test(t, an_echo_reduces_once_per_window_and_is_answered_by_cwr_once);
	tcase_add_test(t, a_loss_in_the_same_window_is_one_reduction);
	suite_add_tcase(s, t);
	return run_suite(s);
}
