/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a family with several stacks has on which of them. A listener is on all: one object with a
 * socket, and an accept queue, on each. Datagram sockets of one port are on one stack, that of the
 * first of them, so that groups and connected ones are found as ever. A connection that is opened
 * here is on the stack of the thread that opens it. With the loopback inside the stack, which is
 * the first one's, datagrams and what is opened here stay there.
 */
#include "sock_int.h"

/* ---- listeners ------------------------------------------------------------------------------ */

int parts_listen(struct ofd *o, const struct sock_opts *opts, int backlog, struct sock *first)
{
	struct sock *sk;
	struct parts *p;
	int r = 0;

	if (family->nstacks == 1)
		return 0;
	shared_enter();
	p = pool_get_zeroed(&family->parts);
	shared_leave();
	if (!p)
		return -ENOMEM;
	o->parts = p;
	atomic_store(&p->sk[0], first);
	for (uint32_t i = 1; i < family->nstacks && r == 0; i++) {
		r = stack_listen(family->stacks[i].st, &o->bound, opts, (uint32_t)backlog, &sk);
		if (r == 0)
			atomic_store(&p->sk[i], sk);
	}
	if (r < 0)
		parts_close(o);
	return r;
}

void parts_adopt(struct ofd *o)
{
	struct sock *sk;

	for (uint32_t i = 1; o->parts && i < family->nstacks; i++)
		if ((sk = ofd_part(o, i)))
			sk->user = o;
}

/* o->parts stays, so that what guards o does not change again. */
void parts_close(struct ofd *o)
{
	struct parts *p = o->parts;
	struct sock *sk;

	if (!p)
		return;
	for (uint32_t i = 1; i < family->nstacks; i++) {
		sk = ofd_part(o, i);
		atomic_store(&p->sk[i], NULL);
		if (!sk)
			continue;
		sk->user = NULL;
		stack_close(family->stacks[i].st, sk, now_ns());
	}
	atomic_store(&p->sk[0], NULL);
	shared_enter();
	pool_put(&family->parts, p);
	shared_leave();
}

void parts_backlog(struct ofd *o, int backlog)
{
	struct sock *sk;

	for (uint32_t i = 1; o->parts && i < family->nstacks; i++)
		if ((sk = ofd_part(o, i)))
			stack_listen_backlog(family->stacks[i].st, sk, (uint32_t)backlog);
}

void parts_leave(struct ofd *o)
{
	struct sock *sk;

	for (uint32_t i = 1; o->parts && i < family->nstacks; i++)
		if ((sk = ofd_part(o, i)))
			stack_listen_leave(family->stacks[i].st, sk, now_ns());
}

void parts_shutdown(struct ofd *o, int how)
{
	struct sock *sk;

	for (uint32_t i = 1; o->parts && i < family->nstacks; i++)
		if ((sk = ofd_part(o, i)))
			stack_shutdown(family->stacks[i].st, sk, how, now_ns());
}

void parts_setopt(struct ofd *o, int level, int name, const void *val, socklen_t len)
{
	struct sock *sk;

	for (uint32_t i = 1; o->parts && i < family->nstacks; i++) {
		struct stackrec *sr = &family->stacks[i];

		run_enter(sr);
		sk = ofd_part(o, i);
		if (sk)
			stack_setopt(sr->st, sk, level, name, val, len, now_ns());
		run_leave(sr, RUN_LATER);
	}
}

/* ---- others --------------------------------------------------------------------------------- */

#define PORT_REF 256u /* one socket more, in family.udp_port */

struct stackrec *udp_stack(struct ofd *o, struct stackrec *sr)
{
	_Atomic uint32_t *p = &family->udp_port[o->bound.port];
	uint32_t was = atomic_load(p), stack, own;

	if (family->nstacks == 1 || o->sr)
		return o->sr ? o->sr : sr;
	own = knobs.loopback ? 0 : attend_own()->idx;
	do {
		stack = was / PORT_REF ? was % PORT_REF : own;
	} while (!atomic_compare_exchange_weak(p, &was, (was / PORT_REF + 1) * PORT_REF + stack));
	o->udp.port_held = 1;
	return &family->stacks[stack];
}

void udp_stack_end(struct ofd *o)
{
	if (!o->udp.port_held)
		return;
	o->udp.port_held = 0;
	atomic_fetch_sub(&family->udp_port[o->bound.port], PORT_REF);
}

struct stackrec *connect_stack(const struct ofd *o, struct stackrec *sr)
{
	if (o->sr)
		return o->sr;
	return knobs.loopback ? sr : attend_own();
}
