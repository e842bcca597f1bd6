/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices: how packets come and go, which flows come to us, and what the kernel knows about the
 * neighbourhood. One dev_state per stack, in the arena. It holds no private copies of ring indices,
 * so any process of the family may run it under the stack's lock. All calls need that lock.
 *
 * Several stacks of a family have the same interfaces: the first opens them, the others join. Each
 * has an AF_XDP socket of its own on every queue, all in one UMEM, of which each stack's frames are
 * a part; the sockets of a queue share its fill and completion ring (struct xqueue). Packets come
 * to the stack that the steering program finds; frames stay with the stack whose they are.
 */
#ifndef SHIM_DEV_DEV_H
#define SHIM_DEV_DEV_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/proc/family.h"
#include "stack/stack.h"

/* The in-stack loopback only: device 0, no interface, no permission needed. 0 or -Exxx. */
int dev_open_loopback(struct stackrec *sr);

/*
 * Attaches the stack to an interface: AF_XDP sockets on each of its queues, the steering program,
 * netlink. iface: a name, or NULL for the one(s) that SHIM_IFACE=auto chooses. May be called once
 * per interface. 0, or -Exxx with *why set; nothing is left behind on failure.
 */
int dev_open(struct stackrec *sr, const char *iface, enum verdict *why);
void dev_close(struct stackrec *sr);
/*
 * Opens for sr what the first stack has open, whose lock is held, too. 0, or -Exxx with *why set:
 * nothing is left behind.
 */
int dev_join(struct stackrec *sr, enum verdict *why);

/* Takes up to max packets from every ring into the stack (stack_rx). Returns how many. */
int dev_rx(struct stackrec *sr, int max, uint64_t now_ns);
/* True when a ring has something: a look at memory, no system call, no lock needed. */
bool dev_rx_pending(const struct stackrec *sr);
/*
 * Reclaims what the devices have sent, and puts what is in the stack's txq on their rings (loopback
 * included: that comes back through dev_rx). A ring that is full is kicked meanwhile, and what the
 * packet sockets take is sent: system calls, the lock held.
 */
void dev_tx(struct stackrec *sr, uint64_t now_ns);
/* Packets on the rings that the kernel has not sent yet: a look at memory, no lock needed. */
uint32_t dev_tx_pending(const struct stackrec *sr);
/*
 * Makes the kernel send them, all that come meanwhile included, within a bound. No lock needed, and
 * none should be held: a peer on a veth takes its packets in this very call. One thread at a time,
 * for all; must: this thread in any case.
 */
void dev_kick(struct stackrec *sr, bool must);

/*
 * After a death with the stack's lock held: mends what the dead may have left half done here. Gives
 * the bit per frame that is in the hands of a device, for stack_reset_all(); NULL: none is.
 */
const uint64_t *dev_mend(struct stackrec *sr);

/* Descriptors whose POLLIN means that dev_rx() or dev_news() has something to do. Same numbers in
 * every process of the family that was forked from its founder. Returns how many (<= max). */
int dev_fds(const struct stackrec *sr, int *fds, int max);
/* Changes when what dev_fds() gives does; never 0. */
uint64_t dev_generation(const struct stackrec *sr);
/* Reads what netlink has to say (address, route, rule, neighbour, link) and answers the stack's
 * requests for destinations. Cheap when there is nothing. */
void dev_news(struct stackrec *sr, uint64_t now_ns);

/*
 * The route to dst as the kernel sees it now (policy rules included): through which device of ours
 * (-1: none of ours), and the source address it would choose (RFC 6724 is its business). A
 * link-local dst has its scope. 0, -ENETUNREACH, ...
 */
int dev_route(struct stackrec *sr, const struct ip_addr *dst, int *dev, struct ip_addr *src);
/* The same, and the path MTU that the kernel has learnt or been given; 0: the device's. */
int dev_route_mtu(struct stackrec *sr, const struct ip_addr *dst, int *dev, struct ip_addr *src,
		  uint32_t *mtu);

/* Is local (any address: yes if some attached interface exists) an address that packets can reach
 * us on? loopback addresses only with the loopback device open. */
bool dev_serves(const struct stackrec *sr, const struct ip_addr *local);

/* Steers all of (proto, local address, port) to the stack / no more; of TCP, with several stacks,
 * to them all, connection by connection: then sr is the first. 0.0.0.0 (mapped) stands for all IPv4
 * addresses, :: for all of IPv6: who wants both claims both. 0, -EEXIST, -ENOSPC. */
int claim_add(struct stackrec *sr, uint8_t proto, const struct endpoint *local);
void claim_del(struct stackrec *sr, uint8_t proto, const struct endpoint *local);
/* Steers one flow (exact four-tuple): outgoing connections, and those a closed listener leaves. */
int flow_add(struct stackrec *sr, uint8_t proto, const struct endpoint *local,
	     const struct endpoint *remote);
void flow_del(struct stackrec *sr, uint8_t proto, const struct endpoint *local,
	      const struct endpoint *remote);

/*
 * TCP ports of connections whose own socket in the kernel, or their listener's, is gone: held by
 * sockets that no descriptor names (hold.c). Adds a reference for local; fd: a socket bound to it,
 * whose description is kept (fd itself stays the caller's), or -1: only if it is held already, else
 * -ENOENT. 0, or -Exxx: it isn't held.
 */
int hold_add(struct stackrec *sr, const struct endpoint *local, int fd);
void hold_del(struct stackrec *sr, const struct endpoint *local);
/* Is any? Without the lock: a hint. */
bool hold_any(const struct stackrec *sr);
/* Lets go of ports that have no references any more: at once, or soon if there are many others. */
void hold_sweep(struct stackrec *sr, uint64_t now_ns);

/* For the tools, from another process: what was got. */
struct dev_report {
	char ifname[16];
	uint32_t ifindex, mtu, queues;
	uint8_t native, zerocopy, multibuf, tx_csum, gso_door;
	uint64_t rx_ring_full, rx_invalid, rx_fill_empty; /* XDP_STATISTICS, as last read */
	uint64_t steered,
		passed; /* packets that the steering program gave us / the kernel, likewise */
};
int dev_report(const struct stackrec *sr, unsigned i, struct dev_report *out); /* -ENOENT: past */

/*
 * Over exec. dev_each_fd() tells of every descriptor that this process has of a stack's devices, by
 * a number within it (the stack's lock held); dev_offer_fd() gives one that the image before had to
 * this one, which uses it when it first uses the devices, if it is what the family has by then.
 */
void dev_each_fd(const struct stackrec *sr,
		 void (*each)(void *arg, unsigned stack, unsigned slot, int fd), void *arg);
void dev_offer_fd(unsigned stack, unsigned slot, int fd);

#endif
