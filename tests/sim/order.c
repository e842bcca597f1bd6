/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A path that reorders is no path that loses (RFC 8985 3.3): with one packet in a hundred late by
 * up to half a round trip, a connection keeps its congestion window, and sends little again of what
 * was only late.
 */
#include <stdlib.h>

#include "sim.h"
#include "stack/assert.h"

#define REORDER_PPM 10000u
#define SLOWER_PERCENT 10u /* than in order, at most */
#define SPURIOUS_PER_MILLE \
	2u /* of all segments, at most, beyond what a full queue costs in order */
#define SEGMENT 1448u

void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: ASSERT(%s)\n", file, line, what);
	abort();
}

struct result {
	uint64_t ms, again, segments;
	bool ok;
};

static struct result play(struct world *w, uint64_t seed, int cc, uint32_t reorder)
{
	struct world_cfg cfg = {.seed = seed, .span_ns = 2 * MINUTE, .plain = true};
	struct result r;

	cfg.cc = (int8_t)cc;
	cfg.reorder = reorder;
	r.ok = world_run(w, &cfg);
	if (!r.ok)
		printf("  %s\n", w->why);
	r.ms = w->flow[0].done_ns / MS;
	r.again = stack_stats(w->node[0].st)[STAT_tcp_retransmits];
	r.segments = w->flow[0].cli.tx_total / SEGMENT;
	world_fini(w);
	return r;
}

int main(void)
{
	static const char *const name[CC_ALGOS] = {[CC_RENO] = "reno", [CC_CUBIC] = "cubic"};
	struct world *w = malloc(sizeof(*w));
	unsigned bad = 0, all = 0;

	if (!w)
		return 2;
	for (int cc = 0; cc < CC_ALGOS; cc++) {
		for (uint64_t seed = 1; seed <= 3; seed++) {
			struct result a = play(w, seed, cc, 0), b = play(w, seed, cc, REORDER_PPM);
			uint64_t most = a.again + b.segments * SPURIOUS_PER_MILLE / 1000;
			bool ok = a.ok && b.ok && b.again <= most &&
				  b.ms * 100 <= a.ms * (100 + SLOWER_PERCENT);

			printf("%s seed %llu: in order %llu ms, %llu sent again; "
			       "reordered %llu ms, "
			       "%llu of %llu sent again: %s\n",
			       name[cc] ? name[cc] : "bbr", (unsigned long long)seed,
			       (unsigned long long)a.ms, (unsigned long long)a.again,
			       (unsigned long long)b.ms, (unsigned long long)b.again,
			       (unsigned long long)b.segments, ok ? "ok" : "FAILED");
			all++;
			bad += !ok;
		}
	}
	free(w);
	printf("%u%%: Checks: %u, Failures: %u, Errors: 0\n", 100 * (all - bad) / all, all, bad);
	return bad != 0;
}
