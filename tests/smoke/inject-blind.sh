#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A machine of which no kernel would find its disk on virtio: the injection
# fails before anything is written, a conversion keeps what has arrived, and the
# same command with --no-inject takes it.  One kernel that does is enough.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires mke2fs sfdisk bzip2 gzip cpio jq setsid debugfs
requires_built p2v-client v2v-server

V2V=$FY_BUILD/v2v-server
VERSION=6.1.0-test

# A tree that is a Debian guest to us; kernel VERSION has modules.builtin from
# stdin, an initramfs is put there by the caller.
new_tree() {
	rm -rf "$T/tree"
	mkdir -p "$T/tree/etc" "$T/tree/boot/grub"
	echo 12.0 >"$T/tree/etc/debian_version"
	printf 'ID=debian\nPRETTY_NAME="Debian of a test"\n' \
		>"$T/tree/etc/os-release"
	echo '/dev/sda1 / ext4 defaults 0 1' >"$T/tree/etc/fstab"
	echo 'linux /boot/vmlinuz root=/dev/sda1' >"$T/tree/boot/grub/grub.cfg"
}

# kernel VERSION [BUILT-IN MODULE]...
kernel() {
	local version=$1 d=$T/tree/lib/modules/$1 m
	shift
	mkdir -p "$d"
	echo kernel >"$T/tree/boot/vmlinuz-$version"
	: >"$d/modules.dep"
	: >"$d/modules.builtin"
	for m; do
		echo "kernel/drivers/$m.ko" >>"$d/modules.builtin"
	done
}

# initramfs VERSION COMPRESSOR FILE...: with these files in it, each of which
# says something that would have to be edited if it were a configuration
initramfs() {
	local version=$1 by=$2 f
	shift 2
	rm -rf "$T/ir"
	mkdir "$T/ir"
	for f; do
		mkdir -p "$T/ir/$(dirname "$f")"
		echo root=/dev/sda1 >"$T/ir/$f"
	done
	(cd "$T/ir" && find . | cpio -o -H newc --quiet | "$by") \
		>"$T/tree/boot/initrd.img-$version"
}

make_disk() {
	rm -rf "$T/disk.img" "$T/disk.img.job"
	truncate -s 32M "$T/fs.img"
	mke2fs -q -F -t ext4 -d "$T/tree" "$T/fs.img"
	truncate -s 40M "$T/disk.img"
	printf 'label: dos\nstart=2048, size=65536, type=83, bootable\n' |
		sfdisk -q "$T/disk.img"
	dd if="$T/fs.img" of="$T/disk.img" bs=1M seek=1 conv=notrunc \
		status=none
	rm "$T/fs.img"
	SUM=$(sha256 <"$T/disk.img")
}

# blind WORDS: refused, for that reason, with nothing written.
blind() {
	make_disk
	expect_status 1 "$V2V" inject "$T/disk.img" >"$T/log" 2>&1
	grep -q 'would not find its disk on virtio' "$T/log" ||
		{ cat "$T/log" >&2; fail "not refused for want of virtio"; }
	grep -q -- '--no-inject' "$T/log" || fail "it doesn't say what to do"
	grep -qF -- "$1" "$T/log" ||
		{ cat "$T/log" >&2; fail "the reason '$1' is not told"; }
	[ "$(sha256 <"$T/disk.img")" = "$SUM" ] || fail "the image was changed"
	[ ! -e "$T/disk.img.job/undo.log" ] || fail "an undo log was left"
	expect_status 1 "$V2V" inject --dry-run "$T/disk.img" >/dev/null 2>&1
}

