/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AF_XDP sockets: one for each receive queue of an interface, all on the stack's frame pool as
 * UMEM. Decides which frames the kernel holds. The rings are used in place, by whichever process
 * of the family holds the stack's lock: nothing is cached outside the shared pages. Frame by frame,
 * an index moves before its content is given on, so that a process killed in between loses a frame
 * and never gives it out twice.
 *
 * With several stacks the kernel fills whichever frame is next in a queue's ring, for whichever
 * socket. A packet in a frame of another stack's is copied, and that frame goes back to the ring at
 * once; a completion that another stack finds is left for the one whose frame it is.
 */
#include "shim/dev/internal.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/proc/knobs.h"

/*
 * The kernel takes frames first in, first out: it writes to all that the ring holds in turn, and
 * the fewer these are, the likelier they still lie in a cache. So the ring starts with this many,
 * enough for 4 MB of wide frames, and holds twice as many each time a refill finds it nearly empty.
 */
#define FILL_TARGET 1024u
#define FILL_LOW_DIV 8u
/* Frames in the longest packet; one that has more is corrupt, and dropped. */
#define RX_FRAMES_MAX 32u
#define FILL_BATCH 32u
/* Other stacks' frames that are kept from the fill ring at most: a packet's worth and some more. */
#define FOREIGN_BATCH 64u
/* The kernel releases a UMEM some time after its last user has died: how long to wait for that. */
#define BUSY_TRIES 50
#define BUSY_WAIT_NS 20000000
/* Copy mode sends 32 descriptors a call; with a full ring of 2048 that is 64 calls. */
#define KICK_CALLS 80
#define SNDBUF_BYTES (16 << 20)

/* As in the kernel's header from Linux 6.11 on. */
struct umem_reg {
	uint64_t addr, len;
	uint32_t chunk_size, headroom, flags, tx_metadata_len;
};

struct tx_metadata {
	uint64_t flags;
	union {
		struct {
			uint16_t csum_start, csum_offset;
			uint64_t launch_time;
		} request;
		uint64_t completion;
	};
};

_Static_assert(sizeof(struct tx_metadata) == 24, "struct xsk_tx_metadata");
_Static_assert(sizeof(struct tx_metadata) <= FRAME_TX_HEADROOM, "headroom holds the metadata");

/* The kernel's struct xdp_umem_reg ended before tx_metadata_len (and flags had no such bit). */
#define UMEM_REG_BYTES_OLD 32

/* ---- rings ---------------------------------------------------------------------------------- */

static uint32_t ring_load(_Atomic uint32_t *p)
{
	return atomic_load_explicit(p, memory_order_acquire);
}

static void ring_store(_Atomic uint32_t *p, uint32_t v)
{
	atomic_store_explicit(p, v, memory_order_release);
}

static uint32_t ring_used(const struct ring *r)
{
	return ring_load(r->prod) - ring_load(r->cons);
}

static struct xdp_desc *ring_desc(const struct ring *r, uint32_t i)
{
	return (struct xdp_desc *)r->desc + (i & (r->size - 1));
}

static uint64_t *ring_addr(const struct ring *r, uint32_t i)
{
	return (uint64_t *)r->desc + (i & (r->size - 1));
}

/* ---- setting up ----------------------------------------------------------------------------- */

static int umem_register(struct dev_state *ds, struct netdev *nd, int fd)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	struct umem_reg reg = {
		.addr = (uint64_t)(uintptr_t)fp->base, /* of the first stack: all lie behind it */
		.len = (uint64_t)fp->count * family->nstacks * FRAME_BYTES,
		.chunk_size = FRAME_BYTES,
		.flags = XDP_UMEM_TX_METADATA_LEN,
		.tx_metadata_len = sizeof(struct tx_metadata),
	};
	int err;

	err = sys_setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg));
	nd->tx_csum = !err;
	if (err != -EINVAL)
		return err;
	reg.flags = reg.tx_metadata_len = 0;
	return sys_setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, UMEM_REG_BYTES_OLD);
}

