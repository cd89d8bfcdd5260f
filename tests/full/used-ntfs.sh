#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map over all shapes of NTFS: clusters of 512 bytes to 2 MiB,
# sectors of 512 to 4096, sizes, ages, small and full; then 16 TiB within its
# time and memory.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/ntfs.sh"
requires_ntfs
[ -x /usr/bin/time ] || skip "needs /usr/bin/time"
requires_built used-blocks

seed=${FY_SEED:-3000}
A=$T/a.img

# --- every cluster and sector, two ages ---------------------------------------
while read -r sector cluster size; do
	for fill in 15 70; do
		seed=$((seed + 1))
		say "seed $seed, $fill %, sectors $sector, clusters $cluster"
		make_ntfs "$A" "$size" -s "$sector" -c "$cluster"
		ntfs_mount "$A" rw,compression
		compressed "$MNT/packed"
		for i in 1 2 3; do
			yes "$i" | head -c $((i * 300000)) >"$MNT/packed/f$i"
		done
		age_tree $seed "$MNT/tree" \
			$(($(stat -c %s "$A") * fill / 100 - 3000000)) 400 \
			links holes xattrs
		ntfs_umount
		check_ntfs "$A"
	done
done <<'SHAPES'
512 512 24M
512 1024 24M
512 2048 32M
512 4096 32M
512 8192 32M
512 16384 48M
512 32768 48M
512 65536 64M
512 131072 96M
512 1048576 160M
512 2097152 190M
1024 1024 24M
1024 4096 32M
2048 2048 32M
2048 65536 64M
4096 4096 48M
4096 65536 64M
4096 2097152 190M
SHAPES

# --- every size, so that the last cluster and the bitmap's last byte end
# anywhere ----------------------------------------------------------------------
for ((k = 0; k < 24; k++)); do
	make_ntfs "$A" $((8 * 1024 * 1024 + k * (4096 * 3 + 512)))
	check_ntfs "$A"
done

# --- thousands of files, in an MFT that has an attribute list --------------------
say "an MFT in hundreds of pieces"
make_ntfs "$A" 96M -c 512
ntfs_mount "$A"
python3 - "$MNT" <<'PY'
import errno, os, sys
top, n = sys.argv[1], 0
try:
    while True:
        with open("%s/f%d" % (top, n), "wb") as f:
            f.write(b"%06d" % n * 130)
        n += 1
except OSError as e:
    if e.errno != errno.ENOSPC:
        raise
for i in range(0, n, 2):
    os.unlink("%s/f%d" % (top, i))
try:
    for i in range(n):
        with open("%s/s%d" % (top, i), "wb") as f:
            f.write(b"resident" if i % 3 else b"x" * 1500)
except OSError as e:
    if e.errno != errno.ENOSPC:
        raise
PY
ntfs_umount
say "in $(ntfscluster -f -I 0 "$A" 2>/dev/null |
	sed -n '/0x80/,/0x[9a-f]/p' | grep -c '^ *[0-9]* *[0-9]* *[0-9]*$') pieces"
ntfsinfo -f -i 0 "$A" 2>/dev/null | grep -q 'ATTRIBUTE_LIST' ||
	fail "the MFT has no attribute list"
check_ntfs "$A"

# --- 16 TiB -----------------------------------------------------------------------
# An ext4 can't hold a file of all 16 TiB: 64 KiB less.
measure() {
	local what=$1 seconds kib
	/usr/bin/time -f '%e %M' -o "$T/time" "$UB" map --json "$T/big" \
		>"$T/map.json" || fail "$what: no map"
	read -r seconds kib <"$T/time"
	say "$what: $seconds s, $kib KiB, used $(jq .used_bytes "$T/map.json")"
	jq -e '.volumes[0].how == "map"' "$T/map.json" >/dev/null ||
		fail "$what: $(jq -c .volumes "$T/map.json")"
	[ "${seconds%.*}" -lt 10 ] || fail "$what takes $seconds s"
	[ "$kib" -lt 262144 ] || fail "$what takes $kib KiB"
}
rm -f "$A"
for cluster in 4096 65536; do
	rm -f "$T/big"
	truncate -s $((16 * 1024 ** 4 - 65536)) "$T/big" 2>/dev/null ||
		skip "no sparse file of 16 TiB here"
	mkntfs -q -F -Q -p 0 -H 16 -S 63 -c $cluster "$T/big" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "mkntfs on 16 TiB"; }
	measure "16 TiB, clusters of $cluster bytes"
	# ntfsclone takes minutes with the small ones.
	[ $cluster != 4096 ] || continue
	ntfsclone -s -O - "$T/big" 2>"$T/log" >"$T/clone" ||
		{ cat "$T/log"; fail "ntfsclone on 16 TiB"; }
	$USEDMAP compare "$T/map.json" "ntfsclone:$T/clone" ||
		fail "the map of 16 TiB"
	rm -f "$T/clone"
done
say "all right"
