/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports in use: a TCP connection's local port must not look free to bind(2), here or in any other
 * program, while the connection or its TIME-WAIT lasts. As long as its listener, or the socket that
 * connect() was called on, is open, their shadow sees to it. Afterwards a bound socket does that is
 * nobody's descriptor: it lies in the queue of a pair of AF_UNIX sockets (SCM_RIGHTS, unix(7)), one
 * for all connections of an address and port. So it costs the application no number, any process of
 * the family can take it out, and it outlives the one that put it in.
 *
 * It decides when such a socket may go. One that is over is looked for by going through the queue
 * once, each taken out and put back: many end in the order in which they came. Must never hold a
 * port for ever because of a process that died on the way: what is over and not in the queue is
 * forgotten.
 */
#include "shim/dev/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define STORE_SNDBUF (4 << 20) /* about 5,000 of them, where we may */
/* With more than a few in the store it is gone through this seldom. */
#define SWEEP_FEW 64u
#define SWEEP_NS 50000000ull

static uint32_t *hold_bucket(struct dev_state *ds, uint16_t port)
{
	return &ds->hold_bucket[(port ^ port >> 8) % ARRAY_SIZE(ds->hold_bucket)];
}

static struct hold *hold_find(struct dev_state *ds, const struct endpoint *local)
{
	uint32_t i = *hold_bucket(ds, local->port);

	for (; i; i = ds->hold[i - 1].next) {
		struct hold *h = &ds->hold[i - 1];

		if (h->local.port == local->port && ip_addr_eq(&h->local.addr, &local->addr))
			return h;
	}
	return NULL;
}

static struct hold *hold_new(struct dev_state *ds, const struct endpoint *local)
{
	uint32_t *bucket = hold_bucket(ds, local->port), i = ds->hold_free;
	struct hold *h;

	if (i)
		ds->hold_free = ds->hold[i - 1].next;
	else if (ds->hold_used < DEV_HOLDS)
		i = ++ds->hold_used;
	else
		return NULL;
	h = &ds->hold[i - 1];
	*h = (struct hold){.local = *local, .refs = 1, .next = *bucket};
	*bucket = i;
	return h;
}

static void hold_free(struct dev_state *ds, struct hold *h)
{
	uint32_t *p = hold_bucket(ds, h->local.port), i = (uint32_t)(h - ds->hold) + 1;

	while (*p != i)
		p = &ds->hold[*p - 1].next;
	*p = h->next;
	*h = (struct hold){.next = ds->hold_free};
	ds->hold_free = i;
}

/* ---- the store ------------------------------------------------------------------------------ */

union fd_cmsg {
	struct cmsghdr h;
	char b[CMSG_SPACE(sizeof(int))];
};

int hold_open(struct dev_state *ds)
{
	int pair[2], bytes = STORE_SNDBUF, err;

	if (!dev_ready(ds))
		return -EPERM;
	if (dev_fd(ds, DEV_FD_HOLD_OUT) >= 0)
		return 0;
	err = sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
	if (err < 0)
		return err;
	if (sys_setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		sys_setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	err = dev_fd_set(ds, DEV_FD_HOLD_IN, pair[0]);
	if (err) {
		sys_close(pair[1]);
		return err;
	}
	err = dev_fd_set(ds, DEV_FD_HOLD_OUT, pair[1]);
	if (err)
		dev_fd_close(ds, DEV_FD_HOLD_IN);
	else
		dev_changed(ds);
	ds->hold_stored = 0;
	return err;
}

static int store_put(struct dev_state *ds, uint32_t idx, int fd)
{
	union fd_cmsg c = {{0}};
	struct iovec iov = {&idx, sizeof(idx)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c.b)};
	ssize_t r;

	c.h = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	r = sys_sendmsg(dev_fd(ds, DEV_FD_HOLD_IN), &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r < 0)
		return (int)r;
	ds->hold_stored++;
	return 0;
}

/* The one that has been there longest. -EAGAIN: none is. */
static int store_take(struct dev_state *ds, uint32_t *idx)
{
	union fd_cmsg c = {{0}};
	struct iovec iov = {idx, sizeof(*idx)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c.b)};
	ssize_t r = sys_recvmsg(dev_fd(ds, DEV_FD_HOLD_OUT), &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (r < 0)
		return (int)r;
	ds->hold_stored -= ds->hold_stored > 0;
	if (msg.msg_controllen < CMSG_LEN(sizeof(int)))
		return -EMFILE;
	memcpy(&fd, CMSG_DATA(&c.h), sizeof(fd));
	return fd;
}

/* A message that finds no room for its descriptor is lost with it. */
static bool store_can_take(struct dev_state *ds)
{
	int fd = sys_fcntl(dev_fd(ds, DEV_FD_HOLD_OUT), F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return false;
	sys_close(fd);
	return true;
}

/* ---- references ----------------------------------------------------------------------------- */

int hold_add(struct stackrec *sr, const struct endpoint *local, int fd)
{
	struct dev_state *ds = sr->dev;
	struct hold *h = ds ? hold_find(ds, local) : NULL;
	int err;

	if (h) {
		ds->hold_over -= h->refs == 0;
		h->refs++;
		return 0;
	}
	if (fd < 0 || !ds)
		return -ENOENT;
	err = hold_open(ds);
	if (err)
		return err;
	h = hold_new(ds, local);
	if (!h)
		return -ENOSPC;
	err = store_put(ds, (uint32_t)(h - ds->hold), fd);
	if (err)
		hold_free(ds, h);
	return err;
}

void hold_del(struct stackrec *sr, const struct endpoint *local)
{
	struct dev_state *ds = sr->dev;
	struct hold *h = ds ? hold_find(ds, local) : NULL;

	if (h && h->refs && --h->refs == 0)
		ds->hold_over++;
}

bool hold_any(const struct stackrec *sr)
{
	return sr->dev && sr->dev->hold_stored;
}

static void forget_over(struct dev_state *ds)
{
	for (uint32_t i = 0; i < ds->hold_used && ds->hold_over; i++) {
		struct hold *h = &ds->hold[i];

		if (!h->local.port || h->refs)
			continue;
		hold_free(ds, h);
		ds->hold_over--;
	}
	ds->hold_over = 0;
}

void hold_sweep(struct stackrec *sr, uint64_t now_ns)
{
	struct dev_state *ds = sr->dev;
	uint32_t n, idx;
	int fd;

	if (!ds || !ds->hold_over ||
	    (ds->hold_stored > SWEEP_FEW && now_ns - ds->hold_ns < SWEEP_NS) || !dev_ready(ds) ||
	    !store_can_take(ds))
		return;
	ds->hold_ns = now_ns;
	for (n = ds->hold_stored; n && ds->hold_over; n--) {
		fd = store_take(ds, &idx);
		if (fd < 0)
			break;
		if (idx < ds->hold_used && ds->hold[idx].local.port && !ds->hold[idx].refs) {
			hold_free(ds, &ds->hold[idx]);
			ds->hold_over--;
		} else {
			store_put(ds, idx, fd);
		}
		sys_close(fd);
	}
	if (ds->hold_over)
		forget_over(ds);
}
