/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A link between two interfaces: takes every frame off one and puts it on the other, later, slower,
 * or not at all. For machines whose kernel has no such queueing discipline, and for both stacks
 * alike: it stands in a network namespace of its own, between the two that talk.
 *
 *   emulate IF1 IF2 [--delay-us N] [--rate-mbit N] [--queue-bytes N] [--loss-ppm N]
 *           [--reorder-ppm N] [--mark-bytes N] [--seed N] [--seconds N]
 *
 * Both directions alike: a queue of queue-bytes (tail drop) drains at the rate, then every frame
 * takes the delay. Random loss strikes before the queue. reorder-ppm of the frames skip the delay.
 * mark-bytes: with so much in the queue, ECT becomes CE (RFC 3168), checksums mended.
 * Random numbers come from the seed alone, a stream for each direction. Ends with SIGTERM, SIGINT
 * or after so many seconds, and says what it did.
 *
 * Frames must be no larger than SLOT_BYTES: turn off the segmentation offloads of the interfaces
 * on the far sides (ethtool -K IF tso off gso off gro off tx off); larger ones are counted and
 * dropped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SLOT_BYTES 2048u
#define SLOTS (1u << 17) /* on the way at once, in each direction: 0.2 s of 10 Gbit/s */
#define BATCH 64u
#define SOCKET_BYTES (64 << 20)
#define SPIN_NS 50000 /* a frame due so soon is waited for awake: a sleep would overshoot */

struct frame {
	uint64_t due_ns;
	uint32_t len;
};

/* One direction. Frames that keep their order stand in a ring; those that skip the delay go at
 * once. */
struct dir {
	const char *name;
	int in, out;
	uint8_t *bytes;       /* SLOTS of SLOT_BYTES */
	struct frame *frames; /* likewise */
	uint32_t head, tail;  /* free running */

	uint64_t free_ns; /* when the rate lets the next one begin */
	uint64_t rng;
	uint64_t nframes, nlost, nfull, nlarge, nmarked, nreordered, nbytes;
};

static struct {
	uint64_t delay_ns, rate_bps, queue_bytes, mark_bytes, loss_ppm, reorder_ppm, seed, seconds;
} cfg = {.queue_bytes = 64 << 20, .seed = 1};

static volatile sig_atomic_t done;

