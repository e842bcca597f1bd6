/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a socket comes to the stack and leaves it: made, bound, listening, released. It decides
 * which sockets are tracked, which of them are accelerated, and by which stack; sock.h's other
 * operations live in connect.c, accept.c, stream.c, udp.c, opts.c and transfer.c.
 *
 * The kernel's shadow goes first: it binds, it says what is wrong with an address. Only what has
 * worked there comes to the stack, and whatever fails after that leaves the shadow serving and a
 * verdict that says why. A listener alone is the stack's before it is the kernel's, and not at all
 * if that fails. Nothing here may turn an error of ours into an
 * error of the application's.
 */
#include "sock_int.h"

#include <netinet/tcp.h>

#include "epoll.h"
#include "shim/proc/log.h"

/* Rounds of packets that may go to and fro inside the stack before a query looks: SYN, SYN-ACK,
 * ACK, data, FIN and their answers; more is no longer "at once" in the kernel either. */
#define SETTLE_TURNS 8

/* ---- which ones, and where ------------------------------------------------------------------ */

static bool sock_off(void)
{
	return thread_is_confined() || (iface_is("none") && !knobs.loopback);
}

/* IPV6_V6ONLY comes by setsockopt(), by the sysctl bindv6only, and by bind() to an IPv6 address. */
static void v6only_follow(int fd, struct ofd *o)
{
	int v6only = 0;
	socklen_t len = sizeof(v6only);

	if (o->family == AF_INET6 &&
	    sys_getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &len) == 0)
		o->v6only = v6only != 0;
}

int sock_created(int fd, int domain, int type, int protocol)
{
	int base = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct ofd *o;

	if (fd < 0 || thread_is_internal())
		return fd;
	fd_forget(fd);
	if ((domain != AF_INET && domain != AF_INET6) || sock_off())
		return fd;
	if (!(base == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) &&
	    !(base == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP)))
		return fd;
	o = ofd_new(OFD_SOCK);
	if (!o)
		return fd;
	o->family = (uint8_t)domain;
	o->socktype = (uint8_t)base;
	v6only_follow(fd, o);
	if (fdtab_set(fd, o) < 0)
		ofd_unref(o);
	return fd;
}

struct stackrec *sock_stack_for(int fd, const struct ofd *o, const struct ip_addr *addr,
				bool attach, enum verdict *why)
{
	bool none = iface_is("none"), loop = ip_addr_is_loopback(addr);
	struct stackrec *sr;

	if (o->kernel_only || thread_is_confined()) {
		*why = o->kernel_only ? VERDICT_option : VERDICT_confined;
		return NULL;
	}
	if (loop && !knobs.loopback) {
		*why = VERDICT_loopback;
		return NULL;
	}
	if (none && !knobs.loopback) {
		*why = VERDICT_off;
		return NULL;
	}
	*why = VERDICT_error;
	sr = run_stack(loop || none || !attach, why);
	if (!sr && knobs.loopback && !loop && !none && attach)
		sr = run_stack(true, why);
	if (sr && !run_same_netns(fd)) {
		*why = VERDICT_netns;
		return NULL;
	}
	return sr;
}

bool sock_local_service(struct stackrec *sr, enum sock_type type, const struct endpoint *ep)
{
	const struct sock *sk = NULL;

	while ((sk = stack_sock_next(sr->st, sk)) != NULL) {
		const struct ofd *o = sk->user;

		if (sk->type == type && sk->local.port == ep->port && !sk->orphan &&
		    !(o && (o->udp.left || o->kernel_only)) &&
		    addr_takes(&sk->local.addr, o && o->v6only, &ep->addr))
			return true;
	}
	return false;
}

/* Is local an address that packets reach us on, through a device or inside the stack? */
static bool sock_served(struct stackrec *sr, const struct ip_addr *local)
{
	return dev_serves(sr, local) || (knobs.loopback && ip_addr_is_any(local));
}

