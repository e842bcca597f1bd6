/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Open file descriptions: what descriptors made by dup, fork and fd passing have in common. They
 * live in the arena, are counted per process, and their memory is never given back, so that a stale
 * pointer is at worst a description recycled, which fdtab_lock() notices.
 */
#ifndef SHIM_FD_OFD_H
#define SHIM_FD_OFD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/proc/family.h"
#include "stack/stack.h"

enum ofd_kind {
	OFD_FREE,
	OFD_SOCK,  /* an AF_INET(6) socket: accelerated when sk is set, else its shadow serves it */
	OFD_EPOLL, /* an epoll set; its shadow is the kernel's epoll */
};

/* How far connect() has come, as the kernel's socket state: decides what connect() says next. */
enum ofd_conn { OFD_UNCONNECTED, OFD_CONNECTING, OFD_CONNECTED };

/* Where datagrams to one destination go: kept for the last one, for UDP_ROUTE_NS. */
struct ofd_route {
	struct endpoint to; /* port 0: nothing kept */
	struct ip_addr src; /* source address when the socket is bound to any */
	bool shadow;        /* through the kernel: none of our devices leads there */
	uint32_t mtu;       /* of the path as the kernel knows it; 0: the device's */
	uint32_t leaves;    /* udp_leaves at that time */
	uint64_t until_ns;
};

/* What options make of a UDP socket, and what is remembered of its kernel's door. */
struct ofd_udp {
	uint32_t by_shadow; /* options that only the kernel can send with: a bit each */
	uint16_t gso_bytes; /* UDP_SEGMENT */
	uint8_t pmtudisc;   /* IP_MTU_DISCOVER */
	uint8_t recverr;    /* IP_RECVERR or IPV6_RECVERR */
	uint8_t left;       /* an option gave its port back: all comes through the kernel's door */
	uint8_t reroute;    /* ask for the route again: the kernel knows better */
	uint8_t port_held;  /* it counts in family.udp_port */
	uint64_t looked_ns; /* when a sender last looked for errors */
	uint64_t door_ns;   /* when the kernel's door was first seen with something */
};

/* A listener's sockets, on each stack one, with an accept queue of its own: all come and go under
 * the locks of all stacks, so that each is there under its own's. */
struct parts {
	struct sock *_Atomic sk[FAMILY_STACKS];
};

/* In ofd.door_ready beside RDY_*: the kernel told of an error that nobody has asked for yet. */
#define DOOR_ERR 0x20u
/* Likewise: a send by the kernel's door found no room. The socket is not writable until the door
 * tells of some. */
#define DOOR_FULL 0x40u

struct epoll_set;

struct ofd {
	uint8_t kind;
	uint8_t family;             /* AF_INET, AF_INET6 */
	uint8_t socktype;           /* SOCK_STREAM, SOCK_DGRAM */
	uint8_t borrowed;           /* the shadow is a duplicate of the placeholder socket */
	uint8_t port_holder;        /* TCP: the shadow is bound to sk's local port */
	uint8_t lent;               /* and maybe still is in some process, though not in all */
	uint8_t two_doors;          /* the kernel's door is watched, too (listener, UDP) */
	uint8_t conn;               /* enum ofd_conn */
	uint8_t v6only;             /* IPV6_V6ONLY */
	uint8_t kernel_only;        /* an option that the stack has not: never accelerated */
	uint8_t claimed;            /* claim_add() holds for bound (with its peers) */
	uint8_t stopped;            /* a listener that shutdown() has stopped */
	uint8_t append;             /* O_APPEND: nothing is spliced into it */
	uint8_t corked;             /* UDP: a datagram is being put together in the kernel */
	uint8_t fair;               /* alternates between the two doors */
	_Atomic uint8_t nonblock;   /* O_NONBLOCK of an accelerated socket */
	uint8_t verdict;            /* enum verdict */
	_Atomic uint8_t door_ready; /* kernel door: RDY_IN | RDY_ERR as last seen */
	uint32_t idx;
	uint16_t ender;          /* slot (+ 1) of who took the last reference and is to end it */
	uint32_t next_free;      /* free list link (index + 1); family.lock */
	uint32_t cmsgs;          /* CMSG_* that recvmsg() is to give */
	uint64_t opts_set;       /* options set before it was accelerated: opts.c's table */
	uint32_t rcvlowat;       /* SO_RCVLOWAT, 0 as 1 */
	_Atomic uint32_t refs;   /* over all processes; holds included */
	struct stackrec *sr;     /* the stack it was born on; set with sk */
	struct sock *_Atomic sk; /* NULL: not accelerated */
	struct parts *parts;     /* a listener on several stacks: its sockets there; else NULL */
	struct epoll_set *_Atomic ep;      /* OFD_EPOLL */
	struct list watches;               /* struct watch: who wants to know; ofd_guard()'s lock */
	int32_t owner_type, owner;         /* F_SETOWN_EX: who gets SIGURG and SIGIO; 0: nobody */
	int32_t owner_sig;                 /* F_SETSIG: in place of SIGIO; 0: SIGIO */
	int32_t async_fd;                  /* what O_ASYNC was set under; -1: it is not set */
	uint64_t rcvtimeo_ns, sndtimeo_ns; /* 0: none */
	struct endpoint bound;  /* local address as the kernel bound it; port 0: not bound */
	struct list peers;      /* others that share this listener by SO_REUSEPORT: events for
					sk concern each of them; ofd_guard()'s lock */
	struct ofd_route route; /* UDP; sr->lock */
	struct ofd_udp udp;
	struct ofd_name *names; /* cookies that stand for it in messages; family.lock */
};

