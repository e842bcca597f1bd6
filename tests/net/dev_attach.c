/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device room over a real veth, against the kernel on the other end. Needs root.
 *
 *   [ A: this program, shim/dev, a fake stack ] 10.77.0.1 --veth-- 10.77.0.2 [ B: kernel ]
 *
 * Prints TAP. Argument: auto, native or generic, for SHIM_XDP.
 */
#include <pthread.h>

#include "dev_rig.h"

static void attach(void)
{
	enum verdict why = VERDICT_undecided;
	struct dev_report r;

	begin();
	CHECK(dev_open(fake_sr, if_a, &why) == 0);
	if (failed) {
		printf("# verdict: %s\n", verdict_info[why].name);
		end("attaches");
		exit(1);
	}
	CHECK(dev_report(fake_sr, 0, &r) == 0);
	printf("# %s: %s%s%s%s, %u queues\n", r.ifname, r.native ? "native" : "generic",
	       r.multibuf ? ", wide frames" : "", r.tx_csum ? ", checksum offload" : "",
	       r.gso_door ? ", bulk door" : "", r.queues);
	CHECK(r.queues >= 1 && r.mtu == 1500 && !r.zerocopy);
	CHECK(r.native == (knobs.xdp == KNOB_xdp_native));
	CHECK(fake_dev[1].up && !memcmp(fake_dev[1].mac, mac_a, 6) && fake_dev[1].rx_partial_ok);
	CHECK(dev_report(fake_sr, 1, &r) == -ENOENT);
	CHECK(dev_open(fake_sr, if_a, &why) == 0); /* again: nothing happens */
	CHECK(run("ip -n %s link show %s | grep -q xdp", ns_a, if_a) == 0);
	end("attaches");
}

static void kernel_check(void)
{
	int s, c;

	CHECK(reap(peer(peer_pings)) == 0);
	CHECK(listen_on(SOCK_STREAM, 7005, &s));
	CHECK(run("ip netns exec %s timeout 3 bash -c 'exec 3<>/dev/tcp/" ADDR_A "/7005'", ns_b) ==
	      0);
	c = accept(s, NULL, NULL);
	CHECK(c >= 0);
	close(c);
	close(s);
	turn();
	CHECK(fake_rx_n == 0);
}

static void kernel_is_left_alone(void)
{
	begin();
	kernel_check();
	end("ping_and_unclaimed_port_reach_the_kernel");
}

static struct dev_report report(void)
{
	struct dev_report r = {0};

	usleep(1100000); /* what it says is read once a second */
	dev_news(fake_sr, now_ns());
	dev_report(fake_sr, 0, &r);
	return r;
}

static void claimed_udp(void)
{
	struct dev_report r;
	static const uint32_t size[] = {0, 1, 100, 1472};
	struct endpoint any = ep("0.0.0.0", 7000);
	struct pollfd pfd = {.events = POLLIN};
	uint8_t b[4096];
	uint32_t i, j;
	pid_t pid;

	begin();
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any) == 0);
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any) == 0);
	CHECK(listen_on(SOCK_DGRAM, 7001, &pfd.fd));
	pid = peer(peer_sends_sizes);
	CHECK(turn_until(4, WAIT_MS));
	CHECK(reap(pid) == 0);
	CHECK(fake_rx_n == 4);
	r = report();
	CHECK(r.steered >= 4 && r.passed >= 3); /* the ping, a connection, the unclaimed datagram */
	CHECK(r.rx_ring_full == 0 && r.rx_invalid == 0 && r.rx_fill_empty == 0);
	for (i = 0; i < fake_rx_n && i < 4; i++) {
		uint32_t len = fake_rx_copy(i, b, sizeof(b));
		const struct udp_hdr *u = (void *)(b + 34);

		CHECK(fake_rx[i].dev == 1);
		CHECK(len == 42 + size[i] || (len == 60 && size[i] < 18));
		CHECK(!memcmp(b, mac_a, 6) && be16(u->dport) == 7000);
		CHECK(be16(u->len) == 8 + size[i]);
		for (j = 0; j < size[i] && b[42 + j] == pattern(j); j++)
			;
		CHECK(j == size[i]);
	}
	CHECK(poll(&pfd, 1, WAIT_MS) == 1);
	close(pfd.fd);
	/* two claims: the first to go changes nothing */
	claim_del(fake_sr, IPPROTO_UDP, &any);
	begin();
	pid = peer(peer_sends_sizes);
	CHECK(turn_until(4, WAIT_MS));
	reap(pid);
	claim_del(fake_sr, IPPROTO_UDP, &any);
	fake_rx_clear();
	pid = peer(peer_sends_sizes);
	reap(pid);
	CHECK(!turn_until(1, 200));
	end("claimed_udp_arrives_and_nothing_else");
}

