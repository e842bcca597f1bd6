/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP: who gets a datagram, how much is kept, how it is sent, what is told by ICMP. */
#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct env e;
static struct sock_opts o;
static uint8_t b[8192], out[8192];
static char buf[70000];

static void setup(void)
{
	env_init(&e, NULL);
	sock_opts_default(&o);
}

static void teardown(void)
{
	env_fini(&e);
}

static struct sock *udp_open(struct ip_addr a, uint16_t port)
{
	struct endpoint l = ep(a, port);
	struct sock *sk;

	ck_assert_int_eq(stack_udp_open(e.st, &l, &o, &sk), 0);
	return sk;
}

static enum stat_id deliver(uint16_t from, uint16_t to, const char *text)
{
	return env_rx(&e, ENV_DEV, b,
		      pkt_udp(b, ep(e.peer, from), ep(e.me, to), text, strlen(text)));
}

static ssize_t recv_one(struct sock *sk, size_t max, unsigned flags, struct udp_meta *m)
{
	struct iovec v = {buf, max};

	return stack_udp_recv(e.st, sk, &v, 1, flags, m, e.now);
}

static ssize_t send_one(struct sock *sk, const struct endpoint *to, const void *p, size_t len)
{
	struct iovec v = {(void *)(uintptr_t)p, len};

	return stack_udp_send(e.st, sk, &v, 1, &(struct udp_out){.to = to}, e.now);
}

static void connect_to(struct sock *sk, struct ip_addr a, uint16_t port)
{
	struct endpoint r = ep(a, port), l = sk->local;

	ck_assert_int_eq(stack_udp_connect(e.st, sk, &l, &r), 0);
}

START_TEST(exact_before_wildcard_connected_before_both)
{
	struct sock *any = udp_open(addr(0, 0, 0, 0), 53), *exact = udp_open(e.me, 53), *conn;

	ck_assert_int_eq(deliver(1, 53, "a"), STAT_rx_packets);
	ck_assert_uint_eq(stack_inq(exact), 1);
	conn = udp_open(e.me, 54);
	stack_udp_connect(e.st, conn, &exact->local, &(struct endpoint){e.peer, 7});
	ck_assert_int_eq(deliver(7, 53, "bb"), STAT_rx_packets);
	ck_assert_uint_eq(stack_inq(conn), 2);
	stack_close(e.st, exact, e.now);
	ck_assert_int_eq(deliver(8, 53, "ccc"), STAT_rx_packets);
	ck_assert_uint_eq(stack_inq(any), 3);
	ck_assert_int_eq(deliver(8, 54, "d"), STAT_drop_udp_no_socket);
	stack_udp_connect(e.st, conn, &(struct endpoint){e.me, 54}, NULL);
	ck_assert_int_eq(deliver(8, 54, "d"), STAT_rx_packets);
	stack_close(e.st, any, e.now);
	stack_close(e.st, conn, e.now);
}
END_TEST

