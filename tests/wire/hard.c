/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes wrong on real paths: lost last ACKs, routes that flap, peers that hold on, floods. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "wire.h"

#define A TH_ACK
#define S TH_SYN
#define F TH_FIN
#define R TH_RST

static const char *state(struct wire *w)
{
	return stack_state_name(w->sk);
}

/* Every second segment of a window, which says nothing of the first: how many of them were kept. */
static uint32_t holes(struct wire *w)
{
	uint32_t kept = 0;

	for (uint32_t seq = 1001; seq < 60000; seq += 1000) {
		kept += in(w, A, seq, 1, 500) == STAT_rx_packets;
		(void)out(w);
	}
	return kept;
}

/* The next peer's connection: its socket in w->sk. */
static void another_peer(struct wire *w)
{
	w->peer.port++;
	in(w, S, 0, 0, 0);
	(void)out(w);
	in(w, A, 1, 1, 0);
	run(w);
	ck_assert_int_eq(stack_accept(w->e.st, w->l, &w->sk, w->e.now), 0);
	stack_sock_user(w->e.st, w->sk, &w->user);
}

/*
 * A peer that only makes holes may not hold what the others need to fill theirs, nor many of them
 * together what a fill ring is given: nothing would come in any more.
 */
START_TEST(holes_leave_frames_to_others_and_to_fill_rings)
{
	struct sock *opened[6];
	struct stack_cfg cfg;
	struct wire w;
	uint32_t kept;

	stack_cfg_default(&cfg);
	cfg.frames = 80;
	wire_init(&w, &cfg);
	establish(&w, NULL);
	kept = holes(&w);
	ck_assert_uint_ge(kept, 30);
	ck_assert_uint_le(kept, 45);
	opened[0] = w.sk;
	another_peer(&w);
	ck_assert_uint_ge(holes(&w), 12);
	for (unsigned i = 1; i < 6; i++) {
		opened[i] = w.sk;
		another_peer(&w);
		holes(&w);
	}
	ck_assert_uint_ge(stack_frames(w.e.st)->nfree, cfg.frames / FRAMES_LENT_DIV + 8);
	for (unsigned i = 0; i < 6; i++) {
		stack_abort(w.e.st, opened[i], w.e.now);
		(void)out(&w);
	}
	wire_fini(&w);
}
END_TEST

/* The peer has not seen our ACK of its FIN, and sends it again: in every state it hears of it. */
START_TEST(fin_sent_again_is_acknowledged_again)
{
	uint32_t len = _i ? 10 : 0, nxt = len + 2;
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, F | A, 1, 1, len);
	run(&w);
	out_is(&w, A, 1, nxt, 0);
	ck_assert_str_eq(state(&w), "CLOSE-WAIT");
	pass(&w, SEC);
	in(&w, F | A, 1, 1, len);
	run(&w);
	out_is(&w, A, 1, nxt, 0);
	ck_assert_int_eq(get(&w, 100), len);
	ck_assert_int_eq(stack_shutdown(w.e.st, w.sk, SHUT_WR, w.e.now), 0);
	out_is(&w, F | A, 1, nxt, 0);
	in(&w, F | A, 1, 1, len);
	run(&w);
	out_is(&w, A, 2, nxt, 0);
	ck_assert_str_eq(state(&w), "LAST-ACK");
	wire_fini(&w);
}
END_TEST

START_TEST(fin_sent_again_is_acknowledged_in_closing)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	ck_assert_int_eq(stack_shutdown(w.e.st, w.sk, SHUT_WR, w.e.now), 0);
	out_is(&w, F | A, 1, 1, 0);
	in(&w, F | A, 1, 1, 0);
	out_is(&w, A, 2, 2, 0);
	in(&w, F | A, 1, 1, 0);
	run(&w);
	out_is(&w, A, 2, 2, 0);
	wire_fini(&w);
}
END_TEST

