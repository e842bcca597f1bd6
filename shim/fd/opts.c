/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options, and ioctl. It decides for each option who answers: the stack for what it has, this file
 * for time limits, the kernel's shadow for the rest. What was set before a socket came to the stack
 * is remembered by name and read back from the shadow, so that the kernel's own rounding and
 * doubling apply.
 *
 * It must never answer success for an option that then has no effect: what only the kernel can do
 * keeps the socket in the kernel when it is set in time, and is refused, as by a kernel without
 * it, when it comes too late.
 */
#include "sock_int.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "shim/proc/user.h"

/* libc leaves these to the kernel's header, which cannot be had beside its own */
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#define IPV6_FLOWLABEL_MGR 32
#define IPV6_FLOWINFO_SEND 33
#endif
/* With 64-bit time both forms of the time limits are laid out alike. */
#ifndef SO_RCVTIMEO_NEW
#define SO_RCVTIMEO_NEW 66
#define SO_SNDTIMEO_NEW 67
#endif
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif
#ifndef TCP_TX_DELAY
#define TCP_TX_DELAY 37
#endif
#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif
#ifndef TCP_INQ
#define TCP_INQ 36
#endif

/* ---- options that a socket brings along ----------------------------------------------------- */

#define FIELD(f) offsetof(struct sock_opts, f), sizeof(((struct sock_opts *)0)->f)

/* Integers; the bit in ofd.opts_set is the index. */
static const struct {
	int level, name;
	size_t off, bytes;
} imported[] = {
	{SOL_SOCKET, SO_RCVBUF, FIELD(rcvbuf)},
	{SOL_SOCKET, SO_SNDBUF, FIELD(sndbuf)},
	{SOL_SOCKET, SO_REUSEADDR, FIELD(reuseaddr)},
	{SOL_SOCKET, SO_REUSEPORT, FIELD(reuseport)},
	{SOL_SOCKET, SO_KEEPALIVE, FIELD(keepalive)},
	{SOL_SOCKET, SO_RCVLOWAT, FIELD(rcvlowat)},
	{SOL_SOCKET, SO_OOBINLINE, FIELD(oobinline)},
	{IPPROTO_TCP, TCP_NODELAY, FIELD(nodelay)},
	{IPPROTO_TCP, TCP_CORK, FIELD(cork)},
	{IPPROTO_TCP, TCP_QUICKACK, FIELD(quickack)},
	{IPPROTO_TCP, TCP_KEEPIDLE, FIELD(keepidle_s)},
	{IPPROTO_TCP, TCP_KEEPINTVL, FIELD(keepintvl_s)},
	{IPPROTO_TCP, TCP_KEEPCNT, FIELD(keepcnt)},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, FIELD(user_timeout_ms)},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT, FIELD(notsent_lowat)},
	{IPPROTO_TCP, TCP_MAXSEG, FIELD(maxseg)},
	{IPPROTO_TCP, TCP_SYNCNT, FIELD(syn_retries)},
	{IPPROTO_TCP, TCP_LINGER2, FIELD(linger2_s)},
	{IPPROTO_TCP, TCP_DEFER_ACCEPT, FIELD(defer_accept_s)},
	{IPPROTO_TCP, TCP_FASTOPEN, FIELD(fastopen_qlen)},
	{IPPROTO_TCP, TCP_FASTOPEN_CONNECT, FIELD(fastopen)},
	{IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, FIELD(fastopen_no_cookie)},
	{IPPROTO_IP, IP_TOS, FIELD(tos)},
	{IPPROTO_IP, IP_TTL, FIELD(ttl)},
	{IPPROTO_IP, IP_MINTTL, FIELD(minttl)},
	{IPPROTO_IPV6, IPV6_MINHOPCOUNT, FIELD(minhops)},
	{IPPROTO_TCP, TCP_WINDOW_CLAMP, FIELD(window_clamp)},
	{IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, FIELD(thin_linear)},
	{IPPROTO_TCP, TCP_INQ, FIELD(inq)},
	{IPPROTO_TCP, TCP_SAVE_SYN, FIELD(save_syn)},
	{IPPROTO_IP, IP_MTU_DISCOVER, FIELD(pmtudisc)},
	{IPPROTO_IPV6, IPV6_TCLASS, FIELD(tclass)},
	{IPPROTO_IPV6, IPV6_UNICAST_HOPS, FIELD(hops)},
	{IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, FIELD(autoflowlabel)},
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER, FIELD(pmtudisc6)},
};

