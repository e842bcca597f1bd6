# SPDX-License-Identifier: BSD-2-Clause
# Congestion control over a grid of paths in virtual time, as a table: grid.golden. `make check`
# compares some of its rows, grid.sh all of them.
check_PROGRAMS += tests/grid/grid
TESTS += tests/grid/grid
tests_grid_grid_SOURCES = \
	tests/grid/grid.c \
	tests/grid/path.c \
	tests/grid/path.h
tests_grid_grid_LDADD = libstack.la -lm
EXTRA_DIST += tests/grid/README.md tests/grid/grid.golden tests/grid/grid.sh
