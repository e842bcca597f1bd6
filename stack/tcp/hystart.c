/* SPDX-License-Identifier: BSD-2-Clause */
/* HyStart++, in the order and with the constants of RFC 9406 4.2 and 4.3. */
#include "hystart.h"

#define MIN_RTT_THRESH_US 4000u
#define MAX_RTT_THRESH_US 16000u
#define MIN_RTT_DIVISOR 8u
#define N_RTT_SAMPLE 8u
#define RTT_NONE UINT32_MAX

void hystart_init(struct hystart *h)
{
	*h = (struct hystart){
		.last_min_us = RTT_NONE, .cur_min_us = RTT_NONE, .css_base_us = RTT_NONE};
}

static uint32_t rtt_thresh(uint32_t last_min_us)
{
	uint32_t t = last_min_us / MIN_RTT_DIVISOR;

	if (t < MIN_RTT_THRESH_US)
		return MIN_RTT_THRESH_US;
	return t < MAX_RTT_THRESH_US ? t : MAX_RTT_THRESH_US;
}

/* A round is over and the next begins. True when it was the last of CSS. */
static bool round_next(struct hystart *h, struct seq nxt)
{
	h->window_end = nxt;
	h->last_min_us = h->cur_min_us;
	h->cur_min_us = RTT_NONE;
	h->samples = 0;
	return h->css && ++h->css_rounds >= HYSTART_CSS_ROUNDS;
}

bool hystart_ack(struct hystart *h, struct seq una, struct seq nxt, uint64_t rtt_ns)
{
	bool done = false;

	if (!h->running) {
		h->running = true;
		h->window_end = nxt;
	} else if (seq_geq(una, h->window_end)) {
		done = round_next(h, nxt);
	}
	if (rtt_ns) {
		uint64_t us = rtt_ns / 1000;

		if (us < h->cur_min_us)
			h->cur_min_us = (uint32_t)us;
		if (h->samples < UINT8_MAX)
			h->samples++;
	}
	if (h->samples < N_RTT_SAMPLE || h->cur_min_us == RTT_NONE)
		return done;
	if (h->css) {
		if (h->cur_min_us < h->css_base_us) { /* it was jitter: slow start goes on */
			h->css_base_us = RTT_NONE;
			h->css = false;
			done = false;
		}
	} else if (h->last_min_us != RTT_NONE &&
		   h->cur_min_us >= h->last_min_us + rtt_thresh(h->last_min_us)) {
		h->css_base_us = h->cur_min_us;
		h->css = true;
		h->css_rounds = 0;
	}
	return done;
}
