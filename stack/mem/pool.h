/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool of objects of one size, carved from the arena a slab at a time and kept on a free list for
 * ever. It counts what is out, so that a test can end with every pool back at zero, and it has a
 * limit, so that no peer can take all memory. The owner's lock covers every call.
 */
#ifndef STACK_MEM_POOL_H
#define STACK_MEM_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

struct pool {
	struct arena *arena;
	char name[16]; /* for shimstat */
	void *free;    /* LIFO: the object freed last is the one still in the cache */
	uint32_t obj_bytes;
	uint32_t limit; /* objects that may be out at once */
	uint32_t out;   /* objects out now */
	uint32_t out_max;
	uint64_t failed;         /* pool_get calls refused: limit, or arena used up */
	struct pool_slab *slabs; /* all there are, newest first */
};

struct pool_slab {
	struct pool_slab *next;
	uint8_t *objs;
	uint32_t n;
};

/*
 * name is copied (cut to 15 bytes). obj_bytes is rounded up to 16, from 64 on to 64, and objects
 * are aligned likewise; those of whole pages are page aligned. Never fails: slabs come with
 * pool_get().
 */
void pool_init(struct pool *p, struct arena *a, const char *name, size_t obj_bytes, uint32_t limit);

/* An object, its content undefined but for objects never used before; NULL at the limit. */
void *pool_get(struct pool *p);

/* As pool_get, zero filled. */
void *pool_get_zeroed(struct pool *p);

void pool_put(struct pool *p, void *obj);

/* A walk over all objects, those out and those free: start with {0}; NULL at the end. */
struct pool_walk {
	struct pool_slab *slab;
	uint32_t i;
	bool begun;
};
void *pool_walk_next(const struct pool *p, struct pool_walk *w);

/*
 * After a death in the middle of a change: nothing of the pool but its slabs is trusted. Objects
 * for which live() is true are out from here on, all others are free. live must tell from what the
 * owner wrote beyond the first 16 bytes, which are the pool's while an object is free; an object
 * never used is all zero there. NULL: none is live.
 */
void pool_rebuild(struct pool *p, bool (*live)(const void *obj));

#endif
