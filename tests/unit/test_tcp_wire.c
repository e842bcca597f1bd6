/* SPDX-License-Identifier: BSD-2-Clause */
/* Crafted segments and the exact answers to them. */
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include "tcp_wire.h"

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

START_TEST(handshake_negotiates_options)
{
	struct wire w;
	struct seg syn = {.flags = S, .wnd = 1000, .opts = syn_opts, .opts_len = 20}, s;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	ck_assert_int_eq(in_seg(&w, &syn), STAT_rx_packets);
	s = out(&w);
	ck_assert_int_eq(s.flags, S | A);
	ck_assert_uint_eq(s.ack, 1);
	ck_assert_uint_eq(s.opt.mss, 1460);
	ck_assert(s.opt.sack_ok && s.opt.has_ts && s.opt.has_wscale);
	ck_assert_uint_eq(s.opt.tsecr, 100);
	ck_assert_uint_eq(s.wnd, 65535);
	wire_fini(&w);
}
END_TEST

START_TEST(handshake_without_options_offers_none)
{
	struct wire w;
	struct seg s;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in(&w, S, 0, 0, 0);
	s = out(&w);
	ck_assert(!s.opt.sack_ok && !s.opt.has_ts && !s.opt.has_wscale);
	ck_assert_uint_eq(s.opt.mss, 1460);
	wire_fini(&w);
}
END_TEST

START_TEST(garbage_options_are_harmless)
{
	static const uint8_t bad[][8] = {
		{2, 0, 5, 180, 1, 1, 1, 1},   {2, 1, 5, 180, 1, 1, 1, 1},
		{2, 200, 5, 180, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 2},
		{3, 2, 8, 0, 0, 0, 0, 0},     {8, 10, 1, 1, 1, 1, 1, 1},
		{5, 10, 1, 1, 1, 1, 1, 1},    {5, 2, 5, 3, 9, 253, 2, 9},
	};
	struct wire w;
	struct seg syn = {.flags = S, .wnd = 1000, .opts = bad[_i], .opts_len = 8}, s;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	ck_assert_int_eq(in_seg(&w, &syn), STAT_rx_packets);
	s = out(&w);
	ck_assert_int_eq(s.flags, S | A);
	ck_assert(!s.opt.sack_ok && !s.opt.has_ts && !s.opt.has_wscale);
	wire_fini(&w);
}
END_TEST

START_TEST(synack_is_retransmitted_with_backoff)
{
	struct wire w;
	uint64_t start;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	start = w.e.now;
	pass(&w, 990 * MS);
	out_none(&w);
	pass(&w, 20 * MS);
	out_is(&w, S | A, 0, 1, 0);
	pass(&w, 1980 * MS);
	out_none(&w);
	pass(&w, 20 * MS);
	out_is(&w, S | A, 0, 1, 0);
	ck_assert_uint_le(w.e.now - start, 3100 * MS);
	wire_fini(&w);
}
END_TEST

START_TEST(no_listener_answers_rst)
{
	struct wire w;

	wire_init(&w, NULL);
	ck_assert_int_eq(in(&w, S, 0, 0, 0), STAT_drop_tcp_no_listener);
	out_is(&w, R | A, 0 - w.iss, 1, 0);
	ck_assert_int_eq(in(&w, A, 7, 99, 10), STAT_drop_tcp_no_listener);
	out_is(&w, R, 99, 0, 0);
	ck_assert_int_eq(in(&w, R, 7, 0, 0), STAT_drop_tcp_rst);
	out_none(&w);
	wire_fini(&w);
}
END_TEST

START_TEST(ack_to_listener_answers_rst)
{
	struct wire w;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in(&w, A, 7, 99, 0);
	out_is(&w, R, 99, 0, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(wrong_checksum_is_dropped)
{
	struct wire w;
	uint8_t l4[20] = {0}, b[100];
	struct pkt_ip ip;

	wire_init(&w, NULL);
	ip = (struct pkt_ip){.src = w.peer.addr, .dst = w.me.addr, .proto = 6};
	l4[12] = 0x50;
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, pkt_ip4(b, &ip, l4, 20)), STAT_drop_tcp_csum);
	l4[12] = 0x40;
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, pkt_ip4(b, &ip, l4, 20)), STAT_drop_tcp_header);
	l4[12] = 0xf0;
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, pkt_ip4(b, &ip, l4, 20)), STAT_drop_tcp_header);
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, pkt_ip4(b, &ip, l4, 19)), STAT_drop_tcp_header);
	out_none(&w);
	wire_fini(&w);
}
END_TEST

