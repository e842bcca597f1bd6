/* SPDX-License-Identifier: BSD-2-Clause */
/* What a connection's error queue holds: bounds, and what must never be lost. */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <sys/socket.h>

#include "wire.h"

#define A TH_ACK

#define STAMPS (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE)

static void set_int(struct wire *w, int name, int v)
{
	ck_assert_int_eq(stack_setopt(w->e.st, w->sk, SOL_SOCKET, name, &v, sizeof(v), w->e.now),
			 0);
}

/* len bytes with a stamp; they are sent, and acknowledged. */
static void put_stamped(struct wire *w, uint32_t len)
{
	struct iovec v = {calloc(1, len), len};
	struct seg s;

	ck_assert_int_eq(stack_send(w->e.st, w->sk, &v, 1, SEND_STAMP, w->e.now), len);
	free(v.iov_base);
	run(w);
	while (txq_used(stack_txq(w->e.st))) {
		s = out(w);
		in(w, A, 1, s.seq + s.len, 0);
	}
}

START_TEST(zerocopy_is_told_whatever_else_is_in_the_queue)
{
	struct sock_err e;
	struct wire w;
	uint32_t n = 0;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, SO_RCVBUF, 4000);
	set_int(&w, SO_ZEROCOPY, 1);
	set_int(&w, SO_TIMESTAMPING, STAMPS | SOF_TIMESTAMPING_OPT_TSONLY);
	do
		put_stamped(&w, 100);
	while (n++ < 20);
	ck_assert_uint_gt(w.sk->err_bytes, 4000);
	stack_zerocopy(w.e.st, w.sk, 1000);
	stack_zerocopy(w.e.st, w.sk, 1000);
	while (stack_err_peek(w.sk)) {
		stack_err_take(w.e.st, w.sk, NULL, 0, &e);
		if (e.origin == SOCK_ERR_ZEROCOPY)
			break;
	}
	ck_assert_int_eq(e.origin, SOCK_ERR_ZEROCOPY);
	ck_assert_uint_eq(e.info, 0);
	ck_assert_uint_eq(e.data, 1);
	ck_assert(!stack_err_peek(w.sk));
	wire_fini(&w);
}
END_TEST

/* No entry to be had at all: they are told of when one is. */
START_TEST(zerocopy_is_told_when_there_is_memory_again)
{
	struct sock_err e;
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, SO_ZEROCOPY, 1);
	ck_assert_uint_eq(w.e.st->errs.out, 0);
	w.e.st->errs.out = w.e.st->errs.limit; /* as if others had them all */
	stack_zerocopy(w.e.st, w.sk, 1000);
	stack_zerocopy(w.e.st, w.sk, 1000);
	ck_assert(!stack_err_peek(w.sk));
	w.e.st->errs.out = 0;
	put_stamped(&w, 100);
	ck_assert(stack_err_peek(w.sk));
	stack_err_take(w.e.st, w.sk, NULL, 0, &e);
	ck_assert_uint_eq(e.info, 0);
	ck_assert_uint_eq(e.data, 1);
	wire_fini(&w);
}
END_TEST

START_TEST(data_of_entries_counts_before_they_are_queued)
{
	uint32_t len = sizeof(int);
	int room = 0;
	struct wire w;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, SO_RCVBUF, 8000);
	ck_assert_int_eq(stack_getopt(w.e.st, w.sk, SOL_SOCKET, SO_RCVBUF, &room, &len, w.e.now),
			 0);
	set_int(&w, SO_TIMESTAMPING, STAMPS);
	for (unsigned i = 0; i < 40; i++) {
		put_stamped(&w, 536);
		ck_assert_int_lt((int)w.sk->err_bytes, room);
	}
	ck_assert_int_gt((int)w.sk->err_bytes, room - 768 - 536 - 200);
	wire_fini(&w);
}
END_TEST

/* As Linux: 300000 bytes that wait for cwnd lie in five buffers or six. */
START_TEST(writes_that_wait_are_told_of_by_the_buffer)
{
	struct iovec v = {calloc(1, 10000), 10000};
	struct sock_err e = {.data = 0};
	struct wire w;
	uint32_t n = 0, was = 0;

	wire_init(&w, NULL);
	establish(&w, NULL);
	set_int(&w, SO_SNDBUF, 1000000);
	while (put(&w, 10000) > 0 && !tcp_conn_of(w.sk)->out_limited)
		;
	pass(&w, 0);
	while (txq_used(stack_txq(w.e.st)))
		out(&w);
	set_int(&w, SO_TIMESTAMPING,
		SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_OPT_TSONLY |
			SOF_TIMESTAMPING_OPT_ID | 1 << 16);
	ck_assert(seq_eq(tcp_conn_of(w.sk)->stamps.key0, sndbuf_end(&tcp_conn_of(w.sk)->snd)));
	for (unsigned i = 0; i < 30; i++)
		ck_assert_int_eq(
			stack_send(w.e.st, w.sk, &v, 1, SEND_STAMP | SEND_STAMP_CUT, w.e.now),
			10000);
	free(v.iov_base);
	for (unsigned i = 0; i < 200; i++) {
		in(&w, A, 1, (uint32_t)seq_diff(tcp_conn_of(w.sk)->sent.nxt, seq_of(w.iss)), 0);
		run(&w);
		while (txq_used(stack_txq(w.e.st)))
			out(&w);
	}
	for (; stack_err_peek(w.sk); n++, was = e.data) {
		stack_err_take(w.e.st, w.sk, NULL, 0, &e);
		ck_assert_uint_lt(e.data - was, 65536 + 10000);
	}
	ck_assert_uint_eq(e.data, 299999);
	ck_assert_uint_ge(n, 5);
	ck_assert_uint_le(n, 6);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire_errors");
	TCase *tc = tcase_create("errors");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, zerocopy_is_told_whatever_else_is_in_the_queue);
	tcase_add_test(tc, zerocopy_is_told_when_there_is_memory_again);
	tcase_add_test(tc, data_of_entries_counts_before_they_are_queued);
	tcase_add_test(tc, writes_that_wait_are_told_of_by_the_buffer);
	return run_suite(s);
}
