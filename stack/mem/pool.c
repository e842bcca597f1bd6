/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which object of a pool is handed out next: the one freed last, which is the one still in
 * the cache. Never returns a slab to the arena and never lets more than limit objects out.
 */
#include "pool.h"

#include <string.h>

#include "../assert.h"
#include "poison.h"

/* Large enough that growing is rare and small objects share pages, small enough that a pool hardly
 * used costs little; an object larger than it gets a slab of its own. */
#define POOL_SLAB_BYTES 65536u
#define POOL_LINE_BYTES 64u

struct pool_free {
	struct pool_free *next;
};

void pool_init(struct pool *p, struct arena *a, const char *name, size_t obj_bytes, uint32_t limit)
{
	size_t i;

	ASSERT(obj_bytes > 0 && obj_bytes <= (1u << 30));
	memset(p, 0, sizeof(*p));
	for (i = 0; i < sizeof(p->name) - 1 && name[i] != '\0'; i++)
		p->name[i] = name[i];
	p->arena = a;
	p->obj_bytes = obj_bytes >= POOL_LINE_BYTES ? (uint32_t)(obj_bytes + POOL_LINE_BYTES - 1) &
							      ~(POOL_LINE_BYTES - 1)
						    : (uint32_t)(obj_bytes + 15) & ~15u;
	p->limit = limit;
}

/* An object of a page or more is page aligned, so that a block spans one page and not two. */
static uint32_t pool_align(const struct pool *p)
{
	if (p->obj_bytes % 4096 == 0)
		return 4096;
	return p->obj_bytes >= POOL_LINE_BYTES ? POOL_LINE_BYTES : 16;
}

static bool pool_grow(struct pool *p)
{
	uint32_t n = p->obj_bytes >= POOL_SLAB_BYTES ? 1 : POOL_SLAB_BYTES / p->obj_bytes;
	struct pool_slab *s = arena_carve(p->arena, sizeof(*s), 16);
	uint8_t *slab;

	if (s == NULL)
		return false;
	slab = arena_carve(p->arena, (size_t)n * p->obj_bytes, pool_align(p));
	if (slab == NULL)
		return false;
	s->objs = slab;
	s->n = n;
	s->next = p->slabs;
	/* Whole before it can be found, by whoever comes after a death here. */
	__atomic_store_n(&p->slabs, s, __ATOMIC_RELEASE);
	/* Backwards, so that they are handed out in the order of their addresses. Only the first
	 * word of each is touched, as a page may never be needed. */
	while (n-- > 0) {
		struct pool_free *f = (struct pool_free *)(slab + (size_t)n * p->obj_bytes);

		f->next = p->free;
		p->free = f;
		mem_poison(f + 1, p->obj_bytes - sizeof(*f));
	}
	return true;
}

void *pool_get(struct pool *p)
{
	struct pool_free *f;

	if (p->out >= p->limit || (p->free == NULL && !pool_grow(p))) {
		p->failed++;
		return NULL;
	}
	f = p->free;
	p->free = f->next;
	f->next = NULL;
	mem_unpoison(f, p->obj_bytes);
	if (++p->out > p->out_max)
		p->out_max = p->out;
	return f;
}

void *pool_get_zeroed(struct pool *p)
{
	void *obj = pool_get(p);

	if (obj != NULL)
		memset(obj, 0, p->obj_bytes);
	return obj;
}

void pool_put(struct pool *p, void *obj)
{
	struct pool_free *f = obj;

	ASSERT(p->out > 0);
	ASSERT(f != p->free);
	f->next = p->free;
	p->free = f;
	p->out--;
	mem_poison(f + 1, p->obj_bytes - sizeof(*f));
}

void *pool_walk_next(const struct pool *p, struct pool_walk *w)
{
	if (!w->begun) {
		w->begun = true;
		w->slab = p->slabs;
	} else if (w->slab != NULL && ++w->i == w->slab->n) {
		w->slab = w->slab->next;
		w->i = 0;
	}
	if (w->slab == NULL)
		return NULL;
	mem_unpoison(w->slab->objs + (size_t)w->i * p->obj_bytes, p->obj_bytes);
	return w->slab->objs + (size_t)w->i * p->obj_bytes;
}

void pool_rebuild(struct pool *p, bool (*live)(const void *obj))
{
	struct pool_walk w = {0};
	void *obj;

	p->free = NULL;
	p->out = 0;
	while ((obj = pool_walk_next(p, &w)) != NULL) {
		struct pool_free *f = obj;

		if (live != NULL && live(obj)) {
			p->out++;
			continue;
		}
		f->next = p->free;
		p->free = f;
		mem_poison(f + 1, p->obj_bytes - sizeof(*f));
	}
}
