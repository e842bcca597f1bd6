/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack's life, what it is told of devices and addresses, and the turn: packets in, timers,
 * output that had to wait. Decides in which order these run and how much of each in one turn; never
 * looks into a packet beyond handing it on, and never calls out.
 */
#include "internal.h"

#include <errno.h>
#include <stdatomic.h>

#define STAT_INFO_KIND(kind) STAT_KIND_##kind

const struct stat_info stat_info[STAT_COUNT] = {
#define STAT(name, kind, text) {#name, STAT_INFO_KIND(kind), text},
#include "stats.def"
#undef STAT
};

/* ---- life ----------------------------------------------------------------------------------- */

/* Linux 6 with memory enough that nothing is scaled down; the names are the sysctls'. */
void stack_cfg_default(struct stack_cfg *cfg)
{
	*cfg = (struct stack_cfg){
		.tcp_rmem = {4096, 131072, 6291456},
		.tcp_wmem = {4096, 16384, 4194304},
		.rmem_max = 212992,
		.wmem_max = 212992,
		.rmem_default = 212992,
		.wmem_default = 212992,
		.somaxconn = 4096,
		.tcp_max_syn_backlog = 4096,
		.tcp_fin_timeout_s = 60,
		.tcp_keepalive_time_s = 7200,
		.tcp_keepalive_intvl_s = 75,
		.tcp_keepalive_probes = 9,
		.tcp_syn_retries = 6,
		.tcp_syn_linear_timeouts = 4,
		.tcp_synack_retries = 5,
		.tcp_retries2 = 15,
		.tcp_orphan_retries = 8, /* what 0, the sysctl's default, means */
		.tcp_max_tw_buckets = 262144,
		.tcp_max_orphans = 65536,
		.tcp_challenge_ack_limit = 1000, /* Linux: unlimited since 6.x, 1000 before */
		.tcp_adv_win_scale = 1,
		.tcp_notsent_lowat = UINT32_MAX,
		.tcp_sack = 1,
		.tcp_timestamps = 1,
		.tcp_window_scaling = 1,
		.tcp_slow_start_after_idle = 1,
		.tcp_moderate_rcvbuf = 1,
		.tcp_abort_on_overflow = 0,
		.tcp_tw_reuse = 2,
		.tcp_dsack = 1,
		.tcp_frto = 2,
		.tcp_early_retrans = 3,
		.tcp_recovery = 1,
		.tcp_ecn = 2,
		.tcp_ecn_fallback = 1,
		.tcp_reordering = 3,
		.tcp_max_reordering = 300,
		.tcp_retries1 = 3,
		.tcp_base_mss = 1024,
		.tcp_min_snd_mss = 48,
		.tcp_mtu_probe_floor = 48,
		.tcp_probe_interval_s = 600,
		.tcp_probe_threshold = 8,
		.mtu_expires_s = 600,
		.mtu6_expires_s = 600,
		.min_pmtu = 552,
		.tcp_tw_reuse_delay_ms = 1000,
		.tcp_syncookies = 1,
		.tcp_rfc1337 = 0,
		.tcp_fastopen = 1,
		.tcp_fastopen_blackhole_timeout_s = 0,
		.ip_default_ttl = 64,
		.ip6_hop_limit = 64,
		.ip6_auto_flowlabels = 1,
		.cc = CC_CUBIC,
		.frames = 16384,
		.max_conns = 131072,
		.max_blks = 262144,
	};
}

int stack_create(struct arena *a, const struct stack_cfg *cfg, const uint8_t secret[32],
		 uint64_t now_ns, struct stack **out)
{
	struct stack *st = arena_carve(a, sizeof(*st), 64);
	int err;

	if (st == NULL)
		return -ENOMEM;
	st->arena = a;
	st->cfg = *cfg;
	st->now_ns = now_ns;
	atomic_store_explicit(&st->next_ns, WHEEL_NEVER, memory_order_relaxed);
	stack_rand_init(st, secret);
	st->ip_id = (uint16_t)stack_random(st);
	list_init(&st->tx_wait);
	list_init(&st->tx_run);
	list_init(&st->events);
	list_init(&st->socks);
	wheel_init(&st->wheel, now_ns);
	pool_init(&st->blks, a, "blk", sizeof(struct blk), cfg->max_blks);
	pool_init(&st->errs, a, "err", sizeof(struct sock_err), cfg->max_conns);
	err = frame_pool_init(&st->frames, a, cfg->frames, cfg->frame_mem);
	if (err == 0)
		err = dst_init(st);
	if (err == 0)
		err = tcp_tables_init(st);
	if (err == 0)
		err = udp_tables_init(st);
	if (err == 0)
		*out = st;
	return err;
}

const struct stack_cfg *stack_cfg(const struct stack *st)
{
	return &st->cfg;
}

struct frame_pool *stack_frames(struct stack *st)
{
	return &st->frames;
}

struct txq *stack_txq(struct stack *st)
{
	return &st->txq;
}

uint64_t *stack_stats(struct stack *st)
{
	return st->stats;
}

/* ---- devices and addresses ------------------------------------------------------------------ */

void stack_dev_set(struct stack *st, unsigned idx, const struct stack_dev *dev)
{
	ASSERT(idx < STACK_DEVS);
	st->dev[idx] = *dev;
	if (idx == STACK_DEV_LOOP)
		memset(st->dev[idx].mac, 0, sizeof(st->dev[idx].mac));
}