START_TEST(full_accept_queue_drops_syn_and_last_ack)
{
	struct wire w;
	struct sock *sk;
	unsigned i;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 1);
	/* backlog 1 takes two, as Linux; the third handshake was under way before they arrived */
	for (i = 0; i < 3; i++) {
		w.peer.port = (uint16_t)(1000 + i);
		in(&w, S, 0, 0, 0);
		out_is(&w, S | A, 0, 1, 0);
		if (i == 2)
			break;
	}
	for (i = 0; i < 2; i++) {
		struct tcp_mini *m;

		w.peer.port = (uint16_t)(1000 + i);
		m = tcp_mini_find(w.e.st, &w.me, &w.peer);
		ck_assert_ptr_nonnull(m);
		w.iss = ((struct tcp_req *)m)->iss.v;
		ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_rx_packets);
	}
	w.peer.port = 1002;
	w.iss = ((struct tcp_req *)tcp_mini_find(w.e.st, &w.me, &w.peer))->iss.v;
	ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_drop_tcp_accept_full);
	out_none(&w);
	w.peer.port = 1003;
	ck_assert_int_eq(in(&w, S, 0, 0, 0), STAT_drop_tcp_accept_full);
	out_none(&w);
	/* room again: the SYN-ACK comes again, and the same ACK is taken */
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &sk, w.e.now), 0);
	stack_abort(w.e.st, sk, w.e.now);
	w.peer.port = 1000;
	out(&w); /* its RST */
	w.peer.port = 1002;
	pass(&w, 1010 * MS);
	out_is(&w, S | A, 0, 1, 0);
	ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_rx_packets);
	wire_fini(&w);
}
END_TEST

START_TEST(abort_on_overflow_answers_rst)
{
	struct stack_cfg cfg;
	struct wire w;

	env_cfg(&cfg);
	cfg.tcp_abort_on_overflow = 1;
	wire_init(&w, &cfg);
	listen_on(&w, NULL, 0);
	in(&w, S, 0, 0, 0);
	w.peer.port = 1000;
	in(&w, S, 0, 0, 0);
	w.peer.port = PEER_PORT;
	out_is(&w, S | A, 0, 1, 0);
	in(&w, A, 1, 1, 0);
	w.peer.port = 1000;
	out_is(&w, S | A, 0, 1, 0);
	ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_drop_tcp_accept_full);
	out_is(&w, R, 1, 0, 0);
	wire_fini(&w);
}
END_TEST

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

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, IPPROTO_TCP, TCP_CORK, 1);
	put(&w, 100);
	out_none(&w);
	put(&w, 500);
	out_is(&w, A, 1, 1, 536); /* the peer named no MSS */
	out_none(&w);
	set_int(&w, IPPROTO_TCP, TCP_CORK, 0);
	out_is(&w, A, 537, 1, 64);
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

START_TEST(simultaneous_open)
{
	struct wire w;

	wire_init(&w, NULL);
	connect_syn(&w, NULL);
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	ck_assert_str_eq(state(&w), "SYN-RECV");
	in(&w, S | A, 0, 1, 0);
	ck_assert_str_eq(state(&w), "ESTAB");
	ck_assert(ready(&w) & RDY_OUT);
	wire_fini(&w);
}
END_TEST

START_TEST(connect_completes_or_is_refused)
{
	struct wire w;

	wire_init(&w, NULL);
	connect_syn(&w, NULL);
	ck_assert(stack_connecting(w.sk));
	ck_assert_int_eq(put(&w, 1), -EAGAIN);
	in(&w, S | A, 0, 1, 0);
	out_is(&w, A, 1, 1, 0);
	ck_assert(ready(&w) & RDY_OUT);
	wire_fini(&w);
	wire_init(&w, NULL);
	connect_syn(&w, NULL);
	ck_assert_int_eq(in(&w, R | A, 0, 7, 0), STAT_drop_tcp_ack);
	ck_assert(stack_connecting(w.sk));
	in(&w, R | A, 0, 1, 0);
	ck_assert(ready(&w) & RDY_ERR && ready(&w) & RDY_HUP);
	ck_assert_int_eq(w.sk->err, ECONNREFUSED);
	wire_fini(&w);
}
END_TEST

