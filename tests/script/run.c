/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays one case on one backend: takes its lines in order, lets time pass up to each, and compares.
 * Knows nothing of how a backend does it. The first thing that is not as the script has it ends the
 * case, with the line, what was wanted, what was seen instead, and the trace until then.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <linux/tcp.h>

#include "script.h"
#include "stack/ip/wire.h"

#define ANY_TIME_NS (100 * SC_SEC)
#define BUF_BYTES (1u << 22)

/* ---- saying what happened ------------------------------------------------------------------- */

static void __attribute__((format(printf, 3, 4)))
trace(struct run *r, int64_t at, const char *fmt, ...)
{
	va_list ap;

	fprintf(r->trace, "    %9.6f ", (double)at / 1e9);
	va_start(ap, fmt);
	vfprintf(r->trace, fmt, ap);
	va_end(ap);
	fputc('\n', r->trace);
}

static void __attribute__((format(printf, 3, 4)))
fail(struct run *r, const struct event *e, const char *fmt, ...)
{
	va_list ap;

	r->failed = true;
	if (e)
		fprintf(r->out, "%s:%d: %s\n", e->at.file, e->at.line, e->text);
	else
		fprintf(r->out, "%s:%d: at the end of the case\n", r->c->at.file, r->c->at.line);
	fputs("  ", r->out);
	va_start(ap, fmt);
	vfprintf(r->out, fmt, ap);
	va_end(ap);
	fputc('\n', r->out);
}

static void trace_seg(struct run *r, int64_t at, const char *arrow, const struct seg *s)
{
	char buf[400];

	packet_print(s, buf, sizeof(buf));
	trace(r, at, "%s%s", arrow, buf);
}

/* What was sent and has not been asked for, into the trace. */
static void trace_left(struct run *r)
{
	for (; r->qhead != r->qtail; r->qhead++) {
		struct seg *s = r->q[r->qhead % SC_QUEUE];

		packet_relative(s, &r->flow[s->peer]);
		trace_seg(r, s->at, ">", s);
	}
}

/* ---- what backends report ------------------------------------------------------------------- */

void run_captured(struct run *r, const uint8_t *ip, uint32_t len, int64_t at)
{
	struct seg *s = malloc(sizeof(*s));
	const char *why = "";
	int x;

	if (!s)
		abort();
	x = packet_parse(ip, len, r->family, s, &why);
	s->at = at;
	if (x == 0 && r->qtail - r->qhead < SC_QUEUE) {
		r->q[r->qtail++ % SC_QUEUE] = s;
		return;
	}
	free(s);
	if (x > 0 || r->failed)
		return;
	fail(r, NULL, "what was sent at %.6f s is %s", (double)at / 1e9,
	     x < 0 ? why : "more than can be held");
}

