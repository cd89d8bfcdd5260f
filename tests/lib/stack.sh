# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Tests of the layers between disks and filesystems: LVM and md, made and judged
# in the workbench.  After common.sh, usedmap.sh and workbench.sh.

STACK="python3 $FY_TOP/tests/lib/stack.py"

# What the scripts in the workbench share; $1 of tree_to is a mount point.
# shellcheck disable=SC2016	# the workbench expands it
STACK_PRELUDE='
export LVM_SUPPRESS_FD_WARNINGS=1
tree_to() {
	(cd "$1" && find . -path ./lost+found -prune -o -printf "%y %m %l %p\n" |
		sort; cd "$1" && find . -type f -print0 | sort -z |
		xargs -0r sha256sum) >"$2"
}
# fill DEVICE NAME SEED BYTES [OPERATIONS]: an aged tree, its digests to /out.
fill() {
	mkdir -p /mnt/$2
	mount $1 /mnt/$2
	python3 /tests/lib/age-tree.py $3 /mnt/$2/tree $4 ${5:-250}
	sync
	tree_to /mnt/$2 $OUT/$2.tree
	umount /mnt/$2
}
# judge DEVICE NAME [OPTIONS]: mounted, it holds what it held.
judge() {
	mkdir -p /mnt/$2
	mount -o ro${3:-} $1 /mnt/$2
	tree_to /mnt/$2 /tmp/$2.tree
	cmp $OUT/$2.tree /tmp/$2.tree || { echo "$2: files differ"; exit 1; }
	umount /mnt/$2
}
# The tables of all devices, for stack.py.
record() {
	local d
	for d in /sys/class/block/*; do
		echo "dev $(cat $d/dev) ${d##*/} $(cat $d/start 2>/dev/null || echo 0)"
	done
	dmsetup info -c --noheadings --separator " " -o name,major,minor |
		sed "s/^/dm /"
	dmsetup table | sed "s/^/table /"
	for d in /sys/class/block/md*; do
		[ -d $d/md ] || continue
		for m in $d/md/dev-*; do
			echo "md ${d##*/} $(cat $m/block/dev) $(cat $m/offset) $(cat $d/size)"
		done
	done
}
'

# map_set DISK...: the set's map, over 0xA5 to DISK.copy.
map_set() {
	local i=0 d
	"$UB" map --json "$@" >"$T/set.json" 2>"$T/set.err" ||
		fail "no map: $(cat "$T/set.err")"
	for d; do
		if [ $# = 1 ]; then
			cp "$T/set.json" "$T/map.json"
		else
			jq ".disks[$i]" "$T/set.json" >"$T/map.json"
		fi
		$USEDMAP copy "$T/map.json" "$d" "$d.copy"
		i=$((i + 1))
	done
}

# rows: path, filesystem, how of all volumes that lie on others.
rows() {
	jq -r '(.disks // [.])[].volumes[] | select(.layer) |
		[.path, .filesystem // "-", .how] | join(" ")' "$T/set.json" | sort
}

# row_of PATH FIELD
row_of() {
	jq -r --arg p "$1" "(.disks // [.])[].volumes[] |
		select(.path == \$p) | .$2" "$T/set.json"
}

# carved_ext DEVICE TABLES DISK...: of an ext filesystem on this device of
# device-mapper or md, put together by the kernel's tables: no used byte is
# missing from the copies, few others are there, e2fsck is content.
carved_ext() {
	local device=$1 tables=$2 d copies=()
	shift 2
	for d; do
		copies+=("$d.copy")
	done
	$STACK carve "$tables" "$device" "$T/carved" "$@"
	$STACK carve "$tables" "$device" "$T/carved.copy" "${copies[@]}"
	dumpe2fs "$T/carved" >"$T/dumpe2fs" 2>/dev/null
	$STACK same "$T/dumpe2fs" "$T/carved" "$T/carved.copy" "${ALLOW:-0.005}" ||
		fail "$device: the map"
	e2fsck -fn "$T/carved.copy" >"$T/fsck.log" 2>&1 ||
		{ cat "$T/fsck.log"; fail "$device: the copy is damaged"; }
	rm -f "$T/carved" "$T/carved.copy"
}