static void on_signal(int sig)
{
	done = sig;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* splitmix64 */
static uint64_t draw(struct dir *d)
{
	uint64_t z = d->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static bool strikes(struct dir *d, uint64_t ppm)
{
	return ppm && draw(d) % 1000000 < ppm;
}

static uint64_t wire_ns(uint32_t bytes)
{
	return cfg.rate_bps ? (uint64_t)bytes * 8000000000ull / cfg.rate_bps : 0;
}

/* The bytes that wait for the rate: what lies between now and the time it is free. */
static uint64_t queued_bytes(const struct dir *d, uint64_t now)
{
	if (!cfg.rate_bps || d->free_ns <= now)
		return 0;
	return (d->free_ns - now) * (cfg.rate_bps / 8000) / 1000000;
}

/* RFC 3168: ECT(0) and ECT(1) become CE. */
static bool mark(uint8_t *p, uint32_t len)
{
	uint8_t *ip = p + ETH_HLEN;
	uint16_t type;

	memcpy(&type, p + 12, sizeof(type));
	if (type == htons(ETH_P_IP) && len >= ETH_HLEN + 20 && (ip[1] & 3) && (ip[1] & 3) != 3) {
		uint16_t old, new, sum;
		uint32_t s;

		memcpy(&old, ip, 2);
		ip[1] |= 3;
		memcpy(&new, ip, 2);
		memcpy(&sum, ip + 10, 2);
		s = (uint16_t)~sum + (uint32_t)(uint16_t)~old + new; /* RFC 1624 */
		s = (s & 0xffff) + (s >> 16);
		s = (s & 0xffff) + (s >> 16);
		sum = (uint16_t)~s;
		memcpy(ip + 10, &sum, 2);
		return true;
	}
	if (type == htons(ETH_P_IPV6) && len >= ETH_HLEN + 40 && (ip[1] & 0x30) &&
	    (ip[1] & 0x30) != 0x30) {
		ip[1] |= 0x30;
		return true;
	}
	return false;
}

/* ---- in ------------------------------------------------------------------------------------- */

/* A frame lies in the slot at tail: is it to travel, and when does it arrive? */
static void frame_in(struct dir *d, uint32_t len, uint64_t now)
{
	struct frame *f = &d->frames[d->tail % SLOTS];
	uint8_t *p = d->bytes + (size_t)(d->tail % SLOTS) * SLOT_BYTES;
	uint64_t queued;

	if (len > SLOT_BYTES) {
		d->nlarge++;
		return;
	}
	if (strikes(d, cfg.loss_ppm)) {
		d->nlost++;
		return;
	}
	queued = queued_bytes(d, now);
	if (queued + len > cfg.queue_bytes) {
		d->nfull++;
		return;
	}
	if (cfg.mark_bytes && queued >= cfg.mark_bytes)
		d->nmarked += mark(p, len);
	if (d->free_ns < now)
		d->free_ns = now;
	d->free_ns += wire_ns(len);
	if (strikes(d, cfg.reorder_ppm) && send(d->out, p, len, MSG_DONTWAIT) >= 0) {
		d->nreordered++;
		return;
	}
	f->due_ns = d->free_ns + cfg.delay_ns;
	f->len = len;
	d->tail++;
}

/* Takes what has come. Each frame is received into the next free slots; those that don't travel
 * leave holes, which the ones behind are moved into. */
static void dir_receive(struct dir *d)
{
	struct mmsghdr m[BATCH];
	struct iovec iov[BATCH];
	uint32_t room = SLOTS - (d->tail - d->head), n = room < BATCH ? room : BATCH;
	uint32_t first = d->tail;
	uint64_t now;
	int got;

	for (uint32_t i = 0; i < n; i++) {
		iov[i].iov_base = d->bytes + (size_t)((first + i) % SLOTS) * SLOT_BYTES;
		iov[i].iov_len = SLOT_BYTES;
		memset(&m[i].msg_hdr, 0, sizeof(m[i].msg_hdr));
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	got = n ? recvmmsg(d->in, m, n, MSG_DONTWAIT | MSG_TRUNC, NULL) : 0;
	now = now_ns();
	for (int i = 0; i < got; i++) {
		uint8_t *to = d->bytes + (size_t)(d->tail % SLOTS) * SLOT_BYTES;

		d->nframes++;
		d->nbytes += m[i].msg_len;
		if (to != iov[i].iov_base && m[i].msg_len <= SLOT_BYTES)
			memcpy(to, iov[i].iov_base, m[i].msg_len);
		frame_in(d, m[i].msg_len, now);
	}
}

/* ---- out ------------------------------------------------------------------------------------ */

/* Sends what is due. Returns when the next one is; UINT64_MAX: none. */
static uint64_t dir_send(struct dir *d, uint64_t now)
{
	struct mmsghdr m[BATCH];
	struct iovec iov[BATCH];

	while (d->head != d->tail && d->frames[d->head % SLOTS].due_ns <= now) {
		uint32_t n = 0;
		int sent;

		while (n < BATCH && d->head + n != d->tail &&
		       d->frames[(d->head + n) % SLOTS].due_ns <= now) {
			uint32_t slot = (d->head + n) % SLOTS;

			iov[n].iov_base = d->bytes + (size_t)slot * SLOT_BYTES;
			iov[n].iov_len = d->frames[slot].len;
			memset(&m[n].msg_hdr, 0, sizeof(m[n].msg_hdr));
			m[n].msg_hdr.msg_iov = &iov[n];
			m[n].msg_hdr.msg_iovlen = 1;
			n++;
		}
		sent = sendmmsg(d->out, m, n, MSG_DONTWAIT);
		if (sent <= 0) { /* ENOBUFS, EAGAIN: the far side is behind; nothing is lost here */
			if (errno == ENETDOWN || errno == ENXIO)
				d->head += n;
			return now + SPIN_NS;
		}
		d->head += (uint32_t)sent;
	}
	return d->head == d->tail ? UINT64_MAX : d->frames[d->head % SLOTS].due_ns;
}

static void link_wait(struct dir dir[2], uint64_t due)
{
	struct pollfd p[2] = {{.fd = dir[0].in, .events = POLLIN},
			      {.fd = dir[1].in, .events = POLLIN}};
	struct timespec ts;
	uint64_t now = now_ns();

	if (due <= now + SPIN_NS) /* awake; receives in passing */
		return;
	due = due == UINT64_MAX ? 100000000 : due - now - SPIN_NS / 2;
	ts.tv_sec = (time_t)(due / 1000000000u);
	ts.tv_nsec = (long)(due % 1000000000u);
	ppoll(p, 2, &ts, NULL);
}

/* ---- set-up --------------------------------------------------------------------------------- */

static void fail(const char *what)
{
	fprintf(stderr, "emulate: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int port_open(const char *ifname)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, size = SOCKET_BYTES;
	struct packet_mreq mr = {.mr_type = PACKET_MR_PROMISC};

	if (fd < 0)
		fail("socket");
	ll.sll_ifindex = mr.mr_ifindex = (int)if_nametoindex(ifname);
	if (!ll.sll_ifindex)
		fail(ifname);
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&ll, sizeof(ll)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr, sizeof(mr)))
		fail(ifname);
	return fd;
}

static void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static uint64_t number(const char *s, const char *what)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno || end == s || *end) {
		fprintf(stderr, "emulate: --%s takes a number, not '%s'\n", what, s);
		exit(2);
	}
	return v;
}

