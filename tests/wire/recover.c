/* SPDX-License-Identifier: BSD-2-Clause */
/* Loss recovery on the wire: what is sent again and when, and what is undone. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "wire.h"

#define A TH_ACK
#define S TH_SYN
#define M 1000u /* the peer's MSS, options taken off */

/* What the peer says in an ACK. */
struct says {
	uint32_t ack, tsecr;
	unsigned nsack;
	uint32_t sack[3][2];
};

static uint32_t peer_ts = 100;

static uint32_t put32(uint8_t *b, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		b[i] = (uint8_t)(v >> (24 - 8 * i));
	return 4;
}

static uint32_t ts_put(uint8_t *b, uint32_t tsecr)
{
	b[0] = b[1] = 1;
	b[2] = 8;
	b[3] = 10;
	put32(b + 4, peer_ts);
	put32(b + 8, tsecr);
	return 12;
}

/* tsecr 0: no timestamp. */
static void say(struct wire *w, const struct says *a)
{
	uint8_t o[40];
	uint32_t n = a->tsecr ? ts_put(o, a->tsecr) : 0;
	struct seg s = {.flags = A, .seq = 1, .ack = a->ack, .wnd = 65535, .opts = o};

	if (a->nsack) {
		o[n] = o[n + 1] = 1;
		o[n + 2] = 5;
		o[n + 3] = (uint8_t)(2 + 8 * a->nsack);
		n += 4;
		for (unsigned i = 0; i < a->nsack; i++) {
			n += put32(o + n, w->iss + a->sack[i][0]);
			n += put32(o + n, w->iss + a->sack[i][1]);
		}
	}
	s.opts_len = n;
	in_seg(w, &s);
}

/* All below segment seg has come, by an ACK without options. */
static void say_ack(struct wire *w, uint32_t seg)
{
	say(w, &(struct says){.ack = 1 + seg * M});
}

/* Segments [a, b) have come above a hole. */
static void say_sack(struct wire *w, uint32_t seg, uint32_t a, uint32_t b)
{
	say(w, &(struct says){.ack = 1 + seg * M, .nsack = 1, .sack = {{1 + a * M, 1 + b * M}}});
}

enum { WITH_SACK = 1, WITH_TS = 2 };

/* An accepted connection whose path takes 100 ms; its first window of ten segments is out. */
static void start(struct wire *w, unsigned with)
{
	static const uint8_t sack[4] = {1, 1, 4, 2};
	uint32_t mss = with & WITH_TS ? M + 12 : M;
	uint8_t o[40] = {2, 4, (uint8_t)(mss >> 8), (uint8_t)mss};
	struct seg syn = {.flags = S, .wnd = 65535, .opts = o, .opts_len = 4};
	uint32_t tsecr = 0;

	wire_init(w, NULL);
	listen_on(w, NULL, 8);
	if (with & WITH_SACK) {
		memcpy(o + syn.opts_len, sack, 4);
		syn.opts_len += 4;
	}
	if (with & WITH_TS)
		syn.opts_len += ts_put(o + syn.opts_len, 0);
	in_seg(w, &syn);
	tsecr = out(w).opt.tsval;
	w->e.now += 100 * MS;
	say(w, &(struct says){.ack = 1, .tsecr = with & WITH_TS ? tsecr : 0});
	run(w);
	ck_assert_int_eq(stack_accept(w->e.st, w->l, &w->sk, w->e.now), 0);
	stack_sock_user(w->e.st, w->sk, &w->user);
	ck_assert_int_eq(put(w, 30 * M), 30 * M);
	for (uint32_t i = 0; i < 10; i++)
		out_is(w, A, 1 + i * M, 1, M);
	out_none(w);
}

static uint64_t stat_of(struct wire *w, enum stat_id id)
{
	return stack_stats(w->e.st)[id];
}

static const struct cc *cc_of(struct wire *w)
{
	return &tcp_conn_of(w->sk)->cc;
}