/* Bits beyond the table. */
#define OPT_STAMPS 59
#define OPT_KEPT 60
#define OPT_PACING 61
#define OPT_LINGER 62
#define OPT_CONGESTION 63
#define OPT_BIT(i) (1ull << (i))
_Static_assert(ARRAY_SIZE(imported) <= OPT_STAMPS, "a bit each");

static const char *const cc_names[CC_ALGOS] = {
	[CC_RENO] = "reno", [CC_CUBIC] = "cubic", [CC_BBR] = "bbr"};

static void field_set(struct sock_opts *out, size_t off, size_t bytes, int val)
{
	char *p = (char *)out + off;

	if (bytes == 1)
		*(uint8_t *)p = (uint8_t)val;
	else if (bytes == 2)
		*(uint16_t *)p = (uint16_t)val;
	else
		*(uint32_t *)p = (uint32_t)val;
}

/* The keys of a listener's cookies: its own, or the namespace's, which the kernel tells anybody who
 * asks this way. */
static void import_fastopen_key(int fd, struct fastopen_keys *out)
{
	uint8_t b[sizeof(out->k)];
	socklen_t len = sizeof(b);

	if (sys_getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, b, &len) < 0)
		return;
	out->n = (uint8_t)(len / sizeof(out->k[0]));
	for (socklen_t i = 0; i < out->n * sizeof(out->k[0]); i++)
		out->k[i / 16][i / 8 % 2] |= (uint64_t)b[i] << i % 8 * 8;
}

static void import_kept(int fd, struct sock_opts *out)
{
	int level, name, val;
	socklen_t len;

	for (unsigned i = 0; sock_kept(i, &level, &name); i++) {
		len = sizeof(val);
		if (sys_getsockopt(fd, level, name, &val, &len) == 0)
			sock_kept_put(out, i, val != 0);
	}
}

static int import_flag(int fd, int name)
{
	int v = 0;
	socklen_t len = sizeof(v);

	return sys_getsockopt(fd, SOL_SOCKET, name, &v, &len) == 0 ? v : 0;
}

static void import_stamps(int fd, struct sock_opts *out)
{
	bool us = import_flag(fd, SO_TIMESTAMP), us_new = import_flag(fd, SO_TIMESTAMP_NEW);
	bool ns = import_flag(fd, SO_TIMESTAMPNS), ns_new = import_flag(fd, SO_TIMESTAMPNS_NEW);

	out->stamping = (uint32_t)import_flag(fd, SO_TIMESTAMPING);
	out->stamp = (us || us_new || ns || ns_new ? STAMP_ON : 0) | (ns || ns_new ? STAMP_NS : 0) |
		     (us_new || ns_new || import_flag(fd, SO_TIMESTAMPING_NEW) ? STAMP_NEW : 0);
}

static bool is_stamp(int level, int name)
{
	return level == SOL_SOCKET && (name == SO_TIMESTAMP || name == SO_TIMESTAMP_NEW ||
				       name == SO_TIMESTAMPNS || name == SO_TIMESTAMPNS_NEW ||
				       name == SO_TIMESTAMPING || name == SO_TIMESTAMPING_NEW);
}

static bool is_kept(int level, int name)
{
	int l, n;

	for (unsigned i = 0; sock_kept(i, &l, &n); i++)
		if (l == level && n == name)
			return true;
	return false;
}

