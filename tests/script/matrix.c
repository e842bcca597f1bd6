/* SPDX-License-Identifier: BSD-2-Clause */
/* Which cases cover which event in which state, from the scripts' own "covers" lines. */
#include <string.h>

#include "script.h"

static const char *const states[] = {
	"CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
	"FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK",     "TIME-WAIT",   NULL,
};

/* The calls of RFC 9293 3.10.1 to 3.10.6, a segment's checks of 3.10.7, the timers of 3.10.8. */
static const char *const events[] = {
	"OPEN",       "SEND",    "RECEIVE", "CLOSE",   "ABORT",  "STATUS",   "RST exact",
	"RST near",   "RST out", "SYN",     "SYN old", "no ACK", "ACK good", "ACK old",
	"ACK future", "seq out", "URG",     "text",    "FIN",    "timeout",  NULL,
};

/* What cannot be: no window, no timer and no connection whose SYN were old. */
static const struct cover not_there[] = {
	{"CLOSED", "RST near"},  {"CLOSED", "SYN old"},  {"CLOSED", "seq out"},
	{"CLOSED", "timeout"},   {"LISTEN", "RST near"}, {"LISTEN", "SYN old"},
	{"LISTEN", "seq out"},   {"LISTEN", "timeout"},  {"SYN-SENT", "SYN old"},
	{"SYN-SENT", "seq out"},
};

static bool can_be(const char *state, const char *event)
{
	for (unsigned i = 0; i < sizeof(not_there) / sizeof(not_there[0]); i++)
		if (!strcmp(not_there[i].state, state) && !strcmp(not_there[i].event, event))
			return false;
	return true;
}

static bool in_table(const char *const *t, const char *name)
{
	for (; *t; t++)
		if (!strcmp(*t, name))
			return true;
	return false;
}

bool matrix_known(const struct cover *c)
{
	return in_table(states, c->state) && in_table(events, c->event) &&
	       can_be(c->state, c->event);
}

static unsigned cell_count(const struct sc_case *cases, const char *state, const char *event)
{
	unsigned n = 0;

	for (const struct sc_case *c = cases; c; c = c->next)
		for (unsigned i = 0; i < c->ncover; i++)
			n += !strcmp(c->cover[i].state, state) && !strcmp(c->cover[i].event, event);
	return n;
}

static void print_cell(const struct sc_case *cases, const char *state, const char *event, FILE *out)
{
	if (cell_count(cases, state, event) == 0)
		return;
	fprintf(out, "\n%s x %s\n\n", state, event);
	for (const struct sc_case *c = cases; c; c = c->next) {
		const char *slash = strrchr(c->at.file, '/'), *dir = slash;

		while (dir && dir > c->at.file && dir[-1] != '/')
			dir--;
		for (unsigned i = 0; i < c->ncover; i++)
			if (!strcmp(c->cover[i].state, state) && !strcmp(c->cover[i].event, event))
				fprintf(out, "- %s: %s\n", dir ? dir : c->at.file, c->name);
	}
}

void matrix_print(const struct sc_case *cases, FILE *out)
{
	unsigned holes = 0;

	fprintf(out, "# State x event of RFC 9293 3.10\n\n"
		     "Made by `tests/script/run --matrix` from the scripts' `covers` lines.\n"
		     "Each cell: how many cases play that event in that state; -: it cannot be.\n\n"
		     "|  |");
	for (unsigned s = 0; states[s]; s++)
		fprintf(out, " %s |", states[s]);
	fprintf(out, "\n|---|");
	for (unsigned s = 0; states[s]; s++)
		fprintf(out, "---|");
	for (unsigned e = 0; events[e]; e++) {
		fprintf(out, "\n| %s |", events[e]);
		for (unsigned s = 0; states[s]; s++) {
			unsigned n = cell_count(cases, states[s], events[e]);

			if (n)
				fprintf(out, " %u |", n);
			else if (can_be(states[s], events[e]))
				fprintf(out, " **none** |");
			else
				fprintf(out, " - |");
			holes += n == 0 && can_be(states[s], events[e]);
		}
	}
	fprintf(out, "\n\n%u cells without a case.\n", holes);
	for (unsigned s = 0; states[s]; s++)
		for (unsigned e = 0; events[e]; e++)
			print_cell(cases, states[s], events[e], out);
}
