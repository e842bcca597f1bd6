/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what each SHIM_* variable means. Must never allocate, use stdio or the locale, call a
 * name that libshim intercepts, or fail a program for a wrong value.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "shim/proc/knobs.h"
#include "shim/proc/log.h"

#define PREFIX "SHIM_"
#define PREFIX_LEN 5
/* Longest name compared for likeness, and how many edits away a name may be and still be meant. */
#define NEAR_NAME_MAX 32
#define NEAR_EDITS_MAX 3

struct knobs knobs;

/* ---- the table ------------------------------------------------------------------------------ */

#define KNOB_BOOL(NAME, field, def, text)
#define KNOB_INT(NAME, field, def, min, max, unit, text)
#define KNOB_STR(NAME, field, def, bytes, text)
#define KNOB_LIST(NAME, field, def, text)
#define KNOB_ENUM(NAME, field, def, text) static const struct knob_choice choices_##field[] = {
#define CHOICE(field, value, text) {#value, text},
#define KNOB_END(field)    \
	{                  \
		NULL, NULL \
	}                  \
	}                  \
	;
#include "shim/proc/knobs.def"
#undef KNOB_BOOL
#undef KNOB_INT
#undef KNOB_STR
#undef KNOB_LIST
#undef KNOB_ENUM
#undef CHOICE
#undef KNOB_END

#define AT(field) offsetof(struct knobs, field), sizeof(((struct knobs *)0)->field)

