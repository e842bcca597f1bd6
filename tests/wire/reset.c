/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack made anew after a death inside: every list, hash, free list and queue is filled with
 * rubbish first, in full or in part, since the dead may have been writing any of them.
 */
#include <errno.h>

#include "stack/udp/udp.h"
#include "wire.h"

static struct wire w;
static struct sock *udp, *other;
static uint8_t user[3];

/* A little of everything: a listener with a half-open and a waiting connection, an established one
 * with unread, unsent and lost data, one that the application has closed, a UDP socket. */
static void busy(void)
{
	struct sock_opts o;
	struct endpoint at = ep(w.e.me, 5353);
	uint16_t port = w.peer.port;

	stack_sock_user(w.e.st, w.l, &user[0]);
	in(&w, TH_ACK, 1, 1, 100);
	in(&w, TH_ACK, 1000, 1, 100);
	put(&w, 100000);
	w.peer.port = ++port;
	in(&w, TH_SYN, 0, 0, 0);
	w.peer.port = ++port;
	in(&w, TH_SYN, 0, 0, 0);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	in(&w, TH_ACK, 1, 1, 50);
	w.peer.port = ++port;
	in(&w, TH_SYN, 0, 0, 0);
	out_is(&w, TH_SYN | TH_ACK, 0, 1, 0);
	in(&w, TH_ACK, 1, 1, 0);
	stack_accept(w.e.st, w.l, &other, w.e.now);
	stack_accept(w.e.st, w.l, &other, w.e.now);
	stack_sock_user(w.e.st, other, &user[1]);
	stack_close(w.e.st, other, w.e.now);
	sock_opts_default(&o);
	ck_assert_int_eq(stack_udp_open(w.e.st, &at, &o, &udp), 0);
	stack_sock_user(w.e.st, udp, &user[2]);
	put(&w, 5000);
}

static void rot(void *p, size_t n, uint32_t *rnd, uint32_t share)
{
	uint64_t *v = p;

	for (size_t i = 0; i < n / 8; i++) {
		*rnd = *rnd * 1664525u + 1013904223u;
		if (*rnd >> 16 < share)
			v[i] = 0xdead000000000000ull + *rnd;
	}
}

static void rot_list(struct list *l, uint32_t *rnd, uint32_t share)
{
	rot(l, sizeof(*l), rnd, share);
}

static void rot_conn(struct tcp_conn *c, uint32_t *rnd, uint32_t share)
{
	rot_list(&c->sk.ev, rnd, share);
	rot_list(&c->sk.all, rnd, share);
	rot_list(&c->sk.txw, rnd, share);
	rot(&c->hash_next, 16, rnd, share);
	rot(&c->dst, 8, rnd, share);
	rot(&c->rcv, sizeof(c->rcv), rnd, share);
	rot(&c->snd, sizeof(c->snd), rnd, share);
	rot(&c->reass, sizeof(c->reass), rnd, share);
	rot_list(&c->ack_node, rnd, share);
	rot_list(&c->accept_node, rnd, share);
	rot_list(&c->rtx.node, rnd, share);
	rot_list(&c->delack.node, rnd, share);
	rot(&c->listener, 8, rnd, share);
}

