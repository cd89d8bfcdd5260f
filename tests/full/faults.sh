#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Things that go wrong, one at a time: each a clear error, nothing finished that
# is not whole, and the same command goes on when the fault is mended.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/job.sh"
requires gcc debugfs
job_begin
job_reference

say "--- a byte of a durable unit changes on the source between two runs"
start=$(($(sfdisk -d "$JOB_DISK" | sed -n 's/.*start= *\([0-9]*\),.*/\1/p' |
	head -n 1) * 512))
unit_bytes=1048576
cp --sparse=always "$JOB_DISK" "$T/original.img"
job_cut_at 60 --no-inject
python3 "$FY_TOP/tests/lib/journal.py" "$JOB_TO/machine.partial/journal" \
	units >"$T/units"
# The first durable unit whose middle is a file's data (11 is lost+found).
at=
while read -r _ unit; do
	block=$(((unit * unit_bytes - start) / 4096 + 128))
	inode=$(debugfs -R "icheck $block" "$JOB_DISK?offset=$start" \
		2>/dev/null | awk -v b="$block" '$1 == b && $2 > 11 { print $2 }')
	if [ -n "$inode" ] && debugfs -R "stat <$inode>" \
		"$JOB_DISK?offset=$start" 2>/dev/null | grep -q 'Type: regular'
	then
		at=$((unit * unit_bytes + 128 * 4096 + 123))
		break
	fi
done <"$T/units"
[ -n "$at" ] || fail "no durable unit holds a file's data"
durable=$JOB_CUT
python3 - "$JOB_DISK" "$at" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([b ^ 0x10]))
PY
job_must_run --no-inject
[ "$(jq .units_reused "$JOB_JSON")" = $((durable - 1)) ] ||
	fail "$durable durable, one changed, but $(jq .units_reused \
		"$JOB_JSON") were used again"
qemu-img convert -O raw "$JOB_TO/machine.qcow2" "$T/out.img"
cmp <(dd if="$JOB_DISK" bs=1 skip="$at" count=1 status=none) \
	<(dd if="$T/out.img" bs=1 skip="$at" count=1 status=none) ||
	fail "the changed byte did not arrive"
rm "$T/out.img"
mv "$T/original.img" "$JOB_DISK"

# The server lets go a moment after its last word.
free_target() {
	wait_for 20 umount "$JOB_TO" 2>/dev/null || fail "the target is in use"
}

say "--- too little room, known before the start"
job_clear
mkdir -p "$JOB_TO"
mount -t tmpfs -o size=50M tmpfs "$JOB_TO"
at_exit umount -l "$JOB_TO"
job_must_fail 1 'space|room'
free_target

say "--- the room runs out in the middle"
mount -t tmpfs -o size=900M tmpfs "$JOB_TO"
job_start --limit-rate 30M
wait_for 60 test -s "$JOB_TO/machine.partial/journal" ||
	fail "the job did not begin"
fallocate -l "$(($(df --output=avail -B1 "$JOB_TO" | tail -n 1) -
	150000000))" "$JOB_TO/ballast"
status=0
job_end || status=$?
[ "$status" = 1 ] || { cat "$JOB_LOG"; fail "status $status, not 1"; }
grep -qiE 'space|room' "$JOB_LOG" ||
	{ cat "$JOB_LOG"; fail "the message does not speak of space"; }
[ ! -e "$JOB_TO/machine.xml" ] || fail "a definition after a full disk"
rm "$JOB_TO/ballast"
durable=$(job_durable)
job_must_run
[ "$(jq .units_reused "$JOB_JSON")" -ge "$durable" ] ||
	fail "durable units were not used again"
job_is_whole
free_target

say "--- a directory that cannot be written to"
mount -t tmpfs -o size=900M,ro tmpfs "$JOB_TO"
job_must_fail 1 'read-only|permission'
free_target
unset 'FY_EXIT_LIST[-1]'
job_clear

say "--- the source cannot be read at one place"
gcc -std=gnu17 -D_GNU_SOURCE -O2 -shared -fPIC -o "$T/faults.so" \
	"$FY_TOP/tests/lib/faults.c"
JOB_CLIENT=(env "LD_PRELOAD=$T/faults.so" "FAULT_FILE=$JOB_DISK"
	"FAULT_START=$at" FAULT_LENGTH=1)
job_must_fail 1 'input/output'
grep -qE 'volume p1 .*sector [0-9]+' "$JOB_LOG" ||
	{ cat "$JOB_LOG"; fail "the message does not say where"; }

say "--- the same with --rescue: the guest is injected, and the report tells"
status=0
job_run --rescue || status=$?
[ "$status" = 3 ] || { cat "$JOB_LOG"; fail "status $status, not 3"; }
jq -e '.result == "done" and .unreadable_bytes == 512' "$JOB_JSON" \
	>/dev/null || fail "$(cat "$JOB_JSON")"
[ -e "$JOB_TO/machine.xml" ] || fail "there is no machine.xml"
jq -e '(.injection.changes | length > 0) and .unreadable[0].bytes == 512 and
	(.unreadable[0].files | length == 1) and
	any(.warnings[]; test("could not be read"))' \
	"$JOB_TO/machine.job/report.json" >/dev/null ||
	fail "the report: $(jq '.unreadable, .warnings' \
		"$JOB_TO/machine.job/report.json")"
JOB_CLIENT=()
job_clear
job_must_run
job_is_whole
job_clear

say "--- another host key than expected"
real=$SSHD_FINGERPRINT
JOB_SERVER=(--server "$SSHD_SERVER" --identity "$SSHD_KEY" --fingerprint
	"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
job_must_fail 1 'key'
grep -q "${real#SHA256:}" "$JOB_LOG" ||
	say "(the message does not show the key that the server has)"
JOB_SERVER=(--server "$SSHD_SERVER" --identity "$SSHD_KEY"
	--known-hosts "$T/known")
ssh-keygen -q -t ed25519 -N '' -f "$T/other"
echo "[127.0.0.1]:$SSHD_PORT $(cut -d' ' -f1,2 "$T/other.pub")" >"$T/known"
job_must_fail 1 'changed|does not match|differs|another'
rm "$T/known"
job_must_fail 1 'key'
[ ! -s "$T/known" ] || fail "an unknown key was noted without being asked"

say "--- a key that may not log in"
JOB_SERVER=(--server "$SSHD_SERVER" --identity "$T/other"
	--fingerprint "$real")
job_must_fail 1 'refused|denied|authenti|log in|login'

say "--- nobody listens"
JOB_SERVER=(--server "127.0.0.1:$(free_port)" --identity "$SSHD_KEY"
	--fingerprint "$real")
job_must_fail 1 'connect|refused'