static void options(int argc, char **argv)
{
	static const struct option opts[] = {
		{"delay-us", 1, NULL, 'd'},
		{"rate-mbit", 1, NULL, 'r'},
		{"queue-bytes", 1, NULL, 'q'},
		{"loss-ppm", 1, NULL, 'l'},
		{"reorder-ppm", 1, NULL, 'o'},
		{"mark-bytes", 1, NULL, 'm'},
		{"seed", 1, NULL, 's'},
		{"seconds", 1, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	uint64_t *const field[] = {&cfg.delay_ns, &cfg.rate_bps,    &cfg.queue_bytes,
				   &cfg.loss_ppm, &cfg.reorder_ppm, &cfg.mark_bytes,
				   &cfg.seed,     &cfg.seconds};
	int i;

	while (getopt_long(argc, argv, "", opts, &i) != -1) {
		if (!optarg) {
			fprintf(stderr, "usage: see the head of tests/link/emulate.c\n");
			exit(2);
		}
		*field[i] = number(optarg, opts[i].name);
	}
	cfg.delay_ns *= 1000;
	cfg.rate_bps *= 1000000;
	if (argc - optind != 2) {
		fprintf(stderr, "usage: emulate IF1 IF2 [--delay-us N] [--rate-mbit N] ...\n");
		exit(2);
	}
}

static void report(const struct dir *d)
{
	fprintf(stderr,
		"%s: %llu frames, %llu bytes, %llu lost, %llu dropped (queue full), %llu too "
		"large, %llu marked, %llu ahead of their turn\n",
		d->name, (unsigned long long)d->nframes, (unsigned long long)d->nbytes,
		(unsigned long long)d->nlost, (unsigned long long)d->nfull,
		(unsigned long long)d->nlarge, (unsigned long long)d->nmarked,
		(unsigned long long)d->nreordered);
}

int main(int argc, char **argv)
{
	struct dir dir[2] = {{.name = "forth"}, {.name = "back"}};
	struct sigaction sa = {.sa_handler = on_signal};
	uint64_t end;

	options(argc, argv);
	prctl(PR_SET_TIMERSLACK, 1ul);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	dir[0].in = dir[1].out = port_open(argv[optind]);
	dir[1].in = dir[0].out = port_open(argv[optind + 1]);
	for (int i = 0; i < 2; i++) {
		dir[i].bytes = memory((size_t)SLOTS * SLOT_BYTES);
		dir[i].frames = memory(SLOTS * sizeof(*dir[i].frames));
		dir[i].rng = cfg.seed * 2 + (uint64_t)i;
	}
	end = cfg.seconds ? now_ns() + cfg.seconds * 1000000000u : UINT64_MAX;
	puts("ready");
	fflush(stdout);
	while (!done) {
		uint64_t now, due, due1;

		dir_receive(&dir[0]);
		dir_receive(&dir[1]);
		now = now_ns();
		if (now >= end)
			break;
		due = dir_send(&dir[0], now);
		due1 = dir_send(&dir[1], now);
		link_wait(dir, due < due1 ? due : due1);
	}
	report(&dir[0]);
	report(&dir[1]);
	return 0;
}
