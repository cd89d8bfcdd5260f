#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on APFS that mkapfs made and Linux' module aged, also with a
# snapshot and after a power cut: against partclone.apfs; copies of the used
# blocks alone, also saved and restored, by apfsck and mounted; damage.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/ptcl.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/used-apfs.sh"
requires mkapfs apfsck partclone.apfs partclone.restore blkid jq python3
requires_built used-blocks
workbench_needs

say "fresh"
make_apfs plain 640M -L "a label"
make_apfs snap 1G -s
make_apfs cut 800M
for name in plain snap cut; do
	map_apfs "$name"
	same_as_blkid "$T/$name" disk
done
make_apfs inside 400M -- 80000
map_apfs inside
jq -e '.used_bytes > 25000000 and .used_bytes < 30000000' \
	"$T/inside.json" >/dev/null || fail "what is behind a container"

say "fill and age"
workbench --out "$OUT" - "$T"/{plain,snap,cut} <<'SCRIPT' || fail "the first job"
. /tests/lib/used-apfs-guest.sh
age /dev/vdb 1 20000000 150
look plain /dev/vdb
age /dev/vdc 2 15000000 120
snapshot /dev/vdc first
look snap /dev/vdc first
dirty /dev/vdd 4
pull-the-plug
SCRIPT

say "maps and copies"
for name in plain snap; do
	sound_apfs "$T/$name"
	map_apfs "$name"
	copy_apfs "$name"
done
# Block 0 is older than the newest checkpoint, and nothing is refused.
map_apfs cut cut
[ "$(od -An -tu8 -j $(($(newest_super cut) * 4096 + 16)) -N 8 "$T/cut")" -gt \
	"$(od -An -tu8 -j 16 -N 8 "$T/cut")" ] || fail "there was no power cut"
sound_apfs "$T/cut" -uw
copy_apfs cut -uw

say "images"
both_ways "$T/plain" partclone.apfs
if losetup -f >"$T/log" 2>&1; then
	restored_apfs plain
else
	say "no loop devices: the device full of 0xA5 left out"
fi

say "mount the copies"
workbench --out "$OUT" - "$T"/{plain,snap,cut}.copy "$T/cut" \
	<<'SCRIPT' || fail "the second job"
. /tests/lib/used-apfs-guest.sh
look plain.copy /dev/vdb
look snap.copy /dev/vdc first
look cut.copy /dev/vdd
look cut /dev/vde
touch_up /dev/vdb
touch_up /dev/vdd
SCRIPT
for name in plain snap cut; do
	same_files "$name"
	sound_apfs "$T/$name.copy"
done
grep -q '^snapshot first' "$OUT/snap.tree" || fail "no snapshot"

say "damage"
cp --sparse=always "$T/plain" "$T/odd"
truncate -s 639M "$T/odd"
whole_apfs odd 'behind the end'
cp --sparse=always "$T/plain" "$T/odd"
poke_apfs odd 2000
whole_apfs odd 'block 0 has a wrong checksum'
cp --sparse=always "$T/plain" "$T/odd"
poke_apfs odd $(($(newest_super odd) * 4096 + 2000))
whole_apfs odd 'as new as block 0'
# The last superblock of the power cut, torn: it is the one before that counts,
# for a mount as well.
poke_apfs cut $(($(newest_super cut) * 4096 + 2000))
"$UB" map --json "$T/cut" >"$T/cut.json" 2>/dev/null
jq -e '.volumes[0] | .how == "map" and .note == null' "$T/cut.json" \
	>/dev/null || fail "a torn checkpoint was believed"
exit 0
