/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. TCP_INFO, field by field, after exchanges that are the same for both. What
 * depends on time or on who acknowledges when is told by its bounds. */
#ifndef SOCKDIFF_INFO_H
#define SOCKDIFF_INFO_H

/* libc's ends where Linux 3.15's did. */
struct info_all {
	struct tcp_info ti;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
	uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
	uint32_t delivered, delivered_ce;
	uint64_t bytes_sent, bytes_retrans;
	uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd, rcv_wnd, rehash;
	uint16_t total_rto, total_rto_recoveries;
	uint32_t total_rto_time;
	char later[256];
};

static bool info_within(uint64_t v, uint64_t lo, uint64_t hi)
{
	return v >= lo && v <= hi;
}

static void info_say(int s, bool bulk)
{
	struct info_all a = {0};
	const struct tcp_info *t = &a.ti;
	socklen_t len = sizeof(a);

	ok("info", getsockopt(s, IPPROTO_TCP, TCP_INFO, &a, &len));
	say("len=%u state=%u ca=%u rexmit=%u probes=%u backoff=%u opt=%x ws=%u,%u", len,
	    t->tcpi_state, t->tcpi_ca_state, t->tcpi_retransmits, t->tcpi_probes, t->tcpi_backoff,
	    t->tcpi_options, t->tcpi_snd_wscale, t->tcpi_rcv_wscale);
	say("ato=%u smss=%u rmss=%u unacked=%u sacked=%u lost=%u retrans=%u fackets=%u pmtu=%u",
	    t->tcpi_ato, t->tcpi_snd_mss, t->tcpi_rcv_mss, t->tcpi_unacked, t->tcpi_sacked,
	    t->tcpi_lost, t->tcpi_retrans, t->tcpi_fackets, t->tcpi_pmtu);
	say("advmss=%u acked=%llu got=%llu once=%llu notsent=%u ce=%u", t->tcpi_advmss,
	    (unsigned long long)a.bytes_acked, (unsigned long long)a.bytes_received,
	    (unsigned long long)(a.bytes_sent - a.bytes_retrans), a.notsent_bytes, a.delivered_ce);
	if (!bulk) /* in bulk a veth may drop, and each stack finds its own window */
		say("ssthresh=%u rspace=%u resent=%u,%llu dsack=%u seen=%u ooo=%u "
		    "limited=%u,%u",
		    t->tcpi_snd_ssthresh, t->tcpi_rcv_space, t->tcpi_total_retrans,
		    (unsigned long long)a.bytes_retrans, a.dsack_dups, a.reord_seen, a.rcv_ooopack,
		    a.rwnd_limited > 0, a.sndbuf_limited > 0);
	say("rehash=%u rtos=%u,%u,%u", a.rehash, a.total_rto, a.total_rto_recoveries,
	    a.total_rto_time);
	say("rto=%d rtt=%d var=%d min=%d pace=%d max=%d", info_within(t->tcpi_rto, 200000, 310000),
	    info_within(t->tcpi_rtt, 1, 100000), info_within(t->tcpi_rttvar, 1, 100000),
	    info_within(a.min_rtt, 0, 100000), a.pacing_rate > 100000,
	    a.max_pacing_rate == UINT64_MAX);
}

/* How many segments. acks: how many of those out may be ACKs that could have gone with data. */
static void info_segs(int s, unsigned acks)
{
	struct info_all a = {0};
	const struct tcp_info *t = &a.ti;
	socklen_t len = sizeof(a);

	getsockopt(s, IPPROTO_TCP, TCP_INFO, &a, &len);
	say("segs=%u,%u data=%u,%u delivered=%u cwnd=%u last=%d,%d,%d", a.segs_out / (acks + 1),
	    a.segs_in, a.data_segs_out, a.data_segs_in, a.delivered, t->tcpi_snd_cwnd,
	    info_within(t->tcpi_last_data_sent, 0, 4000),
	    info_within(t->tcpi_last_data_recv, 0, 4000),
	    info_within(t->tcpi_last_ack_recv, 0, 4000));
}

