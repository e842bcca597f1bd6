/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what a line says of a segment, a datagram or an ICMP error, behind its arrow. */
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#include "script.h"
#include "stack/ip/wire.h"

static uint8_t parse_flags(struct lex *x)
{
	static const char letters[] = "FSRP.UEW";
	uint8_t flags = 0;
	bool any = false;

	lex_space(x);
	if (*x->p == '-') { /* no flag at all */
		x->p++;
		return 0;
	}
	for (const char *q; *x->p && (q = strchr(letters, *x->p)) != NULL; x->p++) {
		flags |= (uint8_t)(1u << (q - letters));
		any = true;
	}
	if (!any || (*x->p && *x->p != ' ' && *x->p != '\t'))
		lex_fail(x, "flags (of S F R P . U E W, or -) expected at \"%s\"", x->p);
	return flags;
}

static void parse_range(struct lex *x, uint32_t *lo, uint32_t *hi)
{
	lex_space(x);
	if (!strncmp(x->p, ">=", 2)) {
		x->p += 2;
		*lo = (uint32_t)lex_num(x);
		*hi = UINT32_MAX;
		return;
	}
	if (!strncmp(x->p, "<=", 2)) {
		x->p += 2;
		*lo = 0;
		*hi = (uint32_t)lex_num(x);
		return;
	}
	*lo = *hi = (uint32_t)lex_num(x);
	if (*x->p == '~') {
		x->p++;
		*hi = (uint32_t)lex_num(x);
	}
}

/* ---- options -------------------------------------------------------------------------------- */

static void parse_ts(struct lex *x, struct opt *o)
{
	if (!lex_word(x, "val"))
		lex_fail(x, "TS val N ecr N");
	o->any[0] = lex_char(x, '?');
	if (!o->any[0])
		o->num[0] = (uint32_t)lex_num(x);
	if (!lex_word(x, "ecr"))
		lex_fail(x, "TS val N ecr N");
	o->any[1] = lex_char(x, '?');
	if (!o->any[1] && !(o->last = lex_word(x, "last")))
		o->num[1] = (uint32_t)lex_num(x);
}

static void parse_sack(struct lex *x, struct opt *o)
{
	while (lex_at_num(x)) {
		if (o->n == 8)
			lex_fail(x, "more than four SACK blocks");
		o->num[o->n++] = (uint32_t)lex_num(x);
		lex_need(x, ':');
		o->num[o->n++] = (uint32_t)lex_num(x);
	}
	if (o->n == 0)
		lex_fail(x, "sack A:B ...");
}

static void parse_opt(struct lex *x, struct opt *o)
{
	if (lex_word(x, "mss")) {
		o->kind = OPT_MSS;
	} else if (lex_word(x, "wscale")) {
		o->kind = OPT_WSCALE;
	} else if (lex_word(x, "sackOK")) {
		o->kind = OPT_SACKOK;
		return;
	} else if (lex_word(x, "TS")) {
		o->kind = OPT_TS;
		parse_ts(x, o);
		return;
	} else if (lex_word(x, "sack")) {
		o->kind = OPT_SACK;
		parse_sack(x, o);
		return;
	} else if (lex_word(x, "tfo")) {
		o->kind = OPT_TFO;
		o->any[0] = lex_char(x, '?');
		if (!o->any[0] && !(o->last = lex_word(x, "last")))
			o->n = (uint8_t)lex_hex(x, o->raw, 16);
		return;
	} else if (lex_word(x, "raw")) {
		o->kind = OPT_RAW;
		o->n = (uint8_t)lex_hex(x, o->raw, sizeof(o->raw));
		return;
	} else {
		lex_fail(x, "no such option: \"%s\"", x->p);
	}
	o->any[0] = lex_char(x, '?');
	if (!o->any[0])
		o->num[0] = (uint32_t)lex_num(x);
}

/* <mss 1000,sackOK,...>; <none>; a * at the end: and others */
static void parse_opts(struct lex *x, struct seg *s)
{
	s->opts_mode = OPTS_EXACT;
	if (lex_word(x, "none")) {
		lex_need(x, '>');
		return;
	}
	do {
		if (lex_char(x, '*')) {
			s->opts_mode = OPTS_MORE;
		} else if (!lex_word(x, "nop")) {
			if (s->nopt == SC_OPTS)
				lex_fail(x, "more than %u options", SC_OPTS);
			parse_opt(x, &s->opt[s->nopt++]);
		}
	} while (lex_char(x, ','));
	lex_need(x, '>');
}

/* ---- clauses -------------------------------------------------------------------------------- */

static bool parse_word(struct lex *x, const char *const *words, uint8_t *v)
{
	for (unsigned i = 1; words[i]; i++)
		if (lex_word(x, words[i])) {
			*v = (uint8_t)i;
			return true;
		}
	return false;
}

