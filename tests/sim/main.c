/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim: runs simulated worlds and says what was violated. Without arguments, a small set of seeds
 * with each run twice, for `make check`.
 *
 *   sim [--seed N | --seeds A..B] [--hours H | --span S] [--jobs J] [--twice]
 *       [--again N] [--verbose] [--log] [--pcap FILE]
 *
 * --twice: each run again, which must leave the same trace; --again: every Nth.
 * --verbose: the trace's hash of each.
 * --hours: virtual time with faults, in all; every eighth world gets nine times what the others
 * get.
 * --span: the same for each world, in seconds. A failure prints the command that shows it again.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"
#include "stack/assert.h"

#define CHECK_SEEDS 12u
#define CHECK_HOURS 0.6
#define JOBS_MAX 64u

struct totals {
	uint64_t failed, worlds, virtual_ns, pkts, bytes, flows, ghosts, retries, aborted;
	uint64_t marked, lost, corrupted, reordered, duplicated, dark_lost, queue_full, too_big,
		swallowed, heard, dgrams_sent, dgrams_read;
};

static struct {
	uint64_t first, last;
	double hours, span_s;
	uint64_t again;
	unsigned jobs;
	bool twice, verbose, log;
	const char *pcap;
} opt = {.first = 1, .last = CHECK_SEEDS, .hours = CHECK_HOURS, .jobs = 1};

static uint64_t seed_now;

void stack_panic(const char *file, int line, const char *what)
{
	fflush(stdout);
	fprintf(stderr, "seed %llu: %s:%d: ASSERT(%s)\n", (unsigned long long)seed_now, file, line,
		what);
	abort();
}

static uint64_t span_of(uint64_t seed)
{
	double each_s = opt.hours * 3600 / (double)(opt.last - opt.first + 1);
	double s = opt.span_s;

	if (s <= 0)
		s = opt.first == opt.last ? each_s : each_s * (seed % 8 ? 0.5 : 4.5);
	return (uint64_t)(s < 5 ? 5 : s) * SEC;
}

/* With the command that shows it again. */
static void say_failed(uint64_t seed, const char *why)
{
	printf("sim --seed %llu --span %llu FAILED %s\n", (unsigned long long)seed,
	       (unsigned long long)(span_of(seed) / SEC), why);
	fflush(stdout);
}

static void totals_add(struct totals *t, const struct world *w)
{
	unsigned i, k;

	t->worlds++;
	t->failed += w->failed;
	t->virtual_ns += w->now_ns;
	t->pkts += w->pkts;
	t->bytes += w->bytes_read;
	t->flows += w->nflows;
	t->ghosts += w->ghosts;
	t->retries += w->retries;
	t->aborted += w->aborted;
	t->heard += w->heard;
	t->dgrams_sent += w->dgrams_sent;
	t->dgrams_read += w->dgrams_read;
	for (i = 0; i < SIM_HOSTS; i++) {
		for (k = 0; k < SIM_HOSTS; k++) {
			const struct link *l = &w->link[i][k];

			t->lost += l->lost;
			t->corrupted += l->corrupted;
			t->marked += l->marked;
			t->reordered += l->reordered;
			t->duplicated += l->duplicated;
			t->dark_lost += l->dark_lost;
			t->queue_full += l->queue_full;
			t->too_big += l->too_big;
			t->swallowed += l->swallowed;
		}
	}
}

static void say_stats(struct world *w)
{
	unsigned i, k;

	for (i = 0; i < w->nnodes; i++) {
		printf("  node %u:", i);
		for (k = 0; k < STAT_COUNT; k++)
			if (stack_stats(w->node[i].st)[k])
				printf(" %s=%llu", stat_info[k].name,
				       (unsigned long long)stack_stats(w->node[i].st)[k]);
		printf("\n");
	}
}

/* One seed, twice when asked: the second run must leave the same trace. */
static bool seed_run(struct world *w, uint64_t seed, struct totals *t)
{
	struct world_cfg cfg = {.seed = seed, .span_ns = span_of(seed), .verbose = opt.verbose};
	uint64_t hash;
	bool ok;

	seed_now = seed;
	if (opt.log)
		cfg.log = stdout;
	if (opt.pcap) {
		cfg.pcap = fopen(opt.pcap, "wb");
		if (!cfg.pcap) {
			fprintf(stderr, "%s: %s\n", opt.pcap, strerror(errno));
			exit(2);
		}
		pcap_head(cfg.pcap);
	}
	ok = world_run(w, &cfg);
	if (cfg.pcap)
		fclose(cfg.pcap);
	hash = w->hash;
	totals_add(t, w);
	if (!ok)
		say_failed(seed, w->why);
	else if (opt.verbose)
		printf("seed %llu ok: %.0f s, %u nodes, %u flows, %llu packets, trace %016llx\n",
		       (unsigned long long)seed, (double)w->now_ns / SEC, w->nnodes, w->nflows,
		       (unsigned long long)w->pkts, (unsigned long long)hash);
	if (opt.verbose && opt.first == opt.last)
		say_stats(w);
	world_fini(w);
	if (ok && (opt.twice || (opt.again && seed % opt.again == 0))) {
		cfg.log = NULL;
		cfg.pcap = NULL;
		ok = world_run(w, &cfg) && w->hash == hash;
		if (!ok) {
			say_failed(seed, "the second run differs");
			t->failed++;
		}
		world_fini(w);
	}
	fflush(stdout);
	return ok;
}

