/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outgoing TCP connections, names of both ends, and shutdown.
 *
 * It decides whether a connect() goes through the stack: only when an interface was named, or the
 * peer is a listener of this very stack (SHIM_LOOPBACK=1). The kernel's shadow is bound to the
 * source address first: that reserves the port against every other socket of the host, and if
 * anything fails afterwards the kernel connects from there. A flow is steered before its SYN is
 * sent, so that the kernel never sees, and resets, the answer.
 *
 * RFC 9293 3.9.1 (Open); errno as inet_stream_connect() of Linux.
 */
#include "sock_int.h"

#define TCP_FASTOPEN_CLIENT 1u /* a bit of tcp_fastopen */

/* The local end for a connection to dst: address by route or bind(), port reserved in the shadow.
 * named: by bind(). */
static int connect_local(int fd, const struct ofd *o, const struct ip_addr *src,
			 struct endpoint *local, bool *named)
{
	struct endpoint want = {.addr = *src};
	union sockaddr_inet sa;
	socklen_t len;
	int r, off = 0;

	r = shadow_name(fd, local);
	if (r < 0)
		return r;
	*named = local->port != 0;
	if (local->port == 0) {
		if (!ip_addr_is_any(&local->addr)) {
			/* Bound without a port (IP_BIND_ADDRESS_NO_PORT): we need it now. */
			want.addr = local->addr;
			sys_setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &off, sizeof(off));
		}
		len = sockaddr_make(o, &want, &sa);
		r = sys_bind(fd, &sa.sa, len);
		if (r < 0)
			return r;
		r = shadow_name(fd, local);
		if (r < 0)
			return r;
	}
	if (ip_addr_is_any(&local->addr))
		local->addr = *src;
	return 0;
}

/* sr->lock held. VERDICT_stack: the SYN is queued, or waits for data (with_data, or as options
 * have it), and o is accelerated. */
static enum verdict connect_start(int fd, struct ofd *o, struct stackrec *sr,
				  const struct endpoint *dst, bool with_data)
{
	struct endpoint local;
	struct sock_opts opts;
	struct ip_addr src;
	struct sock *sk;
	bool named;
	int dev, r;

	if (dev_route(sr, &dst->addr, &dev, &src) < 0 || dev < 0)
		return VERDICT_other_iface;
	if (dev == STACK_DEV_LOOP) {
		if (!knobs.loopback || !sock_local_service(sr, STK_LISTENER, dst))
			return VERDICT_loopback;
	} else if (!iface_named()) {
		return VERDICT_client;
	}
	if (connect_local(fd, o, &src, &local, &named) < 0)
		return VERDICT_error;
	if (dev == STACK_DEV_LOOP
		    ? !stack_local_has(sr->st, &local.addr) && !ip_addr_is_loopback(&local.addr)
		    : !dev_serves(sr, &local.addr) || ip_addr_is_loopback(&local.addr))
		return VERDICT_other_iface;
	opts_import(fd, o, &opts);
	opts.port_bound = named;
	if (with_data)
		opts.fastopen = FASTOPEN_CALL_SEND;
	if (dev != STACK_DEV_LOOP) {
		sock_reap_flows(
			sr); /* an ended one of the same four-tuple, before it is new again */
		r = flow_add(sr, IPPROTO_TCP, &local, dst);
		if (r < 0)
			return r == -EEXIST ? VERDICT_port_busy : VERDICT_no_memory;
	}
	r = stack_connect(sr->st, &local, dst, &opts, &sk, now_ns());
	if (r < 0) {
		if (dev != STACK_DEV_LOOP)
			flow_del(sr, IPPROTO_TCP, &local, dst);
		return r == -EADDRNOTAVAIL ? VERDICT_port_busy : VERDICT_no_memory;
	}
	sk->claimed = dev != STACK_DEV_LOOP ? CLAIM_FLOW : 0;
	o->port_holder = 1;
	sock_adopt(fd, o, sr, sk, false);
	o->conn = OFD_CONNECTING;
	return VERDICT_stack;
}

/* What connect() says while, and after, a connection is being made. in_progress: when it still
 * is. */
