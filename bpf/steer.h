/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the steering program and the library share: the keys and the sizes of its maps. Addresses
 * are 16 bytes, IPv4 in its v4-mapped form, so that one key serves both families. Ports are in
 * network byte order, as they lie in the packet.
 */
#ifndef BPF_STEER_H
#define BPF_STEER_H

#define STEER_QUEUES 64u       /* receive queues of an interface that can have an AF_XDP socket */
#define STEER_STACKS 16u       /* stacks of a family; each has a socket on every queue */
#define STEER_CLAIMS 16384u    /* (protocol, local address, port); beyond: -ENOSPC, kernel socket */
#define STEER_FLOWS (1u << 17) /* exact four-tuples; likewise */
#define STEER_PASSES 16384u    /* connections that the kernel keeps; beyond: they are reset */
#define STEER_EXT_MAX 6        /* IPv6 extension headers before the transport's; beyond: passed */

/* What the low byte of a claim's value says: 0, all is ours, or */
#define STEER_HOW_SYNS 1u   /* only SYNs so far (shim/dev/pass.c) */
#define STEER_HOW_PASSES 2u /* except what is in the map of those that the kernel keeps */
/* The bytes above: the first of the stacks that serve it, and how many (0 and 1: that one), among
 * which a flow's hash chooses, unless it is in the map of flows. */
#define STEER_CLAIM(how, first, count) ((how) | (first) << 8 | (count) << 16)
#define STEER_CLAIM_HOW(v) ((v)&0xff)
#define STEER_CLAIM_FIRST(v) ((v) >> 8 & 0xff)
#define STEER_CLAIM_COUNT(v) ((v) >> 16 & 0xff)
/* The value of a flow: its stack, in the second byte. */
#define STEER_FLOW(stack) (1u | (stack) << 8)
#define STEER_FLOW_STACK(v) ((v) >> 8 & 0xff)
/* Where in the map of sockets that of a stack on a queue is. */
#define STEER_SLOT(queue, stack) ((queue)*STEER_STACKS + (stack))

/* Everything to this address and port is ours. */
struct steer_claim {
	unsigned char addr[16];
	unsigned short port;
	unsigned char proto;
	unsigned char zero;
};

/* One flow of ours: laddr and lport are this host's. */
struct steer_flow {
	unsigned char laddr[16];
	unsigned char raddr[16];
	unsigned short lport, rport;
	unsigned char proto;
	unsigned char zero[3];
};

/* Indexes of the per-cpu counters. */
enum steer_count {
	STEER_REDIRECTED, /* ours, given to the queue's socket (or passed on, if its slot is empty)
			   */
	STEER_PASSED,     /* not ours */
	STEER_COUNTS
};

#endif
