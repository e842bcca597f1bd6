/* SPDX-License-Identifier: BSD-2-Clause */
/* What shimrun and shimstat have in common: the version, the library's place, folded text. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "shim/tool/tool.h"

void tool_print_version(const char *name)
{
	printf("%s (%s) %s\n%s", name, PACKAGE_NAME, PACKAGE_VERSION, BUILD_SUMMARY);
}

/* The build tree first: a developer means what was built, not what happens to be installed. */
int tool_find_library(char *path, size_t bytes)
{
	static const char *const places[] = {".libs/libshim.so", "libshim.so", "../lib/libshim.so"};
	char dir[PATH_MAX], full[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	dir[n > 0 ? n : 0] = 0;
	slash = strrchr(dir, '/');
	if (slash)
		slash[1] = 0;
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(full, sizeof(full), "%s%s", dir, places[i]);
		if (access(full, R_OK) == 0 && realpath(full, dir)) {
			snprintf(path, bytes, "%s", dir);
			return 0;
		}
	}
	snprintf(path, bytes, "%s/libshim.so", LIBDIR);
	return access(path, R_OK) == 0 ? 0 : -ENOENT;
}

void tool_wrap(const char *text, unsigned indent, unsigned width)
{
	unsigned col = indent;

	while (*text) {
		unsigned n = (unsigned)strcspn(text, " ");

		if (col > indent && col + 1 + n > width) {
			printf("\n%*s", (int)indent, "");
			col = indent;
		} else if (col > indent) {
			putchar(' ');
			col++;
		}
		printf("%.*s", (int)n, text);
		col += n;
		text += n;
		text += strspn(text, " ");
	}
	putchar('\n');
}
