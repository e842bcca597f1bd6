# SPDX-License-Identifier: BSD-2-Clause
libshim_la_SOURCES += \
	shim/dev/dev.h