static int socket_rings(int fd, bool shared)
{
	static const struct {
		int name;
		uint32_t entries;
	} ring[] = {
		{XDP_RX_RING, RX_ENTRIES},
		{XDP_TX_RING, TX_ENTRIES},
		{XDP_UMEM_FILL_RING, FILL_ENTRIES},
		{XDP_UMEM_COMPLETION_RING, COMP_ENTRIES},
	};
	unsigned i;
	int err = 0;

	for (i = 0; i < (shared ? 2 : ARRAY_SIZE(ring)) && !err; i++)
		err = sys_setsockopt(fd, SOL_XDP, ring[i].name, &ring[i].entries, 4);
	return err;
}

/* -EBUSY may be the remains of a predecessor that has just ended. */
static int bind_patiently(int fd, const struct sockaddr_xdp *sx)
{
	static const struct timespec pause = {.tv_nsec = BUSY_WAIT_NS};
	int i, err = -EBUSY;

	for (i = 0; i < BUSY_TRIES && err == -EBUSY; i++) {
		if (i)
			sys_nanosleep(&pause, NULL);
		err = sys_bind(fd, (const struct sockaddr *)sx, sizeof(*sx));
	}
	return err;
}

/* Steps down from zero copy, and from multi-buffer, where the device or the kernel has none. */
static int bind_first(struct netdev *nd, int fd, uint32_t qid)
{
	static const uint16_t modes[] = {XDP_ZEROCOPY | XDP_USE_SG, XDP_ZEROCOPY,
					 XDP_COPY | XDP_USE_SG, XDP_COPY};
	struct sockaddr_xdp sx = {
		.sxdp_family = AF_XDP, .sxdp_ifindex = nd->ifindex, .sxdp_queue_id = qid};
	unsigned i = knobs.xdp == KNOB_xdp_zerocopy ? 0 : 2;
	int err = -EINVAL;

	for (; i < ARRAY_SIZE(modes); i++) {
		sx.sxdp_flags = modes[i] | XDP_USE_NEED_WAKEUP;
		err = bind_patiently(fd, &sx);
		if (!err) {
			nd->zerocopy = modes[i] & XDP_ZEROCOPY;
			nd->multibuf = modes[i] & XDP_USE_SG;
			if (nd->zerocopy) /* what the driver offers is not to be seen from here */
				nd->tx_csum = false;
			return 0;
		}
		if (err != -EINVAL && err != -EOPNOTSUPP && err != -EPROTONOSUPPORT)
			return err;
	}
	return err;
}

static int bind_shared(const struct netdev *nd, int fd, uint32_t qid, int umem_fd)
{
	struct sockaddr_xdp sx = {.sxdp_family = AF_XDP,
				  .sxdp_flags = XDP_SHARED_UMEM,
				  .sxdp_ifindex = nd->ifindex,
				  .sxdp_queue_id = qid,
				  .sxdp_shared_umem_fd = (uint32_t)umem_fd};

	return bind_patiently(fd, &sx);
}

static enum verdict verdict_of(int err)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		return VERDICT_no_permission;
	case -ENOBUFS:
		return VERDICT_no_memlock;
	case -EBUSY:
		return VERDICT_queue_busy;
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
		return VERDICT_no_memory;
	case -EAFNOSUPPORT:
	case -ENOPROTOOPT:
	case -EOPNOTSUPP:
	case -EPROTONOSUPPORT:
		return VERDICT_no_af_xdp;
	default:
		return VERDICT_error;
	}
}

int xsk_probe(enum verdict *why)
{
	int fd = sys_socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		*why = verdict_of(fd);
		return fd;
	}
	sys_close(fd);
	return 0;
}

