#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map over all kinds of Btrfs: profiles on one to five devices,
# checksums, sizes of nodes, features, changes of its devices and its UUID; then
# a nearly empty one of 16 TiB within its time and memory.
set -eu
# Mounts that nobody else's namespace keeps: a Btrfs that is still mounted there
# can't be taken for its copy.
if [ "$(id -u)" = 0 ] && [ -z "${FY_PRIVATE_MOUNTS:-}" ] && unshare -m true; then
	FY_PRIVATE_MOUNTS=1 exec unshare -m --propagation private bash "$0" "$@"
fi
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/btrfs.sh"
requires btrfstune jq python3
[ -x /usr/bin/time ] || skip "needs /usr/bin/time"
requires_built used-blocks obj/partclone/test-btrfs
requires_btrfs

seed=${FY_SEED:-2000}

# --- every profile, checksum and size -----------------------------------------
while read -r n size bytes options; do
	seed=$((seed + 5))
	say "seed $seed, $n devices, $options"
	# shellcheck disable=SC2086
	make_set "$size" "$n" $options
	mount_set
	fill_set $seed "$bytes" 500
	umount_set
	check_set
	detach
done <<'SHAPES'
1 300M 60000000 -m single -d single
1 300M 60000000 -m dup -d dup
1 300M 60000000 --csum xxhash
1 300M 60000000 --csum sha256
1 300M 60000000 --csum blake2
1 300M 60000000 -n 4096
1 300M 60000000 -n 65536
1 120M 30000000 -M -n 4096
1 300M 60000000 -O ^no-holes -R ^free-space-tree
1 300M 60000000 -O ^skinny-metadata,^extref
1 300M 60000000 -R quota
1 500M 300000000 -n 4096 --csum xxhash
2 300M 60000000 -m raid1 -d raid1
2 300M 60000000 -m raid1 -d single
3 300M 60000000 -m raid0 -d raid0
3 300M 60000000 -m raid1c3 -d raid1c3
4 300M 60000000 -m raid1c4 -d raid0
4 300M 60000000 -m raid10 -d raid10
3 300M 60000000 -m raid1 -d raid5
3 300M 60000000 -m raid5 -d raid5
4 300M 60000000 -m raid6 -d raid6
5 300M 60000000 -m raid1c3 -d raid6 --csum blake2
2 300M 60000000 -m raid5 -d raid5 -n 4096
4 300M 60000000 -M -m raid1 -d raid1 -n 4096
SHAPES

# Sectors that this kernel's pages don't have can't be mounted, but be read.
for size in 16384 65536; do
	say "sectors of $size"
	make_set 300M 1 -s $size -n 65536
	map_set
	judge_set
	copy_set
	btrfs check --readonly "$T/image.1" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "sectors of $size"; }
	detach
done

# --- a life -----------------------------------------------------------------------
say "devices added, removed, resized, balanced"
make_set 400M 3 -m raid1 -d single
loops=("${LOOPS[@]}")
mount_set
fill_set 3000 60000000 500
btrfs -q balance start --full-balance -dconvert=raid0 -mconvert=raid1c3 \
	"$T/mnt" >/dev/null
btrfs filesystem resize 2:350M "$T/mnt" >/dev/null
age_tree 3100 "$T/mnt/later" 20000000 400 reflinks
umount_set
check_set
loops=("${LOOPS[@]}")
mount_set
btrfs -q balance start --full-balance -dconvert=single -mconvert=dup \
	"$T/mnt" --force >/dev/null
btrfs device remove "${loops[2]}" "$T/mnt"
btrfs device remove 2 "$T/mnt"
umount_set
losetup -d "${loops[1]}"
losetup -d "${loops[2]}"
LOOPS=("${loops[0]}")
rm "$T/image.2" "$T/image.3"
check_set
detach

say "shrunk inside its partition, with a new UUID"
make_set 600M 1
mount_set
fill_set 3200 30000000 300
btrfs filesystem resize 300M "$T/mnt" >/dev/null
umount_set
btrfstune -f -m "${LOOPS[0]}" >"$T/log" 2>&1 || fail "btrfstune -m"
mount_set ro
before=$(tree_below "$T/mnt")
umount_set
same_as_blkid "$T/image.1" disk
"$UB" map --json "$T/image.1" >"$T/map.1.json"
jq -e '[.volumes[] | select(.path == "gap")] | length == 1 and
	.[0].start == 314572800' "$T/map.1.json" >/dev/null ||
	fail "where does it end: $(jq -c .volumes "$T/map.1.json")"
