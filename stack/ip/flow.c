/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a socket's packets are marked: traffic class and hop limit as its options have them for the
 * family that is spoken, and the flow label. Decides nothing about what is sent.
 *
 * RFC 6437 3 (flow labels: the same for all packets of a flow, not to be foreseen, 0: none), with
 * the switches of net.ipv6.auto_flowlabels.
 */
#include "../internal.h"

enum { FLOWLABEL_OFF, FLOWLABEL_OPTOUT, FLOWLABEL_OPTIN, FLOWLABEL_FORCED };

bool ip6_autoflowlabel(const struct stack *st, const struct sock_opts *o)
{
	switch (st->cfg.ip6_auto_flowlabels) {
	case FLOWLABEL_OFF:
		return false;
	case FLOWLABEL_FORCED:
		return true;
	default:
		break;
	}
	if (o != NULL && o->autoflowlabel >= 0)
		return o->autoflowlabel;
	return st->cfg.ip6_auto_flowlabels == FLOWLABEL_OPTOUT;
}

uint32_t ip6_flowlabel(const struct stack *st, const struct sock_opts *o, uint8_t proto,
		       const struct endpoint *local, const struct endpoint *remote)
{
	struct {
		struct ip_addr a, b;
		uint32_t ports, what;
	} key = {local->addr, remote->addr, (uint32_t)local->port << 16 | remote->port,
		 (uint32_t)proto << 8};
	uint32_t label;

	if (ip_addr_is_v4(&remote->addr) || !ip6_autoflowlabel(st, o))
		return 0;
	label = (uint32_t)stack_hash(st, &key, sizeof(key)) & IP6_FLOWLABEL;
	return label != 0 ? label : 1;
}

uint32_t ip6_flowlabel_other(struct stack *st, uint32_t label)
{
	uint32_t r;

	if (label == 0)
		return 0;
	do
		r = stack_random(st) & IP6_FLOWLABEL;
	while (r == 0 || r == label);
	return r;
}
