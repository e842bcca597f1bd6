/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this room share. Everything in struct dev_state lies in the arena and is
 * covered by the stack's lock. What differs between the processes of a family, their descriptor
 * numbers, is in struct dev_priv, in private memory, which fork copies just as it copies the
 * descriptors and the mappings of the rings.
 */
#ifndef SHIM_DEV_INTERNAL_H
#define SHIM_DEV_INTERNAL_H

#include <linux/if_xdp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "bpf/steer.h"
#include "shim/dev/dev.h"
#include "shim/proc/log.h"
#include "shim/proc/sys.h"
#include "stack/assert.h"

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif
#ifndef XDP_TX_METADATA
#define XDP_TX_METADATA (1 << 1)
#endif
#ifndef XDP_UMEM_TX_METADATA_LEN
#define XDP_UMEM_TX_METADATA_LEN (1 << 2)
#endif
#ifndef XDP_TXMD_FLAGS_CHECKSUM
#define XDP_TXMD_FLAGS_CHECKSUM (1 << 1)
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#ifndef AF_XDP
#define AF_XDP 44
#endif

#define DEV_NETS (STACK_DEVS - 1u) /* device 0 of the stack is the loopback; net[i] is i + 1 */
#define DEV_CLAIMS \
	4096u          /* claims of one stack; beyond: -ENOSPC, and the kernel serves the socket */
#define DEV_LINKS 256u /* interfaces of the namespace that are remembered as lying over another */
#define DEV_ADDRS STACK_LOCAL_ADDRS
#define DEV_HOPS 1024u /* next hops kept fresh; a power of two. The oldest gives way */
#define DEV_HOP_WAYS 4u
#define DEV_MAC_SLOTS 256u

/* Where rings are mapped: below the arena, at the same address in each process of the family. */
#define DEV_RING_BASE 0x2f0000000000ull
#define DEV_RING_SPAN (1ull << 20) /* of one ring */

/* A 64 KB packet of an unsegmented peer takes 17 descriptors: room for more than 200 of them. */
#define RX_ENTRIES 4096u
#define FILL_ENTRIES 4096u
#define TX_ENTRIES 2048u
/* A completion slot is reserved for each descriptor sent; never the shorter one. */
#define COMP_ENTRIES 4096u

/* One ring of an AF_XDP socket. Its indexes are only ever in the shared pages (a copy would
 * go stale across a fork). */
struct ring {
	_Atomic uint32_t *prod, *cons, *flags;
	void *desc;
	uint32_t size; /* entries, a power of two */
};

/* Frames of a stack that another one found completed: written by the holder of the queue's lock,
 * read by that of the stack's. Each frame is in it once at most, so it has room for all of them. */
struct done {
	_Atomic uint32_t prod, cons;
	uint32_t *idx;
};

/* A queue of a device that several stacks have sockets on. Its lock is for both rings that these
 * share; it is the last to be taken, and never held for more than a batch. */
struct xqueue {
	struct shim_lock lock;
	uint32_t mask; /* of done[].idx */
	struct done done[FAMILY_STACKS];
};

struct queue {
	struct ring rx, tx, fill, comp;
	uint32_t fill_target; /* frames the fill ring is to hold, for now; at most fill_max */
	uint32_t fill_max;
	bool fill_used;        /* it has been filled before */
	struct xqueue *shared; /* NULL: the rings are this stack's alone */
	uint32_t mine;         /* shared: frames of this stack that are in the fill ring, or were
				  taken from it and have not come back; at most fill_max */
};

/* Descriptors of a net, in dev_priv.fd. */
enum net_fd {
	NET_FD_LINK,
	NET_FD_XSKS,
	NET_FD_CLAIMS,
	NET_FD_FLOWS,
	NET_FD_PASSES,
	NET_FD_BACK,
	NET_FD_COUNTS,
	NET_FD_PACKET,
	NET_FD_XSK,
	NET_FDS = NET_FD_XSK + STEER_QUEUES
};
enum dev_fd {
	DEV_FD_NETLINK,
	DEV_FD_POKE,
	DEV_FD_POKE6,    /* there may be no IPv6: then none */
	DEV_FD_HOLD_IN,  /* where sockets that hold ports are put (hold.c), */
	DEV_FD_HOLD_OUT, /* and taken out; made on first use */
	DEV_FD_NET,
	DEV_FDS = DEV_FD_NET + DEV_NETS * NET_FDS
};

