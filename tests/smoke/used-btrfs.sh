#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on Btrfs: aged ones against dump-tree and partclone, copies of
# the used extents alone checked, scrubbed and compared; a block group tree; two
# devices; a log that waits for its replay.
set -eu
# Mounts that nobody else's namespace keeps: a Btrfs that is still mounted there
# can't be taken for its copy.
if [ "$(id -u)" = 0 ] && [ -z "${FY_PRIVATE_MOUNTS:-}" ] && unshare -m true; then
	FY_PRIVATE_MOUNTS=1 exec unshare -m --propagation private bash "$0" "$@"
fi
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/btrfs.sh"
requires partclone.btrfs blkid jq python3
requires_built used-blocks obj/partclone/test-btrfs
requires_btrfs

say "one device, DUP metadata"
make_set 400M 1
mount_set
fill_set 1 60000000
umount_set
same_as_blkid "$T/image.1" disk
cp --sparse=always "$T/image.1" "$T/original"
check_set
partclone.btrfs -D -s "$T/original" -O "$T/domain" -L "$T/log" >/dev/null 2>&1 ||
	fail "partclone.btrfs does not take it"
$BTRFSMAP partclone "$T/super" "$T/chunks" "$T/extents" "$T/domain" \
	"$T/map.1.json" || fail "partclone's map"
rm -f "$T/domain" "$T/original"
detach

say "a block group tree"
new_images 300M 1
mkfs.btrfs -q -R free-space-tree "$T/image.1" >"$T/log" 2>&1
python3 "$FY_TOP/tests/lib/btrfs-group-tree.py" "$T/image.1"
attach "$T/image.1"
if mount -t btrfs "${LOOPS[0]}" "$T/mnt" 2>/dev/null; then
	fill_set 2 30000000 400
	umount_set
	# Whether a check of this version reads such a one is told by the
	# original.
	if btrfs check --readonly "${LOOPS[0]}" >/dev/null 2>&1; then
		check_set
	else
		check_set nocheck
	fi
else
	say "this kernel has none"
fi
detach

say "two devices, RAID0 and RAID1"
make_set 300M 2 -d raid0 -m raid1
mount_set
fill_set 3 50000000 400
umount_set
"$UB" map --json "$T/image.1" 2>"$T/err" >"$T/map.json"
jq -e '.volumes[0] | .how == "whole" and
	(.note | test("only 1 of its 2 volumes"))' "$T/map.json" \
	>/dev/null || fail "half a filesystem was mapped"
check_set
detach

say "a log that waits"
make_set 200M 1
mount_set commit=300
fill_set 4 10000000 200
sync -f "$T/mnt"
# What was committed is whole, mounted or not.
before=$(tree_below "$T/mnt")
cp --sparse=always "$T/image.1" "$T/committed"
dd if=/dev/urandom of="$T/mnt/synced" bs=64K count=3 conv=fsync status=none
cp --sparse=always "$T/image.1" "$T/logged"
umount_set
detach
mv "$T/committed" "$T/image.1"
attach "$T/image.1"
map_set
copy_set
detach
attach "$T/image.1"
btrfs check --readonly "${LOOPS[0]}" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the copy of a committed state"; }
mount_set ro
[ "$(tree_below "$T/mnt")" = "$before" ] ||
	fail "files of a committed state differ"
umount_set
detach
[ "$(btrfs inspect-internal dump-super "$T/logged" |
	awk '$1 == "log_root" { print $2 }')" != 0 ] || fail "there is no log"
expect_status 1 "$UB" map "$T/logged" >"$T/out" 2>&1
grep -q 'btrfs.*log waits.*mount and unmount' "$T/out" ||
	fail "no advice: $(cat "$T/out")"
"$UB" map --allow-dirty --json "$T/logged" 2>/dev/null | jq -e \
	'.extents == [[0,209715200]] and .volumes[0].how == "whole"' \
	>/dev/null || fail "a log was not copied whole"

say "damage"
# Both copies of the extent tree's root: no map, no guess.
cp "$T/image.1" "$T/damaged"
node=$(btrfs inspect-internal dump-tree -t extent "$T/damaged" |
	awk '$1 == "leaf" || $1 == "node" { print $2; exit }')
for n in 1 2; do
	at=$(btrfs-map-logical -l "$node" -c "$n" "$T/damaged" 2>/dev/null |
		sed -n "s/^mirror $n .*physical \([0-9]*\) .*/\1/p" | head -1)
	[ -n "$at" ] || fail "where is $node?"
	printf damage | dd of="$T/damaged" bs=1 seek=$((at + 300)) \
		conv=notrunc status=none
	"$UB" map --json "$T/damaged" >"$T/map.json" 2>/dev/null
	[ "$n" = 2 ] || cmp "$T/map.json" "$T/map.1.json" ||
		fail "a damaged copy of the extent tree makes a difference"
done
jq -e '.volumes[0] | .how == "whole" and (.note | test("checksum"))' \
	"$T/map.json" >/dev/null || fail "a damaged extent tree was believed"
exit 0