static int peer_sends_train(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(7002),
				  .sin_addr.s_addr = inet_addr(ADDR_A)};
	int s = socket(AF_INET, SOCK_DGRAM, 0), seg = 1000;
	char b[5000] = {0};

	if (setsockopt(s, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &seg, sizeof(seg)))
		return 1;
	return sendto(s, b, sizeof(b), 0, (struct sockaddr *)&sin, sizeof(sin)) != sizeof(b);
}

static void udp_train(void)
{
	struct endpoint any = ep("0.0.0.0", 7002);
	struct pollfd pfd = {.events = POLLIN};
	char b[8192];
	int i, n = 0;

	begin();
	CHECK(listen_on(SOCK_DGRAM, 7002, &pfd.fd));
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any) == 0);
	CHECK(reap(peer(peer_sends_train)) == 0);
	turn_until(5, 300);
	for (i = 0; i < 6 && poll(&pfd, 1, fake_rx_n + (uint32_t)n < 5 ? 500 : 0) == 1; i++) {
		CHECK(recv(pfd.fd, b, sizeof(b), 0) == 1000);
		n++;
	}
	CHECK(fake_rx_n + (uint32_t)n == 5); /* each as a datagram of its own, by either door */
	close(pfd.fd);
	claim_del(fake_sr, IPPROTO_UDP, &any);
	end("train_of_datagrams_is_not_taken_for_one");
}

static int peer_sends_new(void)
{
	return !udp_to("10.77.0.9", 7000, "hello", 5) || !udp_to("10.77.0.9", 7000, "again", 5);
}

static void address_changes(void)
{
	struct endpoint any = ep("0.0.0.0", 7000);
	struct ip_addr a = ip_addr_v4(inet_addr("10.77.0.9"));

	begin();
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any) == 0);
	CHECK(!dev_serves(fake_sr, &a) && !fake_local(&a));
	CHECK(run("ip -n %s addr add 10.77.0.9/24 dev %s", ns_a, if_a) == 0);
	turn();
	CHECK(dev_serves(fake_sr, &a) && fake_local(&a));
	CHECK(reap(peer(peer_sends_new)) == 0);
	CHECK(turn_until(2, WAIT_MS));
	CHECK(run("ip -n %s addr del 10.77.0.9/24 dev %s", ns_a, if_a) == 0);
	fake_flushes = 0;
	turn();
	CHECK(!dev_serves(fake_sr, &a) && !fake_local(&a) && fake_flushes > 0);
	claim_del(fake_sr, IPPROTO_UDP, &any);
	end("claims_follow_the_addresses");
}

/* A peer's UDP socket says what it got: the exit status is the number of good datagrams. */
static int peer_counts(void)
{
	struct pollfd pfd = {.events = POLLIN};
	uint8_t b[2048];
	int n = 0, wait = WAIT_MS;
	ssize_t i, len;

	if (!listen_on(SOCK_DGRAM, 7100, &pfd.fd))
		return 255;
	for (; poll(&pfd, 1, wait) == 1; wait = 400) {
		len = recv(pfd.fd, b, sizeof(b), 0);
		for (i = 0; i < len && b[i] == pattern((uint32_t)i); i++)
			;
		if (len == 1000 && i == len)
			n++;
	}
	return n;
}

