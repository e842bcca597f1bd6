/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of stack_mend() share: who has what. First nobody has anything; then each socket
 * takes what it holds, and what nobody has taken is free.
 */
#ifndef STACK_MEND_H
#define STACK_MEND_H

#include "internal.h"

struct mend {
	struct stack *st;
	const uint64_t *lent;
	bool torn; /* something has two owners: nobody can be believed */
};

/* What an object of a pool has in its field mark (a block in limbo). Every object of the pool has
 * one of the two, so that a pointer to something else is told. */
enum { MEND_FREE = 0x6d656e64, MEND_TAKEN = 0x7a6b3e15 };

/* Nobody has an object of p, whose mark is at off. */
void mend_none(const struct pool *p, size_t off);
/* obj is p's, and somebody's from here on. False: it is not p's, or (torn) had an owner. */
bool mend_take(struct mend *m, const struct pool *p, size_t off, void *obj);
/* Whether obj has been taken; nothing is assumed of it. */
bool mend_taken(const struct mend *m, const struct pool *p, size_t off, const void *obj);
/* A chain of blocks; *last: NULL if there is none. False: they are not whole, or more than max. */
bool mend_take_blks(struct mend *m, struct blk *b, uint32_t max, struct blk **last);
/* A frame; and a packet: adds its frames and bytes. */
bool mend_take_frame(struct mend *m, uint32_t idx);
bool mend_take_packet(struct mend *m, uint32_t idx, uint32_t *frames, uint32_t *bytes);
/* A socket's error queue. */
bool mend_take_errs(struct mend *m, struct sock *sk);
bool mend_blk_is_taken(const void *blk);

/* Whether st->at names obj. */
bool mend_is_named(const struct stack *st, const void *obj);
/* True when the embedder, or the stack itself, goes on with it. */
static inline bool mend_goes_on(const struct sock *sk)
{
	return sk->life == SOCK_LIVE && !sk->spoilt;
}

/* It is a live one of the embedder's, wherever the pointer comes from. */
bool mend_is_sock(const struct stack *st, const struct sock *sk, enum sock_type type);
/* sk, which goes on, is on the list of all, and all that it is ready for is news. */
void mend_sock(struct stack *st, struct sock *sk);
void mend_news(struct stack *st, struct sock *sk);

#endif