/* Where a lies in the sorted table, or would have to. */
static uint32_t local_find(const struct stack *st, const struct ip_addr *a)
{
	uint32_t lo = 0, hi = st->nlocal;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (memcmp(&st->local[mid], a, sizeof(*a)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool stack_local_has(const struct stack *st, const struct ip_addr *a)
{
	uint32_t i = local_find(st, a);

	return i < st->nlocal && ip_addr_eq(&st->local[i], a);
}

int stack_local_add(struct stack *st, const struct ip_addr *a)
{
	uint32_t i = local_find(st, a);

	if (i < st->nlocal && ip_addr_eq(&st->local[i], a))
		return 0;
	if (st->nlocal == STACK_LOCAL_ADDRS)
		return -ENOSPC;
	memmove(&st->local[i + 1], &st->local[i], (st->nlocal - i) * sizeof(*a));
	st->local[i] = *a;
	st->nlocal++;
	return 0;
}

void stack_local_del(struct stack *st, const struct ip_addr *a)
{
	uint32_t i = local_find(st, a);

	if (i == st->nlocal || !ip_addr_eq(&st->local[i], a))
		return;
	st->nlocal--;
	memset(&st->local_seen, 0, sizeof(st->local_seen));
	memmove(&st->local[i], &st->local[i + 1], (st->nlocal - i) * sizeof(*a));
}

/* ---- the turn ------------------------------------------------------------------------------- */

enum stat_id stack_rx(struct stack *st, unsigned dev, uint32_t frame, uint64_t now_ns)
{
	enum stat_id r;

	ASSERT(dev < STACK_DEVS);
	st->now_ns = now_ns;
	r = ip_rx(st, dev, frame);
	if (r != STAT_rx_packets)
		st->stats[r]++;
	return r;
}

static bool tx_has_room(const struct stack *st)
{
	return txq_used(&st->txq) < TXQ_ENTRIES && st->frames.nfree > 0;
}

void stack_tx_wanted(struct stack *st)
{
	uint64_t at = WHEEL_NEVER, tcp;

	/* A full queue is looked at again when stack_tx_pop() makes room; that a frame has come
	 * back from a device nobody tells. */
	if (!list_empty(&st->tx_wait) || !list_empty(&st->tx_run)) {
		if (st->frames.nfree == 0)
			at = st->now_ns + WHEEL_COARSE_NS;
		else if (txq_used(&st->txq) < TXQ_ENTRIES)
			at = st->now_ns;
	}
	tcp = tcp_wants_run(st);
	if (tcp < at)
		at = tcp;
	atomic_store_explicit(&st->next_ns, at, memory_order_relaxed);
}

static void timer_run(struct stack *st, struct timer *t)
{
	switch ((enum timer_kind)t->kind) {
	case TIMER_TCP_RETRANSMIT:
	case TIMER_TCP_DELACK:
	case TIMER_TCP_KEEPALIVE:
	case TIMER_TCP_REQ:
	case TIMER_TCP_TW:
	case TIMER_TCP_PACE:
	case TIMER_TCP_LEFT:
		tcp_timer(st, t);
		break;
	case TIMER_DST:
		dst_timer(st, t);
		break;
	case TIMER_KINDS:
		ASSERT(!"a timer of no kind");
	}
}

static void tx_resume(struct stack *st, struct sock *sk)
{
	switch ((enum sock_type)sk->type) {
	case STK_TCP:
		tcp_tx_resume(st, sk);
		break;
	case STK_UDP:
		udp_tx_resume(st, sk);
		break;
	case STK_LISTENER:
		break;
	}
}

/*
 * Each that waits when the turn begins is resumed once; one that has more to send than there is
 * room for goes to the end of the line, so that no bulk sender starves another. Those for whom no
 * room is left keep their places at the front.
 */
static void tx_run(struct stack *st)
{
	list_splice_back(&st->tx_run, &st->tx_wait);
	while (!list_empty(&st->tx_run) && tx_has_room(st)) {
		struct list *n = st->tx_run.next;

		list_del(n);
		tx_resume(st, list_entry(n, struct sock, txw));
	}
	list_splice_front(&st->tx_wait, &st->tx_run);
}

void stack_run(struct stack *st, uint64_t now_ns)
{
	struct timer *t;

	st->now_ns = now_ns;
	while ((t = wheel_next_due(&st->wheel, now_ns)) != NULL)
		timer_run(st, t);
	if (!list_empty(&st->tx_wait) || !list_empty(&st->tx_run))
		tx_run(st);
	tcp_run(st);
	stack_tx_wanted(st);
}

uint64_t stack_next_ns(const struct stack *st)
{
	uint64_t timer = atomic_load_explicit(&st->wheel.next_ns, memory_order_relaxed);
	uint64_t tx = atomic_load_explicit(&st->next_ns, memory_order_relaxed);

	return timer < tx ? timer : tx;
}

struct tx_ent *stack_tx_peek(struct stack *st)
{
	return txq_used(&st->txq) ? &st->txq.ent[st->txq.head % TXQ_ENTRIES] : NULL;
}

void stack_tx_pop(struct stack *st)
{
	const struct tx_ent *e = stack_tx_peek(st);

	ASSERT(e != NULL);
	st->txq.head++;
	if (e->flags & TXF_GSO && --st->txq_bulk == 0 && st->blk_limbo != NULL)
		blk_limbo_flush(st);
	if (!list_empty(&st->tx_wait))
		stack_tx_wanted(st);
}