# sees [WORDS]: injected; with that warning.
sees() {
	make_disk
	"$V2V" inject --json "$T/disk.img" >"$T/report.json" 2>"$T/log" ||
		{ cat "$T/log" >&2; fail "refused"; }
	jq -e '.changes[] | select(.path == "/etc/fstab")' "$T/report.json" \
		>/dev/null || fail "fstab was not edited"
	[ $# = 0 ] || jq -r '.warnings[]' "$T/report.json" | grep -qF "$1" ||
		{ cat "$T/report.json" >&2; fail "'$1' is not warned of"; }
}

say "--- an initramfs that can't be read"
new_tree
kernel $VERSION
initramfs $VERSION bzip2 init
blind bzip2
say "--- of a tool that isn't known"
initramfs $VERSION gzip init etc/booster.init.yaml etc/cmdline
blind "kind 'booster'"
say "--- none at all"
rm "$T/tree/boot/initrd.img-$VERSION"
blind 'no initramfs and virtio is not built in'
say "--- modules that the guest hasn't"
initramfs $VERSION gzip init scripts/functions conf/initramfs.conf
blind 'no usable virtio_blk'
say "--- only one half is built in"
kernel $VERSION virtio_pci
blind 'no usable virtio_blk'

say "--- the loader entry's own initramfs does not, that in /boot does"
new_tree
kernel $VERSION
mkdir -p "$T/tree/boot/loader/entries" "$T/tree/entry"
initramfs $VERSION bzip2 init
mv "$T/tree/boot/initrd.img-$VERSION" "$T/tree/entry/initrd"
printf 'version %s\nlinux /boot/vmlinuz-%s\ninitrd /entry/initrd\n' \
	$VERSION $VERSION >"$T/tree/boot/loader/entries/x.conf"
m=lib/modules/$VERSION/kernel
initramfs $VERSION gzip init etc/booster.init.yaml etc/cmdline \
	$m/virtio_pci.ko $m/virtio_blk.ko
blind bzip2

say "--- all is built in"
kernel $VERSION virtio_pci virtio_blk virtio_net
initramfs $VERSION bzip2 init
sees 'it knows virtio already'
rm "$T/tree/boot/initrd.img-$VERSION"
sees
say "--- an unknown tool's initramfs that has virtio"
new_tree
kernel $VERSION
m=lib/modules/$VERSION/kernel
initramfs $VERSION gzip init etc/booster.init.yaml etc/cmdline \
	$m/virtio_pci.ko $m/virtio_blk.ko
sees 'it knows virtio already'
say "--- one of two kernels sees its disk"
new_tree
kernel $VERSION
initramfs $VERSION bzip2 init
kernel 5.10.0-old virtio_pci virtio_blk
sees 'may not find its disk'
say "--- no kernel is no reason to refuse"
new_tree
sees 'no kernel was found'

say "--- a conversion: what has arrived stays, for --no-inject"
new_tree
kernel $VERSION
initramfs $VERSION bzip2 init
head -c 8M /dev/urandom >"$T/tree/noise"
make_disk
convert() {
	setsid -w "$FY_BUILD/p2v-client" convert --server local \
		--disk "$T/disk.img" --name blind --to "$T/vms" --format raw \
		--progress none --json "$@" >"$T/out.json" 2>"$T/log"
}
PATH=$FY_BUILD:$PATH
expect_status 1 convert
grep -q 'would not find its disk on virtio' "$T/log" ||
	{ cat "$T/log" >&2; fail "the client doesn't hear why"; }
[ "$(ls "$T/vms")" = blind.partial ] || fail "more than NAME.partial: $(ls "$T/vms")"
expect_status 1 convert
convert --no-inject || { cat "$T/log" >&2; fail "--no-inject does not go on"; }
[ "$(jq .units_sent "$T/out.json")" = 0 ] ||
	fail "units were sent again: $(cat "$T/out.json")"
[ "$(jq .units_reused "$T/out.json")" -gt 0 ] || fail "nothing was reused"
[ ! -e "$T/vms/blind.partial" ] || fail "a leftover"
"$FY_BUILD/used-blocks" map --ddrescue "$T/disk.img" |
	awk '$3 == "+" { print $1, $2 }' >"$T/map"
[ -s "$T/map" ] || fail "no map"
while read -r at n; do
	cmp -i $((at)) -n $((n)) "$T/disk.img" "$T/vms/blind.raw" ||
		fail "other bytes at $at"
done <"$T/map"
say "passed"