static void say_totals(const struct totals *t, double seconds)
{
	printf("%llu worlds, %.1f virtual hours, %llu flows, %llu bytes read, %llu packets "
	       "delivered in %.1f s\n",
	       (unsigned long long)t->worlds, (double)t->virtual_ns / HOUR,
	       (unsigned long long)t->flows, (unsigned long long)t->bytes,
	       (unsigned long long)t->pkts, seconds);
	printf("marked %llu, lost %llu, corrupted %llu, reordered %llu, duplicated %llu, "
	       "dark %llu, queue full %llu, too big %llu, in holes %llu; aborts %llu, "
	       "connects again %llu, ghosts %llu, heard by silly peers %llu; datagrams sent %llu, "
	       "read %llu\n",
	       (unsigned long long)t->marked, (unsigned long long)t->lost,
	       (unsigned long long)t->corrupted, (unsigned long long)t->reordered,
	       (unsigned long long)t->duplicated, (unsigned long long)t->dark_lost,
	       (unsigned long long)t->queue_full, (unsigned long long)t->too_big,
	       (unsigned long long)t->swallowed, (unsigned long long)t->aborted,
	       (unsigned long long)t->retries, (unsigned long long)t->ghosts,
	       (unsigned long long)t->heard, (unsigned long long)t->dgrams_sent,
	       (unsigned long long)t->dgrams_read);
	/* as Check does, for scripts/test */
	printf("%llu%%: Checks: %llu, Failures: %llu, Errors: 0\n",
	       (unsigned long long)(t->worlds ? 100 * (t->worlds - t->failed) / t->worlds : 0),
	       (unsigned long long)t->worlds, (unsigned long long)t->failed);
}

static void one_seed(uint64_t seed, struct totals *t)
{
	struct world *w = malloc(sizeof(*w));

	if (!w)
		exit(2);
	seed_run(w, seed, t);
	free(w);
}

/* Each seed in a process of its own: one that crashes is one failure. */
static void many_seeds(struct totals *t)
{
	struct {
		pid_t pid;
		uint64_t seed;
	} job[JOBS_MAX] = {{0, 0}};
	uint64_t seed = opt.first;
	unsigned running = 0, i;
	int status;
	pid_t pid;

	while (running || seed <= opt.last) {
		for (i = 0; i < opt.jobs && seed <= opt.last; i++) {
			if (job[i].pid)
				continue;
			job[i].seed = seed++;
			job[i].pid = fork();
			if (job[i].pid == 0) {
				one_seed(job[i].seed, &t[i]);
				_exit(0);
			}
			if (job[i].pid < 0)
				exit(2);
			running++;
		}
		pid = wait(&status);
		for (i = 0; i < opt.jobs && job[i].pid != pid; i++)
			;
		if (i == opt.jobs)
			continue;
		running--;
		job[i].pid = 0;
		if (status != 0) {
			t[i].failed++;
			t[i].worlds++;
			say_failed(job[i].seed, "crashed");
		}
	}
}

static void usage(void)
{
	fprintf(stderr,
		"usage: sim [--seed N | --seeds A..B] [--hours H | --span S] [--jobs J] [--twice] "
		"[--again N] [--verbose] [--log] [--pcap FILE]\n");
	exit(2);
}

static void options(int argc, char **argv)
{
	static const struct option longs[] = {
		{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'S'},
		{"hours", required_argument, NULL, 'h'},
		{"jobs", required_argument, NULL, 'j'},
		{"span", required_argument, NULL, 'n'},
		{"twice", no_argument, NULL, '2'},
		{"verbose", no_argument, NULL, 'v'},
		{"log", no_argument, NULL, 'l'},
		{"pcap", required_argument, NULL, 'p'},
		{"again", required_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	char *end;
	int c;

	if (argc == 1)
		opt.twice = true;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			opt.first = opt.last = strtoull(optarg, &end, 0);
			break;
		case 'S':
			opt.first = strtoull(optarg, &end, 0);
			if (strncmp(end, "..", 2) != 0)
				usage();
			opt.last = strtoull(end + 2, &end, 0);
			break;
		case 'h':
			opt.hours = strtod(optarg, &end);
			break;
		case 'n':
			opt.span_s = strtod(optarg, &end);
			break;
		case 'j':
			opt.jobs = (unsigned)strtoul(optarg, &end, 0);
			break;
		case '2':
			opt.twice = true;
			break;
		case 'a':
			opt.again = strtoull(optarg, &end, 0);
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'l':
			opt.log = true;
			break;
		case 'p':
			opt.pcap = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind < argc || opt.last < opt.first || opt.hours <= 0 || !opt.jobs ||
	    opt.jobs > JOBS_MAX)
		usage();
}

int main(int argc, char **argv)
{
	struct totals *t, all = {.worlds = 0};
	struct timespec t0, t1;
	unsigned i, k;

	options(argc, argv);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	t = mmap(NULL, opt.jobs * sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		 -1, 0);
	if (t == MAP_FAILED)
		return 2;
	printf("seeds %llu..%llu, %.3f hours\n", (unsigned long long)opt.first,
	       (unsigned long long)opt.last, opt.hours);
	fflush(stdout);
	if (opt.first == opt.last)
		one_seed(opt.first, &t[0]); /* in this process, for a debugger */
	else
		many_seeds(t);
	for (i = 0; i < opt.jobs; i++)
		for (k = 0; k < sizeof(*t) / sizeof(uint64_t); k++)
			((uint64_t *)&all)[k] += ((uint64_t *)&t[i])[k];
	clock_gettime(CLOCK_MONOTONIC, &t1);
	say_totals(&all, (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9);
	return !all.failed ? 0 : 1;
}
