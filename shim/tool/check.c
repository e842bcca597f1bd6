/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what is told about a machine: each thing that acceleration needs (without it sockets stay
 * with the kernel) or gains from, whether it is there, and the words that get it.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <linux/capability.h>

#include "config.h"
#include "shim/proc/knobs.h"
#include "shim/tool/check.h"
#include "shim/tool/json.h"
#include "shim/tool/probe.h"
#include "shim/tool/tool.h"

#define CHECKS_MAX 32
#define IFACES_MAX 64

enum need { NEEDED, GAIN };

struct finding {
	const char *id;
	enum need need;
	bool ok;
	char detail[256];
	const char *remedy; /* "" when there is nothing to do */
};

struct iface {
	char name[IF_NAMESIZE], driver[32];
	unsigned ifindex, mtu, queues;
	bool up, has_v4, has_v6, is_default, native;
	uint64_t features;
	int features_err;
	uint32_t prog_id;
	const char *prog_mode;
	unsigned dispatched; /* programs of libxdp's dispatcher */
};

static struct finding findings[CHECKS_MAX];
static unsigned nfindings;
static struct iface ifaces[IFACES_MAX];
static unsigned nifaces;

__attribute__((format(printf, 5, 6))) static void
finding_add(const char *id, enum need need, bool ok, const char *remedy, const char *fmt, ...)
{
	struct finding *f;
	va_list ap;

	if (nfindings == CHECKS_MAX)
		return;
	f = &findings[nfindings++];
	f->id = id;
	f->need = need;
	f->ok = ok;
	f->remedy = ok ? "" : remedy;
	va_start(ap, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
}

static const char *err_text(int err)
{
	return err == PROBE_UNTRIED ? "not tried: something before it is missing" : strerror(-err);
}

/* ---- the parts ------------------------------------------------------------------------------ */

static void look_kernel(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	finding_add("kernel", NEEDED, major > 5 || (major == 5 && minor >= 10),
		    "AF_XDP with need_wakeup and XDP links needs Linux 5.10; 6.6 or later is best.",
		    "Linux %s %s", u.release, u.machine);
}

static void look_library(void)
{
	char path[PATH_MAX];

	if (tool_find_library(path, sizeof(path)) < 0)
		finding_add("library", NEEDED, false, "Run make install, or give --library.",
			    "libshim.so is not where shimrun looks for it");
	else
		finding_add("library", NEEDED, true, "", "%s", path);
#ifdef HAVE_AF_XDP
	finding_add("build", NEEDED, true, "", "built with AF_XDP");
#else
	finding_add("build", NEEDED, false,
		    "Configure with --enable-af-xdp=yes; it says what is missing.",
		    "built without AF_XDP");
#endif
}

static uint64_t caps_effective(void)
{
	uint64_t caps = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "CapEff:", 7) == 0)
			caps = strtoull(line + 7, NULL, 16);
	if (f)
		fclose(f);
	return caps;
}

static void look_caps(void)
{
	const uint64_t caps = caps_effective();
	const uint64_t admin = 1ull << CAP_SYS_ADMIN;
#ifdef CAP_BPF
	const uint64_t bpf = 1ull << CAP_BPF;
#else
	const uint64_t bpf = 1ull << 39;
#endif
#ifdef CAP_PERFMON
	const uint64_t perfmon = 1ull << CAP_PERFMON;
#else
	const uint64_t perfmon = 1ull << 38;
#endif
	static const char how[] =
		"Start the server as root (it may drop its privileges once it listens), or grant "
		"the capability to its unit: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW "
		"CAP_BPF CAP_PERFMON.";

	finding_add("cap_net_admin", NEEDED, caps & (1ull << CAP_NET_ADMIN), how,
		    "attaching to an interface (CAP_NET_ADMIN)");
	finding_add("cap_net_raw", NEEDED, caps & (1ull << CAP_NET_RAW), how,
		    "AF_XDP and packet sockets (CAP_NET_RAW)");
	finding_add("cap_bpf", NEEDED, caps & (bpf | admin), how,
		    "loading the steering program (CAP_BPF or CAP_SYS_ADMIN)");
	finding_add("cap_perfmon", NEEDED, caps & (perfmon | admin), how,
		    "running its loader (CAP_PERFMON or CAP_SYS_ADMIN)");
}

