/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control messages, parsed and built. It decides their order, their cutting, and which of those to
 * be sent are simple enough not to need the kernel. The buffers are the application's, and so is
 * every length in them: nothing is read that does not lie whole in the buffer, nothing is written
 * beyond it.
 */
#include "cmsg.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif
#ifndef IPV6_ORIGDSTADDR
#define IPV6_ORIGDSTADDR 74
#endif
#ifndef IP_RECVORIGDSTADDR
#define IP_RECVORIGDSTADDR 20
#endif

/* SOF_TIMESTAMPING_TX_RECORD_MASK of Linux: what a single message may ask for. */
#define TX_RECORD_MASK                                                                             \
	(SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | \
	 SOF_TIMESTAMPING_TX_ACK | (1u << 18) /* TX_COMPLETION, of later headers */)

/* ---- what is asked for ---------------------------------------------------------------------- */

/* Options that are on or off, each with its message. */
static const struct {
	int level, name;
	uint32_t bit;
} switches[] = {
	{SOL_SOCKET, SO_RXQ_OVFL, CMSG_DROPS},
	{IPPROTO_UDP, UDP_GRO, CMSG_GRO},
	{IPPROTO_IP, IP_PKTINFO, CMSG_PKTINFO},
	{IPPROTO_IP, IP_RECVTTL, CMSG_TTL},
	{IPPROTO_IP, IP_RECVTOS, CMSG_TOS},
	{IPPROTO_IP, IP_RECVORIGDSTADDR, CMSG_ORIGDST},
	{IPPROTO_IPV6, IPV6_RECVPKTINFO, CMSG_PKTINFO6},
	{IPPROTO_IPV6, IPV6_RECVHOPLIMIT, CMSG_HOPLIMIT},
	{IPPROTO_IPV6, IPV6_RECVTCLASS, CMSG_TCLASS},
	{IPPROTO_IPV6, IPV6_ORIGDSTADDR, CMSG_ORIGDST6},
};

/* The kernel has taken it, so that the length is right: an int, or for some a byte. */
static uint32_t val_get(const void *val, socklen_t len)
{
	uint32_t v = 0;

	if (val != NULL)
		memcpy(&v, val, len < sizeof(v) ? len : sizeof(v));
	return v;
}

/* SO_TIMESTAMP and SO_TIMESTAMPNS are one switch with two positions. */
static void want_stamp(uint32_t *bits, uint32_t bit, bool is_new, bool on)
{
	*bits &= ~(uint32_t)(CMSG_STAMP | CMSG_STAMPNS | CMSG_STAMP_NEW);
	if (on)
		*bits |= bit | (is_new ? CMSG_STAMP_NEW : 0);
}

static void want_stamping(uint32_t *bits, bool is_new, uint32_t flags)
{
	*bits &= ~(uint32_t)(CMSG_STAMPING | CMSG_STAMPING_NEW);
	if (flags & SOF_TIMESTAMPING_SOFTWARE && flags & SOF_TIMESTAMPING_RX_SOFTWARE)
		*bits |= CMSG_STAMPING | (is_new ? CMSG_STAMPING_NEW : 0);
}

bool cmsg_want(uint32_t *bits, int level, int name, const void *val, socklen_t len)
{
	uint32_t v = val_get(val, len);

	if (level == SOL_SOCKET) {
		switch (name) {
		case SO_TIMESTAMP:
		case SO_TIMESTAMP_NEW:
			want_stamp(bits, CMSG_STAMP, name == SO_TIMESTAMP_NEW, v != 0);
			return true;
		case SO_TIMESTAMPNS:
		case SO_TIMESTAMPNS_NEW:
			want_stamp(bits, CMSG_STAMPNS, name == SO_TIMESTAMPNS_NEW, v != 0);
			return true;
		case SO_TIMESTAMPING:
		case SO_TIMESTAMPING_NEW:
			want_stamping(bits, name == SO_TIMESTAMPING_NEW, v);
			return true;
		default:
			break;
		}
	}
	for (unsigned i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (switches[i].level != level || switches[i].name != name)
			continue;
		*bits = v ? *bits | switches[i].bit : *bits & ~switches[i].bit;
		return true;
	}
	return false;
}

/* ---- building ------------------------------------------------------------------------------- */

void cmsg_begin(struct cmsg_out *out, struct msghdr *msg)
{
	*out = (struct cmsg_out){.msg = msg, .room = msg->msg_control ? msg->msg_controllen : 0};
}

