/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attaching to interfaces, and the way of packets between their rings and the stack.
 *
 * An interface is attached from the inside out: sockets, then the program and its maps, then the
 * link, so that a failure on the way has touched no packet. What is closed goes the other way.
 *
 * Several processes run one dev_state: under the stack's lock, with rings mapped at the same
 * address everywhere. A child has them from its parent. A process that was there before, or that
 * joined the family later, fetches the descriptors from one that has them (dev_catch_up); one that
 * can't leaves the packets to those that can.
 */
#include "shim/dev/internal.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "shim/proc/knobs.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* What a super-segment has besides payload: link, IPv6 and TCP headers at their longest. */
#define GSO_OVERHEAD_BYTES (14u + 40u + 60u)
/* Packets put on the rings before the stack is told to make room: bounds the time in dev_tx(). */
#define TX_BATCH_MAX 4096
/* Who has been at a kick for so long has died there, or stands still; and how often he looks again
 * for what others have put on the rings meanwhile. */
#define KICKER_NS 1000000ull
#define KICKER_ROUNDS 8
/* How long an XDP program may stay after its owner was told to end, before it is another's. */
#define XDP_TRIES 10
#define XDP_WAIT_NS 20000000
/* Counters that cost a system call each are read this seldom. */
#define STATS_NS 1000000000ull
/* The loopback's, as of the kernel's lo. */
#define LOOP_MTU 65536u
#define LOOP_GSO_BYTES 65440u

struct dev_priv dev_priv[FAMILY_STACKS];

_Static_assert(FAMILY_STACKS <= STEER_STACKS, "the map of sockets has a slot for every stack");

/* ---- descriptors ---------------------------------------------------------------------------- */

static bool slot_is_bpf(unsigned slot)
{
	return slot >= DEV_FD_NET && (slot - DEV_FD_NET) % NET_FDS < NET_FD_PACKET;
}

/* What fd is, for another process to tell whether its number means the same; 0: nobody knows. */
static uint64_t fd_identity(unsigned slot, int fd)
{
	uint64_t info[32] = {0}; /* of every kind of bpf object: type and id come first */
	union bpf_attr attr = {.info = {.bpf_fd = (uint32_t)fd,
					.info_len = sizeof(info),
					.info = (uintptr_t)info}};
	socklen_t len = sizeof(info[0]);

	if (slot_is_bpf(slot))
		return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) ? 0 : info[0];
	return sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, info, &len) ? 0 : info[0];
}

static int fd_enter(struct dev_state *ds, unsigned slot, int fd)
{
	struct dev_priv *p = priv_of(ds);
	int hidden = fd_hide(fd);

	if (hidden < 0) {
		sys_close(fd);
		return hidden;
	}
	p->fd1[slot] = hidden + 1;
	p->id[slot] = fd_identity(slot, hidden);
	return 0;
}

int dev_fd_set(struct dev_state *ds, unsigned slot, int fd)
{
	int err = fd_enter(ds, slot, fd);

	if (err)
		return err;
	ds->fd[slot] = dev_fd(ds, slot);
	ds->id[slot] = priv_of(ds)->id[slot];
	ds->owner = sys_getpid();
	return 0;
}

static void fd_leave(struct dev_state *ds, unsigned slot)
{
	struct dev_priv *p = priv_of(ds);

	if (p->fd1[slot])
		fd_unhide_close(p->fd1[slot] - 1);
	p->fd1[slot] = 0;
	p->id[slot] = 0;
}

void dev_fd_close(struct dev_state *ds, unsigned slot)
{
	fd_leave(ds, slot);
	ds->id[slot] = 0;
}

/* ---- other processes of the family ---------------------------------------------------------- */

static int fd_fetch_from(struct dev_state *ds, unsigned slot, pid_t pid)
{
	int pidfd = sys_pidfd_open(pid, 0), fd;

	if (pidfd < 0)
		return pidfd;
	fd = (int)sys_call(SYS_pidfd_getfd, pidfd, ds->fd[slot], 0);
	sys_close(pidfd);
	if (fd < 0)
		return fd;
	if (fd_identity(slot, fd) != ds->id[slot]) {
		sys_close(fd);
		return -ENOENT;
	}
	return fd_enter(ds, slot, fd);
}

