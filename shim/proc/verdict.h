/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verdicts: why a socket is, or is not, served by the stack. Every tracked descriptor has one; the
 * table gives the word that tools print and the sentence that tells what to do about it.
 */
#ifndef SHIM_PROC_VERDICT_H
#define SHIM_PROC_VERDICT_H

enum verdict {
#define VERDICT(name, accelerated, text) VERDICT_##name,
#include "verdict.def"
#undef VERDICT
	VERDICT_COUNT
};

struct verdict_info {
	const char *name;
	int accelerated;
	const char *text;
};

extern const struct verdict_info verdict_info[VERDICT_COUNT];

#endif
