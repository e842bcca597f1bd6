/* SPDX-License-Identifier: BSD-2-Clause */
/* SYN floods: cookies, what they carry, what is not one; where answers go, and what they cost. */
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>

#include "stack/tcp/syncookie.h"
#include "wire.h"

#define A TH_ACK
#define S TH_SYN
#define R TH_RST

static uint64_t count(struct wire *w, enum stat_id id)
{
	return stack_stats(w->e.st)[id];
}

static void always_cookies(struct wire *w)
{
	struct stack_cfg cfg;

	env_cfg(&cfg);
	cfg.tcp_syncookies = 2;
	wire_init(w, &cfg);
	w->e.now += 3600 * SEC;
	listen_on(w, NULL, 8);
}

static uint32_t reqs(struct wire *w)
{
	return tcp_listener_of(w->l)->nreqs;
}

static struct tcp_conn *accepted(struct wire *w)
{
	ck_assert_int_eq(stack_accept(w->e.st, w->l, &w->sk, w->e.now), 0);
	stack_sock_user(w->e.st, w->sk, &w->user);
	return tcp_conn_of(w->sk);
}

START_TEST(full_request_queue_answers_with_cookies)
{
	struct wire w;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 3);
	for (uint16_t p = 1; p <= 20; p++) {
		w.peer.port = p;
		ck_assert_int_eq(in(&w, S, 0, 0, 0), STAT_rx_packets);
		out_is(&w, S | A, 0, 1, 0);
	}
	ck_assert_uint_eq(reqs(&w), 4); /* backlog + 1, as Linux */
	ck_assert_uint_eq(count(&w, STAT_tcp_syncookies_sent), 16);
	ck_assert_int_eq(in(&w, A, 1, 1, 10), STAT_rx_packets);
	ck_assert_uint_eq(count(&w, STAT_tcp_syncookies_recv), 1);
	accepted(&w);
	ck_assert_int_eq(get(&w, 100), 10);
	wire_fini(&w);
}
END_TEST

/* MSS 1460, SACK, TS val 100, NOP, WS 7 */
static const uint8_t syn_opts[] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 100, 0, 0, 0, 0, 1, 3, 3, 7};

START_TEST(cookie_with_timestamps_carries_the_options)
{
	struct seg syn = {.flags = S, .wnd = 1000, .opts = syn_opts, .opts_len = 20}, s, ack;
	uint8_t ts[12] = {1, 1, 8, 10, 0, 0, 0, 101};
	struct tcp_conn *c;
	struct wire w;
	uint32_t v;

	always_cookies(&w);
	ck_assert_int_eq(in_seg(&w, &syn), STAT_rx_packets);
	s = out(&w);
	ck_assert_uint_eq(reqs(&w), 0);
	ck_assert(s.opt.has_ts && s.opt.sack_ok && s.opt.has_wscale);
	v = be32(s.opt.tsval);
	memcpy(ts + 8, &v, 4);
	ack = (struct seg){.flags = A, .seq = 1, .ack = 1, .wnd = 500, .opts = ts, .opts_len = 12};
	ck_assert_int_eq(in_seg(&w, &ack), STAT_rx_packets);
	c = accepted(&w);
	ck_assert(c->ts_ok && c->sack_ok && c->wscale_ok);
	ck_assert_uint_eq(c->snd_wscale, 7);
	ck_assert_uint_eq(c->rcv_wscale, s.opt.wscale);
	ck_assert_uint_eq(c->snd_wnd, 500 << 7);
	ck_assert_uint_eq(c->mss, 1460 - 12);
	ck_assert_str_eq(stack_state_name(w.sk), "ESTAB");
	wire_fini(&w);
}
END_TEST

START_TEST(cookie_without_timestamps_offers_no_more_than_it_can_keep)
{
	static const uint8_t opts[] = {2, 4, 5, 170, 4, 2, 1, 1, 1, 3, 3, 7};
	struct seg syn = {.flags = S, .wnd = 1000, .opts = opts, .opts_len = 12}, s;
	struct tcp_conn *c;
	struct wire w;

	always_cookies(&w);
	in_seg(&w, &syn);
	s = out(&w);
	ck_assert(!s.opt.has_ts && !s.opt.sack_ok && !s.opt.has_wscale);
	ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_rx_packets);
	c = accepted(&w);
	ck_assert(!c->ts_ok && !c->sack_ok && !c->wscale_ok);
	ck_assert_uint_eq(c->mss, 1440); /* 1450 was said: the next lower one */
	wire_fini(&w);
}
END_TEST