START_TEST(connected_hears_its_peer_only)
{
	struct sock *sk = udp_open(e.me, 53);

	connect_to(sk, e.peer, 9);
	ck_assert_int_eq(deliver(8, 53, "x"), STAT_drop_udp_no_socket);
	ck_assert_int_eq(deliver(9, 53, "x"), STAT_rx_packets);
	ck_assert_str_eq(stack_state_name(sk), "ESTAB");
	ck_assert(stack_connected(sk));
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(same_address_needs_reuse)
{
	struct sock *a, *c, *two[2];
	struct endpoint l = ep(e.me, 53);
	unsigned i, got[2] = {0, 0};

	a = udp_open(e.me, 53);
	ck_assert_int_eq(stack_udp_open(e.st, &l, &o, &c), -EADDRINUSE);
	stack_close(e.st, a, e.now);
	o.reuseport = 1;
	two[0] = udp_open(e.me, 53);
	two[1] = udp_open(e.me, 53);
	for (i = 1; i <= 200; i++) {
		ck_assert_int_eq(deliver((uint16_t)i, 53, "x"), STAT_rx_packets);
		if (stack_inq(two[0])) {
			got[0]++;
			recv_one(two[0], 10, 0, NULL);
		} else {
			got[1]++;
			recv_one(two[1], 10, 0, NULL);
		}
	}
	ck_assert(got[0] > 50 && got[1] > 50);
	/* a flow stays where it is */
	deliver(77, 53, "x");
	i = stack_inq(two[0]) ? 0 : 1;
	deliver(77, 53, "x");
	recv_one(two[i], 10, 0, NULL);
	ck_assert_int_eq(recv_one(two[i], 10, 0, NULL), 1);
	stack_close(e.st, two[0], e.now);
	stack_close(e.st, two[1], e.now);
}
END_TEST

START_TEST(datagrams_keep_their_bounds_and_their_origin)
{
	struct sock *sk = udp_open(addr(0, 0, 0, 0), 53);
	struct udp_meta m;

	ck_assert_int_eq(recv_one(sk, 10, 0, &m), -EAGAIN);
	deliver(1000, 53, "first");
	deliver(1001, 53, "");
	deliver(1002, 53, "third");
	ck_assert_int_eq(recv_one(sk, 100, RECV_PEEK, &m), 5);
	ck_assert_int_eq(recv_one(sk, 3, 0, &m), 3);
	ck_assert(memcmp(buf, "fir", 3) == 0);
	ck_assert_uint_eq(m.full_len, 5);
	ck_assert_uint_eq(m.from.port, 1000);
	ck_assert(ip_addr_eq(&m.from.addr, &e.peer) && ip_addr_eq(&m.to, &e.me));
	ck_assert_uint_eq(m.ifindex, 100 + ENV_DEV);
	ck_assert_uint_eq(m.ttl, 64);
	ck_assert_int_eq(recv_one(sk, 100, 0, &m), 0);
	ck_assert_uint_eq(m.from.port, 1001);
	ck_assert_int_eq(recv_one(sk, 100, 0, &m), 5);
	ck_assert_uint_eq(sk->ready & RDY_IN, 0);
	ck_assert_int_eq(recv_one(sk, 100, 0, &m), -EAGAIN);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(scatters_over_the_pieces)
{
	struct sock *sk = udp_open(e.me, 53);
	char x[2], y[4];
	struct iovec v[3] = {{x, 2}, {NULL, 0}, {y, 4}};

	deliver(1, 53, "abcde");
	ck_assert_int_eq(stack_udp_recv(e.st, sk, v, 3, 0, NULL, e.now), 5);
	ck_assert(memcmp(x, "ab", 2) == 0 && memcmp(y, "cde", 3) == 0);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(receive_buffer_is_bounded)
{
	struct sock *sk;
	unsigned n = 0;

	o.rcvbuf = 10000;
	sk = udp_open(e.me, 53);
	while (deliver(1, 53, "0123456789") == STAT_rx_packets)
		ck_assert_uint_lt(n++, 1000);
	ck_assert_uint_eq(e.st->stats[STAT_drop_udp_rcvbuf], 1);
	ck_assert_uint_eq(n, (10000 + 265) / 266);
	recv_one(sk, 100, 0, NULL);
	ck_assert_int_eq(deliver(1, 53, "x"), STAT_rx_packets);
	stack_close(e.st, sk, e.now);
}
END_TEST

/* Random datagrams in and out against a list of their lengths, far beyond UDP_FRAMES_MAX. */
START_TEST(slow_reader_holds_few_frames_and_loses_nothing)
{
	enum { N = 2000 };
	static uint32_t len[N];
	static uint8_t data[1400];
	uint64_t seed = 9;
	uint32_t in = 0, got = 0, i;
	struct sock *sk;

	o.rcvbuf = 8 << 20;
	sk = udp_open(e.me, 53);
	while (got < N) {
		if (in < N && rnd_below(&seed, 100) < (in < N / 2 ? 80 : 20)) {
			len[in] = (uint32_t)rnd_below(&seed, sizeof(data));
			for (i = 0; i < len[in]; i++)
				data[i] = (uint8_t)(in + i * 7);
			must(env_rx_cut(&e, ENV_DEV, b,
					pkt_udp(b, ep(e.peer, 1), ep(e.me, 53), data, len[in]),
					500) == STAT_rx_packets);
			in++;
		} else if (got < in) {
			must(recv_one(sk, sizeof(buf), RECV_PEEK, NULL) == (ssize_t)len[got]);
			memset(buf, 0, 1400);
			must(recv_one(sk, sizeof(buf), 0, NULL) == (ssize_t)len[got]);
			for (i = 0; i < len[got]; i++)
				must((uint8_t)buf[i] == (uint8_t)(got + i * 7));
			got++;
		}
		must(e.st->frames.count - e.st->frames.nfree <= 64);
	}
	ck_assert_uint_gt(e.st->stats[STAT_udp_rx_copied], 500);
	ck_assert_uint_eq(e.st->blks.out, 0);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(closing_frees_what_was_not_read)
{
	struct sock *sk = udp_open(e.me, 53);
	unsigned i;

	for (i = 0; i < 300; i++)
		must(deliver(1, 53, "some text") == STAT_rx_packets);
	ck_assert_uint_gt(e.st->blks.out, 0);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(checksums_and_lengths_on_receive)
{
	struct sock *sk = udp_open(e.me, 53);
	size_t len = pkt_udp(b, ep(e.peer, 1), ep(e.me, 53), "abc", 3);

	b[43] ^= 1;
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_drop_udp_csum);
	b[40] = b[41] = 0; /* none given */
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_rx_packets);
	b[39] = 7;
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_drop_udp_short);
	b[39] = 12;
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_drop_udp_short);
	b[39] = 10; /* shorter than the packet: the rest is not ours */
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_rx_packets);
	recv_one(sk, 10, 0, NULL);
	ck_assert_int_eq(recv_one(sk, 10, 0, NULL), 2);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(pseudo_header_sum_passes_where_it_can_only_be_local)
{
	struct sock *sk = udp_open(e.me, 53);
	size_t len = pkt_udp(b, ep(e.peer, 1), ep(e.me, 53), "abc", 3);
	uint16_t s = naive_sum(b + 26, 8, 17 + 11);

	b[40] = (uint8_t)(s >> 8);
	b[41] = (uint8_t)s;
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_drop_udp_csum);
	env_dev(&e, ENV_DEV, false, true, 0);
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_rx_packets);
	b[41] ^= 1;
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_drop_udp_csum);
	ck_assert_int_eq(deliver(1, 53, "complete"), STAT_rx_packets);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(sends_what_it_says)
{
	struct sock *sk = udp_open(e.me, 53), *any = udp_open(addr(0, 0, 0, 0), 54);
	struct endpoint to = ep(e.peer, 0x1234), none = ep(e.peer, 0);
	struct iovec v[3] = {{"abc", 3}, {"", 0}, {"defgh", 5}};
	size_t len;

	ck_assert_int_eq(stack_udp_send(e.st, sk, v, 3, &(struct udp_out){.to = &to}, e.now), 8);
	len = env_tx(&e, out, sizeof(out), NULL);
	ck_assert_uint_eq(len, 42 + 8);
	pkt_check_sums(out, len);
	ck_assert(memcmp(out + 34, "\x00\x35\x12\x34\x00\x10", 6) == 0);
	ck_assert(memcmp(out + 42, "abcdefgh", 8) == 0);
	ck_assert_int_eq(send_one(sk, NULL, "x", 1), -EDESTADDRREQ);
	ck_assert_int_eq(send_one(sk, &none, "x", 1), -EINVAL);
	ck_assert_int_eq(send_one(any, &to, "x", 1), -EADDRNOTAVAIL);
	ck_assert_int_eq(
		stack_udp_send(e.st, any, v, 1, &(struct udp_out){.to = &to, .from = &e.me}, e.now),
		3);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 45);
	ck_assert_int_eq(send_one(sk, &to, "", 0), 0);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 42);
	ck_assert_int_eq(send_one(sk, &to, buf, 65508), -EMSGSIZE);
	ck_assert_int_eq(send_one(sk, &to, buf, 1473), -EOPNOTSUPP);
	ck_assert_int_eq(send_one(sk, &to, buf, 1472), 1472);
	len = env_tx(&e, out, sizeof(out), NULL);
	pkt_check_sums(out, len);
	stack_close(e.st, sk, e.now);
	stack_close(e.st, any, e.now);
}
END_TEST

