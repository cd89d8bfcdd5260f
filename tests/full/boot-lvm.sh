#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Debian machine whose root lies on an LV over two disks, with a swap LV and
# with /data in a thin pool that has a snapshot: booted as the iron that it was,
# mapped as a set, converted, and booted again from the converted disks on the
# same bus.  Files on the root, on /data and in its snapshot are the same; so
# they are on copies of which the unused bytes are 0xA5, which boot, too.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/stack.sh"
requires_loop
requires qemu-system-x86_64 qemu-img mmdebstrap sfdisk partx jq python3
requires_built used-blocks p2v-client v2v-server
workbench_needs

say "the machine's two disks"
"$FY_TOP/tests/guests/make-lvm-guest" "$T" ||
	fail "the guest could not be built"
cat >"$T/make.sh" <<'SCRIPT'
export LVM_SUPPRESS_FD_WARNINGS=1
# What the guest says of itself: make-lvm-guest's marker.
tree_digest() {
	(cd "$1" && find . -type f ! -path './lost+found/*' -print0 | sort -z |
		xargs -0r sha256sum) | sha256sum | cut -c1-64
}
vgcreate -q sys /dev/vdb3 /dev/vdc1
# The root in three pieces on both disks, and what an LV left that is no more.
lvcreate -q -y -W n -L 300M -n root sys /dev/vdb3
lvcreate -q -y -W n -L 100M -n gone sys /dev/vdb3
lvextend -q -L +400M sys/root /dev/vdc1
lvextend -q -L +200M sys/root /dev/vdb3
dd if=/dev/urandom of=/dev/sys/gone bs=1M count=100 status=none
lvremove -q -y sys/gone
dd if=/dev/vdd of=/dev/sys/root bs=1M status=none
lvcreate -q -y -W n -L 64M -n swap sys /dev/vdc1
mkswap /dev/sys/swap
mkdir -p /mnt/root /mnt/data
mount /dev/sys/root /mnt/root
python3 /tests/lib/age-tree.py 1 /mnt/root/var/lib/aged 60000000 200
lvcreate -q -y -L 240M -T sys/pool -c 64k
lvcreate -q -y -V 600M -T sys/pool -n data
mkfs.ext4 -q -L data /dev/sys/data
mount /dev/sys/data /mnt/data
python3 /tests/lib/age-tree.py 2 /mnt/data/tree 50000000 200
dd if=/dev/urandom of=/mnt/data/before bs=1M count=10 status=none
sync
tree_digest /mnt/data >$OUT/snap
umount /mnt/data
lvcreate -q -y -s -n datasnap sys/data
mount /dev/sys/data /mnt/data
rm -rf /mnt/data/tree/*1*
dd if=/dev/urandom of=/mnt/data/before bs=1M count=3 conv=notrunc status=none
dd if=/dev/urandom of=/mnt/data/after bs=1M count=12 status=none
sync
tree_digest /mnt/data >$OUT/data
tree_digest /mnt/root/var/lib/aged >$OUT/root
umount /mnt/data /mnt/root
lvs -a -o+devices sys
SCRIPT
workbench --timeout 3600 --out "$T/out" "$T/make.sh" "$T/a" "$T/b" \
	"$T/root.img" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the volumes were not made"; }
tail -n 9 "$T/log"
rm -f "$T/root.img"
[ "$(sort -u "$T/out/root" "$T/out/data" "$T/out/snap" | wc -l)" = 3 ] ||
	fail "the snapshot is the same as its origin: no proof"

# boots WHAT OPTIONS...: up, with its volumes and files as they were made.
boots() {
	local what=$1 line
	shift
	say "booting $what"
	"$FY_TOP/tests/guests/boot" --as ahci --log "$T/serial.log" \
		--timeout 900 "$@" >"$T/boot.log" || {
		tail -c 3000 "$T/serial.log" | cat -v
		fail "$what: it does not boot: $(tail -n 1 "$T/boot.log")"
	}
	tail -n 1 "$T/boot.log"
	for line in \
		"root=/dev/mapper/sys-root data=/dev/mapper/sys-data boot=ext4" \
		"disks=\[sda sdb\] driver=\[ahci\]" \
		"root-tree=$(cat "$T/out/root")" \
		"data-tree=$(cat "$T/out/data")" \
		"snap-tree=$(cat "$T/out/snap")" \
		"failed=\[\]"; do
		grep -qx "MARKER-DETAIL $line" "$T/boot.log" || {
			cat "$T/boot.log"
			fail "$what: no '$line'"
		}
	done
	# The swap in use is the LV.
	grep -qxE 'MARKER-DETAIL swap=(/dev/dm-[0-9]+) lv=\1' "$T/boot.log" || {
		cat "$T/boot.log"
		fail "$what: its swap"
	}
}

boots "the machine as it was" --disk "$T/a" --disk "$T/b"
sha256sum "$T/a" "$T/b" >"$T/sums"

say "the map of the set, and copies over 0xA5"
map_set "$T/a" "$T/b"
cat "$T/set.err"
rows >"$T/rows"
cat "$T/rows"
for row in 'sys/root ext4 map' 'sys/swap swap map' 'sys/data ext4 map' \
	'sys/datasnap ext4 map'; do
	grep -qx "$row" "$T/rows" || fail "there is no row '$row'"
done
jq -e '[.disks[].volumes[] | select(.type and .filesystem ==
	"LVM2_member") | .how] == ["map", "map"]' "$T/set.json" >/dev/null ||
	fail "the PVs were not mapped"
used=$(jq '[.disks[].used_bytes] | add' "$T/set.json")
all=$(jq '[.disks[].disk_bytes] | add' "$T/set.json")
say "used: $used of $all"
# 100 MB of the removed LV, and most of both disks, are not.
[ "$used" -lt $((all * 3 / 10)) ] || fail "too much is used"

say "converting both disks"
"$FY_BUILD/p2v-client" convert --server local --to "$T/vm" --name machine \
	--no-inject --quiet --disk "$T/a" --disk "$T/b" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the conversion"; }
i=0
for d in a b; do
	image=$T/vm/machine$([ $d = a ] || echo -2).qcow2
	qemu-img check -q "$image" || fail "qemu-img check: $image"
	qemu-img convert -O raw "$image" "$T/raw"
	jq ".disks[$i]" "$T/set.json" >"$T/map.json"
	$USEDMAP carried "$T/map.json" "$T/$d" "$T/raw" ||
		fail "$image: not the used bytes of the disk"
	rm -f "$T/raw"
	i=$((i + 1))
done
sha256sum --quiet -c "$T/sums" || fail "the machine's disks were changed"

boots "the converted disks" --format qcow2 --snapshot \
	--disk "$T/vm/machine.qcow2" --disk "$T/vm/machine-2.qcow2"
boots "the copies over 0xA5" --snapshot --disk "$T/a.copy" --disk "$T/b.copy"

say "the copies, by LVM and the checkers"
cat >"$T/judge.sh" <<'SCRIPT'
export LVM_SUPPRESS_FD_WARNINGS=1
pvck /dev/vdb3
pvck /dev/vdc1
vgck sys
e2fsck -fn /dev/vdb2
lvchange -q -ay -y sys/pool_tmeta
thin_check /dev/sys/pool_tmeta
lvchange -q -an sys/pool_tmeta
vgchange -q -ay -K sys
for d in root data datasnap; do
	e2fsck -fn /dev/sys/$d
done
SCRIPT
workbench --out "$T/out" "$T/judge.sh" "$T/a.copy" "$T/b.copy" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the copies are not whole"; }
exit 0
