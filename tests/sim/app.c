/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The applications: each side of a flow sends a stream of bytes known beforehand, checks each byte
 * it reads against the one the other side must have sent, pauses as drawn, and closes by its rule.
 * All is in side_run(), which may be called at any time and does whatever can be done.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "sim.h"

static const char *const kind_name[FLOW_KINDS] = {
	"up", "down", "both", "rr", "short", "slow", "half", "abort", "idle", "refused", "cross"};

const char *flow_kind_name(enum flow_kind k)
{
	return kind_name[k];
}

static struct side *peer_of(const struct side *s)
{
	return s->server ? &s->f->cli : &s->f->srv;
}

static const uint8_t *pattern_at(const struct world *w, uint32_t key, uint64_t off)
{
	return &w->pattern[(key + off) % PATTERN_MOD];
}

static void side_fail(struct side *s, const char *what, long v)
{
	world_fail(s->n->w, "flow %u %s %s: %s (%ld); sent %llu of %llu, read %llu of %llu",
		   s->f->id, kind_name[s->f->kind], s->server ? "server" : "client", what, v,
		   (unsigned long long)s->tx_off, (unsigned long long)s->tx_total,
		   (unsigned long long)s->rx_off, (unsigned long long)peer_of(s)->tx_total);
}

static bool flow_aborts(const struct flow *f)
{
	return f->disturbed || f->cli.abort_rule != ABORT_NOT || f->srv.abort_rule != ABORT_NOT;
}

static void flow_check_done(struct flow *f)
{
	struct side *c = &f->cli, *v = &f->srv;

	if (f->done || !c->closed || (v->opened && !v->closed))
		return;
	/* A client may be through before the server has accepted. */
	if (!v->opened && !flow_aborts(f) && f->kind != FLOW_REFUSED)
		return;
	f->done = true;
	f->done_ns = f->w->now_ns;
	f->w->ndone++;
	world_mix(f->w, f->id ^ c->rx_off << 20 ^ v->rx_off << 40);
	world_log(f->w, "flow %u %s done: %llu up, %llu down, attempt %u", f->id,
		  kind_name[f->kind], (unsigned long long)v->rx_off, (unsigned long long)c->rx_off,
		  f->attempts);
}

static void side_end(struct side *s, void (*end)(struct stack *, struct sock *, uint64_t))
{
	struct sock *sk = s->sk;

	world_log(s->n->w, "flow %u %s closes (%s): sent %llu, read %llu", s->f->id,
		  s->server ? "server" : "client", stack_state_name(sk),
		  (unsigned long long)s->tx_off, (unsigned long long)s->rx_off);
	s->sk = NULL;
	s->closed = true;
	end(s->n->st, sk, node_now(s->n));
	s->n->dirty = true;
	flow_check_done(s->f);
}

static void side_close(struct side *s)
{
	side_end(s, stack_close);
}

