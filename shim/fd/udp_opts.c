/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of UDP sockets. The kernel's shadow takes each first, so that what is refused, how a
 * value is rounded and what getsockopt() says are the kernel's; this file decides what an option
 * means beside that: what recvmsg() is to tell, how datagrams leave the stack, or that they can't.
 *
 * An option that only the kernel can serve when sending sends everything through the shadow while
 * it is set. One that only the kernel can serve when receiving takes the socket back: its port is
 * claimed no more, so that all datagrams come through the kernel's door; what the stack holds
 * already is still read.
 */
#include "udp_int.h"

#include <linux/net_tstamp.h>
#include <netinet/udp.h>

#include "cmsg.h"
#include "shim/proc/user.h"

/* Of headers later than Debian 12's. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_NO_CHECK6_TX
#define UDP_NO_CHECK6_TX 101
#define UDP_NO_CHECK6_RX 102
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#ifndef SO_TIMESTAMPING_NEW
#define SO_TIMESTAMPING_NEW 65
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY 82
#endif
#ifndef IP_CHECKSUM
#define IP_CHECKSUM 23
#endif
#ifndef IPV6_UNICAST_IF
#define IPV6_UNICAST_IF 76
#endif
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#define IPV6_FLOWLABEL_MGR 32
#define IPV6_FLOWINFO_SEND 33
#endif

/* What makes a socket send through the shadow, or leave the stack (leave). */
static const struct {
	int level, name;
	bool leave;
} kernels[] = {
	{SOL_SOCKET, SO_MARK, false},
	{SOL_SOCKET, SO_TXTIME, false},
	{SOL_SOCKET, SO_DONTROUTE, false},
	{SOL_SOCKET, SO_NO_CHECK, false},
	{IPPROTO_IP, IP_OPTIONS, false},
	{IPPROTO_IP, IP_UNICAST_IF, false},
	{IPPROTO_UDP, UDP_NO_CHECK6_TX, false},
	{IPPROTO_IPV6, IPV6_UNICAST_IF, false},
	{IPPROTO_IPV6, IPV6_FLOWINFO_SEND, false},
	{IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, false},
	{IPPROTO_IPV6, IPV6_MTU, false},
	{IPPROTO_IPV6, IPV6_PKTINFO, false},
	{IPPROTO_IPV6, IPV6_HOPOPTS, false},
	{IPPROTO_IPV6, IPV6_DSTOPTS, false},
	{IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, false},
	{IPPROTO_IPV6, IPV6_RTHDR, false},
	{SOL_SOCKET, SO_ATTACH_FILTER, true},
	{SOL_SOCKET, SO_ATTACH_BPF, true},
	{SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, true},
	{SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, true},
	{SOL_SOCKET, SO_BINDTODEVICE, true},
	{SOL_SOCKET, SO_BINDTOIFINDEX, true},
	{SOL_SOCKET, SO_RCVMARK, true},
	{SOL_SOCKET, SO_RCVPRIORITY, true},
	{SOL_SOCKET, SO_PEEK_OFF, true},
	{IPPROTO_IP, IP_TRANSPARENT, true},
	{IPPROTO_IP, IP_CHECKSUM, true},
	{IPPROTO_IP, IP_PASSSEC, true},
	{IPPROTO_UDP, UDP_ENCAP, true},
	{IPPROTO_UDP, UDP_NO_CHECK6_RX, true},
	{IPPROTO_IPV6, IPV6_TRANSPARENT, true},
	{IPPROTO_IPV6, IPV6_ADDRFORM, true},
	{IPPROTO_IPV6, IPV6_RECVPATHMTU, true},
	{IPPROTO_IPV6, IPV6_RECVHOPOPTS, true},
	{IPPROTO_IPV6, IPV6_RECVDSTOPTS, true},
	{IPPROTO_IPV6, IPV6_RECVRTHDR, true},
	{IPPROTO_IPV6, IPV6_FLOWINFO, true},
	{IPPROTO_IPV6, IPV6_2292PKTINFO, true},
	{IPPROTO_IPV6, IPV6_2292HOPLIMIT, true},
	{IPPROTO_IPV6, IPV6_2292HOPOPTS, true},
	{IPPROTO_IPV6, IPV6_2292DSTOPTS, true},
	{IPPROTO_IPV6, IPV6_2292RTHDR, true},
};

#define SEND_STAMPS (1u << 31) /* in udp.by_shadow, beside a bit for each row above */

#define TX_STAMPS                                                                                  \
	(SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | \
	 SOF_TIMESTAMPING_TX_ACK)

static int val_int(const void *val, socklen_t len)
{
	int v = 0;

	if (val)
		memcpy(&v, val, len < sizeof(v) ? len : sizeof(v));
	return v;
}

static bool switches_on(int level, int name, const void *val, socklen_t len)
{
	const char *p = val;

	if (level == SOL_SOCKET && name == SO_PEEK_OFF)
		return val_int(val, len) >= 0;
	for (socklen_t i = 0; p && i < len && i < 64; i++)
		if (p[i])
			return true;
	return false;
}

/* ---- leaving -------------------------------------------------------------------------------- */

_Atomic uint32_t udp_leaves;

void udp_unclaim(struct ofd *o)
{
	o->udp.left = 1;
	atomic_fetch_add(&udp_leaves, 1);
	if (o->claimed)
		ofd_unclaim(o->sr, o);
}