/* RFC 768: a sum of 0 goes out as 0xffff. */
START_TEST(zero_checksum_is_never_sent)
{
	struct sock *sk = udp_open(e.me, 53);
	struct endpoint to = ep(e.peer, 1000);
	unsigned i;

	for (i = 0; i < 65536; i++) {
		uint8_t d[2] = {(uint8_t)(i >> 8), (uint8_t)i};

		must(send_one(sk, &to, d, 2) == 2);
		must(env_tx(&e, out, sizeof(out), NULL) == 44);
		must(out[40] != 0 || out[41] != 0);
		if (out[40] == 0xff && out[41] == 0xff)
			break;
	}
	ck_assert_uint_lt(i, 65536);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(full_queue_takes_writability_until_there_is_room)
{
	struct sock *sk = udp_open(e.me, 53);
	struct endpoint to = ep(e.peer, 1);
	uint32_t edges;
	unsigned i;

	stack_sock_user(e.st, sk, &e);
	ck_assert_ptr_eq(stack_event(e.st, &edges), sk);
	ck_assert_uint_eq(edges, RDY_OUT);
	for (i = 0; i < TXQ_ENTRIES; i++)
		must(send_one(sk, &to, "x", 1) == 1);
	ck_assert_int_eq(send_one(sk, &to, "x", 1), -EAGAIN);
	ck_assert_uint_eq(sk->ready & RDY_OUT, 0);
	ck_assert_uint_eq(stack_next_ns(e.st), WHEEL_NEVER);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(sk->ready & RDY_OUT, 0);
	env_tx(&e, NULL, 0, NULL);
	ck_assert_uint_le(stack_next_ns(e.st), e.now);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(sk->ready & RDY_OUT, RDY_OUT);
	ck_assert_ptr_eq(stack_event(e.st, &edges), sk);
	ck_assert_uint_eq(edges, RDY_OUT);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(port_unreachable_refuses_the_connected)
{
	struct sock *sk = udp_open(e.me, 53);
	struct endpoint to = ep(e.peer, 99);
	size_t len;

	ck_assert_int_eq(send_one(sk, &to, "x", 1), 1);
	len = env_tx(&e, out, sizeof(out), NULL);
	len = pkt_icmp(b, e.peer, e.me, 3, 3, 0, out, len);
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_icmp_errors);
	ck_assert_int_eq(sk->err, 0);
	connect_to(sk, e.peer, 99);
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_icmp_errors);
	ck_assert_uint_ne(sk->ready & RDY_ERR, 0);
	ck_assert_int_eq(recv_one(sk, 10, 0, NULL), -ECONNREFUSED);
	ck_assert_uint_eq(sk->ready & RDY_ERR, 0);
	ck_assert_int_eq(recv_one(sk, 10, 0, NULL), -EAGAIN);
	b[36] ^= 1; /* its checksum */
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_drop_icmp);
	connect_to(sk, e.peer, 98);
	b[36] ^= 1;
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_drop_icmp);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(path_mtu_is_learnt_from_what_is_plausible)
{
	struct sock *sk = udp_open(e.me, 53);
	size_t sent, len;

	connect_to(sk, e.peer, 99);
	ck_assert_int_eq(send_one(sk, NULL, buf, 1400), 1400);
	sent = env_tx(&e, out, sizeof(out), NULL);
	len = pkt_icmp(b, e.peer, e.me, 3, 4, 1428, out, sent);
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_drop_icmp);
	len = pkt_icmp(b, e.peer, e.me, 3, 4, 1000, out, sent);
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_icmp_errors);
	ck_assert_int_eq(send_one(sk, NULL, buf, 1400), -EMSGSIZE);
	ck_assert_int_eq(send_one(sk, NULL, buf, 1400), -EOPNOTSUPP);
	ck_assert_int_eq(send_one(sk, NULL, buf, 972), 972);
	/* an old router: no MTU given, the next plateau below 1428 */
	len = pkt_icmp(b, e.peer, e.me, 3, 4, 0, out, sent);
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, len), STAT_drop_icmp); /* 1006: no news */
	stack_close(e.st, sk, e.now);
}
END_TEST

