#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on real filesystems and tables: against dumpe2fs, partclone,
# sfdisk and blkid; copies of the used extents alone are whole filesystems.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
requires mke2fs dumpe2fs e2fsck debugfs partclone.ext4 partclone.fat \
	mkfs.vfat fsck.fat mcopy mdel sfdisk sgdisk blkid mkswap jq python3
requires_built used-blocks

new() {
	rm -f "$T/image"
	truncate -s "$1" "$T/image"
}

ext() {
	local size=$1
	shift
	say "mke2fs $*"
	new "$size"
	mke2fs -q -F -L "a label" "$@" "$T/image" 2>"$T/log" ||
		{ cat "$T/log"; fail "mke2fs $*"; }
}

# --- ext: empty, aged, full; odd features ------------------------------------
ext 24M -t ext4
check_ext "$T/image"
same_as_blkid "$T/image" disk
ext 24M -t ext2 -b 1024
age 1 "$T/image" 9000000
check_ext "$T/image"
same_as_blkid "$T/image" disk
ext 32M -t ext3 -b 4096
age 2 "$T/image" 12000000
check_ext "$T/image"
same_as_blkid "$T/image" disk
ext 64M -t ext4 -O bigalloc -b 4096 -C 65536 -N 2000
age 3 "$T/image" 12000000
check_ext "$T/image"
ext 24M -t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode,inline_data -I 256
age 4 "$T/image" 9000000
check_ext "$T/image"
ext 24M -t ext4 -O sparse_super2,^metadata_csum,uninit_bg -b 1024
age 5 "$T/image" 9000000
check_ext "$T/image"
ext 16M -t ext4 -b 4096 -O ^has_journal
age 6 "$T/image" "$(free_bytes "$T/image")"
head -c 16M /dev/urandom >"$T/big"
debugfs -w -R "write $T/big big" "$T/image" >"$T/log" 2>&1 || :
e2fsck -fy "$T/image" >"$T/log" 2>&1 || :
[ "$(free_bytes "$T/image")" -lt 1000000 ] || fail "it is not full"
check_ext "$T/image"

# --- the bad-block list --------------------------------------------------------
ext 16M -t ext4 -b 1024
printf '%s\n' 9000 9001 9005 >"$T/bad"
e2fsck -fy -l "$T/bad" "$T/image" >"$T/log" 2>&1 || [ $? -le 1 ]
"$UB" map --json "$T/image" >"$T/map.json"
jq -e '[.extents[] | select(.[0] < 9006*1024 and .[0]+.[1] > 9005*1024)] == []
	and (.volumes[0].note | test("3072 bytes"))' "$T/map.json" >/dev/null ||
	fail "bad blocks are read"

# --- unclean, unknown, unusable -------------------------------------------------
ext 16M -t ext4 -b 1024
cp "$T/image" "$T/clean"
debugfs -w -R 'ssv state 2' "$T/image" >/dev/null 2>&1
expect_status 1 "$UB" map "$T/image" >"$T/out" 2>&1
grep -q 'disk (ext4).*e2fsck' "$T/out" || fail "no advice: $(cat "$T/out")"
"$UB" map --allow-dirty --json "$T/image" >"$T/map.json" 2>/dev/null
[ "$(jq -c '[.extents, .volumes[0].how]' "$T/map.json")" = \
	'[[[0,16777216]],"whole"]' ] || fail "a dirty filesystem was not whole"
cp "$T/clean" "$T/image"
debugfs -w -R 'ssv feature_incompat 0x10242' "$T/image" >/dev/null 2>&1
printf '\x42\x02\x80\x00' | dd of="$T/image" bs=1 seek=$((1024 + 96)) \
	conv=notrunc status=none
"$UB" map --json "$T/image" >"$T/map.json" 2>/dev/null
jq -e '.volumes[0].how == "whole" and (.volumes[0].note | test("feature"))' \
	"$T/map.json" >/dev/null || fail "unknown features were mapped"
new 16M
mke2fs -q -F -O journal_dev -b 1024 "$T/image" 8M
"$UB" map --json "$T/image" 2>/dev/null | jq -e '.volumes[0] |
	.how == "whole" and .filesystem == "jbd"' >/dev/null || fail "jbd"
