#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on XFS: aged filesystems against xfs_db and partclone, copies
# of the used extents alone; unclean, incomplete and damaged ones.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/usedxfs.sh"
requires mkfs.xfs xfs_db xfs_repair xfs_admin xfs_growfs partclone.xfs blkid \
	jq python3
requires_built used-blocks
requires_loop

# --- aged ----------------------------------------------------------------------
new_xfs 96M -m rmapbt=1 -d agcount=4
check_xfs
[ -e "$T/domain" ] || fail "partclone.xfs does not take it"
same_as_blkid "$T/image" disk
age_xfs 1 40000000 1500 links holes reflinks xattrs
check_xfs
[ -s "$T/tree" ] || fail "no files"
same_as_blkid "$T/image" disk

# Small blocks, a deep btree, AGs that are no power of two, and an end before
# the image's.
new_xfs 100M -b size=1024 -m reflink=0 -i size=512,sparse=1 \
	-d agcount=5,size=90m
age_xfs 2 15000000 600 links holes xattrs
mount_xfs "$T/image"
$XFSMAP churn "$T/mnt/churn" 8000
umount_xfs
check_xfs
[ "$(levels_of "$T/image")" -ge 2 ] || fail "the btree is not deep"
[ -s "$T/tree" ] || fail "no files"

# 4096-byte sectors, 64-bit counts of extents, a log with a stripe unit; then
# grown, and its UUID changed.
new_xfs 128M -d size=64m -s size=4096 -i nrext64=1 -l su=64k -d agcount=2
age_xfs 3 20000000 600 links holes reflinks xattrs
check_xfs
mount_xfs "$T/image"
xfs_growfs "$T/mnt" >"$T/log"
umount_xfs
xfs_admin -U generate "$T/image" >"$T/log"
age_xfs 4 30000000 600 links holes reflinks xattrs
check_xfs

# Version 4, with no mount.
proto_xfs 5 240 64M -m crc=0 -b size=512 -l version=1 -d agcount=3
check_xfs

# refused WORDS: the map of $T/image, with these words; whole when allowed.
refused() {
	local status=0
	"$UB" map "$T/image" >"$T/out" 2>&1 || status=$?
	if [ $status != 1 ] || ! grep -q "$1" "$T/out"; then
		fail "status $status, not '$1': $(cat "$T/out")"
	fi
	"$UB" map --allow-dirty --json "$T/image" 2>/dev/null >"$T/map.json"
	jq -e '.volumes[0].how == "whole" and .used_bytes == .disk_bytes' \
		"$T/map.json" >/dev/null || fail "$1: not whole"
}

# --- an unclean log --------------------------------------------------------------
new_xfs 96M
mount_xfs "$T/image"
age_tree 6 "$T/mnt/a" 8000000 300 links
sync -f "$T/mnt"
age_tree 7 "$T/mnt/b" 8000000 300 links
sync -f "$T/mnt"
cp --sparse=always "$T/image" "$T/crash"
umount_xfs
mv "$T/image" "$T/unmounted"
mv "$T/crash" "$T/image"
refused 'disk (xfs).*mount it once and unmount it.*--allow-dirty'
cp --sparse=always "$T/image" "$T/crash"
# As advised; and after xfs_repair has thrown the log away.
mount_xfs "$T/image"
umount_xfs
check_xfs
mv "$T/crash" "$T/image"
xfs_repair -L "$T/image" >"$T/log" 2>&1 || fail "xfs_repair -L"
check_xfs

# --- incomplete, unfinished ---------------------------------------------------------
truncate -s 64M "$T/other"
new_xfs 64M -l "logdev=$T/other"
refused 'its log is on another device'
new_xfs 64M -r "rtdev=$T/other"
refused 'its realtime section is on another device'
new_xfs 64M -d agcount=4
xfs_db -x -c 'sb 0' -c 'write features_incompat 0x1b' "$T/image" >"$T/log"
refused 'xfs_repair'

# --- damaged -------------------------------------------------------------------------
new_xfs 64M -d agcount=4
cp "$T/image" "$T/clean"
printf 'x' | dd of="$T/image" bs=1 seek=$((16 * 1024 * 1024 + 512 + 300)) \
	conv=notrunc status=none
"$UB" map --json "$T/image" 2>"$T/err" >"$T/map.json"
jq -e '.volumes[0].how == "map" and
	(.volumes[0].note | test("^1 of 4 .*number 1: .*checksum")) and
	([.extents[] | select(.[0] <= 16777216 and
	    .[0] + .[1] >= 33554432)] | length) == 1' "$T/map.json" >/dev/null ||
	fail "a damaged AGF: $(cat "$T/map.json")"
grep -q '1 of 4' "$T/err" || fail "a damaged AGF is not warned of"
# Wrong free space under a right checksum: that AG, and nothing else.
cp "$T/clean" "$T/image"
xfs_db -x -c 'agf 2' -c 'addr bnoroot' -c 'write -d recs[1].blockcount 2000' \
	"$T/image" >"$T/log" 2>&1
"$UB" map --json "$T/image" 2>/dev/null |
	jq -e '.volumes[0].note | test("number 2: its free extents")' \
		>/dev/null || fail "a shorter free extent was believed"
cp "$T/clean" "$T/image"
printf 'x' | dd of="$T/image" bs=1 seek=130 conv=notrunc status=none
"$UB" map --json "$T/image" 2>/dev/null |
	jq -e '.volumes[0].how == "whole" and
		(.volumes[0].note | test("checksum"))' >/dev/null ||
	fail "a damaged superblock was believed"
