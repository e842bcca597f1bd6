/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides how a family is shown to programs: everything there is, under names that stay. Times in
 * units that the names end with.
 */
#include <netinet/in.h>
#include <string.h>
#include <linux/tcp.h>

#include "shim/dev/dev.h"
#include "shim/tool/json.h"
#include "shim/tool/show.h"

static void json_endpoint(const char *key, const struct endpoint *e, const struct ofd *o)
{
	char buf[LOOK_ADDR_BYTES];

	json_str(key, look_addr(buf, e, o));
}

static void json_fd(const struct member *m, int fd, const struct ofd *o, void *arg)
{
	const struct verdict_info *v =
		&verdict_info[o->verdict < VERDICT_COUNT ? o->verdict : VERDICT_error];

	json_begin(NULL, '{');
	json_i64("fd", fd);
	json_str("kind", o->kind == OFD_EPOLL ? "epoll" : o->socktype == 2 ? "udp" : "tcp");
	if (o->kind == OFD_SOCK) {
		json_bool("accelerated", atomic_load(&((struct ofd *)(uintptr_t)o)->sk) != NULL);
		json_str("verdict", v->name);
		json_str("why", v->text);
		if (o->bound.port)
			json_endpoint("bound", &o->bound, o);
	}
	json_u64("description", o->idx);
	json_end('}');
}

static void json_members(const struct found *f, const struct family *fam)
{
	json_begin("processes", '[');
	for (unsigned i = 0; i < f->nmembers; i++) {
		json_begin(NULL, '{');
		json_i64("pid", f->member[i].pid);
		json_str("command", f->member[i].comm);
		json_bool("member", f->member[i].slot != NULL);
		json_begin("descriptors", '[');
		look_each_fd(fam, &f->member[i], json_fd, NULL);
		json_end(']');
		json_end('}');
	}
	json_end(']');
}

static void json_devices(const struct stackrec *sr)
{
	struct dev_report r;

	json_begin("devices", '[');
	for (unsigned i = 0; sr->dev && dev_report(sr, i, &r) == 0; i++) {
		json_begin(NULL, '{');
		json_str("name", r.ifname);
		json_u64("ifindex", r.ifindex);
		json_u64("mtu", r.mtu);
		json_u64("queues", r.queues);
		json_bool("native", r.native);
		json_bool("zerocopy", r.zerocopy);
		json_bool("multibuf", r.multibuf);
		json_bool("tx_csum", r.tx_csum);
		json_bool("bulk_door", r.gso_door);
		json_u64("rx_ring_full", r.rx_ring_full);
		json_u64("rx_invalid", r.rx_invalid);
		json_u64("rx_fill_empty", r.rx_fill_empty);
		json_end('}');
	}
	json_end(']');
}

static void json_tcp_info(const struct tcp_info *ti)
{
	json_u64("rtt_us", ti->tcpi_rtt);
	json_u64("rttvar_us", ti->tcpi_rttvar);
	json_u64("rto_us", ti->tcpi_rto);
	json_u64("snd_mss", ti->tcpi_snd_mss);
	json_u64("rcv_mss", ti->tcpi_rcv_mss);
	json_u64("snd_cwnd", ti->tcpi_snd_cwnd);
	json_u64("snd_ssthresh", ti->tcpi_snd_ssthresh);
	json_u64("in_flight", ti->tcpi_unacked);
	json_u64("retransmits", ti->tcpi_total_retrans);
	json_u64("bytes_acked", ti->tcpi_bytes_acked);
	json_u64("bytes_received", ti->tcpi_bytes_received);
	json_u64("rcv_space", ti->tcpi_rcv_space);
	json_u64("pmtu", ti->tcpi_pmtu);
}

