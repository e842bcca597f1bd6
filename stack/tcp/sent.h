/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sent-map: what is in flight. It holds one record per piece of sequence space sent and not yet
 * acknowledged, with the time of its last transmission and what became of it, and keeps the sums
 * that the rest of loss recovery lives on. It decides nothing: recovery.c says what is lost.
 * It must never see the connection, and never lose or invent a byte: the records always cover
 * exactly [una, nxt) without hole or overlap, whatever the peer sends and whether or not the pool
 * has memory.
 *
 * A record is in exactly one of three conditions, and its bytes are counted accordingly:
 *   in flight  on the list `flight`, ordered by time of last transmission (RFC 8985 6.2)
 *   lost       on the list `lost`, ordered by sequence number; waits to be sent again
 *   sacked     on neither; neighbours that are sacked are merged into one
 * A retransmission takes a record from lost to in flight. RFC 6675's pipe is in_flight_bytes.
 *
 * A window may be a hundred thousand records with a hole at each: no operation walks them. What an
 * acknowledgment costs is bounded by the records it settles and O(log n) for each of its blocks
 * (sent_index.h). Only sent_all_lost(), sent_forget_sacks() and sent_unmark_lost() touch
 * everything: once for each timeout, and each record they move was paid for by a transmission.
 *
 * RFC 2018 (SACK), 2883 (D-SACK), 6675 (pipe), 8985 (transmission times), 6298 3 (Karn).
 */
#ifndef STACK_TCP_SENT_H
#define STACK_TCP_SENT_H

#include <stdbool.h>
#include <stdint.h>

#include "../list.h"
#include "../mem/pool.h"
#include "../seq.h"
#include "../treap.h"

/* [start, end) as received in a SACK option; nothing is assumed of it. */
struct sack_block {
	struct seq start, end;
};

enum {
	SENT_SACKED = 0x01,
	SENT_LOST = 0x02,
	SENT_REXMIT = 0x04, /* sent more than once (Karn: no RTT from it) */
	SENT_SYN = 0x08,    /* the first number is a SYN */
	SENT_FIN = 0x10,    /* the last number is a FIN */
	SENT_BLUR = 0x20,   /* tx_ns is not that of every byte (pool was empty): no RTT from it */
	SENT_APP_LIMITED = 0x40, /* sent while the application had no more to send */
};

struct sent_rec {
	struct list node;      /* sent_map.recs, by sequence number */
	struct list state;     /* sent_map.flight or .lost; on none when sacked */
	struct seq start, end; /* end - start is at least 1; may cover many MSS */
	uint64_t tx_ns;        /* last transmission */
	uint64_t delivered;    /* sent_map.delivered at that time (for delivery rate) */
	uint64_t delivered_ns; /* sent_map.delivered_ns at that time */
	uint64_t first_tx_ns;  /* sent_map.first_tx_ns at that time */
	uint32_t tx_in_flight; /* sent_map.in_flight_bytes at that time, itself included */
	uint32_t tx_lost;      /* sent_map.lost_total at that time */
	uint16_t flags;        /* SENT_* */
	uint16_t ntx;          /* transmissions, saturating */
	uint16_t below;        /* sent_index.c's, as the next but one */
	uint32_t mark;         /* mend.h's */
	struct treap_node index;
};

/* A record marked lost, and the flight it was of. */
struct sent_loss {
	uint32_t bytes;        /* its length; 0: none */
	uint32_t tx_in_flight; /* when it was sent, itself included */
	uint32_t lost;         /* lost since then, itself included */
	bool app_limited;      /* it was sent while the application had no more to send */
};

struct sent_map {
	struct pool *pool; /* of struct sent_rec; shared by all connections of the stack */
	struct list recs, flight, lost;
	struct treap index;    /* over recs, sent_index.c's; its steps are what tests bound */
	struct sent_rec *hint; /* where the last search ended; NULL: nowhere */
	struct seq una, nxt;   /* bounds of what the records cover */
	struct seq fack;       /* end of the highest sacked byte; una when none */
	uint32_t nrecs;
	uint32_t in_flight_bytes;
	uint32_t sacked_bytes;
	uint32_t lost_bytes;
	uint32_t rexmit_bytes;   /* part of in_flight_bytes that was sent more than once */
	uint64_t delivered;      /* bytes acked or sacked, ever */
	uint64_t delivered_ns;   /* when delivered last grew */
	uint64_t first_tx_ns;    /* tx time of the newest delivered record (draft delivery-rate) */
	uint64_t app_limited;    /* delivered + in flight when the application ran dry; 0: not */
	uint32_t lost_total;     /* bytes ever marked lost; wraps */
	uint32_t delivered_segs; /* as delivered, in segments of seg_bytes, each piece rounded up */
	uint32_t seg_bytes;      /* the MSS; 0: unknown, a piece is a segment */
	struct sent_loss loss;   /* the worst since sent_loss_take() */
	struct sent_rec own;     /* the connection's own, so that one record can always be had */
	bool own_used;
};

/* What one acknowledgment brought. Zero it (or sent_ack_init) before the first call of a segment.
 */
