/* SPDX-License-Identifier: BSD-2-Clause */
/* The cases of sockdiff.c. Each says what it saw; nothing that depends on timing or on numbers that
 * the kernel draws may be said. */
#ifndef SOCKDIFF_CASES_H
#define SOCKDIFF_CASES_H

/* Until nothing more goes into a non-blocking socket, however its buffers grow. */
static void fill(int s)
{
	for (int i = 0; i < 10; i++) {
		while (send(s, big, sizeof(big), MSG_NOSIGNAL) > 0)
			i = 0;
		usleep(2000);
	}
}

/* A receive of n bytes with room for control messages, which tell says. */
static ssize_t recv_told(int s, void *b, size_t n, size_t room, int flags,
			 void (*tell)(struct msghdr *m))
{
	static char ctl[512];
	struct sockaddr_storage from;
	struct iovec v = {b, n};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = room};
	ssize_t r = res("recvmsg", recvmsg(s, &m, flags));

	if (r >= 0)
		tell(&m);
	return r;
}

#include "sockdiff_stream.h"
#include "sockdiff_setup.h"
#include "sockdiff_fds.h"
#include "sockdiff_dgram.h"
#include "sockdiff_fault.h"
#include "sockdiff_v6.h"
#include "sockdiff_udp.h"
#include "sockdiff_urgent.h"
#include "sockdiff_bytes.h"
#include "sockdiff_file.h"
#include "sockdiff_syn.h"
#include "sockdiff_zerocopy.h"

/* ---- the list ------------------------------------------------------------------------------- */

