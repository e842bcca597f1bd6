/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation: the family.
 *
 * A family is a memfd and the processes that have it mapped. The first process that has something
 * to share makes it; children inherit it over fork. Everything in it lies at the same address in
 * every member, so that pointers may be followed anywhere; text addresses may not, so it holds no
 * function pointer. Size: large in addresses, nothing in memory until touched. This file must never
 * touch more of it than it needs (a process that only makes a socket pays for a few pages) and must
 * never make a program fail that would run without us: whatever goes wrong leaves kernel sockets.
 *
 * Limits of the process. A file size limit (RLIMIT_FSIZE) would send SIGXFSZ to a program that
 * knows nothing of our file, and an address space limit (RLIMIT_AS) is the program's budget, not
 * ours: the arena shrinks to fit under the first and takes at most a quarter of the second; below
 * ARENA_MIN_BYTES there is no arena.
 *
 * Who is alive. A member holds a POSIX lock on the byte of the memfd that has its slot's number.
 * The kernel drops it when the process ends, however it ends, and when it becomes a program that is
 * not handed the memfd: an identity that no reused pid can fake and that crosses pid namespaces.
 * The lock is lost for a moment when our descriptor of the memfd moves (dup2 over it) and is not
 * yet taken by a child in its first instructions; so a member whose byte is free while its pid is
 * the same process is only declared gone when two rounds of the reaper find it so.
 *
 * References. What each member holds of each open file description is counted in the member's row,
 * and the sum in the description. A member that is gone without a word has its row dropped by
 * another (family_reap), entry by entry: an entry is lowered before its references are dropped, so
 * that a reaper that dies in the middle may leak a description but never drops one twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "config.h"
#include "shim/fd/epoll.h"
#include "shim/fd/ofd.h"
#include "shim/fd/pass.h"
#include "shim/proc/family.h"
#include "shim/proc/knobs.h"
#include "shim/proc/log.h"
#include "shim/proc/sys.h"
#include "shim/proc/thread.h"
#include "shim/run/run.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define ARENA_MIN_BYTES (512ull << 20) /* tables of descriptions, a stack, its frames */
#define FORKING_MAX_NS \
	10000000000ull /* between counting a child's references and its first act \
					*/
#define SUSPECT_ROUNDS 2
#define WAITERS_MAX (1u << 16)
#define PARTS_MAX (1u << 16)

struct family *family;
struct proc *family_self;

static pthread_mutex_t join_lock = PTHREAD_MUTEX_INITIALIZER;
static int join_err = 1; /* 1: not tried */
static int family_fd = -1;

/* ---- the mapping ---------------------------------------------------------------------------- */

