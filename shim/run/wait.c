/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a thread waits: a turn, a spin, a sleep. Decides when spinning is worth it and makes sure
 * that a sleeper is woken. Must never sleep with a lock held, lose a wake-up, or return too early
 * from a deadline without saying so.
 *
 * No wake-up is lost: a waker first makes the thing true that the sleeper waits for, then looks at
 * the waiter's state; a sleeper first says SLEEPING, then sleeps in a wait that a datagram to it
 * ends. What became true before SLEEPING was said is found by the token: a waker that meets AWAKE
 * leaves WOKEN behind, and the next wait_sleep() takes that in place of sleeping. Between the
 * caller's look and its sleep there is thus no gap, whichever of the two comes first. Tokens may be
 * stale; then a caller looks once more than it had to.
 *
 * Signals: the handlers' trampoline counts (thread_self.nsigs) and wakes its own thread's waiter,
 * so that a handler that runs between the look and the sleep ends the sleep as one that runs in it
 * does.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim/dev/dev.h"
#include "shim/fd/epoll.h"
#include "shim/proc/knobs.h"
#include "shim/proc/sys.h"
#include "shim/proc/thread.h"
#include "shim/run/run.h"

#define WAIT_DEV_FDS 64
#define WAIT_STACK_FDS 192          /* more than that is put in memory of its own */
#define WAIT_STUCK_NS 1000000ull    /* output that no ring has room for is tried again after this */
#define WAIT_BLIND_NS 1000000ull    /* without a waiter: look again after this */
#define WAIT_CONFINED_NS 2000000ull /* how often a confined thread looks at the kernel's side */
#define WAIT_APART_NS 10000000ull   /* among those who can't all wake one another, likewise */
#define SPIN_SLICE_NS 20000ull      /* two looks at the clock this far apart: somebody else ran */
#define SPIN_WAKE_NS 60000ull       /* what a wake-up from sleep adds to the wait it ends */
#define SPIN_SCORE_MAX 16
#define SPIN_SCORE_MIN_PAYS 5

/* Whether spinning pays for this thread: up when an event came within the bound, down when not. */
static __thread int spin_score __attribute__((tls_model("initial-exec"))) = 8;
static __thread struct waiter *wake_later __attribute__((tls_model("initial-exec")));

static pthread_key_t exit_key;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;

/* ---- waiters -------------------------------------------------------------------------------- */

static void waiter_free(struct waiter *w)
{
	family_enter();
	list_del(&w->proc);
	w->pid = 0;
	pool_put(&family->waiters, w);
	family_leave();
}

static void waiter_exit(void *arg)
{
	struct waiter *w = arg;

	if (thread_self.waiter != w || !family)
		return;
	thread_self.waiter = NULL;
	if (w->wakefd >= 0)
		fd_unhide_close(w->wakefd);
	gate_close(&w->gate);
	attend_end(w);
	waiter_free(w);
}

static void exit_key_make(void)
{
	pthread_key_create(&exit_key, waiter_exit);
}

/* A process that has left the network namespace of the others is noted (unshare(2), setns(2)). */
static void netns_note(int fd)
{
	uint64_t cookie = 0, first = 0;
	socklen_t len = sizeof(cookie);

	if (sys_getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		return; /* before Linux 5.14 */
	if (!atomic_compare_exchange_strong(&family->netns, &first, cookie) && first != cookie)
		atomic_store(&family->netns_many, true);
}

/* A datagram socket with a name that the kernel makes up (unix(7), autobind); hidden. */
static int wake_socket(uint64_t *name, uint8_t *name_len)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sun);
	int fd = sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return fd;
	ret = sys_bind(fd, (struct sockaddr *)&sun, sizeof(sa_family_t));
	if (ret == 0)
		ret = sys_getsockname(fd, (struct sockaddr *)&sun, &len);
	if (ret == 0 && (len <= sizeof(sa_family_t) || len - sizeof(sa_family_t) > 8))
		ret = -ENAMETOOLONG;
	if (ret < 0) {
		sys_close(fd);
		return ret;
	}
	*name_len = (uint8_t)(len - sizeof(sa_family_t));
	*name = 0;
	memcpy(name, sun.sun_path, *name_len);
	netns_note(fd);
	return fd_hide_private(fd);
}

