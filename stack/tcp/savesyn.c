/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP_SAVE_SYN and TCP_SAVED_SYN: the headers of the SYN that made a connection, kept from the
 * request to whoever accepts, who reads them once (tcp_reqsk_record_syn() and do_tcp_getsockopt()
 * of Linux). A connection made from a cookie has none, nor has one whose SYN came with more headers
 * than SAVED_SYN_MAX or when there was no memory: saving them must never cost the connection.
 */
#include <errno.h>

#include "tcp.h"

struct saved_syn *saved_syn_take(struct stack *st, const struct tcp_listener *l,
				 const struct tcp_seg *s)
{
	const struct rx_pkt *p = s->p;
	const struct frame *m = frame_meta(&st->frames, p->frame);
	uint32_t from = p->head_off, end = m->off + s->hlen;
	struct saved_syn *y;

	if (likely(!l->o.save_syn))
		return NULL;
	if (l->o.save_syn == SAVE_SYN_NET)
		from += ETH_HLEN_BYTES;
	/* all of it in one frame, as it came */
	if (s->pulled || p->frame != p->head || s->hlen > m->len || end < from ||
	    end - from > SAVED_SYN_MAX)
		return NULL;
	y = pool_get(&st->tcp->saved_syns);
	if (!y)
		return NULL;
	y->bytes = (uint16_t)(end - from);
	memcpy(y->data, frame_buf(&st->frames, p->frame) + from, y->bytes);
	return y;
}

void saved_syn_free(struct stack *st, struct saved_syn **y)
{
	if (*y)
		pool_put(&st->tcp->saved_syns, *y);
	*y = NULL;
}

int saved_syn_get(struct stack *st, struct sock *sk, void *val, uint32_t *len)
{
	struct saved_syn **y = sk->type == STK_TCP ? &tcp_conn_of(sk)->saved_syn : NULL;
	uint32_t n = y && *y ? (*y)->bytes : 0;

	if (*len < n) {
		*len = n; /* so much is wanted */
		return -EINVAL;
	}
	*len = n;
	if (n == 0)
		return 0;
	memcpy(val, (*y)->data, n);
	saved_syn_free(st, y);
	return 0;
}
