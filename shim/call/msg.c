/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * send and recv and their relatives: every send becomes sock_sendmsg (or _sendmmsg), every receive
 * sock_recvmsg (or _recvmmsg).
 */
#include "edge.h"

#include "shim/fd/pass.h"
#include "shim/fd/sock.h"
#include "shim/proc/user.h"

static ssize_t msg_send(int fd, struct ofd *o, const void *buf, size_t n, int flags,
			const struct sockaddr *addr, socklen_t len)
{
	struct iovec iov = {(void *)buf, n < SOCK_MOVE_MAX ? n : SOCK_MOVE_MAX};
	struct msghdr msg = {
		.msg_name = (void *)addr,
		.msg_namelen = addr ? len : 0,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};

	if (addr && len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (addr && !user_can_read(addr, len))
		return -EFAULT;
	return sock_sendmsg(fd, o, &msg, flags);
}

/* *len: as recvfrom(2): in, the room; out, the address's whole length. */
static ssize_t msg_recv(int fd, struct ofd *o, void *buf, size_t n, int flags,
			struct sockaddr *addr, socklen_t *len)
{
	struct iovec iov = {buf, n < SOCK_MOVE_MAX ? n : SOCK_MOVE_MAX};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t ret;

	if (addr && len) {
		if (!user_can_write(len, sizeof(*len)))
			return -EFAULT;
		if ((int)*len < 0)
			return -EINVAL;
		msg.msg_name = addr;
		msg.msg_namelen = *len;
	}
	ret = sock_recvmsg(fd, o, &msg, flags);
	if (ret >= 0 && addr && len)
		*len = msg.msg_namelen;
	return ret;
}

/* As fdtab_stack(); a send with MSG_FASTOPEN may begin a connection. */
static inline struct ofd *msg_ofd(int fd, int flags)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(o) || likely(!(flags & MSG_FASTOPEN)))
		return o;
	o = fdtab_tracked(fd);
	return o && sock_fastopen_is_ours(o) ? o : NULL;
}

ssize_t call_send(int fd, const void *buf, size_t n, int flags)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.send(fd, buf, n, flags);
	return EDGE_WAIT(msg_send(fd, o, buf, n, flags, NULL, 0), call_send(fd, buf, n, flags));
}
EXPORT(send);
EXPORT_AS(__send, send);

ssize_t call_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
		    socklen_t len)
{
	struct ofd *o = msg_ofd(fd, flags);

	if (likely(!o))
		return libc.sendto(fd, buf, n, flags, addr, len);
	return EDGE_WAIT(msg_send(fd, o, buf, n, flags, addr, len),
			 call_sendto(fd, buf, n, flags, addr, len));
}
EXPORT(sendto);

/* Over a socket of the kernel's: descriptors in it may be ours. */
static ssize_t kernel_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t ret;
	int r, saved;

	if (likely(!pass_any()) || !user_can_read(msg, sizeof(*msg)) || !pass_concerns_us(msg))
		return libc.sendmsg(fd, msg, flags);
	r = pass_send(fd, msg);
	if (r < 0)
		return EDGE(r);
	ret = libc.sendmsg(fd, msg, flags);
	saved = errno;
	pass_sent(msg, ret >= 0);
	errno = saved;
	return ret;
}

ssize_t call_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct ofd *o = msg_ofd(fd, flags);
	int r;

	if (likely(!o))
		return kernel_sendmsg(fd, msg, flags);
	r = sock_msg_check(msg, true);
	return EDGE_WAIT(r < 0 ? r : sock_sendmsg(fd, o, msg, flags), call_sendmsg(fd, msg, flags));
}
EXPORT(sendmsg);

/* Has any of them descriptors? What can't be read ends the call in the kernel. */
static bool mmsg_concerns_us(const struct mmsghdr *v, unsigned n)
{
	for (unsigned i = 0; i < n && user_can_read(&v[i], sizeof(v[i])); i++)
		if (pass_concerns_us(&v[i].msg_hdr))
			return true;
	return false;
}

/* One after the other, if one of them has descriptors: rare enough. */
static int kernel_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned i;

	if (n > SOCK_MMSG_MAX)
		n = SOCK_MMSG_MAX;
	if (likely(!pass_any()) || !mmsg_concerns_us(v, n))
		return libc.sendmmsg(fd, v, n, flags);
	for (i = 0; i < n; i++) {
		ssize_t r = kernel_sendmsg(fd, &v[i].msg_hdr, flags);

		if (r >= 0 && !user_can_write(&v[i].msg_len, sizeof(v[i].msg_len)))
			r = EDGE(-EFAULT);
		if (r < 0)
			return i ? (int)i : -1;
		v[i].msg_len = (unsigned)r;
	}
	return (int)i;
}

int call_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	struct ofd *o = msg_ofd(fd, flags);

	if (likely(!o))
		return kernel_sendmmsg(fd, v, n, flags);
	return EDGE_WAIT(sock_sendmmsg(fd, o, v, n, flags), call_sendmmsg(fd, v, n, flags));
}
EXPORT(sendmmsg);

ssize_t call_recv(int fd, void *buf, size_t n, int flags)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.recv(fd, buf, n, flags);
	return EDGE_WAIT(msg_recv(fd, o, buf, n, flags, NULL, NULL), call_recv(fd, buf, n, flags));
}
EXPORT(recv);

ssize_t call___recv_chk(int fd, void *buf, size_t n, size_t size, int flags)
{
	edge_check(n, size);
	return call_recv(fd, buf, n, flags);
}
EXPORT(__recv_chk);

ssize_t call_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *len)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.recvfrom(fd, buf, n, flags, addr, len);
	return EDGE_WAIT(msg_recv(fd, o, buf, n, flags, addr, len),
			 call_recvfrom(fd, buf, n, flags, addr, len));
}
EXPORT(recvfrom);

ssize_t call___recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags,
			    struct sockaddr *addr, socklen_t *len)
{
	edge_check(n, size);
	return call_recvfrom(fd, buf, n, flags, addr, len);
}
EXPORT(__recvfrom_chk);

static ssize_t received(ssize_t ret, const struct msghdr *msg, int flags)
{
	int saved = errno;

	if (unlikely(ret >= 0 && pass_concerns_us(msg))) {
		pass_received(msg, flags & MSG_PEEK);
		errno = saved;
	}
	return ret;
}

ssize_t call_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct ofd *o = fdtab_stack(fd);
	int r;

	if (likely(!o))
		return received(libc.recvmsg(fd, msg, flags), msg, flags);
	r = sock_msg_check(msg, false);
	return EDGE_WAIT(r < 0 ? r : sock_recvmsg(fd, o, msg, flags), call_recvmsg(fd, msg, flags));
}
EXPORT(recvmsg);

int call_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o)) {
		int got = libc.recvmmsg(fd, v, n, flags, timeout);

		for (int i = 0; i < got; i++)
			received(0, &v[i].msg_hdr, flags);
		return got;
	}
	return EDGE_WAIT(sock_recvmmsg(fd, o, v, n, flags, timeout),
			 call_recvmmsg(fd, v, n, flags, timeout));
}
EXPORT(recvmmsg);