/* Some stacks reset with the number of the FIN that they have sent. */
START_TEST(rst_at_the_fin_counts)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in(&w, F | A, 1, 1, 0);
	run(&w);
	out_is(&w, A, 1, 2, 0);
	in(&w, R, 1, 0, 0);
	ck_assert_str_eq(state(&w), "UNCONN");
	ck_assert_int_eq(get(&w, 1), 0); /* the end came first; the error is a writer's */
	ck_assert_int_eq(w.sk->err, EPIPE);
	wire_fini(&w);
}
END_TEST

/* An ACK that cannot be sent is gone, but the next one is owed as ever. */
START_TEST(acks_go_on_after_the_way_was_gone)
{
	struct stack_dev dev;
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	dev = w.e.st->dev[ENV_DEV];
	dev.up = false;
	stack_dev_set(w.e.st, ENV_DEV, &dev);
	in(&w, A, 1, 1, 10);
	pass(&w, SEC);
	out_none(&w);
	dev.up = true;
	stack_dev_set(w.e.st, ENV_DEV, &dev);
	in(&w, A, 11, 1, 10);
	pass(&w, SEC);
	out_is(&w, A, 1, 21, 0);
	wire_fini(&w);
}
END_TEST

/* Likewise one that waited for a neighbour which then did not answer. */
START_TEST(acks_go_on_after_the_neighbour_failed)
{
	struct ip_addr asked;
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	stack_neigh_set(w.e.st, ENV_DEV, &w.e.peer, NULL, w.e.now);
	in(&w, A, 1, 1, 10);
	pass(&w, 5 * SEC);
	out_none(&w);
	while (stack_dst_request(w.e.st, &asked))
		;
	env_dst_ok(&w.e, w.e.peer);
	in(&w, A, 11, 1, 10);
	pass(&w, SEC);
	out_is(&w, A, 1, 21, 0);
	wire_fini(&w);
}
END_TEST

/* Answers every probe until there is silence, or the connection is gone. */
static void answer_probes(struct wire *w, uint64_t ns)
{
	struct seg ack = {.flags = A, .seq = 1, .ack = 1, .wnd = 0};
	uint64_t until = w->e.now + ns;

	while (w->e.now < until && w->e.st->tcp->conns.out > 0) {
		pass(w, 50 * MS);
		while (txq_used(stack_txq(w->e.st))) {
			out(w);
			in_seg(w, &ack);
		}
	}
}

/* Nobody can hold a closed connection's memory for ever by a window that stays shut. */
START_TEST(orphan_does_not_wait_for_a_window_for_ever)
{
	struct seg ack = {.flags = A, .seq = 1, .ack = 1, .wnd = 0};
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in_seg(&w, &ack);
	put(&w, 100);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	answer_probes(&w, 30 * SEC);
	ck_assert_uint_eq(w.e.st->tcp->conns.out, 1);
	answer_probes(&w, 900 * SEC);
	ck_assert_uint_eq(w.e.st->tcp->conns.out, 0);
	wire_fini(&w);
}
END_TEST

/* The probes of one closed window do not slow down those of the next. */
START_TEST(open_window_ends_the_backoff_of_probes)
{
	struct seg ack = {.flags = A, .seq = 1, .ack = 1, .wnd = 0};
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	in_seg(&w, &ack);
	put(&w, 100);
	answer_probes(&w, 60 * SEC);
	ack.wnd = 1000;
	in_seg(&w, &ack);
	out_is(&w, A, 1, 1, 100);
	ack.ack = 101;
	ack.wnd = 0;
	in_seg(&w, &ack);
	put(&w, 100);
	out_none(&w);
	pass(&w, 2 * SEC);
	out_is(&w, A, 100, 1, 0);
	wire_fini(&w);
}
END_TEST

static const uint8_t mss_1460[] = {2, 4, 5, 180};

static void establish_full_size(struct wire *w)
{
	struct seg syn = {.flags = S, .wnd = 65535, .opts = mss_1460, .opts_len = 4};

	listen_on(w, NULL, 8);
	in_seg(w, &syn);
	out_is(w, S | A, 0, 1, 0);
	in(w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w->e.st, w->l, &w->sk, w->e.now), 0);
}

