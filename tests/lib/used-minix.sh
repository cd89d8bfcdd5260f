# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Minix for the tests of used-blocks, judged by fsck.minix and partclone.
# Needs usedmap.sh.

# make_minix NAME SIZE OPTION...
make_minix() {
	local name=$1 size=$2
	shift 2
	rm -f "$T/$name.img"
	truncate -s "$size" "$T/$name.img"
	mkfs.minix "$@" "$T/$name.img" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "mkfs.minix $*"; }
}

# minix_used IMAGE: bytes, as fsck.minix counts zones, which have 1 KiB.  It
# counts all but block 0; behind the last zone lies what is less than one.
minix_used() {
	fsck.minix -fv "$1" 2>/dev/null | awk '
		/zones used/ { print ($1 + 0) * 1024 }'
}

# check_minix NAME: the map of $T/NAME.img against both (partclone 0.3.23 seeks
# astray in version 3); the used extents go to $T/NAME.copy.
check_minix() {
	local image=$T/$1.img used
	"$UB" map --json "$image" >"$T/map.json" || fail "$1: no map"
	jq -e '.volumes[0] | .how == "map" and .filesystem == "minix"' \
		"$T/map.json" >/dev/null ||
		fail "$1 was not mapped: $(jq -c .volumes "$T/map.json")"
	used=$(minix_used "$image")
	jq -e --argjson n "$used" '.used_bytes == $n' "$T/map.json" \
		>/dev/null ||
		fail "$1: used $(jq .used_bytes "$T/map.json"), fsck.minix says $used"
	if [ "$(blkid -p -s VERSION -o value "$image")" != 3 ]; then
		partclone.minix -D -s "$image" -O "$T/domain" -L "$T/log" \
			>/dev/null 2>&1 ||
			fail "partclone.minix does not take $1"
		$USEDMAP compare "$T/map.json" "domain:$T/domain" ||
			fail "$1: map"
	fi
	rm -f "$T/domain" "$T/$1.copy"
	$USEDMAP copy "$T/map.json" "$image" "$T/$1.copy"
	fsck.minix -f "$T/$1.copy" >"$T/fsck.log" 2>&1 ||
		{ cat "$T/fsck.log"; fail "$1: the copy is damaged"; }
	! grep -q 'in use\|changed\|Bad' "$T/fsck.log" ||
		{ cat "$T/fsck.log"; fail "$1: the copy is damaged"; }
}

# minix_first_file_zone IMAGE: of version 3; the byte of the image and the bit in
# it that say whether the first zone of its last regular file is used.
minix_first_file_zone() {
	python3 - "$1" <<'PY'
import struct
import sys
b = open(sys.argv[1], "rb").read()
inodes, = struct.unpack_from("<I", b, 1024)
imap, zmap, first = struct.unpack_from("<HHH", b, 1030)
zone = 0
for i in range(inodes):
    at = (2 + imap + zmap) * 1024 + 64 * i
    mode, links = struct.unpack_from("<HH", b, at)
    z, = struct.unpack_from("<I", b, at + 24)
    if mode >> 12 == 8 and links > 0 and z > 0:
        zone = z
bit = zone - first + 1
print((2 + imap) * 1024 + bit // 8, bit % 8)
PY
}
