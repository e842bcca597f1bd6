/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections that the kernel already has on a port when it is claimed: of a process that was there
 * before, or shares the port without the shim. Each gets an entry in the map of passes, by which
 * the steering program leaves it to the kernel, and which goes when the kernel's socket is gone.
 *
 * No connection is ever split between the kernel and the stack, because a port is claimed in two
 * steps. First only SYNs come to us, and wait in the ring, the stack's lock being held. From then
 * on the kernel gets no new connection here, so that those it has, half-open ones included, can be
 * listed. Then all but these comes to us.
 *
 * The kernel's TIME-WAIT is not kept, as with tcp_tw_reuse: what its peer may still send is an old
 * FIN, whose answer, ACK or RST, it takes alike, and a new connection from there is better here.
 */
#include "shim/dev/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

/* An entry may stay this long after its connection, and a round looks at so many of each interface:
 * they cost a system call each. */
#define PASS_CHECK_NS 1000000000ull
#define PASS_BATCH 64u
/* Answers come at once, from inside the system call; a list in pieces of up to 32 KB. */
#define DIAG_WAIT_S 1
#define DIAG_READS_MAX 65536
#define DIAG_NEW_SYN_RECV 12 /* TCP_NEW_SYN_RECV, which no header tells */

#define DIAG_STATES                                                                              \
	(1u << TCP_ESTABLISHED | 1u << TCP_SYN_SENT | 1u << TCP_SYN_RECV | 1u << TCP_FIN_WAIT1 | \
	 1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING |   \
	 1u << DIAG_NEW_SYN_RECV)

struct diag_req {
	struct nlmsghdr h;
	struct inet_diag_req_v2 r;
};

static int diag_open(void)
{
	static const struct timeval wait = {.tv_sec = DIAG_WAIT_S};
	int fd = sys_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd >= 0)
		sys_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
}

static int diag_ask(int fd, struct diag_req *req, uint8_t af, uint16_t flags)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	ssize_t n;

	req->h.nlmsg_len = sizeof(*req);
	req->h.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	req->h.nlmsg_flags = NLM_F_REQUEST | flags;
	req->r.sdiag_family = af;
	req->r.sdiag_protocol = IPPROTO_TCP;
	n = sys_sendto(fd, req, sizeof(*req), 0, (struct sockaddr *)&to, sizeof(to));
	return n < 0 ? (int)n : 0;
}

static ssize_t diag_read(struct dev_state *ds, int fd)
{
	ssize_t n;

	do {
		n = sys_recvfrom(fd, ds->nlbuf, sizeof(ds->nlbuf), 0, NULL, NULL);
	} while (n == -EINTR);
	return n;
}

static struct ip_addr diag_addr(const struct inet_diag_msg *m, const __be32 *w)
{
	return m->idiag_family == AF_INET ? ip_addr_v4(w[0]) : ip_addr_v6(w, m->id.idiag_if);
}

/* ---- entering ------------------------------------------------------------------------------- */

static bool pass_add(struct dev_state *ds, const struct claim *c, const struct inet_diag_msg *m)
{
	struct steer_flow key = {
		.lport = m->id.idiag_sport, .rport = m->id.idiag_dport, .proto = IPPROTO_TCP};
	struct ip_addr local = diag_addr(m, m->id.idiag_src);
	struct ip_addr remote = diag_addr(m, m->id.idiag_dst);
	uint32_t one = 1;
	unsigned i;
	bool ok = true;

	if (key.lport != htons(c->ep.port) || ip_addr_is_loopback(&local) ||
	    !claim_covers(c, &local))
		return false;
	memcpy(key.laddr, local.b, sizeof(key.laddr));
	memcpy(key.raddr, remote.b, sizeof(key.raddr));
	for (i = 0; i < ds->nnets; i++) {
		if (ds->net[i].used && addr_in_zone(ds, i, &local))
			ok &= !map_update(net_fd(ds, i, NET_FD_PASSES), &key, &one);
	}
	if (!ok)
		log_warn("a connection that the kernel has on port %u is lost: too many to keep",
			 c->ep.port);
	return ok;
}

/* Takes in one piece of the list: 0, 1 at its end, or -Exxx. */
static int pass_take(struct dev_state *ds, ssize_t bytes, const struct claim *c, uint32_t *count)
{
	const struct nlmsghdr *h = (void *)ds->nlbuf;
	int len = (int)bytes;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			*count += pass_add(ds, c, NLMSG_DATA(h));
	}
	return 0;
}

