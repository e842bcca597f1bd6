/* SPDX-License-Identifier: BSD-2-Clause */
/* Draws a world from its seed, runs it, and judges: see sim.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "stack/ip/wire.h"

#define PPM_PERCENT 10000u
/* Liveness: what a healed world may take until the last flow ends, and from there until the last
 * trace of the last connection is gone: an orphan of a dead peer tries 15 times, up to two minutes
 * apart, TIME-WAIT and FIN-WAIT-2 last one.
 */
#define HEAL_MAX_NS (40 * MINUTE)
#define DRAIN_MAX_NS (40 * MINUTE)
#define PKTS_MAX 20000000ull /* beyond, someone chatters */

uint64_t rng_log(struct rng *r, uint64_t lo, uint64_t hi)
{
	uint64_t top = lo, span = hi / (lo ? lo : 1);
	unsigned bits = 0;

	while (span >> bits > 1)
		bits++;
	top = lo << rng_below(r, bits + 1);
	if (top > hi / 2)
		top = hi / 2 > lo ? hi / 2 : lo;
	return rng_range(r, top, 2 * top < hi ? 2 * top : hi);
}

void world_log(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->cfg.log)
		return;
	fprintf(w->cfg.log, "%12.6f ", (double)w->now_ns / SEC);
	va_start(ap, fmt);
	vfprintf(w->cfg.log, fmt, ap);
	va_end(ap);
	fputc('\n', w->cfg.log);
}

void world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (w->failed)
		return;
	w->failed = true;
	n = snprintf(w->why, sizeof(w->why), "at %.6f s: ", (double)w->now_ns / SEC);
	va_start(ap, fmt);
	vsnprintf(w->why + n, sizeof(w->why) - (size_t)n, fmt, ap);
	va_end(ap);
	world_log(w, "FAIL %s", w->why);
}

void world_mix(struct world *w, uint64_t v)
{
	w->hash = pkt_hash(w->hash, &v, sizeof(v));
}

void world_timer(struct world *w, struct side *s, uint64_t at_ns)
{
	struct ev e = {.at_ns = at_ns, .kind = EV_APP, .node = s->n->idx, .p = s};

	ev_push(&w->q, &e);
}

/* ---- drawing -------------------------------------------------------------------------------- */

static void draw_link(struct world *w, unsigned from, unsigned to)
{
	struct link *l = &w->link[from][to];
	struct rng *r = &l->rng;
	struct link_cfg *c = &l->cfg;

	*l = (struct link){.w = w, .from = (uint8_t)from, .to = (uint8_t)to, .dev = 1};
	r->s = rng_u64(&w->rng);
	l->rx_partial_ok = to < w->nnodes && w->node[to].rx_partial_ok;
	if (from == to) { /* the loopback: whole and without faults */
		*c = (struct link_cfg){.delay_ns = US, .mtu = 65535, .whole = true};
		l->mtu = c->mtu;
		l->rx_partial_ok = true;
		l->dev = STACK_DEV_LOOP;
		return;
	}
	c->delay_ns = rng_log(r, 20 * US, 150 * MS);
	c->jitter_ns = rng_one_in(r, 4) ? rng_log(r, US, c->delay_ns + MS) : 0;
	c->rate_bps = rng_one_in(r, 2) ? 0 : rng_log(r, 4000000, 10000000000ull);
	c->queue_bytes = (uint32_t)rng_log(r, 20000, 1000000);
	c->mtu = 65535;
	if (rng_one_in(r, 4))
		c->mtu =
			(uint32_t)rng_range(r, w->family == SIM_FAMILY_4 ? 600 : IP6_MTU_MIN, 1400);
	c->whole = to < w->nnodes && rng_one_in(r, 3);
	l->mtu = c->mtu;
	if (rng_one_in(r, 4)) {
		struct ev e = {.kind = EV_MTU, .p = l};

		c->mtu_every_ns = rng_range(r, 20 * SEC, 180 * SEC);
		c->mtu_min = w->family == SIM_FAMILY_4 ? 600 : IP6_MTU_MIN;
		e.at_ns = rng_range(r, 1, 2 * c->mtu_every_ns);
		ev_push(&w->q, &e);
	}
	/* All magnitudes: large windows live only where little is lost. */
	c->loss = (uint32_t)rng_log(r, 10, 5 * PPM_PERCENT);
	c->mark = (uint32_t)rng_log(r, 10, 5 * PPM_PERCENT);
	c->dup = (uint32_t)rng_log(r, 10, 2 * PPM_PERCENT);
	c->reorder = (uint32_t)rng_log(r, 10, 5 * PPM_PERCENT);
	c->reorder_ns = rng_log(r, 10 * US, 4 * c->delay_ns + MS);
	c->split = rng_one_in(r, 4) ? (uint32_t)rng_range(r, 100, 5 * PPM_PERCENT) : 0;
	/* Without corruption a checksum may stay partial. */
	if (!l->rx_partial_ok || !rng_one_in(r, 3))
		c->corrupt = (uint32_t)rng_log(r, 10, 2 * PPM_PERCENT);
	if (rng_one_in(r, 3)) {
		c->burst_every_ns = rng_log(r, 10 * MS, 10 * SEC);
		c->burst_ns =
			rng_log(r, MS, c->burst_every_ns / 2 < SEC ? c->burst_every_ns / 2 : SEC);
		c->burst_loss = (uint32_t)rng_range(r, 20 * PPM_PERCENT, 100 * PPM_PERCENT);
	}
	if (rng_one_in(r, 3)) {
		c->bad_enter = (uint32_t)rng_log(r, 10, PPM_PERCENT);
		c->bad_leave = (uint32_t)rng_range(r, 20 * PPM_PERCENT, 80 * PPM_PERCENT);
		c->burst_loss = (uint32_t)rng_range(r, 20 * PPM_PERCENT, 100 * PPM_PERCENT);
	}
	if (rng_one_in(r, 4)) {
		struct ev e = {.kind = EV_DARK, .p = l};

		c->dark_every_ns = rng_range(r, 30 * SEC, 180 * SEC);
		c->dark_ns = rng_log(r, 10 * MS, 20 * SEC);
		e.at_ns = rng_range(r, 1, 2 * c->dark_every_ns);
		ev_push(&w->q, &e);
	}
}

