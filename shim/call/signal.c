/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signal handlers behind a trampoline (signal.h says why).
 *
 * Theory of operation. The kernel's action for a signal with a handler is the trampoline, with the
 * application's mask and flags; slots[] has the application's handler and those flags that differ:
 * SA_SIGINFO is always on below (handlers of one argument ignore the others), SA_RESETHAND always
 * off, because a handler that is put off must still be there when its time comes; the trampoline
 * does the resetting.
 *
 * Putting off. The kernel has begun a delivery; it must be undone and repeated later, with its
 * siginfo. The trampoline keeps the siginfo in the thread's record and makes the return from the
 * signal block everything that could be put off, in the mask that sigreturn restores. So there is
 * one at a time, further ones wait in the kernel, in their order, and nothing needs a bound of
 * ours. When the thread leaves the shim, the kept one is queued to the thread itself and the mask
 * put back: the kernel delivers anew, with the mask, stack and context as of then. A thread's own
 * queue goes before the process's, and real-time signals of the same number that the thread already
 * has are taken out and queued again behind it, REQUEUE_MAX at most.
 *
 * Faults of the code itself (SIGSEGV ... with a code of the kernel's) cannot wait: the instruction
 * would only fault again. They run at once; those of a touch of the application's memory (user.h)
 * are none of its handler's business. For their sake SIG_DFL of SIGSEGV and SIGBUS is the
 * trampoline, too, once there are sockets (signal_guard()): it puts the default back and lets it
 * happen.
 *
 * Never here: malloc, a lock with signals open, errno, an interposed name.
 */
#include "shim/call/signal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "shim/call/libc.h"
#include "shim/proc/sys.h"
#include "shim/proc/thread.h"
#include "shim/proc/user.h"
#include "shim/run/run.h"
#include "stack/assert.h"

#define SIG_COUNT 65 /* 1 to 64 on every Linux we build for (MIPS has more) */
#define REQUEUE_MAX 32
#define SIG_RESTORER 0x04000000 /* libc's, in the flags of every action that it has set (x86) */

/* The kernel's set: bit sig - 1. The first word of a sigset_t is the same. */
#define SIG_BIT(sig) (1ull << ((sig)-1))
#define SIG_FAULTS                                                                \
	(SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGFPE) | SIG_BIT(SIGILL) | \
	 SIG_BIT(SIGTRAP) | SIG_BIT(SIGSYS))
/* libc's own, for cancellation and setuid: never blocked, never ours. */
#define SIG_LIBC (SIG_BIT(32) | SIG_BIT(33))

typedef void sig_handler(int sig, siginfo_t *info, void *context);

/* What the application asked for, where the kernel's action differs. Written under slots_lock. */
struct sig_slot {
	_Atomic(sig_handler *) handler;
	_Atomic int flags;
	_Atomic bool reset; /* SA_RESETHAND has done its work: the kernel's action is SIG_DFL */
};

static struct sig_slot slots[SIG_COUNT];
static uint64_t interrupts; /* siginterrupt(3) */
static uint64_t guarded;    /* SIG_DFL, too, is the trampoline; written under slots_lock */

/* Held with every signal blocked, so that no handler can want it in the holder's thread. */
static atomic_flag slots_lock = ATOMIC_FLAG_INIT;

static uint64_t slots_acquire(void)
{
	uint64_t all = ~SIG_LIBC, mask;

	sys_rt_sigprocmask(SIG_BLOCK, &all, &mask);
	while (atomic_flag_test_and_set_explicit(&slots_lock, memory_order_acquire))
		sys_call(SYS_sched_yield);
	return mask;
}

static void slots_release(uint64_t mask)
{
	atomic_flag_clear_explicit(&slots_lock, memory_order_release);
	sys_rt_sigprocmask(SIG_SETMASK, &mask, NULL);
}

void signal_fork_child(void)
{
	atomic_flag_clear(&slots_lock);
}

