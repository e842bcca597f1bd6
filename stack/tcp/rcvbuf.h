/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receive queue: bytes in order, not yet read. Packets stay in the frames they came in; what a
 * slow reader leaves lying is copied out into blocks, so that it cannot starve the devices of
 * frames.
 */
#ifndef STACK_TCP_RCVBUF_H
#define STACK_TCP_RCVBUF_H

#include <sys/uio.h>

#include "../internal.h"

/* Frames that one connection may hold whatever is in them; beyond, its data is copied out... */
#define RCVBUF_FRAMES_MAX 64u
/* ...unless the frames are filled to 1 / DENSE at least (a small copy would set a whole frame
 * free), and are no more than 1 / SHARE of those that are free: what readers hold shrinks with
 * what is left, so that no number of them can starve the devices. A bulk reader is never copied
 * twice. With scarce frames (frames_scarce()) everyone's data is copied out at once. */
#define RCVBUF_DENSE_DIV 4u
#define RCVBUF_SHARE_DIV 16u
/* The last 1 / this of the blocks is the senders': readers that stand still must not stop them. */
#define RCVBUF_BLKS_DIV 4u

struct rcvbuf {
	struct blk *bhead, *btail; /* older than every frame */
	uint32_t head, tail;       /* packets, linked by frame.qnext; FRAME_NONE */
	uint32_t len;              /* bytes, in blocks and frames */
	uint32_t frames;           /* frames held */
};

void rcvbuf_init(struct rcvbuf *b);
void rcvbuf_free(struct stack *st, struct rcvbuf *b);

/*
 * Takes over a packet of len payload bytes (frame chain, nothing but payload). False: no memory to
 * hold it; the packet is still the caller's.
 */
bool rcvbuf_push(struct stack *st, struct rcvbuf *b, uint32_t frame, uint32_t len);

/* What a read takes. */
struct rcvbuf_want {
	uint32_t skip; /* bytes to leave standing first; only with peek */
	uint32_t max;  /* bytes behind them, at most */
	bool peek;     /* they stay */
	bool drop;     /* they are not copied */
};

/* Copies up to the iov's size and takes it off, unless peek. Bytes copied. */
size_t rcvbuf_read(struct stack *st, struct rcvbuf *b, const struct iovec *iov, int iovcnt,
		   const struct rcvbuf_want *w);
/* Takes n bytes off, unread; n <= b->len. */
void rcvbuf_drop(struct stack *st, struct rcvbuf *b, uint32_t n);

/* Frames in a chain. */
uint32_t rcvbuf_chain_frames(struct stack *st, uint32_t frame);

#endif