static ssize_t send_out(struct sock *sk, size_t len, struct udp_out u)
{
	struct iovec v[2] = {{buf, len / 3}, {buf + len / 3, len - len / 3}};
	struct endpoint to = ep(e.peer, 4433);

	u.to = &to;
	return stack_udp_send(e.st, sk, v, 2, &u, e.now);
}

START_TEST(each_datagram_has_its_own_tos_ttl_and_df)
{
	struct sock *sk = udp_open(e.me, 53);
	size_t len;

	must(send_out(sk, 100, (struct udp_out){0}) == 100);
	env_tx(&e, out, sizeof(out), NULL);
	ck_assert_uint_eq(out[15], 0);
	ck_assert_uint_eq(out[22], 64);
	ck_assert_uint_eq(out[20], 0x40);
	must(send_out(sk, 100,
		      (struct udp_out){.tos = 0x02,
				       .ttl = 3,
				       .flags = UDP_OUT_TOS | UDP_OUT_TTL | UDP_OUT_FRAG}) == 100);
	len = env_tx(&e, out, sizeof(out), NULL);
	pkt_check_sums(out, len);
	ck_assert_uint_eq(out[15], 2);
	ck_assert_uint_eq(out[22], 3);
	ck_assert_uint_eq(out[20], 0);
	/* a smaller path, another device: not for the stack */
	ck_assert_int_eq(send_out(sk, 100, (struct udp_out){.mtu = 127}), -EOPNOTSUPP);
	ck_assert_int_eq(send_out(sk, 100, (struct udp_out){.mtu = 128}), 100);
	ck_assert_int_eq(send_out(sk, 100, (struct udp_out){.ifindex = 1}), -EOPNOTSUPP);
	ck_assert_int_eq(send_out(sk, 100, (struct udp_out){.ifindex = 100 + ENV_DEV}), 100);
	env_tx(&e, out, sizeof(out), NULL);
	env_tx(&e, out, sizeof(out), NULL);
	stack_close(e.st, sk, e.now);
}
END_TEST

