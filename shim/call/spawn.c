/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * posix_spawn and popen: libc makes the child and execs in it by inner names, so what it inherits
 * is made ready here, in the parent, and taken back when the child has begun. What the file actions
 * will do to our descriptors is worked out beforehand, and the child's list has some more at its
 * end, by which ours stay open over its exec: in the parent they are close-on-exec all the time, so
 * that no child of another thread has them. popen() has no list; what another thread begins at that
 * very moment may have them, too.
 *
 * The list of actions is libc's own: glibc has never changed its layout, and spawn_layout_known()
 * looks, once, whether it is still that. If not, or with an action that closes our own descriptors,
 * the child is taken for a program without the shim, which is always safe.
 */
#include "edge.h"

#include <fcntl.h>
#include <paths.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/fd/exec.h"
#include "shim/proc/sys.h"

struct action { /* struct __spawn_action */
	enum {
		ACTION_CLOSE,
		ACTION_DUP2,
		ACTION_OPEN,
		ACTION_CHDIR,
		ACTION_FCHDIR,
		ACTION_CLOSEFROM
	} tag;
	union {
		int fd;
		struct {
			int fd, new_fd;
		} dup2;
		struct {
			int fd;
			char *path;
			int oflag;
			mode_t mode;
		} open;
	} u;
};

/* What the child will have: as the table says, or less. */
struct spawn_view {
	struct exec_fd *fds;
	uint8_t *cloexec;
	uint32_t n, room;
	bool ok;
};

static bool spawn_layout_known(void)
{
	static _Atomic int known; /* 1: yes, -1: no */
	posix_spawn_file_actions_t fa;
	const struct action *a;

	if (known)
		return known > 0;
	if (posix_spawn_file_actions_init(&fa))
		return false;
	posix_spawn_file_actions_addclose(&fa, 5);
	posix_spawn_file_actions_adddup2(&fa, 6, 7);
	posix_spawn_file_actions_addopen(&fa, 8, "x", O_RDWR, 0600);
	a = (const struct action *)fa.__actions;
	known = fa.__used == 3 && a[0].tag == ACTION_CLOSE && a[0].u.fd == 5 &&
				a[1].tag == ACTION_DUP2 && a[1].u.dup2.fd == 6 &&
				a[1].u.dup2.new_fd == 7 && a[2].tag == ACTION_OPEN &&
				a[2].u.open.fd == 8 && a[2].u.open.oflag == O_RDWR
			? 1
			: -1;
	posix_spawn_file_actions_destroy(&fa);
	return known > 0;
}

static void view_set(struct spawn_view *v, int fd, struct ofd *o)
{
	uint32_t i;

	for (i = 0; i < v->n && v->fds[i].fd != fd; i++)
		;
	if (i == v->n && !o)
		return;
	if (i == v->room) {
		v->ok = false;
		return;
	}
	v->fds[i] = (struct exec_fd){fd, o};
	v->cloexec[i] = 0;
	if (i == v->n)
		v->n++;
}

static struct ofd *view_get(struct spawn_view *v, int fd)
{
	for (uint32_t i = 0; i < v->n; i++)
		if (v->fds[i].fd == fd)
			return v->fds[i].o;
	return NULL;
}

static void view_act(struct spawn_view *v, const struct action *a)
{
	switch (a->tag) {
	case ACTION_CLOSE:
		view_set(v, a->u.fd, NULL);
		break;
	case ACTION_OPEN:
		v->ok &= !fd_is_hidden(a->u.open.fd);
		view_set(v, a->u.open.fd, NULL);
		break;
	case ACTION_DUP2: /* onto itself: it stays open over the exec */
		v->ok &= !fd_is_hidden(a->u.dup2.new_fd);
		view_set(v, a->u.dup2.new_fd, view_get(v, a->u.dup2.fd));
		break;
	case ACTION_CLOSEFROM:
		for (uint32_t i = 0; i < v->n; i++)
			if (v->fds[i].fd >= a->u.fd)
				v->fds[i].o = NULL;
		v->ok = false; /* ours are closed, too */
		break;
	default:
		break;
	}
}

