/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loss recovery: decides which bytes are lost, when recovery begins and ends, how much may be sent
 * meanwhile, and which timer is wanted. It reports facts and must never touch cwnd, arm a timer or
 * see the connection.
 *
 * With SACK: RACK (RFC 8985 6) with DupThresh as in RFC 6675; tail loss probe (RFC 8985 7).
 * Without: NewReno (RFC 6582) by counting duplicate ACKs. Limited transmit (RFC 3042), PRR (RFC
 * 9937, which replaces 6937), RTO (RFC 6298 5.4-5.6). What proves to have been needless is undone
 * (undo.c): a timeout by F-RTO (RFC 5682), both kinds by timestamps (Eifel, RFC 3522) and by D-SACK
 * (RFC 3708).
 *
 * How the connection calls it:
 *   output    recovery_room() says how many bytes may go; sent_next_lost() first, then new data
 *             (the other way round while recovery_wants_new(); recovery_no_new() when there is
 *             none);
 *             after each segment recovery_sent() or recovery_retransmitted().
 *   an ACK    recovery_ack(), then by what it reports:
 *               leave     cc_post_recovery(), unless left_loss
 *               cc_ack    cc_ack_received()
 *               enter     cc_cong_signal(CC_SIGNAL_NDUPACK), with out.prior_flight_bytes
 *               tlp_repaired   the same; enter and tlp_repaired together are one congestion
 *             then recovery_prr() with the ssthresh that results, then output. First of all:
 *               undo      cc_undo()
 *   timers    after any of the above: recovery_timer() gives the one timer wanted. When it fires:
 *               RTO       recovery_timeout(); cc_cong_signal() with CC_SIGNAL_RTO if that was true,
 *                         else CC_SIGNAL_RTO_AGAIN; rtt_backoff(); output
 *               REO       recovery_reo_timeout(), then as after an ACK
 *               TLP       recovery_probe() names the piece; send it (or one segment of new data,
 *                         which is better), then recovery_probe_sent()
 */
#ifndef STACK_TCP_RECOVERY_H
#define STACK_TCP_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "../seq.h"
#include "rtt.h"
#include "sent.h"

#define RECOVERY_DUPTHRESH 3u /* RFC 5681 3.2 */

enum recovery_state {
	RECOVERY_OPEN, /* nothing believed lost */
	RECOVERY_FAST, /* repairing by SACK or duplicate ACKs, until point is acknowledged */
	RECOVERY_LOSS, /* the RTO fired: repairing in slow start, until point is acknowledged */
};

/* Why a recovery proved needless. */
enum recovery_undo {
	RECOVERY_UNDO_NONE,
	RECOVERY_UNDO_FRTO,  /* what was never sent again arrived after the timeout */
	RECOVERY_UNDO_EIFEL, /* the ACK echoes a time before the first retransmission */
	RECOVERY_UNDO_DSACK, /* all that was sent again had arrived before */
};

/* RFC 5682 */
enum recovery_frto {
	FRTO_OFF,
	FRTO_HEAD, /* step 2: the head was sent again, and nothing else */
	FRTO_NEW,  /* step 3: new data is sent, and what is lost waits */
};

/* The sysctls' part. */
struct recovery_cfg {
	bool tlp, frto;
	bool reo_fixed;      /* the reordering window does not adapt (tcp_recovery 2) */
	bool no_dupthresh;   /* nor does DupThresh close it (tcp_recovery 4) */
	uint32_t reordering; /* DupThresh in segments; grows up to: */
	uint32_t reordering_max;
};

