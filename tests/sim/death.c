/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack whose process is killed at an arbitrary instruction, again and again.
 *
 * The near stack lies in shared memory. What is done to it (packets in, timers, calls of the
 * application, packets out) is done step by step; at steps that the seed draws, by a forked child
 * that is let run for a drawn number of instructions, one at a time, and then killed. The parent
 * mends the stack and goes on. Connections that the dead was changing, or had in its hands, may
 * fail; all others must deliver every byte in order, in both directions, and end, although they
 * learn only by events that there is something to do; and datagrams stay where they wait. Now and
 * then who mends is killed first (after a time, not a number of instructions). At the end every
 * pool is at rest. A child that comes to the end of its step is a death between two steps.
 *
 * The far stack, which all connections lead to, is an ordinary one that nobody kills.
 *
 *	death [SEED [WORLDS [v]]]	v: says what each death did
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "death.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"

#define ARENA_BYTES (1ull << 30)
#define PORT 80u
#define UDP_PORT 53u
#define MS 1000000ull
#define SEC 1000000000ull
#define WORLDS 10u  /* some 2,000 deaths */
#define FLOWS 48u   /* of a world */
#define ABREAST 14u /* flows at a time */
#define STEPS_MAX 200000u
#define STREAM_MAX 150000u
#define CHUNK 20000u
#define SKIPPED 77
#define STEP_LIMIT 30000u /* instructions of one step */

enum { NEAR, FAR };

struct side {
	struct flow *f;
	unsigned at; /* NEAR, FAR */
	struct sock *sk;
	bool opened, can_read, can_write, shut, eof, closed;
	uint32_t tx_off, rx_off, tx_total;
	uint64_t hold_ns; /* it does not read before */
};

struct flow {
	unsigned id;
	uint16_t port; /* of who connects */
	bool near_connects, spoilt, begun;
	struct side side[2];
};

struct flying {
	struct flying *next;
	uint64_t at_ns;
	uint32_t len;
	uint8_t data[];
};

static struct op *op;
static struct stack *st[2];
static void *mem[2];
static struct sock *listener[2], *udp[2];
static struct flow flow[FLOWS];
static struct flying *wire[2];
static uint64_t now, rng, rng_death;
static uint32_t len_seen[OP_KINDS];
static uint64_t deaths, spoilt, named, kept, in_mending;
static uint64_t seed;
static uint32_t loss_ppm, dgram_no, death_ppm;
static bool verbose, acceptable[2]; /* what is listened on has connections */
static const uint8_t mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
static char near_handle, far_handle;

static uint64_t rnd(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return rnd(&rng) % n;
}

static void fail(const char *what, long v)
{
	fprintf(stderr, "seed %llu, death %llu, at %.3f s: %s (%ld)\n", (unsigned long long)seed,
		(unsigned long long)deaths, (double)(now - 1000 * SEC) / 1e9, what, v);
	exit(1);
}

void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: ASSERT(%s)\n", file, line, what);
	fail("an assertion failed", op->kind);
	abort();
}

static struct ip_addr addr(unsigned i)
{
	return ip_addr_v4(be32(0x0a000001 + i));
}

static uint8_t byte_of(const struct side *s, uint32_t off)
{
	uint64_t k = (uint64_t)s->f->id * 2 + s->at + 1;

	return (uint8_t)((off * 0x9e3779b1u + k * 0x85ebca6bu) >> 13 ^ off);
}

static struct side *peer_of(struct side *s)
{
	return &s->f->side[!s->at];
}

/* ---- steps and death ------------------------------------------------------------------------ */

static void op_new(enum kind kind, unsigned at)
{
	op->kind = kind;
	op->done = false;
	op->st = st[at];
	op->now = now;
	op->peer_mac = mac[!at];
	op->sk = NULL;
	op->out = NULL;
	op->ret = 0;
	op->len = op->n = op->pkt_bytes = 0;
}

