#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks on LVM and md over two disks: linear and spanning LVs, a swap, an
# XFS, a snapshot, a thin pool with a snapshot, a RAID 1.  All is made in the
# workbench, mapped here, and a copy of the used bytes over 0xA5 is judged by
# the kernel's tables here and by LVM, the checkers and the files there.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/stack.sh"
requires jq python3 sfdisk debugfs dumpe2fs e2fsck
requires_built used-blocks p2v-client
workbench_needs

for d in a b; do
	truncate -s 1000M "$T/$d"
	sfdisk -q "$T/$d" <<-'PT'
	label: gpt
	size=900M, type=E6D6D379-F507-44C2-A23C-238F2A3DF928
	size=70M, type=A19D880F-05FC-4D3B-A006-743F0F84911E
	PT
done

say "a volume group and an array over two disks"
{
	printf '%s\n' "$STACK_PRELUDE"
	cat <<'SCRIPT'
mdadm --create /dev/md1 --run --level 1 --raid-devices 2 --metadata 1.2 \
	--bitmap internal --homehost box --name data /dev/vdb2 /dev/vdc2
mkfs.ext4 -q /dev/md1
mdadm --wait /dev/md1 || :
fill /dev/md1 md 1 6000000 100
vgcreate -q vg /dev/vdb1 /dev/vdc1
lvcreate -q -y -W n -L 80M -n hole vg /dev/vdb1
lvcreate -q -y -W n -L 200M -n root vg /dev/vdb1
lvcreate -q -y -W n -L 32M -n swap vg /dev/vdc1
lvcreate -q -y -W n -L 120M -n wide vg /dev/vdb1
lvcreate -q -y -W n -L 320M -n data vg /dev/vdc1
lvextend -q -L +80M vg/wide /dev/vdc1
lvextend -q -L +80M vg/wide /dev/vdb1
lvremove -q -y vg/hole
mkfs.ext4 -q -L root /dev/vg/root
mkfs.ext4 -q -L wide /dev/vg/wide
mkfs.xfs -q -L data /dev/vg/data
mkswap -L swap /dev/vg/swap
fill /dev/vg/root root 2 15000000 120
fill /dev/vg/wide wide 3 25000000 120
fill /dev/vg/data data 4 8000000 100
lvcreate -q -y -s -L 40M -n snap vg/root
cp $OUT/root.tree $OUT/snap.tree
mkdir -p /mnt/change
mount /dev/vg/root /mnt/change
rm -rf /mnt/change/tree/*1*
dd if=/dev/urandom of=/mnt/change/new bs=1M count=6 status=none
tree_to /mnt/change $OUT/root.tree
umount /mnt/change
lvcreate -q -y -L 100M -T vg/pool -c 64k
lvcreate -q -y -V 300M -T vg/pool -n thin
mkfs.ext4 -q -L thin /dev/vg/thin
fill /dev/vg/thin thin 5 15000000 120
lvcreate -q -y -s -n thinsnap vg/thin
lvchange -q -ay -K vg/thinsnap
cp $OUT/thin.tree $OUT/thinsnap.tree
mount /dev/vg/thin /mnt/change
rm -rf /mnt/change/tree/*2*
dd if=/dev/urandom of=/mnt/change/new bs=1M count=6 status=none
tree_to /mnt/change $OUT/thin.tree
umount /mnt/change
sync
record >$OUT/tables
lvs -a -o+devices vg
vgcfgbackup -q -f $OUT/vg.conf vg
SCRIPT
} >"$T/make.sh"
workbench --out "$T/out" "$T/make.sh" "$T/a" "$T/b" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the disks were not made"; }

say "the map"
map_set "$T/a" "$T/b"
rows >"$T/rows"
cat "$T/rows"
for row in 'vg/root ext4 map' 'vg/snap ext4 map' 'vg/wide ext4 map' \
	'vg/swap swap map' 'vg/thin ext4 map' 'vg/thinsnap ext4 map' \
	'md/data ext4 map'; do
	grep -qx "$row" "$T/rows" || fail "there is no row '$row'"
done
grep -q '^vg/data xfs' "$T/rows" || fail "there is no row of vg/data"
for p in p1 p2; do
	[ "$(row_of $p how | sort -u)" = map ] || fail "$p was not mapped"
done
used=$(jq '[.disks[].used_bytes] | add' "$T/set.json")
say "used: $used of $(stat -c %s "$T/a" "$T/b" | paste -sd+ | bc)"

say "by the kernel's tables"
carved_ext vg-wide "$T/out/tables" "$T/a" "$T/b"
carved_ext md1 "$T/out/tables" "$T/a" "$T/b"
# What the snapshot needs is there, too.
ALLOW=1.0 carved_ext vg-root-real "$T/out/tables" "$T/a" "$T/b"

say "by LVM, the checkers and the files"
{
	printf '%s\n' "$STACK_PRELUDE"
	cat <<'SCRIPT'
pvck /dev/vdb1
pvck /dev/vdc1
mdadm --assemble /dev/md1 /dev/vdb2 /dev/vdc2
echo check >/sys/block/md1/md/sync_action
mdadm --wait /dev/md1 || :
[ "$(cat /sys/block/md1/md/mismatch_cnt)" = 0 ] ||
	{ echo "md1: the legs differ"; exit 1; }
vgck vg
vgchange -q -ay -K vg
lvchange -q -an vg/thin vg/thinsnap vg/pool
lvchange -q -ay -y vg/pool_tmeta
thin_check /dev/vg/pool_tmeta
lvchange -q -an vg/pool_tmeta
vgchange -q -ay -K vg
for d in root snap wide thin thinsnap; do
	e2fsck -fn /dev/vg/$d
	judge /dev/vg/$d $d
done
xfs_repair -n /dev/vg/data
judge /dev/vg/data data ,norecovery
judge /dev/md1 md
[ "$(blkid -o value -s LABEL /dev/vg/swap)" = swap ]
SCRIPT
} >"$T/judge.sh"
workbench --out "$T/out" "$T/judge.sh" "$T/a.copy" "$T/b.copy" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the copies are not whole"; }

say "an unclean LV"
offset=$(row_of vg/root start)
debugfs -w -R "ssv state 2" "$T/a?offset=$offset" 2>/dev/null
expect_status 1 "$UB" map "$T/a" "$T/b" 2>"$T/err" >"$T/log"
grep -q 'vg/root (ext4).*e2fsck' "$T/err" ||
	fail "the unclean LV is not named: $(cat "$T/err")"
"$UB" map --json --whole vg/root "$T/a" "$T/b" >"$T/set.json" 2>"$T/err" ||
	fail "no map with --whole: $(cat "$T/err")"
[ "$(row_of vg/root how) $(row_of vg/root note)" = "whole asked for" ] ||
	fail "vg/root is not whole"
[ "$(row_of vg/wide how)" = map ] || fail "vg/wide is not mapped"
"$FY_BUILD/p2v-client" inventory --json --disk "$T/a" --disk "$T/b" \
	>"$T/set.json" 2>"$T/err" || fail "no inventory: $(cat "$T/err")"
[ "$(row_of vg/root how)" = whole ] || fail "inventory: vg/root is not whole"
[ "$(row_of vg/wide how) $(row_of p2 how | sort -u)" = "map map" ] ||
	fail "inventory: the rest is not mapped"

say "one disk of the two"
"$UB" map --json "$T/a" >"$T/set.json" 2>"$T/set.err" ||
	fail "no map of one disk: $(cat "$T/set.err")"
[ "$(row_of p1 how)" = whole ] || fail "half a volume group was mapped"
grep -q "only 1 of its 2 PVs" "$T/set.err" || fail "no word of the other PV"
[ "$(row_of p2 how)" = map ] || fail "half an array was not mapped"
exit 0
