/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket options of connections and listeners: SOL_SOCKET, IPPROTO_TCP and what of IPPROTO_IP the
 * stack itself needs. Each does what the kernel's does, or is -ENOPROTOOPT (then the embedder hands
 * it to the shadow). Must never accept an option and ignore it.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "info_all.h"
#include "tcp.h"

#define KEEPIDLE_MAX 32767
#define KEEPINTVL_MAX 32767
#define KEEPCNT_MAX 127
#define SYNCNT_MAX 127
#define MAXSEG_MIN 88
#define FASTOPEN_KEY_BYTES 16u
#define MAXSEG_MAX 32767
#define LINGER2_MAX_S \
	60 /* Linux's TCP_FIN_TIMEOUT_MAX is 120; TIME-WAIT's length is the default \
			  */

static struct sock_opts *opts_of(struct sock *sk)
{
	return sk->type == STK_LISTENER ? &tcp_listener_of(sk)->o : &tcp_conn_of(sk)->o;
}

static struct tcp_conn *live_conn(struct sock *sk)
{
	struct tcp_conn *c = tcp_conn_of(sk);

	return sk->type == STK_TCP && c->state != TCPS_CLOSED ? c : NULL;
}

/* ---- SOL_SOCKET ----------------------------------------------------------------------------- */

static int set_linger(struct sock *sk, const void *val, uint32_t len)
{
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, val, sizeof(l));
	if (!l.l_onoff)
		opts_of(sk)->linger_s = -1;
	else
		opts_of(sk)->linger_s =
			(int16_t)(l.l_linger < 0 || l.l_linger > INT16_MAX ? INT16_MAX
									   : l.l_linger);
	return 0;
}

static void set_rcvbuf(struct stack *st, struct sock *sk, uint32_t bytes)
{
	struct tcp_conn *c = tcp_conn_of(sk);

	opts_of(sk)->rcvbuf = bytes;
	if (sk->type != STK_TCP)
		return;
	c->rcv_limit = bytes;
	c->rcv_locked = true;
	tcp_ready(st, c, 0); /* a window that is shut now makes what is there readable */
}

static void set_sndbuf(struct stack *st, struct sock *sk, uint32_t bytes)
{
	struct tcp_conn *c = tcp_conn_of(sk);

	opts_of(sk)->sndbuf = bytes;
	if (sk->type != STK_TCP)
		return;
	c->snd_limit = bytes;
	c->snd_locked = true;
	tcp_ready(st, c, 0);
}

/* SO_MAX_PACING_RATE: 32 bits, all ones for no limit, or as many as a long has. */
static int set_max_pacing_rate(struct stack *st, struct sock *sk, const void *val, uint32_t len)
{
	struct tcp_conn *c = live_conn(sk);
	uint64_t rate;
	uint32_t r32;

	if (len < sizeof(r32))
		return -EINVAL;
	memcpy(&r32, val, sizeof(r32));
	rate = r32 == UINT32_MAX ? PACE_UNLIMITED : r32;
	if (len >= sizeof(rate))
		memcpy(&rate, val, sizeof(rate));
	opts_of(sk)->max_pacing_rate = rate;
	if (!c)
		return 0;
	tcp_pace_rate(st, c);
	if (!c->out_blocked && tcp_state_in(c, TCPS_SYNCED))
		tcp_output(st, c, 0);
	return 0;
}

static int get_max_pacing_rate(const struct sock_opts *o, void *val, uint32_t *len)
{
	uint64_t rate = o->max_pacing_rate;

	if (*len < sizeof(rate))
		return sock_opt_put(val, len, (int)(rate < UINT32_MAX ? rate : UINT32_MAX));
	memcpy(val, &rate, sizeof(rate));
	*len = sizeof(rate);
	return 0;
}

