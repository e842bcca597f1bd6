/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receive queue. Blocks hold the older bytes, frames the newer ones: copying out always takes
 * from the head of the frames. Must never hold an empty block or packet, so that an idle connection
 * holds nothing.
 */
#include "rcvbuf.h"

void rcvbuf_init(struct rcvbuf *b)
{
	b->bhead = b->btail = NULL;
	b->head = b->tail = FRAME_NONE;
	b->len = b->frames = 0;
}

void rcvbuf_free(struct stack *st, struct rcvbuf *b)
{
	while (b->bhead) {
		struct blk *next = b->bhead->next;

		blk_put(st, b->bhead);
		b->bhead = next;
	}
	while (b->head != FRAME_NONE) {
		uint32_t next = frame_meta(&st->frames, b->head)->qnext;

		frame_put_chain(&st->frames, b->head);
		b->head = next;
	}
	rcvbuf_init(b);
}

uint32_t rcvbuf_chain_frames(struct stack *st, uint32_t frame)
{
	uint32_t n = 0;

	for (; frame != FRAME_NONE; frame = frame_meta(&st->frames, frame)->next)
		n++;
	return n;
}

/* Room for len bytes behind the last block: as many new blocks as it takes, or none at all. */
static bool blocks_extend(struct stack *st, struct rcvbuf *b, uint32_t len, struct blk **first)
{
	uint32_t room = b->btail ? BLK_DATA_BYTES - b->btail->end : 0;
	struct blk *chain = NULL, **link = &chain;

	while (room < len) {
		bool spare = st->blks.limit - st->blks.out > st->blks.limit / RCVBUF_BLKS_DIV;
		struct blk *p = spare ? blk_get(st) : NULL;

		if (!p) {
			while (chain) {
				p = chain->next;
				blk_put(st, chain);
				chain = p;
			}
			return false;
		}
		p->next = NULL;
		p->start = p->end = 0;
		*link = p;
		link = &p->next;
		room += BLK_DATA_BYTES;
	}
	*first = chain;
	return true;
}

static void blocks_link(struct rcvbuf *b, struct blk *p)
{
	if (b->btail)
		b->btail->next = p;
	else
		b->bhead = p;
	b->btail = p;
}

/* Copies a packet behind the last block. False, and nothing done, without memory. */
static bool copy_out(struct stack *st, struct rcvbuf *b, uint32_t frame, uint32_t len)
{
	struct blk *spare;

	if (!blocks_extend(st, b, len, &spare))
		return false;
	for (uint32_t f = frame; f != FRAME_NONE; f = frame_meta(&st->frames, f)->next) {
		const uint8_t *src = frame_data(&st->frames, f);
		uint32_t left = frame_meta(&st->frames, f)->len;

		while (left > 0) {
			uint32_t n;

			if (!b->btail || b->btail->end == BLK_DATA_BYTES) {
				struct blk *p = spare;

				ASSERT(p);
				spare = p->next;
				p->next = NULL;
				blocks_link(b, p);
			}
			n = BLK_DATA_BYTES - b->btail->end;
			if (n > left)
				n = left;
			memcpy(b->btail->data + b->btail->end, src, n);
			b->btail->end += n;
			src += n;
			left -= n;
		}
	}
	ASSERT(!spare);
	frame_put_chain(&st->frames, frame);
	return true;
}

static uint32_t chain_bytes(struct stack *st, uint32_t frame)
{
	uint32_t n = 0;

	for (; frame != FRAME_NONE; frame = frame_meta(&st->frames, frame)->next)
		n += frame_meta(&st->frames, frame)->len;
	return n;
}

/* Moves everything in frames into blocks. False when memory ran out on the way. */
static bool spill(struct stack *st, struct rcvbuf *b)
{
	while (b->head != FRAME_NONE) {
		uint32_t f = b->head, next = frame_meta(&st->frames, f)->qnext;
		uint32_t n = rcvbuf_chain_frames(st, f);

		if (!copy_out(st, b, f, chain_bytes(st, f)))
			return false;
		b->frames -= n;
		b->head = next;
		if (next == FRAME_NONE)
			b->tail = FRAME_NONE;
	}
	return true;
}

/* Whether b may hold n frames more for len bytes. */
static bool frames_allowed(const struct stack *st, const struct rcvbuf *b, uint32_t n, uint32_t len)
{
	uint32_t held = b->frames + n;

	if (likely(held <= RCVBUF_FRAMES_MAX))
		return true;
	if (held > st->frames.nfree / RCVBUF_SHARE_DIV)
		return false;
	return (uint64_t)b->len + len >= (uint64_t)held * (FRAME_BYTES / RCVBUF_DENSE_DIV);
}

