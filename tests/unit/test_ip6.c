/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv6: headers, extension headers, zones, ICMPv6, and sockets that serve one family or both. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "harness.h"

static struct env e;
static uint8_t b[8192], out[8192];
static struct sock *sk;
static struct sock_opts opts;

static void setup(void)
{
	struct endpoint any = {.port = 53};

	env_family = 6;
	env_init(&e, NULL);
	sock_opts_default(&opts);
	opts.v6 = 1;
	ck_assert_int_eq(stack_udp_open(e.st, &any, &opts, &sk), 0);
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

static void ends_in(size_t len, enum stat_id want)
{
	uint64_t before = e.st->stats[want];
	enum stat_id r = env_rx(&e, ENV_DEV, b, len);

	ck_assert_msg(r == want, "%s, not %s", stat_info[r].name, stat_info[want].name);
	ck_assert_uint_eq(e.st->stats[want], before + 1);
	ck_assert_uint_eq(e.st->frames.nfree + (r == STAT_rx_packets), e.st->frames.count);
}

static struct udp_meta take(struct sock *from, size_t want)
{
	struct udp_meta m;
	char buf[4096];
	struct iovec v = {buf, sizeof(buf)};

	ck_assert_int_eq(stack_udp_recv(e.st, from, &v, 1, 0, &m, e.now), (ssize_t)want);
	return m;
}

/* Puts an extension header of n bytes (a multiple of 8) and that type before what follows IP; its
 * first byte becomes the type of that. */
static size_t ext(size_t len, uint8_t type, const void *h, size_t n)
{
	size_t payload;

	memmove(b + 54 + n, b + 54, len - 54);
	memcpy(b + 54, h, n);
	b[54] = b[20];
	b[20] = type;
	payload = len + n - 54;
	b[18] = (uint8_t)(payload >> 8);
	b[19] = (uint8_t)payload;
	return len + n;
}

static const uint8_t pad6[8] = {0, 0, 1, 4, 0, 0, 0, 0};

START_TEST(a_good_packet_arrives_with_its_marks)
{
	struct udp_meta m;
	size_t len = good();

	b[14] = 0x6b; /* traffic class 0xb9, flow label 0x12345 */
	b[15] = 0x91;
	b[16] = 0x23;
	b[17] = 0x45;
	b[21] = 0; /* who is there does not look at the hop limit */
	memset(b + len, 0xee, 20);
	ends_in(len + 20, STAT_rx_packets);
	m = take(sk, 5);
	ck_assert_uint_eq(m.tos, 0xb9);
	ck_assert_uint_eq(m.ttl, 0);
	ck_assert(ip_addr_eq(&m.from.addr, &e.peer) && ip_addr_eq(&m.to, &e.me));
}
END_TEST

START_TEST(cut_anywhere_it_still_arrives)
{
	for (size_t step = 1; step < 130; step++) {
		size_t len = ext(ext(good(), 60, pad6, 8), 0, pad6, 8);

		ck_assert_int_eq(env_rx_cut(&e, ENV_DEV, b, len, step), STAT_rx_packets);
		take(sk, 5);
	}
}
END_TEST

START_TEST(every_length_shorter_is_refused)
{
	size_t len = good(), n;

	for (n = 0; n < len; n++)
		ends_in(n, n < 14 + 40 ? STAT_drop_short : STAT_drop_ip_header);
}
END_TEST

START_TEST(header)
{
	size_t len = good();

	b[14] = 0x45;
	ends_in(len, STAT_drop_ip_version);
	len = good();
	b[19]++;
	ends_in(len, STAT_drop_ip_header);
	len = good();
	b[18] = b[19] = 0; /* a jumbogram, or nothing */
	ends_in(len, STAT_drop_udp_short);
	len = good();
	b[20] = 50;
	ends_in(len, STAT_drop_ip_proto);
	b[20] = 59;
	ends_in(len, STAT_drop_ip6_no_next);
	b[20] = 1; /* the other family's ICMP */
	ends_in(len, STAT_drop_ip_proto);
}
END_TEST

START_TEST(udp_needs_its_checksum)
{
	size_t len = good();

	b[60] = b[61] = 0;
	ends_in(len, STAT_drop_udp_csum);
	len = good();
	b[60] ^= 1;
	ends_in(len, STAT_drop_udp_csum);
}
END_TEST

static struct ip_addr a6(const char *text, uint32_t ifindex)
{
	uint8_t raw[16];

	ck_assert_int_eq(inet_pton(AF_INET6, text, raw), 1);
	return ip_addr_v6(raw, ifindex);
}

static void from_to(const char *src, const char *dst, enum stat_id want)
{
	struct ip_addr s = src ? a6(src, 0) : e.peer, d = dst ? a6(dst, 0) : e.me;
	uint8_t l4[13] = {3, 232, 0, 53, 0, 13};
	struct pkt_ip ip = {.src = e.peer, .dst = d, .proto = 17};
	size_t len = pkt_ip(b, &ip, l4, sizeof(l4));
	uint16_t c;

	memcpy(b + 22, s.b, 16);
	c = (uint16_t)~naive_sum(b + 54, 13, naive_pseudo(b, 13));
	b[60] = (uint8_t)(c >> 8);
	b[61] = (uint8_t)c;
	ends_in(len, want);
}

START_TEST(addresses)
{
	from_to(NULL, NULL, STAT_rx_packets);
	take(sk, 5);
	from_to(NULL, "fd00::9", STAT_drop_ip_address);
	from_to(NULL, "ff02::1", STAT_drop_ip_address);
	from_to(NULL, "::1", STAT_drop_ip_address);
	from_to(NULL, "::ffff:10.0.0.1", STAT_drop_ip_address);
	from_to("::", NULL, STAT_drop_ip_address);
	from_to("::1", NULL, STAT_drop_ip_address);
	from_to("ff02::1", NULL, STAT_drop_ip_address);
	from_to("::ffff:10.0.0.2", NULL, STAT_drop_ip_address);
	from_to("fd00::a00:1", NULL, STAT_drop_ip_address); /* our own, from a wire */
}
END_TEST

START_TEST(loopback_on_the_loopback_device_only)
{
	struct ip_addr lo = a6("::1", 0);
	size_t len = pkt_udp(b, ep(lo, 1000), ep(lo, 53), "x", 1);

	env_dev(&e, STACK_DEV_LOOP, true, true, 0);
	ends_in(len, STAT_drop_ip_address);
	memset(b, 0, 12);
	ck_assert_int_eq(env_rx(&e, STACK_DEV_LOOP, b, len), STAT_rx_packets);
	take(sk, 1);
}
END_TEST

/* ---- extension headers ---------------------------------------------------------------------- */

START_TEST(harmless_extension_headers_are_passed)
{
	static const uint8_t routing[8] = {0, 0, 0, 0}, atomic[8] = {0, 0, 0, 0, 1, 2, 3, 4};
	static const uint8_t skipped[16] = {0, 1, 0x1e, 3, 9, 9, 9, 0, 0, 0x3f, 2, 7, 7, 0, 1, 0};

	ends_in(ext(good(), 60, pad6, 8), STAT_rx_packets);
	take(sk, 5);
	ends_in(ext(good(), 60, skipped, 16), STAT_rx_packets);
	take(sk, 5);
	ends_in(ext(good(), 43, routing, 8), STAT_rx_packets);
	take(sk, 5);
	ends_in(ext(good(), 44, atomic, 8), STAT_rx_packets); /* RFC 6946 */
	take(sk, 5);
	ends_in(ext(ext(ext(ext(good(), 60, pad6, 8), 44, atomic, 8), 43, routing, 8), 0, pad6, 8),
		STAT_rx_packets);
	take(sk, 5);
}
END_TEST

START_TEST(options_say_what_to_do_with_them)
{
	uint8_t h[8] = {0, 0, 0, 2, 0, 0, 1, 0};

	for (unsigned type = 2; type < 256; type++) {
		h[2] = (uint8_t)type;
		ends_in(ext(good(), type & 1 ? 60 : 0, h, 8),
			type < 0x40 ? STAT_rx_packets : STAT_drop_ip6_option);
		if (type < 0x40)
			take(sk, 5);
	}
}
END_TEST

START_TEST(options_out_of_shape)
{
	static const uint8_t beyond[8] = {0, 0, 0x1e, 5, 0, 0, 0, 0};
	static const uint8_t no_len[8] = {0, 0, 1, 3, 0, 0, 0, 0x1e};
	static const uint8_t pad_text[8] = {0, 0, 1, 4, 0, 'x', 0, 0};
	static const uint8_t pad_long[16] = {0, 1, 1, 6};
	uint8_t many[32] = {0, 3};

	ends_in(ext(good(), 60, beyond, 8), STAT_drop_ip6_ext);
	ends_in(ext(good(), 60, no_len, 8), STAT_drop_ip6_ext);
	ends_in(ext(good(), 60, pad_text, 8), STAT_drop_ip6_ext);
	ends_in(ext(good(), 60, pad_long, 16), STAT_drop_ip6_ext);
	for (unsigned i = 2; i < 32; i += 2)
		many[i] = 0x1e;
	ends_in(ext(good(), 0, many, 32), STAT_drop_ip6_ext);
}
END_TEST

START_TEST(extension_headers_that_end_it)
{
	static const uint8_t rh0[24] = {0, 2, 0, 1}, rh_srh[24] = {0, 2, 4, 1};
	static const uint8_t first[8] = {0, 0, 0, 1}, later[8] = {0, 0, 0, 8};
	size_t len;
	unsigned i;

	ends_in(ext(good(), 43, rh0, 24), STAT_drop_ip6_routing);
	ends_in(ext(good(), 43, rh_srh, 24), STAT_drop_ip6_routing);
	ends_in(ext(good(), 44, first, 8), STAT_drop_ip_fragment);
	ends_in(ext(good(), 44, later, 8), STAT_drop_ip_fragment);
	ends_in(ext(ext(good(), 0, pad6, 8), 60, pad6, 8), STAT_drop_ip6_ext); /* not first */
	for (i = 0, len = good(); i < 8; i++)
		len = ext(len, 60, pad6, 8);
	ends_in(len, STAT_rx_packets);
	take(sk, 5);
	for (i = 0, len = good(); i < 9; i++)
		len = ext(len, 60, pad6, 8);
	ends_in(len, STAT_drop_ip6_ext);
	len = ext(good(), 60, pad6, 8);
	b[55] = 200; /* longer than the packet */
	ends_in(len, STAT_drop_ip6_ext);
	b[18] = 0;
	b[19] = 7; /* cut within */
	ends_in(len, STAT_drop_ip6_ext);
}
END_TEST

/* Random bytes over a right packet: it ends in a counter, and every frame comes back. */
START_TEST(mutated_packets_end_in_a_counter)
{
	static const uint8_t type[] = {0, 43, 44, 60, 60};
	uint64_t seed = 7;
	unsigned i, k;

	for (i = 0; i < 50000; i++) {
		size_t len = good(), n = rnd_below(&seed, 4);
		enum stat_id r;

		for (k = (unsigned)rnd_below(&seed, 4); k > 0; k--)
			len = ext(len, type[rnd_below(&seed, sizeof(type))], pad6, 8);
		for (k = 0; k < n; k++)
			b[rnd_below(&seed, len)] = (uint8_t)rnd_below(&seed, 256);
		if (rnd_below(&seed, 4) == 0)
			len = rnd_below(&seed, len + 1);
		r = env_rx_cut(&e, ENV_DEV, b, len, 1 + rnd_below(&seed, 60));
		must(r == STAT_rx_packets || stat_info[r].kind == STAT_KIND_DROP);
		if (r == STAT_rx_packets)
			take(sk, stack_inq(sk));
		must(e.st->frames.nfree == e.st->frames.count);
	}
}
END_TEST

/* ---- zones ---------------------------------------------------------------------------------- */

START_TEST(a_link_local_address_is_its_links)
{
	struct ip_addr mine = a6("fe80::1", 100 + ENV_DEV), other = a6("fe80::1", 7);
	struct ip_addr far1 = a6("fe80::2", 100 + ENV_DEV), far2 = a6("fe80::2", 7);
	struct dst_info info = {.state = DST_OK, .dev = 2, .next_hop = far2};
	struct udp_meta m;
	struct tx_ent ent;
	struct sock *ll;
	size_t len = pkt_udp(b, ep(far1, 9), ep(mine, 53), "x", 1);
	struct endpoint at = ep(mine, 53), to = ep(far2, 9);
	struct iovec v = {b, 3};

	ck_assert_int_eq(stack_local_add(e.st, &other), 0);
	ends_in(len, STAT_drop_ip_address); /* ours, but not on this link */
	ck_assert_int_eq(stack_local_add(e.st, &mine), 0);
	opts.reuseport = 1;
	ck_assert_int_eq(stack_udp_open(e.st, &at, &opts, &ll), 0);
	ends_in(len, STAT_rx_packets);
	m = take(ll, 1);
	ck_assert_uint_eq(m.from.addr.scope, 100 + ENV_DEV);
	ck_assert(ip_addr_eq(&m.to, &mine));
	/* the same bytes over another device are another's */
	env_dev(&e, 2, false, false, 0);
	ends_in(len, STAT_rx_packets);
	take(ll, 1);
	ck_assert_int_eq(env_rx(&e, 2, b, len), STAT_drop_ip_address);
	/* and the two peers have each a way of their own */
	env_dst_ok(&e, far1);
	stack_dst_set(e.st, &far2, &info, e.now);
	ck_assert_int_eq(
		stack_udp_send(e.st, sk, &v, 1, &(struct udp_out){.to = &to, .from = &mine}, e.now),
		3);
	ck_assert_uint_gt(env_tx(&e, out, sizeof(out), &ent), 0);
	ck_assert_uint_eq(ent.dev, 2);
	to.addr = far1;
	ck_assert_int_eq(
		stack_udp_send(e.st, sk, &v, 1, &(struct udp_out){.to = &to, .from = &mine}, e.now),
		3);
	len = env_tx(&e, out, sizeof(out), &ent);
	ck_assert_uint_eq(ent.dev, ENV_DEV);
	pkt_check_sums(out, len);
	stack_close(e.st, ll, e.now);
}
END_TEST

START_TEST(link_local_over_the_loopback_device)
{
	struct ip_addr mine = a6("fe80::1", 100 + ENV_DEV);
	size_t len = pkt_udp(b, ep(mine, 1000), ep(mine, 53), "x", 1);

	env_dev(&e, STACK_DEV_LOOP, true, true, 0);
	ck_assert_int_eq(stack_local_add(e.st, &mine), 0);
	memset(b, 0, 12);
	ck_assert_int_eq(env_rx(&e, STACK_DEV_LOOP, b, len), STAT_rx_packets);
	ck_assert_uint_eq(take(sk, 1).from.addr.scope, 100 + ENV_DEV);
}
END_TEST

/* ---- out ------------------------------------------------------------------------------------ */

static size_t sent_one(struct ip_addr to)
{
	struct endpoint far = ep(to, 9);
	struct iovec v = {"12345", 5};

	ck_assert_int_eq(stack_udp_send(e.st, sk, &v, 1,
					&(struct udp_out){.to = &far, .from = &e.me}, e.now),
			 5);
	return env_tx(&e, out, sizeof(out), NULL);
}

static void set_int(int name, int v, int want)
{
	ck_assert_int_eq(stack_setopt(e.st, sk, IPPROTO_IPV6, name, &v, sizeof(v), e.now), want);
}

static int get_int(int name)
{
	uint32_t len = sizeof(int);
	int v = -1, err = stack_getopt(e.st, sk, IPPROTO_IPV6, name, &v, &len, e.now);

	return err ? err : v;
}

START_TEST(header_out)
{
	uint32_t label;

	ck_assert_uint_eq(sent_one(e.peer), 14 + 40 + 8 + 5);
	pkt_check_sums(out, 67);
	ck_assert_uint_eq(out[14] >> 4, 6);
	ck_assert_uint_eq(out[18] << 8 | out[19], 13);
	ck_assert_uint_eq(out[20], 17);
	ck_assert_uint_eq(out[21], 64);
	ck_assert(memcmp(out + 22, e.me.b, 16) == 0 && memcmp(out + 38, e.peer.b, 16) == 0);
	label = (out[15] & 15u) << 16 | (uint32_t)out[16] << 8 | out[17];
	ck_assert_uint_ne(label, 0);
	sent_one(e.peer); /* a flow keeps its label */
	ck_assert_uint_eq((out[15] & 15u) << 16 | (uint32_t)out[16] << 8 | out[17], label);
	set_int(IPV6_TCLASS, 0xb9, 0);
	set_int(IPV6_UNICAST_HOPS, 7, 0);
	set_int(70 /* IPV6_AUTOFLOWLABEL */, 0, 0);
	sent_one(e.peer);
	ck_assert_uint_eq(out[14], 0x6b);
	ck_assert_uint_eq(out[15], 0x90);
	ck_assert_uint_eq(out[16] | out[17], 0);
	ck_assert_uint_eq(out[21], 7);
}
END_TEST

START_TEST(the_route_may_name_the_hop_limit)
{
	struct dst_info info = {
		.state = DST_OK, .dev = ENV_DEV, .next_hop = e.peer, .hop_limit = 33};

	stack_dst_set(e.st, &e.peer, &info, e.now);
	sent_one(e.peer);
	ck_assert_uint_eq(out[21], 33);
}
END_TEST

START_TEST(options)
{
	ck_assert_int_eq(get_int(IPV6_V6ONLY), 0);
	set_int(IPV6_V6ONLY, 1, -EINVAL); /* bound */
	ck_assert_int_eq(get_int(IPV6_TCLASS), 0);
	set_int(IPV6_TCLASS, 256, -EINVAL);
	set_int(IPV6_TCLASS, -2, -EINVAL);
	set_int(IPV6_TCLASS, 255, 0);
	ck_assert_int_eq(get_int(IPV6_TCLASS), 255);
	set_int(IPV6_TCLASS, -1, 0);
	ck_assert_int_eq(get_int(IPV6_TCLASS), 0);
	ck_assert_int_eq(get_int(IPV6_UNICAST_HOPS), 64);
	set_int(IPV6_UNICAST_HOPS, 256, -EINVAL);
	set_int(IPV6_UNICAST_HOPS, -2, -EINVAL);
	set_int(IPV6_UNICAST_HOPS, 0, 0);
	ck_assert_int_eq(get_int(IPV6_UNICAST_HOPS), 0);
	set_int(IPV6_UNICAST_HOPS, -1, 0);
	ck_assert_int_eq(get_int(IPV6_UNICAST_HOPS), 64);
	ck_assert_int_eq(get_int(IPV6_MTU_DISCOVER), IPV6_PMTUDISC_WANT);
	set_int(IPV6_MTU_DISCOVER, 6, -EINVAL);
	set_int(IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT, 0);
	ck_assert_int_eq(get_int(IPV6_MTU), -ENOTCONN);
	set_int(IPV6_MTU, 1279, -EINVAL);
	set_int(IPV6_MTU, 1280, 0);
	set_int(IPV6_MTU, 0, 0);
	ck_assert_int_eq(stack_setopt(e.st, sk, IPPROTO_IPV6, IPV6_TCLASS, "a", 1, e.now), -EINVAL);
	set_int(9999, 1, -ENOPROTOOPT);
}
END_TEST

START_TEST(an_ipv4_socket_has_no_ipv6_options)
{
	struct endpoint at = {.addr = ip_addr_v4(0), .port = 99};
	struct sock *v4;
	int v = 1;

	opts.v6 = 0;
	ck_assert_int_eq(stack_udp_open(e.st, &at, &opts, &v4), 0);
	ck_assert_int_eq(stack_setopt(e.st, v4, IPPROTO_IPV6, IPV6_TCLASS, &v, 4, e.now),
			 -ENOPROTOOPT);
	stack_close(e.st, v4, e.now);
}
END_TEST

/* ---- sockets for one family or both --------------------------------------------------------- */

static struct sock *udp_at(struct ip_addr a, uint16_t port, bool v6only)
{
	struct sock_opts o = opts;
	struct endpoint at = ep(a, port);
	struct sock *s;

	o.v6only = v6only;
	o.reuseaddr = 1;
	ck_assert_int_eq(stack_udp_open(e.st, &at, &o, &s), 0);
	return s;
}

static enum stat_id to_v4(uint16_t port)
{
	size_t len = pkt_udp(b, ep(ip_addr_v4(be32(0x0a000002)), 9),
			     ep(ip_addr_v4(be32(0x0a000001)), port), "x", 1);

	return env_rx(&e, ENV_DEV, b, len);
}

START_TEST(who_takes_a_mapped_datagram)
{
	struct ip_addr me4 = ip_addr_v4(be32(0x0a000001)), any6 = {.scope = 0}, from;
	struct sock *only, *any4, *exact;

	ck_assert_int_eq(stack_local_add(e.st, &me4), 0);
	only = udp_at(any6, 54, true);
	ck_assert_int_eq(to_v4(53), STAT_rx_packets);
	from = take(sk, 1).from.addr;
	ck_assert(ip_addr_is_v4(&from));
	ck_assert_int_eq(to_v4(54), STAT_drop_udp_no_socket);
	any4 = udp_at(ip_addr_v4(0), 54, false);
	ck_assert_int_eq(to_v4(54), STAT_rx_packets);
	take(any4, 1);
	exact = udp_at(me4, 54, false);
	ck_assert_int_eq(to_v4(54), STAT_rx_packets);
	take(exact, 1);
	stack_close(e.st, only, e.now);
	stack_close(e.st, any4, e.now);
	stack_close(e.st, exact, e.now);
}
END_TEST

/* The kernel's answers for two listeners, bound and listening in that order. */
START_TEST(bind_matrix)
{
	static const struct {
		const char *a, *b; /* "!::" is for IPv6 alone */
		bool clash;
	} row[] = {
		{"::", "::", true},
		{"::", "!::", true},
		{"!::", "!::", true},
		{"::", "0.0.0.0", true},
		{"!::", "0.0.0.0", false},
		{"::", "10.0.0.1", true},
		{"!::", "10.0.0.1", false},
		{"::", "fd00::1", true},
		{"!::", "fd00::1", true},
		{"0.0.0.0", "fd00::1", false},
		{"0.0.0.0", "10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"10.0.0.1", "fd00::1", false},
		{"fd00::1", "fd00::2", false},
		{"fd00::1", "fd00::1", true},
	};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(row); i++) {
		const char *text[2] = {row[i / 2].a, row[i / 2].b};
		struct sock *l[2] = {NULL, NULL};

		for (unsigned k = 0; k < 2; k++) {
			const char *t = text[(k + i) % 2];
			struct endpoint at = {.port = 80};
			struct sock_opts o = opts;
			uint32_t v4;

			o.v6only = *t == '!';
			t += *t == '!';
			if (inet_pton(AF_INET, t, &v4) == 1)
				at.addr = ip_addr_v4(v4);
			else
				at.addr = a6(t, 0);
			ck_assert_msg(stack_listen(e.st, &at, &o, 1, &l[k]) ==
					      (k && row[i / 2].clash ? -EADDRINUSE : 0),
				      "%s and %s", text[i % 2], text[(i + 1) % 2]);
		}
		stack_close(e.st, l[0], e.now);
		if (l[1])
			stack_close(e.st, l[1], e.now);
	}
}
END_TEST

/* ---- ICMPv6 --------------------------------------------------------------------------------- */

static enum stat_id error(uint8_t type, uint8_t code, uint32_t rest)
{
	size_t n = pkt_icmp(b, e.peer, e.me, type, code, rest, out, 67);

	return env_rx(&e, ENV_DEV, b, n);
}

START_TEST(errors_reach_their_flow)
{
	static const struct {
		uint8_t type, code;
		int err;
	} row[] = {
		{1, 0, 0},      {1, 1, EACCES}, {1, 2, 0},      {1, 3, 0}, {1, 4, ECONNREFUSED},
		{1, 5, EACCES}, {1, 6, EACCES}, {1, 7, EPROTO}, {3, 0, 0}, {4, 1, EPROTO},
	};
	struct endpoint l = ep(e.me, 53), r = ep(e.peer, 9);

	stack_udp_connect(e.st, sk, &l, &r);
	sent_one(e.peer);
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		ck_assert_int_eq(error(row[i].type, row[i].code, 0), STAT_icmp_errors);
		ck_assert_int_eq(sk->err, row[i].err);
		sk->err = 0;
	}
	ck_assert_int_eq(error(128, 0, 0), STAT_drop_icmp);
	out[55] ^= 1; /* another port: nobody's */
	ck_assert_int_eq(error(1, 4, 0), STAT_drop_icmp);
	out[55] ^= 1;
	out[29] ^= 1; /* not from us */
	ck_assert_int_eq(error(1, 4, 0), STAT_drop_icmp);
	out[29] ^= 1;
	b[57] ^= 1;
	ck_assert_int_eq(env_rx(&e, ENV_DEV, b, pkt_icmp(b, e.peer, e.me, 1, 4, 0, out, 60)),
			 STAT_drop_icmp);
	sock_ready(e.st, sk, 0, RDY_ERR, 0);
}
END_TEST

