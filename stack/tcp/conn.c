/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a connection: its states and the one function that changes them, birth by connect(),
 * the application's sending, receiving, shutdown and close, and its end. Must never leave anything
 * behind when a connection ends, whatever state it was in.
 *
 * RFC 9293 3.3.2 (states), 3.10.1-3.10.6 (calls), 3.6 (closing); RFC 6528 (ISNs); errno results and
 * readiness as Linux.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tcp.h"

/* ---- states --------------------------------------------------------------------------------- */

#define TO(s) TCPS_BIT(TCPS_##s)
static const uint32_t transitions[TCPS_COUNT] = {
	[TCPS_CLOSED] = TO(SYN_SENT) | TO(SYN_RCVD),
	[TCPS_SYN_SENT] = TO(SYN_RCVD) | TO(ESTABLISHED) | TO(CLOSED),
	[TCPS_SYN_RCVD] = TO(ESTABLISHED) | TO(FIN_WAIT1) | TO(CLOSED),
	[TCPS_ESTABLISHED] = TO(FIN_WAIT1) | TO(CLOSE_WAIT) | TO(CLOSED),
	[TCPS_FIN_WAIT1] = TO(FIN_WAIT2) | TO(CLOSING) | TO(TIME_WAIT) | TO(CLOSED),
	[TCPS_FIN_WAIT2] = TO(TIME_WAIT) | TO(CLOSED),
	[TCPS_CLOSING] = TO(TIME_WAIT) | TO(CLOSED),
	[TCPS_TIME_WAIT] = TO(CLOSED),
	[TCPS_CLOSE_WAIT] = TO(LAST_ACK) | TO(CLOSED),
	[TCPS_LAST_ACK] = TO(CLOSED),
};
#undef TO

void tcp_state_set(struct stack *st, struct tcp_conn *c, enum tcp_state to)
{
	ASSERT(transitions[c->state] & TCPS_BIT(to));
	c->state = (uint8_t)to;
}

void tcp_ready(struct stack *st, struct tcp_conn *c, uint32_t raise)
{
	uint32_t set = 0;
	const uint32_t all = RDY_IN | RDY_PRI | RDY_OUT | RDY_ERR | RDY_HUP | RDY_RDHUP;

	if (c->state == TCPS_CLOSED || (c->shut_rd && c->shut_wr))
		set |= RDY_HUP;
	if (c->shut_rd)
		set |= RDY_IN | RDY_RDHUP;
	if (c->fo_flags & FO_DEFERRED)
		set |= RDY_OUT; /* the first bytes set it going */
	if (!tcp_half_open(c)) {
		uint32_t lowat = c->o.rcvlowat ? c->o.rcvlowat : 1;

		if (unlikely(c->urgent.state != URGENT_NONE)) {
			/* the urgent byte is nothing to read in the stream */
			lowat += urgent_at_mark(c) && !c->o.oobinline;
			if (c->urgent.state == URGENT_HERE)
				set |= RDY_PRI;
		}
		if (c->rcv.len >= lowat || (c->rcv.len > 0 && tcp_rcvwin_bytes(st, c) == 0))
			set |= RDY_IN;
		if (c->shut_wr) {
			set |= RDY_OUT;
		} else {
			/* sk_stream_is_writeable(): at least a third is free */
			uint32_t notsent = (uint32_t)seq_diff(sndbuf_end(&c->snd), c->sent.nxt);

			uint32_t low =
				c->o.notsent_lowat ? c->o.notsent_lowat : st->cfg.tcp_notsent_lowat;

			if (list_empty(&c->blkw) && c->snd.len <= c->snd_limit / 3 * 2 &&
			    (low == 0 || (int32_t)notsent < 0 || notsent < low))
				set |= RDY_OUT;
		}
	}
	if (c->sk.err || !list_empty(&c->sk.errs))
		set |= RDY_ERR;
	/* room is told to whom it was refused; others would be woken by every ACK for nothing */
	if (c->nospace && (set & RDY_OUT)) {
		c->nospace = false;
		raise |= RDY_OUT;
	}
	sock_ready(st, &c->sk, set, all & ~set, raise & set);
}

