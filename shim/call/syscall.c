/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * syscall(2): the numbers of calls that we stand in front of go the same way as their names. Only
 * where a descriptor of ours is concerned: a system call made by number is no cancellation point
 * and has no wrapper's ways, so that everything else is left exactly as it is.
 */
#include "edge.h"

#include <linux/sched.h>
#include <string.h>

#include "shim/fd/epoll.h"
#include "shim/proc/knobs.h"
#include "shim/call/start.h"
#include "shim/proc/sys.h"

#define PTR(type, x) ((type *)(x))
#define INT(x) ((int)(x))

/*
 *   ROUTE(name, call)
 *
 * ROUTES_FD: when the first argument is a descriptor that is tracked or hidden. ROUTES_ANY, which
 * look at several: when anything is tracked at all; they find out themselves, and else pass on.
 */
#define ROUTES_FD                                                                                \
	ROUTE(close, call_close(INT(a)))                                                         \
	ROUTE(read, call_read(INT(a), PTR(void, b), (size_t)c))                                  \
	ROUTE(write, call_write(INT(a), PTR(void, b), (size_t)c))                                \
	ROUTE(readv, call_readv(INT(a), PTR(struct iovec, b), INT(c)))                           \
	ROUTE(writev, call_writev(INT(a), PTR(struct iovec, b), INT(c)))                         \
	ROUTE(preadv2, call_preadv2(INT(a), PTR(struct iovec, b), INT(c), d, INT(f)))            \
	ROUTE(pwritev2, call_pwritev2(INT(a), PTR(struct iovec, b), INT(c), d, INT(f)))          \
	ROUTE(bind, call_bind(INT(a), PTR(struct sockaddr, b), (socklen_t)c))                    \
	ROUTE(listen, call_listen(INT(a), INT(b)))                                               \
	ROUTE(connect, call_connect(INT(a), PTR(struct sockaddr, b), (socklen_t)c))              \
	ROUTE(accept, call_accept(INT(a), PTR(struct sockaddr, b), PTR(socklen_t, c)))           \
	ROUTE(accept4, call_accept4(INT(a), PTR(struct sockaddr, b), PTR(socklen_t, c), INT(d))) \
	ROUTE(shutdown, call_shutdown(INT(a), INT(b)))                                           \
	ROUTE(getsockname, call_getsockname(INT(a), PTR(struct sockaddr, b), PTR(socklen_t, c))) \
	ROUTE(getpeername, call_getpeername(INT(a), PTR(struct sockaddr, b), PTR(socklen_t, c))) \
	ROUTE(getsockopt,                                                                        \
	      call_getsockopt(INT(a), INT(b), INT(c), PTR(void, d), PTR(socklen_t, e)))          \
	ROUTE(setsockopt, call_setsockopt(INT(a), INT(b), INT(c), PTR(void, d), (socklen_t)e))   \
	ROUTE(sendto, call_sendto(INT(a), PTR(void, b), (size_t)c, INT(d),                       \
				  PTR(struct sockaddr, e), (socklen_t)f))                        \
	ROUTE(recvfrom, call_recvfrom(INT(a), PTR(void, b), (size_t)c, INT(d),                   \
				      PTR(struct sockaddr, e), PTR(socklen_t, f)))               \
	ROUTE(sendfile, call_sendfile(INT(a), INT(b), PTR(off_t, c), (size_t)d))                 \
	ROUTE(dup, call_dup(INT(a)))                                                             \
	ROUTE(fcntl, call_fcntl(INT(a), INT(b), (unsigned long)c))                               \
	ROUTE(ioctl, call_ioctl(INT(a), (unsigned long)b, PTR(void, c)))                         \
	ROUTE(epoll_ctl, call_epoll_ctl(INT(a), INT(b), INT(c), PTR(struct epoll_event, d)))     \
	ROUTE(epoll_pwait, call_epoll_pwait(INT(a), PTR(struct epoll_event, b), INT(c), INT(d),  \
					    PTR(sigset_t, e)))                                   \
	ROUTE(epoll_pwait2, call_epoll_pwait2(INT(a), PTR(struct epoll_event, b), INT(c),        \
					      PTR(struct timespec, d), PTR(sigset_t, e)))        \
	ROUTES_FD_OLD

#define ROUTES_ANY                                                                                 \
	ROUTE(close_range, call_close_range((unsigned)a, (unsigned)b, INT(c)))                     \
	ROUTE(sendmsg, call_sendmsg(INT(a), PTR(struct msghdr, b), INT(c)))                        \
	ROUTE(sendmmsg, call_sendmmsg(INT(a), PTR(struct mmsghdr, b), (unsigned)c, INT(d)))        \
	ROUTE(recvmsg, call_recvmsg(INT(a), PTR(struct msghdr, b), INT(c)))                        \
	ROUTE(recvmmsg, call_recvmmsg(INT(a), PTR(struct mmsghdr, b), (unsigned)c, INT(d),         \
				      PTR(struct timespec, e)))                                    \
	ROUTE(dup3, call_dup3(INT(a), INT(b), INT(c)))                                             \
	ROUTE(splice,                                                                              \
	      call_splice(INT(a), PTR(loff_t, b), INT(c), PTR(loff_t, d), (size_t)e, (unsigned)f)) \
	ROUTE(ppoll, syscall_ppoll(PTR(struct pollfd, a), (nfds_t)b, PTR(struct timespec, c),      \
				   PTR(sigset_t, d)))                                              \
	ROUTES_ANY_OLD

