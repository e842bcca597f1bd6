/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The intercepted calls: what concerns an accelerated descriptor reaches its operation, in the
 * right form; everything else reaches libc as if nothing were there.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/call/edge.h"
#include "shim/call/signal.h"
#include "shim/proc/sys.h"
#include "test_calls.h"

ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *addr,
		       socklen_t *len);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t size);

/* ---- before libc's symbols are known -------------------------------------------------------- */

static struct {
	bool early; /* this ran before the symbols were looked up */
	long read, write, bad, bad_errno, poll, dup2, fcntl;
	char buf[4];
} early;

/* The loader runs this before any constructor. */
static void early_calls(void)
{
	int p[2];
	struct pollfd pfd;

	early.early = (void *)libc.read != (void *)read && libc.daemon != NULL;
	if (pipe(p) < 0)
		return;
	early.write = write(p[1], "abc", 3);
	pfd = (struct pollfd){.fd = p[0], .events = POLLIN};
	early.poll = poll(&pfd, 1, 0);
	early.read = read(p[0], early.buf, 3);
	early.dup2 = dup2(p[0], p[0]) - p[0];
	early.fcntl = fcntl(p[0], F_GETFD);
	errno = 0;
	early.bad = read(-1, early.buf, 1);
	early.bad_errno = errno;
	close(p[0]);
	close(p[1]);
}
static void (*const early_hook)(void)
	__attribute__((section(".preinit_array"), used)) = early_calls;

START_TEST(calls_work_before_the_symbols_are_known)
{
	ck_assert(early.early);
	ck_assert_int_eq(early.write, 3);
	ck_assert_int_eq(early.poll, 1);
	ck_assert_int_eq(early.read, 3);
	ck_assert_str_eq(early.buf, "abc");
	ck_assert_int_eq(early.dup2, 0);
	ck_assert_int_eq(early.fcntl, 0);
	ck_assert_int_eq(early.bad, -1);
	ck_assert_int_eq(early.bad_errno, EBADF);
}
END_TEST

/* ---- bytes ---------------------------------------------------------------------------------- */

#define SAW(name) ck_assert_str_eq(seen.op ? seen.op : "nothing", name)

START_TEST(every_send_becomes_sendmsg)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = 7};
	struct iovec iov[2] = {{"ab", 2}, {"c", 1}};
	int fd = standin_sock();

	standin_ret = 3;
	ck_assert_int_eq(write(fd, "abc", 3), 3);
	SAW("sock_sendmsg");
	ck_assert(seen.fd == fd && seen.bytes == 3 && seen.flags == 0 && seen.iovs == 1);
	ck_assert_int_eq(writev(fd, iov, 2), 3);
	ck_assert(seen.iovs == 2 && seen.bytes == 2);
	ck_assert_int_eq(send(fd, "abc", 3, MSG_MORE | MSG_NOSIGNAL), 3);
	ck_assert(seen.flags == (MSG_MORE | MSG_NOSIGNAL) && seen.namelen == 0);
	ck_assert_int_eq(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
	ck_assert(seen.namelen == sizeof(to) && !memcmp(&seen.name, &to, sizeof(to)));
	ck_assert_int_eq(pwritev2(fd, iov, 2, -1, RWF_NOWAIT), 3);
	SAW("sock_sendmsg");
	ck_assert_int_eq(seen.flags, MSG_DONTWAIT);
	ck_assert_int_eq(seen.calls, 5);
}
END_TEST

