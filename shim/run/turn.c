/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation: running the stack.
 *
 * There is no thread that owns the stack. Whoever comes to wait (a blocking call, epoll_wait, poll,
 * select) runs a turn first: a batch of packets from the rings, processed whole, timers that are
 * due, then everything that wants to go out with one kick, then the news told to watchers. Whoever
 * calls into a socket takes the lock, does its thing, and on leaving tells watchers of what that
 * caused.
 *
 * When output goes out. What handlers write is left in the stack's queue and kicked once, when the
 * thread comes back to wait, because a kick is a system call that costs as much as the packet, and
 * more where the peer takes it in that very call (veth): hence the lock is let go before. It
 * goes at once when the caller is about to block (RUN_KICK); when KICK_PACKETS wait (what one call
 * in copy mode takes); when the oldest has waited KICK_NS; and when the helper is away, since then
 * nobody would come by. If none of these happens, the helper's next tick is the bound.
 *
 * What a turn must never do: sleep, wake somebody while the lock is held, or run while there is
 * nothing to do (run_due() looks at memory only).
 *
 * If a thread died inside (its process was killed), the next one in gets the lock with that word.
 * Where it died says sr->inside. In a system call that sends, which is where most of the time goes,
 * the stack is whole: output is sent only when it could as well be left to others (flush()), so the
 * next one goes on from there. Anywhere else it may be in the middle of anything: it is made anew
 * (stack/reset.c), every connection is reset, listeners go on, watchers are told.
 */
#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include "shim/dev/dev.h"
#include "shim/fd/epoll.h"
#include "shim/fd/sock.h"
#include "shim/proc/knobs.h"
#include "shim/proc/log.h"
#include "shim/proc/sys.h"
#include "shim/proc/sysctl.h"
#include "shim/proc/thread.h"
#include "shim/run/run.h"

#define TURN_RX_MAX 64       /* packets a batch: enough to amortise, few enough to stay in L1/L2 */
#define TURN_LOOP_ROUNDS 8   /* what the loopback gives back is taken in the same turn */
#define KICK_PACKETS 32      /* copy-mode transmit takes as many a call */
#define KICK_NS 50000ull     /* about a kick's worth of handlers on either side */
#define BUSY_LOOKS 64        /* at a lock that is held, before it is waited for: some us */
#define EXIT_GATE_NS 1000000 /* how often a thread that is kept out looks whether it still is */
#define NEWS_SOON_NS 100000ull /* while output waits for a neighbour */
#define NEWS_NS 10000000ull    /* routes and neighbours change rarely; dead ones within 10 ms */

static struct thread *_Atomic exiting; /* the thread that ends the process; NULL: none */

/* ---- making the stack ----------------------------------------------------------------------- */

/* With several stacks the frames of all lie in one piece, which is the UMEM. */
static int frames_share(struct stackrec *sr, struct stack_cfg *cfg)
{
	uint64_t bytes;

	if (family->nstacks == 1)
		return 0;
	cfg->frames /= family->nstacks;
	bytes = (uint64_t)cfg->frames * FRAME_BYTES;
	if (!family->frame_mem)
		family->frame_mem =
			arena_carve(&family->arena, bytes * family->nstacks, FRAME_BYTES);
	if (!family->frame_mem)
		return -ENOMEM;
	cfg->frame_mem = family->frame_mem + bytes * sr->idx;
	return 0;
}

static int stack_make(struct stackrec *sr)
{
	struct stack_cfg cfg;
	uint8_t secret[32];
	struct stack *st;
	int ret;

	sysctl_stack_cfg(&cfg);
	ret = frames_share(sr, &cfg);
	if (ret < 0)
		return ret;
	for (size_t n = 0; n < sizeof(secret);) {
		ssize_t got = sys_getrandom(secret + n, sizeof(secret) - n, 0);

		if (got < 0 && got != -EINTR)
			return (int)got;
		n += got > 0 ? (size_t)got : 0;
	}
	ret = stack_create(&family->arena, &cfg, secret, now_ns(), &st);
	if (ret == 0)
		sr->st = st;
	return ret;
}

static bool iface_is(const char *word)
{
	return knobs.iface.count == 1 && strcmp(knobs.iface.item[0], word) == 0;
}