/* Another connection has learnt of the path's MTU first: the news are this one's, too. */
START_TEST(frag_needed_counts_for_every_connection)
{
	uint8_t sent[2000];
	struct wire w;
	size_t n;

	wire_init(&w, NULL);
	establish_full_size(&w);
	put(&w, 1460);
	n = env_tx(&w.e, sent, sizeof(sent), NULL);
	ck_assert(dst_pmtu_learn(w.e.st, dst_find(w.e.st, &w.e.peer), mtu_for(&w, 1240), w.e.now));
	ck_assert_int_eq(in_too_big(&w, 1240, sent, n), STAT_icmp_errors);
	out_is(&w, A, 1, 1, 1240);
	out_is(&w, A, 1241, 1, 220);
	wire_fini(&w);
}
END_TEST

START_TEST(super_segments_follow_the_path_mtu)
{
	static uint8_t sent[10000];
	struct tx_ent ent;
	struct wire w;

	wire_init(&w, NULL);
	establish_full_size(&w);
	env_dev(&w.e, ENV_DEV, true, false, 65000);
	put(&w, 2920);
	ck_assert_uint_gt(env_tx(&w.e, sent, sizeof(sent), &ent), 0);
	ck_assert_uint_eq(ent.gso_bytes, 1460);
	ck_assert_uint_eq(ent.family, (unsigned)env_family);
	ck_assert(dst_pmtu_learn(w.e.st, dst_find(w.e.st, &w.e.peer), mtu_for(&w, 1240), w.e.now));
	put(&w, 2480);
	ck_assert_uint_gt(env_tx(&w.e, sent, sizeof(sent), &ent), 0);
	ck_assert_uint_eq(ent.gso_bytes, 1240);
	wire_fini(&w);
}
END_TEST

static uint32_t label_out(struct wire *w)
{
	uint8_t b[2000];

	ck_assert_uint_gt(env_tx(&w->e, b, sizeof(b), NULL), 0);
	return env_family == 4 ? 0 : (b[15] & 15u) << 16 | (uint32_t)b[16] << 8 | b[17];
}

/* RFC 6437 3: the same label for all of a flow; as Linux another when what went out with it is
 * lost. */
START_TEST(flow_label_changes_with_a_timeout)
{
	uint32_t first;
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	put(&w, 100);
	first = label_out(&w);
	ck_assert_int_eq(first != 0, env_family == 6);
	in(&w, A, 1, 101, 0);
	put(&w, 100);
	ck_assert_uint_eq(label_out(&w), first);
	pass(&w, 3 * SEC);
	ck_assert_int_eq(label_out(&w) != first, env_family == 6);
	while (env_tx(&w.e, NULL, 0, NULL) > 0)
		;
	wire_fini(&w);
}
END_TEST

static struct tcp_req *req_at(struct wire *w, uint16_t port)
{
	struct endpoint from = {.addr = w->peer.addr, .port = port};

	return (struct tcp_req *)tcp_mini_find(w->e.st, &w->me, &from);
}

/* A full queue of half-open connections takes another at once, in place of one met by chance: with
 * n places, about 1/e of those that came n SYNs ago are still there. */