static void draw_options(struct world *w, struct rng *r, struct flow *f)
{
	struct sock_opts *o = &f->o;

	sock_opts_default(o);
	o->nodelay = rng_one_in(r, 3);
	if (rng_one_in(r, 4))
		o->rcvbuf = (uint32_t)rng_log(r, 4608, 1 << 20) & ~1u;
	if (rng_one_in(r, 4))
		o->sndbuf = (uint32_t)rng_log(r, 4608, 1 << 20) & ~1u;
	if (rng_one_in(r, 8))
		o->maxseg = (uint16_t)rng_range(r, 200, 1400);
	/* Silence must be noticed where a reset may have been lost; and no partition drawn here
	 * lasts long enough to end a connection that is alive. */
	if (w->disaster || f->kind == FLOW_ABORT || f->kind == FLOW_IDLE || rng_one_in(r, 4)) {
		o->keepalive = 1;
		o->keepidle_s = (uint32_t)rng_log(r, 5, 120);
		o->keepintvl_s = (uint32_t)rng_range(r, 10, 20);
		o->keepcnt = (uint32_t)rng_range(r, 8, 10);
	}
	if (rng_one_in(r, 4))
		o->cc = (int8_t)rng_below(r, CC_ALGOS);
	if (rng_one_in(r, 8))
		o->max_pacing_rate = rng_log(r, 50000, 100000000);
	/* Where something is sent first, and no port is used again: an old SYN with data could be
	 * taken for another's. */
	if (rng_one_in(r, 3) && f->cli.tx_total && f->kind != FLOW_CROSS &&
	    f->kind != FLOW_REFUSED && f->cli.n->nports == SIM_PORTS)
		o->fastopen = FASTOPEN_CALL_CONNECT;
	f->urgent = rng_one_in(r, 6);
	o->oobinline = 1;
}

static void draw_pace(struct rng *r, struct side *s, uint64_t total, uint64_t rx_total)
{
	/* In at most some thousand calls. */
	uint64_t tx_min = 1 + total / 1000, rx_min = 1 + rx_total / 1000;

	s->tx_total = total;
	s->key = (uint32_t)rng_u64(r);
	s->tx_chunk = (uint32_t)rng_log(r, tx_min, PATTERN_MAX);
	s->rx_chunk = (uint32_t)rng_log(r, rx_min, PATTERN_MAX);
	if (rng_one_in(r, 3)) {
		s->tx_pause_ppm = (uint32_t)rng_range(r, 1000, 20 * PPM_PERCENT);
		s->tx_pause_ns = rng_log(r, MS, SEC);
	}
	if (rng_one_in(r, 3)) {
		s->rx_pause_ppm = (uint32_t)rng_range(r, 1000, 20 * PPM_PERCENT);
		s->rx_pause_ns = rng_log(r, MS, SEC);
	}
}

