/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One bulk connection over paths of a given rate, delay and loss, in virtual time: that BBR holds
 * what loss takes from CUBIC, that SO_MAX_PACING_RATE is kept, and what TCP_INFO says of it.
 */
#include <check.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "stack/tcp/cc.h"
#include "tcp_pair.h"

#ifndef TCP_CC_INFO
#define TCP_CC_INFO 26
#endif

void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

#define MS 1000000ull
#define SEC 1000000000ull
#define MBIT 1000000ull

static struct pair p;
static struct sock *cli, *srv;
static uint32_t gso_max_bytes;

static void path(uint64_t rate_bps, uint64_t rtt_ns, uint64_t loss_ppm, enum cc_algo algo,
		 uint64_t seed)
{
	struct stack_cfg cfg;

	stack_cfg_default(&cfg);
	cfg.frames = 65536;
	cfg.max_conns = 64;
	cfg.max_blks = 65536;
	cfg.tcp_rmem[2] = cfg.tcp_wmem[2] = 64u << 20;
	cfg.cc = algo;
	pair_init(&p, &cfg, gso_max_bytes, true);
	p.delay_ns = rtt_ns / 2;
	pair_connect(&p, 80, NULL, &cli, &srv, NULL);
	p.rate_bps = rate_bps;
	p.queue_ns = rtt_ns;
	p.loss_ppm = loss_ppm;
	p.seed = seed;
}

/* Sends and reads as fast as it goes until then; the bytes read. */
static uint64_t bulk(uint64_t until_ns)
{
	static uint8_t buf[262144];
	struct iovec v = {buf, sizeof(buf)};
	uint64_t got = 0;

	while (p.now < until_ns) {
		bool any = pair_step(&p);
		ssize_t r;

		while ((r = stack_send(p.st[0], cli, &v, 1, 0, p.now)) > 0)
			any = true;
		ck_assert_int_eq(r, -EAGAIN);
		while ((r = stack_recv(p.st[1], srv, &v, 1, RECV_TRUNC, p.now)) > 0) {
			got += (uint64_t)r;
			any = true;
		}
		ck_assert_int_eq(r, -EAGAIN);
		if (!any) {
			uint64_t at = pair_next(&p);

			ck_assert_uint_ne(at, UINT64_MAX);
			if (at > p.now)
				p.now = at;
		}
	}
	return got;
}

static void info(struct tcp_info *ti)
{
	uint32_t len = sizeof(*ti);

	ck_assert_int_eq(stack_getopt(p.st[0], cli, IPPROTO_TCP, TCP_INFO, ti, &len, p.now), 0);
}

static void over(void)
{
	stack_abort(p.st[0], cli, p.now);
	stack_abort(p.st[1], srv, p.now);
	p.loss_ppm = 0;
	pair_run(&p, p.now + 10 * SEC);
	pair_fini(&p);
}

/* Mbit/s over `seconds`, headers not counted. */
static double mbits(uint64_t rate_bps, uint64_t rtt_ns, uint64_t loss_ppm, enum cc_algo algo,
		    uint64_t seed, unsigned seconds)
{
	uint64_t got;

	path(rate_bps, rtt_ns, loss_ppm, algo, seed);
	got = bulk(p.now + seconds * SEC);
	over();
	return (double)got * 8 / 1e6 / seconds;
}

START_TEST(bbr_holds_a_path_that_loses_one_in_a_hundred)
{
	const uint64_t seed = 20261122;
	double bbr = mbits(1000 * MBIT, 40 * MS, 10000, CC_BBR, seed, 5);
	double cubic = mbits(1000 * MBIT, 40 * MS, 10000, CC_CUBIC, seed, 5);

	printf("1 Gbit/s, 40 ms, 1 %% loss, seed %llu: bbr %.0f Mbit/s, cubic %.0f\n",
	       (unsigned long long)seed, bbr, cubic);
	ck_assert(bbr >= 800);
	ck_assert(cubic < 100);
}
END_TEST

START_TEST(each_fills_a_clean_path)
{
	double got = mbits(100 * MBIT, 20 * MS, 0, (enum cc_algo)_i, 1, 10);

	printf("100 Mbit/s, 20 ms: %s %.1f Mbit/s\n", cc_name((enum cc_algo)_i), got);
	ck_assert(got >= 85);
}
END_TEST

