/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how JSON is written: RFC 8259. */
#include <inttypes.h>
#include <stdio.h>

#include "shim/tool/json.h"

static unsigned depth;
static bool need_comma;

/* Bytes of the UTF-8 sequence at s (RFC 3629), 0 when it is not one. */
static unsigned utf8_len(const unsigned char *s)
{
	unsigned n = s[0] < 0x80                   ? 1
		     : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		     : (s[0] & 0xf0) == 0xe0       ? 3
		     : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						   : 0;

	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
		return 0;
	return n;
}

static void put_string(const char *str)
{
	const unsigned char *s = (const unsigned char *)str;

	putchar('"');
	while (*s) {
		unsigned n = utf8_len(s);

		if (n == 0) {
			fputs("\\ufffd", stdout);
			s++;
		} else if (*s < 0x20 || *s == 0x7f) {
			printf("\\u%04x", *s++);
		} else {
			if (*s == '"' || *s == '\\')
				putchar('\\');
			while (n--)
				putchar(*s++);
		}
	}
	putchar('"');
}

static void put_key(const char *key)
{
	if (need_comma)
		putchar(',');
	if (depth)
		printf("\n%*s", (int)depth * 2, "");
	if (key) {
		put_string(key);
		fputs(": ", stdout);
	}
	need_comma = true;
}

void json_begin(const char *key, char bracket)
{
	put_key(key);
	putchar(bracket);
	depth++;
	need_comma = false;
}

void json_end(char bracket)
{
	depth--;
	if (need_comma)
		printf("\n%*s", (int)depth * 2, "");
	putchar(bracket);
	need_comma = depth != 0;
	if (!depth) {
		putchar('\n');
		fflush(stdout);
	}
}

void json_str(const char *key, const char *value)
{
	put_key(key);
	if (value)
		put_string(value);
	else
		fputs("null", stdout);
}

void json_u64(const char *key, uint64_t value)
{
	put_key(key);
	printf("%" PRIu64, value);
}

void json_i64(const char *key, int64_t value)
{
	put_key(key);
	printf("%" PRId64, value);
}

void json_bool(const char *key, bool value)
{
	put_key(key);
	fputs(value ? "true" : "false", stdout);
}

void json_real(const char *key, double value)
{
	put_key(key);
	printf("%.3f", value);
}
