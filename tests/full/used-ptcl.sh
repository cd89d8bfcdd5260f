#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# partclone's images, the matrix: checksums by blocks per checksum by kinds of
# filesystems, by us and by partclone, in both directions; the last strip of each
# damaged; what partclone's own tests look at (the layout on the disk, the map
# for ddrescue, lying headers) asked of our programs.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/ptcl.sh"
requires mke2fs debugfs mkfs.vfat mcopy mkntfs ntfscp mkfs.xfs mkfs.exfat jq \
	python3 partclone.ext4 partclone.fat partclone.ntfs partclone.xfs \
	partclone.exfat partclone.chkimg partclone.restore ddrescue xxhsum
requires_built used-blocks

# Volumes, each with the program that saves it.
make_volumes() {
	local b
	for b in 1024 2048 4096; do
		truncate -s 40M "$T/ext$b"
		mke2fs -q -F -t ext4 -b "$b" -d "$FY_TOP/common" "$T/ext$b"
		age "$b" "$T/ext$b" 9000000
		echo "ext$b partclone.ext4" >>"$T/list"
	done
	for b in 16 32; do
		truncate -s 40M "$T/fat$b"
		mkfs.vfat -F "$b" "$T/fat$b" >"$T/log"
		fill_fat "$T/fat$b" "$b" 50
		echo "fat$b partclone.fat" >>"$T/list"
	done
	# Sizes that are not whole blocks of 4096 bytes.
	truncate -s $((30 * 1048576 + 1536)) "$T/odd"
	mke2fs -q -F -t ext2 -b 1024 -d "$FY_TOP/common" "$T/odd"
	echo "odd partclone.ext2" >>"$T/list"
	truncate -s 20M "$T/ntfs"
	mkntfs -q -F -Q "$T/ntfs" >"$T/log" 2>&1
	ntfscp -q "$T/ntfs" "$T/ext1024" file >"$T/log" 2>&1 || :
	echo "ntfs partclone.ntfs" >>"$T/list"
	truncate -s 320M "$T/xfs"
	mkfs.xfs -q "$T/xfs"
	echo "xfs partclone.xfs" >>"$T/list"
	truncate -s 40M "$T/exfat"
	mkfs.exfat "$T/exfat" >"$T/log" 2>&1
	echo "exfat partclone.exfat" >>"$T/list"
	# All used, none used (but for metadata), nothing known.
	head -c 3M /dev/urandom >"$T/raw"
	echo "raw " >>"$T/list"
}

# one VOLUME OPTIONS...: ours, there and back by both
one() {
	local volume=$1
	shift
	"$UB" save --quiet --force "$@" "$T/$volume" "$T/ours.img"
	"$UB" check --quiet "$T/ours.img" 2>"$T/err" ||
		fail "$volume $*: $(cat "$T/err")"
	$PTCL show "$T/ours.img" | jq -e .crc_ok >"$T/log" || fail "header"
	rm -f "$T/back"
	"$UB" restore --quiet --verify "$T/ours.img" "$T/back" 2>"$T/err"
	$PTCL same "$T/map.json" "$T/$volume" "$T/back" || fail "$volume $*"
	case "$*" in
	*xxh*) ;;
	*)
		theirs partclone.chkimg -s "$T/ours.img" ||
			fail "$volume $*: chkimg: $(cat "$T/theirs.out")"
		rm -f "$T/back"
		theirs partclone.restore -C -W -s "$T/ours.img" -o "$T/back" ||
			fail "$volume $*: partclone.restore"
		$PTCL same "$T/map.json" "$T/$volume" "$T/back" ||
			fail "$volume $*: by partclone" ;;
	esac
	case "$*" in
	*none*) return 0 ;;
	esac
	$PTCL flip "$T/ours.img" -20
	damaged "$T/ours.img"
}

: >"$T/list"
make_volumes
while read -r volume program; do
	say "$volume"
	both_ways "$T/$volume" "$program"
	"$UB" map --json "$T/$volume" >"$T/map.json"
	for sum in none crc32 xxh64 xxh128; do
		for k in 1 17 64 3097; do
			one "$volume" --checksum $sum --blocks-per-checksum $k
		done
		one "$volume" --checksum $sum --no-reseed
	done
	# Theirs: each number of blocks, and the last strip damaged.
	[ -n "$program" ] || continue
	for options in "-a 0" "-a 1 -k 1" "-a 1 -k 17" "-a 1 -k 64" \
	    "-a 1 -k 919" "-a 1 -k 3097" "-a 1 -K"; do
		# shellcheck disable=SC2086
		theirs "$program" -c $options -s "$T/$volume" -O "$T/theirs.img" ||
			fail "$program $options: $(cat "$T/theirs.out")"
		"$UB" check --quiet "$T/theirs.img" 2>"$T/err" ||
			fail "$volume, $options: $(cat "$T/err")"
		"$UB" restore --quiet --force "$T/theirs.img" "$T/back" \
			2>"$T/err" || fail "$volume, $options: restore"
		case $options in
		"-a 0") continue ;;
		esac
		$PTCL flip "$T/theirs.img" -6
		damaged "$T/theirs.img"
	done
done <"$T/list"

# The layout: data behind header and bitmap, the digest of each strip.
say "layout"
for kind in "xxh64 -H64" "xxh128 -H128"; do
	# shellcheck disable=SC2086
	set -- $kind
	"$UB" save --quiet --force --checksum "$1" --blocks-per-checksum 63 \
		"$T/ext4096" "$T/ours.img"
	$PTCL strips "$T/ours.img" | while read -r at n stored; do
		want=$(tail -c +$((at + 1)) "$T/ours.img" | head -c "$n" |
			xxhsum "$2" | cut -d' ' -f1 | fold -w 2 | tac | tr -d '\n')
		[ "$stored" = "$want" ] || fail "$1 at $at"
	done
done

# The domain map: ddrescue copies what is used, the files are the same.
say "domain map"
"$UB" map --ddrescue "$T/ext4096" >"$T/domain"
rm -f "$T/back"
ddrescue --domain-mapfile="$T/domain" "$T/ext4096" "$T/back" "$T/ddr.map" \
	>"$T/log" 2>&1 || fail "ddrescue: $(cat "$T/log")"
truncate -s "$(stat -c %s "$T/ext4096")" "$T/back"
[ "$(tree_of "$T/ext4096")" = "$(tree_of "$T/back")" ] || fail "files differ"

# A bitmap that is longer than the image; counts beyond everything.
say "lies"
"$UB" save --quiet --force "$T/ext4096" "$T/keep.img"
for lie in "60 ffffffffffffff00" "60 0000000000010000" "76 ffffffffffffffff" \
    "84 00000000" "84 01000100" "84 00000004" "52 0100000000000000" \
    "100 00000000" "105 03"; do
	# shellcheck disable=SC2086
	set -- $lie
	cp "$T/keep.img" "$T/hurt"
	$PTCL put "$T/hurt" "$1" "$2"
	for command in "check $T/hurt" "info $T/hurt" \
	    "restore $T/hurt $T/never"; do
		# shellcheck disable=SC2086
		if (ulimit -v 1000000; timeout 60 "$UB" $command) \
		    >"$T/log" 2>"$T/err"; then
			fail "$command believes $lie"
		fi
	done
	[ -z "$(ls "$T"/never* 2>/dev/null)" ] || fail "$lie was restored"
done
exit 0