static void look_memory(const struct probe *p, const struct knobs *k)
{
	struct rlimit rl = {0, 0};
	char limit[32];

	getrlimit(RLIMIT_MEMLOCK, &rl);
	if (rl.rlim_cur == RLIM_INFINITY)
		snprintf(limit, sizeof(limit), "unlimited");
	else
		snprintf(limit, sizeof(limit), "%llu KB", (unsigned long long)rl.rlim_cur / 1024);
	finding_add("umem", NEEDED, p->umem == 0,
		    "Raise RLIMIT_MEMLOCK (ulimit -l unlimited, LimitMEMLOCK=infinity) or lower "
		    "SHIM_UMEM_MB.",
		    "pinning %ld MB of packet memory (RLIMIT_MEMLOCK %s)%s%s", (long)k->umem_mb,
		    limit, p->umem ? ": " : "", p->umem ? err_text(p->umem) : "");
	finding_add("arena", NEEDED, p->arena == 0,
		    "Lower SHIM_ARENA_GB, or raise RLIMIT_AS and RLIMIT_FSIZE.",
		    "%ld GB of address space at its fixed place%s%s", (long)k->arena_gb,
		    p->arena ? ": " : "", p->arena ? err_text(p->arena) : "");
}

static void look_xdp(const struct probe *p)
{
	finding_add("af_xdp", NEEDED, p->xsk == 0,
		    p->xsk == -EPERM ? "CAP_NET_RAW, see above."
				     : "A kernel built with CONFIG_XDP_SOCKETS=y.",
		    "an AF_XDP socket%s%s", p->xsk ? ": " : "", p->xsk ? err_text(p->xsk) : "");
	finding_add("bpf", NEEDED, p->prog == 0 && p->xskmap == 0,
		    p->prog == -EPERM || p->xskmap == -EPERM
			    ? "CAP_BPF and CAP_NET_ADMIN, see above."
			    : "A kernel built with CONFIG_BPF_SYSCALL=y and CONFIG_XDP_SOCKETS=y.",
		    "loading an XDP program and a socket map%s%s", p->prog || p->xskmap ? ": " : "",
		    p->prog     ? err_text(p->prog)
		    : p->xskmap ? err_text(p->xskmap)
				: "");
	if (p->netns != 0) {
		finding_add("attach", GAIN, false,
			    "As root it is tried on a veth pair in a namespace of its own.",
			    "attaching could not be tried: %s", err_text(p->netns));
		return;
	}
	finding_add("attach", NEEDED, p->link_native == 0 || p->link_generic == 0,
		    "A kernel with XDP links (Linux 5.9).",
		    "attached to a veth: native %s, generic %s",
		    p->link_native ? err_text(p->link_native) : "yes",
		    p->link_generic ? err_text(p->link_generic) : "yes");
	finding_add("bind", NEEDED, p->bind == 0, "See af_xdp above.",
		    "bound an AF_XDP socket to its queue, copy mode%s%s", p->bind ? ": " : "",
		    p->bind ? err_text(p->bind) : "");
	finding_add("multibuf", GAIN, p->bind_sg == 0, "Linux 6.6 or later.",
		    "packets larger than a frame (XDP_USE_SG)%s%s", p->bind_sg ? ": " : "",
		    p->bind_sg ? err_text(p->bind_sg) : "");
	finding_add("tx_csum", GAIN, p->tx_metadata == 0,
		    "Linux 6.11 or later; checksums are computed while copying till then.",
		    "transmit metadata (checksums by the device)%s%s", p->tx_metadata ? ": " : "",
		    p->tx_metadata ? err_text(p->tx_metadata) : "");
}

