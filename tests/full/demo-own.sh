#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The demo with a disk and a server of one's own: DISK= an image file, with TO=
# and without, and SERVER= with IDENTITY= and FINGERPRINT=.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
requires jq xmllint qemu-img qemu-system-x86_64 libvirtd
requires_loop
requires_built p2v-client v2v-server used-blocks

DISK=$T/iron.img
LOG=$T/log

# demo STATUS VARIABLE=VALUE...: the demo, run from a directory of its own.
demo() {
	local want=$1 got=0
	shift
	mkdir -p "$T/cwd"
	(cd "$T/cwd" && env DISK="$DISK" "$@" "$FY_TOP/tests/demo") \
		>"$LOG" 2>&1 </dev/null || got=$?
	[ "$got" = "$want" ] || {
		tail -n 40 "$LOG" >&2
		fail "the demo ended with status $got, not $want"
	}
}

told() {
	grep -qF -- "$1" "$LOG" || {
		tail -n 40 "$LOG" >&2
		fail "the demo didn't say '$1'"
	}
}

# whole DIR NAME: all of a finished job is there, and nothing else of it.
whole() {
	qemu-img check -q "$1/$2.qcow2" || fail "$2.qcow2 is damaged"
	[ "$(xmllint --xpath 'string(/domain/name)' "$1/$2.xml")" = "$2" ] ||
		fail "$2.xml is of another machine"
	[ "$(xmllint --xpath \
		'string(/domain/devices/disk/source/@file)' "$1/$2.xml")" = \
		"$1/$2.qcow2" ] || fail "$2.xml names another image"
	jq -e '.result == "done"' "$1/$2.job/report.json" >/dev/null ||
		jq -e . "$1/$2.job/report.json" >/dev/null ||
		fail "no report of $2"
	[ ! -e "$1/$2.partial" ] || fail "$2.partial is left"
}

"$FY_TOP/tests/guests/make-guest" --out "$DISK" --name ownbox --fstab dev \
	--nic enp0s5=10.77.0.2/24 >"$LOG" 2>&1 ||
	{ tail "$LOG" >&2; fail "no guest"; }
SUM=$(sha256 <"$DISK")

say "--- DISK= and TO="
demo 0 TO="$T/vms" NAME=own
told 'Its login banner'
told 'ownbox login:'
whole "$T/vms" own
image=$(sha256 <"$T/vms/own.qcow2")

say "--- what lies in TO= is not replaced"
demo 1 TO="$T/vms" NAME=own
told 'is there already'
[ "$(sha256 <"$T/vms/own.qcow2")" = "$image" ] || fail "it was replaced"
rm -r "$T/vms"

say "--- DISK= alone, twice: a directory where the demo was run"
demo 0
told 'ownbox login:'
whole "$T/cwd/ironferry-demo" demo
demo 0
whole "$T/cwd/ironferry-demo" demo
rm -r "$T/cwd"

say "--- SERVER="
mkdir "$T/server"
sshd_start --root "$T/server"
server=(SERVER="$SSHD_SERVER" IDENTITY="$SSHD_KEY")
demo 1 "${server[@]}" \
	FINGERPRINT=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
told 'host key'
[ -z "$(ls "$T/server")" ] || fail "something was sent to the wrong server"
demo 0 "${server[@]}" FINGERPRINT="$SSHD_FINGERPRINT" NAME=far
told 'virsh define'
whole "$T/server" far
demo 0 "${server[@]}" FINGERPRINT="$SSHD_FINGERPRINT" TO=below NAME=far
whole "$T/server/below" far

[ "$(sha256 <"$DISK")" = "$SUM" ] || fail "the disk was written to"
say "passed"
