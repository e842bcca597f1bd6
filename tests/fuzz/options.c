/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer: the reader of TCP options. Whatever it makes of the bytes, writing that and reading it
 * again gives the same; and it reads nothing beyond the length (the bytes lie in memory of just
 * that size).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stack/assert.h"
#include "stack/tcp/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: ASSERT(%s)\n", file, line, what);
	abort();
}

static void same(const struct tcp_opts *a, const struct tcp_opts *b)
{
	ASSERT(a->mss == b->mss && a->has_wscale == b->has_wscale && a->wscale == b->wscale);
	ASSERT(a->sack_ok == b->sack_ok && a->has_ts == b->has_ts && a->nsack == b->nsack);
	ASSERT(!a->has_ts || (a->tsval == b->tsval && a->tsecr == b->tsecr));
	ASSERT(a->fo.has == b->fo.has);
	ASSERT(!a->fo.has || (a->fo.exp == b->fo.exp && a->fo.len == b->fo.len &&
			      memcmp(a->fo.b, b->fo.b, a->fo.len) == 0));
	ASSERT(memcmp(a->sack, b->sack, a->nsack * sizeof(a->sack[0])) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[TCP_OPTS_MAX_BYTES] __attribute__((aligned(4)));
	struct tcp_opts o, back;
	uint8_t *own;
	bool syn;
	uint32_t n;

	if (size < 1 || size > 1 + TCP_OPTS_MAX_BYTES)
		return 0;
	syn = data[0] & 1;
	own = malloc(size);
	ASSERT(own != NULL);
	memcpy(own, data + 1, size - 1);
	tcp_opts_parse(&o, own, (uint32_t)size - 1, syn);
	free(own);
	ASSERT(o.nsack <= TCP_SACK_BLOCKS && o.wscale <= TCP_WSCALE_MAX);
	ASSERT(syn || (o.mss == 0 && !o.has_wscale && !o.sack_ok && !o.fo.has));
	ASSERT(!o.fo.has || (o.fo.len <= TCP_FO_COOKIE_MAX && o.fo.len % 2 == 0));
	/* A SYN has no use for SACK blocks; with everything else they could not all be written. */
	if (syn)
		o.nsack = 0;
	n = tcp_opts_len(&o, syn);
	ASSERT(n <= TCP_OPTS_MAX_BYTES && n % 4 == 0);
	ASSERT(tcp_opts_write(&o, again, syn) == n);
	tcp_opts_parse(&back, again, n, syn);
	same(&o, &back);
	return 0;
}
