/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv6 in the device room: addresses and their states, routes, neighbours, claims, errors. */
#include "dev_rig.h"

#include <netinet/icmp6.h>

static char link_a[64], link_b[64]; /* link-local addresses of both ends */
static uint32_t ifindex;

static bool udp6_to(const char *addr, const char *dev, uint16_t port, const void *data, size_t len)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(port),
				    .sin6_scope_id = dev ? if_nametoindex(dev) : 0};
	int s = socket(AF_INET6, SOCK_DGRAM, 0);
	bool ok;

	inet_pton(AF_INET6, addr, &sin6.sin6_addr);
	ok = sendto(s, data, len, 0, (struct sockaddr *)&sin6, sizeof(sin6)) == (ssize_t)len;
	close(s);
	return ok;
}

static int peer_sends6(void)
{
	return !udp6_to(ADDR6_A, NULL, 7000, "claimed", 7) ||
	       !udp6_to(link_a, if_b, 7000, "claimed", 7) ||
	       !udp6_to(ADDR6_A, NULL, 7001, "kernel", 6) || !udp_to(ADDR_A, 7000, "v4", 2);
}

/* The link-local address of an interface, once it is sure of it. */
static void link_local(const char *ns, const char *dev, char *text)
{
	char cmd[256];
	FILE *f;
	int i, n = 0;

	for (i = 0; i < 40 && n != 1; i++) {
		snprintf(cmd, sizeof(cmd),
			 "ip -n %s -6 addr show dev %s scope link -tentative | "
			 "sed -n 's,.*inet6 \\([^/]*\\)/.*,\\1,p'",
			 ns, dev);
		f = popen(cmd, "r");
		n = f ? fscanf(f, "%63s", text) : 0;
		if (f)
			pclose(f);
		if (n != 1)
			usleep(100000);
	}
	CHECK(n == 1);
}

static int listen6(uint16_t port)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int s = socket(AF_INET6, SOCK_DGRAM, 0), one = 1;

	setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	CHECK(bind(s, (struct sockaddr *)&sin6, sizeof(sin6)) == 0);
	return s;
}

static void claimed6(void)
{
	struct endpoint any6 = {.port = 7000}, any4 = ep("0.0.0.0", 7000);
	struct pollfd pfd = {.events = POLLIN};
	uint8_t b[256];
	uint32_t i;

	begin();
	pfd.fd = listen6(7001);
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any6) == 0);
	CHECK(reap(peer(peer_sends6)) == 0);
	CHECK(turn_until(2, WAIT_MS));
	for (i = 0; i < fake_rx_n; i++) {
		CHECK(fake_rx_copy(i, b, sizeof(b)) >= 69);
		CHECK(b[12] == 0x86 && b[13] == 0xdd && !memcmp(b + 62, "claimed", 7));
	}
	CHECK(poll(&pfd, 1, WAIT_MS) == 1);
	turn();
	CHECK(fake_rx_n == 2); /* not that of IPv4: :: does not stand for it */
	close(pfd.fd);
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any4) == 0);
	fake_rx_clear();
	CHECK(reap(peer(peer_sends6)) == 0);
	CHECK(turn_until(3, WAIT_MS));
	claim_del(fake_sr, IPPROTO_UDP, &any6);
	fake_rx_clear();
	CHECK(reap(peer(peer_sends6)) == 0);
	CHECK(turn_until(1, WAIT_MS));
	CHECK(!turn_until(2, 200));
	claim_del(fake_sr, IPPROTO_UDP, &any4);
	end("claims_of_any_address_are_by_family");
}

static int peer_sends_link(void)
{
	return !udp6_to(link_a, if_b, 7003, "claimed", 7);
}

static void zones(void)
{
	struct endpoint here = {a6(link_a, ifindex), 7003},
			there = {a6(link_a, ifindex + 77), 7003};
	struct ip_addr src;
	int dev;

	begin();
	CHECK(dev_serves(fake_sr, &here.addr) && !dev_serves(fake_sr, &there.addr));
	CHECK(fake_local(&here.addr) && !fake_local(&there.addr));
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &there) == 0);
	CHECK(reap(peer(peer_sends_link)) == 0);
	CHECK(!turn_until(1, 200));
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &here) == 0);
	claim_del(fake_sr, IPPROTO_UDP, &there); /* its key is the other's, but for the link */
	CHECK(reap(peer(peer_sends_link)) == 0);
	CHECK(turn_until(1, WAIT_MS));
	claim_del(fake_sr, IPPROTO_UDP, &here);
	here.addr = a6(link_b, ifindex);
	CHECK(dev_route(fake_sr, &here.addr, &dev, &src) == 0 && dev == 1);
	there.addr = a6(link_a, ifindex);
	CHECK(ip_addr_eq(&src, &there.addr));
	CHECK(resolves(&here.addr));
	end("link_local_addresses_belong_to_their_link");
}

