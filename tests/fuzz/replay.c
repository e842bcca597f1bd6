/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for libFuzzer where there is none: runs a fuzz target on each file of the folder, or on
 * the files, that it is given; without any, on the target's corpus in the source.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned ran;

static int replay_file(const char *path)
{
	static uint8_t buf[FILE_MAX_BYTES];
	FILE *in = fopen(path, "rb");
	uint8_t *own;
	size_t n;

	if (in == NULL) {
		perror(path);
		return 1;
	}
	n = fread(buf, 1, sizeof(buf), in);
	fclose(in);
	/* of just that size, so that a sanitizer sees a byte too many */
	own = malloc(n ? n : 1);
	if (own == NULL)
		return 1;
	memcpy(own, buf, n);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(own, n);
	free(own);
	ran++;
	return 0;
}

static int replay_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char name[4096];
	int bad = 0;

	if (d == NULL)
		return replay_file(path);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		bad |= replay_file(name);
	}
	closedir(d);
	return bad;
}

int main(int argc, char **argv)
{
	const char *src = getenv("srcdir"), *base = strrchr(argv[0], '/');
	char path[4096];
	int bad = 0;

	alarm(110); /* a target that hangs is a failure */
	for (int i = 1; i < argc; i++)
		bad |= replay_folder(argv[i]);
	if (argc == 1) {
		base = base ? base + 1 : argv[0];
		if (strncmp(base, "lt-", 3) == 0)
			base += 3;
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", src ? src : ".",
			 strncmp(base, "fuzz_", 5) == 0 ? base + 5 : base);
		bad |= replay_folder(path);
	}
	printf("%u inputs\n", ran);
	return bad || ran == 0;
}
