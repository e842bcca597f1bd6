# SPDX-License-Identifier: BSD-2-Clause
noinst_LTLIBRARIES += libstack.la
libstack_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden
libstack_la_SOURCES = \
	stack/addr.h \
	stack/assert.h \
	stack/event.c \
	stack/internal.h \
	stack/ip/csum.c \
	stack/ip/csum.h \
	stack/ip/dst.c \
	stack/ip/icmp.c \
	stack/ip/input.c \
	stack/ip/output.c \
	stack/ip/rx.c \
	stack/ip/wire.h \
	stack/list.h \
	stack/mem/arena.c \
	stack/mem/arena.h \
	stack/mem/blk.c \
	stack/mem/blk.h \
	stack/mem/frame.c \
	stack/mem/frame.h \
	stack/mem/pool.c \
	stack/mem/pool.h \
	stack/rand.c \
	stack/seq.h \
	stack/sock.c \
	stack/stack.c \
	stack/stack.h \
	stack/stats.def \
	stack/time/wheel.c \
	stack/time/wheel.h \
	stack/txq.h \
	stack/udp/recv.c \
	stack/udp/send.c \
	stack/udp/udp.c \
	stack/udp/udp.h
