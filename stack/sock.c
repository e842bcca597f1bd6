/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entries of stack.h that mean the same for every type of socket: each picks the protocol's
 * own. Decides nothing but which; what differs not at all between protocols (SO_ERROR, SO_TYPE,
 * ...) is answered here.
 */
#include "internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Linux's SOCK_MIN_RCVBUF and SOCK_MIN_SNDBUF on 64 bits: socket(7) gives them as 2304 and 4608. */
#define SOCK_RCVBUF_MIN 2304u
#define SOCK_SNDBUF_MIN 4608u

/* socket(7): the value is doubled, for bookkeeping; above the sysctl it is the sysctl's. A negative
 * one counts as large. */
uint32_t sock_rcvbuf(const struct stack *st, int val)
{
	uint32_t v = (uint32_t)val < st->cfg.rmem_max ? (uint32_t)val : st->cfg.rmem_max;

	if (v > INT32_MAX / 2)
		v = INT32_MAX / 2;
	return v * 2 < SOCK_RCVBUF_MIN ? SOCK_RCVBUF_MIN : v * 2;
}

uint32_t sock_sndbuf(const struct stack *st, int val)
{
	uint32_t v = (uint32_t)val < st->cfg.wmem_max ? (uint32_t)val : st->cfg.wmem_max;

	if (v > INT32_MAX / 2)
		v = INT32_MAX / 2;
	return v * 2 < SOCK_SNDBUF_MIN ? SOCK_SNDBUF_MIN : v * 2;
}

int sock_error_take(struct stack *st, struct sock *sk)
{
	int err = sk->err;

	if (err != 0) {
		sk->err = 0;
		if (list_empty(&sk->errs))
			sock_ready(st, sk, 0, RDY_ERR, 0);
	}
	return -err;
}

int sock_opt_int(const void *val, uint32_t len, int *out)
{
	if (len < sizeof(*out))
		return -EINVAL;
	memcpy(out, val, sizeof(*out));
	return 0;
}

int sock_opt_put(void *val, uint32_t *len, int v)
{
	if (*len > sizeof(v))
		*len = sizeof(v);
	memcpy(val, &v, *len);
	return 0;
}

void sock_opts_default(struct sock_opts *o)
{
	*o = (struct sock_opts){
		.linger_s = -1,
		.rcvlowat = 1,
		.quickack = 1,
		.cc = -1,
		.max_pacing_rate = UINT64_MAX,
		.hops = -1,
		.autoflowlabel = -1,
		.pmtudisc = PMTUDISC_UNSET,
		.pmtudisc6 = IPV6_PMTUDISC_WANT,
	};
}

int stack_setopt(struct stack *st, struct sock *sk, int level, int name, const void *val,
		 uint32_t len, uint64_t now_ns)
{
	AT(st, sk);
	st->now_ns = now_ns;
	if (level == SOL_SOCKET) {
		switch (name) {
		case SO_ERROR: /* to be read only */
		case SO_TYPE:
		case SO_PROTOCOL:
		case SO_ACCEPTCONN:
			return -ENOPROTOOPT;
		default:
			break;
		}
	}
	if (sk->type == STK_UDP)
		return udp_setopt(st, sk, level, name, val, len);
	return tcp_setopt(st, sk, level, name, val, len, now_ns);
}

int stack_getopt(struct stack *st, struct sock *sk, int level, int name, void *val, uint32_t *len,
		 uint64_t now_ns)
{
	AT(st, sk);
	int err;

	st->now_ns = now_ns;
	if (level == SOL_SOCKET) {
		switch (name) {
		case SO_ERROR:
			err = -sock_error_take(st, sk);
			if (err == 0 && sk->type == STK_TCP) /* what may pass counts, too */
				err = tcp_soft_error_take(sk);
			return sock_opt_put(val, len, err);
		case SO_TYPE:
			return sock_opt_put(val, len,
					    sk->type == STK_UDP ? SOCK_DGRAM : SOCK_STREAM);
		case SO_PROTOCOL:
			return sock_opt_put(val, len,
					    sk->type == STK_UDP ? IPPROTO_UDP : IPPROTO_TCP);
		case SO_ACCEPTCONN:
			return sock_opt_put(val, len, sk->type == STK_LISTENER);
		default:
			break;
		}
	}
	if (sk->type == STK_UDP)
		return udp_getopt(st, sk, level, name, val, len);
	return tcp_getopt(st, sk, level, name, val, len, now_ns);
}

int stack_shutdown(struct stack *st, struct sock *sk, int how, uint64_t now_ns)
{
	AT(st, sk);
	st->now_ns = now_ns;
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	if (sk->type == STK_UDP)
		return udp_shutdown(st, sk, how);
	return tcp_shutdown(st, sk, how, now_ns);
}

void stack_close(struct stack *st, struct sock *sk, uint64_t now_ns)
{
	AT(st, sk);
	st->now_ns = now_ns;
	sock_orphan(st, sk);
	if (sk->type == STK_UDP)
		udp_close(st, sk);
	else
		tcp_close(st, sk, now_ns);
}

void stack_abort(struct stack *st, struct sock *sk, uint64_t now_ns)
{
	AT(st, sk);
	st->now_ns = now_ns;
	if (!sk->orphan)
		sock_orphan(st, sk);
	if (sk->type == STK_UDP)
		udp_close(st, sk);
	else
		tcp_abort(st, sk, now_ns);
}

bool stack_connecting(const struct sock *sk)
{
	return sk->type == STK_TCP && tcp_connecting(sk);
}

bool stack_deferred(const struct sock *sk)
{
	return sk->type == STK_TCP && tcp_deferred(sk);
}

bool stack_connected(const struct sock *sk)
{
	return sk->type == STK_UDP ? udp_connected(sk) : sk->type == STK_TCP && tcp_connected(sk);
}

uint32_t stack_unacked(const struct sock *sk)
{
	return sk->type == STK_TCP ? tcp_unacked(sk) : 0;
}

uint32_t stack_inq(const struct sock *sk)
{
	return sk->type == STK_UDP ? udp_inq(sk) : sk->type == STK_TCP ? tcp_inq(sk) : 0;
}

uint32_t stack_unread(const struct sock *sk)
{
	return sk->type == STK_TCP ? tcp_unread(sk) : 0;
}

bool stack_at_mark(const struct sock *sk)
{
	return sk->type == STK_TCP && tcp_at_mark(sk);
}

uint32_t stack_outq(const struct sock *sk)
{
	return sk->type == STK_UDP ? udp_outq(sk) : sk->type == STK_TCP ? tcp_outq(sk) : 0;
}

uint32_t stack_outq_notsent(const struct sock *sk)
{
	return sk->type == STK_TCP ? tcp_outq_notsent(sk) : 0;
}

void stack_tcp_info(const struct stack *st, const struct sock *sk, struct tcp_info *ti,
		    uint64_t now_ns)
{
	if (sk->type != STK_UDP)
		tcp_info_fill(st, sk, ti, now_ns);
}

const char *stack_state_name(const struct sock *sk)
{
	if (sk->type == STK_UDP)
		return udp_connected(sk) ? "ESTAB" : "UNCONN";
	return tcp_state_name(sk);
}
