/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays a case on the stack in virtual time: one device, one peer whose neighbour is resolved, time
 * a variable that jumps to the next timer. After the last line everything is closed, time goes on
 * until nothing is pending, and all that was taken must have come back.
 */
#include <errno.h>
#include <time.h> /* before: */
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "script.h"
#include "stack/tcp/info_all.h"
#include "stack/internal.h"
#include "stack/tcp/cc.h"

#define ARENA_BYTES (1ull << 30)
#define DEV 1u
#define START_NS (1000ull * 1000000000ull)
#define PORT_FIRST 40000u
#define DRAIN_S 4000
#define RUNS_MAX 1000u

struct pre { /* an option set before there is a socket of the stack's */
	int level, name, n, n2;
	char str[24];
};

struct ss_sock {
	bool used, udp;
	struct sock *sk; /* NULL: socket() and perhaps bind() */
	struct sock_opts o;
	struct pre pre[8]; /* those that sock_opts has no place for */
	unsigned npre;
	uint16_t port;
	uint32_t edges;
};

struct ss {
	struct stack *st;
	uint64_t now; /* absolute */
	struct ss_sock s[SC_SLOTS];
	uint16_t next_port;
	struct call *blocked[4];
	struct ip_addr me, peer;
};

/* In place of the embedder's. */
void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: ASSERT(%s)\n", file, line, what);
	abort();
}

/* ---- settings ------------------------------------------------------------------------------- */

/* A sysctl and where the stack's configuration has it; n numbers in a row. */
#define CFG(sysctl, f, n)                                                                          \
	{                                                                                          \
		sysctl, offsetof(struct stack_cfg, f), sizeof(((struct stack_cfg *)0)->f) / (n), n \
	}
static const struct {
	const char *name;
	size_t off, bytes;
	unsigned n;
} settings[] = {
	CFG("tcp_rmem", tcp_rmem, 3),
	CFG("tcp_wmem", tcp_wmem, 3),
	CFG("rmem_max", rmem_max, 1),
	CFG("wmem_max", wmem_max, 1),
	CFG("somaxconn", somaxconn, 1),
	CFG("tcp_max_syn_backlog", tcp_max_syn_backlog, 1),
	CFG("tcp_fin_timeout", tcp_fin_timeout_s, 1),
	CFG("tcp_keepalive_time", tcp_keepalive_time_s, 1),
	CFG("tcp_keepalive_intvl", tcp_keepalive_intvl_s, 1),
	CFG("tcp_keepalive_probes", tcp_keepalive_probes, 1),
	CFG("tcp_syn_retries", tcp_syn_retries, 1),
	CFG("tcp_synack_retries", tcp_synack_retries, 1),
	CFG("tcp_retries2", tcp_retries2, 1),
	CFG("tcp_orphan_retries", tcp_orphan_retries, 1),
	CFG("tcp_max_tw_buckets", tcp_max_tw_buckets, 1),
	CFG("tcp_max_orphans", tcp_max_orphans, 1),
	CFG("tcp_challenge_ack_limit", tcp_challenge_ack_limit, 1),
	CFG("tcp_adv_win_scale", tcp_adv_win_scale, 1),
	CFG("tcp_notsent_lowat", tcp_notsent_lowat, 1),
	CFG("tcp_sack", tcp_sack, 1),
	CFG("tcp_timestamps", tcp_timestamps, 1),
	CFG("tcp_window_scaling", tcp_window_scaling, 1),
	CFG("tcp_slow_start_after_idle", tcp_slow_start_after_idle, 1),
	CFG("tcp_moderate_rcvbuf", tcp_moderate_rcvbuf, 1),
	CFG("tcp_abort_on_overflow", tcp_abort_on_overflow, 1),
	CFG("tcp_tw_reuse", tcp_tw_reuse, 1),
	CFG("tcp_syn_linear_timeouts", tcp_syn_linear_timeouts, 1),
	CFG("tcp_syncookies", tcp_syncookies, 1),
	CFG("tcp_rfc1337", tcp_rfc1337, 1),
	CFG("tcp_dsack", tcp_dsack, 1),
	CFG("tcp_frto", tcp_frto, 1),
	CFG("tcp_recovery", tcp_recovery, 1),
	CFG("tcp_reordering", tcp_reordering, 1),
	CFG("tcp_max_reordering", tcp_max_reordering, 1),
	CFG("tcp_ecn", tcp_ecn, 1),
	CFG("tcp_ecn_fallback", tcp_ecn_fallback, 1),
	CFG("tcp_early_retrans", tcp_early_retrans, 1),
	CFG("tcp_retries1", tcp_retries1, 1),
	CFG("tcp_mtu_probing", tcp_mtu_probing, 1),
	CFG("tcp_base_mss", tcp_base_mss, 1),
	CFG("tcp_mtu_probe_floor", tcp_mtu_probe_floor, 1),
	CFG("tcp_probe_interval", tcp_probe_interval_s, 1),
	CFG("tcp_probe_threshold", tcp_probe_threshold, 1),
	CFG("ip_no_pmtu_disc", ip_no_pmtu_disc, 1),
	CFG("mtu_expires", mtu_expires_s, 1),
	CFG("tcp_stdurg", tcp_stdurg, 1),
	CFG("ip_default_ttl", ip_default_ttl, 1),
	CFG("auto_flowlabels", ip6_auto_flowlabels, 1),
	CFG("tcp_fastopen", tcp_fastopen, 1),
	CFG("tcp_fastopen_blackhole_timeout_sec", tcp_fastopen_blackhole_timeout_s, 1),
};

