/* SPDX-License-Identifier: BSD-2-Clause */
/* Data on an open connection: ACKs, windows, timers, congestion, options that shape it. */
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

static void set_int(struct wire *w, int level, int name, int v)
{
	ck_assert_int_eq(stack_setopt(w->e.st, w->sk, level, name, &v, sizeof(v), w->e.now), 0);
}

/* MSS 1460, SACK, TS val 100, NOP, WS 7 */
static const uint8_t syn_opts[] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 100, 0, 0, 0, 0, 1, 3, 3, 7};

START_TEST(data_is_acknowledged_and_read)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	ck_assert_int_eq(get(&w, 10), -EAGAIN);
	in(&w, A, 1, 1, 100);
	ck_assert(ready(&w) & RDY_IN);
	run(&w); /* quick ACKs at the start: after the application had its turn */
	out_is(&w, A, 1, 101, 0);
	ck_assert_int_eq(get(&w, 60), 60);
	ck_assert_int_eq(get(&w, 60), 40);
	ck_assert(!(ready(&w) & RDY_IN));
	wire_fini(&w);
}
END_TEST

START_TEST(response_carries_the_ack)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, A, 1, 1, 100);
	stack_run(w.e.st, w.e.now); /* the turn: no ACK yet */
	out_none(&w);
	get(&w, 100);
	ck_assert_int_eq(put(&w, 5), 5);
	out_is(&w, A, 1, 101, 5);
	run(&w);
	out_none(&w);
	wire_fini(&w);
}
END_TEST

START_TEST(ack_is_delayed_once_the_application_answers)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, A, 1, 1, 100);
	put(&w, 5);
	out_is(&w, A, 1, 101, 5);
	in(&w, A, 101, 6, 100); /* now in pingpong: waits */
	run(&w);
	out_none(&w);
	pass(&w, 38 * MS);
	out_none(&w);
	pass(&w, 4 * MS);
	out_is(&w, A, 6, 201, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(second_full_segment_is_acked_at_the_end_of_the_batch)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, A, 1, 1, 1460);
	in(&w, A, 1461, 1, 1460);
	in(&w, A, 2921, 1, 1460);
	in(&w, A, 4381, 1, 1460);
	stack_run(w.e.st, w.e.now);
	out_is(&w, A, 1, 5841, 0);
	run(&w);
	out_none(&w);
	wire_fini(&w);
}
END_TEST

