/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the socket files share: the frame of an operation that may block, addresses as sockaddr,
 * and how a socket comes to the stack. Nothing outside shim/fd includes it.
 */
#ifndef SHIM_FD_SOCK_INT_H
#define SHIM_FD_SOCK_INT_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>

#include "fdtab.h"
#include "shim/dev/dev.h"
#include "shim/proc/knobs.h"
#include "shim/proc/sys.h"
#include "shim/run/run.h"
#include "sock.h"

/* ---- an operation that may block ------------------------------------------------------------ */

/*
 * Begun by call_begin() with the stack's lock taken; ended by call_end(). In between the operation
 * is tried, and call_again() says after -EAGAIN whether to try once more.
 */
struct call {
	struct ofd *o;
	struct stackrec *sr;
	uint64_t deadline_ns;    /* UINT64_MAX: none */
	struct thread_undo undo; /* while held */
	bool timed;              /* by SO_RCVTIMEO or SO_SNDTIMEO: never restarted (signal(7)) */
	bool nonblock;
	bool turned; /* a turn has been run for a caller that does not wait */
	bool held;
};

/* timeo_ns: SO_RCVTIMEO or SO_SNDTIMEO, 0 for ever. 0, or -EBADF with nothing locked. */
int call_begin(struct call *c, int fd, struct ofd *o, bool nonblock, uint64_t timeo_ns);

/*
 * The operation found nothing to do. Blocks until o is ready for events, or, for a caller that does
 * not wait, runs one turn if nobody has looked at the stack for a while. The lock is given up
 * meanwhile and taken again. 0: try again; -EAGAIN (would block, or timed out); -EINTR, or
 * -ERESTART when the call is to begin anew, unless something was done.
 */
int call_again(struct call *c, uint32_t events);
/* Makes sure that o lives on while the lock is given up, until call_end(). */
void call_hold(struct call *c);
/* What a wait that a handler ended returns: -EINTR or -ERESTART. */
int call_interrupted(const struct call *c);

/* Releases the lock; flags as run_leave(). */
void call_end(struct call *c, unsigned flags);

/*
 * Between these the lock is given up: for what may take long, or wait for a disk, the socket being
 * kept. call_resume() takes it again: 0, or -EBADF when the socket has left the stack meanwhile.
 */
void call_pause(struct call *c, unsigned flags);
int call_resume(struct call *c);

static inline struct sock *call_sk(const struct call *c)
{
	return atomic_load_explicit(&c->o->sk, memory_order_relaxed);
}

static inline bool ofd_nonblock(const struct ofd *o, int flags)
{
	return (flags & MSG_DONTWAIT) || atomic_load_explicit(&o->nonblock, memory_order_relaxed);
}

/* The kernel's door was found empty: true when it was thought to have something (see accept.c). */
static inline bool door_clear(struct ofd *o)
{
	return atomic_fetch_and_explicit(&o->door_ready, (uint8_t)~RDY_IN, memory_order_acq_rel) &
	       RDY_IN;
}
static inline void door_found(struct ofd *o)
{
	atomic_fetch_or_explicit(&o->door_ready, RDY_IN, memory_order_acq_rel);
}

/* Something was taken there: what is known of the door becomes what it has now. sr->lock held. */
void door_taken(int fd, struct ofd *o);

/* SIGPIPE to this thread, as a send on a broken connection does. No lock held. */
void sock_sigpipe(void);

/*
 * Packets may have come since anybody looked. A caller on a blocking socket has no event loop that
 * would have; what has arrived (a reset, the end, unread bytes) counts for its next call, as in the
 * kernel. A look at memory when nothing has. No lock held.
 */
void sock_catch_up(const struct ofd *o, int flags);

/* With the loopback device open, the kernel's loopback being synchronous: lets packets that are
 * under way inside the stack arrive, so that a query sees what it would see there. No lock held. */
void sock_settle(struct stackrec *sr);

/* Sleeps until a descriptor of the kernel's has one of events (POLL*), or a little less: the caller
 * looks. sr is looked after meanwhile. 0; -EAGAIN: not by end_ns (UINT64_MAX: no limit); -EINTR, or
 * -ERESTART without a limit. No lock held. */
int sock_wait_fd(struct stackrec *sr, int fd, short events, uint64_t end_ns);

/* MSG_FASTOPEN: o is, or becomes, a connection that the next send sets going. -ENOPROTOOPT: it is
 * the kernel's; or what the kernel would say. No lock held. */
int sock_fastopen_connect(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len,
			  bool nonblock);
