/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which packets come to us: loading and attaching the steering program (bpf/steer.bpf.c), and the
 * claims and flows in its maps. Each interface has a program and maps of its own, so that the keys
 * need no scope. A claim of any address of a family is entered for each of them that this host has,
 * and follows as these change; a claim is counted, so that several listeners can share a port.
 * Never replaces another program, and never claims a loopback address: those don't come from a
 * wire.
 */
#include "shim/dev/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpointer-arith"
#include "bpf/steer.skel.h"
#pragma GCC diagnostic pop
#include "shim/proc/knobs.h"
#include "shim/proc/thread.h"
#include "stack/ip/wire.h"

int map_update(int fd, const void *key, const void *val)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)fd, .key = (uintptr_t)key, .value = (uintptr_t)val};

	return sys_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
}

int map_delete(int fd, const void *key)
{
	union bpf_attr attr = {.map_fd = (uint32_t)fd, .key = (uintptr_t)key};

	return sys_bpf(BPF_MAP_DELETE_ELEM, &attr, sizeof(attr));
}

/* ---- the table of claims -------------------------------------------------------------------- */

void steer_init(struct dev_state *ds)
{
	ds->claim_free = ds->claim_used = 0;
	memset(ds->claim_bucket, 0, sizeof(ds->claim_bucket));
}

static uint32_t *claim_bucket(struct dev_state *ds, uint16_t port)
{
	return &ds->claim_bucket[(port ^ port >> 8) % ARRAY_SIZE(ds->claim_bucket)];
}

static bool claim_is_any(const struct claim *c)
{
	return ip_addr_is_any(&c->ep.addr);
}

/* Packets to this address are among those that c wants. */
bool claim_covers(const struct claim *c, const struct ip_addr *a)
{
	return ip_addr_eq(&c->ep.addr, a) ||
	       (claim_is_any(c) && ip_addr_is_v4(&c->ep.addr) == ip_addr_is_v4(a));
}

static struct claim *claim_find(struct dev_state *ds, uint8_t proto, const struct endpoint *ep)
{
	uint32_t i = *claim_bucket(ds, ep->port);

	for (; i; i = ds->claim[i - 1].next) {
		struct claim *c = &ds->claim[i - 1];

		if (c->proto == proto && c->ep.port == ep->port &&
		    ip_addr_eq(&c->ep.addr, &ep->addr))
			return c;
	}
	return NULL;
}

/* Some claim other than that one wants packets to this address. */
static bool claim_wanted(struct dev_state *ds, const struct claim *but, const struct ip_addr *a)
{
	uint32_t i = *claim_bucket(ds, but->ep.port);

	for (; i; i = ds->claim[i - 1].next) {
		const struct claim *c = &ds->claim[i - 1];

		if (c != but && c->proto == but->proto && c->ep.port == but->ep.port &&
		    claim_covers(c, a))
			return true;
	}
	return false;
}

/* In the maps, which are for all stacks: claims of TCP are in the first one's table. */
static bool maps_claim(struct dev_state *ds, uint8_t proto, const struct endpoint *local)
{
	struct steer_claim key = {.port = be16(local->port), .proto = proto};
	uint32_t val;
	unsigned i;

	memcpy(key.addr, local->addr.b, sizeof(key.addr));
	for (i = 0; i < ds->nnets; i++) {
		union bpf_attr attr = {.map_fd = (uint32_t)net_fd(ds, i, NET_FD_CLAIMS),
				       .key = (uintptr_t)&key,
				       .value = (uintptr_t)&val};

		if (ds->net[i].used && !sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)))
			return true;
	}
	return false;
}

bool steer_claims(struct dev_state *ds, uint8_t proto, const struct endpoint *local)
{
	const struct claim any = {.ep = *local, .proto = proto};

	return claim_wanted(ds, &any, &local->addr) ||
	       (ds->sr->idx != 0 && maps_claim(ds, proto, local));
}

static struct claim *claim_new(struct dev_state *ds, uint8_t proto, const struct endpoint *ep)
{
	uint32_t *bucket = claim_bucket(ds, ep->port), i = ds->claim_free;
	struct claim *c;