/* The step by a child, which is killed after some instructions. */
static void op_do_and_die(void)
{
	uint32_t max = len_seen[op->kind] ? len_seen[op->kind] + 100 : 2000;
	uint32_t n = (uint32_t)(rnd(&rng_death) % max), i;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork", errno);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(SKIPPED);
		raise(SIGSTOP);
		op_do(op);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
		puts("ptrace(2) is not to be had");
		exit(SKIPPED);
	}
	if (!WIFSTOPPED(status))
		fail("the child does not stop", status);
	if (WSTOPSIG(status) != SIGSTOP)
		fail("the child stops elsewhere", status);
	for (i = 0; i < n && !op->done; i++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
			fail("ptrace", errno);
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
		    WSTOPSIG(status) != SIGTRAP)
			fail("the child fails", status);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (op->done || i > len_seen[op->kind])
		len_seen[op->kind] = i < STEP_LIMIT ? i : STEP_LIMIT;
	if (!op->done && i == n && n + 200 > len_seen[op->kind] && n < STEP_LIMIT)
		len_seen[op->kind] += len_seen[op->kind] / 4 + 50; /* there is more to come */
	deaths++;
}

static struct flow *flow_of(const struct tcp_conn *c)
{
	for (unsigned i = 0; i < FLOWS; i++)
		if (flow[i].begun && !flow[i].spoilt &&
		    (flow[i].near_connects
			     ? c->sk.local.port == flow[i].port && c->sk.remote.port == PORT
			     : c->sk.remote.port == flow[i].port && c->sk.local.port == PORT))
			return &flow[i];
	return NULL;
}

static void flow_spoil(struct flow *f)
{
	if (!f || f->spoilt)
		return;
	f->spoilt = true;
	spoilt++;
}

/* Whom the dead may take along: those it was changing. How many of them are open. */
static uint32_t mend_spoil(void)
{
	uint32_t open = 0;

	for (uint32_t i = 0; i < st[NEAR]->nat; i++) {
		const struct sock *sk = st[NEAR]->at[i];

		if (sk && sk->type == STK_TCP && sk->life == SOCK_LIVE) {
			const struct tcp_conn *c = tcp_conn_of(sk);
			const struct tcp_mini *m = tcp_mini_find(st[NEAR], &sk->local, &sk->remote);

			open += c->state != TCPS_CLOSED;
			/* a request that was becoming one becomes it again */
			if (!sk->user && m && m->kind == TCP_MINI_REQ &&
			    ((const struct tcp_req *)m)->live)
				continue;
			flow_spoil(flow_of(c));
			named++;
		}
	}
	return open;
}

static bool is_named(const struct sock *sk)
{
	for (uint32_t i = 0; i < st[NEAR]->nat; i++)
		if (st[NEAR]->at[i] == sk)
			return true;
	return false;
}

/* The dead was not changing it: its call was through, or had not begun. */
static void own_catch_up(struct side *own, const struct tcp_conn *was)
{
	const struct tcp_conn *c = tcp_conn_of(own->sk);

	if (op->kind == OP_SEND) {
		op->ret = seq_diff(sndbuf_end(&c->snd), sndbuf_end(&was->snd));
		if (op->ret < 0)
			fail("the send buffer shrinks", op->ret);
		op->done = true;
	} else if (op->kind == OP_RECV) {
		op->ret = seq_diff(c->copied, was->copied);
		if (op->ret < 0)
			fail("what was read comes again", op->ret);
		op->done = op->ret > 0;
	}
}

/* Those that wait to be sent, in one frame each. */
static uint32_t txq_packets(void)
{
	const struct txq *q = &st[NEAR]->txq;
	uint32_t n = 0;

	for (uint32_t i = q->head; i != q->tail; i++)
		n += !(q->ent[i % TXQ_ENTRIES].flags & TXF_GSO);
	return n;
}

/* A child mends, and is killed while it does, or a bit later; then the parent is to. */
static void mend_and_die(void)
{
	struct timespec t = {.tv_nsec = (long)(rnd(&rng_death) % 400000)};
	struct stack_mended res;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork", errno);
	if (pid == 0) {
		stack_mend(st[NEAR], NULL, now, &res);
		_exit(0);
	}
	nanosleep(&t, NULL);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || (WIFEXITED(status) && WEXITSTATUS(status)))
		fail("who mends fails", status);
	in_mending += WIFSIGNALED(status);
}