/* ---- birth ---------------------------------------------------------------------------------- */

uint32_t tcp_path_mtu(const struct stack *st, const struct dst *d, const struct sock_opts *o)
{
	/* IP_PMTUDISC_INTERFACE and _OMIT: nobody is believed */
	return tcp_pmtudisc(st, o, &d->addr) >= IP_PMTUDISC_INTERFACE ? dst_link_mtu(st, d)
								      : dst_mtu(st, d);
}

uint16_t tcp_mss_adv(struct stack *st, const struct dst *d, const struct sock_opts *o,
		     const struct ip_addr *to)
{
	uint32_t hdr = ip_hlen(to) + TCP_HLEN_BYTES;
	uint32_t mtu = tcp_path_mtu(st, d, o), mss = mtu > hdr ? mtu - hdr : 0;

	if (o->maxseg && o->maxseg < mss)
		mss = o->maxseg;
	if (mss < TCP_MSS_MIN)
		mss = TCP_MSS_MIN;
	return (uint16_t)(mss > UINT16_MAX ? UINT16_MAX : mss);
}

void tcp_mss_sync(struct stack *st, struct tcp_conn *c)
{
	uint32_t mss = tcp_mss_adv(st, c->dst, &c->o, &c->sk.remote.addr), bound;

	c->path_mtu = tcp_path_mtu(st, c->dst, &c->o);
	bound = mtup_bound(&c->mtup, c->path_mtu) - ip_hlen(&c->sk.remote.addr) - TCP_HLEN_BYTES;
	if (mss > bound)
		mss = bound;
	if (c->mss_clamp && mss > c->mss_clamp)
		mss = c->mss_clamp;
	if (mss < TCP_MSS_MIN)
		mss = TCP_MSS_MIN;
	if (c->ts_ok)
		mss -= TCP_OPTS_TS_BYTES;
	if (mss == c->mss)
		return;
	c->mss = (uint16_t)mss;
	c->sent.seg_bytes = mss;
	cc_mss_set(&c->cc, mss, c->bytes_sent == 0);
}

struct seq tcp_isn(struct stack *st, const struct endpoint *local, const struct endpoint *remote)
{
	struct {
		struct ip_addr a, b;
		uint32_t ports, what;
	} key = {local->addr, remote->addr, (uint32_t)local->port << 16 | remote->port, 1};

	/* RFC 6528: M + F(); M ticks every 64 ns, as Linux, so that it outruns any sender. */
	return seq_of((uint32_t)stack_hash(st, &key, sizeof(key)) + (uint32_t)(st->now_ns >> 6));
}

uint32_t tcp_ts_off(struct stack *st, const struct endpoint *local, const struct endpoint *remote)
{
	struct {
		struct ip_addr a, b;
		uint32_t what;
		uint32_t pad;
	} key = {local->addr, remote->addr, 2, 0};

	/* per pair of hosts, so that timestamps grow from one connection to the next (RFC 6191) */
	return (uint32_t)stack_hash(st, &key, sizeof(key));
}

struct tcp_conn *tcp_conn_new(struct stack *st, const struct endpoint *local,
			      const struct endpoint *remote, const struct sock_opts *o,
			      struct dst *dst, struct seq iss)
{
	struct tcp_conn *c = pool_get_zeroed(&st->tcp->conns);

	if (!c)
		return NULL;
	at_note(st, c); /* until its maker is through with it */
	sock_init(st, &c->sk, STK_TCP);
	c->sk.local = *local;
	c->sk.remote = *remote;
	tcp_conn_init(st, c, o, dst, iss);
	return c;
}

