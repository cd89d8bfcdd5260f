#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map over all kinds of XFS: versions, block and sector sizes,
# features, logs, numbers of AGs; a ring of a log that goes round; deep btrees
# of free space; then more than 16 TiB within time and memory.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/usedxfs.sh"
. "$(dirname "$0")/../lib/workbench.sh"
requires mkfs.xfs xfs_db xfs_repair xfs_logprint partclone.xfs jq python3
[ -x /usr/bin/time ] || skip "needs /usr/bin/time"
requires_built used-blocks
requires_loop
workbench_needs

seed=${FY_SEED:-3000}

# --- version 5, aged where this kernel mounts it --------------------------------------
# Blocks above the page size need Linux 6.12; filled by mkfs else.
while read -r size features options; do
	seed=$((seed + 1))
	say "seed $seed"
	# shellcheck disable=SC2086
	new_xfs "$size" $options
	check_xfs
	if mount_xfs "$T/image"; then
		umount_xfs
		# shellcheck disable=SC2086
		age_xfs $seed 30000000 1200 ${features//,/ }
		check_xfs
		[ -s "$T/tree" ] || fail "no files"
	else
		# shellcheck disable=SC2086
		proto_xfs $seed 150 "$size" $options
		check_xfs
	fi
done <<'SHAPES'
96M links,holes,reflinks,xattrs -m rmapbt=0
96M links,holes,reflinks,xattrs -m rmapbt=1 -i nrext64=1
96M links,holes,xattrs -m reflink=0
96M links,holes,xattrs -m reflink=0,finobt=0,inobtcount=0,bigtime=0 -i sparse=0
96M links,holes,xattrs -m reflink=0,finobt=0,rmapbt=0 -n ftype=1
96M links,holes,reflinks,xattrs -b size=1024 -d agcount=5
96M links,holes,reflinks,xattrs -b size=2048 -n size=8192 -m rmapbt=1
96M links,holes,reflinks,xattrs -s size=4096 -d agcount=3
96M links,holes,reflinks,xattrs -i size=2048,maxpct=50
96M links,holes,reflinks,xattrs -l su=256k,size=20m
96M links,holes,reflinks,xattrs -l su=4096,size=12m,agnum=0
96M links,holes,reflinks,xattrs -d agcount=1
400M links,holes,reflinks,xattrs -d agcount=25
400M links,holes,reflinks,xattrs -d su=64k,sw=4,agcount=4
128M links,holes,reflinks,xattrs -b size=8192 -m rmapbt=1
160M links,holes,reflinks,xattrs -b size=16384
400M links,holes,reflinks,xattrs -b size=65536 -l size=64m
SHAPES

# --- version 4, filled by mkfs -------------------------------------------------------
while read -r size options; do
	seed=$((seed + 1))
	say "seed $seed"
	# shellcheck disable=SC2086
	proto_xfs $seed 240 "$size" $options
	check_xfs
done <<'SHAPES'
64M -m crc=0 -b size=512 -d agcount=3
64M -m crc=0 -b size=1024 -l version=1
64M -m crc=0 -b size=4096 -l version=2,su=32k
64M -m crc=0 -b size=4096 -l lazy-count=0 -i attr=1
64M -m crc=0 -b size=4096 -n version=ci -s size=4096
64M -m crc=0 -b size=4096 -i projid32bit=0 -n ftype=0 -d agcount=1
400M -m crc=0 -b size=65536 -l size=64m
SHAPES

# --- version 4, aged by a kernel that mounts it ------------------------------------------
images=() copies=()
while read -r options; do
	# shellcheck disable=SC2086
	new_xfs 64M $options
	mv "$T/image" "$T/four${#images[@]}"
	images+=("$T/four${#images[@]}")
done <<'SHAPES'
-m crc=0 -b size=512 -d agcount=3
-m crc=0 -b size=1024 -l version=1
-m crc=0 -b size=4096 -l version=2,su=32k
-m crc=0 -b size=4096 -l lazy-count=0 -i attr=1
-m crc=0 -b size=2048 -n version=ci,size=4096 -d agcount=2
SHAPES
workbench - "${images[@]}" <<'SCRIPT' || fail "the workbench: status $?"
seed=1
for d in /dev/vd[b-f]; do
	mount -t xfs "$d" /mnt
	python3 /tests/lib/age-tree.py $seed /mnt/aged 16000000 400 \
		links holes xattrs
	python3 /tests/lib/xfsmap.py churn /mnt/churn 1500
	(cd /mnt && find . -type f -print0 | sort -z |
		xargs -0r sha256sum) >"$OUT/${d##*/}"
	umount /mnt
	seed=$((seed + 1))
done
SCRIPT
for i in "${images[@]}"; do
	mv "$i" "$T/image"
	check_xfs "$i.copy"
	mv "$T/image" "$i"
	copies+=("$i.copy")
done
# The copies' files; then the power is cut.
workbench - "${copies[@]}" "${images[@]}" <<'SCRIPT' ||
for d in /dev/vd[b-f]; do
	[ "$(wc -l <"$OUT/${d##*/}")" -gt 100 ]
	mount -t xfs -o ro,nouuid "$d" /mnt
	(cd /mnt && sha256sum --quiet -c "$OUT/${d##*/}")
	[ "$(find /mnt -type f | wc -l)" = "$(wc -l <"$OUT/${d##*/}")" ]
	umount /mnt
done
mkdir /cut
for d in /dev/vd[g-k]; do
	mkdir "/cut/${d##*/}"
	mount -t xfs -o nouuid "$d" "/cut/${d##*/}"
	python3 /tests/lib/xfsmap.py churn "/cut/${d##*/}/new" 200
done
sync
pull-the-plug
SCRIPT
	fail "the workbench: status $?"
for i in "${images[@]}"; do
	xfs_logprint -t "$i" 2>/dev/null | grep -q '<DIRTY>' ||
		fail "the power cut left a clean filesystem"
	! "$UB" map "$i" >"$T/out" 2>&1 || fail "an unclean log was believed"
	grep -q 'no clean unmount' "$T/out" || fail "$(cat "$T/out")"
done
workbench - "${images[@]}" <<'SCRIPT' || fail "the workbench: status $?"
for d in /dev/vd[b-f]; do
	mount -t xfs "$d" /mnt
	umount /mnt
done
SCRIPT
for i in "${images[@]}"; do
	"$UB" map --json "$i" >"$T/map.json" || fail "mounted, and still no map"
	compare_xfs "$i"
	rm -f "$i" "$i.copy"
done

# --- a log that goes round ---------------------------------------------------------------
# Its smallest size, many mounts: the head goes round, and is somewhere else each
# time.
new_xfs 64M -l size=6m
last=0 rounds=0 heads=
for i in 1 2 3 4 5 6 7 8; do
	seed=$((seed + 1))
	mount_xfs "$T/image"
	age_tree $seed "$T/mnt/log$i" 3000000 $((150 + i * 40)) links xattrs
	$XFSMAP churn "$T/mnt/churn" 3000
	rm -rf "$T/mnt/churn" "$T/mnt/log$i"
	umount_xfs
	"$UB" map --json "$T/image" >"$T/map.json" || fail "after mount $i"
	compare_xfs "$T/image"
	xfs_logprint -t "$T/image" >"$T/log" 2>&1 || :
	grep -q '<CLEAN>' "$T/log" || fail "xfs_logprint: $(cat "$T/log")"
	head=$(sed -n 's/.* head: \([0-9]*\).*/\1/p' "$T/log")
	[ "$head" -ge "$last" ] || rounds=$((rounds + 1))
	last=$head
	heads="$heads $head"
done
say "heads of the log:$heads"
[ $rounds -gt 0 ] || fail "the log never went round"
check_xfs

# A crash at every step: unclean, and so does xfs_logprint say.
mount_xfs "$T/image"
for i in 1 2 3 4 5 6; do
	$XFSMAP churn "$T/mnt/churn" $((i * 150))
	sync -f "$T/mnt"
	cp --sparse=always "$T/image" "$T/crash"
	state=$(xfs_logprint -t "$T/crash" 2>/dev/null |
		grep -o '<CLEAN>\|<DIRTY>' || :)
	status=0
	"$UB" map "$T/crash" >"$T/out" 2>&1 || status=$?
	case $state$status in
	'<DIRTY>1' | '<CLEAN>0') ;;
	*) fail "xfs_logprint: $state, map: $(cat "$T/out")" ;;
	esac
	say "crash $i: $state"
done
umount_xfs
rm -f "$T/crash"

# --- free space in tens of thousands of pieces -----------------------------------------------
new_xfs 600M -b size=1024 -i size=512 -d agcount=1 -m rmapbt=0
mount_xfs "$T/image"
$XFSMAP churn "$T/mnt/a" 100000
umount_xfs
[ "$(levels_of "$T/image")" -ge 3 ] || fail "the btree is not deep"
check_xfs
say "$(jq '.extents | length' "$T/map.json") extents"
rm -f "$T/image"

# --- 16 TiB and more --------------------------------------------------------------------------
# measure WHAT FILE: its map, within 10 s and 256 MiB.
measure() {
	local what=$1 seconds kib
	/usr/bin/time -f '%e %M' -o "$T/time" "$UB" map --json "$2" \
		>"$T/map.json" || fail "$what: no map"
	read -r seconds kib <"$T/time"
	say "$what: $seconds s, $kib KiB, used $(jq .used_bytes "$T/map.json")"
	jq -e '.volumes[0].how == "map"' "$T/map.json" >/dev/null ||
		fail "$what: not mapped"
	freesp_of "$2" >"$T/freesp"
	$XFSMAP compare "$T/map.json" "$T/freesp" || fail "$what: map"
	[ "${seconds%.*}" -lt 10 ] || fail "$what takes $seconds s"
	[ "$kib" -lt 262144 ] || fail "$what takes $kib KiB"
}

# Sparse files of that size lie in an XFS: an ext4 takes none.
truncate -s 40G "$T/host" || skip "no sparse file of 40 GiB here"
mkfs.xfs -q -f "$T/host"
mkdir -p "$T/host.mnt"
mount -o loop "$T/host" "$T/host.mnt"
at_exit umount -q "$T/host.mnt"
mkdir -p "$T/mnt"
for size in 17592186044416 43980465111040; do
	big=$T/host.mnt/big
	rm -f "$big"
	truncate -s $size "$big"
	mkfs.xfs -q -f -l size=64m "$big"
	mount_xfs "$big"
	# Directories of one level are spread over the AGs: over all of it.
	for ((i = 0; i < 60; i++)); do
		mkdir "$T/mnt/d$i"
		head -c $((i * 3000 + 100)) /dev/urandom >"$T/mnt/d$i/file"
	done
	umount_xfs
	measure "$((size >> 40)) TiB" "$big"
	jq -e --argjson n $((size - (4 << 40))) \
		'[.extents[] | select(.[0] > $n)] | length > 0' \
		"$T/map.json" >/dev/null || fail "nothing is used at its end"
	# What is used, and nothing else, is moved to another sparse file.
	rm -f "$T/host.mnt/copy"
	truncate -s $size "$T/host.mnt/copy"
	$XFSMAP move "$T/map.json" "$big" "$T/host.mnt/copy"
	xfs_repair -n "$T/host.mnt/copy" >"$T/repair.log" 2>&1 ||
		{ tail -20 "$T/repair.log"; fail "the copy is damaged"; }
	tree_of_xfs "$big" >"$T/tree"
	tree_of_xfs "$T/host.mnt/copy" >"$T/tree.copy"
	cmp "$T/tree" "$T/tree.copy" || fail "files of the copy differ"
	rm -f "$T/host.mnt/copy" "$big"
done
# As many AGs as a filesystem has that grew from 1 GiB.
truncate -s 4T "$T/host.mnt/many"
mkfs.xfs -q -f -l size=64m -d agcount=16000 "$T/host.mnt/many"
/usr/bin/time -f '%e %M' -o "$T/time" "$UB" map --json "$T/host.mnt/many" \
	>"$T/map.json" || fail "16000 AGs: no map"
read -r seconds kib <"$T/time"
say "16000 AGs: $seconds s, $kib KiB"
[ "$kib" -lt 262144 ] || fail "16000 AGs take $kib KiB"
[ "${seconds%.*}" -lt 60 ] || fail "16000 AGs take $seconds s"
