#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on NTFS: volumes made by mkntfs and filled by ntfs-3g, against
# partclone, ntfsclone and ntfsresize; copies of the used extents alone are
# whole; states that are refused; damaged volumes.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/ntfs.sh"
requires_ntfs
requires blkid sfdisk
requires_built used-blocks

A=$T/a.img

# note IMAGE PATTERN: the map is one, and its note says this.
note() {
	"$UB" map --json "$1" >"$T/map.json" 2>"$T/err"
	jq -e --arg p "$2" '.volumes[0] | .how == "map" and
		(.note // "" | test($p))' "$T/map.json" >/dev/null ||
		{ jq -c '.volumes' "$T/map.json"; fail "no word of '$2'"; }
}

# refused IMAGE PATTERN: it is unclean, the message says this; whole if allowed.
refused() {
	expect_status 1 "$UB" map --json "$1" >"$T/out" 2>"$T/err"
	grep -qE "disk \(ntfs\): .*$2.*--allow-dirty" "$T/err" ||
		{ cat "$T/err"; fail "no word of '$2'"; }
	whole "$1" unclean --allow-dirty
}

# whole IMAGE PATTERN [OPTIONS]
whole() {
	local image=$1 words=$2
	shift 2
	"$UB" map --json "$@" "$image" >"$T/map.json" 2>"$T/err"
	jq -e --arg p "$words" '.extents == [[0, .disk_bytes]] and
		(.volumes[0] | .how == "whole" and (.note | test($p)))' \
		"$T/map.json" >/dev/null ||
		{ jq -c '.volumes' "$T/map.json"; fail "not whole: $words"; }
	grep -q "warning: disk (ntfs): .*$words" "$T/err" || fail "no warning"
}

say "--- empty, and with files that came and went"
make_ntfs "$A" 24M -L 'a label'
check_ntfs "$A"
same_as_blkid "$A" disk
ntfs_mount "$A" rw,compression
age_tree 1 "$MNT/tree" 7000000 1200 links holes xattrs
compressed "$MNT/packed"
for i in $(seq 20); do
	yes "line $i" | head -c $((i * 20000)) >"$MNT/packed/f$i"
done
rm "$MNT"/packed/f1*
ntfs_umount
check_ntfs "$A"
[ "$(wc -l <"$T/tree")" -gt 150 ] || fail "only $(wc -l <"$T/tree") lines of files"

say "--- full, with an MFT in many pieces"
make_ntfs "$A" 20M -c 512
ntfs_mount "$A"
python3 - "$MNT" <<'PY'
import errno, os, sys
top, n = sys.argv[1], 0
try:
    while True:
        with open("%s/f%d" % (top, n), "wb") as f:
            f.write(b"%06d" % n * 1200)
        n += 1
except OSError as e:
    if e.errno != errno.ENOSPC:
        raise
for i in range(0, n, 3):
    os.unlink("%s/f%d" % (top, i))
try:
    for i in range(1500):
        with open("%s/s%d" % (top, i), "wb") as f:
            f.write(b"resident")
        if i % 5 == 0:
            with open("%s/t%d" % (top, i), "wb") as f:
                f.write(b"x" * 3000)
except OSError as e:
    if e.errno != errno.ENOSPC:
        raise
PY
ntfs_umount
[ "$($EDIT runs "$A" 0 | wc -l)" -ge 8 ] ||
	fail "the MFT is in $($EDIT runs "$A" 0 | wc -l) pieces"
check_ntfs "$A"

say "--- large clusters, sectors of 4096 bytes"
make_ntfs "$A" 80M -c 2097152
ntfs_mount "$A"
age_tree 2 "$MNT/tree" 30000000 60
ntfs_umount
check_ntfs "$A"
make_ntfs "$A" 32M -s 4096 -c 4096
ntfs_mount "$A"
age_tree 3 "$MNT/tree" 9000000 200
ntfs_umount
check_ntfs "$A"

say "--- a partition that is larger than what lies in it"
make_ntfs "$T/small" 20M
rm -f "$A"
truncate -s 80M "$A"
sfdisk -q "$A" <<'PT'
label: gpt
start=2048, size=60M, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7
PT
dd if="$T/small" of="$A" bs=1M seek=1 conv=notrunc status=none
# The backup of the boot sector once more, where Windows looks first.
tail -c 512 "$T/small" | dd of="$A" bs=512 seek=$((2048 + 60 * 2048 - 1)) \
	conv=notrunc status=none
"$UB" map --json "$A" >"$T/map.json"
$USEDMAP copy "$T/map.json" "$A" "$T/copy"
for sector in $((2048 + 20 * 2048 - 1)) $((2048 + 60 * 2048 - 1)); do
	cmp -n 512 -i $((sector * 512)) "$A" "$T/copy" || fail "sector $sector"
done
[ "$(jq .used_bytes "$T/map.json")" -lt 30000000 ] || fail "all is used"

say "--- bad clusters"
make_ntfs "$A" 24M
ntfs_mount "$A"
age_tree 4 "$MNT/tree" 3000000 150
ntfs_umount
$EDIT bad "$A" 5000 7
note "$A" '^7 bad clusters are not read$'
jq -e '[.extents[] | select(.[0] < 5007*4096 and .[0]+.[1] > 5000*4096)] ==
	[]' "$T/map.json" >/dev/null || fail "bad clusters are read"
ntfsresize -i -f -f -b "$A" >"$T/log" 2>&1 || { cat "$T/log"; fail "bad list"; }
$USEDMAP copy "$T/map.json" "$A" "$T/copy"
ntfsresize -i -f -f -b "$T/copy" >"$T/log" 2>&1 || fail "its copy"
tree_of_ntfs "$A" >"$T/tree"
tree_of_ntfs "$T/copy" >"$T/tree2"
cmp "$T/tree" "$T/tree2" || fail "its files"
cp "$A" "$T/clean"

say "--- unclean"
$EDIT flags "$A" 0x0001
refused "$A" 'marked dirty.*chkdsk /f'
$EDIT flags "$A" 0x4000
refused "$A" 'chkdsk did not'
$EDIT flags "$A" 0
$EDIT log "$A" open
refused "$A" 'LogFile was not closed.*shutdown /s /f /t 0'
$EDIT log "$A" torn
refused "$A" 'LogFile is damaged'
$EDIT log "$A" closed
note "$A" 'bad clusters'
$EDIT version "$A" 4 0
whole "$A" 'NTFS 4.0'
cp "$T/clean" "$A"
ntfs_mount "$A"
printf 'hibr' >"$MNT/hiberfil.sys"
truncate -s 20000 "$MNT/hiberfil.sys"
ntfs_umount
refused "$A" 'hibernated.*powercfg /h off'
! ntfs-3g.probe --readwrite "$A" 2>/dev/null ||
	fail "ntfs-3g does not call it hibernated"
cp "$T/clean" "$A"
ntfs_mount "$A"
head -c 20000 /dev/zero >"$MNT/hiberfil.sys"
mkdir "$MNT/System Volume Information"
ntfs_umount
note "$A" '^7 bad clusters'
ntfs_mount "$A"
echo x >"$MNT/System Volume Information/{01234567-89AB-CDEF-0123-456789ABCDEF}{3808876b-c176-4e48-b7ae-04046e6cc752}"
ntfs_umount
note "$A" "restore points.*whole"

say "--- damaged"
# damage RECORD
damage() {
	local at
	read -r at _ < <($EDIT where "$T/clean" "$1")
	cp "$T/clean" "$A"
	printf 'BAAD' | dd of="$A" bs=1 seek="$at" conv=notrunc status=none
}
"$UB" map --json "$T/clean" >"$T/want.json"
for record in 0 1 2 3; do
	damage $record
	note "$A" 'its copy was used'
	[ "$(jq -c .extents "$T/map.json")" = \
		"$(jq -c .extents "$T/want.json")" ] || fail "the mirror's map"
done
damage 6
whole "$A" damaged
damage 5
whole "$A" damaged
cp "$T/clean" "$A"
read -r at _ < <($EDIT runs "$A" 0)
$EDIT mark "$A" $((at / 4096)) 3 0
note "$A" '^3 clusters of its own files are free'
[ "$(jq -c .extents "$T/map.json")" = "$(jq -c .extents "$T/want.json")" ] ||
	fail "the MFT is left out"
truncate -s 20M "$A"
whole "$A" 'behind the end'

say "all right"
