/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time stamps (SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING): when the bytes came that the
 * application reads, and when those that it wrote were queued, sent and acknowledged. A connection
 * without them pays for a look at a list and a pointer.
 */
#ifndef STACK_TCP_STAMP_H
#define STACK_TCP_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "../list.h"
#include "../seq.h"

struct stack;
struct sock_opts;
struct tcp_conn;
struct tx_ent;

/* Arrivals that a connection tells apart; of more, neighbours have the later one's time, as those
 * that Linux puts into one buffer. */
#define STAMP_RX_MAX 30u

struct rx_stamps {
	uint32_t n;
	uint32_t mark; /* mend.h's */
	struct {
		struct seq end; /* of the bytes that came */
		uint64_t ns;
	} at[STAMP_RX_MAX + 1]; /* by end */
};

/* A byte whose way is told: the last of a write. */
struct tx_stamp {
	struct list node; /* stamps.tx */
	struct seq key;
	uint32_t mark;  /* mend.h's */
	uint64_t tx_ns; /* when it was sent last */
	uint8_t what;   /* STAMP_SENT, ... as asked for */
	bool eor;       /* what follows has a mark of its own in any case */
};

struct stamps {
	struct list tx;       /* struct tx_stamp, by key */
	struct rx_stamps *rx; /* NULL: nothing is known */
	struct seq chunk;     /* where the buffer begins that the last of tx was written to */
	struct seq key0;      /* what SOF_TIMESTAMPING_OPT_ID counts from */
	uint64_t read_ns;     /* of the byte read last; 0: not known */
};

/* ---- in ------------------------------------------------------------------------------------- */

/* [seq, seq + len) has come, in order or not. */
void stamp_came(struct stack *st, struct tcp_conn *c, struct seq seq, uint32_t len);
bool stamp_wanted(const struct sock_opts *o);
/* What lies before upto has been read, or (peek) looked at: its time is read_ns. */
void stamp_read(struct tcp_conn *c, struct seq upto, bool peek);

/* ---- out ------------------------------------------------------------------------------------ */

/* Bytes were written, the last of them at the end of the send buffer; flags: SEND_STAMP_*. */
void stamp_written(struct stack *st, struct tcp_conn *c, unsigned flags);
/* A segment of len bytes from seq on is in ent. */
void stamp_sent(struct stack *st, struct tcp_conn *c, struct seq seq, uint32_t len,
		const struct tx_ent *ent);
/* Everything before c->sent.una is acknowledged, and still in the send buffer; by a packet that
 * came with that TTL or hop limit. */
void stamp_acked(struct stack *st, struct tcp_conn *c, uint8_t ttl);

/* ---- SOF_TIMESTAMPING_OPT_STATS (optstats.c) ------------------------------------------------ */

#define OPT_STATS_MAX 256u
/* What the time stamp is of. */
struct opt_stats_at {
	uint64_t tx_ns; /* when it was sent */
	uint32_t len;   /* bytes of the segment that is being sent, and not counted yet; or 0 */
	bool again;     /* it is sent again */
	bool acked;
	uint8_t ttl; /* of the ACK */
};
/* The attributes into buf, of OPT_STATS_MAX bytes. Returns how many. */
uint32_t tcp_opt_stats(const struct stack *st, struct tcp_conn *c, const struct opt_stats_at *at,
		       uint8_t *buf);

/* Nothing will be sent, or read, any more. */
void stamps_end_tx(struct stack *st, struct tcp_conn *c);
void stamps_end_rx(struct stack *st, struct tcp_conn *c);

#endif
