/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what the kernel grants, by trying. Must never touch an interface that exists, nor leave
 * anything behind: all of it happens in a child, and in namespaces that end with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <linux/io_uring.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "config.h"

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif
#ifdef HAVE_LIBXDP
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>
#endif

#include "shim/proc/family.h"
#include "shim/tool/nl.h"
#include "shim/tool/probe.h"

/* Newer than the headers of some distributions that the library is built on. */
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif
#define UMEM_TX_METADATA_LEN (1 << 2) /* XDP_UMEM_TX_METADATA_LEN, Linux 6.11 */
struct umem_reg {
	uint64_t addr, len;
	uint32_t chunk_size, headroom, flags, tx_metadata_len;
};

#define PROBE_LIMIT_MS 10000
#define RING_ENTRIES 64

static int err_of(long ret)
{
	return ret < 0 ? -errno : 0;
}

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long fd = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return fd < 0 ? -errno : (int)fd;
}

/* Loads "return XDP_PASS". The descriptor, or -Exxx. */
static int load_pass(void)
{
	static const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)pass,
		.insn_cnt = sizeof(pass) / sizeof(pass[0]),
		.license = (uintptr_t) "Dual BSD/GPL",
		.prog_flags = BPF_F_XDP_HAS_FRAGS,
		.expected_attach_type = BPF_XDP,
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int make_xskmap(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4, .max_entries = 4};
	int fd = bpf(BPF_MAP_CREATE, &attr);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int try_link(int prog, unsigned ifindex, uint32_t flags)
{
	union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t)prog,
					       .target_ifindex = ifindex,
					       .attach_type = BPF_XDP,
					       .flags = flags}};
	int fd = bpf(BPF_LINK_CREATE, &attr);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* An AF_XDP socket with rings and, registered, bytes of memory; *reg_err is its registration's. */
static int make_xsk(void *umem, uint64_t bytes, bool metadata, int *reg_err)
{
	struct umem_reg reg = {(uintptr_t)umem, bytes, 4096, 0, 0, 0};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), n = RING_ENTRIES;

	if (fd < 0)
		return -errno;
	if (metadata) {
		reg.flags = UMEM_TX_METADATA_LEN;
		reg.tx_metadata_len = 16;
	}
	*reg_err = err_of(setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg,
				     metadata ? sizeof(reg) : sizeof(struct xdp_umem_reg)));
	setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &n, sizeof(n));
	setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &n, sizeof(n));
	setsockopt(fd, SOL_XDP, XDP_RX_RING, &n, sizeof(n));
	setsockopt(fd, SOL_XDP, XDP_TX_RING, &n, sizeof(n));
	return fd;
}

/* A queue that was let go is free again a moment later: the kernel releases it from a worker. */
static int try_bind(int xsk, unsigned ifindex, uint16_t flags)
{
	struct sockaddr_xdp sa = {.sxdp_family = AF_XDP,
				  .sxdp_ifindex = ifindex,
				  .sxdp_flags = (uint16_t)(flags | XDP_COPY | XDP_USE_NEED_WAKEUP)};
	int err = 0;

	for (int i = 0; i < 50; i++) {
		err = err_of(bind(xsk, (struct sockaddr *)&sa, sizeof(sa)));
		if (err != -EBUSY)
			break;
		usleep(10000);
	}
	return err;
}

static int link_up(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	err = err_of(ioctl(fd, SIOCSIFFLAGS, &ifr));
	close(fd);
	return err;
}

/* In a namespace of our own: probe0 and probe1, joined. */
static int make_veth(void)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC};
	struct nlattr *info, *data, *peer;
	struct nl_msg m;
	char reply[4096] __attribute__((aligned(8)));
	int err;

	nl_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &ifi, sizeof(ifi));
	nl_put(&m, IFLA_IFNAME, "probe0", 7);
	info = nl_nest(&m, IFLA_LINKINFO, NULL, 0);
	nl_put(&m, IFLA_INFO_KIND, "veth", 4);
	data = nl_nest(&m, IFLA_INFO_DATA, NULL, 0);
	peer = nl_nest(&m, VETH_INFO_PEER, &ifi, sizeof(ifi));
	nl_put(&m, IFLA_IFNAME, "probe1", 7);
	nl_nest_end(&m, peer);
	nl_nest_end(&m, data);
	nl_nest_end(&m, info);
	err = nl_ask(NETLINK_ROUTE, &m, reply, sizeof(reply));
	if (err < 0)
		return err;
	err = link_up("probe0");
	return err ? err : link_up("probe1");
}

