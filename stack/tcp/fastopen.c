/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP Fast Open: who may send data in a SYN. Decides whether a SYN's data is believed, how many
 * such connections may be pending, what is remembered of other hosts, and what the SYN of a
 * connection says; never sends anything.
 *
 * Server. A cookie is SipHash-2-4 of the two addresses under tcp_fastopen_key, as Linux makes it:
 * what the kernel gave out is good here and the other way round, also after a change of keys (the
 * second one is still taken, and a new cookie given). Connections whose handshake is not complete
 * are limited per listener (TCP_FASTOPEN); one that was accepted and that a RST ended counts on
 * for a minute, so that a spoofed flood that provokes RSTs is bounded, too (RFC 7413 5.1).
 *
 * Client. A cache of cookies, bounded: FASTOPEN_CACHE places, four for each hash, the longest
 * unused one gives way. A host to which a SYN with data was lost twice running gets none for a
 * while that doubles (RFC 7413 4.1.3.1: middleboxes that drop such SYNs); and by
 * tcp_fastopen_blackhole_timeout_sec, as in Linux, none at all gets one after three timeouts
 * running of any connection that used it.
 *
 * A SYN carries no more than the peer's MSS leaves with all options there could be. It is sent
 * with them once: a SYN again is an ordinary one.
 */
#include <errno.h>

#include "fastopen.h"
#include "tcp.h"

#define FASTOPEN_CACHE 1024u
#define FASTOPEN_WAYS 4u
#define FASTOPEN_RST_NS 60000000000ull
#define FASTOPEN_LOSS_NS 60000000000ull
#define FASTOPEN_LOSS_MAX 10u
#define FASTOPEN_HOLE_SHIFT_MAX 6u /* tcp_fastopen_blackhole_timeout_sec grows by that at most */
#define FASTOPEN_HOLE_TIMEOUTS 2u  /* the third timeout running */

struct entry {
	struct ip_addr remote;
	struct tcp_fo cookie; /* has TCP_FO_NONE: none */
	uint16_t mss;
	uint8_t losses;
	uint8_t try_exp; /* without an answer: 1: try the experimental form, 2: no help */
	bool used;
	uint64_t lost_ns, used_ns;
};

struct fastopen_tables {
	uint64_t key[2]; /* of our own making, for when tcp_fastopen_key is not known */
	uint32_t holes;  /* times that Fast Open was found to be swallowed */
	uint64_t hole_ns;
	struct entry e[FASTOPEN_CACHE];
};

int fastopen_init(struct stack *st)
{
	struct fastopen_tables *t = arena_carve(st->arena, sizeof(*t), 64);

	if (!t)
		return -ENOMEM;
	for (unsigned i = 0; i < 4; i++)
		t->key[i / 2] = t->key[i / 2] << 32 | stack_random(st);
	st->tcp->fastopen = t;
	return 0;
}

void fastopen_forget_all(struct stack *st)
{
	memset(st->tcp->fastopen->e, 0, sizeof(st->tcp->fastopen->e));
}

/* ---- the server ----------------------------------------------------------------------------- */

/* The cookie of remote, as Linux has it: of the addresses as they stand in the IP header. */
void fastopen_cookie_make(const uint64_t key[2], const struct ip_addr *remote,
			  const struct ip_addr *local, struct tcp_fo *out)
{
	uint8_t b[32];
	uint64_t h;

	if (ip_addr_is_v4(remote)) {
		memcpy(b, &remote->w[3], 4);
		memcpy(b + 4, &local->w[3], 4);
		h = stack_siphash(key, b, 8);
	} else {
		memcpy(b, remote->b, 16);
		memcpy(b + 16, local->b, 16);
		h = stack_siphash(key, b, 32);
	}
	out->has = TCP_FO_COOKIE;
	out->len = FASTOPEN_COOKIE_BYTES;
	for (unsigned i = 0; i < FASTOPEN_COOKIE_BYTES; i++)
		out->b[i] = (uint8_t)(h >> 8 * i);
}

