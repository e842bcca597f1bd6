/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP with two doors. Datagrams come from the stack, and from the kernel's shadow, which gets what
 * the kernel put together from fragments and what came over other interfaces. They go out through
 * the stack where the route is one of our devices, and through the shadow otherwise: broadcast and
 * multicast, datagrams that need fragments, ancillary data that the stack does not know. Shadow and
 * stack socket are bound and connected alike, so either way the peer sees the same sender.
 *
 * It decides the door for each datagram. It must never sleep in the kernel's receive, and never
 * drop a datagram because one door could not take it.
 *
 * RFC 768, RFC 1122 4.1.
 */
#include "sock_int.h"

#include <time.h>

/* How long an answer about the route of a destination is believed. */
#define UDP_ROUTE_NS 50000000ull

/* ---- coming to the stack -------------------------------------------------------------------- */

/* Opens o at its bound address. sr->lock held. */
static enum verdict udp_open(int fd, struct ofd *o, struct stackrec *sr)
{
	struct sock_opts opts;
	struct sock *sk;
	int r;

	if (!dev_serves(sr, &o->bound.addr) && !(knobs.loopback && ip_addr_is_any(&o->bound.addr)))
		return ip_addr_is_loopback(&o->bound.addr) ? VERDICT_loopback : VERDICT_other_iface;
	opts_import(fd, o, &opts);
	if (opts.reuseport)
		return VERDICT_option; /* the kernel spreads datagrams over such sockets */
	r = stack_udp_open(sr->st, &o->bound, &opts, &sk);
	if (r < 0)
		return r == -EADDRINUSE ? VERDICT_port_busy : VERDICT_no_memory;
	if (!ip_addr_is_loopback(&o->bound.addr)) {
		r = ofd_claim(sr, o);
		if (r < 0) {
			stack_close(sr->st, sk, now_ns());
			return r == -EEXIST ? VERDICT_port_busy : VERDICT_no_memory;
		}
	}
	sock_adopt(fd, o, sr, sk, true);
	return VERDICT_stack;
}

static void udp_try(int fd, struct ofd *o)
{
	enum verdict why;
	struct stackrec *sr = NULL;

	if (ip_is_multicast(&o->bound.addr) || ip_is_broadcast(&o->bound.addr))
		why = VERDICT_other_iface;
	else
		sr = sock_stack_for(o, &o->bound.addr, true, &why);
	if (sr) {
		run_enter(sr);
		why = o->sk ? VERDICT_stack : udp_open(fd, o, sr);
		run_leave(sr, RUN_LATER);
		if (why == VERDICT_stack)
			helper_ensure(sr);
	}
	ofd_set_verdict(o, fd, why);
}

/* Called when the shadow is bound, with o->bound set. asked_port: bind() named it. */
void udp_accelerate(int fd, struct ofd *o, bool asked_port)
{
	/* A port that the kernel chose is a client's: a resolver, say, that binds before it
	 * asks. */
	if (!asked_port && !iface_named() && !knobs.loopback) {
		ofd_set_verdict(o, fd, VERDICT_client);
		return;
	}
	udp_try(fd, o);
}

/* After the shadow's connect: the stack socket follows, at the address that the kernel chose. */
static void udp_follow(int fd, struct ofd *o, const struct endpoint *remote)
{
	struct endpoint local;
	struct stackrec *sr = o->sr;

	if (shadow_name(fd, &local) < 0)
		return;
	run_enter(sr);
	o->route.to.port = 0;
	o->conn = remote ? OFD_CONNECTED : OFD_UNCONNECTED;
	if (o->sk)
		stack_udp_connect(sr->st, o->sk, &local, remote);
	run_leave(sr, RUN_LATER);
}

int udp_connect(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len)
{
	struct endpoint remote;
	int r = sys_connect(fd, addr, len);

	if (r < 0)
		return r;
	if (addr->sa_family == AF_UNSPEC) {
		if (o->sk)
			udp_follow(fd, o, NULL);
		return 0;
	}
	if (sockaddr_get(o, addr, len, &remote) < 0)
		return 0;
	if (!o->sk && !o->bound.port && (iface_named() || knobs.loopback) &&
	    shadow_name(fd, &o->bound) == 0)
		udp_try(fd, o);
	sockaddr_reaches(o, &remote.addr); /* as the kernel has connected it */
	if (o->sk)
		udp_follow(fd, o, &remote);
	return 0;
}

/* ---- out ------------------------------------------------------------------------------------ */

static ssize_t udp_send_shadow(int fd, struct ofd *o, const struct msghdr *msg, int flags)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	ssize_t r;

	if (o->corked != UDP_CORKED)
		o->corked = flags & MSG_MORE ? UDP_CORK_ONCE : 0;
	for (;;) {
		r = sys_sendmsg(fd, msg, flags);
		if (r != -EAGAIN || ofd_nonblock(o, flags))
			return r;
		r = sys_ppoll(&p, 1, NULL, NULL);
		if (r < 0)
			return r;
	}
}

