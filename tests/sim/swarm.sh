#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # builddir comes from who runs it: tests/README.md
# 500 worlds (SEEDS=N for others), each drawn from its own seed, three minutes of virtual time each
# or more with faults in force (loss up to 5 %, bursts, reordering, duplication, corruption,
# partitions, paths that shrink with and without a word, deaths, silly peers): every byte arrives
# once and in order, every datagram once at most, every connection ends, every pool is back at zero.
# Prints the hash of each world's trace; every 25th is played twice and must leave the same. A
# failure prints the command that plays its world again.
# timeout: 400
seeds=${SEEDS:-500}
exec "$builddir/tests/sim/sim" --seeds "1..$seeds" --hours "$((seeds / 20 + 1))" --jobs 2 \
	--again 25 --verbose
