# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Comparing what our injection (tree.ours) and virt-v2v (tree.theirs) made of
# the same disk (tree.before): their files, their initramfs, and the reasons for
# what only one of them touched.  To be sourced after families.sh; wants
# $FAMILY, and $BOOT and $ESP as guest_disk does.

REASONS=$FY_TOP/tests/lib/v2v-reasons
# shellcheck source=tests/lib/v2v-reasons.sh
. "$FY_TOP/tests/lib/v2v-reasons.sh"

# ---- the trees ------------------------------------------------------------------

# show IMAGE: its root with /boot in $T/tree.IMAGE, the ESP on boot/efi
show() {
	local top=$T/tree.$1 image=$T/$1.img
	mkdir "$top"
	show_part "$image" 4 "$top"
	[ -z "$BOOT" ] || show_part "$image" 3 "$top/boot"
	[ -n "$ESP" ] || return 0
	mkdir "$T/esp.$1"
	MTOOLS_SKIP_CHECK=1 mcopy -s -i "$image@@1M" ::/ "$T/esp.$1"
	mount --bind "$T/esp.$1" "$top/boot/efi"
}

show_part() { # IMAGE NUMBER DIR
	local size
	size=$(sfdisk -J "$1" | jq --argjson n "$2" \
		'.partitiontable.partitions[$n - 1].size * 512')
	mount -o "ro,loop,offset=$(part_offset "$1" "$2"),sizelimit=$size" \
		"$1" "$3"
}

hide_all() {
	local t
	for t in before ours theirs; do
		[ -d "$T/tree.$t" ] || continue
		! mountpoint -q "$T/tree.$t" || umount -R "$T/tree.$t"
		rmdir "$T/tree.$t"
		rm -rf "${T:?}/esp.$t"
	done
}
at_exit hide_all

# name_again: stdin with each UUID= of the disk's as on virtio, so that both
# ways to name a partition look the same
name_again() {
	sed "s|UUID=$ROOT_UUID|/dev/vda4|g; s|UUID=$BOOT_UUID|/dev/vda3|g
		s|UUID=$SWAP_UUID|/dev/vda2|g; s|UUID=$ESP_UUID|/dev/vda1|g"
}

# old_names WHO PATH: is the old disk named in it?
old_names() {
	grep -v '^ *#' "$T/tree.$1$2" | grep -qE '/dev/(sd|disk/by-id)'
}

# same_names PATH [SED]: the same but for how the partitions are named (and
# what SED takes away), and no old name in it
same_names() {
	diff <(name_again <"$T/tree.ours$1" | sed "${2:-}") \
		<(name_again <"$T/tree.theirs$1" | sed "${2:-}") >"$T/diff" ||
		{ cat "$T/diff" >&2; fail "$FAMILY: $1 differs"; }
	! old_names ours "$1" || fail "$FAMILY: $1 has an old name"
}

# right_root PATH: whoever made this grub.cfg, all its kernels have a root that
# is on the new disk
right_root() {
	local w roots
	for w in ours theirs; do
		roots=$(grep '^[[:space:]]*linux' "$T/tree.$w$1" |
			grep -o 'root=[^ ]*' | sort -u | xargs)
		case $roots in
		"root=UUID=$ROOT_UUID" | root=/dev/vda4) ;;
		*) fail "$FAMILY: $w: $1 has '$roots'" ;;
		esac
	done
}

# has_line WHO PATH LINE
has_line() {
	grep -qxF -- "$3" "$T/tree.$1$2" ||
		{ cat "$T/tree.$1$2" >&2; fail "$FAMILY: $1: $2 has no '$3'"; }
}

# modules_of WHO PATH: of the initramfs, by cpio and kmod, one a line
modules_of() {
	rm -rf "$T/unpacked"
	mkdir "$T/unpacked"
	python3 "$FY_TOP/tests/lib/unpack-initramfs.py" "$T/tree.$1$2" \
		"$T/unpacked" >"$T/null"
	find "$T/unpacked" -name '*.ko*' -printf '%f\n' |
		sed 's/\.ko.*//; s/-/_/g' | sort -u >"$T/modules.$1"
}

# same_initramfs PATH: in both all that virtio needs is found by its alias.
# Theirs was made for the appliance it was made in, and has lost the drivers of
# the old disk (it says so); ours is the old one with virtio added.
same_initramfs() {
	local m w
	modules_of before "$1"
	! grep virtio "$T/modules.before" || fail "$FAMILY: virtio was there"
	for w in ours theirs; do
		modules_of "$w" "$1"
		for m in virtio_blk virtio_scsi virtio_net virtio_pci ext4; do
			grep -qx "$m" "$T/modules.$w" ||
				fail "$FAMILY: $w: $1 has no $m"
		done
		/sbin/modprobe -d "$T/unpacked" -S "$KVER" --show-depends \
			pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00 |
			grep -q virtio_pci || fail "$FAMILY: $w: no virtio_pci"
	done
	grep -qx ahci "$T/modules.before" || fail "$FAMILY: ahci wasn't there"
	[ -z "$(comm -23 "$T/modules.before" "$T/modules.ours")" ] ||
		fail "$FAMILY: ours lost modules"
	! grep -qx ahci "$T/modules.theirs" ||
		fail "$FAMILY: virt-v2v's initramfs still has ahci: say so in docs"
	for m in xts bochs; do
		grep -qx "$m" "$T/modules.theirs" ||
			fail "$FAMILY: virt-v2v's initramfs has no $m"
	done
}

# ---- the reasons ----------------------------------------------------------------

# only WHO: each file that only WHO touched has its reason
only() {
	local kind path
	while read -r kind path; do
		grep -qxF -- "$path" "$T/paths.both" || echo "$kind $path"
	done <"$T/changes.$1" >"$T/only"
	explain "$1" <"$T/only"
}
