/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * accept() at both doors of a listener: connections of the stack and those that the kernel's shadow
 * took (loopback, other interfaces).
 *
 * A descriptor and a description are at hand before a connection is taken out of the queue, so that
 * a process at its limit leaves it there, as the kernel does. The descriptor of a stack connection
 * is a duplicate of one placeholder socket: one cheap system call in place of making a socket.
 * What the kernel's door gives is a kernel socket and no business of ours any more.
 *
 * A listener on several stacks has an accept queue on each: the calling thread's own is asked
 * first, then the others in turn.
 *
 * It must never sleep in the kernel's accept: the shadow of a listener is always non-blocking.
 */
#include "confine.h"
#include "sock_int.h"

/* After so many connections of the stack in a row the kernel's door is asked first. */
#define ACCEPT_FAIR 16

/* A number for the new connection, and its description. 0, or -Exxx and nothing made. */
static int accept_slot(int af, int flags, int *nfd, struct ofd **no)
{
	int fd = sock_placeholder(af);

	if (fd >= 0)
		fd = sys_fcntl(fd, flags & SOCK_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
	if (fd < 0)
		return fd;
	*no = ofd_new(OFD_SOCK);
	if (!*no) {
		sys_close(fd);
		return -ENFILE;
	}
	*nfd = fd;
	return 0;
}

static void accept_unslot(int nfd, struct ofd *no)
{
	ofd_unref(no);
	sys_close(nfd);
}

/* sr->lock held. What the new connection has from its listener, as a clone in the kernel. */
static void accept_inherit(struct ofd *no, const struct ofd *lo, struct stackrec *sr,
			   struct sock *sk, int flags)
{
	no->family = lo->family;
	no->v6only = lo->v6only;
	no->socktype = lo->socktype;
	no->borrowed = no->lent = 1;
	no->conn = OFD_CONNECTED;
	no->verdict = VERDICT_stack;
	no->rcvtimeo_ns = lo->rcvtimeo_ns;
	no->sndtimeo_ns = lo->sndtimeo_ns;
	no->rcvlowat = lo->rcvlowat;
	no->sr = sr;
	atomic_store_explicit(&no->nonblock, !!(flags & SOCK_NONBLOCK), memory_order_relaxed);
	sk->user = no;
	atomic_store_explicit(&no->sk, sk, memory_order_release);
}

/* A stack's door: a descriptor, or -EAGAIN, -EMFILE, ... held: o is, and who waits in accept()
 * gets his connection though the descriptor is closed meanwhile, as in the kernel. */
static int accept_stack(int fd, struct ofd *o, struct stackrec *sr, bool held,
			struct endpoint *peer, int flags)
{
	struct ofd *no;
	struct sock *sk, *l;
	int nfd, r;

	r = accept_slot(o->family, flags, &nfd, &no);
	if (r < 0)
		return r;
	r = 0;
	if (held)
		run_enter(sr);
	else
		r = fdtab_lock_at(fd, o, sr);
	if (r < 0) {
		accept_unslot(nfd, no);
		return r;
	}
	l = o->sk ? ofd_part(o, sr->idx) : NULL;
	r = l ? stack_accept(sr->st, l, &sk, now_ns()) : o->sk ? -EAGAIN : -EINVAL;
	if (r == 0) {
		accept_inherit(no, o, sr, sk, flags);
		*peer = sk->remote;
	}
	run_leave(sr, RUN_LATER);
	if (r < 0) {
		accept_unslot(nfd, no);
		return r;
	}
	fd_forget(nfd);
	r = fdtab_set(nfd, no);
	if (r < 0) { /* a number that the table does not hold: the connection ends here */
		accept_unslot(nfd, no);
		return r;
	}
	return nfd;
}

void door_taken(int fd, struct ofd *o)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec none = {0, 0};

	/* Cleared first: what comes meanwhile is seen, by this look or as an edge. */
	if (door_clear(o) && sys_ppoll(&p, 1, &none, NULL) > 0 && p.revents & POLLIN)
		door_found(o);
}

