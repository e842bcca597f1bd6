# SPDX-License-Identifier: BSD-2-Clause
# Hostile input. `make check` sends some 100,000s of packets and replays the corpus; asan.sh sends ten
# million under sanitizers. With --enable-fuzzers the fuzz_* are libFuzzer programs:
#   tests/fuzz/fuzz_input -max_len=4096 NEWDIR tests/fuzz/corpus/input
# scripts/fuzz runs them all, for as long as one likes.
fuzz_world = tests/fuzz/audit.c tests/fuzz/emitted.c tests/fuzz/fuzz.h tests/fuzz/peer.c \
	tests/fuzz/world.c
if FUZZERS
# The stack has to be built with the fuzzer's instrumentation, which libstack is not.
fuzz_stack = $(libstack_la_SOURCES)
fuzz_lib =
fuzz_main =
else
fuzz_stack =
fuzz_lib = libstack.la
fuzz_main = tests/fuzz/replay.c
endif

fuzzers = tests/fuzz/fuzz_input tests/fuzz/fuzz_options tests/fuzz/fuzz_icmp tests/fuzz/fuzz_udp
check_PROGRAMS += tests/fuzz/packets $(fuzzers)
TESTS += tests/fuzz/packets
tests_fuzz_packets_SOURCES = tests/fuzz/packets.c $(fuzz_world)
tests_fuzz_packets_LDADD = libstack.la
tests_fuzz_fuzz_input_SOURCES = tests/fuzz/input.c $(fuzz_world) $(fuzz_main) $(fuzz_stack)
tests_fuzz_fuzz_input_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_FOCUS=FZ_ALL
tests_fuzz_fuzz_input_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_fuzz_input_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_input_LDADD = $(fuzz_lib)
tests_fuzz_fuzz_icmp_SOURCES = $(tests_fuzz_fuzz_input_SOURCES)
tests_fuzz_fuzz_icmp_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_FOCUS=FZ_ICMP
tests_fuzz_fuzz_icmp_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_fuzz_icmp_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_icmp_LDADD = $(fuzz_lib)
tests_fuzz_fuzz_udp_SOURCES = $(tests_fuzz_fuzz_input_SOURCES)
tests_fuzz_fuzz_udp_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_FOCUS=FZ_UDP
tests_fuzz_fuzz_udp_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_fuzz_udp_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_udp_LDADD = $(fuzz_lib)
tests_fuzz_fuzz_options_SOURCES = tests/fuzz/options.c $(fuzz_main) $(fuzz_stack)
tests_fuzz_fuzz_options_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_fuzz_options_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_options_LDADD = $(fuzz_lib)
if !FUZZERS
# libFuzzer's own main takes its files by argument; the stand-in knows where they lie.
TESTS += $(fuzzers)
endif
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/asan.sh

if HAVE_CHECK
check_PROGRAMS += tests/fuzz/found
TESTS += tests/fuzz/found
tests_fuzz_found_SOURCES = tests/fuzz/found.c tests/wire/wire.c tests/wire/wire.h
tests_fuzz_found_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_fuzz_found_LDADD = libunit.la libstack.la $(CHECK_LIBS)
endif