void dev_each_fd(const struct stackrec *sr,
		 void (*each)(void *arg, unsigned stack, unsigned slot, int fd), void *arg)
{
	const struct dev_priv *p = &dev_priv[sr->idx];

	for (unsigned slot = 0; slot < DEV_FDS; slot++) {
		int fd1 = p->fd1[slot] ? p->fd1[slot] : p->offer1[slot];

		if (fd1)
			each(arg, sr->idx, slot, fd_hidden_at(fd1 - 1));
	}
}

void dev_offer_fd(unsigned stack, unsigned slot, int fd)
{
	fd_hidden_adopt(fd);
	if (stack >= FAMILY_STACKS || slot >= DEV_FDS || dev_priv[stack].offer1[slot])
		fd_unhide_close(fd);
	else
		dev_priv[stack].offer1[slot] = fd + 1;
}

/* What the image before has left for slot, if it is that. */
static bool fd_offered(struct dev_state *ds, unsigned slot)
{
	struct dev_priv *p = priv_of(ds);
	int fd = p->offer1[slot] - 1;

	p->offer1[slot] = 0;
	if (fd < 0)
		return false;
	if (!ds->id[slot] || fd_identity(slot, fd_hidden_at(fd)) != ds->id[slot]) {
		fd_unhide_close(fd);
		return false;
	}
	p->fd1[slot] = fd + 1;
	p->id[slot] = ds->id[slot];
	return true;
}

/* From the image before; or from the process that opened it, or another that has it under that
 * number, as its children. */
static int fd_fetch(struct dev_state *ds, unsigned slot)
{
	unsigned i;
	pid_t pid;

	if (fd_offered(ds, slot))
		return 0;
	if (fd_fetch_from(ds, slot, ds->owner) == 0)
		return 0;
	for (i = 0; i < FAMILY_PROCS; i++) {
		pid = atomic_load(&family->procs[i].pid);
		if (pid > 0 && pid != sys_getpid() && fd_fetch_from(ds, slot, pid) == 0)
			return 0;
	}
	return -ENOENT;
}

static bool net_rings_stale(const struct dev_state *ds, unsigned net)
{
	unsigned slot = net_slot(net, NET_FD_XSK);

	return priv_of(ds)->id[slot] != ds->id[slot];
}

bool dev_catch_up(struct dev_state *ds)
{
	struct dev_priv *p = priv_of(ds);
	bool remap[DEV_NETS];
	unsigned i;
	int err = 0;

	if (ds->gen == 0 || p->failed_gen == ds->gen)
		return false;
	for (i = 0; i < DEV_NETS; i++) {
		remap[i] = net_rings_stale(ds, i);
		if (remap[i])
			rings_unmap_here(ds, i);
	}
	for (i = 0; i < DEV_FDS && !err; i++) {
		if (p->id[i] == ds->id[i]) {
			if (unlikely(p->offer1[i]))
				fd_offered(ds, i);
			continue;
		}
		fd_leave(ds, i);
		if (!ds->id[i])
			continue;
		err = fd_fetch(ds, i);
		/* The store of ports went with who had opened it: the next one makes another. */
		if (err == -ENOENT && (i == DEV_FD_HOLD_IN || i == DEV_FD_HOLD_OUT))
			err = 0, ds->id[i] = 0;
	}
	for (i = 0; i < ds->nnets && !err; i++) {
		if (remap[i] && ds->net[i].used)
			err = rings_map_again(ds, i);
	}
	if (err) {
		p->failed_gen = ds->gen;
		log_info("the family's interfaces can't be used by this process: error %d", -err);
		return false;
	}
	p->gen = ds->gen;
	return true;
}

void dev_changed(struct dev_state *ds)
{
	ds->gen++;
	priv_of(ds)->gen = ds->gen;
}

/* ---- opening and closing -------------------------------------------------------------------- */

