/* SPDX-License-Identifier: BSD-2-Clause */
/* What is to come, earliest first: a binary heap; ties in the order they were pushed. */
#include <stdlib.h>

#include "sim.h"

static bool before(const struct ev *a, const struct ev *b)
{
	return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

void ev_push(struct ev_queue *q, const struct ev *e)
{
	size_t i = q->n++;
	struct ev x = *e;

	if (q->n > q->room) {
		q->room = q->room ? 2 * q->room : 1024;
		q->heap = realloc(q->heap, q->room * sizeof(*q->heap));
		if (!q->heap)
			abort();
	}
	x.order = q->order++;
	q->pkts += x.kind == EV_PKT;
	while (i > 0 && before(&x, &q->heap[(i - 1) / 2])) {
		q->heap[i] = q->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	q->heap[i] = x;
}

const struct ev *ev_peek(const struct ev_queue *q)
{
	return q->n ? &q->heap[0] : NULL;
}

struct ev ev_pop(struct ev_queue *q)
{
	struct ev top = q->heap[0], x = q->heap[--q->n];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < q->n) {
		if (c + 1 < q->n && before(&q->heap[c + 1], &q->heap[c]))
			c++;
		if (!before(&q->heap[c], &x))
			break;
		q->heap[i] = q->heap[c];
		i = c;
	}
	if (q->n)
		q->heap[i] = x;
	q->pkts -= top.kind == EV_PKT;
	return top;
}

void ev_free(struct ev_queue *q)
{
	size_t i;

	for (i = 0; i < q->n; i++)
		if (q->heap[i].kind == EV_PKT)
			pkt_free(q->heap[i].p);
	free(q->heap);
	*q = (struct ev_queue){.heap = NULL};
}
