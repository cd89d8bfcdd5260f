#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on F2FS of many shapes: filled by sload.f2fs, aged by Linux
# twice, nearly full; and a huge one within its time and memory.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/used-kernel.sh"
. "$(dirname "$0")/../lib/used-f2fs.sh"
requires mkfs.f2fs dump.f2fs fsck.f2fs sload.f2fs partclone.f2fs jq python3
[ -x /usr/bin/time ] || skip "needs /usr/bin/time"
requires_built used-blocks
workbench_needs

seed=${FY_SEED:-3000}
names=()
say "filled by sload.f2fs"
age_tree "$seed" "$T/tree/t" 30000000 600 links
tree_below "$T/tree" >"$T/tree.all"
while read -r name size over options; do
	# shellcheck disable=SC2086
	make_f2fs "$name" "$size" $options
	# It forgets the checksums of inodes with several links, and mends them.
	sload.f2fs -f "$T/tree" -t / "$T/$name.img" >"$T/log" 2>&1 ||
		fsck.f2fs -f "$T/$name.img" >>"$T/log" 2>&1 || :
	fsck.f2fs --dry-run -f "$T/$name.img" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "sload.f2fs"; }
	say "$name: $options"
	check_f2fs "$name" "$over"
	names+=("$name")
done <<'SHAPES'
plain 128M 2097152
label 200M 2097152 -l label -O lost_found
extra 128M 2097152 -O extra_attr,inode_checksum,sb_checksum,inode_crtime
quota 150M 2097152 -O extra_attr,quota,project_quota,flexible_inline_xattr
packed 128M 2097152 -O extra_attr,compression -O encrypt,verity
folded 128M 2097152 -O casefold -C utf8
bitmap 128M 2097152 -i
heap 128M 2097152 -a 0 -o 10
SHAPES

for age in 1 2; do
	say "aged by Linux, $age"
	for n in "${names[@]}"; do
		seed=$((seed + 1))
		echo "$n f2fs $seed 25000000 500 links holes xattrs"
	done >"$T/ages"
	age_there <"$T/ages"
	for n in "${names[@]}"; do
		check_f2fs "$n" 2097152
	done
	compare_there f2fs "${names[@]}" </dev/null
done

say "sections of several segments, and nearly full"
make_f2fs section 400M -s 4 -z 2
make_f2fs full 100M
age_there <<LIST
section f2fs $((seed + 1)) 100000000 500 links
full f2fs $((seed + 2)) 45000000 1500 links
LIST
check_f2fs section 20000000
check_f2fs full
compare_there f2fs section full </dev/null

say "8 TiB"
truncate -s 8796093022208 "$T/big.img" 2>/dev/null ||
	skip "no sparse file of 8 TiB here"
mkfs.f2fs "$T/big.img" >"$T/log" 2>&1 || { cat "$T/log"; fail "mkfs.f2fs"; }
/usr/bin/time -f '%e %M' -o "$T/time" "$UB" map --json "$T/big.img" \
	>"$T/map.json"
read -r seconds kib <"$T/time"
say "$seconds s, $kib KiB, used $(jq .used_bytes "$T/map.json")"
jq -e '.volumes[0].how == "map"' "$T/map.json" >/dev/null || fail "not mapped"
[ "${seconds%.*}" -lt 60 ] || fail "it takes $seconds s"
[ "$kib" -lt 262144 ] || fail "it takes $kib KiB"
exit 0
