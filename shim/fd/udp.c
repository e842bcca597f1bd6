/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP with two doors. Datagrams come from the stack, and from the kernel's shadow, which gets what
 * the kernel put together from fragments, groups and broadcasts, trains that a neighbour on a veth
 * sent in one, and what came over other interfaces. They go out through the stack where the route
 * is one of our devices and the neighbour known, and through the shadow otherwise: broadcast and
 * multicast, datagrams that need fragments, what sendmsg() asks for that the stack does not know,
 * and whatever is wrong, so that the kernel says how. Shadow and stack socket are bound and
 * connected alike, so either way the peer sees the same sender.
 *
 * Errors are the kernel's alone: ICMP about a datagram goes to the shadow, whoever sent it, with
 * the path MTU, the error queue and what EPOLLERR means.
 *
 * It decides the door for each datagram. It must never sleep in the kernel's receive, and never
 * drop a datagram because one door could not take it.
 *
 * RFC 768, RFC 1122 4.1.
 */
#include "udp_int.h"

#include <time.h>

#include "cmsg.h"
#include "shim/proc/user.h"

/* How long an answer about the route of a destination is believed. */
#define UDP_ROUTE_NS 50000000ull
/* A socket that only sends looks this often whether the kernel has an error for it. */
#define UDP_ERROR_NS 1000000ull
/* What the kernel's door had by this long after a datagram of the stack's goes before it: the two
 * are looked at one after the other, and a train comes through the kernel's. */
#define UDP_DOOR_SLACK_NS 100000ull
/* Datagrams in a row from the kernel's door while the stack has some. */
#define UDP_DOOR_FAIR 64

/* Of a receive's memory, touched before anything is known to have come. */
#define UDP_TOUCH_BYTES 2048

/* Flags of sendmsg() that make no difference for the stack's datagrams. */
#define UDP_SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_CONFIRM | MSG_EOR)

/* ---- errors --------------------------------------------------------------------------------- */

/* RDY_ERR, as it is now: it stays while the error queue holds something. */
static void udp_error_level(int fd, struct ofd *o)
{
	struct pollfd p = {.fd = fd};
	struct timespec none = {0, 0};

	atomic_fetch_and_explicit(&o->door_ready, (uint8_t) ~(RDY_ERR | RDY_PRI),
				  memory_order_acq_rel);
	p.events = POLLPRI;
	if (sys_ppoll(&p, 1, &none, NULL) > 0)
		atomic_fetch_or_explicit(&o->door_ready, p.revents & (RDY_ERR | RDY_PRI),
					 memory_order_acq_rel);
}

static bool udp_error_told(const struct ofd *o)
{
	return atomic_load_explicit(&o->door_ready, memory_order_acquire) & (RDY_ERR | DOOR_ERR);
}

int udp_error_take(int fd, struct ofd *o, bool always)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (!always && !(atomic_load_explicit(&o->door_ready, memory_order_acquire) & DOOR_ERR))
		return 0;
	atomic_fetch_and_explicit(&o->door_ready, (uint8_t)~DOOR_ERR, memory_order_acq_rel);
	sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err == EMSGSIZE)
		o->udp.reroute = 1; /* the path is narrower than it was */
	if (udp_error_told(o))
		udp_error_level(fd, o);
	return -err;
}

/* Before a send: has the kernel an error for it? One that never waits has to look. */
static int udp_error_look(int fd, struct ofd *o)
{
	uint64_t now;

	if (o->conn == OFD_CONNECTED || o->udp.recverr) {
		now = now_ns();
		if (now - o->udp.looked_ns > UDP_ERROR_NS) {
			o->udp.looked_ns = now;
			door_poll();
		}
	}
	return udp_error_take(fd, o, false);
}

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
	udp_opts_import(fd, o);
	if (opts.reuseport && udp_group_left(o))
		return VERDICT_option;
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
		sr = sock_stack_for(fd, o, &o->bound.addr, true, &why);
	if (sr) {
		sr = udp_stack(o, sr);
		run_enter(sr);
		why = o->sk ? VERDICT_stack : udp_open(fd, o, sr);
		run_leave(sr, RUN_LATER);
		if (why == VERDICT_stack)
			helper_ensure(sr);
		else
			udp_stack_end(o);
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
	uint64_t end = o->sndtimeo_ns ? now_ns() + o->sndtimeo_ns : UINT64_MAX;
	ssize_t r;
	int err;

	if (o->corked != UDP_CORKED)
		o->corked = flags & MSG_MORE ? UDP_CORK_ONCE : 0;
	for (;;) {
		r = sys_sendmsg(fd, msg, flags);
		if (likely(r != -EAGAIN))
			return r;
		if (ofd_nonblock(o, flags)) {
			if (o->two_doors)
				door_full(fd, o);
			return r;
		}
		err = sock_wait_fd(o->sr, fd, POLLOUT, end);
		if (err < 0)
			return err;
	}
}

