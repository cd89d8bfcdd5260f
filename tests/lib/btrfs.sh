# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Btrfs for the tests of used-blocks: on images behind loop devices, filled and
# aged by the kernel.  After common.sh and usedmap.sh.

BTRFSMAP="python3 $FY_TOP/tests/lib/btrfs-map.py"

# Skip unless the kernel mounts a Btrfs from a loop device here.
requires_btrfs() {
	requires_loop
	requires btrfs mkfs.btrfs
	grep -qw btrfs /proc/filesystems || modprobe btrfs 2>/dev/null ||
		skip "the kernel has no Btrfs"
	rm -f "$T/probe"
	truncate -s 120M "$T/probe"
	mkfs.btrfs -q "$T/probe" >/dev/null 2>&1 || fail "mkfs.btrfs"
	mkdir -p "$T/mnt"
	mount -o loop "$T/probe" "$T/mnt" 2>/dev/null ||
		skip "a Btrfs can't be mounted here"
	umount "$T/mnt"
	rm -f "$T/probe"
}

# new_images SIZE N: $T/image.1 to .N, sparse.
new_images() {
	local i
	rm -f "$T"/image.*
	for ((i = 1; i <= $2; i++)); do
		truncate -s "$1" "$T/image.$i"
	done
}

# attach IMAGE...: loop devices into the array LOOPS.
attach() {
	local image
	LOOPS=()
	for image; do
		LOOPS+=("$(losetup -f --show "$image")")
		at_exit detach_one "${LOOPS[-1]}" "$image"
	done
}

# Only if it is still this image's.
detach_one() {
	[ "$(losetup -n -O BACK-FILE "$1" 2>/dev/null)" != "$2" ] ||
		losetup -d "$1" 2>/dev/null || :
}

detach() {
	local loop
	for loop in "${LOOPS[@]}"; do
		btrfs device scan --forget "$loop" >/dev/null 2>&1 || :
		losetup -d "$loop" || fail "losetup -d $loop"
	done
	LOOPS=()
}

# mount_set [OPTIONS]: the filesystem on LOOPS at $T/mnt.  Anybody on this
# machine can make the kernel forget devices that are not mounted, also between
# their being named and the mount: hence more than one try.
mount_set() {
	local loop options='' i
	for loop in "${LOOPS[@]}"; do
		options+="device=$loop,"
	done
	for i in 1 2 3 4; do
		mount -t btrfs -o "$options${1:-rw}" "${LOOPS[0]}" "$T/mnt" \
			2>"$T/mount.log" && return
		sleep "$i"
	done
	cat "$T/mount.log"
	fail "mount: $(dmesg 2>/dev/null | grep -i btrfs | tail -3)"
}

umount_set() {
	umount "$T/mnt" || fail "umount"
}
at_exit umount -q "$T/mnt"

# make_set SIZE N MKFS-OPTION...: a new filesystem on N images, attached.
make_set() {
	local size=$1 n=$2
	shift 2
	new_images "$size" "$n"
	attach "$T"/image.*
	mkfs.btrfs -q -f -L "a label" "$@" "${LOOPS[@]}" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "mkfs.btrfs $*"; }
}

# fill_set SEED BYTES [OPERATIONS]: aged files at $T/mnt, in subvolumes, with
# snapshots kept and removed, compressed and preallocated files.
fill_set() {
	local seed=$1 bytes=$2 n=${3:-700} m=$T/mnt i
	btrfs -q subvolume create "$m/sub"
	btrfs -q subvolume create "$m/gone"
	age_tree "$seed" "$m/plain" $((bytes / 3)) "$n" links holes reflinks xattrs
	age_tree $((seed + 1)) "$m/sub/a" $((bytes / 4)) "$n" links reflinks
	age_tree $((seed + 2)) "$m/gone/a" $((bytes / 8)) $((n / 3))
	btrfs -q subvolume snapshot -r "$m/sub" "$m/snap1"
	btrfs -q subvolume snapshot "$m/sub" "$m/snap2"
	btrfs -q subvolume snapshot "$m/gone" "$m/snap3"
	age_tree $((seed + 3)) "$m/snap2/b" $((bytes / 8)) $((n / 3)) links
	for i in 1 2 3 4 5; do
		yes "line $i of a text that compresses" |
			head -c $((i * 70000)) >"$m/text$i"
		btrfs -q filesystem defragment -czstd "$m/text$i" || :
		: >"$m/note$i"
	done
	fallocate -l 300000 "$m/preallocated" || :
	sync -f "$m"
	btrfs -q subvolume delete "$m/gone" "$m/snap3" >/dev/null
	rm -f "$m"/note[13]
	age_tree $((seed + 4)) "$m/more" $((bytes / 8)) $((n / 3)) reflinks
}