/* The socket whose UMEM new ones share; -1: this is the first. */
static int umem_owner(const struct dev_state *ds, struct netdev *nd)
{
	unsigned i;

	for (i = 0; i < ds->nnets; i++) {
		const struct netdev *o = &ds->net[i];
		int fd = net_fd(ds, i, NET_FD_XSK);

		if (o->used && fd >= 0) {
			if (o != nd) {
				nd->tx_csum = o->tx_csum;
				nd->zerocopy = o->zerocopy;
				nd->multibuf = o->multibuf;
			}
			return fd;
		}
	}
	return -1;
}

/* What the stacks share of a queue, made by the first and kept for good. */
static int queue_share(struct dev_state *first, unsigned net, unsigned qid)
{
	uint32_t i, size = 1, frames = stack_frames(first->sr->st)->count;
	struct xqueue *x = first->xqueue[net][qid];

	if (x || family->nstacks == 1)
		return 0;
	while (size < frames)
		size *= 2;
	x = arena_carve(&family->arena, sizeof(*x), 64);
	if (!x)
		return -ENOMEM;
	lock_init(&x->lock);
	x->mask = size - 1;
	for (i = 0; i < family->nstacks; i++) {
		x->done[i].idx = arena_carve(&family->arena, size * sizeof(uint32_t), 64);
		if (!x->done[i].idx)
			return -ENOMEM;
	}
	first->xqueue[net][qid] = x;
	return 0;
}

/* For a stack but the first, on a queue where that one is. */
static int queue_join(struct dev_state *ds, unsigned net, unsigned qid)
{
	int fd = net_fd(ds, net, NET_FD_XSK + qid), err;

	err = socket_rings(fd, true);
	if (!err)
		err = bind_shared(&ds->net[net], fd, qid,
				  net_fd(family->stacks[0].dev, net, NET_FD_XSK + qid));
	return err ? err : rings_map(ds, net, qid, fd);
}

static int queue_open(struct dev_state *ds, unsigned net, unsigned qid)
{
	static const int sndbuf = SNDBUF_BYTES;
	struct netdev *nd = &ds->net[net];
	unsigned slot = net_slot(net, NET_FD_XSK + qid);
	int fd, err, owner = ds->sr->idx ? -1 : umem_owner(ds, nd);

	fd = sys_socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	err = dev_fd_set(ds, slot, fd);
	if (err)
		return err;
	fd = dev_fd(ds, slot);
	if (ds->sr->idx) {
		err = queue_join(ds, net, qid);
		goto out;
	}
	err = queue_share(ds, net, qid);
	if (!err && owner < 0)
		err = umem_register(ds, nd, fd);
	if (!err)
		err = socket_rings(fd, false);
	if (!err)
		err = rings_map(ds, net, qid, fd);
	if (!err)
		err = owner < 0 ? bind_first(nd, fd, qid) : bind_shared(nd, fd, qid, owner);
out:
	if (err)
		return err;
	nd->q[qid].shared = family->stacks[0].dev->xqueue[net][qid];
	if (sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf)))
		sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	return 0;
}

/* How many queues the device uses now, for receiving and for sending. */
static uint32_t queues_in_use(const struct netdev *nd, int fd, uint32_t *tx)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (void *)&ch};
	uint32_t n = 1;

	*tx = 1;
	memcpy(ifr.ifr_name, nd->name, IFNAMSIZ);
	if (!sys_ioctl(fd, SIOCETHTOOL, &ifr)) {
		n = ch.combined_count + ch.rx_count;
		*tx = ch.combined_count + ch.tx_count;
	}
	n = n < 1 ? 1 : n > STEER_QUEUES ? STEER_QUEUES : n;
	*tx = *tx < 1 ? 1 : *tx > n ? n : *tx;
	return n;
}

