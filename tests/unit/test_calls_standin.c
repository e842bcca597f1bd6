/* SPDX-License-Identifier: BSD-2-Clause */
#include "test_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "shim/fd/confine.h"
#include "shim/fd/epoll.h"
#include "shim/fd/exec.h"
#include "shim/fd/fdtab.h"
#include "shim/fd/pass.h"
#include "shim/fd/sock.h"
#include "shim/proc/sys.h"
#include "shim/run/run.h"

struct ofd *_Atomic *fdtab;
struct family *family;
struct proc *family_self;

struct seen seen;
long standin_ret;
int standin_prepares, standin_parents, standin_children, standin_wakes;
pid_t standin_forked;

static struct ofd *_Atomic table[FDTAB_FDS];
static struct ofd sock = {.kind = OFD_SOCK}, set = {.kind = OFD_EPOLL};

void seen_reset(void)
{
	memset(&seen, 0, sizeof(seen));
	seen.timeout_ns = -1;
}

static long see(const char *op, int fd)
{
	int calls = seen.calls;

	seen_reset();
	seen.op = op;
	seen.calls = calls + 1;
	seen.fd = fd;
	return standin_ret;
}

void standin_tracking(void)
{
	fdtab = table;
}

static int standin_fd(struct ofd *o)
{
	int fd = sys_openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);

	standin_tracking();
	table[fd] = o;
	return fd;
}

int standin_sock(void)
{
	atomic_store(&sock.sk, (struct sock *)&sock); /* never looked into */
	return standin_fd(&sock);
}

int standin_epoll(void)
{
	return standin_fd(&set);
}

void standin_reset(void)
{
	for (int fd = 0; fd < 1024; fd++)
		if (table[fd]) {
			table[fd] = NULL;
			sys_close(fd);
		}
	fdtab = NULL;
	standin_ret = 0;
	standin_prepares = standin_parents = standin_children = standin_wakes = 0;
	seen_reset();
}

static void see_msg(const struct msghdr *msg, int flags)
{
	seen.flags = flags;
	seen.iovs = msg->msg_iovlen;
	if (msg->msg_iovlen) {
		seen.buf = msg->msg_iov[0].iov_base;
		seen.bytes = msg->msg_iov[0].iov_len;
	}
	seen.namelen = msg->msg_namelen;
	if (msg->msg_name)
		memcpy(&seen.name, msg->msg_name, msg->msg_namelen);
}

static void see_timeout(const struct timespec *ts, const sigset_t *mask)
{
	seen.timeout_ns = ts ? ts->tv_sec * 1000000000ll + ts->tv_nsec : -1;
	seen.mask = mask;
}

/* ---- fd/ ------------------------------------------------------------------------------------ */

struct ofd *fdtab_clear(int fd)
{
	struct ofd *o = table[fd];

	table[fd] = NULL;
	return o;
}

bool ofd_unref(struct ofd *o)
{
	see("ofd_unref", -1);
	return true;
}

int sock_created(int fd, int domain, int type, int protocol)
{
	see("sock_created", fd);
	return fd;
}

int sock_bind(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len)
{
	return (int)see("sock_bind", fd);
}

int sock_listen(int fd, struct ofd *o, int backlog)
{
	return (int)see("sock_listen", fd);
}

int sock_connect(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len)
{
	return (int)see("sock_connect", fd);
}

int sock_setsockopt(int fd, struct ofd *o, int level, int name, const void *val, socklen_t len)
{
	return (int)see("sock_setsockopt", fd);
}

int sock_getsockopt(int fd, struct ofd *o, int level, int name, void *val, socklen_t *len)
{
	return (int)see("sock_getsockopt", fd);
}

int sock_accept(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len, int flags)
{
	long ret = see("sock_accept", fd);

	seen.flags = flags;
	return (int)ret;
}

int sock_msg_check(const struct msghdr *msg, bool out)
{
	(void)out;
	return msg ? 0 : -EFAULT;
}

ssize_t sock_iov_total(const struct iovec *iov, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return (ssize_t)sum;
}

int sock_rwf_check(int rwf)
{
	return rwf & ~0x1f ? -EOPNOTSUPP : 0;
}

ssize_t sock_sendmsg(int fd, struct ofd *o, const struct msghdr *msg, int flags)
{
	long ret = see("sock_sendmsg", fd);

	see_msg(msg, flags);
	errno = EXDEV; /* an operation may leave anything here; nobody may see it */
	return ret;
}

ssize_t sock_recvmsg(int fd, struct ofd *o, struct msghdr *msg, int flags)
{
	long ret = see("sock_recvmsg", fd);

	see_msg(msg, flags);
	if (msg->msg_name)
		msg->msg_namelen = 28;
	errno = EXDEV;
	return ret;
}

int sock_sendmmsg(int fd, struct ofd *o, struct mmsghdr *v, unsigned n, int flags)
{
	return (int)see("sock_sendmmsg", fd);
}

int sock_recvmmsg(int fd, struct ofd *o, struct mmsghdr *v, unsigned n, int flags,
		  struct timespec *timeout)
{
	return (int)see("sock_recvmmsg", fd);
}

ssize_t sock_sendfile(int fd, struct ofd *o, int in_fd, off_t *offset, size_t count)
{
	return see("sock_sendfile", fd);
}

bool sock_is_pipe_in(int out_fd)
{
	return false;
}

