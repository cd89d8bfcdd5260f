#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Clonezilla's image directories of disks with LVM.  A group over two PVs (a
# linear LV in three pieces, a striped one, an XFS, a swap, one of bytes) and
# one with dashes in its name are made in the workbench and saved by the commands
# that Clonezilla runs; the disk that is put together is judged by LVM, the
# checkers and the files there, and by our own map here.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/ptcl.sh"
. "$(dirname "$0")/../lib/clonezilla.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/stack.sh"
requires jq python3 sfdisk parted sgdisk mke2fs e2fsck partclone.ext4 \
	partclone.xfs partclone.dd gzip zstd split file
requires_built used-blocks
workbench_needs

D=$T/disk
truncate -s 1200M "$D"
sfdisk -q "$D" <<-'PT'
label: gpt
size=40M, type=L
size=700M, type=E6D6D379-F507-44C2-A23C-238F2A3DF928
size=300M, type=E6D6D379-F507-44C2-A23C-238F2A3DF928
size=100M, type=E6D6D379-F507-44C2-A23C-238F2A3DF928
PT

say "a disk with two volume groups"
{
	printf '%s\n' "$STACK_PRELUDE"
	cat <<'SCRIPT'
mkfs.ext4 -q -L boot /dev/vdb1
fill /dev/vdb1 boot 1 3000000 60
vgcreate -q vg /dev/vdb2 /dev/vdb3
vgcreate -q my-vg.1 /dev/vdb4
lvcreate -q -y -W n -L 60M -n hole vg /dev/vdb2
lvcreate -q -y -W n -L 60M -n root vg /dev/vdb2
lvcreate -q -y -W n -L 32M -n swap vg /dev/vdb3
lvextend -q -L +60M vg/root /dev/vdb3
lvcreate -q -y -W n -i 2 -I 64k -L 160M -n striped vg
lvextend -q -L +40M vg/root /dev/vdb2
lvcreate -q -y -W n -L 320M -n data vg /dev/vdb2
lvremove -q -y vg/hole
lvcreate -q -y -W n -L 8M -n bytes.x vg /dev/vdb2
lvcreate -q -y -W n -L 60M -n a-home_1 my-vg.1
mkfs.ext4 -q -L swapfile /dev/vg/root
mkfs.ext4 -q -b 1024 /dev/vg/striped
mkfs.xfs -q -L data /dev/vg/data
mkfs.ext4 -q /dev/my-vg.1/a-home_1
mkswap -L "swp" -U 6cd8a1f0-1d14-4d3f-8fdb-1ba9f3f8f2a1 /dev/vg/swap
fill /dev/vg/root root 2 25000000 120
fill /dev/vg/striped striped 3 20000000 120
fill /dev/vg/data data 4 12000000 100
fill /dev/my-vg.1/a-home_1 home 5 8000000 80
dd if=/dev/urandom of=/dev/vg/bytes.x bs=1M count=8 status=none
sha256sum </dev/vg/bytes.x >$OUT/bytes.sum
sync
# As ocs-functions' save_logv has it, but for the LVs' images.
LC_ALL=C pvscan 2>/dev/null | grep -Ew lvm2 | while read -r LINE; do
	DEV=$(echo $LINE | cut -d' ' -f2)
	VG=$(echo $LINE | cut -d' ' -f4)
	UUID=$(LC_ALL=C pvdisplay $DEV 2>/dev/null | grep "PV UUID" |
		awk -F" " '{print $3}')
	echo "$VG $DEV $UUID" >>$OUT/lvm_vg_dev.list
done
LC_ALL=C lvscan 2>/dev/null | grep "/.*/" | while read -r LINE; do
	echo $LINE | cut -f 2 -d \' >>$OUT/lvs
done
for vg in vg my-vg.1; do
	rm -f /tmp/vgcfg
	LC_ALL=C vgcfgbackup -f /tmp/vgcfg $vg
	cp /tmp/vgcfg $OUT/lvm_$vg.conf
done
while read -r lv; do
	dd if=$lv of=$OUT/lv.${lv##*/} bs=1M status=none
done <$OUT/lvs
SCRIPT
} >"$T/make.sh"
workbench --out "$T/out" "$T/make.sh" "$D" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the disk was not made"; }

say "Clonezilla's directory"
I=$T/image
cz_table "$D" "$I" sda
cz_save "$D" 1 "$I" sda ext4 "zstd -q -1" zst
sed 's|/dev/vdb|/dev/sda|' "$T/out/lvm_vg_dev.list" >"$I/lvm_vg_dev.list"
cp "$T"/out/lvm_*.conf "$I"
# save_lv NAME FS FILE [PIECES]
save_lv() {
	"partclone.$2" -z 10485760 -c -s "$3" -L "$T/cz.log" -o - 2>"$T/cz.out" |
		gzip -1 >"$I/$1.$2-ptcl-img.gz" ||
		fail "partclone.$2: $(cat "$T/cz.out")"
	[ -n "${4:-}" ] || return 0
	split -a 2 -b "$4" "$I/$1.$2-ptcl-img.gz" "$I/$1.$2-ptcl-img.gz."
	rm "$I/$1.$2-ptcl-img.gz"
}
while read -r lv; do
	echo "$lv $(LC_ALL=C file -Ls "$T/out/lv.${lv##*/}" |
		awk -F":" '{print $2}')" >>"$I/lvm_logv.list"
done <"$T/out/lvs"
save_lv vg-root ext4 "$T/out/lv.root" 50K
save_lv vg-striped ext4 "$T/out/lv.striped"
save_lv vg-data xfs "$T/out/lv.data"
save_lv my-vg.1-a-home_1 ext4 "$T/out/lv.a-home_1"
gzip -1 <"$T/out/lv.bytes.x" >"$I/vg-bytes.x.dd-ptcl-img.gz"
printf 'UUID="6cd8a1f0-1d14-4d3f-8fdb-1ba9f3f8f2a1"\nLABEL="swp"\n' \
	>"$I/swappt-vg-swap.info"
echo "sda1 sda2 sda3 sda4" >"$I/parts"
cat "$I/lvm_vg_dev.list" "$I/lvm_logv.list"
grep -q 'swap.* Linux swap file' "$I/lvm_logv.list" || fail "no swap is listed"
[ -e "$I/vg-root.ext4-ptcl-img.gz.ab" ] || fail "the test has no pieces"
rm "$T"/out/lv.*

say "the disk put together"
"$UB" check --quiet "$I" || fail "check"
"$UB" info "$I"
"$UB" info --json "$I" | jq -e '.parts[1].kind == "lvm" and
	(.logical_volumes | length) == 6 and
	([.logical_volumes[] | select(.name == "bytes.x")][0].kind == "raw")' \
	>"$T/log" || fail "info"
"$UB" restore --quiet --verify "$I" "$T/back" || fail "restore"
sgdisk -v "$T/back" | grep -q 'No problems found' || fail "the GPT"
# To a device with something else on it.
truncate -s 1200M "$T/device"
tr '\0' '\245' <"$D" | dd of="$T/device" bs=1M conv=notrunc status=none
loop=$(losetup -f --show "$T/device")
at_exit losetup -d "$loop"
"$UB" restore --quiet --force "$I" "$loop" 2>"$T/err" || fail "restore to a device"

say "our map of it"
map_set "$T/back"
rows >"$T/rows"
cat "$T/rows"
for row in 'vg/root ext4 map' 'vg/striped ext4 map' 'vg/swap swap map' \
	'my-vg.1/a-home_1 ext4 map'; do
	grep -qx "$row" "$T/rows" || fail "there is no row '$row'"
done
grep -q '^vg/data xfs' "$T/rows" || fail "there is no row of vg/data"
for p in p1 p2 p3 p4; do
	[ "$(row_of $p how)" = map ] || fail "$p was not mapped"
done

say "by LVM, the checkers and the files"
{
	printf '%s\n' "$STACK_PRELUDE"
	cat <<'SCRIPT'
for n in 2 3 4; do
	pvck /dev/vdb$n
	pvck --dump metadata_all /dev/vdb$n >/tmp/all
	pvck --dump headers /dev/vdb$n
done
pvs -v 2>&1
vgs 2>&1 | tee /tmp/vgs
grep -i -E 'warn|fail|missing|invalid|old' /tmp/vgs && exit 1
vgck vg my-vg.1 2>&1 | tee /tmp/vgck
[ ! -s /tmp/vgck ]
vgchange -ay 2>&1
for d in vg/root vg/striped my-vg.1/a-home_1; do
	e2fsck -fn /dev/$d
done
e2fsck -fn /dev/vdb1
xfs_repair -n /dev/vg/data
judge /dev/vdb1 boot
judge /dev/vg/root root
judge /dev/vg/striped striped
judge /dev/vg/data data ,norecovery
judge /dev/my-vg.1/a-home_1 home
sha256sum </dev/vg/bytes.x | cmp - $OUT/bytes.sum
[ "$(blkid -o value -s LABEL /dev/vg/swap)" = swp ]
[ "$(blkid -o value -s UUID /dev/vg/swap)" = 6cd8a1f0-1d14-4d3f-8fdb-1ba9f3f8f2a1 ]
for vg in vg my-vg.1; do
	vgcfgbackup -q -f /tmp/now $vg
	for f in $OUT/lvm_$vg.conf /tmp/now; do
		sed 's/#.*//; s/[[:space:]]*$//; /^description/d; /^creation_/d' \
			$f | grep -v '^$' | sed 's/device = .*//' >$f.plain
	done
	diff $OUT/lvm_$vg.conf.plain /tmp/now.plain
done
# It can be gone on with.
vgchange -q -an
vgchange -q -ay
lvcreate -q -y -W n -L 20M -n new vg
lvextend -q -L +12M vg/root
vgck vg
vgcfgbackup -q -f /tmp/after vg
lvremove -q -y vg/new
e2fsck -fn /dev/vg/root
SCRIPT
} >"$T/judge.sh"
for disk in back device; do
	workbench --out "$T/out" "$T/judge.sh" "$T/$disk" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "the disk '$disk' is not whole"; }
