/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ASSERT is for what only our own mistake can cause: never for bytes from the wire or arguments of
 * the application. Cheap ones stay on in every build.
 */
#ifndef STACK_ASSERT_H
#define STACK_ASSERT_H

/* Supplied by whoever embeds the stack: says where and what, then ends the process. */
void stack_panic(const char *file, int line, const char *what) __attribute__((noreturn, cold));

#define ASSERT(cond)                                            \
	do {                                                    \
		if (__builtin_expect(!(cond), 0))               \
			stack_panic(__FILE__, __LINE__, #cond); \
	} while (0)

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - __builtin_offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
