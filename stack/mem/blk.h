/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks: page-sized pieces of payload memory outside the UMEM, for send buffers (until the data is
 * acknowledged) and for received data copied out of frames that a slow reader would otherwise hold.
 */
#ifndef STACK_MEM_BLK_H
#define STACK_MEM_BLK_H

#include <stdint.h>

#define BLK_BYTES 4096u

struct blk {
	struct blk *next;
	struct blk *limbo; /* mem/blk.c's: freed, but a queued super-segment may refer to it */
	uint32_t start;    /* first valid byte in data */
	uint32_t end;      /* one past the last valid byte */
	uint8_t data[BLK_BYTES - 24];
};

_Static_assert(sizeof(struct blk) == BLK_BYTES, "a block is one page");

#define BLK_DATA_BYTES ((uint32_t)sizeof(((struct blk *)0)->data))

#endif