/* The record whose lock guards who watches o: its stack's, or family.shared. It changes once at
 * most, when a socket comes to a stack, under both locks. */
static inline struct stackrec *ofd_guard(const struct ofd *o)
{
	struct stackrec *sr;

	if (likely(family->nstacks == 1))
		return &family->stacks[0];
	sr = __atomic_load_n(&o->sr, __ATOMIC_RELAXED); /* once: o may be another's by now */
	return sr && !o->parts ? sr : &family->shared;
}
/* Takes that lock; to be undone with run_leave(). */
struct stackrec *ofd_guard_enter(const struct ofd *o);

/* The listener's socket on stack i; NULL: none. */
static inline struct sock *ofd_part(const struct ofd *o, uint32_t i)
{
	if (!o->parts)
		return i == 0 ? atomic_load_explicit(&o->sk, memory_order_acquire) : NULL;
	return atomic_load_explicit(&o->parts->sk[i], memory_order_acquire);
}

/* What to do when a description's readiness changes: an epoll item, or a sleeping thread. */
enum watch_kind { WATCH_EPOLL, WATCH_WAITER };
struct watch {
	struct list node; /* on ofd->watches */
	uint8_t kind;
	_Atomic uint32_t events; /* RDY_* of interest (RDY_ERR and RDY_HUP always are) */
};

/* A new description with one reference for this process, verdict undecided; NULL: none left. */
struct ofd *ofd_new(enum ofd_kind kind);
/* One more, or one less, descriptor of this process. The last one anywhere closes what it is. */
void ofd_ref(struct ofd *o);
bool ofd_unref(struct ofd *o); /* true: it was the last */
/* How many descriptors of this process name it. */
uint32_t ofd_refs_here(const struct ofd *o);
/*
 * A hold while an operation sleeps without the lock, so that a close by another thread leaves the
 * socket alone until the operation is over, as in the kernel. Not copied by fork.
 */
void ofd_hold(struct ofd *o);
void ofd_drop(struct ofd *o);
/* A hold for who has no lock: false if it is at an end. Another description may have taken its
 * place, so the caller looks into the table again. */
bool ofd_hold_live(struct ofd *o);
/* A reference that is in no row yet becomes one of this process's descriptors. */
void ofd_adopt(struct ofd *o);
/* n more, in no row yet: false if there was none any more, and it may be somebody else's. */
bool ofd_refs_add(struct ofd *o, uint32_t n);
/* The n references of a dead process that its row counts are gone. Takes sr->lock: to be called
 * without any. */
void ofd_unref_dead(struct ofd *o, uint32_t n, uint16_t *row);
/* Ends what p, which is dead, had taken the last reference of and not ended yet. No lock held. */
void ofd_end_for(const struct proc *p);
/* Makes family->ofds's free list anew from what is free: after a holder of family.lock died. The
 * caller holds family.lock. */
void ofd_free_rebuild(void);

/* The level now: the stack's readiness and the kernel door's. Needs no lock. */
uint32_t ofd_ready(const struct ofd *o);
/* Tells every watcher of the edges (RDY_*). sr->lock held, if there is one. In fd/watch.c. */
void ofd_notify(struct ofd *o, uint32_t edges);

/* o has news (RDY_*) that its owner may have asked to be signalled. sr->lock held. (owner.c) */
void owner_tell(const struct ofd *o, uint32_t edges);
/* Sends those signals. No lock held. */
void owner_flush(void);

/* Says once, in the log, and for ever, in the description, why it is where it is. */
void ofd_set_verdict(struct ofd *o, int fd, enum verdict v);

#endif
