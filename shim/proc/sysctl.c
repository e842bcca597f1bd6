/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the namespace's sysctls into a stack's configuration: one table, a row per sysctl. A value
 * that is missing, not a number or out of the field's range leaves the kernel's default. Must make
 * raw system calls only: it runs inside the application's first listen() or connect().
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "shim/proc/knobs.h"
#include "shim/proc/log.h"
#include "shim/proc/sys.h"
#include "shim/proc/sysctl.h"

enum width { U8, U32, S32 };

struct row {
	const char *path; /* below /proc/sys/net/ */
	uint16_t offset;
	uint8_t width; /* enum width */
	uint8_t count;
	int64_t min, max;
};

#define ROW(path, field, width, min, max)                                   \
	{                                                                   \
		path, offsetof(struct stack_cfg, field), width, 1, min, max \
	}
#define ROW3(path, field, min, max)                                       \
	{                                                                 \
		path, offsetof(struct stack_cfg, field), U32, 3, min, max \
	}

static const struct row rows[] = {
	ROW3("ipv4/tcp_rmem", tcp_rmem, 256, INT_MAX),
	ROW3("ipv4/tcp_wmem", tcp_wmem, 256, INT_MAX),
	ROW("core/rmem_max", rmem_max, U32, 256, INT_MAX),
	ROW("core/wmem_max", wmem_max, U32, 256, INT_MAX),
	ROW("core/rmem_default", rmem_default, U32, 256, INT_MAX),
	ROW("core/wmem_default", wmem_default, U32, 256, INT_MAX),
	ROW("core/somaxconn", somaxconn, U32, 0, INT_MAX),
	ROW("ipv4/tcp_max_syn_backlog", tcp_max_syn_backlog, U32, 0, INT_MAX),
	ROW("ipv4/tcp_fin_timeout", tcp_fin_timeout_s, U32, 0, 3600),
	ROW("ipv4/tcp_keepalive_time", tcp_keepalive_time_s, U32, 1, 32767),
	ROW("ipv4/tcp_keepalive_intvl", tcp_keepalive_intvl_s, U32, 1, 32767),
	ROW("ipv4/tcp_keepalive_probes", tcp_keepalive_probes, U32, 1, 127),
	ROW("ipv4/tcp_syn_retries", tcp_syn_retries, U32, 1, 127),
	ROW("ipv4/tcp_syn_linear_timeouts", tcp_syn_linear_timeouts, U32, 0, 127),
	ROW("ipv4/tcp_synack_retries", tcp_synack_retries, U32, 0, 255),
	ROW("ipv4/tcp_retries2", tcp_retries2, U32, 0, 255),
	ROW("ipv4/tcp_orphan_retries", tcp_orphan_retries, U32, 0, 255),
	ROW("ipv4/tcp_max_tw_buckets", tcp_max_tw_buckets, U32, 0, INT_MAX),
	ROW("ipv4/tcp_max_orphans", tcp_max_orphans, U32, 0, INT_MAX),
	ROW("ipv4/tcp_challenge_ack_limit", tcp_challenge_ack_limit, U32, 0, INT_MAX),
	ROW("ipv4/tcp_adv_win_scale", tcp_adv_win_scale, S32, -31, 31),
	ROW("ipv4/tcp_notsent_lowat", tcp_notsent_lowat, U32, 0, UINT32_MAX),
	ROW("ipv4/tcp_sack", tcp_sack, U8, 0, 1),
	ROW("ipv4/tcp_timestamps", tcp_timestamps, U8, 0, 2),
	ROW("ipv4/tcp_window_scaling", tcp_window_scaling, U8, 0, 1),
	ROW("ipv4/tcp_slow_start_after_idle", tcp_slow_start_after_idle, U8, 0, 1),
	ROW("ipv4/tcp_moderate_rcvbuf", tcp_moderate_rcvbuf, U8, 0, 1),
	ROW("ipv4/tcp_abort_on_overflow", tcp_abort_on_overflow, U8, 0, 1),
	ROW("ipv4/tcp_tw_reuse", tcp_tw_reuse, U8, 0, 2),
	ROW("ipv4/tcp_dsack", tcp_dsack, U8, 0, 1),
	ROW("ipv4/tcp_frto", tcp_frto, U8, 0, 255),
	ROW("ipv4/tcp_early_retrans", tcp_early_retrans, U8, 0, 4),
	ROW("ipv4/tcp_recovery", tcp_recovery, U8, 0, 255),
	ROW("ipv4/tcp_ecn", tcp_ecn, U8, 0, 5),
	ROW("ipv4/tcp_ecn_fallback", tcp_ecn_fallback, U8, 0, 255),
	ROW("ipv4/tcp_retries1", tcp_retries1, U32, 0, 255),
	ROW("ipv4/tcp_mtu_probing", tcp_mtu_probing, U8, 0, 2),
	ROW("ipv4/tcp_base_mss", tcp_base_mss, U32, 48, 32767),
	ROW("ipv4/tcp_min_snd_mss", tcp_min_snd_mss, U32, 48, 32767),
	ROW("ipv4/tcp_mtu_probe_floor", tcp_mtu_probe_floor, U32, 48, 32767),
	ROW("ipv4/tcp_probe_interval", tcp_probe_interval_s, U32, 0, INT_MAX),
	ROW("ipv4/tcp_probe_threshold", tcp_probe_threshold, U32, 0, INT_MAX),
	ROW("ipv4/ip_no_pmtu_disc", ip_no_pmtu_disc, U8, 0, 3),
	ROW("ipv4/route/mtu_expires", mtu_expires_s, U32, 0, INT_MAX),
	ROW("ipv6/route/mtu_expires", mtu6_expires_s, U32, 0, INT_MAX),
	ROW("ipv4/route/min_pmtu", min_pmtu, U32, 68, 65535),
	ROW("ipv4/tcp_stdurg", tcp_stdurg, U8, 0, 1),
	ROW("ipv4/tcp_reordering", tcp_reordering, U32, 1, INT_MAX),
	ROW("ipv4/tcp_max_reordering", tcp_max_reordering, U32, 1, INT_MAX),
	ROW("ipv4/tcp_tw_reuse_delay", tcp_tw_reuse_delay_ms, U32, 1, 60000),
	ROW("ipv4/tcp_syncookies", tcp_syncookies, U8, 0, 2),
	ROW("ipv4/tcp_fastopen", tcp_fastopen, U32, 0, INT_MAX),
	ROW("ipv4/tcp_fastopen_blackhole_timeout_sec", tcp_fastopen_blackhole_timeout_s, U32, 0,
	    INT_MAX),
	ROW("ipv4/tcp_rfc1337", tcp_rfc1337, U8, 0, 1),
	ROW("ipv4/ip_default_ttl", ip_default_ttl, U8, 1, 255),
	ROW("ipv6/conf/all/hop_limit", ip6_hop_limit, U8, 1, 255),
	ROW("ipv6/auto_flowlabels", ip6_auto_flowlabels, U8, 0, 3),
};

