/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stack and what an embedder does for it: an arena, a device, answers about destinations, the
 * turn (run, send, hand out events, again until nothing is left), and a clock of its own. Its
 * program may be busy now and then (a stall) or wake late; packets then wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim.h"
#include "stack/ip/wire.h"

#define ARENA_BYTES (1ull << 30)
#define NODE_DEV 1u
#define NODE_DST_V6 0x10000u /* in an EV_DST's arg, beside the peer */
#define RX_HEADROOM 256u     /* as XDP leaves before a packet */
/* A turn that has not come to rest after so many rounds, or a wake-up asked for again and again
 * without time moving, is a livelock. */
#define TURN_ROUNDS_MAX 100000u
#define SPINS_MAX 1000u

static void node_cfg(struct node *n, struct stack_cfg *cfg)
{
	struct rng *r = &n->rng;
	static const uint32_t rmem[] = {4096, 16384, 131072, 131072, 1 << 20};

	stack_cfg_default(cfg);
	if (n->w->cfg.plain) {
		cfg->frames = 8192;
		return;
	}
	cfg->frames = (uint32_t)rng_log(r, 64, 4096);
	cfg->cc = rng_below(r, CC_ALGOS);
	cfg->tcp_sack = !rng_one_in(r, 4);
	cfg->tcp_timestamps = !rng_one_in(r, 4);
	cfg->tcp_dsack = !rng_one_in(r, 6);
	cfg->tcp_frto = rng_one_in(r, 4) ? 0 : 2;
	cfg->tcp_early_retrans = rng_one_in(r, 4) ? 0 : 3;
	cfg->tcp_ecn = (uint8_t)rng_below(r, 3);
	cfg->tcp_window_scaling = !rng_one_in(r, 6);
	cfg->tcp_moderate_rcvbuf = !rng_one_in(r, 4);
	cfg->tcp_slow_start_after_idle = !rng_one_in(r, 4);
	cfg->tcp_rmem[1] = rmem[rng_below(r, 5)];
	cfg->tcp_wmem[1] = rng_one_in(r, 4) ? 4096 : 16384;
	cfg->tcp_notsent_lowat = rng_one_in(r, 8) ? 16384 : UINT32_MAX;
	cfg->max_conns = 4096;
	if (rng_one_in(r, 3))
		cfg->tcp_mtu_probing = (uint8_t)rng_range(r, 1, 2);
	cfg->tcp_base_mss = (uint32_t)rng_range(r, 400, 1100);
	cfg->tcp_probe_interval_s = (uint32_t)rng_log(r, 5, 600);
	/* Client, server; and without a cookie. */
	cfg->tcp_fastopen = (uint32_t)rng_below(r, 4) | (rng_one_in(r, 3) ? 0x200 | 0x4 : 0);
	cfg->tcp_fastopen_blackhole_timeout_s = (uint32_t)(rng_one_in(r, 2) ? 0 : 60);
	/* Retries must outlast what links are drawn to do. A connection that its own side gives up
	 * without a word leaves a peer waiting for ever, as everywhere; that is not looked for
	 * here. */
	cfg->tcp_orphan_retries = 15;
	cfg->tcp_synack_retries = 8;
}

static void node_device(struct node *n)
{
	struct stack_dev d = {.up = true, .ifindex = 2};
	struct rng *r = &n->rng;

	n->tx_csum = d.tx_csum = !rng_one_in(r, 3);
	n->rx_partial_ok = d.rx_partial_ok = !rng_one_in(r, 3);
	n->gso_max = d.gso_max_bytes = !d.tx_csum || rng_one_in(r, 3) ? 0 : 61440;
	n->mtu = d.mtu =
		rng_one_in(r, 4)
			? rng_range(r, n->w->family == SIM_FAMILY_4 ? 576 : IP6_MTU_MIN, 3500)
			: 1500;
	if (n->w->cfg.plain) {
		n->mtu = d.mtu = 1500;
		n->late_ns = 0;
		n->stall_every_s = 0;
		n->frame_step = FRAME_BYTES - RX_HEADROOM;
	}
	memcpy(d.mac, (uint8_t[]){2, 0, 0, 0, 0, n->idx}, 6);
	stack_dev_set(n->st, NODE_DEV, &d);
	d = (struct stack_dev){.up = true,
			       .ifindex = 1,
			       .mtu = 65535,
			       .tx_csum = true,
			       .rx_partial_ok = true,
			       .gso_max_bytes = 0};
	stack_dev_set(n->st, STACK_DEV_LOOP, &d);
}

struct ip_addr node_addr(unsigned idx, bool v6)
{
	struct ip_addr a = ip_addr_v4(__builtin_bswap32(10u << 24 | (idx + 1u)));

	if (v6)
		a = (struct ip_addr){.w = {__builtin_bswap32(0xfd000000), 0, 0, a.w[3]}};
	return a;
}

