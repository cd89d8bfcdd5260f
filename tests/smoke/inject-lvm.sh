#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Injection into a real Debian tree whose root and /var lie on LVs over two
# disks: one in three pieces, one striped.  The volume group is written and read
# by tests/lib/lvm-image.py, without LVM.  fsck is clean, every file that is not
# in the report is what it was, names of LVs stay, the undo log gives both disks
# back, and a dry run writes nothing.  LVs that can't be edited are named.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/inject.sh"
requires jq sfdisk e2fsck debugfs python3 mke2fs
requires_loop
requires_built v2v-server

V2V=$FY_BUILD/v2v-server
LVM="python3 $FY_TOP/tests/lib/lvm-image.py"
MIB=$((1 << 20))

# The guest's disk, taken apart: /boot, the root, and its /var.
make_parts() {
	local i=$T/guest.img m=$T/m start uuid
	make_guest "$i" --fstab dev --separate-boot --swap 64 \
		--nic enp0s5=10.77.0.2/24
	start=$(part_start "$i" 1)
	dd if="$i" of="$T/boot.img" bs=$MIB skip=$((start / MIB)) count=400 \
		conv=sparse status=none
	mkdir -p "$m"
	mount -o loop "$T/boot.img" "$m"
	sed -i 's,root=/dev/sda2,root=/dev/mapper/my--vg-root,' \
		"$m/grub/grub.cfg"
	grep -q 'root=/dev/mapper/my--vg-root' "$m/grub/grub.cfg" ||
		fail "the guest's grub.cfg has another root"
	umount "$m"
	uuid=$(blkid -p -s UUID -o value "$T/boot.img")
	start=$(part_start "$i" 2)
	dd if="$i" of="$T/root.img" bs=$MIB skip=$((start / MIB)) count=1132 \
		conv=sparse status=none
	rm -f "$i"
	mount -o loop "$T/root.img" "$m"
	cat >"$m/etc/fstab" <<-FSTAB
	/dev/mapper/my--vg-root / ext4 errors=remount-ro 0 1
	UUID=$uuid /boot ext4 defaults 0 2
	/dev/my-vg/var /var ext4 defaults 0 2
	/dev/mapper/my--vg-swap none swap sw 0 0
	/dev/sda7 /old ext4 noauto 0 0
	FSTAB
	mkdir -p "$m/etc/lvm/devices"
	cat >"$m/etc/lvm/devices/system.devices" <<-DEVICES
	# LVM uses devices listed in this file.
	VERSION=1.1.2
	IDTYPE=sys_wwid IDNAME=naa.5000c500a1b2c3d4 DEVNAME=/dev/sda2 PVID=00000000000000000000000000000001 PART=2
	IDTYPE=devname IDNAME=/dev/sdb1 DEVNAME=/dev/sdb1 PVID=00000000000000000000000000000002 PART=1
	DEVICES
	printf '%s\n' 'Name: grub-pc/install_devices' \
		'Template: grub-pc/install_devices' 'Value: /dev/sda' '' \
		>>"$m/var/cache/debconf/config.dat"
	cp -a "$m/var" "$T/var"
	find "$m/var" -mindepth 1 -delete
	umount "$m"
	mke2fs -q -t ext4 -L var -d "$T/var" "$T/var.img" 160M
	rm -rf "${T:?}/var"
}

make_disks() {
	truncate -s 1400M "$T/a"
	truncate -s 600M "$T/b"
	sfdisk -q "$T/a" <<-'PT'
	label: gpt
	size=400M
	type=E6D6D379-F507-44C2-A23C-238F2A3DF928
	PT
	sfdisk -q "$T/b" <<-'PT'
	label: gpt
	type=E6D6D379-F507-44C2-A23C-238F2A3DF928
	PT
	dd if="$T/boot.img" of="$T/a" bs=$MIB seek=1 conv=notrunc,sparse \
		status=none
	cat >"$T/layout.json" <<-JSON
	{"vg": "my-vg", "extent_bytes": $((4 * MIB)),
	 "pvs": [{"disk": "$T/a", "start": $((401 * MIB)), "extents": 249},
		 {"disk": "$T/b", "start": $MIB, "extents": 149}],
	 "lvs": [
	  {"name": "root", "image": "$T/root.img", "segments": [
	    {"count": 100, "areas": [[0, 100]]},
	    {"count": 100, "areas": [[1, 49]]},
	    {"count": 83, "areas": [[0, 3]]}]},
	  {"name": "var", "image": "$T/var.img", "segments": [
	    {"count": 40, "stripe_bytes": 65536,
	     "areas": [[0, 200], [1, 0]]}]},
	  {"name": "swap", "segments": [
	    {"count": 4, "areas": [[1, 30]]}]}]}
	JSON
	$LVM make "$T/layout.json"
}

make_parts
make_disks
sha256sum "$T/a" "$T/b" >"$T/sums"
cp --sparse=always "$T/a" "$T/a.before"
cp --sparse=always "$T/b" "$T/b.before"

