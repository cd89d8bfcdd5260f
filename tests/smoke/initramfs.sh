#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What is appended to an initramfs, seen by other readers: cpio unpacks it,
# the modules are those of Debian's kernel to the byte, and kmod finds each of
# them, and what was there before, by the new index.  Early microcode, every
# compression, usrmerged and not, compressed modules, DKMS, idempotence.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/initramfs.sh"
requires cpio gzip xz lzma zstd lz4 jq ldd
requires_built obj/drivers-inject/test-linux-initramfs-tool
kernel_get

MODULES="virtio virtio_ring virtio_pci virtio_pci_legacy_dev
	virtio_pci_modern_dev virtio_blk virtio_scsi virtio_net net_failover
	failover virtio_balloon virtio_rng virtio_console virtio_gpu"

# Unpack the appended bytes alone: unpack_segment DIR BEFORE AFTER METHOD
unpack_segment() {
	local size
	size=$(stat -c %s "$2")
	mkdir -p "$1"
	tail -c "+$((size + 1))" "$3" | case $4 in
	lz4) lz4 -dc -q ;;
	gzip) tail -c "+$(((4 - size % 4) % 4 + 1))" | gzip -dc ;;
	*) tail -c "+$(((4 - size % 4) % 4 + 1))" ;;
	esac >"$1.cpio"
	(cd "$1" && cpio -idm --quiet --no-absolute-filenames) <"$1.cpio"
}

# modprobe's own view of DIR's index: every module of it can be found.
check_index() {
	local dir=$1 m path
	for m in $MODULES ahci sd_mod; do
		path=$(/sbin/modprobe -d "$dir" -S "$KVER" --show-depends "$m" |
			sed -n "s|^insmod \([^ ]*\) *$|\1|p" | tail -n 1)
		[ -s "$path" ] || fail "$NAME: modprobe does not find $m"
	done
	/sbin/modprobe -d "$dir" -S "$KVER" --show-depends \
		pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00 |
		grep -q virtio_pci.ko || fail "$NAME: no alias of virtio_pci"
	/sbin/modprobe -d "$dir" -S "$KVER" --show-depends \
		virtio:d00000002v00001AF4 |
		grep -q virtio_blk.ko || fail "$NAME: no alias of virtio_blk"
}

# Every module in DIR is the kernel package's, to the byte.
check_modules() {
	local f n=0
	while read -r f; do
		cmp "$1/$f" "$KROOT/lib/modules/$KVER/$f" || fail "$NAME: $f"
		n=$((n + 1))
	done < <(cd "$1" && find . -name '*.ko')
	[ "$n" -gt 14 ] || fail "$NAME: only $n modules"
}

printf 'RESUME=none\n' >"$T/resume"

one() { # NAME SHAPE METHOD EARLY [OPTION]...
	local shape=$2 method=$3 early=$4 top=lib
	NAME=$1
	shift 4
	rm -rf "$T/seg" "$T/all"
	: >"$T/initrd"
	[ "$early" = no ] || early_cpio >>"$T/initrd"
	pack "$method" <"$T/$shape.cpio" >>"$T/initrd"
	inject "$KROOT" "$KVER" "$T/initrd" "$T/out" \
		--override=conf/conf.d/resume="$T/resume" "$@" >"$T/report.json"
	cmp -n "$(stat -c %s "$T/initrd")" "$T/initrd" "$T/out"
	jq -e '.virtio_blk and .virtio_scsi and .virtio_net and
		(.missing | length) == 0' "$T/report.json" >"$T/null" ||
		fail "$NAME: $(cat "$T/report.json")"
	case " $* " in
	*\ --small\ *) unpack_segment "$T/seg" "$T/initrd" "$T/out" "$method" ;;
	*) [ "$method" = lz4 ] || method=none
	   unpack_segment "$T/seg" "$T/initrd" "$T/out" "$method" ;;
	esac
	[ "$shape" = split ] || top=usr/lib
	[ -d "$T/seg/$top/modules/$KVER/kernel" ] ||
		fail "$NAME: nothing in $top"
	[ "$top" = lib ] || [ ! -e "$T/seg/lib" ] || fail "$NAME: lib emitted"
	check_modules "$T/seg/$top/modules/$KVER"
	# As the kernel does: the segment over what was there.
	cp -a "$T/$shape" "$T/all"
	(cd "$T/all" && cpio -idmu --quiet) <"$T/seg.cpio"
	check_index "$T/all"
	[ "$(cat "$T/all/conf/conf.d/resume")" = RESUME=none ]
	grep -qx ext4 "$T/all/conf/modules"
	grep -qx virtio_blk "$T/all/conf/modules"
	# A second time there is nothing to do.
	inject "$KROOT" "$KVER" "$T/out" "$T/again" \
		--override=conf/conf.d/resume="$T/resume" >"$T/report.json"
	cmp "$T/out" "$T/again"
	[ "$(jq .segment_bytes "$T/report.json")" = 0 ]
	say "$NAME"
}