/* "00112233-44556677-8899aabb-ccddeeff", and perhaps a second one behind a comma. */
static const char *key_apply(struct fastopen_keys *k, const char *p)
{
	for (k->n = 0; k->n < FASTOPEN_KEYS; k->n++, p++) {
		unsigned v[4];
		int n = 0;

		if (sscanf(p, "%x-%x-%x-%x%n", &v[0], &v[1], &v[2], &v[3], &n) != 4)
			return "a key expected";
		k->k[k->n][0] = (uint64_t)v[1] << 32 | v[0];
		k->k[k->n][1] = (uint64_t)v[3] << 32 | v[2];
		p += n;
		if (*p != ',') {
			k->n++;
			break;
		}
	}
	return NULL;
}

static const char *setting_apply(struct stack_cfg *cfg, const struct setting *s)
{
	const char *p = s->value;
	unsigned i;
	char *end;

	if (!strcmp(s->name, "tcp_congestion_control")) {
		int algo = cc_by_name(p, (uint32_t)strlen(p));

		if (algo < 0)
			return "no such congestion control";
		cfg->cc = (enum cc_algo)algo;
		return NULL;
	}
	if (!strcmp(s->name, "tcp_fastopen_key"))
		return key_apply(&cfg->tcp_fastopen_key, p);
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!strcmp(settings[i].name, s->name))
			break;
	if (i == sizeof(settings) / sizeof(settings[0]))
		return "the stack has no such setting";
	for (unsigned k = 0; k < settings[i].n; k++) {
		char *to = (char *)cfg + settings[i].off + k * settings[i].bytes;
		unsigned long v = strtoul(p, &end, 0);

		if (end == p)
			return "a number expected";
		p = end;
		memcpy(to, &v, settings[i].bytes);
	}
	return NULL;
}

/* ---- packets and time ----------------------------------------------------------------------- */

static struct ss *ss_of(struct run *r)
{
	return r->priv;
}

static int64_t ss_now(struct run *r)
{
	return (int64_t)(ss_of(r)->now - START_NS);
}

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};

static void dst_ok(struct ss *s, const struct ip_addr *a)
{
	struct dst_info info = {.state = DST_OK, .dev = DEV, .next_hop = *a};

	memcpy(info.mac, peer_mac, 6);
	stack_dst_set(s->st, a, &info, s->now);
}

static void dst_answer(struct ss *s)
{
	struct ip_addr a;

	while (stack_dst_request(s->st, &a))
		dst_ok(s, &a);
}

