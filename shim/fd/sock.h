/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket operations as the intercepted calls need them. Each takes the descriptor and its
 * description (from fdtab_tracked() or fdtab_stack()) and gives what the system call would: a count
 * or 0, or -Exxx. They block as the socket's flags say (and MSG_DONTWAIT, SO_RCVTIMEO, ...) and end
 * with -EINTR as signal(7) tells. Nothing here touches errno.
 *
 * Those marked T take any tracked socket and may decide about its acceleration; those marked S only
 * an accelerated one (the caller passes the call to libc otherwise).
 */
#ifndef SHIM_FD_SOCK_H
#define SHIM_FD_SOCK_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <stdarg.h>

#include "ofd.h"

/* A socket was made: starts tracking it when it is one that could be accelerated. Returns fd. */
int sock_created(int fd, int domain, int type, int protocol);

/* T. The kernel's shadow has not been touched yet by these. */
int sock_bind(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len);
int sock_listen(int fd, struct ofd *o, int backlog);
int sock_connect(int fd, struct ofd *o, const struct sockaddr *addr, socklen_t len);
/* T: does the shadow's and, when accelerated, the stack's. */
int sock_setsockopt(int fd, struct ofd *o, int level, int name, const void *val, socklen_t len);
int sock_getsockopt(int fd, struct ofd *o, int level, int name, void *val, socklen_t *len);

/* How long an address of o is. */
static inline size_t sockaddr_bytes(const struct ofd *o)
{
	return o->family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* Whether the application's header and its arrays can be read (in a receive: and the header
 * written): 0, -EFAULT, -EINVAL, -EMSGSIZE. out: it is to be sent, its address is looked at, too.
 * Buffers are looked at when bytes are moved. For a header that is not our own. */
int sock_msg_check(const struct msghdr *msg, bool out);

/* Of one call at most, as MAX_RW_COUNT of Linux. */
#define SOCK_MOVE_MAX 0x7ffff000u
/* Bytes of the n pieces in all, SOCK_MOVE_MAX at most; -EINVAL for a length that cannot be, -EFAULT
 * for memory that can't be the application's. Nothing is touched. */
ssize_t sock_iov_total(const struct iovec *iov, size_t n);
/* Whether the kernel knows these RWF_* flags for sockets: 0, -EOPNOTSUPP, -EINVAL. */
int sock_rwf_check(int rwf);

/* S. flags: SOCK_NONBLOCK | SOCK_CLOEXEC. Serves both doors of a listener. */
int sock_accept(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len, int flags);
/* Whether MSG_FASTOPEN on o, not accelerated yet, is to be tried here (else it is the kernel's). */
static inline bool sock_fastopen_is_ours(const struct ofd *o)
{
	return o->socktype == SOCK_STREAM && !o->kernel_only;
}

ssize_t sock_sendmsg(int fd, struct ofd *o, const struct msghdr *msg, int flags);
ssize_t sock_recvmsg(int fd, struct ofd *o, struct msghdr *msg, int flags);
/* Of one call: the kernel's UIO_MAXIOV. What is beyond is not looked at. */
#define SOCK_MMSG_MAX 1024
int sock_sendmmsg(int fd, struct ofd *o, struct mmsghdr *v, unsigned n, int flags);
int sock_recvmmsg(int fd, struct ofd *o, struct mmsghdr *v, unsigned n, int flags,
		  struct timespec *timeout);
/* file to socket, at *offset (advanced, file position untouched) or the file's position (NULL). */
ssize_t sock_sendfile(int fd, struct ofd *o, int in_fd, off_t *offset, size_t count);
/* The other way round, as the kernel has it where out_fd is a pipe's writing end: is it one? */
bool sock_is_pipe_in(int out_fd);
ssize_t sock_sendfile_to_pipe(int fd, struct ofd *o, int out_fd, size_t count);
/* Either end may be the accelerated socket, the other a pipe. */
ssize_t sock_splice(int fd_in, loff_t *off_in, int fd_out, loff_t *off_out, size_t len,
		    unsigned flags);
int sock_shutdown(int fd, struct ofd *o, int how);
int sock_getsockname(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len);
int sock_getpeername(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len);
int sock_ioctl(int fd, struct ofd *o, unsigned long req, void *arg);

/* T: any tracked descriptor, epoll sets included. */
int fd_close(int fd); /* hidden ones: -EBADF */
/* What fd_close() does before the kernel closes: for those whose close is libc's own (fclose); and
 * for a number that the kernel has just given out, which was closed where we did not see it. */
void fd_forget(int fd);
int fd_fcntl(int fd, struct ofd *o, int cmd, unsigned long arg);
int fd_dup(int fd, struct ofd *o);                         /* as dup(2) */
int fd_dup3(int old, int new_fd, int flags, bool is_dup2); /* either may be tracked or hidden */
int fd_close_range(unsigned first, unsigned last, int flags);
/* Of [first, last] all but the hidden ones, and nothing is forgotten: for vfork children. */
int fd_close_range_visible(unsigned first, unsigned last, int flags);

/* The family's flows whose connections have ended entirely are steered no more; sr->lock held.
 * To be called once per turn: a look at an empty list in nearly all of them. */
void sock_reap_flows(struct stackrec *sr);

/* The process is about to end (exit, _exit, a returning main): what was accepted from the
 * application is delivered, within SHIM_LINGER_MS. */
void fd_exit(void);

#endif
