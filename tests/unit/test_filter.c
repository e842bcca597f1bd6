/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine for seccomp filters (shim/proc/filter.c): random programs get the kernel's answer,
 * and what a stack needs is told apart from what it does not.
 */
#include <check.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/proc/filter.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)

/* All but nr, which gets answer. */
static int but(int nr, uint32_t answer)
{
	struct sock_filter code[] = {NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
				     RET(answer), RET(SECCOMP_RET_ALLOW)};

	return filter_forbids(code, LEN(code));
}

START_TEST(what_is_needed_is_told)
{
	ck_assert_int_eq(but(SYS_mount, SECCOMP_RET_KILL_PROCESS), -1);
	ck_assert_int_eq(but(SYS_sendto, SECCOMP_RET_KILL_PROCESS), SYS_sendto);
	ck_assert_int_eq(but(SYS_sendto, SECCOMP_RET_LOG), -1);
	ck_assert_int_eq(but(SYS_sendto, SECCOMP_RET_ERRNO | EPERM), SYS_sendto);
	ck_assert_int_eq(but(SYS_bpf, SECCOMP_RET_ERRNO | EPERM), -1);
	ck_assert_int_eq(but(SYS_bpf, SECCOMP_RET_TRAP), SYS_bpf);
}
END_TEST

START_TEST(nothing_is_allowed_by_a_program_that_is_none)
{
	struct sock_filter out[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4096), RET(0x7fff0000)};
	struct sock_filter none[] = {NR};
	struct seccomp_data d = {0};

	ck_assert_uint_eq(filter_run(out, LEN(out), &d), SECCOMP_RET_KILL_PROCESS);
	ck_assert_uint_eq(filter_run(none, LEN(none), &d), SECCOMP_RET_KILL_PROCESS);
}
END_TEST

/* ---- against the kernel: the answer is an errno, which getppid() then fails with ------------- */

static const uint16_t ops[] = {BPF_ALU | BPF_ADD | BPF_K,
			       BPF_ALU | BPF_SUB | BPF_K,
			       BPF_ALU | BPF_MUL | BPF_K,
			       BPF_ALU | BPF_AND | BPF_K,
			       BPF_ALU | BPF_OR | BPF_K,
			       BPF_ALU | BPF_XOR | BPF_K,
			       BPF_ALU | BPF_DIV | BPF_K,
			       BPF_ALU | BPF_LSH | BPF_K,
			       BPF_ALU | BPF_RSH | BPF_K,
			       BPF_ALU | BPF_NEG,
			       BPF_ALU | BPF_ADD | BPF_X,
			       BPF_ALU | BPF_XOR | BPF_X,
			       BPF_ALU | BPF_DIV | BPF_X,
			       BPF_MISC | BPF_TAX,
			       BPF_MISC | BPF_TXA,
			       BPF_ST,
			       BPF_STX,
			       BPF_LD | BPF_MEM,
			       BPF_LDX | BPF_MEM,
			       BPF_LD | BPF_IMM,
			       BPF_LDX | BPF_IMM,
			       BPF_JMP | BPF_JEQ | BPF_K,
			       BPF_JMP | BPF_JGT | BPF_K,
			       BPF_JMP | BPF_JGE | BPF_X,
			       BPF_JMP | BPF_JSET | BPF_K,
			       BPF_LD | BPF_W | BPF_LEN,
			       BPF_LDX | BPF_W | BPF_LEN,
			       BPF_LD | BPF_W | BPF_ABS,
			       BPF_JMP | BPF_JA};
#define BODY 24
#define TAIL 4

static uint32_t constant(uint16_t op)
{
	switch (BPF_CLASS(op)) {
	case BPF_ST:
	case BPF_STX:
		return (uint32_t)rand() % 2;
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(op) == BPF_MEM)
			return (uint32_t)rand() % 2;
		if (BPF_MODE(op) == BPF_ABS) /* not the pointer of the instruction, nor arguments */
			return (uint32_t)rand() % 2 * 4;
		return (uint32_t)rand();
	case BPF_JMP:
		return BPF_OP(op) == BPF_JA ? (uint32_t)rand() % 3 : (uint32_t)rand() % 1000;
	}
	return BPF_OP(op) == BPF_LSH || BPF_OP(op) == BPF_RSH ? (uint32_t)rand() % 32
							      : (uint32_t)rand() % 500 + 1;
}

/* Ends with (a & 0xff) + 1 as an errno, for getppid() alone. */
static unsigned make(struct sock_filter *code)
{
	const struct sock_filter head[] = {
		NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0), RET(SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_ST, 1)};
	const struct sock_filter tail[] = {BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
					   BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
					   BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
					   BPF_STMT(BPF_RET | BPF_A, 0)};
	unsigned n = 0;

	for (unsigned i = 0; i < LEN(head); i++)
		code[n++] = head[i];
	for (unsigned i = 0; i < BODY; i++) {
		uint16_t op = ops[(unsigned)rand() % LEN(ops)];
		unsigned left = BODY - 1 - i, reach = left < 3 ? left : 3;

		code[n] = (struct sock_filter){.code = op, .k = constant(op)};
		if (BPF_CLASS(op) == BPF_JMP && BPF_OP(op) == BPF_JA && code[n].k > reach)
			code[n].k = reach;
		if (BPF_CLASS(op) == BPF_JMP && BPF_OP(op) != BPF_JA && reach) {
			code[n].jt = (uint8_t)((unsigned)rand() % (reach + 1));
			code[n].jf = (uint8_t)((unsigned)rand() % (reach + 1));
		}
		n++;
	}
	for (unsigned i = 0; i < LEN(tail); i++)
		code[n++] = tail[i];
	return n;
}

/* The errno that getppid() fails with; 0: it is killed; -1: the program is not taken. */
static int kernel_says(struct sock_filter *code, unsigned n)
{
	struct sock_fprog prog = {(unsigned short)n, code};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
			_exit(0);
		_exit(syscall(SYS_getppid) == -1 ? errno & 0xff : 0xff);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 0 : WEXITSTATUS(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(answers_as_the_kernel)
{
	struct sock_filter code[BODY + 16];
	struct seccomp_data d = {.nr = SYS_getppid};
	int taken = 0;

#if defined(__x86_64__)
	d.arch = 0xc000003e;
#else
	d.arch = 0xc00000b7;
#endif
	srand(1);
	for (int i = 0; i < 400; i++) {
		unsigned n = make(code);
		int want = kernel_says(code, n);
		uint32_t got = filter_run(code, n, &d);

		if (want < 0)
			continue;
		taken++;
		if (want == 0)
			ck_assert_msg(got != SECCOMP_RET_ALLOW &&
					      (got & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO,
				      "program %d: %#x, the kernel kills", i, got);
		else if (want < 0xff)
			ck_assert_msg((int)(got & 0xff) == want, "program %d: %#x, not %d", i, got,
				      want);
	}
	ck_assert_int_gt(taken, 100);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("filter");
	Suite *s = suite_create("filter");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(tc, what_is_needed_is_told);
	tcase_add_test(tc, nothing_is_allowed_by_a_program_that_is_none);
	tcase_add_test(tc, answers_as_the_kernel);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
