/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the steering program takes, and what it leaves: packets made by hand are given to it by the
 * kernel's test run, and its own counters say how it decided. No interface is needed. Needs root.
 * Prints TAP.
 *
 * Claimed: TCP 80 at 10.0.0.1 and 2001:db8::1 whole, TCP 81 at 2001:db8::1 for SYNs only, TCP 82
 * there but for one connection that the kernel keeps. A flow: TCP [2001:db8::1]:4000 with
 * [2001:db8::2]:5000.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpointer-arith"
#include "bpf/steer.skel.h"
#pragma GCC diagnostic pop
#include "bpf/steer.h"

#define SERVER "2001:db8::1"
#define CLIENT "2001:db8::2"
#define CPUS_MAX 1024
#define TH_SYN 0x02
#define TH_ACK 0x10

static struct steer_bpf skel;
static int cases, failures;

struct pkt {
	uint8_t b[2048];
	unsigned len, next_at; /* where the next header's type is to be written */
};

/* ---- packets -------------------------------------------------------------------------------- */

static void add(struct pkt *p, const void *data, unsigned n)
{
	memcpy(p->b + p->len, data, n);
	p->len += n;
}

static void add_bytes(struct pkt *p, unsigned n, ...)
{
	va_list ap;

	va_start(ap, n);
	while (n--)
		p->b[p->len++] = (uint8_t)va_arg(ap, int);
	va_end(ap);
}

static void add_addr(struct pkt *p, const char *text)
{
	uint8_t a[16];

	if (inet_pton(AF_INET6, text, a) == 1)
		add(p, a, 16);
	else if (inet_pton(AF_INET, text, a) == 1)
		add(p, a, 4);
}

static void eth(struct pkt *p, uint16_t proto)
{
	memset(p, 0, sizeof(*p));
	p->len = 12;
	add_bytes(p, 2, proto >> 8, proto & 255);
}

static void ip6(struct pkt *p, const char *src, const char *dst)
{
	add_bytes(p, 8, 0x60, 0, 0, 0, 0, 100, 59, 64);
	p->next_at = p->len - 2;
	add_addr(p, src);
	add_addr(p, dst);
}

/* An extension header with that much beyond its first 8 bytes. */
static void ext(struct pkt *p, uint8_t type, uint8_t units, uint8_t segments_left)
{
	p->b[p->next_at] = type;
	p->next_at = p->len;
	add_bytes(p, 8, 59, units, 0, segments_left, 1, 0, 0, 0);
	p->len += units * 8u;
}

static void tcp(struct pkt *p, uint16_t sport, uint16_t dport, uint8_t flags)
{
	p->b[p->next_at] = IPPROTO_TCP;
	add_bytes(p, 4, sport >> 8, sport & 255, dport >> 8, dport & 255);
	add_bytes(p, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 16, 0, 0, 0, 0, 0);
}

static void icmp6(struct pkt *p, uint8_t type)
{
	p->b[p->next_at] = IPPROTO_ICMPV6;
	add_bytes(p, 8, type, 0, 0, 0, 0, 0, 5, 0);
}

static void segment(struct pkt *p, const char *src, const char *dst, uint16_t dport, uint8_t flags)
{
	eth(p, 0x86dd);
	ip6(p, src, dst);
	tcp(p, 5000, dport, flags);
}

/* ---- the program ---------------------------------------------------------------------------- */

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static void put(int map, const void *key, uint32_t val)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)map, .key = (uintptr_t)key, .value = (uintptr_t)&val};

	if (bpf(BPF_MAP_UPDATE_ELEM, &attr))
		perror("# map");
}

static uint64_t redirected(void)
{
	static uint64_t v[CPUS_MAX];
	uint32_t key = STEER_REDIRECTED;
	union bpf_attr attr = {.map_fd = (uint32_t)skel.maps.counts.map_fd,
			       .key = (uintptr_t)&key,
			       .value = (uintptr_t)v};
	uint64_t sum = 0;

	bpf(BPF_MAP_LOOKUP_ELEM, &attr);
	for (unsigned i = 0; i < CPUS_MAX; i++)
		sum += v[i];
	return sum;
}

