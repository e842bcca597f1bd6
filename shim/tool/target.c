/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides whether the dynamic loader will heed LD_PRELOAD for a program (ld.so(8), secure-execution
 * mode). Must never execute anything.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shim/tool/target.h"

/* The kernel follows interpreters that are scripts themselves so many times. */
#define SCRIPT_DEPTH_MAX 5

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#endif

static enum target_kind search(const char *command, char *path, size_t path_bytes)
{
	const char *dirs = getenv("PATH"), *end;
	enum target_kind kind = TARGET_NOT_FOUND;

	if (strchr(command, '/')) {
		snprintf(path, path_bytes, "%s", command);
		if (access(path, F_OK) != 0)
			return TARGET_NOT_FOUND;
		return access(path, X_OK) == 0 ? TARGET_OK : TARGET_NOT_EXEC;
	}
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;; dirs = end + 1) {
		struct stat st;

		end = strchrnul(dirs, ':');
		snprintf(path, path_bytes, "%.*s%s%s", (int)(end - dirs), dirs,
			 end == dirs ? "" : "/", command);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			if (access(path, X_OK) == 0)
				return TARGET_OK;
			kind = TARGET_NOT_EXEC;
		}
		if (!*end)
			return kind;
	}
}

/* AT_SECURE is set when executing the file changes an identity or brings capabilities. */
static bool is_setid(const char *path, const struct stat *st)
{
	if ((st->st_mode & S_ISUID) && st->st_uid != getuid())
		return true;
	if ((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) && st->st_gid != getgid())
		return true;
	return getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

static enum target_kind look_elf(const unsigned char *head, size_t n, int fd)
{
	const Elf64_Ehdr *eh = (const void *)head;
	Elf64_Phdr ph;

	if (n < sizeof(*eh) || head[EI_CLASS] != ELFCLASS64 || eh->e_machine != OUR_MACHINE)
		return TARGET_OTHER_ARCH;
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		off_t at = (off_t)(eh->e_phoff + (uint64_t)i * eh->e_phentsize);

		if (pread(fd, &ph, sizeof(ph), at) != (ssize_t)sizeof(ph))
			break;
		if (ph.p_type == PT_INTERP)
			return TARGET_OK;
	}
	return TARGET_STATIC;
}

static enum target_kind look_file(char *path, size_t path_bytes, unsigned depth)
{
	union {
		Elf64_Ehdr align;
		unsigned char b[256];
	} head = {0};
	enum target_kind kind = TARGET_OK;
	struct stat st;
	char *interp;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	/* What may be executed but not read is not known; the loader will see. */
	if (fd < 0)
		return stat(path, &st) == 0 && is_setid(path, &st) ? TARGET_SETID : TARGET_OK;
	n = read(fd, head.b, sizeof(head.b) - 1);
	if (fstat(fd, &st) == 0 && is_setid(path, &st) && !(n > 2 && memcmp(head.b, "#!", 2) == 0))
		kind = TARGET_SETID;
	else if (n >= SELFMAG && memcmp(head.b, ELFMAG, SELFMAG) == 0)
		kind = look_elf(head.b, (size_t)n, fd);
	close(fd);
	if (n > 2 && memcmp(head.b, "#!", 2) == 0 && depth < SCRIPT_DEPTH_MAX) {
		interp = (char *)head.b + 2;
		interp += strspn(interp, " \t");
		interp[strcspn(interp, " \t\r\n")] = 0;
		snprintf(path, path_bytes, "%s", interp);
		return look_file(path, path_bytes, depth + 1);
	}
	return kind;
}

enum target_kind target_look(const char *command, char *path, size_t path_bytes)
{
	enum target_kind kind = search(command, path, path_bytes);

	return kind == TARGET_OK ? look_file(path, path_bytes, 0) : kind;
}

const char *target_explain(enum target_kind kind)
{
	switch (kind) {
	case TARGET_OK:
		return "can be preloaded";
	case TARGET_NOT_FOUND:
		return "not found";
	case TARGET_NOT_EXEC:
		return "not executable";
	case TARGET_SETID:
		return "set-user-ID, set-group-ID or with file capabilities: the dynamic loader "
		       "ignores LD_PRELOAD, and it will use kernel sockets. Run it as the user it "
		       "would become";
	case TARGET_STATIC:
		return "statically linked: it has no dynamic loader that could preload, and it "
		       "will use kernel sockets";
	case TARGET_OTHER_ARCH:
		return "for another kind of machine than libshim was built for: it will use kernel "
		       "sockets";
	}
	return "";
}