	if (i)
		ds->claim_free = ds->claim[i - 1].next;
	else if (ds->claim_used < DEV_CLAIMS)
		i = ++ds->claim_used;
	else
		return NULL;
	c = &ds->claim[i - 1];
	c->ep = *ep;
	c->proto = proto;
	c->passing = false;
	c->refs = 1;
	c->next = *bucket;
	*bucket = i;
	return c;
}

static void claim_free(struct dev_state *ds, struct claim *c)
{
	uint32_t *p = claim_bucket(ds, c->ep.port), i = (uint32_t)(c - ds->claim) + 1;

	while (*p != i)
		p = &ds->claim[*p - 1].next;
	*p = c->next;
	c->refs = 0;
	c->next = ds->claim_free;
	ds->claim_free = i;
}

/* ---- claims in the maps --------------------------------------------------------------------- */

static void key_make(struct steer_claim *key, const struct claim *c, const struct ip_addr *a)
{
	*key = (struct steer_claim){.port = be16(c->ep.port), .proto = c->proto};
	memcpy(key->addr, a->b, sizeof(key->addr));
}

static void key_drop(struct dev_state *ds, unsigned net, const struct claim *c,
		     const struct ip_addr *a)
{
	struct steer_claim key;

	if (!addr_in_zone(ds, net, a))
		return;
	key_make(&key, c, a);
	map_delete(net_fd(ds, net, NET_FD_CLAIMS), &key);
}

static uint32_t claim_how(const struct claim *c)
{
	return c->passing ? STEER_HOW_PASSES : 0;
}

/* Enters claim c for address a on net, if that is where its packets come from. */
static int claim_enter(struct dev_state *ds, unsigned net, const struct claim *c,
		       const struct ip_addr *a, uint32_t how)
{
	struct steer_claim key;

	if (!addr_is_on(ds, net, a))
		return 0;
	how = c->proto == IPPROTO_TCP ? STEER_CLAIM(how, 0, family->nstacks)
				      : STEER_CLAIM(how, ds->sr->idx, 1u);
	key_make(&key, c, a);
	return map_update(net_fd(ds, net, NET_FD_CLAIMS), &key, &how);
}

/* fresh: leaves out what is claimed already, too. */
static int claim_enter_all(struct dev_state *ds, unsigned net, const struct claim *c, uint32_t how,
			   bool fresh)
{
	uint32_t i;
	int err = 0;

	if (!claim_is_any(c))
		return fresh && claim_wanted(ds, c, &c->ep.addr)
			       ? 0
			       : claim_enter(ds, net, c, &c->ep.addr, how);
	for (i = 0; i < ds->naddrs && !err; i++) {
		if (claim_covers(c, &ds->addr[i].addr) &&
		    (!fresh || !claim_wanted(ds, c, &ds->addr[i].addr)))
			err = claim_enter(ds, net, c, &ds->addr[i].addr, how);
	}
	return err;
}

/* Those on the same port share keys with c: what the kernel has there concerns them all. */
static void claim_look_passing(struct dev_state *ds, struct claim *c)
{
	uint32_t first = *claim_bucket(ds, c->ep.port), i;
	bool any = pass_enter(ds, c) > 0;

	for (i = first; i; i = ds->claim[i - 1].next) {
		if (ds->claim[i - 1].proto == c->proto && ds->claim[i - 1].ep.port == c->ep.port)
			any |= ds->claim[i - 1].passing;
	}
	for (i = first; any && i; i = ds->claim[i - 1].next) {
		if (ds->claim[i - 1].proto == c->proto && ds->claim[i - 1].ep.port == c->ep.port)
			ds->claim[i - 1].passing = true;
	}
	ds->passing |= any;
}

static void claim_remove(struct dev_state *ds, const struct claim *was, const struct ip_addr *a)
{
	unsigned i;

	if (claim_wanted(ds, was, a))
		return;
	for (i = 0; i < ds->nnets; i++) {
		if (ds->net[i].used)
			key_drop(ds, i, was, a);
	}
}

static void claim_remove_all(struct dev_state *ds, struct claim *c)
{
	struct claim was = *c;
	uint32_t i;

	claim_free(ds, c);
	if (!claim_is_any(&was)) {
		claim_remove(ds, &was, &was.ep.addr);
		return;
	}
	for (i = 0; i < ds->naddrs; i++) {
		if (claim_covers(&was, &ds->addr[i].addr))
			claim_remove(ds, &was, &ds->addr[i].addr);
	}
}

