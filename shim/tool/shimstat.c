/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shimstat: looks into programs that run under libshim. Must never disturb them: it maps their
 * memory for reading, takes no lock, and an inconsistency that it meets (they run on meanwhile)
 * costs at most the rest of that family's output.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "shim/tool/json.h"
#include "shim/tool/show.h"
#include "shim/tool/tool.h"

enum { EXIT_SHOWN = 0, EXIT_NONE = 1, EXIT_DENIED = 3 };

enum opt { OPT_JSON = 256, OPT_WATCH, OPT_COUNT, OPT_LIST_COUNTERS, OPT_HELP, OPT_VERSION };

static const struct option options[] = {
	{"all", no_argument, NULL, 'a'},
	{"connections", no_argument, NULL, 'c'},
	{"devices", no_argument, NULL, 'd'},
	{"family", no_argument, NULL, 'f'},
	{"info", no_argument, NULL, 'i'},
	{"listeners", no_argument, NULL, 'l'},
	{"counters", no_argument, NULL, 'm'},
	{"pools", no_argument, NULL, 'p'},
	{"stacks", no_argument, NULL, 's'},
	{"verdicts", no_argument, NULL, 'v'},
	{"json", no_argument, NULL, OPT_JSON},
	{"watch", required_argument, NULL, OPT_WATCH},
	{"count", required_argument, NULL, OPT_COUNT},
	{"list-counters", no_argument, NULL, OPT_LIST_COUNTERS},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static struct {
	unsigned parts;
	bool json;
	double watch_s; /* 0: look once */
	unsigned long count;
} want;

static struct show_last *last; /* LOOK_FAMILIES_MAX, when watching */
static sigjmp_buf torn;

/* The looking-in functions of the stack are const; they ASSERT nothing of memory that changes. */
void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "shimstat: %s:%d: %s\n", file, line, what);
	exit(EXIT_DENIED);
}

static void usage(FILE *to)
{
	fputs("usage: shimstat [-acdfilmpsv] [--json] [--watch SECONDS [--count N]] [PID ...]\n"
	      "       shimstat --list-counters | --help | --version\n",
	      to);
}

static void help(void)
{
	usage(stdout);
	fputs("\nLooks into programs that run under libshim, without stopping them.\n\n"
	      "  -f, --family       processes and memory      -c, --connections  as ss(8) shows\n"
	      "  -s, --stacks       stacks, who attends them  -i, --info         with TCP_INFO\n"
	      "  -d, --devices      interfaces and modes      -m, --counters     all that count\n"
	      "  -l, --listeners    TCP listeners and UDP     -p, --pools        memory pools\n"
	      "  -v, --verdicts     why each descriptor is, or is not, accelerated\n"
	      "  -a, --all          all of these\n"
	      "  --json             everything, as one JSON object\n"
	      "  --watch SECONDS    again and again; counters as change per second\n"
	      "  --count N          stop after N looks\n"
	      "  --list-counters    every counter there is\n"
	      "\nExamples:\n"
	      "  shimstat                      what runs, its connections, what was dropped\n"
	      "  shimstat -v $(pidof nginx)    is it accelerated, and if not, why\n"
	      "  shimstat -m --watch 1         rates\n"
	      "\nExit status: 0 shown, 1 nothing runs under libshim, 2 wrong use, 3 not\n"
	      "permitted or another version.\n",
	      stdout);
}

static void list_counters(void)
{
	static const char *const kinds[] = {"count", "drop", "fail"};

	for (int i = 0; i < STAT_COUNT; i++) {
		printf("%-22s %-6s ", stat_info[i].name, kinds[stat_info[i].kind]);
		tool_wrap(stat_info[i].text, 30, 100);
	}
}

static bool take_number(const char *s, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(s, &end);
	return !errno && end != s && !*end && *out > 0 && *out < 1e6;
}

/* -1: go on, else the exit status. */
static int take_option(int c)
{
	static const char letters[] = "fsdlcipmv"; /* in the order of enum show_part */
	const char *at = c < 256 ? strchr(letters, c) : NULL;
	double v;

	if (at) {
		want.parts |= 1u << (at - letters);
		if (c == 'i')
			want.parts |= SHOW_CONNS;
		return -1;
	}
	switch (c) {
	case 'a':
		want.parts = SHOW_ALL;
		return -1;
	case OPT_JSON:
		want.json = true;
		return -1;
	case OPT_WATCH:
		return take_number(optarg, &want.watch_s) ? -1 : (usage(stderr), EXIT_USAGE);
	case OPT_COUNT:
		if (!take_number(optarg, &v) || v < 1)
			break;
		want.count = (unsigned long)v;
		return -1;
	case OPT_LIST_COUNTERS:
		list_counters();
		return 0;
	case OPT_HELP:
		help();
		return 0;
	case OPT_VERSION:
		tool_print_version("shimstat");
		return 0;
	}
	usage(stderr);
	return EXIT_USAGE;
}

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The family tore a structure while it was being read, or the arena was cut short. */
static void on_fault(int sig)
{
	siglongjmp(torn, sig);
}