START_TEST(syn_flood_pushes_out_at_random)
{
	enum { PLACES = 64, CLIENTS = 200 };
	unsigned survived = 0, i, k;
	struct stack_cfg cfg;
	uint16_t port = 1;
	struct wire w;

	env_cfg(&cfg);
	cfg.tcp_syncookies = 0;
	cfg.tcp_max_syn_backlog = PLACES + PLACES / 3; /* three quarters of which count */
	wire_init(&w, &cfg);
	listen_on(&w, NULL, PLACES * 2);
	for (i = 0; i < CLIENTS; i++) {
		uint16_t mine = w.peer.port = port++;

		must(in(&w, S, 0, 0, 0) == STAT_rx_packets);
		must(req_at(&w, mine) != NULL);
		for (k = 0; k < PLACES; k++) {
			w.peer.port = port++;
			must(in(&w, S, 0, 0, 0) == STAT_rx_packets);
			must(tcp_listener_of(w.l)->nreqs <= PLACES);
		}
		survived += i > 0 && req_at(&w, mine) != NULL;
		while (txq_used(stack_txq(w.e.st)))
			out(&w);
	}
	ck_assert_uint_gt(survived, CLIENTS / 5);
	ck_assert_uint_lt(survived, CLIENTS * 3 / 5);
	wire_fini(&w);
}
END_TEST

/* Without scaling the window ends at 64 KiB, however large the buffer: no update for each read. */
START_TEST(reads_beyond_the_largest_window_are_quiet)
{
	int bytes = 200000;
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	ck_assert_int_eq(
		stack_setopt(w.e.st, w.sk, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes), w.e.now),
		0);
	in(&w, A, 1, 1, 1000);
	run(&w);
	out_is(&w, A, 1, 1001, 0);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(get(&w, 100), 100);
	out_none(&w);
	wire_fini(&w);
}
END_TEST

/* A clock of milliseconds says nothing finer: an answer within one took up to one. */
START_TEST(echoed_timestamp_is_no_finer_than_its_clock)
{
	uint8_t opts[20] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 100, 0, 0, 0, 0, 1, 3, 3, 0};
	struct seg s = {.flags = S, .wnd = 65535, .opts = opts, .opts_len = 20}, o;
	uint8_t ts[12] = {1, 1, 8, 10, 0, 0, 0, 101};
	uint32_t be;
	struct wire w;

	wire_init(&w, NULL);
	listen_on(&w, NULL, 8);
	in_seg(&w, &s);
	o = out(&w);
	w.e.now += 5 * MS;
	s = (struct seg){.flags = A, .seq = 1, .ack = 1, .wnd = 65535, .opts = ts, .opts_len = 12};
	be = be32(o.opt.tsval);
	memcpy(ts + 8, &be, 4);
	in_seg(&w, &s);
	ck_assert_int_eq(stack_accept(w.e.st, w.l, &w.sk, w.e.now), 0);
	put(&w, 100);
	out(&w);
	pass(&w, SEC);
	o = out(&w);
	while (txq_used(stack_txq(w.e.st)))
		o = out(&w);
	be = be32((uint32_t)(w.e.now / MS) + tcp_conn_of(w.sk)->ts_off);
	memcpy(ts + 8, &be, 4);
	s.ack = 101;
	in_seg(&w, &s);
	ck_assert_uint_eq(o.len, 100);
	ck_assert_uint_eq(tcp_conn_of(w.sk)->rtt.min_ns, MS);
	wire_fini(&w);
}
END_TEST

/* Both directions shut, by shutdown(): what comes now nobody can read. */
START_TEST(data_after_shutdown_of_both_resets)
{
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	ck_assert_int_eq(stack_shutdown(w.e.st, w.sk, SHUT_RDWR, w.e.now), 0);
	out_is(&w, F | A, 1, 1, 0);
	ck_assert_int_eq(in(&w, A, 1, 2, 10), STAT_drop_tcp_no_data);
	out_is(&w, R | A, 2, 1, 0);
	ck_assert_str_eq(state(&w), "UNCONN");
	wire_fini(&w);
}
END_TEST

START_TEST(info_counts_beyond_four_gigabytes)
{
	struct tcp_info ti;
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	tcp_conn_of(w.sk)->sent.delivered = 8ull << 30;
	tcp_conn_of(w.sk)->sent.delivered_segs = 6000000;
	stack_tcp_info(w.e.st, w.sk, &ti, w.e.now);
	ck_assert_uint_eq(ti.tcpi_delivered, 6000000); /* segments, whatever their size */
	wire_fini(&w);
}
END_TEST