static void mend(struct side *own, const struct tcp_conn *next, const struct tcp_conn *was)
{
	struct stack_mended res;
	uint32_t open = mend_spoil();
	const struct udp_sock *us = udp_sock_of(udp[NEAR]);
	uint32_t waits = us->rcvq_cost + us->wait_bytes;
	bool whole, alone = rnd(&rng_death) % 4 != 0, dgrams = !is_named(udp[NEAR]);
	uint32_t queued = txq_packets();

	if (!op->done && op->kind == OP_CONNECT)
		flow_spoil(own->f);
	else if (!op->done && own && !is_named(op->sk))
		own_catch_up(own, was);
	if (!op->done && next && op->kind == OP_ACCEPT && !next->listener)
		flow_spoil(flow_of(next));
	stack_disown_all(st[NEAR]);
	for (unsigned i = 0; i < FLOWS; i++) {
		struct side *s = &flow[i].side[NEAR];

		if (s->sk && !(own == s && op->kind == OP_CLOSE) && !stack_sock_keep(s->sk, s))
			s->sk = NULL;
	}
	if (op->done && op->out)
		stack_sock_keep(op->out, &near_handle);
	if (!stack_sock_keep(listener[NEAR], &near_handle) ||
	    !stack_sock_keep(udp[NEAR], &near_handle))
		fail("a listener or a datagram socket is gone", 0);
	if (!alone)
		mend_and_die();
	whole = stack_mend(st[NEAR], NULL, now, &res);
	if (verbose)
		printf("death %llu: kind %d %s, %u reset, %u kept%s\n", (unsigned long long)deaths,
		       op->kind, op->done ? "at its end" : "inside", res.reset, res.kept,
		       whole ? "" : ", fell back");
	if (!whole)
		fail("it does not fit together", op->kind);
	if (res.reset > open)
		fail("one that nobody was changing is reset", res.reset);
	if (dgrams && us->rcvq_cost + us->wait_bytes != waits)
		fail("datagrams are lost that nobody was changing", waits);
	/* who mends keeps them out of sight while he sorts them */
	if (alone && txq_packets() < queued)
		fail("packets are lost that were queued", queued - txq_packets());
	kept += res.kept;
	/* what is whole is so to its last record */
	for (unsigned i = 0; i < FLOWS; i++)
		if (flow[i].side[NEAR].sk && !flow[i].spoilt)
			sent_check(&tcp_conn_of(flow[i].side[NEAR].sk)->sent);
}

static void op_step(struct side *own)
{
	const struct tcp_conn *next = NULL;
	unsigned at = op->st == st[FAR];
	static struct tcp_conn was;

	if (at == FAR || rnd(&rng_death) % 1000000 >= death_ppm) {
		op_do(op);
		return;
	}
	if (op->kind == OP_ACCEPT && !list_empty(&tcp_listener_of(op->sk)->acceptq))
		next = list_first(&tcp_listener_of(op->sk)->acceptq, struct tcp_conn, accept_node);
	if (op->sk && op->sk->type == STK_TCP)
		was = *tcp_conn_of(op->sk);
	op_do_and_die();
	mend(own, next, &was);
}

/* ---- the wire ------------------------------------------------------------------------------- */

static void wire_put(unsigned to, const uint8_t *data, uint32_t len)
{
	struct flying *f, **at = &wire[to];

	if (below(1000000) < loss_ppm)
		return;
	f = malloc(sizeof(*f) + len);
	if (!f)
		abort();
	memcpy(f->data, data, len);
	f->len = len;
	f->at_ns = now + MS / 4 + below(MS) + (below(50) == 0 ? below(5 * MS) : 0);
	while (*at && (*at)->at_ns <= f->at_ns)
		at = &(*at)->next;
	f->next = *at;
	*at = f;
}

static void wire_tx(unsigned from)
{
	do {
		op_new(OP_TX, from);
		op_step(NULL);
		for (uint32_t i = 0; i < op->n; i++)
			wire_put(!from, op->pkts + op->pkt[i].off, op->pkt[i].len);
	} while (op->n == PKTS_OUT);
}

static bool wire_rx(unsigned to)
{
	struct flying *f = wire[to];

	if (!f || f->at_ns > now)
		return false;
	wire[to] = f->next;
	op_new(OP_RX, to);
	op->len = f->len;
	memcpy(op->buf, f->data, f->len);
	free(f);
	op_step(NULL);
	return true;
}

/* ---- the applications ----------------------------------------------------------------------- */

static void side_close(struct side *s)
{
	op_new(OP_CLOSE, s->at);
	op->sk = s->sk;
	op_step(s);
	s->sk = NULL; /* mended, if it was not closed, it is by now */
	s->closed = true;
}

/* The connection may fail, and nobody waits for what may never come. */
static void flow_give_up(struct flow *f)
{
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &f->side[i];

		if (s->sk)
			stack_abort(st[i], s->sk, now);
		s->sk = NULL;
		s->closed = true;
	}
}

