/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TCP side of the stack, absent: for tests of the parts below it. A segment ends as a protocol
 * that is not taken, and nobody can have a TCP socket; what is called with one ends the test.
 */
#include "stack/internal.h"

int tcp_tables_init(struct stack *st)
{
	return 0;
}

enum stat_id tcp_rx(struct stack *st, struct rx_pkt *p)
{
	rx_free(st, p);
	return STAT_drop_ip_proto;
}

enum stat_id tcp_icmp(struct stack *st, const struct endpoint *local,
		      const struct endpoint *remote, const uint8_t *l4, uint8_t type, uint8_t code,
		      uint32_t mtu)
{
	return STAT_drop_icmp;
}

void tcp_run(struct stack *st)
{
}

void tcp_reset_all(struct stack *st, uint64_t now_ns)
{
}

const struct pool *tcp_pool(const struct stack *st, unsigned idx)
{
	return NULL;
}

#define NEVER(...)                                                                                 \
	__VA_ARGS__                                                                                \
	{                                                                                          \
		stack_panic(__FILE__, __LINE__, __func__);                                         \
	}

NEVER(void tcp_timer(struct stack *st, struct timer *t))
NEVER(void tcp_tx_resume(struct stack *st, struct sock *sk))
NEVER(void tcp_dst_failed(struct stack *st, struct sock *sk, int err))
NEVER(int tcp_setopt(struct stack *st, struct sock *sk, int level, int name, const void *val,
		     uint32_t len, uint64_t now_ns))
NEVER(int tcp_getopt(struct stack *st, struct sock *sk, int level, int name, void *val,
		     uint32_t *len, uint64_t now_ns))
NEVER(int tcp_shutdown(struct stack *st, struct sock *sk, int how, uint64_t now_ns))
NEVER(void tcp_close(struct stack *st, struct sock *sk, uint64_t now_ns))
NEVER(void tcp_abort(struct stack *st, struct sock *sk, uint64_t now_ns))
NEVER(bool tcp_connecting(const struct sock *sk))
NEVER(bool tcp_connected(const struct sock *sk))
NEVER(uint32_t tcp_unacked(const struct sock *sk))
NEVER(uint32_t tcp_inq(const struct sock *sk))
NEVER(uint32_t tcp_outq(const struct sock *sk))
NEVER(uint32_t tcp_outq_notsent(const struct sock *sk))
NEVER(const char *tcp_state_name(const struct sock *sk))
NEVER(void tcp_info_fill(const struct stack *st, const struct sock *sk, struct tcp_info *ti,
			 uint64_t now_ns))