/* Runs p through the program, which is to take it (ours) or to leave it. */
static void expect(bool ours, const struct pkt *p, const char *name)
{
	uint8_t out[sizeof(p->b)];
	union bpf_attr attr = {.test = {.prog_fd = (uint32_t)skel.progs.steer.prog_fd,
					.data_in = (uintptr_t)p->b,
					.data_size_in = p->len,
					.data_out = (uintptr_t)out,
					.data_size_out = sizeof(out),
					.repeat = 1}};
	uint64_t before = redirected(), taken;
	bool ok = bpf(BPF_PROG_TEST_RUN, &attr) == 0;

	taken = redirected() - before;
	ok = ok && taken == ours && attr.test.data_size_out == p->len && !memcmp(out, p->b, p->len);
	failures += !ok;
	printf("%sok %d - %s\n", ok ? "" : "not ", ++cases, name);
}

static void claim(const char *addr, uint16_t port, uint32_t how)
{
	struct steer_claim c = {.port = htons(port), .proto = IPPROTO_TCP};

	inet_pton(AF_INET6, addr, c.addr);
	put(skel.maps.claims.map_fd, &c, how);
}

static struct steer_flow flow_of(uint16_t lport, uint16_t rport)
{
	struct steer_flow f = {.lport = htons(lport), .rport = htons(rport), .proto = IPPROTO_TCP};

	inet_pton(AF_INET6, SERVER, f.laddr);
	inet_pton(AF_INET6, CLIENT, f.raddr);
	return f;
}

static int set_up(void)
{
	struct steer_flow kept = flow_of(82, 5000), flow = flow_of(4000, 5000);
	int err;

	skel.ctx.sz = (uint32_t)((char *)&skel.links - (char *)&skel);
	err = steer_bpf__load(&skel);
	if (err)
		return err;
	claim("::ffff:10.0.0.1", 80, 0);
	claim(SERVER, 80, 0);
	claim(SERVER, 81, STEER_HOW_SYNS);
	claim(SERVER, 82, STEER_HOW_PASSES);
	put(skel.maps.passes.map_fd, &kept, 1);
	put(skel.maps.flows.map_fd, &flow, 1);
	return 0;
}

/* ---- cases ---------------------------------------------------------------------------------- */

static void addresses(void)
{
	static const char *const elsewhere[] = {"2001:db8::3", "ff02::1",         "fe80::1",
						"::1",         "::ffff:10.0.0.1", "::10.0.0.1"};
	struct pkt p;

	segment(&p, CLIENT, SERVER, 80, TH_ACK);
	expect(true, &p, "a claimed address and port is ours");
	segment(&p, CLIENT, SERVER, 79, TH_ACK);
	expect(false, &p, "another port is not");
	for (unsigned i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++) {
		segment(&p, CLIENT, elsewhere[i], 80, TH_SYN);
		expect(false, &p, elsewhere[i]);
	}
	segment(&p, "::ffff:10.0.0.2", SERVER, 80, TH_SYN);
	expect(false, &p, "from a v4-mapped address on the wire");
	segment(&p, CLIENT, SERVER, 81, TH_SYN);
	expect(true, &p, "a SYN where only SYNs are ours");
	segment(&p, CLIENT, SERVER, 81, TH_SYN | TH_ACK);
	expect(false, &p, "a SYN-ACK there");
	segment(&p, CLIENT, SERVER, 81, TH_ACK);
	expect(false, &p, "an ACK there");
	segment(&p, CLIENT, SERVER, 82, TH_ACK);
	expect(false, &p, "a connection that the kernel keeps");
	segment(&p, "2001:db8::4", SERVER, 82, TH_ACK);
	expect(true, &p, "the same port from elsewhere");
	segment(&p, CLIENT, SERVER, 4000, TH_ACK);
	expect(true, &p, "a flow of ours");
	segment(&p, "2001:db8::4", SERVER, 4000, TH_ACK);
	expect(false, &p, "its port from elsewhere");
}

