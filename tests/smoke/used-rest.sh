#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# used-blocks map on JFS, ReiserFS, NILFS2 and UFS: aged filesystems against
# what they themselves call free, copies of the used extents under their fsck
# and mounted, and what a power cut left.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/used-rest.sh"
requires mkfs.jfs jfs_fsck mkreiserfs reiserfsck makefs blkid jq python3
requires_built used-blocks
workbench_needs

say "fill and age"
new jfs 160M reiser 150M reiser1k 64M nilfs 96M \
	dirty-jfs 32M dirty-reiser 48M dirty-nilfs 48M
mkfs.jfs -q -L "a label" "$T/jfs" >"$T/log"
mkfs.jfs -q "$T/dirty-jfs" >"$T/log"
mkreiserfs -q -f -f -l alabel "$T/reiser" >"$T/log" 2>&1
mkreiserfs -q -f -f -b 1024 -s 1024 "$T/reiser1k" >"$T/log" 2>&1
mkreiserfs -q -f -f -s 513 "$T/dirty-reiser" >"$T/log" 2>&1
workbench --out "$OUT" - "$T"/{jfs,reiser,reiser1k,nilfs} \
	"$T"/dirty-{jfs,reiser,nilfs} <<'SCRIPT' || fail "the first job"
. /tests/lib/used-rest-guest.sh
mkfs.nilfs2 -q -f -B 128 -L alabel /dev/vde
mkfs.nilfs2 -q -f -b 1024 -B 64 /dev/vdh
age jfs /dev/vdb jfs 1 60000000 500
age reiser /dev/vdc reiserfs 2 60000000 400
age reiser1k /dev/vdd reiserfs 3 20000000 200
age nilfs /dev/vde nilfs2 4 12000000 200
age nilfs /dev/vde nilfs2 5 12000000 200
nilfs_clean /dev/vde t4
look jfs /dev/vdb jfs
look reiser /dev/vdc reiserfs
look reiser1k /dev/vdd reiserfs
look nilfs /dev/vde nilfs2
dirty /dev/vdf jfs
dirty /dev/vdg reiserfs
dirty /dev/vdh nilfs2
pull-the-plug
SCRIPT

say "maps"
mapped jfs jfs
all_but_free jfs
mapped reiser reiserfs
all_but_free reiser
mapped reiser1k reiserfs
all_but_free reiser1k
mapped nilfs nilfs2
by_segments nilfs $((128 * 4096))
for name in jfs reiser nilfs; do
	same_as_blkid "$T/$name" disk
done
jfs_fsck -n "$T/jfs.copy" >"$T/log" 2>&1 ||
	{ cat "$T/log"; fail "the copied JFS"; }
grep -q 'Filesystem is clean' "$T/log" || fail "the copied JFS: $(cat "$T/log")"
for name in reiser reiser1k; do
	cp --sparse=always "$T/$name.copy" "$T/checked"
	reiserfsck --check -y "$T/checked" </dev/null >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "the copied $name"; }
	grep -q 'No corruptions found' "$T/log" || fail "$name: $(cat "$T/log")"
done

say "UFS"
the_tree 6 9000000
make_ufs ufs1 64m 1 be
make_ufs ufs2 64m 2 le
make_ufs ufs1le 64m 1 le bsize=16384,fsize=2048
make_ufs ufs2be 64m 2 be
for name in ufs1 ufs2 ufs1le ufs2be; do
	mapped "$name" ufs
	same_as_blkid "$T/$name" disk
done

say "power cuts"
cp "$T/dirty-reiser" "$T/pending"
poke pending $((65536 + 50)) '\1\0'
refused dirty-jfs 'not cleanly unmounted' fsck.jfs
refused dirty-reiser 'not cleanly unmounted' reiserfsck
refused pending 'journal has not been replayed' reiserfsck
refused dirty-nilfs 'not cleanly unmounted' 'unmount it once'
cp "$T/ufs1" "$T/dirty-ufs"
poke dirty-ufs $((8192 + 209)) '\0'
refused dirty-ufs 'not cleanly unmounted' fsck_ffs
jfs_fsck -p "$T/dirty-jfs" </dev/null >"$T/log" 2>&1 || [ $? -le 1 ] ||
	{ cat "$T/log"; fail "fsck.jfs"; }
mapped dirty-jfs jfs
reiserfsck --check -y "$T/dirty-reiser" </dev/null >"$T/log" 2>&1 ||
	[ $? -le 1 ] || { cat "$T/log"; fail "reiserfsck"; }
mapped dirty-reiser reiserfs

say "what can't be mapped"
cp "$T/jfs" "$T/odd"
poke odd $((32768 + 39)) '\x90'
whole odd 'feature'
cp "$T/reiser" "$T/odd"
poke odd $((65536 + 4)) '\x01\x02'
whole odd 'free blocks'
cp "$T/nilfs" "$T/odd"
poke odd 1100 '\x01\x02'
poke odd $((96 * 1024 * 1024 - 4096 + 76)) '\x01\x02'
whole odd 'no superblock'
cp "$T/ufs2" "$T/odd"
poke odd $((65536 + 1312)) '\x40'
whole odd 'GEOM'
rm "$T/odd"

say "mount the copies"
workbench --out "$OUT" - "$T"/{jfs,reiser,reiser1k,nilfs}.copy \
	"$T"/{ufs1,ufs2,ufs1le,ufs2be}.copy "$T/dirty-nilfs" \
	"$T"/dirty-{jfs,reiser}.copy <<'SCRIPT' || fail "the second job"
. /tests/lib/used-rest-guest.sh
look jfs.copy /dev/vdb jfs
look reiser.copy /dev/vdc reiserfs
look reiser1k.copy /dev/vdd reiserfs
look nilfs.copy /dev/vde nilfs2
look ufs1 /dev/vdf ufs ufstype=44bsd t
look ufs2 /dev/vdg ufs ufstype=ufs2 t
look ufs1le /dev/vdh ufs ufstype=44bsd t
look ufs2be /dev/vdi ufs ufstype=ufs2 t
mount -i -t nilfs2 /dev/vdj /mnt
umount /mnt
look dirty-nilfs /dev/vdj nilfs2
look dirty-jfs /dev/vdk jfs
look dirty-reiser /dev/vdl reiserfs
# They are to be written to as well.
for d in "jfs b" "reiserfs c" "reiserfs d" "nilfs2 e" "jfs k" "reiserfs l"; do
	mount -i -t "${d% *}" "/dev/vd${d#* }" /mnt
	cp -r /etc /mnt
	rm -rf /mnt/etc
	umount /mnt
done
SCRIPT
for name in jfs reiser reiser1k nilfs; do
	cmp "$OUT/$name.tree" "$OUT/$name.copy.tree" ||
		fail "$name: files of the copy differ"
	[ "$(wc -l <"$OUT/$name.tree")" -gt 60 ] || fail "$name: no files"
done
tree_below "$T/tree/t" >"$T/tree.want"
for name in ufs1 ufs2 ufs1le ufs2be; do
	cmp "$T/tree.want" "$OUT/$name.tree" ||
		fail "$name: files of the copy differ"
	all_but_free "$name"
done
mapped dirty-nilfs nilfs2
by_segments dirty-nilfs $((64 * 1024))
grep -q bash "$OUT/dirty-jfs.tree" || fail "the JFS lost its files"
grep -q bash "$OUT/dirty-reiser.tree" || fail "the ReiserFS lost its files"
exit 0