/* The i-th key that counts for l; NULL past the last. */
static const uint64_t *key_of(const struct stack *st, const struct tcp_listener *l, unsigned i)
{
	const struct fastopen_keys *k =
		l->o.fastopen_key.n ? &l->o.fastopen_key : &st->cfg.tcp_fastopen_key;

	if (k->n)
		return i < k->n && i < FASTOPEN_KEYS ? k->k[i] : NULL;
	return i == 0 ? st->tcp->fastopen->key : NULL;
}

static bool queue_has_room(struct stack *st, struct tcp_listener *l)
{
	uint32_t max = l->o.fastopen_qlen;

	if (l->fo_rsts && st->now_ns - l->fo_rst_ns >= FASTOPEN_RST_NS)
		l->fo_rsts = 0;
	if (l->fo_pending + l->fo_rsts < max)
		return true;
	if (max)
		COUNT(st, tcp_fastopen_overflow);
	return false;
}

enum fastopen_grant fastopen_syn(struct stack *st, struct tcp_listener *l, const struct tcp_seg *s,
				 struct tcp_fo *give)
{
	const struct tcp_fo *fo = &s->opt.fo;
	struct tcp_fo c = {.exp = fo->has != TCP_FO_NONE && fo->exp};
	const uint64_t *key;

	give->has = TCP_FO_NONE;
	if (!(st->cfg.tcp_fastopen & FASTOPEN_SERVER) || (s->len == 0 && !fo->has))
		return FASTOPEN_NONE;
	if (fo->has == TCP_FO_REQUEST)
		COUNT(st, tcp_fastopen_requests);
	if (!queue_has_room(st, l))
		return FASTOPEN_NONE;
	if ((st->cfg.tcp_fastopen & FASTOPEN_SERVER_NO_COOKIE) || l->o.fastopen_no_cookie)
		return FASTOPEN_DATA_UNPROVEN;
	if (!fo->has)
		return FASTOPEN_NONE;
	for (unsigned i = 0; fo->len && (key = key_of(st, l, i)) != NULL; i++) {
		fastopen_cookie_make(key, &s->remote.addr, &s->local.addr, &c);
		if (i == 0)
			*give = c;
		if (c.len == fo->len && memcmp(c.b, fo->b, c.len) == 0) {
			if (i == 0)
				give->has = TCP_FO_NONE; /* it has it already */
			return FASTOPEN_DATA;
		}
	}
	if (fo->len)
		COUNT(st, tcp_fastopen_bad_cookie);
	fastopen_cookie_make(key_of(st, l, 0), &s->remote.addr, &s->local.addr, &c);
	*give = c;
	return FASTOPEN_NONE;
}

void fastopen_child(struct tcp_listener *l, struct tcp_conn *c)
{
	c->fo_flags |= FO_PASSIVE;
	c->fo_listener = l;
	list_push_back(&l->fo_conns, &c->fo_node);
	l->fo_pending++;
}

void fastopen_settled(struct stack *st, struct tcp_conn *c, bool rst)
{
	struct tcp_listener *l = c->fo_listener;

	if (!l)
		return;
	c->fo_listener = NULL;
	list_del(&c->fo_node);
	l->fo_pending--;
	if (!rst || c->listener)
		return; /* one not yet accepted fills the accept queue instead */
	l->fo_rsts++;
	l->fo_rst_ns = st->now_ns;
}

void fastopen_listener_end(struct tcp_listener *l)
{
	while (!list_empty(&l->fo_conns)) {
		struct tcp_conn *c = list_first(&l->fo_conns, struct tcp_conn, fo_node);

		list_del(&c->fo_node);
		c->fo_listener = NULL;
	}
	l->fo_pending = l->fo_rsts = 0;
}

void fastopen_listener_init(const struct stack *st, struct tcp_listener *l)
{
	const uint32_t all = FASTOPEN_SERVER | FASTOPEN_ALL_LISTENERS;

	list_init(&l->fo_conns);
	l->fo_pending = l->fo_rsts = 0;
	if ((st->cfg.tcp_fastopen & all) == all && l->o.fastopen_qlen == 0)
		l->o.fastopen_qlen = l->backlog;
}

/* ---- the client: what is known of hosts ----------------------------------------------------- */