static bool steer_ready(struct stackrec *sr)
{
	return sr->dev->nused && dev_ready(sr->dev);
}

/* SYNs first, and once it is known what the kernel has, everything (pass.c). */
static int claim_enter_nets(struct dev_state *ds, struct claim *c)
{
	bool syns = c->proto == IPPROTO_TCP;
	unsigned i;
	int err = 0;

	for (i = 0; syns && i < ds->nnets && !err; i++) {
		if (ds->net[i].used)
			err = claim_enter_all(ds, i, c, STEER_HOW_SYNS, true);
	}
	if (syns && !err)
		claim_look_passing(ds, c);
	for (i = 0; i < ds->nnets && !err; i++) {
		if (ds->net[i].used)
			err = claim_enter_all(ds, i, c, claim_how(c), false);
	}
	return err;
}

int claim_add(struct stackrec *sr, uint8_t proto, const struct endpoint *local)
{
	struct dev_state *ds = sr->dev;
	struct claim *c;
	int err;

	if (!ds)
		return -ENODEV;
	c = claim_find(ds, proto, local);
	if (c) {
		c->refs++;
		return 0;
	}
	c = claim_new(ds, proto, local);
	if (!c)
		return -ENOSPC;
	if (!steer_ready(sr)) /* only the loopback is open: nothing to steer */
		return 0;
	err = claim_enter_nets(ds, c);
	if (err) {
		claim_remove_all(ds, c);
		return err == -E2BIG ? -ENOSPC : err;
	}
	return 0;
}

void claim_del(struct stackrec *sr, uint8_t proto, const struct endpoint *local)
{
	struct dev_state *ds = sr->dev;
	struct claim *c = ds ? claim_find(ds, proto, local) : NULL;

	if (!c || --c->refs)
		return;
	if (steer_ready(sr))
		claim_remove_all(ds, c);
	else
		claim_free(ds, c);
}

static void steer_addr(struct dev_state *ds, const struct ip_addr *a, bool add)
{
	uint32_t i;
	unsigned n;

	for (i = 0; i < ds->claim_used; i++) {
		struct claim *c = &ds->claim[i];

		if (!c->refs || !claim_covers(c, a))
			continue;
		for (n = 0; n < ds->nnets; n++) {
			if (!ds->net[n].used)
				continue;
			if (add)
				claim_enter(ds, n, c, a, claim_how(c));
			else
				key_drop(ds, n, c, a);
		}
	}
}

void steer_addr_added(struct dev_state *ds, const struct ip_addr *a)
{
	steer_addr(ds, a, true);
}

void steer_addr_gone(struct dev_state *ds, const struct ip_addr *a)
{
	steer_addr(ds, a, false);
}

/* ---- flows ---------------------------------------------------------------------------------- */

static int flow_set(struct stackrec *sr, uint8_t proto, const struct endpoint *local,
		    const struct endpoint *remote, bool add)
{
	struct steer_flow key = {
		.lport = be16(local->port), .rport = be16(remote->port), .proto = proto};
	struct dev_state *ds = sr->dev;
	uint32_t val = STEER_FLOW(sr->idx);
	unsigned i;
	int err = 0;

	if (!ds)
		return -ENODEV;
	if (!steer_ready(sr))
		return 0;
	memcpy(key.laddr, local->addr.b, sizeof(key.laddr));
	memcpy(key.raddr, remote->addr.b, sizeof(key.raddr));
	for (i = 0; i < ds->nnets && !err; i++) {
		int fd = net_fd(ds, i, NET_FD_FLOWS);

		if (!ds->net[i].used || !addr_in_zone(ds, i, &local->addr))
			continue;
		if (add)
			err = map_update(fd, &key, &val);
		else
			map_delete(fd, &key);
	}
	return err;
}

int flow_add(struct stackrec *sr, uint8_t proto, const struct endpoint *local,
	     const struct endpoint *remote)
{
	int err = flow_set(sr, proto, local, remote, true);

	if (err)
		flow_set(sr, proto, local, remote, false);
	return err == -E2BIG ? -ENOSPC : err;
}