static void tx_checksum(void)
{
	uint8_t data[1000];
	pid_t pid;
	uint32_t i;

	begin();
	for (i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	/* Without offload on this end the kernel completes checksums, and the other end checks
	 * them. */
	CHECK(run("ip netns exec %s ethtool -K %s tx off >/dev/null 2>&1", ns_a, if_a) == 0);
	pid = peer(peer_counts);
	usleep(300000);
	for (i = 0; i < 150; i++)
		send_udp(7100, data, sizeof(data), true);
	send_udp(7100, data, sizeof(data), false); /* its checksum is wrong: must not arrive */
	for (i = 0; i < 20; i++)
		turn();
	CHECK(reap(pid) == (fake_dev[1].tx_csum ? 150 : 0));
	CHECK(run("ip netns exec %s ethtool -K %s tx on >/dev/null 2>&1", ns_a, if_a) == 0);
	CHECK(stack_frames(fake_sr->st)->nfree > 0 && txq_used(stack_txq(fake_sr->st)) == 0);
	end("checksum_is_completed_and_checked_by_the_receiver");
}

static void neighbours(void)
{
	struct ip_addr b = ip_addr_v4(inet_addr(ADDR_B)),
		       none = ip_addr_v4(inet_addr("10.77.0.99")),
		       far = ip_addr_v4(inet_addr("198.51.100.1")), src;
	uint64_t until;
	int dev;

	begin();
	CHECK(run("ip -n %s neigh flush all", ns_a) == 0);
	fake_dst_n = fake_neigh_n = 0;
	fake_want(&b);
	turn();
	CHECK(fake_dst_n == 1 && fake_dst.dev == 1 && ip_addr_eq(&fake_dst.next_hop, &b));
	until = now_ns() + WAIT_MS * 1000000ull;
	while (fake_dst.state == DST_WAIT && !fake_neigh_n && now_ns() < until)
		turn();
	CHECK(!memcmp(fake_dst.state == DST_OK ? fake_dst.mac : fake_neigh_mac, mac_b, 6));
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
	fake_want(&far);
	turn();
	CHECK(fake_dst.state == DST_UNREACHABLE && fake_dst.err == ENETUNREACH);
	CHECK(dev_route(fake_sr, &far, &dev, &src) == -ENETUNREACH);
	CHECK(dev_route(fake_sr, &b, &dev, &src) == 0 && dev == 1);
	CHECK(ip_addr_to_v4(&src) == inet_addr(ADDR_A));
	CHECK(run("ip -n %s route add 198.51.100.0/24 via " ADDR_B " mtu 1400", ns_a) == 0);
	fake_flushes = 0;
	turn();
	CHECK(fake_flushes > 0);
	fake_want(&far);
	turn();
	CHECK(ip_addr_eq(&fake_dst.next_hop, &b) && fake_dst.mtu == 1400);
	end("the_kernel_resolves_neighbours_and_routes");
}

static void link_changes(void)
{
	struct endpoint any = ep("0.0.0.0", 7000);
	pid_t pid;
	int i;

	begin();
	CHECK(run("ip -n %s link set %s down", ns_a, if_a) == 0);
	turn();
	CHECK(!fake_dev[1].up);
	send_udp(9, "x", 1, false); /* goes nowhere, and comes back to the pool */
	turn();
	CHECK(txq_used(stack_txq(fake_sr->st)) == 0);
	CHECK(run("ip -n %s link set %s mtu 1400 up", ns_a, if_a) == 0);
	for (i = 0; i < WAIT_MS && !fake_dev[1].up; i++) { /* the carrier takes up to a second */
		turn();
		usleep(1000);
	}
	CHECK(fake_dev[1].up && fake_dev[1].mtu == 1400);
	CHECK(run("ip -n %s link set %s mtu 1500", ns_a, if_a) == 0);
	turn();
	CHECK(fake_dev[1].mtu == 1500);
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any) == 0);
	pid = peer(peer_sends_sizes);
	CHECK(turn_until(4, WAIT_MS));
	reap(pid);
	claim_del(fake_sr, IPPROTO_UDP, &any);
	end("link_down_and_up");
}

