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

/* What is made from other things, and not believed by stack_mend() either. */
static void rot_derived(uint32_t *rnd, uint32_t share)
{
	struct stack *st = w.e.st;
	struct tcp_state_tables *t = st->tcp;
	struct pool *pools[] = {&t->conns,        &t->reqs,
				&t->tws,          &t->ranges,
				&t->listeners,    &t->sents,
				&st->blks,        &st->udp->socks,
				&st->udp->dgrams, (struct pool *)(uintptr_t)dst_pool(st)};
	struct tcp_conn *c = tcp_conn_of(w.sk);
	struct tcp_listener *l = tcp_listener_of(w.l);

	for (unsigned i = 0; i < ARRAY_SIZE(pools); i++) {
		rot(&pools[i]->free, 8, rnd, share);
		*rnd = *rnd * 1664525u + 1013904223u;
		if (*rnd >> 16 < share)
			pools[i]->out = *rnd;
	}
	rot(st->wheel.slot, sizeof(st->wheel.slot), rnd, share);
	rot(st->wheel.occupied, sizeof(st->wheel.occupied), rnd, share);
	rot(t->conn_hash, (t->conn_mask + 1ul) * 8, rnd, share / 64);
	rot(t->mini_hash, (t->mini_mask + 1ul) * 8, rnd, share / 64);
	rot(t->listen_hash, sizeof(t->listen_hash), rnd, share);
	rot(st->udp->bucket, sizeof(st->udp->bucket), rnd, share);
	rot(&t->last, 8, rnd, share);
	rot_list(&t->ack_batch, rnd, share);
	rot_list(&t->gone_conns, rnd, share);
	rot_list(&st->tx_wait, rnd, share);
	rot_list(&st->events, rnd, share);
	rot_list(&st->socks, rnd, share);
	rot(&st->blk_limbo, 8, rnd, share);
	rot(&st->nopen, 8, rnd, share);
	rot(st->frames.free, st->frames.count * 4ul, rnd, share);
	rot(&st->frames.nfree, 4, rnd, share);
	rot_list(&c->sk.ev, rnd, share);
	rot_list(&c->sk.all, rnd, share);
	rot_list(&c->sk.txw, rnd, share);
	rot(&c->hash_next, 16, rnd, share);
	rot(&c->dst, 8, rnd, share);
	rot_list(&c->ack_node, rnd, share);
	rot_list(&c->accept_node, rnd, share);
	rot_list(&c->rtx.node, rnd, share);
	rot_list(&c->delack.node, rnd, share);
	rot_list(&udp_sock_of(udp)->hash, rnd, share);
	rot_list(&udp->all, rnd, share);
	rot_list(&l->node, rnd, share);
	rot_list(&l->reqs, rnd, share);
	rot_list(&l->acceptq, rnd, share);
	rot(&l->nreqs, 8, rnd, share);
}