struct recovery {
	uint8_t state;   /* enum recovery_state */
	bool sack;       /* the peer sends SACK */
	bool reord_seen; /* RFC 8985: reordering was observed on this path */
	bool rack_valid;
	bool tlp_out;    /* a probe is out (RFC 8985 7.3) */
	bool tlp_rexmit; /* and it was a retransmission */
	bool dsack_round_valid;
	bool point_valid;        /* RFC 6582 step 1: point still bounds the next fast retransmit */
	uint8_t reo_wnd_mult;    /* quarters of min_rtt */
	uint8_t reo_wnd_persist; /* recoveries until mult falls back to 1 */
	uint8_t rto_row;         /* timeouts since una last moved */
	uint32_t dupacks; /* in a row; for SACK peers those that brought new SACK information */
	uint32_t reno_sacked_bytes; /* without SACK: what duplicate ACKs say has left the network */
	struct seq point;           /* snd_nxt when recovery began */
	struct seq tlp_end;         /* snd_nxt when the probe was sent */
	struct seq dsack_round;     /* reo_wnd_mult grows once per round trip */
	uint64_t rack_tx_ns;        /* of the most recently sent segment known delivered */
	struct seq rack_end;
	uint64_t rack_rtt_ns;
	uint64_t reo_ns;      /* when the next record in flight will count as lost; 0: none */
	uint64_t rto_base_ns; /* the RTO runs from here */
	uint64_t tlp_base_ns; /* the probe timeout runs from here */
	uint32_t prr_delivered, prr_out, prr_start_bytes, prr_sndcnt; /* RFC 6937, bytes */
	uint32_t recoveries;                                          /* times FAST was entered */
	uint32_t timeouts;                                            /* times LOSS was entered */
	uint32_t lost_total_bytes; /* ever marked lost; for TCP_INFO, wraps */
	uint32_t dsacked_bytes;    /* reported twice received since recovery began */
	uint32_t dsacks;           /* D-SACKs ever */
	uint32_t reord_times;      /* reordering seen, ever */
	uint32_t reordering;       /* segments that may pass another before it counts as lost */
	uint64_t renege_ns;        /* the head is sacked: forget all that is from here on; 0: not */
	bool tlp_no_rtt;           /* no RTT sample since the last probe (RFC 8985 7.3) */
	/* undo.c: the present recovery, or the last one */
	bool undo_valid;     /* its needlessness could still be proved */
	bool undo_loss;      /* it began by a timeout */
	bool undo_rexmit;    /* something was sent again since it began */
	uint8_t frto;        /* enum recovery_frto */
	uint32_t undo_out;   /* bytes sent again since it began and not reported as duplicates */
	uint32_t frto_sent;  /* new bytes sent in step 3 */
	uint64_t undo_tx_ns; /* its first retransmission, or an older one still in flight then */
	struct seq undo_una; /* una when it began */
	struct seq undo_end; /* snd_nxt when it ended: D-SACKs come until that is acknowledged */
	struct recovery_cfg cfg;
};

struct recovery_in {
	struct seq ack;                /* SEG.ACK, una <= ack <= nxt */
	const struct sack_block *sack; /* blocks of the segment's option; NULL: none */
	unsigned nsack;
	bool dupack;   /* RFC 5681 2: no data, no SYN or FIN, same window, ack == una,
			  and something outstanding */
	bool ts_valid; /* ts_rtt_ns is a sample from the timestamp echoed (RFC 7323) */
	uint64_t ts_rtt_ns;
	uint64_t ts_sent_ms; /* when what it echoes was sent: now_ns then, in ms */
	uint32_t mss;
};

struct recovery_out {
	struct sent_ack ack; /* what the ACK brought to the sent-map */
	uint32_t newly_lost_bytes;
	uint32_t prior_pipe_bytes;   /* before the ACK */
	uint32_t prior_flight_bytes; /* before the ACK: FlightSize (RFC 5681 2), for ssthresh */
	bool progress;               /* una moved */
	bool enter;                  /* FAST begins: congestion */
	bool leave;                  /* FAST or LOSS is over */
	bool left_loss;              /* ... and it was LOSS */
	bool tlp_repaired;           /* a probe repaired a loss: congestion (RFC 8985 7.4.2) */
	bool cc_ack;                 /* una moved outside FAST: congestion control is to be told */
	bool rtt_taken;              /* rtt was given a sample */
	bool spurious_tlp;           /* the probe was needless */
	bool undone_loss;            /* undo was that of a timeout */
	uint8_t undo;                /* enum recovery_undo: the last congestion signal was wrong */
};

/* sack: the peer permits it. Configured as Linux's defaults. */
void recovery_init(struct recovery *r, bool sack);
void recovery_configure(struct recovery *r, const struct recovery_cfg *cfg);

/*
 * An acceptable ACK: SACK blocks and the cumulative acknowledgment go to m, the RTT sample to rtt,
 * losses are marked, the state moves.
 */
void recovery_ack(struct recovery *r, struct sent_map *m, struct rtt *rtt,
		  const struct recovery_in *in, uint64_t now_ns, struct recovery_out *out);