void opts_import(int fd, struct ofd *o, struct sock_opts *out)
{
	struct linger lg;
	uint64_t rate;
	char cc[16] = "";
	socklen_t len;
	int val;

	sock_opts_default(out);
	out->v6 = o->family == AF_INET6;
	out->v6only = o->v6only;
	for (unsigned i = 0; i < ARRAY_SIZE(imported); i++) {
		if (!(o->opts_set & OPT_BIT(i)))
			continue;
		len = sizeof(val);
		if (sys_getsockopt(fd, imported[i].level, imported[i].name, &val, &len) == 0)
			field_set(out, imported[i].off, imported[i].bytes, val);
	}
	o->rcvlowat = out->rcvlowat;
	if (o->opts_set & OPT_BIT(OPT_KEPT))
		import_kept(fd, out);
	if (o->opts_set & OPT_BIT(OPT_STAMPS))
		import_stamps(fd, out);
	if (out->fastopen_qlen)
		import_fastopen_key(fd, &out->fastopen_key);
	len = sizeof(lg);
	if (o->opts_set & OPT_BIT(OPT_LINGER) &&
	    sys_getsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, &len) == 0 && lg.l_onoff)
		out->linger_s = lg.l_linger > INT16_MAX ? INT16_MAX : (int16_t)lg.l_linger;
	len = sizeof(rate);
	if (o->opts_set & OPT_BIT(OPT_PACING) &&
	    sys_getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len) == 0 &&
	    len == sizeof(rate))
		out->max_pacing_rate = rate;
	len = sizeof(cc) - 1;
	if (o->opts_set & OPT_BIT(OPT_CONGESTION) &&
	    sys_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, cc, &len) == 0) {
		for (int i = 0; i < CC_ALGOS; i++)
			if (!strcmp(cc, cc_names[i]))
				out->cc = (int8_t)i;
	}
}

static uint64_t timeo_ns(const struct timeval *tv)
{
	if (tv->tv_sec < 0)
		return 1; /* Linux: in the past, so that every wait ends at once */
	return (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;
}

void opts_import_timeouts(int fd, struct ofd *o)
{
	struct timeval tv;
	socklen_t len = sizeof(tv);

	if (sys_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) == 0)
		o->rcvtimeo_ns = timeo_ns(&tv);
	len = sizeof(tv);
	if (sys_getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len) == 0)
		o->sndtimeo_ns = timeo_ns(&tv);
}

/* ---- options that only the kernel serves ---------------------------------------------------- */

/* err: what a connection of the stack says to it; 0: it goes to the shadow. */
static const struct {
	int level, name, err;
} kernel_only[] = {
	{SOL_SOCKET, SO_ATTACH_FILTER, EPERM},
	{SOL_SOCKET, SO_ATTACH_BPF, EPERM},
	{SOL_SOCKET, SO_BINDTODEVICE, EPERM},
	{SOL_SOCKET, SO_MARK, EPERM},
	{SOL_SOCKET, SO_TXTIME, EINVAL},
	{IPPROTO_TCP, TCP_MD5SIG, ENOPROTOOPT},
	{IPPROTO_TCP, TCP_REPAIR, EPERM},
	{IPPROTO_TCP, TCP_TX_DELAY, ENOPROTOOPT},
	{IPPROTO_TCP, TCP_ULP, ENOENT},
	{IPPROTO_IP, IP_TRANSPARENT, EPERM},
	{IPPROTO_IP, IP_OPTIONS, EINVAL},
	{IPPROTO_IPV6, IPV6_ADDRFORM, EBUSY},
	{IPPROTO_IPV6, IPV6_TRANSPARENT, EPERM},
	{IPPROTO_IPV6, IPV6_HOPOPTS, EPERM},
	{IPPROTO_IPV6, IPV6_DSTOPTS, EPERM},
	{IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, EPERM},
	{IPPROTO_IPV6, IPV6_RTHDR, EINVAL},
	{IPPROTO_IPV6, IPV6_PKTINFO, EINVAL},
	{IPPROTO_IPV6, IPV6_UNICAST_IF, EINVAL},
	{IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, EINVAL},
	{IPPROTO_IPV6, IPV6_FLOWINFO_SEND, EINVAL},
	{IPPROTO_IPV6, IPV6_MTU, 0},
};