static void look_gains(const struct probe *p)
{
	finding_add("gso_door", GAIN, p->gso_door == 0,
		    p->gso_door == -EPERM ? "CAP_NET_RAW, see above."
					  : "A kernel built with CONFIG_PACKET=y.",
		    "packet sockets for bulk output%s%s", p->gso_door ? ": " : "",
		    p->gso_door ? err_text(p->gso_door) : "");
	finding_add("io_uring", GAIN, p->uring == 0,
		    "CONFIG_IO_URING=y, and sysctl kernel.io_uring_disabled=0.", "io_uring%s%s%s%s",
		    p->uring ? ": " : "", p->uring ? err_text(p->uring) : "",
		    (p->uring_ops & 15) == 15 ? ", with provided buffers" : "",
		    p->uring_ops & 16 ? ", with zero-copy send" : "");
}

/* ---- sysctls -------------------------------------------------------------------------------- */

static const struct sysctl {
	const char *name;
	long at_least; /* LONG_MIN: told only */
	const char *why;
} sysctls[] = {
	{"net.core.bpf_jit_enable", 1, "The steering program is interpreted: set it to 1."},
	{"net.core.somaxconn", 1024, "Bounds every backlog: raise it for busy servers."},
	{"net.ipv4.tcp_max_syn_backlog", 256, "Bounds half-open connections: raise it."},
	{"net.ipv4.tcp_rmem", LONG_MIN, NULL},
	{"net.ipv4.tcp_wmem", LONG_MIN, NULL},
	{"net.core.rmem_max", LONG_MIN, NULL},
	{"net.core.wmem_max", LONG_MIN, NULL},
	{"net.ipv4.tcp_congestion_control", LONG_MIN, NULL},
	{"net.ipv4.tcp_fin_timeout", LONG_MIN, NULL},
	{"net.ipv4.tcp_sack", LONG_MIN, NULL},
	{"net.ipv4.tcp_timestamps", LONG_MIN, NULL},
	{"net.ipv4.tcp_window_scaling", LONG_MIN, NULL},
	{"net.ipv4.tcp_slow_start_after_idle", LONG_MIN, NULL},
	{"net.ipv4.ip_local_port_range", LONG_MIN, NULL},
	{"kernel.unprivileged_bpf_disabled", LONG_MIN, NULL},
};
#define NSYSCTLS (sizeof(sysctls) / sizeof(sysctls[0]))

static bool sysctl_read(const char *name, char *value, size_t bytes)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	for (char *p = path + strlen("/proc/sys/"); *p; p++)
		if (*p == '.')
			*p = '/';
	f = fopen(path, "re");
	value[0] = 0;
	if (!f)
		return false;
	if (!fgets(value, (int)bytes, f))
		value[0] = 0;
	fclose(f);
	value[strcspn(value, "\n")] = 0;
	for (char *p = value; *p; p++)
		if (*p == '\t')
			*p = ' ';
	return true;
}

static void look_sysctls(void)
{
	char value[128];

	for (size_t i = 0; i < NSYSCTLS; i++) {
		const struct sysctl *s = &sysctls[i];

		if (s->at_least != LONG_MIN && sysctl_read(s->name, value, sizeof(value)))
			finding_add(s->name, GAIN, atol(value) >= s->at_least, s->why, "= %s",
				    value);
	}
}

/* ---- interfaces ----------------------------------------------------------------------------- */

/* Where there is none of IPv4. That of lo is what the kernel refuses by. */
static void default_iface6(char *name)
{
	char line[256], dev[IF_NAMESIZE];
	unsigned plen;
	FILE *f = fopen("/proc/net/ipv6_route", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %x %*s %*s %*s %*s %*s %*s %*s %15s", &plen, dev) == 2 &&
		    plen == 0 && strcmp(dev, "lo") != 0) {
			snprintf(name, IF_NAMESIZE, "%s", dev);
			break;
		}
	}
	if (f)
		fclose(f);
}

static void default_iface(char *name)
{
	char line[256];
	unsigned long dst, mask;
	FILE *f = fopen("/proc/net/route", "re");

	name[0] = 0;
	while (f && fgets(line, sizeof(line), f)) {
		char dev[IF_NAMESIZE];

		if (sscanf(line, "%15s %lx %*s %*s %*s %*s %*s %lx", dev, &dst, &mask) == 3 &&
		    dst == 0 && mask == 0) {
			snprintf(name, IF_NAMESIZE, "%s", dev);
			break;
		}
	}
	if (f)
		fclose(f);
	if (!*name)
		default_iface6(name);
}

