/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output of a connection: which bytes go into the next segment, and when a segment has to wait
 * (peer's window, congestion, Nagle, cork, silly windows). Decides nothing about what is lost
 * (recovery.h) or how much may be in flight (cc.h), and must never arm a timer itself.
 *
 * RFC 9293 3.8.6.2.1 (sender SWS avoidance), 3.7.4 (Nagle; with Minshall's change, as
 * Linux), 3.10.4 (SEND); RFC 7323 3.2 (timestamps); RFC 2018 4 (SACK).
 */
#include <errno.h>
#include <netinet/in.h>

#include "tcp.h"

#define CSUM_OFFSET 16u
#define ECT0 2u /* RFC 3168 5 */
/* What the 16 bits of an IP length leave for payload, all headers at their largest. */
#define SUPER_MAX_BYTES (65535u - 60u - 60u)

struct xmit {
	struct seq seq;
	uint32_t len; /* payload bytes */
	uint8_t flags;
	bool super;            /* payload stays in the send blocks */
	bool fresh;            /* data that was never sent before */
	struct sndbuf_pos pos; /* of the payload; len > 0 */
};

/* Fills opt with what a segment of c carries; returns the bytes it takes. */
static uint32_t segment_opts(struct stack *st, struct tcp_conn *c, const struct xmit *x,
			     struct tcp_opts *opt)
{
	bool syn = x->flags & TH_SYN;

	memset(opt, 0, sizeof(*opt));
	opt->has_ts = c->ts_ok;
	if (c->ts_ok) {
		opt->tsval = tcp_ts_now(st, c->ts_off);
		opt->tsecr = c->ts_recent;
	}
	if (syn) {
		opt->mss = c->mss_adv;
		opt->has_wscale = c->wscale_ok;
		opt->wscale = c->rcv_wscale;
		opt->sack_ok = c->sack_ok;
		opt->fo = c->fo;
	} else if (c->sack_ok && (x->flags & TH_ACK)) {
		bool dsack = st->cfg.tcp_dsack && !seq_eq(c->dsack.start, c->dsack.end);

		if (dsack || !reass_empty(&c->reass)) {
			unsigned n = 0;

			if (dsack)
				opt->sack[n++] = c->dsack;
			n += reass_sack(&c->reass, opt->sack + n, TCP_SACK_BLOCKS - n);
			/* a full segment has no room for blocks: its size was agreed without them
			 */
			if (!x->super && x->len + 4 + 8 * n <= c->mss)
				opt->nsack = (uint8_t)n;
			else if (x->len == 0)
				opt->nsack = (uint8_t)n;
		}
	}
	return tcp_opts_len(opt, syn);
}

static void header_fill(struct tcp_hdr *h, const struct endpoint *local,
			const struct endpoint *remote, struct seq seq, struct seq ack,
			uint8_t flags, uint32_t hlen, uint16_t wnd)
{
	h->sport = be16(local->port);
	h->dport = be16(remote->port);
	h->seq = be32(seq.v);
	h->ack = be32(flags & TH_ACK ? ack.v : 0);
	h->off = (uint8_t)(hlen / 4 << 4);
	h->flags = flags;
	h->win = be16(wnd);
	h->csum = 0;
	h->urg = 0; /* of a connection: set by xmit() */
}

/* Builds one segment and queues it. 0 or as ip_begin(). */
static int xmit(struct stack *st, struct tcp_conn *c, const struct xmit *x)
{
	struct tcp_opts opt;
	uint32_t hlen = TCP_HLEN_BYTES + segment_opts(st, c, x, &opt);
	struct ip_tx tx = ip_tx_of(&c->o, IPPROTO_TCP_, &c->sk.local.addr, c->flow);
	struct ip_out o;
	uint32_t sum = 0;
	bool want_sum, ect = x->fresh && (c->ecn & TCP_ECN_OK);
	uint8_t disc = tcp_pmtudisc(st, &c->o, &c->dst->addr);
	uint16_t wnd;
	int r;

	/* whoever learnt of it, a smaller path MTU holds for what others cut up, too */
	if (x->super && ip_hlen(&c->dst->addr) + hlen + c->mss > c->path_mtu)
		return -EMSGSIZE;
	tx.tos = (uint8_t)((tx.tos & ~3u) | (ect ? ECT0 : 0)); /* whatever IPV6_TCLASS says */
	tx.link_mtu = disc >= IP_PMTUDISC_INTERFACE;
	/* A reset is not sent again. */
	r = ip_begin(st, x->flags & TH_RST ? NULL : &c->sk, c->dst, &tx,
		     hlen + (x->super ? 0 : x->len), x->super ? x->len : 0, &o);
	if (unlikely(r))
		return r;
	if (unlikely(disc != IP_PMTUDISC_WANT && disc != IP_PMTUDISC_DO) &&
	    ip_addr_is_v4(&c->dst->addr))
		ip_allow_frag(&o);
	wnd = x->flags & TH_RST ? 0 : tcp_rcvwin_field(st, c, x->flags & TH_SYN);
	header_fill((struct tcp_hdr *)o.l4, &c->sk.local, &c->sk.remote, x->seq, c->rcv_nxt,
		    (uint8_t)(x->flags | tcp_ecn_flags(c, x->flags, x->fresh)), hlen, wnd);
	if (unlikely(c->urgent.sending)) {
		struct tcp_hdr *h = (struct tcp_hdr *)o.l4;

		h->urg = be16(urgent_field(c, x->seq, &h->flags));
	}
	tcp_opts_write(&opt, o.l4 + TCP_HLEN_BYTES, x->flags & TH_SYN);
	want_sum = !x->super && ip_wants_sum(st, c->dst);
	if (x->super) {
		o.ent->blk = x->pos.blk;
		o.ent->blk_off = x->pos.off;
		o.ent->blk_len = x->len;
		o.ent->gso_bytes = c->mss;
	} else if (x->len > 0) {
		if (want_sum)
			sum = sndbuf_copy_sum(x->pos, o.l4 + hlen, x->len, 0);
		else
			sndbuf_copy(x->pos, o.l4 + hlen, x->len);
		if (x->flags & TH_PSH)
			o.ent->flags |= TXF_PUSH;
	}
	if (want_sum)
		sum = csum_add(sum, o.l4, hlen);
	ip_commit(st, &o, CSUM_OFFSET, sum);
	if (unlikely(!list_empty(&c->stamps.tx)) && x->len > 0)
		stamp_sent(st, c, x->seq, x->len, o.ent);
	c->segs_out += x->super ? (x->len + c->mss - 1) / c->mss : 1;
	if (opt.nsack && st->cfg.tcp_dsack && !seq_eq(c->dsack.start, c->dsack.end))
		COUNT(st, tcp_dsacks_sent);
	if (x->fresh)
		c->ecn &= (uint8_t)~TCP_ECN_CWR;
	if (x->flags & TH_ACK)
		tcp_ack_sent(st, c);
	return 0;
}

/* What a failure of xmit() means for output: true when it is worth trying again at once. */
static bool xmit_failed(struct stack *st, struct tcp_conn *c, int r)
{
	uint16_t mss = c->mss;

	switch (r) {
	case -EAGAIN:
	case -EINPROGRESS:
		c->out_blocked = true;
		return false;
	case -EMSGSIZE:
		tcp_mss_sync(st, c);
		return c->mss < mss;
	default:
		tcp_soft_error(c, -r);
		return false;
	}
}

int tcp_send_empty(struct stack *st, struct tcp_conn *c, struct seq seq, uint8_t flags)
{
	struct xmit x = {.seq = seq, .flags = flags};
	int r = xmit(st, c, &x);

	if (r == 0 && flags == TH_ACK)
		COUNT(st, tcp_pure_acks);
	return r;
}

static void data_sent(struct stack *st, struct tcp_conn *c, uint32_t len)
{
	if (len == 0)
		return;
	c->bytes_sent += len;
	c->data_segs_out += (len + c->mss - 1) / c->mss;
	/* Linux's pingpong: an answer soon after a question means that ACKs can ride on answers */
	if (st->now_ns - c->last_data_rx_ns < TCP_DELACK_NS)
		c->pingpong = true;
	c->last_data_tx_ns = st->now_ns;
	pace_sent(&c->pace, len, c->data_segs_out, st->now_ns);
}

/* Pacing lets no data go yet. Probes and what the window's opening forces are beyond it. */
static bool pace_holds(struct stack *st, struct tcp_conn *c, unsigned how)
{
	if (likely(pace_may_send(&c->pace, st->now_ns)) || (how & (OUT_PROBE | OUT_FORCE)))
		return false;
	c->pace.holds = true;
	return true;
}

/* The largest piece to build at once: a super-segment where the device takes one, and no more than
 * pacing wants of it. */
static uint32_t piece_max(const struct stack *st, const struct tcp_conn *c)
{
	uint32_t gso = ip_gso_max(st, c->dst);

	if (c->ecn & TCP_ECN_CWR)
		return c->mss; /* said once: who cuts up a super-segment might repeat it */
	if (unlikely(c->urgent.sending))
		return c->mss; /* each has its own pointer */
	if (gso > SUPER_MAX_BYTES)
		gso = SUPER_MAX_BYTES;
	if (gso > c->mss && pace_active(&c->pace))
		gso = pace_piece(&c->pace, c->mss, gso, c->rtt.min_ns);
	return gso > c->mss ? gso - gso % c->mss : c->mss;
}

int tcp_send_again(struct stack *st, struct tcp_conn *c, struct sent_rec *rec, uint32_t len)
{
	uint32_t total = (uint32_t)seq_diff(rec->end, rec->start);
	uint32_t fin = rec->flags & SENT_FIN ? 1 : 0;
	bool syn = (rec->flags & SENT_SYN) && seq_eq(rec->start, c->iss);
	struct xmit x = {.seq = rec->start, .flags = TH_ACK};
	uint32_t max = piece_max(st, c);
	int r;

	if (len > total)
		len = total;
	if (syn) {
		x.flags = c->state == TCPS_SYN_SENT ? TH_SYN : TH_SYN | TH_ACK;
		len = 1;
		c->syn_resent = true;
		tcp_ecn_syn_lost(st, c);
	} else {
		x.len = len < total ? len : total - fin;
		if (x.len > max) {
			x.len = max;
			len = max;
		} else if (x.len + fin == total && fin) {
			x.flags |= TH_FIN;
			len = total;
		}
		x.super = x.len > c->mss;
		if (x.len > 0) {
			x.pos = sndbuf_find(&c->snd, x.seq);
			if (seq_eq(seq_add(x.seq, x.len), sndbuf_end(&c->snd)))
				x.flags |= TH_PSH;
		}
	}
	r = xmit(st, c, &x);
	if (r)
		return r;
	data_sent(st, c, x.len);
	c->bytes_retrans += x.len;
	c->total_retrans += x.len > c->mss ? (x.len + c->mss - 1) / c->mss : 1;
	COUNT(st, tcp_retransmits);
	recovery_retransmitted(&c->rec, &c->sent, rec, len, st->now_ns);
	return 0;
}

/* Sends lost bytes. 1: sent, 0: may not, or an error. */
static int send_lost(struct stack *st, struct tcp_conn *c, struct sent_rec *rec, uint32_t room,
		     unsigned how)
{
	uint32_t len = (uint32_t)seq_diff(rec->end, rec->start);
	uint32_t max = piece_max(st, c);
	int r;

	/* A window taken back: only the first byte is still due (RFC 9293 3.8.6.1). */
	if (seq_geq(rec->start, seq_add(c->sent.una, c->snd_wnd)) &&
	    !seq_eq(rec->start, c->sent.una))
		return 0;
	if (room < len) {
		if (room < c->mss && c->sent.in_flight_bytes > 0) {
			c->out_limited = true;
			return 0;
		}
		len = room < c->mss ? c->mss : room - room % c->mss;
	}
	if (len > max + 1)
		len = max;
	if (pace_holds(st, c, how))
		return 0;
	r = tcp_send_again(st, c, rec, len);
	return r ? r : 1;
}

/* Nagle and Minshall: may a segment smaller than the MSS, the last there is, go now? */
static bool nagle_allows(const struct tcp_conn *c, unsigned how)
{
	if (c->fin_queued || (how & OUT_FORCE) || c->urgent.sending)
		return true;
	if ((how & OUT_MORE) || c->o.cork)
		return false;
	return c->o.nodelay || seq_leq(c->snd_sml, c->sent.una) || sent_empty(&c->sent);
}

/* How many of n bytes (0: none) go into the next segment; unsent: how many there are at all. */
static uint32_t piece_size(const struct stack *st, const struct tcp_conn *c, uint32_t n,
			   uint32_t unsent, unsigned how)
{
	uint32_t max = how & OUT_PROBE ? c->mss : piece_max(st, c), partial;

	if (n > max)
		n = max;
	partial = n % c->mss;
	if (partial == 0)
		return n;
	if (n == unsent)
		return nagle_allows(c, how) ? n : n - partial;
	if (n > c->mss)
		return n - partial;
	/* cut by the peer's window: silly unless half of what it ever offered */
	return (how & OUT_FORCE) || n >= c->snd_wnd_max / 2 ? n : 0;
}

/* Sends new bytes, FIN with the last. 1: sent, 0: may not or nothing there, or an error. */
static int send_new(struct stack *st, struct tcp_conn *c, uint32_t room, unsigned how)
{
	uint32_t unsent = (uint32_t)seq_diff(sndbuf_end(&c->snd), c->sent.nxt);
	int32_t wnd = seq_diff(seq_add(c->sent.una, c->snd_wnd), c->sent.nxt);
	struct xmit x = {.seq = c->sent.nxt, .flags = TH_ACK};
	uint32_t fin = 0, n = unsent, probe;
	int r;

	if ((int32_t)unsent < 0)
		return 0; /* our FIN is out, there is nothing behind it */
	if (wnd <= 0)
		return 0;
	if (n > (uint32_t)wnd)
		n = (uint32_t)wnd;
	if (n > room || (n == 0 && room == 0)) {
		c->out_limited = true;
		n = room - room % c->mss;
		if (n == 0)
			return 0;
	}
	probe = how ? 0 : mtup_probe_bytes(st, c, unsent, (uint32_t)wnd, room);
	if (unlikely(probe)) {
		n = probe;
	} else if (unsent > 0) {
		n = piece_size(st, c, n, unsent, how);
		if (n == 0)
			return 0;
	}
	if (c->fin_queued && n == unsent && (uint32_t)wnd > n) {
		x.flags |= TH_FIN;
		fin = 1;
	}
	if (n + fin == 0 || (n > 0 && pace_holds(st, c, how)))
		return 0;
	x.len = n;
	x.super = n > c->mss && !probe;
	x.fresh = n > 0;
	if (n > 0)
		x.pos = sndbuf_find(&c->snd, x.seq);
	if (n > 0 && n == unsent)
		x.flags |= TH_PSH;
	r = xmit(st, c, &x);
	if (r)
		return r;
	data_sent(st, c, n);
	if (unlikely(probe))
		mtup_probe_sent(c, n);
	else if (n % c->mss)
		c->snd_sml = seq_add(x.seq, n);
	recovery_sent(&c->rec, &c->sent, n + fin, fin ? SENT_FIN : 0, st->now_ns);
	return 1;
}

static int send_syn(struct stack *st, struct tcp_conn *c)
{
	struct xmit x = {.seq = c->iss, .flags = TH_SYN};
	int r;

	if (c->state == TCPS_SYN_RCVD)
		x.flags |= TH_ACK;
	tcp_mss_sync(st, c);
	c->mss_adv = tcp_mss_adv(st, c->dst, &c->o, &c->sk.remote.addr);
	x.len = fastopen_syn_bytes(st, c);
	if (x.len > 0)
		x.pos = sndbuf_find(&c->snd, seq_add(c->iss, 1));
	r = xmit(st, c, &x);
	if (r)
		return r;
	recovery_sent(&c->rec, &c->sent, 1, SENT_SYN, st->now_ns);
	fastopen_syn_sent(c, x.len);
	data_sent(st, c, x.len);
	if (x.len > 0)
		recovery_sent(&c->rec, &c->sent, x.len, 0, st->now_ns);
	return 1;
}

/* RFC 5681 4.1: after an idle time the ACK clock has stopped. */
static void restart_after_idle(struct stack *st, struct tcp_conn *c)
{
	uint64_t idle = st->now_ns - c->last_data_tx_ns;

	cc_restart(&c->cc, st->now_ns);
	if (idle > c->rtt.rto_ns && st->cfg.tcp_slow_start_after_idle && c->last_data_tx_ns)
		cc_after_idle(&c->cc, idle, c->rtt.rto_ns, st->now_ns);
}

/* Bytes that congestion lets go. */
static uint32_t output_room(const struct tcp_conn *c)
{
	uint32_t pipe;

	if (!cc_paces(&c->cc))
		return recovery_room(&c->rec, &c->sent, c->cc.cwnd, c->mss);
	/* a model of the path says how much in recovery, too, and not PRR */
	pipe = recovery_pipe(&c->rec, &c->sent);
	return c->cc.cwnd > pipe ? c->cc.cwnd - pipe : 0;
}

static int output_one(struct stack *st, struct tcp_conn *c, unsigned how)
{
	struct sent_rec *lost = sent_next_lost(&c->sent);
	uint32_t room;

	if (tcp_state_in(c, TCPS_CONNECTING)) {
		if (sent_empty(&c->sent))
			return send_syn(st, c);
		if (lost && (lost->flags & SENT_SYN)) {
			int r = tcp_send_again(st, c, lost, 1);

			return r ? r : 1;
		}
		/* by Fast Open data goes with the first SYN-ACK; not before its loss is repaired */
		if (tcp_half_open(c) || lost || c->retransmits)
			return 0;
	}
	room = output_room(c);
	if ((how & (OUT_PROBE | OUT_FORCE)) && room < c->mss)
		room = c->mss;
	if (recovery_wants_new(&c->rec) && lost) {
		int r = send_new(st, c, room, how);

		if (r != 0 || !recovery_no_new(&c->rec))
			return r;
		room = output_room(c);
	}
	return lost && !(how & OUT_PROBE) ? send_lost(st, c, lost, room, how)
					  : send_new(st, c, room, how);
}

void tcp_output(struct stack *st, struct tcp_conn *c, unsigned how)
{
	struct seq nxt = c->sent.nxt;
	unsigned retries = 2;
	bool sent = false;
	int r;

	if (!tcp_state_in(c, TCPS_SYNCED | TCPS_CONNECTING) || (c->fo_flags & FO_DEFERRED))
		return;
	if (c->snd.len > 0 && sent_empty(&c->sent))
		restart_after_idle(st, c);
	/* smaller or, when what ICMP told is forgotten, larger than before */
	if (unlikely(c->path_mtu != tcp_path_mtu(st, c->dst, &c->o)))
		tcp_mss_sync(st, c);
	c->out_limited = c->pace.holds = false;
	for (;;) {
		r = output_one(st, c, how);
		if (r < 0 && xmit_failed(st, c, r) && retries-- > 0)
			continue;
		sent |= r > 0;
		if (r <= 0 || (how & OUT_PROBE))
			break;
	}
	tcp_control_output(st, c, sent);
	tcp_timer_rtx(st, c);
	tcp_timer_pace(st, c);
	/* TCP_NOTSENT_LOWAT: whoever let the bytes out, a writer may wait for just that */
	if ((c->o.notsent_lowat || st->cfg.tcp_notsent_lowat != UINT32_MAX) &&
	    !seq_eq(c->sent.nxt, nxt))
		tcp_ready(st, c, 0);
}

/*
 * Where an empty segment stands so that the peer finds it acceptable: at snd_nxt, but not beyond a
 * window that the peer has taken back meanwhile. What a rounding by the scale takes is no
 * shrinking.
 */
static struct seq empty_seq(const struct tcp_conn *c)
{
	struct seq edge = seq_add(c->sent.una, c->snd_wnd);

	if (seq_leq(c->sent.nxt, seq_add(edge, (1u << c->snd_wscale) - 1)))
		return c->sent.nxt;
	return edge;
}

/* No ACK is owed any more. */
static void ack_settle(struct stack *st, struct tcp_conn *c)
{
	c->ack_wait = ACK_NONE;
	list_del(&c->ack_node);
	tcp_timer_delack(st, c, false);
}

void tcp_send_ack(struct stack *st, struct tcp_conn *c)
{
	int r;

	if (!tcp_state_in(c, TCPS_SYNCED | TCPS_BIT(TCPS_SYN_RCVD)))
		return;
	/* by Fast Open, and the SYN-ACK waits for room: it is what acknowledges */
	if (c->state == TCPS_SYN_RCVD && seq_eq(c->sent.nxt, c->iss))
		return;
	r = tcp_send_empty(st, c, empty_seq(c), TH_ACK);
	if (r == -EAGAIN || r == -EINPROGRESS)
		tcp_ack_owe(st, c, ACK_TX);
	else if (r)
		ack_settle(st, c); /* lost, as on a wire: the peer will send again */
}

void tcp_tx_resume(struct stack *st, struct sock *sk)
{
	AT(st, sk);
	struct tcp_conn *c = tcp_conn_of(sk);

	ASSERT(sk->type == STK_TCP);
	c->out_blocked = false;
	tcp_output(st, c, 0);
	if (c->ack_wait == ACK_TX)
		tcp_send_ack(st, c);
}

/* ---- the ACK policy ------------------------------------------------------------------------- */

void tcp_ack_owe(struct stack *st, struct tcp_conn *c, enum tcp_ack_wait wait)
{
	if (wait <= c->ack_wait)
		return;
	c->ack_wait = (uint8_t)wait;
	switch (wait) {
	case ACK_DELAYED:
		tcp_timer_delack(st, c, true);
		break;
	case ACK_TURN:
		list_del(&c->ack_node);
		list_push_back(&st->tcp->ack_turn, &c->ack_node);
		break;
	case ACK_BATCH:
		list_del(&c->ack_node);
		list_push_back(&st->tcp->ack_batch, &c->ack_node);
		break;
	default:
		break;
	}
}

void tcp_ack_sent(struct stack *st, struct tcp_conn *c)
{
	if (c->ack_wait != ACK_NONE) {
		ack_settle(st, c);
		if (c->quickacks)
			c->quickacks--;
	}
	c->rcv_acked = c->rcv_nxt;
	c->dsack.end = c->dsack.start;
}

static void flush_acks(struct stack *st, struct list *l)
{
	while (!list_empty(l)) {
		struct tcp_conn *c = list_first(l, struct tcp_conn, ack_node);
		AT(st, c);

		list_del(&c->ack_node);
		tcp_send_ack(st, c);
	}
}

void tcp_run(struct stack *st)
{
	struct tcp_state_tables *t = st->tcp;

	if (unlikely(!list_empty(&t->synacks)))
		tcp_synacks_run(st);
	if (unlikely(st->blk_wanted) && blk_any(st) && st->now_ns >= t->blk_wake_ns)
		tcp_blks_freed(st);
	flush_acks(st, &t->ack_due);
	flush_acks(st, &t->ack_batch);
	while (!list_empty(&t->ack_turn)) {
		struct list *n = t->ack_turn.next;

		list_del(n);
		list_push_back(&t->ack_due, n);
	}
}

uint64_t tcp_wants_run(const struct stack *st)
{
	const struct tcp_state_tables *t = st->tcp;

	if (!list_empty(&t->ack_due) || !list_empty(&t->ack_turn) || !list_empty(&t->synacks))
		return st->now_ns;
	if (likely(!st->blk_wanted) || !blk_any(st))
		return WHEEL_NEVER;
	return t->blk_wake_ns > st->now_ns ? t->blk_wake_ns : st->now_ns;
}

/* RFC 5961 7 and 10: for the whole stack so many in a second; the number is jittered so that nobody
 * can measure what others used of it. */
bool tcp_challenge_allowed(struct stack *st)
{
	struct tcp_state_tables *t = st->tcp;
	uint32_t limit = st->cfg.tcp_challenge_ack_limit;

	if (limit == 0 || limit >= INT32_MAX)
		return true;
	if (st->now_ns - t->challenge_ns >= 1000000000ull || t->challenge_ns == 0) {
		t->challenge_ns = st->now_ns;
		t->challenges = limit / 2 + stack_random(st) % limit;
	}
	if (t->challenges == 0)
		return false;
	t->challenges--;
	return true;
}

void tcp_challenge_ack(struct stack *st, struct tcp_conn *c)
{
	if (c->oow_ack_ns && st->now_ns - c->oow_ack_ns < TCP_OOW_ACK_NS)
		return;
	if (!tcp_challenge_allowed(st))
		return;
	c->oow_ack_ns = st->now_ns;
	COUNT(st, tcp_challenge_acks);
	tcp_send_ack(st, c);
}

/* ---- segments that belong to no connection -------------------------------------------------- */

int tcp_send_raw(struct stack *st, struct tcp_raw *r)
{
	bool syn = r->flags & TH_SYN;
	uint32_t hlen = TCP_HLEN_BYTES + tcp_opts_len(&r->opt, syn);
	struct ip_tx tx = {.src = &r->local->addr, .proto = IPPROTO_TCP_, .ttl = -1};
	struct ip_out o;
	uint32_t sum = 0;
	int err;

	if (r->mark)
		tx = ip_tx_of(r->mark, IPPROTO_TCP_, &r->local->addr, 0);
	tx.flow = ip6_flowlabel(st, r->mark, IPPROTO_TCP_, r->local, r->remote);
	err = ip_begin(st, NULL, r->dst, &tx, hlen, 0, &o);
	if (err)
		return err;
	header_fill((struct tcp_hdr *)o.l4, r->local, r->remote, r->seq, r->ack, r->flags, hlen,
		    r->wnd);
	tcp_opts_write(&r->opt, o.l4 + TCP_HLEN_BYTES, syn);
	if (ip_wants_sum(st, r->dst))
		sum = csum_add(0, o.l4, hlen);
	ip_commit(st, &o, CSUM_OFFSET, sum);
	return 0;
}

void tcp_answer_rst(struct stack *st, const struct tcp_seg *s)
{
	struct dst tmp;
	struct tcp_raw r = {.local = &s->local, .remote = &s->remote, .flags = TH_RST};

	if (s->flags & TH_RST)
		return;
	if (s->flags & TH_ACK) {
		r.seq = s->ack;
	} else {
		r.flags |= TH_ACK;
		r.ack = seq_add(s->seq, s->len + !!(s->flags & TH_SYN) + !!(s->flags & TH_FIN));
	}
	r.dst = dst_back(st, &s->remote.addr, s->p->dev, s->p->mac, &tmp);
	if (r.dst && tcp_send_raw(st, &r) == 0)
		COUNT(st, tcp_rst_sent);
}

void tcp_send_rst(struct stack *st, struct tcp_conn *c)
{
	struct xmit x = {.seq = c->sent.nxt, .flags = TH_RST | TH_ACK};

	if (!tcp_state_in(c, TCPS_SYNCED | TCPS_BIT(TCPS_SYN_RCVD)))
		return;
	/* RFC 9293 3.10.5: both FINs are out; an ABORT only forgets */
	if (tcp_state_in(c, TCPS_BIT(TCPS_CLOSING) | TCPS_BIT(TCPS_LAST_ACK)))
		return;
	if (xmit(st, c, &x) == 0)
		COUNT(st, tcp_rst_sent);
}
