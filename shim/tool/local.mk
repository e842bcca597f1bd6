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
