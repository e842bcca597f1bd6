/* SPDX-License-Identifier: BSD-2-Clause */
/* The stand-ins: a device without packets, and sockets that are a word of readiness. */
#include "run_env.h"
#include "shim/fd/pass.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/dev/dev.h"
#include "shim/fd/sock.h"
#include "shim/fd/sock_int.h"
#include "shim/proc/knobs.h"
#include "shim/proc/thread.h"

int env_released;
void (*env_tx)(struct stackrec *sr);
_Atomic unsigned env_kicks;
unsigned env_nstacks = 1;

/* ---- what lies outside of the rooms under test ---------------------------------------------- */

int dev_open_loopback(struct stackrec *sr)
{
	return 0;
}

int dev_open(struct stackrec *sr, const char *iface, enum verdict *why)
{
	return 0;
}

int dev_join(struct stackrec *sr, enum verdict *why)
{
	return 0;
}

void dev_close(struct stackrec *sr)
{
}

int dev_rx(struct stackrec *sr, int max, uint64_t now)
{
	return 0;
}

const uint64_t *dev_mend(struct stackrec *sr)
{
	(void)sr;
	return NULL;
}

bool dev_rx_pending(const struct stackrec *sr)
{
	return false;
}

void dev_tx(struct stackrec *sr, uint64_t now)
{
	if (env_tx)
		env_tx(sr);
}

uint32_t dev_tx_pending(const struct stackrec *sr)
{
	return 0;
}

void dev_kick(struct stackrec *sr, bool must)
{
	env_kicks++;
}

int dev_fds(const struct stackrec *sr, int *fds, int max)
{
	return 0;
}

uint64_t dev_generation(const struct stackrec *sr)
{
	return 1;
}

void dev_news(struct stackrec *sr, uint64_t now)
{
}

void sock_reap_flows(struct stackrec *sr)
{
}

void sock_release(struct ofd *o)
{
	env_released++;
	atomic_store(&o->sk, NULL);
}

void thread_deliver_put_off(void)
{
	thread_self.put_off = 0;
}

/* ---- sockets -------------------------------------------------------------------------------- */

struct stackrec *env_stack(void)
{
	enum verdict why;
	struct stackrec *sr;

	knobs_default(&knobs);
	knobs.arena_gb = 2;
	knobs.umem_mb = 4;
	knobs.stacks = (int)env_nstacks;
	sr = run_stack(false, &why);
	ck_assert_ptr_nonnull(sr);
	return sr;
}

static void track(int fd)
{
	struct ofd *o = ofd_new(OFD_SOCK);

	ck_assert_ptr_nonnull(o);
	ck_assert_int_eq(fdtab_set(fd, o), 0);
}

void env_accelerate(int fd, uint32_t level)
{
	static _Atomic unsigned turn;
	struct ofd *o = fdtab_get(fd);
	struct sock *sk = arena_carve(&family->arena, sizeof(*sk), 64);
	struct stackrec *on = &family->stacks[turn++ % family->nstacks];

	ck_assert_ptr_nonnull(sk);
	sk->ready = level;
	run_enter(on);
	shared_enter();
	o->sr = on;
	atomic_store(&o->sk, sk);
	epoll_migrate(o, fd);
	shared_leave();
	run_leave(on, RUN_LATER);
}

int env_sock(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	track(fd);
	env_accelerate(fd, 0);
	return fd;
}

int env_shadow(int *peer)
{
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	track(sv[0]);
	*peer = sv[1];
	return sv[0];
}

void env_ready(int fd, uint32_t level, uint32_t edges)
{
	struct ofd *o = fdtab_get(fd);

	run_enter(o->sr);
	atomic_store(&o->sk->ready, level);
	if (edges)
		ofd_notify(o, edges);
	run_leave(o->sr, RUN_LATER);
}

void env_close(int fd)
{
	struct ofd *o = fdtab_clear(fd);

	if (o)
		ofd_unref(o);
	close(fd);
}

/* Nothing is passed from process to process here. */
void pass_forget(struct ofd *o)
{
}

void pass_fork_child(void)
{
}

void pass_reap(void)
{
}
