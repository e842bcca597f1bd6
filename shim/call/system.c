/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * system(3), written out: libc's own begins the shell by an inner name and returns when the command
 * has ended, which may be long after what the shell inherits had to be taken back. As there: SIGINT
 * and SIGQUIT are ignored as long as any thread waits here, SIGCHLD is blocked in this one, and who
 * is cancelled takes the shell along.
 */
#include "edge.h"

#include <paths.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/fd/exec.h"

static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;
static int waiting; /* threads in system() */
static struct sigaction intr_was, quit_was;

struct command {
	pid_t pid; /* 0: not begun */
	sigset_t mask_was;
};

static void signals_off(struct command *c, sigset_t *defaults)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t chld;

	pthread_mutex_lock(&waiting_lock);
	if (waiting++ == 0) {
		libc.sigaction(SIGINT, &ignore, &intr_was);
		libc.sigaction(SIGQUIT, &ignore, &quit_was);
	}
	sigemptyset(defaults);
	if (intr_was.sa_handler != SIG_IGN)
		sigaddset(defaults, SIGINT);
	if (quit_was.sa_handler != SIG_IGN)
		sigaddset(defaults, SIGQUIT);
	pthread_mutex_unlock(&waiting_lock);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &chld, &c->mask_was);
}

static void signals_back(const struct command *c)
{
	pthread_mutex_lock(&waiting_lock);
	if (--waiting == 0) {
		libc.sigaction(SIGINT, &intr_was, NULL);
		libc.sigaction(SIGQUIT, &quit_was, NULL);
	}
	pthread_mutex_unlock(&waiting_lock);
	pthread_sigmask(SIG_SETMASK, &c->mask_was, NULL);
}

static void command_cancelled(void *arg)
{
	const struct command *c = arg;

	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	signals_back(c);
}

static int command_begin(struct command *c, const char *text, const sigset_t *defaults)
{
	char *const argv[] = {"sh", "-c", (char *)(uintptr_t)text, NULL};
	posix_spawnattr_t attr;
	int err;

	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &c->mask_was);
	posix_spawnattr_setsigdefault(&attr, defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	err = call_posix_spawn(&c->pid, _PATH_BSHELL, NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return err;
}

static int command_wait(struct command *c)
{
	int status;
	pid_t pid;

	pthread_cleanup_push(command_cancelled, c);
	while ((pid = waitpid(c->pid, &status, 0)) < 0 && errno == EINTR)
		;
	pthread_cleanup_pop(0);
	return pid == c->pid ? status : -1;
}

int call_system(const char *text)
{
	struct command c = {.pid = 0};
	int status, saved = errno, err;
	sigset_t defaults;

	if (!text || !exec_concerns_us())
		return libc.system(text);
	signals_off(&c, &defaults);
	err = command_begin(&c, text, &defaults);
	status = err ? W_EXITCODE(127, 0) : command_wait(&c);
	if (!err)
		err = status == -1 ? errno : saved;
	signals_back(&c);
	errno = err;
	return status;
}
EXPORT(system);
