# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# exFAT for the tests of used-blocks: made by mkfs.exfat, filled through FUSE,
# judged by dump.exfat, fsck.exfat and partclone.  Needs usedmap.sh.

# exfat_loop IMAGE [SECTOR]: a loop device over it in $loop.  Undone at the
# end, or by exfat_unloop.
exfat_loop() {
	loop=$(losetup -f --show -b "${2:-512}" "$1")
	at_exit eval "losetup -d $loop 2>/dev/null || :"
}

exfat_unloop() {
	blockdev --flushbufs "$loop"
	losetup -d "$loop"
}

# make_exfat IMAGE SIZE SECTOR [OPTION...]
make_exfat() {
	local image=$1 size=$2 sector=$3
	shift 3
	rm -f "$image"
	truncate -s "$size" "$image"
	exfat_loop "$image" "$sector"
	mkfs.exfat "$@" "$loop" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "mkfs.exfat $*"; }
	exfat_unloop
}

# exfat_mounted IMAGE SECTOR OPTIONS COMMAND...: run with it mounted at $T/mnt.
exfat_mounted() {
	local image=$1 sector=$2 options=$3
	shift 3
	mkdir -p "$T/mnt"
	exfat_loop "$image" "$sector"
	at_exit umount -q "$T/mnt"
	mount.exfat-fuse -o "$options" "$loop" "$T/mnt" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "$image is not mounted"; }
	"$@"
	umount "$T/mnt"
	# It may have much to write; and where somebody has copied our mounts
	# (another mount namespace), the filesystem lives on for a while.
	wait_for 600 exfat_has_ended "$loop" ||
		fail "exfat-fuse does not end after umount"
	exfat_unloop
}

exfat_has_ended() {
	! pgrep -f "mount.exfat-fuse.* $1 " >/dev/null
}

# What dump.exfat does not call free, in bytes: all but the free clusters.
exfat_used() {
	dump.exfat "$1" 2>/dev/null | awk -F: '
		/^Volume Length/ { all = $2 }
		/^Sector Size Bits/ { sector = 2 ^ $2 }
		/^Sector per Cluster/ { per = 2 ^ $2 }
		/^Free Clusters/ { free = $2 }
		END { n = all - free * per
			printf "%.0f\n", n * sector }'
}

# exfat_cluster_end IMAGE N: where the clusters but the last N end, in bytes.
exfat_cluster_end() {
	dump.exfat "$1" 2>/dev/null | awk -F: -v without="$2" '
		/^Cluster Heap Offset/ { heap = $2 }
		/^Cluster Count/ { count = $2 }
		/^Sector Size Bits/ { sector = 2 ^ $2 }
		/^Sector per Cluster/ { per = 2 ^ $2 }
		END { n = heap + (count - without) * per
			printf "%.0f\n", n * sector }'
}

# check_exfat IMAGE SECTOR: the map against dump.exfat, partclone (512-byte
# sectors only: it takes no others) and a copy of the used extents.
check_exfat() {
	local image=$1 sector=$2 used end
	"$UB" map --json "$image" >"$T/map.json"
	jq -e '.volumes[0] | .how == "map" and .filesystem == "exfat"' \
		"$T/map.json" >/dev/null || fail "$image was not mapped"
	used=$(exfat_used "$image")
	end=$(jq .disk_bytes "$T/map.json")
	jq -e --argjson n "$used" '.used_bytes == $n' "$T/map.json" >/dev/null ||
		fail "$image: used $(jq .used_bytes "$T/map.json") of $end, dump.exfat says $used"
	if [ "$sector" = 512 ]; then
		partclone.exfat -D -s "$image" -O "$T/domain" -L "$T/log" \
			>/dev/null 2>&1 ||
			fail "partclone.exfat does not take $image"
		# What it says of the last two clusters it has not read.
		$USEDMAP compare "$T/map.json" \
			--until="$(exfat_cluster_end "$image" 2)" \
			"domain:$T/domain" || fail "$image: map"
		rm -f "$T/domain"
	fi
	rm -f "$T/copy"
	$USEDMAP copy "$T/map.json" "$image" "$T/copy"
	exfat_loop "$T/copy" "$sector"
	fsck.exfat -n "$loop" >"$T/fsck.log" 2>&1 ||
		{ cat "$T/fsck.log"; fail "$image: the copy is damaged"; }
	exfat_unloop
	exfat_mounted "$image" "$sector" ro tree_below "$T/mnt" >"$T/tree.a"
	exfat_mounted "$T/copy" "$sector" ro tree_below "$T/mnt" >"$T/tree.b"
	cmp "$T/tree.a" "$T/tree.b" || fail "$image: files of the copy differ"
	[ "$(wc -l <"$T/tree.a")" -gt "${3:-20}" ] || fail "$image: no files"
	rm -f "$T/copy"
}

# exfat_poke IMAGE AT HEX: bytes put at a place of the file.
exfat_poke() {
	python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))' \
		"$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