static int connect_wait(int fd, struct ofd *o, int in_progress)
{
	struct call c;
	struct sock *sk;
	int r;

	r = call_begin(&c, fd, o, ofd_nonblock(o, 0), o->sndtimeo_ns);
	if (r < 0)
		return r;
	for (;;) {
		sk = call_sk(&c);
		if (!stack_connecting(sk))
			break;
		r = c.nonblock ? -EAGAIN : call_again(&c, RDY_OUT);
		if (r < 0) {
			r = r == -EAGAIN ? in_progress : r;
			goto out;
		}
	}
	if (stack_connected(sk)) {
		o->conn = OFD_CONNECTED;
		r = 0;
	} else {
		r = sock_take_error(c.sr, sk);
		r = r ? -r : -ECONNABORTED;
		o->conn = OFD_UNCONNECTED;
	}
out:
	call_end(&c, RUN_KICK);
	return r;
}

/* True: o is the stack's; else it is the kernel's to connect. */
static bool connect_take(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len,
			 bool with_data)
{
	enum verdict why = VERDICT_client;
	struct stackrec *sr = NULL;
	struct endpoint dst;

	if (sockaddr_get(o, addr, len, &dst) < 0 || dst.port == 0 ||
	    !sockaddr_reaches(o, &dst.addr))
		return false;
	if (iface_named() || knobs.loopback)
		sr = sock_stack_for(fd, o, &dst.addr, iface_named(), &why);
	if (sr)
		sr = connect_stack(o, sr);
	if (sr && with_data && !(stack_cfg(sr->st)->tcp_fastopen & TCP_FASTOPEN_CLIENT))
		return false; /* the kernel says so, too */
	if (sr) {
		run_enter(sr);
		why = o->sk ? VERDICT_stack : connect_start(fd, o, sr, &dst, with_data);
		run_leave(sr, RUN_KICK);
	}
	if (why != VERDICT_stack) {
		ofd_set_verdict(o, fd, why);
		return false;
	}
	helper_ensure(sr);
	return true;
}

struct connect_pass {
	const struct sockaddr *addr;
	socklen_t len;
	int fd;
};

static long connect_pass(void *arg)
{
	const struct connect_pass *p = arg;

	return sys_connect(p->fd, p->addr, p->len);
}

static int connect_new(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len)
{
	struct connect_pass pass = {addr, len, fd};

	if (!connect_take(fd, o, addr, len, false))
		return (int)thread_pass(connect_pass, &pass);
	if (stack_deferred(o->sk))
		return 0; /* TCP_FASTOPEN_CONNECT: the first bytes set it going */
	if (!ofd_nonblock(o, 0))
		return connect_wait(fd, o, -EINPROGRESS);
	sock_settle(o->sr); /* told by readiness, however fast it went */
	return -EINPROGRESS;
}

/* connect(AF_UNSPEC), or a new try after a failure: the old connection goes, by RST if it lives. */
static void connect_dissolve(struct ofd *o)
{
	struct linger reset = {1, 0};
	struct stackrec *sr = o->sr;

	run_enter(sr);
	if (o->sk) {
		stack_setopt(sr->st, o->sk, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset), now_ns());
		sock_release(o);
	}
	o->conn = OFD_UNCONNECTED;
	run_leave(sr, RUN_KICK);
}

int sock_connect(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len)
{
	struct sock *sk = o->sk;
	int r;

	if (o->socktype == SOCK_DGRAM)
		return udp_connect(fd, o, addr, len);
	if (!sk)
		return connect_new(fd, o, addr, len);
	if (len < sizeof(addr->sa_family))
		return -EINVAL;
	if (sk->type == STK_LISTENER)
		return addr->sa_family == AF_UNSPEC ? sys_connect(fd, addr, len) : -EISCONN;
	if (addr->sa_family == AF_UNSPEC || o->conn == OFD_UNCONNECTED) {
		r = sock_own_shadow(fd, o);
		if (r < 0)
			return r;
		connect_dissolve(o);
		return addr->sa_family == AF_UNSPEC ? 0 : connect_new(fd, o, addr, len);
	}
	if (o->conn == OFD_CONNECTED)
		return -EISCONN;
	if (stack_deferred(sk))
		return -EISCONN;
	sock_settle(o->sr);
	return connect_wait(fd, o, -EALREADY);
}

