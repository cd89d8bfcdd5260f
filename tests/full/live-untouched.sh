#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Disks are the same, by SHA-256, before and after the live system ran on them:
# an ext4 and an XFS that need recovery, a degraded RAID1, a volume group, a swap
# with a hibernation image; on SATA, NVMe and virtio.  QEMU has them writable and
# without a snapshot.  The RAID and the volume group are made by a first boot of
# the live system, whose disks were named to allow-write: so the same boot would
# have shown a write.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/live.sh"
live_needs
requires_loop
requires mkfs.xfs mkfs.ext4 mkswap sfdisk sha256sum

disks=(ext4 xfs md md2 lvm swap)
attached=(--disk "$T/ext4,ahci" --disk "$T/xfs,nvme" --disk "$T/md,ahci"
	--disk "$T/lvm,virtio" --disk "$T/swap,ahci")

# A copy taken while it is mounted needs its journal replayed.
dirty() {
	local fs=$1
	shift
	truncate -s 320M "$T/$fs.mounted"
	"$@" "$T/$fs.mounted" >/dev/null
	mkdir -p "$T/mnt"
	mount -o loop "$T/$fs.mounted" "$T/mnt"
	at_exit umount -q "$T/mnt"
	cp -r /usr/share/common-licenses "$T/mnt/"
	sync -f "$T/mnt"
	date >"$T/mnt/later"
	mv "$T/mnt/common-licenses" "$T/mnt/licences"
	sync -f "$T/mnt"
	cp --sparse=never "$T/$fs.mounted" "$T/$fs"
	umount "$T/mnt"
	rm "$T/$fs.mounted"
}
dirty ext4 mkfs.ext4 -q
dirty xfs mkfs.xfs -q
dumpe2fs -h "$T/ext4" 2>/dev/null | grep -q needs_recovery ||
	fail "the ext4 does not need recovery"
xfs_logprint -t "$T/xfs" 2>/dev/null | grep -q '<DIRTY>' ||
	fail "the XFS has no dirty log"
truncate -s 128M "$T/md" "$T/md2" "$T/lvm" "$T/swap"
printf 'label: gpt\nstart=1MiB, type=raid\n' | sfdisk -q "$T/md"
printf 'label: gpt\nstart=1MiB, type=raid\n' | sfdisk -q "$T/md2"
mkswap -q "$T/swap"
printf S1SUSPEND | dd of="$T/swap" bs=1 seek=4086 conv=notrunc status=none

live_iso
sshd_start --root "$T"
live_configure "$T/live.iso" --timeout 1 --inject-key "$SSHD_KEY" \
	--cmdline ironferry.shell=ttyS1

say "making the array and the volume group in the live system"
sha256sum "$T/md" "$T/lvm" >"$T/before"
live_start --cd "$T/live.iso" --shell --no-net --disk "$T/md,virtio" \
	--disk "$T/md2,virtio" --disk "$T/lvm,virtio"
live_first_screen "first boot" 300
live_run 'set -e
	if dd if=/dev/zero of=/dev/vdc bs=4096 count=1 conv=fsync; then exit 9; fi
	for d in /dev/vda1 /dev/vdb1 /dev/vdc; do
		/usr/lib/ironferry/allow-write $d
	done
	mdadm --create /dev/md0 --run --metadata=1.2 --level=1 \
		--raid-devices=2 --assume-clean /dev/vda1 /dev/vdb1
	udevadm settle
	/usr/lib/ironferry/allow-write /dev/md0
	mkfs.ext4 -q /dev/md0
	mdadm --manage /dev/md0 --fail /dev/vdb1
	mdadm --stop /dev/md0
	vgcreate --config global/metadata_read_only=0 vg0 /dev/vdc
	lvcreate --config global/metadata_read_only=0 -y -an -Zn -L 32M -n data vg0
	sync
	for d in /dev/vda1 /dev/vdb1 /dev/vdc; do
		/usr/lib/ironferry/allow-write --revoke $d
	done
	if dd if=/dev/zero of=/dev/vdc bs=4096 count=1 conv=fsync; then exit 9; fi' ||
	fail "the array and the volume group were not made"
live_run 'systemctl poweroff' || :
live_wait_off 120
if sha256sum --check --quiet "$T/before" >/dev/null 2>&1; then
	fail "allowed writes did not reach the disks: the test would see none"
fi
rm "$T/md2"
unset 'disks[3]'

sums() {
	local d
	for d in "${disks[@]}"; do
		sha256sum "$T/$d"
	done
}
sums >"$T/before"
say "booting with all of them"
live_start --cd "$T/live.iso" --shell "${attached[@]}"
live_first_screen "second boot" 300
live_run 'udevadm settle; sleep 15
	lsblk -o NAME,RO,SIZE,FSTYPE,LABEL; cat /proc/mdstat
	p2v-client inventory >/dev/null; pvs; vgs; lvs; mdadm --examine --scan
	vgscan; pvscan; blkid; smartctl -a /dev/sda >/dev/null; swapon --show
	for d in sda sdb sdc nvme0n1 vda; do
		used-blocks map --allow-dirty /dev/$d; done | tail -n 30
	journalctl -k --no-pager | grep -E "recover|Trying to write" ; true' \
	>"$T/seen" || fail "the live system's shell failed"
cat "$T/seen"
grep -q linux_raid_member "$T/seen" || fail "the array is not seen"
grep -q 'vg0' "$T/seen" || fail "the volume group is not seen"
live_run '
	for b in /sys/class/block/*; do
		n=${b##*/}
		case $n in loop*|ram*|zram*|sr*) continue ;; esac
		[ "$(cat $b/ro)" = 1 ] || { echo "$n is writable"; bad=1; }
		! dd if=/dev/zero of=/dev/$n bs=4096 count=1 conv=fsync 2>/dev/null ||
			{ echo "$n was written"; bad=1; }
	done
	! grep -qE "^md" /proc/mdstat || { echo "an array runs"; bad=1; }
	! ls /sys/class/block | grep -qE "^(dm-|md|bcache)" ||
		{ echo "something was assembled"; bad=1; }
	[ -z "$(swapon --show)" ] || { echo "swap is on"; bad=1; }
	! grep -E "^/dev/(sd|nvme|vd)" /proc/mounts || bad=1
	[ -z "${bad:-}" ]' || fail "the rule of read-only disks is broken"
say "converting all of them"
live_run "cp /run/ironferry/medium/ironferry/id_* /root/key
	chmod 600 /root/key
	p2v-client convert --server root@10.0.2.2:$SSHD_PORT --identity /root/key \
		--fingerprint $SSHD_FINGERPRINT --disk /dev/sda --disk /dev/sdb \
		--disk /dev/sdc --disk /dev/nvme0n1 --disk /dev/vda \
		--name all --to vms --no-inject --allow-dirty --progress none" ||
	fail "the conversion failed"
for f in all all-2 all-3 all-4 all-5; do
	qemu-img check -q "$T/vms/$f.qcow2" || fail "$f.qcow2 is not whole"
done
live_run 'systemctl poweroff' || :
live_wait_off 120
sums | diff "$T/before" - || fail "disks were changed"
say "all ${#disks[@]} disks are as they were"
