# SPDX-License-Identifier: BSD-2-Clause
# Ordinary programs: libc, malloc and all. They share the tables and the stack's looking-in functions.
bin_PROGRAMS += shimrun

TOOL_CPPFLAGS = $(AM_CPPFLAGS) -DLIBDIR='"$(libdir)"'
TOOL_SOURCES = \
	shim/tool/json.c \
	shim/tool/json.h \
	shim/tool/tool.c \
	shim/tool/tool.h

shimrun_CPPFLAGS = $(TOOL_CPPFLAGS)
shimrun_LDADD = $(LIBXDP_LIBS) $(LIBURING_LIBS)
shimrun_SOURCES = $(TOOL_SOURCES) \
	shim/proc/knobs.c \
	shim/proc/log.c \
	shim/tool/check.c \
	shim/tool/check.h \
	shim/tool/nl.c \
	shim/tool/nl.h \
	shim/tool/probe.c \
	shim/tool/probe.h \
	shim/tool/shimrun.c \
	shim/tool/target.c \
	shim/tool/target.h

# Of the files that the library is made of it takes what looks in from outside, and the linker drops
# what is around that.
bin_PROGRAMS += shimstat
shimstat_CPPFLAGS = $(TOOL_CPPFLAGS)
shimstat_CFLAGS = $(AM_CFLAGS) -ffunction-sections -fdata-sections
shimstat_LDFLAGS = -Wl,--gc-sections
shimstat_SOURCES = $(TOOL_SOURCES) \
	shim/dev/dev.c \
	shim/proc/verdict.c \
	shim/tool/look.c \
	shim/tool/look.h \
	shim/tool/shimstat.c \
	shim/tool/show.h \
	shim/tool/show_json.c \
	shim/tool/show_text.c
shimstat_LDADD = libstack.la
