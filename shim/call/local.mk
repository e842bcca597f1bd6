# SPDX-License-Identifier: BSD-2-Clause
libshim_la_SOURCES += \
	shim/call/calls.def \
	shim/call/calls.h \
	shim/call/edge.h \
	shim/call/epoll.c \
	shim/call/exec.c \
	shim/call/fd.c \
	shim/call/filter.c \
	shim/call/libc.c \
	shim/call/libc.h \
	shim/call/msg.c \
	shim/call/poll.c \
	shim/call/process.c \
	shim/call/rw.c \
	shim/call/sendfile.c \
	shim/call/sig.c \
	shim/call/signal.c \
	shim/call/signal.h \
	shim/call/socket.c \
	shim/call/spawn.c \
	shim/call/start.c \
	shim/call/stdio.c \
	shim/call/stdio.h \
	shim/call/start.h \
	shim/call/system.c \
	shim/call/syscall.c \
	shim/call/vfork.c \
	shim/call/vfork.h
