/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets from birth to shutdown. Decides nothing: an accelerated socket goes to its operation,
 * everything else to libc. Calls that may change whether a socket is accelerated (bind, listen,
 * connect, options) take every tracked one.
 */
#include "edge.h"

#include <string.h>
#include <sys/ioctl.h>
#include <netinet/in.h>
#include <linux/sockios.h>

#include "shim/fd/sock.h"
#include "shim/call/signal.h"
#include "shim/call/start.h"
#include "shim/proc/user.h"

#define GETSOCKOPT_BYTES 512 /* more than any option of a socket that could be accelerated has */

int call_socket(int domain, int type, int protocol)
{
	int fd = libc.socket(domain, type, protocol);

	if (fd < 0 || thread_is_internal())
		return fd;
	start_ensure();
	fd = EDGE(sock_created(fd, domain, type, protocol));
	if (fdtab_get(fd))
		signal_guard();
	return fd;
}
EXPORT(socket);

int call_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct ofd *o = edge_socket(fd);

	if (likely(!o))
		return libc.bind(fd, addr, len);
	if (len > sizeof(struct sockaddr_storage))
		return EDGE(-EINVAL);
	if (!user_can_read(addr, len))
		return EDGE(-EFAULT);
	return EDGE(sock_bind(fd, o, addr, len));
}
EXPORT(bind);

int call_listen(int fd, int backlog)
{
	struct ofd *o = edge_socket(fd);

	if (likely(!o))
		return libc.listen(fd, backlog);
	return EDGE(sock_listen(fd, o, backlog));
}
EXPORT(listen);

int call_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct ofd *o = edge_socket(fd);

	if (likely(!o))
		return libc.connect(fd, addr, len);
	if (len > sizeof(struct sockaddr_storage))
		return EDGE(-EINVAL);
	if (!user_can_read(addr, len))
		return EDGE(-EFAULT);
	return EDGE_WAIT(sock_connect(fd, o, addr, len), call_connect(fd, addr, len));
}
EXPORT(connect);
EXPORT_AS(__connect, connect);

/* An address that is asked for can be handed out: len can be read and written, and the room that it
 * speaks of, as far as an address may fill it. */
static bool name_fits(const struct ofd *o, struct sockaddr *addr, socklen_t *len)
{
	size_t n;

	if (!user_can_write(len, sizeof(*len)))
		return false;
	n = (int)*len < 0 ? 0 : *len;
	return user_can_write(addr, n < sockaddr_bytes(o) ? n : sockaddr_bytes(o));
}

/* The kernel, too, takes the connection out of the queue before it finds that it can't say whose it
 * is, and then ends it. */
static int accept_in_vain(int fd, struct ofd *o, int flags)
{
	int r = sock_accept(fd, o, NULL, NULL, flags);

	if (r < 0)
		return r;
	fd_close(r);
	return -EFAULT;
}

static int accept_edge(int fd, struct ofd *o, struct sockaddr *addr, socklen_t *len, int flags)
{
	if (addr && unlikely(!name_fits(o, addr, len)))
		return EDGE_WAIT(accept_in_vain(fd, o, flags), call_accept4(fd, addr, len, flags));
	return EDGE_WAIT(sock_accept(fd, o, addr, len, flags), call_accept4(fd, addr, len, flags));
}

int call_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.accept4(fd, addr, len, flags);
	return accept_edge(fd, o, addr, len, flags);
}
EXPORT(accept4);

int call_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.accept(fd, addr, len);
	return accept_edge(fd, o, addr, len, 0);
}
EXPORT(accept);

int call_shutdown(int fd, int how)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.shutdown(fd, how);
	return EDGE(sock_shutdown(fd, o, how));
}
EXPORT(shutdown);

int call_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.getsockname(fd, addr, len);
	return EDGE(name_fits(o, addr, len) ? sock_getsockname(fd, o, addr, len) : -EFAULT);
}
EXPORT(getsockname);

int call_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.getpeername(fd, addr, len);
	return EDGE(name_fits(o, addr, len) ? sock_getpeername(fd, o, addr, len) : -EFAULT);
}
EXPORT(getpeername);

/* The room is said to be larger than the memory is: what there is to say may still fit. */
static int getsockopt_cut(int fd, struct ofd *o, int level, int name, void *val, socklen_t *len)
{
	char room[GETSOCKOPT_BYTES];
	socklen_t n = *len < sizeof(room) ? *len : sizeof(room);
	int r = sock_getsockopt(fd, o, level, name, room, &n);

	if (r < 0)
		return r;
	if (!user_can_write(val, n))
		return -EFAULT;
	memcpy(val, room, n);
	*len = n;
	return 0;
}

int call_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct ofd *o = edge_socket(fd);
	size_t n;

	if (likely(!o))
		return libc.getsockopt(fd, level, name, val, len);
	if (!user_can_write(len, sizeof(*len)))
		return EDGE(-EFAULT);
	n = *len < GETSOCKOPT_BYTES ? *len : GETSOCKOPT_BYTES;
	if ((int)*len > 0 && unlikely(!user_can_write(val, n)))
		return EDGE(getsockopt_cut(fd, o, level, name, val, len));
	return EDGE(sock_getsockopt(fd, o, level, name, val, len));
}
EXPORT(getsockopt);

int call_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct ofd *o = edge_socket(fd);
	size_t need = len < sizeof(int) ? len : sizeof(int);

	if (likely(!o))
		return libc.setsockopt(fd, level, name, val, len);
	if ((int)len > 0 && unlikely(user_readable(val, len) < need))
		return EDGE(-EFAULT);
	return EDGE(sock_setsockopt(fd, o, level, name, val, len));
}
EXPORT(setsockopt);

/* libc asks the kernel by an inner ioctl that would not come by us. */
int call_sockatmark(int fd)
{
	struct ofd *o = fdtab_stack(fd);
	int mark = 0;

	if (likely(!o))
		return libc.sockatmark(fd);
	return EDGE(sock_ioctl(fd, o, SIOCATMARK, &mark)) < 0 ? -1 : mark;
}
EXPORT(sockatmark);
