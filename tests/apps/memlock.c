/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mlockall() with the library in the process: what the program has is locked and filled, what it
 * maps later, too, and the library's address range is not. Says what is wrong, or nothing.
 *
 *   memlock first|last|number     whether sockets come after mlockall(), or before; number: before,
 *                                 and the call is made by syscall(2)
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BYTES (8u << 20)
#define LOCKED_MAX_KB (1l << 20) /* far more than this program has, far less than an arena */

static void *map(void)
{
	void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static int filled(void *p, const char *what)
{
	unsigned char vec[BYTES / 4096];

	if (mincore(p, BYTES, vec) != 0)
		return perror("mincore"), 1;
	for (size_t i = 0; i < sizeof(vec); i++)
		if (!(vec[i] & 1))
			return fprintf(stderr, "%s: page %zu is not in memory\n", what, i), 1;
	return 0;
}

static void sockets(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, 1) != 0) {
		perror("listen");
		exit(1);
	}
}

static long status_kb(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kb = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kb = atol(line + strlen(key));
	if (f)
		fclose(f);
	return kb;
}

int main(int argc, char **argv)
{
	void *before = map(), *after;
	const int all = MCL_CURRENT | MCL_FUTURE;
	long locked;

	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "number") && dup(STDERR_FILENO) != all)
		return 2; /* no socket is to have the number that the flags are */
	if (strcmp(argv[1], "first") != 0)
		sockets();
	if (!strcmp(argv[1], "number") ? syscall(SYS_mlockall, all) : mlockall(all))
		return perror("mlockall"), 1;
	if (!strcmp(argv[1], "first"))
		sockets();
	after = map();
	locked = status_kb("VmLck:");
	if (locked < 2 * (long)(BYTES >> 10) || locked > LOCKED_MAX_KB)
		return fprintf(stderr, "%ld KB are locked\n", locked), 1;
	if (status_kb("VmRSS:") > LOCKED_MAX_KB)
		return fprintf(stderr, "%ld KB are in memory\n", status_kb("VmRSS:")), 1;
	return filled(before, "mapped before") | filled(after, "mapped after");
}
