/* SPDX-License-Identifier: BSD-2-Clause */
/* See sent_index.h. Each step over a record is counted in sent_map.steps: tests bound it. */
#include "sent_index.h"

#include "../assert.h"

#define COND (SENT_SACKED | SENT_LOST)

/* The heap's order: not to be foreseen from outside, and the same in every process. */
static uint64_t prio(const struct sent_rec *r)
{
	uint64_t z = (uint64_t)(uintptr_t)r;

	z = (z ^ z >> 33) * 0xff51afd7ed558ccdull;
	z = (z ^ z >> 33) * 0xc4ceb9fe1a85ec53ull;
	return z ^ z >> 33;
}

static uint16_t below(const struct sent_rec *r)
{
	return r ? r->below : 0;
}

/* What r and those below it are; true when that is news. */
static bool below_update(struct sent_rec *r)
{
	uint16_t was = r->below;

	r->below = (r->flags & COND) | below(r->left) | below(r->right);
	return r->below != was;
}

/* n takes the place of r below r's parent. */
static void replace(struct sent_map *m, const struct sent_rec *r, struct sent_rec *n)
{
	struct sent_rec *up = r->up;

	if (!up)
		m->root = n;
	else if (up->left == r)
		up->left = n;
	else
		up->right = n;
	if (n)
		n->up = up;
}

/* r changes places with its parent. */
static void rotate_up(struct sent_map *m, struct sent_rec *r)
{
	struct sent_rec *up = r->up, *kid;

	m->steps++;
	replace(m, up, r);
	if (up->left == r) {
		kid = up->left = r->right;
		r->right = up;
	} else {
		kid = up->right = r->left;
		r->left = up;
	}
	if (kid)
		kid->up = up;
	up->up = r;
	below_update(up);
	below_update(r);
}

void sent_index_changed(struct sent_map *m, struct sent_rec *r)
{
	for (; r && below_update(r); r = r->up)
		m->steps++;
}

void sent_index_insert(struct sent_map *m, struct sent_rec *a, struct sent_rec *n)
{
	n->left = n->right = n->up = NULL;
	n->below = 0;
	if (!a) {
		ASSERT(!m->root);
		m->root = n;
	} else if (!a->right) {
		a->right = n;
		n->up = a;
	} else {
		for (a = a->right; a->left; a = a->left)
			m->steps++;
		a->left = n;
		n->up = a;
	}
	sent_index_changed(m, n);
	while (n->up && prio(n->up) < prio(n))
		rotate_up(m, n);
}

void sent_index_remove(struct sent_map *m, struct sent_rec *r)
{
	struct sent_rec *up;

	while (r->left && r->right)
		rotate_up(m, prio(r->left) > prio(r->right) ? r->left : r->right);
	up = r->up;
	replace(m, r, r->left ? r->left : r->right);
	r->left = r->right = r->up = NULL;
	sent_index_changed(m, up);
}

struct sent_rec *sent_index_find(struct sent_map *m, struct seq s)
{
	struct sent_rec *r = m->root, *found = NULL;

	for (; r; m->steps++) {
		if (seq_lt(s, r->start)) {
			r = r->left;
			continue;
		}
		found = r;
		r = r->right;
	}
	return found;
}

/* The last with flag in the tree under r, in which there is one. */
static struct sent_rec *last_below(struct sent_map *m, struct sent_rec *r, uint16_t flag)
{
	for (;; m->steps++) {
		if (below(r->right) & flag)
			r = r->right;
		else if (r->flags & flag)
			return r;
		else
			r = r->left;
	}
}

struct sent_rec *sent_index_prev(struct sent_map *m, struct sent_rec *r, uint16_t flag)
{
	if (below(r->left) & flag)
		return last_below(m, r->left, flag);
	for (; r->up; r = r->up) {
		struct sent_rec *up = r->up;

		m->steps++;
		if (up->left == r)
			continue;
		if (up->flags & flag)
			return up;
		if (below(up->left) & flag)
			return last_below(m, up->left, flag);
	}
	return NULL;
}

struct sent_rec *sent_index_last(struct sent_map *m, uint16_t flag)
{
	return below(m->root) & flag ? last_below(m, m->root, flag) : NULL;
}

/* The one after r in the tree's order. */
static const struct sent_rec *next(const struct sent_rec *r)
{
	if (r->right) {
		for (r = r->right; r->left;)
			r = r->left;
		return r;
	}
	while (r->up && r->up->right == r)
		r = r->up;
	return r->up;
}

void sent_index_check(const struct sent_map *m, uint32_t n)
{
	const struct sent_rec *r = m->root;
	const struct list *p = m->recs.next;

	while (r && r->left)
		r = r->left;
	for (; r; r = next(r), p = p->next, n--) {
		ASSERT(p != &m->recs && r == list_entry(p, struct sent_rec, node));
		ASSERT(!r->up || r->up->left == r || r->up->right == r);
		ASSERT(!r->up || prio(r->up) >= prio(r));
		ASSERT(r->below == ((r->flags & COND) | below(r->left) | below(r->right)));
	}
	ASSERT(n == 0 && p == &m->recs);
}