START_TEST(cookie_is_good_for_a_minute_and_no_more_than_two)
{
	struct wire w;

	always_cookies(&w);
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	pass(&w, (_i ? 121 : 59) * SEC);
	if (_i == 2) { /* another one keeps the listener's watch for them up */
		uint32_t iss = w.iss;

		w.peer.port++;
		in(&w, S, 0, 0, 0);
		out_is(&w, S | A, 0, 1, 0);
		w.peer.port--;
		w.iss = iss;
	}
	ck_assert_int_eq(in(&w, A, 1, 1, 0), _i ? STAT_drop_tcp_ack : STAT_rx_packets);
	if (_i)
		out_is(&w, R, 1, 0, 0);
	ck_assert_uint_eq(count(&w, STAT_tcp_syncookies_failed), _i == 2);
	wire_fini(&w);
}
END_TEST

START_TEST(forged_cookies_do_not_connect)
{
	struct wire w;
	uint32_t iss;
	unsigned i;

	always_cookies(&w);
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	iss = w.iss;
	for (i = 0; i < 32; i++) { /* no bit of it may differ */
		w.iss = iss ^ 1u << i;
		if (syncookie_check(w.e.st, &w.me, &w.peer, seq_of(PEER_ISS), seq_of(w.iss)))
			continue; /* another index of the table: as good a cookie */
		must(in(&w, A, 1, 1, 0) == STAT_drop_tcp_ack);
		out_is(&w, R, 1, 0, 0);
	}
	w.iss = iss;
	must(in(&w, A, 100, 1, 0) == STAT_drop_tcp_ack); /* not after that SYN */
	out_is(&w, R, 1, 0, 0);
	w.peer.port++; /* somebody else's */
	must(in(&w, A, 1, 1, 0) == STAT_drop_tcp_ack);
	out_is(&w, R, 1, 0, 0);
	w.peer.port--;
	must(in(&w, S | A, 1, 1, 0) == STAT_drop_tcp_ack);
	out_is(&w, R, 1, 0, 0);
	ck_assert_uint_ge(count(&w, STAT_tcp_syncookies_failed), 26);
	ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_rx_packets);
	wire_fini(&w);
}
END_TEST

/* All numbers near a good one: only the eight of the table pass, and say what the table says. */
START_TEST(index_beyond_the_table_is_no_cookie)
{
	uint16_t mss = 1460;
	unsigned good = 0;
	struct wire w;
	struct seq iss;

	always_cookies(&w);
	iss = syncookie_make(w.e.st, &w.me, &w.peer, seq_of(77), &mss);
	ck_assert_uint_eq(mss, 1460);
	for (uint32_t d = 0; d < 4096; d++) {
		uint16_t m = syncookie_check(w.e.st, &w.me, &w.peer, seq_of(77),
					     seq_of(iss.v - 2048 + d));

		good += m != 0;
		must(m == 0 || (d >= 2048 - 8 && d < 2048 + 8));
	}
	ck_assert_uint_eq(good, 8);
	wire_fini(&w);
}
END_TEST

START_TEST(options_in_a_timestamp_are_never_in_the_future)
{
	for (uint32_t i = 0; i < 4096; i++) {
		struct syncookie_opts o = {.wscale = i & 15, .sack_ok = i & 16, .ecn_ok = i & 32},
				      b;
		uint32_t ts = i * 977 + (i & 1 ? 0xfffff000u : 0), v = syncookie_ts_make(ts, &o);

		must((int32_t)(ts - v) >= 0 && ts - v < 64);
		syncookie_ts_read(v, &b);
		must(b.wscale == o.wscale && b.sack_ok == o.sack_ok && b.ecn_ok == o.ecn_ok);
	}
}
END_TEST