START_TEST(hole_is_reported_at_once_and_filled)
{
	static const uint8_t sack_ok[] = {2, 4, 5, 180, 4, 2, 1, 1};
	struct wire w;
	struct seg syn = {.flags = S, .wnd = 1000, .opts = sack_ok, .opts_len = 8}, s;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in_seg(&w, &syn);
	out_is(&w, S | A, 0, 1, 0);
	in(&w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	in(&w, A, 101, 1, 100);
	s = out(&w);
	ck_assert_uint_eq(s.ack, 1);
	ck_assert_uint_eq(s.opt.nsack, 1);
	ck_assert_uint_eq(s.opt.sack[0].start.v, PEER_ISS + 101);
	ck_assert_uint_eq(s.opt.sack[0].end.v, PEER_ISS + 201);
	in(&w, A, 301, 1, 100);
	s = out(&w); /* the most recent first */
	ck_assert_uint_eq(s.opt.nsack, 2);
	ck_assert_uint_eq(s.opt.sack[0].start.v, PEER_ISS + 301);
	ck_assert_uint_eq(s.opt.sack[1].start.v, PEER_ISS + 101);
	in(&w, A, 1, 1, 150); /* overlaps what is held */
	s = out(&w);
	ck_assert_uint_eq(s.ack, 201);
	ck_assert_uint_eq(s.opt.nsack, 1);
	in(&w, A, 150, 1, 200); /* overlaps on both sides */
	s = out(&w);
	ck_assert_uint_eq(s.ack, 401);
	ck_assert_int_eq(get(&w, 1000), 400);
	in(&w, A, 1, 1, 100); /* a duplicate: D-SACK */
	s = out(&w);
	ck_assert_uint_eq(s.opt.nsack, 1);
	ck_assert_uint_eq(s.opt.sack[0].start.v, PEER_ISS + 1);
	ck_assert_uint_eq(s.opt.sack[0].end.v, PEER_ISS + 101);
	wire_fini(&w);
}
END_TEST

static void put_and_drain(struct wire *w, uint32_t seq)
{
	uint8_t b[200];

	ck_assert_int_eq(in(w, A, seq, 1, 300), STAT_rx_packets);
	while (env_tx(&w->e, b, sizeof(b), NULL) > 0)
		;
}

/* However many holes there are: what arrives at the first of them and behind the last one, by
 * turns, is found at once. */
START_TEST(many_holes_cost_no_search)
{
	struct wire w;
	struct reass *r;
	uint32_t before;

	wire_init(&w, NULL);
	establish(&w, NULL);
	r = &tcp_conn_of(w.sk)->reass;
	for (uint32_t i = 0; i < 30; i++)
		put_and_drain(&w, 301 + 600 * i);
	ck_assert_uint_eq(r->n, 30);
	before = r->index.steps;
	for (uint32_t i = 0; i < 15; i++) {
		put_and_drain(&w, 601 + 600 * i);
		put_and_drain(&w, 301 + 600 * (30 + i));
	}
	ck_assert_uint_eq(r->n, 30);
	ck_assert_uint_le(r->index.steps - before, 60);
	put_and_drain(&w, 1);
	ck_assert_int_eq(get(&w, 20000), 9600);
	wire_fini(&w);
}
END_TEST

/* Nor when a peer puts its bytes wherever it likes. */
#define HOLES 2000u
START_TEST(holes_all_over_cost_little)
{
	static const uint8_t scale[] = {3, 3, 10, 1};
	struct seg syn = {.flags = S, .wnd = 65535, .opts = scale, .opts_len = sizeof(scale)};
	uint32_t at = 0, before, most = 0;
	struct stack_cfg cfg;
	struct reass *r;
	struct wire w;

	env_cfg(&cfg);
	cfg.max_conns = HOLES;
	cfg.frames = 4 * HOLES;
	cfg.tcp_rmem[1] = cfg.tcp_rmem[2] = 8 << 20;
	wire_init(&w, &cfg);
	listen_on(&w, NULL, 8);
	in_seg(&w, &syn);
	out(&w);
	in(&w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	stack_sock_user(w.e.st, w.sk, &w.user);
	r = &tcp_conn_of(w.sk)->reass;
	for (uint32_t i = 0; i < HOLES; i++) {
		at = (at + 757) % HOLES; /* each once, in no order */
		before = r->index.steps;
		in(&w, A, 3 + 1000 * at, 1, 900);
		if (r->index.steps - before > most)
			most = r->index.steps - before;
		while (txq_used(stack_txq(w.e.st)))
			out(&w);
	}
	ck_assert_uint_ge(r->n, HOLES - 1); /* the first came before a window scaled up */
	ck_assert_uint_le(most, 80);        /* a few times log2 */
	wire_fini(&w);
}
END_TEST

/* Nothing of a segment that runs over what waits has to come again. */
START_TEST(segment_over_two_ranges_is_taken_whole)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, A, 101, 1, 50);
	out_is(&w, A, 1, 1, 0);
	in(&w, A, 201, 1, 50);
	out_is(&w, A, 1, 1, 0);
	in(&w, A | F, 1, 1, 300);
	ck_assert_int_eq(get(&w, 1000), 300);
	ck_assert(tcp_conn_of(w.sk)->fin_rcvd);
	ck_assert_uint_eq(tcp_conn_of(w.sk)->reass.frames, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(rto_backs_off_twice_and_restores_the_data)
{
	struct wire w;
	uint64_t t0;

	wire_init(&w, NULL);
	establish(&w, NULL);
	put(&w, 100);
	out_is(&w, A, 1, 1, 100);
	t0 = w.e.now;
	while (!txq_used(stack_txq(w.e.st)) && w.e.now < t0 + 10 * SEC)
		pass(&w, MS);
	out_is(&w, A, 1, 1, 100);
	/* a loss probe may come first; two timeouts then double each other's time */
	for (unsigned i = 0; i < 3; i++) {
		uint64_t t = w.e.now, gap;
		static uint64_t last;

		while (!txq_used(stack_txq(w.e.st)) && w.e.now < t + 100 * SEC)
			pass(&w, MS);
		out_is(&w, A, 1, 1, 100);
		gap = w.e.now - t;
		if (i > 0)
			ck_assert_msg(gap > last * 19 / 10 && gap < last * 21 / 10,
				      "gap %lu after %lu", (unsigned long)gap, (unsigned long)last);
		last = gap;
	}
	in(&w, A, 1, 101, 0);
	ck_assert_uint_eq(stack_unacked(w.sk), 0);
	pass(&w, 10 * SEC);
	out_none(&w);
	wire_fini(&w);
}
END_TEST

START_TEST(silent_peer_times_out)
{
	struct stack_cfg cfg;
	struct wire w;

	env_cfg(&cfg);
	cfg.tcp_retries2 = 3;
	wire_init(&w, &cfg);
	establish(&w, NULL);
	put(&w, 100);
	pass(&w, 60 * SEC);
	ck_assert_str_eq(state(&w), "UNCONN");
	ck_assert(ready(&w) & RDY_ERR && ready(&w) & RDY_HUP);
	ck_assert_int_eq(get(&w, 1), -ETIMEDOUT);
	ck_assert_int_eq(get(&w, 1), 0);
	ck_assert_int_eq(put(&w, 1), -EPIPE);
	wire_fini(&w);
}
END_TEST

START_TEST(nagle_holds_the_second_small_segment)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	put(&w, 10);
	out_is(&w, A, 1, 1, 10);
	put(&w, 10);
	put(&w, 10);
	out_none(&w);
	in(&w, A, 1, 11, 0);
	out_is(&w, A, 11, 1, 20);
	set_int(&w, IPPROTO_TCP, TCP_NODELAY, 1);
	put(&w, 10);
	put(&w, 10);
	out_is(&w, A, 31, 1, 10);
	out_is(&w, A, 41, 1, 10);
	wire_fini(&w);
}
END_TEST

START_TEST(cork_holds_until_full_or_pulled)
{
	struct wire w;
	uint32_t mss;

	wire_init(&w, NULL);
	mss = ip_addr_is_v4(&w.peer.addr) ? 536 : 1220; /* the peer names none */
	establish(&w, NULL);
	set_int(&w, IPPROTO_TCP, TCP_CORK, 1);
	put(&w, 100);
	out_none(&w);
	put(&w, mss - 36);
	out_is(&w, A, 1, 1, mss);
	out_none(&w);
	set_int(&w, IPPROTO_TCP, TCP_CORK, 0);
	out_is(&w, A, mss + 1, 1, 64);
	wire_fini(&w);
}
END_TEST

START_TEST(mss_is_clamped)
{
	static const uint8_t tiny[] = {2, 4, 0, 1};
	struct wire w;
	struct seg syn = {.flags = S, .wnd = 65535, .opts = tiny, .opts_len = 4};

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in_seg(&w, &syn);
	out_is(&w, S | A, 0, 1, 0);
	in(&w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	put(&w, 200);
	out_is(&w, A, 1, 1, 88);
	wire_fini(&w);
}
END_TEST

START_TEST(zero_window_is_probed)
{
	struct wire w;
	struct seg ack = {.flags = A, .seq = 1, .ack = 1, .wnd = 0};

	wire_init(&w, NULL);
	establish(&w, NULL);
	in_seg(&w, &ack);
	put(&w, 100);
	out_none(&w);
	pass(&w, 5 * SEC);
	out_is(&w, A, 0, 1, 0);
	while (txq_used(stack_txq(w.e.st)))
		out_is(&w, A, 0, 1, 0);
	ack.wnd = 1000;
	in_seg(&w, &ack);
	out_is(&w, A, 1, 1, 100);
	wire_fini(&w);
}
END_TEST

START_TEST(window_closes_and_reopens_without_shrinking)
{
	struct wire w;
	struct seg s = {0};
	uint32_t seq = 1, edge = 0;

	wire_init(&w, NULL);
	establish(&w, NULL);
	for (;;) {
		enum stat_id r = in(&w, A, seq, 1, 1400);

		if (r != STAT_rx_packets)
			break;
		seq += 1400;
		run(&w);
		while (txq_used(stack_txq(w.e.st))) {
			s = out(&w);
			ck_assert_uint_ge(s.ack + s.wnd, edge);
			edge = s.ack + s.wnd;
		}
		if (edge - s.ack < 1400)
			break;
		ck_assert_uint_lt(seq, 200000);
	}
	while (get(&w, 1 << 20) > 0)
		;
	s = out(&w); /* the window update */
	ck_assert_uint_gt(s.wnd, 20000);
	wire_fini(&w);
}
END_TEST

START_TEST(keepalive_and_window_probes_are_answered)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, A, 0, 1, 0);
	out_is(&w, A, 1, 1, 0);
	in(&w, A, 0, 1, 1);
	out_is(&w, A, 1, 1, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(syn_in_connection_is_challenged)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	ck_assert_int_eq(in(&w, S, 1, 0, 0), STAT_drop_tcp_syn);
	out_is(&w, A, 1, 1, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(ack_of_the_future_is_challenged)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	ck_assert_int_eq(in(&w, A, 1, 500, 10), STAT_drop_tcp_ack);
	out_is(&w, A, 1, 1, 0);
	ck_assert_int_eq(get(&w, 1), -EAGAIN);
	wire_fini(&w);
}
END_TEST

START_TEST(paws_drops_the_old)
{
	static const uint8_t ts200[] = {1, 1, 8, 10, 0, 0, 0, 200, 0, 0, 0, 0};
	static const uint8_t ts50[] = {1, 1, 8, 10, 0, 0, 0, 50, 0, 0, 0, 0};
	struct wire w;
	struct seg syn = {.flags = S, .wnd = 1000, .opts = syn_opts, .opts_len = 20};
	struct seg d = {.flags = A, .seq = 1, .ack = 1, .wnd = 1000, .opts = ts200, .opts_len = 12};

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in_seg(&w, &syn);
	out_is(&w, S | A, 0, 1, 0);
	in_seg(&w, &d);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	d.len = 10;
	ck_assert_int_eq(in_seg(&w, &d), STAT_rx_packets);
	run(&w);
	out_is(&w, A, 1, 11, 0);
	d.seq = 11;
	d.opts = ts50;
	ck_assert_int_eq(in_seg(&w, &d), STAT_drop_tcp_paws);
	out_is(&w, A, 1, 11, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(keepalive_gives_up_on_a_dead_peer)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(&w, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	set_int(&w, IPPROTO_TCP, TCP_KEEPINTVL, 2);
	set_int(&w, IPPROTO_TCP, TCP_KEEPCNT, 3);
	pass(&w, 9 * SEC);
	out_none(&w);
	pass(&w, 1100 * MS);
	out_is(&w, A, 0, 1, 0);
	in(&w, A, 1, 1, 0); /* alive */
	pass(&w, 9 * SEC);
	out_none(&w);
	pass(&w, 8 * SEC);
	for (unsigned i = 0; i < 3; i++)
		out_is(&w, A, 0, 1, 0);
	out_is(&w, R | A, 1, 1, 0);
	ck_assert_int_eq(w.sk->err, ETIMEDOUT);
	wire_fini(&w);
}
END_TEST

START_TEST(user_timeout_ends_the_wait)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
	put(&w, 10);
	pass(&w, 2 * SEC);
	ck_assert_str_eq(state(&w), "ESTAB");
	pass(&w, 6 * SEC);
	ck_assert_int_eq(w.sk->err, ETIMEDOUT);
	wire_fini(&w);
}
END_TEST

START_TEST(icmp_is_hard_only_while_connecting)
{
	struct wire w;
	uint8_t sent[200];
	size_t n;

	wire_init(&w, NULL);
	ck_assert_int_eq(stack_connect(w.e.st, &w.me, &w.peer,
				       &(struct sock_opts){.linger_s = -1, .cc = -1}, &w.sk,
				       w.e.now),
			 0);
	n = env_tx(&w.e, sent, sizeof(sent), NULL);
	ck_assert_int_eq(in_unreachable(&w, sent, n), STAT_icmp_errors);
	ck_assert_int_eq(w.sk->err, EHOSTUNREACH);
	wire_fini(&w);
	wire_init(&w, NULL);
	establish(&w, NULL);
	put(&w, 50);
	n = env_tx(&w.e, sent, sizeof(sent), NULL);
	ck_assert_int_eq(in_unreachable(&w, sent, n), STAT_icmp_errors);
	ck_assert_int_eq(w.sk->err, 0);
	ck_assert_str_eq(state(&w), "ESTAB");
	ck_assert_int_eq(in_too_big(&w, 1240, sent, n), STAT_drop_icmp); /* it was smaller */
	sent[pkt_l4(sent) + 4] ^= 0x40; /* a sequence number that is not in flight */
	ck_assert_int_eq(in_unreachable(&w, sent, n), STAT_drop_icmp);
	wire_fini(&w);
}
END_TEST

START_TEST(frag_needed_lowers_the_mss)
{
	static const uint8_t mss[] = {2, 4, 5, 180};
	struct wire w;
	struct seg syn = {.flags = S, .wnd = 65535, .opts = mss, .opts_len = 4};
	uint8_t sent[2000];
	size_t n;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in_seg(&w, &syn);
	out_is(&w, S | A, 0, 1, 0);
	in(&w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	put(&w, 1460);
	n = env_tx(&w.e, sent, sizeof(sent), NULL);
	ck_assert_uint_eq(n, ETH_HLEN_BYTES + mtu_for(&w, 1460));
	ck_assert_int_eq(in_too_big(&w, 1460, sent, n), STAT_drop_icmp);
	out_none(&w);
	ck_assert_int_eq(in_too_big(&w, 1240, sent, n), STAT_icmp_errors);
	out_is(&w, A, 1, 1, 1240);
	out_is(&w, A, 1241, 1, 220);
	wire_fini(&w);
}
END_TEST

START_TEST(urgent_pointer_zero_marks_the_first_byte)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, A | TH_URG, 1, 1, 10);
	ck_assert_int_eq(get(&w, 100), 9);
	wire_fini(&w);
}
END_TEST

static Suite *make(void)
{
	Suite *s = suite_create("wire_data");
	TCase *tc = tcase_create("data");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, data_is_acknowledged_and_read);
	tcase_add_test(tc, response_carries_the_ack);
	tcase_add_test(tc, ack_is_delayed_once_the_application_answers);
	tcase_add_test(tc, second_full_segment_is_acked_at_the_end_of_the_batch);
	tcase_add_test(tc, hole_is_reported_at_once_and_filled);
	tcase_add_test(tc, many_holes_cost_no_search);
	tcase_add_test(tc, holes_all_over_cost_little);
	tcase_add_test(tc, segment_over_two_ranges_is_taken_whole);
	tcase_add_test(tc, rto_backs_off_twice_and_restores_the_data);
	tcase_add_test(tc, silent_peer_times_out);
	tcase_add_test(tc, nagle_holds_the_second_small_segment);
	tcase_add_test(tc, cork_holds_until_full_or_pulled);
	tcase_add_test(tc, mss_is_clamped);
	tcase_add_test(tc, zero_window_is_probed);
	tcase_add_test(tc, window_closes_and_reopens_without_shrinking);
	tcase_add_test(tc, keepalive_and_window_probes_are_answered);
	tcase_add_test(tc, syn_in_connection_is_challenged);
	tcase_add_test(tc, ack_of_the_future_is_challenged);
	tcase_add_test(tc, paws_drops_the_old);
	tcase_add_test(tc, urgent_pointer_zero_marks_the_first_byte);
	tcase_add_test(tc, keepalive_gives_up_on_a_dead_peer);
	tcase_add_test(tc, user_timeout_ends_the_wait);
	tcase_add_test(tc, icmp_is_hard_only_while_connecting);
	tcase_add_test(tc, frag_needed_lowers_the_mss);
	return s;
}

int main(void)
{
	return run_both_families(make);
}