/* New data was sent: sent_push() and the bases of the timers. Arguments as sent_push(). */
void recovery_sent(struct recovery *r, struct sent_map *m, uint32_t len, unsigned flags,
		   uint64_t now_ns);

/* len numbers from rec's start were sent again; as sent_retransmitted(). */
void recovery_retransmitted(struct recovery *r, struct sent_map *m, struct sent_rec *rec,
			    uint32_t len, uint64_t now_ns);

/* Bytes believed in flight: RFC 6675's pipe; without SACK each duplicate ACK takes one MSS off. */
uint32_t recovery_pipe(const struct recovery *r, const struct sent_map *m);

/*
 * Bytes that may be sent now, by congestion (the peer's window is the caller's): cwnd minus pipe;
 * in FAST what PRR allows; limited transmit included. May be less than an MSS.
 */
uint32_t recovery_room(const struct recovery *r, const struct sent_map *m, uint32_t cwnd,
		       uint32_t mss);

/* F-RTO waits for new data to be sent, before what is lost. Step 3 of RFC 5682 takes two segments;
 * recovery_room() has the bound. */
static inline bool recovery_wants_new(const struct recovery *r)
{
	return r->state == RECOVERY_LOSS && r->frto == FRTO_NEW;
}

/* There is no new data to send, or no window for it. True: go on with what is lost. */
bool recovery_no_new(struct recovery *r);

/* Congestion control was told of something else since: the recovery's reduction is not the last. */
static inline void recovery_undo_forget(struct recovery *r)
{
	r->undo_valid = false;
}

/* The SYN that is outstanding has been sent more than once, again at again_ns for the first time:
 * for a passive connection, whose SYN-ACKs were sent before it was. */
void recovery_syn_resent(struct recovery *r, struct sent_map *m, uint64_t again_ns,
			 uint64_t now_ns);

/* The peer has acknowledged the SYN and not the data that went with it: to be sent again, which
 * says nothing of congestion (RFC 7413 4.2.1). */
void recovery_syn_data_lost(struct recovery *r, struct sent_map *m);

/* RFC 9937: after each ACK in FAST, with the ssthresh congestion control has settled on. */
void recovery_prr(struct recovery *r, const struct sent_map *m, const struct recovery_out *out,
		  uint32_t ssthresh, uint32_t mss);

enum recovery_timer {
	RECOVERY_TIMER_NONE,
	RECOVERY_TIMER_RTO,
	RECOVERY_TIMER_REO,
	RECOVERY_TIMER_TLP
};

/*
 * The timer wanted, and when (absolute). NONE when nothing is outstanding. may_probe: false where a
 * probe makes no sense (not yet established, or the peer's window is shut).
 */
enum recovery_timer recovery_timer(const struct recovery *r, const struct sent_map *m,
				   const struct rtt *rtt, uint32_t mss, bool may_probe,
				   uint64_t *at_ns);

/*
 * The RTO fired with data outstanding: everything not sacked is lost, LOSS begins (or goes on, when
 * it strikes again). True when this is a new loss: ssthresh falls once for each (RFC 5681 3.1), and
 * for one that fast recovery could not repair it has fallen. The FlightSize for congestion control
 * is sent_out_bytes() before the call.
 */
bool recovery_timeout(struct recovery *r, struct sent_map *m, uint64_t now_ns);

/* The reordering timer fired (RFC 8985 6.3): may mark losses and enter FAST. */
void recovery_reo_timeout(struct recovery *r, struct sent_map *m, const struct rtt *rtt,
			  uint32_t mss, uint64_t now_ns, struct recovery_out *out);

/*
 * The probe timer fired and there is no new data to send: the record whose last mss bytes are to be
 * sent again (split off where it is longer), or NULL: let the RTO do it.
 */
struct sent_rec *recovery_probe(struct recovery *r, struct sent_map *m, uint32_t mss);
/* It was sent (and recovery_sent() or recovery_retransmitted() called). rexmit: it was old data.
 * Also to be called when nothing could be sent, with sent false: the RTO takes over. */
void recovery_probe_sent(struct recovery *r, const struct sent_map *m, bool sent, bool rexmit);

/*
 * Output was not possible though a timer wanted it (no route, no frame): the RTO runs again from
 * now.
 */
static inline void recovery_rto_restart(struct recovery *r, uint64_t now_ns)
{
	r->rto_base_ns = now_ns;
}

#endif
