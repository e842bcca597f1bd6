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

#define FAMILY_BASE ((void *)0x300000000000ull)
#define FAMILY_ABI 1u
#define FAMILY_MEMFD_NAME "libshim" /* /proc/PID/fd shows "/memfd:libshim" */
#define FAMILY_PROCS 1024u
#define FAMILY_OFDS (1u << 20)
#define FAMILY_STACKS 16u

/* One process. */
struct proc {
	_Atomic pid_t pid;         /* 0: free slot */
	uint64_t start_time;       /* field 22 of /proc/PID/stat: tells a reused pid apart */
	char comm[16];
	uint16_t *ofd_refs;        /* FAMILY_OFDS counts (lazily filled): descriptors this process
				      holds of each description */
	uint64_t fdtab;            /* where, in its private memory, its fdtab is (0: none yet);
				      for shimstat, which reads it from outside */
	struct list waiters;       /* struct waiter.proc: its sleeping threads (family.lock) */
};

struct dev_state; /* shim/dev/dev.h */

/* A stack, its lock, and who looks after it. */
struct stackrec {
	struct shim_lock lock;
	struct stack *st;          /* NULL: not made yet */
	struct dev_state *dev;
	uint32_t idx;
	enum verdict verdict;      /* VERDICT_stack, or why nothing can be accelerated */
	_Atomic uint64_t attended_ns; /* when somebody last ran a turn */
	_Atomic uint32_t sleepers; /* threads asleep that will run a turn when a packet comes */
	struct shim_lock lease;    /* held by the one helper thread that looks after it */
	_Atomic uint32_t helper_word; /* futex: the helper sleeps on it while nothing is open */
	_Atomic uint32_t tx_since_kick; /* packets queued or put on a ring and not yet kicked */
	uint64_t turns;            /* turns run */
};

struct family {
	struct arena arena;        /* must be first */
	uint32_t abi;
	char version[16];
	pid_t founder;
	struct shim_lock lock;
	struct proc procs[FAMILY_PROCS];
	uint32_t nstacks;
	struct stackrec stacks[FAMILY_STACKS];
	struct ofd *ofds;          /* FAMILY_OFDS of them, lazily filled */
	_Atomic uint32_t ofds_used;/* high-water mark */
	uint32_t ofd_free;         /* free list head (index + 1), family.lock */
	struct pool epsets, epitems, waiters; /* family.lock */
	char iface[16];            /* attached interface, for the tools */
};

/* The family of this process, or NULL while there is none. */
extern struct family *family;
/* This process's slot; NULL while there is no family. */
extern struct proc *family_self;

/*
 * Makes the arena, or does nothing when there is one. Called when the first descriptor is tracked;
 * any thread. Returns 0 or -ENOMEM, -EBUSY (address taken) or what memfd_create and mmap say; once it
 * has failed it keeps failing, quietly, and everything stays a kernel socket.
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

/* Our own descriptors: moved high, close-on-exec, and hidden from the application's close(). */
int fd_hide(int fd);           /* returns the new number; the old one is closed. -Exxx: none left */
bool fd_is_hidden(int fd);
void fd_unhide_close(int fd);  /* closes a hidden descriptor of ours */
/* The application wants this number for itself (dup2): ours moves elsewhere. 0 or -Exxx. */
int fd_hidden_yield(int fd);

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);

#endif
