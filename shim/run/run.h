/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running the stack in the application's own threads. A turn: take a batch from RX, process it
 * whole, run due timers, flush TX, tell the watchers. Theory of operation: the head of turn.c.
 */
#ifndef SHIM_RUN_RUN_H
#define SHIM_RUN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/fd/ofd.h"

/* The process's stack, made (and attached to an interface) on the first call that needs it; NULL:
 * *why says why nothing can be accelerated. loopback_only: an interface is not needed. */
struct stackrec *run_stack(bool loopback_only, enum verdict *why);

/* Takes the stack's lock (a dead holder's connections are reset first). */
void run_enter(struct stackrec *sr);

enum {
	RUN_LATER = 0, /* output may wait for the end of the application's turn, within a bound */
	RUN_KICK = 1,  /* output goes out now: the caller is about to block, or is blocking by nature */
};
/* Tells watchers, flushes what flags (or the bound) ask for, and releases the lock. */
void run_leave(struct stackrec *sr, unsigned flags);

/*
 * One turn, unless another thread is at it (then there is nothing to do). Returns the number of
 * packets taken. Takes and releases the lock.
 */
int run_turn(struct stackrec *sr);

/*
 * Blocks the calling thread until o is ready for any of events (RDY_ERR and RDY_HUP always count),
 * deadline_ns (absolute; UINT64_MAX: none) has passed, or a signal handler has run. Turns, spins,
 * then sleeps. No lock held. 0, -EAGAIN (deadline), -EINTR.
 */
int wait_ofd(struct ofd *o, uint32_t events, uint64_t deadline_ns);

/* What a thread sleeps with: one per thread, made on first use. In the arena. */
struct waiter {
	struct list proc;            /* on its process's list (family.lock) */
	_Atomic uint32_t state;      /* WAITER_* */
	pid_t pid, tid;
	int wakefd;                  /* hidden, in its own process: an abstract datagram socket */
	uint8_t name_len;            /* address of it, for wakers in other processes */
	char name[8];
};
enum { WAITER_AWAKE, WAITER_SLEEPING, WAITER_WOKEN };

/* This thread's waiter; NULL: none can be had (then callers poll at short intervals). */
struct waiter *waiter_self(void);
/* Wakes it if it sleeps, or keeps it from falling asleep. Any thread of any process. */
void waiter_wake(struct waiter *w);

/*
 * Sleeps in one kernel wait that covers: the packets of sr (NULL: none), the kernel doors of this
 * process, kfds[0..nkfds) (the application's own kernel descriptors, revents filled in), a wake-up,
 * and the earlier of deadline_ns and the stack's next timer. sigmask (NULL: unchanged) is in force
 * during the wait, atomically. nsigs0: thread_self.nsigs when the call began: if a handler has run
 * since, it does not sleep. 0: something may have happened; -EINTR.
 */
int wait_sleep(struct stackrec *sr, struct pollfd *kfds, unsigned nkfds, uint64_t deadline_ns,
	       const sigset_t *sigmask, uint32_t nsigs0);

/* How long to spin before sleeping, now: SHIM_SPIN_US, shortened while spinning does not pay. */
uint64_t wait_spin_ns(void);

/* The kernel's door of a two-door socket: watched by this process from now on / no more. sr->lock. */
int door_add(int fd, struct ofd *o);
void door_del(int fd, struct ofd *o);
/* Asks the kernel which doors have something and notifies watchers. A system call; no lock held. */
void door_poll(struct stackrec *sr);

/* A stack has something open: the helper thread of this process exists and is awake. */
void helper_ensure(struct stackrec *sr);
/* After fork, in the child: threads are gone, private descriptors (doors) made anew when needed. */
void run_fork_child(void);

#endif
