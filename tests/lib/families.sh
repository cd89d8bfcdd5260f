# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Small trees of guests of many distributions, after their published layouts,
# with real kernel modules and initramfs archives of the tools' shapes.  To be
# sourced after common.sh and initramfs.sh, with kernel_get called.

# modules_get [NAME...]: in $MODS a root with the modules that matter (and
# these), indexed; small enough to be copied into each tree.
modules_get() {
	local name file list=$T/modules
	MODS=$T/mods
	mkdir -p "$MODS/lib/modules/$KVER"
	(cd "$KROOT" && find "lib/modules/$KVER" -name '*.ko') >"$list"
	for name in virtio virtio_ring virtio_pci virtio_pci_legacy_dev \
		virtio_pci_modern_dev virtio_blk virtio_scsi virtio_net \
		net_failover failover ahci libahci libata scsi_mod scsi_common \
		sd_mod t10-pi crc-t10dif crct10dif_common crc64 crc64-rocksoft \
		ext4 jbd2 mbcache crc16 crc32c_generic "$@"; do
		file=$(grep "/$name.ko$" "$list" || :)
		[ -n "$file" ] || continue
		mkdir -p "$MODS/$(dirname "$file")"
		cp "$KROOT/$file" "$MODS/$file"
	done
	cp "$KROOT/lib/modules/$KVER"/modules.{builtin,builtin.modinfo,order} \
		"$MODS/lib/modules/$KVER/"
	/sbin/depmod -b "$MODS" "$KVER"
}

# guest_new: an empty usrmerged tree in $G
guest_new() {
	local d
	G=$T/guest
	rm -rf "$G"
	mkdir -p "$G"/{boot,etc,root,var/lib,var/log,proc,usr/{bin,sbin,lib,lib64}}
	for d in bin sbin lib lib64; do
		ln -s "usr/$d" "$G/$d"
	done
	cp -L /bin/true "$G/usr/bin/sh"
	printf 'root:x:0:0:root:/root:/bin/bash\n' >"$G/etc/passwd"
	printf 'root:!:19000:0:99999:7:::\nbin:*:19000::::::\n' >"$G/etc/shadow"
	chmod 640 "$G/etc/shadow"
}

# put FILE: stdin becomes this file of the guest
put() {
	mkdir -p "$G/$(dirname "$1")"
	cat >"$G/$1"
}

# guest_modules [DIR]: the kernel's modules into usr/lib/modules
guest_modules() {
	mkdir -p "$G/usr/lib/modules"
	cp -a "$MODS/lib/modules/$KVER" "$G/usr/lib/modules/"
}