static void drain(struct run *r)
{
	struct ss *s = ss_of(r);
	struct tx_ent *t;
	uint32_t edges;
	struct sock *sk;

	while ((t = stack_tx_peek(s->st)) != NULL) {
		uint32_t frame = t->frame;

		run_captured(r, frame_data(stack_frames(s->st), frame) + 14, t->len - 14u,
			     ss_now(r));
		stack_tx_pop(s->st);
		frame_put(stack_frames(s->st), frame);
	}
	while ((sk = stack_event(s->st, &edges)) != NULL)
		((struct ss_sock *)sk->user)->edges |= edges;
}

static int64_t ss_call(struct run *r, struct call *c);

static void blocked_retry(struct run *r)
{
	struct ss *s = ss_of(r);

	for (unsigned i = 0; i < 4; i++) {
		struct call *c = s->blocked[i];
		int64_t ret;

		if (!c)
			continue;
		ret = ss_call(r, c);
		if (ret == -EAGAIN || ret == -EALREADY || ret == -EINPROGRESS)
			continue;
		s->blocked[i] = NULL;
		run_returned(r, c, ret, ss_now(r));
	}
}

/* Everything that is due now. */
static void settle(struct run *r)
{
	struct ss *s = ss_of(r);

	for (unsigned i = 0; i < RUNS_MAX; i++) {
		dst_answer(s);
		stack_run(s->st, s->now);
		drain(r);
		if (stack_next_ns(s->st) > s->now && stack_tx_peek(s->st) == NULL)
			break;
	}
	blocked_retry(r);
}

static void ss_inject(struct run *r, const uint8_t *ip, uint32_t len)
{
	struct ss *s = ss_of(r);
	struct frame_pool *fp = stack_frames(s->st);
	uint32_t idx = frame_get(fp);
	struct frame *m;
	uint8_t *b;

	if (idx == FRAME_NONE) {
		fprintf(r->out, "no frame for a packet to be put in\n");
		r->failed = true;
		return;
	}
	m = frame_meta(fp, idx);
	m->off = 256;
	m->len = (uint16_t)(14 + len);
	b = frame_data(fp, idx);
	memcpy(b, mac, 6);
	memcpy(b + 6, peer_mac, 6);
	memcpy(b + 12, r->family == FAM_V6 ? "\x86\xdd" : "\x08\x00", 2);
	memcpy(b + 14, ip, len);
	stack_rx(s->st, DEV, idx, s->now);
	settle(r);
}

static void ss_advance(struct run *r, int64_t until, bool to_packet)
{
	struct ss *s = ss_of(r);
	uint64_t end = START_NS + (uint64_t)until;

	settle(r);
	while (s->now < end && !(to_packet && r->qhead != r->qtail) && !r->failed) {
		uint64_t next = stack_next_ns(s->st);

		s->now = next < end ? next : end;
		settle(r);
	}
}

/* ---- opening and closing -------------------------------------------------------------------- */

static struct ip_addr address(uint8_t family, bool peer)
{
	struct ip_addr a;
	uint8_t b[16];

	memset(&a, 0, sizeof(a));
	sc_addr(family, peer, b);
	if (family == FAM_V6) {
		memcpy(a.b, b, 16);
	} else {
		uint32_t v4;

		memcpy(&v4, b, 4);
		a = ip_addr_v4(v4);
	}
	return a;
}

static const char *ss_open(struct run *r, bool *skip)
{
	static const uint8_t secret[32] = "a secret that all scripts share";
	static char why[160];
	struct stack_dev d = {.up = true, .ifindex = 100, .mtu = SC_MTU};
	struct ss *s = calloc(1, sizeof(*s));
	struct stack_cfg cfg;
	void *base;

	stack_cfg_default(&cfg);
	cfg.frames = 4096;
	for (unsigned i = 0; i < r->c->nset; i++) {
		const struct setting *t = &r->c->set[i];
		const char *wrong;

		if (!(t->backends & BE_STACK))
			continue;
		wrong = setting_apply(&cfg, t);
		if (wrong) {
			snprintf(why, sizeof(why), "%s:%d: set %s: %s", t->at.file, t->at.line,
				 t->name, wrong);
			return why;
		}
	}
	base = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!s || base == MAP_FAILED)
		return "no memory";
	s->now = START_NS;
	s->next_port = PORT_FIRST;
	if (stack_create(arena_init(base, ARENA_BYTES), &cfg, secret, s->now, &s->st))
		return "the stack could not be made";
	memcpy(d.mac, mac, 6);
	stack_dev_set(s->st, DEV, &d);
	s->me = address(r->family, false);
	s->peer = address(r->family, true);
	if (stack_local_add(s->st, &s->me))
		return "no room for an address";
	r->priv = s;
	dst_ok(s, &s->peer);
	(void)skip;
	return NULL;
}

