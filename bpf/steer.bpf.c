// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Steers packets of claimed addresses and flows to an AF_XDP socket of the queue they came on: that
 * of the stack which serves them, or of one that the flow's hash chooses among several; and
 * passes everything else: other protocols, VLAN tags, IPv4 options, fragments (the kernel
 * reassembles), what is too short to tell, and UDP longer than the MTU: a veth neighbour's train of
 * datagrams (UDP_SEGMENT), which only the kernel can take apart. It never drops, and never changes
 * a packet. An empty socket slot passes, too, so that with the program's owner dead the kernel
 * answers.
 *
 * IPv6 (RFC 8200 4): hop-by-hop options (first, or not at all), destination options and routing
 * headers that are done with are stepped over, up to STEER_EXT_MAX of them. What else there is, or
 * more, is the kernel's, as are multicast, neighbour discovery and a v4-mapped address on the wire:
 * nobody claims them.
 *
 * ICMP errors (RFC 792: unreachable, time exceeded, parameter problem; RFC 4443: those and packet
 * too big) that quote a segment of ours go where that segment came from. Those about datagrams are
 * the kernel's.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "steer.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_CLAIMS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct steer_claim);
	__type(value, __u32);
} claims SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct steer_flow);
	__type(value, __u32);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_PASSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct steer_flow);
	__type(value, __u32);
} passes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, STEER_QUEUES *STEER_STACKS);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct icmp_head {
	__u8 type, code;
	__u16 csum;
	__u32 rest;
};

struct ports {
	__be16 src, dst;
};

/* An extension header, as far as its length, and in a routing header what is left to visit. */
struct ext_head {
	__u8 next, units; /* of 8 bytes, beyond the first */
	__u8 type, segments_left;
};

/* What whose() asks about. */
struct packet {
	struct steer_flow flow;
	__u32 syn;       /* opens a connection, and belongs to none */
	__u32 udp_bytes; /* of the IP packet, when it is UDP and no quotation */
};

#define TCP_FLAGS_AT 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10

static __always_inline void map_v4(unsigned char *to, __be32 v4)
{
	__u32 *w = (__u32 *)to;

	w[0] = w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = v4;
}

/* An address that must not be on the wire; here it would be taken for IPv4. */
static __always_inline int is_mapped(const struct in6_addr *a)
{
	return !a->s6_addr32[0] && !a->s6_addr32[1] && a->s6_addr32[2] == bpf_htonl(0xffff);
}

/* A quoted packet of a flow has the hash of the flow's own. */
static __always_inline __u32 flow_hash(const struct steer_flow *f)
{
	const __u32 *w = (const __u32 *)f;
	__u32 h = 0, i;

#pragma unroll
	for (i = 0; i < sizeof(*f) / sizeof(*w); i++) {
		h = (h ^ w[i]) * 0x9e3779b1u;
		h ^= h >> 15;
	}
	h *= 0x85ebca6bu;
	return h ^ h >> 13;
}

/* Of several stacks that share a claim: a flow that one of them opened itself is that one's. */
static __always_inline int shared_stack(const struct packet *p, __u32 claim)
{
	__u32 *flow = bpf_map_lookup_elem(&flows, &p->flow);

	if (flow)
		return STEER_FLOW_STACK(*flow);
	return STEER_CLAIM_FIRST(claim) +
	       (__u32)((__u64)flow_hash(&p->flow) * STEER_CLAIM_COUNT(claim) >> 32);
}

static __always_inline int claim_stack(const struct packet *p, __u32 claim)
{
	return STEER_CLAIM_COUNT(claim) > 1 ? shared_stack(p, claim) : STEER_CLAIM_FIRST(claim);
}

#define NOT_OURS -1

/* Whose it is: the number of a stack, or NOT_OURS. */
static __always_inline int whose(const struct packet *p)
{
	struct steer_claim c = {.port = p->flow.lport, .proto = p->flow.proto};
	__u32 *claim, *flow;

	__builtin_memcpy(c.addr, p->flow.laddr, sizeof(c.addr));
	claim = bpf_map_lookup_elem(&claims, &c);
	if (claim && !STEER_CLAIM_HOW(*claim))
		return claim_stack(p, *claim);
	if (claim && STEER_CLAIM_HOW(*claim) == STEER_HOW_PASSES)
		return bpf_map_lookup_elem(&passes, &p->flow) ? NOT_OURS : claim_stack(p, *claim);
	if (claim && p->syn)
		return claim_stack(p, *claim);
	flow = bpf_map_lookup_elem(&flows, &p->flow);
	return flow ? STEER_FLOW_STACK(*flow) : NOT_OURS;
}

