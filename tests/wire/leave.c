/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners that are left to the kernel: what is begun goes on, what is new is the kernel's. */
#include <errno.h>

#include "wire.h"

#define A TH_ACK
#define S TH_SYN
#define F TH_FIN
#define R TH_RST

static void claim_all(void *arg, const struct endpoint *local, const struct endpoint *remote,
		      uint8_t *claims)
{
	unsigned *n = arg;

	(void)local;
	(void)remote;
	++*n;
	*claims |= CLAIM_FLOW | CLAIM_LEFT;
}

/* As the embedder does it; what gets steering of its own. */
static unsigned leave(struct wire *w)
{
	unsigned n = 0;

	stack_listen_leave(w->e.st, w->l, w->e.now);
	stack_port_each(w->e.st, PORT, claim_all, &n);
	return n;
}

static void gone_once(struct wire *w, uint16_t port)
{
	struct endpoint l, r;
	uint8_t claims;

	ck_assert(stack_gone(w->e.st, &l, &r, &claims));
	ck_assert_uint_eq(l.port, PORT);
	ck_assert_uint_eq(r.port, port);
	ck_assert(claims & CLAIM_FLOW);
	ck_assert(!stack_gone(w->e.st, &l, &r, &claims));
}

static void gone_none(struct wire *w)
{
	struct endpoint l, r;
	uint8_t claims;

	ck_assert(!stack_gone(w->e.st, &l, &r, &claims));
}

static void given_back(struct wire *w, uint16_t port)
{
	struct stray s;
	uint8_t b[100];

	ck_assert_int_eq(in(w, S, 0, 0, 0), STAT_drop_stray);
	out_none(w);
	take_stray(w, &s, b);
	ck_assert_uint_eq(s.remote.port, port);
}

START_TEST(what_is_begun_is_accepted_and_what_is_new_is_not)
{
	struct wire w;
	struct sock *sk;

	wire_init(&w, NULL);
	share_dev(&w);
	listen_on(&w, NULL, 8);
	syn_from(&w, 1000);
	ck_assert_int_eq(last_ack_from(&w, 1000), STAT_rx_packets); /* waits */
	syn_from(&w, 1001);                                         /* half open */
	ck_assert_uint_eq(leave(&w), 2);
	w.peer.port = 1002;
	given_back(&w, 1002);
	/* the SYN again: its SYN-ACK, and no stray */
	w.peer.port = 1001;
	w.iss = ((struct tcp_req *)tcp_mini_find(w.e.st, &w.me, &w.peer))->iss.v;
	ck_assert_int_eq(in(&w, S, 0, 0, 0), STAT_rx_packets);
	out_is(&w, S | A, 0, 1, 0);
	ck_assert_int_eq(in(&w, A, 1, 1, 3), STAT_rx_packets);
	gone_none(&w);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &sk, w.e.now), 0);
	ck_assert_uint_eq(sk->remote.port, 1000);
	stack_abort(w.e.st, sk, w.e.now);
	gone_once(&w, 1000);
	w.peer.port = 1000;
	out(&w); /* its RST */
	w.peer.port = 1001;
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &sk, w.e.now), 0);
	ck_assert_uint_eq(sk->remote.port, 1001);
	ck_assert_uint_eq(sk->claimed, CLAIM_FLOW | CLAIM_LEFT);
	stack_abort(w.e.st, sk, w.e.now);
	gone_once(&w, 1001);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &sk, w.e.now), -EAGAIN);
	wire_fini(&w);
}
END_TEST

START_TEST(a_half_open_one_that_ends_is_told_gone_once)
{
	struct wire w;

	wire_init(&w, NULL);
	share_dev(&w);
	listen_on(&w, NULL, 8);
	syn_from(&w, 1000);
	ck_assert_uint_eq(leave(&w), 1);
	if (_i == 0) { /* the peer gives up, */
		w.iss = ((struct tcp_req *)tcp_mini_find(w.e.st, &w.me, &w.peer))->iss.v;
		in(&w, R, 1, 0, 0);
	} else if (_i == 1) { /* or says nothing more, */
		for (unsigned i = 0; i < 70; i++) {
			pass(&w, SEC);
			while (txq_used(stack_txq(w.e.st)))
				out(&w);
		}
	} else if (_i == 2) { /* or nobody is left to accept it, */
		stack_close(w.e.st, w.l, w.e.now);
		w.l = NULL;
	} else { /* or all is lost */
		stack_disown_all(w.e.st);
		stack_reset_tell(w.e.st, NULL, w.e.now);
		stack_reset_all(w.e.st, w.e.now);
		w.l = NULL;
	}
	gone_once(&w, 1000);
	wire_fini(&w);
}
END_TEST