static void probe_veth(struct probe *p, int prog, void *umem)
{
	const uint64_t small = 256 * 4096;
	unsigned ifindex;
	int reg = 0, xsk;

	p->netns = err_of(unshare(CLONE_NEWNET));
	if (p->netns == 0)
		p->netns = make_veth();
	if (p->netns < 0)
		return;
	ifindex = if_nametoindex("probe0");
	if (prog >= 0) {
		p->link_native = try_link(prog, ifindex, XDP_FLAGS_DRV_MODE);
		p->link_generic = try_link(prog, ifindex, XDP_FLAGS_SKB_MODE);
	}
	xsk = make_xsk(umem, small, false, &reg);
	if (xsk >= 0) {
		p->bind = reg ? reg : try_bind(xsk, ifindex, 0);
		close(xsk);
	}
	xsk = make_xsk(umem, small, false, &reg);
	if (xsk >= 0) {
		p->bind_sg = reg ? reg : try_bind(xsk, ifindex, XDP_USE_SG);
		close(xsk);
	}
}

static int probe_gso_door(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, err;

	if (fd < 0)
		return -errno;
	err = err_of(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)));
	if (!err)
		err = err_of(setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)));
	close(fd);
	return err;
}

static int probe_arena(uint64_t bytes)
{
	int fd = memfd_create("shimrun-check", MFD_CLOEXEC), err = 0;
	void *at;

	if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
		return -errno;
	at = mmap(FAMILY_BASE, bytes, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
	if (at == MAP_FAILED)
		err = -errno;
	else
		munmap(at, bytes);
	close(fd);
	return err;
}

/* A ring, and in ops what of the operations that servers gain from the kernel knows. */
static int probe_uring(uint32_t *ops)
{
#ifdef HAVE_LIBURING
	static const int wanted[] = {IORING_OP_RECV, IORING_OP_SEND, IORING_OP_ACCEPT,
				     IORING_OP_PROVIDE_BUFFERS, IORING_OP_SEND_ZC};
	struct io_uring_probe *known;
	struct io_uring ring;
	int err = io_uring_queue_init(4, &ring, 0);

	if (err < 0)
		return err;
	known = io_uring_get_probe_ring(&ring);
	for (unsigned i = 0; known && i < sizeof(wanted) / sizeof(wanted[0]); i++)
		*ops |= (uint32_t)(io_uring_opcode_supported(known, wanted[i]) != 0) << i;
	io_uring_free_probe(known);
	io_uring_queue_exit(&ring);
	return 0;
#else
	struct io_uring_params up = {0};
	int fd = (int)syscall(SYS_io_uring_setup, 4, &up);

	*ops = 0;
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
#endif
}

static void probe_child(struct probe *p, uint64_t umem_bytes, uint64_t arena_bytes)
{
	int prog, fd, reg = 0;
	void *umem =
		mmap(NULL, umem_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	p->arena = probe_arena(arena_bytes);
	p->uring = probe_uring(&p->uring_ops);
	p->gso_door = probe_gso_door();
	p->xskmap = make_xskmap();
	prog = load_pass();
	p->prog = prog < 0 ? prog : 0;
	if (umem == MAP_FAILED) {
		p->umem = -ENOMEM;
		return;
	}
	fd = make_xsk(umem, umem_bytes, false, &p->umem);
	p->xsk = fd < 0 ? fd : 0;
	if (fd < 0)
		p->umem = PROBE_UNTRIED;
	else
		close(fd);
	fd = make_xsk(umem, 256 * 4096, true, &reg);
	if (fd >= 0) {
		p->tx_metadata = reg;
		close(fd);
	}
	probe_veth(p, prog, umem);
}

int probe_machine(struct probe *out, uint64_t umem_bytes, uint64_t arena_bytes)
{
	struct timespec tick = {0, 5000000};
	struct probe *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int err = -ETIMEDOUT;
	pid_t pid;

	if (p == MAP_FAILED)
		return -errno;
	p->xsk = p->umem = p->tx_metadata = p->xskmap = p->prog = p->netns = PROBE_UNTRIED;
	p->link_native = p->link_generic = p->bind = p->bind_sg = PROBE_UNTRIED;
	p->gso_door = p->arena = p->uring = PROBE_UNTRIED;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		probe_child(p, umem_bytes, arena_bytes);
		_exit(0);
	}
	if (pid < 0) {
		err = -errno;
		goto out;
	}
	for (int ms = 0; ms < PROBE_LIMIT_MS; ms += 5) {
		if (waitpid(pid, NULL, WNOHANG) == pid) {
			err = 0;
			goto out;
		}
		nanosleep(&tick, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
out:
	*out = *p;
	munmap(p, sizeof(*p));
	return err;
}

int probe_xdp_features(uint32_t ifindex, uint64_t *features)
{
	/* netdev.h of Linux 6.3: NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, _XDP_FEATURES */
	const uint8_t cmd_dev_get = 1, attr_ifindex = 1, attr_features = 3;
	struct genlmsghdr g = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
	char reply[4096] __attribute__((aligned(8)));
	const char *attrs = reply + NLMSG_HDRLEN + GENL_HDRLEN;
	const struct nlattr *a;
	struct nl_msg m;
	int n;

	nl_begin(&m, GENL_ID_CTRL, 0, &g, sizeof(g));
	nl_put(&m, CTRL_ATTR_FAMILY_NAME, "netdev", 7);
	n = nl_ask(NETLINK_GENERIC, &m, reply, sizeof(reply));
	a = n < 0 ? NULL : nl_find(attrs, n - (int)GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);
	if (!a)
		return n < 0 ? n : -ENOENT;
	g.cmd = cmd_dev_get;
	nl_begin(&m, *(const uint16_t *)nl_data(a), 0, &g, sizeof(g));
	nl_put(&m, attr_ifindex, &ifindex, sizeof(ifindex));
	n = nl_ask(NETLINK_GENERIC, &m, reply, sizeof(reply));
	a = n < 0 ? NULL : nl_find(attrs, n - (int)GENL_HDRLEN, attr_features);
	if (!a)
		return n < 0 ? n : -ENOENT;
	memcpy(features, nl_data(a), sizeof(*features));
	return 0;
}

int probe_xdp_attached(uint32_t ifindex, uint32_t *prog_id, const char **mode)
{
	static const char *const modes[] = {"none", "native", "generic", "hardware", "several"};
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
	char reply[16384] __attribute__((aligned(8)));
	const int head = NLMSG_ALIGN(sizeof(ifi));
	const struct nlattr *xdp, *a;
	struct nl_msg m;
	int n;

	*prog_id = 0;
	*mode = modes[0];
	nl_begin(&m, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	n = nl_ask(NETLINK_ROUTE, &m, reply, sizeof(reply));
	if (n < 0)
		return n;
	xdp = nl_find(reply + NLMSG_HDRLEN + head, n - head, IFLA_XDP);
	if (!xdp)
		return 0;
	a = nl_find(nl_data(xdp), xdp->nla_len - NLA_HDRLEN, IFLA_XDP_ATTACHED);
	if (a && *(const uint8_t *)nl_data(a) < sizeof(modes) / sizeof(modes[0]))
		*mode = modes[*(const uint8_t *)nl_data(a)];
	a = nl_find(nl_data(xdp), xdp->nla_len - NLA_HDRLEN, IFLA_XDP_PROG_ID);
	if (a)
		memcpy(prog_id, nl_data(a), sizeof(*prog_id));
	return 0;
}

unsigned probe_xdp_dispatched(uint32_t ifindex)
{
#ifdef HAVE_LIBXDP
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	int n;

	if (!mp || libxdp_get_error(mp))
		return 0;
	n = xdp_multiprog__is_legacy(mp) ? 0 : xdp_multiprog__program_count(mp);
	xdp_multiprog__close(mp);
	return n > 0 ? (unsigned)n : 0;
#else
	return 0;
#endif
}