static __always_inline int is_syn(__u8 *tcp, void *end)
{
	return (void *)(tcp + TCP_FLAGS_AT + 1) <= end &&
	       (tcp[TCP_FLAGS_AT] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* The transport header of a packet to us. */
static __always_inline int take_ports(struct packet *p, void *l4, void *end, __u8 proto,
				      __u32 bytes)
{
	struct ports *ports = l4;

	if ((void *)(ports + 1) > end || (proto != IPPROTO_TCP && proto != IPPROTO_UDP))
		return 0;
	p->flow.proto = proto;
	p->flow.lport = ports->dst;
	p->flow.rport = ports->src;
	if (proto == IPPROTO_TCP)
		p->syn = is_syn(l4, end);
	else
		p->udp_bytes = bytes;
	return 1;
}

/* Likewise of one from us, quoted. Datagrams are not asked about: the kernel's socket beneath ours
 * has the same addresses, and with it the error queue. */
static __always_inline int take_quoted_ports(struct packet *p, void *l4, void *end, __u8 proto)
{
	struct ports *ports = l4;

	if ((void *)(ports + 1) > end || proto != IPPROTO_TCP)
		return 0;
	p->flow.proto = proto;
	p->flow.lport = ports->src;
	p->flow.rport = ports->dst;
	return 1;
}

/* ---- IPv4 ----------------------------------------------------------------------------------- */

static __always_inline int quoted4(struct packet *p, struct icmp_head *icmp, void *end)
{
	struct iphdr *ip = (void *)(icmp + 1);

	if ((void *)(ip + 1) > end)
		return 0;
	if (icmp->type != 3 && icmp->type != 11 && icmp->type != 12)
		return 0;
	if (ip->version != 4 || ip->ihl < 5)
		return 0;
	if (ip->frag_off & bpf_htons(0x1fff))
		return 0;
	map_v4(p->flow.laddr, ip->saddr);
	map_v4(p->flow.raddr, ip->daddr);
	return take_quoted_ports(p, (void *)ip + ip->ihl * 4, end, ip->protocol);
}

static __always_inline int parse4(struct packet *p, struct iphdr *ip, void *end)
{
	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5)
		return 0;
	if (ip->frag_off & bpf_htons(0x3fff))
		return 0;
	if (ip->protocol == IPPROTO_ICMP) {
		struct icmp_head *icmp = (void *)(ip + 1);

		return (void *)(icmp + 1) <= end && quoted4(p, icmp, end);
	}
	map_v4(p->flow.laddr, ip->daddr);
	map_v4(p->flow.raddr, ip->saddr);
	return take_ports(p, ip + 1, end, ip->protocol, bpf_ntohs(ip->tot_len));
}

/* ---- IPv6 ----------------------------------------------------------------------------------- */

/* Steps over extension headers. NULL: it is for the kernel. *next becomes what follows. */
static __always_inline void *skip_exts(void *at, void *end, __u8 *next)
{
	int i;

#pragma unroll
	for (i = 0; i < STEER_EXT_MAX; i++) {
		struct ext_head *h = at;

		if (*next != IPPROTO_DSTOPTS && *next != IPPROTO_ROUTING &&
		    (*next != IPPROTO_HOPOPTS || i > 0))
			break;
		if ((void *)(h + 1) > end)
			return 0;
		if (*next == IPPROTO_ROUTING && h->segments_left)
			return 0;
		*next = h->next;
		at += (h->units + 1u) * 8u;
	}
	return at;
}

static __always_inline int quoted6(struct packet *p, struct icmp_head *icmp, void *end)
{
	struct ipv6hdr *ip = (void *)(icmp + 1);

	if ((void *)(ip + 1) > end || icmp->type < 1 || icmp->type > 4 || ip->version != 6)
		return 0;
	if (is_mapped(&ip->saddr) || is_mapped(&ip->daddr))
		return 0;
	__builtin_memcpy(p->flow.laddr, &ip->saddr, sizeof(p->flow.laddr));
	__builtin_memcpy(p->flow.raddr, &ip->daddr, sizeof(p->flow.raddr));
	/* We send no extension headers. */
	return take_quoted_ports(p, ip + 1, end, ip->nexthdr);
}

static __always_inline int parse6(struct packet *p, struct ipv6hdr *ip, void *end)
{
	__u8 next;
	void *at;

	/* Without a length it is larger than one can say here (RFC 2675), or nothing. */
	if ((void *)(ip + 1) > end || ip->version != 6 || !ip->payload_len)
		return 0;
	if (is_mapped(&ip->saddr) || is_mapped(&ip->daddr))
		return 0;
	next = ip->nexthdr;
	at = skip_exts(ip + 1, end, &next);
	if (!at)
		return 0;
	if (next == IPPROTO_ICMPV6) {
		struct icmp_head *icmp = at;

		return (void *)(icmp + 1) <= end && quoted6(p, icmp, end);
	}
	__builtin_memcpy(p->flow.laddr, &ip->daddr, sizeof(p->flow.laddr));
	__builtin_memcpy(p->flow.raddr, &ip->saddr, sizeof(p->flow.raddr));
	return take_ports(p, at, end, next, sizeof(*ip) + bpf_ntohs(ip->payload_len));
}

/* ---- deciding ------------------------------------------------------------------------------- */

static __always_inline int steer_to(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct packet p = {};
	int known = 0, stack;
	__u32 bytes;

	if ((void *)(eth + 1) > end)
		return NOT_OURS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		known = parse4(&p, (void *)(eth + 1), end);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		known = parse6(&p, (void *)(eth + 1), end);
	stack = known ? whose(&p) : NOT_OURS;
	/* Several datagrams under one header. */
	bytes = p.udp_bytes;
	if (stack == NOT_OURS || (bytes && bpf_check_mtu(ctx, 0, &bytes, 0, 0) != 0))
		return NOT_OURS;
	return stack;
}

SEC("xdp.frags")
int steer(struct xdp_md *ctx)
{
	int stack = steer_to(ctx);
	__u32 which = stack != NOT_OURS ? STEER_REDIRECTED : STEER_PASSED;
	__u64 *n = bpf_map_lookup_elem(&counts, &which);

	if (n)
		++*n;
	if (stack == NOT_OURS)
		return XDP_PASS;
	return bpf_redirect_map(&xsks, STEER_SLOT(ctx->rx_queue_index, (__u32)stack), XDP_PASS);
}

/* For packets that we give back to the kernel (shim/dev/back.c): it takes them. */
SEC("xdp.frags")
int back(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
