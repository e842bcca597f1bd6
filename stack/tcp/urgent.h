/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Urgent data: the pointer on its way out, and the mark and the byte out of band on the way in. At
 * most one urgent byte is known at a time; a newer one replaces it, as in Linux.
 */
#ifndef STACK_TCP_URGENT_H
#define STACK_TCP_URGENT_H

#include "../internal.h"

struct tcp_conn;
struct tcp_seg;

enum urgent_state {
	URGENT_NONE,
	URGENT_AHEAD, /* announced: the byte has not come */
	URGENT_HERE,  /* the byte is here, and nobody has taken it out of band */
	URGENT_TAKEN, /* it has been: reading still stops at the mark and passes over it */
};

struct urgent {
	struct seq at; /* the urgent byte's number, unless URGENT_NONE: the mark */
	struct seq up; /* SND.UP, one behind our urgent byte, while sending */
	uint8_t state; /* enum urgent_state */
	uint8_t byte;  /* URGENT_HERE */
	bool sending;  /* our urgent byte is not acknowledged */
};

/* The end of the send buffer is urgent (MSG_OOB). */
void urgent_mark(struct tcp_conn *c);
/* Everything before una is acknowledged. */
void urgent_acked(struct urgent *u, struct seq una);
/* The pointer of a segment at seq, and TH_URG into *flags if it has one. */
uint16_t urgent_field(const struct tcp_conn *c, struct seq seq, uint8_t *flags);

/* What an acceptable segment says, before its data is taken in. */
void urgent_pointer(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s);
/* Its data, header off and cut to the window, not yet taken in. True: the byte is there. */
bool urgent_data(struct stack *st, struct tcp_conn *c, const struct tcp_seg *s);

/*
 * How much of what is unread one read may take: up to the mark. *skip: it begins at the mark, and
 * the one byte there is out of band: to be passed over first.
 */
uint32_t urgent_readable(const struct tcp_conn *c, uint32_t *skip);
/* The application has read: what is before the mark no more is forgotten. */
void urgent_read(struct tcp_conn *c);
/* recv(MSG_OOB): 1, 0 at the end of the stream, -EAGAIN, -EINVAL, -ENOTCONN. */
int urgent_take(struct tcp_conn *c, uint8_t *byte, bool peek);
/* SIOCATMARK */
bool urgent_at_mark(const struct tcp_conn *c);

#endif
