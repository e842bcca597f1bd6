/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells whether a recovery was needless: between recovery.c, whose struct it works on, and nobody
 * else. It must never mark or send anything. RFC 5682 (F-RTO), 3522 (Eifel detection by
 * timestamps), 3708 (by D-SACK); what follows from it is RFC 4015 3.2 and 9438 4.9: recovery.c and
 * congestion control go back to where they were.
 */
#ifndef STACK_TCP_UNDO_H
#define STACK_TCP_UNDO_H

#include "recovery.h"

/* A recovery begins. more: on top of one going on, whose retransmissions count too. */
void undo_begin(struct recovery *r, const struct sent_map *m, bool more);
/* len bytes were sent again, which m knows already. */
void undo_rexmit(struct recovery *r, const struct sent_map *m, uint32_t len, uint64_t now_ns);
/* The recovery is over; D-SACKs may still come. */
void undo_end(struct recovery *r, const struct sent_map *m);
/* The RTO fired, in that state before (enum recovery_state): does F-RTO apply? */
void undo_frto_begin(struct recovery *r, uint8_t state);
/* An ACK; out->ack and out->progress hold, the state has not moved. Gives why all was needless, or
 * NONE. */
enum recovery_undo undo_judge(struct recovery *r, const struct sent_map *m,
			      const struct recovery_in *in, const struct recovery_out *out);

#endif