/* Where datagrams to this destination go, and from where; sr->lock held. */
static const struct ofd_route *udp_route(struct stackrec *sr, struct ofd *o, const struct sock *sk,
					 const struct endpoint *to)
{
	struct ofd_route *rt = &o->route;
	uint64_t now = now_ns();
	int dev;

	if (rt->to.port == to->port && ip_addr_eq(&rt->to.addr, &to->addr) && now < rt->until_ns &&
	    rt->leaves == atomic_load(&udp_leaves) && !o->udp.reroute)
		return rt;
	rt->to = *to;
	rt->leaves = atomic_load(&udp_leaves);
	rt->until_ns = now + UDP_ROUTE_NS;
	o->udp.reroute = 0;
	rt->shadow = ip_is_multicast(&to->addr) || ip_is_broadcast(&to->addr) ||
		     dev_route_mtu(sr, &to->addr, &dev, &rt->src, &rt->mtu) < 0 || dev < 0;
	if (!rt->shadow && dev == STACK_DEV_LOOP)
		rt->shadow = !knobs.loopback || !sock_local_service(sr, STK_UDP, to);
	else if (!rt->shadow)
		rt->shadow = ip_addr_is_loopback(&sk->local.addr) ||
			     (!ip_addr_is_any(&sk->local.addr) && !dev_serves(sr, &sk->local.addr));
	return rt;
}

/* How a datagram leaves, but for its destination: the socket's options and what cs asks for. */
static void udp_out_fill(const struct ofd *o, const struct cmsg_send *cs, struct udp_out *out)
{
	bool df = o->udp.pmtudisc == IP_PMTUDISC_WANT || o->udp.pmtudisc == IP_PMTUDISC_DO ||
		  o->udp.pmtudisc == IP_PMTUDISC_PROBE;

	*out = (struct udp_out){
		.ifindex = cs->ifindex,
		.gso_bytes = cs->has & CMSG_HAS_GSO ? cs->gso_bytes : o->udp.gso_bytes,
		.tos = cs->tos,
		.ttl = cs->ttl,
		.flags = UDP_OUT_NOWAIT | (cs->has & CMSG_HAS_TOS ? UDP_OUT_TOS : 0) |
			 (cs->has & CMSG_HAS_TTL ? UDP_OUT_TTL : 0) | (df ? 0 : UDP_OUT_FRAG),
	};
}

/* One try through the stack. -EOPNOTSUPP: the shadow must do it. sr->lock held. */
static ssize_t udp_send_stack(struct call *c, const struct msghdr *msg, const struct endpoint *to,
			      const struct cmsg_send *cs)
{
	struct sock *sk = call_sk(c);
	const struct ofd_route *rt = udp_route(c->sr, c->o, sk, to ? to : &sk->remote);
	struct udp_out out;
	ssize_t r;

	if (rt->shadow)
		return -EOPNOTSUPP;
	udp_out_fill(c->o, cs, &out);
	out.to = to;
	out.mtu = rt->mtu;
	if (cs->has & CMSG_HAS_FROM) {
		if (!dev_serves(c->sr, &cs->from))
			return -EOPNOTSUPP;
		out.from = &cs->from;
	} else if (ip_addr_is_any(&sk->local.addr)) {
		out.from = &rt->src;
	}
	r = stack_udp_send(c->sr->st, sk, msg->msg_iov, (int)msg->msg_iovlen, &out, now_ns());
	switch (r) {
	case -EINPROGRESS: /* the kernel keeps it until the neighbour answers, or does not */
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EADDRNOTAVAIL:
	case -EMSGSIZE:
	case -ENOBUFS:
		return -EOPNOTSUPP;
	default:
		return r;
	}
}

/* Of the pieces together, max at most. */
static size_t iov_bytes(const struct iovec *iov, size_t n, size_t max)
{
	size_t sum = 0;

	for (size_t i = 0; i < n && sum < max; i++)
		sum += iov[i].iov_len < max ? iov[i].iov_len : max;
	return sum < max ? sum : max;
}

/* What the kernel alone can do, or has to refuse. Else to and cs are what the message says. */
static bool udp_send_plain(const struct ofd *o, const struct msghdr *msg, int flags,
			   struct endpoint *ep, struct cmsg_send *cs)
{
	const struct sock *sk = atomic_load_explicit(&o->sk, memory_order_acquire);
	const struct ip_addr *to;

