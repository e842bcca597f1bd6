/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bulk door: TCP super-segments and trains of datagrams go out through a packet socket with a
 * virtio header, and the kernel or the device cuts them up; one call carries up to GSO_BATCH of
 * them, each up to 64 KB.
 * The payload is copied by the kernel within the call, straight from the connection's send blocks.
 *
 * Order within a connection: the caller has emptied the AF_XDP transmit ring first, and what is put
 * on that ring later is sent later. The queueing discipline is passed by; a device queue that is
 * full shows as -ENOBUFS, and the super-segment stays in the txq. The socket receives nothing.
 *
 * Past the queueing discipline the kernel cuts nothing up in software: what the device does not cut
 * it drops, silently. So the door is open only while the device says that it does, for TCP of both
 * families, and for datagrams on their own (many a device cuts TCP only).
 */
#include "shim/dev/internal.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/utsname.h>

#include "shim/proc/knobs.h"
#include "stack/ip/wire.h"

/* Linux has cut datagrams that come this way since 6.2. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif
#define GSO_UDP_MAJOR 6u
#define GSO_UDP_MINOR 2u

#define GSO_BATCH 16u
/* Pieces of a batch. A super-segment of 64 KB in full blocks has 19; one alone must always fit,
 * which it does as long as its blocks hold 130 bytes each on average. */
#define GSO_IOV 512u
/* Features that a kernel may know of; there are some 64 of them. */
#define GSO_KNOWN_MAX 128u
#define GSO_SNDBUF_BYTES (16 << 20)
/* Times in a row that a full device may refuse one before it counts as lost: the rest waits. */
#define GSO_REFUSALS 64

_Static_assert(sizeof(struct virtio_net_hdr) == 10, "what PACKET_VNET_HDR takes");

/* An unknown type in the header is refused when it is sent, and the packet with it: so this is
 * asked before, of the kernel's version; gso_send() sees to one whose version lies. */
static bool gso_udp_known(void)
{
	unsigned major = 0, minor = 0;
	struct utsname u;
	const char *p;

	if (sys_call(SYS_uname, &u))
		return false;
	for (p = u.release; *p >= '0' && *p <= '9'; p++)
		major = major * 10 + (unsigned)(*p - '0');
	if (*p == '.')
		p++;
	for (; *p >= '0' && *p <= '9'; p++)
		minor = minor * 10 + (unsigned)(*p - '0');
	return major > GSO_UDP_MAJOR || (major == GSO_UDP_MAJOR && minor >= GSO_UDP_MINOR);
}

void gso_open(struct dev_state *ds, unsigned net)
{
	static const int one = 1, sndbuf = GSO_SNDBUF_BYTES;
	struct netdev *nd = &ds->net[net];
	struct sockaddr_ll sll = {.sll_family = AF_PACKET, .sll_ifindex = (int)nd->ifindex};
	unsigned slot = net_slot(net, NET_FD_PACKET);
	int fd, err;

	nd->gso_door = false;
	if (knobs.gso == KNOB_gso_off || nd->gso_bytes == 0)
		return;
	fd = sys_socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	err = sys_setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one));
	if (!err)
		err = sys_setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	if (!err)
		err = sys_bind(fd, (struct sockaddr *)&sll, sizeof(sll));
	if (sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf)))
		sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	if (err) {
		sys_close(fd);
		log_info("%s: no packet socket for super-segments: error %d", nd->name, -err);
		return;
	}
	nd->gso_door = dev_fd_set(ds, slot, fd) == 0;
	nd->gso_udp_known = nd->gso_door && gso_udp_known();
	gso_check(ds, net);
}

/* ---- what the device cuts ------------------------------------------------------------------- */

enum gso_feature { GSO_TCP4, GSO_TCP6, GSO_ECN, GSO_UDP, GSO_FEATURES };
static const char gso_name[GSO_FEATURES][ETH_GSTRING_LEN] = {
	[GSO_TCP4] = "tx-tcp-segmentation",
	[GSO_TCP6] = "tx-tcp6-segmentation",
	[GSO_ECN] = "tx-tcp-ecn-segmentation",
	[GSO_UDP] = "tx-udp-segmentation",
};

static int ethtool(struct dev_state *ds, unsigned net, void *cmd)
{
	struct ifreq ifr = {.ifr_data = cmd};

	memcpy(ifr.ifr_name, ds->net[net].name, IFNAMSIZ);
	return sys_ioctl(net_fd(ds, net, NET_FD_PACKET), SIOCETHTOOL, &ifr);
}

/* What the kernel calls its features, and which are on. Their numbers differ between kernels, the
 * names don't. One that isn't known is off. */
static void gso_features(struct dev_state *ds, unsigned net, bool on[GSO_FEATURES])
{
	union {
		struct ethtool_gstrings h;
		uint8_t room[sizeof(struct ethtool_gstrings) + GSO_KNOWN_MAX * ETH_GSTRING_LEN];
	} names = {.h = {.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES}};
	union {
		struct ethtool_gfeatures h;
		uint8_t room[sizeof(struct ethtool_gfeatures) +
			     GSO_KNOWN_MAX / 32 * sizeof(struct ethtool_get_features_block)];
	} bits = {.h = {.cmd = ETHTOOL_GFEATURES, .size = GSO_KNOWN_MAX / 32}};
	union {
		struct ethtool_sset_info h;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} count = {.h = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};
	unsigned i, f;

	memset(on, 0, GSO_FEATURES * sizeof(*on));
	if (ethtool(ds, net, &count) || count.h.data[0] > GSO_KNOWN_MAX)
		return;
	names.h.len = count.h.data[0];
	if (ethtool(ds, net, &names) || ethtool(ds, net, &bits))
		return;
	for (i = 0; i < count.h.data[0]; i++) {
		for (f = 0; f < GSO_FEATURES; f++) {
			if (!memcmp(names.h.data + i * ETH_GSTRING_LEN, gso_name[f],
				    strlen(gso_name[f]) + 1))
				on[f] = bits.h.features[i / 32].active >> i % 32 & 1;
		}
	}
}

