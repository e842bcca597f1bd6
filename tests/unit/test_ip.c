/* SPDX-License-Identifier: BSD-2-Clause */
/* IP in and out: each refused packet ends in the counter that says why. */
#include "harness.h"

static struct env e;
static uint8_t b[8192], out[8192];
static struct sock *sk;

static void setup(void)
{
	struct sock_opts o;
	struct endpoint any = ep(addr(0, 0, 0, 0), 53);

	env_init(&e, NULL);
	sock_opts_default(&o);
	ck_assert_int_eq(stack_udp_open(e.st, &any, &o, &sk), 0);
}

static void teardown(void)
{
	stack_close(e.st, sk, e.now);
	env_fini(&e);
}

static size_t good(void)
{
	return pkt_udp(b, ep(e.peer, 1000), ep(e.me, 53), "hello", 5);
}

/* Puts b in as it is and checks the verdict, and that it alone was counted. */
static void ends_in(size_t len, enum stat_id want)
{
	uint64_t before = e.st->stats[want], seen = e.st->stats[STAT_rx_packets];
	enum stat_id r = env_rx(&e, ENV_DEV, b, len);

	ck_assert_msg(r == want, "%s, not %s", stat_info[r].name, stat_info[want].name);
	ck_assert_uint_eq(e.st->stats[want], before + 1);
	if (want != STAT_rx_packets)
		ck_assert_uint_eq(e.st->stats[STAT_rx_packets], seen + 1);
}

static void take(size_t want)
{
	char buf[4096];
	struct iovec v = {buf, sizeof(buf)};

	ck_assert_int_eq(stack_udp_recv(e.st, sk, &v, 1, 0, NULL, e.now), (ssize_t)want);
}

START_TEST(a_good_packet_arrives)
{
	ends_in(good(), STAT_rx_packets);
	take(5);
}
END_TEST

START_TEST(cut_anywhere_it_still_arrives)
{
	size_t step, len;
	char text[100];

	memset(text, 'x', sizeof(text));
	for (step = 1; step < 150; step++) {
		len = pkt_udp(b, ep(e.peer, 1000), ep(e.me, 53), text, sizeof(text));
		ck_assert_int_eq(env_rx_cut(&e, ENV_DEV, b, len, step), STAT_rx_packets);
		take(sizeof(text));
	}
}
END_TEST

START_TEST(ethernet_padding_is_cut_off)
{
	size_t len = good();

	memset(b + len, 0xee, 60 - len);
	ends_in(60, STAT_rx_packets);
	ck_assert_uint_eq(stack_inq(sk), 5);
	take(5);
}
END_TEST

START_TEST(every_length_shorter_is_refused)
{
	size_t len = good(), n;

	for (n = 0; n < len; n++)
		ends_in(n, n < 14 + 20 ? STAT_drop_short : STAT_drop_ip_header);
}
END_TEST

START_TEST(link_layer)
{
	size_t len = good();

	b[12] = 0x86;
	b[13] = 0xdd;
	ends_in(len, STAT_drop_short); /* for an IPv6 header */
	b[12] = 0x81;
	b[13] = 0;
	ends_in(len, STAT_drop_ethertype);
	len = good();
	b[5] ^= 1;
	ends_in(len, STAT_drop_eth_address);
	memset(b, 0xff, 6);
	ends_in(len, STAT_drop_eth_address);
}
END_TEST

START_TEST(header)
{
	size_t len = good();

	b[14] = 0x65;
	ends_in(len, STAT_drop_ip_version);
	b[14] = 0x44;
	ends_in(len, STAT_drop_ip_header);
	b[14] = 0x46;
	pkt_ip4_csum(b);
	ends_in(len, STAT_drop_ip_options);
	len = good();
	b[17] = 19;
	ends_in(len, STAT_drop_ip_header);
	len = good();
	b[17]++;
	pkt_ip4_csum(b);
	ends_in(len, STAT_drop_ip_header);
	len = good();
	b[24] ^= 1;
	ends_in(len, STAT_drop_ip_csum);
	b[24] = b[25] = 0;
	ends_in(len, STAT_drop_ip_csum);
	len = good();
	b[20] = 0x20;
	pkt_ip4_csum(b);
	ends_in(len, STAT_drop_ip_fragment);
	b[20] = 0;
	b[21] = 1;
	pkt_ip4_csum(b);
	ends_in(len, STAT_drop_ip_fragment);
	len = good();
	b[23] = 47;
	pkt_ip4_csum(b);
	ends_in(len, STAT_drop_ip_proto);
}
END_TEST