static const char *ss_close(struct run *r)
{
	static char why[160];
	struct ss *s = ss_of(r);
	const struct pool *p;
	uint64_t end;

	for (unsigned i = 0; i < SC_SLOTS; i++)
		if (s->s[i].used && s->s[i].sk)
			stack_abort(s->st, s->s[i].sk, s->now);
	end = s->now + DRAIN_S * 1000000000ull;
	do {
		settle(r);
		s->now = stack_next_ns(s->st) < end ? stack_next_ns(s->st) : end;
	} while (s->now < end);
	settle(r);
	stack_dst_flush(s->st);
	for (unsigned i = 0; (p = stack_pool(s->st, i)) != NULL; i++) {
		if (p->out == 0)
			continue;
		snprintf(why, sizeof(why), "left behind: %u of the pool %s", p->out, p->name);
		return why;
	}
	if (stack_frames(s->st)->nfree != stack_frames(s->st)->count)
		return "left behind: frames";
	if (stack_open_count(s->st) || stack_draining_count(s->st))
		return "left behind: sockets";
	return NULL;
}

/* ---- calls ---------------------------------------------------------------------------------- */

#define OPT(l, n, f)                                                                    \
	{                                                                               \
		l, n, offsetof(struct sock_opts, f), sizeof(((struct sock_opts *)0)->f) \
	}
static const struct {
	int level, name;
	size_t off, bytes;
} opts_early[] = {
	OPT(SOL_SOCKET, SO_REUSEADDR, reuseaddr),
	OPT(SOL_SOCKET, SO_REUSEPORT, reuseport),
	OPT(SOL_SOCKET, SO_KEEPALIVE, keepalive),
	OPT(SOL_SOCKET, SO_RCVLOWAT, rcvlowat),
	OPT(SOL_SOCKET, SO_OOBINLINE, oobinline),
	OPT(IPPROTO_TCP, TCP_NODELAY, nodelay),
	OPT(IPPROTO_TCP, TCP_CORK, cork),
	OPT(IPPROTO_TCP, TCP_QUICKACK, quickack),
	OPT(IPPROTO_TCP, TCP_KEEPIDLE, keepidle_s),
	OPT(IPPROTO_TCP, TCP_KEEPINTVL, keepintvl_s),
	OPT(IPPROTO_TCP, TCP_KEEPCNT, keepcnt),
	OPT(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms),
	OPT(IPPROTO_TCP, TCP_NOTSENT_LOWAT, notsent_lowat),
	OPT(IPPROTO_TCP, TCP_MAXSEG, maxseg),
	OPT(IPPROTO_TCP, TCP_DEFER_ACCEPT, defer_accept_s),
	OPT(IPPROTO_IP, IP_MTU_DISCOVER, pmtudisc),
	OPT(IPPROTO_IPV6, IPV6_MTU_DISCOVER, pmtudisc6),
	OPT(IPPROTO_TCP, TCP_FASTOPEN, fastopen_qlen),
	OPT(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, fastopen),
	OPT(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, fastopen_no_cookie),
	OPT(IPPROTO_IP, IP_TOS, tos),
	OPT(IPPROTO_IP, IP_TTL, ttl),
	OPT(IPPROTO_IP, IP_MINTTL, minttl),
	OPT(IPPROTO_TCP, TCP_WINDOW_CLAMP, window_clamp),
};

static uint32_t doubled(int64_t v, uint32_t max, uint32_t least)
{
	uint32_t n = v > max ? max : (uint32_t)v;

	return 2 * n < least ? least : 2 * n;
}