	if (o->corked || o->udp.by_shadow || o->udp.left || flags & ~UDP_SEND_FLAGS || !sk)
		return false;
	to = &sk->remote.addr;
	if (msg->msg_name) {
		if (sockaddr_get(o, msg->msg_name, msg->msg_namelen, ep) < 0 || ep->port == 0 ||
		    !sockaddr_reaches(o, &ep->addr))
			return false;
		to = &ep->addr;
	}
	/* The kernel has the word for memory that is not there, too. */
	if (user_iov_readable(msg->msg_iov, msg->msg_iovlen, 1u << 16) <
		    iov_bytes(msg->msg_iov, msg->msg_iovlen, 1u << 16) ||
	    !user_can_read(msg->msg_control, msg->msg_control ? msg->msg_controllen : 0))
		return false;
	return !msg->msg_controllen || cmsg_parse_datagram(msg, o->family, ip_addr_is_v4(to), cs);
}

ssize_t udp_sendmsg(int fd, struct ofd *o, const struct msghdr *msg, int flags)
{
	struct cmsg_send cs = {0};
	struct endpoint ep;
	struct call c;
	ssize_t r;

	if (!udp_send_plain(o, msg, flags, &ep, &cs))
		return udp_send_shadow(fd, o, msg, flags);
	if (!msg->msg_name && o->conn != OFD_CONNECTED)
		return -EDESTADDRREQ;
	r = udp_error_look(fd, o);
	if (r == 0)
		r = call_begin(&c, fd, o, ofd_nonblock(o, flags), o->sndtimeo_ns);
	if (r < 0)
		return r;
	do
		r = udp_send_stack(&c, msg, msg->msg_name ? &ep : NULL, &cs);
	while (r == -EAGAIN && (r = call_again(&c, RDY_OUT)) == 0);
	call_end(&c, c.nonblock ? RUN_LATER : RUN_KICK);
	/* -EPIPE comes without SIGPIPE, which is for streams. */
	return r == -EOPNOTSUPP ? udp_send_shadow(fd, o, msg, flags) : r;
}

/* ---- in ------------------------------------------------------------------------------------- */

/* What the application asked to be told about each datagram. */
static void udp_cmsgs(const struct ofd *o, const struct sock *sk, struct msghdr *msg,
		      const struct udp_meta *m)
{
	struct cmsg_out out;

	cmsg_begin(&out, msg);
	if (out.room && !user_can_write(msg->msg_control, out.room))
		out.room = 0;
	if (o->cmsgs) {
		struct cmsg_pkt p = {
			.to = m->to,
			.port = sk->local.port,
			.tos = m->tos,
			.ttl = m->ttl,
			.ifindex = m->ifindex,
			.drops = m->drops,
			.gso_bytes = m->gso_bytes,
		};

		if (o->cmsgs & (CMSG_STAMP | CMSG_STAMPNS | CMSG_STAMPING))
			p.real_ns = stamp_real_ns(m->rx_ns);
		cmsg_put_datagram(&out, o->cmsgs, &p);
	}
	cmsg_end(&out);
}

/* The caller's memory is touched without the lock (user.h): where the name and the control messages
 * go, and n bytes of the pieces. Returns how many of those are good. */
static size_t udp_recv_touch(const struct ofd *o, const struct msghdr *msg, size_t n)
{
	size_t name = sockaddr_bytes(o);

	if (msg->msg_name)
		user_writable(msg->msg_name, name < msg->msg_namelen ? name : msg->msg_namelen);
	if (msg->msg_control)
		user_writable(msg->msg_control, msg->msg_controllen);
	return user_iov_writable(msg->msg_iov, msg->msg_iovlen, n);
}

/* The stack's door; sr->lock held, and given up while more has to be touched than *touched. */
static ssize_t udp_recv_stack(struct call *c, struct msghdr *msg, int flags, size_t *touched)
{
	unsigned rflags =
		(flags & MSG_PEEK ? RECV_PEEK : 0) | (c->o->cmsgs & CMSG_GRO ? RECV_GRO : 0);
	/* No more of the room than is going to be filled: who asks for 64 KB may not have them. */
	size_t max = rflags & RECV_GRO ? 1u << 16 : stack_inq(call_sk(c));
	size_t room = iov_bytes(msg->msg_iov, msg->msg_iovlen, max), name;
	struct udp_meta m;
	ssize_t r;

	for (bool good = true; unlikely(room > *touched) && good;) {
		call_pause(c, RUN_LATER);
		*touched = udp_recv_touch(c->o, msg, room);
		good = *touched >= room;
		r = call_resume(c);
		if (r < 0)
			return r;
		max = rflags & RECV_GRO ? max : stack_inq(call_sk(c)); /* the next may be another */
		room = iov_bytes(msg->msg_iov, msg->msg_iovlen, max);
	}
	if (unlikely(*touched < room)) {
		/* As the kernel: the datagram is gone. */
		r = stack_udp_recv(c->sr->st, call_sk(c), NULL, 0, rflags & RECV_PEEK, NULL,
				   now_ns());
		return r < 0 ? r : -EFAULT;
	}
	r = stack_udp_recv(c->sr->st, call_sk(c), msg->msg_iov, (int)msg->msg_iovlen, rflags, &m,
			   now_ns());
	if (r < 0)
		return r;
	msg->msg_flags = flags & MSG_CMSG_CLOEXEC;
	if ((size_t)r < m.full_len)
		msg->msg_flags |= MSG_TRUNC;
	name = sockaddr_bytes(c->o);
	if (name > msg->msg_namelen)
		name = msg->msg_namelen;
	if (msg->msg_name && !user_can_write(msg->msg_name, name))
		return -EFAULT;
	if (msg->msg_name)
		sockaddr_put(c->o, &m.from, msg->msg_name, &msg->msg_namelen);
	udp_cmsgs(c->o, call_sk(c), msg, &m);
	return flags & MSG_TRUNC ? (ssize_t)m.full_len : r;
}