/* Where datagrams to this destination go, and from where; sr->lock held. */
static const struct ofd_route *udp_route(struct stackrec *sr, struct ofd *o, const struct sock *sk,
					 const struct endpoint *to)
{
	struct ofd_route *rt = &o->route;
	uint64_t now = now_ns();
	int dev;

	if (rt->to.port == to->port && ip_addr_eq(&rt->to.addr, &to->addr) && now < rt->until_ns)
		return rt;
	rt->to = *to;
	rt->until_ns = now + UDP_ROUTE_NS;
	rt->shadow = ip_is_multicast(&to->addr) || ip_is_broadcast(&to->addr) ||
		     dev_route(sr, &to->addr, &dev, &rt->src) < 0 || dev < 0;
	if (!rt->shadow && dev == STACK_DEV_LOOP)
		rt->shadow = !knobs.loopback || !sock_local_service(sr, STK_UDP, to);
	else if (!rt->shadow)
		rt->shadow = ip_addr_is_loopback(&sk->local.addr) ||
			     (!ip_addr_is_any(&sk->local.addr) && !dev_serves(sr, &sk->local.addr));
	return rt;
}

/* One try through the stack. -EOPNOTSUPP: the shadow must do it. sr->lock held. */
static ssize_t udp_send_stack(struct call *c, const struct msghdr *msg, const struct endpoint *to)
{
	struct sock *sk = call_sk(c);
	const struct ofd_route *rt = udp_route(c->sr, c->o, sk, to ? to : &sk->remote);

	if (rt->shadow)
		return -EOPNOTSUPP;
	return stack_udp_send(c->sr->st, sk, msg->msg_iov, (int)msg->msg_iovlen,
			      &(struct udp_out){
				      .to = to,
				      .from = ip_addr_is_any(&sk->local.addr) ? &rt->src : NULL,
			      },
			      now_ns());
}

ssize_t udp_sendmsg(int fd, struct ofd *o, const struct msghdr *msg, int flags)
{
	struct endpoint ep, *to = NULL;
	struct call c;
	ssize_t r;

	/* What the kernel alone can do, or has to refuse. */
	if (o->corked || (flags & (MSG_MORE | MSG_OOB)) || msg->msg_controllen)
		return udp_send_shadow(fd, o, msg, flags);
	if (msg->msg_name) {
		if (sockaddr_get(o, msg->msg_name, msg->msg_namelen, &ep) < 0 || ep.port == 0 ||
		    !sockaddr_reaches(o, &ep.addr))
			return udp_send_shadow(fd, o, msg, flags);
		to = &ep;
	} else if (o->conn != OFD_CONNECTED) {
		return -EDESTADDRREQ;
	}
	r = call_begin(&c, fd, o, ofd_nonblock(o, flags), o->sndtimeo_ns);
	if (r < 0)
		return r;
	do
		r = udp_send_stack(&c, msg, to);
	while (r == -EAGAIN && (r = call_again(&c, RDY_OUT)) == 0);
	call_end(&c, c.nonblock ? RUN_LATER : RUN_KICK);
	/* -EPIPE comes without SIGPIPE, which is for streams. */
	return r == -EOPNOTSUPP ? udp_send_shadow(fd, o, msg, flags) : r;
}

/* ---- in ------------------------------------------------------------------------------------- */

