/* SPDX-License-Identifier: BSD-2-Clause */
#include "harness.h"

#include <stdio.h>
#include <sys/mman.h>

#define ENV_BYTES (1ull << 30)

int env_family = 4;
const uint8_t env_mac[6] = {2, 0, 0, 0, 0, 1}, env_peer_mac[6] = {2, 0, 0, 0, 0, 2};

void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: ASSERT(%s)\n", file, line, what);
	abort();
}

void env_arena(struct env *e, size_t bytes)
{
	memset(e, 0, sizeof(*e));
	e->bytes = bytes;
	e->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ck_assert_ptr_ne(e->base, MAP_FAILED);
	e->arena = arena_init(e->base, bytes);
}

void env_arena_fini(struct env *e)
{
	munmap(e->base, e->bytes);
}

void env_cfg(struct stack_cfg *cfg)
{
	stack_cfg_default(cfg);
	cfg->frames = 2048;
}

void env_init(struct env *e, const struct stack_cfg *cfg)
{
	static const uint8_t secret[32] = "a secret that every test shares";
	struct stack_cfg own;

	env_arena(e, ENV_BYTES);
	if (cfg == NULL) {
		env_cfg(&own);
		cfg = &own;
	}
	e->now = 1000 * SEC;
	ck_assert_int_eq(stack_create(e->arena, cfg, secret, e->now, &e->st), 0);
	e->me = addr(10, 0, 0, 1);
	e->peer = addr(10, 0, 0, 2);
	env_dev(e, ENV_DEV, false, false, 0);
	ck_assert_int_eq(stack_local_add(e->st, &e->me), 0);
	env_dst_ok(e, e->peer);
}

void env_fini(struct env *e)
{
	const struct pool *p;
	uint32_t edges;
	unsigned i;

	while (env_tx(e, NULL, 0, NULL) > 0)
		;
	stack_dst_flush(e->st);
	for (i = 0; (p = stack_pool(e->st, i)) != NULL; i++)
		ck_assert_msg(p->out == 0, "pool %s: %u out", p->name, p->out);
	ck_assert_uint_eq(e->st->frames.nfree, e->st->frames.count);
	ck_assert_uint_eq(e->st->wheel.armed, 0);
	ck_assert_uint_eq(stack_open_count(e->st), 0);
	ck_assert_uint_eq(stack_draining_count(e->st), 0);
	ck_assert_ptr_null(stack_event(e->st, &edges));
	ck_assert_ptr_null(stack_sock_next(e->st, NULL));
	env_arena_fini(e);
}

struct ip_addr addr(unsigned a, unsigned b, unsigned c, unsigned d)
{
	uint32_t v4 = be32(a << 24 | b << 16 | c << 8 | d);

	if (env_family == 4)
		return ip_addr_v4(v4);
	return (struct ip_addr){.w = {v4 ? be32(0xfd000000) : 0, 0, 0, v4}};
}

struct endpoint ep(struct ip_addr a, uint16_t port)
{
	return (struct endpoint){.addr = a, .port = port};
}

void env_dev(struct env *e, unsigned idx, bool tx_csum, bool rx_partial_ok, uint32_t gso_max)
{
	struct stack_dev d = {
		.up = true,
		.tx_csum = tx_csum,
		.rx_partial_ok = rx_partial_ok,
		.ifindex = 100 + idx,
		.mtu = ENV_MTU + (env_family == 6 ? 20 : 0), /* the same MSS */
		.gso_max_bytes = gso_max,
	};

	memcpy(d.mac, env_mac, sizeof(d.mac));
	stack_dev_set(e->st, idx, &d);
}

void env_dst_ok(struct env *e, struct ip_addr a)
{
	struct dst_info info = {.state = DST_OK, .dev = ENV_DEV, .next_hop = a};

	memcpy(info.mac, env_peer_mac, sizeof(info.mac));
	stack_dst_set(e->st, &a, &info, e->now);
}