cp "$T/clean" "$T/image"
debugfs -w -R 'ssv journal_inum 0' "$T/image" >/dev/null 2>&1
debugfs -w -R "ssv journal_uuid $(uuidgen)" "$T/image" >/dev/null 2>&1
expect_status 1 "$UB" map "$T/image" >"$T/out" 2>&1
grep -q 'journal is on another device' "$T/out" || fail "external journal"

# A damaged bitmap costs its group, not the data.
cp "$T/clean" "$T/image"
block=$(dumpe2fs "$T/image" 2>/dev/null |
	sed -n 's/.*Block bitmap at \([0-9]*\).*/\1/p' | head -1)
printf 'x' | dd of="$T/image" bs=1 seek=$((block * 1024 + 500)) conv=notrunc \
	status=none
"$UB" map --json "$T/image" 2>/dev/null | jq -e '.extents[0][0] == 0 and
	.extents[0][1] >= 8389632 and (.volumes[0].note | test("bitmap"))' \
	>/dev/null || fail "a damaged bitmap was believed"

# --- FAT ----------------------------------------------------------------------------
for kind in "12 2M 20" "16 16M 60" "32 40M 90"; do
	# shellcheck disable=SC2086
	set -- $kind
	say "mkfs.vfat -F $1"
	new "$2"
	mkfs.vfat -F "$1" -n "FAT $1" ${4:+-s $4} "$T/image" >"$T/log"
	fill_fat "$T/image" "$1" "$3"
	check_fat "$T/image" "$1"
	same_as_blkid "$T/image" disk
done

# --- swap ---------------------------------------------------------------------------
new 16M
mkswap -L paging "$T/image" >"$T/log" 2>&1
same_as_blkid "$T/image" disk
[ "$("$UB" map --json "$T/image" | jq -c .extents)" = '[[0,4096]]' ] ||
	fail "swap is more than its header"

# --- tables ---------------------------------------------------------------------------
say "a GPT disk"
new 200M
sfdisk -q "$T/image" <<'PT'
label: gpt
start=2048, size=40M, type=U, name="EFI"
size=64M, type=L, name="röot 🦀"
size=30M, type=S
start=390000, size=5000, name="far", attrs="LegacyBIOSBootable"
PT
mkfs.vfat -F 32 --offset 2048 "$T/image" $((40 * 1024)) >"$T/log" 2>&1
rm -f "$T/part"
truncate -s 64M "$T/part"
mke2fs -q -F -t ext4 -b 4096 -L root "$T/part"
age 7 "$T/part" 20000000
start=$(sfdisk -J "$T/image" | jq '.partitiontable.partitions[1].start')
dd if="$T/part" of="$T/image" bs=512 seek="$start" conv=notrunc,sparse \
	status=none
"$UB" map --json "$T/image" >"$T/map.json"
sfdisk -J "$T/image" >"$T/sfdisk"
$USEDMAP table "$T/map.json" "$T/sfdisk"
dumpe2fs "$T/part" >"$T/dumpe2fs" 2>/dev/null
$USEDMAP compare "$T/map.json" "dumpe2fs:$T/dumpe2fs@$((start * 512))"
same_as_blkid "$T/image" p2 $((start * 512)) $((64 * 1024 * 1024))
same_as_blkid "$T/image" p1 $((2048 * 512)) $((40 * 1024 * 1024))
$USEDMAP copy "$T/map.json" "$T/image" "$T/copy"
sgdisk -v "$T/copy" | grep -q 'No problems found' || fail "the GPT's copy"
dd if="$T/copy" of="$T/part2" bs=512 skip="$start" count=$((64 * 2048)) \
	status=none
e2fsck -fn "$T/part2" >"$T/log" 2>&1 || fail "the root of the copied disk"
[ "$("$UB" map --ddrescue "$T/image" | awk '$3 == "+"' | wc -l)" = \
	"$(jq '.extents | length' "$T/map.json")" ] || fail "--ddrescue"
dd if=/dev/zero of="$T/image" bs=512 seek=1 count=1 conv=notrunc status=none
"$UB" map --json "$T/image" 2>"$T/err" >"$T/map2.json"
grep -q 'primary GPT is damaged' "$T/err" || fail "a damaged GPT, unsaid"
[ "$(jq -S 'del(.warnings)' "$T/map.json")" = \
	"$(jq -S 'del(.warnings)' "$T/map2.json")" ] || fail "the backup GPT"