void flow_del(struct stackrec *sr, uint8_t proto, const struct endpoint *local,
	      const struct endpoint *remote)
{
	flow_set(sr, proto, local, remote, false);
}

/* ---- the program ---------------------------------------------------------------------------- */

static int steer_enter_claims(struct dev_state *ds, unsigned net)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < ds->claim_used && !err; i++) {
		struct claim *c = &ds->claim[i];

		if (c->refs)
			err = claim_enter_all(ds, net, c,
					      c->proto == IPPROTO_TCP ? STEER_HOW_SYNS : 0, false);
	}
	return err;
}

int steer_claims_whole(struct dev_state *ds, unsigned net)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < ds->claim_used && !err; i++) {
		struct claim *c = &ds->claim[i];

		if (!c->refs || c->proto != IPPROTO_TCP)
			continue;
		claim_look_passing(ds, c);
		err = claim_enter_all(ds, net, c, claim_how(c), false);
	}
	return err;
}

void steer_pass_none(struct dev_state *ds)
{
	uint32_t i;
	unsigned n;

	ds->passing = false;
	for (i = 0; i < ds->claim_used; i++) {
		struct claim *c = &ds->claim[i];

		if (!c->refs || !c->passing)
			continue;
		c->passing = false;
		for (n = 0; n < ds->nnets; n++) {
			if (ds->net[n].used)
				claim_enter_all(ds, n, c, claim_how(c), false);
		}
	}
}

/* The skeleton's code calls libc by names that we stand in front of: hence internal. */
static int skeleton_load(struct steer_bpf *skel)
{
	int err;

	skel->ctx.sz = (uint32_t)((char *)&skel->links - (char *)skel);
	thread_self.internal++;
	err = steer_bpf__load(skel);
	thread_self.internal--;
	return err;
}

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif

/* The skeleton's loader is a BPF program of its own. To those who may not run one that makes system
 * calls the kernel says EINVAL, as if it knew no such function. */
static bool loader_permitted(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {0};

	if (sys_call(SYS_capget, &h, d, 0))
		return true;
	return d[CAP_TO_INDEX(CAP_PERFMON)].effective & CAP_TO_MASK(CAP_PERFMON) ||
	       d[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

int steer_load(struct dev_state *ds, unsigned net, enum verdict *why)
{
	struct steer_bpf skel = {0};
	const struct {
		unsigned slot;
		int *fd;
	} maps[] = {
		{NET_FD_XSKS, &skel.maps.xsks.map_fd},
		{NET_FD_CLAIMS, &skel.maps.claims.map_fd},
		{NET_FD_FLOWS, &skel.maps.flows.map_fd},
		{NET_FD_PASSES, &skel.maps.passes.map_fd},
		{NET_FD_COUNTS, &skel.maps.counts.map_fd},
		{NET_FD_BACK, &skel.progs.back.prog_fd},
		{NET_FD_LINK, &skel.progs.steer.prog_fd}, /* until it is attached */
	};
	unsigned i;
	int err;

	err = skeleton_load(&skel);
	if (err == -EINVAL && !loader_permitted())
		err = -EPERM;
	if (err < 0) {
		log_info("%s: loading the steering program: error %d", ds->net[net].name, -err);
		*why = err == -EPERM ? VERDICT_no_permission : VERDICT_no_bpf;
		return err;
	}
	*why = VERDICT_no_memory;
	for (i = 0, err = 0; i < ARRAY_SIZE(maps); i++) {
		if (err)
			sys_close(*maps[i].fd);
		else
			err = dev_fd_set(ds, net_slot(net, maps[i].slot), *maps[i].fd);
	}
	if (err)
		return err;
	return steer_enter_claims(ds, net);
}

int steer_join(struct dev_state *ds, unsigned net)
{
	static const unsigned shared[] = {NET_FD_XSKS,   NET_FD_CLAIMS, NET_FD_FLOWS,
					  NET_FD_PASSES, NET_FD_COUNTS, NET_FD_BACK};
	const struct dev_state *first = family->stacks[0].dev;
	unsigned i;
	int fd, err = 0;

	for (i = 0; i < ARRAY_SIZE(shared) && !err; i++) {
		fd = sys_fcntl(net_fd(first, net, shared[i]), F_DUPFD_CLOEXEC, 0);
		err = fd < 0 ? fd : dev_fd_set(ds, net_slot(net, shared[i]), fd);
	}
	return err;
}

static int link_create(int prog_fd, uint32_t ifindex, uint32_t flags)
{
	union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t)prog_fd,
					       .target_ifindex = ifindex,
					       .attach_type = BPF_XDP,
					       .flags = flags}};

	return sys_bpf(BPF_LINK_CREATE, &attr, sizeof(attr));
}

