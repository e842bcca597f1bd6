/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of shim/run, shim/fd's epoll and shim/proc's family stand on: a real family, a
 * real stack without packets, and descriptions whose readiness the test decides.
 */
#ifndef TESTS_UNIT_RUN_ENV_H
#define TESTS_UNIT_RUN_ENV_H

#include <check.h>

#include "shim/fd/epoll.h"
#include "shim/fd/fdtab.h"
#include "shim/proc/family.h"
#include "shim/run/run.h"

/* Joins a family and makes its stacks, with nothing attached but the device that has no packets.
 * The first of them. */
struct stackrec *env_stack(void);
extern unsigned env_nstacks; /* how many, 1 unless set before; sockets are on each in turn */

/* An accelerated socket: a real descriptor (an eventfd as its shadow) whose level is what
 * env_ready() says. */
int env_sock(void);
/* A tracked socket that the kernel still serves: one end of a socket pair; *peer is the other. */
int env_shadow(int *peer);
/* It becomes accelerated, with that level. */
void env_accelerate(int fd, uint32_t level);
/* Sets the level; bits in edges are told to watchers, as the stack would. */
void env_ready(int fd, uint32_t level, uint32_t edges);
void env_close(int fd);
/* Called where the device is told to send, the stack's lock held; NULL: nothing. */
extern void (*env_tx)(struct stackrec *sr);
/* How often dev_kick() was called here. */
extern _Atomic unsigned env_kicks;
/* How often the device was told to send, and how many sockets were released. */
extern int env_released;

#endif
