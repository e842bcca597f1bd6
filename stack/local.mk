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