void tcp_conn_init(struct stack *st, struct tcp_conn *c, const struct sock_opts *o, struct dst *dst,
		   struct seq iss)
{
	c->state = TCPS_CLOSED;
	c->o = *o;
	if (c->o.ttl == 0)
		c->o.ttl = st->cfg.ip_default_ttl;
	c->dst = dst;
	c->iss = iss;
	c->flow = ip6_flowlabel(st, o, IPPROTO_TCP_, &c->sk.local, &c->sk.remote);
	c->ts_off = tcp_ts_off(st, &c->sk.local, &c->sk.remote);
	c->quickacks = TCP_QUICKACKS;
	c->pingpong = !o->quickack;
	c->snd_sml = iss;
	c->mss_clamp = TCP_MSS_FALLBACK;
	list_init(&c->ack_node);
	list_init(&c->blkw);
	list_init(&c->reass_node);
	list_init(&c->accept_node);
	list_init(&c->fo_node);
	list_init(&c->stamps.tx);
	rcvbuf_init(&c->rcv);
	reass_init(&c->reass);
	sndbuf_init(&c->snd, seq_add(iss, 1));
	sent_init(&c->sent, &st->tcp->sents, iss);
	rtt_init(&c->rtt);
	tcp_recovery_init(st, c);
	c->mss = TCP_MSS_FALLBACK;
	cc_init(&c->cc, o->cc >= 0 ? (enum cc_algo)o->cc : st->cfg.cc, c->mss);
	tcp_control_init(st, c);
	tcp_timers_init(c);
	tcp_rcvwin_init(st, c);
	c->snd_locked = o->sndbuf != 0;
	c->snd_limit = o->sndbuf ? o->sndbuf : st->cfg.tcp_wmem[1];
	c->last_rx_ns = st->now_ns;
}

/* tcp_init_buffer_space(): room for a window of segments and their overhead. */
#define SNDBUF_SEG_OVERHEAD 856u
void tcp_established(struct stack *st, struct tcp_conn *c)
{
	mtup_init(st, c);
	tcp_mss_sync(st, c);
	if (c->syn_resent) { /* RFC 5681 3.1, RFC 6298 5.7 */
		cc_syn_lost(&c->cc);
		rtt_syn_lost(&c->rtt);
	}
	tcp_rtos_end(st, c);
	c->probes_out = 0;
	c->probe_backoff = 0;
	c->stall_ns = 0;
	c->soft_err_valid = false;
	tcp_sndbuf_tune(st, c);
	c->last_rx_ns = st->now_ns;
	if (c->o.keepalive)
		tcp_timer_keep(st, c);
}

void tcp_sndbuf_tune(struct stack *st, struct tcp_conn *c)
{
	uint64_t want;
	uint32_t segs = c->cc.cwnd / c->mss;

	if (c->snd_locked)
		return;
	if (segs < CC_IW_SEGMENTS)
		segs = CC_IW_SEGMENTS;
	/* twice the window: one in flight, one being filled by the application */
	want = 2ull * segs * (c->mss + SNDBUF_SEG_OVERHEAD);
	if (want > st->cfg.tcp_wmem[2])
		want = st->cfg.tcp_wmem[2];
	if (want > c->snd_limit)
		c->snd_limit = (uint32_t)want;
}

int stack_connect(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
		  const struct sock_opts *o, struct sock **out, uint64_t now_ns)
{
	AT(st, NULL);
	struct seq iss;
	struct tcp_mini *m;
	struct tcp_conn *c;
	struct dst *d;

	st->now_ns = now_ns;
	if (tcp_conn_find(st, local, remote))
		return -EADDRNOTAVAIL;
	iss = tcp_isn(st, local, remote);
	m = tcp_mini_find(st, local, remote);
	if (m &&
	    (m->kind != TCP_MINI_TW || !tcp_tw_reuse(st, (struct tcp_tw *)m, o->port_bound, &iss)))
		return -EADDRNOTAVAIL;
	d = dst_get(st, &remote->addr);
	if (!d)
		return -ENOMEM;
	c = tcp_conn_new(st, local, remote, o, d, iss);
	if (!c) {
		dst_put(st, d);
		return -ENOMEM;
	}
	c->ts_ok = st->cfg.tcp_timestamps;
	c->sack_ok = st->cfg.tcp_sack;
	tcp_ecn_connect(st, c);
	c->wscale_ok = st->cfg.tcp_window_scaling;
	c->rcv_wscale = c->wscale_ok ? tcp_rcvwin_scale(st, o) : 0;
	tcp_conn_hash(st, c);
	tcp_state_set(st, c, TCPS_SYN_SENT);
	COUNT(st, tcp_conn_active);
	*out = &c->sk;
	if (fastopen_connect(st, c)) {
		tcp_ready(st, c, 0);
		return 0;
	}
	tcp_output(st, c, 0);
	if (c->soft_err_valid && sent_empty(&c->sent)) {
		int err = c->soft_err;

		tcp_conn_done(st, c, 0);
		tcp_conn_free(st, c);
		COUNT(st, tcp_conn_failed);
		return -err;
	}
	return 0;
}