int xsk_open(struct dev_state *ds, unsigned net, enum verdict *why)
{
	struct netdev *nd = &ds->net[net];
	const struct frame_pool *fp = stack_frames(ds->sr->st);
	uint32_t q, want, tx, fill, max = FILL_ENTRIES / family->nstacks;
	int err = 0;

	want = queues_in_use(nd, dev_fd(ds, DEV_FD_POKE), &tx);
	if (ds->sr->idx) /* as the first found them */
		want = family->stacks[0].dev->net[net].nqueues;
	nd->txq = ds->sr->idx % (tx < want ? tx : want);
	fill = fp->count / 2 / (want * ds->nnets);
	for (q = 0; q < want && !err; q++) {
		nd->q[q].fill_max = fill < max ? fill : max;
		nd->q[q].fill_target = fill < FILL_TARGET ? fill : FILL_TARGET;
		err = queue_open(ds, net, q);
		if (!err)
			nd->nqueues = q + 1;
	}
	if (!err)
		return 0;
	*why = verdict_of(err);
	log_info("%s: AF_XDP socket for queue %u: error %d", nd->name, nd->nqueues, -err);
	return err;
}

static void queue_lock(struct queue *q)
{
	if (q->shared)
		lock_acquire(&q->shared->lock); /* both rings are whole at every moment */
}

static void queue_unlock(struct queue *q)
{
	if (q->shared)
		lock_release(&q->shared->lock);
}

/* How many of its frames a stack gives to a ring that it shares: no more than its part, so that the
 * ring has room for all of everybody's, and that the others' traffic does not eat its frames up. */
static uint32_t fill_part(const struct queue *q, uint32_t n)
{
	uint32_t left = q->mine < q->fill_max ? q->fill_max - q->mine : 0;

	return n < left ? n : left;
}

static void queue_fill_held(struct dev_state *ds, struct queue *q)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	uint32_t used = ring_used(&q->fill), reserve = fp->count / FRAMES_LENT_DIV, n, prod, i;

	if (used >= q->fill_target || fp->nfree <= reserve)
		return;
	n = q->fill_target - used;
	if (n < FILL_BATCH && used > FILL_BATCH)
		return;
	if (unlikely(used < q->fill_target / FILL_LOW_DIV && q->fill_used)) {
		uint32_t max = q->fill_max * (q->shared ? family->nstacks : 1);

		q->fill_target = q->fill_target * 2 < max ? q->fill_target * 2 : max;
		n = q->fill_target - used;
	}
	q->fill_used = true;
	if (n > fp->nfree - reserve)
		n = fp->nfree - reserve;
	if (q->shared)
		q->mine += n = fill_part(q, n);
	prod = ring_load(q->fill.prod);
	for (i = 0; i < n; i++) {
		uint32_t idx = frame_get(fp);

		frame_lend(ds, idx);
		*ring_addr(&q->fill, prod + i) = (ds->frame0 + idx) * FRAME_BYTES;
		/* one by one: whoever dies in here loses one, and not all of them */
		ring_store(q->fill.prod, prod + i + 1);
	}
}

static void queue_fill(struct dev_state *ds, struct queue *q)
{
	queue_lock(q);
	queue_fill_held(ds, q);
	queue_unlock(q);
}

int xsk_start(struct dev_state *ds, unsigned net)
{
	struct netdev *nd = &ds->net[net];
	uint32_t q;
	int err;

	for (q = 0; q < nd->nqueues; q++) {
		uint32_t fd = (uint32_t)net_fd(ds, net, NET_FD_XSK + q);
		uint32_t slot = STEER_SLOT(q, ds->sr->idx);

		err = map_update(net_fd(ds, net, NET_FD_XSKS), &slot, &fd);
		if (err)
			return err;
		queue_fill(ds, &nd->q[q]);
	}
	return 0;
}

