#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What reads the disks is confined: an attacker in its place (sandbox-probe.c)
# can't read, write, connect or run what is outside, in `inject`, `inspect` and
# `serve`; when it crashes, hangs or is killed the disk is as it was.  Without
# Landlock or seccomp there is a warning, or --require-sandbox refuses.  qemu-nbd
# opens what lies beside an image and nothing else.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires jq sfdisk mke2fs qemu-img python3 cc
requires_built v2v-server p2v-client
. "$(dirname "$0")/../lib/sandbox.sh"

V2V=$FY_BUILD/v2v-server
cc -o "$T/without" "$FY_TOP/tests/lib/without.c" -lseccomp ||
	fail "without.c does not compile"

# A system on ext4.
mkdir -p "$T/tree/"{etc,boot,bin,sbin,usr/bin,lib/modules}
printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n' \
	>"$T/tree/etc/os-release"
echo "/dev/sda1 / ext4 defaults 0 1" >"$T/tree/etc/fstab"
truncate -s 40M "$T/image"
echo 'start=2048, type=83' | sfdisk -q "$T/image"
mke2fs -q -t ext4 -d "$T/tree" -E offset=1048576 "$T/image" 39M
cp --sparse=always "$T/image" "$T/before"

mv "$T/image" "$T/d/image"

say "the attempts are real ones"
with_probe always "$V2V" inspect "$T/before" >/dev/null
for name in read write image create connect program parent limit; do
	grep -q "^probe: $name 0\$" "$T/err" || fail "$name: $(cat "$T/err")"
done
[ -e "$T/d/ran" ] || fail "the program did not run"
wait_for 20 test -e "$T/came" || fail "it did not connect"
rm -rf "$T/d/ran" "$T/came" "$T/d/planted" "$T/d/image.job"

say "inspect"
mkdir "$T/d/image.job"
[ "$(with_probe try "$V2V" inspect --require-sandbox --json "$T/d/image" |
	jq -r '.systems[].id')" = debian ] || fail "inspect: $(cat "$T/err")"
check_refused inspect
check_nothing_left inspect

say "inject"
with_probe try "$V2V" inject --require-sandbox --json "$T/d/image" \
	>"$T/report.json" || fail "inject: $(cat "$T/err")"
check_refused inject
check_nothing_left inject
jq -e '.changes[] | select(.path == "/etc/fstab")' "$T/report.json" >/dev/null ||
	fail "nothing was changed"
jq -e '.warnings | map(select(test("confined"))) == []' "$T/report.json" \
	>/dev/null || fail "a warning without need"
[ -e "$T/d/image.job/originals/0/p1/etc/fstab" ] || fail "no original"
"$V2V" inject --undo "$T/d/image" 2>/dev/null
cmp "$T/d/image" "$T/before" || fail "the undo log does not give it back"
rm -r "$T/d/image.job"

say "nothing open"
"$V2V" inspect "$T/d/image" <&- >&- 2>&- || fail "with nothing open: status $?"

say "a crash, and a kill, while it reads"
expect_status 1 with_probe crash "$V2V" inject "$T/d/image" >/dev/null
grep -q "signal 11.*the disks are as they were" "$T/err" ||
	fail "a crash is not told: $(cat "$T/err")"
cmp "$T/d/image" "$T/before" || fail "a crash changed the disk"
[ ! -e "$T/d/image.job/undo.log" ] || fail "an undo log after a crash"
check_nothing_left crash
with_probe hang "$V2V" inject "$T/d/image" >/dev/null &
pid=$!
wait_for_line 60 "$T/err" "^probe: hangs" || fail "it does not hang"
worker=$(sed -n 's/^probe: hangs //p' "$T/err")
kill -9 "$(ps -o pid= --ppid "$pid" | head -n 1 | tr -d ' ')" "$pid" \
	2>/dev/null || :
wait "$pid" 2>/dev/null || :
gone() {
	! kill -0 "$worker" 2>/dev/null
}
wait_for 20 gone || fail "the worker outlives its parent"
cmp "$T/d/image" "$T/before" || fail "a kill changed the disk"
rm -rf "$T/d/image.job" "$T/tmp" "$T/err"
mkdir "$T/tmp"

