/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases of sockdiff.c. TCP_SAVE_SYN and TCP_SAVED_SYN. */
#ifndef SOCKDIFF_SYN_H
#define SOCKDIFF_SYN_H

/* Says what of a SYN is the same whoever sent it; from where its IP header is. */
static void syn_say(const uint8_t *b, socklen_t len, socklen_t net, int lport)
{
	const uint8_t *tcp;

	if (len < net + 40) {
		say("short");
		return;
	}
	if (net)
		say("type=%02x%02x", b[12], b[13]);
	say("version=%d", b[net] >> 4);
	tcp = b + net + (b[net] >> 4 == 4 ? 20 : 40);
	say("dport=%d flags=%02x hlen=%d", (tcp[2] << 8 | tcp[3]) == lport, tcp[13],
	    (tcp[12] >> 4) * 4);
}

static void syn_get(int s, socklen_t room, socklen_t net, int lport)
{
	uint8_t b[300];

	memset(b, 0, sizeof(b));
	res("saved", getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, b, &room));
	say("len=%u", room);
	if (room >= 40)
		syn_say(b, b[net] ? room : 0, net, lport);
}

static void syn_accepted(int how)
{
	int l = listener(false, 5), c, s, lport = port_of(l);
	socklen_t net = how == 2 ? 14 : 0;

	ok("set", set_int(l, IPPROTO_TCP, TCP_SAVE_SYN, how));
	say("get=%d", opt_int(l, IPPROTO_TCP, TCP_SAVE_SYN));
	syn_get(l, 200, 0, lport);
	c = peer_socket(SOCK_STREAM);
	ok("connect", connect_end(c, false, lport));
	s = accept(l, NULL, NULL);
	say("inherited=%d", opt_int(s, IPPROTO_TCP, TCP_SAVE_SYN));
	syn_get(s, 20, 0, lport);
	syn_get(s, 300, net, lport);
	syn_get(s, 300, net, lport);
	syn_get(s, 0, net, lport);
	ok("set again", set_int(s, IPPROTO_TCP, TCP_SAVE_SYN, 1));
	ok("off", set_int(l, IPPROTO_TCP, TCP_SAVE_SYN, 0));
	close(s);
	close(c);
	c = peer_socket(SOCK_STREAM);
	ok("connect", connect_end(c, false, lport));
	s = accept(l, NULL, NULL);
	syn_get(s, 300, 0, lport);
	close(s);
	close(c);
	close(l);
}

static void syn_save_network(void)
{
	syn_accepted(1);
}

static void syn_save_link(void)
{
	syn_accepted(2);
}

/* Set before listen(), as most do; and what may be set. */
static void syn_save_before(void)
{
	union any_addr a;
	int l = own_socket(SOCK_STREAM), c, s, v = 3;

	res("three", setsockopt(l, IPPROTO_TCP, TCP_SAVE_SYN, &v, sizeof(v)));
	v = -1;
	res("less", setsockopt(l, IPPROTO_TCP, TCP_SAVE_SYN, &v, sizeof(v)));
	res("saved", setsockopt(l, IPPROTO_TCP, TCP_SAVED_SYN, &v, sizeof(v)));
	ok("set", set_int(l, IPPROTO_TCP, TCP_SAVE_SYN, 1));
	ok("bind", bind(l, &a.sa, end_of(&a, false, 0)));
	ok("listen", listen(l, 5));
	c = peer_socket(SOCK_STREAM);
	ok("connect", connect_end(c, false, port_of(l)));
	s = accept(l, NULL, NULL);
	res("three", setsockopt(s, IPPROTO_TCP, TCP_SAVE_SYN, &v, sizeof(v)));
	res("saved", setsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, &v, sizeof(v)));
	syn_get(s, 300, 0, port_of(l));
	syn_get(c, 300, 0, port_of(l));
	close(s);
	close(c);
	close(l);
}

ADD_CASES(syn_cases, EACH(syn_save_network), EACH(syn_save_link), EACH(syn_save_before))

#endif