/* ---- delivery ------------------------------------------------------------------------------- */

static uint64_t *context_mask(void *context)
{
	return (uint64_t *)&((ucontext_t *)context)->uc_sigmask;
}

/* Raised by the instruction at hand, not sent by kill or the like. */
static bool signal_is_fault(int sig, const siginfo_t *info)
{
	return (SIG_FAULTS & SIG_BIT(sig)) && info->si_code > 0;
}

static void signal_queue_self(int sig, const siginfo_t *info)
{
	pid_t pid = sys_getpid(), tid = sys_gettid();

	/* The queue can be full (RLIMIT_SIGPENDING), for we have just left our place in it: then
	 * without what came along. */
	if (sys_rt_tgsigqueueinfo(pid, tid, sig, info) < 0)
		sys_tgkill(pid, tid, sig);
}

static void signal_put_off(int sig, siginfo_t *info, void *context)
{
	struct thread *t = &thread_self;
	uint64_t *mask = context_mask(context), all = ~(SIG_FAULTS | SIG_LIBC), one = SIG_BIT(sig);

	if (!t->put_off) {
		t->put_off_mask = t->waits_masked ? t->wait_outer : *mask;
		t->put_off_masked = t->waits_masked;
		t->put_off_info = *info;
		t->put_off_info.si_signo = sig;
		t->put_off = 1;
	} else {
		/*
		 * Several became due at once: the kernel has laid one frame on another, and this is
		 * one below that which put the first off. The mask to put back is the lowest one's:
		 * those above have what it would block added. Or it is a fault's signal sent by
		 * kill, which is not blocked meanwhile; then the mask here has ours added.
		 */
		if (!t->put_off_masked)
			t->put_off_mask &= *mask;
		sys_rt_sigprocmask(SIG_BLOCK, &one, NULL);
		signal_queue_self(sig, info);
	}
	*mask |= all | one;
}

void thread_deliver_put_off(void)
{
	struct thread *t = &thread_self;
	uint64_t mask = t->put_off_mask, wait_mask = t->wait_mask, outer, one;
	bool masked = t->put_off_masked;
	struct timespec zero = {0, 0};
	siginfo_t info = t->put_off_info, behind[REQUEUE_MAX];
	const struct timespec now = {0, 0};
	int sig = info.si_signo, n = 0;

	one = SIG_BIT(sig);
	sys_rt_sigprocmask(SIG_BLOCK, &one, NULL);
	t->put_off = t->put_off_masked = 0;
	if (sig >= SIGRTMIN)
		while (n < REQUEUE_MAX && sys_call(SYS_rt_sigtimedwait, &one, &behind[n], &now,
						   SYS_SIGSET_BYTES) == sig)
			n++;
	signal_queue_self(sig, &info);
	for (int i = 0; i < n; i++)
		signal_queue_self(sig, &behind[i]);
	if (masked) { /* it may be blocked but for such a wait: an empty one lets it in */
		outer = mask | one;
		sys_rt_sigprocmask(SIG_SETMASK, &outer, NULL);
		sys_ppoll(NULL, 0, &zero, (const sigset_t *)&wait_mask);
	}
	sys_rt_sigprocmask(SIG_SETMASK, &mask, NULL);
}

/*
 * SA_RESETHAND: the first delivery takes the handler, and the action is the default from then on.
 * False: another thread was first; the default action is due, as soon as this handler returns.
 */
static bool signal_take_once(int sig, struct sig_slot *s, const siginfo_t *info)
{
	struct sigaction act;

	if (atomic_exchange(&s->reset, true)) {
		uint64_t one = SIG_BIT(sig);

		sys_rt_sigprocmask(SIG_BLOCK, &one, NULL);
		signal_queue_self(sig, info);
		return false;
	}
	libc.sigaction(sig, NULL, &act);
	act.sa_handler = SIG_DFL;
	libc.sigaction(sig, &act, NULL);
	return true;
}

