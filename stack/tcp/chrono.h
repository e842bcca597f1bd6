/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a connection with something to send waited for, for TCP_INFO's busy, window-limited and
 * buffer-limited times. Of the reasons that hold, the last of the list counts, as in Linux.
 */
#ifndef STACK_TCP_CHRONO_H
#define STACK_TCP_CHRONO_H

#include <stdint.h>

enum chrono_what { CHRONO_IDLE, CHRONO_BUSY, CHRONO_RWND, CHRONO_SNDBUF, CHRONO_KINDS };

struct chrono {
	uint64_t since_ns;
	uint64_t ns[CHRONO_KINDS]; /* [CHRONO_IDLE] is not kept */
	uint8_t what;              /* enum chrono_what */
};

static inline void chrono_set(struct chrono *h, enum chrono_what what, uint64_t now_ns)
{
	if (h->what == what)
		return;
	h->ns[h->what] += now_ns - h->since_ns;
	h->what = (uint8_t)what;
	h->since_ns = now_ns;
}

/* Up to now. */
static inline uint64_t chrono_ns(const struct chrono *h, enum chrono_what what, uint64_t now_ns)
{
	return h->ns[what] + (h->what == what && now_ns > h->since_ns ? now_ns - h->since_ns : 0);
}

#endif
