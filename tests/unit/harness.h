/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the stack's unit tests stand on: a stack in an arena of its own, with one device and one
 * resolved neighbour; packets made by hand, put in and taken out as plain bytes. Time is a
 * variable. Nothing here knows TCP.
 */
#ifndef TESTS_UNIT_HARNESS_H
#define TESTS_UNIT_HARNESS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stack/internal.h"

/* For loops: Check's own assertions write a record each time, passed or not. */
#define must(cond)                                 \
	do {                                       \
		if (!(cond))                       \
			ck_abort_msg("%s", #cond); \
	} while (0)

#define MS 1000000ull
#define SEC 1000000000ull

#define ENV_DEV 1u
#define ENV_MTU 1500u

struct env {
	void *base;
	size_t bytes;
	struct arena *arena;
	struct stack *st;
	uint64_t now;
	struct ip_addr me, peer; /* addr(10, 0, 0, 1), addr(10, 0, 0, 2): resolved */
};

/* The family of addr(), and so of everything made from it: 4, or 6. The next env_init() goes by
 * it. */
extern int env_family;

extern const uint8_t env_mac[6], env_peer_mac[6];

/* An anonymous, zero-filled, lazily populated stretch of memory made into an arena. */
void env_arena(struct env *e, size_t bytes);
/* A stack with the default configuration, but for the frames; cfg NULL: that. */
void env_init(struct env *e, const struct stack_cfg *cfg);
void env_cfg(struct stack_cfg *cfg);
/* Asserts that all has come back: pools at zero, every frame free, no timer, no event; unmaps. */
void env_fini(struct env *e);
void env_arena_fini(struct env *e);

/* a.b.c.d, or in the other family fd00::a.b.c.d; all zero is 0.0.0.0 or ::. */
struct ip_addr addr(unsigned a, unsigned b, unsigned c, unsigned d);
struct endpoint ep(struct ip_addr a, uint16_t port);
void env_dev(struct env *e, unsigned idx, bool tx_csum, bool rx_partial_ok, uint32_t gso_max);
void env_dst_ok(struct env *e, struct ip_addr a);

/* ---- packets: each returns the length of what it wrote to b --------------------------------- */

struct pkt_ip {
	struct ip_addr src, dst;
	uint8_t proto;
	uint8_t tos;
};

/* Ethernet, IPv4 or IPv6 by ip->src, then len bytes of l4 (whose checksum is the caller's
 * business). */
size_t pkt_ip(uint8_t *b, const struct pkt_ip *ip, const void *l4, size_t len);
/* Where the transport header of a packet begins that has no options or extension headers. */
size_t pkt_l4(const uint8_t *b);
/* A whole UDP packet from peer to me, checksum right. */
size_t pkt_udp(uint8_t *b, struct endpoint from, struct endpoint to, const void *data, size_t len);
/* An ICMP error from peer about a packet (from its Ethernet header on) that we sent. */
size_t pkt_icmp(uint8_t *b, struct ip_addr from, struct ip_addr to, uint8_t type, uint8_t code,
		uint32_t rest, const uint8_t *about, size_t about_len);
/* The IPv4 header checksum anew, after a test has changed the header. */
void pkt_ip4_csum(uint8_t *b);

/* Puts a packet in; the first cuts it into frames of step bytes. */
enum stat_id env_rx_cut(struct env *e, unsigned dev, const uint8_t *b, size_t len, size_t step);
enum stat_id env_rx(struct env *e, unsigned dev, const uint8_t *b, size_t len);
/* Takes the oldest packet out: its bytes, super-segment payload included; 0: there is none. ent may
 * be NULL. */
size_t env_tx(struct env *e, uint8_t *b, size_t max, struct tx_ent *ent);

/* The naive checksum: 16 bits at a time, big-endian, as RFC 1071 has it. 0xffff over a right
 * one. */
uint16_t naive_sum(const uint8_t *p, size_t len, uint32_t start);
/* The naive sum of the pseudo-header of a packet with l4_len bytes above IP. */
uint32_t naive_pseudo(const uint8_t *b, size_t l4_len);
/* Asserts that lengths, IP and L4 checksums of a packet that was sent are complete and right. */
void pkt_check_sums(const uint8_t *b, size_t len);

/* splitmix64: the next number of *s, below n. */
uint64_t rnd_below(uint64_t *s, uint64_t n);

/* Runs a suite of one case list; for main(). */
int run_suite(Suite *s);
/* Likewise, once with each env_family. */
int run_both_families(Suite *(*make)(void));

#endif
