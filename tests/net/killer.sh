#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Workers that share a listener and a stack are killed at random instants while clients hammer them:
# the others go on, the dead ones' connections end, nothing stands still, nothing stays behind.
# KILLER_SEED repeats a run's choices; KILLER_KILLS changes their number.
# timeout: 110
# shellcheck source=tests/apps/lib.sh
. "$(dirname "$0")/../apps/lib.sh"
make -s -C "$builddir" tests/net/killer >&2 || exit 1
net_up || exit 1

SEED=${KILLER_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
KILLS=${KILLER_KILLS:-200}
PORT=7100
killer=$builddir/tests/net/killer
echo "# KILLER_SEED=$SEED KILLER_KILLS=$KILLS"

field() { sed -n "s/.*$2=\([0-9]*\).*/\1/p" "$work/$1"; }

srv server "$killer" server $PORT "$SEED" "$KILLS" 3
master=$pid
wait_port "$NS_SRV" 127.0.0.1 $PORT
cli "$killer" client "$IP_SRV" $PORT "$SEED" $((KILLS * 25 + 2000)) >"$work/during"
for _ in $(seq 300); do
	grep -q '^killed' "$work/server.log" && break
	sleep 0.1
done
check "all kills were made" grep -q '^killed' "$work/server.log"
inside=$(grep -c 'died inside the stack' "$work/server.log")
sending=$(grep -c 'died while it sent' "$work/server.log")
echo "# during: $(cat "$work/during"); died inside: $inside, while sending: $sending"
check "connections were served while workers died" [ "$(field during whole)" -gt 100 ]
check "some of the dead held the stack's lock" [ $((inside + sending)) -gt 0 ]
check "none stood still" [ "$(field during hung)" = 0 ]
check "no byte was wrong" [ "$(field during wrong)" = 0 ]
check "no assertion failed" bash -c "! grep ASSERT '$work/server.log'"
sleep 3 # the reaper's time
cli "$killer" client "$IP_SRV" $PORT "$SEED" 2000 >"$work/after"
echo "# after: $(cat "$work/after")"
check "the survivors serve on" [ "$(field after whole)" -gt 20 ]
check "and no connection ends early any more" [ "$(field after cut)$(field after hung)" = 00 ]
sleep 1
"$SHIMSTAT" --json "$master" >"$work/stat" 2>&1
"$SHIMSTAT" "$master" >"$work/stat.txt" 2>&1
check "every pool has come to rest" python3 "$srcdir/tests/net/pools.py" "$work/stat"
[ $tap_bad = 0 ] || sed "s/^/# /" "$work/stat.txt"
end_pid "$master" TERM
tap_done