/* A guarded signal with the default action: as soon as this handler returns, it is the kernel's.
 * The instruction that faulted faults again; what somebody sent is sent again. */
static void signal_default(int sig, const siginfo_t *info)
{
	struct sigaction act = {.sa_handler = SIG_DFL};
	uint64_t one = SIG_BIT(sig);

	libc.sigaction(sig, &act, NULL);
	if (signal_is_fault(sig, info))
		return;
	sys_rt_sigprocmask(SIG_BLOCK, &one, NULL);
	signal_queue_self(sig, info);
}

void signal_io_code(siginfo_t *info)
{
	if (likely(info->si_code != SI_SIGIO))
		return;
	info->si_code = info->si_band & POLLIN    ? POLL_IN
			: info->si_band & POLLOUT ? POLL_OUT
			: info->si_band & POLLHUP ? POLL_HUP
						  : POLL_ERR;
}

/* What the kernel calls. The handler is called last, so that its frame takes the place of ours. */
static void signal_trampoline(int sig, siginfo_t *info, void *context)
{
	struct sig_slot *s = &slots[sig];
	int flags = atomic_load_explicit(&s->flags, memory_order_relaxed);
	sig_handler *handler;
	int saved = errno;

	if (unlikely(signal_is_fault(sig, info)) && user_fault(context))
		return;
	if (likely(!thread_self.in_vfork)) {
		if (thread_self.depth > 0 && !signal_is_fault(sig, info)) {
			thread_self.sig_restarts = !!(flags & SA_RESTART);
			signal_put_off(sig, info, context);
			if (thread_self.waiter)
				waiter_wake(thread_self.waiter);
			errno = saved;
			return;
		}
		thread_self.sig_restarts = !!(flags & SA_RESTART);
		atomic_fetch_add_explicit(&thread_self.nsigs, 1, memory_order_relaxed);
		if (thread_self.waiter)
			waiter_wake(thread_self.waiter);
	}
	signal_io_code(info);
	if (unlikely(flags & SA_RESETHAND) && !signal_take_once(sig, s, info)) {
		errno = saved;
		return;
	}
	handler = atomic_load_explicit(&s->handler, memory_order_relaxed);
	if (unlikely(!handler))
		signal_default(sig, info);
	errno = saved;
	if (likely(handler))
		handler(sig, info, context);
}

/* ---- actions -------------------------------------------------------------------------------- */

static bool action_has_handler(const struct sigaction *act)
{
	return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN &&
	       act->sa_handler != SIG_HOLD;
}

/* The kernel's action is to be the trampoline. */
static bool action_is_ours(int sig, const struct sigaction *act)
{
	return action_has_handler(act) || (act->sa_handler == SIG_DFL && (guarded & SIG_BIT(sig)));
}

/* The kernel's action, as the application knows it. */
static void action_translate(const struct sig_slot *s, struct sigaction *act)
{
	const int differ = SA_SIGINFO | SA_RESETHAND;
	int flags = atomic_load(&s->flags);

	if (act->sa_sigaction == signal_trampoline) {
		act->sa_sigaction = atomic_load(&s->handler);
		if (!act->sa_sigaction && !flags) /* as it was before signal_guard() */
			act->sa_flags &= ~SIG_RESTORER;
	} else if (act->sa_handler != SIG_DFL || !atomic_load(&s->reset)) {
		return;
	}
	act->sa_flags = (act->sa_flags & ~differ) | (flags & differ);
}

static int libc_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	int saved = errno, err;

	if (libc.sigaction(sig, act, old) == 0)
		return 0;
	err = errno;
	errno = saved;
	return -err;
}

/* In a vfork child slots[] is the parent's, and only looked at: a handler is set as it is. */
static int action_in_vfork(int sig, const struct sigaction *act, struct sigaction *old)
{
	int ret = libc_sigaction(sig, act, old);

	if (ret == 0 && old)
		action_translate(&slots[sig], old);
	return ret;
}