/* Attaches what SHIM_IFACE says. VERDICT_stack when at least one interface is. */
static enum verdict iface_attach(struct stackrec *sr)
{
	enum verdict why = VERDICT_no_iface, first = VERDICT_undecided;
	bool any = false;

	if (iface_is("auto")) {
		if (dev_open(sr, NULL, &why) == 0)
			return VERDICT_stack;
		log_warn("sockets stay with the kernel: %s", verdict_info[why].text);
		return why;
	}
	for (unsigned i = 0; i < knobs.iface.count; i++) {
		if (dev_open(sr, knobs.iface.item[i], &why) == 0) {
			any = true;
			continue;
		}
		log_warn("%s is not attached: %s", knobs.iface.item[i], verdict_info[why].text);
		if (first == VERDICT_undecided)
			first = why;
	}
	return any ? VERDICT_stack : first == VERDICT_undecided ? VERDICT_no_iface : first;
}

/* The other stacks get what the first has; without them there is none. */
static enum verdict stacks_join(void)
{
	enum verdict why = VERDICT_stack;
	int err = 0;

	for (uint32_t i = 1; i < family->nstacks && !err; i++)
		err = dev_join(&family->stacks[i], &why);
	for (uint32_t i = 0; err && i < family->nstacks; i++)
		dev_close(&family->stacks[i]);
	for (uint32_t i = 1; i < family->nstacks; i++)
		family->stacks[i].verdict = err ? why : VERDICT_stack;
	if (err)
		log_warn("sockets stay with the kernel: SHIM_STACKS=%u: %s", family->nstacks,
			 verdict_info[why].text);
	return err ? why : VERDICT_stack;
}

/* A process may leave a namespace (unshare(2), setns(2)), its sockets and ours don't. 0: a kernel
 * before Linux 5.14. */
static uint64_t netns_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return sys_getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

static void netns_note(void)
{
	uint64_t none = 0;
	int fd;

	if (family->stack_netns)
		return;
	fd = sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	atomic_compare_exchange_strong(&family->stack_netns, &none, netns_of(fd));
	sys_close(fd);
}

bool run_same_netns(int fd)
{
	uint64_t home = family->stack_netns, netns = home ? netns_of(fd) : 0;

	return !netns || netns == home;
}

/* The locks of all stacks held. sr: the first. */
static void stack_prepare(struct stackrec *sr, bool loopback_only)
{
	netns_note();
	for (uint32_t i = 0; i < family->nstacks; i++) {
		if (family->stacks[i].st || stack_make(&family->stacks[i]) == 0)
			continue;
		sr->verdict = VERDICT_no_memory;
		log_warn("sockets stay with the kernel: %s", verdict_info[VERDICT_no_memory].text);
		return;
	}
	if (knobs.loopback && !sr->loopback)
		sr->loopback = dev_open_loopback(sr) == 0;
	if (!loopback_only && sr->verdict == VERDICT_undecided) {
		enum verdict why = iface_attach(sr);

		sr->verdict = why == VERDICT_stack ? stacks_join() : why;
	}
}

struct stackrec *run_stack(bool loopback_only, enum verdict *why)
{
	struct stackrec *sr;
	bool off = iface_is("none");

	*why = VERDICT_off;
	if (off && (!knobs.loopback || !loopback_only))
		return NULL;
	*why = VERDICT_no_arena;
	if (family_join() < 0)
		return NULL;
	sr = &family->stacks[0];
	if (loopback_only ? !sr->loopback : sr->verdict == VERDICT_undecided) {
		run_enter_all();
		if (!(loopback_only && sr->verdict == VERDICT_no_memory))
			stack_prepare(sr, loopback_only);
		run_leave_all(RUN_LATER);
	}
	*why = sr->verdict;
	if (loopback_only ? sr->loopback : sr->verdict == VERDICT_stack)
		return sr;
	if (loopback_only)
		*why = knobs.loopback ? VERDICT_no_memory : VERDICT_loopback;
	return NULL;
}

/* ---- in and out of the lock ----------------------------------------------------------------- */

/* The process is ending, or becoming another, and its last thread must not find us inside: stay
 * out, for ever or until that has failed. True: sr->lock was let go and is to be taken again. */
static bool exit_gate(struct stackrec *sr)
{
	static const struct timespec pause = {.tv_nsec = EXIT_GATE_NS};
	static _Atomic uint32_t
		never; /* a sleep that is all futex(2): the thread may be confined */
	const struct thread *who = exiting;

	if (likely(!who) || who == &thread_self)
		return false;
	lock_release(&sr->lock);
	while (exiting)
		sys_futex(&never, FUTEX_WAIT, 0, &pause, NULL, 0);
	return true;
}

