/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet frames: fixed-size, page-sized buffers in one contiguous, page-aligned region of the arena
 * (the AF_XDP UMEM), with a small descriptor each. A received packet is a chain of one or more
 * frames; a packet to be sent is always a single frame (bulk payload rides beside it, see txq.h).
 * Owned by: the free list, a device ring, a receive queue, or the transmit queue. The stack's lock
 * covers every call.
 */
#ifndef STACK_MEM_FRAME_H
#define STACK_MEM_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

#define FRAME_BYTES 4096u
/* Where the Ethernet header of a packet to be sent starts: room before it for AF_XDP TX
 * metadata. */
#define FRAME_TX_HEADROOM 64u
#define FRAME_NONE UINT32_MAX
/*
 * Who may take the last free frames, as parts of all: no queue of received data keeps one when
 * fewer than 1 / QUEUED are left, no fill ring is given one when fewer than 1 / LENT are. The gap
 * between the two is what packets still come in by when peers have filled every queue; the rest is
 * for transmission. Were there no gap, the segment that fills a hole could not come in.
 */
#define FRAMES_QUEUED_DIV 4u
#define FRAMES_LENT_DIV 8u
/* With fewer than 1 / this left, data that waits behind a hole is put together in fewer frames. */
#define FRAMES_JOIN_DIV 2u

struct frame {
	uint32_t next;  /* next fragment of the same packet, or FRAME_NONE */
	uint32_t qnext; /* for whoever holds the packet in a queue */
	uint16_t off;   /* of the first byte, from the start of the frame */
	uint16_t len;   /* bytes of this fragment */
	uint32_t aux;   /* for whoever holds it (receive queue: sequence number) */
};

struct frame_pool {
	uint8_t *base;      /* count * FRAME_BYTES, page aligned */
	struct frame *meta; /* count of them */
	uint32_t *free;     /* stack of free frame indexes */
	uint32_t count;
	uint32_t nfree;
	uint32_t nfree_min;
	uint64_t failed; /* frame_get calls refused */
	uint64_t *held;  /* bit per frame, for frame_pool_rebuild(): somebody's, and stays that */
};

/* A pool of the count frames at mem, or, when that is NULL, of count frames carved from the arena.
 * Returns 0 or -ENOMEM. */
int frame_pool_init(struct frame_pool *fp, struct arena *a, uint32_t count, uint8_t *mem);

/* A frame index with next = qnext = FRAME_NONE, off = len = 0; FRAME_NONE when there is none. */
uint32_t frame_get(struct frame_pool *fp);

/* Frees one frame; its descriptor's next is not followed. */
void frame_put(struct frame_pool *fp, uint32_t idx);

/* Frees a packet: the frame and all that hang on its next. */
void frame_put_chain(struct frame_pool *fp, uint32_t idx);

/*
 * After a death in the middle of a change: all frames are free but those that were held since
 * frame_hold_none(), and those whose bit is set in lent (count bits; NULL: none), which are a
 * device's and come back as ever.
 */
void frame_pool_rebuild(struct frame_pool *fp, const uint64_t *lent);
void frame_hold_none(struct frame_pool *fp);
/* False: it is held already, or there is no such frame, or it is free. */
bool frame_hold(struct frame_pool *fp, uint32_t idx);

static inline struct frame *frame_meta(struct frame_pool *fp, uint32_t idx)
{
	return &fp->meta[idx];
}

/* True when frames are so scarce that no queue of received data may keep one. */
static inline bool frames_scarce(const struct frame_pool *fp)
{
	return fp->nfree < fp->count / FRAMES_QUEUED_DIV;
}

/* The first byte of the frame's buffer (not of the packet: add meta->off). */
static inline uint8_t *frame_buf(struct frame_pool *fp, uint32_t idx)
{
	return fp->base + (uint64_t)idx * FRAME_BYTES;
}

/* The first byte of the packet data in the frame. */
static inline uint8_t *frame_data(struct frame_pool *fp, uint32_t idx)
{
	return frame_buf(fp, idx) + fp->meta[idx].off;
}

#endif