/* Turns until a is, or is not, this host's. */
static bool local_until(const struct ip_addr *a, bool is, int ms)
{
	uint64_t end = now_ns() + (uint64_t)ms * 1000000;

	do {
		turn();
		usleep(2000);
	} while (fake_local(a) != is && now_ns() < end);
	return fake_local(a) == is;
}

static void uniqueness(void)
{
	struct ip_addr fresh = a6("fd77::9", 0), taken = a6(ADDR6_B, 0);

	begin();
	CHECK(run("ip -n %s addr add fd77::9/64 dev %s && ip -n %s addr add " ADDR6_B "/64 dev %s",
		  ns_a, if_a, ns_a, if_a) == 0);
	turn();
	CHECK(!fake_local(&fresh) && !fake_local(&taken)); /* tentative */
	CHECK(local_until(&fresh, true, 5000));
	CHECK(!local_until(&taken, true, 1000)); /* the peer objects */
	CHECK(run("ip -n %s addr del " ADDR6_B "/64 dev %s", ns_a, if_a) == 0);
	CHECK(run("ip -n %s addr change fd77::9/64 dev %s preferred_lft 0", ns_a, if_a) == 0);
	turn();
	CHECK(fake_local(&fresh)); /* deprecated, and still ours */
	CHECK(run("ip -n %s addr del fd77::9/64 dev %s", ns_a, if_a) == 0);
	CHECK(local_until(&fresh, false, 1000));
	end("tentative_addresses_become_ours_when_they_are_sure");
}

static void neighbours6(void)
{
	struct ip_addr b = a6(ADDR6_B, 0), none = a6("fd77::99", 0), src, us = a6(ADDR6_A, 0);
	uint64_t until;
	int dev;

	begin();
	CHECK(run("ip -n %s -6 neigh flush dev %s", ns_a, if_a) == 0);
	CHECK(resolves(&b));
	CHECK(fake_dst.dev == 1 && ip_addr_eq(&fake_dst.next_hop, &b));
	fake_neigh_n = 0;
	fake_want(&none);
	turn();
	CHECK(fake_dst.state == DST_WAIT);
	until = now_ns() + 6000000000ull;
	while (!fake_neigh_n && now_ns() < until) {
		turn();
		usleep(1000);
	}
	CHECK(fake_neigh_n == 1 && fake_neigh_failed);
	CHECK(dev_route(fake_sr, &b, &dev, &src) == 0 && dev == 1 && ip_addr_eq(&src, &us));
	end("the_kernel_resolves_neighbours_of_ipv6");
}

static void routes6(void)
{
	struct ip_addr far = a6("2001:db8::1", 0), gate = a6(link_b, ifindex), src;
	struct ip_addr far4 = ip_addr_v4(inet_addr("198.51.102.1"));
	int dev;

	begin();
	fake_want(&far);
	turn();
	CHECK(fake_dst.state == DST_UNREACHABLE && fake_dst.err == ENETUNREACH);
	CHECK(dev_route(fake_sr, &far, &dev, &src) == -ENETUNREACH);
	CHECK(run("ip -n %s -6 route add 2001:db8::/32 via %s dev %s mtu 1300", ns_a, link_b,
		  if_a) == 0);
	fake_flushes = 0;
	turn();
	CHECK(fake_flushes > 0);
	CHECK(resolves(&far));
	CHECK(ip_addr_eq(&fake_dst.next_hop, &gate) && fake_dst.mtu == 1300);
	CHECK(fake_dst.hop_limit == 64);
	CHECK(run("ip -n %s route add 198.51.102.0/24 via inet6 %s dev %s", ns_a, link_b, if_a) ==
	      0);
	turn();
	CHECK(resolves(&far4)); /* IPv4 by way of a router of IPv6 */
	CHECK(ip_addr_eq(&fake_dst.next_hop, &gate));
	end("routes_of_ipv6_and_across_families");
}

