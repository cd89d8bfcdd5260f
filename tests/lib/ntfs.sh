# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# NTFS volumes of the tests: made, filled by ntfs-3g, and compared.  Needs
# usedmap.sh; requires_ntfs names the tools.

EDIT="python3 $FY_TOP/tests/lib/ntfs-edit.py"
MNT=$T/mnt
NTFS_PID= # of the ntfs-3g that runs

requires_ntfs() {
	requires mkntfs ntfs-3g ntfsfix ntfsinfo ntfsclone ntfsresize \
		ntfscluster partclone.ntfs setfattr fusermount3 jq python3
	requires_root
	[ -w /dev/fuse ] || skip "needs /dev/fuse, for ntfs-3g"
	mkdir -p "$MNT"
	at_exit ntfs_cleanup
}

# make_ntfs IMAGE SIZE ARGS...
make_ntfs() {
	local image=$1 size=$2
	shift 2
	rm -f "$image"
	truncate -s "$size" "$image"
	mkntfs -q -F -p 0 -H 16 -S 63 "$@" "$image" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "mkntfs $*"; }
}

# ntfs_mount IMAGE [OPTIONS].  In the foreground, for ntfs-3g writes its last
# metadata after umount has returned.
ntfs_mount() {
	ntfs-3g -o "no_detach,${2:-rw}" "$1" "$MNT" >"$T/mount.log" 2>&1 \
		</dev/null &
	NTFS_PID=$!
	wait_for 120 mounted_or_gone || fail "ntfs-3g does not mount $1"
	mountpoint -q "$MNT" ||
		{ cat "$T/mount.log"; fail "ntfs-3g does not mount $1"; }
}

mounted_or_gone() {
	mountpoint -q "$MNT" || ! kill -0 "$NTFS_PID" 2>/dev/null
}

ntfs_umount() {
	local pid=$NTFS_PID
	umount "$MNT" || fusermount3 -u "$MNT"
	NTFS_PID=
	wait "$pid" || fail "ntfs-3g ended with status $?"
}

ntfs_cleanup() {
	[ -n "$NTFS_PID" ] || return 0
	umount -q "$MNT" || umount -q -l "$MNT"
	end_pid "$NTFS_PID"
}

# tree_of_ntfs IMAGE: what lies on it, with names and digests.
tree_of_ntfs() {
	ntfs_mount "$1" ro
	tree_below "$MNT"
	ntfs_umount
}

# check_ntfs IMAGE: the map against partclone and ntfsclone (which goes through
# the MFT), and a copy of the used extents in a file of 0xA5.
check_ntfs() {
	local image=$1
	"$UB" map --json "$image" >"$T/map.json" 2>"$T/err" ||
		{ cat "$T/err"; fail "$image: no map"; }
	grep -q '"how":"map"' "$T/map.json" ||
		{ cat "$T/map.json"; fail "$image was not mapped"; }
	rm -f "$T/domain"
	partclone.ntfs -D -s "$image" -O "$T/domain" -L "$T/log" \
		>/dev/null 2>&1 || fail "partclone.ntfs does not take $image"
	ntfsclone -s -O - "$image" 2>"$T/log" >"$T/clone" ||
		{ cat "$T/log"; fail "ntfsclone does not take $image"; }
	$USEDMAP compare "$T/map.json" "domain:$T/domain" \
		"ntfsclone:$T/clone" || fail "$image: map"
	rm -f "$T/clone"
	$USEDMAP copy "$T/map.json" "$image" "$T/copy"
	cmp <(tail -c 512 "$image") <(tail -c 512 "$T/copy") ||
		fail "$image: the boot sector's backup"
	ntfsfix -n "$T/copy" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "$image: ntfsfix on the copy"; }
	ntfsresize -i -f -f "$T/copy" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "$image: the copy is not consistent"; }
	tree_of_ntfs "$image" >"$T/tree"
	tree_of_ntfs "$T/copy" >"$T/tree2"
	cmp "$T/tree" "$T/tree2" || fail "$image: files of the copy differ"
	rm -f "$T/copy"
}

# compressed DIR: what is made in it from now on.
compressed() {
	mkdir -p "$1"
	setfattr -n system.ntfs_attrib_be -v 0x00000810 "$1"
}
