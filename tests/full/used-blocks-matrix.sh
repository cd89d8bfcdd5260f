#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map over all kinds of ext and FAT: block and cluster sizes,
# features, ages; then a 16 TiB filesystem within its time and memory.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
requires mke2fs dumpe2fs e2fsck debugfs tune2fs partclone.ext4 partclone.fat \
	mkfs.vfat fsck.fat mcopy mdel jq python3
[ -x /usr/bin/time ] || skip "needs /usr/bin/time"
requires_built used-blocks

seed=${FY_SEED:-1000}
make_ext() {
	rm -f "$T/image"
	truncate -s "$1" "$T/image"
	shift
	mke2fs -q -F "$@" "$T/image" 2>"$T/log" ||
		{ cat "$T/log"; fail "mke2fs $*"; }
}

# --- every shape of ext, three ages ---------------------------------------------
while read -r size options; do
	for fill in 20 60 100; do
		seed=$((seed + 1))
		say "seed $seed, $fill %, $options"
		# shellcheck disable=SC2086
		make_ext "$size" $options
		age $seed "$T/image" $(($(free_bytes "$T/image") * fill / 100))
		check_ext "$T/image"
	done
done <<'SHAPES'
40M -t ext2 -b 1024
40M -t ext2 -b 2048 -g 2048
40M -t ext2 -b 4096 -O sparse_super,^resize_inode
40M -t ext2 -b 1024 -r 0
48M -t ext3 -b 1024
48M -t ext3 -b 4096
48M -t ext4 -b 1024
48M -t ext4 -b 2048
64M -t ext4 -b 4096
64M -t ext4 -b 4096 -O ^64bit,^metadata_csum,uninit_bg
64M -t ext4 -b 4096 -O ^64bit,^metadata_csum,^uninit_bg
64M -t ext4 -b 4096 -O ^flex_bg
40M -t ext4 -b 1024 -g 512 -G 4
40M -t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode
40M -t ext4 -b 1024 -O sparse_super2
40M -t ext4 -b 1024 -O inline_data -I 256
48M -t ext4 -b 4096 -O orphan_file,fast_commit
48M -t ext4 -b 4096 -O quota,project -I 256
48M -t ext4 -b 4096 -O encrypt,casefold,verity,ea_inode,large_dir
48M -t ext4 -b 4096 -O mmp
96M -t ext4 -b 4096 -O bigalloc -C 16384
96M -t ext4 -b 4096 -O bigalloc -C 65536
96M -t ext4 -b 1024 -O bigalloc -C 16384
200M -t ext4 -b 4096 -O bigalloc -C 1048576 -N 400
SHAPES

# 64 KiB blocks can't be mounted here, but be read.
make_ext 200M -t ext4 -b 65536 -N 1000
check_ext "$T/image"

# --- FAT: every size of cluster ---------------------------------------------------
while read -r bits size cluster sector n; do
	seed=$((seed + 1))
	say "seed $seed, FAT$bits, $cluster sectors of $sector"
	rm -f "$T/image"
	truncate -s "$size" "$T/image"
	mkfs.vfat -F "$bits" -s "$cluster" -S "$sector" "$T/image" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "mkfs.vfat -F $bits"; }
	fill_fat "$T/image" $seed "$n"
	check_fat "$T/image" "$bits"
done <<'SHAPES'
12 1440K 1 512 20
12 4M 4 512 60
16 8M 1 512 100
16 32M 8 512 200
16 256M 64 512 100
32 40M 1 512 300
32 300M 8 512 200
SHAPES

# --- 16 TiB ---------------------------------------------------------------------------
# measure WHAT SECONDS KIB: the map of $T/big within both.
measure() {
	local what=$1 seconds kib
	/usr/bin/time -f '%e %M' -o "$T/time" "$UB" map --json "$T/big" \
		>"$T/map.json" || fail "$what: no map"
	read -r seconds kib <"$T/time"
	say "$what: $seconds s, $kib KiB, used $(jq .used_bytes "$T/map.json")"
	[ "${seconds%.*}" -lt "$2" ] || fail "$what takes $seconds s"
	[ "$kib" -lt "$3" ] || fail "$what takes $kib KiB"
	rm -f "$T/big"
}

# An ext4 can't hold a file of all 16 TiB: 4 KiB less.
truncate -s 17592186040320 "$T/big" 2>/dev/null ||
	skip "no sparse file of 16 TiB here"
mke2fs -q -F -t ext4 "$T/big" 2>/dev/null
measure "16 TiB, lazily initialised" 10 262144
truncate -s 17592186040320 "$T/big"
mke2fs -q -F -t ext4 -N 2000000 -O ^metadata_csum,^uninit_bg,^flex_bg \
	-E nodiscard "$T/big" 2>/dev/null
measure "16 TiB, all bitmaps written" 60 262144