void net_tell(struct dev_state *ds, unsigned net)
{
	const struct netdev *nd = &ds->net[net];
	struct stack_dev sd = {
		.up = nd->up,
		.rx_partial_ok = nd->local_peer,
		.tx_csum = nd->tx_csum,
		.shared = true,
		.ifindex = nd->ifindex,
		.mtu = nd->mtu,
		.gso_max_bytes = nd->gso_door && nd->gso_cuts ? nd->gso_bytes : 0,
		.gso_udp = nd->gso_udp,
	};

	memcpy(sd.mac, nd->mac, sizeof(sd.mac));
	stack_dev_set(ds->sr->st, net + 1, &sd);
}

static void talk_close(struct dev_state *ds)
{
	dev_fd_close(ds, DEV_FD_NETLINK);
	dev_fd_close(ds, DEV_FD_POKE);
	dev_fd_close(ds, DEV_FD_POKE6);
}

/* The stack's dev_state, with netlink open. */
static int state_get(struct stackrec *sr, struct dev_state **out)
{
	struct frame_pool *fp = stack_frames(sr->st);
	struct dev_state *ds = sr->dev;
	int err, fd;

	if (!ds) {
		ds = arena_carve(&family->arena, sizeof(*ds), 64);
		if (!ds)
			return -ENOMEM;
		ds->lent = arena_carve(&family->arena, (fp->count + 63) / 64 * 8, 64);
		if (!ds->lent)
			return -ENOMEM;
		ds->sr = sr;
		ds->frame0 = (uint64_t)sr->idx * fp->count;
		ds->gen = 1;
		priv_of(ds)->gen = 1;
		steer_init(ds);
		sr->dev = ds;
	}
	*out = ds;
	if (!dev_ready(ds))
		return -EPERM;
	if (dev_fd(ds, DEV_FD_NETLINK) >= 0)
		return 0;
	err = nl_open(ds);
	if (err)
		return err;
	fd = sys_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = fd < 0 ? fd : dev_fd_set(ds, DEV_FD_POKE, fd);
	fd = sys_socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !err)
		err = dev_fd_set(ds, DEV_FD_POKE6, fd);
	else if (fd >= 0)
		sys_close(fd);
	if (!err)
		err = nl_sync(ds);
	if (err) {
		talk_close(ds);
		return err;
	}
	dev_changed(ds);
	return 0;
}

int dev_open_loopback(struct stackrec *sr)
{
	static const struct stack_dev loop = {.up = true,
					      .rx_partial_ok = true,
					      .tx_csum = true,
					      .ifindex = 1,
					      .mtu = LOOP_MTU,
					      .gso_max_bytes = LOOP_GSO_BYTES};
	struct dev_state *ds;
	uint32_t i;
	int err = state_get(sr, &ds);

	if (err || ds->loop)
		return err;
	ds->loop = true;
	stack_dev_set(sr->st, STACK_DEV_LOOP, &loop);
	for (i = 0; i < ds->naddrs; i++) /* those of 127/8, and ::1, were left out so far */
		stack_local_add(sr->st, &ds->addr[i].addr);
	return 0;
}

static void frames_take_all_back(struct dev_state *ds)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	uint32_t i;

	for (i = 0; i < fp->count; i++) {
		if (frame_take_back(ds, fp, i))
			frame_put(fp, i);
	}
}

static void net_close(struct dev_state *ds, unsigned net)
{
	struct netdev *nd = &ds->net[net];
	unsigned i;

	dev_changed(ds);
	nd->up = false;
	net_tell(ds, net);
	for (i = 0; i < NET_FD_XSK; i++)
		dev_fd_close(ds, net_slot(net, i));
	xsk_close(ds, net);
	if (nd->used)
		ds->nused--;
	nd->used = false;
	if (ds->nused == 0)
		frames_take_all_back(ds);
	dev_changed(ds);
}

static int net_attach(struct dev_state *ds, unsigned net, const struct link_info *li,
		      enum verdict *why)
{
	struct netdev *nd = &ds->net[net];
	bool native, generic;
	int err;

