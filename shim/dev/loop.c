/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loopback inside the stack, device 0: what the stack sends to itself comes round as received
 * packets in the same frames. Only a super-segment's payload is copied, from the send blocks into
 * frames. A turn delivers only what lay there when it began, so that two chatting sockets can't
 * keep it for ever; at most LOOP_PACKETS wait, the rest stays in the txq.
 */
#include "shim/dev/internal.h"

#include <errno.h>
#include <string.h>

#define LOOP_PACKETS 1024u

/* The payload in fresh frames; FRAME_NONE: too few are free. */
static uint32_t loop_payload(struct frame_pool *fp, const struct tx_ent *e)
{
	uint32_t off = e->blk_off, left = e->blk_len, head = FRAME_NONE, tail = FRAME_NONE;
	const struct blk *b = e->blk;

	if (fp->nfree < left / FRAME_BYTES + 1)
		return FRAME_NONE;
	while (left) {
		uint32_t idx = frame_get(fp), room = FRAME_BYTES;
		uint8_t *p = frame_buf(fp, idx);

		while (left && room) {
			uint32_t n = b->end - off;

			n = n < left ? n : left;
			n = n < room ? n : room;
			memcpy(p, b->data + off, n);
			p += n;
			room -= n;
			left -= n;
			off += n;
			if (left && off == b->end) {
				b = b->next;
				off = b->start;
			}
		}
		frame_meta(fp, idx)->len = (uint16_t)(FRAME_BYTES - room);
		if (tail == FRAME_NONE)
			head = idx;
		else
			frame_meta(fp, tail)->next = idx;
		tail = idx;
	}
	return head;
}

int loop_tx(struct dev_state *ds, const struct tx_ent *e)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	struct frame *m = frame_meta(fp, e->frame);
	uint32_t payload = FRAME_NONE;

	if (ds->loop_len >= LOOP_PACKETS)
		return -EAGAIN;
	if (e->flags & TXF_GSO) {
		payload = loop_payload(fp, e);
		if (payload == FRAME_NONE)
			return -EAGAIN;
	}
	m->len = e->len;
	m->next = payload;
	m->qnext = FRAME_NONE;
	if (ds->loop_len++ == 0)
		ds->loop_head = e->frame;
	else
		frame_meta(fp, ds->loop_tail)->qnext = e->frame;
	ds->loop_tail = e->frame;
	return 0;
}

int loop_rx(struct dev_state *ds, int max, uint64_t now_ns)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	uint32_t n = ds->loop_len;
	int done = 0;

	for (; n && done < max; n--, done++) {
		uint32_t idx = ds->loop_head;
		struct frame *m = frame_meta(fp, idx);

		ds->loop_head = m->qnext;
		ds->loop_len--;
		m->qnext = FRAME_NONE;
		stack_rx(ds->sr->st, STACK_DEV_LOOP, idx, now_ns);
	}
	return done;
}
