/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the rings of AF_XDP sockets are mapped: at the same place in every process of the family,
 * so that pointers to them are the arena's. Threads look at rings without a lock; hence where one
 * has been, memory stays, a ring in which there is nothing, and its pointers stay, too. Must never
 * map over what it has not mapped itself: a place that the process has not used before may be
 * somebody else's memory.
 */
#include <errno.h>
#include <sys/mman.h>

#include "shim/dev/internal.h"
#include "stack/assert.h"

enum { RING_RX, RING_TX, RING_FILL, RING_COMP, RINGS };
#define PLACES (FAMILY_STACKS * DEV_NETS * STEER_QUEUES * RINGS)

/* Where a ring is mapped in every process of the family. */
static void *ring_place(const struct dev_state *ds, unsigned net, unsigned q, unsigned which)
{
	uint64_t n = ((ds->sr->idx * DEV_NETS + net) * STEER_QUEUES + q) * RINGS + which;

	return (void *)(DEV_RING_BASE + n * DEV_RING_SPAN);
}

/* Those that this process has used. */
static uint64_t places[(PLACES + 63) / 64];

static bool place_known(const void *place)
{
	uint64_t n = ((uintptr_t)place - DEV_RING_BASE) / DEV_RING_SPAN;

	return places[n / 64] >> n % 64 & 1;
}

static void place_know(const void *place)
{
	uint64_t n = ((uintptr_t)place - DEV_RING_BASE) / DEV_RING_SPAN;

	places[n / 64] |= 1ull << n % 64;
}

static void place_blank(void *place)
{
	sys_mmap(place, DEV_RING_SPAN, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static int ring_map(struct ring *r, void *place, int fd, const struct xdp_ring_offset *off,
		    uint32_t size, uint32_t ent_bytes, uint64_t pgoff)
{
	uint64_t bytes = off->desc + (uint64_t)size * ent_bytes;
	int fixed = place_known(place) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	uint8_t *p;

	ASSERT(bytes <= DEV_RING_SPAN);
	p = sys_mmap(place, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE | fixed, fd,
		     (off_t)pgoff);
	if (sys_is_err(p))
		return (int)(long)p;
	if (p != place) { /* a kernel without MAP_FIXED_NOREPLACE took it for a hint */
		sys_munmap(p, bytes);
		return -EEXIST;
	}
	place_know(place);
	r->prod = (_Atomic uint32_t *)(p + off->producer);
	r->cons = (_Atomic uint32_t *)(p + off->consumer);
	r->flags = (_Atomic uint32_t *)(p + off->flags);
	r->desc = p + off->desc;
	r->size = size;
	return 0;
}

int rings_map(struct dev_state *ds, unsigned net, unsigned qid, int fd)
{
	struct queue *q = &ds->net[net].q[qid];
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	int err;

	err = sys_getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len);
	if (err)
		return err;
	if (len != sizeof(off)) /* Linux before 5.4: no flags, so no need_wakeup */
		return -EOPNOTSUPP;
	err = ring_map(&q->rx, ring_place(ds, net, qid, RING_RX), fd, &off.rx, RX_ENTRIES,
		       sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	if (!err)
		err = ring_map(&q->tx, ring_place(ds, net, qid, RING_TX), fd, &off.tx, TX_ENTRIES,
			       sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
	if (!err)
		err = ring_map(&q->fill, ring_place(ds, net, qid, RING_FILL), fd, &off.fr,
			       FILL_ENTRIES, 8, XDP_UMEM_PGOFF_FILL_RING);
	if (!err)
		err = ring_map(&q->comp, ring_place(ds, net, qid, RING_COMP), fd, &off.cr,
			       COMP_ENTRIES, 8, XDP_UMEM_PGOFF_COMPLETION_RING);
	return err;
}

void rings_unmap(const struct dev_state *ds, unsigned net, unsigned q)
{
	for (unsigned i = 0; i < RINGS; i++)
		if (place_known(ring_place(ds, net, q, i)))
			place_blank(ring_place(ds, net, q, i));
}

void rings_unmap_here(struct dev_state *ds, unsigned net)
{
	for (unsigned q = 0; q < STEER_QUEUES; q++)
		if (net_fd(ds, net, NET_FD_XSK + q) >= 0)
			rings_unmap(ds, net, q);
}

int rings_map_again(struct dev_state *ds, unsigned net)
{
	unsigned q;
	int err = 0;

	for (q = 0; q < ds->net[net].nqueues && !err; q++)
		err = rings_map(ds, net, q, net_fd(ds, net, NET_FD_XSK + q));
	return err;
}
