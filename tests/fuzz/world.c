/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack's surroundings: an application that calls whatever the interface allows, in any order;
 * a kernel that answers late or not at all about destinations; time in steps from nothing to weeks;
 * devices that keep frames. Never breaks the contract of stack.h: what fails here is the stack.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <linux/tcp.h>

#include "fuzz.h"

#define ARENA_BYTES (64ull << 20)
#define BUF_BYTES (1u << 16)
#define LISTENERS 4u
/* TCP_USER_TIMEOUT goes up to 24.8 days, for orphans too; a keepalive timer may look each second */
#define END_TURNS 3000000u

/* ---- choices -------------------------------------------------------------------------------- */

uint64_t src_u64(struct src *s)
{
	uint64_t z;

	if (s->bytes != NULL) {
		size_t n = (size_t)(s->end - s->bytes);

		z = 0;
		n = n < 4 ? n : 4;
		memcpy(&z, s->bytes, n);
		s->bytes += n;
		return z * 0x100000001ull;
	}
	z = s->rng += 0x9e3779b97f4a7c15ull; /* splitmix64 */
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint32_t src_pick(struct src *s, uint32_t n)
{
	if (s->bytes == NULL)
		return (uint32_t)((uint64_t)(uint32_t)src_u64(s) * n >> 32);
	if (n <= 1 || s->bytes == s->end)
		return 0;
	if (n <= 256)
		return *s->bytes++ % n;
	return (uint32_t)src_u64(s) % n;
}

uint32_t src_interesting(struct src *s)
{
	uint32_t bit = 1u << src_pick(s, 32);

	switch (src_pick(s, 8)) {
	case 0:
		return src_pick(s, 5);
	case 1:
		return 0u - src_pick(s, 5);
	case 2:
		return bit;
	case 3:
		return bit - 1;
	case 4:
		return 0u - bit;
	case 5:
		return 0x7fffffff + src_pick(s, 3);
	case 6:
		return src_pick(s, 70000);
	default:
		return (uint32_t)src_u64(s);
	}
}

void fz_fill(struct fz *f, uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += 8) {
		uint64_t v = src_u64(&f->src);

		memcpy(b + i, &v, n - i < 8 ? n - i : 8);
	}
}

/* ---- when something is wrong ---------------------------------------------------------------- */

static struct fz *running; /* for stack_panic(), which is told nothing */

static void __attribute__((noreturn)) die(const struct fz *f)
{
	if (f != NULL)
		fprintf(stderr, "packet %llu; again by --seed %llu --round %llu\n",
			(unsigned long long)f->packets, (unsigned long long)f->seed,
			(unsigned long long)f->round);
	abort();
}

void fz_fail(struct fz *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	die(f);
}

void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: ASSERT(%s)\n", file, line, what);
	die(running);
}

unsigned fz_any_host(struct fz *f, unsigned n)
{
	return src_pick(&f->src, n) + (src_one_in(&f->src, 3) ? FZ_V6 : 0);
}

const struct ip_addr *fz_me(const struct fz *f, unsigned host)
{
	return host % FZ_V6 == FZ_LOOP ? &f->peer[host] : &f->me[host / FZ_V6];
}

/* ---- sockets -------------------------------------------------------------------------------- */

static struct handle *handle_free(struct fz *f)
{
	for (unsigned i = LISTENERS; i < FZ_HANDLES; i++)
		if (f->h[i].sk == NULL)
			return &f->h[i];
	return NULL;
}

static void handle_set(struct fz *f, struct handle *h, struct sock *sk)
{
	*h = (struct handle){.sk = sk};
	stack_sock_user(f->st, sk, h);
	sk->claimed = sk->type == STK_TCP ? (uint8_t)src_pick(&f->src, 4) : 0;
}

