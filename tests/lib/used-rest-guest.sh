# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# In the workbench: JFS, ReiserFS, NILFS2 and UFS filled, aged, and looked at.
# What is found goes to $OUT: NAME.tree (types, modes, links and digests of all
# files), NAME.stat (blocks, free blocks, bytes of one) and, of NILFS2,
# NAME.lssu.

mkdir -p /dev/shm /dev/mqueue
mountpoint -q /dev/shm || mount -t tmpfs shm /dev/shm
mountpoint -q /dev/mqueue || mount -t mqueue mqueue /dev/mqueue

tree_below() {
	(cd "$1" && find . -printf '%y %m %l %p\n' | sort &&
		find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

# age NAME DEVICE TYPE SEED BYTES OPERATIONS: files come and go.
age() {
	mount -i -t "$3" "$2" /mnt
	python3 /tests/lib/age-tree.py "$4" "/mnt/t$4" "$5" "$6" links holes
	umount /mnt
}

# nilfs_clean DEVICE TREE: remove that and let the cleaner free the segments that
# have become old, at least the first five.
nilfs_clean() {
	local pid i
	sed -e 's/^\(protection_period\|min_clean_segments\)\s.*/\1 0/' \
		-e 's/^\(clean_check_interval\|cleaning_interval\)\s.*/\1 1/' \
		-e 's/^min_reclaimable_blocks\s.*/min_reclaimable_blocks 1/' \
		/etc/nilfs_cleanerd.conf >/run/cleaner.conf
	mount -i -t nilfs2 "$1" /mnt
	rm -rf "/mnt/${2:?}"
	sync
	pid=$(nilfs_cleanerd -c /run/cleaner.conf -p 0 "$1" /mnt |
		sed -n 's/^NILFS_CLEANERD_PID=//p')
	for ((i = 0; i < 120; i++)); do
		sleep 1
		lssu -a "$1" >/run/lssu
		[ "$(sed -n 's/^ *[0-4] .* \(-..\) .*/\1/p' /run/lssu |
			grep -c -- ---)" -lt 5 ] || break
	done
	kill "$pid"
	while [ -d "/proc/$pid" ]; do
		sleep 0.2
	done
	sync
	umount /mnt
}

# look NAME DEVICE TYPE [OPTIONS [BELOW]]; of NILFS2 into its snapshots, too.
look() {
	local snapshots='' number
	mount -i -t "$3" -o "ro${4:+,$4}" "$2" /mnt
	tree_below "/mnt/${5:-}" >"$OUT/$1.tree"
	stat -f -c '%b %f %S' /mnt >"$OUT/$1.stat"
	if [ "$3" = nilfs2 ]; then
		lssu -a "$2" >"$OUT/$1.lssu"
		snapshots=$(lscp -s "$2" | awk '$1 ~ /^[0-9]+$/ { print $1 }')
	fi
	umount /mnt
	for number in $snapshots; do
		mount -i -t nilfs2 -o "ro,cp=$number" "$2" /mnt
		{
			echo "snapshot $number"
			tree_below /mnt
		} >>"$OUT/$1.tree"
		umount /mnt
	done
}

# dirty DEVICE TYPE: leave it mounted, with files that have just been written.
dirty() {
	mkdir -p "/dirty-$2"
	mount -i -t "$2" "$1" "/dirty-$2"
	cp /usr/bin/a* "/dirty-$2"
	sync
	cp /usr/bin/b* "/dirty-$2"
	sync
	rm "/dirty-$2"/a*
}
