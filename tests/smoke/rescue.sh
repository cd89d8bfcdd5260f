#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Disks with unreadable sectors.  A library before the client makes reads fail
# where they touch chosen sectors.  Without --rescue the place is named; with it
# all else arrives, the sectors are zeros, and the lists are right: by cmp, by
# ddrescue's own tools, by debugfs, and by ntfs-3g's tools.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires gcc mke2fs debugfs mkfs.vfat mcopy sfdisk sgdisk ddrescue \
	ddrescuelog jq python3 mkntfs ntfscp ntfscluster ntfsinfo
requires_built p2v-client v2v-server used-blocks

DISK=$T/disk.img
VMS=$T/vms
LOG=$T/log
JSON=$T/json
START=2048 # sectors: of the ext4
FAT=264192
NTFS=296960
EDIT="python3 $FY_TOP/tests/lib/ntfs-edit.py"

gcc -std=gnu17 -D_GNU_SOURCE -O2 -shared -fPIC -o "$T/faults.so" \
	"$FY_TOP/tests/lib/faults.c"

make_disk() {
	mkdir "$T/tree" "$T/tree/dir"
	python3 - "$T/tree" <<-'PY'
	import os, random, sys
	r = random.Random(2)
	for i in range(40):
	    with open(os.path.join(sys.argv[1], "dir", "f%d" % i), "wb") as f:
	        f.write(r.randbytes(300000 + i * 1000))
	for i in range(200):
	    with open(os.path.join(sys.argv[1], "dir", "s%d" % i), "wb") as f:
	        f.write(b"small")
	with open(os.path.join(sys.argv[1], "big \xe4\n"), "wb") as f:
	    f.write(r.randbytes(30 << 20))
	PY
	mke2fs -q -t ext4 -b 4096 -d "$T/tree" "$T/ext.img" 128M >/dev/null
	truncate -s 16M "$T/fat.img"
	mkfs.vfat -F 16 "$T/fat.img" >/dev/null
	mcopy -i "$T/fat.img" "$T/tree/dir/f1" "$T/tree/dir/f2" ::
	truncate -s 16M "$T/ntfs.img"
	mkntfs -q -F -p 0 -H 16 -S 63 "$T/ntfs.img" >/dev/null 2>&1
	head -c 200000 "$T/tree/dir/f7" >"$T/one"
	yes two | head -c 300 >"$T/two"
	ntfscp -q -f "$T/ntfs.img" "$T/one" one
	ntfscp -q -f "$T/ntfs.img" "$T/two" two
	truncate -s 180M "$DISK"
	sfdisk -q "$DISK" >/dev/null 2>&1 <<-PARTS
	label: gpt
	start=$START, size=262144
	start=$FAT, size=32768
	start=$NTFS, size=32768
	PARTS
	dd if="$T/ntfs.img" of="$DISK" bs=512 seek=$NTFS conv=notrunc status=none
	dd if="$T/ext.img" of="$DISK" bs=512 seek=$START conv=notrunc \
		status=none
	dd if="$T/fat.img" of="$DISK" bs=512 seek=$FAT conv=notrunc status=none
	rm -rf "$T/tree" "$T/ext.img" "$T/fat.img"
}

# The sectors that are bad, and what --rescue shall do about them.
faults() {
	local s
	RANGES=
	for s; do
		RANGES=$RANGES${RANGES:+,}$((s * 512))+512
	done
	CLIENT=(env "LD_PRELOAD=$T/faults.so" "FAULT_FILE=$DISK"
		"FAULT_RANGES=$RANGES" "FAULT_DEAD=$T/dead")
}

command_line() {
	CMD=("${CLIENT[@]}" "$FY_BUILD/p2v-client" convert --disk "$DISK"
		--to "$VMS" --name bad --format raw --server local --no-inject
		--progress none --json --retry 60 "$@")
}

# expect STATUS ARGS...
expect() {
	local want=$1 status=0
	shift
	command_line "$@"
	"${CMD[@]}" >"$JSON" 2>"$LOG" </dev/null || status=$?
	[ "$status" = "$want" ] ||
		{ cat "$LOG" >&2; fail "status $status, not $want: $*"; }
}

says() {
	grep -qE -- "$1" "$LOG" || { cat "$LOG" >&2; fail "no word of '$1'"; }
}