static void opts_any(struct fz *f, struct sock_opts *o)
{
	struct src *r = &f->src;

	sock_opts_default(o);
	if (src_one_in(r, 4))
		o->rcvbuf = 2304 + src_pick(r, 60000);
	if (src_one_in(r, 4))
		o->sndbuf = 4608 + src_pick(r, 60000);
	/* some take urgent bytes out of the stream: theirs is not compared */
	o->oobinline = o->sndbuf % 8 != 1;
	o->minttl = o->minhops = o->sndbuf % 16 == 3 ? 65 : 0; /* RFC 5082: nearer than any peer */
	o->v6 = !src_one_in(r, 4);
	o->v6only = o->v6 && src_one_in(r, 8);
	o->tclass = src_one_in(r, 8) ? 0xb8 : 0;
	o->autoflowlabel = (int8_t)((int)src_pick(r, 3) - 1);
	o->nodelay = src_one_in(r, 2);
	o->cork = src_one_in(r, 8);
	o->keepalive = src_one_in(r, 4);
	o->linger_s = (int16_t)(src_one_in(r, 8) ? (int)src_pick(r, 3) : -1);
	o->maxseg = (uint16_t)(src_one_in(r, 8) ? 88 + src_pick(r, 2000) : 0);
	o->rcvlowat = src_one_in(r, 8) ? src_pick(r, 5000) : 0;
	o->notsent_lowat = src_one_in(r, 8) ? src_pick(r, 5000) : 0;
	o->user_timeout_ms = src_one_in(r, 8) ? src_pick(r, 5000) : 0;
	o->cc = (int8_t)((int)src_pick(r, CC_ALGOS + 1) - 1);
	o->fastopen = (uint8_t)src_pick(r, 3);
	o->fastopen_no_cookie = src_one_in(r, 8);
	o->fastopen_qlen = src_one_in(r, 2) ? src_pick(r, 6) : 0;
}

static void listen_on(struct fz *f, unsigned i)
{
	struct endpoint at = {.port = (uint16_t)(80 + i)};
	struct sock_opts o;
	struct sock *sk;

	opts_any(f, &o);
	if (i == 2)
		at.addr = f->me[src_pick(&f->src, 2)];
	else if (src_one_in(&f->src, 4))
		at.addr = ip_addr_v4(0);
	if (i == 1)
		o.defer_accept_s = 1 + src_pick(&f->src, 30);
	if (stack_listen(f->st, &at, &o, i == 3 ? 1 : 1 + src_pick(&f->src, 20), &sk) == 0)
		handle_set(f, &f->h[i], sk);
}

static void udp_on(struct fz *f)
{
	struct endpoint at = {.port = (uint16_t)(53 + src_pick(&f->src, 4))};
	unsigned host = fz_any_host(f, 2);
	struct endpoint peer = {.addr = f->peer[host], .port = 5000};
	struct handle *h = handle_free(f);
	struct sock_opts o;
	struct sock *sk;

	opts_any(f, &o);
	if (src_one_in(&f->src, 4))
		at.addr = ip_addr_v4(0);
	if (h == NULL || stack_udp_open(f->st, &at, &o, &sk) != 0)
		return;
	handle_set(f, h, sk);
	if (src_one_in(&f->src, 3)) {
		at.addr = *fz_me(f, host);
		stack_udp_connect(f->st, sk, &at, &peer);
	}
}

static void connect_to(struct fz *f)
{
	struct src *r = &f->src;
	struct endpoint local = {.port = (uint16_t)(2000 + src_pick(r, 8))};
	struct endpoint remote = {.port = (uint16_t)(1000 + src_pick(r, 3))};
	unsigned host = fz_any_host(f, src_one_in(r, 8) ? 4 : 2);
	struct handle *h = handle_free(f);
	struct sock_opts o;
	struct sock *sk;

	if (h == NULL)
		return;
	remote.addr = f->peer[host];
	local.addr = *fz_me(f, host);
	opts_any(f, &o);
	if (stack_connect(f->st, &local, &remote, &o, &sk, f->now) == 0)
		handle_set(f, h, sk);
}

static void accept_one(struct fz *f, struct handle *l)
{
	struct handle *h = handle_free(f);
	struct sock *sk;

	if (h != NULL && stack_accept(f->st, l->sk, &sk, f->now) == 0)
		handle_set(f, h, sk);
}