START_TEST(bbr_keeps_the_queue_short)
{
	struct tcp_info ti;
	uint32_t words[5], len = sizeof(words);

	path(100 * MBIT, 20 * MS, 0, CC_BBR, 1);
	bulk(p.now + 8 * SEC);
	info(&ti);
	printf("bbr: rtt %u us, min %u, rate %llu, paced %llu\n", ti.tcpi_rtt, ti.tcpi_min_rtt,
	       (unsigned long long)ti.tcpi_delivery_rate, (unsigned long long)ti.tcpi_pacing_rate);
	ck_assert_uint_lt(ti.tcpi_rtt, 35000);
	ck_assert_int_eq(stack_getopt(p.st[0], cli, IPPROTO_TCP, TCP_CC_INFO, words, &len, p.now),
			 0);
	ck_assert_uint_eq(len, sizeof(words));
	ck_assert_uint_ge(words[0], 11000000);
	ck_assert_uint_le(words[0], 13000000);
	ck_assert_uint_le(words[2], 21000);
	over();
}
END_TEST

START_TEST(max_pacing_rate_is_kept)
{
	uint32_t rate = 1250000, len = sizeof(rate);
	struct tcp_info ti;
	uint64_t got, r64;

	path(1000 * MBIT, 20 * MS, 0, (enum cc_algo)_i, 1);
	ck_assert_int_eq(stack_setopt(p.st[0], cli, SOL_SOCKET, SO_MAX_PACING_RATE, &rate,
				      sizeof(rate), p.now),
			 0);
	got = bulk(p.now + 10 * SEC) / 10;
	ck_assert_msg(got > rate * 95 / 100 && got <= rate * 101 / 100, "%llu",
		      (unsigned long long)got);
	info(&ti);
	ck_assert_uint_eq(ti.tcpi_max_pacing_rate, rate);
	ck_assert_uint_le(ti.tcpi_pacing_rate, rate);
	ck_assert_uint_ge(ti.tcpi_delivery_rate, rate * 9ull / 10);
	ck_assert_uint_le(ti.tcpi_delivery_rate, rate * 11ull / 10);
	ck_assert_uint_ge(ti.tcpi_busy_time, 9900000);
	rate = 0;
	ck_assert_int_eq(
		stack_getopt(p.st[0], cli, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len, p.now), 0);
	ck_assert_uint_eq(rate, 1250000);
	r64 = UINT64_MAX;
	ck_assert_int_eq(stack_setopt(p.st[0], cli, SOL_SOCKET, SO_MAX_PACING_RATE, &r64,
				      sizeof(r64), p.now),
			 0);
	len = sizeof(r64);
	r64 = 0;
	ck_assert_int_eq(
		stack_getopt(p.st[0], cli, SOL_SOCKET, SO_MAX_PACING_RATE, &r64, &len, p.now), 0);
	ck_assert_uint_eq(len, sizeof(r64));
	ck_assert(r64 == UINT64_MAX);
	ck_assert_int_eq(
		stack_setopt(p.st[0], cli, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, 2, p.now),
		-EINVAL);
	ck_assert_uint_gt(bulk(p.now + 2 * SEC) / 2, 5000000);
	over();
}
END_TEST

/*
 * Both ends on one stack: what is sent is acknowledged within a turn, so by a clock that stands
 * still; but at first nobody takes a turn for 10 ms now and then. The reader takes 16 KB at a time.
 */
START_TEST(a_slow_reader_on_the_same_stack_is_fed_at_its_pace)
{
	static uint8_t buf[262144];
	struct iovec v = {buf, sizeof(buf)}, some = {buf, 16384};
	uint64_t got = 0;

	gso_max_bytes = 65536;
	path(0, 0, 0, (enum cc_algo)_i, 1);
	for (unsigned ms = 0; ms < 1000; ms++) {
		ssize_t r;

		p.delay_ns = ms % 8 || ms >= 500 ? 0 : 5 * MS;
		while (stack_send(p.st[0], cli, &v, 1, 0, p.now) > 0)
			;
		pair_run(&p, p.now + MS + 2 * p.delay_ns);
		r = stack_recv(p.st[1], srv, &some, 1, RECV_TRUNC, p.now);
		got += r > 0 ? (uint64_t)r : 0;
	}
	printf("reads of 16 KB: %s %.1f KB\n", cc_name((enum cc_algo)_i), (double)got / 1024e3);
	ck_assert_uint_ge(got, 1000 * 16384 / 100 * 95);
	over();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("paths");
	TCase *t = tcase_create("paths");
	SRunner *sr;
	int failed;

	setvbuf(stdout, NULL, _IONBF, 0);
	tcase_add_test(t, bbr_holds_a_path_that_loses_one_in_a_hundred);
	tcase_add_loop_test(t, each_fills_a_clean_path, 0, CC_ALGOS);
	tcase_add_test(t, bbr_keeps_the_queue_short);
	tcase_add_loop_test(t, max_pacing_rate_is_kept, 0, CC_ALGOS);
	tcase_add_loop_test(t, a_slow_reader_on_the_same_stack_is_fed_at_its_pace, 0, CC_ALGOS);
	tcase_set_timeout(t, 90);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
