/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls past every name that libshim defines (`syscall` among them), without errno and
 * without being cancellation points: for code that runs inside intercepted calls, in signal
 * handlers, in a vfork child, or before libc's symbols are known. Each returns what the kernel
 * does: a value, or -Exxx. Arguments are the system call's; nothing is checked.
 *
 * What may block and is a cancellation point in libc should go through libc.NAME (libc.h) instead.
 */
#ifndef SHIM_PROC_SYS_H
#define SHIM_PROC_SYS_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#if defined(__x86_64__)

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "sys_call6 is not written for this architecture"
#endif

/* sys_call(SYS_close, fd): missing arguments are 0; integers and pointers may be mixed. */
#define sys_call(...) SYS_CAT(SYS_ARGS_, SYS_NARGS(__VA_ARGS__))(__VA_ARGS__)
#define SYS_NARGS(...) SYS_NARGS_(__VA_ARGS__, 7, 6, 5, 4, 3, 2, 1)
#define SYS_NARGS_(a, b, c, d, e, f, g, n, ...) n
#define SYS_CAT(a, b) SYS_CAT_(a, b)
#define SYS_CAT_(a, b) a##b
#define SYS_ARGS_1(nr) sys_call6(nr, 0, 0, 0, 0, 0, 0)
#define SYS_ARGS_2(nr, a) sys_call6(nr, (long)(a), 0, 0, 0, 0, 0)
#define SYS_ARGS_3(nr, a, b) sys_call6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS_ARGS_4(nr, a, b, c) sys_call6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS_ARGS_5(nr, a, b, c, d) sys_call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SYS_ARGS_6(nr, a, b, c, d, e) \
	sys_call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define SYS_ARGS_7(nr, a, b, c, d, e, f) \
	sys_call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* The kernel's signal set, in bytes. */
#define SYS_SIGSET_BYTES 8

/* ---- sockets -------------------------------------------------------------------------------- */

static inline int sys_socket(int domain, int type, int protocol)
{
	return (int)sys_call(SYS_socket, domain, type, protocol);
}

static inline int sys_socketpair(int domain, int type, int protocol, int fds[2])
{
	return (int)sys_call(SYS_socketpair, domain, type, protocol, fds);
}

static inline int sys_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)sys_call(SYS_bind, fd, addr, len);
}

static inline int sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)sys_call(SYS_connect, fd, addr, len);
}

static inline int sys_listen(int fd, int backlog)
{
	return (int)sys_call(SYS_listen, fd, backlog);
}

static inline int sys_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return (int)sys_call(SYS_accept4, fd, addr, len, flags);
}

static inline int sys_shutdown(int fd, int how)
{
	return (int)sys_call(SYS_shutdown, fd, how);
}

static inline ssize_t sys_sendto(int fd, const void *buf, size_t n, int flags,
				 const struct sockaddr *addr, socklen_t len)
{
	return sys_call(SYS_sendto, fd, buf, n, flags, addr, len);
}

static inline ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return sys_call(SYS_sendmsg, fd, msg, flags);
}

static inline int sys_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	return (int)sys_call(SYS_sendmmsg, fd, v, n, flags);
}

static inline ssize_t sys_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
				   socklen_t *len)
{
	return sys_call(SYS_recvfrom, fd, buf, n, flags, addr, len);
}

static inline ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return sys_call(SYS_recvmsg, fd, msg, flags);
}

static inline int sys_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags,
			       struct timespec *timeout)
{
	return (int)sys_call(SYS_recvmmsg, fd, v, n, flags, timeout);
}

static inline int sys_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	return (int)sys_call(SYS_getsockopt, fd, level, name, val, len);
}

static inline int sys_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	return (int)sys_call(SYS_setsockopt, fd, level, name, val, len);
}

static inline int sys_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)sys_call(SYS_getsockname, fd, addr, len);
}

static inline int sys_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)sys_call(SYS_getpeername, fd, addr, len);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static inline ssize_t sys_read(int fd, void *buf, size_t n)
{
	return sys_call(SYS_read, fd, buf, n);
}

static inline ssize_t sys_write(int fd, const void *buf, size_t n)
{
	return sys_call(SYS_write, fd, buf, n);
}