static void send_some(struct fz *f, struct handle *h)
{
	struct src *r = &f->src;
	uint32_t n = src_one_in(r, 4) ? src_pick(r, 60000) : src_pick(r, 3000);
	const uint8_t *p = fz_pattern(h->sent);
	struct iovec iov[2] = {{(void *)(uintptr_t)p, n / 3},
			       {(void *)(uintptr_t)(p + n / 3), n - n / 3}};
	ssize_t got;

	got = stack_send(f->st, h->sk, iov, 2,
			 (src_one_in(r, 8) ? SEND_MORE : 0) | (n % 32 == 7 ? SEND_OOB : 0), f->now);
	fz_must(f, got <= (ssize_t)n && (got != 0 || n == 0));
	if (got > 0)
		h->sent += (uint32_t)got;
}

static void send_in_place(struct fz *f, struct handle *h)
{
	struct iovec iov[4];
	uint32_t max = 1 + src_pick(&f->src, 14000), sum = 0, done = 0;
	int n = stack_send_reserve(f->st, h->sk, iov, 4, max);

	if (n < 0)
		return;
	fz_must(f, n > 0 && n <= 4);
	for (int i = 0; i < n; i++)
		sum += (uint32_t)iov[i].iov_len;
	fz_must(f, sum > 0 && sum <= max);
	max = src_one_in(&f->src, 4) ? src_pick(&f->src, sum + 1) : sum;
	for (int i = 0; i < n && done < max; i++) {
		memcpy(iov[i].iov_base, fz_pattern(h->sent + done), iov[i].iov_len);
		done += (uint32_t)iov[i].iov_len;
	}
	stack_send_commit(f->st, h->sk, max, 0, f->now);
	h->sent += max;
}

/* A stream goes on where it was: each byte is one more than the one before. */
static void check_stream(struct fz *f, struct handle *h, const uint8_t *b, uint32_t n, bool keep)
{
	uint8_t next = h->have_next ? h->next : b[0];

	if (memcmp(b, fz_pattern(next), n) != 0)
		fz_fail(f, "what was received is not what was sent");
	if (keep) {
		h->have_next = true;
		h->next = (uint8_t)(next + n);
	}
}

static void recv_some(struct fz *f, struct handle *h)
{
	static uint8_t b[BUF_BYTES];
	struct src *r = &f->src;
	uint32_t n = src_one_in(r, 3) ? src_pick(r, 100) : src_pick(r, BUF_BYTES);
	unsigned flags = src_one_in(r, 6) ? RECV_PEEK : src_one_in(r, 16) ? RECV_TRUNC : 0;
	struct iovec iov[2] = {{b, n / 2}, {b + n / 2, n - n / 2}};
	uint32_t unread = stack_unread(h->sk), len = sizeof(int);
	int inline_oob = 0;
	ssize_t got = stack_recv(f->st, h->sk, iov, 2, flags, f->now);

	fz_must(f, got <= (ssize_t)n && (got < 0 || got <= (ssize_t)unread));
	stack_getopt(f->st, h->sk, SOL_SOCKET, SO_OOBINLINE, &inline_oob, &len, f->now);
	if (!inline_oob) {
		got = stack_recv(f->st, h->sk, iov, 2, RECV_OOB | flags, f->now);
		fz_must(f, got <= 1 && got <= (ssize_t)n);
		fz_must(f, stack_inq(h->sk) <= stack_unread(h->sk));
		return;
	}
	if (got <= 0)
		return;
	if (flags & RECV_TRUNC)
		h->next = (uint8_t)(h->next + got);
	else
		check_stream(f, h, b, (uint32_t)got, !(flags & RECV_PEEK));
}