uint32_t node_of(const struct ip_addr *a)
{
	return (__builtin_bswap32(a->w[3]) & 0xff) - 1;
}

struct ip_addr node_addr_to(const struct node *n, const struct node *peer)
{
	return n->addr[n->w->v6[n->idx] >> peer->idx & 1];
}

void node_listen(struct node *n)
{
	struct sock_opts o;
	struct endpoint at;

	sock_opts_default(&o);
	o.oobinline = 1; /* whatever a silly peer calls urgent stays where it is */
	if (rng_one_in(&n->rng, 2))
		o.fastopen_qlen = (uint32_t)rng_range(&n->rng, 1, 16);
	at = (struct endpoint){.port = SIM_PORT}; /* ::, for both */
	if (n->w->family != SIM_FAMILY_MIXED && rng_one_in(&n->rng, 2))
		at.addr = n->addr[n->w->family == SIM_FAMILY_6];
	else if (n->w->family == SIM_FAMILY_4 && rng_one_in(&n->rng, 2))
		at.addr = ip_addr_v4(0);
	if (stack_listen(n->st, &at, &o, rng_one_in(&n->rng, 4) ? 1 : 128, &n->listener) != 0)
		abort();
	stack_sock_user(n->st, n->listener, &n->handle);
}

void node_init(struct node *n, struct world *w, uint8_t idx)
{
	struct stack_cfg cfg;
	uint64_t secret[4];
	unsigned i;

	*n = (struct node){.w = w, .idx = idx, .handle = {HANDLE_LISTENER}};
	n->rng.s = rng_u64(&w->rng);
	n->clock_off_ns = rng_log(&n->rng, SEC, 40 * 86400 * SEC);
	n->late_ns = rng_one_in(&n->rng, 3) ? rng_log(&n->rng, 10 * US, 10 * MS) : 0;
	n->stall_every_s = rng_one_in(&n->rng, 4) ? (uint32_t)rng_range(&n->rng, 20, 120) : 0;
	n->port_lo = (uint16_t)rng_range(&n->rng, 20000, 50000);
	/* Few ports: a four-tuple is used again while it lies in TIME-WAIT somewhere. */
	n->nports = (uint16_t)(rng_one_in(&n->rng, 3) ? rng_range(&n->rng, 2, 20) : SIM_PORTS);
	n->port = n->port_lo;
	n->frame_step = rng_one_in(&n->rng, 4) ? (uint32_t)rng_range(&n->rng, 256, 2048)
					       : FRAME_BYTES - RX_HEADROOM;
	n->base = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (n->base == MAP_FAILED)
		abort();
	node_cfg(n, &cfg);
	for (i = 0; i < 4; i++)
		secret[i] = rng_u64(&n->rng);
	if (stack_create(arena_init(n->base, ARENA_BYTES), &cfg, (uint8_t *)secret, node_now(n),
			 &n->st) != 0)
		abort();
	node_device(n);
	for (i = 0; i < 2; i++) {
		n->addr[i] = node_addr(idx, i);
		if (stack_local_add(n->st, &n->addr[i]) != 0)
			abort();
	}
	node_listen(n);
	n->dirty = true;
}

void node_fini(struct node *n)
{
	if (n->base)
		munmap(n->base, ARENA_BYTES);
	n->base = NULL;
}

uint64_t node_now(const struct node *n)
{
	return n->w->now_ns + n->clock_off_ns;
}

void node_rx(struct node *n, uint32_t dev, struct pkt *p)
{
	struct frame_pool *fp = stack_frames(n->st);
	uint32_t at = 0, head = FRAME_NONE, prev = FRAME_NONE;

	/* The trace is of what arrives: when, where, and every byte. */
	n->w->pkts++;
	world_mix(n->w, n->w->now_ns ^ n->idx);
	n->w->hash = pkt_hash(n->w->hash, p->b, p->len);
	if (n->w->cfg.pcap)
		pcap_pkt(n->w->cfg.pcap, p, n->w->now_ns);
	while (at < p->len) {
		/* A fill ring is not given the last frames. */
		bool lent = fp->nfree > fp->count / FRAMES_LENT_DIV;
		uint32_t i = lent ? frame_get(fp) : FRAME_NONE, len = p->len - at;
		struct frame *m;

		if (i == FRAME_NONE) {
			n->rx_dropped++;
			if (head != FRAME_NONE)
				frame_put_chain(fp, head);
			return;
		}
		m = frame_meta(fp, i);
		m->off = RX_HEADROOM;
		m->len = (uint16_t)(len < n->frame_step ? len : n->frame_step);
		memcpy(frame_data(fp, i), p->b + at, m->len);
		at += m->len;
		if (head == FRAME_NONE)
			head = i;
		else
			frame_meta(fp, prev)->next = i;
		prev = i;
	}
	stack_rx(n->st, dev, head, node_now(n));
	n->dirty = true;
}

