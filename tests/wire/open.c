/* SPDX-License-Identifier: BSD-2-Clause */
/* Handshakes: what is offered, refused, sent again; queues that are full; who may connect. */
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

/* Its SYN was on its way to us when the listener was closed. The port may be somebody else's. */
START_TEST(syn_for_a_closed_listener_is_given_back)
{
	struct stray s;
	struct wire w;
	uint8_t b[100];
	size_t n;

	wire_init(&w, NULL);
	share_dev(&w);
	listen_on(&w, NULL, 8);
	in(&w, S, 0, 0, 0);
	out(&w);
	stack_close(w.e.st, w.l, w.e.now);
	w.l = NULL;
	w.peer.port++;
	ck_assert_int_eq(in(&w, S, 0, 0, 0), STAT_drop_stray);
	out_none(&w);
	n = take_stray(&w, &s, b);
	ck_assert_uint_eq(n, ip_addr_is_v4(&w.me.addr) ? 54 : 74);
	ck_assert_uint_eq(s.proto, 6);
	ck_assert_uint_eq(s.local.port, PORT);
	ck_assert_uint_eq(s.remote.port, PEER_PORT + 1);
	ck_assert_uint_eq(b[n - 7], S);
	ck_assert(!stack_stray(w.e.st, &s));
	/* what is no SYN can only be meant for a connection that is no more */
	ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_drop_tcp_no_listener);
	out(&w);
	ck_assert_int_eq(in(&w, S | A, 0, 0, 0), STAT_drop_tcp_no_listener);
	out(&w);
	wire_fini(&w);
}
END_TEST

/* Its checksum field holds the pseudo-header sum, which means something to a neighbour only. */
START_TEST(stray_has_its_checksum)
{
	struct pkt_ip ip = {.proto = 6};
	struct tcp_hdr h = {.off = 5 << 4, .flags = S, .dport = be16(PORT), .sport = be16(9)};
	uint8_t b[100];
	struct stray s;
	struct wire w;

	wire_init(&w, NULL);
	env_dev(&w.e, ENV_DEV, false, true, 0);
	share_dev(&w);
	ip.src = w.peer.addr;
	ip.dst = w.me.addr;
	h.csum = csum_fold(csum_pseudo(&ip.src, &ip.dst, 6, sizeof(h)));
	env_rx(&w.e, ENV_DEV, b, pkt_ip(b, &ip, &h, sizeof(h)));
	take_stray(&w, &s, b);
	wire_fini(&w);
}
END_TEST

START_TEST(strays_are_bounded)
{
	struct stray s;
	struct wire w;
	uint8_t b[100];

	wire_init(&w, NULL);
	share_dev(&w);
	for (unsigned i = 0; i < STACK_STRAYS; i++, w.peer.port++)
		ck_assert_int_eq(in(&w, S, 0, 0, 0), STAT_drop_stray);
	ck_assert_int_eq(in(&w, S, 0, 0, 0), STAT_drop_stray);
	out_none(&w);
	for (unsigned i = 0; i < STACK_STRAYS; i++) {
		take_stray(&w, &s, b);
		ck_assert_uint_eq(s.remote.port, PEER_PORT + i);
	}
	ck_assert(!stack_stray(w.e.st, &s));
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
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, pkt_ip(b, &ip, l4, 20)), STAT_drop_tcp_csum);
	l4[12] = 0x40;
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, pkt_ip(b, &ip, l4, 20)), STAT_drop_tcp_header);
	l4[12] = 0xf0;
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, pkt_ip(b, &ip, l4, 20)), STAT_drop_tcp_header);
	ck_assert_int_eq(env_rx(&w.e, ENV_DEV, b, pkt_ip(b, &ip, l4, 19)), STAT_drop_tcp_header);
	out_none(&w);
	wire_fini(&w);
}
END_TEST

/* Ports 1000 and 1001 are in the accept queue, 1002 is half open. */
static void queue_three(struct wire *w)
{
	syn_from(w, 1000);
	ck_assert_int_eq(last_ack_from(w, 1000), STAT_rx_packets);
	syn_from(w, 1001);
	syn_from(w, 1002);
	ck_assert_int_eq(last_ack_from(w, 1001), STAT_rx_packets);
}

START_TEST(full_accept_queue_drops_syn_and_last_ack)
{
	struct wire w;
	struct sock *sk;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 1);
	/* backlog 1 takes two, as Linux; the third handshake was under way before they arrived */
	queue_three(&w);
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
	listen_on(&w, NULL, 1);
	queue_three(&w);
	ck_assert_int_eq(last_ack_from(&w, 1002), STAT_drop_tcp_accept_full);
	out_is(&w, R, 1, 0, 0);
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
	uint8_t claims;
	struct wire w;

	wire_init(&w, NULL);
	connect_syn(&w, NULL);
	w.sk->claimed = CLAIM_FLOW;
	in(&w, S | A, 0, 1, 0);
	out_is(&w, A, 1, 1, 0);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, F | A, 1, 1, 0);
	in(&w, F | A, 1, 2, 0);
	out_is(&w, A, 2, 2, 0);
	ck_assert(!stack_gone(w.e.st, &l, &r, &claims)); /* TIME-WAIT is part of it */
	pass(&w, 61 * SEC);
	ck_assert(stack_gone(w.e.st, &l, &r, &claims));
	ck_assert(l.port == PORT && r.port == PEER_PORT);
	ck_assert(!stack_gone(w.e.st, &l, &r, &claims));
	connect_syn(&w, NULL);
	w.sk->claimed = CLAIM_FLOW;
	in(&w, R | A, 0, 1, 0);
	ck_assert(!stack_gone(w.e.st, &l, &r, &claims)); /* still the embedder's */
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	ck_assert(stack_gone(w.e.st, &l, &r, &claims));
	ck_assert(!stack_gone(w.e.st, &l, &r, &claims));
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
	ck_assert_uint_eq(n, 6 + 4); /* tcp_syn_retries, tcp_syn_linear_timeouts */
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