START_TEST(claimed_flow_is_told_gone_once)
{
	struct endpoint l, r;
	struct wire w;

	wire_init(&w, NULL);
	connect_syn(&w, NULL);
	w.sk->claimed = true;
	in(&w, S | A, 0, 1, 0);
	out_is(&w, A, 1, 1, 0);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, F | A, 1, 1, 0);
	in(&w, F | A, 1, 2, 0);
	out_is(&w, A, 2, 2, 0);
	ck_assert(!stack_gone(w.e.st, &l, &r)); /* TIME-WAIT is part of it */
	pass(&w, 61 * SEC);
	ck_assert(stack_gone(w.e.st, &l, &r));
	ck_assert(l.port == PORT && r.port == PEER_PORT);
	ck_assert(!stack_gone(w.e.st, &l, &r));
	connect_syn(&w, NULL);
	w.sk->claimed = true;
	in(&w, R | A, 0, 1, 0);
	ck_assert(!stack_gone(w.e.st, &l, &r)); /* still the embedder's */
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	ck_assert(stack_gone(w.e.st, &l, &r));
	ck_assert(!stack_gone(w.e.st, &l, &r));
	wire_fini(&w);
}
END_TEST

START_TEST(connect_times_out)
{
	struct wire w;
	unsigned n = 0;

	wire_init(&w, NULL);
	connect_syn(&w, NULL);
	pass(&w, 140 * SEC);
	while (txq_used(stack_txq(w.e.st))) {
		out_is(&w, S, 0, 0, 0);
		n++;
	}
	ck_assert_uint_eq(n, 6); /* tcp_syn_retries */
	ck_assert_int_eq(w.sk->err, ETIMEDOUT);
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

START_TEST(defer_accept_waits_for_data)
{
	struct sock_opts o;
	struct sock *sk;
	struct wire w;

	wire_init(&w, NULL);
	sock_opts_default(&o);
	o.defer_accept_s = 10;
	listen_on(&w, &o, 8);
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_drop_tcp_defer);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &sk, w.e.now), -EAGAIN);
	ck_assert_int_eq(in(&w, A, 1, 1, 20), STAT_rx_packets);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	ck_assert_int_eq(get(&w, 100), 20);
	wire_fini(&w);
}
END_TEST

START_TEST(icmp_is_hard_only_while_connecting)
{
	struct wire w;
	uint8_t sent[200], b[300];
	size_t n;

	wire_init(&w, NULL);
	ck_assert_int_eq(stack_connect(w.e.st, &w.me, &w.peer,
				       &(struct sock_opts){.linger_s = -1, .cc = -1}, &w.sk,
				       w.e.now),
			 0);
	n = env_tx(&w.e, sent, sizeof(sent), NULL);
	n = pkt_icmp(b, w.e.peer, w.e.me, 3, 1, 0, sent, n);
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, n), STAT_icmp_errors);
	ck_assert_int_eq(w.sk->err, EHOSTUNREACH);
	wire_fini(&w);
	wire_init(&w, NULL);
	establish(&w, NULL);
	put(&w, 50);
	n = env_tx(&w.e, sent, sizeof(sent), NULL);
	n = pkt_icmp(b, w.e.peer, w.e.me, 3, 1, 0, sent, n);
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, n), STAT_icmp_errors);
	ck_assert_int_eq(w.sk->err, 0);
	ck_assert_str_eq(state(&w), "ESTAB");
	sent[38] ^= 0x40; /* a sequence number that is not in flight */
	n = pkt_icmp(b, w.e.peer, w.e.me, 3, 4, 600, sent, 104);
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, n), STAT_drop_icmp);
	wire_fini(&w);
}
END_TEST

