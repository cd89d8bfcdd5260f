# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Image directories as Clonezilla saves them, made of a disk image by the
# commands that it runs: sfdisk, parted, sgdisk, dd, partclone and a packer.

# cz_table DISK DIR NAME: the files of the partition table.
cz_table() {
	local disk=$1 dir=$2 name=$3 sectors first ext
	sectors=$(($(stat -c %s "$disk") / 512))
	mkdir -p "$dir"
	# The names of the partitions in a dump are those of the file.
	sfdisk -d "$disk" | sed "s|^$disk|/dev/$name|; s|^device:.*|device: /dev/$name|" \
		>"$dir/$name-pt.sf"
	parted -s "$disk" unit s print |
		sed "s|^Disk $disk|Disk /dev/$name|" >"$dir/$name-pt.parted"
	dd if="$disk" of="$dir/$name-mbr" bs=512 count=1 status=none
	printf 'cylinders=1\nheads=255\nsectors=63\n' >"$dir/$name-chs.sf"
	echo "$name" >"$dir/disk"
	if grep -q 'Partition Table: gpt' "$dir/$name-pt.parted"; then
		dd if="$disk" of="$dir/$name-gpt-1st" bs=512 count=34 status=none
		dd if="$disk" of="$dir/$name-gpt-2nd" bs=512 status=none \
			skip=$((sectors - 32)) count=33
		sgdisk -b "$dir/$name-gpt.gdisk" "$disk" >/dev/null
		return 0
	fi
	first=$(sfdisk -J "$disk" | jq '[.partitiontable.partitions[].start] | min')
	dd if="$disk" of="$dir/$name-hidden-data-after-mbr" bs=512 skip=1 \
		count=$((first - 1)) status=none
	ext=$(sfdisk -J "$disk" | jq -r '.partitiontable.partitions[] |
		select(.type == "5" or .type == "f") |
		"\(.node | sub(".*[^0-9]"; "")) \(.start)"')
	[ -z "$ext" ] || dd if="$disk" bs=512 skip="${ext##* }" count=1 \
		of="$dir/$name${ext%% *}-ebr" status=none
}

# cz_place DISK NUMBER: start and size in bytes.
cz_place() {
	sfdisk -J "$1" | jq -r --arg n "$2" '.partitiontable.partitions[] |
		select(.node | test("[^0-9]" + $n + "$")) |
		"\(.start * 512) \(.size * 512)"'
}

# cz_part DISK NUMBER FILE: a partition's bytes.
cz_part() {
	local place
	place=$(cz_place "$1" "$2")
	rm -f "$3"
	truncate -s "${place##* }" "$3"
	dd if="$1" of="$3" bs=1M iflag=skip_bytes,count_bytes conv=sparse,notrunc \
		skip="${place%% *}" count="${place##* }" status=none
}

# cz_save DISK NUMBER DIR NAME FS PACKER SUFFIX [SPLIT]
cz_save() {
	local disk=$1 number=$2 dir=$3 part=$4$2 fs=$5 pack=$6 suffix=$7 to
	to=$dir/$part.$fs-ptcl-img.$suffix
	cz_part "$disk" "$number" "$T/cz.part"
	"partclone.$fs" -z 10485760 -c -s "$T/cz.part" -L "$T/cz.log" -o - \
		2>"$T/cz.out" | $pack >"$to" || fail "partclone.$fs: $(cat "$T/cz.out")"
	if [ -n "${8:-}" ]; then
		split -a 2 -b "$8" "$to" "$to."
		rm "$to"
	fi
	rm -f "$T/cz.part"
}
