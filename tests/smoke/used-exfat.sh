#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on exFAT: aged filesystems against dump.exfat and partclone,
# copies of the used extents alone, marks, bad clusters, damage.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/used-exfat.sh"
requires mkfs.exfat fsck.exfat dump.exfat mount.exfat-fuse partclone.exfat \
	blkid jq python3
requires_built used-blocks
requires_loop
[ -w /dev/fuse ] || skip "no FUSE here"

# --- sizes of cluster and sector, aged -------------------------------------------
while read -r seed size sector budget options; do
	say "mkfs.exfat $options, sectors of $sector"
	# shellcheck disable=SC2086
	make_exfat "$T/image" "$size" "$sector" -L "a label" $options
	exfat_mounted "$T/image" "$sector" rw \
		age_tree "$seed" "$T/mnt/t" "$budget" 300
	check_exfat "$T/image" "$sector"
	same_as_blkid "$T/image" disk
done <<'SHAPES'
1 40M 512 10000000 -c 512
2 200M 4096 60000000 -c 64K
SHAPES

# --- what makes it whole -------------------------------------------------------------
make_exfat "$T/image" 24M 512
exfat_mounted "$T/image" 512 rw age_tree 5 "$T/mnt/t" 8000000 200
check_exfat "$T/image" 512
cp "$T/image" "$T/clean"

# whole WORDS: the image is copied whole, and the note has these words.
whole() {
	"$UB" map --json "$T/image" 2>/dev/null | jq -e --arg w "$1" '
		.volumes[0].how == "whole" and (.volumes[0].note | test($w)) and
		.used_bytes == .disk_bytes' >/dev/null || fail "not whole: $1"
	cp "$T/clean" "$T/image"
}
exfat_poke "$T/image" 106 02
whole dirty
exfat_poke "$T/image" 106 04
whole medium
exfat_poke "$T/image" 1000 77
whole checksum
truncate -s 20M "$T/image"
whole 'behind the end'
dump.exfat "$T/image" >"$T/dump" 2>/dev/null
fat=$(awk -F: '/^FAT Offset/ { print $2 * 512 }' "$T/dump")
root=$(awk -F: '/^Root Cluster/ { print $2 + 0 }' "$T/dump")
heap=$(awk -F: '/^Cluster Heap Offset/ { print $2 * 512 }' "$T/dump")
size=$(awk -F: '/^Cluster size/ { print $2 + 0 }' "$T/dump")
bitmap=$(awk -F: '/^Bitmap start/ { print $2 + 0 }' "$T/dump")
count=$(awk -F: '/^Cluster Count/ { print $2 + 0 }' "$T/dump")
exfat_poke "$T/image" $((fat + root * 4)) 05000000
whole 'root directory'

# --- the bitmap against the root directory; a bad cluster ------------------------------
used=$(exfat_used "$T/image")
bits=$((heap + (bitmap - 2) * size))
old=$(od -An -tu1 -j $bits -N 1 "$T/image")
exfat_poke "$T/image" $bits "$(printf %02x $((old & 0xf0)))"
"$UB" map --json "$T/image" >"$T/map.json" 2>/dev/null
jq -e --argjson n "$used" '.used_bytes == $n and
	(.volumes[0].note | test("own files free"))' "$T/map.json" >/dev/null ||
	fail "the bitmap's lie about the root directory"
cp "$T/clean" "$T/image"

# The last cluster is free here; a bad one is used in the bitmap.
last=$((count + 1))
byte=$((bits + (last - 2) / 8))
exfat_poke "$T/image" $byte "$(printf %02x $((1 << ((last - 2) % 8))))"
exfat_poke "$T/image" $((fat + last * 4)) f7ffffff
"$UB" map --json "$T/image" >"$T/map.json"
jq -e --argjson n "$used" '.used_bytes == $n and
	(.volumes[0].note | test("1 bad clusters"))' "$T/map.json" >/dev/null ||
	fail "a bad cluster is read: $(jq -c '.volumes[0]' "$T/map.json")"
exfat_poke "$T/image" $((fat + last * 4)) ffffffff
"$UB" map --json "$T/image" | jq -e --argjson n $((used + size)) \
	'.used_bytes == $n' >/dev/null || fail "a used cluster is not read"
exit 0
