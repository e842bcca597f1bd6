/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each congestion control makes of a path, as a table kept beside this file (grid.golden), so
 * that a change for the worse, or the better, is a diff. Virtual time: the same on every machine.
 *
 *   grid [--full] [--update] [--jobs N] [--only TEXT] [--trace]
 *
 * Without --full: the rows marked quick (make check). Every row is compared with the golden
 * file's of the same name: a figure may differ by a tenth of it or by two of its unit, whichever
 * is more, by half where single events decide (a loss of 3 %, the shares of two flows), a queue
 * by 10 points. --update (with --full) writes the file anew. --only: rows whose name has TEXT in
 * it. --trace: one of them, a line of its inner state for each half hundredth of its time.
 */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "path.h"

#define ROWS_MAX 64u
#define CELLS 5u
#define JOBS_MAX 16
#define VALUES_MAX 8u
#define TOLERANCE 0.1
#define TOLERANCE_LEAST 2.0
#define TOLERANCE_CHANCE 0.5
#define TOLERANCE_QUEUE 10.0
#define QUEUE_LEAST 65536u

void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

static const char *const control[] = {"reno", "cubic", "bbr"};
static const uint32_t losses_ppm[CELLS] = {0, 100, 1000, 10000, 30000};

enum row_kind {
	ROW_GRID,  /* goodput for each loss, queue without loss */
	ROW_FAIR,  /* two flows: goodput of each, Jain's index, queue */
	ROW_FILL,  /* from the SYN on: goodput of the fifth second, when the path was full */
	ROW_NOISE, /* goodput of the first five seconds under loss */
};

struct row {
	enum row_kind kind;
	bool quick;
	char name[64];
	unsigned ncells, nvalues;
	unsigned left; /* cells to be run still */
	double value[VALUES_MAX];
	struct path_cfg cfg[CELLS];
};

static struct {
	bool full, update, trace;
	unsigned jobs;
	const char *only;
} opt = {.jobs = 2};

static struct row rows[ROWS_MAX];
static unsigned nrows;
static struct path_result (*results)[CELLS]; /* shared with the children */

/* ---- the rows ------------------------------------------------------------------------------- */

static struct path_cfg path_of(uint8_t algo, uint64_t mbit, uint64_t rtt_ms)
{
	struct path_cfg c = {
		.algo = {algo, algo},
		.nflows = 1,
		.rate_bps = mbit * MBIT,
		.rtt_ns = rtt_ms * MS,
		.queue_bytes = mbit * MBIT / 8000 * rtt_ms,
		.seed = 1,
	};

	if (c.queue_bytes < QUEUE_LEAST)
		c.queue_bytes = QUEUE_LEAST;
	return c;
}

static struct row *row_new(enum row_kind kind, bool quick, unsigned ncells)
{
	struct row *r = &rows[nrows++];

	if (nrows > ROWS_MAX)
		abort();
	r->kind = kind;
	r->quick = quick;
	r->ncells = ncells;
	return r;
}

/* Long enough for some cycles of the slowest, as far as the cost allows; what is told of is the
 * second half. */
static uint64_t run_ns(uint64_t mbit, uint64_t rtt_ms)
{
	if (mbit >= 10000)
		return rtt_ms >= 100 ? 6 * SEC : rtt_ms >= 20 ? 4 * SEC : SEC;
	return rtt_ms >= 100 ? 20 * SEC : rtt_ms >= 20 ? 10 * SEC : 3 * SEC;
}

static void grid_row(uint8_t algo, uint64_t mbit, uint64_t rtt_ms)
{
	struct row *r = row_new(ROW_GRID, mbit == 100 && rtt_ms == 20, CELLS);

	snprintf(r->name, sizeof(r->name), "grid %-5s %5llu Mbit/s %3llu ms", control[algo],
		 (unsigned long long)mbit, (unsigned long long)rtt_ms);
	for (unsigned i = 0; i < CELLS; i++) {
		r->cfg[i] = path_of(algo, mbit, rtt_ms);
		r->cfg[i].loss_ppm = losses_ppm[i];
		r->cfg[i].run_ns = run_ns(mbit, rtt_ms);
		r->cfg[i].from_ns = r->cfg[i].run_ns / 2;
	}
}

