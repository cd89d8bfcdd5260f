#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Clonezilla's image directories: made by the commands that Clonezilla runs and
# put together by us; saved by us, accepted by ocs-chkimg, and restored by the
# commands that Clonezilla runs.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
. "$(dirname "$0")/../lib/ptcl.sh"
. "$(dirname "$0")/../lib/clonezilla.sh"
requires mke2fs e2fsck debugfs mkfs.vfat fsck.fat mkswap sfdisk parted sgdisk \
	blkid jq python3 partclone.ext4 partclone.vfat partclone.restore gzip \
	zstd xz lz4 bzip2 split
requires_built used-blocks

# put DISK NUMBER FILE: a filesystem into a partition.
put() {
	local place
	place=$(cz_place "$1" "$2")
	dd if="$3" of="$1" bs=1M oflag=seek_bytes conv=sparse,notrunc \
		seek="${place%% *}" status=none
}

# filesystem DISK NUMBER COMMAND...: made in the partition, with files
filesystem() {
	local disk=$1 number=$2
	shift 2
	cz_part "$disk" "$number" "$T/part"
	"$@" "$T/part" >"$T/log" 2>&1 || fail "$*: $(cat "$T/log")"
	put "$disk" "$number" "$T/part"
	rm -f "$T/part"
}

# same_disk A B: tables as sfdisk sees them, and the used blocks of all volumes.
same_disk() {
	[ "$(sfdisk -d "$1" | sed "s|$1||; /^device/d")" = \
		"$(sfdisk -d "$2" | sed "s|$2||; /^device/d")" ] || {
		sfdisk -d "$1"
		sfdisk -d "$2"
		fail "$2: the table"
	}
	"$UB" map --json "$1" | jq '{extents: [.volumes[] |
		select(.number != null and .number > 0)] | []}' >"$T/none.json"
	"$UB" map --json "$1" >"$T/map.json"
	python3 - "$T/map.json" >"$T/parts.json" <<'PY'
import json, sys
m = json.load(open(sys.argv[1]))
vols = [(v["start"], v["start"] + v["length"]) for v in m["volumes"]
        if v.get("number")]
out = []
for at, n in m["extents"]:
    for a, b in vols:
        lo, hi = max(at, a), min(at + n, b)
        if lo < hi:
            out.append([lo, hi - lo])
assert out
print(json.dumps({"extents": out}))
PY
	$PTCL same "$T/parts.json" "$1" "$2" || fail "$2: the volumes"
}

# --- an MBR disk -----------------------------------------------------------------
say "MBR: Clonezilla's directory, restored by us"
D=$T/mbr.disk
truncate -s 100M "$D"
sfdisk -q "$D" <<'PT'
label: dos
2048, 24M, 83, *
, 10M, 82
, , 5
, 20M, 83
, 16M, c
PT
head -c 440 /dev/urandom | dd of="$D" conv=notrunc status=none
head -c 30000 /dev/urandom | dd of="$D" bs=512 seek=1 conv=notrunc status=none
filesystem "$D" 1 mke2fs -q -F -t ext4 -d "$FY_TOP/common"
filesystem "$D" 2 mkswap -L "my swap"
filesystem "$D" 5 mke2fs -q -F -t ext2 -d "$FY_TOP/partclone"
filesystem "$D" 6 mkfs.vfat -F 32 -s 1
I=$T/mbr.image
cz_table "$D" "$I" sda
cz_save "$D" 1 "$I" sda ext4 "zstd -q -1" zst
cz_save "$D" 5 "$I" sda ext2 "gzip -1" gz 50K
cz_save "$D" 6 "$I" sda vfat "xz -0" xz
printf 'UUID="%s"\nLABEL="my swap"\n' "$("$UB" map --json "$D" |
	jq -r '.volumes[] | select(.filesystem == "swap") | .uuid')" \
	>"$I/swappt-sda2.info"
echo "sda1 sda5 sda6" >"$I/parts"
[ -e "$I/sda5.ext2-ptcl-img.gz.ab" ] || fail "the test has no pieces"
[ -s "$I/sda3-ebr" ] || fail "the test has no EBR"
"$UB" restore --quiet --verify "$I" "$T/mbr.back"
same_disk "$D" "$T/mbr.back"
cmp -n $((2048 * 512)) "$D" "$T/mbr.back" || fail "boot code"
for n in 1 5; do
	cz_part "$T/mbr.back" $n "$T/part"
	e2fsck -fn "$T/part" >"$T/log" 2>&1 || fail "e2fsck of p$n"
done
cz_part "$T/mbr.back" 2 "$T/part"
blkid -p -o export "$T/part" | grep -q '^LABEL=my' || fail "the swap's label"
"$UB" restore "$I" - 2>"$T/err" | cmp - "$T/mbr.back" || fail "to a pipe"
"$UB" check --quiet "$I" || fail "check"
"$UB" info --json "$I" >"$T/out"
jq -e '.format == "clonezilla" and .disk == "sda" and .table == "mbr" and
	.disk_bytes == 104857600 and (.parts | length) == 5 and
	.parts[1].kind == "swap" and .parts[3].file == "sda5.ext2-ptcl-img.gz"' \
	"$T/out" >"$T/log" || { cat "$T/out"; fail "info"; }
