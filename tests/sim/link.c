/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One direction of a link: what becomes of a packet between two nodes. In this order: it may be cut
 * up, find the link dark, be too large, find the queue full, be lost, be corrupted, be late, be
 * doubled. All is drawn from the link's own stream of random numbers.
 *
 * A corrupted packet whose checksums are right all the same is lost instead: no end-to-end protocol
 * could tell it, so delivering it would prove nothing.
 */
#include "sim.h"
#include "stack/ip/wire.h"

static void deliver(struct link *l, struct pkt *p, uint64_t at_ns)
{
	struct ev e = {.at_ns = at_ns, .kind = EV_PKT, .node = l->to, .arg = l->dev, .p = p};

	ev_push(&l->w->q, &e);
}

/* Flips some bits past the link header. False when the receiver could not tell. */
static bool corrupt(struct link *l, struct pkt *p)
{
	unsigned n = rng_one_in(&l->rng, 4) ? rng_range(&l->rng, 2, 16) : 1;

	for (; n; n--) {
		uint32_t at = ETH_HLEN_BYTES + rng_below(&l->rng, p->len - ETH_HLEN_BYTES);

		p->b[at] ^= (uint8_t)(1u << rng_below(&l->rng, 8));
	}
	return !pkt_sums_right(p, l->rx_partial_ok);
}

/* Short spells in which most is lost; measured in time, so that a sender that backs off survives.
 */
static bool in_burst(struct link *l)
{
	uint64_t now = l->w->now_ns;

	if (!l->cfg.burst_ns)
		return false;
	while (now >= l->burst_end_ns) {
		l->burst_begin_ns = l->burst_end_ns + rng_below(&l->rng, 2 * l->cfg.burst_every_ns);
		l->burst_end_ns = l->burst_begin_ns + rng_range(&l->rng, 1, l->cfg.burst_ns);
	}
	return now >= l->burst_begin_ns;
}

/* Gilbert and Elliott's two states, left by chance with each packet. */
static bool in_bad_state(struct link *l)
{
	if (l->cfg.bad_enter)
		l->bad = l->bad ? !rng_chance(&l->rng, l->cfg.bad_leave)
				: rng_chance(&l->rng, l->cfg.bad_enter);
	return l->bad;
}

static bool lost(struct link *l)
{
	if (in_bad_state(l) && rng_chance(&l->rng, l->cfg.burst_loss))
		return true;
	return rng_chance(&l->rng, l->cfg.loss) ||
	       (l->cfg.burst_ns && in_burst(l) && rng_chance(&l->rng, l->cfg.burst_loss));
}

/* A congestion mark (RFC 3168 5) for a packet that can take one, instead of a loss. IPv4's header
 * checksum follows as RFC 1624 has it. */
static void mark(struct link *l, struct pkt *p)
{
	uint8_t *h = p->b + ETH_HLEN_BYTES;
	bool v6 = h[0] >> 4 == 6;
	uint32_t ect, sum;

	if (p->len < ETH_HLEN_BYTES + 20)
		return;
	ect = v6 ? h[1] >> 4 & 3u : h[1] & 3u;
	if (!ect || !rng_chance(&l->rng, l->cfg.mark))
		return;
	l->marked++;
	if (v6) {
		h[1] |= 0x30;
		return;
	}
	sum = (uint32_t)(h[10] << 8 | h[11]) + ect + 0xfffcu; /* ~m' + m, from the sum */
	h[1] |= 3;
	sum = (sum & 0xffff) + (sum >> 16);
	h[10] = (uint8_t)(sum >> 8);
	h[11] = (uint8_t)sum;
}

/* When the wire has taken len bytes; SIM_NEVER: the queue before it is full. */
static uint64_t wire_take(struct link *l, uint32_t len)
{
	uint64_t now = l->w->now_ns, start = l->busy_ns > now ? l->busy_ns : now;

	if (!l->cfg.rate_bps)
		return now;
	if ((start - now) / 1000 * (l->cfg.rate_bps / 8000) / 1000 > l->cfg.queue_bytes)
		return SIM_NEVER;
	l->busy_ns = start + (uint64_t)len * 8 * SEC / l->cfg.rate_bps;
	return l->busy_ns;
}

/* The router before the link answers; its ICMP goes back without faults but with the delay. */
static void answer_frag(struct link *l, const struct pkt *p)
{
	struct ev e = {.at_ns = l->w->now_ns + l->cfg.delay_ns, .kind = EV_PKT, .node = l->from};

	e.arg = l->w->link[l->to][l->from].dev;
	e.p = pkt_icmp_frag(p, l->mtu);
	ev_push(&l->w->q, &e);
}

