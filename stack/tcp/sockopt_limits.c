/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket options that bound what a connection takes in or holds, and those that only tell: ranges,
 * roundings and errors are Linux's. What is not known here is -ENOPROTOOPT, for the shadow.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tcp.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif
#define BUF_LOCK_SND 1
#define BUF_LOCK_RCV 2
#define WINDOW_CLAMP_MIN 1152 /* half of SOCK_MIN_RCVBUF */

enum {
	MEM_RMEM,
	MEM_RCVBUF,
	MEM_WMEM,
	MEM_SNDBUF,
	MEM_FWD,
	MEM_QUEUED,
	MEM_OPT,
	MEM_BACKLOG,
	MEM_DROPS,
	MEM_VARS
};

static int set_buf_lock(struct sock *sk, int v)
{
	struct tcp_conn *c = tcp_conn_of(sk);

	if (v & ~(BUF_LOCK_SND | BUF_LOCK_RCV))
		return -EINVAL;
	if (sk->type != STK_TCP)
		return -ENOPROTOOPT;
	c->snd_locked = v & BUF_LOCK_SND;
	c->rcv_locked = v & BUF_LOCK_RCV;
	return 0;
}

static int set_window_clamp(struct stack *st, struct sock *sk, struct sock_opts *o, int v)
{
	if (v == 0)
		return -EINVAL; /* Linux: only before there is a connection */
	o->window_clamp = v < WINDOW_CLAMP_MIN ? WINDOW_CLAMP_MIN : (uint32_t)v;
	if (sk->type == STK_TCP && tcp_state_in(tcp_conn_of(sk), TCPS_SYNCED))
		tcp_ready(st, tcp_conn_of(sk), 0);
	return 0;
}

static int set_ttl_min(uint8_t *min, int v)
{
	if (v < 0 || v > 255)
		return -EINVAL;
	*min = (uint8_t)v;
	return 0;
}

int tcp_limits_set(struct stack *st, struct sock *sk, struct sock_opts *o, int level, int name,
		   const void *val, uint32_t len)
{
	int v, r = sock_opt_int(val, len, &v);

	if (level == SOL_SOCKET && name == SO_BUF_LOCK)
		return r ? r : set_buf_lock(sk, v);
	if (level == IPPROTO_IP && name == IP_MINTTL) {
		/* a single byte will do, too */
		if (r && len >= 1)
			v = *(const uint8_t *)val;
		return len ? set_ttl_min(&o->minttl, v) : -EINVAL;
	}
	if (level == IPPROTO_IPV6 && name == IPV6_MINHOPCOUNT && o->v6)
		return r ? r : set_ttl_min(&o->minhops, v);
	if (level != IPPROTO_TCP)
		return -ENOPROTOOPT;
	switch (name) {
	case TCP_WINDOW_CLAMP:
		return r ? r : set_window_clamp(st, sk, o, v);
	case TCP_THIN_DUPACK: /* Linux keeps it for old programs; it does nothing there either */
		return r ? r : v < 0 || v > 1 ? -EINVAL : 0;
	case TCP_THIN_LINEAR_TIMEOUTS:
		if (r || v < 0 || v > 1)
			return -EINVAL;
		o->thin_linear = (uint8_t)v;
		return 0;
	case TCP_TIMESTAMP:
		return r ? r : -EPERM; /* only of a socket being repaired */
	default:
		return -ENOPROTOOPT;
	}
}

static int get_meminfo(const struct sock *sk, void *val, uint32_t *len)
{
	const struct tcp_conn *c = tcp_conn_of(sk);
	uint32_t m[MEM_VARS] = {0};

	if (sk->type != STK_TCP)
		return -ENOPROTOOPT;
	m[MEM_RMEM] = c->rcv.len;
	m[MEM_RCVBUF] = c->rcv_limit;
	m[MEM_WMEM] = sent_out_bytes(&c->sent);
	m[MEM_SNDBUF] = c->snd_limit;
	m[MEM_QUEUED] = c->snd.len;
	if (*len > sizeof(m))
		*len = sizeof(m);
	memcpy(val, m, *len);
	return 0;
}

int tcp_limits_get(struct stack *st, const struct sock *sk, const struct sock_opts *o, int level,
		   int name, void *val, uint32_t *len)
{
	const struct tcp_conn *c = tcp_conn_of(sk);
	bool conn = sk->type == STK_TCP;

	if (level == SOL_SOCKET && name == SO_MEMINFO)
		return get_meminfo(sk, val, len);
	if (level == SOL_SOCKET && name == SO_BUF_LOCK && conn)
		return sock_opt_put(val, len,
				    (c->snd_locked ? BUF_LOCK_SND : 0) |
					    (c->rcv_locked ? BUF_LOCK_RCV : 0));
	if (level == IPPROTO_IP && name == IP_MINTTL)
		return sock_opt_put(val, len, o->minttl);
	if (level == IPPROTO_IPV6 && name == IPV6_MINHOPCOUNT && o->v6)
		return sock_opt_put(val, len, o->minhops);
	if (level != IPPROTO_TCP)
		return -ENOPROTOOPT;
	switch (name) {
	case TCP_WINDOW_CLAMP:
		if (!conn && !o->window_clamp)
			return -ENOPROTOOPT;
		return sock_opt_put(val, len,
				    (int)(o->window_clamp
						  ? o->window_clamp
						  : tcp_rcvwin_from_space(st, c->rcv_limit)));
	case TCP_THIN_DUPACK:
		return sock_opt_put(val, len, 0);
	case TCP_THIN_LINEAR_TIMEOUTS:
		return sock_opt_put(val, len, o->thin_linear);
	case TCP_TIMESTAMP:
		return conn ? sock_opt_put(val, len, (int)tcp_ts_now(st, c->ts_off)) : -ENOPROTOOPT;
	default:
		return -ENOPROTOOPT;
	}
}

bool tcp_ttl_refused(const struct sock_opts *o, const struct rx_pkt *p)
{
	return p->ttl < (ip_addr_is_v4(&p->src) ? o->minttl : o->minhops);
}