static void draw_turns(struct world *w, struct flow *f, struct rng *r)
{
	uint64_t n = f->kind == FLOW_RR ? rng_log(r, 1, 300) : rng_range(r, 1, 4);

	f->req = (uint32_t)rng_log(r, 1, 3000);
	f->resp = (uint32_t)rng_log(r, 1, 20000);
	draw_pace(r, &f->cli, n * f->req, n * f->resp);
	draw_pace(r, &f->srv, n * f->resp, n * f->req);
	f->cli.tx_pause_ppm = f->srv.tx_pause_ppm = 0;
	f->cli.tx_pause_ns = f->kind == FLOW_RR ? rng_log(r, MS, 10 * SEC)
						: rng_range(r, w->cfg.span_ns / 8, w->cfg.span_ns);
}

static void draw_flow(struct world *w, struct flow *f, uint32_t id)
{
	static const enum flow_kind often[] = {
		FLOW_UP,    FLOW_DOWN,  FLOW_BOTH,  FLOW_RR,      FLOW_RR,   FLOW_SHORT,
		FLOW_SHORT, FLOW_SHORT, FLOW_SHORT, FLOW_SLOW,    FLOW_SLOW, FLOW_HALF,
		FLOW_ABORT, FLOW_ABORT, FLOW_IDLE,  FLOW_REFUSED, FLOW_CROSS};
	struct rng *r = &w->rng;
	uint64_t up, down;

	*f = (struct flow){.w = w, .id = id, .kind = often[rng_below(r, ARRAY_SIZE(often))]};
	f->cli = (struct side){.handle = {HANDLE_SIDE}, .f = f};
	f->srv = (struct side){.handle = {HANDLE_SIDE}, .f = f, .server = true};
	f->cli.rng.s = rng_u64(r);
	f->srv.rng.s = rng_u64(r);
	f->cli.n = &w->node[rng_below(r, w->nnodes)];
	f->srv.n = &w->node[rng_below(r, w->nnodes)];
	if (f->srv.n == f->cli.n && (f->kind == FLOW_CROSS || !rng_one_in(r, 8)))
		f->srv.n = &w->node[(f->cli.n->idx + 1u) % w->nnodes];
	f->start_ns = rng_below(r, w->cfg.span_ns * 9 / 10);
	f->cli.close_rule = rng_below(r, 2);
	f->srv.close_rule = rng_below(r, 3);

	/* The largest must get through a 4 KB window and 300 ms in the time that liveness allows.
	 */
	up = rng_log(r, 1, rng_one_in(r, 16) ? 12 << 20 : 2 << 20);
	down = rng_log(r, 1, rng_one_in(r, 16) ? 12 << 20 : 2 << 20);
	switch (f->kind) {
	case FLOW_UP:
		down = 0;
		break;
	case FLOW_DOWN:
		up = 0;
		break;
	case FLOW_SHORT:
		up = rng_log(r, 1, 2000);
		down = rng_log(r, 1, 30000);
		break;
	case FLOW_SLOW:
		*(rng_one_in(r, 2) ? &up : &down) = rng_below(r, 1000);
		break;
	case FLOW_HALF:
		f->cli.close_rule = CLOSE_HALF;
		break;
	case FLOW_REFUSED:
		up = down = 0;
		break;
	default:
		break;
	}
	if (f->kind == FLOW_RR || f->kind == FLOW_IDLE) {
		draw_turns(w, f, r);
	} else {
		draw_pace(r, &f->cli, up, down);
		draw_pace(r, &f->srv, down, up);
	}
	if (f->kind == FLOW_SLOW) {
		struct side *s = up > down ? &f->srv : &f->cli;

		s->rx_pause_ppm = (uint32_t)rng_range(r, 2 * PPM_PERCENT, 50 * PPM_PERCENT);
		s->rx_pause_ns = rng_log(r, 100 * MS, MINUTE);
	}
	if (f->kind == FLOW_ABORT) {
		struct side *s = rng_one_in(r, 2) ? &f->srv : &f->cli;

		s->abort_rule = (enum abort_rule)rng_range(r, ABORT_RST, ABORT_UNREAD);
		s->abort_at = rng_below(r, up + down);
	}
	draw_options(w, r, f);
}

