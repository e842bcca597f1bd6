/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The send buffer: a chain of blocks, appended to at the tail and freed from the head. Small writes
 * share a block. Bytes never move once they are in: a queued super-segment refers to them in place
 * (blk_put() keeps a block that is still referred to in limbo), and walks the chain by start and
 * end, so start stays 0 and every block but the last is full. Must never hold an empty block, so
 * that an idle connection holds none.
 */
#include "sndbuf.h"

void sndbuf_init(struct sndbuf *b, struct seq una)
{
	memset(b, 0, sizeof(*b));
	b->una = una;
}

static void free_chain(struct stack *st, struct blk *p)
{
	while (p) {
		struct blk *next = p->next;

		blk_put(st, p);
		p = next;
	}
}

void sndbuf_free(struct stack *st, struct sndbuf *b)
{
	free_chain(st, b->head);
	free_chain(st, b->rsv);
	sndbuf_init(b, sndbuf_end(b));
}

static struct blk *blk_new(struct stack *st)
{
	struct blk *p = blk_get(st);

	if (p) {
		p->next = NULL;
		p->start = p->end = 0;
	}
	return p;
}

static void link_tail(struct sndbuf *b, struct blk *p)
{
	if (b->tail)
		b->tail->next = p;
	else
		b->head = p;
	b->tail = p;
}

static uint32_t tail_room(const struct sndbuf *b)
{
	return b->tail ? BLK_DATA_BYTES - b->tail->end : 0;
}

uint32_t sndbuf_append(struct stack *st, struct sndbuf *b, const struct iovec *iov, int iovcnt,
		       size_t skip, uint32_t max)
{
	uint32_t done = 0;

	for (int i = 0; i < iovcnt && done < max; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		if (skip >= left) {
			skip -= left;
			continue;
		}
		p += skip;
		left -= skip;
		skip = 0;
		while (left > 0 && done < max) {
			uint32_t n = tail_room(b);

			if (n == 0) {
				struct blk *blk = blk_new(st);

				if (!blk)
					goto out;
				link_tail(b, blk);
				n = BLK_DATA_BYTES;
			}
			if (n > left)
				n = (uint32_t)left;
			if (n > max - done)
				n = max - done;
			memcpy(b->tail->data + b->tail->end, p, n);
			b->tail->end += n;
			p += n;
			left -= n;
			done += n;
		}
	}
out:
	b->len += done;
	return done;
}

int sndbuf_reserve(struct stack *st, struct sndbuf *b, struct iovec *iov, int max_iov, uint32_t max)
{
	struct blk **link = &b->rsv;
	int n = 0;

	ASSERT(!b->rsv);
	if (max > 0 && max_iov > 0 && tail_room(b) > 0) {
		iov[n].iov_base = b->tail->data + b->tail->end;
		iov[n].iov_len = tail_room(b) < max ? tail_room(b) : max;
		max -= (uint32_t)iov[n++].iov_len;
	}
	while (max > 0 && n < max_iov) {
		struct blk *p = blk_new(st);

		if (!p)
			break;
		*link = p;
		link = &p->next;
		iov[n].iov_base = p->data;
		iov[n].iov_len = BLK_DATA_BYTES < max ? BLK_DATA_BYTES : max;
		max -= (uint32_t)iov[n++].iov_len;
	}
	return n;
}

void sndbuf_commit(struct stack *st, struct sndbuf *b, uint32_t n)
{
	uint32_t room = tail_room(b);

	b->len += n;
	if (room > n)
		room = n;
	if (room > 0) {
		b->tail->end += room;
		n -= room;
	}
	while (n > 0) {
		struct blk *p = b->rsv;

		ASSERT(p);
		b->rsv = p->next;
		p->next = NULL;
		p->end = n < BLK_DATA_BYTES ? n : BLK_DATA_BYTES;
		n -= p->end;
		link_tail(b, p);
	}
	free_chain(st, b->rsv);
	b->rsv = NULL;
}

void sndbuf_ack(struct stack *st, struct sndbuf *b, struct seq upto)
{
	uint32_t n = (uint32_t)seq_diff(upto, b->una);

	ASSERT(n <= b->len);
	b->una = upto;
	b->len -= n;
	n += b->head_off;
	while (b->head && n >= b->head->end) {
		struct blk *p = b->head;

		n -= p->end;
		b->head = p->next;
		for (unsigned i = 0; i < 2; i++)
			if (b->cur[i].blk == p)
				b->cur[i].blk = NULL;
		if (!b->head)
			b->tail = NULL;
		blk_put(st, p);
	}
	b->head_off = n;
}

struct sndbuf_pos sndbuf_find(struct sndbuf *b, struct seq seq)
{
	unsigned i = b->cur[1].blk && seq_geq(seq, b->cur[1].seq);
	struct blk *p = b->cur[i].blk;
	struct seq at = b->cur[i].seq;

	ASSERT(seq_within(seq, b->una, b->len));
	if (!p || seq_lt(seq, at)) {
		p = b->head;
		at = seq_sub(b->una, b->head_off);
	}
	while ((uint32_t)seq_diff(seq, at) >= p->end) {
		at = seq_add(at, p->end);
		p = p->next;
	}
	if (!b->cur[1].blk) /* the first to come takes the later place: new data most often */
		i = 1;
	b->cur[i].blk = p;
	b->cur[i].seq = at;
	return (struct sndbuf_pos){p, (uint32_t)seq_diff(seq, at)};
}

void sndbuf_copy(struct sndbuf_pos pos, uint8_t *dst, uint32_t len)
{
	while (len > 0) {
		uint32_t n = pos.blk->end - pos.off;

		if (n > len)
			n = len;
		memcpy(dst, pos.blk->data + pos.off, n);
		dst += n;
		len -= n;
		pos.blk = pos.blk->next;
		pos.off = 0;
	}
}

uint32_t sndbuf_copy_sum(struct sndbuf_pos pos, uint8_t *dst, uint32_t len, uint32_t sum)
{
	uint32_t at = 0;

	while (at < len) {
		uint32_t n = pos.blk->end - pos.off;

		if (n > len - at)
			n = len - at;
		sum = csum_combine(sum, csum_copy(0, dst + at, pos.blk->data + pos.off, n), at);
		at += n;
		pos.blk = pos.blk->next;
		pos.off = 0;
	}
	return sum;
}

uint32_t sndbuf_sum(struct sndbuf_pos pos, uint32_t len, uint32_t sum)
{
	uint32_t at = 0;

	while (at < len) {
		uint32_t n = pos.blk->end - pos.off;

		if (n > len - at)
			n = len - at;
		sum = csum_combine(sum, csum_add(0, pos.blk->data + pos.off, n), at);
		at += n;
		pos.blk = pos.blk->next;
		pos.off = 0;
	}
	return sum;
}
