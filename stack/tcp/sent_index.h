/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The index over a sent-map's records: finds the one that holds a sequence number, and the nearest
 * one before it that is sacked or lost, in O(log n) however many holes there are and whatever the
 * peer sacks. Appending at the end and taking the first away, which every segment does, cost O(1)
 * amortised. It decides nothing, and the list sent_map.recs stays the truth: the index holds the
 * same records in the same order.
 */
#ifndef STACK_TCP_SENT_INDEX_H
#define STACK_TCP_SENT_INDEX_H

#include "sent.h"

/* n, which is in no index, goes right behind a, or is the only one (a NULL: the map was empty). */
void sent_index_insert(struct sent_map *m, struct sent_rec *a, struct sent_rec *n);
void sent_index_remove(struct sent_map *m, struct sent_rec *r);
/* SENT_SACKED or SENT_LOST of r has changed. */
void sent_index_changed(struct sent_map *m, struct sent_rec *r);
/* The last record that starts at or before s; NULL: there is none. */
struct sent_rec *sent_index_find(struct sent_map *m, struct seq s);
/* The last one before r with that flag (SENT_SACKED or SENT_LOST); NULL: none. */
struct sent_rec *sent_index_prev(struct sent_map *m, struct sent_rec *r, uint16_t flag);
/* The last one of all with that flag; NULL: none. */
struct sent_rec *sent_index_last(struct sent_map *m, uint16_t flag);
/* ASSERTs its structure, and that it holds n records; for tests. */
void sent_index_check(const struct sent_map *m, uint32_t n);

#endif
