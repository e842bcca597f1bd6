/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine for classic BPF as seccomp(2) uses it, and the list of calls that it is asked about:
 * what a thread that serves sockets of the stack may come to do. The manual has the same list.
 */
#include "shim/proc/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "shim/proc/sys.h"

#if defined(__x86_64__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#else
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#endif

struct need {
	int nr;
	bool may_fail; /* an error does no harm: there is another way */
	uint64_t args[4];
};

static const struct need needs[] = {
	{SYS_sendto, false, {3}},
	{SYS_recvfrom, false, {3}},
	{SYS_sendmsg, false, {3}},
	{SYS_recvmsg, false, {3}},
	{SYS_sendmmsg, false, {3}},
	{SYS_futex, false, {0}},
	{SYS_ppoll, false, {0}},
	{SYS_epoll_create1, false, {0}},
	{SYS_epoll_ctl, false, {3}},
	{SYS_epoll_pwait, false, {3}},
	{SYS_epoll_pwait2, true, {3}},
	{SYS_eventfd2, true, {0}},
	{SYS_socket, true, {AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC}},
	{SYS_socket, true, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC}},
	{SYS_bind, true, {3}},
	{SYS_getsockname, true, {3}},
	{SYS_getsockopt, false, {3}},
	{SYS_setsockopt, false, {3}},
	{SYS_fcntl, false, {3, F_DUPFD_CLOEXEC}},
	{SYS_fcntl, false, {3, F_SETLK}},
	{SYS_accept4, false, {3}},
	{SYS_dup3, true, {3}},
	{SYS_close, false, {3}},
	{SYS_mmap, false, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS}},
	{SYS_munmap, false, {0}},
	{SYS_openat, true, {(uint64_t)AT_FDCWD}},
	{SYS_read, false, {3}},
	{SYS_clock_nanosleep, false, {CLOCK_MONOTONIC}},
	{SYS_getpid, true, {0}},
	{SYS_gettid, true, {0}},
	{SYS_tgkill, true, {0}},
	{SYS_rt_sigprocmask, false, {0}},
	{SYS_prlimit64, true, {0}},
	{SYS_bpf, true, {0}},
};

/* ---- the machine ---------------------------------------------------------------------------- */

struct machine {
	uint32_t a, x, mem[BPF_MEMWORDS];
	const struct seccomp_data *data;
	bool bad;
};

static uint32_t load(struct machine *m, const struct sock_filter *f)
{
	uint32_t v;

	switch (BPF_MODE(f->code)) {
	case BPF_IMM:
		return f->k;
	case BPF_MEM:
		if (f->k < BPF_MEMWORDS)
			return m->mem[f->k];
		break;
	case BPF_LEN:
		return sizeof(*m->data);
	case BPF_ABS:
		if (f->k % 4 || f->k >= sizeof(*m->data))
			break;
		memcpy(&v, (const char *)m->data + f->k, sizeof(v));
		return v;
	}
	m->bad = true;
	return 0;
}

static uint32_t alu(struct machine *m, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_ADD:
		return m->a + v;
	case BPF_SUB:
		return m->a - v;
	case BPF_MUL:
		return m->a * v;
	case BPF_DIV:
		m->bad |= v == 0;
		return v ? m->a / v : 0;
	case BPF_AND:
		return m->a & v;
	case BPF_OR:
		return m->a | v;
	case BPF_XOR:
		return m->a ^ v;
	case BPF_LSH:
		return v < 32 ? m->a << v : 0;
	case BPF_RSH:
		return v < 32 ? m->a >> v : 0;
	case BPF_NEG:
		return -m->a;
	}
	m->bad = true;
	return 0;
}

/* How many instructions are left out. */
static uint32_t jump(struct machine *m, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;
	bool is = false;

	switch (BPF_OP(f->code)) {
	case BPF_JA:
		return f->k;
	case BPF_JEQ:
		is = m->a == v;
		break;
	case BPF_JGT:
		is = m->a > v;
		break;
	case BPF_JGE:
		is = m->a >= v;
		break;
	case BPF_JSET:
		is = m->a & v;
		break;
	default:
		m->bad = true;
	}
	return is ? f->jt : f->jf;
}

static void store(struct machine *m, const struct sock_filter *f, uint32_t v)
{
	if (f->k < BPF_MEMWORDS)
		m->mem[f->k] = v;
	else
		m->bad = true;
}

uint32_t filter_run(const struct sock_filter *code, unsigned n, const struct seccomp_data *data)
{
	struct machine m = {.data = data};

	/* Jumps go forward only, so that it ends. */
	for (uint64_t pc = 0; pc < n && !m.bad; pc++) {
		const struct sock_filter *f = &code[pc];

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			m.a = load(&m, f);
			break;
		case BPF_LDX:
			m.x = load(&m, f);
			break;
		case BPF_ST:
			store(&m, f, m.a);
			break;
		case BPF_STX:
			store(&m, f, m.x);
			break;
		case BPF_ALU:
			m.a = alu(&m, f);
			break;
		case BPF_JMP:
			pc += jump(&m, f);
			break;
		case BPF_MISC:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				m.x = m.a;
			else
				m.a = m.x;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? m.a : f->k;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* ---- what a stack needs --------------------------------------------------------------------- */

static bool passes(uint32_t answer, bool may_fail)
{
	switch (answer & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return true;
	case SECCOMP_RET_ERRNO:
		return may_fail;
	default:
		return false;
	}
}

bool filter_permits(const struct sock_filter *code, unsigned n, int nr, uint64_t arg0,
		    uint64_t arg1)
{
	struct seccomp_data data = {.nr = nr, .arch = FILTER_ARCH, .args = {arg0, arg1}};

	return passes(filter_run(code, n, &data), false);
}

int filter_forbids(const struct sock_filter *code, unsigned n)
{
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		const struct need *d = &needs[i];
		struct seccomp_data data = {.nr = d->nr, .arch = FILTER_ARCH};

		memcpy(data.args, d->args, sizeof(d->args));
		if (!passes(filter_run(code, n, &data), d->may_fail))
			return d->nr;
	}
	return -1;
}
