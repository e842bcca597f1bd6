/* SPDX-License-Identifier: BSD-2-Clause */
/* The words and sentences of verdict.def. */
#include "verdict.h"

const struct verdict_info verdict_info[VERDICT_COUNT] = {
#define VERDICT(name, accelerated, text) [VERDICT_##name] = {#name, accelerated, text},
#include "verdict.def"
#undef VERDICT
};