/* The neighbour unknown: nothing is kept where the embedder does not want it. */
START_TEST(does_not_wait_where_it_is_not_to)
{
	struct sock *sk = udp_open(e.me, 53);
	struct endpoint to = ep(addr(10, 0, 0, 77), 9);
	struct iovec v = {buf, 2500};
	struct udp_out u = {.to = &to, .flags = UDP_OUT_NOWAIT, .gso_bytes = 1000};
	struct ip_addr asked;

	ck_assert_int_eq(stack_udp_send(e.st, sk, &v, 1, &u, e.now), -EINPROGRESS);
	ck_assert(stack_dst_request(e.st, &asked) && ip_addr_eq(&asked, &to.addr));
	ck_assert_uint_eq(stack_outq(sk), 0);
	u.flags = 0;
	ck_assert_int_eq(stack_udp_send(e.st, sk, &v, 1, &u, e.now), 2500);
	ck_assert_uint_eq(stack_outq(sk), 2500);
	env_dst_ok(&e, to.addr);
	stack_run(e.st, e.now);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 1042);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 1042);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), NULL), 542);
	stack_close(e.st, sk, e.now);
}
END_TEST

/* UDP_SEGMENT: in packets, and for a device that can cut, in one. */
START_TEST(trains_are_cut_here_or_by_the_device)
{
	struct sock *sk = udp_open(e.me, 53);
	struct udp_out u = {.gso_bytes = 1000, .tos = 1, .flags = UDP_OUT_TOS};
	static uint8_t wide[70000];
	struct tx_ent ent;
	size_t len, off;
	unsigned i;

	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 1000);
	must(send_out(sk, 9500, u) == 9500);
	for (off = 0; off < 9500; off += 1000) {
		len = env_tx(&e, out, sizeof(out), &ent);
		must(len == 42u + (off < 9000 ? 1000 : 500));
		pkt_check_sums(out, len);
		must(out[15] == 1 && memcmp(out + 42, buf + off, len - 42) == 0);
	}
	env_dev(&e, ENV_DEV, false, false, 60000);
	e.st->dev[ENV_DEV].gso_udp = true;
	u.gso_bytes = 300; /* as a whole not longer than a packet: could be taken for one */
	must(send_out(sk, 1500, u) == 1500);
	for (i = 0; i < 5; i++)
		must(env_tx(&e, out, sizeof(out), &ent) == 342 && !(ent.flags & TXF_GSO));
	u.gso_bytes = 1000;
	must(send_out(sk, 3500, u) == 3500); /* too few to be worth it */
	for (i = 0; i < 4; i++)
		must(env_tx(&e, out, sizeof(out), &ent) > 0 && !(ent.flags & TXF_GSO));
	must(send_out(sk, 60000, u) == 60000);
	must(send_out(sk, 4000, u) == 4000);
	ck_assert_uint_gt(e.st->blks.out, 0);
	len = env_tx(&e, wide, sizeof(wide), &ent);
	ck_assert_uint_eq(len, 60042);
	ck_assert_uint_eq(ent.gso_bytes, 1000);
	ck_assert_uint_eq(ent.proto, IPPROTO_UDP);
	ck_assert_uint_eq(ent.flags, TXF_CSUM | TXF_GSO);
	ck_assert(memcmp(wide + 42, buf, 60000) == 0);
	ck_assert_uint_eq(naive_sum(wide + 26, 8, 17 + 60008), be16(*(uint16_t *)(wide + 40)));
	ck_assert_uint_eq(env_tx(&e, wide, sizeof(wide), &ent), 4042);
	ck_assert_uint_eq(e.st->blks.out, 0);
	ck_assert_uint_eq(e.st->stats[STAT_udp_tx_trains], 2);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(trains_have_their_limits)
{
	struct sock *sk = udp_open(e.me, 53);
	unsigned i;

	ck_assert_int_eq(send_out(sk, 6400, (struct udp_out){.gso_bytes = 100}), 6400);
	ck_assert_int_eq(send_out(sk, 6401, (struct udp_out){.gso_bytes = 100}), -EOPNOTSUPP);
	ck_assert_int_eq(send_out(sk, 5000, (struct udp_out){.gso_bytes = 1473}), -EOPNOTSUPP);
	ck_assert_int_eq(send_out(sk, 1000, (struct udp_out){.gso_bytes = 1473}), 1000);
	ck_assert_int_eq(send_out(sk, 0, (struct udp_out){.gso_bytes = 10}), 0);
	for (i = 0; i < 66; i++)
		must(env_tx(&e, out, sizeof(out), NULL) > 0);
	/* whole or not at all */
	for (i = 0; i < TXQ_ENTRIES - 9; i++)
		must(send_out(sk, 1, (struct udp_out){0}) == 1);
	ck_assert_int_eq(send_out(sk, 10000, (struct udp_out){.gso_bytes = 1000}), -EAGAIN);
	ck_assert_uint_eq(txq_used(&e.st->txq), TXQ_ENTRIES - 9);
	ck_assert_uint_eq(sk->ready & RDY_OUT, 0);
	env_tx(&e, out, sizeof(out), NULL);
	stack_run(e.st, e.now);
	ck_assert_int_eq(send_out(sk, 10000, (struct udp_out){.gso_bytes = 1000}), 10000);
	while (env_tx(&e, out, sizeof(out), NULL) > 0)
		;
	stack_close(e.st, sk, e.now);
}
END_TEST

