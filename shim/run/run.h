/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running the stack in the application's own threads. A turn: take a batch from RX, process it
 * whole, run due timers, flush TX, tell the watchers. Theory of operation: the head of turn.c.
 */
#ifndef SHIM_RUN_RUN_H
#define SHIM_RUN_RUN_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/fd/ofd.h"

/* The process's stack, made (and attached to an interface) on the first call that needs it; NULL:
 * *why says why nothing can be accelerated. loopback_only: an interface is not needed. */
struct stackrec *run_stack(bool loopback_only, enum verdict *why);

/* Is this socket of the network namespace in which the stacks were made, as far as can be told? */
bool run_same_netns(int fd);

/* Takes the stack's lock (a dead holder's connections are reset first), or family.shared's. */
void run_enter(struct stackrec *sr);
/* Those of all stacks, and gives them back: for what has a part in each of them. */
void run_enter_all(void);
void run_leave_all(unsigned flags);
/* The lock of family.shared alone, by whoever holds a stack's, or none, or this one already;
 * nothing with one stack. */
void shared_enter(void);
void shared_leave(void);

enum {
	RUN_LATER = 0, /* output may wait for the end of the application's turn, within a bound */
	RUN_KICK =
		1, /* output goes out now: the caller is about to block, or is blocking by nature */
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
 * then sleeps. No lock held. 0, -EAGAIN (deadline), -EINTR, -ERESTART (as wait_sleep()).
 */
int wait_ofd(struct ofd *o, uint32_t events, uint64_t deadline_ns);

struct epoll_set;

/* What a thread sleeps on (gate.c). */
struct gate {
	int fd;           /* hidden, of this process alone; -1: none */
	int door, app;    /* what it holds of these, or -1 */
	uint32_t stacks;  /* those whose devices it holds, a bit each */
	uint64_t gen;     /* the sum of their generations then */
	uint64_t entered; /* times that an application's set was entered */
};

/* What a thread sleeps with: one per thread, made on first use. In the arena. */
struct waiter {
	struct list proc;       /* on its process's list (family.lock) */
	struct waiter *all;     /* every waiter there ever was; set once */
	struct waiter *later;   /* next to be poked by the thread that marked it */
	_Atomic bool queued;    /* it is on such a chain, whose owner alone may touch later */
	bool known;             /* it is on the chain of all */
	_Atomic uint32_t state; /* WAITER_* */
	_Atomic pid_t pid;
	_Atomic bool by_futex; /* its thread is confined: it sleeps on .state, by futex(2) */
	int wakefd; /* hidden, in its own process: an abstract datagram socket; -1: none */
	/* Its address, for wakers, who may come when it is gone and another's: then they poke that,
	 * which does no harm. */
	_Atomic uint8_t name_len;
	_Atomic uint64_t name;
	_Atomic uint32_t covers;       /* stacks that it counts as a sleeper of, a bit each */
	uint8_t own1;                  /* its own stack, plus 1; 0: it has never waited */
	uint32_t attends;              /* the stacks that it attends, a bit each, */
	uint64_t attend_gen;           /* as of this family.attend_gen */
	uint64_t move_gen;             /* own1 has been thought over as of this one */
	struct list watches;           /* struct waiter_watch.own (the thread's alone) */
	struct epoll_set *_Atomic set; /* the set it waits for events of */
	struct list on_set;            /* on that set's sleepers (set->lock) */
	struct gate gate;              /* the thread's own */
};
enum { WAITER_AWAKE, WAITER_SLEEPING, WAITER_WOKEN };

/* A sleeping thread's interest in one description. */
struct waiter_watch {
	struct watch watch; /* WATCH_WAITER */
	struct waiter *waiter;
	struct ofd *o;
	struct stackrec *home; /* whose pool it is from, and whose lock guards it */
	struct list own;       /* on waiter->watches */
};

/* This thread's waiter; NULL: none can be had (then callers poll at short intervals). */
struct waiter *waiter_self(void);
/*
 * Wakes it if it sleeps, or keeps it from falling asleep: its next wait_sleep() returns at once.
 * Any thread of any process, and signal handlers of its own thread.
 */
void waiter_wake(struct waiter *w);
/* The same in two steps, so that nobody is woken into a lock that its waker still holds: marks it
 * now, and wakes it in waiter_wake_flush(), which run_leave() calls once the lock is free. */
void waiter_wake_later(struct waiter *w);
void waiter_wake_flush(void);
/* Every waiter of the family: after a stack's state was reset. */
void waiters_wake_all(void);
/* Pokes those that are marked: a thread that was killed between marking and poking one leaves it
 * asleep. A poke too many does no harm. */
void waiters_poke_marked(void);
/* Those of a process that is gone. */
void waiters_drop(struct proc *p);

/* Who attends which stack: the head of attend.c. */
/* The calling thread's own stack. */
struct stackrec *attend_own(void);
/* w has no own stack any more: its thread ends, or has ended. */
void attend_end(struct waiter *w);
/* The stacks that the calling thread attends, sr among them: a bit each. */
uint32_t attend_mask(const struct stackrec *sr);
/* A turn on each of these. Returns the number of packets taken. */
int attend_turn(struct stackrec *sr);

/* Registers w's interest in o (events: RDY_*), and ends it. sr is o's guard (ofd_guard()), whose
 * lock is held. NULL: no memory. */
struct waiter_watch *watch_add(struct stackrec *sr, struct waiter *w, struct ofd *o,
			       uint32_t events);
void watch_del(struct waiter_watch *ww); /* ww->home's lock held */
/* After a death in the middle of a change: forward links are always whole, so they mend the
 * rest. */
void list_mend(struct list *head);

/*
 * Where sr is given to a wait, it stands for all the stacks that the thread attends, sr among them.
 *
 * Sleeps in one kernel wait that covers: the packets of sr (NULL: none), the kernel doors of this
 * process, kfds[0..nkfds) (the application's own kernel descriptors, revents filled in), a wake-up,
 * and the earlier of deadline_ns and the stack's next timer. sigmask (NULL: unchanged) is in force
 * during the wait, atomically. nsigs0: thread_self.nsigs when the call began: if a handler has run
 * since, it does not sleep. 0: something may have happened; -EINTR; -ERESTART: the kernel ended the
 * sleep with no handler of the application's to run (a process that was stopped goes on).
 */
int wait_sleep(struct stackrec *sr, struct pollfd *kfds, unsigned nkfds, uint64_t deadline_ns,
	       const sigset_t *sigmask, uint32_t nsigs0);

/*
 * The same with one kernel descriptor, an epoll set of the application's; -1: none. 1: it or the
 * doors may have something; 0: they have nothing; -EINTR, -ERESTART.
 */
int wait_sleep_epoll(struct stackrec *sr, int epfd, uint64_t deadline_ns, const sigset_t *sigmask,
		     uint32_t nsigs0);

/*
 * Enters into w's gate what there is to sleep on: the stacks' devices, doors, w's wake-up, app (an
 * epoll set of the application's, or -1). 0, or -Exxx: there is no gate, the caller polls. Own
 * thread only.
 */
int gate_prepare(struct waiter *w, uint32_t stacks, int app);
enum { GATE_WOKEN = 1, GATE_DEVICE = 2, GATE_KERNEL = 4 }; /* KERNEL: doors or app */
/* Sleeps until one of them has something, or ts (NULL: for ever) has passed: GATE_*, or -EINTR. */
int gate_sleep(struct waiter *w, const struct timespec *ts, const sigset_t *sigmask);
void gate_close(struct gate *g);

/*
 * How long to spin before sleeping on sr, now: SHIM_SPIN_US, or 0 while it does not pay for this
 * thread, or while another thread already sleeps on sr.
 */
uint64_t wait_spin_ns(const struct stackrec *sr);
/*
 * Spins until until_ns, a packet, a due timer, a wake-up, a signal handler, or ready(arg) being
 * true. last: the caller sleeps if it fails, which is when spinning has not paid. True: something
 * came.
 */
bool wait_spin(struct stackrec *sr, uint64_t until_ns, bool last, uint32_t nsigs0,
	       bool (*ready)(void *arg), void *arg);

/* Between two looks at memory that another thread is to change. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* How often the kernel's side is looked at while the stack's side keeps the thread busy. */
#define KERNEL_CHECK_NS 100000ull

/* The kernel's door of a two-door socket: watched by this process from now on / no more.
 * What is known of the door stays: it is the description's, which other descriptors may name. */
int door_add(int fd, struct ofd *o);
/* fd names o, whose shadow has no room to send: o is not writable (DOOR_FULL) until the door tells
 * of some. No lock held. */
void door_full(int fd, struct ofd *o);
void door_del(int fd);
/* Asks the kernel which doors have something and notifies watchers. A system call; no lock held. */
void door_poll(void);
/* The descriptor to sleep on for that, or -1: this process has no doors. No lock held. */
int door_fd(void);

/* A stack has something open: the helper thread of this process exists and is awake. */
void helper_ensure(struct stackrec *sr);
enum { HELPER_AWAKE, HELPER_PARKED, HELPER_IN_CHARGE };
/* Makes this process's helper unless there is one; helper_ensure() without the waking. */
void helper_start(struct stackrec *sr);
/* Wakes the helper (of whichever process holds the lease) if it sleeps without a timeout. */
void helper_unpark(struct stackrec *sr);
/* The helper will not come by within its tick: whoever has output kicks it. */
static inline bool helper_away(const struct stackrec *sr)
{
	return atomic_load(&sr->helper_word) != HELPER_AWAKE;
}
/* A turn on behalf of an application that does not attend: as run_turn(), but not counted as
 * attendance. -EBUSY: somebody is inside. */
int run_turn_helper(struct stackrec *sr);
/* True when a turn would find packets or timers: a look at memory. */
bool attend_due(const struct stackrec *sr, uint64_t now);
/* True when a turn would find something to do: a look at memory. */
bool run_due(struct stackrec *sr, uint64_t now);

/*
 * The process ends: from now on no other thread of it can be inside a stack, so that none dies
 * there and takes the family's connections along. Called last, by fd_exit().
 */
void run_exit(void);
/*
 * Before exec, which ends the other threads: from now on none of them is inside a stack, and what
 * waits for a kick is out. After an exec that failed, run_exec_failed() lets them in again.
 */
void run_exec(void);
void run_exec_failed(void);
/* In a new image: watches the doors of the sockets in its table when it first waits. */
void door_attach(void);
/* Before a filter is installed: watches them now, or closes what there is nothing to watch with. */
void door_settle(void);
/* After fork, in the child: threads are gone, private descriptors (doors) made anew when needed. */
void run_fork_child(void);
void door_fork_child(void);
void helper_fork_child(void);

#endif
