/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A family: the processes that share one arena, which is a memfd mapped at FAMILY_BASE in each of
 * them. This is the arena's head: who is in it, its stacks, its open file descriptions. Theory of
 * operation: the head of family.c.
 */
#ifndef SHIM_PROC_FAMILY_H
#define SHIM_PROC_FAMILY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lock.h"
#include "stack/stack.h"
#include "verdict.h"

#ifdef __SANITIZE_THREAD__ /* its own memory lies there, and it sees what lies below */
#define FAMILY_BASE ((void *)0x001000000000ull)
#else
#define FAMILY_BASE ((void *)0x300000000000ull)
#endif
#define FAMILY_ABI 1u
#define FAMILY_MEMFD_NAME "libshim" /* /proc/PID/fd shows "/memfd:libshim" */
#define FAMILY_PROCS 1024u
#define FAMILY_OFDS (1u << 20)
#define FAMILY_NAME_BUCKETS 4096u
#define FAMILY_STACKS 16u
/* Descriptors from this number on are none of ours, neither tracked nor hidden. */
#define FAMILY_FDS (1 << 20)

/*
 * One process, or the place of one. It lives while it holds the lock on its byte of the memfd
 * (fcntl(2), F_SETLK), which the kernel drops at its end, whatever the cause, and at an exec that
 * the memfd is not open over (shim/fd/exec.h).
 */
enum proc_state {
	PROC_FREE,
	PROC_FORKING, /* its references are counted already; the fork is under way */
	PROC_LIVE,
	PROC_LEAVING, /* gone: .reaper is dropping its references */
};

struct proc {
	_Atomic uint32_t state; /* enum proc_state; changed under family.lock */
	_Atomic pid_t pid;      /* 0: nobody (yet) */
	uint64_t start_time;    /* field 22 of /proc/PID/stat: tells a reused pid apart */
	char comm[16];
	uint16_t *ofd_refs;    /* FAMILY_OFDS counts (lazily filled): descriptors this process
				      holds of each description */
	uint16_t *ofd_holds;   /* likewise: holds of its sleeping operations; fork leaves it */
	uint64_t fdtab;        /* where, in its private memory, its fdtab is (0: none yet);
				      for shimstat, which reads it from outside */
	struct list waiters;   /* struct waiter.proc: its sleeping threads (family.lock) */
	uint32_t reaper;       /* PROC_LEAVING, PROC_FORKING: slot of who is at it */
	uint32_t suspect;      /* rounds of family_reap() that found its byte unlocked */
	uint64_t since_ns;     /* when the state was entered */
	_Atomic bool confined; /* it leaves its output, and waking others, to the helper */
};

struct dev_state; /* shim/dev/dev.h */

/*
 * What a stack is worth when the holder of its lock has died. Most of the time under the lock goes
 * to the system calls that send (a peer on a veth takes its packets within them), and nothing is
 * half done there: what such a call was given is still queued.
 */
enum inside {
	INSIDE_CHANGING,      /* anything may be half done: the stack is made anew */
	INSIDE_SENDING,       /* in such a call: the stack is whole */
	INSIDE_MENDING,       /* it is being mended: not whole before that is through */
	INSIDE_MENDING_AGAIN, /* likewise, after a death in the above; next, it is made anew */
};