/* A local TCP port that is held in the kernel for connections of the stack. */
struct hold {
	struct endpoint local;
	uint32_t refs; /* 0: over, but for its socket */
	uint32_t next; /* in its bucket, or on the free list: index + 1 */
};
#define DEV_HOLDS 4096u

/* An interface we are attached to. */
struct netdev {
	bool used;
	bool up;
	bool noarp; /* no neighbours: destination MACs are zero */
	bool native, zerocopy, multibuf, tx_csum;
	bool gso_door, gso_cuts; /* the packet socket is there; the device takes super-segments */
	bool gso_udp, gso_ecn;   /* and trains of datagrams; and CWR in the first segment only */
	bool gso_udp_known;      /* the kernel knows trains that come by the packet socket */
	bool local_peer;         /* veth: a partial checksum can only mean "local" */
	char name[IFNAMSIZ];
	uint32_t ifindex, mtu;
	uint8_t mac[6];
	uint32_t gso_refused; /* times in a row */
	uint32_t gso_bytes;   /* TCP payload of the largest super-segment */
	uint32_t mtu6;        /* IPv6's, by sysctl or router; 0: the link's */
	uint8_t hop_limit;
	uint64_t inet6_ns;  /* when these two were last read */
	bool inet6_changed; /* since nl_inet6_look() last looked */
	uint32_t nqueues;
	uint32_t txq; /* the queue that packets are sent by */
	uint64_t rx_ring_full, rx_invalid, rx_fill_empty, steered, passed;
	uint8_t mac_used[DEV_MAC_SLOTS]; /* by hash: sent to since the last refresh */
	struct queue q[STEER_QUEUES];
};

struct claim {
	struct endpoint ep;
	uint8_t proto;
	bool passing;  /* the kernel may have connections on that port */
	uint32_t refs; /* 0: free */
	uint32_t next; /* in its bucket or on the free list, + 1 */
};

/* An interface that lies over another (VLAN, macvlan): packets for its addresses come through the
 * lower one with a tag that a generic XDP program can't see, so they are never claimed there. */
struct upper {
	uint32_t ifindex, lower;
};

struct local_addr {
	struct ip_addr addr;
	uint32_t ifindex;
};

struct hop {
	struct ip_addr addr;
	uint8_t net; /* + 1; 0: free */
	uint8_t mac[6];
	bool known; /* mac is valid */
	uint64_t asked_ns;
};

struct dev_state {
	struct stackrec *sr;
	_Atomic uint64_t gen; /* changes before and after id[], fd[] or rings do; a process with
				 another one in dev_priv has to catch up before it uses any */
	bool loop;            /* device 0 is open */
	uint32_t nnets;       /* high-water mark of net[] */
	struct netdev net[DEV_NETS];
	uint32_t nused; /* nets in use */
	pid_t owner;    /* who opened the latest: fd[] are its numbers, and its children's */
	int fd[DEV_FDS];
	uint64_t id[DEV_FDS]; /* what the descriptor is: SO_COOKIE, or type and id of a bpf object;
				 0: there is none */
	uint64_t *lent;       /* bit per frame: in the hands of a device */
	uint64_t frame0;      /* what the first of the stack's frames is in the UMEM */
	struct xqueue *xqueue[DEV_NETS][STEER_QUEUES]; /* the first stack's: made once */

	/* Frames going round: packets linked by qnext. */
	uint32_t loop_head, loop_tail, loop_len;

	struct claim claim[DEV_CLAIMS];
	uint32_t claim_bucket[256]; /* index + 1, by port */
	uint32_t claim_free, claim_used;
	bool passing;                        /* some claim is */
	uint64_t pass_ns;                    /* when the kernel's connections were last looked at */
	struct steer_flow pass_at[DEV_NETS]; /* how far that came */

	struct hold hold[DEV_HOLDS];
	uint32_t hold_bucket[256]; /* index + 1, by port */
	uint32_t hold_free, hold_used;
	uint32_t hold_over;   /* those without references */
	uint32_t hold_stored; /* sockets in the store */
	uint64_t hold_ns;     /* when it was last gone through */

