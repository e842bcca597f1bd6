# SPDX-License-Identifier: BSD-2-Clause
# The library. Each room below adds its sources to libshim_la_SOURCES, and the tools are programs of
# their own that share proc/ and the stack.
lib_LTLIBRARIES += libshim.la

libshim_la_SOURCES = \
	shim/proc/knobs.c \
	shim/proc/knobs.def \
	shim/proc/knobs.h \
	shim/proc/log.c \
	shim/proc/log.h \
	shim/proc/panic.c \
	shim/proc/sys.h
nodist_libshim_la_SOURCES =
# Both of these rename the very functions that the library defines.
libshim_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBURING_CFLAGS) -U_FORTIFY_SOURCE -U_FILE_OFFSET_BITS -U_TIME_BITS
libshim_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden -fno-plt -ftls-model=initial-exec
# The run time of clang's sanitizers comes with the program.
if !SANITIZERS
SHIM_Z_DEFS = -Wl,-z,defs
endif
# Nothing of a static library that is linked in shows; what shows is what the table names.
libshim_la_LDFLAGS = -module -avoid-version -shared $(SHIM_Z_DEFS) -Wl,-z,now -Wl,--as-needed \
	-Wl,--exclude-libs,ALL -Wl,--version-script=shim/libshim.map
libshim_la_LIBADD = libstack.la $(LIBURING_INSIDE)
EXTRA_libshim_la_DEPENDENCIES = shim/libshim.map

shim/libshim.map: scripts/gen $(TABLES)
	$(AM_V_GEN)$(MKDIR_P) shim && $(GEN) map >$@.tmp && mv $@.tmp $@
CLEANFILES += shim/libshim.map

# A libtool archive is of no use for something that is only ever preloaded.
install-exec-hook:
	rm -f $(DESTDIR)$(libdir)/libshim.la
uninstall-hook:
	rm -f $(DESTDIR)$(libdir)/libshim.so

include shim/proc/local.mk
include shim/call/local.mk
include shim/fd/local.mk
include shim/run/local.mk
include shim/dev/local.mk
include shim/tool/local.mk
