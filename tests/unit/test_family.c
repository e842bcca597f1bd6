/* SPDX-License-Identifier: BSD-2-Clause */
/* The arena under limits, what joining costs, and who counts which references across fork and kill.
 */
#include "run_env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/proc/knobs.h"
#include "shim/proc/sys.h"

#define JOIN_MAX_KB 64

static void setup(void)
{
	knobs_default(&knobs);
}

/* Kilobytes of the arena that are in memory, counted page by page: the process' whole size has also
 * the code that was run for the first time and what a sanitizer keeps, and in statm is an estimate.
 */
static long arena_kb(void)
{
	const uintptr_t base = (uintptr_t)FAMILY_BASE;
	unsigned long from = 0, to;
	long kb, sum = 0;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			continue;
		if (from >= base && from < base + family->arena.size_bytes &&
		    sscanf(line, "Rss: %ld kB", &kb) == 1)
			sum += kb;
	}
	fclose(f);
	return sum;
}

/* fork as shim/call/start.c does it. */
static pid_t family_fork(void)
{
	pid_t pid;

	family_fork_prepare();
	pid = fork();
	if (pid == 0)
		family_fork_child();
	else
		family_fork_parent(pid);
	return pid;
}

START_TEST(joining_touches_little)
{
	struct ofd *o;
	long kb;

	ck_assert_int_eq(family_join(), 0);
	o = ofd_new(OFD_SOCK);
	ck_assert_ptr_nonnull(o);
	kb = arena_kb();
	ck_assert_int_gt(kb, 0);
	ck_assert_ptr_eq(family, FAMILY_BASE);
	ck_assert_int_eq(family_members(), 1);
}
END_TEST

START_TEST(file_size_limit_shrinks_the_arena)
{
	struct rlimit rl = {1ull << 30, 1ull << 30};

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &rl), 0);
	ck_assert_int_eq(family_join(), 0);
	ck_assert_uint_eq(family->arena.size_bytes, 1ull << 30);
}
END_TEST

START_TEST(tiny_file_size_limit_refuses_and_kills_nobody)
{
	struct rlimit rl = {4096, 4096};

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &rl), 0);
	ck_assert_int_eq(family_join(), -ENOMEM);
	ck_assert_ptr_null(family);
	ck_assert_int_eq(family_join(), -ENOMEM);
	ck_assert_ptr_null(ofd_new(OFD_SOCK));
}
END_TEST

START_TEST(address_space_limit_leaves_the_program_its_budget)
{
	struct rlimit rl = {8ull << 30, 8ull << 30};

	ck_assert_int_eq(setrlimit(RLIMIT_AS, &rl), 0);
	ck_assert_int_eq(family_join(), 0);
	ck_assert_uint_le(family->arena.size_bytes, 2ull << 30);
}
END_TEST