/* A stack, its lock, and who looks after it. */
struct stackrec {
	struct shim_lock lock;
	struct stack *_Atomic st; /* NULL: not made yet */
	struct dev_state *dev;
	uint32_t idx;
	_Atomic uint32_t verdict; /* enum verdict: VERDICT_stack, or why no interface is attached;
				      VERDICT_undecided: not tried */
	bool loopback;            /* dev_open_loopback() has succeeded */
	_Atomic uint64_t attended_ns; /* when somebody last ran a turn */
	_Atomic uint32_t sleepers;    /* threads asleep that will run a turn when a packet comes */
	struct shim_lock lease;       /* held by the one helper thread that looks after it */
	_Atomic uint32_t helper_word; /* futex, HELPER_* (run/helper.c) */
	_Atomic uint64_t
		helper_until; /* the timer that the parked helper gets up for; 0: it is up */
	_Atomic uint64_t unkicked_ns; /* since when the oldest in the txq waits; 0: it is empty */
	_Atomic uint64_t kicking_ns;  /* since when somebody kicks the rings; 0: nobody does */
	_Atomic uint64_t turns;       /* turns run */
	_Atomic uint64_t news_ns;     /* when dev_news() last ran; 0: it should, now */
	uint64_t dst_asked;           /* STAT_dst_requests then */
	struct pool epitems;          /* struct epitem; lock */
	struct pool watches;          /* struct waiter_watch; lock */
	_Atomic uint32_t attendants;  /* threads whose own stack it is (run/attend.c) */
	_Atomic uint32_t inside;      /* enum inside: where the lock's holder is, for who finds it
					   dead */
};

/* Before and after a system call that sends; the lock held, nothing half done. */
static inline void inside_sends(struct stackrec *sr)
{
	if (atomic_load_explicit(&sr->inside, memory_order_relaxed) == INSIDE_CHANGING)
		atomic_store(&sr->inside, INSIDE_SENDING);
}

static inline void inside_sent(struct stackrec *sr)
{
	if (atomic_load_explicit(&sr->inside, memory_order_relaxed) == INSIDE_SENDING)
		atomic_store(&sr->inside, INSIDE_CHANGING);
}

struct family {
	struct arena arena; /* must be first */
	uint32_t abi;
	char version[16];
	pid_t founder;
	struct shim_lock lock;
	struct proc procs[FAMILY_PROCS];
	_Atomic uint32_t procs_used; /* high-water mark */
	uint32_t nstacks;
	struct stackrec stacks[FAMILY_STACKS];
	struct stackrec shared;      /* no stack: guards what belongs to none, or to several */
	_Atomic uint64_t attend_gen; /* changes with any of .attendants, */
	_Atomic uint32_t attending;  /* whose sum this is */
	/* By UDP port: sockets of the family that are bound to it, times 256, and the number of the
	 * stack that they all are on. */
	_Atomic uint32_t udp_port[65536];
	struct ofd *ofds;            /* FAMILY_OFDS of them, lazily filled */
	_Atomic uint32_t ofds_used;  /* high-water mark */
	uint32_t ofd_free;           /* free list head (index + 1), family.lock */
	struct pool epsets, waiters; /* family.lock */
	struct pool names;           /* struct ofd_name (fd/pass.h); family.lock */
	struct ofd_name *name_of[FAMILY_NAME_BUCKETS];
	_Atomic uint32_t flights; /* references of messages on their way */
	_Atomic uint32_t doors;   /* counts sockets that got a second door while other processes had
				     them, which are to watch it, too */
	struct pool parts;        /* struct parts; shared.lock */
	uint8_t *frame_mem;       /* where the frames of all stacks lie; their locks */
	/* SO_NETNS_COOKIE of the first waiter, and whether another had a different one since: names
	 * of UNIX sockets reach no further than a network namespace, so that not every waiter can
	 * wake every other. */
	_Atomic uint64_t netns;
	_Atomic bool netns_many;
	_Atomic uint64_t stack_netns; /* where the stacks were made; 0: not known */
	_Atomic bool relay; /* a confined process has marked waiters: the helper is to poke them */
	struct waiter *_Atomic waiter_all; /* every waiter there ever was, through waiter.all */
};

/* The family of this process, or NULL while there is none. */
extern struct family *family;
/* This process's slot; NULL while there is no family. */
extern struct proc *family_self;

/* The record whose lock guards what belongs to no stack alone: watches on epoll sets, on listeners
 * and on sockets that the kernel serves. With one stack that is the stack's own. */
static inline struct stackrec *family_shared(void)
{
	return family->nstacks > 1 ? &family->shared : &family->stacks[0];
}

