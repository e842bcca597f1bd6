/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An index over objects that are in an order already: a binary tree in that order, and a heap by a
 * hash of each node's address, so that no peer can make it deep. Inserting and removing cost
 * O(log n) expected, at either end O(1) amortised. It compares nothing and holds no keys: who uses
 * it knows the neighbour, and walks from the root by what it keeps in its objects.
 */
#ifndef STACK_TREAP_H
#define STACK_TREAP_H

#include <stdbool.h>
#include <stdint.h>

struct treap_node {
	struct treap_node *up, *left, *right;
};

struct treap {
	struct treap_node *root;
	uint32_t steps; /* over nodes, ever: what tests bound; wraps */
};

/* Makes anew what n keeps of itself and those below it; true when that is news. */
typedef bool treap_update(struct treap_node *n);

/* n, which is in no tree, goes right behind a, or before all others (a NULL). update: NULL if
 * nothing is kept. */
void treap_insert(struct treap *t, struct treap_node *a, struct treap_node *n,
		  treap_update *update);
void treap_remove(struct treap *t, struct treap_node *n, treap_update *update);
/* What n itself is has changed. */
void treap_changed(struct treap *t, struct treap_node *n, treap_update *update);
/* The first one, and the one after n; NULL: there is none. */
struct treap_node *treap_first(const struct treap *t);
struct treap_node *treap_next(const struct treap_node *n);
/* ASSERTs that n is well placed between its parent and children; for tests. */
void treap_check(const struct treap_node *n);

#endif