static void side_error(struct side *s, long err)
{
	if (!s->f->spoilt) {
		fprintf(stderr, "flow %u %s: sent %u of %u, read %u of %u\n", s->f->id,
			s->at == NEAR ? "near" : "far", s->tx_off, s->tx_total, s->rx_off,
			peer_of(s)->tx_total);
		fail("a connection fails that the dead was not changing", err);
	}
	flow_give_up(s->f);
}

static void side_read(struct side *s)
{
	struct side *p = peer_of(s);

	op_new(OP_RECV, s->at);
	op->sk = s->sk;
	op->len = 1 + (uint32_t)below(CHUNK);
	op_step(s);
	if (!op->done || s->f->spoilt)
		return;
	if (op->ret == -EAGAIN) {
		s->can_read = false;
	} else if (op->ret < 0) {
		side_error(s, op->ret);
	} else if (op->ret == 0) {
		if (s->rx_off != p->tx_total)
			side_error(s, 0);
		s->eof = true;
	}
	for (ssize_t i = 0; i < op->ret; i++)
		if (op->buf[i] != byte_of(p, s->rx_off++))
			fail("a wrong byte", s->rx_off);
	if (op->ret > 0 && below(20) == 0)
		s->hold_ns = now + below(200 * MS);
}

static void side_write(struct side *s)
{
	uint32_t n = 1 + (uint32_t)below(CHUNK);

	if (n > s->tx_total - s->tx_off)
		n = s->tx_total - s->tx_off;
	if (n == 0) {
		op_new(OP_SHUTDOWN, s->at);
		op->sk = s->sk;
		op_step(s);
		s->shut = op->done;
		return;
	}
	op_new(OP_SEND, s->at);
	op->sk = s->sk;
	op->len = n;
	for (uint32_t i = 0; i < n; i++)
		op->buf[i] = byte_of(s, s->tx_off + i);
	op_step(s);
	if (!op->done || s->f->spoilt)
		return;
	if (op->ret == -EAGAIN)
		s->can_write = false;
	else if (op->ret < 0)
		side_error(s, op->ret);
	else
		s->tx_off += (uint32_t)op->ret;
	if (op->ret > 0 && op->ret < (ssize_t)n)
		s->can_write = false;
}

static void side_run(struct side *s)
{
	if (!s->sk || s->f->spoilt)
		return;
	if (s->shut && s->eof) {
		side_close(s);
	} else if (below(200) == 0) {
		op_new(OP_SETOPT, s->at);
		op->sk = s->sk;
		op->len = (uint32_t)below(3);
		op_step(s);
	} else if (s->can_write && !s->shut && below(2)) {
		side_write(s);
	} else if (s->can_read && !s->eof && now >= s->hold_ns) {
		side_read(s);
	}
}

static void flow_begin(struct flow *f)
{
	struct side *c = &f->side[f->near_connects ? NEAR : FAR];

	f->begun = true;
	op_new(OP_CONNECT, c->at);
	op->local = (struct endpoint){.addr = addr(c->at), .port = f->port};
	op->remote = (struct endpoint){.addr = addr(!c->at), .port = PORT};
	op_step(c);
	if (!op->done)
		return;
	if (op->ret != 0)
		fail("connect", op->ret);
	c->sk = op->out;
	c->opened = true;
	stack_sock_user(st[c->at], c->sk, c);
}

static void do_accept(unsigned at)
{
	struct flow *f;

	do {
		op_new(OP_ACCEPT, at);
		op->sk = listener[at];
		op_step(NULL);
		if (!op->done || op->ret != 0)
			continue;
		f = NULL;
		for (unsigned i = 0; i < FLOWS; i++)
			if (flow[i].begun && flow[i].near_connects == (at == FAR) &&
			    flow[i].port == op->out->remote.port)
				f = &flow[i];
		if (!f)
			fail("a connection that nobody made", op->out->remote.port);
		if (f->spoilt) {
			stack_abort(st[at], op->out, now);
			continue;
		}
		if (f->side[at].opened)
			fail("accepted twice", f->id);
		f->side[at].opened = true;
		f->side[at].sk = op->out;
		stack_sock_user(st[at], op->out, &f->side[at]);
	} while (op->done && op->ret == 0);
}

