/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks inside the stack between two packets: every frame has exactly one owner, sums and lists
 * hold, and readiness, computed anew, is what it was said to be. The only file here that knows the
 * stack's insides.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"

struct tally {
	struct fz *f;
	uint8_t *seen; /* a byte for each frame */
	uint32_t n;
};

static void own(struct tally *t, uint32_t idx)
{
	struct frame_pool *fp = stack_frames(t->f->st);

	fz_must(t->f, idx < fp->count);
	fz_must(t->f, !t->seen[idx]);
	t->seen[idx] = 1;
	t->n++;
}

/* Owns a chain; returns its bytes. */
static uint32_t own_chain(struct tally *t, uint32_t idx, uint32_t *frames)
{
	struct frame_pool *fp = stack_frames(t->f->st);
	uint32_t len = 0;

	for (; idx != FRAME_NONE; idx = frame_meta(fp, idx)->next) {
		own(t, idx);
		len += frame_meta(fp, idx)->len;
		fz_must(t->f, frame_meta(fp, idx)->off + frame_meta(fp, idx)->len <= FRAME_BYTES);
		(*frames)++;
	}
	return len;
}

static uint32_t blocks_bytes(struct fz *f, const struct blk *b)
{
	uint32_t n = 0;

	for (; b != NULL; b = b->next) {
		fz_must(f, b->start <= b->end && b->end <= BLK_DATA_BYTES);
		n += b->end - b->start;
	}
	return n;
}

static void audit_rcvbuf(struct tally *t, struct tcp_conn *c)
{
	struct frame_pool *fp = stack_frames(t->f->st);
	uint32_t len = blocks_bytes(t->f, c->rcv.bhead), frames = 0, q, last = FRAME_NONE;

	for (q = c->rcv.head; q != FRAME_NONE; q = frame_meta(fp, q)->qnext) {
		len += own_chain(t, q, &frames);
		last = q;
	}
	fz_must(t->f, last == c->rcv.tail);
	fz_must(t->f, len == c->rcv.len);
	fz_must(t->f, frames == c->rcv.frames);
}

static void audit_reass(struct tally *t, struct tcp_conn *c)
{
	struct frame_pool *fp = stack_frames(t->f->st);
	uint32_t bytes = 0, frames = 0, n = 0, q, last;
	struct seq at = c->rcv_nxt;
	struct list *l;

	list_for_each(l, &c->reass.ranges) {
		struct reass_range *g = list_entry(l, struct reass_range, node);
		struct seq s = g->start;

		fz_must(t->f, seq_gt(g->start, at) && seq_gt(g->end, g->start));
		for (q = last = g->head; q != FRAME_NONE; q = frame_meta(fp, q)->qnext) {
			uint32_t len = own_chain(t, q, &frames);

			fz_must(t->f, frame_meta(fp, q)->aux == s.v && len > 0);
			s = seq_add(s, len);
			bytes += len;
			last = q;
		}
		fz_must(t->f, last == g->tail && seq_eq(s, g->end));
		at = g->end;
		n++;
	}
	fz_must(t->f, n == c->reass.n && frames == c->reass.frames && bytes == c->reass.bytes);
	fz_must(t->f, n == 0 || seq_leq(at, c->rcv_adv));
}

static void audit_conn(struct tally *t, struct tcp_conn *c)
{
	uint32_t before = c->sk.ready;

	t->f->states[c->state]++;
	audit_rcvbuf(t, c);
	audit_reass(t, c);
	if (c->state != TCPS_CLOSED) {
		sent_check(&c->sent);
		fz_must(t->f, c->mss > 0);
		fz_must(t->f, c->cc.cwnd > 0);
		fz_must(t->f, blocks_bytes(t->f, c->snd.head) - c->snd.head_off == c->snd.len);
		/* something is out: somebody must wake up to send it again */
		fz_must(t->f, sent_empty(&c->sent) || timer_armed(&c->rtx));
	} else {
		fz_must(t->f, c->snd.len == 0 && !timer_armed(&c->rtx) && !timer_armed(&c->keep) &&
				      !timer_armed(&c->delack));
	}
	if (!c->sk.orphan) {
		tcp_ready(t->f->st, c, 0);
		if (before != c->sk.ready)
			fz_fail(t->f, "readiness was %#x, is %#x, in %s", before, c->sk.ready,
				tcp_state_name(&c->sk));
	}
}

static void audit_udp(struct tally *t, struct udp_sock *us)
{
	uint32_t frames = 0, copied = 0, cost = 0;
	struct list *l;

	list_for_each(l, &us->rcvq) {
		struct udp_dgram *g = list_entry(l, struct udp_dgram, node);

		if (g->frame == FRAME_NONE)
			copied += g->len;
		else
			fz_must(t->f, own_chain(t, g->frame, &frames) == g->len);
		cost += g->len + UDP_DGRAM_COST;
	}
	fz_must(t->f, frames == us->frames_held && cost == us->rcvq_cost);
	fz_must(t->f, blocks_bytes(t->f, us->copied) == copied);
	fz_must(t->f, us->sk.orphan || list_empty(&us->rcvq) || us->sk.ready & RDY_IN);
}

void fz_audit(struct fz *f)
{
	struct stack *st = f->st;
	struct tally t = {.f = f, .seen = calloc(st->frames.count, 1)};
	uint32_t i;
	struct list *l;

	fz_must(f, t.seen != NULL);
	for (i = 0; i < st->frames.nfree; i++)
		own(&t, st->frames.free[i]);
	for (i = 0; i < f->nheld; i++)
		own(&t, f->held[i]);
	for (i = st->txq.head; i != st->txq.tail; i++)
		own(&t, st->txq.ent[i % TXQ_ENTRIES].frame);
	f->states[TCPS_TIME_WAIT] += st->tcp->tws.out;
	f->states[TCPS_LISTEN] += st->tcp->listeners.out;
	list_for_each(l, &st->socks) {
		struct sock *sk = list_entry(l, struct sock, all);

		if (sk->type == STK_TCP)
			audit_conn(&t, tcp_conn_of(sk));
		else if (sk->type == STK_UDP)
			audit_udp(&t, udp_sock_of(sk));
		else if (!sk->orphan && !tcp_listener_of(sk)->shut)
			fz_must(f,
				!(sk->ready & RDY_IN) == list_empty(&tcp_listener_of(sk)->acceptq));
	}
	if (t.n != st->frames.count)
		fz_fail(f, "%u of %u frames have no owner", st->frames.count - t.n,
			st->frames.count);
	free(t.seen);
}