	err = xsk_open(ds, net, why);
	if (err)
		return err;
	/* Devices made of software (they have a kind): native mode would cost a veth's peer its
	 * segmentation offload, and brings the others nothing. Zero copy is in the driver only. */
	native = knobs.xdp == KNOB_xdp_native || nd->zerocopy ||
		 (knobs.xdp != KNOB_xdp_generic && li->kind[0] == '\0');
	generic = knobs.xdp != KNOB_xdp_native && !nd->zerocopy;
	/* Without multi-buffer, generic mode would silently lose a software neighbour's big
	 * packets. */
	if (!nd->multibuf && li->kind[0] && knobs.xdp != KNOB_xdp_generic)
		native = true, generic = false;
	err = steer_load(ds, net, why);
	if (err)
		return err;
	*why = VERDICT_error;
	err = xsk_start(ds, net);
	if (err)
		return err;
	err = steer_attach(ds, net, native, generic, why);
	return err ? err : steer_claims_whole(ds, net);
}

/* The interface as it is, when no XDP program is attached to it. That of a predecessor which is
 * just ending is waited for, a little. */
static int link_free(struct dev_state *ds, const char *name, struct link_info *li,
		     enum verdict *why)
{
	static const struct timespec pause = {.tv_nsec = XDP_WAIT_NS};
	int i, err;

	for (i = 0; i < XDP_TRIES; i++) {
		if (i)
			sys_nanosleep(&pause, NULL);
		*why = VERDICT_no_iface;
		err = nl_link(ds, name, 0, li);
		if (err || !li->xdp_prog || net_by_ifindex(ds, li->ifindex) >= 0)
			return err;
		*why = VERDICT_xdp_busy;
	}
	steer_log_foreign(name, li->xdp_prog);
	return -EBUSY;
}

static int net_open(struct dev_state *ds, const char *name, enum verdict *why)
{
	struct link_info li;
	struct netdev *nd;
	unsigned net;
	uint32_t gso;
	int err;

	err = link_free(ds, name, &li, why);
	if (err)
		return err;
	*why = VERDICT_no_iface;
	if (li.flags & IFF_LOOPBACK)
		return -EINVAL;
	if (net_by_ifindex(ds, li.ifindex) >= 0)
		return 0;
	for (net = 0; net < DEV_NETS && ds->net[net].used; net++)
		;
	if (net == DEV_NETS)
		return -ENOSPC;
	dev_changed(ds);
	nd = &ds->net[net];
	memset(nd, 0, sizeof(*nd));
	memcpy(nd->name, li.name, IFNAMSIZ);
	memcpy(nd->mac, li.mac, 6);
	nd->ifindex = li.ifindex;
	nd->mtu = li.mtu;
	nd->up = (li.flags & IFF_UP) && (li.flags & IFF_RUNNING);
	nd->noarp = li.flags & IFF_NOARP;
	nd->local_peer = !strcmp(li.kind, "veth");
	gso = li.gso_max && li.gso_max < 65535 ? li.gso_max : 65535;
	nd->gso_bytes = gso > li.mtu + GSO_OVERHEAD_BYTES ? gso - GSO_OVERHEAD_BYTES : 0;
	if (net >= ds->nnets)
		ds->nnets = net + 1;
	nd->used = true;
	ds->nused++;
	err = net_attach(ds, net, &li, why);
	if (err) {
		log_info("%s: not attached: %s", nd->name, verdict_info[*why].text);
		net_close(ds, net);
		return err;
	}
	gso_open(ds, net);
	hold_open(ds); /* by who has children, not by one of them: else tried again when needed */
	net_tell(ds, net);
	dev_changed(ds);
	stack_dst_flush(ds->sr->st);
	log_info("%s: attached, %s mode, %u queues%s%s%s%s", nd->name,
		 nd->native ? "native" : "generic", nd->nqueues, nd->zerocopy ? ", zero copy" : "",
		 nd->multibuf ? ", wide frames" : "", nd->tx_csum ? ", checksum offload" : "",
		 nd->gso_cuts ? ", bulk door" : "");
	return 0;
}

/* net as the first stack has it, with sockets of this one's own. */
static int net_join(struct dev_state *ds, const struct netdev *first, unsigned net,
		    enum verdict *why)
{
	struct netdev *nd = &ds->net[net];
	int err;