/* family.lock, and what it guards mended if its last holder died inside. */
void family_enter(void);
void family_leave(void);

/*
 * Makes the arena, or does nothing when there is one. Called when the first descriptor is tracked;
 * any thread. Returns 0 or -ENOMEM, -EBUSY (address taken) or what memfd_create and mmap say; once
 * it has failed it keeps failing, quietly, and everything stays a kernel socket.
 */
int family_join(void);

/*
 * fork(2), in this order: family_fork_prepare() in the parent before (takes a slot for the child),
 * then family_fork_parent() or family_fork_child(). The child's descriptors are counted before it
 * runs: the parent's row is copied into the child's slot in prepare, so that no close in either
 * can drop the last reference early. pid -1 in _parent: the fork failed.
 */
void family_fork_prepare(void);
void family_fork_parent(pid_t child);
void family_fork_child(void);

/* Drops the references of members that are gone without a word (SIGKILL). Called by helpers. */
void family_reap(void);

/*
 * Our own descriptors (hide.c): moved high, close-on-exec, and hidden from the application's
 * close(). fd_hide() returns the new number; the old one is closed (on failure, too). -Exxx: none
 * left. fd_hide_private() is for those that a forked child must not share: it finds them closed.
 */
int fd_hide(int fd);
int fd_hide_private(int fd);
/* Likewise high and close-on-exec, but not hidden: for a vfork child, whose numbers say nothing
 * about its parent's, while all that is kept of them is the parent's. */
int fd_lift(int fd);
bool fd_is_hidden(int fd);
void fd_unhide_close(int fd); /* closes a hidden descriptor of ours */
/*
 * The application wants this number for itself (dup2): ours moves elsewhere. 0 or -Exxx. Whoever
 * holds the old number goes on using it and asks fd_hidden_at() for the one to give the kernel.
 */
int fd_hidden_yield(int fd);
int fd_hidden_at_slow(int fd);
extern _Atomic uint32_t fd_hidden_moved; /* how many have moved: almost always 0 */
static inline int fd_hidden_at(int fd)
{
	return __builtin_expect(fd_hidden_moved != 0, 0) ? fd_hidden_at_slow(fd) : fd;
}
/* In a forked child: closes the private ones. */
void fd_hidden_fork_child(void);
/* One that the image before left open for us: hidden from here on, and close-on-exec. */
void fd_hidden_adopt(int fd);

/*
 * exec(2), in shim/fd/exec.c. What another image of this library must agree with to share an arena
 * that this one made: the sizes of what lies in it.
 */
uint64_t family_layout(void);
/* The descriptor of the arena; -1: there is none. */
int family_arena_fd(void);
/* Says that this very process, and no child of it, is p's: for one that is about to exec. */
void family_slot_claim(struct proc *p);
/*
 * In a new image: joins the family whose arena is fd, in the place slot, which was made or entered
 * at since_ns. self: it was this process's before the exec already. 0, or -Exxx: there is no family
 * (the caller closes fd).
 */
int family_attach(int fd, uint32_t slot, uint64_t since_ns, bool self);
/* The row of this process made to say what its table says (fork.c). */
void family_row_check(void);

/* For fork.c: a slot in PROC_FORKING for a child, or NULL; and what makes a slot this process's. */
struct proc *family_slot_take(enum proc_state state);
void family_slot_own(struct proc *p);
/* Drops all references of a slot that the caller has put into PROC_LEAVING, and frees it. */
void family_slot_drop(struct proc *p);

/* In a forked child: another thread of the parent may have been in family_join(). */
void family_join_fork_child(void);
/* In a forked child that no slot was left for: this process has no family, and will have none. */
void family_disown(void);
/* Slots in use; more than 1: somebody may have to be reaped. No lock: a hint. */
uint32_t family_members(void);
/* Is one of them confined? Likewise. */
bool family_any_confined(void);
/* A hidden descriptor has moved: the lock that says we live is taken again if that dropped it. */
void family_fd_moved(void);

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);

#endif
