/* SPDX-License-Identifier: BSD-2-Clause */
/* What will become of LD_PRELOAD in a program that is about to be executed. */
#ifndef SHIM_TOOL_TARGET_H
#define SHIM_TOOL_TARGET_H

#include <stddef.h>

enum target_kind {
	TARGET_OK,
	TARGET_NOT_FOUND,  /* execvp would not find it */
	TARGET_NOT_EXEC,   /* found, not executable */
	TARGET_SETID,      /* set-user-ID, set-group-ID, file capabilities: LD_PRELOAD ignored */
	TARGET_STATIC,     /* no dynamic loader */
	TARGET_OTHER_ARCH, /* the library is for another machine */
};

/*
 * Looks for command as execvp does and at what it finds; of a script, at its interpreter. path gets
 * the file that was looked at last.
 */
enum target_kind target_look(const char *command, char *path, size_t path_bytes);

/* A sentence for the user. */
const char *target_explain(enum target_kind kind);

#endif
