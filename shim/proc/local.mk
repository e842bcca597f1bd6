# SPDX-License-Identifier: BSD-2-Clause
libshim_la_SOURCES += \
	shim/proc/clock.c \
	shim/proc/family.c \
	shim/proc/family.h \
	shim/proc/filter.c \
	shim/proc/filter.h \
	shim/proc/fork.c \
	shim/proc/handover.c \
	shim/proc/handover.h \
	shim/proc/hide.c \
	shim/proc/image.c \
	shim/proc/image.h \
	shim/proc/lock.c \
	shim/proc/lock.h \
	shim/proc/memlock.c \
	shim/proc/memlock.h \
	shim/proc/sysctl.c \
	shim/proc/sysctl.h \
	shim/proc/thread.c \
	shim/proc/thread.h \
	shim/proc/user.c \
	shim/proc/user.h \
	shim/proc/verdict.c \
	shim/proc/verdict.def \
	shim/proc/verdict.h
