/* SPDX-License-Identifier: BSD-2-Clause */
/* Namespaces, packets made by hand, and the peer's side of the device room's tests. */
#include "dev_rig.h"

char ns_a[32], ns_b[32], if_a[16], if_b[16];
uint8_t mac_a[6], mac_b[6];
int cases, failures, master;
bool failed;

int run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;
	int st;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	st = system(cmd);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 255;
}

static void enter(const char *ns)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET)) {
		printf("Bail out! %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(fd);
}

static void clean_up(void)
{
	if (getpid() != master)
		return;
	run("ip netns del %s 2>/dev/null; ip netns del %s 2>/dev/null", ns_a, ns_b);
}

static void read_mac(const char *ns, const char *dev, uint8_t *mac)
{
	char cmd[128];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "ip netns exec %s cat /sys/class/net/%s/address", ns, dev);
	f = popen(cmd, "r");
	if (!f || fscanf(f, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
			 &mac[4], &mac[5]) != 6) {
		printf("Bail out! no address of %s\n", dev);
		exit(1);
	}
	pclose(f);
}

void set_up(void)
{
	master = getpid();
	snprintf(ns_a, sizeof(ns_a), "dev%da", master);
	snprintf(ns_b, sizeof(ns_b), "dev%db", master);
	snprintf(if_a, sizeof(if_a), "dva%d", master);
	snprintf(if_b, sizeof(if_b), "dvb%d", master);
	atexit(clean_up);
	if (run("ip netns add %s && ip netns add %s && ip link add %s netns %s type veth peer name "
		"%s netns %s && ip -n %s addr add " ADDR_A "/24 dev %s && ip -n %s addr add " ADDR_B
		"/24 dev %s && ip -n %s link set lo up && ip -n %s link set %s up && "
		"ip -n %s link set %s up && ip -n %s addr add " ADDR6_A
		"/64 dev %s nodad && ip -n %s addr add " ADDR6_B "/64 dev %s nodad",
		ns_a, ns_b, if_a, ns_a, if_b, ns_b, ns_a, if_a, ns_b, if_b, ns_a, ns_a, if_a, ns_b,
		if_b, ns_a, if_a, ns_b, if_b)) {
		printf("1..0 # SKIP no network namespaces\n");
		exit(77);
	}
	read_mac(ns_a, if_a, mac_a);
	read_mac(ns_b, if_b, mac_b);
	enter(ns_a);
}

/* A child in namespace B. */
pid_t peer(int (*fn)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		enter(ns_b);
		_exit(fn());
	}
	return pid;
}

int reap(pid_t pid)
{
	int st;

	waitpid(pid, &st, 0);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 255;
}

struct endpoint ep(const char *addr, uint16_t port)
{
	return (struct endpoint){.addr = ip_addr_v4(inet_addr(addr)), .port = port};
}

struct ip_addr a6(const char *addr, uint32_t ifindex)
{
	uint8_t b[16];

	if (inet_pton(AF_INET6, addr, b) != 1)
		abort();
	return ip_addr_v6(b, ifindex);
}

bool resolves(const struct ip_addr *dst)
{
	uint64_t until = now_ns() + WAIT_MS * 1000000ull;

	fake_neigh_n = 0;
	fake_want(dst);
	turn();
	while (fake_dst.state == DST_WAIT && !fake_neigh_n && now_ns() < until)
		turn();
	return !memcmp(fake_dst.state == DST_OK ? fake_dst.mac : fake_neigh_mac, mac_b, 6);
}

void turn(void)
{
	dev_rx(fake_sr, 256, now_ns());
	dev_news(fake_sr, now_ns());
	dev_tx(fake_sr, now_ns());
	dev_kick(fake_sr, true);
}

/* Turns until at least n packets lie there. */
bool turn_until(uint32_t n, int ms)
{
	uint64_t end = now_ns() + (uint64_t)ms * 1000000;

	while (fake_rx_n < n && now_ns() < end) {
		turn();
		usleep(200);
	}
	return fake_rx_n >= n;
}

/* ---- packets -------------------------------------------------------------------------------- */