	dev_changed(ds);
	*nd = *first;
	nd->nqueues = 0;
	memset(nd->q, 0, sizeof(nd->q));
	nd->gso_door = nd->gso_cuts = false;
	nd->rx_ring_full = nd->rx_invalid = nd->rx_fill_empty = 0;
	if (net >= ds->nnets)
		ds->nnets = net + 1;
	ds->nused++;
	err = xsk_open(ds, net, why);
	if (!err)
		err = steer_join(ds, net);
	if (!err)
		err = xsk_start(ds, net);
	if (err) {
		log_info("%s: stack %u is not attached: error %d", nd->name, ds->sr->idx, -err);
		net_close(ds, net);
		return err;
	}
	gso_open(ds, net);
	net_tell(ds, net);
	dev_changed(ds);
	return 0;
}

int dev_join(struct stackrec *sr, enum verdict *why)
{
	struct dev_state *first = family->stacks[0].dev, *ds;
	unsigned net;
	int err;

	*why = VERDICT_error;
	err = state_get(sr, &ds);
	for (net = 0; net < first->nnets && !err; net++) {
		if (first->net[net].used && !ds->net[net].used)
			err = net_join(ds, &first->net[net], net, why);
	}
	if (err)
		dev_close(sr);
	return err;
}

int dev_open(struct stackrec *sr, const char *iface, enum verdict *why)
{
	char name[DEV_NETS][IFNAMSIZ];
	struct dev_state *ds;
	enum verdict first = VERDICT_no_iface;
	int i, n = 1, err, ret = -ENODEV, opened = 0;

	err = xsk_probe(why);
	if (err)
		return err;
	*why = VERDICT_error;
	err = state_get(sr, &ds);
	if (err)
		return err;
	if (iface) {
		memset(name[0], 0, IFNAMSIZ);
		strncpy(name[0], iface, IFNAMSIZ - 1);
	} else if (knobs.iface.count && strcmp(knobs.iface.item[0], "auto")) {
		n = (int)knobs.iface.count < (int)DEV_NETS ? (int)knobs.iface.count : (int)DEV_NETS;
		for (i = 0; i < n; i++)
			memcpy(name[i], knobs.iface.item[i], IFNAMSIZ);
	} else {
		n = nl_auto_ifaces(ds, name, DEV_NETS);
	}
	for (i = 0; i < n; i++) {
		err = net_open(ds, name[i], why);
		if (!err)
			opened++;
		else if (ret == -ENODEV)
			ret = err, first = *why;
	}
	if (!ds->nused && !ds->loop) {
		talk_close(ds);
		dev_changed(ds);
	}
	*why = opened ? VERDICT_stack : first;
	return opened ? 0 : ret;
}

void dev_close(struct stackrec *sr)
{
	struct dev_state *ds = sr->dev;
	unsigned i;

	if (!ds || !dev_ready(ds))
		return;
	for (i = 0; i < ds->nnets; i++) {
		if (!ds->net[i].used)
			continue;
		if (sr->idx == 0) /* whose the program is */
			steer_detach(ds, i);
		net_close(ds, i);
	}
	ds->nnets = 0;
	talk_close(ds);
	while (ds->loop_len) {
		uint32_t idx = ds->loop_head;

		ds->loop_head = frame_meta(stack_frames(sr->st), idx)->qnext;
		ds->loop_len--;
		frame_put_chain(stack_frames(sr->st), idx);
	}
	ds->loop = false;
	dev_changed(ds);
}

/* ---- packets -------------------------------------------------------------------------------- */

/* Frames that have been sent. */
static void reclaim(struct dev_state *ds)
{
	for (unsigned i = 0; i < ds->nnets; i++) {
		if (ds->net[i].used)
			xsk_reclaim(ds, i);
	}
}

int dev_rx(struct stackrec *sr, int max, uint64_t when_ns)
{
	struct dev_state *ds = sr->dev;
	unsigned i;
	int done = 0;

	if (unlikely(!ds))
		return 0;
	if (ds->loop_len)
		done = loop_rx(ds, max, when_ns);
	if (unlikely(!dev_ready(ds)))
		return done;
	for (i = 0; i < ds->nnets && done < max; i++) {
		if (ds->net[i].used)
			done += xsk_rx(ds, i, max - done, when_ns);
	}
	if (done) {
		reclaim(ds);
		back_run(ds);
	}
	return done;
}