void cmsg_put(struct cmsg_out *out, int level, int type, const void *data, size_t n)
{
	struct cmsghdr h = {.cmsg_len = CMSG_LEN(n), .cmsg_level = level, .cmsg_type = type};
	size_t room = out->room - out->used, space = CMSG_SPACE(n);
	char *at = (char *)out->msg->msg_control + out->used;

	if (room < sizeof(h)) {
		out->msg->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (h.cmsg_len > room) {
		out->msg->msg_flags |= MSG_CTRUNC;
		h.cmsg_len = room;
	}
	memcpy(at, &h, sizeof(h)); /* the application may have aligned it as it likes */
	memcpy(at + sizeof(h), data, h.cmsg_len - sizeof(h));
	out->used += space < room ? space : room;
}

void cmsg_end(struct cmsg_out *out)
{
	out->msg->msg_controllen = out->used;
}

void cmsg_put_stamps(struct cmsg_out *out, uint32_t bits, uint64_t real_ns)
{
	struct timespec ts = {(time_t)(real_ns / 1000000000u), (long)(real_ns % 1000000000u)};
	struct timeval tv = {ts.tv_sec, ts.tv_nsec / 1000};
	struct timespec three[3] = {ts};

	if (bits & CMSG_STAMP)
		cmsg_put(out, SOL_SOCKET, bits & CMSG_STAMP_NEW ? SO_TIMESTAMP_NEW : SO_TIMESTAMP,
			 &tv, sizeof(tv));
	else if (bits & CMSG_STAMPNS)
		cmsg_put(out, SOL_SOCKET,
			 bits & CMSG_STAMP_NEW ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS, &ts,
			 sizeof(ts));
	if (bits & CMSG_STAMPING)
		cmsg_put(out, SOL_SOCKET,
			 bits & CMSG_STAMPING_NEW ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING, three,
			 sizeof(three));
}

static void put_pktinfo6(struct cmsg_out *out, const struct cmsg_pkt *p)
{
	struct in6_pktinfo pi = {.ipi6_ifindex = p->ifindex};

	memcpy(&pi.ipi6_addr, p->to.b, sizeof(pi.ipi6_addr));
	cmsg_put(out, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
}

static void put_ip4(struct cmsg_out *out, uint32_t bits, const struct cmsg_pkt *p)
{
	struct in_pktinfo pi = {
		.ipi_ifindex = (int)p->ifindex,
		.ipi_spec_dst.s_addr = ip_addr_to_v4(&p->to),
		.ipi_addr.s_addr = ip_addr_to_v4(&p->to),
	};
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(p->port),
		.sin_addr.s_addr = ip_addr_to_v4(&p->to),
	};
	int ttl = p->ttl;

	if (bits & CMSG_PKTINFO)
		cmsg_put(out, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	if (bits & CMSG_TTL)
		cmsg_put(out, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (bits & CMSG_TOS)
		cmsg_put(out, IPPROTO_IP, IP_TOS, &p->tos, sizeof(p->tos));
	if (bits & CMSG_ORIGDST)
		cmsg_put(out, IPPROTO_IP, IP_RECVORIGDSTADDR, &to, sizeof(to));
}

static void put_ip6(struct cmsg_out *out, uint32_t bits, const struct cmsg_pkt *p)
{
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(p->port),
		.sin6_scope_id = ip_addr_is_linklocal(&p->to) ? p->ifindex : 0,
	};
	int hops = p->ttl, tclass = p->tos;

	memcpy(&to.sin6_addr, p->to.b, sizeof(to.sin6_addr));
	if (bits & CMSG_HOPLIMIT)
		cmsg_put(out, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
	if (bits & CMSG_TCLASS)
		cmsg_put(out, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
	if (bits & CMSG_ORIGDST6)
		cmsg_put(out, IPPROTO_IPV6, IPV6_ORIGDSTADDR, &to, sizeof(to));
}

void cmsg_put_datagram(struct cmsg_out *out, uint32_t bits, const struct cmsg_pkt *p)
{
	int gso = (int)p->gso_bytes;

	cmsg_put_stamps(out, bits, p->real_ns);
	if (bits & CMSG_DROPS && p->drops)
		cmsg_put(out, SOL_SOCKET, SO_RXQ_OVFL, &p->drops, sizeof(p->drops));
	if (bits & CMSG_GRO && gso)
		cmsg_put(out, IPPROTO_UDP, UDP_GRO, &gso, sizeof(gso));
	if (bits & CMSG_PKTINFO6)
		put_pktinfo6(out, p);
	if (ip_addr_is_v4(&p->to))
		put_ip4(out, bits, p);
	else
		put_ip6(out, bits, p);
}

/* ---- parsing -------------------------------------------------------------------------------- */

/* A message in the application's buffer. */
struct cmsg_in {
	struct cmsghdr h;
	const char *data;
	size_t len; /* of the data */
};

/* Where the walk is. */
struct cmsg_walk {
	const char *base;
	size_t bytes, at;
};

static struct cmsg_walk walk_of(const struct msghdr *msg)
{
	return (struct cmsg_walk){msg->msg_control, msg->msg_control ? msg->msg_controllen : 0, 0};
}

/* 1: m is the next; 0: that was all; -EINVAL: a length that cannot be. */
static int walk_next(struct cmsg_walk *w, struct cmsg_in *m)
{
	size_t left = w->bytes - w->at, step;

	if (left < sizeof(m->h))
		return 0;
	memcpy(&m->h, w->base + w->at, sizeof(m->h));
	if (m->h.cmsg_len < sizeof(m->h) || m->h.cmsg_len > left)
		return -EINVAL;
	m->data = w->base + w->at + sizeof(m->h);
	m->len = m->h.cmsg_len - sizeof(m->h);
	step = CMSG_ALIGN(m->h.cmsg_len);
	w->at += step < left ? step : left;
	return 1;
}

/* An int between min and 255. */
static bool take_byte(const struct cmsg_in *m, int min, uint8_t *out)
{
	int v;

	if (m->len != sizeof(v))
		return false;
	memcpy(&v, m->data, sizeof(v));
	*out = (uint8_t)v;
	return v >= min && v <= 255;
}

static bool parse_udp(const struct cmsg_in *m, struct cmsg_send *s)
{
	if (m->h.cmsg_type != UDP_SEGMENT || m->len != sizeof(s->gso_bytes))
		return false;
	memcpy(&s->gso_bytes, m->data, sizeof(s->gso_bytes));
	s->has |= CMSG_HAS_GSO;
	return true;
}

static void take_from(struct cmsg_send *s, const struct ip_addr *from, uint32_t ifindex)
{
	if (ifindex)
		s->ifindex = ifindex;
	s->from = *from;
	s->has &= ~(uint32_t)CMSG_HAS_FROM;
	if (!ip_addr_is_any(from))
		s->has |= CMSG_HAS_FROM;
}

static bool parse_ip4(const struct cmsg_in *m, struct cmsg_send *s)
{
	struct in_pktinfo pi;
	struct ip_addr from;

	switch (m->h.cmsg_type) {
	case IP_PKTINFO:
		if (m->len != sizeof(pi))
			return false;
		memcpy(&pi, m->data, sizeof(pi));
		from = ip_addr_v4(pi.ipi_spec_dst.s_addr);
		take_from(s, &from, (uint32_t)pi.ipi_ifindex);
		return true;
	case IP_TTL:
		s->has |= CMSG_HAS_TTL;
		return take_byte(m, 1, &s->ttl);
	case IP_TOS:
		s->has |= CMSG_HAS_TOS;
		if (m->len != sizeof(s->tos))
			return take_byte(m, 0, &s->tos);
		memcpy(&s->tos, m->data, sizeof(s->tos));
		return true;
	default:
		return false;
	}
}

static bool parse_ip6(const struct cmsg_in *m, struct cmsg_send *s)
{
	struct in6_pktinfo pi;
	struct ip_addr from;

	switch (m->h.cmsg_type) {
	case IPV6_PKTINFO:
		if (m->len < sizeof(pi))
			return false;
		memcpy(&pi, m->data, sizeof(pi));
		from = ip_addr_v6(&pi.ipi6_addr, pi.ipi6_ifindex);
		take_from(s, &from, pi.ipi6_ifindex);
		return true;
	case IPV6_HOPLIMIT:
		s->has |= CMSG_HAS_TTL;
		return take_byte(m, 1, &s->ttl);
	case IPV6_TCLASS:
		s->has |= CMSG_HAS_TOS;
		return take_byte(m, 0, &s->tos);
	default:
		return false;
	}
}

bool cmsg_parse_datagram(const struct msghdr *msg, int family, bool to_v4, struct cmsg_send *s)
{
	struct cmsg_walk w = walk_of(msg);
	struct cmsg_in m;
	int r;

	while ((r = walk_next(&w, &m)) > 0) {
		bool ok = false;

		if (m.h.cmsg_level == IPPROTO_UDP)
			ok = parse_udp(&m, s);
		else if (m.h.cmsg_level == IPPROTO_IP && to_v4)
			ok = parse_ip4(&m, s);
		else if (m.h.cmsg_level == IPPROTO_IPV6 && family == AF_INET6 && !to_v4)
			ok = parse_ip6(&m, s);
		else if (m.h.cmsg_level == IPPROTO_IPV6 && family == AF_INET6)
			/* To a v4-mapped address the source alone counts. */
			ok = m.h.cmsg_type != IPV6_PKTINFO ||
			     (parse_ip6(&m, s) && ip_addr_is_v4(&s->from));
		if (!ok)
			return false;
	}
	return r == 0;
}

/* As __sock_cmsg_send() of Linux, for what a socket of ours can do. */
static int parse_socket(const struct cmsg_in *m, uint32_t *own)
{
	uint32_t v;

	switch (m->h.cmsg_type) {
	case SO_TIMESTAMPING:
	case SO_TIMESTAMPING_NEW:
		if (m->len != sizeof(v))
			return -EINVAL;
		memcpy(&v, m->data, sizeof(v));
		if (v & ~(uint32_t)TX_RECORD_MASK)
			return -EINVAL;
		*own = CMSG_STAMPS_OWN | v;
		return 0;
	case SO_MARK:
		return -EPERM;
	case SCM_RIGHTS: /* for sockets of another family: passed over */
	case SCM_CREDENTIALS:
		return 0;
	default:
		return -EINVAL;
	}
}

int cmsg_parse_stream(const struct msghdr *msg, uint32_t *own)
{
	struct cmsg_walk w = walk_of(msg);
	struct cmsg_in m;
	int r, err = 0;

	while (err == 0 && (r = walk_next(&w, &m)) != 0) {
		if (r < 0)
			return r;
		if (m.h.cmsg_level == SOL_SOCKET)
			err = parse_socket(&m, own);
	}
	return err;
}