START_TEST(cookie_makes_no_connection_while_the_accept_queue_is_full)
{
	struct sock *sk;
	struct wire w;
	uint32_t iss;

	always_cookies(&w);
	stack_listen_backlog(w.e.st, w.l, 0);
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	iss = w.iss;
	w.peer.port++;
	in(&w, S, 0, 0, 0);
	out_is(&w, S | A, 0, 1, 0);
	ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_rx_packets);
	w.peer.port--;
	w.iss = iss;
	ck_assert_int_eq(in(&w, A, 1, 1, 0), STAT_drop_tcp_accept_full);
	out_none(&w);
	w.peer.port += 2;
	ck_assert_int_eq(in(&w, S, 0, 0, 0), STAT_drop_tcp_accept_full);
	out_none(&w);
	/* room again: the peer's next segment does it */
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &sk, w.e.now), 0);
	stack_abort(w.e.st, sk, w.e.now);
	while (env_tx(&w.e, NULL, 0, NULL))
		;
	w.peer.port -= 2;
	ck_assert_int_eq(in(&w, A, 1, 1, 5), STAT_rx_packets);
	wire_fini(&w);
}
END_TEST

START_TEST(no_cookies_when_they_are_off)
{
	struct stack_cfg cfg;
	struct wire w;

	env_cfg(&cfg);
	cfg.tcp_syncookies = 0;
	wire_init(&w, &cfg);
	listen_on(&w, NULL, 3);
	for (uint16_t p = 1; p <= 20; p++) {
		w.peer.port = p;
		in(&w, S, 0, 0, 0);
		out(&w);
	}
	ck_assert_uint_eq(reqs(&w), 4);
	ck_assert_uint_eq(count(&w, STAT_tcp_syncookies_sent), 0);
	ck_assert_uint_eq(count(&w, STAT_tcp_syncache_evicted), 16);
	wire_fini(&w);
}
END_TEST

/* To a stranger the answer goes where the frame came from, without a question to the kernel. */
START_TEST(rst_goes_back_without_asking)
{
	struct tx_ent ent;
	uint8_t b[200];
	struct wire w;

	wire_init(&w, NULL);
	w.peer.addr = addr(192, 0, 2, 9);
	in(&w, S, 0, 0, 0);
	ck_assert_uint_gt(env_tx(&w.e, b, sizeof(b), &ent), 0);
	ck_assert_mem_eq(b, env_peer_mac, 6);
	ck_assert_uint_eq(ent.dev, ENV_DEV);
	ck_assert_uint_eq(count(&w, STAT_dst_requests), 0);
	ck_assert_uint_eq(count(&w, STAT_dst_reflected), 1);
	wire_fini(&w);
}
END_TEST

/* Where the kernel has said that there is no way, nothing is sent. */
START_TEST(unreachable_stranger_is_not_answered)
{
	struct dst_info info = {.state = DST_UNREACHABLE, .err = ENETUNREACH};
	struct wire w;

	wire_init(&w, NULL);
	w.peer.addr = addr(192, 0, 2, 9);
	stack_dst_set(w.e.st, &w.peer.addr, &info, w.e.now);
	in(&w, S, 0, 0, 0);
	out_none(&w);
	wire_fini(&w);
}
END_TEST

/* But asked about again, once a second: nobody else may. */
START_TEST(unreachable_stranger_is_asked_about_again)
{
	struct dst_info info = {.state = DST_UNREACHABLE, .err = ENETUNREACH};
	struct ip_addr a;
	struct wire w;

	wire_init(&w, NULL);
	w.peer.addr = addr(192, 0, 2, 9);
	stack_dst_set(w.e.st, &w.peer.addr, &info, w.e.now);
	in(&w, S, 0, 0, 0);
	ck_assert(!stack_dst_request(w.e.st, &a));
	pass(&w, 2 * SEC);
	in(&w, S, 0, 0, 0);
	in(&w, S, 0, 0, 0);
	out_none(&w);
	ck_assert(stack_dst_request(w.e.st, &a));
	ck_assert(ip_addr_eq(&a, &w.peer.addr));
	ck_assert(!stack_dst_request(w.e.st, &a));
	wire_fini(&w);
}
END_TEST

/* A frame that says it came from everybody: the answer must not go to them. */
START_TEST(nothing_goes_back_to_a_group)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
	struct dst tmp;
	struct wire w;

	wire_init(&w, NULL);
	w.peer.addr = addr(192, 0, 2, 9);
	ck_assert(dst_back(w.e.st, &w.peer.addr, ENV_DEV, env_peer_mac, &tmp) == &tmp);
	ck_assert(!dst_back(w.e.st, &w.peer.addr, ENV_DEV, all, &tmp));
	wire_fini(&w);
}
END_TEST