/* As the shadow would keep it until listen() or connect(). */
static int64_t setopt_early(struct ss *s, struct ss_sock *k, const struct call *c)
{
	const struct stack_cfg *cfg = stack_cfg(s->st);
	struct pre *p;

	for (unsigned i = 0; i < sizeof(opts_early) / sizeof(opts_early[0]); i++) {
		if (opts_early[i].level != c->level || opts_early[i].name != c->name)
			continue;
		memcpy((char *)&k->o + opts_early[i].off, &c->n, opts_early[i].bytes);
		return 0;
	}
	if (c->level == SOL_SOCKET && c->name == SO_RCVBUF) {
		k->o.rcvbuf = doubled(c->n, cfg->rmem_max, 2304);
	} else if (c->level == SOL_SOCKET && c->name == SO_SNDBUF) {
		k->o.sndbuf = doubled(c->n, cfg->wmem_max, 4608);
	} else if (c->level == SOL_SOCKET && c->name == SO_LINGER) {
		k->o.linger_s = c->n ? (int16_t)c->n2 : -1;
	} else if (c->level == IPPROTO_TCP && c->name == TCP_CONGESTION) {
		int algo = cc_by_name(c->str, (uint32_t)strlen(c->str));

		if (algo < 0)
			return -ENOENT;
		k->o.cc = (int8_t)algo;
	} else if (k->npre < sizeof(k->pre) / sizeof(k->pre[0])) {
		p = &k->pre[k->npre++];
		p->level = c->level;
		p->name = c->name;
		p->n = (int)c->n;
		p->n2 = (int)c->n2;
	}
	return 0;
}

static int64_t ss_setsockopt(struct ss *s, struct ss_sock *k, const struct call *c)
{
	int v[2] = {(int)c->n, (int)c->n2};

	if (!k->sk)
		return setopt_early(s, k, c);
	if (c->str[0])
		return stack_setopt(s->st, k->sk, c->level, c->name, c->str,
				    (uint32_t)strlen(c->str), s->now);
	return stack_setopt(s->st, k->sk, c->level, c->name, v,
			    c->level == SOL_SOCKET && c->name == SO_LINGER ? 8 : 4, s->now);
}

static int64_t ss_getsockopt(struct ss *s, struct ss_sock *k, struct call *c)
{
	uint32_t len = sizeof(int);
	int v = 0, r;

	if (!k->sk)
		return -ENOPROTOOPT;
	if (c->level == IPPROTO_TCP && c->name == TCP_CONGESTION) {
		len = 16;
		memset(c->str, 0, sizeof(c->str));
		return stack_getopt(s->st, k->sk, c->level, c->name, c->str, &len, s->now);
	}
	r = stack_getopt(s->st, k->sk, c->level, c->name, &v, &len, s->now);
	return r < 0 ? r : v;
}

static void sock_born(struct ss *s, struct ss_sock *k, struct sock *sk)
{
	k->sk = sk;
	stack_sock_user(s->st, sk, k);
	for (unsigned i = 0; i < k->npre; i++) {
		int v[2] = {k->pre[i].n, k->pre[i].n2};

		stack_setopt(s->st, sk, k->pre[i].level, k->pre[i].name, v, 4, s->now);
	}
}

static int64_t ss_listen(struct ss *s, struct ss_sock *k, const struct call *c)
{
	struct endpoint local = {.addr = s->me, .port = k->port};
	struct sock *sk;
	int r;

	if (k->sk) {
		stack_listen_backlog(s->st, k->sk, (uint32_t)c->n);
		return 0;
	}
	r = stack_listen(s->st, &local, &k->o, (uint32_t)c->n, &sk);
	if (r == 0)
		sock_born(s, k, sk);
	return r;
}

static int64_t ss_connect(struct ss *s, struct ss_sock *k, const struct call *c)
{
	struct endpoint local = {.addr = s->me, .port = k->port};
	struct endpoint remote = {.addr = s->peer, .port = (uint16_t)(SC_PEER_PORT + c->peer)};
	struct sock *sk;
	int r;

	if (k->udp)
		return stack_udp_connect(s->st, k->sk, &local, &remote);
	if (k->sk) {
		if (stack_deferred(k->sk))
			return -EISCONN;
		if (stack_connecting(k->sk))
			return -EALREADY;
		if (k->sk->err) {
			r = k->sk->err;
			k->sk->err = 0;
			return -r;
		}
		return stack_connected(k->sk) ? 0 : -ECONNREFUSED;
	}
	k->o.port_bound = local.port != 0;
	if (local.port == 0)
		local.port = s->next_port++;
	r = stack_connect(s->st, &local, &remote, &k->o, &sk, s->now);
	if (r)
		return r;
	sock_born(s, k, sk);
	return stack_deferred(sk) ? 0 : -EINPROGRESS;
}

