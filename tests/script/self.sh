#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The runner itself: scripts that must fail do fail, at the line and for the reason that they should,
# and scripts that can't be read are refused with file and line.
# shellcheck disable=SC2154
set -u
run=$builddir/tests/script/run
given=$srcdir/tests/script/given
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0
bad=0

say() { # say OK NAME
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		sed 's/^/# /' "$dir/out"
		echo "not ok $n - $2"
		bad=1
	fi
}

# The script on standard input ends with status STATUS and says WORDS (a basic regular expression).
wants() { # wants STATUS WORDS NAME
	cat >"$dir/t.trace"
	"$run" --given "$given" "$dir/t.trace" >"$dir/out" 2>&1
	[ $? = "$1" ] && grep -q -e "$2" "$dir/out"
	say $? "$3"
}

wants 0 '^ok 1 - stack v4' 'a right script passes' <<'E'
given established
< P. 1:11(10) ack 1
+0~+0.05 > . 1:1(0) ack 11
read(c, 100) = 10
E
wants 1 't.trace:3: .*' 'a wrong flag is seen' <<'E'
given listen
< S 0:0(0)
> S 0:0(0)
E
wants 1 'flags: got > S. 0:0(0) ack 1' 'what was seen is told in the same language' <<'E'
given listen
< S 0:0(0)
> R. 0:0(0) ack 1
E
wants 1 'ack: got' 'a wrong ack is seen' <<'E'
given listen
< S 0:0(0)
> S. 0:0(0) ack 2
E
wants 1 'window: got' 'a wrong window is seen' <<'E'
given listen
< S 0:0(0)
> S. 0:0(0) ack 1 win 17
E
wants 1 'options: got' 'a wrong option is seen' <<'E'
given listen
< S 0:0(0) <mss 1000>
> S. 0:0(0) ack 1 <mss 1>
E
wants 1 'options: got' 'an option too many is seen' <<'E'
given listen
< S 0:0(0) <mss 1000,sackOK>
> S. 0:0(0) ack 1 <mss MSS>
E
wants 1 'options: got' 'an option too few is seen' <<'E'
given listen
< S 0:0(0) <mss 1000>
> S. 0:0(0) ack 1 <mss MSS,sackOK>
E
wants 1 'nothing was sent until' 'silence is seen' <<'E'
given listen
> S. 0:0(0) ack 1
E
wants 1 'too early' 'what comes too early is seen' <<'E'
given listen
< S 0:0(0)
+0.01 > S. 0:0(0) ack 1
E
wants 1 'nothing was sent until' 'what comes too late is seen' <<'E'
given established
write(c, 100)
> P. 1:101(100) ack 1
+0.1 > P. 1:101(100) ack 1
E
wants 1 'sent and not asked for' 'what nobody asked for is seen at the end' <<'E'
given listen
< S 0:0(0)
E
wants 1 'came > S.' 'quiet sees what comes' <<'E'
given listen
< S 0:0(0)
+0.01 quiet
E
wants 1 'it returned 10' 'a wrong result is seen' <<'E'
given established
< P. 1:11(10) ack 1
+0~+0.05 > . 1:1(0) ack 11
read(c, 100) = 11
E
wants 1 'it returned EAGAIN' 'an error is seen' <<'E'
given established
read(c, 100) = 1
E
wants 1 'it returned 0' 'an error that does not come is seen' <<'E'
l = socket(tcp)
bind(l, :80) = EINVAL
E
wants 1 'it returned ESTABLISHED' 'a wrong state is seen' <<'E'
given established
state(c) = CLOSED
E
wants 1 'it returned OUT' 'a wrong readiness is seen' <<'E'
given established
poll(c) = IN|OUT
E
wants 1 'still blocks' 'a call that does not return is seen' <<'E'
given established
+0...0.5 read(c, 10) = 10
E
wants 1 'it returned after 0.2' 'a call that returns too early is seen' <<'E'
given established
+0...0.5 read(c, 10) = 10
+0.2 < P. 1:11(10) ack 1
+0~+0.05 > . 1:1(0) ack 11
E
wants 0 '^ok 1' 'a call that returns in time passes' <<'E'
given established
+0...0.2 read(c, 10) = 10
+0.2 < P. 1:11(10) ack 1
+0~+0.05 > . 1:1(0) ack 11
E
wants 1 'not those that were sent' 'wrong bytes are seen by who reads' <<'E'
given established
< P. 1:11(10) ack 1 data ?
+0~+0.05 > . 1:1(0) ack 11
read(c, 10) = 10
E
wants 1 'has no such setting' 'a setting that nobody knows is seen' <<'E'
set no_such_thing 1
given listen
E