say "an MBR disk"
new 300M
sfdisk -q "$T/image" <<'PT'
label: dos
2048, 20M, 83, *
, 30M, 82
, 150M, E
, 20M, 83
, 30M, b
, 40M, 8e
,, 7
PT
"$UB" map --json "$T/image" >"$T/map.json"
sfdisk -J "$T/image" >"$T/sfdisk"
$USEDMAP table "$T/map.json" "$T/sfdisk"
[ "$(jq -r .table_uuid "$T/map.json")" = \
	"$(jq -r .partitiontable.id "$T/sfdisk" | sed s/^0x//)" ] ||
	fail "the MBR's signature"

# --- refusals -----------------------------------------------------------------------------
expect_status 2 "$UB" map --json --ddrescue "$T/image" 2>/dev/null
expect_status 2 "$UB" map --sector-size 1000 "$T/image" 2>/dev/null
expect_status 1 "$UB" map --whole p9 "$T/image" 2>"$T/err" >/dev/null
grep -q "no volume 'p9'" "$T/err" || fail "--whole with no such volume"
expect_status 1 "$UB" map /nowhere 2>/dev/null

# --- needs root: a 4096-byte disk, and a filesystem after a power cut -----------------------
if [ "$(id -u)" != 0 ] || ! losetup -f >/dev/null 2>&1; then
	say "no root or no loop devices: 4096-byte disks and replays left out"
	exit 0
fi
say "a GPT with 4096-byte sectors"
new 100M
loop=$(losetup -f --show -b 4096 "$T/image")
at_exit losetup -d "$loop"
sfdisk -q "$loop" <<'PT'
label: gpt
size=20M, type=U
size=30M, type=L
PT
sfdisk -J "$loop" >"$T/sfdisk"
"$UB" map --json "$loop" >"$T/map.json"
jq -e '.partitiontable.sectorsize == 4096' "$T/sfdisk" >/dev/null ||
	fail "the loop device has other sectors"
$USEDMAP table "$T/map.json" "$T/sfdisk"
# The image file has 512-byte sectors by itself.
"$UB" map --json "$T/image" >"$T/map2.json"
cmp "$T/map.json" "$T/map2.json" || fail "the image reads differently"

say "a journal that waits"
ext 64M -t ext4 -b 4096
mkdir "$T/mnt"
mount -o loop "$T/image" "$T/mnt"
at_exit umount -q "$T/mnt"
for i in $(seq 150); do
	head -c $((i * 700)) /dev/urandom >"$T/mnt/f$i"
done
sync -f "$T/mnt"
rm "$T/mnt"/f1*
for i in $(seq 60); do
	head -c $((i * 900)) /dev/urandom >"$T/mnt/g$i"
done
sync -f "$T/mnt"
cp --sparse=always "$T/image" "$T/crash"
umount "$T/mnt"
dumpe2fs -h "$T/crash" 2>/dev/null | grep -q needs_recovery ||
	fail "the filesystem is clean"
before=$(sha256 <"$T/crash")
if "$UB" map --json "$T/crash" >"$T/map.json" 2>"$T/err"; then
	[ "$(sha256 <"$T/crash")" = "$before" ] || fail "the source was changed"
	$USEDMAP copy "$T/map.json" "$T/crash" "$T/copy"
	e2fsck -fy -E journal_only "$T/crash" >/dev/null 2>&1 || [ $? -le 1 ]
	e2fsck -y -E journal_only "$T/copy" >/dev/null 2>&1 || [ $? -le 1 ]
	dumpe2fs "$T/crash" >"$T/dumpe2fs" 2>/dev/null
	$USEDMAP compare "$T/map.json" "dumpe2fs:$T/dumpe2fs" ||
		fail "the map of an unclean filesystem"
	e2fsck -fn "$T/copy" >"$T/log" 2>&1 || fail "the copy's replay"
	[ "$(tree_of "$T/crash")" = "$(tree_of "$T/copy")" ] ||
		fail "files differ after the replay"
else
	# Without FUSE there is no trial replay, and no guess either.
	[ ! -w /dev/fuse ] || fail "no map: $(cat "$T/err")"
	grep -q 'e2fsck' "$T/err" || fail "no advice: $(cat "$T/err")"
fi
exit 0
