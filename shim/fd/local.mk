# SPDX-License-Identifier: BSD-2-Clause
libshim_la_SOURCES += \
	shim/fd/epoll.h \
	shim/fd/fdtab.h \
	shim/fd/ofd.h \
	shim/fd/sock.h
