#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# partclone's own test scripts, run against used-blocks: each of its programs is
# tests/lib/partclone-shim here.  The scripts are in partclone's sources only
# (no package has them), so PARTCLONE_SOURCE names a checkout of these.
#
# Its harness ends with status 0 where a return code was bad, so the output is
# searched for that too.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
[ -d "${PARTCLONE_SOURCE:-}/tests" ] ||
	skip "partclone's sources: PARTCLONE_SOURCE=DIR"
requires mke2fs mkfs.vfat mkntfs mkfs.xfs mkfs.exfat mkfs.btrfs mkfs.f2fs \
	mkfs.minix mkfs.jfs mkfs.reiserfs mkfs.ntfs ddrescue xxhsum \
	gcc losetup file hexdump
requires_built used-blocks

export UB
# A source tree of theirs, with our programs in it.
mkdir "$T/src"
cp -r "$PARTCLONE_SOURCE/tests" "$T/tests"
cp "$PARTCLONE_SOURCE"/src/*.h "$T/src/"
for p in chkimg info restore imager extfs ext2 ext3 ext4 fat fat12 fat16 fat32 \
    exfat ntfs xfs btrfs f2fs minix jfs reiserfs nilfs2; do
	cp "$FY_TOP/tests/lib/partclone-shim" "$T/src/partclone.$p"
done

# script NAME ARGUMENTS...: it passes
script() {
	local name=$1
	shift
	say "$name $*"
	(cd "$T/tests" && bash "./$name" "$@") >"$T/log" 2>&1 </dev/null ||
		fail "$name $*: $(tail -n 20 "$T/log")"
	! grep -Eq 'return code fail|no counterpart|FAILED' "$T/log" ||
		fail "$name $*: $(tail -n 20 "$T/log")"
}

for fs in ext2 ext3 ext4 fat12 fat16 fat32 exfat ntfs xfs f2fs minix jfs \
    reiserfs; do
	script mini_clone_restore_test $fs
done
script mini_clone_restore_test -f 115000000 btrfs
for t in checksum xxhash pipe imager restore_to_raw info domain; do
	script $t.test
done

# The layout of our images, by its reader of them.
truncate -s 64M "$T/fs"
mke2fs -q -F -t ext4 -d "$FY_TOP/common" "$T/fs"
for sum in xxh64 xxh128; do
	"$UB" save --quiet --force --checksum $sum "$T/fs" "$T/image"
	script low_level_xxh64.test "$T/image"
	grep -q PASSED "$T/log" || fail "low level, $sum: $(cat "$T/log")"
done

# Its lying headers.  Its script wants partclone's words; ours are asked for an
# error that names the image, and for no file.
say "malformed headers"
: >"$T/src/config.h" # what its configure would have written
gcc -w -o "$T/poc" -I"$T" -I"$T/src" "$T/tests/security_poc.c"
for lie in "invalid_block_size v2" "invalid_usedblocks v2" \
    "inconsistent_device_size v2" "small_file v2" "large_totalblock v2" \
    "invalid_block_size v1" "invalid_usedblocks v1" \
    "inconsistent_device_size v1" "large_totalblock v1"; do
	# shellcheck disable=SC2086
	(cd "$T" && ./poc $lie) >"$T/log"
	image=$T/poc_${lie% *}_${lie#* }.img
	[ -s "$image" ] || fail "no image of $lie"
	for command in "check $image" "restore $image $T/never"; do
		status=0
		# shellcheck disable=SC2086
		(ulimit -v 1000000; timeout 60 "$UB" $command) >"$T/log" \
			2>"$T/err" || status=$?
		[ "$status" = 1 ] || [ "$status" = 4 ] ||
			fail "$lie: $command: status $status: $(cat "$T/err")"
		grep -q "poc_" "$T/err" || fail "$lie: $(cat "$T/err")"
		say "$lie: $(head -n 1 "$T/err")"
	done
	[ -z "$(ls "$T"/never* 2>/dev/null)" ] || fail "$lie was restored"
done
exit 0