/* A family of its own, in a process of its own. */
static pid_t rival(bool stays, int *fd)
{
	int p[2];
	char c;
	pid_t pid;

	if (pipe(p))
		return -1;
	pid = fork();
	if (pid == 0) {
		enum verdict why;
		int err;

		alarm(20);
		/* the mappings and descriptors of the parent are no business of this family */
		close(p[0]);
		execl("/proc/self/exe", "dev_attach", stays ? "--hold" : "--try", if_a,
		      knobs.xdp == KNOB_xdp_native ? "native" : "generic",
		      (char[]){(char)('0' + p[1] / 100), (char)('0' + p[1] / 10 % 10),
			       (char)('0' + p[1] % 10), 0},
		      NULL);
		err = 0, why = VERDICT_error;
		_exit(err + (int)why);
	}
	close(p[1]);
	if (stays && read(p[0], &c, 1) != 1)
		printf("# the rival did not attach\n");
	*fd = p[0];
	return pid;
}

static void second_claimant(void)
{
	int fd, status;

	begin();
	status = reap(rival(false, &fd));
	close(fd);
	CHECK(status == VERDICT_xdp_busy || status == VERDICT_queue_busy);
	printf("# verdict of the second: %s\n",
	       status < VERDICT_COUNT ? verdict_info[status].name : "-");
	CHECK(run("ip -n %s link show %s | grep -q xdp", ns_a, if_a) == 0);
	end("a_second_claimant_is_refused_cleanly");
}

static void close_and_reopen(void)
{
	struct frame_pool *fp = stack_frames(fake_sr->st);
	enum verdict why;

	begin();
	dev_close(fake_sr);
	CHECK(fp->nfree == fp->count);
	CHECK(run("ip -n %s link show %s | grep -q xdp", ns_a, if_a) != 0);
	CHECK(dev_open(fake_sr, if_a, &why) == 0);
	kernel_check();
	dev_close(fake_sr);
	CHECK(fp->nfree == fp->count);
	end("closes_and_opens_again_without_losing_a_frame");
}

static _Atomic bool looks_end;

/* As other threads do before they sleep, or that spin: no lock. */
static void *looks(void *arg)
{
	uint64_t n = 0;

	while (!looks_end)
		n += dev_rx_pending(fake_sr) + dev_tx_pending(fake_sr);
	return arg;
}

static void closed_while_others_look(void)
{
	struct frame_pool *fp = stack_frames(fake_sr->st);
	enum verdict why;
	pthread_t t;

	begin();
	CHECK(pthread_create(&t, NULL, looks, NULL) == 0);
	for (int i = 0; i < 5; i++) {
		CHECK(dev_open(fake_sr, if_a, &why) == 0);
		usleep(20000);
		dev_close(fake_sr);
		CHECK(fp->nfree == fp->count);
	}
	looks_end = true;
	pthread_join(t, NULL);
	end("closes_while_other_threads_look");
}

static void killed(void)
{
	int fd, i;
	pid_t pid;

	begin();
	pid = rival(true, &fd);
	CHECK(run("ip -n %s link show %s | grep -q xdp", ns_a, if_a) == 0);
	kill(pid, SIGKILL);
	reap(pid);
	close(fd);
	for (i = 0; i < 20 && run("ip -n %s link show %s | grep -q xdp", ns_a, if_a) == 0; i++)
		usleep(100000);
	CHECK(i < 20);
	CHECK(reap(peer(peer_pings)) == 0);
	end("killed_leaves_nothing_attached");
}

