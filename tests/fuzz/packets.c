/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random and mutated packets through the input path, by the million. Rounds of a fresh stack each,
 * every choice from a seed: --seed and --round bring a failure back. Ends with how often each
 * reason was reached, and fails when one that a packet can reach was not.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "fuzz.h"

#define ROUND_PACKETS 8192u
#define AUDIT_STEPS 512u
#define ALL_PACKETS 4000000u /* so many meet even what is rare */
#define HANG_S 5             /* of CPU time, in which a step must end however slow the build */

static struct fz fz;
static volatile uint64_t steps;

static void on_tick(int sig)
{
	static uint64_t seen;
	static const char text[] = "a step does not end\n";

	(void)sig;
	if (steps == seen) {
		if (write(2, text, sizeof(text) - 1) < 0)
			_exit(1);
		abort();
	}
	seen = steps;
}

static void watch(void)
{
	struct itimerval it = {.it_interval.tv_sec = HANG_S, .it_value.tv_sec = HANG_S};
	struct sigaction sa = {.sa_handler = on_tick};

	sigaction(SIGVTALRM, &sa, NULL);
	setitimer(ITIMER_VIRTUAL, &it, NULL);
}

static void run_round(uint64_t seed, uint64_t round, uint64_t limit)
{
	uint64_t until = fz.packets + (limit < ROUND_PACKETS ? limit : ROUND_PACKETS);

	fz.src = (struct src){.rng = seed * 0x9e3779b97f4a7c15ull + round * 0xd1342543de82ef95ull};
	fz.seed = seed;
	fz.round = round;
	fz_begin(&fz);
	for (uint64_t n = 0; fz.packets < until && n < 16 * ROUND_PACKETS; n++) {
		fz_step(&fz);
		if (n % AUDIT_STEPS == 0)
			fz_audit(&fz);
		steps++;
	}
	fz_end(&fz);
}

/* ---- seeds for libFuzzer -------------------------------------------------------------------- */

#define SEED_BYTES 1536u
#define SEED_TRIES 4000u

/* Programs of random bytes, each of which reaches a counter that none before it did, as files. */
static int write_seeds(const char *dir, uint64_t seed)
{
	struct src r = {.rng = seed};
	static bool reached[STAT_COUNT];
	uint8_t b[SEED_BYTES];
	unsigned n = 0;

	for (unsigned i = 0; i < SEED_TRIES; i++) {
		uint32_t len = 64 + src_pick(&r, SEED_BYTES - 64);
		char path[4096];
		bool news = false;
		FILE *out;

		for (uint32_t k = 0; k < len; k++)
			b[k] = (uint8_t)src_u64(&r);
		memset(fz.stats, 0, sizeof(fz.stats));
		fz.src = (struct src){.bytes = b, .end = b + len};
		fz_begin(&fz);
		while (!src_done(&fz.src))
			fz_step(&fz);
		fz_end(&fz);
		steps++;
		for (unsigned k = 0; k < STAT_COUNT; k++) {
			news |= fz.stats[k] && !reached[k];
			reached[k] |= fz.stats[k] != 0;
		}
		if (!news)
			continue;
		snprintf(path, sizeof(path), "%s/%02u", dir, n++);
		out = fopen(path, "wb");
		if (out == NULL || fwrite(b, 1, len, out) != len || fclose(out) != 0) {
			perror(path);
			return 1;
		}
	}
	printf("%u seeds\n", n);
	return 0;
}

/* True when every reason for a drop, and every state, was met. */
static bool report(void)
{
	static const char *const name[] = {NULL,         "ESTABLISHED", "SYN-SENT",  "SYN-RECEIVED",
					   "FIN-WAIT-1", "FIN-WAIT-2",  "TIME-WAIT", "CLOSED",
					   "CLOSE-WAIT", "LAST-ACK",    "LISTEN",    "CLOSING"};
	bool ok = true;
	unsigned i;

	for (i = 0; i < STAT_COUNT; i++) {
		printf("%12llu  %s\n", (unsigned long long)fz.stats[i], stat_info[i].name);
		ok &= stat_info[i].kind != STAT_KIND_DROP || fz.stats[i] > 0;
	}
	for (i = 1; i < ARRAY_SIZE(name); i++) {
		printf("%12llu  audited in %s\n", (unsigned long long)fz.states[i], name[i]);
		ok &= fz.states[i] > 0;
	}
	return ok;
}

static int usage(void)
{
	fprintf(stderr, "usage: packets [--quiet] [--seed N] [--count PACKETS] [--round N]\n"
			"       packets --seeds DIR   (writes a corpus for fuzz_input)\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {{"seed", 1, NULL, 's'},  {"count", 1, NULL, 'n'},
					     {"round", 1, NULL, 'r'}, {"quiet", 0, NULL, 'q'},
					     {"seeds", 1, NULL, 'c'}, {0}};
	uint64_t seed = 1, count = 300000, round = 0, only = UINT64_MAX;
	bool ok, quiet = !isatty(2);
	int c;

	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (c) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			count = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			only = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			return write_seeds(optarg, seed);
		case 'q':
			quiet = true;
			break;
		default:
			return usage();
		}
	}
	watch();
	printf("seed %llu, %llu packets\n", (unsigned long long)seed, (unsigned long long)count);
	fflush(stdout);
	if (only != UINT64_MAX) {
		run_round(seed, only, ROUND_PACKETS);
	} else {
		for (; fz.packets < count; round++) {
			if (!quiet)
				fprintf(stderr, "\rround %llu", (unsigned long long)round);
			run_round(seed, round, count - fz.packets);
		}
		if (!quiet)
			fputc('\n', stderr);
	}
	ok = report() || only != UINT64_MAX || count < ALL_PACKETS;
	if (!ok)
		printf("a reason for a drop, or a state, was never met\n");
	printf("%llu packets in %llu rounds, each ended in one reason; "
	       "%llu packets sent, all well formed\n",
	       (unsigned long long)fz.packets, (unsigned long long)round,
	       (unsigned long long)fz.emitted);
	return ok ? 0 : 1;
}