static void setopt_any(struct fz *f, struct handle *h)
{
	static const struct {
		int level, name;
	} opt[] = {
		{SOL_SOCKET, SO_RCVBUF},
		{SOL_SOCKET, SO_SNDBUF},
		{SOL_SOCKET, SO_RCVLOWAT},
		{SOL_SOCKET, SO_KEEPALIVE},
		{SOL_SOCKET, SO_LINGER},
		{SOL_SOCKET, SO_ERROR},
		{SOL_SOCKET, SO_REUSEADDR},
		{IPPROTO_TCP, TCP_NODELAY},
		{IPPROTO_TCP, TCP_CORK},
		{IPPROTO_TCP, TCP_MAXSEG},
		{IPPROTO_TCP, TCP_KEEPIDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL},
		{IPPROTO_TCP, TCP_KEEPCNT},
		{IPPROTO_TCP, TCP_SYNCNT},
		{IPPROTO_TCP, TCP_LINGER2},
		{IPPROTO_TCP, TCP_DEFER_ACCEPT},
		{IPPROTO_TCP, TCP_QUICKACK},
		{IPPROTO_TCP, TCP_USER_TIMEOUT},
		{IPPROTO_TCP, TCP_NOTSENT_LOWAT},
		{IPPROTO_TCP, TCP_CONGESTION},
		{IPPROTO_TCP, TCP_INFO},
		{IPPROTO_TCP, TCP_FASTOPEN},
		{IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
		{IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE},
		{IPPROTO_TCP, TCP_FASTOPEN_KEY},
		{IPPROTO_IP, IP_TOS},
		{IPPROTO_IP, IP_TTL},
		{IPPROTO_IPV6, IPV6_TCLASS},
		{IPPROTO_IPV6, IPV6_UNICAST_HOPS},
		{IPPROTO_IPV6, IPV6_V6ONLY},
		{IPPROTO_IPV6, IPV6_MTU},
		{IPPROTO_IPV6, IPV6_MTU_DISCOVER},
		{SOL_SOCKET, 9999},
	};
	unsigned i = src_pick(&f->src, ARRAY_SIZE(opt));
	uint8_t out[512];
	uint32_t len = src_pick(&f->src, sizeof(out) + 1);
	struct linger val = {.l_onoff = (int)src_pick(&f->src, 3),
			     .l_linger = (int)src_interesting(&f->src)};

	if (src_one_in(&f->src, 2)) {
		val.l_onoff = (int)src_interesting(&f->src);
	}
	/* A window scale is chosen once; after that only what the socket layer allows. */
	stack_setopt(f->st, h->sk, opt[i].level, opt[i].name, &val,
		     src_one_in(&f->src, 8) ? src_pick(&f->src, sizeof(val) + 1) : 4 + 4 * (i == 4),
		     f->now);
	stack_getopt(f->st, h->sk, opt[i].level, opt[i].name, out, &len, f->now);
	fz_must(f, len <= sizeof(out));
}

static void udp_call(struct fz *f, struct handle *h)
{
	static uint8_t b[BUF_BYTES];
	struct src *r = &f->src;
	struct iovec iov = {b, src_one_in(r, 4) ? src_pick(r, BUF_BYTES) : src_pick(r, 600)};
	unsigned host = fz_any_host(f, 3);
	struct endpoint to = {.addr = f->peer[host], .port = (uint16_t)(5000 + src_pick(r, 3))};
	struct endpoint local = h->sk->local;
	struct udp_out out = {.from = &f->me[host / FZ_V6], .tos = 0x2, .ttl = 9};
	struct udp_meta meta;

	switch (src_pick(r, 6)) {
	case 0:
		local.addr = *fz_me(f, host);
		stack_udp_connect(f->st, h->sk, &local, src_one_in(r, 3) ? NULL : &to);
		break;
	case 1:
	case 2:
		out.to = src_one_in(r, 3) ? NULL : &to;
		if (src_one_in(r, 3))
			out.gso_bytes = (uint16_t)src_pick(r, 1600);
		out.flags = (uint8_t)src_pick(r, 16);
		stack_udp_send(f->st, h->sk, &iov, 1, &out, f->now);
		break;
	default:
		fz_must(f, stack_udp_recv(f->st, h->sk, &iov, 1,
					  (src_one_in(r, 4) ? RECV_PEEK : 0) |
						  (src_one_in(r, 2) ? RECV_GRO : 0),
					  &meta, f->now) <= (ssize_t)iov.iov_len);
	}
}

static void end_socket(struct fz *f, struct handle *h, bool abort)
{
	struct sock *sk = h->sk;

	h->sk = NULL;
	if (abort)
		stack_abort(f->st, sk, f->now);
	else
		stack_close(f->st, sk, f->now);
}

static void claim_any(void *arg, const struct endpoint *local, const struct endpoint *remote,
		      uint8_t *claims)
{
	struct fz *f = arg;

	fz_must(f, local->port != 0); /* a peer may well come from port 0 */
	*claims |= (uint8_t)src_pick(&f->src, 8);
}

static void leave_to_kernel(struct fz *f, struct handle *h)
{
	stack_listen_leave(f->st, h->sk, f->now);
	stack_port_each(f->st, h->sk->local.port, claim_any, f);
}

static void listener_call(struct fz *f, struct handle *h)
{
	struct src *r = &f->src;

	switch (src_pick(r, 32)) {
	case 0:
		stack_shutdown(f->st, h->sk, (int)src_pick(r, 3), f->now);
		break;
	case 1:
		end_socket(f, h, src_one_in(r, 2));
		break;
	case 2:
		stack_listen_backlog(f->st, h->sk, src_pick(r, 8));
		break;
	case 3:
	case 4:
		setopt_any(f, h);
		break;
	case 5:
		if (src_one_in(r, 4))
			leave_to_kernel(f, h);
		break;
	default:
		accept_one(f, h);
	}
}

static void tcp_call(struct fz *f, struct handle *h)
{
	struct src *r = &f->src;
	struct tcp_info ti;

	/* What has ended is of little use any more. */
	if (!stack_connecting(h->sk) && !stack_connected(h->sk) && src_one_in(r, 3)) {
		end_socket(f, h, false);
		return;
	}
	switch (src_pick(r, 32)) {
	case 0:
		stack_shutdown(f->st, h->sk, src_one_in(r, 4) ? (int)src_pick(r, 4) : SHUT_WR,
			       f->now);
		break;
	case 1:
		end_socket(f, h, src_one_in(r, 4));
		break;
	case 2:
	case 3:
		setopt_any(f, h);
		break;
	case 4:
		memset(&ti, 0, sizeof(ti));
		stack_tcp_info(f->st, h->sk, &ti, f->now);
		fz_must(f, stack_outq(h->sk) >= stack_outq_notsent(h->sk));
		break;
	case 5 ... 7:
		send_in_place(f, h);
		break;
	case 8 ... 18:
		send_some(f, h);
		break;
	default:
		recv_some(f, h);
	}
}

static void app_step(struct fz *f)
{
	struct src *r = &f->src;
	struct endpoint a, b;
	uint8_t claims;
	struct handle *h;
	struct sock *sk;
	uint32_t edges;

	while ((sk = stack_event(f->st, &edges)) != NULL)
		fz_must(f, edges != 0 && !sk->orphan && sk->user != NULL &&
				   ((struct handle *)sk->user)->sk == sk);
	while (stack_gone(f->st, &a, &b, &claims))
		;
	switch (src_pick(r, f->focus == FZ_UDP ? 4 : 16)) {
	case 0:
		connect_to(f);
		return;
	case 1:
		udp_on(f);
		return;
	}
	h = &f->h[src_one_in(r, 3) ? src_pick(r, LISTENERS) : src_pick(r, FZ_HANDLES)];
	if (h->sk == NULL) {
		if (h < f->h + LISTENERS)
			listen_on(f, (unsigned)(h - f->h));
		return;
	}
	switch ((enum sock_type)h->sk->type) {
	case STK_TCP:
		tcp_call(f, h);
		break;
	case STK_LISTENER:
		listener_call(f, h);
		break;
	case STK_UDP:
		if (src_one_in(r, 16))
			end_socket(f, h, false);
		else if (src_one_in(r, 16))
			setopt_any(f, h);
		else if (src_one_in(r, 32))
			stack_shutdown(f->st, h->sk, (int)src_pick(r, 3), f->now);
		else
			udp_call(f, h);
		break;
	}
}

/* ---- devices, destinations, time ------------------------------------------------------------ */

static void held_release(struct fz *f, uint32_t keep)
{
	while (f->nheld > keep)
		frame_put(stack_frames(f->st), f->held[--f->nheld]);
}

void fz_drain(struct fz *f, bool hold)
{
	struct tx_ent *e;

	while ((e = stack_tx_peek(f->st)) != NULL) {
		uint32_t frame = e->frame;

		fz_emitted(f, e);
		stack_tx_pop(f->st);
		if (hold && f->nheld < FZ_HELD)
			f->held[f->nheld++] = frame;
		else
			frame_put(stack_frames(f->st), frame);
	}
}

static void dst_answer(struct fz *f, const struct ip_addr *a, bool good)
{
	struct src *r = &f->src;
	struct dst_info d = {
		.state = DST_OK, .dev = FZ_DEV, .next_hop = *a, .mac = {2, 0, 0, 0, 0, 2}};

	if (ip_addr_eq(a, &f->peer[FZ_LOOP]) || ip_addr_eq(a, &f->peer[FZ_V6 + FZ_LOOP])) {
		d.dev = STACK_DEV_LOOP;
		memset(d.mac, 0, 6);
	} else if (!good && !ip_addr_eq(a, &f->peer[0]) && !ip_addr_eq(a, &f->peer[FZ_V6])) {
		switch (src_pick(r, 8)) {
		case 0:
			d.state = DST_UNREACHABLE;
			d.err = src_one_in(r, 2) ? ENETUNREACH : EHOSTUNREACH;
			break;
		case 1:
			d.state = DST_WAIT;
			break;
		case 2:
			return;
		case 3:
			d.mtu = 552 + src_pick(r, 1000);
			break;
		}
	}
	stack_dst_set(f->st, a, &d, f->now);
}

static void dst_step(struct fz *f)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
	struct src *r = &f->src;
	struct ip_addr a;

	while (stack_dst_request(f->st, &a))
		dst_answer(f, &a, src_one_in(r, 2));
	switch (src_pick(r, 16)) {
	case 0:
		stack_dst_flush(f->st);
		break;
	case 1:
		dst_answer(f, &f->peer[fz_any_host(f, 4)], false);
		break;
	case 2:
		stack_neigh_set(f->st, FZ_DEV, &f->peer[1 + fz_any_host(f, 2)],
				src_one_in(r, 2) ? mac : NULL, f->now);
		break;
	case 3:
		dst_answer(f, &f->peer[fz_any_host(f, 4)], true);
		break;
	}
}

