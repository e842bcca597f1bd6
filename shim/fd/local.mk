# SPDX-License-Identifier: BSD-2-Clause
libshim_la_SOURCES += \
	shim/fd/epoll.c \
	shim/fd/epoll.h \
	shim/fd/epoll_set.h \
	shim/fd/epoll_wait.c \
	shim/fd/fdtab.h \
	shim/fd/ofd.h \
	shim/fd/poll.c \
	shim/fd/poll_set.h \
	shim/fd/select.c \
	shim/fd/sock.h \
	shim/fd/watch.c
