/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vfork() has to be written by hand: a C function that returned in the child would leave its frame
 * to be overwritten there before the parent returns through it. The return address waits in a
 * register, which each process has for itself; the system call keeps all but rax, rcx and r11.
 */
#include "shim/call/vfork.h"

#include "shim/call/edge.h"
#include "shim/fd/exec.h"
#include "shim/proc/thread.h"

long vfork_enter(void)
{
	long mark = thread_self.in_vfork;

	thread_self.in_vfork = 1;
	return mark;
}

pid_t vfork_parent(long ret, long mark)
{
	exec_vfork_end();
	thread_self.in_vfork = (uint8_t)mark;
	return (pid_t)edge_return(ret, errno);
}

#if defined(__x86_64__)

__asm__(".text\n"
	".globl vfork, __vfork\n"
	".type vfork, @function\n"
	".type __vfork, @function\n"
	"vfork:\n"
	"__vfork:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call vfork_enter\n"
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	movq %rax, %r8\n"
	"	popq %rdi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_register %rip, %rdi\n"
	"	movl $58, %eax\n" /* SYS_vfork */
	"	syscall\n"
	"	pushq %rdi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rip, 0\n"
	"	testq %rax, %rax\n"
	"	je 1f\n"
	"	movq %rax, %rdi\n"
	"	movq %r8, %rsi\n"
	"	jmp vfork_parent\n"
	"1:	ret\n"
	"	.cfi_endproc\n"
	".size vfork, . - vfork\n"
	".size __vfork, . - __vfork\n");

#else

/* The standard lets it be fork, which is followed in full. */
pid_t call_vfork(void)
{
	return call_fork();
}
EXPORT(vfork);
EXPORT_AS(__vfork, vfork);

#endif
