/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SHIM_* variables of this process: struct knobs is made from knobs.def, one member per row.
 * The parser runs inside a constructor, in any program: only string functions, no allocation, no
 * stdio. A mistake of the user's is told in one line and never ends anything.
 */
#ifndef SHIM_PROC_KNOBS_H
#define SHIM_PROC_KNOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KNOB_LIST_MAX 16   /* items of a list; more are a mistake that is told */
#define KNOB_ITEM_BYTES 16 /* of an item with its end: an interface name (IFNAMSIZ) */

struct knob_list {
	unsigned count;
	char item[KNOB_LIST_MAX][KNOB_ITEM_BYTES];
};

/* enum knob_<field> { KNOB_<field>_<value>, ... } in the order of the rows. */
#define KNOB_BOOL(NAME, field, def, text)
#define KNOB_INT(NAME, field, def, min, max, unit, text)
#define KNOB_STR(NAME, field, def, bytes, text)
#define KNOB_LIST(NAME, field, def, text)
#define KNOB_ENUM(NAME, field, def, text) \
	enum knob_##field                 \
	{
#define CHOICE(field, value, text) KNOB_##field##_##value,
#define KNOB_END(field) \
	}               \
	;
#include "shim/proc/knobs.def"
#undef KNOB_BOOL
#undef KNOB_INT
#undef KNOB_STR
#undef KNOB_LIST
#undef KNOB_ENUM
#undef CHOICE
#undef KNOB_END

/* KNOB_ID_<field>, for the table below. */
enum knob_id {
#define KNOB_BOOL(NAME, field, def, text) KNOB_ID_##field,
#define KNOB_INT(NAME, field, def, min, max, unit, text) KNOB_ID_##field,
#define KNOB_STR(NAME, field, def, bytes, text) KNOB_ID_##field,
#define KNOB_LIST(NAME, field, def, text) KNOB_ID_##field,
#define KNOB_ENUM(NAME, field, def, text) KNOB_ID_##field,
#define CHOICE(field, value, text)
#define KNOB_END(field)
#include "shim/proc/knobs.def"
	KNOB_COUNT
};
#undef KNOB_BOOL
#undef KNOB_INT
#undef KNOB_STR
#undef KNOB_LIST
#undef KNOB_ENUM

struct knobs {
#define KNOB_BOOL(NAME, field, def, text) bool field;
#define KNOB_INT(NAME, field, def, min, max, unit, text) int64_t field;
#define KNOB_STR(NAME, field, def, bytes, text) char field[bytes];
#define KNOB_LIST(NAME, field, def, text) struct knob_list field;
#define KNOB_ENUM(NAME, field, def, text) enum knob_##field field;
#include "shim/proc/knobs.def"
	bool set[KNOB_COUNT]; /* the environment gave a good value */
};
#undef KNOB_BOOL
#undef KNOB_INT
#undef KNOB_STR
#undef KNOB_LIST
#undef KNOB_ENUM
#undef CHOICE
#undef KNOB_END

/* This process's. Written once, by knobs_load(); read only after that. */
extern struct knobs knobs __attribute__((visibility("hidden")));

enum knob_type { KNOB_TYPE_BOOL, KNOB_TYPE_INT, KNOB_TYPE_STR, KNOB_TYPE_LIST, KNOB_TYPE_ENUM };

struct knob_choice {
	const char *value, *text;
};

struct knob_info {
	const char *name; /* without SHIM_ */
	enum knob_type type;
	const char *def;
	int64_t min, max; /* KNOB_TYPE_INT */
	const char *unit;
	const char *text;
	const struct knob_choice *choices; /* KNOB_TYPE_ENUM: up to a NULL value */
	size_t offset, bytes;              /* of the member in struct knobs */
};

extern const struct knob_info knob_info[KNOB_COUNT] __attribute__((visibility("hidden")));

/* Every knob at its default. */
void knobs_default(struct knobs *k);

/*
 * Reads all SHIM_* of an environment into k (defaults first) and sets up the log from it. What is
 * unknown or wrong is told in one warning each, and the default stands. Names that begin with
 * SHIM__ are the library's own and not looked at. Call once per image, before anything else of
 * libshim runs.
 */
void knobs_load(struct knobs *k, char *const *envp);

/* The knob of that name (with or without SHIM_), or -1. */
int knob_find(const char *name);

/* The knob whose name is nearest to name (without SHIM_), or -1 when none is near. */
int knob_nearest(const char *name);

/*
 * Takes value for knob id into k. 0, or -EINVAL with a clause for the user in why (which may be
 * NULL): "is not a number", "must be 4 to 4096 MB", ...
 */
int knob_set(struct knobs *k, int id, const char *value, char *why, size_t why_bytes);

#endif