done

say "refusals"
# broken STATUS PATTERN COMMAND...: of a copy of the image
broken() {
	local status=$1 pattern=$2
	shift 2
	rm -rf "$T/x.image"
	cp -a "$I" "$T/x.image"
	(cd "$T/x.image" && eval "$*")
	refused "$status" "$UB" restore --quiet "$T/x.image" "$T/x.back"
	grep -q -- "$pattern" "$T/err" || fail "$*: $(cat "$T/err")"
	[ -z "$(ls "$T"/x.back* 2>/dev/null)" ] || fail "$*: half a disk is left"
}
broken 1 'no image of an LV' "rm vg-striped.*"
broken 1 'no image of an LV' "rm swappt-vg-swap.info"
broken 1 'not listed' "sed -i /striped/d lvm_logv.list"
broken 1 'not there' "rm lvm_vg.conf"
broken 1 'no partition of' "sed -i s,/dev/sda3,/dev/sdb1, lvm_vg_dev.list"
broken 1 'not on this disk' "sed -i /sda3/d lvm_vg_dev.list"
broken 1 'saved as a swap' "rm vg-root.*; cp swappt-vg-swap.info swappt-vg-root.info"
broken 1 'which is a PV' "cp sda1.* sda3.ext4-ptcl-img.zst"
broken 1 'the LV' "gzip -d vg-bytes.x.dd-ptcl-img.gz;
	truncate -s 1000000 vg-bytes.x.dd-ptcl-img"
broken 4 'early' "rm \"\$(ls vg-root.ext4-* | tail -n 1)\""
refused 1 "$UB" restore "$I" - >"$T/log"
grep -q 'in order' "$T/err" || fail "to a pipe: $(cat "$T/err")"
exit 0
