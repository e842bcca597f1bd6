/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an image will be, by what the kernel and ld.so(8) go by: the file's mode and capabilities,
 * the interpreter of a script, the class and machine of an ELF file, whether it has a dynamic
 * loader, and LD_PRELOAD or /etc/ld.so.preload. In doubt it is IMAGE_PLAIN: such a one gets kernel
 * sockets, which work whoever is right. Never here: a lock, malloc, errno; vfork children use it.
 */
#include "shim/proc/image.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shim/proc/log.h"
#include "shim/proc/sys.h"

#define HEAD_BYTES 4096
/* Inside: a file that can be run, and the kernel does not know how (ENOEXEC). */
#define IMAGE_TEXT ((enum image)(IMAGE_PLAIN + 1))
#define SCRIPTS_MAX 5 /* the kernel's own limit of scripts that are another's interpreter */

#if defined(__x86_64__)
#define IMAGE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define IMAGE_MACHINE EM_AARCH64
#else
#define IMAGE_MACHINE EM_NONE
#endif

static char own_name[256]; /* of our file, without its folders */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void image_init(void)
{
	Dl_info info;
	const char *name = "libshim.so";

	if (dladdr((void *)image_init, &info) && info.dli_fname)
		name = base_name(info.dli_fname);
	if (strlen(name) < sizeof(own_name))
		memcpy(own_name, name, strlen(name) + 1);
}

/* Is our name in a list of libraries as ld.so reads it? */
static bool names_us(const char *list)
{
	size_t own = strlen(own_name);

	while (*list) {
		size_t n = strcspn(list, " :\t\n");
		const char *last = list + n;

		while (last > list && last[-1] != '/')
			last--;
		if (own && (size_t)(list + n - last) == own && !memcmp(last, own_name, own))
			return true;
		list += n + (list[n] != 0);
	}
	return false;
}

static bool preload_everywhere(void)
{
	char buf[HEAD_BYTES];
	int fd = sys_openat(AT_FDCWD, "/etc/ld.so.preload", O_RDONLY | O_CLOEXEC, 0);
	ssize_t n;

	if (fd < 0)
		return false;
	n = sys_read(fd, buf, sizeof(buf) - 1);
	sys_close(fd);
	buf[n > 0 ? n : 0] = 0;
	return names_us(buf);
}

static bool preloaded(char *const envp[])
{
	for (; envp && *envp; envp++)
		if (!strncmp(*envp, "LD_PRELOAD=", 11) && names_us(*envp + 11))
			return true;
	return preload_everywhere();
}

/* ld.so will not listen to the environment (AT_SECURE). */
static bool secure(int fd, const struct stat *st)
{
	uid_t uid = (uid_t)sys_call(SYS_getuid), euid = (uid_t)sys_call(SYS_geteuid);
	gid_t gid = (gid_t)sys_call(SYS_getgid), egid = (gid_t)sys_call(SYS_getegid);

	if (st->st_mode & S_ISUID)
		euid = st->st_uid;
	if ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		egid = st->st_gid;
	return uid != euid || gid != egid ||
	       (uid && sys_call(SYS_fgetxattr, fd, "security.capability", NULL, 0) > 0);
}

static bool has_loader(const char *head, size_t n)
{
	const Elf64_Ehdr *e = (const void *)head;

	if (n < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
	    e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != IMAGE_MACHINE ||
	    e->e_phentsize != sizeof(Elf64_Phdr))
		return false;
	for (unsigned i = 0; i < e->e_phnum; i++) {
		const Elf64_Phdr *p = (const void *)(head + e->e_phoff + i * sizeof(*p));

		if (e->e_phoff > n || e->e_phoff + (i + 1) * sizeof(*p) > n)
			return false;
		if (p->p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* The interpreter that a script names in its first line, or NULL. Ends it in head. */
static const char *script_interpreter(char *head)
{
	char *p = head + 2, *end;

	p += strspn(p, " \t");
	end = p + strcspn(p, " \t\n");
	if (end == p)
		return NULL;
	*end = 0;
	return p;
}

static enum image file_look(int fd, const struct stat *st, unsigned depth);

static enum image path_look(int dir, const char *path, int flags, unsigned depth)
{
	struct stat st;
	enum image ret;
	bool own = (flags & AT_EMPTY_PATH) && !*path;
	int fd = own ? dir : sys_openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);

	if (fd < 0) /* what may be run and not be read has no interpreter that we could know */
		return fd == -EACCES && sys_call(SYS_faccessat, dir, path, 1 /* X_OK */) == 0
			       ? IMAGE_PLAIN
			       : IMAGE_NONE;
	ret = sys_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111)
		      ? IMAGE_NONE
		      : file_look(fd, &st, depth);
	if (!own)
		sys_close(fd);
	return ret;
}

static enum image file_look(int fd, const struct stat *st, unsigned depth)
{
	_Alignas(8) char head[HEAD_BYTES + 1];
	ssize_t n = sys_pread64(fd, head, HEAD_BYTES, 0);
	const char *interpreter;

	if (n < 2)
		return n < 0 ? IMAGE_PLAIN : IMAGE_TEXT;
	head[n] = 0;
	if (head[0] == '#' && head[1] == '!') {
		interpreter = depth < SCRIPTS_MAX ? script_interpreter(head) : NULL;
		return interpreter ? path_look(AT_FDCWD, interpreter, 0, depth + 1) : IMAGE_NONE;
	}
	if (n < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0)
		return IMAGE_TEXT; /* unless binfmt_misc knows better */
	if (secure(fd, st))
		return IMAGE_PLAIN;
	return has_loader(head, (size_t)n) ? IMAGE_SHIMMED : IMAGE_PLAIN;
}

static enum image look(int dir, const char *path, int flags, bool shell, char *const envp[])
{
	enum image ret = path ? path_look(dir, path, flags, 0) : IMAGE_NONE;

	if (ret == IMAGE_TEXT)
		ret = shell ? path_look(AT_FDCWD, _PATH_BSHELL, 0, 0) : IMAGE_NONE;
	return ret == IMAGE_SHIMMED && !preloaded(envp) ? IMAGE_PLAIN : ret;
}

enum image image_look(int dir, const char *path, int flags, char *const envp[])
{
	return look(dir, path, flags, false, envp);
}

enum image image_look_along_path(const char *file, bool shell, char *const envp[])
{
	const char *path = getenv("PATH"), *p;
	char name[PATH_MAX];
	enum image ret = IMAGE_NONE;

	if (!file || !*file || strchr(file, '/'))
		return look(AT_FDCWD, file, 0, shell, envp);
	if (!path)
		path = "/bin:/usr/bin";
	for (p = path; ret == IMAGE_NONE; p++) {
		int n = (int)strcspn(p, ":");

		if (n + strlen(file) + 2 <= sizeof(name)) {
			log_format(name, sizeof(name), "%.*s%s%s", n, p, n ? "/" : "", file);
			ret = look(AT_FDCWD, name, 0, shell, envp);
		}
		p += n;
		if (!*p)
			break;
	}
	return ret;
}