static void from_to(struct ip_addr src, struct ip_addr dst, enum stat_id want)
{
	ends_in(pkt_udp(b, ep(src, 1000), ep(dst, 53), "x", 1), want);
}

START_TEST(addresses)
{
	from_to(e.peer, addr(10, 0, 0, 3), STAT_drop_ip_address);
	from_to(e.peer, addr(255, 255, 255, 255), STAT_drop_ip_address);
	from_to(addr(127, 0, 0, 1), e.me, STAT_drop_ip_address);
	from_to(e.peer, addr(127, 0, 0, 1), STAT_drop_ip_address);
	from_to(addr(224, 0, 0, 1), e.me, STAT_drop_ip_address);
	from_to(addr(255, 255, 255, 255), e.me, STAT_drop_ip_address);
	from_to(addr(0, 0, 0, 0), e.me, STAT_drop_ip_address);
	from_to(e.me, e.me, STAT_drop_ip_address);
	stack_local_del(e.st, &e.me);
	from_to(e.peer, e.me, STAT_drop_ip_address);
	stack_local_add(e.st, &e.me);
	from_to(e.peer, e.me, STAT_rx_packets);
	take(1);
}
END_TEST

START_TEST(loopback_addresses_on_the_loopback_device_only)
{
	struct ip_addr lo = addr(127, 0, 0, 1);
	size_t len = pkt_udp(b, ep(lo, 1000), ep(lo, 53), "x", 1);

	env_dev(&e, STACK_DEV_LOOP, true, true, 0);
	memset(b, 0, 12);
	ck_assert_int_eq(env_rx(&e, STACK_DEV_LOOP, b, len), STAT_rx_packets);
	take(1);
	len = pkt_udp(b, ep(e.me, 1000), ep(e.me, 53), "x", 1);
	memset(b, 0, 12);
	ck_assert_int_eq(env_rx(&e, STACK_DEV_LOOP, b, len), STAT_rx_packets);
	take(1);
}
END_TEST

START_TEST(local_table_holds_its_limit_in_any_order)
{
	uint64_t seed = 5;
	unsigned i, n = 1;

	for (i = 0; n < STACK_LOCAL_ADDRS; i++) {
		struct ip_addr a = ip_addr_v4((uint32_t)rnd_below(&seed, 1000));

		if (stack_local_has(e.st, &a))
			continue;
		ck_assert_int_eq(stack_local_add(e.st, &a), 0);
		ck_assert_int_eq(stack_local_add(e.st, &a), 0);
		n++;
	}
	ck_assert_int_eq(stack_local_add(e.st, &e.peer), -28);
	ck_assert(stack_local_has(e.st, &e.me));
	for (i = 0; i < 1000; i++) {
		struct ip_addr a = ip_addr_v4(i);

		n -= stack_local_has(e.st, &a);
		stack_local_del(e.st, &a);
		ck_assert(!stack_local_has(e.st, &a));
	}
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(e.st->nlocal, 1);
}
END_TEST

/* Random bytes over a right packet: it ends in a counter, and every frame comes back. */
START_TEST(mutated_packets_end_in_a_counter)
{
	uint64_t seed = 6;
	unsigned i, k;

	for (i = 0; i < 50000; i++) {
		size_t len = good(), n = rnd_below(&seed, 4);
		enum stat_id r;

		for (k = 0; k < n; k++)
			b[rnd_below(&seed, len)] = (uint8_t)rnd_below(&seed, 256);
		if (rnd_below(&seed, 2))
			pkt_ip4_csum(b);
		if (rnd_below(&seed, 4) == 0)
			len = rnd_below(&seed, len + 1);
		r = env_rx_cut(&e, ENV_DEV, b, len, 1 + rnd_below(&seed, 60));
		must(r == STAT_rx_packets || stat_info[r].kind == STAT_KIND_DROP);
		if (r == STAT_rx_packets) {
			must(stack_inq(sk) <= 5);
			take(stack_inq(sk));
		}
		must(e.st->frames.nfree == e.st->frames.count);
	}
}
END_TEST

/* ---- out ------------------------------------------------------------------------------------ */

