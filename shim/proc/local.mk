# SPDX-License-Identifier: BSD-2-Clause
libshim_la_SOURCES += \
	shim/proc/family.h \
	shim/proc/libc.h \
	shim/proc/lock.h \
	shim/proc/thread.h \
	shim/proc/verdict.def \
	shim/proc/verdict.h
