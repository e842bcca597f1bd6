/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a call and what it is to return: "n = read(c, 100)", "write(c, 10) = EPIPE". */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "script.h"

static const struct {
	const char *name;
	uint8_t op;
} calls[] = {
	{"socket", CALL_SOCKET},
	{"bind", CALL_BIND},
	{"listen", CALL_LISTEN},
	{"accept", CALL_ACCEPT},
	{"connect", CALL_CONNECT},
	{"read", CALL_READ},
	{"recv", CALL_RECV},
	{"write", CALL_WRITE},
	{"send", CALL_SEND},
	{"sendto", CALL_SENDTO},
	{"shutdown", CALL_SHUTDOWN},
	{"close", CALL_CLOSE},
	{"setsockopt", CALL_SETSOCKOPT},
	{"getsockopt", CALL_GETSOCKOPT},
	{"ioctl", CALL_IOCTL},
	{"poll", CALL_POLL},
	{"epoll", CALL_EPOLL},
	{"tcp_info", CALL_INFO},
	{"state", CALL_STATE},
	{"errqueue", CALL_ERRQUEUE},
};

static int slot_find(struct sc_case *c, const char *name)
{
	for (unsigned i = 0; i < c->nslots; i++)
		if (!strcmp(c->slots[i], name))
			return (int)i;
	return -1;
}

static int slot_make(struct lex *x, struct sc_case *c, const char *name)
{
	int i = slot_find(c, name);

	if (i >= 0)
		return i;
	if (c->nslots == SC_SLOTS)
		lex_fail(x, "more than %u sockets", SC_SLOTS);
	if (strlen(name) >= sizeof(c->slots[0]))
		lex_fail(x, "\"%s\" is too long for a socket's name", name);
	snprintf(c->slots[c->nslots], sizeof(c->slots[0]), "%s", name);
	return (int)c->nslots++;
}

/* A | B of a table. */
static int parse_bits(struct lex *x, const struct name_value *t)
{
	char name[32];
	int v = 0;

	lex_space(x);
	if (*x->p == '0') {
		x->p++;
		return 0;
	}
	do {
		const struct name_value *n;

		if (!lex_name(x, name, sizeof(name)) || !(n = name_find(t, name)))
			lex_fail(x, "an unknown name at \"%s\"", x->p);
		v |= n->value;
	} while (lex_char(x, '|'));
	return v;
}

static uint8_t parse_peer(struct lex *x)
{
	char name[16];

	if (!lex_name(x, name, sizeof(name)) || strncmp(name, "peer", 4))
		lex_fail(x, "peer, or peer1 to peer9, expected");
	if (name[4] == '\0')
		return 1;
	if (name[4] < '1' || name[4] > '9' || name[5])
		lex_fail(x, "peer1 to peer9, not \"%s\"", name);
	return (uint8_t)(name[4] - '0');
}

static void parse_sockopt(struct lex *x, struct call *k, bool set)
{
	const struct name_value *n;
	char name[32];

	lex_need(x, ',');
	if (!lex_name(x, name, sizeof(name)) || !(n = name_find(sockopt_names, name)))
		lex_fail(x, "an unknown option at \"%s\"", x->p);
	k->level = n->level;
	k->name = n->value;
	if (!set)
		return;
	lex_need(x, ',');
	if (lex_char(x, '"')) {
		size_t len = strcspn(x->p, "\"");

		if (len >= sizeof(k->str) || x->p[len] != '"')
			lex_fail(x, "a name in quotes expected");
		memcpy(k->str, x->p, len);
		x->p += len + 1;
		return;
	}
	k->n = lex_num(x);
	if (lex_char(x, ','))
		k->n2 = lex_num(x);
}

static void parse_shutdown(struct lex *x, struct call *k)
{
	lex_need(x, ',');
	if (lex_word(x, "rd"))
		k->n = SHUT_RD;
	else if (lex_word(x, "wr"))
		k->n = SHUT_WR;
	else if (lex_word(x, "rdwr"))
		k->n = SHUT_RDWR;
	else
		lex_fail(x, "rd, wr or rdwr expected");
}

