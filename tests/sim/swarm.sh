#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # builddir comes from who runs it: tests/README.md
# 500 worlds, each drawn from its own seed, 24 hours of virtual time or more with faults in force
# (loss up to 5 %, bursts, reordering, duplication, corruption, partitions, deaths): every byte
# arrives once and in order, every connection ends, every pool is back at zero. A failure prints the
# command that plays its world again. Each world is played once; tests/sim/sim plays some twice.
exec "$builddir/tests/sim/sim" --seeds 1..500 --hours 25 --jobs 2