/* What may follow in any order, in all kinds of packets. */
static bool parse_ip_clause(struct lex *x, struct seg *s)
{
	static const char *const exts[] = {"",        "hop-options",  "dst-options", "dst-unknown",
					   "routing", "routing-left", "atomic",      "ip-options",
					   NULL};
	static const char *const flows[] = {"", "same", "other", "some", "zero", NULL};

	if (parse_word(x, exts, &s->next))
		return true;
	if (lex_word(x, "flow")) {
		if (!parse_word(x, flows, &s->flow))
			lex_fail(x, "flow same, other, some or zero");
		return true;
	}
	if (lex_word(x, "ttl")) {
		s->has_ttl = true;
		parse_range(x, &s->ttl_lo, &s->ttl_hi);
	} else if (lex_word(x, "tos")) {
		s->has_tos = true;
		s->tos = (uint32_t)lex_num(x);
	} else if (lex_word(x, "not-ect")) {
		s->has_ecn = true;
		s->ecn = 0;
	} else if (lex_word(x, "ect1")) {
		s->has_ecn = true;
		s->ecn = 1;
	} else if (lex_word(x, "ect0")) {
		s->has_ecn = true;
		s->ecn = 2;
	} else if (lex_word(x, "ce")) {
		s->has_ecn = true;
		s->ecn = 3;
	} else if (lex_word(x, "df")) {
		s->has_df = true;
		s->df = 1;
	} else if (lex_word(x, "no-df")) {
		s->has_df = true;
		s->df = 0;
	} else if (lex_word(x, "port")) {
		s->has_port = true;
		s->port = (uint32_t)lex_num(x);
	} else {
		return false;
	}
	return true;
}

static void parse_tcp(struct lex *x, struct seg *s, bool in)
{
	uint32_t end;

	s->proto = IPPROTO_TCP;
	s->flags = parse_flags(x);
	s->seq = (uint32_t)lex_num(x);
	lex_need(x, ':');
	end = (uint32_t)lex_num(x);
	lex_need(x, '(');
	s->len = (uint32_t)lex_num(x);
	lex_need(x, ')');
	if (end - s->seq != s->len)
		lex_fail(x, "%u:%u are not %u bytes", s->seq, end, s->len);
	if (in && s->len > SC_MTU - 100)
		lex_fail(x, "a segment of %u bytes is too long to be put in", s->len);
	while (!lex_end(x)) {
		if (parse_ip_clause(x, s))
			continue;
		if (lex_word(x, "ack")) {
			s->has_ack = true;
			s->ack = (uint32_t)lex_num(x);
		} else if (lex_word(x, "win")) {
			s->has_win = !lex_char(x, '?');
			if (s->has_win)
				parse_range(x, &s->win_lo, &s->win_hi);
		} else if (lex_word(x, "urg")) {
			s->has_urg = true;
			s->urg = (uint32_t)lex_num(x);
		} else if (lex_word(x, "new")) {
			s->is_new = true;
		} else if (lex_word(x, "data") && lex_char(x, '?')) {
			s->any_data = true;
		} else if (!in && lex_word(x, "no-psh")) {
			s->no_psh = true;
		} else if (in && lex_word(x, "bad-checksum")) {
			s->bad_csum = true;
		} else if (in && lex_word(x, "header")) {
			s->hlen = (uint8_t)lex_num(x);
		} else if (lex_char(x, '<')) {
			parse_opts(x, s);
		} else {
			lex_fail(x, "what is \"%s\"?", x->p);
		}
	}
	if (!(s->flags & TH_ACK) && s->has_ack && !in)
		lex_fail(x, "an ack without its flag: \".\"");
	if ((s->flags & TH_ACK) && !s->has_ack)
		lex_fail(x, "the flag \".\" without an ack");
	if (in && !s->has_win)
		s->win_lo = s->win_hi = 65535;
	if (in && (s->win_lo != s->win_hi || s->win_lo > 65535))
		lex_fail(x, "a window to be put in is one number of 16 bits");
}

static void parse_udp(struct lex *x, struct seg *s, bool in)
{
	s->proto = IPPROTO_UDP;
	s->len = (uint32_t)lex_num(x);
	if (in && s->len > SC_MTU - 60)
		lex_fail(x, "a datagram of %u bytes is too long to be put in", s->len);
	while (!lex_end(x)) {
		if (parse_ip_clause(x, s))
			continue;
		if (in && lex_word(x, "bad-checksum"))
			s->bad_csum = true;
		else
			lex_fail(x, "what is \"%s\"?", x->p);
	}
}

/* icmp KIND [mtu N] [quoting SEQ] [ext | ext-broken] */
static void parse_icmp(struct lex *x, struct seg *s)
{
	char name[32];
	int k;

	s->proto = IPPROTO_ICMP;
	if (!lex_name(x, name, sizeof(name)) || (k = icmp_find(name)) < 0)
		lex_fail(x, "no such ICMP error: \"%s\"", x->p);
	s->icmp = (uint8_t)k;
	while (!lex_end(x)) {
		if (lex_word(x, "mtu")) {
			s->mtu = (uint32_t)lex_num(x);
		} else if (lex_word(x, "quoting")) {
			s->quote_seq = true;
			s->seq = (uint32_t)lex_num(x);
		} else if (lex_word(x, "ext")) {
			s->ext = 1;
		} else if (lex_word(x, "ext-broken")) {
			s->ext = 2;
		} else if (lex_word(x, "bad-checksum")) {
			s->bad_csum = true;
		} else {
			lex_fail(x, "what is \"%s\"?", x->p);
		}
	}
}

void parse_seg(struct lex *x, struct seg *s, bool in)
{
	s->peer = 1;
	if (isdigit((unsigned char)*x->p)) {
		s->peer = (uint8_t)(*x->p++ - '0');
		if (s->peer == 0)
			lex_fail(x, "peers count from 1");
	}
	s->has_seq = true;
	if (lex_word(x, "udp"))
		parse_udp(x, s, in);
	else if (in && lex_word(x, "icmp"))
		parse_icmp(x, s);
	else
		parse_tcp(x, s, in);
}