static void json_sock(const struct family *fam, const struct stack *st, const struct sock *sk,
		      uint64_t now)
{
	const struct ofd *o = look_user(fam, sk);
	struct tcp_info ti = {0};

	if (sk->type != STK_UDP)
		stack_tcp_info(st, sk, &ti, now);
	json_begin(NULL, '{');
	json_str("protocol", sk->type == STK_UDP ? "udp" : "tcp");
	json_str("state", stack_state_name(sk));
	json_endpoint("local", &sk->local, o);
	if (sk->type == STK_LISTENER) {
		json_u64("waiting", ti.tcpi_unacked);
		json_u64("backlog", ti.tcpi_sacked);
	} else {
		json_endpoint("peer", &sk->remote, o);
		json_u64("recv_q", stack_inq(sk));
		json_u64("send_q", stack_outq(sk));
		json_bool("orphan", sk->orphan);
		json_bool("accepted", sk->user != NULL);
	}
	if (sk->type == STK_TCP)
		json_tcp_info(&ti);
	json_end('}');
}

static void json_socks(const struct family *fam, const struct stack *st, const char *key,
		       bool conns, uint64_t now)
{
	const struct sock *sk = NULL;
	unsigned n = 0;

	json_begin(key, '[');
	while (n++ < SHOW_SOCKS_MAX && (sk = stack_sock_next(st, sk)))
		if ((sk->type == STK_TCP) == conns)
			json_sock(fam, st, sk, now);
	json_end(']');
}

static void json_pools(const struct family *fam, unsigned stack, const struct stack *st)
{
	const struct frame_pool *fp = stack_frames((struct stack *)(uintptr_t)st);
	const struct pool *p;
	char name[17];

	json_begin("frames", '{');
	json_u64("count", fp->count);
	json_u64("free", fp->nfree);
	json_u64("free_least", fp->nfree_min);
	json_u64("refused", fp->failed);
	json_end('}');
	json_begin("pools", '[');
	for (unsigned i = 0; (p = show_pool(fam, stack, st, i)); i++) {
		json_begin(NULL, '{');
		memcpy(name, p->name, 16);
		name[16] = 0;
		json_str("name", name);
		json_u64("out", p->out);
		json_u64("most", p->out_max);
		json_u64("limit", p->limit);
		json_u64("object_bytes", p->obj_bytes);
		json_u64("refused", p->failed);
		json_end('}');
	}
	json_end(']');
}

static void json_stack(const struct family *fam, unsigned i, const struct stack *st, uint64_t now)
{
	const struct stackrec *sr = &fam->stacks[i];
	const uint64_t *stats = stack_stats((struct stack *)(uintptr_t)st);
	uint64_t attended = atomic_load(&sr->attended_ns);

	json_begin(NULL, '{');
	json_u64("index", i);
	json_str("verdict", sr->verdict < VERDICT_COUNT ? verdict_info[sr->verdict].name : NULL);
	json_u64("turns", sr->turns);
	json_u64("sleepers", atomic_load(&sr->sleepers));
	json_u64("attendants", atomic_load(&sr->attendants));
	json_u64("last_turn_ago_ns", attended && attended <= now ? now - attended : 0);
	json_u64("open", stack_open_count(st));
	json_u64("draining", stack_draining_count(st));
	json_devices(sr);
	json_socks(fam, st, "listeners", false, now);
	json_socks(fam, st, "connections", true, now);
	json_pools(fam, i, st);
	json_begin("counters", '{');
	for (int c = 0; c < STAT_COUNT; c++)
		json_u64(stat_info[c].name, stats[c]);
	json_end('}');
	json_end('}');
}

void show_json(const struct found *f, const struct family *fam, uint64_t now_ns)
{
	uint64_t used = atomic_load(&((struct family *)(uintptr_t)fam)->arena.used_bytes);
	char text[17] = "";

	json_begin(NULL, '{');
	json_u64("id", f->ino);
	memcpy(text, fam->version, 16);
	json_str("version", text);
	json_i64("founder", fam->founder);
	json_u64("arena_bytes", f->size_bytes);
	json_u64("arena_used_bytes", used);
	json_members(f, fam);
	json_begin("stacks", '[');
	for (unsigned i = 0; i < FAMILY_STACKS; i++) {
		const struct stack *st = show_stack(fam, i);

		if (st)
			json_stack(fam, i, st, now_ns);
	}
	json_end(']');
	json_end('}');
}
