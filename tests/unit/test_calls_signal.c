/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handlers behind the trampoline: not to be told from handlers without it, except that they wait
 * while their thread is inside the shim. Where a test can run its script against libc as well as
 * against us, it does, and compares.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "shim/call/libc.h"
#include "shim/call/signal.h"
#include "shim/proc/thread.h"
#include "test_calls.h"

/* Deprecated, removed or renamed in headers, and imported by programs all the same. */
sighandler_t bsd_signal(int sig, sighandler_t handler);
sighandler_t old_sigset(int sig, sighandler_t handler) __asm__("sigset");
int old_siginterrupt(int sig, int interrupt) __asm__("siginterrupt");

#define RUNS 64
static volatile int runs;
static volatile int run_sig[RUNS], run_value[RUNS], run_code[RUNS], run_depth[RUNS];
static volatile bool run_blocked[RUNS]; /* the signal itself, during its handler */

static void note(int sig, siginfo_t *info, void *context)
{
	sigset_t mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	run_sig[runs] = sig;
	run_value[runs] = info->si_value.sival_int;
	run_code[runs] = info->si_code;
	run_depth[runs] = (int)thread_self.depth;
	run_blocked[runs] = sigismember(&mask, sig);
	runs++;
	errno = EXDEV;
}

static void note_plain(int sig)
{
	run_sig[runs++] = sig;
}

static void handle(int sig, int flags)
{
	struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | flags};

	ck_assert_int_eq(sigaction(sig, &act, NULL), 0);
}

static void fresh(void)
{
	standin_reset();
	runs = 0;
	thread_self.depth = 0;
}

/* ---- what is reported ----------------------------------------------------------------------- */

START_TEST(old_actions_come_back_as_they_were_set)
{
	const int flags[] = {0,
			     SA_SIGINFO,
			     SA_RESTART,
			     SA_RESETHAND | SA_NODEFER,
			     SA_SIGINFO | SA_ONSTACK | SA_RESETHAND,
			     SA_NOCLDSTOP};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct sigaction act, ours, theirs;

		memset(&act, 0, sizeof(act));
		act.sa_sigaction = note;
		act.sa_flags = flags[i];
		sigaddset(&act.sa_mask, SIGUSR2);
		ck_assert_int_eq(libc.sigaction(SIGUSR1, &act, NULL), 0);
		ck_assert_int_eq(libc.sigaction(SIGUSR1, NULL, &theirs), 0);
		ck_assert_int_eq(sigaction(SIGUSR1, &act, NULL), 0);
		ck_assert_int_eq(sigaction(SIGUSR1, NULL, &ours), 0);
		ck_assert_ptr_eq(ours.sa_sigaction, theirs.sa_sigaction);
		ck_assert_int_eq(ours.sa_flags, theirs.sa_flags);
		ck_assert_mem_eq(&ours.sa_mask, &theirs.sa_mask, 8);
		ck_assert_int_eq(
			sigaction(SIGUSR1, &(struct sigaction){.sa_handler = SIG_IGN}, &ours), 0);
		ck_assert_ptr_eq(ours.sa_sigaction, note);
		ck_assert_int_eq(sigaction(SIGUSR1, NULL, &ours), 0);
		ck_assert_ptr_eq(ours.sa_handler, SIG_IGN);
	}
}
END_TEST

START_TEST(default_and_ignored_are_the_kernels_own)
{
	struct sigaction below;

	handle(SIGUSR1, 0);
	ck_assert_ptr_eq(signal(SIGUSR1, SIG_IGN), (sighandler_t)(void *)note);
	libc.sigaction(SIGUSR1, NULL, &below);
	ck_assert_ptr_eq(below.sa_handler, SIG_IGN);
	ck_assert_ptr_eq(signal(SIGUSR1, SIG_DFL), SIG_IGN);
	libc.sigaction(SIGUSR1, NULL, &below);
	ck_assert_ptr_eq(below.sa_handler, SIG_DFL);
}
END_TEST