/* ---- the end -------------------------------------------------------------------------------- */

void tcp_conn_free(struct stack *st, struct tcp_conn *c)
{
	ASSERT(c->state == TCPS_CLOSED);
	rcvbuf_free(st, &c->rcv);
	stamps_end_rx(st, c);
	saved_syn_free(st, &c->saved_syn);
	sock_fini(st, &c->sk);
	if (!c->sk.claimed) {
		pool_put(&st->tcp->conns, c);
		return;
	}
	c->sk.life = SOCK_GONE;
	list_del(&c->accept_node);
	list_push_back(&st->tcp->gone_conns, &c->accept_node);
}

bool stack_gone(struct stack *st, struct endpoint *local, struct endpoint *remote, uint8_t *claims)
{
	struct tcp_state_tables *t = st->tcp;

	if (!list_empty(&t->gone_ports)) {
		struct tcp_conn *c = list_first(&t->gone_ports, struct tcp_conn, accept_node);

		list_del(&c->accept_node);
		*local = c->sk.local;
		*remote = c->sk.remote;
		*claims = CLAIM_PORT;
		c->sk.claimed &= (uint8_t)~CLAIM_PORT;
		return true;
	}
	if (!list_empty(&t->gone_conns)) {
		struct tcp_conn *c = list_first(&t->gone_conns, struct tcp_conn, accept_node);

		list_del(&c->accept_node);
		*local = c->sk.local;
		*remote = c->sk.remote;
		*claims = c->sk.claimed;
		c->sk.life = SOCK_FREE;
		pool_put(&t->conns, c);
		return true;
	}
	if (!list_empty(&t->gone_tws)) {
		struct tcp_tw *tw = list_first(&t->gone_tws, struct tcp_tw, node);

		list_del(&tw->node);
		*local = tw->m.local;
		*remote = tw->m.remote;
		*claims = tw->claimed;
		tw->live = false;
		pool_put(&t->tws, tw);
		return true;
	}
	if (!list_empty(&t->gone_reqs)) {
		struct tcp_req *r = list_first(&t->gone_reqs, struct tcp_req, node);

		list_del(&r->node);
		*local = r->m.local;
		*remote = r->m.remote;
		*claims = r->claimed;
		r->gone = false;
		pool_put(&t->reqs, r);
		return true;
	}
	return false;
}

bool stack_remains(const struct stack *st)
{
	const struct tcp_state_tables *t = st->tcp;

	return !list_empty(&t->tw) || !list_empty(&t->gone_conns) || !list_empty(&t->gone_tws) ||
	       !list_empty(&t->gone_reqs);
}

uint8_t *stack_claims(struct stack *st, const struct endpoint *local, const struct endpoint *remote)
{
	struct tcp_conn *c = tcp_conn_find(st, local, remote);
	struct tcp_mini *m = c ? NULL : tcp_mini_find(st, local, remote);

	if (c)
		return &c->sk.claimed;
	return m && m->kind == TCP_MINI_TW ? &container_of(m, struct tcp_tw, m)->claimed : NULL;
}

static void reqs_each(struct tcp_listener *l,
		      void (*each)(void *arg, const struct endpoint *local,
				   const struct endpoint *remote, uint8_t *claims),
		      void *arg)
{
	struct list *pos;

	list_for_each(pos, &l->reqs) {
		struct tcp_req *r = list_entry(pos, struct tcp_req, node);

		each(arg, &r->m.local, &r->m.remote, &r->claimed);
	}
}

