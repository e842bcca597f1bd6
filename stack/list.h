/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intrusive doubly linked list with a head of the same type. Pointers into the arena are valid in
 * every process of the family, so these lists may be walked by any of them under the owner's lock.
 * Without it list_empty() may be asked, as a hint: forward links change in one step.
 */
#ifndef STACK_LIST_H
#define STACK_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "assert.h"

struct list {
	struct list *next, *prev;
};

static inline void list_link(struct list *l, struct list *next)
{
	__atomic_store_n(&l->next, next, __ATOMIC_RELAXED);
}

static inline void list_init(struct list *l)
{
	l->prev = l;
	list_link(l, l);
}

/* True for an empty head, and for a node that is on no list (list_init'ed or list_del'ed). */
static inline bool list_empty(const struct list *l)
{
	return __atomic_load_n(&l->next, __ATOMIC_RELAXED) == l;
}

static inline void list_insert_between(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	list_link(n, next);
	list_link(prev, n);
	next->prev = n;
}

static inline void list_push_front(struct list *head, struct list *n)
{
	list_insert_between(n, head, head->next);
}

static inline void list_push_back(struct list *head, struct list *n)
{
	list_insert_between(n, head->prev, head);
}

/* Takes n off its list and leaves it pointing at itself; harmless on a node that is on none. */
static inline void list_del(struct list *n)
{
	list_link(n->prev, n->next);
	n->next->prev = n->prev;
	list_init(n);
}

/* Moves all of from, in its order, to the front of head; from is left empty. */
static inline void list_splice_front(struct list *head, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = head;
	list_link(from->prev, head->next);
	head->next->prev = from->prev;
	list_link(head, from->next);
	list_init(from);
}

/* As list_splice_front, to the end of head. */
static inline void list_splice_back(struct list *head, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = head->prev;
	list_link(from->prev, head);
	list_link(head->prev, from->next);
	head->prev = from->prev;
	list_init(from);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

#define list_for_each(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)
/* As list_for_each; pos itself may be taken off or freed in the body. */
#define list_for_each_safe(pos, tmp, head)                               \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head); \
	     (pos) = (tmp), (tmp) = (pos)->next)

#endif