static int kernel_only_find(int level, int name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kernel_only); i++)
		if (kernel_only[i].level == level && kernel_only[i].name == name)
			return (int)i;
	return -1;
}

/* Does val switch something on? A number, or for a name or a structure any byte. */
static bool val_on(const void *val, socklen_t len)
{
	const uint8_t *p = val;

	for (socklen_t i = 0; p && i < len && i < 64; i++)
		if (p[i])
			return true;
	return false;
}

static bool cc_ours(const char *name, socklen_t len)
{
	for (int i = 0; name && i < CC_ALGOS; i++)
		if (strlen(cc_names[i]) <= len && !strncmp(name, cc_names[i], len))
			return true;
	return false;
}

/* What the kernel says to a process like this one that wants an algorithm: who has no
 * CAP_NET_ADMIN may have those of tcp_allowed_congestion_control alone. */
static int cc_permitted(const struct ofd *o, const void *val, socklen_t len)
{
	int s = sys_socket(o->family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (s < 0)
		return s;
	r = sys_setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, val, len);
	sys_close(s);
	return r;
}

/* The kernel has taken an option: what it means for the socket's life here. */
static void opts_note(int fd, struct ofd *o, int level, int name, const void *val, socklen_t len)
{
	bool on = val_on(val, len);

	if (o->socktype == SOCK_DGRAM)
		udp_opt_note(fd, o, level, name, val, len);
	else if (on && kernel_only_find(level, name) >= 0)
		o->kernel_only = 1;
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		o->v6only = on;
	if (level == SOL_SOCKET && name == SO_LINGER)
		o->opts_set |= OPT_BIT(OPT_LINGER);
	if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE)
		o->opts_set |= OPT_BIT(OPT_PACING);
	if (is_stamp(level, name))
		o->opts_set |= OPT_BIT(OPT_STAMPS);
	if (is_kept(level, name))
		o->opts_set |= OPT_BIT(OPT_KEPT);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
		o->opts_set |= OPT_BIT(OPT_CONGESTION);
		if (!cc_ours(val, len)) /* only the kernel has it */
			o->kernel_only = 1;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(imported); i++)
		if (imported[i].level == level && imported[i].name == name)
			o->opts_set |= OPT_BIT(i);
}

/* ---- setsockopt ----------------------------------------------------------------------------- */

static uint64_t *timeo_field(struct ofd *o, int level, int name)
{
	if (level != SOL_SOCKET)
		return NULL;
	if (name == SO_RCVTIMEO || name == SO_RCVTIMEO_NEW)
		return &o->rcvtimeo_ns;
	if (name == SO_SNDTIMEO || name == SO_SNDTIMEO_NEW)
		return &o->sndtimeo_ns;
	return NULL;
}

