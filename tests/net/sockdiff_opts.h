/* SPDX-License-Identifier: BSD-2-Clause */
/* Options by a table: what each is at first, set to something, out of range, and with lengths that
 * are wrong, on a fresh socket, a listener, and a connection. */
#ifndef SOCKDIFF_OPTS_H
#define SOCKDIFF_OPTS_H

static const struct opt_row {
	const char *name;
	int level, opt, good, bad;
} opt_rows[] = {
#define ROW(level, name, good, bad) {#name, level, name, good, bad},
	/* clang-format off */
	ROW(SOL_SOCKET, SO_REUSEADDR, 1, -1)
	ROW(SOL_SOCKET, SO_REUSEPORT, 1, 7)
	ROW(SOL_SOCKET, SO_KEEPALIVE, 1, -1)
	ROW(SOL_SOCKET, SO_BROADCAST, 1, -1)
	ROW(SOL_SOCKET, SO_OOBINLINE, 1, 5)
	ROW(SOL_SOCKET, SO_DONTROUTE, 1, -1)
	ROW(SOL_SOCKET, SO_PRIORITY, 5, 1000)
	ROW(SOL_SOCKET, SO_RCVLOWAT, 10, -5)
	ROW(SOL_SOCKET, SO_SNDLOWAT, 10, -5)
	ROW(SOL_SOCKET, SO_RCVBUF, 50000, -1)
	ROW(SOL_SOCKET, SO_SNDBUF, 50000, -1)
	ROW(SOL_SOCKET, SO_TYPE, 1, 2)
	ROW(SOL_SOCKET, SO_DOMAIN, 1, 2)
	ROW(SOL_SOCKET, SO_PROTOCOL, 1, 2)
	ROW(SOL_SOCKET, SO_ACCEPTCONN, 1, 2)
	ROW(SOL_SOCKET, SO_ERROR, 1, 2)
	ROW(SOL_SOCKET, SO_TIMESTAMP, 1, -1)
	ROW(SOL_SOCKET, SO_TIMESTAMPNS, 1, -1)
	ROW(SOL_SOCKET, SO_RXQ_OVFL, 1, -1)
	ROW(SOL_SOCKET, SO_BUSY_POLL, 0, -1)
	ROW(SOL_SOCKET, SO_MARK, 9, -1)
	ROW(SOL_SOCKET, SO_ZEROCOPY, 1, 2)
	ROW(IPPROTO_TCP, TCP_NODELAY, 1, -1)
	ROW(IPPROTO_TCP, TCP_CORK, 1, -1)
	ROW(IPPROTO_TCP, TCP_MAXSEG, 700, 100000)
	ROW(IPPROTO_TCP, TCP_KEEPIDLE, 44, 40000)
	ROW(IPPROTO_TCP, TCP_KEEPINTVL, 12, 0)
	ROW(IPPROTO_TCP, TCP_KEEPCNT, 6, 128)
	ROW(IPPROTO_TCP, TCP_SYNCNT, 4, 128)
	ROW(IPPROTO_TCP, TCP_LINGER2, 20, -1)
	ROW(IPPROTO_TCP, TCP_DEFER_ACCEPT, 7, -1)
	ROW(IPPROTO_TCP, TCP_QUICKACK, 1, 0)
	ROW(IPPROTO_TCP, TCP_USER_TIMEOUT, 7000, -1)
	ROW(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 20000, -1)
	ROW(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1, 2)
	ROW(IPPROTO_TCP, TCP_FASTOPEN, 5, -1)
	ROW(IPPROTO_TCP, TCP_INQ, 1, 2)
	ROW(IPPROTO_IP, IP_TOS, 0x28, 300)
	ROW(IPPROTO_IP, IP_TTL, 33, 256)
	ROW(IPPROTO_IP, IP_RECVERR, 1, -1)
	ROW(IPPROTO_IP, IP_PKTINFO, 1, -1)
	ROW(IPPROTO_IP, IP_MTU_DISCOVER, 2, 9)
	ROW(IPPROTO_IP, IP_FREEBIND, 1, -1)
	ROW(IPPROTO_IPV6, IPV6_V6ONLY, 1, -1)
	ROW(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44, 256)
	ROW(IPPROTO_IPV6, IPV6_TCLASS, 0x28, 256)
	ROW(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, -1)
	ROW(IPPROTO_IPV6, IPV6_RECVERR, 1, -1)
	ROW(IPPROTO_IPV6, IPV6_MTU_DISCOVER, 2, 9)
/* clang-format on */
#undef ROW
};

