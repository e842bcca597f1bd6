/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps themselves: see death.h. */
#include <string.h>
#include <sys/socket.h>

#include "death.h"

static void do_rx(struct op *o)
{
	struct frame_pool *fp = &o->st->frames;
	uint32_t head = FRAME_NONE, last = FRAME_NONE, off = 0;

	while (off < o->len) {
		uint32_t idx = frame_get(fp), n = o->len - off;

		if (n > 3840)
			n = 3840;
		if (idx == FRAME_NONE) {
			if (head != FRAME_NONE)
				frame_put_chain(fp, head);
			return;
		}
		frame_meta(fp, idx)->off = 128;
		frame_meta(fp, idx)->len = (uint16_t)n;
		memcpy(frame_data(fp, idx), o->buf + off, n);
		if (head == FRAME_NONE)
			head = idx;
		else
			frame_meta(fp, last)->next = idx;
		last = idx;
		off += n;
	}
	stack_rx(o->st, DEV, head, o->now);
}

static void do_tx(struct op *o)
{
	struct tx_ent *e;

	while (o->n < PKTS_OUT && o->pkt_bytes < sizeof(o->pkts) - 70000 &&
	       (e = stack_tx_peek(o->st)) != NULL) {
		uint8_t *to = o->pkts + o->pkt_bytes;
		const struct blk *b = e->blk;
		uint32_t left = e->flags & TXF_GSO ? e->blk_len : 0, off = e->blk_off;
		uint32_t len = e->len, frame = e->frame;

		memcpy(to, frame_data(&o->st->frames, frame), len);
		while (left > 0) {
			uint32_t n = b->end - off;

			if (n > left)
				n = left;
			memcpy(to + len, b->data + off, n);
			len += n;
			left -= n;
			b = b->next;
			off = 0;
		}
		stack_tx_pop(o->st);
		frame_put(&o->st->frames, frame);
		o->pkt[o->n].off = o->pkt_bytes;
		o->pkt[o->n].len = len;
		o->pkt_bytes += len;
		__atomic_store_n(&o->n, o->n + 1, __ATOMIC_RELEASE);
	}
}

static void do_dst(struct op *o)
{
	struct ip_addr a;

	while (stack_dst_request(o->st, &a)) {
		struct dst_info d = {.state = DST_OK, .dev = DEV, .next_hop = a};

		memcpy(d.mac, o->peer_mac, 6);
		stack_dst_set(o->st, &a, &d, o->now);
	}
}

static void do_events(struct op *o)
{
	struct sock *sk;
	uint32_t edges;

	while (o->n < ARRAY_SIZE(o->ev) && (sk = stack_event(o->st, &edges)) != NULL) {
		o->ev[o->n].user = sk->user;
		o->ev[o->n].edges = edges;
		__atomic_store_n(&o->n, o->n + 1, __ATOMIC_RELEASE);
	}
}

static void do_setopt(struct op *o)
{
	static const int names[] = {SO_RCVBUF, SO_SNDBUF, SO_KEEPALIVE};
	int v = o->len % 3 == 2 ? 1 : 200000;

	o->ret = stack_setopt(o->st, o->sk, SOL_SOCKET, names[o->len % 3], &v, sizeof(v), o->now);
}

void op_do(struct op *o)
{
	struct iovec v = {o->buf, o->len};
	struct udp_out to = {.to = &o->remote};
	struct sock_opts opts;

	switch (o->kind) {
	case OP_RX:
		do_rx(o);
		break;
	case OP_RUN:
		stack_run(o->st, o->now);
		break;
	case OP_TX:
		do_tx(o);
		break;
	case OP_EVENTS:
		do_events(o);
		break;
	case OP_DST:
		do_dst(o);
		break;
	case OP_ACCEPT:
		o->ret = stack_accept(o->st, o->sk, &o->out, o->now);
		break;
	case OP_CONNECT:
		sock_opts_default(&opts);
		o->ret = stack_connect(o->st, &o->local, &o->remote, &opts, &o->out, o->now);
		break;
	case OP_SEND:
		o->ret = stack_send(o->st, o->sk, &v, 1, 0, o->now);
		break;
	case OP_RECV:
		o->ret = stack_recv(o->st, o->sk, &v, 1, 0, o->now);
		break;
	case OP_SHUTDOWN:
		o->ret = stack_shutdown(o->st, o->sk, SHUT_WR, o->now);
		break;
	case OP_CLOSE:
		stack_close(o->st, o->sk, o->now);
		break;
	case OP_SETOPT:
		do_setopt(o);
		break;
	case OP_UDP_SEND:
		o->ret = stack_udp_send(o->st, o->sk, &v, 1, &to, o->now);
		break;
	case OP_UDP_RECV:
		o->ret = stack_udp_recv(o->st, o->sk, &v, 1, 0, NULL, o->now);
		break;
	case OP_KINDS:
		break;
	}
	__atomic_store_n(&o->done, true, __ATOMIC_SEQ_CST);
}
