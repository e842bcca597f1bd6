/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pacing: when the next data may go, and how much at once. It must never arm a timer (timer.c does)
 * or decide the rate: that is congestion control's, bounded by SO_MAX_PACING_RATE.
 *
 * As Linux's pacing without a scheduler: the first ten segments of a connection go unpaced, pieces
 * hold about a millisecond's worth of data and at least two segments.
 */
#ifndef STACK_TCP_PACE_H
#define STACK_TCP_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_UNLIMITED UINT64_MAX
#define PACE_BURST_SEGS 10u /* of a connection, unpaced */
#define PACE_MIN_SEGS 2u    /* of a piece */
/* Most that a turn that comes late makes up for: an eighth of the shortest round trip, from MIN to
 * MAX.
 * Who runs the stack may wait for its processor that long; a burst of it is what the path's queue,
 * of a round trip or so, can take. */
#define PACE_LATE_MIN_NS 1000000ull
#define PACE_LATE_MAX_NS 10000000ull
#define PACE_LATE_DIV 8u

/* A piece waits no longer for one at a rate that congestion control has found, which may be an
 * estimate gone wrong (sch_fq has the same bound). */
#define PACE_WAIT_MAX_NS 1000000000ull

/* A wait of no more than that is left as it is when the rate rises: congestion control that probes
 * a path does so every other ACK, and the few pieces that went early would come on top. */
#define PACE_RECKON_NS 10000000ull

struct pace {
	uint64_t rate;    /* bytes per second; PACE_UNLIMITED, or 0 before anything is known */
	uint64_t next_ns; /* the next data may go then */
	uint64_t late_ns; /* most that is made up for: pace_path() */
	bool on;          /* congestion control or SO_MAX_PACING_RATE asks for it */
	bool told;        /* the rate is the application's bound: kept to however low */
	bool holds;       /* output in progress holds data back */
	bool waits;       /* the last output did: data waits for next_ns */
};

void pace_init(struct pace *p);
/* The path's shortest round trip, as far as known (0: not). */
void pace_path(struct pace *p, uint64_t min_rtt_ns);

/* The rate from here on; told: the application's. What waits already waits for what is left of it
 * at a higher one. */
void pace_rate(struct pace *p, uint64_t rate, bool told, uint64_t now_ns);

static inline bool pace_active(const struct pace *p)
{
	return p->on && p->rate != PACE_UNLIMITED && p->rate != 0;
}

/* True when data may go now. */
static inline bool pace_may_send(const struct pace *p, uint64_t now_ns)
{
	return !pace_active(p) || p->next_ns <= now_ns;
}

/* bytes of data went. data_segs: all that the connection has sent, these included. */
void pace_sent(struct pace *p, uint32_t bytes, uint32_t data_segs, uint64_t now_ns);

/* The most bytes that go in one piece: a multiple of mss, at least PACE_MIN_SEGS of them.
 * gso_max: the device's bound. min_rtt_ns: on short paths pieces may be larger (0: unknown). */
uint32_t pace_piece(const struct pace *p, uint32_t mss, uint32_t gso_max, uint64_t min_rtt_ns);

/*
 * The rate for an algorithm that has none: cwnd in a round trip, and a bit more so that it is cwnd
 * that limits: twice as much in slow start, a fifth else. srtt_ns 0: unknown.
 */
uint64_t pace_from_window(uint32_t cwnd, uint32_t ssthresh, uint32_t flight, uint64_t srtt_ns);

#endif