/* Who speaks which family with whom. */
static void draw_families(struct world *w)
{
	w->family = (uint8_t)(SIM_FAMILY_4 + rng_below(&w->rng, 3));
	for (unsigned i = 0; i < w->nnodes; i++)
		for (unsigned k = 0; k <= i; k++)
			if (w->family == SIM_FAMILY_6 ||
			    (w->family == SIM_FAMILY_MIXED && rng_one_in(&w->rng, 2))) {
				w->v6[i] |= (uint8_t)(1u << k);
				w->v6[k] |= (uint8_t)(1u << i);
			}
}

/* In two worlds of three there is a silly peer. */
static void draw_fools(struct world *w)
{
	unsigned i;

	for (i = 0; i < w->nnodes; i++) {
		draw_link(w, i, SIM_SILLY);
		draw_link(w, SIM_SILLY, i);
	}
	w->nfools = rng_one_in(&w->rng, 3) ? 0 : (unsigned)rng_range(&w->rng, 1, SIM_FOOLS);
	for (i = 0; i < w->nfools; i++)
		silly_draw(w, &w->fool[i], i);
}

#define PLAIN_BYTES (40ull << 20)

/* 100 Mbit/s and 20 ms there and back; a late packet is so by up to half of that. */
static void draw_plain(struct world *w)
{
	struct flow *f = calloc(1, sizeof(*f));
	unsigned i;

	if (!f)
		abort();
	w->nnodes = 2;
	for (i = 0; i < 2; i++)
		node_init(&w->node[i], w, (uint8_t)i);
	for (i = 0; i < 2; i++) {
		struct link *l = &w->link[i][!i];

		*l = (struct link){.w = w, .from = (uint8_t)i, .to = !i, .dev = 1, .mtu = 65535};
		l->rx_partial_ok = w->node[!i].rx_partial_ok;
		l->cfg = (struct link_cfg){.delay_ns = 10 * MS,
					   .rate_bps = 100000000,
					   .queue_bytes = 500000,
					   .mtu = 65535,
					   .reorder = i ? 0 : w->cfg.reorder,
					   .reorder_ns = 10 * MS};
	}
	*f = (struct flow){.w = w, .kind = FLOW_UP};
	f->cli = (struct side){.handle = {HANDLE_SIDE}, .f = f, .n = &w->node[0]};
	f->srv = (struct side){.handle = {HANDLE_SIDE}, .f = f, .n = &w->node[1], .server = true};
	f->cli.tx_total = PLAIN_BYTES;
	f->cli.tx_chunk = f->srv.rx_chunk = f->srv.tx_chunk = f->cli.rx_chunk = PATTERN_MAX;
	f->cli.close_rule = CLOSE_HALF;
	f->srv.close_rule = CLOSE_AFTER_EOF;
	sock_opts_default(&f->o);
	f->o.cc = w->cfg.cc;
	w->nflows = 1;
	w->flow = f;
	world_timer(w, &f->cli, 0);
}

/* Deaths between two steps: nobody may notice. */
#define MENDS_MAX 6u
static void draw_mends(struct world *w)
{
	struct rng r = {w->cfg.seed ^ 0x6d656e64};

	for (uint64_t n = rng_below(&r, MENDS_MAX + 1); n > 0; n--) {
		struct ev e = {.kind = EV_MEND, .node = (uint32_t)rng_below(&r, w->nnodes)};

		e.at_ns = rng_below(&r, w->cfg.span_ns);
		ev_push(&w->q, &e);
	}
}

