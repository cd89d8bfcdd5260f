# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Filesystems that the tests of used-blocks make, and what they compare the
# map with: dumpe2fs, partclone, and a copy of the used extents alone.

UB=$FY_BUILD/used-blocks
# Geometry of long gone disks is none of our business.
export MTOOLS_SKIP_CHECK=1
USEDMAP="python3 $FY_TOP/tests/lib/usedmap.py"

# age SEED IMAGE BYTES: files made, cut and removed by debugfs.
age() {
	local seed=$1 image=$2 bytes=$3
	rm -rf "$T/age" "$T/age.debugfs"
	$USEDMAP age "$seed" "$T/age" "$bytes"
	debugfs -w -f "$T/age.debugfs" "$image" >"$T/age.log" 2>&1
	e2fsck -fy "$image" >"$T/age.log" 2>&1 || [ $? -le 1 ] ||
		fail "the aged $image is beyond repair"
}

# free_bytes IMAGE
free_bytes() {
	dumpe2fs -h "$1" 2>/dev/null | awk -F: \
		'/^Free blocks/ { f = $2 } /^Block size/ { s = $2 } END { print f * s }'
}

# tree_of IMAGE: digests of all files of an ext filesystem.
tree_of() {
	local d
	d=$(mktemp -d "$T/tree.XXXXXX")
	debugfs -R "rdump / $d" "$1" >/dev/null 2>&1
	(cd "$d" && find . -type f -print0 | sort -z | xargs -0r sha256sum)
	rm -rf "$d"
}

# check_ext IMAGE: the map against dumpe2fs and partclone, and a copy of the
# used extents in a file of 0xA5.
check_ext() {
	local image=$1
	shift
	"$UB" map --json "$@" "$image" >"$T/map.json"
	grep -q '"how":"map"' "$T/map.json" || fail "$image was not mapped"
	dumpe2fs "$image" >"$T/dumpe2fs" 2>/dev/null
	set -- "dumpe2fs:$T/dumpe2fs"
	if partclone.ext4 -D -s "$image" -O "$T/domain" -L "$T/log" \
	    >/dev/null 2>&1; then
		set -- "$@" "domain:$T/domain"
	fi
	$USEDMAP compare "$T/map.json" "$@" || fail "$image: map"
	rm -f "$T/domain"
	$USEDMAP copy "$T/map.json" "$image" "$T/copy"
	e2fsck -fn "$T/copy" >"$T/fsck.log" 2>&1 ||
		{ cat "$T/fsck.log"; fail "$image: the copy is damaged"; }
	[ "$(tree_of "$image")" = "$(tree_of "$T/copy")" ] ||
		fail "$image: files of the copy differ"
	rm -f "$T/copy"
}

# tree_of_fat IMAGE
tree_of_fat() {
	local d
	d=$(mktemp -d "$T/tree.XXXXXX")
	mcopy -n -s -i "$1" ::/ "$d" >/dev/null 2>&1
	(cd "$d" && find . -type f -print0 | sort -z | xargs -0r sha256sum)
	rm -rf "$d"
}

# fat_used IMAGE: bytes that are used, as fsck.fat counts clusters, and what
# lies behind the filesystem's end.
fat_used() {
	fsck.fat -nv "$1" 2>/dev/null | awk -v all="$(stat -c %s "$1")" '
		/bytes per logical sector/ { sector = $1 }
		/ sectors total/ { tail = all - $1 * sector }
		/bytes per cluster/ { size = $1 }
		/Data area starts at byte/ { sub(/.*byte /, ""); data = $1 }
		/ files?, [0-9]+\/[0-9]+ clusters/ {
			sub(/.*, /, ""); split($1, n, "/"); used = n[1] }
		END { print data + used * size + tail }'
}

# check_fat IMAGE BITS: against fsck.fat and partclone (which before 0.3.37
# reads a FAT12 as if it had 16 bits).
check_fat() {
	local image=$1 used
	"$UB" map --json "$image" >"$T/map.json"
	grep -q '"how":"map"' "$T/map.json" || fail "$image was not mapped"
	used=$(fat_used "$image")
	jq -e --argjson n "$used" '.used_bytes >= $n and
		.used_bytes <= $n * 1.001' "$T/map.json" >/dev/null ||
		fail "$image: used $(jq .used_bytes "$T/map.json"), fsck.fat says $used"
	if [ "$2" != 12 ]; then
		partclone.fat -D -s "$image" -O "$T/domain" -L "$T/log" \
			>/dev/null 2>&1 || fail "partclone.fat does not take $image"
		$USEDMAP compare "$T/map.json" "domain:$T/domain" ||
			fail "$image: map"
		rm -f "$T/domain"
	fi
	$USEDMAP copy "$T/map.json" "$image" "$T/copy"
	fsck.fat -n "$T/copy" >"$T/fsck.log" 2>&1 ||
		{ cat "$T/fsck.log"; fail "$image: the copy is damaged"; }
	[ "$(tree_of_fat "$image")" = "$(tree_of_fat "$T/copy")" ] ||
		fail "$image: files of the copy differ"
	[ -n "$(tree_of_fat "$image")" ] || fail "$image: no files"
	rm -f "$T/copy"
}

# fill_fat IMAGE SEED N: files made, and every third one removed.
fill_fat() {
	local image=$1 i
	RANDOM=$2
	for ((i = 0; i < $3; i++)); do
		head -c $((RANDOM * 3 + 1)) /dev/urandom >"$T/file"
		mcopy -n -i "$image" "$T/file" "::/file$i.bin" 2>/dev/null || break
	done
	for ((; i > 0; i -= 3)); do
		mdel -i "$image" "::/file$i.bin" 2>/dev/null || :
	done
}

# same_as_blkid IMAGE VOLUME [OFFSET SIZE]: filesystem, uuid and label.
same_as_blkid() {
	local image=$1 volume=$2 ours theirs
	ours=$("$UB" map --json --allow-dirty "$image" 2>/dev/null |
		jq -r --arg v "$volume" '.volumes[] | select(.path == $v) |
			[.filesystem, .uuid // "", .label // ""] | join("|")')
	theirs=$(blkid -p -O "${3:-0}" ${4:+-S "$4"} -o export "$image" | awk -F= \
		'$1 == "TYPE" { t = $2 } $1 == "UUID" { u = $2 }
		 $1 == "LABEL" { l = $2; gsub(/\\/, "", l) }
		 END { print t "|" u "|" l }')
	[ "$ours" = "$theirs" ] ||
		fail "$image $volume: '$ours', blkid says '$theirs'"
}

# age_tree SEED DIR BYTES [OPERATIONS [FEATURE...]]: files come and go in DIR, on
# a mounted filesystem.
age_tree() {
	python3 "$FY_TOP/tests/lib/age-tree.py" "$@" || fail "ageing $2, seed $1"
}

# tree_below DIR: types, modes, links and digests of all that lies below it.
tree_below() {
	(cd "$1" && find . -printf '%y %m %l %p\n' | sort &&
		find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

# copy_used IMAGE COPY: the used extents of the whole image, over 0xA5.
copy_used() {
	"$UB" map --json "$1" >"$T/map.json" || fail "$1: no map"
	$USEDMAP copy "$T/map.json" "$1" "$2"
}