"$UB" info "$I" | grep -q 'sda6' || fail "info in words"

# --- a GPT disk --------------------------------------------------------------------
say "GPT: Clonezilla's directory, restored by us"
G=$T/gpt.disk
truncate -s 100M "$G"
sfdisk -q "$G" <<'PT'
label: gpt
size=36M, type=U, name="EFI System"
size=30M, type=L, attrs="LegacyBIOSBootable GUID:63"
size=5M, type=L, name="raw"
PT
filesystem "$G" 1 mkfs.vfat -F 32 -s 1
filesystem "$G" 2 mke2fs -q -F -t ext4 -d "$FY_TOP/common"
head -c 5M /dev/urandom >"$T/part"
put "$G" 3 "$T/part"
J=$T/gpt.image
cz_table "$G" "$J" nvme0n1p >/dev/null 2>&1 || :
rm -rf "$J"
cz_table "$G" "$J" sdb
cz_save "$G" 1 "$J" sdb vfat "lz4 -q -c" lz4
cz_save "$G" 2 "$J" sdb ext4 "bzip2 -1" bz2 60K
gzip -1 <"$T/part" >"$J/sdb3.dd-ptcl-img.gz"
echo "sdb1 sdb2 sdb3" >"$J/parts"
"$UB" restore --quiet "$J" "$T/gpt.back"
same_disk "$G" "$T/gpt.back"
sgdisk -v "$T/gpt.back" | grep -q 'No problems found' || fail "the GPT"
cmp -n $((34 * 512)) "$G" "$T/gpt.back" || fail "the GPT's first copy"
cmp -i $((100 * 1048576 - 33 * 512)) "$G" "$T/gpt.back" ||
	fail "the GPT's second copy"
# The first copy is damaged: sgdisk's backup serves.
cp -a "$J" "$T/gpt2.image"
$PTCL flip "$T/gpt2.image/sdb-gpt-1st" 600
"$UB" restore --quiet "$T/gpt2.image" "$T/gpt2.back"
cmp "$T/gpt.back" "$T/gpt2.back" || fail "from the backup of the GPT"
rm "$T/gpt2.back"

# --- what is refused ------------------------------------------------------------------
say "refusals"
# broken STATUS PATTERN COMMAND...: of a copy of the image
broken() {
	local status=$1 pattern=$2
	shift 2
	rm -rf "$T/x.image"
	cp -a "$J" "$T/x.image"
	(cd "$T/x.image" && eval "$*")
	refused "$status" "$UB" restore --quiet "$T/x.image" "$T/x.back"
	grep -qi -- "$pattern" "$T/err" || fail "$*: $(cat "$T/err")"
	[ -z "$(ls "$T"/x.back* 2>/dev/null)" ] || fail "$*: half a disk is left"
	! "$UB" check --quiet "$T/x.image" >"$T/out" 2>&1 || fail "check: $*"
}
broken 1 'LVM' "echo '/dev/vg /dev/sdb2 xyz' >lvm_vg_dev.list"
broken 1 'LUKS' "echo '/dev/sdb2 uuid name' >luks-dev.list"
broken 1 'encrypted' ": >ecryptfs.info"
broken 1 'ntfsclone' "mv sdb1.vfat-ptcl-img.lz4 sdb1.ntfs-img.gz"
broken 1 'no image of it' "rm sdb1.*"
broken 1 'two images' "cp sdb1.vfat-ptcl-img.lz4 sdb1.ext4-ptcl-img.lz4"
broken 4 'early' "rm sdb2.ext4-ptcl-img.bz2.ab"
broken 1 'parts' "rm parts"
broken 1 'no partition table' "rm sdb-pt.sf"
broken 1 'lacks' "rm sdb-pt.parted"
broken 1 'lies elsewhere' "sed -i '/sdb2/s/start= *[0-9]*/start= 75785/' sdb-pt.sf"
broken 1 'not understood' "sed -i '/sdb2/s/start=/begin=/' sdb-pt.sf"
broken 1 'gpt' "$PTCL flip sdb-gpt-1st 600; rm sdb-gpt.gdisk"
broken 1 'larger disk' "sed -i '/^Disk .dev/s/: [0-9]*s/: 160000s/' \
	sdb-pt.parted; sed -i '/sdb3/s/size= *[0-9]*/size= 1000/' sdb-pt.sf"
broken 4 'damaged' "$PTCL flip sdb2.ext4-ptcl-img.bz2.ab -3"
broken 4 'early\|ends' "truncate -s -100 sdb1.vfat-ptcl-img.lz4"
broken 1 'more bytes' "(gzip -dc sdb3.dd-ptcl-img.gz; echo x) | gzip >y;
	mv y sdb3.dd-ptcl-img.gz"