static struct waiter *waiter_new(void)
{
	struct waiter *w;
	bool by_futex = thread_is_confined();
	uint8_t name_len = 0;
	uint64_t name = 0;
	int fd = by_futex ? -1 : wake_socket(&name, &name_len);

	if (fd < 0 && !by_futex)
		return NULL;
	family_enter();
	w = pool_get(&family->waiters);
	if (w) {
		if (!w->known) {
			w->all = family->waiter_all;
			w->known = true;
			family->waiter_all = w;
		}
		w->state = WAITER_AWAKE;
		w->pid = family_self->pid;
		w->by_futex = by_futex;
		w->wakefd = fd;
		w->name_len = name_len;
		w->name = name;
		w->covers = 0;
		w->own1 = 0;
		w->attends = 0;
		w->set = NULL;
		w->gate = (struct gate){.fd = -1, .door = -1, .app = -1};
		list_init(&w->watches);
		list_init(&w->on_set);
		list_push_back(&family_self->waiters, &w->proc);
	}
	family_leave();
	if (!w && fd >= 0)
		fd_unhide_close(fd);
	return w;
}

struct waiter *waiter_self(void)
{
	struct waiter *w = thread_self.waiter;

	if (likely(w)) {
		if (thread_is_confined())
			w->by_futex = true;
		return w;
	}
	if (!family || !family_self)
		return NULL;
	thread_enter();
	pthread_once(&exit_key_once, exit_key_make);
	w = waiter_new();
	thread_self.waiter = w;
	if (w)
		pthread_setspecific(exit_key, w);
	thread_leave();
	return w;
}

/* By a confined thread: the helper does it, which is of another thread or process. */
static void waiter_relay(void)
{
	atomic_store(&family->relay, true);
	for (uint32_t i = 0; i < family->nstacks; i++)
		helper_unpark(&family->stacks[i]);
}

static void waiter_poke(struct waiter *w)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const struct waiter *self = waiter_self();
	uint64_t name = w->name;
	uint8_t name_len = w->name_len;
	char byte = 0;

	if (unlikely(w->by_futex)) {
		sys_futex(&w->state, FUTEX_WAKE, 1, NULL, NULL, 0);
		return;
	}
	if (thread_is_confined()) {
		waiter_relay();
		return;
	}
	/* Without a socket of our own to send from (no descriptor is left) the sleeper's will do;
	 * in another process, its timeout is what is left. */
	if (!self && w->pid == sys_getpid())
		self = w;
	if (!self || self->wakefd < 0)
		return;
	memcpy(sun.sun_path, &name, name_len);
	/* -EAGAIN: its queue is full of wake-ups. -ECONNREFUSED: it is gone. */
	sys_sendto(fd_hidden_at(self->wakefd), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&sun, (socklen_t)(sizeof(sa_family_t) + name_len));
}

/* True when it was asleep and is to be poked. */
static bool waiter_mark(struct waiter *w)
{
	uint32_t state = atomic_load(&w->state);

	while (state != WAITER_WOKEN)
		if (atomic_compare_exchange_weak(&w->state, &state, WAITER_WOKEN))
			return state == WAITER_SLEEPING;
	return false;
}

void waiter_wake(struct waiter *w)
{
	if (w && waiter_mark(w))
		waiter_poke(w);
}

void waiter_wake_later(struct waiter *w)
{
	if (!waiter_mark(w))
		return;
	/* It may have woken by itself and slept again while another thread still has it on its
	 * chain: that one will poke it, unless it was killed. */
	if (unlikely(atomic_exchange(&w->queued, true))) {
		waiter_poke(w);
		return;
	}
	w->later = wake_later;
	wake_later = w;
}

