# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# For the tests of used-blocks: filesystems that are aged and looked at by the
# workbench's kernel.  The images are $T/NAME.img, the copies of their used
# extents $T/NAME.copy.  Needs usedmap.sh and workbench.sh, workbench_needs.

# age_there: each line of stdin is `NAME TYPE SEED BYTES STEPS [FEATURE...]`:
# mount, age, note the digests in $T/share/NAME.tree, unmount.
age_there() {
	local line images=()
	mkdir -p "$T/share"
	cat >"$T/share/list"
	while read -r line; do
		images+=("$T/${line%% *}.img")
	done <"$T/share/list"
	{
		declare -f tree_below
		cat <<'SCRIPT'
letters=bcdefghijklmnopqrstu
mkdir -p /m
while read -r name type seed bytes steps features; do
	mount -t "$type" "/dev/vd${letters:0:1}" /m
	letters=${letters:1}
	# shellcheck disable=SC2086
	python3 /tests/lib/age-tree.py "$seed" "/m/t$seed" "$bytes" "$steps" \
		$features </dev/null
	# Blocks that are counted, but have no place yet.
	[ "$type" != f2fs ] || fallocate -l 300K /m/preallocated
	tree_below /m >"$OUT/$name.tree"
	umount /m
done <"$OUT/list"
SCRIPT
	} >"$T/script"
	workbench --out "$T/share" "$T/script" "${images[@]}" ||
		fail "the workbench did not age them"
}

# compare_there TYPE [--disk IMAGE]... NAME...: the copies, mounted, have the files that were
# noted.  What stdin has is done there at the end, with more disks for it:
# --disk IMAGE, the first one is $1 there.
compare_there() {
	local type=$1 n images=() more=()
	shift
	while [ "$1" = --disk ]; do
		more+=("$2")
		shift 2
	done
	for n; do
		images+=("$T/$n.copy")
		printf '%s\n' "$n"
	done >"$T/share/list"
	{
		declare -f tree_below
		printf 'type=%s n_more=%s\n' "$type" "${#more[@]}"
		cat <<'SCRIPT'
letters=bcdefghijklmnopqrstu
mkdir -p /m
while read -r name; do
	dev=/dev/vd${letters:0:1}
	mount -o ro -t "$type" "$dev" /m
	letters=${letters:1}
	tree_below /m >"$OUT/$name.copied"
	[ "$type" != nilfs2 ] || lssu -a "$dev" >"$OUT/$name.lssu"
	umount /m
done <"$OUT/list"
disks=()
for ((; ${#letters} > 0 && n_more-- > 0; )); do
	disks+=("/dev/vd${letters:0:1}")
	letters=${letters:1}
done
set -- "${disks[@]}"
SCRIPT
		[ -t 0 ] || cat
	} >"$T/script"
	workbench --out "$T/share" "$T/script" "${images[@]}" "${more[@]}" ||
		fail "the workbench did not mount the copies"
	for n; do
		cmp "$T/share/$n.tree" "$T/share/$n.copied" ||
			fail "$n: files of the copy differ"
		[ "$(wc -l <"$T/share/$n.tree")" -gt 20 ] ||
			fail "$n: hardly any files"
	done
}
