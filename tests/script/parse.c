/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a script into cases. Decides what a line is and when it happens; what a segment or a call
 * says is read by parse_seg.c and parse_call.c. A script that can't be read ends the runner with
 * status 2 and a message that names file and line.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

#define LINE_MAX_BYTES 1024
#define GIVEN_DEPTH 8
#define EVENTS_MAX 1000u

void lex_fail(const struct lex *x, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s:%d: ", x->at.file, x->at.line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

void lex_space(struct lex *x)
{
	while (*x->p == ' ' || *x->p == '\t')
		x->p++;
}

bool lex_end(struct lex *x)
{
	lex_space(x);
	return *x->p == '\0';
}

bool lex_char(struct lex *x, char c)
{
	lex_space(x);
	if (*x->p != c)
		return false;
	x->p++;
	return true;
}

void lex_need(struct lex *x, char c)
{
	if (!lex_char(x, c))
		lex_fail(x, "'%c' expected before \"%s\"", c, x->p);
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

bool lex_word(struct lex *x, const char *w)
{
	size_t n = strlen(w);

	lex_space(x);
	if (strncmp(x->p, w, n) || name_char(x->p[n]))
		return false;
	x->p += n;
	return true;
}

bool lex_name(struct lex *x, char *buf, size_t size)
{
	size_t n = 0;

	lex_space(x);
	if (!isalpha((unsigned char)*x->p) && *x->p != '_')
		return false;
	while (name_char(x->p[n]))
		n++;
	if (n >= size)
		lex_fail(x, "\"%.*s\" is too long", (int)n, x->p);
	memcpy(buf, x->p, n);
	buf[n] = '\0';
	x->p += n;
	return true;
}

bool lex_at_num(struct lex *x)
{
	lex_space(x);
	return isdigit((unsigned char)*x->p) || !strncmp(x->p, "MSS", 3) ||
	       !strncmp(x->p, "MTU", 3) || (*x->p == '-' && isdigit((unsigned char)x->p[1]));
}

static int64_t lex_atom(struct lex *x)
{
	char *end;
	long long v;

	lex_space(x);
	if (!strncmp(x->p, "MSS", 3)) {
		x->p += 3;
		return x->family == FAM_V6 ? SC_MTU - 60 : SC_MTU - 40;
	}
	if (!strncmp(x->p, "MTU", 3)) {
		x->p += 3;
		return SC_MTU;
	}
	v = strtoll(x->p, &end, 0);
	if (end == x->p)
		lex_fail(x, "a number expected at \"%s\"", x->p);
	x->p = end;
	return v;
}

int64_t lex_num(struct lex *x)
{
	int64_t v;

	/* "2*MSS+1": products first, no parentheses */
	v = lex_atom(x);
	for (;;) {
		if (*x->p == '*') {
			x->p++;
			v *= lex_atom(x);
		} else if (*x->p == '+' || *x->p == '-') {
			char c = *x->p++;
			int64_t w = lex_atom(x);

			while (*x->p == '*') {
				x->p++;
				w *= lex_atom(x);
			}
			v = c == '+' ? v + w : v - w;
		} else {
			return v;
		}
	}
}

unsigned lex_hex(struct lex *x, uint8_t *out, unsigned max)
{
	unsigned n = 0;

	lex_space(x);
	while (isxdigit((unsigned char)x->p[0]) && isxdigit((unsigned char)x->p[1])) {
		char two[3] = {x->p[0], x->p[1], '\0'};

		if (n == max)
			lex_fail(x, "more than %u bytes", max);
		out[n++] = (uint8_t)strtoul(two, NULL, 16);
		x->p += 2;
	}
	return n;
}

/* ---- when ----------------------------------------------------------------------------------- */

static int64_t seconds(struct lex *x)
{
	char *end;
	double v = strtod(x->p, &end);

	if (end == x->p)
		lex_fail(x, "a time expected at \"%s\"", x->p);
	x->p = end;
	return (int64_t)(v * 1e9 + 0.5);
}

/* [+]S, [+]S~[+]S, [+]S...[+]S or *; nothing there is +0 */
static void parse_time(struct lex *x, struct event *e)
{
	lex_space(x);
	if (lex_char(x, '*')) {
		e->any_time = true;
		return;
	}
	if (*x->p != '+' && !isdigit((unsigned char)*x->p))
		return;
	e->absolute = *x->p != '+';
	if (*x->p == '+')
		x->p++;
	/* strtod would take the dots of "0...1" */
	e->lo = e->hi = seconds(x);
	if (x->p[-1] == '.' && x->p[0] == '.')
		x->p--;
	if (*x->p == '~') {
		x->p++;
		if (*x->p == '+')
			x->p++;
		e->hi = seconds(x);
	} else if (!strncmp(x->p, "...", 3)) {
		x->p += 3;
		if (*x->p == '+')
			x->p++;
		e->blocks = true;
		e->block_ns = seconds(x);
	}
	if (e->hi < e->lo)
		lex_fail(x, "a time that ends before it begins");
	if (*x->p != ' ' && *x->p != '\t')
		lex_fail(x, "a blank expected after the time, at \"%s\"", x->p);
}

/* ---- what a line is ------------------------------------------------------------------------- */

struct parser {
	struct sc_case *first, **link, *c;
	struct sc_case head; /* what stands before the first case, for all of them */
	const char *given_dir;
	bool named;
	int depth;
};

static char *copy(const char *s)
{
	char *d = strdup(s);

	if (!d)
		abort();
	return d;
}

static void case_begin(struct parser *p, const struct lex *x, const char *name)
{
	struct sc_case *c = malloc(sizeof(*c));

	if (!c)
		abort();
	*c = p->head;
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->at = x->at;
	for (const struct sc_case *o = p->first; o; o = o->next)
		if (!strcmp(o->name, name))
			lex_fail(x, "a second case \"%s\"", name);
	*p->link = c;
	p->link = &c->next;
	p->c = c;
}

static void rest_of_line(struct lex *x, char *out, size_t size, const char *what)
{
	lex_space(x);
	if (*x->p == '\0')
		lex_fail(x, "%s expected", what);
	if (snprintf(out, size, "%s", x->p) >= (int)size)
		lex_fail(x, "%s is too long", what);
	x->p += strlen(x->p);
}

static void parse_set(struct lex *x, struct sc_case *c, uint8_t backends)
{
	struct setting *s = &c->set[c->nset];

	if (c->nset == sizeof(c->set) / sizeof(c->set[0]))
		lex_fail(x, "too many settings");
	if (lex_word(x, "peer_iss")) {
		c->peer_iss = (uint32_t)lex_num(x);
		return;
	}
	if (!lex_name(x, s->name, sizeof(s->name)))
		lex_fail(x, "the name of a setting expected");
	rest_of_line(x, s->value, sizeof(s->value), "a value");
	s->backends = backends;
	s->at = x->at;
	c->nset++;
}

static void parse_covers(struct lex *x, struct sc_case *c)
{
	struct cover *v = &c->cover[c->ncover];

	if (c->ncover == sizeof(c->cover) / sizeof(c->cover[0]))
		lex_fail(x, "covers too much");
	if (!lex_name(x, v->state, sizeof(v->state)) || !lex_word(x, "x"))
		lex_fail(x, "covers STATE x EVENT");
	rest_of_line(x, v->event, sizeof(v->event), "an event");
	if (!matrix_known(v))
		lex_fail(x, "no such state or event: %s x %s", v->state, v->event);
	c->ncover++;
}

static void parse_file(struct parser *p, const char *path, const struct lex *from);

static void parse_given(struct parser *p, struct lex *x)
{
	char name[64], *path;
	size_t n;

	if (!lex_name(x, name, sizeof(name)))
		lex_fail(x, "the name of a beginning expected");
	if (p->depth == GIVEN_DEPTH)
		lex_fail(x, "given within given within given: too deep");
	n = strlen(p->given_dir) + sizeof(name) + 2;
	path = malloc(n);
	if (!path)
		abort();
	snprintf(path, n, "%s/%s", p->given_dir, name);
	p->depth++;
	parse_file(p, path, x); /* its path stays: messages name it */
	p->depth--;
}

static uint8_t parse_backends(struct lex *x)
{
	if (lex_word(x, "stack"))
		return BE_STACK;
	return lex_word(x, "kernel") ? BE_KERNEL : 0;
}

/* "stack only: why", "kernel only: why", "kernel differs: why". */
static bool parse_remark(struct lex *x, struct sc_case *c)
{
	struct lex save = *x;
	uint8_t be = parse_backends(x);

	if (be && lex_word(x, "only")) {
		lex_need(x, ':');
		c->backends = be;
		rest_of_line(x, c->only_why, sizeof(c->only_why), "a reason");
		return true;
	}
	if (be == BE_KERNEL && lex_word(x, "differs")) {
		lex_need(x, ':');
		rest_of_line(x, c->differs_why, sizeof(c->differs_why), "a reason");
		return true;
	}
	*x = save;
	return false;
}

/* What a line may say of a case before its events. True: it was such a line. */
static bool parse_header(struct parser *p, struct lex *x)
{
	struct sc_case *c = p->c ? p->c : &p->head;

	if (lex_word(x, "covers")) {
		parse_covers(x, c);
	} else if (lex_word(x, "rfc")) {
		rest_of_line(x, c->rfc, sizeof(c->rfc), "an RFC");
	} else if (lex_word(x, "family")) {
		c->families = lex_word(x, "v4") ? FAM_V4 : lex_word(x, "v6") ? FAM_V6 : 0;
		if (!c->families)
			lex_fail(x, "family v4 or v6");
	} else if (!parse_remark(x, c)) {
		return false;
	}
	if (!lex_end(x))
		lex_fail(x, "too much: \"%s\"", x->p);
	return true;
}

static void parse_prefix(struct lex *x, uint8_t *backends, uint8_t *families)
{
	struct lex save = *x;
	uint8_t b = 0, f = 0;

	for (;;) {
		if (lex_word(x, "stack"))
			b |= BE_STACK;
		else if (lex_word(x, "kernel"))
			b |= BE_KERNEL;
		else if (lex_word(x, "v4"))
			f |= FAM_V4;
		else if (lex_word(x, "v6"))
			f |= FAM_V6;
		else
			break;
	}
	*backends = b ? b : BE_STACK | BE_KERNEL;
	*families = f ? f : FAM_V4 | FAM_V6;
	if (b | f) {
		if (!lex_char(x, ':'))
			*x = save, *backends = BE_STACK | BE_KERNEL, *families = FAM_V4 | FAM_V6;
	}
}

static struct event *event_new(struct sc_case *c, const struct lex *x)
{
	struct event *e;

	if (c->nev == EVENTS_MAX)
		lex_fail(x, "more than %u lines in a case", EVENTS_MAX);
	c->ev = realloc(c->ev, (c->nev + 1) * sizeof(*c->ev));
	if (!c->ev)
		abort();
	e = &c->ev[c->nev++];
	memset(e, 0, sizeof(*e));
	e->at = x->at;
	e->call.slot = e->call.to = -1;
	return e;
}

/* The segment of e, from its text behind the arrow; MSS as the family has it. */
static void event_seg(struct event *e, struct lex *x)
{
	bool in = e->kind == EV_IN;

	if (!e->seg)
		e->seg = calloc(1, sizeof(*e->seg));
	if (!e->seg)
		abort();
	memset(e->seg, 0, sizeof(*e->seg));
	parse_seg(x, e->seg, in);
}

void event_bind_family(struct sc_case *c, struct event *e, uint8_t family)
{
	struct lex x = {.p = e->text, .at = e->at, .family = family};
	struct event again = {.at = e->at};
	uint8_t b, f;

	parse_prefix(&x, &b, &f);
	parse_time(&x, &again);
	if (e->kind == EV_CALL) {
		memset(&e->want, 0, sizeof(e->want));
		memset(&e->call, 0, sizeof(e->call));
		e->call.slot = e->call.to = -1;
		parse_call(&x, c, e);
	}
	if (!e->seg)
		return;
	if (!lex_char(&x, '<'))
		lex_need(&x, '>');
	event_seg(e, &x);
}

static void parse_event(struct parser *p, struct lex *x)
{
	struct event *e;
	uint8_t backends, families;

	parse_prefix(x, &backends, &families);
	if (lex_word(x, "set")) {
		parse_set(x, p->c ? p->c : &p->head, backends);
		return;
	}
	if (!p->c) {
		const char *base = strrchr(x->at.file, '/');

		case_begin(p, x, base ? base + 1 : x->at.file);
		p->named = false;
	}
	if (lex_word(x, "given")) {
		parse_given(p, x);
		return;
	}
	e = event_new(p->c, x);
	e->backends = backends;
	e->families = families;
	parse_time(x, e);
	lex_space(x);
	if (e->any_time && *x->p != '>')
		lex_fail(x, "only what is sent may come at any time");
	if (e->blocks && (*x->p == '<' || *x->p == '>'))
		lex_fail(x, "only a call blocks");
	if (*x->p == '<' || *x->p == '>') {
		e->kind = *x->p == '<' ? EV_IN : EV_OUT;
		x->p++;
		event_seg(e, x);
	} else if (lex_word(x, "quiet")) {
		e->kind = EV_QUIET;
	} else {
		e->kind = EV_CALL;
		parse_call(x, p->c, e);
	}
	if (e->kind != EV_OUT && e->lo != e->hi)
		lex_fail(x, "only what is sent may come within a range of time");
}

static void parse_line(struct parser *p, struct lex *x, const char *whole)
{
	char name[160];

	if (lex_word(x, "case")) {
		size_t n;

		if (p->depth)
			lex_fail(x, "a case within what is given");
		if (p->c && !p->named)
			lex_fail(x, "a named case after lines of an unnamed one");
		lex_need(x, '"');
		n = strcspn(x->p, "\"");
		if (x->p[n] != '"' || n == 0 || n >= sizeof(name))
			lex_fail(x, "the name of the case, in quotes, expected");
		memcpy(name, x->p, n);
		name[n] = '\0';
		x->p += n + 1;
		case_begin(p, x, name);
		p->named = true;
	} else if (!parse_header(p, x)) {
		unsigned n = p->c ? p->c->nev : 0;

		parse_event(p, x);
		if (p->c && p->c->nev == n + 1 && !p->c->ev[n].text)
			p->c->ev[n].text = copy(whole);
	}
	if (!lex_end(x))
		lex_fail(x, "too much: \"%s\"", x->p);
}

/* Cuts off a comment, which begins with # outside quotes, and blanks at the end. */
static void line_trim(char *s)
{
	bool quoted = false;
	char *end = s;

	for (char *q = s; *q && !(*q == '#' && !quoted); q++) {
		if (*q == '"')
			quoted = !quoted;
		if (!isspace((unsigned char)*q))
			end = q + 1;
	}
	*end = '\0';
}

static void parse_file(struct parser *p, const char *path, const struct lex *from)
{
	struct lex x = {.at = {path, 0}, .family = FAM_V4};
	char line[LINE_MAX_BYTES];
	FILE *f = fopen(path, "r");

	if (!f && from)
		lex_fail(from, "%s can't be read", path);
	if (!f)
		lex_fail(&x, "can't be read");
	while (fgets(line, sizeof(line), f)) {
		x.at.line++;
		if (!strchr(line, '\n') && !feof(f))
			lex_fail(&x, "a line of more than %d bytes", LINE_MAX_BYTES - 2);
		line_trim(line);
		x.p = line;
		lex_space(&x);
		if (*x.p)
			parse_line(p, &x, x.p);
	}
	fclose(f);
}

struct sc_case *script_parse(const char *path, const char *given_dir)
{
	struct parser p = {.given_dir = given_dir};

	p.link = &p.first;
	p.head.backends = BE_STACK | BE_KERNEL;
	p.head.families = FAM_V4 | FAM_V6;
	p.head.peer_iss = 5000;
	parse_file(&p, copy(path), NULL);
	for (const struct sc_case *c = p.first; c; c = c->next) {
		struct lex x = {.at = c->at};

		if (c->nev == 0)
			lex_fail(&x, "the case \"%s\" is empty", c->name);
	}
	if (!p.first) {
		struct lex x = {.at = {path, 1}};

		lex_fail(&x, "no case");
	}
	return p.first;
}
