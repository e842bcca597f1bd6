/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire.h"

void wire_init(struct wire *w, const struct stack_cfg *cfg)
{
	memset(w, 0, sizeof(*w));
	env_init(&w->e, cfg);
	w->me = ep(w->e.me, PORT);
	w->peer = ep(w->e.peer, PEER_PORT);
}

void wire_fini(struct wire *w)
{
	if (w->l)
		stack_close(w->e.st, w->l, w->e.now);
	if (w->sk)
		stack_abort(w->e.st, w->sk, w->e.now);
	pass(w, 200 * SEC);
	env_fini(&w->e);
}

enum stat_id in_seg(struct wire *w, const struct seg *s)
{
	struct pkt_ip ip = {.src = w->peer.addr, .dst = w->me.addr, .proto = 6, .tos = s->tos};
	uint8_t l4[4200], b[4300];
	struct tcp_hdr *h = (struct tcp_hdr *)l4;
	uint32_t hlen = 20 + s->opts_len, sum;
	size_t n;

	memset(l4, 0, 20);
	h->sport = be16(w->peer.port);
	h->dport = be16(w->me.port);
	h->seq = be32(PEER_ISS + s->seq);
	h->ack = be32(s->flags & TH_ACK ? w->iss + s->ack : 0);
	h->off = (uint8_t)(hlen / 4 << 4);
	h->flags = s->flags;
	h->win = be16((uint16_t)s->wnd);
	if (s->opts_len)
		memcpy(l4 + 20, s->opts, s->opts_len);
	for (uint32_t i = 0; i < s->len; i++)
		l4[hlen + i] = (uint8_t)(s->seq + i);
	sum = csum_pseudo(&w->peer.addr, &w->me.addr, 6, hlen + s->len);
	h->csum = (uint16_t)~csum_fold(csum_combine(sum, csum_add(0, l4, hlen + s->len), 0));
	n = pkt_ip(b, &ip, l4, hlen + s->len);
	return env_rx(&w->e, ENV_DEV, b, n);
}

enum stat_id in(struct wire *w, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	struct seg s = {.flags = flags, .seq = seq, .ack = ack, .wnd = 65535, .len = len};

	return in_seg(w, &s);
}

uint32_t mtu_for(const struct wire *w, uint32_t mss)
{
	return mss + TCP_HLEN_BYTES + ip_hlen(&w->me.addr);
}

enum stat_id in_unreachable(struct wire *w, const uint8_t *sent, size_t n)
{
	bool v4 = ip_addr_is_v4(&w->me.addr);
	uint8_t b[300];

	n = pkt_icmp(b, w->e.peer, w->e.me, v4 ? 3 : 1, v4 ? 1 : 3, 0, sent, n);
	return env_rx(&w->e, ENV_DEV, b, n);
}

enum stat_id in_too_big(struct wire *w, uint32_t mss, const uint8_t *sent, size_t n)
{
	bool v4 = ip_addr_is_v4(&w->me.addr);
	uint8_t b[300];

	n = pkt_icmp(b, w->e.peer, w->e.me, v4 ? 3 : 2, v4 ? 4 : 0, mtu_for(w, mss), sent, n);
	return env_rx(&w->e, ENV_DEV, b, n);
}

struct seg out(struct wire *w)
{
	static uint8_t b[70000];
	size_t n = env_tx(&w->e, b, sizeof(b), NULL);
	size_t l4 = pkt_l4(b);
	const struct tcp_hdr *h = (const struct tcp_hdr *)(b + l4);
	struct seg s = {0};
	uint32_t hlen;

	ck_assert_msg(n > 0, "nothing was sent");
	pkt_check_sums(b, n);
	hlen = (uint32_t)(h->off >> 4) * 4;
	if (h->flags & TH_SYN)
		w->iss = be32(h->seq);
	s.flags = h->flags;
	s.seq = be32(h->seq) - w->iss;
	s.ack = h->flags & TH_ACK ? be32(h->ack) - PEER_ISS : 0;
	s.wnd = be16(h->win);
	s.tos = b[15];
	s.len = (uint32_t)(n - l4) - hlen;
	tcp_opts_parse(&s.opt, b + l4 + 20, hlen - 20, h->flags & TH_SYN);
	memcpy(s.data, b + l4 + hlen, s.len < sizeof(s.data) ? s.len : sizeof(s.data));
	return s;
}