copy_set
detach
attach "$T/image.1"
btrfs check --readonly "${LOOPS[0]}" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "a copy with a new UUID"; }
mount_set ro
[ "$(tree_below "$T/mnt")" = "$before" ] || fail "files of the copy differ"
umount_set
detach
make_set 300M 1
mount_set
fill_set 3250 20000000 200
umount_set
btrfstune -f -u "${LOOPS[0]}" >"$T/log" 2>&1 || fail "btrfstune -u"
check_set
detach

say "a seed, and what stands on it"
make_set 300M 1
mount_set
fill_set 3300 10000000 200
umount_set
btrfstune -S 1 "${LOOPS[0]}" >"$T/log" 2>&1 || fail "btrfstune -S"
truncate -s 300M "$T/image.2"
"$UB" map --json "$T/image.1" 2>/dev/null | jq -e '.volumes[0] |
	.how == "whole" and (.note | test("seed"))' >/dev/null || fail "a seed"
loops=("${LOOPS[@]}")
attach "$T/image.2"
mount -t btrfs "${loops[0]}" "$T/mnt" 2>/dev/null || fail "the seed's mount"
btrfs device add -f "${LOOPS[0]}" "$T/mnt" >/dev/null
umount "$T/mnt"
"$UB" map --json "$T/image.2" 2>/dev/null | jq -e '.volumes[0].how == "whole"' \
	>/dev/null || fail "a filesystem on a seed was mapped"
detach
LOOPS=("${loops[@]}")
detach

say "a device missing, and one that is behind"
make_set 300M 2 -m raid1 -d raid1
mount_set
fill_set 3400 10000000 200
umount_set
detach
attach "$T/image.1"
mount -t btrfs -o degraded "${LOOPS[0]}" "$T/mnt" || fail "degraded"
age_tree 3500 "$T/mnt/degraded" 5000000 100
umount_set
detach
"$FY_BUILD/obj/partclone/test-btrfs" map "$T/image.1" "$T/image.2" >"$T/maps"
jq -e '.whole == true and (.note | test("different ages"))' "$T/maps" \
	>/dev/null || fail "a device that is behind was mapped"

say "frozen amid the removal of snapshots, and a balance that is paused"
make_set 500M 1 -n 4096
mount_set
fill_set 3600 60000000 700
for i in 1 2 3 4; do
	btrfs -q subvolume snapshot "$T/mnt/sub" "$T/mnt/s$i"
	age_tree $((3600 + i)) "$T/mnt/s$i/x" 4000000 150
done
sync -f "$T/mnt"
btrfs -q subvolume delete "$T/mnt/s1" "$T/mnt/s2" "$T/mnt/s3" >/dev/null
fsfreeze -f "$T/mnt"
cp --sparse=always "$T/image.1" "$T/frozen"
fsfreeze -u "$T/mnt"
before=$(tree_below "$T/mnt")
btrfs -q balance start --full-balance "$T/mnt" >/dev/null 2>&1 &
balance=$!
own_pid $balance
# It may be done already.
btrfs balance pause "$T/mnt" >/dev/null 2>&1 || :
wait $balance || :
umount_set
map_set
judge_set
detach
mv "$T/frozen" "$T/image.1"
attach "$T/image.1"
map_set
judge_set
copy_set
detach
attach "$T/image.1"
mount_set
[ "$(tree_below "$T/mnt")" = "$before" ] || fail "files of the frozen differ"
umount_set
detach

# --- 16 TiB --------------------------------------------------------------------------
# An ext4 can't hold a file of all 16 TiB: 4 KiB less.
rm -f "$T"/image.*
truncate -s 17592186040320 "$T/big" 2>/dev/null ||
	skip "no sparse file of 16 TiB here"
mkfs.btrfs -q -K "$T/big" >/dev/null 2>&1
/usr/bin/time -f '%e %M' -o "$T/time" "$UB" map --json "$T/big" \
	>"$T/map.json" || fail "16 TiB: no map"
read -r seconds kib <"$T/time"
used=$(jq .used_bytes "$T/map.json")
jq -e '.extents | index([[274877906944,4096]]) != null' "$T/map.json" >/dev/null ||
	fail "16 TiB: no superblock at 256 GiB"
say "16 TiB: $seconds s, $kib KiB, used $used"
if [ "${seconds%.*}" -ge 10 ] || [ "$kib" -ge 262144 ] ||
    [ "$used" -gt 4000000 ]; then
	fail "16 TiB take too much"
fi
exit 0