static void loopback(void)
{
	struct frame_pool *fp = stack_frames(fake_sr->st);
	struct ip_addr lo = ip_addr_v4(inet_addr("127.0.0.1")), lo6 = a6("::1", 0);
	struct blk *bulk = bulk_make();
	static uint8_t b[1 << 17];
	uint8_t hdr[54] = {0};
	struct tx_ent *e;
	uint32_t i, len;

	begin();
	CHECK(!dev_serves(fake_sr, &lo) && !dev_serves(fake_sr, &lo6));
	CHECK(dev_open_loopback(fake_sr) == 0 && dev_serves(fake_sr, &lo) && fake_local(&lo));
	CHECK(dev_serves(fake_sr, &lo6) && fake_local(&lo6));
	e = fake_send(0, hdr, sizeof(hdr));
	e->flags = TXF_GSO | TXF_CSUM;
	e->blk = bulk;
	e->blk_off = bulk->start;
	e->blk_len = GSO_BYTES;
	fake_send(0, hdr, sizeof(hdr));
	dev_tx(fake_sr, now_ns());
	dev_kick(fake_sr, true);
	CHECK(dev_rx_pending(fake_sr));
	CHECK(dev_rx(fake_sr, 1, now_ns()) == 1 && dev_rx(fake_sr, 64, now_ns()) == 1);
	CHECK(!dev_rx_pending(fake_sr) && fake_rx_n == 2);
	len = fake_rx_copy(0, b, sizeof(b));
	CHECK(len == sizeof(hdr) + GSO_BYTES);
	for (i = 0; i < GSO_BYTES && b[sizeof(hdr) + i] == pattern(i); i++)
		;
	CHECK(i == GSO_BYTES);
	fake_want(&lo);
	turn();
	CHECK(fake_dst.state == DST_OK && fake_dst.dev == STACK_DEV_LOOP);
	fake_want(&lo6);
	turn();
	CHECK(fake_dst.state == DST_OK && fake_dst.dev == STACK_DEV_LOOP);
	fake_rx_clear();
	dev_close(fake_sr);
	CHECK(fp->nfree == fp->count);
	free(bulk);
	end("loopback_turns_frames_round");
}

/* ---- more interfaces ------------------------------------------------------------------------ */

static int peer_sends_many(void)
{
	char b[100] = {0};
	int i, ok = 1;

	for (i = 0; i < 64; i++) /* as many source ports: they spread over the queues */
		ok &= udp_to("10.78.0.1", 7000, b, sizeof(b)) && udp_to(ADDR_A, 7000, b, sizeof(b));
	return !ok;
}

static void two_interfaces(void)
{
	struct endpoint any = ep("0.0.0.0", 7000);
	uint32_t i, n[3] = {0, 0, 0}, queues = 0;
	enum verdict why;
	struct dev_report r;

	begin();
	CHECK(run("ip link add %sq numrxqueues 4 numtxqueues 4 type veth peer name pq netns %s "
		  "numrxqueues 4 numtxqueues 4 && ip addr add 10.78.0.1/24 dev %sq && "
		  "ip link set %sq up && ip -n %s addr add 10.78.0.2/24 dev pq && "
		  "ip -n %s link set pq up",
		  if_a, ns_b, if_a, if_a, ns_b, ns_b) == 0);
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any) == 0);
	CHECK(dev_open(fake_sr, NULL, &why) == 0); /* auto, without a default route: all */
	CHECK(dev_report(fake_sr, 1, &r) == 0);
	if (!failed)
		queues = r.queues;
	CHECK(queues == 4);
	CHECK(reap(peer(peer_sends_many)) == 0);
	CHECK(turn_until(128, WAIT_MS));
	for (i = 0; i < fake_rx_n; i++)
		n[fake_rx[i].dev % 3]++;
	CHECK(n[1] == 64 && n[2] == 64);
	claim_del(fake_sr, IPPROTO_UDP, &any);
	end("two_interfaces_and_four_queues");
}

/* By hand, so that no VLAN device is needed. tagged: 802.1Q, VLAN 9, around a datagram that we
 * claim. */
static int send_raw(bool tagged)
{
	static const uint8_t tag[4] = {0x81, 0x00, 0x00, 0x09};
	uint8_t b[256];
	struct udp_hdr *u = (void *)headers(b, IPPROTO_UDP, 8 + 6);
	struct ip4_hdr *ip = (void *)(b + ETH_HLEN_BYTES);
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(if_b)};
	size_t len = ETH_HLEN_BYTES + 20 + 8 + 6;
	int s = socket(AF_PACKET, SOCK_RAW, 0);
	bool sent;

	memcpy(b, mac_a, 6);
	memcpy(b + 6, mac_b, 6);
	ip->src = inet_addr(ADDR_B); /* the sum stays: the addresses change places */
	ip->dst = inet_addr(ADDR_A);
	*u = (struct udp_hdr){be16(5555), be16(7000), be16(8 + 6), 0};
	memcpy(u + 1, "tagged", 6);
	if (tagged) {
		memmove(b + 12 + sizeof(tag), b + 12, len - 12);
		memcpy(b + 12, tag, sizeof(tag));
		len += sizeof(tag);
	}
	sent = sendto(s, b, len, 0, (struct sockaddr *)&ll, sizeof(ll)) == (ssize_t)len;
	close(s);
	return !sent;
}