/*
 * What o stands for is still wanted; if its end was under way, it is at an end. Nobody refers to o
 * any more when refs is 0, but whoever dropped the last reference may be alive and waiting for the
 * lock to end it: what it then finds must not be a socket that the reset has given to somebody
 * else. A claim is its to end; if it was the one who died, its reaper's (ofd_end_for()).
 */
static void keep(struct ofd *o)
{
	struct sock *sk = atomic_load(&o->sk);

	if (sk && ((!atomic_load(&o->refs) && !o->claimed) || !stack_sock_keep(sk, o)))
		atomic_store(&o->sk, NULL);
}

/* Likewise of a listener's part on stack i, which only goes with the locks of all held: it is not
 * half gone. */
static void keep_part(struct ofd *o, uint32_t i)
{
	struct sock *sk = i < family->nstacks && atomic_load(&o->sk) ? ofd_part(o, i) : NULL;

	if (sk && !stack_sock_keep(sk, o))
		atomic_store(&o->parts->sk[i], NULL);
}

/* Onto the rings; a kick is to follow when the lock is free. */
static void flush(struct stackrec *sr, uint64_t now)
{
	dev_tx(sr, now);
	sr->unkicked_ns = txq_used(stack_txq(sr->st)) ? now : 0;
}

/* The lists on which the dead may have been working. */
static void lists_mend(struct stackrec *sr)
{
	uint32_t end = family->ofds_used;

	for (uint32_t i = 0; i < end; i++) {
		struct ofd *o = &family->ofds[i];

		if (o->watches.next && ofd_guard(o) == sr) {
			list_mend(&o->watches);
			list_mend(&o->peers);
		}
	}
}

/* Every socket has the user that refers to it. all: also those whose last reference is gone: who
 * dropped it ends them, as ever, and if that was the dead, its reaper (ofd_end_for()). */
static void users_mend(struct stackrec *sr, bool all)
{
	uint32_t end = family->ofds_used;

	if (sr->st)
		stack_disown_all(sr->st);
	for (uint32_t i = 0; i < end; i++) {
		struct ofd *o = &family->ofds[i];
		struct sock *sk = atomic_load(&o->sk);

		if (o->kind != OFD_SOCK)
			continue;
		if (o->sr != sr) {
			if (o->parts)
				keep_part(o, sr->idx);
		} else if (!all) {
			keep(o);
		} else if (sk && !stack_sock_keep(sk, o)) {
			atomic_store(&o->sk, NULL);
		}
	}
}

/* Only what the dead was changing is reset. False: it can't be told apart. */
static bool mend(struct stackrec *sr)
{
	struct stack_mended res;

	if (atomic_load(&sr->inside) == INSIDE_MENDING_AGAIN)
		return false;
	atomic_store(&sr->inside, atomic_load(&sr->inside) == INSIDE_MENDING ? INSIDE_MENDING_AGAIN
									     : INSIDE_MENDING);
	users_mend(sr, true);
	if (!stack_mend(sr->st, dev_mend(sr), now_ns(), &res))
		return false;
	log_warn("a process died inside the stack: %u connections are reset, %u go on", res.reset,
		 res.kept);
	return true;
}

/* What the dead was at may be half done: everything is reset, but what is listened on. */
static void make_anew(struct stackrec *sr)
{
	uint64_t now;

	log_error("a process died inside the stack: its connections are reset");
	users_mend(sr, false);
	now = now_ns();
	stack_reset_tell(sr->st, dev_mend(sr), now);
	dev_tx(sr, now);
	stack_reset_all(sr->st, now);
}

/* The lock's last holder is dead. */
static void recover(struct stackrec *sr)
{
	if (atomic_load(&sr->inside) == INSIDE_SENDING) {
		log_info("a process died while it sent for the stack, which goes on");
		atomic_store(&sr->inside, INSIDE_CHANGING);
		flush(sr, now_ns());
	} else {
		lists_mend(sr);
		if (sr->st && !mend(sr))
			make_anew(sr);
		atomic_store(&sr->inside, INSIDE_CHANGING);
		if (sr->st)
			flush(sr, now_ns());
	}
	/* What the dead had put on the rings it may not have sent, and whom it had told of
	 * something it may not have woken. */
	dev_kick(sr, true);
	waiters_poke_marked();
	waiters_wake_all();
}