	uint32_t nl_seq, nl_portid;
	bool nl_resync; /* something was missed: read everything again */
	bool routes_changed;
	struct local_addr addr[DEV_ADDRS];
	uint32_t naddrs;
	struct upper upper[DEV_LINKS];
	uint32_t nuppers;
	struct hop hop[DEV_HOPS];
	uint64_t refresh_ns, stats_ns; /* when last done */
	uint8_t nlbuf[32768] __attribute__((aligned(8)));
};

struct dev_priv {
	uint64_t gen;
	uint64_t failed_gen; /* could not be had by this process: not tried again */
	int fd1[DEV_FDS];    /* descriptor + 1; 0: none */
	int offer1[DEV_FDS]; /* likewise, left by the image before and not looked at yet */
	uint64_t id[DEV_FDS];
};

extern struct dev_priv dev_priv[FAMILY_STACKS];

/* id[] or fd[] have changed: others have to catch up. */
void dev_changed(struct dev_state *ds);
/* Catches up with what other processes of the family have opened or closed. */
bool dev_catch_up(struct dev_state *ds);

/* This process can use the rings and descriptors. */
static inline bool dev_ready(struct dev_state *ds)
{
	return likely(dev_priv[ds->sr->idx].gen == ds->gen) || dev_catch_up(ds);
}

static inline struct dev_priv *priv_of(const struct dev_state *ds)
{
	return &dev_priv[ds->sr->idx];
}

static inline int dev_fd(const struct dev_state *ds, unsigned slot)
{
	int fd1 = dev_priv[ds->sr->idx].fd1[slot];

	return fd1 ? fd_hidden_at(fd1 - 1) : -1;
}

static inline unsigned net_slot(unsigned net, unsigned which)
{
	return DEV_FD_NET + net * NET_FDS + which;
}

static inline int net_fd(const struct dev_state *ds, unsigned net, unsigned which)
{
	return dev_fd(ds, net_slot(net, which));
}

/* Hides fd and enters it, for all of the family. 0, or -Exxx: fd is closed. */
int dev_fd_set(struct dev_state *ds, unsigned slot, int fd);
void dev_fd_close(struct dev_state *ds, unsigned slot);

/* Makes the store of ports in use (hold.c), unless there is one. 0 or -Exxx. */
int hold_open(struct dev_state *ds);

/* Tells the stack what net is now. */
void net_tell(struct dev_state *ds, unsigned net);

static inline unsigned mac_slot(const uint8_t *mac)
{
	return (mac[5] ^ mac[4] * 31u ^ mac[3] * 131u) % DEV_MAC_SLOTS;
}

/* ---- frames lent to devices: a frame that a ring gives back without having got it is ignored  */

static inline void frame_lend(struct dev_state *ds, uint32_t idx)
{
	ds->lent[idx / 64] |= 1ull << (idx % 64);
}

/* True if it was lent. */
static inline bool frame_take_back(struct dev_state *ds, const struct frame_pool *fp, uint64_t idx)
{
	uint64_t bit = 1ull << (idx % 64), *w;

	if (unlikely(idx >= fp->count))
		return false;
	w = &ds->lent[idx / 64];
	if (unlikely(!(*w & bit)))
		return false;
	*w &= ~bit;
	return true;
}

/* ---- rings.c -------------------------------------------------------------------------------- */

/* Maps the rings of fd, the AF_XDP socket of net's queue qid, and enters them. 0 or -Exxx. */
int rings_map(struct dev_state *ds, unsigned net, unsigned qid, int fd);
/* Empty ones in their place, in this process. */
void rings_unmap(const struct dev_state *ds, unsigned net, unsigned q);
/* In a process that did not open net: maps the rings where they are for the others / no more. */
int rings_map_again(struct dev_state *ds, unsigned net);
void rings_unmap_here(struct dev_state *ds, unsigned net);

/* ---- xsk.c ---------------------------------------------------------------------------------- */

/* Whether this process may have AF_XDP sockets at all: the first thing to ask, and the cheapest. */
int xsk_probe(enum verdict *why);
/* AF_XDP sockets with their rings on every queue of net, nqueues if that is known. 0, or -Exxx with
 * *why. */