static inline ssize_t sys_readv(int fd, const struct iovec *iov, int n)
{
	return sys_call(SYS_readv, fd, iov, n);
}

static inline ssize_t sys_writev(int fd, const struct iovec *iov, int n)
{
	return sys_call(SYS_writev, fd, iov, n);
}

static inline ssize_t sys_pread64(int fd, void *buf, size_t n, off_t off)
{
	return sys_call(SYS_pread64, fd, buf, n, off);
}

static inline ssize_t sys_pwrite64(int fd, const void *buf, size_t n, off_t off)
{
	return sys_call(SYS_pwrite64, fd, buf, n, off);
}

/* The kernel takes the offset in two halves; on 64 bits the low one holds it all. */
static inline ssize_t sys_preadv(int fd, const struct iovec *iov, int n, off_t off)
{
	return sys_call(SYS_preadv, fd, iov, n, off, 0);
}

static inline ssize_t sys_pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
	return sys_call(SYS_pwritev, fd, iov, n, off, 0);
}

static inline ssize_t sys_preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	return sys_call(SYS_preadv2, fd, iov, n, off, 0, flags);
}

static inline ssize_t sys_pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	return sys_call(SYS_pwritev2, fd, iov, n, off, 0, flags);
}

static inline ssize_t sys_sendfile(int out_fd, int in_fd, off_t *off, size_t n)
{
	return sys_call(SYS_sendfile, out_fd, in_fd, off, n);
}

static inline ssize_t sys_splice(int fd_in, loff_t *off_in, int fd_out, loff_t *off_out, size_t n,
				 unsigned flags)
{
	return sys_call(SYS_splice, fd_in, off_in, fd_out, off_out, n, flags);
}