tree_make "$T/merged" merged
tree_make "$T/split" split
for shape in merged split; do
	tree_cpio "$T/$shape" >"$T/$shape.cpio"
done
one none merged none no
one gzip merged gzip yes
one gzip-small split gzip yes --small
one xz split xz yes
one zstd merged zstd yes
one lzma split lzma no
one lz4 merged lz4 yes

# The guest's modules compressed, the initramfs's as they were.
NAME=compressed
for how in xz zstd gzip; do
	rm -rf "$T/guest"
	mkdir -p "$T/guest/lib/modules"
	cp -al "$KROOT/lib/modules/$KVER" "$T/guest/lib/modules/"
	for f in $(cd "$T/guest" && find lib/modules -name '*virtio*.ko' \
		-o -name '*failover.ko' -o -name 'drm*.ko'); do
		case $how in
		xz) xz -1 --check=crc32 -c "$KROOT/$f" >"$T/guest/$f.xz" ;;
		zstd) zstd -q -1 -c "$KROOT/$f" >"$T/guest/$f.zst" ;;
		gzip) gzip -1 -c "$KROOT/$f" >"$T/guest/$f.gz" ;;
		esac
		rm "$T/guest/$f"
	done
	inject "$T/guest" "$KVER" "$T/initrd" "$T/out" >"$T/report.json"
	jq -e '.virtio_blk and (.missing | length) == 0' "$T/report.json" \
		>"$T/null" || fail "$how: $(cat "$T/report.json")"
	rm -rf "$T/seg"
	unpack_segment "$T/seg" "$T/initrd" "$T/out" lz4
	check_modules "$T/seg/usr/lib/modules/$KVER"
done
say compressed

# A storage driver that DKMS put under updates/: in the initramfs it is at its
# old place, and the index must say so.  Another one is in the initramfs twice.
NAME=dkms
rm -rf "$T/guest" "$T/dkms"
mkdir -p "$T/guest/lib/modules" "$T/dkms"
cp -al "$KROOT/lib/modules/$KVER" "$T/guest/lib/modules/"
tree_make "$T/dkms" merged
tree_module "$T/dkms" kernel/drivers/scsi/hpsa.ko
tree_module "$T/dkms" kernel/drivers/scsi/scsi_transport_sas.ko
mkdir -p "$T"/{dkms,guest}/lib/modules/"$KVER"/updates/dkms
for m in hpsa aacraid; do
	cp "$KROOT/lib/modules/$KVER/kernel/drivers/scsi/$m.ko" "$T/guest/lib/modules/$KVER/updates/dkms/" 2>/dev/null ||
		find "$KROOT/lib/modules" -name "$m.ko" -exec \
		cp {} "$T/guest/lib/modules/$KVER/updates/dkms/" \;
done
find "$KROOT/lib/modules" -name aacraid.ko \
	-exec cp {} "$T/dkms/lib/modules/$KVER/updates/dkms/" \;
tree_module "$T/dkms" kernel/drivers/scsi/aacraid/aacraid.ko
/sbin/depmod -b "$T/guest" "$KVER"
grep -q '^updates/dkms/hpsa.ko:' "$T/guest/lib/modules/$KVER/modules.dep"
tree_cpio "$T/dkms" | gzip -n -1 >"$T/initrd"
inject "$T/guest" "$KVER" "$T/initrd" "$T/out" >"$T/report.json"
rm -rf "$T/seg"
unpack_segment "$T/seg" "$T/initrd" "$T/out" none
dep=$T/seg/usr/lib/modules/$KVER/modules.dep
grep -q '^kernel/drivers/scsi/hpsa.ko:' "$dep" || fail "hpsa's place is lost"
grep -q '^updates/dkms/aacraid.ko:' "$dep" || fail "aacraid not in updates/"
! grep -q 'updates/dkms/hpsa' "$dep" || fail "an index of what isn't there"
say dkms

# What can't be edited says so.
NAME=refused
printf 'MZ\220\0 whatever' >"$T/uki"
expect_status 1 inject "$KROOT" "$KVER" "$T/uki" "$T/out" 2>"$T/err"
grep -q '^unsupported: .*UKI' "$T/err" || fail "$(cat "$T/err")"
expect_status 1 inject "$KROOT" 5.10.0-none "$T/initrd" "$T/out" 2>"$T/err"
grep -q '^notfound: .*5.10.0-none' "$T/err" || fail "$(cat "$T/err")"
say refused