START_TEST(fork_counts_the_child_before_it_runs)
{
	int fd, status, go[2];
	struct ofd *o;
	pid_t pid;
	char c;

	env_stack();
	fd = env_sock();
	o = fdtab_get(fd);
	ck_assert_int_eq(pipe(go), 0);
	ck_assert_uint_eq(o->refs, 1);
	pid = family_fork();
	if (pid == 0) {
		if (read(go[0], &c, 1) != 1 || o->refs != 1 || ofd_refs_here(o) != 1)
			_exit(1);
		env_close(fd);
		_exit(env_released == 1 ? 0 : 2);
	}
	ck_assert_uint_eq(o->refs, 2);
	env_close(fd); /* not the last */
	ck_assert_int_eq(env_released, 0);
	ck_assert_uint_eq(o->refs, 1);
	ck_assert_int_eq(write(go[1], "x", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(o->refs, 0);
}
END_TEST

START_TEST(a_failed_fork_leaves_no_trace)
{
	int fd;
	struct ofd *o;

	env_stack();
	fd = env_sock();
	o = fdtab_get(fd);
	family_fork_prepare();
	ck_assert_uint_eq(o->refs, 2);
	ck_assert_int_eq(family_members(), 2);
	family_fork_parent(-1);
	ck_assert_uint_eq(o->refs, 1);
	ck_assert_int_eq(family_members(), 1);
	env_close(fd);
	ck_assert_int_eq(env_released, 1);
}
END_TEST

/* Another thread may close or open between the counting and the fork: the child's table rules. */
START_TEST(the_child_mends_its_row)
{
	int gone, came, status;
	struct ofd *og, *oc;
	pid_t pid;

	env_stack();
	gone = env_sock();
	og = fdtab_get(gone);
	family_fork_prepare();
	came = env_sock();
	oc = fdtab_get(came);
	fdtab_clear(gone); /* the table's part of a close; the reference goes below */
	pid = fork();
	if (pid == 0) {
		family_fork_child();
		_exit(ofd_refs_here(og) == 0 && ofd_refs_here(oc) == 1 ? 0 : 1);
	}
	family_fork_parent(pid);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(og->refs, 1);
	ck_assert_uint_eq(oc->refs, 2); /* the child ended without a word */
	family_reap();
	ck_assert_uint_eq(oc->refs, 1);
}
END_TEST

START_TEST(a_killed_member_is_reaped)
{
	int fd, go[2];
	struct ofd *o;
	pid_t pid;
	char c;

	env_stack();
	fd = env_sock();
	o = fdtab_get(fd);
	ck_assert_int_eq(pipe(go), 0);
	pid = family_fork();
	if (pid == 0) {
		int more = env_sock();

		ofd_hold(fdtab_get(more));
		waiter_self();
		if (write(go[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	ck_assert_int_eq(read(go[0], &c, 1), 1);
	ck_assert_int_eq(family_members(), 2);
	family_reap(); /* it lives */
	family_reap();
	ck_assert_uint_eq(o->refs, 2);
	ck_assert_uint_eq(family->waiters.out, 1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	family_reap();
	ck_assert_int_eq(family_members(), 1);
	ck_assert_uint_eq(o->refs, 1);
	ck_assert_int_eq(env_released, 1); /* what it alone had */
	ck_assert_uint_eq(family->waiters.out, 0);
	env_close(fd);
}
END_TEST

/* exec keeps the pid and its start time, but not the memory: found by the lock alone. */
START_TEST(a_member_that_execs_is_reaped)
{
	int fd;
	struct ofd *o;
	pid_t pid;

	env_stack();
	fd = env_sock();
	o = fdtab_get(fd);
	pid = family_fork();
	if (pid == 0) {
		execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && o->refs > 1; i++) {
		family_reap();
		usleep(10000);
	}
	ck_assert_uint_eq(o->refs, 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(hidden_descriptors_move_out_of_the_way)
{
	uint64_t v = 0;
	int fd, raw = eventfd(7, EFD_NONBLOCK);

	fd = fd_hide(raw);
	ck_assert_int_ge(fd, 100);
	ck_assert(fd_is_hidden(fd));
	ck_assert_int_eq(fcntl(raw, F_GETFD), -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fd_hidden_yield(fd), 0);
	ck_assert(!fd_is_hidden(fd));
	ck_assert_int_eq(dup2(0, fd), fd); /* the program's now */
	ck_assert_int_ne(fd_hidden_at(fd), fd);
	ck_assert(fd_is_hidden(fd_hidden_at(fd)));
	ck_assert_int_eq(read(fd_hidden_at(fd), &v, sizeof(v)), sizeof(v));
	ck_assert_uint_eq(v, 7);
	fd_unhide_close(fd);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0); /* the program's is untouched */
	close(fd);
}
END_TEST

START_TEST(a_moved_arena_descriptor_keeps_us_alive)
{
	struct proc *self;
	pid_t pid;
	int status;

	env_stack();
	self = family_self;
	pid = family_fork();
	if (pid == 0) {
		usleep(200000);
		family_reap();
		family_reap();
		_exit(self->state == PROC_LIVE ? 0 : 1);
	}
	for (int fd = 3; fd < 1024; fd++)
		if (fd_is_hidden(fd))
			ck_assert_int_eq(fd_hidden_yield(fd), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- who dies with the stack's lock --------------------------------------------------------- */

static int told[2]; /* a pipe: it is where it is to die */

static void stop_here(void)
{
	char c = 1;

	c = (char)write(told[1], &c, 1);
	for (;;)
		pause();
}

static void stops_in_the_call(struct stackrec *sr)
{
	inside_sends(sr);
	stop_here();
}

static void stops_after_it(struct stackrec *sr)
{
	inside_sends(sr);
	inside_sent(sr);
	stop_here();
}

/* Sends, and is killed where that leads to. How many sockets the next one in finds open. */
static uint32_t open_after_death(struct stackrec *sr, void (*where)(struct stackrec *sr))
{
	uint32_t n;
	unsigned kicks = env_kicks;
	pid_t pid;
	char c;

	pid = family_fork();
	if (pid == 0) {
		env_tx = where;
		run_enter(sr);
		((struct txq *)stack_txq(sr->st))->tail++; /* so that there is something to send */
		run_leave(sr, RUN_KICK);
		_exit(1); /* not reached */
	}
	ck_assert_int_eq(read(told[0], &c, 1), 1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	run_enter(sr);
	ck_assert_uint_eq(sr->inside, INSIDE_CHANGING);
	ck_assert_uint_gt(env_kicks, kicks); /* what it left is sent */
	((struct txq *)stack_txq(sr->st))->head = stack_txq(sr->st)->tail;
	n = stack_open_count(sr->st);
	run_leave(sr, RUN_LATER);
	return n;
}

START_TEST(a_death_while_sending_resets_nothing)
{
	struct endpoint at = {.addr = ip_addr_v4(htonl(0x0a000001)), .port = 53};
	struct stackrec *sr = env_stack();
	struct sock_opts o;
	struct sock *sk;

	ck_assert_int_eq(pipe(told), 0);
	sock_opts_default(&o);
	run_enter(sr);
	ck_assert_int_eq(stack_udp_open(sr->st, &at, &o, &sk), 0);
	run_leave(sr, RUN_LATER);
	ck_assert_uint_eq(open_after_death(sr, stops_in_the_call), 1);
	ck_assert_uint_eq(open_after_death(sr, stops_in_the_call), 1);
	/* Anywhere else all is made anew, and nobody refers to this one. */
	ck_assert_uint_eq(open_after_death(sr, stops_after_it), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("family");
	TCase *t = tcase_create("family");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, joining_touches_little);
	tcase_add_test(t, file_size_limit_shrinks_the_arena);
	tcase_add_test(t, tiny_file_size_limit_refuses_and_kills_nobody);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow alone is beyond any limit */
	tcase_add_test(t, address_space_limit_leaves_the_program_its_budget);
#endif
	tcase_add_test(t, fork_counts_the_child_before_it_runs);
	tcase_add_test(t, a_failed_fork_leaves_no_trace);
	tcase_add_test(t, the_child_mends_its_row);
	tcase_add_test(t, a_killed_member_is_reaped);
	tcase_add_test(t, a_member_that_execs_is_reaped);
	tcase_add_test(t, hidden_descriptors_move_out_of_the_way);
	tcase_add_test(t, a_death_while_sending_resets_nothing);
	tcase_add_test(t, a_moved_arena_descriptor_keeps_us_alive);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
