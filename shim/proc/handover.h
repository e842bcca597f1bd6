/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one image of a process leaves for the next: a memfd of its own that says where the arena is,
 * which place in the family is the new image's, which descriptors are the shim's, and which of the
 * program's are what. It goes over exec by being left open, so that no program's environment or
 * arguments have to carry it, and the next image finds it among its descriptors.
 */
#ifndef SHIM_PROC_HANDOVER_H
#define SHIM_PROC_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

struct handover_fd {
	int32_t fd;
	uint32_t ofd; /* index of its description */
};

/* A descriptor of a device: where it belongs. */
struct handover_dev {
	int32_t fd;
	uint16_t stack, slot;
};

#define HANDOVER_DEVS 1024u

struct handover {
	char magic[16];
	uint64_t layout;   /* family_layout() of who wrote it */
	uint64_t since_ns; /* struct proc.since_ns of the slot: is it still what it was? */
	int32_t arena_fd;
	uint32_t slot;
	uint32_t self; /* the slot is that of the process itself; else it is a new one */
	uint32_t ndevs, nfds;
	struct handover_dev devs[HANDOVER_DEVS];
	struct handover_fd fds[];
};

/* Memory for one with room for nfds descriptors; NULL: none. handover_free() ends it. */
struct handover *handover_new(uint32_t nfds);
void handover_free(struct handover *h, uint32_t nfds);
/* Its memfd, which the next image inherits, or -Exxx: close-on-exec still, and hidden if hidden
 * says so, else high (fd_lift()). */
int handover_write(const struct handover *h, bool hidden);
/* What the image before has left for this one, or NULL. *nfds is for handover_free(). The memfd is
 * closed. A program that was not left anything pays for a look at its descriptors. */
struct handover *handover_read(uint32_t *nfds);

#endif