/* Linux answers a SYN for a connection in TIME-WAIT as a listener does, if there is one. */
START_TEST(syn_in_time_wait_is_the_kernels)
{
	struct wire w;
	struct stray s;
	uint8_t b[100];

	wire_init(&w, NULL);
	share_dev(&w);
	establish(&w, NULL);
	ck_assert_uint_eq(leave(&w), 1);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, F | A, 1, 1, 0);
	in(&w, F | A, 1, 2, 0);
	out_is(&w, A, 2, 2, 0);
	gone_none(&w);
	in(&w, S, 1, 0, 0); /* an old one */
	out_is(&w, A, 2, 2, 0);
	ck_assert(!stack_stray(w.e.st, &s));
	ck_assert_int_eq(in(&w, S, 1000, 0, 0), STAT_drop_stray);
	out_none(&w);
	take_stray(&w, &s, b);
	gone_once(&w, PEER_PORT);
	wire_fini(&w);
}
END_TEST

/* Of those who shared the listener none may be left who accepts. */
START_TEST(who_is_not_accepted_is_reset_in_time)
{
	struct wire w;
	struct sock *sk;

	wire_init(&w, NULL);
	share_dev(&w);
	listen_on(&w, NULL, 8);
	syn_from(&w, 1000);
	ck_assert_int_eq(last_ack_from(&w, 1000), STAT_rx_packets);
	leave(&w);
	pass(&w, 29 * SEC);
	out_none(&w);
	pass(&w, 2 * SEC);
	out_is(&w, R | A, 1, 1, 0);
	gone_once(&w, 1000);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &sk, w.e.now), -EAGAIN);
	wire_fini(&w);
}
END_TEST

START_TEST(handshakes_under_way_are_told_of)
{
	struct wire w;
	uint64_t begun;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	ck_assert_uint_eq(stack_listen_begun_ns(w.e.st, w.l), 0);
	syn_from(&w, 1000);
	begun = w.e.now;
	pass(&w, 100 * MS);
	ck_assert_uint_eq(stack_listen_begun_ns(w.e.st, w.l), begun);
	syn_from(&w, 1001);
	ck_assert_uint_eq(stack_listen_begun_ns(w.e.st, w.l), begun + 100 * MS);
	last_ack_from(&w, 1001);
	ck_assert_uint_eq(stack_listen_begun_ns(w.e.st, w.l), begun);
	last_ack_from(&w, 1000);
	ck_assert_uint_eq(stack_listen_begun_ns(w.e.st, w.l), 0);
	wire_fini(&w);
}
END_TEST

/* A device that is the stack's alone has no kernel behind it. */
START_TEST(what_cannot_be_given_back_is_accepted)
{
	struct wire w;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	leave(&w);
	syn_from(&w, 1000);
	ck_assert_int_eq(last_ack_from(&w, 1000), STAT_rx_packets);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	wire_fini(&w);
}
END_TEST

static Suite *make(void)
{
	Suite *s = suite_create("leave");
	TCase *tc = tcase_create("leave");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_is_begun_is_accepted_and_what_is_new_is_not);
	tcase_add_loop_test(tc, a_half_open_one_that_ends_is_told_gone_once, 0, 4);
	tcase_add_test(tc, syn_in_time_wait_is_the_kernels);
	tcase_add_test(tc, what_cannot_be_given_back_is_accepted);
	tcase_add_test(tc, who_is_not_accepted_is_reset_in_time);
	tcase_add_test(tc, handshakes_under_way_are_told_of);
	return s;
}

int main(void)
{
	return run_both_families(make);
}
