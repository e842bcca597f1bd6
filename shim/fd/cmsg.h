/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control messages: what recvmsg() tells of a packet beside its bytes, and what sendmsg() asks for
 * it. Pure: no lock, no system call.
 */
#ifndef SHIM_FD_CMSG_H
#define SHIM_FD_CMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "stack/addr.h"

/* ---- in: what recvmsg() tells --------------------------------------------------------------- */

/* What was asked for: bits of ofd.cmsgs. */
enum {
	CMSG_STAMP = 1u << 0,        /* SO_TIMESTAMP: a timeval */
	CMSG_STAMPNS = 1u << 1,      /* SO_TIMESTAMPNS: a timespec; one of the two at most */
	CMSG_STAMP_NEW = 1u << 2,    /* either under its 64-bit name */
	CMSG_STAMPING = 1u << 3,     /* SO_TIMESTAMPING with software stamps of what is received */
	CMSG_STAMPING_NEW = 1u << 4, /* under its 64-bit name */
	CMSG_DROPS = 1u << 5,        /* SO_RXQ_OVFL */
	CMSG_GRO = 1u << 6,          /* UDP_GRO */
	CMSG_PKTINFO = 1u << 7,      /* IP_PKTINFO ... */
	CMSG_TTL = 1u << 8,
	CMSG_TOS = 1u << 9,
	CMSG_ORIGDST = 1u << 10,
	CMSG_PKTINFO6 = 1u << 11, /* IPV6_RECVPKTINFO ... */
	CMSG_HOPLIMIT = 1u << 12,
	CMSG_TCLASS = 1u << 13,
	CMSG_ORIGDST6 = 1u << 14,
};

/* What setting (level, name) with these bytes does to the bits. True: it is one of them. */
bool cmsg_want(uint32_t *bits, int level, int name, const void *val, socklen_t len);

/* What there is to tell. */
struct cmsg_pkt {
	struct ip_addr to; /* the address it came to */
	uint16_t port;     /* and the port */
	uint8_t tos, ttl;
	uint32_t ifindex;
	uint32_t drops, gso_bytes; /* 0: nothing to tell */
	uint64_t real_ns;          /* CLOCK_REALTIME of its arrival */
};

/* The control buffer of a message as it is filled. */
struct cmsg_out {
	struct msghdr *msg;
	size_t used, room;
};

/* Begins: all of msg's control buffer is room, and its msg_flags are the caller's. */
void cmsg_begin(struct cmsg_out *out, struct msghdr *msg);
/* One message of n bytes; cut short or left out, with MSG_CTRUNC, where room is short, as
 * put_cmsg() of Linux does. */
void cmsg_put(struct cmsg_out *out, int level, int type, const void *data, size_t n);
/* Ends: msg_controllen is what was filled. */
void cmsg_end(struct cmsg_out *out);

/* Time stamps as bits ask for them (sock_recv_timestamp() of Linux). */
void cmsg_put_stamps(struct cmsg_out *out, uint32_t bits, uint64_t real_ns);
/* All of a datagram, in the kernel's order: stamps, drops, GRO, addresses. */
void cmsg_put_datagram(struct cmsg_out *out, uint32_t bits, const struct cmsg_pkt *p);

/* ---- out: what sendmsg() asks for ----------------------------------------------------------- */

enum { CMSG_HAS_TOS = 1, CMSG_HAS_TTL = 2, CMSG_HAS_GSO = 4, CMSG_HAS_FROM = 8 };

struct cmsg_send {
	uint32_t has; /* CMSG_HAS_* */
	struct ip_addr from;
	uint32_t ifindex; /* 0: any */
	uint16_t gso_bytes;
	uint8_t tos, ttl;
};

/*
 * For a datagram of a socket of that family, to an IPv4 address or not. True: all is understood,
 * and s (the caller clears it) has it. False: the kernel is to say what it makes of it, be it
 * EINVAL or something that only it can do.
 */
bool cmsg_parse_datagram(const struct msghdr *msg, int family, bool to_v4, struct cmsg_send *s);

/*
 * For a stream: only SOL_SOCKET counts, as in tcp_sendmsg() of Linux. 0, -EINVAL, -EPERM as the
 * kernel. *own: CMSG_STAMPS_OWN and SOF_TIMESTAMPING_TX_*, when the message asks for its own.
 */
#define CMSG_STAMPS_OWN (1u << 31)
int cmsg_parse_stream(const struct msghdr *msg, uint32_t *own);

#endif