static void do_events_of(unsigned at)
{
	uint32_t n;

	do {
		struct {
			void *user;
			uint32_t edges;
		} ev[ARRAY_SIZE(op->ev)];

		op_new(OP_EVENTS, at);
		op_step(NULL);
		n = op->done ? op->n : 0; /* what the dead was told nobody hears */
		memcpy(ev, op->ev, sizeof(ev));
		for (uint32_t i = 0; i < n; i++) {
			struct side *s = ev[i].user;

			if (ev[i].user == &near_handle || ev[i].user == &far_handle) {
				acceptable[at] = true;
				continue;
			}
			s->can_read |= (ev[i].edges & (RDY_IN | RDY_HUP | RDY_ERR)) != 0;
			s->can_write |= (ev[i].edges & (RDY_OUT | RDY_HUP | RDY_ERR)) != 0;
		}
	} while (n == ARRAY_SIZE(op->ev));
}

static void do_udp(unsigned at)
{
	op_new(OP_UDP_RECV, at);
	op->sk = udp[at];
	op->len = 2000;
	op_step(NULL);
	if (op->done && op->ret > 0) {
		for (ssize_t i = 1; i < op->ret; i++)
			if (op->buf[i] != (uint8_t)(op->buf[0] + i))
				fail("a wrong datagram", i);
	}
	if (below(3) == 0) {
		op_new(OP_UDP_SEND, at);
		op->sk = udp[at];
		op->len = 1 + (uint32_t)below(1400);
		op->remote = (struct endpoint){.addr = addr(!at), .port = UDP_PORT};
		dgram_no++;
		for (uint32_t i = 0; i < op->len; i++)
			op->buf[i] = (uint8_t)(dgram_no + i);
		op_step(NULL);
	}
}

/* ---- the world ------------------------------------------------------------------------------ */

static void stack_new(unsigned i)
{
	bool gso = below(2);
	struct stack_dev dev = {.up = true,
				.mtu = 1500,
				.tx_csum = gso,
				.rx_partial_ok = true,
				.gso_max_bytes = gso ? 61440 : 0};
	struct endpoint at = {.addr = addr(i), .port = PORT};
	struct stack_cfg cfg;
	struct sock_opts o;
	uint8_t secret[32];
	struct ip_addr a = addr(i);

	stack_cfg_default(&cfg);
	cfg.frames = below(3) == 0 ? 512 : 4096;
	cfg.max_conns = 256;
	cfg.max_blks = 8192;
	cfg.cc = (enum cc_algo)below(CC_ALGOS);
	cfg.tcp_sack = below(5) != 0;
	cfg.tcp_timestamps = below(5) != 0;
	memset(secret, (int)i + 1, sizeof(secret));
	memcpy(dev.mac, mac[i], 6);
	mem[i] =
		mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
		     (i == NEAR ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem[i] == MAP_FAILED ||
	    stack_create(arena_init(mem[i], ARENA_BYTES), &cfg, secret, now, &st[i]) != 0)
		fail("no memory", errno);
	stack_dev_set(st[i], DEV, &dev);
	sock_opts_default(&o);
	if (stack_local_add(st[i], &a) != 0 || stack_listen(st[i], &at, &o, 64, &listener[i]) != 0)
		fail("listen", 0);
	stack_sock_user(st[i], listener[i], i == NEAR ? &near_handle : &far_handle);
	at.port = UDP_PORT;
	if (stack_udp_open(st[i], &at, &o, &udp[i]) != 0)
		fail("udp", 0);
	stack_sock_user(st[i], udp[i], i == NEAR ? &near_handle : &far_handle);
}

static bool flow_over(const struct flow *f)
{
	return f->begun && (f->spoilt || (f->side[0].closed && f->side[1].closed));
}

static unsigned flows_under_way(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FLOWS; i++)
		n += flow[i].begun && !flow_over(&flow[i]);
	return n;
}

static void flows_show(void)
{
	for (unsigned i = 0; i < 2 * FLOWS; i++) {
		const struct side *s = &flow[i / 2].side[i % 2];

		if (!s->f->begun || flow_over(s->f))
			continue;
		fprintf(stderr, "flow %u %s: %s, sent %u of %u, read %u%s%s%s%s\n", i / 2,
			i % 2 ? "far" : "near", s->sk ? stack_state_name(s->sk) : "-", s->tx_off,
			s->tx_total, s->rx_off, s->shut ? " shut" : "", s->eof ? " eof" : "",
			s->can_read ? " in" : "", s->can_write ? " out" : "");
	}
}

