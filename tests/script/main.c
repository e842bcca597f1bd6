/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runner: which cases on which backends and families, each in a process of its own, many at a
 * time, and TAP about them in order.
 *
 *   run [OPTION ...] FILE|FOLDER ...
 *     --backend stack|kernel    default: stack
 *     --family v4|v6            default: those that a case has
 *     --given FOLDER            where "given" finds its beginnings
 *     --case TEXT               only cases whose name holds TEXT
 *     --jobs N                  cases at a time
 *     -v                        the trace of each, passed or not
 *     --list, --matrix          print and play nothing
 *
 * Status 0: all passed; 1: some failed; 2: a script can't be read; 77: nothing could be played.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "script.h"

#define TRIES_KERNEL 3 /* real time on a busy machine */
#define CASE_S 60
#define FILES_MAX 2000u

/* What the stack can do; a case for another family is left out. */
#define STACK_FAMILIES (FAM_V4 | FAM_V6)

struct job {
	struct sc_case *c;
	const struct backend *be;
	uint8_t family;
	pid_t pid;
	int fd; /* what it says */
	int tries;
	enum { JOB_WAITS, JOB_RUNS, JOB_DONE } state;
	enum run_result result;
};

static struct {
	const struct backend *be;
	uint8_t families;
	const char *given, *match;
	unsigned jobs;
	bool verbose, list, matrix;
} opt = {.be = &backend_stack, .families = FAM_V4 | FAM_V6};

/* ---- which cases ---------------------------------------------------------------------------- */

static char *files[FILES_MAX];
static unsigned nfiles;

static void file_add(const char *path)
{
	if (nfiles == FILES_MAX) {
		fprintf(stderr, "more than %u scripts\n", FILES_MAX);
		exit(2);
	}
	files[nfiles++] = strdup(path);
}

static void folder_add(const char *path)
{
	struct dirent **d;
	int n = scandir(path, &d, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		size_t len = strlen(d[i]->d_name);
		char *p = NULL;
		struct stat s;

		if (d[i]->d_name[0] == '.' || asprintf(&p, "%s/%s", path, d[i]->d_name) < 0 ||
		    stat(p, &s))
			continue;
		if (S_ISDIR(s.st_mode))
			folder_add(p);
		else if (len > 6 && !strcmp(d[i]->d_name + len - 6, ".trace"))
			file_add(p);
		free(p);
	}
}

static struct sc_case *cases_read(int argc, char **argv)
{
	struct sc_case *first = NULL, **link = &first;
	struct stat s;

	for (int i = 0; i < argc; i++) {
		if (stat(argv[i], &s)) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			exit(2);
		}
		if (S_ISDIR(s.st_mode))
			folder_add(argv[i]);
		else
			file_add(argv[i]);
	}
	for (unsigned i = 0; i < nfiles; i++) {
		*link = script_parse(files[i], opt.given);
		while (*link)
			link = &(*link)->next;
	}
	return first;
}

/* ---- playing -------------------------------------------------------------------------------- */

static void job_start(struct job *j)
{
	fflush(stdout);
	if (j->fd >= 0)
		close(j->fd);
	j->fd = memfd_create("script", MFD_CLOEXEC);
	j->tries++;
	j->state = JOB_RUNS;
	j->pid = fork();
	if (j->pid < 0) {
		perror("fork");
		exit(1);
	}
	if (j->pid == 0) {
		FILE *out = fdopen(j->fd, "w");
		enum run_result r;

		dup2(j->fd, 2);
		alarm(CASE_S);
		r = run_case(j->c, j->be, j->family, out, opt.verbose);
		fflush(out);
		_exit(r == RUN_PASS ? 0 : r == RUN_SKIP ? 77 : 1);
	}
}

