/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole connections between two stacks: handshake, data, loss, close. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tcp_pair.h"

void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

#define SEC 1000000000ull

static void cfg_small(struct stack_cfg *cfg)
{
	stack_cfg_default(cfg);
	cfg->frames = 8192;
	cfg->max_conns = 1024;
	cfg->max_blks = 16384;
}

static uint8_t byte_at(uint64_t pos, unsigned dir)
{
	return (uint8_t)(pos * 131 + (pos >> 8) * 7 + dir);
}

struct flow {
	struct sock *from, *to;
	unsigned i; /* stack that sends */
	uint64_t sent, got, total;
	bool shut, eof;
};

static bool flow_send(struct pair *p, struct flow *f)
{
	static uint8_t buf[65536];
	bool any = false;

	while (f->sent < f->total) {
		size_t n = f->total - f->sent < sizeof(buf) ? f->total - f->sent : sizeof(buf);
		struct iovec v = {buf, n};
		ssize_t r;

		for (size_t k = 0; k < n; k++)
			buf[k] = byte_at(f->sent + k, f->i);
		r = stack_send(p->st[f->i], f->from, &v, 1, 0, p->now);
		if (r == -EAGAIN)
			return any;
		ck_assert_int_gt(r, 0);
		f->sent += (uint64_t)r;
		any = true;
	}
	if (!f->shut) {
		ck_assert_int_eq(stack_shutdown(p->st[f->i], f->from, SHUT_WR, p->now), 0);
		f->shut = any = true;
	}
	return any;
}

static bool flow_recv(struct pair *p, struct flow *f)
{
	static uint8_t buf[65536];
	struct iovec v = {buf, sizeof(buf)};
	unsigned wrong = 0;
	bool any = false;

	while (!f->eof) {
		ssize_t r = stack_recv(p->st[!f->i], f->to, &v, 1, 0, p->now);

		if (r == -EAGAIN)
			return any;
		ck_assert_int_ge(r, 0);
		any = true;
		f->eof = r == 0;
		for (ssize_t k = 0; k < r; k++)
			wrong += buf[k] != byte_at(f->got + (uint64_t)k, f->i);
		ck_assert_uint_eq(wrong, 0);
		f->got += (uint64_t)r;
	}
	return any;
}

/* Transfers total bytes each way, closes, waits TIME-WAIT out; returns the time the data took. */
static uint64_t transfer(struct pair *p, uint64_t total0, uint64_t total1)
{
	struct sock *c, *s;
	struct flow f[2] = {{.i = 0, .total = total0}, {.i = 1, .total = total1}};
	uint64_t start, took;

	pair_connect(p, 80, NULL, &c, &s, NULL);
	f[0].from = f[1].to = c;
	f[1].from = f[0].to = s;
	start = p->now;
	while (!f[0].eof || !f[1].eof) {
		bool any = pair_step(p);

		for (unsigned i = 0; i < 2; i++) {
			any |= flow_send(p, &f[i]);
			any |= flow_recv(p, &f[i]);
		}
		if (!any) {
			uint64_t at = pair_next(p);

			ck_assert_uint_ne(at, UINT64_MAX);
			ck_assert_uint_lt(p->now - start, 4000 * SEC);
			if (at > p->now)
				p->now = at;
		}
	}
	took = p->now - start;
	ck_assert_uint_eq(f[0].got, total0);
	ck_assert_uint_eq(f[1].got, total1);
	stack_close(p->st[0], c, p->now);
	stack_close(p->st[1], s, p->now);
	pair_run(p, p->now + 400 * SEC);
	return took;
}

static const struct {
	uint32_t gso;
	bool csum;
	uint64_t loss_ppm;
	uint64_t up, down;
} cases[] = {
	{0, false, 0, 1, 1},
	{0, false, 0, 1000000, 0},
	{0, true, 0, 1000000, 1000000},
	{65536, true, 0, 10000000, 100},
	{65536, true, 10000, 3000000, 3000000},
	{0, false, 10000, 1000000, 1000000},
	{0, false, 50000, 1000000, 1000},
	{0, false, 200000, 50000, 50000},
};

START_TEST(every_byte_arrives_once_in_order)
{
	struct stack_cfg cfg;
	struct pair p;
	uint64_t took;

	cfg_small(&cfg);
	pair_init(&p, &cfg, cases[_i].gso, cases[_i].csum);
	p.loss_ppm = cases[_i].loss_ppm;
	p.seed = (uint64_t)_i + 7;
	took = transfer(&p, cases[_i].up, cases[_i].down);
	printf("case %d: %lu ms, %u packets, %u lost\n", _i, (unsigned long)(took / 1000000),
	       p.npackets, p.nlost);
	pair_fini(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tcp_pair");
	TCase *tc = tcase_create("transfer");
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, every_byte_arrives_once_in_order, 0, ARRAY_SIZE(cases));
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
