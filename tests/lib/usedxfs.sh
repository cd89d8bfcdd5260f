# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# XFS filesystems that the tests of used-blocks make.  After usedmap.sh.

XFSMAP="python3 $FY_TOP/tests/lib/xfsmap.py"
# mkfs.xfs makes none below 300 MB, unless it takes itself to be tested.
export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1

# new_xfs SIZE OPTION...: an XFS in $T/image, an image of SIZE.
new_xfs() {
	local size=$1
	shift
	say "mkfs.xfs $*"
	rm -f "$T/image"
	truncate -s "$size" "$T/image"
	mkfs.xfs -q -f -L "a label" "$@" "$T/image" >"$T/mkfs.log" 2>&1 ||
		{ cat "$T/mkfs.log"; fail "mkfs.xfs $*"; }
}

# mount_xfs IMAGE [OPTIONS]: at $T/mnt; false when this kernel can't (version 4,
# large blocks).
mount_xfs() {
	mkdir -p "$T/mnt"
	mount -t xfs -o "loop,nouuid${2:+,$2}" "$1" "$T/mnt" 2>"$T/mount.log"
}
at_exit umount -q "$T/mnt"

# umount_xfs: a mount namespace that somebody made meanwhile keeps the filesystem
# alive; read-only, its log is closed all the same.
umount_xfs() {
	mount -o remount,ro "$T/mnt" || fail "the filesystem is busy"
	umount "$T/mnt"
}

# age_xfs SEED BYTES OPERATIONS FEATURE...: in $T/image, mounted.
age_xfs() {
	local seed=$1 bytes=$2 operations=$3
	shift 3
	mount_xfs "$T/image" || fail "no mount: $(cat "$T/mount.log")"
	age_tree "$seed" "$T/mnt/aged$seed" "$bytes" "$operations" "$@"
	umount_xfs
}

# proto_xfs SEED FILES SIZE OPTION...: as new_xfs, without a mount: filled by
# mkfs, and every third file taken away by xfs_db and xfs_repair.
proto_xfs() {
	local seed=$1 files=$2 i
	shift 2
	rm -rf "$T/proto"
	mkdir "$T/proto"
	RANDOM=$seed
	for ((i = 0; i < files; i++)); do
		head -c $((RANDOM * RANDOM / 8000 + 1)) /dev/urandom \
			>"$T/proto/f$i"
	done
	$XFSMAP protofile "$T/proto" >"$T/protofile"
	new_xfs "$@" -p "$T/protofile"
	xfs_db -r -c 'ls /' "$T/image" >"$T/ls"
	awk '$(NF - 1) ~ /^f[0-9]*[147]$/ {
		print "inode " $2; print "write -d core.mode 0" }' "$T/ls" \
		>"$T/commands"
	grep -q write "$T/commands" || fail "no files: $(cat "$T/ls")"
	xfs_db -x "$T/image" <"$T/commands" >"$T/db.log" 2>&1 ||
		{ cat "$T/db.log"; fail "xfs_db"; }
	xfs_repair -o force_geometry "$T/image" >"$T/repair.log" 2>&1 ||
		{ cat "$T/repair.log"; fail "xfs_repair"; }
	rm -rf "$T/proto"
}

# freesp_of IMAGE: what xfsmap.py compares with.
freesp_of() {
	local image=$1 n i
	n=$(xfs_db -r -c 'sb 0' -c 'print agcount' "$image" | awk '{ print $3 }')
	{
		printf 'sb 0\nprint blocksize agblocks dblocks agcount\n'
		echo 'freesp -d'
		for ((i = 0; i < n; i++)); do
			printf 'agf %d\nprint flcount\n' "$i"
		done
	} >"$T/commands"
	xfs_db -r "$image" <"$T/commands" | sed 's/^\(xfs_db> \)*//'
}

# levels_of IMAGE: of the deepest btree of free space.
levels_of() {
	local image=$1 n i
	n=$(xfs_db -r -c 'sb 0' -c 'print agcount' "$image" | awk '{ print $3 }')
	for ((i = 0; i < n; i++)); do
		printf 'agf %d\nprint bnolevel\n' "$i"
	done | xfs_db -r "$image" | sed 's/^\(xfs_db> \)*//' |
		awk '$3 > m { m = $3 } END { print m }'
}

# tree_of_xfs IMAGE: all files; nothing when this kernel can't mount it.
tree_of_xfs() {
	mount_xfs "$1" ro || return 0
	tree_below "$T/mnt"
	umount "$T/mnt"
}

# compare_xfs IMAGE: the map in $T/map.json against xfs_db, and partclone where
# it takes the filesystem ($T/domain is left then).
compare_xfs() {
	rm -f "$T/domain"
	freesp_of "$1" >"$T/freesp"
	set -- "$1" "$T/freesp"
	if partclone.xfs -D -s "$1" -O "$T/domain" -L "$T/log" >/dev/null 2>&1
	then
		set -- "$@" "$T/domain"
	else
		rm -f "$T/domain"
	fi
	shift
	$XFSMAP compare "$T/map.json" "$@" || fail "the map"
}

# check_xfs [COPY]: $T/image's map, and a copy of the used extents in a file of
# 0xA5, which is left when it has a name.
check_xfs() {
	local copy=${1:-$T/copy}
	"$UB" map --json "$T/image" >"$T/map.json" || fail "no map"
	jq -e '.volumes[0].how == "map"' "$T/map.json" >/dev/null ||
		fail "not mapped: $(jq -c .volumes "$T/map.json")"
	compare_xfs "$T/image"
	$USEDMAP copy "$T/map.json" "$T/image" "$copy"
	xfs_repair -n -o force_geometry "$copy" >"$T/repair.log" 2>&1 ||
		{ cat "$T/repair.log"; fail "the copy is damaged"; }
	tree_of_xfs "$T/image" >"$T/tree"
	tree_of_xfs "$copy" >"$T/tree.copy"
	cmp "$T/tree" "$T/tree.copy" || fail "files of the copy differ"
	[ $# -gt 0 ] || rm -f "$copy"
}