static int64_t ss_bind(struct ss *s, struct ss_sock *k, const struct call *c)
{
	struct endpoint local = {.addr = s->me};
	struct sock *sk;
	int r;

	k->port = c->port ? (uint16_t)c->port : s->next_port++;
	if (!k->udp)
		return 0;
	local.port = k->port;
	r = stack_udp_open(s->st, &local, &k->o, &sk);
	if (r == 0)
		sock_born(s, k, sk);
	return r;
}

static int64_t ss_read(struct ss *s, struct ss_sock *k, struct call *c)
{
	struct iovec v = {c->buf, (size_t)c->n};
	struct udp_meta meta;
	unsigned f = 0;

	if (!k->sk)
		return -ENOTCONN;
	f |= c->flags & MSG_PEEK ? RECV_PEEK : 0;
	f |= c->flags & MSG_TRUNC ? RECV_TRUNC : 0;
	f |= c->flags & MSG_OOB ? RECV_OOB : 0;
	if (k->udp) {
		ssize_t n = stack_udp_recv(s->st, k->sk, &v, 1, f & RECV_PEEK, &meta, s->now);

		return n >= 0 && f & RECV_TRUNC ? (int64_t)meta.full_len : n;
	}
	return stack_recv(s->st, k->sk, &v, 1, f, s->now);
}

/* As the embedder does it. */
static int64_t ss_fastopen(struct ss *s, struct ss_sock *k, const struct call *c)
{
	int64_t r;

	if (!(stack_cfg(s->st)->tcp_fastopen & 1))
		return -EOPNOTSUPP;
	if (k->sk && stack_deferred(k->sk))
		return 0;
	if (k->sk)
		return stack_connecting(k->sk) ? -EALREADY : -EISCONN;
	k->o.fastopen = FASTOPEN_CALL_SEND;
	r = ss_connect(s, k, c);
	return r == -EINPROGRESS ? 0 : r;
}

static int64_t ss_write(struct ss *s, struct ss_sock *k, struct call *c)
{
	struct endpoint to = {.addr = s->peer, .port = (uint16_t)(SC_PEER_PORT + c->peer)};
	struct udp_out out = {.to = c->op == CALL_SENDTO ? &to : NULL};
	struct iovec v = {c->buf, (size_t)c->n};
	unsigned f = SEND_STAMP | SEND_STAMP_CUT;

	if (c->flags & MSG_FASTOPEN && !k->udp) {
		int64_t r = ss_fastopen(s, k, c);

		if (r)
			return r;
	}
	if (!k->sk)
		return -EPIPE;
	f |= c->flags & MSG_MORE ? SEND_MORE : 0;
	f |= c->flags & MSG_OOB ? SEND_OOB : 0;
	if (k->udp)
		return stack_udp_send(s->st, k->sk, &v, 1, &out, s->now);
	return stack_send(s->st, k->sk, &v, 1, f, s->now);
}

static int64_t ss_accept(struct ss *s, struct ss_sock *k, const struct call *c)
{
	struct sock *sk;
	int r;

	if (!k->sk)
		return -EINVAL;
	r = stack_accept(s->st, k->sk, &sk, s->now);
	if (r)
		return r;
	if (c->to < 0) {
		stack_close(s->st, sk, s->now);
		return 0;
	}
	memset(&s->s[c->to], 0, sizeof(s->s[0]));
	s->s[c->to].used = true;
	sock_born(s, &s->s[c->to], sk);
	return 0;
}

static int64_t ss_ioctl(const struct ss_sock *k, const struct call *c)
{
	switch (c->name) {
	case SIOCINQ:
		return stack_inq(k->sk);
	case SIOCOUTQ:
		return stack_outq(k->sk);
	case SIOCOUTQNSD:
		return stack_outq_notsent(k->sk);
	case SIOCATMARK:
		return stack_at_mark(k->sk);
	default:
		return -EINVAL;
	}
}

