# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# A disk of random bytes and zeros, converted to a raw image byte by byte, and
# disturbed.  After common.sh and sshd.sh.
#
#     re_disk MIB             makes $RE_DISK: about two thirds random
#     re_start ARGS...        the conversion in the background: $RE_PID
#     re_until UNITS          waits until so many more units are durable
#     re_end STATUS           waits for it; that must be its status
#     re_is_whole             $RE_DISK and the image are the same, to the byte
#     re_twice                how many units were sent more than once
#     re_sshd_kill            ends sshd, its sessions and v2v-server (SIGKILL)
#     re_sshd_again           starts it again: same port, same keys

RE_DISK=$T/disk.img
RE_TO=$T/vms
RE_JSON=$T/re.json
RE_LOG=$T/re.log
RE_RATE=12M
RE_CLIENT=()

re_disk() {
	local i mib=$1
	truncate -s "$((mib * 1048576 + 1536))" "$RE_DISK"
	for ((i = 0; i < mib; i += 12)); do
		dd if=/dev/urandom of="$RE_DISK" bs=1M count=8 seek="$i" \
			conv=notrunc status=none
	done
	truncate -s "$((mib * 1048576 + 1536))" "$RE_DISK"
	RE_UNITS=$(python3 - "$RE_DISK" <<-'PY'
	import sys
	n = 0
	with open(sys.argv[1], "rb") as f:
	    while b := f.read(1 << 20):
	        n += any(b)
	print(n)
	PY
	)
}

re_start() {
	rm -f "$RE_JSON" "$RE_LOG"
	RE_BASE=$(re_durable)
	"${RE_CLIENT[@]}" "$FY_BUILD/p2v-client" convert --disk "$RE_SOURCE" \
		--name re --to "$RE_TO" --format raw --no-inject --json \
		--progress json --compress none --limit-rate "$RE_RATE" "$@" \
		>"$RE_JSON" 2>"$RE_LOG" </dev/null &
	RE_PID=$!
	own_pid "$RE_PID"
}
RE_SOURCE=$RE_DISK

re_durable() {
	local out=
	out=$(python3 "$FY_TOP/tests/lib/journal.py" \
		"$RE_TO/re.partial/journal" 2>/dev/null) || out=
	out=${out%% *}
	echo "${out:-0}"
}

re_until() {
	while [ "$(re_durable)" -lt $((RE_BASE + $1)) ]; do
		kill -0 "$RE_PID" 2>/dev/null || {
			cat "$RE_LOG" >&2
			fail "the job ended before $1 units were durable"
		}
		sleep 0.1
	done
}

re_end() {
	local status=0
	wait "$RE_PID" || status=$?
	[ "$status" = "$1" ] || {
		grep -v '^{' "$RE_LOG" >&2
		fail "status $status, not $1"
	}
}

re_is_whole() {
	cmp "$RE_DISK" "$RE_TO/re.raw" || fail "other bytes came out"
	[ -e "$RE_TO/re.xml" ] || fail "there is no definition"
	wait_for 10 test ! -e "$RE_TO/re.partial" || fail "re.partial is left"
}

re_number() {
	jq ".$1" "$RE_JSON"
}

re_twice() {
	echo $(($(re_number units_sent) + $(re_number units_reused) - RE_UNITS))
}

# re_bounded UNITS: so many were sent twice at most, and the others once.
re_bounded() {
	local twice
	twice=$(re_twice)
	if [ "$twice" -lt 0 ] || [ "$twice" -gt "$1" ]; then
		fail "$twice units were sent twice, more than $1"
	fi
	[ "$(re_number reconnects)" -ge 1 ] || fail "it did not reconnect"
	grep -q 'trying again in [0-9]* s' "$RE_LOG" ||
		fail "the log does not tell of a lost connection"
	# Their bytes were counted as sent, but for what stood in our own queue.
	[ "$(re_number sent_bytes)" -ge $((($(re_number units_sent) -
		3 * $(re_number reconnects)) * 1048576)) ] ||
		fail "sent_bytes is less than the units that were sent"
}

# Done bytes of the copy never fall by more than so many MiB.
re_monotone() {
	grep '^{"phase":"copy"' "$RE_LOG" | python3 -c '
import json, sys
last, most = 0, int(sys.argv[1]) << 20
total = None
for line in sys.stdin:
    v = json.loads(line)
    if v["done"] < last - most:
        sys.exit("done fell from %d to %d" % (last, v["done"]))
    if total is not None and v["total"] != total:
        sys.exit("the total changed from %d to %d" % (total, v["total"]))
    last, total = v["done"], v["total"]
if last == 0:
    sys.exit("no progress was shown")
' "$1" || fail "the progress is not honest"
}

re_clear() {
	rm -rf "$RE_TO"
}

re_sshd_kill() {
	local pids
	pids=$(re_below sshd sshd-session v2v-server)
	# shellcheck disable=SC2086
	kill -9 "$SSHD_PID" $pids 2>/dev/null || :
	wait "$SSHD_PID" 2>/dev/null || :
}

# Processes of these names below sshd; what a login shell's start-up files run
# there is not ours to kill.
re_below() {
	local p comm name
	for p in $(descendants "$SSHD_PID"); do
		comm=$(cat "/proc/$p/comm" 2>/dev/null) || continue
		for name; do
			[ "$comm" != "$name" ] || echo "$p"
		done
	done
}

# shellcheck disable=SC2153
re_sshd_again() {
	local sshd prefix=() lines
	sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd)
	read -r -a prefix <<<"${RE_SSHD_IN:-}"
	lines=$(grep -c 'Server listening' "$SSHD_LOG" || :)
	"${prefix[@]}" "$sshd" -D -e -f "$SSHD_DIR/config" \
		-o "ListenAddress=${RE_SSHD_LISTEN:-127.0.0.1}:$SSHD_PORT" \
		</dev/null >>"$SSHD_LOG" 2>&1 &
	SSHD_PID=$!
	own_pid "$SSHD_PID"
	wait_for 20 re_sshd_listens "$lines" || fail "sshd did not start again"
}

re_sshd_listens() {
	[ "$(grep -c 'Server listening' "$SSHD_LOG")" -gt "$1" ]
}

# Flip a byte of the disk, in its first unit that is random.
re_flip() {
	python3 - "$RE_DISK" "$1" <<-'PY'
	import os, sys
	fd = os.open(sys.argv[1], os.O_RDWR)
	at = int(sys.argv[2])
	os.pwrite(fd, bytes([os.pread(fd, 1, at)[0] ^ 0x40]), at)
	os.fsync(fd)
	PY
}