static void rot_all(uint32_t seed, uint32_t share)
{
	struct frame_pool *fp = &w.e.st->frames;
	struct tcp_conn *c = tcp_conn_of(w.sk);
	uint32_t rnd = seed;

	rot_derived(&rnd, share);
	rot(&w.e.st->txq, sizeof(w.e.st->txq), &rnd, share);
	rot(fp->meta, fp->count * sizeof(struct frame), &rnd, share);
	rot(&c->rcv, sizeof(c->rcv), &rnd, share);
	rot(&c->snd, sizeof(c->snd), &rnd, share);
	rot(&c->reass, sizeof(c->reass), &rnd, share);
	rot(&c->listener, 8, &rnd, share);
	rot_list(&udp_sock_of(udp)->rcvq, &rnd, share);
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

static bool mend(struct stack_mended *res)
{
	stack_disown_all(w.e.st);
	ck_assert(stack_sock_keep(w.l, &user[0]));
	ck_assert(stack_sock_keep(w.sk, &w.user));
	ck_assert(stack_sock_keep(udp, &user[2]));
	return stack_mend(w.e.st, NULL, w.e.now, res);
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

/* Likewise, among what had been queued before. */
static unsigned resets_among(void)
{
	unsigned n = 0;

	while (txq_used(stack_txq(w.e.st)))
		n += (out(&w).flags & TH_RST) != 0;
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

static void ends(void)
{
	stack_close(w.e.st, w.sk, w.e.now);
	stack_close(w.e.st, udp, w.e.now);
	stack_close(w.e.st, w.l, w.e.now);
	w.l = w.sk = NULL;
	wire_fini(&w);
}

START_TEST(mending_loses_nothing_that_nobody_was_changing)
{
	static const uint32_t share[] = {65536, 30000, 3000, 300};

	for (uint32_t i = 0; i < 12; i++) {
		uint32_t rnd = i, unread, unacked, edges, told = 0;
		struct stack_mended res;
		struct sock *s;

		wire_init(&w, NULL);
		establish(&w, NULL);
		busy();
		unread = stack_unread(w.sk);
		unacked = stack_unacked(w.sk);
		rot_derived(&rnd, share[i % ARRAY_SIZE(share)]);
		ck_assert(mend(&res));
		ck_assert_uint_eq(res.reset, 0);
		ck_assert_uint_eq(res.kept, 3);
		ck_assert_uint_eq(tcp_listener_of(w.l)->nreqs, 1);
		/* it was accepted and given to nobody: closed, with what it has unread */
		ck_assert_uint_gt(txq_used(stack_txq(w.e.st)), 1);
		ck_assert_uint_eq(resets_among(), 1);
		while ((s = stack_event(w.e.st, &edges)) != NULL)
			told |= s == w.sk && edges & RDY_IN;
		ck_assert(told);
		ck_assert_uint_eq(stack_unacked(w.sk), unacked);
		ck_assert_int_eq(get(&w, 1000), unread);
		reset();
		ck_assert_uint_eq(resets_out(), 2);
		ends();
	}
}
END_TEST

START_TEST(who_is_noted_is_reset_alone)
{
	struct stack_mended res;

	wire_init(&w, NULL);
	establish(&w, NULL);
	busy();
	at_note(w.e.st, w.sk);
	memset(&tcp_conn_of(w.sk)->sent, 0xa5, sizeof(struct sent_map));
	ck_assert(mend(&res));
	ck_assert_uint_eq(res.reset, 1);
	ck_assert_uint_eq(res.kept, 2);
	ck_assert_uint_eq(w.e.st->nat, 0);
	ck_assert_int_eq(get(&w, 10), -ECONNRESET);
	/* it, and the one that was given to nobody */
	ck_assert_uint_eq(resets_among(), 2);
	reset();
	ck_assert_uint_eq(resets_out(), 1);
	ends();
}
END_TEST

/* Who is not whole though nobody noted it goes alone, or (it has what others have) nobody is
 * believed; and whatever was believed, a reset still finds its way. */
START_TEST(what_is_not_whole_is_never_believed)
{
	for (uint32_t i = 0; i < 60; i++) {
		struct stack_mended res;

		wire_init(&w, NULL);
		establish(&w, NULL);
		busy();
		rot_all(i, i % 3 == 0 ? 65536 : i % 3 == 1 ? 3000 : 200);
		if (mend(&res))
			ck_assert_uint_ge(res.reset + res.kept, 3);
		else
			ck_assert_uint_eq(res.reset + res.kept, 0);
		reset();
		resets_out();
		if (stack_connected(w.sk))
			ck_abort_msg("it was reset, and is connected");
		ends();
	}
}
END_TEST

START_TEST(what_two_have_is_nobodys)
{
	struct tcp_conn *c, *waits;
	struct stack_mended res;

	wire_init(&w, NULL);
	establish(&w, NULL);
	busy();
	c = tcp_conn_of(w.sk);
	waits = tcp_conn_of(other);
	ck_assert(c->snd.head != NULL);
	waits->snd = c->snd;
	waits->sent.nxt = waits->sent.una = waits->snd.una;
	ck_assert(!mend(&res));
	reset();
	check_goes_on();
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
	tcase_add_test(tc, mending_loses_nothing_that_nobody_was_changing);
	tcase_add_test(tc, who_is_noted_is_reset_alone);
	tcase_add_test(tc, what_is_not_whole_is_never_believed);
	tcase_add_test(tc, what_two_have_is_nobodys);
	return s;
}

int main(void)
{
	return run_both_families(make);
}
