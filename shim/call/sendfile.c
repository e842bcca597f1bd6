/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes from descriptor to descriptor. off_t is 64 bits wide on every machine we build for, so
 * that sendfile and sendfile64 are one.
 */
#include "edge.h"

#include "shim/fd/sock.h"
#include "shim/proc/user.h"

_Static_assert(sizeof(off_t) == 8 && sizeof(long) == 8, "twins differ on this machine");

ssize_t call_sendfile(int out_fd, int in_fd, off_t *off, size_t n)
{
	struct ofd *o = fdtab_stack(out_fd);

	if (likely(!o)) {
		o = fdtab_stack(in_fd);
		if (likely(!o) || off || (ssize_t)n <= 0 || o->socktype != SOCK_STREAM ||
		    !sock_is_pipe_in(out_fd))
			return libc.sendfile(out_fd, in_fd, off, n);
		return EDGE_BLOCK(0, sock_sendfile_to_pipe(in_fd, o, out_fd, n),
				  call_sendfile(out_fd, in_fd, off, n));
	}
	if (off && !user_can_write(off, sizeof(*off)))
		return EDGE(-EFAULT);
	return EDGE_BLOCK(0, sock_sendfile(out_fd, o, in_fd, off, n),
			  call_sendfile(out_fd, in_fd, off, n));
}
EXPORT(sendfile);
EXPORT_AS(sendfile64, sendfile);

ssize_t call_splice(int fd_in, loff_t *off_in, int fd_out, loff_t *off_out, size_t n,
		    unsigned flags)
{
	if (likely(!fdtab_stack(fd_in) && !fdtab_stack(fd_out)))
		return libc.splice(fd_in, off_in, fd_out, off_out, n, flags);
	return EDGE_WAIT(sock_splice(fd_in, off_in, fd_out, off_out, n, flags),
			 call_splice(fd_in, off_in, fd_out, off_out, n, flags));
}
EXPORT(splice);
