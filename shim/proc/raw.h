/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls by number, past every name that libshim defines (`syscall` among them) and without
 * errno. For code that runs inside intercepted calls, signal handlers, or before start-up. Returns
 * what the kernel does: a value, or -Exxx.
 */
#ifndef SHIM_PROC_RAW_H
#define SHIM_PROC_RAW_H

#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "raw_syscall6 is not written for this architecture"
#endif

/* Missing arguments are 0; integers and pointers may be mixed. */
#define RAW_NARGS(...) RAW_NARGS_(__VA_ARGS__, 7, 6, 5, 4, 3, 2, 1)
#define RAW_NARGS_(a, b, c, d, e, f, g, n, ...) n
#define RAW_CAT(a, b) RAW_CAT_(a, b)
#define RAW_CAT_(a, b) a##b
#define RAW_1(nr) raw_syscall6(nr, 0, 0, 0, 0, 0, 0)
#define RAW_2(nr, a) raw_syscall6(nr, (long)(a), 0, 0, 0, 0, 0)
#define RAW_3(nr, a, b) raw_syscall6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define RAW_4(nr, a, b, c) raw_syscall6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RAW_5(nr, a, b, c, d) raw_syscall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define RAW_6(nr, a, b, c, d, e)                                                                   \
	raw_syscall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define RAW_7(nr, a, b, c, d, e, f)                                                                \
	raw_syscall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* raw_syscall(SYS_close, fd) */
#define raw_syscall(...) RAW_CAT(RAW_, RAW_NARGS(__VA_ARGS__))(__VA_ARGS__)

#endif