bool rcvbuf_push(struct stack *st, struct rcvbuf *b, uint32_t frame, uint32_t len)
{
	uint32_t n = rcvbuf_chain_frames(st, frame);
	bool low = frames_scarce(&st->frames);

	if (low || !frames_allowed(st, b, n, len)) {
		bool empty = spill(st, b);

		if (empty && copy_out(st, b, frame, len)) {
			b->len += len;
			return true;
		}
		/* Without blocks frames serve, as long as the devices can spare them. */
		if (low)
			return false;
	}
	frame_meta(&st->frames, frame)->qnext = FRAME_NONE;
	if (b->tail != FRAME_NONE)
		frame_meta(&st->frames, b->tail)->qnext = frame;
	else
		b->head = frame;
	b->tail = frame;
	b->frames += n;
	b->len += len;
	return true;
}

/* Where reading goes: the iov, walked. */
struct sink {
	const struct iovec *iov;
	int iovcnt;
	size_t off;
	struct rcvbuf_want w; /* what of it is still to come */
};

/* Puts up to len bytes; returns how many the sink took, those skipped included. */
static uint32_t sink_put(struct sink *s, const uint8_t *src, uint32_t len)
{
	uint32_t done = s->w.skip < len ? s->w.skip : len, end = len;

	s->w.skip -= done;
	if (end - done > s->w.max)
		end = done + s->w.max;
	s->w.max -= end - done;
	while (done < end && s->iovcnt > 0) {
		size_t n = s->iov->iov_len - s->off;

		if (n > end - done)
			n = end - done;
		if (!s->w.drop && n > 0)
			memcpy((uint8_t *)s->iov->iov_base + s->off, src + done, n);
		done += (uint32_t)n;
		s->off += n;
		if (s->off == s->iov->iov_len) {
			s->iov++;
			s->iovcnt--;
			s->off = 0;
		}
	}
	return done;
}

static size_t read_blocks(struct stack *st, struct rcvbuf *b, struct sink *s, bool peek)
{
	struct blk *p = b->bhead;
	size_t done = 0;

	while (p) {
		uint32_t have = p->end - p->start;
		uint32_t n = sink_put(s, p->data + p->start, have);

		done += n;
		if (!peek) {
			p->start += n;
			if (n == have) {
				b->bhead = p->next;
				if (!b->bhead)
					b->btail = NULL;
				blk_put(st, p);
			}
		}
		if (n < have)
			break;
		p = peek ? p->next : b->bhead;
	}
	return done;
}

/* Reads from one packet; true when it was read to its end. */
static bool read_packet(struct stack *st, struct rcvbuf *b, struct sink *s, size_t *done)
{
	uint32_t f = b->head;

	while (f != FRAME_NONE) {
		struct frame *m = frame_meta(&st->frames, f);
		uint32_t next = m->next, qnext = m->qnext;
		uint32_t n = sink_put(s, frame_data(&st->frames, f), m->len);

		*done += n;
		if (n < m->len) {
			m->off = (uint16_t)(m->off + n);
			m->len = (uint16_t)(m->len - n);
			return false;
		}
		frame_put(&st->frames, f);
		b->frames--;
		b->head = next != FRAME_NONE ? next : qnext;
		if (next != FRAME_NONE) {
			frame_meta(&st->frames, next)->qnext = qnext;
			if (b->tail == f)
				b->tail = next;
		} else if (qnext == FRAME_NONE) {
			b->tail = FRAME_NONE;
		}
		f = next;
	}
	return true;
}

static size_t peek_frames(struct stack *st, struct rcvbuf *b, struct sink *s)
{
	size_t done = 0;

	for (uint32_t q = b->head; q != FRAME_NONE; q = frame_meta(&st->frames, q)->qnext) {
		for (uint32_t f = q; f != FRAME_NONE; f = frame_meta(&st->frames, f)->next) {
			uint32_t len = frame_meta(&st->frames, f)->len;
			uint32_t n = sink_put(s, frame_data(&st->frames, f), len);

			done += n;
			if (n < len)
				return done;
		}
	}
	return done;
}

size_t rcvbuf_read(struct stack *st, struct rcvbuf *b, const struct iovec *iov, int iovcnt,
		   const struct rcvbuf_want *w)
{
	struct sink s = {iov, iovcnt, 0, *w};
	size_t done = read_blocks(st, b, &s, w->peek);

	if (w->peek) {
		done += peek_frames(st, b, &s);
		return done - (w->skip - s.w.skip);
	}
	while (s.iovcnt > 0 && s.w.max > 0 && b->head != FRAME_NONE) {
		if (!read_packet(st, b, &s, &done))
			break;
	}
	b->len -= (uint32_t)done;
	return done;
}

void rcvbuf_drop(struct stack *st, struct rcvbuf *b, uint32_t n)
{
	struct iovec v = {.iov_len = n};
	struct rcvbuf_want w = {.max = n, .drop = true};

	rcvbuf_read(st, b, &v, 1, &w);
}
