/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The send buffer: bytes accepted from the application and not yet acknowledged, in a chain of
 * blocks. It knows nothing of windows or of what has been sent.
 */
#ifndef STACK_TCP_SNDBUF_H
#define STACK_TCP_SNDBUF_H

#include <sys/uio.h>

#include "../internal.h"

struct sndbuf {
	struct blk *head, *tail;
	struct blk *rsv; /* handed out by sndbuf_reserve(), not yet in the chain */
	/* Where slices were found last, the earlier one first: new data and what is sent again both
	 * move forward, a flight apart. seq: of blk->data[0]; blk NULL: nowhere. */
	struct {
		struct blk *blk;
		struct seq seq;
	} cur[2];
	struct seq una;    /* of the first byte held */
	uint32_t head_off; /* where that lies in head->data */
	uint32_t len;      /* bytes held */
};

/* A place in the chain: the byte at data + off of blk. */
struct sndbuf_pos {
	const struct blk *blk;
	uint32_t off; /* in blk->data */
};

void sndbuf_init(struct sndbuf *b, struct seq una);
/* Frees everything, also what is reserved. */
void sndbuf_free(struct stack *st, struct sndbuf *b);

/* Copies up to max bytes from skip bytes into iov on; returns how many (fewer: blocks ran out). */
uint32_t sndbuf_append(struct stack *st, struct sndbuf *b, const struct iovec *iov, int iovcnt,
		       size_t skip, uint32_t max);

/* Up to max_iov pieces of free space, max bytes in all; returns the pieces (0: blocks ran out). */
int sndbuf_reserve(struct stack *st, struct sndbuf *b, struct iovec *iov, int max_iov,
		   uint32_t max);
/* The first n bytes of the reserved space now hold data; the rest is given back. */
void sndbuf_commit(struct stack *st, struct sndbuf *b, uint32_t n);

/* Lets go of everything before upto (una <= upto <= una + len). */
void sndbuf_ack(struct stack *st, struct sndbuf *b, struct seq upto);

/* Where the byte with number seq lies (una <= seq < una + len). */
struct sndbuf_pos sndbuf_find(struct sndbuf *b, struct seq seq);
/* Copies len bytes from pos on to dst. */
void sndbuf_copy(struct sndbuf_pos pos, uint8_t *dst, uint32_t len);
/* Likewise; returns sum plus the checksum over them, dst being at an even offset of the whole. */
uint32_t sndbuf_copy_sum(struct sndbuf_pos pos, uint8_t *dst, uint32_t len, uint32_t sum);
/* The checksum alone, over len bytes from pos on. */
uint32_t sndbuf_sum(struct sndbuf_pos pos, uint32_t len, uint32_t sum);

static inline struct seq sndbuf_end(const struct sndbuf *b)
{
	return seq_add(b->una, b->len);
}

#endif
