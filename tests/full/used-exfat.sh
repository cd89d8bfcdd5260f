#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on exFAT of every size of sector and cluster, aged thrice;
# full to the brim; and a huge one within its time and memory.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/used-exfat.sh"
requires mkfs.exfat fsck.exfat dump.exfat mount.exfat-fuse partclone.exfat \
	jq python3
[ -x /usr/bin/time ] || skip "needs /usr/bin/time"
requires_built used-blocks
requires_loop
[ -w /dev/fuse ] || skip "no FUSE here"

seed=${FY_SEED:-2000}
while read -r size sector budget options; do
	# shellcheck disable=SC2086
	make_exfat "$T/image" "$size" "$sector" $options
	for age in 1 2 3; do
		seed=$((seed + 1))
		say "seed $seed, age $age, $options, sectors of $sector"
		exfat_mounted "$T/image" "$sector" rw \
			age_tree "$seed" "$T/mnt/t$age" $((budget / 3)) 600
		check_exfat "$T/image" "$sector"
	done
done <<'SHAPES'
30M 512 18000000 -c 512
40M 512 30000000 -c 1K
64M 512 50000000
64M 512 50000000 -b 4K --pack-bitmap
200M 512 100000000 -c 32K
600M 512 300000000 -c 1M
3G 512 900000000 -c 32M
64M 4096 50000000 -c 4K
400M 4096 200000000 -c 128K
SHAPES

say "full"
make_exfat "$T/image" 32M 512 -c 2K
exfat_mounted "$T/image" 512 rw age_tree 1 "$T/mnt/t" 20000000 400
fill() {
	head -c 64M /dev/urandom >"$T/mnt/big" 2>/dev/null || :
}
exfat_mounted "$T/image" 512 rw fill
check_exfat "$T/image" 512
jq -e '.used_bytes > .disk_bytes * 0.98' "$T/map.json" >/dev/null ||
	fail "it is not full"

say "16 TiB"
rm -f "$T/image"
truncate -s 17592186040320 "$T/big" 2>/dev/null ||
	skip "no sparse file of 16 TiB here"
mkfs.exfat -c 64K "$T/big" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "mkfs.exfat of 16 TiB"; }
/usr/bin/time -f '%e %M' -o "$T/time" "$UB" map --json "$T/big" >"$T/map.json"
read -r seconds kib <"$T/time"
say "$seconds s, $kib KiB"
jq -e '.volumes[0].how == "map"' "$T/map.json" >/dev/null || fail "not mapped"
[ "${seconds%.*}" -lt 60 ] || fail "it takes $seconds s"
[ "$kib" -lt 262144 ] || fail "it takes $kib KiB"
exit 0