/* The lock of family.shared nests: news of a listener or of a set in a set come to its holder. */
static __thread uint32_t shared_depth __attribute__((tls_model("initial-exec")));

void shared_enter(void)
{
	struct stackrec *sr = &family->shared;

	if (family->nstacks > 1 && shared_depth++ == 0 && unlikely(lock_acquire(&sr->lock)))
		recover(sr);
}

void shared_leave(void)
{
	if (family->nstacks > 1 && --shared_depth == 0)
		lock_release(&family->shared.lock);
}

void run_enter(struct stackrec *sr)
{
	if (unlikely(sr == &family->shared)) {
		shared_enter();
		return;
	}
	do {
		if (unlikely(lock_acquire(&sr->lock)))
			recover(sr);
	} while (unlikely(exit_gate(sr)));
}

void run_enter_all(void)
{
	for (uint32_t i = 0; i < family->nstacks; i++)
		run_enter(&family->stacks[i]);
}

void run_leave_all(unsigned flags)
{
	for (uint32_t i = family->nstacks; i-- > 0;)
		run_leave(&family->stacks[i], flags);
}

static bool run_try(struct stackrec *sr)
{
	switch (lock_try(&sr->lock)) {
	case 0:
		return false;
	case 2:
		recover(sr);
	}
	return likely(!exit_gate(sr));
}

void run_exit(void)
{
	if (!family || !family_self)
		return;
	for (uint32_t i = 0; i < family->nstacks; i++) {
		run_enter(&family->stacks[i]);
		exiting = &thread_self;
		lock_release(&family->stacks[i].lock);
	}
	shared_enter(); /* whoever is in there comes out */
	shared_leave();
	/* What others left on the rings for one who is at it, and now is not any more. */
	for (uint32_t i = 0; i < family->nstacks; i++)
		if (family->stacks[i].st && !thread_is_confined())
			dev_kick(&family->stacks[i], true);
}

void run_exec(void)
{
	for (uint32_t i = 0; i < family->nstacks; i++) {
		run_enter(&family->stacks[i]);
		run_leave(&family->stacks[i], RUN_KICK);
	}
	run_exit();
}

void run_exec_failed(void)
{
	exiting = NULL;
}

/* ---- what a turn consists of (all under the lock) ------------------------------------------- */

static void tell(struct stackrec *sr)
{
	struct sock *sk;
	struct list *pos;
	struct ofd *o;
	uint32_t edges;

	while ((sk = stack_event(sr->st, &edges))) {
		o = sk->user;
		if (!o)
			continue;
		if (unlikely(o->owner))
			owner_tell(o, edges);
		if (unlikely(o->parts)) {
			shared_enter();
			epoll_prefer(o, sr->idx);
		}
		ofd_notify(o, edges);
		list_for_each(pos, &o->peers) /* a ring of those that share a listener */
			ofd_notify(list_entry(pos, struct ofd, peers), edges);
		if (unlikely(o->parts))
			shared_leave();
	}
}

static uint32_t tx_waiting(const struct stackrec *sr)
{
	return txq_used(stack_txq(sr->st));
}

static bool news_due(const struct stackrec *sr, uint64_t now)
{
	uint64_t age = now - sr->news_ns;

	return age >= NEWS_NS || (unlikely(stack_dst_waiting(sr->st)) && age >= NEWS_SOON_NS);
}

static void news(struct stackrec *sr, uint64_t now)
{
	uint64_t asked = stack_stats(sr->st)[STAT_dst_requests];

	if (!news_due(sr, now) && asked == sr->dst_asked)
		return;
	/* What was asked is often answered at once: the next turn looks again. */
	sr->news_ns = asked == sr->dst_asked ? now : 0;
	sr->dst_asked = asked;
	dev_news(sr, now);
	if (stack_next_ns(sr->st) <= now)
		stack_run(sr->st, now);
}

