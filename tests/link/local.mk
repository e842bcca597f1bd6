# SPDX-License-Identifier: BSD-2-Clause
# A link with delay, rate and loss between two namespaces, and what is sent over it.
check_PROGRAMS += tests/link/bulk tests/link/emulate tests/link/transfer
EXTRA_DIST += tests/link/compare.sh tests/link/lib.sh tests/net/lossy.sh
