#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks save, restore, check, info with partclone's images: both ways with
# Debian's partclone; packed by every tool; damaged, cut, lying; and what
# restoring must not do.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/ptcl.sh"
requires mke2fs debugfs mkfs.vfat mcopy mkntfs ntfscp mkfs.xfs sfdisk jq \
	python3 partclone.ext4 partclone.fat partclone.ntfs partclone.xfs \
	partclone.imager partclone.dd partclone.chkimg partclone.restore \
	partclone.info gzip pigz zstd xz lz4 bzip2 lzip lzop xxhsum split
requires_built used-blocks

# --- both ways -----------------------------------------------------------------
say "ext4"
truncate -s 24M "$T/ext"
mke2fs -q -F -t ext4 -b 1024 -d "$FY_TOP/common" "$T/ext"
age 21 "$T/ext" 4000000
both_ways "$T/ext" partclone.ext4
[ "$("$UB" info --json "$T/ours.img" | jq -r .filesystem)" = EXTFS ] ||
	fail "the filesystem's name"
theirs partclone.info -s "$T/ours.img" || fail "partclone.info"
grep -q 'File system: *EXTFS' "$T/theirs.out" || fail "partclone.info's view"
cp "$T/ours.img" "$T/keep.img"
cp "$T/theirs.img" "$T/ext.theirs.img"
jq -s '.[0] == .[1]' <("$UB" info --json "$T/theirs.img" |
	jq '[.device_bytes, .blocks, .block_bytes, .checksum]') \
	<($PTCL show "$T/theirs.img" | jq '[.device, .blocks, .block,
		(if .mode == 32 then "crc32" else "none" end)]') |
	grep -q true || fail "info of their image"
say "FAT32, FAT16"
for bits in 16 32; do
	rm -f "$T/fat"
	truncate -s 40M "$T/fat"
	mkfs.vfat -F $bits "$T/fat" >"$T/log"
	fill_fat "$T/fat" $bits 40
	both_ways "$T/fat" partclone.fat
	[ "$("$UB" info --json "$T/ours.img" | jq -r .filesystem)" = FAT$bits ] ||
		fail "the filesystem's name, FAT$bits"
done
say "NTFS"
truncate -s 20M "$T/ntfs"
mkntfs -q -F -Q "$T/ntfs" >"$T/log" 2>&1
ntfscp -q "$T/ntfs" "$T/keep.img" file >"$T/log" 2>&1 || :
both_ways "$T/ntfs" partclone.ntfs
# partclone loses the last sector, the copy of the boot sector.
"$UB" restore --quiet "$T/ours.img" "$T/back"
cmp <(tail -c 512 "$T/ntfs") <(tail -c 512 "$T/back") ||
	fail "NTFS's second boot sector"
rm "$T/back"
say "XFS"
truncate -s 320M "$T/xfs"
mkfs.xfs -q "$T/xfs"
both_ways "$T/xfs" partclone.xfs
rm -f "$T/xfs" "$T/fat" "$T/ntfs"
say "raw"
head -c 3000832 /dev/urandom >"$T/raw"
both_ways "$T/raw" partclone.imager
[ "$("$UB" info --json "$T/ours.img" | jq -c '[.filesystem, .block_bytes]')" = \
	'["raw",512]' ] || fail "raw"
theirs partclone.dd -s "$T/raw" -o "$T/dd.img" || fail "partclone.dd"
refused 1 "$UB" check "$T/dd.img"
grep -q 'no partclone image' "$T/err" || fail "bytes without a header"

# --- checksums ---------------------------------------------------------------------
say "checksums"
for options in "--checksum none" "--checksum crc32 --blocks-per-checksum 1" \
    "--blocks-per-checksum 17" "--blocks-per-checksum 999999" \
    "--blocks-per-checksum 3 --no-reseed"; do
	# shellcheck disable=SC2086
	"$UB" save --quiet --force $options "$T/ext" "$T/ours.img"
	"$UB" check --quiet "$T/ours.img" 2>"$T/err" || fail "$options"
	theirs partclone.chkimg -s "$T/ours.img" || fail "chkimg: $options"
	rm -f "$T/back"
	theirs partclone.restore -C -W -s "$T/ours.img" -o "$T/back" ||
		fail "restore: $options"
	"$UB" map --json "$T/ext" >"$T/map.json"
	$PTCL same "$T/map.json" "$T/ext" "$T/back" || fail "$options"