/* A peer that takes its window back while data is on the way, drops it, and opens again: the data
 * goes again soon, not when a timer that has backed off for minutes comes to it. */
START_TEST(window_taken_back_does_not_slow_the_timer)
{
	struct seg ack = {.flags = A, .seq = 1, .ack = 1, .wnd = 0};
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	put(&w, 100);
	out_is(&w, A, 1, 1, 100);
	in_seg(&w, &ack);
	answer_probes(&w, 100 * SEC);
	ack.wnd = 1000;
	in_seg(&w, &ack);
	pass(&w, 2 * SEC);
	out_is(&w, A, 1, 1, 100);
	wire_fini(&w);
}
END_TEST

/* One that is silent then is gone in the end. */
START_TEST(window_taken_back_and_silence_time_out)
{
	struct seg ack = {.flags = A, .seq = 1, .ack = 1, .wnd = 0};
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	put(&w, 100);
	in_seg(&w, &ack);
	for (unsigned i = 0; i < 400 && strcmp(state(&w), "UNCONN") != 0; i++) {
		pass(&w, SEC);
		while (txq_used(stack_txq(w.e.st)))
			out(&w);
	}
	ck_assert_int_eq(get(&w, 1), -ETIMEDOUT);
	wire_fini(&w);
}
END_TEST

/* Nearly empty packets, out of order, cannot hold the devices' frames. */
START_TEST(tiny_segments_out_of_order_hold_few_frames)
{
	struct wire w;
	uint32_t before, i;

	wire_init(&w, NULL);
	establish(&w, NULL);
	before = stack_frames(w.e.st)->nfree;
	for (i = 0; i < 1000; i++) {
		in(&w, A, 1001 + i, 1, 1);
		run(&w);
		while (txq_used(stack_txq(w.e.st)))
			out(&w);
	}
	ck_assert_uint_ge(stack_frames(w.e.st)->nfree + RCVBUF_FRAMES_MAX, before);
	wire_fini(&w);
}
END_TEST

/* What readers leave lying does not take the last send memory. */
START_TEST(slow_readers_leave_blocks_to_senders)
{
	struct frame_pool *fp;
	uint32_t held[2048], n = 0;
	struct stack_cfg cfg;
	struct wire w;

	env_cfg(&cfg);
	cfg.max_blks = 8;
	wire_init(&w, &cfg);
	establish(&w, NULL);
	fp = stack_frames(w.e.st);
	while (fp->nfree > fp->count / 8)
		held[n++] = frame_get(fp);
	for (uint32_t i = 0; i < 40; i++) {
		in(&w, A, 1 + i * 1400, 1, 1400);
		run(&w);
		while (txq_used(stack_txq(w.e.st)))
			out(&w);
	}
	ck_assert_uint_le(w.e.st->blks.out, 6);
	ck_assert_int_eq(put(&w, 5000), 5000);
	while (n > 0)
		frame_put(fp, held[--n]);
	wire_fini(&w);
}
END_TEST

/* A second connection, of the next port. */
static struct sock *another(struct wire *w)
{
	struct sock *sk, *first = w->sk;

	w->peer.port++;
	in(w, S, 0, 0, 0);
	out_is(w, S | A, 0, 1, 0);
	in(w, A, 1, 1, 0);
	ck_assert_int_eq(stack_accept(w->e.st, w->l, &sk, w->e.now), 0);
	stack_sock_user(w->e.st, sk, &w->user);
	w->sk = first;
	return sk;
}

static void quiet(struct wire *w)
{
	run(w);
	while (txq_used(stack_txq(w->e.st)))
		out(w);
}