static uint32_t answer_requests(struct wire *w)
{
	struct ip_addr a;
	uint32_t n = 0;

	while (stack_dst_request(w->e.st, &a)) {
		env_dst_ok(&w->e, a);
		n++;
	}
	return n;
}

static uint32_t drain(struct wire *w)
{
	static uint8_t b[2000];
	uint32_t n = 0;

	while (env_tx(&w->e, b, sizeof(b), NULL))
		n++;
	return n;
}

/*
 * 100,000 forged SYNs in each of three seconds, every one from an address of its own, while an
 * honest client connects each 100 ms: it is answered at once and gets in, the memory stays where it
 * is, and the kernel is asked no more than it can bear.
 */
START_TEST(flood_of_strangers_costs_little_and_lets_the_honest_in)
{
	enum { PER_S = 100000, SECONDS = 3, HONEST_EVERY = PER_S / 10 };
	uint32_t asked = 0, pool_max = 0, honest = 0, i;
	struct sock *sk;
	struct wire w;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 128);
	for (i = 0; i < PER_S * SECONDS; i++) {
		w.peer.addr = addr(20 + (i >> 16 & 63), i >> 8 & 255, i & 255, 1 + i % 200);
		w.peer.port = (uint16_t)(1024 + i % 60000);
		w.e.now += SEC / PER_S;
		must(in(&w, S, 0, 0, 0) == STAT_rx_packets);
		drain(&w);
		if (i % 64 == 0) {
			asked += answer_requests(&w);
			stack_run(w.e.st, w.e.now);
			drain(&w);
		}
		if (i % HONEST_EVERY)
			continue;
		w.peer.addr = addr(198, 51, 100, (uint8_t)(i / HONEST_EVERY));
		must(in(&w, S, 0, 0, 0) == STAT_rx_packets);
		if (tcp_mini_find(w.e.st, &w.me, &w.peer)) { /* before the queue was full */
			asked += answer_requests(&w);
			stack_run(w.e.st, w.e.now);
		}
		out_is(&w, S | A, 0, 1, 0);
		must(in(&w, A, 1, 1, 0) == STAT_rx_packets);
		must(stack_accept(w.e.st, w.l, &sk, w.e.now) == 0);
		must(stack_connected(sk));
		honest++;
		stack_abort(w.e.st, sk, w.e.now);
		asked += answer_requests(&w);
		drain(&w);
		if (dst_pool(w.e.st)->out > pool_max)
			pool_max = dst_pool(w.e.st)->out;
	}
	ck_assert_uint_eq(honest, SECONDS * 10);
	ck_assert_uint_le(asked, 1000 * (SECONDS + 1) + honest);
	ck_assert_uint_le(pool_max, 4096 + 129 + honest + 8);
	ck_assert_uint_le(reqs(&w), 129);
	ck_assert_uint_gt(count(&w, STAT_tcp_syncookies_sent), PER_S * (SECONDS - 1));
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire_flood");
	TCase *tc = tcase_create("flood");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, full_request_queue_answers_with_cookies);
	tcase_add_test(tc, cookie_with_timestamps_carries_the_options);
	tcase_add_test(tc, cookie_without_timestamps_offers_no_more_than_it_can_keep);
	tcase_add_loop_test(tc, cookie_is_good_for_a_minute_and_no_more_than_two, 0, 3);
	tcase_add_test(tc, forged_cookies_do_not_connect);
	tcase_add_test(tc, index_beyond_the_table_is_no_cookie);
	tcase_add_test(tc, options_in_a_timestamp_are_never_in_the_future);
	tcase_add_test(tc, cookie_makes_no_connection_while_the_accept_queue_is_full);
	tcase_add_test(tc, no_cookies_when_they_are_off);
	tcase_add_test(tc, rst_goes_back_without_asking);
	tcase_add_test(tc, unreachable_stranger_is_not_answered);
	tcase_add_test(tc, unreachable_stranger_is_asked_about_again);
	tcase_add_test(tc, nothing_goes_back_to_a_group);
	tcase_add_test(tc, flood_of_strangers_costs_little_and_lets_the_honest_in);
	return run_suite(s);
}
