/* SPDX-License-Identifier: BSD-2-Clause */
/* See treap.h. Each step over a node is counted in treap.steps: tests bound it. */
#include "treap.h"

#include <stddef.h>

#include "assert.h"

/* The heap's order: not to be foreseen from outside, and the same in every process. */
static uint64_t prio(const struct treap_node *n)
{
	uint64_t z = (uint64_t)(uintptr_t)n;

	z = (z ^ z >> 33) * 0xff51afd7ed558ccdull;
	z = (z ^ z >> 33) * 0xc4ceb9fe1a85ec53ull;
	return z ^ z >> 33;
}

/* n takes the place of r below r's parent. */
static void replace(struct treap *t, const struct treap_node *r, struct treap_node *n)
{
	struct treap_node *up = r->up;

	if (!up)
		t->root = n;
	else if (up->left == r)
		up->left = n;
	else
		up->right = n;
	if (n)
		n->up = up;
}

/* r changes places with its parent. */
static void rotate_up(struct treap *t, struct treap_node *r, treap_update *update)
{
	struct treap_node *up = r->up, *kid;

	t->steps++;
	replace(t, up, r);
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
	if (update) {
		update(up);
		update(r);
	}
}

void treap_changed(struct treap *t, struct treap_node *n, treap_update *update)
{
	if (!update)
		return;
	for (; n && update(n); n = n->up)
		t->steps++;
}

static void hang_left(struct treap *t, struct treap_node *a, struct treap_node *n)
{
	for (; a->left; a = a->left)
		t->steps++;
	a->left = n;
	n->up = a;
}

void treap_insert(struct treap *t, struct treap_node *a, struct treap_node *n, treap_update *update)
{
	n->left = n->right = n->up = NULL;
	if (!t->root) {
		ASSERT(!a);
		t->root = n;
	} else if (!a) {
		hang_left(t, t->root, n);
	} else if (!a->right) {
		a->right = n;
		n->up = a;
	} else {
		hang_left(t, a->right, n);
	}
	treap_changed(t, n, update);
	while (n->up && prio(n->up) < prio(n))
		rotate_up(t, n, update);
}

void treap_remove(struct treap *t, struct treap_node *n, treap_update *update)
{
	struct treap_node *up;

	while (n->left && n->right)
		rotate_up(t, prio(n->left) > prio(n->right) ? n->left : n->right, update);
	up = n->up;
	replace(t, n, n->left ? n->left : n->right);
	n->left = n->right = n->up = NULL;
	treap_changed(t, up, update);
}

struct treap_node *treap_first(const struct treap *t)
{
	struct treap_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct treap_node *treap_next(const struct treap_node *n)
{
	if (n->right) {
		for (n = n->right; n->left;)
			n = n->left;
		return (struct treap_node *)n;
	}
	while (n->up && n->up->right == n)
		n = n->up;
	return n->up;
}

void treap_check(const struct treap_node *n)
{
	ASSERT(!n->up || n->up->left == n || n->up->right == n);
	ASSERT(!n->up || prio(n->up) >= prio(n));
}