static void world_draw(struct world *w)
{
	unsigned i, k;

	w->rng.s = w->cfg.seed * 0x9e3779b97f4a7c15ull + 1;
	for (i = 0; i < PATTERN_MOD; i++)
		w->pattern[i] = (uint8_t)rng_u64(&w->rng);
	for (i = 0; i < PATTERN_MAX; i++)
		w->pattern[PATTERN_MOD + i] = w->pattern[i % PATTERN_MOD];
	if (w->cfg.plain) {
		draw_plain(w);
		return;
	}
	w->nnodes = (unsigned)rng_range(&w->rng, 2, SIM_NODES);
	draw_families(w);
	for (i = 0; i < w->nnodes; i++)
		node_init(&w->node[i], w, (uint8_t)i);
	for (i = 0; i < w->nnodes; i++)
		for (k = 0; k < w->nnodes; k++)
			draw_link(w, i, k);
	draw_fools(w);
	draw_mends(w);
	if (rng_one_in(&w->rng, 5)) {
		struct ev e = {.kind = rng_one_in(&w->rng, 2) ? EV_DEATH : EV_RESET};

		w->disaster = true;
		e.node = (uint32_t)rng_below(&w->rng, w->nnodes);
		e.at_ns = rng_range(&w->rng, w->cfg.span_ns / 8, w->cfg.span_ns);
		ev_push(&w->q, &e);
	}
	for (i = 0; i < w->nnodes; i++) {
		struct ev e = {.node = i};

		e.at_ns = rng_range(&w->rng, SEC, w->cfg.span_ns);
		e.kind = EV_STALL;
		if (w->node[i].stall_every_s)
			ev_push(&w->q, &e);
		e.kind = EV_FLUSH;
		if (rng_one_in(&w->rng, 3))
			ev_push(&w->q, &e);
	}
	w->ndgrams = (unsigned)rng_below(&w->rng, SIM_DGRAMS + 1);
	for (i = 0; i < w->ndgrams; i++) {
		struct ev e = {.kind = EV_DGRAM, .p = &w->dgrams[i]};

		dgram_draw(w, &w->dgrams[i], i);
		e.node = w->dgrams[i].cli.n->idx;
		e.at_ns = rng_below(&w->rng, w->cfg.span_ns / 2);
		ev_push(&w->q, &e);
	}
	w->nflows = (unsigned)(rng_range(&w->rng, 8, 48) + w->cfg.span_ns / (20 * SEC));
	w->flow = calloc(w->nflows, sizeof(*w->flow));
	if (!w->flow)
		abort();
	for (i = 0; i < w->nflows; i++) {
		draw_flow(w, &w->flow[i], i);
		world_timer(w, &w->flow[i].cli, w->flow[i].start_ns);
	}
}

/* ---- running -------------------------------------------------------------------------------- */

static void event_mend(struct world *w, struct node *n)
{
	struct stack_mended res;

	world_log(w, "node %u is mended", n->idx);
	if (!stack_mend(n->st, NULL, node_now(n), &res))
		world_fail(w, "node %u can't be mended", n->idx);
	if (res.reset)
		world_fail(w, "node %u: %u connections are reset", n->idx, res.reset);
	n->dirty = true;
}

static void event_stall(struct world *w, struct node *n)
{
	struct ev e = {.kind = EV_STALL, .node = n->idx};

	if (w->healed)
		return;
	w->stalls++;
	n->stall_until_ns = w->now_ns + rng_log(&n->rng, MS, 2 * SEC);
	e.at_ns = n->stall_until_ns + rng_below(&n->rng, 2ull * n->stall_every_s * SEC);
	ev_push(&w->q, &e);
}

/* From here on the flows of n may fail: those that have begun, or (ever) all. */
static void disturb(struct world *w, struct node *n, bool ever)
{
	unsigned i;

	for (i = 0; i < w->nflows; i++) {
		struct flow *f = &w->flow[i];

		if ((f->cli.n == n || f->srv.n == n) && !f->done && (ever || f->attempts))
			f->disturbed = true;
	}
}

/* The whole machine is gone, without a word. Its peers find out by themselves. */
static void event_death(struct world *w, struct node *n)
{
	unsigned i;

	world_log(w, "node %u dies", n->idx);
	disturb(w, n, true);
	n->dead = true;
	for (i = 0; i < w->nflows; i++) {
		if (w->flow[i].cli.n == n)
			side_died(&w->flow[i].cli);
		if (w->flow[i].srv.n == n)
			side_died(&w->flow[i].srv);
	}
}

/* As when a process died holding the stack's lock: all connections are reset. */
static void event_reset(struct world *w, struct node *n)
{
	world_log(w, "node %u is reset", n->idx);
	disturb(w, n, false);
	stack_reset_tell(n->st, NULL, node_now(n));
	stack_reset_all(n->st, node_now(n));
	n->dirty = true;
}

