/* SPDX-License-Identifier: BSD-2-Clause */
#include "path.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stack/internal.h"
#include "stack/ip/wire.h"
#include "stack/tcp/tcp.h"

#define DEV 1u
#define ARENA_BYTES (5ull << 30)
#define FRAMES 262144u
#define BLKS 327680u
#define WINDOW_MAX (1u << 30)
#define PATH_GRO_NS 50000u
#define HDRS_MAX (14u + 60u + 60u)
#define RING (1u << 18)
#define SAMPLES_MAX (1u << 17)
#define PORT 80
#define START_NS (1000 * SEC)
#define CHUNK (1u << 20)

struct flying {
	uint64_t at_ns;
	uint32_t payload;
	uint16_t hdrs;
	uint8_t b[HDRS_MAX];
};

/* One direction; forth (0) has the bottleneck. */
struct wire {
	struct flying *ring;
	uint32_t head, tail; /* free running */
	uint64_t busy_ns;
	uint64_t rng;
};

struct path {
	const struct path_cfg *cfg;
	struct path_result *res;
	struct stack *st[2]; /* sender, receiver */
	void *mem[2];
	bool touched[2];
	struct wire wire[2];
	uint64_t now;
	struct sock *listener;
	struct sock *snd[PATH_FLOWS], *rcv[PATH_FLOWS];
	uint64_t rtt_begin_ns, rtt_bytes; /* of the present round trip, for full_ns */
	uint64_t sample_ns, sample_every_ns;
	uint32_t *samples, nsamples;
	uint64_t traced;
};

static const uint8_t mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

static uint64_t rnd(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static struct ip_addr addr_of(unsigned i)
{
	return ip_addr_v4(__builtin_bswap32(0x0a000001u + i));
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "grid: %s\n", what);
	exit(1);
}

static void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED, "no memory");
	return p;
}

