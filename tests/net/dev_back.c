/* SPDX-License-Identifier: BSD-2-Clause */
/* A SYN that lies in the ring when its claim is withdrawn goes to whoever has the port then. */
#include "dev_rig.h"
#include "shim/dev/internal.h"

#define BACK_PORT 7100
/* The peer sends its SYN again after a second: that must not be what helps. */
#define SYN_RTO_MS 1000

static int peer_connects(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(BACK_PORT),
				  .sin_addr.s_addr = inet_addr(ADDR_A)};
	struct pollfd pfd = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
			     .events = POLLOUT};
	uint64_t start = now_ns();
	int err = 0;
	socklen_t len = sizeof(err);

	connect(pfd.fd, (struct sockaddr *)&sin, sizeof(sin));
	if (poll(&pfd, 1, WAIT_MS) != 1)
		return 1;
	getsockopt(pfd.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err)
		return 2;
	return (now_ns() - start) / 1000000 < SYN_RTO_MS ? 0 : 3;
}

/* The i-th packet received, as the stack would give it out: its checksum complete. */
static void make_stray(uint32_t i)
{
	struct frame_pool *fp = stack_frames(fake_sr->st);
	struct frame *m = frame_meta(fp, fake_rx[i].frame);
	uint8_t *b = frame_data(fp, fake_rx[i].frame);
	struct ip4_hdr *ip = (void *)(b + ETH_HLEN_BYTES);
	struct tcp_hdr *h = (void *)(ip + 1);
	uint32_t len = m->len - ETH_HLEN_BYTES - (uint32_t)sizeof(*ip), sum;

	fake_stray = (struct stray){
		.frame = fake_rx[i].frame,
		.dev = 1,
		.proto = ip->proto,
		.local = {.addr = ip_addr_v4(ip->dst), .port = be16(h->dport)},
		.remote = {.addr = ip_addr_v4(ip->src), .port = be16(h->sport)},
	};
	fake_has_stray = true;
	h->csum = 0;
	sum = csum_pseudo(&fake_stray.remote.addr, &fake_stray.local.addr, ip->proto, len);
	h->csum = (uint16_t)~csum_fold(csum_combine(sum, csum_add(0, h, len), 0));
	fake_rx[i] = fake_rx[--fake_rx_n];
}

static bool accepts(int l, int ms)
{
	struct pollfd pfd = {.fd = l, .events = POLLIN};

	return poll(&pfd, 1, ms) == 1;
}

void given_back(void)
{
	struct endpoint any = ep("0.0.0.0", BACK_PORT);
	uint64_t *lost = &stack_stats(fake_sr->st)[STAT_stray_lost], lost0 = *lost;
	pid_t pid;
	int l = -1;

	begin();
	CHECK(claim_add(fake_sr, IPPROTO_TCP, &any) == 0);
	pid = peer(peer_connects);
	CHECK(turn_until(1, WAIT_MS));
	CHECK(listen_on(SOCK_STREAM, BACK_PORT, &l));
	claim_del(fake_sr, IPPROTO_TCP, &any);
	if (!failed) {
		make_stray(0);
		/* of a connection that is no more, and would have it steered to us again */
		CHECK(flow_add(fake_sr, IPPROTO_TCP, &fake_stray.local, &fake_stray.remote) == 0);
		back_run(fake_sr->dev);
	}
	CHECK(accepts(l, SYN_RTO_MS) && *lost == lost0);
	CHECK(reap(pid) == 0);
	close(l);
	end("a_syn_left_behind_by_a_claim_is_the_kernels");

	begin();
	CHECK(claim_add(fake_sr, IPPROTO_TCP, &any) == 0);
	pid = peer(peer_connects);
	CHECK(turn_until(1, WAIT_MS));
	kill(pid, SIGKILL);
	reap(pid);
	if (!failed) {
		make_stray(0);
		back_run(fake_sr->dev);
	}
	CHECK(*lost == lost0 + 1);
	turn();
	CHECK(fake_rx_n == 0);
	claim_del(fake_sr, IPPROTO_TCP, &any);
	end("what_is_claimed_does_not_go_round");
}