refused 1 "$UB" restore --only sdz "$J" "$T/x.back"
refused 2 "$UB" restore --only sda "$T/gpt.disk" "$T/x.back"

# --- saved by us ------------------------------------------------------------------------
say "our directory"
for disk in mbr gpt; do
	for options in "" "--compress gzip --split 1M" "--compress none"; do
		rm -rf "$T/ours" "$T/ours.back"
		# shellcheck disable=SC2086
		"$UB" save --quiet --format clonezilla $options \
			"$T/$disk.disk" "$T/ours" || fail "save of $disk $options"
		"$UB" restore --quiet "$T/ours" "$T/ours.back" ||
			fail "restore of our own"
		same_disk "$T/$disk.disk" "$T/ours.back"
	done
	# As Clonezilla restores: the table by sfdisk, each part by partclone.
	rm -f "$T/ours.back"
	truncate -s 100M "$T/ours.back"
	sed 's/^last-lba:.*//' "$T/ours/sda-pt.sf" |
		sfdisk -q --force "$T/ours.back" >"$T/log" 2>&1 ||
		fail "sfdisk does not take our table: $(cat "$T/log")"
	dd if="$T/ours/sda-mbr" of="$T/ours.back" bs=446 count=1 conv=notrunc \
		status=none
	read -ra parts <"$T/ours/parts"
	for part in "${parts[@]}"; do
		file=$(ls "$T/ours/$part".*-ptcl-img.*)
		case $file in
		*.dd-ptcl-img.*) cp "$file" "$T/part" ;;
		*)
			rm -f "$T/part"
			partclone.restore -C -W -s "$file" -o "$T/part" \
				-L "$T/cz.log" >"$T/log" 2>&1 ||
				fail "partclone.restore of $part" ;;
		esac
		put "$T/ours.back" "${part#sda}" "$T/part"
	done
	if [ $disk = mbr ]; then
		(. "$T/ours/swappt-sda2.info" && cz_part "$T/ours.back" 2 \
			"$T/part" && mkswap -U "$UUID" -L "$LABEL" "$T/part" \
			>"$T/log" 2>&1)
		put "$T/ours.back" 2 "$T/part"
	fi
	same_disk "$T/$disk.disk" "$T/ours.back"
done
refused 1 "$UB" save --format clonezilla "$T/gpt.disk" "$T/ours"
refused 2 "$UB" save --format clonezilla --only p1 "$T/gpt.disk" "$T/o2"
refused 2 "$UB" save --split 4M "$T/gpt.disk" "$T/o2"
[ -z "$(ls -d "$T"/o2* 2>/dev/null)" ] || fail "a refusal left something"

# --- a machine out of it -----------------------------------------------------------------------
say "p2v-client convert --disk DIRECTORY"
requires_built p2v-client v2v-server
mkdir "$T/vms" "$T/tmp"
TMPDIR=$T/tmp "$FY_BUILD/p2v-client" convert --server local --disk "$J" \
	--to "$T/vms" --name fromimage --format raw --no-inject --progress none \
	>"$T/log" 2>"$T/err" || { cat "$T/err"; fail "the conversion"; }
same_disk "$G" "$T/vms/fromimage.raw"
[ -z "$(ls "$T/tmp")" ] || fail "the unpacked disk was left behind"
cp -a "$J" "$T/hurt.image"
truncate -s -100 "$T/hurt.image/sdb1.vfat-ptcl-img.lz4"
refused 1 env TMPDIR="$T/tmp" "$FY_BUILD/p2v-client" convert --server local \
	--disk "$T/hurt.image" --to "$T/vms" --name hurt --no-inject
grep -q 'early' "$T/err" || fail "the damaged image is not named"
[ -z "$(ls "$T/tmp")" ] || fail "a failure left the unpacked disk behind"
[ ! -e "$T/vms/hurt.xml" ] || fail "a machine of a damaged image"

# --- ocs-chkimg ------------------------------------------------------------------------------
if ! command -v ocs-chkimg >/dev/null || [ "$(id -u)" != 0 ]; then
	say "no clonezilla or no root: ocs-chkimg left out"
	exit 0
fi
say "ocs-chkimg"
rm -rf "$T/root" && mkdir "$T/root"
"$UB" save --quiet --format clonezilla --split 2M "$T/mbr.disk" "$T/root/good"
TERM=dumb ocs-chkimg -b -nogui -or "$T/root" good </dev/null >"$T/out" 2>&1 ||
	{ cat "$T/out"; fail "ocs-chkimg refuses our image"; }
grep -q 'restorable' "$T/out" || { cat "$T/out"; fail "ocs-chkimg says nothing"; }
cp -a "$T/root/good" "$T/root/bad"
$PTCL flip "$(ls "$T"/root/bad/sda5.ext2*.aa)" 3000
if TERM=dumb ocs-chkimg -b -nogui -or "$T/root" bad </dev/null >"$T/out" 2>&1; then
	fail "ocs-chkimg accepts anything"
fi
exit 0