void out_is(struct wire *w, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	struct seg s = out(w);

	ck_assert_msg((s.flags & ~TH_PSH) == flags && s.seq == seq && s.ack == ack && s.len == len,
		      "flags %02x seq %u ack %u len %u, wanted %02x %u %u %u", s.flags, s.seq,
		      s.ack, s.len, flags, seq, ack, len);
}

void out_none(struct wire *w)
{
	ck_assert_uint_eq(txq_used(stack_txq(w->e.st)), 0);
}

void run(struct wire *w)
{
	unsigned i = 0;

	do {
		stack_run(w->e.st, w->e.now);
		ck_assert_uint_lt(++i, 100);
	} while (stack_next_ns(w->e.st) <= w->e.now);
}

void pass(struct wire *w, uint64_t ns)
{
	uint64_t until = w->e.now + ns;

	run(w);
	while (stack_next_ns(w->e.st) <= until) {
		w->e.now = stack_next_ns(w->e.st);
		run(w);
		if (txq_used(stack_txq(w->e.st)) > TXQ_ENTRIES / 2)
			break;
	}
	w->e.now = until;
}

void listen_on(struct wire *w, const struct sock_opts *o, uint32_t backlog)
{
	struct endpoint any = ep(addr(0, 0, 0, 0), PORT);
	struct sock_opts def;

	sock_opts_default(&def);
	ck_assert_int_eq(stack_listen(w->e.st, &any, o ? o : &def, backlog, &w->l), 0);
	stack_sock_user(w->e.st, w->l, &w->user);
}

void establish(struct wire *w, const struct sock_opts *o)
{
	listen_on(w, o, 8);
	ck_assert_int_eq(in(w, TH_SYN, 0, 0, 0), STAT_rx_packets);
	out_is(w, TH_SYN | TH_ACK, 0, 1, 0);
	ck_assert_int_eq(in(w, TH_ACK, 1, 1, 0), STAT_rx_packets);
	run(w);
	out_none(w);
	ck_assert_int_eq(stack_accept(w->e.st, w->l, &w->sk, w->e.now), 0);
	stack_sock_user(w->e.st, w->sk, &w->user);
}

void connect_syn(struct wire *w, const struct sock_opts *o)
{
	struct sock_opts def;

	sock_opts_default(&def);
	ck_assert_int_eq(stack_connect(w->e.st, &w->me, &w->peer, o ? o : &def, &w->sk, w->e.now),
			 0);
	stack_sock_user(w->e.st, w->sk, &w->user);
	out_is(w, TH_SYN, 0, 0, 0);
}

ssize_t put(struct wire *w, uint32_t len)
{
	static uint8_t b[1 << 20];
	struct iovec v = {b, len};

	for (uint32_t i = 0; i < len; i++)
		b[i] = (uint8_t)i;
	return stack_send(w->e.st, w->sk, &v, 1, 0, w->e.now);
}

ssize_t get(struct wire *w, uint32_t len)
{
	static uint8_t b[1 << 20];
	struct iovec v = {b, len};

	return stack_recv(w->e.st, w->sk, &v, 1, 0, w->e.now);
}

void share_dev(struct wire *w)
{
	struct stack_dev d = w->e.st->dev[ENV_DEV];

	d.shared = true;
	stack_dev_set(w->e.st, ENV_DEV, &d);
}

size_t take_stray(struct wire *w, struct stray *s, uint8_t *b)
{
	struct frame_pool *fp = stack_frames(w->e.st);
	size_t n;

	ck_assert(stack_stray(w->e.st, s));
	ck_assert_uint_eq(s->dev, ENV_DEV);
	n = frame_meta(fp, s->frame)->len;
	memcpy(b, frame_data(fp, s->frame), n);
	pkt_check_sums(b, n);
	frame_put_chain(fp, s->frame);
	return n;
}

void syn_from(struct wire *w, uint16_t port)
{
	w->peer.port = port;
	ck_assert_int_eq(in(w, TH_SYN, 0, 0, 0), STAT_rx_packets);
	out_is(w, TH_SYN | TH_ACK, 0, 1, 0);
}

enum stat_id last_ack_from(struct wire *w, uint16_t port)
{
	struct tcp_mini *m;

	w->peer.port = port;
	m = tcp_mini_find(w->e.st, &w->me, &w->peer);
	ck_assert_ptr_nonnull(m);
	w->iss = ((struct tcp_req *)m)->iss.v;
	return in(w, TH_ACK, 1, 1, 0);
}
