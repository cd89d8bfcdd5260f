#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `v2v-server inject --undo` from the command line: refused, with nothing
# written, where the disks are not as the injection left them; a log that was
# cut hinders nobody; options that mean nothing are refused; what --quiet and
# --json say; a block device needs a job directory.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires mke2fs e2fsck python3 depmod jq
requires_built v2v-server
export PYTHONDONTWRITEBYTECODE=1

V2V=$FY_BUILD/v2v-server
I=$T/disk.img
LOG=$I.job/undo.log

python3 - "$FY_TOP/tests/lib" "$T/before.img" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import tinyguest
tinyguest.make_guest(sys.argv[2])
PY
truncate -s "$(stat -c %s "$T/before.img")" "$T/empty.img"

# same A B: no more, no less.
same() {
	cmp "$1" "$2" || fail "$3"
}

# refused STATUS WORDS ARGUMENT...: with these words, and nothing is written.
refused() {
	local status=$1 words=$2 got=0
	shift 2
	cp --sparse=always "$I" "$T/now.img"
	"$V2V" inject "$@" >"$T/out" 2>"$T/err" || got=$?
	[ "$got" = "$status" ] || fail "exit status $got, not $status: $*"
	grep -qF -- "$words" "$T/err" ||
		{ cat "$T/err" >&2; fail "'$words' is not said"; }
	same "$I" "$T/now.img" "it wrote: $*"
}

test_written_since() {
	cp --sparse=always "$T/before.img" "$I"
	"$V2V" inject --quiet "$I" >"$T/out" 2>"$T/err"
	[ ! -s "$T/out" ] || fail "--quiet is not: $(head -n 1 "$T/out")"
	cp --sparse=always "$I" "$T/injected.img"
	! cmp -s "$I" "$T/before.img" || fail "nothing was injected"
	refused 1 'undo that with --undo' "$I"
	# As a mount does: the superblock, of which the injection wrote a part.
	printf 'x' | dd of="$I" bs=1 seek=$(((1 << 20) + 1024 + 44)) \
		conv=notrunc status=none
	refused 1 "disk 1 ($I) has at byte" --undo "$I"
	cp --sparse=always "$T/injected.img" "$I"
	refused 2 'is about 1 disks' --undo "$I" "$T/empty.img"
	"$V2V" inject --undo --json --quiet "$I" >"$T/out"
	jq -e '.result == "undone" and .restored_bytes > 4096' "$T/out" \
		>/dev/null || fail "the result: $(cat "$T/out")"
	same "$I" "$T/before.img" "the undo log does not give it back"
	[ ! -e "$LOG" ] || fail "the undo log is still there"
	refused 1 'undo.log' --undo "$I"
}

# Two of a size.
test_order() {
	"$V2V" inject --quiet "$I" "$T/empty.img" 2>/dev/null
	for d in "$T/empty.img $I" "$T/empty.img $T/empty.img"; do
		# shellcheck disable=SC2086
		refused 1 'disk 1 (' --undo --job-dir "$I.job" $d
	done
	"$V2V" inject --undo "$I" "$T/empty.img" 2>/dev/null
	same "$I" "$T/before.img" "two disks"
}

# Ended while the log was written: the same command goes on.
test_cut() {
	"$V2V" inject --quiet "$I" 2>/dev/null
	cp "$LOG" "$T/undo.log"
	"$V2V" inject --undo --quiet "$I"
	head -c 5000 "$T/undo.log" | python3 -c '
import sys
log = bytearray(sys.stdin.buffer.read())
log[16 + 8 + 4] = 0  # not applied
sys.stdout.buffer.write(log)' >"$LOG"
	"$V2V" inject --undo --json --quiet "$I" >"$T/out"
	jq -e '.result == "nothing to undo" and .restored_bytes == 0' \
		"$T/out" >/dev/null || fail "the result: $(cat "$T/out")"
	same "$I" "$T/before.img" "a log that is cut"
	head -c 20 "$T/undo.log" >"$LOG"
	"$V2V" inject --quiet "$I" 2>/dev/null || fail "a log that is cut"
	same "$I" "$T/injected.img" "after a log that is cut"
	"$V2V" inject --undo --quiet "$I"
	same "$I" "$T/before.img" "undone"
}

test_options() {
	echo words >"$T/file"
	while read -r option value; do
		# shellcheck disable=SC2086
		refused 2 "--undo and $option exclude each other" \
			--undo $option $value "$I"
	done <<-LIST
		--dry-run
		--nic eth0=52:54:00:00:00:01
		--machine-json $T/file
		--luks-key $T/file
		--virtio-win $T
		--keep-hostname
		--set-hostname other
		--first-boot $T/file
		--root-password-file $T/file
		--ssh-key $T/file
		--install-agent
	LIST
}

# A warning is said once, whatever else is.
test_warning() {
	"$V2V" inject --dry-run "$I" >"$T/out" 2>"$T/err"
	grep -q '^would be ' "$T/out" || fail "the report is not shown"
	! grep -E '^(warning|left alone):' "$T/out" || fail "said twice"
}

test_device() {
	local dev
	if [ "$(id -u)" != 0 ] || ! dev=$(losetup --find --show "$I" 2>/dev/null)
	then
		say "no loop device: that part is left out"
		return 0
	fi
	at_exit losetup -d "$dev"
	refused 2 '--job-dir' "$dev"
	refused 2 '--job-dir' --undo "$dev"
	[ ! -e "$dev.job" ] || fail "a directory in /dev"
	"$V2V" inject --dry-run --quiet "$dev" 2>/dev/null
	"$V2V" inject --quiet --job-dir "$T/job" "$dev" 2>/dev/null
	"$V2V" inject --undo --quiet --job-dir "$T/job" "$dev"
	same "$I" "$T/before.img" "a block device"
}

test_written_since
test_order
test_cut
test_options
test_warning
test_device
