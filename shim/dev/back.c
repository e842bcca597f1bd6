/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that we were given and that nobody here wants go back to the kernel, as if they had never
 * been ours. A claim that is withdrawn leaves some behind, in the ring and on their way to it; the
 * port may be another process's by now, and if it is nobody's it is the kernel that says so. A
 * segment or a datagram of ours in its place would refuse what the kernel serves.
 *
 * The kernel takes them through a run of an XDP program that passes everything, with live frames
 * (Linux 5.18): they then come out of the interface's receive path. In generic mode that path has
 * the steering program in it, so that one which is claimed again meanwhile comes to us again; what
 * still is claimed, or the flow of a connection that is no more, would go round for ever, and so is
 * not sent there.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "shim/dev/internal.h"

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

/* In one piece; 0: longer than that. */
static uint32_t frame_gather(struct dev_state *ds, uint32_t idx)
{
	struct frame_pool *fp = stack_frames(ds->sr->st);
	uint32_t n = 0;

	for (; idx != FRAME_NONE; idx = frame_meta(fp, idx)->next) {
		const struct frame *m = frame_meta(fp, idx);

		if (n + m->len > sizeof(ds->nlbuf))
			return 0;
		memcpy(ds->nlbuf + n, frame_data(fp, idx), m->len);
		n += m->len;
	}
	return n;
}

static int back_give(struct dev_state *ds, unsigned net, uint32_t bytes)
{
	struct xdp_md ctx = {.data_end = bytes, .ingress_ifindex = ds->net[net].ifindex};
	union bpf_attr attr = {.test = {.prog_fd = (uint32_t)net_fd(ds, net, NET_FD_BACK),
					.data_in = (uintptr_t)ds->nlbuf,
					.data_size_in = bytes,
					.ctx_in = (uintptr_t)&ctx,
					.ctx_size_in = sizeof(ctx),
					.repeat = 1,
					.batch_size = 1,
					.flags = BPF_F_TEST_XDP_LIVE_FRAMES}};

	return sys_bpf(BPF_PROG_TEST_RUN, &attr, sizeof(attr));
}

static int back_one(struct dev_state *ds, const struct stray *s)
{
	unsigned net = s->dev - 1u;
	uint32_t bytes;

	if (!ds->net[net].used || steer_claims(ds, s->proto, &s->local))
		return -EBUSY;
	flow_del(ds->sr, s->proto, &s->local, &s->remote);
	bytes = frame_gather(ds, s->frame);
	return bytes ? back_give(ds, net, bytes) : -EMSGSIZE;
}

void back_run(struct dev_state *ds)
{
	struct stack *st = ds->sr->st;
	struct stray s;
	int err;

	while (unlikely(stack_stray(st, &s))) {
		err = back_one(ds, &s);
		frame_put_chain(stack_frames(st), s.frame);
		if (!err)
			continue;
		stack_count(st, STAT_stray_lost, 1);
		log_debug("a packet for port %u is not given back to the kernel: error %d",
			  s.local.port, -err);
	}
}
