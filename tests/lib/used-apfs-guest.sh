# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# In the workbench: APFS filled, aged, and looked at.  The module (0.3.0) has its
# limits: of a container below 500 MB the internal pool runs full when it is
# mounted again and again; files that a snapshot has too can't be removed; and
# what is written after a snapshot leaves a count that apfsck calls bad.  It
# writes slowly: to fill a container to its end takes hours here.  What is found
# goes to $OUT/NAME.tree: types, modes, links and digests of all files, and those
# of the snapshots after a line with the name of each.

mkdir -p /m

tree_below() {
	(cd "$1" && find . -printf '%y %m %l %p\n' | sort &&
		find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

# age DEVICE SEED BYTES OPERATIONS: files come and go.
age() {
	mount -t apfs -o readwrite "$1" /m
	python3 /tests/lib/age-tree.py "$2" "/m/t$2" "$3" "$4" links holes
	umount /m
}

# snapshot DEVICE NAME
snapshot() {
	mount -t apfs -o readwrite "$1" /m
	# APFS_IOC_TAKE_SNAPSHOT: _IOW('@', 0x85, 256 bytes)
	python3 -c 'import fcntl, os, sys
fcntl.ioctl(os.open("/m", os.O_RDONLY), 0x41004085,
            sys.argv[1].encode().ljust(256, b"\0"))' "$2"
	umount /m
}

# look NAME DEVICE [SNAPSHOT...]
look() {
	local name=$1 device=$2 s
	shift 2
	mount -t apfs -o ro "$device" /m
	tree_below /m >"$OUT/$name.tree"
	umount /m
	for s; do
		mount -t apfs -o "ro,snap=$s" "$device" /m
		{
			echo "snapshot $s"
			tree_below /m
		} >>"$OUT/$name.tree"
		umount /m
	done
}

# touch_up DEVICE: it is written to.
touch_up() {
	mount -t apfs -o readwrite "$1" /m
	cp -r /etc/init.d /m/new
	cp -r /m/new /m/newer
	rm -rf /m/new
	umount /m
}

# dirty DEVICE SEED: leave it mounted, with what has just been written, and some
# transactions behind the superblock in block 0.
dirty() {
	mkdir -p "/dirty$2"
	mount -t apfs -o readwrite "$1" "/dirty$2"
	python3 /tests/lib/age-tree.py "$2" "/dirty$2/t$2" 20000000 150 links
	sync -f "/dirty$2"
	cp /usr/bin/[a-c]* "/dirty$2"
	sync -f "/dirty$2"
	rm "/dirty$2"/b*
}