/*
 * The kernel's door. -EAGAIN: nobody there. What is known of the door is edge-triggered: it is
 * cleared before the look that finds nobody, so that an arrival in between is not forgotten.
 */
static int accept_kernel(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len, int flags)
{
	int r;

	if (unlikely(fdtab_get(fd) != o)) /* closed while we slept */
		return -EAGAIN;
	r = sys_accept4(fd, addr, len, flags);
	if (r == -EAGAIN && door_clear(o)) {
		r = sys_accept4(fd, addr, len, flags);
		if (r != -EAGAIN)
			door_found(o);
	}
	if (r >= 0) {
		fd_forget(r);
		run_enter(o->sr);
		door_taken(fd, o);
		run_leave(o->sr, RUN_LATER);
	}
	return r;
}

static bool stack_door_ready(const struct sock *l)
{
	return l && atomic_load_explicit(&l->ready, memory_order_acquire) & RDY_IN;
}

/* The stacks' doors. -EAGAIN: nobody there. */
static int accept_stacks(int fd, struct ofd *o, bool held, struct endpoint *peer, int flags)
{
	uint32_t own, i;
	int r = -EAGAIN;

	if (thread_is_confined() && !confine_may_accept())
		return r;
	if (likely(!o->parts))
		return stack_door_ready(o->sk) ? accept_stack(fd, o, o->sr, held, peer, flags) : r;
	own = attend_own()->idx;
	for (i = 0; i < family->nstacks && r == -EAGAIN; i++) {
		uint32_t at = (own + i) % family->nstacks;

		if (stack_door_ready(ofd_part(o, at)))
			r = accept_stack(fd, o, &family->stacks[at], held, peer, flags);
	}
	return r;
}

/* One look at both doors. */
static int accept_try(int fd, struct ofd *o, bool held, struct sockaddr *addr, socklen_t *len,
		      int flags)
{
	struct sock *l = atomic_load_explicit(&o->sk, memory_order_acquire);
	bool kernel_first = atomic_load_explicit(&o->door_ready, memory_order_relaxed) & RDY_IN &&
			    ++o->fair % ACCEPT_FAIR == 0;
	struct endpoint peer;
	int r;

	if (!l)
		return -EBADF;
	if (kernel_first) {
		r = accept_kernel(fd, o, addr, len, flags);
		if (r != -EAGAIN)
			return r;
	}
	r = accept_stacks(fd, o, held, &peer, flags);
	if (r >= 0 && addr)
		sockaddr_put(o, &peer, addr, len);
	if (r != -EAGAIN)
		return r;
	return kernel_first ? -EAGAIN : accept_kernel(fd, o, addr, len, flags);
}

int sock_accept(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct sock *l = o->sk;
	struct call c;
	int r;

	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	if (!l && fdtab_get(fd) != o)
		return -EBADF; /* another thread has closed it since */
	if (!l || l->type != STK_LISTENER || o->stopped)
		return o->borrowed || !l || l->type == STK_TCP ? -EINVAL
							       : sys_accept4(fd, addr, len, flags);
	if (addr && (int)*len < 0)
		return -EINVAL;
	r = accept_try(fd, o, false, addr, len, flags);
	if (r != -EAGAIN)
		return r;
	r = call_begin(&c, fd, o, ofd_nonblock(o, 0), o->rcvtimeo_ns);
	if (r < 0)
		return r;
	while ((r = call_again(&c, RDY_IN)) == 0) {
		run_leave(c.sr, RUN_LATER);
		r = o->stopped ? -EINVAL : accept_try(fd, o, c.held, addr, len, flags);
		run_enter(c.sr);
		if (r != -EAGAIN)
			break;
	}
	call_end(&c, RUN_LATER);
	return r;
}
