#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The matrix of LVM and md: kinds of LVs (striped, mirror, raid0, raid1; raid5
# and cache, which are copied whole), several PVs on a disk, a PV on a whole
# disk, two copies of the metadata, all versions of md's superblock, LVM on md, a
# group in an LV of another, a disk of a virtual machine in an LV, a degraded
# array.  Copies over 0xA5 and a conversion of all disks are judged by the
# kernel's tables, by LVM and md, the checkers and the files.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/stack.sh"
requires jq python3 sfdisk dumpe2fs e2fsck
requires_built used-blocks p2v-client v2v-server
workbench_needs

disks=("$T/a" "$T/b" "$T/c" "$T/d")
for d in "${disks[@]}"; do
	truncate -s 900M "$d"
done
sfdisk -q "$T/a" <<'PT'
label: dos
size=500M, type=8e
size=300M, type=8e
PT
for d in c d; do
	sfdisk -q "$T/$d" <<-'PT'
	label: gpt
	size=64M, type=R
	size=64M, type=R
	size=64M, type=R
	size=64M, type=R
	size=200M, type=R
	size=64M, type=R
	PT
done

say "volume groups and arrays"
{
	printf '%s\n' "$STACK_PRELUDE"
	cat <<'SCRIPT'
# synced LV: wait for its images
synced() {
	local i
	for i in $(seq 600); do
		case $(lvs --noheadings -o sync_percent "$1") in
		*100.00*) return 0 ;;
		esac
		sleep 1
	done
	echo "$1 is not in sync"
	exit 1
}
n=0
for meta in 0.90 1.0 1.1 1.2; do
	n=$((n + 1))
	mdadm --create /dev/md10$n --run --level 1 --raid-devices 2 \
		--metadata $meta --bitmap internal --homehost box \
		$([ $meta = 0.90 ] || echo --name v$meta) /dev/vdd$n /dev/vde$n
	mdadm --wait /dev/md10$n || :
	mkfs.ext4 -q /dev/md10$n
	fill /dev/md10$n md10$n $n 8000000
done
mdadm --create /dev/md105 --run --level 1 --raid-devices 2 --metadata 1.2 \
	--homehost box --name pv /dev/vdd5 /dev/vde5
mdadm --wait /dev/md105 || :
mdadm --create /dev/md106 --run --level 0 --raid-devices 2 --metadata 1.2 \
	--homehost box --name stripes /dev/vdd6 /dev/vde6
mkfs.ext4 -q /dev/md106
fill /dev/md106 md106 16 8000000

pvcreate -q --metadatacopies 2 /dev/vdc
vgcreate -q mix /dev/vdb1 /dev/vdb2 /dev/vdc
vgcreate -q onmd /dev/md105
lvcreate -q -y -W n -L 120M -i 2 -I 64 -n stripe mix /dev/vdb1 /dev/vdc
lvcreate -q -y -W n -L 80M --type mirror -m 1 --mirrorlog core -n mir mix \
	/dev/vdb2 /dev/vdc
lvcreate -q -y -W n -L 80M --type raid1 -m 1 -n r1 mix /dev/vdb1 /dev/vdc
lvcreate -q -y -W n -L 80M --type raid0 -i 2 -I 16 -n r0 mix /dev/vdb1 /dev/vdc
lvcreate -q -y -W n -L 60M --type raid5 -i 2 -n r5 mix
lvcreate -q -y -W n -L 60M -n cached mix /dev/vdc
lvcreate -q -y -W n -L 16M -n cvol mix /dev/vdb1
lvconvert -q -y --type cache --cachevol cvol --cachemode writeback mix/cached
lvcreate -q -y -W n -L 120M -n inner mix /dev/vdc
lvcreate -q -y -W n -L 40M -n vm mix /dev/vdc
lvcreate -q -y -W n -L 80M -n lv onmd
synced mix/mir
synced mix/r1
synced mix/r5
seed=20
for d in mix/stripe mix/mir mix/r1 mix/r0 mix/r5 mix/cached onmd/lv; do
	seed=$((seed + 1))
	mkfs.ext4 -q /dev/$d
	fill /dev/$d $(echo $d | tr / -) $seed 20000000