/* TCP_SAVE_SYN: 1 from the IP header on, 2 with the link's; read once, with room for all of it. */
START_TEST(headers_of_the_syn_are_kept)
{
	struct seg syn = {.flags = S, .wnd = 1000, .opts = syn_opts, .opts_len = 20};
	uint32_t net = 20, len = 10;
	struct sock_opts o;
	uint8_t b[200];
	struct wire w;

	wire_init(&w, NULL);
	sock_opts_default(&o);
	o.save_syn = (uint8_t)_i;
	listen_on(&w, &o, 8);
	in_seg(&w, &syn);
	in_seg(&w, &syn); /* again: the first counts */
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	in(&w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	stack_sock_user(w.e.st, w.sk, &w.user);
	if (!ip_addr_is_v4(&w.me.addr))
		net = 40;
	if (_i > 0)
		ck_assert_int_eq(
			stack_getopt(w.e.st, w.sk, IPPROTO_TCP, TCP_SAVED_SYN, b, &len, w.e.now),
			-EINVAL);
	else
		len = 0;
	ck_assert_uint_eq(len, _i == 0 ? 0 : (_i == 2 ? 14 : 0) + net + 40);
	ck_assert_int_eq(stack_getopt(w.e.st, w.sk, IPPROTO_TCP, TCP_SAVED_SYN, b, &len, w.e.now),
			 0);
	if (_i > 0)
		ck_assert_mem_eq(b + len - 20, syn_opts, 20);
	if (_i == 2)
		ck_assert_int_eq(b[12] << 8 | b[13], net == 20 ? 0x0800 : 0x86dd);
	ck_assert_int_eq(b[_i == 2 ? 14 : 0] >> 4, _i == 0 ? b[0] >> 4 : net == 20 ? 4 : 6);
	len = sizeof(b);
	ck_assert_int_eq(stack_getopt(w.e.st, w.sk, IPPROTO_TCP, TCP_SAVED_SYN, b, &len, w.e.now),
			 0);
	ck_assert_uint_eq(len, 0);
	wire_fini(&w);
}
END_TEST

/* Neither who never finishes nor who never accepts leaves any behind; nor does the memory's end. */
START_TEST(kept_syns_go_with_their_requests)
{
	struct sock_opts o;
	struct wire w;

	wire_init(&w, NULL);
	sock_opts_default(&o);
	o.save_syn = 2;
	listen_on(&w, &o, 8);
	for (uint16_t i = 0; i < 20; i++) {
		w.peer.port = (uint16_t)(PEER_PORT + i);
		in(&w, S, 0, 0, 0);
		while (txq_used(stack_txq(w.e.st)))
			out(&w);
		if (i % 2)
			in(&w, A, 1, 1, 0);
	}
	ck_assert_uint_gt(w.e.st->tcp->saved_syns.out, 5);
	pass(&w, 100 * SEC);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	wire_fini(&w); /* asks for all pools */
}
END_TEST

static Suite *make(void)
{
	Suite *s = suite_create("wire_open");
	TCase *tc = tcase_create("open");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, handshake_negotiates_options);
	tcase_add_test(tc, handshake_without_options_offers_none);
	tcase_add_loop_test(tc, garbage_options_are_harmless, 0, 8);
	tcase_add_test(tc, synack_is_retransmitted_with_backoff);
	tcase_add_test(tc, no_listener_answers_rst);
	tcase_add_test(tc, syn_for_a_closed_listener_is_given_back);
	tcase_add_test(tc, stray_has_its_checksum);
	tcase_add_test(tc, strays_are_bounded);
	tcase_add_test(tc, ack_to_listener_answers_rst);
	tcase_add_test(tc, wrong_checksum_is_dropped);
	tcase_add_test(tc, full_accept_queue_drops_syn_and_last_ack);
	tcase_add_test(tc, abort_on_overflow_answers_rst);
	tcase_add_test(tc, simultaneous_open);
	tcase_add_test(tc, connect_completes_or_is_refused);
	tcase_add_test(tc, connect_times_out);
	tcase_add_test(tc, claimed_flow_is_told_gone_once);
	tcase_add_test(tc, defer_accept_waits_for_data);
	tcase_add_loop_test(tc, headers_of_the_syn_are_kept, 0, 3);
	tcase_add_test(tc, kept_syns_go_with_their_requests);
	return s;
}

int main(void)
{
	return run_both_families(make);
}