done
for kind in "xxh64 48 -H64" "xxh128 49 -H128"; do
	# shellcheck disable=SC2086
	set -- $kind
	"$UB" save --quiet --force --checksum "$1" --blocks-per-checksum 100 \
		"$T/ext" "$T/ours.img"
	"$UB" check --quiet "$T/ours.img" || fail "$1"
	$PTCL show "$T/ours.img" | jq -e --argjson m "$2" \
		'.mode == $m and .strip == 100 and .crc_ok' >"$T/log" ||
		fail "$1: header"
	$PTCL strips "$T/ours.img" >"$T/strips"
	[ "$(wc -l <"$T/strips")" -gt 2 ] || fail "$1: strips"
	while read -r at n stored; do
		# As numbers in memory: the digest's bytes in reverse.
		want=$(tail -c +$((at + 1)) "$T/ours.img" | head -c "$n" |
			xxhsum "$3" | cut -d' ' -f1 | fold -w 2 | tac | tr -d '\n')
		[ "$stored" = "$want" ] || fail "$1 at $at: $stored, not $want"
	done < <(sed -n '1p;$p' "$T/strips")
done

# --- packed -----------------------------------------------------------------------------
say "packed"
for pack in "gzip -1" "pigz -1 -b 128" "zstd -q -T2 -1 --long=27" "xz -0" \
    "lz4 -q" "bzip2 -1" "lzip -0"; do
	$pack -c <"$T/keep.img" >"$T/packed"
	name=${pack%% *}
	[ "$("$UB" info --json "$T/packed" | jq -r .packed)" = \
		"${name/pigz/gzip}" ] || fail "$pack is not seen"
	"$UB" check --quiet "$T/packed" || fail "$pack: check"
	"$UB" restore --quiet --force "$T/packed" "$T/back"
	$PTCL same "$T/map.json" "$T/ext" "$T/back" || fail "$pack"
	"$UB" info - <"$T/packed" >"$T/log" || fail "$pack from stdin"
	# Cut, damaged, followed by something.
	head -c -7 "$T/packed" >"$T/cut"
	damaged "$T/cut"
	cp "$T/packed" "$T/cut"
	# In what closes the stream: elsewhere a changed bit may mean the same.
	$PTCL flip "$T/cut" -3
	damaged "$T/cut"
	(cat "$T/packed" && echo tail) >"$T/cut"
	damaged "$T/cut"
done
lzop -c <"$T/keep.img" >"$T/packed"
refused 1 "$UB" check "$T/packed"
grep -q lzop "$T/err" || fail "lzop is not named"
for how in gzip zstd:5; do
	"$UB" save --quiet --force --compress $how "$T/ext" "$T/packed"
	case $how in
	gzip*) gzip -t "$T/packed" && pigz -t "$T/packed" &&
		pigz -dc "$T/packed" >"$T/back" ;;
	zstd*) zstd -q -t "$T/packed" && zstd -qdc "$T/packed" >"$T/back" ;;
	esac || fail "$how: their tool does not read it"
	cmp "$T/back" "$T/keep.img" || fail "$how"
	"$UB" check --quiet "$T/packed" || fail "$how: ours"
done
split -b 1M -a 2 "$T/packed" "$T/pieces."
"$UB" check --quiet "$T/pieces" || fail "pieces"
"$UB" check --quiet "$T/pieces.aa" || fail "pieces by the first"
mv "$T/pieces.ab" "$T/pieces.xx"
refused 1 "$UB" check "$T/pieces"
grep -q 'pieces.ab' "$T/err" || fail "the missing piece is not named"

# --- damage ------------------------------------------------------------------------------
# The last strip, whatever the number of blocks in it (partclone passes over
# it when it ends with a full buffer), the header, the bitmap.
say "damage"
for k in 1 64 1000; do
	"$UB" save --quiet --force --blocks-per-checksum $k "$T/ext" "$T/ours.img"
	for at in -1 -3000; do
		cp "$T/ours.img" "$T/hurt"
		$PTCL flip "$T/hurt" $at
		damaged "$T/hurt"
	done
done
for at in 40 62 85 101 107 2000; do
	cp "$T/keep.img" "$T/hurt"
	$PTCL flip "$T/hurt" $at
	! "$UB" check --quiet "$T/hurt" 2>"$T/err" || fail "byte $at"
	! "$UB" restore --quiet "$T/hurt" "$T/never" 2>"$T/err" ||
		fail "byte $at, restored"
done
for k in 16 919; do
	theirs partclone.ext4 -c -a 1 -k $k -s "$T/ext" -o "$T/hurt" -O "$T/hurt" ||
		fail "partclone -k $k"
	"$UB" check --quiet "$T/hurt" || fail "partclone -k $k: check"
	$PTCL flip "$T/hurt" -6
	damaged "$T/hurt"