/* As Linux: what is waited for must fit. */
static void set_rcvlowat(struct stack *st, struct sock *sk, int v)
{
	struct sock_opts *o = opts_of(sk);
	struct tcp_conn *c = live_conn(sk);
	uint32_t max = (o->rcvbuf ? o->rcvbuf : st->cfg.tcp_rmem[2]) / 2;

	o->rcvlowat = v < 0 || (uint32_t)v > max ? max : v ? (uint32_t)v : 1;
	if (!c)
		return;
	if (!c->rcv_locked && o->rcvlowat > c->rcv_limit / 2)
		c->rcv_limit = o->rcvlowat * 2;
	tcp_ready(st, c, 0);
}

static int set_socket(struct stack *st, struct sock *sk, int name, const void *val, uint32_t len)
{
	struct sock_opts *o = opts_of(sk);
	struct tcp_conn *c = live_conn(sk);
	int v, r;

	if (name == SO_LINGER)
		return set_linger(sk, val, len);
	if (name == SO_MAX_PACING_RATE)
		return set_max_pacing_rate(st, sk, val, len);
	r = sock_opt_int(val, len, &v);
	switch (name) {
	case SO_REUSEADDR:
		o->reuseaddr = !!v;
		return r;
	case SO_REUSEPORT:
		o->reuseport = !!v;
		return r;
	case SO_KEEPALIVE:
		if (r)
			return r;
		o->keepalive = !!v;
		if (c)
			tcp_timer_keep(st, c);
		return 0;
	case SO_RCVBUF:
		if (r == 0)
			set_rcvbuf(st, sk, sock_rcvbuf(st, v));
		return r;
	case SO_SNDBUF:
		if (r == 0)
			set_sndbuf(st, sk, sock_sndbuf(st, v));
		return r;
	case SO_RCVLOWAT:
		if (r == 0)
			set_rcvlowat(st, sk, v);
		return r;
	case SO_OOBINLINE:
		if (r)
			return r;
		o->oobinline = !!v;
		if (c)
			tcp_ready(st, c, 0);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_socket(struct sock *sk, int name, void *val, uint32_t *len)
{
	const struct sock_opts *o = opts_of(sk);
	const struct tcp_conn *c = tcp_conn_of(sk);
	struct linger l = {.l_onoff = o->linger_s >= 0,
			   .l_linger = o->linger_s < 0 ? 0 : o->linger_s};

	switch (name) {
	case SO_REUSEADDR:
		return sock_opt_put(val, len, o->reuseaddr);
	case SO_REUSEPORT:
		return sock_opt_put(val, len, o->reuseport);
	case SO_KEEPALIVE:
		return sock_opt_put(val, len, o->keepalive);
	case SO_RCVBUF:
		if (sk->type == STK_LISTENER && !o->rcvbuf)
			return -ENOPROTOOPT; /* the shadow knows */
		return sock_opt_put(val, len,
				    (int)(sk->type == STK_TCP ? c->rcv_limit : o->rcvbuf));
	case SO_SNDBUF:
		if (sk->type == STK_LISTENER && !o->sndbuf)
			return -ENOPROTOOPT;
		return sock_opt_put(val, len,
				    (int)(sk->type == STK_TCP ? c->snd_limit : o->sndbuf));
	case SO_RCVLOWAT:
		return sock_opt_put(val, len, (int)(o->rcvlowat ? o->rcvlowat : 1));
	case SO_OOBINLINE:
		return sock_opt_put(val, len, o->oobinline);
	case SO_MAX_PACING_RATE:
		return get_max_pacing_rate(o, val, len);
	case SO_LINGER:
		if (*len > sizeof(l))
			*len = sizeof(l);
		memcpy(val, &l, *len);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- IPPROTO_TCP ---------------------------------------------------------------------------- */

static int set_congestion(struct stack *st, struct sock *sk, const void *val, uint32_t len)
{
	int algo;

	while (len > 0 && ((const char *)val)[len - 1] == '\0')
		len--;
	algo = cc_by_name(val, len);
	if (algo < 0)
		return -ENOENT;
	opts_of(sk)->cc = (int8_t)algo;
	if (live_conn(sk)) {
		cc_set_algo(&tcp_conn_of(sk)->cc, (enum cc_algo)algo);
		tcp_pace_rate(st, tcp_conn_of(sk));
	}
	return 0;
}

static int set_keep(struct stack *st, struct sock *sk, int name, int v)
{
	struct sock_opts *o = opts_of(sk);
	struct tcp_conn *c = live_conn(sk);
	int max = name == TCP_KEEPCNT ? KEEPCNT_MAX : KEEPIDLE_MAX;

	if (v < 1 || v > max)
		return -EINVAL;
	switch (name) {
	case TCP_KEEPIDLE:
		o->keepidle_s = (uint32_t)v;
		if (c && o->keepalive)
			tcp_timer_keep(st, c);
		return 0;
	case TCP_KEEPINTVL:
		o->keepintvl_s = (uint32_t)v;
		return 0;
	default:
		o->keepcnt = (uint32_t)v;
		return 0;
	}
}

static void set_quickack(struct stack *st, struct sock *sk, int v)
{
	struct tcp_conn *c = live_conn(sk);

	opts_of(sk)->quickack = !!v;
	if (!c)
		return;
	c->pingpong = !v;
	if (!v)
		return;
	c->quickacks = TCP_QUICKACKS;
	if (c->ack_wait != ACK_NONE && tcp_state_in(c, TCPS_SYNCED))
		tcp_send_ack(st, c);
}

/* TCP_FASTOPEN and its relatives, with the bounds of Linux. */
static int set_fastopen(struct stack *st, struct sock *sk, int name, int v)
{
	struct sock_opts *o = opts_of(sk);
	bool idle = sk->type == STK_LISTENER || tcp_conn_of(sk)->state == TCPS_CLOSED;

	switch (name) {
	case TCP_FASTOPEN:
		if (v < 0 || !idle)
			return -EINVAL;
		o->fastopen_qlen =
			(uint32_t)v < st->cfg.somaxconn ? (uint32_t)v : st->cfg.somaxconn;
		return 0;
	case TCP_FASTOPEN_CONNECT:
		if (v < 0 || v > 1)
			return -EINVAL;
		if (!(st->cfg.tcp_fastopen & FASTOPEN_CLIENT))
			return -EOPNOTSUPP;
		if (!idle || sk->type == STK_LISTENER)
			return -EINVAL;
		o->fastopen = v ? FASTOPEN_CALL_CONNECT : FASTOPEN_CALL_NONE;
		return 0;
	default: /* TCP_FASTOPEN_NO_COOKIE */
		if (v < 0 || v > 1 || !idle)
			return -EINVAL;
		o->fastopen_no_cookie = (uint8_t)v;
		return 0;
	}
}

/* TCP_FASTOPEN_KEY: one key of 16 bytes, or two. */
static int set_fastopen_key(struct sock *sk, const void *val, uint32_t len)
{
	struct fastopen_keys *keys = &opts_of(sk)->fastopen_key;
	const uint8_t *b = val;

	if (len != FASTOPEN_KEY_BYTES && len != FASTOPEN_KEYS * FASTOPEN_KEY_BYTES)
		return -EINVAL;
	memset(keys, 0, sizeof(*keys));
	keys->n = (uint8_t)(len / FASTOPEN_KEY_BYTES);
	for (uint32_t i = 0; i < len; i++)
		keys->k[i / 16][i / 8 % 2] |= (uint64_t)b[i] << i % 8 * 8;
	return 0;
}

static int get_fastopen_key(struct stack *st, struct sock *sk, void *val, uint32_t *len)
{
	const struct fastopen_keys *keys = &opts_of(sk)->fastopen_key;
	uint8_t b[FASTOPEN_KEYS * FASTOPEN_KEY_BYTES];
	uint32_t n;

	if (keys->n == 0)
		keys = &st->cfg.tcp_fastopen_key;
	n = keys->n * FASTOPEN_KEY_BYTES;
	for (uint32_t i = 0; i < n; i++)
		b[i] = (uint8_t)(keys->k[i / 16][i / 8 % 2] >> i % 8 * 8);
	if (*len > n)
		*len = n;
	memcpy(val, b, *len);
	return 0;
}

/* The options whose value only has to be kept, within bounds. */
static int set_tcp_number(struct sock *sk, int name, int v)
{
	struct sock_opts *o = opts_of(sk);

	switch (name) {
	case TCP_MAXSEG:
		if (v && (v < MAXSEG_MIN || v > MAXSEG_MAX))
			return -EINVAL;
		o->maxseg = (uint16_t)v;
		return 0;
	case TCP_DEFER_ACCEPT:
		o->defer_accept_s = v > 0 ? (uint32_t)v : 0;
		return 0;
	case TCP_USER_TIMEOUT:
		if (v < 0)
			return -EINVAL;
		o->user_timeout_ms = (uint32_t)v;
		return 0;
	case TCP_SYNCNT: /* of a listener: of its SYN-ACKs */
		if (v < 1 || v > SYNCNT_MAX)
			return -EINVAL;
		o->syn_retries = (uint8_t)v;
		return 0;
	case TCP_LINGER2:
		o->linger2_s = (int16_t)(v < 0                   ? -1
					 : v > LINGER2_MAX_S * 2 ? LINGER2_MAX_S * 2
								 : v);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int set_tcp(struct stack *st, struct sock *sk, int name, const void *val, uint32_t len)
{
	struct sock_opts *o = opts_of(sk);
	struct tcp_conn *c = live_conn(sk);
	int v, r;

	if (name == TCP_CONGESTION)
		return set_congestion(st, sk, val, len);
	if (name == TCP_FASTOPEN_KEY)
		return set_fastopen_key(sk, val, len);
	r = sock_opt_int(val, len, &v);
	if (r)
		return r;
	switch (name) {
	case TCP_NODELAY:
		o->nodelay = !!v;
		if (c && v && tcp_state_in(c, TCPS_SYNCED))
			tcp_output(st, c, 0);
		return 0;
	case TCP_CORK:
		o->cork = !!v;
		if (c && !v && tcp_state_in(c, TCPS_SYNCED))
			tcp_output(st, c, 0);
		return 0;
	case TCP_KEEPIDLE:
	case TCP_KEEPINTVL:
	case TCP_KEEPCNT:
		return set_keep(st, sk, name, v);
	case TCP_QUICKACK:
		set_quickack(st, sk, v);
		return 0;
	case TCP_FASTOPEN:
	case TCP_FASTOPEN_CONNECT:
	case TCP_FASTOPEN_NO_COOKIE:
		return set_fastopen(st, sk, name, v);
	case TCP_NOTSENT_LOWAT:
		o->notsent_lowat = (uint32_t)v;
		if (c)
			tcp_ready(st, c, 0);
		return 0;
	default:
		return set_tcp_number(sk, name, v);
	}
}

static int get_congestion(struct stack *st, struct sock *sk, void *val, uint32_t *len)
{
	const struct sock_opts *o = opts_of(sk);
	const char *name = cc_name(sk->type == STK_TCP ? (enum cc_algo)tcp_conn_of(sk)->cc.algo
				   : o->cc >= 0        ? (enum cc_algo)o->cc
						       : st->cfg.cc);
	char buf[16] = {0}; /* TCP_CA_NAME_MAX */

	for (unsigned i = 0; i < sizeof(buf) - 1 && name[i]; i++)
		buf[i] = name[i];
	if (*len > sizeof(buf))
		*len = sizeof(buf);
	memcpy(val, buf, *len);
	return 0;
}

/* union tcp_cc_info; of algorithms that tell nothing, nothing, as in Linux. */
static int get_cc_info(struct sock *sk, void *val, uint32_t *len)
{
	uint32_t info[5], n = sk->type == STK_TCP ? cc_info(&tcp_conn_of(sk)->cc, info) : 0;

	if (*len > n)
		*len = n;
	memcpy(val, info, *len);
	return 0;
}

static int get_tcp(struct stack *st, struct sock *sk, int name, void *val, uint32_t *len,
		   uint64_t now_ns)
{
	const struct sock_opts *o = opts_of(sk);
	const struct tcp_conn *c = tcp_conn_of(sk);
	bool conn = sk->type == STK_TCP;
	struct tcp_info_all ti;
	uint32_t told_s, n;

	switch (name) {
	case TCP_NODELAY:
		return sock_opt_put(val, len, o->nodelay);
	case TCP_CORK:
		return sock_opt_put(val, len, o->cork);
	case TCP_MAXSEG:
		return sock_opt_put(val, len,
				    conn && tcp_connected(sk) ? c->mss
				    : o->maxseg               ? o->maxseg
							      : TCP_MSS_FALLBACK);
	case TCP_KEEPIDLE:
		return sock_opt_put(
			val, len,
			(int)(o->keepidle_s ? o->keepidle_s : st->cfg.tcp_keepalive_time_s));
	case TCP_KEEPINTVL:
		return sock_opt_put(
			val, len,
			(int)(o->keepintvl_s ? o->keepintvl_s : st->cfg.tcp_keepalive_intvl_s));
	case TCP_KEEPCNT:
		return sock_opt_put(val, len,
				    (int)(o->keepcnt ? o->keepcnt : st->cfg.tcp_keepalive_probes));
	case TCP_SYNCNT:
		return sock_opt_put(val, len,
				    o->syn_retries ? o->syn_retries : (int)st->cfg.tcp_syn_retries);
	case TCP_LINGER2:
		return sock_opt_put(val, len,
				    o->linger2_s ? o->linger2_s : (int)st->cfg.tcp_fin_timeout_s);
	case TCP_DEFER_ACCEPT:
		tcp_defer_tries(o->defer_accept_s, &told_s);
		return sock_opt_put(val, len, (int)told_s);
	case TCP_QUICKACK:
		return sock_opt_put(val, len, conn ? !c->pingpong : o->quickack);
	case TCP_USER_TIMEOUT:
		return sock_opt_put(val, len, (int)o->user_timeout_ms);
	case TCP_NOTSENT_LOWAT:
		return sock_opt_put(val, len, (int)o->notsent_lowat);
	case TCP_FASTOPEN:
		return sock_opt_put(val, len, (int)o->fastopen_qlen);
	case TCP_FASTOPEN_CONNECT:
		return sock_opt_put(val, len, o->fastopen == FASTOPEN_CALL_CONNECT);
	case TCP_FASTOPEN_NO_COOKIE:
		return sock_opt_put(val, len, o->fastopen_no_cookie);
	case TCP_FASTOPEN_KEY:
		return get_fastopen_key(st, sk, val, len);
	case TCP_CONGESTION:
		return get_congestion(st, sk, val, len);
	case TCP_CC_INFO:
		return get_cc_info(sk, val, len);
	case TCP_INFO:
		n = tcp_info_all(st, sk, &ti, now_ns);
		if (*len > n)
			*len = n;
		memcpy(val, &ti, *len);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- IPPROTO_IP ----------------------------------------------------------------------------- */

static int set_ip(struct sock *sk, int name, const void *val, uint32_t len)
{
	struct sock_opts *o = opts_of(sk);
	int v = 0;

	/* the kernel takes a single byte for these, too, and nothing for 0 */
	if (len >= sizeof(v))
		memcpy(&v, val, sizeof(v));
	else if (len >= 1)
		v = *(const uint8_t *)val;
	switch (name) {
	case IP_TOS:
		o->tos = (uint8_t)v & 0xfcu; /* the ECN bits are TCP's own */
		return 0;
	case IP_MTU_DISCOVER:
		if (v < IP_PMTUDISC_DONT || v > IP_PMTUDISC_OMIT)
			return -EINVAL;
		o->pmtudisc = (uint8_t)v;
		return 0;
	case IP_TTL:
		if (len == 0 || (v != -1 && (v < 1 || v > 255)))
			return -EINVAL;
		o->ttl = v == -1 ? 0 : (uint8_t)v;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_ip(struct stack *st, struct sock *sk, int name, void *val, uint32_t *len)
{
	const struct sock_opts *o = opts_of(sk);

	switch (name) {
	case IP_TOS:
		return sock_opt_put(val, len, o->tos);
	case IP_MTU_DISCOVER:
		return sock_opt_put(val, len,
				    o->pmtudisc != PMTUDISC_UNSET ? o->pmtudisc
				    : st->cfg.ip_no_pmtu_disc     ? IP_PMTUDISC_DONT
								  : IP_PMTUDISC_WANT);
	case IP_MTU:
		if (!live_conn(sk) || !tcp_conn_of(sk)->dst)
			return -ENOTCONN;
		return sock_opt_put(val, len, (int)dst_mtu(st, tcp_conn_of(sk)->dst));
	case IP_TTL:
		return sock_opt_put(val, len, o->ttl ? o->ttl : st->cfg.ip_default_ttl);
	default:
		return -ENOPROTOOPT;
	}
}

static int setopt_known(struct stack *st, struct sock *sk, int level, int name, const void *val,
			uint32_t len, uint64_t now_ns)
{
	switch (level) {
	case SOL_SOCKET:
		return set_socket(st, sk, name, val, len);
	case IPPROTO_TCP:
		return set_tcp(st, sk, name, val, len);
	case IPPROTO_IP:
		return set_ip(sk, name, val, len);
	case IPPROTO_IPV6:
		return sock6_setopt(sk, opts_of(sk), name, val, len);
	default:
		return -ENOPROTOOPT;
	}
}

static int getopt_known(struct stack *st, struct sock *sk, int level, int name, void *val,
			uint32_t *len, uint64_t now_ns)
{
	switch (level) {
	case SOL_SOCKET:
		return get_socket(sk, name, val, len);
	case IPPROTO_TCP:
		return get_tcp(st, sk, name, val, len, now_ns);
	case IPPROTO_IP:
		return get_ip(st, sk, name, val, len);
	case IPPROTO_IPV6:
		return sock6_getopt(st, opts_of(sk),
				    sk->type == STK_TCP ? tcp_conn_of(sk)->dst : NULL, name, val,
				    len);
	default:
		return -ENOPROTOOPT;
	}
}

/* Whoever wants no errors any more has none; what its own messages ask for stays in the queue
 * (skb_errqueue_purge()). */
static int set_kept(struct stack *st, struct sock *sk, int level, int name, const void *val,
		    uint32_t len)
{
	int r = sock_kept_set(opts_of(sk), level, name, val, len);
	bool gone = (level == IPPROTO_IP && name == IP_RECVERR &&
		     !sock_kept_on(opts_of(sk), KEPT_RECVERR)) ||
		    (level == IPPROTO_IPV6 && name == IPV6_RECVERR &&
		     !sock_kept_on(opts_of(sk), KEPT_RECVERR6));

	if (r == 0 && gone && !list_empty(&sk->errs)) {
		sock_errs_purge(st, sk);
		if (sk->err == 0 && list_empty(&sk->errs))
			sock_ready(st, sk, 0, RDY_ERR, 0);
	}
	return r;
}

int tcp_setopt(struct stack *st, struct sock *sk, int level, int name, const void *val,
	       uint32_t len, uint64_t now_ns)
{
	int r = setopt_known(st, sk, level, name, val, len, now_ns);

	if (r == -ENOPROTOOPT)
		r = tcp_limits_set(st, sk, opts_of(sk), level, name, val, len);
	if (r == -ENOPROTOOPT)
		r = tcp_stamp_set(sk, opts_of(sk), level, name, val, len);
	return r == -ENOPROTOOPT ? set_kept(st, sk, level, name, val, len) : r;
}

int tcp_getopt(struct stack *st, struct sock *sk, int level, int name, void *val, uint32_t *len,
	       uint64_t now_ns)
{
	int r = getopt_known(st, sk, level, name, val, len, now_ns);

	if (r == -ENOPROTOOPT)
		r = tcp_limits_get(st, sk, opts_of(sk), level, name, val, len);
	if (r == -ENOPROTOOPT)
		r = tcp_stamp_get(opts_of(sk), level, name, val, len);
	if (r == -ENOPROTOOPT && level == IPPROTO_TCP && name == TCP_SAVED_SYN)
		return saved_syn_get(st, sk, val, len);
	return r == -ENOPROTOOPT ? sock_kept_get(opts_of(sk), level, name, val, len) : r;
}
