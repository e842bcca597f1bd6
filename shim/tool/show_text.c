/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how a family is shown to people: the columns are those of ss(8) where it has them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <linux/tcp.h>

#include "shim/dev/dev.h"
#include "shim/tool/show.h"
#include "shim/tool/tool.h"

const struct stack *show_stack(const struct family *fam, unsigned i)
{
	const struct stack *st = fam->stacks[i].st;

	/* The type is the stack's own business; that it begins in the arena is what can be seen. */
	return st && look_holds(fam, st, 64) ? st : NULL;
}

const struct pool *show_pool(const struct family *fam, unsigned i, const struct stack *st,
			     unsigned n)
{
	const struct stackrec *sr = &fam->stacks[i], *shared = &fam->shared;
	const struct pool *more[] = {&sr->epitems,     &sr->watches,    &fam->epsets,
				     &fam->names,      &fam->waiters,   &fam->parts,
				     &shared->epitems, &shared->watches};
	const unsigned nmore = i ? 2 : fam->nstacks > 1 ? 8 : 5;
	const struct pool *p;
	unsigned at;

	for (at = 0; (p = stack_pool(st, at)) && look_holds(fam, p, sizeof(*p)); at++)
		if (at == n)
			return p;
	return n - at < nmore ? more[n - at] : NULL;
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void text_family(const struct found *f, const struct family *fam)
{
	uint64_t used = atomic_load(&((struct family *)(uintptr_t)fam)->arena.used_bytes);

	printf("family %lu  libshim %.16s  founder %d  memory %" PRIu64 " MB carved of %" PRIu64
	       " MB\n",
	       (unsigned long)f->ino, fam->version, fam->founder, used >> 20, f->size_bytes >> 20);
	for (unsigned i = 0; i < f->nmembers; i++)
		printf("  process %d %s%s\n", f->member[i].pid, f->member[i].comm,
		       f->member[i].slot ? "" : " (coming or going)");
}

static void text_stack(const struct family *fam, unsigned i, const struct stack *st, uint64_t now)
{
	const struct stackrec *sr = &fam->stacks[i];
	uint64_t attended = atomic_load(&sr->attended_ns), next = stack_next_ns(st);

	printf("  stack %u  %s  turns %" PRIu64 "  sleepers %u  open %u  draining %u", i,
	       sr->verdict < VERDICT_COUNT ? verdict_info[sr->verdict].name : "?", sr->turns,
	       atomic_load(&sr->sleepers), stack_open_count(st), stack_draining_count(st));
	if (fam->nstacks > 1)
		printf("  attendants %u", atomic_load(&sr->attendants));
	if (attended)
		printf("  last turn %.3f ms ago", ms(attended < now ? now - attended : 0));
	if (next != UINT64_MAX)
		printf("  next timer %s %.3f ms", next < now ? "late by" : "in",
		       ms(next < now ? now - next : next - now));
	putchar('\n');
}

static void text_devices(const struct stackrec *sr)
{
	struct dev_report r;

	for (unsigned i = 0; sr->dev && dev_report(sr, i, &r) == 0; i++)
		printf("  device %.16s  mtu %u  queues %u  %s, %s%s%s%s  ring full %" PRIu64
		       "  fill empty %" PRIu64 "  invalid %" PRIu64 "\n",
		       r.ifname, r.mtu, r.queues, r.native ? "native" : "generic",
		       r.zerocopy ? "zero copy" : "copy", r.multibuf ? ", multi-buffer" : "",
		       r.tx_csum ? ", checksums" : "", r.gso_door ? ", bulk door" : "",
		       r.rx_ring_full, r.rx_fill_empty, r.rx_invalid);
}

static void text_info(const struct tcp_info *ti)
{
	printf("\n      rtt %.3f/%.3f ms  rto %.0f ms  mss %u  cwnd %u", ti->tcpi_rtt / 1e3,
	       ti->tcpi_rttvar / 1e3, ti->tcpi_rto / 1e3, ti->tcpi_snd_mss, ti->tcpi_snd_cwnd);
	if (ti->tcpi_snd_ssthresh < 0x7fffffff)
		printf("  ssthresh %u", ti->tcpi_snd_ssthresh);
	printf("  in flight %u  retransmitted %u (%u now)  acked %" PRIu64 "  received %" PRIu64
	       "  rcv_space %u",
	       ti->tcpi_unacked, ti->tcpi_total_retrans, ti->tcpi_retrans,
	       (uint64_t)ti->tcpi_bytes_acked, (uint64_t)ti->tcpi_bytes_received,
	       ti->tcpi_rcv_space);
}

static void text_sock(const struct family *fam, const struct stack *st, const struct sock *sk,
		      bool info, uint64_t now)
{
	char local[LOOK_ADDR_BYTES], remote[LOOK_ADDR_BYTES];
	struct endpoint nobody = {.port = 0};
	const struct ofd *o = look_user(fam, sk);
	struct tcp_info ti = {0};
	uint32_t recvq, sendq;

	if (sk->type != STK_UDP)
		stack_tcp_info(st, sk, &ti, now);
	/* As the kernel tells ss: of a listener, what waits and the most that may. */
	recvq = sk->type == STK_LISTENER ? ti.tcpi_unacked : stack_inq(sk);
	sendq = sk->type == STK_LISTENER ? ti.tcpi_sacked : stack_outq(sk);
	printf("  %-4s %-10s %8u %8u  %-26s %-26s%s", sk->type == STK_UDP ? "udp" : "tcp",
	       stack_state_name(sk), recvq, sendq, look_addr(local, &sk->local, o),
	       look_addr(remote, sk->remote.port ? &sk->remote : &nobody, o),
	       sk->orphan ? " orphan" : "");
	if (info && sk->type == STK_TCP)
		text_info(&ti);
	putchar('\n');
}

static void text_socks(const struct family *fam, const struct stack *st, unsigned parts,
		       uint64_t now)
{
	const struct sock *sk = NULL;
	unsigned n = 0;

	while (n < SHOW_SOCKS_MAX && (sk = stack_sock_next(st, sk))) {
		if (!(parts & (sk->type == STK_TCP ? SHOW_CONNS : SHOW_LISTENERS)))
			continue;
		if (n++ == 0)
			printf("  %-4s %-10s %8s %8s  %-26s %-26s\n", "", "State", "Recv-Q",
			       "Send-Q", "Local", "Peer");
		text_sock(fam, st, sk, parts & SHOW_INFO, now);
	}
}

static void text_pools(const struct family *fam, unsigned stack, const struct stack *st)
{
	const struct frame_pool *fp = stack_frames((struct stack *)(uintptr_t)st);
	const struct pool *p;

	printf("  %-16s %10s %10s %10s %8s %10s\n", "pool", "out", "most", "limit", "bytes",
	       "refused");
	printf("  %-16s %10u %10u %10u %8u %10" PRIu64 "\n", "frame", fp->count - fp->nfree,
	       fp->count - fp->nfree_min, fp->count, FRAME_BYTES, fp->failed);
	for (unsigned i = 0; (p = show_pool(fam, stack, st, i)); i++)
		printf("  %-16.16s %10u %10u %10u %8u %10" PRIu64 "\n", p->name, p->out, p->out_max,
		       p->limit, p->obj_bytes, p->failed);
}

static void text_counters(const struct stack *st, const uint64_t *last, double seconds, bool all)
{
	const uint64_t *now = stack_stats((struct stack *)(uintptr_t)st);

	for (int i = 0; i < STAT_COUNT; i++) {
		uint64_t v = last ? now[i] - last[i] : now[i];

		if (!v || (!all && stat_info[i].kind == STAT_KIND_COUNT))
			continue;
		if (last)
			printf("  %14.1f/s  ", (double)v / seconds);
		else
			printf("  %16" PRIu64 "  ", v);
		printf("%-22s ", stat_info[i].name);
		tool_wrap(stat_info[i].text, 43, 110);
	}
}

static void text_fd(const struct member *m, int fd, const struct ofd *o, void *arg)
{
	const struct verdict_info *v =
		&verdict_info[o->verdict < VERDICT_COUNT ? o->verdict : VERDICT_error];
	char bound[LOOK_ADDR_BYTES] = "-";

	if (o->bound.port)
		look_addr(bound, &o->bound, o);
	printf("  %7d %-15s %5d  %-6s %-22s %-13s ", m->pid, m->comm, fd,
	       o->kind == OFD_EPOLL ? "epoll"
	       : o->socktype == 2   ? "udp"
				    : "tcp",
	       bound, o->kind == OFD_EPOLL ? "-" : v->name);
	if (o->kind == OFD_EPOLL)
		putchar('\n');
	else
		tool_wrap(v->text, 78, 140);
}

static void text_verdicts(const struct found *f, const struct family *fam)
{
	printf("  %7s %-15s %5s  %-6s %-22s %-13s\n", "pid", "command", "fd", "kind", "bound",
	       "verdict");
	for (unsigned i = 0; i < f->nmembers; i++)
		look_each_fd(fam, &f->member[i], text_fd, NULL);
}

void show_text(const struct found *f, const struct family *fam, unsigned parts,
	       const struct show_last *last, uint64_t now_ns)
{
	bool all = parts & SHOW_COUNTERS, counters = all || parts == 0;

	if (!parts)
		parts = SHOW_DEFAULT;
	if (parts & SHOW_FAMILY)
		text_family(f, fam);
	for (unsigned i = 0; i < FAMILY_STACKS; i++) {
		const struct stack *st = show_stack(fam, i);

		if (!st)
			continue;
		if (parts & SHOW_STACKS)
			text_stack(fam, i, st, now_ns);
		if (parts & SHOW_DEVICES)
			text_devices(&fam->stacks[i]);
		if (parts & (SHOW_LISTENERS | SHOW_CONNS))
			text_socks(fam, st, parts, now_ns);
		if (parts & SHOW_POOLS)
			text_pools(fam, i, st);
		if (counters)
			text_counters(st, last ? last->stats[i] : NULL,
				      last ? (double)(now_ns - last->at_ns) / 1e9 : 1, all);
	}
	if (parts & SHOW_VERDICTS)
		text_verdicts(f, fam);
}