done
head -c -1 "$T/keep.img" >"$T/hurt"
damaged "$T/hurt"
head -c -4096 "$T/keep.img" >"$T/hurt"
damaged "$T/hurt"
(cat "$T/keep.img"; printf x) >"$T/hurt"
damaged "$T/hurt"
cp "$T/keep.img" "$T/hurt"
$PTCL flip "$T/hurt" -3000
refused 4 "$UB" restore --quiet --keep-going "$T/hurt" "$T/saved"
grep -q 'between bytes' "$T/err" || fail "the damage has no place"
[ "$(cmp -l <("$UB" restore - - <"$T/keep.img" 2>/dev/null) "$T/saved" |
	wc -l)" = 1 ] || fail "--keep-going lost more than the damaged byte"
refused 4 "$UB" check --json "$T/hurt" >"$T/out"
jq -e '.result == "damaged" and .damaged_strips == 1 and
	(.damaged | length) == 1' "$T/out" >"$T/log" || fail "check --json"

# --- headers that lie ------------------------------------------------------------------------
say "headers"
lie() {
	cp "$T/keep.img" "$T/hurt"
	$PTCL put "$T/hurt" "$1" "$2"
	! timeout 60 "$UB" check "$T/hurt" 2>"$T/err" || fail "offset $1: $2"
	grep -q "$3" "$T/err" || fail "offset $1: $2: $(cat "$T/err")"
}
lie 84 00000000 'blocks of 0'
lie 84 01000100 'more than the device'
lie 84 ffffffff 'blocks of'
lie 76 ffffff7f 'used'
lie 52 0010000000000000 'more than the device'
lie 60 ffffffffffffffff 'blocks'
lie 100 00000000 '0 blocks'
lie 96 0100 'unknown kind'
lie 98 0800 '8 bytes'
lie 105 07 'bitmap'
lie 34 adde 'byte order'
lie 30 39393939 'unknown format'
lie 88 20000000 'not known'

# --- format 1 -----------------------------------------------------------------------------------
say "format 0001"
for extra in 0 4; do
	$PTCL v1 "$T/ext" "$T/v1" 4096 $extra
	"$UB" check --quiet "$T/v1" 2>"$T/err" || fail "v1: $(cat "$T/err")"
	grep -q 'first byte' "$T/err" || fail "v1: what is not covered is unsaid"
	"$UB" restore --quiet --force "$T/v1" "$T/back"
	cmp "$T/ext" "$T/back" || fail "v1"
	head -c -4096 "$T/v1" >"$T/hurt"
	damaged "$T/hurt"
done
$PTCL v1 "$T/ext" "$T/v1" 4096
rm -f "$T/back"
theirs partclone.restore -C -W -s "$T/v1" -o "$T/back" ||
	fail "the test's image of format 1 is none for partclone"
cmp "$T/ext" "$T/back" || fail "partclone reads format 1 in another way"

# --- a disk -------------------------------------------------------------------------------------
say "volumes of a disk"
truncate -s 60M "$T/disk"
sfdisk -q "$T/disk" <<'PT'
label: gpt
start=2048, size=24M, type=L
size=24M, type=L
PT
dd if="$T/ext" of="$T/disk" bs=1M seek=1 conv=notrunc,sparse status=none
rm -f "$T/dirty"
truncate -s 24M "$T/dirty"
mke2fs -q -F -t ext4 "$T/dirty"
debugfs -w -R 'ssv state 2' "$T/dirty" >"$T/log" 2>&1
dd if="$T/dirty" of="$T/disk" bs=1M seek=25 conv=notrunc,sparse status=none
refused 2 "$UB" save "$T/disk" "$T/x.img"
grep -q 'p1, p2' "$T/err" || fail "the volumes are not named"
refused 1 "$UB" save --only p3 "$T/disk" "$T/x.img"
refused 1 "$UB" save --only p2 "$T/disk" "$T/x.img"
grep -q e2fsck "$T/err" || fail "a dirty volume was saved"
[ ! -e "$T/x.img" ] || fail "a failure left an image"
# The dirty neighbour is no hindrance.
"$UB" save --quiet --only p1 "$T/disk" "$T/x.img"
cmp "$T/x.img" "$T/keep.img" || fail "--only p1"
refused 1 "$UB" save --only p1 "$T/disk" "$T/x.img"
grep -q -- --force "$T/err" || fail "an image was replaced"
"$UB" save --quiet --force --only p2 --allow-dirty "$T/disk" "$T/x.img"
[ "$("$UB" info --json "$T/x.img" | jq -c '[.filesystem, .used_bytes]')" = \
	'["raw",25165824]' ] || fail "a dirty volume, whole"
"$UB" save --quiet --only disk --allow-dirty "$T/disk" - |
	"$UB" restore - - 2>"$T/err" >"$T/back"