/* clang-format off */
ADD_CASES(first_cases,
	ONCE(accept_last_descriptor), /* before anything else has been accepted */
	BOTH(echo_small),
	BOTH(bulk_out),
	BOTH(bulk_in),
	BOTH(writev_order),
	BOTH(readv_scatter),
	BOTH(iov_limits),
	BOTH(zero_lengths),
	BOTH(nonblocking_empty),
	BOTH(nonblocking_fill),
	BOTH(peek),
	BOTH(peek_waitall),
	BOTH(trunc_drops),
	BOTH(waitall_eof),
	BOTH(waitall_timeout),
	BOTH(waitall_nonblock),
	BOTH(rcvlowat),
	BOTH(rcvtimeo),
	BOTH(sndtimeo_partial),
	BOTH(eintr_recv),
	BOTH(restart_recv),
	BOTH(restart_not_with_timeout),
	BOTH(recvmsg_fields),
	BOTH(sendto_connected),
	BOTH(mmsg_stream),
	BOTH(more_then_push),
	BOTH(cork),
	BOTH(peer_closes),
	BOTH(peer_resets),
	BOTH(reset_then_send),
	BOTH(reset_so_error),
	BOTH(reset_after_end),
	BOTH(reset_wakes),
	BOTH(sigpipe),
	BOTH(shutdown_wr),
	BOTH(shutdown_rd),
	BOTH(shutdown_rdwr),
	BOTH(shutdown_bad_how),
	BOTH(shutdown_wakes_reader),
	BOTH(close_with_unread_resets),
	BOTH(close_delivers),
	BOTH(linger_zero_resets),
	BOTH(linger_waits),
	{ "linger_waits_dup2", linger_waits, BOTH_WAYS, 1 },
	{ "linger_waits_range", linger_waits, BOTH_WAYS, 2 },
	BOTH(linger_gives_up),
	BOTH(names),
	BOTH(names_after_reset),
	ONCE(names_fresh),
	ONCE(bind_errors),
	BOTH(bind_connected),
	ONCE(listen_inuse),
	ONCE(listen_unbound),
	ONCE(listen_again),
	ONCE(listener_misuse),
	ONCE(accept_nonlistening),
	BOTH(accept_connected),
	ONCE(accept_empty),
	ONCE(accept_flags),
	ONCE(accept_inherits),
	ONCE(accept_dead),
	ONCE(accept_eintr),
	ONCE(listener_closes_queue),
	ONCE(listener_closes_accepted_lives),
	ONCE(listener_shut),
	ONCE(reuseport_two),
	ONCE(listener_poll_both_doors),
	ONCE(backlog_bounds),
	ONCE(connect_refused),
	ONCE(connect_nonblock),
	ONCE(connect_nonblock_refused),
	ONCE(connect_refused_then_connect),
	ONCE(connect_twice),
	ONCE(connect_errors),
	ONCE(connect_bound),
	ONCE(connect_no_port),
	ONCE(connect_dissolved),
	ONCE(unconnected),
	BOTH(opt_basics),
	BOTH(opt_roundtrip),
	ONCE(opt_early),
	BOTH(opt_congestion),
	BOTH(opt_lengths),
	BOTH(opt_tcp_info),
	BOTH(opt_cookie),
	BOTH(opt_zerocopy_late),
	BOTH(ioctl_queues),
	BOTH(ioctl_fin),
	BOTH(fionbio),
	BOTH(fcntl_flags),
	BOTH(stat_says_socket),
	BOTH(dup_lives),
	BOTH(dup_shares_flags),
	BOTH(dup2_over),
	BOTH(dup2_file_over),
	BOTH(close_errors),
	BOTH(close_range_some),
	BOTH(low_fd_reused),
	BOTH(close_while_reading),
	BOTH(fork_shares),
	ONCE(fork_listener),
	BOTH(sendfile_basics),
	BOTH(sendfile_short_file_arrives),
	BOTH(sendfile_nonblock),
	BOTH(sendfile_errors),
	BOTH(splice_in),
	BOTH(splice_out),
	BOTH(splice_full_pipe_loses_nothing),
	BOTH(splice_errors),
	BOTH(poll_states),
	BOTH(poll_waits),
	BOTH(select_waits),
	ONCE(udp_echo),
	ONCE(udp_any),
	ONCE(udp_truncation),
	ONCE(udp_zero_datagram),
	ONCE(udp_sizes),
	ONCE(udp_connected),
	ONCE(udp_refused),
	ONCE(udp_errors),
	ONCE(udp_shutdown),
	ONCE(udp_more),
	ONCE(udp_pktinfo),
	ONCE(udp_mmsg),
	ONCE(udp_sndbuf_opts),
	ONCE(udp_poll),
	ONCE(udp_bind_errors),
	ONCE(udp_both_doors),
	ONCE(udp_poll_both_doors),
	BOTH(fault_send),
	BOTH(fault_recv),
	BOTH(fault_when_broken),
	BOTH(fault_messages),
	BOTH(fault_names),
	ONCE(fault_accept),
	BOTH(fault_options),
	BOTH(fault_waits),
	BOTH(fault_events),
	BOTH(fault_sendfile),
	BOTH(fault_const),
	ONCE(fault_datagram),
	ONCE(fault_first),
	BOTH(fault_large),
	BOTH(fault_signal_mine),
	ONCE(v6_listener_serves_both),
	ONCE(v6_listener_v6only),
	ONCE(v6_ports_by_family),
	ONCE(v6_connects),
	ONCE(v6_connects_mapped),
	ONCE(v6_address_errors),
	ONCE(v6_mapped_listener),
	ONCE(v6_dissolved),
	ONCE(v6_names_cut),
	ONCE(v6_options),
	ONCE(v6_bulk),
	ONCE(v6_scope),
	ONCE(v6_udp_serves_both),
	ONCE(v6_udp_connected),
	ONCE(v6_udp_errors),
	ONCE(v6_udp_told),
	UDP_CASES,
	URGENT_CASES)
/* clang-format on */

/* Each of these adds its own. */
#include "sockdiff_bind.h"
#include "sockdiff_opts.h"
#include "sockdiff_events.h"
#include "sockdiff_wait.h"
#include "sockdiff_stamp.h"
#include "sockdiff_info.h"
#include "sockdiff_sets.h"
#include "sockdiff_async.h"
#include "sockdiff_pass.h"

#endif
