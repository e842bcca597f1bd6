/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Touching the application's memory (user.h says why).
 *
 * A touch is a few instructions between two labels; the handler sends a fault there to a third one,
 * which returns "no". They stand in assembly because the compiler may neither move nor inline them.
 * A byte that is to be written is so in one atomic step: another thread may be changing it.
 * An architecture without its own asks the kernel, by a system call per page.
 *
 * Never here: a lock, malloc, errno, anything that a signal handler may not do.
 */
#include "shim/proc/user.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "shim/proc/sys.h"

#define PAGE_BYTES 4096u /* the smallest: on larger ones a page is touched more than once */

#if defined(__x86_64__) || defined(__aarch64__)

/* 0, or anything else after a fault. */
int user_touch_read(const void *p);
int user_touch_write(const void *p);
extern const char user_touch_begin[], user_touch_end[], user_touch_no[];

/* A local function's frame is none: where it returns to is where it was called from. */
#define TOUCH_FUNCTION(name, body)                                                       \
	".hidden " name "\n.globl " name "\n.type " name ", %function\n" name ":\n" body \
	".size " name ", . - " name "\n"
#define TOUCH_LABEL(name) ".hidden " name "\n.globl " name "\n" name ":\n"

#if defined(__x86_64__)
#define TOUCH_READ "movb (%rdi), %al\nxorl %eax, %eax\nret\n"
#define TOUCH_WRITE "lock orb $0, (%rdi)\nxorl %eax, %eax\nret\n"
#define TOUCH_NO "movl $1, %eax\nret\n"
#define CONTEXT_PC(uc) ((uc)->uc_mcontext.gregs[REG_RIP])
#else
#define TOUCH_READ "ldrb w1, [x0]\nmov w0, wzr\nret\n"
#define TOUCH_WRITE "0: ldxrb w1, [x0]\nstxrb w2, w1, [x0]\ncbnz w2, 0b\nmov w0, wzr\nret\n"
#define TOUCH_NO "mov w0, #1\nret\n"
#define CONTEXT_PC(uc) ((uc)->uc_mcontext.pc)
#endif

/* clang-format off */
__asm__(".pushsection .text\n"
	".p2align 4\n"
	TOUCH_LABEL("user_touch_begin")
	TOUCH_FUNCTION("user_touch_read", TOUCH_READ)
	TOUCH_FUNCTION("user_touch_write", TOUCH_WRITE)
	TOUCH_LABEL("user_touch_end")
	TOUCH_LABEL("user_touch_no")
	TOUCH_NO
	".popsection\n");
/* clang-format on */

bool user_fault(void *context)
{
	ucontext_t *uc = context;
	uintptr_t pc = (uintptr_t)CONTEXT_PC(uc);

	if (pc < (uintptr_t)user_touch_begin || pc >= (uintptr_t)user_touch_end)
		return false;
	CONTEXT_PC(uc) = (uintptr_t)user_touch_no;
	return true;
}

#else

/* The byte is copied to, or onto, itself by the kernel. */
static int user_touch_write(const void *p)
{
	struct iovec at = {(void *)(uintptr_t)p, 1};

	return sys_call(SYS_process_vm_readv, sys_getpid(), &at, 1, &at, 1, 0) != 1;
}

static int user_touch_read(const void *p)
{
	char byte;
	struct iovec here = {&byte, 1}, at = {(void *)(uintptr_t)p, 1};

	return sys_call(SYS_process_vm_readv, sys_getpid(), &here, 1, &at, 1, 0) != 1;
}

bool user_fault(void *context)
{
	(void)context;
	return false;
}

#endif

static size_t touch_range(uintptr_t p, size_t n, int (*touch)(const void *p))
{
	uintptr_t at = p;

	if (n > UINTPTR_MAX - p) /* the end of the address space is the kernel's in any case */
		n = UINTPTR_MAX - p;
	while (at - p < n) {
		if (touch((const void *)at))
			return at - p;
		at = (at | (PAGE_BYTES - 1)) + 1;
	}
	return n;
}

size_t user_readable(const void *p, size_t n)
{
	return touch_range((uintptr_t)p, n, user_touch_read);
}

size_t user_writable(void *p, size_t n)
{
	return touch_range((uintptr_t)p, n, user_touch_write);
}

static size_t touch_iov(const struct iovec *iov, size_t n, size_t max, int (*touch)(const void *p))
{
	size_t sum = 0;

	for (size_t i = 0; i < n && sum < max; i++) {
		size_t len = iov[i].iov_len < max - sum ? iov[i].iov_len : max - sum;
		size_t good = touch_range((uintptr_t)iov[i].iov_base, len, touch);

		sum += good;
		if (good < len)
			break;
	}
	return sum;
}

size_t user_iov_readable(const struct iovec *iov, size_t n, size_t max)
{
	return touch_iov(iov, n, max, user_touch_read);
}

size_t user_iov_writable(const struct iovec *iov, size_t n, size_t max)
{
	return touch_iov(iov, n, max, user_touch_write);
}

/* ---- where the application's half ends ------------------------------------------------------- */

#if defined(__x86_64__)
#define USER_END 0x7ffffffff000u
#define USER_END_WIDE 0xfffffffffff000u /* with five levels of page tables */
#elif defined(__aarch64__)
#define USER_END 0x1000000000000u
#define USER_END_WIDE 0x10000000000000u
#else
#define USER_END (UINTPTR_MAX / 2)
#define USER_END_WIDE USER_END
#endif

/* Whether this machine has addresses beyond USER_END. Only who asks for them gets any. */
static bool user_wide(void)
{
	void *hint = (void *)((uintptr_t)USER_END + PAGE_BYTES), *p;

	p = sys_mmap(hint, PAGE_BYTES, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (sys_is_err(p))
		return (intptr_t)p == -EEXIST;
	sys_munmap(p, PAGE_BYTES);
	return p == hint;
}

bool user_possible(const void *p, size_t n)
{
	uintptr_t end = (uintptr_t)p + n;

	if (end < n)
		return false;
	return end <= USER_END || (end <= USER_END_WIDE && user_wide());
}