struct sent_ack {
	uint32_t acked_bytes;        /* data bytes una moved over (SYN and FIN not counted) */
	uint32_t sacked_bytes;       /* newly sacked, not already covered by una */
	uint32_t delivered_bytes;    /* newly acked or sacked: each byte counts once in its life */
	uint32_t acked_rexmit_bytes; /* part of the bytes una moved over that had been sent twice */
	bool any_rexmit;             /* a newly delivered record had been sent more than once */
	bool syn, fin;               /* una moved over ours */
	bool rtt_valid;              /* rtt_tx_ns holds: */
	uint64_t rtt_tx_ns; /* tx time of the newest delivered record sent only once (Karn) */
	struct seq rtt_end; /* its end */
	bool rexmit_valid;  /* newest delivered record sent more than once: RACK checks it */
	uint64_t rexmit_tx_ns;
	struct seq rexmit_end;
	bool una_rexmit;     /* una moved over what had been sent twice and was not sacked */
	bool once_valid;     /* something sent only once was delivered; */
	struct seq once_end; /* the lowest such record's end */
	bool reordered;      /* a never-retransmitted byte below fack was delivered (8985 6.2 2) */
	struct seq reord_start;
	bool reneged;    /* the first byte outstanding had been sacked: the peer dropped it */
	bool fack_valid; /* fack holds: sent_map.fack before this segment */
	struct seq fack;
	bool dsack; /* the first block reported a duplicate (RFC 2883) */
	struct sack_block dsack_block;
	/* delivery rate sample: the record of the newest delivered data, at its transmission */
	uint64_t prior_delivered, prior_delivered_ns, prior_first_tx_ns;
	bool prior_app_limited;
	uint32_t prior_tx_in_flight, prior_lost;
};

static inline void sent_ack_init(struct sent_ack *a)
{
	*a = (struct sent_ack){.acked_bytes = 0};
}

/* An empty map whose next byte is nxt. pool: objects of sizeof(struct sent_rec). */
void sent_init(struct sent_map *m, struct pool *pool, struct seq nxt);

/* Frees every record: the connection ends. The map may be sent_init'ed again. */
void sent_reset(struct sent_map *m);

static inline bool sent_empty(const struct sent_map *m)
{
	return list_empty(&m->recs);
}

/* Sequence numbers sent and not acknowledged; SYN and FIN count one each. */
static inline uint32_t sent_out_bytes(const struct sent_map *m)
{
	return m->nxt.v - m->una.v;
}

/*
 * New data was sent: len (at least 1) sequence numbers from m->nxt on. flags: SENT_SYN, SENT_FIN,
 * SENT_APP_LIMITED or 0. Never fails: without memory the last record is extended.
 */
void sent_push(struct sent_map *m, uint32_t len, unsigned flags, uint64_t now_ns);

/*
 * The peer's SACK blocks of one segment, in the order of the option; ack: the segment's SEG.ACK
 * (already validated: una <= ack <= nxt). Call before sent_ack_to(). Blocks that are empty,
 * outside (ack, nxt] or nonsense are ignored; the first may be a D-SACK. Adds to *a.
 */
void sent_sack(struct sent_map *m, const struct sack_block *blk, unsigned n, struct seq ack,
	       uint64_t now_ns, struct sent_ack *a);

/* The cumulative acknowledgment: una <= ack <= nxt. Frees and trims records. Adds to *a. */
void sent_ack_to(struct sent_map *m, struct seq ack, uint64_t now_ns, struct sent_ack *a);

/* The loss since the last call that is the largest part of its flight; bytes 0: there was none. */
struct sent_loss sent_loss_take(struct sent_map *m);

/* Takes a record in flight to lost. Returns its bytes. */
uint32_t sent_mark_lost(struct sent_map *m, struct sent_rec *r);

/*
 * Splits r so that it ends at at (r->start < at < r->end); the rest becomes a record of its own.
 * False when there is no memory: r is unchanged.
 */
bool sent_split(struct sent_map *m, struct sent_rec *r, struct seq at);

/* The lost record with the lowest sequence number, or NULL. The piece to send again is its first
 * min(max, length) bytes; afterwards say sent_retransmitted(). */
static inline struct sent_rec *sent_next_lost(const struct sent_map *m)
{
	return list_empty(&m->lost) ? NULL : list_first(&m->lost, struct sent_rec, state);
}

/*
 * The first len (at least 1, at most its length) numbers of r were sent again: they are in flight.
 * r is lost, or (a probe) in flight. Without memory to split r, more than len may count as in
 * flight; a timeout then repairs it. r may not be used afterwards.
 */
void sent_retransmitted(struct sent_map *m, struct sent_rec *r, uint32_t len, uint64_t now_ns);

/* RFC 6298 5.4: everything not sacked is lost. SACK information is kept. */
void sent_all_lost(struct sent_map *m);

/* The losses were none (RFC 4015): lost records are in flight again, each with its own time. */
void sent_unmark_lost(struct sent_map *m);

/* The peer has dropped what it had sacked (RFC 2018 8): sacked records become lost. */
void sent_forget_sacks(struct sent_map *m);

/* The oldest and the newest record, or NULL. */
static inline struct sent_rec *sent_head(const struct sent_map *m)
{
	return list_empty(&m->recs) ? NULL : list_first(&m->recs, struct sent_rec, node);
}

static inline struct sent_rec *sent_tail(const struct sent_map *m)
{
	return list_empty(&m->recs) ? NULL : list_entry(m->recs.prev, struct sent_rec, node);
}

/* The application has nothing more to send now: samples until then say nothing about the path. */
static inline void sent_app_limited(struct sent_map *m)
{
	m->app_limited = m->delivered + m->in_flight_bytes;
	if (m->app_limited == 0)
		m->app_limited = 1;
}

struct mend;
/* stack_mend(): takes every record. False: they are not whole. */
bool sent_mend_take(struct mend *md, struct sent_map *m);
/* What follows from the records made anew. */
void sent_mend(struct sent_map *m);

/* Walks everything and ASSERTs lists, order, cover and sums: for tests. */
void sent_check(const struct sent_map *m);

#endif
