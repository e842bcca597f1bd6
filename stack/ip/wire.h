/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Headers as they lie on the wire. All multi-byte fields are in network byte order; be16()/be32()
 * read and write them.
 */
#ifndef STACK_IP_WIRE_H
#define STACK_IP_WIRE_H

#include <stdint.h>

#define ETH_HLEN_BYTES 14u
#define ETHERTYPE_IP4 0x0800u
#define ETHERTYPE_IP6 0x86ddu
#define ETHERTYPE_VLAN 0x8100u

#define IPPROTO_ICMP_ 1u
#define IPPROTO_TCP_ 6u
#define IPPROTO_UDP_ 17u
#define IPPROTO_ICMP6_ 58u

static inline uint16_t be16(uint16_t v)
{
	return __builtin_bswap16(v);
}

static inline uint32_t be32(uint32_t v)
{
	return __builtin_bswap32(v);
}

struct eth_hdr {
	uint8_t dst[6], src[6];
	uint16_t type;
} __attribute__((packed));

/* RFC 791 3.1 */
struct ip4_hdr {
	uint8_t ver_ihl;
	uint8_t tos;
	uint16_t tot_len;
	uint16_t id;
	uint16_t frag_off;
	uint8_t ttl;
	uint8_t proto;
	uint16_t csum;
	uint32_t src, dst;
} __attribute__((packed, aligned(2)));

#define IP4_DF 0x4000u
#define IP4_MF 0x2000u
#define IP4_OFFSET 0x1fffu

/* RFC 8200 3 */
struct ip6_hdr {
	uint32_t ver_tc_flow;
	uint16_t payload_len;
	uint8_t next;
	uint8_t hop_limit;
	uint8_t src[16], dst[16];
} __attribute__((packed, aligned(2)));

#define IP6_FLOWLABEL 0xfffffu
#define IP6_MTU_MIN 1280u /* RFC 8200 5 */

/* RFC 8200 4: what may stand between the header and the transport, by their next-header values. */
enum {
	IP6_EXT_HOPOPTS = 0,
	IP6_EXT_ROUTING = 43,
	IP6_EXT_FRAGMENT = 44,
	IP6_EXT_NONE = 59,
	IP6_EXT_DSTOPTS = 60,
};

/* RFC 8200 4.5 */
struct ip6_frag_hdr {
	uint8_t next, reserved;
	uint16_t off; /* in units of 8 bytes, two reserved bits, M */
	uint32_t id;
} __attribute__((packed, aligned(2)));

#define IP6_FRAG_OFFSET 0xfff8u
#define IP6_FRAG_MORE 0x0001u

/* RFC 9293 3.1 */
struct tcp_hdr {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t off; /* upper four bits: header length in 32-bit words */
	uint8_t flags;
	uint16_t win;
	uint16_t csum;
	uint16_t urg;
} __attribute__((packed, aligned(2)));

enum {
	TH_FIN = 0x01,
	TH_SYN = 0x02,
	TH_RST = 0x04,
	TH_PSH = 0x08,
	TH_ACK = 0x10,
	TH_URG = 0x20,
	TH_ECE = 0x40,
	TH_CWR = 0x80,
};

/* RFC 768 */
struct udp_hdr {
	uint16_t sport, dport;
	uint16_t len;
	uint16_t csum;
} __attribute__((packed, aligned(2)));

/* RFC 792, RFC 4443: type, code, checksum, and four bytes whose meaning the type gives */
struct icmp_hdr {
	uint8_t type, code;
	uint16_t csum;
	uint32_t rest;
} __attribute__((packed, aligned(2)));

#endif