done
printf 'label: dos\nsize=30M\n' | sfdisk -q /dev/mix/vm
dd if=/dev/urandom of=/dev/mix/vm bs=1M seek=2 count=20 conv=notrunc status=none
sha256sum </dev/mix/vm >$OUT/vm.sum
export LVM_IN='devices { scan_lvs=1 }'
pvcreate -q --config "$LVM_IN" /dev/mix/inner
vgcreate -q --config "$LVM_IN" nest /dev/mix/inner
lvcreate -q -y -W n --config "$LVM_IN" -L 60M -n lv nest
mkfs.ext4 -q /dev/nest/lv
fill /dev/nest/lv nest-lv 40 20000000
sync
record >$OUT/tables
lvs -a -o+devices,segtype --config "$LVM_IN"
vgchange -q -an --config "$LVM_IN" nest
vgchange -q -an mix
vgchange -q -an onmd
SCRIPT
} >"$T/make.sh"
workbench --timeout 3600 --out "$T/out" "$T/make.sh" "${disks[@]}" \
	>"$T/log" 2>&1 || { cat "$T/log"; fail "the disks were not made"; }
cat "$T/log"

say "the map"
map_set "${disks[@]}"
cat "$T/set.err"
rows >"$T/rows"
cat "$T/rows"
for row in 'mix/stripe ext4 map' 'mix/mir ext4 map' 'mix/r1 ext4 map' \
	'mix/r0 ext4 map' 'mix/r5 - whole' 'mix/cached - whole' \
	'mix/vm - whole' 'mix/inner LVM2_member map' 'nest/lv ext4 map' \
	'md/pv LVM2_member map' 'onmd/lv ext4 map' 'md/101 ext4 map' \
	'md/v1.0 ext4 map' 'md/v1.1 ext4 map' 'md/v1.2 ext4 map'; do
	grep -qx "$row" "$T/rows" || fail "there is no row '$row'"
done

say "by the kernel's tables"
for d in mix-stripe mix-mir mix-r1 mix-r0 md101 md102 md103 md104 onmd-lv \
	nest-lv; do
	say "$d"
	carved_ext $d "$T/out/tables" "${disks[@]}"
done

{
	printf '%s\n' "$STACK_PRELUDE"
	cat <<'SCRIPT'
for n in 1 2 3 4 5; do
	mdadm --assemble /dev/md10$n /dev/vdd$n /dev/vde$n
	echo check >/sys/block/md10$n/md/sync_action
	mdadm --wait /dev/md10$n || :
	[ "$(cat /sys/block/md10$n/md/mismatch_cnt)" = 0 ] ||
		{ echo "md10$n: the legs differ"; exit 1; }
done
mdadm --assemble /dev/md106 /dev/vdd6 /dev/vde6
for n in 1 2 3 4 6; do
	e2fsck -fn /dev/md10$n
	judge /dev/md10$n md10$n
done
pvck /dev/vdc
vgck mix
vgck onmd
vgchange -q -ay mix
vgchange -q -ay onmd
vgchange -q -ay --config 'devices { scan_lvs=1 }' nest
for d in mix/stripe mix/mir mix/r1 mix/r0 mix/r5 mix/cached onmd/lv nest/lv; do
	e2fsck -fn /dev/$d
	judge /dev/$d $(echo $d | tr / -)
done
sha256sum </dev/mix/vm | cmp - $OUT/vm.sum
vgchange -q -an --config 'devices { scan_lvs=1 }' nest
vgchange -q -an mix
vgchange -q -an onmd
SCRIPT
} >"$T/judge.sh"

say "by LVM, md, the checkers and the files"
workbench --timeout 3600 --out "$T/out" "$T/judge.sh" "$T"/[abcd].copy \
	>"$T/log" 2>&1 || { cat "$T/log"; fail "the copies are not whole"; }
rm -f "$T"/*.copy

say "one half of the arrays"
"$UB" map --json "$T/c" >"$T/set.json" 2>"$T/set.err" ||
	fail "no map of one disk: $(cat "$T/set.err")"
for p in p1 p2 p3 p4 p5; do
	[ "$(row_of $p how)" = map ] || fail "$p was not mapped"
done
[ "$(row_of p6 how)" = whole ] || fail "half a RAID 0 was mapped"

say "a conversion of all of them"
"$FY_BUILD/p2v-client" convert --server local --to "$T/vm" --name box \
	--format raw --no-inject --quiet --disk "$T/a" --disk "$T/b" \
	--disk "$T/c" --disk "$T/d" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the conversion"; }
jq -e '[.disks[].volumes[] | select(.layer == "lvm")] | length >= 9' \
	"$T/vm/box.job/machine.json" >/dev/null ||
	fail "machine.json has no logical volumes"
workbench --timeout 3600 --out "$T/out" "$T/judge.sh" "$T/vm/box.raw" \
	"$T/vm/box-2.raw" "$T/vm/box-3.raw" "$T/vm/box-4.raw" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the machine's disks are not whole"; }
exit 0
