/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcp_pair.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DEV 1u

static const uint8_t mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

static uint64_t rnd(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void answer_dst(struct pair *p, unsigned i)
{
	struct ip_addr a;

	while (stack_dst_request(p->st[i], &a)) {
		struct dst_info d = {.state = DST_OK, .dev = DEV, .next_hop = a};

		memcpy(d.mac, mac[!i], 6);
		stack_dst_set(p->st[i], &a, &d, p->now);
	}
}

void pair_init(struct pair *p, const struct stack_cfg *cfg, uint32_t gso_max_bytes, bool tx_csum)
{
	memset(p, 0, sizeof(*p));
	p->now = 1000000000000ull;
	p->delay_ns = 1000000;
	p->seed = 1;
	p->last[0] = &p->first[0];
	p->last[1] = &p->first[1];
	p->mem_bytes = 1ull << 30;
	p->addr[0] = ip_addr_v4(be32(0x0a000001));
	p->addr[1] = ip_addr_v4(be32(0x0a000002));
	for (unsigned i = 0; i < 2; i++) {
		struct stack_dev dev = {.up = true,
					.mtu = 1500,
					.tx_csum = tx_csum,
					.rx_partial_ok = tx_csum,
					.gso_max_bytes = gso_max_bytes};
		uint8_t secret[32];

		memset(secret, (int)i + 1, sizeof(secret));
		memcpy(dev.mac, mac[i], 6);
		p->mem[i] = mmap(NULL, p->mem_bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ck_assert_ptr_ne(p->mem[i], MAP_FAILED);
		ck_assert_int_eq(stack_create(arena_init(p->mem[i], p->mem_bytes), cfg, secret,
					      p->now, &p->st[i]),
				 0);
		stack_dev_set(p->st[i], DEV, &dev);
		ck_assert_int_eq(stack_local_add(p->st[i], &p->addr[i]), 0);
	}
}

void pair_fini(struct pair *p)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct pool *pool;

		while (p->first[i]) {
			struct flying *f = p->first[i];

			p->first[i] = f->next;
			free(f);
		}

		ck_assert_uint_eq(txq_used(stack_txq(p->st[i])), 0);
		for (unsigned k = 0; (pool = stack_pool(p->st[i], k)) != NULL; k++) {
			if (strcmp(pool->name, "dst") == 0)
				continue; /* a cache */
			ck_assert_msg(pool->out == 0, "%s: %u out", pool->name, pool->out);
		}
		ck_assert_uint_eq(p->st[i]->frames.nfree, p->st[i]->frames.count);
		munmap(p->mem[i], p->mem_bytes);
	}
}

/* When the wire has taken len bytes; 0: the queue before it is full. */
static uint64_t wire_take(struct pair *p, unsigned i, uint32_t len)
{
	if (!p->rate_bps)
		return p->now;
	if (p->busy_ns[i] < p->now)
		p->busy_ns[i] = p->now;
	if (p->busy_ns[i] - p->now > p->queue_ns)
		return 0;
	return p->busy_ns[i] += len * 8000000000ull / p->rate_bps;
}

/* Takes what a stack has to send and puts it on the wire. */
static bool take_tx(struct pair *p, unsigned i)
{
	struct stack *st = p->st[i];
	struct tx_ent *e;
	bool any = false;

	while ((e = stack_tx_peek(st)) != NULL) {
		struct flying *f = malloc(sizeof(*f) + e->len + e->blk_len);
		const struct blk *b = e->blk;
		uint64_t at_ns = wire_take(p, i, e->len + e->blk_len);
		uint32_t off = e->blk_off, left = e->flags & TXF_GSO ? e->blk_len : 0;

		f->len = e->len;
		memcpy(f->data, frame_data(&st->frames, e->frame), e->len);
		while (left > 0) {
			uint32_t n = (uint32_t)sizeof(b->data) - off;

			if (n > left)
				n = left;
			memcpy(f->data + f->len, b->data + off, n);
			f->len += n;
			left -= n;
			b = b->next;
			off = 0;
		}
		frame_put(&st->frames, e->frame);
		stack_tx_pop(st);
		any = true;
		p->npackets++;
		if (at_ns == 0 || rnd(&p->seed) % 1000000 < p->loss_ppm) {
			p->nlost++;
			free(f);
			continue;
		}
		f->next = NULL;
		f->to = !i;
		f->at_ns = at_ns + p->delay_ns;
		*p->last[!i] = f;
		p->last[!i] = &f->next;
	}
	return any;
}

static void deliver(struct pair *p, struct flying *f)
{
	struct stack *st = p->st[f->to];
	uint32_t head = FRAME_NONE, *link = &head, off = 0;

	while (off < f->len) {
		uint32_t idx = frame_get(&st->frames), n = f->len - off;

		if (n > 3840)
			n = 3840;
		if (idx == FRAME_NONE) {
			if (head != FRAME_NONE)
				frame_put_chain(&st->frames, head);
			return;
		}
		frame_meta(&st->frames, idx)->off = 128;
		frame_meta(&st->frames, idx)->len = (uint16_t)n;
		memcpy(frame_data(&st->frames, idx), f->data + off, n);
		*link = idx;
		link = &frame_meta(&st->frames, idx)->next;
		off += n;
	}
	stack_rx(st, DEV, head, p->now);
}

bool pair_step(struct pair *p)
{
	bool any = false;

	for (;;) {
		unsigned i =
			!p->first[0] || (p->first[1] && p->first[1]->at_ns < p->first[0]->at_ns);
		struct flying *f = p->first[i];

		if (!f || f->at_ns > p->now)
			break;
		p->first[i] = f->next;
		if (!p->first[i])
			p->last[i] = &p->first[i];
		deliver(p, f);
		free(f);
		any = true;
	}
	for (unsigned i = 0; i < 2; i++) {
		answer_dst(p, i);
		if (any || stack_next_ns(p->st[i]) <= p->now) {
			stack_run(p->st[i], p->now);
			any = true;
		}
		any |= take_tx(p, i);
	}
	return any;
}

uint64_t pair_next(struct pair *p)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < 2; i++) {
		if (p->first[i] && p->first[i]->at_ns < at)
			at = p->first[i]->at_ns;
		if (stack_next_ns(p->st[i]) < at)
			at = stack_next_ns(p->st[i]);
	}
	return at;
}

void pair_run(struct pair *p, uint64_t until_ns)
{
	for (;;) {
		uint64_t at;

		for (unsigned i = 0; pair_step(p); i++)
			ck_assert_uint_lt(i, 100000);
		at = pair_next(p);
		if (at > until_ns)
			break;
		if (at > p->now)
			p->now = at;
	}
	if (until_ns != UINT64_MAX)
		p->now = until_ns;
}

void pair_connect(struct pair *p, uint16_t port, const struct sock_opts *o, struct sock **client,
		  struct sock **server, struct sock **l)
{
	struct endpoint any = {.port = port}, from = {p->addr[0], 40000}, to = {p->addr[1], port};
	struct sock_opts def;
	struct sock *lsk;

	sock_opts_default(&def);
	if (!o)
		o = &def;
	any.addr = ip_addr_v4(0);
	ck_assert_int_eq(stack_listen(p->st[1], &any, o, 10, &lsk), 0);
	ck_assert_int_eq(stack_connect(p->st[0], &from, &to, o, client, p->now), 0);
	pair_run(p, p->now + 10000000000ull);
	ck_assert_int_eq(stack_accept(p->st[1], lsk, server, p->now), 0);
	ck_assert(stack_connected(*client));
	if (l)
		*l = lsk;
	else
		stack_close(p->st[1], lsk, p->now);
}