/* The first time is the beginning: of those that the node opens, its connect(). */
static void event_silly(struct fool *f)
{
	if (f->n->dead)
		return;
	if (f->w->now_ns == f->start_ns && f->active)
		fool_connect(f);
	silly_tick(f);
	fool_run(f);
}

static void event_do(struct world *w, struct ev *e)
{
	struct node *n = &w->node[e->node % SIM_NODES];

	if (e->kind == EV_SILLY) {
		event_silly(e->p);
		return;
	}
	if (e->kind == EV_PKT && e->node == SIM_SILLY) {
		silly_rx(w, e->p);
		pkt_free(e->p);
		return;
	}
	if (n->dead && e->kind != EV_DARK && e->kind != EV_MTU && e->kind != EV_DGRAM) {
		if (e->kind == EV_PKT)
			pkt_free(e->p);
		return;
	}
	switch (e->kind) {
	case EV_PKT:
	case EV_APP:
	case EV_DST:
	case EV_ACCEPT:
		/* A busy program does nothing; a packet waits in its ring. */
		if (n->stall_until_ns > w->now_ns) {
			e->at_ns = n->stall_until_ns;
			ev_push(&w->q, e);
			return;
		}
		if (e->kind == EV_PKT) {
			node_rx(n, e->arg, e->p);
			pkt_free(e->p);
		} else if (e->kind == EV_APP) {
			side_run(e->p);
		} else if (e->kind == EV_ACCEPT) {
			node_accept(n, true);
		} else {
			node_dst(n, e->arg);
		}
		n->dirty = true;
		return;
	case EV_DARK:
		link_dark(e->p);
		return;
	case EV_MTU:
		link_mtu(e->p);
		return;
	case EV_DGRAM:
		dgram_tick(e->p);
		return;
	case EV_SILLY: /* above */
		return;
	case EV_STALL:
		event_stall(w, n);
		return;
	case EV_DEATH:
		event_death(w, n);
		return;
	case EV_MEND:
		event_mend(w, n);
		return;
	case EV_RESET:
		event_reset(w, n);
		return;
	case EV_FLUSH:
		stack_dst_flush(n->st);
		n->dirty = true;
		return;
	}
}

static uint64_t node_due(const struct node *n)
{
	uint64_t at = n->wake_ns;

	if (n->dead)
		return SIM_NEVER;
	if (n->dirty)
		at = n->w->now_ns;
	return at < n->stall_until_ns ? n->stall_until_ns : at;
}

static uint64_t next_time(const struct world *w)
{
	const struct ev *e = ev_peek(&w->q);
	uint64_t at = e ? e->at_ns : SIM_NEVER;
	unsigned i;

	for (i = 0; i < w->nnodes; i++)
		if (node_due(&w->node[i]) < at)
			at = node_due(&w->node[i]);
	return at;
}

/* Until until_ns has come or done() says so; the latter returns true. */
static bool world_until(struct world *w, uint64_t until_ns, bool (*done)(const struct world *))
{
	const struct ev *e;
	uint64_t at;
	unsigned i;

	while (!w->failed) {
		if (done && done(w))
			return true;
		at = next_time(w);
		if (at >= until_ns) {
			if (until_ns > w->now_ns)
				w->now_ns = until_ns;
			return false;
		}
		w->now_ns = at;
		while (!w->failed && (e = ev_peek(&w->q)) != NULL && e->at_ns <= at) {
			struct ev x = ev_pop(&w->q);

			event_do(w, &x);
		}
		for (i = 0; i < w->nnodes && !w->failed; i++)
			if (node_due(&w->node[i]) <= at)
				node_turn(&w->node[i]);
		if (w->pkts > PKTS_MAX)
			world_fail(w, "%llu packets: someone chatters",
				   (unsigned long long)w->pkts);
	}
	return false;
}

static bool flows_done(const struct world *w)
{
	return w->ndone == w->nflows && w->ndgrams_done == w->ndgrams;
}

