/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation: confinement.
 *
 * A program that installs a seccomp(2) filter for itself allows what it does, not what we do for
 * it. Its filter is run on our list (shim/proc/filter.c) before it is installed. If all of that
 * passes, nothing changes. If not, the process is confined: its connections are memory that it
 * shares with the helper thread, which is older than the filter and not under it, and with the
 * other processes of the family. A confined thread reads and writes there, and sleeps and is woken
 * by futex(2), which every filter allows that a program linked with libc can live under. It runs
 * no turns: output, timers, and waking who sleeps otherwise are the helper's (turn.c, wait.c).
 *
 * What can't be had that way is given up first: listeners and UDP sockets go to the kernel, for the
 * whole family, and later sockets are the kernel's. Who came to a listener before is still accepted
 * from the stack if the filter lets a descriptor be made for it (fcntl(2)); if not, and if no other
 * process has the listener, they are reset.
 *
 * A filter for all threads (SECCOMP_FILTER_FLAG_TSYNC) is over the helper, too. Nobody in the
 * process could do the work then: it is said so, and all goes on as before.
 */
#include "shim/fd/confine.h"

#include "shim/fd/exec.h"
#include "shim/proc/filter.h"
#include "shim/proc/log.h"
#include "shim/proc/user.h"
#include "sock_int.h"

static bool filter_is_enough(const struct sock_fprog *prog, int *nr)
{
	/* NULL is how programs ask for filters as such. What else is wrong the kernel says. */
	if (!prog || (fdtab && !user_can_read(prog, sizeof(*prog))) || !prog->len ||
	    !prog->filter ||
	    (fdtab && !user_can_read(prog->filter, prog->len * sizeof(*prog->filter))))
		return true;
	*nr = filter_forbids(prog->filter, prog->len);
	return *nr < 0;
}

static _Atomic bool may_not_accept;

bool confine_may_accept(void)
{
	return !may_not_accept;
}

/* What waits at a listener that only this process has, which can't take it. */
static void queue_drop(struct ofd *o)
{
	sock_enter(o);
	for (uint32_t i = 0; atomic_load(&o->sk) && i < family->nstacks; i++) {
		struct sock *l = ofd_part(o, i);

		if (l)
			stack_listen_drop(family->stacks[i].st, l, now_ns());
	}
	sock_leave(o, RUN_KICK);
}

static void give_up(int fd, struct ofd *o)
{
	const struct sock *sk = o->kind == OFD_SOCK ? o->sk : NULL;

	if (!sk || sk->type == STK_TCP)
		return;
	exec_to_kernel(fd, o);
	ofd_set_verdict(o, fd, VERDICT_confined);
	if (may_not_accept && sk->type == STK_LISTENER && atomic_load(&o->refs) == ofd_refs_here(o))
		queue_drop(o);
}

/* Made under the filter they would be under it, and need more than they do otherwise. */
static void helpers_first(void)
{
	for (uint32_t i = 0; family && family_self && i < family->nstacks; i++)
		helper_ensure(&family->stacks[i]);
}

bool confine_begin(const struct sock_fprog *prog, bool all_threads)
{
	int nr = -1, end = fdtab_end();

	if (process_confined)
		return false;
	helpers_first();
	if (filter_is_enough(prog, &nr))
		return false;
	if (all_threads) {
		if (family)
			log_warn("a seccomp filter for all threads forbids system call %d, which "
				 "the stack needs",
				 nr);
		return false;
	}
	if (family && family_self) {
		log_info("a seccomp filter forbids system call %d, the helper makes it", nr);
		may_not_accept =
			!filter_permits(prog->filter, prog->len, SYS_fcntl, 0, F_DUPFD) ||
			!filter_permits(prog->filter, prog->len, SYS_fcntl, 0, F_DUPFD_CLOEXEC);
		for (int fd = 0; fd < end; fd++)
			if (fdtab_get(fd))
				give_up(fd, fdtab_get(fd));
		for (uint32_t i = 0; i < family->nstacks; i++) {
			run_enter(&family->stacks[i]);
			run_leave(&family->stacks[i], RUN_KICK);
		}
		door_settle();
		family_self->confined = true;
	}
	log_silent = true;
	process_confined = true;
	return true;
}

void confine_failed(void)
{
	process_confined = false;
	may_not_accept = false;
	log_silent = false;
	if (family_self)
		family_self->confined = false;
}
