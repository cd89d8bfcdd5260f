# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# F2FS for the tests of used-blocks, judged by dump.f2fs, fsck.f2fs and
# partclone.  Needs usedmap.sh.

# make_f2fs NAME SIZE OPTION...
make_f2fs() {
	local name=$1 size=$2
	shift 2
	rm -f "$T/$name.img"
	truncate -s "$size" "$T/$name.img"
	mkfs.f2fs "$@" "$T/$name.img" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "mkfs.f2fs $*"; }
}

# f2fs_used IMAGE: bytes before the main area and of the blocks that the SIT
# calls valid, as dump.f2fs counts them.
f2fs_used() {
	local d=$T/dump
	rm -rf "$d"
	mkdir "$d"
	(cd "$d" && dump.f2fs -d 1 -s 0~-1 "$1" >out 2>&1) ||
		fail "dump.f2fs does not take $1"
	printf '%d\n' $((4096 * ($(sed -n \
		's/^main_blkaddr.*: \([0-9]*\)\]/\1/p' "$d/out" | head -n 1) +
		$(sed -n 's/^valid_blocks:\[\(0x[0-9a-f]*\)\].*/\1/p' \
			"$d/dump_sit"))))
}

# check_f2fs NAME [OVER]: the map of $T/NAME.img against both; the used extents go to
# $T/NAME.copy.  Over may be the six blocks where the logs go on, and OVER bytes
# behind the last segment.
check_f2fs() {
	local image=$T/$1.img used
	"$UB" map --json "$image" >"$T/map.json" || fail "$1: no map"
	jq -e '.volumes[0] | .how == "map" and .filesystem == "f2fs"' \
		"$T/map.json" >/dev/null ||
		fail "$1 was not mapped: $(jq -c .volumes "$T/map.json")"
	used=$(f2fs_used "$image")
	jq -e --argjson n "$used" --argjson over $((24576 + ${2:-0})) \
		'.used_bytes >= $n and .used_bytes <= $n + $over' \
		"$T/map.json" >/dev/null ||
		fail "$1: used $(jq .used_bytes "$T/map.json"), dump.f2fs says $used"
	# partclone 0.3.23 computes the checksum of a checkpoint with large
	# bitmaps wrong, and wants 100 MiB.
	if ! grep -q large_nat_bitmap "$T/dump/out"; then
		partclone.f2fs -D -s "$image" -O "$T/domain" -L "$T/log" \
			>/dev/null 2>&1 ||
			fail "partclone.f2fs does not take $1"
		$USEDMAP compare "$T/map.json" --over=$((24576 + ${2:-0})) \
			"domain:$T/domain" || fail "$1: map"
	fi
	rm -f "$T/domain" "$T/$1.copy"
	$USEDMAP copy "$T/map.json" "$image" "$T/$1.copy"
	fsck.f2fs --dry-run -f "$T/$1.copy" >"$T/fsck.log" 2>&1 || :
	if ! grep -q 'other corrupted bugs *\[Ok' "$T/fsck.log" ||
		grep -q '\[Fail\]' "$T/fsck.log"; then
		cat "$T/fsck.log"
		fail "$1: the copy is damaged"
	fi
}