const struct knob_info knob_info[KNOB_COUNT] = {
#define KNOB_BOOL(NAME, field, def, text) \
	{#NAME, KNOB_TYPE_BOOL, #def, 0, 1, "", text, NULL, AT(field)},
#define KNOB_INT(NAME, field, def, min, max, unit, text) \
	{#NAME, KNOB_TYPE_INT, #def, min, max, unit, text, NULL, AT(field)},
#define KNOB_STR(NAME, field, def, bytes, text) \
	{#NAME, KNOB_TYPE_STR, def, 0, 0, "", text, NULL, AT(field)},
#define KNOB_LIST(NAME, field, def, text) \
	{#NAME, KNOB_TYPE_LIST, def, 0, 0, "", text, NULL, AT(field)},
#define KNOB_ENUM(NAME, field, def, text) \
	{#NAME, KNOB_TYPE_ENUM, #def, 0, 0, "", text, choices_##field, AT(field)},
#define CHOICE(field, value, text)
#define KNOB_END(field)
#include "shim/proc/knobs.def"
};

/* ---- values --------------------------------------------------------------------------------- */

/* An optional sign, then digits to the end; -EINVAL, or -ERANGE beyond 63 bits. */
static int parse_int(const char *s, int64_t *out)
{
	bool neg = *s == '-';
	uint64_t v = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (v > (INT64_MAX - (uint64_t)(*s - '0')) / 10)
			return -ERANGE;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*out = neg ? -(int64_t)v : (int64_t)v;
	return 0;
}

static int set_bool(bool *out, const char *value, char *why, size_t why_bytes)
{
	if ((value[0] != '0' && value[0] != '1') || value[1]) {
		log_format(why, why_bytes, "must be 0 or 1");
		return -EINVAL;
	}
	*out = value[0] == '1';
	return 0;
}

static int set_int(const struct knob_info *ki, int64_t *out, const char *value, char *why,
		   size_t why_bytes)
{
	int64_t v = 0;
	int err = parse_int(value, &v);

	if (err == -EINVAL) {
		log_format(why, why_bytes, "is not a number");
		return -EINVAL;
	}
	if (err || v < ki->min || v > ki->max) {
		if (ki->min == ki->max)
			log_format(why, why_bytes, "must be %ld", (long)ki->min);
		else
			log_format(why, why_bytes, "must be %ld to %ld%s%s", (long)ki->min,
				   (long)ki->max, *ki->unit ? " " : "", ki->unit);
		return -EINVAL;
	}
	*out = v;
	return 0;
}

static int set_str(const struct knob_info *ki, int id, char *out, const char *value, char *why,
		   size_t why_bytes)
{
	const char *path;

	if (strlen(value) >= ki->bytes) {
		log_format(why, why_bytes, "is longer than %zu bytes", ki->bytes - 1);
		return -EINVAL;
	}
	if (id == KNOB_ID_log && (log_parse(value, &path) < 0 || (path && !*path))) {
		log_format(why, why_bytes,
			   "must be off, error, warn, info or debug, or level:path");
		return -EINVAL;
	}
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

static int set_list(struct knob_list *out, const char *value, char *why, size_t why_bytes)
{
	struct knob_list l = {0};
	size_t n;

	for (;; value += n + 1) {
		n = strcspn(value, ",");
		if (n == 0 || n >= KNOB_ITEM_BYTES) {
			log_format(why, why_bytes,
				   n ? "has an item longer than %d bytes" : "has an empty item",
				   KNOB_ITEM_BYTES - 1);
			return -EINVAL;
		}
		if (l.count == KNOB_LIST_MAX) {
			log_format(why, why_bytes, "has more than %d items", KNOB_LIST_MAX);
			return -EINVAL;
		}
		memcpy(l.item[l.count++], value, n);
		if (!value[n])
			break;
	}
	*out = l;
	return 0;
}

static int set_enum(const struct knob_info *ki, void *out, const char *value, char *why,
		    size_t why_bytes)
{
	size_t n;
	int i;

	for (i = 0; ki->choices[i].value; i++) {
		if (strcmp(ki->choices[i].value, value) == 0) {
			memcpy(out, &i, sizeof(i));
			return 0;
		}
	}
	n = log_format(why, why_bytes, "must be ");
	for (int j = 0; j < i; j++)
		n += log_format(why + n, why_bytes - n, "%s%s",
				j == 0       ? ""
				: j == i - 1 ? " or "
					     : ", ",
				ki->choices[j].value);
	return -EINVAL;
}

_Static_assert(sizeof(enum knob_xdp) == sizeof(int), "set_enum() stores an int");

int knob_set(struct knobs *k, int id, const char *value, char *why, size_t why_bytes)
{
	const struct knob_info *ki = &knob_info[id];
	void *out = (char *)k + ki->offset;
	char unused[4];

	if (!why) {
		why = unused;
		why_bytes = sizeof(unused);
	}
	switch (ki->type) {
	case KNOB_TYPE_BOOL:
		return set_bool(out, value, why, why_bytes);
	case KNOB_TYPE_INT:
		return set_int(ki, out, value, why, why_bytes);
	case KNOB_TYPE_STR:
		return set_str(ki, id, out, value, why, why_bytes);
	case KNOB_TYPE_LIST:
		return set_list(out, value, why, why_bytes);
	case KNOB_TYPE_ENUM:
		return set_enum(ki, out, value, why, why_bytes);
	}
	return -EINVAL;
}

/* ---- names ---------------------------------------------------------------------------------- */

int knob_find(const char *name)
{
	if (strncmp(name, PREFIX, PREFIX_LEN) == 0)
		name += PREFIX_LEN;
	for (int i = 0; i < KNOB_COUNT; i++)
		if (strcmp(knob_info[i].name, name) == 0)
			return i;
	return -1;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance, letters of either case being one; both at most NEAR_NAME_MAX long. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[NEAR_NAME_MAX + 1];
	size_t nb = strlen(b);

	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned diag = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned up = row[j];

			row[j] = min3(row[j - 1] + 1, up + 1,
				      diag + (upper(a[i - 1]) != upper(b[j - 1])));
			diag = up;
		}
	}
	return row[nb];
}

int knob_nearest(const char *name)
{
	unsigned best = NEAR_EDITS_MAX + 1;
	int id = -1;

	if (strlen(name) > NEAR_NAME_MAX)
		return -1;
	for (int i = 0; i < KNOB_COUNT; i++) {
		unsigned d = edit_distance(name, knob_info[i].name);

		/* A name that is all edits is not meant: "SHIM_X" is not "SHIM_CC". */
		if (d < best && d < strlen(knob_info[i].name)) {
			best = d;
			id = i;
		}
	}
	return id;
}

/* ---- the environment ------------------------------------------------------------------------ */

void knobs_default(struct knobs *k)
{
	memset(k, 0, sizeof(*k));
	for (int i = 0; i < KNOB_COUNT; i++)
		knob_set(k, i, knob_info[i].def, NULL, 0); /* a unit test sees that none fails */
}

static void load_one(struct knobs *k, const char *var, size_t name_len, bool complain)
{
	char name[NEAR_NAME_MAX + 1], why[160];
	const char *value = var + name_len + 1;
	int id = -1, near = -1;

	if (name_len - PREFIX_LEN <= NEAR_NAME_MAX) {
		memcpy(name, var + PREFIX_LEN, name_len - PREFIX_LEN);
		name[name_len - PREFIX_LEN] = 0;
		id = knob_find(name);
		near = knob_nearest(name);
	}
	if (id >= 0 && knob_set(k, id, value, why, sizeof(why)) == 0) {
		k->set[id] = true;
		return;
	}
	if (!complain)
		return;
	if (id >= 0)
		log_warn("%.*s=%s: %s; using %s", (int)name_len, var, value, why,
			 knob_info[id].def);
	else if (near >= 0)
		log_warn("%.*s is not known; did you mean SHIM_%s?", (int)name_len, var,
			 knob_info[near].name);
	else
		log_warn("%.*s is not known (shimrun --list-knobs lists what is)", (int)name_len,
			 var);
}

static void load_all(struct knobs *k, char *const *envp, bool complain)
{
	for (; envp && *envp; envp++) {
		const char *eq = strchr(*envp, '=');

		if (eq && strncmp(*envp, PREFIX, PREFIX_LEN) == 0 && (*envp)[PREFIX_LEN] != '_')
			load_one(k, *envp, (size_t)(eq - *envp), complain);
	}
}

/* Twice over: SHIM_LOG, wherever it stands, is to decide on the complaints about the others. */
void knobs_load(struct knobs *k, char *const *envp)
{
	knobs_default(k);
	load_all(k, envp, false);
	log_setup(k->log);
	load_all(k, envp, true);
}