/* Appends one ancillary message, cut (MSG_CTRUNC) as put_cmsg() of Linux does. */
static void cmsg_put(struct msghdr *msg, size_t *used, int level, int type, const void *data,
		     size_t n)
{
	struct cmsghdr *cm = (struct cmsghdr *)((char *)msg->msg_control + *used);
	size_t room = msg->msg_controllen - *used, len = CMSG_LEN(n), space = CMSG_SPACE(n);

	if (!msg->msg_control || msg->msg_controllen < *used + sizeof(*cm)) {
		msg->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (len > room) {
		msg->msg_flags |= MSG_CTRUNC;
		len = room;
	}
	cm->cmsg_len = len;
	cm->cmsg_level = level;
	cm->cmsg_type = type;
	memcpy(CMSG_DATA(cm), data, len - sizeof(*cm));
	*used += space < room ? space : room;
}

/* What is told of datagrams of IPv6 alone. */
static void udp_cmsgs_v6(const struct ofd *o, struct msghdr *msg, const struct udp_meta *m,
			 size_t *used)
{
	int hops = m->ttl, tclass = m->tos;

	if (o->udp_cmsg & UDP_CMSG_HOPLIMIT)
		cmsg_put(msg, used, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
	if (o->udp_cmsg & UDP_CMSG_TCLASS)
		cmsg_put(msg, used, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
}

/* What the application asked to be told about each datagram. */
static void udp_cmsgs(const struct ofd *o, struct msghdr *msg, const struct udp_meta *m)
{
	struct timespec ts;
	struct timeval tv;
	size_t used = 0;

	if (o->udp_cmsg & (UDP_CMSG_STAMP | UDP_CMSG_STAMPNS)) {
		clock_gettime(CLOCK_REALTIME, &ts);
		tv = (struct timeval){ts.tv_sec, ts.tv_nsec / 1000};
		if (o->udp_cmsg & UDP_CMSG_STAMPNS)
			cmsg_put(msg, &used, SOL_SOCKET, SCM_TIMESTAMPNS, &ts, sizeof(ts));
		else
			cmsg_put(msg, &used, SOL_SOCKET, SCM_TIMESTAMP, &tv, sizeof(tv));
	}
	if (o->udp_cmsg & UDP_CMSG_PKTINFO6) {
		struct in6_pktinfo pi = {.ipi6_ifindex = m->ifindex};

		memcpy(&pi.ipi6_addr, m->to.b, sizeof(pi.ipi6_addr));
		cmsg_put(msg, &used, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	}
	if (!ip_addr_is_v4(&m->to)) {
		udp_cmsgs_v6(o, msg, m, &used);
		msg->msg_controllen = used;
		return;
	}
	if (o->udp_cmsg & UDP_CMSG_PKTINFO) {
		struct in_pktinfo pi = {
			.ipi_ifindex = (int)m->ifindex,
			.ipi_spec_dst.s_addr = ip_addr_to_v4(&m->to),
			.ipi_addr.s_addr = ip_addr_to_v4(&m->to),
		};

		cmsg_put(msg, &used, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	}
	if (o->udp_cmsg & UDP_CMSG_TTL) {
		int ttl = m->ttl;

		cmsg_put(msg, &used, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	}
	if (o->udp_cmsg & UDP_CMSG_TOS)
		cmsg_put(msg, &used, IPPROTO_IP, IP_TOS, &m->tos, sizeof(m->tos));
	msg->msg_controllen = used;
}

/* The stack's door; sr->lock held. */
static ssize_t udp_recv_stack(struct call *c, struct msghdr *msg, int flags)
{
	struct udp_meta m;
	ssize_t r;

	r = stack_udp_recv(c->sr->st, call_sk(c), msg->msg_iov, (int)msg->msg_iovlen,
			   flags & MSG_PEEK ? RECV_PEEK : 0, &m, now_ns());
	if (r < 0)
		return r;
	msg->msg_flags = flags & MSG_CMSG_CLOEXEC;
	if ((size_t)r < m.full_len)
		msg->msg_flags |= MSG_TRUNC;
	if (msg->msg_name)
		sockaddr_put(c->o, &m.from, msg->msg_name, &msg->msg_namelen);
	udp_cmsgs(c->o, msg, &m);
	return flags & MSG_TRUNC ? (ssize_t)m.full_len : r;
}

/* The kernel's door; no lock needed. */
static ssize_t udp_recv_kernel(int fd, struct ofd *o, struct msghdr *msg, int flags)
{
	ssize_t r = sys_recvmsg(fd, msg, flags | MSG_DONTWAIT);

	if (r != -EAGAIN || !door_clear(o))
		return r;
	r = sys_recvmsg(fd, msg, flags | MSG_DONTWAIT);
	if (r != -EAGAIN)
		door_found(o);
	return r;
}

/*
 * One look. Alternates while both doors have something; asks the kernel only when it is known to
 * have something, or when nobody who would have noticed has looked for a while (look).
 */
static ssize_t udp_recv_try(int fd, struct call *c, struct msghdr *msg, int flags, bool look)
{
	bool door = atomic_load_explicit(&c->o->door_ready, memory_order_acquire) & RDY_IN;
	ssize_t r;

	if (door && ++c->o->fair & 1) {
		r = udp_recv_kernel(fd, c->o, msg, flags);
		if (r != -EAGAIN)
			return r;
		door = false;
	}
	r = udp_recv_stack(c, msg, flags);
	if (r == -EAGAIN && (door || look))
		r = udp_recv_kernel(fd, c->o, msg, flags);
	return r;
}

ssize_t udp_recvmsg(int fd, struct ofd *o, struct msghdr *msg, int flags)
{
	bool look = false;
	struct call c;
	ssize_t r;

	if (flags & MSG_ERRQUEUE)
		return sys_recvmsg(fd, msg, flags | MSG_DONTWAIT);
	r = call_begin(&c, fd, o, ofd_nonblock(o, flags), o->rcvtimeo_ns);
	if (r < 0)
		return r;
	for (;;) {
		r = udp_recv_try(fd, &c, msg, flags, look);
		if (r != -EAGAIN)
			break;
		/* A reader that is shut down reads the end. */
		if (call_sk(&c)->ready & RDY_RDHUP) {
			r = msg->msg_controllen = 0;
			break;
		}
		r = call_again(&c, RDY_IN);
		if (r < 0)
			break;
		look = true;
	}
	call_end(&c, RUN_LATER);
	return r;
}