static int64_t ss_ask(struct ss *s, struct ss_sock *k, const struct call *c)
{
	uint32_t level, edges, len = sizeof(struct tcp_info_all);
	struct tcp_info_all ti;

	if (!k->sk)
		return c->op == CALL_STATE ? 7 : -ENOTCONN;
	switch (c->op) {
	case CALL_POLL:
		return k->sk->ready;
	case CALL_EPOLL:
		level = k->sk->ready;
		edges = k->edges;
		k->edges = 0;
		return edges ? level : 0;
	default:
		memset(&ti, 0, sizeof(ti));
		stack_getopt(s->st, k->sk, IPPROTO_TCP, TCP_INFO, &ti, &len, s->now);
		return c->op == CALL_STATE ? ti.ti.tcpi_state : info_get(&ti, c->info);
	}
}

static int64_t ss_errqueue(struct ss *s, struct sock *sk, struct call *c)
{
	struct sock_extended_err ee = {0};
	struct sock_err e;

	if (!sk || !stack_err_peek(sk))
		return -EAGAIN;
	stack_err_take(s->st, sk, NULL, 0, &e);
	ee.ee_errno = e.err;
	ee.ee_origin = e.origin;
	ee.ee_type = e.type;
	ee.ee_code = e.code;
	ee.ee_info = e.info;
	ee.ee_data = e.data;
	err_text(c->str, sizeof(c->str), &ee, e.bytes);
	return e.bytes;
}

static int64_t call_do(struct run *r, struct ss *s, struct call *c)
{
	struct ss_sock *k = c->slot >= 0 ? &s->s[c->slot] : NULL;

	if (k && !k->used)
		return -EBADF;
	switch (c->op) {
	case CALL_SOCKET:
		k = &s->s[c->to];
		memset(k, 0, sizeof(*k));
		k->used = true;
		k->udp = c->udp;
		sock_opts_default(&k->o);
		k->o.v6 = r->family == FAM_V6;
		return 0;
	case CALL_BIND:
		return ss_bind(s, k, c);
	case CALL_LISTEN:
		return ss_listen(s, k, c);
	case CALL_ACCEPT:
		return ss_accept(s, k, c);
	case CALL_CONNECT:
		return ss_connect(s, k, c);
	case CALL_READ:
	case CALL_RECV:
		return ss_read(s, k, c);
	case CALL_WRITE:
	case CALL_SEND:
	case CALL_SENDTO:
		return ss_write(s, k, c);
	case CALL_SHUTDOWN:
		return k->sk ? stack_shutdown(s->st, k->sk, (int)c->n, s->now) : -ENOTCONN;
	case CALL_CLOSE:
		k->used = false;
		if (k->sk)
			stack_close(s->st, k->sk, s->now);
		return 0;
	case CALL_SETSOCKOPT:
		return ss_setsockopt(s, k, c);
	case CALL_GETSOCKOPT:
		return ss_getsockopt(s, k, c);
	case CALL_ERRQUEUE:
		return ss_errqueue(s, k->sk, c);
	case CALL_IOCTL:
		return k->sk ? ss_ioctl(k, c) : -EINVAL;
	default:
		return ss_ask(s, k, c);
	}
}

static int64_t ss_call(struct run *r, struct call *c)
{
	return call_do(r, ss_of(r), c);
}

static int64_t ss_call_now(struct run *r, struct call *c)
{
	int64_t ret = ss_call(r, c);

	settle(r);
	return ret;
}

static void ss_call_blocking(struct run *r, struct call *c)
{
	struct ss *s = ss_of(r);

	for (unsigned i = 0; i < 4; i++) {
		if (s->blocked[i])
			continue;
		s->blocked[i] = c;
		break;
	}
	settle(r);
}

const struct backend backend_stack = {
	.name = "stack",
	.bit = BE_STACK,
	.tol_early = SC_MS,
	.tol_late = SC_MS,
	.open = ss_open,
	.now = ss_now,
	.inject = ss_inject,
	.advance = ss_advance,
	.call = ss_call_now,
	.call_blocking = ss_call_blocking,
	.close = ss_close,
};