static void rot_all(uint32_t seed, uint32_t share)
{
	struct stack *st = w.e.st;
	struct tcp_state_tables *t = st->tcp;
	struct pool *pools[] = {&t->conns,        &t->reqs,
				&t->tws,          &t->ranges,
				&t->listeners,    &t->sents,
				&st->blks,        &st->udp->socks,
				&st->udp->dgrams, (struct pool *)(uintptr_t)dst_pool(st)};
	struct udp_sock *us = udp_sock_of(udp);
	struct tcp_listener *l = tcp_listener_of(w.l);
	uint32_t rnd = seed;

	for (unsigned i = 0; i < ARRAY_SIZE(pools); i++) {
		rot(&pools[i]->free, 8, &rnd, share);
		rnd = rnd * 1664525u + 1013904223u;
		if (rnd >> 16 < share)
			pools[i]->out = rnd;
	}
	rot(st->wheel.slot, sizeof(st->wheel.slot), &rnd, share);
	rot(st->wheel.occupied, sizeof(st->wheel.occupied), &rnd, share);
	rot(t->conn_hash, (t->conn_mask + 1ul) * 8, &rnd, share / 64);
	rot(t->mini_hash, (t->mini_mask + 1ul) * 8, &rnd, share / 64);
	rot(t->listen_hash, sizeof(t->listen_hash), &rnd, share);
	rot(st->udp->bucket, sizeof(st->udp->bucket), &rnd, share);
	rot(&t->last, 8, &rnd, share);
	rot_list(&t->ack_batch, &rnd, share);
	rot_list(&t->gone_conns, &rnd, share);
	rot_list(&st->tx_wait, &rnd, share);
	rot_list(&st->events, &rnd, share);
	rot_list(&st->socks, &rnd, share);
	rot(&st->txq, sizeof(st->txq), &rnd, share);
	rot(&st->blk_limbo, 8, &rnd, share);
	rot(&st->nopen, 8, &rnd, share);
	rot(st->frames.free, st->frames.count * 4ul, &rnd, share);
	rot(st->frames.meta, st->frames.count * sizeof(struct frame), &rnd, share);
	rot(&st->frames.nfree, 4, &rnd, share);
	rot_conn(tcp_conn_of(w.sk), &rnd, share);
	rot_list(&us->hash, &rnd, share);
	rot_list(&us->rcvq, &rnd, share);
	rot_list(&us->sk.all, &rnd, share);
	rot_list(&l->node, &rnd, share);
	rot_list(&l->reqs, &rnd, share);
	rot_list(&l->acceptq, &rnd, share);
	rot(&l->nreqs, 8, &rnd, share);
}

static void reset(void)
{
	stack_disown_all(w.e.st);
	ck_assert(stack_sock_keep(w.l, &user[0]));
	ck_assert(stack_sock_keep(w.sk, &w.user));
	ck_assert(stack_sock_keep(udp, &user[2]));
	stack_reset_tell(w.e.st, NULL, w.e.now);
	stack_reset_all(w.e.st, w.e.now);
}

static unsigned resets_out(void)
{
	unsigned n = 0;

	while (txq_used(stack_txq(w.e.st))) {
		ck_assert(out(&w).flags & TH_RST);
		n++;
	}
	return n;
}

static void check_goes_on(void)
{
	uint32_t edges;
	struct sock *s, *fresh;
	unsigned told = 0;

	/* the established one, the waiting one and the closing one */
	ck_assert_uint_eq(resets_out(), 3);
	while ((s = stack_event(w.e.st, &edges)) != NULL)
		told |= s == w.sk && (edges & RDY_ERR) && (edges & RDY_HUP);
	ck_assert(told);
	ck_assert_int_eq(get(&w, 10), -ECONNRESET);
	ck_assert_int_eq(get(&w, 10), 0);
	ck_assert_int_eq(put(&w, 10), -EPIPE);
	stack_close(w.e.st, w.sk, w.e.now);
	/* the same peer again, at once; the kernel is asked for the way to it anew */
	env_dst_ok(&w.e, w.e.peer);
	w.peer.port = PEER_PORT;
	in(&w, TH_SYN, 0, 0, 0);
	out_is(&w, TH_SYN | TH_ACK, 0, 1, 0);
	in(&w, TH_ACK, 1, 1, 20);
	run(&w);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &fresh, w.e.now), 0);
	w.sk = fresh;
	stack_sock_user(w.e.st, fresh, &w.user);
	ck_assert_int_eq(get(&w, 100), 20);
	ck_assert_int_eq(put(&w, 30), 30);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	stack_abort(w.e.st, fresh, w.e.now);
	ck_assert_uint_eq(resets_out(), 1);
	stack_close(w.e.st, udp, w.e.now);
	stack_close(w.e.st, w.l, w.e.now);
	w.l = w.sk = NULL;
}

