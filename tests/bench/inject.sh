# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The bench's rows of the injection: a Debian guest against virt-v2v, and the
# kinds of guests one by one.  Sourced by run.
. "$FY_TOP/tests/lib/workbench.sh"

# The seconds of virt-v2v's convert phase, by its own clock.
v2v_convert_seconds() {
	awk 'match($0, /^\[ *[0-9.]+\]/) {
			t = substr($0, 2, RLENGTH - 2) + 0
			if (began != "") { print t - began; exit }
			if (/Converting/) began = t
		}' "$1"
}

rows_inject() {
	local i guest=$T/guest.img image=$T/image
	"$FY_TOP/tests/guests/make-guest" --out "$guest" --fstab dev \
		--nic enp0s5=10.77.0.2/24
	for ((i = 0; i < runs; i++)); do
		rm -rf "$image.job"
		qemu-img convert -O qcow2 "$guest" "$image"
		measure inject "$FY_BUILD/v2v-server" inject "$image"
	done
	local m
	m=$(median "$T/t.inject")
	if [ -n "${BENCH_V2V:-}" ]; then
		"$FY_TOP/tests/setup" bench-v2v
		LIBGUESTFS_BACKEND=direct
		export LIBGUESTFS_BACKEND LIBGUESTFS_BACKEND_SETTINGS=force_tcg
		measure v2v-first virt-v2v -i disk "$guest" -o local \
			-os "$out" -of qcow2
		v2v_convert_seconds "$T/log.v2v-first" >"$T/t.v2v"
		row "injection into a Debian guest / virt-v2v's convert phase" \
			"$m" "$(cat "$T/t.v2v")" 25 s
	else
		printf '%s|%s s|%s|%s|%s|%s\n' \
			"injection into a Debian guest / virt-v2v" "$m" \
			"not run" - 25 "BENCH_V2V=1" >>"$table"
	fi
}

# inject_kind WHAT ARGS...: a guest of that kind is made and injected into, $runs
# times; its median becomes a row.  With $launch it goes through libguestfs, which
# may take its appliance's start and 15 seconds more.
inject_kind() {
	local what=$1 guest=$T/kind.img i disk images=() options=()
	shift
	rm -rf "${guest:?}"* "$T/t.kind"
	"$FY_TOP/tests/guests/make-guest" --out "$guest" \
		--nic enp0s5=10.77.0.2/24 --password factory "$@"
	local disks=("$guest")
	[ ! -e "$guest.2" ] || disks+=("$guest.2")
	[ ! -e "$guest.make" ] || workbench_stack "${disks[@]}"
	case $what in *LUKS*)
		printf factory >"$T/passphrase"
		options=(--luks-key "$T/passphrase") ;;
	esac
	for ((i = 0; i < runs; i++)); do
		images=()
		for disk in "${disks[@]}"; do
			rm -rf "$disk.qcow2" "$disk.qcow2.job"
			qemu-img convert -O qcow2 "$disk" "$disk.qcow2"
			images+=("$disk.qcow2")
		done
		measure kind "$FY_BUILD/v2v-server" inject "${options[@]}" \
			"${images[@]}"
	done
	if [ -n "${launch:-}" ]; then
		row "injection, $what / libguestfs's start and 15 s" \
			"$(median "$T/t.kind")" "$launch" 1 s
	else
		printf '%s|%s s|-|-|-|\n' "injection, $what" \
			"$(median "$T/t.kind")" >>"$table"
	fi
	rm -rf "${guest:?}"*
}

# $launch: what the appliance alone takes, and what it may take on top.
measure_launch() {
	local disk=$T/empty.img i
	truncate -s 64M "$disk"
	export LIBGUESTFS_BACKEND=direct
	for ((i = 0; i < runs; i++)); do
		measure launch guestfish -a "$disk" run
	done
	launch=$(median "$T/t.launch" | awk '{ print $1 + 15 }')
}

rows_families() {
	local launch='' dev=(--fstab dev --swap 100)
	requires guestfish cryptsetup
	workbench_needs
	inject_kind "ext4, BIOS, GRUB, ifupdown, initramfs-tools" "${dev[@]}"
	inject_kind "UEFI, /boot of its own, networkd" --firmware uefi \
		--separate-boot --net networkd
	inject_kind "dracut" --initramfs dracut "${dev[@]}"
	inject_kind "NVMe names, systemd-boot, dracut" --firmware uefi \
		--loader systemd-boot --disk-name nvme0n1 --initramfs dracut \
		"${dev[@]}"
	inject_kind "extlinux" --loader extlinux "${dev[@]}"
	inject_kind "root on an LV, NetworkManager" --stack lvm \
		--net networkmanager "${dev[@]}"
	inject_kind "md's RAID 1" --stack md --size 2000M --fstab dev
	measure_launch
	inject_kind "XFS" --fs xfs "${dev[@]}"
	inject_kind "Btrfs, subvolumes, netplan" --fs btrfs --net netplan \
		"${dev[@]}"
	inject_kind "LVM in LUKS" --stack luks --size 2200M --swap 64
}