void xsk_close(struct dev_state *ds, unsigned net)
{
	ds->net[net].nqueues = 0;
	for (unsigned q = 0; q < STEER_QUEUES; q++) { /* the half-open one, too */
		if (net_fd(ds, net, NET_FD_XSK + q) < 0)
			continue;
		rings_unmap(ds, net, q);
		dev_fd_close(ds, net_slot(net, NET_FD_XSK + q));
	}
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* Other stacks' frames that a batch of packets came in. */
struct foreign {
	uint32_t n;
	uint64_t addr[FOREIGN_BATCH];
};

/* Back to the ring they came from. It has room: it never held more at once than now. */
static void foreign_return(struct queue *q, struct foreign *f)
{
	uint32_t prod, i;

	if (!f->n)
		return;
	queue_lock(q);
	prod = ring_load(q->fill.prod);
	for (i = 0; i < f->n; i++) {
		*ring_addr(&q->fill, prod + i) = f->addr[i];
		ring_store(q->fill.prod, prod + i + 1);
	}
	queue_unlock(q);
	f->n = 0;
}

/* A copy, in a frame of this stack's, of what lies in one of another's; FRAME_NONE: there is none,
 * or no such stack. */
static uint32_t foreign_copy(struct dev_state *ds, uint64_t addr, uint32_t len, struct foreign *f)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	uint64_t all = (uint64_t)fp->count * family->nstacks * FRAME_BYTES;
	uint32_t off = addr % FRAME_BYTES, idx;

	if (addr >= all || off + len > FRAME_BYTES)
		return FRAME_NONE;
	f->addr[f->n++] = addr - off;
	idx = frame_get(fp);
	if (idx != FRAME_NONE)
		memcpy(frame_buf(fp, idx) + off, fp->base - ds->frame0 * FRAME_BYTES + addr, len);
	return idx;
}

/* The frame that a descriptor's bytes are in, this stack's again; FRAME_NONE: none. */
static uint32_t frame_of(struct dev_state *ds, struct queue *q, const struct xdp_desc *d,
			 struct foreign *f)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	uint64_t addr = d->addr, idx = addr / FRAME_BYTES - ds->frame0;

	if (likely(idx < fp->count)) {
		if (unlikely(!frame_take_back(ds, fp, idx)))
			return FRAME_NONE;
		q->mine -= q->mine > 0;
		return (uint32_t)idx;
	}
	if (!q->shared || f->n == FOREIGN_BATCH)
		return FRAME_NONE;
	return foreign_copy(ds, addr, d->len, f);
}

/*
 * Takes the packet at the ring's head off it: *head gets its chain (FRAME_NONE: it was no good).
 * Returns its descriptors; 0: not all of it is there.
 */
static uint32_t packet_take(struct dev_state *ds, struct queue *q, uint32_t cons, uint32_t avail,
			    uint32_t *head, struct foreign *f)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	uint32_t n = 0, i, tail = FRAME_NONE;
	bool bad = false;

	do {
		if (n == avail)
			return 0;
	} while (ring_desc(&q->rx, cons + n++)->options & XDP_PKT_CONTD);

	*head = FRAME_NONE;
	for (i = 0; i < n; i++) {
		const struct xdp_desc *d = ring_desc(&q->rx, cons + i);
		uint32_t off = d->addr % FRAME_BYTES, len = d->len, idx = frame_of(ds, q, d, f);
		struct frame *m;

		if (unlikely(idx == FRAME_NONE)) {
			bad = true;
			continue;
		}
		m = frame_meta(fp, idx);
		bad |= off + len > FRAME_BYTES;
		m->off = (uint16_t)off;
		m->len = (uint16_t)len;
		m->next = m->qnext = FRAME_NONE;
		if (tail == FRAME_NONE)
			*head = idx;
		else
			frame_meta(fp, tail)->next = idx;
		tail = idx;
	}
	ring_store(q->rx.cons, cons + n);
	if (unlikely(bad || n > RX_FRAMES_MAX) && *head != FRAME_NONE) {
		frame_put_chain(fp, *head);
		*head = FRAME_NONE;
	}
	return n;
}

