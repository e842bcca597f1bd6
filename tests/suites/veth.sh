#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs a command behind a veth: `veth.sh COMMAND ...` is in the client's namespace, and what it starts
# through `veth.sh --server [NAME=VALUE ...] COMMAND ...` is in the server's, with those variables.
# $SUITE_HOST is the server's address.
set -u
if [ "$1" = --server ]; then
	shift
	exec ip netns exec "$NET_SRV" env "$@"
fi
. "$(dirname "$0")/../../scripts/lib/net.sh"
net_guard
net_up || exit 1
export NET_SRV NET_CLI SUITE_HOST=$NET_SHIM_SRV
on_cli "$@" &
wait $!