static void fair_row(uint8_t a, uint8_t b, uint64_t mbit)
{
	struct row *r = row_new(ROW_FAIR, mbit == 100, 1);

	snprintf(r->name, sizeof(r->name), "fair %-5s %-5s %5llu Mbit/s", control[a], control[b],
		 (unsigned long long)mbit);
	r->cfg[0] = path_of(a, mbit, 20);
	r->cfg[0].algo[1] = b;
	r->cfg[0].nflows = 2;
	r->cfg[0].later_ns = 2 * SEC;
	r->cfg[0].run_ns = 40 * SEC;
	r->cfg[0].from_ns = 10 * SEC;
}

static void goal_rows(void)
{
	for (uint8_t a = 0; a < CC_ALGOS; a++) {
		struct row *r = row_new(ROW_FILL, false, 1);

		snprintf(r->name, sizeof(r->name), "fill %-5s 10000 Mbit/s 100 ms", control[a]);
		r->cfg[0] = path_of(a, 10000, 100);
		r->cfg[0].run_ns = 5 * SEC;
	}
	for (uint8_t a = CC_CUBIC; a <= CC_BBR; a++) {
		struct row *r = row_new(ROW_NOISE, true, 1);

		snprintf(r->name, sizeof(r->name), "noise %-5s 1000 Mbit/s 40 ms 1%%", control[a]);
		r->cfg[0] = path_of(a, 1000, 40);
		r->cfg[0].loss_ppm = 10000;
		r->cfg[0].run_ns = 5 * SEC;
	}
}

static void rows_make(void)
{
	static const uint64_t mbits[] = {100, 1000, 10000}, rtts[] = {1, 20, 100};

	goal_rows();
	for (unsigned m = 3; m-- > 0;) /* the long ones first */
		for (unsigned t = 3; t-- > 0;)
			for (uint8_t a = 0; a < CC_ALGOS; a++)
				grid_row(a, mbits[m], rtts[t]);
	for (unsigned m = 0; m < 2; m++) {
		for (uint8_t a = 0; a < CC_ALGOS; a++)
			fair_row(a, a, mbits[m]);
		fair_row(CC_BBR, CC_CUBIC, mbits[m]);
	}
}

/* ---- judging -------------------------------------------------------------------------------- */

static double jain(double a, double b)
{
	return (a + b) * (a + b) / (2 * (a * a + b * b));
}

static void value_add(struct row *r, double v)
{
	r->value[r->nvalues++] = round(v * 10) / 10;
}

static void row_judge(struct row *r, const struct path_result *res)
{
	const struct path_cfg *c = r->cfg;
	double a = path_mbits(&c[0], &res[0], 0), b = path_mbits(&c[0], &res[0], 1);

	switch (r->kind) {
	case ROW_GRID:
		for (unsigned i = 0; i < CELLS; i++)
			value_add(r, path_mbits(&c[i], &res[i], 0));
		break;
	case ROW_FAIR:
		value_add(r, a);
		value_add(r, b);
		value_add(r, 100 * jain(a, b));
		break;
	case ROW_FILL:
		value_add(r, (double)res[0].by_second[4] * 8e-6);
		value_add(r, (double)res[0].full_ns / 1e8);
		break;
	case ROW_NOISE:
		value_add(r, a);
		break;
	}
	if (r->kind == ROW_GRID || r->kind == ROW_FAIR) {
		value_add(r, 100 * res[0].queue_mean);
		value_add(r, 100 * res[0].queue_p95);
	}
}

