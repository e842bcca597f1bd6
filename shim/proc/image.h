/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Will the next image of this process have libshim in it, too? Asked before exec, since who is not
 * under the shim can be left kernel sockets only.
 */
#ifndef SHIM_PROC_IMAGE_H
#define SHIM_PROC_IMAGE_H

#include <stdbool.h>

enum image {
	IMAGE_NONE,    /* exec would fail: there is nothing that could be run */
	IMAGE_SHIMMED, /* it will load the library */
	IMAGE_PLAIN,   /* it will not: static, set-user-ID, LD_PRELOAD is not there */
};

/* As execveat(2)'s dir, path and flags; envp: the environment it would get. Async-signal-safe. */
enum image image_look(int dir, const char *path, int flags, char *const envp[]);
/* The same for a name that execvp(3) and posix_spawnp(3) look for along PATH. shell: what the
 * kernel can't run is given to the shell, as by the first of them. */
enum image image_look_along_path(const char *file, bool shell, char *const envp[]);
/* Finds out, while libc may still be called, what we are named. */
void image_init(void);

#endif
