# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# debian_disk FILE HOSTNAME RANDOM MIB: a disk of MIB MiB with an MBR and one
# ext4, in which a Debian with that name is recognised (nothing of it would
# boot) and a file of RANDOM bytes (16M) lies.  After common.sh.
debian_disk() {
	local file=$1 host=$2 random=$3 mib=$(($4 - 4))
	mkdir -p "$T/tree/etc"
	printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12 of a test"\n' \
		>"$T/tree/etc/os-release"
	echo "$host" >"$T/tree/etc/hostname"
	head -c "$random" /dev/urandom >"$T/tree/random"
	mke2fs -q -t ext4 -d "$T/tree" "$T/fs.img" "${mib}M" >/dev/null
	truncate -s "$((mib + 4))M" "$file"
	printf 'label: dos\nstart=2048, size=%s, type=83, bootable\n' \
		$((mib * 2048)) | sfdisk -q "$file"
	dd if="$T/fs.img" of="$file" bs=1M seek=1 conv=notrunc status=none
	rm -rf "$T/fs.img" "$T/tree"
}
