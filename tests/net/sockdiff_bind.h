/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may share a port with whom: bind(2) and listen(2) of a second socket beside a first, for all
 * pairs of addresses and of SO_REUSEADDR and SO_REUSEPORT. One letter for each pair of options. */
#ifndef SOCKDIFF_BIND_H
#define SOCKDIFF_BIND_H

enum { REUSE_ADDR = 1, REUSE_PORT = 2, REUSE_COMBOS = 4 };

/* What a socket is bound to: the any address, or ours. */
static socklen_t bind_addr(union any_addr *a, bool any, int port)
{
	socklen_t len = end_of(a, false, port);

	if (any && over == V4)
		a->in.sin_addr.s_addr = 0;
	else if (any)
		memset(&a->in6.sin6_addr, 0, sizeof(a->in6.sin6_addr));
	return len;
}

static int reusing(int type, unsigned how)
{
	int s = own_socket(type);

	if (how & REUSE_ADDR)
		set_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
	if (how & REUSE_PORT)
		set_int(s, SOL_SOCKET, SO_REUSEPORT, 1);
	return s;
}

/* o: both went well; b, l: bind or listen says EADDRINUSE; x: something else. */
static char second_says(int s, const union any_addr *a, socklen_t len, bool listens)
{
	if (bind(s, &a->sa, len))
		return errno == EADDRINUSE ? 'b' : 'x';
	if (listens && listen(s, 5))
		return errno == EADDRINUSE ? 'l' : 'x';
	return 'o';
}

/* How the second of a pair fares. */
static char conflict(int type, unsigned how, bool any1, bool any2, bool listen1, bool listen2)
{
	int s = reusing(type, how / REUSE_COMBOS), t = reusing(type, how % REUSE_COMBOS);
	union any_addr a;
	socklen_t len = bind_addr(&a, any1, 0);
	char r = '!';

	if (!bind(s, &a.sa, len) && !(listen1 && listen(s, 5))) {
		len = bind_addr(&a, any2, port_of(s));
		r = second_says(t, &a, len, listen2);
	}
	close(t);
	close(s);
	return r;
}

static void conflict_row(int type, bool any1, bool any2, bool listen1, bool listen2)
{
	char row[REUSE_COMBOS * REUSE_COMBOS + 1] = {0};

	/* A third party may have the port that the kernel has drawn, for another address. */
	for (unsigned i = 0; i < REUSE_COMBOS * REUSE_COMBOS; i++)
		for (int try = 0; try < 4 && row[i] != 'o'; try++)
			row[i] = conflict(type, i, any1, any2, listen1, listen2);
	say("%s/%s=%s", any1 ? "any" : "here", any2 ? "any" : "here", row);
}

static void conflict_pairs(int type, bool listen1, bool listen2)
{
	for (int i = 0; i < 4; i++)
		conflict_row(type, i & 1, i & 2, listen1, listen2);
}

static void bind_bound(void)
{
	conflict_pairs(SOCK_STREAM, false, false);
}

static void bind_listening(void)
{
	conflict_pairs(SOCK_STREAM, true, false);
}

static void listen_bound(void)
{
	conflict_pairs(SOCK_STREAM, false, true);
}

static void listen_listening(void)
{
	conflict_pairs(SOCK_STREAM, true, true);
}

static void udp_bind_bound(void)
{
	conflict_pairs(SOCK_DGRAM, false, false);
}

/* A connection's own port, its listener gone and its listener there. */
static void bind_beside_connection(void)
{
	int s, p, t;
	union any_addr a;
	socklen_t len;

	pair(&s, &p);
	for (unsigned how = 0; how < REUSE_COMBOS; how++) {
		for (int any = 0; any < 2; any++) {
			t = reusing(SOCK_STREAM, how);
			len = bind_addr(&a, any, port_of(s));
			say("%u%d=%c", how, any, second_says(t, &a, len, true));
			close(t);
		}
	}
	pair_close(s, p);
}

static void bind_after_close(void)
{
	union any_addr a;
	socklen_t len;
	int s, p, port, t;

	pair(&s, &p);
	port = port_of(s);
	close(s); /* ours first: TIME-WAIT is ours, too */
	nap();
	close(p);
	nap();
	for (unsigned how = 0; how < REUSE_COMBOS; how++) {
		t = reusing(SOCK_STREAM, how);
		len = bind_addr(&a, false, port);
		say("%u=%c", how, second_says(t, &a, len, false));
		close(t);
	}
}

/* clang-format off */
ADD_CASES(bind_cases,
	EACH(bind_bound),
	EACH(bind_listening),
	EACH(listen_bound),
	EACH(listen_listening),
	EACH(udp_bind_bound),
	BOTH(bind_beside_connection),
	BOTH(bind_after_close))
/* clang-format on */

#endif
