#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map over JFS, ReiserFS, NILFS2 and UFS of many shapes: sizes of
# blocks and segments, grown and shrunk, full, with snapshots; aged thrice; each
# copy mounted.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/used-rest.sh"
requires mkfs.jfs jfs_fsck jfs_debugfs mkreiserfs reiserfsck resize_reiserfs \
	makefs jq python3
requires_built used-blocks
workbench_needs
seed=${FY_SEED:-3000}

# --- sizes that need no filling ---------------------------------------------------
say "JFS of 300 GB, with nine pages above its block map"
new big 300G
mkfs.jfs -q "$T/big" >"$T/log"
"$UB" map --json "$T/big" >"$T/big.json"
free=$(printf 'dmap\nx\nq\n' | jfs_debugfs "$T/big" |
	sed -n 's/.*dn_nfree:[[:space:]]*\(0x[0-9a-f]*\).*/\1/p')
exactly big $((300 * 1024 * 1024 * 1024 - free * 4096))
rm -f "$T/big"

say "a JFS and a ReiserFS whose journals are elsewhere"
new log 64M outside 64M
mkfs.jfs -q -J journal_dev "$T/log" >"$T/out.log" 2>&1
mkfs.jfs -q -J "device=$T/log" "$T/outside" >"$T/out.log" 2>&1
expect_status 1 "$UB" map "$T/outside" >"$T/out.log" 2>&1
grep -q 'log is on another device' "$T/out.log" || fail "an external log"

say "ReiserFS 3.5 as mkreiserfs makes it, which Linux 6.1 does not mount"
new old 64M
mkreiserfs -q -f -f --format 3.5 "$T/old" >"$T/log" 2>&1
mapped old reiserfs
reiserfsck --check -y "$T/old.copy" </dev/null >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the copied ReiserFS 3.5"; }

say "a ReiserFS that grew and shrank"
new resized 400M
mkreiserfs -q -f -f "$T/resized" 40000 >"$T/log" 2>&1
for size in 390M 180M 300M; do
	yes | resize_reiserfs -f -q -s "$size" "$T/resized" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "resize_reiserfs -s $size"; }
	mapped resized reiserfs
	reiserfsck --check -y "$T/resized.copy" </dev/null >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "the copied ReiserFS of $size"; }
done
rm -f "$T"/resized* "$T"/old* "$T"/outside

# --- aged in the workbench ---------------------------------------------------------
# For each: name, size, type, bytes of a segment, and how it is made.
cat >"$T/shapes" <<'SHAPES'
jfs 100M jfs 0 mkfs.jfs -q
jfs-os2 80M jfs 0 mkfs.jfs -q -O
jfs-log 200M jfs 0 mkfs.jfs -q -s 8
jfs-grown 300M jfs 0 mkfs.jfs -q
jfs-full 32M jfs 0 mkfs.jfs -q
reiser 300M reiserfs 0 mkreiserfs -q -f -f
reiser-tea 100M reiserfs 0 mkreiserfs -q -f -f -h tea -s 2000
reiser-2k 100M reiserfs 0 mkreiserfs -q -f -f -b 2048
reiser-1k 64M reiserfs 0 mkreiserfs -q -f -f -b 1024 -s 513
reiser-full 48M reiserfs 0 mkreiserfs -q -f -f -s 513
nilfs 256M nilfs2 8388608 mkfs.nilfs2 -q -f
nilfs-1k 100M nilfs2 131072 mkfs.nilfs2 -q -f -b 1024 -B 128
nilfs-2k 100M nilfs2 1048576 mkfs.nilfs2 -q -f -b 2048 -B 512
nilfs-snap 100M nilfs2 131072 mkfs.nilfs2 -q -f -B 32
nilfs-count 200M nilfs2 1048576 mkfs.nilfs2 -q -f -B 256 -O block_count
SHAPES
cat >"$T/fill" <<'SCRIPT'
. /tests/lib/used-rest-guest.sh