static inline ssize_t sys_tee(int fd_in, int fd_out, size_t n, unsigned flags)
{
	return sys_call(SYS_tee, fd_in, fd_out, n, flags);
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static inline int sys_openat(int dir, const char *path, int flags, mode_t mode)
{
	return (int)sys_call(SYS_openat, dir, path, flags, mode);
}

static inline int sys_close(int fd)
{
	return (int)sys_call(SYS_close, fd);
}

static inline int sys_close_range(unsigned first, unsigned last, int flags)
{
	return (int)sys_call(SYS_close_range, first, last, flags);
}

static inline int sys_fcntl(int fd, int cmd, unsigned long arg)
{
	return (int)sys_call(SYS_fcntl, fd, cmd, arg);
}

static inline int sys_ioctl(int fd, unsigned long req, void *arg)
{
	return (int)sys_call(SYS_ioctl, fd, req, arg);
}

static inline int sys_dup(int fd)
{
	return (int)sys_call(SYS_dup, fd);
}

static inline int sys_dup3(int old, int new_fd, int flags)
{
	return (int)sys_call(SYS_dup3, old, new_fd, flags);
}

static inline int sys_pipe2(int fds[2], int flags)
{
	return (int)sys_call(SYS_pipe2, fds, flags);
}

static inline int sys_eventfd2(unsigned count, int flags)
{
	return (int)sys_call(SYS_eventfd2, count, flags);
}

static inline int sys_memfd_create(const char *name, unsigned flags)
{
	return (int)sys_call(SYS_memfd_create, name, flags);
}

static inline int sys_ftruncate(int fd, off_t len)
{
	return (int)sys_call(SYS_ftruncate, fd, len);
}

static inline off_t sys_lseek(int fd, off_t off, int whence)
{
	return sys_call(SYS_lseek, fd, off, whence);
}

/* st: the kernel's struct stat, which is libc's on 64 bits. */
struct stat;
static inline int sys_fstat(int fd, struct stat *st)
{
	return (int)sys_call(SYS_fstat, fd, st);
}

static inline ssize_t sys_readlinkat(int dir, const char *path, char *buf, size_t n)
{
	return sys_call(SYS_readlinkat, dir, path, buf, n);
}

static inline int sys_unlinkat(int dir, const char *path, int flags)
{
	return (int)sys_call(SYS_unlinkat, dir, path, flags);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static inline int sys_epoll_create1(int flags)
{
	return (int)sys_call(SYS_epoll_create1, flags);
}

static inline int sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	return (int)sys_call(SYS_epoll_ctl, epfd, op, fd, ev);
}

static inline int sys_epoll_pwait(int epfd, struct epoll_event *ev, int max, int timeout_ms,
				  const sigset_t *mask)
{
	return (int)sys_call(SYS_epoll_pwait, epfd, ev, max, timeout_ms, mask, SYS_SIGSET_BYTES);
}

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
/* -ENOSYS before Linux 5.11. */
static inline int sys_epoll_pwait2(int epfd, struct epoll_event *ev, int max,
				   const struct timespec *timeout, const sigset_t *mask)
{
	return (int)sys_call(SYS_epoll_pwait2, epfd, ev, max, timeout, mask, SYS_SIGSET_BYTES);
}

/* The kernel writes the time left into *timeout. */
static inline int sys_ppoll(struct pollfd *fds, nfds_t n, struct timespec *timeout,
			    const sigset_t *mask)
{
	return (int)sys_call(SYS_ppoll, fds, n, timeout, mask, SYS_SIGSET_BYTES);
}

/* op without or with FUTEX_PRIVATE_FLAG, as the word is private or in the arena. */
static inline long sys_futex(_Atomic uint32_t *word, int op, uint32_t val,
			     const struct timespec *timeout, uint32_t *word2, uint32_t val3)
{
	return sys_call(SYS_futex, word, op, val, timeout, word2, val3);
}

static inline int sys_nanosleep(const struct timespec *t, struct timespec *left)
{
	return (int)sys_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, t, left);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* The address, or -Exxx as a pointer: test with sys_is_err(). */
static inline void *sys_mmap(void *addr, size_t n, int prot, int flags, int fd, off_t off)
{
	return (void *)sys_call(SYS_mmap, addr, n, prot, flags, fd, off);
}

static inline int sys_munmap(void *addr, size_t n)
{
	return (int)sys_call(SYS_munmap, addr, n);
}

static inline int sys_madvise(void *addr, size_t n, int advice)
{
	return (int)sys_call(SYS_madvise, addr, n, advice);
}

static inline int sys_is_err(const void *p)
{
	return (unsigned long)p > -4096ul;
}

/* ---- processes, threads, signals ------------------------------------------------------------ */

static inline pid_t sys_getpid(void)
{
	return (pid_t)sys_call(SYS_getpid);
}

static inline pid_t sys_getppid(void)
{
	return (pid_t)sys_call(SYS_getppid);
}

static inline pid_t sys_gettid(void)
{
	return (pid_t)sys_call(SYS_gettid);
}

static inline int sys_kill(pid_t pid, int sig)
{
	return (int)sys_call(SYS_kill, pid, sig);
}

static inline int sys_tgkill(pid_t pid, pid_t tid, int sig)
{
	return (int)sys_call(SYS_tgkill, pid, tid, sig);
}

static inline int sys_rt_sigqueueinfo(pid_t pid, int sig, const siginfo_t *info)
{
	return (int)sys_call(SYS_rt_sigqueueinfo, pid, sig, info);
}

static inline int sys_rt_tgsigqueueinfo(pid_t pid, pid_t tid, int sig, const siginfo_t *info)
{
	return (int)sys_call(SYS_rt_tgsigqueueinfo, pid, tid, sig, info);
}

/* Kernel sets: the first SYS_SIGSET_BYTES of a sigset_t. */
static inline int sys_rt_sigprocmask(int how, const void *set, void *old)
{
	return (int)sys_call(SYS_rt_sigprocmask, how, set, old, SYS_SIGSET_BYTES);
}

static inline int sys_pidfd_open(pid_t pid, unsigned flags)
{
	return (int)sys_call(SYS_pidfd_open, pid, flags);
}

static inline void __attribute__((noreturn)) sys_exit_group(int status)
{
	for (;;)
		sys_call(SYS_exit_group, status);
}

static inline int sys_bpf(int cmd, void *attr, unsigned bytes)
{
	return (int)sys_call(SYS_bpf, cmd, attr, bytes);
}

static inline ssize_t sys_getrandom(void *buf, size_t n, unsigned flags)
{
	return sys_call(SYS_getrandom, buf, n, flags);
}

#endif
