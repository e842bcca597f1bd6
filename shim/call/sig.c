/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways to install a handler. All become signal_action(); the flags are what each of them means
 * in libc.
 */
#include "edge.h"

#include <string.h>

#include "shim/call/signal.h"

int call_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return EDGE(signal_action(sig, act, old));
}
EXPORT(sigaction);
EXPORT_AS(__sigaction, sigaction);

static sighandler_t sig_install(int sig, sighandler_t handler, int flags, bool mask_self)
{
	sighandler_t old = SIG_ERR;

	return EDGE(signal_install(sig, handler, flags, mask_self, &old)) < 0 ? SIG_ERR : old;
}

/* BSD's meaning: the handler stays, its signal is blocked meanwhile, calls are restarted. */
sighandler_t call_signal(int sig, sighandler_t handler)
{
	return sig_install(sig, handler, signal_interrupts(sig) ? 0 : SA_RESTART, true);
}
EXPORT(signal);
EXPORT_AS(bsd_signal, signal);
EXPORT_AS(ssignal, signal);

/* System V's: once, nothing blocked, calls are interrupted. SA_INTERRUPT says the last only to
 * those who ask for the old action. */
sighandler_t call_sysv_signal(int sig, sighandler_t handler)
{
	return sig_install(sig, handler, SA_RESETHAND | SA_NODEFER | SA_INTERRUPT, false);
}
EXPORT(sysv_signal);
EXPORT_AS(__sysv_signal, sysv_signal);

/* SIG_HOLD blocks the signal; any other disposition unblocks it. The old one is SIG_HOLD when it
 * was blocked. */
sighandler_t call_sigset(int sig, sighandler_t handler)
{
	sighandler_t old = SIG_ERR;
	sigset_t set, was;
	struct sigaction act;
	int ret;

	if (handler == SIG_ERR || sig <= 0 || sig >= NSIG) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigemptyset(&set);
	sigaddset(&set, sig);
	if (handler == SIG_HOLD) {
		if (sigprocmask(SIG_BLOCK, &set, &was) < 0)
			return SIG_ERR;
		if (sigismember(&was, sig))
			return SIG_HOLD;
		return EDGE(signal_action(sig, NULL, &act)) < 0 ? SIG_ERR : act.sa_handler;
	}
	ret = EDGE(signal_install(sig, handler, 0, false, &old));
	if (ret < 0 || sigprocmask(SIG_UNBLOCK, &set, &was) < 0)
		return SIG_ERR;
	return sigismember(&was, sig) ? SIG_HOLD : old;
}
EXPORT(sigset);

int call_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	int ret = libc.sigtimedwait(set, info, timeout);

	if (ret > 0 && info)
		signal_io_code(info);
	return ret;
}
EXPORT(sigtimedwait);

int call_sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	int ret = libc.sigwaitinfo(set, info);

	if (ret > 0 && info)
		signal_io_code(info);
	return ret;
}
EXPORT(sigwaitinfo);

int call_siginterrupt(int sig, int interrupt)
{
	struct sigaction act;
	int ret = EDGE(signal_action(sig, NULL, &act));

	if (ret < 0)
		return ret;
	signal_interrupts_set(sig, interrupt);
	if (interrupt)
		act.sa_flags &= ~SA_RESTART;
	else
		act.sa_flags |= SA_RESTART;
	return EDGE(signal_action(sig, &act, NULL));
}
EXPORT(siginterrupt);
