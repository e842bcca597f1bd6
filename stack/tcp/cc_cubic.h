/* SPDX-License-Identifier: BSD-2-Clause */
/* CUBIC (RFC 9438). Fixed-point arithmetic only; slow start is NewReno's. */
#ifndef STACK_TCP_CC_CUBIC_H
#define STACK_TCP_CC_CUBIC_H

#include "cc.h"

void cc_cubic_init(struct cc *cc);
void cc_cubic_ack(struct cc *cc, const struct cc_ack *ack, uint64_t now_ns);
void cc_cubic_signal(struct cc *cc, enum cc_signal sig, uint32_t flight_bytes, uint64_t now_ns);
void cc_cubic_post_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_ns);
void cc_cubic_after_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint64_t now_ns);
/* 4.9: the last reduction was needless; its other state is as before (cwnd and ssthresh are the
 * caller's). */
void cc_cubic_undo(struct cc *cc);

/* The time (ms) CUBIC needs to climb by diff_bytes: K of RFC 9438 eq. 2, rounded down. */
uint32_t cc_cubic_k_ms(uint32_t diff_bytes, uint32_t mss);

#endif