void waiter_wake_flush(void)
{
	if (likely(!wake_later))
		return;
	thread_enter(); /* a handler would flush the same chain */
	while (wake_later) {
		struct waiter *w = wake_later;

		wake_later = w->later;
		atomic_store(&w->queued, false);
		waiter_poke(w);
	}
	thread_leave();
}

void waiters_wake_all(void)
{
	for (struct waiter *w = family->waiter_all; w; w = w->all)
		if (w->pid)
			waiter_wake_later(w);
}

void waiters_poke_marked(void)
{
	for (struct waiter *w = family->waiter_all; w; w = w->all)
		if (w->pid && atomic_load(&w->state) == WAITER_WOKEN)
			waiter_poke(w);
}

/* Counts w out as a sleeper on these stacks. */
static void uncover(struct waiter *w, uint32_t mask)
{
	if (w)
		w->covers = 0;
	for (uint32_t i = 0; mask; i++, mask >>= 1)
		if (mask & 1)
			atomic_fetch_sub(&family->stacks[i].sleepers, 1);
}

void waiters_drop(struct proc *p)
{
	while (p->waiters.next && !list_empty(&p->waiters)) {
		struct waiter *w = list_first(&p->waiters, struct waiter, proc);

		while (!list_empty(&w->watches)) {
			struct waiter_watch *ww = list_first(&w->watches, struct waiter_watch, own);
			struct stackrec *home = ww->home;

			run_enter(home);
			watch_del(ww);
			run_leave(home, RUN_LATER);
		}
		epoll_waiter_leave(w);
		uncover(w, w->covers);
		attend_end(w);
		waiter_free(w);
	}
}

/* ---- sleeping ------------------------------------------------------------------------------- */

struct sleep {
	struct waiter *w;
	struct timespec *ts;
	const sigset_t *sigmask;
	struct pollfd small[WAIT_STACK_FDS];
	struct pollfd *fds;
	size_t bytes; /* of fds, when it is not small */
	unsigned n;
	unsigned dev, ndev;
	uint32_t stacks; /* those slept on, a bit each */
	int wake;        /* index, or -1 */
	bool gate;       /* nothing of the above: on the thread's gate */
	bool futex;      /* nor on that: on w's state */
	int events;      /* GATE_* */
};

