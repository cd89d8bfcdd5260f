#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on Minix that Linux has aged: against fsck.minix and
# partclone; copies of the used extents alone are checked and mounted; what was
# not unmounted, or contradicts itself, is not mapped.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/used-kernel.sh"
. "$(dirname "$0")/../lib/used-minix.sh"
requires mkfs.minix fsck.minix partclone.minix blkid jq python3
requires_built used-blocks
workbench_needs

say "fresh"
make_minix one 40M -1
make_minix two 40M -2 -n 14
make_minix three 60M -3
for n in one two three; do
	check_minix "$n"
	same_as_blkid "$T/$n.img" disk
done

say "aged"
age_there <<'LIST'
one minix 1 15000000 250 short links
two minix 2 25000000 250 short links holes
three minix 3 40000000 250 links short holes
LIST
for n in one two three; do
	check_minix "$n"
done

say "copies, and a power cut"
make_minix cut 20M -2
compare_there minix --disk "$T/cut.img" one two three <<'SCRIPT'
mount -t minix "$1" /m
head -c 100000 /dev/urandom >/m/file
sync
pull-the-plug
SCRIPT
expect_status 1 "$UB" map "$T/cut.img" >"$T/out" 2>&1
grep -q 'not unmounted.*fsck.minix.*--allow-dirty' "$T/out" ||
	fail "no advice: $(cat "$T/out")"
"$UB" map --json --allow-dirty "$T/cut.img" 2>/dev/null |
	jq -e '.volumes[0].how == "whole" and .used_bytes == .disk_bytes' \
		>/dev/null || fail "an unclean Minix was not whole"

# Version 3 is never marked: a bitmap that lacks a file's zone is found.
say "a bitmap that lies"
zone=$(minix_first_file_zone "$T/three.img")
read -r byte bit <<<"$zone"
old=$(od -An -tu1 -j "$byte" -N 1 "$T/three.img")
[ $((old >> bit & 1)) = 1 ] || fail "that zone is not used"
printf '%b' "\\x$(printf %02x $((old & ~(1 << bit))))" |
	dd of="$T/three.img" bs=1 seek="$byte" conv=notrunc status=none
"$UB" map --json "$T/three.img" 2>/dev/null | jq -e '.volumes[0] |
	.how == "whole" and (.note | test("contradict each other"))' \
	>/dev/null || fail "the bitmap was believed"
exit 0
