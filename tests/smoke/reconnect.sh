#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The connection is lost during a job, and the same process goes on: sshd killed
# and started again, the server alone killed, the child of the local server
# killed.  From an image file, which is read again (and has changed meanwhile),
# and from a read-only disk, which is not.  Then what must not be tried again.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/reconnect.sh"
requires jq python3 ssh-keygen losetup blockdev
requires_built p2v-client v2v-server

# At 12 MB a second: a batch under way, one being filled, and the pipes.
WINDOW=44

re_disk 96
sshd_start --root "$T"
SSH=(--server "$SSHD_SERVER" --identity "$SSHD_KEY"
	--fingerprint "$SSHD_FINGERPRINT")

say "--- sshd is killed and comes back; the image file changes meanwhile"
re_start "${SSH[@]}"
re_until 12
re_sshd_kill
re_flip 70000
sleep 1.5
re_sshd_again
re_end 0
re_is_whole
re_bounded "$WINDOW"
re_monotone "$WINDOW"
grep -q '"phase":"reconnect".*"retry_in":' "$RE_LOG" ||
	fail "the progress does not tell of the wait"
grep -q 'looked at again' "$RE_LOG" || fail "an image file was trusted"
re_clear

say "--- v2v-server alone is killed"
re_start "${SSH[@]}"
re_until 12
# shellcheck disable=SC2046
kill -9 $(re_below v2v-server)
re_end 0
re_is_whole
re_bounded "$WINDOW"
re_clear

say "--- the local server's child is killed, twice"
re_start --server local
for n in 12 30; do
	re_until "$n"
	for p in $(descendants "$RE_PID"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != v2v-server ] ||
			kill -9 "$p"
	done
	sleep 0.5
done
re_end 0
re_is_whole
re_bounded $((2 * WINDOW))
[ "$(re_number reconnects)" = 2 ] || fail "not two reconnects"
re_clear

say "--- what must not be tried again"
re_start "${SSH[@]}" --retry 0
re_until 8
re_sshd_kill
re_end 5
grep -q 'trying again' "$RE_LOG" && fail "tried again with --retry 0"
grep -q 'same command continues' "$RE_LOG" || fail "no word of the command"
re_sshd_again
re_clear

re_start "${SSH[@]}" --retry 4
re_until 8
re_sshd_kill
began=$SECONDS
re_end 5
took=$((SECONDS - began))
if [ "$took" -lt 3 ] || [ "$took" -gt 12 ]; then
	fail "--retry 4 took $took s"
fi
grep -q 'tried again for 4 s' "$RE_LOG" || fail "the time is not told"
grep -q 'same command continues' "$RE_LOG" || fail "no word of the command"
[ "$(jq -r .result "$RE_JSON")" = interrupted ] || fail "$(cat "$RE_JSON")"

say "--- a signal while it waits"
re_sshd_again
re_clear
re_start "${SSH[@]}"
re_until 8
re_sshd_kill
wait_for_line 20 "$RE_LOG" 'trying again in 4 s' "$RE_PID" || fail "no wait"
began=${EPOCHREALTIME/./}
kill "$RE_PID"
re_end 5
took=$(((${EPOCHREALTIME/./} - began) / 1000))
[ "$took" -lt 1500 ] || fail "it took $took ms to cancel"

say "--- another host key"
re_sshd_again
re_clear
echo "[127.0.0.1]:$SSHD_PORT $(cut -d' ' -f1,2 "$SSHD_DIR/host_key.pub")" \
	>"$T/known"
re_start --server "$SSHD_SERVER" --identity "$SSHD_KEY" \
	--known-hosts "$T/known"
re_until 8
re_sshd_kill
mv "$SSHD_DIR/host_key" "$T/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$SSHD_DIR/host_key"
# Also when known_hosts has been made to agree.
echo "[127.0.0.1]:$SSHD_PORT $(cut -d' ' -f1,2 "$SSHD_DIR/host_key.pub")" \
	>"$T/known"
re_sshd_again
re_end 1
grep -q 'while reconnecting: THE HOST KEY OF .* HAS CHANGED during' \
	"$RE_LOG" || { cat "$RE_LOG"; fail "the message does not tell"; }

say "--- a login that is refused; then the same command"
re_sshd_kill
mv "$T/host_key" "$SSHD_DIR/host_key"
re_sshd_again
re_clear
re_start "${SSH[@]}"
re_until 20
re_sshd_kill
mv "$SSHD_DIR/authorized_keys" "$T/keys"
re_sshd_again
re_end 1
grep -q 'while reconnecting: .*refuses the login' "$RE_LOG" ||
	{ cat "$RE_LOG"; fail "the message does not tell"; }
mv "$T/keys" "$SSHD_DIR/authorized_keys"
re_start "${SSH[@]}"
re_end 0
re_is_whole
[ "$(re_number reconnects)" = 0 ] || fail "a new process did not reconnect"
[ "$(re_number units_reused)" -ge 20 ] || fail "durable units were sent again"
re_clear

say "--- a read-only disk is not read again"
if [ "$(id -u)" != 0 ] || [ ! -e /dev/loop-control ]; then
	say "(not here: no loop devices)"
	exit 0
fi
sleep 3 # so that the file's time of change tells something
loop=$(losetup -f --show -r "$RE_DISK") || {
	say "(not here: no loop device can be had)"
	exit 0
}
at_exit losetup -d "$loop"
read_sectors() {
	awk '{ print $3 }' "/sys/block/${loop#/dev/}/stat"
}
RE_SOURCE=$loop
before=$(read_sectors)
re_start "${SSH[@]}"
re_until 30
re_sshd_kill
sleep 1
re_sshd_again
re_end 0
re_is_whole
re_bounded "$WINDOW"
re_monotone "$WINDOW"
! grep -q '"phase":"check"' "$RE_LOG" || fail "the disk was read again"
! grep -q 'looked at again' "$RE_LOG" || fail "the map was read again"
count=$((($(read_sectors) - before) / 2048))
say "$count MiB of 96 were read, $(re_twice) units were sent twice"
# The map (twice: inventory and job), the disk, what was under way.
[ "$count" -le $((96 + WINDOW + 16)) ] || fail "$count MiB were read"
re_clear

say "--- but it is when the file behind it has changed"
re_start "${SSH[@]}"
re_until 30
re_sshd_kill
re_flip 1000
blockdev --flushbufs "$loop"
re_sshd_again
re_end 0
re_is_whole
grep -q 'looked at again' "$RE_LOG" || fail "a disk that changed was trusted"
re_clear

say "--- nor is one trusted that can be written to"
losetup -d "$loop"
sleep 3
losetup "$loop" "$RE_DISK"
re_start "${SSH[@]}"
re_until 30
re_sshd_kill
python3 - "$loop" <<'PY'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(fd, b"\x5a" * 4096, 2 << 20)
os.fsync(fd)
PY
re_sshd_again
re_end 0
sync
re_is_whole
grep -q 'looked at again' "$RE_LOG" || fail "a writable disk was trusted"
say "all is well"