static void job_ended(struct job *j, int status)
{
	j->state = JOB_DONE;
	j->result = RUN_FAIL;
	if (WIFEXITED(status))
		j->result = WEXITSTATUS(status) == 0    ? RUN_PASS
			    : WEXITSTATUS(status) == 77 ? RUN_SKIP
							: RUN_FAIL;
	else if (WIFSIGNALED(status))
		dprintf(j->fd, "%s:%d: ended by signal %d (%s)\n", j->c->at.file, j->c->at.line,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	/* a remark that it differs must hold once; a pass must be had once */
	if (j->result == RUN_FAIL && j->be->bit == BE_KERNEL && !j->c->differs_why[0] &&
	    j->tries < TRIES_KERNEL)
		j->state = JOB_WAITS;
}

static void job_print(struct job *j, unsigned n)
{
	bool differs = j->be->bit == BE_KERNEL && j->c->differs_why[0];
	bool ok = differs ? j->result == RUN_FAIL : j->result == RUN_PASS;
	char line[600];
	FILE *f;

	if (!ok || opt.verbose) {
		lseek(j->fd, 0, SEEK_SET);
		f = fdopen(dup(j->fd), "r");
		while (f && fgets(line, sizeof(line), f))
			printf("# %s%s", line, strchr(line, '\n') ? "" : "\n");
		if (f)
			fclose(f);
	}
	if (j->result == RUN_SKIP)
		ok = true;
	printf("%sok %u - %s %s %s:%d %s", ok ? "" : "not ", n, j->be->name,
	       j->family == FAM_V6 ? "v6" : "v4", j->c->at.file, j->c->at.line, j->c->name);
	if (j->result == RUN_SKIP)
		printf(" # SKIP no namespace or no TUN device");
	else if (differs && ok)
		printf(" (differs: %s)", j->c->differs_why);
	else if (differs)
		printf(" (said to differ, and does not: %s)", j->c->differs_why);
	else if (j->tries > 1)
		printf(" (try %d)", j->tries);
	printf("\n");
	fflush(stdout);
	close(j->fd);
}

static void jobs_run(struct job *jobs, unsigned n)
{
	unsigned running = 0, next = 0, printed = 0;
	int status;
	pid_t pid;

	while (printed < n) {
		while (next < n && running < opt.jobs) {
			job_start(&jobs[next++]);
			running++;
		}
		pid = waitpid(-1, &status, 0);
		if (pid < 0)
			break;
		for (unsigned i = printed; i < next; i++) {
			if (jobs[i].state != JOB_RUNS || jobs[i].pid != pid)
				continue;
			running--;
			job_ended(&jobs[i], status);
			if (jobs[i].state == JOB_WAITS) {
				job_start(&jobs[i]);
				running++;
			}
		}
		for (; printed < next && jobs[printed].state == JOB_DONE; printed++)
			job_print(&jobs[printed], printed + 1);
	}
}

static int play(struct sc_case *first)
{
	unsigned n = 0, skipped = 0, failed = 0;
	struct job *jobs = NULL;

	for (struct sc_case *c = first; c; c = c->next) {
		for (uint8_t f = FAM_V4; f <= FAM_V6; f <<= 1) {
			if (!(c->families & f & opt.families) || !(c->backends & opt.be->bit) ||
			    (opt.match && !strstr(c->name, opt.match)) ||
			    (opt.be->bit == BE_STACK && !(STACK_FAMILIES & f)))
				continue;
			jobs = realloc(jobs, (n + 1) * sizeof(*jobs));
			if (!jobs)
				abort();
			jobs[n++] = (struct job){.c = c, .be = opt.be, .family = f, .fd = -1};
		}
	}
	printf("1..%u\n", n);
	jobs_run(jobs, n);
	for (unsigned i = 0; i < n; i++) {
		bool differs = jobs[i].be->bit == BE_KERNEL && jobs[i].c->differs_why[0];

		if (jobs[i].result == RUN_SKIP)
			skipped++;
		else
			failed += jobs[i].result != (differs ? RUN_FAIL : RUN_PASS);
	}
	printf("# %u played, %u failed, %u skipped\n", n - skipped, failed, skipped);
	return failed ? 1 : skipped == n ? 77 : 0;
}

static void options(int argc, char **argv)
{
	static const struct option longs[] = {
		{"backend", 1, NULL, 'b'}, {"family", 1, NULL, 'f'}, {"given", 1, NULL, 'g'},
		{"case", 1, NULL, 'c'},    {"jobs", 1, NULL, 'j'},   {"list", 0, NULL, 'l'},
		{"matrix", 0, NULL, 'm'},  {NULL, 0, NULL, 0},
	};
	int o;

	while ((o = getopt_long(argc, argv, "vj:", longs, NULL)) != -1) {
		if (o == 'b' && !strcmp(optarg, "stack"))
			opt.be = &backend_stack;
		else if (o == 'b' && !strcmp(optarg, "kernel"))
			opt.be = &backend_kernel;
		else if (o == 'f' && !strcmp(optarg, "v4"))
			opt.families = FAM_V4;
		else if (o == 'f' && !strcmp(optarg, "v6"))
			opt.families = FAM_V6;
		else if (o == 'g')
			opt.given = optarg;
		else if (o == 'c')
			opt.match = optarg;
		else if (o == 'j')
			opt.jobs = (unsigned)atoi(optarg);
		else if (o == 'l')
			opt.list = true;
		else if (o == 'm')
			opt.matrix = true;
		else if (o == 'v')
			opt.verbose = true;
		else
			exit(2);
	}
}

/* The scripts are kept to the end, and the end frees them: no leak, whatever a sanitizer says. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(int argc, char **argv)
{
	struct sc_case *cases;

	options(argc, argv);
	if (optind == argc) {
		fprintf(stderr, "usage: run [OPTION ...] FILE|FOLDER ...\n");
		return 2;
	}
	if (!opt.given)
		opt.given = "given";
	if (!opt.jobs)
		opt.jobs = opt.be->bit == BE_KERNEL ? 40 : 3;
	cases = cases_read(argc - optind, argv + optind);
	if (opt.matrix) {
		matrix_print(cases, stdout);
		return 0;
	}
	if (opt.list) {
		for (; cases; cases = cases->next)
			printf("%s:%d: %s\n", cases->at.file, cases->at.line, cases->name);
		return 0;
	}
	return play(cases);
}