static int queue_rx(struct dev_state *ds, unsigned net, struct queue *q, int max, uint64_t now_ns)
{
	struct stack *st = ds->sr->st;
	const uint8_t *base = stack_frames(st)->base - ds->frame0 * FRAME_BYTES;
	struct foreign f;
	uint32_t cons = ring_load(q->rx.cons), avail = ring_load(q->rx.prod) - cons, n, head;
	int done = 0;

	f.n = 0;
	while (avail && done < max) {
		if (unlikely(f.n + RX_FRAMES_MAX > FOREIGN_BATCH))
			foreign_return(q, &f);
		n = packet_take(ds, q, cons, avail, &head, &f);
		if (n == 0)
			break;
		cons += n;
		avail -= n;
		if (avail) { /* the next packet's headers come in while this one is worked on */
			const uint8_t *p = base + ring_desc(&q->rx, cons)->addr;

			__builtin_prefetch(p);
			__builtin_prefetch(p + 64);
		}
		if (likely(head != FRAME_NONE))
			stack_rx(st, net + 1, head, now_ns);
		done++;
	}
	foreign_return(q, &f);
	return done;
}

int xsk_rx(struct dev_state *ds, unsigned net, int max, uint64_t now_ns)
{
	struct netdev *nd = &ds->net[net];
	uint32_t i;
	int done = 0, n;

	for (i = 0; i < nd->nqueues; i++) {
		struct queue *q = &nd->q[i];

		n = 0;
		if (done < max && ring_pending(&q->rx))
			n = queue_rx(ds, net, q, max - done, now_ns);
		done += n;
		/* Short of frames earlier, it may have some now, even if nothing came. */
		if (n || ring_used(&q->fill) < q->fill_target / 2)
			queue_fill(ds, q);
		if (unlikely(nd->zerocopy) && (ring_load(q->fill.flags) & XDP_RING_NEED_WAKEUP))
			sys_recvfrom(net_fd(ds, net, NET_FD_XSK + i), NULL, 0, MSG_DONTWAIT, NULL,
				     NULL);
	}
	return done;
}

/* ---- sending -------------------------------------------------------------------------------- */

int xsk_tx(struct dev_state *ds, unsigned net, const struct tx_ent *e)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	struct netdev *nd = &ds->net[net];
	struct ring *r = &nd->q[nd->txq].tx;
	uint32_t prod = ring_load(r->prod), off = frame_meta(fp, e->frame)->off;
	struct xdp_desc *d;

	if (prod - ring_load(r->cons) >= r->size)
		return -EAGAIN;
	d = ring_desc(r, prod);
	d->addr = (ds->frame0 + e->frame) * FRAME_BYTES + off;
	d->len = e->len;
	d->options = 0;
	if (e->flags & TXF_CSUM) {
		struct tx_metadata *md =
			(void *)(frame_buf(fp, e->frame) + off - sizeof(struct tx_metadata));

		ASSERT(off >= sizeof(*md));
		md->flags = XDP_TXMD_FLAGS_CHECKSUM;
		md->request.csum_start = e->csum_start;
		md->request.csum_offset = e->csum_offset;
		d->options = XDP_TX_METADATA;
	}
	frame_lend(ds, e->frame);
	ring_store(r->prod, prod + 1);
	return 0;
}

static void frame_done(struct dev_state *ds, uint64_t idx)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);

	if (likely(frame_take_back(ds, fp, idx)))
		frame_put(fp, (uint32_t)idx);
}

/* A frame of another stack's, for that one to find. */
static void done_leave(const struct dev_state *ds, struct xqueue *x, uint64_t umem_idx)
{
	uint32_t count = stack_frames(ds->sr->st)->count, prod;
	struct done *d;

	if (umem_idx / count >= family->nstacks)
		return;
	d = &x->done[umem_idx / count];
	prod = ring_load(&d->prod);
	d->idx[prod & x->mask] = (uint32_t)(umem_idx % count);
	ring_store(&d->prod, prod + 1);
}

