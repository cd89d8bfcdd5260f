#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The network swallows all packets of a connection, without an end of it that
# anybody could see.  The client gives up by itself; a second one, which comes
# from elsewhere at once, takes over within 60 seconds, though the server cannot
# know yet that the first is gone, and goes on with what is durable.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/job.sh"
requires ip nsenter
job_begin

# A bridge in namespace M; behind its ports the server S and the clients A, B.
id=$(basename "$T" | tr -cd A-Za-z0-9 | tail -c 8)
ns() {
	echo "$id$1"
}
for n in M S A B; do
	ip netns add "$(ns $n)" || skip "no network namespace can be made"
	at_exit ip netns del "$(ns $n)"
	ip -n "$(ns $n)" link set lo up
done
ip -n "$(ns M)" link add br0 type bridge forward_delay 0
ip -n "$(ns M)" link set br0 up
i=0
for n in S A B; do
	i=$((i + 1))
	ip -n "$(ns M)" link add "p$n" type veth peer name eth0 \
		netns "$(ns $n)"
	ip -n "$(ns M)" link set "p$n" master br0 up
	ip -n "$(ns $n)" addr add "192.0.2.$i/24" dev eth0
	ip -n "$(ns $n)" link set eth0 up
done

began=$SECONDS
job_reference
alone=$(((SECONDS - began) * 2 + 10))
sshd_start --root "$T" --listen 192.0.2.1 --in "ip netns exec $(ns S)"
JOB_SERVER=(--server "$SSHD_SERVER" --identity "$SSHD_KEY"
	--fingerprint "$SSHD_FINGERPRINT")

JOB_CLIENT=(ip netns exec "$(ns A)")
job_start --limit-rate 20M
first=$JOB_PID
first_log=$T/first.log
while [ "$(job_durable)" -lt 20 ]; do
	kill -0 "$first" 2>/dev/null || { cat "$JOB_LOG"; fail "ended early"; }
	sleep 0.1
done
cp "$JOB_LOG" "$first_log"
ip -n "$(ns M)" link set pA nomaster
cut=$SECONDS
say "cut with $(job_durable) units durable"

JOB_CLIENT=(ip netns exec "$(ns B)")
JOB_LOG=$T/second.log JOB_JSON=$T/second.json
durable=$(job_durable)
job_start
job_end || { cat "$JOB_LOG"; fail "the second run failed"; }
took=$((SECONDS - cut))
say "the second run is through $took s after the cut"
# Sixty seconds of silence, and the copying itself.
[ "$took" -le $((66 + alone)) ] || fail "it took too long"
[ "$(jq .units_reused "$JOB_JSON")" -ge "$durable" ] ||
	fail "durable units were sent again"
job_is_whole

status=0
wait_for 90 bash -c "! kill -0 $first 2>/dev/null" || :
if kill -0 "$first" 2>/dev/null && [ $((SECONDS - cut)) -gt 100 ]; then
	fail "the first client never gave up"
fi
wait "$first" || status=$?
[ "$status" != 0 ] || fail "the first client thinks that it succeeded"
say "the first client ended with $status after $((SECONDS - cut)) s"
job_is_whole
