/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may attach, who may go on after dropping privileges, and who was there before. */
#include "dev_rig.h"

static int as_nobody(int (*fn)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(1);
		failed = false;
		_exit(fn());
	}
	return reap(pid);
}

static int nobody_opens(void)
{
	enum verdict why = VERDICT_undecided;

	fake_init_again();
	CHECK(dev_open(fake_sr, if_a, &why) < 0 && why == VERDICT_no_permission);
	return failed;
}

/* A worker that has given up its privileges goes on as before. */
static int nobody_works(void)
{
	struct endpoint any = ep("0.0.0.0", 7000);
	struct ip_addr b = ip_addr_v4(inet_addr(ADDR_B)), b6 = a6(ADDR6_B, 0);

	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any) == 0);
	CHECK(turn_until(4, WAIT_MS));
	claim_del(fake_sr, IPPROTO_UDP, &any);
	fake_rx_clear(); /* the frames are the family's, the list of them is this process's */
	CHECK(resolves(&b) && resolves(&b6));
	fake_rx_clear();
	return failed;
}

static int peer_sends_late(void)
{
	int i, err = 0;

	for (i = 0; i < 10; i++) {
		usleep(100000);
		err |= peer_sends_sizes();
	}
	return err;
}

void privileges(void)
{
	pid_t pid;

	begin();
	CHECK(as_nobody(nobody_opens) == 0);
	end("without_privileges_says_no_permission");
	begin();
	run("ip -n %s neigh flush dev %s", ns_a, if_a);
	pid = peer(peer_sends_late);
	CHECK(as_nobody(nobody_works) == 0);
	CHECK(reap(pid) == 0);
	end("works_on_after_privileges_are_dropped");
}

/* Forked before anything was attached; told by the pipe when it was. */
static int early_fd[2];

pid_t early_bird(void)
{
	struct endpoint any = ep("0.0.0.0", 7000);
	char c;
	pid_t pid;

	if (pipe(early_fd))
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	alarm(100);
	close(early_fd[1]);
	family->procs[1].pid = getpid();
	failed = false;
	if (read(early_fd[0], &c, 1) != 1)
		_exit(1);
	pid = peer(peer_sends_late);
	CHECK(!dev_rx_pending(fake_sr) || dev_rx(fake_sr, 1, now_ns()) == 0);
	CHECK(claim_add(fake_sr, IPPROTO_UDP, &any) == 0);
	CHECK(turn_until(4, WAIT_MS));
	claim_del(fake_sr, IPPROTO_UDP, &any);
	CHECK(reap(pid) == 0);
	fake_rx_clear();
	_exit(failed);
}

void early_bird_joins(pid_t pid)
{
	begin();
	CHECK(write(early_fd[1], "", 1) == 1);
	CHECK(reap(pid) == 0);
	family->procs[1].pid = 0;
	end("a_process_that_was_there_before_catches_up");
}