# guest_disk IMAGE [dos|gpt]: partition 1 is /boot's (or the ESP's) where
# $BOOT=ext4 or $ESP=1 say so, the last one the root with UUID $ROOT_UUID
# ($ROOT_KIB large; $BOOT_KIB), between them swap.
ROOT_UUID=11111111-2222-3333-4444-555555555555
BOOT_UUID=99999999-2222-3333-4444-555555555555
SWAP_UUID=77777777-2222-3333-4444-555555555555
ESP_UUID=ABCD-1234
guest_disk() {
	local image=$1 d first=linux root=${ROOT_KIB:-90000}
	local boot=${BOOT_KIB:-32768}
	[ -z "${ESP:-}" ] || first=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
	rm -rf "$image" "$image.job"
	truncate -s "$((39 + (root + boot) / 1024))M" "$image"
	sfdisk -q "$image" <<-E
		label: gpt
		start=2048, size=65536, type=$first
		start=67584, size=8192, type=swap
		start=75776, size=$((boot * 2)), type=linux
		start=$((75776 + boot * 2)), size=$((root * 2)), type=linux
	E
	if [ -n "${ESP:-}" ]; then
		d=$T/esp-root
		truncate -s 32M "$T/part"
		mkfs.vfat -i "${ESP_UUID/-/}" "$T/part" >"$T/null"
		(cd "$d" && MTOOLS_SKIP_CHECK=1 mcopy -s -Q -i "$T/part" ./* ::/)
		put_part "$image" 1
	fi
	truncate -s 4M "$T/part"
	mkswap -q -U "$SWAP_UUID" "$T/part" 2>"$T/null"
	put_part "$image" 2
	if [ -n "${BOOT:-}" ]; then
		truncate -s "${boot}K" "$T/part"
		mke2fs -q -F -t ext4 -U "$BOOT_UUID" -d "$G/boot" "$T/part"
		put_part "$image" 3
		rm -rf "$G/boot"
		mkdir "$G/boot"
		[ -z "${ESP:-}" ] || mkdir -p "$G/boot"
	fi
	truncate -s "${root}K" "$T/part"
	mke2fs -q -F -t ext4 -U "$ROOT_UUID" -E "root_owner=0:0" -d "$G" "$T/part"
	put_part "$image" 4
	rm -f "$T/part"
}

put_part() {
	local start
	start=$(sfdisk -J "$1" | jq --argjson n "$2" \
		'.partitiontable.partitions[$n - 1].start')
	dd if="$T/part" of="$1" bs=512 seek="$start" conv=notrunc,sparse \
		status=none
	rm -f "$T/part"
}

# part_offset IMAGE NUMBER: in bytes
part_offset() {
	sfdisk -J "$1" | jq --argjson n "$2" \
		'.partitiontable.partitions[$n - 1].start * 512'
}

# cat_from IMAGE NUMBER PATH
cat_from() {
	debugfs -R "cat $3" "$1?offset=$(part_offset "$1" "$2")" 2>"$T/null"
}

# tree_of IMAGE NUMBER: every file with its content's digest, mode, owner and
# time, one a line; without mounting.
tree_of() {
	local d=$T/tree-of
	rm -rf "$d"
	mkdir "$d"
	debugfs -R "rdump / $d" "$1?offset=$(part_offset "$1" "$2")" 2>"$T/null"
	(cd "$d" && find . ! -type f -printf '%P %y %m %U %G %l\n' -o \
		-printf '%P %y %m %U %G %T@ ' -exec sha256sum {} \;) |
		sed "s|  \\./.*||" | LC_ALL=C sort
	rm -rf "$d"
}

# initramfs archives by their tools' shapes, with ahci and without virtio
# ir_new: an empty one in $I
ir_new() {
	I=$T/ir
	rm -rf "$I"
	mkdir -p "$I"/{dev,proc,sys,etc,usr/{bin,lib}}
	ln -s usr/lib "$I/lib"
	ln -s usr/bin "$I/bin"
	mkdir -p "$I/usr/lib/modules/$KVER/kernel/drivers/ata"
	cp "$MODS/lib/modules/$KVER/kernel/drivers/ata"/*.ko \
		"$I/usr/lib/modules/$KVER/kernel/drivers/ata/"
	cp "$MODS/lib/modules/$KVER"/modules.* "$I/usr/lib/modules/$KVER/"
	/sbin/depmod -b "$I" "$KVER"
}

# ir_pack METHOD EARLY FILE: $I into the guest's FILE
ir_pack() {
	mkdir -p "$(dirname "$G/$3")"
	: >"$G/$3"
	[ "$2" = no ] || early_cpio >>"$G/$3"
	tree_cpio "$I" | pack "$1" >>"$G/$3"
}

ir_dracut() {
	ir_new
	mkdir -p "$I/usr/lib/dracut/hooks/initqueue/finished" "$I/etc/cmdline.d" \
		"$I/usr/lib/systemd"
	echo x >"$I/usr/lib/systemd/systemd-modules-load"
	echo ' root=/dev/sda4 rootfstype=ext4 ' >"$I/etc/cmdline.d/95root-dev.conf"
	echo '[ -e "/dev/sda4" ]' \
		>"$I/usr/lib/dracut/hooks/initqueue/finished/devexists-1.sh"
}

ir_mkinitcpio() {
	ir_new
	echo x >"$I/init_functions"
	echo x >"$I/buildconfig"
	printf 'MODULES="ahci"\nHOOKS="keymap"\n' >"$I/config"
}

ir_make_initrd() {
	ir_new
	mkdir -p "$I/etc/initrd/cmdline.d" "$I/usr/lib/initrd"
	echo 'UUID=1 /root ext4 defaults 0 0' >"$I/etc/fstab"
}

# ir_unpack IMAGE NUMBER PATH DIR: all segments, as the kernel would
ir_unpack() {
	rm -rf "$4"
	mkdir -p "$4"
	cat_from "$1" "$2" "$3" >"$T/ir.img"
	python3 "$FY_TOP/tests/lib/unpack-initramfs.py" "$T/ir.img" "$4"
}