/* A silence until the timeout: the head is out again, a probe before it. Gives its tsval. */
static uint32_t time_out(struct wire *w, bool probe)
{
	struct seg s;

	pass(w, 290 * MS);
	if (probe)
		out_is(w, A, 1 + 10 * M, 1, M); /* new data, as there is some: RFC 8985 7.3 */
	pass(w, 400 * MS);
	s = out(w);
	ck_assert_uint_eq(s.seq, 1);
	out_none(w);
	ck_assert_uint_eq(cc_of(w)->cwnd, M);
	return s.opt.tsval;
}

START_TEST(spurious_timeout_is_undone_by_frto)
{
	struct wire w;

	start(&w, _i ? WITH_SACK : 0);
	time_out(&w, _i);
	say_ack(&w, 1);
	out_is(&w, A, 1 + (10 + _i) * M, 1, M); /* new data, not what waits to be sent again */
	out_is(&w, A, 1 + (11 + _i) * M, 1, M);
	out_none(&w);
	say_ack(&w, 2);
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_undo_frto), 1);
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_spurious_rtos), 1);
	ck_assert_uint_ge(cc_of(&w)->cwnd, 10 * M);
	ck_assert_uint_eq(cc_of(&w)->ssthresh, CC_SSTHRESH_INF);
	say_ack(&w, 4);
	ck_assert_uint_ge(out(&w).seq, 1 + 12 * M); /* on with new data: nothing twice */
	ck_assert_uint_eq(tcp_conn_of(w.sk)->total_retrans, 1);
	wire_fini(&w);
}
END_TEST

START_TEST(true_timeout_is_not_undone_and_repairs_go_on)
{
	struct wire w;

	start(&w, WITH_SACK);
	time_out(&w, true);
	say_ack(&w, 1);
	out_is(&w, A, 1 + 11 * M, 1, M);
	out_is(&w, A, 1 + 12 * M, 1, M);
	say_sack(&w, 1, 11, 12); /* RFC 5682 3.1 step 3a */
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_spurious_rtos), 0);
	out_is(&w, A, 1 + 1 * M, 1, M);
	ck_assert_uint_lt(cc_of(&w)->cwnd, 4 * M); /* RFC 5682: no more than three */
	wire_fini(&w);
}
END_TEST

START_TEST(spurious_timeout_is_undone_by_the_timestamp_at_once)
{
	uint32_t first, again;
	struct wire w;

	start(&w, WITH_SACK | WITH_TS);
	again = time_out(&w, true);
	first = again - 600;
	say(&w, &(struct says){.ack = 1 + M, .tsecr = first});
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_undo_eifel), 1);
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_spurious_rtos), 1);
	ck_assert_uint_ge(cc_of(&w)->cwnd, 10 * M);
	ck_assert_uint_ge(out(&w).seq, 1 + 10 * M);
	wire_fini(&w);
}
END_TEST

START_TEST(timeout_answered_for_the_retransmission_stands)
{
	uint32_t again;
	struct wire w;

	start(&w, WITH_SACK | WITH_TS);
	again = time_out(&w, true);
	w.e.now += 100 * MS;
	say(&w, &(struct says){.ack = 1 + M, .tsecr = again});
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_spurious_rtos), 0);
	ck_assert_uint_le(cc_of(&w)->cwnd, 2 * M);
	wire_fini(&w);
}
END_TEST

/* Segment 0 passed by three others. */
static void fast_retransmit(struct wire *w)
{
	w->e.now += 100 * MS;
	say_sack(w, 0, 1, 2);
	out_is(w, A, 1 + 10 * M, 1, M); /* RFC 3042 */
	say_sack(w, 0, 1, 3);
	out_is(w, A, 1 + 11 * M, 1, M);
	say_sack(w, 0, 1, 4);
	out_is(w, A, 1, 1, M); /* RFC 6675 5 */
	ck_assert_uint_lt(cc_of(w)->ssthresh, CC_SSTHRESH_INF);
	while (txq_used(stack_txq(w->e.st)))
		out(w);
}