static void view_make(struct spawn_view *v, const posix_spawn_file_actions_t *fa)
{
	int end = fdtab_end(), nfa = fa ? fa->__used : 0;
	uint32_t kept = 0;

	*v = (struct spawn_view){.room = (uint32_t)(end + nfa), .ok = true};
	v->fds = calloc(v->room + 1, sizeof(*v->fds));
	v->cloexec = calloc(v->room + 1, 1);
	if (!v->fds || !v->cloexec || (fa && !spawn_layout_known())) {
		v->ok = false;
		return;
	}
	for (int fd = 0; fd < end; fd++) {
		struct ofd *o = fdtab_get(fd);
		int fl = o ? sys_fcntl(fd, F_GETFD, 0) : -1;

		if (fl < 0)
			continue;
		v->cloexec[v->n] = !!(fl & FD_CLOEXEC);
		v->fds[v->n++] = (struct exec_fd){fd, o};
	}
	for (int i = 0; i < nfa; i++)
		view_act(v, (const struct action *)fa->__actions + i);
	for (uint32_t i = 0; i < v->n; i++)
		if (v->fds[i].o && !v->cloexec[i])
			v->fds[kept++] = v->fds[i];
	v->n = kept;
}

static void view_free(struct spawn_view *v)
{
	free(v->fds);
	free(v->cloexec);
}

/* ---- the child's actions -------------------------------------------------------------------- */

struct spawn {
	struct exec x;
	bool ours;
	const posix_spawn_file_actions_t *fa; /* what libc is to be given */
	posix_spawn_file_actions_t own;       /* in place of the program's */
};

/* A duplicate onto itself is open over the exec (posix_spawn_file_actions_adddup2(3)). */
static void own_add(void *arg, int fd)
{
	posix_spawn_file_actions_t *own = arg;
	struct action *a = (struct action *)own->__actions + own->__used;

	*a = (struct action){.tag = ACTION_DUP2, .u.dup2 = {fd, fd}};
	own->__used++;
}

static void own_count(void *arg, int fd)
{
	(void)fd;
	++*(int *)arg;
}

/* The program's actions, but for those that would close what looks closed to it, and ours. False:
 * no memory, or libc's are not what they were. */
static bool own_make(struct spawn *s)
{
	posix_spawn_file_actions_t *own = &s->own;
	const struct action *theirs = s->fa ? (const struct action *)s->fa->__actions : NULL;
	int n = s->fa ? s->fa->__used : 0, room = n;

	if (!spawn_layout_known())
		return false;
	memset(own, 0, sizeof(*own));
	exec_each_fd(&s->x, own_count, &room);
	own->__allocated = room;
	own->__actions = calloc((size_t)room, sizeof(struct action));
	if (!own->__actions)
		return false;
	for (int i = 0; i < n; i++)
		if (theirs[i].tag != ACTION_CLOSE || !fd_is_hidden(theirs[i].u.fd))
			((struct action *)own->__actions)[own->__used++] = theirs[i];
	exec_each_fd(&s->x, own_add, own);
	s->fa = own;
	return true;
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* s->fa is set; listed: libc is to be given it. image is looked at only if it matters. */
#define SPAWN_BEGIN(s, image, listed)                        \
	do {                                                 \
		(s)->ours = exec_concerns_us();              \
		if ((s)->ours)                               \
			spawn_begin((s), (image), (listed)); \
	} while (0)

static void spawn_begin(struct spawn *s, enum image image, bool listed)
{
	int saved = errno;
	struct spawn_view v;

	s->own.__actions = NULL;
	view_make(&v, s->fa);
	if (image == IMAGE_SHIMMED && !v.ok)
		image = IMAGE_PLAIN;
	exec_begin(&s->x, EXEC_SPAWN, image, v.fds, v.fds ? v.n : 0);
	view_free(&v);
	if (s->x.h && (!listed || !own_make(s)))
		exec_let_over(&s->x);
	errno = saved;
}

static void spawn_end(struct spawn *s, bool ok)
{
	int saved = errno;

	if (!s->ours)
		return;
	exec_end(&s->x, ok);
	free(s->own.__actions);
	errno = saved;
}

int call_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
		     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	struct spawn s = {.fa = fa};
	int r;

	SPAWN_BEGIN(&s, image_look(AT_FDCWD, path, 0, envp), true);
	r = libc.posix_spawn(pid, path, s.fa, attr, argv, envp);
	spawn_end(&s, r == 0);
	return r;
}
EXPORT(posix_spawn);

int call_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *fa,
		      const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	struct spawn s = {.fa = fa};
	int r;

	SPAWN_BEGIN(&s, image_look_along_path(file, false, envp), true);
	r = libc.posix_spawnp(pid, file, s.fa, attr, argv, envp);
	spawn_end(&s, r == 0);
	return r;
}
EXPORT(posix_spawnp);

FILE *call_popen(const char *command, const char *mode)
{
	struct spawn s = {.fa = NULL};
	FILE *f;

	SPAWN_BEGIN(&s, image_look(AT_FDCWD, _PATH_BSHELL, 0, environ), false);
	f = libc.popen(command, mode);
	spawn_end(&s, f != NULL);
	return f;
}
EXPORT(popen);
