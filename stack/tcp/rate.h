/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Delivery rate samples (draft-cheng-iccrg-delivery-rate-estimation; BBR's draft, 4.1): how fast
 * data arrived over the flight of the newest segment an ACK told of. What a sample needs lies in
 * the sent-map's records. It must never decide anything: it measures.
 */
#ifndef STACK_TCP_RATE_H
#define STACK_TCP_RATE_H

#include "sent.h"

struct rate_sample {
	uint64_t bw;              /* bytes per second; 0: no sample */
	uint64_t interval_ns;     /* over which delivered arrived */
	uint32_t delivered;       /* bytes */
	uint32_t lost;            /* bytes marked lost meanwhile */
	uint32_t tx_in_flight;    /* bytes, when the segment was sent, itself included */
	uint64_t prior_delivered; /* sent_map.delivered when it was sent */
	bool valid;               /* the above, but for bw and interval_ns, hold */
	bool app_limited;         /* the application, not the path, set the pace */
};

/* The last good sample, for TCP_INFO. */
struct rate {
	uint64_t interval_ns; /* 0: none yet */
	uint32_t delivered;   /* bytes */
	bool app_limited;
};

/* After sent_sack() and sent_ack_to(). min_rtt_ns: 0 for unknown; an interval shorter than that was
 * compressed on the way and says nothing. */
void rate_take(struct rate *r, const struct sent_map *m, const struct sent_ack *a,
	       uint64_t min_rtt_ns, struct rate_sample *rs);

/* Bytes per second, 0: none yet. */
uint64_t rate_last(const struct rate *r);

#endif
