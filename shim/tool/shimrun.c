/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shimrun: decides the environment of a program that is to run under libshim, and executes it. Must
 * never start it with a variable that the library would refuse, and never keep it from starting for
 * a reason that only means kernel sockets.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/proc/knobs.h"
#include "shim/tool/check.h"
#include "shim/tool/target.h"
#include "shim/tool/tool.h"

/* As the shell's and env(1)'s. */
enum { EXIT_CANNOT_EXEC = 126, EXIT_NOT_FOUND = 127 };

enum opt {
	OPT_IFACE = 256,
	OPT_LOOPBACK,
	OPT_LOG,
	OPT_SET,
	OPT_LIBRARY,
	OPT_PRINT,
	OPT_CHECK,
	OPT_JSON,
	OPT_LIST_KNOBS,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option options[] = {
	{"iface", required_argument, NULL, OPT_IFACE},
	{"loopback", no_argument, NULL, OPT_LOOPBACK},
	{"log", required_argument, NULL, OPT_LOG},
	{"set", required_argument, NULL, OPT_SET},
	{"library", required_argument, NULL, OPT_LIBRARY},
	{"print", no_argument, NULL, OPT_PRINT},
	{"check", no_argument, NULL, OPT_CHECK},
	{"json", no_argument, NULL, OPT_JSON},
	{"list-knobs", no_argument, NULL, OPT_LIST_KNOBS},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static struct {
	bool print, check, json;
	const char *iface, *library;
} want;

static void usage(FILE *to)
{
	fputs("usage: shimrun [--iface NAME[,NAME]] [--loopback] [--log LEVEL[:PATH]]\n"
	      "               [--set NAME=VALUE] [--library PATH] [--print]\n"
	      "               COMMAND [ARGUMENT ...]\n"
	      "       shimrun --check [--iface NAME] [--json]\n"
	      "       shimrun --list-knobs | --help | --version\n",
	      to);
}

static void help(void)
{
	usage(stdout);
	fputs("\nRuns COMMAND, unmodified, with its sockets on an in-process TCP/IP stack.\n\n"
	      "  --iface NAME,...   take packets from these interfaces (SHIM_IFACE)\n"
	      "  --loopback         serve local addresses by the stack, too (SHIM_LOOPBACK=1)\n"
	      "  --log LEVEL[:PATH] off, error, warn, info, debug; to a file (SHIM_LOG)\n"
	      "  --set NAME=VALUE   any variable of the list, checked first\n"
	      "  --library PATH     preload this file\n"
	      "  --print            print the environment that would be set, run nothing\n"
	      "  --check            what this machine can do, and how to get what is missing\n"
	      "  --json             with --check: as one JSON object\n"
	      "  --list-knobs       every SHIM_* variable with range and default\n"
	      "\nExamples:\n"
	      "  shimrun redis-server --protected-mode no\n"
	      "  shimrun --iface ens5f0 nginx\n"
	      "  shimrun --log info --set SPIN_US=0 haproxy -f haproxy.cfg\n"
	      "  shimrun --check\n"
	      "\nExit status: the command's; 126 cannot be executed, 127 not found. --check: 0\n"
	      "can accelerate, 1 kernel sockets only. 2: wrong use.\n",
	      stdout);
}

static void list_knobs(void)
{
	for (int i = 0; i < KNOB_COUNT; i++) {
		const struct knob_info *k = &knob_info[i];

		printf("SHIM_%s=%s", k->name, k->def);
		if (k->type == KNOB_TYPE_BOOL)
			printf("  (0 or 1)");
		else if (k->type == KNOB_TYPE_INT && k->min == k->max)
			printf("  (%ld)", (long)k->min);
		else if (k->type == KNOB_TYPE_INT)
			printf("  (%ld to %ld%s%s)", (long)k->min, (long)k->max,
			       *k->unit ? " " : "", k->unit);
		else if (k->type == KNOB_TYPE_LIST)
			printf("  (names, separated by commas)");
		printf("\n    ");
		tool_wrap(k->text, 4, 90);
		for (const struct knob_choice *c = k->choices; c && c->value; c++) {
			printf("      %-9s ", c->value);
			tool_wrap(c->text, 16, 90);
		}
	}
}

/* Checks one variable and sets it. name may lack its prefix. 0 or EXIT_USAGE. */
static int set_knob(const char *name, const char *value)
{
	static struct knobs scratch;
	char why[160], var[64];
	int id = knob_find(name), near;

	if (id < 0) {
		near = knob_nearest(strncmp(name, "SHIM_", 5) == 0 ? name + 5 : name);
		if (near >= 0)
			fprintf(stderr, "shimrun: %s is not known; did you mean %s?\n", name,
				knob_info[near].name);
		else
			fprintf(stderr, "shimrun: %s is not known (see --list-knobs)\n", name);
		return EXIT_USAGE;
	}
	if (knob_set(&scratch, id, value, why, sizeof(why)) < 0) {
		fprintf(stderr, "shimrun: SHIM_%s=%s: %s\n", knob_info[id].name, value, why);
		return EXIT_USAGE;
	}
	snprintf(var, sizeof(var), "SHIM_%s", knob_info[id].name);
	if (setenv(var, value, 1) != 0) {
		perror("shimrun: setenv");
		return EXIT_CANNOT_EXEC;
	}
	return 0;
}

static int set_pair(char *pair)
{
	char *eq = strchr(pair, '=');

	if (!eq) {
		fprintf(stderr, "shimrun: --set takes NAME=VALUE, not %s\n", pair);
		return EXIT_USAGE;
	}
	*eq = 0;
	return set_knob(pair, eq + 1);
}

/* -1: go on, else the exit status. */
static int take_option(int c)
{
	int err = 0;

	switch (c) {
	case OPT_IFACE:
		want.iface = optarg;
		err = set_knob("IFACE", optarg);
		break;
	case OPT_LOOPBACK:
		err = set_knob("LOOPBACK", "1");
		break;
	case OPT_LOG:
		err = set_knob("LOG", optarg);
		break;
	case OPT_SET:
		err = set_pair(optarg);
		break;
	case OPT_LIBRARY:
		want.library = optarg;
		break;
	case OPT_PRINT:
		want.print = true;
		break;
	case OPT_CHECK:
		want.check = true;
		break;
	case OPT_JSON:
		want.json = true;
		break;
	case OPT_LIST_KNOBS:
		list_knobs();
		return 0;
	case OPT_HELP:
		help();
		return 0;
	case OPT_VERSION:
		tool_print_version("shimrun");
		return 0;
	default:
		usage(stderr);
		return EXIT_USAGE;
	}
	return err ? err : -1;
}

/* In front of what is preloaded already; once only. */
static int set_preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	size_t n = strlen(library);
	char *list;
	int err;

	if (old && strncmp(old, library, n) == 0 && strchr(": ", old[n]))
		return 0;
	if (asprintf(&list, "%s%s%s", library, old && *old ? ":" : "", old ? old : "") < 0)
		return -ENOMEM;
	err = setenv("LD_PRELOAD", list, 1);
	free(list);
	return err ? -errno : 0;
}

static void print_environment(void)
{
	extern char **environ;

	for (char **e = environ; *e; e++)
		if (strncmp(*e, "SHIM_", 5) == 0 || strncmp(*e, "LD_PRELOAD=", 11) == 0)
			puts(*e);
}

static int run(char **argv)
{
	char library[PATH_MAX], path[PATH_MAX];
	enum target_kind kind;
	int err = 0;

	if (want.library)
		err = realpath(want.library, library) ? 0 : -errno;
	else
		err = tool_find_library(library, sizeof(library));
	if (err) {
		fprintf(stderr, "shimrun: %s: no such library (give one with --library)\n",
			want.library ? want.library : "libshim.so");
		return EXIT_CANNOT_EXEC;
	}
	/* The loader splits the list at both, and knows no quotes. */
	if (strpbrk(library, ": ")) {
		fprintf(stderr, "shimrun: LD_PRELOAD cannot name %s (blank or colon)\n", library);
		return EXIT_CANNOT_EXEC;
	}
	if (set_preload(library) < 0) {
		fprintf(stderr, "shimrun: out of memory\n");
		return EXIT_CANNOT_EXEC;
	}
	if (want.print) {
		print_environment();
		return 0;
	}
	kind = target_look(argv[0], path, sizeof(path));
	if (kind == TARGET_NOT_FOUND || kind == TARGET_NOT_EXEC) {
		fprintf(stderr, "shimrun: %s: %s\n", argv[0], target_explain(kind));
		return kind == TARGET_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC;
	}
	if (kind != TARGET_OK)
		fprintf(stderr, "shimrun: %s is %s\n", path, target_explain(kind));
	execvp(argv[0], argv);
	err = errno;
	fprintf(stderr, "shimrun: %s: %s\n", argv[0], strerror(err));
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC;
}

int main(int argc, char **argv)
{
	int c, status;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		status = take_option(c);
		if (status >= 0)
			return status;
	}
	if (want.check) {
		if (argv[optind]) {
			usage(stderr);
			return EXIT_USAGE;
		}
		return check_machine(want.iface, want.json);
	}
	if (want.json || (!argv[optind] && !want.print)) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return run(argv + optind);
}
