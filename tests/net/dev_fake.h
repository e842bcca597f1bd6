/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device room on its own: in place of the stack stands one that keeps what it is given and
 * sends what the test hands it; in place of the family, an arena in private memory. Frames, arena
 * and everything in shim/dev are the real ones.
 */
#ifndef TESTS_NET_DEV_FAKE_H
#define TESTS_NET_DEV_FAKE_H

#include "shim/dev/dev.h"

#define FAKE_RX 4096u
#define FAKE_FRAMES 8192u

struct fake_rx {
	unsigned dev;
	uint32_t frame;
};

extern struct stackrec *fake_sr;
/* Packets received and not yet looked at. */
extern struct fake_rx fake_rx[FAKE_RX];
extern uint32_t fake_rx_n;
/* The last answers. */
extern struct dst_info fake_dst;
extern uint32_t fake_dst_n, fake_neigh_n, fake_flushes, fake_devs_set;
extern uint8_t fake_neigh_mac[6];
extern bool fake_neigh_failed;
extern struct stack_dev fake_dev[STACK_DEVS];

/* A family with one stack. */
void fake_init(void);
/* Another, in place of the first: in a child that shall have nothing of its parent's. */
void fake_init_again(void);
/* The stack asks for dst. */
void fake_want(const struct ip_addr *dst);
bool fake_local(const struct ip_addr *a);
/* What stack_stray() gives out next. */
extern struct stray fake_stray;
extern bool fake_has_stray;
/* Frees what was received. */
void fake_rx_clear(void);
/* Copies a packet out; its length. */
uint32_t fake_rx_copy(uint32_t i, uint8_t *buf, uint32_t size);
/* Appends an entry to the txq: bytes of an Ethernet frame. */
struct tx_ent *fake_send(unsigned dev, const void *data, uint32_t len);

#endif
