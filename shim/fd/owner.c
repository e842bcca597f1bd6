/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who gets SIGURG, and SIGIO while O_ASYNC is set (or what F_SETSIG puts in its place): the owner
 * that F_SETOWN, F_SETOWN_EX, FIOSETOWN or SIOCSPGRP gave a socket. The kernel keeps all that with
 * the shadow and answers for it; here it is remembered in the description, since whichever process
 * of the family happens to run the stack has to send the signal. Must never send one while the
 * stack's lock is held: the handler may be ours to run.
 *
 * F_SETSIG's signal brings the descriptor and what has happened to it. The kernel does not let one
 * thread send another a code like POLL_IN: ours is SI_SIGIO, which the handlers' trampoline and
 * sigwaitinfo() translate (signal.c), and a signalfd shows.
 */
#include "sock_int.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

#define LATER_MAX 8 /* announced in one turn of one thread; more owners than that have to look */

struct owner_signal {
	struct f_owner_ex to;
	int sig, fd; /* fd -1: nothing comes along */
	short band;
};

static __thread struct owner_signal later[LATER_MAX] __attribute__((tls_model("initial-exec")));
static __thread uint8_t nlater __attribute__((tls_model("initial-exec")));

void owner_import(int fd, struct ofd *o)
{
	struct f_owner_ex own = {0, 0};
	int fl = sys_fcntl(fd, F_GETFL, 0), sig = sys_fcntl(fd, F_GETSIG, 0);

	if (sys_fcntl(fd, F_GETOWN_EX, (unsigned long)(uintptr_t)&own) < 0)
		return;
	o->owner_sig = sig > 0 ? sig : 0;
	if (fl < 0 || !(fl & O_ASYNC))
		o->async_fd = -1;
	else if (o->async_fd < 0)
		o->async_fd = fd;
	o->owner_type = own.type;
	o->owner = own.pid;
}

/* A second one would find the first pending. */
static void later_add(const struct ofd *o, int sig, int fd, short band)
{
	struct owner_signal s = {{o->owner_type, o->owner}, sig, fd, band};

	for (unsigned i = 0; i < nlater; i++)
		if (!memcmp(&later[i].to, &s.to, sizeof(s.to)) && later[i].sig == sig &&
		    later[i].fd == fd && later[i].band == band)
			return;
	if (nlater < LATER_MAX)
		later[nlater++] = s;
}

void owner_tell(const struct ofd *o, uint32_t edges)
{
	short band = edges & RDY_ERR                ? POLLERR
		     : edges & (RDY_IN | RDY_RDHUP) ? POLLIN | POLLRDNORM
		     : edges & RDY_HUP              ? POLLHUP | POLLERR
		     : edges & RDY_OUT              ? POLLOUT | POLLWRNORM | POLLWRBAND
						    : 0;

	if (!o->owner)
		return;
	if (edges & RDY_URG)
		later_add(o, SIGURG, -1, 0);
	if (o->async_fd >= 0 && band && o->owner_sig)
		later_add(o, o->owner_sig, o->async_fd, band);
	else if (o->async_fd >= 0 && band)
		later_add(o, SIGIO, -1, 0);
}

/* The signal with what comes along. Negative: it can't be had that way. */
static long send_info(const struct owner_signal *s)
{
	siginfo_t info;

	if (s->fd < 0 || s->to.type == F_OWNER_PGRP)
		return -EINVAL;
	memset(&info, 0, sizeof(info));
	info.si_signo = s->sig;
	info.si_code = SI_SIGIO;
	info.si_band = s->band;
	info.si_fd = s->fd;
	if (s->to.type == F_OWNER_TID)
		return sys_rt_tgsigqueueinfo(sys_getpid(), s->to.pid, s->sig, &info);
	return sys_call(SYS_rt_sigqueueinfo, s->to.pid, s->sig, &info);
}

void owner_flush(void)
{
	while (unlikely(nlater)) {
		struct owner_signal s = later[--nlater];
		pid_t pid = s.to.pid;

		if (send_info(&s) >= 0)
			continue;
		if (s.to.type == F_OWNER_TID)
			sys_call(SYS_tkill, pid, s.sig);
		else
			sys_call(SYS_kill, s.to.type == F_OWNER_PGRP ? -pid : pid, s.sig);
	}
}
