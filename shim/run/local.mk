# SPDX-License-Identifier: BSD-2-Clause
libshim_la_SOURCES += \
	shim/run/door.c \
	shim/run/attend.c \
	shim/run/gate.c \
	shim/run/helper.c \
	shim/run/run.h \
	shim/run/turn.c \
	shim/run/wait.c
