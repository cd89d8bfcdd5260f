#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What can't be edited, or need not be looked into: fstab lines of no matter do
# not keep a system from being edited; a machine of which nothing could be edited
# is an error, with the reason, and its disks stay as they are; inspect tells the
# same beforehand.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires mke2fs mkfs.f2fs mkswap mkntfs cryptsetup python3 jq sfdisk depmod
requires_built v2v-server
export PYTHONDONTWRITEBYTECODE=1

V2V=$FY_BUILD/v2v-server
D=$T/disk.img

# guest [FSTAB-LINE]...: the tiny guest, with these lines before its own
guest() {
	rm -rf "$D" "$D.job"
	python3 - "$FY_TOP/tests/lib" "$D" "$@" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import tinyguest

def change(root):
    with open(root + "/etc/fstab") as f:
        old = f.read()
    with open(root + "/etc/fstab", "w") as f:
        f.write("".join(l + "\n" for l in sys.argv[3:]) + old)

tinyguest.make_guest(sys.argv[2], change=change)
PY
}

# disk TYPE MKFS...: one partition of 64 MiB with what MKFS makes on a file
disk() {
	local type=$1
	shift
	rm -rf "$D" "$D.job" "$T/part"
	truncate -s 64M "$T/part"
	"$@" "$T/part" >"$T/mkfs.log" 2>&1 || fail "$*: $(cat "$T/mkfs.log")"
	truncate -s 66M "$D"
	echo "start=2048, size=131072, type=$type" |
		sfdisk -q "$D" >"$T/mkfs.log" 2>&1 ||
		fail "sfdisk: $(cat "$T/mkfs.log")"
	dd if="$T/part" of="$D" bs=1M seek=1 conv=notrunc,sparse status=none
}

is_edited() {
	"$V2V" inject --json "$D" >"$T/report.json" 2>"$T/log" ||
		fail "$1: $(cat "$T/log")"
	jq -e '.skipped == []
		and any(.changes[]; .path == "/etc/fstab")
		and any(.changes[]; .path | startswith("/boot/initrd"))' \
		"$T/report.json" >/dev/null ||
		fail "$1: $(cat "$T/report.json")"
	say "$1"
}

# is_an_error WHAT WORDS: and nothing is written
is_an_error() {
	local before status=0
	before=$(sha256 <"$D")
	"$V2V" inject --json "$D" >"$T/report.json" 2>"$T/log" || status=$?
	[ "$status" = 1 ] || fail "$1: status $status: $(cat "$T/log")"
	grep -q "$2.*--no-inject" "$T/log" || fail "$1: $(cat "$T/log")"
	[ "$(sha256 <"$D")" = "$before" ] || fail "$1: the disk was changed"
	say "$1"
}

# inspected FILTER WHAT
inspected() {
	"$V2V" inspect --json "$D" >"$T/told.json" 2>"$T/log" ||
		fail "$2: $(cat "$T/log")"
	jq -e "$1" "$T/told.json" >/dev/null ||
		fail "$2: inspect: $(cat "$T/told.json")"
}

guest 'nas:/export/www /var/www nfs defaults 0 0' \
	'//nas/b /var/backups cifs credentials=/etc/c 0 0' \
	'LABEL=usb /var/bk ext4 nofail 0 2' \
	'/opt/x.iso /var/ftp/pub iso9660 loop,ro 0 0' \
	'UUID=99999999-9999-9999-9999-999999999999 /usr/local ext4 noauto 0 2'
inspected '.systems[0].editable and .systems[0].refused == null
	and .skipped == []' 'other mounts'
is_edited 'mounts that the edits do not need'

for where in /boot /usr /var; do
	guest "nas:/export $where nfs defaults 0 0"
	inspected '.systems[0] | (.editable | not)
		and (.refused | contains("nas:/export"))' "$where elsewhere"
	is_an_error "$where elsewhere" "can be edited.*'nas:/export' at '$where'"
done

disk 83 mkfs.f2fs -q
inspected '.systems == [] and .skipped[0].volume == "p1"
	and (.skipped[0].why | contains("F2FS"))' F2FS
is_an_error F2FS 'p1: systems on F2FS'

printf 'secret' >"$T/key"
disk 83 cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 \
	--key-file "$T/key"
inspected '.skipped[0].why | contains("--luks-key")' LUKS
is_an_error LUKS 'p1: it is encrypted (LUKS)'
"$V2V" inspect "$D" >"$T/text" 2>"$T/log" || fail "inspect: $(cat "$T/log")"
grep -q 'no system was found' "$T/text" &&
	grep -q 'disk 0, p1: left alone: it is encrypted' "$T/log" ||
	fail "inspect: $(cat "$T/text" "$T/log")"

# A mirror's half must not be edited by itself.
disk 42 mkntfs -q -F -p 2048 -H 255 -S 63
inspected '.skipped[0].why | contains("dynamic")' 'dynamic disk'
is_an_error 'dynamic disk' 'p1: it is on a dynamic disk'

# Nothing there that could have a system: that is no error.
disk 82 mkswap
"$V2V" inject --json "$D" >"$T/report.json" 2>"$T/log" ||
	fail "swap: $(cat "$T/log")"
jq -e '.skipped == [] and .changes == [] and
	(.warnings | any(contains("no system")))' "$T/report.json" >/dev/null ||
	fail "swap: $(cat "$T/report.json")"
say 'nothing but swap'

# A wish that no system can be given.
guest
echo 'echo hello' >"$T/hello.cmd"
status=0
before=$(sha256 <"$D")
"$V2V" inject --first-boot "$T/hello.cmd" "$D" >"$T/log" 2>&1 || status=$?
[ "$status" = 1 ] || fail "a script for Windows: status $status"
grep -q -- '--first-boot: none of the systems' "$T/log" ||
	fail "a script for Windows: $(cat "$T/log")"
[ "$(sha256 <"$D")" = "$before" ] || fail "a script for Windows: written"
say 'a script for Windows'
