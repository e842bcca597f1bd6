# SPDX-License-Identifier: BSD-2-Clause
# The device room over a real veth, with a fake stack on top: run by tests/net/dev_*.sh (root).
dist_noinst_SCRIPTS += tests/net/dev_generic.sh tests/net/dev_native.sh tests/net/first_syn.sh \
	tests/net/killer.sh tests/net/ports.sh tests/net/ends.sh tests/net/udp_full.sh \
	tests/net/fastopen.sh tests/net/steer.sh tests/net/routes.sh tests/net/stacks.sh
EXTRA_DIST += tests/net/routes.py tests/net/stacks.py
check_PROGRAMS += tests/net/dev_attach tests/net/killer tests/net/ports tests/net/steer \
	tests/net/udp_full
tests_net_steer_SOURCES = tests/net/steer.c bpf/steer.h
tests_net_steer_CFLAGS = $(AM_CFLAGS)
tests_net_ports_SOURCES = tests/net/ports.c
tests_net_udp_full_SOURCES = tests/net/udp_full.c
tests_net_killer_SOURCES = tests/net/killer.c
tests_net_killer_CFLAGS = $(AM_CFLAGS) -pthread
tests_net_dev_attach_SOURCES = tests/net/dev_attach.c tests/net/dev_back.c tests/net/dev_bulk.c \
	tests/net/dev_fake.c tests/net/dev_fake.h tests/net/dev_owner.c tests/net/dev_rig.c \
	tests/net/dev_rig.h tests/net/dev_v6.c shim/dev/back.c shim/dev/dev.c shim/dev/gso.c \
	shim/dev/hold.c shim/dev/loop.c shim/dev/neigh.c shim/dev/netlink.c shim/dev/pass.c \
	shim/dev/rings.c shim/dev/steer.c shim/dev/xsk.c shim/proc/knobs.c shim/proc/log.c \
	stack/ip/csum.c \
	stack/mem/arena.c stack/mem/frame.c
tests_net_dev_attach_CFLAGS = $(AM_CFLAGS)