/* What is due, until it comes to rest. */
static void turn(struct fz *f, bool hold)
{
	unsigned n = 0;

	do {
		stack_run(f->st, f->now);
		fz_drain(f, hold);
		fz_must(f, ++n < 1000);
	} while (stack_next_ns(f->st) <= f->now);
}

static void time_step(struct fz *f)
{
	struct src *r = &f->src;
	uint64_t next = stack_next_ns(f->st);

	switch (src_pick(r, 64)) {
	case 0 ... 19:
		f->now += src_pick(r, 1000) * 1000ull;
		break;
	case 20 ... 44:
		if (next != UINT64_MAX && next > f->now && next - f->now < 10 * SEC)
			f->now = next;
		break;
	case 45 ... 57:
		f->now += src_pick(r, 300) * MS;
		break;
	case 58 ... 61:
		f->now += src_pick(r, 3000) * MS;
		break;
	case 62:
		f->now += src_pick(r, 100) * SEC;
		break;
	case 63:
		if (src_one_in(r, 16))
			f->now += src_pick(r, 30) * 86400 * SEC;
		break;
	}
	turn(f, src_one_in(r, 8));
}

/* Memory as short as anyone likes: frames taken by others, given back later. */
static void memory_step(struct fz *f)
{
	struct src *r = &f->src;
	uint32_t n;

	held_release(f, src_one_in(r, 2) ? 0 : f->nheld / 2);
	if (src_one_in(r, 8)) {
		for (n = src_pick(r, 400); n > 0 && f->nheld < FZ_HELD; n--) {
			uint32_t idx = frame_get(stack_frames(f->st));

			if (idx == FRAME_NONE)
				break;
			f->held[f->nheld++] = idx;
		}
	}
	if (src_one_in(r, 256)) {
		uint64_t lent[FZ_FRAMES_MAX / 64] = {0};

		for (n = 0; n < f->nheld; n++)
			lent[f->held[n] / 64] |= 1ull << (f->held[n] % 64);
		stack_reset_tell(f->st, lent, f->now);
		stack_reset_all(f->st, f->now);
	}
}