static void info_handshake(void)
{
	int s, p;

	if (agent < 0)
		return; /* the stack has no packets of 64 KB on its loopback */
	pair(&s, &p);
	nap();
	info_say(s, false);
	info_segs(s, 0);
	pair_close(s, p);
}

/* A question and an answer. */
static void info_one_each(void)
{
	int s, p;

	if (agent < 0)
		return; /* the stack has no packets of 64 KB on its loopback */
	pair(&s, &p);
	send(p, big, 100, 0);
	read_all(s, 100);
	send(s, big, 200, 0);
	read_all(p, 200);
	nap();
	nap();
	info_say(s, false);
	info_segs(s, 9);
	pair_close(s, p);
}

/* 20 full segments out, each acknowledged before the next. */
static void info_out(void)
{
	int s, p;

	if (agent < 0)
		return; /* the stack has no packets of 64 KB on its loopback */
	pair(&s, &p);
	for (int i = 0; i < 20; i++) {
		send(s, big, 1000, 0);
		read_all(p, 1000);
	}
	nap();
	nap();
	info_say(s, false);
	pair_close(s, p);
}

static void info_bulk(bool out)
{
	struct later wr;
	pthread_t t;
	int s, p;

	if (agent < 0)
		return; /* the stack has no packets of 64 KB on its loopback */
	pair(&s, &p);
	wr = (struct later){out ? s : p, 0, WRITE1, sizeof(big)};
	for (int i = 0; i < 10; i++) {
		t = later(&wr);
		read_all(out ? p : s, sizeof(big));
		pthread_join(t, NULL);
	}
	nap();
	nap();
	info_say(s, true);
	pair_close(s, p);
}

static void info_bulk_out(void)
{
	info_bulk(true);
}

static void info_bulk_in(void)
{
	info_bulk(false);
}

/* The peer has sent its FIN, then we ours. */
static void info_closing(void)
{
	int s, p;

	if (agent < 0)
		return; /* the stack has no packets of 64 KB on its loopback */
	pair(&s, &p);
	send(p, big, 10, 0);
	shutdown(p, SHUT_WR);
	nap();
	nap();
	info_say(s, false);
	info_segs(s, 0);
	shutdown(s, SHUT_WR);
	nap();
	nap();
	info_say(s, false);
	pair_close(s, p);
}

static void info_keepalive(void)
{
	int s, p;

	if (agent < 0)
		return; /* the stack has no packets of 64 KB on its loopback */
	pair(&s, &p);
	set_int(s, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	set_int(s, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	set_int(s, SOL_SOCKET, SO_KEEPALIVE, 1);
	usleep(1500000);
	info_say(s, false);
	info_segs(s, 0);
	pair_close(s, p);
}

static void info_unconnected(void)
{
	int s = own_socket(SOCK_STREAM), l = listener(false, 7);

	info_say(l, false);
	close(s);
	close(l);
}

/* Who may have which congestion control: tcp_allowed_congestion_control. */
static void info_congestion(void)
{
	static const char *const names[] = {"reno", "cubic", "bbr", "nonsense", ""};
	char name[16] = "";
	socklen_t len = sizeof(name);
	int s, p, st = 0;
	pid_t child;

	pair(&s, &p);
	for (unsigned i = 0; i < 5; i++)
		ok(names[i], setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, names[i],
					(socklen_t)strlen(names[i])));
	ok("reno", setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 5));
	ok("get", getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	say("%s/%u", name, len);
	for (unsigned i = 0; i < 4; i++) {
		child = fork();
		if (child == 0) {
			if (setresuid(65534, 65534, 65534))
				_exit(100);
			_exit(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, names[i],
					 (socklen_t)strlen(names[i]))
				      ? errno
				      : 0);
		}
		waitpid(child, &st, 0);
		say("%s:%d", names[i], WEXITSTATUS(st));
	}
	pair_close(s, p);
}

ADD_CASES(info_cases, BOTH(info_handshake), BOTH(info_one_each), BOTH(info_out),
	  BOTH(info_bulk_out), BOTH(info_bulk_in), BOTH(info_closing), BOTH(info_keepalive),
	  EACH(info_unconnected), BOTH(info_congestion))

#endif
