/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams between two nodes. Each arrives once or not at all, whole and from the right peer;
 * twice only where the network has doubled it. What is lost is lost; but once the world is healed
 * one must get through each way, as the client asks until it is answered.
 *
 * A datagram says whose it is, which one and how long; the rest is the flow's pattern from there.
 */
#include <errno.h>
#include <string.h>

#include "sim.h"

#define DGRAM_MIN 16u
#define DGRAM_MAX 1400u
#define DGRAM_TRAIN 8u
#define DGRAM_AGAIN_NS SEC /* a healed client asks so often */
#define DGRAM_PORT 1000u   /* the flow's number beyond it; a server's beyond twice that */

static void end_fail(struct dgram_end *e, const char *what, long v)
{
	world_fail(e->d->w, "datagrams %u %s: %s (%ld)", e->d->id, e->server ? "server" : "client",
		   what, v);
}

static struct dgram_end *peer_of(struct dgram_end *e)
{
	return e->server ? &e->d->cli : &e->d->srv;
}

static struct endpoint end_at(const struct dgram_end *e, const struct dgram_end *peer)
{
	return (struct endpoint){.addr = node_addr_to(e->n, peer->n),
				 .port = (uint16_t)(DGRAM_PORT * (1u + e->server) + e->d->id)};
}

void dgram_draw(struct world *w, struct dgrams *d, unsigned id)
{
	struct rng *r = &w->rng;

	*d = (struct dgrams){.w = w, .id = id};
	d->rng.s = rng_u64(r);
	d->key = (uint32_t)rng_u64(r);
	d->pause_ns = rng_log(r, MS, 10 * SEC);
	d->total = (uint32_t)rng_log(r, 10, DGRAM_SEQS / 4);
	d->train = rng_one_in(r, 3);
	d->cli = (struct dgram_end){.handle = {HANDLE_DGRAM}, .d = d};
	d->srv = (struct dgram_end){.handle = {HANDLE_DGRAM}, .d = d, .server = true};
	d->cli.n = &w->node[rng_below(r, w->nnodes)];
	d->srv.n = &w->node[(d->cli.n->idx + 1u) % w->nnodes];
	d->cli.connected = rng_one_in(r, 2);
	d->srv.connected = rng_one_in(r, 4);
}

static void end_open(struct dgram_end *e)
{
	struct endpoint at = end_at(e, peer_of(e)), to = end_at(peer_of(e), e), any = at;
	struct sock_opts o;

	sock_opts_default(&o);
	o.v6 = e->d->id & 1 || !ip_addr_is_v4(&at.addr);
	if (!e->connected && e->d->id & 2)
		any.addr = ip_addr_is_v4(&at.addr) ? ip_addr_v4(0) : (struct ip_addr){.w = {0}};
	if (stack_udp_open(e->n->st, &any, &o, &e->sk) != 0) {
		end_fail(e, "open", 0);
		return;
	}
	if (e->connected && stack_udp_connect(e->n->st, e->sk, &at, &to) != 0)
		end_fail(e, "connect", 0);
	stack_sock_user(e->n->st, e->sk, &e->handle);
}

static void end_close(struct dgram_end *e)
{
	if (e->sk && !e->n->dead)
		stack_close(e->n->st, e->sk, node_now(e->n));
	e->sk = NULL;
	e->n->dirty = true;
}

static void dgrams_done(struct dgrams *d)
{
	if (d->done)
		return;
	d->done = true;
	d->w->ndgrams_done++;
	end_close(&d->cli);
	end_close(&d->srv);
}

/* A datagram of that many bytes at b: the next one. A number is used again at most long after, when
 * what was on its way is gone. */
static void dgram_make(struct dgram_end *e, uint8_t *b, uint32_t len)
{
	uint32_t seq = e->sent++ % DGRAM_SEQS;
	uint32_t head[4] = {e->d->id << 1 | e->server, seq, len, e->d->key};

	e->got_of[seq] = 0;
	memcpy(b, head, sizeof(head));
	memcpy(b + sizeof(head), &e->d->w->pattern[(e->d->key + seq) % PATTERN_MOD],
	       len - sizeof(head));
}

