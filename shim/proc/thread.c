/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread's own record. Static TLS: it is there before the first call and in signal handlers. */
#include "shim/proc/thread.h"

__thread struct thread thread_self;
