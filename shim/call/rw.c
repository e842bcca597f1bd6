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

/* True when nothing at all is asked for: read() and readv() then return 0 at once, unlike
 * recv(). */
static bool rw_empty(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len)
			return false;
	return true;
}

/* -EINVAL as the kernel says it before it looks at the socket. */
static ssize_t rw_readv(int fd, struct ofd *o, const struct iovec *iov, int n, int flags)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};

	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	if (!user_can_read(iov, (size_t)n * sizeof(*iov)))
		return -EFAULT;
	if (rw_empty(iov, n))
		return 0;
	return sock_recvmsg(fd, o, &msg, flags);
}

static ssize_t rw_writev(int fd, struct ofd *o, const struct iovec *iov, int n, int flags)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};

	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	if (!user_can_read(iov, (size_t)n * sizeof(*iov)))
		return -EFAULT;
	return sock_sendmsg(fd, o, &msg, flags);
}

ssize_t call_read(int fd, void *buf, size_t n)
{
	struct ofd *o = fdtab_stack(fd);
	struct iovec iov = {buf, n};

	if (likely(!o))
		return libc.read(fd, buf, n);
	return EDGE_WAIT(rw_readv(fd, o, &iov, 1, 0), call_read(fd, buf, n));
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
	struct iovec iov = {(void *)buf, n};

	if (likely(!o))
		return libc.write(fd, buf, n);
	return EDGE_WAIT(rw_writev(fd, o, &iov, 1, 0), call_write(fd, buf, n));
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

/* RWF_* flags as MSG_* flags; -EOPNOTSUPP for what no socket does. Priority and sync say nothing
 * to a socket. */
static int rw_flags(int rwf)
{
	if (rwf & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT))
		return -EOPNOTSUPP;
	return rwf & RWF_NOWAIT ? MSG_DONTWAIT : 0;
}

/* An offset other than -1 is refused by the kernel socket below, with ESPIPE. */
ssize_t call_preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	struct ofd *o = fdtab_stack(fd);
	int f;

	if (likely(!o) || off != -1)
		return libc.preadv2(fd, iov, n, off, flags);
	f = rw_flags(flags);
	return EDGE_WAIT(f < 0 ? f : rw_readv(fd, o, iov, n, f),
			 call_preadv2(fd, iov, n, off, flags));
}
EXPORT(preadv2);
EXPORT_AS(preadv64v2, preadv2);

ssize_t call_pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	struct ofd *o = fdtab_stack(fd);
	int f;

	if (likely(!o) || off != -1)
		return libc.pwritev2(fd, iov, n, off, flags);
	f = rw_flags(flags);
	return EDGE_WAIT(f < 0 ? f : rw_writev(fd, o, iov, n, f),
			 call_pwritev2(fd, iov, n, off, flags));
}
EXPORT(pwritev2);
EXPORT_AS(pwritev64v2, pwritev2);
