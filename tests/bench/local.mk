# SPDX-License-Identifier: BSD-2-Clause
# Load that no packaged tool makes, for scripts/bench. Programs of the ordinary kind: they run on the
# kernel or preloaded, and know of neither.
check_PROGRAMS += tests/bench/bulk tests/bench/idle tests/bench/calls

bench: tests/bench/bulk tests/bench/idle tests/bench/calls
.PHONY: bench
