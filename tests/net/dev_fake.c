/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "shim/dev/internal.h"
#include "shim/proc/thread.h"

#define ARENA_BYTES (256u << 20)

struct stack {
	struct frame_pool frames;
	struct txq txq;
	uint64_t stats[STAT_COUNT];
	struct ip_addr local[STACK_LOCAL_ADDRS];
	uint32_t nlocal;
	struct ip_addr want[16];
	uint32_t nwant;
};

struct family *family;
__thread struct thread thread_self;
struct stackrec *fake_sr;
struct fake_rx fake_rx[FAKE_RX];
uint32_t fake_rx_n;
struct dst_info fake_dst;
uint32_t fake_dst_n, fake_neigh_n, fake_flushes, fake_devs_set;
uint8_t fake_neigh_mac[6];
bool fake_neigh_failed;
struct stack_dev fake_dev[STACK_DEVS];

const struct verdict_info verdict_info[VERDICT_COUNT] = {
#define VERDICT(n, a, t) {#n, a, t},
#include "shim/proc/verdict.def"
#undef VERDICT
};

void stack_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int fd_hide(int fd)
{
	int n = fcntl(fd, F_DUPFD_CLOEXEC, 500);

	close(fd);
	return n < 0 ? -errno : n;
}

void fd_unhide_close(int fd)
{
	close(fd);
}

/* A queue of one stack's has no lock. */
void lock_init(struct shim_lock *l)
{
	(void)l;
	abort();
}

bool lock_acquire(struct shim_lock *l)
{
	(void)l;
	abort();
}

void lock_release(struct shim_lock *l)
{
	(void)l;
	abort();
}

_Atomic uint32_t fd_hidden_moved;

int fd_hidden_at_slow(int fd)
{
	return fd;
}

void fake_init(void)
{
	struct stack *st;

	family = mmap(FAMILY_BASE, ARENA_BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (family == MAP_FAILED)
		abort();
	arena_init(family, ARENA_BYTES);
	arena_carve(&family->arena, sizeof(*family) - sizeof(family->arena), 8);
	st = arena_carve(&family->arena, sizeof(*st), 64);
	if (frame_pool_init(&st->frames, &family->arena, FAKE_FRAMES, NULL))
		abort();
	fake_sr = &family->stacks[0];
	fake_sr->st = st;
	family->nstacks = 1;
	family->procs[0].pid = getpid();
}

void fake_init_again(void)
{
	munmap(family, ARENA_BYTES);
	memset(dev_priv, 0, sizeof(dev_priv));
	fake_init();
}

struct frame_pool *stack_frames(struct stack *st)
{
	return &st->frames;
}

struct txq *stack_txq(struct stack *st)
{
	return &st->txq;
}

uint64_t *stack_stats(struct stack *st)
{
	return st->stats;
}

enum stat_id stack_rx(struct stack *st, unsigned dev, uint32_t frame, uint64_t when)
{
	if (fake_rx_n == FAKE_RX)
		frame_put_chain(&st->frames, frame);
	else
		fake_rx[fake_rx_n++] = (struct fake_rx){dev, frame};
	return STAT_rx_packets;
}

struct stray fake_stray;
bool fake_has_stray;

bool stack_stray(struct stack *st, struct stray *out)
{
	if (!fake_has_stray)
		return false;
	*out = fake_stray;
	fake_has_stray = false;
	return true;
}

void fake_rx_clear(void)
{
	while (fake_rx_n)
		frame_put_chain(&fake_sr->st->frames, fake_rx[--fake_rx_n].frame);
}

uint32_t fake_rx_copy(uint32_t i, uint8_t *buf, uint32_t size)
{
	struct frame_pool *fp = &fake_sr->st->frames;
	uint32_t f, n = 0;

	for (f = fake_rx[i].frame; f != FRAME_NONE; f = frame_meta(fp, f)->next) {
		uint32_t len = frame_meta(fp, f)->len;

		if (n + len > size)
			abort();
		memcpy(buf + n, frame_data(fp, f), len);
		n += len;
	}
	return n;
}

struct tx_ent *stack_tx_peek(struct stack *st)
{
	struct txq *q = &st->txq;

	return q->head == q->tail ? NULL : &q->ent[q->head % TXQ_ENTRIES];
}

void stack_tx_pop(struct stack *st)
{
	st->txq.head++;
}

struct tx_ent *fake_send(unsigned dev, const void *data, uint32_t len)
{
	struct stack *st = fake_sr->st;
	struct txq *q = &st->txq;
	uint32_t f;
	struct tx_ent *e;

	if (txq_used(q) == TXQ_ENTRIES)
		return NULL;
	f = frame_get(&st->frames);
	if (f == FRAME_NONE)
		return NULL;
	frame_meta(&st->frames, f)->off = FRAME_TX_HEADROOM;
	frame_meta(&st->frames, f)->len = (uint16_t)len;
	memcpy(frame_data(&st->frames, f), data, len);
	e = &q->ent[q->tail++ % TXQ_ENTRIES];
	*e = (struct tx_ent){.frame = f, .len = (uint16_t)len, .dev = (uint8_t)dev, .family = 4};
	return e;
}

void stack_dev_set(struct stack *st, unsigned idx, const struct stack_dev *dev)
{
	fake_dev[idx] = *dev;
	fake_devs_set++;
}

bool stack_local_has(const struct stack *st, const struct ip_addr *a)
{
	uint32_t i;

	for (i = 0; i < st->nlocal; i++) {
		if (ip_addr_eq(&st->local[i], a))
			return true;
	}
	return false;
}

int stack_local_add(struct stack *st, const struct ip_addr *a)
{
	if (stack_local_has(st, a))
		return 0;
	if (st->nlocal == STACK_LOCAL_ADDRS)
		return -ENOSPC;
	st->local[st->nlocal++] = *a;
	return 0;
}

void stack_local_del(struct stack *st, const struct ip_addr *a)
{
	uint32_t i;

	for (i = 0; i < st->nlocal; i++) {
		if (ip_addr_eq(&st->local[i], a))
			st->local[i] = st->local[--st->nlocal];
	}
}

bool fake_local(const struct ip_addr *a)
{
	return stack_local_has(fake_sr->st, a);
}

void fake_want(const struct ip_addr *dst)
{
	fake_sr->st->want[fake_sr->st->nwant++] = *dst;
}

bool stack_dst_request(struct stack *st, struct ip_addr *dst)
{
	if (!st->nwant)
		return false;
	*dst = st->want[--st->nwant];
	return true;
}

void stack_dst_set(struct stack *st, const struct ip_addr *dst, const struct dst_info *info,
		   uint64_t when)
{
	fake_dst = *info;
	fake_dst_n++;
}

void stack_neigh_set(struct stack *st, uint8_t dev, const struct ip_addr *next_hop,
		     const uint8_t *mac, uint64_t when)
{
	fake_neigh_failed = !mac;
	if (mac)
		memcpy(fake_neigh_mac, mac, 6);
	fake_neigh_n++;
}

void stack_dst_flush(struct stack *st)
{
	fake_flushes++;
}

void fd_hidden_adopt(int fd)
{
	(void)fd;
}
