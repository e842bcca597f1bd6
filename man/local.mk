# SPDX-License-Identifier: BSD-2-Clause
# The manual: written pages with holes that scripts/gen fills from the tables.
MAN_PAGES = man/libshim.7 man/shimrun.1 man/shimstat.1
dist_man_MANS += $(MAN_PAGES)
EXTRA_DIST += man/libshim.7.in man/shimrun.1.in man/shimstat.1.in man/path.svg
CLEANFILES += $(MAN_PAGES)

man/libshim.7: man/libshim.7.in scripts/gen $(TABLES) tests/suites/known
	$(AM_V_GEN)$(MKDIR_P) man && $(GEN) man $(top_srcdir)/man/libshim.7.in >$@.tmp && mv $@.tmp $@
man/shimrun.1: man/shimrun.1.in scripts/gen $(TABLES)
	$(AM_V_GEN)$(MKDIR_P) man && $(GEN) man $(top_srcdir)/man/shimrun.1.in >$@.tmp && mv $@.tmp $@
man/shimstat.1: man/shimstat.1.in scripts/gen $(TABLES)
	$(AM_V_GEN)$(MKDIR_P) man && $(GEN) man $(top_srcdir)/man/shimstat.1.in >$@.tmp && mv $@.tmp $@
