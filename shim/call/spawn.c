/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * posix_spawn, system and popen: libc makes the child and execs in it by inner names, so what it
 * inherits is made ready here, in the parent, and taken back when the child has begun. What the
 * file actions will do to our descriptors is worked out beforehand.
 *
 * The list of actions is libc's own: glibc has never changed its layout, and spawn_layout_known()
 * looks, once, whether it is still that. If not, or with an action that closes our own descriptors,
 * the child is taken for a program without the shim, which is always safe.
 */
#include "edge.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
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
		view_set(v, a->u.open.fd, NULL);
		break;
	case ACTION_DUP2: /* onto itself: it stays open over the exec */
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

static void spawn_begin(struct exec *x, enum image image, const posix_spawn_file_actions_t *fa)
{
	struct spawn_view v;

	view_make(&v, fa);
	if (image == IMAGE_SHIMMED && !v.ok)
		image = IMAGE_PLAIN;
	exec_begin(x, EXEC_SPAWN, image, v.fds, v.fds ? v.n : 0);
	view_free(&v);
}

/* The call with what goes around it. */
#define SPAWN(type, look, fa, call, succeeded)                           \
	({                                                               \
		struct exec x;                                           \
		bool ours = exec_concerns_us() && !thread_is_internal(); \
		int before = errno;                                      \
		type r;                                                  \
		if (ours)                                                \
			spawn_begin(&x, look, fa);                       \
		errno = before;                                          \
		r = (call);                                              \
		if (ours) {                                              \
			int saved = errno;                               \
			exec_end(&x, succeeded);                         \
			errno = saved;                                   \
		}                                                        \
		r;                                                       \
	})

int call_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
		     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return SPAWN(int, image_look(AT_FDCWD, path, 0, envp), fa,
		     libc.posix_spawn(pid, path, fa, attr, argv, envp), r == 0);
}
EXPORT(posix_spawn);

int call_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *fa,
		      const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return SPAWN(int, image_look_along_path(file, envp), fa,
		     libc.posix_spawnp(pid, file, fa, attr, argv, envp), r == 0);
}
EXPORT(posix_spawnp);

#define SHELL "/bin/sh" /* _PATH_BSHELL, which libc's own use */

int call_system(const char *command)
{
	if (!command)
		return libc.system(command);
	return SPAWN(int, image_look(AT_FDCWD, SHELL, 0, environ), NULL, libc.system(command),
		     r != -1);
}
EXPORT(system);

FILE *call_popen(const char *command, const char *mode)
{
	return SPAWN(FILE *, image_look(AT_FDCWD, SHELL, 0, environ), NULL,
		     libc.popen(command, mode), r != NULL);
}
EXPORT(popen);