uint8_t pattern(uint32_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

/* Ethernet and IPv4 headers; returns where the transport's goes. payload: beyond the headers. */
uint8_t *headers(uint8_t *b, uint8_t proto, uint32_t l4_len)
{
	struct eth_hdr *eth = (void *)b;
	struct ip4_hdr *ip = (void *)(eth + 1);

	memcpy(eth->dst, mac_b, 6);
	memcpy(eth->src, mac_a, 6);
	eth->type = be16(ETHERTYPE_IP4);
	*ip = (struct ip4_hdr){.ver_ihl = 0x45,
			       .tot_len = be16((uint16_t)(20 + l4_len)),
			       .ttl = 64,
			       .frag_off = be16(IP4_DF),
			       .proto = proto,
			       .src = inet_addr(ADDR_A),
			       .dst = inet_addr(ADDR_B)};
	ip->csum = (uint16_t)~csum_fold(csum_add(0, ip, sizeof(*ip)));
	return (uint8_t *)(ip + 1);
}

uint16_t pseudo(uint8_t proto, uint32_t len)
{
	struct ip_addr a = ip_addr_v4(inet_addr(ADDR_A)), b = ip_addr_v4(inet_addr(ADDR_B));

	return csum_fold(csum_pseudo(&a, &b, proto, len));
}

struct tx_ent *send_udp(uint16_t dport, const void *data, uint32_t len, bool offload)
{
	uint8_t b[2048];
	struct udp_hdr *u = (void *)headers(b, IPPROTO_UDP, 8 + len);
	struct tx_ent *e;

	*u = (struct udp_hdr){be16(5555), be16(dport), be16((uint16_t)(8 + len)), 0};
	u->csum = pseudo(IPPROTO_UDP, 8 + len);
	memcpy(u + 1, data, len);
	e = fake_send(1, b, 14 + 20 + 8 + len);
	e->csum_start = 34;
	e->csum_offset = 6;
	e->flags = offload ? TXF_CSUM : 0;
	e->proto = IPPROTO_UDP;
	return e;
}

/* ---- the peer's side ------------------------------------------------------------------------ */

int udp_to(const char *addr, uint16_t port, const void *data, size_t len)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(addr)};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	int ok = sendto(s, data, len, 0, (struct sockaddr *)&sin, sizeof(sin)) == (ssize_t)len;

	close(s);
	return ok;
}

int peer_sends_sizes(void)
{
	static const size_t size[] = {0, 1, 100, 1472};
	uint8_t b[1472];
	unsigned i;

	for (i = 0; i < sizeof(b); i++)
		b[i] = pattern(i);
	for (i = 0; i < ARRAY_SIZE(size); i++) {
		if (!udp_to(ADDR_A, 7000, b, size[i]))
			return 1;
	}
	return !udp_to(ADDR_A, 7001, "kernel", 6);
}

uint16_t listen_on(int type, uint16_t port, int *s)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, big = 4 << 20;

	*s = socket(AF_INET, type, 0);
	setsockopt(*s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(*s, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	if (bind(*s, (struct sockaddr *)&sin, sizeof(sin)))
		return 0;
	return type == SOCK_STREAM ? !listen(*s, 8) : 1;
}

/* One echo request and its answer. */
int peer_pings(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(ADDR_A)};
	struct icmp_hdr echo = {.type = 8, .rest = be32(0x12340001)};
	struct pollfd pfd = {.fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), .events = POLLIN};
	uint8_t b[256];
	int i;

	echo.csum = (uint16_t)~csum_fold(csum_add(0, &echo, sizeof(echo)));
	if (sendto(pfd.fd, &echo, sizeof(echo), 0, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		return 1;
	for (i = 0; i < 8 && poll(&pfd, 1, WAIT_MS) == 1; i++) {
		if (recv(pfd.fd, b, sizeof(b), 0) >= 28 && b[20] == 0 &&
		    !memcmp(b + 24, &echo.rest, 4))
			return 0;
	}
	return 2;
}

void begin(void)
{
	failed = false;
	fake_rx_clear();
}

void end(const char *name)
{
	printf("%sok %d - %s\n", failed ? "not " : "", ++cases, name);
	failures += failed;
	fflush(stdout);
}