/* What must hold whatever the golden file says; NULL: it does. */
static const char *row_goal(const struct row *r)
{
	bool bbr = r->cfg[0].algo[0] == CC_BBR;

	if (r->kind == ROW_FILL && r->value[0] < 9000)
		return "a clean path of 10 Gbit/s and 100 ms is not filled to 90 % within 5 s";
	if (r->kind == ROW_NOISE && bbr && r->value[0] < 800)
		return "BBR does not hold 80 % of 1 Gbit/s at a loss of 1 % and 40 ms";
	if (r->kind == ROW_NOISE && !bbr && r->value[0] > 200)
		return "CUBIC does not back off";
	/* at 1 Gbit/s CUBIC's cycles take longer than the run */
	if (r->kind == ROW_FAIR && r->cfg[0].algo[0] == r->cfg[0].algo[1] &&
	    r->value[2] < (r->cfg[0].rate_bps > 100 * MBIT ? 60 : 90))
		return "two flows of a kind do not share";
	return NULL;
}

static void row_print(FILE *f, const struct row *r)
{
	fprintf(f, "%-32s:", r->name);
	for (unsigned i = 0; i < r->nvalues; i++)
		fprintf(f, " %8.1f", r->value[i]);
	fputc('\n', f);
}

/* The golden line of r, from behind its name on. */
static bool golden_find(FILE *f, const struct row *r, char *line, size_t size)
{
	size_t n = strlen(r->name);

	rewind(f);
	while (fgets(line, (int)size, f)) {
		char *colon = strchr(line, ':');

		if (colon && strncmp(line, r->name, n) == 0 &&
		    strspn(line + n, " ") == (size_t)(colon - line) - n) {
			memmove(line, colon + 1, strlen(colon));
			return true;
		}
	}
	return false;
}

/* How far the i-th figure may be from what it was. */
static double tolerance(const struct row *r, unsigned i, double was)
{
	bool both = r->kind == ROW_GRID || r->kind == ROW_FAIR;
	bool chance = r->kind == ROW_FAIR ? i < 2 : r->kind == ROW_GRID && i == CELLS - 1;

	if (both && i >= r->nvalues - 2)
		return TOLERANCE_QUEUE;
	return fmax(was * (chance ? TOLERANCE_CHANCE : TOLERANCE), TOLERANCE_LEAST);
}

static bool row_compare(FILE *f, const struct row *r)
{
	char line[256], *at = line;
	bool same = true;

	if (!golden_find(f, r, line, sizeof(line))) {
		printf("# not in grid.golden\n");
		return false;
	}
	for (unsigned i = 0; i < r->nvalues; i++) {
		char *end;
		double was = strtod(at, &end);

		if (end == at || fabs(r->value[i] - was) > tolerance(r, i, was))
			same = false;
		at = end;
	}
	if (!same)
		printf("# grid.golden: %s", line);
	return same;
}

static const char head[] =
	"# What each congestion control makes of a path, in virtual time: tests/grid/grid --full,\n"
	"# which writes this file with --update. A figure may differ by a tenth or by two; "
	"by half at\n"
	"# a loss of 3 % and for the shares of two flows, a queue by ten points.\n"
	"#\n"
	"# The queue holds one BDP (at least 64 KB), tail drop. Frames of 1514 bytes; goodput, so\n"
	"# that 95.6 % of the rate is all there is. Random loss in both directions.\n"
	"#\n"
	"# grid:  Mbit/s at a loss of 0, 0.01, 0.1, 1, 3 %; the queue without loss: mean and 95th\n"
	"#        percentile, % of what it holds. Second half of 3 s (1 ms), 10 s, 20 s (100 ms);\n"
	"#        of 1, 4, 6 s at 10 Gbit/s.\n"
	"# fair:  Mbit/s of two flows, the second 2 s later, 20 ms; Jain's index, %; queue as\n"
	"#        above. 10 to 40 s.\n"
	"# fill:  Mbit/s in the fifth second after the SYN; tenths of a second until a round trip\n"
	"#        carried 90 %.\n"
	"# noise: Mbit/s over the first five seconds.\n";

/* ---- running -------------------------------------------------------------------------------- */

static bool wanted(const struct row *r)
{
	return (opt.full || opt.only || r->quick) && (!opt.only || strstr(r->name, opt.only));
}