static struct entry *set_of(struct stack *st, const struct ip_addr *remote)
{
	uint64_t h = stack_hash(st, remote, sizeof(*remote));

	return &st->tcp->fastopen->e[h % (FASTOPEN_CACHE / FASTOPEN_WAYS) * FASTOPEN_WAYS];
}

static struct entry *entry_find(struct stack *st, const struct ip_addr *remote)
{
	struct entry *e = set_of(st, remote);

	for (unsigned i = 0; i < FASTOPEN_WAYS; i++)
		if (e[i].used && ip_addr_eq(&e[i].remote, remote))
			return &e[i];
	return NULL;
}

static struct entry *entry_make(struct stack *st, const struct ip_addr *remote)
{
	struct entry *e = set_of(st, remote), *old = e;

	for (unsigned i = 0; i < FASTOPEN_WAYS; i++) {
		if (!e[i].used) {
			old = &e[i];
			break;
		}
		if (e[i].used_ns < old->used_ns)
			old = &e[i];
	}
	memset(old, 0, sizeof(*old));
	old->remote = *remote;
	old->used = true;
	return old;
}

/* SYNs with data do not come through there, as far as we know. */
static bool entry_is_hole(const struct stack *st, const struct entry *e)
{
	unsigned n = e->losses < FASTOPEN_LOSS_MAX ? e->losses : FASTOPEN_LOSS_MAX;

	return n > 1 && st->now_ns - e->lost_ns < FASTOPEN_LOSS_NS << n;
}

/* Nor anywhere. */
static bool all_is_hole(const struct stack *st)
{
	const struct fastopen_tables *t = st->tcp->fastopen;
	uint64_t ns = st->cfg.tcp_fastopen_blackhole_timeout_s * 1000000000ull;
	uint32_t shift =
		t->holes < FASTOPEN_HOLE_SHIFT_MAX + 1 ? t->holes - 1 : FASTOPEN_HOLE_SHIFT_MAX;

	return t->holes && ns && st->now_ns - t->hole_ns < ns << shift;
}

/* What is known of c's peer goes to c->fo and *mss (0: unknown). True: a SYN may carry data now. */
static bool known(struct stack *st, struct tcp_conn *c, uint16_t *mss)
{
	struct entry *e = entry_find(st, &c->sk.remote.addr);

	*mss = 0;
	c->fo = (struct tcp_fo){.has = TCP_FO_NONE};
	if (e) {
		e->used_ns = st->now_ns;
		*mss = e->mss;
	}
	if ((e && entry_is_hole(st, e)) || all_is_hole(st))
		return false; /* nor the option */
	if ((st->cfg.tcp_fastopen & FASTOPEN_CLIENT_NO_COOKIE) || c->o.fastopen_no_cookie)
		return true;
	if (e && e->cookie.has) {
		c->fo = e->cookie;
		return true;
	}
	c->fo.has = TCP_FO_REQUEST;
	c->fo.exp = e && e->try_exp == 1;
	c->fo_fail = FASTOPEN_COOKIE_UNAVAILABLE;
	return false;
}

static void learn(struct stack *st, const struct tcp_conn *c, const struct tcp_fo *cookie,
		  bool syn_lost, uint8_t try_exp)
{
	struct entry *e = entry_find(st, &c->sk.remote.addr);

	if (!e && !syn_lost && !try_exp && !cookie)
		return;
	if (!e)
		e = entry_make(st, &c->sk.remote.addr);
	e->used_ns = st->now_ns;
	e->mss = c->mss_clamp;
	if (cookie)
		e->cookie = *cookie;
	else if (try_exp > e->try_exp && !e->cookie.has)
		e->try_exp = try_exp;
	if (syn_lost) {
		e->losses += e->losses < UINT8_MAX;
		e->lost_ns = st->now_ns;
	} else {
		e->losses = 0;
	}
}

/* ---- the client: a connection --------------------------------------------------------------- */

bool fastopen_connect(struct stack *st, struct tcp_conn *c)
{
	uint16_t mss;

	if (c->o.fastopen == FASTOPEN_CALL_NONE || !(st->cfg.tcp_fastopen & FASTOPEN_CLIENT))
		return false;
	c->fo_flags |= FO_CLIENT;
	if (c->o.fastopen == FASTOPEN_CALL_CONNECT && !known(st, c, &mss))
		return false; /* the SYN asks for a cookie */
	c->fo_flags |= FO_DEFERRED;
	return true;
}

