# SPDX-License-Identifier: BSD-2-Clause
libshim_la_SOURCES += \
	shim/fd/accept.c \
	shim/fd/cmsg.c \
	shim/fd/cmsg.h \
	shim/fd/connect.c \
	shim/fd/epoll.c \
	shim/fd/epoll.h \
	shim/fd/epoll_set.h \
	shim/fd/epoll_wait.c \
	shim/fd/errq.c \
	shim/fd/exec.c \
	shim/fd/exec.h \
	shim/fd/fd.c \
	shim/fd/fdtab.c \
	shim/fd/fdtab.h \
	shim/fd/ofd.c \
	shim/fd/ofd.h \
	shim/fd/opts.c \
	shim/fd/owner.c \
	shim/fd/poll.c \
	shim/fd/poll_set.h \
	shim/fd/port.c \
	shim/fd/select.c \
	shim/fd/sock.c \
	shim/fd/sockaddr.c \
	shim/fd/sock.h \
	shim/fd/sock_int.h \
	shim/fd/splice.c \
	shim/fd/stage.c \
	shim/fd/stage.h \
	shim/fd/stream.c \
	shim/fd/transfer.c \
	shim/fd/udp.c \
	shim/fd/udp_int.h \
	shim/fd/udp_opts.c \
	shim/fd/watch.c
