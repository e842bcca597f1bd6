# SPDX-License-Identifier: BSD-2-Clause
# The simulated network. `make check` runs a few seeds, each twice; tests/sim/sim --help does more.
check_PROGRAMS += tests/sim/sim
TESTS += tests/sim/sim
tests_sim_sim_SOURCES = \
	tests/sim/app.c \
	tests/sim/dgram.c \
	tests/sim/event.c \
	tests/sim/fool.c \
	tests/sim/link.c \
	tests/sim/main.c \
	tests/sim/node.c \
	tests/sim/pkt.c \
	tests/sim/silly.c \
	tests/sim/sim.h \
	tests/sim/world.c
tests_sim_sim_LDADD = libstack.la

TESTS += tests/sim/swarm.sh
dist_check_SCRIPTS += tests/sim/swarm.sh

check_PROGRAMS += tests/sim/order
TESTS += tests/sim/order
tests_sim_order_SOURCES = tests/sim/app.c tests/sim/dgram.c tests/sim/event.c tests/sim/fool.c tests/sim/link.c \
	tests/sim/node.c tests/sim/order.c tests/sim/pkt.c tests/sim/silly.c tests/sim/sim.h \
	tests/sim/world.c
tests_sim_order_LDADD = libstack.la

# Killed at an arbitrary instruction, and mended.
check_PROGRAMS += tests/sim/death
TESTS += tests/sim/death
tests_sim_death_SOURCES = tests/sim/death.c tests/sim/death.h tests/sim/death_step.c
tests_sim_death_LDADD = libstack.la
