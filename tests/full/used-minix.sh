#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on Minix of all versions and many sizes, aged by Linux twice.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/used-kernel.sh"
. "$(dirname "$0")/../lib/used-minix.sh"
requires mkfs.minix fsck.minix partclone.minix blkid jq python3
requires_built used-blocks
workbench_needs

seed=${FY_SEED:-4000}
names=()
while read -r name size options; do
	# shellcheck disable=SC2086
	make_minix "$name" "$size" $options
	check_minix "$name"
	names+=("$name")
done <<'SHAPES'
one 63M -1
oneshort 10M -1 -n 14 -i 1000
two 64M -2
twoshort 300M -2 -n 14
twolarge 2G -2 -i 20000
three 64M -3
threelarge 2G -3
SHAPES

for age in 1 2; do
	say "aged by Linux, $age"
	for n in "${names[@]}"; do
		seed=$((seed + 1))
		case $n in
		oneshort) bytes=4000000 features=short ;;
		one) bytes=25000000 features="short links" ;;
		*) bytes=40000000 features="short links holes" ;;
		esac
		echo "$n minix $seed $((bytes / 2)) 500 $features"
	done >"$T/ages"
	age_there <"$T/ages"
	for n in "${names[@]}"; do
		check_minix "$n"
	done
	compare_there minix "${names[@]}" </dev/null
done
exit 0