static unsigned count_rx_queues(const char *ifname)
{
	char path[96];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", ifname);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += strncmp(e->d_name, "rx-", 3) == 0;
	if (d)
		closedir(d);
	return n;
}

static void iface_fill(struct iface *i, const char *name)
{
	char path[96], link[PATH_MAX], mtu[16] = "";
	ssize_t n;
	FILE *f;

	snprintf(i->name, sizeof(i->name), "%s", name);
	i->ifindex = if_nametoindex(name);
	i->queues = count_rx_queues(name);
	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", name);
	f = fopen(path, "re");
	if (f && fgets(mtu, sizeof(mtu), f))
		i->mtu = (unsigned)atoi(mtu);
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/sys/class/net/%s/device/driver", name);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = 0;
	snprintf(i->driver, sizeof(i->driver), "%.31s",
		 strrchr(link, '/') ? strrchr(link, '/') + 1 : "virtual");
	i->features_err = probe_xdp_features(i->ifindex, &i->features);
	i->native = i->features_err == 0 && (i->features & PROBE_XDP_REDIRECT);
	probe_xdp_attached(i->ifindex, &i->prog_id, &i->prog_mode);
	i->dispatched = i->prog_id ? probe_xdp_dispatched(i->ifindex) : 0;
}

static bool name_in(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, name, n) == 0 && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