static int timeo_set(uint64_t *field, const void *val, socklen_t len)
{
	struct timeval tv;

	if (len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, val, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	*field = timeo_ns(&tv);
	return 0;
}

static int opt_set_stack(int fd, struct ofd *o, int level, int name, const void *val, socklen_t len)
{
	struct call c;
	uint32_t size = sizeof(o->rcvlowat);
	int r;

	r = call_begin(&c, fd, o, o->nonblock, 0);
	if (r < 0)
		return r;
	r = stack_setopt(c.sr->st, call_sk(&c), level, name, val, len, now_ns());
	if (r == 0 && unlikely(o->parts) && call_sk(&c)->type == STK_LISTENER)
		parts_setopt(o, level, name, val, len);
	if (r == 0 && level == SOL_SOCKET && name == SO_RCVLOWAT)
		stack_getopt(c.sr->st, call_sk(&c), level, name, &o->rcvlowat, &size, now_ns());
	call_end(&c, c.nonblock ? RUN_LATER : RUN_KICK);
	return r;
}

int sock_setsockopt(int fd, struct ofd *o, int level, int name, const void *val, socklen_t len)
{
	uint64_t *timeo = timeo_field(o, level, name);
	struct sock *sk = o->sk;
	int r, only;

	if (!sk) {
		r = sys_setsockopt(fd, level, name, val, len);
		if (r == 0)
			opts_note(fd, o, level, name, val, len);
		return r;
	}
	if (!val && len)
		return -EFAULT;
	if ((int)len < 0)
		return -EINVAL;
	if (timeo) {
		if (!o->borrowed)
			sys_setsockopt(fd, level, name, val, len);
		return timeo_set(timeo, val, len);
	}
	if (sk->type == STK_UDP)
		return udp_setsockopt(fd, o, level, name, val, len);
	only = kernel_only_find(level, name);
	if (only >= 0 && kernel_only[only].err && val_on(val, len))
		return -kernel_only[only].err;
	r = level == IPPROTO_TCP && name == TCP_CONGESTION ? cc_permitted(o, val, len) : 0;
	if (r == 0)
		r = opt_set_stack(fd, o, level, name, val, len);
	if (r == 0 && o->two_doors)
		sys_setsockopt(fd, level, name, val, len);
	if (r != -ENOPROTOOPT)
		return r;
	r = sock_own_shadow(fd, o);
	return r < 0 ? r : sys_setsockopt(fd, level, name, val, len);
}

/* ---- getsockopt ----------------------------------------------------------------------------- */

/* Hands out n bytes, cut to *len. */
static int opt_give(void *val, socklen_t *len, const void *from, size_t n)
{
	if (*len > n)
		*len = (socklen_t)n;
	memcpy(val, from, *len);
	return 0;
}

static int opt_get_stack(int fd, struct ofd *o, int level, int name, void *val, socklen_t *len)
{
	struct tcp_info ti;
	struct call c;
	uint32_t n = *len;
	int r;

	r = call_begin(&c, fd, o, true, 0);
	if (r < 0)
		return r;
	r = stack_getopt(c.sr->st, call_sk(&c), level, name, val, &n, now_ns());
	if (r == 0 || (r == -EINVAL && level == IPPROTO_TCP && name == TCP_SAVED_SYN)) {
		*len = n;
	} else if (r == -ENOPROTOOPT && level == IPPROTO_TCP && name == TCP_INFO &&
		   call_sk(&c)->type != STK_UDP) {
		memset(&ti, 0, sizeof(ti));
		stack_tcp_info(c.sr->st, call_sk(&c), &ti, now_ns());
		r = opt_give(val, len, &ti, sizeof(ti));
	}
	call_end(&c, RUN_LATER);
	return r;
}

int opts_linger(struct ofd *o)
{
	struct linger lg = {0, 0};
	uint32_t len = sizeof(lg);

	if (stack_getopt(o->sr->st, o->sk, SOL_SOCKET, SO_LINGER, &lg, &len, now_ns()) < 0)
		return -1;
	return lg.l_onoff ? lg.l_linger : -1;
}

static int opt_get_shadow(int fd, struct ofd *o, int level, int name, void *val, socklen_t *len)
{
	unsigned cpu = 0;
	int r;

	if (level == SOL_SOCKET && name == SO_INCOMING_CPU) {
		sys_call(SYS_getcpu, &cpu, NULL, NULL);
		return opt_give(val, len, &cpu, sizeof(cpu));
	}
	if (level == SOL_SOCKET && name == SO_COOKIE) {
		r = sock_own_shadow(fd, o); /* the placeholder's would be everybody's */
		if (r < 0)
			return r;
	}
	return sys_getsockopt(fd, level, name, val, len);
}

int sock_getsockopt(int fd, struct ofd *o, int level, int name, void *val, socklen_t *len)
{
	uint64_t *timeo = timeo_field(o, level, name);
	bool is_error = level == SOL_SOCKET && name == SO_ERROR;
	struct sock *sk = o->sk;
	struct timeval tv;
	int r;

	if (!sk)
		return sys_getsockopt(fd, level, name, val, len);
	if (!len || (!val && *len))
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	if (unlikely(o->stopped) && level == SOL_SOCKET && name == SO_ACCEPTCONN)
		return sys_getsockopt(fd, level, name, val, len);
	if (timeo) {
		tv.tv_sec = (time_t)(*timeo / 1000000000u);
		tv.tv_usec = (suseconds_t)(*timeo % 1000000000u / 1000u);
		return opt_give(val, len, &tv, sizeof(tv));
	}
	if (is_error || (level == IPPROTO_TCP && name == TCP_INFO))
		sock_settle(o->sr);
	if (sk->type == STK_UDP)
		return udp_getsockopt(fd, o, level, name, val, len);
	r = opt_get_stack(fd, o, level, name, val, len);
	if (r == -ENOPROTOOPT)
		return opt_get_shadow(fd, o, level, name, val, len);
	if (r == 0 && is_error && o->two_doors && *len == sizeof(int) && !*(int *)val)
		return sys_getsockopt(fd, level, name, val, len);
	return r;
}

/* ---- ioctl ---------------------------------------------------------------------------------- */

/* The size of the next datagram, at either door. */
static int udp_inq(int fd, struct sock *sk)
{
	int n = (int)stack_inq(sk);

	if (!n && sys_ioctl(fd, FIONREAD, &n) < 0)
		n = 0;
	return n;
}

static int sock_ioctl_queue(int fd, struct ofd *o, unsigned long req, int *out)
{
	struct sock *sk;
	struct call c;
	int r;

	sock_settle(o->sr);
	r = call_begin(&c, fd, o, true, 0);
	if (r < 0)
		return r;
	sk = call_sk(&c);
	if (o->stopped || (sk->type == STK_UDP && req == SIOCATMARK))
		r = sys_ioctl(fd, req, out);
	else if (sk->type == STK_LISTENER && req == SIOCATMARK)
		*out = 0;
	else if (sk->type == STK_LISTENER)
		r = -EINVAL;
	else if (req == FIONREAD)
		*out = sk->type == STK_UDP ? udp_inq(fd, sk) : (int)stack_inq(sk);
	else if (req == SIOCATMARK)
		*out = stack_at_mark(sk);
	else if (sk->type == STK_UDP)
		r = sys_ioctl(fd, req, out);
	else
		*out = (int)(req == SIOCOUTQ ? stack_outq(sk) : stack_outq_notsent(sk));
	call_end(&c, RUN_LATER);
	return r;
}

int sock_ioctl(int fd, struct ofd *o, unsigned long req, void *arg)
{
	int r;

	switch (req) {
	case FIONBIO:
		if (!user_can_read(arg, sizeof(int)))
			return -EFAULT;
		atomic_store_explicit(&o->nonblock, !!*(int *)arg, memory_order_relaxed);
		return o->borrowed || o->two_doors ? 0 : sys_ioctl(fd, req, arg);
	case FIONREAD:
	case SIOCOUTQ:
	case SIOCOUTQNSD:
	case SIOCATMARK:
		return user_can_write(arg, sizeof(int)) ? sock_ioctl_queue(fd, o, req, arg)
							: -EFAULT;
	case FIOCLEX:
	case FIONCLEX:
		return sys_ioctl(fd, req, arg);
	default:
		/* What changes the kernel's socket must not change everybody's placeholder. */
		r = sock_own_shadow(fd, o);
		if (r == 0)
			r = sys_ioctl(fd, req, arg);
		if (r == 0 && (req == FIOSETOWN || req == SIOCSPGRP || req == FIOASYNC))
			owner_import(fd, o);
		return r;
	}
}