static void extensions(void)
{
	struct pkt p;

	for (int n = 1; n <= STEER_EXT_MAX + 1; n++) {
		eth(&p, 0x86dd);
		ip6(&p, CLIENT, SERVER);
		for (int i = 0; i < n; i++)
			ext(&p, i ? IPPROTO_DSTOPTS : IPPROTO_HOPOPTS, (uint8_t)(i % 3), 0);
		tcp(&p, 5000, 80, TH_ACK);
		expect(n <= STEER_EXT_MAX, &p, n <= STEER_EXT_MAX ? "options" : "too many options");
	}
	eth(&p, 0x86dd);
	ip6(&p, CLIENT, SERVER);
	ext(&p, IPPROTO_DSTOPTS, 0, 0);
	ext(&p, IPPROTO_HOPOPTS, 0, 0);
	tcp(&p, 5000, 80, TH_ACK);
	expect(false, &p, "hop-by-hop options that do not come first");
	for (int left = 0; left < 2; left++) {
		eth(&p, 0x86dd);
		ip6(&p, CLIENT, SERVER);
		ext(&p, IPPROTO_ROUTING, 2, (uint8_t)left);
		tcp(&p, 5000, 80, TH_ACK);
		expect(!left, &p, left ? "a way still to go" : "a way gone");
	}
	eth(&p, 0x86dd);
	ip6(&p, CLIENT, SERVER);
	ext(&p, IPPROTO_FRAGMENT, 0, 0);
	tcp(&p, 5000, 80, TH_ACK);
	expect(false, &p, "a fragment");
	eth(&p, 0x86dd);
	ip6(&p, CLIENT, SERVER);
	ext(&p, IPPROTO_AH, 1, 0);
	tcp(&p, 5000, 80, TH_ACK);
	expect(false, &p, "what is not known");
	eth(&p, 0x86dd);
	ip6(&p, CLIENT, SERVER);
	ext(&p, IPPROTO_DSTOPTS, 200, 0);
	p.len -= 1000;
	expect(false, &p, "options that end beyond the packet");
}

/* An error to us, about a segment between these ends, of which so many bytes are quoted. */
static void quotation(struct pkt *p, uint8_t type, const char *from, const char *to, uint16_t lport,
		      unsigned quoted)
{
	unsigned from_byte;

	eth(p, 0x86dd);
	ip6(p, "2001:db8::9", SERVER);
	icmp6(p, type);
	from_byte = p->len;
	ip6(p, from, to);
	tcp(p, lport, 5000, TH_ACK);
	p->len = from_byte + quoted;
}

static void errors(void)
{
	struct pkt p;

	for (int type = 0; type <= 5; type++) {
		quotation(&p, (uint8_t)type, SERVER, CLIENT, 80, 60);
		expect(type >= 1 && type <= 4, &p, "an error that quotes us, by its type");
	}
	quotation(&p, 1, SERVER, CLIENT, 4000, 48);
	expect(true, &p, "an error that quotes a flow");
	quotation(&p, 1, SERVER, CLIENT, 79, 60);
	expect(false, &p, "an error that quotes the kernel");
	quotation(&p, 1, CLIENT, SERVER, 80, 60);
	expect(false, &p, "an error that quotes another host");
	quotation(&p, 1, SERVER, CLIENT, 80, 43);
	expect(false, &p, "an error that quotes too little");
	quotation(&p, 1, SERVER, CLIENT, 80, 20);
	expect(false, &p, "an error that quotes half a header");
	quotation(&p, 135, SERVER, CLIENT, 80, 60);
	expect(false, &p, "a neighbour solicitation");
	quotation(&p, 128, SERVER, CLIENT, 80, 60);
	expect(false, &p, "a ping");
}

static void hard(void)
{
	struct pkt p, q;

	segment(&p, CLIENT, SERVER, 80, TH_ACK);
	q = p;
	for (q.len = 14; q.len < 58; q.len++)
		expect(false, &q, "cut short of its ports");
	q.len = 58;
	expect(true, &q, "cut short after them");
	q = p;
	q.b[14] = 0x40;
	expect(false, &q, "another version than the frame says");
	q = p;
	q.b[18] = q.b[19] = 0;
	expect(false, &q, "a jumbogram");
	eth(&q, 0x8100);
	add_bytes(&q, 4, 0, 9, 0x86, 0xdd);
	add(&q, p.b + 14, p.len - 14);
	expect(false, &q, "a VLAN tag");
	eth(&q, 0x0800);
	add_bytes(&q, 12, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, IPPROTO_TCP, 0, 0);
	add_addr(&q, "10.0.0.2");
	add_addr(&q, "10.0.0.1");
	q.next_at = 23;
	tcp(&q, 5000, 80, TH_ACK);
	expect(true, &q, "IPv4");
	q.b[20] = 0x20;
	expect(false, &q, "a fragment of IPv4");
}

int main(void)
{
	int err = set_up();

	if (err) {
		printf("1..0 # SKIP the steering program can't be loaded: error %d\n", -err);
		return 77;
	}
	addresses();
	extensions();
	errors();
	hard();
	printf("1..%d\n", cases);
	return failures != 0;
}