START_TEST(every_receive_becomes_recvmsg)
{
	struct sockaddr_storage from;
	socklen_t len = 16;
	char buf[8];
	struct iovec iov = {buf, 8};
	int fd = standin_sock();

	standin_ret = 5;
	ck_assert_int_eq(read(fd, buf, 8), 5);
	SAW("sock_recvmsg");
	ck_assert(seen.buf == buf && seen.bytes == 8);
	ck_assert_int_eq(readv(fd, &iov, 1), 5);
	ck_assert_int_eq(recv(fd, buf, 7, MSG_PEEK), 5);
	ck_assert(seen.flags == MSG_PEEK && seen.bytes == 7);
	ck_assert_int_eq(recvfrom(fd, buf, 8, 0, (struct sockaddr *)&from, &len), 5);
	ck_assert_uint_eq(len, 28); /* the whole length, beyond the room */
	ck_assert_int_eq(__read_chk(fd, buf, 8, 8), 5);
	ck_assert_int_eq(__recv_chk(fd, buf, 8, 8, 0), 5);
	ck_assert_int_eq(__recvfrom_chk(fd, buf, 8, 8, 0, NULL, NULL), 5);
	ck_assert_int_eq(seen.calls, 7);
}
END_TEST

START_TEST(success_leaves_errno_alone_and_failure_sets_it)
{
	int fd = standin_sock();
	char c;

	errno = EDOM;
	standin_ret = 1;
	ck_assert_int_eq(read(fd, &c, 1), 1);
	ck_assert_int_eq(errno, EDOM);
	standin_ret = -ECONNRESET;
	ck_assert_int_eq(read(fd, &c, 1), -1);
	ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(impossible_vectors_are_refused)
{
	int fd = standin_sock();
	struct iovec iov[IOV_MAX + 1] = {{NULL, 0}};
	volatile int negative = -1;

	errno = 0;
	ck_assert_int_eq(readv(fd, iov, IOV_MAX + 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(writev(fd, iov, negative), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(seen.calls, 0);
}
END_TEST

START_TEST(fortified_read_stops_an_overflow)
{
	char c[2];

	__read_chk(0, c, 3, 2);
}
END_TEST

START_TEST(fortified_poll_stops_an_overflow)
{
	struct pollfd fds[1] = {{.fd = -1}};

	__poll_chk(fds, 2, 0, sizeof(fds));
}
END_TEST

START_TEST(sendfile_and_splice_take_either_end)
{
	int fd = standin_sock(), p[2];

	ck_assert_int_eq(pipe(p), 0);
	standin_ret = 9;
	ck_assert_int_eq(sendfile(fd, 0, NULL, 9), 9);
	SAW("sock_sendfile");
	ck_assert_int_eq(splice(fd, NULL, p[1], NULL, 9, 0), 9);
	SAW("sock_splice");
	ck_assert_int_eq(splice(p[0], NULL, fd, NULL, 9, 0), 9);
	ck_assert_int_eq(seen.calls, 3);
	close(p[0]);
	close(p[1]);
}
END_TEST

/* ---- descriptors ---------------------------------------------------------------------------- */

START_TEST(new_sockets_and_sets_are_shown)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), ep;

	ck_assert_int_ge(fd, 0);
	SAW("sock_created");
	ck_assert_int_eq(seen.fd, fd);
	ep = epoll_create1(EPOLL_CLOEXEC);
	SAW("epoll_created");
	close(fd);
	close(ep);
	fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	SAW("sock_created");
	close(fd);
	seen_reset();
	errno = 0;
	ck_assert_int_eq(epoll_create(0), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(seen.op);
}
END_TEST

START_TEST(descriptor_calls_reach_the_table)
{
	int fd = standin_sock();

	standin_ret = 0;
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	SAW("fd_fcntl");
	ck_assert(seen.args[0] == F_SETFL && seen.args[1] == O_NONBLOCK);
	ck_assert_int_eq(ioctl(fd, FIONBIO, &(int){1}), 0);
	SAW("sock_ioctl");
	ck_assert_int_eq(sockatmark(fd), 1);
	ck_assert_int_eq(dup2(0, fd), 0);
	SAW("fd_dup3");
	ck_assert(seen.fd == 0 && seen.args[0] == fd && seen.args[2] == 1);
	ck_assert_int_eq(dup3(fd, 900, O_CLOEXEC), 0);
	ck_assert(seen.args[0] == 900 && seen.args[1] == O_CLOEXEC && !seen.args[2]);
	ck_assert_int_eq(close_range(1000, 1001, 0), 0);
	SAW("fd_close_range");
	closefrom(1000);
	ck_assert(seen.args[0] == 1000 && seen.args[1] == ~0u + 0l);
	ck_assert_int_eq(close(fd), 0);
	SAW("fd_close");
	ck_assert_int_eq(seen.fd, fd);
}
END_TEST

START_TEST(fclose_forgets_the_descriptor)
{
	int fd = standin_sock();
	FILE *f = fdopen(fd, "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fclose(f), 0);
	SAW("fd_forget");
	ck_assert_ptr_null(fdtab_get(fd));
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(an_epoll_set_is_not_a_socket)
{
	int ep = standin_epoll(), val;
	socklen_t len = sizeof(val);

	ck_assert_int_eq(bind(ep, NULL, 0), -1);
	ck_assert_int_eq(errno, ENOTSOCK);
	ck_assert_int_eq(getsockopt(ep, SOL_SOCKET, SO_TYPE, &val, &len), -1);
	ck_assert_int_eq(errno, ENOTSOCK);
	ck_assert_ptr_null(seen.op);
	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_DEL, 0, NULL), 0);
	SAW("epoll_ctl_op");
}
END_TEST

/* ---- waiting -------------------------------------------------------------------------------- */

START_TEST(timeouts_keep_their_meaning)
{
	int fd = standin_sock(), ep = standin_epoll();
	struct pollfd p = {.fd = fd};
	struct epoll_event ev;
	sigset_t mask;

	sigemptyset(&mask);
	poll(&p, 1, -1);
	SAW("poll_op");
	ck_assert_int_eq(seen.timeout_ns, -1);
	poll(&p, 1, 1234);
	ck_assert_int_eq(seen.timeout_ns, 1234000000);
	__poll_chk(&p, 1, 5, sizeof(p));
	ck_assert_int_eq(seen.timeout_ns, 5000000);
	ppoll(&p, 1, &(struct timespec){1, 2}, &mask);
	ck_assert(seen.timeout_ns == 1000000002 && seen.mask == &mask);
	__ppoll_chk(&p, 1, NULL, NULL, sizeof(p));
	ck_assert(seen.timeout_ns == -1 && !seen.mask);
	epoll_wait(ep, &ev, 1, 0);
	SAW("epoll_wait_op");
	ck_assert_int_eq(seen.timeout_ns, 0);
	epoll_pwait(ep, &ev, 1, INT_MAX, &mask);
	ck_assert(seen.timeout_ns == INT_MAX * 1000000ll && seen.mask == &mask);
	epoll_pwait2(ep, &ev, 1, &(struct timespec){0, 7}, NULL);
	ck_assert_int_eq(seen.timeout_ns, 7);
	ck_assert_int_eq(seen.calls, 8);
	ck_assert_int_eq(epoll_pwait2(ep, &ev, 1, &(struct timespec){0, -1}, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(ppoll(&p, 1, &(struct timespec){0, 1000000000}, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(seen.calls, 8);
}
END_TEST

START_TEST(select_says_the_time_left_and_pselect_does_not)
{
	int fd = standin_sock();
	struct timeval tv = {2, 1500000};
	struct timespec ts = {9, 9};
	fd_set r;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	select(fd + 1, &r, NULL, NULL, &tv);
	SAW("select_op");
	ck_assert(seen.timeout_ns == 3500000000 && seen.args[0] == 1);
	ck_assert(tv.tv_sec == 1 && tv.tv_usec == 500000);
	pselect(fd + 1, &r, NULL, NULL, &ts, NULL);
	ck_assert(seen.timeout_ns == 9000000009 && seen.args[0] == 0);
	ck_assert(ts.tv_sec == 9 && ts.tv_nsec == 9);
	tv.tv_usec = -1;
	ck_assert_int_eq(select(fd + 1, &r, NULL, NULL, &tv), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* ---- everything else passes ----------------------------------------------------------------- */

START_TEST(what_is_not_tracked_passes)
{
	int p[2], keep = standin_sock();
	char buf[4];
	struct pollfd pfd;

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(write(p[1], "abc", 3), 3);
	pfd = (struct pollfd){.fd = p[0], .events = POLLIN};
	ck_assert_int_eq(poll(&pfd, 1, -1), 1);
	ck_assert_int_eq(read(p[0], buf, 4), 3);
	ck_assert_int_eq(fcntl(p[0], F_GETFD), 0);
	ck_assert_int_eq(close(p[0]), 0);
	ck_assert_int_eq(syscall(SYS_close, p[1]), 0);
	ck_assert_int_eq(syscall(SYS_close, p[1]), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(syscall(SYS_getpid), getpid());
	ck_assert_ptr_null(seen.op);
	close(keep);
}
END_TEST

START_TEST(calls_by_number_go_the_same_way)
{
	int fd = standin_sock(), ep = standin_epoll();
	struct epoll_event ev;
	struct pollfd p = {.fd = fd};
	struct timespec ts = {5, 0};

	standin_ret = 2;
	ck_assert_int_eq(syscall(SYS_sendto, fd, "ab", 2, MSG_MORE, NULL, 0), 2);
	SAW("sock_sendmsg");
	ck_assert_int_eq(seen.flags, MSG_MORE);
	ck_assert_int_eq(syscall(SYS_epoll_pwait, ep, &ev, 1, 3, NULL, 8), 2);
	ck_assert_int_eq(seen.timeout_ns, 3000000);
	ck_assert_int_eq(syscall(SYS_ppoll, &p, 1, &ts, NULL, 8), 2);
	SAW("poll_op");
	ck_assert(ts.tv_sec < 5); /* unlike the function */
	standin_ret = -EPIPE;
	ck_assert_int_eq(syscall(SYS_write, fd, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	standin_ret = 0;
	ck_assert_int_eq(syscall(SYS_close, fd), 0);
	SAW("fd_close");
}
END_TEST

START_TEST(the_application_gets_no_ring)
{
	char params[120] = {0};

	ck_assert_int_eq(syscall(SYS_io_uring_setup, 8, params), -1);
	ck_assert_int_eq(errno, ENOSYS);
}
END_TEST

START_TEST(internal_calls_pass)
{
	int fd = standin_sock();

	thread_self.internal = 1;
	ck_assert_int_eq(write(fd, "abc", 3), 3); /* /dev/null took it */
	ck_assert_int_eq(syscall(SYS_write, fd, "abc", 3), 3);
	thread_self.internal = 0;
	ck_assert_ptr_null(seen.op);
}
END_TEST

/* What stands in for libc, so that only our part is timed. */
static ssize_t nothing_read(int fd, void *buf, size_t n)
{
	return 0;
}

static double read_ns(ssize_t (*f)(int, void *, size_t))
{
	const int n = 2000000;
	double best = 1e9;
	char c;

	for (int round = 0; round < 5; round++) {
		struct timespec a, b;

		clock_gettime(CLOCK_MONOTONIC, &a);
		for (int i = 0; i < n; i++)
			f(0, &c, 1);
		clock_gettime(CLOCK_MONOTONIC, &b);
		double ns =
			((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / n;
		best = ns < best ? ns : best;
	}
	return best;
}

START_TEST(passing_through_costs_little)
{
	ssize_t (*volatile direct)(int, void *, size_t) = nothing_read;
	ssize_t (*was)(int, void *, size_t) = libc.read;
	double base, untracked, idle;
	int keep;

	libc.read = nothing_read;
	base = read_ns(direct);
	idle = read_ns(call_read) - base;
	keep = standin_sock();
	untracked = read_ns(call_read) - base;
	libc.read = was;
	close(keep);
	printf("pass-through adds %.1f ns, with a table %.1f ns\n", idle, untracked);
	ck_assert(idle < 50 && untracked < 50);
}
END_TEST

/* ---- processes ------------------------------------------------------------------------------ */

static int wait_status(pid_t pid)
{
	int status = -1;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void follow(pid_t (*fork_)(void))
{
	pid_t pid = fork_();

	if (pid == 0)
		_exit(standin_prepares == 1 && standin_children == 1 && !standin_parents ? 7 : 1);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(WEXITSTATUS(wait_status(pid)), 7);
	ck_assert(standin_prepares == 1 && standin_parents == 1 && !standin_children);
	ck_assert_int_eq(standin_forked, pid);
}

START_TEST(fork_is_followed_once)
{
	follow(fork);
}
END_TEST

START_TEST(_Fork_is_followed_once)
{
	follow(_Fork);
}
END_TEST

#ifdef SYS_fork
static pid_t fork_by_number(void)
{
	return (pid_t)syscall(SYS_fork);
}
#else
static pid_t fork_by_number(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}
#endif

START_TEST(fork_by_number_is_followed_once)
{
	follow(fork_by_number);
}
END_TEST

static pid_t fork_pty(void)
{
	int master;
	pid_t pid = forkpty(&master, NULL, NULL, NULL);

	if (pid == 0 && (!isatty(0) || getsid(0) != getpid()))
		_exit(2);
	return pid;
}

START_TEST(forkpty_is_followed_once)
{
	follow(fork_pty);
}
END_TEST

START_TEST(a_fork_inside_libc_is_followed_once)
{
	pid_t pid = libc.fork(); /* as libc's own functions would: not by our name */

	if (pid == 0)
		_exit(standin_children == 1 ? 7 : 1);
	ck_assert_int_eq(WEXITSTATUS(wait_status(pid)), 7);
	ck_assert(standin_prepares == 1 && standin_parents == 1 && standin_forked == 0);
}
END_TEST

START_TEST(daemon_leaves_its_session)
{
	int p[2];
	char c = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		pid_t sid = getsid(0);
		struct stat st;
		char cwd[8];

		if (daemon(0, 0) == 0 && getsid(0) != sid && fstat(1, &st) == 0 &&
		    st.st_rdev == makedev(1, 3) && getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/"))
			c = 'y';
		if (write(p[1], &c, 1) != 1)
			_exit(1);
		_exit(0);
	}
	close(p[1]);
	ck_assert_int_eq(WEXITSTATUS(wait_status(pid)), 0);
	ck_assert_int_eq(read(p[0], &c, 1), 1);
	ck_assert_int_eq(c, 'y');
	close(p[0]);
}
END_TEST

static volatile int vfork_result;

/* noinline: its frame is what the child would spoil. */
static __attribute__((noinline)) pid_t vfork_once(int fd)
{
	pid_t pid = vfork();

	if (pid == 0) {
		vfork_result = thread_self.in_vfork && write(fd, "x", 1) == 1 && close(fd) == 0 &&
			       signal(SIGUSR1, SIG_IGN) != SIG_ERR;
		_exit(5);
	}
	return pid;
}

START_TEST(a_vfork_child_touches_nothing)
{
	int fd = standin_sock();
	struct sigaction act = {.sa_handler = (sighandler_t)early_calls}, was;
	pid_t pid;

	sigaction(SIGUSR1, &act, NULL);
	errno = EDOM;
	pid = vfork_once(fd);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(errno, EDOM);
	ck_assert_int_eq(WEXITSTATUS(wait_status(pid)), 5);
	ck_assert_int_eq(vfork_result, 1);
	ck_assert_int_eq(thread_self.in_vfork, 0);
	ck_assert_ptr_null(seen.op); /* neither written, closed nor exited by an operation */
	ck_assert_ptr_nonnull(fdtab_get(fd));
	ck_assert_int_ge(libc.fcntl(fd, F_GETFD, 0), 0);
	sigaction(SIGUSR1, NULL, &was);
	ck_assert_ptr_eq(was.sa_handler, act.sa_handler);
}
END_TEST

START_TEST(vfork_inside_a_vfork_child_keeps_the_mark)
{
	static volatile int inner, outer;
	pid_t pid = vfork();

	if (pid == 0) {
		pid_t pid2 = vfork();

		if (pid2 == 0) {
			inner = thread_self.in_vfork;
			_exit(0);
		}
		outer = thread_self.in_vfork;
		_exit(0);
	}
	wait_status(pid);
	ck_assert(inner == 1 && outer == 1 && !thread_self.in_vfork);
}
END_TEST

static int end_pipe;

static void end_note(int status)
{
	char c = seen.op && !strcmp(seen.op, "fd_exit") ? 'y' : 'n';

	if (sys_write(end_pipe, &c, 1) == 1)
		sys_exit_group(status);
	sys_exit_group(99);
}

/* fd_exit() is asked before libc ends the process, in a child, but not in a vfork child. */
START_TEST(the_end_is_announced)
{
	int p[2];
	char c = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(p), 0);
	end_pipe = p[1];
	pid = fork();
	if (pid == 0) {
		libc._exit = end_note;
		_exit(3);
	}
	ck_assert_int_eq(WEXITSTATUS(wait_status(pid)), 3);
	ck_assert_int_eq(read(p[0], &c, 1), 1);
	ck_assert_int_eq(c, 'y');
	close(p[0]);
	close(p[1]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("calls");
	TCase *t = tcase_create("calls");

	tcase_add_checked_fixture(t, standin_reset, standin_reset);
	tcase_add_test(t, calls_work_before_the_symbols_are_known);
	tcase_add_test(t, every_send_becomes_sendmsg);
	tcase_add_test(t, every_receive_becomes_recvmsg);
	tcase_add_test(t, success_leaves_errno_alone_and_failure_sets_it);
	tcase_add_test(t, impossible_vectors_are_refused);
	tcase_add_test_raise_signal(t, fortified_read_stops_an_overflow, SIGABRT);
	tcase_add_test_raise_signal(t, fortified_poll_stops_an_overflow, SIGABRT);
	tcase_add_test(t, sendfile_and_splice_take_either_end);
	tcase_add_test(t, new_sockets_and_sets_are_shown);
	tcase_add_test(t, descriptor_calls_reach_the_table);
	tcase_add_test(t, fclose_forgets_the_descriptor);
	tcase_add_test(t, an_epoll_set_is_not_a_socket);
	tcase_add_test(t, timeouts_keep_their_meaning);
	tcase_add_test(t, select_says_the_time_left_and_pselect_does_not);
	tcase_add_test(t, what_is_not_tracked_passes);
	tcase_add_test(t, calls_by_number_go_the_same_way);
	tcase_add_test(t, the_application_gets_no_ring);
	tcase_add_test(t, internal_calls_pass);
	tcase_add_test(t, passing_through_costs_little);
	tcase_add_test(t, fork_is_followed_once);
	tcase_add_test(t, _Fork_is_followed_once);
	tcase_add_test(t, fork_by_number_is_followed_once);
	tcase_add_test(t, forkpty_is_followed_once);
	tcase_add_test(t, a_fork_inside_libc_is_followed_once);
	tcase_add_test(t, daemon_leaves_its_session);
	tcase_add_test(t, a_vfork_child_touches_nothing);
	tcase_add_test(t, vfork_inside_a_vfork_child_keeps_the_mark);
	tcase_add_test(t, the_end_is_announced);
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
