# SPDX-License-Identifier: BSD-2-Clause
noinst_LTLIBRARIES += libstack.la
libstack_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden
libstack_la_SOURCES = \
	stack/addr.h \
	stack/assert.h \
	stack/internal.h \
	stack/ip/csum.h \
	stack/ip/wire.h \
	stack/list.h \
	stack/mem/arena.h \
	stack/mem/blk.h \
	stack/mem/frame.h \
	stack/mem/pool.h \
	stack/seq.h \
	stack/stack.h \
	stack/stats.def \
	stack/time/wheel.h \
	stack/txq.h

libstack_la_SOURCES += \
	stack/tcp/cc.c \
	stack/tcp/cc.h \
	stack/tcp/cc_cubic.c \
	stack/tcp/cc_cubic.h \
	stack/tcp/cc_reno.c \
	stack/tcp/cc_reno.h \
	stack/tcp/recovery.c \
	stack/tcp/recovery.h \
	stack/tcp/rtt.c \
	stack/tcp/rtt.h \
	stack/tcp/sent.c \
	stack/tcp/sent.h
