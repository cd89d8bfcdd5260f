#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The same disk converted twice, by our injection and by Debian's virt-v2v, and
# the trees compared file by file.  What both changed must come to the same, or
# differ as is said here; what only one changed must be in the list of reasons
# (tests/lib/v2v-reasons), and each reason must be needed.  A family takes some
# minutes without KVM.  V2V_FAMILIES and V2V_REFUSED choose, V2V_KEEP=DIR keeps
# the disks.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/initramfs.sh"
. "$(dirname "$0")/../lib/families.sh"
. "$(dirname "$0")/../lib/v2v-trees.sh"
. "$(dirname "$0")/../lib/v2v-run.sh"
. "$(dirname "$0")/../lib/v2v-compare.sh"
requires jq sfdisk mke2fs mkfs.vfat mcopy debugfs mmdebstrap python3 cpio zstd \
	chroot e2fsck
requires_loop
requires_built v2v-server
requires_v2v
kernel_get
modules_get xts ecb bochs drm drm_kms_helper drm_vram_helper ttm drm_ttm_helper
userland_get

# ---- the comparison ----------------------------------------------------------------

# compare: every file that anyone touched
compare() {
	local w path
	for w in before ours theirs; do
		show "$w"
	done
	for w in ours theirs; do
		python3 "$FY_TOP/tests/lib/tree-changes.py" "$T/tree.before" \
			"$T/tree.$w" >"$T/changes.$w"
		sed 's/^[a-z]* //' "$T/changes.$w" | sort >"$T/paths.$w"
		[ -s "$T/paths.$w" ] || fail "$FAMILY: $w changed nothing"
		[ -z "${V2V_KEEP:-}" ] ||
			cp "$T/changes.$w" "$V2V_KEEP/$FAMILY/"
	done
	comm -12 "$T/paths.ours" "$T/paths.theirs" >"$T/paths.both"
	: >"$T/used"
	only ours
	only theirs
	all_reasons_used
	while IFS= read -r path; do
		compare_file "$path"
	done <"$T/paths.both"
	left_old
	hide_all
}

# What the reasons say of files that virt-v2v leaves: they name the old disk.
left_old() {
	local f entry=/boot/loader/entries/0123-$KVER.conf
	case $FAMILY in
	rhel9) set -- "$entry" /etc/kernel/cmdline ;;
	rhel8) set -- /boot/grub2/grubenv ;;
	alt_qga) set -- /etc/sysconfig/grub2 ;;
	leap) set -- /boot/grub2/device.map /etc/default/grub_installdevice ;;
	debian) set -- /etc/initramfs-tools/conf.d/resume ;;
	*) return 0 ;;
	esac
	for f; do
		old_names theirs "$f" ||
			fail "$FAMILY: virt-v2v's $f is right: say so in docs"
		! old_names ours "$f" || fail "$FAMILY: ours has an old name in $f"
	done
}

# compare_file PATH: both touched it
compare_file() {
	case $FAMILY:$1 in
	*:/boot/init*) same_initramfs "$1" ;;
	centos6:/etc/X11/xorg.conf) # put aside, or for the kernel's own driver
		[ ! -e "$T/tree.ours$1" ] || fail "$FAMILY: $1 is still there"
		grep -q '"*modesetting"*' "$T/tree.theirs$1" ||
			fail "$FAMILY: virt-v2v's $1"
		;;
	debian:/boot/grub/grub.cfg) # grub-mkconfig in the appliance: old disks
		! old_names ours "$1" || fail "$FAMILY: $1"
		grep -q 'root=/dev/sda4' "$T/tree.theirs$1" ||
			fail "$FAMILY: virt-v2v's root= is right now"
		;;
	debian:/etc/default/grub) # ours: for later, too
		has_line ours "$1" GRUB_DISABLE_LINUX_UUID=false
		has_line theirs "$1" GRUB_DISABLE_LINUX_UUID=true
		same_names "$1" '/^GRUB_DISABLE_LINUX_UUID=/d'
		;;
	leap:/etc/fstab) # names by the disk's serial number stay there
		! old_names ours "$1" || fail "$FAMILY: $1"
		has_line theirs "$1" '/dev/vda4 / ext4 defaults 0 1'
		old_names theirs "$1" || fail "$FAMILY: virt-v2v's $1"
		;;
	*:/boot/grub*/grub.cfg) right_root "$1" ;; # mkconfig made theirs
	*) same_names "$1" ;;
	esac
}

for FAMILY in ${V2V_FAMILIES:-leap centos6 debian rhel8 rhel9 alt_qga}; do
	"tree_$FAMILY"
	guest_disk "$T/before.img"
	convert_both
	compare
	say "$FAMILY: $(wc -l <"$T/paths.ours") paths in $OURS_S s," \
		"$(wc -l <"$T/paths.theirs") in $THEIRS_S s," \
		"$(wc -l <"$T/paths.both") in both"
done

# refused ERROR: by virt-v2v with this error, as docs/inject.md says; not by us
refused() {
	"tree_$FAMILY"
	guest_disk "$T/before.img"
	! virt_v2v || fail "$FAMILY: virt-v2v takes it: say so in docs"
	v2v_says error | grep -qF "$1" ||
		fail "$FAMILY: another error: $(v2v_says error)"
	"$FY_BUILD/v2v-server" inject --json "$T/before.img" \
		>"$T/report.json" 2>"$T/log" ||
		{ cat "$T/log" >&2; fail "$FAMILY: ours refused"; }
	jq -e '[.changes[].path] | contains(["/etc/fstab"])' \
		"$T/report.json" >"$T/null" || fail "$FAMILY: fstab"
	say "$FAMILY: virt-v2v: $1"
}

for FAMILY in ${V2V_REFUSED-arch alt}; do
	case $FAMILY in
	arch) refused 'unable to convert this guest type (linux/archlinux)' ;;
	alt) refused 'guest type altlinux is not supported' ;;
	esac
done