/* Its SYN is out: waits for the handshake, as a blocking send does. 0; -EAGAIN: SO_SNDTIMEO is
 * over; or why it failed. */
int sock_fastopen_wait(struct call *c);

/* ---- addresses ------------------------------------------------------------------------------ */

union sockaddr_inet {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* An address that the application gave for o, of either family where the kernel takes either.
 * -EINVAL: too short; -EAFNOSUPPORT: of another family. */
int sockaddr_get(const struct ofd *o, const struct sockaddr *addr, socklen_t len,
		 struct endpoint *ep);
/* Writes ep as the kernel does for a socket of o's family: cut to *len, *len becomes the whole
 * length. -EINVAL: *len < 0. */
int sockaddr_put(const struct ofd *o, const struct endpoint *ep, struct sockaddr *addr,
		 socklen_t *len);
/* Likewise whole; its length. */
socklen_t sockaddr_make(const struct ofd *o, const struct endpoint *ep, union sockaddr_inet *sa);
/* What the kernel says of its socket. */
int shadow_name(int fd, struct endpoint *local);
/*
 * Can o, bound or not, send to dst through the stack? Any address becomes the loopback's, as in the
 * kernel, and a link-local one gets the scope that o is bound to. False: it is the shadow's, which
 * may refuse it: groups, the wrong family, no scope, or another one.
 */
bool sockaddr_reaches(const struct ofd *o, struct ip_addr *dst);
/* Does a socket that listens at local take what is sent to a? */
bool addr_takes(const struct ip_addr *local, bool v6only, const struct ip_addr *a);
static inline bool ip_is_multicast(const struct ip_addr *a)
{
	return ip_addr_is_v4(a) ? (a->b[12] & 0xf0) == 0xe0 : ip_addr_is_multicast6(a);
}
static inline bool ip_is_broadcast(const struct ip_addr *a)
{
	return ip_addr_is_v4(a) && a->w[3] == 0xffffffffu;
}

/* ---- how a socket comes to the stack -------------------------------------------------------- */

static inline bool iface_is(const char *name)
{
	return knobs.iface.count == 1 && !strcmp(knobs.iface.item[0], name);
}
/* An interface was named: outgoing connections are accelerated, too. */
static inline bool iface_named(void)
{
	return !iface_is("auto") && !iface_is("none");
}

/*
 * The stack that is to serve a socket at (or towards) addr, or NULL with *why. attach: an interface
 * may be attached for it; else the loopback inside the stack must do. No lock held.
 */
struct stackrec *sock_stack_for(int fd, const struct ofd *o, const struct ip_addr *addr,
				bool attach, enum verdict *why);
/* True when a listener or UDP socket of this stack serves ep. sr->lock held. */
bool sock_local_service(struct stackrec *sr, enum sock_type type, const struct endpoint *ep);
/*
 * Makes sk the socket of o: flags and timeouts come over from the shadow, the second door is
 * watched if two_doors. sr->lock held.
 */
void sock_adopt(int fd, struct ofd *o, struct stackrec *sr, struct sock *sk, bool two_doors);
/* The connections that came through the claim of o, whose listener is l, get steering of their own.
 * The locks of all stacks held. */
void listener_keep_flows(const struct ofd *o, const struct sock *l);
/* The kernel alone has new connections for o, which is claimed and whose listener is l. Those that
 * have begun here, or wait, stay ours to accept. The locks of all stacks held. */
void listener_leave(struct ofd *o, struct sock *l);
/* All that o, bound, takes is steered to the stack (both families, if it serves both) / no more.
 * sr->lock held. 0 or as claim_add(); o->claimed follows. */
int ofd_claim(struct stackrec *sr, struct ofd *o);
void ofd_unclaim(struct stackrec *sr, struct ofd *o);

/* ---- ports whose holder goes (port.c) ------------------------------------------------------- */

/* What port_leave_end() has to do. */
struct port_leave {
	int fd; /* the shadow, under a number of ours; -1: nothing */
	struct stackrec *sr;
	struct endpoint bound;
	uint8_t v6only;
};
/* fd, which names o, is about to be closed: the port that its shadow holds stays held as long as
 * connections of the stack use it. Before the kernel closes it; end after ofd_unref() has said
 * whether that was the last reference. No lock held. */
void port_leave_begin(int fd, struct ofd *o, struct port_leave *k);
void port_leave_end(struct port_leave *k, bool last);
/* o could not be bound, as the port is in use: true if some may have become free meanwhile. */
bool port_reap(const struct ofd *o);

/* SO_ERROR: positive, and cleared. sr->lock held. */
int sock_take_error(struct stackrec *sr, struct sock *sk);
/* The locks of all that o has to do with: its stack's, those of all stacks if it is a listener on
 * them; and the end of that. */
static inline void sock_enter(const struct ofd *o)
{
	if (unlikely(o->parts))
		run_enter_all();
	else
		run_enter(o->sr ? o->sr : family_shared());
}
static inline void sock_leave(const struct ofd *o, unsigned flags)
{
	if (unlikely(o->parts))
		run_leave_all(flags);
	else
		run_leave(o->sr ? o->sr : family_shared(), flags);
}

/* ---- several stacks (parts.c) --------------------------------------------------------------- */

/* The other stacks' parts of a listener; the locks of all held. first: its socket on the first
 * stack. 0, or -Exxx and nothing left. */
int parts_listen(struct ofd *o, const struct sock_opts *opts, int backlog, struct sock *first);
void parts_backlog(struct ofd *o, int backlog);
void parts_leave(struct ofd *o);
void parts_shutdown(struct ofd *o, int how);
void parts_close(struct ofd *o);
/* They tell o from now on. */
void parts_adopt(struct ofd *o);
/* An option that the first part has taken; the first stack's lock held. */
void parts_setopt(struct ofd *o, int level, int name, const void *val, socklen_t len);
/* The stack that o is to be on, as a datagram socket at its port or a connection, where sr is the
 * first. No lock held. udp_stack_end(): o has left that port. */
struct stackrec *udp_stack(struct ofd *o, struct stackrec *sr);
void udp_stack_end(struct ofd *o);
struct stackrec *connect_stack(const struct ofd *o, struct stackrec *sr);

/* Everything that goes with the last reference; sock_enter() called. Leaves o without a stack
 * socket. */
void sock_release(struct ofd *o);
/* Gives a socket that borrows the placeholder one of its own, under the same number. 0 or -Exxx. */
int sock_own_shadow(int fd, struct ofd *o);
/* Likewise, whatever it has now. */
int sock_new_shadow(int fd, struct ofd *o);
/* The placeholder that accepted connections of a family borrow, made on first use; -Exxx. */
int sock_placeholder(int af);

/* ---- who gets the signals (owner.c) --------------------------------------------------------- */

/* The kernel has taken an owner for the shadow, which is o's own: it is remembered. */
void owner_import(int fd, struct ofd *o);

/* ---- the error queue (errq.c) --------------------------------------------------------------- */

/* CLOCK_REALTIME of a time of the stack's, which keeps CLOCK_MONOTONIC. */
uint64_t stamp_real_ns(uint64_t mono_ns);
/* What is told beside the bytes that a receive has moved: msg's control messages. */
void stream_tell(struct msghdr *msg, const struct recv_notes *n);
/* recvmsg() with MSG_ERRQUEUE on an accelerated TCP socket. */
ssize_t stream_recv_error(int fd, struct ofd *o, struct msghdr *msg, int flags);

/* ---- options (opts.c) ----------------------------------------------------------------------- */

/* The options set so far on the kernel's socket, for the stack's. */
void opts_import(int fd, struct ofd *o, struct sock_opts *out);
/* SO_RCVTIMEO and SO_SNDTIMEO from the shadow. */
void opts_import_timeouts(int fd, struct ofd *o);
/* Seconds of SO_LINGER, or -1; sr->lock held. */
int opts_linger(struct ofd *o);

/* ---- datagrams (udp.c) ---------------------------------------------------------------------- */

/* ofd.corked: until a datagram is complete (MSG_MORE), or while UDP_CORK is set. */
enum { UDP_CORK_ONCE = 1, UDP_CORKED = 2 };

void udp_accelerate(int fd, struct ofd *o, bool asked_port);
int udp_connect(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len);
ssize_t udp_sendmsg(int fd, struct ofd *o, const struct msghdr *msg, int flags);
ssize_t udp_recvmsg(int fd, struct ofd *o, struct msghdr *msg, int flags);
/* The port's datagrams come through the kernel's door from here on. sr->lock held. (udp_opts.c) */
void udp_unclaim(struct ofd *o);
/* The kernel has taken an option of o, accelerated or not: what it means here (udp_opts.c). */
void udp_opt_note(int fd, struct ofd *o, int level, int name, const void *val, socklen_t len);
/* Of an accelerated one. */
int udp_setsockopt(int fd, struct ofd *o, int level, int name, const void *val, socklen_t len);
int udp_getsockopt(int fd, struct ofd *o, int level, int name, void *val, socklen_t *len);

#endif
