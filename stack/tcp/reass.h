/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reassembly: data that came before its time, in ranges of packets, by sequence number. Bounded in
 * ranges and in frames; what does not fit is dropped (never reneged on, RFC 2018 8).
 */
#ifndef STACK_TCP_REASS_H
#define STACK_TCP_REASS_H

#include "../internal.h"
#include "../treap.h"
#include "sent.h" /* struct sack_block */

/* Per connection: holes that a peer can make us remember, frames that it can make us hold. A flight
 * of 125 MB (10 Gbit/s, 100 ms) with a loss in every hundred segments has 860, twice that while a
 * queue of a round trip is full, and as many again until the holes of the one before are filled;
 * what all connections hold together is bounded by the frames that are left. */
#define REASS_RANGES_MAX 4096u
#define REASS_FRAMES_MAX 131072u
/* Where frames are scarce nobody keeps data for longer than that in which no hole was filled: a
 * sender that lives has sent again several times. */
#define REASS_STALE_NS 15000000000ull
#define REASS_DENSE_DIV 8u /* beyond RCVBUF_FRAMES_MAX they are filled to 1 / this */

struct reass_range {
	struct list node; /* by sequence number */
	struct treap_node index;
	struct list recent; /* the most recently changed first (RFC 2018 4) */
	struct seq start, end;
	uint32_t head, tail; /* packets by frame.qnext; frame.aux: first sequence number */
	uint32_t mark;       /* mend.h's */
};

struct reass {
	struct list ranges, recent;
	struct treap index; /* over ranges, in the same order; its steps are what tests bound */
	uint32_t n, frames, bytes;
};

void reass_init(struct reass *r);
void reass_free(struct stack *st, struct reass *r);

static inline bool reass_empty(const struct reass *r)
{
	return r->n == 0;
}

/* Where the first range starts; there is one. */
static inline struct seq reass_first(const struct reass *r)
{
	return list_entry(r->ranges.next, struct reass_range, node)->start;
}

/* From nxt to the end of the last byte held; 0: none is. */
static inline uint32_t reass_span(const struct reass *r, struct seq nxt)
{
	int32_t n =
		reass_empty(r)
			? 0
			: seq_diff(list_entry(r->ranges.prev, const struct reass_range, node)->end,
				   nxt);

	return n > 0 ? (uint32_t)n : 0;
}

/*
 * Takes in a packet of payload [seq, seq + p->len), header off. Takes over the frames whatever
 * comes of it. Returns STAT_rx_packets, or the drop. *dup: what of it was there already (empty:
 * nothing), for D-SACK (RFC 2883 4).
 */
enum stat_id reass_insert(struct stack *st, struct reass *r, struct rx_pkt *p, struct seq seq,
			  struct sack_block *dup);

/*
 * The next packet at or before nxt, cut so that it starts there: its frame chain, *len its bytes;
 * FRAME_NONE when there is a hole. The caller owns it.
 */
uint32_t reass_pop(struct stack *st, struct reass *r, struct seq nxt, uint32_t *len);

/* The first n bytes of p as a packet of its own, which the caller owns; FRAME_NONE: no frame. p
 * stays as it is. */
uint32_t reass_split(struct stack *st, const struct rx_pkt *p, uint32_t n);

/* Up to max blocks for a SACK option, the most recently changed first. */
unsigned reass_sack(const struct reass *r, struct sack_block *out, unsigned max);

#endif
