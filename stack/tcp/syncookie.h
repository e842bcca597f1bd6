/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYN cookies (RFC 4987 3.6): a handshake without memory. What the last ACK must tell of the SYN
 * lies in our ISS and, when the peer has timestamps, in the low bits of our timestamp.
 */
#ifndef STACK_TCP_SYNCOOKIE_H
#define STACK_TCP_SYNCOOKIE_H

#include "../internal.h"

#define SYNCOOKIE_SLICE_NS 60000000000ull
#define SYNCOOKIE_AGE_SLICES 2u /* good in the slice it was made in, and in the next */
#define SYNCOOKIE_VALID_NS (SYNCOOKIE_AGE_SLICES * SYNCOOKIE_SLICE_NS)
#define SYNCOOKIE_NO_WSCALE 15u

/* What of the peer's SYN timestamps can carry over. */
struct syncookie_opts {
	uint8_t wscale; /* SYNCOOKIE_NO_WSCALE: window scaling is off */
	bool sack_ok, ecn_ok;
};

/* The ISS of a SYN-ACK to (local, remote) whose SYN had the sequence number irs; *mss: the peer's,
 * which becomes the largest that the cookie can tell and that is no larger. */
struct seq syncookie_make(const struct stack *st, const struct endpoint *local,
			  const struct endpoint *remote, struct seq irs, uint16_t *mss);
/* The MSS that a cookie says; 0: it is not one of ours, or too old. iss: what the ACK acknowledges,
 * less one. */
uint16_t syncookie_check(const struct stack *st, const struct endpoint *local,
			 const struct endpoint *remote, struct seq irs, struct seq iss);

/* ts (ms) with its low bits saying o: never later than ts. */
uint32_t syncookie_ts_make(uint32_t ts, const struct syncookie_opts *o);
void syncookie_ts_read(uint32_t ts, struct syncookie_opts *o);

#endif