static void look_ifaces(const char *only)
{
	char def[IF_NAMESIZE];
	struct ifaddrs *list = NULL;
	unsigned usable = 0;

	default_iface(def);
	if (getifaddrs(&list) != 0)
		list = NULL;
	for (struct ifaddrs *a = list; a; a = a->ifa_next) {
		struct iface *i = NULL;

		if ((a->ifa_flags & IFF_LOOPBACK) || (only && !name_in(only, a->ifa_name)))
			continue;
		for (unsigned j = 0; j < nifaces; j++)
			if (strcmp(ifaces[j].name, a->ifa_name) == 0)
				i = &ifaces[j];
		if (!i && nifaces < IFACES_MAX) {
			i = &ifaces[nifaces++];
			iface_fill(i, a->ifa_name);
			i->up = a->ifa_flags & IFF_UP;
			i->is_default = strcmp(def, i->name) == 0;
		}
		if (i && a->ifa_addr && a->ifa_addr->sa_family == AF_INET)
			i->has_v4 = true;
		if (i && a->ifa_addr && a->ifa_addr->sa_family == AF_INET6)
			i->has_v6 |= !IN6_IS_ADDR_LINKLOCAL(
				&((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr);
	}
	freeifaddrs(list);
	for (unsigned j = 0; j < nifaces; j++)
		usable += ifaces[j].up && (ifaces[j].has_v4 || ifaces[j].has_v6) &&
			  !ifaces[j].prog_id;
	finding_add("interface", NEEDED, usable > 0,
		    "An interface that is up, has an address, and no other XDP program.",
		    "%u of %u interfaces can be attached to%s%s", usable, nifaces,
		    *def ? "; the default route is through " : "; there is no default route", def);
}

static const char *iface_advice(const struct iface *i)
{
	if (!i->up)
		return "is down";
	if (!i->has_v4 && !i->has_v6)
		return "has no address but for a link-local one at most";
	if (i->dispatched)
		return "has programs attached by libxdp, which are left alone";
	if (i->prog_id)
		return "has another XDP program, which is left alone";
	if (i->features_err)
		return "the kernel does not tell what its driver can do (Linux 6.3 does)";
	if (!i->native)
		return "its driver has no XDP; generic mode serves";
	if (i->mtu > 3498 && !(i->features & PROBE_XDP_RX_SG))
		return "its MTU is too large for native mode without multi-buffer; generic serves";
	return "native and generic mode serve";
}

/* ---- telling -------------------------------------------------------------------------------- */

static void print_text(bool fine)
{
	for (unsigned i = 0; i < nfindings; i++) {
		const struct finding *f = &findings[i];

		printf("%-8s %-28s ",
		       f->ok               ? "ok"
		       : f->need == NEEDED ? "MISSING"
					   : "without",
		       f->id);
		tool_wrap(f->detail, 38, 100);
		if (*f->remedy) {
			printf("%38s", "");
			tool_wrap(f->remedy, 38, 100);
		}
	}
	if (nifaces)
		printf("\n%-16s %-10s %5s %6s %-8s %s\n", "interface", "driver", "mtu", "queues",
		       "xdp", "");
	for (unsigned i = 0; i < nifaces; i++)
		printf("%-16s %-10s %5u %6u %-8s %s%s\n", ifaces[i].name, ifaces[i].driver,
		       ifaces[i].mtu, ifaces[i].queues, ifaces[i].prog_mode,
		       ifaces[i].is_default ? "default route; " : "", iface_advice(&ifaces[i]));
	printf("\n%s\n", fine ? "Programs can be accelerated here."
			      : "Programs run here, on kernel sockets only.");
}

static void print_ifaces_json(void)
{
	json_begin("interfaces", '[');
	for (unsigned j = 0; j < nifaces; j++) {
		const struct iface *i = &ifaces[j];

		json_begin(NULL, '{');
		json_str("name", i->name);
		json_str("driver", i->driver);
		json_u64("mtu", i->mtu);
		json_u64("queues", i->queues);
		json_bool("up", i->up);
		json_bool("ipv4", i->has_v4);
		json_bool("ipv6", i->has_v6);
		json_bool("default_route", i->is_default);
		json_bool("native", i->native);
		json_bool("zerocopy", !i->features_err && (i->features & PROBE_XDP_ZEROCOPY));
		json_bool("multibuf", !i->features_err && (i->features & PROBE_XDP_RX_SG));
		json_str("xdp", i->prog_mode);
		json_u64("xdp_program", i->prog_id);
		json_u64("libxdp_programs", i->dispatched);
		json_str("advice", iface_advice(i));
		json_end('}');
	}
	json_end(']');
}

static void print_json(bool fine)
{
	char value[128];

	json_begin(NULL, '{');
	json_str("version", PACKAGE_VERSION);
	json_bool("accelerate", fine);
	json_begin("checks", '[');
	for (unsigned i = 0; i < nfindings; i++) {
		json_begin(NULL, '{');
		json_str("id", findings[i].id);
		json_bool("needed", findings[i].need == NEEDED);
		json_bool("ok", findings[i].ok);
		json_str("detail", findings[i].detail);
		json_str("remedy", *findings[i].remedy ? findings[i].remedy : NULL);
		json_end('}');
	}
	json_end(']');
	print_ifaces_json();
	json_begin("sysctls", '{');
	for (size_t i = 0; i < NSYSCTLS; i++)
		if (sysctl_read(sysctls[i].name, value, sizeof(value)))
			json_str(sysctls[i].name, value);
	json_end('}');
	json_end('}');
}

int check_machine(const char *iface, bool json)
{
	extern char **environ;
	struct probe p;
	bool fine = true;
	int err;

	knobs_load(&knobs, environ);
	err = probe_machine(&p, (uint64_t)knobs.umem_mb << 20, (uint64_t)knobs.arena_gb << 30);
	look_kernel();
	look_library();
	look_caps();
	if (err)
		finding_add("probe", NEEDED, false, "Look at dmesg for what the kernel ran into.",
			    "the trial did not end well: %s", strerror(-err));
	look_xdp(&p);
	look_memory(&p, &knobs);
	look_gains(&p);
	look_ifaces(iface);
	look_sysctls();
	for (unsigned i = 0; i < nfindings; i++)
		fine &= findings[i].ok || findings[i].need != NEEDED;
	if (json)
		print_json(fine);
	else
		print_text(fine);
	return fine ? CHECK_EXIT_ALL_FINE : CHECK_EXIT_KERNEL_ONLY;
}