/* Nothing under way, and no stack holds anything but its listener and what it knows of the net. */
static bool world_quiet(const struct world *w)
{
	unsigned i, k;

	if (w->q.pkts)
		return false;
	for (i = 0; i < w->nnodes; i++) {
		struct stack *st = w->node[i].st;
		uint32_t out = 0;

		if (w->node[i].dead)
			continue;
		if (stack_open_count(st) != 1 || stack_draining_count(st) != 0 || stack_tx_peek(st))
			return false;
		for (k = 0; stack_pool(st, k); k++)
			if (strcmp(stack_pool(st, k)->name, "dst") != 0)
				out += stack_pool(st, k)->out;
		if (out != 1) /* the listener */
			return false;
	}
	return true;
}

static void world_heal(struct world *w)
{
	unsigned i, k;

	w->healed = true;
	for (i = 0; i < w->nnodes; i++) {
		w->node[i].stall_until_ns = 0;
		for (k = 0; k < w->nnodes; k++)
			link_heal(&w->link[i][k]);
		link_heal(&w->link[i][SIM_SILLY]);
		link_heal(&w->link[SIM_SILLY][i]);
	}
	for (i = 0; i < w->nfools; i++)
		if (!w->fool[i].n->dead)
			fool_run(&w->fool[i]);
	for (i = 0; i < w->nnodes; i++)
		if (!w->node[i].dead)
			node_accept(&w->node[i], true);
	for (i = 0; i < w->nflows; i++) {
		side_run(&w->flow[i].cli);
		side_run(&w->flow[i].srv);
	}
	for (i = 0; i < w->nnodes; i++)
		w->node[i].dirty = true;
	world_log(w, "healed, %u of %u flows done", w->ndone, w->nflows);
}

static void say_unfinished(struct world *w)
{
	unsigned i;

	for (i = 0; i < w->ndgrams; i++)
		if (!w->dgrams[i].done)
			world_fail(w, "datagrams %u do not get through", i);
	for (i = 0; i < w->nflows; i++) {
		struct flow *f = &w->flow[i];

		if (!f->done) {
			world_fail(w,
				   "flow %u %s does not end: client %s (sent %llu of %llu), "
				   "server %s (sent %llu of %llu)",
				   f->id, flow_kind_name(f->kind),
				   f->cli.sk ? stack_state_name(f->cli.sk) : "closed",
				   (unsigned long long)f->cli.tx_off,
				   (unsigned long long)f->cli.tx_total,
				   f->srv.sk ? stack_state_name(f->srv.sk) : "closed",
				   (unsigned long long)f->srv.tx_off,
				   (unsigned long long)f->srv.tx_total);
			return;
		}
	}
}

/* Every pool back at zero, every frame free, no timer armed. */
static void node_judge(struct node *n)
{
	const struct frame_pool *fp = stack_frames(n->st);
	const struct pool *p;
	unsigned k;

	if (n->dead)
		return;
	stack_close(n->st, n->listener, node_now(n));
	stack_dst_flush(n->st);
	stack_run(n->st, node_now(n));
	for (k = 0; (p = stack_pool(n->st, k)) != NULL; k++)
		if (p->out)
			world_fail(n->w, "node %u: %u left in pool %s", n->idx, p->out, p->name);
	if (fp->nfree != fp->count)
		world_fail(n->w, "node %u: %u frames left", n->idx, fp->count - fp->nfree);
	if (stack_next_ns(n->st) != SIM_NEVER)
		world_fail(n->w, "node %u: a timer is left", n->idx);
	if (stack_sock_next(n->st, NULL))
		world_fail(n->w, "node %u: a socket is left", n->idx);
	n->w->hash = pkt_hash(n->w->hash, stack_stats(n->st), STAT_COUNT * sizeof(uint64_t));
}

bool world_run(struct world *w, const struct world_cfg *cfg)
{
	unsigned i;

	memset(w, 0, sizeof(*w));
	w->cfg = *cfg;
	world_draw(w);
	world_until(w, cfg->span_ns, NULL);
	if (!w->failed)
		world_heal(w);
	if (!world_until(w, w->now_ns + HEAL_MAX_NS, flows_done))
		say_unfinished(w);
	/* What has not gone by then, the judge names. */
	world_until(w, w->now_ns + DRAIN_MAX_NS, world_quiet);
	for (i = 0; i < w->nnodes && !w->failed; i++)
		node_judge(&w->node[i]);
	return !w->failed;
}

void world_fini(struct world *w)
{
	unsigned i;

	for (i = 0; i < w->nnodes; i++)
		node_fini(&w->node[i]);
	ev_free(&w->q);
	free(w->flow);
	w->flow = NULL;
}