"$V2V" inspect --json "$T/a" "$T/b" >"$T/inspect.json"
[ "$(jq -r '.systems[] | [.disk, .volume, .root] | join(" ")' \
	"$T/inspect.json")" = "0 my-vg/root /dev/mapper/my--vg-root" ] ||
	fail "inspect: $(cat "$T/inspect.json")"

"$V2V" inject --dry-run --json "$T/a" "$T/b" >"$T/dry.json"
sha256sum --quiet -c "$T/sums" || fail "a dry run wrote to the disks"

"$V2V" inject --json --job-dir "$T/job" "$T/a" "$T/b" >"$T/report.json"
[ "$(jq -c '[.changes[].path]' "$T/dry.json")" = \
	"$(jq -c '[.changes[].path]' "$T/report.json")" ] ||
	fail "the dry run told something else"
! sha256sum --status -c "$T/sums" || fail "nothing was written"

for lv in root var; do
	$LVM carve "$T/layout.json" "$lv" "$T/$lv.after"
	e2fsck -fn "$T/$lv.after" >"$T/fsck" 2>&1 ||
		fail "e2fsck is not content with $lv: $(cat "$T/fsck")"
	tree "$T/$lv.img" 0 >"$T/$lv.1"
	tree "$T/$lv.after" 0 >"$T/$lv.2"
	! cmp -s "$T/$lv.1" "$T/$lv.2" || fail "nothing changed on $lv"
done
check_clean "$T/a" 1
tree "$T/a.before" 1 >"$T/boot.1"
tree "$T/a" 1 >"$T/boot.2"
left=$(unreported "$T/root.1" "$T/root.2" "$T/report.json" my-vg/root '')
left+=$(unreported "$T/var.1" "$T/var.2" "$T/report.json" my-vg/var /var)
left+=$(unreported "$T/boot.1" "$T/boot.2" "$T/report.json" p1 /boot)
[ -z "$left" ] || fail "changed without a word: $left"
# What the volume group and the swap hold was not touched.
python3 - "$T" <<'PY' || fail "bytes outside of the filesystems changed"
import sys
T, M = sys.argv[1], 1 << 20
for name, ranges in ("a", [(0, M), (401 * M, 402 * M)]), \
                    ("b", [(0, 2 * M), (122 * M, 138 * M)]):
    with open(f"{T}/{name}", "rb") as x, \
         open(f"{T}/{name}.before", "rb") as y:
        for start, end in ranges:
            x.seek(start)
            y.seek(start)
            if x.read(end - start) != y.read(end - start):
                sys.exit(f"{name} {start}")
PY

cat_file() {
	debugfs -R "cat $2" "$1" 2>/dev/null
}
for line in '/dev/mapper/my--vg-root / ' '/dev/my-vg/var /var ' \
	'/dev/mapper/my--vg-swap none '; do
	cat_file "$T/root.after" /etc/fstab | grep -qF "$line" ||
		fail "fstab has no '$line' any more"
done
cat_file "$T/var.after" /cache/debconf/config.dat | grep -qx 'Value: /dev/vda' ||
	fail "/var was not edited"
cmp <(cat_file "$T/var.img" /cache/debconf/config.dat) \
	"$T/job/originals/0/my-vg/var/var/cache/debconf/config.dat" ||
	fail "the original on /var is not kept"
grep -qx 'IDTYPE=devname IDNAME=/dev/vda2 DEVNAME=/dev/vda2 PVID=00000000000000000000000000000001 PART=2' \
	<(cat_file "$T/root.after" /etc/lvm/devices/system.devices) ||
	fail "LVM's list of devices names the old ones"
grep -qx 'IDTYPE=devname IDNAME=/dev/vdb1 DEVNAME=/dev/vdb1 PVID=00000000000000000000000000000002 PART=1' \
	<(cat_file "$T/root.after" /etc/lvm/devices/system.devices) ||
	fail "LVM's list of devices names the old ones"
[ "$(jq -c '[.skipped[].volume]' "$T/report.json")" = '[]' ] ||
	fail "something was left alone: $(jq -c .skipped "$T/report.json")"
! jq -e '.changes[] | select(.path == "/boot/grub/grub.cfg")' \
	"$T/report.json" >/dev/null || fail "root= was changed"
jq -e '.changes[] | select(.volume == "p1" and .initramfs)' "$T/report.json" \
	>/dev/null || fail "no initramfs was changed"

"$V2V" inject --undo --job-dir "$T/job" "$T/a" "$T/b"
sha256sum --quiet -c "$T/sums" || fail "the undo log does not give it back"
say "root in three pieces, /var striped: $(jq '.changes | length' \
	"$T/report.json") changes"

# The other disk is missing; the root has a snapshot: named, nothing written.
sha=$(sha256 <"$T/a")
expect_status 1 "$V2V" inject --json --job-dir "$T/job2" "$T/a" \
	>"$T/report.json" 2>"$T/err"
grep -q "no system was found.* p2: .*1 of its 2 PVs" "$T/err" ||
	fail "the missing PV is not told: $(cat "$T/err")"
[ "$(sha256 <"$T/a")" = "$sha" ] || fail "it was written to"