static void same_error(int sig)
{
	struct sigaction act = {.sa_handler = note_plain};
	int ours, theirs, err;

	errno = 0;
	theirs = libc.sigaction(sig, &act, NULL);
	err = errno;
	errno = 0;
	ours = sigaction(sig, &act, NULL);
	ck_assert_int_eq(ours, theirs);
	ck_assert_int_eq(errno, err);
}

START_TEST(impossible_signals_are_refused_alike)
{
	const int sigs[] = {0, -1, SIGKILL, SIGSTOP, 32, 33, 65, 1000};

	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		same_error(sigs[i]);
	ck_assert_ptr_eq(signal(SIGKILL, note_plain), SIG_ERR);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_eq(signal(SIGUSR1, SIG_ERR), SIG_ERR);
}
END_TEST

/* What a way to install leaves in the kernel, to be compared between libc and us. */
static void same_installation(sighandler_t (*theirs)(int, sighandler_t),
			      sighandler_t (*ours)(int, sighandler_t))
{
	struct sigaction a, b;
	sigset_t mask_a, mask_b;
	sighandler_t old_a, old_b;

	libc.signal(SIGUSR2, SIG_DFL);
	theirs(SIGUSR2, note_plain);
	libc.sigaction(SIGUSR2, NULL, &a);
	old_a = theirs(SIGUSR2, SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &mask_a);
	signal(SIGUSR2, SIG_DFL);
	ours(SIGUSR2, note_plain);
	sigaction(SIGUSR2, NULL, &b);
	old_b = ours(SIGUSR2, SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &mask_b);
	ck_assert_ptr_eq(a.sa_handler, b.sa_handler);
	ck_assert_int_eq(a.sa_flags, b.sa_flags);
	ck_assert_mem_eq(&a.sa_mask, &b.sa_mask, 8);
	ck_assert_ptr_eq(old_a, old_b);
	ck_assert_mem_eq(&mask_a, &mask_b, 8);
}

START_TEST(every_way_to_install_means_the_same)
{
	same_installation(libc.signal, signal);
	same_installation(libc.bsd_signal, bsd_signal);
	same_installation(libc.ssignal, ssignal);
	same_installation(libc.sysv_signal, sysv_signal);
	same_installation(libc.sigset, old_sigset);
	libc.siginterrupt(SIGUSR2, 1);
	old_siginterrupt(SIGUSR2, 1);
	same_installation(libc.signal, signal);
	libc.siginterrupt(SIGUSR2, 0);
	old_siginterrupt(SIGUSR2, 0);
	same_installation(libc.signal, signal);
}
END_TEST

START_TEST(sigset_holds)
{
	sigset_t mask;

	ck_assert_ptr_eq(old_sigset(SIGUSR1, note_plain), SIG_DFL);
	ck_assert_ptr_eq(old_sigset(SIGUSR1, SIG_HOLD), note_plain);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	ck_assert(sigismember(&mask, SIGUSR1));
	raise(SIGUSR1);
	ck_assert_int_eq(runs, 0);
	ck_assert_ptr_eq(old_sigset(SIGUSR1, note_plain), SIG_HOLD);
	ck_assert_int_eq(runs, 1);
}
END_TEST

/* ---- how handlers run ----------------------------------------------------------------------- */

START_TEST(a_handler_runs_at_once_with_its_siginfo)
{
	uint32_t before = thread_self.nsigs;

	handle(SIGUSR1, SA_RESTART);
	errno = EDOM;
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 42});
	ck_assert_int_eq(runs, 1);
	ck_assert(run_value[0] == 42 && run_code[0] == SI_QUEUE && run_blocked[0]);
	ck_assert_int_eq(errno, EXDEV); /* the handler's own doing, as ever */
	ck_assert_uint_eq(thread_self.nsigs, before + 1);
	ck_assert(thread_restarts());
	handle(SIGUSR1, SA_NODEFER);
	raise(SIGUSR1);
	ck_assert(runs == 2 && !run_blocked[1] && !thread_restarts());
}
END_TEST