START_TEST(spurious_fast_retransmit_is_undone_by_dsack)
{
	struct tcp_info ti;
	uint32_t len = sizeof(ti);
	struct wire w;

	start(&w, WITH_SACK);
	fast_retransmit(&w);
	say_ack(&w, 4); /* the original, late */
	say(&w, &(struct says){.ack = 1 + 4 * M, .nsack = 1, .sack = {{1, 1 + M}}});
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_undo_dsack), 1);
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_spurious_recoveries), 1);
	ck_assert_uint_ge(cc_of(&w)->cwnd, 10 * M);
	ck_assert_uint_eq(cc_of(&w)->ssthresh, CC_SSTHRESH_INF);
	stack_getopt(w.e.st, w.sk, IPPROTO_TCP, TCP_INFO, &ti, &len, w.e.now);
	ck_assert_uint_eq(ti.tcpi_dsack_dups, 1);
	ck_assert_uint_ge(ti.tcpi_reord_seen, 1);
	/* and the same again is taken for what it was */
	say_sack(&w, 4, 5, 8);
	ck_assert_uint_eq(tcp_conn_of(w.sk)->total_retrans, 1);
	wire_fini(&w);
}
END_TEST

START_TEST(dsack_for_half_of_it_undoes_nothing)
{
	struct wire w;

	start(&w, WITH_SACK);
	fast_retransmit(&w);
	say(&w, &(struct says){.ack = 1 + 4 * M, .nsack = 1, .sack = {{1, 1 + M / 2}}});
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_spurious_recoveries), 0);
	ck_assert_uint_lt(cc_of(&w)->ssthresh, CC_SSTHRESH_INF);
	wire_fini(&w);
}
END_TEST

/* RFC 2018 8: what was sacked is sent again when the peer has plainly dropped it. */
START_TEST(reneged_segments_are_sent_again)
{
	struct wire w;
	struct seg s;

	start(&w, WITH_SACK);
	w.e.now += 100 * MS;
	say_sack(&w, 0, 1, 3);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	say_ack(&w, 1); /* up to what was sacked, and no further */
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	pass(&w, 60 * MS);
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_sack_reneged), 1);
	s = out(&w);
	ck_assert_uint_eq(s.seq, 1 + M);
	wire_fini(&w);
}
END_TEST

START_TEST(limited_transmit_sends_new_data_on_the_first_two_duplicates)
{
	struct wire w;

	start(&w, 0);
	w.e.now += 100 * MS;
	in(&w, A, 1, 1, 0);
	out_is(&w, A, 1 + 10 * M, 1, M);
	in(&w, A, 1, 1, 0);
	out_is(&w, A, 1 + 11 * M, 1, M);
	in(&w, A, 1, 1, 0);
	out_is(&w, A, 1, 1, M);
	wire_fini(&w);
}
END_TEST

START_TEST(probe_repairs_a_lost_tail_without_a_timeout)
{
	struct wire w;

	start(&w, WITH_SACK);
	w.e.now += 100 * MS;
	say_ack(&w, 10);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	w.e.now += 100 * MS;
	say_ack(&w, 18);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	w.e.now += 100 * MS;
	say_ack(&w, 29); /* all but the last */
	pass(&w, 190 * MS);
	out_none(&w);
	pass(&w, 300 * MS); /* two round trips, and the delay of a lone segment's ACK */
	out_is(&w, A, 1 + 29 * M, 1, M);
	out_none(&w);
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_timeouts), 0);
	say_ack(&w, 30);
	wire_fini(&w);
}
END_TEST

