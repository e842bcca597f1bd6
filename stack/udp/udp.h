/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of UDP share: the socket, a datagram, and who is found for one.
 *
 * Theory of operation. A socket lies in one hash, under its four-tuple when connected, else under
 * its local address and port, which may be 0.0.0.0 or ::; a datagram looks in these places in this
 * order. It is kept in the frames it came in. A socket that holds UDP_FRAMES_MAX frames, or all of
 * them together an eighth of the UMEM, has further datagrams copied, one behind the other, into
 * blocks: a reader that is slow costs memory of its own and not the frames that all receive into.
 *
 * A datagram sent before its neighbour is known waits in a block, at most UDP_WAIT_MAX for a
 * socket, as the kernel's neighbour queue would have it; a closed socket lives until those have
 * gone.
 */
#ifndef STACK_UDP_UDP_H
#define STACK_UDP_UDP_H

#include "../internal.h"

#define UDP_HLEN_BYTES 8u
#define UDP_PAYLOAD_MAX 65507u /* what an IPv4 packet can hold */
#define UDP_BUCKETS 4096u
#define UDP_FRAMES_MAX 64u  /* frames that a socket's queue may hold before copying */
#define UDP_WAIT_MAX 32u    /* datagrams of a socket that wait for neighbours */
#define UDP_DGRAM_COST 256u /* counted against SO_RCVBUF beside the payload */
#define UDP_SUPER_SEGS 4u   /* a shorter train goes in packets: a super-segment costs more */
#define UDP_GRO_MAX 65507u  /* bytes of datagrams given out as one: what Linux gives at most */
#define UDP_SOCKS_MAX 65536u
#define UDP_DGRAMS_MAX 262144u

/* A datagram in a queue: received, or waiting to be sent (then in blk). */
struct udp_dgram {
	struct list node;
	uint32_t frame; /* chain of the payload; FRAME_NONE: the next len bytes of copied */
	uint32_t nframes;
	uint32_t len; /* of the payload */
	struct endpoint remote;
	struct ip_addr local;
	uint8_t dev, tos;
	int16_t ttl;    /* waiting: -1 as in struct ip_tx */
	bool frag;      /* waiting: may be fragmented */
	uint32_t drops; /* of the socket, when it came */
	uint64_t rx_ns;
	struct blk *blk;
	struct dst *dst; /* waiting: one reference */
	uint32_t mark;   /* mend.h's */
};

struct udp_sock {
	struct sock sk;
	struct list hash;
	bool connected, shut_rd, shut_wr;
	struct sock_opts o;
	uint32_t rcvbuf, sndbuf; /* bytes */
	struct list rcvq;        /* udp_dgram.node, oldest first */
	uint32_t rcvq_cost;      /* bytes, UDP_DGRAM_COST each included */
	uint32_t frames_held;
	uint32_t drops;                   /* datagrams that found the receive buffer full */
	struct blk *copied, *copied_last; /* payload of the copied ones in rcvq, in order */
	struct list waitq;                /* to be sent when their destinations are resolved */
	uint32_t nwait, wait_bytes;
	struct dst *dst; /* of the last datagram sent, one reference */
};

struct udp_state_tables {
	struct pool socks, dgrams;
	struct list bucket[UDP_BUCKETS];
	uint32_t nconnected;
	uint32_t frames_held;
};

static inline struct udp_sock *udp_sock_of(const struct sock *sk)
{
	return container_of((struct sock *)(uintptr_t)sk, struct udp_sock, sk);
}

/* The socket for a datagram from remote to local; NULL: none. */
struct udp_sock *udp_find(struct stack *st, const struct endpoint *local,
			  const struct endpoint *remote);

/* ---- recv.c --------------------------------------------------------------------------------- */
/* Frees the oldest datagram of the receive queue. */
void udp_rcvq_drop(struct stack *st, struct udp_sock *us);

/* ---- send.c --------------------------------------------------------------------------------- */
/* Frees a datagram of waitq. */
void udp_wait_drop(struct stack *st, struct udp_sock *us, struct udp_dgram *g);

/* ---- udp.c ---------------------------------------------------------------------------------- */
void udp_tables_empty(struct udp_state_tables *u);
/* Into the hash. */
void udp_hash(struct stack *st, struct udp_sock *us);
/* After a death: us is emptied and goes on, or (nobody has it) is free. */
void udp_sock_reset(struct stack *st, struct udp_sock *us);
/* Frees a closed socket once nothing of it waits. */
void udp_sock_finish(struct stack *st, struct udp_sock *us);

#endif