START_TEST(path_mtu_is_believed_from_1280)
{
	struct dst *d = dst_get(e.st, &e.peer);

	sent_one(e.peer);
	out[18] = 5; /* as if it had been 1320 bytes */
	out[19] = 0;
	ck_assert_int_eq(error(2, 0, 1279), STAT_drop_icmp);
	ck_assert_int_eq(error(2, 0, 1320), STAT_drop_icmp);
	ck_assert_uint_eq(dst_mtu(e.st, d), 1520);
	ck_assert_int_eq(error(2, 0, 1300), STAT_icmp_errors);
	ck_assert_uint_eq(dst_mtu(e.st, d), 1300);
	ck_assert_int_eq(error(2, 0, 1280), STAT_icmp_errors);
	ck_assert_uint_eq(dst_mtu(e.st, d), 1280);
	ck_assert(!dst_pmtu_learn(e.st, d, 100, e.now));
	dst_put(e.st, d);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, a_good_packet_arrives_with_its_marks);
	tcase_add_test(tc, cut_anywhere_it_still_arrives);
	tcase_add_test(tc, every_length_shorter_is_refused);
	tcase_add_test(tc, header);
	tcase_add_test(tc, udp_needs_its_checksum);
	tcase_add_test(tc, addresses);
	tcase_add_test(tc, loopback_on_the_loopback_device_only);
	tcase_add_test(tc, harmless_extension_headers_are_passed);
	tcase_add_test(tc, options_say_what_to_do_with_them);
	tcase_add_test(tc, options_out_of_shape);
	tcase_add_test(tc, extension_headers_that_end_it);
	tcase_add_test(tc, mutated_packets_end_in_a_counter);
	tcase_add_test(tc, a_link_local_address_is_its_links);
	tcase_add_test(tc, link_local_over_the_loopback_device);
	tcase_add_test(tc, header_out);
	tcase_add_test(tc, the_route_may_name_the_hop_limit);
	tcase_add_test(tc, options);
	tcase_add_test(tc, an_ipv4_socket_has_no_ipv6_options);
	tcase_add_test(tc, who_takes_a_mapped_datagram);
	tcase_add_test(tc, bind_matrix);
	tcase_add_test(tc, errors_reach_their_flow);
	tcase_add_test(tc, path_mtu_is_believed_from_1280);
}

int main(void)
{
	Suite *s = suite_create("ip6");
	TCase *tc = tcase_create("ip6");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	add_tests(tc);
	return run_suite(s);
}
