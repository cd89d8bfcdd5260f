# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Phony Windows disks of the tests: made, taken apart and looked into, by
# ntfs-3g's and hivex's tools.

V2V=$FY_BUILD/v2v-server
CCS=ControlSet001
SCSI='{4d36e97b-e325-11ce-bfc1-08002be10318}'

requires_windows() {
	requires mkntfs ntfs-3g ntfscat ntfsls ntfsfix ntfsresize sfdisk jq \
		hivexregedit python3 mmd mcopy mtype mdir mkfs.vfat umount
	requires_root
	[ -w /dev/fuse ] || skip "needs /dev/fuse, for ntfs-3g"
}

# make_windows IMAGE ARGS...
make_windows() {
	local image=$1
	shift
	"$FY_TOP/tests/guests/make-windows" "$@" "$image" >"$T/make.log" 2>&1 ||
		{ cat "$T/make.log" >&2; fail "make-windows $*"; }
}

make_virtio_win() {
	"$FY_TOP/tests/guests/make-virtio-win" "$@" >"$T/make.log" 2>&1 ||
		{ cat "$T/make.log" >&2; fail "make-virtio-win $*"; }
}

# take_ntfs IMAGE NAME: its NTFS into $T/NAME.ntfs, its hives into
# $T/NAME.{system,software}, these as lines into $T/NAME.{system,software}.reg
take_ntfs() {
	local image=$1 name=$2 start size hive path
	read -r start size < <(sfdisk -J "$image" | jq -r '.partitiontable
		| .partitions[] | select(.type == "7" or
			.type == "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
		| "\(.start) \(.size)"')
	dd if="$image" of="$T/$name.ntfs" bs=1M skip=$((start / 2048)) \
		count=$((size / 2048)) conv=sparse status=none
	for hive in system software; do
		path=$(in_any_case "$T/$name.ntfs" Windows System32 config $hive)
		ntfscat "$T/$name.ntfs" "$path" >"$T/$name.$hive"
		python3 "$FY_TOP/tests/lib/reg.py" "$T/$name.$hive" \
			>"$T/$name.$hive.reg"
	done
}

# list_windows NAME [LABEL=DIR|FILE]...: all that a conversion may change in
# $T/NAME.img, into $T/NAME.list, as windows-changes.py reads it: files, access
# lists, registry, EFI partition, boot sectors.  The sources name contents.
list_windows() {
	local name=$1 py=$FY_TOP/tests/lib/windows-changes.py
	shift
	take_ntfs "$T/$name.img" "$name"
	mkdir -p "$T/mnt"
	ntfs-3g -o ro "$T/$name.ntfs" "$T/mnt" >"$T/mount.log" 2>&1 ||
		{ cat "$T/mount.log" >&2; fail "$name: ntfs-3g does not mount"; }
	{
		python3 "$py" tree "$T/mnt" file "$@"
		sed 's/^/system /' "$T/$name.system.reg"
		sed 's/^/software /' "$T/$name.software.reg"
		list_esp "$name" "$@"
		list_boot "$name"
	} >"$T/$name.list"
	hide_windows
}

hide_windows() {
	! mountpoint -q "$T/mnt" || umount "$T/mnt"
}

# The boot sector's heads, the rest of it; what is before the first partition.
list_boot() {
	printf 'boot heads\t%s\n' "$(od -An -tx1 -j26 -N2 "$T/$1.ntfs")"
	printf 'boot sector\t%s\n' "$({
		head -c 26 "$T/$1.ntfs"
		head -c 8192 "$T/$1.ntfs" | tail -c +29
	} | sha256)"
	printf 'boot gap\t%s\n' "$(head -c 1M "$T/$1.img" | sha256)"
}

list_esp() {
	local name=$1
	sfdisk -J "$T/$name.img" | grep -q C12A7328 || return 0
	shift
	rm -rf "$T/esp"
	mkdir "$T/esp"
	MTOOLS_SKIP_CHECK=1 mcopy -s -i "$T/$name.img@@1M" ::/EFI "$T/esp"
	python3 "$FY_TOP/tests/lib/windows-changes.py" tree "$T/esp" esp "$@"
	python3 "$FY_TOP/tests/lib/reg.py" "$T/esp/EFI/Microsoft/Boot/BCD" \
		>"$T/$name.bcd.reg"
	sed 's/^/bcd /' "$T/$name.bcd.reg"
}

# in_any_case NTFS NAME...: the path, as it is written there
in_any_case() {
	local image=$1 path= name is
	shift
	for name; do
		is=$(ntfsls -p "${path:-/}" "$image" 2>/dev/null |
			grep -ix -- "$name") || is=$name
		path=$path/$is
	done
	echo "$path"
}

