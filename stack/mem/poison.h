/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is free is poisoned for AddressSanitizer when built with -DSTACK_POISON: memory never leaves
 * the arena, so that it could not tell a use after free by itself. Only for a stack that a single
 * process uses, as the marks are private to each. Nothing at all in other builds.
 */
#ifndef STACK_MEM_POISON_H
#define STACK_MEM_POISON_H

#ifdef STACK_POISON
#include <sanitizer/asan_interface.h>
#define mem_poison(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define mem_unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define mem_poison(p, n) ((void)(p), (void)(n))
#define mem_unpoison(p, n) ((void)(p), (void)(n))
#endif

#endif