void stack_port_each(struct stack *st, uint16_t port,
		     void (*each)(void *arg, const struct endpoint *local,
				  const struct endpoint *remote, uint8_t *claims),
		     void *arg)
{
	struct list *pos;

	list_for_each(pos, &st->socks) {
		struct sock *sk = list_entry(pos, struct sock, all);

		if (sk->local.port != port)
			continue;
		if (sk->type == STK_TCP && tcp_conn_of(sk)->state != TCPS_CLOSED)
			each(arg, &sk->local, &sk->remote, &sk->claimed);
		if (sk->type == STK_LISTENER && tcp_listener_of(sk)->left)
			reqs_each(tcp_listener_of(sk), each, arg);
	}
	list_for_each(pos, &st->tcp->tw) {
		struct tcp_tw *tw = list_entry(pos, struct tcp_tw, node);

		if (tw->m.local.port == port)
			each(arg, &tw->m.local, &tw->m.remote, &tw->claimed);
	}
}

void tcp_conn_orphan(struct stack *st, struct tcp_conn *c)
{
	if (!c->sk.orphan)
		sock_orphan(st, &c->sk);
	if (c->state == TCPS_CLOSED || c->orphan_counted)
		return;
	c->orphan_counted = true;
	st->tcp->norphans++;
}

bool tcp_conn_done(struct stack *st, struct tcp_conn *c, int err)
{
	if (c->state != TCPS_CLOSED)
		tcp_state_set(st, c, TCPS_CLOSED);
	tcp_conn_unhash(st, c);
	fastopen_settled(st, c, false);
	c->fo_flags &= (uint8_t)~FO_DEFERRED;
	tcp_timers_stop(st, c);
	list_del(&c->ack_node);
	list_del(&c->blkw);
	list_del(&c->reass_node);
	c->ack_wait = ACK_NONE;
	list_del(&c->sk.txw);
	stamps_end_tx(st, c);
	sndbuf_free(st, &c->snd);
	sent_reset(&c->sent);
	reass_free(st, &c->reass);
	if (c->dst)
		dst_put(st, c->dst);
	c->dst = NULL;
	c->shut_rd = c->shut_wr = true;
	c->fin_queued = false;
	if (err)
		c->sk.err = err;
	if (c->orphan_counted) {
		c->orphan_counted = false;
		st->tcp->norphans--;
	}
	if (c->sk.orphan) {
		tcp_conn_free(st, c);
		return true;
	}
	if (c->sk.claimed & CLAIM_PORT && list_empty(&c->accept_node))
		list_push_back(&st->tcp->gone_ports, &c->accept_node);
	tcp_ready(st, c, RDY_IN | RDY_OUT | RDY_HUP | RDY_RDHUP | RDY_ERR);
	return false;
}

bool tcp_conn_abort(struct stack *st, struct tcp_conn *c, int err)
{
	if (c->state != TCPS_CLOSED)
		tcp_send_rst(st, c);
	return tcp_conn_done(st, c, err);
}

/* Our direction ends: FIN behind the last byte. */
static void send_fin(struct stack *st, struct tcp_conn *c)
{
	switch (c->state) {
	case TCPS_SYN_RCVD:
		if (c->fo_flags & FO_PASSIVE) {
			c->fin_queued = true;
			if (c->sk.orphan)
				tcp_output(st, c, 0);
			return;
		}
		/* as Linux: shutdown() waits for the handshake, close() only for what is written */
		if (!c->sk.orphan || c->snd.len > 0 || sent_empty(&c->sent)) {
			c->fin_queued = true;
			return;
		}
		tcp_state_set(st, c, TCPS_FIN_WAIT1);
		break;
	case TCPS_ESTABLISHED:
		tcp_state_set(st, c, TCPS_FIN_WAIT1);
		break;
	case TCPS_CLOSE_WAIT:
		tcp_state_set(st, c, TCPS_LAST_ACK);
		break;
	default:
		return;
	}
	c->fin_queued = true;
	tcp_output(st, c, 0);
}

