/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that go from process to process: over UNIX sockets (SCM_RIGHTS) and by
 * pidfd_getfd(2). Theory of operation: the head of pass.c.
 */
#ifndef SHIM_FD_PASS_H
#define SHIM_FD_PASS_H

#include <sys/socket.h>

#include "ofd.h"
#include "shim/proc/thread.h"
#include "shim/proc/user.h"

/* A kernel socket that stands for a description, by its SO_COOKIE. family.lock. */
struct ofd_name {
	uint64_t cookie;
	struct ofd_name *next; /* in its bucket */
	struct ofd_name *also; /* another one of the same description */
	struct ofd *o;
	uint32_t flight;  /* references of messages that nobody has received yet */
	pid_t sender;     /* who has sent the latest, */
	int32_t watch;    /* its epoll descriptor that watches whether they live, or -1, */
	uint64_t sent_ns; /* and when */
};

/* Longer ones are refused (net.core.optmem_max). */
#define PASS_CONTROL_MAX (1u << 20)

/* Whether the messages of this process are to be looked at at all. */
static inline bool pass_any(void)
{
	return family && !thread_is_internal();
}
/* True when msg, which can be read, has descriptors to look at, before the kernel's sendmsg() or
 * after recvmsg(). What can't be read of its control messages has none. */
static inline bool pass_concerns_us(const struct msghdr *msg)
{
	return pass_any() && msg->msg_control && msg->msg_controllen >= CMSG_LEN(sizeof(int)) &&
	       msg->msg_controllen <= PASS_CONTROL_MAX &&
	       user_can_read(msg->msg_control, msg->msg_controllen);
}

/*
 * Before a message is sent over fd, a socket of the kernel's: those of its descriptors that are
 * ours are made ready for who gets them. 0; -EPERM: one is an accelerated connection or an epoll
 * set, and the receiver is no member of the family. After: pass_sent(), ok is whether the message
 * has gone.
 */
int pass_send(int fd, const struct msghdr *msg);
void pass_sent(const struct msghdr *msg, bool ok);
/* After one was received: its descriptors are entered. peek: MSG_PEEK, it comes once more. */
void pass_received(const struct msghdr *msg, bool peek);
/* fd is target_fd of the process of pidfd, by the kernel: entered, if that is in the family. */
void pass_fetched(int fd, int pidfd, int target_fd);

/* Descriptors on their way that will not arrive any more: their references are dropped. By the
 * helper, without a lock. */
void pass_reap(void);
/* In a forked child: what the parent has sent is the parent's to watch. */
void pass_fork_child(void);
/* o's names are forgotten, with its end. family.lock held. */
void pass_forget(struct ofd *o);

#endif