clear_vms() {
	rm -rf "$VMS"
	mkdir "$VMS"
}

# The image against the disk in all that is used, with these sectors zero.
compare() {
	python3 - "$DISK" "$VMS/bad.raw" "$T/map.json" "$@" <<-'PY'
	import json, sys
	disk, image, maps, *sectors = sys.argv[1:]
	a, b = bytearray(open(disk, "rb").read()), open(image, "rb").read()
	if len(a) != len(b):
	    sys.exit("the image is %d bytes long, not %d" % (len(b), len(a)))
	bad = [int(s) for s in sectors]
	for s in bad:
	    if not any(a[s * 512:s * 512 + 512]):
	        sys.exit("sector %d is zero on the disk already" % s)
	    a[s * 512:s * 512 + 512] = bytes(512)
	n = 0
	for offset, length in json.load(open(maps))["extents"]:
	    n += length
	    if a[offset:offset + length] != b[offset:offset + length]:
	        sys.exit("differs in the extent at %d" % offset)
	if n < 40 << 20:
	    sys.exit("only %d bytes are used" % n)
	PY
}

# What the JSON, the report and the mapfile list is exactly these sectors.
lists() {
	local want=$* bytes=$(($# * 512))
	[ "$(jq .unreadable_bytes "$JSON")" = "$bytes" ] ||
		fail "unreadable: $(jq -c .unreadable "$JSON") is not $*"
	[ "$(jq -r '[.unreadable[] | .[1] / 512 as $s |
		range($s; $s + .[2] / 512)] | map(tostring) | join(" ")' \
		"$JSON")" = "$want" ] || fail "unreadable: $(cat "$JSON")"
	[ "$(jq .unreadable_bytes "$VMS/bad.job/report.json")" = "$bytes" ] ||
		fail "unreadable_bytes in the report"
	[ "$(jq -c '[.unreadable[] | [.disk, .bytes, .map]]' \
		"$VMS/bad.job/report.json")" = "[[1,$bytes,\"disk1.map\"]]" ] ||
		fail "the report: $(jq .unreadable "$VMS/bad.job/report.json")"
	jq -r '.warnings[]' "$VMS/bad.job/report.json" |
		grep -q "$bytes bytes in .* could not be read" ||
		fail "no warning in the report"
	[ "$(ddrescuelog --list-blocks=- "$VMS/bad.job/disk1.map" |
		tr '\n' ' ')" = "$want " ] ||
		fail "ddrescuelog: $(cat "$VMS/bad.job/disk1.map")"
	! ddrescuelog --done-status "$VMS/bad.job/disk1.map" >/dev/null ||
		fail "the map says that all is done"
}

sector_of() { # block of the ext4, sector in it
	echo $((START + $1 * 8 + $2))
}

e() {
	debugfs -R "$1" "$DISK?offset=$((START * 512))" 2>/dev/null
}

ntfs_record() {
	ntfsinfo -f -F "$1" "$T/ntfs.img" 2>/dev/null |
		sed -n 's/^Dumping Inode \([0-9]*\).*/\1/p'
}

make_disk
"$FY_BUILD/used-blocks" map "$DISK" --json >"$T/map.json"

# Where things lie, by debugfs: data of two files, the directory that holds
# them, the inode of a third (behind those that are read for the map, with what
# lies beside them), and a free block.
f3=$(e 'blocks /dir/f3' | awk '{ print $2 }')
f9=$(e 'blocks /dir/f9' | awk '{ print $NF }')
dir=$(e 'blocks /' | awk '{ print $1 }')
read -r itable ioff < <(e 'imap /dir/s180' | tr -d ',' | awk '
	/located at/ { print $4, $6 }')
inode=$((itable * 8 + ioff / 512))
free=$(e 'ffb 1 20000' | awk '{ print $NF }')
for n in "$f3" "$f9" "$dir" "$free" "$itable"; do
	[ "$n" -gt 0 ] || fail "debugfs: $f3 $f9 $dir $free $itable"
done
a=$(sector_of "$f3" 3)
b=$(sector_of "$f9" 0)
i=$((START + inode))
u=$(sector_of "$free" 1)
# In the FAT's data, the first file's last whole sector.
fat=$((FAT + 200))
# In the NTFS: the third cluster of /one, and the record of /two, in which all of
# its data lies.
read -r at _ < <($EDIT runs "$T/ntfs.img" "$(ntfs_record one)")
one=$((at / 512 + 19))
read -r at _ < <($EDIT where "$T/ntfs.img" "$(ntfs_record two)")
two=$((at / 512))
for n in "$one" "$two"; do
	ntfscluster -f -s "$n-$n" "$T/ntfs.img" 2>/dev/null
done | grep '^Inode' | sort -u >"$T/owners"
# shellcheck disable=SC2016
printf 'Inode %s /one/$DATA\nInode 0 /$MFT/$DATA\n' "$(ntfs_record one)" |
	sort -u | cmp - "$T/owners" || fail "ntfscluster: $(cat "$T/owners")"
mapfile -t bad < <(printf '%s\n' "$a" "$b" "$i" "$fat" $((NTFS + one)) \
	$((NTFS + two)) | sort -n)

say "--- without --rescue: the place is named, and the same command goes on"
clear_vms
faults "$a" "$u"
expect 1
says "cannot read disk $DISK, volume p1 \(ext4\), sector $((a / 8 * 8))"
says '--rescue'
[ "$(jq -r .error "$JSON")" = unreadable ] || fail "$(cat "$JSON")"
[ ! -e "$VMS/bad.xml" ] || fail "a definition in spite of it"
faults "$u"
expect 0
compare
[ "$(jq -c '[.unreadable_bytes, .unreadable]' "$JSON")" = '[0,[]]' ] ||
	fail "$(cat "$JSON")"
[ ! -e "$VMS/bad.job/disk1.map" ] || fail "a map of nothing"

say "--- with --rescue: zeros and lists, checked by other programs"
clear_vms
faults "${bad[@]}" "$u"
expect 3 --rescue
[ "$(jq -r .result "$JSON")" = "done" ] || fail "$(cat "$JSON")"
compare "${bad[@]}"
lists "${bad[@]}"
says 'could not be read and are zeros'
jq -r '.unreadable[].files[]' "$VMS/bad.job/report.json" | sort >"$T/files"
# icheck and ncheck say which files they are.
{
	for block in "$f3" "$f9"; do
		ino=$(e "icheck $block" | awk 'NR > 1 { print $2 }')
		e "ncheck $ino" | awk 'NR > 1 { print "p1 (ext4): " $2 }'
	done
	per_sector=$((512 / $(e 'stats' | awk '/Inode size/ { print $3 }')))
	first=$(e "imap <11>" | awk '/located/ { print $4 }' | tr -d ,)
	size=$((512 / per_sector))
	for ((k = 0; k < per_sector; k++)); do
		ino=$((((i - START) * 512 - first * 4096) / size + 1 + k))
		e "ncheck $ino" | awk 'NR > 1 { print "p1 (ext4): " $2 }'
	done
	# shellcheck disable=SC2016
	printf 'p3 (ntfs): /%s\n' '$MFT' one two
} | sort -u >"$T/want"
grep -q '/dir/s180' "$T/want" || fail "debugfs: $(cat "$T/want")"
grep -v 'p2 (vfat)\|of no file' "$T/files" | diff "$T/want" - ||
	fail "other files than debugfs says"
grep -q "p2 (vfat): 512 bytes in 1 place, the first at its byte $((200 * 512))" \
	"$T/files" || fail "the FAT: $(cat "$T/files")"
# The inode's block is the filesystem's own.
grep -q 'p1 (ext4): 1 block of no file' "$T/files" || fail "$(cat "$T/files")"

say "--- ddrescue takes map and image, and reads what is missing only"
ddrescue -q -r1 "$DISK" "$VMS/bad.raw" "$VMS/bad.job/disk1.map" ||
	fail "ddrescue"
ddrescuelog --done-status "$VMS/bad.job/disk1.map" >/dev/null ||
	fail "ddrescue left something"
compare

say "--- a name that shows nothing, a directory's block, the superblock's copy"
clear_vms
big=$(e 'ls -l /' | awk '/big/ { print $1 }')
x=$(sector_of "$(e "blocks <$big>" | awk '{ print $5 }')" 2)
d=$(sector_of "$dir" 0)
faults "$x"
expect 3 --rescue
jq -r '.unreadable_files[]' "$JSON" | grep -qF 'p1 (ext4): /big' ||
	fail "$(jq .unreadable_files "$JSON")"
jq -r '.unreadable_files[]' "$JSON" | grep -qF '\x0a' ||
	fail "a line feed in a name is shown as it is"
clear_vms
faults "$d"
expect 3 --rescue
compare "$d"
jq -r '.unreadable_files[]' "$JSON" | grep -qE 'p1 \(ext4\): /$' ||
	fail "$(jq .unreadable_files "$JSON")"

say "--- cut and continued: the list is whole; a sector that came back is not"
clear_vms
faults "${bad[@]}"
cut_at() {
	command_line --rescue --limit-rate 8M "$@"
	"${CMD[@]}" >"$JSON" 2>"$LOG" </dev/null &
	pid=$!
	own_pid "$pid"
	wait_for 60 bash -c "[ \$(stat -c %s '$VMS/bad.partial/journal') \
		-gt 1500 ]" 2>/dev/null || fail "nothing became durable"
}
cut_at
kill -9 "$pid"
{ wait "$pid"; } 2>/dev/null || :
expect 1
says 'cannot read'
expect 3 --rescue
[ "$(jq .units_reused "$JSON")" -gt 0 ] || fail "nothing was reused"
compare "${bad[@]}"
lists "${bad[@]}"
clear_vms
cut_at
kill -9 "$pid"
{ wait "$pid"; } 2>/dev/null || :
CLIENT=()
expect 0 --rescue
compare
[ ! -e "$VMS/bad.job/disk1.map" ] || fail "a map of nothing"

say "--- the server is killed, the same process goes on"
clear_vms
faults "${bad[@]}"
cut_at
for p in $(descendants "$pid"); do
	[ "$(cat "/proc/$p/comm")" != v2v-server ] || kill -9 "$p"
done
status=0
wait "$pid" || status=$?
[ "$status" = 3 ] || { cat "$LOG"; fail "status $status after a reconnect"; }
[ "$(jq .reconnects "$JSON")" = 1 ] || fail "$(jq .reconnects "$JSON")"
compare "${bad[@]}"
lists "${bad[@]}"

say "--- bounds"
clear_vms
expect 1 --rescue --rescue-max 1K
says 'more than the 1.*that --rescue-max allows'
[ ! -e "$VMS/bad.xml" ] || fail "a definition in spite of it"
expect 3 --rescue --rescue-max 3K --rescue-tries 3
compare "${bad[@]}"
expect 2 --rescue-tries 2

say "--- the disk goes away"
clear_vms
faults "${bad[@]}"
cut_at
: >"$T/dead"
status=0
wait "$pid" || status=$?
[ "$status" = 1 ] || { cat "$LOG"; fail "status $status of a dead disk"; }
says 'nothing of it can be read any more'
[ ! -e "$VMS/bad.xml" ] || fail "a definition of a dead disk"
rm "$T/dead"
expect 3 --rescue
compare "${bad[@]}"

say "--- tables and maps"
clear_vms
bitmap=$(e 'stats' | sed -n 's/.*block bitmap at \([0-9]*\).*/\1/p' | head -n1)
m=$(sector_of "$bitmap" 0)
faults "$m"
expect 1
says 'cannot read the map of .*: p1: '
says '--rescue'
expect 3 --rescue
says "p1: its map of used blocks can't be read, so all of it is copied"
compare "$m"
lists "$m"
[ "$(jq .used_bytes "$JSON")" -gt $((128 << 20)) ] || fail "not all of p1"
clear_vms
faults 1
expect 3 --rescue
says 'the primary GPT is damaged; its backup'
compare 1
[ "$(jq .used_bytes "$JSON")" -lt $((100 << 20)) ] || fail "all was copied"
clear_vms
super=$((START + 2))
faults "$super"
expect 3 --rescue
says "p1: a sector that tells what it is can't be read"
compare "$super"
clear_vms
sgdisk -Z "$DISK" >/dev/null
sfdisk -q "$DISK" >/dev/null 2>&1 <<-PARTS
label: dos
start=$START, size=262144, type=83
PARTS
faults 0
expect 1
expect 3 --rescue
says 'the whole disk is copied'
cmp <(tail -c +513 "$DISK") <(tail -c +513 "$VMS/bad.raw") ||
	fail "not all of the disk arrived"

say "all right"