static void sleep_add(struct sleep *s, int fd)
{
	s->fds[s->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* The stacks that sr stands for, as far as they are there. */
static uint32_t sleep_stacks(const struct stackrec *sr)
{
	uint32_t all = sr ? attend_mask(sr) : 0, mask = 0;

	for (uint32_t i = 0; all >> i; i++)
		if ((all >> i & 1) && family->stacks[i].st)
			mask |= 1u << i;
	return mask;
}

/* All but the array of descriptors, which is large. */
static void sleep_init(struct sleep *s, uint32_t stacks, struct waiter *w, const sigset_t *sigmask)
{
	s->stacks = stacks;
	s->w = w;
	s->ts = NULL;
	s->sigmask = sigmask;
	s->bytes = 0;
	s->gate = false;
	s->futex = false;
	s->events = 0;
}

static int sleep_fill(struct sleep *s, const struct pollfd *kfds, unsigned nkfds)
{
	unsigned room = nkfds + 2 + (unsigned)__builtin_popcount(s->stacks) * WAIT_DEV_FDS;
	const struct waiter *w = s->w;
	int dev[WAIT_DEV_FDS], door;

	s->fds = s->small;
	if (room > WAIT_STACK_FDS) {
		s->bytes = room * sizeof(*s->fds);
		s->fds = sys_mmap(NULL, s->bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (sys_is_err(s->fds))
			return -ENOMEM;
	}
	if (nkfds)
		memcpy(s->fds, kfds, nkfds * sizeof(*kfds));
	s->n = nkfds;
	s->dev = s->n;
	s->ndev = 0;
	s->wake = -1;
	for (uint32_t k = 0; s->stacks >> k; k++) {
		int n = s->stacks >> k & 1 ? dev_fds(&family->stacks[k], dev, WAIT_DEV_FDS) : 0;

		for (int i = 0; i < n; i++, s->ndev++)
			sleep_add(s, fd_hidden_at(dev[i]));
	}
	door = s->stacks ? door_fd() : -1;
	if (door >= 0)
		sleep_add(s, door);
	if (w) {
		s->wake = (int)s->n;
		sleep_add(s, fd_hidden_at(w->wakefd));
	}
	return 0;
}

/* Until when to sleep at the latest, for the stacks' sake or the caller's. */
static uint64_t sleep_until(uint32_t stacks, const struct waiter *w, uint64_t deadline,
			    uint64_t now)
{
	if (!w && deadline > now + WAIT_BLIND_NS)
		deadline = now + WAIT_BLIND_NS;
	if (unlikely(family->netns_many) && deadline > now + WAIT_APART_NS)
		deadline = now + WAIT_APART_NS;
	for (uint32_t i = 0; stacks; i++, stacks >>= 1) {
		struct stackrec *sr = &family->stacks[i];
		uint64_t next;

		if (!(stacks & 1))
			continue;
		next = stack_next_ns(sr->st);
		if (next < deadline)
			deadline = next;
		if ((txq_used(stack_txq(sr->st)) || dev_tx_pending(sr)) &&
		    deadline > now + WAIT_STUCK_NS)
			deadline = now + WAIT_STUCK_NS;
		/* What came while we were not yet counted as a sleeper must not wait for the next
		 * one. */
		if (dev_rx_pending(sr))
			deadline = now;
	}
	return deadline;
}

/* A wait that a filter forbids, or that lacks memory, must not become a loop that burns a
 * processor. */
static int sleep_failed(int ret)
{
	struct timespec blind = {0, WAIT_BLIND_NS};

	if (ret >= 0 || ret == -EINTR)
		return ret < 0 ? ret : 0;
	return sys_nanosleep(&blind, NULL) == -EINTR ? -EINTR : 0;
}

/* Who wakes us changes the state first. A mask can't be in force atomically, nor need it be: a
 * handler that runs before the sleep changes the state, too. */
static long sleep_futex(const struct sleep *s)
{
	static _Atomic uint32_t never;
	uint64_t outer;
	long ret;

	if (s->sigmask)
		sys_rt_sigprocmask(SIG_SETMASK, s->sigmask, &outer);
	ret = sys_futex(s->w ? &s->w->state : &never, FUTEX_WAIT, s->w ? WAITER_SLEEPING : 0, s->ts,
			NULL, 0);
	if (s->sigmask && !thread_self.put_off)
		sys_rt_sigprocmask(SIG_SETMASK, &outer, NULL);
	return ret == -EINTR ? ret : 0;
}

static long sleep_call(void *arg)
{
	struct sleep *s = arg;

	if (unlikely(s->futex))
		return sleep_futex(s);
	return s->gate ? gate_sleep(s->w, s->ts, s->sigmask)
		       : sys_ppoll(s->fds, s->n, s->ts, s->sigmask);
}

/* The wait itself. 0, or -EINTR. */
static int sleep_wait(struct sleep *s)
{
	int ret;

	thread_wait_begin(s->sigmask);
	ret = (int)thread_block(sleep_call, s);
	thread_wait_end();
	if (s->gate) {
		s->events = ret > 0 ? ret : 0;
		return sleep_failed(ret);
	}
	if (ret > 0 && s->wake >= 0 && (s->fds[s->wake].revents & POLLIN))
		s->events |= GATE_WOKEN;
	for (unsigned i = 0; ret > 0 && i < s->ndev; i++)
		if (s->fds[s->dev + i].revents)
			s->events |= GATE_DEVICE;
	return sleep_failed(ret);
}

static void sleep_uncount(const struct sleep *s)
{
	uint64_t now = now_ns();

	uncover(s->w, s->stacks);
	for (uint32_t i = 0; s->stacks >> i; i++) {
		if (!(s->stacks >> i & 1))
			continue;
		atomic_store_explicit(&family->stacks[i].attended_ns, now, memory_order_relaxed);
		helper_unpark(&family->stacks[i]);
	}
}

/* Cancelled asleep. */
static void sleep_undo(void *arg)
{
	struct sleep *s = arg;

	sleep_uncount(s);
	if (s->w)
		atomic_store(&s->w->state, WAITER_AWAKE);
	if (s->bytes)
		sys_munmap(s->fds, s->bytes);
}

/* Accounts for the sleep. 0 or -EINTR; what woke it is in s. */
static int sleep_once(struct sleep *s, uint64_t deadline)
{
	struct waiter *w = s->w;
	struct thread_undo undo;
	struct timespec ts;
	uint64_t now = now_ns(), until;
	int ret;

	if (w)
		w->covers = s->stacks;
	for (uint32_t i = 0; s->stacks >> i; i++)
		if (s->stacks >> i & 1)
			atomic_fetch_add(&family->stacks[i].sleepers, 1);
	until = sleep_until(s->stacks, w, deadline, now);
	if (until != UINT64_MAX) {
		uint64_t left = until > now ? until - now : 0;

		ts.tv_sec = (time_t)(left / 1000000000ull);
		ts.tv_nsec = (long)(left % 1000000000ull);
		s->ts = &ts;
	}
	thread_undo_push(&undo, sleep_undo, s);
	ret = sleep_wait(s);
	thread_undo_pop();
	sleep_uncount(s);
	return ret;
}

static void sleep_done(struct sleep *s)
{
	struct waiter *w = s->w;
	char buf[16];

	if (w) {
		atomic_exchange(&w->state, WAITER_AWAKE);
		if (s->events & GATE_WOKEN)
			while (sys_recvfrom(fd_hidden_at(w->wakefd), buf, sizeof(buf), MSG_DONTWAIT,
					    NULL, NULL) > 0)
				;
	}
	/* Woken by a device without a packet: it is netlink that has something to say. */
	for (uint32_t i = 0; (s->events & GATE_DEVICE) && s->stacks >> i; i++)
		if ((s->stacks >> i & 1) && !dev_rx_pending(&family->stacks[i]))
			family->stacks[i].news_ns = 0;
}

static void spin_learn(uint64_t slept_ns)
{
	if (slept_ns <= (uint64_t)knobs.spin_us * 1000 + SPIN_WAKE_NS)
		spin_score += spin_score < SPIN_SCORE_MAX;
	else
		spin_score -= spin_score > 0;
}

/* Falls asleep unless its waiter has been woken or a handler has run. 0, or as wait_sleep(). */
static int sleep_guarded(struct sleep *s, uint64_t deadline_ns, uint32_t nsigs0)
{
	uint32_t state = WAITER_AWAKE;
	struct waiter *w = s->w;
	uint64_t t0;
	int ret;

	if (w && !atomic_compare_exchange_strong(&w->state, &state, WAITER_SLEEPING)) {
		atomic_store(&w->state, WAITER_AWAKE);
		return thread_interrupted(nsigs0) ? -EINTR : 0;
	}
	if (thread_interrupted(nsigs0)) {
		if (w)
			atomic_store(&w->state, WAITER_AWAKE);
		return -EINTR;
	}
	t0 = now_ns();
	ret = sleep_once(s, deadline_ns);
	sleep_done(s);
	spin_learn(now_ns() - t0);
	return thread_interrupted(nsigs0) ? -EINTR : ret == -EINTR ? -ERESTART : ret;
}

/* kernel: there are descriptors that only the kernel knows, which the caller looks at himself. */
static int sleep_confined(bool kernel, uint64_t deadline_ns, const sigset_t *sigmask,
			  uint32_t nsigs0)
{
	uint64_t look = now_ns() + WAIT_CONFINED_NS;
	struct sleep s;

	sleep_init(&s, 0, waiter_self(), sigmask);
	s.futex = true;
	if ((kernel || door_fd() >= 0) && deadline_ns > look)
		deadline_ns = look;
	return sleep_guarded(&s, deadline_ns, nsigs0);
}

int wait_sleep_epoll(struct stackrec *sr, int epfd, uint64_t deadline_ns, const sigset_t *sigmask,
		     uint32_t nsigs0)
{
	struct pollfd kfd = {.fd = epfd, .events = POLLIN};
	struct waiter *w = waiter_self();
	uint32_t stacks = sleep_stacks(sr);
	struct sleep s;
	int ret;

	if (thread_is_confined()) {
		ret = sleep_confined(epfd >= 0, deadline_ns, sigmask, nsigs0);
		return ret < 0 ? ret : 1;
	}
	if (!w || !stacks || gate_prepare(w, stacks, epfd) < 0) {
		ret = wait_sleep(sr, &kfd, epfd >= 0, deadline_ns, sigmask, nsigs0);
		return ret < 0 ? ret : 1;
	}
	sleep_init(&s, stacks, w, sigmask);
	s.gate = true;
	ret = sleep_guarded(&s, deadline_ns, nsigs0);
	return ret < 0 ? ret : !!(s.events & GATE_KERNEL);
}

int wait_sleep(struct stackrec *sr, struct pollfd *kfds, unsigned nkfds, uint64_t deadline_ns,
	       const sigset_t *sigmask, uint32_t nsigs0)
{
	struct waiter *w = waiter_self();
	struct sleep s;
	int ret;

	for (unsigned i = 0; i < nkfds; i++)
		kfds[i].revents = 0;
	if (thread_is_confined())
		return sleep_confined(nkfds, deadline_ns, sigmask, nsigs0);
	sleep_init(&s, sleep_stacks(sr), w, sigmask);
	ret = sleep_fill(&s, kfds, nkfds);
	if (ret < 0)
		return ret;
	ret = sleep_guarded(&s, deadline_ns, nsigs0);
	for (unsigned i = 0; ret == 0 && i < nkfds; i++)
		kfds[i].revents = s.fds[i].revents;
	if (s.bytes)
		sys_munmap(s.fds, s.bytes);
	return ret;
}

/* ---- spinning ------------------------------------------------------------------------------- */

/* The machine's, not those that this process may use: a server pinned to a processor of its own
 * gains the most. */
static long cpus(void)
{
	static _Atomic long count;
	long n = count;

	if (!n) {
		n = sysconf(_SC_NPROCESSORS_ONLN);
		count = n = n > 0 ? n : 2;
	}
	return n;
}

/* Whoever we wait for can't run while we spin, with one processor, or where every one of them has a
 * thread of the family's that would spin on a stack of its own. */
static bool cpus_taken(void)
{
	return cpus() == 1 ||
	       atomic_load_explicit(&family->attending, memory_order_relaxed) >= cpus();
}

uint64_t wait_spin_ns(const struct stackrec *sr)
{
	if (!knobs.spin_us || thread_is_confined() || spin_score < SPIN_SCORE_MIN_PAYS ||
	    cpus_taken())
		return 0;
	if (sr && atomic_load_explicit(&sr->sleepers, memory_order_relaxed))
		return 0;
	return (uint64_t)knobs.spin_us * 1000;
}

bool wait_spin(struct stackrec *sr, uint64_t until_ns, bool last, uint32_t nsigs0,
	       bool (*ready)(void *arg), void *arg)
{
	struct waiter *w = thread_self.waiter;
	uint64_t now = now_ns(), before;

	while (now < until_ns) {
		if ((sr && attend_due(sr, now)) ||
		    (w && atomic_load_explicit(&w->state, memory_order_relaxed) == WAITER_WOKEN) ||
		    thread_interrupted(nsigs0) || (ready && ready(arg))) {
			spin_score += 2;
			if (spin_score > SPIN_SCORE_MAX)
				spin_score = SPIN_SCORE_MAX;
			return true;
		}
		cpu_relax();
		before = now;
		now = now_ns();
		if (now - before > SPIN_SLICE_NS) /* the processor is wanted elsewhere */
			spin_score = spin_score > 4 ? spin_score - 4 : 0;
	}
	if (last)
		spin_score -= spin_score > 0;
	return false;
}

/* ---- one description ------------------------------------------------------------------------ */

struct ofd_wait {
	struct ofd *o;
	uint32_t events;
	struct waiter_watch *ww;
};

static void ofd_wait_end(void *arg)
{
	struct ofd_wait *ow = arg;
	struct stackrec *home;

	if (!ow->ww)
		return;
	home = ow->ww->home;
	run_enter(home);
	watch_del(ow->ww);
	run_leave(home, RUN_LATER);
}

static bool ofd_is_ready(void *arg)
{
	const struct ofd_wait *ow = arg;

	const struct sock *sk = atomic_load_explicit(&ow->o->sk, memory_order_relaxed);
	uint32_t ready;

	/* A socket that left the stack (shutdown of a shared listener) will never be ready. */
	if (!sk)
		return true;
	ready = ofd_ready(ow->o);
	/* An error queue is no reason to end a call, a new error is. */
	if (ready & RDY_ERR && !sk->err && !(ready & DOOR_ERR))
		ready &= ~(uint32_t)RDY_ERR;
	return ready & ow->events;
}

int wait_ofd(struct ofd *o, uint32_t events, uint64_t deadline_ns)
{
	struct ofd_wait ow = {o, events | RDY_ERR | RDY_HUP, NULL};
	struct stackrec *own = attend_own(), *sr = o->parts ? own : o->sr, *guard;
	struct thread_undo undo;
	struct waiter *w = waiter_self();
	uint32_t nsigs0 = thread_self.nsigs;
	int ret = 0;

	thread_undo_push(&undo, ofd_wait_end, &ow);
	while (!ofd_is_ready(&ow)) {
		uint64_t now, spin;

		attend_turn(sr);
		if (o->two_doors)
			door_poll();
		if (ofd_is_ready(&ow))
			break;
		now = now_ns();
		if (now >= deadline_ns) {
			ret = -EAGAIN;
			break;
		}
		if (ret < 0)
			break;
		spin = wait_spin_ns(sr);
		if (spin > deadline_ns - now)
			spin = deadline_ns - now;
		if (spin && wait_spin(sr, now + spin, true, nsigs0, ofd_is_ready, &ow) &&
		    !thread_interrupted(nsigs0))
			continue;
		if (!ow.ww && w) {
			guard = ofd_guard_enter(o);
			ow.ww = watch_add(guard, w, o, ow.events);
			run_leave(guard, RUN_KICK);
			if (ofd_is_ready(&ow))
				break;
		}
		ret = wait_sleep_epoll(sr, -1, ow.ww ? deadline_ns : now + WAIT_BLIND_NS, NULL,
				       nsigs0);
		if (ret > 0)
			ret = 0;
	}
	if (ofd_is_ready(&ow))
		ret = 0;
	thread_undo_pop();
	ofd_wait_end(&ow);
	return ret;
}

void run_fork_child(void)
{
	thread_self.waiter = NULL;
	wake_later = NULL;
	door_fork_child();
	helper_fork_child();
}