/* A row is complete: prints it, compares it or writes it down. */
static bool row_tell(struct row *r, FILE *golden, unsigned *n)
{
	const char *why;
	bool good;

	if (!wanted(r))
		return true;
	row_judge(r, results[r - rows]);
	row_print(stdout, r);
	if (opt.update)
		row_print(golden, r);
	good = opt.update || row_compare(golden, r);
	why = row_goal(r);
	if (why)
		printf("# %s\n", why);
	printf("%s %u - %s\n", good && !why ? "ok" : "not ok", ++*n, r->name);
	fflush(stdout);
	return good && !why;
}

static struct {
	pid_t pid;
	struct row *row;
} job[JOBS_MAX];

/* One of the jobs ends. */
static void job_wait(void)
{
	int status;
	pid_t pid = wait(&status);

	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "grid: a path failed\n");
		exit(1);
	}
	for (unsigned i = 0; i < opt.jobs; i++) {
		if (job[i].pid == pid) {
			job[i].pid = 0;
			job[i].row->left--;
		}
	}
}

/* A free place for a job, when there is one. */
static unsigned job_place(void)
{
	for (;;) {
		for (unsigned i = 0; i < opt.jobs; i++)
			if (!job[i].pid)
				return i;
		job_wait();
	}
}

static void job_start(struct row *r, unsigned k)
{
	unsigned at = job_place();

	fflush(NULL);
	job[at].row = r;
	job[at].pid = fork();
	if (job[at].pid < 0)
		exit(1);
	if (job[at].pid == 0) {
		r->cfg[k].trace = opt.trace ? stdout : NULL;
		path_run(&r->cfg[k], &results[r - rows][k]);
		fflush(stdout);
		_exit(0);
	}
}

/* Each path in a process of its own, so many at a time; rows are told of in order. */
static bool run_all(FILE *golden)
{
	unsigned next = 0, n = 0;
	bool ok = true;

	for (unsigned i = 0; i < nrows; i++) {
		rows[i].left = wanted(&rows[i]) ? rows[i].ncells : 0;
		for (unsigned k = 0; k < rows[i].ncells && wanted(&rows[i]); k++) {
			job_start(&rows[i], k);
			for (; next < i && rows[next].left == 0; next++)
				ok &= row_tell(&rows[next], golden, &n);
		}
	}
	for (; next < nrows; next++) {
		while (rows[next].left)
			job_wait();
		ok &= row_tell(&rows[next], golden, &n);
	}
	printf("1..%u\n", n);
	return ok && n > 0;
}

static void options(int argc, char **argv)
{
	static const struct option opts[] = {
		{"full", 0, NULL, 'f'}, {"update", 0, NULL, 'u'}, {"jobs", 1, NULL, 'j'},
		{"only", 1, NULL, 'o'}, {"trace", 0, NULL, 't'},  {NULL, 0, NULL, 0},
	};
	int o;

	while ((o = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (o) {
		case 'f':
			opt.full = true;
			break;
		case 'u':
			opt.update = true;
			break;
		case 'j':
			opt.jobs = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'o':
			opt.only = optarg;
			break;
		case 't':
			opt.trace = true;
			break;
		default:
			fprintf(stderr, "usage: see the head of tests/grid/grid.c\n");
			exit(2);
		}
	}
	if (opt.jobs < 1 || opt.jobs > JOBS_MAX || (opt.update && (!opt.full || opt.only)))
		exit(2);
}

int main(int argc, char **argv)
{
	const char *src = getenv("srcdir");
	char path[4096];
	FILE *f;
	bool ok;

	options(argc, argv);
	snprintf(path, sizeof(path), "%s/tests/grid/grid.golden", src ? src : ".");
	results = mmap(NULL, sizeof(*results) * ROWS_MAX, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED)
		return 1;
	rows_make();
	f = fopen(path, opt.update ? "w" : "r");
	if (!f) {
		perror(path);
		return 1;
	}
	if (opt.update)
		fputs(head, f);
	ok = run_all(f);
	if (fclose(f) != 0)
		ok = false;
	return ok ? 0 : 1;
}
