/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rig of the device room's tests: two namespaces joined by a veth pair, the room in one of them
 * with a fake stack on top, a peer on the kernel's stack in the other. Each case begins with
 * begin() and ends with end().
 */
#ifndef TESTS_NET_DEV_RIG_H
#define TESTS_NET_DEV_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "dev_fake.h"
#include "shim/proc/knobs.h"
#include "shim/proc/log.h"
#include "stack/ip/csum.h"
#include "stack/ip/wire.h"

#define ADDR_A "10.77.0.1"
#define ADDR_B "10.77.0.2"
#define ADDR6_A "fd77::1"
#define ADDR6_B "fd77::2"
#define WAIT_MS 4000
#define GSO_BYTES 60000u
#define BACK_BYTES 400000u

/* Ours is a, the peer's b. */
extern char ns_a[32], ns_b[32], if_a[16], if_b[16];
extern uint8_t mac_a[6], mac_b[6];
extern int cases, failures;
extern int master;  /* pid of the process that made the namespaces */
extern bool failed; /* the present case */

#define CHECK(cond)                                                         \
	do {                                                                \
		if (!(cond)) {                                              \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			failed = true;                                      \
		}                                                           \
	} while (0)

/* A shell command, printf's way; its status. */
int __attribute__((format(printf, 1, 2))) run(const char *fmt, ...);
void set_up(void);
pid_t peer(int (*fn)(void));
int reap(pid_t pid);
struct endpoint ep(const char *addr, uint16_t port);
struct ip_addr a6(const char *addr, uint32_t ifindex);
/* dst is asked for, and turns out to be reached by the peer's MAC. */
bool resolves(const struct ip_addr *dst);
void turn(void);
bool turn_until(uint32_t n, int ms);
uint8_t pattern(uint32_t i);
uint8_t *headers(uint8_t *b, uint8_t proto, uint32_t l4_len);
uint16_t pseudo(uint8_t proto, uint32_t len);
struct tx_ent *send_udp(uint16_t dport, const void *data, uint32_t len, bool offload);
int udp_to(const char *addr, uint16_t port, const void *data, size_t len);
int peer_sends_sizes(void);
uint16_t listen_on(int type, uint16_t port, int *s);
int peer_pings(void);
void begin(void);
void end(const char *name);

/* Cases and helpers of the files beside. */
struct blk *bulk_make(void);
void bulk_both_ways(void);
void v6_cases(void);
void privileges(void);
pid_t early_bird(void);
void early_bird_joins(pid_t pid);
void given_back(void);

#endif
