/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes one JSON document to standard output, member by member. The caller keeps begin and end in
 * pairs; commas, quotes and escapes are done here. key NULL: an element of an array. Bytes that are
 * not UTF-8 (a process may call itself anything) become U+FFFD.
 */
#ifndef SHIM_TOOL_JSON_H
#define SHIM_TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>

void json_begin(const char *key, char bracket);    /* '{' or '[' */
void json_end(char bracket);                       /* '}' or ']'; a newline after the outermost */
void json_str(const char *key, const char *value); /* NULL: null */
void json_u64(const char *key, uint64_t value);
void json_i64(const char *key, int64_t value);
void json_bool(const char *key, bool value);
/* value with three decimals */
void json_real(const char *key, double value);

#endif
