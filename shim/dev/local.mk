# SPDX-License-Identifier: BSD-2-Clause
libshim_la_SOURCES += \
	bpf/steer.h \
	shim/dev/back.c \
	shim/dev/dev.c \
	shim/dev/dev.h \
	shim/dev/gso.c \
	shim/dev/hold.c \
	shim/dev/internal.h \
	shim/dev/loop.c \
	shim/dev/neigh.c \
	shim/dev/netlink.c \
	shim/dev/pass.c \
	shim/dev/rings.c \
	shim/dev/steer.c \
	shim/dev/xsk.c
