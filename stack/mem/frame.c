/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which frame of the UMEM is used next: the one freed last. Never touches packet bytes, and
 * never lets a frame be freed twice: that would give one buffer to two packets.
 */
#include "frame.h"

#include <errno.h>

#include "../assert.h"
#include "poison.h"

/* In a free frame's next, to tell a second frame_put(). */
#define FRAME_IS_FREE (UINT32_MAX - 1)

int frame_pool_init(struct frame_pool *fp, struct arena *a, uint32_t count, uint8_t *mem)
{
	uint32_t i;

	ASSERT(count > 0 && count < FRAME_IS_FREE);
	fp->meta = arena_carve(a, (size_t)count * sizeof(*fp->meta), 64);
	fp->free = arena_carve(a, (size_t)count * sizeof(*fp->free), 64);
	fp->held = arena_carve(a, ((size_t)count + 63) / 64 * sizeof(*fp->held), 64);
	fp->base = mem ? mem : arena_carve(a, (size_t)count * FRAME_BYTES, FRAME_BYTES);
	if (fp->meta == NULL || fp->free == NULL || fp->held == NULL || fp->base == NULL)
		return -ENOMEM;
	/* Handed out in the order of their addresses at first: the lowest lies on top. */
	for (i = 0; i < count; i++) {
		fp->free[i] = count - 1 - i;
		fp->meta[i].next = FRAME_IS_FREE;
	}
	fp->count = fp->nfree = fp->nfree_min = count;
	fp->failed = 0;
	mem_poison(fp->base, (size_t)count * FRAME_BYTES);
	return 0;
}

uint32_t frame_get(struct frame_pool *fp)
{
	struct frame *m;
	uint32_t idx;

	if (fp->nfree == 0) {
		fp->failed++;
		return FRAME_NONE;
	}
	idx = fp->free[--fp->nfree];
	if (fp->nfree < fp->nfree_min)
		fp->nfree_min = fp->nfree;
	m = &fp->meta[idx];
	m->next = m->qnext = FRAME_NONE;
	m->off = m->len = 0;
	m->aux = 0;
	mem_unpoison(frame_buf(fp, idx), FRAME_BYTES);
	return idx;
}

void frame_put(struct frame_pool *fp, uint32_t idx)
{
	ASSERT(idx < fp->count);
	ASSERT(fp->meta[idx].next != FRAME_IS_FREE);
	fp->meta[idx].next = FRAME_IS_FREE;
	fp->free[fp->nfree++] = idx;
	mem_poison(frame_buf(fp, idx), FRAME_BYTES);
}

void frame_put_chain(struct frame_pool *fp, uint32_t idx)
{
	while (idx != FRAME_NONE) {
		uint32_t next;

		ASSERT(idx < fp->count);
		next = fp->meta[idx].next;
		frame_put(fp, idx);
		idx = next;
	}
}

void frame_hold_none(struct frame_pool *fp)
{
	for (uint32_t i = 0; i < (fp->count + 63) / 64; i++)
		fp->held[i] = 0;
}

bool frame_hold(struct frame_pool *fp, uint32_t idx)
{
	uint64_t bit = 1ull << idx % 64;

	if (idx >= fp->count || fp->held[idx / 64] & bit || fp->meta[idx].next == FRAME_IS_FREE)
		return false;
	fp->held[idx / 64] |= bit;
	return true;
}

void frame_pool_rebuild(struct frame_pool *fp, const uint64_t *lent)
{
	fp->nfree = 0;
	for (uint32_t i = 0; i < fp->count; i++) {
		if (fp->held[i / 64] & 1ull << i % 64) {
			mem_unpoison(frame_buf(fp, i), FRAME_BYTES);
			continue;
		}
		if (lent != NULL && (lent[i / 64] & 1ull << i % 64)) {
			fp->meta[i].next = fp->meta[i].qnext = FRAME_NONE;
			mem_unpoison(frame_buf(fp, i), FRAME_BYTES);
			continue;
		}
		fp->meta[i].next = FRAME_IS_FREE;
		fp->free[fp->nfree++] = i;
		mem_poison(frame_buf(fp, i), FRAME_BYTES);
	}
}
