/* SPDX-License-Identifier: BSD-2-Clause */
#include "harness.h"

#include <stdio.h>
#include <sys/mman.h>

#define ENV_BYTES (1ull << 30)

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
	return ip_addr_v4(be32(a << 24 | b << 16 | c << 8 | d));
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
		.mtu = ENV_MTU,
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

static uint32_t naive_pseudo(const uint8_t *ip, size_t l4_len)
{
	return naive_sum(ip + 12, 8, ip[9] + (uint32_t)l4_len);
}

void pkt_ip4_csum(uint8_t *b)
{
	uint16_t c;

	b[24] = b[25] = 0;
	c = (uint16_t)~naive_sum(b + 14, 20, 0);
	b[24] = (uint8_t)(c >> 8);
	b[25] = (uint8_t)c;
}

size_t pkt_ip4(uint8_t *b, const struct pkt_ip *ip, const void *l4, size_t len)
{
	uint32_t src = ip_addr_to_v4(&ip->src), dst = ip_addr_to_v4(&ip->dst);

	memcpy(b, env_mac, 6);
	memcpy(b + 6, env_peer_mac, 6);
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

size_t pkt_udp(uint8_t *b, struct endpoint from, struct endpoint to, const void *data, size_t len)
{
	struct pkt_ip ip = {.src = from.addr, .dst = to.addr, .proto = 17};
	uint8_t l4[4096] = {(uint8_t)(from.port >> 8), (uint8_t)from.port,
			    (uint8_t)(to.port >> 8),   (uint8_t)to.port,
			    (uint8_t)((len + 8) >> 8), (uint8_t)(len + 8)};
	size_t n;
	uint16_t c;

	memcpy(l4 + 8, data, len);
	n = pkt_ip4(b, &ip, l4, len + 8);
	c = (uint16_t)~naive_sum(b + 34, len + 8, naive_pseudo(b + 14, len + 8));
	c = c == 0 ? 0xffff : c;
	b[40] = (uint8_t)(c >> 8);
	b[41] = (uint8_t)c;
	return n;
}

size_t pkt_icmp(uint8_t *b, struct ip_addr from, struct ip_addr to, uint8_t type, uint8_t code,
		uint32_t rest, const uint8_t *about, size_t about_len)
{
	struct pkt_ip ip = {.src = from, .dst = to, .proto = 1};
	uint8_t l4[2048] = {type,
			    code,
			    0,
			    0,
			    (uint8_t)(rest >> 24),
			    (uint8_t)(rest >> 16),
			    (uint8_t)(rest >> 8),
			    (uint8_t)rest};
	size_t quoted = about_len - 14 < 28 ? about_len - 14 : 28;
	uint16_t c;

	memcpy(l4 + 8, about + 14, quoted);
	c = (uint16_t)~naive_sum(l4, 8 + quoted, 0);
	l4[2] = (uint8_t)(c >> 8);
	l4[3] = (uint8_t)c;
	return pkt_ip4(b, &ip, l4, 8 + quoted);
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
	size_t tot = (size_t)b[16] << 8 | b[17];

	ck_assert_uint_eq(naive_sum(b + 14, 20, 0), 0xffff);
	ck_assert_uint_eq(tot + 14, len);
	ck_assert_uint_eq(naive_sum(b + 34, tot - 20, naive_pseudo(b + 14, tot - 20)), 0xffff);
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