static int pass_list(struct dev_state *ds, int fd, uint8_t af, const struct claim *c,
		     uint32_t *count)
{
	struct diag_req req = {
		.r = {.idiag_states = DIAG_STATES, .id.idiag_sport = htons(c->ep.port)}};
	int i, err = diag_ask(fd, &req, af, NLM_F_DUMP);
	ssize_t n;

	for (i = 0; i < DIAG_READS_MAX && !err; i++) {
		n = diag_read(ds, fd);
		err = n < 0 ? (int)n : pass_take(ds, n, c, count);
	}
	return err < 0 ? err : 0;
}

uint32_t pass_enter(struct dev_state *ds, const struct claim *c)
{
	uint32_t count = 0;
	int fd = diag_open(), err = fd;

	if (fd >= 0) {
		/* A socket of IPv6 can have a connection of IPv4; there may be no IPv6. */
		err = ip_addr_is_v4(&c->ep.addr) ? pass_list(ds, fd, AF_INET, c, &count) : 0;
		pass_list(ds, fd, AF_INET6, c, &count);
		sys_close(fd);
	}
	if (err < 0)
		log_info("port %u: what the kernel has there can't be listed (error %d): "
			 "connections it serves now will be reset",
			 c->ep.port, -err);
	else if (count)
		log_info("port %u: the kernel goes on with %u connections", c->ep.port, count);
	return count;
}

/* ---- forgetting ----------------------------------------------------------------------------- */

static bool pass_next(int map, const struct steer_flow *key, struct steer_flow *next)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)map, .key = (uintptr_t)key, .next_key = (uintptr_t)next};

	return sys_bpf(BPF_MAP_GET_NEXT_KEY, &attr, sizeof(attr)) == 0;
}

/* The kernel has no such connection on net. An error that says nothing leaves it. */
static bool pass_is_over(struct dev_state *ds, unsigned net, int fd, const struct steer_flow *f)
{
	struct ip_addr local = ip_addr_v6(f->laddr, 0);
	struct diag_req req = {
		.r = {.id = {.idiag_sport = f->lport,
			     .idiag_dport = f->rport,
			     .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}}};
	const struct nlmsghdr *h = (void *)ds->nlbuf;
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	ssize_t n;

	if (ip_addr_is_v4(&local)) {
		memcpy(&req.r.id.idiag_src[0], f->laddr + 12, 4);
		memcpy(&req.r.id.idiag_dst[0], f->raddr + 12, 4);
	} else {
		memcpy(req.r.id.idiag_src, f->laddr, 16);
		memcpy(req.r.id.idiag_dst, f->raddr, 16);
		req.r.id.idiag_if = ds->net[net].ifindex;
	}
	if (diag_ask(fd, &req, addr_family(&local), 0))
		return false;
	n = diag_read(ds, fd);
	if (n < 0 || !NLMSG_OK(h, (int)n))
		return false;
	if (h->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(h))->error == -ENOENT;
	/* The listener answers for those that it has not. */
	return n >= (ssize_t)NLMSG_LENGTH(sizeof(*m)) && m->id.idiag_dport != f->rport;
}

/* True while net has entries. */
static bool pass_refresh_net(struct dev_state *ds, unsigned net, int fd)
{
	int map = net_fd(ds, net, NET_FD_PASSES);
	struct steer_flow key[PASS_BATCH], *at = &ds->pass_at[net];
	uint32_t n = 0, i;

	/* A key that is no longer there stands for the beginning. */
	while (n < PASS_BATCH && pass_next(map, n ? &key[n - 1] : at, &key[n]))
		n++;
	if (n < PASS_BATCH)
		memset(at, 0, sizeof(*at));
	else
		*at = key[n - 1];
	for (i = 0; i < n; i++) {
		if (pass_is_over(ds, net, fd, &key[i]))
			map_delete(map, &key[i]);
	}
	return pass_next(map, NULL, &key[0]);
}

void pass_refresh(struct dev_state *ds, uint64_t when_ns)
{
	bool any = false;
	unsigned i;
	int fd;

	if (likely(!ds->passing) || when_ns - ds->pass_ns < PASS_CHECK_NS)
		return;
	ds->pass_ns = when_ns;
	fd = diag_open();
	if (fd < 0)
		return;
	for (i = 0; i < ds->nnets; i++) {
		if (ds->net[i].used)
			any |= pass_refresh_net(ds, i, fd);
	}
	sys_close(fd);
	if (!any)
		steer_pass_none(ds);
}