int xsk_open(struct dev_state *ds, unsigned net, enum verdict *why);
/* Puts them into the steering program's map, and frames into the fill rings. */
int xsk_start(struct dev_state *ds, unsigned net);
/* Unmaps and closes; the caller then takes the frames back. */
void xsk_close(struct dev_state *ds, unsigned net);
/* Up to max packets into the stack. */
int xsk_rx(struct dev_state *ds, unsigned net, int max, uint64_t now_ns);
/* One packet into the ring of net's txq; -EAGAIN: it is full. The frame passes over. */
int xsk_tx(struct dev_state *ds, unsigned net, const struct tx_ent *e);
/* Frames whose transmission is complete go back to the pool. */
void xsk_reclaim(struct dev_state *ds, unsigned net);
/* Descriptors in net's transmit ring that the kernel has not taken. */
uint32_t xsk_tx_pending(const struct dev_state *ds, unsigned net);
/* Makes the kernel send. Returns what is still pending, or -Exxx: the device can't send at all. No
 * lock needed. */
int xsk_kick(const struct dev_state *ds, unsigned net);
/* The same by who holds the lock, and what is sent is reclaimed. */
int xsk_flush(struct dev_state *ds, unsigned net);
void xsk_stats(struct dev_state *ds, unsigned net);
/* Frames whose descriptors still lie in a ring are the device's: the dead may have begun to take
 * them back. */
void xsk_mend(struct dev_state *ds, unsigned net);
static inline bool ring_pending(const struct ring *r)
{
	return atomic_load_explicit(r->prod, memory_order_relaxed) !=
	       atomic_load_explicit(r->cons, memory_order_relaxed);
}

/* ---- steer.c -------------------------------------------------------------------------------- */

/* Loads the program with maps of its own for net, and enters all claims, for SYNs only. */
int steer_load(struct dev_state *ds, unsigned net, enum verdict *why);
/* The same by the first stack's program and maps, for another stack. */
int steer_join(struct dev_state *ds, unsigned net);
/* net being attached, makes them whole. */
int steer_claims_whole(struct dev_state *ds, unsigned net);
/* The kernel has no connections any more on any port that is claimed. */
void steer_pass_none(struct dev_state *ds);
/* Attaches it; from then on packets come. native, generic or both are tried as the knob says. */
int steer_attach(struct dev_state *ds, unsigned net, bool try_native, bool try_generic,
		 enum verdict *why);
/* Says in the log whose program stands in the way. */
void steer_log_foreign(const char *ifname, uint32_t prog_id);
/* Reads the program's counters. */
void steer_stats(struct dev_state *ds, unsigned net);
/* Detaches it, whoever else still holds the link. */
void steer_detach(struct dev_state *ds, unsigned net);
/* An address came or went (ds->addr is as it is now): claims of any address follow. */
void steer_addr_added(struct dev_state *ds, const struct ip_addr *a);
void steer_addr_gone(struct dev_state *ds, const struct ip_addr *a);
void steer_init(struct dev_state *ds);
/* Packets to a are among those that c wants. */
bool claim_covers(const struct claim *c, const struct ip_addr *a);
/* Packets for local are ours. */
bool steer_claims(struct dev_state *ds, uint8_t proto, const struct endpoint *local);
/* Map operations by descriptor: 0 or -Exxx. */
int map_update(int fd, const void *key, const void *val);
int map_delete(int fd, const void *key);

/* ---- pass.c --------------------------------------------------------------------------------- */

/* Enters the connections that the kernel has on c's port. How many. */
uint32_t pass_enter(struct dev_state *ds, const struct claim *c);
/* Now and then, forgets those that have ended. */
void pass_refresh(struct dev_state *ds, uint64_t now_ns);

/* ---- back.c --------------------------------------------------------------------------------- */

/* Gives the stack's strays back to the kernel. */
void back_run(struct dev_state *ds);

/* ---- gso.c ---------------------------------------------------------------------------------- */

/* The packet socket of net. Without one there are no super-segments, which is not an error. */
void gso_open(struct dev_state *ds, unsigned net);
/* Looks again whether the device cuts super-segments up (ethtool -K tso); net_tell() says it on. */
void gso_check(struct dev_state *ds, unsigned net);
/* Sends the super-segments for net at the head of the txq. How many, or -EAGAIN: none now. */
int gso_send(struct dev_state *ds, unsigned net);

/* ---- loop.c --------------------------------------------------------------------------------- */

