/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What recvmsg() tells of a TCP socket beside its bytes: time stamps and TCP_INQ as tcp_recvmsg()
 * of Linux does, and with MSG_ERRQUEUE an entry of the stack's error queue as ip_recv_error() and
 * ipv6_recv_error() do. Never waits. What an entry is about was decided by whoever queued it.
 */
#include "sock_int.h"

#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>

#include "cmsg.h"
#include "shim/proc/user.h"

/* Of headers later than those of Debian 12. */
#define STAMPING_OPT_RX_FILTER (1u << 17)
#ifndef SCM_TIMESTAMPING_OPT_STATS
#define SCM_TIMESTAMPING_OPT_STATS 54
#endif
#define STATS_BYTES_MAX 256u /* more than there are attributes for */
#ifndef TCP_CM_INQ
#define TCP_CM_INQ 36 /* as TCP_INQ */
#endif

/* ---- beside the bytes ----------------------------------------------------------------------- */

uint64_t stamp_real_ns(uint64_t mono_ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec - (now_ns() - mono_ns);
}

/* CMSG_* of what the options ask for; told: a time that SO_TIMESTAMPING has to tell. */
static uint32_t stamp_bits(const struct recv_notes *n, bool told)
{
	uint32_t bits = 0;

	if (n->stamp & STAMP_ON)
		bits = (n->stamp & STAMP_NS ? CMSG_STAMPNS : CMSG_STAMP) |
		       (n->stamp & STAMP_NEW ? CMSG_STAMP_NEW : 0);
	if (told && n->stamping & SOF_TIMESTAMPING_SOFTWARE)
		bits |= CMSG_STAMPING | (n->stamp & STAMP_NEW ? CMSG_STAMPING_NEW : 0);
	return bits;
}

static void notes_begin(struct cmsg_out *out, struct msghdr *msg)
{
	cmsg_begin(out, msg);
	if (out->room && !user_can_write(msg->msg_control, out->room))
		out->room = 0;
}

void stream_tell(struct msghdr *msg, const struct recv_notes *n)
{
	bool told = n->stamping & SOF_TIMESTAMPING_RX_SOFTWARE ||
		    !(n->stamping & STAMPING_OPT_RX_FILTER);
	struct cmsg_out out;
	int inq = (int)n->unread;

	notes_begin(&out, msg);
	if (n->ns)
		cmsg_put_stamps(&out, stamp_bits(n, told), stamp_real_ns(n->ns));
	if (n->inq)
		cmsg_put(&out, IPPROTO_TCP, TCP_CM_INQ, &inq, sizeof(inq));
	cmsg_end(&out);
}

/* ---- the error queue ------------------------------------------------------------------------ */

/* What IP_RECVERR and IPV6_RECVERR give. */
struct err4 {
	struct sock_extended_err ee;
	struct sockaddr_in offender;
};
struct err6 {
	struct sock_extended_err ee;
	struct sockaddr_in6 offender;
};

static void put_error(struct cmsg_out *out, const struct ofd *o, const struct sock_err *e)
{
	struct sock_extended_err ee = {
		.ee_errno = e->err,
		.ee_origin = e->origin,
		.ee_type = e->type,
		.ee_code = e->code,
		.ee_info = e->info,
		.ee_data = e->data,
	};
	struct endpoint who = {.addr = e->offender};
	struct err4 v4 = {.ee = ee};
	struct err6 v6 = {.ee = ee};
	union sockaddr_inet sa;

	if (e->has_offender) {
		sockaddr_make(o, &who, &sa);
		v4.offender = sa.in;
		v6.offender = sa.in6;
	}
	if (o->family == AF_INET)
		cmsg_put(out, IPPROTO_IP, IP_RECVERR, &v4, sizeof(v4));
	else
		cmsg_put(out, IPPROTO_IPV6, IPV6_RECVERR, &v6, sizeof(v6));
}

static size_t name_room(const struct ofd *o, const struct msghdr *msg)
{
	size_t n = sockaddr_bytes(o);

	if (!msg->msg_name)
		return 0;
	return n < msg->msg_namelen ? n : msg->msg_namelen;
}

/* All that is told beside the packet. */
static void err_tell(const struct ofd *o, struct msghdr *msg, const struct sock_err *e,
		     const struct recv_notes *n, const uint8_t *stats)
{
	uint32_t bits = e->ns ? stamp_bits(n, true) : 0;
	struct cmsg_out out;

	notes_begin(&out, msg);
	if (e->ns)
		cmsg_put_stamps(&out, bits, stamp_real_ns(e->ns));
	if (e->stats && e->bytes && bits & CMSG_STAMPING)
		cmsg_put(&out, SOL_SOCKET, SCM_TIMESTAMPING_OPT_STATS, stats, e->bytes);
	put_error(&out, o, e);
	cmsg_end(&out);
	if (!msg->msg_name)
		return;
	if (e->named)
		sockaddr_put(o, &e->to, msg->msg_name, &msg->msg_namelen);
	else
		msg->msg_namelen = 0;
}

/* Of the pieces together, max at most. */
static size_t iov_bytes(const struct iovec *iov, size_t n, size_t max)
{
	size_t sum = 0;

	for (size_t i = 0; i < n && sum < max; i++)
		sum += iov[i].iov_len < max - sum ? iov[i].iov_len : max - sum;
	return sum;
}

ssize_t stream_recv_error(int fd, struct ofd *o, struct msghdr *msg, int flags)
{
	const struct sock_err *first;
	size_t name = name_room(o, msg);
	struct recv_notes notes = {0};
	uint8_t stats[STATS_BYTES_MAX];
	struct sock_err e;
	struct call c;
	ssize_t r;

	sock_settle(o->sr);
	r = call_begin(&c, fd, o, true, 0);
	if (r < 0)
		return r;
	first = stack_err_peek(call_sk(&c));
	if (!first) {
		call_end(&c, RUN_LATER);
		return -EAGAIN;
	}
	/* As the kernel: an entry whose data cannot be written is gone. */
	if (user_iov_writable(msg->msg_iov, msg->msg_iovlen, first->bytes) <
		    iov_bytes(msg->msg_iov, msg->msg_iovlen, first->bytes) ||
	    (name && !user_can_write(msg->msg_name, name))) {
		stack_err_take(c.sr->st, call_sk(&c), NULL, 0, &e);
		call_end(&c, RUN_LATER);
		return -EFAULT;
	}
	stack_recv_notes(call_sk(&c), &notes);
	if (first->stats)
		stack_err_data(call_sk(&c), stats, sizeof(stats));
	r = stack_err_take(c.sr->st, call_sk(&c), msg->msg_iov, (int)msg->msg_iovlen, &e);
	call_end(&c, RUN_LATER);
	msg->msg_flags = (flags & MSG_CMSG_CLOEXEC) | MSG_ERRQUEUE;
	if ((uint32_t)r < e.bytes)
		msg->msg_flags |= MSG_TRUNC;
	err_tell(o, msg, &e, &notes, stats);
	return r;
}
