/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper thread: looks after a stack while nobody else does, so that ACKs, retransmissions,
 * keepalives and FINs keep their time while the application computes or waits for a disk. It must
 * never compete with an application that attends: it looks at two words of memory per tick, takes
 * the lock only by trylock, and turns only when nobody has for UNATTENDED_NS.
 *
 * One per process and stack, made when a socket is first accelerated, and in a forked child when it
 * first waits. Of all the processes of a family one holds the stack's lease; the others' helpers
 * are blocked on it and take over when that process ends.
 *
 * Its states: ticking (somebody attends, or output waits for a kick: every TICK_NS); in charge
 * (asleep on the devices, until the next timer; meanwhile others kick their own output), also when
 * somebody sleeps but packets have waited for long: the one whom they woke has not turned; parked
 * (a futex without timeout, or REAP_NS while there are other processes to look after): nothing is
 * open or in TIME-WAIT, or for PARK_TICKS somebody has been asleep on the devices and nothing has
 * happened. A thread that wakes from such a sleep unparks it (helper_unpark), and so does whoever
 * opens a socket, or leaves a timer behind that is due before all those that were known then: the
 * sleepers would not wake for it.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "shim/dev/dev.h"
#include "shim/fd/pass.h"
#include "shim/proc/log.h"
#include "shim/proc/sys.h"
#include "shim/proc/thread.h"
#include "shim/run/run.h"

#define TICK_NS 2000000ull       /* how late output that nobody kicks may be */
#define UNATTENDED_NS 2000000ull /* well below a delayed ACK's 40 ms and any RTO */
#define REAP_NS 1000000000ull
#define CHARGE_NS 50000000ull /* how late a timer may be that is armed while in charge */
#define PARK_TICKS 3
#define HELPER_STACK_BYTES (256 * 1024)
#define HELPER_DEV_FDS 64

static _Atomic uint32_t started[FAMILY_STACKS]; /* this process has a helper for it */

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = {(time_t)(ns / 1000000000ull), (long)(ns % 1000000000ull)};

	sys_nanosleep(&ts, NULL);
}

