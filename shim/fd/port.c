/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose port it is when a socket is closed. The shadow of a listener holds the port of all that it
 * accepted, the shadow of a socket that connect() was called on its own; when they go, what is left
 * in the stack, TIME-WAIT included, holds it by other means (hold.c), with the SO_REUSEADDR and
 * SO_REUSEPORT that the shadow had, as bind(2) asks for these. Each connection holds its own
 * address only: that of a listener on any address would stand in the way of more than the kernel's.
 *
 * It decides what has to be held. It must never make close() fail.
 */
#include "sock_int.h"

/* A listener's own and all that it accepted. */
struct hold_walk {
	struct port_leave *k;
	bool shut; /* the shadow listens no more, and may be bound beside */
	int reuseaddr, reuseport;
};

void port_leave_begin(int fd, struct ofd *o, struct port_leave *k)
{
	struct stackrec *sr = o->sr;
	struct sock *sk;
	uint8_t *claims;

	k->fd = -1;
	/* Whether others have it the kernel knows better: of a process that is gone without a word
	 * the references stay for a while. */
	if (o->kind != OFD_SOCK || !o->port_holder || !sr || ofd_refs_here(o) != 1 ||
	    thread_is_confined())
		return;
	run_enter(sr);
	sk = o->sk;
	if (sk && sk->type == STK_LISTENER) {
		k->sr = sr;
		k->bound = sk->local;
		k->v6only = o->v6only;
		k->fd = sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	} else if (sk && !stack_connecting(sk)) {
		claims = stack_claims(sr->st, &sk->local, &sk->remote);
		if (claims && !(*claims & CLAIM_PORT) && hold_add(sr, &sk->local, fd) == 0)
			*claims |= CLAIM_PORT;
	}
	run_leave(sr, RUN_LATER);
}

/* The shadow goes anyway: from here on it is bound at most (the kernel takes a port back that it
 * had drawn itself), and others may be bound where it is. */
static void shadow_shut(struct hold_walk *w)
{
	socklen_t len = sizeof(int);
	int fd = w->k->fd, one = 1;

	if (w->shut)
		return;
	w->shut = true;
	sys_getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &w->reuseaddr, &len);
	sys_getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &w->reuseport, &len);
	sys_shutdown(fd, SHUT_RDWR);
	sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
}

/* A socket bound to local, with the shadow's options. -Exxx, as for a port below 1024: then the
 * shadow itself has to do. */
static int holder_make(const struct hold_walk *w, const struct endpoint *local)
{
	struct ofd like = {.family = ip_addr_is_v4(&local->addr) ? AF_INET : AF_INET6};
	int fd = sys_socket(like.family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, r;
	union sockaddr_inet sa;

	if (fd < 0)
		return fd;
	sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	r = sys_bind(fd, &sa.sa, sockaddr_make(&like, local, &sa));
	if (r < 0) {
		sys_close(fd);
		return r;
	}
	sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &w->reuseaddr, sizeof(int));
	sys_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &w->reuseport, sizeof(int));
	return fd;
}

static bool other_listener(struct stackrec *sr, const struct endpoint *local)
{
	return sock_local_service(sr, STK_LISTENER, local);
}

static void hold_one(void *arg, const struct endpoint *local, const struct endpoint *remote,
		     uint8_t *claims)
{
	struct hold_walk *w = arg;
	int fd = -1, r;

	(void)remote;
	if (*claims & CLAIM_PORT || !addr_takes(&w->k->bound.addr, w->k->v6only, &local->addr))
		return;
	r = hold_add(w->k->sr, local, -1);
	if (r < 0 && !other_listener(w->k->sr, local)) {
		shadow_shut(w);
		fd = holder_make(w, local);
		r = hold_add(w->k->sr, local, fd >= 0 ? fd : w->k->fd);
		if (fd >= 0)
			sys_close(fd);
	}
	if (r == 0)
		*claims |= CLAIM_PORT;
}

void port_leave_end(struct port_leave *k, bool last)
{
	struct hold_walk w = {.k = k};

	if (k->fd < 0)
		return;
	for (uint32_t i = 0; last && i < family->nstacks; i++) {
		k->sr = &family->stacks[i];
		run_enter(k->sr);
		stack_port_each(k->sr->st, k->bound.port, hold_one, &w);
		run_leave(k->sr, RUN_LATER);
	}
	if (w.shut)
		sys_setsockopt(k->fd, SOL_SOCKET, SO_REUSEADDR, &w.reuseaddr, sizeof(int));
	sys_close(k->fd);
	k->fd = -1;
}

bool port_reap(const struct ofd *o)
{
	bool any = false;

	for (uint32_t i = 0; family && o->socktype == SOCK_STREAM && i < family->nstacks; i++) {
		struct stackrec *sr = &family->stacks[i];

		if (!sr->st || !hold_any(sr))
			continue;
		run_turn(sr);
		run_enter(sr);
		sock_reap_flows(sr);
		run_leave(sr, RUN_LATER);
		any = true;
	}
	return any;
}
