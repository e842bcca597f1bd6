/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of loss recovery stand on: an arena with a pool of records, and a seeded
 * generator. */
#ifndef TESTS_UNIT_RECOVERY_ENV_H
#define TESTS_UNIT_RECOVERY_ENV_H

#include <stdint.h>

#include "stack/mem/arena.h"
#include "stack/mem/pool.h"

struct recovery_env {
	void *base;
	struct arena *arena;
	struct pool pool; /* of struct sent_rec */
};

void recovery_env_init(struct recovery_env *e, uint32_t limit);
/* Fails the test when a record is still out. */
void recovery_env_fini(struct recovery_env *e);

/* splitmix64: the next number of *s, below n. */
uint64_t rnd(uint64_t *s, uint64_t n);

#endif