"$UB" map --json --allow-dirty "$T/disk" >"$T/map.json" 2>"$T/err"
$PTCL same "$T/map.json" "$T/disk" "$T/back" || fail "--only disk"
theirs partclone.restore -C -W -s <("$UB" save --quiet --only disk \
	--allow-dirty "$T/disk" - 2>/dev/null) -o "$T/back2" || fail "a pipe"
cmp "$T/back" "$T/back2" || fail "partclone restores --only disk"

# --- wrong words ------------------------------------------------------------------------------------
refused 2 "$UB" save --compress lzma "$T/ext" "$T/y.img"
refused 2 "$UB" save --json "$T/ext" -
refused 2 "$UB" restore --verify "$T/keep.img" -
refused 2 "$UB" save "$T/ext"
head -c 1000 /dev/zero >"$T/odd"
refused 1 "$UB" save "$T/odd" "$T/y.img"
refused 1 "$UB" save "$T/ext" "$T/no/such"
refused 1 "$UB" check /nowhere
[ ! -e "$T/y.img" ] || fail "a refusal left an image"
cp "$T/ext" "$T/there"
refused 1 "$UB" restore "$T/keep.img" "$T/there"
cmp "$T/ext" "$T/there" || fail "a file was overwritten"
"$UB" save --json "$T/ext" "$T/y.img" | jq -e '.result == "done" and
	.disk_bytes == 25165824 and .stored_bytes > .used_bytes' >"$T/log" ||
	fail "save --json"
"$UB" save --force --quiet --progress json "$T/ext" "$T/y.img" 2>"$T/err"
grep -q '"phase"' "$T/err" || fail "--progress json"

# --- needs root: devices ---------------------------------------------------------------------------
if [ "$(id -u)" != 0 ] || ! losetup -f >/dev/null 2>&1; then
	say "no root or no loop devices: devices left out"
	exit 0
fi
say "devices"
tr '\0' '\245' </dev/zero | head -c 32M >"$T/target"
loop=$(losetup -f --show "$T/target")
at_exit losetup -d "$loop"
refused 1 "$UB" restore "$T/keep.img" "$loop"
grep -q 'not empty' "$T/err" || fail "a device that is not empty"
"$UB" restore --quiet --verify --force "$T/keep.img" "$loop"
"$UB" map --json "$T/ext" >"$T/map.json"
$PTCL same "$T/map.json" "$T/ext" "$loop" || fail "the device"
jq '.extents += [[25165824, 8388608]]' "$T/map.json" >"$T/map2.json"
$PTCL untouched "$T/map2.json" "$loop" || fail "unused blocks were written"
e2fsck -fn "$loop" >"$T/log" 2>&1 || fail "e2fsck of the device"
refused 1 "$UB" restore "$T/keep.img" "$loop"
grep -q 'not empty (ext4' "$T/err" || fail "what the device holds is not named"
mkdir "$T/mnt"
mount "$loop" "$T/mnt"
at_exit umount -q "$T/mnt"
refused 1 "$UB" restore --force "$T/keep.img" "$loop"
grep -q 'in use' "$T/err" || fail "a mounted target"
refused 1 "$UB" save "$loop" "$T/z.img"
grep -q 'in use' "$T/err" || fail "a mounted source"
umount "$T/mnt"
"$UB" save --quiet "$loop" "$T/z.img"
"$UB" restore --quiet --force "$T/z.img" "$T/back"
"$UB" map --json "$loop" >"$T/map.json"
$PTCL same "$T/map.json" "$loop" "$T/back" || fail "saved from a device"
truncate -s 23M "$T/small"
small=$(losetup -f --show "$T/small")
at_exit losetup -d "$small"
refused 1 "$UB" restore --force "$T/keep.img" "$small"
grep -q 'too small' "$T/err" || fail "a target that is too small"
$PTCL untouched <(echo '{"extents": []}') "$T/small" 2>/dev/null &&
	fail "the test's own check does not work"
[ "$(tr -d '\0' <"$T/small" | wc -c)" = 0 ] || fail "it was written to"

say "a full disk"
mkdir "$T/tmpfs"
mount -t tmpfs -o size=4M none "$T/tmpfs"
at_exit umount -q "$T/tmpfs"
refused 1 "$UB" save "$T/ext" "$T/tmpfs/image"
[ -z "$(ls "$T/tmpfs")" ] || fail "a full disk keeps half an image"
refused 1 "$UB" restore "$T/keep.img" "$T/tmpfs/file"
[ -z "$(ls "$T/tmpfs")" ] || fail "a full disk keeps half a volume"
exit 0