int signal_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction below, was;
	struct sig_slot *s;
	sig_handler *handler;
	uint64_t mask;
	int flags, ret;
	bool reset;

	if (sig <= 0 || sig >= SIG_COUNT)
		return -EINVAL;
	s = &slots[sig];
	if (thread_self.in_vfork)
		return action_in_vfork(sig, act, old);
	if (act)
		below = *act; /* a bad pointer faults here, with nothing held */
	mask = slots_acquire();
	handler = atomic_load(&s->handler);
	flags = atomic_load(&s->flags);
	reset = atomic_load(&s->reset);
	if (act && action_is_ours(sig, act)) {
		ret = libc_sigaction(sig, NULL, &was);
		if (ret == 0) {
			action_translate(s, &was);
			/* From here on a delivery may run the new handler with the old mask: as
			 * well as if it had come a moment later. */
			atomic_store(&s->flags, below.sa_flags);
			atomic_store(&s->handler, below.sa_sigaction);
			atomic_store(&s->reset, false);
			below.sa_sigaction = signal_trampoline;
			below.sa_flags = (below.sa_flags | SA_SIGINFO) & ~SA_RESETHAND;
			ret = libc_sigaction(sig, &below, NULL);
		}
		if (ret < 0) {
			atomic_store(&s->flags, flags);
			atomic_store(&s->handler, handler);
			atomic_store(&s->reset, reset);
		}
	} else {
		ret = libc_sigaction(sig, act ? &below : NULL, &was);
		if (ret == 0)
			action_translate(s, &was);
		if (ret == 0 && act)
			atomic_store(&s->reset, false);
	}
	slots_release(mask);
	if (ret == 0 && old)
		*old = was;
	return ret;
}

void signal_guard(void)
{
	static const int guard[] = {SIGSEGV, SIGBUS};
	uint64_t mask;

	if (likely(__atomic_load_n(&guarded, __ATOMIC_ACQUIRE)))
		return;
	mask = slots_acquire();
	for (unsigned i = 0; i < sizeof(guard) / sizeof(*guard) && !guarded; i++) {
		struct sig_slot *s = &slots[guard[i]];
		struct sigaction act;

		if (libc_sigaction(guard[i], NULL, &act) < 0 || act.sa_handler != SIG_DFL)
			continue;
		atomic_store(&s->flags, act.sa_flags);
		atomic_store(&s->handler, NULL);
		atomic_store(&s->reset, false);
		act.sa_sigaction = signal_trampoline;
		act.sa_flags = (act.sa_flags | SA_SIGINFO) & ~SA_RESETHAND;
		libc_sigaction(guard[i], &act, NULL);
	}
	__atomic_store_n(&guarded, SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS), __ATOMIC_RELEASE);
	slots_release(mask);
}

int signal_install(int sig, sighandler_t handler, int flags, bool mask_self, sighandler_t *old)
{
	struct sigaction act, was;
	int ret;

	if (handler == SIG_ERR || sig <= 0 || sig >= SIG_COUNT)
		return -EINVAL;
	memset(&act, 0, sizeof(act));
	act.sa_handler = handler;
	act.sa_flags = flags;
	if (mask_self)
		sigaddset(&act.sa_mask, sig);
	ret = signal_action(sig, &act, &was);
	if (ret == 0)
		*old = was.sa_handler;
	return ret;
}

void signal_interrupts_set(int sig, bool on)
{
	if (on)
		__atomic_or_fetch(&interrupts, SIG_BIT(sig), __ATOMIC_RELAXED);
	else
		__atomic_and_fetch(&interrupts, ~SIG_BIT(sig), __ATOMIC_RELAXED);
}

bool signal_interrupts(int sig)
{
	return sig > 0 && sig < SIG_COUNT &&
	       (__atomic_load_n(&interrupts, __ATOMIC_RELAXED) & SIG_BIT(sig));
}