START_TEST(frag_needed_lowers_the_mss)
{
	static const uint8_t mss[] = {2, 4, 5, 180};
	struct wire w;
	struct seg syn = {.flags = S, .wnd = 65535, .opts = mss, .opts_len = 4};
	uint8_t sent[2000], b[300];
	size_t n;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in_seg(&w, &syn);
	out_is(&w, S | A, 0, 1, 0);
	in(&w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	put(&w, 1460);
	n = env_tx(&w.e, sent, sizeof(sent), NULL);
	ck_assert_uint_eq(n, 1514);
	n = pkt_icmp(b, w.e.peer, w.e.me, 3, 4, 1000, sent, n);
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, n), STAT_icmp_errors);
	out_is(&w, A, 1, 1, 960);
	out_is(&w, A, 961, 1, 500);
	wire_fini(&w);
}
END_TEST

START_TEST(urgent_data_is_in_band)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, A | TH_URG, 1, 1, 10);
	ck_assert_int_eq(get(&w, 100), 10);
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

int main(void)
{
	Suite *s = suite_create("tcp_wire");
	TCase *tc = tcase_create("open"), *data = tcase_create("data"),
	      *end = tcase_create("close"), *all = tcase_create("all");

	tcase_add_test(tc, handshake_negotiates_options);
	tcase_add_test(tc, handshake_without_options_offers_none);
	tcase_add_loop_test(tc, garbage_options_are_harmless, 0, 8);
	tcase_add_test(tc, synack_is_retransmitted_with_backoff);
	tcase_add_test(tc, no_listener_answers_rst);
	tcase_add_test(tc, ack_to_listener_answers_rst);
	tcase_add_test(tc, wrong_checksum_is_dropped);
	tcase_add_test(tc, full_accept_queue_drops_syn_and_last_ack);
	tcase_add_test(tc, abort_on_overflow_answers_rst);
	tcase_add_test(tc, simultaneous_open);
	tcase_add_test(tc, connect_completes_or_is_refused);
	tcase_add_test(tc, connect_times_out);
	tcase_add_test(tc, claimed_flow_is_told_gone_once);
	tcase_add_test(tc, defer_accept_waits_for_data);
	tcase_add_test(data, data_is_acknowledged_and_read);
	tcase_add_test(data, response_carries_the_ack);
	tcase_add_test(data, ack_is_delayed_once_the_application_answers);
	tcase_add_test(data, second_full_segment_is_acked_at_the_end_of_the_batch);
	tcase_add_test(data, hole_is_reported_at_once_and_filled);
	tcase_add_test(data, rto_backs_off_twice_and_restores_the_data);
	tcase_add_test(data, silent_peer_times_out);
	tcase_add_test(data, nagle_holds_the_second_small_segment);
	tcase_add_test(data, cork_holds_until_full_or_pulled);
	tcase_add_test(data, mss_is_clamped);
	tcase_add_test(data, zero_window_is_probed);
	tcase_add_test(data, window_closes_and_reopens_without_shrinking);
	tcase_add_test(data, keepalive_and_window_probes_are_answered);
	tcase_add_test(data, syn_in_connection_is_challenged);
	tcase_add_test(data, ack_of_the_future_is_challenged);
	tcase_add_test(data, paws_drops_the_old);
	tcase_add_test(data, urgent_data_is_in_band);
	tcase_add_test(data, keepalive_gives_up_on_a_dead_peer);
	tcase_add_test(data, user_timeout_ends_the_wait);
	tcase_add_test(data, icmp_is_hard_only_while_connecting);
	tcase_add_test(data, frag_needed_lowers_the_mss);
	tcase_add_test(end, rst_must_match_exactly);
	tcase_add_test(end, active_close_goes_through_time_wait);
	tcase_add_test(end, time_wait_yields_to_a_newer_syn);
	tcase_add_test(end, passive_close_half_open);
	tcase_add_test(end, simultaneous_close);
	tcase_add_test(end, close_with_unread_data_resets);
	tcase_add_test(end, linger_zero_resets);
	tcase_add_test(end, orphan_is_reset_by_data_and_by_time);
	tcase_add_test(end, listener_close_resets_what_it_holds);
	tcase_add_test(end, listener_outlives_a_reset_of_everything);
	tcase_add_test(end, a_syn_ack_waits_for_its_neighbour_and_for_nothing_else);
	tcase_set_timeout(all, 60);
	tcase_add_loop_test(all, every_state_survives_every_segment, 0, 7);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, data);
	suite_add_tcase(s, end);
	suite_add_tcase(s, all);
	return run_suite(s);
}
