/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A received packet as a chain of frames: taking bytes off its front and its end, looking at
 * headers, and the transport checksum. Never assumes where the chain is cut: a header may lie in
 * two frames, and a frame may be empty.
 */
#include "../internal.h"

#define RX_PEEK_BYTES 128u

void rx_free(struct stack *st, struct rx_pkt *p)
{
	frame_put_chain(&st->frames, p->frame);
	p->frame = FRAME_NONE;
	p->len = 0;
}

void rx_pull(struct stack *st, struct rx_pkt *p, uint32_t n)
{
	ASSERT(n <= p->len);
	p->len -= n;
	for (;;) {
		struct frame *m = frame_meta(&st->frames, p->frame);
		uint32_t next = m->next;

		if (n < m->len || next == FRAME_NONE) {
			ASSERT(n <= m->len);
			m->off += n;
			m->len -= n;
			return;
		}
		n -= m->len;
		frame_put(&st->frames, p->frame);
		p->frame = next;
	}
}

void rx_trim(struct stack *st, struct rx_pkt *p, uint32_t len)
{
	struct frame *m = frame_meta(&st->frames, p->frame);

	ASSERT(len <= p->len);
	p->len = len;
	while (len > m->len) {
		len -= m->len;
		ASSERT(m->next != FRAME_NONE);
		m = frame_meta(&st->frames, m->next);
	}
	m->len = len;
	frame_put_chain(&st->frames, m->next);
	m->next = FRAME_NONE;
}

void rx_copy(struct stack *st, const struct rx_pkt *p, uint32_t off, void *buf, uint32_t n)
{
	uint32_t idx = p->frame;
	uint8_t *to = buf;

	while (n > 0) {
		const struct frame *m;
		uint32_t part;

		ASSERT(idx != FRAME_NONE);
		m = frame_meta(&st->frames, idx);
		if (off < m->len) {
			part = m->len - off < n ? m->len - off : n;
			memcpy(to, frame_data(&st->frames, idx) + off, part);
			to += part;
			n -= part;
			off = 0;
		} else {
			off -= m->len;
		}
		idx = m->next;
	}
}

const void *rx_peek(struct stack *st, const struct rx_pkt *p, uint32_t n, void *buf)
{
	const uint8_t *data;

	ASSERT(n <= RX_PEEK_BYTES);
	if (n > p->len)
		return NULL;
	data = frame_data(&st->frames, p->frame);
	/* Headers have the alignment of their 16-bit fields. */
	if (likely(n <= frame_meta(&st->frames, p->frame)->len && ((uintptr_t)data & 1) == 0))
		return data;
	rx_copy(st, p, 0, buf, n);
	return buf;
}

uint32_t rx_sum(struct stack *st, const struct rx_pkt *p)
{
	uint32_t idx, sum = 0;
	size_t off = 0;

	for (idx = p->frame; idx != FRAME_NONE;) {
		const struct frame *m = frame_meta(&st->frames, idx);

		sum = csum_combine(sum, csum_add(0, frame_data(&st->frames, idx), m->len), off);
		off += m->len;
		idx = m->next;
	}
	return sum;
}

/*
 * The pseudo-header sum alone is looked at first where it is acceptable: it costs no pass over the
 * payload. It can't be mistaken for a complete checksum in a harmful way: a device on which it is
 * accepted is one whose packets have crossed no wire.
 */
bool rx_csum_ok(struct stack *st, struct rx_pkt *p, uint32_t csum_offset)
{
	uint32_t pseudo = csum_pseudo(&p->src, &p->dst, p->proto, p->len);
	uint16_t field;

	if (csum_offset + sizeof(field) > p->len)
		return false;
	if (st->dev[p->dev].rx_partial_ok) {
		rx_copy(st, p, csum_offset, &field, sizeof(field));
		if (field == csum_fold(pseudo)) {
			p->csum_partial = true;
			return true;
		}
	}
	return csum_fold(csum_combine(pseudo, rx_sum(st, p), 0)) == 0xffff;
}

/* What the device would have completed on its way over a wire. */
static void csum_complete(struct stack *st, struct rx_pkt *p, uint32_t csum_offset)
{
	uint8_t *at = frame_data(&st->frames, p->frame) + csum_offset;
	uint16_t sum = (uint16_t)~csum_fold(rx_sum(st, p));

	if (sum == 0)
		sum = 0xffff;
	memcpy(at, &sum, sizeof(sum));
}

bool rx_stray(struct stack *st, struct rx_pkt *p, uint32_t csum_offset,
	      const struct endpoint *local, const struct endpoint *remote)
{
	struct frame *m = frame_meta(&st->frames, p->frame);

	if (!st->dev[p->dev].shared)
		return false;
	/* All headers in one frame, as they come; else there is nothing whole to give back. */
	if (st->nstrays == STACK_STRAYS || p->frame != p->head ||
	    csum_offset + sizeof(uint16_t) > m->len) {
		COUNT(st, stray_lost);
		rx_free(st, p);
		return true;
	}
	if (p->csum_partial)
		csum_complete(st, p, csum_offset);
	m->len = (uint16_t)(m->len + m->off - p->head_off);
	m->off = p->head_off;
	st->stray[(st->stray_at + st->nstrays++) % STACK_STRAYS] = (struct stray){
		.frame = p->frame,
		.dev = p->dev,
		.proto = p->proto,
		.local = *local,
		.remote = *remote,
	};
	p->frame = FRAME_NONE;
	p->len = 0;
	return true;
}

bool stack_stray(struct stack *st, struct stray *out)
{
	if (st->nstrays == 0)
		return false;
	*out = st->stray[st->stray_at++ % STACK_STRAYS];
	st->nstrays--;
	return true;
}