static int begin(uint32_t l4_len, struct ip_out *o)
{
	struct dst *d = dst_get(e.st, &e.peer);
	struct ip_tx t = {.src = &e.me, .proto = 17, .tos = 0x2e, .ttl = -1};
	int err = ip_begin(e.st, NULL, d, &t, l4_len, 0, o);

	dst_put(e.st, d);
	return err;
}

START_TEST(headers_and_full_checksum)
{
	struct tx_ent ent;
	struct ip_out o;
	size_t len;

	ck_assert_int_eq(begin(108, &o), 0);
	memset(o.l4, 7, 108);
	o.l4[6] = o.l4[7] = 0;
	ip_commit(e.st, &o, 6, csum_add(0, o.l4, 108));
	len = env_tx(&e, out, sizeof(out), &ent);
	ck_assert_uint_eq(len, 14 + 20 + 108);
	pkt_check_sums(out, len);
	ck_assert(memcmp(out, env_peer_mac, 6) == 0 && memcmp(out + 6, env_mac, 6) == 0);
	ck_assert_uint_eq(out[14], 0x45);
	ck_assert_uint_eq(out[15], 0x2e);
	ck_assert_uint_eq(out[20], 0x40);
	ck_assert_uint_eq(out[22], 64);
	ck_assert_uint_eq(out[23], 17);
	ck_assert_uint_eq(ent.flags, 0);
	ck_assert_uint_eq(ent.dev, ENV_DEV);
	ck_assert_uint_eq(ent.csum_start, 34);
	ck_assert_uint_eq(ent.csum_offset, 6);
}
END_TEST

START_TEST(offloaded_checksum_holds_the_pseudo_header)
{
	struct tx_ent ent;
	struct ip_out o;

	env_dev(&e, ENV_DEV, true, false, 0);
	ck_assert_int_eq(begin(100, &o), 0);
	memset(o.l4, 7, 100);
	ip_commit(e.st, &o, 6, 0);
	ck_assert_uint_eq(env_tx(&e, out, sizeof(out), &ent), 134);
	ck_assert_uint_eq(ent.flags, TXF_CSUM);
	ck_assert_uint_eq((out[40] << 8 | out[41]), naive_sum(out + 26, 8, 17 + 100));
}
END_TEST

START_TEST(larger_than_the_mtu_is_refused)
{
	struct ip_out o;

	ck_assert_int_eq(begin(1481, &o), -90);
	ck_assert_int_eq(begin(1480, &o), 0);
	ip_cancel(e.st, &o);
	ck_assert_ptr_null(stack_tx_peek(e.st));
	ck_assert_uint_eq(e.st->frames.nfree, e.st->frames.count);
}
END_TEST

START_TEST(full_queue_says_so)
{
	struct ip_out o;
	unsigned i;

	for (i = 0; i < TXQ_ENTRIES; i++) {
		ck_assert_int_eq(begin(8, &o), 0);
		ip_commit(e.st, &o, 6, 0);
	}
	ck_assert_int_eq(begin(8, &o), -11);
	ck_assert_uint_eq(e.st->stats[STAT_tx_queue_full], 1);
	ck_assert_uint_gt(env_tx(&e, NULL, 0, NULL), 0);
	ck_assert_int_eq(begin(8, &o), 0);
	ip_cancel(e.st, &o);
}
END_TEST

START_TEST(device_down_is_no_way_out)
{
	struct stack_dev d = {.mtu = 1500};
	struct ip_out o;

	stack_dev_set(e.st, ENV_DEV, &d);
	ck_assert_int_eq(begin(8, &o), -101);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ip");
	TCase *tc = tcase_create("ip");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_good_packet_arrives);
	tcase_add_test(tc, cut_anywhere_it_still_arrives);
	tcase_add_test(tc, ethernet_padding_is_cut_off);
	tcase_add_test(tc, every_length_shorter_is_refused);
	tcase_add_test(tc, link_layer);
	tcase_add_test(tc, header);
	tcase_add_test(tc, addresses);
	tcase_add_test(tc, loopback_addresses_on_the_loopback_device_only);
	tcase_add_test(tc, local_table_holds_its_limit_in_any_order);
	tcase_add_test(tc, mutated_packets_end_in_a_counter);
	tcase_add_test(tc, headers_and_full_checksum);
	tcase_add_test(tc, offloaded_checksum_holds_the_pseudo_header);
	tcase_add_test(tc, larger_than_the_mtu_is_refused);
	tcase_add_test(tc, full_queue_says_so);
	tcase_add_test(tc, device_down_is_no_way_out);
	return run_suite(s);
}