# map_set: our maps of the images, into $T/map.1.json and so on.
map_set() {
	local n i
	n=$(find "$T" -maxdepth 1 -name 'image.*' | wc -l)
	if [ "$n" = 1 ]; then
		"$UB" map --json "$T/image.1" >"$T/map.1.json" || fail "no map"
		jq -e '.volumes[0] | .how == "map" and .note == null' \
			"$T/map.1.json" >/dev/null ||
			fail "not mapped: $(jq -c .volumes "$T/map.1.json")"
		return
	fi
	local images=()
	for ((i = 1; i <= n; i++)); do images+=("$T/image.$i"); done
	"$UB" map --json "${images[@]}" >"$T/maps" || fail "no map"
	for ((i = 1; i <= n; i++)); do
		jq -c ".disks[$i - 1]" "$T/maps" >"$T/map.$i.json"
		jq -e '.volumes[0] | .how == "map" and .note == null' \
			"$T/map.$i.json" >/dev/null ||
			fail "not mapped: $(jq -c .volumes "$T/map.$i.json")"
	done
}

# judge_set: our maps are what dump-tree says.  The images are in LOOPS.
judge_set() {
	local i pairs=()
	btrfs inspect-internal dump-super "${LOOPS[0]}" >"$T/super"
	btrfs inspect-internal dump-tree -t chunk "${LOOPS[@]}" >"$T/chunks"
	btrfs inspect-internal dump-tree -t extent "${LOOPS[@]}" >"$T/extents"
	for ((i = 1; i <= ${#LOOPS[@]}; i++)); do
		pairs+=("$i=$T/map.$i.json")
	done
	$BTRFSMAP check "$T/super" "$T/chunks" "$T/extents" "${pairs[@]}" ||
		fail "the map is not dump-tree's"
}

# copy_set: the used extents of each image over 0xA5, in place of the images.
copy_set() {
	local i
	for ((i = 1; i <= ${#LOOPS[@]}; i++)); do
		$USEDMAP copy "$T/map.$i.json" "$T/image.$i" "$T/copy"
		mv "$T/copy" "$T/image.$i"
	done
}

# check_set [nocheck]: the whole way.  The filesystem is on LOOPS, unmounted;
# in the end the images are copies, checked, scrubbed, with the same files.
check_set() {
	local before after
	mount_set ro
	before=$(tree_below "$T/mnt")
	[ -n "$before" ] || fail "no files"
	umount_set
	map_set
	[ "${1:-}" = nocheck ] || judge_set
	copy_set
	detach
	attach "$T"/image.*
	if [ "${1:-}" != nocheck ]; then
		btrfs check --readonly "${LOOPS[0]}" >"$T/log" 2>&1 ||
			{ cat "$T/log"; fail "btrfs check of the copy"; }
	fi
	mount_set ro
	after=$(tree_below "$T/mnt")
	[ "$before" = "$after" ] || fail "files of the copy differ"
	umount_set
	mount_set
	btrfs scrub start -B "$T/mnt" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "scrub of the copy"; }
	grep -q 'no errors found' "$T/log" ||
		{ cat "$T/log"; fail "scrub of the copy"; }
	umount_set
}