wants 2 't.trace:2: no such call: lissen' 'an unknown call names its line' <<'E'
l = socket(tcp)
lissen(l, 8)
E
wants 2 't.trace:1: there is no socket "x"' 'a socket that does not exist' <<'E'
read(x, 1)
E
wants 2 't.trace:1: 1:5(5)\|t.trace:1: 1:5 are not 5' 'a length that is not one' <<'E'
< P. 1:5(5) ack 1
E
wants 2 't.trace:1: flags' 'flags that are none' <<'E'
< Q 0:0(0)
E
wants 2 "t.trace:1: the flag" 'an ACK flag without a number' <<'E'
< . 0:0(0)
E
wants 2 't.trace:1: no such option' 'an unknown option' <<'E'
< S 0:0(0) <mess 3>
E
wants 2 't.trace:1: .*expected' 'options that do not end' <<'E'
< S 0:0(0) <mss 3
E
wants 2 't.trace:2: a second case' 'a name twice' <<'E'
case "a"
case "a"
E
wants 2 't.trace:1: the case "a" is empty' 'an empty case' <<'E'
case "a"
E
wants 2 't.trace:1: .*given/nothing can.t be read' 'a beginning that does not exist' <<'E'
given nothing
E
wants 2 't.trace:1: no such state or event' 'a cell of the matrix that does not exist' <<'E'
covers NOWHERE x SYN
E
wants 2 't.trace:1: no such error' 'an unknown error' <<'E'
s = socket(tcp) = EWHAT
E
wants 2 't.trace:2: too much' 'words too many' <<'E'
s = socket(tcp)
listen(s, 8) = 0 and more
E
wants 2 't.trace:1: only what is sent' 'a range of time for what is put in' <<'E'
+0~+1 < S 0:0(0)
E
wants 2 't.trace:1: a time that ends' 'a range of time the wrong way round' <<'E'
+1~+0 > S 0:0(0)
E
wants 2 't.trace:2: a question without an answer' 'a question whose answer is not compared' <<'E'
s = socket(tcp)
state(s)
E
wants 2 't.trace:1: peers count from 1' 'a peer that is none' <<'E'
<0 S 0:0(0)
E
wants 2 't.trace:1: a line of more' 'a line too long' <<E
# $(head -c 2000 /dev/zero | tr '\0' x)
E
head -c 20000 /dev/urandom >"$dir/t.trace"
"$run" --given "$given" "$dir/t.trace" >"$dir/out" 2>&1
[ $? = 2 ]
say $? 'noise is refused'
i=0
while [ $i -lt 40 ]; do # every script cut short somewhere: read or refused, never a crash
	i=$((i + 1))
	f=$(find "$srcdir"/tests/script/rfc* -name '*.trace' | sort | sed -n "$((i % 2 + 1))p")
	head -c $((i * 37)) "$f" >"$dir/t.trace"
	"$run" --given "$given" --list "$dir/t.trace" >"$dir/out" 2>&1
	[ $? -le 2 ] || break
done
[ $i = 40 ]
say $? 'scripts cut short end nothing but themselves'
echo "1..$n"
exit $bad
