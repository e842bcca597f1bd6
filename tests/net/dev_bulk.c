/* SPDX-License-Identifier: BSD-2-Clause */
/* A TCP connection made by hand, to carry bulk through both doors of the device room. */
#include "dev_rig.h"

static int peer_serves(void)
{
	static uint8_t b[BACK_BYTES];
	size_t n = 0, i;
	ssize_t k;
	int s, c;

	if (!listen_on(SOCK_STREAM, 7200, &s))
		return 1;
	c = accept(s, NULL, NULL);
	while (n < GSO_BYTES && (k = read(c, b + n, GSO_BYTES - n)) > 0)
		n += (size_t)k;
	for (i = 0; i < n && b[i] == pattern((uint32_t)i); i++)
		;
	if (n != GSO_BYTES || i != n)
		return 2;
	for (i = 0; i < BACK_BYTES; i++)
		b[i] = pattern((uint32_t)i);
	for (n = 0; n < BACK_BYTES; n += (size_t)k) {
		k = write(c, b + n, BACK_BYTES - n);
		if (k <= 0)
			return 3;
	}
	return 0;
}

static struct tx_ent *send_tcp(uint32_t seq, uint32_t ack, uint8_t flags, const struct blk *bulk)
{
	static const uint8_t opts[8] = {2, 4, 1460 >> 8, 1460 & 255, 1, 3, 3, 7};
	uint32_t olen = flags & TH_SYN ? sizeof(opts) : 0, blen = bulk ? GSO_BYTES : 0;
	uint8_t b[128];
	struct tcp_hdr *t = (void *)headers(b, IPPROTO_TCP, 20 + olen + blen);
	struct tx_ent *e;

	*t = (struct tcp_hdr){
		be16(40000), be16(7200),   be32(seq), be32(ack), (uint8_t)((20 + olen) << 2),
		flags,       be16(0xffff), 0,         0};
	t->csum = pseudo(IPPROTO_TCP, 20 + olen + blen);
	memcpy(t + 1, opts, olen);
	e = fake_send(1, b, 14 + 20 + 20 + olen);
	e->csum_start = 34;
	e->csum_offset = 16;
	e->flags = TXF_CSUM;
	e->proto = IPPROTO_TCP;
	if (bulk) {
		e->flags |= TXF_GSO;
		e->gso_bytes = 1448;
		e->blk = bulk;
		e->blk_off = bulk->start;
		e->blk_len = GSO_BYTES;
	}
	return e;
}

struct blk *bulk_make(void)
{
	uint32_t n = GSO_BYTES / 3000, i, j,
		 k = 0; /* half-filled blocks, each starting elsewhere */
	struct blk *b = aligned_alloc(4096, n * sizeof(*b));

	for (i = 0; i < n; i++) {
		b[i].start = i * 7;
		b[i].end = b[i].start + 3000;
		b[i].next = i + 1 < n ? &b[i + 1] : NULL;
		for (j = b[i].start; j < b[i].end; j++)
			b[i].data[j] = pattern(k++);
	}
	return b;
}

/* Takes the connection's data in order; true when all has come. widest: payload of one packet. */
static bool take_data(uint32_t peer_isn, uint32_t *got, uint32_t *widest)
{
	static uint8_t b[1 << 17];
	uint32_t i, j, len;

	for (i = 0; i < fake_rx_n; i++) {
		const struct ip4_hdr *ip = (void *)(b + 14);
		const struct tcp_hdr *t = (void *)(b + 34);
		uint32_t head, seq;

		fake_rx_copy(i, b, sizeof(b));
		head = 34 + (t->off >> 4) * 4u;
		len = be16(ip->tot_len) + 14u - head;
		seq = be32(t->seq) - peer_isn - 1;
		if (ip->proto != IPPROTO_TCP || seq != *got || !len)
			continue;
		for (j = 0; j < len && b[head + j] == pattern(seq + j); j++)
			;
		CHECK(j == len);
		*got += len;
		if (len > *widest)
			*widest = len;
	}
	fake_rx_clear();
	return *got >= BACK_BYTES;
}

void bulk_both_ways(void)
{
	struct endpoint l = ep(ADDR_A, 40000), r = ep(ADDR_B, 7200);
	uint32_t isn = 1000, peer_isn, got = 0, acked = 0, widest = 0;
	struct blk *bulk = bulk_make();
	uint64_t until;
	uint8_t b[256];
	pid_t pid;

	begin();
	CHECK(flow_add(fake_sr, IPPROTO_TCP, &l, &r) == 0);
	pid = peer(peer_serves);
	usleep(300000);
	send_tcp(isn, 0, TH_SYN, NULL);
	CHECK(turn_until(1, WAIT_MS));
	if (failed)
		goto out;
	fake_rx_copy(0, b, sizeof(b));
	peer_isn = be32(((struct tcp_hdr *)(b + 34))->seq);
	CHECK(((struct tcp_hdr *)(b + 34))->flags == (TH_SYN | TH_ACK));
	fake_rx_clear();
	send_tcp(isn + 1, peer_isn + 1, TH_ACK, NULL);
	if (fake_dev[1].gso_max_bytes)
		send_tcp(isn + 1, peer_isn + 1, TH_ACK | TH_PSH, bulk);
	CHECK(fake_dev[1].gso_max_bytes >= GSO_BYTES);
	for (until = now_ns() + WAIT_MS * 1000000ull; now_ns() < until;) {
		turn();
		if (take_data(peer_isn, &got, &widest))
			break;
		if (got != acked)
			send_tcp(isn + 1 + GSO_BYTES, peer_isn + 1 + got, TH_ACK, NULL);
		acked = got;
		usleep(50);
	}
	CHECK(got == BACK_BYTES);
	CHECK(reap(pid) == 0);
	printf("# widest packet received: %u bytes\n", widest);
	if (knobs.xdp != KNOB_xdp_native)
		CHECK(widest > 20000);
out:
	turn();
	flow_del(fake_sr, IPPROTO_TCP, &l, &r);
	free(bulk);
	end("super_segments_out_and_wide_packets_in");
}