/* ---- a round -------------------------------------------------------------------------------- */

static void configure(struct fz *f, struct stack_cfg *c)
{
	struct src *r = &f->src;

	stack_cfg_default(c);
	c->frames = src_one_in(r, 3) ? 64 + src_pick(r, 192) : FZ_FRAMES_MAX;
	c->max_conns = src_one_in(r, 3) ? 4 + src_pick(r, 12) : 64;
	c->max_blks = src_one_in(r, 3) ? 16 + src_pick(r, 100) : 1024;
	c->tcp_max_syn_backlog = src_one_in(r, 3) ? 1 + src_pick(r, 4) : 64;
	c->tcp_max_tw_buckets = src_one_in(r, 3) ? 1 + src_pick(r, 4) : 64;
	c->tcp_max_orphans = src_one_in(r, 3) ? src_pick(r, 3) : 64;
	c->tcp_sack = !src_one_in(r, 6);
	c->tcp_timestamps = !src_one_in(r, 3);
	c->tcp_window_scaling = !src_one_in(r, 4);
	c->tcp_abort_on_overflow = src_one_in(r, 4);
	c->tcp_tw_reuse = (uint8_t)src_pick(r, 3);
	c->tcp_syncookies = src_one_in(r, 3) ? (uint8_t)(1 + src_pick(r, 2)) : 0;
	c->tcp_rfc1337 = src_one_in(r, 4);
	c->tcp_fastopen = src_one_in(r, 2) ? src_pick(r, 8) | src_pick(r, 4) << 9 : 0;
	c->tcp_fastopen_blackhole_timeout_s = src_one_in(r, 2) ? 60 : 0;
	c->tcp_syn_linear_timeouts = src_pick(r, 3);
	c->tcp_challenge_ack_limit = src_one_in(r, 3) ? src_pick(r, 5) : 1000;
	c->tcp_adv_win_scale = (uint32_t)((int)src_pick(r, 5) - 2);
	c->cc = (enum cc_algo)src_pick(r, CC_ALGOS);
	c->tcp_retries2 = 3 + src_pick(r, 13);
	c->tcp_synack_retries = src_pick(r, 6);
	c->tcp_syn_retries = 1 + src_pick(r, 6);
	if (src_one_in(r, 3)) {
		c->tcp_rmem[1] = 4096 + src_pick(r, 20000);
		c->tcp_rmem[2] = c->tcp_rmem[1] + src_pick(r, 200000);
	}
	if (src_one_in(r, 3)) {
		c->tcp_wmem[1] = 4096 + src_pick(r, 20000);
		c->tcp_wmem[2] = c->tcp_wmem[1] + src_pick(r, 200000);
	}
	if (src_one_in(r, 3))
		c->rmem_default = 2304 + src_pick(r, 10000);
}