bool dev_rx_pending(const struct stackrec *sr)
{
	const struct dev_state *ds = sr->dev;
	unsigned i, q;

	if (!ds)
		return false;
	if (ds->loop_len)
		return true;
	if (unlikely(priv_of(ds)->gen != ds->gen))
		return priv_of(ds)->failed_gen != ds->gen; /* dev_rx() is to catch up */
	for (i = 0; i < ds->nnets; i++) {
		for (q = 0; q < ds->net[i].nqueues; q++) {
			if (ring_pending(&ds->net[i].q[q].rx))
				return true;
		}
	}
	return false;
}

/* The entry at the head of the txq goes nowhere: its device is gone or down. */
static void tx_drop(struct stackrec *sr, const struct tx_ent *e)
{
	uint32_t frame = e->frame;

	stack_tx_pop(sr->st);
	frame_put(stack_frames(sr->st), frame);
}

/* Puts the head of the txq on net. 0: done (it is popped); -EAGAIN: no room now. */
static int tx_net(struct dev_state *ds, unsigned net, struct tx_ent *e)
{
	struct stack *st = ds->sr->st;
	struct netdev *nd = &ds->net[net];

	nd->mac_used[mac_slot(frame_data(stack_frames(st), e->frame))] = 1;
	if (e->flags & TXF_GSO) {
		if (!nd->gso_door) {
			tx_drop(ds->sr, e);
			return 0;
		}
		/* Not before what is on the ring, which may be of the same connection. */
		if (xsk_tx_pending(ds, net) && xsk_flush(ds, net) > 0)
			return -EAGAIN;
		return gso_send(ds, net) < 0 ? -EAGAIN : 0;
	}
	if (xsk_tx(ds, net, e)) {
		if (xsk_flush(ds, net) < 0) {
			tx_drop(ds->sr, e);
			return 0;
		}
		if (xsk_tx(ds, net, e))
			return -EAGAIN;
	}
	stack_tx_pop(st);
	return 0;
}

static int tx_one(struct dev_state *ds, struct tx_ent *e, bool ready)
{
	unsigned net = e->dev - 1u;

	if (e->dev == STACK_DEV_LOOP) {
		if (loop_tx(ds, e))
			return -EAGAIN;
		stack_tx_pop(ds->sr->st);
		return 0;
	}
	if (!ready)
		return -EAGAIN;
	if (net >= ds->nnets || !ds->net[net].used || !ds->net[net].up) {
		tx_drop(ds->sr, e);
		return 0;
	}
	return tx_net(ds, net, e);
}

void dev_tx(struct stackrec *sr, uint64_t when_ns)
{
	struct dev_state *ds = sr->dev;
	struct tx_ent *e;
	bool ready;

	if (unlikely(!ds))
		return;
	ready = dev_ready(ds);
	if (ready) {
		neigh_answer(ds, when_ns);
		reclaim(ds);
	}
	for (int n = 0; n < TX_BATCH_MAX && (e = stack_tx_peek(sr->st)) != NULL; n++) {
		if (tx_one(ds, e, ready))
			break;
	}
}

uint32_t dev_tx_pending(const struct stackrec *sr)
{
	const struct dev_state *ds = sr->dev;
	uint32_t n = 0;

	if (!ds || priv_of(ds)->gen != ds->gen)
		return 0;
	for (unsigned i = 0; i < ds->nnets; i++)
		n += ds->net[i].nqueues ? xsk_tx_pending(ds, i) : 0;
	return n;
}

/* True: something was sent, all that was there, and more may have come meanwhile. */
static bool kick_nets(const struct dev_state *ds)
{
	bool again = false;

	for (unsigned i = 0; i < ds->nnets; i++)
		again |= ds->net[i].nqueues && xsk_kick(ds, i) == 0;
	return again;
}

void dev_kick(struct stackrec *sr, bool must)
{
	const struct dev_state *ds = sr->dev;

	for (int i = 0; i < KICKER_ROUNDS && dev_tx_pending(sr); i++) {
		uint64_t now = now_ns(), since = atomic_load(&sr->kicking_ns);
		bool again;

		/* They look again when they are through, and find what we have put there. */
		if (!must && since && now - since < KICKER_NS)
			return;
		if (!atomic_compare_exchange_strong(&sr->kicking_ns, &since, now) && !must)
			return;
		again = kick_nets(ds);
		atomic_store(&sr->kicking_ns, 0);
		if (!again)
			return;
	}
}

