/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Switches that a socket only has to keep: what they ask for is another's business (the error
 * queue's), or means nothing to a connection, which tells, sends and routes nothing by them. They
 * are a bit each in sock_opts, so that an accepted connection has its listener's. Lengths and
 * ranges are Linux's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "internal.h"

/* Of headers later than those of Debian 12, or of the kernel's beside libc's. */
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef IP_RECVORIGDSTADDR
#define IP_RECVORIGDSTADDR 20
#endif
#ifndef IP_RECVERR_RFC4884
#define IP_RECVERR_RFC4884 26
#endif
#ifndef IPV6_RECVERR_RFC4884
#define IPV6_RECVERR_RFC4884 31
#endif
#ifndef IPV6_ORIGDSTADDR
#define IPV6_ORIGDSTADDR 74
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#endif

enum {
	BYTE_DOES = 1, /* a single byte will do, and nothing at all counts as 0 */
	BYTE_MUST = 2, /* likewise, but nothing is EINVAL */
	ONE_AT_MOST = 4,
	V6_ALONE = 8, /* of AF_INET6 sockets */
};

static const struct {
	int level, name;
	uint8_t bit; /* enum sock_kept */
	uint8_t how;
} kept[] = {
	{IPPROTO_IP, IP_RECVERR, KEPT_RECVERR, BYTE_DOES},
	{IPPROTO_IPV6, IPV6_RECVERR, KEPT_RECVERR6, V6_ALONE},
	{IPPROTO_IP, IP_RECVERR_RFC4884, KEPT_RFC4884, BYTE_DOES | ONE_AT_MOST},
	{IPPROTO_IPV6, IPV6_RECVERR_RFC4884, KEPT_RFC4884_6, V6_ALONE | ONE_AT_MOST},
	{SOL_SOCKET, SO_BROADCAST, KEPT_BROADCAST, 0},
	{SOL_SOCKET, SO_DONTROUTE, KEPT_DONTROUTE, 0},
	{SOL_SOCKET, SO_RXQ_OVFL, KEPT_RXQ_OVFL, 0},
	{SOL_SOCKET, SO_NO_CHECK, KEPT_NO_CHECK, 0},
	{SOL_SOCKET, SO_SELECT_ERR_QUEUE, KEPT_SELECT_ERR_QUEUE, 0},
	{SOL_SOCKET, SO_ZEROCOPY, KEPT_ZEROCOPY, ONE_AT_MOST},
	{IPPROTO_IP, IP_PKTINFO, KEPT_PKTINFO, BYTE_DOES},
	{IPPROTO_IP, IP_RECVTTL, KEPT_RECVTTL, BYTE_DOES},
	{IPPROTO_IP, IP_RECVTOS, KEPT_RECVTOS, BYTE_DOES},
	{IPPROTO_IP, IP_RECVOPTS, KEPT_RECVOPTS, BYTE_DOES},
	{IPPROTO_IP, IP_RETOPTS, KEPT_RETOPTS, BYTE_DOES},
	{IPPROTO_IP, IP_RECVORIGDSTADDR, KEPT_ORIGDST, BYTE_DOES},
	{IPPROTO_IP, IP_FREEBIND, KEPT_FREEBIND, BYTE_MUST},
	{IPPROTO_IPV6, IPV6_FREEBIND, KEPT_FREEBIND, V6_ALONE},
	{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, KEPT_NO_PORT, BYTE_DOES},
	{IPPROTO_IPV6, IPV6_RECVPKTINFO, KEPT_PKTINFO6, V6_ALONE},
	{IPPROTO_IPV6, IPV6_RECVHOPLIMIT, KEPT_HOPLIMIT, V6_ALONE},
	{IPPROTO_IPV6, IPV6_RECVTCLASS, KEPT_TCLASS, V6_ALONE},
	{IPPROTO_IPV6, IPV6_ORIGDSTADDR, KEPT_ORIGDST6, V6_ALONE},
	{IPPROTO_IPV6, IPV6_RECVRTHDR, KEPT_RTHDR, V6_ALONE},
	{IPPROTO_IPV6, IPV6_RECVHOPOPTS, KEPT_HOPOPTS, V6_ALONE},
	{IPPROTO_IPV6, IPV6_RECVDSTOPTS, KEPT_DSTOPTS, V6_ALONE},
	{IPPROTO_IPV6, IPV6_RECVPATHMTU, KEPT_PATHMTU, V6_ALONE},
	{IPPROTO_IPV6, IPV6_FLOWINFO, KEPT_FLOWINFO, V6_ALONE},
};

_Static_assert(KEPT_COUNT <= 32, "a bit each in sock_opts.kept");

static int find(const struct sock_opts *o, int level, int name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
		if (kept[i].name == name && kept[i].level == level &&
		    (o->v6 || !(kept[i].how & V6_ALONE)))
			return (int)i;
	return -1;
}

bool sock_kept(unsigned i, int *level, int *name)
{
	if (i >= ARRAY_SIZE(kept))
		return false;
	*level = kept[i].level;
	*name = kept[i].name;
	return true;
}

void sock_kept_put(struct sock_opts *o, unsigned i, bool on)
{
	o->kept = on ? o->kept | 1u << kept[i].bit : o->kept & ~(1u << kept[i].bit);
}

int sock_kept_set(struct sock_opts *o, int level, int name, const void *val, uint32_t len)
{
	int i = find(o, level, name), v = 0;

	if (i < 0)
		return -ENOPROTOOPT;
	if (len >= sizeof(v))
		memcpy(&v, val, sizeof(v));
	else if (!(kept[i].how & (BYTE_DOES | BYTE_MUST)) || (len == 0 && kept[i].how & BYTE_MUST))
		return -EINVAL;
	else if (len > 0)
		v = *(const uint8_t *)val;
	if (kept[i].how & ONE_AT_MOST && (v < 0 || v > 1))
		return -EINVAL;
	sock_kept_put(o, (unsigned)i, v != 0);
	return 0;
}

int sock_kept_get(const struct sock_opts *o, int level, int name, void *val, uint32_t *len)
{
	int i = find(o, level, name);

	if (i < 0)
		return -ENOPROTOOPT;
	return sock_opt_put(val, len, sock_kept_on(o, kept[i].bit));
}