START_TEST(a_whole_stack_is_emptied)
{
	wire_init(&w, NULL);
	establish(&w, NULL);
	busy();
	reset();
	check_goes_on();
	wire_fini(&w);
}
END_TEST

START_TEST(nothing_but_slabs_is_trusted)
{
	static const uint32_t share[] = {65536, 30000, 3000, 300};

	for (uint32_t i = 0; i < 12; i++) {
		wire_init(&w, NULL);
		establish(&w, NULL);
		busy();
		rot_all(i, share[i % ARRAY_SIZE(share)]);
		reset();
		check_goes_on();
		wire_fini(&w);
	}
}
END_TEST

START_TEST(frames_in_the_hands_of_a_device_stay_there)
{
	uint64_t lent[1 << 12] = {0};
	uint32_t idx[3];

	wire_init(&w, NULL);
	establish(&w, NULL);
	for (int i = 0; i < 3; i++) {
		idx[i] = frame_get(stack_frames(w.e.st));
		lent[idx[i] / 64] |= 1ull << idx[i] % 64;
	}
	stack_reset_tell(w.e.st, lent, w.e.now);
	stack_reset_all(w.e.st, w.e.now);
	resets_out();
	ck_assert_uint_eq(stack_frames(w.e.st)->nfree, stack_frames(w.e.st)->count - 3);
	for (int i = 0; i < 3; i++)
		frame_put(stack_frames(w.e.st), idx[i]);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	wire_fini(&w);
}
END_TEST

START_TEST(a_socket_whose_end_was_under_way_is_not_kept)
{
	wire_init(&w, NULL);
	establish(&w, NULL);
	stack_sock_user(w.e.st, w.l, &user[0]);
	put(&w, 10);
	stack_close(w.e.st, w.sk, w.e.now); /* an orphan: the stack's alone */
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	stack_disown_all(w.e.st);
	ck_assert(stack_sock_keep(w.l, &user[0]));
	ck_assert(!stack_sock_keep(w.sk, &w.user));
	stack_reset_tell(w.e.st, NULL, w.e.now);
	stack_reset_all(w.e.st, w.e.now);
	ck_assert_uint_eq(resets_out(), 1);
	ck_assert_uint_eq(stack_draining_count(w.e.st), 0);
	ck_assert_uint_eq(stack_open_count(w.e.st), 1);
	stack_close(w.e.st, w.l, w.e.now);
	w.l = w.sk = NULL;
	wire_fini(&w);
}
END_TEST

START_TEST(claimed_flows_are_still_told_of)
{
	struct endpoint l, r;
	uint8_t claims;

	wire_init(&w, NULL);
	establish(&w, NULL);
	w.sk->claimed = CLAIM_FLOW;
	stack_disown_all(w.e.st);
	stack_reset_tell(w.e.st, NULL, w.e.now);
	stack_reset_all(w.e.st, w.e.now);
	resets_out();
	ck_assert(stack_gone(w.e.st, &l, &r, &claims));
	ck_assert_uint_eq(r.port, PEER_PORT);
	ck_assert(!stack_gone(w.e.st, &l, &r, &claims));
	w.l = w.sk = NULL;
	wire_fini(&w);
}
END_TEST

static Suite *make(void)
{
	Suite *s = suite_create("reset");
	TCase *tc = tcase_create("reset");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_whole_stack_is_emptied);
	tcase_add_test(tc, nothing_but_slabs_is_trusted);
	tcase_add_test(tc, frames_in_the_hands_of_a_device_stay_there);
	tcase_add_test(tc, a_socket_whose_end_was_under_way_is_not_kept);
	tcase_add_test(tc, claimed_flows_are_still_told_of);
	return s;
}

int main(void)
{
	return run_both_families(make);
}