START_TEST(a_handler_wakes_a_sleeping_thread)
{
	handle(SIGUSR1, 0);
	thread_self.waiter = (struct waiter *)&runs; /* never looked into */
	raise(SIGUSR1);
	thread_self.waiter = NULL;
	ck_assert_int_eq(standin_wakes, 1);
}
END_TEST

START_TEST(resethand_runs_once)
{
	struct sigaction act;
	pid_t pid;
	int status;

	handle(SIGUSR1, SA_RESETHAND);
	raise(SIGUSR1);
	ck_assert_int_eq(runs, 1);
	sigaction(SIGUSR1, NULL, &act);
	ck_assert_ptr_eq(act.sa_handler, SIG_DFL);
	ck_assert(act.sa_flags & SA_RESETHAND); /* as the kernel leaves it */
	pid = fork();
	if (pid == 0) {
		raise(SIGUSR1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	handle(SIGUSR1, 0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	ck_assert_int_eq(runs, 3);
}
END_TEST

/* A handler may change how the code goes on: here, which signals are blocked after it. */
static void block_after(int sig, siginfo_t *info, void *context)
{
	sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGHUP);
}

START_TEST(the_context_is_the_interrupted_one)
{
	struct sigaction act = {.sa_sigaction = block_after, .sa_flags = SA_SIGINFO};
	sigset_t mask;

	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	ck_assert(sigismember(&mask, SIGHUP));
}
END_TEST

static sigjmp_buf jump;

static void jump_out(int sig)
{
	siglongjmp(jump, sig);
}

START_TEST(a_handler_may_jump_out)
{
	signal(SIGUSR1, jump_out);
	for (volatile int i = 0; i < 3; i++)
		if (sigsetjmp(jump, 1) == 0) {
			raise(SIGUSR1);
			ck_abort_msg("came back");
		}
	ck_assert_uint_eq(thread_self.depth, 0);
}
END_TEST

/* ---- putting off ---------------------------------------------------------------------------- */

START_TEST(inside_the_shim_handlers_wait)
{
	sigset_t before, after;
	uint32_t nsigs = thread_self.nsigs;

	handle(SIGUSR1, 0);
	handle(SIGUSR2, 0);
	sigprocmask(SIG_BLOCK, NULL, &before);
	thread_enter();
	thread_enter();
	sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 1});
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 2});
	ck_assert_int_eq(runs, 0);
	thread_leave();
	ck_assert_int_eq(runs, 0);
	ck_assert_uint_eq(thread_self.nsigs, nsigs);
	thread_leave();
	ck_assert_int_eq(runs, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(run_depth[i], 0);
		ck_assert_int_eq(run_code[i], SI_QUEUE);
		ck_assert_int_eq(run_value[i], run_sig[i] == SIGUSR2 ? 1 : 2);
		ck_assert(run_blocked[i]);
	}
	sigprocmask(SIG_BLOCK, NULL, &after);
	ck_assert_mem_eq(&before, &after, 8);
	ck_assert_uint_eq(thread_self.nsigs, nsigs + 2);
	thread_enter();
	thread_leave();
	ck_assert_int_eq(runs, 2);
}
END_TEST

static void order_kept(bool to_thread)
{
	const int n = 20;

	handle(SIGRTMIN, 0);
	thread_enter();
	for (int i = 0; i < n; i++) {
		union sigval v = {.sival_int = i};

		if (to_thread)
			pthread_sigqueue(pthread_self(), SIGRTMIN, v);
		else
			sigqueue(getpid(), SIGRTMIN, v);
	}
	ck_assert_int_eq(runs, 0);
	thread_leave();
	ck_assert_int_eq(runs, n);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(run_value[i], i);
}

START_TEST(queued_signals_keep_their_order)
{
	order_kept(_i);
}
END_TEST

