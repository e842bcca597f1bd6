/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer: bytes as a little program of packets, calls and time, for the world of fuzz.h. Every
 * choice that packets.c draws from its seed is read from the input here. One program for all that
 * may come in, and one each in which most of it is ICMP, or UDP (FUZZ_FOCUS).
 */
#include "fuzz.h"

#define STEPS_MAX 4000u
#define AUDIT_STEPS 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fz fz = {.focus = FUZZ_FOCUS};

	fz.src = (struct src){.bytes = data, .end = data + size};
	fz_begin(&fz);
	for (unsigned n = 0; n < STEPS_MAX && !src_done(&fz.src); n++) {
		fz_step(&fz);
		if (n % AUDIT_STEPS == 0)
			fz_audit(&fz);
	}
	fz_audit(&fz);
	fz_end(&fz);
	return 0;
}
