# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The bench's rows of used maps: time and memory of `used-blocks map` against
# partclone's domain map, on 16 TiB that are nearly empty and on 1 TiB that is
# well filled.  The filesystems are sparse files: their data is never written,
# their metadata is real.  Sourced by run.

MAP_IMAGE=$T/map.img

# map_run NAME COMMAND...: seconds and peak KiB into $T/t.NAME and $T/kib.NAME.
map_run() {
	local name=$1 seconds kib
	shift
	/usr/bin/time -f '%e %M' -o "$T/time" "$@" >"$T/log.$name" 2>&1 || {
		tail -n 20 "$T/log.$name" >&2
		fail "$name failed: $*"
	}
	read -r seconds kib < <(tail -n 1 "$T/time")
	echo "$seconds" >>"$T/t.$name"
	echo "$kib" >>"$T/kib.$name"
	say "$name: $seconds s, $kib KiB"
}

# map_rows WHAT PARTCLONE: both, interleaved; then the rows.
map_rows() {
	local what=$1 tool=$2 i name
	name=${what// /-}
	for ((i = 0; i < runs; i++)); do
		map_run "ours-$name" "$FY_BUILD/used-blocks" map --ddrescue \
			"$MAP_IMAGE"
		map_run "partclone-$name" "$tool" -D -s "$MAP_IMAGE" \
			-O "$T/domain" -L "$T/partclone.log"
		rm -f "$T/domain"
	done
	row "map of $what / $tool -D" "$(median "$T/t.ours-$name")" \
		"$(median "$T/t.partclone-$name")" 1 s
	row "its memory / $tool" "$(median "$T/kib.ours-$name")" \
		"$(median "$T/kib.partclone-$name")" 1 KiB
	# The design's own bounds, whatever the peer takes.
	row "its memory / 256 MiB" "$(median "$T/kib.ours-$name")" 262144 1 KiB
	case $what in
	16*) row "its time / 10 s" "$(median "$T/t.ours-$name")" 10 1 s ;;
	esac
}

# map_new SIZE COMMAND...: a new sparse image of SIZE bytes, made by COMMAND.
map_new() {
	local bytes=$1
	shift
	rm -f "$MAP_IMAGE"
	truncate -s "$bytes" "$MAP_IMAGE" || fail "no sparse file of $bytes bytes"
	"$@" "$MAP_IMAGE" >"$T/log.mkfs" 2>&1 || {
		cat "$T/log.mkfs" >&2
		fail "$1 failed"
	}
}

# map_fill TYPE: some 60 % in files of 64 KiB to 64 MiB, with gaps between them.
map_fill() {
	mkdir -p "$T/map.mnt"
	mount -t "$1" -o loop "$MAP_IMAGE" "$T/map.mnt"
	at_exit umount -q "$T/map.mnt"
	python3 - "$T/map.mnt" <<'PY'
import os
import random
import sys

top, rnd = sys.argv[1], random.Random(16)
space = os.statvfs(top)
want, made, n = space.f_bavail * space.f_frsize * 8 // 10, 0, 0
while made < want:
    d = "%s/%d" % (top, n // 500)
    if n % 500 == 0:
        os.mkdir(d)
    size = 65536 << rnd.randrange(11)
    fd = os.open("%s/%d" % (d, n), os.O_WRONLY | os.O_CREAT)
    os.posix_fallocate(fd, 0, size)
    os.close(fd)
    made += size
    n += 1
for i in range(0, n, 4):
    os.unlink("%s/%d/%d" % (top, i // 500, i))
PY
	umount "$T/map.mnt"
}

rows_map() {
	# What an ext4 holds in one file: 16 TiB but for a block.
	local most=17592186040320
	requires partclone.xfs partclone.ntfs mkfs.xfs mkfs.ntfs
	map_new $most mkfs.ext4 -q -F
	map_rows "16 TiB of ext4 nearly empty" partclone.ext4
	map_new $most mkfs.xfs -q -f
	map_rows "16 TiB of XFS nearly empty" partclone.xfs
	map_new $most mkfs.ntfs -q -Q -F -s 512
	map_rows "16 TiB of NTFS nearly empty" partclone.ntfs
	map_new $((1 << 40)) mkfs.ext4 -q -F
	map_fill ext4
	map_rows "1 TiB of ext4 well filled" partclone.ext4
	map_new $((1 << 40)) mkfs.xfs -q -f
	map_fill xfs
	map_rows "1 TiB of XFS well filled" partclone.xfs
	rm -f "$MAP_IMAGE"
}