/* ---- packets -------------------------------------------------------------------------------- */

uint16_t naive_sum(const uint8_t *p, size_t len, uint32_t start)
{
	uint32_t sum = start;
	size_t i;

	for (i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static bool pkt_is_v6(const uint8_t *b)
{
	return b[12] == 0x86;
}

size_t pkt_l4(const uint8_t *b)
{
	return pkt_is_v6(b) ? 54 : 34;
}

uint32_t naive_pseudo(const uint8_t *b, size_t l4_len)
{
	if (pkt_is_v6(b))
		return naive_sum(b + 22, 32, b[20] + (uint32_t)(l4_len >> 16) + (l4_len & 0xffff));
	return naive_sum(b + 26, 8, b[23] + (uint32_t)l4_len);
}

void pkt_ip4_csum(uint8_t *b)
{
	uint16_t c;

	b[24] = b[25] = 0;
	c = (uint16_t)~naive_sum(b + 14, 20, 0);
	b[24] = (uint8_t)(c >> 8);
	b[25] = (uint8_t)c;
}

static size_t pkt_ip6(uint8_t *b, const struct pkt_ip *ip, const void *l4, size_t len)
{
	b[12] = 0x86;
	b[13] = 0xdd;
	memset(b + 14, 0, 40);
	b[14] = (uint8_t)(0x60 | ip->tos >> 4);
	b[15] = (uint8_t)(ip->tos << 4);
	b[18] = (uint8_t)(len >> 8);
	b[19] = (uint8_t)len;
	b[20] = ip->proto;
	b[21] = 64;
	memcpy(b + 22, ip->src.b, 16);
	memcpy(b + 38, ip->dst.b, 16);
	memcpy(b + 54, l4, len);
	return 54 + len;
}

size_t pkt_ip(uint8_t *b, const struct pkt_ip *ip, const void *l4, size_t len)
{
	uint32_t src = ip_addr_to_v4(&ip->src), dst = ip_addr_to_v4(&ip->dst);

	memcpy(b, env_mac, 6);
	memcpy(b + 6, env_peer_mac, 6);
	if (!ip_addr_is_v4(&ip->src))
		return pkt_ip6(b, ip, l4, len);
	b[12] = 8;
	b[13] = 0;
	memset(b + 14, 0, 20);
	b[14] = 0x45;
	b[15] = ip->tos;
	b[16] = (uint8_t)((20 + len) >> 8);
	b[17] = (uint8_t)(20 + len);
	b[20] = 0x40;
	b[22] = 64;
	b[23] = ip->proto;
	memcpy(b + 26, &src, 4);
	memcpy(b + 30, &dst, 4);
	memcpy(b + 34, l4, len);
	pkt_ip4_csum(b);
	return 34 + len;
}

/* The L4 checksum at offset at of the n bytes of b. */
static void pkt_l4_csum(uint8_t *b, size_t n, size_t at, bool pseudo)
{
	size_t l4 = pkt_l4(b);
	uint16_t c = (uint16_t)~naive_sum(b + l4, n - l4, pseudo ? naive_pseudo(b, n - l4) : 0);

	if (c == 0 && at == 6)
		c = 0xffff;
	b[l4 + at] = (uint8_t)(c >> 8);
	b[l4 + at + 1] = (uint8_t)c;
}

size_t pkt_udp(uint8_t *b, struct endpoint from, struct endpoint to, const void *data, size_t len)
{
	struct pkt_ip ip = {.src = from.addr, .dst = to.addr, .proto = 17};
	uint8_t l4[4096] = {(uint8_t)(from.port >> 8), (uint8_t)from.port,
			    (uint8_t)(to.port >> 8),   (uint8_t)to.port,
			    (uint8_t)((len + 8) >> 8), (uint8_t)(len + 8)};
	size_t n;

	memcpy(l4 + 8, data, len);
	n = pkt_ip(b, &ip, l4, len + 8);
	pkt_l4_csum(b, n, 6, true);
	return n;
}

size_t pkt_icmp(uint8_t *b, struct ip_addr from, struct ip_addr to, uint8_t type, uint8_t code,
		uint32_t rest, const uint8_t *about, size_t about_len)
{
	bool v6 = !ip_addr_is_v4(&from);
	struct pkt_ip ip = {.src = from, .dst = to, .proto = v6 ? 58 : 1};
	uint8_t l4[2048] = {type,
			    code,
			    0,
			    0,
			    (uint8_t)(rest >> 24),
			    (uint8_t)(rest >> 16),
			    (uint8_t)(rest >> 8),
			    (uint8_t)rest};
	size_t quoted = about_len - 14, max = v6 ? 48 : 28, n;

	if (quoted > max)
		quoted = max;
	memcpy(l4 + 8, about + 14, quoted);
	n = pkt_ip(b, &ip, l4, 8 + quoted);
	pkt_l4_csum(b, n, 2, v6);
	return n;
}

enum stat_id env_rx_cut(struct env *e, unsigned dev, const uint8_t *b, size_t len, size_t step)
{
	struct frame_pool *fp = stack_frames(e->st);
	uint32_t head = FRAME_NONE, *link = &head;
	size_t off = 0;

	do {
		size_t n = len - off < step ? len - off : step;
		uint32_t idx = frame_get(fp);
		struct frame *m;

		must(idx != FRAME_NONE);
		m = frame_meta(fp, idx);
		m->off = 256;
		m->len = (uint16_t)n;
		memcpy(frame_data(fp, idx), b + off, n);
		*link = idx;
		link = &m->next;
		off += n;
	} while (off < len);
	return stack_rx(e->st, dev, head, e->now);
}

enum stat_id env_rx(struct env *e, unsigned dev, const uint8_t *b, size_t len)
{
	return env_rx_cut(e, dev, b, len, 3000);
}

size_t env_tx(struct env *e, uint8_t *b, size_t max, struct tx_ent *ent)
{
	struct tx_ent *t = stack_tx_peek(e->st), copy;
	size_t len, left;
	const struct blk *k;
	uint32_t off;

	if (t == NULL)
		return 0;
	copy = *t;
	len = copy.len;
	if (b != NULL) {
		must(copy.len + copy.blk_len <= max);
		memcpy(b, frame_data(stack_frames(e->st), copy.frame), copy.len);
		for (k = copy.blk, off = copy.blk_off, left = copy.blk_len; left > 0;
		     k = k->next, off = k ? k->start : 0) {
			size_t n = k->end - off < left ? k->end - off : left;

			memcpy(b + len, k->data + off, n);
			len += n;
			left -= n;
		}
	}
	stack_tx_pop(e->st);
	frame_put(stack_frames(e->st), copy.frame);
	if (ent != NULL)
		*ent = copy;
	return len;
}

void pkt_check_sums(const uint8_t *b, size_t len)
{
	size_t l4 = pkt_l4(b), tot = (size_t)b[16] << 8 | b[17];

	if (pkt_is_v6(b)) {
		ck_assert_uint_eq(b[14] >> 4, 6);
		ck_assert_uint_eq(((size_t)b[18] << 8 | b[19]) + 54, len);
	} else {
		ck_assert_uint_eq(naive_sum(b + 14, 20, 0), 0xffff);
		ck_assert_uint_eq(tot + 14, len);
	}
	ck_assert_uint_eq(naive_sum(b + l4, len - l4, naive_pseudo(b, len - l4)), 0xffff);
}

uint64_t rnd_below(uint64_t *s, uint64_t n)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % n;
}

int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

int run_both_families(Suite *(*make)(void))
{
	int r;

	r = run_suite(make());
	env_family = 6;
	return run_suite(make()) | r;
}