/* RFC 6298 5.7, 5681 3.1: and neither when the first SYN had only been late. */
START_TEST(a_late_syn_ack_costs_no_window_but_a_lost_syn_does)
{
	uint8_t o[40] = {2, 4, (M + 12) >> 8, (uint8_t)(M + 12)};
	struct seg synack = {.flags = S | A, .ack = 1, .wnd = 65535, .opts = o, .opts_len = 16};
	uint32_t ts[2];
	struct sock_opts def;
	struct wire w;

	wire_init(&w, NULL);
	sock_opts_default(&def);
	ck_assert_int_eq(stack_connect(w.e.st, &w.me, &w.peer, &def, &w.sk, w.e.now), 0);
	stack_sock_user(w.e.st, w.sk, &w.user);
	ts[0] = out(&w).opt.tsval;
	pass(&w, 1100 * MS);
	ts[1] = out(&w).opt.tsval;
	ck_assert_uint_gt(ts[1], ts[0]);
	w.e.now += 100 * MS;
	ts_put(o + 4, ts[_i]);
	in_seg(&w, &synack);
	ck_assert_uint_eq(cc_of(&w)->cwnd, _i ? M : 10 * M);
	ck_assert_uint_eq(cc_of(&w)->ssthresh, CC_SSTHRESH_INF);
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_spurious_rtos), _i ? 0 : 1);
	wire_fini(&w);
}
END_TEST

START_TEST(a_late_answer_to_the_syn_ack_costs_no_window_but_a_lost_one_does)
{
	uint8_t o[40] = {2, 4, (M + 12) >> 8, (uint8_t)(M + 12)};
	struct seg syn = {.flags = S, .wnd = 65535, .opts = o, .opts_len = 16};
	uint32_t ts[2];
	struct wire w;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	ts_put(o + 4, 0);
	in_seg(&w, &syn);
	ts[0] = out(&w).opt.tsval;
	pass(&w, 1100 * MS);
	ts[1] = out(&w).opt.tsval;
	w.e.now += 100 * MS;
	say(&w, &(struct says){.ack = 1, .tsecr = ts[_i]});
	run(&w);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	stack_sock_user(w.e.st, w.sk, &w.user);
	ck_assert_uint_eq(cc_of(&w)->cwnd, _i ? M : 10 * M);
	ck_assert_uint_eq(cc_of(&w)->ssthresh, CC_SSTHRESH_INF);
	wire_fini(&w);
}
END_TEST

START_TEST(duplicates_are_reported_unless_tcp_dsack_says_no)
{
	static const uint8_t sack_ok[] = {2, 4, 5, 180, 4, 2, 1, 1};
	struct seg syn = {.flags = S, .wnd = 1000, .opts = sack_ok, .opts_len = 8}, s;
	struct stack_cfg cfg;
	struct wire w;

	env_cfg(&cfg);
	cfg.tcp_dsack = (uint8_t)_i;
	wire_init(&w, &cfg);
	listen_on(&w, NULL, 8);
	in_seg(&w, &syn);
	out(&w);
	in(&w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	in(&w, A, 1, 1, 100);
	run(&w);
	out(&w);
	in(&w, A, 1, 1, 100);
	s = out(&w);
	ck_assert_uint_eq(s.opt.nsack, (unsigned)_i);
	ck_assert_uint_eq(stat_of(&w, STAT_tcp_dsacks_sent), (unsigned)_i);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("recover");
	TCase *t = tcase_create("recover");

	tcase_add_loop_test(t, spurious_timeout_is_undone_by_frto, 0, 2);
	tcase_add_test(t, true_timeout_is_not_undone_and_repairs_go_on);
	tcase_add_test(t, spurious_timeout_is_undone_by_the_timestamp_at_once);
	tcase_add_test(t, timeout_answered_for_the_retransmission_stands);
	tcase_add_test(t, spurious_fast_retransmit_is_undone_by_dsack);
	tcase_add_test(t, dsack_for_half_of_it_undoes_nothing);
	tcase_add_test(t, reneged_segments_are_sent_again);
	tcase_add_test(t, limited_transmit_sends_new_data_on_the_first_two_duplicates);
	tcase_add_test(t, probe_repairs_a_lost_tail_without_a_timeout);
	tcase_add_loop_test(t, a_late_syn_ack_costs_no_window_but_a_lost_syn_does, 0, 2);
	tcase_add_loop_test(t, a_late_answer_to_the_syn_ack_costs_no_window_but_a_lost_one_does, 0,
			    2);
	tcase_add_loop_test(t, duplicates_are_reported_unless_tcp_dsack_says_no, 0, 2);
	suite_add_tcase(s, t);
	return run_suite(s);
}