static void udp_leave(int fd, struct ofd *o, bool group)
{
	struct stackrec *sr = o->sr;
	const struct sock *sk = NULL;

	run_enter(sr);
	udp_unclaim(o);
	/* A group is asked as one: its program chooses among them all. */
	while (group && (sk = stack_sock_next(sr->st, sk)) != NULL) {
		struct ofd *other = sk->user;

		if (sk->type != STK_UDP || !other || other->bound.port != o->bound.port ||
		    !ip_addr_eq(&other->bound.addr, &o->bound.addr))
			continue;
		udp_unclaim(other);
		other->verdict = VERDICT_option;
	}
	run_leave(sr, RUN_LATER);
	ofd_set_verdict(o, fd, VERDICT_option);
}

bool udp_group_left(const struct ofd *o)
{
	for (int fd = 0, end = fdtab_end(); fd < end; fd++) {
		const struct ofd *other = fdtab_get(fd);

		if (other && other != o && other->kind == OFD_SOCK &&
		    other->socktype == SOCK_DGRAM && (other->kernel_only || other->udp.left) &&
		    other->bound.port == o->bound.port &&
		    ip_addr_eq(&other->bound.addr, &o->bound.addr))
			return true;
	}
	return false;
}

/* ---- what an option means ------------------------------------------------------------------- */

/* The rest of what is remembered by value. */
static void note_value(struct ofd *o, int level, int name, const void *val, socklen_t len)
{
	int v = val_int(val, len);
	bool recverr = (level == IPPROTO_IP && name == IP_RECVERR) ||
		       (level == IPPROTO_IPV6 && name == IPV6_RECVERR);

	if (recverr)
		o->udp.recverr = v != 0;
	else if (level == IPPROTO_IP && name == IP_MTU_DISCOVER)
		o->udp.pmtudisc = (uint8_t)v;
	else if (level == IPPROTO_UDP && name == UDP_SEGMENT)
		o->udp.gso_bytes = (uint16_t)v;
	else if (level == IPPROTO_UDP && name == UDP_CORK)
		o->corked = v ? UDP_CORKED : 0;
	else if (level == SOL_SOCKET && (name == SO_TIMESTAMPING || name == SO_TIMESTAMPING_NEW))
		o->udp.by_shadow = (o->udp.by_shadow & ~SEND_STAMPS) |
				   ((unsigned)v & TX_STAMPS ? SEND_STAMPS : 0);
}

void udp_opt_note(int fd, struct ofd *o, int level, int name, const void *val, socklen_t len)
{
	bool on = switches_on(level, name, val, len);
	bool group = level == SOL_SOCKET &&
		     (name == SO_ATTACH_REUSEPORT_CBPF || name == SO_ATTACH_REUSEPORT_EBPF);

	cmsg_want(&o->cmsgs, level, name, val, len);
	note_value(o, level, name, val, len);
	for (unsigned i = 0; i < ARRAY_SIZE(kernels); i++) {
		if (kernels[i].level != level || kernels[i].name != name)
			continue;
		if (!kernels[i].leave)
			o->udp.by_shadow = (o->udp.by_shadow & ~(1u << i)) | (on ? 1u << i : 0);
		else if (on && o->sk)
			udp_leave(fd, o, group);
		else if (on)
			o->kernel_only = 1;
	}
}

void udp_opts_import(int fd, struct ofd *o)
{
	int v = 0;
	socklen_t len = sizeof(v);

	/* The namespace has a say in what it is at first. */
	if (sys_getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v, &len) == 0)
		o->udp.pmtudisc = (uint8_t)v;
}

/* ---- the calls ------------------------------------------------------------------------------ */

/* The stack's share of an option that the kernel has taken. */
static void stack_share(struct ofd *o, int fd, int level, int name, const void *val, socklen_t len)
{
	bool buf = level == SOL_SOCKET && (name == SO_RCVBUFFORCE || name == SO_SNDBUFFORCE);
	socklen_t n = sizeof(int);
	int v;

	run_enter(o->sr);
	if (o->sk && buf) {
		/* What became of it, and not bounded once more. */
		if (sys_getsockopt(fd, SOL_SOCKET, name == SO_RCVBUFFORCE ? SO_RCVBUF : SO_SNDBUF,
				   &v, &n) == 0)
			stack_setopt(o->sr->st, o->sk, level, name, &v, n, now_ns());
	} else if (o->sk) {
		stack_setopt(o->sr->st, o->sk, level, name, val, len, now_ns());
	}
	run_leave(o->sr, RUN_LATER);
}

int udp_setsockopt(int fd, struct ofd *o, int level, int name, const void *val, socklen_t len)
{
	int r = sys_setsockopt(fd, level, name, val, len);

	if (r < 0)
		return r;
	stack_share(o, fd, level, name, val, len);
	udp_opt_note(fd, o, level, name, val, len);
	return 0;
}

int udp_getsockopt(int fd, struct ofd *o, int level, int name, void *val, socklen_t *len)
{
	int err = 0, r;

	if (level == SOL_SOCKET && name == SO_ERROR) {
		if (*len > sizeof(err))
			*len = sizeof(err);
		if (!user_can_write(val, *len))
			return -EFAULT;
		run_enter(o->sr);
		if (o->sk)
			err = sock_take_error(o->sr, o->sk);
		run_leave(o->sr, RUN_LATER);
		if (!err)
			err = -udp_error_take(fd, o, true);
		memcpy(val, &err, *len);
		return 0;
	}
	r = sys_getsockopt(fd, level, name, val, len);
	return r;
}
