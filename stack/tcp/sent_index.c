/* SPDX-License-Identifier: BSD-2-Clause */
/* See sent_index.h. */
#include "sent_index.h"

#include "../assert.h"

#define COND (SENT_SACKED | SENT_LOST)

static struct sent_rec *rec_of(const struct treap_node *n)
{
	return n ? container_of((struct treap_node *)(uintptr_t)n, struct sent_rec, index) : NULL;
}

static uint16_t below(const struct treap_node *n)
{
	return n ? rec_of(n)->below : 0;
}

/* What a record and those below it are. */
static bool below_update(struct treap_node *n)
{
	struct sent_rec *r = rec_of(n);
	uint16_t was = r->below;

	r->below = (r->flags & COND) | below(n->left) | below(n->right);
	return r->below != was;
}

void sent_index_changed(struct sent_map *m, struct sent_rec *r)
{
	treap_changed(&m->index, &r->index, below_update);
}

void sent_index_insert(struct sent_map *m, struct sent_rec *a, struct sent_rec *n)
{
	n->below = 0;
	treap_insert(&m->index, a ? &a->index : NULL, &n->index, below_update);
}

void sent_index_remove(struct sent_map *m, struct sent_rec *r)
{
	treap_remove(&m->index, &r->index, below_update);
}

struct sent_rec *sent_index_find(struct sent_map *m, struct seq s)
{
	struct treap_node *n = m->index.root;
	struct sent_rec *found = NULL;

	for (; n; m->index.steps++) {
		if (seq_lt(s, rec_of(n)->start)) {
			n = n->left;
			continue;
		}
		found = rec_of(n);
		n = n->right;
	}
	return found;
}

/* The last with flag in the tree under n, in which there is one. */
static struct sent_rec *last_below(struct sent_map *m, struct treap_node *n, uint16_t flag)
{
	for (;; m->index.steps++) {
		if (below(n->right) & flag)
			n = n->right;
		else if (rec_of(n)->flags & flag)
			return rec_of(n);
		else
			n = n->left;
	}
}

struct sent_rec *sent_index_prev(struct sent_map *m, struct sent_rec *r, uint16_t flag)
{
	struct treap_node *n = &r->index;

	if (below(n->left) & flag)
		return last_below(m, n->left, flag);
	for (; n->up; n = n->up) {
		struct treap_node *up = n->up;

		m->index.steps++;
		if (up->left == n)
			continue;
		if (rec_of(up)->flags & flag)
			return rec_of(up);
		if (below(up->left) & flag)
			return last_below(m, up->left, flag);
	}
	return NULL;
}

struct sent_rec *sent_index_last(struct sent_map *m, uint16_t flag)
{
	return below(m->index.root) & flag ? last_below(m, m->index.root, flag) : NULL;
}

void sent_index_check(const struct sent_map *m, uint32_t n)
{
	const struct treap_node *t = treap_first(&m->index);
	const struct list *p = m->recs.next;

	for (; t; t = treap_next(t), p = p->next, n--) {
		const struct sent_rec *r = rec_of(t);

		ASSERT(p != &m->recs && r == list_entry(p, struct sent_rec, node));
		treap_check(t);
		ASSERT(r->below == ((r->flags & COND) | below(t->left) | below(t->right)));
	}
	ASSERT(n == 0 && p == &m->recs);
}
