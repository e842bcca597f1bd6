/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides where in the arena the next piece lies; never gives a piece back and never touches what
 * it has given out.
 *
 * Theory of operation. A family of processes shares one mapping at one address. What lies in it for
 * good (stacks, tables, the frames of the UMEM) and the slabs that pools grow by are carved from it
 * front to back by moving one counter with compare-and-swap: no lock, so that a process killed at
 * any instruction leaves the arena usable; the worst it can do is to lose the piece it had just
 * carved. Nothing is ever returned, which is why a piece is always zero filled (the pages are fresh
 * from the kernel) and why a pointer into the arena stays mapped as long as the arena does. Memory
 * that is used again is used again by the pool it belongs to. The mapping is as large as the limits
 * of all pools together could ask for; pages that nobody has touched cost nothing.
 */
#include "arena.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "../assert.h"
#include "poison.h"

#define ARENA_MIN_BYTES 65536u
#define ARENA_ALIGN_MAX (2u << 20) /* a huge page: nothing needs more, and base offers no more */

struct arena *arena_init(void *base, size_t size_bytes)
{
	struct arena *a = base;

	ASSERT(((uintptr_t)base & 4095) == 0);
	ASSERT(size_bytes >= ARENA_MIN_BYTES);
	mem_unpoison(a, sizeof(*a));
	a->size_bytes = size_bytes;
	atomic_store_explicit(&a->used_bytes, sizeof(*a), memory_order_relaxed);
	a->magic = ARENA_MAGIC;
	return a;
}

void *arena_carve(struct arena *a, size_t size, size_t align)
{
	uintptr_t base = (uintptr_t)a;
	uint64_t used = atomic_load_explicit(&a->used_bytes, memory_order_relaxed);
	uint64_t start;

	ASSERT(a->magic == ARENA_MAGIC);
	ASSERT(align != 0 && (align & (align - 1)) == 0 && align <= ARENA_ALIGN_MAX);
	do {
		start = ((base + used + align - 1) & ~(uint64_t)(align - 1)) - base;
		if (start > a->size_bytes || size > a->size_bytes - start)
			return NULL;
	} while (!atomic_compare_exchange_strong_explicit(
		&a->used_bytes, &used, start + size, memory_order_relaxed, memory_order_relaxed));
	/* An arena that lay here before may have left its marks. */
	mem_unpoison((uint8_t *)a + start, size);
	return (uint8_t *)a + start;
}