void helper_unpark(struct stackrec *sr)
{
	if (likely(atomic_load(&sr->helper_word) != HELPER_PARKED))
		return;
	if (atomic_exchange(&sr->helper_word, HELPER_AWAKE) == HELPER_PARKED)
		sys_futex(&sr->helper_word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static bool tx_waits(struct stackrec *sr)
{
	return txq_used(stack_txq(sr->st)) || dev_tx_pending(sr);
}

/* Nothing that could need anybody: no socket, nothing left to deliver, nothing that packets are
 * steered here for: whose SYN finds its last connection in TIME-WAIT must not wait for its end. */
static bool idle(struct stackrec *sr)
{
	return !stack_open_count(sr->st) && !stack_draining_count(sr->st) &&
	       !stack_remains(sr->st) && !tx_waits(sr);
}

static bool may_park(struct stackrec *sr)
{
	return idle(sr) || (atomic_load(&sr->sleepers) && !tx_waits(sr) && !dev_rx_pending(sr));
}

/* A timer that nobody has run in time: the sleepers went by older ones. */
static bool overdue(struct stackrec *sr, uint64_t now)
{
	return stack_next_ns(sr->st) <= now - UNATTENDED_NS;
}

static void park(struct stackrec *sr)
{
	uint64_t now = now_ns(), until = stack_next_ns(sr->st), left = UINT64_MAX;
	struct timespec ts;

	atomic_store(&sr->helper_until, until);
	atomic_store(&sr->helper_word, HELPER_PARKED);
	if (until != UINT64_MAX) /* the sleepers' first */
		left = (until > now ? until - now : 0) + UNATTENDED_NS;
	if (left > REAP_NS && (family_members() > 1 || atomic_load(&family->flights)))
		left = REAP_NS;
	ts = (struct timespec){(time_t)(left / 1000000000ull), (long)(left % 1000000000ull)};
	/* Asked again: whoever comes from here on sees PARKED. */
	if (may_park(sr) && stack_next_ns(sr->st) >= until)
		sys_futex(&sr->helper_word, FUTEX_WAIT, HELPER_PARKED,
			  left != UINT64_MAX ? &ts : NULL, NULL, 0);
	atomic_store(&sr->helper_word, HELPER_AWAKE);
	atomic_store(&sr->helper_until, 0);
}

/* Nobody attends: turn, then sleep until a packet or a timer, or somebody may be back. */
static void take_charge(struct stackrec *sr, uint64_t now)
{
	struct pollfd fds[HELPER_DEV_FDS];
	int dev[HELPER_DEV_FDS], n;
	struct timespec ts = {0, 0};
	uint64_t next;

	atomic_store(&sr->helper_word, HELPER_IN_CHARGE);
	/* Somebody is inside and has been preempted there, or a ring has no room: both take a
	 * while. */
	if (run_turn_helper(sr) < 0 || tx_waits(sr)) {
		sleep_ns(TICK_NS);
		goto out;
	}
	next = stack_next_ns(sr->st);
	if (next <= now || dev_rx_pending(sr))
		goto out;
	if (sr->loopback && next - now > TICK_NS) /* no descriptor tells of its packets */
		next = now + TICK_NS;
	else if (next - now > TICK_NS && family_any_confined()) /* nor can it poke us */
		next = now + TICK_NS;
	else if (next - now > CHARGE_NS)
		next = now + CHARGE_NS;
	ts.tv_sec = (time_t)((next - now) / 1000000000ull);
	ts.tv_nsec = (long)((next - now) % 1000000000ull);
	n = dev_fds(sr, dev, HELPER_DEV_FDS);
	for (int i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = fd_hidden_at(dev[i]), .events = POLLIN};
	sys_ppoll(fds, (nfds_t)n, &ts, NULL);
out:
	atomic_store(&sr->helper_word, HELPER_AWAKE);
}

static void look_after(struct stackrec *sr)
{
	uint64_t now, attended, reaped = 0, turns = 0;
	unsigned quiet = 0;

	/* Whose lease this was may have ended in any state. */
	atomic_store(&sr->helper_until, 0);
	atomic_store(&sr->helper_word, HELPER_AWAKE);
	for (;;) {
		now = now_ns();
		if (now - reaped >= REAP_NS) {
			reaped = now;
			if (family_members() > 1)
				family_reap();
			pass_reap();
		}
		if (unlikely(atomic_load_explicit(&family->relay, memory_order_relaxed)) &&
		    atomic_exchange(&family->relay, false))
			waiters_poke_marked();
		attended = atomic_load_explicit(&sr->attended_ns, memory_order_relaxed);
		quiet = sr->turns == turns && may_park(sr) ? quiet + 1 : 0;
		turns = sr->turns;
		if ((idle(sr) || quiet >= PARK_TICKS) && !overdue(sr, now)) {
			park(sr);
			quiet = 0;
		} else if (now > attended + UNATTENDED_NS &&
			   (!atomic_load(&sr->sleepers) || dev_rx_pending(sr) ||
			    overdue(sr, now))) {
			take_charge(sr, now);
			turns = sr->turns;
		} else {
			if ((sr->unkicked_ns && now > sr->unkicked_ns + TICK_NS / 2) ||
			    dev_tx_pending(sr))
				run_turn_helper(sr);
			sleep_ns(TICK_NS);
		}
	}
}

static void *helper_main(void *arg)
{
	struct stackrec *sr = arg;

	thread_self.internal = 1;
	prctl(PR_SET_NAME, "libshim");
	lock_acquire_patiently(&sr->lease);
	look_after(sr);
	return NULL;
}

void helper_ensure(struct stackrec *sr)
{
	helper_start(sr);
	helper_unpark(sr);
}

void helper_start(struct stackrec *sr)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t t;
	int err;

	if (likely(started[sr->idx]) || !sr->st || thread_is_confined() ||
	    atomic_exchange(&started[sr->idx], 1))
		return;
	thread_enter();
	/* pthread_sigmask leaves libc's own signals (setxid, cancellation) open, as it must. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, HELPER_STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&t, &attr, helper_main, sr);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	thread_leave();
	if (err) {
		uint32_t word = HELPER_AWAKE;

		/* Unless another process has one nobody comes by: whoever has output kicks it. */
		atomic_compare_exchange_strong(&sr->helper_word, &word, HELPER_IN_CHARGE);
		log_warn("no helper thread (error %d): timers run only while the program waits",
			 err);
	}
}

void helper_fork_child(void)
{
	for (uint32_t i = 0; i < FAMILY_STACKS; i++)
		started[i] = 0;
}
