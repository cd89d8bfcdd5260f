#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The network goes away during a job, in several ways, and comes back: the same
# process goes on, the result is the disk to the byte, and no more than what was
# on its way is sent twice.  A connection that only the client knows to be dead;
# one that is lost while the server finishes the job; a password that was typed;
# and kills at random moments.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/reconnect.sh"
requires ip jq python3 ssh-keygen losetup blockdev ss unshare openssl
requires_loop
requires_built p2v-client v2v-server

# At 12 MB a second: a batch under way, one being filled, and the pipes.
WINDOW=44
SEED=${FY_SEED:-1}

id=$(basename "$T" | tr -cd A-Za-z0-9 | tail -c 8)
ns() {
	echo "$id$1"
}
# A bridge in namespace M; behind its ports the server S and the client A.
for n in M S A; do
	ip netns add "$(ns $n)" || skip "no network namespace can be made"
	at_exit ip netns del "$(ns $n)"
	ip -n "$(ns $n)" link set lo up
done
ip -n "$(ns M)" link add br0 type bridge forward_delay 0
ip -n "$(ns M)" link set br0 up
i=0
for n in S A; do
	i=$((i + 1))
	ip -n "$(ns M)" link add "p$n" type veth peer name eth0 \
		netns "$(ns $n)"
	ip -n "$(ns M)" link set "p$n" master br0 up
	ip -n "$(ns $n)" addr add "192.0.2.$i/24" dev eth0
	ip -n "$(ns $n)" link set eth0 up
done

re_disk 360
RE_SSHD_IN="ip netns exec $(ns S)" RE_SSHD_LISTEN=192.0.2.1
sshd_start --root "$T" --listen "$RE_SSHD_LISTEN" --in "$RE_SSHD_IN"
SSH=(--server "$SSHD_SERVER" --identity "$SSHD_KEY"
	--fingerprint "$SSHD_FINGERPRINT")
RE_CLIENT=(ip netns exec "$(ns A)")
sleep 3
loop=$(losetup -f --show -r "$RE_DISK")
at_exit losetup -d "$loop"

# network WHAT down|up
network() {
	case $1:$2 in
	link:down) ip -n "$(ns M)" link set pA down ;;
	link:up) ip -n "$(ns M)" link set pA up ;;
	packets:down) ip -n "$(ns M)" link set pA nomaster ;;
	packets:up) ip -n "$(ns M)" link set pA master br0 ;;
	answers:down) ip -n "$(ns S)" neigh replace 192.0.2.2 \
		lladdr 02:00:00:00:00:99 nud permanent dev eth0 ;;
	answers:up) ip -n "$(ns S)" neigh del 192.0.2.2 dev eth0 ;;
	esac
}

# away WHAT SECONDS SOURCE RECONNECTS
away() {
	say "--- $1 away for $2 s, from $3"
	RE_SOURCE=$3
	re_start "${SSH[@]}"
	re_until 60
	network "$1" down
	sleep "$2"
	kill -0 "$RE_PID" 2>/dev/null || { cat "$RE_LOG"; fail "it gave up"; }
	network "$1" up
	re_end 0
	re_is_whole
	say "$(re_number reconnects) reconnects," \
		"$(re_twice) units sent twice, $(re_number seconds) s"
	if [ "$4" -gt 0 ]; then
		re_bounded "$WINDOW"
		re_monotone "$WINDOW"
	fi
	re_clear
}
if [ -z "${FY_QUICK:-}" ]; then
	away link 20 "$RE_DISK" 0
	away link 90 "$RE_DISK" 1
	away packets 75 "$loop" 1
	away answers 75 "$loop" 1
fi

say "--- only the client knows that the connection is dead"
# Its socket is destroyed while nothing gets through, and it has another address
# then, so the server hears of it by silence only; but the client that comes
# again makes it let go.
RE_SOURCE=$loop
re_start "${SSH[@]}"
re_until 60
network packets down
ip netns exec "$(ns A)" ss -K dst 192.0.2.1 >"$T/ss" 2>&1 || :
ip -n "$(ns A)" addr del 192.0.2.2/24 dev eth0
ip -n "$(ns A)" addr add 192.0.2.3/24 dev eth0
if wait_for_line 5 "$RE_LOG" 'the connection is lost' "$RE_PID"; then
	network packets up
	began=$SECONDS
	wait_for_line 30 "$RE_LOG" 'the connection is there again' "$RE_PID" ||
		{ cat "$RE_LOG"; fail "it did not come back"; }
	took=$((SECONDS - began))
	[ "$took" -le 15 ] || fail "the lock was held for $took s"
	grep -q 'earlier connection of this client .* is ended' "$RE_LOG" ||
		{ cat "$RE_LOG"; fail "the old server was not told to end"; }
	re_end 0
	re_is_whole
	re_bounded "$WINDOW"
	say "back after $took s, $(re_twice) units sent twice"
