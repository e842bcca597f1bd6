/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transmit queue: packets the stack has built and the embedder has not yet put on a device.
 * Headers (and the payload of an ordinary packet) lie in one frame; a super-segment's payload stays
 * in the connection's send blocks and is cut up by the kernel or the NIC.
 */
#ifndef STACK_TXQ_H
#define STACK_TXQ_H

#include <stdint.h>

struct blk;

#define TXQ_ENTRIES 1024u

enum {
	TXF_CSUM = 1, /* checksum field holds the pseudo-header sum; the device completes it */
	TXF_GSO = 2,  /* payload of blk_len bytes in blocks, to be cut into gso_bytes pieces */
	TXF_PUSH = 4, /* latency-bound: worth a kick of its own when the caller blocks next */
};

struct tx_ent {
	uint32_t frame;        /* index; data at its meta->off */
	uint16_t len;          /* bytes in the frame, from the Ethernet header on */
	uint8_t dev;           /* device index as given to stack_dev_set() */
	uint8_t flags;         /* TXF_* */
	uint16_t csum_start;   /* from the Ethernet header: where the TCP or UDP header starts */
	uint16_t csum_offset;  /* from csum_start: where the checksum field lies */
	uint16_t gso_bytes;    /* TXF_GSO: payload bytes per segment */
	uint8_t family;        /* 4 or 6 */
	uint8_t proto;         /* IPPROTO_TCP or IPPROTO_UDP */
	const struct blk *blk; /* TXF_GSO: first block; the payload may run on through blk->next */
	uint32_t blk_off;      /* offset of the first payload byte in blk->data */
	uint32_t blk_len;      /* payload bytes */
};

struct txq {
	uint32_t head, tail; /* free running; head is the next to be taken */
	struct tx_ent ent[TXQ_ENTRIES];
};

static inline uint32_t txq_used(const struct txq *q)
{
	return q->tail - q->head;
}

#endif
