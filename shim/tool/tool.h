/* SPDX-License-Identifier: BSD-2-Clause */
/* What shimrun and shimstat have in common. */
#ifndef SHIM_TOOL_TOOL_H
#define SHIM_TOOL_TOOL_H

#include <stddef.h>

enum { EXIT_USAGE = 2 };

/* Version and what configure decided, to standard output. */
void tool_print_version(const char *name);

/* The library to preload: next to this program in a build tree, or installed. 0, or -ENOENT. */
int tool_find_library(char *path, size_t bytes);

/* Text to standard output in lines of at most width columns, the second and later ones indented. */
void tool_wrap(const char *text, unsigned indent, unsigned width);

#endif