say "it hangs, and is cancelled"
with_probe hang "$V2V" inject "$T/d/image" >/dev/null &
pid=$!
wait_for_line 60 "$T/err" "^probe: hangs" || fail "it does not hang"
worker=$(sed -n 's/^probe: hangs //p' "$T/err")
kill "$(ps -o ppid= -p "$worker" | tr -d ' ')"
status=0
wait "$pid" || status=$?
[ "$status" = 5 ] || fail "cancelled: status $status"
grep -q "cancelled.*was killed; the disks are as they were" "$T/err" ||
	fail "that it was killed is not told: $(cat "$T/err")"
! kill -0 "$worker" 2>/dev/null || fail "the worker is still there"
cmp "$T/d/image" "$T/before" || fail "a cancelled one changed the disk"
check_nothing_left cancelled
rm -r "$T/d/image.job"

say "serve"
mkdir "$T/d/image.job"
FY_PROBE=try LD_PRELOAD=$T/probe.so "$FY_BUILD/p2v-client" convert \
	--server local --disk "$T/before" --to "$T/vms" --name vm --progress none \
	--retry 0 >/dev/null 2>"$T/err" </dev/null || fail "$(cat "$T/err")"
check_refused serve
jq -e '.injection.changes[] | select(.path == "/etc/fstab")' \
	"$T/vms/vm.job/report.json" >/dev/null || fail "serve: nothing changed"
check_nothing_left serve
rmdir "$T/d/image.job"

say "without Landlock, without seccomp"
for what in landlock seccomp; do
	expect_status 1 "$T/without" "$what" "$V2V" inject --require-sandbox \
		"$T/d/image" >/dev/null 2>"$T/err"
	grep -qi -- "--require-sandbox: .*without $what" "$T/err" ||
		fail "$what: $(cat "$T/err")"
	expect_status 1 "$T/without" "$what" "$V2V" serve --require-sandbox \
		>/dev/null 2>&1 </dev/null
	expect_status 1 "$T/without" "$what" "$V2V" inspect --require-sandbox \
		"$T/d/image" >/dev/null 2>&1
	[ ! -e "$T/d/image.job" ] || fail "$what: it began"
	"$T/without" "$what" "$V2V" inject --json "$T/d/image" \
		>"$T/report.json" 2>"$T/err" || fail "$what: $(cat "$T/err")"
	[ "$(grep -c "not confined" "$T/err")" = 1 ] ||
		fail "$what: $(cat "$T/err")"
	jq -e '.warnings[] | select(test("not confined"))' "$T/report.json" \
		>/dev/null || fail "$what: no warning in the report"
	"$V2V" inject --undo "$T/d/image" 2>/dev/null
	cmp "$T/d/image" "$T/before" || fail "$what: undo"
	rm -r "$T/d/image.job"
done

say "qemu-nbd"
mkdir "$T/q" "$T/q2"
qemu-img convert -q -O qcow2 "$T/before" "$T/q/base.qcow2"
qemu-img create -q -f qcow2 -b "$T/q/base.qcow2" -F qcow2 "$T/q/top.qcow2"
qemu-img create -q -f qcow2 -b "$T/q/base.qcow2" -F qcow2 "$T/q2/far.qcow2"
"$V2V" inspect --format qcow2 --json "$T/q/top.qcow2" 2>"$T/err" |
	grep -q debian || fail "a backing file beside it: $(cat "$T/err")"
expect_status 1 "$V2V" inspect --format qcow2 "$T/q2/far.qcow2" >/dev/null \
	2>"$T/err"
grep -q "Permission denied" "$T/err" || fail "elsewhere: $(cat "$T/err")"
"$V2V" inject "$T/q/top.qcow2" --format qcow2 >/dev/null 2>"$T/err" ||
	fail "a qcow2: $(cat "$T/err")"
qemu-img compare -q "$T/before" "$T/q/base.qcow2" || fail "the base was changed"
qemu-img check -q "$T/q/top.qcow2" || fail "qemu-img check"
"$V2V" inject --undo --format qcow2 "$T/q/top.qcow2" 2>/dev/null
qemu-img compare -q "$T/before" "$T/q/top.qcow2" || fail "undo in a qcow2"
check_nothing_left qemu-nbd