static uint64_t arena_bytes(void)
{
	uint64_t n = (uint64_t)knobs.arena_gb << 30;
	struct rlimit rl;

	if (sys_call(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &rl) == 0 && rl.rlim_cur < n)
		n = rl.rlim_cur;
	if (sys_call(SYS_prlimit64, 0, RLIMIT_AS, NULL, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY &&
	    rl.rlim_cur / 4 < n)
		n = rl.rlim_cur / 4;
	return n & ~((2ull << 20) - 1);
}

static int arena_map(int fd, uint64_t *bytes)
{
	uint64_t n = arena_bytes();
	void *p = NULL;
	int ret;

	for (; n >= ARENA_MIN_BYTES; n = (n / 2) & ~((2ull << 20) - 1)) {
		ret = sys_ftruncate(fd, (off_t)n);
		if (ret < 0)
			return ret;
		/* Accessible only when it is sure to be unlocked: after mlockall(MCL_FUTURE) the
		 * kernel would fill all of it. */
		p = sys_mmap(FAMILY_BASE, n, PROT_NONE,
			     MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, fd, 0);
		if (p == FAMILY_BASE) {
			*bytes = n;
			sys_call(SYS_munlock, p, n);
			return (int)sys_call(SYS_mprotect, p, n, PROT_READ | PROT_WRITE);
		}
		if (!sys_is_err(p)) { /* a kernel without MAP_FIXED_NOREPLACE took it as a hint */
			sys_munmap(p, n);
			return -EBUSY;
		}
		if ((long)p != -ENOMEM)
			return (long)p == -EEXIST ? -EBUSY : (int)(long)p;
	}
	return -ENOMEM;
}

static int stackrecs_init(struct family *f)
{
	for (uint32_t i = 0; i <= FAMILY_STACKS; i++) {
		struct stackrec *sr = i < FAMILY_STACKS ? &f->stacks[i] : &f->shared;

		sr->idx = i;
		lock_init(&sr->lock);
		lock_init(&sr->lease);
	}
	f->nstacks = (uint32_t)knobs.stacks;
	return epoll_pools_init(f) ? 0 : -ENOMEM;
}

static int family_make(void)
{
	uint64_t bytes;
	int fd, ret;
	struct family *f;

	fd = sys_memfd_create(FAMILY_MEMFD_NAME, MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	ret = arena_map(fd, &bytes);
	if (ret < 0) {
		sys_close(fd);
		return ret;
	}
	fd = fd_hide(fd);
	if (fd < 0) {
		sys_munmap(FAMILY_BASE, bytes);
		return fd;
	}
	f = FAMILY_BASE;
	arena_init(f, bytes);
	arena_carve(&f->arena, sizeof(*f) - sizeof(f->arena), 1);
	f->abi = FAMILY_ABI;
	memcpy(f->version, VERSION, sizeof(VERSION));
	f->founder = sys_getpid();
	lock_init(&f->lock);
	f->ofds = arena_carve(&f->arena, sizeof(struct ofd) * FAMILY_OFDS, 4096);
	pool_init(&f->parts, &f->arena, "parts", sizeof(struct parts), PARTS_MAX);
	pool_init(&f->waiters, &f->arena, "waiter", sizeof(struct waiter), WAITERS_MAX);
	pool_init(&f->names, &f->arena, "ofd_name", sizeof(struct ofd_name), FAMILY_OFDS);
	ret = f->ofds ? stackrecs_init(f) : -ENOMEM;
	if (ret < 0) {
		fd_unhide_close(fd);
		sys_munmap(FAMILY_BASE, bytes);
		return ret;
	}
	family_fd = fd;
	family = f;
	family_slot_own(family_slot_take(PROC_FORKING));
	return 0;
}

int family_join(void)
{
	int ret;

	if (family)
		return 0;
	thread_enter();
	pthread_mutex_lock(&join_lock);
	if (join_err > 0) {
		join_err = family_make();
		if (join_err < 0)
			log_warn("sockets stay with the kernel: %s (error %d)",
				 verdict_info[VERDICT_no_arena].text, -join_err);
	}
	ret = join_err;
	pthread_mutex_unlock(&join_lock);
	thread_leave();
	return ret;
}

/* ---- members -------------------------------------------------------------------------------- */

void family_enter(void)
{
	if (likely(!lock_acquire(&family->lock)))
		return;
	/* Counters and pools lose at worst one object; lists may be whole in one direction only. */
	ofd_free_rebuild();
	for (uint32_t i = 0; i < family->procs_used; i++)
		if (family->procs[i].waiters.next)
			list_mend(&family->procs[i].waiters);
}

void family_leave(void)
{
	lock_release(&family->lock);
}

static void byte_lock(const struct proc *p)
{
	struct flock fl = {.l_type = F_WRLCK, .l_start = p - family->procs, .l_len = 1};

	sys_fcntl(fd_hidden_at(family_fd), F_SETLK, (unsigned long)&fl);
}

/* Asks the kernel, which does not count our own lock: never ask for our own slot. */
static bool byte_locked(const struct proc *p)
{
	struct flock fl = {.l_type = F_WRLCK, .l_start = p - family->procs, .l_len = 1};

	return sys_fcntl(fd_hidden_at(family_fd), F_GETLK, (unsigned long)&fl) < 0 ||
	       fl.l_type != F_UNLCK;
}

void family_fd_moved(void)
{
	if (family_self)
		byte_lock(family_self);
}

/* Name and start time from /proc/PID/stat (pid 0: our own). False: there is no such process. */
static bool proc_stat(pid_t pid, char comm[16], uint64_t *start)
{
	char path[32], buf[512], *p, *q;
	long n;
	int fd;

	if (pid)
		log_format(path, sizeof(path), "/proc/%d/stat", pid);
	else
		memcpy(path, "/proc/self/stat", sizeof("/proc/self/stat"));
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = sys_read(fd, buf, sizeof(buf) - 1);
	sys_close(fd);
	if (n <= 0)
		return false;
	buf[n] = 0;
	p = strchr(buf, '(');
	q = strrchr(buf, ')');
	if (!p || !q)
		return false;
	n = q - p - 1 > 15 ? 15 : q - p - 1;
	memcpy(comm, p + 1, (size_t)n);
	comm[n] = 0;
	/* After the name comes field 3; a zombie's is Z. */
	if (q[1] == ' ' && (q[2] == 'Z' || q[2] == 'X'))
		return false;
	for (int field = 2; field < 22 && q; field++)
		q = strchr(q + 1, ' ');
	if (!q)
		return false;
	for (*start = 0, q++; *q >= '0' && *q <= '9'; q++)
		*start = *start * 10 + (uint64_t)(*q - '0');
	return true;
}

struct proc *family_slot_take(enum proc_state state)
{
	struct proc *p = NULL;

	family_enter();
	for (uint32_t i = 0; i < FAMILY_PROCS; i++)
		if (family->procs[i].state == PROC_FREE) {
			p = &family->procs[i];
			break;
		}
	if (p && !p->ofd_refs)
		p->ofd_refs = arena_carve(&family->arena, sizeof(uint16_t) * FAMILY_OFDS, 4096);
	if (p && !p->ofd_refs)
		p = NULL;
	if (p) {
		if (family->procs_used <= p - family->procs)
			family->procs_used = (uint32_t)(p - family->procs) + 1;
		p->pid = 0;
		p->fdtab = 0;
		p->suspect = 0;
		p->confined = false;
		p->since_ns = now_ns();
		p->reaper = family_self ? (uint32_t)(family_self - family->procs) : 0;
		list_init(&p->waiters);
		p->state = state;
	}
	family_leave();
	return p;
}

void family_slot_own(struct proc *p)
{
	family_self = p;
	byte_lock(p);
	if (!proc_stat(0, p->comm, &p->start_time))
		p->comm[0] = 0;
	p->pid = sys_getpid();
	p->confined = process_confined;
	p->state = PROC_LIVE;
}

static void row_drop(uint16_t *row, uint32_t end)
{
	for (uint32_t i = 0; row && i < end; i++) {
		uint16_t n = row[i];

		if (n)
			ofd_unref_dead(&family->ofds[i], n, row);
	}
}

/* ---- over exec ------------------------------------------------------------------------------ */

uint64_t family_layout(void)
{
	uint64_t h = FAMILY_ABI;

	h = h * 1000003 + sizeof(struct family);
	h = h * 1000003 + sizeof(struct ofd);
	h = h * 1000003 + sizeof(struct waiter);
	h = h * 1000003 + sizeof(struct sock);
	h = h * 1000003 + STAT_COUNT;
	return h;
}

int family_arena_fd(void)
{
	return family ? fd_hidden_at(family_fd) : -1;
}

void family_slot_claim(struct proc *p)
{
	byte_lock(p);
	p->pid = sys_getpid();
}

/* The arena mapped as arena_map() does. */
static int arena_map_again(int fd)
{
	struct stat st;
	void *p;
	int ret = sys_fstat(fd, &st);

	if (ret < 0)
		return ret;
	if (st.st_size < (off_t)sizeof(struct family))
		return -EINVAL;
	p = sys_mmap(FAMILY_BASE, (size_t)st.st_size, PROT_NONE,
		     MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, fd, 0);
	if (sys_is_err(p))
		return (int)(long)p;
	if (p != FAMILY_BASE) {
		sys_munmap(p, (size_t)st.st_size);
		return -EBUSY;
	}
	sys_call(SYS_munlock, p, (size_t)st.st_size);
	ret = (int)sys_call(SYS_mprotect, p, (size_t)st.st_size, PROT_READ | PROT_WRITE);
	if (ret < 0)
		sys_munmap(p, (size_t)st.st_size);
	return ret < 0 ? ret : 0;
}

/* The slot is as it was left, and ours to take. family.lock held. */
static bool slot_is_ours(const struct proc *p, uint64_t since_ns, bool self)
{
	if (p->since_ns != since_ns || !p->ofd_refs)
		return false;
	if (self)
		return p->state == PROC_LIVE && p->pid == sys_getpid() && !byte_locked(p);
	return p->state == PROC_FORKING && (p->pid == 0 || p->pid == sys_getpid()) &&
	       !byte_locked(p);
}

int family_attach(int fd, uint32_t slot, uint64_t since_ns, bool self)
{
	struct proc *p;
	bool ours;
	int ret;

	if (family || slot >= FAMILY_PROCS)
		return -EINVAL;
	ret = arena_map_again(fd);
	if (ret < 0)
		return ret;
	family_fd = fd;
	family = FAMILY_BASE;
	p = &family->procs[slot];
	family_enter();
	ours = slot_is_ours(p, since_ns, self);
	if (ours)
		family_slot_own(p);
	family_leave();
	if (!ours) {
		sys_munmap(FAMILY_BASE, family->arena.size_bytes);
		family = NULL;
		family_fd = -1;
		return -ESTALE;
	}
	fd_hidden_adopt(fd);
	join_err = 0;
	p->fdtab = 0;
	/* The threads of the image before, and what they slept on, are gone. */
	waiters_drop(p);
	row_drop(p->ofd_holds, family->ofds_used);
	ofd_end_for(p);
	waiters_poke_marked();
	return 0;
}

/* ---- those that are gone -------------------------------------------------------------------- */

void family_slot_drop(struct proc *p)
{
	uint32_t end = family->ofds_used;

	waiters_drop(p);
	waiters_poke_marked();
	row_drop(p->ofd_refs, end);
	row_drop(p->ofd_holds, end);
	ofd_end_for(p);
	family_enter();
	p->pid = 0;
	p->state = PROC_FREE;
	family_leave();
}

/* Is there a /proc, and of p's namespace, so that who is not in it is nowhere? */
static bool proc_is_seen(const struct proc *p)
{
	char comm[16];
	uint64_t start;

	return proc_stat(p->pid, comm, &start) && start == p->start_time;
}

/* family.lock held. */
static bool proc_is_gone(struct proc *p, uint64_t now)
{
	char comm[16];
	uint64_t start;

	switch (p->state) {
	case PROC_FORKING:
		if (byte_locked(p))
			return false;
		/* Killed before its first instruction of ours, if its parent says who it is. */
		return now - p->since_ns > FORKING_MAX_NS ||
		       (p->pid && proc_is_seen(&family->procs[p->reaper]) &&
			!proc_stat(p->pid, comm, &start));
	case PROC_LIVE:
		if (byte_locked(p)) {
			p->suspect = 0;
			return false;
		}
		if (!proc_stat(p->pid, comm, &start) || start != p->start_time)
			return true;
		return ++p->suspect >= SUSPECT_ROUNDS;
	case PROC_LEAVING: /* its reaper was cut short */
		return &family->procs[p->reaper] != family_self &&
		       (family->procs[p->reaper].state != PROC_LIVE ||
			!byte_locked(&family->procs[p->reaper]));
	default:
		return false;
	}
}

void family_reap(void)
{
	uint64_t now = now_ns();

	if (!family || !family_self)
		return;
	for (uint32_t i = 0; i < family->procs_used; i++) {
		struct proc *p = &family->procs[i];
		bool gone;

		if (p->state == PROC_FREE || p == family_self)
			continue;
		family_enter();
		gone = proc_is_gone(p, now);
		if (gone) {
			p->reaper = (uint32_t)(family_self - family->procs);
			p->state = PROC_LEAVING;
		}
		family_leave();
		if (gone)
			family_slot_drop(p);
	}
}

void family_join_fork_child(void)
{
	pthread_mutex_init(&join_lock, NULL);
}

void family_disown(void)
{
	family = NULL;
	family_self = NULL;
	join_err = -EAGAIN;
}

uint32_t family_members(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < family->procs_used; i++)
		n += family->procs[i].state != PROC_FREE;
	return n;
}

bool family_any_confined(void)
{
	for (uint32_t i = 0; i < family->procs_used; i++)
		if (family->procs[i].confined && family->procs[i].state == PROC_LIVE)
			return true;
	return false;
}
