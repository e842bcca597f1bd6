/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking into families from outside: finding them, mapping the arena of one for reading, and the
 * walks that text and JSON output share. One family is mapped at a time, at FAMILY_BASE.
 */
#ifndef SHIM_TOOL_LOOK_H
#define SHIM_TOOL_LOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shim/fd/ofd.h"
#include "shim/proc/family.h"

#define LOOK_FAMILIES_MAX 256
#define LOOK_MEMBERS_MAX 1024

struct member {
	pid_t pid; /* as we see it */
	char comm[16];
	uint64_t start_time;
	const struct proc *slot; /* in the arena; NULL: it is about to come or to go */
};

struct found {
	dev_t dev;
	ino_t ino; /* of the arena's memfd: what tells families apart */
	uint64_t size_bytes;
	unsigned nmembers;
	struct member member[LOOK_MEMBERS_MAX];
};

/*
 * Looks at every process, or (npids > 0) keeps only the families that one of pids is in. Fills at
 * most LOOK_FAMILIES_MAX of found (allocated; the caller frees it). Returns how many, or -ENOMEM;
 * *denied counts those (of pids, if given) that could not be looked into.
 */
int look_find(const pid_t *pids, int npids, struct found **found, unsigned *denied);

/*
 * Maps the family's arena and matches its members to their slots. 0, -EACCES, -ESRCH (gone),
 * -EPROTO (another version, or not an arena), -Exxx.
 */
int look_map(struct found *f, const struct family **fam);
void look_unmap(const struct found *f);

/* True when n bytes at p lie in the mapped arena. */
bool look_holds(const struct family *fam, const void *p, size_t n);

/*
 * The description of descriptor fd of a member, read from that process's own table; NULL when fd is
 * none of the library's, or the table cannot be read.
 */
const struct ofd *look_fd(const struct family *fam, const struct member *m, int fd);

/* Calls fn for each open descriptor of a member that has a description. */
void look_each_fd(const struct family *fam, const struct member *m,
		  void (*fn)(const struct member *m, int fd, const struct ofd *o, void *arg),
		  void *arg);

/* The description that a socket belongs to; NULL: none yet, or no more. */
const struct ofd *look_user(const struct family *fam, const struct sock *sk);

/*
 * An end of o's socket (NULL: unknown) as ss(8) has it: "10.0.0.1:80", "0.0.0.0:80", of an AF_INET6
 * socket "[2001:db8::1]:80", "[fe80::1]%eth0:80", "[::ffff:10.0.0.1]:80", "[::]:80", and "*:80" for
 * any address of both families. Port 0 is "*". buf: LOOK_ADDR_BYTES. Returns buf.
 */
#define LOOK_ADDR_BYTES 96
const char *look_addr(char *buf, const struct endpoint *e, const struct ofd *o);

#endif