int tcp_shutdown(struct stack *st, struct sock *sk, int how, uint64_t now_ns)
{
	struct tcp_conn *c = tcp_conn_of(sk);

	if (sk->type == STK_LISTENER) {
		if (how != SHUT_WR)
			tcp_listener_shut(st, tcp_listener_of(sk));
		return 0;
	}
	if (c->state == TCPS_CLOSED)
		return -ENOTCONN;
	if (c->state == TCPS_SYN_SENT) {
		tcp_conn_done(st, c, ECONNRESET); /* what Linux tells who waits for it */
		return 0;
	}
	if (how == SHUT_RD || how == SHUT_RDWR)
		c->shut_rd = true;
	if (how == SHUT_WR || how == SHUT_RDWR) {
		c->shut_wr = true;
		send_fin(st, c);
	}
	if (c->state != TCPS_CLOSED)
		tcp_ready(st, c, RDY_IN | RDY_HUP | RDY_RDHUP | RDY_OUT);
	return 0;
}

/* RFC 2525 2.17: who closes with data unread must say so, by RST. */
static void close_conn(struct stack *st, struct tcp_conn *c)
{
	bool unread = c->rcv.len > 0;

	tcp_conn_orphan(st, c);
	if (c->state == TCPS_CLOSED) {
		tcp_conn_free(st, c);
		return;
	}
	c->shut_rd = c->shut_wr = true;
	rcvbuf_free(st, &c->rcv);
	if (unread)
		COUNT(st, tcp_unread_reset);
	if (unread || c->o.linger_s == 0) {
		tcp_conn_abort(st, c, 0);
		return;
	}
	if (c->state == TCPS_SYN_SENT) {
		tcp_conn_done(st, c, 0);
		return;
	}
	if (st->tcp->norphans > st->cfg.tcp_max_orphans) {
		COUNT(st, tcp_orphan_killed);
		tcp_conn_abort(st, c, 0);
		return;
	}
	if (c->state == TCPS_FIN_WAIT2 && c->o.linger2_s < 0) {
		tcp_conn_abort(st, c, 0);
		return;
	}
	if (c->state == TCPS_FIN_WAIT2 && st->tcp->tws.out >= st->tcp->tws.limit) {
		COUNT(st, tcp_tw_overflow); /* Linux makes it a TIME-WAIT at once */
		tcp_conn_done(st, c, 0);
		return;
	}
	tcp_timer_keep(st, c);
	send_fin(st, c);
}

void tcp_close(struct stack *st, struct sock *sk, uint64_t now_ns)
{
	if (sk->type == STK_LISTENER)
		tcp_listener_close(st, tcp_listener_of(sk));
	else
		close_conn(st, tcp_conn_of(sk));
}

void tcp_abort(struct stack *st, struct sock *sk, uint64_t now_ns)
{
	if (sk->type == STK_LISTENER)
		tcp_listener_close(st, tcp_listener_of(sk));
	else if (tcp_conn_of(sk)->state == TCPS_CLOSED)
		tcp_conn_free(st, tcp_conn_of(sk));
	else
		tcp_conn_abort(st, tcp_conn_of(sk), 0);
}

void tcp_soft_error(struct tcp_conn *c, int err)
{
	/* As of Linux: IPv6 remembers a route that failed it, IPv4 only a neighbour. */
	if (c->state != TCPS_SYN_SENT && ip_addr_is_v4(&c->dst->addr) && !c->dst->silent)
		return;
	c->soft_err = (uint16_t)err;
	c->soft_err_valid = true;
}

int tcp_soft_error_take(struct sock *sk)
{
	struct tcp_conn *c = tcp_conn_of(sk);
	int err = c->soft_err_valid ? c->soft_err : 0;

	c->soft_err_valid = false;
	return err;
}