uint32_t fastopen_begin(struct stack *st, struct tcp_conn *c)
{
	uint16_t mss;

	c->fo_flags &= (uint8_t)~FO_DEFERRED;
	c->fo_room = 0;
	c->fo_fail = FASTOPEN_OK;
	if (!known(st, c, &mss))
		return 0;
	c->mss_clamp = mss ? mss : UINT16_MAX;
	c->fo_room = tcp_mss_adv(st, c->dst, &c->o, &c->sk.remote.addr);
	if (mss && mss < c->fo_room)
		c->fo_room = mss;
	c->fo_room = c->fo_room > TCP_OPTS_MAX_BYTES ? c->fo_room - TCP_OPTS_MAX_BYTES : 0;
	return c->fo_room;
}

uint32_t fastopen_syn_bytes(struct stack *st, struct tcp_conn *c)
{
	uint32_t mss = tcp_mss_adv(st, c->dst, &c->o, &c->sk.remote.addr);
	uint32_t n = c->snd.len;

	if (!(c->fo_flags & FO_CLIENT) || c->state != TCPS_SYN_SENT || mss <= TCP_OPTS_MAX_BYTES)
		return 0;
	mss -= TCP_OPTS_MAX_BYTES; /* the path may have become smaller since fastopen_begin() */
	if (n > c->fo_room)
		n = c->fo_room;
	return n < mss ? n : mss;
}

void fastopen_syn_sent(struct tcp_conn *c, uint32_t bytes)
{
	if (c->fo_flags & FO_CLIENT) {
		if (c->fo.has)
			c->fo_flags |= FO_ASKED;
		if (bytes)
			c->fo_flags |= FO_SYN_DATA;
	}
	c->fo.has = TCP_FO_NONE;
}

void fastopen_synack(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s)
{
	bool left = (c->fo_flags & FO_SYN_DATA) && !sent_empty(&c->sent), lost = false;
	const struct tcp_fo *cookie = NULL;
	uint8_t try_exp = 0;

	if (!(c->fo_flags & (FO_ASKED | FO_SYN_DATA)))
		return;
	if ((c->fo_flags & FO_ASKED) && s->opt.fo.has == TCP_FO_COOKIE)
		cookie = &s->opt.fo; /* unasked it is ignored */
	if (c->total_retrans)
		lost = left && !cookie;
	else if (!cookie && (c->fo_flags & FO_ASKED) && !(c->fo_flags & FO_SYN_DATA))
		try_exp = c->fo.exp ? 2 : 1;
	learn(st, c, cookie, lost, try_exp);
	if (left) {
		c->fo_fail =
			c->total_retrans ? FASTOPEN_SYN_RETRANSMITTED : FASTOPEN_DATA_NOT_ACKED;
		recovery_syn_data_lost(&c->rec, &c->sent);
		COUNT(st, tcp_fastopen_active_failed);
	} else if (c->fo_flags & FO_SYN_DATA) {
		c->fo_flags |= FO_DATA_COUNTED;
		/* the SYN and its data are one segment */
		if (c->sent.delivered_segs > 1)
			c->sent.delivered_segs--;
		if (!all_is_hole(st))
			st->tcp->fastopen->holes = 0;
		COUNT(st, tcp_fastopen_active);
	}
}

void fastopen_timeout(struct stack *st, struct tcp_conn *c, bool gone)
{
	struct fastopen_tables *t = st->tcp->fastopen;

	if (!(c->fo_flags & (FO_ASKED | FO_SYN_DATA)) || !st->cfg.tcp_fastopen_blackhole_timeout_s)
		return;
	if (c->retransmits != FASTOPEN_HOLE_TIMEOUTS &&
	    !(gone && c->retransmits < FASTOPEN_HOLE_TIMEOUTS))
		return;
	t->holes += t->holes < UINT32_MAX;
	t->hole_ns = st->now_ns;
	COUNT(st, tcp_fastopen_blackholes);
}