void sock_adopt(int fd, struct ofd *o, struct stackrec *sr, struct sock *sk, bool two_doors)
{
	int fl = sys_fcntl(fd, F_GETFL, 0);

	atomic_store_explicit(&o->nonblock, fl >= 0 && (fl & O_NONBLOCK), memory_order_relaxed);
	o->append = fl >= 0 && (fl & O_APPEND);
	opts_import_timeouts(fd, o);
	owner_import(fd, o);
	shared_enter();
	o->sr = sr;
	sk->user = o;
	parts_adopt(o);
	if (two_doors) {
		/* Our own calls on the kernel's door must never sleep there. */
		if (fl >= 0 && !(fl & O_NONBLOCK))
			sys_fcntl(fd, F_SETFL, fl | O_NONBLOCK);
		o->two_doors = 1;
		if (o->refs != ofd_refs_here(o))
			atomic_fetch_add(&family->doors, 1);
	}
	atomic_store_explicit(&o->sk, sk, memory_order_release);
	epoll_migrate(o, fd);
	shared_leave();
	if (two_doors && door_add(fd, o) < 0)
		log_warn("fd %d: the kernel's door of this socket cannot be watched", fd);
	ofd_set_verdict(o, fd, VERDICT_stack);
}

int sock_bind(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len)
{
	struct endpoint ep;
	int r;

	if (o->borrowed && o->sk) {
		r = sockaddr_get(o, addr, len, &ep);
		return r < 0 ? r : -EINVAL; /* bound already, as every connection is */
	}
	r = sys_bind(fd, addr, len);
	if (r == -EADDRINUSE && port_reap(o))
		r = sys_bind(fd, addr, len);
	if (r < 0 || o->sk)
		return r;
	v6only_follow(fd, o);
	if (shadow_name(fd, &o->bound) == 0 && o->socktype == SOCK_DGRAM)
		udp_accelerate(fd, o, sockaddr_get(o, addr, len, &ep) == 0 && ep.port != 0);
	return r;
}

/* ---- listeners ------------------------------------------------------------------------------ */

static bool sock_reuseport(struct stackrec *sr, struct sock *sk)
{
	int on = 0;
	uint32_t len = sizeof(on);

	return stack_getopt(sr->st, sk, SOL_SOCKET, SO_REUSEPORT, &on, &len, now_ns()) == 0 && on;
}

/*
 * SO_REUSEPORT within the family: the sockets share one listener and wake together, and whoever
 * comes first accepts. The kernel has already checked that both asked for it (its bind would have
 * failed); sharing keeps every connection reachable whichever of them is closed.
 */
static struct sock *listener_share(struct stackrec *sr, struct ofd *o)
{
	const struct sock *sk = NULL;

	while ((sk = stack_sock_next(sr->st, sk)) != NULL) {
		struct ofd *other = sk->user;

		if (sk->type != STK_LISTENER || !other || sk->local.port != o->bound.port ||
		    !ip_addr_eq(&sk->local.addr, &o->bound.addr) || other->stopped ||
		    other->kernel_only || other->family != o->family || other->v6only != o->v6only)
			continue;
		if (!sock_reuseport(sr, (struct sock *)sk))
			return NULL;
		shared_enter();
		o->parts = other->parts;
		list_push_back(&other->peers, &o->peers);
		shared_leave();
		return (struct sock *)sk;
	}
	return NULL;
}

/* A listener of the stack's own with its claim. VERDICT_stack, or why not, and nothing is left. */
static enum verdict listener_claim(struct ofd *o, struct stackrec *sr, const struct sock_opts *opts,
				   int backlog, struct sock **sk)
{
	int r = stack_listen(sr->st, &o->bound, opts, (uint32_t)backlog, sk);

	if (r < 0)
		return r == -EADDRINUSE ? VERDICT_port_busy : VERDICT_no_memory;
	r = parts_listen(o, opts, backlog, *sk);
	if (r == 0 && !ip_addr_is_loopback(&o->bound.addr)) {
		r = ofd_claim(sr, o);
		if (r < 0)
			parts_close(o);
	}
	if (r < 0) {
		stack_close(sr->st, *sk, now_ns());
		return r == -EEXIST ? VERDICT_port_busy : VERDICT_no_memory;
	}
	return VERDICT_stack;
}

/*
 * The stack first and the kernel's door after it, so that no connection begins with the kernel and
 * goes on with us. What comes in between waits in the ring, since the lock is held. sr->lock held;
 * *ret is what the kernel says of its listen(), or 1: it has not been asked.
 */
static enum verdict listener_make(int fd, struct ofd *o, struct stackrec *sr, int backlog, int *ret)
{
	struct sock_opts opts;
	struct sock *sk = NULL;
	enum verdict why;

