/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NewReno (RFC 5681 with appropriate byte counting, RFC 3465), and its parts for other algorithms.
 */
#ifndef STACK_TCP_CC_RENO_H
#define STACK_TCP_CC_RENO_H

#include "cc.h"

void cc_reno_init(struct cc *cc);
void cc_reno_ack(struct cc *cc, const struct cc_ack *ack, uint64_t now_ns);
void cc_reno_signal(struct cc *cc, enum cc_signal sig, uint32_t flight_bytes, uint64_t now_ns);
void cc_reno_post_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_ns);
void cc_reno_after_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint64_t now_ns);

/* Slow start with ABC; cwnd does not pass ssthresh. Returns the bytes of ack not used up, which are
 * congestion avoidance's. */
uint32_t cc_reno_slow_start(struct cc *cc, const struct cc_ack *ack);

#endif
