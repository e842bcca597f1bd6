/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets from birth to shutdown. Decides nothing: an accelerated socket goes to its operation,
 * everything else to libc. Calls that may change whether a socket is accelerated (bind, listen,
 * connect, options) take every tracked one.
 */
#include "edge.h"

#include <sys/ioctl.h>
#include <linux/sockios.h>

#include "shim/fd/sock.h"
#include "shim/call/start.h"

int call_socket(int domain, int type, int protocol)
{
	int fd = libc.socket(domain, type, protocol);

	if (fd < 0 || thread_is_internal())
		return fd;
	start_ensure();
	return EDGE(sock_created(fd, domain, type, protocol));
}
EXPORT(socket);

int call_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct ofd *o = edge_socket(fd);

	if (likely(!o))
		return libc.bind(fd, addr, len);
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
	edge_testcancel();
	return EDGE(sock_connect(fd, o, addr, len));
}
EXPORT(connect);
EXPORT_AS(__connect, connect);

int call_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.accept4(fd, addr, len, flags);
	edge_testcancel();
	return EDGE(sock_accept(fd, o, addr, len, flags));
}
EXPORT(accept4);

int call_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.accept(fd, addr, len);
	edge_testcancel();
	return EDGE(sock_accept(fd, o, addr, len, 0));
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
	return EDGE(sock_getsockname(fd, o, addr, len));
}
EXPORT(getsockname);

int call_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct ofd *o = fdtab_stack(fd);

	if (likely(!o))
		return libc.getpeername(fd, addr, len);
	return EDGE(sock_getpeername(fd, o, addr, len));
}
EXPORT(getpeername);

int call_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct ofd *o = edge_socket(fd);

	if (likely(!o))
		return libc.getsockopt(fd, level, name, val, len);
	return EDGE(sock_getsockopt(fd, o, level, name, val, len));
}
EXPORT(getsockopt);

int call_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct ofd *o = edge_socket(fd);

	if (likely(!o))
		return libc.setsockopt(fd, level, name, val, len);
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