static void devices(struct fz *f)
{
	struct src *r = &f->src;
	struct stack_dev d = {.up = true, .ifindex = 2, .mac = {2, 0, 0, 0, 0, 1}};

	f->rx_partial_ok = d.rx_partial_ok = src_one_in(r, 3);
	f->tx_csum = d.tx_csum = src_one_in(r, 2);
	d.gso_max_bytes = d.tx_csum && src_one_in(r, 2) ? 61440 : 0;
	f->mtu = d.mtu = src_one_in(r, 4) ? 576 + src_pick(r, 3000) : 1500;
	d.gso_udp = d.gso_max_bytes != 0;
	d.shared = f->mtu % 2; /* with a kernel, which gets what is nobody's here */
	stack_dev_set(f->st, FZ_DEV, &d);
	d = (struct stack_dev){
		.up = true, .rx_partial_ok = true, .tx_csum = true, .ifindex = 1, .mtu = 65535};
	stack_dev_set(f->st, STACK_DEV_LOOP, &d);
}

void fz_begin(struct fz *f)
{
	struct stack_cfg cfg;
	uint8_t secret[32];
	unsigned i;

	running = f;
	f->base = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	fz_must(f, f->base != MAP_FAILED);
	memset(f->h, 0, sizeof(f->h));
	memset(f->flow, 0, sizeof(f->flow));
	memset(f->cookie_known, 0, sizeof(f->cookie_known));
	memset(f->replay, 0, sizeof(f->replay));
	f->forgot = false;
	f->nheld = f->last_flow = f->nreplay = f->last_out_len = 0;
	f->now = f->start = SEC + src_pick(&f->src, 1u << 31) * MS;
	configure(f, &cfg);
	fz_fill(f, secret, sizeof(secret));
	fz_must(f,
		stack_create(arena_init(f->base, ARENA_BYTES), &cfg, secret, f->now, &f->st) == 0);
	f->me[0] = ip_addr_v4(be32(0x0a000001));
	f->me[1] = (struct ip_addr){.w = {be32(0xfd000000), 0, 0, be32(1)}};
	for (i = 0; i < 3; i++)
		f->peer[i] = ip_addr_v4(be32(0x0a000002 + i));
	for (i = 0; i < 3; i++)
		f->peer[FZ_V6 + i] = (struct ip_addr){.w = {be32(0xfd000000), 0, 0, be32(2 + i)}};
	f->peer[FZ_LOOP] = ip_addr_v4(be32(0x7f000001));
	f->peer[FZ_V6 + FZ_LOOP] = (struct ip_addr){.w = {0, 0, 0, be32(1)}};
	devices(f);
	for (i = 0; i < 2; i++) {
		fz_must(f, stack_local_add(f->st, &f->me[i]) == 0);
		dst_answer(f, &f->peer[FZ_V6 * i], true);
		dst_answer(f, &f->peer[FZ_V6 * i + 1], true);
		dst_answer(f, &f->peer[FZ_V6 * i + FZ_LOOP], true);
	}
	for (i = 0; i < LISTENERS; i++)
		listen_on(f, i);
	udp_on(f);
}