	if (!sock_served(sr, &o->bound.addr))
		return ip_addr_is_loopback(&o->bound.addr) ? VERDICT_loopback : VERDICT_other_iface;
	opts_import(fd, o, &opts);
	why = listener_claim(o, sr, &opts, backlog, &sk);
	if (why != VERDICT_stack && !(why == VERDICT_port_busy && opts.reuseport))
		return why;
	*ret = sys_listen(fd, backlog);
	if (*ret < 0) {
		if (o->claimed)
			ofd_unclaim(sr, o);
		if (why == VERDICT_stack) {
			parts_close(o);
			stack_close(sr->st, sk, now_ns());
		}
		return VERDICT_undecided;
	}
	if (why != VERDICT_stack) {
		sk = listener_share(sr, o);
		if (!sk)
			return why;
		o->claimed = 1;
	}
	o->port_holder = 1;
	sock_adopt(fd, o, sr, sk, true);
	return VERDICT_stack;
}

/* listen() on what is a listener already: a new backlog, or, false, life again after shutdown(). */
static bool listener_again(int fd, struct ofd *o, int backlog, int *ret)
{
	struct stackrec *sr = o->sr;
	bool stopped;

	sock_enter(o);
	stopped = o->stopped;
	if (!stopped) {
		*ret = sys_listen(fd, backlog);
		if (*ret == 0) {
			stack_listen_backlog(sr->st, o->sk, (uint32_t)backlog);
			parts_backlog(o, backlog);
		}
	} else {
		door_del(fd);
		o->door_ready = 0;
		sock_release(o);
		o->stopped = 0;
	}
	sock_leave(o, RUN_LATER);
	return !stopped;
}

/* Where the socket is bound. One that is not gets its port from listen() itself: nobody can know it
 * before, and the kernel may go first. *ret as of listener_make(). */
static bool listener_bound(int fd, struct ofd *o, int backlog, int *ret)
{
	if (shadow_name(fd, &o->bound) < 0)
		return false;
	if (o->bound.port)
		return true;
	*ret = sys_listen(fd, backlog);
	return *ret == 0 && shadow_name(fd, &o->bound) == 0;
}

