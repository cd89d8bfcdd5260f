#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on F2FS that Linux has aged: against dump.f2fs and partclone;
# copies of the used extents alone are checked and mounted; what was not
# unmounted is refused.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/used-kernel.sh"
. "$(dirname "$0")/../lib/used-f2fs.sh"
requires mkfs.f2fs dump.f2fs fsck.f2fs partclone.f2fs blkid jq python3
requires_built used-blocks
workbench_needs

# dirty WORDS: refused with advice; whole when that is allowed.
dirty() {
	expect_status 1 "$UB" map "$T/image" >"$T/out" 2>&1
	grep -q "$1.*fsck.f2fs.*--allow-dirty" "$T/out" ||
		fail "no advice: $(cat "$T/out")"
	"$UB" map --json --allow-dirty "$T/image" 2>/dev/null |
		jq -e '.volumes[0].how == "whole" and
			.used_bytes == .disk_bytes' >/dev/null ||
		fail "an unclean F2FS was not whole"
}

# --- fresh, with all kinds of features ----------------------------------------------
say "fresh"
make_f2fs plain 100M -l "a label"
check_f2fs plain
same_as_blkid "$T/plain.img" disk
make_f2fs features 100M -i -O \
	extra_attr,inode_checksum,sb_checksum,compression,quota,inode_crtime
check_f2fs features

# --- aged by Linux ---------------------------------------------------------------------
say "aged"
age_there <<'LIST'
plain f2fs 1 30000000 300 links holes
features f2fs 2 25000000 250 links xattrs
LIST
check_f2fs plain
check_f2fs features

# --- the copies, mounted; and power cuts -----------------------------------------------
# A mount with fsync, before any checkpoint; a checkpoint without unmount.
say "copies and power cuts"
make_f2fs fsync 60M
make_f2fs sync 60M
compare_there f2fs --disk "$T/fsync.img" --disk "$T/sync.img" plain features \
	<<'SCRIPT'
mkdir /sync
mount -t f2fs "$1" /m
mount -t f2fs "$2" /sync
echo text >/sync/file
sync -f /sync
head -c 100000 /dev/urandom >/m/file
sync /m/file
pull-the-plug
SCRIPT
mv "$T/sync.img" "$T/image"
dirty "not unmounted"
mv "$T/fsync.img" "$T/image"
dirty "unmounted\|synced after"

# --- damage ---------------------------------------------------------------------------------
# whole WORDS: the image is copied whole, and the note has these words.
whole() {
	"$UB" map --json "$T/image" 2>/dev/null | jq -e --arg w "$1" '
		.volumes[0].how == "whole" and (.volumes[0].note | test($w)) and
		.used_bytes == .disk_bytes' >/dev/null || fail "not whole: $1"
}
# poke AT: a byte of the image becomes another one.
poke() {
	printf '\x5a' | dd of="$T/image" bs=1 seek="$1" conv=notrunc status=none
}
cp "$T/plain.img" "$T/image"
truncate -s 90M "$T/image"
whole 'behind the end'
cp "$T/plain.img" "$T/image"
poke $((512 * 4096 + 100))
"$UB" map --json "$T/image" 2>/dev/null |
	jq -e '.volumes[0].how == "map" and
		(.volumes[0].note | test("checkpoint is damaged"))' >/dev/null ||
	"$UB" map "$T/image" 2>&1 | grep -q 'fsck.f2fs' ||
	fail "a damaged checkpoint was believed"
poke $((1024 * 4096 + 100))
whole 'both checkpoints'
exit 0
