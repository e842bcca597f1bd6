/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One or two bulk flows over one path with a bottleneck, in virtual time: two stacks, a queue that
 * drains at a rate, a delay, random loss. Made to be cheap, so that 10 Gbit/s over 100 ms can be
 * had in seconds: payload is never copied nor looked at (that every byte is the right one is the
 * business of tests/sim), and what arrives back to back within PATH_GRO_NS arrives as one.
 */
#ifndef TESTS_GRID_PATH_H
#define TESTS_GRID_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "stack/stack.h"

#define MS 1000000ull
#define SEC 1000000000ull
#define MBIT 1000000ull
#define PATH_FLOWS 2u
#define PATH_SECONDS 64u

struct path_cfg {
	uint8_t algo[PATH_FLOWS]; /* enum cc_algo, of each flow */
	unsigned nflows;
	uint64_t later_ns; /* so much after the first the second begins */
	uint64_t rate_bps; /* of the bottleneck; the way back has no limit */
	uint64_t rtt_ns;
	uint32_t loss_ppm;    /* of the frames of either direction, before the queue */
	uint64_t queue_bytes; /* tail drop */
	uint64_t seed;
	uint64_t run_ns;  /* from the first SYN on */
	uint64_t from_ns; /* what is told of is from then on */
	uint64_t gso_off; /* bool: one frame at a time, both ways */
	FILE *trace;      /* NULL, or a line for each hundredth of run_ns */
};

struct path_result {
	uint64_t bytes[PATH_FLOWS]; /* read by the receivers, from from_ns on */
	uint64_t by_second[PATH_SECONDS];
	double queue_mean, queue_p95; /* of queue_bytes */
	uint64_t full_ns; /* when the first round trip with 90 % of the rate ended; 0: never */
	uint64_t frames, lost, dropped; /* forth: sent, lost at random, queue full */
	uint64_t retransmits;
};

/* Mbit/s of what was read of flow i. */
double path_mbits(const struct path_cfg *c, const struct path_result *r, unsigned i);

void path_run(const struct path_cfg *c, struct path_result *r);

#endif
