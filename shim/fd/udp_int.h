/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of UDP sockets share. Nothing but udp*.c includes it.
 */
#ifndef SHIM_FD_UDP_INT_H
#define SHIM_FD_UDP_INT_H

#include "sock_int.h"

/*
 * The error that the kernel has for the socket, cleared: 0 or -Exxx. It is asked when its door has
 * told of one, or always. No lock held.
 */
int udp_error_take(int fd, struct ofd *o, bool always);

/* How many sockets of this process have left the stack: who sends to one goes another way now. */
extern _Atomic uint32_t udp_leaves;

/* Another socket of this process is bound to the same port, and its group is the kernel's. */
bool udp_group_left(const struct ofd *o);

/* What is set before a socket comes to the stack without anybody having set it. */
void udp_opts_import(int fd, struct ofd *o);

#endif
