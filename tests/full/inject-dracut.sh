#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Red Hat guest whose hostonly initramfs dracut itself made, with the names of
# the old disk in its arguments: what is appended, seen by dracut's own lsinitrd
# and by kmod, and the arguments that it will read.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/initramfs.sh"
. "$(dirname "$0")/../lib/families.sh"
requires jq sfdisk mke2fs debugfs dracut lsinitrd cpio zstd python3
requires_root
requires_built v2v-server
kernel_get
modules_get

D=$T/disk.img
guest_new
guest_modules
printf 'ID=fedora\nVERSION_ID=39\nPRETTY_NAME="Fedora Linux 39"\n' |
	put etc/os-release
mkdir -p "$G/usr/lib/systemd" "$G/var/lib/rpm" "$G/boot/grub2/i386-pc"
touch "$G/usr/lib/systemd/"{systemd,libsystemd-shared-254.so} "$G/usr/bin/dracut"
echo kernel | put "boot/vmlinuz-$KVER"
echo '/dev/sda4 / ext4 defaults 1 1' | put etc/fstab
put "boot/loader/entries/0123-$KVER.conf" <<-E
	title Fedora
	version $KVER
	linux /boot/vmlinuz-$KVER
	initrd /boot/initramfs-$KVER.img
	options root=/dev/sda4 ro
E
mkdir -p "$T/dracut"
dracut --force --quiet --no-early-microcode --kver "$KVER" \
	--kmoddir "$MODS/lib/modules/$KVER" --tmpdir "$T/dracut" \
	--hostonly --no-hostonly-cmdline --no-hostonly-default-device \
	--kernel-cmdline 'root=/dev/sda4 rootfstype=ext4' \
	--modules 'base udev-rules kernel-modules rootfs-block fs-lib' \
	--drivers 'ahci sd_mod ext4' --zstd \
	"$G/boot/initramfs-$KVER.img" >"$T/log" 2>&1 ||
	{ cat "$T/log" >&2; fail "dracut"; }
! lsinitrd "$G/boot/initramfs-$KVER.img" | grep -q virtio ||
	fail "the initramfs has virtio already"
guest_disk "$D"
cp --sparse=always "$D" "$T/before.img"
"$FY_BUILD/v2v-server" inject --json "$D" >"$T/report.json" 2>"$T/log" ||
	{ cat "$T/log" >&2; fail "refused"; }
jq -e '.changes[] | select(.initramfs != null) | .initramfs
	| .kind == "dracut" and .virtio_blk' "$T/report.json" >"$T/null" ||
	fail "$(cat "$T/report.json")"
ir_unpack "$D" 4 "/boot/initramfs-$KVER.img" "$T/unpacked"
for m in virtio_blk virtio_scsi virtio_net ahci sd_mod ext4; do
	/sbin/modprobe -d "$T/unpacked" -S "$KVER" --show-depends "$m" \
		>"$T/null" || fail "no $m"
done
! grep -rE '/dev/sd' "$T/unpacked/etc/cmdline.d" 2>"$T/null" ||
	fail "the old disk in the arguments inside"
grep -rqF "root=UUID=$ROOT_UUID" "$T/unpacked/etc/cmdline.d" ||
	fail "no root= inside: $(grep -r . "$T/unpacked/etc/cmdline.d")"
"$FY_BUILD/v2v-server" inject --undo "$D" 2>"$T/null"
cmp "$D" "$T/before.img" || fail "the undo log"
say "dracut $(dracut --version 2>/dev/null | head -n 1)"
