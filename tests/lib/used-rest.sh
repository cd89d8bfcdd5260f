# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# JFS, ReiserFS, NILFS2 and UFS for the tests of used-blocks: what the workbench
# has filled (used-rest-guest.sh) against the map.  Debian's partclone knows
# none of them.  Needs usedmap.sh; what the workbench said is in $OUT.

OUT=$T/out

# new NAME SIZE...: images $T/NAME
new() {
	while [ $# -gt 0 ]; do
		rm -f "$T/$1"
		truncate -s "$2" "$T/$1"
		shift 2
	done
}

# mapped NAME TYPE: its map in $T/NAME.json, and a copy of it in $T/NAME.copy
mapped() {
	"$UB" map --json "$T/$1" >"$T/$1.json" || fail "$1: no map"
	jq -e --arg t "$2" '.volumes[0] | .how == "map" and .filesystem == $t and
		.note == null' "$T/$1.json" >/dev/null ||
		fail "$1 was not mapped: $(jq -c '.volumes[0]' "$T/$1.json")"
	$USEDMAP copy "$T/$1.json" "$T/$1" "$T/$1.copy"
}

# exactly NAME BYTES: as many are used.
exactly() {
	jq -e --argjson n "$2" '.used_bytes == $n' "$T/$1.json" >/dev/null ||
		fail "$1: used $(jq .used_bytes "$T/$1.json"), not $2"
}

# all_but_free NAME: what the filesystem does not call free is used.
all_but_free() {
	local all free size
	read -r all free size <"$OUT/$1.stat"
	all=$(stat -c %s "$T/$1")
	exactly "$1" $((all - free * size))
}

# by_segments NAME BYTES [FIRST]: used are the segments (of BYTES) with a mark in
# lssu, what is behind the last one, and of a first one without a mark its head.
by_segments() {
	local all segments used first
	all=$(stat -c %s "$T/$1")
	segments=$(awk '$1 ~ /^[0-9]+$/' "$OUT/$1.lssu" | wc -l)
	used=$(awk '$1 ~ /^[0-9]+$/ && $4 ~ /[de]/' "$OUT/$1.lssu" | wc -l)
	first=$(awk '$1 == 0 && $4 !~ /[de]/ { print "free" }' "$OUT/$1.lssu")
	if [ "$segments" -le 10 ] || [ "$used" -le 2 ]; then
		fail "$1: lssu: $segments segments, $used used"
	fi
	exactly "$1" $((used * $2 + all - segments * $2 +
		(${#first} > 0 ? 4096 : 0)))
}

# refused NAME WORDS ADVICE: dirty, and with --allow-dirty whole.
refused() {
	expect_status 1 "$UB" map "$T/$1" >"$T/log" 2>&1
	grep -q "$2" "$T/log" || fail "$1: no '$2': $(cat "$T/log")"
	grep -q "$3" "$T/log" || fail "$1: no advice: $(cat "$T/log")"
	"$UB" map --json --allow-dirty "$T/$1" 2>/dev/null | jq -e '
		.volumes[0].how == "whole" and .used_bytes == .disk_bytes' \
		>/dev/null || fail "$1: a dirty filesystem was not whole"
}

# whole NAME WORDS: it is copied whole, and the note has these words.
whole() {
	"$UB" map --json "$T/$1" 2>/dev/null | jq -e --arg w "$2" '
		.volumes[0].how == "whole" and (.volumes[0].note | test($w)) and
		.used_bytes == .disk_bytes' >/dev/null || fail "$1 is not whole"
}

# poke NAME AT BYTES: \x.. escapes, for printf
poke() {
	# shellcheck disable=SC2059
	printf "$3" | dd of="$T/$1" bs=1 seek="$2" conv=notrunc status=none
}

# make_ufs NAME SIZE VERSION ORDER [OPTION,...]: the tree $T/tree by makefs; of
# UFS2 (which it begins at 8 KiB, where Linux does not look) the superblock is
# then moved to 64 KiB, into the file "pad".
make_ufs() {
	makefs -t ffs -B "$4" -s "$2" -o "version=$3${5:+,$5}" "$T/$1" \
		"$T/tree" >"$T/log" 2>&1 || { cat "$T/log"; fail "makefs $*"; }
	[ "$3" = 1 ] || python3 - "$T/$1" "$4" <<'MOVE'
import sys
order = {"le": "little", "be": "big"}[sys.argv[2]]
with open(sys.argv[1], "r+b") as f:
    f.seek(8192)
    block = bytearray(f.read(1376))
    f.seek(65536)
    if f.read(8192) != b"p" * 8192:
        sys.exit("the file 'pad' is elsewhere")
    block[1000:1008] = (65536).to_bytes(8, order)
    f.seek(65536)
    f.write(block)
    f.seek(8192)
    f.write(bytes(1376))
MOVE
}

# the_tree SEED BYTES: $T/tree, for makefs
the_tree() {
	rm -rf "$T/tree"
	mkdir "$T/tree"
	head -c 200000 /dev/zero | tr '\0' p >"$T/tree/pad"
	age_tree "$1" "$T/tree/t" "$2" 500 links
}