/* Who holds what nobody can use for long gives way when frames are scarce. */
START_TEST(stale_data_out_of_order_gives_way)
{
	uint32_t held[2048], n = 0, first;
	struct frame_pool *fp;
	struct wire w;
	struct sock *sk;

	wire_init(&w, NULL);
	establish(&w, NULL);
	first = w.iss;
	fp = stack_frames(w.e.st);
	for (uint32_t i = 0; i < 20; i++) {
		in(&w, A, 3001 + i * 2000, 1, 1400);
		quiet(&w);
	}
	ck_assert_uint_eq(tcp_conn_of(w.sk)->reass.n, 20);
	sk = another(&w);
	while (!frames_scarce(fp))
		held[n++] = frame_get(fp);
	ck_assert_int_eq(in(&w, A, 3001, 1, 1400), STAT_drop_tcp_reass_full);
	quiet(&w);
	pass(&w, 10 * SEC);
	in(&w, A, 3001, 1, 1400);
	ck_assert_uint_eq(tcp_conn_of(w.sk)->reass.n, 20); /* it may still be repaired */
	quiet(&w);
	pass(&w, 6 * SEC);
	ck_assert_int_eq(in(&w, A, 3001, 1, 1400), STAT_rx_packets);
	ck_assert_uint_eq(tcp_conn_of(w.sk)->reass.n, 0);
	ck_assert_uint_eq(tcp_conn_of(sk)->reass.n, 1);
	ck_assert_uint_eq(stack_stats(w.e.st)[STAT_tcp_reass_pruned], 1);
	quiet(&w);
	while (n > 0)
		frame_put(fp, held[--n]);
	stack_abort(w.e.st, sk, w.e.now);
	quiet(&w);
	w.peer.port--;
	w.iss = first;
	/* the pruned one goes on: all of it comes again */
	for (uint32_t i = 0; i < 20; i++) {
		in(&w, A, 1 + i * 1000, 1, 1000);
		quiet(&w);
		ck_assert_int_eq(get(&w, 2000), 1000);
	}
	wire_fini(&w);
}
END_TEST

/* As frames get few, two segments share one, in whatever order they come. */
START_TEST(segments_out_of_order_share_frames)
{
	static const uint32_t order[] = {0, 1, 2, 3, 9, 8, 7, 6, 4, 5};
	uint32_t held[2048], n = 0, before;
	struct frame_pool *fp;
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	fp = stack_frames(w.e.st);
	while (fp->nfree >= fp->count / FRAMES_JOIN_DIV)
		held[n++] = frame_get(fp);
	before = fp->nfree;
	for (uint32_t i = 0; i < ARRAY_SIZE(order); i++) {
		ck_assert_int_eq(in(&w, A, 1001 + 1000 * order[i], 1, 1000), STAT_rx_packets);
		quiet(&w);
	}
	ck_assert_uint_eq(tcp_conn_of(w.sk)->reass.n, 1);
	ck_assert_uint_ge(fp->nfree + 4, before);
	ck_assert_uint_eq(tcp_conn_of(w.sk)->reass.frames, before - fp->nfree);
	in(&w, A, 1, 1, 1000);
	quiet(&w);
	ck_assert_int_eq(get(&w, 20000), 11000);
	while (n > 0)
		frame_put(fp, held[--n]);
	wire_fini(&w);
}
END_TEST

static void unreachable(struct wire *w)
{
	struct dst_info info = {.state = DST_UNREACHABLE, .err = EHOSTUNREACH};

	stack_dst_set(w->e.st, &w->e.peer, &info, w->e.now);
}

/* A host that was down a moment ago is asked for again: a failure is not for ever. */
START_TEST(connect_asks_again_after_a_failure)
{
	struct ip_addr asked;
	struct sock_opts o;
	struct wire w;

	wire_init(&w, NULL);
	sock_opts_default(&o);
	unreachable(&w);
	ck_assert_int_eq(stack_connect(w.e.st, &w.me, &w.peer, &o, &w.sk, w.e.now), -EHOSTUNREACH);
	ck_assert_int_eq(stack_connect(w.e.st, &w.me, &w.peer, &o, &w.sk, w.e.now), -EHOSTUNREACH);
	w.sk = NULL;
	w.e.now += 2 * SEC;
	ck_assert_int_eq(stack_connect(w.e.st, &w.me, &w.peer, &o, &w.sk, w.e.now), 0);
	ck_assert(stack_dst_request(w.e.st, &asked));
	env_dst_ok(&w.e, w.e.peer);
	run(&w);
	out_is(&w, S, 0, 0, 0);
	wire_fini(&w);
}
END_TEST