/* The file's text, without its line end; false when it cannot be read. */
static bool sysctl_read(const char *name, char *buf, size_t size)
{
	char path[128];
	long n;
	int fd;

	log_format(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = sys_read(fd, buf, size - 1);
	sys_close(fd);
	if (n <= 0)
		return false;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return true;
}

/* The number at *p, which moves behind it and the blanks that follow. */
static bool parse_num(const char **p, int64_t *v)
{
	const char *s = *p;
	bool neg = *s == '-';
	int digits = 0;

	s += neg;
	for (*v = 0; *s >= '0' && *s <= '9' && digits < 18; s++, digits++)
		*v = *v * 10 + (*s - '0');
	if (!digits)
		return false;
	if (neg)
		*v = -*v;
	while (*s == ' ' || *s == '\t')
		s++;
	*p = s;
	return true;
}

static void row_load(const struct row *r, struct stack_cfg *cfg)
{
	uint8_t *field = (uint8_t *)cfg + r->offset;
	int64_t v[3];
	char buf[128];
	const char *p = buf;

	if (!sysctl_read(r->path, buf, sizeof(buf)))
		return;
	for (int i = 0; i < r->count; i++)
		if (!parse_num(&p, &v[i]) || v[i] < r->min || v[i] > r->max)
			return;
	for (int i = 0; i < r->count; i++) {
		uint32_t u = (uint32_t)v[i];

		if (r->width == U8)
			field[i] = (uint8_t)u;
		else
			memcpy(field + 4 * i, &u, 4);
	}
}

static void cc_load(struct stack_cfg *cfg)
{
	char buf[32];

	if (knobs.cc == KNOB_cc_reno)
		cfg->cc = CC_RENO;
	else if (knobs.cc == KNOB_cc_cubic)
		cfg->cc = CC_CUBIC;
	else if (knobs.cc == KNOB_cc_bbr)
		cfg->cc = CC_BBR;
	else if (sysctl_read("ipv4/tcp_congestion_control", buf, sizeof(buf)))
		cfg->cc = strcmp(buf, "reno") == 0  ? CC_RENO
			  : strcmp(buf, "bbr") == 0 ? CC_BBR
						    : CC_CUBIC;
}

/* "00112233-44556677-8899aabb-ccddeeff", a second one behind a comma; zeros: the kernel has none
 * yet. Readable by root alone: a listener's comes by getsockopt(). */
static void fastopen_key_load(struct fastopen_keys *keys)
{
	char buf[128];
	const char *p = buf;
	uint32_t w[4] = {0};
	unsigned i = 0;

	if (!sysctl_read("ipv4/tcp_fastopen_key", buf, sizeof(buf)))
		return;
	for (;; p++) {
		int v = *p >= '0' && *p <= '9'   ? *p - '0'
			: *p >= 'a' && *p <= 'f' ? *p - 'a' + 10
						 : -1;

		if (v >= 0) {
			w[i] = w[i] << 4 | (uint32_t)v;
			continue;
		}
		if (*p == '-' && i < 3) {
			i++;
			continue;
		}
		if (i != 3 || (w[0] | w[1] | w[2] | w[3]) == 0 || keys->n == FASTOPEN_KEYS)
			return;
		keys->k[keys->n][0] = (uint64_t)w[1] << 32 | w[0];
		keys->k[keys->n++][1] = (uint64_t)w[3] << 32 | w[2];
		if (*p != ',')
			return;
		memset(w, 0, sizeof(w));
		i = 0;
	}
}

void sysctl_stack_cfg(struct stack_cfg *cfg)
{
	stack_cfg_default(cfg);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		row_load(&rows[i], cfg);
	cc_load(cfg);
	fastopen_key_load(&cfg->tcp_fastopen_key);
	cfg->frames = (uint32_t)(((uint64_t)knobs.umem_mb << 20) / FRAME_BYTES);
}