/* What follows the socket. */
static void parse_args(struct lex *x, struct call *k)
{
	char name[32];

	switch (k->op) {
	case CALL_BIND:
		lex_need(x, ',');
		lex_need(x, ':');
		k->port = (uint32_t)lex_num(x);
		break;
	case CALL_CONNECT:
		lex_need(x, ',');
		k->peer = parse_peer(x);
		break;
	case CALL_LISTEN:
	case CALL_READ:
	case CALL_WRITE:
	case CALL_RECV:
	case CALL_SEND:
	case CALL_SENDTO:
		lex_need(x, ',');
		k->n = lex_num(x);
		if (k->op == CALL_SENDTO) {
			lex_need(x, ',');
			k->peer = parse_peer(x);
		}
		if (lex_char(x, ','))
			k->flags = parse_bits(x, msg_names);
		break;
	case CALL_SHUTDOWN:
		parse_shutdown(x, k);
		break;
	case CALL_SETSOCKOPT:
	case CALL_GETSOCKOPT:
		parse_sockopt(x, k, k->op == CALL_SETSOCKOPT);
		break;
	case CALL_IOCTL:
		lex_need(x, ',');
		k->name = parse_bits(x, ioctl_names);
		break;
	case CALL_INFO:
		lex_need(x, ',');
		if (!lex_name(x, name, sizeof(name)) || (k->info = info_find(name)) < 0)
			lex_fail(x, "no such field of TCP_INFO");
		break;
	default:
		break;
	}
}

static void parse_want_name(struct lex *x, const struct call *k, struct want *w)
{
	const struct name_value *n;
	char name[32];

	w->op = WANT_EQ;
	if (k->op == CALL_POLL || k->op == CALL_EPOLL) {
		w->lo = parse_bits(x, ready_names);
		return;
	}
	if (!lex_name(x, name, sizeof(name)))
		lex_fail(x, "a result expected at \"%s\"", x->p);
	if (k->op == CALL_STATE || (k->op == CALL_INFO && k->info == info_find("state"))) {
		if (!(n = name_find(state_names, name)))
			lex_fail(x, "no such state: %s", name);
		w->lo = n->value;
		return;
	}
	w->lo = errno_of(name);
	if (w->lo < 0)
		lex_fail(x, "no such error: %s", name);
	/* what SO_ERROR gives is a value */
	if (!(k->op == CALL_GETSOCKOPT && k->level == SOL_SOCKET && k->name == SO_ERROR))
		w->op = WANT_ERR;
}

static void parse_want(struct lex *x, const struct call *k, struct want *w)
{
	if (lex_char(x, '>')) {
		lex_need(x, '=');
		w->op = WANT_GE;
		w->lo = lex_num(x);
		return;
	}
	if (lex_char(x, '<')) {
		lex_need(x, '=');
		w->op = WANT_LE;
		w->lo = lex_num(x);
		return;
	}
	if (!lex_char(x, '='))
		return;
	if (lex_char(x, '"')) {
		size_t len = strcspn(x->p, "\"");

		if (len >= sizeof(w->str) || x->p[len] != '"')
			lex_fail(x, "a name in quotes expected");
		memcpy(w->str, x->p, len);
		x->p += len + 1;
		w->op = WANT_STR;
		return;
	}
	if (!lex_at_num(x) || (*x->p == '0' && (k->op == CALL_POLL || k->op == CALL_EPOLL))) {
		parse_want_name(x, k, w);
		return;
	}
	w->op = WANT_EQ;
	w->lo = lex_num(x);
	if (*x->p == '~') {
		x->p++;
		w->op = WANT_RANGE;
		w->hi = lex_num(x);
	}
}

void parse_call(struct lex *x, struct sc_case *c, struct event *e)
{
	struct call *k = &e->call;
	char name[32], to[32] = "";
	unsigned i;

	if (!lex_name(x, name, sizeof(name)))
		lex_fail(x, "what is \"%s\"?", x->p);
	if (lex_char(x, '=')) {
		snprintf(to, sizeof(to), "%s", name);
		if (!lex_name(x, name, sizeof(name)))
			lex_fail(x, "a call expected at \"%s\"", x->p);
	}
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(calls[i].name, name))
			break;
	if (i == sizeof(calls) / sizeof(calls[0]))
		lex_fail(x, "no such call: %s", name);
	k->op = calls[i].op;
	lex_need(x, '(');
	if (k->op == CALL_SOCKET) {
		k->udp = lex_word(x, "udp");
		if (!k->udp && !lex_word(x, "tcp"))
			lex_fail(x, "tcp or udp expected");
	} else {
		if (!lex_name(x, name, sizeof(name)))
			lex_fail(x, "a socket expected at \"%s\"", x->p);
		k->slot = (int8_t)slot_find(c, name);
		if (k->slot < 0)
			lex_fail(x, "there is no socket \"%s\"", name);
		parse_args(x, k);
	}
	lex_need(x, ')');
	if (to[0]) {
		if (k->op != CALL_SOCKET && k->op != CALL_ACCEPT)
			lex_fail(x, "only socket() and accept() give a socket");
		k->to = (int8_t)slot_make(x, c, to);
	}
	if (k->op == CALL_SOCKET && k->to < 0)
		lex_fail(x, "a name for the socket expected: s = socket(tcp)");
	parse_want(x, k, &e->want);
	if (k->op >= CALL_GETSOCKOPT && e->want.op == WANT_OK)
		lex_fail(x, "a question without an answer");
}