/* The kernel's door. sr->lock held. */
static ssize_t udp_recv_kernel(int fd, struct ofd *o, struct msghdr *msg, int flags)
{
	ssize_t r = sys_recvmsg(fd, msg, flags | MSG_DONTWAIT);

	if (r == -EAGAIN && door_clear(o)) {
		r = sys_recvmsg(fd, msg, flags | MSG_DONTWAIT);
		if (r != -EAGAIN)
			door_found(o);
	}
	if (r >= 0 && !(flags & MSG_PEEK))
		door_taken(fd, o);
	if (r < 0 && r != -EAGAIN && udp_error_told(o)) {
		atomic_fetch_and_explicit(&o->door_ready, (uint8_t)~DOOR_ERR, memory_order_acq_rel);
		udp_error_level(fd, o);
	}
	if (r == -EMSGSIZE)
		o->udp.reroute = 1;
	return r;
}

/* Which door first, when both have something? The one whose datagram came first, as far as is
 * known. sr->lock held. */
static bool udp_kernel_first(struct call *c)
{
	uint64_t rx_ns = stack_udp_next_ns(call_sk(c));

	if (c->o->udp.door_ns <= rx_ns + UDP_DOOR_SLACK_NS && ++c->o->fair % UDP_DOOR_FAIR)
		return true;
	c->o->fair = 0;
	return rx_ns == UINT64_MAX;
}

/*
 * One look. Asks the kernel only when it is known to have something, an error above all, or when
 * nobody who would have noticed has looked for a while (look).
 */
static ssize_t udp_recv_try(int fd, struct call *c, struct msghdr *msg, int flags, bool look,
			    size_t *touched)
{
	uint8_t seen = atomic_load_explicit(&c->o->door_ready, memory_order_acquire);
	bool door = seen & (RDY_IN | DOOR_ERR);
	ssize_t r;

	if (seen & DOOR_ERR || (door && udp_kernel_first(c))) {
		r = udp_recv_kernel(fd, c->o, msg, flags);
		if (seen & DOOR_ERR)
			atomic_fetch_and_explicit(&c->o->door_ready, (uint8_t)~DOOR_ERR,
						  memory_order_acq_rel);
		if (r != -EAGAIN)
			return r;
		door = false;
	}
	r = udp_recv_stack(c, msg, flags, touched);
	if (r == -EAGAIN && (door || look))
		r = udp_recv_kernel(fd, c->o, msg, flags);
	return r;
}

static ssize_t udp_recv_errors(int fd, struct ofd *o, struct msghdr *msg, int flags)
{
	ssize_t r = sys_recvmsg(fd, msg, flags | MSG_DONTWAIT);

	if (udp_error_told(o))
		udp_error_level(fd, o);
	return r;
}

ssize_t udp_recvmsg(int fd, struct ofd *o, struct msghdr *msg, int flags)
{
	bool look = o->udp.left;
	size_t touched;
	struct call c;
	ssize_t r;

	if (flags & MSG_ERRQUEUE)
		return udp_recv_errors(fd, o, msg, flags);
	if (flags & MSG_OOB)
		return sys_recvmsg(fd, msg, flags | MSG_DONTWAIT); /* refused */
	touched = udp_recv_touch(o, msg, UDP_TOUCH_BYTES);
	if (unlikely(ofd_ready(o) & RDY_RDHUP)) /* the end comes after what is there */
		sock_catch_up(o, 0);
	r = call_begin(&c, fd, o, ofd_nonblock(o, flags), o->rcvtimeo_ns);
	if (r < 0)
		return r;
	for (;;) {
		r = udp_recv_try(fd, &c, msg, flags, look, &touched);
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