/* Turns one packet round; -EAGAIN: no room now. The frame passes over. */
int loop_tx(struct dev_state *ds, const struct tx_ent *e);
int loop_rx(struct dev_state *ds, int max, uint64_t now_ns);

/* ---- netlink.c: the conversation ------------------------------------------------------------ */

struct nlmsghdr;
struct rtattr;

/* An interface as the kernel describes it. */
struct link_info {
	uint32_t ifindex, flags, mtu, lower, gso_max;
	uint32_t mtu6; /* 0: no IPv6 there */
	uint8_t hop_limit;
	uint32_t xdp_prog; /* id of the XDP program attached to it; 0: none */
	char name[IFNAMSIZ], kind[16];
	uint8_t mac[6];
};

typedef void nl_reply_fn(struct dev_state *ds, const struct nlmsghdr *h, void *arg);

int nl_open(struct dev_state *ds);
/*
 * Sends h (its sequence number is set here) and gives each message of the answer to fn; news that
 * come in between are taken in. 0, or what the kernel says.
 */
int nl_talk(struct dev_state *ds, struct nlmsghdr *h, nl_reply_fn *fn, void *arg);
/* Takes in what is there, bounded. */
void nl_news(struct dev_state *ds, uint64_t now_ns);
/* Interfaces, addresses: read anew. */
int nl_sync(struct dev_state *ds);
int nl_link(struct dev_state *ds, const char *name, uint32_t ifindex, struct link_info *li);
/* Reads net's IPv6 MTU and hop limit, which change without news, unless that was done just now. */
void nl_inet6(struct dev_state *ds, struct netdev *nd, uint64_t now_ns);
/* Likewise; routes count as changed when they have. */
void nl_inet6_look(struct dev_state *ds, struct netdev *nd, uint64_t now_ns);
/* Interfaces for SHIM_IFACE=auto, at most max. */
int nl_auto_ifaces(struct dev_state *ds, char (*name)[IFNAMSIZ], int max);
void nl_attr_put(struct nlmsghdr *h, size_t room, unsigned type, const void *val, size_t len);
const void *nl_attr_find(const struct rtattr *a, int len, unsigned type, size_t min_len);

/* ---- neigh.c: routes and neighbours --------------------------------------------------------- */

struct route_info {
	int err;      /* 0, or -ENETUNREACH, -EHOSTUNREACH, -EACCES */
	uint8_t type; /* RTN_* */
	uint32_t oif, mtu, hop_limit;
	struct ip_addr next_hop, src;
};

int route_get(struct dev_state *ds, const struct ip_addr *dst, struct route_info *ri);
/* Answers what the stack asks. */
void neigh_answer(struct dev_state *ds, uint64_t now_ns);
/* RTM_NEWNEIGH or RTM_DELNEIGH. */
void neigh_notice(struct dev_state *ds, const struct nlmsghdr *h, uint64_t now_ns);
/* Keeps those in use from going stale in the kernel. */
void neigh_refresh(struct dev_state *ds, uint64_t now_ns);

/* The net with that ifindex, or -1. */
int net_by_ifindex(const struct dev_state *ds, uint32_t ifindex);
/* Packets to a can come in by net: it is this host's, and not of another link. */
bool addr_is_on(const struct dev_state *ds, unsigned net, const struct ip_addr *a);
/* net is not another link than the one a belongs to. */
static inline bool addr_in_zone(const struct dev_state *ds, unsigned net, const struct ip_addr *a)
{
	return !a->scope || a->scope == ds->net[net].ifindex;
}
/* An address as netlink has it in so many bytes (4 or 16); link-local ones are of that link. */
static inline struct ip_addr addr_from(const void *p, unsigned bytes, uint32_t ifindex)
{
	uint32_t v4;

	if (bytes != 4)
		return ip_addr_v6(p, ifindex);
	memcpy(&v4, p, 4);
	return ip_addr_v4(v4);
}
static inline uint8_t addr_family(const struct ip_addr *a)
{
	return ip_addr_is_v4(a) ? AF_INET : AF_INET6;
}
/* The bytes of a in netlink: 4 or 16 of them. */
static inline const void *addr_bytes(const struct ip_addr *a, size_t *n)
{
	*n = ip_addr_is_v4(a) ? 4 : 16;
	return a->b + 16 - *n;
}

#endif