int sock_listen(int fd, struct ofd *o, int backlog)
{
	struct sock *sk = o->sk;
	enum verdict why = VERDICT_error;
	struct stackrec *sr = NULL;
	int r = 1;

	if (sk && sk->type == STK_TCP)
		return -EINVAL;
	if (o->socktype != SOCK_STREAM)
		return sys_listen(fd, backlog);
	if (sk && listener_again(fd, o, backlog, &r))
		return r;
	if (listener_bound(fd, o, backlog, &r))
		sr = sock_stack_for(fd, o, &o->bound.addr, true, &why);
	if (sr) {
		run_enter_all();
		why = o->sk ? VERDICT_stack : listener_make(fd, o, sr, backlog, &r);
		run_leave_all(RUN_LATER);
		for (uint32_t i = 0; why == VERDICT_stack && i < family->nstacks; i++)
			helper_ensure(&family->stacks[i]);
		/* Now, so that it takes no descriptor when accept() has but one left. */
		if (why == VERDICT_stack)
			sock_placeholder(o->family);
	}
	if (r > 0)
		r = sys_listen(fd, backlog);
	if (r == 0)
		ofd_set_verdict(o, fd, why);
	return r;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* A listener that goes, or is left to the kernel. */
struct keeping {
	struct stackrec *sr;
	const struct endpoint *local;
	bool v6only;
	uint8_t claims; /* what each gets */
};

static void keep_flow(void *arg, const struct endpoint *local, const struct endpoint *remote,
		      uint8_t *claims)
{
	const struct keeping *k = arg;

	if (ip_addr_is_loopback(&remote->addr) ||
	    !addr_takes(&k->local->addr, k->v6only, &local->addr))
		return;
	if (*claims & CLAIM_FLOW || flow_add(k->sr, IPPROTO_TCP, local, remote) == 0)
		*claims |= k->claims;
}

/* Connections that came through the claim of a listener need steering of their own once it goes. */
static void keep_flows(const struct ofd *o, const struct sock *l, uint8_t claims)
{
	struct keeping k = {NULL, &l->local, o->v6only, claims};

	for (uint32_t i = 0; i < family->nstacks; i++) {
		k.sr = &family->stacks[i];
		stack_port_each(k.sr->st, l->local.port, keep_flow, &k);
	}
}

void listener_keep_flows(const struct ofd *o, const struct sock *l)
{
	keep_flows(o, l, CLAIM_FLOW);
}

/*
 * First no new connection is begun, then those that there are, half-open ones included, get
 * steering of their own, and then what comes is the kernel's. SYNs that are in our rings by then
 * are given back to it (shim/dev/back.c).
 */
void listener_leave(struct ofd *o, struct sock *l)
{
	stack_listen_leave(o->sr->st, l, now_ns());
	parts_leave(o);
	keep_flows(o, l, CLAIM_FLOW | CLAIM_LEFT);
	ofd_unclaim(o->sr, o);
}

void sock_release(struct ofd *o)
{
	struct sock *sk = atomic_load_explicit(&o->sk, memory_order_relaxed);
	struct stackrec *sr = o->sr;
	bool shared = !list_empty(&o->peers);
	bool claimed = o->claimed;

	if (!sk) {
		if (claimed && !shared) /* who began this died on the way */
			ofd_unclaim(sr, o);
		return;
	}
	atomic_store_explicit(&o->sk, NULL, memory_order_release);
	if (shared) {
		struct ofd *next = list_entry(o->peers.next, struct ofd, peers);

		o->claimed = 0;
		if (sk->user == o) {
			sk->user = next;
			parts_adopt(next);
		}
		shared_enter();
		list_del(&o->peers);
		shared_leave();
		return;
	}
	sk->user = NULL;
	if (claimed) {
		if (sk->type == STK_LISTENER)
			listener_keep_flows(o, sk);
		ofd_unclaim(sr, o);
	}
	udp_stack_end(o);
	if (sk->type == STK_LISTENER)
		parts_close(o);
	stack_close(sr->st, sk, now_ns());
}

void sock_reap_flows(struct stackrec *sr)
{
	struct endpoint local, remote;
	uint8_t claims;

	while (stack_gone(sr->st, &local, &remote, &claims)) {
		if (claims & CLAIM_FLOW)
			flow_del(sr, IPPROTO_TCP, &local, &remote);
		if (claims & CLAIM_PORT)
			hold_del(sr, &local);
	}
	hold_sweep(sr, now_ns());
}

/* ---- borrowed shadows ----------------------------------------------------------------------- */

static _Atomic int placeholder4 = -1, placeholder6 = -1;

int sock_placeholder(int af)
{
	_Atomic int *holder = af == AF_INET6 ? &placeholder6 : &placeholder4;
	int fd = atomic_load_explicit(holder, memory_order_acquire), none = -1;

	if (likely(fd >= 0))
		return fd_hidden_at(fd);
	fd = sys_socket(af, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	fd = fd_hide(fd);
	if (fd < 0)
		return fd;
	if (atomic_compare_exchange_strong(holder, &none, fd))
		return fd_hidden_at(fd);
	fd_unhide_close(fd);
	return fd_hidden_at(none);
}

/* The placeholder is never connected: what it says to flags that it knows is that. */
int sock_rwf_check(int rwf)
{
	char byte;
	struct iovec iov = {&byte, 1};
	int fd = sock_placeholder(AF_INET);
	ssize_t r;

	if (fd < 0)
		return -EOPNOTSUPP;
	r = sys_preadv2(fd, &iov, 1, -1, rwf | RWF_NOWAIT);
	return r == -EOPNOTSUPP || r == -EINVAL ? (int)r : 0;
}

/*
 * Duplicates in this process get the same new socket. One in another process keeps the placeholder
 * for a shadow, which nobody can tell from a fresh socket until that process asks for one itself.
 */
int sock_own_shadow(int fd, struct ofd *o)
{
	return o->borrowed ? sock_new_shadow(fd, o) : 0;
}

int sock_new_shadow(int fd, struct ofd *o)
{
	int s, r, end = fdtab_end();

	s = sys_socket(o->family, o->socktype | SOCK_CLOEXEC, 0);
	if (s < 0)
		return s;
	for (int i = 0; i < end; i++) {
		if (fdtab_get(i) != o)
			continue;
		r = sys_fcntl(i, F_GETFD, 0);
		r = sys_dup3(s, i, r >= 0 && (r & FD_CLOEXEC) ? O_CLOEXEC : 0);
		if (r < 0 && i == fd) {
			sys_close(s);
			return r;
		}
	}
	sys_close(s);
	o->borrowed = 0;
	return 0;
}

/* ---- operations that may block -------------------------------------------------------------- */

/* A caller that asks again and again without ever waiting must still make progress: it runs a turn
 * when nobody has for this long. */
#define TURN_DUE_NS 20000

int call_begin(struct call *c, int fd, struct ofd *o, bool nonblock, uint64_t timeo_ns)
{
	int r = fdtab_lock(fd, o);

	if (unlikely(r < 0))
		return r;
	c->o = o;
	c->sr = o->sr;
	c->nonblock = nonblock;
	c->turned = c->held = false;
	c->timed = unlikely(timeo_ns) && !nonblock;
	c->deadline_ns = unlikely(c->timed) ? now_ns() + timeo_ns : UINT64_MAX;
	return 0;
}

static bool turn_due(const struct stackrec *sr)
{
	return knobs.loopback ||
	       now_ns() - atomic_load_explicit(&sr->attended_ns, memory_order_relaxed) >
		       TURN_DUE_NS;
}

static void call_undo(void *arg)
{
	struct call *c = arg;

	ofd_drop(c->o);
}

void call_hold(struct call *c)
{
	if (c->held)
		return;
	ofd_hold(c->o);
	thread_undo_push(&c->undo, call_undo, c);
	c->held = true;
}

int call_interrupted(const struct call *c)
{
	return !c->timed && thread_restarts() ? -ERESTART : -EINTR;
}

int call_again(struct call *c, uint32_t events)
{
	int r = 0;

	if (c->nonblock && (c->turned || !turn_due(c->sr)))
		return -EAGAIN;
	call_hold(c);
	if (c->nonblock) {
		c->turned = true;
		run_leave(c->sr, RUN_LATER);
		if (knobs.loopback)
			sock_settle(c->sr);
		else if (unlikely(c->o->parts))
			attend_turn(attend_own());
		else
			run_turn(c->sr);
	} else {
		run_leave(c->sr, RUN_KICK);
		r = wait_ofd(c->o, events, c->deadline_ns);
		if (r == -EINTR)
			r = call_interrupted(c);
		else if (r == -ERESTART)
			r = c->timed ? -EINTR : -ERESTART;
	}
	run_enter(c->sr);
	return call_sk(c) ? r : -EBADF;
}

void call_pause(struct call *c, unsigned flags)
{
	call_hold(c);
	run_leave(c->sr, flags);
}

int call_resume(struct call *c)
{
	run_enter(c->sr);
	return call_sk(c) ? 0 : -EBADF;
}

void call_end(struct call *c, unsigned flags)
{
	run_leave(c->sr, flags);
	if (likely(!c->held))
		return;
	thread_undo_pop();
	ofd_drop(c->o);
}

int sock_wait_fd(struct stackrec *sr, int fd, short events, uint64_t end_ns)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint32_t nsigs0 = thread_self.nsigs;
	bool timed = end_ns != UINT64_MAX;
	int r;

	if (timed && now_ns() >= end_ns)
		return -EAGAIN;
	run_turn(sr);
	r = wait_sleep(sr, &p, 1, end_ns, NULL, nsigs0);
	if (r == -EINTR || (r == -ERESTART && timed))
		return !timed && thread_restarts() ? -ERESTART : -EINTR;
	return 0;
}

void sock_sigpipe(void)
{
	sys_tgkill(sys_getpid(), sys_gettid(), SIGPIPE);
}

void sock_catch_up(const struct ofd *o, int flags)
{
	struct stackrec *sr = o->sr;

	if (!sr || (ofd_nonblock(o, flags) && !knobs.loopback) || !dev_rx_pending(sr))
		return;
	if (knobs.loopback)
		sock_settle(sr);
	else
		run_turn(sr);
}

void sock_settle(struct stackrec *sr)
{
	if (!knobs.loopback)
		return;
	for (int i = 0; i < SETTLE_TURNS; i++) {
		if (run_turn(sr) == 0 && i > 0)
			break;
	}
}

int sock_take_error(struct stackrec *sr, struct sock *sk)
{
	int err = 0;
	uint32_t len = sizeof(err);

	if (stack_getopt(sr->st, sk, SOL_SOCKET, SO_ERROR, &err, &len, now_ns()) < 0)
		return 0;
	return err;
}
