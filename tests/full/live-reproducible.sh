#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Two builds of the live image, from nothing, are bit-identical.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/live.sh"
live_needs

for n in 1 2; do
	start=$SECONDS
	"$FY_TOP/live-image/build" --programs "$FY_BUILD" --out "$T/$n" ||
		fail "build $n failed"
	say "build $n took $((SECONDS - start)) s"
	cat "$T/$n/SHA256SUMS"
	# Another second, another directory, another process.
	sleep 2
done
for f in SHA256SUMS manifest licences pxe/initrd.img pxe/filesystem.squashfs \
	ironferry.iso; do
	cmp "$T/1/$f" "$T/2/$f" || fail "$f differs between two builds"
done
say "two builds are bit-identical"

size=$(stat -c %s "$T/1/ironferry.iso")
[ "$size" -lt 250000000 ] || fail "the ISO has $size bytes: over 250 MB"
