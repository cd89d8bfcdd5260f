#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A machine whose disk has two bad sectors (QEMU's blkdebug) is booted from the
# ISO and converts itself with nobody there: first the place is named and nothing
# is finished; then, with p2v.rescue, all else arrives, the sectors are zeros,
# and screen, report and map say so.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/live.sh"
live_needs
requires jq mke2fs debugfs sfdisk ddrescuelog qemu-img
live_iso

DISK=$T/disk.img
START=2048
mkdir "$T/tree"
python3 - "$T/tree" <<'PY'
import os, random, sys
r = random.Random(3)
for name in "one", "two", "three":
    with open(os.path.join(sys.argv[1], name), "wb") as f:
        f.write(r.randbytes(9 << 20))
PY
mke2fs -q -t ext4 -b 4096 -d "$T/tree" "$T/ext.img" 100M >/dev/null
truncate -s 120M "$DISK"
sfdisk -q "$DISK" >/dev/null 2>&1 <<-PARTS
	label: dos
	start=$START, size=204800, type=83, bootable
PARTS
dd if="$T/ext.img" of="$DISK" bs=512 seek=$START conv=notrunc status=none
rm "$T/ext.img"

e() {
	debugfs -R "$1" "$DISK?offset=$((START * 512))" 2>/dev/null
}
# In the middle of the first and of the third file.
bad1=$((START + $(e 'blocks /one' | awk '{ print $1000 }') * 8 + 3))
bad2=$((START + $(e 'blocks /three' | awk '{ print $2000 }') * 8 + 6))
[ "$bad1" -gt $((START + 3)) ] ||
	fail "debugfs does not say where the first file lies"
[ "$bad2" -gt $((START + 6)) ] ||
	fail "debugfs does not say where the files lie"
mapfile -t bad < <(printf '%s\n' "$bad1" "$bad2" | sort -n)
before=$(sha256 <"$DISK")
sshd_start --root "$T"

# boot WORDS: the machine, with more words on its command line.
boot() {
	local rules='' s
	for s in "${bad[@]}"; do
		rules=$rules${rules:+,}'{"event":"none","iotype":"read",'
		rules=$rules'"errno":5,"once":false,"immediately":true,'
		rules=$rules'"sector":'$s'}'
	done
	live_configure "$T/live.iso" --inject-key "$SSHD_KEY" --timeout 1 \
		--cmdline "p2v.action=convert \
p2v.server=root@10.0.2.2:$SSHD_PORT p2v.fingerprint=$SSHD_FINGERPRINT \
p2v.name=bad p2v.to=vms p2v.format=raw p2v.no-inject=1 p2v.then=poweroff $1"
	live_start --cd "$T/live.iso" -- \
		-blockdev '{"driver":"blkdebug","node-name":"bad","read-only":false,"image":{"driver":"file","filename":"'"$DISK"'"},"inject-error":['"$rules"']}' \
		-device ide-hd,drive=bad,bus=ide.1,serial=BAD0
	live_first_screen BIOS 300
}

say "--- without p2v.rescue"
boot ''
live_wait 400 'FAILED \(exit status 1\)'
tr -d '\r' <"$LIVE_LOG" | grep -a 'FAILED (exit' | head -n 1 | cut -c 1-200
# O_DIRECT reads of 4096 bytes find the place.
tr -d '\r' <"$LIVE_LOG" | tr '\n' ' ' |
	grep -aqE "cannot read disk /dev/sda, +volume p1 \(ext4\), +sector $((bad[0] / 8 * 8))" ||
	fail "the place is not named"
grep -aq -- '--rescue' "$LIVE_LOG" || fail "no word of --rescue"
[ ! -e "$T/vms/bad.xml" ] || fail "a definition in spite of it"
live_stop

say "--- with p2v.rescue"
boot p2v.rescue
live_wait 400 'DONE, WITH UNREADABLE SECTORS|FAILED'
live_wait_off 200
say "powered off $((SECONDS - LIVE_STARTED)) s after power-on"
grep -aq 'UNREADABLE: ' "$LIVE_LOG" || fail "the summary does not tell"
[ "$(sha256 <"$DISK")" = "$before" ] || fail "the disk is not what it was"
[ -e "$T/vms/bad.xml" ] || fail "there is no definition"
[ "$(ddrescuelog --list-blocks=- "$T/vms/bad.job/disk1.map" | tr '\n' ' ')" = \
	"${bad[*]} " ] || fail "the map: $(cat "$T/vms/bad.job/disk1.map")"
[ "$(jq -r '.unreadable[0].files | sort | join(" ")' \
	"$T/vms/bad.job/report.json")" = "p1 (ext4): /one p1 (ext4): /three" ] ||
	fail "$(jq .unreadable "$T/vms/bad.job/report.json")"
"$FY_BUILD/used-blocks" map "$DISK" --json >"$T/map.json"
python3 - "$DISK" "$T/vms/bad.raw" "$T/map.json" "${bad[@]}" <<'PY'
import json, sys
disk, image, maps, *sectors = sys.argv[1:]
a, b = bytearray(open(disk, "rb").read()), open(image, "rb").read()
if len(a) != len(b):
    sys.exit("the image has another size")
for s in map(int, sectors):
    a[s * 512:s * 512 + 512] = bytes(512)
for offset, length in json.load(open(maps))["extents"]:
    if a[offset:offset + length] != b[offset:offset + length]:
        sys.exit("differs in the extent at %d" % offset)
PY
say "all right"
