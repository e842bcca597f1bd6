/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arena: one stretch of memory, mapped at the same address in every process of a family, from
 * which everything shared is carved. It only ever grows (pages are filled lazily by the kernel);
 * what is given back goes to the pool it came from. The embedder maps it; this file only counts.
 *
 * Theory of operation: see the head of arena.c.
 */
#ifndef STACK_MEM_ARENA_H
#define STACK_MEM_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena {
	uint64_t magic;
	uint64_t size_bytes;         /* of the whole mapping, this header included */
	_Atomic uint64_t used_bytes; /* carved so far, this header included */
};

#define ARENA_MAGIC 0x316172656e612d31ull

/*
 * Makes an arena of size_bytes at base (page aligned, zero filled, at least 64 KiB).
 * Returns the arena, which is at base.
 */
struct arena *arena_init(void *base, size_t size_bytes);

/*
 * Carves size bytes, zero filled, aligned to align (a power of two, at most 2 MiB). Any thread of
 * any process may call it, without a lock. Returns NULL when the arena is used up.
 */
void *arena_carve(struct arena *a, size_t size, size_t align);

#endif