int steer_attach(struct dev_state *ds, unsigned net, bool try_native, bool try_generic,
		 enum verdict *why)
{
	struct netdev *nd = &ds->net[net];
	unsigned slot = net_slot(net, NET_FD_LINK);
	int fd = -EOPNOTSUPP, err;

	if (try_native)
		fd = link_create(dev_fd(ds, slot), nd->ifindex, XDP_FLAGS_DRV_MODE);
	nd->native = fd >= 0;
	if (fd < 0 && fd != -EBUSY && fd != -EEXIST && fd != -EPERM && try_generic)
		fd = link_create(dev_fd(ds, slot), nd->ifindex, XDP_FLAGS_SKB_MODE);
	if (fd < 0) {
		*why = fd == -EBUSY || fd == -EEXIST ? VERDICT_xdp_busy
		       : fd == -EPERM                ? VERDICT_no_permission
						     : VERDICT_no_bpf;
		log_info("%s: attaching the steering program: error %d", nd->name, -fd);
		return fd;
	}
	dev_fd_close(ds, slot); /* the link holds the program */
	err = dev_fd_set(ds, slot, fd);
	if (err)
		*why = VERDICT_no_memory;
	return err;
}

void steer_log_foreign(const char *ifname, uint32_t prog_id)
{
	union bpf_attr attr = {.prog_id = prog_id};
	struct bpf_prog_info info = {0};
	int fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));

	if (fd >= 0) {
		memset(&attr, 0, sizeof(attr));
		attr.info.bpf_fd = (uint32_t)fd;
		attr.info.info_len = sizeof(info);
		attr.info.info = (uintptr_t)&info;
		sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
		sys_close(fd);
	}
	log_info("%s: XDP program %u (%s) is attached", ifname, prog_id,
		 info.name[0] ? info.name : "its name is not to be had");
}

/* Processors that a per-cpu map has values for; 0: unknown. The file says "0-3", "0" or "0,2-5". */
static uint32_t cpus_possible(void)
{
	char b[256];
	int fd = sys_openat(AT_FDCWD, "/sys/devices/system/cpu/possible", O_RDONLY, 0);
	ssize_t n = fd < 0 ? -1 : sys_read(fd, b, sizeof(b)), i;
	uint32_t last = 0;

	if (fd >= 0)
		sys_close(fd);
	if (n <= 0)
		return 0;
	for (i = 0; i < n; i++) {
		if (b[i] >= '0' && b[i] <= '9')
			last = last * 10 + (uint32_t)(b[i] - '0');
		else if (b[i] != '\n')
			last = 0;
	}
	return last + 1;
}

void steer_stats(struct dev_state *ds, unsigned net)
{
	static uint32_t cpus;
	uint64_t *v = (uint64_t *)ds->nlbuf, sum[STEER_COUNTS] = {0};
	uint32_t key, i;

	if (!cpus)
		cpus = cpus_possible();
	if (!cpus || cpus > sizeof(ds->nlbuf) / sizeof(*v))
		return;
	for (key = 0; key < STEER_COUNTS; key++) {
		union bpf_attr attr = {.map_fd = (uint32_t)net_fd(ds, net, NET_FD_COUNTS),
				       .key = (uintptr_t)&key,
				       .value = (uintptr_t)v};

		if (sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)))
			return;
		for (i = 0; i < cpus; i++)
			sum[key] += v[i];
	}
	ds->net[net].steered = sum[STEER_REDIRECTED];
	ds->net[net].passed = sum[STEER_PASSED];
}

void steer_detach(struct dev_state *ds, unsigned net)
{
	int fd = net_fd(ds, net, NET_FD_LINK);
	union bpf_attr attr = {.link_detach = {.link_fd = (uint32_t)fd}};

	if (fd >= 0)
		sys_bpf(BPF_LINK_DETACH, &attr, sizeof(attr));
}