# value NAME.HIVE KEY NAME TYPE VALUE
value() {
	grep -qFx -- "$(printf '%s\t%s\t%s\t%s' "$2" "$3" "$4" "$5")" \
		"$T/$1.reg" || {
		grep -F -- "$(printf '%s\t%s' "$2" "$3")" "$T/$1.reg" >&2 || :
		fail "$1: '$2' has no '$3' of $4 '$5'"
	}
}

# no_key NAME.HIVE KEY
no_key() {
	! grep -q -- "^$(printf '%s' "$2" | sed 's/[][\\.*^$]/\\&/g')\(\\\\\|	\)" \
		"$T/$1.reg" || fail "$1: '$2' is still there"
}

# same_file NTFS PATH FILE
same_file() {
	ntfscat "$1" "$2" | cmp -s - "$3" || fail "'$2' is not $3"
}

check_ntfs_clean() {
	ntfsfix -n "$1" >"$T/fix.log" 2>&1 ||
		{ cat "$T/fix.log" >&2; fail "ntfsfix is not content"; }
	ntfsresize -i -f "$1" >"$T/fix.log" 2>&1 ||
		{ cat "$T/fix.log" >&2; fail "ntfsresize is not content"; }
}

# only_there PATTERN NAME NAME: of the SYSTEM hives of both only keys that match
# the pattern differ
only_there() {
	local other
	other=$(diff "$T/$2.system.reg" "$T/$3.system.reg" |
		sed -n 's/^[<>] //p' | cut -f1 | sort -u | grep -Evi -- "$1") ||
		return 0
	fail "other keys were changed: $other"
}

# What is wanted of the service in each control set; NAME SERVICE [OWNER]
check_service() {
	local name=$1 s=$2 cs
	for cs in ControlSet001 ControlSet002; do
		value "$name.system" "$cs\\Services\\$s" Type dword 00000001
		value "$name.system" "$cs\\Services\\$s" Start dword 00000000
		value "$name.system" "$cs\\Services\\$s" ErrorControl dword \
			00000001
		value "$name.system" "$cs\\Services\\$s" Group sz \
			'SCSI miniport'
		value "$name.system" "$cs\\Services\\$s" ImagePath expand \
			"system32\\drivers\\$s.sys"
		value "$name.system" "$cs\\Services\\$s\\Parameters\\PnpInterface" \
			5 dword 00000001
		no_key "$name.system" "$cs\\Services\\$s\\StartOverride"
	done
}

# The driver database: NAME SERVICE OEM ID...
check_database() {
	local name=$1 s=$2 oem=$3 id label db='DriverDatabase' conf v
	shift 3
	label=${s}.inf_${ARCH:-amd64}_0000000000000000
	value "$name.system" "$db\\DriverInfFiles\\$oem" @ multi "$label"
	value "$name.system" "$db\\DriverInfFiles\\$oem" Active sz "$label"
	value "$name.system" "$db\\DriverPackages\\$label" @ sz "$oem"
	value "$name.system" "$db\\DriverPackages\\$label" InfName sz "$s.inf"
	value "$name.system" "$db\\DriverPackages\\$label" Catalog sz "$s.cat"
	v=00ff0900000000007be9364d25e3ce11bfc108002be10318
	value "$name.system" "$db\\DriverPackages\\$label" Version binary \
		"$v$(printf '0%.0s' $(seq 48))"
	conf=$(sed -n "s/^$db\\\\DriverInfFiles\\\\$oem	Configurations	multi	//p" \
		"$T/$name.system.reg")
	[ -n "$conf" ] || fail "$oem has no configurations"
	value "$name.system" "$db\\DriverPackages\\$label\\Configurations\\$conf" \
		ConfigFlags dword 00000000
	value "$name.system" "$db\\DriverPackages\\$label\\Configurations\\$conf" \
		Service sz "$s"
	for id; do
		value "$name.system" "$db\\DeviceIds\\PCI\\$id" "$oem" binary \
			01ff0000
		value "$name.system" \
			"$db\\DriverPackages\\$label\\Descriptors\\PCI\\$id" \
			Configuration sz "$conf"
	done
	value "$name.system" "$CCS\\Services\\$s" Owners multi "$oem"
}

# The critical device database: NAME SERVICE ID...
check_critical() {
	local name=$1 s=$2 id
	shift 2
	for id; do
		value "$name.system" \
			"$CCS\\Control\\CriticalDeviceDatabase\\PCI#$id" \
			Service sz "$s"
		grep -qiFx "$(printf '%s\t%s\t%s\t%s' \
			"$CCS\\Control\\CriticalDeviceDatabase\\PCI#$id" \
			ClassGUID sz "$SCSI")" "$T/$name.system.reg" ||
			fail "'$id' is of another class"
	done
}