START_TEST(resethand_put_off_runs_once)
{
	handle(SIGUSR1, SA_RESETHAND);
	thread_enter();
	raise(SIGUSR1);
	ck_assert_int_eq(runs, 0);
	thread_leave();
	ck_assert_int_eq(runs, 1);
}
END_TEST

START_TEST(nodefer_put_off_does_not_recurse)
{
	handle(SIGUSR1, SA_NODEFER);
	thread_enter();
	raise(SIGUSR1);
	raise(SIGUSR1);
	ck_assert_int_eq(runs, 0);
	thread_leave();
	ck_assert_int_ge(runs, 1);
}
END_TEST

static char *fault_page;

static void mend(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	mprotect(fault_page, 4096, PROT_READ | PROT_WRITE);
}

START_TEST(a_fault_does_not_wait)
{
	struct sigaction act = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO};

	fault_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, &act, NULL);
	thread_enter();
	*(volatile char *)fault_page = 1;
	ck_assert_int_eq(runs, 1);
	ck_assert_int_eq(run_depth[0], 1);
	/* Sent, not caused: these wait, one behind the other. */
	handle(SIGUSR1, 0);
	raise(SIGUSR1);
	raise(SIGSEGV);
	ck_assert_int_eq(runs, 1);
	thread_leave();
	ck_assert_int_eq(runs, 3);
}
END_TEST

#define STORM_RUNS 300 /* handlers, some of which would have run inside */

static volatile int storm_bad, storm_runs;
static _Atomic bool storm_over;

static void *storm(void *thread)
{
	for (int i = 0; !storm_over; i++) {
		pthread_kill(*(pthread_t *)thread, i & 1 ? SIGUSR1 : SIGUSR2);
		if (i % 16 == 0)
			usleep(50);
	}
	return NULL;
}

static void storm_note(int sig)
{
	storm_runs++;
	if (thread_self.depth)
		storm_bad++;
}

/* Also takes actions meanwhile, as a program might. */
START_TEST(a_storm_of_signals_never_enters)
{
	pthread_t self = pthread_self(), t;
	sigset_t before, after;

	sigprocmask(SIG_BLOCK, NULL, &before);
	signal(SIGUSR1, storm_note);
	signal(SIGUSR2, storm_note);
	pthread_create(&t, NULL, storm, &self);
	for (int i = 0; storm_runs < STORM_RUNS; i++) {
		thread_enter();
		for (volatile int j = 0; j < 200; j++)
			;
		thread_leave();
		if (i % 64 == 0)
			signal(SIGUSR1, storm_note);
	}
	storm_over = true;
	pthread_join(t, NULL);
	ck_assert_int_eq(storm_bad, 0);
	sigprocmask(SIG_BLOCK, NULL, &after);
	ck_assert_mem_eq(&before, &after, 8);
	ck_assert_uint_eq(thread_self.put_off, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("calls_signal");
	TCase *t = tcase_create("signal");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, fresh, NULL);
	tcase_add_test(t, old_actions_come_back_as_they_were_set);
	tcase_add_test(t, default_and_ignored_are_the_kernels_own);
	tcase_add_test(t, impossible_signals_are_refused_alike);
	tcase_add_test(t, every_way_to_install_means_the_same);
	tcase_add_test(t, sigset_holds);
	tcase_add_test(t, a_handler_runs_at_once_with_its_siginfo);
	tcase_add_test(t, a_handler_wakes_a_sleeping_thread);
	tcase_add_test(t, resethand_runs_once);
	tcase_add_test(t, the_context_is_the_interrupted_one);
	tcase_add_test(t, a_handler_may_jump_out);
	tcase_add_test(t, inside_the_shim_handlers_wait);
	tcase_add_loop_test(t, queued_signals_keep_their_order, 0, 2);
	tcase_add_test(t, resethand_put_off_runs_once);
	tcase_add_test(t, nodefer_put_off_does_not_recurse);
	tcase_add_test(t, a_fault_does_not_wait);
	tcase_add_test(t, a_storm_of_signals_never_enters);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
