#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on APFS of many shapes: from two chunks to more than one block of
# them holds, all of mkapfs' options, with snapshots, after power cuts;
# aged twice; each copy by apfsck, mounted, and (where there is FUSE) read by
# libfsapfs; images both ways with partclone.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/ptcl.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/used-apfs.sh"
requires mkapfs apfsck fsapfsmount fusermount3 partclone.apfs \
	partclone.restore blkid jq python3
requires_built used-blocks
workbench_needs
seed=${FY_SEED:-7000}

# From 2 TiB on apfsck calls mkapfs' own bitmap of the internal pool bad.
say "fresh: 1 TiB, and small ones"
make_apfs huge 1T
map_apfs huge
"$UB" save --quiet "$T/huge" "$T/image"
"$UB" restore --quiet --verify "$T/image" "$T/back"
sound_apfs "$T/back"
rm -f "$T"/{huge,back,image}
for size in 256M 257M 300000K 5G; do
	make_apfs fresh "$size"
	map_apfs fresh
done
rm -f "$T/fresh"

# For each: name, size, mkapfs' options.
cat >"$T/shapes" <<'SHAPES'
small 1G
sense 1G -s -z -L label
norm 1200M -z
snaps 2G -s
part 1300000K -- 300001
wide 17G
SHAPES
cat >"$T/fill" <<'SCRIPT'
. /tests/lib/used-apfs-guest.sh

# special NAME DEVICE AGE SEED: what some go through after an age.
special() {
	case $1,$3 in
	snaps,1) snapshot "$2" one ;;
	snaps,2)
		snapshot "$2" two
		age "$2" $(($4 + 1)) 10000000 50 ;;
	norm,2)
		mount -t apfs -o readwrite "$2" /m
		rm -rf "/m/t$(($4 - 1))"
		umount /m
		age "$2" $(($4 + 1)) 30000000 150 ;;
	esac
}

# fill NAME DEVICE SEED
fill() {
	local i s=()
	for i in 1 2; do
		age "$2" $(($3 + i)) 30000000 200
		special "$1" "$2" $i $(($3 + i))
	done
	[ "$1" != snaps ] || s=(one two)
	look "$1" "$2" "${s[@]}"
	echo "$1" >&2
}
SCRIPT
echo '. /tests/lib/used-apfs-guest.sh' >"$T/mounts"
names=() images=() copies=() devices=(/dev/vd{b..z})
while read -r name size options; do
	# shellcheck disable=SC2086
	make_apfs "$name" "$size" $options
	d=${devices[${#names[@]}]}
	seed=$((seed + 10))
	echo "fill $name $d $seed" >>"$T/fill"
	echo "look $name.copy $d $([ "$name" != snaps ] || echo one two)
		touch_up $d" >>"$T/mounts"
	names+=("$name")
	images+=("$T/$name")
	copies+=("$T/$name.copy")
done <"$T/shapes"
make_apfs cut1 700M
make_apfs cut2 700M -s
cat >>"$T/fill" <<SCRIPT
dirty ${devices[${#names[@]}]} $((seed + 1))
dirty ${devices[${#names[@]} + 1]} $((seed + 2))
pull-the-plug
SCRIPT
say "fill and age, seeds up to $seed"
workbench --timeout 6000 --out "$OUT" "$T/fill" "${images[@]}" \
	"$T/cut1" "$T/cut2" || fail "the first job"

# by_fuse IMAGE: its files' digests, as libfsapfs reads them.
by_fuse() {
	mkdir -p "$T/fuse"
	fsapfsmount "$1" "$T/fuse" >"$T/log" 2>&1 ||
		fail "fsapfsmount of $1: $(cat "$T/log")"
	(cd "$T/fuse" && find . -type f -print0 | sort -z |
		xargs -0r sha256sum)
	fusermount3 -u "$T/fuse"
}

# same_by_fuse NAME: what libfsapfs reads of the copy is what it reads of $T/NAME,
# and what Linux does.  Where there are snapshots it (20201107) shows the state of
# one of these.
same_by_fuse() {
	by_fuse "$T/$1" >"$T/fuse.want"
	by_fuse "$T/$1.copy" >"$T/fuse.tree"
	cmp "$T/fuse.want" "$T/fuse.tree" ||
		fail "$1: libfsapfs reads other files of the copy"
	[ "$(wc -l <"$T/fuse.tree")" -gt 5 ] || fail "$1: hardly any files"
	[ "$1" != snaps ] || return 0
	grep -E '^[0-9a-f]{64} ' "$OUT/$1.tree" | cmp - "$T/fuse.tree" ||
		fail "$1: libfsapfs reads other files than Linux"
}

at_exit fusermount3 -q -u "$T/fuse"
for name in "${names[@]}" cut1 cut2; do
	say "$name"
	case $name in
	cut*) options=-uw ;;
	snaps) options=bad ;;
	*) options=-cuw ;;
	esac
	[ $options = bad ] || sound_apfs "$T/$name" $options
	map_apfs "$name" "${name%[12]}"
	if [ "$name" = wide ]; then
		# Too large to be filled with 0xA5.
		"$UB" save --quiet --force "$T/$name" "$T/image"
		"$UB" restore --quiet "$T/image" "$T/$name.copy"
		sound_apfs "$T/$name.copy"
	else
		copy_apfs "$name" "$options"
		case $name in
		cut*) both_ways "$T/$name" "" ;;
		*) both_ways "$T/$name" partclone.apfs ;;
		esac
	fi
	if [ -c /dev/fuse ] && [ "$options" != -uw ]; then
		same_by_fuse "$name"
	fi
done
for name in small part; do
	losetup -f >"$T/log" 2>&1 || continue
	say "$name, onto a device full of 0xA5"
	restored_apfs "$name"
done

say "mount the copies"
d=${#names[@]}
cat >>"$T/mounts" <<SCRIPT
look cut1.copy ${devices[d]}
look cut2.copy ${devices[d + 1]}
look cut1 ${devices[d + 2]}
look cut2 ${devices[d + 3]}
touch_up ${devices[d]}
touch_up ${devices[d + 1]}
SCRIPT
workbench --timeout 6000 --out "$OUT" "$T/mounts" "${copies[@]}" \
	"$T"/cut{1,2}.copy "$T"/cut{1,2} || fail "the second job"
for name in "${names[@]}" cut1 cut2; do
	same_files "$name"
	[ "$name" = snaps ] || sound_apfs "$T/$name.copy"
done
[ "$(grep -c '^snapshot' "$OUT/snaps.tree")" = 2 ] || fail "no snapshots"
exit 0