static void send_one(struct link *l, struct pkt *p)
{
	struct link_cfg *c = &l->cfg;
	uint64_t at;

	l->sent++;
	if (!p->gso &&
	    p->len - ETH_HLEN_BYTES > l->mtu) { /* an uncut super-segment fits, in effect */
		l->too_big++;
		if (l->hole)
			l->swallowed++;
		else
			answer_frag(l, p);
		goto drop;
	}
	at = wire_take(l, p->len);
	if (at == SIM_NEVER) {
		l->queue_full++;
		goto drop;
	}
	if (lost(l)) {
		l->lost++;
		goto drop;
	}
	mark(l, p);
	at += c->delay_ns + (c->jitter_ns ? rng_below(&l->rng, c->jitter_ns) : 0);
	if (rng_chance(&l->rng, c->reorder)) {
		l->reordered++;
		at += rng_below(&l->rng, c->reorder_ns + 1);
	} else {
		if (at < l->last_ns)
			at = l->last_ns;
		l->last_ns = at;
	}
	if (rng_chance(&l->rng, c->dup)) {
		l->duplicated++;
		deliver(l, pkt_copy(p), at + rng_below(&l->rng, c->delay_ns + MS));
	}
	if (rng_chance(&l->rng, c->corrupt)) {
		l->corrupted++;
		if (!corrupt(l, p))
			goto drop;
	}
	deliver(l, p, at);
	return;
drop:
	pkt_free(p);
}

/* Each piece as the receiver's device will show it: with or without a complete checksum. */
static void send_finished(struct link *l, struct pkt *p)
{
	/* A corrupted packet must have a checksum that shows it. */
	if (!l->rx_partial_ok || l->cfg.corrupt)
		pkt_csum_finish(p);
	send_one(l, p);
}

void link_send(struct link *l, struct pkt *p)
{
	uint32_t payload = pkt_payload(p), size = 0, seg;

	if (l->w->now_ns < l->dark_until_ns) {
		l->dark_lost++;
		pkt_free(p);
		return;
	}
	if (p->gso && !l->cfg.whole)
		size = p->gso;
	else if (payload > 1 && rng_chance(&l->rng, l->cfg.split))
		size = 1 + (uint32_t)rng_below(&l->rng, payload - 1); /* a middlebox */
	if (!size) {
		send_finished(l, p);
		return;
	}
	for (seg = 0; seg * size < payload; seg++)
		send_finished(l, pkt_cut(p, seg, size));
	pkt_free(p);
}

void link_dark(struct link *l)
{
	struct ev e = {.kind = EV_DARK, .p = l};

	if (!l->cfg.dark_every_ns)
		return;
	l->dark_until_ns = l->w->now_ns + rng_log(&l->rng, MS, l->cfg.dark_ns);
	e.at_ns = l->dark_until_ns + rng_range(&l->rng, 1, 2 * l->cfg.dark_every_ns);
	ev_push(&l->w->q, &e);
}

/* Holes are as short as partitions: nothing here looks for another way. */
#define MTU_HOLE_ONE_IN 3u
#define MTU_HOLE_NS (20 * SEC)

void link_mtu(struct link *l)
{
	struct ev e = {.kind = EV_MTU, .p = l};

	if (!l->cfg.mtu_every_ns)
		return;
	if (l->hole) { /* it is found and mended */
		l->hole = false;
		l->mtu = l->cfg.mtu;
	} else {
		l->mtu = (uint32_t)rng_range(&l->rng, l->cfg.mtu_min, 1500);
		l->hole = rng_one_in(&l->rng, MTU_HOLE_ONE_IN);
	}
	e.at_ns = l->w->now_ns + (l->hole ? rng_log(&l->rng, 10 * MS, MTU_HOLE_NS)
					  : rng_range(&l->rng, 1, 2 * l->cfg.mtu_every_ns));
	ev_push(&l->w->q, &e);
}

void link_heal(struct link *l)
{
	struct link_cfg *c = &l->cfg;

	c->mark = c->loss = c->dup = c->corrupt = c->reorder = c->split = 0;
	c->burst_ns = 0;
	c->bad_enter = 0;
	l->bad = false;
	c->dark_every_ns = 0;
	l->dark_until_ns = 0;
	c->mtu_every_ns = 0;
	l->hole = false;
}
