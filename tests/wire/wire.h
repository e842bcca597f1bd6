/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A peer made by hand: segments put in, answers taken out and compared. Sequence numbers are
 * relative: ours count from our ISS, the peer's from PEER_ISS.
 */
#ifndef TESTS_WIRE_WIRE_H
#define TESTS_WIRE_WIRE_H

#include "tests/unit/harness.h"
#include "stack/tcp/tcp.h"

#define PEER_ISS 5000u
#define PORT 80u
#define PEER_PORT 33333u

/* A segment, from either side. */
struct seg {
	uint8_t flags;
	uint32_t seq, ack;   /* relative to the sender's and the receiver's ISS */
	uint32_t wnd;        /* as in the header */
	uint32_t len;        /* payload */
	uint8_t tos;         /* of the IP header */
	const uint8_t *opts; /* in: raw options */
	uint32_t opts_len;
	struct tcp_opts opt; /* out: parsed */
	uint8_t data[4096];
};

struct wire {
	struct env e;
	uint32_t iss; /* ours, as learnt */
	struct endpoint me, peer;
	struct sock *l, *sk;
	uint8_t user; /* what sk->user points at */
};

void wire_init(struct wire *w, const struct stack_cfg *cfg);
void wire_fini(struct wire *w);
/* Puts a segment in: flags, seq, ack, len; window 65535; payload is a pattern. */
enum stat_id in(struct wire *w, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len);
enum stat_id in_seg(struct wire *w, const struct seg *s);
/* An ICMP error about a packet of n bytes that we sent, in the terms of the family: host
 * unreachable, or a path MTU that leaves room for mss. */
enum stat_id in_unreachable(struct wire *w, const uint8_t *sent, size_t n);
enum stat_id in_too_big(struct wire *w, uint32_t mss, const uint8_t *sent, size_t n);
/* That MTU. */
uint32_t mtu_for(const struct wire *w, uint32_t mss);
/* The next segment out; asserts that there is one, and that its checksums are right. */
struct seg out(struct wire *w);
/* The next segment out is this one. */
void out_is(struct wire *w, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len);
void out_none(struct wire *w);
/* Runs what is due; then ACKs that waited for the application are out. */
void run(struct wire *w);
/* Lets time pass: every timer on the way fires in its time. */
void pass(struct wire *w, uint64_t ns);
/* A listener; a handshake without options; accepts into w->sk. */
void listen_on(struct wire *w, const struct sock_opts *o, uint32_t backlog);
void establish(struct wire *w, const struct sock_opts *o);
/* connect(), up to the SYN being out (w->iss known). */
void connect_syn(struct wire *w, const struct sock_opts *o);
/* A handshake from that port of the peer's: the SYN, which is answered, and the last ACK. */
void syn_from(struct wire *w, uint16_t port);
enum stat_id last_ack_from(struct wire *w, uint16_t port);
/* The device is shared with the kernel, which may be given back what is nobody's. */
void share_dev(struct wire *w);
/* The Ethernet frame of a stray, with checksums complete; gives its frames back. */
size_t take_stray(struct wire *w, struct stray *s, uint8_t *b);
ssize_t put(struct wire *w, uint32_t len);
ssize_t get(struct wire *w, uint32_t len);

#endif