/* ---- Fast Open (RFC 7413) ------------------------------------------------------------------- */

int sock_fastopen_connect(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len,
			  bool nonblock)
{
	struct sock *sk = o->sk;

	if (!sk)
		return addr && connect_take(fd, o, addr, len, true) ? 0 : -ENOPROTOOPT;
	if (sk->type != STK_TCP)
		return -EISCONN;
	if (!(stack_cfg(o->sr->st)->tcp_fastopen & TCP_FASTOPEN_CLIENT))
		return -EOPNOTSUPP;
	if (stack_deferred(sk))
		return 0;
	if (o->conn == OFD_CONNECTED)
		return -EISCONN;
	sock_settle(o->sr);
	/* as the kernel: who waits, or finds it done, goes on as with any send */
	if (nonblock && stack_connecting(sk))
		return -EALREADY;
	o->conn = OFD_CONNECTED;
	return 0;
}

int sock_fastopen_wait(struct call *c)
{
	struct sock *sk;
	int r;

	while (sk = call_sk(c), stack_connecting(sk)) {
		r = call_again(c, RDY_OUT);
		if (r < 0)
			return r;
	}
	if (stack_connected(sk)) {
		c->o->conn = OFD_CONNECTED;
		return 0;
	}
	c->o->conn = OFD_UNCONNECTED;
	r = sock_take_error(c->sr, sk);
	return r ? -r : -ECONNABORTED;
}

/* ---- names and shutdown --------------------------------------------------------------------- */

int sock_getsockname(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len)
{
	struct endpoint local = {.addr = o->bound.addr};
	const struct sock *sk = o->sk;

	/* A listener's and a UDP socket's shadow is bound and connected as it is itself. */
	if (!sk || sk->type != STK_TCP)
		return sys_getsockname(fd, addr, len);
	/* A connection that was not made has left the address that only it had chosen. */
	if (o->conn != OFD_CONNECTED && ip_addr_is_any(&o->bound.addr) && !stack_connecting(sk) &&
	    !stack_connected(sk)) {
		local.port = sk->local.port;
		return sockaddr_put(o, &local, addr, len);
	}
	return sockaddr_put(o, &sk->local, addr, len);
}

int sock_getpeername(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len)
{
	const struct sock *sk = o->sk;

	if (!sk || sk->type != STK_TCP)
		return sys_getpeername(fd, addr, len);
	sock_settle(o->sr);
	if (!stack_connected(sk))
		return -ENOTCONN;
	return sockaddr_put(o, &sk->remote, addr, len);
}

static int listener_shutdown(int fd, struct ofd *o, int how)
{
	struct stackrec *sr = o->sr;
	struct sock *sk;
	int r = sys_shutdown(fd, how);

	if (r < 0 || how == SHUT_WR)
		return r;
	sock_enter(o);
	sk = o->sk;
	if (!sk || o->stopped) {
		sock_leave(o, RUN_LATER);
		return r;
	}
	if (!list_empty(&o->peers)) {
		door_del(fd);
		o->door_ready = 0;
		sock_release(o); /* the others go on; the kernel answers for this one */
	} else {
		if (o->claimed) {
			listener_keep_flows(o, sk);
			ofd_unclaim(sr, o);
		}
		stack_shutdown(sr->st, sk, how, now_ns());
		parts_shutdown(o, how);
		o->stopped = 1;
	}
	ofd_notify(o, RDY_HUP);
	sock_leave(o, RUN_KICK);
	return 0;
}

int sock_shutdown(int fd, struct ofd *o, int how)
{
	struct sock *sk = o->sk;
	struct call c;
	int r;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	if (sk && sk->type == STK_LISTENER)
		return listener_shutdown(fd, o, how);
	sock_settle(o->sr);
	r = call_begin(&c, fd, o, true, 0);
	if (r < 0)
		return r;
	sk = call_sk(&c);
	if (sk->type == STK_UDP) {
		r = sys_shutdown(fd, how);
		stack_shutdown(c.sr->st, sk, how, now_ns());
	} else {
		r = stack_shutdown(c.sr->st, sk, how, now_ns());
	}
	call_end(&c, o->nonblock ? RUN_LATER : RUN_KICK);
	return r;
}