/* Those of this stack's that others found. */
static void done_take(struct dev_state *ds, struct xqueue *x)
{
	struct done *d = &x->done[ds->sr->idx];
	uint32_t cons = ring_load(&d->cons), prod = ring_load(&d->prod);

	while (cons != prod) {
		uint32_t idx = d->idx[cons++ & x->mask];

		ring_store(&d->cons, cons);
		frame_done(ds, idx);
	}
}

static void comp_take(struct dev_state *ds, const struct queue *q)
{
	const struct ring *r = &q->comp;
	uint32_t cons = ring_load(r->cons), prod = ring_load(r->prod);
	uint32_t count = stack_frames(ds->sr->st)->count;

	while (cons != prod) {
		uint64_t idx = *ring_addr(r, cons++) / FRAME_BYTES;

		ring_store(r->cons, cons);
		if (likely(!q->shared || idx - ds->frame0 < count))
			frame_done(ds, idx - ds->frame0);
		else
			done_leave(ds, q->shared, idx);
	}
}

void xsk_reclaim(struct dev_state *ds, unsigned net)
{
	struct netdev *nd = &ds->net[net];
	struct queue *q = &nd->q[nd->txq];

	if (ring_pending(&q->comp)) {
		queue_lock(q);
		comp_take(ds, q);
		queue_unlock(q);
	}
	if (q->shared)
		done_take(ds, q->shared);
}

uint32_t xsk_tx_pending(const struct dev_state *ds, unsigned net)
{
	const struct netdev *nd = &ds->net[net];
	const struct ring *r = &nd->q[nd->txq].tx;

	if (nd->zerocopy && !(ring_load(r->flags) & XDP_RING_NEED_WAKEUP))
		return 0;
	return ring_used(r);
}

int xsk_kick(const struct dev_state *ds, unsigned net)
{
	int fd = net_fd(ds, net, NET_FD_XSK + ds->net[net].txq), i;
	uint32_t before, left = xsk_tx_pending(ds, net);

	for (i = 0; left && i < KICK_CALLS; i++) {
		ssize_t err = sys_sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0);

		before = left;
		left = xsk_tx_pending(ds, net);
		if (err == 0 || err == -EAGAIN || err == -EBUSY || err == -ENOBUFS) {
			if (left == before)
				break;
		} else if (err != -EINTR) {
			return (int)err;
		}
	}
	return (int)left;
}

int xsk_flush(struct dev_state *ds, unsigned net)
{
	int ret;

	inside_sends(ds->sr);
	ret = xsk_kick(ds, net);
	inside_sent(ds->sr);
	xsk_reclaim(ds, net);
	return ret;
}

void xsk_mend(struct dev_state *ds, unsigned net)
{
	const struct frame_pool *fp = stack_frames(ds->sr->st);
	struct netdev *nd = &ds->net[net];

	for (uint32_t q = 0; q < nd->nqueues; q++) {
		struct ring *r = &nd->q[q].rx;
		uint32_t cons = ring_load(r->cons), n = ring_load(r->prod) - cons;

		for (; n > 0 && n <= r->size; n--, cons++) {
			uint64_t idx = ring_desc(r, cons)->addr / FRAME_BYTES - ds->frame0;

			if (idx < fp->count)
				frame_lend(ds, (uint32_t)idx);
		}
	}
}

void xsk_stats(struct dev_state *ds, unsigned net)
{
	struct netdev *nd = &ds->net[net];
	uint64_t full = 0, invalid = 0, empty = 0;
	uint32_t q;

	for (q = 0; q < nd->nqueues; q++) {
		struct xdp_statistics s = {0};
		socklen_t len = sizeof(s);

		if (sys_getsockopt(net_fd(ds, net, NET_FD_XSK + q), SOL_XDP, XDP_STATISTICS, &s,
				   &len))
			continue;
		full += s.rx_ring_full;
		invalid += s.rx_dropped + s.rx_invalid_descs + s.tx_invalid_descs;
		empty += s.rx_fill_ring_empty_descs;
	}
	nd->rx_ring_full = full;
	nd->rx_invalid = invalid;
	nd->rx_fill_empty = empty;
}