else
	network packets up
	re_end 0
	say "(this kernel destroys no sockets: not tested)"
fi
re_clear

say "--- lost while the server finishes the job"
RE_RATE=200M
re_start "${SSH[@]}" --verify
while ! grep -q finishing "$RE_TO/re.partial/lock" 2>/dev/null; do
	kill -0 "$RE_PID" || { cat "$RE_LOG"; fail "no finish was seen"; }
	sleep 0.002
done
stopped=$(re_below v2v-server)
kill -STOP "$stopped"
# shellcheck disable=SC2046
kill -9 $(re_below sshd sshd-session)
wait_for_line 30 "$RE_LOG" 'received whole and is being finished' "$RE_PID" ||
	{ kill -CONT "$stopped"; cat "$RE_LOG"; fail "it is not waited for"; }
sleep 70 # longer than any other lock is waited for
kill -0 "$RE_PID" || { cat "$RE_LOG"; fail "it did not wait long enough"; }
kill -CONT "$stopped"
re_end 0
re_is_whole
[ "$(re_twice)" = 0 ] || fail "units were sent twice"
[ "$(re_number reconnects)" = 1 ] || fail "not one reconnect"
re_clear

say "--- kills at random moments, seed $SEED"
RANDOM=$SEED
RE_RATE=60M
total=0 most=0
for ((i = 1; i <= ${FY_RUNS:-12}; i++)); do
	RE_SOURCE=$RE_DISK
	[ $((i % 2)) = 0 ] || RE_SOURCE=$loop
	re_start "${SSH[@]}" --verify
	for ((k = 0; k < 3; k++)); do
		sleep "$(printf '%d.%03d' $((RANDOM % 3)) $((RANDOM % 1000)))"
		case $((RANDOM % 3)) in
		0) victims=$(re_below v2v-server) ;;
		1) victims=$(re_below sshd sshd-session v2v-server) ;;
		*) victims=$(re_below sshd sshd-session) ;;
		esac
		# shellcheck disable=SC2086
		[ -z "$victims" ] || kill -9 $victims 2>/dev/null || :
	done
	re_end 0
	re_is_whole
	n=$(re_number reconnects)
	total=$((total + n))
	twice=$(re_twice)
	[ "$twice" -le "$most" ] || most=$twice
	# Twice a batch of 64 MiB and the pipes, for each loss.
	[ "$twice" -le $((n * 150)) ] || fail "$twice units sent twice"
	re_clear
done
say "$total reconnects in $((i - 1)) jobs, at most $most units sent twice"
[ "$total" -ge $((i - 1)) ] || fail "the kills hit nothing"

say "--- a password that a person typed"
word=correct-horse
sshd_password "$word"
RE_RATE=20M
for method in password keyboard-interactive; do
	sshd_start --no-command --in "unshare --mount $T/inside" \
		--config 'UsePAM yes' \
		--config 'KbdInteractiveAuthentication yes' \
		--config 'PasswordAuthentication yes' \
		--config "AuthenticationMethods $method" \
		--config "ForceCommand $FY_BUILD/v2v-server serve --root $T"
	cat >"$T/type.py" <<'TYPE'
import os, pty, sys
word, out, argv = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(argv[0], argv)
asked, text = 0, b""
with open(out, "wb") as log:
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        log.write(data)
        log.flush()
        text += data
        while b"assword" in text:
            text = text[text.index(b"assword") + 7:]
            asked += 1
            if asked > 1:
                log.write(b"ASKED AGAIN\n")
            os.write(fd, word.encode() + b"\n")
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if asked == 1 else 99)
TYPE
	HOME=$T/nowhere python3 "$T/type.py" "$word" "$RE_LOG" \
		"$FY_BUILD/p2v-client" convert \
		--server "fyp2v@127.0.0.1:$SSHD_PORT" \
		--fingerprint "$SSHD_FINGERPRINT" --disk "$RE_DISK" --name re \
		--to "$RE_TO" --format raw --no-inject --progress none \
		--limit-rate "$RE_RATE" --compress none </dev/null &
	RE_PID=$!
	own_pid "$RE_PID"
	re_until 40
	# shellcheck disable=SC2046
	kill -9 $(re_below sshd sshd-session)
	re_end 0
	re_is_whole
	grep -q 'is there again' "$RE_LOG" || fail "it did not reconnect"
	re_clear
	say "$method: asked once"
done
say "all is well"
