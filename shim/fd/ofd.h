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

struct epoll_set;

struct ofd {
	uint8_t kind;
	uint8_t family;              /* AF_INET, AF_INET6 */
	uint8_t socktype;            /* SOCK_STREAM, SOCK_DGRAM */
	uint8_t borrowed;            /* the shadow is a duplicate of the placeholder socket */
	uint8_t two_doors;           /* the kernel's door is watched, too (listener, UDP) */
	_Atomic uint8_t nonblock;    /* O_NONBLOCK of an accelerated socket */
	uint8_t verdict;             /* enum verdict */
	_Atomic uint8_t door_ready;  /* kernel door: RDY_IN | RDY_ERR as last seen */
	uint32_t idx;
	_Atomic uint32_t refs;       /* over all processes; holds included */
	struct stackrec *sr;         /* the stack it was born on; set with sk */
	struct sock *_Atomic sk;     /* NULL: not accelerated */
	struct epoll_set *ep;        /* OFD_EPOLL */
	struct list watches;         /* struct watch: who wants to know; sr->lock */
	uint64_t rcvtimeo_ns, sndtimeo_ns; /* 0: none */
	struct endpoint bound;       /* as asked by bind(), for the tools; port 0: not bound */
};

/* What to do when a description's readiness changes: an epoll item, or a sleeping thread. */
enum watch_kind { WATCH_EPOLL, WATCH_WAITER };
struct watch {
	struct list node;            /* on ofd->watches */
	uint8_t kind;
	uint32_t events;             /* RDY_* of interest (RDY_ERR and RDY_HUP always are) */
};

/* A new description with one reference for this process, verdict undecided; NULL: none left. */
struct ofd *ofd_new(enum ofd_kind kind);
/* One more, or one less, descriptor of this process. The last one anywhere closes what it is. */
void ofd_ref(struct ofd *o);
void ofd_unref(struct ofd *o);
/* A hold while an operation sleeps without the lock; not counted for a process. */
void ofd_hold(struct ofd *o);
void ofd_drop(struct ofd *o);
/* n references of a dead process are gone. */
void ofd_unref_dead(struct ofd *o, uint32_t n);

/* The level now: the stack's readiness and the kernel door's. Needs no lock. */
uint32_t ofd_ready(const struct ofd *o);
/* Tells every watcher of the edges (RDY_*). sr->lock held. Implemented in fd/watch.c (run). */
void ofd_notify(struct ofd *o, uint32_t edges);

/* Says once, in the log, and for ever, in the description, why it is where it is. */
void ofd_set_verdict(struct ofd *o, int fd, enum verdict v);

#endif
