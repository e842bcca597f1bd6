/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who gets SIGURG: the owner that F_SETOWN, F_SETOWN_EX, FIOSETOWN or SIOCSPGRP gave a socket. The
 * kernel keeps it with the shadow and answers F_GETOWN; here it is remembered in the description,
 * since whichever process of the family happens to run the stack has to send the signal. Must never
 * send one while the stack's lock is held: the handler may be ours to run.
 */
#include "sock_int.h"

#include <signal.h>

#define LATER_MAX 8 /* announced in one turn of one thread; more owners than that have to look */

static __thread struct f_owner_ex later[LATER_MAX] __attribute__((tls_model("initial-exec")));
static __thread uint8_t nlater __attribute__((tls_model("initial-exec")));

void owner_import(int fd, struct ofd *o)
{
	struct f_owner_ex own = {0, 0};

	if (sys_fcntl(fd, F_GETOWN_EX, (unsigned long)(uintptr_t)&own) < 0)
		return;
	o->owner_type = own.type;
	o->owner = own.pid;
}

void owner_urgent(const struct ofd *o)
{
	if (!o->owner)
		return;
	for (unsigned i = 0; i < nlater; i++)
		if ((int32_t)later[i].type == o->owner_type && later[i].pid == o->owner)
			return; /* a second one would find the first pending */
	if (nlater < LATER_MAX)
		later[nlater++] = (struct f_owner_ex){o->owner_type, o->owner};
}

void owner_flush(void)
{
	while (unlikely(nlater)) {
		struct f_owner_ex own = later[--nlater];

		if (own.type == F_OWNER_TID)
			sys_call(SYS_tkill, own.pid, SIGURG);
		else
			sys_call(SYS_kill, own.type == F_OWNER_PGRP ? -own.pid : own.pid, SIGURG);
	}
}
