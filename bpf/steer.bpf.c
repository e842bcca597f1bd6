// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Steers packets of claimed addresses and flows to the AF_XDP socket of the queue they came on, and
 * passes everything else: other protocols, VLAN tags, IPv6, IP options, fragments (the kernel
 * reassembles), what is too short to tell, and UDP longer than the MTU: a veth neighbour's train of
 * datagrams (UDP_SEGMENT), which only the kernel can take apart. It never drops, and never changes
 * a packet. An empty socket slot passes, too, so that with the program's owner dead the kernel
 * answers.
 *
 * ICMP errors (RFC 792: unreachable, time exceeded, parameter problem) that quote a packet of ours
 * go where that packet came from.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
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
	__uint(max_entries, STEER_QUEUES);
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

#define TCP_FLAGS_AT 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10

static __always_inline void mapped(unsigned char *to, __be32 v4)
{
	__u32 *w = (__u32 *)to;

	w[0] = w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = v4;
}

static __always_inline int is_ours(__u8 proto, __be32 laddr, __be16 lport, __be32 raddr,
				   __be16 rport, int syn)
{
	struct steer_claim c = {.port = lport, .proto = proto};
	struct steer_flow f = {.lport = lport, .rport = rport, .proto = proto};
	__u32 *how;

	mapped(c.addr, laddr);
	how = bpf_map_lookup_elem(&claims, &c);
	if (how && !*how)
		return 1;
	mapped(f.laddr, laddr);
	mapped(f.raddr, raddr);
	if (how && *how == STEER_HOW_PASSES)
		return !bpf_map_lookup_elem(&passes, &f);
	return (how && syn) || bpf_map_lookup_elem(&flows, &f);
}

/* Opens a connection, and belongs to none. */
static __always_inline int is_syn(__u8 *tcp, void *end)
{
	return (void *)(tcp + TCP_FLAGS_AT + 1) <= end &&
	       (tcp[TCP_FLAGS_AT] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline int quotes_ours(struct icmp_head *icmp, void *end)
{
	struct iphdr *ip = (void *)(icmp + 1);
	struct ports *p;

	if ((void *)(ip + 1) > end)
		return 0;
	if (icmp->type != 3 && icmp->type != 11 && icmp->type != 12)
		return 0;
	if (ip->version != 4 || ip->ihl < 5)
		return 0;
	if (ip->frag_off & bpf_htons(0x1fff))
		return 0;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return 0;
	p = (void *)ip + ip->ihl * 4;
	if ((void *)(p + 1) > end)
		return 0;
	return is_ours(ip->protocol, ip->saddr, p->src, ip->daddr, p->dst, 0);
}

/* Several datagrams under one header. */
static __always_inline int is_train(struct xdp_md *ctx, struct iphdr *ip)
{
	__u32 len = bpf_ntohs(ip->tot_len);

	return bpf_check_mtu(ctx, 0, &len, 0, 0) != 0;
}

static __always_inline int concerns_us(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ports *p = (void *)(ip + 1);

	if ((void *)(p + 1) > end)
		return 0;
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->version != 4 || ip->ihl != 5)
		return 0;
	if (ip->frag_off & bpf_htons(0x3fff))
		return 0;
	if (ip->protocol == IPPROTO_TCP)
		return is_ours(IPPROTO_TCP, ip->daddr, p->dst, ip->saddr, p->src,
			       is_syn((__u8 *)p, end));
	if (ip->protocol == IPPROTO_UDP)
		return is_ours(IPPROTO_UDP, ip->daddr, p->dst, ip->saddr, p->src, 0) &&
		       !is_train(ctx, ip);
	if (ip->protocol == IPPROTO_ICMP) {
		struct icmp_head *icmp = (void *)(ip + 1);

		if ((void *)(icmp + 1) > end)
			return 0;
		return quotes_ours(icmp, end);
	}
	return 0;
}

SEC("xdp.frags")
int steer(struct xdp_md *ctx)
{
	int ours = concerns_us(ctx);
	__u32 which = ours ? STEER_REDIRECTED : STEER_PASSED;
	__u64 *n = bpf_map_lookup_elem(&counts, &which);

	if (n)
		++*n;
	return ours ? bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS) : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