static int turn(struct stackrec *sr)
{
	uint64_t now = now_ns();
	int n, taken = 0, rounds = 0;

	do {
		n = dev_rx(sr, TURN_RX_MAX, now);
		if (n || stack_next_ns(sr->st) <= now)
			stack_run(sr->st, now);
		news(sr, now);
		if (tx_waiting(sr))
			flush(sr, now);
		taken += n;
	} while (sr->loopback && ++rounds < TURN_LOOP_ROUNDS && dev_rx_pending(sr));
	tell(sr);
	sock_reap_flows(sr);
	sr->turns++;
	return taken;
}

/* kick: what is on the rings goes out, after those are woken who can work meanwhile. */
static void leave(struct stackrec *sr, bool kick)
{
	thread_enter(); /* no handler runs, for however long, before those are woken that must be */
	if (unlikely(sr == &family->shared))
		shared_leave();
	else
		lock_release(&sr->lock);
	/* Those asleep go by the timers of when they fell asleep, and the helper relies on them. */
	if (sr->st && unlikely(stack_next_ns(sr->st) < atomic_load(&sr->helper_until)))
		helper_unpark(sr);
	waiter_wake_flush();
	owner_flush();
	if (kick)
		dev_kick(sr, exiting);
	thread_leave();
}

/* What a confined thread leaves behind is the helper's to send, and to ask about. */
static void leave_to_helper(struct stackrec *sr)
{
	bool tx = tx_waiting(sr);
	bool wanted = tx || stack_stats(sr->st)[STAT_dst_requests] != sr->dst_asked;

	if (tx && !sr->unkicked_ns)
		sr->unkicked_ns = now_ns();
	leave(sr, false);
	if (wanted)
		helper_unpark(sr);
}

void run_leave(struct stackrec *sr, unsigned flags)
{
	bool kick = false;
	uint64_t now;
	uint32_t n;

	if (!sr->st) {
		leave(sr, false);
		return;
	}
	tell(sr);
	if (thread_is_confined()) {
		leave_to_helper(sr);
		return;
	}
	if (unlikely(stack_stats(sr->st)[STAT_dst_requests] != sr->dst_asked)) {
		news(sr, now_ns());
		tell(sr);
	}
	n = tx_waiting(sr);
	if (n) {
		now = now_ns();
		/* Said first, with a fence: a helper that parks meanwhile sees it, or we see
		 * that. */
		if (!sr->unkicked_ns)
			sr->unkicked_ns = now;
		kick = (flags & RUN_KICK) || n >= KICK_PACKETS || helper_away(sr) ||
		       now - sr->unkicked_ns > KICK_NS;
		if (kick)
			flush(sr, now);
	}
	leave(sr, kick);
}

bool run_due(struct stackrec *sr, uint64_t now)
{
	return dev_rx_pending(sr) || stack_next_ns(sr->st) <= now || tx_waiting(sr) ||
	       news_due(sr, now);
}

/* The same where somebody is inside: soon he is not, or else he has been preempted, and must be let
 * run. False: he has done what was due. */
static bool run_next(struct stackrec *sr, uint64_t now)
{
	for (int i = 0; i < BUSY_LOOKS; i++) {
		cpu_relax();
		if (!run_due(sr, now))
			return false;
		if (run_try(sr))
			return true;
	}
	run_enter(sr);
	return true;
}

int run_turn(struct stackrec *sr)
{
	uint64_t now;
	int n = 0;

	if (!sr || !sr->st || thread_is_confined())
		return 0;
	helper_start(sr);
	now = now_ns();
	atomic_store_explicit(&sr->attended_ns, now, memory_order_relaxed);
	if (run_due(sr, now) && (run_try(sr) || run_next(sr, now))) {
		n = turn(sr);
		leave(sr, true);
	} else if (unlikely(dev_tx_pending(sr))) {
		dev_kick(sr, false);
	}
	return n;
}

bool attend_due(const struct stackrec *sr, uint64_t now)
{
	uint32_t mask = thread_is_confined() ? 0 : attend_mask(sr);

	for (uint32_t i = 0; mask; i++, mask >>= 1) {
		const struct stackrec *s = &family->stacks[i];

		if ((mask & 1) && s->st && (dev_rx_pending(s) || stack_next_ns(s->st) <= now))
			return true;
	}
	return false;
}

int run_turn_helper(struct stackrec *sr)
{
	int n = 0;

	if (!run_due(sr, now_ns())) {
		dev_kick(sr, false);
		return 0;
	}
	if (!run_try(sr))
		return -EBUSY;
	n = turn(sr);
	leave(sr, true);
	return n;
}