/* After a change of routes at once. */
START_TEST(connect_asks_again_after_a_change_of_routes)
{
	struct sock_opts o;
	struct sock *sk;
	struct wire w;

	wire_init(&w, NULL);
	sock_opts_default(&o);
	establish(&w, NULL); /* holds the destination */
	unreachable(&w);
	stack_dst_flush(w.e.st);
	w.me.port = 5000;
	ck_assert_int_eq(stack_connect(w.e.st, &w.me, &w.peer, &o, &sk, w.e.now), 0);
	env_dst_ok(&w.e, w.e.peer);
	run(&w);
	out_is(&w, S, 0, 0, 0);
	stack_abort(w.e.st, sk, w.e.now);
	wire_fini(&w);
}
END_TEST

/* A SYN that nobody would take is no reason to forget the connection that was. */
START_TEST(time_wait_outlives_a_syn_to_nobody)
{
	struct wire w;

	wire_init(&w, NULL);
	connect_syn(&w, NULL);
	in(&w, S | A, 0, 1, 0);
	out_is(&w, A, 1, 1, 0);
	stack_close(w.e.st, w.sk, w.e.now);
	w.sk = NULL;
	out_is(&w, F | A, 1, 1, 0);
	in(&w, F | A, 1, 2, 0);
	out_is(&w, A, 2, 2, 0);
	ck_assert_int_eq(in(&w, S, 5000, 0, 0), STAT_drop_tcp_time_wait);
	out_is(&w, A, 2, 2, 0);
	ck_assert_uint_eq(w.e.st->tcp->tws.out, 1);
	wire_fini(&w);
}
END_TEST

static Suite *make(void)
{
	Suite *s = suite_create("tcp_hard");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, fin_sent_again_is_acknowledged_again, 0, 2);
	tcase_add_test(tc, fin_sent_again_is_acknowledged_in_closing);
	tcase_add_test(tc, rst_at_the_fin_counts);
	tcase_add_test(tc, acks_go_on_after_the_way_was_gone);
	tcase_add_test(tc, acks_go_on_after_the_neighbour_failed);
	tcase_add_test(tc, orphan_does_not_wait_for_a_window_for_ever);
	tcase_add_test(tc, open_window_ends_the_backoff_of_probes);
	tcase_add_test(tc, frag_needed_counts_for_every_connection);
	tcase_add_test(tc, super_segments_follow_the_path_mtu);
	tcase_add_test(tc, syn_flood_pushes_out_at_random);
	tcase_add_test(tc, reads_beyond_the_largest_window_are_quiet);
	tcase_add_test(tc, echoed_timestamp_is_no_finer_than_its_clock);
	tcase_add_test(tc, data_after_shutdown_of_both_resets);
	tcase_add_test(tc, info_counts_beyond_four_gigabytes);
	tcase_add_test(tc, window_taken_back_does_not_slow_the_timer);
	tcase_add_test(tc, window_taken_back_and_silence_time_out);
	tcase_add_test(tc, tiny_segments_out_of_order_hold_few_frames);
	tcase_add_test(tc, slow_readers_leave_blocks_to_senders);
	tcase_add_test(tc, stale_data_out_of_order_gives_way);
	tcase_add_test(tc, segments_out_of_order_share_frames);
	tcase_add_test(tc, connect_asks_again_after_a_failure);
	tcase_add_test(tc, connect_asks_again_after_a_change_of_routes);
	tcase_add_test(tc, time_wait_outlives_a_syn_to_nobody);
	tcase_add_test(tc, flow_label_changes_with_a_timeout);
	tcase_add_test(tc, holes_leave_frames_to_others_and_to_fill_rings);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_both_families(make);
}
