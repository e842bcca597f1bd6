/* SPDX-License-Identifier: BSD-2-Clause */
/* struct tcp_info as Linux 6.18 has it: headers end at Linux 5.4's. */
#ifndef STACK_TCP_INFO_ALL_H
#define STACK_TCP_INFO_ALL_H

#include <linux/tcp.h>
#include <stdint.h>

struct tcp_info_all {
	struct tcp_info ti;
	uint32_t rcv_wnd;
	uint32_t rehash;
	uint16_t total_rto, total_rto_recoveries;
	uint32_t total_rto_time_ms;
	uint32_t accecn[7]; /* not spoken */
	uint16_t accecn_fail_mode, accecn_opt_seen;
};

#endif
