/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options that ask to be told more: SO_TIMESTAMP and its relatives, TCP_INQ, TCP_SAVE_SYN.
 * Values, ranges and what one does to the other are Linux's (sock_set_timestamp(),
 * sock_set_timestamping()).
 */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tcp.h"

#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif

/* Bits of SO_TIMESTAMPING that headers of Debian 12 do not have. */
#define STAMPING_OPT_ID_TCP (1u << 16)
#define STAMPING_BIND_PHC (1u << 15)
#define STAMPING_ALL ((1u << 19) - 1)

struct stamping {
	uint32_t flags;
	int32_t bind_phc;
};

static int set_stamp(struct sock_opts *o, bool on, bool is_new, bool ns)
{
	if (on)
		o->stamp = STAMP_ON | (is_new ? STAMP_NEW : 0) | (ns ? STAMP_NS : 0);
	else
		o->stamp &= STAMP_NEW;
	return 0;
}

static int set_stamping(struct sock *sk, struct sock_opts *o, bool is_new, const void *val,
			uint32_t len)
{
	struct tcp_conn *c = tcp_conn_of(sk);
	uint32_t v = 0;

	memcpy(&v, val, sizeof(v));
	if (v & ~STAMPING_ALL || (v & STAMPING_OPT_ID_TCP && !(v & SOF_TIMESTAMPING_OPT_ID)))
		return -EINVAL;
	if (v & SOF_TIMESTAMPING_OPT_ID && !(o->stamping & SOF_TIMESTAMPING_OPT_ID)) {
		if (sk->type == STK_LISTENER || c->state == TCPS_CLOSED)
			return -EINVAL;
		c->stamps.key0 = v & STAMPING_OPT_ID_TCP ? sndbuf_end(&c->snd) : c->sent.una;
	}
	if (v & SOF_TIMESTAMPING_OPT_STATS && !(v & SOF_TIMESTAMPING_OPT_TSONLY))
		return -EINVAL;
	if (v & STAMPING_BIND_PHC)
		return -EOPNOTSUPP; /* no clock of a device is told */
	o->stamping = v;
	o->stamp = (uint8_t)((o->stamp & ~STAMP_NEW) | (is_new ? STAMP_NEW : 0));
	return 0;
}

int tcp_stamp_set(struct sock *sk, struct sock_opts *o, int level, int name, const void *val,
		  uint32_t len)
{
	int v, r = sock_opt_int(val, len, &v);

	if (level == IPPROTO_TCP && name == TCP_INQ) {
		if (r || v < 0 || v > 1)
			return -EINVAL;
		o->inq = (uint8_t)v;
		return 0;
	}
	if (level == IPPROTO_TCP && name == TCP_SAVE_SYN) {
		if (r || v < SAVE_SYN_OFF || v > SAVE_SYN_LINK)
			return -EINVAL;
		o->save_syn = (uint8_t)v;
		return 0;
	}
	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (name) {
	case SO_TIMESTAMP:
	case SO_TIMESTAMP_NEW:
		return r ? r : set_stamp(o, v != 0, name == SO_TIMESTAMP_NEW, false);
	case SO_TIMESTAMPNS:
	case SO_TIMESTAMPNS_NEW:
		return r ? r : set_stamp(o, v != 0, name == SO_TIMESTAMPNS_NEW, true);
	case SO_TIMESTAMPING:
	case SO_TIMESTAMPING_NEW:
		return r ? r : set_stamping(sk, o, name == SO_TIMESTAMPING_NEW, val, len);
	default:
		return -ENOPROTOOPT;
	}
}

int tcp_stamp_get(const struct sock_opts *o, int level, int name, void *val, uint32_t *len)
{
	bool on = o->stamp & STAMP_ON, ns = o->stamp & STAMP_NS, is_new = o->stamp & STAMP_NEW;
	struct stamping s = {.flags = o->stamping};

	if (level == IPPROTO_TCP && name == TCP_INQ)
		return sock_opt_put(val, len, o->inq);
	if (level == IPPROTO_TCP && name == TCP_SAVE_SYN)
		return sock_opt_put(val, len, o->save_syn);
	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (name) {
	case SO_TIMESTAMP:
		return sock_opt_put(val, len, on && !ns && !is_new);
	case SO_TIMESTAMP_NEW:
		return sock_opt_put(val, len, on && is_new);
	case SO_TIMESTAMPNS:
		return sock_opt_put(val, len, ns && !is_new);
	case SO_TIMESTAMPNS_NEW:
		return sock_opt_put(val, len, ns && is_new);
	case SO_TIMESTAMPING:
	case SO_TIMESTAMPING_NEW:
		if (name == SO_TIMESTAMPING_NEW && !is_new)
			s.flags = 0;
		if (*len > sizeof(s))
			*len = sizeof(s);
		memcpy(val, &s, *len);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}
