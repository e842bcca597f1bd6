/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * read and write and their relatives: on a socket they are recvmsg and sendmsg without flags or
 * address. The forms with an offset are not here (calls.def, LEFT), but for preadv2 and pwritev2,
 * where offset -1 means none.
 */
#include "edge.h"

#include <limits.h>

#include "shim/fd/sock.h"
#include "shim/proc/user.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

/* What the kernel says of the array before it looks at the socket: bytes in all, or -Exxx. */
static ssize_t rw_check(const struct iovec *iov, int n)
{
	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	if (!user_can_read(iov, (size_t)n * sizeof(*iov)))
		return -EFAULT;
	return sock_iov_total(iov, (size_t)n);
}

/* When nothing at all is asked for, readv() and writev() do nothing, unlike send() and recv(). */
static ssize_t rw_readv(int fd, struct ofd *o, const struct iovec *iov, int n, int flags)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	ssize_t r = rw_check(iov, n);

	return r <= 0 ? r : sock_recvmsg(fd, o, &msg, flags);
}

static ssize_t rw_writev(int fd, struct ofd *o, const struct iovec *iov, int n, int flags)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	ssize_t r = rw_check(iov, n);

	return r <= 0 ? r : sock_sendmsg(fd, o, &msg, flags);
}

/* read() and write() see a length whole before they cut it. 0, -EFAULT. */
static int rw_one(struct iovec *iov, const void *buf, size_t n)
{
	if (unlikely(!user_possible(buf, n)))
		return -EFAULT;
	*iov = (struct iovec){(void *)buf, n < SOCK_MOVE_MAX ? n : SOCK_MOVE_MAX};
	return 0;
}

static ssize_t rw_read(int fd, struct ofd *o, void *buf, size_t n)
{
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int r = rw_one(&iov, buf, n);

	return r < 0 || n == 0 ? r : sock_recvmsg(fd, o, &msg, 0);
}

static ssize_t rw_write(int fd, struct ofd *o, const void *buf, size_t n)
{
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int r = rw_one(&iov, buf, n);

	return r < 0 ? r : sock_sendmsg(fd, o, &msg, 0);
}

ssize_t call_read(int fd, void *buf, size_t n)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.read(fd, buf, n);
	return EDGE_WAIT(rw_read(fd, o, buf, n), call_read(fd, buf, n));
}
EXPORT(read);
EXPORT_AS(__read, read);

ssize_t call___read_chk(int fd, void *buf, size_t n, size_t size)
{
	edge_check(n, size);
	return call_read(fd, buf, n);
}
EXPORT(__read_chk);

ssize_t call_readv(int fd, const struct iovec *iov, int n)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.readv(fd, iov, n);
	return EDGE_WAIT(rw_readv(fd, o, iov, n, 0), call_readv(fd, iov, n));
}
EXPORT(readv);

ssize_t call_write(int fd, const void *buf, size_t n)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.write(fd, buf, n);
	return EDGE_WAIT(rw_write(fd, o, buf, n), call_write(fd, buf, n));
}
EXPORT(write);
EXPORT_AS(__write, write);

ssize_t call_writev(int fd, const struct iovec *iov, int n)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.writev(fd, iov, n);
	return EDGE_WAIT(rw_writev(fd, o, iov, n, 0), call_writev(fd, iov, n));
}
EXPORT(writev);

/* RWF_* flags as MSG_* flags, or -Exxx. Priority, sync and the end of a file say nothing to a
 * socket; which of the newer ones there are the kernel knows. */
static int rw_flags(int rwf)
{
	int r = rwf & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT) ? sock_rwf_check(rwf) : 0;

	if (r < 0)
		return r;
	return (rwf & RWF_NOWAIT ? MSG_DONTWAIT : 0) | (rwf & RWF_NOSIGNAL ? MSG_NOSIGNAL : 0);
}

static ssize_t rw_preadv2(int fd, struct ofd *o, const struct iovec *iov, int n, int flags)
{
	ssize_t r = rw_check(iov, n);

	if (r <= 0)
		return r;
	r = rw_flags(flags);
	return r < 0 ? r : rw_readv(fd, o, iov, n, (int)r);
}

static ssize_t rw_pwritev2(int fd, struct ofd *o, const struct iovec *iov, int n, int flags)
{
	ssize_t r = rw_check(iov, n);

	if (r <= 0)
		return r;
	r = rw_flags(flags);
	return r < 0 ? r : rw_writev(fd, o, iov, n, (int)r);
}

/* An offset other than -1 is refused by the kernel socket below, with ESPIPE. */
ssize_t call_preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o) || off != -1)
		return libc.preadv2(fd, iov, n, off, flags);
	return EDGE_WAIT(rw_preadv2(fd, o, iov, n, flags), call_preadv2(fd, iov, n, off, flags));
}
EXPORT(preadv2);
EXPORT_AS(preadv64v2, preadv2);

ssize_t call_pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o) || off != -1)
		return libc.pwritev2(fd, iov, n, off, flags);
	return EDGE_WAIT(rw_pwritev2(fd, o, iov, n, flags), call_pwritev2(fd, iov, n, off, flags));
}
EXPORT(pwritev2);
EXPORT_AS(pwritev64v2, pwritev2);
