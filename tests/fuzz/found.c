/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzzers found, as exact segments: each failed once. */
#include <netinet/in.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include "../wire/wire.h"

#define A TH_ACK
#define S TH_SYN
#define F TH_FIN

static void set_int(struct wire *w, int level, int name, int v)
{
	ck_assert_int_eq(stack_setopt(w->e.st, w->sk, level, name, &v, sizeof(v), w->e.now), 0);
}

/* The walk over all sockets went on from a connection that shutting its listener had freed. */
START_TEST(reset_all_with_connections_not_accepted)
{
	struct wire w;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	for (unsigned i = 0; i < 4; i++) {
		w.peer.port++;
		in(&w, S, 0, 0, 0);
		out(&w);
		in(&w, A, 1, 1, 0);
	}
	stack_reset_tell(w.e.st, NULL, w.e.now);
	stack_reset_all(w.e.st, w.e.now);
	ck_assert_uint_eq(w.e.st->tcp->conns.out, 0);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	wire_fini(&w);
}
END_TEST

/* An ACK without SYN is scaled in every state, by RFC 7323 2.2. */
START_TEST(ack_in_syn_received_offers_a_scaled_window)
{
	static const uint8_t opts[] = {2, 4, 5, 180, 1, 3, 3, 7};
	struct wire w;
	struct seg syn = {.flags = S, .wnd = 65535, .opts = opts, .opts_len = 8}, s;

	wire_init(&w, NULL);
	connect_syn(&w, NULL);
	in_seg(&w, &syn);
	s = out(&w);
	ck_assert_int_eq(s.flags, S | A);
	ck_assert_uint_eq(s.opt.wscale, 7);
	ck_assert_uint_eq(s.wnd, 65535);
	in(&w, A, 200000, 1, 0); /* out of the window: answered */
	s = out(&w);
	ck_assert_int_eq(s.flags, A);
	ck_assert_uint_lt(s.wnd << 7, 2 * 65536);
	wire_fini(&w);
}
END_TEST

/* The SYN-ACK waits for its neighbour: nothing else may go before it. */
START_TEST(no_ack_before_the_syn_ack)
{
	struct wire w;
	struct dst_info info = {.state = DST_WAIT, .dev = ENV_DEV};

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	info.next_hop = w.peer.addr;
	stack_dst_set(w.e.st, &w.peer.addr, &info, w.e.now);
	ck_assert_int_eq(in(&w, S, 0, 0, 0), STAT_rx_packets);
	out_none(&w);
	env_dst_ok(&w.e, w.peer.addr);
	ck_assert_int_eq(in(&w, A, 3000000, 1, 0), STAT_drop_tcp_window);
	out_none(&w);
	pass(&w, 2 * SEC);
	ck_assert_int_eq(out(&w).flags, S | A);
	pass(&w, 200 * SEC);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	wire_fini(&w);
}
END_TEST

/* TCP_NOTSENT_LOWAT: who waits for less to be unsent hears of it, whatever let the bytes out. */
START_TEST(uncorking_makes_a_socket_writable)
{
	struct wire w;
	uint32_t edges;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 100);
	set_int(&w, IPPROTO_TCP, TCP_CORK, 1);
	ck_assert_int_eq(put(&w, 300), 300);
	ck_assert(!(w.sk->ready & RDY_OUT));
	while (stack_event(w.e.st, &edges))
		;
	set_int(&w, IPPROTO_TCP, TCP_CORK, 0);
	ck_assert_uint_eq(out(&w).len, 300);
	ck_assert(w.sk->ready & RDY_OUT);
	ck_assert_ptr_eq(stack_event(w.e.st, &edges), w.sk);
	ck_assert(edges & RDY_OUT);
	wire_fini(&w);
}
END_TEST

/* SO_RCVLOWAT waits for more than the window now takes: what is there has to do. */
START_TEST(smaller_rcvbuf_makes_a_socket_readable)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, SOL_SOCKET, SO_RCVLOWAT, 5000);
	in(&w, A, 1, 1, 1000);
	in(&w, A, 1001, 1, 1000);
	ck_assert(!(w.sk->ready & RDY_IN));
	set_int(&w, SOL_SOCKET, SO_RCVBUF, 1);
	ck_assert(w.sk->ready & RDY_IN);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	wire_fini(&w);
}
END_TEST

/* A segment whose FIN has the number of a byte already received does not end the stream. */
START_TEST(old_fin_does_not_end_the_stream)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, A, 1, 1, 100);
	ck_assert_int_eq(in(&w, F | A, 1, 1, 99), STAT_drop_tcp_dup);
	ck_assert_str_eq(stack_state_name(w.sk), "ESTAB");
	in(&w, F | A, 101, 1, 0);
	ck_assert_str_eq(stack_state_name(w.sk), "CLOSE-WAIT");
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("found");
	TCase *tc = tcase_create("tcp");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, reset_all_with_connections_not_accepted);
	tcase_add_test(tc, ack_in_syn_received_offers_a_scaled_window);
	tcase_add_test(tc, no_ack_before_the_syn_ack);
	tcase_add_test(tc, uncorking_makes_a_socket_writable);
	tcase_add_test(tc, smaller_rcvbuf_makes_a_socket_readable);
	tcase_add_test(tc, old_fin_does_not_end_the_stream);
	return run_suite(s);
}
