/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tries, in a child process, what acceleration will ask of the kernel: AF_XDP, BPF, and attaching
 * to a veth pair in a network namespace made for it, which goes when the child does.
 */
#ifndef SHIM_TOOL_PROBE_H
#define SHIM_TOOL_PROBE_H

#include <stdint.h>

/* Each: 0, or -Exxx; PROBE_UNTRIED when something before it failed. */
#define PROBE_UNTRIED INT32_MIN
struct probe {
	int xsk;                       /* an AF_XDP socket */
	int umem;                      /* registering the packet memory of umem_bytes */
	int tx_metadata;               /* with room for transmit metadata */
	int xskmap;                    /* an XSKMAP */
	int prog;                      /* loading an XDP program (xdp.frags) */
	int netns;                     /* a network namespace with a veth pair in it */
	int link_native, link_generic; /* bpf_link on that veth */
	int bind;     /* binding the socket to its queue, with XDP_USE_NEED_WAKEUP */
	int bind_sg;  /* a second one, with XDP_USE_SG */
	int gso_door; /* a packet socket with PACKET_VNET_HDR and PACKET_QDISC_BYPASS */
	int arena;    /* arena_bytes of address space at the family's fixed address */
	int uring;
	uint32_t uring_ops; /* a bit each: recv, send, accept, provided buffers, send_zc */
};

/* Fills p. 0, or -Exxx when not even a child could be had, or it took longer than 10 s. */
int probe_machine(struct probe *p, uint64_t umem_bytes, uint64_t arena_bytes);

/* What an interface can do, as the kernel's netdev family tells (Linux 6.3): NETDEV_XDP_ACT_*. */
#define PROBE_XDP_BASIC 1u
#define PROBE_XDP_REDIRECT 2u
#define PROBE_XDP_ZEROCOPY 8u
#define PROBE_XDP_RX_SG 32u
int probe_xdp_features(uint32_t ifindex, uint64_t *features);

/* The XDP program on an interface: its id (0: none) and mode ("native", "generic", ...). */
int probe_xdp_attached(uint32_t ifindex, uint32_t *prog_id, const char **mode);

/* How many programs libxdp's dispatcher runs there; 0: none, or built without libxdp. */
unsigned probe_xdp_dispatched(uint32_t ifindex);

#endif