static ssize_t recv_gro(struct sock *sk, size_t max, unsigned flags, uint32_t gso)
{
	struct udp_meta m;
	ssize_t r = recv_one(sk, max, flags | RECV_GRO, &m);

	must(m.gso_bytes == gso);
	return r;
}

START_TEST(equal_datagrams_of_a_flow_are_read_as_one)
{
	struct sock *sk = udp_open(e.me, 53);
	struct udp_meta m;
	unsigned i;

	deliver(1, 53, "aaaa");
	deliver(1, 53, "bbbb");
	deliver(1, 53, "cc"); /* shorter: the last */
	deliver(1, 53, "dddd");
	deliver(2, 53, "eeee");  /* another flow */
	deliver(2, 53, "fffff"); /* longer */
	deliver(2, 53, "");
	deliver(2, 53, "");
	ck_assert_int_eq(recv_gro(sk, 100, RECV_PEEK, 4), 10);
	ck_assert_int_eq(recv_gro(sk, 100, 0, 4), 10);
	ck_assert(memcmp(buf, "aaaabbbbcc", 10) == 0);
	ck_assert_int_eq(recv_gro(sk, 100, 0, 0), 4);
	ck_assert_int_eq(recv_gro(sk, 100, 0, 0), 4);
	ck_assert_int_eq(recv_gro(sk, 100, 0, 0), 5);
	ck_assert_int_eq(recv_gro(sk, 100, 0, 0), 0);
	ck_assert_int_eq(recv_gro(sk, 100, 0, 0), 0);
	ck_assert_int_eq(recv_one(sk, 100, RECV_GRO, &m), -EAGAIN);
	/* as many as the buffer holds whole; a datagram cut is cut alone */
	for (i = 0; i < 200; i++)
		must(deliver(1, 53, "0123456789") == STAT_rx_packets);
	ck_assert_int_eq(recv_gro(sk, 35, 0, 10), 30);
	ck_assert_int_eq(recv_gro(sk, 5, 0, 0), 5);
	ck_assert_int_eq(recv_gro(sk, 10000, 0, 10), 640);
	ck_assert_int_eq(recv_gro(sk, 10000, RECV_PEEK, 10), 640);
	for (i = 0; i < 640; i++)
		must(buf[i] == (char)('0' + i % 10));
	ck_assert_int_eq(recv_gro(sk, 10000, 0, 10), 640);
	ck_assert_int_eq(recv_gro(sk, 10000, 0, 10), 640);
	ck_assert_int_eq(recv_gro(sk, 10000, 0, 10), 40);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(different_ecn_is_read_apart)
{
	struct sock *sk = udp_open(e.me, 53);
	struct udp_meta m;
	size_t len;
	unsigned i;

	for (i = 0; i < 4; i++) {
		len = pkt_udp(b, ep(e.peer, 1), ep(e.me, 53), "abcd", 4);
		b[15] = i < 2 ? 2 : 3;
		pkt_ip4_csum(b);
		must(env_rx(&e, ENV_DEV, b, len) == STAT_rx_packets);
	}
	ck_assert_int_eq(recv_one(sk, 100, RECV_GRO, &m), 8);
	ck_assert_uint_eq(m.tos, 2);
	ck_assert_int_eq(recv_one(sk, 100, RECV_GRO, &m), 8);
	ck_assert_uint_eq(m.tos, 3);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(tells_when_it_came_and_what_was_lost_before)
{
	struct sock *sk;
	struct udp_meta m;
	uint64_t at = e.now;
	unsigned lost = 0;

	o.rcvbuf = 3000;
	sk = udp_open(e.me, 53);
	while (deliver(1, 53, "x") == STAT_rx_packets)
		;
	lost = 1 + (deliver(1, 53, "x") == STAT_drop_udp_rcvbuf);
	e.now += 5 * MS;
	recv_one(sk, 10, 0, &m);
	ck_assert_uint_eq(m.rx_ns, at);
	ck_assert_uint_eq(m.drops, 0);
	must(deliver(1, 53, "y") == STAT_rx_packets);
	while (recv_one(sk, 10, 0, &m) > 0)
		;
	ck_assert_uint_eq(m.rx_ns, at + 5 * MS);
	ck_assert_uint_eq(m.drops, lost);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(options)
{
	struct sock *sk = udp_open(e.me, 53);
	int v = 5000;
	uint32_t len = sizeof(v);

	ck_assert_int_eq(stack_setopt(e.st, sk, SOL_SOCKET, SO_RCVBUF, &v, len, 0), 0);
	ck_assert_int_eq(stack_getopt(e.st, sk, SOL_SOCKET, SO_RCVBUF, &v, &len, 0), 0);
	ck_assert_int_eq(v, 10000);
	v = -1;
	ck_assert_int_eq(stack_setopt(e.st, sk, SOL_SOCKET, SO_SNDBUF, &v, len, 0), 0);
	ck_assert_int_eq(stack_getopt(e.st, sk, SOL_SOCKET, SO_SNDBUF, &v, &len, 0), 0);
	ck_assert_int_eq(v, 2 * 212992);
	v = 0;
	ck_assert_int_eq(stack_setopt(e.st, sk, SOL_SOCKET, SO_SNDBUF, &v, len, 0), 0);
	ck_assert_int_eq(stack_getopt(e.st, sk, SOL_SOCKET, SO_SNDBUF, &v, &len, 0), 0);
	ck_assert_int_eq(v, 4608);
	ck_assert_int_eq(stack_getopt(e.st, sk, SOL_SOCKET, SO_TYPE, &v, &len, 0), 0);
	ck_assert_int_eq(v, SOCK_DGRAM);
	sk->err = ECONNREFUSED;
	ck_assert_int_eq(stack_getopt(e.st, sk, SOL_SOCKET, SO_ERROR, &v, &len, 0), 0);
	ck_assert_int_eq(v, ECONNREFUSED);
	ck_assert_int_eq(stack_getopt(e.st, sk, SOL_SOCKET, SO_ERROR, &v, &len, 0), 0);
	ck_assert_int_eq(v, 0);
	v = 256;
	ck_assert_int_eq(stack_setopt(e.st, sk, IPPROTO_IP, IP_TTL, &v, len, 0), -EINVAL);
	v = 7;
	ck_assert_int_eq(stack_setopt(e.st, sk, IPPROTO_IP, IP_TTL, &v, len, 0), 0);
	ck_assert_int_eq(stack_setopt(e.st, sk, IPPROTO_IP, IP_MTU_DISCOVER, &v, len, 0),
			 -ENOPROTOOPT);
	ck_assert_int_eq(stack_setopt(e.st, sk, SOL_SOCKET, SO_RCVBUF, &v, 2, 0), -EINVAL);
	connect_to(sk, e.peer, 1);
	ck_assert_int_eq(send_one(sk, NULL, "x", 1), 1);
	env_tx(&e, out, sizeof(out), NULL);
	ck_assert_uint_eq(out[22], 7);
	stack_close(e.st, sk, e.now);
}
END_TEST

START_TEST(shutdown_as_linux_has_it)
{
	struct sock *sk = udp_open(e.me, 53);

	ck_assert_int_eq(stack_shutdown(e.st, sk, SHUT_WR, e.now), -ENOTCONN);
	connect_to(sk, e.peer, 1);
	ck_assert_int_eq(send_one(sk, NULL, "x", 1), -EPIPE);
	ck_assert_int_eq(stack_shutdown(e.st, sk, SHUT_RD, e.now), 0);
	ck_assert_int_eq(recv_one(sk, 10, 0, NULL), 0);
	ck_assert_uint_eq(sk->ready & (RDY_IN | RDY_RDHUP | RDY_HUP), RDY_IN | RDY_RDHUP | RDY_HUP);
	ck_assert_int_eq(stack_shutdown(e.st, sk, 3, e.now), -EINVAL);
	stack_close(e.st, sk, e.now);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("udp");
	TCase *tc = tcase_create("udp");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, exact_before_wildcard_connected_before_both);
	tcase_add_test(tc, connected_hears_its_peer_only);
	tcase_add_test(tc, same_address_needs_reuse);
	tcase_add_test(tc, datagrams_keep_their_bounds_and_their_origin);
	tcase_add_test(tc, scatters_over_the_pieces);
	tcase_add_test(tc, receive_buffer_is_bounded);
	tcase_add_test(tc, slow_reader_holds_few_frames_and_loses_nothing);
	tcase_add_test(tc, closing_frees_what_was_not_read);
	tcase_add_test(tc, checksums_and_lengths_on_receive);
	tcase_add_test(tc, pseudo_header_sum_passes_where_it_can_only_be_local);
	tcase_add_test(tc, sends_what_it_says);
	tcase_add_test(tc, zero_checksum_is_never_sent);
	tcase_add_test(tc, full_queue_takes_writability_until_there_is_room);
	tcase_add_test(tc, port_unreachable_refuses_the_connected);
	tcase_add_test(tc, path_mtu_is_learnt_from_what_is_plausible);
	tcase_add_test(tc, each_datagram_has_its_own_tos_ttl_and_df);
	tcase_add_test(tc, does_not_wait_where_it_is_not_to);
	tcase_add_test(tc, trains_are_cut_here_or_by_the_device);
	tcase_add_test(tc, trains_have_their_limits);
	tcase_add_test(tc, equal_datagrams_of_a_flow_are_read_as_one);
	tcase_add_test(tc, different_ecn_is_read_apart);
	tcase_add_test(tc, tells_when_it_came_and_what_was_lost_before);
	tcase_add_test(tc, options);
	tcase_add_test(tc, shutdown_as_linux_has_it);
	return run_suite(s);
}
