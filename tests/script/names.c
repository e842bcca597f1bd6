/* SPDX-License-Identifier: BSD-2-Clause */
/* Names that scripts use, and what they stand for. A name more is a row more. */
#include <errno.h>
#include <time.h> /* before: */
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "script.h"
#include "stack/tcp/info_all.h"

#ifndef IP_RECVERR_RFC4884
#define IP_RECVERR_RFC4884 26
#endif
#ifndef IPV6_RECVERR_RFC4884
#define IPV6_RECVERR_RFC4884 31
#endif
#ifndef TCP_INQ
#define TCP_INQ 36
#endif

static const struct name_value errnos[] = {
#define E(n)             \
	{                \
#n, 0, n \
	}
	E(EAGAIN),    E(EPIPE),           E(ECONNRESET),    E(ECONNREFUSED), E(ECONNABORTED),
	E(ETIMEDOUT), E(EINPROGRESS),     E(EALREADY),      E(EISCONN),      E(ENOTCONN),
	E(EINVAL),    E(EADDRINUSE),      E(EADDRNOTAVAIL), E(EHOSTUNREACH), E(ENETUNREACH),
	E(EMSGSIZE),  E(ENOPROTOOPT),     E(EOPNOTSUPP),    E(EDESTADDRREQ), E(ENOBUFS),
	E(ENOMEM),    E(EACCES),          E(EPERM),         E(EPROTO),       E(EBADF),
	E(ENOENT),    E(EPROTONOSUPPORT),
#undef E
	{NULL, 0, 0},
};

#define O(l, n)          \
	{                \
#n, l, n \
	}