ssize_t sock_sendfile_to_pipe(int fd, struct ofd *o, int out_fd, size_t count)
{
	return see("sock_sendfile_to_pipe", fd);
}

ssize_t sock_splice(int fd_in, loff_t *off_in, int fd_out, loff_t *off_out, size_t len,
		    unsigned flags)
{
	return see("sock_splice", fd_in);
}

int sock_shutdown(int fd, struct ofd *o, int how)
{
	return (int)see("sock_shutdown", fd);
}

int sock_getsockname(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len)
{
	return (int)see("sock_getsockname", fd);
}

int sock_getpeername(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len)
{
	return (int)see("sock_getpeername", fd);
}

int sock_ioctl(int fd, struct ofd *o, unsigned long req, void *arg)
{
	long ret = see("sock_ioctl", fd);

	seen.args[0] = (long)req;
	if (ret == 0)
		*(int *)arg = 1;
	return (int)ret;
}

int fd_close(int fd)
{
	long ret = see("fd_close", fd);

	table[fd] = NULL;
	sys_close(fd);
	return (int)ret;
}

void fd_forget(int fd)
{
	see("fd_forget", fd);
	table[fd] = NULL;
}

int fd_fcntl(int fd, struct ofd *o, int cmd, unsigned long arg)
{
	long ret = see("fd_fcntl", fd);

	seen.args[0] = cmd;
	seen.args[1] = (long)arg;
	return (int)ret;
}

int fd_dup(int fd, struct ofd *o)
{
	return (int)see("fd_dup", fd);
}

int fd_dup3(int old, int new_fd, int flags, bool is_dup2)
{
	long ret = see("fd_dup3", old);

	seen.args[0] = new_fd;
	seen.args[1] = flags;
	seen.args[2] = is_dup2;
	return (int)ret;
}

int fd_close_range(unsigned first, unsigned last, int flags)
{
	long ret = see("fd_close_range", -1);

	seen.args[0] = first;
	seen.args[1] = last;
	seen.args[2] = flags;
	return (int)ret;
}

void fd_exit(void)
{
	see("fd_exit", -1);
}

bool fd_is_hidden(int fd)
{
	return false;
}

int epoll_created(int fd)
{
	see("epoll_created", fd);
	return fd;
}

int epoll_ctl_op(int epfd, struct ofd *o, int op, int fd, struct epoll_event *ev)
{
	return (int)see("epoll_ctl_op", epfd);
}

int epoll_wait_op(int epfd, struct ofd *o, struct epoll_event *ev, int max,
		  const struct timespec *timeout, const sigset_t *mask)
{
	long ret = see("epoll_wait_op", epfd);

	see_timeout(timeout, mask);
	return (int)ret;
}

bool poll_concerns_us(const struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; i < n; i++)
		if (fdtab_get(fds[i].fd))
			return true;
	return false;
}

int poll_op(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	long ret = see("poll_op", fds[0].fd);

	see_timeout(timeout, mask);
	return (int)ret;
}

int select_end(int n)
{
	return n;
}

bool select_concerns_us(int n, const fd_set *r, const fd_set *w, const fd_set *x)
{
	for (int fd = 0; fd < n; fd++)
		if (r && FD_ISSET(fd, r) && fdtab_get(fd))
			return true;
	return false;
}

int select_op(int n, fd_set *r, fd_set *w, fd_set *x, struct timespec *timeout, bool update,
	      const sigset_t *mask)
{
	long ret = see("select_op", n);

	see_timeout(timeout, mask);
	seen.args[0] = update;
	if (timeout && update)
		*timeout = (struct timespec){1, 500000000};
	return (int)ret;
}

/* ---- proc/ and run/ ------------------------------------------------------------------------- */

/* Exec is followed in whole programs only: tests/net/exec.sh. */
void exec_attach(void)
{
}

bool exec_concerns_us(void)
{
	return false;
}

void exec_begin(struct exec *x, enum exec_way way, enum image image, const struct exec_fd *fds,
		uint32_t nfds)
{
}

void exec_end(struct exec *x, bool ok)
{
}

void exec_vfork_dup(int old, int new_fd)
{
}

void exec_vfork_close(int fd)
{
}

void exec_vfork_end(void)
{
}

void exec_each_fd(const struct exec *x, void (*each)(void *arg, int fd), void *arg)
{
}

void exec_let_over(struct exec *x)
{
}

int pass_send(int fd, const struct msghdr *msg)
{
	return 0;
}

void pass_sent(const struct msghdr *msg, bool ok)
{
}

void pass_received(const struct msghdr *msg, bool peek)
{
}

void pass_fetched(int fd, int pidfd, int target_fd)
{
}

int fd_close_range_visible(unsigned first, unsigned last, int flags)
{
	return sys_close_range(first, last, flags);
}

int fdtab_end(void)
{
	return 0;
}

void family_fork_prepare(void)
{
	standin_prepares++;
}

void family_fork_parent(pid_t child)
{
	standin_parents++;
	standin_forked = child;
}

void family_fork_child(void)
{
	standin_children++;
}

void waiter_wake(struct waiter *w)
{
	standin_wakes++;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- fd/confine.h ---- */

bool confine_begin(const struct sock_fprog *prog, bool all_threads)
{
	(void)prog;
	(void)all_threads;
	return false;
}

void confine_failed(void)
{
}