static int peer_sends_tagged(void)
{
	return send_raw(true);
}

static int peer_sends_untagged(void)
{
	return send_raw(false);
}

/* True when the kernel hands the datagram of send_raw() to a packet socket. */
static bool tap_sees(int tap, int ms)
{
	struct pollfd pfd = {.fd = tap, .events = POLLIN};
	uint8_t b[256];
	ssize_t n;

	while (poll(&pfd, 1, ms) == 1) {
		n = recv(tap, b, sizeof(b), 0);
		if (n > 6 && !memcmp(b + n - 6, "tagged", 6))
			return true;
	}
	return false;
}

static void vlan(void)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex(if_a)};
	struct endpoint any = ep("0.0.0.0", 7000);
	int tap = socket(AF_PACKET, SOCK_RAW, 0);

	begin();
	CHECK(bind(tap, (struct sockaddr *)&ll, sizeof(ll)) == 0);
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any) == 0);
	CHECK(reap(peer(peer_sends_untagged)) == 0);
	CHECK(turn_until(1, WAIT_MS));
	CHECK(!tap_sees(tap, 100)); /* it is ours, */
	fake_rx_clear();
	CHECK(reap(peer(peer_sends_tagged)) == 0);
	CHECK(tap_sees(tap, WAIT_MS)); /* and that one is the kernel's */
	turn();
	CHECK(fake_rx_n == 0);
	close(tap);
	claim_del(fake_sr, IPPROTO_UDP, &any);
	end("a_tagged_packet_goes_to_the_kernel");
}

/* A datagram of ours to a closed port: the error that quotes it is for the shadow, the kernel's.
 * Errors that quote TCP come to us: tests/net/steer.sh. */
static void icmp_error(void)
{
	struct endpoint l = ep(ADDR_A, 5555), r = ep(ADDR_B, 7300);

	begin();
	CHECK(flow_add(fake_sr, IPPROTO_UDP, &l, &r) == 0);
	send_udp(7300, "anybody there?", 14, true);
	CHECK(!turn_until(1, 200));
	flow_del(fake_sr, IPPROTO_UDP, &l, &r);
	end("icmp_errors_about_our_datagrams_are_the_kernels");
}

static int rival_main(char **argv)
{
	enum verdict why = VERDICT_undecided;
	int err;

	knobs.xdp = strcmp(argv[3], "native") ? KNOB_xdp_generic : KNOB_xdp_native;
	fake_init();
	err = dev_open(fake_sr, argv[2], &why);
	if (!strcmp(argv[1], "--try"))
		return err ? (int)why : 0;
	if (err || write(atoi(argv[4]), "", 1) != 1)
		return 1;
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	pid_t early;

	knobs_default(&knobs);
	if (argc == 5)
		return rival_main(argv);
	if (getuid() != 0) {
		printf("1..0 # SKIP needs root\n");
		return 77;
	}
	if (argc > 1 && knob_set(&knobs, KNOB_ID_xdp, argv[1], NULL, 0))
		return 2;
	if (getenv("SHIM_LOG"))
		log_setup(getenv("SHIM_LOG"));
	signal(SIGPIPE, SIG_IGN);
	alarm(100);
	fake_init();
	set_up();
	early = early_bird();
	attach();
	early_bird_joins(early);
	kernel_is_left_alone();
	claimed_udp();
	udp_train();
	address_changes();
	tx_checksum();
	bulk_both_ways();
	neighbours();
	icmp_error();
	v6_cases();
	given_back();
	link_changes();
	privileges();
	vlan();
	two_interfaces();
	second_claimant();
	close_and_reopen();
	closed_while_others_look();
	killed();
	loopback();
	printf("1..%d\n", cases);
	return failures != 0;
}