void tcp_dst_failed(struct stack *st, struct sock *sk, int err)
{
	AT(st, sk);
	struct tcp_conn *c = tcp_conn_of(sk);

	if (c->state == TCPS_SYN_SENT) {
		COUNT(st, tcp_conn_failed);
		tcp_conn_done(st, c, err);
		return;
	}
	tcp_soft_error(c, err);
	c->out_blocked = false;
	if (c->ack_wait == ACK_TX) /* it waits on no list any more */
		c->ack_wait = ACK_NONE;
}

/* ---- what the application asks -------------------------------------------------------------- */

bool tcp_connecting(const struct sock *sk)
{
	return sk->type == STK_TCP && tcp_half_open(tcp_conn_of(sk));
}

bool tcp_connected(const struct sock *sk)
{
	return sk->type == STK_TCP && (tcp_state_in(tcp_conn_of(sk), TCPS_SYNCED) ||
				       (tcp_state_in(tcp_conn_of(sk), TCPS_CONNECTING) &&
					!tcp_half_open(tcp_conn_of(sk))));
}

bool tcp_deferred(const struct sock *sk)
{
	return sk->type == STK_TCP && (tcp_conn_of(sk)->fo_flags & FO_DEFERRED);
}

uint32_t tcp_inq(const struct sock *sk)
{
	const struct tcp_conn *c = tcp_conn_of(sk);
	uint32_t n;

	if (sk->type != STK_TCP)
		return 0;
	/* Linux: up to the mark; when there, none. All, if the byte is in band or not here */
	if (likely(c->urgent.state == URGENT_NONE) || c->o.oobinline)
		return c->rcv.len;
	n = (uint32_t)seq_diff(c->urgent.at, c->copied);
	return n < c->rcv.len ? n : c->rcv.len;
}

uint32_t tcp_unread(const struct sock *sk)
{
	return sk->type == STK_TCP ? tcp_conn_of(sk)->rcv.len : 0;
}

bool tcp_at_mark(const struct sock *sk)
{
	return sk->type == STK_TCP && urgent_at_mark(tcp_conn_of(sk));
}

uint32_t tcp_outq(const struct sock *sk)
{
	return tcp_unacked(sk); /* SIOCOUTQ counts a FIN, too, in Linux */
}

uint32_t tcp_outq_notsent(const struct sock *sk)
{
	const struct tcp_conn *c = tcp_conn_of(sk);
	int32_t n;

	if (sk->type != STK_TCP)
		return 0;
	n = seq_diff(sndbuf_end(&c->snd), c->sent.nxt);
	if (n < 0)
		return 0; /* our FIN is out */
	return (uint32_t)n < c->snd.len ? (uint32_t)n : c->snd.len;
}

uint32_t tcp_unacked(const struct sock *sk)
{
	const struct tcp_conn *c = tcp_conn_of(sk);

	if (sk->type != STK_TCP)
		return 0;
	return c->snd.len + (c->fin_queued && seq_leq(c->sent.una, sndbuf_end(&c->snd)));
}

const char *tcp_state_name(const struct sock *sk)
{
	static const char *const name[TCPS_COUNT] = {
		[TCPS_ESTABLISHED] = "ESTAB",    [TCPS_SYN_SENT] = "SYN-SENT",
		[TCPS_SYN_RCVD] = "SYN-RECV",    [TCPS_FIN_WAIT1] = "FIN-WAIT-1",
		[TCPS_FIN_WAIT2] = "FIN-WAIT-2", [TCPS_TIME_WAIT] = "TIME-WAIT",
		[TCPS_CLOSED] = "UNCONN",        [TCPS_CLOSE_WAIT] = "CLOSE-WAIT",
		[TCPS_LAST_ACK] = "LAST-ACK",    [TCPS_LISTEN] = "LISTEN",
		[TCPS_CLOSING] = "CLOSING",
	};
	unsigned s = sk->type == STK_LISTENER ? TCPS_LISTEN : tcp_conn_of(sk)->state;

	/* may be called on memory that another process is changing */
	return s < TCPS_COUNT && name[s] ? name[s] : "?";
}
