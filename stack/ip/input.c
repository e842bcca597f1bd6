/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides by whom a received frame is taken: Ethernet, then the family, and once the IP header is
 * off, the transport. The family is chosen here and nowhere deeper: beyond input4.c and input6.c
 * addresses are 16 bytes and a zone.
 */
#include "../internal.h"

enum stat_id ip_deliver(struct stack *st, struct rx_pkt *p)
{
	switch (p->proto) {
	case IPPROTO_TCP_:
		return tcp_rx(st, p);
	case IPPROTO_UDP_:
		return udp_rx(st, p);
	default:
		rx_free(st, p);
		return STAT_drop_ip_proto;
	}
}

enum stat_id ip_rx(struct stack *st, unsigned dev, uint32_t frame)
{
	struct rx_pkt p = {.frame = frame,
			   .dev = (uint8_t)dev,
			   .head = frame,
			   .head_off = frame_meta(&st->frames, frame)->off};
	enum stat_id r = STAT_drop_ethertype;
	struct eth_hdr buf;
	const struct eth_hdr *eth;
	uint32_t idx;

	for (idx = frame; idx != FRAME_NONE; idx = frame_meta(&st->frames, idx)->next)
		p.len += frame_meta(&st->frames, idx)->len;
	st->stats[STAT_rx_packets]++;
	st->stats[STAT_rx_bytes] += p.len;

	eth = rx_peek(st, &p, sizeof(*eth), &buf);
	if (eth != NULL)
		memcpy(p.mac, eth->src, sizeof(p.mac));
	if (eth == NULL) {
		r = STAT_drop_short;
	} else if (memcmp(eth->dst, st->dev[dev].mac, sizeof(eth->dst)) != 0) {
		/* Another host's, or to a group: never to be answered (RFC 1122 3.3.6). */
		r = STAT_drop_eth_address;
	} else if (eth->type == be16(ETHERTYPE_IP4)) {
		rx_pull(st, &p, ETH_HLEN_BYTES);
		return ip4_rx(st, &p);
	} else if (eth->type == be16(ETHERTYPE_IP6)) {
		rx_pull(st, &p, ETH_HLEN_BYTES);
		return ip6_rx(st, &p);
	}
	rx_free(st, &p);
	return r;
}
