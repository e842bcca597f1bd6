/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hands an ICMP error of either family to the transport whose packet it quotes. Decides only which.
 */
#include "../internal.h"

enum stat_id icmp_deliver(struct stack *st, const struct ip_addr *local,
			  const struct ip_addr *remote, uint8_t proto, const uint8_t *l4,
			  const struct icmp_err *e)
{
	struct endpoint l = {.addr = *local}, r = {.addr = *remote};
	uint16_t port[2];

	memcpy(port, l4, sizeof(port));
	l.port = be16(port[0]);
	r.port = be16(port[1]);
	switch (proto) {
	case IPPROTO_TCP_:
		return tcp_icmp(st, &l, &r, l4, e);
	case IPPROTO_UDP_:
		return udp_icmp(st, &l, &r, e);
	default:
		return STAT_drop_icmp;
	}
}