/* A buffer's size depends on the machine, and grows by itself on a connection: only whether. */
static bool opt_varies(const struct opt_row *r)
{
	return r->opt == TCP_NOTSENT_LOWAT ? false
					   : r->level == IPPROTO_TCP && r->opt == TCP_MAXSEG;
}

static void opt_get(const char *what, int s, const struct opt_row *r)
{
	int v = -77;
	socklen_t len = sizeof(v);
	int err = getsockopt(s, r->level, r->opt, &v, &len);

	if (err || opt_varies(r))
		ok(what, err);
	else
		say("%s=%d/%u", what, v, len);
}

static void opt_on(int s, const struct opt_row *r)
{
	char odd[8] = {1};

	opt_get("get", s, r);
	ok("set", set_int(s, r->level, r->opt, r->good));
	opt_get("get", s, r);
	ok("bad", set_int(s, r->level, r->opt, r->bad));
	opt_get("get", s, r);
	ok("len1", setsockopt(s, r->level, r->opt, odd, 1));
	ok("len0", setsockopt(s, r->level, r->opt, odd, 0));
	ok("len8", setsockopt(s, r->level, r->opt, odd, 8));
	ok("zero", set_int(s, r->level, r->opt, 0));
	opt_get("get", s, r);
}

static void opt_fresh(void)
{
	int s = own_socket(SOCK_STREAM);

	opt_on(s, &opt_rows[case_arg]);
	close(s);
}

static void opt_listening(void)
{
	int s = listener(false, 5);

	opt_on(s, &opt_rows[case_arg]);
	close(s);
}

static void opt_connected(void)
{
	int s, p;

	pair(&s, &p);
	if (opt_rows[case_arg].opt == SO_SNDBUF && opt_rows[case_arg].level == SOL_SOCKET)
		set_int(s, SOL_SOCKET, SO_SNDBUF, 20000); /* it has grown, by each stack's rules */
	opt_on(s, &opt_rows[case_arg]);
	pair_close(s, p);
}

static void opt_udp(void)
{
	union any_addr a;
	socklen_t len = end_of(&a, false, 0);
	int s = own_socket(SOCK_DGRAM);

	ok("bind", bind(s, &a.sa, len));
	opt_on(s, &opt_rows[case_arg]);
	close(s);
}

/* What an accepted connection has from its listener. */
static void opt_inherited(void)
{
	const struct opt_row *r = &opt_rows[case_arg];
	int l = listener(false, 5), p = peer_socket(SOCK_STREAM), s;

	ok("set", set_int(l, r->level, r->opt, r->good));
	ok("connect", connect_end(p, false, port_of(l)));
	send(p, "x", 1, 0); /* TCP_DEFER_ACCEPT waits for it */
	s = accept(l, NULL, NULL);
	opt_get("get", s, r);
	ok("zero", set_int(l, r->level, r->opt, 0));
	pair_close(s, p);
	p = peer_socket(SOCK_STREAM);
	ok("connect", connect_end(p, false, port_of(l)));
	s = accept(l, NULL, NULL);
	opt_get("get", s, r);
	pair_close(s, p);
	close(l);
}

/* What a connection has from before it was one. */
static void opt_carried(void)
{
	const struct opt_row *r = &opt_rows[case_arg];
	int l = listener(true, 5), s = own_socket(SOCK_STREAM), p;

	ok("set", set_int(s, r->level, r->opt, r->good));
	if (ok("connect", connect_end(s, true, port_of(l))) == 0) {
		p = accept(l, NULL, NULL);
		opt_get("get", s, r);
		close(p);
	}
	close(s);
	close(l);
}

__attribute__((constructor)) static void opt_rows_add(void)
{
	static const struct {
		const char *prefix;
		void (*fn)(void);
		unsigned flags;
	} forms[] = {
		{"opt_fresh", opt_fresh, FAMILIES},
		{"opt_listening", opt_listening, FAMILIES},
		{"opt_connected", opt_connected, BOTH_WAYS | FAMILIES},
		{"opt_udp", opt_udp, FAMILIES},
		{"opt_inherited", opt_inherited, FAMILIES},
		{"opt_carried", opt_carried, FAMILIES},
	};
	enum { FORMS = sizeof(forms) / sizeof(*forms) };
	static char name[FORMS][sizeof(opt_rows) / sizeof(*opt_rows)][50];

	for (unsigned i = 0; i < sizeof(opt_rows) / sizeof(*opt_rows); i++) {
		for (unsigned j = 0; j < FORMS; j++) {
			snprintf(name[j][i], sizeof(name[j][i]), "%s_%s", forms[j].prefix,
				 opt_rows[i].name);
			add_case((struct testcase){name[j][i], forms[j].fn, forms[j].flags, i});
		}
	}
}

#endif