void side_died(struct side *s)
{
	s->sk = NULL;
	s->closed = true;
	flow_check_done(s->f);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void client_retry(struct side *s, uint64_t pause_ns)
{
	struct world *w = s->n->w;

	w->retries++;
	s->opened = s->shut = s->eof = s->closed = false;
	s->tx_off = s->rx_off = s->answered = 0;
	s->f->port = 0; /* what the server may yet accept is not this attempt's */
	world_timer(w, s, w->now_ns + pause_ns);
}

static uint16_t port_next(struct node *n)
{
	n->port = n->port + 1u >= n->port_lo + n->nports ? n->port_lo : n->port + 1;
	return n->port;
}

/*
 * True when a client has left a connection from that port which the server has not accepted yet,
 * and may still: it could not tell whose it is.
 */
static bool port_claimed(const struct node *n, const struct flow *f, uint16_t port)
{
	const struct flow *old = n->w->by_port[n->idx][f->srv.n->idx][port - n->port_lo];

	return old && old != f && !old->srv.opened && !old->srv.n->dead &&
	       old->kind != FLOW_REFUSED && n->w->now_ns < old->port_ns + 2 * MINUTE;
}

/* Each connects to the other before the other's SYN can be there. */
static void cross_connect(struct flow *f)
{
	struct endpoint a = {.addr = node_addr_to(f->cli.n, f->srv.n), .port = port_next(f->cli.n)};
	struct endpoint b = {.addr = node_addr_to(f->srv.n, f->cli.n), .port = port_next(f->srv.n)};
	struct side *c = &f->cli, *v = &f->srv;
	int err;

	if (v->n->dead) {
		side_died(c);
		return;
	}
	f->attempts++;
	err = stack_connect(c->n->st, &a, &b, &f->o, &c->sk, node_now(c->n));
	if (!err) {
		err = stack_connect(v->n->st, &b, &a, &f->o, &v->sk, node_now(v->n));
		if (err)
			stack_abort(c->n->st, c->sk, node_now(c->n));
	}
	c->n->dirty = v->n->dirty = true;
	if (err) {
		c->sk = v->sk = NULL;
		if (err != -EADDRNOTAVAIL && err != -ENOMEM && err != -EHOSTUNREACH)
			side_fail(c, "connect", err);
		client_retry(c, rng_range(&c->rng, MINUTE, 2 * MINUTE));
		return;
	}
	f->port = a.port;
	c->opened = v->opened = true;
	stack_sock_user(c->n->st, c->sk, &c->handle);
	stack_sock_user(v->n->st, v->sk, &v->handle);
}

static void client_connect(struct side *s)
{
	struct flow *f = s->f;
	struct node *n = s->n;
	struct endpoint local = {.addr = node_addr_to(n, f->srv.n)};
	struct endpoint remote = {.addr = node_addr_to(f->srv.n, n), .port = SIM_PORT};
	int err;

	if (f->kind == FLOW_CROSS) {
		cross_connect(f);
		return;
	}
	if (f->kind == FLOW_REFUSED)
		remote.port = SIM_SHUT_PORT;
	if (f->srv.n->dead) {
		side_died(s);
		return;
	}
	local.port = port_next(n);
	if (port_claimed(n, f, local.port)) {
		client_retry(s, rng_range(&s->rng, MS, 5 * SEC));
		return;
	}
	f->attempts++;
	err = stack_connect(n->st, &local, &remote, &f->o, &s->sk, node_now(n));
	n->dirty = true;
	if (err == -EADDRNOTAVAIL || err == -ENOMEM || err == -EHOSTUNREACH) {
		s->sk = NULL;
		client_retry(s, rng_range(&s->rng, MS, 5 * SEC));
		return;
	}
	if (err != 0) {
		side_fail(s, "connect", err);
		return;
	}
	f->port = local.port;
	f->port_ns = n->w->now_ns;
	world_log(n->w, "flow %u %s: node %u port %u to node %u", f->id, kind_name[f->kind], n->idx,
		  local.port, f->srv.n->idx);
	n->w->by_port[n->idx][f->srv.n->idx][local.port - n->port_lo] = f;
	s->opened = true;
	stack_sock_user(n->st, s->sk, &s->handle);
}

void flow_start(struct flow *f)
{
	client_connect(&f->cli);
}

static void server_opt(struct side *s, int level, int name, int v)
{
	int err = stack_setopt(s->n->st, s->sk, level, name, &v, sizeof(v), node_now(s->n));

	if (err)
		side_fail(s, "setsockopt", err);
}

/* The client's come with connect(); an accepted socket sets its own. */
static void server_options(struct side *s)
{
	const struct sock_opts *o = &s->f->o;

	if (o->keepalive) {
		server_opt(s, SOL_SOCKET, SO_KEEPALIVE, 1);
		server_opt(s, IPPROTO_TCP, TCP_KEEPIDLE, (int)o->keepidle_s);
		server_opt(s, IPPROTO_TCP, TCP_KEEPINTVL, (int)o->keepintvl_s);
		server_opt(s, IPPROTO_TCP, TCP_KEEPCNT, (int)o->keepcnt);
	}
	if (o->rcvbuf)
		server_opt(s, SOL_SOCKET, SO_RCVBUF, (int)o->rcvbuf / 2);
	if (o->sndbuf)
		server_opt(s, SOL_SOCKET, SO_SNDBUF, (int)o->sndbuf / 2);
	if (o->nodelay)
		server_opt(s, IPPROTO_TCP, TCP_NODELAY, 1);
	if (o->max_pacing_rate != UINT64_MAX)
		server_opt(s, SOL_SOCKET, SO_MAX_PACING_RATE, (int)o->max_pacing_rate);
}

static struct flow *port_flow(const struct node *from, const struct node *to, const struct sock *sk)
{
	unsigned i = (unsigned)sk->remote.port - from->port_lo;

	return i < SIM_PORTS ? from->w->by_port[from->idx][to->idx][i] : NULL;
}

/*
 * Whose connection it is says the client's port. One that no client holds (any more) is a ghost:
 * its client gave up or aborted, and the reset has not come yet or was lost.
 */
void node_accept(struct node *n, bool now)
{
	struct sock *sk;
	int err;

	if (!now && rng_one_in(&n->rng, 16)) {
		struct ev e = {.kind = EV_ACCEPT, .node = n->idx};

		e.at_ns = n->w->now_ns + rng_log(&n->rng, MS, 10 * SEC);
		ev_push(&n->w->q, &e);
		return;
	}

	while ((err = stack_accept(n->st, n->listener, &sk, node_now(n))) == 0) {
		uint32_t from = node_of(&sk->remote.addr);
		struct flow *f = from < n->w->nnodes ? port_flow(&n->w->node[from], n, sk) : NULL;

		if (from == SIM_SILLY) {
			fool_accepted(n->w, n, sk);
			continue;
		}
		if (!f) {
			world_fail(n->w, "node %u accepted a connection nobody made", n->idx);
			return;
		}
		if (f->srv.opened || f->done || f->port != sk->remote.port) {
			n->w->ghosts++;
			if (f->attempts < 2 && !flow_aborts(f) && !f->o.fastopen)
				side_fail(&f->srv, "accepted twice", 0);
			stack_abort(n->st, sk, node_now(n));
			continue;
		}
		f->srv.opened = true;
		f->srv.sk = sk;
		server_options(&f->srv);
		stack_sock_user(n->st, sk, &f->srv.handle);
		side_run(&f->srv);
	}
	if (err != -EAGAIN)
		world_fail(n->w, "node %u: accept: %d", n->idx, err);
}

/* ---- ending badly --------------------------------------------------------------------------- */

/*
 * The connection failed. Right when nobody listens, when a side aborts, when no connection ever
 * came about (the client tries again), or when all bytes had arrived on both sides.
 */
static void side_error(struct side *s, int err)
{
	struct flow *f = s->f;
	struct side *p = peer_of(s);
	bool all = s->rx_off == p->tx_total && p->rx_off == s->tx_total;

	s->err = err;
	world_log(s->n->w, "flow %u %s %s: error %d", f->id, kind_name[f->kind],
		  s->server ? "server" : "client", err);
	if (f->kind == FLOW_REFUSED && err != ECONNREFUSED && err != ETIMEDOUT &&
	    err != EHOSTUNREACH && !f->disturbed)
		side_fail(s, "not refused", err);
	if (!s->server && !p->opened && f->kind != FLOW_REFUSED && !p->n->dead) {
		side_close(s);
		if (!f->done)
			client_retry(s, rng_range(&s->rng, MS, 5 * SEC));
		return;
	}
	/* The server may have what came with a SYN before the client has a connection, and with
	 * the same SYN twice (RFC 7413 6.1). */
	if (f->o.fastopen && !s->server)
		f->disturbed = true;
	if (f->kind == FLOW_CROSS && (err == EHOSTUNREACH || err == ECONNREFUSED) && !s->tx_off &&
	    !s->rx_off)
		f->disturbed = true; /* the neighbour did not answer in time: there is no retry */
	if (!all && !flow_aborts(f) && f->kind != FLOW_REFUSED)
		side_fail(s, "failed", err);
	side_close(s);
}

/* True when it was time to abort. */
static bool side_abort_due(struct side *s)
{
	struct node *n = s->n;

	if (s->abort_rule == ABORT_NOT || s->tx_off + s->rx_off < s->abort_at)
		return false;
	if (s->abort_rule == ABORT_UNREAD && stack_inq(s->sk) == 0 && !s->eof && !n->w->healed &&
	    s->rx_off < peer_of(s)->tx_total)
		return false;
	n->w->aborted++;
	if (s->abort_rule == ABORT_RST) {
		side_end(s, stack_abort);
		return true;
	}
	if (s->abort_rule == ABORT_LINGER0) {
		struct {
			int onoff, linger;
		} l = {1, 0};

		stack_setopt(n->st, s->sk, SOL_SOCKET, SO_LINGER, &l, sizeof(l), node_now(n));
	}
	side_close(s);
	return true;
}

/* ---- reading and writing -------------------------------------------------------------------- */

static bool held(const struct side *s, uint64_t until_ns)
{
	return !s->n->w->healed && s->n->w->now_ns < until_ns;
}

static void hold(struct side *s, uint64_t *until_ns, uint64_t pause_ns)
{
	if (s->n->w->healed || !pause_ns)
		return;
	*until_ns = s->n->w->now_ns + rng_log(&s->rng, MS, pause_ns);
	world_timer(s->n->w, s, *until_ns);
}

/* n bytes at b, read at rx_off: are they the ones the peer sent? */
static bool verify(struct side *s, const uint8_t *b, size_t n)
{
	const struct side *p = peer_of(s);

	if (s->rx_off + n > p->tx_off) {
		side_fail(s, "read more than was sent", (long)n);
		return false;
	}
	if (memcmp(b, pattern_at(s->n->w, p->key, s->rx_off), n) != 0) {
		side_fail(s, "read wrong bytes", (long)n);
		return false;
	}
	return true;
}

/* 1: something was read; 0: nothing to read now; below: the connection failed. */
static int side_read(struct side *s)
{
	struct node *n = s->n;
	static uint8_t buf[PATTERN_MAX];
	size_t want = rng_range(&s->rng, 1, s->rx_chunk), first = rng_below(&s->rng, want + 1);
	struct iovec iov[2] = {{buf, first}, {buf + first, want - first}};
	unsigned flags = rng_one_in(&s->rng, 16) ? RECV_PEEK : 0;
	uint32_t inq = stack_inq(s->sk);
	bool drop = rng_one_in(&s->rng, 64);
	ssize_t got;

	if (drop) /* taken unseen */
		flags = RECV_TRUNC;
	got = stack_recv(n->st, s->sk, iov, 2, flags, node_now(n));
	if (got > 0 && !drop && !verify(s, buf, (size_t)got))
		return 0;
	if (got > 0 && flags == RECV_PEEK) {
		ssize_t again = stack_recv(n->st, s->sk, iov, 2, 0, node_now(n));

		if (again != got) {
			side_fail(s, "peeked and read differ", (long)again);
			return 0;
		}
	}
	if (got > 0) {
		s->rx_off += (uint64_t)got;
		n->w->bytes_read += (uint64_t)got;
		world_mix(n->w, (uint64_t)s->f->id << 40 ^ s->rx_off);
		n->dirty = true;
		if (s->n->w->healed || !rng_chance(&s->rng, s->rx_pause_ppm))
			return 1;
		hold(s, &s->rx_hold_ns, s->rx_pause_ns);
		return 1;
	}
	if (got == 0) {
		s->eof = true;
		if (s->rx_off != peer_of(s)->tx_total && !flow_aborts(s->f))
			side_fail(s, "end of stream too early", 0);
		return 0;
	}
	if (got == -EAGAIN) {
		uint32_t ready = s->sk->ready;

		if (inq)
			side_fail(s, "nothing to read though SIOCINQ says so", inq);
		if (ready & RDY_IN)
			side_fail(s, "readable but nothing to read", (long)ready);
		return 0;
	}
	return (int)got;
}

/* Up to which offset it may send now: FLOW_RR and FLOW_IDLE take turns, FLOW_HALF waits for EOF. */
static uint64_t tx_allowed(struct side *s)
{
	const struct flow *f = s->f;
	uint64_t most = s->tx_total;

	if (f->kind == FLOW_RR || f->kind == FLOW_IDLE)
		most = s->server ? s->rx_off / f->req * f->resp
				 : (s->rx_off / f->resp + 1) * f->req;
	else if (f->kind == FLOW_SHORT && s->server)
		most = s->rx_off == f->cli.tx_total ? s->tx_total : 0;
	else if (f->kind == FLOW_HALF && s->server)
		most = s->eof ? s->tx_total : 0;
	return most < s->tx_total ? most : s->tx_total;
}

static ssize_t send_some(struct side *s, size_t want)
{
	struct node *n = s->n;
	const uint8_t *from = pattern_at(n->w, s->key, s->tx_off);
	size_t first = rng_below(&s->rng, want + 1), done = 0;
	unsigned flags = 0;
	struct iovec iov[4];
	int i, k;

	if (!stack_deferred(s->sk) && rng_one_in(&s->rng, 4)) {
		/* as sendfile: straight into the send buffer, not always all that was reserved */
		k = stack_send_reserve(n->st, s->sk, iov, 4, want);
		if (k < 0)
			return k;
		for (i = 0; i < k; i++) {
			memcpy(iov[i].iov_base, from + done, iov[i].iov_len);
			done += iov[i].iov_len;
		}
		if (done > want || !done)
			side_fail(s, "reserve gave", (long)done);
		if (rng_one_in(&s->rng, 4))
			done = 1 + rng_below(&s->rng, done);
		stack_send_commit(n->st, s->sk, done, 0, node_now(n));
		return (ssize_t)done;
	}
	iov[0] = (struct iovec){(void *)(uintptr_t)from, first};
	iov[1] = (struct iovec){(void *)(uintptr_t)(from + first), want - first};
	if (rng_one_in(&s->rng, 8))
		flags = SEND_MORE;
	if (s->f->urgent && rng_one_in(&s->rng, 8))
		flags = SEND_OOB;
	return stack_send(n->st, s->sk, iov, 2, flags, node_now(n));
}

/* As side_read(). */
static int side_write(struct side *s)
{
	uint64_t left = tx_allowed(s) - s->tx_off;
	size_t want = rng_range(&s->rng, 1, s->tx_chunk);
	ssize_t n;

	if (tx_allowed(s) <= s->tx_off)
		return 0;
	if (want > left)
		want = left;
	n = send_some(s, want);
	if (n > 0) {
		if ((size_t)n > want)
			side_fail(s, "sent more than given", (long)n);
		s->tx_off += (uint64_t)n;
		s->n->dirty = true;
		if (rng_chance(&s->rng, s->tx_pause_ppm))
			hold(s, &s->tx_hold_ns, s->tx_pause_ns);
		return 1;
	}
	if (n == -EAGAIN) {
		if (s->sk->ready & RDY_OUT)
			side_fail(s, "writable but no room", 0);
		return 0;
	}
	if (n == -EINPROGRESS && stack_connecting(s->sk))
		return 0; /* the handshake has begun, without data */
	if (n == 0)
		side_fail(s, "sent nothing", 0);
	return (int)n;
}

/* A client thinks between a response and the next request. */
static void side_think(struct side *s)
{
	const struct flow *f = s->f;

	if ((f->kind != FLOW_RR && f->kind != FLOW_IDLE) || s->server)
		return;
	if (s->rx_off / f->resp > s->answered) {
		s->answered = s->rx_off / f->resp;
		hold(s, &s->tx_hold_ns, s->tx_pause_ns);
	}
}

/* Closes, when its rule says so. */
static void side_finish(struct side *s)
{
	struct node *n = s->n;
	bool sent = s->tx_off == s->tx_total, got = s->rx_off == peer_of(s)->tx_total;
	int err;

	if (s->close_rule == CLOSE_HALF && sent && !s->shut) {
		s->shut = true;
		err = stack_shutdown(n->st, s->sk,
				     got && rng_one_in(&s->rng, 4) ? SHUT_RDWR : SHUT_WR,
				     node_now(n));
		n->dirty = true;
		if (err && !flow_aborts(s->f) && !s->eof)
			side_fail(s, "shutdown", err);
	}
	if ((sent && s->eof) || (s->close_rule == CLOSE_DONE && sent && got))
		side_close(s);
	else if (s->eof && flow_aborts(s->f))
		side_close(s); /* the peer is gone: no use in going on */
}

void side_run(struct side *s)
{
	int r;

	if (s->closed || s->n->w->failed)
		return;
	if (!s->sk) {
		if (!s->server && !s->f->done && s->f->start_ns <= s->n->w->now_ns)
			client_connect(s);
		return;
	}
	if (stack_deferred(s->sk)) { /* what is sent first goes with the SYN */
		r = held(s, s->tx_hold_ns) ? 0 : side_write(s);
		if (r < 0)
			side_error(s, -r);
		return;
	}
	if (stack_connecting(s->sk) && !(s->sk->ready & (RDY_ERR | RDY_HUP)))
		return;
	if (s->sk->err) {
		/* What came before the failure may still be read. */
		while (stack_inq(s->sk) && side_read(s) > 0)
			;
		if (!s->n->w->failed)
			side_error(s, s->sk->err);
		return;
	}
	do {
		if (side_abort_due(s))
			return;
		r = 0;
		if (!s->eof && !held(s, s->rx_hold_ns))
			r = side_read(s);
		if (r < 0 || s->n->w->failed)
			break;
		side_think(s);
		if (!s->shut && !held(s, s->tx_hold_ns)) {
			int w = side_write(s);

			r = w < 0 ? w : r | w;
		}
	} while (r > 0 && !s->n->w->failed);
	if (s->n->w->failed)
		return;
	if (r < 0)
		side_error(s, -r);
	else
		side_finish(s);
}