static struct show_last *last_of(ino_t ino)
{
	for (int i = 0; last && i < LOOK_FAMILIES_MAX; i++)
		if (last[i].ino == ino || last[i].ino == 0)
			return &last[i];
	return NULL;
}

static void remember(struct show_last *l, const struct found *f, const struct family *fam,
		     uint64_t now)
{
	l->ino = f->ino;
	l->at_ns = now;
	for (unsigned i = 0; i < FAMILY_STACKS; i++) {
		const struct stack *st = show_stack(fam, i);

		if (st)
			memcpy(l->stats[i], stack_stats((struct stack *)(uintptr_t)st),
			       sizeof(l->stats[i]));
	}
}

/* 0, or -Exxx: this family could not be looked into. */
static int show_family(struct found *f)
{
	const struct family *fam;
	struct show_last *l = last_of(f->ino);
	uint64_t now = clock_ns();
	int err = look_map(f, &fam);

	if (err)
		return err;
	if (sigsetjmp(torn, 1) == 0) {
		if (want.json)
			show_json(f, fam, now);
		else
			show_text(f, fam, want.parts, l && l->ino ? l : NULL, now);
		if (l)
			remember(l, f, fam, now);
	} else if (want.json) {
		/* Half a document is none. */
		fflush(stdout);
		fprintf(stderr, "shimstat: family %lu changed while it was read\n",
			(unsigned long)f->ino);
		exit(EXIT_DENIED);
	} else {
		printf("  (the family changed while it was read)\n");
	}
	look_unmap(f);
	return 0;
}

static void explain(const struct found *f, int err)
{
	fprintf(stderr, "shimstat: family of process %d: %s\n", f->member[0].pid,
		err == -EPROTO ? "of another version of libshim" : strerror(-err));
}

static int look_once(const pid_t *pids, int npids)
{
	struct found *found;
	unsigned denied, shown = 0, failed = 0;
	int n = look_find(pids, npids, &found, &denied);

	if (n < 0) {
		fprintf(stderr, "shimstat: %s\n", strerror(-n));
		return EXIT_DENIED;
	}
	if (want.json) {
		json_begin(NULL, '{');
		json_str("version", PACKAGE_VERSION);
		json_begin("families", '[');
	}
	for (int i = 0; i < n; i++) {
		int err = show_family(&found[i]);

		shown += err == 0;
		failed += err != 0 && err != -ESRCH;
		if (err)
			explain(&found[i], err);
	}
	if (want.json) {
		json_end(']');
		json_end('}');
	}
	free(found);
	if (failed)
		return EXIT_DENIED;
	if (!shown && denied)
		fprintf(stderr, "shimstat: %u processes could not be looked into (not permitted)\n",
			denied);
	if (!shown && !(npids && denied))
		fprintf(stderr, "shimstat: nothing %sruns under libshim\n",
			npids ? "of these " : "");
	return shown ? EXIT_SHOWN : npids && denied ? EXIT_DENIED : EXIT_NONE;
}

static int take_pids(char **argv, pid_t **pids)
{
	int n = 0;

	while (argv[n])
		n++;
	*pids = calloc((size_t)n + 1, sizeof(**pids));
	for (int i = 0; i < n && *pids; i++) {
		char *end;
		long v = strtol(argv[i], &end, 10);

		if (*end || v <= 0 || v > INT32_MAX) {
			fprintf(stderr, "shimstat: %s is not a process id\n", argv[i]);
			free(*pids);
			return -EINVAL;
		}
		(*pids)[i] = (pid_t)v;
	}
	return *pids ? n : -ENOMEM;
}

int main(int argc, char **argv)
{
	int c, status, npids;
	pid_t *pids;

	while ((c = getopt_long(argc, argv, "acdfilmpsv", options, NULL)) != -1) {
		status = take_option(c);
		if (status >= 0)
			return status;
	}
	npids = take_pids(argv + optind, &pids);
	if (npids < 0)
		return EXIT_USAGE;
	if (want.watch_s > 0)
		last = calloc(LOOK_FAMILIES_MAX, sizeof(*last));
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	for (unsigned long n = 1;; n++) {
		status = look_once(pids, npids);
		fflush(stdout);
		if (want.watch_s <= 0 || n == want.count)
			break;
		usleep((useconds_t)(want.watch_s * 1e6));
		if (!want.json)
			putchar('\n');
	}
	free(last);
	free(pids);
	return status;
}
