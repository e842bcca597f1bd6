/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of sockets and epoll sets when a process becomes another image (execve) or begins
 * one (vfork and exec, posix_spawn). Theory of operation: the head of exec.c.
 */
#ifndef SHIM_FD_EXEC_H
#define SHIM_FD_EXEC_H

#include <stdbool.h>

#include "ofd.h"
#include "shim/proc/handover.h"
#include "shim/proc/image.h"

enum exec_way {
	EXEC_SELF,  /* this process becomes the image */
	EXEC_VFORK, /* so does this vfork child, on its parent's memory */
	EXEC_SPAWN, /* a child that libc will make does */
};

/* One of the program's descriptors as the new image will have it. */
struct exec_fd {
	int fd;
	struct ofd *o;
};

struct exec {
	enum exec_way way;
	enum image image;
	struct handover *h; /* NULL: nothing was handed over */
	uint32_t room;      /* for this many descriptors */
	int memfd;          /* the handover's, hidden but in a vfork child; -1 */
	struct proc *slot;  /* the child's place; NULL: none, or it is our own */
	bool open;          /* what is to go over the exec stays open over any: exec_let_over() */
	bool gated;         /* run_exec() has been called */
};

/*
 * Before: image is what image_look() says, fds what EXEC_SPAWN's child will have of ours (ignored
 * otherwise). Never fails: at worst the new image has kernel sockets. After a call that came back,
 * exec_end(): ok is whether EXEC_SPAWN's child has begun.
 */
void exec_begin(struct exec *x, enum exec_way way, enum image image, const struct exec_fd *fds,
		uint32_t nfds);
void exec_end(struct exec *x, bool ok);
/*
 * EXEC_SPAWN's child is to have what exec_each_fd() tells of (nothing, if nothing was handed over)
 * under the same numbers: the caller sees to that, in the child alone, or else by exec_let_over(),
 * after which every child that this process begins has them, until exec_end().
 */
void exec_each_fd(const struct exec *x, void (*each)(void *arg, int fd), void *arg);
void exec_let_over(struct exec *x);
/* True when exec_begin() would do something: callers ask before they look at the image. */
bool exec_concerns_us(void);

/*
 * In a vfork child, whose parent's table must stay as it is: new_fd is a duplicate of old from now
 * on; fd is closed, or something else.
 */
void exec_vfork_dup(int old, int new_fd);
void exec_vfork_close(int fd);
/* It is another program by now, or has ended: what it has left in its parent's memory goes. */
void exec_vfork_end(void);
/* What fd of this vfork child is, or of this process, when it isn't one. */
struct ofd *exec_fd_get(int fd);

/* At the start of an image: takes what the one before has left. */
void exec_attach(void);

/* o, which a program without the shim has as fd, is served by the kernel from now on, as far as
 * that can be: listeners and UDP sockets. Connections that wait in the stack can still be accepted.
 */
void exec_to_kernel(int fd, struct ofd *o);

#endif