void run_returned(struct run *r, const struct call *c, int64_t ret, int64_t at)
{
	for (unsigned i = 0; i < 4; i++) {
		if (!r->blocked[i].on || &r->blocked[i].e->call != c)
			continue;
		r->blocked[i].done = true;
		r->blocked[i].ret = ret;
		r->blocked[i].at = at;
	}
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void result_text(const struct call *c, int64_t ret, char *buf, size_t size)
{
	const struct name_value *n;
	size_t used = 0;

	if (ret < 0 && c->op != CALL_INFO) {
		snprintf(buf, size, "%s", errno_name((int)-ret));
	} else if (c->op == CALL_STATE) {
		const char *s = name_of(state_names, (int)ret);

		snprintf(buf, size, "%s", s ? s : "no state");
	} else if (c->op == CALL_ERRQUEUE) {
		snprintf(buf, size, "\"%s\"", c->str);
	} else if (c->op == CALL_POLL || c->op == CALL_EPOLL) {
		snprintf(buf, size, "0");
		for (n = ready_names; n->name; n++)
			if (ret & n->value)
				used += (size_t)snprintf(buf + used, size - used, "%s%s",
							 used ? "|" : "", n->name);
	} else if (c->op == CALL_GETSOCKOPT && c->name == TCP_CONGESTION &&
		   c->level == IPPROTO_TCP) {
		snprintf(buf, size, "\"%s\"", c->str);
	} else if (c->op == CALL_GETSOCKOPT && c->name == SO_ERROR && c->level == SOL_SOCKET &&
		   ret > 0) {
		snprintf(buf, size, "%s", errno_name((int)ret));
	} else {
		snprintf(buf, size, "%lld", (long long)ret);
	}
}

static bool result_ok(const struct call *c, const struct want *w, int64_t ret)
{
	bool moves = c->op >= CALL_READ && c->op <= CALL_SENDTO;

	switch (w->op) {
	case WANT_OK:
		return moves ? ret == c->n : ret >= 0;
	case WANT_EQ:
		return ret == w->lo;
	case WANT_GE:
		return ret >= w->lo;
	case WANT_LE:
		return ret >= 0 && ret <= w->lo;
	case WANT_RANGE:
		return ret >= w->lo && ret <= w->hi;
	case WANT_ERR:
		return ret == -w->lo;
	default:
		return ret >= 0 && !strcmp(w->str, c->str);
	}
}

static void call_prepare(struct run *r, struct call *c)
{
	struct slot *s = c->slot >= 0 ? &r->slot[c->slot] : NULL;

	if (c->op < CALL_READ || c->op > CALL_SENDTO)
		return;
	if (c->n < 0 || c->n > BUF_BYTES)
		c->n = BUF_BYTES;
	if (!c->buf)
		c->buf = malloc(BUF_BYTES);
	if (!c->buf)
		abort();
	for (uint32_t i = 0; c->op >= CALL_WRITE && i < c->n; i++)
		c->buf[i] = sc_pattern(s->udp ? i : 1 + s->wr + i);
}

/* What was read must be what was sent. NULL, or what is wrong. */
static const char *call_data(struct run *r, const struct call *c, int64_t ret)
{
	struct slot *s = &r->slot[c->slot];
	uint32_t first = s->udp ? 0 : 1 + s->rd;

	if (ret <= 0)
		return NULL;
	if (c->op >= CALL_WRITE) {
		s->wr += (uint32_t)ret;
		return NULL;
	}
	if (!r->flow[s->peer].urgent && !(c->flags & (MSG_TRUNC | MSG_OOB)))
		for (int64_t i = 0; i < ret; i++)
			if (c->buf[i] != sc_pattern(first + (uint32_t)i))
				return "the bytes read are not those that were sent";
	if (!(c->flags & (MSG_PEEK | MSG_OOB)))
		s->rd += (uint32_t)ret;
	return NULL;
}

static void call_after(struct run *r, const struct call *c, int64_t ret)
{
	if (ret < 0 && !(c->op == CALL_CONNECT && ret == -EINPROGRESS))
		return;
	if (c->op == CALL_BIND && c->port)
		r->port = (uint16_t)c->port;
	if (c->op == CALL_CONNECT)
		r->slot[c->slot].peer = c->peer;
	if (c->to >= 0) {
		memset(&r->slot[c->to], 0, sizeof(r->slot[0]));
		r->slot[c->to].used = true;
		r->slot[c->to].udp = c->op == CALL_SOCKET && c->udp;
		r->slot[c->to].peer = r->last_peer;
	}
}

static void call_check(struct run *r, struct event *e, int64_t ret, int64_t at)
{
	struct call *c = &e->call;
	char got[80];
	const char *wrong;

	result_text(c, ret, got, sizeof(got));
	trace(r, at, "%s   -> %s", e->text, got);
	call_after(r, c, ret);
	wrong = c->op >= CALL_READ && c->op <= CALL_SENDTO ? call_data(r, c, ret) : NULL;
	if (!result_ok(c, &e->want, ret))
		fail(r, e, "it returned %s", got);
	else if (wrong)
		fail(r, e, "%s", wrong);
}

/* ---- calls that block ----------------------------------------------------------------------- */

static int64_t late(const struct run *r, int64_t waited)
{
	return r->be->tol_late + waited * r->be->tol_percent / 100;
}

static void block_start(struct run *r, struct event *e)
{
	unsigned i;

	for (i = 0; i < 4 && r->blocked[i].on; i++)
		;
	if (i == 4) {
		fail(r, e, "more than four calls block");
		return;
	}
	trace(r, r->prev, "%s   begins", e->text);
	r->blocked[i].on = true;
	r->blocked[i].done = false;
	r->blocked[i].e = e;
	r->blocked[i].start = r->prev;
	r->blocked[i].due = r->prev + e->block_ns;
	call_prepare(r, &e->call);
	r->be->call_blocking(r, &e->call);
}

static void block_end(struct run *r, unsigned i)
{
	struct event *e = r->blocked[i].e;
	int64_t by = r->blocked[i].due + late(r, e->block_ns);

	while (!r->blocked[i].done && r->be->now(r) < by && !r->failed)
		r->be->advance(r, by, false);
	r->blocked[i].on = false;
	if (!r->blocked[i].done) {
		fail(r, e, "it still blocks after %.6f s",
		     (double)(by - r->blocked[i].start) / 1e9);
		return;
	}
	if (r->blocked[i].at > by || r->blocked[i].at < r->blocked[i].due - r->be->tol_early)
		fail(r, e, "it returned after %.6f s",
		     (double)(r->blocked[i].at - r->blocked[i].start) / 1e9);
	else
		call_check(r, e, r->blocked[i].ret, r->blocked[i].at);
}

/* Those that must have returned before the time until. */
static void blocks_due(struct run *r, int64_t until)
{
	for (unsigned i = 0; i < 4 && !r->failed; i++)
		if (r->blocked[i].on &&
		    r->blocked[i].due + late(r, r->blocked[i].e->block_ns) < until)
			block_end(r, i);
}

/* ---- segments ------------------------------------------------------------------------------- */

static void do_in(struct run *r, struct event *e)
{
	struct flow *f = &r->flow[e->seg->peer];
	uint8_t b[SC_PKT_MAX];
	uint32_t len;

	if (e->seg->has_port)
		f->port = (uint16_t)e->seg->port;
	else if (!f->port_known)
		f->port = r->port;
	if (e->seg->flags & TH_URG)
		f->urgent = true;
	r->last_peer = e->seg->peer;
	if (e->seg->proto == IPPROTO_ICMP && f->sent_len == 0) {
		fail(r, e, "nothing was sent that an ICMP error could quote");
		return;
	}
	len = packet_build(e->seg, f, r->family, b);
	r->be->inject(r, b, len);
	r->prev = r->be->now(r);
	trace_seg(r, r->prev, "<", e->seg);
}

/* What a segment that was wanted tells of its flow. */
static void learn(struct run *r, const struct seg *want, const struct seg *s)
{
	struct flow *f = &r->flow[s->peer];

	memcpy(f->sent, s->raw, s->raw_len);
	f->sent_len = s->raw_len;
	f->port = (uint16_t)s->port;
	f->port_known = true;
	if (s->proto != IPPROTO_TCP)
		return;
	if ((s->flags & TH_SYN) && (!f->known || want->is_new)) {
		f->iss = s->seq;
		f->known = true;
	}
	for (unsigned i = 0; i < s->nopt; i++) {
		const struct opt *o = &s->opt[i];

		if (o->kind == OPT_TS) {
			if (!f->ts_known || want->is_new)
				f->ts_base = o->num[0] - SC_TS_FIRST;
			f->ts_known = true;
			f->ts_last = o->num[0];
		}
		if (o->kind == OPT_TFO && o->n) {
			f->tfo_len = o->n;
			memcpy(f->tfo, o->raw, o->n);
		}
	}
}

static const char *flow_wrong(uint8_t want, uint32_t label, uint32_t before)
{
	if (want == FLOW_SAME && label != before)
		return "another flow label";
	if (want == FLOW_OTHER && label == before)
		return "the same flow label";
	if (want == FLOW_SOME && label == 0)
		return "no flow label";
	if (want == FLOW_ZERO && label != 0)
		return "a flow label";
	return NULL;
}

static void check_out(struct run *r, struct event *e, struct seg *s, int64_t lo, int64_t hi)
{
	char text[400];
	const char *wrong, *flow = flow_wrong(e->seg->flow, s->label, r->flow[s->peer].label);

	r->flow[s->peer].label = s->label;
	learn(r, e->seg, s);
	packet_relative(s, &r->flow[s->peer]);
	trace_seg(r, s->at, ">", s);
	wrong = packet_match(e->seg, s,
			     (uint32_t)((r->be->tol_late + SC_MS - 1) / SC_MS) +
				     (uint32_t)((s->at) / SC_MS * r->be->tol_percent / 100));
	packet_print(s, text, sizeof(text));
	if (!wrong)
		wrong = flow;
	if (wrong)
		fail(r, e, "%s: got >%s", wrong, text);
	else if (!e->any_time && s->at < lo - r->be->tol_early)
		fail(r, e, "it came %.6f s too early (at %.6f)", (double)(lo - s->at) / 1e9,
		     (double)s->at / 1e9);
	else if (!e->any_time && s->at > hi + late(r, hi - r->prev))
		fail(r, e, "it came %.6f s too late (at %.6f)", (double)(s->at - hi) / 1e9,
		     (double)s->at / 1e9);
}

static void do_out(struct run *r, struct event *e, int64_t lo, int64_t hi)
{
	int64_t by = hi + late(r, hi - r->prev);
	struct seg *s;

	if (e->any_time)
		by = r->be->now(r) + (r->be->bit == BE_STACK ? ANY_TIME_NS : 10 * SC_SEC);
	while (r->qhead == r->qtail && r->be->now(r) < by && !r->failed)
		r->be->advance(r, by, true);
	if (r->failed)
		return;
	if (r->qhead == r->qtail) {
		fail(r, e, "nothing was sent until %.6f", (double)by / 1e9);
		return;
	}
	s = r->q[r->qhead++ % SC_QUEUE];
	check_out(r, e, s, lo, hi);
	r->prev = s->at;
	free(s);
}

static void do_quiet(struct run *r, const struct event *e)
{
	char text[400];
	struct seg *s;

	if (r->qhead == r->qtail) {
		trace(r, r->prev, "quiet");
		return;
	}
	s = r->q[r->qhead++ % SC_QUEUE];
	packet_relative(s, &r->flow[s->peer]);
	packet_print(s, text, sizeof(text));
	trace(r, s->at, ">%s", text);
	fail(r, e, "at %.6f came >%s", (double)s->at / 1e9, text);
}

/* ---- the case ------------------------------------------------------------------------------- */

static void pass_until(struct run *r, int64_t until)
{
	do
		r->be->advance(r, until, false);
	while (r->be->now(r) < until && !r->failed);
	r->prev = r->be->now(r);
}

static void do_event(struct run *r, struct event *e)
{
	int64_t base = e->absolute ? 0 : r->prev, lo = base + e->lo, hi = base + e->hi;

	blocks_due(r, hi);
	if (r->failed)
		return;
	if (e->kind == EV_OUT) {
		do_out(r, e, lo, hi);
		return;
	}
	pass_until(r, lo);
	if (r->failed)
		return;
	switch (e->kind) {
	case EV_IN:
		do_in(r, e);
		break;
	case EV_QUIET:
		do_quiet(r, e);
		break;
	default:
		if (e->blocks) {
			block_start(r, e);
			break;
		}
		call_prepare(r, &e->call);
		call_check(r, e, r->be->call(r, &e->call), r->be->now(r));
		break;
	}
}

static void at_end(struct run *r)
{
	const char *left;

	for (unsigned i = 0; i < 4 && !r->failed; i++)
		if (r->blocked[i].on)
			block_end(r, i);
	if (r->failed)
		return;
	pass_until(r, r->be->now(r));
	if (r->qhead != r->qtail) {
		char text[400];
		struct seg *s = r->q[r->qhead++ % SC_QUEUE];

		packet_relative(s, &r->flow[s->peer]);
		packet_print(s, text, sizeof(text));
		trace(r, s->at, ">%s", text);
		fail(r, NULL, "sent and not asked for: at %.6f >%s", (double)s->at / 1e9, text);
		return;
	}
	left = r->be->close(r);
	if (left)
		fail(r, NULL, "%s", left);
}

enum run_result run_case(struct sc_case *c, const struct backend *be, uint8_t family, FILE *out,
			 bool verbose)
{
	struct run *r = calloc(1, sizeof(*r));
	char *text = NULL;
	size_t size = 0;
	const char *why;
	bool skip = false;

	if (!r)
		abort();
	r->c = c;
	r->be = be;
	r->family = family;
	r->out = out;
	r->port = SC_PORT;
	r->last_peer = 1;
	for (unsigned i = 0; i < SC_PEERS; i++) {
		r->flow[i].peer_iss = c->peer_iss + i * 100000;
		r->flow[i].iss = SC_ISS_UNKNOWN;
	}
	r->trace = open_memstream(&text, &size);
	why = be->open(r, &skip);
	if (why) {
		fprintf(out, "%s\n", why);
		return skip ? RUN_SKIP : RUN_FAIL;
	}
	for (unsigned i = 0; i < c->nev && !r->failed; i++) {
		struct event *e = &c->ev[i];

		if (!(e->backends & be->bit) || !(e->families & family))
			continue;
		event_bind_family(c, e, family);
		do_event(r, e);
	}
	if (!r->failed)
		at_end(r);
	if (r->failed)
		trace_left(r);
	fclose(r->trace);
	if (r->failed || verbose)
		fprintf(out, "  the trace%s:\n%s", r->failed ? " until then" : "", text);
	return r->failed ? RUN_FAIL : RUN_PASS;
}