void gso_check(struct dev_state *ds, unsigned net)
{
	struct netdev *nd = &ds->net[net];
	bool on[GSO_FEATURES], cuts;

	if (!nd->gso_door)
		return;
	gso_features(ds, net, on);
	cuts = on[GSO_TCP4] && on[GSO_TCP6];
	if (cuts != nd->gso_cuts && !cuts)
		log_info("%s: segmentation offload is off, bulk goes by AF_XDP", nd->name);
	nd->gso_cuts = cuts;
	nd->gso_ecn = on[GSO_ECN];
	nd->gso_udp = nd->gso_udp_known && on[GSO_UDP];
}

/* The header with which the kernel cuts e up. */
static void gso_header(const struct netdev *nd, const struct tx_ent *e, const uint8_t *data,
		       struct virtio_net_hdr *h)
{
	*h = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_NONE,
		.hdr_len = e->len,
		.csum_start = e->csum_start,
		.csum_offset = e->csum_offset,
	};
	if (e->blk_len <= e->gso_bytes) /* one segment: nothing to cut */
		return;
	h->gso_size = e->gso_bytes;
	if (e->proto == IPPROTO_UDP) {
		h->gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
		return;
	}
	h->gso_type = e->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	/* Without, each segment has CWR: at worst the peer's next echo of a mark ends early. */
	if (nd->gso_ecn && ((const struct tcp_hdr *)(data + e->csum_start))->flags & TH_CWR)
		h->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
}

/* The pieces of e, at most max. Returns how many; 0: they don't fit. */
static uint32_t gso_pieces(const struct tx_ent *e, uint8_t *data, struct virtio_net_hdr *h,
			   struct iovec *iov, uint32_t max)
{
	uint32_t off = e->blk_off, left = e->blk_len, n = 2;
	const struct blk *b;

	if (max < 2)
		return 0;
	iov[0] = (struct iovec){h, sizeof(*h)};
	iov[1] = (struct iovec){data, e->len};
	for (b = e->blk; left; b = b->next, off = left ? b->start : 0) {
		uint32_t len = b->end - off < left ? b->end - off : left;

		if (n == max)
			return 0;
		iov[n++] = (struct iovec){(void *)(b->data + off), len};
		left -= len;
	}
	return n;
}

int gso_send(struct dev_state *ds, unsigned net)
{
	struct stack *st = ds->sr->st;
	struct netdev *nd = &ds->net[net];
	const struct txq *q = stack_txq(st);
	struct frame_pool *fp = stack_frames(st);
	struct virtio_net_hdr hdr[GSO_BATCH];
	struct iovec iov[GSO_IOV];
	struct mmsghdr v[GSO_BATCH];
	uint32_t i, n = 0, niov = 0, used = txq_used(q);
	int sent;

	for (i = 0; i < used && n < GSO_BATCH; i++) {
		const struct tx_ent *e = &q->ent[(q->head + i) % TXQ_ENTRIES];
		uint8_t *data = frame_data(fp, e->frame);
		uint32_t pieces;

		if (e->dev != net + 1 || !(e->flags & TXF_GSO))
			break;
		pieces = gso_pieces(e, data, &hdr[n], iov + niov, GSO_IOV - niov);
		if (pieces == 0)
			break;
		gso_header(nd, e, data, &hdr[n]);
		v[n++] = (struct mmsghdr){.msg_hdr.msg_iov = iov + niov,
					  .msg_hdr.msg_iovlen = pieces};
		niov += pieces;
	}
	ASSERT(n > 0);
	inside_sends(ds->sr); /* who dies in there leaves them queued: they may go twice */
	sent = sys_sendmmsg(net_fd(ds, net, NET_FD_PACKET), v, n, MSG_DONTWAIT);
	inside_sent(ds->sr);
	if (sent == -EAGAIN || sent == -EINTR)
		return -EAGAIN;
	if (sent == -ENOBUFS && ++nd->gso_refused < GSO_REFUSALS)
		return -EAGAIN;
	nd->gso_refused = 0;
	if (sent <= 0) {
		/* This one the device won't take, now or later: lost, as on a wire. */
		log_debug("%s: super-segment not sent: error %d", nd->name, -sent);
		if (sent == -EINVAL && stack_tx_peek(st)->proto == IPPROTO_UDP && nd->gso_udp) {
			nd->gso_udp = nd->gso_udp_known = false;
			net_tell(ds, net);
		}
		sent = 1;
	}
	for (i = 0; i < (uint32_t)sent; i++) {
		uint32_t frame = stack_tx_peek(st)->frame;

		stack_tx_pop(st);
		frame_put(fp, frame);
	}
	return sent;
}
