/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HyStart++ (RFC 9406): decides when the first slow start ends, from the round-trip times it sees,
 * before it overshoots into loss. It must never touch cwnd.
 */
#ifndef STACK_TCP_HYSTART_H
#define STACK_TCP_HYSTART_H

#include <stdbool.h>
#include <stdint.h>

#include "../seq.h"

#define HYSTART_CSS_GROWTH_DIVISOR 4u /* growth per ACK in Conservative Slow Start */
#define HYSTART_CSS_ROUNDS 5u         /* of it before slow start is over */
/* Segments per ACK that count, without pacing. RFC 9406 suggests 8, for senders whose bursts are no
 * longer than that; where the receiver acknowledges what its device has coalesced, 44 segments at
 * once, such a slow start grows by a fifth in a round trip, not twofold. What goes out at once are
 * super-segments of as many: three of them. */
#define HYSTART_L 128u

struct hystart {
	uint32_t last_min_us; /* of the round before; UINT32_MAX: none */
	uint32_t cur_min_us;
	uint32_t css_base_us;  /* what CSS was entered with */
	struct seq window_end; /* the round ends when this is acknowledged */
	uint8_t samples;       /* in this round, saturating */
	uint8_t css_rounds;    /* of CSS that are over */
	bool running;          /* window_end holds */
	bool css;              /* in Conservative Slow Start */
};

void hystart_init(struct hystart *h);

/*
 * An ACK in the first slow start. una, nxt: the connection's after it. rtt_ns: its sample, 0 for
 * none. True when slow start is over: ssthresh becomes cwnd.
 */
bool hystart_ack(struct hystart *h, struct seq una, struct seq nxt, uint64_t rtt_ns);

#endif