/* One, or a train; the device or the path may refuse it. */
static void end_send(struct dgram_end *e)
{
	static uint8_t b[DGRAM_TRAIN * DGRAM_MAX];
	struct dgrams *d = e->d;
	uint32_t len = (uint32_t)rng_log(&d->rng, DGRAM_MIN, DGRAM_MAX), n = 1, was = e->sent;
	struct endpoint to = end_at(peer_of(e), e), at = end_at(e, peer_of(e));
	struct udp_out out = {.to = e->connected ? NULL : &to, .from = &at.addr};
	struct iovec iov = {b, 0};
	ssize_t r;

	if (d->w->healed)
		len = DGRAM_MIN;
	else if (d->train && rng_one_in(&d->rng, 2))
		n = (uint32_t)rng_range(&d->rng, 2, DGRAM_TRAIN);
	for (uint32_t i = 0; i < n; i++, iov.iov_len += len)
		dgram_make(e, b + iov.iov_len, len);
	out.gso_bytes = n > 1 ? (uint16_t)len : 0;
	if (rng_one_in(&d->rng, 2))
		out.flags = UDP_OUT_FRAG;
	r = stack_udp_send(e->n->st, e->sk, &iov, 1, &out, node_now(e->n));
	e->n->dirty = true;
	switch (r) {
	case -EAGAIN:
	case -EOPNOTSUPP:
	case -EMSGSIZE:
	case -ENOBUFS:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -ECONNREFUSED:
		e->sent = was;
		break;
	default:
		if (r != (ssize_t)iov.iov_len)
			end_fail(e, "sent", (long)r);
		d->w->dgrams_sent += n;
	}
}

/* What came is what the peer sent, and not more often than the network has it. */
static void dgram_check(struct dgram_end *e, const uint8_t *b, uint32_t len)
{
	struct dgram_end *p = peer_of(e);
	const struct world *w = e->d->w;
	const struct link *l = &w->link[p->n->idx][e->n->idx];
	uint32_t head[4];

	if (len < sizeof(head)) {
		end_fail(e, "one that is cut short", len);
		return;
	}
	memcpy(head, b, sizeof(head));
	if (head[0] != (e->d->id << 1 | p->server) || head[3] != e->d->key ||
	    head[1] >= DGRAM_SEQS || head[1] >= p->sent)
		end_fail(e, "not the peer's", (long)head[1]);
	else if (head[2] != len)
		end_fail(e, "not whole", len);
	else if (memcmp(b + sizeof(head), &w->pattern[(e->d->key + head[1]) % PATTERN_MOD],
			len - sizeof(head)))
		end_fail(e, "wrong bytes", (long)head[1]);
	else if (++p->got_of[head[1]] > 1u + (l->duplicated > 0))
		end_fail(e, "one too often", (long)head[1]);
	e->d->w->dgrams_read++;
	world_mix(e->d->w, (uint64_t)head[0] << 32 | head[1]);
}

static bool end_read(struct dgram_end *e)
{
	static uint8_t b[65536];
	struct iovec iov = {b, sizeof(b)};
	struct endpoint from = end_at(peer_of(e), e), at = end_at(e, peer_of(e));
	struct udp_meta m;
	ssize_t r;

	r = stack_udp_recv(e->n->st, e->sk, &iov, 1, e->d->train ? RECV_GRO : 0, &m,
			   node_now(e->n));
	if (r < 0) {
		if (r == -EAGAIN && e->sk->ready & RDY_IN)
			end_fail(e, "readable but nothing to read", 0);
		return r != -EAGAIN;
	}
	if (m.from.port != from.port || !ip_addr_eq(&m.from.addr, &from.addr) ||
	    !ip_addr_eq(&m.to, &at.addr) || m.full_len != (uint32_t)r)
		end_fail(e, "from or to somebody else", (long)r);
	for (uint32_t off = 0, step = m.gso_bytes ? m.gso_bytes : (uint32_t)r;
	     off < (uint32_t)r && !e->d->w->failed; off += step)
		dgram_check(e, b + off, (uint32_t)r - off < step ? (uint32_t)r - off : step);
	if (e->d->w->healed)
		e->heard = true;
	return true;
}

/* The stack has news. A server answers half of what it reads, and all once the world is healed. */
void dgram_run(struct dgram_end *e)
{
	while (!e->d->w->failed && e->sk && end_read(e)) {
		if (e->server && (e->d->w->healed || rng_one_in(&e->d->rng, 2)))
			end_send(e);
	}
	if (!e->server && e->heard)
		dgrams_done(e->d);
}

/* Its time has come to send (or to begin). */
void dgram_tick(struct dgrams *d)
{
	struct ev ev = {.kind = EV_DGRAM, .node = d->cli.n->idx, .p = d};

	if (d->done || d->w->failed)
		return;
	if (d->cli.n->dead || d->srv.n->dead) {
		dgrams_done(d);
		return;
	}
	if (!d->cli.sk) {
		end_open(&d->cli);
		end_open(&d->srv);
	}
	if (!d->w->failed && (d->w->healed || d->cli.sent < d->total))
		end_send(&d->cli);
	ev.at_ns =
		d->w->now_ns + (d->w->healed ? DGRAM_AGAIN_NS : rng_log(&d->rng, MS, d->pause_ns));
	ev_push(&d->w->q, &ev);
}