# special NAME DEVICE AGE SEED: what some go through after an age.
special() {
	case $1,$3 in
	jfs-grown,2)
		mount -t jfs "$2" /mnt
		mount -o remount,resize /mnt
		umount /mnt ;;
	*-full,3)
		mount "$2" /mnt
		head -c 60M /dev/urandom >/mnt/big 2>/run/log || :
		umount /mnt ;;
	nilfs-snap,1)
		mount -i -t nilfs2 "$2" /mnt
		mkcp -s "$2"
		umount /mnt ;;
	nilfs-snap,3 | nilfs-1k,3) nilfs_clean "$2" "t$4" ;;
	esac
}

# fill NAME DEVICE TYPE SEED MAKE...
fill() {
	local name=$1 device=$2 type=$3 seed=$4 i
	shift 4
	echo "$name" >&2
	"$@" >/run/log 2>&1 </dev/null || { cat /run/log >&2; exit 1; }
	for i in 1 2 3; do
		age "$name" "$device" "$type" $((seed + i)) 8000000 250
		special "$name" "$device" $i $((seed + i))
	done
	look "$name" "$device" "$type"
}
SCRIPT
echo '. /tests/lib/used-rest-guest.sh' >"$T/mounts"
names=() copies=() devices=(/dev/vd{b..z})
while read -r name size type _ make; do
	new "$name" "$size"
	d=${devices[${#names[@]}]}
	seed=$((seed + 10))
	# The one that grows begins with 100 MiB.
	echo "fill $name $d $type $seed $make $d$(
		[ "$name" != jfs-grown ] || echo ' 25600')" >>"$T/fill"
	echo "look $name.copy $d $type" >>"$T/mounts"
	names+=("$T/$name")
	copies+=("$T/$name.copy")
done <"$T/shapes"
say "fill and age, seeds up to $seed"
workbench --timeout 6000 --out "$OUT" "$T/fill" "${names[@]}" ||
	fail "the first job"
while read -r name _ type segment _; do
	say "$name"
	mapped "$name" "$type"
	if [ "$type" = nilfs2 ]; then
		by_segments "$name" "$segment"
	else
		all_but_free "$name"
	fi
	cp --sparse=always "$T/$name.copy" "$T/checked"
	case $type in
	jfs) jfs_fsck -n "$T/checked" ;;
	reiserfs) reiserfsck --check -y "$T/checked" ;;
	esac </dev/null >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "the copied $name"; }
done <"$T/shapes"
say "mount the copies"
workbench --timeout 6000 --out "$OUT" "$T/mounts" "${copies[@]}" ||
	fail "the second job"
while read -r name _; do
	cmp "$OUT/$name.tree" "$OUT/$name.copy.tree" ||
		fail "$name: files of the copy differ"
	[ "$(wc -l <"$OUT/$name.tree")" -gt 60 ] || fail "$name: no files"
done <"$T/shapes"

[ "$(grep -c '^snapshot ' "$OUT/nilfs-snap.tree")" = 1 ] ||
	fail "nilfs-snap has no snapshot"

# --- UFS -------------------------------------------------------------------------------
say "UFS"
the_tree "$seed" 12000000
tree_below "$T/tree/t" >"$T/tree.want"
echo '. /tests/lib/used-rest-guest.sh' >"$T/mounts"
names=() copies=()
while read -r name version order options; do
	make_ufs "$name" 100m "$version" "$order" "$options"
	mapped "$name" ufs
	kind=44bsd
	[ "$version" = 1 ] || kind=ufs2
	echo "look $name ${devices[${#copies[@]}]} ufs ufstype=$kind t" >>"$T/mounts"
	names+=("$name")
	copies+=("$T/$name.copy")
done <<'SHAPES'
ufs1-le 1 le
ufs1-be 1 be
ufs1-4k 1 le bsize=4096,fsize=512
ufs1-16k 1 be bsize=16384,fsize=2048
ufs1-one 1 le bsize=4096,fsize=4096
ufs1-cg 1 le maxbpcg=500
ufs2-le 2 le
ufs2-be 2 be
ufs2-4k 2 be bsize=4096,fsize=512
ufs2-cg 2 le maxbpcg=500
SHAPES
workbench --timeout 6000 --out "$OUT" "$T/mounts" "${copies[@]}" ||
	fail "the third job"
for name in "${names[@]}"; do
	cmp "$T/tree.want" "$OUT/$name.tree" ||
		fail "$name: files of the copy differ"
	all_but_free "$name"
done
exit 0