/* Everything in the transmit queue goes on its link. */
static bool node_tx(struct node *n)
{
	struct tx_ent *e;
	bool any = false;

	while ((e = stack_tx_peek(n->st)) != NULL) {
		struct pkt *p = pkt_from_ent(n->st, e);
		uint8_t dev = e->dev;
		uint32_t frame = e->frame;
		unsigned to = p->b[5];

		stack_tx_pop(n->st);
		frame_put(stack_frames(n->st), frame);
		any = true;
		if (dev == STACK_DEV_LOOP)
			to = n->idx;
		if ((to >= n->w->nnodes && to != SIM_SILLY) ||
		    (dev != STACK_DEV_LOOP && to == n->idx)) {
			world_fail(n->w, "node %u sent to an address nobody has", n->idx);
			pkt_free(p);
			continue;
		}
		link_send(&n->w->link[n->idx][to], p);
	}
	return any;
}

static bool node_requests(struct node *n)
{
	struct ip_addr a;
	bool any = false;

	while (stack_dst_request(n->st, &a)) {
		uint32_t peer = node_of(&a);
		struct ev e = {.kind = EV_DST, .node = n->idx, .arg = peer};

		any = true;
		if (peer >= n->w->nnodes && peer != SIM_SILLY) {
			world_fail(n->w, "node %u asks for a destination nobody has", n->idx);
			continue;
		}
		e.arg |= ip_addr_is_v4(&a) ? 0 : NODE_DST_V6;
		e.at_ns = n->w->now_ns + rng_log(&n->rng, US, 100 * MS);
		ev_push(&n->w->q, &e);
	}
	return any;
}

/* In two steps now and then: first the route, and the neighbour later. */
void node_dst(struct node *n, uint32_t arg)
{
	uint32_t peer = arg & ~NODE_DST_V6;
	struct dst_info d = {.state = DST_OK, .dev = NODE_DEV};
	struct ip_addr a = node_addr(peer, arg & NODE_DST_V6);
	struct ev again = {.kind = EV_DST, .node = n->idx, .arg = arg};

	d.next_hop = a;
	memcpy(d.mac, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)peer}, 6);
	if (peer == n->idx) {
		d.dev = STACK_DEV_LOOP;
		memset(d.mac, 0, 6);
	} else if (n->w->cfg.plain) {
		/* at once */
	} else if (!n->w->healed && rng_one_in(&n->rng, 12)) {
		/* Nobody answers; later somebody does. */
		d.state = DST_UNREACHABLE;
		d.err = EHOSTUNREACH;
		again.at_ns = n->w->now_ns + rng_log(&n->rng, MS, 3 * SEC);
		ev_push(&n->w->q, &again);
	} else if (rng_one_in(&n->rng, 3)) {
		d.state = DST_WAIT;
		again.at_ns = n->w->now_ns + rng_log(&n->rng, 100 * US, 500 * MS);
		ev_push(&n->w->q, &again);
	}
	stack_dst_set(n->st, &a, &d, node_now(n));
	n->dirty = true;
}

void node_turn(struct node *n)
{
	unsigned rounds = 0;
	uint64_t next;

	do {
		struct sock *sk;
		uint32_t edges;
		bool any;

		stack_run(n->st, node_now(n));
		any = node_tx(n);
		any |= node_requests(n);
		while (!n->w->failed && (sk = stack_event(n->st, &edges)) != NULL) {
			struct handle *h = sk->user;

			any = true;
			if (h->kind == HANDLE_LISTENER)
				node_accept(n, n->w->healed);
			else if (h->kind == HANDLE_FOOL)
				fool_run(container_of(h, struct fool, handle));
			else if (h->kind == HANDLE_DGRAM)
				dgram_run(container_of(h, struct dgram_end, handle));
			else
				side_run(container_of(h, struct side, handle));
		}
		any |= stack_tx_peek(n->st) != NULL;
		if (!any)
			break;
		if (++rounds > TURN_ROUNDS_MAX)
			world_fail(n->w, "node %u does not come to rest", n->idx);
	} while (!n->w->failed);
	n->dirty = false;
	next = stack_next_ns(n->st);
	if (next == SIM_NEVER) {
		n->wake_ns = SIM_NEVER;
		return;
	}
	next = next > n->clock_off_ns ? next - n->clock_off_ns : 0;
	if (next <= n->w->now_ns) {
		next = n->w->now_ns + 1;
		if (++n->spins > SPINS_MAX)
			world_fail(n->w, "node %u asks to be woken for ever", n->idx);
	} else {
		n->spins = 0;
	}
	n->wake_ns = next + (n->late_ns ? rng_below(&n->rng, n->late_ns) : 0);
}