/* ---- the wire ------------------------------------------------------------------------------- */

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint32_t sum16(const uint8_t *p, unsigned len, uint32_t sum)
{
	for (unsigned i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The headers h of payload bytes from off on, as a receiver with partial checksums sees them. */
static void put_on(struct wire *w, const uint8_t *h, uint16_t hdrs, uint32_t off, uint32_t payload,
		   uint64_t at_ns)
{
	struct flying *f = &w->ring[w->tail++ % RING];
	uint8_t *ip = f->b + 14, *tcp = ip + 20;

	must(w->tail - w->head <= RING, "too much in flight");
	memcpy(f->b, h, hdrs);
	f->at_ns = at_ns;
	f->payload = payload;
	f->hdrs = hdrs;
	put16(ip + 2, hdrs - 14u + payload);
	put16(ip + 10, 0);
	put16(ip + 10, ~sum16(ip, 20, 0));
	put32(tcp + 4, get32(tcp + 4) + off);
	put16(tcp + 16, sum16(ip + 12, 8, IPPROTO_TCP + hdrs - 34u + payload));
}

static bool lost(struct path *p, struct wire *w)
{
	return p->cfg->loss_ppm && rnd(&w->rng) % 1000000 < p->cfg->loss_ppm;
}

static uint64_t wire_ns(const struct path *p, uint64_t bytes)
{
	return bytes * 8 * SEC / p->cfg->rate_bps;
}

/* Segment by segment through loss and queue; neighbours that arrive travel on as one. */
static void forth(struct path *p, const uint8_t *h, uint16_t hdrs, uint32_t payload, uint32_t mss)
{
	struct wire *w = &p->wire[0];
	uint64_t queue_ns = wire_ns(p, p->cfg->queue_bytes), begin_ns = 0;
	uint32_t off = 0, from = 0, held = 0; /* held bytes from `from` on came through together */

	if (w->busy_ns < p->now)
		w->busy_ns = p->now;
	do {
		uint32_t n = payload - off < mss ? payload - off : mss;
		bool gone = lost(p, w);

		p->res->frames++;
		p->res->lost += gone;
		if (!gone && w->busy_ns - p->now + wire_ns(p, hdrs + n) > queue_ns) {
			p->res->dropped++;
			gone = true;
		}
		if (held && (gone || w->busy_ns - begin_ns > PATH_GRO_NS)) {
			put_on(w, h, hdrs, from, held, w->busy_ns + p->cfg->rtt_ns / 2);
			held = 0;
		}
		if (!gone) {
			if (!held) {
				from = off;
				begin_ns = w->busy_ns;
			}
			w->busy_ns += wire_ns(p, hdrs + n);
			held += n;
			if (payload == 0)
				put_on(w, h, hdrs, 0, 0, w->busy_ns + p->cfg->rtt_ns / 2);
		}
		off += n;
	} while (off < payload);
	if (held)
		put_on(w, h, hdrs, from, held, w->busy_ns + p->cfg->rtt_ns / 2);
}

static bool take_tx(struct path *p, unsigned i)
{
	struct stack *st = p->st[i];
	struct tx_ent *e;
	bool any = false;

	while ((e = stack_tx_peek(st)) != NULL) {
		uint8_t h[HDRS_MAX] = {0};
		const uint8_t *b = frame_data(stack_frames(st), e->frame);
		uint16_t hdrs = (uint16_t)(34 + (b[14 + 20 + 12] >> 4) * 4);
		uint32_t payload = e->len - hdrs + (e->flags & TXF_GSO ? e->blk_len : 0);
		uint32_t mss = e->flags & TXF_GSO ? e->gso_bytes : payload;

		must(e->proto == IPPROTO_TCP && b[14] == 0x45, "only TCP over IPv4 is sent");
		memcpy(h, b, hdrs);
		frame_put(stack_frames(st), e->frame);
		stack_tx_pop(st);
		any = true;
		if (i == 0)
			forth(p, h, hdrs, payload, mss);
		else if (!lost(p, &p->wire[1]))
			put_on(&p->wire[1], h, hdrs, 0, payload, p->now + p->cfg->rtt_ns / 2);
	}
	return any;
}

static void deliver(struct path *p, unsigned to, const struct flying *f)
{
	struct stack *st = p->st[to];
	struct frame_pool *fp = stack_frames(st);
	uint32_t head = FRAME_NONE, prev = FRAME_NONE, left = f->hdrs + f->payload;

	while (left > 0) {
		uint32_t idx = frame_get(fp), n = left < 3840 ? left : 3840;

		must(idx != FRAME_NONE, "out of frames");
		frame_meta(fp, idx)->off = 128;
		frame_meta(fp, idx)->len = (uint16_t)n;
		if (head == FRAME_NONE) {
			memcpy(frame_data(fp, idx), f->b, f->hdrs);
			head = idx;
		} else {
			frame_meta(fp, prev)->next = idx;
		}
		prev = idx;
		left -= n;
	}
	stack_rx(st, DEV, head, p->now);
}

/* ---- the two ends --------------------------------------------------------------------------- */

static void node_up(struct path *p, unsigned i)
{
	struct stack_dev dev = {
		.up = true,
		.mtu = 1500,
		.tx_csum = true,
		.rx_partial_ok = true,
		.gso_max_bytes = p->cfg->gso_off ? 0 : 65535,
	};
	struct ip_addr a = addr_of(i);
	struct stack_cfg cfg;
	uint8_t secret[32];

	memset(secret, (int)i + 1, sizeof(secret));
	memcpy(dev.mac, mac[i], 6);
	stack_cfg_default(&cfg);
	cfg.frames = FRAMES;
	cfg.max_conns = 16384; /* by it go the records of what is in flight */
	cfg.max_blks = BLKS;
	cfg.tcp_rmem[2] = cfg.tcp_wmem[2] = cfg.rmem_max = cfg.wmem_max = WINDOW_MAX;
	p->mem[i] = memory(ARENA_BYTES);
	must(stack_create(arena_init(p->mem[i], ARENA_BYTES), &cfg, secret, p->now, &p->st[i]) == 0,
	     "stack_create");
	stack_dev_set(p->st[i], DEV, &dev);
	must(stack_local_add(p->st[i], &a) == 0, "stack_local_add");
}

static void answer_dst(struct path *p, unsigned i)
{
	struct ip_addr a;

	while (stack_dst_request(p->st[i], &a)) {
		struct dst_info d = {.state = DST_OK, .dev = DEV, .next_hop = a};

		memcpy(d.mac, mac[!i], 6);
		stack_dst_set(p->st[i], &a, &d, p->now);
	}
}

static void flow_start(struct path *p, unsigned i)
{
	struct endpoint from = {addr_of(0), (uint16_t)(40000 + i)}, to = {addr_of(1), PORT};
	struct sock_opts o;

	sock_opts_default(&o);
	o.cc = (int8_t)p->cfg->algo[i];
	must(stack_connect(p->st[0], &from, &to, &o, &p->snd[i], p->now) == 0, "stack_connect");
}

static bool flow_write(struct path *p, unsigned i)
{
	struct sock *sk = p->snd[i];
	struct iovec v[16];
	bool any = false;

	while (sk && stack_connected(sk) && (sk->ready & RDY_OUT)) {
		int n = stack_send_reserve(p->st[0], sk, v, 16, CHUNK);
		size_t bytes = 0;

		if (n <= 0)
			break;
		for (int k = 0; k < n; k++)
			bytes += v[k].iov_len;
		stack_send_commit(p->st[0], sk, bytes, 0, p->now);
		any = true;
	}
	return any;
}

static bool flow_read(struct path *p, unsigned i)
{
	struct iovec v = {NULL, CHUNK};
	uint64_t at = p->now - START_NS;
	bool any = false;
	ssize_t n;

	if (!p->rcv[i])
		return false;
	while ((n = stack_recv(p->st[1], p->rcv[i], &v, 1, RECV_TRUNC, p->now)) > 0) {
		any = true;
		p->rtt_bytes += (uint64_t)n;
		if (at >= p->cfg->from_ns)
			p->res->bytes[i] += (uint64_t)n;
		if (at / SEC < PATH_SECONDS)
			p->res->by_second[at / SEC] += (uint64_t)n;
	}
	must(n == -EAGAIN, "a receiver failed");
	return any;
}

/* Accepted connections find the flow that their port tells. */
static bool accept_all(struct path *p)
{
	struct sock *sk;
	bool any = false;

	while (stack_accept(p->st[1], p->listener, &sk, p->now) == 0) {
		unsigned i = sk->remote.port - 40000u;

		must(i < p->cfg->nflows, "a connection from nowhere");
		p->rcv[i] = sk;
		any = true;
	}
	return any;
}

/* ---- time ----------------------------------------------------------------------------------- */

static void trace(struct path *p)
{
	uint64_t at = p->now - START_NS;

	if (!p->cfg->trace || at * 200 / p->cfg->run_ns < p->traced)
		return;
	p->traced = at * 200 / p->cfg->run_ns + 1;
	fprintf(p->cfg->trace, "%8.1f ms queue %5.1f%% drops %llu", (double)at / 1e6,
		p->wire[0].busy_ns > p->now ? 100.0 * (double)(p->wire[0].busy_ns - p->now) /
						      (double)wire_ns(p, p->cfg->queue_bytes)
					    : 0.0,
		(unsigned long long)p->res->dropped);
	for (unsigned i = 0; i < p->cfg->nflows; i++) {
		const struct tcp_conn *c;

		if (!p->snd[i])
			continue;
		c = tcp_conn_of(p->snd[i]);
		fprintf(p->cfg->trace,
			" | cwnd %u ssthresh %u pipe %u out %u wnd %u unsent %u srtt %.1f "
			"pace %.0f rec %u lim %u",
			c->cc.cwnd / 1000, c->cc.ssthresh / 1000,
			recovery_pipe(&c->rec, &c->sent) / 1000, sent_out_bytes(&c->sent) / 1000,
			c->snd_wnd / 1000,
			(uint32_t)seq_diff(sndbuf_end(&c->snd), c->sent.nxt) / 1000,
			(double)c->rtt.srtt_ns / 1e6, (double)c->pace.rate * 8e-6, c->rec.state,
			c->out_limited);
		if (c->cc.algo == CC_BBR)
			fprintf(p->cfg->trace,
				" st %u bw %.0f bw_lo %.0f hi %u lo %u min %.1f extra %u",
				c->cc.bbr.state, (double)c->cc.bbr.bw * 8e-6,
				c->cc.bbr.bw_lo == UINT64_MAX ? -1 : (double)c->cc.bbr.bw_lo * 8e-6,
				c->cc.bbr.inflight_hi / 1000, c->cc.bbr.inflight_lo / 1000,
				(double)c->cc.bbr.min_rtt_ns / 1e6,
				c->cc.bbr.extra_acked[0] / 1000);
	}
	if (p->rcv[0]) {
		const struct tcp_conn *c = tcp_conn_of(p->rcv[0]);

		fprintf(p->cfg->trace, " | held %u in %u ranges, %u frames", c->reass.bytes / 1000,
			c->reass.n, c->reass.frames);
		fprintf(p->cfg->trace, " free %u, sack %d %d", p->st[1]->frames.nfree, c->sack_ok,
			tcp_conn_of(p->snd[0])->sack_ok);
	}
	fputc('\n', p->cfg->trace);
}

static void measure(struct path *p)
{
	trace(p);
	while (p->sample_ns <= p->now) {
		uint64_t busy = p->wire[0].busy_ns;

		if (p->nsamples < SAMPLES_MAX)
			p->samples[p->nsamples++] =
				busy > p->sample_ns ? (uint32_t)((busy - p->sample_ns) / 1000) : 0;
		p->sample_ns += p->sample_every_ns;
	}
	if (p->now - p->rtt_begin_ns >= p->cfg->rtt_ns) {
		double bps = (double)p->rtt_bytes * 8e9 / (double)(p->now - p->rtt_begin_ns);

		if (!p->res->full_ns && bps >= 0.9 * (double)p->cfg->rate_bps)
			p->res->full_ns = p->now - START_NS;
		p->rtt_begin_ns = p->now;
		p->rtt_bytes = 0;
	}
}

/* What is due at this instant; true when anything was. */
static bool step(struct path *p)
{
	bool any = false;

	for (unsigned d = 0; d < 2; d++) {
		struct wire *w = &p->wire[d];

		for (; w->head != w->tail && w->ring[w->head % RING].at_ns <= p->now; w->head++) {
			deliver(p, !d, &w->ring[w->head % RING]);
			p->touched[!d] = true;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		bool did = p->touched[i];

		if (!did && stack_next_ns(p->st[i]) > p->now)
			continue;
		stack_run(p->st[i], p->now);
		answer_dst(p, i);
		if (i == 1 && did)
			accept_all(p);
		did = false;
		for (unsigned k = 0; k < p->cfg->nflows; k++)
			did |= i == 0 ? flow_write(p, k) : flow_read(p, k);
		any |= take_tx(p, i) | did;
		p->touched[i] = did;
	}
	return any;
}

static uint64_t next_ns(const struct path *p)
{
	uint64_t at = p->sample_ns;

	for (unsigned i = 0; i < 2; i++) {
		const struct wire *w = &p->wire[i];

		if (w->head != w->tail && w->ring[w->head % RING].at_ns < at)
			at = w->ring[w->head % RING].at_ns;
		if (stack_next_ns(p->st[i]) < at)
			at = stack_next_ns(p->st[i]);
	}
	return at;
}

static int u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void queue_judge(struct path *p)
{
	double whole = (double)wire_ns(p, p->cfg->queue_bytes) / 1000, sum = 0;

	if (p->nsamples == 0)
		return;
	for (uint32_t i = 0; i < p->nsamples; i++)
		sum += p->samples[i];
	qsort(p->samples, p->nsamples, sizeof(*p->samples), u32_cmp);
	p->res->queue_mean = sum / p->nsamples / whole;
	p->res->queue_p95 = p->samples[p->nsamples * 19ull / 20] / whole;
}

static void path_up(struct path *p)
{
	struct endpoint at = {.port = PORT};
	struct sock_opts o;

	p->now = START_NS;
	p->samples = memory(SAMPLES_MAX * sizeof(*p->samples));
	p->sample_ns = START_NS + p->cfg->from_ns;
	p->sample_every_ns = p->cfg->rtt_ns / 17;
	for (unsigned i = 0; i < 2; i++) {
		p->wire[i].ring = memory(RING * sizeof(*p->wire[i].ring));
		p->wire[i].rng = p->cfg->seed * 2 + i;
		node_up(p, i);
	}
	sock_opts_default(&o);
	at.addr = ip_addr_v4(0);
	must(stack_listen(p->st[1], &at, &o, 16, &p->listener) == 0, "stack_listen");
}

static void path_down(struct path *p)
{
	munmap(p->samples, SAMPLES_MAX * sizeof(*p->samples));
	for (unsigned i = 0; i < 2; i++) {
		munmap(p->wire[i].ring, RING * sizeof(*p->wire[i].ring));
		munmap(p->mem[i], ARENA_BYTES);
	}
}

void path_run(const struct path_cfg *cfg, struct path_result *r)
{
	struct path p = {.cfg = cfg, .res = r, .rtt_begin_ns = START_NS};
	uint64_t end = START_NS + cfg->run_ns;
	unsigned started = 0;

	memset(r, 0, sizeof(*r));
	path_up(&p);
	while (p.now < end) {
		unsigned rounds = 0;
		uint64_t at;

		while (started < cfg->nflows && p.now >= START_NS + started * cfg->later_ns)
			flow_start(&p, started++), p.touched[0] = true;
		while (step(&p))
			must(++rounds < 100000, "no rest");
		measure(&p);
		at = next_ns(&p);
		p.now = at > p.now ? at : p.now + 1;
	}
	r->retransmits = stack_stats(p.st[0])[STAT_tcp_retransmits];
	for (unsigned i = 0; cfg->trace && i < 2; i++)
		for (unsigned k = 0; k < STAT_COUNT; k++)
			if (stack_stats(p.st[i])[k])
				fprintf(cfg->trace, "%s: %s %llu\n", i ? "receiver" : "sender",
					stat_info[k].name,
					(unsigned long long)stack_stats(p.st[i])[k]);
	queue_judge(&p);
	path_down(&p);
}

double path_mbits(const struct path_cfg *c, const struct path_result *r, unsigned i)
{
	return (double)r->bytes[i] * 8e3 / (double)(c->run_ns - c->from_ns);
}