const struct name_value sockopt_names[] = {
	O(SOL_SOCKET, SO_ERROR),
	O(SOL_SOCKET, SO_REUSEADDR),
	O(SOL_SOCKET, SO_REUSEPORT),
	O(SOL_SOCKET, SO_KEEPALIVE),
	O(SOL_SOCKET, SO_RCVBUF),
	O(SOL_SOCKET, SO_SNDBUF),
	O(SOL_SOCKET, SO_RCVLOWAT),
	O(SOL_SOCKET, SO_LINGER),
	O(SOL_SOCKET, SO_OOBINLINE),
	O(SOL_SOCKET, SO_TYPE),
	O(SOL_SOCKET, SO_TIMESTAMPING),
	O(SOL_SOCKET, SO_ACCEPTCONN),
	O(SOL_SOCKET, SO_MAX_PACING_RATE),
	O(IPPROTO_TCP, TCP_NODELAY),
	O(IPPROTO_TCP, TCP_CORK),
	O(IPPROTO_TCP, TCP_MAXSEG),
	O(IPPROTO_TCP, TCP_KEEPIDLE),
	O(IPPROTO_TCP, TCP_KEEPINTVL),
	O(IPPROTO_TCP, TCP_KEEPCNT),
	O(IPPROTO_TCP, TCP_SYNCNT),
	O(IPPROTO_TCP, TCP_LINGER2),
	O(IPPROTO_TCP, TCP_DEFER_ACCEPT),
	O(IPPROTO_TCP, TCP_WINDOW_CLAMP),
	O(IPPROTO_TCP, TCP_QUICKACK),
	O(IPPROTO_TCP, TCP_CONGESTION),
	O(IPPROTO_TCP, TCP_USER_TIMEOUT),
	O(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
	O(IPPROTO_TCP, TCP_FASTOPEN),
	O(IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
	O(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE),
	O(IPPROTO_TCP, TCP_INQ),
	O(IPPROTO_IP, IP_TOS),
	O(IPPROTO_IP, IP_TTL),
	O(IPPROTO_IP, IP_MINTTL),
	O(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS),
	O(IPPROTO_TCP, TCP_THIN_DUPACK),
	O(IPPROTO_IP, IP_MTU),
	O(IPPROTO_IP, IP_MTU_DISCOVER),
	O(IPPROTO_IP, IP_RECVERR),
	O(IPPROTO_IP, IP_RECVERR_RFC4884),
	O(IPPROTO_IPV6, IPV6_TCLASS),
	O(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
	O(IPPROTO_IPV6, IPV6_MTU),
	O(IPPROTO_IPV6, IPV6_RECVERR),
	O(IPPROTO_IPV6, IPV6_RECVERR_RFC4884),
	O(SOL_SOCKET, SO_SELECT_ERR_QUEUE),
	O(IPPROTO_UDP, UDP_SEGMENT),
	{NULL, 0, 0},
};

const struct name_value msg_names[] = {
	O(0, MSG_PEEK),  O(0, MSG_OOB),      O(0, MSG_MORE),     O(0, MSG_WAITALL),
	O(0, MSG_TRUNC), O(0, MSG_DONTWAIT), O(0, MSG_FASTOPEN), O(0, MSG_NOSIGNAL),
	O(0, MSG_EOR),   {NULL, 0, 0},
};

const struct name_value ioctl_names[] = {
	O(0, SIOCINQ), O(0, SIOCOUTQ), O(0, SIOCOUTQNSD), O(0, SIOCATMARK), {NULL, 0, 0},
};
#undef O

const struct name_value ready_names[] = {
	{"IN", 0, POLLIN},   {"PRI", 0, POLLPRI},     {"OUT", 0, POLLOUT}, {"ERR", 0, POLLERR},
	{"HUP", 0, POLLHUP}, {"RDHUP", 0, POLLRDHUP}, {NULL, 0, 0},
};

/* The values of tcpi_state. */
const struct name_value state_names[] = {
	{"ESTABLISHED", 0, 1}, {"SYN-SENT", 0, 2},  {"SYN-RECEIVED", 0, 3}, {"FIN-WAIT-1", 0, 4},
	{"FIN-WAIT-2", 0, 5},  {"TIME-WAIT", 0, 6}, {"CLOSED", 0, 7},       {"CLOSE-WAIT", 0, 8},
	{"LAST-ACK", 0, 9},    {"LISTEN", 0, 10},   {"CLOSING", 0, 11},     {NULL, 0, 0},
};

const struct name_value *name_find(const struct name_value *t, const char *name)
{
	for (; t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

const char *name_of(const struct name_value *t, int value)
{
	for (; t->name; t++)
		if (t->value == value)
			return t->name;
	return NULL;
}

const char *errno_name(int err)
{
	const char *n = name_of(errnos, err);

	return n ? n : strerror(err);
}

int errno_of(const char *name)
{
	const struct name_value *v = name_find(errnos, name);

	return v ? v->value : -1;
}

void err_text(char *buf, size_t size, const struct sock_extended_err *e, uint32_t len)
{
	static const char *const stamps[] = {"sent", "queued", "acked", "completed"};

	if (e->ee_origin == SO_EE_ORIGIN_ICMP || e->ee_origin == SO_EE_ORIGIN_ICMP6)
		snprintf(buf, size, "icmp %u/%u %s info %u len %u%s%.0u%s", e->ee_type, e->ee_code,
			 errno_name((int)e->ee_errno), e->ee_info, len, e->ee_data ? " ext " : "",
			 e->ee_data & 0xffff, e->ee_data >> 16 ? " invalid" : "");
	else if (e->ee_origin == SO_EE_ORIGIN_TIMESTAMPING && e->ee_info < 4)
		snprintf(buf, size, "%s %u", stamps[e->ee_info], e->ee_data);
	else
		snprintf(buf, size, "origin %u code %u info %u data %u", e->ee_origin, e->ee_code,
			 e->ee_info, e->ee_data);
}

#define F(n)                                                                                      \
	{                                                                                         \
#n, offsetof(struct tcp_info, tcpi_##n), sizeof(((struct tcp_info *)0)->tcpi_##n) \
	}
#define L(n)                                                                                \
	{                                                                                   \
#n, offsetof(struct tcp_info_all, n), sizeof(((struct tcp_info_all *)0)->n) \
	}
const struct info_field info_fields[] = {
	F(state),
	F(ca_state),
	F(retransmits),
	F(probes),
	F(backoff),
	F(options),
	{"fastopen_client_fail", 0, 0}, /* bits, which have no address */
	F(rto),
	F(ato),
	F(snd_mss),
	F(rcv_mss),
	F(unacked),
	F(sacked),
	F(lost),
	F(retrans),
	F(last_data_sent),
	F(last_data_recv),
	F(last_ack_recv),
	F(pmtu),
	F(rtt),
	F(rttvar),
	F(snd_ssthresh),
	F(snd_cwnd),
	F(advmss),
	F(reordering),
	F(rcv_space),
	F(total_retrans),
	F(pacing_rate),
	F(bytes_acked),
	F(bytes_received),
	F(segs_out),
	F(segs_in),
	F(notsent_bytes),
	F(min_rtt),
	F(data_segs_in),
	F(data_segs_out),
	F(delivery_rate),
	F(delivered),
	F(delivered_ce),
	F(bytes_sent),
	F(bytes_retrans),
	F(dsack_dups),
	F(reord_seen),
	F(rcv_ooopack),
	F(rcv_ssthresh),
	F(rcv_rtt),
	F(busy_time),
	F(rwnd_limited),
	F(sndbuf_limited),
	F(snd_wnd),
	L(rcv_wnd),
	L(rehash),
	L(total_rto),
	L(total_rto_recoveries),
	L(total_rto_time_ms),
	{NULL, 0, 0},
};
#undef F
#undef L

int info_find(const char *name)
{
	for (int i = 0; info_fields[i].name; i++)
		if (!strcmp(info_fields[i].name, name))
			return i;
	return -1;
}

int64_t info_get(const struct tcp_info_all *ti, int field)
{
	const struct info_field *f = &info_fields[field];
	uint64_t v = 0;

	if (f->bytes == 0)
		return ti->ti.tcpi_fastopen_client_fail;
	memcpy(&v, (const char *)ti + f->off, f->bytes); /* little endian, as all that we run on */
	return (int64_t)v;
}

const struct icmp_kind icmp_kinds[] = {
	{"net-unreachable", 3, 0, 1, 0},    {"host-unreachable", 3, 1, 1, 3},
	{"proto-unreachable", 3, 2, 4, 1},  {"port-unreachable", 3, 3, 1, 4},
	{"frag-needed", 3, 4, 2, 0},        {"source-route-failed", 3, 5, -1, -1},
	{"admin-prohibited", 3, 13, 1, 1},  {"source-quench", 4, 0, -1, -1},
	{"ttl-exceeded", 11, 0, 3, 0},      {"reassembly-timeout", 11, 1, 3, 1},
	{"parameter-problem", 12, 0, 4, 0}, {NULL, 0, 0, 0, 0},
};

int icmp_find(const char *name)
{
	for (int i = 0; icmp_kinds[i].name; i++)
		if (!strcmp(icmp_kinds[i].name, name))
			return i;
	return -1;
}