/* Everything that can be done now, in one order or another. */
static void world_step(unsigned *begun)
{
	if (*begun < FLOWS && flows_under_way() < ABREAST && below(4) == 0)
		flow_begin(&flow[(*begun)++]);
	for (unsigned at = 0; at < 2; at++) {
		while (wire_rx(at) && below(4))
			;
		if (stack_next_ns(st[at]) <= now || below(3) == 0) {
			op_new(OP_RUN, at);
			op_step(NULL);
		}
		op_new(OP_DST, at);
		op_step(NULL);
		do_events_of(at);
		if (acceptable[at] && below(2)) {
			acceptable[at] = false;
			do_accept(at);
			if (!op->done)
				acceptable[at] = true;
		}
		if (below(8) == 0)
			do_udp(at);
	}
	for (unsigned i = 0; i < FLOWS; i++) {
		if (flow[i].spoilt) {
			flow_give_up(&flow[i]);
			continue;
		}
		side_run(&flow[i].side[below(2)]);
	}
	for (unsigned at = 0; at < 2; at++)
		wire_tx(at);
}

static void flows_draw(void)
{
	memset(flow, 0, sizeof(flow));
	for (unsigned i = 0; i < FLOWS; i++) {
		struct flow *f = &flow[i];

		f->id = i;
		f->port = (uint16_t)(20000 + i);
		f->near_connects = below(2);
		for (unsigned at = 0; at < 2; at++) {
			f->side[at].f = f;
			f->side[at].at = at;
			/* who connects hears when it is so far */
			f->side[at].can_read = f->side[at].can_write =
				f->near_connects != (at == NEAR);
			f->side[at].tx_total = (uint32_t)(below(STREAM_MAX) >> (below(3) * 5));
		}
	}
}

static void world_rest(void)
{
	uint64_t end = now + 400 * SEC;

	death_ppm = 0;
	for (unsigned i = 0; i < FLOWS; i++)
		if (flow[i].spoilt)
			flow_give_up(&flow[i]);
	for (unsigned at = 0; at < 2; at++) {
		stack_close(st[at], listener[at], now);
		stack_close(st[at], udp[at], now);
	}
	while (now < end) {
		for (unsigned at = 0; at < 2; at++) {
			while (wire_rx(at))
				;
			op_new(OP_RUN, at);
			op_step(NULL);
			op_new(OP_DST, at);
			op_step(NULL);
			wire_tx(at);
		}
		now += wire[0] || wire[1] ? MS : SEC / 4;
	}
	for (unsigned at = 0; at < 2; at++) {
		const struct pool *p;

		for (unsigned k = 0; (p = stack_pool(st[at], k)) != NULL; k++)
			if (p->out && strcmp(p->name, "dst") != 0) {
				fprintf(stderr, "%s\n", p->name);
				fail("a pool is not at rest", p->out);
			}
		if (st[at]->frames.nfree != st[at]->frames.count)
			fail("frames are missing", st[at]->frames.count - st[at]->frames.nfree);
		munmap(mem[at], ARENA_BYTES);
	}
}

static void world_run(uint64_t s)
{
	unsigned begun = 0, steps = 0;

	seed = s;
	rng = s ^ 0x2545f4914f6cdd1dull;
	rng = rnd(&rng) ^ s << 32;
	rng_death = rng ^ 0x5851f42d4c957f2dull;
	now = 1000 * SEC;
	loss_ppm = below(2) ? 0 : (uint32_t)below(30000);
	death_ppm = 5000 + (uint32_t)below(30000);
	acceptable[0] = acceptable[1] = false;
	flows_draw();
	stack_new(NEAR);
	stack_new(FAR);
	while (begun < FLOWS || flows_under_way() > 0) {
		uint64_t next = now + 20 * MS;

		world_step(&begun);
		if (++steps > STEPS_MAX) {
			flows_show();
			fail("connections stand still", flows_under_way());
		}
		for (unsigned at = 0; at < 2; at++)
			if (wire[at] && wire[at]->at_ns < next)
				next = wire[at]->at_ns;
		now += below(4) ? MS / 20 : next > now ? next - now : MS / 20;
	}
	world_rest();
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 0) : WORLDS;

	verbose = argc > 3;
	op = mmap(NULL, sizeof(*op), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (op == MAP_FAILED)
		abort();
	for (uint64_t s = first; s < first + n; s++)
		world_run(s);
	printf("%llu deaths, and %llu while mending: %llu connections were being changed, "
	       "%llu of %llu flows spoilt, %llu times a connection went on\n",
	       (unsigned long long)deaths, (unsigned long long)in_mending,
	       (unsigned long long)named, (unsigned long long)spoilt,
	       (unsigned long long)(n * FLOWS), (unsigned long long)kept);
	return 0;
}