static void device_limits(void)
{
	struct ip_addr b = a6(ADDR6_B, 0);

	begin();
	CHECK(run("ip netns exec %s sh -c 'echo 1400 >/proc/sys/net/ipv6/conf/%s/mtu; "
		  "echo 33 >/proc/sys/net/ipv6/conf/%s/hop_limit'",
		  ns_a, if_a, if_a) == 0);
	usleep(1100000); /* it changes without news, and is believed for a second */
	CHECK(resolves(&b));
	CHECK(fake_dst.mtu == 1400 && fake_dst.hop_limit == 33);
	CHECK(run("ip netns exec %s sh -c 'echo 1500 >/proc/sys/net/ipv6/conf/%s/mtu; "
		  "echo 64 >/proc/sys/net/ipv6/conf/%s/hop_limit'",
		  ns_a, if_a, if_a) == 0);
	end("mtu_and_hop_limit_of_ipv6_are_the_devices");
}

static void send_udp6(uint16_t dport)
{
	struct ip_addr a = a6(ADDR6_A, 0), b = a6(ADDR6_B, 0);
	uint8_t f[ETH_HLEN_BYTES + sizeof(struct ip6_hdr) + sizeof(struct udp_hdr)];
	struct eth_hdr *eth = (void *)f;
	struct ip6_hdr *ip = (void *)(eth + 1);
	struct udp_hdr *u = (void *)(ip + 1);

	memcpy(eth->dst, mac_b, 6);
	memcpy(eth->src, mac_a, 6);
	eth->type = be16(ETHERTYPE_IP6);
	*ip = (struct ip6_hdr){be32(6u << 28), be16(sizeof(*u)), IPPROTO_UDP, 64, {0}, {0}};
	memcpy(ip->src, a.b, 16);
	memcpy(ip->dst, b.b, 16);
	*u = (struct udp_hdr){be16(5555), be16(dport), be16(sizeof(*u)), 0};
	u->csum = csum_fold(csum_pseudo(&a, &b, IPPROTO_UDP, sizeof(*u)));
	u->csum = (uint16_t)~csum_fold(csum_add(0, u, sizeof(*u)));
	fake_send(1, f, sizeof(f));
}

/* As icmp_error() of dev_attach.c. */
static void icmp6_error(void)
{
	struct endpoint l = {a6(ADDR6_A, 0), 5555}, r = {a6(ADDR6_B, 0), 7300};

	begin();
	CHECK(flow_add(fake_sr, IPPROTO_UDP, &l, &r) == 0);
	send_udp6(7300);
	CHECK(!turn_until(1, 200));
	flow_del(fake_sr, IPPROTO_UDP, &l, &r);
	end("errors_of_icmpv6_about_our_datagrams_are_the_kernels");
}

static int peer_pings6(void)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
	struct pollfd pfd = {.fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), .events = POLLIN};
	struct icmp6_hdr echo = {.icmp6_type = ICMP6_ECHO_REQUEST}, got;

	inet_pton(AF_INET6, ADDR6_A, &to.sin6_addr);
	if (sendto(pfd.fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return 1;
	while (poll(&pfd, 1, WAIT_MS) == 1) {
		if (recv(pfd.fd, &got, sizeof(got), 0) >= (ssize_t)sizeof(got) &&
		    got.icmp6_type == ICMP6_ECHO_REPLY)
			return 0;
	}
	return 2;
}

static void kernel6(void)
{
	begin();
	CHECK(run("ip netns exec %s ip -6 neigh flush dev %s", ns_b, if_b) == 0);
	CHECK(reap(peer(peer_pings6)) == 0);
	turn();
	CHECK(fake_rx_n == 0);
	end("ping_and_neighbour_discovery_are_the_kernels");
}

void v6_cases(void)
{
	begin();
	ifindex = if_nametoindex(if_a);
	link_local(ns_a, if_a, link_a);
	link_local(ns_b, if_b, link_b);
	turn();
	CHECK(!failed);
	kernel6();
	claimed6();
	zones();
	uniqueness();
	neighbours6();
	routes6();
	device_limits();
	icmp6_error();
}