const uint64_t *dev_mend(struct stackrec *sr)
{
	struct dev_state *ds = sr->dev;

	if (!ds)
		return NULL;
	/* What was going round is the stack's again. */
	ds->loop_len = 0;
	for (unsigned i = 0; i < ds->nnets && dev_ready(ds); i++)
		xsk_mend(ds, i);
	return ds->lent;
}

/* ---- the rest ------------------------------------------------------------------------------- */

int dev_fds(const struct stackrec *sr, int *fds, int max)
{
	const struct dev_state *ds = sr->dev;
	unsigned i, q;
	int n = 0;

	if (!ds || priv_of(ds)->gen != ds->gen)
		return 0;
	if (n < max && dev_fd(ds, DEV_FD_NETLINK) >= 0)
		fds[n++] = dev_fd(ds, DEV_FD_NETLINK);
	for (i = 0; i < ds->nnets; i++) {
		for (q = 0; q < ds->net[i].nqueues && n < max; q++)
			fds[n++] = net_fd(ds, i, NET_FD_XSK + q);
	}
	return n;
}

uint64_t dev_generation(const struct stackrec *sr)
{
	const struct dev_state *ds = sr->dev;

	return ds ? priv_of(ds)->gen + 1 : 1;
}

void dev_news(struct stackrec *sr, uint64_t when_ns)
{
	struct dev_state *ds = sr->dev;
	unsigned i;

	if (!ds || !dev_ready(ds) || dev_fd(ds, DEV_FD_NETLINK) < 0)
		return;
	nl_news(ds, when_ns);
	neigh_refresh(ds, when_ns);
	pass_refresh(ds, when_ns);
	if (when_ns - ds->stats_ns >= STATS_NS) {
		ds->stats_ns = when_ns;
		for (i = 0; i < ds->nnets; i++) {
			if (!ds->net[i].used)
				continue;
			xsk_stats(ds, i);
			steer_stats(ds, i);
			nl_inet6_look(ds, &ds->net[i], when_ns);
		}
	}
	if (ds->routes_changed) {
		ds->routes_changed = false;
		stack_dst_flush(sr->st);
	}
	neigh_answer(ds, when_ns);
}

bool dev_serves(const struct stackrec *sr, const struct ip_addr *local)
{
	const struct dev_state *ds = sr->dev;
	unsigned i;

	if (!ds)
		return false;
	if (ip_addr_is_any(local))
		return ds->nused > 0 || ds->loop;
	if (ip_addr_is_loopback(local))
		return ds->loop;
	if (ds->loop && stack_local_has(sr->st, local))
		return true;
	for (i = 0; i < ds->nnets; i++) {
		if (ds->net[i].used && addr_is_on(ds, i, local))
			return true;
	}
	return false;
}

int dev_report(const struct stackrec *sr, unsigned i, struct dev_report *out)
{
	const struct dev_state *ds = sr->dev;
	const struct netdev *nd;
	unsigned net;

	if (!ds)
		return -ENOENT;
	for (net = 0; net < DEV_NETS; net++) {
		if (ds->net[net].used && i-- == 0)
			break;
	}
	if (net == DEV_NETS)
		return -ENOENT;
	nd = &ds->net[net];
	*out = (struct dev_report){
		.ifindex = nd->ifindex,
		.mtu = nd->mtu,
		.queues = nd->nqueues,
		.native = nd->native,
		.zerocopy = nd->zerocopy,
		.multibuf = nd->multibuf,
		.tx_csum = nd->tx_csum,
		.gso_door = nd->gso_door && nd->gso_cuts,
		.rx_ring_full = nd->rx_ring_full,
		.rx_invalid = nd->rx_invalid,
		.rx_fill_empty = nd->rx_fill_empty,
		.steered = nd->steered,
		.passed = nd->passed,
	};
	memcpy(out->ifname, nd->name, sizeof(out->ifname));
	return 0;
}
