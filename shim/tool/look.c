/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which processes make up a family, and what of its memory may be believed. Must never
 * write to it, nor believe a pointer out of it without a look at its bounds: the family runs on.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim/fd/fdtab.h"
#include "shim/tool/look.h"

static bool all_digits(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == 0;
}

/* The arena's mapping in a process: its size and identity. 1: has one, 0: none, -Exxx. */
static int read_maps(pid_t pid, struct found *f)
{
	char path[64], line[512];
	int has = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	errno = 0;
	while (!has && fgets(line, sizeof(line), maps)) {
		unsigned long from, to, ino;

		if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &from, &to, &ino) != 3)
			continue;
		if (from == (uintptr_t)FAMILY_BASE && strstr(line, "/memfd:" FAMILY_MEMFD_NAME)) {
			f->ino = ino;
			f->size_bytes = to - from;
			has = 1;
		}
	}
	if (!has && ferror(maps))
		has = errno ? -errno : -EIO;
	fclose(maps);
	return has;
}

static void read_stat(struct member *m)
{
	char path[64], buf[1024], *p;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", m->pid);
	f = fopen(path, "re");
	n = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;
	if (f)
		fclose(f);
	buf[n] = 0;
	p = strrchr(buf, ')');
	if (!p || !strchr(buf, '('))
		return;
	*p = 0;
	snprintf(m->comm, sizeof(m->comm), "%.15s", strchr(buf, '(') + 1);
	/* After the name: state is field 3, the start time field 22. */
	for (int field = 3; p && field <= 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		m->start_time = strtoull(p + 1, NULL, 10);
}

static void add_member(struct found *f, pid_t pid)
{
	struct member *m;

	if (f->nmembers == LOOK_MEMBERS_MAX)
		return;
	m = &f->member[f->nmembers++];
	memset(m, 0, sizeof(*m));
	m->pid = pid;
	read_stat(m);
}

static bool is_among(pid_t pid, const pid_t *pids, int npids)
{
	for (int i = 0; i < npids; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static bool is_wanted(const struct found *f, const pid_t *pids, int npids)
{
	for (unsigned i = 0; i < f->nmembers; i++)
		if (is_among(f->member[i].pid, pids, npids))
			return true;
	return npids == 0;
}

int look_find(const pid_t *pids, int npids, struct found **out, unsigned *denied)
{
	struct found *list = NULL, *grown, probe;
	int n = 0, kept = 0, has;
	struct dirent *e;
	DIR *proc = opendir("/proc");

	*denied = 0;
	*out = NULL;
	if (!proc)
		return -errno;
	while ((e = readdir(proc))) {
		pid_t pid = all_digits(e->d_name) ? atoi(e->d_name) : 0;
		int i;

		if (!pid)
			continue;
		memset(&probe, 0, sizeof(probe));
		has = read_maps(pid, &probe);
		if ((has == -EACCES || has == -EPERM) && (!npids || is_among(pid, pids, npids)))
			++*denied;
		if (has <= 0)
			continue;
		for (i = 0; i < n && list[i].ino != probe.ino; i++)
			;
		if (i == n) {
			grown = n < LOOK_FAMILIES_MAX
					? realloc(list, (size_t)(n + 1) * sizeof(*list))
					: NULL;
			if (!grown)
				continue;
			list = grown;
			list[n++] = probe;
		}
		add_member(&list[i], pid);
	}
	closedir(proc);
	for (int i = 0; i < n; i++)
		if (is_wanted(&list[i], pids, npids))
			list[kept++] = list[i];
	*out = list;
	return kept;
}

/* ---- one family ----------------------------------------------------------------------------- */

/* The memfd, through a descriptor that a member keeps, else through its mapping. */
static int open_arena(const struct found *f, pid_t pid)
{
	char dir[32], path[sizeof(dir) + 256], link[64];
	struct dirent *e;
	struct stat st;
	int fd = -1, err;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	d = opendir(dir);
	err = d ? -ENOENT : -errno;
	while (d && fd < 0 && (e = readdir(d))) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		if (strncmp(link, "/memfd:" FAMILY_MEMFD_NAME, 7 + strlen(FAMILY_MEMFD_NAME)) != 0)
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_ino != f->ino)) {
			close(fd);
			fd = -1;
		}
	}
	if (d)
		closedir(d);
	if (fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", pid,
			 (unsigned long)(uintptr_t)FAMILY_BASE,
			 (unsigned long)((uintptr_t)FAMILY_BASE + f->size_bytes));
		fd = open(path, O_RDONLY | O_CLOEXEC);
		err = fd < 0 && errno != ENOENT ? -errno : err;
	}
	return fd < 0 ? err : fd;
}