/* Numbers that younger architectures do not have. */
#ifdef SYS_poll
#define ROUTES_FD_OLD \
	ROUTE(epoll_wait, call_epoll_wait(INT(a), PTR(struct epoll_event, b), INT(c), INT(d)))
#define ROUTES_ANY_OLD                                                                    \
	ROUTE(dup2, call_dup2(INT(a), INT(b)))                                            \
	ROUTE(poll, call_poll(PTR(struct pollfd, a), (nfds_t)b, INT(c)))                  \
	ROUTE(select, call_select(INT(a), PTR(fd_set, b), PTR(fd_set, c), PTR(fd_set, d), \
				  PTR(struct timeval, e)))
#else
#define ROUTES_FD_OLD
#define ROUTES_ANY_OLD
#endif

/* The system call, unlike the function, writes the time left, and its set is the kernel's size:
 * poll_op reads no more of it than that. */
static long syscall_ppoll(struct pollfd *fds, nfds_t n, struct timespec *timeout,
			  const sigset_t *mask)
{
	uint64_t end, now;
	long ret;

	if (!fds || !poll_concerns_us(fds, n))
		return libc.syscall(SYS_ppoll, (long)fds, (long)n, (long)timeout, (long)mask,
				    SYS_SIGSET_BYTES, 0);
	end = timeout ? now_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
				(uint64_t)timeout->tv_nsec
		      : 0;
	ret = call_ppoll(fds, n, timeout, mask);
	if (timeout) {
		now = now_ns();
		end = end > now ? end - now : 0;
		timeout->tv_sec = (time_t)(end / 1000000000u);
		timeout->tv_nsec = (long)(end % 1000000000u);
	}
	return ret;
}

/* Could a ring's operations meet an accelerated socket, now or later? */
static bool syscall_may_accelerate(void)
{
	bool iface_none;

	start_ensure();
	iface_none = knobs.iface.count == 1 && !strcmp(knobs.iface.item[0], "none");
	return fdtab != NULL || knobs.loopback || !iface_none;
}

/* True: a plain fork by number: neither a thread nor a vfork, and on the caller's own stack. */
static bool syscall_forks(long nr, long a, long b)
{
	const struct clone_args *args;

	switch (nr) {
#ifdef SYS_fork
	case SYS_fork:
		return true;
#endif
	case SYS_clone:
		return !(a & (CLONE_VM | CLONE_THREAD)) && !b;
	case SYS_clone3:
		args = PTR(const struct clone_args, a);
		return args && (size_t)b >= CLONE_ARGS_SIZE_VER0 &&
		       !(args->flags & (CLONE_VM | CLONE_THREAD)) && !args->stack;
	default:
		return false;
	}
}

static long syscall_fork(long nr, long a, long b, long c, long d, long e)
{
	long ret;
	int saved;

	fork_begin();
	ret = libc.syscall(nr, a, b, c, d, e, 0);
	saved = errno;
	if (ret == 0)
		fork_child();
	else
		fork_parent((pid_t)ret);
	errno = saved;
	return ret;
}

long call_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	if (thread_is_internal())
		return libc.syscall(nr, a, b, c, d, e, f);
	switch (nr) {
#define ROUTE(name, call) \
	case SYS_##name:  \
		return edge_concerns(INT(a)) ? call : libc.syscall(nr, a, b, c, d, e, f);
		ROUTES_FD
#undef ROUTE
#define ROUTE(name, call) \
	case SYS_##name:  \
		return edge_tracking() ? call : libc.syscall(nr, a, b, c, d, e, f);
		ROUTES_ANY
#undef ROUTE
	case SYS_socket:
		return call_socket(INT(a), INT(b), INT(c));
	case SYS_epoll_create1:
		return call_epoll_create1(INT(a));
#ifdef SYS_epoll_create
	case SYS_epoll_create:
		return call_epoll_create(INT(a));
#endif
	case SYS_mlockall:
		return call_mlockall(INT(a));
	case SYS_pidfd_getfd:
		return call_pidfd_getfd(INT(a), INT(b), (unsigned)c);
	case SYS_execve:
		return call_execve(PTR(char, a), PTR(char *const, b), PTR(char *const, c));
	case SYS_execveat:
		return call_execveat(INT(a), PTR(char, b), PTR(char *const, c), PTR(char *const, d),
				     INT(e));
	case SYS_prctl:
		return call_prctl(INT(a), (unsigned long)b, (unsigned long)c, (unsigned long)d,
				  (unsigned long)e);
	case SYS_seccomp:
		return syscall_seccomp(nr, a, b, c);
	case SYS_exit_group:
		call__exit(INT(a));
		__builtin_unreachable();
	case SYS_io_uring_setup:
		if (syscall_may_accelerate())
			return EDGE(-ENOSYS);
		break;
	default:
		if (syscall_forks(nr, a, b))
			return syscall_fork(nr, a, b, c, d, e);
	}
	return libc.syscall(nr, a, b, c, d, e, f);
}
EXPORT(syscall);