void fz_step(struct fz *f)
{
	switch (src_pick(&f->src, 64)) {
	case 0 ... 8:
		app_step(f);
		break;
	case 9 ... 13:
		time_step(f);
		break;
	case 14:
		dst_step(f);
		break;
	case 15:
		memory_step(f);
		break;
	case 16 ... 18:
		stack_run(f->st, f->now);
		fz_drain(f, src_one_in(&f->src, 16));
		break;
	default:
		fz_packet(f);
		if (!src_one_in(&f->src, 8))
			fz_drain(f, false);
	}
}

void fz_end(struct fz *f)
{
	struct endpoint a, b;
	uint8_t claims;
	const struct pool *p;
	struct ip_addr dst;
	uint64_t next;
	unsigned i;

	for (i = 0; i < FZ_HANDLES; i++)
		if (f->h[i].sk != NULL)
			end_socket(f, &f->h[i], false);
	for (i = 0;; i++) {
		held_release(f, 0);
		turn(f, false);
		while (stack_dst_request(f->st, &dst))
			dst_answer(f, &dst, true);
		next = stack_next_ns(f->st);
		if (next == UINT64_MAX)
			break;
		if (next > f->now)
			f->now = next;
		fz_must(f, i < END_TURNS);
	}
	while (stack_gone(f->st, &a, &b, &claims))
		;
	stack_dst_flush(f->st);
	for (i = 0; (p = stack_pool(f->st, i)) != NULL; i++)
		if (p->out != 0)
			fz_fail(f, "pool %s: %u are still out", p->name, p->out);
	fz_must(f, f->st->frames.nfree == f->st->frames.count);
	fz_must(f, f->st->wheel.armed == 0);
	fz_must(f, stack_open_count(f->st) == 0 && stack_draining_count(f->st) == 0);
	fz_must(f, stack_sock_next(f->st, NULL) == NULL);
	for (i = 0; i < STAT_COUNT; i++)
		f->stats[i] += stack_stats(f->st)[i];
	munmap(f->base, ARENA_BYTES);
	f->st = NULL;
}