/* A pid may be of another namespace than ours; the time a process started is the same in all. */
static void match_slots(struct found *f, const struct family *fam)
{
	for (unsigned i = 0; i < f->nmembers; i++) {
		struct member *m = &f->member[i];

		m->slot = NULL;
		for (unsigned j = 0; j < FAMILY_PROCS; j++) {
			const struct proc *p = &fam->procs[j];
			pid_t pid = atomic_load_explicit(&p->pid, memory_order_acquire);

			if (!pid || p->start_time != m->start_time)
				continue;
			if (!m->slot || pid == m->pid)
				m->slot = p;
		}
	}
}

int look_map(struct found *f, const struct family **out)
{
	const struct family *fam;
	int fd = -ESRCH;
	void *at;

	for (unsigned i = 0; i < f->nmembers && fd < 0; i++)
		fd = open_arena(f, f->member[i].pid);
	if (fd < 0)
		return fd;
	at = mmap(FAMILY_BASE, f->size_bytes, PROT_READ,
		  MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return -errno;
	fam = at;
	if (f->size_bytes < sizeof(*fam) || fam->arena.magic != ARENA_MAGIC ||
	    fam->abi != FAMILY_ABI) {
		look_unmap(f);
		return -EPROTO;
	}
	match_slots(f, fam);
	*out = fam;
	return 0;
}

void look_unmap(const struct found *f)
{
	munmap(FAMILY_BASE, f->size_bytes);
}

bool look_holds(const struct family *fam, const void *p, size_t n)
{
	uintptr_t from = (uintptr_t)fam, at = (uintptr_t)p;
	uint64_t used = atomic_load(&((struct family *)(uintptr_t)fam)->arena.used_bytes);

	return at >= from && n <= used && at - from <= used - n;
}

/* ---- descriptors ---------------------------------------------------------------------------- */

const struct ofd *look_fd(const struct family *fam, const struct member *m, int fd)
{
	struct iovec to, from;
	struct ofd *o = NULL;
	uint32_t used = atomic_load(&fam->ofds_used);

	if (!m->slot || !m->slot->fdtab || fd < 0 || fd >= FDTAB_FDS)
		return NULL;
	to = (struct iovec){&o, sizeof(o)};
	from = (struct iovec){(char *)(uintptr_t)m->slot->fdtab + (size_t)fd * sizeof(o),
			      sizeof(o)};
	if (process_vm_readv(m->pid, &to, 1, &from, 1, 0) != (ssize_t)sizeof(o))
		return NULL;
	if (!o || !look_holds(fam, o, sizeof(*o)) || o < fam->ofds || o >= fam->ofds + used)
		return NULL;
	return o;
}

static int cmp_int(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void look_each_fd(const struct family *fam, const struct member *m,
		  void (*fn)(const struct member *m, int fd, const struct ofd *o, void *arg),
		  void *arg)
{
	int *fds = NULL, *grown, n = 0;
	struct dirent *e;
	char path[32];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", m->pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (!all_digits(e->d_name))
			continue;
		if ((n & (n - 1)) == 0) {
			grown = realloc(fds, (n ? 2 * (size_t)n : 1) * sizeof(*fds));
			if (!grown)
				break;
			fds = grown;
		}
		fds[n++] = atoi(e->d_name);
	}
	if (d)
		closedir(d);
	if (n)
		qsort(fds, (size_t)n, sizeof(*fds), cmp_int);
	for (int i = 0; i < n; i++) {
		const struct ofd *o = look_fd(fam, m, fds[i]);

		if (o)
			fn(m, fds[i], o, arg);
	}
	free(fds);
}

const struct ofd *look_user(const struct family *fam, const struct sock *sk)
{
	const struct ofd *o = sk->user;

	return o && look_holds(fam, o, sizeof(*o)) ? o : NULL;
}

const char *look_addr(char *buf, const struct endpoint *e, const struct ofd *o)
{
	bool v4 = ip_addr_is_v4(&e->addr), v6_sock = o ? o->family == AF_INET6 : !v4;
	char a[INET6_ADDRSTRLEN] = "?", name[IF_NAMESIZE + 1] = "", port[8] = "*";
	uint32_t scope = (uint32_t)e->addr.scope;

	if (e->port)
		snprintf(port, sizeof(port), "%u", e->port);
	if (scope) {
		name[0] = '%';
		if (!if_indextoname(scope, name + 1))
			snprintf(name + 1, sizeof(name) - 1, "%u", scope);
	}
	if (v6_sock && ip_addr_is_any6(&e->addr) && o && !o->v6only)
		snprintf(buf, LOOK_ADDR_BYTES, "*:%s", port); /* both families */
	else if (v4 && !v6_sock && inet_ntop(AF_INET, &e->addr.b[12], a, sizeof(a)))
		snprintf(buf, LOOK_ADDR_BYTES, "%s:%s", a, port);
	else if (!v6_sock && ip_addr_is_any6(&e->addr))
		snprintf(buf, LOOK_ADDR_BYTES, "0.0.0.0:%s", port);
	else if (inet_ntop(AF_INET6, e->addr.b, a, sizeof(a)))
		snprintf(buf, LOOK_ADDR_BYTES, "[%s]%s:%s", a, name, port);
	return buf;
}
